/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules that a bundle needs: info's "modules", [{"hash", "kind", "name", "version"}] by name.
 * Written from what the model is made of, and asked for before anything is made from the bytes.
 */
#include <string.h>

#include "base/user_module.h"
#include "model/bundle_priv.h"
#include "model/module/module_learner.h"

#define MEMBER "modules"

static json_t *entry_of(const tm_user_module *module, const char *kind) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&module->hash, hash);
    return json_pack("{s:s, s:s, s:s, s:s}", "hash", hash, "kind", kind, "name",
                     module->table->name, "version", module->table->version);
}

/* ---- what is used ---- */

typedef struct used {
    bool learners[TM_MAX_MODULES]; /* by place on the list */
} used;

static void note_model(void *arg, const tm_model *model) {
    used *self = arg;
    const tm_user_module *module = tm__module_of(model->ops);
    for (uint32_t i = 0; module != NULL && i < TM_MAX_MODULES; i++) {
        self->learners[i] = self->learners[i] || tm__user_module_at(i) == module;
    }
    if (model->ops->each_part != NULL) {
        model->ops->each_part(model, note_model, arg);
    }
}

/* In the order of names; of one name, of kinds. */
static void insert(json_t *list, const tm_user_module *module, const char *kind) {
    size_t at = 0;
    while (at < json_array_size(list) &&
           strcmp(tm__json_text(json_array_get(list, at), "name", ""), module->table->name) <= 0) {
        at++;
    }
    (void)json_array_insert_new(list, at, entry_of(module, kind));
}

/* Entries by name; an empty array when nothing of a module is used. */
static json_t *list_used(const tm_program *program, const tm_model *model) {
    json_t *list = json_array();
    used found = {0};
    note_model(&found, model);
    for (uint32_t i = 0; i < TM_MAX_MODULES; i++) {
        const tm_user_module *module = tm__user_module_at(i);
        if (found.learners[i]) {
            insert(list, module, "learner");
        }
        if (module != NULL && tm__program_calls(program, module)) {
            insert(list, module, "transform");
        }
    }
    return list;
}

tm_status tm__bundle_modules_write(const tm_bundle_parts *parts, json_t **out, tm_err *err) {
    json_t *list = list_used(parts->program, parts->model);
    /* jansson copies through a pointer that is not const and changes nothing. */
    json_t *info = json_copy((json_t *)(uintptr_t)parts->info);
    int bad = 0;
    if (json_array_size(list) > 0) {
        bad = json_object_set(info, MEMBER, list);
    } else {
        (void)json_object_del(info, MEMBER);
    }
    json_decref(list);
    const tm_status st = tm__json_check(err);
    if (st != TM_OK || info == NULL || bad != 0) {
        json_decref(info);
        return st != TM_OK ? st : TM_FAIL(err, TM_E_NOMEM, "out of memory for a bundle's info");
    }
    *out = info;
    return TM_OK;
}

/* ---- what is asked for ---- */

static tm_status damaged(tm_err *err) {
    (void)TM_FAIL(err, TM_E_INTEGRITY,
                  "bundle is damaged in section 'info': '" MEMBER "' is not what it needs");
    tm_err_hint(err, "Take the file from a backup or train again; nothing of it was used.");
    return TM_E_INTEGRITY;
}

/* A text of a file, fit to be shown. */
static bool is_shown(const char *text) {
    size_t n = 0;
    while (text != NULL && n < TM_MODULE_NAME_SIZE && text[n] > ' ' && text[n] < 0x7f) {
        n++;
    }
    return n > 0 && n < TM_MODULE_NAME_SIZE && text[n] == '\0';
}

static tm_status check_entry(const json_t *entry, tm_err *err) {
    const char *const name = tm__json_text(entry, "name", NULL);
    const char *const version = tm__json_text(entry, "version", NULL);
    const char *const text = tm__json_text(entry, "hash", NULL);
    tm_hash hash;
    char own[TM_HASH_TEXT];
    if (!is_shown(name) || version == NULL || text == NULL || !tm__hash_from_text(text, &hash)) {
        return damaged(err);
    }
    const char *const shown = is_shown(version) ? version : "";
    const tm_user_module *module = tm__user_module_find(name);
    if (module == NULL) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "the model needs module '%s' %s, which is not loaded: its file has hash %s",
                      name, shown, text);
        tm_err_hint(err, "Add the file with 'tidemill module add FILE', or name it with --module "
                         "FILE; one with another hash will not do.");
        return TM_E_UNSUPPORTED;
    }
    if (!tm__hash_eq(&module->hash, &hash)) {
        tm__hash_to_text(&module->hash, own);
        (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                      "the model needs module '%s' %s with hash %.16s..., the one that is loaded "
                      "(%s) has %.16s...",
                      name, shown, text, module->table->version, own);
        tm_err_hint(err, "Add the file that it was trained with in place of the other, or train "
                         "again with this one.");
        return TM_E_UNSUPPORTED;
    }
    return TM_OK;
}

tm_status tm__bundle_modules_check(const json_t *info, tm_err *err) {
    const json_t *list = json_object_get(info, MEMBER);
    if (list != NULL && !json_is_array(list)) {
        return damaged(err);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        TM_TRY(check_entry(json_array_get(list, i), err));
    }
    return TM_OK;
}

tm_status tm__bundle_modules_match(const json_t *info, const tm_program *program,
                                   const tm_model *model, tm_err *err) {
    const json_t *said = json_object_get(info, MEMBER);
    json_t *list = list_used(program, model);
    tm_status st = tm__json_check(err);
    if (st == TM_OK && (said != NULL ? json_equal(said, list) == 0 || json_array_size(list) == 0
                                     : json_array_size(list) > 0)) {
        st = damaged(err);
    }
    json_decref(list);
    return st;
}
