/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page: a head with totals, what ruins models, what goes with the target, correlations, then a
 * card a column with its plot.
 *
 *     profile_page.c  the frame, numbers, cards          profile_plot.c  plots
 *
 * Every text of the data is escaped here, in put_text() alone. The page forbids itself to load
 * anything or to run a script (its policy), so that even a mistake there would do no harm.
 */
#include "cli/profile_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/page_priv.h"

static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1c2430;--dim:#5c6675;"
    "--line:#e2e6ec;--bar:#3b76d6;--soft:#dce7f9;--warn:#b45309;--warnbg:#fff4e0;--bad:#b42318;"
    "--badbg:#fdeceb;--low:#c8553d;--high:#3b76d6}"
    "@media(prefers-color-scheme:dark){:root{--bg:#11151b;--card:#191f28;--ink:#e6eaf0;"
    "--dim:#98a3b3;--line:#2b3442;--bar:#6ea0f2;--soft:#25344d;--warn:#f0b35a;--warnbg:#33270f;"
    "--bad:#f58a80;--badbg:#3a1a18;--low:#e58b74;--high:#6ea0f2}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:32px 20px 64px}"
    "h1{font-size:26px;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}"
    "h2{font-size:18px;margin:36px 0 12px}h3{font-size:16px;margin:0;overflow-wrap:anywhere}"
    "p{margin:0 0 12px}.dim{color:var(--dim)}.small{font-size:13px}"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;"
    "margin:20px 0 0;padding:0}"
    ".tiles div,.card,.box{background:var(--card);border:1px solid var(--line);border-radius:10px}"
    ".tiles div{padding:12px 16px}.tiles dt{color:var(--dim);font-size:13px}"
    ".tiles dd{margin:0;font-size:22px;font-variant-numeric:tabular-nums}"
    ".card{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,440px);gap:8px 28px;"
    "padding:18px 20px;margin:0 0 14px;align-items:start}.box{padding:18px 20px;overflow-x:auto}"
    "@media(max-width:760px){.card{grid-template-columns:minmax(0,1fr)}}"
    ".head{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center;margin-bottom:10px}"
    ".tag{font-size:12px;line-height:20px;padding:0 8px;border-radius:10px;background:var(--soft)}"
    ".note{font-size:12px;line-height:20px;padding:0 8px;border-radius:10px;color:var(--warn);"
    "background:var(--warnbg)}"
    ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(128px,1fr));gap:6px 18px;"
    "margin:0}.facts dt{color:var(--dim);font-size:12px;line-height:16px}"
    ".facts dd{margin:0;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
    ".wide{grid-column:1/"
    "-1}.miss{height:6px;border-radius:3px;background:var(--bar);overflow:hidden;margin:2px 0 6px}"
    ".miss i{display:block;height:100%;background:var(--line);margin-left:auto}"
    "figure{margin:0}figure+figure{margin-top:12px}figcaption{color:var(--dim);font-size:12px}"
    "svg{display:block;width:100%;max-width:440px;height:auto;overflow:visible}"
    "svg text{font-size:11px;fill:var(--dim);font-variant-numeric:tabular-nums}"
    "svg .b{fill:var(--bar)}svg .b:hover{opacity:.75}svg .a{stroke:var(--line)}"
    "svg .m{stroke:var(--dim);stroke-dasharray:3 3}svg .l{stroke:var(--low);fill:none;"
    "stroke-width:2;stroke-linejoin:round}svg .d{fill:var(--low)}"
    ".bars{display:grid;grid-template-columns:minmax(70px,max-content) minmax(60px,1fr) "
    "max-content max-content;gap:3px 10px;align-items:center;font-size:13px;"
    "font-variant-numeric:tabular-nums}"
    ".bars .k{max-width:190px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}"
    ".bars .n{text-align:right}.bars .t{background:var(--soft);border-radius:3px;height:12px}"
    ".bars .t i{display:block;height:100%;border-radius:3px;background:var(--bar)}"
    ".find{list-style:none;margin:0;padding:0}.find li{border-left:4px solid var(--warn);"
    "background:var(--warnbg);border-radius:6px;padding:10px 14px;margin:0 0 8px}"
    ".find li.bad{border-color:var(--bad);background:var(--badbg)}.find b{overflow-wrap:anywhere}"
    "table{border-collapse:collapse;font-size:12px;font-variant-numeric:tabular-nums}"
    "td,th{padding:4px 6px;text-align:center;font-weight:400;white-space:nowrap}"
    "th:first-child{text-align:right}thead th{color:var(--dim);max-width:90px;overflow:hidden;"
    "text-overflow:ellipsis}td{border:1px solid var(--card);border-radius:4px}"
    "footer{margin-top:40px;color:var(--dim);font-size:13px}"
    "@media print{body{background:#fff}.card{break-inside:avoid}}";

