/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors of DuckDB to columns of a table: one switch on the type for a whole vector, then one pass
 * over the validity mask for missing values.
 *
 * Values without a place in our types are missing: infinite dates, times beyond microseconds in
 * 64 bits, and the least BIGINT, which is our missing value.
 */
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/duck_priv.h"

#define DAY_US INT64_C(86400000000)

tm_type tm__duck_type(duckdb_type type) {
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        return TM_TYPE_BOOL;
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
        return TM_TYPE_INT;
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
        return TM_TYPE_FLOAT;
    case DUCKDB_TYPE_DATE:
        return TM_TYPE_DATE;
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
        return TM_TYPE_TIME;
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_ENUM:
        return TM_TYPE_TEXT;
    default:
        return TM_TYPE_NONE;
    }
}

tm_status tm__duck_column_init(const tm_duck_api *api, duckdb_logical_type type,
                               tm_duck_column *out, tm_err *err) {
    tm_duck_column column = {.type = api->get_type_id(type), .scale = 1.0};
    column.becomes = tm__duck_type(column.type);
    if (column.type == DUCKDB_TYPE_DECIMAL) {
        column.internal = api->decimal_internal_type(type);
        for (uint32_t i = api->decimal_scale(type); i > 0; i--) {
            column.scale *= 10.0; /* exact up to 10^22; the scale is at most 38 */
        }
    } else if (column.type == DUCKDB_TYPE_ENUM) {
        column.internal = api->enum_internal_type(type);
        column.n_words = api->enum_dictionary_size(type);
        column.words = tm__mem_zalloc(column.n_words, sizeof(*column.words));
        column.codes = tm__mem_alloc(column.n_words, sizeof(*column.codes));
        if (column.words == NULL || column.codes == NULL) {
            tm__mem_free(column.words);
            tm__mem_free(column.codes);
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a result");
        }
        for (uint32_t i = 0; i < column.n_words; i++) {
            column.words[i] = api->enum_dictionary_value(type, i);
        }
        tm__duck_column_reset(&column);
    }
    *out = column;
    return TM_OK;
}

void tm__duck_column_reset(tm_duck_column *column) {
    for (uint32_t i = 0; i < column->n_words; i++) {
        column->codes[i] = TM_CODE_MISSING;
    }
}

void tm__duck_column_done(const tm_duck_api *api, tm_duck_column *column) {
    for (uint32_t i = 0; i < column->n_words; i++) {
        api->free(column->words[i]);
    }
    tm__mem_free(column->words);
    tm__mem_free(column->codes);
    *column = (tm_duck_column){0};
}

static bool is_valid(const uint64_t *validity, uint64_t i) {
    return validity == NULL || ((validity[i / 64] >> (i % 64)) & 1) != 0;
}

#define READ(c_type, expression)                                                                   \
    do {                                                                                           \
        const c_type *const v = data;                                                              \
        for (uint64_t i = 0; i < n; i++) {                                                         \
            out[i] = (expression);                                                                 \
        }                                                                                          \
    } while (0)

/* Thousandths of microseconds, rounded down. */
static int64_t us_from_ns(int64_t ns) {
    return ns / 1000 - (ns % 1000 < 0);
}

/* A time times a factor; its infinities, and what does not fit, are missing. */
static int64_t us_from(int64_t value, int64_t factor) {
    int64_t us = 0;
    const bool is_infinite = value == INT64_MAX || value == -INT64_MAX;
    return is_infinite || __builtin_mul_overflow(value, factor, &us) ? TM_INT_MISSING : us;
}

static int64_t us_from_days(int32_t days) {
    return days == INT32_MAX || days == -INT32_MAX ? TM_INT_MISSING : us_from(days, DAY_US);
}

