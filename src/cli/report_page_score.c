/* SPDX-License-Identifier: Apache-2.0 */
/* Plots of how good a model is: of two classes, of several, of numbers, of rankings. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/report_page_priv.h"

static void open_box(tm_buf *out, const char *title) {
    (void)tm__buf_printf(out, "<div class=box><h3>%s</h3>", title);
}

static void close_box(tm_buf *out) {
    (void)tm__buf_text(out, "</div>");
}

/* --- two classes --- */

static void put_roc(tm_buf *out, const json_t *roc) {
    const json_t *xs = json_object_get(roc, "false_positive_rate");
    const json_t *ys = json_object_get(roc, "true_positive_rate");
    const tm_plot plot = {.out = out,
                          .x_high = 1,
                          .y_high = 1,
                          .is_share_x = true,
                          .is_share_y = true,
                          .x_title = "of the negative rows, called positive",
                          .y_title = "of the positive rows"};
    char caption[160];
    (void)snprintf(caption, sizeof(caption),
                   "area %.4f: the chance that a positive row scores above a negative one; the "
                   "dashed line is chance",
                   tm__json_f64(roc, "area", 0));
    open_box(out, "ROC");
    tm__plot_begin(&plot, "ROC curve", caption);
    tm__plot_segment(&plot, "m", 0, 0, 1, 1);
    tm__plot_line(&plot, "f", xs, ys);
    tm__plot_end(&plot, caption);
    tm__plot_table(out, 2, (const char *const[]){"false positive rate", "true positive rate"},
                   (const json_t *const[]){xs, ys});
    close_box(out);
}

static void put_precision(tm_buf *out, const json_t *curve) {
    const json_t *xs = json_object_get(curve, "recall");
    const json_t *ys = json_object_get(curve, "precision");
    const double share = tm__json_f64(curve, "share_of_positives", 0);
    const tm_plot plot = {.out = out,
                          .x_high = 1,
                          .y_high = 1,
                          .is_share_x = true,
                          .is_share_y = true,
                          .x_title = "of the positive rows, found (recall)",
                          .y_title = "right calls (precision)"};
    char caption[160];
    (void)snprintf(caption, sizeof(caption),
                   "area %.4f (average precision); the dashed line is the share of positive rows, "
                   "%.3g",
                   tm__json_f64(curve, "area", 0), share);
    open_box(out, "Precision and recall");
    tm__plot_begin(&plot, "precision against recall", caption);
    tm__plot_segment(&plot, "m", 0, share, 1, share);
    tm__plot_line(&plot, "f", xs, ys);
    tm__plot_end(&plot, caption);
    tm__plot_table(out, 2, (const char *const[]){"recall", "precision"},
                   (const json_t *const[]){xs, ys});
    close_box(out);
}

static void put_calibration(tm_buf *out, const json_t *list, const char *caption) {
    json_t *xs = tm__plot_column(list, "prediction"), *ys = tm__plot_column(list, "share");
    json_t *lows = tm__plot_column(list, "low"), *highs = tm__plot_column(list, "high");
    json_t *rows = tm__plot_column(list, "rows");
    double most = 0, low = 0;
    tm__plot_widen(xs, &low, &most);
    tm__plot_widen(highs, &low, &most);
    const double high = fmin(1, most * 1.05 + 1e-9);
    const tm_plot plot = {.out = out,
                          .x_high = high,
                          .y_high = high,
                          .is_share_x = true,
                          .is_share_y = true,
                          .x_title = "probability that was said",
                          .y_title = "share that came true"};
    open_box(out, "Calibration");
    tm__plot_begin(&plot, "calibration: what was said against what came true", caption);
    tm__plot_segment(&plot, "m", 0, 0, high, high);
    for (size_t i = 0; i < json_array_size(xs); i++) {
        char text[128];
        const double x = tm__plot_at(xs, i), y = tm__plot_at(ys, i);
        (void)snprintf(text, sizeof(text), "said %.3g, true %.3g of %.0f rows", x, y,
                       tm__plot_at(rows, i));
        tm__plot_segment(&plot, "e", x, tm__plot_at(lows, i), x, tm__plot_at(highs, i));
        tm__plot_dot(&plot, "b", x, y, text);
    }
    tm__plot_line(&plot, "f", xs, ys);
    tm__plot_end(&plot, caption);
    tm__plot_table(out, 5, (const char *const[]){"said", "came true", "from", "to", "rows"},
                   (const json_t *const[]){xs, ys, lows, highs, rows});
    close_box(out);
    json_decref(xs);
    json_decref(ys);
    json_decref(lows);
    json_decref(highs);
    json_decref(rows);
}

