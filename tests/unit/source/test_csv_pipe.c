/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "source/csv_priv.h"
#include "stream_tables.h"
#include "support.h"
#include "test.h"

#define PATH "csv-pipe-a"
#define PATH_B "csv-pipe-b"

static const char *const one[] = {PATH};
static const char *const two[] = {PATH, PATH_B};

static void write_text(const char *path, const char *text) {
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
}

/* Rows of quotes, line ends and blank lines, in `n_cols` columns. */
static void write_hard(uint64_t seed, uint32_t n_cols) {
    static const char *const cells[] = {"7",
                                        "-1.25",
                                        "",
                                        "word",
                                        "\"a,b\"",
                                        "\"two\nlines\"",
                                        "\"say \"\"hi\"\"\"",
                                        "\"\"",
                                        "5\" x",
                                        "\"x\r\ny\n\nz\""};
    tm_buf text;
    tm_rng rng = tm__rng_split(seed, "hard", n_cols);
    tm__buf_init(&text, 1u << 20);
    for (uint32_t col = 0; col < n_cols; col++) {
        (void)tm__buf_printf(&text, "%sname%u", col == 0 ? "" : ",", col);
    }
    (void)tm__buf_text(&text, "\n");
    for (uint32_t row = 0; row < 60; row++) {
        for (uint64_t n = tm__rng_below(&rng, 3) / 2; n > 0; n--) {
            (void)tm__buf_text(&text, "\n");
        }
        for (uint32_t col = 0; col < n_cols; col++) {
            const uint64_t i = tm__rng_below(&rng, sizeof(cells) / sizeof(cells[0]));
            (void)tm__buf_text(&text, col == 0 ? "" : ",");
            (void)tm__buf_text(&text, col == 0 && n_cols > 1 ? "key" : cells[i]);
        }
        (void)tm__buf_text(&text, tm__rng_below(&rng, 4) == 0 ? "\r\n" : "\n");
    }
    (void)tm__buf_text(&text, n_cols == 1 ? "\n\n" : "last");
    for (uint32_t col = 1; col < n_cols; col++) {
        (void)tm__buf_text(&text, ",end");
    }
    assert_false(text.failed);
    assert_int_equal(tm__fs_publish(PATH, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
}

static void parts_of_any_size_and_any_threads_give_the_rows_of_the_file(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 64, 100, 333, 2000};
    tm_pool *const pool = tm__pool_create(3);
    for (uint32_t trial = 0; trial < 24; trial++) {
        write_hard(trial, 1 + trial % 3);
        /* With --no-header nothing is guessed from a first block, whose size differs. */
        tm_source_spec spec = {.no_header = true};
        tm_ctx ctx = {0};
        tm_table *whole = NULL;
        tm_hash want, got;
        assert_int_equal(tm__csv_read(&ctx, &spec, one, 1, &whole, NULL), TM_OK);
        tm__table_hash(whole, &want);
        for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
            tm_table *all = NULL;
            tm_err err = {0};
            stream_tables s;
            stream_tables_init(&s, stream_tables_join, &all);
            spec.block_bytes = sizes[i / 2];
            ctx.pool = i % 2 == 0 ? NULL : pool;
            const tm_status st = tm__csv_pipe(&ctx, &spec, one, 1, &s.sink, &err);
            if (st != TM_OK) {
                fail_msg("trial %u, block %zu: %s", trial, spec.block_bytes, err.message);
            }
            assert_int_equal(tm__table_rows(all), tm__table_rows(whole));
            tm__table_hash(all, &got);
            assert_true(tm__hash_eq(&want, &got));
            tm__table_unref(all);
            stream_tables_done(&s);
        }
        tm__table_unref(whole);
    }
    tm__pool_free(pool);
}

static tm_status copy_raw(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                          tm_err *err) {
    (void)arg;
    (void)worker;
    (void)err;
    assert_int_equal(tm__table_cols(part->table), 1);
    for (uint64_t row = 0; row < part->n_rows; row++) {
        for (uint32_t i = 0; i < part->n_raw; i++) {
            const tm_str text = tm__source_part_raw(part, i, row);
            (void)tm__buf_append(out, text.ptr, text.len);
            (void)tm__buf_byte(out, '|');
        }
        (void)tm__buf_printf(out, "%g\n", tm__table_column(part->table, 0)->floats[row]);
    }
    return TM_OK;
}

static tm_status append(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    (void)n_rows;
    return tm__buf_append(arg, out->data, out->len) ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory");
}

