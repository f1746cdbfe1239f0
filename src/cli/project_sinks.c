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
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "postgres", names, 2);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = put_text(r, p.value, names[p.name], p.name == 0, postgres, err);
    }
    return st;
}

static tm_status read_read(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    static const char *const names[] = {"postgres"};
    if (value->type == YAML_SCALAR_NODE) {
        return put_text(r, value, "read", false, spec, err);
    }
    json_t *read = json_object();
    json_object_set_new(spec, "read", read);
    tm_yaml_pairs p = tm__yaml_pairs(r, value, "read", names, 1);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_postgres(r, p.value, "query", read, err);
    }
    return st;
}

static tm_status read_write(tm_yaml *r, const yaml_node_t *value, json_t *spec, tm_err *err) {
    static const char *const names[] = {"postgres", "parquet", "csv"};
    json_t *write = json_object();
    json_object_set_new(spec, "write", write);
    tm_yaml_pairs p = tm__yaml_pairs(r, value, "write", names, 3);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = p.name == 0 ? read_postgres(r, p.value, "table", write, err)
                         : put_text(r, p.value, names[p.name], true, write, err);
    }
    return st;
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
    TM_TRY(tm__yaml_time(r, value, "every", 1000000, "15m, 24h or 7d", &us, err));
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

static tm_status read_sink(tm_yaml *r, const yaml_node_t *name, const yaml_node_t *map,
                           tm_project_sink *sink, tm_err *err) {
    const char *names[N_KEYS];
    for (size_t i = 0; i < N_KEYS; i++) {
        names[i] = keys[i].name;
    }
    sink->name = tm__mem_strdup(tm__yaml_word(name));
    sink->spec = json_object();
    if (sink->name == NULL || sink->spec == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, sink->name, names, N_KEYS);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = keys[p.name].read(r, p.value, sink->spec, err);
    }
    TM_TRY(st);
    TM_TRY(tm__json_check(err));
    st = tm__sink_check(sink->name, sink->spec, err);
    if (st != TM_OK) {
        tm__yaml_at(r, name, err);
    }
    return st;
}

tm_status tm__project_read_sinks(tm_yaml *r, const yaml_node_t *map, tm_project *project,
                                 tm_err *err) {
    project->sinks = tm__mem_zalloc(tm__yaml_count(map) + 1, sizeof(*project->sinks));
    if (project->sinks == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "sinks", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_sink(r, p.key, p.value, &project->sinks[project->n_sinks++], err);
    }
    return st;
}
