/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "window_set_case.h"

/* What is known on arrival, and the naive way by hand: the flights before, arrived or not. */
static void a_value_counts_from_when_it_is_known(void **state) {
    (void)state;
    static const char *const texts[] = {
        "m = mean(late) by from over 10h", "l = last(late) by from over 2h", "n = count() by from",
        "d = mean(late) by from over 10h delay 2h", "s = share(from = 'AMS') by from"};
    static const double mean[N] = {NAN, NAN, NAN, 10, 30, 27.5};
    static const double last[N] = {NAN, NAN, NAN, 10, 50, 20};
    static const double count[N] = {0, 1, 0, 2, 3, 4};
    static const double delayed[N] = {NAN, NAN, NAN, NAN, 10, 30};
    static const double share[N] = {NAN, 1, NAN, 1, 1, 1};
    tm_window_set *set = NULL;
    tm_table *table = flights(), *wide = NULL;
    assert_int_equal(make(texts, 5, "late=arrives", &set, NULL), TM_OK);
    assert_int_equal(fit(set, table, NULL), TM_OK);
    assert_int_equal(apply(set, table, &wide, NULL), TM_OK);
    assert_int_equal(tm__table_cols(wide), 9);
    check_column(wide, "m", mean);
    check_column(wide, "l", last);
    check_column(wide, "n", count);
    check_column(wide, "d", delayed);
    check_column(wide, "s", share);
    tm__window_set_free(set);
    tm__table_unref(wide);
    tm__table_unref(table);
}

static void nothing_hidden_is_known_before_its_row(void **state) {
    (void)state;
    static const char *const texts[] = {"m = mean(late) by from"};
    static const double mean[N] = {NAN, 10, NAN, 20, 30, 27.5};
    tm_window_set *set = NULL;
    tm_table *table = flights(), *wide = NULL;
    /* A delay that is none, and a moment of long ago, would show each flight its own lateness. */
    assert_int_equal(make(texts, 1, "late=+1us", &set, NULL), TM_OK);
    assert_int_equal(fit(set, table, NULL), TM_OK);
    assert_int_equal(apply(set, table, &wide, NULL), TM_OK);
    check_column(wide, "m", mean);
    tm__window_set_free(set);
    tm__table_unref(wide);
    tm__table_unref(table);
}

/* Payments of another table, each known when it was booked; by hand what each row may see. */
enum { N_PAYMENTS = 4000, N_ASKED = 700 };

typedef struct payments {
    const char *who[N_PAYMENTS];
    int64_t booked[N_PAYMENTS];
    double amount[N_PAYMENTS];
    int64_t asked[N_ASKED];
    const char *customer[N_ASKED];
} payments;

static void draw(payments *p, uint64_t seed) {
    static const char *const names[] = {"ann", "bob", "cem", "dee"};
    tm_rng rng = tm__rng_split(seed, "payments", 0);
    for (int i = 0; i < N_PAYMENTS; i++) { /* equal times are frequent, order is none */
        p->who[i] = names[tm__rng_below(&rng, 3)];
        p->booked[i] = tm__rng_below(&rng, 50) == 0
                           ? TM_INT_MISSING
                           : (int64_t)tm__rng_below(&rng, 2000) * (HOUR / 4);
        p->amount[i] = tm__rng_below(&rng, 9) == 0 ? NAN : (double)tm__rng_below(&rng, 1000) / 4;
    }
    for (int i = 0; i < N_ASKED; i++) {
        p->customer[i] = names[tm__rng_below(&rng, 4)];
        p->asked[i] = (int64_t)tm__rng_below(&rng, 2200) * (HOUR / 4);
    }
}

static tm_cell time_cell(int64_t us) {
    return us == TM_INT_MISSING ? (tm_cell){0} : (tm_cell){.type = TM_TYPE_TIME, .i64 = us};
}

