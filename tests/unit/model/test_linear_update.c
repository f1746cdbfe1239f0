/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/pool.h"
#include "model/linear/linear_priv.h"
#include "model_data.h"

enum { OLD = 300, NEW = 200, ROWS = OLD + NEW, OUTPUTS = 3 };

static const tm_task tasks[] = {TM_TASK_REGRESSION, TM_TASK_BINARY, TM_TASK_MULTICLASS};
#define N_TASKS (sizeof(tasks) / sizeof(tasks[0]))

/* Rows of one world, the older ones a base was fitted on. */
typedef struct world {
    model_data *data;
    tm_view all, old, new;
    tm_sparse new_terms;
    const double *new_cols[5];
    const double *y;
    tm_params params;
    tm_fit_input in; /* of the update */
    tm_model *base;
} world;

static const double *target(const model_data *data, tm_task task) {
    return task == TM_TASK_BINARY ? data->y2 : task == TM_TASK_MULTICLASS ? data->y3 : data->yr;
}

static tm_model *fit(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params) {
    tm_model *model = NULL;
    tm_err err = {0};
    if (tm__model_fit(ctx, &tm__linear_ops, in, params, &model, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return model;
}

static void set(tm_params *params, const char *name, const char *text) {
    assert_int_equal(tm__params_set(&tm__linear_ops, params, name, text, NULL), TM_OK);
}

static void world_init(world *w, tm_task task, bool has_terms) {
    tm_ctx ctx = {0};
    w->data = model_data_create(ROWS);
    w->all = w->old = w->new = w->data->full;
    w->y = target(w->data, task);
    w->old.n_rows = OLD;
    w->new.n_rows = NEW;
    for (uint32_t j = 0; j < w->all.n_cols; j++) {
        w->new_cols[j] = w->all.cols[j] + OLD;
    }
    w->new.cols = w->new_cols;
    w->new_terms = w->data->sparse;
    w->new_terms.starts += OLD;
    w->new.sparse = &w->new_terms;
    if (!has_terms) {
        w->all.sparse = w->old.sparse = w->new.sparse = NULL;
    }
    tm__params_init(&tm__linear_ops, &w->params);
    set(&w->params, "strength", "0.02");
    set(&w->params, "tol", "1e-14");
    set(&w->params, "max_iter", "5000");
    const tm_fit_input in = {.task = task, .n_classes = 3, .x = &w->old, .y = w->y};
    w->base = fit(&ctx, &in, &w->params);
    w->in = (tm_fit_input){.task = task,
                           .n_classes = 3,
                           .x = &w->new,
                           .y = w->y + OLD,
                           .base = w->base,
                           .is_update = true,
                           .before = {.x = &w->old}};
}

static void world_done(world *w) {
    tm__model_free(w->base);
    model_data_free(w->data);
}

static tm_model *update(const world *w, double counts) {
    tm_ctx ctx = {0};
    tm_fit_input in = w->in;
    in.before.counts = counts;
    return fit(&ctx, &in, &w->params);
}

/* Largest difference of raw scores over all rows. */
static double difference(const world *w, const tm_model *a, const tm_model *b) {
    static double of_a[ROWS * OUTPUTS], of_b[ROWS * OUTPUTS];
    tm_ctx ctx = {0};
    double most = 0;
    assert_int_equal(tm__model_predict(&ctx, a, &w->all, of_a, NULL), TM_OK);
    assert_int_equal(tm__model_predict(&ctx, b, &w->all, of_b, NULL), TM_OK);
    for (size_t i = 0; i < (size_t)ROWS * a->n_outputs; i++) {
        most = fmax(most, fabs(of_a[i] - of_b[i]));
    }
    return most;
}

/* A fit on rows first .. ROWS by the encoding that the base was fitted with. */
static tm_model *fit_by_code_of_base(const world *w, uint32_t first) {
    tm_ctx ctx = {0};
    uint32_t rows[ROWS], n_iterations = 0;
    double squares[200], means[200] = {0}, *theta = NULL;
    uint64_t work = 0;
    tm_linear_code code;
    tm_design design;
    tm_model *model = NULL;
    const tm_solve_options options = {.strength = 0.02, .tol = 1e-14, .iter_max = 5000};
    for (uint32_t i = 0; i < ROWS; i++) {
        rows[i] = i;
    }
    tm_design_spec spec = {
        .in = &w->in, .x = &w->all, .y = w->y, .rows = rows, .n_rows = OLD, .y_sd = 1};
    assert_int_equal(tm__linear_code_fit(&ctx, &spec, &code, NULL), TM_OK);
    spec.rows = rows + first;
    spec.n_rows = ROWS - first;
    spec.with_gradient = true;
    assert_int_equal(tm__design_create(&ctx, &spec, &code, &design, NULL), TM_OK);
    theta = tm__mem_zalloc(tm__design_params(&design), sizeof(double));
    tm_solver *const solver = tm__solver_create(&ctx, &design);
    assert_true(tm__solver_curve(solver));
    assert_int_equal(tm__solver_run(&ctx, solver, &options, theta, &n_iterations, &work, NULL),
                     TM_OK);
    tm__design_squares(&design, squares);
    tm__linear_term_means(&design, means);
    const tm_linear_found found = {.task = w->in.task,
                                   .n_outputs = design.n_outputs,
                                   .code = &code,
                                   .theta = theta,
                                   .squares = squares,
                                   .means = means,
                                   .y_sd = 1};
    assert_int_equal(tm__linear_place(&found, &model, NULL), TM_OK);
    tm__solver_free(solver);
    tm__mem_free(theta);
    tm__design_done(&design);
    tm__linear_code_done(&code);
    return model;
}

static void check_near(double off, double most, tm_task task) {
    if (!(off < most)) {
        fail_msg("task %d: off by %g, more than %g", (int)task, off, most);
    }
}

static void what_counts_without_end_stays_the_model(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * N_TASKS; i++) {
        world w;
        world_init(&w, tasks[i % N_TASKS], i >= N_TASKS);
        tm_model *const same = update(&w, 1e12);
        check_near(difference(&w, w.base, same), 1e-8, w.in.task);
        assert_true(same->before_counts == 1e12);
        tm__model_free(same);
        world_done(&w);
    }
}

static void what_counts_nothing_leaves_a_fit_on_the_rows_given(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * N_TASKS; i++) {
        world w;
        world_init(&w, tasks[i % N_TASKS], i >= N_TASKS);
        tm_model *const moved = update(&w, 0), *const alone = fit_by_code_of_base(&w, OLD);
        check_near(difference(&w, moved, alone), 1e-5, w.in.task);
        tm__model_free(moved);
        tm__model_free(alone);
        world_done(&w);
    }
}

