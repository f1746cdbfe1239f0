/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. What a file unpacks to is counted cell by cell, because a column of one text a million times
 *    is small in the file and in a table, and large as rows.
 * 2. The child has bounds of addresses and of time, and may read one file and nothing else.
 * 3. What a child leaves behind is a file of rows, which is checked as any other, or an error as
 *    JSON; with neither it was ended by the file.
 */
#include "source/parquet_rows.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/row_file.h"
#include "source/source.h"

#define CHILDREN_MAX 2u
#define CHILD_BYTES_MAX (UINT64_C(2) << 30) /* of addresses: what DuckDB maps counts, too */
#define CHILD_SECONDS_MAX 60u
#define ROWS_BYTES_MAX (UINT64_C(256) << 20) /* unpacked, of one push */
#define ERROR_BYTES_MAX ((size_t)65536)
#define PATH_MAX_BYTES 1200u
#define LOOK_MS 5u
#define CHUNKS_MAX 65536u

struct tm_parquet {
    const tm_home *home;
    tm_supervisor *supervisor;
    _Atomic uint32_t n_running;
    _Atomic bool is_stopping;
};

/* ---- The child ---- */

typedef struct unpacking {
    tm_table **tables; /* [n] */
    uint32_t n, capacity;
    uint64_t n_rows, n_rows_max, n_bytes;
    tm_bad_values chunk; /* of the table at hand */
    tm_bad_values bad;   /* of all */
} unpacking;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory for the rows of a Parquet file");
}

static tm_status too_large(tm_err *err) {
    (void)TM_FAIL(err, TM_E_LIMIT, "the Parquet file unpacks to more than %u MiB",
                  (unsigned)(ROWS_BYTES_MAX >> 20));
    tm_err_hint(err, "Send fewer rows at a time.");
    return TM_E_LIMIT;
}

/* Bytes of the values as rows. */
static uint64_t size_of(const tm_table *table) {
    const uint64_t n_rows = tm__table_rows(table);
    uint64_t size = 0;
    for (uint32_t col = 0; col < tm__table_cols(table); col++) {
        const tm_column *const c = tm__table_column(table, col);
        size += n_rows * 9;
        for (uint64_t row = 0; c->type == TM_TYPE_TEXT && row < n_rows; row++) {
            const tm_cell cell = tm__column_cell(c, row);
            size += cell.type == TM_TYPE_TEXT ? cell.text.len : 0;
        }
    }
    return size;
}

/* Rows of a table are counted from the first of all. */
static tm_status keep_bad(unpacking *u, tm_err *err) {
    for (uint32_t i = 0; i < u->chunk.n; i++) {
        tm_bad_value value = tm__bad_values_get(&u->chunk, i);
        value.row += (uint32_t)u->n_rows;
        if (!tm__bad_values_add(&u->bad, &value)) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

static tm_status keep(void *arg, tm_table *table, tm_err *err) {
    unpacking *const u = arg;
    TM_TRY(keep_bad(u, err));
    u->n_rows += tm__table_rows(table);
    u->n_bytes += size_of(table) + u->chunk.bytes.len;
    if (u->n_rows > u->n_rows_max) {
        (void)TM_FAIL(err, TM_E_LIMIT, "more than %llu rows", (unsigned long long)u->n_rows_max);
        tm_err_hint(err, "Send fewer rows at a time.");
        return TM_E_LIMIT;
    }
    if (u->n_bytes > ROWS_BYTES_MAX) {
        return too_large(err);
    }
    if (u->n == u->capacity) {
        const uint32_t n = u->capacity == 0 ? 64 : u->capacity * 2;
        tm_table **const grown =
            n > CHUNKS_MAX ? NULL : tm__mem_realloc(u->tables, n, sizeof(*grown));
        if (grown == NULL) {
            return no_memory(err);
        }
        u->tables = grown;
        u->capacity = n;
    }
    u->tables[u->n++] = tm__table_ref(table);
    return TM_OK;
}

/* Neighbours are put together until one is left: each row is copied a few times only. */
static tm_status join(unpacking *u, tm_err *err) {
    while (u->n > 1) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < u->n; i += 2) {
            tm_table *both = NULL;
            if (i + 1 == u->n) {
                both = tm__table_ref(u->tables[i]);
            } else {
                TM_TRY(tm__table_concat(u->tables[i], u->tables[i + 1], &both, err));
                tm__table_unref(u->tables[i + 1]);
                u->tables[i + 1] = NULL;
            }
            tm__table_unref(u->tables[i]);
            u->tables[i] = NULL;
            u->tables[n++] = both;
        }
        u->n = n;
    }
    return TM_OK;
}

