/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a query of a database that has an ODBC driver. */
#include "source/feed_query.h"
#include "store/odbc.h"

static tm_status odbc_open(tm_ctx *ctx, const char *file, void **out, tm_err *err) {
    tm_odbc *o = NULL;
    TM_TRY(tm__odbc_open(file, ctx->cancel, &o, err));
    *out = o;
    return TM_OK;
}

static tm_status odbc_select(void *self, const tm_query_select *what, tm_err *err) {
    const tm_odbc_select select = {.query = what->query,
                                   .cursor = what->cursor,
                                   .after = what->after,
                                   .until_us = what->until_us};
    return tm__odbc_select(self, &select, err);
}

static tm_status odbc_next(void *self, tm_query_block *out, tm_err *err) {
    return tm__odbc_next(self, &out->rows, &out->cursor, &out->bad, err);
}

static void odbc_close(void *self) {
    tm__odbc_close(self);
}

static const tm_query_ops ops = {.name = "odbc",
                                 .noun = "a database",
                                 .can_settle = true,
                                 .open = odbc_open,
                                 .select = odbc_select,
                                 .next = odbc_next,
                                 .close = odbc_close};

tm_status tm__feed_odbc_check(const json_t *spec, bool has_key, tm_err *err) {
    return tm__feed_query_check(&ops, spec, has_key, err);
}

tm_status tm__feed_odbc_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                             tm_err *err) {
    return tm__feed_query_read(&ops, ctx, in, sink, err);
}
