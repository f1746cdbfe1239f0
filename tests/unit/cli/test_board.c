/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/board.h"

#include <string.h>

#include "base/fmath.h"
#include "capture.h"
#include "test.h"

static tm_trial trial_of(uint32_t number, double score, uint64_t rows) {
    return (tm_trial){.number = number,
                      .learner = "linear",
                      .metric = "logloss",
                      .smaller_is_better = true,
                      .score = score,
                      .rows = rows,
                      .seconds = 0.25,
                      .budget_used = 0.5};
}

static tm_board board_of(tm_cli *cli) {
    tm_board board;
    tm_ctx ctx = {0};
    tm_train_options options = {.budget_ms = 60000};
    tm__board_init(&board, cli, &ctx, &options);
    assert_ptr_equal(ctx.progress_arg, &board);
    return board;
}

static const char *lines_of(const tm_board *board, uint32_t width, bool has_colour, tm_buf *out) {
    tm__buf_init(out, 1 << 16);
    const uint32_t n = tm__board_write(board, width, has_colour, 25, out);
    uint32_t n_lines = 1;
    for (size_t i = 0; i < out->len; i++) {
        n_lines += out->data[i] == '\n';
    }
    assert_int_equal(n, n_lines);
    (void)tm__buf_byte(out, 0);
    return (const char *)out->data;
}

static void the_best_stand_first_and_more_rows_before_fewer(void **state) {
    (void)state;
    tm_cli cli = {0};
    tm_board board = board_of(&cli);
    tm_buf out;
    static const double scores[] = {0.5, 0.4, 0.6, 0.3, 0.7, 0.45, 0.35};
    for (uint32_t i = 0; i < 7; i++) {
        const tm_trial trial = trial_of(i + 1, scores[i], 1000);
        tm__board_trial(&board, &trial);
    }
    assert_int_equal(board.n_places, TM_BOARD_PLACES);
    assert_int_equal(board.n_trials, 7);
    static const double want[] = {0.3, 0.35, 0.4, 0.45, 0.5};
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(board.places[i].score == want[i]);
    }
    tm_trial again = trial_of(2, 0.42, 5000); /* on more rows: it stands for itself */
    tm__board_trial(&board, &again);
    assert_true(board.places[0].score == 0.42 && board.places[0].number == 2);
    assert_int_equal(board.n_places, TM_BOARD_PLACES);
    again = trial_of(8, tm__nan(), 5000);
    tm__board_trial(&board, &again);
    assert_int_equal(board.n_trials, 9);
    again = trial_of(9, 0.1, 5000);
    again.is_given_up = true;
    tm__board_trial(&board, &again);
    assert_true(board.places[0].score == 0.42);
    const char *text = lines_of(&board, 80, false, &out);
    assert_non_null(strstr(text, "search by logloss, less is better: 10 trials\n"));
    assert_non_null(strstr(text, "> 0.42      linear"));
    assert_non_null(strstr(text, "[############------------] 50 %, 25 s of 60 s"));
    assert_null(strstr(text, "\033"));
    tm__buf_done(&out);
}

static void no_line_is_wider_than_the_terminal(void **state) {
    (void)state;
    tm_cli cli = {0};
    tm_board board = board_of(&cli);
    json_t *params = json_pack("{s:i, s:f, s:f, s:f}", "max_leaves", 127, "learning_rate", 0.05,
                               "row_sample", 0.8, "column_sample", 0.7);
    tm_trial trial = trial_of(1, 0.4, 1000);
    trial.learner = "gbdt";
    trial.params = params;
    trial.rounds = 180;
    tm__board_trial(&board, &trial);
    tm__board_progress(&board, "search", 1, 0, "gbdt");
    tm__board_progress(&board, "fit", 120, 0, "trees");
    for (uint32_t width = 1; width <= 200; width++) {
        tm_buf out;
        const char *text = lines_of(&board, width, false, &out);
        for (const char *line = text; line != NULL;) {
            const char *end = strchr(line, '\n');
            const size_t n = end != NULL ? (size_t)(end - line) : strlen(line);
            assert_true(n <= (width > 1 ? width - 1 : 1));
            line = end != NULL ? end + 1 : NULL;
        }
        tm__buf_done(&out);
    }
    tm_buf out;
    const char *text = lines_of(&board, 120, true, &out);
    assert_non_null(strstr(text,
                           "boosted trees, 127 leaves, rate 0.05, 0.8 of rows, 0.7 of columns, "
                           "180 rounds"));
    assert_non_null(strstr(text, "\033[1m>"));
    assert_non_null(strstr(text, "120 trees"));
    tm__buf_done(&out);
    json_decref(params);
}

static void elsewhere_an_improvement_is_a_line_and_short_runs_say_nothing(void **state) {
    (void)state;
    tm_cli cli = {0};
    tm_board board = board_of(&cli);
    capture_begin(2);
    tm__board_progress(&board, "search", 0, 0, "linear");
    tm_trial trial = trial_of(1, 0.5, 1000);
    tm__board_trial(&board, &trial);
    assert_string_equal(capture_end(2), "");
    board.started_ns -= UINT64_C(12000000000);
    capture_begin(2);
    trial = trial_of(2, 0.4, 1000);
    tm__board_trial(&board, &trial);
    trial = trial_of(3, 0.45, 1000); /* none */
    tm__board_trial(&board, &trial);
    assert_string_equal(capture_end(2), "search: 2 trials, 12 s, best logloss 0.4 by linear\n");
    board.drawn_ns -= UINT64_C(11000000000);
    capture_begin(2);
    tm__board_progress(&board, "fit", 5, 0, "trees");
    tm__board_progress(&board, "fit", 6, 0, "trees");
    assert_string_equal(capture_end(2), "search: 3 trials, 12 s, best logloss 0.4 by linear\n");
}

static void quiet_shows_no_board(void **state) {
    (void)state;
    tm_cli cli = {.quiet = true};
    tm_board board;
    tm_ctx ctx = {0};
    tm_train_options options = {0};
    tm__board_init(&board, &cli, &ctx, &options);
    assert_null(ctx.progress);
    assert_null(options.on_trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_stand_first_and_more_rows_before_fewer),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
        cmocka_unit_test(elsewhere_an_improvement_is_a_line_and_short_runs_say_nothing),
        cmocka_unit_test(quiet_shows_no_board),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
