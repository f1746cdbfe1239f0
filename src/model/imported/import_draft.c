/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fmath.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/imported/import_priv.h"

/* Room for n more elements of an array; false when there is none. */
static bool grow(void *array_pointer, uint32_t have, uint32_t n, uint32_t *capacity, size_t size) {
    void *array;
    memcpy(&array, array_pointer, sizeof(array));
    if (n <= *capacity - have) {
        return true;
    }
    const uint32_t wanted = have + n + have / 2 + 64;
    void *grown = tm__mem_realloc(array, wanted, size);
    if (grown == NULL) {
        return false;
    }
    memcpy(array_pointer, &grown, sizeof(grown));
    *capacity = wanted;
    return true;
}

static tm_status no_room(uint32_t have, uint32_t n, tm_err *err) {
    if (n > TM_TREE_MAX_NODES || have > TM_TREE_MAX_NODES - n) {
        return TM_FAIL(err, TM_E_LIMIT, "the model has more than %u nodes or sets",
                       TM_TREE_MAX_NODES);
    }
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for the trees of the file");
}

static bool fits(uint32_t have, uint32_t n) {
    return n <= TM_TREE_MAX_NODES && have <= TM_TREE_MAX_NODES - n;
}

tm_import_node *tm__draft_nodes(tm_import_draft *draft, uint32_t n, tm_err *err) {
    if (!fits(draft->n_nodes, n) ||
        !grow(&draft->nodes, draft->n_nodes, n, &draft->nodes_capacity, sizeof(tm_import_node))) {
        (void)no_room(draft->n_nodes, n, err);
        return NULL;
    }
    tm_import_node *nodes = draft->nodes + draft->n_nodes;
    memset(nodes, 0, n * sizeof(*nodes));
    draft->n_nodes += n;
    return nodes;
}

tm_import_tree *tm__draft_tree(tm_import_draft *draft, tm_err *err) {
    if (!fits(draft->n_trees, 1) ||
        !grow(&draft->trees, draft->n_trees, 1, &draft->trees_capacity, sizeof(tm_import_tree))) {
        (void)no_room(draft->n_trees, 1, err);
        return NULL;
    }
    tm_import_tree *tree = &draft->trees[draft->n_trees++];
    *tree = (tm_import_tree){.first = draft->n_nodes};
    return tree;
}

uint32_t *tm__draft_words(tm_import_draft *draft, uint32_t n, tm_err *err) {
    if (!fits(draft->n_words, n) ||
        !grow(&draft->words, draft->n_words, n, &draft->words_capacity, sizeof(uint32_t))) {
        (void)no_room(draft->n_words, n, err);
        return NULL;
    }
    uint32_t *words = draft->words + draft->n_words;
    memset(words, 0, n * sizeof(*words));
    draft->n_words += n;
    return words;
}

tm_status tm__draft_columns(tm_import_draft *draft, uint32_t n, tm_err *err) {
    const tm_import_options *options = draft->options;
    if (n == 0 || n > TM_MAX_COLS) {
        return TM_FAIL(err, TM_E_LIMIT, "the model has %u columns, not 1 to %u", n, TM_MAX_COLS);
    }
    if (options->columns != NULL && options->n_columns != n) {
        return TM_FAIL(err, TM_E_USAGE, "--columns names %u columns, the model has %u",
                       options->n_columns, n);
    }
    draft->columns = tm__arena_zalloc(draft->arena, n, sizeof(tm_import_column));
    if (draft->columns == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for columns");
    }
    draft->n_columns = n;
    for (uint32_t c = 0; c < n; c++) {
        tm_import_column *column = &draft->columns[c];
        column->is_nullable = true;
        column->min = column->max = tm__nan();
        if (options->columns != NULL) {
            column->name = tm__draft_text(draft, "%s", options->columns[c]);
            if (column->name.ptr == NULL) {
                return TM_FAIL(err, TM_E_NOMEM, "out of memory for columns");
            }
        }
    }
    return TM_OK;
}

tm_str tm__draft_text(tm_import_draft *draft, const char *fmt, ...) {
    char text[1024];
    va_list args;
    va_start(args, fmt);
    const int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0) {
        return (tm_str){NULL, 0};
    }
    const size_t n = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    const char *copy = tm__arena_strndup(draft->arena, text, n);
    if (copy == NULL) {
        (void)tm__json_lost(); /* also where a text may be absent, as the version may */
    }
    return (tm_str){copy, copy != NULL ? n : 0};
}

void tm__draft_note(tm_import_draft *draft, const char *text) {
    json_array_append_new(draft->notes, json_string(text));
}

void tm__draft_done(tm_import_draft *draft) {
    tm__mem_free(draft->nodes);
    tm__mem_free(draft->trees);
    tm__mem_free(draft->words);
    json_decref(draft->notes);
    tm__arena_free(draft->arena);
    memset(draft, 0, sizeof(*draft));
}
