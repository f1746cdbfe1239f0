/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "cli/model_args.h"
#include "cli/page_priv.h"
#include "loop/replay.h"

#define PLOT_ROWS 12u
#define PLOT_COLS 40u

static const char *const runs[] = {"policy", "schedule", "static", "trivial"};
#define N_RUNS (sizeof(runs) / sizeof(runs[0]))

/* "1000" counts rows, "7d" is a time. */
static tm_status take_delay(tm_cli *cli, tm_replay_options *out, tm_err *err) {
    const tm_str text = tm__str(tm__cli_text(cli, "delay"));
    bool is_count = text.len > 0 && text.len < 16;
    uint64_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        is_count = is_count && tm__is_digit(text.ptr[i]);
        n = is_count ? n * 10 + (uint64_t)(text.ptr[i] - '0') : n;
    }
    if (is_count) {
        out->delay_rows = n;
        return TM_OK;
    }
    if (!tm__str_to_duration_us(text, &out->delay_us) || out->delay_us <= 0) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--delay '%.*s' is no number of rows or time",
                                     (int)text.len, text.ptr);
        tm_err_hint(err, "1000 is so many rows, 7d a time after the row's own.");
        return st;
    }
    return TM_OK;
}

static tm_status take_options(tm_cli *cli, tm_replay_options *out, tm_err *err) {
    const char *const time = tm__cli_text(cli, "time");
    const char *const task = tm__cli_text(cli, "task");
    *out = (tm_replay_options){
        .target = tm__cli_text(cli, "target"),
        .time = strcmp(time, "order") == 0 ? NULL : time,
        .task = strcmp(task, "auto") == 0 ? TM_TASK_NONE : tm__task_from_text(task),
        .first = tm__cli_f64(cli, "first"),
        .period = (uint64_t)tm__cli_i64(cli, "period"),
        .seed = (uint64_t)tm__cli_i64(cli, "seed"),
    };
    out->drop = tm__cli_list(cli, "drop", &out->n_drop);
    if (tm__cli_has(cli, "labels") || tm__cli_arg(cli, "DATA") != NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--target replays rows without a server");
        tm_err_hint(err, "Give one file, and leave out the route and --labels.");
        return st;
    }
    return take_delay(cli, out, err);
}

/* ---- words ---- */

static void print_plot(tm_cli *cli, const json_t *curve) {
    static const char marks[N_RUNS] = {'P', 's', '.', 't'};
    char cells[PLOT_ROWS][PLOT_COLS + 1];
    double low = INFINITY, high = -INFINITY;
    memset(cells, ' ', sizeof(cells));
    for (size_t k = 0; k < N_RUNS; k++) {
        const json_t *const list = json_object_get(curve, runs[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *const v = json_array_get(list, i);
            low = json_is_number(v) ? fmin(low, json_number_value(v)) : low;
            high = json_is_number(v) ? fmax(high, json_number_value(v)) : high;
        }
    }
    for (size_t k = N_RUNS; k-- > 0;) { /* the policy last, over the others */
        const json_t *const list = json_object_get(curve, runs[k]);
        for (size_t i = 0; i < json_array_size(list) && i < PLOT_COLS && high > low; i++) {
            const json_t *const v = json_array_get(list, i);
            if (json_is_number(v)) {
                const double at = (json_number_value(v) - low) / (high - low);
                cells[PLOT_ROWS - 1 - (size_t)(at * (PLOT_ROWS - 1) + 0.5)][i] = marks[k];
            }
        }
    }
    for (size_t i = 0; i < PLOT_ROWS && high > low; i++) {
        cells[i][PLOT_COLS] = '\0';
        tm__cli_print(cli, "  %9.4f |%s|\n",
                      high - (high - low) * (double)i / (double)(PLOT_ROWS - 1), cells[i]);
    }
    if (high > low) {
        tm__cli_print(cli, "            score along the rows: P policy, s best schedule, . static, "
                           "t trivial\n");
    }
}

static void print_words(tm_cli *cli, const json_t *result) {
    static const char *const titles[] = {"", "score", "retrains", "seconds of training"};
    const json_t *const schedule = json_object_get(result, "schedule");
    const json_t *const trivial = json_object_get(result, "trivial");
    const int64_t window = tm__json_i64(schedule, "window_rows", 0);
    tm_cli_table table;
    tm__cli_print(cli, "%s: %s of %lld rows, each answered before its label was known\n",
                  tm__json_text(result, "target", ""),
                  strcmp(tm__json_text(result, "metric", ""), "accuracy") == 0 ? "accuracy"
                                                                               : "-RMSE",
                  (long long)tm__json_i64(result, "scored_rows", 0));
    tm__cli_table_init(&table, 4, titles);
    for (size_t k = 0; k < N_RUNS; k++) {
        const json_t *const run = json_object_get(result, runs[k]);
        tm__cli_cell(&table, "%s", runs[k]);
        tm__cli_cell(&table, "%.4f", tm__json_f64(run, "score", 0.0));
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(run, "retrains", 0));
        tm__cli_cell(&table, "%.2f", tm__json_f64(run, "train_seconds", 0.0));
    }
    tm__cli_table_print(cli, &table);
    tm__cli_print(cli, "The best schedule is every %lld rows on %s",
                  (long long)tm__json_i64(schedule, "every_rows", 0),
                  window > 0 ? "the last 5,000" : "all so far");
    tm__cli_print(cli, "; the best rule is '%s'.\n", tm__json_text(trivial, "rule", ""));
    print_plot(cli, json_object_get(result, "curve"));
}

static tm_status read_rows(tm_cli *cli, tm_ctx *ctx, tm_table **out, tm_err *err) {
    return tm__cli_read_any(cli, ctx, tm__cli_arg(cli, "MODEL"), out, err);
}

static tm_status save_page(tm_cli *cli, const json_t *result, tm_err *err) {
    tm_buf page;
    tm__buf_init(&page, TM_MAX_BUNDLE_BYTES);
    tm__replay_page(result, &page);
    const tm_status st = tm__page_save(cli, tm__cli_text(cli, "report"), &page, err);
    tm__buf_done(&page);
    return st;
}

tm_status tm__replay_history(tm_cli *cli, tm_err *err) {
    tm_replay_options options;
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    json_t *result = NULL;
    TM_TRY(take_options(cli, &options, err));
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = read_rows(cli, &ctx, &table, err);
    }
    if (st == TM_OK) {
        st = tm__replay_run(&ctx, table, &options, &result, err);
    }
    if (st == TM_OK && tm__cli_text(cli, "report") != NULL) {
        st = save_page(cli, result, err);
    }
    if (st == TM_OK && tm__json_bool(result, "sorted", false)) {
        tm__cli_note(cli, "The rows were put in order of '%s'.\n", options.time);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.replay.history/1", result);
    } else if (st == TM_OK) {
        print_words(cli, result);
    }
    json_decref(result);
    tm__table_unref(table);
    tm__cli_ctx_done(&ctx);
    return st;
}
