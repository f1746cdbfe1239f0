/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. Whatever cannot be learnt has a value that says so; nothing here fails.
 * 2. Files of the kernel are read by tm__fs_read_all(): they have no size, and an absent one is an
 *    older kernel or a container that hides it.
 * 3. Locks are read from /proc/locks. Asking by fcntl() would mean to open the locked file, and
 *    closing it again would end this process's own locks on it.
 */
#include "base/system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/str.h"

/* ---- The user ---- */

/* "name:password:uid:..." of the user wanted. */
static bool is_user(tm_str line, uint64_t uid, char *out, size_t size) {
    uint64_t found = 0;
    const tm_str name = tm__str_cut(&line, ':');
    (void)tm__str_cut(&line, ':');
    return tm__str_to_u64(tm__str_cut(&line, ':'), &found) && found == uid && name.len > 0 &&
           tm__str_copy(out, size, name);
}

/* getpwuid() may load modules, and glibc's (2.36) aborts when it has no memory for that. */
void tm__user_name(char *out, size_t size) {
    char block[4096];
    size_t len = 0;
    const int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    bool is_found = false;
    for (ssize_t n = 1; fd >= 0 && n > 0 && !is_found;) {
        n = read(fd, block + len, sizeof(block) - len);
        len += n > 0 ? (size_t)n : 0;
        const char *end = memchr(block, '\n', len);
        for (size_t at = 0; !is_found && end != NULL; end = memchr(block + at, '\n', len - at)) {
            const size_t next = (size_t)(end - block) + 1;
            is_found = is_user((tm_str){block + at, next - at - 1}, getuid(), out, size);
            at = next;
            if (memchr(block + at, '\n', len - at) == NULL) { /* the rest moves to the front */
                memmove(block, block + at, len - at);
                len -= at;
                break;
            }
        }
        len = len == sizeof(block) ? 0 : len; /* a line of 4 KiB is no user's */
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!is_found) {
        (void)snprintf(out, size, "uid %u", (unsigned)getuid());
    }
}

/* ---- Files of the kernel ---- */

/* Text of a small file, cut to size; empty when it cannot be read. */
static tm_str kernel_text(const char *path, tm_buf *buf) {
    tm__buf_init(buf, 1u << 20);
    const tm_status st = tm__fs_read_all(path, buf, NULL);
    if (st == TM_E_NOMEM) {
        (void)tm__json_lost(); /* that it is not known would be wrong */
    }
    if (st != TM_OK) {
        return (tm_str){0};
    }
    return (tm_str){(const char *)buf->data, buf->len};
}

/* A number alone in a file; 0 when there is none ("max"). */
static uint64_t kernel_number(const char *path) {
    tm_buf buf;
    uint64_t value = 0;
    if (!tm__str_to_u64(tm__str_trim(kernel_text(path, &buf)), &value)) {
        value = 0;
    }
    tm__buf_done(&buf);
    return value;
}

/* ---- Limits and memory ---- */

static tm_limit limit_of(__rlimit_resource_t resource) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0) {
        return (tm_limit){UINT64_MAX, UINT64_MAX};
    }
    return (tm_limit){
        .now = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur,
        .most = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_max,
    };
}

void tm__system_limits(tm_limits *out) {
    *out = (tm_limits){.open_files = limit_of(RLIMIT_NOFILE),
                       .processes = limit_of(RLIMIT_NPROC),
                       .address_bytes = limit_of(RLIMIT_AS)};
}

/* Folder of this process's cgroup below /sys/fs/cgroup; "": none. out [256] */
static void cgroup_folder(char *out) {
    tm_buf buf;
    tm_str rest = kernel_text("/proc/self/cgroup", &buf);
    out[0] = '\0';
    while (rest.len > 0) {
        const tm_str line = tm__str_cut(&rest, '\n');
        if (tm__str_has_prefix(line, "0::/")) {
            (void)tm__str_copy(out, 256, (tm_str){line.ptr + 3, line.len - 3});
        }
    }
    tm__buf_done(&buf);
}

