/* SPDX-License-Identifier: Apache-2.0 */
#include "import_case.h"

#include <math.h>
#include <stdio.h>

#define HEAD(objective, infos)                                                                     \
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=1\n"  \
    "objective=" objective "\nfeature_names=x city\nfeature_infos=[0:9] " infos "\n\n"
#define END "end of trees\n\nfeature_importances:\nx=1\n\nparameters:\n[a: 1]\nend of parameters\n"

/* One split at 2 with the decision given: left 10, right 20. */
#define STUMP(decision)                                                                            \
    HEAD("regression", "none")                                                                     \
    "Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\nsplit_gain=1\nthreshold=2\ndecision_"       \
    "type=" decision                                                                               \
    "\nleft_child=-1\nright_child=-2\nleaf_value=10 20\nleaf_count=3 4\nis_linear=0\n"             \
    "shrinkage=1\n\n" END

#define SETS_TEXT                                                                                  \
    HEAD("regression", "0:1:33")                                                                   \
    "Tree=0\nnum_leaves=2\nnum_cat=1\nsplit_feature=1\nsplit_gain=1\nthreshold=0\n"                \
    "decision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=10 20\nleaf_count=3 4\n"           \
    "cat_boundaries=0 2\ncat_threshold=2 2\nis_linear=0\nshrinkage=1\n\n" END
static const char SETS[] = SETS_TEXT;

static double score(const char *text, double x) {
    tm_import import = {0};
    tm_err err = {0};
    const tm_status st = import_bytes(text, strlen(text), NULL, &import, &err);
    if (st != TM_OK) {
        print_message("%s\n", err.message);
    }
    assert_int_equal(st, TM_OK);
    const tm_cell cells[] = {isnan(x) ? (tm_cell){.type = TM_TYPE_NONE} : number_cell(x),
                             {.type = TM_TYPE_NONE}};
    const double out = import_score(&import, cells);
    tm__import_done(&import);
    return out;
}

