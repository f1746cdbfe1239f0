/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "failing_disk.h"
#include "made_data.h"
#include "model/checkpoint.h"
#include "model/gbdt/gbdt_priv.h"
#include "support.h"

enum { ROWS = 600, COLS = 3, FITS = 3, ROUNDS = 7 };

/* A training: three fits, of boosting, a linear model and boosting with early stopping. */
typedef struct training {
    made_data made, valid;
    double y[ROWS], y_valid[ROWS];
    tm_task task;
    double sample;
    uint64_t work_limit;
} training;

static double target(tm_task task, uint64_t seed, const made_data *made, uint64_t row) {
    const double f = made->cols[0][row] * (made->cols[1][row] > 0 ? 1 : -0.5);
    const double value = f + 2 * made_random(seed, row) - 1;
    return task == TM_TASK_REGRESSION ? value
           : task == TM_TASK_BINARY   ? (double)(value > 0)
                                      : (double)((value > -0.5) + (value > 0.6));
}

static void training_init(training *t, tm_task task, double sample, uint64_t work_limit) {
    made_options options = {.n_rows = ROWS, .n_cols = COLS, .levels = {0, 0, 7}, .seed = 3};
    made_init(&t->made, &options);
    options.seed = 4;
    made_init(&t->valid, &options);
    t->task = task;
    t->sample = sample;
    t->work_limit = work_limit;
    for (uint64_t row = 0; row < ROWS; row++) {
        t->y[row] = target(task, 8, &t->made, row);
        t->y_valid[row] = target(task, 9, &t->valid, row);
    }
}

static void training_done(training *t) {
    made_done(&t->made);
    made_done(&t->valid);
}

/* Cancels at a round of boosting, counted over all fits; a linear fit begins anew. */
typedef struct killer {
    volatile _Atomic bool cancel;
    uint32_t rounds, at; /* 0: never */
} killer;

static void on_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                        const char *note) {
    killer *k = arg;
    (void)total;
    (void)done;
    if (strcmp(stage, "fit") == 0 && note != NULL && strcmp(note, "trees") == 0 &&
        ++k->rounds == k->at) {
        atomic_store(&k->cancel, true);
    }
}

/* Run all of it; bytes of the models go to out [FITS], which the caller ends. */
static tm_status run(const training *t, tm_checkpoint *checkpoint, killer *k, tm_buf *out,
                     tm_err *err) {
    tm_budget budget = {.work_limit = t->work_limit};
    tm_ctx ctx = {.cancel = &k->cancel,
                  .progress = on_progress,
                  .progress_arg = k,
                  .budget = &budget,
                  .checkpoint = checkpoint};
    tm_status st = TM_OK;
    for (uint32_t i = 0; i < FITS; i++) {
        tm__buf_init(&out[i], 1 << 26);
    }
    for (uint32_t i = 0; i < FITS && st == TM_OK; i++) {
        const tm_model_ops *ops = tm__model_find(i == 1 ? "linear" : "gbdt");
        tm_params params;
        tm_model *model = NULL;
        tm__params_init(ops, &params);
        if (i != 1) {
            params.values[TM_GBDT_TREES] = i == 0 ? ROUNDS : 60;
            params.values[TM_GBDT_ROW_SAMPLE] = t->sample;
            params.values[TM_GBDT_STOPPING] = 3;
        }
        const tm_fit_input in = {.task = t->task,
                                 .n_classes = 3,
                                 .x = &t->made.view,
                                 .y = t->y,
                                 .x_valid = i == 2 ? &t->valid.view : NULL,
                                 .y_valid = t->y_valid,
                                 .seed = i};
        st = tm__model_fit(&ctx, ops, &in, &params, &model, err);
        if (st == TM_OK) {
            st = ops->save(model, &out[i], err);
        }
        tm__model_free(model);
    }
    return st;
}

