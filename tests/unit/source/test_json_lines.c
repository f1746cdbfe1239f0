/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/json_lines.h"
#include "support.h"
#include "test.h"

#define PATH "lines.jsonl"

static tm_schema_column columns[] = {
    {.name = (char[]){"n"}, .type = TM_TYPE_INT},
    {.name = (char[]){"x"}, .type = TM_TYPE_FLOAT, .is_nullable = true},
    {.name = (char[]){"t"}, .type = TM_TYPE_TEXT, .is_nullable = true},
    {.name = (char[]){"d"}, .type = TM_TYPE_DATE, .is_nullable = true},
    {.name = (char[]){"b\"q"}, .type = TM_TYPE_BOOL, .is_nullable = true},
};
static const tm_schema schema = {.n_cols = 5, .cols = columns};

/* Each row as text: its cells, and the members that were passed on. */
static tm_status show(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                      tm_err *err) {
    (void)arg;
    (void)worker;
    for (uint64_t row = 0; row < part->n_rows; row++) {
        for (uint32_t c = 0; c < tm__table_cols(part->table); c++) {
            const tm_cell cell = tm__column_cell(tm__table_column(part->table, c), row);
            switch (cell.type) {
            case TM_TYPE_NONE:
                tm__buf_text(out, "-|");
                break;
            case TM_TYPE_FLOAT:
                tm__buf_printf(out, "%g|", cell.f64);
                break;
            case TM_TYPE_TEXT:
                tm__buf_printf(out, "%.*s|", (int)cell.text.len, cell.text.ptr);
                break;
            default:
                tm__buf_printf(out, "%lld|", (long long)cell.i64);
                break;
            }
            if (cell.type == TM_TYPE_INT && cell.i64 == 666) {
                (void)TM_FAIL(err, TM_E_DATA, "no such number");
                tm_err_at(err, NULL, row + 1, 0);
                return TM_E_DATA;
            }
        }
        for (uint64_t m = part->member_at[row]; m < part->member_at[row + 1]; m++) {
            const tm_source_member *member = &part->members[m];
            tm__buf_printf(out, " %.*s=%.*s", (int)member->name.len, member->name.ptr,
                           (int)member->value.len, member->value.ptr);
        }
        tm__buf_byte(out, '\n');
    }
    return TM_OK;
}

static tm_status append(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    (void)n_rows;
    (void)err;
    assert_true(tm__buf_append(arg, out->data, out->len));
    return TM_OK;
}

static tm_status read_text(const char *text, size_t block_bytes, uint32_t n_threads, tm_buf *out,
                           tm_err *err) {
    static const char *const paths[] = {PATH};
    const tm_source_spec spec = {.path = PATH, .schema = &schema, .block_bytes = block_bytes};
    const tm_source_sink sink = {
        .stage = "t", .takes_members = true, .work = show, .write = append, .arg = out};
    tm_ctx ctx = {.pool = tm__pool_create(n_threads)};
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
    const tm_status st = tm__json_pipe(&ctx, &spec, paths, 1, &sink, err);
    tm__pool_free(ctx.pool);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
    return st;
}

static void lines_become_columns_and_members(void **state) {
    (void)state;
    static const char text[] =
        "\xEF\xBB\xBF{\"n\":1,\"x\":2.5,\"t\":\"a\\u00e4\",\"d\":\"1970-01-02\",\"b\\\"q\":true,"
        "\"id\":\"007\"}\r\n"
        "\n  \t\n"
        "{\"id\": 1.50 ,\"b\\u0022q\":\"no\",\"t\":5,\"n\":\"7\",\"x\":null,\"more\":[1, "
        "{\"a\":\"}\"}]}\n"
        "{}\n"
        "  {\"x\":3,\"n\":2.0}";
    static const char want[] = "1|2.5|a\xc3\xa4|86400000000|1| id=\"007\"\n"
                               "7|-|5|-|0| id=1.50 more=[1, {\"a\":\"}\"}]\n"
                               "-|-|-|-|-|\n"
                               "2|3|-|-|-|\n";
    for (size_t block = 16; block < 400; block += 7) {
        tm_buf out;
        tm_err err = {0};
        tm__buf_init(&out, 1u << 20);
        if (read_text(text, block, 1 + block % 3, &out, &err) != TM_OK) {
            fail_msg("%zu: %s", block, err.message);
        }
        tm__buf_byte(&out, 0);
        assert_string_equal((const char *)out.data, want);
        tm__buf_done(&out);
    }
}

