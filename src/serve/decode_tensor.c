/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as tensors of the Open Inference Protocol: one tensor of n values for each column, or one of
 * [n, columns] in the order of the model's inputs. Values stand in JSON, flat or nested, or as
 * little-endian bytes; a text of BYTES has its length in four bytes before it.
 *
 * 1. null in JSON is a missing value; so are NaN and an empty text in bytes, which have no null.
 * 2. A number in JSON keeps its digits, whatever floating-point type is named, so that it gives the
 *    bits that any other form of the request gives. A whole type wants whole numbers.
 */
#include <math.h>
#include <string.h>

#include "serve/decode_priv.h"

static const struct {
    const char *name;
    size_t size;
} datatypes[] = {
    [TM_DATA_BOOL] = {"BOOL", 1},     [TM_DATA_UINT8] = {"UINT8", 1},
    [TM_DATA_UINT16] = {"UINT16", 2}, [TM_DATA_UINT32] = {"UINT32", 4},
    [TM_DATA_UINT64] = {"UINT64", 8}, [TM_DATA_INT8] = {"INT8", 1},
    [TM_DATA_INT16] = {"INT16", 2},   [TM_DATA_INT32] = {"INT32", 4},
    [TM_DATA_INT64] = {"INT64", 8},   [TM_DATA_FP16] = {"FP16", 2},
    [TM_DATA_FP32] = {"FP32", 4},     [TM_DATA_FP64] = {"FP64", 8},
    [TM_DATA_BYTES] = {"BYTES", 0},
};

bool tm__datatype_find(tm_str text, tm_datatype *out) {
    for (size_t i = 0; i < sizeof datatypes / sizeof datatypes[0]; i++) {
        if (tm__str_is(text, datatypes[i].name)) {
            *out = (tm_datatype)i;
            return true;
        }
    }
    return false;
}

size_t tm__datatype_size(tm_datatype type) {
    return datatypes[type].size;
}

typedef struct tm_tensor_cursor {
    const tm_tensor *of;
    char *p;        /* JSON: behind the last value */
    uint32_t depth; /* arrays that are open at p */
    size_t at;      /* bytes */
} tm_tensor_cursor;

/* --- JSON --- */

/* To the next value of nested arrays; false when all are closed. */
static bool find_value(tm_tensor_cursor *c) {
    while (c->depth > 0) {
        c->p = tm__scan_space(c->p);
        if (*c->p == '[') {
            c->depth++;
        } else if (*c->p == ']') {
            c->depth--;
        } else if (*c->p != ',') {
            return true;
        }
        c->p++;
    }
    return false;
}

/* False when a value cannot be one of its tensor's type. */
static bool fits(tm_datatype type, tm_cell *cell) {
    switch (cell->type) {
    case TM_TYPE_NONE:
        return true;
    case TM_TYPE_TEXT:
        return type == TM_DATA_BYTES;
    case TM_TYPE_BOOL:
        return type == TM_DATA_BOOL;
    case TM_TYPE_INT:
        if (type == TM_DATA_BOOL) {
            cell->type = TM_TYPE_BOOL;
            return cell->i64 == 0 || cell->i64 == 1;
        }
        return type != TM_DATA_BYTES;
    default:
        return type == TM_DATA_FP16 || type == TM_DATA_FP32 || type == TM_DATA_FP64;
    }
}

/* --- bytes --- */

static double half_to_double(uint16_t bits) {
    const double sign = (bits & 0x8000u) != 0 ? -1.0 : 1.0;
    const int exponent = (bits >> 10) & 31;
    const double fraction = (double)(bits & 1023u);
    if (exponent == 31) {
        return fraction == 0.0 ? sign * INFINITY : NAN;
    }
    return sign * (exponent == 0 ? ldexp(fraction, -24) : ldexp(fraction + 1024.0, exponent - 25));
}

static tm_cell float_cell(double value) {
    return isnan(value) ? (tm_cell){.type = TM_TYPE_NONE}
                        : (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value};
}

