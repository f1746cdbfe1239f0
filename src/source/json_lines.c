/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of JSON to columns.
 *
 *     take   whole lines, under a lock; what stands behind the last line end goes to the next part
 *     work   each line: checked, then walked; values of the schema's columns are fitted as those of
 *            a request are, other members are passed on as the text they are
 *
 * 1. The names in the first part of the first file stand for a header: a column that the model
 * needs and none of these rows has is missing, and the sink may name its columns by them. A column
 * that a row leaves out later is a missing value.
 * 2. A line is at most LINE_BYTES_MAX long, so memory is bounded whatever the file holds.
 */
#include "source/json_lines.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "source/csv_priv.h"
#include "source/parts.h"

#define PART_BYTES (1u << 20)
#define LINE_BYTES_MAX ((size_t)64 << 20)
#define FIELDS_MAX (UINT64_C(1) << 32)

/* What one thread works with. */
typedef struct hand {
    tm_buf text;     /* whole lines, and a NUL */
    uint64_t line;   /* of the first one */
    uint64_t *lines; /* [n_rows] line of each row */
    uint64_t lines_max;
    uint64_t *seen; /* [n_cols] row + 1 in which a column stood last */
    tm_source_member *members;
    uint64_t n_members, members_max;
    uint64_t *member_at; /* [lines_max + 1] */
} hand;

typedef struct pipe {
    tm_ctx *ctx;
    const tm_source_spec *spec;
    const tm_source_sink *sink;
    const char *path;
    tm_input *input;
    bool at_end;
    tm_buf rest; /* bytes of the file behind the last whole line taken */
    uint64_t line;
    tm_dict *index; /* the schema's names, in order */
    bool *is_there; /* [n_cols] of the schema, in the first part */
    tm_dict *names; /* other names of the first part */
    const char **raw_names;
    hand *hands; /* [n_threads] */
    uint32_t n_threads;
    size_t part_bytes;
    uint64_t n_rows, bytes, bytes_done;
} pipe;

static tm_status fail_at(const pipe *p, uint64_t line, size_t col, tm_err *err) {
    tm_err_at(err, p->path, line, (uint32_t)(col > UINT32_MAX ? 0 : col));
    return err != NULL ? err->status : TM_E_DATA;
}

/* --- taking --- */

static tm_status fill(pipe *p, hand *h, size_t size, tm_err *err) {
    while (h->text.len < size && !p->at_end) {
        size_t n = 0;
        uint8_t *const to = tm__buf_reserve(&h->text, size - h->text.len + 1);
        if (to == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", p->path);
        }
        TM_TRY(tm__input_read(p->input, to, size - h->text.len, &n, err));
        p->at_end = n == 0;
        h->text.len += n;
    }
    return TM_OK;
}

static tm_status take(void *arg, uint32_t worker, bool *out_more, uint64_t *out_pos, tm_err *err) {
    pipe *const p = arg;
    hand *const h = &p->hands[worker];
    size_t size = p->part_bytes, end = 0;
    tm__buf_reset(&h->text);
    if (!tm__buf_append(&h->text, p->rest.data, p->rest.len)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", p->path);
    }
    for (;; size *= 2) {
        TM_TRY(fill(p, h, size, err));
        const uint8_t *const last =
            h->text.len == 0 ? NULL : memrchr(h->text.data, '\n', h->text.len);
        end = p->at_end ? h->text.len : last == NULL ? 0 : (size_t)(last - h->text.data) + 1;
        if (end > 0 || p->at_end) {
            break;
        }
        if (size >= LINE_BYTES_MAX) {
            (void)TM_FAIL(err, TM_E_DATA, "a line has more than %zu MiB", LINE_BYTES_MAX >> 20);
            return fail_at(p, p->line, 0, err);
        }
    }
    tm__buf_reset(&p->rest);
    if ((h->text.len > end && !tm__buf_append(&p->rest, h->text.data + end, h->text.len - end)) ||
        tm__buf_reserve(&h->text, 1) == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", p->path);
    }
    h->text.len = end;
    h->text.data[end] = '\0';
    h->line = p->line;
    p->line += tm__str_count((tm_str){(const char *)h->text.data, end}, '\n');
    *out_more = end > 0;
    *out_pos = tm__input_pos(p->input);
    return TM_OK;
}

/* --- lines --- */

typedef struct cursor {
    char *p, *end; /* at the next line; behind the last byte */
    uint64_t line; /* number of the line at hand */
    uint64_t next;
} cursor;

