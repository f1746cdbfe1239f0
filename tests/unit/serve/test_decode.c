/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bundle_data.h"
#include "serve/decode.h"
#include "test.h"

static tm_schema_column columns[] = {
    {.name = (char[]){"distance"}, .type = TM_TYPE_INT},
    {.name = (char[]){"origin"}, .type = TM_TYPE_TEXT},
    {.name = (char[]){"speed"}, .type = TM_TYPE_FLOAT, .is_nullable = true},
    {.name = (char[]){"date"}, .type = TM_TYPE_TIME},
    {.name = (char[]){"late \"x\""}, .type = TM_TYPE_BOOL, .is_nullable = true},
};
static const tm_schema schema = {.n_cols = 5, .cols = columns};
static const char *const others[] = {"delay", "distance", "weight"};

typedef struct fixture {
    tm_plan *plan;
    tm_arena *arena;
    tm_exchange x;
    tm_buf body;
    tm_rows_place place;
    tm_decoder *decoder;
} fixture;

static void open_rows(fixture *f, const char *entity, const char *text) {
    const tm_plan_parts parts = {
        .inputs = &schema, .others = others, .n_others = 3, .time = "date", .entity = entity};
    memset(f, 0, sizeof *f);
    assert_int_equal(tm__plan_make(&parts, &f->plan, NULL), TM_OK);
    f->arena = tm__arena_create(1u << 24);
    tm__buf_init(&f->body, 1u << 22);
    tm__buf_text(&f->body, text);
    tm_scan_error e;
    assert_true(tm__scan_check((const char *)f->body.data, f->body.len, &e));
    f->place =
        (tm_rows_place){.kind = TM_ROWS_RECORDS, .path = "rows", .rows = (char *)f->body.data};
}

static void start(fixture *f) {
    f->decoder = tm__decoder_create(f->plan, &f->place, &f->x, f->arena);
    assert_non_null(f->decoder);
}

static void done(fixture *f) {
    tm__plan_free(f->plan);
    tm__arena_free(f->arena);
    tm__buf_done(&f->body);
    tm__mem_free(f->x.errors);
}

static void write_row(const fixture *f, tm_buf *out) {
    assert_true(tm__row_write_json(tm__plan_names(f->plan), tm__decoder_cells(f->decoder),
                                   tm__plan_cells(f->plan), out));
}

static void rows_become_cells_in_the_order_of_the_model(void **state) {
    (void)state;
    fixture f;
    open_rows(
        &f, "tail",
        "[{\"speed\":1,\"origin\":\"O\\u0052D\",\"distance\":733,\"late "
        "\\\"x\\\"\":true,\"date\":\"2001-06-01T18:20:00\",\"tail\":17},"
        "{\"distance\":7e1,\"origin\":5,\"date\":\"2001-06-02\",\"delay\":{},\"tail\":\"N1\"}]");
    start(&f);
    assert_true(tm__decoder_next(f.decoder));
    const tm_cell *c = tm__decoder_cells(f.decoder);
    assert_int_equal(c[0].i64, 733);
    assert_true(tm__str_is(c[1].text, "ORD"));
    assert_true(c[2].type == TM_TYPE_FLOAT && c[2].f64 == 1.0);
    assert_int_equal(c[3].type, TM_TYPE_TIME);
    assert_int_equal(c[4].i64, 1);
    assert_int_equal(tm__decoder_event_us(f.decoder), c[3].i64);
    char text[32];
    assert_true(tm__str_is(tm__decoder_entity(f.decoder, text), "17"));
    tm_buf out;
    tm__buf_init(&out, 4096);
    write_row(&f, &out);
    assert_string_equal((const char *)out.data,
                        "{\"distance\":733,\"origin\":\"ORD\",\"speed\":1,\"date\":\"2001-06-01T18:"
                        "20:00Z\",\"late \\\"x\\\"\":true,\"tail\":17}");
    assert_true(tm__decoder_next(f.decoder));
    c = tm__decoder_cells(f.decoder);
    assert_int_equal(c[0].i64, 70);
    assert_true(tm__str_is(c[1].text, "5"));
    assert_int_equal(c[2].type, TM_TYPE_NONE);
    assert_int_equal(c[4].type, TM_TYPE_NONE);
    assert_false(tm__decoder_next(f.decoder));
    assert_int_equal(f.x.n_errors, 0);
    const tm_decode_counts n = tm__decoder_counts(f.decoder);
    assert_int_equal(n.n_rows, 2);
    assert_int_equal(n.n_coerced, 2);
    assert_int_equal(n.n_nulls, 2);
    tm__buf_done(&out);
    done(&f);
}

