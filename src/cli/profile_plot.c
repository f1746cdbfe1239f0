/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plots of a profile's page, as SVG with the colours of its style sheet.
 *
 *     0,0 ┌──────────────┐
 *         │ bars, y down │ PLOT_HEIGHT
 *         ├──────────────┤
 *         │ labels       │ LABEL_HEIGHT
 *         └── WIDTH ─────┘
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/page_priv.h"

#define WIDTH 440.0
#define PLOT_HEIGHT 112.0
#define LABEL_HEIGHT 18.0
#define BY_HEIGHT 72.0
#define LEVELS_MAX 8u

static void put_svg(tm_buf *out, double height, const char *label) {
    (void)tm__buf_printf(out, "<svg viewBox='0 0 %g %g' role=img aria-label='%s'>", WIDTH, height,
                         label);
}

static void put_label(tm_buf *out, const json_t *value, double shift) {
    if (json_is_string(value)) {
        /* The day is enough below a plot. */
        char day[11];
        (void)snprintf(day, sizeof(day), "%s", json_string_value(value));
        tm__page_text(out, day);
    } else {
        tm__page_number(out, json_number_value(value) + shift);
    }
}

static void put_tick(tm_buf *out, double x, const char *anchor, const json_t *value, double shift) {
    (void)tm__buf_printf(out, "<text x=%.1f y=%g text-anchor=%s>", x, PLOT_HEIGHT + 14, anchor);
    put_label(out, value, shift);
    (void)tm__buf_text(out, "</text>");
}

/* Few whole numbers stand below their bars, else the ends and the middle have labels. */
static void put_axis(tm_buf *out, const json_t *bounds, bool is_whole) {
    const size_t n = json_array_size(bounds) - 1;
    (void)tm__buf_printf(out, "<line class=a x1=0 y1=%g x2=%g y2=%g />", PLOT_HEIGHT, WIDTH,
                         PLOT_HEIGHT);
    for (size_t i = 0; is_whole && n <= 12 && i < n; i++) {
        put_tick(out, WIDTH * ((double)i + 0.5) / (double)n, "middle", json_array_get(bounds, i),
                 0.5);
    }
    if (is_whole && n <= 12) {
        return;
    }
    put_tick(out, 0, "start", json_array_get(bounds, 0), is_whole ? 0.5 : 0);
    if (n >= 4 && !is_whole) {
        put_tick(out, WIDTH * (double)(n / 2) / (double)n, "middle", json_array_get(bounds, n / 2),
                 0);
    }
    put_tick(out, WIDTH, "end", json_array_get(bounds, n), is_whole ? -0.5 : 0);
}

static void put_bar(tm_buf *out, const json_t *bounds, size_t i, bool is_whole) {
    put_label(out, json_array_get(bounds, i), is_whole ? 0.5 : 0);
    if (!is_whole) {
        (void)tm__buf_text(out, " to ");
        put_label(out, json_array_get(bounds, i + 1), 0);
    }
}

void tm__page_histogram(tm_buf *out, const json_t *column) {
    const json_t *histogram = json_object_get(column, "histogram");
    const json_t *bounds = json_object_get(histogram, "bounds");
    const json_t *counts = json_object_get(histogram, "counts");
    const bool is_whole = tm__json_bool(histogram, "whole", false);
    const size_t n = json_array_size(counts);
    double most = 1;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, json_number_value(json_array_get(counts, i)));
    }
    (void)tm__buf_text(out, "<figure>");
    put_svg(out, PLOT_HEIGHT + LABEL_HEIGHT, "how values are spread");
    const double width = WIDTH / (double)(n > 0 ? n : 1), gap = fmin(width * 0.15, 2);
    for (size_t i = 0; i < n; i++) {
        const double count = json_number_value(json_array_get(counts, i));
        const double height = count > 0 ? fmax(PLOT_HEIGHT * count / most, 1) : 0;
        (void)tm__buf_printf(out, "<rect class=b x=%.2f y=%.2f width=%.2f height=%.2f rx=1><title>",
                             (double)i * width + gap / 2, PLOT_HEIGHT - height, width - gap,
                             height);
        put_bar(out, bounds, i, is_whole);
        (void)tm__buf_text(out, ": ");
        tm__page_count(out, (int64_t)count);
        (void)tm__buf_text(out, " rows</title></rect>");
    }
    put_axis(out, bounds, is_whole);
    (void)tm__buf_text(out, "</svg>");
    const int64_t below = tm__json_i64(histogram, "below", 0);
    const int64_t above = tm__json_i64(histogram, "above", 0);
    if (below + above > 0) {
        (void)tm__buf_text(out, "<figcaption>beyond the plot: ");
        tm__page_count(out, below);
        (void)tm__buf_text(out, " rows below, ");
        tm__page_count(out, above);
        (void)tm__buf_text(out, " above</figcaption>");
    }
    (void)tm__buf_text(out, "</figure>");
}

