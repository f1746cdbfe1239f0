/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"

static void blocks_are_aligned_and_counted(void **state) {
    (void)state;
    const uint64_t n_alive = tm__mem_alive();
    for (size_t n = 0; n < 300; n += 7) {
        uint8_t *block = tm__mem_alloc(n, 3);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        memset(block, 1, n * 3);
        assert_int_equal(tm__mem_alive(), n_alive + 1);
        tm__mem_free(block);
    }
    assert_int_equal(tm__mem_alive(), n_alive);
    tm__mem_free(NULL);
    assert_int_equal(tm__mem_alive(), n_alive);
}

static void zalloc_clears(void **state) {
    (void)state;
    uint8_t *block = tm__mem_zalloc(1000, 1);
    assert_non_null(block);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(block[i], 0);
    }
    tm__mem_free(block);
}

static void realloc_keeps_bytes_and_alignment(void **state) {
    (void)state;
    const uint64_t n_alive = tm__mem_alive();
    uint32_t *block = tm__mem_realloc(NULL, 10, sizeof(*block));
    assert_non_null(block);
    for (uint32_t i = 0; i < 10; i++) {
        block[i] = i * i;
    }
    const size_t sizes[] = {20, 5000, 100000, 40, 11};
    for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        block = tm__mem_realloc(block, sizes[s], sizeof(*block));
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(block[i], i * i);
        }
    }
    assert_int_equal(tm__mem_alive(), n_alive + 1);
    tm__mem_free(block);
}

static void small_blocks_grow_and_shrink(void **state) {
    (void)state;
    const uint64_t n_alive = tm__mem_alive();
    char *block = tm__mem_small_realloc(NULL, 10);
    assert_non_null(block);
    memset(block, 3, 10);
    tm__mem_fail_at(1, false);
    assert_null(tm__mem_small_realloc(block, 1000000));
    tm__mem_fail_at(0, false);
    block = tm__mem_small_realloc(block, 1000000);
    assert_non_null(block);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(block[i], 3);
    }
    assert_null(tm__mem_small_realloc(block, SIZE_MAX));
    assert_int_equal(tm__mem_alive(), n_alive + 1);
    tm__mem_free(block);
    assert_int_equal(tm__mem_alive(), n_alive);
}

static void products_that_overflow_are_refused(void **state) {
    (void)state;
    size_t out = 5;
    assert_false(tm__size_mul(SIZE_MAX / 2, 3, &out));
    assert_int_equal(out, 5);
    assert_true(tm__size_mul(6, 7, &out));
    assert_int_equal(out, 42);
    assert_null(tm__mem_alloc(SIZE_MAX, 2));
    assert_null(tm__mem_zalloc(SIZE_MAX / 4, 8));
    assert_null(tm__mem_alloc(SIZE_MAX, 1));
    assert_null(tm__mem_small(SIZE_MAX));
    char *block = tm__mem_alloc(4, 1);
    assert_null(tm__mem_realloc(block, SIZE_MAX, 2));
    tm__mem_free(block);
    assert_null(tm__mem_strndup("", SIZE_MAX));
}

static void the_nth_allocation_fails_once_or_for_ever(void **state) {
    (void)state;
    const uint64_t n_calls = tm__mem_calls();
    tm__mem_fail_at(2, false);
    char *a = tm__mem_strdup("abc");
    assert_non_null(a);
    assert_null(tm__mem_strdup("abc"));
    char *b = tm__mem_small(3);
    assert_non_null(b);
    assert_int_equal(tm__mem_calls(), n_calls + 3);
    tm__mem_fail_at(1, true);
    for (unsigned i = 0; i < 5; i++) {
        assert_null(tm__mem_realloc(a, 1000, 1000));
        assert_null(tm__mem_zalloc(1, 1));
    }
    assert_string_equal(a, "abc");
    tm__mem_fail_at(0, false);
    tm__mem_free(a);
    tm__mem_free(b);
}