static void read_ints(duckdb_type type, const void *data, const uint64_t *validity, uint64_t n,
                      int64_t *out) {
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        READ(uint8_t, v[i] != 0);
        break;
    case DUCKDB_TYPE_TINYINT:
        READ(int8_t, v[i]);
        break;
    case DUCKDB_TYPE_SMALLINT:
        READ(int16_t, v[i]);
        break;
    case DUCKDB_TYPE_INTEGER:
        READ(int32_t, v[i]);
        break;
    case DUCKDB_TYPE_UTINYINT:
        READ(uint8_t, v[i]);
        break;
    case DUCKDB_TYPE_USMALLINT:
        READ(uint16_t, v[i]);
        break;
    case DUCKDB_TYPE_UINTEGER:
        READ(uint32_t, v[i]);
        break;
    case DUCKDB_TYPE_DATE:
        READ(int32_t, us_from_days(v[i]));
        break;
    case DUCKDB_TYPE_TIMESTAMP_S:
        READ(int64_t, us_from(v[i], 1000000));
        break;
    case DUCKDB_TYPE_TIMESTAMP_MS:
        READ(int64_t, us_from(v[i], 1000));
        break;
    case DUCKDB_TYPE_TIMESTAMP_NS:
        READ(int64_t, us_from(v[i], 1) == TM_INT_MISSING ? TM_INT_MISSING : us_from_ns(v[i]));
        break;
    case DUCKDB_TYPE_BIGINT:
        READ(int64_t, v[i]);
        break;
    default: /* TIMESTAMP and TIMESTAMP_TZ */
        READ(int64_t, us_from(v[i], 1));
        break;
    }
    for (uint64_t i = 0; validity != NULL && i < n; i++) {
        out[i] = is_valid(validity, i) ? out[i] : TM_INT_MISSING;
    }
}

static bool add_day(const void *data, uint64_t i, tm_buf *text) {
    const int32_t day = ((const int32_t *)data)[i];
    return day != INT32_MAX && day != -INT32_MAX && tm__far_day_text(day, text);
}

/* A number of units, of which a second has `per_second`. */
static bool add_time(const void *data, uint64_t i, int64_t per_second, tm_buf *text) {
    const int64_t value = ((const int64_t *)data)[i], per_day = per_second * 86400;
    const int64_t day = value / per_day - (value % per_day < 0 ? 1 : 0);
    return value != INT64_MAX && value != -INT64_MAX &&
           tm__far_time_text(day, (value - day * per_day) * (1000000 / per_second), text);
}

/* Values that are there, but not here: of infinite ones nothing is put aside. */
static tm_status put_aside(const tm_duck_column *column, const void *data, const uint64_t *validity,
                           uint64_t n, const tm_duck_target *to, tm_err *err) {
    const int64_t *const ints = tm__builder_ints(to->builder, to->col) + to->at;
    for (uint64_t i = 0; i < n; i++) {
        if (ints[i] != TM_INT_MISSING || !is_valid(validity, i)) {
            continue;
        }
        tm_buf text;
        tm__buf_init(&text, 100);
        const bool is_whole = column->type == DUCKDB_TYPE_BIGINT;
        const bool is_far = is_whole ? tm__buf_text(&text, "-9223372036854775808")
                            : column->type == DUCKDB_TYPE_DATE        ? add_day(data, i, &text)
                            : column->type == DUCKDB_TYPE_TIMESTAMP_S ? add_time(data, i, 1, &text)
                            : column->type == DUCKDB_TYPE_TIMESTAMP_MS
                                ? add_time(data, i, 1000, &text)
                                : add_time(data, i, 1000000, &text);
        const tm_bad_value value = {.row = (uint32_t)(to->at + i),
                                    .col = to->col,
                                    .kind = is_whole ? TM_BAD_WHOLE : TM_BAD_TIME,
                                    .value = {(const char *)text.data, text.len}};
        const bool has_memory = !text.no_memory && (!is_far || tm__bad_values_add(to->bad, &value));
        tm__buf_done(&text);
        if (!has_memory) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for a result");
        }
    }
    return TM_OK;
}

static void read_decimals(const tm_duck_api *api, const tm_duck_column *column, const void *data,
                          uint64_t n, double *out) {
    const double scale = column->scale;
    switch (column->internal) {
    case DUCKDB_TYPE_SMALLINT:
        READ(int16_t, v[i] / scale);
        break;
    case DUCKDB_TYPE_INTEGER:
        READ(int32_t, v[i] / scale);
        break;
    case DUCKDB_TYPE_BIGINT:
        READ(int64_t, (double)v[i] / scale);
        break;
    default:
        READ(duckdb_hugeint, api->hugeint_to_double(v[i]) / scale);
        break;
    }
}