/* One line of bars in HTML: a name, a bar of a share of the width, two figures. */
static void put_line(tm_buf *out, const char *name, double share) {
    (void)tm__buf_text(out, "<span class=k title='");
    tm__page_text(out, name);
    (void)tm__buf_text(out, "'>");
    if (name[0] == '\0') {
        (void)tm__buf_text(out, "<span class=dim>empty</span>");
    }
    tm__page_text(out, name);
    (void)tm__buf_printf(out, "</span><span class=t><i style='width:%.2f%%'></i></span>",
                         100 * fmin(fmax(share, 0), 1));
}

void tm__page_top(tm_buf *out, const json_t *column) {
    size_t i = 0;
    const json_t *item = NULL;
    const json_t *top = json_object_get(column, "top");
    const double most = tm__json_f64(json_array_get(top, 0), "share", 1);
    (void)tm__buf_text(out, "<figure><figcaption>most frequent</figcaption><div class=bars>");
    json_array_foreach(top, i, item) {
        const double share = tm__json_f64(item, "share", 0);
        put_line(out, tm__json_text(item, "value", ""), most > 0 ? share / most : 0);
        (void)tm__buf_text(out, "<span class=n>");
        tm__page_count(out, tm__json_i64(item, "count", 0));
        (void)tm__buf_text(out, "</span><span class='n dim'>");
        tm__page_share(out, share);
        (void)tm__buf_text(out, "</span>");
    }
    (void)tm__buf_text(out, "</div></figure>");
}

/* --- with the target --- */

/* Of classes a share, else a mean. */
static void put_mean(tm_buf *out, double value, bool is_share) {
    if (is_share) {
        tm__page_share(out, value);
    } else {
        tm__page_number(out, value);
    }
}

static void put_by_line(tm_buf *out, const json_t *target, const json_t *by, double low,
                        double high) {
    const double mean = tm__json_f64(target, "mean", 0);
    const bool is_share = json_object_get(target, "positive") != NULL;
    const size_t n = json_array_size(by);
    const double step = WIDTH / (double)n;
    const double scale = high > low ? (BY_HEIGHT - 8) / (high - low) : 0;
    (void)tm__buf_printf(out, "<line class=m x1=0 y1=%.2f x2=%g y2=%.2f />",
                         BY_HEIGHT - 4 - (mean - low) * scale, WIDTH,
                         BY_HEIGHT - 4 - (mean - low) * scale);
    (void)tm__buf_text(out, "<polyline class=l points='");
    for (size_t i = 0; i < n; i++) {
        const double value = tm__json_f64(json_array_get(by, i), "value", mean);
        (void)tm__buf_printf(out, "%.2f,%.2f ", ((double)i + 0.5) * step,
                             BY_HEIGHT - 4 - (value - low) * scale);
    }
    (void)tm__buf_text(out, "'/>");
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(by, i);
        const double value = tm__json_f64(entry, "value", mean);
        (void)tm__buf_printf(out, "<circle class=d cx=%.2f cy=%.2f r=3.5><title>",
                             ((double)i + 0.5) * step, BY_HEIGHT - 4 - (value - low) * scale);
        tm__page_text(out, tm__json_text(entry, "label", ""));
        (void)tm__buf_text(out, ": ");
        put_mean(out, value, is_share);
        (void)tm__buf_text(out, "</title></circle>");
    }
    for (size_t i = 0; i<n; i += n> 1 ? n - 1 : 1) {
        (void)tm__buf_printf(out, "<text x=%g y=%g text-anchor=%s>", i == 0 ? 0 : WIDTH,
                             BY_HEIGHT + 14, i == 0 ? "start" : "end");
        tm__page_text(out, tm__json_text(json_array_get(by, i), "label", ""));
        (void)tm__buf_text(out, "</text>");
    }
}

static void put_by_levels(tm_buf *out, const json_t *target, const json_t *by, double high) {
    const bool is_share = json_object_get(target, "positive") != NULL;
    (void)tm__buf_text(out, "<div class=bars>");
    for (size_t i = 0; i < json_array_size(by) && i < LEVELS_MAX; i++) {
        const json_t *entry = json_array_get(by, i);
        const double value = tm__json_f64(entry, "value", 0);
        put_line(out, tm__json_text(entry, "label", ""), high > 0 ? value / high : 0);
        (void)tm__buf_text(out, "<span class=n>");
        put_mean(out, value, is_share);
        (void)tm__buf_text(out, "</span><span class='n dim'>");
        tm__page_count(out, tm__json_i64(entry, "rows", 0));
        (void)tm__buf_text(out, "</span>");
    }
    (void)tm__buf_text(out, "</div>");
}