typedef struct error_case {
    const char *rows, *detail, *column, *hint;
} error_case;

static const error_case errors[] = {
    {"[{\"distance\":\"far\",\"origin\":\"a\",\"date\":\"2001-01-01\"}]",
     "rows[0].distance wants an int, got a text that is not a number", "distance",
     "Give a number, or none (null, an empty cell) where it is not known."},
    {"[{\"distanse\":1,\"distance\":1,\"origin\":\"a\",\"date\":\"2001-01-01\"}]",
     "rows[0] has a column 'distanse' that the model does not know", "distanse",
     "Did you mean 'distance'?"},
    {"[{\"distance\":1,\"origin\":\"a\"}]", "rows[0] lacks the column 'date'", "date",
     "Name every column; null says that a value is not known."},
    {"[{\"distance\":1,\"origin\":\"a\",\"date\":null,\"distance\":2}]",
     "rows[0] has the column 'distance' twice", "distance", ""},
    {"[{\"distance\":[1],\"origin\":\"a\",\"date\":null}]",
     "rows[0].distance must be one value: a number that fits a double, a text, true, false or null",
     "distance", ""},
    {"[{\"distance\":1e999,\"origin\":\"a\",\"date\":null}]",
     "rows[0].distance must be one value: a number that fits a double, a text, true, false or null",
     "distance", ""},
    {"[{\"distance\":-1e999,\"origin\":\"a\",\"date\":null}]",
     "rows[0].distance must be one value: a number that fits a double, a text, true, false or null",
     "distance", ""},
    {"[{\"distance\":1,\"origin\":\"a\",\"date\":null,\"speed\":\"1e999\"}]",
     "rows[0].speed wants a float, got a text of a number larger than a double", "speed",
     "Give a number, or none (null, an empty cell) where it is not known."},
    {"[{\"distance\":2.5,\"origin\":\"a\",\"date\":null}]",
     "rows[0].distance wants an int, got a float with a fraction", "distance",
     "Its values were whole numbers: round this one, or learn anew from rows with fractions by "
     "'tidemill train'."},
    {"[{\"distance\":123456789012345678901234567890,\"origin\":\"a\",\"date\":null}]",
     "rows[0].distance wants an int, got a float beyond the integers", "distance", ""},
    {"[{\"distance\":1,\"origin\":\"a\",\"date\":null,\"late \\\"x\\\"\":7}]",
     "rows[0].late \"x\" wants a bool, got an int other than 0 and 1", "late \"x\"",
     "Give true, false, 1, 0, \"yes\" or \"no\"."},
    {"[{\"distance\":1,\"origin\":{\"a\":[[]]},\"date\":null}]",
     "rows[0].origin must be one value: a number that fits a double, a text, true, false or null",
     "origin", ""},
    {"[{\"distance\":1,\"origin\":\"a\",\"date\":\"soon\"}]",
     "rows[0].date wants a time, got a text that is not ISO 8601", "date",
     "Write 2001-12-31 or 2001-12-31T23:59:59Z."},
    {"[{\"distance\":null,\"origin\":null,\"date\":null},7]",
     "rows[1] must be an object of values by column", "", ""},
};

static void an_error_names_row_and_column_and_no_value(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fixture f;
        open_rows(&f, NULL, errors[i].rows);
        start(&f);
        while (tm__decoder_next(f.decoder)) {
        }
        assert_true(f.x.n_errors >= 1);
        assert_string_equal(f.x.errors[0].detail, errors[i].detail);
        assert_string_equal(f.x.errors[0].column, errors[i].column);
        assert_string_equal(f.x.errors[0].hint, errors[i].hint);
        assert_true(f.x.errors[0].has_row);
        done(&f);
    }
}

static void null_is_always_a_missing_value(void **state) {
    (void)state;
    fixture f;
    open_rows(&f, NULL, "[{\"distance\":null,\"origin\":null,\"date\":null}]");
    start(&f);
    assert_true(tm__decoder_next(f.decoder));
    assert_int_equal(f.x.n_errors, 0);
    assert_int_equal(tm__decoder_event_us(f.decoder), TM_INT_MISSING);
    assert_int_equal(tm__decoder_counts(f.decoder).n_nulls, 5);
    done(&f);
}

