/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "test.h"

#define FAULTS_MAX 100000u

void test_folder_make(test_folder *folder) {
    snprintf(folder->path, sizeof(folder->path), "/tmp/tm_test_XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

const char *test_folder_join(const test_folder *folder, const char *name, char *out, size_t size) {
    const int len = snprintf(out, size, "%s/%s", folder->path, name);
    assert_true(len > 0 && (size_t)len < size);
    return out;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

void test_folder_remove(test_folder *folder) {
    assert_int_equal(nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

test_folder test_dir;

int test_dir_make(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    return 0;
}

int test_dir_remove(void **state) {
    (void)state;
    test_folder_remove(&test_dir);
    return 0;
}

int test_folder_enter(void **state) {
    test_folder *folder = malloc(sizeof(*folder));
    assert_non_null(folder);
    test_folder_make(folder);
    *state = folder;
    return chdir(folder->path);
}

int test_folder_leave(void **state) {
    const int result = chdir("/");
    test_folder_remove(*state);
    free(*state);
    return result;
}

tm_ctx *test_ctx_make(uint32_t n_threads) {
    tm_ctx *ctx = tm__mem_zalloc(1, sizeof(*ctx));
    assert_non_null(ctx);
    ctx->run = tm__arena_create(SIZE_MAX);
    ctx->scratch = tm__arena_create(SIZE_MAX);
    assert_non_null(ctx->run);
    assert_non_null(ctx->scratch);
    if (n_threads != 1) {
        ctx->pool = tm__pool_create(n_threads);
        assert_non_null(ctx->pool);
    }
    return ctx;
}

void test_ctx_free(tm_ctx *ctx) {
    if (ctx != NULL) {
        tm__pool_free(ctx->pool);
        tm__arena_free(ctx->run);
        tm__arena_free(ctx->scratch);
        tm__mem_free(ctx);
    }
}

/* Returns whether fn succeeded although allocation nth failed, or there is no such allocation. */
static bool try_mem_fault(bool (*fn)(void *arg), void *arg, uint64_t nth, bool forever) {
    const uint64_t n_alive = tm__mem_alive();
    tm__json_reset();
    tm__mem_fail_at(nth, forever);
    const bool is_done = fn(arg);
    tm__mem_fail_at(0, false);
    tm__json_reset();
    if (tm__mem_alive() != n_alive) {
        fail_msg("allocation %llu failing %s leaks", (unsigned long long)nth,
                 forever ? "for ever" : "once");
    }
    return is_done;
}

void test_each_mem_fault(bool (*fn)(void *arg), void *arg) {
    for (uint64_t nth = 1; nth < FAULTS_MAX; nth++) {
        const bool once = try_mem_fault(fn, arg, nth, false);
        if (try_mem_fault(fn, arg, nth, true) && once) {
            return;
        }
    }
    fail_msg("never succeeds");
}
