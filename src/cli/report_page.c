/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a version, in the order in which people ask: what it predicts, how good it is, where
 * it is bad, why, how it was made.
 */
#include "cli/report_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/str.h"
#include "cli/report_page_priv.h"

static void put_tiles(tm_buf *out, const json_t *report) {
    const json_t *rows = json_object_get(report, "rows");
    const json_t *entry = tm__report_score(report, NULL);
    char text[64], name[160];
    (void)tm__buf_text(out, "<dl class=tiles>");
    tm__page_tile_text(out, "verdict", tm__report_verdict(report));
    if (entry != NULL) {
        (void)snprintf(name, sizeof(name), "%s (%s is better)", tm__json_text(entry, "score", ""),
                       tm__json_bool(entry, "smaller_is_better", false) ? "less" : "more");
        tm__page_tile_text(
            out, name, tm__report_number_text(tm__json_f64(entry, "value", 0), text, sizeof(text)));
    }
    if (json_is_number(json_object_get(entry, "baseline"))) {
        tm__page_tile_text(
            out, "of a constant answer",
            tm__report_number_text(tm__json_f64(entry, "baseline", 0), text, sizeof(text)));
    }
    tm__page_tile(out, "rows it learned from", tm__json_i64(rows, "learned_from", 0));
    tm__page_tile(out, "rows it is tested on", tm__json_i64(rows, "rows", 0));
    (void)snprintf(text, sizeof(text), "%.3g us",
                   tm__json_f64(json_object_get(report, "latency"), "p50_us", 0));
    tm__page_tile_text(out, "one row takes", text);
    tm__page_tile_text(
        out, "its file",
        tm__bytes_text((uint64_t)tm__json_i64(report, "bytes", 0), text, sizeof(text)));
    (void)tm__buf_text(out, "</dl>");
}

static void put_head(tm_buf *out, const json_t *report) {
    const json_t *rows = json_object_get(report, "rows"), *sentence = NULL;
    const bool is_test = strcmp(tm__json_text(rows, "from", ""), "test") == 0;
    json_t *sentences = tm__report_sentences(report);
    size_t i = 0;
    (void)tm__buf_text(out, "<h1>");
    tm__page_text(out, tm__json_text(report, "model", ""));
    (void)tm__buf_printf(out, " version %lld</h1><p class=dim>predicts <b>",
                         (long long)tm__json_i64(report, "version", 0));
    tm__page_text(out, tm__json_text(report, "target", ""));
    (void)tm__buf_text(out, "</b> (");
    tm__page_text(out, tm__json_text(report, "task", ""));
    (void)tm__buf_printf(out, ") from %lld columns; looked at on ",
                         (long long)tm__json_i64(report, "columns", 0));
    if (is_test) {
        (void)tm__buf_text(out, "test rows that it never learned from (");
        tm__page_text(out, tm__json_text(json_object_get(report, "split"), "reason", ""));
        (void)tm__buf_text(out, ")");
    } else {
        (void)tm__buf_text(out, "rows that were given");
    }
    (void)tm__buf_text(out, "</p><nav class=small aria-label=Contents><a href=#good>How good</a>"
                            "<a href=#bad>Where it is bad</a>");
    if (json_is_object(json_object_get(report, "fairness"))) {
        (void)tm__buf_text(out, "<a href=#fair>Groups</a>");
    }
    (void)tm__buf_text(out, "<a href=#why>Why</a><a href=#made>How it was made</a></nav>");
    put_tiles(out, report);
    (void)tm__buf_text(out, "<h2>In plain words</h2><ul class=say>");
    json_array_foreach(sentences, i, sentence) {
        (void)tm__buf_text(out, "<li>");
        tm__page_text(out, json_string_value(sentence));
        (void)tm__buf_text(out, "</li>");
    }
    (void)tm__buf_text(out, "</ul>");
    json_decref(sentences);
}

/* --- the table of scores --- */

static void put_number_cell(tm_buf *out, const json_t *value) {
    (void)tm__buf_text(out, "<td>");
    if (json_is_number(value)) {
        tm__page_number(out, json_number_value(value));
    } else {
        (void)tm__buf_text(out, "&ndash;");
    }
    (void)tm__buf_text(out, "</td>");
}

static void put_gain(tm_buf *out, const json_t *gain) {
    char text[128];
    const double low = tm__json_f64(gain, "low", 0), high = tm__json_f64(gain, "high", 0);
    (void)tm__buf_printf(out, "<td class='%s'>", low > 0 ? "good" : high < 0 ? "bad" : "");
    tm__page_text(out,
                  json_is_object(gain) ? tm__report_interval_text(gain, text, sizeof(text)) : "-");
    (void)tm__buf_text(out, "</td>");
}