/* Of squared errors the pull is the older rows' loss itself, and else it is near to it. */
static void one_batch_after_the_other_is_both_at_once(void **state) {
    (void)state;
    for (size_t i = 0; i < N_TASKS; i++) {
        world w;
        world_init(&w, tasks[i], false);
        tm_model *const moved = update(&w, 1), *const both = fit_by_code_of_base(&w, 0);
        const double off = difference(&w, moved, both), from_base = difference(&w, w.base, both);
        if (tasks[i] == TM_TASK_REGRESSION) {
            check_near(off, 1e-6, w.in.task);
            assert_true(from_base > 0.01);
        } else {
            check_near(off, 0.4 * from_base, w.in.task);
        }
        tm__model_free(moved);
        tm__model_free(both);
        world_done(&w);
    }
}

/* Text terms have a diagonal: nearer to both at once than the model was. */
static void terms_move_towards_both_at_once(void **state) {
    (void)state;
    world w;
    world_init(&w, TM_TASK_REGRESSION, true);
    tm_model *const moved = update(&w, 1), *const both = fit_by_code_of_base(&w, 0);
    check_near(difference(&w, moved, both), 0.8 * difference(&w, w.base, both), w.in.task);
    tm__model_free(moved);
    tm__model_free(both);
    world_done(&w);
}

static void validation_rows_say_how_much_is_forgotten(void **state) {
    (void)state;
    double turned[NEW];
    tm_ctx ctx = {0};
    world w;
    world_init(&w, TM_TASK_BINARY, false);
    tm_fit_input in = w.in;
    in.before.counts = (double)NAN;
    in.x_valid = &w.old;
    in.y_valid = w.y;
    tm_model *const same = fit(&ctx, &in, &w.params);
    assert_true(same->before_counts >= 0.25); /* the world did not move */
    for (uint32_t i = 0; i < NEW; i++) {
        turned[i] = 1 - w.y[OLD + i];
    }
    in.y = in.y_valid = turned;
    in.x_valid = &w.new;
    tm_model *const moved = fit(&ctx, &in, &w.params);
    assert_true(moved->before_counts <= 0.1);
    in.x_valid = NULL;
    tm_model *const untested = fit(&ctx, &in, &w.params);
    assert_true(untested->before_counts == 0.5);
    tm__model_free(same);
    tm__model_free(moved);
    tm__model_free(untested);
    world_done(&w);
}