static void errors_stop_at_the_sixteenth(void **state) {
    (void)state;
    fixture f;
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    for (int i = 0; i < 100; i++) {
        tm__buf_text(&text, i == 0 ? "[{}" : ",{}");
    }
    tm__buf_text(&text, "]");
    open_rows(&f, NULL, (const char *)text.data);
    start(&f);
    while (tm__decoder_next(f.decoder)) {
    }
    assert_int_equal(f.x.n_errors, TM_ERRORS_MAX);
    tm__buf_done(&text);
    done(&f);
}

static void a_long_name_is_cut_between_characters(void **state) {
    (void)state;
    fixture f;
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    tm__buf_text(&text, "[{\"x");
    for (int i = 0; i < 600; i++) {
        tm__buf_text(&text, "\xC3\xA4");
    }
    tm__buf_text(&text, "\":1}]");
    open_rows(&f, NULL, (const char *)text.data);
    start(&f);
    while (tm__decoder_next(f.decoder)) {
    }
    assert_true(f.x.n_errors >= 1);
    assert_true(tm__str_is_utf8(tm__str(f.x.errors[0].detail)));
    assert_true(tm__str_is_utf8(tm__str(f.x.errors[0].column)));
    tm__buf_done(&text);
    done(&f);
}

static void split_and_columns_give_the_same_cells_as_records(void **state) {
    (void)state;
    static const char *const texts[] = {
        "[{\"distance\":1,\"origin\":\"a\",\"date\":\"2001-01-01\"},{\"distance\":2,\"origin\":"
        "\"b\","
        "\"date\":null}]",
        "{\"columns\":[\"origin\",\"distance\",\"delay\",\"date\"],\"data\":[[\"a\",1,9,\"2001-01-"
        "01\"],[\"b\",2,9,null]]}",
        "{\"date\":[\"2001-01-01\",null],\"origin\":[\"a\",\"\\u0062\"],\"delay\":[{},[]],"
        "\"distance\":[1,2]}",
    };
    for (uint32_t kind = 0; kind < 3; kind++) {
        fixture f;
        open_rows(&f, NULL, texts[kind]);
        f.place.kind = (tm_rows_kind)kind;
        if (kind == TM_ROWS_SPLIT) {
            f.place.names = strchr((char *)f.body.data, '[');
            f.place.rows = strchr(strstr((char *)f.body.data, "data"), '[');
        }
        start(&f);
        assert_true(tm__decoder_next(f.decoder));
        assert_int_equal(tm__decoder_cells(f.decoder)[0].i64, 1);
        assert_true(tm__str_is(tm__decoder_cells(f.decoder)[1].text, "a"));
        assert_true(tm__decoder_next(f.decoder));
        assert_int_equal(tm__decoder_cells(f.decoder)[0].i64, 2);
        assert_true(tm__str_is(tm__decoder_cells(f.decoder)[1].text, "b"));
        assert_int_equal(tm__decoder_cells(f.decoder)[3].type, TM_TYPE_NONE);
        assert_false(tm__decoder_next(f.decoder));
        assert_int_equal(f.x.n_errors, 0);
        assert_int_equal(tm__decoder_counts(f.decoder).n_rows, 2);
        done(&f);
    }
}

/* A column that nobody reads keeps its place among the values. */
static void ignored_names_of_a_table_keep_their_place(void **state) {
    (void)state;
    fixture f;
    open_rows(&f, NULL,
              "{\"columns\":[\"?\",\"origin\",\"what\",\"distance\",\"date\",\"\\u0041\"],"
              "\"data\":[[0,\"a\",[],1,null,2],[3,\"b\",{},2,null,\"\"]]}");
    f.place.kind = TM_ROWS_SPLIT;
    f.place.ignores_unknown = true;
    f.place.names = strchr((char *)f.body.data, '[');
    f.place.rows = strchr(strstr((char *)f.body.data, "data"), '[');
    start(&f);
    for (int64_t i = 1; i <= 2; i++) {
        assert_true(tm__decoder_next(f.decoder));
        assert_int_equal(tm__decoder_cells(f.decoder)[0].i64, i);
        assert_true(tm__str_is(tm__decoder_cells(f.decoder)[1].text, i == 1 ? "a" : "b"));
    }
    assert_false(tm__decoder_next(f.decoder));
    assert_int_equal(f.x.n_errors, 0);
    done(&f);
}

