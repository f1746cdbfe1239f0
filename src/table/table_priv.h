/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: the insides of tables, and shared dictionaries. */
#ifndef TM_TABLE_TABLE_PRIV_H
#define TM_TABLE_TABLE_PRIV_H

#include <stdatomic.h>

#include "table/table.h"

struct tm_table {
    atomic_uint refs;
    uint32_t n_cols;
    uint64_t n_rows;
    tm_column *cols; /* [n_cols], owned with all they point to; dictionaries hold a reference */
    tm_dict *names;  /* code i is the name of column i */
};

/** One more owner; each owner ends with tm__dict_free(). Any thread. */
tm_dict *tm__dict_ref(const tm_dict *dict);
/** Hash of a code's text, the same in every dictionary. */
uint64_t tm__dict_hash(const tm_dict *dict, uint32_t code);

/** Add a text column on a dictionary of another table; its codes are written directly and none is
 * added. */
TM_NODISCARD tm_status tm__builder_add_shared(tm_table_builder *builder, const char *name,
                                              const tm_dict *dict, tm_err *err);

/** Bytes of one value in storage. */
size_t tm__type_size(tm_type type);
/** "a bool", "an int", ...: for messages. */
const char *tm__type_noun(tm_type type);

#endif
