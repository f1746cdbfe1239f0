/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows stream through in chunks: read, score, write, in input order and bounded memory. Written are
 * the input's columns that the model does not read (ids), the prediction, and its probabilities.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "source/source.h"

#define OUT_BYTES_MAX (UINT64_C(1) << 30) /* text of one chunk */
#define TEMP_PATH_MAX 8192u
#define N_REASONS 3u

typedef struct prediction {
    tm_cli *cli;
    tm_ctx *ctx;
    const tm_bundle *bundle;
    tm_bundle_scratch *scratch;
    tm_file *file; /* NULL: stdout */
    char *temp;    /* name of file until all is in it; NULL: file is no ordinary one */
    bool is_json;
    bool explain;
    bool has_head;
    tm_buf text;
    double *pred;
    uint64_t pred_rows;
    uint64_t n_rows;
    uint64_t started_ns;
} prediction;

static void csv_text(tm_buf *out, tm_str text) {
    bool quote = false;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.ptr[i];
        quote = quote || c == ',' || c == '"' || c == '\n' || c == '\r';
    }
    if (!quote) {
        (void)tm__buf_append(out, text.ptr, text.len);
        return;
    }
    (void)tm__buf_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"') {
            (void)tm__buf_byte(out, '"');
        }
        (void)tm__buf_byte(out, (uint8_t)text.ptr[i]);
    }
    (void)tm__buf_byte(out, '"');
}

static void put_text(prediction *p, tm_str text) {
    if (p->is_json) {
        (void)tm__json_write_text(&p->text, text);
    } else {
        csv_text(&p->text, text);
    }
}

static void put_number(prediction *p, double value) {
    char text[32];
    const size_t n = tm__f64_to_text(value, text);
    if (isfinite(value)) {
        (void)tm__buf_append(&p->text, text, n);
    } else {
        (void)tm__buf_text(&p->text, p->is_json ? "null" : "");
    }
}

static void put_cell(prediction *p, const tm_cell *cell) {
    char text[64];
    switch (cell->type) {
    case TM_TYPE_NONE:
        (void)tm__buf_text(&p->text, p->is_json ? "null" : "");
        break;
    case TM_TYPE_BOOL:
        (void)tm__buf_text(&p->text, cell->i64 != 0 ? "true" : "false");
        break;
    case TM_TYPE_INT:
        (void)tm__buf_printf(&p->text, "%lld", (long long)cell->i64);
        break;
    case TM_TYPE_FLOAT:
        put_number(p, cell->f64);
        break;
    case TM_TYPE_TEXT:
        put_text(p, cell->text);
        break;
    case TM_TYPE_DATE:
        put_text(p, (tm_str){text, tm__date_to_text(cell->i64, text)});
        break;
    case TM_TYPE_TIME:
        put_text(p, (tm_str){text, tm__time_to_text(cell->i64, text)});
        break;
    }
}

/* Start of a field: name for JSON lines, separator for CSV. */
static void put_name(prediction *p, const char *name, bool is_first) {
    if (p->is_json) {
        (void)tm__buf_text(&p->text, is_first ? "{" : ", ");
        (void)tm__json_write_text(&p->text, tm__str(name));
        (void)tm__buf_text(&p->text, ": ");
    } else if (!is_first) {
        (void)tm__buf_byte(&p->text, ',');
    }
}

static bool is_passed(const prediction *p, const char *name) {
    return tm__schema_find(tm__bundle_schema(p->bundle), tm__str(name)) == UINT32_MAX &&
           strcmp(name, tm__bundle_target(p->bundle)) != 0;
}

static void put_head(prediction *p, const tm_table *chunk) {
    bool first = true;
    for (uint32_t c = 0; c < tm__table_cols(chunk); c++) {
        const char *name = tm__table_column(chunk, c)->name;
        if (is_passed(p, name)) {
            put_name(p, name, first);
            csv_text(&p->text, tm__str(name));
            first = false;
        }
    }
    put_name(p, "prediction", first);
    (void)tm__buf_text(&p->text, "prediction");
    const tm_task task = tm__bundle_task(p->bundle);
    if (task == TM_TASK_BINARY) {
        (void)tm__buf_text(&p->text, ",probability");
    }
    for (uint32_t k = 0; task == TM_TASK_MULTICLASS && k < tm__bundle_outputs(p->bundle); k++) {
        tm_buf name;
        tm__buf_init(&name, 65536);
        (void)tm__buf_printf(&name, "probability_%s", tm__bundle_class(p->bundle, k));
        (void)tm__buf_byte(&p->text, ',');
        csv_text(&p->text, (tm_str){(const char *)name.data, name.len});
        p->text.failed = p->text.failed || name.failed;
        tm__buf_done(&name);
    }
    (void)tm__buf_text(&p->text, p->explain ? ",reasons\n" : "\n");
}

