/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `data export`: the log of a model as Parquet.
 *
 *     first walk    which columns there are, and of which types
 *     second walk   rows ──> a table of at most so many ──> a file under its name
 *
 * Versions of a model need not read the same columns, nor must a column have had one type for ever:
 * each file has all columns of the time, of one type that holds all values.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/walk_args.h"
#include "store/parquet.h"

/* What an answer has beside its row, in this order; scores follow. */
static const struct {
    const char *name;
    tm_type type;
} own_columns[] = {
    {"_id", TM_TYPE_TEXT},     {"_at", TM_TYPE_TIME},          {"_event_time", TM_TYPE_TIME},
    {"_entity", TM_TYPE_TEXT}, {"_route", TM_TYPE_TEXT},       {"_arm", TM_TYPE_TEXT},
    {"_version", TM_TYPE_INT}, {"_share", TM_TYPE_FLOAT},      {"_latency_us", TM_TYPE_INT},
    {"_label", TM_TYPE_TEXT},  {"_label_known", TM_TYPE_TIME}, {"_label_joined", TM_TYPE_TIME}};
#define N_OWN (sizeof(own_columns) / sizeof(own_columns[0]))

typedef struct export_column {
    char *name;     /* owned */
    uint32_t types; /* seen: 1 << tm_type */
    tm_type type;
} export_column;

typedef struct exporting {
    tm_cli *cli;
    tm_ctx *ctx;
    const char *dir, *model;
    uint64_t rows_max;      /* of a file */
    export_column *columns; /* [n_columns] of rows, owned */
    uint32_t n_columns, n_scores;
    int64_t stream;   /* that places is of; 0: none */
    uint32_t *places; /* [places_max] of the cells of that stream among the columns, owned */
    uint32_t places_max;
    tm_table_builder *builder; /* of the file at hand; NULL: none */
    tm_cell *cells;            /* [N_OWN + n_scores + n_columns], owned */
    tm_buf *texts;             /* [n_columns] of values made text, owned */
    uint64_t n_rows, n_in_file, n_labelled, n_walked;
    int64_t first, last; /* numbers in the file at hand */
    json_t *files;
} exporting;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to export answers");
}

/* ---- The first walk ---- */

static tm_status find_column(exporting *e, const char *name, uint32_t *out, tm_err *err) {
    for (*out = 0; *out < e->n_columns; (*out)++) {
        if (strcmp(e->columns[*out].name, name) == 0) {
            return TM_OK;
        }
    }
    for (size_t i = 0; i < N_OWN; i++) {
        if (strcmp(name, own_columns[i].name) == 0 || strncmp(name, "_score", 6) == 0) {
            return TM_FAIL(err, TM_E_DATA, "column '%s' has a name that the export gives", name);
        }
    }
    export_column *grown = tm__mem_realloc(e->columns, e->n_columns + 1, sizeof(*grown));
    if (grown == NULL) {
        return no_memory(err);
    }
    e->columns = grown;
    grown[e->n_columns] = (export_column){.name = tm__mem_strdup(name)};
    return grown[e->n_columns++].name == NULL ? no_memory(err) : TM_OK;
}

/* Where the cells of a row's stream lie. */
static tm_status place_cells(exporting *e, const tm_walk_row *row, tm_err *err) {
    if (row->stream == e->stream) {
        return TM_OK;
    }
    if (row->n_cells > e->places_max) {
        tm__mem_free(e->places);
        e->places = tm__mem_alloc(row->n_cells, sizeof(*e->places));
        e->places_max = e->places == NULL ? 0 : row->n_cells;
        if (e->places == NULL) {
            return no_memory(err);
        }
    }
    e->stream = row->stream;
    for (uint32_t i = 0; i < row->n_cells; i++) {
        TM_TRY(find_column(e, row->names[i], &e->places[i], err));
    }
    return TM_OK;
}

static tm_status check_cancelled(const exporting *e, tm_err *err) {
    return tm__ctx_cancelled(e->ctx) ? TM_FAIL(err, TM_E_CANCELLED, "the export was cancelled")
                                     : TM_OK;
}

static tm_status look(void *arg, const tm_walk_row *row, tm_err *err) {
    exporting *const e = arg;
    TM_TRY(check_cancelled(e, err));
    TM_TRY(place_cells(e, row, err));
    for (uint32_t i = 0; i < row->n_cells; i++) {
        e->columns[e->places[i]].types |= 1u << row->cells[i].type;
    }
    e->n_scores = row->n_outputs > e->n_scores ? row->n_outputs : e->n_scores;
    e->n_rows++;
    return TM_OK;
}

/* The type that holds all values that were seen. */
static tm_type type_of(uint32_t types) {
    const uint32_t int_bit = 1u << TM_TYPE_INT, float_bit = 1u << TM_TYPE_FLOAT;
    const uint32_t some = types & ~(1u << TM_TYPE_NONE);
    if (some == (int_bit | float_bit)) {
        return TM_TYPE_FLOAT;
    }
    for (uint32_t type = TM_TYPE_BOOL; type <= TM_TYPE_TIME; type++) {
        if (some == 1u << type) {
            return (tm_type)type;
        }
    }
    return TM_TYPE_TEXT;
}