static tm_status unpack(const char *from, const char *to, uint64_t n_rows_max, tm_err *err) {
    tm_ctx ctx = {0};
    unpacking u = {.n_rows_max = n_rows_max};
    tm_row_writer *writer = NULL;
    const tm_source_spec spec = {.path = from, .bad = &u.chunk};
    tm_status st = tm__source_stream(&ctx, &spec, keep, &u, err);
    const uint32_t n_all = u.n;
    st = st == TM_OK ? join(&u, err) : st;
    if (st == TM_OK && u.n == 1) {
        st = tm__row_writer_open(to, &writer, err);
        st = st == TM_OK ? tm__row_writer_put(writer, u.tables[0], &u.bad, err) : st;
        st = tm__row_writer_close(writer, st, err);
    }
    for (uint32_t i = 0; i < n_all; i++) {
        tm__table_unref(u.tables[i]);
        u.tables[i] = NULL;
    }
    tm__mem_free(u.tables);
    tm__bad_values_done(&u.chunk);
    tm__bad_values_done(&u.bad);
    return st;
}

/* What cannot be written down is told by the exit code alone. */
static void write_error(const char *to, const tm_err *err) {
    char path[PATH_MAX_BYTES];
    tm_buf text;
    tm_file *file = NULL;
    json_t *said = json_pack("{s:i, s:s, s:s}", "status", (int)err->status, "message", err->message,
                             "hint", err->hint);
    tm__buf_init(&text, ERROR_BYTES_MAX);
    (void)snprintf(path, sizeof(path), "%.1190s.error", to);
    if (said != NULL && tm__json_write(&text, said, 0) &&
        tm__file_open(path, TM_OPEN_CREATE, &file, NULL) == TM_OK) {
        const tm_status written = tm__file_write(file, text.data, text.len, NULL);
        (void)written;
        tm__file_close(file);
    }
    tm__buf_done(&text);
    json_decref(said);
}

int tm__parquet_child(const char *const *words) {
    tm_err err = {0};
    uint64_t n_rows_max = 0;
    const tm_status st = tm__str_to_u64(tm__str(words[2]), &n_rows_max)
                             ? unpack(words[0], words[1], n_rows_max, &err)
                             : TM_FAIL(&err, TM_E_USAGE, "'%.60s' is no number of rows", words[2]);
    if (st != TM_OK) {
        err.status = st;
        write_error(words[1], &err);
    }
    return (int)tm_status_exit(st);
}

/* ---- The server ---- */

tm_parquet *tm__parquet_create(const tm_home *home, tm_supervisor *supervisor) {
    tm_parquet *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self != NULL) {
        self->home = home;
        self->supervisor = supervisor;
    }
    return self;
}

void tm__parquet_stop(tm_parquet *self) {
    atomic_store(&self->is_stopping, true);
}

void tm__parquet_free(tm_parquet *self) {
    tm__mem_free(self);
}

typedef struct paths {
    char body[PATH_MAX_BYTES], rows[PATH_MAX_BYTES], part[PATH_MAX_BYTES], said[PATH_MAX_BYTES];
} paths;

