/* SPDX-License-Identifier: Apache-2.0 */
/* What is served from one generation of the registry. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "registry/moments.h"
#include "serve/arms.h"
#include "serve/fill.h"
#include "serve/prepare.h"

#define KEPT_MAX 3u /* of a route: what a rollback brings back, the challenger, what was before */

static void meter_unref(tm_key_meter *meter) {
    if (meter != NULL && atomic_fetch_sub(&meter->refs, 1) == 1) {
        tm__mem_free(meter);
    }
}

tm_current *tm__current_ref(tm_current *current) {
    atomic_fetch_add(&current->refs, 1);
    return current;
}

void tm__current_unref(tm_current *current) {
    if (current != NULL && atomic_fetch_sub(&current->refs, 1) == 1) {
        for (uint32_t i = 0; i < current->n; i++) {
            tm__served_unref(current->routes[i]);
        }
        for (uint32_t i = 0; i < current->n_kept; i++) {
            tm__served_unref(current->kept[i]);
        }
        tm__online_unref(current->online);
        for (uint32_t i = 0; current->arms != NULL && i < current->n; i++) {
            tm__arms_free(current->arms[i]);
        }
        tm__mem_free(current->arms);
        tm__mem_free(current->earlier);
        tm__mem_free(current->routes);
        tm__mem_free(current->kept);
        for (uint32_t i = 0; current->keyring.keys != NULL && i < current->keyring.n; i++) {
            tm__mem_free(current->keyring.keys[i].models);
            tm__mem_free(current->keyring.keys[i].name);
            meter_unref(current->keyring.keys[i].meter);
        }
        tm__mem_free(current->keyring.keys);
        tm__server_key_done(&current->keyring.server);
        tm__mem_free(current);
    }
}

tm_served *tm__current_spare(const tm_current *current, tm_served *route, const tm_served *failed) {
    if (failed != route) {
        return route;
    }
    for (uint32_t i = 0; i < current->n; i++) {
        if (current->routes[i] == route && current->earlier[i] != 0) {
            tm_served *const found = tm__current_version(current, route, current->earlier[i]);
            return found == failed ? NULL : found;
        }
    }
    return NULL;
}

tm_served *tm__current_find(const tm_current *current, const char *route) {
    for (uint32_t i = 0; i < current->n; i++) {
        if (strcmp(current->routes[i]->route, route) == 0) {
            return current->routes[i];
        }
    }
    return NULL;
}

tm_served *tm__current_version(const tm_current *current, tm_served *served, uint64_t version) {
    if (version == 0 || version == served->version) {
        return served;
    }
    for (uint32_t i = 0; i < current->n_kept; i++) {
        tm_served *s = current->kept[i];
        if (s->version == version && strcmp(s->route, served->route) == 0) {
            return s;
        }
    }
    return NULL;
}

const tm_arms *tm__current_arms(const tm_current *current, const tm_served *route) {
    for (uint32_t i = 0; i < current->n; i++) {
        if (current->routes[i] == route) {
            return current->arms[i] != NULL && current->arms[i]->route.n_arms > 0 ? current->arms[i]
                                                                                  : NULL;
        }
    }
    return NULL;
}

const tm_arms *tm__current_shadow(const tm_current *current, const tm_served *route) {
    for (uint32_t i = 0; i < current->n; i++) {
        if (current->routes[i] == route) {
            return current->arms[i] != NULL && current->arms[i]->shadow != NULL ? current->arms[i]
                                                                                : NULL;
        }
    }
    return NULL;
}

typedef struct loader {
    tm_registry *registry;
    const tm_current_past *past;
    const tm_log *log;
    tm_current *current;
    uint32_t capacity, keys_capacity;
    bool out_of_memory;
    tm_route *wanted; /* [n_wanted]: bundles are opened after the list was read */
    uint32_t n_wanted;
} loader;

static bool want_route(void *arg, const tm_route *route) {
    loader *l = arg;
    if (l->n_wanted == l->capacity) {
        const uint32_t capacity = l->capacity == 0 ? 8 : l->capacity * 2;
        tm_route *grown = tm__mem_realloc(l->wanted, capacity, sizeof *grown);
        if (grown == NULL) {
            l->out_of_memory = true;
            return false;
        }
        l->wanted = grown;
        l->capacity = capacity;
    }
    l->wanted[l->n_wanted++] = *route;
    return true;
}