static void ragged_arrays_are_errors(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"columns\":[\"origin\",\"distance\",\"date\"],\"data\":[[\"a\",1]]}",
        "{\"date\":[null],\"origin\":[\"a\",\"b\"],\"distance\":[1,2]}",
        "{\"date\":[null],\"origin\":7,\"distance\":[1,2]}",
    };
    for (uint32_t i = 0; i < 3; i++) {
        fixture f;
        open_rows(&f, NULL, texts[i]);
        f.place.kind = i == 0 ? TM_ROWS_SPLIT : TM_ROWS_COLUMNS;
        if (i == 0) {
            f.place.names = strchr((char *)f.body.data, '[');
            f.place.rows = strchr(strstr((char *)f.body.data, "data"), '[');
        }
        start(&f);
        while (tm__decoder_next(f.decoder)) {
        }
        assert_true(f.x.n_errors > 0);
        done(&f);
    }
}

/* Random records: what the decoder takes, written as a row, is what jansson reads from it. */
static void a_written_row_says_what_was_read(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(11, "decode", 0);
    for (int round = 0; round < 2000; round++) {
        tm_buf text;
        tm__buf_init(&text, 1u << 16);
        const long long distance = (long long)tm__rng_below(&rng, 1u << 30) - (1 << 29);
        char speed[32];
        speed[tm__f64_to_text((tm__rng_f64(&rng) - 0.5) * 1e3, speed)] = '\0';
        tm__buf_printf(&text, "[{\"origin\":\"a\\n%llx\\u00e9\",\"speed\":%s,\"distance\":%lld,",
                       (unsigned long long)tm__rng_u64(&rng), speed, distance);
        tm__buf_printf(&text, "\"date\":\"20%02u-0%u-11\"}]",
                       (unsigned)tm__rng_below(&rng, 90) + 10,
                       (unsigned)tm__rng_below(&rng, 9) + 1);
        json_t *theirs = json_loadb((const char *)text.data, text.len, 0, NULL);
        assert_non_null(theirs);
        fixture f;
        open_rows(&f, NULL, (const char *)text.data);
        start(&f);
        assert_true(tm__decoder_next(f.decoder));
        assert_int_equal(f.x.n_errors, 0);
        tm_buf out;
        tm__buf_init(&out, 1u << 16);
        write_row(&f, &out);
        json_t *ours = json_loadb((const char *)out.data, out.len, 0, NULL);
        const json_t *row = json_array_get(theirs, 0);
        assert_true(
            json_equal(json_object_get(ours, "distance"), json_object_get(row, "distance")));
        assert_true(json_equal(json_object_get(ours, "origin"), json_object_get(row, "origin")));
        assert_true(json_number_value(json_object_get(ours, "speed")) ==
                    json_number_value(json_object_get(row, "speed")));
        assert_int_equal(strncmp(json_string_value(json_object_get(ours, "date")),
                                 json_string_value(json_object_get(row, "date")), 10),
                         0);
        json_decref(ours);
        json_decref(theirs);
        tm__buf_done(&out);
        tm__buf_done(&text);
        done(&f);
    }
}

/* Numbers as texts, -0, the least int and marks of missing values, as cells. */
static void odd_values_have_one_meaning(void **state) {
    (void)state;
    static const struct {
        const char *value;
        tm_type type;
        double number;
    } cases[] = {
        {"\"12.5\"", TM_TYPE_FLOAT, 12.5}, {"-0", TM_TYPE_FLOAT, 0.0},
        {"-0.0", TM_TYPE_FLOAT, -0.0},     {"\"-0\"", TM_TYPE_FLOAT, -0.0},
        {"5e-324", TM_TYPE_FLOAT, 5e-324}, {"1e-999", TM_TYPE_FLOAT, 0.0},
        {"\"\"", TM_TYPE_NONE, 0},         {"\"NaN\"", TM_TYPE_NONE, 0},
        {"\"NA\"", TM_TYPE_NONE, 0},       {"null", TM_TYPE_NONE, 0},
        {"true", TM_TYPE_FLOAT, 1.0},      {"-9223372036854775808", TM_TYPE_FLOAT, -0x1p63},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture f;
        char text[200];
        (void)snprintf(text, sizeof text,
                       "[{\"speed\":%s,\"distance\":1,\"origin\":null,\"date\":null}]",
                       cases[i].value);
        open_rows(&f, NULL, text);
        start(&f);
        assert_true(tm__decoder_next(f.decoder));
        if (f.x.n_errors > 0) {
            fail_msg("%s: %s", cases[i].value, f.x.errors[0].detail);
        }
        const tm_cell *cell = &tm__decoder_cells(f.decoder)[2];
        assert_int_equal(cell->type, cases[i].type);
        if (cell->type == TM_TYPE_FLOAT && cell->f64 != cases[i].number) {
            fail_msg("%s: %g", cases[i].value, cell->f64);
        }
        done(&f);
    }
}

