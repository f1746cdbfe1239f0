/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk made from a record of its changes: at each moment it knows what is certain to survive a
 * power failure and what is not, and gives the folders that such a failure may leave.
 *
 * A file's bytes are certain from its sync on, a name (made, renamed, removed) from the sync of its
 * folder on: no more than POSIX promises. Changes of names that are not certain survive in their
 * order or not at all, as in a journaling file system; of bytes, any blocks may survive and others
 * not.
 */
#ifndef TM_CRASH_VIRTUAL_DISK_H
#define TM_CRASH_VIRTUAL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

#define VIRTUAL_MAGIC UINT32_C(0x4B534456)
#define VIRTUAL_MARK 100u /* op of a mark; others are tm_disk_op */
#define VIRTUAL_PATH_MAX 1024u

/* A record of the trace; followed by path, to and data. */
typedef struct virtual_record {
    uint32_t magic;
    uint32_t op;
    uint32_t path_len;
    uint32_t to_len;
    uint64_t data_len;
    uint64_t offset;
} virtual_record;

/* What the failure does to what is not certain. */
typedef enum virtual_loss {
    VIRTUAL_LOSE, /* all of it is gone */
    VIRTUAL_KEEP, /* all of it survives: the process was killed, the machine was not */
    VIRTUAL_TEAR  /* some changes of names from the first on, any blocks of bytes */
} virtual_loss;
typedef struct virtual_failure {
    virtual_loss loss;
    uint32_t block_bytes; /* of a tear: 512 or 4096 */
    uint64_t seed;        /* of a tear */
} virtual_failure;

typedef struct virtual_disk virtual_disk;

/** Read a trace; ends the program when it cannot. The disk stands before its first change: empty,
 * or with all that start (a folder; may be NULL) holds, which is certain. */
virtual_disk *virtual_disk_open(const char *trace_path, const char *start);
void virtual_disk_close(virtual_disk *disk);
size_t virtual_disk_length(const virtual_disk *disk);
/** Make the next change; its record. *out_mark is its text when it is a mark, else NULL. */
const virtual_record *virtual_disk_step(virtual_disk *disk, const char **out_mark);
/** Path of the change made last. */
const char *virtual_disk_path(const virtual_disk *disk);
/** Write what a failure now may leave to an empty folder; out_left (may be NULL) is a hash of its
 * names and bytes. */
void virtual_disk_fail(const virtual_disk *disk, const virtual_failure *failure, const char *folder,
                       tm_hash *out_left);
/** Bytes of a file as a program sees it now; NULL when there is none. */
const uint8_t *virtual_disk_read(const virtual_disk *disk, const char *path, size_t *out_len);

#endif
