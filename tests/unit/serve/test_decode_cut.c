/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "serve/decode.h"
#include "test.h"

static tm_schema_column columns[] = {
    {.name = (char[]){"n"}, .type = TM_TYPE_INT},
    {.name = (char[]){"t"}, .type = TM_TYPE_TEXT, .is_nullable = true},
};
static const tm_schema schema = {.n_cols = 2, .cols = columns};

#define N_ROWS 29u

/* Rows 0 .. 28 in a form, with what is hard to step over: escapes, quotes, line ends, brackets. */
static const char *const texts[] = {"a", "\\\"]}", "x,\\n[{", "", "\\u0041\\\\"};
static const char *const csv_texts[] = {"a", "\"\"\"]}\"", "\"x,\n[{\"", "NA", "A\\"};

static void put_row(tm_rows_kind kind, uint32_t i, tm_buf *out) {
    const char *text = texts[i % 5];
    switch (kind) {
    case TM_ROWS_RECORDS:
        tm__buf_printf(out, "%s {\"n\" : %u, \"t\":\"%s\"}", i == 0 ? "" : ",", i, text);
        break;
    case TM_ROWS_SPLIT:
        tm__buf_printf(out, "%s[%u ,\"%s\" ] ", i == 0 ? "" : ",", i, text);
        break;
    case TM_ROWS_LINES:
        tm__buf_printf(out, "{\"n\":%u,\"t\":\"%s\"}%s", i, text, i % 3 == 0 ? "\r\n\n" : "\n");
        break;
    default:
        tm__buf_printf(out, "%u,%s%s", i, csv_texts[i % 5], i % 3 == 0 ? "\r\n\n" : "\n");
        break;
    }
}

typedef struct document {
    tm_buf text;
    tm_rows_place place;
} document;

static void put_columns(tm_buf *out, const char *before, const char *between) {
    tm__buf_text(out, before);
    for (uint32_t i = 0; i < N_ROWS; i++) {
        tm__buf_printf(out, "%s%u", i == 0 ? "" : ", ", i);
    }
    tm__buf_text(out, between);
    for (uint32_t i = 0; i < N_ROWS; i++) {
        tm__buf_printf(out, "%s\"%s\"", i == 0 ? "" : ",", texts[i % 5]);
    }
}

static void make(tm_rows_kind kind, document *d) {
    memset(d, 0, sizeof *d);
    tm__buf_init(&d->text, 1u << 20);
    tm_buf *out = &d->text;
    d->place = (tm_rows_place){.kind = kind, .path = "rows"};
    size_t rows = 0;
    if (kind == TM_ROWS_COLUMNS) {
        put_columns(out, "{\"n\":[", "],\"t\":[");
        tm__buf_text(out, "]}");
    } else {
        if (kind == TM_ROWS_SPLIT) {
            tm__buf_text(out, "[\"n\",\"\\u0074\"]");
            rows = out->len;
        }
        tm__buf_text(out, kind == TM_ROWS_CSV                                ? "n,t\n"
                          : kind == TM_ROWS_RECORDS || kind == TM_ROWS_SPLIT ? "["
                                                                             : "");
        for (uint32_t i = 0; i < N_ROWS; i++) {
            put_row(kind, i, out);
        }
        tm__buf_text(out, kind == TM_ROWS_RECORDS || kind == TM_ROWS_SPLIT ? "]" : "");
    }
    assert_false(out->failed);
    d->place.names = (char *)out->data;
    d->place.rows = (char *)out->data + rows;
}

static void close_document(document *d) {
    tm__buf_done(&d->text);
}

static tm_plan *make_plan(void) {
    const tm_plan_parts parts = {.inputs = &schema};
    tm_plan *plan = NULL;
    assert_int_equal(tm__plan_make(&parts, &plan, NULL), TM_OK);
    return plan;
}

static void put_rows(const tm_plan *plan, tm_decoder *decoder, tm_buf *out) {
    while (tm__decoder_next(decoder)) {
        tm__buf_printf(out, "%llu ", (unsigned long long)tm__decoder_row(decoder));
        assert_true(tm__row_write_json(tm__plan_names(plan), tm__decoder_cells(decoder),
                                       tm__plan_cells(plan), out));
        tm__buf_byte(out, '\n');
    }
}

