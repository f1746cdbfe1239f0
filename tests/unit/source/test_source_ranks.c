/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/comm.h"
#include "base/fs.h"
#include "seats.h"
#include "source/source.h"
#include "support.h"
#include "test.h"

enum { N_ROWS = 20000 };

/* What each rank reads, and what came of it. */
typedef struct reading {
    const char *paths[SEATS_MAX];
    tm_status before[SEATS_MAX];
    tm_table *tables[SEATS_MAX];
    tm_err errs[SEATS_MAX];
    bool is_shared[SEATS_MAX];
} reading;

static void read_together(seat *s, tm_comm *comm) {
    reading *const r = s->post->arg;
    tm_ctx *const ctx = test_ctx_make(1);
    tm_err *const err = &r->errs[s->rank];
    bool *const is_shared = &r->is_shared[s->rank];
    const tm_source_spec spec = {.path = r->paths[s->rank]};
    tm_status st = r->before[s->rank];
    if (st != TM_OK) {
        st = TM_FAIL(err, st, "it began badly");
    }
    ctx->comm = comm;
    st = tm__source_ranks_meet(ctx, spec.path != NULL ? &spec : NULL, st, is_shared, err);
    if (st == TM_OK && *is_shared) {
        st = tm__source_read_ranks(ctx, &spec, &r->tables[s->rank], err);
    }
    s->result = st;
    test_ctx_free(ctx);
}

static void run(reading *r, uint32_t n_ranks, seat *seats) {
    seat_post p = {.n_ranks = n_ranks, .arg = r};
    seats_run(&p, seats, read_together);
}

