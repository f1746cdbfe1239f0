/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page: a head with totals, what ruins models, what goes with the target, correlations, then a
 * card a column with its plot.
 *
 *     page.c  the frame, texts, numbers     profile_page.c  cards     profile_plot.c  plots
 */
#include "cli/profile_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/page_priv.h"

/* --- the head --- */

static void put_head(tm_buf *out, const json_t *profile) {
    const json_t *columns = json_object_get(profile, "columns");
    const double rows = (double)tm__json_i64(profile, "rows", 0);
    double missing = 0;
    size_t i = 0;
    const json_t *column = NULL;
    json_array_foreach(columns, i, column) {
        missing += (double)tm__json_i64(column, "missing", 0);
    }
    (void)tm__buf_text(out, "<h1>");
    tm__page_text(out, tm__json_text(profile, "data", ""));
    (void)tm__buf_text(out, "</h1><p class=dim>What is in the columns");
    const char *target = tm__json_text(json_object_get(profile, "target"), "column", NULL);
    if (target != NULL) {
        (void)tm__buf_text(out, ", and what tells <b>");
        tm__page_text(out, target);
        (void)tm__buf_text(out, "</b>");
    }
    (void)tm__buf_text(out, "</p><dl class=tiles>");
    tm__page_tile(out, "rows", (int64_t)rows);
    tm__page_tile(out, "columns", (int64_t)json_array_size(columns));
    tm__page_tile_share(out, "cells missing", i > 0 && rows > 0 ? missing / (rows * (double)i) : 0);
    const json_t *repeated = json_object_get(profile, "repeated");
    if (repeated != NULL) {
        tm__page_tile_share(out, "rows that repeat one", tm__json_f64(repeated, "share", 0));
    }
    const json_t *conflicting = json_object_get(profile, "conflicting");
    if (conflicting != NULL) {
        tm__page_tile_share(out, "rows that contradict one", tm__json_f64(conflicting, "share", 0));
    }
    (void)tm__buf_text(out, "</dl>");
}

/* --- what ruins models --- */

static void put_findings(tm_buf *out, const json_t *findings) {
    size_t i = 0;
    const json_t *finding = NULL;
    if (findings == NULL) {
        return;
    }
    (void)tm__buf_text(out, "<h2>What would ruin a model</h2>");
    if (json_array_size(findings) == 0) {
        (void)tm__buf_text(out, "<p class=dim>Nothing was found.</p>");
        return;
    }
    (void)tm__buf_text(out, "<ul class=find>");
    json_array_foreach(findings, i, finding) {
        const bool is_bad = strcmp(tm__json_text(finding, "severity", ""), "error") == 0;
        (void)tm__buf_printf(out, "<li%s>", is_bad ? " class=bad" : "");
        if (tm__json_text(finding, "column", NULL) != NULL) {
            (void)tm__buf_text(out, "<b>");
            tm__page_text(out, tm__json_text(finding, "column", ""));
            (void)tm__buf_text(out, "</b>: ");
        }
        tm__page_text(out, tm__json_text(finding, "text", ""));
        (void)tm__buf_text(out, "<div class='dim small'>");
        tm__page_text(out, tm__json_text(finding, "hint", ""));
        (void)tm__buf_text(out, "</div></li>");
    }
    (void)tm__buf_text(out, "</ul>");
}

/* --- cards --- */

static void put_fact(tm_buf *out, const char *name) {
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
}

static void put_wide_fact(tm_buf *out, const char *name) {
    (void)tm__buf_printf(out, "<div class=wide><dt>%s</dt><dd>", name);
}

static void put_fact_end(tm_buf *out) {
    (void)tm__buf_text(out, "</dd></div>");
}

static void put_value(tm_buf *out, const json_t *value) {
    if (json_is_string(value)) {
        tm__page_text(out, json_string_value(value));
    } else {
        tm__page_number(out, json_is_number(value) ? json_number_value(value) : NAN);
    }
}

static void put_named(tm_buf *out, const char *name, const json_t *value) {
    if (value != NULL && !json_is_null(value)) {
        put_fact(out, name);
        put_value(out, value);
        put_fact_end(out);
    }
}

/* Whole numbers stand as they are, with groups; the report has bounds as texts. */
static void put_bound(tm_buf *out, const char *name, const json_t *column, const char *key) {
    const char *text = tm__json_text(column, key, "");
    const bool is_int = strcmp(tm__json_text(column, "type", ""), "int") == 0;
    double value = 0;
    if (text[0] == '\0') {
        return;
    }
    put_fact(out, name);
    if (is_int) {
        tm__page_groups(out, text);
    } else if (tm__str_to_f64(tm__str(text), &value)) {
        tm__page_number(out, value);
    } else {
        tm__page_text(out, text);
    }
    put_fact_end(out);
}

static void put_patterns(tm_buf *out, const json_t *patterns) {
    static const struct {
        const char *key, *name;
    } names[] = {{"number", "numbers"},     {"date", "dates"},
                 {"bool", "true or false"}, {"email", "e-mail addresses"},
                 {"url", "links"},          {"code", "codes"},
                 {"word", "single words"},  {"words", "several words"}};
    bool is_first = true;
    if (json_object_size(patterns) == 0) {
        return;
    }
    put_wide_fact(out, "texts are");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const json_t *share = json_object_get(patterns, names[i].key);
        if (share != NULL) {
            (void)tm__buf_printf(out, "%s%s ", is_first ? "" : ", ", names[i].name);
            tm__page_share(out, json_number_value(share));
            is_first = false;
        }
    }
    put_fact_end(out);
}

