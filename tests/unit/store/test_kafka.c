/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kafka.h"

#include <stdatomic.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "mock_kafka.h"
#include "support.h"
#include "test.h"

#define TOPIC "t"

static mock_kafka *mock;
static volatile _Atomic bool cancel;

/* What was given and taken, and where reading starts. */
static struct {
    int n_given, n_taken;
    int64_t start, again, low, high; /* again: where, when it is asked once more */
    tm_status fails;
} seen;

static tm_status given(void *arg, const tm_kafka_part *part, int64_t *out_offset, tm_err *err) {
    assert_ptr_equal(arg, &seen);
    seen.n_given++;
    seen.low = part->low;
    seen.high = part->high;
    *out_offset = seen.n_given == 1 ? seen.start : seen.again;
    return seen.fails == TM_OK ? TM_OK : TM_FAIL(err, seen.fails, "not given");
}

static tm_status taken(void *arg, int32_t partition, tm_err *err) {
    assert_ptr_equal(arg, &seen);
    (void)partition;
    (void)err;
    seen.n_taken++;
    return TM_OK;
}

static tm_kafka *open_reader(const char *topic, const char *member) {
    const tm_kafka_options options = {.topic = topic,
                                      .group = "g",
                                      .member = member,
                                      .cancel = &cancel,
                                      .given = given,
                                      .taken = taken,
                                      .arg = &seen};
    tm_kafka *reader = NULL;
    assert_int_equal(tm__kafka_open("kafka.conf", &options, &reader, NULL), TM_OK);
    return reader;
}

/* Messages up to the end of the only partition; the last offset of them. */
static int read_to_end(tm_kafka *reader, int64_t *out_last) {
    for (int n = 0;;) {
        tm_kafka_event e = {0};
        assert_int_equal(tm__kafka_next(reader, 1000, &e, NULL), TM_OK);
        if (e.kind == TM_KAFKA_END) {
            return n;
        }
        if (e.kind == TM_KAFKA_MESSAGE) {
            assert_true(tm__str_has_prefix(e.value, "{\"id\": "));
            assert_null(e.key.ptr);
            assert_true(e.time_us > 0);
            *out_last = e.offset;
            n++;
        }
    }
}

static void messages_come_from_where_the_caller_says(void **state) {
    (void)state;
    uint32_t n = 0;
    int64_t last = 0;
    memset(&seen, 0, sizeof(seen));
    seen.start = 4;
    tm_kafka *reader = open_reader(TOPIC, NULL);
    assert_false(tm__kafka_is_member(reader, &n));
    assert_int_equal(read_to_end(reader, &last), 6);
    assert_int_equal(last, 9);
    assert_true(tm__kafka_is_member(reader, &n));
    assert_int_equal(n, 1);
    assert_int_equal(seen.high, 10);
    assert_int_equal(tm__kafka_high(reader, 0), 10);
    tm__kafka_commit(reader, 0, 10);
    tm_err err = {0};
    if (tm__kafka_seek(reader, 0, 8, &err) != TM_OK) {
        fail_msg("%s; given %d times, taken %d", err.message, seen.n_given, seen.n_taken);
    }
    assert_int_equal(read_to_end(reader, &last), 2);
    tm__kafka_close(reader);
    assert_int_equal(seen.n_given, 1);
}

static void a_member_of_a_group_is_given_partitions_and_gives_them_back(void **state) {
    (void)state;
    int64_t last = 0;
    memset(&seen, 0, sizeof(seen));
    tm_kafka *reader = open_reader(TOPIC, "me");
    assert_int_equal(read_to_end(reader, &last), 10);
    assert_int_equal(seen.n_given, 1);
    tm__kafka_close(reader);
    assert_int_equal(seen.n_taken, 1);
}