static void name_paths(const tm_parquet *self, paths *p) {
    uint64_t number = 0;
    const char *const dir = tm__home_temp(self->home);
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(p->body, sizeof(p->body), "%.1100s/push-%016" PRIx64 ".parquet", dir, number);
    (void)snprintf(p->rows, sizeof(p->rows), "%.1100s/push-%016" PRIx64 ".rows", dir, number);
    (void)snprintf(p->part, sizeof(p->part), "%.1100s/push-%016" PRIx64 ".rows.part", dir, number);
    (void)snprintf(p->said, sizeof(p->said), "%.1100s/push-%016" PRIx64 ".rows.error", dir, number);
}

static void remove_paths(const paths *p) {
    const char *const all[] = {p->body, p->rows, p->part, p->said};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const tm_status removed = tm__fs_remove(all[i], NULL);
        (void)removed; /* what cannot go now goes at the next start */
    }
}

static tm_status write_body(const char *path, const tm_parquet_body *body, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(path, TM_OPEN_CREATE, &file, err));
    const tm_status st = tm__file_write(file, body->data, body->len, err);
    tm__file_close(file);
    return st;
}

static tm_status is_at_end(tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_UNAVAILABLE, "the server ends");
    tm_err_hint(err, "Send it again later.");
    return st;
}

/* What it would write after its files were removed stays until the next start. */
static void end_child(const tm_parquet *self, uint64_t id) {
    tm_child_state state = {.is_running = true};
    tm_status st = tm__child_stop(self->supervisor, id, NULL);
    while (st == TM_OK && state.is_running) {
        tm__sleep_ms(LOOK_MS);
        st = tm__child_state(self->supervisor, id, &state, NULL);
    }
}

static tm_status run_child(tm_parquet *self, const tm_parquet_body *body, const paths *p,
                           tm_child_state *out, tm_err *err) {
    char most[24];
    uint64_t id = 0;
    (void)snprintf(most, sizeof(most), "%" PRIu64, body->n_rows_max);
    const char *const argv[] = {tm__program_path(), TM_PARQUET_CHILD, p->body, p->rows, most, NULL};
    const tm_child_spec spec = {.argv = argv,
                                .memory_bytes_max = TM_CHILD_ADDRESSES(CHILD_BYTES_MAX),
                                .seconds_max = CHILD_SECONDS_MAX};
    TM_TRY(tm__child_start(self->supervisor, &spec, &id, err));
    for (*out = (tm_child_state){.is_running = true};;) {
        const tm_status st = tm__child_state(self->supervisor, id, out, err);
        if (st != TM_OK) {
            end_child(self, id);
            return st;
        }
        if (!out->is_running) {
            return TM_OK;
        }
        if (atomic_load(&self->is_stopping)) {
            const tm_status stopped = tm__child_stop(self->supervisor, id, NULL);
            (void)stopped; /* it dies with its supervisor */
            return is_at_end(err);
        }
        tm__sleep_ms(LOOK_MS);
    }
}

/* Why a child gave no rows. */
static tm_status tell_failure(const paths *p, const tm_child_state *state, tm_err *err) {
    tm_buf text;
    json_t *said = NULL;
    tm__buf_init(&text, ERROR_BYTES_MAX);
    if (tm__fs_read_all(p->said, &text, NULL) == TM_OK && text.len > 0) {
        said = json_loadb((const char *)text.data, text.len, 0, NULL);
    }
    tm__buf_done(&text);
    const int64_t status = tm__json_i64(said, "status", -1);
    if (status == TM_E_DATA || status == TM_E_LIMIT) {
        (void)TM_FAIL(err, (tm_status)status, "%s", tm__json_text(said, "message", ""));
        tm_err_hint(err, "%s", tm__json_text(said, "hint", ""));
    } else if (status == TM_E_NOMEM) {
        (void)TM_FAIL(err, TM_E_LIMIT, "the Parquet file needs more memory than a push may have");
        tm_err_hint(err, "Send fewer rows at a time, in smaller row groups.");
    } else if (status == TM_E_UNAVAILABLE) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "%s", tm__json_text(said, "message", ""));
    } else {
        (void)TM_FAIL(err, TM_E_DATA, "the Parquet file ended its reader (%s %d)",
                      state->signal != 0 ? "signal" : "exit",
                      state->signal != 0 ? state->signal : state->exit_code);
        tm_err_hint(err, "Write it anew; nothing of it was taken.");
    }
    json_decref(said);
    return status == TM_E_UNAVAILABLE                     ? TM_E_UNAVAILABLE
           : status == TM_E_LIMIT || status == TM_E_NOMEM ? TM_E_LIMIT
                                                          : TM_E_DATA;
}

