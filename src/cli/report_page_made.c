/* SPDX-License-Identifier: Apache-2.0 */
/* How a model was made: what was tried, its members, what was left out and why, where it is from.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/report_page_priv.h"

#define TRIALS_MAX 20u
#define LEFT_MAX 40u

static void put_trials(tm_buf *out, const json_t *report) {
    const json_t *board = json_object_get(report, "leaderboard"), *entry = NULL;
    size_t i = 0;
    if (json_array_size(board) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<div class=box style='margin-bottom:14px'><h3>What was tried</h3><p "
                            "class='dim small'>scores on validation rows; scores of fewer rows are "
                            "not to be held against those of more</p><table class=list><thead><tr>"
                            "<th scope=col>trial</th><th scope=col>");
    tm__page_text(out, tm__json_text(report, "metric", "score"));
    (void)tm__buf_text(out, "</th><th scope=col>rows</th><th scope=col></th></tr></thead><tbody>");
    json_array_foreach(board, i, entry) {
        char text[200];
        if (i >= TRIALS_MAX) {
            break;
        }
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, tm__report_trial_text(entry, text, sizeof(text)));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_number(out, tm__json_f64(entry, "score", tm__nan()));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_count(out, tm__json_i64(entry, "rows", 0));
        (void)tm__buf_printf(out, "</td><td>%s</td></tr>",
                             tm__json_bool(entry, "chosen", false)     ? "chosen"
                             : tm__json_bool(entry, "given_up", false) ? "given up"
                             : tm__json_f64(entry, "share", 0) > 0     ? "a member"
                                                                       : "");
    }
    (void)tm__buf_text(out, "</tbody></table>");
    if (json_array_size(board) > TRIALS_MAX) {
        (void)tm__buf_printf(out, "<p class='dim small'>and %zu more</p>",
                             json_array_size(board) - TRIALS_MAX);
    }
    (void)tm__buf_text(out, "</div>");
}

/* How the score came about, round by round. */
static void put_rounds(tm_buf *out, const json_t *report) {
    const json_t *rounds = json_object_get(report, "rounds");
    const json_t *xs = json_object_get(rounds, "rounds"), *ys = json_object_get(rounds, "score");
    double high_x = 1, low = INFINITY, high = -INFINITY, none = 0;
    if (json_array_size(xs) < 2) {
        return;
    }
    tm__plot_widen(xs, &none, &high_x);
    tm__plot_widen(ys, &low, &high);
    const double room = fmax(0.05 * (high - low), 1e-12);
    const tm_plot plot = {.out = out,
                          .x_high = high_x,
                          .y_low = low - room,
                          .y_high = high + room,
                          .x_title = "rounds of boosting",
                          .y_title = tm__json_text(rounds, "metric", "score")};
    const char *caption = "the score on these rows after its first rounds: where it is flat, more "
                          "rounds bring nothing; where it turns, fewer would have been better here";
    (void)tm__buf_text(out, "<div class=box style='margin-bottom:14px'><h3>How the score came "
                            "about</h3>");
    tm__plot_begin(&plot, "score by round", caption);
    tm__plot_line(&plot, "f", xs, ys);
    for (size_t i = 0; i < json_array_size(xs); i++) {
        char text[96];
        (void)snprintf(text, sizeof(text), "%.0f rounds: %.4g", tm__plot_at(xs, i),
                       tm__plot_at(ys, i));
        tm__plot_dot(&plot, "b", tm__plot_at(xs, i), tm__plot_at(ys, i), text);
    }
    tm__plot_end(&plot, caption);
    tm__plot_table(out, 2, (const char *const[]){"rounds", "score"},
                   (const json_t *const[]){xs, ys});
    (void)tm__buf_text(out, "</div>");
}

