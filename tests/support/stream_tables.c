/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_tables.h"

#include <stdatomic.h>

#define N_KEPT (sizeof(((stream_tables *)NULL)->kept) / sizeof(_Atomic(tm_table *)))

/* A table outlives its part in a place whose number stands in the part's bytes. */
static tm_status keep(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                      tm_err *err) {
    stream_tables *const s = arg;
    (void)worker;
    for (uint32_t i = 0; i < N_KEPT; i++) {
        tm_table *none = NULL;
        if (atomic_compare_exchange_strong(&s->kept[i], &none, part->table)) {
            (void)tm__table_ref(part->table);
            return tm__buf_u32(out, i) ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for a place");
        }
    }
    return TM_FAIL(err, TM_E_LIMIT, "more parts at once than the test has places for");
}

static tm_status give(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    stream_tables *const s = arg;
    tm_reader reader;
    tm__reader_init(&reader, out->data, out->len);
    tm_table *const table = atomic_exchange(&s->kept[tm__reader_u32(&reader)], NULL);
    tm_status st = n_rows == tm__table_rows(table) ? s->fn(s->arg, table, err) : TM_E_INTERNAL;
    tm__table_unref(table);
    return st;
}

void stream_tables_init(stream_tables *s, tm_status (*fn)(void *arg, tm_table *, tm_err *),
                        void *arg) {
    *s = (stream_tables){.fn = fn, .arg = arg};
    s->sink = (tm_source_sink){.stage = "read", .work = keep, .write = give, .arg = s};
}

void stream_tables_done(stream_tables *s) {
    for (uint32_t i = 0; i < N_KEPT; i++) {
        tm__table_unref(atomic_exchange(&s->kept[i], NULL));
    }
}

tm_status stream_tables_join(void *arg, tm_table *chunk, tm_err *err) {
    tm_table **const all = arg;
    if (*all == NULL) {
        *all = tm__table_ref(chunk);
        return TM_OK;
    }
    tm_table *both = NULL;
    TM_TRY(tm__table_concat(*all, chunk, &both, err));
    tm__table_unref(*all);
    *all = both;
    return TM_OK;
}