static void bad_lines_name_their_place(void **state) {
    (void)state;
    static const struct {
        const char *line, *message;
        uint32_t col;
    } cases[] = {
        {"{\"n\":1,}", "not JSON: a name must be a text", 8},
        {"{\"n\":1} {}", "not JSON: something follows the document", 9},
        {"{\"n\":1", "not JSON: the document ends too early", 7},
        {"[1]", "the line is no object of values by column", 1},
        {"{\"n\":\"far\"}", "column 'n' wants an int, got a text that is not a number", 6},
        {"{\"n\":1, \"x\":[1]}", "column 'x' must be one value", 13},
        {"{\"n\":1e999}", "column 'n' must be one value", 6},
        {"{\"n\":1,\"n\":2}", "column 'n' stands twice", 12},
        {"{\"n\":1,\"d\":\"2/3/24\"}", "column 'd' wants a date", 12},
        {"{\"n\":1,\"t\":\"\xff\"}", "not JSON: not valid UTF-8", 1},
        {"{\"n\":666}", "no such number", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint32_t n_threads = 1; n_threads <= 3; n_threads += 2) {
            tm_buf text, out;
            tm_err err = {0};
            tm__buf_init(&text, 1u << 20);
            tm__buf_init(&out, 1u << 20);
            for (uint32_t k = 0; k < 99; k++) {
                tm__buf_text(&text, "{\"n\":5,\"x\":1}\n");
            }
            tm__buf_printf(&text, "\n%s\n{\"n\":8}\n{\"n\":}\n", cases[i].line);
            assert_int_equal(read_text((const char *)text.data, 64, n_threads, &out, &err),
                             TM_E_DATA);
            print_message("%s: %s\n", cases[i].line, err.message);
            assert_int_equal(strncmp(err.message, cases[i].message, strlen(cases[i].message)), 0);
            assert_string_equal(err.data_path, PATH);
            assert_int_equal(err.data_row, 101);
            assert_int_equal(err.data_col, cases[i].col);
            tm__buf_done(&text);
            tm__buf_done(&out);
        }
    }
    tm_buf out;
    tm_err err = {0};
    tm__buf_init(&out, 1024);
    assert_int_equal(read_text("\n \n", 64, 1, &out, &err), TM_E_DATA);
    assert_string_equal(err.message, "the file has no rows");
}

/* A column that must be there and that no row of the first part has is not in the table, so that
 * who needs it says so; one that a later row leaves out is a missing value. */
static void the_first_rows_stand_for_a_header(void **state) {
    (void)state;
    tm_buf out;
    tm__buf_init(&out, 1u << 16);
    assert_int_equal(read_text("{\"x\":1}\n{\"x\":2,\"t\":\"a\"}\n", 4096, 1, &out, NULL), TM_OK);
    tm__buf_byte(&out, 0);
    assert_string_equal((const char *)out.data, "1|-|-|-|\n2|a|-|-|\n"); /* without n */
    tm__buf_done(&out);
}

static void lines_are_told_from_documents(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_named, is_lines;
    } cases[] = {
        {"{\"a\":1}\n{\"a\":2}\n", false, true},
        {"{\"a\":1}", false, false},
        {"{\"a\":1}", true, true},
        {"[{\"a\":1}]\n", false, false},
        {"[{\"a\":1}]\n", true, false},
        {"{\n\"a\":1}\n", false, false},
        {" \n{\"a\":1}\r\n{}", false, true},
        {"", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_lines = !cases[i].is_lines;
        assert_int_equal(tm__fs_publish(PATH, cases[i].text, strlen(cases[i].text), NULL), TM_OK);
        assert_int_equal(tm__json_lines_found(PATH, cases[i].is_named, &is_lines, NULL), TM_OK);
        print_message("%s\n", cases[i].text);
        assert_int_equal(is_lines, cases[i].is_lines);
    }
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char *const paths[] = {PATH};
    static const char text[] = "{\"n\":1,\"t\":\"a\",\"id\":1}\n{\"n\":2,\"t\":\"b\",\"id\":2}\n";
    const tm_source_spec spec = {.path = PATH, .schema = &schema, .block_bytes = 32};
    tm_buf out;
    tm__buf_init(&out, 1u << 16);
    const tm_source_sink sink = {
        .stage = "t", .takes_members = true, .work = show, .write = append, .arg = &out};
    assert_non_null(tm__buf_reserve(&out, 4096));
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        tm_ctx ctx = {0};
        tm_err err = {0};
        tm__buf_reset(&out);
        tm__mem_fail_at(nth, false);
        st = tm__json_pipe(&ctx, &spec, paths, 1, &sink, &err);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_E_NOMEM || (st == TM_OK && nth > 20));
    }
    tm__buf_byte(&out, 0);
    assert_string_equal((const char *)out.data, "1|-|a|-|-| id=1\n2|-|b|-|-| id=2\n");
    tm__buf_done(&out);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_columns_and_members),
        cmocka_unit_test(bad_lines_name_their_place),
        cmocka_unit_test(the_first_rows_stand_for_a_header),
        cmocka_unit_test(lines_are_told_from_documents),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
