/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plots with two straight scales, as SVG in the colours of the page, each with a title and a
 * description for those who cannot see it. Texts of the data are escaped here.
 */
#ifndef TM_CLI_REPORT_PLOT_H
#define TM_CLI_REPORT_PLOT_H

#include "cli/page_priv.h"

typedef struct tm_plot {
    tm_buf *out;
    double x_low, x_high, y_low, y_high; /* what the frame shows */
    const char *x_title, *y_title;
    bool is_share_x, is_share_y; /* ticks in per cent */
    bool has_no_x, has_no_y;     /* the caller puts ticks, or none */
} tm_plot;

/** Open <figure><svg>, with both scales; title and desc are escaped. */
void tm__plot_begin(const tm_plot *plot, const char *title, const char *desc);
/** Close the svg; caption (escaped) may be NULL. The figure stays open for a table. */
void tm__plot_end(const tm_plot *plot, const char *caption);
double tm__plot_x(const tm_plot *plot, double x);
double tm__plot_y(const tm_plot *plot, double y);
/** Arrays of numbers; a null parts the line. */
void tm__plot_line(const tm_plot *plot, const char *css, const json_t *xs, const json_t *ys);
void tm__plot_segment(const tm_plot *plot, const char *css, double x0, double y0, double x1,
                      double y1);
void tm__plot_band(const tm_plot *plot, const json_t *xs, const json_t *lows, const json_t *highs);
/** A dot with a word for it (escaped). */
void tm__plot_dot(const tm_plot *plot, const char *css, double x, double y, const char *text);
/** A bar from the foot of the frame, between two values of x. */
void tm__plot_bar(const tm_plot *plot, const char *css, double x0, double x1, double from,
                  double to, const char *text);
void tm__plot_text_x(const tm_plot *plot, double x, const char *anchor, const char *text);

/** Least and most of an array are taken into *low and *high. */
void tm__plot_widen(const json_t *values, double *low, double *high);
/** Members of an array's objects as an array of numbers. New reference. */
json_t *tm__plot_column(const json_t *list, const char *member);
/** Number of a place; NaN for null. */
double tm__plot_at(const json_t *values, size_t i);

/** <details> with a table of columns of equal length: what a plot is drawn from. titles [n];
 * columns [n]: arrays of numbers and texts. At most 60 rows, evenly chosen. Closes the figure. */
void tm__plot_table(tm_buf *out, uint32_t n, const char *const *titles,
                    const json_t *const *columns);

#endif