static void columns_that_are_not_read_are_handed_on_as_they_stand(void **state) {
    (void)state;
    char name[] = "x";
    tm_schema_column col = {.name = name, .type = TM_TYPE_FLOAT};
    const tm_schema schema = {1, &col};
    tm_buf got;
    tm_ctx ctx = {0};
    write_text(PATH, "id,x,note\n007,1,NA\n1.50,2,\"say \"\"hi\"\"\"\n31/12/2001,3,\n");
    write_text(PATH_B, "x,note,id\n4, b ,+1\n");
    for (size_t block = 0; block < 3; block++) {
        tm__buf_init(&got, 4096);
        const tm_source_spec spec = {.schema = &schema, .block_bytes = block == 0 ? 0 : 24 * block};
        const tm_source_sink sink = {
            .stage = "copy", .wants_raw = true, .work = copy_raw, .write = append, .arg = &got};
        assert_int_equal(tm__csv_pipe(&ctx, &spec, two, 2, &sink, NULL), TM_OK);
        assert_string_equal((const char *)got.data,
                            "007|NA|1\n1.50|say \"hi\"|2\n31/12/2001||3\n+1| b |4\n");
        tm__buf_done(&got);
    }
}

typedef struct failure {
    tm_status on_work, on_write;
    uint64_t n_written;
} failure;

static tm_status fail_work(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                           tm_err *err) {
    const failure *const f = arg;
    (void)worker;
    (void)out;
    if (f->on_work != TM_OK && part->n_rows >= 2) {
        (void)TM_FAIL(err, f->on_work, "the work failed");
        tm_err_at(err, NULL, 2, 0);
        return f->on_work;
    }
    return TM_OK;
}

static tm_status fail_write(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    failure *const f = arg;
    (void)out;
    if (f->on_write != TM_OK && f->n_written > 20) {
        return TM_FAIL(err, f->on_write, "the write failed");
    }
    f->n_written += n_rows;
    return TM_OK;
}

