/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a report of live scores: what stands out, the score along time with what may still
 * come and what is expected, labels as they come, groups, all scores.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "cli/monitor_report.h"
#include "cli/report_page_priv.h"
#include "cli/train_words.h"

static const json_t *windows_of(const json_t *report, const char *part) {
    return json_object_get(json_object_get(report, part), "windows");
}

/* ---- head ---- */

static void put_head(tm_buf *out, const json_t *report) {
    const json_t *coverage = json_object_get(report, "coverage");
    const char *metric = tm__json_text(report, "metric", "");
    const json_t *live =
        tm__monitor_score(json_object_get(json_object_get(report, "live"), "scores"), metric);
    const json_t *expected =
        tm__monitor_score(json_object_get(json_object_get(report, "estimated"), "scores"), metric);
    char text[160], name[160];
    (void)tm__buf_text(out, "<h1>");
    tm__page_text(out, tm__json_text(report, "model", ""));
    if (json_is_integer(json_object_get(report, "version"))) {
        (void)tm__buf_printf(out, " version %lld", (long long)tm__json_i64(report, "version", 0));
    }
    (void)tm__buf_text(out, "</h1><p class=dim>predicts <b>");
    tm__page_text(out, tm__json_text(report, "target", ""));
    (void)tm__buf_text(out, "</b>; how it fares, by its log, as of ");
    tm__page_text(out, tm__json_text(report, "now", ""));
    (void)tm__buf_text(
        out,
        "</p><nav class=small aria-label=Contents><a href=#found>What stands "
        "out</a><a href=#time>Along time</a><a href=#labels>Labels</a><a "
        "href=#bad>Where it is bad</a><a href=#drift>What moved</a><a href=#scores>Scores</a></nav>"
        "<dl class=tiles>");
    (void)snprintf(name, sizeof(name), "%s of labelled answers", metric);
    tm__page_tile_text(
        out, name,
        tm__report_number_text(tm__json_f64(live, "value", tm__nan()), text, sizeof(text)));
    (void)snprintf(name, sizeof(name), "%s in the test", metric);
    tm__page_tile_text(
        out, name,
        tm__report_number_text(tm__json_f64(json_object_get(report, "test"), metric, tm__nan()),
                               text, sizeof(text)));
    if (expected != NULL) {
        (void)snprintf(name, sizeof(name), "%s expected of all", metric);
        tm__page_tile_text(
            out, name,
            tm__report_number_text(tm__json_f64(expected, "value", 0), text, sizeof(text)));
    }
    tm__page_tile(out, "answers", tm__json_i64(coverage, "answers", 0));
    tm__page_tile_share(out, "of them with a label", tm__json_f64(coverage, "share", 0));
    (void)tm__buf_text(out, "</dl>");
}

static void put_findings(tm_buf *out, const json_t *report) {
    const json_t *findings = json_object_get(report, "findings"), *entry = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<h2 id=found>What stands out</h2><ul class=find>");
    json_array_foreach(findings, i, entry) {
        const char *level = tm__json_text(entry, "level", "");
        (void)tm__buf_text(out, strcmp(level, "bad") == 0    ? "<li class=bad>"
                                : strcmp(level, "warn") == 0 ? "<li>"
                                                             : "<li class=plain>");
        tm__page_text(out, tm__json_text(entry, "text", ""));
        (void)tm__buf_text(out, "</li>");
    }
    (void)tm__buf_text(out, "</ul>");
}

/* ---- along time ---- */

/* Columns of a score by window, each an array of numbers and nulls. */
typedef struct series {
    json_t *at; /* 0.5, 1.5, ...: the middles */
    json_t *from, *value, *low, *high, *worst, *best, *expected;
} series;

static void series_done(series *s) {
    json_t *const all[] = {s->at,   s->from,  s->value, s->low,
                           s->high, s->worst, s->best,  s->expected};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        json_decref(all[i]);
    }
}

static void add(json_t *list, const json_t *entry, const char *name) {
    json_array_append_new(list, tm__json_number(tm__json_f64(entry, name, tm__nan())));
}

