/* SPDX-License-Identifier: Apache-2.0 */
/* For which versions online features are kept. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop_upkeep_priv.h"

void tm__kept_version_done(tm_kept_version *version) {
    tm__online_plan_done(&version->plan);
}

void tm__kept_done(tm_kept *kept) {
    for (uint32_t i = 0; i < kept->n; i++) {
        tm__kept_version_done(&kept->versions[i]);
    }
    tm__mem_free(kept->versions);
    *kept = (tm_kept){0};
}

static bool has(const tm_kept *kept, const tm_version *version) {
    for (uint32_t i = 0; i < kept->n; i++) {
        if (kept->versions[i].version == version->number &&
            strcmp(kept->versions[i].model, version->model) == 0) {
            return true;
        }
    }
    return false;
}

/* A plan that cannot be read is a problem of the version, not of the others. */
static tm_status fill(tm_registry *registry, const tm_version *version, tm_kept_version *out,
                      tm_err *err) {
    tm_err why = {0};
    json_t *recipe = NULL;
    *out = (tm_kept_version){.version = version->number};
    (void)tm__str_copy(out->model, sizeof(out->model), tm__str(version->model));
    TM_TRY(tm__registry_recipe(registry, version->model, &recipe, err));
    const tm_status st = tm__online_plan_read(version->info, recipe, &out->plan, &why);
    json_decref(recipe);
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, st, "%s", why.message);
    }
    if (st != TM_OK) {
        (void)snprintf(out->problem, sizeof(out->problem), "%.190s", why.message);
    } else if (!tm__online_plan_has_sources(&out->plan)) {
        (void)snprintf(out->problem, sizeof(out->problem),
                       "it was trained on no source of the home, and 'online' names none");
    }
    return TM_OK;
}

static tm_status add(tm_registry *registry, const char *name, tm_kept *kept, tm_err *err) {
    tm_version version = {0};
    tm_err why = {0};
    tm_status st = tm__registry_find(registry, name, &version, &why);
    if (st != TM_OK) { /* no such version: a model of one has no challenger */
        return st == TM_E_NOT_FOUND ? TM_OK : TM_FAIL(err, st, "%s", why.message);
    }
    if (tm__online_plan_has(version.info) && !has(kept, &version)) {
        tm_kept_version *const grown =
            tm__mem_realloc(kept->versions, (size_t)kept->n + 1, sizeof(*grown));
        if (grown == NULL) {
            tm__version_done(&version);
            return TM_FAIL(err, TM_E_NOMEM, "no memory for versions");
        }
        kept->versions = grown;
        st = fill(registry, &version, &grown[kept->n], err);
        kept->n += st == TM_OK ? 1 : 0;
    }
    tm__version_done(&version);
    return st;
}

static tm_status add_model(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    tm_kept *const kept = arg;
    char name[TM_MAX_NAME + 24];
    uint32_t earlier = 0;
    TM_TRY(add(registry, model, kept, err));
    (void)snprintf(name, sizeof(name), "%s@challenger", model);
    TM_TRY(add(registry, name, kept, err));
    if (tm__registry_earlier(registry, model, &earlier, NULL) != TM_OK || earlier == 0) {
        return TM_OK;
    }
    (void)snprintf(name, sizeof(name), "%s@%u", model, earlier);
    return add(registry, name, kept, err);
}

tm_status tm__kept_read(tm_registry *registry, tm_kept *out, tm_err *err) {
    tm_kept kept = {0};
    const tm_status st = tm__registry_each_model(registry, add_model, &kept, err);
    if (st != TM_OK) {
        tm__kept_done(&kept);
        return st;
    }
    *out = kept;
    return TM_OK;
}

tm_status tm__kept_read_one(tm_registry *registry, const char *name, tm_kept_version *out,
                            tm_err *err) {
    tm_version version = {0};
    TM_TRY(tm__registry_find(registry, name, &version, err));
    tm_status st = TM_OK;
    if (!tm__online_plan_has(version.info)) {
        st = TM_FAIL(err, TM_E_UNSUPPORTED, "version %u of '%.64s' has no features over windows",
                     version.number, version.model);
        tm_err_hint(err, "Models have them that were trained with features over windows.");
    } else {
        st = fill(registry, &version, out, err);
    }
    tm__version_done(&version);
    if (st == TM_OK && out->problem[0] != '\0') {
        st = TM_FAIL(err, TM_E_UNSUPPORTED, "%s", out->problem);
        tm__kept_version_done(out);
    }
    return st;
}