/* The next line that is not blank, with a NUL at its end; false at the end. */
static bool next_line(cursor *c, char **out, size_t *out_len) {
    while (c->p < c->end) {
        char *const start = c->p;
        char *const found = memchr(start, '\n', (size_t)(c->end - start));
        char *const end = found == NULL ? c->end : found;
        c->line = c->next++;
        c->p = end + (found == NULL ? 0 : 1);
        if (tm__str_trim((tm_str){start, (size_t)(end - start)}).len > 0) {
            *end = '\0';
            *out = start;
            *out_len = (size_t)(end - start);
            return true;
        }
    }
    return false;
}

/* At the first member of a line's object, or NULL when it has none. */
static tm_status open_line(const pipe *p, uint64_t number, char *line, size_t len, char **out,
                           tm_err *err) {
    tm_scan_error e = {0};
    char *after = NULL;
    if (!tm__scan_check(line, len, &e)) {
        (void)TM_FAIL(err, TM_E_DATA, "not JSON: %s", e.reason);
        tm_err_hint(err, "Every line must be one whole object of values by column.");
        return fail_at(p, number, e.column, err);
    }
    char *const first = tm__scan_space(line);
    if (*first != '{') {
        (void)TM_FAIL(err, TM_E_DATA, "the line is no object of values by column");
        return fail_at(p, number, 1, err);
    }
    *out = tm__scan_enter(first, &after);
    return TM_OK;
}

/* --- columns --- */

/* A fitted cell as row of a column of the table; false when memory is out. */
static bool store(tm_table_builder *to, uint32_t col, tm_type type, uint64_t row,
                  const tm_cell *cell) {
    const bool is_missing = cell->type == TM_TYPE_NONE;
    if (type == TM_TYPE_TEXT) {
        const uint32_t code =
            is_missing ? TM_CODE_MISSING : tm__dict_add(tm__builder_dict(to, col), cell->text);
        tm__builder_codes(to, col)[row] = code;
        return is_missing || code != TM_CODE_MISSING;
    }
    if (type == TM_TYPE_FLOAT) {
        tm__builder_floats(to, col)[row] = is_missing ? __builtin_nan("") : cell->f64;
    } else {
        tm__builder_ints(to, col)[row] = is_missing ? TM_INT_MISSING : cell->i64;
    }
    return true;
}

/* A row on its way into the columns. */
typedef struct row_reader {
    pipe *p;
    hand *h;
    tm_table_builder *to;
    const uint32_t *cols; /* [n_cols] of the table; UINT32_MAX: not in it */
    const char *line;
    uint64_t number, row;
} row_reader;

static tm_status misfit(const row_reader *r, const char *value, tm_err *err) {
    return fail_at(r->p, r->number, (size_t)(value - r->line) + 1, err);
}

static tm_status read_value(row_reader *r, uint32_t at, char *value, char **out_next, tm_err *err) {
    const tm_schema *const schema = r->p->spec->schema;
    const tm_schema_column *const wanted = &schema->cols[at];
    tm_cell cell;
    char room[32];
    bool ok = false, is_coerced = false;
    *out_next = tm__cell_read_json(value, &cell, &ok);
    if (r->h->seen[at] == r->row + 1) {
        (void)TM_FAIL(err, TM_E_DATA, "column '%s' stands twice", wanted->name);
        return misfit(r, value, err);
    }
    r->h->seen[at] = r->row + 1;
    if (!ok || (cell.type == TM_TYPE_TEXT && cell.text.len > TM_MAX_TEXT_BYTES)) {
        (void)TM_FAIL(err, TM_E_DATA,
                      ok ? "column '%s' has a text that is too long"
                         : "column '%s' must be one value: a number that fits a "
                           "double, a text, true, false or null",
                      wanted->name);
        return misfit(r, value, err);
    }
    if (tm__cell_fit(wanted, &cell, room, &is_coerced, err) != TM_OK) {
        return misfit(r, value, err);
    }
    if (r->cols[at] != UINT32_MAX && !store(r->to, r->cols[at], wanted->type, r->row, &cell)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for column '%s'", wanted->name);
    }
    return TM_OK;
}

static tm_status add_member(hand *h, tm_str name, char *value, char **out_next, tm_err *err) {
    if (h->n_members == h->members_max) {
        const uint64_t most = h->members_max == 0 ? 4096 : h->members_max * 2;
        tm_source_member *const members =
            most > FIELDS_MAX ? NULL : tm__mem_realloc(h->members, most, sizeof(*members));
        if (members == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the columns of some rows");
        }
        h->members = members;
        h->members_max = most;
    }
    *out_next = tm__scan_skip(value);
    h->members[h->n_members++] =
        (tm_source_member){.name = name, .value = {value, (size_t)(*out_next - value)}};
    return TM_OK;
}

