/* SPDX-License-Identifier: Apache-2.0 */
/* The page: the verdict with the learning curve, groups that are too thin, labels and their ages.
 */
#include "cli/value_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/page_priv.h"
#include "cli/train_words.h"

/* --- the head --- */

static void put_tile_number(tm_buf *out, const char *name, double value) {
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
    tm__page_number(out, value);
    (void)tm__buf_text(out, "</dd></div>");
}

static void put_head(tm_buf *out, const json_t *value, const char *title) {
    const json_t *split = json_object_get(value, "split"), *curve = json_object_get(value, "curve");
    const size_t n = json_array_size(curve);
    (void)tm__buf_text(out, "<h1>");
    tm__page_text(out, title);
    (void)tm__buf_text(out, "</h1><p class=dim>What the data is worth");
    if (n == 0) {
        (void)tm__buf_text(out, "</p>");
        return;
    }
    (void)tm__buf_text(out, " to learn <b>");
    tm__page_text(out, tm__json_text(value, "target", ""));
    (void)tm__buf_printf(out, "</b> by %s, in ", tm__json_text(value, "learner", ""));
    tm__page_text(out, tm__json_text(value, "metric", ""));
    (void)tm__buf_text(out, "</p><dl class=tiles>");
    tm__page_tile(out, "rows to learn from", tm__json_i64(split, "train_rows", 0));
    tm__page_tile(out, "rows to test on", tm__json_i64(split, "test_rows", 0));
    put_tile_number(out, "score of all", tm__json_f64(json_array_get(curve, n - 1), "score", NAN));
    put_tile_number(out, "of a constant answer", tm__json_f64(value, "baseline", NAN));
    (void)tm__buf_text(out, "</dl>");
}

/* --- the verdict --- */

static void put_signed(tm_buf *out, double value) {
    char text[32];
    (void)snprintf(text, sizeof(text), "%.2g", fabs(value));
    (void)tm__buf_printf(out, "%s%s", value < 0 ? "&minus;" : "+", text);
}

/* A gain as what the score does. */
static void put_gain(tm_buf *out, const json_t *value, const json_t *gain) {
    const bool is_loss = tm__json_bool(value, "smaller_is_better", false);
    const double sign = is_loss ? -1 : 1;
    put_signed(out, sign * tm__json_f64(gain, "gain", 0));
    (void)tm__buf_text(out, " (");
    put_signed(out, sign * tm__json_f64(gain, is_loss ? "high" : "low", 0));
    (void)tm__buf_text(out, " to ");
    put_signed(out, sign * tm__json_f64(gain, is_loss ? "low" : "high", 0));
    (void)tm__buf_text(out, ")");
}

static void put_sentence(tm_buf *out, const char *text) {
    if (text[0] >= 'a' && text[0] <= 'z') {
        (void)tm__buf_byte(out, (uint8_t)(text[0] - 'a' + 'A'));
        text++;
    }
    tm__page_text(out, text);
    (void)tm__buf_text(out, ".");
}

static void put_verdict(tm_buf *out, const json_t *value) {
    const char *verdict = tm__json_text(value, "verdict", "");
    const json_t *twice = json_object_get(value, "twice");
    const json_t *last = json_object_get(value, "last_doubling");
    (void)tm__buf_printf(out,
                         "<h2>Would more rows help?</h2><section class=card><div><p class=verdict>"
                         "<b>%s</b></p><p>",
                         strcmp(verdict, "yes") == 0  ? "Yes"
                         : strcmp(verdict, "no") == 0 ? "No"
                                                      : "Cannot tell");
    put_sentence(out, tm__json_text(value, "reason", ""));
    (void)tm__buf_text(out, "</p>");
    if (twice != NULL) {
        (void)tm__buf_text(out, "<dl class=facts><div class=wide><dt>twice as many rows</dt><dd>");
        put_gain(out, value, twice);
        (void)tm__buf_text(out,
                           "</dd></div><div class=wide><dt>the last doubling, measured</dt><dd>");
        put_gain(out, value, json_object_get(last, "measured"));
        (void)tm__buf_text(
            out, "</dd></div><div class=wide><dt>what the smaller sizes foretold of it</dt><dd>");
        put_gain(out, value, json_object_get(last, "foretold"));
        (void)tm__buf_text(out, "</dd></div></dl><p class='dim small'>95 % between the brackets");
        (void)tm__buf_text(out, tm__json_bool(value, "smaller_is_better", false)
                                    ? "; less is better.</p>"
                                    : ".</p>");
    }
    (void)tm__buf_text(out, "</div><div>");
    tm__page_learning_curve(out, value);
    (void)tm__buf_text(out, "</div></section>");
}

