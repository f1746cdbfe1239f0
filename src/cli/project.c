/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml gives the document with the place of every node; this file walks it against tables of
 * known keys.
 *
 *   models:
 *     NAME:
 *       key: value          text, number, duration, truth value or list, by `keys`
 *       gate: {...}         by `read_gate`
 *       retrain: {every: 7d}
 *       labels: {delay: 1d, within: 2h, source: outcomes, entity: id, time: asked_at}
 *
 * Values land in the recipe JSON that `train` records and `retrain` reads, so there is one form of
 * a recipe.
 */
#include "cli/project_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/str.h"
#include "feature/feature_expr.h"
#include "feature/window_text.h"
#include "metric/metric.h"
#include "monitor/explored.h"
#include "source/rows_from.h"
#include "train/train.h"

typedef enum value_kind {
    VALUE_TEXT,
    VALUE_LIST,  /* of texts, or one text with commas */
    VALUE_WORDS, /* of texts, or one text, whatever is in it */
    VALUE_COUNT,
    VALUE_DURATION_MS,
    VALUE_CHOICE
} value_kind;

typedef struct model_key {
    const char *name;   /* in the file */
    const char *recipe; /* in the recipe */
    value_kind kind;
    const char *choices;
} model_key;

static const model_key keys[] = {
    {"target", "target", VALUE_TEXT, NULL},
    {"task", "task", VALUE_CHOICE, "auto binary multiclass regression ranking"},
    {"positive", "positive", VALUE_TEXT, NULL},
    {"metric", "metric", VALUE_TEXT, NULL},
    {"time", "time", VALUE_TEXT, NULL},
    {"entity", "entity", VALUE_TEXT, NULL},
    {"purpose", "purpose", VALUE_TEXT, NULL},
    {"weight", "weight", VALUE_TEXT, NULL},
    {"group", "group", VALUE_TEXT, NULL},
    {"init_score", "init_score", VALUE_TEXT, NULL},
    {"level_means", "level_means", VALUE_CHOICE, "held-out ordered"},
    {"threshold", "threshold", VALUE_TEXT, NULL},
    {"calibrate", "calibrate", VALUE_CHOICE, "auto none platt isotonic temperature"},
    {"select", "select", VALUE_CHOICE, "off auto"},
    {"split", "split", VALUE_TEXT, NULL},
    {"learner", "learners", VALUE_TEXT, NULL},
    {"owner", "owner", VALUE_TEXT, NULL},
    {"drop", "drop", VALUE_LIST, NULL},
    {"monotone", "monotone", VALUE_LIST, NULL},
    {"interact", "interact", VALUE_LIST, NULL},
    {"class_weight", "class_weights", VALUE_LIST, NULL},
    {"param", "params", VALUE_LIST, NULL},
    {"features", "features", VALUE_WORDS, NULL},
    {"known", "known", VALUE_WORDS, NULL},
    {"as", "as", VALUE_LIST, NULL},
    {"crosses", "crosses", VALUE_CHOICE, "auto none"},
    {"seed", "seed", VALUE_COUNT, NULL},
    {"work", "work", VALUE_COUNT, NULL},
    {"budget", "budget_ms", VALUE_DURATION_MS, NULL},
    {"gap", "gap_ms", VALUE_DURATION_MS, NULL},
};
#define WARM_UP_MAX 10000u
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* What a feature says is read here, so that an error has its line. */
static tm_status add_words(const tm_yaml *r, const yaml_node_t *node, const model_key *key,
                           json_t *list, tm_err *err) {
    char *text = NULL;
    tm_window_text feature = {0};
    TM_TRY(tm__yaml_text(r, node, &text, err));
    const bool is_feature = strcmp(key->name, "features") == 0 && tm__expr_is_window(text);
    const bool is_expr = !is_feature && strcmp(key->name, "features") == 0;
    tm_status st = is_feature ? tm__window_text_read(text, &feature, err)
                   : is_expr  ? tm__expr_check_words(text, err)
                              : TM_OK;
    tm__window_text_done(&feature);
    if (st == TM_E_USAGE) {
        if (err != NULL) {
            err->status = TM_E_DATA; /* a wrong word on the command line, a wrong value in a file */
        }
        st = TM_E_DATA;
        tm__yaml_at(r, node, err);
    }
    json_array_append_new(list, json_string(text));
    tm__mem_free(text);
    return st;
}