static tm_status read_row(row_reader *r, char *member, tm_err *err) {
    const tm_schema *const schema = r->p->spec->schema;
    uint32_t expected = 0;
    char *after = NULL;
    while (member != NULL) {
        tm_str name;
        char *const value = tm__scan_name(member, &name);
        const char *const guess = expected < schema->n_cols ? schema->cols[expected].name : NULL;
        char *next = NULL;
        uint32_t at = expected;
        if (guess == NULL || !tm__str_is(name, guess)) {
            at = tm__dict_find(r->p->index, name);
        }
        if (at != TM_CODE_MISSING) {
            TM_TRY(read_value(r, at, value, &next, err));
            expected = at + 1;
        } else {
            TM_TRY(add_member(r->h, name, value, &next, err));
        }
        member = tm__scan_more(next, &after);
    }
    const tm_cell missing = {.type = TM_TYPE_NONE};
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        if (r->h->seen[c] != r->row + 1 && r->cols[c] != UINT32_MAX) {
            (void)store(r->to, r->cols[c], schema->cols[c].type, r->row, &missing);
        }
    }
    return TM_OK;
}

/* --- work --- */

static bool has_room(hand *h, uint64_t n_lines) {
    if (n_lines > h->lines_max) {
        tm__mem_free(h->lines);
        tm__mem_free(h->member_at);
        h->lines = tm__mem_alloc(n_lines, sizeof(*h->lines));
        h->member_at = tm__mem_alloc(n_lines + 1, sizeof(*h->member_at));
        h->lines_max = h->lines != NULL && h->member_at != NULL ? n_lines : 0;
    }
    return h->lines_max >= n_lines;
}

/* A table with the columns that the file has, or may have. */
static tm_status start_table(const pipe *p, uint64_t n_lines, uint32_t *cols, tm_table_builder *to,
                             tm_err *err) {
    const tm_schema *const schema = p->spec->schema;
    uint32_t n = 0;
    for (uint32_t c = 0; c < schema->n_cols; c++) {
        const tm_schema_column *const column = &schema->cols[c];
        cols[c] = UINT32_MAX;
        if (p->is_there[c] || column->is_nullable) {
            TM_TRY(tm__builder_add_column(to, column->name, column->type, err));
            cols[c] = n++;
        }
    }
    return tm__builder_reserve(to, n_lines, err);
}

static tm_status read_lines(pipe *p, hand *h, tm_table_builder *to, uint64_t *out_rows,
                            tm_err *err) {
    const tm_schema *const schema = p->spec->schema;
    uint32_t *const cols = tm__mem_alloc((size_t)schema->n_cols + 1, sizeof(*cols));
    const uint64_t n_lines =
        tm__str_count((tm_str){(const char *)h->text.data, h->text.len}, '\n') + 1;
    tm_status st = TM_OK;
    if (cols == NULL || !has_room(h, n_lines)) {
        tm__mem_free(cols);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", p->path);
    }
    st = start_table(p, n_lines, cols, to, err);
    row_reader r = {.p = p, .h = h, .to = to, .cols = cols};
    cursor c = {
        .p = (char *)h->text.data, .end = (char *)h->text.data + h->text.len, .next = h->line};
    memset(h->seen, 0, schema->n_cols * sizeof(*h->seen));
    h->n_members = 0;
    char *line = NULL;
    for (size_t len = 0; st == TM_OK && next_line(&c, &line, &len);) {
        char *member = NULL;
        r.line = line;
        r.number = c.line;
        h->lines[r.row] = c.line;
        h->member_at[r.row] = h->n_members;
        st = open_line(p, c.line, line, len, &member, err);
        if (st == TM_OK) {
            st = read_row(&r, member, err);
        }
        r.row += st == TM_OK ? 1 : 0;
    }
    if (st == TM_OK) {
        h->member_at[r.row] = h->n_members;
        tm__builder_set_rows(to, r.row);
        *out_rows = r.row;
    }
    tm__mem_free(cols);
    return st;
}

