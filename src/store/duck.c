/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One DuckDB in memory, sealed when it is opened:
 *
 *   extensions   neither fetched nor loaded, whatever a query names
 *   files        with `paths`: these files and folders only, for reading and writing; without: what
 *                the user can read, because the user typed the query
 *   statements   one SELECT without parameters; settings are locked before the first one
 *   order        preserve_insertion_order, so the rows of a file come in the file's order
 *
 * A query is prepared first, which gives the types of its columns. If some have no type of ours,
 * it is prepared again inside a SELECT that turns those columns into text. Rows then come as
 * vectors straight into a table's columns.
 */
#include "store/duck.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/duck_priv.h"
#include "store/vault.h"

#define SQL_MAX (64u << 20)
#define STREAM_CELLS (1u << 20) /* cells of one table of a stream, about */
#define STREAM_ROWS_MAX 32768u

/* --- opening --- */

static tm_status set_option(const tm_duck_api *api, duckdb_config config, const char *name,
                            const char *value, tm_err *err) {
    if (api->set_config(config, name, value) != DuckDBSuccess) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "this DuckDB has no option '%s'", name);
        tm_err_hint(err, "Run ./run setup to fetch the version Tidemill was made for.");
        return TM_E_UNAVAILABLE;
    }
    return TM_OK;
}

static tm_status set_options(const tm_duck_api *api, duckdb_config config,
                             const tm_duck_options *options, tm_err *err) {
    static const char *const fixed[][2] = {{"autoinstall_known_extensions", "false"},
                                           {"autoload_known_extensions", "false"},
                                           {"allow_community_extensions", "false"},
                                           {"allow_persistent_secrets", "false"},
                                           {"preserve_insertion_order", "true"}};
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
        TM_TRY(set_option(api, config, fixed[i][0], fixed[i][1], err));
    }
    uint64_t bytes = options->memory_bytes_max;
    if (bytes == 0) {
        bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
    }
    char number[32];
    (void)snprintf(number, sizeof(number), "%" PRIu64 "KiB", bytes / 1024 + 1);
    TM_TRY(set_option(api, config, "memory_limit", number, err));
    if (options->n_threads != 0) {
        (void)snprintf(number, sizeof(number), "%" PRIu32, options->n_threads);
        TM_TRY(set_option(api, config, "threads", number, err));
    }
    const bool may_spill = options->temp_dir != NULL && tm__vault_may_spill(options->temp_dir);
    return set_option(api, config, "temp_directory", may_spill ? options->temp_dir : "", err);
}

void tm__duck_quote(tm_buf *sql, const char *text, char quote) {
    (void)tm__buf_byte(sql, (uint8_t)quote);
    for (; *text != '\0'; text++) {
        if (*text == quote) {
            (void)tm__buf_byte(sql, (uint8_t)quote);
        }
        (void)tm__buf_byte(sql, (uint8_t)*text);
    }
    (void)tm__buf_byte(sql, (uint8_t)quote);
}

static void append_paths(tm_buf *sql, const tm_duck_options *options, tm_path_kind kind) {
    const char *comma = "";
    (void)tm__buf_text(sql,
                       kind == TM_PATH_DIR ? "SET allowed_directories=[" : "SET allowed_paths=[");
    for (uint32_t i = 0; i < options->n_paths; i++) {
        if ((tm__fs_info(options->paths[i]).kind == TM_PATH_DIR) == (kind == TM_PATH_DIR)) {
            (void)tm__buf_text(sql, comma);
            tm__duck_quote(sql, options->paths[i], '\'');
            comma = ",";
        }
    }
    (void)tm__buf_text(sql, "];");
}

static tm_status seal(tm_duck *duck, const tm_duck_options *options, tm_err *err) {
    tm_buf sql;
    tm__buf_init(&sql, SQL_MAX);
    (void)tm__buf_text(&sql, "SET errors_as_json=true;");
    if (options->paths != NULL) {
        append_paths(&sql, options, TM_PATH_FILE);
        append_paths(&sql, options, TM_PATH_DIR);
        (void)tm__buf_text(&sql, "SET enable_external_access=false;");
    }
    const bool fits = tm__buf_text(&sql, "SET lock_configuration=true");
    const tm_status st = fits ? tm__duck_exec(duck, (const char *)sql.data, err)
                              : TM_FAIL(err, TM_E_NOMEM, "no memory to open DuckDB");
    tm__buf_done(&sql);
    return st;
}