/* Two rows of bars of the same scale: positive rows up, negative ones down. */
static void put_answers(tm_buf *out, const json_t *report, const json_t *answers) {
    const json_t *bounds = json_object_get(answers, "bounds");
    const json_t *sides[] = {json_object_get(answers, "negative"),
                             json_object_get(answers, "positive")};
    double most[2] = {1, 1}, none = 0;
    tm__plot_widen(sides[0], &none, &most[0]);
    tm__plot_widen(sides[1], &none, &most[1]);
    const double threshold = tm__json_f64(json_object_get(report, "threshold"), "value", tm__nan());
    const tm_plot plot = {.out = out,
                          .x_high = 1,
                          .y_low = -1.05,
                          .y_high = 1.05,
                          .is_share_x = true,
                          .x_title = "probability",
                          .has_no_y = true};
    open_box(out, "Answers of both classes");
    tm__plot_begin(&plot, "how answers are spread", "rows of both classes by their probability");
    for (size_t i = 0; i + 1 < json_array_size(bounds); i++) {
        for (int side = 0; side < 2; side++) {
            const double n = tm__plot_at(sides[side], i);
            char text[96];
            (void)snprintf(text, sizeof(text), "%.2f to %.2f: %.0f rows", tm__plot_at(bounds, i),
                           tm__plot_at(bounds, i + 1), n);
            if (n > 0) {
                tm__plot_bar(&plot, side == 1 ? "b" : "r", tm__plot_at(bounds, i),
                             tm__plot_at(bounds, i + 1), 0, (side == 1 ? 1 : -1) * n / most[side],
                             text);
            }
        }
    }
    if (isfinite(threshold)) {
        tm__plot_segment(&plot, "m", threshold, -1.05, threshold, 1.05);
    }
    tm__plot_end(&plot, "positive rows above, negative ones below, each as parts of its longest "
                        "bar; the dashed line is the threshold");
    tm__plot_table(out, 3, (const char *const[]){"from", "negative rows", "positive rows"},
                   (const json_t *const[]){bounds, sides[0], sides[1]});
    close_box(out);
}

static void put_cell(tm_buf *out, const json_t *confusion, const char *member, bool is_right,
                     double all) {
    const double n = tm__json_f64(confusion, member, 0);
    (void)tm__buf_printf(out,
                         "<td style='background:color-mix(in srgb,var(%s) %.0f%%,transparent)'>",
                         is_right ? "--high" : "--low", all > 0 ? 70 * n / all : 0);
    tm__page_count(out, (int64_t)n);
    (void)tm__buf_text(out, "</td>");
}

static void put_confusion(tm_buf *out, const json_t *report, const json_t *confusion) {
    const char *positive = tm__json_text(report, "positive", "");
    const json_t *classes = json_object_get(report, "classes");
    const char *negative = json_string_value(json_array_get(classes, 0));
    const double hits = tm__json_f64(confusion, "true_positives", 0);
    const double missed = tm__json_f64(confusion, "false_negatives", 0);
    const double wrong = tm__json_f64(confusion, "false_positives", 0);
    const double clear = tm__json_f64(confusion, "true_negatives", 0);
    open_box(out, "At the threshold");
    (void)tm__buf_printf(out,
                         "<p class='dim small'>called positive from %.4g on</p><table><thead>"
                         "<tr><td></td><th scope=col>called ",
                         tm__json_f64(confusion, "threshold", 0.5));
    tm__page_text(out, positive);
    (void)tm__buf_text(out, "</th><th scope=col>called ");
    tm__page_text(out, negative != NULL ? negative : "");
    (void)tm__buf_text(out, "</th></tr></thead><tbody><tr><th scope=row>is ");
    tm__page_text(out, positive);
    (void)tm__buf_text(out, "</th>");
    put_cell(out, confusion, "true_positives", true, hits + missed);
    put_cell(out, confusion, "false_negatives", false, hits + missed);
    (void)tm__buf_text(out, "</tr><tr><th scope=row>is ");
    tm__page_text(out, negative != NULL ? negative : "");
    (void)tm__buf_text(out, "</th>");
    put_cell(out, confusion, "false_positives", false, wrong + clear);
    put_cell(out, confusion, "true_negatives", true, wrong + clear);
    (void)tm__buf_text(out, "</tr></tbody></table>");
}

