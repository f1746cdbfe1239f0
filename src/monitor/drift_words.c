/* SPDX-License-Identifier: Apache-2.0 */
/* What moved, in words. Levels are named only when training rows had them. */
#include "monitor/drift.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "table/told.h"

static void put_number(tm_buf *out, tm_type type, double x) {
    char text[48];
    const int64_t us = fabs(x) < 9e18 ? (int64_t)x : 0;
    if (type == TM_TYPE_DATE) {
        text[tm__date_to_text(us, text)] = '\0';
    } else if (type == TM_TYPE_TIME) {
        (void)tm__time_to_text(us, text);
    } else {
        (void)snprintf(text, sizeof(text), "%.6g", x);
    }
    tm__buf_text(out, text);
}

static void put_share(tm_buf *out, double share) {
    char text[32];
    const double percent = 100 * (share < 0 ? 0 : share);
    (void)snprintf(text, sizeof(text),
                   percent == 0     ? "%.0f %%"
                   : percent < 0.01 ? "%.4f %%"
                   : percent < 10   ? "%.2f %%"
                                    : "%.1f %%",
                   percent);
    tm__buf_text(out, text);
}

/* Words of an alarm are kept and sent to receivers: nobody in particular reads them. */
static void put_level(const char *text, bool is_masked, tm_buf *out) {
    if (is_masked) {
        tm__told_mask(tm__str(text), out);
    } else {
        tm__buf_text(out, text);
    }
}

/* What rows an event holds; true when the words are of all others, whose shares are the rest. */
static bool put_event(const tm_bundle *bundle, uint32_t column, uint32_t cell, tm_buf *out) {
    const tm_ref_column *const c = &tm__bundle_reference(bundle)->columns[column];
    const tm_schema *const inputs = tm__bundle_schema(bundle);
    const tm_type type = column < inputs->n_cols ? inputs->cols[column].type : TM_TYPE_FLOAT;
    const char *const noun = c->kind == TM_REF_LENGTHS ? "texts of " : "values ";
    const char *const unit = c->kind == TM_REF_LENGTHS ? " bytes" : "";
    const bool is_masked = tm__told_is_masked(
        tm__bundle_policies(bundle), column < inputs->n_cols ? inputs->cols[column].name : "");
    if (cell < c->n_ordered) {
        const bool is_last = cell + 2 >= c->n_ordered;
        tm__buf_text(out, noun);
        tm__buf_text(out, cell == 0 ? "below the least of the training rows, "
                          : is_last ? "above the largest of the training rows, "
                                    : "up to ");
        if (is_masked) {
            tm__buf_text(out, TM_TOLD_STARS);
        } else {
            put_number(out, type, c->edges[is_last ? c->n_edges - 1 : cell]);
        }
        tm__buf_text(out, unit);
        return is_last;
    }
    if (cell == tm__ref_missing(c)) {
        tm__buf_text(out, "missing values");
    } else if (c->kind == TM_REF_CLASSES) {
        tm__buf_printf(out, "answers '%s'", tm__bundle_class(bundle, cell));
    } else if (c->kind == TM_REF_LEVELS && cell < c->n_levels) {
        tm__buf_text(out, "the level '");
        put_level(c->levels[cell].text, is_masked, out);
        tm__buf_text(out, "'");
    } else if (c->kind == TM_REF_LEVELS) {
        tm__buf_text(out, cell == tm__ref_unseen(c) ? "levels that training rows did not have"
                                                    : "less frequent levels");
    } else {
        tm__buf_text(out, "values that are there");
    }
    return false;
}

void tm__drift_what(const tm_bundle *bundle, uint32_t column, const tm_shift_look *look,
                    tm_buf *out) {
    const bool is_rest = put_event(bundle, column, look->cell, out);
    tm__buf_text(out, ": ");
    put_share(out, is_rest ? 1 - look->was : look->was);
    tm__buf_text(out, " -> ");
    put_share(out, is_rest ? 1 - look->is : look->is);
}

const char *tm__drift_next(const tm_ref_column *column, const tm_shift_look *look) {
    const uint32_t cell = look->cell;
    if (cell == tm__ref_missing(column)) {
        return look->is_rise ? "Look at what fills this column upstream; answers are made without "
                               "it until it comes again."
                             : "Values come that were missing in training: retrain so that the "
                               "model can use them.";
    }
    if (cell == tm__ref_unseen(column)) {
        return "Look whether the levels are new in the world or only spelt anew; retrain once "
               "labels of such rows have come.";
    }
    if (cell < column->n_ordered && (cell == 0 || cell + 2 == column->n_ordered)) {
        return "Look for a changed unit or a wrong default first; if the values are true, retrain "
               "on rows that have them.";
    }
    return "Look at which rows come more often (a new customer, campaign or region); retrain when "
           "the live score falls.";
}

const char *tm__drift_kind(const tm_ref_column *column, bool is_answers) {
    static const char *const names[] = {"presence", "numbers", "lengths", "levels", "classes"};
    return is_answers ? "answers" : names[column->kind];
}