static tm_status open_database(tm_duck *duck, const tm_duck_options *options, tm_err *err) {
    const tm_duck_api *const api = &duck->api;
    duckdb_config config = NULL;
    char *text = NULL;
    if (api->create_config(&config) != DuckDBSuccess) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to open DuckDB");
    }
    tm_status st = set_options(api, config, options, err);
    if (st == TM_OK && (api->open_ext(NULL, &duck->database, config, &text) != DuckDBSuccess ||
                        api->connect(duck->database, &duck->connection) != DuckDBSuccess)) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "cannot open DuckDB");
    }
    if (text != NULL) {
        api->free(text);
    }
    api->destroy_config(&config);
    return st;
}

tm_status tm__duck_open(const tm_duck_options *options, tm_duck **out, tm_err *err) {
    tm_duck *const duck = tm__mem_zalloc(1, sizeof(*duck));
    if (duck == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to open DuckDB");
    }
    tm_status st = tm__duck_api_load(&duck->api, NULL, err);
    if (st != TM_OK) {
        tm__mem_free(duck);
        return st;
    }
    duck->cancel = options->cancel;
    duck->bad = options->bad;
    st = open_database(duck, options, err);
    if (st == TM_OK) {
        st = seal(duck, options, err);
    }
    if (st != TM_OK) {
        tm__duck_close(duck);
        return st;
    }
    *out = duck;
    return TM_OK;
}

void tm__duck_close(tm_duck *duck) {
    if (duck == NULL) {
        return;
    }
    if (duck->connection != NULL) {
        duck->api.disconnect(&duck->connection);
    }
    if (duck->database != NULL) {
        duck->api.close(&duck->database);
    }
    tm__mem_free(duck);
}

/* DuckDB's own call turns in a loop while other threads have the last tasks of a statement. */
static tm_status run_prepared(const tm_duck_api *api, duckdb_prepared_statement statement,
                              tm_err *err) {
    duckdb_pending_result pending = NULL;
    duckdb_pending_state state = DUCKDB_PENDING_RESULT_NOT_READY;
    duckdb_result result;
    tm_status st = TM_OK;
    if (api->pending_prepared(statement, &pending) != DuckDBSuccess) {
        st = tm__duck_fail(api->pending_error(pending), NULL, err);
        api->destroy_pending(&pending);
        return st;
    }
    while (!api->pending_execution_is_finished(state)) {
        state = api->pending_execute_task(pending);
        if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE) {
            tm__sleep_ms(1);
        }
    }
    if (api->execute_pending(pending, &result) != DuckDBSuccess) {
        st = tm__duck_fail(api->result_error(&result), NULL, err);
    }
    api->destroy_result(&result);
    api->destroy_pending(&pending);
    return st;
}

tm_status tm__duck_exec(tm_duck *duck, const char *sql, tm_err *err) {
    const tm_duck_api *const api = &duck->api;
    duckdb_extracted_statements extracted = NULL;
    tm_status st = TM_OK;
    const idx_t n = api->extract_statements(duck->connection, sql, &extracted);
    if (n == 0) {
        st = tm__duck_fail(api->extract_statements_error(extracted), NULL, err);
    }
    for (idx_t i = 0; st == TM_OK && i < n; i++) {
        duckdb_prepared_statement statement = NULL;
        st = api->prepare_extracted_statement(duck->connection, extracted, i, &statement) ==
                     DuckDBSuccess
                 ? run_prepared(api, statement, err)
                 : tm__duck_fail(api->prepare_error(statement), NULL, err);
        api->destroy_prepare(&statement);
    }
    api->destroy_extracted(&extracted);
    return st;
}

/* --- one query --- */

typedef struct query {
    const tm_duck_api *api;
    duckdb_connection connection;
    const char *sql;       /* as given */
    const char *place_sql; /* for places in errors; NULL when the query was wrapped */
    duckdb_prepared_statement statement;
    volatile _Atomic bool *cancel;
    tm_bad_values *bad;  /* may be NULL */
    tm_duck_share share; /* of the columns */
    bool has_result;
    duckdb_result result;
    uint32_t n_cols, n_inited;
    tm_duck_column *cols;
} query;

static void query_done(query *q) {
    for (uint32_t col = 0; col < q->n_inited; col++) {
        tm__duck_column_done(q->api, &q->cols[col]);
    }
    tm__mem_free(q->cols);
    if (q->has_result) {
        q->api->destroy_result(&q->result);
    }
    if (q->statement != NULL) {
        q->api->destroy_prepare(&q->statement);
    }
}

