/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   version ──> bundle (opened, or that of a route that has it) ──> room? ──> plan, counters, a
 * warm scratch for each thread ──> ready to be published
 *
 * What fails on the way is let go whole: tm__served_unref() ends what there is of it.
 */
#include "serve/prepare.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "monitor/explored.h"
#include "registry/moments.h"
#include "serve/counted.h"
#include "serve/decode.h"
#include "serve/fields.h"
#include "serve/fill.h"
#include "serve/requests.h"

static void free_scratches(tm_served *served) {
    for (uint32_t i = 0; served->scratches != NULL && i < served->n_scratches; i++) {
        tm__bundle_scratch_free(served->scratches[i]);
    }
    tm__mem_free(served->scratches);
    served->scratches = NULL;
}

tm_served *tm__served_ref(tm_served *served) {
    atomic_fetch_add(&served->refs, 1);
    return served;
}

void tm__served_unref(tm_served *served) {
    if (served != NULL && atomic_fetch_sub(&served->refs, 1) == 1) {
        free_scratches(served);
        tm__counted_free(served->counted);
        tm__requests_free(served->requests);
        tm__fields_free(served->fields);
        tm__plan_free(served->plan);
        tm__fill_free(served->fill);
        tm__bundle_unref(served->bundle);
        tm__mem_free(served);
    }
}

