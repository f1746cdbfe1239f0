/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX, as skl2onnx and onnxmltools write models of scikit-learn.
 *
 *     inputs -> [Concat] -> [Cast, Identity, Imputer, Scaler, Normalizer, Sub, Mul, Add, Div]...
 *            -> TreeEnsembleClassifier, TreeEnsembleRegressor, LinearClassifier or LinearRegressor
 *            -> [Cast, Identity, ZipMap, Normalizer]...
 *
 * The graph is one path of rows; every node must lie on it or stand behind the model. An operator
 * that is not known could change answers, so it is refused by its name. What stands before the
 * model computes in single precision and becomes the front of the model.
 *
 * Numbers of fields are those of onnx.proto: names of the fields stand beside them.
 */
#include "model/imported/import_onnx.h"

#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"

#define NODES_MAX 4096u
#define INPUTS_MAX TM_MAX_COLS
enum { ELEM_FLOAT = 1, ELEM_INT32 = 6, ELEM_INT64 = 7, ELEM_DOUBLE = 11 };

#define HINT "Export the model again with skl2onnx, without operators of its own."

tm_status tm__onnx_damaged(const tm_onnx *onnx, const char *what) {
    const tm_status st = TM_FAIL(onnx->err, TM_E_DATA, "ONNX model: %s", what);
    tm_err_hint(onnx->err, "Export the model again and copy the whole file.");
    return st;
}

tm_status tm__onnx_unsupported(const tm_onnx *onnx, const tm_onnx_node *node, const char *what) {
    const tm_status st = TM_FAIL(onnx->err, TM_E_UNSUPPORTED, "ONNX model: operator '%.*s' %s",
                                 node->op.len < 60 ? (int)node->op.len : 60, node->op.ptr, what);
    tm_err_hint(onnx->err, HINT);
    return st;
}

/* ---- attributes ---- */

/* Message of an attribute (AttributeProto); empty when there is none. */
static tm_str attribute_find(const tm_onnx_node *node, const char *name) {
    tm_wire wire = tm__wire(node->message);
    tm_wire_field field;
    while (tm__wire_next(&wire, &field)) {
        tm_wire_field part;
        tm_wire inner = tm__wire(field.bytes);
        if (field.number != 5 || field.type != TM_WIRE_BYTES) { /* attribute */
            continue;
        }
        while (tm__wire_next(&inner, &part)) {
            if (part.number == 1 && part.type == TM_WIRE_BYTES && tm__str_is(part.bytes, name)) {
                return field.bytes;
            }
        }
    }
    return (tm_str){NULL, 0};
}

static double f32_of(uint64_t bits) {
    const uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, sizeof(x));
    return (double)x;
}

typedef enum number_kind { WHOLE, SINGLE, DOUBLE } number_kind;

/* Append a field of numbers: one of them, or many packed. Room is as many bytes as there are. */
static bool numbers_take(const tm_wire_field *field, number_kind kind, tm_onnx_list *list,
                         size_t room) {
    tm_wire packed = tm__wire(field->bytes);
    const size_t size = kind == SINGLE ? 4 : 8;
    if (field->type != TM_WIRE_BYTES) {
        const tm_wire_type want = kind == WHOLE    ? TM_WIRE_VARINT
                                  : kind == SINGLE ? TM_WIRE_32
                                                   : TM_WIRE_64;
        if (field->type != want || list->n >= room) {
            return false;
        }
        list->numbers[list->n++] = kind == WHOLE    ? (double)(int64_t)field->value
                                   : kind == SINGLE ? f32_of(field->value)
                                                    : tm__f64_from_bits(field->value);
        return true;
    }
    while (packed.at < packed.end) {
        uint64_t bits = 0;
        if (list->n >= room) {
            return false;
        }
        if (kind == WHOLE) {
            if (!tm__wire_varint(&packed, &bits)) {
                return false;
            }
            list->numbers[list->n++] = (double)(int64_t)bits;
            continue;
        }
        if ((size_t)(packed.end - packed.at) < size) {
            return false;
        }
        for (size_t i = 0; i < size; i++) {
            bits |= (uint64_t)packed.at[i] << (8 * i);
        }
        packed.at += size;
        list->numbers[list->n++] = kind == SINGLE ? f32_of(bits) : tm__f64_from_bits(bits);
    }
    return true;
}

