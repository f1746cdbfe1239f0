/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks: `sink add`, `ls`, `show`, `run` and `rm`. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "loop/sink.h"
#include "store/home.h"

/* ---- add ---- */

/* The child that the daemon starts stands in another folder: paths become absolute. */
static tm_status put_path(json_t *to, const char *name, const char *path, tm_err *err) {
    char *here = NULL, *full = NULL;
    if (path[0] != '/') {
        TM_TRY(tm__fs_real_path(".", &here, err));
        full = tm__fs_join(here, path);
        tm__mem_free(here);
        if (full == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a path");
        }
    }
    json_object_set_new(to, name, json_string(full != NULL ? full : path));
    tm__mem_free(full);
    return TM_OK;
}

static tm_status need_together(tm_cli *cli, const char *a, const char *b, tm_err *err) {
    if (tm__cli_has(cli, a) == tm__cli_has(cli, b)) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "--%s and --%s stand together", a, b);
    tm_err_hint(err, "Give both or neither.");
    return st;
}

static tm_status one_of(tm_cli *cli, const char *const *options, uint32_t n, const char *what,
                        tm_err *err) {
    uint32_t n_given = 0;
    for (uint32_t i = 0; i < n; i++) {
        n_given += tm__cli_has(cli, options[i]) ? 1 : 0;
    }
    if (n_given == 1) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "a sink %s", what);
    tm_err_hint(err, "'tidemill sink add --help' has examples.");
    return st;
}

static tm_status check_options(tm_cli *cli, tm_err *err) {
    static const char *const reads[] = {"read", "read-postgres"};
    static const char *const writes[] = {"to-postgres", "to-parquet", "to-csv"};
    TM_TRY(one_of(cli, reads, 2, "reads a source or a query of PostgreSQL", err));
    TM_TRY(one_of(cli, writes, 3, "writes a table, Parquet files or CSV files", err));
    TM_TRY(need_together(cli, "read-postgres", "query", err));
    return need_together(cli, "to-postgres", "table", err);
}

static tm_status put_postgres(tm_cli *cli, json_t *to, const char *file_option, const char *option,
                              tm_err *err) {
    json_t *postgres = json_object();
    json_object_set_new(to, "postgres", postgres);
    json_object_set_new(postgres, option, json_string(tm__cli_text(cli, option)));
    return put_path(postgres, "dsn_file", tm__cli_text(cli, file_option), err);
}

static tm_status put_ends(tm_cli *cli, json_t *spec, tm_err *err) {
    json_t *write = json_object();
    json_object_set_new(spec, "write", write);
    if (tm__cli_has(cli, "read")) {
        json_object_set_new(spec, "read", json_string(tm__cli_text(cli, "read")));
    } else {
        json_t *read = json_object();
        json_object_set_new(spec, "read", read);
        TM_TRY(put_postgres(cli, read, "read-postgres", "query", err));
    }
    if (tm__cli_has(cli, "to-postgres")) {
        return put_postgres(cli, write, "to-postgres", "table", err);
    }
    const bool is_csv = tm__cli_has(cli, "to-csv");
    return put_path(write, is_csv ? "csv" : "parquet",
                    tm__cli_text(cli, is_csv ? "to-csv" : "to-parquet"), err);
}

static tm_status make_spec(tm_cli *cli, json_t *spec, tm_err *err) {
    uint32_t n_keys = 0;
    const char *const *keys = tm__cli_list(cli, "key", &n_keys);
    TM_TRY(check_options(cli, err));
    json_object_set_new(spec, "model", json_string(tm__cli_text(cli, "model")));
    TM_TRY(put_ends(cli, spec, err));
    if (n_keys > 0) {
        json_t *list = json_array();
        json_object_set_new(spec, "key", list);
        for (uint32_t i = 0; i < n_keys; i++) {
            json_array_append_new(list, json_string(keys[i]));
        }
    }
    if (tm__cli_has(cli, "history")) {
        json_object_set_new(spec, "history", json_string(tm__cli_text(cli, "history")));
    }
    if (tm__cli_has(cli, "every")) {
        json_object_set_new(spec, "every_s",
                            json_integer(tm__cli_duration_us(cli, "every") / 1000000));
    }
    if (tm__cli_has(cli, "batch-rows")) {
        json_object_set_new(spec, "batch_rows", json_integer(tm__cli_i64(cli, "batch-rows")));
    }
    return tm__json_check(err);
}