/* 2000 rows of "i,i", with `bad` in the lines named. */
static void write_bad(const uint32_t *lines, const char *const *bad, uint32_t n) {
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    (void)tm__buf_text(&text, "x,y\n");
    for (uint32_t line = 2; line <= 2001; line++) {
        const char *instead = NULL;
        for (uint32_t i = 0; i < n; i++) {
            instead = lines[i] == line ? bad[i] : instead;
        }
        if (instead != NULL) {
            (void)tm__buf_printf(&text, "%s\n", instead);
        } else {
            (void)tm__buf_printf(&text, "%u,%u\n", line, line);
        }
    }
    assert_int_equal(tm__fs_publish(PATH, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
}

static void the_first_bad_row_is_the_one_that_is_told(void **state) {
    (void)state;
    char x[] = "x", y[] = "y";
    tm_schema_column cols[] = {{.name = x, .type = TM_TYPE_FLOAT},
                               {.name = y, .type = TM_TYPE_INT}};
    const tm_schema schema = {2, cols};
    static const struct {
        uint32_t lines[2];
        const char *bad[2];
        uint64_t row;
        uint32_t col;
        const char *message;
    } cases[] = {
        {{900, 1500}, {"1,word", "1,2,3"}, 900, 2, "column 'y' wants an int"},
        {{900, 1500}, {"1,2,3", "1,word"}, 900, 3, "the row has 3 fields, the first row has 2"},
        {{1999, 2000}, {"\"a\"b,1", "\"never closed"}, 1999, 1, "text follows a closing quote"},
        {{1300, 1301}, {"\"3\",4", "\"open,5"}, 1301, 1, "a quoted field is not closed"},
    };
    tm_pool *const pool = tm__pool_create(3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_bad(cases[i].lines, cases[i].bad, 2);
        for (uint32_t way = 0; way < 6; way++) {
            failure f = {0};
            tm_err err = {0};
            tm_ctx ctx = {.pool = way % 2 == 0 ? NULL : pool};
            const tm_source_spec spec = {.schema = &schema, .block_bytes = 100 + 77 * way};
            const tm_source_sink sink = {
                .stage = "fail", .work = fail_work, .write = fail_write, .arg = &f};
            assert_int_equal(tm__csv_pipe(&ctx, &spec, one, 1, &sink, &err), TM_E_DATA);
            assert_string_equal(err.data_path, PATH);
            assert_int_equal(err.data_row, cases[i].row);
            assert_int_equal(err.data_col, cases[i].col);
            assert_non_null(strstr(err.message, cases[i].message));
            assert_true(f.n_written < cases[i].row); /* and nothing behind it was written */
        }
    }
    tm__pool_free(pool);
}

static void a_failure_of_the_sink_ends_the_run(void **state) {
    (void)state;
    tm_pool *const pool = tm__pool_create(3);
    write_bad(NULL, NULL, 0);
    for (uint32_t way = 0; way < 4; way++) {
        failure f = {.on_work = way < 2 ? TM_E_NOMEM : TM_OK,
                     .on_write = way < 2 ? TM_OK : TM_E_IO};
        tm_err err = {0};
        tm_ctx ctx = {.pool = way % 2 == 0 ? NULL : pool};
        const tm_source_spec spec = {.block_bytes = 128};
        const tm_source_sink sink = {
            .stage = "fail", .work = fail_work, .write = fail_write, .arg = &f};
        assert_int_equal(tm__csv_pipe(&ctx, &spec, one, 1, &sink, &err),
                         way < 2 ? TM_E_NOMEM : TM_E_IO);
        assert_string_equal(err.message, way < 2 ? "the work failed" : "the write failed");
        assert_true(way >= 2 || (err.data_row == 3 && strcmp(err.data_path, PATH) == 0));
        assert_true(way < 2 ? f.n_written == 0 : f.n_written > 20 && f.n_written < 100);
    }
    tm__pool_free(pool);
}

static void limits_and_cancellation_are_kept(void **state) {
    (void)state;
    failure f = {0};
    tm_err err = {0};
    tm_ctx ctx = {0};
    write_bad(NULL, NULL, 0);
    const tm_source_sink sink = {
        .stage = "count", .work = fail_work, .write = fail_write, .arg = &f};
    const tm_source_spec few = {.block_bytes = 128, .n_rows_max = 1999};
    assert_int_equal(tm__csv_pipe(&ctx, &few, one, 1, &sink, &err), TM_E_LIMIT);
    assert_string_equal(err.message, "more than 1999 rows");
    const tm_source_spec all = {.block_bytes = 128, .n_rows_max = 2000};
    assert_int_equal(tm__csv_pipe(&ctx, &all, one, 1, &sink, &err), TM_OK);
    volatile _Atomic bool cancel = true;
    ctx.cancel = &cancel;
    assert_int_equal(tm__csv_pipe(&ctx, &all, one, 1, &sink, &err), TM_E_CANCELLED);
    write_text(PATH, "x,y\n");
    ctx.cancel = NULL;
    assert_int_equal(tm__csv_pipe(&ctx, &all, one, 1, &sink, &err), TM_E_DATA);
    assert_string_equal(err.message, "the file has a header but no rows");
}

static void running_out_of_memory_leaks_nothing(void **state) {
    (void)state;
    write_text(PATH, "a,b,c,d\n1,x,\"q \"\"\",\n2,y,z,\n3,\"y\n\",z,1/31/2001\n");
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_ctx ctx = {0};
        tm_table *all = NULL;
        stream_tables s;
        stream_tables_init(&s, stream_tables_join, &all);
        tm__mem_fail_at(nth, false);
        st = tm__csv_pipe(&ctx, &(tm_source_spec){.block_bytes = 32}, one, 1, &s.sink, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm__table_unref(all);
        stream_tables_done(&s);
        assert_true(tm__mem_alive() == alive);
    }
}

static tm_status note_column(void *arg, const tm_csv_column *column, tm_err *err) {
    (void)err;
    char *const text = arg;
    (void)snprintf(text + strlen(text), 128 - strlen(text), "%s %s ", column->name,
                   tm__type_text(tm__csv_decide(column->kinds)));
    return TM_OK;
}

/* Rows that cannot be cut neither count nor end it. */
static void types_are_learnt_past_bad_rows(void **state) {
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        char text[128] = "";
        tm_ctx *ctx = test_ctx_make(n_threads);
        const tm_source_spec spec = {.skips_bad = true, .block_bytes = 16};
        write_text(PATH,
                   "a,b,c\n1,x,\nword\n2,\"odd\n3,,2.5\n4,\"e\"f,z\n5,y,\nword,7\n6,y,7\nword\n");
        assert_int_equal(tm__csv_examine_file(ctx, &spec, PATH, note_column, text, NULL), TM_OK);
        assert_string_equal(text, "a int b text c float ");
        test_ctx_free(ctx);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_learnt_past_bad_rows),
        cmocka_unit_test(parts_of_any_size_and_any_threads_give_the_rows_of_the_file),
        cmocka_unit_test(columns_that_are_not_read_are_handed_on_as_they_stand),
        cmocka_unit_test(the_first_bad_row_is_the_one_that_is_told),
        cmocka_unit_test(a_failure_of_the_sink_ends_the_run),
        cmocka_unit_test(limits_and_cancellation_are_kept),
        cmocka_unit_test(running_out_of_memory_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