static void rows_that_are_not_at_hand_are_stood_for(void **state) {
    (void)state;
    world w;
    world_init(&w, TM_TASK_REGRESSION, false);
    tm_model *const near = update(&w, 1);
    w.in.before = (tm_fit_before){.n_rows = OLD};
    tm_model *const moved = update(&w, 1), *const held = update(&w, 1e9);
    assert_true(difference(&w, held, w.base) < 1e-4);
    assert_true(difference(&w, moved, near) < difference(&w, w.base, near));
    tm__model_free(near);
    tm__model_free(moved);
    tm__model_free(held);
    world_done(&w);
}

/* A level that neither the rows given nor those before have answers as it did. */
static void a_level_that_no_row_has_stays(void **state) {
    (void)state;
    world w;
    static double moved_cols[5][ROWS];
    const double *cols[5];
    world_init(&w, TM_TASK_BINARY, false);
    uint32_t j = 0;
    while (!w.all.features[j].is_categorical) {
        j++;
    }
    for (uint32_t c = 0; c < w.all.n_cols; c++) {
        memcpy(moved_cols[c], w.all.cols[c], sizeof(moved_cols[c]));
        cols[c] = moved_cols[c];
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        moved_cols[j][i] = moved_cols[j][i] == 1.0 ? 0.0 : moved_cols[j][i];
    }
    tm_view without = w.all;
    without.cols = cols;
    without.n_rows = OLD;
    w.in.x = &without;
    w.in.y = w.y;
    w.in.before.x = &without;
    tm_model *const same = update(&w, 1e12);
    assert_true(difference(&w, w.base, same) < 1e-8);
    tm__model_free(same);
    world_done(&w);
}

static void other_columns_are_refused(void **state) {
    (void)state;
    tm_ctx ctx = {0};
    tm_model *model = NULL;
    tm_err err = {0};
    world w;
    world_init(&w, TM_TASK_BINARY, true);
    w.new.sparse = NULL;
    assert_int_equal(tm__model_fit(&ctx, &tm__linear_ops, &w.in, &w.params, &model, &err),
                     TM_E_INVALID);
    assert_non_null(strstr(err.message, "other columns"));
    world_done(&w);
}

static void the_bytes_do_not_depend_on_threads_and_load_again(void **state) {
    (void)state;
    enum { MANY = 9000 };
    model_data *const data = model_data_create(MANY);
    tm_params params;
    tm_buf first = {0};
    tm_ctx alone = {0};
    tm__params_init(&tm__linear_ops, &params);
    set(&params, "strength", "0.01");
    tm_fit_input in = {.task = TM_TASK_BINARY, .x = &data->full, .y = data->y2};
    tm_model *const base = fit(&alone, &in, &params);
    in.base = base;
    in.is_update = true;
    in.x_valid = &data->full;
    in.y_valid = data->y2;
    in.before.counts = (double)NAN;
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        tm_ctx ctx = {.pool = n_threads > 1 ? tm__pool_create(n_threads) : NULL};
        tm_model *const moved = fit(&ctx, &in, &params), *loaded = NULL;
        tm_buf bytes;
        tm__buf_init(&bytes, (size_t)1 << 24);
        assert_int_equal(tm__linear_ops.save(moved, &bytes, NULL), TM_OK);
        assert_int_equal(tm__linear_ops.load(bytes.data, bytes.len, &loaded, NULL), TM_OK);
        if (n_threads == 1) {
            first = bytes;
        } else {
            assert_int_equal(bytes.len, first.len);
            assert_memory_equal(bytes.data, first.data, first.len);
            tm__buf_done(&bytes);
        }
        tm__model_free(loaded);
        tm__model_free(moved);
        tm__pool_free(ctx.pool);
    }
    tm__buf_done(&first);
    tm__model_free(base);
    model_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_counts_without_end_stays_the_model),
        cmocka_unit_test(what_counts_nothing_leaves_a_fit_on_the_rows_given),
        cmocka_unit_test(one_batch_after_the_other_is_both_at_once),
        cmocka_unit_test(terms_move_towards_both_at_once),
        cmocka_unit_test(validation_rows_say_how_much_is_forgotten),
        cmocka_unit_test(rows_that_are_not_at_hand_are_stood_for),
        cmocka_unit_test(a_level_that_no_row_has_stays),
        cmocka_unit_test(other_columns_are_refused),
        cmocka_unit_test(the_bytes_do_not_depend_on_threads_and_load_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
