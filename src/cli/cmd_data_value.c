/* SPDX-License-Identifier: Apache-2.0 */
/* `data value` says what data is worth: whether more rows would help, and how old its labels are.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "cli/label_ages.h"
#include "cli/model_args.h"
#include "cli/page_priv.h"
#include "cli/train_words.h"
#include "cli/value_page.h"
#include "train/train.h"

static void print_curve(tm_cli *cli, const json_t *value) {
    const char *titles[] = {"rows", "fits", "score", "low", "high"};
    const json_t *entry = NULL;
    size_t i = 0;
    char rows[32];
    tm_cli_table out;
    tm__cli_table_init(&out, 5, titles);
    json_array_foreach(json_object_get(value, "curve"), i, entry) {
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "rows", 0), rows));
        tm__cli_cell(&out, "%lld", (long long)tm__json_i64(entry, "fits", 0));
        tm__cli_cell_number(&out, tm__json_f64(entry, "score", tm__nan()), 5);
        tm__cli_cell_number(&out, tm__json_f64(entry, "low", tm__nan()), 5);
        tm__cli_cell_number(&out, tm__json_f64(entry, "high", tm__nan()), 5);
    }
    tm__cli_table_print(cli, &out);
}

/* A gain, which is over 0 for the better, as what the score does; low is then its other end. */
static void print_change(tm_cli *cli, const json_t *value, const json_t *gain) {
    const bool is_loss = tm__json_bool(value, "smaller_is_better", false);
    const double sign = is_loss ? -1 : 1;
    tm__cli_print(cli, "%+.2g (%+.2g to %+.2g)", sign * tm__json_f64(gain, "gain", 0),
                  sign * tm__json_f64(gain, is_loss ? "high" : "low", 0),
                  sign * tm__json_f64(gain, is_loss ? "low" : "high", 0));
}

static void print_verdict(tm_cli *cli, const json_t *value) {
    const char *verdict = tm__json_text(value, "verdict", "");
    const json_t *twice = json_object_get(value, "twice");
    const json_t *last = json_object_get(value, "last_doubling");
    tm__cli_print(cli, "\nWould more rows help? %s: %s.\n",
                  strcmp(verdict, "yes") == 0  ? "Yes"
                  : strcmp(verdict, "no") == 0 ? "No"
                                               : "Cannot tell",
                  tm__json_text(value, "reason", ""));
    if (twice == NULL) {
        return;
    }
    tm__cli_print(cli, "  twice as many    ");
    print_change(cli, value, twice);
    tm__cli_print(cli, " %s%s; 95 %% between the brackets\n", tm__json_text(value, "metric", ""),
                  tm__json_bool(value, "smaller_is_better", false) ? ", less is better" : "");
    tm__cli_print(cli, "  last doubling    ");
    print_change(cli, value, json_object_get(last, "measured"));
    tm__cli_print(cli, " was measured, ");
    print_change(cli, value, json_object_get(last, "foretold"));
    tm__cli_print(cli, " is what the smaller sizes foretell\n");
}

static void print_thin(tm_cli *cli, const json_t *slices) {
    const char *titles[] = {"group", "", "rows", "test rows", "half width", "needed"};
    const json_t *entry = NULL;
    size_t i = 0;
    char text[32];
    tm_cli_table out;
    tm__cli_table_init(&out, 6, titles);
    json_array_foreach(json_object_get(slices, "worst"), i, entry) {
        const double half = tm__json_f64(entry, "half_width", INFINITY);
        tm__cli_cell(&out, "%s", tm__json_text(entry, "column", ""));
        tm__cli_cell(&out, "%s", tm__json_text(entry, "group", ""));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "rows", 0), text));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "test_rows", 0), text));
        if (isfinite(half)) {
            tm__cli_cell(&out, "%.3g", half);
        } else {
            tm__cli_cell(&out, "%s",
                         tm__json_i64(entry, "test_rows", 0) > 0 ? "one class" : "no row");
        }
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(entry, "test_rows_needed", 0), text));
    }
    tm__cli_table_print(cli, &out);
}

static void print_slices(tm_cli *cli, const json_t *value) {
    const json_t *slices = json_object_get(value, "slices");
    const double within = tm__json_f64(slices, "within", 0);
    const double whole = tm__json_f64(slices, "whole", 0);
    const char *metric = tm__json_text(value, "metric", "");
    const int64_t n_thin = tm__json_i64(slices, "thin", 0);
    if (!json_is_object(slices)) {
        return;
    }
    tm__cli_print(cli, "\nToo thin to judge, each within %.3g %s: %lld of %lld groups of rows.",
                  within, metric, (long long)n_thin, (long long)tm__json_i64(slices, "groups", 0));
    tm__cli_print(cli, " All test rows together are known within %.3g%s.\n", whole,
                  whole > within ? ", which is not enough either" : "");
    if (n_thin > 0) {
        tm__cli_print(cli, "The worst, and the test rows that each would need:\n\n");
        print_thin(cli, slices);
    }
}