static void missing_values_go_where_the_bits_send_them(void **state) {
    (void)state;
    const double tiny = (double)1e-35F;
    const struct {
        const char *name, *text;
        double x, want;
    } cases[] = {
        {"at the threshold", STUMP("0"), 2, 10},
        {"over it", STUMP("0"), nextafter(2, 3), 20},
        {"an infinity", STUMP("0"), (double)INFINITY, 20},
        {"nothing is missing: NaN counts as 0", STUMP("0"), (double)NAN, 10},
        {"NaN is missing and goes right", STUMP("8"), (double)NAN, 20},
        {"NaN is missing and goes left", STUMP("10"), (double)NAN, 10},
        {"zero is missing and goes right", STUMP("4"), 0, 20},
        {"next to zero", STUMP("4"), tiny, 20},
        {"next to zero from below", STUMP("4"), -tiny, 20},
        {"further from zero", STUMP("4"), nextafter(tiny, 1), 10},
        {"with zeros NaN is missing", STUMP("4"), (double)NAN, 20},
        {"zero is missing and goes left", STUMP("6"), 0, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const double got = score(cases[i].text, cases[i].x);
        if (got != cases[i].want) {
            print_message("%s: %g\n", cases[i].name, got);
        }
        assert_true(got == cases[i].want);
    }
}

static void categories_are_texts_and_the_rest_goes_right(void **state) {
    (void)state;
    const struct {
        const char *tail;
        const char *city;
        double want;
    } cases[] = {
        {"", "1", 10},
        {"", "1.0", 10},
        {"", "33", 10},
        {"", "0", 20},
        {"", "999", 20},
        {"", "x", 20},
        {"", NULL, 20},
        {"\npandas_categorical:[[\"b\",\"a\"]]\n", "a", 10},
        {"\npandas_categorical:[[\"b\",\"a\"]]\n", "b", 20},
        {"\npandas_categorical:[[\"b\",\"a\"]]\n", "1", 20},
        {"\npandas_categorical:[[7, 5.0]]\n", "5", 10},
        {"\npandas_categorical:null\n", "1", 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_import import = {0};
        char text[2048];
        (void)snprintf(text, sizeof(text), "%s%s", SETS, cases[i].tail);
        assert_int_equal(import_bytes(text, strlen(text), NULL, &import, NULL), TM_OK);
        const tm_cell cells[] = {{.type = TM_TYPE_NONE},
                                 cases[i].city != NULL ? text_cell(cases[i].city)
                                                       : (tm_cell){.type = TM_TYPE_NONE}};
        assert_true(import_score(&import, cells) == cases[i].want);
        tm__import_done(&import);
    }
}

/* Columns x, city and others that say "none": lists are counted past those that had categories. */
static void useless_columns_may_have_categories(void **state) {
    (void)state;
    const struct {
        const char *names, *infos, *lists,
            *city; /* what the set's code 1 is called, NULL: refused */
    } cases[] = {
        {"city c d", "0:1 none none", "[[\"a\",\"b\"]]", "b"},
        {"city c d", "0:1 none none", "[[\"a\",\"b\"],[\"q\"],[\"r\"]]", "b"},
        {"c city d", "none 0:1 none", "[[\"q\"],[\"a\",\"b\"]]", "b"},
        {"c city d", "none 0:1 none", "[[\"a\",\"b\"],[\"q\"]]", "b"},
        {"c city d", "none 0:1 none", "[[\"q\",\"r\"],[\"a\",\"b\"]]", NULL},
        {"c city d", "none 0:1 none", "[[\"q\"],[\"a\",\"b\"],[\"r\"]]", "b"},
        {"c city d", "none 0:1 none", "[[\"q\"],[\"r\"],[\"a\",\"b\"]]", NULL},
        {"c d city", "none none 0:1", "[[\"q\"],[\"a\",\"b\"]]", "b"},
        {"city c d", "0:1:7 none none", "[[\"a\",\"b\"]]", "b"},
        {"city c d", "0:1:7 none none", "[[\"a\",\"b\"],[\"q\"]]", NULL},
        {"city c d", "0:1 none none", "[]", "1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[2048];
        tm_import import = {0};
        tm_err err = {0};
        const char *city = strstr(cases[i].names, "city");
        uint32_t at = 1;
        for (const char *c = cases[i].names; c < city; c++) {
            at += *c == ' ';
        }
        (void)snprintf(
            text, sizeof(text),
            "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=3\n"
            "objective=regression\nfeature_names=x %s\nfeature_infos=[0:9] %s\n\nTree=0\n"
            "num_leaves=2\nnum_cat=1\nsplit_feature=%u\nsplit_gain=1\nthreshold=0\n"
            "decision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=10 20\nleaf_count=3 4\n"
            "cat_boundaries=0 1\ncat_threshold=2\nis_linear=0\nshrinkage=1\n\n" END
            "\npandas_categorical:%s\n",
            cases[i].names, cases[i].infos, at, cases[i].lists);
        const tm_status st = import_bytes(text, strlen(text), NULL, &import, &err);
        if ((st == TM_OK) != (cases[i].city != NULL)) {
            fail_msg("%s, %s: %d %s", cases[i].infos, cases[i].lists, (int)st, err.message);
        }
        if (st == TM_OK) {
            tm_cell cells[4] = {{.type = TM_TYPE_NONE}};
            cells[at] = text_cell(cases[i].city);
            if (import_score(&import, cells) != 10) {
                fail_msg("%s, %s: '%s' goes right", cases[i].infos, cases[i].lists, cases[i].city);
            }
            cells[at] = text_cell("q");
            assert_true(import_score(&import, cells) == 20);
        } else {
            assert_int_equal(st, TM_E_UNSUPPORTED);
        }
        tm__import_done(&import);
    }
}

static void a_file_cut_at_any_byte_is_refused(void **state) {
    (void)state;
    static const char text[] = SETS_TEXT "\npandas_categorical:[[\"b\",\"a\"]]\n";
    const size_t whole = (size_t)(strstr(text, "end of parameters") + 17 - text);
    uint32_t n_taken = 0;
    for (size_t len = 0; len < sizeof(text) - 2; len++) { /* the last newline may be gone */
        tm_import import = {0};
        tm_err err = {0};
        const tm_status st = import_bytes(text, len, NULL, &import, &err);
        if (st == TM_OK) { /* what the C library writes ends here: the lists are Python's */
            n_taken++;
            assert_true(len >= whole && len <= whole + 2);
        } else {
            assert_int_equal(st, TM_E_DATA);
            assert_true(len >= whole + 3 || err.hint[0] != '\0');
        }
        tm__import_done(&import);
    }
    assert_int_equal(n_taken, 3);
}

static void each_fault_is_named(void **state) {
    (void)state;
    const struct {
        const char *from, *to, *what;
        tm_status want;
    } cases[] = {
        {"version=v4", "version=v9", "version", TM_E_UNSUPPORTED},
        {"objective=regression", "objective=magic", "'magic'", TM_E_UNSUPPORTED},
        {"objective=regression", "objective=multiclass num_class:3", "classes", TM_E_DATA},
        {"max_feature_idx=1", "max_feature_idx=99999999", "max_feature_idx", TM_E_DATA},
        {"num_class=1", "num_class=2147483648", "num_class", TM_E_DATA},
        {"feature_names=x city", "feature_names=x", "feature_names", TM_E_DATA},
        {"feature_names=x city", "feature_names=x x", "twice", TM_E_DATA},
        {"Tree=0", "Tree=5", "numbered", TM_E_DATA},
        {"num_leaves=2", "num_leaves=2147483648", "num_leaves", TM_E_DATA},
        {"num_leaves=2", "num_leaves=3", "not there", TM_E_DATA},
        {"num_leaves=2", "num_leaves=1", "num_cat", TM_E_DATA},
        {"split_feature=1", "split_feature=2", "column that is not there", TM_E_DATA},
        {"left_child=-1", "left_child=0", "two parents", TM_E_DATA},
        {"left_child=-1", "left_child=-2", "two parents", TM_E_DATA},
        {"left_child=-1", "left_child=-4", "child", TM_E_DATA},
        {"threshold=0", "threshold=1", "set of categories", TM_E_DATA},
        {"threshold=0", "threshold=nan", "threshold", TM_E_DATA},
        {"cat_boundaries=0 2", "cat_boundaries=0 3", "cat_boundaries", TM_E_DATA},
        {"cat_boundaries=0 2", "cat_boundaries=1 2", "cat_boundaries", TM_E_DATA},
        {"cat_threshold=2 2", "cat_threshold=2 4294967296", "cat_threshold", TM_E_DATA},
        {"leaf_value=10 20", "leaf_value=10 nan", "leaf_value", TM_E_DATA},
        {"leaf_value=10 20", "leaf_value=10 1e300", "add up", TM_E_DATA},
        {"is_linear=0", "is_linear=1", "linear", TM_E_UNSUPPORTED},
        {"end of trees", "end of treez", "numbered", TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[2048];
        const char *at = strstr(SETS, cases[i].from);
        tm_import import = {0};
        tm_err err = {0};
        assert_non_null(at);
        (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - SETS), SETS, cases[i].to,
                       at + strlen(cases[i].from));
        const tm_status st = import_bytes(text, strlen(text), NULL, &import, &err);
        if (st != cases[i].want || strstr(err.message, cases[i].what) == NULL) {
            print_message("%s: %d %s\n", cases[i].to, (int)st, err.message);
        }
        assert_int_equal(st, cases[i].want);
        assert_non_null(strstr(err.message, cases[i].what));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_values_go_where_the_bits_send_them),
        cmocka_unit_test(categories_are_texts_and_the_rest_goes_right),
        cmocka_unit_test(useless_columns_may_have_categories),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(each_fault_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
