/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/answer_records.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "temp_home.h"
#include "test.h"
#include "tiny_bundle.h"

/* What the records of a file say. */
typedef struct seen {
    tm_bundle *bundle;
    tm_answer_records records;
    uint64_t n;
    char last_id[27];
} seen;

static void check_record(seen *s, const tm_record *record) {
    static const char *const entities[] = {"c-\xc3\xbc \"1\"", "", "7", "\\"};
    char id[27];
    (void)tm__str_copy(id, sizeof(id), record->id);
    assert_int_equal(strlen(id), 26);
    assert_string_not_equal(id, s->last_id);
    (void)tm__str_copy(s->last_id, sizeof(s->last_id), record->id);
    if (s->n == 1) {
        assert_null(record->entity.ptr);
        assert_true(record->event_us == TM_INT_MISSING);
    } else {
        assert_true(tm__str_is(record->entity, entities[s->n]));
        assert_int_equal(record->event_us, (int64_t)(s->n + 1) * 1000000);
    }
    assert_true(tm__record_output(record, 0) == 0.5 + (double)s->n);
    s->n++;
}

static tm_status work(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                      tm_err *err) {
    seen *const s = arg;
    (void)worker;
    (void)out;
    (void)err;
    tm__answer_records_begin(&s->records, part);
    for (uint64_t row = 0; row < part->n_rows; row++) {
        const double output = 0.5 + (double)row;
        tm_table_answer answer = {.row = row, .outputs = &output, .n_outputs = 1};
        assert_true(tm__answer_records_add(&s->records, part, &answer));
    }
    tm_str rest = {(const char *)s->records.bytes.data, s->records.bytes.len};
    tm_record record;
    while (rest.len > 0) {
        assert_true(tm__record_read(&rest, &record));
        check_record(s, &record);
    }
    return TM_OK;
}

static tm_status write(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    (void)arg;
    (void)out;
    (void)n_rows;
    (void)err;
    return TM_OK;
}

/* Entity and time are no inputs, so each form has them elsewhere: texts of CSV, members of JSON. */
static void an_answer_is_known_by_columns_that_the_model_does_not_read(void **state) {
    static const char *const files[][2] = {
        {"rows.csv", "who,x,asked\n\"c-\xc3\xbc \"\"1\"\"\",1,1970-01-01T00:00:01Z\n,2,\n"
                     "7,3,1970-01-01T00:00:03Z\n\\,4,1970-01-01T00:00:04Z\n"},
        {"rows.jsonl",
         "{\"who\":\"c-\\u00fc \\\"1\\\"\",\"x\":1,\"asked\":\"1970-01-01T00:00:01Z\"}\n"
         "{\"x\":2,\"asked\":null}\n{\"asked\":\"1970-01-01T00:00:03Z\",\"who\":7,\"x\":3}\n"
         "{\"who\":\"\\\\\",\"x\":4,\"asked\":\"1970-01-01T00:00:04Z\"}\n"},
    };
    const tm_tiny_bundle options = {.entity = "who", .time = "asked"};
    for (size_t i = 0; i < 2; i++) {
        tm_ctx ctx = {0};
        tm_err err = {0};
        seen s = {.bundle = tm__tiny_bundle_create(*state, &options)};
        char *const path = tm__fs_join(tm__home_path(*state), files[i][0]);
        assert_int_equal(tm__fs_publish(path, files[i][1], strlen(files[i][1]), NULL), TM_OK);
        assert_int_equal(tm__answer_records_init(&s.records, s.bundle, NULL), TM_OK);
        const tm_source_spec spec = {.path = path, .schema = tm__bundle_schema(s.bundle)};
        const tm_source_sink sink = {.stage = "test",
                                     .wants_raw = true,
                                     .takes_members = true,
                                     .work = work,
                                     .write = write,
                                     .arg = &s};
        if (tm__source_pipe(&ctx, &spec, &sink, &err) != TM_OK) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(s.n, 4);
        tm__answer_records_done(&s.records);
        tm__bundle_unref(s.bundle);
        tm__mem_free(path);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_known_by_columns_that_the_model_does_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