void tm__page_by(tm_buf *out, const json_t *target, const json_t *entry) {
    const json_t *by = json_object_get(entry, "by");
    const double mean = tm__json_f64(target, "mean", 0);
    double low = mean, high = mean;
    size_t i = 0;
    const json_t *point = NULL;
    if (json_array_size(by) < 2) {
        return;
    }
    json_array_foreach(by, i, point) {
        low = fmin(low, tm__json_f64(point, "value", mean));
        high = fmax(high, tm__json_f64(point, "value", mean));
    }
    (void)tm__buf_text(out, "<figure><figcaption>");
    if (json_object_get(target, "positive") != NULL) {
        (void)tm__buf_text(out, "share of ");
        tm__page_text(out, tm__json_text(target, "positive", ""));
    } else {
        (void)tm__buf_text(out, "mean of ");
        tm__page_text(out, tm__json_text(target, "column", ""));
    }
    if (tm__json_bool(entry, "ordered", false)) {
        const bool is_share = json_object_get(target, "positive") != NULL;
        (void)tm__buf_text(out, ", from ");
        put_mean(out, low, is_share);
        (void)tm__buf_text(out, " to ");
        put_mean(out, high, is_share);
        (void)tm__buf_text(out, "</figcaption>");
        put_svg(out, BY_HEIGHT + LABEL_HEIGHT, "the target along this column");
        put_by_line(out, target, by, low, high);
        (void)tm__buf_text(out, "</svg>");
    } else {
        (void)tm__buf_text(out, " (and rows)</figcaption>");
        put_by_levels(out, target, by, high);
    }
    (void)tm__buf_text(out, "</figure>");
}

void tm__page_target(tm_buf *out, const json_t *target) {
    size_t i = 0;
    const json_t *entry = NULL;
    const json_t *columns = json_object_get(target, "columns");
    if (json_array_size(columns) == 0) {
        return;
    }
    (void)tm__buf_text(out, "<h2>What goes with the target</h2><div class=box>"
                            "<p class='dim small'>0: not at all, 1: one follows from the other. "
                            "Rank correlation between numbers, correlation ratio between numbers "
                            "and categories, Cram&eacute;r&rsquo;s V between categories; on ");
    tm__page_count(out, tm__json_i64(target, "rows", 0));
    (void)tm__buf_text(out, " rows.</p><div class=bars>");
    json_array_foreach(columns, i, entry) {
        const double value = tm__json_f64(entry, "value", 0);
        if (i >= 20) {
            break;
        }
        put_line(out, tm__json_text(entry, "column", ""), fabs(value));
        (void)tm__buf_printf(out, "<span class=n>%s%.3f</span><span class=dim>%s</span>",
                             value < 0 ? "&minus;" : "", fabs(value),
                             tm__json_text(entry, "measure", ""));
    }
    (void)tm__buf_text(out, "</div>");
    if (json_array_size(columns) > 20) {
        (void)tm__buf_printf(out, "<p class='dim small'>and %zu more</p>",
                             json_array_size(columns) - 20);
    }
    (void)tm__buf_text(out, "</div>");
}

void tm__page_correlations(tm_buf *out, const json_t *correlations) {
    const json_t *names = json_object_get(correlations, "columns");
    const json_t *values = json_object_get(correlations, "values");
    const size_t n = json_array_size(names);
    if (n < 2) {
        return;
    }
    (void)tm__buf_text(out, "<h2>Rank correlations between numbers</h2><div class=box><table>"
                            "<thead><tr><th></th>");
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        (void)tm__buf_text(out, "<th title='");
        tm__page_text(out, name);
        (void)tm__buf_text(out, "'>");
        tm__page_text(out, name);
        (void)tm__buf_text(out, "</th>");
    }
    (void)tm__buf_text(out, "</tr></thead><tbody>");
    for (size_t row = 0; row < n; row++) {
        (void)tm__buf_text(out, "<tr><th>");
        tm__page_text(out, json_string_value(json_array_get(names, row)));
        (void)tm__buf_text(out, "</th>");
        for (size_t col = 0; col < n; col++) {
            const json_t *value = json_array_get(json_array_get(values, row), col);
            const double r = json_is_number(value) ? json_number_value(value) : NAN;
            if (row == col || isnan(r)) {
                (void)tm__buf_text(out, row == col ? "<td></td>" : "<td>&ndash;</td>");
                continue;
            }
            (void)tm__buf_printf(out,
                                 "<td style='background:color-mix(in srgb,var(%s) "
                                 "%.0f%%,transparent)'>%s%.2f</td>",
                                 r < 0 ? "--low" : "--high", 70 * fabs(r), r < 0 ? "&minus;" : "",
                                 fabs(r));
        }
        (void)tm__buf_text(out, "</tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></div>");
}
