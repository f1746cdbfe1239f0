/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a query of an SQLite file. */
#include "source/feed_query.h"
#include "store/sqlite_read.h"

static tm_status sqlite_open(tm_ctx *ctx, const char *file, void **out, tm_err *err) {
    tm_sqlite *s = NULL;
    TM_TRY(tm__sqlite_open(file, ctx->cancel, &s, err));
    *out = s;
    return TM_OK;
}

static tm_status sqlite_select(void *self, const tm_query_select *what, tm_err *err) {
    const tm_sqlite_select select = {.query = what->query,
                                     .cursor = what->cursor,
                                     .after = what->after,
                                     .schema = what->schema,
                                     .known = what->known};
    return tm__sqlite_select(self, &select, err);
}

static tm_status sqlite_next(void *self, tm_query_block *out, tm_err *err) {
    tm_sqlite_block block = {0};
    TM_TRY(tm__sqlite_next(self, &block, &out->bad, err));
    out->rows = block.rows;
    out->cursor = block.cursor;
    out->hashes = block.hashes;
    out->known_hashes = block.known_hashes;
    return TM_OK;
}

static void sqlite_close(void *self) {
    tm__sqlite_close(self);
}

/* One writer at a time: what is committed later has a later value, so nothing has to settle. */
static const tm_query_ops ops = {.name = "sqlite",
                                 .noun = "SQLite",
                                 .can_settle = false,
                                 .open = sqlite_open,
                                 .select = sqlite_select,
                                 .next = sqlite_next,
                                 .close = sqlite_close};

tm_status tm__feed_sqlite_check(const json_t *spec, bool has_key, tm_err *err) {
    return tm__feed_query_check(&ops, spec, has_key, err);
}

tm_status tm__feed_sqlite_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                               tm_err *err) {
    return tm__feed_query_read(&ops, ctx, in, sink, err);
}