/* Other thresholds, by the share of rows that they call. */
static void put_called(tm_buf *out, const json_t *list) {
    const json_t *entry = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<p class='dim small' style='margin-top:14px'>If the surest rows are "
                            "called positive:</p><table class=list><thead><tr><th scope=col>of all "
                            "rows</th><th scope=col>threshold</th><th scope=col>right calls</th>"
                            "<th scope=col>of the positive, found</th></tr></thead><tbody>");
    json_array_foreach(list, i, entry) {
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_share(out, tm__json_f64(entry, "share", 0));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_number(out, tm__json_f64(entry, "threshold", 0));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_share(out, tm__json_f64(entry, "precision", 0));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_share(out, tm__json_f64(entry, "recall", 0));
        (void)tm__buf_text(out, "</td></tr>");
    }
    (void)tm__buf_text(out, "</tbody></table>");
    close_box(out);
}

static void put_binary(tm_buf *out, const json_t *report) {
    const json_t *curves = json_object_get(report, "curves");
    (void)tm__buf_text(out, "<div class=two>");
    if (json_is_object(json_object_get(curves, "roc"))) {
        put_roc(out, json_object_get(curves, "roc"));
        put_precision(out, json_object_get(curves, "precision_recall"));
    }
    put_calibration(out, json_object_get(curves, "calibration"),
                    "ten parts of equal rows, with 95 % intervals; on the dashed line it comes "
                    "true as often as it says");
    put_answers(out, report, json_object_get(curves, "answers"));
    put_confusion(out, report, json_object_get(curves, "confusion"));
    put_called(out, json_object_get(curves, "called"));
    (void)tm__buf_text(out, "</div>");
}

/* --- several classes --- */

