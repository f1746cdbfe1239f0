/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_ways.h"

#include <string.h>

#include "base/fs.h"
#include "base/pool.h"
#include "source/csv_priv.h"
#include "stream_tables.h"
#include "test.h"

tm_table *csv_ways_read(const char *path, const char *text, const tm_schema *schema) {
    const char *const paths[] = {path};
    tm_table *first = NULL;
    assert_int_equal(tm__fs_publish(path, text, strlen(text), NULL), TM_OK);
    for (uint32_t way = 0; way < 4; way++) {
        tm_pool *const pool = way % 2 == 0 ? NULL : tm__pool_create(3);
        tm_ctx ctx = {.pool = pool};
        const tm_source_spec spec = {.schema = schema, .block_bytes = way == 0 ? 0 : 128};
        tm_table *table = NULL;
        stream_tables s;
        stream_tables_init(&s, stream_tables_join, &table);
        assert_int_equal(way < 2 ? tm__csv_read(&ctx, &spec, paths, 1, &table, NULL)
                                 : tm__csv_pipe(&ctx, &spec, paths, 1, &s.sink, NULL),
                         TM_OK);
        stream_tables_done(&s);
        tm__pool_free(pool);
        if (first == NULL) {
            first = table;
            continue;
        }
        tm_hash a, b;
        tm__table_hash(first, &a);
        tm__table_hash(table, &b);
        assert_true(tm__hash_eq(&a, &b));
        tm__table_unref(table);
    }
    return first;
}

const tm_column *csv_ways_column(const tm_table *table, const char *name, tm_type type) {
    const tm_column *const column = tm__table_column(table, tm__table_find(table, name));
    assert_int_equal(column->type, type);
    return column;
}
