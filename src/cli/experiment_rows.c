/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     --arm COL ──> two arms, by their names: the control is --control, else the first by name
 *     --unit COL ─> key of a unit, else each row is one
 *     --time COL ─> when it was assigned, else the order of rows
 *     --metric COL, --guardrail COL... ──> numbers, yes or no
 *
 * A row without an arm is left out and counted; one without its unit or time is an error.
 */
#include "cli/experiment_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/limits.h"
#include "table/schema.h"

/* The columns named by options; NULL: not named. */
typedef struct columns {
    const tm_column *arm, *unit, *time, *metrics[TM_UNIT_METRICS_MAX];
    tm_dict *arms; /* names of arms, by code */
    uint32_t control;
} columns;

/* ---- Options ---- */

tm_status tm__experiment_rule(tm_cli *cli, tm_experiment *out, tm_err *err) {
    out->alpha = tm__cli_f64(cli, "alpha");
    out->horizon = (uint64_t)tm__cli_i64(cli, "horizon");
    out->baseline = tm__cli_f64(cli, "baseline");
    if (!(out->alpha > 0 && out->alpha < 0.5)) {
        return tm__cli_usage("--alpha is not over 0 and below 0.5", "Usual is 0.05.", err);
    }
    if (tm__cli_has(cli, "baseline") && !(out->baseline > 0 && out->baseline < 1)) {
        return tm__cli_usage("--baseline is not over 0 and below 1",
                             "It is the share of yes in the control, such as 0.18.", err);
    }
    return TM_OK;
}

tm_status tm__experiment_options(tm_cli *cli, tm_experiment *out, tm_err *err) {
    out->share = tm__cli_f64(cli, "share");
    if (!(out->share > 0 && out->share < 1)) {
        return tm__cli_usage("--share is not over 0 and below 1",
                             "It is the treatment's share of the units, such as 0.5.", err);
    }
    return tm__experiment_rule(cli, out, err);
}

static tm_status find_column(const tm_table *table, const char *option, const char *name,
                             const tm_column **out, tm_err *err) {
    if (name == NULL) {
        *out = NULL;
        return TM_OK;
    }
    const uint32_t col = tm__table_find(table, name);
    if (col == UINT32_MAX) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "the data has no column '%.128s' for --%s", name, option);
        tm_err_hint(err, "`tidemill data profile DATA` lists its columns.");
        return st;
    }
    *out = tm__table_column(table, col);
    return TM_OK;
}

static tm_status add_metric(const tm_table *table, const char *option, const char *name,
                            tm_experiment *e, columns *c, tm_err *err) {
    if (e->n_metrics == TM_UNIT_METRICS_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "more than %u guardrails are named", TM_AB_GUARDRAILS_MAX);
    }
    const tm_column **column = &c->metrics[e->n_metrics];
    TM_TRY(find_column(table, option, name, column, err));
    const tm_type type = (*column)->type;
    if (type != TM_TYPE_BOOL && type != TM_TYPE_INT && type != TM_TYPE_FLOAT) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "column '%.128s' of --%s is %s, not numbers or true and false",
                    name, option, tm__type_text(type));
        tm_err_hint(err, "Make it a number with --sql \"SELECT ..., (answer = 'yes') AS won FROM "
                         "'data.csv'\".");
        return st;
    }
    e->metrics[e->n_metrics].name = name;
    e->n_metrics++;
    return TM_OK;
}

static tm_status add_guardrails(tm_cli *cli, const tm_table *table, const char *option,
                                tm_experiment *e, columns *c, tm_err *err) {
    uint32_t n = 0;
    const char *const *names = tm__cli_list(cli, option, &n);
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(add_metric(table, option, names[i], e, c, err));
        tm_ab_metric *m = &e->metrics[e->n_metrics - 1];
        m->margin = tm__cli_f64(cli, "margin");
        m->smaller_is_better = strcmp(option, "guardrail-less") == 0;
    }
    return TM_OK;
}

