/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `model import`: a file of another library becomes a bundle, is compared with what the library
 * answered, and is published as any other version. A bundle that was exported goes another way:
 * cli/import_bundle.h.
 *
 * The file is read here and not in a child: this process lives for one import, holds nothing that a
 * fault could take along, and publishes only what was loaded again from its own bytes
 * (docs/decisions/0015-import.md).
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/import_bundle.h"
#include "cli/import_parity.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "metric/metric.h"
#include "model/imported/import.h"
#include "source/source.h"
#include "train/train.h"

typedef struct job {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    tm_import import;
    json_t *info;
    json_t *parity; /* NULL: nothing was compared */
    tm_buf file, bytes;
    tm_hash file_hash, hash;
    tm_bundle *bundle;
    tm_table *rows, *expected;
    tm_version version;
} job;

static tm_status check_options(const tm_cli *cli, tm_err *err) {
    const char *name = tm__cli_text(cli, "name");
    if (name == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "option '--name M' is missing");
        tm_err_hint(err, "`tidemill model import --help` shows how to use it.");
        return st;
    }
    const size_t len = strlen(name);
    for (size_t i = 0; i < len || len == 0 || len > TM_MAX_NAME; i++) {
        const char c = i < len ? name[i] : ' ';
        const bool is_plain = tm__is_alnum(c) || c == '_' || c == '-';
        if (!is_plain || len > TM_MAX_NAME) {
            const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.140s' is no name for a model", name);
            tm_err_hint(err, "Use letters from a to z, digits, '_' and '-', %u at most.",
                        TM_MAX_NAME);
            return st;
        }
    }
    if (tm__cli_has(cli, "data") != tm__cli_has(cli, "expect")) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "--data and --expect stand together or not at all");
        tm_err_hint(err, "Give rows, and a file with what the library answers for them.");
        return st;
    }
    return TM_OK;
}

static tm_status read_model(job *j, tm_err *err) {
    const char *path = tm__cli_arg(j->cli, "FILE");
    tm_import_options options = {.n_rounds = (uint32_t)tm__cli_i64(j->cli, "rounds")};
    tm_hasher hasher;
    options.classes = tm__cli_list(j->cli, "classes", &options.n_classes);
    options.columns = tm__cli_list(j->cli, "columns", &options.n_columns);
    tm__hasher_init(&hasher);
    tm__hasher_update(&hasher, j->file.data, j->file.len);
    tm__hasher_final(&hasher, &j->file_hash);
    const tm_status st = tm__import_read(&j->file, &options, &j->import, err);
    if (st != TM_OK && err != NULL && err->data_path[0] == '\0') {
        tm_err_at(err, path, err->data_row, err->data_col);
    }
    tm__buf_done(&j->file);
    return st;
}

/* What decides at the threshold is what the libraries do: over one half. */
static json_t *threshold(void) {
    return json_pack("{s:o, s:s}", "value", tm__json_number(nextafter(0.5, 1)), "reason",
                     "over one half, as the library decides");
}

static tm_status make_info(job *j, tm_err *err) {
    const tm_model *model = j->import.model;
    char hash[TM_HASH_TEXT];
    json_t *classes = json_array();
    for (uint32_t k = 0; k < j->import.n_classes; k++) {
        json_array_append_new(classes, json_string(j->import.classes[k]));
    }
    tm__hash_to_text(&j->file_hash, hash);
    json_t *import = json_deep_copy(j->import.facts);
    json_object_set_new(import, "file_hash", json_string(hash));
    if (j->parity != NULL) {
        json_object_set(import, "parity", j->parity);
    }
    json_decref(j->info);
    j->info = json_pack(
        "{s:s, s:s, s:s, s:o, s:s, s:s, s:{}, s:o, s:o, s:o, s:o, s:I, s:I}", "model",
        tm__cli_text(j->cli, "name"), "task", tm__task_text(model->task), "target",
        tm__cli_text(j->cli, "target"), "classes", classes, "metric",
        tm__metric_default(model->task), "learner", model->ops->name, "params", "import", import,
        "importance", tm__train_importance(j->import.program, model), "program",
        tm__program_to_json(j->import.program), "fitted", model->ops->describe(model), "columns",
        (json_int_t)tm__program_inputs(j->import.program), "rows", (json_int_t)0);
    if (model->task == TM_TASK_BINARY) {
        json_object_set_new(j->info, "threshold", threshold());
        json_object_set_new(j->info, "positive", json_string(j->import.classes[1]));
    }
    return tm__json_check(err);
}