static tm_status check_statement(const query *q, tm_err *err) {
    if (q->api->prepared_statement_type(q->statement) != DUCKDB_STATEMENT_TYPE_SELECT) {
        (void)TM_FAIL(err, TM_E_USAGE, "the query is not a SELECT");
        tm_err_hint(err, "Give one SELECT over files or sources.");
        return TM_E_USAGE;
    }
    if (q->api->nparams(q->statement) != 0) {
        (void)TM_FAIL(err, TM_E_USAGE, "the query has parameters");
        tm_err_hint(err, "Write the values into the query.");
        return TM_E_USAGE;
    }
    return TM_OK;
}

static tm_status prepare(query *q, const char *sql, tm_err *err) {
    duckdb_extracted_statements extracted = NULL;
    tm_status st = TM_OK;
    const idx_t n = q->api->extract_statements(q->connection, sql, &extracted);
    const char *const text = n == 0 ? q->api->extract_statements_error(extracted) : NULL;
    if (n == 0 && text != NULL && text[0] != '\0') {
        st = tm__duck_fail(text, q->place_sql, err);
    } else if (n != 1) {
        (void)TM_FAIL(err, TM_E_USAGE,
                      n == 0 ? "the query is empty" : "the query has more than one statement");
        tm_err_hint(err, "Give one SELECT over files or sources.");
        st = TM_E_USAGE;
    } else if (q->api->prepare_extracted_statement(q->connection, extracted, 0, &q->statement) !=
               DuckDBSuccess) {
        st = tm__duck_fail(q->api->prepare_error(q->statement), q->place_sql, err);
    } else {
        st = check_statement(q, err);
    }
    q->api->destroy_extracted(&extracted);
    return st;
}

/* How a column without a type of ours is selected; NULL for one that has it. */
static const char *conversion(const tm_duck_api *api, duckdb_logical_type logical) {
    const duckdb_type type = api->get_type_id(logical);
    char *const alias = api->logical_type_get_alias(logical);
    const bool is_json = alias != NULL && strcmp(alias, "JSON") == 0;
    api->free(alias);
    if (is_json) {
        return "json_extract_string(c%u, '$')"; /* a text without its quotes */
    }
    switch (type) {
    case DUCKDB_TYPE_LIST:
    case DUCKDB_TYPE_ARRAY:
    case DUCKDB_TYPE_STRUCT:
    case DUCKDB_TYPE_MAP:
    case DUCKDB_TYPE_UNION:
        return "CAST(to_json(c%u) AS VARCHAR)";
    case DUCKDB_TYPE_BIGNUM:
        return "CAST(c%u AS DOUBLE)";
    default:
        return tm__duck_type(type) == TM_TYPE_NONE ? "CAST(c%u AS VARCHAR)" : NULL;
    }
}

static bool is_selected(const query *q, uint32_t col, uint32_t n_cols) {
    const tm_duck_share share = q->share;
    return share.step == 0 || col % share.step == share.first ||
           (share.first >= n_cols && col == 0);
}

static void append_wrapped(const query *q, uint32_t n_cols, tm_buf *sql) {
    const char *comma = "";
    (void)tm__buf_text(sql, "SELECT ");
    for (uint32_t col = 0; col < n_cols; col++) {
        if (!is_selected(q, col, n_cols)) {
            continue;
        }
        duckdb_logical_type type =
            q->api->prepared_statement_column_logical_type(q->statement, col);
        const char *const name = q->api->prepared_statement_column_name(q->statement, col);
        const char *const found = conversion(q->api, type);
        const char *const how = found != NULL ? found : "c%u";
        const char *const mark = strstr(how, "c%u");
        (void)tm__buf_printf(sql, "%s%.*sc%u%s AS ", comma, (int)(mark - how), how, col, mark + 3);
        comma = ", ";
        tm__duck_quote(sql, name == NULL ? "" : name, '"');
        q->api->free((void *)(uintptr_t)name);
        q->api->destroy_logical_type(&type);
    }
    tm_str text = tm__str(q->sql);
    while (text.len > 0 && strchr("; \t\r\n", text.ptr[text.len - 1]) != NULL) {
        text.len--;
    }
    (void)tm__buf_text(sql, " FROM (\n");
    (void)tm__buf_append(sql, text.ptr, text.len);
    (void)tm__buf_text(sql, "\n) AS t(");
    for (uint32_t col = 0; col < n_cols; col++) {
        (void)tm__buf_printf(sql, "%sc%u", col == 0 ? "" : ", ", col);
    }
    (void)tm__buf_text(sql, ")");
}

