/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sources:
 *   NAME:
 *     push: true                         or one of files, watch, sql, sqlite, postgres, odbc, s3,
 *                                        kafka
 *     files: data/flights-*.parquet
 *     postgres: {dsn_file: FILE, query: SQL, cursor: COL}      or postgres: FILE, with query: ...
 *     key: [a, b]
 *     every: 1h
 *     expect: {positive: amount > 0}
 *     policy: {new_column: stop, positive: stop}
 *     columns:
 *       amount: float
 *       returned: {type: bool, role: target}
 *
 * Each key of `keys` lands in one member of the spec that source/declare.h has. Paths start in the
 * folder of the file, which is the spec's "dir". A fault of the whole is told at the name of the
 * source.
 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/project_priv.h"
#include "source/change.h"
#include "source/declare.h"
#include "source/expect.h"
#include "table/privacy.h"

#define COUNT_MAX 100000000u

/* What a source is read into. */
typedef struct reading {
    tm_yaml *r;
    tm_project_source *source;
} reading;

typedef enum value_kind {
    TEXT,
    PATH, /* found again from any folder */
    DURATION,
    SIZE,
    FLAG,
    COUNT,
    LIST, /* words with commas between */
    CHANGED
} value_kind;

typedef struct source_key {
    const char *name, *member;
    value_kind kind;
    const char *feed; /* NULL: of any */
} source_key;

