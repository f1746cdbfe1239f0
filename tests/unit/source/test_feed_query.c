/* SPDX-License-Identifier: Apache-2.0 */
/* A database of this process stands in for others, so that every order of commits, reads and
 * failures can be tried. */
#include "source/feed_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support.h"
#include "test.h"

#define ROWS_MAX 4000u

typedef struct row {
    int64_t id, at;
} row;

/* The database, and what came of it. */
static struct {
    row rows[ROWS_MAX];
    uint32_t n, block, next;
    row chosen[ROWS_MAX];
    uint32_t n_chosen, n_opened;
    bool has_word;       /* a column that was added later */
    bool has_bad;        /* ids of which each seventh is a bad value too */
    bool lacks_id;       /* one that was there is not given any more */
    uint32_t fail_block; /* lost in mid-read, 0: never */
} db;

static struct {
    uint32_t count[ROWS_MAX];
    uint32_t n_rows, n_blocks, fail_block;
    bool checks_places;
    json_t *state;
} store;

static int by_time(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    /* Equal ones come in another order each time. */
    const uint64_t hx = tm__rng_at(db.n_opened, (uint64_t)x->id),
                   hy = tm__rng_at(db.n_opened, (uint64_t)y->id);
    return hx < hy ? -1 : hx > hy;
}

static tm_status db_open(tm_ctx *ctx, const char *file, void **out, tm_err *err) {
    (void)ctx;
    (void)err;
    assert_string_equal(file, "/the/file");
    db.n_opened++;
    *out = &db;
    return TM_OK;
}

static tm_status db_select(void *self, const tm_query_select *what, tm_err *err) {
    (void)self;
    (void)err;
    db.n_chosen = db.next = 0;
    for (uint32_t i = 0; i < db.n; i++) {
        const long long after = what->after.ptr == NULL ? INT64_MIN : atoll(what->after.ptr);
        if (what->cursor == NULL || db.rows[i].at >= after) {
            db.chosen[db.n_chosen++] = db.rows[i];
        }
    }
    qsort(db.chosen, db.n_chosen, sizeof(row), by_time);
    return TM_OK;
}