static tm_status read_bounds(tm_cli *cli, tm_ab_metric *metric, tm_err *err) {
    const char *text = tm__cli_text(cli, "bounds");
    if (text == NULL) {
        return TM_OK;
    }
    tm_str high = tm__str(text);
    const tm_str low = tm__str_cut(&high, ':');
    if (!tm__str_to_f64(low, &metric->low) || !tm__str_to_f64(high, &metric->high) ||
        !isfinite(metric->low) || !isfinite(metric->high) || !(metric->low < metric->high)) {
        return tm__cli_usage("--bounds is not LOW:HIGH",
                             "Say the least and the largest value, as 0:100.", err);
    }
    metric->kind = TM_AB_BOUNDED;
    return TM_OK;
}

static tm_status read_time(tm_cli *cli, const tm_table *table, tm_experiment *e, columns *c,
                           tm_err *err) {
    e->units.delay_us = tm__cli_duration_us(cli, "delay");
    e->units.now_us = tm__now_us();
    TM_TRY(tm__cli_when(cli, "as-of", &e->units.now_us, err));
    TM_TRY(find_column(table, "time", tm__cli_text(cli, "time"), &c->time, err));
    e->has_times = c->time != NULL && c->time->type != TM_TYPE_INT;
    const tm_type type = c->time == NULL ? TM_TYPE_NONE : c->time->type;
    if (c->time != NULL && type != TM_TYPE_TIME && type != TM_TYPE_DATE && type != TM_TYPE_INT) {
        return TM_FAIL(err, TM_E_DATA, "column '%.128s' of --time holds no times", c->time->name);
    }
    if (e->units.delay_us > 0 && type != TM_TYPE_TIME && type != TM_TYPE_DATE) {
        return tm__cli_usage("--delay needs a column of times",
                             "Name with --time when each unit was assigned.", err);
    }
    return TM_OK;
}

static tm_status find_columns(tm_cli *cli, const tm_table *table, tm_experiment *e, columns *c,
                              tm_err *err) {
    TM_TRY(find_column(table, "arm", tm__cli_text(cli, "arm"), &c->arm, err));
    TM_TRY(find_column(table, "unit", tm__cli_text(cli, "unit"), &c->unit, err));
    TM_TRY(add_metric(table, "metric", tm__cli_text(cli, "metric"), e, c, err));
    e->metrics[0].smaller_is_better = tm__cli_flag(cli, "smaller-is-better");
    TM_TRY(read_bounds(cli, &e->metrics[0], err));
    TM_TRY(add_guardrails(cli, table, "guardrail", e, c, err));
    TM_TRY(add_guardrails(cli, table, "guardrail-less", e, c, err));
    e->units.n_metrics = e->n_metrics;
    return read_time(cli, table, e, c, err);
}

/* ---- Rows ---- */

/* Text of a cell as a file would have it; room keeps that of a number. */
static tm_status text_of(const tm_column *column, uint64_t row, tm_buf *room, tm_str *out,
                         tm_err *err) {
    const tm_cell cell = tm__column_cell(column, row);
    if (cell.type == TM_TYPE_TEXT) {
        *out = cell.text;
        return TM_OK;
    }
    tm__buf_reset(room);
    if (!tm__cell_write_csv(&cell, room)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the arms of an experiment");
    }
    *out = (tm_str){(const char *)room->data, room->len};
    return TM_OK;
}

static tm_status find_arm(const columns *c, uint64_t row, tm_buf *room, uint32_t *out,
                          tm_err *err) {
    tm_str text = {0};
    TM_TRY(text_of(c->arm, row, room, &text, err));
    *out = tm__dict_add(c->arms, text);
    if (*out == TM_CODE_MISSING) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for the arms of an experiment");
    }
    if (*out > 1) {
        const tm_status st =
            TM_FAIL(err, TM_E_DATA, "column '%.128s' has more than two arms", c->arm->name);
        tm_err_hint(err, "Compare two at a time: --sql \"SELECT * FROM 'data.csv' WHERE arm IN "
                         "('a', 'b')\".");
        return st;
    }
    return TM_OK;
}

