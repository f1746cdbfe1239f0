/* SPDX-License-Identifier: Apache-2.0 */
/* `model diff`: two versions beside each other: data, features, parameters, scores, and answers for
 * the same rows. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/report_make.h"
#include "model/bundle_diff.h"
#include "registry/moments.h"
#include "train/train_look.h"

typedef struct differing {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place; /* of B, whose rows they are */
    tm_version other;
    tm_bundle *other_bundle;
    json_t *result;
} differing;

/* Both on the rows of a look at B. */
static tm_status compare(differing *d, const tm_look *look, tm_err *err) {
    json_t *answers = NULL, *scores = NULL;
    double *pred = tm__mem_alloc(look->n * look->n_outputs, sizeof(double));
    if (pred == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of another version");
    }
    const tm_diff_answers in = {.a = d->other_bundle,
                                .b = d->place.bundle,
                                .of_a = pred,
                                .of_b = look->pred,
                                .n_rows = look->n};
    tm_status st =
        tm__bundle_predict(&d->ctx, d->other_bundle, look->table, look->rows, look->n, pred, err);
    st = st == TM_OK ? tm__diff_predictions(&in, &answers, err) : st;
    if (st == TM_OK) {
        json_object_set_new(d->result, "predictions", answers);
        st = tm__look_scores(look, pred, &scores, err);
    }
    if (st == TM_OK) {
        json_object_set_new(d->result, "same_rows", scores);
    }
    tm__mem_free(pred);
    return st;
}

static tm_status compare_answers(differing *d, tm_err *err) {
    const char *const path = tm__cli_arg(d->cli, "DATA");
    const bool is_given = path != NULL || tm__cli_has(d->cli, "sql");
    tm_table *rows = NULL;
    tm_look look = {0};
    if (!tm__diff_is_alike(d->other_bundle, d->place.bundle)) {
        return TM_FAIL(err, TM_E_DATA, "they predict different things");
    }
    tm_status st = is_given ? tm__cli_read(d->cli, &d->ctx, path, tm__cli_text(d->cli, "sql"), NULL,
                                           &rows, err)
                            : tm__report_test_rows(&d->ctx, &d->place, &rows, err);
    st = st == TM_OK ? tm__look_init(&d->ctx, d->place.bundle, rows, 0, &look, err) : st;
    st = st == TM_OK ? compare(d, &look, err) : st;
    tm__look_done(&look);
    tm__table_unref(rows);
    return st;
}

/* What cannot be compared is said, unless rows were given for it. */
static tm_status add_answers(differing *d, tm_err *err) {
    tm_err own = {0};
    const bool is_given = tm__cli_arg(d->cli, "DATA") != NULL || tm__cli_has(d->cli, "sql");
    const tm_status st = compare_answers(d, &own);
    if (st == TM_OK) {
        return TM_OK;
    }
    if (is_given || st == TM_E_NOMEM || st == TM_E_CANCELLED) {
        if (err != NULL) {
            *err = own;
        }
        return st;
    }
    json_object_set_new(d->result, "predictions", json_null());
    json_object_set_new(d->result, "same_rows", json_null());
    json_object_set_new(d->result, "why_not", json_string(own.message));
    return TM_OK;
}

static tm_status diff(differing *d, tm_err *err) {
    json_t *result = NULL;
    TM_TRY(tm__place_open_version(d->cli, tm__cli_arg(d->cli, "B"), &d->place, err));
    TM_TRY(tm__registry_find(d->place.registry, tm__cli_arg(d->cli, "A"), &d->other, err));
    TM_TRY(tm__registry_bundle(d->place.registry, &d->other, &d->other_bundle, err));
    TM_TRY(tm__diff_records(d->other_bundle, d->place.bundle, &result, err));
    d->result = result;
    json_object_set_new(result, "a", tm__version_brief(&d->other));
    json_object_set_new(result, "b", tm__version_brief(&d->place.version));
    TM_TRY(add_answers(d, err));
    return tm__json_check(err);
}

/* ---- Words ---- */