/* A fit by the clock, with what an earlier process left of it. */
static void run_by_clock(const training *t, const char *dir, uint64_t deadline_ns, tm_stops *stops,
                         tm_budget *out) {
    const tm_model_ops *ops = tm__model_find("gbdt");
    tm_checkpoint *checkpoint = NULL;
    tm_params params;
    tm_model *model = NULL;
    *out = (tm_budget){.deadline_ns = deadline_ns, .stops = stops};
    tm_ctx ctx = {.budget = out};
    const tm_fit_input in = {.task = t->task, .n_classes = 3, .x = &t->made.view, .y = t->y};
    tm__params_init(ops, &params);
    params.values[TM_GBDT_TREES] = ROUNDS;
    assert_int_equal(tm__checkpoint_open(dir, "c", 0, &checkpoint, NULL), TM_OK);
    ctx.checkpoint = checkpoint;
    assert_int_equal(tm__model_fit(&ctx, ops, &in, &params, &model, NULL), TM_OK);
    tm__model_free(model);
    tm__checkpoint_close(checkpoint);
}

/* Questions, answers and time of a fit that was taken from disk are those of the process that did
 * it: a run that goes on has what was left, and a record that repeats it. */
static void what_a_fit_took_of_the_clock_is_taken_again(void **state) {
    (void)state;
    for (uint32_t is_cut = 0; is_cut < 2; is_cut++) {
        training t;
        test_folder folder;
        tm_stops first = {.n_asked = 40}, second = {.n_asked = 7};
        tm_budget did = {0}, takes = {0};
        const uint64_t late = is_cut > 0 ? 1 : tm__mono_ns() + UINT64_C(3600000000000);
        test_folder_make(&folder);
        training_init(&t, TM_TASK_BINARY, 1, 0);
        run_by_clock(&t, folder.path, late, &first, &did);
        run_by_clock(&t, folder.path, late, &second, &takes);
        assert_int_equal(did.is_cut, is_cut);
        assert_int_equal(takes.is_cut, is_cut);
        assert_int_equal(takes.clock_cut, is_cut);
        assert_true(first.n_asked > 40 && first.skipped_ns == 0);
        assert_int_equal(second.n_asked - 7, first.n_asked - 40);
        assert_int_equal(takes.work_used, did.work_used);
        assert_true(second.skipped_ns > 0);
        assert_int_equal(second.n, first.n);
        assert_int_equal(second.n, is_cut);
        assert_true(is_cut == 0 || second.at[0] - 7 == first.at[0] - 40);
        const uint64_t now = tm__mono_ns();
        assert_true(tm__budget_now_ns(&takes) >= now + second.skipped_ns);
        training_done(&t);
        test_folder_remove(&folder);
    }
}

static void bytes_done(tm_buf *bytes) {
    for (uint32_t i = 0; i < FITS; i++) {
        tm__buf_done(&bytes[i]);
    }
}

static void assert_same(const tm_buf *a, const tm_buf *b) {
    for (uint32_t i = 0; i < FITS; i++) {
        assert_int_equal(a[i].len, b[i].len);
        assert_memory_equal(a[i].data, b[i].data, a[i].len);
    }
}

static bool count_name(void *arg, const char *name) {
    (void)name;
    ++*(uint32_t *)arg;
    return true;
}

static uint32_t files_in(const char *dir) {
    uint32_t n = 0;
    assert_int_equal(tm__fs_list(dir, count_name, &n, NULL), TM_OK);
    return n;
}

static const struct {
    tm_task task;
    double sample;
    uint64_t work_limit;
} cases[] = {
    {TM_TASK_BINARY, 1, 0},
    {TM_TASK_REGRESSION, 0.6, 0},
    {TM_TASK_MULTICLASS, 0.8, 0},
    {TM_TASK_BINARY, 1, (uint64_t)ROWS *COLS *(ROUNDS + 40)}, /* cuts a later fit */
};

