/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of a plot, and what is drawn in it.
 *
 *     LEFT ┌──────────────┐ TOP
 *     0.8  ┤     ──•──    │
 *     0.6  ┤ ──•──        │
 *          └─┬────┬────┬──┘ BOTTOM
 *            0   0.5   1
 */
#include "cli/report_plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"

#define WIDTH 440.0
#define HEIGHT 268.0
#define LEFT 74.0
#define RIGHT 428.0
#define TOP 10.0
#define BOTTOM 222.0
#define TABLE_ROWS 60u

static bool is_flat(double low, double high) {
    return !(high > low);
}

double tm__plot_x(const tm_plot *plot, double x) {
    return is_flat(plot->x_low, plot->x_high)
               ? (LEFT + RIGHT) / 2
               : LEFT + (RIGHT - LEFT) * (x - plot->x_low) / (plot->x_high - plot->x_low);
}

double tm__plot_y(const tm_plot *plot, double y) {
    return is_flat(plot->y_low, plot->y_high)
               ? (TOP + BOTTOM) / 2
               : BOTTOM - (BOTTOM - TOP) * (y - plot->y_low) / (plot->y_high - plot->y_low);
}

static void tick_text(char *text, size_t size, double value, double step, bool is_share) {
    const double shown = is_share ? 100 * value : value, by = is_share ? 100 * step : step;
    const double plain = fabs(shown) < by / 2 ? 0.0 : shown;
    if (fabs(shown) >= 1e6 || by < 1e-4) {
        (void)snprintf(text, size, "%.3g", plain);
        return;
    }
    const int digits = by >= 1 ? 0 : (int)ceil(-tm__log(by) / tm__log(10) - 1e-9);
    (void)snprintf(text, size, is_share ? "%.*f %%" : "%.*f", digits, plain);
}

static void put_scale(const tm_plot *plot, bool is_x) {
    const double low = is_x ? plot->x_low : plot->y_low, high = is_x ? plot->x_high : plot->y_high;
    if (is_flat(low, high) || !isfinite(high - low)) {
        return;
    }
    const double step = tm__page_step(high - low), first = ceil(low / step - 1e-9);
    const uint32_t n = (uint32_t)fmax(0, floor(high / step + 1e-9) - first + 1);
    for (uint32_t i = 0; i < n && i < 12; i++) {
        const double value = (first + i) * step;
        char text[40];
        tick_text(text, sizeof(text), value, step, is_x ? plot->is_share_x : plot->is_share_y);
        if (is_x) {
            (void)tm__buf_printf(plot->out,
                                 "<line class=g x1=%.2f y1=%g x2=%.2f y2=%g /><text x=%.2f y=%g "
                                 "text-anchor=middle>",
                                 tm__plot_x(plot, value), TOP, tm__plot_x(plot, value), BOTTOM,
                                 tm__plot_x(plot, value), BOTTOM + 15);
        } else {
            (void)tm__buf_printf(plot->out,
                                 "<line class=g x1=%g y1=%.2f x2=%g y2=%.2f /><text x=%g y=%.2f "
                                 "text-anchor=end>",
                                 LEFT, tm__plot_y(plot, value), RIGHT, tm__plot_y(plot, value),
                                 LEFT - 6, tm__plot_y(plot, value) + 4);
        }
        tm__page_groups(plot->out, text);
        (void)tm__buf_text(plot->out, "</text>");
    }
}

void tm__plot_begin(const tm_plot *plot, const char *title, const char *desc) {
    tm_buf *out = plot->out;
    (void)tm__buf_printf(out, "<figure><svg class=plot viewBox='0 0 %g %g' role=img><title>", WIDTH,
                         HEIGHT);
    tm__page_text(out, title);
    (void)tm__buf_text(out, "</title><desc>");
    tm__page_text(out, desc);
    (void)tm__buf_text(out, "</desc>");
    if (!plot->has_no_y) {
        put_scale(plot, false);
    }
    if (!plot->has_no_x) {
        put_scale(plot, true);
    }
    (void)tm__buf_printf(out, "<line class=a x1=%g y1=%g x2=%g y2=%g />", LEFT, BOTTOM, RIGHT,
                         BOTTOM);
    if (plot->x_title != NULL) {
        (void)tm__buf_printf(out, "<text x=%g y=%g text-anchor=middle>", (LEFT + RIGHT) / 2,
                             HEIGHT - 12);
        tm__page_text(out, plot->x_title);
        (void)tm__buf_text(out, "</text>");
    }
    if (plot->y_title != NULL) {
        (void)tm__buf_printf(out,
                             "<text transform='translate(11 %g) rotate(-90)' "
                             "text-anchor=middle>",
                             (TOP + BOTTOM) / 2);
        tm__page_text(out, plot->y_title);
        (void)tm__buf_text(out, "</text>");
    }
}

void tm__plot_end(const tm_plot *plot, const char *caption) {
    (void)tm__buf_text(plot->out, "</svg>");
    if (caption != NULL) {
        (void)tm__buf_text(plot->out, "<figcaption>");
        tm__page_text(plot->out, caption);
        (void)tm__buf_text(plot->out, "</figcaption>");
    }
}

/* --- what is drawn --- */

double tm__plot_at(const json_t *values, size_t i) {
    const json_t *value = json_array_get(values, i);
    return json_is_number(value) ? json_number_value(value) : tm__nan();
}

void tm__plot_widen(const json_t *values, double *low, double *high) {
    for (size_t i = 0; i < json_array_size(values); i++) {
        const double value = tm__plot_at(values, i);
        if (isfinite(value)) {
            *low = fmin(*low, value);
            *high = fmax(*high, value);
        }
    }
}

