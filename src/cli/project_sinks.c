/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sinks:
 *   NAME:
 *     model: late                        or late@NAME
 *     read: flights                      or {postgres: {dsn_file: FILE, query: SQL}}
 *     write: {csv: DIR}                  or {parquet: DIR}, {postgres: {dsn_file: FILE, table: T}}
 *     key: [a, b]
 *     every: 1d
 *     batch_rows: 100000
 *
 * Paths start in the folder of the file. A fault of the whole (no model, no key for a query) is
 * told at the name of the sink.
 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/project_priv.h"
#include "loop/sink.h"

static const yaml_node_t *value_of(tm_yaml *r, const yaml_node_pair_t *pair) {
    return yaml_document_get_node(&r->document, pair->value);
}

static const yaml_node_t *key_of(tm_yaml *r, const yaml_node_pair_t *pair) {
    return yaml_document_get_node(&r->document, pair->key);
}

static tm_status put_text(tm_yaml *r, const yaml_node_t *value, const char *name, bool is_path,
                          json_t *to, tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(r, value, &text, err));
    if (text[0] == '\0') {
        tm__mem_free(text);
        return tm__yaml_bad_value(r, value, name, "a value", err);
    }
    char *full = is_path && text[0] != '/' ? tm__fs_join(r->dir, text) : NULL;
    const bool ok = !is_path || text[0] == '/' || full != NULL;
    if (ok) {
        json_object_set_new(to, name, json_string(full != NULL ? full : text));
    }
    tm__mem_free(full);
    tm__mem_free(text);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for a path");
}

/* {postgres: {dsn_file, what}} */
static tm_status read_postgres(tm_yaml *r, const yaml_node_t *map, const char *what, json_t *to,
                               tm_err *err) {
    const char *const names[] = {"dsn_file", what};
    json_t *postgres = json_object();
    json_object_set_new(to, "postgres", postgres);
    TM_TRY(tm__yaml_check_map(r, map, "postgres", err));
    TM_TRY(tm__yaml_check_keys(r, map, err));
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = key_of(r, p);
        const bool is_file = tm__str_is(tm__yaml_scalar(key), "dsn_file");
        if (!is_file && !tm__str_is(tm__yaml_scalar(key), what)) {
            return tm__yaml_unknown_key(r, key, names, 2, err);
        }
        TM_TRY(put_text(r, value_of(r, p), is_file ? "dsn_file" : what, is_file, postgres, err));
    }
    return TM_OK;
}

static tm_status read_read(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    static const char *const names[] = {"postgres"};
    if (value->type == YAML_SCALAR_NODE) {
        return put_text(r, value, "read", false, spec, err);
    }
    json_t *read = json_object();
    json_object_set_new(spec, "read", read);
    TM_TRY(tm__yaml_check_map(r, value, "read", err));
    TM_TRY(tm__yaml_check_keys(r, value, err));
    for (const yaml_node_pair_t *p = value->data.mapping.pairs.start;
         p < value->data.mapping.pairs.top; p++) {
        if (!tm__str_is(tm__yaml_scalar(key_of(r, p)), "postgres")) {
            return tm__yaml_unknown_key(r, key_of(r, p), names, 1, err);
        }
        TM_TRY(read_postgres(r, value_of(r, p), "query", read, err));
    }
    return TM_OK;
}

static tm_status read_write(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    static const char *const names[] = {"postgres", "parquet", "csv"};
    json_t *write = json_object();
    json_object_set_new(spec, "write", write);
    TM_TRY(tm__yaml_check_map(r, value, "write", err));
    TM_TRY(tm__yaml_check_keys(r, value, err));
    for (const yaml_node_pair_t *p = value->data.mapping.pairs.start;
         p < value->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = key_of(r, p);
        if (tm__str_is(tm__yaml_scalar(key), "postgres")) {
            TM_TRY(read_postgres(r, value_of(r, p), "table", write, err));
        } else if (tm__str_is(tm__yaml_scalar(key), "parquet")) {
            TM_TRY(put_text(r, value_of(r, p), "parquet", true, write, err));
        } else if (tm__str_is(tm__yaml_scalar(key), "csv")) {
            TM_TRY(put_text(r, value_of(r, p), "csv", true, write, err));
        } else {
            return tm__yaml_unknown_key(r, key, names, 3, err);
        }
    }
    return TM_OK;
}