/* Prepare again with conversions when a column needs one, or for some columns. */
static tm_status wrap(query *q, tm_err *err) {
    const uint32_t n_cols = (uint32_t)q->api->prepared_statement_column_count(q->statement);
    bool is_needed = q->share.step > 0;
    if (is_needed) {
        *q->share.out_n_cols = n_cols;
    }
    for (uint32_t col = 0; col < n_cols; col++) {
        duckdb_logical_type type =
            q->api->prepared_statement_column_logical_type(q->statement, col);
        is_needed |= conversion(q->api, type) != NULL;
        q->api->destroy_logical_type(&type);
    }
    if (!is_needed) {
        return TM_OK;
    }
    tm_buf sql;
    tm__buf_init(&sql, SQL_MAX);
    append_wrapped(q, n_cols, &sql);
    q->api->destroy_prepare(&q->statement);
    q->statement = NULL;
    q->place_sql = NULL;
    const tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "no memory for a query")
                                    : prepare(q, (const char *)sql.data, err);
    tm__buf_done(&sql);
    return st;
}

static tm_status init_columns(query *q, tm_err *err) {
    q->n_cols = (uint32_t)q->api->column_count(&q->result);
    q->cols = tm__mem_zalloc(q->n_cols, sizeof(*q->cols));
    if (q->cols == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a result");
    }
    for (; q->n_inited < q->n_cols; q->n_inited++) {
        duckdb_logical_type type = q->api->column_logical_type(&q->result, q->n_inited);
        const tm_status st = tm__duck_column_init(q->api, type, &q->cols[q->n_inited], err);
        q->api->destroy_logical_type(&type);
        TM_TRY(st);
        q->cols[q->n_inited].name = q->api->column_name(&q->result, q->n_inited);
    }
    return TM_OK;
}

/* Run a query as a stream: some chunks of its result are in memory at a time. */
static bool is_cancelled(const query *q) {
    return q->cancel != NULL && *q->cancel;
}

/* Run until the first rows are there; other threads of DuckDB may have the last tasks. */
static tm_status wait_for_rows(const query *q, duckdb_pending_result pending, tm_err *err) {
    duckdb_pending_state state = DUCKDB_PENDING_RESULT_NOT_READY;
    while (!q->api->pending_execution_is_finished(state)) {
        if (is_cancelled(q)) {
            q->api->interrupt(q->connection); /* its threads would finish the query first */
            return TM_FAIL(err, TM_E_CANCELLED, "the query was cancelled");
        }
        state = q->api->pending_execute_task(pending);
        if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE) {
            tm__sleep_ms(1);
        }
    }
    return TM_OK; /* or an error, which the result has */
}

static tm_status query_init(query *q, tm_duck *duck, const char *sql, tm_duck_share share,
                            tm_err *err) {
    *q = (query){.api = &duck->api,
                 .share = share,
                 .connection = duck->connection,
                 .sql = sql,
                 .place_sql = sql,
                 .cancel = duck->cancel};
    TM_TRY(prepare(q, sql, err));
    TM_TRY(wrap(q, err));
    duckdb_pending_result pending = NULL;
    if (q->api->pending_prepared_streaming(q->statement, &pending) != DuckDBSuccess) {
        const tm_status st = tm__duck_fail(q->api->pending_error(pending), q->place_sql, err);
        q->api->destroy_pending(&pending);
        return st;
    }
    const tm_status waited = wait_for_rows(q, pending, err);
    if (waited != TM_OK) {
        q->api->destroy_pending(&pending);
        return waited;
    }
    const duckdb_state state = q->api->execute_pending(pending, &q->result);
    q->api->destroy_pending(&pending);
    q->has_result = true;
    if (state != DuckDBSuccess) {
        return tm__duck_fail(q->api->result_error(&q->result), q->place_sql, err);
    }
    return init_columns(q, err);
}

static tm_status add_columns(query *q, tm_table_builder *builder, tm_err *err) {
    for (uint32_t col = 0; col < q->n_cols; col++) {
        tm__duck_column_reset(&q->cols[col]);
        TM_TRY(tm__builder_add_column(builder, q->cols[col].name, q->cols[col].becomes, err));
    }
    return TM_OK;
}

/* Next rows, behind n_rows; *out_n is 0 at the end. */
static tm_status fetch(query *q, tm_table_builder *builder, uint64_t n_rows, uint64_t *out_n,
                       tm_err *err) {
    if (is_cancelled(q)) {
        q->api->interrupt(q->connection);
        return TM_FAIL(err, TM_E_CANCELLED, "the query was cancelled");
    }
    duckdb_data_chunk chunk = q->api->fetch_chunk(q->result);
    if (chunk == NULL) {
        const char *const text = q->api->result_error(&q->result);
        *out_n = 0;
        return text == NULL ? TM_OK : tm__duck_fail(text, q->place_sql, err);
    }
    const uint64_t n = q->api->data_chunk_get_size(chunk);
    tm_status st = TM_OK;
    for (uint32_t col = 0; col < q->n_cols && st == TM_OK; col++) {
        st = tm__duck_read_vector(q->api, &q->cols[col], q->api->data_chunk_get_vector(chunk, col),
                                  n, (tm_duck_target){builder, col, n_rows, q->bad}, err);
    }
    q->api->destroy_data_chunk(&chunk);
    if (st == TM_OK) {
        *out_n = n;
    }
    return st;
}