static void large_blocks_are_counted_in_bytes(void **state) {
    (void)state;
    const uint64_t before = tm__mem_bytes();
    tm__mem_bytes_reset();
    assert_true(tm__mem_bytes_peak() == before);
    void *small = tm__mem_alloc(100, 1), *large = tm__mem_alloc(1 << 20, 1);
    void *other = tm__mem_small(1 << 16);
    assert_true(tm__mem_thread_bytes() >= 1 << 12);
    const uint64_t held = tm__mem_bytes() - before;
    assert_true(held >= (1 << 20) + (1 << 16) && held < (1 << 20) + (1 << 16) + 16384);
    large = tm__mem_realloc(large, 3 << 20, 1); /* both stand while one is copied */
    other = tm__mem_small_realloc(other, 1 << 17);
    assert_true(tm__mem_bytes() - before >= (3 << 20) + (1 << 17));
    assert_true(tm__mem_bytes_peak() - before >= (4 << 20) + (1 << 16));
    tm__mem_free(large);
    tm__mem_free(other);
    tm__mem_free(small);
    assert_true(tm__mem_bytes() == before);
    assert_true(tm__mem_bytes_peak() - before < (6 << 20));
}

static void a_limit_refuses_large_blocks_over_it(void **state) {
    (void)state;
    const uint64_t held = tm__mem_bytes();
    tm__mem_limit(held + (1 << 20));
    void *half = tm__mem_alloc(600 << 10, 1);
    assert_non_null(half);
    assert_null(tm__mem_alloc(600 << 10, 1));
    assert_null(tm__mem_zalloc(600 << 10, 1));
    assert_null(tm__mem_small(600 << 10));
    assert_null(tm__mem_realloc(half, 700 << 10, 1)); /* both would be alive */
    assert_int_equal(tm__mem_limit_refused(), 4);
    void *small = tm__mem_alloc(100, 1); /* is not counted */
    assert_non_null(small);
    assert_int_equal(tm__mem_limit_refused(), 4);
    tm__mem_limit(0);
    void *more = tm__mem_alloc(600 << 10, 1);
    assert_non_null(more);
    assert_int_equal(tm__mem_limit_refused(), 0);
    tm__mem_free(more);
    tm__mem_free(small);
    tm__mem_free(half);
    assert_int_equal(tm__mem_bytes(), held);
}

static uint64_t resident_bytes(void) {
    char text[64] = {0};
    FILE *const file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_int_equal(fclose(file), 0);
    return strtoull(strchr(text, ' '), NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

enum { N_BLOCKS = 400, BLOCK_BYTES = 60000 };

static void fill_blocks(void *arg) {
    uint8_t **const blocks = arg;
    for (int i = 0; i < N_BLOCKS; i++) {
        blocks[i] = tm__mem_small(BLOCK_BYTES);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
}

/* By malloc_info(). */
static unsigned count_heaps(void) {
    char *text = NULL;
    size_t len = 0;
    unsigned n = 0;
    FILE *const file = open_memstream(&text, &len);
    assert_non_null(file);
    const int st = malloc_info(0, file);
    assert_int_equal(fclose(file), 0);
    for (const char *at = text; st == 0 && (at = strstr(at, "<heap nr=")) != NULL; at++) {
        n++;
    }
    free(text);
    return n;
}

/* The last test, for other threads have their blocks counted. */
static void threads_share_heaps_and_free_pages_go_back(void **state) {
    (void)state;
    uint8_t *blocks[N_BLOCKS];
    const uint64_t held = tm__mem_heap_bytes();
    tm__mem_share(1);
    tm_thread *const thread = tm__thread_create(fill_blocks, blocks, "fills");
    assert_non_null(thread);
    tm__thread_join(thread);
    assert_true(count_heaps() <= 1);
    /* The allocator of a sanitizer has blocks of its own, and keeps them. */
    const bool are_there = tm__mem_heap_bytes() >= held + (uint64_t)N_BLOCKS * BLOCK_BYTES;
    for (int i = 0; i < N_BLOCKS; i++) {
        if (i % 20 != 19) {
            tm__mem_free(blocks[i]);
        }
    }
    const uint64_t before = resident_bytes();
    tm__mem_trim();
    const uint64_t least = (uint64_t)N_BLOCKS * BLOCK_BYTES / 2;
    assert_true(!are_there || resident_bytes() + least <= before);
    for (int i = 19; i < N_BLOCKS; i += 20) {
        tm__mem_free(blocks[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_counted),
        cmocka_unit_test(zalloc_clears),
        cmocka_unit_test(realloc_keeps_bytes_and_alignment),
        cmocka_unit_test(small_blocks_grow_and_shrink),
        cmocka_unit_test(products_that_overflow_are_refused),
        cmocka_unit_test(the_nth_allocation_fails_once_or_for_ever),
        cmocka_unit_test(a_limit_refuses_large_blocks_over_it),
        cmocka_unit_test(large_blocks_are_counted_in_bytes),
        cmocka_unit_test(threads_share_heaps_and_free_pages_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
