/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows stream through in parts: all threads read, score and format them (cli/answers.c), and what
 * becomes of them is written in the order of the input, in bounded memory. A file gets its name
 * when all is in it, and all is in the log (cli/predict_log.c).
 *
 * What a thread hands over with --log: lines | records | length of the lines
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/net.h"
#include "base/pool.h"
#include "cli/answers.h"
#include "cli/cli.h"
#include "cli/history.h"
#include "cli/model_args.h"
#include "cli/predict_log.h"
#include "cli/spool.h"
#include "source/source.h"

#define HEAD_BYTES_MAX ((size_t)64 << 20)
#define TEMP_PATH_MAX 8192u
#define PART_ROWS 65536u

typedef struct prediction {
    tm_cli *cli;
    tm_ctx *ctx;
    const tm_place *place;
    tm_answer_form answers;
    tm_answer_pen **pens; /* [n_threads] */
    uint32_t n_threads;
    tm_file *file;   /* NULL: stdout */
    char *temp;      /* name of file until all is in it; NULL: file is no ordinary one */
    bool is_parquet; /* made from the CSV of temp when all is in it */
    tm_spool *rows;  /* of standard input */
    tm_mutex *head_lock;
    bool has_head; /* made by the thread that works on a part first */
    tm_buf head;   /* names of a CSV file; empty once they are written */
    uint64_t n_rows;
    uint64_t started_ns;
    tm_predict_log *log; /* NULL: answers are not logged */
    uint64_t n_logged;
} prediction;

static tm_status make_head(prediction *p, const tm_source_part *part, tm_err *err) {
    const char *const clash =
        tm__answers_clash(&p->answers, part, p->is_parquet || p->answers.has_ids);
    if (clash != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "column '%s' has the name of an answer", clash);
        tm_err_hint(err, tm__str_is_nocase(tm__str(clash), "prediction_id")
                             ? "Rename it, or leave out --log."
                             : "Rename it, or take it out.");
        return TM_E_DATA;
    }
    tm__mutex_lock(p->head_lock);
    if (!p->has_head && !p->answers.is_json) {
        tm__answers_head(&p->answers, part, &p->head);
    }
    p->has_head = true;
    const bool failed = p->head.failed;
    tm__mutex_unlock(p->head_lock);
    return failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns") : TM_OK;
}

/* Rows with the names that the model reads. Without a history its features over windows have to
 * stand in them. */
static tm_status name_part(const prediction *p, const tm_source_part *part, tm_table **out,
                           tm_err *err) {
    return tm__bundle_has_windows(p->answers.bundle) && !tm__cli_has_history(p->cli)
               ? tm__bundle_widen(p->ctx, p->answers.bundle, part->table, NULL, out, err)
               : tm__bundle_rename(p->answers.bundle, part->table, out, err);
}

static tm_status work(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                      tm_err *err) {
    prediction *const p = arg;
    tm_source_part named = *part;
    TM_TRY(name_part(p, part, &named.table, err));
    tm_status st = make_head(p, &named, err);
    st = st == TM_OK ? tm__answers_write(p->pens[worker], &named, out, err) : st;
    tm__table_unref(named.table);
    TM_TRY(st);
    if (!p->answers.has_ids) {
        return TM_OK;
    }
    const tm_str records = tm__answer_pen_records(p->pens[worker]);
    const uint64_t n_lines = out->len;
    return tm__buf_append(out, records.ptr, records.len) &&
                   tm__buf_append(out, &n_lines, sizeof(n_lines))
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of some rows");
}

/* The lines of what a thread handed over; its answers are logged first. */
static tm_status log_part(const prediction *p, const tm_buf *out, tm_str *out_lines, tm_err *err) {
    *out_lines = (tm_str){(const char *)out->data, out->len};
    if (!p->answers.has_ids || out->len == 0) {
        return TM_OK;
    }
    uint64_t n_lines = 0;
    memcpy(&n_lines, out->data + out->len - sizeof(n_lines), sizeof(n_lines));
    const char *const records = (const char *)out->data + n_lines;
    const size_t n_records = out->len - sizeof(n_lines) - n_lines;
    out_lines->len = n_lines;
    return tm__predict_log_put(p->log, (tm_str){records, n_records}, err);
}

