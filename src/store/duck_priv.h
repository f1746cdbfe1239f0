/* SPDX-License-Identifier: Apache-2.0 */
/* What the files around DuckDB share: its functions, one open database, errors and reading. */
#ifndef TM_STORE_DUCK_PRIV_H
#define TM_STORE_DUCK_PRIV_H

#include <duckdb.h>

#include "base/buf.h"
#include "base/module.h"
#include "store/duck.h"

/* Every function of DuckDB that Tidemill calls, without its prefix. */
#define TM_DUCK_FUNCTIONS(X)                                                                       \
    X(close)                                                                                       \
    X(column_count)                                                                                \
    X(column_logical_type)                                                                         \
    X(column_name)                                                                                 \
    X(connect)                                                                                     \
    X(create_config)                                                                               \
    X(data_chunk_get_size)                                                                         \
    X(data_chunk_get_vector)                                                                       \
    X(decimal_internal_type)                                                                       \
    X(decimal_scale)                                                                               \
    X(destroy_config)                                                                              \
    X(destroy_data_chunk)                                                                          \
    X(destroy_extracted)                                                                           \
    X(destroy_logical_type)                                                                        \
    X(destroy_pending)                                                                             \
    X(destroy_prepare)                                                                             \
    X(destroy_result)                                                                              \
    X(disconnect)                                                                                  \
    X(enum_dictionary_size)                                                                        \
    X(enum_dictionary_value)                                                                       \
    X(enum_internal_type)                                                                          \
    X(execute_pending)                                                                             \
    X(extract_statements)                                                                          \
    X(extract_statements_error)                                                                    \
    X(fetch_chunk)                                                                                 \
    X(free)                                                                                        \
    X(get_type_id)                                                                                 \
    X(hugeint_to_double)                                                                           \
    X(interrupt)                                                                                   \
    X(library_version)                                                                             \
    X(logical_type_get_alias)                                                                      \
    X(nparams)                                                                                     \
    X(open_ext)                                                                                    \
    X(pending_error)                                                                               \
    X(pending_execute_task)                                                                        \
    X(pending_execution_is_finished)                                                               \
    X(pending_prepared)                                                                            \
    X(pending_prepared_streaming)                                                                  \
    X(prepare_error)                                                                               \
    X(prepare_extracted_statement)                                                                 \
    X(prepared_statement_column_count)                                                             \
    X(prepared_statement_column_logical_type)                                                      \
    X(prepared_statement_column_name)                                                              \
    X(prepared_statement_type)                                                                     \
    X(result_error)                                                                                \
    X(set_config)                                                                                  \
    X(uhugeint_to_double)                                                                          \
    X(vector_get_data)                                                                             \
    X(vector_get_validity)                                                                         \
    X(vector_size)

typedef struct tm_duck_api {
#define X(name) __typeof__(&duckdb_##name) name;
    TM_DUCK_FUNCTIONS(X)
#undef X
} tm_duck_api;

struct tm_duck {
    tm_duck_api api;
    duckdb_database database;
    duckdb_connection connection;
    volatile _Atomic bool *cancel;
    tm_bad_values *bad;
};

/** Open the library and find all of TM_DUCK_FUNCTIONS. It stays loaded for good. *out_path, which
 * may be NULL, is storage of the loader. */
TM_NODISCARD tm_status tm__duck_api_load(tm_duck_api *out, const char **out_path, tm_err *err);

/** Translate an error of DuckDB (JSON, because errors_as_json is set) to a status and a message
 * without values. sql is the query, for places in it; NULL when it is not the user's. */
tm_status tm__duck_fail(const char *text, const char *sql, tm_err *err);

/* How one column of a result becomes one of ours. */
typedef struct tm_duck_column {
    const char *name;     /* of the result */
    duckdb_type type;     /* in the result */
    duckdb_type internal; /* storage of DECIMAL and ENUM */
    tm_type becomes;
    double scale;     /* DECIMAL: divide by it */
    uint32_t n_words; /* ENUM: its texts and their codes in the dictionary, found lazily */
    char **words;     /* of DuckDB's allocator */
    uint32_t *codes;
} tm_duck_column;

/** Type that a column becomes; TM_TYPE_NONE when the query has to turn it into text first. */
tm_type tm__duck_type(duckdb_type type);
/** Learn how a column of that type is read. */
TM_NODISCARD tm_status tm__duck_column_init(const tm_duck_api *api, duckdb_logical_type type,
                                            tm_duck_column *out, tm_err *err);
void tm__duck_column_done(const tm_duck_api *api, tm_duck_column *column);
/** Forget codes: the next vector goes to another dictionary. */
void tm__duck_column_reset(tm_duck_column *column);

/* Where values of a vector go: rows `at` and on of a column. */
typedef struct tm_duck_target {
    tm_table_builder *builder;
    uint32_t col;
    uint64_t at;
    tm_bad_values *bad; /* of the table; may be NULL */
} tm_duck_target;

/** Read n values of a vector. */
TM_NODISCARD tm_status tm__duck_read_vector(const tm_duck_api *api, tm_duck_column *column,
                                            duckdb_vector vector, uint64_t n, tm_duck_target target,
                                            tm_err *err);

#endif