static const source_key keys[] = {
    {"query", "query", TEXT, NULL},
    {"cursor", "cursor", TEXT, NULL},
    {"settle", "settle_s", DURATION, NULL},
    {"every", "every_s", DURATION, NULL},
    {"changed", "changed", CHANGED, NULL},
    {"target", "target", TEXT, NULL},
    {"no_header", "no_header", FLAG, NULL},
    {"credentials", "credentials", PATH, "s3"},
    {"cache", "cache_bytes", SIZE, "s3"},
    {"quarantine_bytes", "quarantine_bytes", SIZE, NULL},
    {"topic", "topic", TEXT, "kafka"},
    {"group", "group", TEXT, "kafka"},
    {"from", "from", TEXT, "kafka"},
    {"fields", "fields", LIST, "kafka"},
    {"event_time", "event_time", TEXT, "kafka"},
    {"lateness", "lateness_s", DURATION, "kafka"},
    {"idle", "idle_s", DURATION, "kafka"},
    {"late", "late", TEXT, "kafka"},
    {"quarantine_rows", "quarantine_rows", COUNT, NULL},
    {"max_bytes", "max_bytes", SIZE, NULL},
    {"retention", "retention_s", DURATION, NULL},
    {"purpose", "purpose", TEXT, NULL},
    {"personal", "personal", TEXT, NULL},
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Where rows come from; the name of the key is the feed's. Inside braces `main` says what the word
 * behind the colon says else. */
static const struct {
    const char *name, *feed, *main;
} feeds[] = {
    {"files", "files", NULL},     {"read", "files", NULL},
    {"watch", "watch", NULL},     {"sql", "sql", NULL},
    {"sqlite", "sqlite", "file"}, {"postgres", "postgres", "dsn_file"},
    {"odbc", "odbc", "dsn_file"}, {"s3", "s3", "url"},
    {"kafka", "kafka", "file"},   {"reader", "reader", "module"},
};
#define N_FEEDS (sizeof(feeds) / sizeof(feeds[0]))

/* ---- Values ---- */

static tm_status read_text(tm_yaml *r, const yaml_node_t *value, const char *name, char **out,
                           tm_err *err) {
    TM_TRY(tm__yaml_text(r, value, out, err));
    if ((*out)[0] != '\0') {
        return TM_OK;
    }
    tm__mem_free(*out);
    *out = NULL;
    return tm__yaml_bad_value(r, value, name, "a value", err);
}

static tm_status read_bool(tm_yaml *r, const yaml_node_t *value, const char *name, bool *out,
                           tm_err *err) {
    const bool is_word = value->type == YAML_SCALAR_NODE;
    if (!is_word || (!tm__str_is(tm__yaml_scalar(value), "true") &&
                     !tm__str_is(tm__yaml_scalar(value), "false"))) {
        return tm__yaml_bad_value(r, value, name, "true or false", err);
    }
    *out = tm__str_is(tm__yaml_scalar(value), "true");
    return TM_OK;
}

static tm_status put_path(tm_yaml *r, const char *text, const char *member, json_t *spec,
                          tm_err *err) {
    char *full = text[0] == '/' ? tm__mem_strdup(text) : tm__fs_join(r->dir, text);
    if (full == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a path");
    }
    json_object_set_new(spec, member, json_string(full));
    tm__mem_free(full);
    return TM_OK;
}

static json_t *words_of(tm_str text) {
    json_t *words = json_array();
    while (text.len > 0) {
        const tm_str word = tm__str_trim(tm__str_cut(&text, ','));
        json_array_append_new(words, json_stringn(word.ptr, word.len));
    }
    return words;
}

static tm_status put_value(tm_yaml *r, const yaml_node_t *value, const source_key *key,
                           json_t *spec, tm_err *err) {
    char *text = NULL;
    int64_t us = 0;
    uint64_t bytes = 0;
    bool flag = false;
    if (key->kind == FLAG) {
        TM_TRY(read_bool(r, value, key->name, &flag, err));
        if (flag) {
            json_object_set_new(spec, key->member, json_true());
        }
        return TM_OK;
    }
    TM_TRY(read_text(r, value, key->name, &text, err));
    tm_status st = TM_OK;
    if (key->kind == DURATION && strcmp(key->name, "retention") == 0 &&
        strcmp(text, "forever") == 0) {
        st = TM_OK; /* what it is without the key */
    } else if (key->kind == PATH) {
        st = put_path(r, text, key->member, spec, err);
    } else if (key->kind == DURATION) {
        st = tm__yaml_time(r, value, key->name, 1000000, "90s, 15m or 24h", &us, err);
        json_object_set_new(spec, key->member, json_integer(us / 1000000));
    } else if (key->kind == SIZE) {
        st = tm__str_to_bytes(tm__str(text), &bytes) && bytes > 0 && bytes <= INT64_MAX
                 ? TM_OK
                 : tm__yaml_bad_value(r, value, key->name, "a size such as 800M or 4G", err);
        json_object_set_new(spec, key->member, json_integer((json_int_t)bytes));
    } else if (key->kind == COUNT) {
        st = tm__str_to_u64(tm__str(text), &bytes) && bytes <= COUNT_MAX
                 ? TM_OK
                 : tm__yaml_bad_value(r, value, key->name, "a number of rows", err);
        json_object_set_new(spec, key->member, json_integer((json_int_t)bytes));
    } else if (key->kind == LIST) {
        json_object_set_new(spec, key->member, words_of(tm__str(text)));
    } else if (key->kind == CHANGED && strcmp(text, "stop") != 0 && strcmp(text, "again") != 0) {
        st = tm__yaml_bad_value(r, value, key->name, "stop or again", err);
    } else {
        json_object_set_new(spec, key->member, json_string(text));
    }
    tm__mem_free(text);
    return st;
}

/* ---- Keys, policies, columns ---- */

static bool add_key(tm_project_source *source, tm_str name) {
    char **grown = tm__mem_realloc(source->keys, (size_t)source->n_keys + 1, sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    source->keys = grown;
    grown[source->n_keys] = tm__mem_strndup(name.ptr, name.len);
    return grown[source->n_keys] != NULL && ++source->n_keys > 0;
}

static tm_status read_key(reading *s, const yaml_node_t *value, tm_err *err) {
    tm_yaml *const r = s->r;
    bool has_all = true;
    if (value->type == YAML_SCALAR_NODE) {
        tm_str rest = tm__yaml_scalar(value);
        while (rest.len > 0) {
            has_all = add_key(s->source, tm__str_trim(tm__str_cut(&rest, ','))) && has_all;
        }
    } else if (value->type == YAML_SEQUENCE_NODE) {
        for (const yaml_node_item_t *i = value->data.sequence.items.start;
             i < value->data.sequence.items.top; i++) {
            char *text = NULL;
            TM_TRY(read_text(r, yaml_document_get_node(&r->document, *i), "key", &text, err));
            has_all = add_key(s->source, tm__str(text)) && has_all;
            tm__mem_free(text);
        }
    }
    if (has_all && s->source->n_keys == 0) {
        return tm__yaml_bad_value(r, value, "key", "a list of columns", err);
    }
    return has_all ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
}

/* A wrong word of the command line is a wrong value in a file. */
static tm_status at(const tm_yaml *r, const yaml_node_t *node, tm_status st, tm_err *err) {
    if (st == TM_OK || st == TM_E_NOMEM) {
        return st;
    }
    if (err != NULL) {
        err->status = TM_E_DATA;
    }
    tm__yaml_at(r, node, err);
    return TM_E_DATA;
}

/* Rules, each of which is checked where it stands. */
static tm_status read_expect(reading *s, const yaml_node_t *map, tm_err *err) {
    tm_yaml *const r = s->r;
    json_t *rules = json_object();
    json_object_set_new(s->source->spec, "expect", rules);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "expect", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        char *text = NULL;
        const char *name = tm__yaml_word(p.key);
        TM_TRY(read_text(r, p.value, name, &text, err));
        json_object_set_new(rules, name, json_string(text));
        tm__mem_free(text);
        TM_TRY(tm__json_check(err));
        json_t *one = json_pack("{s:O?}", name, json_object_get(rules, name));
        st = tm__json_check(err) == TM_OK ? at(r, p.value, tm__expect_check(one, NULL, err), err)
                                          : TM_E_NOMEM;
        json_decref(one);
    }
    return st;
}

static tm_status read_policy(reading *s, const yaml_node_t *map, tm_err *err) {
    tm_yaml *const r = s->r;
    json_t *policy = json_object();
    json_object_set_new(s->source->spec, "policy", policy);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "policy", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        char *text = NULL;
        const char *name = tm__yaml_word(p.key);
        TM_TRY(read_text(r, p.value, name, &text, err));
        json_object_set_new(policy, name, json_string(text));
        tm__mem_free(text);
        TM_TRY(tm__json_check(err));
        st = at(r, p.key, tm__policy_check(policy, json_object_get(s->source->spec, "expect"), err),
                err);
    }
    return st;
}

