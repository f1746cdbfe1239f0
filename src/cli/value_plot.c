/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plots of the page on what data is worth, as SVG with the colours of the style sheet: a frame with
 * a scale on each side, and what is drawn in it.
 *
 *     LEFT ┌──────────────┐ TOP
 *     0.81 ┤     ──•──    │
 *     0.79 ┤ ──•──        │
 *          └─┬────┬────┬──┘ BOTTOM
 *           1k   2k   4k
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "cli/page_priv.h"
#include "cli/train_words.h"

#define WIDTH 440.0
#define HEIGHT 236.0
#define LEFT 52.0
#define RIGHT 430.0
#define TOP 10.0
#define BOTTOM 208.0
#define FIT_POINTS 48u
#define PERIOD_HEIGHT 96.0

/* Where values are drawn; x is of logarithms. */
typedef struct frame {
    double x_low, x_high, y_low, y_high;
} frame;

static double at_x(const frame *f, double x) {
    return LEFT + (RIGHT - LEFT) * (tm__log(x) - f->x_low) / (f->x_high - f->x_low);
}

static double at_y(const frame *f, double y) {
    return BOTTOM - (BOTTOM - TOP) * (y - f->y_low) / (f->y_high - f->y_low);
}

static void put_plot(tm_buf *out, const char *label) {
    (void)tm__buf_printf(out,
                         "<figure><svg class=plot viewBox='0 0 %g %g' role=img aria-label='%s'>"
                         "<desc>%s</desc>",
                         WIDTH, HEIGHT, label, label);
}

static void put_point(tm_buf *out, double x, double y) {
    (void)tm__buf_printf(out, "%.2f,%.2f ", x, y);
}

double tm__page_step(double range) {
    const double rough = range / 5;
    double step = tm__pow(10, floor(tm__log(rough) / tm__log(10)));
    static const double times[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4; i++) {
        if (times[i] * step >= rough * (1 - 1e-9)) {
            return times[i] * step;
        }
    }
    return 10 * step;
}

static void put_y_tick(tm_buf *out, const frame *f, double y, const char *text) {
    (void)tm__buf_printf(out,
                         "<line class=g x1=%g y1=%.2f x2=%g y2=%.2f /><text x=%g y=%.2f "
                         "text-anchor=end>%s</text>",
                         LEFT, at_y(f, y), RIGHT, at_y(f, y), LEFT - 6, at_y(f, y) + 4, text);
}

static void put_x_tick(tm_buf *out, double x, const char *text) {
    (void)tm__buf_printf(out,
                         "<line class=a x1=%.2f y1=%g x2=%.2f y2=%g /><text x=%.2f y=%g "
                         "text-anchor=middle>%s</text>",
                         x, BOTTOM, x, BOTTOM + 4, x, BOTTOM + 18, text);
}

static void put_y_scale(tm_buf *out, const frame *f) {
    const double step = tm__page_step(f->y_high - f->y_low);
    const int digits = step >= 1 ? 0 : (int)ceil(-tm__log(step) / tm__log(10) - 1e-9);
    const double first = ceil(f->y_low / step);
    const uint32_t n = (uint32_t)fmax(0, floor(f->y_high / step + 1e-6) - first + 1);
    for (uint32_t i = 0; i < n; i++) {
        const double y = (first + i) * step;
        char text[32];
        (void)snprintf(text, sizeof(text), "%.*f", digits, fabs(y) < step / 2 ? 0.0 : y);
        put_y_tick(out, f, y, text);
    }
}

/* 950, 12k, 3.4M: short enough to stand below a point. */
static const char *short_count(double n, char out[16]) {
    const double scale = n >= 999.5e3 ? 1e6 : n >= 999.5 ? 1e3 : 1;
    const char *unit = scale == 1e6 ? "M" : scale == 1e3 ? "k" : "";
    const double value = n / scale;
    (void)snprintf(out, 16, scale > 1 && value < 9.95 ? "%.1f%s" : "%.0f%s", value, unit);
    return out;
}

/* --- the learning curve --- */

/* A score that follows from the curve's model, NaN without one. */
static double model_at(const json_t *model, double share) {
    return tm__json_f64(model, "limit", tm__nan()) -
           tm__json_f64(model, "scale", tm__nan()) *
               tm__pow(share, -tm__json_f64(model, "slope", tm__nan()));
}