static tm_status db_next(void *self, tm_query_block *out, tm_err *err) {
    (void)self;
    if (db.next == db.n_chosen) {
        return TM_OK;
    }
    if (db.fail_block > 0 && --db.fail_block == 0) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "gone");
    }
    tm_table_builder *const b = tm__builder_create();
    if (!db.lacks_id) {
        assert_int_equal(tm__builder_add_column(b, "id", TM_TYPE_INT, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_add_column(b, "at", TM_TYPE_INT, NULL), TM_OK);
    if (db.has_word) {
        assert_int_equal(tm__builder_add_column(b, "word", TM_TYPE_TEXT, NULL), TM_OK);
    }
    for (uint32_t i = 0; i < db.block && db.next < db.n_chosen; i++, db.next++) {
        const row *r = &db.chosen[db.next];
        tm_cell cells[3] = {{.type = TM_TYPE_INT, .i64 = r->id},
                            {.type = TM_TYPE_INT, .i64 = r->at}};
        assert_int_equal(tm__builder_add_row(b, cells + (db.lacks_id ? 1 : 0), NULL), TM_OK);
        if (db.has_bad && r->id % 7 == 0) {
            const tm_bad_value value = {.row = i, .value = TM_STR("bytes")};
            assert_true(tm__bad_values_add(&out->bad, &value));
        }
    }
    return tm__builder_finish(b, &out->rows, err);
}

static void db_close(void *self) {
    (void)self;
}

static const tm_query_ops ops = {"postgres", "a test", true, db_open, db_select, db_next, db_close};

/* Rows and state together, or neither. */
static tm_status store_take(void *arg, const tm_feed_block *block, tm_err *err) {
    (void)arg;
    if (store.fail_block > 0 && --store.fail_block == 0) {
        return TM_FAIL(err, TM_E_IO, "a failing disk");
    }
    const uint32_t col = tm__table_find(block->rows, "id");
    uint32_t n_bad = 0;
    for (uint64_t i = 0; i < tm__table_rows(block->rows); i++) {
        store.count[tm__table_column(block->rows, col)->ints[i]]++;
        store.n_rows++;
        const int64_t id = tm__table_column(block->rows, col)->ints[i];
        const uint64_t number = block->numbers == NULL ? i : block->numbers[i];
        if (db.block > 0 && store.checks_places) { /* the row of the query that has this number */
            assert_int_equal(db.chosen[block->first_row + number].id, id);
            const bool is_bad =
                n_bad < block->bad->n && tm__bad_values_get(block->bad, n_bad).row == i;
            assert_int_equal(is_bad, db.has_bad && id % 7 == 0);
            n_bad += is_bad ? 1 : 0;
        }
    }
    store.n_blocks++;
    json_decref(store.state);
    store.state = json_deep_copy(block->state);
    return TM_OK;
}

static const tm_feed_sink sink = {.take = store_take};

static json_t *make_spec(const char *cursor) {
    return json_pack("{s:s, s:s, s:s*}", "postgres", "/the/file", "query", "q", "cursor", cursor);
}

static tm_status pull_as(const char *cursor, bool has_key, tm_err *err) {
    tm_ctx ctx = {0};
    json_t *spec = make_spec(cursor);
    json_t *state = store.state == NULL ? json_null() : json_incref(store.state);
    const tm_feed_input in = {
        .name = "s", .spec = spec, .state = state, .has_key = has_key, .home = ".", .common = "."};
    const tm_status st = tm__feed_query_read(&ops, &ctx, &in, &sink, err);
    json_decref(state);
    json_decref(spec);
    return st;
}

static tm_status pull(tm_err *err) {
    return pull_as("at", false, err);
}

static int setup(void **state) {
    memset(&db, 0, sizeof(db));
    memset(&store, 0, sizeof(store));
    db.block = 16;
    return test_folder_enter(state);
}

static int teardown(void **state) {
    json_decref(store.state);
    return test_folder_leave(state);
}

static void add_row(int64_t at) {
    db.rows[db.n] = (row){db.n, at};
    db.n++;
}

static void check_each_once(void) {
    for (uint32_t i = 0; i < db.n; i++) {
        if (store.count[i] != 1) {
            fail_msg("row %u came %u times", i, store.count[i]);
        }
    }
    assert_int_equal(store.n_rows, db.n);
}

/* Rows with the time of the last one keep coming, reads fail on either side, at any block. */
static void each_row_comes_once_whatever_fails(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        tm_rng rng = tm__rng_split(seed, "feed", 0);
        json_decref(store.state);
        memset(&db, 0, sizeof(db));
        memset(&store, 0, sizeof(store));
        int64_t now = 0;
        const uint64_t ties = 1 + tm__rng_below(&rng, 60);
        while (db.n + 100 < ROWS_MAX / 4) {
            const uint64_t n = tm__rng_below(&rng, 100);
            for (uint64_t i = 0; i < n; i++) {
                now += tm__rng_below(&rng, ties) == 0 ? 1 : 0;
                add_row(now);
            }
            db.block = 1 + (uint32_t)tm__rng_below(&rng, 40);
            db.fail_block = (uint32_t)tm__rng_below(&rng, 5);
            store.fail_block = (uint32_t)tm__rng_below(&rng, 5);
            db.has_word = db.has_word || tm__rng_below(&rng, 20) == 0;
            (void)(pull(NULL) == TM_OK);
        }
        db.fail_block = store.fail_block = 0;
        assert_int_equal(pull(NULL), TM_OK);
        check_each_once();
        const uint32_t n_blocks = store.n_blocks;
        assert_int_equal(pull(NULL), TM_OK); /* nothing is new */
        assert_int_equal(store.n_blocks, n_blocks);
    }
}

/* Bad values and places stay with their rows, also of those that are left. */
static void bad_values_stay_with_their_rows(void **state) {
    (void)state;
    for (uint32_t block = 1; block < 40; block += 6) {
        json_decref(store.state);
        memset(&db, 0, sizeof(db));
        memset(&store, 0, sizeof(store));
        db.has_bad = store.checks_places = true;
        db.block = block;
        for (int64_t i = 0; i < 60; i++) {
            add_row(i / 9);
        }
        assert_int_equal(pull(NULL), TM_OK);
        for (int64_t i = 60; i < 100; i++) {
            add_row(i / 9);
        }
        assert_int_equal(pull(NULL), TM_OK);
        check_each_once();
    }
}

/* Two rows that are equal in all that is read are two rows. */
static void equal_rows_are_counted(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 5; i++) {
        db.rows[db.n++] = (row){7, 1};
    }
    assert_int_equal(pull(NULL), TM_OK);
    assert_int_equal(store.count[7], 5);
    db.rows[db.n++] = (row){7, 1};
    db.rows[db.n++] = (row){7, 1};
    assert_int_equal(pull(NULL), TM_OK);
    assert_int_equal(store.count[7], 7);
    assert_int_equal(pull(NULL), TM_OK);
    assert_int_equal(store.count[7], 7);
}