tm_status cmd_sink_add(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *spec = json_object(), *sink = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    tm_status st = make_spec(cli, spec, err);
    st = st == TM_OK ? tm__home_open(cli->home, false, &home, err) : st;
    st = st == TM_OK ? tm__sink_add(home, name, spec, err) : st;
    if (st == TM_OK) {
        const tm_cli_deed deed = {.event = "sink.added", .kind = "sink", .name = name};
        tm__cli_did(cli, "sink '%s' is added", name);
        st = tm__cli_audit(home, &deed, err);
        st = st == TM_OK ? tm__sink_show(home, name, &sink, err) : st;
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.sink.add/1", sink);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "sink '%s' is added\n", name);
        if (tm__cli_has(cli, "every")) {
            tm__cli_print(cli, "'tidemill run' runs it, 'tidemill sink run %s' does so now\n",
                          name);
        } else {
            tm__cli_print(cli, "'tidemill sink run %s' runs it\n", name);
        }
    }
    json_decref(sink);
    json_decref(spec);
    tm__home_close(home);
    return st;
}

/* ---- ls and show ---- */

static const char *target_kind(const json_t *write) {
    return json_object_get(write, "postgres") != NULL  ? "postgres"
           : json_object_get(write, "parquet") != NULL ? "parquet"
                                                       : "csv";
}

static const char *input_name(const json_t *sink) {
    const char *source = json_string_value(json_object_get(sink, "read"));
    return source != NULL ? source : "postgres";
}

static const char *count_or_dash(const json_t *sink, const char *name, char out[32]) {
    const json_t *value = json_object_get(sink, name);
    return json_is_integer(value) ? tm__count_text(json_integer_value(value), out) : "-";
}

static void add_line(tm_cli_table *out, const json_t *sink) {
    char text[32];
    tm__cli_cell(out, "%s", tm__json_text(sink, "sink", ""));
    tm__cli_cell(out, "%s", tm__json_text(sink, "model", ""));
    tm__cli_cell(out, "%s", input_name(sink));
    tm__cli_cell(out, "%s", target_kind(json_object_get(sink, "write")));
    tm__cli_cell(out, "%s", count_or_dash(sink, "rows", text));
    tm__cli_cell(out, "%s", count_or_dash(sink, "waiting", text));
    tm__cli_cell(out, "%s", tm__json_text(sink, "last_done_at", "-"));
    tm__cli_cell(out, "%s", tm__json_text(sink, "next_at", "-"));
    tm__cli_cell(out, "%s", tm__json_text(sink, "status", ""));
}

tm_status cmd_sink_ls(tm_cli *cli, tm_err *err) {
    const char *titles[] = {"sink",    "model",     "reads",    "writes", "rows",
                            "waiting", "last done", "next run", "status"};
    tm_home *home = NULL;
    json_t *list = NULL;
    size_t i = 0;
    const json_t *sink = NULL;
    tm_cli_table out;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__sink_list(home, &list, err);
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:O}", "schema", "tidemill.sink.ls/1", "sinks", list);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    tm__cli_table_init(&out, 9, titles);
    json_array_foreach(list, i, sink) {
        add_line(&out, sink);
    }
    if (json_array_size(list) == 0) {
        tm__cli_print(cli, "there is no sink yet; 'tidemill sink add' makes one\n");
    } else {
        tm__cli_table_print(cli, &out);
    }
    json_array_foreach(list, i, sink) {
        const json_t *error = json_object_get(sink, "error");
        if (json_is_object(error)) {
            tm__cli_print(cli, "%s: %s\n", tm__json_text(sink, "sink", ""),
                          tm__json_text(error, "message", ""));
        }
    }
    tm__buf_done(&out.text);
    json_decref(list);
    return TM_OK;
}