static tm_status seal(job *j, tm_err *err) {
    char created[48];
    TM_TRY(make_info(j, err));
    (void)tm__time_to_text(tm__now_us(), created);
    json_t *notes = json_pack("{s:s}", "created", created);
    const tm_bundle_parts parts = {
        .program = j->import.program, .model = j->import.model, .info = j->info, .notes = notes};
    tm__buf_reset(&j->bytes);
    tm__bundle_unref(j->bundle);
    j->bundle = NULL;
    tm_status st = tm__json_check(err);
    if (st == TM_OK) {
        st = tm__bundle_write(&parts, &j->bytes, &j->hash, err);
    }
    json_decref(notes);
    return st == TM_OK ? tm__bundle_load(j->bytes.data, j->bytes.len, &j->bundle, err) : st;
}

static json_t *parity_json(const job *j, const tm_parity *parity, bool holds) {
    return json_pack("{s:I, s:o, s:I, s:I, s:o, s:b, s:b, s:b}", "rows", (json_int_t)parity->n_rows,
                     "largest_difference", tm__json_number(parity->largest), "largest_row",
                     (json_int_t)parity->largest_row, "flipped", (json_int_t)parity->n_flipped,
                     "tolerance", tm__json_number(tm__cli_f64(j->cli, "tolerance")), "raw",
                     tm__cli_flag(j->cli, "raw"), "holds", holds, "forced",
                     !holds && tm__cli_flag(j->cli, "force"));
}

/* The certificate: from the bundle as it was loaded again. */
static tm_status certify(job *j, tm_err *err) {
    tm_cli *cli = j->cli;
    tm_parity parity = {0};
    if (!tm__cli_has(cli, "data")) {
        return TM_OK;
    }
    const tm_source_spec spec = {.path = tm__cli_text(cli, "expect"),
                                 .no_header = tm__cli_flag(cli, "no-header")};
    TM_TRY(tm__cli_read(cli, &j->ctx, tm__cli_text(cli, "data"), NULL, tm__bundle_schema(j->bundle),
                        &j->rows, err));
    TM_TRY(tm__source_read(&j->ctx, &spec, &j->expected, err));
    TM_TRY(tm__parity_check(&j->ctx, j->bundle, j->rows, j->expected, tm__cli_flag(cli, "raw"),
                            &parity, err));
    const bool holds = parity.largest <= tm__cli_f64(cli, "tolerance") && parity.n_flipped == 0;
    j->parity = parity_json(j, &parity, holds);
    if (!holds && !tm__cli_flag(cli, "force")) {
        const tm_status st = TM_FAIL(
            err, TM_E_REFUSED,
            "answers differ by up to %.3g (row %llu), and %llu of %llu decisions are other ones",
            parity.largest, (unsigned long long)parity.largest_row,
            (unsigned long long)parity.n_flipped, (unsigned long long)parity.n_rows);
        tm_err_hint(err, "Are rows and answers of the same model and order? --raw is for margins, "
                         "--force registers it all the same.");
        return st;
    }
    return seal(j, err);
}

static tm_status publish(job *j, tm_err *err) {
    char user[80];
    const char *name = tm__cli_text(j->cli, "name");
    const tm_actor actor = tm__cli_actor(tm__cli_text(j->cli, "reason"), user, sizeof(user));
    TM_TRY(tm__place_open(j->cli, true, &j->place, err));
    TM_TRY(tm__home_bundle_save(j->place.home, &j->hash, j->bytes.data, j->bytes.len, err));
    TM_TRY(tm__registry_add(j->place.registry, name, j->bundle, NULL, &actor, &j->version, err));
    tm__cli_did(j->cli, "version %u of '%s' is registered", j->version.number, name);
    return TM_OK;
}