static void a_column_that_is_gone_stops_the_source(void **state) {
    (void)state;
    tm_err err = {0};
    add_row(1);
    assert_int_equal(pull(NULL), TM_OK);
    db.lacks_id = true;
    assert_int_equal(pull(&err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'id'"));
    assert_int_equal(store.n_rows, 1);
}

static void a_state_that_is_damaged_is_told(void **state) {
    (void)state;
    static const char *const bad[] = {"0123", "0123456789abcdefg", "0123456789abcdeX"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_decref(store.state);
        store.state = json_pack("{s:s, s:s}", "last", "1", "seen", bad[i]);
        assert_int_equal(pull(NULL), TM_E_INTEGRITY);
    }
}

/* Without a cursor the rows of one moment are kept aside, and each is taken once. */
static void a_query_without_a_cursor_is_read_once(void **state) {
    (void)state;
    for (uint32_t fail = 1; fail < 9; fail++) {
        json_decref(store.state);
        memset(&db, 0, sizeof(db));
        memset(&store, 0, sizeof(store));
        for (int64_t i = 0; i < 100; i++) {
            add_row(i % 3);
        }
        db.block = 16; /* 7 blocks */
        db.fail_block = fail;
        const bool has_failed = pull_as(NULL, false, NULL) != TM_OK;
        assert_int_equal(has_failed, fail <= 7);
        assert_int_equal(store.n_rows, has_failed ? 0 : 100);
        db.fail_block = 0;
        store.fail_block = fail <= 7 ? fail : 0;
        assert_int_equal(pull_as(NULL, false, NULL), has_failed ? TM_E_IO : TM_OK);
        const uint32_t n_opened = db.n_opened;
        assert_int_equal(pull_as(NULL, false, NULL), TM_OK);
        /* What the first block brought is not asked for again. */
        assert_int_equal(db.n_opened, n_opened + (has_failed && fail == 1 ? 1 : 0));
        check_each_once();
        assert_true(json_is_true(json_object_get(store.state, "done")));
        assert_int_equal(tm__fs_info("pull/s.rows").kind, TM_PATH_NONE);
    }
}

static void with_a_key_all_rows_come_each_time(void **state) {
    (void)state;
    for (int64_t i = 0; i < 40; i++) {
        add_row(i);
    }
    assert_int_equal(pull_as(NULL, true, NULL), TM_OK);
    assert_int_equal(pull_as(NULL, true, NULL), TM_OK);
    assert_int_equal(store.n_rows, 80); /* the source drops them by their key */
}

static void what_is_declared_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *query, *cursor;
        int every, settle;
        bool has_key, can_settle;
        tm_status want;
        const char *hint;
    } cases[] = {
        {"q", NULL, 0, 0, false, true, TM_OK, ""},
        {"q", NULL, 60, 0, false, true, TM_E_USAGE, "--cursor"},
        {"q", NULL, 60, 0, true, true, TM_OK, ""},
        {"q", "at", 60, 0, false, true, TM_OK, ""},
        {"q", "at", 60, 5, false, true, TM_OK, ""},
        {"q", NULL, 0, 5, true, true, TM_E_USAGE, "--cursor"},
        {"q", "at", 0, 5, false, false, TM_E_USAGE, "Leave it out"},
        {NULL, "at", 0, 0, false, true, TM_E_USAGE, "--query"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        tm_query_ops some = ops;
        some.can_settle = cases[i].can_settle;
        json_t *spec = json_pack("{s:s, s:s*, s:s*}", "postgres", "f", "query", cases[i].query,
                                 "cursor", cases[i].cursor);
        if (cases[i].every > 0) {
            json_object_set_new(spec, "every_s", json_integer(cases[i].every));
        }
        if (cases[i].settle > 0) {
            json_object_set_new(spec, "settle_s", json_integer(cases[i].settle));
        }
        assert_int_equal(tm__feed_query_check(&some, spec, cases[i].has_key, &err), cases[i].want);
        assert_non_null(strstr(err.hint, cases[i].hint));
        json_decref(spec);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_row_comes_once_whatever_fails),
        TEST(bad_values_stay_with_their_rows),
        TEST(equal_rows_are_counted),
        TEST(a_column_that_is_gone_stops_the_source),
        TEST(a_state_that_is_damaged_is_told),
        TEST(a_query_without_a_cursor_is_read_once),
        TEST(with_a_key_all_rows_come_each_time),
        TEST(what_is_declared_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