/* The least memory.max of this process's cgroup and those above it; 0: none. */
static uint64_t cgroup_memory(void) {
    char folder[256], path[320];
    cgroup_folder(folder);
    uint64_t least = kernel_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    for (;;) {
        (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", folder);
        const uint64_t limit = kernel_number(path);
        least = limit != 0 && (least == 0 || limit < least) ? limit : least;
        char *slash = strrchr(folder, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

uint64_t tm__memory_bytes(bool *out_is_cgroup) {
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long page = sysconf(_SC_PAGESIZE);
    const uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    const uint64_t group = cgroup_memory();
    const bool is_cgroup = group > 0 && (machine == 0 || group < machine);
    if (out_is_cgroup != NULL) {
        *out_is_cgroup = is_cgroup;
    }
    return is_cgroup ? group : machine;
}

/* The number behind a word at the begin of a line; 0: there is none. */
static uint64_t kernel_field(const char *path, const char *word) {
    tm_buf buf;
    uint64_t value = 0;
    tm_str rest = kernel_text(path, &buf);
    while (rest.len > 0 && value == 0) {
        tm_str line = tm__str_cut(&rest, '\n');
        if (tm__str_is(tm__str_cut(&line, ' '), word)) {
            line = tm__str_trim(line);
            (void)tm__str_to_u64(tm__str_cut(&line, ' '), &value);
        }
    }
    tm__buf_done(&buf);
    return value;
}

/* What a cgroup with a limit leaves, with the pages of files that it would give up; UINT64_MAX: it
 * has no limit. */
static uint64_t cgroup_left(const char *folder) {
    char path[320];
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", folder);
    const uint64_t limit = kernel_number(path);
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", folder);
    const uint64_t used = kernel_number(path);
    (void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.stat", folder);
    const uint64_t given_up = kernel_field(path, "inactive_file");
    if (limit == 0) {
        return UINT64_MAX;
    }
    const uint64_t held = used > given_up ? used - given_up : 0;
    return limit > held ? limit - held : 1;
}

uint64_t tm__memory_free(void) {
    char folder[256];
    uint64_t least = kernel_field("/proc/meminfo", "MemAvailable:") * 1024;
    cgroup_folder(folder);
    for (;;) {
        const uint64_t left = cgroup_left(folder);
        least = left != UINT64_MAX && (least == 0 || left < least) ? left : least;
        char *const slash = strrchr(folder, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

uint32_t tm__cpu_affinity(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }
    return (uint32_t)CPU_COUNT(&set);
}

const char *tm__huge_pages(void) {
    static const char *const words[] = {"always", "madvise", "never"};
    tm_buf buf;
    const char *found = "unknown";
    tm_str rest = kernel_text("/sys/kernel/mm/transparent_hugepage/enabled", &buf);
    while (rest.len > 0) {
        const tm_str word = tm__str_trim(tm__str_cut(&rest, ' '));
        for (size_t i = 0; word.len > 2 && word.ptr[0] == '[' && i < 3; i++) {
            if (tm__str_is((tm_str){word.ptr + 1, word.len - 2}, words[i])) {
                found = words[i];
            }
        }
    }
    tm__buf_done(&buf);
    return found;
}

/* ---- Disks ---- */

bool tm__disk_info(const char *path, tm_disk *out) {
    /* Numbers of statfs(2). */
    static const struct {
        uint32_t number;
        const char *name;
        tm_disk_kind kind;
    } kinds[] = {
        {0xEF53, "ext", TM_DISK_LOCAL},         {0x58465342, "xfs", TM_DISK_LOCAL},
        {0x9123683E, "btrfs", TM_DISK_LOCAL},   {0x2FC12FC1, "zfs", TM_DISK_LOCAL},
        {0xF2F52010, "f2fs", TM_DISK_LOCAL},    {0xCA451A4E, "bcachefs", TM_DISK_LOCAL},
        {0x01021994, "tmpfs", TM_DISK_MEMORY},  {0x858458F6, "ramfs", TM_DISK_MEMORY},
        {0x794C7630, "overlay", TM_DISK_LAYER}, {0x6969, "nfs", TM_DISK_NETWORK},
        {0xFF534D42, "cifs", TM_DISK_NETWORK},  {0xFE534D42, "smb2", TM_DISK_NETWORK},
        {0x517B, "smb", TM_DISK_NETWORK},       {0x00C36400, "ceph", TM_DISK_NETWORK},
        {0x47504653, "gpfs", TM_DISK_NETWORK},  {0x0BD00BD0, "lustre", TM_DISK_NETWORK},
        {0x5346414F, "afs", TM_DISK_NETWORK},   {0x65735546, "fuse", TM_DISK_UNSURE},
        {0x01021997, "9p", TM_DISK_UNSURE},     {0x6A656A63, "virtiofs", TM_DISK_UNSURE},
        {0x4D44, "vfat", TM_DISK_UNSURE},       {0x2011BAB0, "exfat", TM_DISK_UNSURE},
    };
    struct statfs info;
    if (statfs(path, &info) != 0) {
        return false;
    }
    const uint32_t number = (uint32_t)info.f_type;
    tm_disk disk = {.kind = TM_DISK_UNSURE,
                    .free_bytes = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize,
                    .total_bytes = (uint64_t)info.f_blocks * (uint64_t)info.f_frsize,
                    .free_files = (uint64_t)info.f_ffree,
                    .total_files = (uint64_t)info.f_files};
    (void)snprintf(disk.name, sizeof(disk.name), "type %x", number);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].number == number) {
            (void)snprintf(disk.name, sizeof(disk.name), "%s", kinds[i].name);
            disk.kind = kinds[i].kind;
        }
    }
    *out = disk;
    return true;
}

bool tm__access_info(const char *path, tm_file_access *out) {
    struct stat info;
    if (stat(path, &info) != 0) {
        return false;
    }
    struct statfs mount = {0};
    const bool has_mount = statfs(path, &mount) == 0;
    *out = (tm_file_access){
        .mode = (uint32_t)info.st_mode & 07777u,
        .is_own = info.st_uid == geteuid(),
        .is_read_only = has_mount && ((unsigned long)mount.f_flags & ST_RDONLY) != 0,
        .is_in_memory =
            has_mount && (mount.f_type == TMPFS_MAGIC || (long)mount.f_type == RAMFS_MAGIC)};
    return true;
}

bool tm__is_container(void) {
    struct stat info;
    return stat("/.dockerenv", &info) == 0 || stat("/run/.containerenv", &info) == 0 ||
           getenv("KUBERNETES_SERVICE_HOST") != NULL;
}

/* ---- Clock ---- */

void tm__host_name(char *out, size_t size) {
    if (gethostname(out, size) != 0 || out[0] == '\0') {
        (void)snprintf(out, size, "?");
    }
    out[size - 1] = '\0';
}

tm_clock_state tm__clock_state(void) {
    struct timex state = {.modes = 0};
    const int result = adjtimex(&state);
    if (result < 0) {
        return TM_CLOCK_UNKNOWN;
    }
    return result == TIME_ERROR || (state.status & STA_UNSYNC) != 0 ? TM_CLOCK_FREE
                                                                    : TM_CLOCK_SYNCED;
}

/* ---- Locks ---- */

/* "1: POSIX  ADVISORY  WRITE 13855 fe:00:10027304 120 120": the process when the line is a write
 * lock of the file over the byte, else 0. A waiter's line has "->" as its second word. */
static int64_t line_holder(tm_str line, uint64_t inode, uint64_t byte) {
    tm_str words[8] = {{0}};
    uint32_t n = 0;
    while (line.len > 0 && n < 8) {
        const tm_str word = tm__str_cut(&line, ' ');
        if (word.len > 0) {
            words[n++] = word;
        }
    }
    uint64_t number = 0, start = 0, end = UINT64_MAX;
    int64_t pid = 0;
    if (n != 8 || !tm__str_is(words[3], "WRITE") || !tm__str_to_i64(words[4], &pid)) {
        return 0;
    }
    tm_str place = words[5];
    (void)tm__str_cut(&place, ':');
    (void)tm__str_cut(&place, ':');
    if (!tm__str_to_u64(place, &number) || number != inode || !tm__str_to_u64(words[6], &start) ||
        (!tm__str_is(words[7], "EOF") && !tm__str_to_u64(words[7], &end))) {
        return 0;
    }
    return byte >= start && byte <= end && pid > 0 ? pid : 0;
}

int64_t tm__lock_holder(const char *path, uint64_t byte, char *out_name, size_t size) {
    struct stat info;
    tm_buf buf;
    int64_t pid = 0;
    if (stat(path, &info) != 0) {
        return 0;
    }
    tm_str rest = kernel_text("/proc/locks", &buf);
    while (rest.len > 0 && pid == 0) {
        pid = line_holder(tm__str_cut(&rest, '\n'), (uint64_t)info.st_ino, byte);
    }
    tm__buf_done(&buf);
    if (pid != 0) {
        char comm[64];
        (void)snprintf(comm, sizeof(comm), "/proc/%lld/comm", (long long)pid);
        (void)tm__str_copy(out_name, size, tm__str_trim(kernel_text(comm, &buf)));
        tm__buf_done(&buf);
    }
    return pid;
}
