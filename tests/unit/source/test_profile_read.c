/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/rng.h"
#include "source/profile.h"
#include "support.h"
#include "test.h"

#define N_ROWS 6000u

static void write_file(const char *path) {
    tm_buf text;
    tm_rng rng = tm__rng_split(2, "file", 0);
    tm__buf_init(&text, 8 << 20);
    (void)tm__buf_text(&text, "id,age,when,city,mixed,y\n");
    for (uint32_t row = 0; row < N_ROWS; row++) {
        const uint64_t r = tm__rng_below(&rng, 100);
        (void)tm__buf_printf(&text, "%u,%s%u,%u/%u/2021,\"c%u\",", row, r < 5 ? "NA" : "",
                             r < 5 ? 0 : (unsigned)r, 1 + row % 12, 1 + row % 28,
                             (unsigned)(r % 7));
        (void)tm__buf_printf(&text, "%s,%u\n", row == N_ROWS - 3 ? "text" : "1.50",
                             (unsigned)(r % 2));
    }
    for (uint32_t i = 0; i < text.len; i++) { /* "NA0" is what the loop above wrote for NA */
        if (i > 2 && memcmp(text.data + i - 2, "NA0", 3) == 0) {
            memmove(text.data + i, text.data + i + 1, text.len - i - 1);
            text.len--;
        }
    }
    assert_int_equal(tm__fs_publish(path, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
}

static tm_profile_sheet *read_file(const char *path, uint32_t n_threads, size_t block_bytes,
                                   tm_table **out_sample) {
    tm_ctx *const ctx = test_ctx_make(n_threads);
    tm_profile_sheet *sheet = NULL;
    tm_err err = {0};
    const tm_source_spec spec = {.path = path, .block_bytes = block_bytes};
    const tm_profile_options options = {.target = "y", .n_rows_max = 700, .seed = 1};
    const tm_status st = tm__profile_read(ctx, &spec, &options, &sheet, out_sample, &err);
    if (st != TM_OK) {
        print_error("%s\n", err.message);
    }
    assert_int_equal(st, TM_OK);
    test_ctx_free(ctx);
    return sheet;
}

static char *to_text(const tm_profile_sheet *sheet) {
    json_t *const json = tm__profile_to_json(sheet, &(tm_profile_words){false});
    char *const text = json_dumps(json, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(json);
    return text;
}

static void threads_change_nothing(void **state) {
    (void)state;
    write_file("rows.csv");
    char *texts[3];
    tm_hash hashes[3];
    const uint32_t threads[] = {1, 2, 5};
    for (uint32_t i = 0; i < 3; i++) {
        tm_table *sample = NULL;
        tm_profile_sheet *const sheet = read_file("rows.csv", threads[i], 4096, &sample);
        texts[i] = to_text(sheet);
        assert_true(tm__table_rows(sample) == 700);
        tm__table_hash(sample, &hashes[i]);
        tm__table_unref(sample);
        tm__profile_free(sheet);
    }
    assert_string_equal(texts[0], texts[1]);
    assert_string_equal(texts[0], texts[2]);
    assert_true(tm__hash_eq(&hashes[0], &hashes[1]) && tm__hash_eq(&hashes[0], &hashes[2]));
    for (uint32_t i = 0; i < 3; i++) {
        free(texts[i]);
    }
}

/* Types are those of the reader that knows all cells, and so are counts. */
static void columns_are_what_all_cells_make_them(void **state) {
    (void)state;
    write_file("rows.csv");
    tm_table *sample = NULL, *table = NULL;
    tm_ctx *const ctx = test_ctx_make(1);
    tm_profile_sheet *const sheet = read_file("rows.csv", 2, 2048, &sample);
    json_t *const json = tm__profile_to_json(sheet, &(tm_profile_words){false});
    assert_int_equal(tm__source_read(ctx, &(tm_source_spec){.path = "rows.csv"}, &table, NULL),
                     TM_OK);
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const column = tm__table_column(table, col);
        const json_t *const found = json_array_get(json_object_get(json, "columns"), col);
        assert_string_equal(tm__json_text(found, "name", ""), column->name);
        assert_string_equal(tm__json_text(found, "type", ""), tm__type_text(column->type));
        assert_true((uint64_t)tm__json_i64(found, "missing", -1) == column->n_missing);
        assert_int_equal(tm__table_column(sample, col)->type, column->type);
    }
    const json_t *const when = json_array_get(json_object_get(json, "columns"), 2);
    assert_string_equal(tm__json_text(when, "type", ""), "date");
    assert_string_equal(tm__json_text(when, "min", ""), "2021-01-01");
    assert_string_equal(tm__json_text(when, "max", ""), "2021-12-28");
    /* Each row of the sample is a row of the table. */
    uint64_t at = 0;
    for (uint64_t row = 0; row < tm__table_rows(sample); row++) {
        for (; at < tm__table_rows(table); at++) {
            if (tm__table_column(table, 0)->ints[at] == tm__table_column(sample, 0)->ints[row]) {
                break;
            }
        }
        assert_true(at < tm__table_rows(table));
        assert_true(tm__table_column(table, 2)->ints[at] == tm__table_column(sample, 2)->ints[row]);
    }
    json_decref(json);
    tm__table_unref(sample);
    tm__table_unref(table);
    tm__profile_free(sheet);
    test_ctx_free(ctx);
}

static void an_unknown_target_is_named(void **state) {
    (void)state;
    write_file("rows.csv");
    tm_ctx *const ctx = test_ctx_make(2);
    tm_profile_sheet *sheet = NULL;
    tm_table *sample = NULL;
    tm_err err = {0};
    const tm_profile_options options = {.target = "ages"};
    assert_int_equal(tm__profile_read(ctx, &(tm_source_spec){.path = "rows.csv"}, &options, &sheet,
                                      &sample, &err),
                     TM_E_NOT_FOUND);
    assert_string_equal(err.message, "no column 'ages'");
    assert_string_equal(err.hint, "Did you mean 'age'?");
    assert_null(sheet);
    test_ctx_free(ctx);
}

static void a_failure_of_the_file_is_told(void **state) {
    (void)state;
    assert_int_equal(tm__fs_publish("ragged.csv", "a,b\n1,2\n3\n", 10, NULL), TM_OK);
    tm_ctx *const ctx = test_ctx_make(2);
    tm_profile_sheet *sheet = NULL;
    tm_table *sample = NULL;
    tm_err err = {0};
    assert_int_equal(tm__profile_read(ctx, &(tm_source_spec){.path = "ragged.csv"},
                                      &(tm_profile_options){0}, &sheet, &sample, &err),
                     TM_E_DATA);
    assert_int_equal(err.data_row, 3);
    test_ctx_free(ctx);
}

static bool read_faulted(void *arg) {
    tm_ctx *const ctx = arg;
    tm_profile_sheet *sheet = NULL;
    tm_table *sample = NULL;
    const tm_profile_options options = {.target = "b", .n_rows_max = 10};
    const tm_status st = tm__profile_read(ctx, &(tm_source_spec){.path = "small.csv"}, &options,
                                          &sheet, &sample, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    tm__table_unref(sample);
    tm__profile_free(sheet);
    return st == TM_OK;
}

static void running_out_of_memory_is_told(void **state) {
    (void)state;
    static const char text[] = "a,b\n1,x\n2,y\n3,x\n2021-01-01,z\n";
    assert_int_equal(tm__fs_publish("small.csv", text, sizeof(text) - 1, NULL), TM_OK);
    tm_ctx *const ctx = test_ctx_make(1);
    test_each_mem_fault(read_faulted, ctx);
    test_ctx_free(ctx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(columns_are_what_all_cells_make_them),
        cmocka_unit_test(an_unknown_target_is_named),
        cmocka_unit_test(a_failure_of_the_file_is_told),
        cmocka_unit_test(running_out_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