static tm_table *paid(const payments *p) {
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "id", TM_TYPE_TEXT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "booked", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "amount", TM_TYPE_FLOAT, NULL), TM_OK);
    for (int i = 0; i < N_PAYMENTS; i++) {
        const tm_cell cells[] = {
            {.type = TM_TYPE_TEXT, .text = tm__str(p->who[i])},
            time_cell(p->booked[i]),
            {.type = isnan(p->amount[i]) ? TM_TYPE_NONE : TM_TYPE_FLOAT, .f64 = p->amount[i]}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

static tm_table *asked(const payments *p) {
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    assert_int_equal(tm__builder_add_column(b, "leaves", TM_TYPE_TIME, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "customer", TM_TYPE_TEXT, NULL), TM_OK);
    for (int i = 0; i < N_ASKED; i++) {
        const tm_cell cells[] = {time_cell(p->asked[i]),
                                 {.type = TM_TYPE_TEXT, .text = tm__str(p->customer[i])}};
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

/* Sum and count of a window, and the last amount of a longer one; quarters add up exactly. */
static void look(const payments *p, int row, double *out) {
    int64_t newest = INT64_MIN;
    out[0] = out[1] = 0;
    out[2] = NAN;
    for (int i = 0; i < N_PAYMENTS; i++) {
        if (p->booked[i] == TM_INT_MISSING || strcmp(p->who[i], p->customer[row]) != 0) {
            continue;
        }
        const int64_t known = p->booked[i] + HOUR; /* its delay */
        if (known < p->asked[row] && known >= p->asked[row] - 48 * HOUR) {
            out[0] += isnan(p->amount[i]) ? 0 : p->amount[i];
        }
        if (p->booked[i] < p->asked[row] && p->booked[i] >= p->asked[row] - 24 * HOUR) {
            out[1]++;
        }
        if (p->booked[i] < p->asked[row] && p->booked[i] >= p->asked[row] - 240 * HOUR &&
            !isnan(p->amount[i]) && p->booked[i] >= newest) {
            newest = p->booked[i];
            out[2] = p->amount[i];
        }
    }
}

static void events_of_another_source_are_joined_as_of(void **state) {
    (void)state;
    static const char *const texts[] = {
        "spent = sum(amount) of payments at booked by customer = id over 2d delay 1h",
        "n = count() of payments at booked by customer = id over 1d",
        "last = last(amount) of payments at booked by customer = id over 10d"};
    static payments p;
    for (uint64_t seed = 0; seed < 4; seed++) {
        tm_window_set *set = NULL;
        tm_table *wide = NULL;
        const tm_ctx ctx = {0};
        draw(&p, seed);
        tm_table *const events = paid(&p), *const rows = asked(&p);
        const tm_window_source source = {.name = "payments", .events = events};
        const tm_window_tables tables = {.events = rows, .sources = &source, .n_sources = 1};
        assert_int_equal(make(texts, 3, NULL, &set, NULL), TM_OK);
        assert_int_equal(tm__window_set_fit(set, &tables, NULL), TM_OK);
        assert_int_equal(tm__window_set_apply(&ctx, set, rows, &tables, &wide, NULL), TM_OK);
        for (int row = 0; row < N_ASKED; row++) {
            double wanted[3];
            look(&p, row, wanted);
            for (uint32_t f = 0; f < 3; f++) {
                const double found = tm__table_column(wide, 2 + f)->floats[row];
                if (isnan(wanted[f]) ? !isnan(found) : found != wanted[f]) {
                    fail_msg("seed %d, %s of row %d is %g and not %g", (int)seed,
                             tm__window_set_name(set, f), row, found, wanted[f]);
                }
            }
        }
        tm__window_set_free(set);
        tm__table_unref(wide);
        tm__table_unref(rows);
        tm__table_unref(events);
    }
}

static void a_source_that_is_not_given_is_named(void **state) {
    (void)state;
    static const char *const texts[] = {"spent = sum(late) of payments at booked by from"};
    tm_window_set *set = NULL;
    tm_table *table = flights();
    tm_err err = {0};
    assert_int_equal(make(texts, 1, NULL, &set, NULL), TM_OK);
    assert_int_equal(fit(set, table, &err), TM_E_USAGE);
    assert_string_equal(err.message,
                        "feature 'spent' is of events 'payments', which are not given");
    assert_string_equal(err.hint, "Give them: --events payments=DATA.");
    tm__window_set_free(set);
    tm__table_unref(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_counts_from_when_it_is_known),
        cmocka_unit_test(nothing_hidden_is_known_before_its_row),
        cmocka_unit_test(events_of_another_source_are_joined_as_of),
        cmocka_unit_test(a_source_that_is_not_given_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