static void print_value(tm_cli *cli, const json_t *value) {
    const json_t *split = json_object_get(value, "split");
    char train[32], test[32];
    tm__cli_print(cli, "%s of '%s' by %s: %s rows to learn from, %s to test on (%s)\n",
                  tm__json_text(value, "metric", ""), tm__json_text(value, "target", ""),
                  tm__json_text(value, "learner", ""),
                  tm__count_text(tm__json_i64(split, "train_rows", 0), train),
                  tm__count_text(tm__json_i64(split, "test_rows", 0), test),
                  tm__json_text(split, "reason", ""));
    tm__cli_print(cli, "a constant answer scores %.5g\n\n", tm__json_f64(value, "baseline", 0));
    print_curve(cli, value);
    print_verdict(cli, value);
    print_slices(cli, value);
}

/* What is looked at, as the page's title has it. */
static const char *data_name(const tm_cli *cli) {
    static const char *const options[] = {"source", "sql", "model"};
    const char *name = tm__cli_arg(cli, "DATA");
    for (size_t i = 0; name == NULL && i < 3; i++) {
        name = tm__cli_text(cli, options[i]);
    }
    return name != NULL ? name : "";
}

static tm_status say(tm_cli *cli, json_t *value, tm_err *err) {
    const char *path = tm__cli_text(cli, "html");
    if (path != NULL) {
        tm_buf page;
        tm__buf_init(&page, (size_t)1 << 28);
        tm__value_page(value, data_name(cli), &page);
        const tm_status st = tm__page_save(cli, path, &page, err);
        tm__buf_done(&page);
        TM_TRY(st);
    }
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.data.value/1", value);
        return TM_OK;
    }
    if (json_object_get(value, "curve") != NULL) {
        print_value(cli, value);
    }
    tm__label_ages_print(cli, json_object_get(value, "labels"));
    return TM_OK;
}

static tm_status fill_options(tm_cli *cli, tm_value_options *out, tm_err *err) {
    tm_train_options *const o = &out->train;
    const char *split = tm__cli_text(cli, "split");
    *out = (tm_value_options){.n_rows_max = (uint64_t)tm__cli_i64(cli, "rows"),
                              .within = tm__cli_f64(cli, "within")};
    o->target = tm__cli_text(cli, "target");
    o->task = tm__task_from_text(tm__cli_text(cli, "task"));
    o->metric = tm__cli_text(cli, "metric");
    o->learners = tm__cli_text(cli, "learner");
    o->drop = tm__cli_list(cli, "drop", &o->n_drop);
    o->time = tm__cli_text(cli, "time");
    o->entity = tm__cli_text(cli, "entity");
    o->weight = tm__cli_text(cli, "weight");
    o->group = tm__cli_text(cli, "group");
    o->positive = tm__cli_text(cli, "positive");
    o->seed = (uint64_t)tm__cli_i64(cli, "seed");
    return split != NULL ? tm__split_parse(split, &o->split, err) : TM_OK;
}

/* Rows are named, or else a model, whose answers have labels. */
static tm_status read_rows(tm_cli *cli, tm_ctx *ctx, tm_table **out, tm_err *err) {
    const bool has_rows =
        tm__cli_arg(cli, "DATA") != NULL || tm__cli_has(cli, "sql") || tm__cli_has(cli, "source");
    if (!has_rows && tm__cli_has(cli, "model")) {
        return TM_OK;
    }
    if (!tm__cli_has(cli, "target")) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--target is needed");
        tm_err_hint(err, "It names the column to be predicted; --model alone shows the labels of a "
                         "model's answers.");
        return st;
    }
    return tm__cli_read_any(cli, ctx, tm__cli_arg(cli, "DATA"), out, err);
}

static tm_status weigh(tm_cli *cli, tm_ctx *ctx, tm_table *table, json_t **out, tm_err *err) {
    tm_value_options options;
    json_t *value = NULL, *labels = NULL;
    TM_TRY(fill_options(cli, &options, err));
    TM_TRY(tm__label_ages(cli, table, &labels, err));
    tm_status st = TM_OK;
    if (table != NULL) {
        st = tm__train_value(ctx, table, &options, &value, err);
    } else {
        value = json_object();
    }
    if (st == TM_OK) {
        json_object_set(value, "labels", labels);
        *out = value;
    }
    json_decref(labels);
    return st;
}

tm_status cmd_data_value(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    json_t *value = NULL;
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = read_rows(cli, &ctx, &table, err);
    }
    if (st == TM_OK) {
        st = weigh(cli, &ctx, table, &value, err);
    }
    if (st == TM_OK) {
        st = say(cli, value, err);
    }
    json_decref(value);
    tm__table_unref(table);
    tm__cli_ctx_done(&ctx);
    return st;
}