static series series_of(const json_t *report, const char *metric) {
    const json_t *live = windows_of(report, "live"), *estimated = windows_of(report, "estimated");
    series s = {json_array(), json_array(), json_array(), json_array(),
                json_array(), json_array(), json_array(), json_array()};
    for (size_t i = 0; i < json_array_size(live); i++) {
        const json_t *window = json_array_get(live, i), *other = json_array_get(estimated, i);
        const json_t *entry = tm__monitor_score(json_object_get(window, "scores"), metric);
        char from[20];
        (void)snprintf(from, sizeof(from), "%.16s", tm__json_text(window, "from", ""));
        json_array_append_new(s.at, json_real((double)i + 0.5));
        json_array_append_new(s.from, json_string(from));
        add(s.value, entry, "value");
        add(s.low, entry, "low");
        add(s.high, entry, "high");
        add(s.worst, entry, "worst");
        add(s.best, entry, "best");
        add(s.expected, tm__monitor_score(json_object_get(other, "scores"), metric), "value");
    }
    return s;
}

/* Dates under the first and the last window. */
static void put_dates(const tm_plot *plot, const json_t *froms) {
    const size_t n = json_array_size(froms);
    if (n > 0) {
        tm__plot_text_x(plot, 0, "start", json_string_value(json_array_get(froms, 0)));
    }
    if (n > 1) {
        tm__plot_text_x(plot, (double)n, "end", json_string_value(json_array_get(froms, n - 1)));
    }
}

static void put_lines(const tm_plot *plot, const series *s, double test) {
    const double n = plot->x_high;
    if (isfinite(test)) {
        tm__plot_segment(plot, "m", 0, test, n, test);
    }
    for (size_t i = 0; i < json_array_size(s->at); i++) {
        const double x = (double)i + 0.5, value = tm__plot_at(s->value, i);
        const double low = tm__plot_at(s->low, i), high = tm__plot_at(s->high, i);
        char text[160], number[40];
        if (isfinite(low) && isfinite(high)) {
            tm__plot_segment(plot, "e", x, low, x, high);
        }
        if (isfinite(value)) {
            (void)snprintf(text, sizeof(text), "%s: %s",
                           json_string_value(json_array_get(s->from, i)),
                           tm__report_number_text(value, number, sizeof(number)));
            tm__plot_dot(plot, "b", x, value, text);
        }
    }
    tm__plot_line(plot, "f", s->at, s->value);
    tm__plot_line(plot, "dash", s->at, s->expected);
}

static void put_score_plot(tm_buf *out, const json_t *report, const char *metric) {
    series s = series_of(report, metric);
    const double test = tm__json_f64(json_object_get(report, "test"), metric, tm__nan());
    double low = INFINITY, high = -INFINITY;
    const json_t *const shown[] = {s.value, s.low, s.high, s.expected};
    for (size_t i = 0; i < 4; i++) {
        tm__plot_widen(shown[i], &low, &high);
    }
    if (isfinite(low)) {
        low = isfinite(test) ? fmin(low, test) : low;
        high = isfinite(test) ? fmax(high, test) : high;
        const double margin = high > low ? 0.05 * (high - low) : 0.5 * fabs(high) + 1e-9;
        const char *titles[] = {"from", "live", "low", "high", "worst", "best", "expected"};
        const json_t *const columns[] = {s.from,  s.value, s.low,     s.high,
                                         s.worst, s.best,  s.expected};
        const tm_plot plot = {.out = out,
                              .x_high = (double)json_array_size(s.at),
                              .y_low = low - margin,
                              .y_high = high + margin,
                              .y_title = metric,
                              .has_no_x = true};
        (void)tm__buf_text(out, "<div class=box><h3>");
        tm__page_text(out, metric);
        (void)tm__buf_text(out, "</h3>");
        tm__plot_begin(&plot, metric,
                       "The score of labelled answers by window, with its interval; "
                       "what the answers alone let expect; the score in the test.");
        put_dates(&plot, s.from);
        put_lines(&plot, &s, test);
        tm__plot_end(&plot, "line: labelled answers, with 95 %; dashes: expected of all answers, "
                            "before labels; dotted: in the test");
        tm__plot_table(out, 7, titles, columns);
        (void)tm__buf_text(out, "</div>");
    }
    series_done(&s);
}