static void show_target(tm_cli *cli, const json_t *write) {
    const char *kind = target_kind(write);
    const json_t *postgres = json_object_get(write, "postgres");
    tm__cli_print(cli, "writes: %s %s\n", kind,
                  postgres != NULL ? tm__json_text(postgres, "table", "")
                                   : tm__json_text(write, kind, ""));
}

static void show_error(tm_cli *cli, const json_t *error) {
    const char *path = tm__json_text(error, "file", NULL);
    tm__cli_print(cli, "error at %s: %s\n", tm__json_text(error, "at", ""),
                  tm__json_text(error, "message", ""));
    if (path != NULL || json_object_get(error, "row") != NULL) {
        tm__cli_print(cli, "  place: %s, row %lld\n", path != NULL ? path : "the input",
                      (long long)tm__json_i64(error, "row", 0));
    }
    tm__cli_print(cli, "  %s\n", tm__json_text(error, "hint", ""));
}

static void show_sink(tm_cli *cli, const json_t *sink) {
    char rows[32], batches[32];
    const json_t *error = json_object_get(sink, "error");
    tm__cli_print(cli, "model: %s\nreads: %s\n", tm__json_text(sink, "model", ""),
                  input_name(sink));
    show_target(cli, json_object_get(sink, "write"));
    tm__cli_print(cli, "status: %s\n", tm__json_text(sink, "status", ""));
    tm__cli_print(cli, "written: %s rows in %s batches\n", count_or_dash(sink, "rows", rows),
                  count_or_dash(sink, "batches", batches));
    tm__cli_print(cli, "waiting: %s rows; missed: %s rows\n", count_or_dash(sink, "waiting", rows),
                  count_or_dash(sink, "missed", batches));
    tm__cli_print(cli, "last run: %s; last done: %s; next run: %s\n",
                  tm__json_text(sink, "last_run_at", "-"), tm__json_text(sink, "last_done_at", "-"),
                  tm__json_text(sink, "next_at", "-"));
    if (tm__json_text(sink, "batch", NULL) != NULL) {
        tm__cli_print(cli, "begun and not done: %s\n", tm__json_text(sink, "batch", ""));
    }
    if (json_is_object(error)) {
        show_error(cli, error);
    }
}

tm_status cmd_sink_show(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *sink = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__sink_show(home, tm__cli_arg(cli, "NAME"), &sink, err);
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.sink.show/1", sink);
    } else if (st == TM_OK) {
        show_sink(cli, sink);
    }
    json_decref(sink);
    tm__home_close(home);
    return st;
}

/* ---- run and rm ---- */

tm_status cmd_sink_run(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    json_t *result = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    st = st == TM_OK ? tm__home_open(cli->home, false, &home, err) : st;
    st = st == TM_OK ? tm__sink_run(&ctx, home, name, &result, err) : st;
    if (st == TM_OK && tm__json_i64(result, "batches", 0) > 0) {
        const tm_cli_deed deed = {.event = "sink.wrote",
                                  .kind = "sink",
                                  .name = name,
                                  .details = json_pack("{s:O, s:O}", "rows",
                                                       json_object_get(result, "rows"), "batches",
                                                       json_object_get(result, "batches"))};
        tm__cli_did(cli, "the rows are written");
        st = tm__cli_audit(home, &deed, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.sink.run/1", result);
    } else if (st == TM_OK) {
        char rows[32];
        const long long n_missed = (long long)tm__json_i64(result, "missed", 0);
        tm__cli_print(cli, "%s: %s rows in %lld batches\n", name,
                      count_or_dash(result, "rows", rows),
                      (long long)tm__json_i64(result, "batches", 0));
        if (n_missed > 0) {
            tm__cli_warn(cli, "%lld rows were removed from the source before they were read",
                         n_missed);
        }
    }
    json_decref(result);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}

tm_status cmd_sink_rm(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = tm__sink_remove(home, name, err);
    if (st == TM_OK) {
        const tm_cli_deed deed = {.event = "sink.removed", .kind = "sink", .name = name};
        tm__cli_did(cli, "sink '%s' is removed", name);
        st = tm__cli_audit(home, &deed, err);
    }
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:s}", "schema", "tidemill.sink.rm/1", "sink", name);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    tm__cli_print(cli, "sink '%s' is removed\n", name);
    return TM_OK;
}