/* Options of a module's source, which it checks. */
static tm_status read_options(reading *s, const yaml_node_t *map, tm_err *err) {
    tm_yaml *const r = s->r;
    json_t *options = json_object();
    json_object_set_new(s->source->spec, "options", options);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "options", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        char *text = NULL;
        const char *name = tm__yaml_word(p.key);
        TM_TRY(read_text(r, p.value, name, &text, err));
        json_object_set_new(options, name, json_string(text));
        tm__mem_free(text);
    }
    TM_TRY(st);
    return tm__json_check(err);
}

/* A word of a closed list. */
static tm_status read_word(tm_yaml *r, const yaml_node_t *value, const char *name,
                           const char *const *words, json_t *to, tm_err *err) {
    char *text = NULL;
    uint32_t n = 0;
    bool is_known = false;
    TM_TRY(read_text(r, value, name, &text, err));
    for (; words[n] != NULL; n++) {
        is_known = is_known || strcmp(words[n], text) == 0;
    }
    if (!is_known) {
        const char *near = tm__str_nearest(tm__str(text), words, n);
        (void)TM_FAIL(err, TM_E_DATA, "there is no %s '%s'", name, text);
        if (near != NULL) {
            tm_err_hint(err, "Did you mean '%s'?", near);
        } else {
            tm_err_hint(err, "%s",
                        words == tm__column_types
                            ? "Types are bool, int, float, text, date and time."
                            : "Roles are target, time, entity, weight, group and sensitive.");
        }
        tm__yaml_at(r, value, err);
    }
    json_object_set_new(to, name, json_string(text));
    tm__mem_free(text);
    return is_known ? TM_OK : TM_E_DATA;
}