/* What the key has used is remembered from one generation to the next; NULL: out of memory. */
static tm_key_meter *get_meter(const tm_current *past, const char *id) {
    for (uint32_t i = 0; past != NULL && i < past->keyring.n; i++) {
        const tm_known_key *k = &past->keyring.keys[i];
        if (k->meter != NULL && strcmp(k->id, id) == 0) {
            atomic_fetch_add(&k->meter->refs, 1);
            return k->meter;
        }
    }
    tm_key_meter *meter = tm__mem_zalloc(1, sizeof *meter);
    if (meter != NULL) {
        atomic_init(&meter->refs, 1);
    }
    return meter;
}

static bool want_key(void *arg, const tm_stored_key *stored) {
    loader *l = arg;
    tm_keyring *ring = &l->current->keyring;
    if (ring->n == l->keys_capacity) {
        const uint32_t capacity = l->keys_capacity == 0 ? 8 : l->keys_capacity * 2;
        tm_known_key *grown = tm__mem_realloc(ring->keys, capacity, sizeof *grown);
        if (grown == NULL) {
            l->out_of_memory = true;
            return false;
        }
        ring->keys = grown;
        l->keys_capacity = capacity;
    }
    const tm_key_terms *terms = &stored->terms;
    tm_known_key *key = &ring->keys[ring->n++];
    *key =
        (tm_known_key){.role = terms->role, .hash = stored->hash, .expires_us = terms->expires_us};
    (void)tm__str_copy(key->id, sizeof key->id, tm__str(stored->id));
    if (terms->models[0] != '\0') {
        key->models = tm__mem_strdup(terms->models);
        l->out_of_memory = l->out_of_memory || key->models == NULL;
    }
    if (tm__password_is_id(stored->id)) {
        key->name = tm__mem_strdup(terms->name);
        l->out_of_memory = l->out_of_memory || key->name == NULL;
    }
    if (!tm__rates_parse(tm__str(terms->rates), key->rates, &key->n_rates)) {
        key->role =
            TM_GUARD_NOBODY; /* of a later release, perhaps: no limit would be the worse guess */
        key->n_rates = 0;
    }
    if (key->n_rates > 0) {
        key->meter = get_meter(l->past->latest, key->id);
        l->out_of_memory = l->out_of_memory || key->meter == NULL;
    }
    return !l->out_of_memory;
}

/* What of the past may answer for a route and version. */
static tm_served *find_resident(const tm_current_past *past, const tm_route *route) {
    const tm_current *latest = past->latest;
    const uint32_t n_routes = latest == NULL ? 0 : latest->n;
    const uint32_t n = n_routes + (latest == NULL ? 0 : latest->n_kept);
    for (uint32_t i = 0; i < n + 2; i++) {
        tm_served *s = i < n_routes ? latest->routes[i]
                       : i < n      ? latest->kept[i - n_routes]
                       : i == n     ? past->prepared
                                    : past->opened;
        if (s != NULL && !s->is_stale && s->version == route->version &&
            strcmp(s->route, route->name) == 0 && strcmp(s->model, route->model) == 0 &&
            tm__hash_eq(&s->hash, &route->bundle_hash)) {
            return s;
        }
    }
    return NULL;
}

/* A version whose file was removed, of an erased subject say, is not to answer any more. */
static bool is_collected(tm_registry *registry, const char *model, uint32_t number) {
    char name[TM_MAX_NAME + 24];
    tm_version version = {0};
    (void)snprintf(name, sizeof name, "%s@%u", model, number);
    const bool is = tm__registry_find(registry, name, &version, NULL) == TM_OK &&
                    strcmp(version.state, "collected") == 0;
    tm__version_done(&version);
    return is;
}

/* Bytes of the first n entries of a list that no entry before, here or in another list, counts. */
static uint64_t count_bytes(tm_served *const *list, uint32_t n, tm_served *const *others,
                            uint32_t n_others) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool is_known = list[i]->bundle == NULL;
        for (uint32_t k = 0; k < i && !is_known; k++) {
            is_known = list[k]->bundle == list[i]->bundle;
        }
        for (uint32_t k = 0; k < n_others && !is_known; k++) {
            is_known = others[k]->bundle == list[i]->bundle;
        }
        bytes += is_known ? 0 : list[i]->bytes;
    }
    return bytes;
}