static tm_status give(pipe *p, hand *h, uint32_t worker, tm_table *table, tm_buf *out,
                      tm_err *err) {
    const tm_source_part part = {.table = table,
                                 .n_rows = tm__table_rows(table),
                                 .number = h->line,
                                 .n_raw = tm__dict_count(p->names),
                                 .raw_names = p->raw_names,
                                 .members = h->members,
                                 .member_at = h->member_at};
    const tm_status st = p->sink->work(p->sink->arg, &part, worker, out, err);
    if (st == TM_E_DATA) {
        return fail_at(p, err->data_row > 0 ? h->lines[err->data_row - 1] : 0, 0, err);
    }
    return st;
}

static tm_status work(void *arg, uint32_t worker, tm_buf *out, uint64_t *out_rows, tm_err *err) {
    pipe *const p = arg;
    hand *const h = &p->hands[worker];
    tm_table *table = NULL;
    tm_table_builder *const to = tm__builder_create();
    if (to == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a table");
    }
    tm_status st = read_lines(p, h, to, out_rows, err);
    if (st != TM_OK || *out_rows == 0) {
        tm__builder_free(to);
        return st;
    }
    TM_TRY(tm__builder_finish(to, &table, err));
    st = give(p, h, worker, table, out, err);
    tm__table_unref(table);
    return st;
}

static tm_status write(void *arg, const tm_buf *out, uint64_t n_rows, uint64_t pos, tm_err *err) {
    pipe *const p = arg;
    char note[48];
    const uint64_t most = p->spec->n_rows_max == 0 ? TM_MAX_ROWS : p->spec->n_rows_max;
    p->n_rows += n_rows;
    if (p->n_rows > most) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %llu rows", (unsigned long long)most);
        tm_err_at(err, p->path, 0, 0);
        return TM_E_LIMIT;
    }
    if (n_rows > 0) {
        TM_TRY(p->sink->write(p->sink->arg, out, n_rows, err));
    }
    (void)snprintf(note, sizeof(note), "%llu rows", (unsigned long long)p->n_rows);
    tm__ctx_progress(p->ctx, p->sink->stage, p->bytes_done + pos, p->bytes, note);
    return TM_OK;
}

/* --- files --- */

/* Invariant 1, from the lines of a part. */
static tm_status learn_names(pipe *p, hand *h, tm_err *err) {
    cursor c = {
        .p = (char *)h->text.data, .end = (char *)h->text.data + h->text.len, .next = h->line};
    char *line = NULL;
    for (size_t len = 0; next_line(&c, &line, &len);) {
        char *member = NULL, *after = NULL;
        TM_TRY(open_line(p, c.line, line, len, &member, err));
        while (member != NULL) {
            tm_str name;
            char *const value = tm__scan_name(member, &name);
            const uint32_t at = tm__dict_find(p->index, name);
            if (at != TM_CODE_MISSING) {
                p->is_there[at] = true;
            } else if (tm__dict_add(p->names, name) == TM_CODE_MISSING) {
                return TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns");
            }
            member = tm__scan_more(tm__scan_skip(value), &after);
        }
        if (tm__dict_count(p->names) > TM_MAX_COLS) {
            (void)TM_FAIL(err, TM_E_LIMIT, "more than %u columns", TM_MAX_COLS);
            return fail_at(p, c.line, 0, err);
        }
    }
    const uint32_t n = tm__dict_count(p->names);
    p->raw_names = tm__mem_alloc((size_t)n + 1, sizeof(*p->raw_names));
    for (uint32_t i = 0; p->raw_names != NULL && i < n; i++) {
        p->raw_names[i] = tm__dict_get(p->names, i).ptr;
    }
    return p->raw_names != NULL ? TM_OK
                                : TM_FAIL(err, TM_E_NOMEM, "no memory for the names of columns");
}

static tm_status open_file(pipe *p, const char *path, tm_err *err) {
    static const char mark[] = "\xEF\xBB\xBF";
    p->path = path;
    p->line = 1;
    p->at_end = false;
    tm__buf_reset(&p->rest);
    TM_TRY(tm__input_open(path, p->part_bytes, &p->input, err));
    hand *const h = &p->hands[0];
    tm__buf_reset(&h->text);
    TM_TRY(fill(p, h, 3, err));
    const bool has_mark = h->text.len == 3 && memcmp(h->text.data, mark, 3) == 0;
    const bool ok = has_mark || tm__buf_append(&p->rest, h->text.data, h->text.len);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path);
}

static void close_file(pipe *p) {
    p->bytes_done += p->input != NULL ? tm__input_pos(p->input) : 0;
    tm__input_close(p->input);
    p->input = NULL;
}