/* What becomes of its values: table/privacy.h. */
static tm_status read_privacy(tm_yaml *r, const yaml_node_t *value, const char *column, json_t *to,
                              tm_err *err) {
    tm_privacy privacy;
    char *text = NULL;
    TM_TRY(read_text(r, value, "policy", &text, err));
    json_object_set_new(to, "policy", json_string(text));
    const tm_status st =
        at(r, value, tm__privacy_parse(column, text, TM_TYPE_NONE, &privacy, err), err);
    tm__mem_free(text);
    return st;
}

/* What may be said of a column. */
static const char *const parts[] = {"type", "required", "role", "policy", "keep"};
enum { TYPE, REQUIRED, ROLE, POLICY, KEEP, N_PARTS };

static tm_status read_part(const tm_yaml_pairs *p, const char *column, json_t *to, tm_err *err) {
    static const source_key keep = {"keep", "keep_s", DURATION, NULL};
    bool flag = false;
    switch (p->name) {
    case TYPE:
        return read_word(p->r, p->value, "type", tm__column_types, to, err);
    case ROLE:
        return read_word(p->r, p->value, "role", tm__column_roles, to, err);
    case POLICY:
        return read_privacy(p->r, p->value, column, to, err);
    case KEEP:
        return put_value(p->r, p->value, &keep, to, err);
    default:
        TM_TRY(read_bool(p->r, p->value, "required", &flag, err));
        if (flag) {
            json_object_set_new(to, "required", json_true());
        }
        return TM_OK;
    }
}

static tm_status read_column(tm_yaml *r, const yaml_node_t *value, const char *column, json_t *to,
                             tm_err *err) {
    if (value->type == YAML_SCALAR_NODE) {
        return read_word(r, value, "type", tm__column_types, to, err);
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, value, column, parts, N_PARTS);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_part(&p, column, to, err);
    }
    return st;
}

static tm_status read_columns(reading *s, const yaml_node_t *map, tm_err *err) {
    tm_yaml *const r = s->r;
    json_t *columns = json_object();
    json_object_set_new(s->source->spec, "columns", columns);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "columns", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        const char *name = tm__yaml_word(p.key);
        json_t *column = json_object();
        json_object_set_new(columns, name, column);
        TM_TRY(read_column(r, p.value, name, column, err));
        if (strcmp(tm__json_text(column, "role", ""), "target") != 0) {
            continue;
        }
        const char *target = tm__json_text(s->source->spec, "target", name);
        if (strcmp(target, name) != 0) {
            st = TM_FAIL(err, TM_E_DATA, "'%s' and '%s' are both the target", target, name);
            tm_err_hint(err, "One column is to be predicted: name it once.");
            tm__yaml_at(r, p.key, err);
        }
        json_object_set_new(s->source->spec, "target", json_string(name));
    }
    return st;
}

/* ---- Where rows come from ---- */

static tm_status set_feed(reading *s, const yaml_node_t *key, const char *feed, tm_err *err) {
    if (s->source->feed != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "a source is read from one place, and '%s' is a second one",
                      (const char *)key->data.scalar.value);
        tm_err_hint(err, "Make two sources of it, or remove one.");
        tm__yaml_at(s->r, key, err);
        return TM_E_DATA;
    }
    s->source->feed = feed;
    return TM_OK;
}