static void put_facts(tm_buf *out, const json_t *column, double rows) {
    const json_t *quantiles = json_object_get(column, "quantiles");
    const json_t *length = json_object_get(column, "length");
    const double missing = (double)tm__json_i64(column, "missing", 0);
    const double share = rows > 0 ? missing / rows : 0;
    (void)tm__buf_printf(out,
                         "<div class=miss title='share of rows with a value'><i "
                         "style='width:%.2f%%'></i></div><dl class=facts>",
                         100 * share);
    put_fact(out, "missing");
    tm__page_share(out, share);
    if (missing > 0) {
        (void)tm__buf_text(out, " <span class=dim>(");
        tm__page_count(out, (int64_t)missing);
        (void)tm__buf_text(out, ")</span>");
    }
    put_fact_end(out);
    put_fact(out, "distinct");
    (void)tm__buf_text(out, tm__json_bool(column, "distinct_exact", true) ? "" : "about ");
    tm__page_count(out, tm__json_i64(column, "distinct", 0));
    put_fact_end(out);
    put_bound(out, "least", column, "min");
    put_named(out, "median", json_object_get(quantiles, "p50"));
    put_bound(out, "largest", column, "max");
    put_named(out, "mean", json_object_get(column, "mean"));
    put_named(out, "standard deviation", json_object_get(column, "spread"));
    put_named(out, "5 % lie below", json_object_get(quantiles, "p5"));
    put_named(out, "5 % lie above", json_object_get(quantiles, "p95"));
    put_named(out, "infinite", json_object_get(column, "infinite"));
    if (length != NULL) {
        put_fact(out, "characters");
        const int64_t least = tm__json_i64(length, "min", 0), most = tm__json_i64(length, "max", 0);
        tm__page_count(out, least);
        if (most > least) {
            (void)tm__buf_text(out, " to ");
            tm__page_count(out, most);
        }
        put_fact_end(out);
    }
    put_patterns(out, json_object_get(column, "patterns"));
    (void)tm__buf_text(out, "</dl>");
}

static const json_t *find_entry(const json_t *list, const char *name) {
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach(list, i, entry) {
        if (strcmp(tm__json_text(entry, "column", ""), name) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void put_card(tm_buf *out, const json_t *profile, const json_t *column) {
    const char *name = tm__json_text(column, "name", "");
    const char *note = tm__json_text(column, "note", "");
    const json_t *target = json_object_get(profile, "target");
    const json_t *top = json_object_get(column, "top");
    const bool has_histogram = json_object_get(column, "histogram") != NULL;
    (void)tm__buf_text(out, "<section class=card><div><div class=head><h3>");
    tm__page_text(out, name);
    (void)tm__buf_printf(out, "</h3><span class=tag>%s</span>", tm__json_text(column, "type", ""));
    if (strcmp(tm__json_text(target, "column", ""), name) == 0 && target != NULL) {
        (void)tm__buf_text(out, "<span class=tag>target</span>");
    }
    if (note[0] != '\0') {
        (void)tm__buf_text(out, "<span class=note>");
        tm__page_text(out, note);
        (void)tm__buf_text(out, "</span>");
    }
    (void)tm__buf_text(out, "</div>");
    put_facts(out, column, (double)tm__json_i64(profile, "rows", 0));
    (void)tm__buf_text(out, "</div><div>");
    if (has_histogram) {
        tm__page_histogram(out, column);
    }
    const json_t *histogram = json_object_get(column, "histogram");
    const bool tells_all = tm__json_bool(histogram, "whole", false) &&
                           json_array_size(json_object_get(histogram, "counts")) <= 24;
    if (json_array_size(top) > 0 && !tells_all &&
        (!has_histogram || tm__json_f64(json_array_get(top, 0), "share", 0) >= 0.05)) {
        tm__page_top(out, column);
    } else if (!has_histogram) {
        const bool is_hidden = tm__json_bool(column, "identifier", false) && top == NULL;
        (void)tm__buf_printf(out, "<p class='dim small'>%s</p>",
                             is_hidden     ? "Looks like an identifier: its values are not shown "
                                             "(<code>--show-values</code> shows them)."
                             : top == NULL ? "There is no value to show."
                                           : "No value comes more than once.");
    }
    const json_t *entry = find_entry(json_object_get(target, "columns"), name);
    if (entry != NULL) {
        tm__page_by(out, target, entry);
    }
    (void)tm__buf_text(out, "</div></section>");
}

void tm__profile_page(const json_t *profile, tm_buf *out) {
    size_t i = 0;
    const json_t *column = NULL;
    const json_t *columns = json_object_get(profile, "columns");
    tm__page_begin(out, tm__json_text(profile, "data", ""), "profile");
    put_head(out, profile);
    put_findings(out, json_object_get(profile, "findings"));
    tm__page_target(out, json_object_get(profile, "target"));
    tm__page_correlations(out, json_object_get(profile, "correlations"));
    (void)tm__buf_text(out, "<h2>Columns</h2>\n");
    json_array_foreach(columns, i, column) {
        put_card(out, profile, column);
        (void)tm__buf_text(out, "\n");
    }
    (void)tm__buf_text(out,
                       "<footer>Counts, least and largest values, means and deviations are exact. "
                       "Medians, quantiles and plots have a rank error below 1 % of the rows. "
                       "&ldquo;About&rdquo; stands before counts with a standard error of 1.6 %."
                       "</footer>");
    tm__page_end(out);
}