static tm_status read_key(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    json_t *list = json_array();
    json_object_set_new(spec, "key", list);
    if (value->type == YAML_SCALAR_NODE) {
        tm_str rest = tm__yaml_scalar(value);
        while (rest.len > 0) {
            const tm_str part = tm__str_trim(tm__str_cut(&rest, ','));
            json_array_append_new(list, json_stringn(part.ptr, part.len));
        }
        return TM_OK;
    }
    if (value->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, value, "key", "a list of columns", err);
    }
    for (const yaml_node_item_t *i = value->data.sequence.items.start;
         i < value->data.sequence.items.top; i++) {
        char *text = NULL;
        TM_TRY(tm__yaml_text(r, yaml_document_get_node(&r->document, *i), &text, err));
        json_array_append_new(list, json_string(text));
        tm__mem_free(text);
    }
    return TM_OK;
}

static tm_status read_every(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    int64_t us = 0;
    if (value->type != YAML_SCALAR_NODE || !tm__str_to_duration_us(tm__yaml_scalar(value), &us) ||
        us < 1000000) {
        return tm__yaml_bad_value(r, value, "every", "a time such as 15m, 24h or 7d", err);
    }
    json_object_set_new(spec, "every_s", json_integer(us / 1000000));
    return TM_OK;
}

static tm_status read_rows(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    uint64_t n = 0;
    if (value->type != YAML_SCALAR_NODE || !tm__str_to_u64(tm__yaml_scalar(value), &n) ||
        n > INT64_MAX) {
        return tm__yaml_bad_value(r, value, "batch_rows", "a whole number", err);
    }
    json_object_set_new(spec, "batch_rows", json_integer((json_int_t)n));
    return TM_OK;
}

static tm_status read_model(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    return put_text(r, value, "model", false, spec, err);
}

static tm_status read_history(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    return put_text(r, value, "history", false, spec, err);
}

static const struct {
    const char *name;
    tm_status (*read)(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err);
} keys[] = {{"model", read_model},    {"read", read_read},   {"write", read_write},
            {"key", read_key},        {"every", read_every}, {"batch_rows", read_rows},
            {"history", read_history}};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static tm_status read_one(tm_yaml *r, const yaml_node_pair_t *pair, json_t *spec, tm_err *err) {
    const yaml_node_t *key = key_of(r, pair);
    const char *names[N_KEYS];
    for (uint32_t i = 0; i < N_KEYS; i++) {
        names[i] = keys[i].name;
        if (tm__str_is(tm__yaml_scalar(key), keys[i].name)) {
            return keys[i].read(r, value_of(r, pair), spec, err);
        }
    }
    return tm__yaml_unknown_key(r, key, names, N_KEYS, err);
}

static tm_status read_sink(tm_yaml *r, const yaml_node_pair_t *pair, tm_project_sink *sink,
                           tm_err *err) {
    const yaml_node_t *name = key_of(r, pair), *map = value_of(r, pair);
    sink->name = tm__mem_strdup((const char *)name->data.scalar.value);
    sink->spec = json_object();
    if (sink->name == NULL || sink->spec == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    TM_TRY(tm__yaml_check_map(r, map, sink->name, err));
    TM_TRY(tm__yaml_check_keys(r, map, err));
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
         p++) {
        TM_TRY(read_one(r, p, sink->spec, err));
    }
    TM_TRY(tm__json_check(err));
    const tm_status st = tm__sink_check(sink->name, sink->spec, err);
    if (st != TM_OK) {
        tm__yaml_at(r, name, err);
    }
    return st;
}

tm_status tm__project_read_sinks(tm_yaml *r, const yaml_node_t *map, tm_project *project,
                                 tm_err *err) {
    TM_TRY(tm__yaml_check_map(r, map, "sinks", err));
    TM_TRY(tm__yaml_check_keys(r, map, err));
    const size_t n = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start);
    project->sinks = tm__mem_zalloc(n + 1, sizeof(*project->sinks));
    if (project->sinks == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    for (size_t i = 0; i < n; i++) {
        project->n_sinks = (uint32_t)i + 1;
        TM_TRY(read_sink(r, map->data.mapping.pairs.start + i, &project->sinks[i], err));
    }
    return TM_OK;
}