static tm_status read_rows(const paths *p, const tm_parquet_body *body, tm_table **out,
                           tm_bad_values *bad, tm_err *err) {
    tm_row_reader *reader = NULL;
    tm_table *table = NULL;
    tm_err broken = {0};
    tm_status st = tm__fs_info(p->rows).size_bytes > 2 * ROWS_BYTES_MAX
                       ? TM_E_INTEGRITY
                       : tm__row_reader_open(p->rows, 0, &reader, &broken);
    st = st == TM_OK ? tm__row_reader_next(reader, &table, bad, &broken) : st;
    if (st == TM_OK && (table == NULL || !tm__row_reader_is_end(reader) ||
                        tm__table_rows(table) > body->n_rows_max)) {
        st = TM_E_INTEGRITY;
    }
    tm__row_reader_close(reader);
    if (st == TM_OK && size_of(table) > ROWS_BYTES_MAX) {
        st = too_large(err);
    } else if (st == TM_E_NOMEM) {
        st = no_memory(err);
    } else if (st != TM_OK) {
        st = TM_FAIL(err, TM_E_DATA, "the reader of the Parquet file gave no whole rows");
        tm_err_hint(err, "Write it anew; nothing of it was taken.");
    }
    if (st != TM_OK) {
        tm__table_unref(table);
        return st;
    }
    *out = table;
    return TM_OK;
}

static tm_status read_locked(tm_parquet *self, const tm_parquet_body *body, tm_table **out,
                             tm_bad_values *bad, tm_err *err) {
    paths p;
    tm_child_state state = {0};
    name_paths(self, &p);
    tm_status st = tm__fs_mkdir(tm__home_temp(self->home), err);
    st = st == TM_OK ? write_body(p.body, body, err) : st;
    st = st == TM_OK ? run_child(self, body, &p, &state, err) : st;
    if (st == TM_OK && (state.signal != 0 || state.exit_code != 0)) {
        st = tell_failure(&p, &state, err);
    } else if (st == TM_OK) {
        st = read_rows(&p, body, out, bad, err);
    }
    remove_paths(&p);
    return st;
}

static tm_status check_bytes(const tm_parquet_body *body, tm_err *err) {
    const char *const data = body->data;
    if (body->len >= 12 && memcmp(data, "PAR1", 4) == 0 &&
        memcmp(data + body->len - 4, "PAR1", 4) == 0) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_DATA, "the body is no whole Parquet file");
    tm_err_hint(err, "It begins and ends with PAR1; send all of its bytes.");
    return TM_E_DATA;
}

tm_status tm__parquet_read(tm_parquet *self, const tm_parquet_body *body, tm_table **out,
                           tm_bad_values *bad, tm_err *err) {
    TM_TRY(check_bytes(body, err));
    if (self->supervisor == NULL) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "this server reads no Parquet");
    }
    if (atomic_load(&self->is_stopping)) {
        return is_at_end(err);
    }
    tm_status st = TM_OK;
    if (atomic_fetch_add(&self->n_running, 1) >= CHILDREN_MAX) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "%u Parquet files are read already", CHILDREN_MAX);
        tm_err_hint(err, "Send it again later.");
    } else {
        st = read_locked(self, body, out, bad, err);
    }
    atomic_fetch_sub(&self->n_running, 1);
    return st;
}
