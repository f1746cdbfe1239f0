/* SPDX-License-Identifier: Apache-2.0 */
#include "import_case.h"

#include <math.h>
#include <stdio.h>

#define TREES                                                                                      \
    "{\"learner\":{\"attributes\":{},\"feature_names\":[\"x\",\"city\"],"                          \
    "\"feature_types\":[\"float\",\"c\"],\"gradient_booster\":{\"model\":{"                        \
    "\"cats\":{\"enc\":[{\"offsets\":[],\"values\":[]},{\"offsets\":[0,1,3],"                      \
    "\"values\":[97,98,99]}]},\"iteration_indptr\":[0,1,2],\"tree_info\":[0,0],\"trees\":["        \
    "{\"categories\":[],\"categories_nodes\":[],\"categories_segments\":[],"                       \
    "\"categories_sizes\":[],\"default_left\":[1,0,0],\"left_children\":[1,-1,-1],"                \
    "\"right_children\":[2,-1,-1],\"split_conditions\":[1.5,10,20],\"split_indices\":[0,0,0],"     \
    "\"split_type\":[0,0,0],\"sum_hessian\":[7,3,4],\"tree_param\":{\"size_leaf_vector\":\"1\"}}," \
    "{\"categories\":[1],\"categories_nodes\":[0],\"categories_segments\":[0],"                    \
    "\"categories_sizes\":[1],\"default_left\":[false,false,false],"                               \
    "\"left_children\":[1,-1,-1],\"right_children\":[2,-1,-1],\"split_conditions\":[0,1,2],"       \
    "\"split_indices\":[1,0,0],\"split_type\":[1,0,0],\"sum_hessian\":[7,3,4],"                    \
    "\"tree_param\":{\"size_leaf_vector\":\"1\"}}]},\"name\":\"gbtree\"},"                         \
    "\"learner_model_param\":{\"base_score\":\"[5E-1]\",\"num_class\":\"0\","                      \
    "\"num_feature\":\"2\",\"num_target\":\"1\"},"                                                 \
    "\"objective\":{\"name\":\"reg:squarederror\"}},\"version\":[3,2,0]}"

static tm_status read_with(const char *from, const char *to, tm_import *out, tm_err *err) {
    char text[4096];
    const char *at = from != NULL ? strstr(TREES, from) : &TREES[strlen(TREES)];
    assert_non_null(at);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - TREES), TREES, to,
                   from != NULL ? at + strlen(from) : "");
    return import_bytes(text, strlen(text), NULL, out, err);
}

static void decisions_are_those_of_single_precision(void **state) {
    (void)state;
    const struct {
        double x;
        const char *city;
        double want;
    } cases[] = {
        {1.5, "a", 21.5}, /* not below the condition */
        {(double)nextafterf(1.5F, 0), "a", 11.5},
        {nextafter(1.5, 0), "a", 21.5}, /* 1.5 in single precision */
        {(double)NAN, "a", 11.5},       /* default_left */
        {0, "bc", 12.5},                /* in the list: right */
        {0, "elsewhere", 11.5},         /* not known: left */
        {0, NULL, 12.5},                /* missing: right here */
        {(double)INFINITY, "a", 21.5},
    };
    tm_import import = {0};
    assert_int_equal(read_with(NULL, "", &import, NULL), TM_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_cell none = {.type = TM_TYPE_NONE};
        const tm_cell cells[] = {isnan(cases[i].x) ? none : number_cell(cases[i].x),
                                 cases[i].city != NULL ? text_cell(cases[i].city) : none};
        const double got = import_score(&import, cells);
        if (got != cases[i].want) {
            print_message("case %zu: %g\n", i, got);
        }
        assert_true(got == cases[i].want);
    }
    tm__import_done(&import);
}

