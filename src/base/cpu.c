/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/pool.h"
#include "base/str.h"

/* A small file of /proc or /sys as text; false when there is none. */
static bool read_small(const char *path, char *out, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    const ssize_t len = read(fd, out, size - 1);
    close(fd);
    if (len <= 0) {
        return false;
    }
    out[len] = '\0';
    return true;
}

/* CPUs that a quota allows, rounded up; UINT32_MAX when there is none. */
static uint32_t quota_cpus(int64_t quota_us, int64_t period_us) {
    if (quota_us <= 0 || period_us <= 0 || quota_us / period_us >= 1024) {
        return UINT32_MAX;
    }
    return (uint32_t)((quota_us + period_us - 1) / period_us);
}

/* "max 100000" or "150000 100000" of one cgroup v2 folder. */
static uint32_t quota_v2(const char *folder) {
    char path[512], text[64];
    const int len = snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", folder);
    if (len < 0 || (size_t)len >= sizeof(path) || !read_small(path, text, sizeof(text))) {
        return UINT32_MAX;
    }
    tm_str rest = tm__str_trim(tm__str(text));
    const tm_str quota = tm__str_cut(&rest, ' ');
    int64_t quota_us, period_us;
    if (!tm__str_to_i64(quota, &quota_us) || !tm__str_to_i64(rest, &period_us)) {
        return UINT32_MAX;
    }
    return quota_cpus(quota_us, period_us);
}

static uint32_t quota_v1(void) {
    char quota[64], period[64];
    int64_t quota_us, period_us;
    if (!read_small("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof(quota)) ||
        !read_small("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof(period)) ||
        !tm__str_to_i64(tm__str_trim(tm__str(quota)), &quota_us) ||
        !tm__str_to_i64(tm__str_trim(tm__str(period)), &period_us)) {
        return UINT32_MAX;
    }
    return quota_cpus(quota_us, period_us);
}

/* The least quota of this process's cgroup and those above it. */
static uint32_t least_quota(void) {
    char text[512], folder[256] = "";
    if (read_small("/proc/self/cgroup", text, sizeof(text))) {
        tm_str rest = tm__str(text);
        while (rest.len > 0) {
            const tm_str line = tm__str_cut(&rest, '\n');
            if (tm__str_has_prefix(line, "0::/")) {
                (void)tm__str_copy(folder, sizeof(folder), (tm_str){line.ptr + 3, line.len - 3});
            }
        }
    }
    uint32_t least = quota_v1();
    for (;;) {
        const uint32_t quota = quota_v2(folder);
        least = quota < least ? quota : least;
        char *slash = strrchr(folder, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

uint32_t tm__cpu_count(void) {
    cpu_set_t set;
    uint32_t n = 1;
    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        n = (uint32_t)CPU_COUNT(&set);
    } else {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (uint32_t)online : 1;
    }
    const uint32_t quota = least_quota();
    n = quota < n ? quota : n;
    return n == 0 ? 1 : n;
}