/* --- texts and numbers --- */

void tm__page_text(tm_buf *out, const char *text) {
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '&':
            (void)tm__buf_text(out, "&amp;");
            break;
        case '<':
            (void)tm__buf_text(out, "&lt;");
            break;
        case '>':
            (void)tm__buf_text(out, "&gt;");
            break;
        case '"':
            (void)tm__buf_text(out, "&quot;");
            break;
        case '\'':
            (void)tm__buf_text(out, "&#39;");
            break;
        default: /* HTML knows no other control characters than these */
            (void)tm__buf_byte(out,
                               (uint8_t)((unsigned char)*c < ' ' && *c != '\t' && *c != '\n' ? '?'
                                         : *c == 0x7f                                        ? '?'
                                                                                             : *c));
        }
    }
}

/* Digits before the point in groups of three. */
static void put_groups(tm_buf *out, const char *text) {
    const size_t n_sign = text[0] == '-';
    size_t n_whole = n_sign;
    while (text[n_whole] >= '0' && text[n_whole] <= '9') {
        n_whole++;
    }
    if (n_sign > 0) {
        (void)tm__buf_text(out, "&minus;");
    }
    for (size_t i = n_sign; i < n_whole; i++) {
        if (i > n_sign && (n_whole - i) % 3 == 0) {
            (void)tm__buf_byte(out, ',');
        }
        (void)tm__buf_byte(out, (uint8_t)text[i]);
    }
    (void)tm__buf_text(out, text + n_whole);
}

void tm__page_number(tm_buf *out, double value) {
    char text[64];
    const double size = fabs(value);
    if (!isfinite(value)) {
        (void)tm__buf_text(out, "&ndash;");
        return;
    }
    if (size >= 1e15 || (size > 0 && size < 1e-4)) {
        (void)snprintf(text, sizeof(text), "%.3e", value);
    } else if (size >= 1000 || value == trunc(value)) {
        (void)snprintf(text, sizeof(text), "%.0f", value);
    } else {
        (void)snprintf(text, sizeof(text), "%.4g", value);
    }
    put_groups(out, text);
}

void tm__page_count(tm_buf *out, int64_t count) {
    char text[32];
    (void)snprintf(text, sizeof(text), "%lld", (long long)count);
    put_groups(out, text);
}

void tm__page_share(tm_buf *out, double share) {
    const double percent = 100 * share;
    if (percent > 0 && percent < 0.1) {
        (void)tm__buf_text(out, "&lt;0.1 %");
    } else if (percent > 99.9 && percent < 100) {
        (void)tm__buf_text(out, "&gt;99.9 %");
    } else {
        (void)tm__buf_printf(out, percent < 10 && percent > 0 ? "%.1f %%" : "%.0f %%", percent);
    }
}

/* --- the head --- */

static void put_tile(tm_buf *out, const char *name, int64_t count) {
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
    tm__page_count(out, count);
    (void)tm__buf_text(out, "</dd></div>");
}

static void put_tile_share(tm_buf *out, const char *name, double share) {
    (void)tm__buf_printf(out, "<div><dt>%s</dt><dd>", name);
    tm__page_share(out, share);
    (void)tm__buf_text(out, "</dd></div>");
}

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
    put_tile(out, "rows", (int64_t)rows);
    put_tile(out, "columns", (int64_t)json_array_size(columns));
    put_tile_share(out, "cells missing", i > 0 && rows > 0 ? missing / (rows * (double)i) : 0);
    const json_t *repeated = json_object_get(profile, "repeated");
    if (repeated != NULL) {
        put_tile_share(out, "rows that repeat one", tm__json_f64(repeated, "share", 0));
    }
    const json_t *conflicting = json_object_get(profile, "conflicting");
    if (conflicting != NULL) {
        put_tile_share(out, "rows that contradict one", tm__json_f64(conflicting, "share", 0));
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
        put_groups(out, text);
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
    (void)tm__buf_text(out, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
                            "<meta http-equiv=Content-Security-Policy content=\"default-src "
                            "'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action "
                            "'none'\"><meta name=viewport content='width=device-width, "
                            "initial-scale=1'><meta name=referrer content=no-referrer><title>");
    tm__page_text(out, tm__json_text(profile, "data", ""));
    (void)tm__buf_text(out, " &ndash; profile</title><style>");
    (void)tm__buf_text(out, style);
    (void)tm__buf_text(out, "</style></head>\n<body><main>");
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
                       "</footer></main></body></html>\n");
}
