/* SPDX-License-Identifier: Apache-2.0 */
/* What is served from one generation of the registry. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "serve/decode.h"
#include "serve/serve_priv.h"

static void free_scratches(tm_served *served) {
    for (uint32_t i = 0; served->scratches != NULL && i < served->n_scratches; i++) {
        tm__bundle_scratch_free(served->scratches[i]);
    }
    tm__mem_free(served->scratches);
    served->scratches = NULL;
}

static void served_unref(tm_served *served) {
    if (served != NULL && atomic_fetch_sub(&served->refs, 1) == 1) {
        free_scratches(served);
        tm__plan_free(served->plan);
        tm__bundle_unref(served->bundle);
        tm__mem_free(served);
    }
}

static tm_served *served_ref(tm_served *served) {
    atomic_fetch_add(&served->refs, 1);
    return served;
}

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
            served_unref(current->routes[i]);
        }
        tm__mem_free(current->routes);
        for (uint32_t i = 0; current->keyring.keys != NULL && i < current->keyring.n; i++) {
            tm__mem_free(current->keyring.keys[i].models);
            meter_unref(current->keyring.keys[i].meter);
        }
        tm__mem_free(current->keyring.keys);
        tm__server_key_done(&current->keyring.server);
        tm__mem_free(current);
    }
}

tm_served *tm__current_find(const tm_current *current, const char *route) {
    for (uint32_t i = 0; i < current->n; i++) {
        if (strcmp(current->routes[i]->route, route) == 0) {
            return current->routes[i];
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

/* How classes look in JSON: true and false, whole numbers, or texts. */
static void look_at_classes(tm_served *served) {
    const uint32_t n = tm__bundle_classes(served->bundle);
    served->classes_are_bool = n == 2;
    served->classes_are_int = n > 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *text = tm__bundle_class(served->bundle, i);
        int64_t number = 0;
        char again[32];
        served->classes_are_bool =
            served->classes_are_bool && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
        if (!tm__str_to_i64(tm__str(text), &number)) {
            served->classes_are_int = false;
            continue;
        }
        (void)snprintf(again, sizeof again, "%lld", (long long)number);
        served->classes_are_int = served->classes_are_int && strcmp(again, text) == 0;
    }
}

/* One for each thread that predicts. */
static bool make_scratches(const loader *l, tm_served *served) {
    served->n_scratches = l->past->n_desks > 0 ? l->past->n_desks : 1;
    served->scratches = tm__mem_zalloc(served->n_scratches, sizeof(tm_bundle_scratch *));
    bool ok = served->scratches != NULL;
    for (uint32_t i = 0; ok && i < served->n_scratches; i++) {
        served->scratches[i] = tm__bundle_scratch_create(served->bundle);
        ok = served->scratches[i] != NULL;
    }
    return ok;
}

static tm_status open_served(loader *l, const tm_route *route, tm_served *served, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    (void)snprintf(name, sizeof name, "%s@%u", route->model, route->version);
    tm_version version = {0};
    TM_TRY(tm__registry_find(l->registry, name, &version, err));
    tm_status st = tm__registry_bundle(l->registry, &version, &served->bundle, err);
    tm__version_done(&version);
    if (st != TM_OK) {
        return st;
    }
    if (!make_scratches(l, served)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    TM_TRY(tm__plan_create(served->bundle, &served->plan, err));
    look_at_classes(served);
    return TM_OK;
}

static tm_served *find_past(const tm_current *past, const tm_route *route, bool same_version) {
    tm_served *s = past == NULL ? NULL : tm__current_find(past, route->name);
    if (s == NULL || s->bundle == NULL || strcmp(s->model, route->model) != 0) {
        return NULL;
    }
    if (same_version && (s->is_stale || s->version != route->version ||
                         !tm__hash_eq(&s->hash, &route->bundle_hash))) {
        return NULL;
    }
    return s;
}

/* The entry that serves a route from now on; NULL when out of memory. */
static tm_served *make_served(loader *l, const tm_route *route) {
    tm_served *same = find_past(l->past->latest, route, true);
    same = same != NULL ? same : find_past(l->past->before, route, true);
    if (same != NULL) {
        return served_ref(same);
    }
    tm_served *served = tm__mem_zalloc(1, sizeof *served);
    if (served == NULL) {
        return NULL;
    }
    served->refs = 1;
    (void)tm__str_copy(served->route, sizeof served->route, tm__str(route->name));
    (void)tm__str_copy(served->model, sizeof served->model, tm__str(route->model));
    served->version = route->version;
    served->hash = route->bundle_hash;
    tm_err err = {0};
    const tm_status st = open_served(l, route, served, &err);
    if (st == TM_OK) {
        return served;
    }
    if (st == TM_E_NOMEM) { /* says nothing of the model: the load as a whole is tried again */
        served_unref(served);
        return NULL;
    }
    tm_log_event(l->log, TM_ERROR, "model.broken", TM_FT("model", route->model),
                 TM_FI("version", route->version), TM_FT("error", err.message));
    free_scratches(served);
    tm__bundle_unref(served->bundle);
    served->bundle = NULL;
    served->is_stale = true;
    tm_served *older = find_past(l->past->latest, route, false);
    if (older != NULL) { /* a copy that says that it is not what the registry wants */
        served->version = older->version;
        served->hash = older->hash;
        served->bundle = tm__bundle_ref(older->bundle);
        if (!make_scratches(l, served) || tm__plan_create(served->bundle, &served->plan, &err)) {
            served_unref(served);
            return NULL;
        }
        look_at_classes(served);
    }
    return served;
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
    l.current->keyring.ever = json_array_size(all_keys) > 0;
    l.current->routes = tm__mem_zalloc(l.n_wanted, sizeof *l.current->routes);
    l.out_of_memory = l.out_of_memory || l.current->routes == NULL;
    for (uint32_t i = 0; !l.out_of_memory && i < l.n_wanted; i++) {
        l.current->routes[i] = make_served(&l, &l.wanted[i]);
        l.out_of_memory = l.current->routes[i] == NULL;
        l.current->n += l.out_of_memory ? 0 : 1;
    }
    if (l.out_of_memory) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
        goto out;
    }
    *out = l.current;
    l.current = NULL;
out:
    json_decref(all_keys);
    tm__mem_free(l.wanted);
    tm__current_unref(l.current);
    return st;
}