static uint64_t sum_bytes(const tm_current *current) {
    return count_bytes(current->routes, current->n, NULL, 0) +
           count_bytes(current->kept, current->n_kept, current->routes, current->n);
}

/* What is served now goes on until the swap, beside what the new generation has already. */
static uint64_t held_bytes(const tm_current_past *past, const tm_current *made) {
    const uint32_t n_now = past->latest == NULL ? 0 : past->latest->n;
    tm_served *const *now = past->latest == NULL ? NULL : past->latest->routes;
    const uint32_t n_made = made == NULL ? 0 : made->n;
    return count_bytes(now, n_now, NULL, 0) +
           count_bytes(made == NULL ? NULL : made->routes, n_made, now, n_now);
}

/* At the start nothing else could answer, so nothing is asked of what does. */
static tm_warm_source warm_of(const tm_current_past *past, const char *route) {
    const tm_served *now = past->latest == NULL ? NULL : tm__current_find(past->latest, route);
    return now == NULL || now->bundle == NULL ? (tm_warm_source){0}
                                              : (tm_warm_source){past->monitor, past->log};
}

static tm_prepare terms_of(const loader *l, const tm_route *route) {
    return (tm_prepare){.registry = l->registry,
                        .warm = warm_of(l->past, route->name),
                        .route = route,
                        .n_desks = l->past->n_desks,
                        .memory_max = l->past->memory_max,
                        .held_bytes = held_bytes(l->past, l->current)};
}

#define EARLIER_TRIES 8u /* files that are read before a route is given up */

static tm_served *open_number(loader *l, const tm_route *route, uint32_t number) {
    char name[TM_MAX_NAME + 24];
    tm_version version = {0};
    tm_served *served = NULL;
    (void)snprintf(name, sizeof name, "%s@%u", route->model, number);
    if (tm__registry_find(l->registry, name, &version, NULL) == TM_OK) {
        tm_route other = *route;
        other.version = version.number;
        other.bundle_hash = version.bundle_hash;
        const tm_prepare terms = terms_of(l, &other);
        served = tm__prepare(&terms, &served, NULL) == TM_OK ? served : NULL;
        tm__version_done(&version);
    }
    return served;
}

/* The champion before, opened for a route whose own cannot be served and that has nothing yet: a
 * server that was just started. Where that cannot be served either, the newest other version that
 * was champion once. NULL: there is none. */
static tm_served *open_earlier(loader *l, const tm_route *route) {
    uint32_t earlier = 0;
    uint32_t n_tries = 0;
    tm_served *served = NULL;
    if (tm__registry_earlier(l->registry, route->model, &earlier, NULL) == TM_OK && earlier != 0 &&
        earlier != route->version) {
        n_tries++;
        served = open_number(l, route, earlier);
    }
    for (uint32_t v = served == NULL ? route->version + EARLIER_TRIES : 0; v > 0; v--) {
        bool was_champion = false;
        if (v == route->version || v == earlier ||
            tm__registry_was_champion(l->registry, route->model, v, &was_champion, NULL) != TM_OK ||
            !was_champion) {
            continue;
        }
        served = open_number(l, route, v);
        if (served != NULL || ++n_tries == EARLIER_TRIES) {
            break;
        }
    }
    return served;
}

/* The route cannot have its version: it keeps what it has, and says why. The same refusal again is
 * nothing new: the entry stays, and the log is spared. */
static tm_served *make_stale(loader *l, const tm_route *route, const tm_err *why) {
    tm_served *now =
        l->past->latest == NULL ? NULL : tm__current_find(l->past->latest, route->name);
    const bool is_of_model =
        now != NULL && strcmp(now->model, route->model) == 0 &&
        (now->bundle == NULL || !is_collected(l->registry, now->model, now->version));
    if (is_of_model && now->is_stale && now->wanted_version == route->version &&
        strcmp(now->problem, why->message) == 0) {
        return tm__served_ref(now);
    }
    const bool has_now = is_of_model && now->bundle != NULL;
    tm_served *const earlier = has_now ? NULL : open_earlier(l, route);
    const tm_served *const older = has_now ? now : earlier;
    tm_log_event(l->log, TM_ERROR, why->status == TM_E_REFUSED ? "model.refused" : "model.broken",
                 TM_FT("model", route->model), TM_FI("version", route->version),
                 TM_FT("error", why->message), TM_FT("hint", why->hint),
                 TM_FI("serving", older != NULL ? older->version : 0));
    const tm_prepare terms = terms_of(l, route);
    tm_served *const stale = tm__prepare_stale(&terms, older, why->message);
    tm__served_unref(earlier);
    return stale;
}

