/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as tidemill.yaml: a fault is named with its line, nothing leaks. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    char path[64];
    tm_project project = {0};
    tm_err err = {0};
    const int fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
        abort();
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (tm__project_read(path, &project, &err) != TM_OK && err.message[0] == '\0') {
        abort();
    }
    tm__project_done(&project);
    close(fd);
    return 0;
}
