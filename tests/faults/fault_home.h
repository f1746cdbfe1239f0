/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that scenarios run in: copies, and what is in them apart from files that say nothing. */
#ifndef TM_FAULT_HOME_H
#define TM_FAULT_HOME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_TEXT_MAX ((size_t)1 << 20)

/* What a folder with its home holds. Locks, logs of SQLite and temp/ do not count, neither do files
 * under a hash that nothing refers to, as long as they are whole. */
typedef struct fault_state {
    uint64_t exact; /* of every row of both databases and every file */
    uint64_t shape; /* the same with digits and random names made equal */
    uint32_t n_files_garbage;
    char wrong[256]; /* what must not be: a torn file, a damaged database; empty: nothing */
} fault_state;

/** Run `cp -a`-like: every file of from into to, which must not exist. */
void fault_copy(const char *from, const char *to);
void fault_remove(const char *path);
/** Text of a file, cut to FAULT_TEXT_MAX; the caller frees it. Empty when there is none. */
char *fault_read(const char *path);
/** Make digits, hashes and random names equal, in place. */
void fault_level(char *text);
/** Look at the folder; opens its databases, which brings them to rest. */
void fault_look(const char *folder, fault_state *out);

#endif
