/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of the project file: maps and their keys, texts, errors with their place. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/project_priv.h"
#include "metric/metric.h"

#define KEYS_MAX 1000u /* of one map: models, or what a model says */

void tm__yaml_at(const tm_yaml *r, const yaml_node_t *node, tm_err *err) {
    tm_err_at(err, r->path, node->start_mark.line + 1, (uint32_t)node->start_mark.column + 1);
}

tm_str tm__yaml_scalar(const yaml_node_t *node) {
    return (tm_str){(const char *)node->data.scalar.value, node->data.scalar.length};
}

static tm_status check_map(const tm_yaml *r, const yaml_node_t *node, const char *what,
                           tm_err *err) {
    if (node->type == YAML_MAPPING_NODE) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_DATA, "'%s' must hold keys", what);
    tm__yaml_at(r, node, err);
    return TM_E_DATA;
}

/* Plain texts, each once. */
static tm_status check_keys(tm_yaml *r, const yaml_node_t *map, tm_err *err) {
    const yaml_node_pair_t *first = map->data.mapping.pairs.start;
    const yaml_node_pair_t *end = map->data.mapping.pairs.top;
    if (end - first > KEYS_MAX) { /* each key is held against those before it */
        (void)TM_FAIL(err, TM_E_DATA, "more than %u keys", KEYS_MAX);
        tm__yaml_at(r, map, err);
        return TM_E_DATA;
    }
    for (const yaml_node_pair_t *a = first; a < end; a++) {
        const yaml_node_t *key = yaml_document_get_node(&r->document, a->key);
        if (key->type != YAML_SCALAR_NODE || key->data.scalar.length == 0) {
            (void)TM_FAIL(err, TM_E_DATA, "a key must be a word");
            tm__yaml_at(r, key, err);
            return TM_E_DATA;
        }
        for (const yaml_node_pair_t *b = first; b < a; b++) {
            const yaml_node_t *other = yaml_document_get_node(&r->document, b->key);
            if (tm__str_eq(tm__yaml_scalar(other), tm__yaml_scalar(key))) {
                (void)TM_FAIL(err, TM_E_DATA, "the key '%s' stands twice",
                              (const char *)key->data.scalar.value);
                tm__yaml_at(r, key, err);
                return TM_E_DATA;
            }
        }
    }
    return TM_OK;
}

static tm_status unknown_key(const tm_yaml *r, const yaml_node_t *key, const char *const *names,
                             uint32_t n, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "unknown key '%s'", (const char *)key->data.scalar.value);
    const char *near = tm__str_nearest(tm__yaml_scalar(key), names, n);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    } else {
        tm_err_hint(err, "docs/project-file.md lists the keys.");
    }
    tm__yaml_at(r, key, err);
    return TM_E_DATA;
}

tm_yaml_pairs tm__yaml_pairs(tm_yaml *r, const yaml_node_t *map, const char *what,
                             const char *const *names, size_t n_names) {
    return (tm_yaml_pairs){
        .r = r, .map = map, .what = what, .names = names, .n_names = (uint32_t)n_names};
}

static tm_status find_name(tm_yaml_pairs *p, tm_err *err) {
    p->name = 0;
    while (p->name < p->n_names && !tm__str_is(tm__yaml_scalar(p->key), p->names[p->name])) {
        p->name++;
    }
    return p->names == NULL || p->name < p->n_names
               ? TM_OK
               : unknown_key(p->r, p->key, p->names, p->n_names, err);
}

bool tm__yaml_next(tm_yaml_pairs *p, tm_status *st, tm_err *err) {
    if (*st == TM_OK && p->next == NULL) {
        *st = check_map(p->r, p->map, p->what, err);
        *st = *st == TM_OK ? check_keys(p->r, p->map, err) : *st;
        p->next = p->map->data.mapping.pairs.start;
    }
    if (*st != TM_OK || p->next == p->map->data.mapping.pairs.top) {
        return false;
    }
    p->key = yaml_document_get_node(&p->r->document, p->next->key);
    p->value = yaml_document_get_node(&p->r->document, p->next->value);
    p->next++;
    *st = find_name(p, err);
    return *st == TM_OK;
}

