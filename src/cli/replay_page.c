/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/replay_history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/page_priv.h"
#include "cli/report_plot.h"

static void put_tile(tm_buf *out, const json_t *result, const char *name) {
    char text[64];
    (void)snprintf(text, sizeof(text), "%.4f",
                   tm__json_f64(json_object_get(result, name), "score", 0.0));
    tm__page_tile_text(out, name, text);
}

static void put_curve(tm_buf *out, const json_t *result) {
    static const char *const names[] = {"trivial", "static", "schedule", "policy"};
    static const char *const css[] = {"a", "m", "m", "l"};
    static const char *const titles[] = {"row", "policy", "schedule", "static", "trivial"};
    const json_t *const curve = json_object_get(result, "curve");
    const json_t *const rows = json_object_get(curve, "row");
    const json_t *const columns[] = {
        rows, json_object_get(curve, "policy"), json_object_get(curve, "schedule"),
        json_object_get(curve, "static"), json_object_get(curve, "trivial")};
    double low = INFINITY, high = -INFINITY;
    for (uint32_t i = 0; i < 4; i++) {
        tm__plot_widen(json_object_get(curve, names[i]), &low, &high);
    }
    const tm_plot plot = {.out = out,
                          .x_low = tm__json_f64(result, "first_rows", 0.0),
                          .x_high = tm__json_f64(result, "rows", 1.0),
                          .y_low = low,
                          .y_high = high > low ? high : low + 1.0,
                          .x_title = "row",
                          .y_title = tm__json_text(result, "metric", "score")};
    tm__plot_begin(&plot, "Score along the rows",
                   "Scores of the policy, the best schedule, the static model and the best rule.");
    for (uint32_t i = 0; i < 4; i++) {
        tm__plot_line(&plot, css[i], rows, json_object_get(curve, names[i]));
    }
    tm__plot_end(&plot, "The full line is the policy; dashed are the best schedule and the static "
                        "model, thin is the best rule that learns nothing.");
    tm__plot_table(out, 5, titles, columns);
}

static void put_turns(tm_buf *out, const json_t *turns) {
    (void)tm__buf_text(out, "<h2>Retrainings</h2><div class=box><table><tr><th>before row<th>why"
                            "<th>what<th>from row<th>to row</tr>");
    for (size_t i = 0; i < json_array_size(turns); i++) {
        const json_t *const t = json_array_get(turns, i);
        (void)tm__buf_printf(out, "<tr><td>%lld<td>%s<td>%s<td>%lld<td>%lld</tr>",
                             (long long)tm__json_i64(t, "row", 0), tm__json_text(t, "why", ""),
                             tm__json_text(t, "arm", ""), (long long)tm__json_i64(t, "from", 0),
                             (long long)tm__json_i64(t, "to", 0));
    }
    (void)tm__buf_text(out, "</table></div>");
}

void tm__replay_page(const json_t *result, tm_buf *out) {
    tm__page_begin(out, tm__json_text(result, "target", ""), "replay");
    (void)tm__buf_text(out, "<dl class=tiles>");
    put_tile(out, result, "policy");
    put_tile(out, result, "schedule");
    put_tile(out, result, "static");
    put_tile(out, result, "trivial");
    (void)tm__buf_text(out, "</dl><h2>Score</h2><div class=box>");
    put_curve(out, result);
    (void)tm__buf_text(out, "</div>");
    put_turns(out, json_object_get(json_object_get(result, "policy"), "turns"));
    tm__page_end(out);
}
