/* SPDX-License-Identifier: Apache-2.0 */
/* `bench serve`: a load on a running server, made of rows of a file. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/put_rows.h"
#include "cli/train_words.h"
#include "serve/load.h"

#define BODIES_MAX 1000u /* different requests; then they begin again */
#define BODIES_BYTES_MAX ((size_t)256 << 20)

typedef struct bench {
    tm_cli *cli;
    tm_table *table;
    tm_buf key;
    tm_buf *bodies; /* [n_bodies] */
    uint32_t n_bodies;
    uint64_t rows; /* in one request */
    tm_load_options options;
    tm_load_expected expected[TM_LOAD_VERSIONS_MAX];
    double *answers[TM_LOAD_VERSIONS_MAX]; /* owned */
    char path[256];
} bench;

static tm_status read_key(bench *b, tm_err *err) {
    const char *path = tm__cli_text(b->cli, "key-file");
    if (path == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__fs_read_all(path, &b->key, err));
    while (b->key.len > 0 && b->key.data[b->key.len - 1] <= ' ') {
        b->key.data[--b->key.len] = 0;
    }
    b->options.key = b->key.len > 0 ? (const char *)b->key.data : NULL;
    return TM_OK;
}

static tm_status make_bodies(bench *b, tm_err *err) {
    const char *drop = tm__cli_text(b->cli, "drop");
    const uint64_t n_rows = tm__table_rows(b->table);
    const uint32_t without = drop == NULL ? UINT32_MAX : tm__table_find(b->table, drop);
    if (drop != NULL && without == UINT32_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "the data has no column '%s'", drop);
    }
    if (n_rows < b->rows) {
        return TM_FAIL(err, TM_E_DATA, "the data has %llu rows, and a request wants %llu",
                       (unsigned long long)n_rows, (unsigned long long)b->rows);
    }
    const uint64_t n = n_rows / b->rows < BODIES_MAX ? n_rows / b->rows : BODIES_MAX;
    size_t bytes = 0;
    b->bodies = tm__mem_zalloc(n, sizeof *b->bodies);
    if (b->bodies == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (; b->n_bodies < n && bytes < BODIES_BYTES_MAX; b->n_bodies++) {
        tm_buf *body = &b->bodies[b->n_bodies];
        tm__buf_init(body, TM_MAX_BODY_BYTES);
        tm__cli_put_rows(body, b->table, b->n_bodies * b->rows, (b->n_bodies + 1) * b->rows,
                         without);
        if (body->failed && body->no_memory) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for the rows of a request");
        }
        if (body->failed) {
            return TM_FAIL(err, TM_E_LIMIT, "%llu rows are more than a request may hold",
                           (unsigned long long)b->rows);
        }
        bytes += body->len;
    }
    b->options.bodies = b->bodies;
    b->options.n_bodies = b->n_bodies;
    return TM_OK;
}

/* The answers of a version, from the file that predict wrote. */
static tm_status read_expected(bench *b, tm_ctx *ctx, uint32_t i, const char *word, tm_err *err) {
    const uint64_t n = b->n_bodies * b->rows;
    tm_str rest = tm__str(word);
    uint64_t version = 0;
    tm_table *table = NULL;
    if (!tm__str_to_u64(tm__str_cut(&rest, '='), &version) || version == 0 ||
        version > UINT32_MAX || rest.len == 0) {
        return TM_FAIL(err, TM_E_USAGE, "--expect wants VERSION=FILE, not '%.80s'", word);
    }
    TM_TRY(tm__cli_read(b->cli, ctx, rest.ptr, NULL, NULL, &table, err));
    uint32_t col = tm__table_find(table, "probability");
    b->options.member = col != UINT32_MAX ? "probability" : "prediction";
    col = col != UINT32_MAX ? col : tm__table_find(table, "prediction");
    b->answers[i] = tm__mem_alloc(n, sizeof(double));
    tm_status st = TM_OK;
    if (b->answers[i] == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    } else if (col == UINT32_MAX || tm__table_rows(table) < n) {
        st = TM_FAIL(err, TM_E_DATA, "'%.200s' has no answer for each row of the data", rest.ptr);
    }
    for (uint64_t row = 0; st == TM_OK && row < n; row++) {
        const tm_cell cell = tm__column_cell(tm__table_column(table, col), row);
        b->answers[i][row] = cell.type == TM_TYPE_FLOAT ? cell.f64 : (double)cell.i64;
        if (cell.type != TM_TYPE_FLOAT && cell.type != TM_TYPE_INT) {
            st = TM_FAIL(err, TM_E_DATA, "an answer of '%.200s' is no number", rest.ptr);
        }
    }
    b->expected[i] = (tm_load_expected){.version = (uint32_t)version, .answers = b->answers[i]};
    tm__table_unref(table);
    return st;
}

static tm_status read_all_expected(bench *b, tm_ctx *ctx, tm_err *err) {
    uint32_t n = 0;
    const char *const *words = tm__cli_list(b->cli, "expect", &n);
    if (n > TM_LOAD_VERSIONS_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "--expect takes at most %u versions", TM_LOAD_VERSIONS_MAX);
    }
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(read_expected(b, ctx, i, words[i], err));
    }
    b->options.expected = n > 0 ? b->expected : NULL;
    b->options.n_expected = n;
    b->options.n_rows = (uint32_t)b->rows;
    return TM_OK;
}

/* {"1": n, "2": n}: right answers by version. */
static json_t *versions_json(const bench *b, const tm_load_report *r) {
    json_t *out = json_object();
    for (uint32_t i = 0; i < b->options.n_expected; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%u", b->expected[i].version);
        json_object_set_new(out, name, json_integer((json_int_t)r->n_by_version[i]));
    }
    return out;
}