static void put_answer(prediction *p, const double *out) {
    const tm_task task = tm__bundle_task(p->bundle);
    if (task == TM_TASK_REGRESSION || task == TM_TASK_RANKING) {
        put_number(p, out[0]);
        return;
    }
    put_text(p, tm__str(tm__bundle_class(p->bundle, tm__bundle_decide(p->bundle, out))));
    if (task == TM_TASK_BINARY) {
        put_name(p, "probability", false);
        put_number(p, out[0]);
        return;
    }
    if (p->is_json) {
        put_name(p, "probability", false);
    }
    for (uint32_t k = 0; k < tm__bundle_outputs(p->bundle); k++) {
        put_name(p, tm__bundle_class(p->bundle, k), p->is_json && k == 0);
        put_number(p, out[k]);
    }
    if (p->is_json) {
        (void)tm__buf_byte(&p->text, '}');
    }
}

/* The columns that moved the answer most, as "name +0.31; other -0.20". */
static tm_status put_reasons(prediction *p, const tm_cell *cells, uint32_t output, tm_err *err) {
    const tm_schema *schema = tm__bundle_schema(p->bundle);
    double base = 0.0;
    double raw = 0.0;
    double *parts = tm__mem_alloc(schema->n_cols, sizeof(double));
    tm_buf text;
    if (parts == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the reasons");
    }
    tm__buf_init(&text, 4096);
    const tm_status st =
        tm__bundle_explain_row(p->bundle, p->scratch, cells, output, parts, &base, &raw, err);
    for (uint32_t i = 0; st == TM_OK && i < N_REASONS && i < schema->n_cols; i++) {
        uint32_t top = 0;
        for (uint32_t c = 1; c < schema->n_cols; c++) {
            top = fabs(parts[c]) > fabs(parts[top]) ? c : top;
        }
        (void)tm__buf_printf(&text, "%s%s %+.3g", i > 0 ? "; " : "", schema->cols[top].name,
                             parts[top]);
        parts[top] = 0.0;
    }
    if (st == TM_OK) {
        put_name(p, "reasons", false);
        put_text(p, (tm_str){(const char *)text.data, text.len});
        p->text.failed = p->text.failed || text.failed;
    }
    tm__buf_done(&text);
    tm__mem_free(parts);
    return st;
}

static tm_status put_row(prediction *p, const tm_table *chunk, uint64_t row, tm_cell *cells,
                         tm_err *err) {
    const double *out = p->pred + row * tm__bundle_outputs(p->bundle);
    bool first = true;
    for (uint32_t c = 0; c < tm__table_cols(chunk); c++) {
        const tm_column *column = tm__table_column(chunk, c);
        if (is_passed(p, column->name)) {
            const tm_cell cell = tm__column_cell(column, row);
            put_name(p, column->name, first);
            put_cell(p, &cell);
            first = false;
        }
    }
    put_name(p, "prediction", first);
    put_answer(p, out);
    if (p->explain) {
        const tm_schema *schema = tm__bundle_schema(p->bundle);
        for (uint32_t c = 0; c < schema->n_cols; c++) {
            const uint32_t col = tm__table_find(chunk, schema->cols[c].name);
            cells[c] = col == UINT32_MAX ? (tm_cell){0}
                                         : tm__column_cell(tm__table_column(chunk, col), row);
        }
        const uint32_t output = tm__bundle_task(p->bundle) == TM_TASK_MULTICLASS
                                    ? tm__bundle_decide(p->bundle, out)
                                    : 0;
        TM_TRY(put_reasons(p, cells, output, err));
    }
    (void)tm__buf_text(&p->text, p->is_json ? "}\n" : "\n");
    return TM_OK;
}

static tm_status flush(prediction *p, tm_err *err) {
    tm_status st = TM_OK;
    if (p->text.failed) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the answers of a chunk");
    }
    if (p->file != NULL) {
        st = tm__file_write(p->file, p->text.data, p->text.len, err);
    } else if (p->text.len > 0 && fwrite(p->text.data, 1, p->text.len, stdout) != p->text.len) {
        st = TM_FAIL(err, TM_E_IO, "cannot write to standard output");
    }
    tm__buf_reset(&p->text);
    return st;
}