static void read_floats(const tm_duck_api *api, const tm_duck_column *column, duckdb_vector vector,
                        uint64_t n, double *out) {
    const void *const data = api->vector_get_data(vector);
    const uint64_t *const validity = api->vector_get_validity(vector);
    switch (column->type) {
    case DUCKDB_TYPE_FLOAT:
        READ(float, (double)v[i]);
        break;
    case DUCKDB_TYPE_DECIMAL:
        read_decimals(api, column, data, n, out);
        break;
    case DUCKDB_TYPE_UBIGINT:
        READ(uint64_t, (double)v[i]);
        break;
    case DUCKDB_TYPE_HUGEINT:
        READ(duckdb_hugeint, api->hugeint_to_double(v[i]));
        break;
    case DUCKDB_TYPE_UHUGEINT:
        READ(duckdb_uhugeint, api->uhugeint_to_double(v[i]));
        break;
    default:
        READ(double, v[i]);
        break;
    }
    const double nan = tm__nan();
    for (uint64_t i = 0; validity != NULL && i < n; i++) {
        out[i] = is_valid(validity, i) ? out[i] : nan;
    }
}

static uint32_t enum_at(const tm_duck_column *column, const void *data, uint64_t i) {
    switch (column->internal) {
    case DUCKDB_TYPE_UTINYINT:
        return ((const uint8_t *)data)[i];
    case DUCKDB_TYPE_USMALLINT:
        return ((const uint16_t *)data)[i];
    default:
        return ((const uint32_t *)data)[i];
    }
}

/* One byte and the rest of its character behind the limit: whoever takes it sees that it is longer.
 */
static tm_str cut(tm_str text) {
    size_t len = TM_MAX_TEXT_BYTES + 1;
    while (len < text.len && ((uint8_t)text.ptr[len] & 0xC0u) == 0x80u) {
        len++;
    }
    return (tm_str){text.ptr, len};
}

static tm_status read_texts(const tm_duck_api *api, tm_duck_column *column, duckdb_vector vector,
                            uint64_t n, const tm_duck_target *to, tm_err *err) {
    tm_dict *const dict = tm__builder_dict(to->builder, to->col);
    uint32_t *const out = tm__builder_codes(to->builder, to->col) + to->at;
    void *const data = api->vector_get_data(vector);
    const uint64_t *const validity = api->vector_get_validity(vector);
    duckdb_string_t *const texts = data;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t *cached = NULL;
        tm_str text;
        if (!is_valid(validity, i)) {
            out[i] = TM_CODE_MISSING;
            continue;
        }
        if (column->type == DUCKDB_TYPE_ENUM) {
            const uint32_t word = enum_at(column, data, i);
            cached = &column->codes[word];
            text = tm__str(column->words[word]);
        } else {
            const uint32_t len = texts[i].value.inlined.length;
            const bool is_short = len <= sizeof(texts[i].value.inlined.inlined);
            text = (tm_str){is_short ? texts[i].value.inlined.inlined : texts[i].value.pointer.ptr,
                            len};
        }
        if (text.len > TM_MAX_TEXT_BYTES && to->bad != NULL) {
            text = cut(text);
        } else if (text.len > TM_MAX_TEXT_BYTES) {
            return TM_FAIL(err, TM_E_LIMIT, "a text of column '%s' has more than %u bytes",
                           column->name, TM_MAX_TEXT_BYTES);
        }
        out[i] = cached != NULL && *cached != TM_CODE_MISSING ? *cached : tm__dict_add(dict, text);
        if (out[i] == TM_CODE_MISSING) {
            return TM_FAIL(err, TM_E_NOMEM, "no memory for the texts of column '%s'", column->name);
        }
        if (cached != NULL) {
            *cached = out[i];
        }
    }
    return TM_OK;
}

tm_status tm__duck_read_vector(const tm_duck_api *api, tm_duck_column *column, duckdb_vector vector,
                               uint64_t n, tm_duck_target target, tm_err *err) {
    tm_table_builder *const b = target.builder;
    if (column->becomes == TM_TYPE_TEXT) {
        return read_texts(api, column, vector, n, &target, err);
    }
    if (column->becomes == TM_TYPE_FLOAT) {
        read_floats(api, column, vector, n, tm__builder_floats(b, target.col) + target.at);
    } else {
        const void *const data = api->vector_get_data(vector);
        const uint64_t *const validity = api->vector_get_validity(vector);
        read_ints(column->type, data, validity, n, tm__builder_ints(b, target.col) + target.at);
        if (target.bad != NULL) {
            return put_aside(column, data, validity, n, &target, err);
        }
    }
    return TM_OK;
}