/* ---- The second walk ---- */

static tm_status begin_file(exporting *e, int64_t first, tm_err *err) {
    e->builder = tm__builder_create();
    if (e->builder == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < N_OWN; i++) {
        TM_TRY(tm__builder_add_column(e->builder, own_columns[i].name, own_columns[i].type, err));
    }
    for (uint32_t i = 0; i < e->n_scores; i++) {
        char name[24] = "_score";
        if (e->n_scores > 1) {
            (void)snprintf(name, sizeof(name), "_score_%u", i);
        }
        TM_TRY(tm__builder_add_column(e->builder, name, TM_TYPE_FLOAT, err));
    }
    for (uint32_t i = 0; i < e->n_columns; i++) {
        TM_TRY(tm__builder_add_column(e->builder, e->columns[i].name, e->columns[i].type, err));
    }
    e->first = first;
    e->n_in_file = 0;
    return TM_OK;
}

static tm_status publish(exporting *e, const tm_table *table, const char *path, tm_err *err) {
    tm_buf temp;
    tm__buf_init(&temp, SIZE_MAX / 2);
    if (!tm__buf_printf(&temp, "%s.tmp-%llx", path, (unsigned long long)tm__now_us())) {
        tm__buf_done(&temp);
        return no_memory(err);
    }
    const char *const made = (const char *)temp.data;
    tm_status st = tm__parquet_write_path(e->ctx, table, made, err);
    st = st == TM_OK ? tm__fs_move(made, path, err) : st;
    const tm_status removed = tm__fs_remove(made, st == TM_OK ? err : NULL);
    tm__buf_done(&temp);
    return st != TM_OK ? st : removed;
}

static tm_status end_file(exporting *e, tm_err *err) {
    tm_table *table = NULL;
    tm_buf path;
    if (e->builder == NULL) {
        return TM_OK;
    }
    tm_status st = tm__builder_finish(e->builder, &table, err);
    e->builder = NULL;
    tm__buf_init(&path, SIZE_MAX / 2);
    if (st == TM_OK && !tm__buf_printf(&path, "%s/%s-%012lld-%012lld.parquet", e->dir, e->model,
                                       (long long)e->first, (long long)e->last)) {
        st = no_memory(err);
    }
    st = st == TM_OK ? publish(e, table, (const char *)path.data, err) : st;
    if (st == TM_OK) {
        json_array_append_new(e->files,
                              json_pack("{s:s, s:I, s:I, s:I}", "file", (const char *)path.data,
                                        "rows", (json_int_t)e->n_in_file, "first",
                                        (json_int_t)e->first, "last", (json_int_t)e->last));
    }
    tm__table_unref(table);
    tm__buf_done(&path);
    return st;
}

static tm_cell time_cell(int64_t us) {
    return us == TM_INT_MISSING ? (tm_cell){.type = TM_TYPE_NONE}
                                : (tm_cell){.type = TM_TYPE_TIME, .i64 = us};
}

static tm_cell text_cell(tm_str text) {
    return text.ptr == NULL ? (tm_cell){.type = TM_TYPE_NONE}
                            : (tm_cell){.type = TM_TYPE_TEXT, .text = text};
}

static void fill_own(const tm_walk_row *row, tm_cell *out) {
    const bool has_label = row->label != NULL;
    out[0] = text_cell(tm__str(row->id));
    out[1] = time_cell(row->at_us);
    out[2] = time_cell(row->event_us);
    out[3] = text_cell(row->entity);
    out[4] = text_cell(tm__str(row->route));
    out[5] = text_cell(tm__str(row->arm));
    out[6] = (tm_cell){.type = TM_TYPE_INT, .i64 = row->version};
    out[7] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = row->share};
    out[8] = (tm_cell){.type = TM_TYPE_INT, .i64 = row->latency_us};
    out[9] = has_label ? text_cell(tm__str(row->label)) : time_cell(TM_INT_MISSING);
    out[10] = time_cell(has_label ? row->known_us : TM_INT_MISSING);
    out[11] = time_cell(has_label ? row->joined_us : TM_INT_MISSING);
}

/* A value of another type than its column has is written as text. */
static tm_status fill_row(exporting *e, const tm_walk_row *row, tm_cell *out, tm_err *err) {
    for (uint32_t i = 0; i < e->n_columns; i++) {
        out[i] = (tm_cell){.type = TM_TYPE_NONE};
    }
    for (uint32_t i = 0; i < row->n_cells; i++) {
        const uint32_t at = e->places[i];
        out[at] = row->cells[i];
        if (e->columns[at].type == TM_TYPE_TEXT && out[at].type != TM_TYPE_TEXT &&
            out[at].type != TM_TYPE_NONE) {
            tm_buf *const text = &e->texts[at];
            tm__buf_reset(text);
            if (!tm__cell_write_csv(&row->cells[i], text)) {
                return no_memory(err);
            }
            out[at] = text_cell((tm_str){(const char *)text->data, text->len});
        }
    }
    return TM_OK;
}