static tm_status write_bytes(const prediction *p, tm_str bytes, tm_err *err) {
    if (p->file != NULL) {
        return tm__file_write(p->file, bytes.ptr, bytes.len, err);
    }
    errno = 0;
    if (bytes.len == 0 || fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len) {
        return TM_OK;
    }
    tm__signal_pipe(errno);
    return TM_FAIL(err, TM_E_IO, "cannot write to standard output");
}

/* The thread that made the head has ended its part: nobody touches it now. */
static tm_status write(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    prediction *const p = arg;
    tm_str lines;
    TM_TRY(log_part(p, out, &lines, err));
    if (p->n_rows == 0) {
        TM_TRY(write_bytes(p, (tm_str){(const char *)p->head.data, p->head.len}, err));
    }
    p->n_rows += n_rows;
    return write_bytes(p, lines, err);
}

static tm_status make_pens(prediction *p, tm_err *err) {
    p->n_threads = tm__pool_threads(p->ctx->pool);
    p->head_lock = tm__mutex_create();
    p->pens = tm__mem_zalloc(p->n_threads, sizeof(*p->pens));
    bool ok = p->pens != NULL && p->head_lock != NULL;
    for (uint32_t i = 0; ok && i < p->n_threads; i++) {
        p->pens[i] = tm__answer_pen_create(&p->answers);
        ok = p->pens[i] != NULL;
    }
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to predict");
}

static void free_pens(prediction *p) {
    for (uint32_t i = 0; p->pens != NULL && i < p->n_threads; i++) {
        tm__answer_pen_free(p->pens[i]);
    }
    tm__mem_free(p->pens);
    tm__mutex_free(p->head_lock);
}

static tm_status open_out(prediction *p, const char *path, tm_err *err) {
    if (path == NULL || strcmp(path, "-") == 0) {
        p->answers.is_json = p->cli->json;
        return TM_OK;
    }
    const tm_str name = tm__str(path);
    p->answers.is_json = tm__str_has_suffix(name, ".jsonl") ||
                         tm__str_has_suffix(name, ".ndjson") || tm__str_has_suffix(name, ".json");
    p->is_parquet = tm__str_has_suffix(name, ".parquet") || tm__str_has_suffix(name, ".pq");
    const tm_path_kind kind = tm__fs_info(path).kind;
    const bool is_file = kind == TM_PATH_NONE || kind == TM_PATH_FILE;
    if ((!p->answers.is_json && !p->is_parquet && !tm__str_has_suffix(name, ".csv")) ||
        (p->is_parquet && !is_file)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "cannot tell the format of '%s'", path);
        tm_err_hint(err, "Let the name of --out end in .csv, .jsonl, .ndjson or .parquet.");
        return st;
    }
    if (!is_file) { /* a pipe or a device */
        return tm__file_open(path, TM_OPEN_TRUNCATE, &p->file, err);
    }
    tm_buf temp;
    tm__buf_init(&temp, TEMP_PATH_MAX);
    if (!tm__buf_printf(&temp, "%s.tmp-%llx", path, (unsigned long long)tm__now_us())) {
        tm__buf_done(&temp);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the name of a file");
    }
    size_t len;
    p->temp = (char *)tm__buf_take(&temp, &len);
    const tm_status st = tm__file_open(p->temp, TM_OPEN_TRUNCATE, &p->file, err);
    if (st == TM_E_NOT_FOUND) { /* its own name says nothing to who gave the other */
        (void)TM_FAIL(err, st, "cannot write '%s': there is no such folder", path);
        tm_err_hint(err, "Make the folder, or name another file with --out.");
    }
    return st;
}