static void widen(double *low, double *high, double value) {
    if (isfinite(value)) {
        *low = fmin(*low, value);
        *high = fmax(*high, value);
    }
}

/* From the last point to twice its rows: what is foretold, with its interval. */
typedef struct outlook {
    bool is_there;
    double rows, score, low, high;
} outlook;

static outlook look_out(const json_t *value) {
    const json_t *curve = json_object_get(value, "curve"), *twice = json_object_get(value, "twice");
    const json_t *last = json_array_get(curve, json_array_size(curve) - 1);
    const double sign = tm__json_bool(value, "smaller_is_better", false) ? -1 : 1;
    const double score = tm__json_f64(last, "score", 0);
    if (twice == NULL) {
        return (outlook){0};
    }
    return (outlook){.is_there = true,
                     .rows = tm__json_f64(twice, "rows", 1),
                     .score = score + sign * tm__json_f64(twice, "gain", 0),
                     .low = score + sign * tm__json_f64(twice, "low", 0),
                     .high = score + sign * tm__json_f64(twice, "high", 0)};
}

static frame frame_of(const json_t *value, const outlook *ahead) {
    const json_t *curve = json_object_get(value, "curve");
    const double first = tm__json_f64(json_array_get(curve, 0), "rows", 1);
    double most = first, low = INFINITY, high = -INFINITY;
    const json_t *entry = NULL;
    size_t i = 0;
    json_array_foreach(curve, i, entry) {
        most = fmax(most, tm__json_f64(entry, "rows", 1));
        widen(&low, &high, tm__json_f64(entry, "score", tm__nan()));
        widen(&low, &high, tm__json_f64(entry, "low", tm__nan()));
        widen(&low, &high, tm__json_f64(entry, "high", tm__nan()));
    }
    if (ahead->is_there) {
        most = fmax(most, ahead->rows);
        widen(&low, &high, ahead->low);
        widen(&low, &high, ahead->high);
    }
    const double room = high > low ? 0.06 * (high - low) : fmax(fabs(high), 1) * 0.01;
    return (frame){.x_low = tm__log(first) - 0.15,
                   .x_high = tm__log(most) + 0.25,
                   .y_low = low - room,
                   .y_high = high + room};
}

static void put_curve_points(tm_buf *out, const frame *f, const json_t *curve) {
    const json_t *entry = NULL;
    size_t i = 0;
    const size_t n = json_array_size(curve);
    json_array_foreach(curve, i, entry) {
        const double rows = tm__json_f64(entry, "rows", 1);
        const double score = tm__json_f64(entry, "score", 0), x = at_x(f, rows);
        const double low = tm__json_f64(entry, "low", score);
        const double high = tm__json_f64(entry, "high", score);
        char text[16];
        (void)tm__buf_printf(out, "<line class=e x1=%.2f y1=%.2f x2=%.2f y2=%.2f />", x,
                             at_y(f, low), x, at_y(f, high));
        (void)tm__buf_printf(out, "<circle class=b cx=%.2f cy=%.2f r=3.5><title>", x,
                             at_y(f, score));
        tm__page_count(out, (int64_t)rows);
        (void)tm__buf_text(out, " rows: ");
        tm__page_number(out, score);
        (void)tm__buf_text(out, "</title></circle>");
        if (n < 6 || (n - 1 - i) % 2 == 0) {
            put_x_tick(out, x, short_count(rows, text));
        }
    }
}

static void put_fit(tm_buf *out, const frame *f, const json_t *value, const outlook *ahead) {
    const json_t *model = json_object_get(value, "model"), *curve = json_object_get(value, "curve");
    const double first = tm__json_f64(json_array_get(curve, 0), "rows", 1);
    const double whole = tm__json_f64(json_array_get(curve, json_array_size(curve) - 1), "rows", 1);
    if (model == NULL) {
        return;
    }
    (void)tm__buf_text(out, "<polyline class=dash points='");
    for (uint32_t i = 0; i <= FIT_POINTS; i++) {
        const double rows = first * tm__pow(ahead->rows / first, (double)i / FIT_POINTS);
        const double score = model_at(model, rows / whole);
        if (score >= f->y_low && score <= f->y_high) {
            put_point(out, at_x(f, rows), at_y(f, score));
        }
    }
    (void)tm__buf_text(out, "'/>");
}