static void parts_are_the_whole_in_every_form(void **state) {
    (void)state;
    static const tm_rows_kind kinds[] = {TM_ROWS_RECORDS, TM_ROWS_SPLIT, TM_ROWS_COLUMNS,
                                         TM_ROWS_LINES, TM_ROWS_CSV};
    tm_plan *plan = make_plan();
    tm_arena *arena = tm__arena_create(1u << 24);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint32_t size = 1; size <= N_ROWS + 1; size++) {
            document one, two;
            tm_buf want, got;
            tm_exchange x = {0};
            tm_decoder *parts[N_ROWS + 1];
            uint32_t n = 0;
            tm__buf_init(&want, 1u << 20);
            tm__buf_init(&got, 1u << 20);
            make(kinds[k], &one);
            make(kinds[k], &two);
            tm_decoder *whole = tm__decoder_create(plan, &one.place, &x, arena);
            put_rows(plan, whole, &want);
            tm_decoder *from = tm__decoder_create(plan, &two.place, &x, arena);
            for (bool more = true; more; n++) {
                const tm_decode_part most = {.n_rows = size, .n_bytes = SIZE_MAX};
                assert_in_range(n, 0, N_ROWS);
                parts[n] = tm__decoder_cut(from, &most, &x, arena, &more);
                assert_non_null(parts[n]);
            }
            assert_int_equal(n, (N_ROWS + size - 1) / size);
            for (uint32_t i = 0; i < n; i++) {
                put_rows(plan, parts[i], &got);
                const uint64_t rows = tm__decoder_counts(parts[i]).n_rows;
                assert_int_equal(rows, i + 1 < n ? size : N_ROWS - size * (n - 1));
            }
            assert_int_equal(x.n_errors, 0);
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.data, want.data, want.len);
            close_document(&one);
            close_document(&two);
            tm__buf_done(&want);
            tm__buf_done(&got);
            tm__arena_reset(arena);
        }
    }
    tm__plan_free(plan);
    tm__arena_free(arena);
}

/* Two decoders, each with its copy of the document, take turns: together they read every row, also
 * within a part. */
static void rows_that_are_passed_are_anothers(void **state) {
    (void)state;
    static const tm_rows_kind kinds[] = {TM_ROWS_RECORDS, TM_ROWS_SPLIT, TM_ROWS_COLUMNS,
                                         TM_ROWS_LINES, TM_ROWS_CSV};
    tm_plan *plan = make_plan();
    tm_arena *arena = tm__arena_create(1u << 24);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (uint32_t turn = 1; turn < 6; turn++) {
            document docs[2];
            tm_decoder *parts[2];
            tm_exchange x = {0};
            for (uint32_t i = 0; i < 2; i++) {
                const tm_decode_part most = {.n_rows = N_ROWS - 2, .n_bytes = SIZE_MAX};
                bool more = false;
                make(kinds[k], &docs[i]);
                tm_decoder *from = tm__decoder_create(plan, &docs[i].place, &x, arena);
                parts[i] = tm__decoder_cut(from, &most, &x, arena, &more);
                assert_true(more);
            }
            for (uint32_t row = 0; row < N_ROWS - 2; row++) {
                const uint32_t i = row % (turn + 1) / turn; /* turn rows of one, one of the other */
                tm__decoder_pass(parts[1 - i]);
                assert_true(tm__decoder_next(parts[i]));
                assert_int_equal(tm__decoder_row(parts[i]), row);
                assert_int_equal(tm__decoder_row(parts[1 - i]), row);
                assert_int_equal(tm__decoder_cells(parts[i])[0].i64, row);
            }
            for (uint32_t i = 0; i < 2; i++) { /* behind its end nothing happens */
                tm__decoder_pass(parts[i]);
                assert_false(tm__decoder_next(parts[i]));
                close_document(&docs[i]);
            }
            assert_int_equal(x.n_errors, 0);
            tm__arena_reset(arena);
        }
    }
    tm__plan_free(plan);
    tm__arena_free(arena);
}

