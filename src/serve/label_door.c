/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/label_door.h"

#include <string.h>

#include "source/intake.h"

static tm_bundle *served_bundle(const tm_current *current, const char *model) {
    for (uint32_t i = 0; i < current->n; i++) {
        if (strcmp(current->routes[i]->model, model) == 0 && current->routes[i]->bundle != NULL) {
            return current->routes[i]->bundle;
        }
    }
    return NULL;
}

/* The champion of a model that no route serves. */
static tm_status load_bundle(tm_label_door *door, const tm_desk *desk, const char *model,
                             tm_err *err) {
    tm_version version = {0};
    tm_err own = {0};
    tm_status st = tm__registry_find(desk->registry, model, &version, &own);
    st = st == TM_OK ? tm__registry_bundle(desk->registry, &version, &door->bundle, &own) : st;
    tm__version_done(&version);
    if (st == TM_E_NOT_FOUND) {
        return tm__intake_has_pseudonyms(desk->home, &door->must_wait, err);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

static tm_status turn_to(tm_label_door *door, const tm_exchange *x, const char *model,
                         tm_err *err) {
    tm_bundle *const served = served_bundle(x->current, model);
    tm__label_door_done(door);
    TM_TRY(served == NULL ? load_bundle(door, x->desk, model, err) : TM_OK);
    const tm_bundle *const bundle = served != NULL ? served : door->bundle;
    TM_TRY(bundle == NULL ? TM_OK : tm__label_cover_init(bundle, &door->cover, err));
    door->model = model;
    return TM_OK;
}

tm_status tm__label_door_pass(tm_label_door *door, const tm_exchange *x, tm_arena *arena,
                              tm_label *label, const char **out_why, tm_err *err) {
    *out_why = NULL;
    if (label->model == NULL) {
        return TM_OK;
    }
    if (door->model == NULL || strcmp(door->model, label->model) != 0) {
        TM_TRY(turn_to(door, x, label->model, err));
    }
    *out_why = door->must_wait && label->entity != NULL
                   ? "names an entity of a model that is not there yet, and sources here keep "
                     "people by pseudonyms"
                   : tm__label_cover(&door->cover, arena, label);
    return TM_OK;
}

void tm__label_door_done(tm_label_door *door) {
    tm__bundle_unref(door->bundle);
    *door = (tm_label_door){0};
}