static void a_training_stopped_after_any_round_ends_in_the_same_bytes(void **state) {
    (void)state;
    for (uint32_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        training t;
        killer never = {0};
        tm_buf want[FITS], got[FITS];
        training_init(&t, cases[c].task, cases[c].sample, cases[c].work_limit);
        assert_int_equal(run(&t, NULL, &never, want, NULL), TM_OK);
        const uint32_t n_rounds = never.rounds;
        assert_true(n_rounds > ROUNDS);
        for (uint32_t at = 1; at < n_rounds; at = 2 * at + 1) {
            test_folder folder;
            test_folder_make(&folder);
            tm_status st = TM_E_CANCELLED;
            uint32_t runs = 0, rounds = 0;
            for (; st == TM_E_CANCELLED; runs++) { /* each process comes `at` rounds further */
                tm_checkpoint *checkpoint = NULL;
                killer k = {.at = at};
                assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL),
                                 TM_OK);
                st = run(&t, checkpoint, &k, got, NULL);
                rounds += k.rounds;
                if (st == TM_OK) {
                    assert_same(want, got);
                    assert_int_equal(tm__checkpoint_remove(checkpoint, NULL), TM_OK);
                    assert_int_equal(files_in(folder.path), 0);
                }
                bytes_done(got);
                tm__checkpoint_close(checkpoint);
                assert_true(runs < 200);
            }
            assert_int_equal(st, TM_OK);
            assert_true(runs > 1);
            assert_true(rounds <= n_rounds + runs); /* no round but the last one is done twice */
            test_folder_remove(&folder);
        }
        bytes_done(want);
        training_done(&t);
    }
}

static void a_fit_of_other_rows_or_options_starts_over(void **state) {
    (void)state;
    training t;
    test_folder folder;
    tm_buf want[FITS], got[FITS];
    training_init(&t, TM_TASK_BINARY, 1, 0);
    test_folder_make(&folder);
    for (uint32_t change = 0; change < 4; change++) {
        tm_checkpoint *checkpoint = NULL;
        killer k = {.at = 4}, never = {0};
        assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL), TM_OK);
        assert_int_equal(run(&t, checkpoint, &k, got, NULL), TM_E_CANCELLED);
        bytes_done(got);
        tm__checkpoint_close(checkpoint);
        if (change == 1) {
            t.y[5] = 1 - t.y[5];
        } else if (change == 2) {
            t.sample = 0.5;
        } else if (change == 3) {
            t.made.cells[17] += 1;
        }
        assert_int_equal(run(&t, NULL, &never, want, NULL), TM_OK);
        assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL), TM_OK);
        never.cancel = false;
        assert_int_equal(run(&t, checkpoint, &never, got, NULL), TM_OK);
        assert_int_equal(tm__checkpoint_found(checkpoint), change == 0);
        assert_same(want, got);
        assert_int_equal(tm__checkpoint_remove(checkpoint, NULL), TM_OK);
        bytes_done(want);
        bytes_done(got);
        tm__checkpoint_close(checkpoint);
    }
    test_folder_remove(&folder);
    training_done(&t);
}

