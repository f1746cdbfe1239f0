/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "cli/train_words.h"

static void counts_have_commas(void **state) {
    (void)state;
    static const struct {
        int64_t count;
        const char *want;
    } cases[] = {{0, "0"},         {7, "7"}, {999, "999"}, {1000, "1,000"}, {1234567, "1,234,567"},
                 {-1234, "-1,234"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        assert_string_equal(tm__count_text(cases[i].count, out), cases[i].want);
    }
}

static void a_score_has_a_word_beside_its_floor(void **state) {
    (void)state;
    json_t *weak = json_pack("{s:f}", "auc", 0.52);
    json_t *good = json_pack("{s:f}", "auc", 0.85);
    json_t *fit = json_pack("{s:f}", "r2", 0.95);
    json_t *classes = json_pack("{s:f}", "logloss", 0.3);
    json_t *floor_loss = json_pack("{s:f}", "logloss", 1.5);
    assert_string_equal(tm__score_word("binary", weak, NULL), "hardly better than guessing");
    assert_string_equal(tm__score_word("binary", good, NULL), "good");
    assert_string_equal(tm__score_word("regression", fit, NULL), "strong");
    assert_string_equal(tm__score_word("multiclass", classes, floor_loss), "strong");
    json_decref(weak);
    json_decref(good);
    json_decref(fit);
    json_decref(classes);
    json_decref(floor_loss);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_commas),
        cmocka_unit_test(a_score_has_a_word_beside_its_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