static tm_status read_list(tm_yaml *r, const yaml_node_t *node, const model_key *key,
                           json_t *recipe, tm_err *err) {
    json_t *list = json_array();
    json_object_set_new(recipe, key->recipe, list);
    if (node->type == YAML_SCALAR_NODE && key->kind == VALUE_WORDS) {
        return add_words(r, node, key, list, err);
    }
    if (node->type == YAML_SCALAR_NODE) {
        tm_str rest = tm__yaml_scalar(node);
        while (rest.len > 0) {
            const tm_str part = tm__str_trim(tm__str_cut(&rest, ','));
            json_array_append_new(list, json_stringn(part.ptr, part.len));
        }
        return TM_OK;
    }
    if (node->type != YAML_SEQUENCE_NODE) {
        return tm__yaml_bad_value(r, node, key->name, "a list", err);
    }
    for (const yaml_node_item_t *i = node->data.sequence.items.start;
         i < node->data.sequence.items.top; i++) {
        const yaml_node_t *const item = yaml_document_get_node(&r->document, *i);
        char *text = NULL;
        if (key->kind == VALUE_WORDS) {
            TM_TRY(add_words(r, item, key, list, err));
            continue;
        }
        TM_TRY(tm__yaml_text(r, item, &text, err));
        json_array_append_new(list, json_string(text));
        tm__mem_free(text);
    }
    return TM_OK;
}

static tm_status read_value(tm_yaml *r, const yaml_node_t *node, const model_key *key,
                            json_t *recipe, tm_err *err) {
    uint64_t count = 0;
    int64_t us = 0;
    char *text = NULL;
    if (key->kind == VALUE_LIST || key->kind == VALUE_WORDS) {
        return read_list(r, node, key, recipe, err);
    }
    TM_TRY(tm__yaml_text(r, node, &text, err));
    tm_status st = TM_OK;
    json_t *value = NULL;
    if (key->kind == VALUE_COUNT) {
        if (!tm__str_to_u64(tm__str(text), &count) || count > INT64_MAX) {
            st = tm__yaml_bad_value(r, node, key->name, "a whole number", err);
        }
        value = json_integer((json_int_t)count);
    } else if (key->kind == VALUE_DURATION_MS) {
        st = tm__yaml_time(r, node, key->name, 1, "60s, 15m or 7d", &us, err);
        value = json_integer(us / 1000);
    } else if (key->kind == VALUE_CHOICE && !tm__str_lists(tm__str(key->choices), ' ', text)) {
        st = TM_FAIL(err, TM_E_DATA, "'%s' is one of: %s", key->name, key->choices);
        tm__yaml_at(r, node, err);
    } else {
        tm_split split;
        value = json_string(text);
        if (strcmp(key->name, "split") == 0) {
            st = tm__split_parse(text, &split, err);
        } else if (strcmp(key->name, "metric") == 0 && tm__metric_find(text) == NULL) {
            st = tm__yaml_bad_metric(r, node, text, err);
        }
        if (st != TM_OK) {
            if (err != NULL) {
                err->status =
                    TM_E_DATA; /* a wrong word on the command line, a wrong value in a file */
            }
            st = TM_E_DATA;
            tm__yaml_at(r, node, err);
        }
    }
    tm__mem_free(text);
    if (st != TM_OK) {
        json_decref(value);
        return st;
    }
    json_object_set_new(recipe, key->recipe, value);
    return TM_OK;
}

/* `from` is a query when it starts as one, a source of the home, else a path or glob below the
 * file's folder; of what the file declares, see resolve_sources(). */
static tm_status read_from(tm_yaml *r, const yaml_node_t *node, tm_project_model *model,
                           tm_err *err) {
    json_t *const recipe = model->recipe;
    char *text = NULL;
    model->line = (uint32_t)node->start_mark.line + 1;
    model->col = (uint32_t)node->start_mark.column + 1;
    TM_TRY(tm__yaml_text(r, node, &text, err));
    json_t *source = tm__rows_from_text(text, r->dir);
    tm__mem_free(text);
    json_object_set_new(recipe, "source", source);
    json_object_set_new(recipe, "dir", json_string(r->dir));
    return source == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the recipe") : TM_OK;
}