/* Whether an entry answers as its model's recipe says now. */
static bool is_as_declared(const loader *l, const tm_served *served) {
    json_t *recipe = NULL;
    tm_fill *fill = NULL;
    if (served->bundle == NULL ||
        tm__registry_recipe(l->registry, served->model, &recipe, NULL) != TM_OK) {
        return true;
    }
    const json_t *const info = tm__bundle_info(served->bundle);
    const double from = tm__registry_threshold(recipe, info);
    const double gap = from - tm__bundle_threshold(served->bundle);
    const json_t *const columns = json_object_get(recipe, "columns");
    bool is_so = tm__bundle_task(served->bundle) != TM_TASK_BINARY || (!(gap < 0) && !(gap > 0));
    const double more = tm__explored_of(recipe, served->bundle) - served->explore;
    is_so = is_so && !(more < 0) && !(more > 0);
    is_so = is_so && (columns == NULL || json_equal(columns, tm__bundle_columns(served->bundle)));
    if (is_so && tm__online_plan_has(info) && served->fill != NULL) {
        is_so = tm__fill_is_like(served->fill, info, recipe);
    } else if (is_so && tm__online_plan_has(info)) {
        const tm_status st = tm__fill_create(served->bundle, recipe, 1, &fill, NULL);
        is_so = st != TM_OK || fill == NULL;
        tm__fill_free(fill);
    }
    json_decref(recipe);
    return is_so;
}

/* Of a loader: what is resident, still there, and answers as is declared now: arms and shadows and
 * what a rollback brings back as well as the champion. */
static tm_served *find_there(const loader *l, const tm_route *route) {
    tm_served *const found = find_resident(l->past, route);
    return found == NULL || is_collected(l->registry, route->model, route->version) ||
                   !is_as_declared(l, found)
               ? NULL
               : found;
}

/* The store as it is now: that of the past when nothing newer is there, for a process opens each
 * one once. One that cannot be opened is none; who needs it is told. */
static void take_store(loader *l) {
    const tm_current *const latest = l->past->latest;
    tm_online *const now = latest == NULL ? NULL : latest->online;
    if (l->past->store == 0) {
        return;
    }
    if (now != NULL && l->past->store == tm__online_generation(now)) {
        l->current->online = tm__online_ref(now);
    } else if (tm__online_open(l->past->home, l->past->store, &l->current->online, NULL) != TM_OK) {
        l->current->online = NULL; /* gone again: a newer one is about to be found whole */
    }
}

/* The entry that serves a route from now on; NULL when out of memory. */
static tm_served *make_served(loader *l, const tm_route *route) {
    tm_served *served = find_there(l, route);
    if (served != NULL) {
        return tm__served_ref(served);
    }
    tm_err err = {0};
    const tm_prepare terms = terms_of(l, route);
    const tm_status st = tm__prepare(&terms, &served, &err);
    if (st == TM_E_NOMEM) { /* says nothing of the model: the load as a whole is tried again */
        return NULL;
    }
    return st == TM_OK ? served : make_stale(l, route, &err);
}

/* ---- what is kept beside what is served ---- */

static bool has_version(const tm_current *current, const tm_route *route) {
    tm_served *served = tm__current_find(current, route->name);
    return served == NULL || tm__current_version(current, served, route->version) != NULL;
}

static uint32_t count_kept(const tm_current *current, const char *route) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < current->n_kept; i++) {
        n += strcmp(current->kept[i]->route, route) == 0 ? 1 : 0;
    }
    return n;
}

/* Takes the reference when there is memory for the list. */
static bool append_kept(tm_current *current, tm_served *served) {
    tm_served **grown = tm__mem_realloc(current->kept, current->n_kept + 1, sizeof *grown);
    if (grown != NULL) {
        current->kept = grown;
        current->kept[current->n_kept++] = served;
    }
    return grown != NULL;
}

