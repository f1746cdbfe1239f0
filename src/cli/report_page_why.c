/* SPDX-License-Identifier: Apache-2.0 */
/* For whom it is worse, how groups fare, what columns are worth, what answers do along them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/report_page_priv.h"

#define WORTH_MAX 25u

/* --- groups where it is bad --- */

/* Whether it is known how hard a group is for anybody. */
static bool has_constant(const json_t *group) {
    return json_is_number(json_object_get(group, "constant"));
}

static void put_weak_row(tm_buf *out, const json_t *group, bool is_tilt) {
    char name[400];
    tm__report_group_text(group, name, sizeof(name));
    (void)tm__buf_text(out, "<tr><td>");
    tm__page_text(out, name);
    (void)tm__buf_text(out, "</td><td>");
    tm__page_count(out, tm__json_i64(group, "rows", 0));
    (void)tm__buf_text(out, " <span class=dim>(");
    tm__page_share(out, tm__json_f64(group, "share_of_rows", 0));
    (void)tm__buf_text(out, ")</span></td><td>");
    tm__page_number(out, tm__json_f64(group, is_tilt ? "answer" : "loss", tm__nan()));
    (void)tm__buf_text(out, "</td><td>");
    tm__page_number(out, tm__json_f64(group, is_tilt ? "truth" : "elsewhere", tm__nan()));
    if (!is_tilt && has_constant(group)) {
        (void)tm__buf_text(out, "</td><td>");
        tm__page_number(out, tm__json_f64(group, "constant", tm__nan()));
    }
    (void)tm__buf_printf(out, "</td><td>%.1e</td></tr>", tm__json_f64(group, "p", 1));
}

static void put_weak_kind(tm_buf *out, const json_t *weak, const char *kind) {
    const bool is_tilt = strcmp(kind, "tilted") == 0;
    const json_t *group = NULL;
    size_t i = 0;
    bool any = false;
    json_array_foreach(json_object_get(weak, "list"), i, group) {
        if (strcmp(tm__json_text(group, "kind", ""), kind) != 0) {
            continue;
        }
        if (!any) {
            (void)tm__buf_printf(out,
                                 "<div class=box style='margin-bottom:14px'><h3>%s</h3><p "
                                 "class='dim small'>",
                                 is_tilt ? "Answers that are off to one side"
                                         : "Answers that are worse than elsewhere");
            if (!is_tilt) {
                (void)tm__buf_text(out, "loss: ");
                tm__page_text(out, tm__json_text(weak, "of", ""));
                (void)tm__buf_text(out, "; ");
            }
            (void)tm__buf_printf(
                out,
                "what costs most first</p><table class=list><thead><tr><th scope=col>rows where"
                "</th><th scope=col>rows</th><th scope=col>%s</th><th scope=col>%s</th>%s<th "
                "scope=col>p</th></tr></thead><tbody>",
                is_tilt ? "it says" : "loss there", is_tilt ? "is true" : "elsewhere",
                is_tilt || !has_constant(group) ? ""
                                                : "<th scope=col>of one answer for the group</th>");
        }
        any = true;
        put_weak_row(out, group, is_tilt);
    }
    if (any) {
        (void)tm__buf_text(out, "</tbody></table></div>");
    }
}

void tm__report_put_weak(tm_buf *out, const json_t *report) {
    const json_t *weak = json_object_get(report, "weak");
    (void)tm__buf_text(out, "<h2 id=bad>Where it is bad</h2>");
    if (!json_is_object(weak)) {
        (void)tm__buf_text(out, "<p class=dim>Groups of rows are not looked at for rankings.</p>");
        return;
    }
    (void)tm__buf_text(out, "<p class=say>");
    if (tm__json_i64(weak, "looked_at", 0) == 0) {
        (void)tm__buf_text(out, "No column parts the rows into groups of enough rows.</p>");
        return;
    }
    if (json_array_size(json_object_get(weak, "list")) == 0) {
        (void)tm__buf_text(out, "No group of rows was found where it is clearly worse, or off to "
                                "one side. ");
    }
    tm__page_count(out, tm__json_i64(weak, "looked_at", 0));
    (void)tm__buf_text(out, " looks at the groups of single columns and of pairs, of at least ");
    tm__page_count(out, tm__json_i64(weak, "rows_least", 0));
    (void)tm__buf_text(out, " rows; p is corrected for all of them (Holm).</p>");
    put_weak_kind(out, weak, "worse");
    put_weak_kind(out, weak, "tilted");
}

