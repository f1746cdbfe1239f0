/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/project_masks.h"

#include <stdio.h>
#include <string.h>

#include "source/sql_sources.h"

static bool names_source(const char *sql, const char *source) {
    json_t *const words = tm__sql_table_words(sql);
    size_t i = 0;
    const json_t *word = NULL;
    bool is_there = false;
    json_array_foreach(words, i, word) {
        is_there = is_there || tm__str_is_nocase(tm__str(json_string_value(word)), source);
    }
    json_decref(words);
    return is_there;
}

/* Whether a step of a feature program reads a column: one text, or a list of them. */
static bool reads(const json_t *step, const char *column) {
    const char *member = NULL;
    json_t *value = NULL;
    bool is_read = false;
    json_object_foreach((json_t *)(uintptr_t)step, member, value) {
        size_t i = 0;
        const json_t *one = NULL;
        is_read =
            is_read || (json_is_string(value) && strcmp(json_string_value(value), column) == 0);
        json_array_foreach(value, i, one) {
            is_read =
                is_read || (json_is_string(one) && strcmp(json_string_value(one), column) == 0);
        }
    }
    return is_read;
}

static bool has_read(const json_t *info, const char *column) {
    size_t i = 0;
    const json_t *step = NULL;
    bool is_read = false;
    json_array_foreach(json_object_get(info, "program"), i, step) {
        is_read = is_read || reads(step, column);
    }
    return is_read;
}

bool tm__project_tells(const json_t *info, const char *source, const char *column,
                       const char *policy) {
    const json_t *const recipe = json_object_get(info, "recipe");
    const json_t *const from = json_object_get(recipe, "source");
    const char *const sql = tm__json_text(from, "sql", NULL);
    const json_t *const columns = json_object_get(json_object_get(recipe, "privacy"), "columns");
    const bool has_learned = sql != NULL ? names_source(sql, source)
                                         : strcmp(tm__json_text(from, "source", ""), source) == 0;
    return has_learned && has_read(info, column) &&
           strcmp(tm__json_text(columns, column, ""), policy) != 0;
}

typedef struct masked {
    const char *source, *column, *policy;
    json_t *numbers; /* versions of one model, the oldest first */
    json_t *out;
} masked;

static tm_status look_version(void *arg, const tm_version *version, tm_err *err) {
    const masked *const m = arg;
    (void)err;
    if (strcmp(version->state, "collected") != 0 &&
        tm__project_tells(version->info, m->source, m->column, m->policy)) {
        json_array_insert_new(m->numbers, 0, json_integer((json_int_t)version->number));
    }
    return TM_OK;
}

static tm_status look_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    masked *const m = arg;
    m->numbers = json_array();
    const tm_status st = tm__registry_each_version(registry, model, look_version, m, err);
    if (json_array_size(m->numbers) > 0) {
        json_array_append_new(m->out, json_pack("{s:s, s:O, s:s, s:s, s:s}", "model", model,
                                                "versions", m->numbers, "source", m->source,
                                                "column", m->column, "policy", m->policy));
    }
    json_decref(m->numbers);
    return st;
}

tm_status tm__project_unmasked(tm_registry *registry, const tm_project *project, json_t **out,
                               tm_err *err) {
    json_t *list = json_array();
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < project->n_sources; i++) {
        const json_t *const spec = project->sources[i].spec;
        const char *name = NULL;
        json_t *column = NULL;
        json_object_foreach(json_object_get(spec, "columns"), name, column) {
            const char *const policy = tm__json_text(column, "policy", "");
            masked m = {project->sources[i].name, name, policy, NULL, list};
            if (st == TM_OK && strncmp(policy, "mask", 4) == 0) {
                st = tm__registry_each_model(registry, look_model, &m, err);
            }
        }
    }
    return tm__json_give(st, list, out, err);
}