/* The interval of the gain opens from the last point. */
static void put_outlook(tm_buf *out, const frame *f, const json_t *value, const outlook *ahead) {
    const json_t *curve = json_object_get(value, "curve");
    const json_t *last = json_array_get(curve, json_array_size(curve) - 1);
    const double x = at_x(f, tm__json_f64(last, "rows", 1)), to = at_x(f, ahead->rows);
    const double y = at_y(f, tm__json_f64(last, "score", 0));
    char text[16];
    if (!ahead->is_there) {
        return;
    }
    (void)tm__buf_text(out, "<polygon class=band points='");
    put_point(out, x, y);
    put_point(out, to, at_y(f, ahead->low));
    put_point(out, to, at_y(f, ahead->high));
    (void)tm__buf_text(out, "'><title>95 % interval of twice as many rows</title></polygon>");
    put_x_tick(out, to, short_count(ahead->rows, text));
}

void tm__page_learning_curve(tm_buf *out, const json_t *value) {
    if (json_array_size(json_object_get(value, "curve")) < 2) {
        return;
    }
    const outlook ahead = look_out(value);
    const frame f = frame_of(value, &ahead);
    put_plot(out, "the score against the rows to learn from");
    put_y_scale(out, &f);
    put_outlook(out, &f, value, &ahead);
    put_fit(out, &f, value, &ahead);
    put_curve_points(out, &f, json_object_get(value, "curve"));
    (void)tm__buf_printf(out, "<line class=a x1=%g y1=%g x2=%g y2=%g /></svg><figcaption>", LEFT,
                         BOTTOM, RIGHT, BOTTOM);
    tm__page_text(out, tm__json_text(value, "metric", ""));
    (void)tm__buf_printf(
        out, " by rows to learn from%s, bars are 95 %% intervals%s</figcaption></figure>",
        tm__json_bool(value, "smaller_is_better", false) ? " (less is better)" : "",
        ahead.is_there ? "; the dashed line is the fit, the fan what twice as many "
                         "rows may bring"
                       : "");
}

/* --- when labels come --- */

/* Ticks at lengths of time that people name. */
static void put_time_scale(tm_buf *out, const frame *f) {
    static const struct {
        double seconds;
        const char *text;
    } ticks[] = {{1e-3, "1 ms"},    {0.1, "0.1 s"},     {1, "1 s"},         {10, "10 s"},
                 {60, "1 min"},     {600, "10 min"},    {3600, "1 h"},      {21600, "6 h"},
                 {86400, "1 d"},    {604800, "7 d"},    {2592000, "30 d"},  {7776000, "90 d"},
                 {31536000, "1 y"}, {157680000, "5 y"}, {630720000, "20 y"}};
    double last = -INFINITY;
    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        const double at = tm__log(ticks[i].seconds);
        if (at >= f->x_low && at <= f->x_high && at_x(f, ticks[i].seconds) - last >= 40) {
            last = at_x(f, ticks[i].seconds);
            put_x_tick(out, last, ticks[i].text);
        }
    }
}

static double seconds_of(const json_t *point) {
    return fmax(tm__json_f64(point, "seconds", 0), 1e-6);
}

static void put_declared(tm_buf *out, const frame *f, double seconds) {
    const double at = seconds > 0 ? tm__log(seconds) : tm__nan();
    if (at >= f->x_low && at <= f->x_high) {
        const double x = at_x(f, seconds);
        (void)tm__buf_printf(out,
                             "<line class=m x1=%.2f y1=%g x2=%.2f y2=%g /><text x=%.2f y=%g "
                             "text-anchor=%s>declared</text>",
                             x, TOP, x, BOTTOM, x > (LEFT + RIGHT) / 2 ? x - 5 : x + 5, TOP + 10,
                             x > (LEFT + RIGHT) / 2 ? "end" : "start");
    }
}