/* Of an answer that several trials give together. */
static void put_members(tm_buf *out, const json_t *report) {
    const json_t *board = json_object_get(report, "leaderboard"), *entry = NULL;
    size_t i = 0;
    bool any = false;
    json_array_foreach(board, i, entry) {
        const double share = tm__json_f64(entry, "share", 0);
        char text[200];
        if (!(share > 0)) {
            continue;
        }
        if (!any) {
            (void)tm__buf_text(out, "<div class=box style='margin-bottom:14px'><h3>Who answers "
                                    "together</h3><div class=bars style='margin-top:8px'>");
        }
        any = true;
        (void)tm__buf_text(out, "<span>");
        tm__page_text(out, tm__report_trial_text(entry, text, sizeof(text)));
        (void)tm__buf_printf(out,
                             "</span><span class=t><i style='width:%.2f%%'></i></span><span "
                             "class=n>",
                             100 * fmin(share, 1));
        tm__page_share(out, share);
        (void)tm__buf_text(out, "</span><span></span>");
    }
    if (any) {
        (void)tm__buf_text(out, "</div></div>");
    }
}

static void put_left_out(tm_buf *out, const json_t *report) {
    const json_t *left = json_object_get(report, "left_out"), *entry = NULL;
    size_t i = 0;
    if (json_array_size(left) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<div class=box style='margin-bottom:14px'><h3>What was left out, and "
                            "why</h3><table class=list><tbody>");
    json_array_foreach(left, i, entry) {
        if (i >= LEFT_MAX) {
            break;
        }
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, tm__json_text(entry, "column", ""));
        (void)tm__buf_text(out, "</td><td style='text-align:left;white-space:normal'>");
        tm__page_text(out, tm__json_text(entry, "reason", ""));
        (void)tm__buf_text(out, "</td></tr>");
    }
    (void)tm__buf_text(out, "</tbody></table>");
    if (json_array_size(left) > LEFT_MAX) {
        (void)tm__buf_printf(out, "<p class='dim small'>and %zu more</p>",
                             json_array_size(left) - LEFT_MAX);
    }
    (void)tm__buf_text(out, "</div>");
}

static void put_features(tm_buf *out, const json_t *report) {
    const json_t *program = json_object_get(report, "program"), *step = NULL;
    size_t i = 0;
    if (json_array_size(program) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<details class=box style='margin-bottom:14px'><summary>What was made "
                            "of each column</summary><table class=list><thead><tr><th scope=col>"
                            "column</th><th scope=col>becomes</th><th scope=col>why</th></tr>"
                            "</thead><tbody>");
    json_array_foreach(program, i, step) {
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, tm__json_text(step, "input", ""));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_text(out, tm__json_text(step, "step", ""));
        (void)tm__buf_text(out, "</td><td style='text-align:left;white-space:normal'>");
        tm__page_text(out, tm__json_text(step, "reason", ""));
        (void)tm__buf_text(out, "</td></tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></details>");
}

static void put_fact(tm_buf *out, const char *name, const char *text) {
    if (text[0] != '\0') {
        (void)tm__buf_printf(out, "<div class=wide><dt>%s</dt><dd><code>", name);
        tm__page_text(out, text);
        (void)tm__buf_text(out, "</code></dd></div>");
    }
}

static void put_origin(tm_buf *out, const json_t *report) {
    const json_t *recipe = json_object_get(report, "recipe");
    const json_t *source = json_object_get(recipe, "source");
    char text[64];
    (void)tm__buf_text(out, "<div class=box><h3>Where it is from</h3><dl class=facts "
                            "style='margin-top:8px'>");
    put_fact(out, "bundle", tm__json_text(report, "bundle_hash", ""));
    put_fact(out, "rows it learned from (snapshot)", tm__json_text(report, "snapshot", ""));
    put_fact(out, "test rows (snapshot)", tm__json_text(report, "test_snapshot", ""));
    put_fact(out, "file", tm__json_text(source, "path", ""));
    put_fact(out, "source", tm__json_text(source, "source", ""));
    put_fact(out, "query", tm__json_text(source, "sql", ""));
    put_fact(out, "split", tm__json_text(recipe, "split", ""));
    put_fact(out, "created", tm__json_text(report, "created", ""));
    (void)snprintf(text, sizeof(text), "%lld", (long long)tm__json_i64(report, "seed", 0));
    put_fact(out, "seed", text);
    (void)tm__buf_text(out, "</dl></div>");
}

void tm__report_put_made(tm_buf *out, const json_t *report) {
    (void)tm__buf_text(out, "<h2 id=made>How it was made</h2>");
    put_rounds(out, report);
    put_trials(out, report);
    put_members(out, report);
    put_left_out(out, report);
    put_features(out, report);
    put_origin(out, report);
}