/* Values of a tensor of floats or doubles (TensorProto). */
static bool tensor_take(tm_str tensor, tm_onnx_list *list, size_t room) {
    tm_wire wire = tm__wire(tensor);
    tm_wire_field field;
    uint64_t type = 0;
    while (tm__wire_next(&wire, &field)) { /* data_type, which may come last */
        type = field.number == 2 && field.type == TM_WIRE_VARINT ? field.value : type;
    }
    if (wire.failed || (type != ELEM_FLOAT && type != ELEM_DOUBLE)) {
        return false;
    }
    list->is_double = type == ELEM_DOUBLE;
    const uint32_t typed = type == ELEM_DOUBLE ? 10 : 4; /* double_data, float_data */
    const number_kind kind = type == ELEM_DOUBLE ? DOUBLE : SINGLE;
    wire = tm__wire(tensor);
    while (tm__wire_next(&wire, &field)) {
        if (field.number == 14 && field.value != 0) { /* data_location: a file of its own */
            return false;
        }
        if ((field.number == typed || field.number == 9) && /* raw_data */
            !numbers_take(&field, kind, list, room)) {
            return false;
        }
    }
    return true;
}

static tm_status list_alloc(const tm_onnx *onnx, size_t room, tm_onnx_list *out) {
    *out = (tm_onnx_list){.is_there = true};
    out->numbers = tm__mem_alloc(room, sizeof(double));
    return out->numbers != NULL ? TM_OK
                                : TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for an attribute");
}

tm_status tm__onnx_numbers(const tm_onnx *onnx, const tm_onnx_node *node, const char *name,
                           tm_onnx_list *out) {
    const tm_str attribute = attribute_find(node, name);
    tm_wire wire = tm__wire(attribute);
    tm_wire_field field;
    bool ok = true;
    *out = (tm_onnx_list){0};
    if (attribute.ptr == NULL) {
        return TM_OK;
    }
    TM_TRY(list_alloc(onnx, attribute.len, out));
    while (ok && tm__wire_next(&wire, &field)) {
        if (field.number == 2 || field.number == 7) { /* f, floats */
            ok = numbers_take(&field, SINGLE, out, attribute.len);
        } else if (field.number == 3 || field.number == 8) { /* i, ints */
            ok = numbers_take(&field, WHOLE, out, attribute.len);
        } else if (field.number == 5) { /* t */
            ok = field.type == TM_WIRE_BYTES && tensor_take(field.bytes, out, attribute.len);
        }
    }
    if (!ok || wire.failed) {
        tm__mem_free(out->numbers);
        *out = (tm_onnx_list){0};
        return TM_FAIL(onnx->err, TM_E_DATA, "ONNX model: attribute '%s' of '%.*s' is damaged",
                       name, node->op.len < 60 ? (int)node->op.len : 60, node->op.ptr);
    }
    return TM_OK;
}

tm_str tm__onnx_text(const tm_onnx_node *node, const char *name, const char *otherwise) {
    tm_wire wire = tm__wire(attribute_find(node, name));
    tm_wire_field field;
    while (tm__wire_next(&wire, &field)) {
        if (field.number == 4 && field.type == TM_WIRE_BYTES) { /* s */
            return field.bytes;
        }
    }
    return tm__str(otherwise);
}

tm_status tm__onnx_texts(const tm_onnx *onnx, const tm_onnx_node *node, const char *name,
                         tm_str **out, uint32_t *out_n) {
    const tm_str attribute = attribute_find(node, name);
    *out = NULL;
    *out_n = 0;
    for (uint32_t pass = 0; pass < 2; pass++) {
        tm_wire wire = tm__wire(attribute);
        tm_wire_field field;
        uint32_t n = 0;
        while (tm__wire_next(&wire, &field)) {
            if (field.number != 9 || field.type != TM_WIRE_BYTES) { /* strings */
                continue;
            }
            if (pass == 1) {
                (*out)[n] = field.bytes;
            }
            n++;
        }
        if (wire.failed) {
            return tm__onnx_damaged(onnx, "an attribute of texts is damaged");
        }
        *out_n = n;
        if (pass == 0 && n > 0) {
            *out = tm__arena_zalloc(onnx->draft->arena, n, sizeof(tm_str));
            if (*out == NULL) {
                return TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for texts");
            }
        } else if (n == 0) {
            break;
        }
    }
    return TM_OK;
}

/* ---- the graph ---- */