/* The same body again and again: once the arena has its block, rows of every form become scores
 * without a call of the allocator. */
static void a_request_becomes_scores_without_an_allocation(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "[{\"age\":\"31.5\",\"city\":\"O\\u0073lo\",\"day\":\"2001-06-01\",\"note\":\"a good day\","
        "\"id\":7,\"ok\":true},"
        "{\"age\":null,\"city\":5,\"day\":\"2001-06-01\",\"note\":\"rain\",\"id\":8.0,\"ok\":"
        "\"no\"}]",
        "{\"columns\":[\"id\",\"ok\",\"note\",\"day\",\"city\",\"age\"],"
        "\"data\":[[7,true,\"a good day\",\"2001-06-01\",\"Oslo\",31.5]]}",
        "{\"age\":[1,2],\"city\":[\"Oslo\",null],\"day\":[null,null],\"note\":[\"x\",\"\"],"
        "\"id\":[1,2],\"ok\":[false,null]}",
    };
    bundle_data *data = bundle_data_create(300, TM_TASK_BINARY, "gbdt");
    tm_buf file;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_plan *plan = NULL;
    bundle_data_write(data, &file, &hash);
    assert_int_equal(tm__bundle_load(file.data, file.len, &bundle, NULL), TM_OK);
    assert_int_equal(tm__plan_create(bundle, NULL, &plan, NULL), TM_OK);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    tm_arena *arena = tm__arena_create(1u << 24);
    for (uint32_t kind = 0; kind < 3; kind++) {
        double answers[2][3] = {{0}};
        uint64_t n_rows = 0;
        for (uint32_t round = 0; round < 2; round++) {
            char body[1024];
            const size_t len = strlen(bodies[kind]);
            memcpy(body, bodies[kind], len + 1);
            tm_exchange x = {0};
            tm_rows_place place = {.kind = (tm_rows_kind)kind, .path = "rows", .rows = body};
            if (kind == TM_ROWS_SPLIT) {
                place.names = strchr(body, '[');
                place.rows = strchr(strstr(body, "data"), '[');
            }
            const uint64_t n_before = tm__mem_calls();
            tm_scan_error e;
            assert_true(tm__scan_check(body, len, &e));
            tm__arena_reset(arena);
            tm_decoder *d = tm__decoder_create(plan, &place, &x, arena);
            for (n_rows = 0; tm__decoder_next(d); n_rows++) {
                tm__bundle_predict_row(bundle, scratch, tm__decoder_cells(d),
                                       &answers[round][n_rows]);
            }
            if (x.n_errors > 0) {
                fail_msg("%s", x.errors[0].detail);
            }
            assert_true(round == 0 || tm__mem_calls() == n_before);
        }
        assert_int_equal(n_rows, kind == TM_ROWS_SPLIT ? 1 : 2);
        assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
    }
    tm__arena_free(arena);
    tm__bundle_scratch_free(scratch);
    tm__plan_free(plan);
    tm__bundle_unref(bundle);
    tm__buf_done(&file);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_become_cells_in_the_order_of_the_model),
        cmocka_unit_test(an_error_names_row_and_column_and_no_value),
        cmocka_unit_test(null_is_always_a_missing_value),
        cmocka_unit_test(errors_stop_at_the_sixteenth),
        cmocka_unit_test(a_long_name_is_cut_between_characters),
        cmocka_unit_test(split_and_columns_give_the_same_cells_as_records),
        cmocka_unit_test(ignored_names_of_a_table_keep_their_place),
        cmocka_unit_test(ragged_arrays_are_errors),
        cmocka_unit_test(a_written_row_says_what_was_read),
        cmocka_unit_test(odd_values_have_one_meaning),
        cmocka_unit_test(a_request_becomes_scores_without_an_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