static tm_status take(void *arg, const tm_walk_row *row, tm_err *err) {
    exporting *const e = arg;
    TM_TRY(check_cancelled(e, err));
    if (e->n_walked == e->n_rows) {
        return TM_OK; /* logged since the first walk */
    }
    TM_TRY(place_cells(e, row, err));
    TM_TRY(e->builder == NULL ? begin_file(e, row->number, err) : TM_OK);
    fill_own(row, e->cells);
    for (uint32_t i = 0; i < e->n_scores; i++) {
        e->cells[N_OWN + i] = i < row->n_outputs
                                  ? (tm_cell){.type = TM_TYPE_FLOAT, .f64 = row->outputs[i]}
                                  : (tm_cell){.type = TM_TYPE_NONE};
    }
    TM_TRY(fill_row(e, row, e->cells + N_OWN + e->n_scores, err));
    TM_TRY(tm__builder_add_row(e->builder, e->cells, err));
    e->last = row->number;
    e->n_in_file++;
    e->n_walked++;
    e->n_labelled += row->label != NULL ? 1 : 0;
    tm__ctx_progress(e->ctx, "export", e->n_walked, e->n_rows, NULL);
    return e->n_in_file == e->rows_max ? end_file(e, err) : TM_OK;
}

/* ---- Both ---- */

static tm_status make_room(exporting *e, tm_err *err) {
    e->cells = tm__mem_zalloc(N_OWN + (size_t)e->n_scores + e->n_columns + 1, sizeof(*e->cells));
    e->texts = tm__mem_zalloc((size_t)e->n_columns + 1, sizeof(*e->texts));
    if (e->cells == NULL || e->texts == NULL) {
        return no_memory(err);
    }
    for (uint32_t i = 0; i < e->n_columns; i++) {
        tm__buf_init(&e->texts[i], SIZE_MAX / 2);
        e->columns[i].type = type_of(e->columns[i].types);
    }
    return tm__fs_mkdir(e->dir, err);
}

static tm_status export_all(exporting *e, tm_monitor *monitor, const tm_walk_options *options,
                            tm_err *err) {
    TM_TRY(tm__monitor_walk(monitor, options, look, e, err));
    if (e->n_rows == 0) {
        return TM_OK;
    }
    TM_TRY(make_room(e, err));
    TM_TRY(tm__monitor_walk(monitor, options, take, e, err));
    return end_file(e, err);
}

static void exporting_done(exporting *e) {
    tm__builder_free(e->builder);
    for (uint32_t i = 0; i < e->n_columns; i++) {
        tm__mem_free(e->columns[i].name);
        if (e->texts != NULL) {
            tm__buf_done(&e->texts[i]);
        }
    }
    tm__mem_free(e->columns);
    tm__mem_free(e->places);
    tm__mem_free(e->cells);
    tm__mem_free(e->texts);
    json_decref(e->files);
}

static tm_status note(const exporting *e, tm_err *err) {
    tm_home *home = NULL;
    const tm_cli_deed deed = {.event = "answers.exported",
                              .kind = "answers",
                              .model = e->model,
                              .details = json_pack("{s:I}", "rows", (json_int_t)e->n_walked)};
    tm__cli_did(e->cli, "%llu answers are exported", (unsigned long long)e->n_walked);
    tm_status st = tm__home_open(e->cli->home, false, &home, err);
    if (st == TM_OK) {
        st = tm__cli_audit(home, &deed, err);
    } else {
        json_decref(deed.details);
    }
    tm__home_close(home);
    return st;
}

static void say(tm_cli *cli, const exporting *e) {
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:I, s:I, s:O}", "model", e->model, "out", e->dir,
                                   "rows", (json_int_t)e->n_walked, "labelled",
                                   (json_int_t)e->n_labelled, "files", e->files);
        tm__cli_print_object(cli, "tidemill.data_export/1", result);
        json_decref(result);
        return;
    }
    tm__cli_print(cli, "%llu answers of %s, %llu with a label, in %zu file%s: %s\n",
                  (unsigned long long)e->n_walked, e->model, (unsigned long long)e->n_labelled,
                  json_array_size(e->files), json_array_size(e->files) == 1 ? "" : "s", e->dir);
}

tm_status cmd_data_export(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_walk_args args = {0};
    exporting e = {.cli = cli,
                   .ctx = &ctx,
                   .rows_max = (uint64_t)tm__cli_i64(cli, "segment-rows"),
                   .files = json_array()};
    tm_status st = tm__cli_ctx_init(cli, 1, &ctx, err);
    if (st == TM_OK) {
        st = tm__walk_args_open(cli, &args, err);
    }
    if (st == TM_OK) {
        const char *const out = tm__cli_text(cli, "out");
        e.model = args.options.model;
        e.dir = out != NULL ? out : e.model;
        st = export_all(&e, args.monitor, &args.options, err);
    }
    st = st == TM_OK ? note(&e, err) : st;
    if (st == TM_OK) {
        say(cli, &e);
    }
    exporting_done(&e);
    tm__walk_args_close(&args);
    tm__cli_ctx_done(&ctx);
    return st;
}