static json_t *result_json(const job *j) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&j->hash, hash);
    json_t *result = json_pack(
        "{s:s, s:s, s:I, s:s, s:s, s:O, s:O, s:O, s:O}", "schema", "tidemill.model.import/1",
        "model", j->version.model, "version", (json_int_t)j->version.number, "aliases",
        j->version.aliases, "bundle_hash", hash, "task", json_object_get(j->info, "task"), "target",
        json_object_get(j->info, "target"), "classes", json_object_get(j->info, "classes"),
        "import", json_object_get(j->info, "import"));
    return result;
}

static void print_words(tm_cli *cli, const job *j) {
    char rows[32];
    const json_t *import = json_object_get(j->info, "import");
    const json_t *notes = json_object_get(import, "notes");
    tm__cli_print(cli, "%s version %u%s%s: %s, predicts '%s'\n", j->version.model,
                  j->version.number, j->version.aliases[0] != '\0' ? ", " : "", j->version.aliases,
                  tm__json_text(j->info, "task", ""), tm__json_text(j->info, "target", ""));
    tm__cli_print(cli, "from %s %s, objective %s: %lld trees, %lld columns\n",
                  tm__json_text(import, "format", ""), tm__json_text(import, "version", ""),
                  tm__json_text(import, "objective", ""),
                  (long long)tm__json_i64(import, "trees", 0),
                  (long long)tm__json_i64(import, "columns", 0));
    if (j->parity != NULL) {
        tm__cli_print(cli, "parity: %s rows, largest difference %.3g, %lld decisions flipped%s\n",
                      tm__count_text(tm__json_i64(j->parity, "rows", 0), rows),
                      tm__json_f64(j->parity, "largest_difference", 0),
                      (long long)tm__json_i64(j->parity, "flipped", 0),
                      tm__json_bool(j->parity, "forced", false) ? " (forced)" : "");
    } else {
        tm__cli_warn(cli, "not compared with its library: --data ROWS --expect ANSWERS does that");
    }
    for (size_t i = 0; i < json_array_size(notes); i++) {
        tm__cli_warn(cli, "%s", json_string_value(json_array_get(notes, i)));
    }
    if (j->version.number == 1) {
        tm__cli_note(cli, "next: tidemill serve");
    } else {
        tm__cli_note(cli, "next: tidemill model promote %s@%u", j->version.model,
                     j->version.number);
    }
}

static void job_done(job *j) {
    tm__import_done(&j->import);
    tm__buf_done(&j->file);
    tm__buf_done(&j->bytes);
    tm__bundle_unref(j->bundle);
    tm__table_unref(j->rows);
    tm__table_unref(j->expected);
    json_decref(j->info);
    json_decref(j->parity);
    tm__version_done(&j->version);
    tm__place_close(&j->place);
    tm__cli_ctx_done(&j->ctx);
}

static tm_status import_other(job *j, tm_err *err) {
    TM_TRY(check_options(j->cli, err));
    TM_TRY(tm__cli_ctx_init(j->cli, (uint32_t)tm__cli_i64(j->cli, "threads"), &j->ctx, err));
    TM_TRY(read_model(j, err));
    TM_TRY(seal(j, err));
    TM_TRY(certify(j, err));
    TM_TRY(publish(j, err));
    if (j->cli->json) {
        json_t *result = result_json(j);
        tm__cli_print_json(j->cli, result);
        json_decref(result);
    } else {
        print_words(j->cli, j);
    }
    return TM_OK;
}

tm_status cmd_model_import(tm_cli *cli, tm_err *err) {
    job j = {.cli = cli};
    tm__buf_init(&j.file, TM_MAX_BUNDLE_BYTES);
    tm__buf_init(&j.bytes, TM_MAX_BUNDLE_BYTES);
    tm_status st = tm__fs_read_all(tm__cli_arg(cli, "FILE"), &j.file, err);
    if (st == TM_OK) {
        st = tm__import_is_bundle(&j.file) ? tm__import_bundle(cli, &j.file, err)
                                           : import_other(&j, err);
    }
    job_done(&j);
    return st;
}