static void by_hand_a_partition_is_read_while_it_is_taken(void **state) {
    (void)state;
    uint32_t n = 0;
    int64_t last = 0;
    tm_kafka_event e = {0};
    memset(&seen, 0, sizeof(seen));
    seen.start = 4;
    seen.again = 8;
    const tm_kafka_options options = {.topic = TOPIC,
                                      .group = "g",
                                      .by_hand = true,
                                      .given = given,
                                      .taken = taken,
                                      .arg = &seen};
    tm_kafka *reader = NULL;
    assert_int_equal(tm__kafka_open("kafka.conf", &options, &reader, NULL), TM_OK);
    while (!tm__kafka_is_member(reader, &n)) {
        assert_int_equal(tm__kafka_next(reader, 10, &e, NULL), TM_OK);
        assert_int_equal(e.kind, TM_KAFKA_NOTHING);
    }
    assert_int_equal(n, 1);
    assert_int_equal(seen.n_given, 0);
    assert_int_equal(tm__kafka_take(reader, 0, NULL), TM_OK);
    assert_int_equal(read_to_end(reader, &last), 6);
    assert_int_equal(tm__kafka_drop(reader, 0, NULL), TM_OK);
    assert_int_equal(tm__kafka_next(reader, 10, &e, NULL), TM_OK);
    assert_int_equal(e.kind, TM_KAFKA_NOTHING);
    assert_int_equal(tm__kafka_take(reader, 0, NULL), TM_OK);
    assert_int_equal(read_to_end(reader, &last), 2);
    assert_int_equal(seen.n_given, 2);
    assert_int_equal(seen.n_taken, 0);
    assert_int_equal(tm__kafka_drop(reader, 0, NULL), TM_OK);
    tm__kafka_close(reader);
}

static void a_failure_of_the_caller_ends_the_reading(void **state) {
    (void)state;
    tm_kafka_event e = {0};
    tm_err err = {0};
    memset(&seen, 0, sizeof(seen));
    seen.fails = TM_E_DATA;
    tm_kafka *reader = open_reader(TOPIC, NULL);
    assert_int_equal(tm__kafka_next(reader, 5000, &e, &err), TM_E_DATA);
    assert_string_equal(err.message, "not given");
    assert_int_equal(tm__kafka_next(reader, 0, &e, &err), TM_E_DATA);
    tm__kafka_close(reader);
}

static void an_offset_that_is_not_there_is_asked_for_again(void **state) {
    (void)state;
    int64_t last = 0;
    memset(&seen, 0, sizeof(seen));
    seen.start = 50;
    seen.again = 4;
    tm_kafka *reader = open_reader(TOPIC, NULL);
    assert_int_equal(read_to_end(reader, &last), 6);
    assert_int_equal(last, 9);
    assert_int_equal(seen.n_given, 2);
    assert_int_equal(seen.n_taken, 1);
    tm__kafka_close(reader);
}

static void a_flag_ends_the_reading(void **state) {
    (void)state;
    tm_kafka_event e = {0};
    memset(&seen, 0, sizeof(seen));
    tm_kafka *reader = open_reader(TOPIC, NULL);
    atomic_store(&cancel, true);
    assert_int_equal(tm__kafka_next(reader, 5000, &e, NULL), TM_E_CANCELLED);
    atomic_store(&cancel, false);
    tm__kafka_close(reader);
    tm__kafka_close(NULL);
}

static void memory_that_runs_out_is_told(void **state) {
    (void)state;
    const tm_kafka_options options = {.topic = TOPIC, .group = "g", .given = given, .taken = taken};
    tm_kafka *reader = NULL;
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; nth < 20 && st != TM_OK; nth++) {
        tm__mem_fail_at(nth, false);
        st = tm__kafka_open("kafka.conf", &options, &reader, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
    }
    assert_int_equal(st, TM_OK);
    tm__kafka_close(reader);
}

static int set_up(void **state) {
    if (test_folder_enter(state) != 0) {
        return 1;
    }
    mock = mock_kafka_open(TOPIC, 1);
    mock_kafka_settings(mock, "kafka.conf");
    mock_kafka_send(mock, 0, 0, 10);
    return 0;
}

static int tear_down(void **state) {
    mock_kafka_close(mock);
    return test_folder_leave(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_from_where_the_caller_says),
        cmocka_unit_test(a_member_of_a_group_is_given_partitions_and_gives_them_back),
        cmocka_unit_test(by_hand_a_partition_is_read_while_it_is_taken),
        cmocka_unit_test(a_failure_of_the_caller_ends_the_reading),
        cmocka_unit_test(an_offset_that_is_not_there_is_asked_for_again),
        cmocka_unit_test(a_flag_ends_the_reading),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
