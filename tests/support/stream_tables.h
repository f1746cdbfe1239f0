/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a source as tables, in order: what a pipe gives, without work of its own. */
#ifndef TM_STREAM_TABLES_H
#define TM_STREAM_TABLES_H

#include "source/source.h"

typedef struct stream_tables {
    tm_status (*fn)(void *arg, tm_table *chunk, tm_err *err); /* does not own the table */
    void *arg;
    tm_source_sink sink; /* to be given to a pipe */
    _Atomic(tm_table *) kept[256];
} stream_tables;

/** Fill the sink; the struct outlives the run and ends with stream_tables_done(). */
void stream_tables_init(stream_tables *stream, tm_status (*fn)(void *arg, tm_table *, tm_err *),
                        void *arg);
void stream_tables_done(stream_tables *stream);
/** A function for it: all rows as one table, in *arg, which is NULL at first and the caller's. */
tm_status stream_tables_join(void *arg, tm_table *chunk, tm_err *err);

#endif