/* --- fairness --- */

static void put_interval(tm_buf *out, const json_t *interval, bool is_share) {
    if (!json_is_object(interval)) {
        (void)tm__buf_text(out, "&ndash;");
        return;
    }
    const double values[] = {tm__json_f64(interval, "value", 0), tm__json_f64(interval, "low", 0),
                             tm__json_f64(interval, "high", 0)};
    for (int k = 0; k < 3; k++) {
        (void)tm__buf_text(out, k == 1 ? "<br><span class=dim>" : k == 2 ? " to " : "");
        if (is_share) {
            tm__page_share(out, values[k]);
        } else {
            tm__page_number(out, values[k]);
        }
    }
    (void)tm__buf_text(out, "</span>");
}

typedef struct fair_column {
    const char *member, *title;
    bool is_share;
} fair_column;

static const fair_column fair_columns[] = {{"selected", "called positive", true},
                                           {"ratio", "to the largest", false},
                                           {"share_of_positives", "are positive", true},
                                           {"true_positive_rate", "positive, found", true},
                                           {"false_positive_rate", "negative, called", true},
                                           {"precision", "right calls", true},
                                           {"accuracy", "right answers", true},
                                           {"absolute_error", "off by, on average", false},
                                           {"off", "truth less answer", false}};
#define N_FAIR (sizeof(fair_columns) / sizeof(fair_columns[0]))

static bool is_told(const json_t *groups, const char *member) {
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *value = json_object_get(json_array_get(groups, i), member);
        if (value != NULL && !json_is_null(value)) {
            return true;
        }
    }
    return false;
}

static void put_fair_row(tm_buf *out, const json_t *groups, const json_t *group) {
    (void)tm__buf_text(out, "<tr><td>");
    tm__page_text(out, tm__json_text(group, "group", ""));
    if (tm__json_bool(group, "small", false)) {
        (void)tm__buf_text(out, " <span class=note>few rows</span>");
    }
    (void)tm__buf_text(out, "</td><td>");
    tm__page_count(out, tm__json_i64(group, "rows", 0));
    (void)tm__buf_text(out, "</td>");
    for (size_t k = 0; k < N_FAIR; k++) {
        const json_t *value = json_object_get(group, fair_columns[k].member);
        if (!is_told(groups, fair_columns[k].member)) {
            continue;
        }
        (void)tm__buf_text(out, "<td>");
        if (json_is_number(value)) {
            tm__page_number(out, json_number_value(value));
        } else if (value == NULL || (json_is_null(value) && k == 1)) {
            (void)tm__buf_text(out, k == 1 ? "1" : "&ndash;");
        } else {
            put_interval(out, value, fair_columns[k].is_share);
        }
        (void)tm__buf_text(out, "</td>");
    }
    (void)tm__buf_text(out, "</tr>");
}

static void put_rule(tm_buf *out, const json_t *rule) {
    char ratio[128];
    if (!json_is_object(rule)) {
        return;
    }
    (void)tm__buf_text(out, "<p class=say>Four-fifths rule: ");
    (void)tm__buf_text(out, tm__json_bool(rule, "holds", false)
                                ? "it holds. "
                                : "<b class=bad>it does not hold.</b> ");
    tm__page_text(out, tm__json_text(rule, "least", ""));
    (void)tm__buf_text(out, " is called positive least often, ");
    tm__page_text(out, tm__json_text(rule, "most", ""));
    (void)tm__buf_text(out, " most often; the ratio of their shares is ");
    tm__page_text(out,
                  tm__report_interval_text(json_object_get(rule, "ratio"), ratio, sizeof(ratio)));
    (void)tm__buf_text(out, ", and 0.8 is asked for.</p>");
}