/* events: {payments: payments.csv}: where the features of other sources find their events. */
static tm_status read_events(tm_yaml *r, const yaml_node_t *map, json_t *recipe, tm_err *err) {
    json_t *events = json_object();
    json_object_set_new(recipe, "events", events);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "events", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        char *text = NULL;
        TM_TRY(tm__yaml_text(r, p.value, &text, err));
        json_object_set_new(events, tm__yaml_word(p.key), tm__rows_from_text(text, r->dir));
        tm__mem_free(text);
    }
    TM_TRY(st);
    return tm__json_check(err);
}

/* explore: 0.02: of such a share of requests decisions are drawn. */
static tm_status read_explore(tm_yaml *r, const yaml_node_t *node, json_t *recipe, tm_err *err) {
    double share = 0;
    if (node->type != YAML_SCALAR_NODE || !tm__str_to_f64(tm__yaml_scalar(node), &share) ||
        !(share >= 0 && share <= TM_EXPLORED_SHARE_MAX)) {
        return tm__yaml_bad_value(r, node, "explore", "a share of requests, 0 to 0.5", err);
    }
    json_object_set_new(recipe, "explore", json_real(share));
    return TM_OK;
}

/* warm_up: 256: so many logged requests must have an answer before a version is visible. */
static tm_status read_warm_up(tm_yaml *r, const yaml_node_t *node, json_t *recipe, tm_err *err) {
    uint64_t n = 0;
    if (node->type != YAML_SCALAR_NODE || !tm__str_to_u64(tm__yaml_scalar(node), &n) ||
        n > WARM_UP_MAX) {
        return tm__yaml_bad_value(r, node, "warm_up", "a number of requests, 0 to 10000", err);
    }
    json_object_set_new(recipe, "warm_up", json_integer((json_int_t)n));
    return TM_OK;
}

static tm_status read_gate(tm_yaml *r, const yaml_node_t *map, tm_project_model *model,
                           tm_err *err) {
    model->has_gate = true;
    return tm__project_read_gate(r, map, &model->gate, err);
}

/* What else a model says, most of it in its recipe. */
static const struct {
    const char *name;
    tm_status (*read)(tm_yaml *r, const yaml_node_t *value, json_t *recipe, tm_err *err);
    tm_status (*read_model)(tm_yaml *r, const yaml_node_t *value, tm_project_model *model,
                            tm_err *err);
} parts[] = {
    {"from", NULL, read_from},
    {"gate", NULL, read_gate},
    {"retrain", tm__project_read_retrain, NULL},
    {"labels", tm__project_read_labels, NULL},
    {"online", tm__project_read_online, NULL},
    {"events", read_events, NULL},
    {"monitor", tm__project_read_monitor, NULL},
    {"log", tm__project_read_log, NULL},
    {"webhooks", tm__project_read_webhooks, NULL},
    {"warm_up", read_warm_up, NULL},
    {"rollout", tm__project_read_rollout, NULL},
    {"columns", tm__project_read_columns, NULL},
    {"explore", read_explore, NULL},
};
#define N_PARTS (sizeof(parts) / sizeof(parts[0]))

static tm_status read_key(const tm_yaml_pairs *p, tm_project_model *model, tm_err *err) {
    const size_t part = p->name - N_KEYS;
    if (p->name < N_KEYS) {
        return read_value(p->r, p->value, &keys[p->name], model->recipe, err);
    }
    return parts[part].read != NULL ? parts[part].read(p->r, p->value, model->recipe, err)
                                    : parts[part].read_model(p->r, p->value, model, err);
}