static void put_sizes(tm_buf *out, const json_t *curve) {
    const json_t *entry = NULL;
    size_t i = 0;
    (void)tm__buf_text(out, "<div class=box><table class=list><thead><tr><th>rows</th><th>fits</th>"
                            "<th>score</th><th>from</th><th>to</th></tr></thead><tbody>");
    json_array_foreach(curve, i, entry) {
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_count(out, tm__json_i64(entry, "rows", 0));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_count(out, tm__json_i64(entry, "fits", 0));
        static const char *const members[] = {"score", "low", "high"};
        for (size_t k = 0; k < 3; k++) {
            (void)tm__buf_text(out, "</td><td>");
            tm__page_number(out, tm__json_f64(entry, members[k], tm__nan()));
        }
        (void)tm__buf_text(out, "</td></tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}

/* --- thin groups --- */

static void put_thin_row(tm_buf *out, const json_t *entry) {
    const double half = tm__json_f64(entry, "half_width", INFINITY);
    (void)tm__buf_text(out, "<tr><td>");
    tm__page_text(out, tm__json_text(entry, "column", ""));
    (void)tm__buf_text(out, ": <b>");
    tm__page_text(out, tm__json_text(entry, "group", ""));
    (void)tm__buf_text(out, "</b></td><td>");
    tm__page_count(out, tm__json_i64(entry, "rows", 0));
    (void)tm__buf_text(out, "</td><td>");
    tm__page_count(out, tm__json_i64(entry, "test_rows", 0));
    (void)tm__buf_text(out, "</td><td>");
    if (isfinite(half)) {
        (void)tm__buf_printf(out, "&plusmn;%.3g", half);
    } else {
        (void)tm__buf_text(out, tm__json_i64(entry, "test_rows", 0) > 0 ? "one class" : "no row");
    }
    (void)tm__buf_text(out, "</td><td>");
    tm__page_count(out, tm__json_i64(entry, "test_rows_needed", 0));
    (void)tm__buf_text(out, "</td></tr>");
}

static void put_thin(tm_buf *out, const json_t *value) {
    const json_t *slices = json_object_get(value, "slices"), *entry = NULL;
    size_t i = 0;
    if (!json_is_object(slices)) {
        return;
    }
    (void)tm__buf_text(out, "<h2>Groups that are too thin to judge</h2><div class=box><p>");
    tm__page_count(out, tm__json_i64(slices, "thin", 0));
    (void)tm__buf_text(out, " of ");
    tm__page_count(out, tm__json_i64(slices, "groups", 0));
    (void)tm__buf_printf(out, " groups of rows are known worse than within &plusmn;%.3g ",
                         tm__json_f64(slices, "within", 0));
    tm__page_text(out, tm__json_text(value, "metric", ""));
    (void)tm__buf_printf(out, "; all test rows together within &plusmn;%.3g.</p>",
                         tm__json_f64(slices, "whole", 0));
    if (json_array_size(json_object_get(slices, "worst")) > 0) {
        (void)tm__buf_text(out,
                           "<table class=list><thead><tr><th>group</th><th>rows</th><th>test "
                           "rows</th><th>known within</th><th>test rows needed</th></tr></thead>"
                           "<tbody>");
        json_array_foreach(json_object_get(slices, "worst"), i, entry) {
            put_thin_row(out, entry);
        }
        (void)tm__buf_text(out, "</tbody></table>");
    }
    (void)tm__buf_text(out, "</div>");
}

/* --- labels --- */

static void put_span(tm_buf *out, const char *name, const json_t *object, const char *member) {
    const double seconds = tm__json_f64(object, member, tm__nan());
    char text[32];
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>%s</dd></div>", name,
                         isnan(seconds) ? "unknown" : tm__span_text(seconds, text));
}

static void put_fact_count(tm_buf *out, const char *name, const json_t *object,
                           const char *member) {
    const json_t *count = json_object_get(object, member);
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
    if (json_is_integer(count)) {
        tm__page_count(out, json_integer_value(count));
    } else {
        (void)tm__buf_text(out, "unknown");
    }
    (void)tm__buf_text(out, "</dd></div>");
}

static void put_of(tm_buf *out, const json_t *object, const char *what) {
    (void)tm__buf_text(out, "<p>");
    tm__page_count(out, tm__json_i64(object, "labelled", 0));
    (void)tm__buf_text(out, " of ");
    tm__page_count(out, tm__json_i64(object, strcmp(what, "rows") == 0 ? "rows" : "answers", 0));
    (void)tm__buf_printf(out, " %s have a label", what);
    if (json_is_number(json_object_get(object, "share"))) {
        (void)tm__buf_text(out, " (");
        tm__page_share(out, tm__json_f64(object, "share", 0));
        (void)tm__buf_text(out, ")");
    }
    (void)tm__buf_text(out, ".</p>");
}

static void put_rows(tm_buf *out, const json_t *rows) {
    const json_t *time = json_object_get(rows, "time");
    if (!json_is_object(rows)) {
        return;
    }
    (void)tm__buf_text(out, "<section class=card><div><div class=head><h3>In the rows "
                            "themselves</h3></div>");
    put_of(out, rows, "rows");
    if (!json_is_object(time)) {
        (void)tm__buf_text(out, "<p class=dim>How old they are is not known: no time column was "
                                "named.</p></div><div></div></section>");
        return;
    }
    (void)tm__buf_text(out, "<dl class=facts>");
    put_span(out, "newest row with a label", time, "newest_label_age_seconds");
    put_span(out, "oldest", time, "oldest_label_age_seconds");
    put_fact_count(out, "rows without a time", time, "missing");
    (void)tm__buf_text(out, "</dl></div><div>");
    tm__page_periods(out, json_object_get(json_object_get(time, "periods"), "list"));
    (void)tm__buf_text(out, "</div></section>");
}

static void put_origins(tm_buf *out, const json_t *origins) {
    const json_t *entry = NULL;
    size_t i = 0;
    char a[32], b[32];
    if (json_array_size(origins) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<div class=box><table class=list><thead><tr><th>from</th><th>labels"
                            "</th><th>median delay</th><th>99 %</th><th>newest</th></tr></thead>"
                            "<tbody>");
    json_array_foreach(origins, i, entry) {
        const json_t *delay = json_object_get(entry, "delay");
        (void)tm__buf_text(out, "<tr><td>");
        tm__page_text(out, tm__json_text(entry, "origin", "(not recorded)"));
        (void)tm__buf_text(out, "</td><td>");
        tm__page_count(out, tm__json_i64(entry, "labels", 0));
        (void)tm__buf_printf(out, "</td><td>%s</td><td>%s</td><td>%.10s</td></tr>",
                             tm__span_text(tm__json_f64(delay, "p50_seconds", 0), a),
                             tm__span_text(tm__json_f64(delay, "p99_seconds", 0), b),
                             tm__json_text(entry, "newest", ""));
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}

static void put_model(tm_buf *out, const json_t *m) {
    const json_t *delay = json_object_get(m, "delay"), *arrival = json_object_get(m, "arrival");
    (void)tm__buf_text(out, "<section class=card><div><div class=head><h3>");
    tm__page_text(out, tm__json_text(m, "model", ""));
    (void)tm__buf_text(out, "</h3><span class=tag>answers</span></div>");
    put_of(out, m, "answers");
    (void)tm__buf_text(out, "<dl class=facts>");
    put_span(out, "half of the labels within", delay, "p50_seconds");
    put_span(out, "90 % of them", delay, "p90_seconds");
    put_span(out, "99 % of them", delay, "p99_seconds");
    put_span(out, "half of all answers within", arrival, "p50_seconds");
    put_span(out, "newest label", m, "newest_age_seconds");
    put_span(out, "oldest label", m, "oldest_age_seconds");
    put_span(out, "declared delay", m, "declared_delay_seconds");
    put_fact_count(out, "still due", m, "due");
    put_fact_count(out, "overdue", m, "overdue");
    put_fact_count(out, "came later than declared", m, "later_than_declared");
    put_fact_count(out, "match no answer", m, "unmatched");
    put_fact_count(out, "could mean several", m, "ambiguous");
    (void)tm__buf_text(out, "</dl></div><div>");
    tm__page_arrival(out, m);
    (void)tm__buf_text(out, "</div></section>");
    put_origins(out, json_object_get(m, "origins"));
}

void tm__value_page(const json_t *value, const char *title, tm_buf *out) {
    const json_t *labels = json_object_get(value, "labels"), *entry = NULL;
    size_t i = 0;
    tm__page_begin(out, title, "what it is worth");
    put_head(out, value, title);
    if (json_array_size(json_object_get(value, "curve")) > 0) {
        put_verdict(out, value);
        put_sizes(out, json_object_get(value, "curve"));
        put_thin(out, value);
    }
    (void)tm__buf_text(out, "<h2>Labels: where they come from, and how old they are</h2>");
    put_rows(out, json_object_get(labels, "rows"));
    json_array_foreach(json_object_get(labels, "models"), i, entry) {
        put_model(out, entry);
    }
    (void)tm__buf_text(out,
                       "<footer>Delays of labels are within 1 %. A group is taken to be as hard "
                       "as the whole.</footer>");
    tm__page_end(out);
}
