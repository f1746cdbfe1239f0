/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine and the kernel say about themselves: limits, memory, disks, clocks, who holds a
 * lock. For `doctor` and for messages: nothing that decides a result may depend on it. Any thread.
 */
#ifndef TM_BASE_SYSTEM_H
#define TM_BASE_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UINT64_MAX: no limit. */
typedef struct tm_limit {
    uint64_t now, most; /* soft and hard */
} tm_limit;
typedef struct tm_limits {
    tm_limit open_files, processes, address_bytes;
} tm_limits;
void tm__system_limits(tm_limits *out);

/** Bytes of memory that this process may use: of the machine, or less by its cgroup; 0 when not
 * known. *out_is_cgroup says which (may be NULL). */
uint64_t tm__memory_bytes(bool *out_is_cgroup);
/** Bytes of memory that could still be taken before something is killed or swapped: what the kernel
 * holds for available on the machine, or less by a cgroup; 0 when not known. It changes all the
 * time. */
uint64_t tm__memory_free(void);
/** CPUs that this process may run on, before a quota of its cgroup. */
uint32_t tm__cpu_affinity(void);
/** "always", "madvise" or "never": how the kernel gives huge pages; "unknown". Static. */
const char *tm__huge_pages(void);

typedef enum tm_disk_kind {
    TM_DISK_LOCAL,
    TM_DISK_NETWORK, /* other machines write there too: no write-ahead log */
    TM_DISK_MEMORY,  /* forgets */
    TM_DISK_LAYER,   /* of a container: lost with it */
    TM_DISK_UNSURE   /* whatever stands behind it decides */
} tm_disk_kind;
typedef struct tm_disk {
    char name[24]; /* "ext", "nfs", or the kernel's number of it */
    tm_disk_kind kind;
    uint64_t free_bytes, total_bytes;
    uint64_t free_files, total_files; /* 0 and 0: without a limit */
} tm_disk;
/** The file system that holds a path; false when there is nothing at the path. */
bool tm__disk_info(const char *path, tm_disk *out);

/* Who may do what with a file. */
typedef struct tm_file_access {
    uint32_t mode;     /* permission bits */
    bool is_own;       /* belongs to the user of this process */
    bool is_read_only; /* its mount is */
    bool is_in_memory; /* on a file system that is on no disk */
} tm_file_access;
bool tm__access_info(const char *path, tm_file_access *out);
/** Whether this is a container of Docker, Podman or Kubernetes, as they mark it: a file of theirs
 * in the root, or their variable. */
bool tm__is_container(void);

/** Name of the user of this process as /etc/passwd has it, else "uid N". Takes no memory. */
void tm__user_name(char *out, size_t size);

/** Name of this machine; "?" when it has none. Takes no memory. */
void tm__host_name(char *out, size_t size);

typedef enum tm_clock_state {
    TM_CLOCK_SYNCED,
    TM_CLOCK_FREE, /* nobody disciplines it */
    TM_CLOCK_UNKNOWN
} tm_clock_state;
tm_clock_state tm__clock_state(void);

/**
 * Who holds a write lock on a file: the process that the kernel names for the byte, or 0 when it
 * names none (nobody, or a process of another container). name gets the program's name. Does not
 * open the file, which would end this process's own locks on it.
 */
int64_t tm__lock_holder(const char *path, uint64_t byte, char *out_name, size_t size);

#endif