/* Takes the reference when it is kept. What does not fit is left out: it goes first. */
static bool keep(loader *l, tm_served *served) {
    tm_current *current = l->current;
    const uint64_t max = l->past->memory_max;
    current->bytes = sum_bytes(current);
    return !(max > 0 && (served->bytes > max || current->bytes > max - served->bytes)) &&
           count_kept(current, served->route) < KEPT_MAX && append_kept(current, served);
}

/* Keep a version of a route that is resident. */
static void keep_version(loader *l, const tm_route *route) {
    tm_served *const found = has_version(l->current, route) ? NULL : find_there(l, route);
    tm_served *const served = found == NULL ? NULL : tm__served_ref(found);
    if (served != NULL && !keep(l, served)) {
        tm__served_unref(served);
    }
}

/* What a route keeps besides what it serves, by rank: *out is the route with that version; false
 * when there is none of this rank. */
#define RANKS 2u /* what a rollback would bring back, the challenger */
static bool find_wanted(tm_registry *registry, const tm_route *served, uint32_t rank,
                        tm_route *out) {
    char name[TM_MAX_NAME + 24];
    uint32_t earlier = 0;
    tm_version version = {0};
    if (rank == 0 &&
        (tm__registry_earlier(registry, served->model, &earlier, NULL) != TM_OK || earlier == 0)) {
        return false;
    }
    if (rank == 0) {
        (void)snprintf(name, sizeof name, "%s@%u", served->model, earlier);
    } else {
        (void)snprintf(name, sizeof name, "%s@challenger", served->model);
    }
    if (tm__registry_find(registry, name, &version, NULL) != TM_OK) {
        return false;
    }
    const bool is_there = strcmp(version.state, "collected") != 0;
    *out = *served;
    out->version = version.number;
    out->bundle_hash = version.bundle_hash;
    tm__version_done(&version);
    return is_there;
}

/* What a route keeps, in the order in which it would be missed. */
static void keep_of_route(loader *l, const tm_route *wanted) {
    const tm_current *latest = l->past->latest;
    const tm_served *now = latest == NULL ? NULL : tm__current_find(latest, wanted->name);
    tm_route route = *wanted;
    if (now != NULL && !now->is_stale) { /* what served until now */
        route.version = now->version;
        route.bundle_hash = now->hash;
        keep_version(l, &route);
    }
    for (uint32_t rank = 0; now != NULL && rank < RANKS; rank++) {
        if (find_wanted(l->registry, wanted, rank, &route)) {
            keep_version(l, &route);
        }
    }
    route = *wanted;
    for (uint32_t i = 0; latest != NULL && i < latest->n_kept; i++) {
        if (strcmp(latest->kept[i]->route, wanted->name) == 0) {
            route.version = latest->kept[i]->version;
            route.bundle_hash = latest->kept[i]->hash;
            keep_version(l, &route);
        }
    }
}

/* What is held beside a version of this rank: those behind it go first. */
static uint64_t held_before(const tm_current *latest, const char *route, uint32_t rank) {
    uint64_t held = latest->bytes;
    uint32_t n = 0;
    for (uint32_t i = 0; i < latest->n_kept; i++) {
        const tm_served *const s = latest->kept[i];
        if (strcmp(s->route, route) == 0 && n++ > rank) {
            held -= s->bytes < held ? s->bytes : held;
        }
    }
    return held;
}

tm_status tm__current_keep(tm_registry *registry, const tm_current_past *past, const tm_log *log,
                           uint32_t *io_next, tm_served **out, tm_err *err) {
    const tm_current *const latest = past->latest;
    *out = NULL;
    while (*out == NULL && *io_next < latest->n * RANKS) {
        tm_served *const served = latest->routes[*io_next / RANKS];
        const uint32_t rank = (*io_next)++ % RANKS;
        tm_route now = {.version = served->version, .bundle_hash = served->hash};
        tm_route route;
        tm_err own = {0};
        (void)tm__str_copy(now.name, sizeof now.name, tm__str(served->route));
        (void)tm__str_copy(now.model, sizeof now.model, tm__str(served->model));
        if (!find_wanted(registry, &now, rank, &route) || find_resident(past, &route) != NULL ||
            tm__current_version(latest, served, route.version) != NULL) {
            continue;
        }
        const tm_prepare terms = {.registry = registry,
                                  .warm = warm_of(past, route.name),
                                  .route = &route,
                                  .n_desks = past->n_desks,
                                  .memory_max = past->memory_max,
                                  .held_bytes = held_before(latest, route.name, rank)};
        const tm_status st = tm__prepare(&terms, out, &own);
        if (st == TM_E_NOMEM) {
            return TM_FAIL(err, st, "%s", own.message);
        }
        /* Nothing depends on it, so what cannot be kept is no error. */
        if (st != TM_OK && st != TM_E_REFUSED) {
            tm_log_event(log, TM_WARN, "model.not_kept", TM_FT("model", route.model),
                         TM_FI("version", route.version), TM_FT("error", own.message));
        }
    }
    return TM_OK;
}

