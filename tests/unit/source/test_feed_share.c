/* SPDX-License-Identifier: Apache-2.0 */
/* Who reads which partition; what the tables say of it where TIDEMILL_TEST_DSN names a server. */
#include "source/feed_share.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "source/intake_priv.h"
#include "temp_home.h"
#include "test.h"

static void parts_are_divided_evenly_and_few_change_hands(void **state) {
    (void)state;
    static const struct {
        const char *before, *after; /* f: free, x: of others, o: ours, e: too many */
        uint32_t n_readers, rank, n_taken;
    } cases[] = {
        {"ffff", "ffff", 1, 0, 4}, /* alone */
        {"ffff", "ffff", 2, 1, 2}, {"fffff", "fffff", 2, 0, 3}, {"fffff", "fffff", 2, 1, 2},
        {"oooo", "ooee", 2, 0, 0}, /* another one joins */
        {"xxxx", "xxxx", 2, 1, 0}, {"ooxx", "ooxx", 2, 0, 0},   {"ffoo", "ffoo", 1, 0, 2},
        {"foox", "foox", 2, 0, 0}, {"ooo", "oee", 3, 1, 0},     {"oo", "ee", 3, 2, 0},
        {"fxff", "fxff", 0, 0, 3}, /* who does not count takes what nobody reads */
        {"", "", 2, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const char letters[] = "fxoe";
        tm_share_part parts[8];
        const uint32_t n = (uint32_t)strlen(cases[i].before);
        for (uint32_t k = 0; k < n; k++) {
            parts[k] = (tm_share_part)(strchr(letters, cases[i].before[k]) - letters);
        }
        const uint32_t n_taken = tm__share_divide(parts, n, cases[i].n_readers, cases[i].rank);
        for (uint32_t k = 0; k < n; k++) {
            if (letters[parts[k]] != cases[i].after[k]) {
                fail_msg("%s of %u: part %u is %c", cases[i].before, cases[i].n_readers, k,
                         letters[parts[k]]);
            }
        }
        assert_int_equal(n_taken, cases[i].n_taken);
    }
}

static void a_source_that_needs_one_reader_is_not_divided(void **state) {
    const tm_home *const home = *state;
    const bool is_shared = tm__home_shares_intake(home);
    json_t *plain = json_object(), *timed = json_pack("{s:s}", "event_time", "at"),
           *grouped = json_pack("{s:s}", "group", "us"), *keys = json_pack("[s]", "id");
    assert_int_equal(tm__share_is_for(home, "kafka", plain, NULL), is_shared);
    assert_false(tm__share_is_for(home, "kafka", timed, NULL));
    assert_false(tm__share_is_for(home, "kafka", grouped, NULL));
    assert_false(tm__share_is_for(home, "kafka", plain, keys));
    assert_false(tm__share_is_for(home, "watch", plain, NULL));
    json_decref(plain);
    json_decref(timed);
    json_decref(grouped);
    json_decref(keys);
}

/* ---- On PostgreSQL ---- */

typedef struct reader {
    tm_db *db;
    tm_share *share;
} reader;

static int64_t source_of(const tm_home *home) {
    tm_db *db = NULL;
    tm_source_row row = {0};
    json_t *spec = json_pack("{s:s, s:s}", "kafka", "kafka.conf", "topic", "t");
    const tm_intake_add add = {.name = "t", .feed = "kafka", .spec = spec};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    json_decref(spec);
    assert_int_equal(tm__intake_db_open_there(home, true, &db, NULL), TM_OK);
    assert_int_equal(tm__intake_db_source(db, "t", &row, NULL), TM_OK);
    const int64_t id = row.id;
    tm__source_row_done(&row);
    tm__db_close(db);
    return id;
}

static reader join(const tm_home *home, int64_t source, bool counts) {
    reader r = {0};
    tm_err err = {0};
    assert_int_equal(tm__intake_db_open_there(home, true, &r.db, NULL), TM_OK);
    if (tm__share_open(r.db, source, counts, &r.share, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(tm__share_counts(r.share), counts);
    return r;
}

static void leave(reader *r) {
    tm__share_free(r->share);
    tm__db_close(r->db);
    *r = (reader){0};
}

/* The parts that are ours, a letter each. */
static void check(const reader *r, const char *want) {
    char got[8] = "";
    assert_int_equal(tm__share_look(r->share, 4, NULL), TM_OK);
    for (uint32_t i = 0; i < 4; i++) {
        got[i] = "fxoe"[tm__share_part_of(r->share, i)];
    }
    assert_string_equal(got, want);
}

static void who_joins_gets_a_part_and_who_leaves_loses_it(void **state) {
    const int64_t source = source_of(*state);
    reader one = join(*state, source, true);
    check(&one, "oooo");
    reader two = join(*state, source, true);
    check(&two, "xxxx");
    check(&one, "ooee");
    assert_int_equal(tm__share_give(one.share, 2, NULL), TM_OK);
    assert_int_equal(tm__share_give(one.share, 3, NULL), TM_OK);
    reader hand = join(*state, source, false); /* does not count, and takes what is free */
    check(&hand, "xxoo");
    leave(&hand);
    for (int i = 0; i < TEST_LOOKS && tm__share_part_of(two.share, 2) != TM_SHARE_OURS; i++) {
        tm__sleep_ms(5); /* until the server has seen that the session ended */
        assert_int_equal(tm__share_look(two.share, 4, NULL), TM_OK);
    }
    check(&two, "xxoo");
    check(&one, "ooxx");
    leave(&one);
    leave(&two);
}

static tm_status put(const reader *r, const char *item, const json_t *before, int next) {
    json_t *state = json_pack("{s:i, s:i, s:i}", "read", 10, "empty", 1, "behind", 5);
    json_t *mark = json_pack("{s:i}", "next", next);
    const tm_feed_block block = {.item = item, .state = state, .mark = mark, .mark_before = before};
    assert_int_equal(tm__db_begin(r->db, NULL), TM_OK);
    tm_status st = tm__share_put_locked(r->share, &block, NULL);
    if (st == TM_OK) {
        st = tm__intake_db_set_mark_locked(r->db, 1, item, mark, NULL);
        assert_int_equal(tm__db_commit(r->db, NULL), TM_OK);
    } else {
        tm__db_rollback(r->db);
    }
    json_decref(state);
    json_decref(mark);
    return st;
}

static void what_is_committed_is_of_who_has_the_part_and_goes_on_where_it_was(void **state) {
    const int64_t source = source_of(*state);
    json_t *none = json_null(), *ten = json_pack("{s:i}", "next", 10);
    tm_source_row row = {0};
    assert_int_equal(source, 1);
    reader one = join(*state, source, true), two = join(*state, source, true);
    check(&one, "ooff");
    check(&two, "xxoo");
    assert_int_equal(put(&one, "0", none, 10), TM_OK);
    assert_int_equal(put(&two, "0", ten, 20), TM_E_UNAVAILABLE);  /* it is not its part */
    assert_int_equal(put(&one, "0", none, 10), TM_E_UNAVAILABLE); /* that was taken */
    assert_int_equal(put(&two, "2", none, 10), TM_OK);
    assert_int_equal(put(&one, "0", ten, 20), TM_OK);
    assert_int_equal(tm__share_give(one.share, 0, NULL), TM_OK);
    assert_int_equal(put(&one, "0", ten, 20), TM_E_UNAVAILABLE); /* it gave it up */
    assert_int_equal(put(&one, "x", none, 1), TM_E_UNAVAILABLE);
    assert_int_equal(tm__intake_db_source(one.db, "t", &row, NULL), TM_OK);
    assert_int_equal(tm__json_i64(row.state, "read", 0), 30); /* of all readers */
    assert_int_equal(tm__json_i64(row.state, "empty", 0), 3);
    assert_int_equal(tm__json_i64(row.state, "behind", 0), 10); /* of two parts */
    tm__source_row_done(&row);
    leave(&one);
    leave(&two);
    json_decref(ten);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(parts_are_divided_evenly_and_few_change_hands),
        TEST(a_source_that_needs_one_reader_is_not_divided),
    };
    const struct CMUnitTest tests[] = {
        TEST(a_source_that_needs_one_reader_is_not_divided),
        TEST(who_joins_gets_a_part_and_who_leaves_loses_it),
        TEST(what_is_committed_is_of_who_has_the_part_and_goes_on_where_it_was),
    };
    return getenv("TIDEMILL_TEST_DSN") == NULL ? cmocka_run_group_tests(alone, NULL, NULL)
                                               : cmocka_run_group_tests(tests, NULL, NULL);
}