static tm_status node_read(tm_onnx *onnx, tm_str message, tm_onnx_node *out) {
    tm_wire wire = tm__wire(message);
    tm_wire_field field;
    *out = (tm_onnx_node){.message = message};
    while (tm__wire_next(&wire, &field)) {
        if (field.type != TM_WIRE_BYTES) {
            continue;
        }
        if (field.number == 1) { /* input */
            if (out->n_inputs < 2) {
                out->inputs[out->n_inputs] = field.bytes;
            }
            out->n_inputs++;
        } else if (field.number == 2) { /* output */
            /* The last one of the classifiers is what follows with probabilities; the first of
             * all others is their only one. */
            out->output = field.bytes;
            out->n_outputs++;
        } else if (field.number == 4) { /* op_type */
            out->op = field.bytes;
        } else if (field.number == 7) { /* domain */
            out->domain = field.bytes;
        }
    }
    return wire.failed || out->op.len == 0 ? tm__onnx_damaged(onnx, "a node is damaged") : TM_OK;
}

static tm_status nodes_read(tm_onnx *onnx) {
    for (uint32_t pass = 0; pass < 2; pass++) {
        tm_wire wire = tm__wire(onnx->graph);
        tm_wire_field field;
        uint32_t n = 0;
        while (tm__wire_next(&wire, &field)) {
            if (field.number != 1 || field.type != TM_WIRE_BYTES) { /* node */
                continue;
            }
            if (pass == 1) {
                TM_TRY(node_read(onnx, field.bytes, &onnx->nodes[n]));
            }
            n++;
        }
        if (wire.failed || n == 0) {
            return tm__onnx_damaged(onnx, "the graph is cut, damaged or empty");
        }
        if (n > NODES_MAX) {
            return TM_FAIL(onnx->err, TM_E_LIMIT, "ONNX model: more than %u operators", NODES_MAX);
        }
        if (pass == 0) {
            onnx->n_nodes = n;
            onnx->nodes = tm__arena_zalloc(onnx->draft->arena, n, sizeof(tm_onnx_node));
            if (onnx->nodes == NULL) {
                return TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for a graph");
            }
        }
    }
    return TM_OK;
}

/* Sub-message by the numbers of its fields on the way; the last one of each. */
static tm_str dive(tm_str message, const uint32_t *path, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        tm_wire wire = tm__wire(message);
        tm_wire_field field;
        message = (tm_str){NULL, 0};
        while (tm__wire_next(&wire, &field)) {
            if (field.number == path[i] && field.type == TM_WIRE_BYTES) {
                message = field.bytes;
            }
        }
    }
    return message;
}

static uint64_t varint_of(tm_str message, uint32_t number) {
    tm_wire wire = tm__wire(message);
    tm_wire_field field;
    uint64_t value = 0;
    while (tm__wire_next(&wire, &field)) {
        value = field.number == number && field.type == TM_WIRE_VARINT ? field.value : value;
    }
    return value;
}

/* One input of the graph (ValueInfoProto): its name, its type and how many columns it has. */
static tm_status input_read(tm_onnx *onnx, tm_str info, tm_str *out_name, uint32_t *out_width) {
    static const uint32_t to_name[] = {1}, to_tensor[] = {2, 1}, to_shape[] = {2}, to_dim[] = {1};
    const tm_str tensor = dive(info, to_tensor, 2);
    const uint64_t type = varint_of(tensor, 1);
    *out_name = dive(info, to_name, 1);
    if (type != ELEM_FLOAT && type != ELEM_DOUBLE && type != ELEM_INT64 && type != ELEM_INT32) {
        const tm_status st =
            TM_FAIL(onnx->err, TM_E_UNSUPPORTED, "ONNX model: input '%.*s' is no tensor of numbers",
                    out_name->len < 60 ? (int)out_name->len : 60, out_name->ptr);
        tm_err_hint(onnx->err, "Export the model without its encoder of texts.");
        return st;
    }
    onnx->is_double = onnx->is_double || type == ELEM_DOUBLE;
    /* The second dimension: the last that is given. */
    const uint64_t width = varint_of(dive(dive(tensor, to_shape, 1), to_dim, 1), 1);
    *out_width = width <= TM_MAX_COLS ? (uint32_t)width : 0;
    return TM_OK;
}