static uint64_t read_bits(const uint8_t *p, size_t size) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) {
        bits |= (uint64_t)p[i] << (8 * i);
    }
    return bits;
}

static tm_cell number_cell(tm_datatype type, uint64_t bits) {
    float single;
    double number;
    const uint32_t low = (uint32_t)bits;
    switch (type) {
    case TM_DATA_BOOL:
        return (tm_cell){.type = TM_TYPE_BOOL, .i64 = bits != 0};
    case TM_DATA_FP16:
        return float_cell(half_to_double((uint16_t)bits));
    case TM_DATA_FP32:
        memcpy(&single, &low, sizeof single);
        return float_cell((double)single);
    case TM_DATA_FP64:
        memcpy(&number, &bits, sizeof number);
        return float_cell(number);
    case TM_DATA_INT8:
        return (tm_cell){.type = TM_TYPE_INT, .i64 = (int8_t)bits};
    case TM_DATA_INT16:
        return (tm_cell){.type = TM_TYPE_INT, .i64 = (int16_t)bits};
    case TM_DATA_INT32:
        return (tm_cell){.type = TM_TYPE_INT, .i64 = (int32_t)bits};
    default: /* what an int has no place for is a float */
        return (type == TM_DATA_UINT64 && bits > INT64_MAX) || bits == (uint64_t)TM_INT_MISSING
                   ? float_cell(type == TM_DATA_UINT64 ? (double)bits : (double)(int64_t)bits)
                   : (tm_cell){.type = TM_TYPE_INT, .i64 = (int64_t)bits};
    }
}

/* The next value of bytes; false when they end before it. */
static bool take_bytes(tm_tensor_cursor *c, tm_cell *out, bool *ok) {
    const tm_tensor *t = c->of;
    const size_t size = t->type == TM_DATA_BYTES ? 4 : datatypes[t->type].size;
    if (t->n_bytes - c->at < size) {
        return false;
    }
    const uint64_t bits = read_bits(t->bytes + c->at, size);
    c->at += size;
    *ok = true;
    if (t->type != TM_DATA_BYTES) {
        *out = number_cell(t->type, bits);
        return true;
    }
    if (t->n_bytes - c->at < bits) {
        return false;
    }
    *out = (tm_cell){.type = bits == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT,
                     .text = {(const char *)t->bytes + c->at, (size_t)bits}};
    c->at += (size_t)bits;
    *ok = tm__str_is_utf8(out->text) &&
          (bits == 0 || memchr(out->text.ptr, '\0', out->text.len) == NULL);
    return true;
}

/* --- rows --- */

static bool take_value(tm_decoder *d, tm_tensor_cursor *c, uint32_t name) {
    tm_cell cell = {.type = TM_TYPE_NONE};
    bool ok = false;
    if (c->of->json == NULL) {
        if (!take_bytes(c, &cell, &ok)) {
            return false;
        }
    } else {
        if (!find_value(c)) {
            return false;
        }
        c->p = tm__cell_read_json(c->p, &cell, &ok);
        if (ok && !fits(c->of->type, &cell)) {
            tm__decoder_error(d, c->of->name, NULL, "%s[%llu] is no %s", d->place->path,
                              (unsigned long long)d->row, datatypes[c->of->type].name);
            return true;
        }
    }
    d->seen[name] = d->row + 1;
    if (tm__plan_uses(d->plan, name)) {
        tm__decoder_put(d, name, &cell, ok);
    }
    return true;
}

static bool is_at_end(tm_tensor_cursor *c) {
    return c->of->json == NULL ? c->at == c->of->n_bytes : !find_value(c);
}

static void wrong_count(tm_decoder *d, const tm_tensor *t, const char *how) {
    const int len = (int)(t->name.len > 80 ? 80 : t->name.len);
    d->is_started = false; /* it is no error of a row */
    tm__decoder_error(d, (tm_str){NULL, 0}, NULL, "tensor '%.*s' has %s values than its shape says",
                      len, t->name.ptr, how);
    d->is_full = true;
}