static void base_scores_are_undone_by_the_objective(void **state) {
    (void)state;
    const struct {
        const char *objective, *base;
        double want;
    } cases[] = {{"binary:logistic", "2.5E-1", -1.0986122886681098},
                 {"reg:logistic", "[5E-1]", 0},
                 {"binary:logitraw", "2.5E-1", 0.25},
                 {"count:poisson", "2E0", 0.6931471805599453},
                 {"rank:ndcg", "5E-1", 0.5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char tail[256];
        tm_import import = {0};
        const char *cut = "\"base_score\"";
        char text[4096];
        (void)snprintf(tail, sizeof(tail),
                       "\"base_score\":\"%s\",\"num_class\":\"0\",\"num_feature\":\"2\"},"
                       "\"objective\":{\"name\":\"%s\"}},\"version\":[3,2,0]}",
                       cases[i].base, cases[i].objective);
        (void)snprintf(text, sizeof(text), "%.*s%s", (int)(strstr(TREES, cut) - TREES), TREES,
                       tail);
        assert_int_equal(import_bytes(text, strlen(text), NULL, &import, NULL), TM_OK);
        const tm_cell cells[] = {number_cell(0), text_cell("a")};
        assert_true(fabs(import_score(&import, cells) - 11 - cases[i].want) < 1e-7);
        tm__import_done(&import);
    }
}

static void each_fault_is_named(void **state) {
    (void)state;
    const struct {
        const char *from, *to, *what;
        tm_status want;
    } cases[] = {
        {"\"reg:squarederror\"", "\"magic\"", "'magic'", TM_E_UNSUPPORTED},
        {"\"reg:squarederror\"", "\"multi:softprob\"", "num_class", TM_E_DATA},
        {"\"num_class\":\"0\"", "\"num_class\":\"4294967296\"", "num_class", TM_E_DATA},
        {"\"num_feature\":\"2\"", "\"num_feature\":\"3\"", "feature_names", TM_E_DATA},
        {"\"num_target\":\"1\"", "\"num_target\":\"2\"", "targets", TM_E_UNSUPPORTED},
        {"[5E-1]", "[5E-1,5E-1]", "base_score", TM_E_DATA},
        {"\"gbtree\"", "\"gbforest\"", "booster", TM_E_UNSUPPORTED},
        {"\"size_leaf_vector\":\"1\"", "\"size_leaf_vector\":\"3\"", "vectors", TM_E_UNSUPPORTED},
        {"\"tree_info\":[0,0]", "\"tree_info\":[0]", "tree_info", TM_E_DATA},
        {"\"tree_info\":[0,0]", "\"tree_info\":[0,1]", "output", TM_E_DATA},
        {"\"left_children\":[1,-1,-1]", "\"left_children\":[0,-1,-1]", "above itself", TM_E_DATA},
        {"\"left_children\":[1,-1,-1]", "\"left_children\":[3,-1,-1]", "child", TM_E_DATA},
        {"\"left_children\":[1,-1,-1]", "\"left_children\":[1,-1]", "one length", TM_E_DATA},
        {"\"right_children\":[2,-1,-1]", "\"right_children\":[1,-1,-1]", "two parents", TM_E_DATA},
        {"\"right_children\":[2,-1,-1]", "\"right_children\":[-1,-1,-1]", "column", TM_E_DATA},
        {"\"split_indices\":[0,0,0]", "\"split_indices\":[2,0,0]", "column", TM_E_DATA},
        {"[1.5,10,20]", "[1e39,10,20]", "single precision", TM_E_DATA},
        {"[1.5,10,20]", "[1.5,1e39,20]", "finite", TM_E_DATA},
        {"[1.5,10,20]", "[NaN,10,20]", "", TM_E_DATA},
        {"\"categories\":[1]", "\"categories\":[-1]", "category", TM_E_DATA},
        {"\"categories\":[1]", "\"categories\":[4000000000]", "category", TM_E_DATA},
        {"\"categories_nodes\":[0]", "\"categories_nodes\":[1]", "list", TM_E_DATA},
        {"\"categories_sizes\":[1]", "\"categories_sizes\":[2]", "list", TM_E_DATA},
        {"\"offsets\":[0,1,3]", "\"offsets\":[0,3,1]", "categories", TM_E_DATA},
        {"\"values\":[97,98,99]", "\"values\":[97,98]", "categories", TM_E_DATA},
        {"\"learner\"", "\"teacher\"", "learner", TM_E_DATA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_import import = {0};
        tm_err err = {0};
        const tm_status st = read_with(cases[i].from, cases[i].to, &import, &err);
        if (st != cases[i].want || strstr(err.message, cases[i].what) == NULL) {
            print_message("%s: %d %s\n", cases[i].to, (int)st, err.message);
        }
        assert_int_equal(st, cases[i].want);
        assert_non_null(strstr(err.message, cases[i].what));
        tm__import_done(&import);
    }
}

static void a_file_cut_at_any_byte_is_refused(void **state) {
    (void)state;
    for (size_t len = 0; len < strlen(TREES); len++) {
        tm_import import = {0};
        tm_err err = {0};
        assert_int_equal(import_bytes(TREES, len, NULL, &import, &err), TM_E_DATA);
        assert_true(err.hint[0] != '\0');
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_those_of_single_precision),
        cmocka_unit_test(base_scores_are_undone_by_the_objective),
        cmocka_unit_test(each_fault_is_named),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