static tm_onnx_node *user_find(tm_onnx *onnx, tm_str tensor) {
    for (uint32_t i = 0; i < onnx->n_nodes; i++) {
        if (!onnx->nodes[i].is_used && onnx->nodes[i].n_inputs > 0 &&
            tm__str_eq(onnx->nodes[i].inputs[0], tensor)) {
            return &onnx->nodes[i];
        }
    }
    return NULL;
}

/* Several inputs of one column each, that Concat puts side by side in their order. */
static tm_status inputs_concat(tm_onnx *onnx, const tm_str *names, uint32_t n) {
    tm_onnx_node *concat = user_find(onnx, names[0]);
    if (concat == NULL || !tm__str_is(concat->op, "Concat") || concat->n_inputs != n) {
        const tm_status st =
            TM_FAIL(onnx->err, TM_E_UNSUPPORTED, "ONNX model: its inputs are not put side by side");
        tm_err_hint(onnx->err, "Export it with one input of all columns.");
        return st;
    }
    tm_wire wire = tm__wire(concat->message);
    tm_wire_field field;
    for (uint32_t i = 0; tm__wire_next(&wire, &field);) {
        if (field.number == 1 && (i >= n || !tm__str_eq(field.bytes, names[i++]))) {
            return tm__onnx_unsupported(onnx, concat, "has its inputs in another order");
        }
    }
    concat->is_used = true;
    onnx->current = concat->output;
    TM_TRY(tm__onnx_columns(onnx, n));
    for (uint32_t c = 0; c < n && onnx->draft->options->columns == NULL; c++) {
        onnx->draft->columns[c].name = tm__draft_text(
            onnx->draft, "%.*s", names[c].len < 1000 ? (int)names[c].len : 1000, names[c].ptr);
    }
    return TM_OK;
}

static tm_status inputs_read(tm_onnx *onnx) {
    tm_wire wire = tm__wire(onnx->graph);
    tm_wire_field field;
    tm_str *names = tm__arena_zalloc(onnx->draft->arena, INPUTS_MAX, sizeof(tm_str));
    uint32_t n = 0, width = 0;
    if (names == NULL) {
        return TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for inputs");
    }
    while (tm__wire_next(&wire, &field)) {
        tm_str name;
        if (field.number != 11 || field.type != TM_WIRE_BYTES) { /* input */
            continue;
        }
        if (n == INPUTS_MAX) {
            return TM_FAIL(onnx->err, TM_E_LIMIT, "ONNX model: more than %u inputs", INPUTS_MAX);
        }
        TM_TRY(input_read(onnx, field.bytes, &name, &width));
        names[n++] = name;
    }
    if (n == 0) {
        return tm__onnx_damaged(onnx, "it has no input");
    }
    onnx->current = names[0];
    if (n > 1) {
        return inputs_concat(onnx, names, n);
    }
    return width > 0 ? tm__onnx_columns(onnx, width) : TM_OK;
}

tm_status tm__onnx_columns(tm_onnx *onnx, uint32_t n) {
    if (onnx->n_width > 0) {
        return onnx->n_width == n ? TM_OK
                                  : tm__onnx_damaged(onnx, "its operators differ in columns");
    }
    TM_TRY(tm__draft_columns(onnx->draft, n, onnx->err));
    onnx->n_width = n;
    for (uint32_t c = 0; c < n && onnx->draft->options->columns == NULL; c++) {
        onnx->draft->columns[c].name = tm__draft_text(onnx->draft, "f%u", c);
        if (onnx->draft->columns[c].name.ptr == NULL) {
            return TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for columns");
        }
    }
    return TM_OK;
}

/* ---- what comes before the model ---- */

/* Take numbers [1 or n columns] as values of a step; the list ends here. */
static tm_status step_add(tm_onnx *onnx, const tm_onnx_node *node, tm_front_kind kind,
                          tm_onnx_list *list) {
    tm_front *front = &onnx->draft->front;
    float *values = NULL;
    tm_status st = TM_OK;
    if (list != NULL && list->n > 1) {
        st = tm__onnx_columns(onnx, list->n);
    }
    if (st == TM_OK && (onnx->n_width == 0 || (list != NULL && list->n == 0))) {
        st = tm__onnx_unsupported(onnx, node, "is not told how many columns there are");
    }
    if (st == TM_OK && front->n_steps == TM_FRONT_STEPS_MAX) {
        st = tm__onnx_unsupported(onnx, node, "is one of too many before the model");
    }
    if (st == TM_OK && list != NULL) {
        values = tm__arena_alloc(onnx->draft->arena, onnx->n_width, sizeof(float));
        st = values != NULL ? TM_OK : TM_FAIL(onnx->err, TM_E_NOMEM, "out of memory for a step");
        for (uint32_t c = 0; st == TM_OK && c < onnx->n_width; c++) {
            values[c] = (float)list->numbers[list->n == 1 ? 0 : c];
            if (!isfinite(values[c])) {
                st = tm__onnx_damaged(onnx, "a scaler has a number that is not finite");
            }
        }
    }
    if (st == TM_OK) {
        front->steps[front->n_steps++] = (tm_front_step){kind, values};
        onnx->draft->shape.has_front = true;
        onnx->is_double = false;
    }
    if (list != NULL) {
        tm__mem_free(list->numbers);
    }
    return st;
}

