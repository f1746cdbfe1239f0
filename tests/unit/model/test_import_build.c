/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "model/imported/import_build.h"

static float f32_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* x <= limit in double precision must decide as the comparison in single precision. */
static void check_limits(float t, double x) {
    assert_int_equal(x <= tm__import_below(t), (float)x < t);
    assert_int_equal(x <= tm__import_at_most(t), (float)x <= t);
}

static void thresholds_of_single_precision_decide_alike_in_double(void **state) {
    (void)state;
    const float special[] = {0.0F,      -0.0F,           1.0F,
                             -1.0F,     0x1p-149F,       -0x1p-149F,
                             0x1p-126F, 0x1.fffffep127F, -0x1.fffffep127F,
                             3.5F,      1e-30F};
    tm_rng rng = tm__rng_split(5, "thresholds", 0);
    for (uint32_t i = 0; i < 20000; i++) {
        const uint32_t bits = (uint32_t)tm__rng_u64(&rng);
        float t = i < 11 ? special[i] : f32_of(bits);
        if (!isfinite(t)) {
            continue;
        }
        const double d = (double)t, low = (double)nextafterf(t, -INFINITY),
                     high = (double)nextafterf(t, INFINITY);
        const double near[] = {d, low, high,  d / 2 + low / 2, d / 2 + high / 2,
                               0, -d,  1e300, -1e300,          (double)INFINITY};
        for (size_t k = 0; k < sizeof(near) / sizeof(near[0]); k++) {
            check_limits(t, near[k]);
            check_limits(t, nextafter(near[k], (double)INFINITY));
            check_limits(t, nextafter(near[k], -(double)INFINITY));
        }
    }
    assert_true(tm__import_at_most(INFINITY) == (double)INFINITY);
}

typedef struct small {
    tm_import_draft draft;
    tm_import_node *nodes;
} small;

/* One column, one tree of n nodes. */
static void small_init(small *s, uint32_t n) {
    static const tm_import_options none = {0};
    memset(s, 0, sizeof(*s));
    s->draft = (tm_import_draft){.options = &none, .scale = 1, .divide = 1};
    s->draft.arena = tm__arena_create(1u << 20);
    s->draft.notes = json_array();
    s->draft.shape =
        (tm_imported_shape){.kind = TM_IMPORTED_TREES, .task = TM_TASK_REGRESSION, .n_outputs = 1};
    assert_int_equal(tm__draft_columns(&s->draft, 1, NULL), TM_OK);
    s->draft.columns[0].name = TM_STR("x");
    tm_import_tree *tree = tm__draft_tree(&s->draft, NULL);
    s->nodes = tm__draft_nodes(&s->draft, n, NULL);
    tree->n = n;
    for (uint32_t i = 0; i < n; i++) {
        s->nodes[i] = (tm_import_node){.flags = TM_IMPORT_LEAF, .number = i};
    }
}

static void set_inner(small *s, uint32_t node, uint32_t left, uint32_t right) {
    s->nodes[node] = (tm_import_node){.left = left, .right = right, .number = 0};
}

static tm_status small_build(small *s, tm_err *err) {
    tm_program *program = NULL;
    tm_model *model = NULL;
    const tm_status st = tm__import_build(&s->draft, &program, &model, err);
    tm__program_free(program);
    tm__model_free(model);
    tm__draft_done(&s->draft);
    return st;
}

static void faults_of_trees_are_found_and_named(void **state) {
    (void)state;
    const struct {
        const char *what;
        uint32_t left, right, left2, right2;
    } cases[] = {
        {"above itself", 0, 2, 3, 4},    {"two parents", 1, 1, 3, 4},
        {"not there", 1, 5, 3, 4},       {"above itself", 1, 2, 0, 4},
        {"two parents", 1, 2, 2, 4},     {"not there", 1, 2, 3, UINT32_MAX},
        {"no path reaches", 3, 4, 3, 4},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        small s;
        tm_err err = {0};
        small_init(&s, 5);
        set_inner(&s, 0, cases[i].left, cases[i].right);
        if (i != 6) {
            set_inner(&s, 1, cases[i].left2, cases[i].right2);
        }
        assert_int_equal(small_build(&s, &err), TM_E_DATA);
        if (strstr(err.message, cases[i].what) == NULL) {
            print_message("%zu: %s\n", i, err.message);
        }
        assert_non_null(strstr(err.message, cases[i].what));
    }
}

static void values_that_are_no_numbers_are_refused(void **state) {
    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        small s;
        tm_err err = {0};
        small_init(&s, 3);
        set_inner(&s, 0, 1, 2);
        s.nodes[round].number = round == 0 ? (double)NAN : round == 1 ? (double)INFINITY : 1e299;
        assert_int_equal(small_build(&s, &err), TM_E_DATA);
    }
}

static void a_path_is_as_long_as_trees_allow_and_no_longer(void **state) {
    (void)state;
    for (uint32_t depth = 1023; depth <= 1025; depth++) {
        small s;
        small_init(&s, 2 * depth + 1);
        for (uint32_t i = 0; i < depth; i++) {
            set_inner(&s, 2 * i, 2 * i + 1, 2 * i + 2);
        }
        assert_int_equal(small_build(&s, NULL), depth <= 1024 ? TM_OK : TM_E_DATA);
    }
}

static void covers_add_up_whatever_the_file_says(void **state) {
    (void)state;
    const double covers[][2] = {{3, 4},           {0, 0},  {1e-9, 5e-9},  {4e9, 4e9},
                                {(double)NAN, 2}, {-1, 7}, {1e300, 1e300}};
    for (size_t i = 0; i < sizeof(covers) / sizeof(covers[0]); i++) {
        small s;
        small_init(&s, 3);
        set_inner(&s, 0, 1, 2);
        s.nodes[1].cover = covers[i][0];
        s.nodes[2].cover = covers[i][1];
        assert_int_equal(small_build(&s, NULL), TM_OK); /* adding a tree checks them */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thresholds_of_single_precision_decide_alike_in_double),
        cmocka_unit_test(faults_of_trees_are_found_and_named),
        cmocka_unit_test(values_that_are_no_numbers_are_refused),
        cmocka_unit_test(a_path_is_as_long_as_trees_allow_and_no_longer),
        cmocka_unit_test(covers_add_up_whatever_the_file_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