/* One for each thread that predicts, each warm: it has answered the golden rows. */
static tm_status make_scratches(const tm_prepare *terms, tm_served *served, tm_err *err) {
    served->n_scratches = terms->n_desks > 0 ? terms->n_desks : 1;
    served->scratches = tm__mem_zalloc(served->n_scratches, sizeof(tm_bundle_scratch *));
    for (uint32_t i = 0; served->scratches != NULL && i < served->n_scratches; i++) {
        served->scratches[i] = tm__bundle_scratch_create(served->bundle);
        if (served->scratches[i] == NULL) {
            break;
        }
        TM_TRY(tm__bundle_golden_check(served->bundle, served->scratches[i], err));
    }
    if (served->scratches == NULL || served->scratches[served->n_scratches - 1] == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    served->requests = tm__requests_create(served->n_scratches);
    if (served->requests == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    return tm__counted_create(served->bundle, served->n_scratches, &served->counted, err);
}

static double mib(uint64_t bytes) {
    return (double)bytes / 1048576;
}

/* What is served goes on while the new one is made, so both must fit. */
static tm_status check_room(const tm_prepare *terms, uint64_t bytes, tm_err *err) {
    if (terms->memory_max == 0 ||
        (bytes <= terms->memory_max && terms->held_bytes <= terms->memory_max - bytes)) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_REFUSED,
                  "version %u of '%.64s' needs %.1f MiB beside the %.1f MiB of what is served, and "
                  "--memory-limit is %.1f MiB",
                  terms->route->version, terms->route->model, mib(bytes), mib(terms->held_bytes),
                  mib(terms->memory_max));
    tm_err_hint(err, "Raise --memory-limit (a swap holds the old version and the new one), or "
                     "serve fewer models.");
    return TM_E_REFUSED;
}

double tm__explored_of(const json_t *recipe, const tm_bundle *bundle) {
    const double share = tm__json_f64(recipe, "explore", 0);
    return tm__bundle_classes(bundle) > 0 && share > 0 ? fmin(share, TM_EXPLORED_SHARE_MAX) : 0;
}

/* The plan of rows, and what fills those that leave features out. */
static tm_status make_plan(const tm_prepare *terms, tm_served *served, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(terms->registry, served->model, &recipe, err));
    tm_status st = tm__fill_create(served->bundle, recipe, served->n_scratches, &served->fill, err);
    served->explore = tm__explored_of(recipe, served->bundle);
    json_decref(recipe);
    TM_TRY(st);
    tm_plan_filled filled = {0};
    if (served->fill != NULL) {
        filled.names = tm__fill_names(served->fill, &filled.n_names);
    }
    st = tm__plan_create(served->bundle, served->fill == NULL ? NULL : &filled, &served->plan, err);
    if (st == TM_OK && served->fill != NULL) {
        tm__fill_bind(served->fill, served->plan);
    }
    TM_TRY(st);
    served->fields = tm__fields_create(tm__plan_names(served->plan), tm__plan_cells(served->plan),
                                       served->n_scratches);
    if (served->fields == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__plan_count(served->plan, served->fields);
    return TM_OK;
}

/* A rollback must not be stopped by what clients send since: who answered here before does again.
 */
static tm_status warm_up(const tm_prepare *terms, tm_served *served, tm_err *err) {
    bool was_champion = false;
    json_t *recipe = NULL;
    tm_err own = {0};
    if (terms->warm.monitor == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__registry_was_champion(terms->registry, served->model, served->version, &was_champion,
                                     err));
    TM_TRY(tm__registry_recipe(terms->registry, served->model, &recipe, err));
    const tm_warm_terms asked = {.source = terms->warm,
                                 .model = served->model,
                                 .route = served->route,
                                 .version = served->version,
                                 .n_rows = tm__warm_rows(recipe)};
    json_decref(recipe);
    const tm_status st = tm__warm_up(served->bundle, &asked, &served->n_warm, &own);
    if (st == TM_OK || (st == TM_E_REFUSED && was_champion)) {
        return TM_OK;
    }
    if (err != NULL) {
        *err = own;
    }
    return st;
}

static tm_status fill(const tm_prepare *terms, tm_served *served, tm_err *err) {
    tm_version version = {.bundle_hash = terms->route->bundle_hash};
    (void)tm__str_copy(version.model, sizeof(version.model), tm__str(served->model));
    /* The file is the least that it holds: what cannot fit is not even opened. */
    TM_TRY(check_room(terms, tm__registry_bundle_bytes(terms->registry, &version), err));
    TM_TRY(tm__registry_bundle(terms->registry, &version, &served->bundle, err));
    const int64_t before = tm__mem_thread_bytes();
    TM_TRY(make_scratches(terms, served, err));
    TM_TRY(make_plan(terms, served, err));
    const int64_t beside = tm__mem_thread_bytes() - before;
    served->bytes = tm__bundle_bytes(served->bundle) + (beside > 0 ? (uint64_t)beside : 0);
    served->class_kind = tm__bundle_class_kind(served->bundle);
    TM_TRY(check_room(terms, served->bytes, err));
    return warm_up(terms, served, err);
}

static tm_served *create(const tm_route *route) {
    tm_served *served = tm__mem_zalloc(1, sizeof *served);
    if (served != NULL) {
        atomic_init(&served->refs, 1);
        (void)tm__str_copy(served->route, sizeof served->route, tm__str(route->name));
        (void)tm__str_copy(served->model, sizeof served->model, tm__str(route->model));
        served->version = route->version;
        served->hash = route->bundle_hash;
    }
    return served;
}

tm_status tm__prepare(const tm_prepare *terms, tm_served **out, tm_err *err) {
    tm_served *served = create(terms->route);
    if (served == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = fill(terms, served, err);
    if (st != TM_OK) {
        tm__served_unref(served);
        return st;
    }
    *out = served;
    return TM_OK;
}

tm_served *tm__prepare_stale(const tm_prepare *terms, const tm_served *older, const char *problem) {
    tm_served *served = create(terms->route);
    if (served == NULL) {
        return NULL;
    }
    served->is_stale = true;
    served->wanted_version = served->version;
    (void)tm__str_copy(served->problem, sizeof served->problem, tm__str(problem));
    if (older == NULL) {
        return served;
    }
    served->version = older->version;
    served->hash = older->hash;
    served->bundle = tm__bundle_ref(older->bundle);
    served->bytes = older->bytes;
    if (make_scratches(terms, served, NULL) != TM_OK || make_plan(terms, served, NULL) != TM_OK) {
        tm__served_unref(served);
        return NULL;
    }
    served->class_kind = tm__bundle_class_kind(served->bundle);
    return served;
}