static tm_status take_scaler(tm_onnx *onnx, const tm_onnx_node *node) {
    tm_onnx_list offset = {0}, scale = {0};
    TM_TRY(tm__onnx_numbers(onnx, node, "offset", &offset));
    if (offset.is_there) {
        TM_TRY(step_add(onnx, node, TM_FRONT_SUB, &offset));
    }
    TM_TRY(tm__onnx_numbers(onnx, node, "scale", &scale));
    return scale.is_there ? step_add(onnx, node, TM_FRONT_MUL, &scale) : TM_OK;
}

static tm_status take_imputer(tm_onnx *onnx, const tm_onnx_node *node) {
    tm_onnx_list replaced = {0}, values = {0};
    TM_TRY(tm__onnx_numbers(onnx, node, "replaced_value_float", &replaced));
    const bool is_nan = replaced.n == 1 && isnan(replaced.numbers[0]);
    tm__mem_free(replaced.numbers);
    if (!is_nan) {
        return tm__onnx_unsupported(onnx, node, "replaces what is not NaN");
    }
    TM_TRY(tm__onnx_numbers(onnx, node, "imputed_value_floats", &values));
    return step_add(onnx, node, TM_FRONT_FILL, &values);
}

static tm_status take_norm(tm_onnx *onnx, const tm_onnx_node *node) {
    const tm_str norm = tm__onnx_text(node, "norm", "MAX");
    const tm_front_kind kind = tm__str_is(norm, "L1")   ? TM_FRONT_NORM_L1
                               : tm__str_is(norm, "L2") ? TM_FRONT_NORM_L2
                                                        : TM_FRONT_NORM_MAX;
    return step_add(onnx, node, kind, NULL);
}

/* x op constant. */
static tm_status take_arithmetic(tm_onnx *onnx, const tm_onnx_node *node) {
    static const uint32_t to_name[] = {8};
    const tm_front_kind kind = tm__str_is(node->op, "Sub")   ? TM_FRONT_SUB
                               : tm__str_is(node->op, "Mul") ? TM_FRONT_MUL
                               : tm__str_is(node->op, "Add") ? TM_FRONT_ADD
                                                             : TM_FRONT_DIV;
    tm_wire wire = tm__wire(onnx->graph);
    tm_wire_field field;
    while (node->n_inputs == 2 && tm__wire_next(&wire, &field)) {
        if (field.number != 5 || field.type != TM_WIRE_BYTES || /* initializer */
            !tm__str_eq(dive(field.bytes, to_name, 1), node->inputs[1])) {
            continue;
        }
        tm_onnx_list list = {0};
        TM_TRY(list_alloc(onnx, field.bytes.len, &list));
        if (!tensor_take(field.bytes, &list, field.bytes.len) || list.is_double) {
            tm__mem_free(list.numbers);
            return tm__onnx_unsupported(onnx, node, "has a constant that is no list of floats");
        }
        return step_add(onnx, node, kind, &list);
    }
    return tm__onnx_unsupported(onnx, node, "has no constant as its second input");
}

static tm_status take_cast(tm_onnx *onnx, const tm_onnx_node *node) {
    tm_onnx_list to = {0};
    TM_TRY(tm__onnx_numbers(onnx, node, "to", &to));
    const double type = to.n == 1 ? to.numbers[0] : 0;
    tm__mem_free(to.numbers);
    if (type == ELEM_FLOAT) {
        onnx->is_double = false;
        return TM_OK;
    }
    return type == ELEM_DOUBLE && onnx->is_double
               ? TM_OK
               : tm__onnx_unsupported(onnx, node, "makes rows what they are not here");
}

