/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a query of PostgreSQL. */
#include "base/mem.h"
#include "source/feed_query.h"
#include "store/pq.h"

typedef struct connection {
    tm_pq *pq;
    tm_pq_reader *reader;
} connection;

static void postgres_close(void *self) {
    connection *c = self;
    if (c != NULL) {
        tm__pq_reader_free(c->reader);
        tm__pq_close(c->pq);
        tm__mem_free(c);
    }
}

static tm_status postgres_open(tm_ctx *ctx, const char *file, void **out, tm_err *err) {
    connection *c = tm__mem_zalloc(1, sizeof(*c));
    if (c == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while connecting to PostgreSQL");
    }
    const tm_pq_options options = {.cancel = ctx->cancel, .is_read_only = true};
    const tm_status st = tm__pq_open(file, &options, &c->pq, err);
    if (st != TM_OK) {
        postgres_close(c);
        return st;
    }
    *out = c;
    return TM_OK;
}

static tm_status postgres_select(void *self, const tm_query_select *what, tm_err *err) {
    connection *c = self;
    const tm_pq_select select = {.query = what->query,
                                 .cursor = what->cursor,
                                 .after = what->after,
                                 .until_us = what->until_us};
    return tm__pq_reader_open(c->pq, &select, &c->reader, err);
}

static tm_status postgres_next(void *self, tm_query_block *out, tm_err *err) {
    connection *c = self;
    return tm__pq_reader_next(c->reader, &out->rows, &out->cursor, &out->bad, err);
}

static const tm_query_ops ops = {.name = "postgres",
                                 .noun = "PostgreSQL",
                                 .can_settle = true,
                                 .open = postgres_open,
                                 .select = postgres_select,
                                 .next = postgres_next,
                                 .close = postgres_close};

tm_status tm__feed_postgres_check(const json_t *spec, bool has_key, tm_err *err) {
    return tm__feed_query_check(&ops, spec, has_key, err);
}

tm_status tm__feed_postgres_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                                 tm_err *err) {
    return tm__feed_query_read(&ops, ctx, in, sink, err);
}