static void tensors_are_cut_too(void **state) {
    (void)state;
    static const uint8_t bytes[] = {1,   0,   0, 0, 'a', 0, 0,   0, 0, 2, 0, 0,  0,
                                    'b', 'c', 1, 0, 0,   0, 'd', 1, 0, 0, 0, 'e'};
    char json[] = "[[0], [1,2],3 ,4]";
    tm_tensor tensors[2] = {
        {.name = TM_STR("n"), .type = TM_DATA_INT64, .n_rows = 5, .n_cols = 1, .is_flat = true},
        {.name = TM_STR("t"), .type = TM_DATA_BYTES, .n_rows = 5, .n_cols = 1, .is_flat = true},
    };
    tensors[0].json = json;
    tensors[1].bytes = bytes;
    tensors[1].n_bytes = sizeof bytes;
    const tm_rows_place place = {
        .kind = TM_ROWS_TENSORS, .path = "rows", .tensors = tensors, .n_tensors = 2};
    tm_plan *plan = make_plan();
    tm_arena *arena = tm__arena_create(1u << 20);
    tm_exchange x = {0};
    tm_buf got;
    tm__buf_init(&got, 4096);
    tm_decoder *from = tm__decoder_create(plan, &place, &x, arena);
    uint32_t n = 0;
    for (bool more = true; more; n++) {
        const tm_decode_part most = {.n_rows = 2, .n_bytes = 1};
        put_rows(plan, tm__decoder_cut(from, &most, &x, arena, &more), &got);
    }
    assert_int_equal(n, 3);
    assert_int_equal(x.n_errors, 0);
    tm__buf_byte(&got, 0);
    assert_string_equal(
        (const char *)got.data,
        "0 {\"n\":0,\"t\":\"a\"}\n1 {\"n\":1,\"t\":null}\n2 {\"n\":2,\"t\":\"bc\"}\n"
        "3 {\"n\":3,\"t\":\"d\"}\n4 {\"n\":4,\"t\":\"e\"}\n");
    tensors[1].n_bytes = sizeof bytes - 1; /* the last text is cut */
    json[2] = '0';
    from = tm__decoder_create(plan, &place, &x, arena);
    for (bool more = true; more;) {
        const tm_decode_part most = {.n_rows = 2, .n_bytes = 1};
        put_rows(plan, tm__decoder_cut(from, &most, &x, arena, &more), &got);
    }
    assert_int_equal(x.n_errors, 1);
    assert_string_equal(x.errors[0].detail, "tensor 't' has fewer values than its shape says");
    tm__buf_done(&got);
    tm__mem_free(x.errors);
    tm__plan_free(plan);
    tm__arena_free(arena);
}

static void a_part_ends_at_its_bytes_and_errors_know_their_row(void **state) {
    (void)state;
    char csv[] = "n,t\n0,a\n1,b\nfar,c\n3,\"d\"x\n4,e\n";
    const tm_rows_place place = {.kind = TM_ROWS_CSV, .path = "rows", .rows = csv};
    tm_plan *plan = make_plan();
    tm_arena *arena = tm__arena_create(1u << 20);
    tm_exchange x = {0};
    tm_decoder *from = tm__decoder_create(plan, &place, &x, arena);
    uint64_t rows[4] = {0};
    uint32_t n = 0;
    for (bool more = true; more; n++) {
        const tm_decode_part most = {.n_rows = 100, .n_bytes = 5};
        tm_decoder *part = tm__decoder_cut(from, &most, &x, arena, &more);
        while (tm__decoder_next(part)) {
        }
        rows[n] = tm__decoder_counts(part).n_rows;
    }
    assert_int_equal(n, 3); /* 0 and 1, 2, and all from the quote too many on */
    assert_int_equal(rows[0], 2);
    assert_int_equal(x.n_errors, 2);
    assert_int_equal(x.errors[0].row, 2);
    assert_int_equal(x.errors[1].row, 3);
    assert_non_null(strstr(x.errors[1].detail, "rows[3] has text behind a quote"));
    tm__mem_free(x.errors);
    tm__plan_free(plan);
    tm__arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_the_whole_in_every_form),
        cmocka_unit_test(rows_that_are_passed_are_anothers),
        cmocka_unit_test(tensors_are_cut_too),
        cmocka_unit_test(a_part_ends_at_its_bytes_and_errors_know_their_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
