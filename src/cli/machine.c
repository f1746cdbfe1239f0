/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/machine.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

/* A number alone in a file of the kernel; 0 when there is none. */
static uint64_t kernel_number(const char *path) {
    tm_buf text;
    uint64_t value = 0;
    tm__buf_init(&text, 4096);
    if (tm__fs_read_all(path, &text, NULL) != TM_OK ||
        !tm__str_to_u64(tm__str_trim((tm_str){(const char *)text.data, text.len}), &value)) {
        value = 0;
    }
    tm__buf_done(&text);
    return value;
}

uint64_t tm__memory_bytes(void) {
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page = sysconf(_SC_PAGESIZE);
    const uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    const uint64_t group = kernel_number("/sys/fs/cgroup/memory.max");
    return group > 0 && (machine == 0 || group < machine) ? group : machine;
}

uint64_t tm__disk_bytes(const char *path) {
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return 0;
    }
    return (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
}