bool tm__decoder_read_tensors(tm_decoder *d) {
    if (d->row >= d->place->tensors[0].n_rows) {
        for (uint32_t t = 0; t < d->place->n_tensors; t++) {
            if (!is_at_end(&d->tensors[t])) {
                wrong_count(d, d->tensors[t].of, "more");
            }
        }
        return false;
    }
    for (uint32_t c = 0; c < d->n_columns && !d->is_full; c++) {
        tm_tensor_cursor *cursor = &d->tensors[d->is_matrix ? 0 : c];
        if (!take_value(d, cursor, d->columns[c])) {
            wrong_count(d, cursor->of, "fewer");
        }
    }
    return !d->is_full;
}

bool tm__decoder_fork_tensors(tm_decoder *d, tm_arena *arena) {
    const size_t n = (size_t)d->place->n_tensors + 1;
    tm_tensor_cursor *copy = tm_arena_alloc(arena, tm_tensor_cursor, n);
    if (copy != NULL) {
        memcpy(copy, d->tensors, n * sizeof *copy);
        d->tensors = copy;
    }
    return copy != NULL;
}

static bool skip_value(tm_tensor_cursor *c) {
    tm_cell ignored;
    bool ok = false;
    if (c->of->json == NULL) {
        return take_bytes(c, &ignored, &ok);
    }
    if (!find_value(c)) {
        return false;
    }
    c->p = tm__scan_skip(c->p);
    return true;
}

bool tm__decoder_skip_tensors(tm_decoder *d) {
    if (d->row >= d->place->tensors[0].n_rows) {
        return false;
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        if (!skip_value(&d->tensors[d->is_matrix ? 0 : c])) {
            return false;
        }
    }
    return true;
}

static void refuse(tm_decoder *d, const char *why) {
    tm__decoder_error(d, (tm_str){NULL, 0},
                      "Send a tensor of shape [n] for each column, or one of [n, columns]; "
                      "/v2/models/{model} lists the inputs.",
                      "%s", why);
    d->is_full = true;
}

bool tm__decoder_open_tensors(tm_decoder *d, tm_arena *arena) {
    const tm_rows_place *place = d->place;
    const tm_tensor *first = place->tensors;
    const uint32_t n_inputs = d->plan->inputs->n_cols;
    d->is_matrix = place->n_tensors == 1 && !first->is_flat &&
                   (first->n_cols > 1 || tm__plan_find(d->plan, first->name) == TM_NAME_NONE);
    d->tensors = tm_arena_zalloc(arena, tm_tensor_cursor, place->n_tensors + 1);
    d->columns = tm_arena_alloc(arena, uint32_t, (size_t)n_inputs + place->n_tensors + 1);
    if (d->tensors == NULL || d->columns == NULL) {
        return false;
    }
    if (d->is_matrix && first->n_cols != n_inputs) {
        refuse(d, "the tensor has not as many columns as the model has inputs");
        return true;
    }
    for (uint32_t t = 0; t < place->n_tensors && !d->is_full; t++) {
        const tm_tensor *tensor = &place->tensors[t];
        d->tensors[t] = (tm_tensor_cursor){.of = tensor};
        if (tensor->json != NULL) {
            d->tensors[t].p = tm__scan_space(tensor->json) + 1;
            d->tensors[t].depth = 1;
        }
        if (d->is_matrix) {
            break;
        }
        const uint32_t name = tm__plan_find(d->plan, tensor->name);
        if (tensor->n_rows != first->n_rows || tensor->n_cols != 1) {
            refuse(d, "the tensors are not one column of the same number of rows each");
        } else {
            /* A name that is not known is an error or is ignored; its values have no cell. */
            d->columns[d->n_columns++] =
                tm__decoder_take(d, name, tensor->name) ? name : d->plan->n_names;
        }
    }
    for (uint32_t i = 0; d->is_matrix && i < n_inputs; i++) {
        d->columns[d->n_columns++] = i;
    }
    memset(d->seen, 0, d->plan->n_names * sizeof *d->seen);
    return true;
}