json_t *tm__plot_column(const json_t *list, const char *member) {
    json_t *column = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *value = json_object_get(json_array_get(list, i), member);
        json_array_append(column, value != NULL ? value : json_null());
    }
    return column;
}

static void put_point(const tm_plot *plot, double x, double y) {
    (void)tm__buf_printf(plot->out, "%.2f,%.2f ", tm__plot_x(plot, x), tm__plot_y(plot, y));
}

void tm__plot_line(const tm_plot *plot, const char *css, const json_t *xs, const json_t *ys) {
    bool is_open = false;
    for (size_t i = 0; i < json_array_size(xs); i++) {
        const double x = tm__plot_at(xs, i), y = tm__plot_at(ys, i);
        const bool is_there = isfinite(x) && isfinite(y);
        if (is_there && !is_open) {
            (void)tm__buf_printf(plot->out, "<polyline class=%s points='", css);
        }
        if (is_there) {
            put_point(plot, x, y);
        } else if (is_open) {
            (void)tm__buf_text(plot->out, "'/>");
        }
        is_open = is_there;
    }
    if (is_open) {
        (void)tm__buf_text(plot->out, "'/>");
    }
}

void tm__plot_segment(const tm_plot *plot, const char *css, double x0, double y0, double x1,
                      double y1) {
    (void)tm__buf_printf(plot->out, "<line class=%s x1=%.2f y1=%.2f x2=%.2f y2=%.2f />", css,
                         tm__plot_x(plot, x0), tm__plot_y(plot, y0), tm__plot_x(plot, x1),
                         tm__plot_y(plot, y1));
}

void tm__plot_band(const tm_plot *plot, const json_t *xs, const json_t *lows, const json_t *highs) {
    const size_t n = json_array_size(xs);
    (void)tm__buf_text(plot->out, "<polygon class=band points='");
    for (size_t i = 0; i < 2 * n; i++) {
        const size_t at = i < n ? i : 2 * n - 1 - i;
        const double x = tm__plot_at(xs, at), y = tm__plot_at(i < n ? lows : highs, at);
        if (isfinite(x) && isfinite(y)) {
            put_point(plot, x, y);
        }
    }
    (void)tm__buf_text(plot->out, "'/>");
}

static void put_title(const tm_plot *plot, const char *text) {
    (void)tm__buf_text(plot->out, "<title>");
    tm__page_text(plot->out, text);
    (void)tm__buf_text(plot->out, "</title>");
}

void tm__plot_dot(const tm_plot *plot, const char *css, double x, double y, const char *text) {
    (void)tm__buf_printf(plot->out, "<circle class=%s cx=%.2f cy=%.2f r=3.5>", css,
                         tm__plot_x(plot, x), tm__plot_y(plot, y));
    put_title(plot, text);
    (void)tm__buf_text(plot->out, "</circle>");
}

void tm__plot_bar(const tm_plot *plot, const char *css, double x0, double x1, double from,
                  double to, const char *text) {
    const double left = tm__plot_x(plot, x0), right = tm__plot_x(plot, x1);
    const double low = tm__plot_y(plot, from), high = tm__plot_y(plot, to);
    const double gap = fmin((right - left) * 0.12, 1.5);
    (void)tm__buf_printf(plot->out, "<rect class=%s x=%.2f y=%.2f width=%.2f height=%.2f>", css,
                         left + gap / 2, fmin(low, high), fmax(right - left - gap, 0.5),
                         fabs(low - high));
    put_title(plot, text);
    (void)tm__buf_text(plot->out, "</rect>");
}

void tm__plot_text_x(const tm_plot *plot, double x, const char *anchor, const char *text) {
    (void)tm__buf_printf(plot->out, "<text x=%.2f y=%g text-anchor=%s>", tm__plot_x(plot, x),
                         BOTTOM + 15, anchor);
    tm__page_text(plot->out, text);
    (void)tm__buf_text(plot->out, "</text>");
}

/* --- the numbers behind it --- */

void tm__plot_table(tm_buf *out, uint32_t n, const char *const *titles,
                    const json_t *const *columns) {
    const size_t n_rows = json_array_size(columns[0]);
    const size_t n_told = n_rows < TABLE_ROWS ? n_rows : TABLE_ROWS;
    (void)tm__buf_text(out, "<details><summary>Numbers</summary><table class=list><thead><tr>");
    for (uint32_t k = 0; k < n; k++) {
        (void)tm__buf_text(out, "<th scope=col>");
        tm__page_text(out, titles[k]);
        (void)tm__buf_text(out, "</th>");
    }
    (void)tm__buf_text(out, "</tr></thead><tbody>");
    for (size_t i = 0; i < n_told; i++) {
        const size_t row = n_told > 1 ? i * (n_rows - 1) / (n_told - 1) : 0;
        (void)tm__buf_text(out, "<tr>");
        for (uint32_t k = 0; k < n; k++) {
            const json_t *value = json_array_get(columns[k], row);
            (void)tm__buf_text(out, "<td>");
            if (json_is_string(value)) {
                tm__page_text(out, json_string_value(value));
            } else {
                tm__page_number(out, json_is_number(value) ? json_number_value(value) : tm__nan());
            }
            (void)tm__buf_text(out, "</td>");
        }
        (void)tm__buf_text(out, "</tr>");
    }
    (void)tm__buf_text(out, "</tbody></table></details></figure>");
}