static void put_matrix(tm_buf *out, const json_t *classes, const json_t *counts) {
    const size_t n = json_array_size(classes);
    (void)tm__buf_text(out, "<div class=box><h3>Which is taken for which</h3><p class='dim small'>"
                            "a row is what it is, a column what it is called</p><table><thead><tr>"
                            "<td></td>");
    for (size_t k = 0; k < n; k++) {
        const char *name = json_string_value(json_array_get(classes, k));
        (void)tm__buf_text(out, "<th scope=col title='");
        tm__page_text(out, name != NULL ? name : "");
        (void)tm__buf_text(out, "'>");
        tm__page_text(out, name != NULL ? name : "");
        (void)tm__buf_text(out, "</th>");
    }
    (void)tm__buf_text(out, "</tr></thead><tbody>");
    for (size_t k = 0; k < n; k++) {
        const json_t *row = json_array_get(counts, k);
        const char *name = json_string_value(json_array_get(classes, k));
        double all = 0;
        for (size_t j = 0; j < n; j++) {
            all += tm__plot_at(row, j);
        }
        (void)tm__buf_text(out, "<tr><th scope=row>");
        tm__page_text(out, name != NULL ? name : "");
        (void)tm__buf_text(out, "</th>");
        for (size_t j = 0; j < n; j++) {
            const double count = tm__plot_at(row, j);
            (void)tm__buf_printf(
                out, "<td style='background:color-mix(in srgb,var(%s) %.0f%%,transparent)'>",
                j == k ? "--high" : "--low", all > 0 ? 80 * count / all : 0);
            tm__page_count(out, (int64_t)count);
            (void)tm__buf_text(out, "</td>");
        }
        (void)tm__buf_text(out, "</tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}

static void put_by_class(tm_buf *out, const json_t *list) {
    static const char *const members[] = {"precision", "recall", "f1"};
    const json_t *entry = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<div class=box><h3>Each class</h3><table class=list><thead><tr>"
                            "<th scope=col>class</th><th scope=col>rows</th><th scope=col>right "
                            "calls</th><th scope=col>found</th><th scope=col>F1</th><th scope=col>"
                            "AUC against the others</th></tr></thead><tbody>");
    json_array_foreach(list, i, entry) {
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, tm__json_text(entry, "class", ""));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_count(out, tm__json_i64(entry, "rows", 0));
        for (size_t k = 0; k < 3; k++) {
            (void)tm__buf_text(out, "</td><td>");
            tm__page_share(out, tm__json_f64(entry, members[k], 0));
        }
        (void)tm__buf_text(out, "</td><td>");
        tm__page_number(out, tm__json_f64(entry, "auc", tm__nan()));
        (void)tm__buf_text(out, "</td></tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}

static void put_classes(tm_buf *out, const json_t *report) {
    const json_t *confusion = json_object_get(report, "confusion");
    put_matrix(out, json_object_get(confusion, "classes"), json_object_get(confusion, "counts"));
    (void)tm__buf_text(out, "<div class=two style='margin-top:14px'>");
    put_by_class(out, json_object_get(confusion, "by_class"));
    put_calibration(out, json_object_get(confusion, "calibration"),
                    "of the class that is named: ten parts of equal rows, with 95 % intervals; on "
                    "the dashed line it is right as often as it says");
    (void)tm__buf_text(out, "</div>");
}

/* --- numbers --- */

static void put_histogram(tm_buf *out, const char *title, const json_t *histogram,
                          const char *x_title, const char *y_title, const char *caption) {
    const json_t *bounds = json_object_get(histogram, "bounds");
    const json_t *counts = json_object_get(histogram, "counts");
    const size_t n = json_array_size(counts);
    double most = 1, none = 0;
    tm__plot_widen(counts, &none, &most);
    const tm_plot plot = {.out = out,
                          .x_low = tm__plot_at(bounds, 0),
                          .x_high = tm__plot_at(bounds, n),
                          .y_high = most * 1.05,
                          .x_title = x_title,
                          .y_title = y_title};
    open_box(out, title);
    tm__plot_begin(&plot, title, caption);
    for (size_t i = 0; i < n; i++) {
        char text[96];
        (void)snprintf(text, sizeof(text), "%.4g to %.4g: %.0f", tm__plot_at(bounds, i),
                       tm__plot_at(bounds, i + 1), tm__plot_at(counts, i));
        if (plot.x_high > plot.x_low) {
            tm__plot_bar(&plot, "b", tm__plot_at(bounds, i), tm__plot_at(bounds, i + 1), 0,
                         tm__plot_at(counts, i), text);
        }
    }
    tm__plot_end(&plot, caption);
    tm__plot_table(out, 2, (const char *const[]){"from", "rows"},
                   (const json_t *const[]){bounds, counts});
    close_box(out);
}

/* What is said against what is true, or against how far off it is. */
static void put_by_answer(tm_buf *out, const json_t *list, bool is_error) {
    json_t *xs = tm__plot_column(list, "prediction");
    json_t *ys = tm__plot_column(list, is_error ? "median" : "actual");
    json_t *lows = tm__plot_column(list, "low"), *highs = tm__plot_column(list, "high");
    json_t *rows = tm__plot_column(list, "rows");
    double x_low = INFINITY, x_high = -INFINITY, y_low = INFINITY, y_high = -INFINITY;
    tm__plot_widen(xs, &x_low, &x_high);
    tm__plot_widen(ys, &y_low, &y_high);
    if (is_error) {
        y_low = fmin(y_low, 0);
        y_high = fmax(y_high, 0);
        tm__plot_widen(lows, &y_low, &y_high);
        tm__plot_widen(highs, &y_low, &y_high);
    } else {
        x_low = y_low = fmin(x_low, y_low);
        x_high = y_high = fmax(x_high, y_high);
    }
    const double room = 0.05 * (y_high - y_low), side = 0.03 * (x_high - x_low);
    const tm_plot plot = {.out = out,
                          .x_low = x_low - side,
                          .x_high = x_high + side,
                          .y_low = y_low - room,
                          .y_high = y_high + room,
                          .x_title = "what it says",
                          .y_title = is_error ? "truth less answer" : "what is true, on average"};
    const char *caption =
        is_error ? "the line is the median error, the band has eight of ten rows; on zero it leans "
                   "to no side"
                 : "parts of equal rows; on the dashed line it is right on average";
    open_box(out, is_error ? "Errors by answer" : "Said and true");
    tm__plot_begin(&plot, is_error ? "errors against answers" : "truths against answers", caption);
    if (is_error) {
        tm__plot_band(&plot, xs, lows, highs);
        tm__plot_segment(&plot, "m", plot.x_low, 0, plot.x_high, 0);
    } else {
        tm__plot_segment(&plot, "m", x_low, x_low, x_high, x_high);
    }
    tm__plot_line(&plot, "f", xs, ys);
    for (size_t i = 0; i < json_array_size(xs); i++) {
        char text[96];
        (void)snprintf(text, sizeof(text), "said %.4g: %.4g of %.0f rows", tm__plot_at(xs, i),
                       tm__plot_at(ys, i), tm__plot_at(rows, i));
        tm__plot_dot(&plot, "b", tm__plot_at(xs, i), tm__plot_at(ys, i), text);
    }
    tm__plot_end(&plot, caption);
    if (is_error) {
        tm__plot_table(out, 5, (const char *const[]){"said", "median", "10 %", "90 %", "rows"},
                       (const json_t *const[]){xs, ys, lows, highs, rows});
    } else {
        tm__plot_table(out, 3, (const char *const[]){"said", "true", "rows"},
                       (const json_t *const[]){xs, ys, rows});
    }
    close_box(out);
    json_decref(xs);
    json_decref(ys);
    json_decref(lows);
    json_decref(highs);
    json_decref(rows);
}

static void put_values(tm_buf *out, const json_t *report) {
    const json_t *errors = json_object_get(report, "errors");
    (void)tm__buf_text(out, "<div class=two>");
    put_by_answer(out, json_object_get(errors, "by_answer"), false);
    put_by_answer(out, json_object_get(errors, "by_answer"), true);
    put_histogram(out, "How far off", json_object_get(errors, "residuals"), "truth less answer",
                  "rows", "between the first and the last hundredth of the errors");
    (void)tm__buf_text(out, "</div>");
}

/* --- rankings --- */

static void put_ranks(tm_buf *out, const json_t *report) {
    const json_t *ranks = json_object_get(report, "ranks");
    const json_t *list = json_object_get(ranks, "by_place");
    json_t *xs = tm__plot_column(list, "place"), *ys = tm__plot_column(list, "relevance");
    json_t *rows = tm__plot_column(list, "rows");
    double most = 0, none = 0;
    tm__plot_widen(ys, &none, &most);
    const tm_plot plot = {.out = out,
                          .x_low = 0.4,
                          .x_high = (double)json_array_size(list) + 0.6,
                          .y_high = most * 1.05,
                          .x_title = "place that it gives",
                          .y_title = "relevance on average"};
    (void)tm__buf_text(out, "<div class=two>");
    open_box(out, "What stands at each place");
    tm__plot_begin(&plot, "mean relevance by place", "a good order falls from left to right");
    for (size_t i = 0; i < json_array_size(xs); i++) {
        char text[96];
        (void)snprintf(text, sizeof(text), "place %.0f: %.4g", tm__plot_at(xs, i),
                       tm__plot_at(ys, i));
        tm__plot_bar(&plot, "b", tm__plot_at(xs, i) - 0.4, tm__plot_at(xs, i) + 0.4, 0,
                     tm__plot_at(ys, i), text);
    }
    tm__plot_end(&plot, "a good order falls from left to right");
    tm__plot_table(out, 3, (const char *const[]){"place", "relevance", "rows"},
                   (const json_t *const[]){xs, ys, rows});
    close_box(out);
    put_histogram(out, "Queries by their ndcg@10", json_object_get(ranks, "ndcg"), "ndcg@10",
                  "queries", "1 is the best possible order of a query");
    (void)tm__buf_text(out, "</div>");
    json_decref(xs);
    json_decref(ys);
    json_decref(rows);
}

/* Intervals of numbers, or sets of classes, and how often the truth lay within. */
static void put_intervals(tm_buf *out, const json_t *intervals) {
    const json_t *levels = json_object_get(intervals, "test"), *entry = NULL;
    const bool is_set = json_object_get(json_array_get(levels, 0), "classes") != NULL;
    size_t i = 0;
    if (json_array_size(levels) == 0) {
        return;
    }
    (void)tm__buf_printf(out,
                         "<div class=box style='margin:14px 0'><h3>%s and the truth</h3><table "
                         "class=list><thead><tr><th scope=col>asked for</th><th scope=col>held the "
                         "truth</th><th scope=col>95 %%</th><th scope=col>%s</th></tr></thead>"
                         "<tbody>",
                         is_set ? "Sets of classes" : "Intervals",
                         is_set ? "classes on average" : "width on average");
    json_array_foreach(levels, i, entry) {
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_share(out, tm__json_f64(entry, "level", 0));
        (void)tm__buf_printf(out, "</td><td>%.1f %%</td><td>%.1f %% to %.1f %%</td><td>",
                             100 * tm__json_f64(entry, "covered", 0),
                             100 * tm__json_f64(entry, "low", 0),
                             100 * tm__json_f64(entry, "high", 0));
        tm__page_number(out, tm__json_f64(entry, is_set ? "classes" : "width", tm__nan()));
        (void)tm__buf_text(out, "</td></tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}

void tm__report_put_curves(tm_buf *out, const json_t *report) {
    if (json_is_object(json_object_get(report, "curves"))) {
        put_binary(out, report);
    } else if (json_is_object(json_object_get(report, "confusion"))) {
        put_classes(out, report);
    } else if (json_is_object(json_object_get(report, "errors"))) {
        put_values(out, report);
    } else if (json_is_object(json_object_get(report, "ranks"))) {
        put_ranks(out, report);
    }
    put_intervals(out, json_object_get(report, "intervals"));
}