void tm__report_put_fairness(tm_buf *out, const json_t *report) {
    const json_t *fairness = json_object_get(report, "fairness"), *group = NULL;
    const json_t *groups = json_object_get(fairness, "groups");
    size_t i = 0;
    if (!json_is_object(fairness)) {
        return;
    }
    (void)tm__buf_text(out, "<h2 id=fair>How the groups of <q>");
    tm__page_text(out, tm__json_text(fairness, "column", ""));
    (void)tm__buf_text(out, "</q> fare</h2>");
    put_rule(out, json_object_get(fairness, "four_fifths"));
    (void)tm__buf_text(out, "<div class=box><table class=list><thead><tr><th scope=col>group</th>"
                            "<th scope=col>rows</th>");
    for (size_t k = 0; k < N_FAIR; k++) {
        if (is_told(groups, fair_columns[k].member)) {
            (void)tm__buf_printf(out, "<th scope=col>%s</th>", fair_columns[k].title);
        }
    }
    (void)tm__buf_text(out, "</tr></thead><tbody>");
    json_array_foreach(groups, i, group) {
        put_fair_row(out, groups, group);
    }
    (void)tm__buf_printf(out,
                         "</tbody></table><p class='dim small' style='margin-top:8px'>with 95 %% "
                         "intervals; a group of under %lld rows, or with few of either class, is "
                         "marked and takes no part in the rule. The column is %s.</p></div>",
                         (long long)tm__json_i64(fairness, "small_below", 0),
                         tm__json_bool(fairness, "is_input", false)
                             ? "one that the model sees"
                             : "none that the model sees, though others may stand for it");
}

/* --- columns --- */

void tm__report_put_worth(tm_buf *out, const json_t *report) {
    const json_t *worth = json_object_get(report, "worth"), *entry = NULL;
    const json_t *columns = json_object_get(worth, "columns");
    const double most = fmax(tm__json_f64(json_array_get(columns, 0), "loses", 0), 1e-300);
    size_t i = 0;
    (void)tm__buf_text(out, "<h2 id=why>Why: what each column is worth</h2><div class=box><p "
                            "class='dim small'>what ");
    tm__page_text(out, tm__json_text(worth, "metric", ""));
    (void)tm__buf_text(out, " gets worse by when a column is shuffled among ");
    tm__page_count(out, tm__json_i64(worth, "rows", 0));
    (void)tm__buf_printf(out,
                         " rows, on average of %lld times, and its spread; columns that say the "
                         "same share their worth</p><div class=bars>",
                         (long long)tm__json_i64(worth, "repeats", 0));
    json_array_foreach(columns, i, entry) {
        const double loses = tm__json_f64(entry, "loses", 0);
        if (i >= WORTH_MAX) {
            break;
        }
        (void)tm__buf_text(out, "<span class=k title='");
        tm__page_text(out, tm__json_text(entry, "column", ""));
        (void)tm__buf_text(out, "'>");
        tm__page_text(out, tm__json_text(entry, "column", ""));
        (void)tm__buf_printf(out,
                             "</span><span class=t><i style='width:%.2f%%'></i></span>"
                             "<span class=n>",
                             100 * fmin(fmax(loses / most, 0), 1));
        tm__page_number(out, loses);
        (void)tm__buf_text(out, "</span><span class='n dim'>&plusmn;");
        tm__page_number(out, tm__json_f64(entry, "spread", 0));
        (void)tm__buf_text(out, "</span>");
    }
    (void)tm__buf_text(out, "</div>");
    if (json_array_size(columns) > WORTH_MAX) {
        (void)tm__buf_printf(out, "<p class='dim small'>and %zu more</p>",
                             json_array_size(columns) - WORTH_MAX);
    }
    (void)tm__buf_text(out, "</div>");
}

