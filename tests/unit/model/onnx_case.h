/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX files written field by field, for tests of their readers. */
#ifndef TM_UNIT_ONNX_CASE_H
#define TM_UNIT_ONNX_CASE_H

#include "import_case.h"

#include <stdio.h>

static inline void put_varint(tm_buf *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) {
        tm__buf_byte(out, (uint8_t)(value | 0x80));
    }
    tm__buf_byte(out, (uint8_t)value);
}

static inline void put_bytes(tm_buf *out, uint32_t field, const void *data, size_t len) {
    put_varint(out, field << 3 | 2);
    put_varint(out, len);
    tm__buf_append(out, data, len);
}

static inline void put_text(tm_buf *out, uint32_t field, const char *text) {
    put_bytes(out, field, text, strlen(text));
}

/* A message as a field of another; it ends. */
static inline void put_message(tm_buf *out, uint32_t field, tm_buf *message) {
    put_bytes(out, field, message->data, message->len);
    tm__buf_done(message);
}

static inline tm_buf message(void) {
    tm_buf buf;
    tm__buf_init(&buf, 1u << 20);
    return buf;
}

/* Numbers as "1 2 3", ints or floats; texts as "a b". */
static inline void put_attribute(tm_buf *node, const char *name, char kind, const char *values) {
    tm_buf attribute = message(), packed = message();
    tm_str rest = tm__str(values);
    put_text(&attribute, 1, name);
    while (rest.len > 0) {
        const tm_str word = tm__str_cut(&rest, ' ');
        double number = 0;
        if (kind == 's' || kind == 't') {
            put_bytes(&attribute, kind == 's' ? 4 : 9, word.ptr, word.len);
            continue;
        }
        const bool is_nan = tm__str_is(word, "nan");
        assert_true(is_nan || tm__str_to_f64(word, &number));
        if (kind == 'i') {
            put_varint(&packed, (uint64_t)(int64_t)number);
        } else {
            const float x = is_nan ? __builtin_nanf("") : (float)number;
            uint32_t bits;
            memcpy(&bits, &x, sizeof(bits));
            tm__buf_u32(&packed, bits);
        }
    }
    if (packed.len > 0) {
        put_bytes(&attribute, kind == 'i' ? 8 : 7, packed.data, packed.len);
    }
    tm__buf_done(&packed);
    put_message(node, 5, &attribute);
}

typedef struct onnx_attribute {
    const char *name;
    char kind; /* i, f: numbers; s: a text; t: texts */
    const char *values;
} onnx_attribute;

/* input -> op -> output. */
static inline void put_node(tm_buf *graph, const char *op, const char *path,
                            const onnx_attribute *attributes) {
    tm_buf node = message();
    char input[32] = "";
    (void)snprintf(input, sizeof(input), "%.*s", (int)strcspn(path, ">"), path);
    put_text(&node, 1, input);
    put_text(&node, 2, path + strlen(input) + 1);
    put_text(&node, 4, op);
    put_text(&node, 7, strcmp(op, "Cast") == 0 ? "" : "ai.onnx.ml");
    for (; attributes != NULL && attributes->name != NULL; attributes++) {
        put_attribute(&node, attributes->name, attributes->kind, attributes->values);
    }
    put_message(graph, 1, &node);
}

/* The graph's input X [?, n_cols] of a type, and the model around it. */
static inline tm_buf wrap_graph(tm_buf *graph, uint32_t elem, uint32_t n_cols) {
    tm_buf model = message(), info = message(), type = message(), tensor = message(),
           shape = message(), dim = message();
    const uint8_t row[] = {0x0a, 0x00};
    put_varint(&dim, 1 << 3);
    put_varint(&dim, n_cols);
    tm__buf_append(&shape, row, sizeof(row)); /* a first dimension of any size */
    put_message(&shape, 1, &dim);
    put_varint(&tensor, 1 << 3);
    put_varint(&tensor, elem);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&info, 1, "X");
    put_message(&info, 2, &type);
    put_message(graph, 11, &info);
    put_varint(&model, 1 << 3);
    put_varint(&model, 8);
    put_text(&model, 2, "by hand");
    put_message(&model, 7, graph);
    return model;
}

#endif