static void write_csv(const char *path, const char *header, const char *tail, uint32_t n_cols) {
    tm_buf text;
    tm__buf_init(&text, (size_t)1 << 24);
    (void)tm__buf_text(&text, header);
    for (uint32_t i = 0; i < N_ROWS; i++) {
        for (uint32_t c = 0; c < n_cols; c++) {
            (void)tm__buf_text(&text, c > 0 ? "," : "");
            if (i % 11 == c) {
                continue;
            }
            (void)tm__buf_printf(&text,
                                 c == 0   ? "level%u"
                                 : c == 1 ? "%u.5"
                                 : c == 2 ? "%u"
                                          : "2020-01-0%u",
                                 c == 0   ? i % 1999
                                 : c == 3 ? 1 + i % 9
                                          : i * 2654435761u); /* no run that a file makes small */
        }
        (void)tm__buf_text(&text, "\n");
    }
    (void)tm__buf_text(&text, tail);
    assert_int_equal(tm__fs_publish(path, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
}

static tm_table *read_alone(const char *path) {
    tm_ctx *const ctx = test_ctx_make(1);
    tm_table *table = NULL;
    assert_int_equal(tm__source_read(ctx, &(tm_source_spec){.path = path}, &table, NULL), TM_OK);
    test_ctx_free(ctx);
    return table;
}

static void assert_same_table(const tm_table *a, const tm_table *b) {
    tm_hash x, y;
    tm__table_hash(a, &x);
    tm__table_hash(b, &y);
    assert_true(tm__hash_eq(&x, &y));
    for (uint32_t c = 0; c < tm__table_cols(a); c++) {
        const tm_column *const one = tm__table_column(a, c), *const two = tm__table_column(b, c);
        assert_string_equal(one->name, two->name);
        assert_int_equal(one->n_missing, two->n_missing);
        assert_int_equal(tm__table_find(b, one->name), c);
        if (one->type == TM_TYPE_TEXT) { /* the codes, too */
            assert_memory_equal(one->codes, two->codes, N_ROWS * sizeof(*one->codes));
            assert_int_equal(tm__dict_count(one->dict), tm__dict_count(two->dict));
        }
    }
}

static void read_by(const char *path, uint32_t n_ranks) {
    reading r = {.paths = {path, path, path, path}};
    seat seats[SEATS_MAX];
    tm_table *const alone = read_alone(path);
    run(&r, n_ranks, seats);
    for (uint32_t rank = 0; rank < n_ranks; rank++) {
        assert_int_equal(seats[rank].result, TM_OK);
        assert_true(r.is_shared[rank]);
        assert_same_table(alone, r.tables[rank]);
        tm__table_unref(r.tables[rank]);
    }
    tm__table_unref(alone);
}

static void ranks_read_the_table_of_one(void **state) {
    (void)state;
    tm_hash hash;
    char text[TM_HASH_TEXT], parquet[TM_HASH_TEXT + 32];
    tm_ctx *const ctx = test_ctx_make(1);
    write_csv("rows.csv", "word,half,number,day\n", "", 4);
    tm_table *const table = read_alone("rows.csv");
    assert_int_equal(tm__snapshot_save(ctx, "kept", table, &hash, NULL), TM_OK);
    tm__hash_to_text(&hash, text);
    (void)snprintf(parquet, sizeof(parquet), "kept/%s.parquet", text);
    assert_int_equal(rename(parquet, "rows.parquet"), 0);
    tm__table_unref(table);
    test_ctx_free(ctx);
    read_by("rows.csv", 2);
    read_by("rows.csv", 3);
    write_csv("two.csv", "word,half\n", "", 2);
    read_by("two.csv", 3); /* one has no column of its own */
    read_by("rows.parquet", 2);
}

static void other_bytes_are_not_read_together(void **state) {
    (void)state;
    write_csv("a.csv", "word,half,number\n", "", 3);
    write_csv("b.csv", "word,half,number\n", "level1,2.5,8\n", 3);
    assert_int_equal(tm__fs_publish("small.csv", "a,b\n1,2\n", 8, NULL), TM_OK);
    assert_int_equal(tm__fs_publish("rows.json", "[{\"a\": 1}]\n", 11, NULL), TM_OK);
    const char *const pairs[][2] = {
        {"a.csv", "b.csv"},         {"a.csv", NULL},           {NULL, "a.csv"}, {NULL, NULL},
        {"small.csv", "small.csv"}, {"rows.json", "rows.json"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        reading r = {.paths = {pairs[i][0], pairs[i][1]}};
        seat seats[SEATS_MAX];
        run(&r, 2, seats);
        for (uint32_t rank = 0; rank < 2; rank++) {
            assert_int_equal(seats[rank].result, TM_OK);
            assert_false(r.is_shared[rank]);
        }
    }
}

static void a_failure_of_one_is_that_of_all(void **state) {
    (void)state;
    write_csv("good.csv", "word,half,number\n", "", 3);
    write_csv("ragged.csv", "word,half,number\n", "a,2\n", 3);
    write_csv("latin.csv", "number,word,half\n", "1,\xe9t\xe9,2\n", 3);
    const struct {
        const char *name, *paths[2], *text;
        tm_status before, want;
    } cases[] = {
        {"no file", {"good.csv", "gone.csv"}, "rank 1: no file", TM_OK, TM_E_NOT_FOUND},
        {"before", {"good.csv", NULL}, "rank 1: it began badly", TM_E_USAGE, TM_E_USAGE},
        {"records", {"ragged.csv", "ragged.csv"}, "field", TM_OK, TM_E_DATA},
        {"a column of rank 1", {"latin.csv", "latin.csv"}, "UTF-8", TM_OK, TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        reading r = {.paths = {cases[i].paths[0], cases[i].paths[1]},
                     .before = {TM_OK, cases[i].before}};
        seat seats[SEATS_MAX];
        print_message("%s\n", cases[i].name);
        run(&r, 2, seats);
        for (uint32_t rank = 0; rank < 2; rank++) {
            assert_int_equal(seats[rank].result, cases[i].want);
            assert_null(r.tables[rank]);
        }
        assert_non_null(strstr(r.errs[0].message, cases[i].text));
    }
}

/* Whichever message of rank 1 is the last: no rank waits for ever, and none has a table. */
static void a_rank_is_lost_at_every_message(void **state) {
    (void)state;
    write_csv("lost.csv", "word,half,number\n", "", 3);
    bool is_over = false;
    for (uint32_t breaks_at = 1; !is_over; breaks_at++) {
        reading r = {.paths = {"lost.csv", "lost.csv"}};
        seat seats[SEATS_MAX];
        seat_post p = {.n_ranks = 2, .arg = &r, .breaks_at = breaks_at};
        seats_run(&p, seats, read_together);
        is_over = !p.is_broken;
        for (uint32_t rank = 0; rank < 2; rank++) {
            assert_int_equal(seats[rank].result == TM_OK, r.tables[rank] != NULL);
            tm__table_unref(r.tables[rank]);
        }
        assert_true(seats[1].result != TM_OK || is_over);
        assert_true(breaks_at < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_read_the_table_of_one),
        cmocka_unit_test(other_bytes_are_not_read_together),
        cmocka_unit_test(a_failure_of_one_is_that_of_all),
        cmocka_unit_test(a_rank_is_lost_at_every_message),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
