/* SPDX-License-Identifier: Apache-2.0 */
#include "source/feed_watermark.h"

#include <string.h>

#include "base/mem.h"
#include "table/table.h"
#include "test.h"

#define NONE TM_INT_MISSING
#define S INT64_C(1000000)

static json_t *spec_of(const char *text) {
    json_t *spec = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 8, &spec, NULL), TM_OK);
    return spec;
}

static void what_is_declared_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        bool is_good;
    } cases[] = {
        {"{}", true},
        {"{\"event_time\": \"at\", \"lateness_s\": 60, \"late\": \"quarantine\"}", true},
        {"{\"event_time\": \"at\", \"fields\": [\"id\", \"at\"]}", true},
        {"{\"event_time\": \"at\", \"fields\": [\"id\"]}", false},
        {"{\"event_time\": \"at\", \"late\": \"drop\"}", false},
        {"{\"lateness_s\": 60}", false},
        {"{\"late\": \"accept\"}", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const spec = spec_of(cases[i].spec);
        assert_int_equal(tm__watermark_check(spec, NULL), cases[i].is_good ? TM_OK : TM_E_USAGE);
        json_decref(spec);
    }
}

static void times_are_found_in_messages(void **state) {
    (void)state;
    static const char json[] = "{\"event_time\": \"at\"}";
    static const char csv[] = "{\"event_time\": \"at\", \"fields\": [\"id\", \"at\", \"x\"]}";
    static const struct {
        const char *spec, *message;
        int64_t want_us;
    } cases[] = {
        {json, "{\"at\": \"1970-01-01T00:00:02Z\"}", 2 * S},
        {json, " {\"a\": [{\"at\": 1}], \"at\": \"1970-01-02\", \"b\": 1}", 86400 * S},
        {json, "{\"at\": \"1970-01-01T02:00:00+02:00\"}", 0},
        {json, "{\"\\u0061t\": \"1970-01-01 00:00:01\"}", S},
        {json, "{\"at\": 5}", NONE},
        {json, "{\"at\": null}", NONE},
        {json, "{\"at\": \"yesterday\"}", NONE},
        {json, "{\"b\": 1}", NONE},
        {json, "{\"at\": \"1970-01-01\"", NONE},
        {json, "[\"at\"]", NONE},
        {json, "", NONE},
        {csv, "1,1970-01-01T00:00:03,x", 3 * S},
        {csv, "\"a,b\",\"1970-01-01 00:00:03\",x", 3 * S},
        {csv, "1,1970-01-01T00:00:03", 3 * S},
        {csv, "1", NONE},
        {csv, "1,,", NONE},
        {csv, "\"open,1970-01-01,x", NONE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const spec = spec_of(cases[i].spec);
        tm_watermark w;
        int64_t us = 7;
        tm__watermark_init(&w, spec, NONE);
        assert_true(tm__watermark_time(&w, tm__str(cases[i].message), &us));
        if (us != cases[i].want_us) {
            fail_msg("%s: %lld", cases[i].message, (long long)us);
        }
        tm__watermark_done(&w);
        json_decref(spec);
    }
}

static void give(tm_watermark *w, uint32_t part) {
    tm_watermark_part *const p = tm__watermark_part(w, part);
    assert_non_null(p);
    *p = (tm_watermark_part){.newest_us = NONE, .is_ours = true};
}

static void end(tm_watermark *w, uint32_t part, int64_t now_us) {
    w->parts[part].at_end = true;
    tm__watermark_settle(w, now_us);
}

static void the_least_partition_holds_unless_it_is_idle(void **state) {
    (void)state;
    const int64_t now = 1000000 * S;
    json_t *const spec = spec_of("{\"event_time\": \"at\", \"lateness_s\": 10, \"idle_s\": 60}");
    tm_watermark w;
    tm__watermark_init(&w, spec, NONE);
    give(&w, 0);
    give(&w, 1);
    give(&w, 2);
    assert_false(tm__watermark_see(&w, 0, 100 * S, now));
    assert_true(w.us == NONE); /* of the others nothing is known */
    assert_false(tm__watermark_see(&w, 1, 50 * S, now));
    assert_true(w.us == NONE);
    end(&w, 2, now); /* which is empty */
    assert_int_equal(w.us, 40 * S);
    assert_true(tm__watermark_see(&w, 0, 39 * S, now));
    assert_false(tm__watermark_see(&w, 0, 40 * S, now));
    assert_false(tm__watermark_see(&w, 0, NONE, now));
    assert_false(tm__watermark_see(&w, 1, 200 * S, now));
    assert_int_equal(w.us, 90 * S); /* the first holds now */
    end(&w, 0, now + 59 * S);
    assert_int_equal(w.us, 90 * S);
    end(&w, 0, now + 60 * S);
    assert_int_equal(w.us, 190 * S);
    /* It comes back, and moves nothing back. */
    assert_true(tm__watermark_see(&w, 0, 120 * S, now + 61 * S));
    assert_int_equal(w.us, 190 * S);
    assert_false(tm__watermark_see(&w, 1, 300 * S, now + 61 * S));
    assert_int_equal(w.us, 190 * S); /* but it holds again */
    w.parts[0].is_ours = false;      /* another member has it now */
    tm__watermark_settle(&w, now + 61 * S);
    assert_int_equal(w.us, 290 * S);
    /* A clock that is ahead by more than a day. */
    assert_false(tm__watermark_see(&w, 1, now + 90000 * S, now + 61 * S));
    assert_int_equal(w.us, 290 * S);
    tm__watermark_done(&w);
    json_decref(spec);
}

static void it_goes_on_where_it_was(void **state) {
    (void)state;
    json_t *const spec = spec_of("{\"event_time\": \"at\"}");
    tm_watermark w;
    tm__watermark_init(&w, spec, 100 * S);
    give(&w, 0);
    assert_true(tm__watermark_see(&w, 0, 99 * S, 1000 * S));
    assert_false(tm__watermark_see(&w, 0, 100 * S, 1000 * S));
    assert_false(tm__watermark_see(&w, 0, 101 * S, 1000 * S));
    assert_int_equal(w.us, 101 * S);
    tm__watermark_done(&w);
    json_decref(spec);
}

static void lost_memory_is_told(void **state) {
    (void)state;
    json_t *const spec = spec_of("{\"event_time\": \"at\"}");
    tm_watermark w;
    int64_t us = 0;
    tm__watermark_init(&w, spec, NONE);
    tm__mem_fail_at(1, true);
    assert_null(tm__watermark_part(&w, 0));
    assert_false(tm__watermark_time(&w, TM_STR("{\"at\": \"1970-01-01\"}"), &us));
    tm__mem_fail_at(0, false);
    tm__watermark_done(&w);
    json_decref(spec);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_declared_is_checked),
        cmocka_unit_test(times_are_found_in_messages),
        cmocka_unit_test(the_least_partition_holds_unless_it_is_idle),
        cmocka_unit_test(it_goes_on_where_it_was),
        cmocka_unit_test(lost_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
