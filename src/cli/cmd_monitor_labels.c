/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor labels`: what came true, from a file, a query or a source, into the log beside the
 * server. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "monitor/label_rows.h"

#define TOLD_MAX 10u

typedef struct job {
    tm_cli *cli;
    tm_place place;
    tm_table *table;
    tm_label_rows labels;
    tm_label_result *results;
} job;

/* ---- reading ---- */

static tm_status read_labels(job *j, tm_ctx *ctx, tm_err *err) {
    tm_cli *const cli = j->cli;
    json_t *recipe = NULL;
    if (tm__cli_has(cli, "entity") && tm__cli_has(cli, "id")) {
        return TM_FAIL(err, TM_E_USAGE, "both --id and --entity are given");
    }
    if (!tm__cli_has(cli, "entity") && tm__cli_has(cli, "time")) {
        return TM_FAIL(err, TM_E_USAGE, "--time is for labels by --entity");
    }
    TM_TRY(tm__cli_read_any(cli, ctx, tm__cli_arg(cli, "DATA"), &j->table, err));
    TM_TRY(tm__registry_recipe(j->place.registry, j->place.version.model, &recipe, err));
    const tm_label_rows_options options = {
        .bundle = j->place.bundle,
        .model = j->place.version.model,
        .columns = {.id = tm__cli_text(cli, "id"),
                    .entity = tm__cli_text(cli, "entity"),
                    .time = tm__cli_text(cli, "time"),
                    .value = tm__cli_text(cli, "label"),
                    .known_at = tm__cli_text(cli, "known-at")},
        .within_us = tm__json_i64(json_object_get(recipe, "labels"), "within_us", 0),
        .origin = "cli"};
    json_decref(recipe);
    TM_TRY(tm__label_rows_read(j->table, &options, &j->labels, err));
    j->results = tm__mem_zalloc(j->labels.n, sizeof(*j->results));
    return j->results == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the labels") : TM_OK;
}

/* ---- saying ---- */

static json_t *conflict_rows(const job *j) {
    json_t *rows = json_array();
    for (uint64_t i = 0; i < j->labels.n && json_array_size(rows) < TOLD_MAX; i++) {
        if (j->results[i] == TM_LABEL_CONFLICT) {
            json_array_append_new(rows, json_integer((json_int_t)j->labels.rows[i] + 1));
        }
    }
    return rows;
}

static void print_words(const job *j, const json_t *result) {
    char a[32], b[32], c[32], d[32];
    const json_t *rows = json_object_get(result, "conflict_rows"), *row = NULL;
    size_t i = 0;
    tm__cli_print(j->cli,
                  "%s labels joined their answer, %s are of no answer yet, %s were there, "
                  "%s disagree with one that stands\n",
                  tm__count_text(tm__json_i64(result, "joined", 0), a),
                  tm__count_text(tm__json_i64(result, "unknown", 0), b),
                  tm__count_text(tm__json_i64(result, "duplicates", 0), c),
                  tm__count_text(tm__json_i64(result, "conflicts", 0), d));
    if (json_array_size(rows) > 0) {
        tm__cli_print(j->cli, "  rows that disagree, and were kept out:");
        json_array_foreach(rows, i, row) {
            tm__cli_print(j->cli, " %lld", (long long)json_integer_value(row));
        }
        tm__cli_print(j->cli, "%s\n",
                      tm__json_i64(result, "conflicts", 0) > (int64_t)i ? " ..." : "");
    }
    if (j->labels.n_empty > 0) {
        tm__cli_print(j->cli, "  %s rows have no label yet\n",
                      tm__count_text((int64_t)j->labels.n_empty, a));
    }
    if (j->labels.n_other > 0) {
        tm__cli_warn(j->cli, "%s label%s no class that '%s' knows",
                     tm__count_text((int64_t)j->labels.n_other, a),
                     j->labels.n_other == 1 ? " is" : "s are", j->place.version.model);
    }
}

static tm_status say(const job *j, tm_err *err) {
    uint64_t counts[5] = {0};
    for (uint64_t i = 0; i < j->labels.n; i++) {
        counts[j->results[i]]++;
    }
    json_t *result = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "model", j->place.version.model,
        "rows", (json_int_t)tm__table_rows(j->table), "joined",
        (json_int_t)(counts[TM_LABEL_JOINED] + counts[TM_LABEL_AMBIGUOUS]), "unknown",
        (json_int_t)counts[TM_LABEL_WAITING], "duplicates", (json_int_t)counts[TM_LABEL_DUPLICATE],
        "conflicts", (json_int_t)counts[TM_LABEL_CONFLICT], "ambiguous",
        (json_int_t)counts[TM_LABEL_AMBIGUOUS], "without_label", (json_int_t)j->labels.n_empty,
        "other_class", (json_int_t)j->labels.n_other, "conflict_rows", conflict_rows(j));
    const tm_status st = tm__json_check(err);
    if (st == TM_OK && j->cli->json) {
        tm__cli_print_object(j->cli, "tidemill.monitor_labels/1", result);
    } else if (st == TM_OK) {
        print_words(j, result);
    }
    json_decref(result);
    return st;
}

static tm_status run(job *j, tm_ctx *ctx, tm_err *err) {
    uint64_t done = 0;
    TM_TRY(tm__place_open_version(j->cli, tm__cli_arg(j->cli, "MODEL"), &j->place, err));
    TM_TRY(read_labels(j, ctx, err));
    tm_status st = tm__monitor_labels_beside(j->place.home, ctx, j->labels.labels, j->labels.n,
                                             j->results, &done, err);
    if (done > 0) {
        const tm_cli_deed deed = {.event = "labels.imported",
                                  .kind = "labels",
                                  .model = j->place.version.model,
                                  .details = json_pack("{s:I}", "rows", (json_int_t)done)};
        tm__cli_did(j->cli, "%llu labels are stored", (unsigned long long)done);
        const tm_status noted = tm__cli_audit(j->place.home, &deed, st == TM_OK ? err : NULL);
        st = st == TM_OK ? noted : st;
    }
    TM_TRY(st);
    return say(j, err);
}

tm_status cmd_monitor_labels(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    job j = {.cli = cli};
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    if (st == TM_OK) {
        st = run(&j, &ctx, err);
    }
    tm__label_rows_done(&j.labels);
    tm__mem_free(j.results);
    tm__table_unref(j.table);
    tm__place_close(&j.place);
    tm__cli_ctx_done(&ctx);
    return st;
}
