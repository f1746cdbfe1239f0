/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "support.h"

static void allocations_are_aligned_and_apart(void **state) {
    (void)state;
    tm_arena *arena = tm__arena_create(SIZE_MAX);
    uint8_t *blocks[200];
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = tm_arena_alloc(arena, uint8_t, i * 3);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % (i * 3 > 64 ? 64 : 16), 0);
        memset(blocks[i], (int)i, i * 3);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i * 3; j++) {
            assert_int_equal(blocks[i][j], i);
        }
    }
    tm__arena_free(arena);
}

static void it_never_grows_past_its_maximum(void **state) {
    (void)state;
    tm_arena *arena = tm__arena_create(100000);
    size_t n = 0;
    while (tm__arena_alloc(arena, 1000, 1) != NULL) {
        n++;
    }
    assert_in_range(n, 60, 100);
    assert_null(tm__arena_alloc(arena, 200000, 1));
    assert_null(tm__arena_alloc(arena, SIZE_MAX / 2, 3));
    assert_null(tm__arena_alloc(arena, SIZE_MAX, 1));
    assert_null(tm__arena_strndup(arena, "", SIZE_MAX));
    tm__arena_free(arena);
}

static void rolling_back_frees_what_came_after(void **state) {
    (void)state;
    const uint64_t n_alive = tm__mem_alive();
    tm_arena *arena = tm__arena_create(SIZE_MAX);
    const tm_arena_mark empty = tm__arena_mark(arena);
    char *kept = tm__arena_strndup(arena, "kept", 4);
    const tm_arena_mark mark = tm__arena_mark(arena);
    char *first = tm__arena_alloc(arena, 100, 1);
    for (unsigned i = 0; i < 100; i++) {
        assert_non_null(tm__arena_zalloc(arena, 5000, 1));
    }
    tm__arena_rollback(arena, mark);
    assert_int_equal(tm__mem_alive(), n_alive + 2);
    assert_ptr_equal(tm__arena_alloc(arena, 100, 1), first);
    assert_string_equal(kept, "kept");
    tm__arena_rollback(arena, empty);
    tm__arena_reset(arena);
    assert_ptr_equal(tm__arena_alloc(arena, 1, 1), kept);
    tm__arena_free(arena);
    assert_int_equal(tm__mem_alive(), n_alive);
    tm__arena_free(NULL);
}

static void texts_are_copied_and_formatted(void **state) {
    (void)state;
    tm_arena *arena = tm__arena_create(SIZE_MAX);
    assert_string_equal(tm__arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(tm__arena_strndup(arena, NULL, 0), "");
    assert_string_equal(tm__arena_printf(arena, "%s-%d", "x", 7), "x-7");
    tm__arena_free(arena);
}

static bool use_arena(void *arg) {
    (void)arg;
    tm_arena *arena = tm__arena_create(SIZE_MAX);
    bool is_done = arena != NULL;
    for (unsigned i = 0; is_done && i < 10; i++) {
        is_done = tm_arena_zalloc(arena, double, 2000) != NULL;
    }
    is_done = is_done && tm__arena_printf(arena, "%d", 1) != NULL;
    tm__arena_free(arena);
    return is_done;
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    test_each_mem_fault(use_arena, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_and_apart),
        cmocka_unit_test(it_never_grows_past_its_maximum),
        cmocka_unit_test(rolling_back_frees_what_came_after),
        cmocka_unit_test(texts_are_copied_and_formatted),
        cmocka_unit_test(running_out_of_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