static void put_time(tm_buf *out, const json_t *report) {
    const json_t *scores = json_object_get(json_object_get(report, "live"), "scores");
    const char *metric = tm__json_text(report, "metric", "");
    char width[32];
    (void)tm__buf_text(out, "<h2 id=time>Along time</h2>");
    if (json_array_size(windows_of(report, "live")) == 0) {
        (void)tm__buf_text(out, "<p class=dim>There is no answer in this time.</p>");
        return;
    }
    (void)tm__buf_text(out, "<p class='dim small'>windows of ");
    tm__page_text(out, tm__span_text(tm__json_f64(report, "window_seconds", 0), width));
    (void)tm__buf_text(out, strcmp(tm__json_text(report, "clock", ""), "row") == 0
                                ? ", by the times of the rows"
                                : ", by when they were answered");
    (void)tm__buf_text(out, "</p><div class=two>");
    put_score_plot(out, report, metric);
    for (size_t i = 0; i < json_array_size(scores); i++) {
        const char *name = tm__json_text(json_array_get(scores, i), "score", "");
        if (strcmp(name, metric) != 0 &&
            (strcmp(name, "auc") == 0 || strcmp(name, "accuracy") == 0 ||
             strcmp(name, "mae") == 0)) {
            put_score_plot(out, report, name);
        }
    }
    (void)tm__buf_text(out, "</div>");
}

/* ---- labels ---- */

static void put_coverage_plot(tm_buf *out, const json_t *report) {
    const json_t *windows = windows_of(report, "live");
    json_t *from = tm__plot_column(windows, "from"), *answers = tm__plot_column(windows, "answers");
    json_t *labelled = tm__plot_column(windows, "labelled");
    double low = 0, high = 1;
    tm__plot_widen(answers, &low, &high);
    const tm_plot plot = {.out = out,
                          .x_high = (double)json_array_size(windows),
                          .y_high = high,
                          .y_title = "answers",
                          .has_no_x = true};
    const char *titles[] = {"from", "answers", "with a label"};
    const json_t *const columns[] = {from, answers, labelled};
    (void)tm__buf_text(out, "<div class=box><h3>Answers, and those with a label</h3>");
    tm__plot_begin(&plot, "Answers by window",
                   "Bars of the answers of each window, and in them of "
                   "those that have a label.");
    put_dates(&plot, from);
    for (size_t i = 0; i < json_array_size(windows); i++) {
        const double x = (double)i, n = tm__plot_at(answers, i), m = tm__plot_at(labelled, i);
        char text[96];
        (void)snprintf(text, sizeof(text), "%.16s: %.0f of %.0f have a label",
                       json_string_value(json_array_get(from, i)), m, n);
        tm__plot_bar(&plot, "s", x, x + 1, 0, n, text);
        tm__plot_bar(&plot, "b", x, x + 1, 0, m, text);
    }
    tm__plot_end(&plot, "dark: with a label");
    tm__plot_table(out, 3, titles, columns);
    (void)tm__buf_text(out, "</div>");
    json_decref(from);
    json_decref(answers);
    json_decref(labelled);
}

