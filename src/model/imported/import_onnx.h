/* SPDX-License-Identifier: Apache-2.0 */
/* Between import_onnx.c, which follows the graph, and import_onnx_model.c, which reads the operator
 * that is the model. */
#ifndef TM_MODEL_IMPORT_ONNX_H
#define TM_MODEL_IMPORT_ONNX_H

#include "model/imported/import_priv.h"
#include "model/imported/import_wire.h"

typedef struct tm_onnx_node {
    tm_str op, domain;
    tm_str message; /* its attributes are in there */
    tm_str inputs[2], output;
    uint32_t n_inputs, n_outputs;
    bool is_used;
} tm_onnx_node;

/* Numbers of an attribute or a tensor, in memory of their own. */
typedef struct tm_onnx_list {
    double *numbers; /* [n] exact: whole ones of ONNX that are read here are below 2^53 */
    uint32_t n;
    bool is_double; /* they were double precision */
    bool is_there;
} tm_onnx_list;

typedef struct tm_onnx {
    tm_import_draft *draft;
    tm_err *err;
    tm_str graph;
    tm_onnx_node *nodes;
    uint32_t n_nodes;
    tm_str current;   /* tensor that holds the row */
    bool is_double;   /* the row is double precision still */
    uint32_t n_width; /* columns, 0: not known yet */
} tm_onnx;

/** TM_E_DATA: damaged. */
TM_NODISCARD tm_status tm__onnx_damaged(const tm_onnx *onnx, const char *what);
/** TM_E_UNSUPPORTED, names the operator. */
TM_NODISCARD tm_status tm__onnx_unsupported(const tm_onnx *onnx, const tm_onnx_node *node,
                                            const char *what);
/** Numbers of an attribute (floats, ints, one of either, or a tensor); is_there false: there is
 * none of the name. End with tm__mem_free(out->numbers). */
TM_NODISCARD tm_status tm__onnx_numbers(const tm_onnx *onnx, const tm_onnx_node *node,
                                        const char *name, tm_onnx_list *out);
/** The text of an attribute, or otherwise. */
tm_str tm__onnx_text(const tm_onnx_node *node, const char *name, const char *otherwise);
/** Texts of an attribute [n], in the arena; NULL and n 0 when there are none. */
TM_NODISCARD tm_status tm__onnx_texts(const tm_onnx *onnx, const tm_onnx_node *node,
                                      const char *name, tm_str **out, uint32_t *out_n);
/** Columns of the draft, once their number is known. */
TM_NODISCARD tm_status tm__onnx_columns(tm_onnx *onnx, uint32_t n);

/** The model itself. */
TM_NODISCARD tm_status tm__onnx_trees(tm_onnx *onnx, const tm_onnx_node *node);
TM_NODISCARD tm_status tm__onnx_linear(tm_onnx *onnx, const tm_onnx_node *node);

#endif