static tm_status run_file(pipe *p, const char *path, tm_err *err) {
    const tm_parts parts = {.take = take, .work = work, .write = write, .arg = p};
    tm_status st = open_file(p, path, err);
    if (st == TM_OK && p->raw_names == NULL) {
        bool more = false;
        uint64_t pos = 0;
        st = take(p, 0, &more, &pos, err);
        if (st == TM_OK) {
            st = learn_names(p, &p->hands[0], err);
        }
        close_file(p);
        p->bytes_done = 0;
        if (st == TM_OK) {
            st = open_file(p, path, err);
        }
    }
    if (st == TM_OK) {
        st = tm__parts_run(p->ctx, &parts, err);
    }
    close_file(p);
    return st;
}

static bool init(pipe *p) {
    const tm_schema *const schema = p->spec->schema;
    p->index = tm__dict_create();
    p->names = tm__dict_create();
    p->is_there = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*p->is_there));
    p->hands = tm__mem_zalloc(p->n_threads, sizeof(*p->hands));
    tm__buf_init(&p->rest, LINE_BYTES_MAX * 2);
    bool ok = p->index != NULL && p->names != NULL && p->is_there != NULL && p->hands != NULL;
    for (uint32_t i = 0; ok && i < p->n_threads; i++) {
        tm__buf_init(&p->hands[i].text, LINE_BYTES_MAX * 2);
        p->hands[i].seen = tm__mem_zalloc((size_t)schema->n_cols + 1, sizeof(*p->hands[i].seen));
        ok = p->hands[i].seen != NULL;
    }
    for (uint32_t c = 0; ok && c < schema->n_cols; c++) {
        ok = tm__dict_add(p->index, tm__str(schema->cols[c].name)) == c;
    }
    return ok;
}

static void done(pipe *p) {
    for (uint32_t i = 0; p->hands != NULL && i < p->n_threads; i++) {
        hand *const h = &p->hands[i];
        tm__buf_done(&h->text);
        tm__mem_free(h->lines);
        tm__mem_free(h->seen);
        tm__mem_free(h->members);
        tm__mem_free(h->member_at);
    }
    tm__mem_free(p->hands);
    tm__mem_free(p->is_there);
    tm__mem_free((void *)p->raw_names);
    tm__buf_done(&p->rest);
    tm__dict_free(p->index);
    tm__dict_free(p->names);
}

tm_status tm__json_pipe(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                        uint32_t n_paths, const tm_source_sink *sink, tm_err *err) {
    pipe p = {.ctx = ctx,
              .spec = spec,
              .sink = sink,
              .n_threads = tm__pool_threads(ctx->pool),
              .part_bytes = spec->block_bytes == 0 ? PART_BYTES : spec->block_bytes};
    tm_err own = {0}; /* places need a status to keep */
    tm_status st = init(&p) ? TM_OK : TM_FAIL(&own, TM_E_NOMEM, "no memory to read '%s'", paths[0]);
    for (uint32_t i = 0; i < n_paths; i++) {
        p.bytes += tm__fs_info(paths[i]).size_bytes;
    }
    for (uint32_t i = 0; st == TM_OK && i < n_paths; i++) {
        st = run_file(&p, paths[i], &own);
    }
    if (st == TM_OK && p.n_rows == 0) {
        st = TM_FAIL(&own, TM_E_DATA, "the file has no rows");
        tm_err_hint(&own, "Give a file with rows.");
        tm_err_at(&own, paths[0], 0, 0);
    }
    done(&p);
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

tm_status tm__json_lines_found(const char *path, bool is_named, bool *out, tm_err *err) {
    tm_input *input = NULL;
    char *const text = tm__mem_alloc(PART_BYTES + 1, 1);
    size_t len = 0;
    *out = false;
    if (text == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path);
    }
    tm_status st = tm__input_open(path, PART_BYTES, &input, err);
    if (st == TM_OK) {
        st = tm__input_read(input, text, PART_BYTES, &len, err);
    }
    if (st == TM_OK && len > 0) {
        const tm_str head = tm__str_trim((tm_str){text, len});
        char *const line = (char *)(uintptr_t)head.ptr;
        char *const end = head.len == 0 ? NULL : memchr(line, '\n', head.len);
        tm_scan_error e = {0};
        *out = is_named && head.len > 0 && *line == '{';
        if (end != NULL && !*out) { /* two objects on two lines are no document */
            *end = '\0';
            *out = *line == '{' && tm__scan_check(line, (size_t)(end - line), &e);
        }
    }
    tm__input_close(input);
    tm__mem_free(text);
    return st;
}