static tm_status read_model(tm_yaml *r, const yaml_node_t *name, const yaml_node_t *map,
                            tm_project_model *model, tm_err *err) {
    const char *names[N_KEYS + N_PARTS];
    for (size_t i = 0; i < N_KEYS + N_PARTS; i++) {
        names[i] = i < N_KEYS ? keys[i].name : parts[i - N_KEYS].name;
    }
    if (name->data.scalar.length > TM_MAX_NAME) {
        return tm__yaml_bad_value(r, name, "models", "shorter names", err);
    }
    model->name = tm__mem_strdup(tm__yaml_word(name));
    model->recipe = json_object();
    if (model->name == NULL || model->recipe == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, model->name, names, N_KEYS + N_PARTS);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_key(&p, model, err);
    }
    TM_TRY(st);
    TM_TRY(tm__json_check(err)); /* what memory ran out for is not what the file lacks */
    static const char *const needed[][3] = {
        {"source", "from", "Say which rows it learns from: a file, a source, or a SELECT."},
        {"target", "target", "Say which column it predicts."}};
    for (uint32_t i = 0; i < 2; i++) {
        if (json_object_get(model->recipe, needed[i][0]) == NULL) {
            (void)TM_FAIL(err, TM_E_DATA, "model '%s' has no '%s'", model->name, needed[i][1]);
            tm_err_hint(err, "%s", needed[i][2]);
            tm__yaml_at(r, name, err);
            return TM_E_DATA;
        }
    }
    st = tm__project_check_columns(model->name, model->recipe, err);
    if (st != TM_OK) {
        tm__yaml_at(r, name, err);
    }
    return st;
}

/* A zero byte in quotes ("a\\0") would cut a text off where it is used. */
static tm_status check_texts(tm_yaml *r, tm_err *err) {
    for (const yaml_node_t *node = r->document.nodes.start; node < r->document.nodes.top; node++) {
        if (node->type == YAML_SCALAR_NODE && node->data.scalar.length > 0 &&
            memchr(node->data.scalar.value, 0, node->data.scalar.length) != NULL) {
            (void)TM_FAIL(err, TM_E_DATA, "a zero byte in a text");
            tm__yaml_at(r, node, err);
            return TM_E_DATA;
        }
    }
    return TM_OK;
}

static tm_status read_models(tm_yaml *r, const yaml_node_t *map, tm_project *project, tm_err *err) {
    project->models = tm__mem_zalloc(tm__yaml_count(map) + 1, sizeof(*project->models));
    if (project->models == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    }
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "models", NULL, 0);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_model(r, p.key, p.value, &project->models[project->n_models++], err);
    }
    return st;
}

/* What a project file may declare: each section is read by a file of its own. */
static const struct {
    const char *name;
    tm_status (*read)(tm_yaml *r, const yaml_node_t *value, tm_project *project, tm_err *err);
} sections[] = {
    {"sources", tm__project_read_sources},
    {"models", read_models},
    {"sinks", tm__project_read_sinks},
    {"encrypt", tm__project_read_encrypt},
};
#define N_SECTIONS (sizeof(sections) / sizeof(sections[0]))

static tm_status read_root(tm_yaml *r, tm_project *project, tm_err *err) {
    const yaml_node_t *root = yaml_document_get_root_node(&r->document);
    const char *names[N_SECTIONS];
    for (size_t i = 0; i < N_SECTIONS; i++) {
        names[i] = sections[i].name;
    }
    if (root == NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "the project file is empty");
        tm_err_at(err, r->path, 1, 1);
        return TM_E_DATA;
    }
    TM_TRY(check_texts(r, err));
    tm_yaml_pairs p = tm__yaml_pairs(r, root, "the project", names, N_SECTIONS);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = sections[p.name].read(r, p.value, project, err);
    }
    return st;
}

/* A path that is the name of a source which the file declares is that source. */
/* A path that is the name of a declared source is that source. */
static void resolve_source(const tm_project *project, json_t *of, const char *key) {
    const char *path = tm__json_text(json_object_get(of, key), "path", NULL);
    for (uint32_t k = 0; path != NULL && k < project->n_sources; k++) {
        if (strcmp(path, project->sources[k].name) == 0) {
            json_object_set_new(of, key, json_pack("{s:s}", "source", project->sources[k].name));
            return;
        }
    }
}

static void resolve_sources(tm_project *project) {
    for (uint32_t i = 0; i < project->n_models; i++) {
        json_t *recipe = project->models[i].recipe;
        json_t *events = json_object_get(recipe, "events");
        const char *name = NULL;
        json_t *from = NULL;
        resolve_source(project, recipe, "source");
        json_object_foreach(events, name, from) {
            resolve_source(project, events, name);
        }
    }
}

static tm_status folder_of(const char *path, char **out, tm_err *err) {
    char *full = NULL;
    TM_TRY(tm__fs_real_path(path, &full, err));
    *strrchr(full, '/') = '\0';
    *out = full;
    return TM_OK;
}