static tm_status find_arms(tm_cli *cli, const tm_table *table, tm_experiment *e, columns *c,
                           tm_buf *room, tm_err *err) {
    const char *control = tm__cli_text(cli, "control");
    const uint64_t n = tm__table_rows(table);
    for (uint64_t row = 0; row < n; row++) {
        uint32_t code = 0;
        if (!tm__column_is_missing(c->arm, row)) {
            TM_TRY(find_arm(c, row, room, &code, err));
        }
    }
    if (tm__dict_count(c->arms) != 2) {
        return TM_FAIL(err, TM_E_DATA, "column '%.128s' has %u arms where two are compared",
                       c->arm->name, tm__dict_count(c->arms));
    }
    const tm_str a = tm__dict_get(c->arms, 0), b = tm__dict_get(c->arms, 1);
    c->control = tm__str_compare(a, b) < 0 ? 0 : 1;
    if (control != NULL) {
        c->control = tm__dict_find(c->arms, tm__str(control));
        if (c->control == TM_CODE_MISSING) {
            return tm__cli_usage("--control names no arm of the data",
                                 "It is one of the values of --arm.", err);
        }
    }
    for (uint32_t arm = 0; arm < 2; arm++) {
        const tm_str name = tm__dict_get(c->arms, arm == 0 ? c->control : 1 - c->control);
        if (!tm__str_copy(e->names[arm], sizeof(e->names[arm]), name)) {
            return TM_FAIL(err, TM_E_DATA, "the name of an arm is longer than %u bytes",
                           TM_MAX_NAME);
        }
    }
    return TM_OK;
}

static tm_status bad_row(uint64_t row, const char *column, const char *what, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "column '%.128s' %s", column, what);
    tm_err_at(err, NULL, row + 1, 0);
    return st;
}

static tm_status read_values(const tm_experiment *e, const columns *c, uint64_t row, double *out,
                             tm_err *err) {
    for (uint32_t m = 0; m < e->n_metrics; m++) {
        const tm_column *column = c->metrics[m];
        const tm_ab_metric *metric = &e->metrics[m];
        out[m] = tm__column_is_missing(column, row) ? tm__nan()
                 : column->type == TM_TYPE_FLOAT    ? column->floats[row]
                                                    : (double)column->ints[row];
        if (isinf(out[m])) {
            return bad_row(row, metric->name, "holds an infinite value", err);
        }
        if (metric->kind == TM_AB_BOUNDED && (out[m] < metric->low || out[m] > metric->high)) {
            return bad_row(row, metric->name, "holds a value outside --bounds", err);
        }
    }
    return TM_OK;
}

static tm_status add_row(tm_experiment *e, const columns *c, uint64_t row, tm_buf *room,
                         tm_err *err) {
    double values[TM_UNIT_METRICS_MAX];
    uint32_t code = 0;
    tm_str key = {0};
    tm_unit_row unit = {.unit = e->units.n_rows};
    if (tm__column_is_missing(c->arm, row)) {
        e->n_without_arm++;
        return TM_OK;
    }
    TM_TRY(find_arm(c, row, room, &code, err));
    unit.arm = code == c->control ? 0 : 1;
    if (c->unit != NULL) {
        if (tm__column_is_missing(c->unit, row)) {
            return bad_row(row, c->unit->name, "does not say which unit a row is of", err);
        }
        TM_TRY(text_of(c->unit, row, room, &key, err));
        TM_TRY(tm__units_key(&e->units, key, &unit.unit, err));
    }
    if (c->time != NULL && tm__column_is_missing(c->time, row)) {
        return bad_row(row, c->time->name, "does not say when a unit was assigned", err);
    }
    unit.time_us = unit.known_us = c->time != NULL ? c->time->ints[row] : (int64_t)row;
    TM_TRY(read_values(e, c, row, values, err));
    return tm__units_add(&e->units, &unit, values, err);
}

static tm_status read_rows(tm_cli *cli, const tm_table *table, tm_experiment *e, columns *c,
                           tm_err *err) {
    tm_buf room;
    tm__buf_init(&room, TM_MAX_TEXT_BYTES);
    tm_status st = find_arms(cli, table, e, c, &room, err);
    for (uint64_t row = 0; st == TM_OK && row < tm__table_rows(table); row++) {
        st = add_row(e, c, row, &room, err);
    }
    tm__buf_done(&room);
    return st == TM_OK ? tm__units_make(&e->units, err) : st;
}

tm_status tm__experiment_rows(tm_cli *cli, const tm_table *table, tm_experiment *out, tm_err *err) {
    columns c = {0};
    TM_TRY(find_columns(cli, table, out, &c, err));
    c.arms = tm__dict_create();
    tm_status st = c.arms == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    if (st == TM_OK) {
        st = read_rows(cli, table, out, &c, err);
    }
    tm__dict_free(c.arms);
    return st;
}