static void a_damaged_checkpoint_is_an_error_that_names_it(void **state) {
    (void)state;
    training t;
    test_folder folder;
    tm_buf bytes, got[FITS];
    char path[128];
    tm_checkpoint *checkpoint = NULL;
    killer k = {.at = 4};
    training_init(&t, TM_TASK_BINARY, 1, 0);
    test_folder_make(&folder);
    assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL), TM_OK);
    assert_int_equal(run(&t, checkpoint, &k, got, NULL), TM_E_CANCELLED);
    bytes_done(got);
    tm__checkpoint_close(checkpoint);
    test_folder_join(&folder, "t.1", path, sizeof(path));
    tm__buf_init(&bytes, 1 << 26);
    assert_int_equal(tm__fs_read_all(path, &bytes, NULL), TM_OK);
    for (uint32_t i = 0; i <= 12; i++) {
        const size_t at = bytes.len * i / 13;
        tm_err err = {0};
        killer never = {0};
        bytes.data[at] ^= 0x10;
        const size_t len = i == 12 ? bytes.len / 2 : bytes.len; /* the last one is cut short */
        assert_int_equal(tm__fs_publish(path, bytes.data, len, NULL), TM_OK);
        bytes.data[at] ^= 0x10;
        assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL), TM_OK);
        assert_int_equal(run(&t, checkpoint, &never, got, &err), TM_E_INTEGRITY);
        assert_string_equal(err.message, "a checkpoint is damaged");
        assert_non_null(strstr(err.data_path, "t.1"));
        bytes_done(got);
        tm__checkpoint_close(checkpoint);
    }
    tm__buf_done(&bytes);
    test_folder_remove(&folder);
    training_done(&t);
}

static void a_disk_that_fails_stops_the_training_and_what_it_took_counts(void **state) {
    (void)state;
    training t;
    tm_buf want[FITS], got[FITS];
    killer never = {0};
    training_init(&t, TM_TASK_BINARY, 1, 0);
    assert_int_equal(run(&t, NULL, &never, want, NULL), TM_OK);
    uint32_t n_failed = 0;
    for (uint64_t nth = 1; nth < 40; nth += 4) {
        test_folder folder;
        tm_checkpoint *checkpoint = NULL;
        test_folder_make(&folder);
        for (uint32_t again = 0; again < 2; again++) {
            assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL), TM_OK);
            test_disk_fail_at(again == 0 ? nth : 0, true);
            const tm_status st = run(&t, checkpoint, &never, got, NULL);
            test_disk_fail_at(0, false);
            assert_true(st == TM_OK || (again == 0 && st == TM_E_IO));
            n_failed += st != TM_OK;
            if (st == TM_OK) {
                assert_same(want, got);
            }
            bytes_done(got);
            tm__checkpoint_close(checkpoint);
        }
        test_folder_remove(&folder);
    }
    assert_true(n_failed > 5);
    bytes_done(want);
    training_done(&t);
}

static void it_fails_cleanly_at_each_allocation(void **state) {
    (void)state;
    training t;
    test_folder folder;
    training_init(&t, TM_TASK_BINARY, 1, 0);
    test_folder_make(&folder);
    tm_status st = TM_E_NOMEM;
    tm_buf got[FITS];
    const uint64_t alive = tm__mem_alive();
    uint64_t n = 1;
    for (; st != TM_OK; n += 1 + n / 40) {
        tm_checkpoint *checkpoint = NULL;
        killer never = {0};
        tm__mem_fail_at(n, false);
        st = tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL);
        if (st == TM_OK) {
            st = run(&t, checkpoint, &never, got, NULL);
            bytes_done(got);
        }
        tm__checkpoint_close(checkpoint);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        assert_true(tm__mem_alive() == alive);
    }
    assert_true(n > 100);
    test_folder_remove(&folder);
    training_done(&t);
}

static void one_process_at_a_time_has_it(void **state) {
    (void)state;
    test_folder folder;
    tm_checkpoint *first = NULL, *second = NULL;
    tm_err err = {0};
    test_folder_make(&folder);
    assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &first, NULL), TM_OK);
    assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &second, &err), TM_E_CONFLICT);
    assert_string_equal(err.message, "the same training runs already");
    assert_int_equal(tm__checkpoint_open(folder.path, "u", 0, &second, NULL), TM_OK);
    tm__checkpoint_close(second);
    tm__checkpoint_close(first);
    assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &first, NULL), TM_OK);
    tm__checkpoint_close(first);
    test_folder_remove(&folder);
}

static void put(const char *dir, const char *name) {
    char *path = tm__fs_join(dir, name);
    assert_int_equal(tm__fs_publish(path, "12345", 5, NULL), TM_OK);
    tm__mem_free(path);
}