static json_t *points(const double *ms) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "p50", ms[TM_LOAD_P50], "p90", ms[TM_LOAD_P90],
                     "p99", ms[TM_LOAD_P99], "p99.9", ms[TM_LOAD_P999], "max", ms[TM_LOAD_MAX]);
}

static double per_second(uint64_t n, const tm_load_report *r) {
    return r->seconds > 0 ? (double)n / r->seconds : 0;
}

static void print_json(const bench *b, const tm_load_report *r) {
    json_t *value =
        json_pack("{s:s, s:I, s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o}",
                  "schema", "tidemill.bench.serve/1", "connections",
                  (json_int_t)b->options.connections, "rows_per_request", (json_int_t)b->rows,
                  "rate", b->options.rate, "seconds", r->seconds, "ok", (json_int_t)r->n_ok,
                  "refused", (json_int_t)r->n_refused, "failed", (json_int_t)r->n_failed, "lost",
                  (json_int_t)r->n_lost, "unsent", (json_int_t)r->n_unsent, "ok_per_second",
                  per_second(r->n_ok, r), "rows_per_second", per_second(r->n_ok * b->rows, r),
                  "ok_ms", points(r->ok_ms), "refused_ms", points(r->refused_ms));
    if (b->options.n_expected > 0) {
        json_object_set_new(value, "right", versions_json(b, r));
        json_object_set_new(value, "wrong", json_integer((json_int_t)r->n_wrong));
    }
    tm__cli_print_json(b->cli, value);
    json_decref(value);
}

static void print_points(tm_cli *cli, const char *name, const double *ms) {
    tm__cli_print(cli, "%-9s p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n", name,
                  ms[TM_LOAD_P50], ms[TM_LOAD_P90], ms[TM_LOAD_P99], ms[TM_LOAD_P999],
                  ms[TM_LOAD_MAX]);
}

static void print_words(const bench *b, const tm_load_report *r) {
    tm_cli *cli = b->cli;
    tm__cli_print(cli, "%.0f answers a second, %.0f rows a second, for %.1f s\n",
                  per_second(r->n_ok, r), per_second(r->n_ok * b->rows, r), r->seconds);
    print_points(cli, "answered", r->ok_ms);
    if (r->n_refused > 0) {
        print_points(cli, "refused", r->refused_ms);
    }
    tm__cli_print(cli, "answered %llu, refused %llu, failed %llu, lost %llu, unsent %llu\n",
                  (unsigned long long)r->n_ok, (unsigned long long)r->n_refused,
                  (unsigned long long)r->n_failed, (unsigned long long)r->n_lost,
                  (unsigned long long)r->n_unsent);
}

static void print_versions(const bench *b, const tm_load_report *r) {
    for (uint32_t i = 0; i < b->options.n_expected; i++) {
        tm__cli_print(b->cli, "version %u: %llu answers, each with its bits\n",
                      b->expected[i].version, (unsigned long long)r->n_by_version[i]);
    }
    if (b->options.n_expected > 0) {
        tm__cli_print(b->cli, "wrong answers: %llu\n", (unsigned long long)r->n_wrong);
    }
}

static tm_status put_load(bench *b, tm_ctx *ctx, tm_err *err) {
    tm_load_report report = {0};
    TM_TRY(read_key(b, err));
    TM_TRY(tm__cli_read(b->cli, ctx, tm__cli_arg(b->cli, "DATA"), tm__cli_text(b->cli, "sql"), NULL,
                        &b->table, err));
    TM_TRY(make_bodies(b, err));
    TM_TRY(read_all_expected(b, ctx, err));
    TM_TRY(tm__load_run(&b->options, &report, err));
    if (b->cli->json) {
        print_json(b, &report);
    } else {
        print_words(b, &report);
        print_versions(b, &report);
    }
    if (report.n_wrong > 0) {
        return TM_FAIL(err, TM_E_INTEGRITY, "%llu answers are not those of the version they name",
                       (unsigned long long)report.n_wrong);
    }
    if (report.n_failed > 0 || report.n_lost > 0) {
        return TM_FAIL(err, TM_E_REFUSED, "%llu requests failed and %llu were lost",
                       (unsigned long long)report.n_failed, (unsigned long long)report.n_lost);
    }
    return TM_OK;
}

tm_status cmd_bench_serve(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    bench b = {.cli = cli, .rows = (uint64_t)tm__cli_i64(cli, "rows")};
    b.options = (tm_load_options){
        .address = tm__cli_text(cli, "server"),
        .path = b.path,
        .connections = (uint32_t)tm__cli_i64(cli, "connections"),
        .rate = tm__cli_f64(cli, "rate"),
        .seconds = tm__cli_f64(cli, "seconds"),
    };
    tm__buf_init(&b.key, 4096);
    (void)snprintf(b.path, sizeof b.path, "/v1/routes/%s/predict", tm__cli_arg(cli, "ROUTE"));
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    st = st != TM_OK ? st : put_load(&b, &ctx, err);
    for (uint32_t i = 0; i < b.n_bodies; i++) {
        tm__buf_done(&b.bodies[i]);
    }
    tm__mem_free(b.bodies);
    for (uint32_t i = 0; i < TM_LOAD_VERSIONS_MAX; i++) {
        tm__mem_free(b.answers[i]);
    }
    tm__table_unref(b.table);
    tm__buf_done(&b.key);
    tm__cli_ctx_done(&ctx);
    return st;
}