/* {dsn_file: FILE, query: SQL, cursor: COL, settle: TIME} */
static tm_status read_feed_map(reading *s, const yaml_node_t *map, size_t feed, tm_err *err) {
    tm_yaml *const r = s->r;
    const char *names[N_KEYS + 1] = {feeds[feed].main};
    for (size_t i = 0; i < N_KEYS; i++) {
        names[i + 1] = keys[i].name;
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, feeds[feed].name, names, N_KEYS + 1);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        char *text = NULL;
        if (p.name > 0) {
            st = put_value(r, p.value, &keys[p.name - 1], s->source->spec, err);
            continue;
        }
        TM_TRY(read_text(r, p.value, feeds[feed].main, &text, err));
        json_object_set_new(s->source->spec, feeds[feed].feed, json_string(text));
        tm__mem_free(text);
    }
    TM_TRY(st);
    return json_object_get(s->source->spec, feeds[feed].feed) != NULL
               ? TM_OK
               : tm__yaml_bad_value(r, map, feeds[feed].name, feeds[feed].main, err);
}

static tm_status read_feed(reading *s, const yaml_node_t *key, const yaml_node_t *value,
                           size_t feed, tm_err *err) {
    char *text = NULL;
    TM_TRY(set_feed(s, key, feeds[feed].feed, err));
    if (value->type != YAML_SCALAR_NODE && feeds[feed].main != NULL) {
        return read_feed_map(s, value, feed, err);
    }
    TM_TRY(read_text(s->r, value, feeds[feed].name, &text, err));
    json_object_set_new(s->source->spec, feeds[feed].feed, json_string(text));
    tm__mem_free(text);
    return TM_OK;
}

static tm_status read_push(reading *s, const yaml_node_t *key, const yaml_node_t *value,
                           tm_err *err) {
    bool flag = false;
    TM_TRY(read_bool(s->r, value, "push", &flag, err));
    return flag ? set_feed(s, key, "push", err) : TM_OK;
}

/* ---- A source ---- */

static tm_status read_consent(reading *s, const yaml_node_t *value, tm_err *err) {
    return tm__project_read_consent(s->r, value, s->source->spec, err);
}

static tm_status read_nothing(reading *s, const yaml_node_t *value, tm_err *err) {
    (void)s, (void)value, (void)err;
    return TM_OK;
}

static const struct {
    const char *name;
    tm_status (*read)(reading *s, const yaml_node_t *value, tm_err *err);
} others[] = {
    {"key", read_key},         {"expect", read_nothing}, /* before the policies, which name rules */
    {"policy", read_policy},   {"columns", read_columns},
    {"options", read_options}, {"consent", read_consent},
};
#define N_OTHERS (sizeof(others) / sizeof(others[0]))

/* Names of all keys: those of feeds, of values, push, and the others. */
#define PUSH (N_FEEDS + N_KEYS)
#define N_ALL (PUSH + 1 + N_OTHERS)

static void all_names(const char *out[N_ALL]) {
    for (size_t i = 0; i < N_ALL; i++) {
        out[i] = i < N_FEEDS ? feeds[i].name
                 : i < PUSH  ? keys[i - N_FEEDS].name
                 : i > PUSH  ? others[i - PUSH - 1].name
                             : "push";
    }
}

static tm_status read_one(reading *s, const tm_yaml_pairs *p, tm_err *err) {
    const size_t i = p->name;
    return i < N_FEEDS ? read_feed(s, p->key, p->value, i, err)
           : i < PUSH  ? put_value(s->r, p->value, &keys[i - N_FEEDS], s->source->spec, err)
           : i == PUSH ? read_push(s, p->key, p->value, err)
                       : others[i - PUSH - 1].read(s, p->value, err);
}

/* The rules first: policies name them. */
static tm_status read_rules(reading *s, const yaml_node_t *map, tm_err *err) {
    tm_yaml_pairs p = tm__yaml_pairs(s->r, map, s->source->name, NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = tm__str_is(tm__yaml_scalar(p.key), "expect") ? read_expect(s, p.value, err) : TM_OK;
    }
    return st;
}