/* A node on the way to the model; *out_is_model when it is the model. */
static tm_status take_node(tm_onnx *onnx, const tm_onnx_node *node, bool *out_is_model) {
    const tm_str op = node->op;
    if (tm__str_is(node->domain, "ai.onnx.ml")) {
        if (tm__str_is(op, "Scaler")) {
            return take_scaler(onnx, node);
        }
        if (tm__str_is(op, "Imputer")) {
            return take_imputer(onnx, node);
        }
        if (tm__str_is(op, "Normalizer")) {
            return take_norm(onnx, node);
        }
        *out_is_model = true;
        if (tm__str_is(op, "TreeEnsembleClassifier") || tm__str_is(op, "TreeEnsembleRegressor")) {
            return tm__onnx_trees(onnx, node);
        }
        if (tm__str_is(op, "LinearClassifier") || tm__str_is(op, "LinearRegressor")) {
            return tm__onnx_linear(onnx, node);
        }
    } else if (node->domain.len == 0) {
        if (tm__str_is(op, "Cast")) {
            return take_cast(onnx, node);
        }
        if (tm__str_is(op, "Identity")) {
            return TM_OK;
        }
        if (tm__str_is(op, "Sub") || tm__str_is(op, "Mul") || tm__str_is(op, "Add") ||
            tm__str_is(op, "Div")) {
            return take_arithmetic(onnx, node);
        }
    }
    return tm__onnx_unsupported(onnx, node, "is not known before a model");
}

/* What stands behind the model renames answers, or divides them by their sum. */
static tm_status take_rest(tm_onnx *onnx) {
    tm_import_draft *d = onnx->draft;
    for (uint32_t i = 0; i < onnx->n_nodes; i++) {
        const tm_onnx_node *node = &onnx->nodes[i];
        if (node->is_used || tm__str_is(node->op, "Cast") || tm__str_is(node->op, "Identity") ||
            tm__str_is(node->op, "ZipMap")) {
            continue;
        }
        if (!tm__str_is(node->op, "Normalizer") ||
            !tm__str_is(tm__onnx_text(node, "norm", "MAX"), "L1") ||
            d->shape.task == TM_TASK_REGRESSION) {
            return tm__onnx_unsupported(onnx, node, "is not known behind a model");
        }
        /* Of two classes, and behind softmax, shares add up to one already. */
        if (d->shape.task == TM_TASK_MULTICLASS && d->shape.link == TM_LINK_SIGMOID) {
            d->shape.link = TM_LINK_SHARES;
        }
    }
    return TM_OK;
}

static tm_status model_read(tm_onnx *onnx, tm_str model) {
    static const uint32_t to_graph[] = {7}, to_producer[] = {2}, to_version[] = {3};
    tm_wire wire = tm__wire(model);
    tm_wire_field field;
    while (tm__wire_next(&wire, &field)) {
    }
    if (wire.failed) {
        return tm__onnx_damaged(onnx, "the file is cut or damaged");
    }
    onnx->graph = dive(model, to_graph, 1);
    const tm_str producer = dive(model, to_producer, 1), version = dive(model, to_version, 1);
    onnx->draft->version =
        tm__draft_text(onnx->draft, "%.*s %.*s", producer.len < 60 ? (int)producer.len : 60,
                       producer.ptr != NULL ? producer.ptr : "",
                       version.len < 60 ? (int)version.len : 60,
                       version.ptr != NULL ? version.ptr : "")
            .ptr;
    TM_TRY(nodes_read(onnx));
    TM_TRY(inputs_read(onnx));
    for (bool is_model = false; !is_model;) {
        tm_onnx_node *node = user_find(onnx, onnx->current);
        if (node == NULL) {
            return tm__onnx_damaged(onnx, "no operator is a model");
        }
        node->is_used = true;
        TM_TRY(take_node(onnx, node, &is_model));
        onnx->current = node->output;
    }
    return take_rest(onnx);
}

tm_status tm__import_onnx(const void *data, size_t len, tm_import_draft *draft, tm_err *err) {
    tm_err own = {0};
    tm_onnx onnx = {.draft = draft, .err = err != NULL ? err : &own};
    if (draft->options->n_rounds > 0) {
        return TM_FAIL(err, TM_E_USAGE, "--rounds is not for ONNX: the file does not tell rounds");
    }
    return model_read(&onnx, (tm_str){data, len});
}