/* A tab where blanks are wanted is what YAML refuses most often, and nobody sees it. */
static void hint_yaml(tm_str text, const yaml_parser_t *parser, tm_err *err) {
    const size_t at = parser->problem_mark.index;
    if (parser->error == YAML_SCANNER_ERROR && at < text.len && text.ptr[at] == '\t') {
        tm_err_hint(err, "Indent by blanks: YAML takes no tab there.");
    } else if (parser->error == YAML_READER_ERROR) {
        tm_err_hint(err, "The file must be UTF-8.");
    }
}

tm_status tm__project_parse(tm_str text, const char *path, const char *dir, tm_project *out,
                            tm_err *err) {
    tm_project project = {0};
    tm_yaml r = {.path = path, .dir = dir};
    yaml_parser_t parser;
    tm_status st = TM_OK;
    if (yaml_parser_initialize(&parser) == 0) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", path);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.ptr, text.len);
    /* libyaml does not name each lack of memory an error. */
    const bool is_loaded = yaml_parser_load(&parser, &r.document) != 0;
    if (!is_loaded && (parser.error == YAML_MEMORY_ERROR || parser.error == YAML_NO_ERROR)) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", path);
    } else if (!is_loaded) {
        st = TM_FAIL(err, TM_E_DATA, "the file is no YAML: %s",
                     parser.problem != NULL ? parser.problem : "cannot be read");
        hint_yaml(text, &parser, err);
        tm_err_at(err, path, parser.problem_mark.line + 1,
                  (uint32_t)parser.problem_mark.column + 1);
    } else {
        st = read_root(&r, &project, err);
        if (st == TM_OK) {
            resolve_sources(&project);
            st = tm__json_check(err);
        }
        yaml_document_delete(&r.document);
    }
    yaml_parser_delete(&parser);
    if (st != TM_OK) {
        tm__project_done(&project);
        return st;
    }
    *out = project;
    return TM_OK;
}

tm_status tm__project_read(const char *path, tm_project *out, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, TM_PROJECT_BYTES_MAX);
    tm_status st = tm__fs_read_all(path, &text, err);
    char *dir = NULL;
    if (st == TM_OK) {
        st = folder_of(path, &dir, err);
    }
    if (st == TM_OK) {
        st = tm__project_parse((tm_str){(const char *)text.data, text.len}, path, dir, out, err);
    }
    tm__buf_done(&text);
    tm__mem_free(dir);
    return st;
}

void tm__project_done(tm_project *project) {
    for (uint32_t i = 0; i < project->n_models; i++) {
        tm__mem_free(project->models[i].name);
        json_decref(project->models[i].recipe);
    }
    tm__mem_free(project->models);
    for (uint32_t i = 0; i < project->n_sources; i++) {
        tm__project_source_done(&project->sources[i]);
    }
    tm__mem_free(project->sources);
    for (uint32_t i = 0; i < project->n_sinks; i++) {
        tm__mem_free(project->sinks[i].name);
        json_decref(project->sinks[i].spec);
    }
    tm__mem_free(project->sinks);
    tm__mem_free(project->encrypt_from);
    memset(project, 0, sizeof(*project));
}

const char *tm__project_template(void) {
    return "# What this project learns and how it keeps right. `tidemill check` reads this file,\n"
           "# `tidemill apply` brings the home to it, `tidemill retrain MODEL` learns by it.\n"
           "models:\n"
           "  churn:                       # a name of your own: also the route /v1/routes/churn\n"
           "    from: data/customers.csv   # a file, a glob, or a query: SELECT * FROM "
           "'a.parquet'\n"
           "    target: churned            # the column to predict\n"
           "    # time: signed_up_at       # orders the rows: the newest are the test\n"
           "    # drop: [customer_id]      # columns to leave out\n"
           "    # metric: logloss          # the score that decides\n"
           "    # budget: 60s              # stop the search after a minute\n"
           "    gate:                      # what a new version must meet before it serves\n"
           "      better_than: champion    # on the newest labelled answers\n"
           "      # by: 0.002              # by at least this much\n"
           "      # min: {auc: 0.70}       # and never below this on its own test rows\n"
           "    # retrain: {every: 7d}     # `tidemill run` learns again on this schedule\n"
           "    # labels: {delay: 1d}      # in which what came true is known\n"
           "    # owner: ops@example.com\n";
}