static void put_score(tm_buf *out, const json_t *entry, bool has_baseline, bool has_other,
                      bool is_deciding) {
    char low[40], high[40];
    (void)tm__buf_printf(out, "<tr><td>%s", is_deciding ? "<b>" : "");
    tm__page_text(out, tm__json_text(entry, "score", ""));
    (void)tm__buf_printf(out, "%s <span class='dim small'>%s is better</span></td>",
                         is_deciding ? "</b>" : "",
                         tm__json_bool(entry, "smaller_is_better", false) ? "less" : "more");
    put_number_cell(out, json_object_get(entry, "value"));
    if (json_is_number(json_object_get(entry, "low"))) {
        (void)tm__buf_text(out, "<td>");
        tm__page_text(out, tm__report_number_text(tm__json_f64(entry, "low", 0), low, sizeof(low)));
        (void)tm__buf_text(out, " to ");
        tm__page_text(out,
                      tm__report_number_text(tm__json_f64(entry, "high", 0), high, sizeof(high)));
        (void)tm__buf_text(out, "</td>");
    } else {
        (void)tm__buf_text(out, "<td>&ndash;</td>");
    }
    if (has_baseline) {
        put_number_cell(out, json_object_get(entry, "baseline"));
    }
    if (has_other) {
        put_number_cell(out, json_object_get(entry, "other"));
        put_gain(out, json_object_get(entry, "gain"));
    }
    (void)tm__buf_text(out, "</tr>");
}

static void put_against_note(tm_buf *out, const json_t *against) {
    const char *error = tm__json_text(against, "error", NULL);
    if (!json_is_object(against)) {
        return;
    }
    (void)tm__buf_text(out, "<p class='dim small' style='margin-top:8px'>");
    if (error != NULL) {
        (void)tm__buf_printf(out, "version %lld could not be asked about these rows: ",
                             (long long)tm__json_i64(against, "version", 0));
        tm__page_text(out, error);
    } else {
        (void)tm__buf_text(out, "a gain over 0 is better, from the same draws of rows");
        if (tm__json_bool(against, "may_have_seen", false)) {
            (void)tm__buf_text(out, "; the other version may have learned from some of these rows, "
                                    "which flatters it");
        }
    }
    (void)tm__buf_text(out, "</p>");
}

static void put_scores(tm_buf *out, const json_t *report) {
    const json_t *scores = json_object_get(report, "scores"), *entry = NULL;
    const json_t *list = json_object_get(scores, "list");
    const json_t *against = json_object_get(report, "against");
    const json_t *first = json_array_get(list, 0);
    const bool has_baseline = json_object_get(first, "baseline") != NULL;
    const bool has_other = json_object_get(first, "other") != NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<h2 id=good>How good it is</h2><div class=box style='margin-bottom:"
                            "14px'><table class=list><thead><tr><th scope=col>score</th><th "
                            "scope=col>value</th><th scope=col>95 %</th>");
    if (has_baseline) {
        (void)tm__buf_text(out, "<th scope=col>constant answer</th>");
    }
    if (has_other) {
        (void)tm__buf_printf(out, "<th scope=col>version %lld</th><th scope=col>gain</th>",
                             (long long)tm__json_i64(against, "version", 0));
    }
    (void)tm__buf_text(out, "</tr></thead><tbody>");
    json_array_foreach(list, i, entry) {
        put_score(out, entry, has_baseline, has_other,
                  strcmp(tm__json_text(entry, "score", ""), tm__json_text(report, "metric", "")) ==
                      0);
    }
    (void)tm__buf_text(out, "</tbody></table>");
    put_against_note(out, against);
    (void)tm__buf_text(out, "<p class='dim small' style='margin-top:8px'>intervals: ");
    (void)tm__buf_printf(out, "%lld draws of ", (long long)tm__json_i64(scores, "repeats", 0));
    tm__page_count(out, tm__json_i64(scores, "units", 0));
    (void)tm__buf_text(out, " ");
    tm__page_text(out, tm__json_text(scores, "unit", "rows"));
    (void)tm__buf_text(out, " with replacement</p></div>");
}

static void put_limits(tm_buf *out, const json_t *report) {
    json_t *limits = tm__report_limits(report);
    const json_t *limit = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<h2 id=limits>Limits</h2><ul class=say>");
    json_array_foreach(limits, i, limit) {
        (void)tm__buf_text(out, "<li>");
        tm__page_text(out, json_string_value(limit));
        (void)tm__buf_text(out, "</li>");
    }
    (void)tm__buf_text(out, "</ul>");
    json_decref(limits);
}

void tm__report_page(const json_t *report, tm_buf *out) {
    char title[200];
    (void)snprintf(title, sizeof(title), "%.128s version %lld", tm__json_text(report, "model", ""),
                   (long long)tm__json_i64(report, "version", 0));
    tm__page_begin(out, title, "report");
    put_head(out, report);
    put_scores(out, report);
    tm__report_put_curves(out, report);
    tm__report_put_weak(out, report);
    tm__report_put_fairness(out, report);
    tm__report_put_worth(out, report);
    tm__report_put_dependence(out, report);
    put_limits(out, report);
    tm__report_put_made(out, report);
    (void)tm__buf_text(out, "<footer>Times of one row are of this machine. No single row is shown: "
                            "groups have several, ends of numbers are their hundredths.</footer>");
    tm__page_end(out);
}