/* Parquet from the CSV that is complete; it takes the place of temp. */
static tm_status make_parquet(prediction *p, tm_err *err) {
    tm_buf name;
    tm_file *file = NULL;
    tm__buf_init(&name, TEMP_PATH_MAX);
    if (!tm__buf_printf(&name, "%s.pq", p->temp)) {
        tm__buf_done(&name);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the name of a file");
    }
    const char *const made = (const char *)name.data;
    tm_status st = tm__spool_to_parquet(p->ctx, p->answers.bundle, p->temp, made, err);
    if (st == TM_OK) {
        st = tm__file_open(made, TM_OPEN_APPEND, &file, err);
    }
    if (st == TM_OK) {
        st = tm__file_sync(file, err);
    }
    tm__file_close(file);
    const tm_status removed = tm__fs_remove(st == TM_OK ? p->temp : made, NULL);
    (void)removed; /* the first error counts */
    if (st == TM_OK) {
        size_t len;
        tm__mem_free(p->temp);
        p->temp = (char *)tm__buf_take(&name, &len);
    }
    tm__buf_done(&name);
    return st;
}

/* Give the answers their name when all are there; else nothing of them stays. */
static tm_status close_out(prediction *p, tm_status st, const char *path, tm_err *err) {
    if (st == TM_OK && p->temp != NULL && !p->is_parquet) {
        st = tm__file_sync(p->file, err);
    }
    tm__file_close(p->file);
    if (st == TM_OK && p->temp != NULL && p->is_parquet) {
        st = make_parquet(p, err);
    }
    if (st == TM_OK && p->log != NULL) {
        st = tm__predict_log_finish(p->log, &p->n_logged, err);
    }
    if (p->temp == NULL) {
        return st;
    }
    if (st == TM_OK) {
        st = tm__fs_move(p->temp, path, err);
    }
    if (st != TM_OK) {
        const tm_status removed = tm__fs_remove(p->temp, NULL);
        (void)removed; /* the first error counts */
    }
    tm__mem_free(p->temp);
    return st;
}

static void print_summary(prediction *p, const char *out_path) {
    const double seconds = (double)(tm__mono_ns() - p->started_ns) * 1e-9;
    if (p->cli->json && p->file != NULL) {
        json_t *summary = json_pack("{s:s, s:s, s:I, s:I, s:o}", "schema", "tidemill.predict/1",
                                    "out", out_path, "rows", (json_int_t)p->n_rows, "logged",
                                    (json_int_t)p->n_logged, "seconds", tm__json_number(seconds));
        tm__cli_print_json(p->cli, summary);
        json_decref(summary);
    } else if (p->file != NULL) {
        tm__cli_note(p->cli, "%llu rows scored%s in %.1f s: %s", (unsigned long long)p->n_rows,
                     p->log != NULL ? " and logged" : "", seconds, out_path);
    }
}

/* A file of its own needs no home. */
static tm_status open_model(tm_cli *cli, const char *name, tm_place *place, tm_err *err) {
    return tm__str_has_suffix(tm__str(name), ".tmb")
               ? tm__bundle_open(name, &place->bundle, err)
               : tm__place_open_version(cli, name, place, err);
}

/* Rows that get features of a history are one table; a part of it at a time is scored. */
static tm_status run_table(prediction *p, const char *path, tm_err *err) {
    tm_table *wide = NULL;
    tm_buf out;
    TM_TRY(tm__cli_read_wide(p->cli, p->ctx, p->place, path, &wide, err));
    const uint64_t n_rows = tm__table_rows(wide);
    uint32_t *const rows = tm__mem_alloc(PART_ROWS, sizeof(*rows));
    tm_status st = rows == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to predict") : TM_OK;
    tm__buf_init(&out, TM_MAX_BUNDLE_BYTES);
    for (uint64_t at = 0; st == TM_OK && at < n_rows; at += PART_ROWS) {
        tm_source_part part = {.n_rows = n_rows - at < PART_ROWS ? n_rows - at : PART_ROWS,
                               .number = at / PART_ROWS};
        for (uint64_t i = 0; i < part.n_rows; i++) {
            rows[i] = (uint32_t)(at + i);
        }
        tm__buf_reset(&out);
        st = tm__table_take_rows(wide, rows, part.n_rows, &part.table, err);
        st = st == TM_OK ? work(p, &part, 0, &out, err) : st;
        st = st == TM_OK ? write(p, &out, part.n_rows, err) : st;
        tm__table_unref(part.table);
        tm__ctx_progress(p->ctx, "predict", at + part.n_rows, n_rows, NULL);
    }
    tm__buf_done(&out);
    tm__mem_free(rows);
    tm__table_unref(wide);
    return st;
}