static tm_status fetch_all(query *q, uint64_t n_rows_max, tm_table_builder *builder, tm_err *err) {
    const uint64_t step = q->api->vector_size();
    uint64_t capacity = 0, n_rows = 0, n = 1;
    TM_TRY(add_columns(q, builder, err));
    while (n > 0) {
        if (capacity < n_rows + step) {
            capacity = capacity < n_rows_max ? 2 * capacity + step : n_rows + step;
            TM_TRY(tm__builder_reserve(builder, capacity, err));
        }
        TM_TRY(fetch(q, builder, n_rows, &n, err));
        n_rows += n;
        if (n_rows > n_rows_max) {
            (void)TM_FAIL(err, TM_E_LIMIT, "the query gives more than %" PRIu64 " rows",
                          n_rows_max);
            tm_err_hint(err, "Add a LIMIT or a WHERE.");
            return TM_E_LIMIT;
        }
    }
    tm__builder_set_rows(builder, n_rows);
    return TM_OK;
}

/* They came by columns. */
static void sort_bad(const query *q) {
    if (q->bad != NULL) {
        tm__bad_values_sort(q->bad);
    }
}

tm_status tm__duck_query(tm_duck *duck, const char *sql, uint64_t n_rows_max, tm_table **out,
                         tm_err *err) {
    return tm__duck_query_share(duck, sql, (tm_duck_share){0}, n_rows_max, out, err);
}

tm_status tm__duck_query_share(tm_duck *duck, const char *sql, tm_duck_share share,
                               uint64_t n_rows_max, tm_table **out, tm_err *err) {
    query q;
    const uint64_t most = n_rows_max == 0 ? TM_MAX_ROWS - STREAM_ROWS_MAX : n_rows_max;
    tm_table_builder *builder = NULL;
    tm_status st = query_init(&q, duck, sql, share, err);
    if (st != TM_OK) {
        goto out;
    }
    q.bad = duck->bad;
    builder = tm__builder_create();
    st = builder == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a result")
                         : fetch_all(&q, most, builder, err);
    if (st == TM_OK) {
        st = tm__builder_finish(builder, out, err);
        builder = NULL;
    }
    sort_bad(&q);
out:
    tm__builder_free(builder);
    query_done(&q);
    return st;
}

/* One table of a stream: *out is NULL at the end. */
static tm_status fetch_table(query *q, tm_table **out, tm_err *err) {
    const uint64_t step = q->api->vector_size();
    uint64_t most = STREAM_CELLS / (q->n_cols + 1);
    most = most > STREAM_ROWS_MAX ? STREAM_ROWS_MAX : most < step ? step : most / step * step;
    uint64_t n_rows = 0, n = 1;
    tm_table_builder *const builder = tm__builder_create();
    if (builder == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a result");
    }
    tm_status st = add_columns(q, builder, err);
    if (st == TM_OK) {
        st = tm__builder_reserve(builder, most, err);
    }
    while (st == TM_OK && n > 0 && n_rows + step <= most) {
        st = fetch(q, builder, n_rows, &n, err);
        n_rows += st == TM_OK ? n : 0;
    }
    if (st != TM_OK || n_rows == 0) {
        *out = NULL;
        tm__builder_free(builder);
        return st;
    }
    sort_bad(q);
    tm__builder_set_rows(builder, n_rows);
    return tm__builder_finish(builder, out, err);
}

tm_status tm__duck_stream(tm_duck *duck, const char *sql,
                          tm_status (*fn)(void *arg, tm_table *chunk, tm_err *err), void *arg,
                          tm_err *err) {
    query q;
    tm_table *table = NULL;
    tm_status st = query_init(&q, duck, sql, (tm_duck_share){0}, err);
    q.bad = duck->bad;
    while (st == TM_OK) {
        if (q.bad != NULL) {
            tm__bad_values_reset(q.bad);
        }
        st = fetch_table(&q, &table, err);
        if (st != TM_OK || table == NULL) {
            break;
        }
        st = fn(arg, table, err);
        tm__table_unref(table);
        table = NULL;
    }
    query_done(&q);
    return st;
}
