/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/net.h"

bool tm__tty_is(int fd) {
    return isatty(fd) == 1;
}

static struct winsize size_of(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size : (struct winsize){0};
}

uint32_t tm__tty_width(int fd) {
    const uint32_t width = size_of(fd).ws_col;
    return width == 0 ? 80 : width;
}

uint32_t tm__tty_height(int fd) {
    return size_of(fd).ws_row;
}