/* Rows as they come, with bounded memory. */
static tm_status run_pipe(prediction *p, const tm_source_spec *rows, tm_err *err) {
    const tm_source_sink sink = {.stage = "predict",
                                 .wants_raw = !p->answers.is_json,
                                 .takes_members = true,
                                 .work = work,
                                 .write = write,
                                 .arg = p};
    tm_source_spec spec = *rows;
    tm_sql_sources query;
    tm_status st = tm__cli_query(p->cli, p->ctx, spec.sql, &query, err);
    if (st == TM_OK) {
        spec.sql = query.sql;
        st = tm__source_pipe(p->ctx, &spec, &sink, err);
        tm__sql_sources_place(&query, err);
    }
    tm__sql_sources_done(&query);
    return st;
}

/* Score all rows of the source into what open_out() opened. */
static tm_status run(prediction *p, tm_err *err) {
    const char *path = tm__cli_arg(p->cli, "DATA");
    if (path != NULL && strcmp(path, "-") == 0) {
        TM_TRY(tm__spool_read(p->ctx, "/dev/stdin", TM_MAX_SPOOL_BYTES, &p->rows, err));
        path = tm__spool_path(p->rows);
    }
    tm_schema columns;
    const tm_source_spec spec = {.path = path,
                                 .sql = tm__cli_text(p->cli, "sql"),
                                 .no_header = tm__cli_flag(p->cli, "no-header"),
                                 .schema = &columns};
    TM_TRY(tm__cli_check_source(spec.path, spec.sql, err));
    TM_TRY(make_pens(p, err));
    if (tm__cli_has_history(p->cli)) {
        return run_table(p, path, err);
    }
    TM_TRY(tm__schema_copy(tm__bundle_schema(p->answers.bundle), &columns, err));
    tm_status st = tm__renames_widen(tm__bundle_renames(p->answers.bundle), &columns, err);
    st = st == TM_OK ? run_pipe(p, &spec, err) : st;
    tm__schema_done(&columns);
    return st;
}

/* Beside the file that is made, as that gets its name at the end. */
static tm_status open_log(prediction *p, tm_err *err) {
    tm_buf beside;
    tm__buf_init(&beside, TEMP_PATH_MAX);
    if (p->temp != NULL && !tm__buf_printf(&beside, "%s.log", p->temp)) {
        tm__buf_done(&beside);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the name of a file");
    }
    const char *const name = p->temp != NULL ? (const char *)beside.data : NULL;
    const tm_status st = tm__predict_log_open(p->place, name, &p->log, err);
    tm__buf_done(&beside);
    return st;
}

static tm_status find_interval(prediction *p, tm_err *err) {
    p->answers.has_interval = tm__cli_has(p->cli, "interval");
    return p->answers.has_interval
               ? tm__conformal_find(tm__bundle_conformal(p->answers.bundle),
                                    tm__cli_f64(p->cli, "interval"), &p->answers.interval, err)
               : TM_OK;
}

tm_status cmd_predict(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    prediction p = {
        .cli = cli,
        .ctx = &ctx,
        .place = &place,
        .answers = {.explain = tm__cli_flag(cli, "explain"), .has_ids = tm__cli_flag(cli, "log")}};
    const char *out_path = tm__cli_text(cli, "out");
    tm__buf_init(&p.head, HEAD_BYTES_MAX);
    p.started_ns = tm__mono_ns();
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = open_model(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        p.answers.bundle = place.bundle;
        st = find_interval(&p, err);
    }
    if (st == TM_OK) {
        st = open_out(&p, out_path, err);
    }
    if (st == TM_OK && p.answers.has_ids) {
        st = open_log(&p, err);
    }
    if (st == TM_OK) {
        st = run(&p, err);
    }
    tm__spool_name(p.rows, err);
    tm__spool_free(p.rows);
    st = close_out(&p, st, out_path, err);
    if (st == TM_OK) {
        print_summary(&p, out_path);
    }
    free_pens(&p);
    tm__predict_log_close(p.log);
    tm__buf_done(&p.head);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