static tm_status score_chunk(void *arg, tm_table *chunk, tm_err *err) {
    prediction *p = arg;
    const uint64_t n = tm__table_rows(chunk);
    const uint32_t n_outputs = tm__bundle_outputs(p->bundle);
    if (tm__ctx_cancelled(p->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "stopped by a signal");
    }
    if (n > p->pred_rows) {
        tm__mem_free(p->pred);
        p->pred = tm__mem_alloc(n * n_outputs, sizeof(double));
        p->pred_rows = p->pred != NULL ? n : 0;
        if (p->pred == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for %llu answers", (unsigned long long)n);
        }
    }
    tm_status st = tm__bundle_predict(p->ctx, p->bundle, chunk, NULL, n, p->pred, err);
    if (st != TM_OK) {
        err->data_row += err->data_row > 0 ? p->n_rows : 0; /* of the chunk */
        return st;
    }
    if (!p->has_head && !p->is_json) {
        put_head(p, chunk);
    }
    p->has_head = true;
    tm_cell *cells =
        tm__mem_zalloc((size_t)tm__bundle_schema(p->bundle)->n_cols + 1, sizeof(*cells));
    st = cells == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a row") : TM_OK;
    for (uint64_t row = 0; st == TM_OK && row < n; row++) {
        st = put_row(p, chunk, row, cells, err);
    }
    tm__mem_free(cells);
    TM_TRY(st);
    p->n_rows += n;
    tm__ctx_progress(p->ctx, "predict", p->n_rows, 0, NULL);
    return flush(p, err);
}

static tm_status open_out(prediction *p, const char *path, tm_err *err) {
    if (path == NULL || strcmp(path, "-") == 0) {
        p->is_json = p->cli->json;
        return TM_OK;
    }
    const tm_str name = tm__str(path);
    p->is_json = tm__str_has_suffix(name, ".jsonl") || tm__str_has_suffix(name, ".ndjson") ||
                 tm__str_has_suffix(name, ".json");
    if (!p->is_json && !tm__str_has_suffix(name, ".csv")) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "cannot tell the format of '%s'", path);
        tm_err_hint(err, "Let the name of --out end in .csv, .jsonl or .ndjson.");
        return st;
    }
    const tm_path_kind kind = tm__fs_info(path).kind;
    if (kind != TM_PATH_NONE && kind != TM_PATH_FILE) { /* a pipe or a device */
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
    return tm__file_open(p->temp, TM_OPEN_TRUNCATE, &p->file, err);
}

/* Give the answers their name when all are there; else nothing of them stays. */
static tm_status close_out(prediction *p, tm_status st, const char *path, tm_err *err) {
    if (st == TM_OK && p->temp != NULL) {
        st = tm__file_sync(p->file, err);
    }
    tm__file_close(p->file);
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
        json_t *summary =
            json_pack("{s:s, s:s, s:I, s:o}", "schema", "tidemill.predict/1", "out", out_path,
                      "rows", (json_int_t)p->n_rows, "seconds", tm__json_number(seconds));
        tm__cli_print_json(p->cli, summary);
        json_decref(summary);
    } else if (p->file != NULL) {
        tm__cli_note(p->cli, "%llu rows scored in %.1f s: %s", (unsigned long long)p->n_rows,
                     seconds, out_path);
    }
}

/* A file of its own needs no home. */
static tm_status open_model(tm_cli *cli, const char *name, tm_place *place, tm_err *err) {
    return tm__str_has_suffix(tm__str(name), ".tmb")
               ? tm__bundle_open(name, &place->bundle, err)
               : tm__place_open_version(cli, name, place, err);
}

tm_status cmd_predict(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    prediction p = {.cli = cli, .ctx = &ctx, .explain = tm__cli_flag(cli, "explain")};
    const char *path = tm__cli_arg(cli, "DATA");
    const char *sql = tm__cli_text(cli, "sql");
    const char *out_path = tm__cli_text(cli, "out");
    tm__buf_init(&p.text, OUT_BYTES_MAX);
    p.started_ns = tm__mono_ns();
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = open_model(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        p.bundle = place.bundle;
        p.scratch = tm__bundle_scratch_create(place.bundle);
        st = p.scratch == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to predict")
                               : open_out(&p, out_path, err);
    }
    if (st == TM_OK) {
        st = tm__cli_check_source(path, sql, err);
    }
    if (st == TM_OK) {
        const tm_source_spec spec = {.path = path,
                                     .sql = sql,
                                     .no_header = tm__cli_flag(cli, "no-header"),
                                     .schema = tm__bundle_schema(place.bundle)};
        st = tm__source_stream(&ctx, &spec, score_chunk, &p, err);
    }
    st = close_out(&p, st, out_path, err);
    if (st == TM_OK) {
        print_summary(&p, out_path);
    }
    tm__bundle_scratch_free(p.scratch);
    tm__buf_done(&p.text);
    tm__mem_free(p.pred);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