static void what_nobody_took_up_is_removed_when_it_is_old(void **state) {
    (void)state;
    const int64_t day_us = INT64_C(86400000000), now_us = tm__now_us();
    test_folder folder;
    tm_checkpoint *running = NULL;
    tm_checkpoint_rest rest = {0};
    test_folder_make(&folder);
    assert_int_equal(tm__checkpoint_clean("/no/such/folder", true, &rest, NULL), TM_OK);
    assert_int_equal(rest.n, 0);
    assert_int_equal(tm__checkpoint_open(folder.path, "held", 0, &running, NULL), TM_OK);
    put(folder.path, "held.1");
    put(folder.path, "left.1");
    put(folder.path, "left.2");
    put(folder.path, "left.lock");
    put(folder.path, "lefty.1");
    tm__clock_fix(now_us + 29 * day_us);
    assert_int_equal(tm__checkpoint_clean(folder.path, true, &rest, NULL), TM_OK);
    assert_int_equal(rest.n, 3);
    assert_int_equal(rest.bytes, 25);
    tm__clock_fix(now_us + 31 * day_us);
    assert_int_equal(tm__checkpoint_clean(folder.path, false, &rest, NULL), TM_OK);
    assert_int_equal(rest.n, 3); /* only looked at */
    assert_int_equal(files_in(folder.path), 6);
    assert_int_equal(tm__checkpoint_clean(folder.path, true, &rest, NULL), TM_OK);
    assert_int_equal(rest.n, 1); /* the one that a process holds */
    assert_int_equal(files_in(folder.path), 2);
    tm__clock_fix(INT64_MIN);
    tm__checkpoint_close(running);
    test_folder_remove(&folder);
}

static void a_fit_from_other_scores_starts_over(void **state) {
    (void)state;
    training t;
    test_folder folder;
    double scores[ROWS] = {0};
    uint32_t n_found[3];
    training_init(&t, TM_TASK_BINARY, 1, 0);
    test_folder_make(&folder);
    for (uint32_t i = 0; i < 3; i++) { /* of no scores, of others, of the same again */
        const tm_model_ops *ops = tm__model_find("gbdt");
        tm_checkpoint *checkpoint = NULL;
        tm_params params;
        tm_model *model = NULL;
        tm__params_init(ops, &params);
        params.values[TM_GBDT_TREES] = 3;
        scores[5] = 1;
        assert_int_equal(tm__checkpoint_open(folder.path, "t", 0, &checkpoint, NULL), TM_OK);
        tm_ctx ctx = {.checkpoint = checkpoint};
        const tm_fit_input in = {
            .task = t.task, .x = &t.made.view, .y = t.y, .init_scores = i == 0 ? NULL : scores};
        assert_int_equal(tm__model_fit(&ctx, ops, &in, &params, &model, NULL), TM_OK);
        n_found[i] = tm__checkpoint_found(checkpoint);
        tm__model_free(model);
        tm__checkpoint_close(checkpoint);
    }
    assert_true(n_found[0] == 0 && n_found[1] == 0 && n_found[2] == 1);
    training_done(&t);
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_stopped_after_any_round_ends_in_the_same_bytes),
        cmocka_unit_test(what_a_fit_took_of_the_clock_is_taken_again),
        cmocka_unit_test(a_fit_of_other_rows_or_options_starts_over),
        cmocka_unit_test(a_damaged_checkpoint_is_an_error_that_names_it),
        cmocka_unit_test(a_disk_that_fails_stops_the_training_and_what_it_took_counts),
        cmocka_unit_test(it_fails_cleanly_at_each_allocation),
        cmocka_unit_test(what_nobody_took_up_is_removed_when_it_is_old),
        cmocka_unit_test(a_fit_from_other_scores_starts_over),
        cmocka_unit_test(one_process_at_a_time_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