/* --- along a column --- */

static json_t *places(size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(list, json_real((double)i));
    }
    return list;
}

/* Where the values of a number or time that is there end: the missing value is apart. */
static size_t count_values(const json_t *values) {
    size_t n = 0;
    while (n < json_array_size(values) && json_is_number(json_array_get(values, n))) {
        n++;
    }
    return n;
}

static json_t *first_of(const json_t *list, size_t n) {
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append(out, json_array_get(list, i));
    }
    return out;
}

static void put_curve(const tm_plot *plot, const json_t *entry, const json_t *xs, size_t n) {
    const json_t *outputs = json_object_get(entry, "outputs");
    const json_t *labels = json_object_get(entry, "labels");
    static const char *const lines[] = {"f", "l", "dash", "m"};
    const json_t *first = json_array_get(outputs, 0);
    if (json_array_size(outputs) == 1) {
        tm__plot_band(plot, xs, json_object_get(first, "low"), json_object_get(first, "high"));
    }
    for (size_t o = 0; o < json_array_size(outputs) && o < 4; o++) {
        json_t *means = first_of(json_object_get(json_array_get(outputs, o), "mean"), n);
        tm__plot_line(plot, lines[o], xs, means);
        for (size_t i = 0; i < n && o == 0; i++) {
            char text[160];
            const char *label = json_string_value(json_array_get(labels, i));
            (void)snprintf(text, sizeof(text), "%.100s: %.4g", label != NULL ? label : "",
                           tm__plot_at(means, i));
            tm__plot_dot(plot, "b", tm__plot_at(xs, i), tm__plot_at(means, i), text);
        }
        json_decref(means);
    }
}

/* Levels as bars of HTML, which have room for their names. */
static void put_levels(tm_buf *out, const json_t *entry, double most, bool is_share) {
    const json_t *labels = json_object_get(entry, "labels");
    const json_t *shares = json_object_get(entry, "shares");
    const json_t *output = json_array_get(json_object_get(entry, "outputs"), 0);
    const json_t *means = json_object_get(output, "mean");
    (void)tm__buf_text(out, "<figure><div class=bars>");
    for (size_t i = 0; i < json_array_size(labels); i++) {
        const char *label = json_string_value(json_array_get(labels, i));
        const double mean = tm__plot_at(means, i);
        (void)tm__buf_text(out, "<span class=k title='");
        tm__page_text(out, label != NULL ? label : "");
        (void)tm__buf_text(out, "'>");
        tm__page_text(out, label != NULL ? label : "");
        (void)tm__buf_printf(out,
                             "</span><span class=t><i style='width:%.2f%%'></i></span><span "
                             "class=n>",
                             most > 0 ? 100 * fmin(fmax(mean / most, 0), 1) : 0);
        if (is_share) {
            tm__page_share(out, mean);
        } else {
            tm__page_number(out, mean);
        }
        (void)tm__buf_text(out, "</span><span class='n dim'>");
        tm__page_share(out, tm__plot_at(shares, i));
        (void)tm__buf_text(out, " of rows</span>");
    }
    (void)tm__buf_text(out, "</div></figure>");
}