void tm__page_arrival(tm_buf *out, const json_t *labels) {
    static const char *const shares[] = {"0 %", "25 %", "50 %", "75 %", "100 %"};
    const json_t *curve = json_object_get(json_object_get(labels, "arrival"), "curve");
    const size_t n = json_array_size(curve);
    const double declared = tm__json_f64(labels, "declared_delay_seconds", 0);
    const json_t *entry = NULL;
    size_t i = 0;
    if (n == 0) {
        return;
    }
    double low = seconds_of(json_array_get(curve, 0));
    double high = seconds_of(json_array_get(curve, n - 1));
    low = declared > 0 ? fmin(low, declared) : low;
    high = declared > 0 ? fmax(high, declared) : high;
    const frame f = {.x_low = tm__log(low) - 0.4, .x_high = tm__log(high) + 0.4, .y_high = 1};
    put_plot(out, "share of answers that have a label, by the time since the answer");
    for (size_t k = 0; k < 5; k++) {
        put_y_tick(out, &f, 0.25 * (double)k, shares[k]);
    }
    put_declared(out, &f, declared);
    (void)tm__buf_printf(out, "<polyline class=f points='%g,%g ", LEFT, BOTTOM);
    double before = 0;
    json_array_foreach(curve, i, entry) {
        const double share = tm__json_f64(entry, "share", 0), x = at_x(&f, seconds_of(entry));
        put_point(out, x, at_y(&f, before));
        put_point(out, x, at_y(&f, share));
        before = share;
    }
    put_point(out, RIGHT, at_y(&f, before));
    (void)tm__buf_printf(out, "'/><line class=a x1=%g y1=%g x2=%g y2=%g />", LEFT, BOTTOM, RIGHT,
                         BOTTOM);
    put_time_scale(out, &f);
    (void)tm__buf_text(out,
                       "</svg><figcaption>answers that have their label so long after they were "
                       "given; each counts for as long as it was watched</figcaption></figure>");
}

/* Rows of each period, and the part of them that has a label. */
void tm__page_periods(tm_buf *out, const json_t *list) {
    const size_t n = json_array_size(list);
    const json_t *entry = NULL;
    size_t i = 0;
    double most = 1;
    if (n == 0) {
        return;
    }
    json_array_foreach(list, i, entry) {
        most = fmax(most, tm__json_f64(entry, "rows", 0));
    }
    (void)tm__buf_printf(
        out, "<figure><svg class=plot viewBox='0 0 %g %g' role=img aria-label='rows by period'>",
        WIDTH, PERIOD_HEIGHT + 20);
    const double width = WIDTH / (double)n, gap = fmin(width * 0.15, 2);
    json_array_foreach(list, i, entry) {
        const double rows = tm__json_f64(entry, "rows", 0);
        const double labelled = tm__json_f64(entry, "labelled", 0);
        const double x = (double)i * width + gap / 2, all = PERIOD_HEIGHT * rows / most;
        const double part = PERIOD_HEIGHT * labelled / most;
        (void)tm__buf_printf(out,
                             "<rect class=band x=%.2f y=%.2f width=%.2f height=%.2f rx=1 /><rect "
                             "class=b x=%.2f y=%.2f width=%.2f height=%.2f rx=1><title>",
                             x, PERIOD_HEIGHT - all, width - gap, all, x, PERIOD_HEIGHT - part,
                             width - gap, part);
        (void)tm__buf_printf(out, "from %.10s: ", tm__json_text(entry, "from", ""));
        tm__page_count(out, (int64_t)labelled);
        (void)tm__buf_text(out, " of ");
        tm__page_count(out, (int64_t)rows);
        (void)tm__buf_text(out, " rows</title></rect>");
    }
    (void)tm__buf_printf(out,
                         "<line class=a x1=0 y1=%g x2=%g y2=%g /><text x=0 y=%g>%.10s</text>"
                         "<text x=%g y=%g text-anchor=end>%.10s</text></svg><figcaption>rows by "
                         "period; the full part has a label</figcaption></figure>",
                         PERIOD_HEIGHT, WIDTH, PERIOD_HEIGHT, PERIOD_HEIGHT + 15,
                         tm__json_text(json_array_get(list, 0), "from", ""), WIDTH,
                         PERIOD_HEIGHT + 15,
                         n > 1 ? tm__json_text(json_array_get(list, n - 1), "from", "") : "");
}
