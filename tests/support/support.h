/* SPDX-License-Identifier: Apache-2.0 */
/* Folders, contexts and faults for tests. */
#ifndef TM_SUPPORT_SUPPORT_H
#define TM_SUPPORT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"

/* A folder of one test, removed with all that is in it. */
typedef struct test_folder {
    char path[64];
} test_folder;

void test_folder_make(test_folder *folder);
/** Path of a name in the folder; out holds size bytes. */
const char *test_folder_join(const test_folder *folder, const char *name, char *out, size_t size);
void test_folder_remove(test_folder *folder);
/** Set-up and tear-down of a test, or of a group, that works in test_dir. */
int test_dir_make(void **state);
int test_dir_remove(void **state);
extern test_folder test_dir;
/** Set-up and tear-down of a group whose files have relative names: it works in a folder of its
 * own, so that other checkouts may run the same test at the same time. */
int test_folder_enter(void **state);
int test_folder_leave(void **state);

/** A context with a pool of n_threads (1: none) and both arenas; ends the test when memory runs
 * out.
 */
tm_ctx *test_ctx_make(uint32_t n_threads);
void test_ctx_free(tm_ctx *ctx);

/**
 * Call fn with the first, second, ... allocation failing, once and from there on, until it succeeds
 * both times. fn returns whether it
 * succeeded and has freed all that it made either way; a block left alive fails the test.
 */
void test_each_mem_fault(bool (*fn)(void *arg), void *arg);

#endif