uint32_t tm__yaml_count(const yaml_node_t *node) {
    return node->type != YAML_MAPPING_NODE
               ? 0
               : (uint32_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
}

const char *tm__yaml_word(const yaml_node_t *node) {
    return (const char *)node->data.scalar.value;
}

tm_status tm__yaml_text(const tm_yaml *r, const yaml_node_t *node, char **out, tm_err *err) {
    if (node->type != YAML_SCALAR_NODE) {
        (void)TM_FAIL(err, TM_E_DATA, "one value is wanted here");
        tm_err_hint(err, "Write a name, a number or a text here, no list and no keys of its own.");
        tm__yaml_at(r, node, err);
        return TM_E_DATA;
    }
    tm_buf text;
    tm__buf_init(&text, TM_PROJECT_BYTES_MAX);
    tm_str rest = tm__yaml_scalar(node);
    tm_status st = TM_OK;
    while (st == TM_OK && rest.len > 0) {
        const char *dollar = memchr(rest.ptr, '$', rest.len);
        const size_t plain = dollar != NULL ? (size_t)(dollar - rest.ptr) : rest.len;
        (void)tm__buf_append(&text, rest.ptr, plain);
        rest = (tm_str){rest.ptr + plain, rest.len - plain};
        const char *close =
            rest.len > 2 && rest.ptr[1] == '{' ? memchr(rest.ptr, '}', rest.len) : NULL;
        if (close != NULL) {
            char name[128];
            const size_t len = (size_t)(close - rest.ptr) - 2;
            const bool fits = tm__str_copy(name, sizeof(name), (tm_str){rest.ptr + 2, len});
            const char *value = fits ? getenv(name) : NULL;
            if (value != NULL && !tm__str_is_utf8(tm__str(value))) {
                st = TM_FAIL(err, TM_E_DATA, "the variable '%s' is not UTF-8", name);
                tm__yaml_at(r, node, err);
            } else if (value == NULL) {
                st = TM_FAIL(err, TM_E_DATA, "the environment has no variable '%s'", name);
                tm__yaml_at(r, node, err);
            }
            (void)tm__buf_text(&text, value != NULL ? value : "");
            rest = (tm_str){close + 1, rest.len - len - 3};
        } else if (rest.len > 0) {
            (void)tm__buf_byte(&text, '$');
            rest = (tm_str){rest.ptr + 1, rest.len - 1};
        }
    }
    (void)tm__buf_append(&text, "", 1);
    if (st == TM_OK && text.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a value");
    }
    if (st == TM_OK) {
        size_t len = 0;
        *out = (char *)tm__buf_take(&text, &len);
    }
    tm__buf_done(&text);
    return st;
}

tm_status tm__yaml_bad_value(const tm_yaml *r, const yaml_node_t *node, const char *key,
                             const char *wanted, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "'%s' wants %s", key, wanted);
    tm__yaml_at(r, node, err);
    return TM_E_DATA;
}

tm_status tm__yaml_time(const tm_yaml *r, const yaml_node_t *node, const char *key,
                        int64_t least_us, const char *like, int64_t *out, tm_err *err) {
    char hint[64];
    char *text = NULL;
    int64_t us = 0;
    TM_TRY(tm__yaml_text(r, node, &text, err));
    tm_status st = TM_OK;
    if (!tm__str_to_duration_us(tm__str(text), &us) || us < least_us) {
        st = TM_FAIL(err, TM_E_DATA, "'%s' wants a time such as %s", key, like);
        tm_err_hint(err, "%s", tm__duration_hint(tm__str(text), "", hint));
        tm__yaml_at(r, node, err);
    } else {
        *out = us;
    }
    tm__mem_free(text);
    return st;
}

tm_status tm__yaml_bad_metric(const tm_yaml *r, const yaml_node_t *node, const char *name,
                              tm_err *err) {
    const char *names[32];
    uint32_t n = 0;
    for (const tm_metric_ops *const *m = tm__metric_list(); m[n] != NULL && n < 32; n++) {
        names[n] = m[n]->name;
    }
    const char *const near = tm__str_nearest(tm__str(name), names, n);
    (void)TM_FAIL(err, TM_E_DATA, "unknown metric '%s'", name);
    if (near != NULL) {
        tm_err_hint(err, "Did you mean '%s'?", near);
    }
    tm__yaml_at(r, node, err);
    return TM_E_DATA;
}