static void put_labels(tm_buf *out, const json_t *report) {
    const json_t *coverage = json_object_get(report, "coverage");
    if (json_array_size(windows_of(report, "live")) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<h2 id=labels>Labels</h2><div class=two>");
    put_coverage_plot(out, report);
    if (tm__json_i64(coverage, "labelled", 0) > 0) {
        (void)tm__buf_text(out, "<div class=box><h3>How long they take</h3>");
        tm__page_arrival(out, coverage);
        (void)tm__buf_text(out, "</div>");
    }
    (void)tm__buf_text(out, "</div>");
}

/* ---- all scores ---- */

static void put_cell(tm_buf *out, double value) {
    (void)tm__buf_text(out, "<td>");
    tm__page_number(out, value);
    (void)tm__buf_text(out, "</td>");
}

static void put_scores(tm_buf *out, const json_t *report) {
    static const char *const members[] = {"value", "low", "high", "worst", "best"};
    const json_t *scores = json_object_get(json_object_get(report, "live"), "scores"),
                 *entry = NULL;
    const json_t *estimated = json_object_get(report, "estimated"), *text = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<h2 id=scores>Scores</h2><div class=box><table class=list><thead><tr>"
                            "<th scope=col>score</th><th scope=col>test</th><th scope=col>live"
                            "</th><th scope=col>low</th><th scope=col>high</th><th scope=col>worst "
                            "that may come</th><th scope=col>best</th><th scope=col>expected</th>"
                            "<th scope=col>of labelled</th></tr></thead><tbody>");
    json_array_foreach(scores, i, entry) {
        const char *name = tm__json_text(entry, "score", "");
        const json_t *expected = tm__monitor_score(json_object_get(estimated, "scores"), name);
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, name);
        (void)tm__buf_text(out, "</td>");
        put_cell(out, tm__json_f64(json_object_get(report, "test"), name, tm__nan()));
        for (size_t k = 0; k < 5; k++) {
            put_cell(out, tm__json_f64(entry, members[k], tm__nan()));
        }
        put_cell(out, tm__json_f64(expected, "value", tm__nan()));
        put_cell(out, tm__json_f64(expected, "of_labelled", tm__nan()));
        (void)tm__buf_text(out, "</tr>");
    }
    (void)tm__buf_text(out, "</tbody></table><p class='dim small' style='margin-top:8px'>Low and "
                            "high: 95 %, rows drawn one by one. Worst and best: what the labels "
                            "that are missing may still make of it. What is expected holds when ");
    json_array_foreach(json_object_get(estimated, "assumes"), i, text) {
        tm__page_text(out, i > 0 ? "; " : "");
        tm__page_text(out, json_string_value(text));
    }
    (void)tm__buf_text(out, ".</p></div>");
}

static void put_groups(tm_buf *out, const json_t *report) {
    json_t *slices = json_object_get(json_object_get(report, "live"), "slices");
    if (!json_is_object(slices)) {
        (void)tm__buf_text(out, "<h2 id=bad>Where it is bad</h2><p class=dim>Groups of rows are "
                                "looked at when answers have labels; not for rankings.</p>");
        return;
    }
    json_t *weak = json_pack("{s:O}", "weak", slices);
    tm__report_put_weak(out, weak);
    json_decref(weak);
}

static void put_drift(tm_buf *out, const json_t *report) {
    const json_t *columns = json_object_get(report, "drift"), *column = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<h2 id=drift>What moved</h2>");
    if (json_array_size(columns) == 0) {
        (void)tm__buf_text(out, "<p class=dim>Nothing was counted yet, or the version has no "
                                "reference to hold columns against.</p>");
        return;
    }
    (void)tm__buf_text(out, "<div class=box><table class=list><thead><tr><th scope=col>column</th>"
                            "<th scope=col>moved</th><th scope=col>importance</th><th scope=col>"
                            "psi</th><th scope=col>evidence</th><th scope=col>of needed</th><th "
                            "scope=col>loss expected</th></tr></thead><tbody>");
    json_array_foreach(columns, i, column) {
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, tm__json_text(column, "column", "(answers)"));
        (void)tm__buf_text(out, tm__json_bool(column, "moved", false) ? "</td><td>yes</td>"
                                                                      : "</td><td>no</td>");
        put_cell(out, tm__json_f64(column, "importance", tm__nan()));
        put_cell(out, tm__json_f64(column, "psi", tm__nan()));
        put_cell(out, tm__json_f64(column, "evidence", tm__nan()));
        put_cell(out, tm__json_f64(column, "evidence_needed", tm__nan()));
        put_cell(out, tm__json_f64(json_object_get(column, "cost"), "expected", tm__nan()));
        (void)tm__buf_text(out, "</tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}

void tm__monitor_page(const json_t *report, tm_buf *out) {
    char title[200];
    (void)snprintf(title, sizeof(title), "%.128s", tm__json_text(report, "model", ""));
    tm__page_begin(out, title, "monitor");
    put_head(out, report);
    put_findings(out, report);
    put_time(out, report);
    put_labels(out, report);
    put_groups(out, report);
    put_drift(out, report);
    put_scores(out, report);
    (void)tm__buf_text(out, "<footer>No single row is shown: groups have several.</footer>");
    tm__page_end(out);
}