/* ---- arms of split routes ---- */

/* The entry of an arm: resident, or made ready now, for requests wait for it. NULL: it could not
 * be, which is logged once; the champion answers for it. */
static tm_served *make_arm(loader *l, const tm_route *route, bool *out_of_memory) {
    tm_err err = {0};
    tm_served *served = find_there(l, route);
    if (served != NULL) {
        return tm__served_ref(served);
    }
    tm_prepare terms = terms_of(l, route);
    terms.held_bytes = sum_bytes(l->current);
    const tm_status st = tm__prepare(&terms, &served, &err);
    *out_of_memory = st == TM_E_NOMEM;
    if (st != TM_OK && st != TM_E_NOMEM) {
        tm_log_event(l->log, TM_ERROR, "arm.not_ready", TM_FT("route", route->name),
                     TM_FI("version", route->version), TM_FT("error", err.message),
                     TM_FT("hint", err.hint));
    }
    return st == TM_OK ? served : NULL;
}

/* *out NULL: it cannot be ready. False when out of memory. */
static bool find_arm(loader *l, uint32_t index, const tm_arm *arm, tm_served **out) {
    bool out_of_memory = false;
    tm_current *current = l->current;
    tm_route route = l->wanted[index];
    route.version = arm->version;
    route.bundle_hash = arm->bundle_hash;
    tm_served *served = tm__current_version(current, current->routes[index], arm->version);
    if (served == NULL && (served = make_arm(l, &route, &out_of_memory)) != NULL &&
        !append_kept(current, served)) {
        tm__served_unref(served);
        return false;
    }
    *out = served;
    return !out_of_memory;
}

static bool make_arms(loader *l, uint32_t index) {
    const tm_route *wanted = &l->wanted[index];
    if (wanted->n_arms == 0 && wanted->shadow.version == 0) {
        return true;
    }
    tm_arms *arms = tm__mem_zalloc(1, sizeof *arms);
    if (arms == NULL) {
        return false;
    }
    arms->route = *wanted;
    l->current->arms[index] = arms;
    if (wanted->n_arms > 0 && !tm__arms_read_units(arms, l->current->routes[index])) {
        return false;
    }
    for (uint32_t i = 0; i < wanted->n_arms; i++) {
        if (!find_arm(l, index, &wanted->arms[i], &arms->served[i])) {
            return false;
        }
    }
    return wanted->shadow.version == 0 || find_arm(l, index, &wanted->shadow, &arms->shadow);
}