/* Keys that only some kinds of source have; the others are told by the feeds themselves. */
static tm_status check_kinds(const tm_project_source *source, tm_err *err) {
    const bool is_database = strcmp(source->feed, "postgres") == 0 ||
                             strcmp(source->feed, "sqlite") == 0 ||
                             strcmp(source->feed, "odbc") == 0;
    for (size_t i = 0; i < N_KEYS; i++) {
        const bool is_query = i < 3; /* query, cursor, settle */
        const bool is_wrong = is_query
                                  ? !is_database
                                  : keys[i].feed != NULL && strcmp(keys[i].feed, source->feed) != 0;
        if (is_wrong && json_object_get(source->spec, keys[i].member) != NULL) {
            const tm_status st = TM_FAIL(err, TM_E_DATA, "'%s' is for %s", keys[i].name,
                                         is_query                          ? "databases"
                                         : strcmp(keys[i].feed, "s3") == 0 ? "buckets (s3)"
                                                                           : "topics (kafka)");
            tm_err_hint(err, "Leave it out of a source of '%s'.", source->feed);
            return st;
        }
    }
    return TM_OK;
}

static tm_status check_source(const tm_yaml *r, const tm_project_source *source, tm_err *err) {
    if (source->feed == NULL) {
        const tm_status st = TM_FAIL(
            err, TM_E_DATA, "source '%s' does not say where its rows come from", source->name);
        tm_err_hint(err, "Give one of push: true, files, watch, sql, sqlite, postgres, odbc, s3, "
                         "kafka and reader.");
        return st;
    }
    TM_TRY(check_kinds(source, err));
    if (json_object_get(source->spec, "options") != NULL && strcmp(source->feed, "reader") != 0) {
        return TM_FAIL(err, TM_E_DATA, "'options' are for a reader, the source of a module");
    }
    json_object_set_new(source->spec, "declared", json_true());
    if (strcmp(source->feed, "push") != 0) {
        json_object_set_new(source->spec, "dir", json_string(r->dir));
    }
    if (strcmp(source->feed, "watch") == 0 && json_object_get(source->spec, "every_s") == NULL) {
        json_object_set_new(source->spec, "every_s", json_integer(TM_WATCH_EVERY_S));
    }
    if (strcmp(source->feed, "kafka") == 0 && json_object_get(source->spec, "every_s") == NULL) {
        json_object_set_new(source->spec, "every_s", json_integer(TM_STREAM_EVERY_S));
    }
    TM_TRY(tm__json_check(err));
    const tm_intake_add add = tm__project_source_add(source);
    return tm__source_check(&add, err);
}

static tm_status read_source(tm_yaml *r, const yaml_node_t *name, const yaml_node_t *map,
                             tm_project_source *source, tm_err *err) {
    reading s = {r, source};
    const char *names[N_ALL];
    all_names(names);
    source->name = tm__mem_strdup(tm__yaml_word(name));
    source->spec = json_object();
    source->line = (uint32_t)name->start_mark.line + 1;
    source->col = (uint32_t)name->start_mark.column + 1;
    if (source->name == NULL || source->spec == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    TM_TRY(read_rules(&s, map, err));
    tm_yaml_pairs p = tm__yaml_pairs(r, map, source->name, names, N_ALL);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_one(&s, &p, err);
    }
    TM_TRY(st);
    TM_TRY(tm__json_check(err));
    return at(r, name, check_source(r, source, err), err);
}

tm_intake_add tm__project_source_add(const tm_project_source *source) {
    return (tm_intake_add){.name = source->name,
                           .feed = source->feed,
                           .spec = source->spec,
                           .keys = (const char *const *)source->keys,
                           .n_keys = source->n_keys};
}

void tm__project_source_done(tm_project_source *source) {
    for (uint32_t i = 0; i < source->n_keys; i++) {
        tm__mem_free(source->keys[i]);
    }
    tm__mem_free(source->keys);
    tm__mem_free(source->name);
    json_decref(source->spec);
}

tm_status tm__project_read_sources(tm_yaml *r, const yaml_node_t *map, tm_project *project,
                                   tm_err *err) {
    project->sources = tm__mem_zalloc(tm__yaml_count(map) + 1, sizeof(*project->sources));
    if (project->sources == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "sources", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_source(r, p.key, p.value, &project->sources[project->n_sources++], err);
    }
    return st;
}
