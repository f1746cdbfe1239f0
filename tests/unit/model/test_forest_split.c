/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "made_data.h"
#include "model/forest/forest_split.h"
#include "model/gbdt/gbdt_loss.h"

enum { ROWS = 60, BINS = 9, CLASSES = 4 };

/* A node of rows at random: bins, one in six missing, and targets of both kinds. */
typedef struct split_case {
    uint8_t bins[ROWS];
    uint8_t places[TM_WOOD_PLACES];
    uint32_t rows[ROWS];
    int32_t packed[ROWS];
    double classes[CLASSES];
    int64_t cells[TM_WOOD_PLACES + 8];
    uint8_t room_places[ROWS];
    int32_t sorted[ROWS];
    double left[CLASSES], right[CLASSES];
    tm_wood_node node;
    tm_wood_column column;
    tm_wood_room room;
} split_case;

static double gini(const double *h) {
    double sum = 0, squares = 0;
    for (uint32_t c = 0; c < CLASSES; c++) {
        sum += h[c];
        squares += h[c] * h[c];
    }
    return squares / sum;
}

static void case_init(split_case *s, uint64_t seed, bool has_classes) {
    memset(s, 0, sizeof(*s));
    for (uint32_t i = 0; i < ROWS; i++) {
        const bool is_missing = seed % 2 == 0 && made_random(seed, 300 + i) < 0.17;
        s->bins[i] = is_missing ? BINS : (uint8_t)(made_random(seed, i) * BINS);
        s->rows[i] = i;
        const int32_t w = 1 + (int32_t)(made_random(seed, 200 + i) * 3);
        const int32_t upper = has_classes ? (int32_t)(made_random(seed, 100 + i) * CLASSES)
                                          : (int32_t)(made_random(seed, 100 + i) * 100) - 40;
        s->packed[i] = (int32_t)((uint32_t)upper << 16) + w;
        if (has_classes) {
            s->classes[upper] += w;
            s->node.h += w;
        } else {
            s->node.g += upper;
            s->node.h += w;
        }
    }
    for (uint32_t b = 0; b < BINS; b++) {
        s->places[b] = (uint8_t)((b * 4 + seed) % BINS);
    }
    s->places[BINS] = BINS;
    s->node.rows = (tm_hist_rows){.rows = s->rows, .packed = s->packed, .n = ROWS};
    s->node.h_low = 5;
    s->node.n_classes = has_classes ? CLASSES : 0;
    s->node.classes = s->classes;
    s->node.base = has_classes ? gini(s->classes) : s->node.g * s->node.g / s->node.h;
    s->column = (tm_wood_column){
        .bins = s->bins, .places = seed % 3 == 0 ? s->places : NULL, .n_bins = BINS};
    s->room = (tm_wood_room){.cells = s->cells,
                             .places = s->room_places,
                             .sorted = s->sorted,
                             .left = s->left,
                             .right = s->right};
}

/* What a cut adds, row by row; 0 when a side has too little. */
static double gain_of(const split_case *s, uint32_t place, bool missing_left) {
    double g[2] = {0}, h[2] = {0}, classes[2][CLASSES] = {{0}};
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t bin = s->bins[i];
        const uint32_t at = s->column.places != NULL ? s->places[bin] : bin;
        const int side = bin == BINS ? !missing_left : at > place;
        const double w = tm__wood_weight(s->packed[i]);
        h[side] += w;
        if (s->node.n_classes > 0) {
            classes[side][tm__wood_class(s->packed[i])] += w;
        } else {
            g[side] += s->packed[i] >> 16;
        }
    }
    if (h[0] < s->node.h_low || h[1] < s->node.h_low) {
        return 0;
    }
    return s->node.n_classes > 0 ? gini(classes[0]) + gini(classes[1]) - s->node.base
                                 : g[0] * g[0] / h[0] + g[1] * g[1] / h[1] - s->node.base;
}

static void the_best_cut_is_the_best_of_all(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        split_case s;
        double best = 0;
        case_init(&s, seed / 2, seed % 2 == 1);
        for (uint32_t place = 0; place < BINS; place++) {
            best = fmax(best, fmax(gain_of(&s, place, false), gain_of(&s, place, true)));
        }
        const tm_wood_cut cut = tm__wood_cut_best(&s.node, &s.column, &s.room);
        assert_false(cut.is_constant);
        assert_true(fabs(cut.gain - best) <= 1e-9 * (1 + s.node.base));
        if (cut.gain > 0) {
            assert_true(fabs(gain_of(&s, cut.place, cut.missing_left) - best) <=
                        1e-9 * (1 + s.node.base));
        }
    }
}

static void a_cut_at_random_is_worth_what_it_says_and_falls_anywhere(void **state) {
    (void)state;
    uint32_t seen[BINS] = {0};
    for (uint64_t seed = 0; seed < 600; seed++) {
        split_case s;
        case_init(&s, seed, seed % 4 > 1);
        tm_rng rng = {.key = seed};
        const tm_wood_cut cut = tm__wood_cut_random(&s.node, &s.column, &s.room, &rng);
        if (cut.gain > 0) {
            assert_true(cut.place < BINS - 1);
            assert_true(fabs(gain_of(&s, cut.place, cut.missing_left) - cut.gain) <=
                        1e-9 * (1 + s.node.base));
            seen[cut.place]++;
        }
    }
    for (uint32_t place = 1; place + 2 < BINS; place++) {
        assert_true(seen[place] > 10);
    }
}

static void a_constant_column_says_so_and_one_with_gaps_is_none(void **state) {
    (void)state;
    for (uint32_t kind = 0; kind < 2; kind++) {
        split_case s;
        tm_rng rng = {.key = 1};
        case_init(&s, 1, kind == 1);
        memset(s.bins, 3, sizeof(s.bins));
        assert_true(tm__wood_cut_best(&s.node, &s.column, &s.room).is_constant);
        assert_true(tm__wood_cut_random(&s.node, &s.column, &s.room, &rng).is_constant);
        memset(s.bins, BINS, ROWS / 2);
        const tm_wood_cut best = tm__wood_cut_best(&s.node, &s.column, &s.room);
        const tm_wood_cut random = tm__wood_cut_random(&s.node, &s.column, &s.room, &rng);
        assert_true(!best.is_constant && best.gain > 0 && !best.missing_left);
        assert_true(fabs(best.gain - random.gain) < 1e-9 && !random.missing_left);
        memset(s.bins, BINS, ROWS);
        assert_true(tm__wood_cut_best(&s.node, &s.column, &s.room).is_constant);
        assert_true(tm__wood_cut_random(&s.node, &s.column, &s.room, &rng).is_constant);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_cut_is_the_best_of_all),
        cmocka_unit_test(a_cut_at_random_is_worth_what_it_says_and_falls_anywhere),
        cmocka_unit_test(a_constant_column_says_so_and_one_with_gaps_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