tm_status tm__current_load(tm_registry *registry, const tm_current_past *past, const tm_log *log,
                           tm_current **out, tm_err *err) {
    loader l = {.registry = registry, .past = past, .log = log};
    json_t *all_keys = NULL;
    tm_status st = TM_OK;
    l.current = tm__mem_zalloc(1, sizeof *l.current);
    if (l.current == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    l.current->refs = 1;
    st = tm__registry_routes(registry, want_route, &l, err);
    st = st != TM_OK ? st : tm__registry_key_list(registry, want_key, &l, err);
    /* Also revoked ones: the last key's end must not open what it closed. */
    st = st != TM_OK ? st : tm__registry_keys(registry, &all_keys, err);
    if (st != TM_OK) {
        goto out;
    }
    bool has_server_key = false;
    if (l.current->keyring.n > 0) {
        st = tm__registry_server_key(registry, &l.current->keyring.server, &has_server_key, err);
    }
    if (st != TM_OK) {
        goto out;
    }
    l.current->keyring.number = 1 + (past->latest != NULL ? past->latest->keyring.number : 0);
    l.current->keyring.ever = json_array_size(all_keys) > 0;
    l.current->routes = tm__mem_zalloc(l.n_wanted, sizeof *l.current->routes);
    l.current->arms = tm__mem_zalloc(l.n_wanted, sizeof(tm_arms *));
    l.current->earlier = tm__mem_zalloc(l.n_wanted, sizeof *l.current->earlier);
    l.out_of_memory = l.out_of_memory || l.current->routes == NULL || l.current->arms == NULL ||
                      l.current->earlier == NULL;
    for (uint32_t i = 0; !l.out_of_memory && i < l.n_wanted; i++) {
        l.current->routes[i] = make_served(&l, &l.wanted[i]);
        l.out_of_memory = l.current->routes[i] == NULL;
        l.current->n += l.out_of_memory ? 0 : 1;
    }
    for (uint32_t i = 0; !l.out_of_memory && i < l.n_wanted; i++) {
        l.out_of_memory = !make_arms(&l, i);
    }
    if (l.out_of_memory) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        goto out;
    }
    for (uint32_t i = 0; i < l.n_wanted; i++) {
        keep_of_route(&l, &l.wanted[i]);
        if (tm__registry_earlier(registry, l.wanted[i].model, &l.current->earlier[i], NULL) !=
            TM_OK) {
            l.current->earlier[i] = 0; /* then nobody answers for the champion */
        }
    }
    take_store(&l);
    l.current->bytes = sum_bytes(l.current);
    *out = l.current;
    l.current = NULL;
out:
    json_decref(all_keys);
    tm__mem_free(l.wanted);
    tm__current_unref(l.current);
    return st;
}

tm_status tm__current_prepare(tm_registry *registry, const tm_current_past *past,
                              const tm_version *version, tm_served **out, tm_err *err) {
    tm_served *served = NULL;
    bool has_route = false;
    for (uint32_t i = 0; past->latest != NULL && i < past->latest->n; i++) {
        const tm_served *now = past->latest->routes[i];
        tm_route route = {.version = version->number, .bundle_hash = version->bundle_hash};
        if (strcmp(now->model, version->model) != 0) {
            continue;
        }
        has_route = true;
        (void)tm__str_copy(route.name, sizeof route.name, tm__str(now->route));
        (void)tm__str_copy(route.model, sizeof route.model, tm__str(now->model));
        const tm_served *ready = find_resident(past, &route);
        /* What is ready and whose file is another one by now would not be there after a start. */
        if (ready == NULL || !tm__registry_bundle_holds(registry, version, ready->bundle)) {
            const tm_prepare terms = {.registry = registry,
                                      .warm = warm_of(past, route.name),
                                      .route = &route,
                                      .n_desks = past->n_desks,
                                      .memory_max = past->memory_max,
                                      .held_bytes = held_bytes(past, NULL)};
            TM_TRY(tm__prepare(&terms, &served, err));
            *out = served;
            return TM_OK;
        }
    }
    if (!has_route) { /* nothing to make ready; its file must be whole all the same */
        tm_bundle *bundle = NULL;
        TM_TRY(tm__registry_bundle(registry, version, &bundle, err));
        tm__bundle_unref(bundle);
    }
    *out = NULL;
    return TM_OK;
}

bool tm__current_is_same(const tm_current *a, const tm_current *b) {
    if (a->n != b->n || a->keyring.ever != b->keyring.ever || a->keyring.n != b->keyring.n) {
        return false;
    }
    for (uint32_t i = 0; i < a->keyring.n; i++) {
        const tm_known_key *k = &a->keyring.keys[i];
        const tm_known_key *l = &b->keyring.keys[i];
        if (k->role != l->role || k->expires_us != l->expires_us ||
            !tm__hash_eq(&k->hash, &l->hash)) {
            return false;
        }
    }
    bool same = a->n_kept == b->n_kept && a->online == b->online;
    for (uint32_t i = 0; same && i < a->n; i++) {
        same = a->routes[i] == b->routes[i] && tm__arms_are_same(a->arms[i], b->arms[i]);
    }
    for (uint32_t i = 0; same && i < a->n_kept; i++) {
        same = a->kept[i] == b->kept[i];
    }
    return same;
}
