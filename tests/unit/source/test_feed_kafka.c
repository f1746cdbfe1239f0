/* SPDX-License-Identifier: Apache-2.0 */
/* What blocks, marks and failures are; the rest is in tests/e2e/test_kafka.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mock_kafka.h"
#include "source/feed_priv.h"
#include "support.h"
#include "test.h"

#define N_IDS 400

/* A store of rows and marks, as the intake is one: a block is whole or not there. */
static struct {
    int count[N_IDS];
    uint32_t n_blocks, fail_block;
    json_t *state, *marks;
} store;

static mock_kafka *mock;

static void count_ids(const tm_feed_block *block) {
    for (const char *at = block->data; at < block->data + block->len;) {
        if (*at == '\n') {
            at++;
            continue;
        }
        const long id = strtol(at + strlen("{\"id\": "), NULL, 10);
        assert_true(id >= 0 && id < N_IDS);
        store.count[id]++;
        at = strchr(at, '\n');
    }
}

static tm_status take(void *arg, const tm_feed_block *block, tm_err *err) {
    (void)arg;
    if (++store.n_blocks == store.fail_block) {
        return TM_FAIL(err, TM_E_IO, "no block now");
    }
    assert_true(block->from_zero);
    assert_int_equal(block->form, TM_PUSH_LINES);
    assert_true(tm__str_has_prefix(tm__str(block->origin), "t["));
    count_ids(block);
    json_decref(store.state);
    store.state = json_deep_copy(block->state);
    json_object_set_new(store.marks, block->item, json_deep_copy(block->mark));
    return TM_OK;
}

static tm_status find_mark(void *arg, const char *item, json_t **out, tm_err *err) {
    json_t *mark = json_object_get(arg, item);
    (void)err;
    *out = mark == NULL ? json_null() : json_incref(mark);
    return TM_OK;
}

static tm_status read_topic(tm_err *err) {
    tm_ctx ctx = {0};
    const tm_feed_sink sink = {.take = take};
    json_t *spec = json_pack("{s:s, s:s}", "kafka", "kafka.conf", "topic", "t");
    const tm_feed_input in = {.name = "s",
                              .spec = spec,
                              .state = store.state,
                              .find_mark = find_mark,
                              .arg = store.marks,
                              .created_us = 7,
                              .home = ".",
                              .common = "."};
    const tm_status st = tm__feed_kafka_read(&ctx, &in, &sink, err);
    json_decref(spec);
    return st;
}

static void expect_each_once(int n) {
    for (int i = 0; i < N_IDS; i++) {
        if (store.count[i] != (i < n ? 1 : 0)) {
            fail_msg("id %d is there %d times", i, store.count[i]);
        }
    }
}

static void a_block_that_fails_is_read_again(void **state) {
    (void)state;
    tm_err err = {0};
    mock_kafka_send(mock, 0, 0, 100);
    mock_kafka_send(mock, 1, 100, 200);
    store.fail_block = 1;
    assert_int_equal(read_topic(&err), TM_E_IO);
    store.fail_block = store.n_blocks + 2;
    assert_int_equal(read_topic(&err), TM_E_IO);
    store.fail_block = 0;
    assert_int_equal(read_topic(NULL), TM_OK);
    expect_each_once(200);
    assert_int_equal(tm__json_i64(store.state, "read", 0), 200);
    assert_int_equal(tm__json_i64(json_object_get(store.marks, "1"), "next", 0), 100);
    const uint32_t n_blocks = store.n_blocks;
    assert_int_equal(read_topic(NULL), TM_OK);
    assert_int_equal(store.n_blocks, n_blocks);
}

static void what_was_seen_behind_the_last_message_is_part_of_the_topic(void **state) {
    (void)state;
    tm_err err = {0};
    json_t *mark = json_object_get(store.marks, "1");
    const uint32_t n_blocks = store.n_blocks;
    json_object_set_new(mark, "seen", json_integer(101));
    assert_int_equal(read_topic(&err), TM_E_DATA);
    assert_true(tm__str_has_prefix(tm__str(err.message), "the topic was made anew"));
    json_object_set_new(mark, "seen", json_integer(100));
    assert_int_equal(read_topic(NULL), TM_OK);
    assert_int_equal(store.n_blocks, n_blocks);
}

static void memory_that_runs_out_repeats_nothing(void **state) {
    (void)state;
    tm_status st = TM_E_NOMEM;
    mock_kafka_send(mock, 0, 200, 210);
    for (uint64_t nth = 1; nth < 60 && st != TM_OK; nth++) {
        tm__mem_fail_at(nth, true);
        st = read_topic(NULL);
        tm__mem_fail_at(0, false);
        tm__json_reset();
        assert_true(st == TM_OK || st == TM_E_NOMEM);
    }
    assert_int_equal(st, TM_OK);
    expect_each_once(210);
}

static void check(const char *text, bool is_good) {
    json_t *spec = NULL;
    assert_int_equal(tm__json_parse(text, strlen(text), 8, &spec, NULL), TM_OK);
    assert_int_equal(tm__feed_kafka_check(spec, false, NULL), is_good ? TM_OK : TM_E_USAGE);
    json_decref(spec);
}

static void what_is_declared_is_looked_at(void **state) {
    (void)state;
    check("{\"kafka\": \"f\", \"topic\": \"a-b_c.D\"}", true);
    check("{\"kafka\": \"f\", \"topic\": \"t\", \"from\": \"end\", \"fields\": [\"a\"]}", true);
    check("{\"kafka\": \"f\"}", false);
    check("{\"topic\": \"t\"}", false);
    check("{\"kafka\": \"f\", \"topic\": \"a b\"}", false);
    check("{\"kafka\": \"f\", \"topic\": \"t\", \"from\": \"here\"}", false);
    check("{\"kafka\": \"f\", \"topic\": \"t\", \"fields\": [\"a\", \"\"]}", false);
}

static int set_up(void **state) {
    if (test_folder_enter(state) != 0) {
        return 1;
    }
    store.state = json_null();
    store.marks = json_object();
    mock = mock_kafka_open("t", 2);
    mock_kafka_settings(mock, "kafka.conf");
    return 0;
}

static int tear_down(void **state) {
    json_decref(store.state);
    json_decref(store.marks);
    mock_kafka_close(mock);
    return test_folder_leave(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_that_fails_is_read_again),
        cmocka_unit_test(what_was_seen_behind_the_last_message_is_part_of_the_topic),
        cmocka_unit_test(memory_that_runs_out_repeats_nothing),
        cmocka_unit_test(what_is_declared_is_looked_at),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