static void put_along(tm_buf *out, const json_t *report, const json_t *entry) {
    const json_t *values = json_object_get(entry, "values");
    const json_t *labels = json_object_get(entry, "labels");
    const json_t *outputs = json_object_get(entry, "outputs");
    const bool is_share = json_object_get(json_array_get(outputs, 0), "class") != NULL;
    const bool is_number = strcmp(tm__json_text(entry, "kind", ""), "number") == 0;
    const bool is_category = strcmp(tm__json_text(entry, "kind", ""), "category") == 0;
    const size_t n = is_category ? json_array_size(labels) : count_values(values);
    double low = INFINITY, high = -INFINITY;
    for (size_t o = 0; o < json_array_size(outputs); o++) {
        const json_t *output = json_array_get(outputs, o);
        tm__plot_widen(json_object_get(output, "mean"), &low, &high);
        if (json_array_size(outputs) == 1 && !is_category) {
            tm__plot_widen(json_object_get(output, "low"), &low, &high);
            tm__plot_widen(json_object_get(output, "high"), &low, &high);
        }
    }
    (void)tm__buf_text(out, "<div class=box><h3>");
    tm__page_text(out, tm__json_text(entry, "column", ""));
    (void)tm__buf_text(out, "</h3>");
    if (is_category) {
        put_levels(out, entry, high, is_share);
        (void)tm__buf_text(out, "</div>");
        return;
    }
    json_t *xs = is_number ? first_of(values, n) : places(n);
    const double room = fmax(0.05 * (high - low), 1e-12);
    const tm_plot plot = {.out = out,
                          .x_low = tm__plot_at(xs, 0),
                          .x_high = tm__plot_at(xs, n - 1),
                          .y_low = is_share ? fmax(low - room, 0) : low - room,
                          .y_high = is_share ? fmin(high + room, 1) : high + room,
                          .is_share_y = is_share,
                          .has_no_x = !is_number,
                          .y_title = is_share ? "probability" : "answer"};
    char desc[200];
    (void)snprintf(desc, sizeof(desc), "answers along the column, from %.4g to %.4g", low, high);
    tm__plot_begin(&plot, tm__json_text(entry, "column", ""), desc);
    put_curve(&plot, entry, xs, n);
    for (size_t i = 0; !is_number && n > 1 && i < 3; i++) {
        const size_t at = i * (n - 1) / 2;
        const char *label = json_string_value(json_array_get(labels, at));
        char day[11];
        (void)snprintf(day, sizeof(day), "%.10s", label != NULL ? label : "");
        tm__plot_text_x(&plot, tm__plot_at(xs, at),
                        i == 0   ? "start"
                        : i == 1 ? "middle"
                                 : "end",
                        day);
    }
    tm__plot_end(&plot, NULL);
    const json_t *first = json_array_get(outputs, 0);
    tm__plot_table(out, 4, (const char *const[]){"value", "mean", "10 %", "90 %"},
                   (const json_t *const[]){labels, json_object_get(first, "mean"),
                                           json_object_get(first, "low"),
                                           json_object_get(first, "high")});
    (void)tm__buf_text(out, "</div>");
    json_decref(xs);
    (void)report;
}

void tm__report_put_dependence(tm_buf *out, const json_t *report) {
    const json_t *list = json_object_get(report, "dependence"), *entry = NULL;
    const json_t *outputs = json_object_get(json_array_get(list, 0), "outputs");
    size_t i = 0;
    if (json_array_size(list) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<h2 id=along>What answers do along the columns worth most</h2><p "
                            "class=say>A value is put in place of each row&rsquo;s own: the line "
                            "is the mean answer");
    if (json_array_size(outputs) == 1) {
        (void)tm__buf_text(out, ", the band holds eight of ten rows");
    } else {
        static const char *const looks[] = {"blue", "red", "dashed red", "dotted"};
        for (size_t o = 0; o < json_array_size(outputs) && o < 4; o++) {
            (void)tm__buf_printf(out, "; %s: ", looks[o]);
            tm__page_text(out, tm__json_text(json_array_get(outputs, o), "class", ""));
        }
    }
    (void)tm__buf_text(out, ". Values that do not go together in life are put together, too.</p>"
                            "<div class=two>");
    json_array_foreach(list, i, entry) {
        put_along(out, report, entry);
    }
    (void)tm__buf_text(out, "</div>");
}