static const char *brief(const json_t *value, char *out, size_t size) {
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    if (value == NULL || json_is_null(value)) {
        (void)snprintf(out, size, "-");
    } else if (json_is_string(value)) {
        (void)snprintf(out, size, "%s", json_string_value(value));
    } else if (tm__json_write(&text, value, TM_JSON_SORTED) && tm__buf_byte(&text, 0)) {
        (void)snprintf(out, size, "%s", (const char *)text.data);
    } else {
        (void)snprintf(out, size, "...");
    }
    tm__buf_done(&text);
    return out;
}

static void print_names(tm_cli *cli, const char *title, const json_t *list, const char *member) {
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        tm__cli_print(cli, "%s%s", i == 0 ? title : ", ",
                      member == NULL ? json_string_value(item) : tm__json_text(item, member, ""));
    }
    if (i > 0) {
        tm__cli_print(cli, "\n");
    }
}

static void print_pairs(tm_cli *cli, const char *title, const json_t *list, const char *key) {
    char a[80], b[80];
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        tm__cli_print(cli, "%s %s: %s -> %s\n", title, tm__json_text(item, key, ""),
                      brief(json_object_get(item, "a"), a, sizeof(a)),
                      brief(json_object_get(item, "b"), b, sizeof(b)));
    }
}

static void print_answers(tm_cli *cli, const json_t *result) {
    const json_t *const p = json_object_get(result, "predictions");
    const json_t *const list = json_object_get(json_object_get(result, "same_rows"), "list");
    const json_t *item = NULL;
    size_t i = 0;
    if (!json_is_object(p)) {
        tm__cli_print(cli, "answers are not compared: %s\n", tm__json_text(result, "why_not", ""));
        return;
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, item) {
        const json_t *const gain = json_object_get(item, "gain");
        tm__cli_print(cli, "on the same rows %s: %.5g -> %.5g, a gain of %.3g (%.3g to %.3g)\n",
                      tm__json_text(item, "score", ""), tm__json_f64(item, "other", 0),
                      tm__json_f64(item, "value", 0), tm__json_f64(gain, "value", 0),
                      tm__json_f64(gain, "low", 0), tm__json_f64(gain, "high", 0));
    }
    tm__cli_print(cli,
                  "answers for %lld rows: %lld of the same bits, %lld decided otherwise; they "
                  "differ by %.3g on average, at most by %.3g\n",
                  (long long)tm__json_i64(p, "rows", 0), (long long)tm__json_i64(p, "same", 0),
                  (long long)tm__json_i64(p, "decided_otherwise", 0), tm__json_f64(p, "mean", 0),
                  tm__json_f64(p, "max", 0));
}

static void print_words(tm_cli *cli, const json_t *result) {
    const json_t *const data = json_object_get(result, "data");
    const json_t *const columns = json_object_get(data, "columns");
    const json_t *const snapshots = json_object_get(data, "snapshot");
    const json_t *const features = json_object_get(result, "features");
    const bool same = json_equal(json_array_get(snapshots, 0), json_array_get(snapshots, 1));
    tm__cli_print(cli, "rows: %s\n", same ? "the same snapshot" : "another snapshot");
    print_names(cli, "columns added: ", json_object_get(columns, "added"), NULL);
    print_names(cli, "columns removed: ", json_object_get(columns, "removed"), NULL);
    print_pairs(cli, "column", json_object_get(columns, "changed"), "column");
    print_names(cli, "features added: ", json_object_get(features, "added"), "feature");
    print_names(cli, "features removed: ", json_object_get(features, "removed"), "feature");
    print_pairs(cli, "recipe", json_object_get(result, "recipe"), "key");
    print_pairs(cli, "", json_object_get(result, "params"), "key");
    print_pairs(cli, "own test", json_object_get(result, "scores"), "score");
    print_answers(cli, result);
}

tm_status cmd_model_diff(tm_cli *cli, tm_err *err) {
    differing d = {.cli = cli};
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &d.ctx, err);
    st = st == TM_OK ? diff(&d, err) : st;
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.model.diff/1", d.result);
    } else if (st == TM_OK) {
        print_words(cli, d.result);
    }
    json_decref(d.result);
    tm__bundle_unref(d.other_bundle);
    tm__version_done(&d.other);
    tm__place_close(&d.place);
    tm__cli_ctx_done(&d.ctx);
    return st;
}
