/* SPDX-License-Identifier: Apache-2.0 */
/* Who may call an endpoint. Deny by default: every way through ends in a decision made here. */
#include <string.h>
#include <strings.h>

#include "base/net.h"
#include "serve/serve_priv.h"

/* What answers without a key, on loopback, as long as no key was ever made. */
static bool is_open(tm_permission permission) {
    return permission == TM_PERMISSION_PREDICT || permission == TM_PERMISSION_LABEL ||
           permission == TM_PERMISSION_READ;
}

static tm_str without_port(tm_str host) {
    if (host.len > 0 && host.ptr[0] == '[') {
        const char *end = memchr(host.ptr, ']', host.len);
        const size_t n = end == NULL ? host.len : (size_t)(end - host.ptr) + 1;
        return n < host.len && host.ptr[n] != ':' ? host : (tm_str){host.ptr, n};
    }
    return tm__str_cut(&host, ':');
}

bool tm__access_host_is_ours(tm_str host, const char *address) {
    const tm_str name = without_port(host);
    return tm__str_is_nocase(name, "localhost") || tm__str_is(name, "127.0.0.1") ||
           tm__str_is(name, "[::1]") ||
           (name.len > 0 && tm__str_eq(name, without_port(tm__str(address))));
}

/* True for addresses in figures: a name can be pointed at this machine by whoever owns it (DNS
 * rebinding), an address cannot. */
static bool is_number_host(tm_str host) {
    const tm_str name = without_port(host);
    if (name.len > 0 && name.ptr[0] == '[') {
        return name.ptr[name.len - 1] == ']';
    }
    uint32_t n_dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        n_dots += c == '.' ? 1 : 0;
        if (c != '.' && (c < '0' || c > '9')) {
            return false;
        }
    }
    return n_dots == 3;
}

static bool list_has_nocase(const char *list, tm_str word, tm_str *out) {
    tm_str rest = tm__str(list == NULL ? "" : list);
    while (rest.len > 0 && word.len > 0) {
        const tm_str one = tm__str_trim(tm__str_cut(&rest, ','));
        if (one.len == word.len && strncasecmp(one.ptr, word.ptr, one.len) == 0) {
            *out = one;
            return true;
        }
    }
    return false;
}

static bool host_is_allowed(const tm_keyring *keys, const tm_access_request *r) {
    tm_str found;
    return r->host.ptr == NULL || tm__access_host_is_ours(r->host, r->place.address) ||
           list_has_nocase(r->place.hosts, without_port(r->host), &found) ||
           (keys->ever && is_number_host(r->host));
}

tm_str tm__access_find_origin(const tm_access_place *place, tm_str origin) {
    tm_str found = {NULL, 0};
    (void)list_has_nocase(place->origins, origin, &found);
    return found;
}

/* A page of another site may send a plain form here: browsers say so. Its own are those of the same
 * host and port. */
static bool origin_is_ours(const tm_access_request *r) {
    static const char plain[] = "http://", tls[] = "https://";
    if (r->origin.ptr == NULL) {
        return true;
    }
    /* A proxy that does TLS does not say so. */
    const bool is_plain = !r->is_tls && tm__str_has_prefix(r->origin, plain);
    const size_t n = is_plain                             ? sizeof plain - 1
                     : tm__str_has_prefix(r->origin, tls) ? sizeof tls - 1
                                                          : 0;
    const tm_str place = {r->origin.ptr + n, r->origin.len - n};
    return n > 0 && place.len > 0 && place.len == r->host.len &&
           strncasecmp(place.ptr, r->host.ptr, place.len) == 0;
}

static void deny(tm_access *out, unsigned status, const char *reason, const char *hint) {
    *out = (tm_access){.status = status, .reason = reason, .hint = hint};
}

static void name_actor(tm_access *out, const char *prefix, const char *id) {
    (void)tm__str_copy(out->actor, sizeof out->actor, tm__str(prefix));
    const size_t n = strlen(out->actor);
    (void)tm__str_copy(out->actor + n, sizeof out->actor - n, tm__str(id));
}

static void allow(tm_access *out, tm_guard_role role, const char *prefix, const char *id) {
    *out = (tm_access){.status = 200, .role = role};
    name_actor(out, prefix, id);
}

static void check_without_keys(const tm_access_request *r, tm_access *out) {
    static const char create[] = "Make a key with 'tidemill key create' and send it as "
                                 "'Authorization: Bearer KEY'.";
    if (!r->peer_is_loopback) {
        deny(out, 403, "without a key this server answers on loopback only", create);
    } else if (!is_open(r->permission)) {
        deny(out, 403, r->changes_state ? "this changes state and needs a key" : "this needs a key",
             create);
    } else {
        allow(out, TM_GUARD_NOBODY, "http:", "local");
    }
}

static const tm_known_key *find_id(const tm_keyring *keys, const char *id) {
    uint32_t low = 0;
    for (uint32_t high = keys->n; low < high;) {
        const uint32_t middle = low + (high - low) / 2;
        if (strcmp(keys->keys[middle].id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool is_found = low < keys->n && strcmp(keys->keys[low].id, id) == 0;
    return is_found ? &keys->keys[low] : NULL;
}

const char *tm__access_models(const tm_keyring *keys, const tm_access *access) {
    if (strncmp(access->actor, "key:", 4) != 0) {
        return NULL;
    }
    const tm_known_key *key = find_id(keys, access->actor + 4);
    return key == NULL ? "" : key->models;
}

/* By its public id, then by its hash in constant time. Two hashes are a tenth of a small request,
 * so a connection remembers its key; a change of any key is another keyring, which remembers none.
 */
static const tm_known_key *find_key(const tm_keyring *keys, tm_str text, tm_key_memory *memory) {
    if (memory != NULL && tm__key_is_remembered(memory, keys->number, text)) {
        return &keys->keys[memory->index];
    }
    tm_key presented;
    if (!tm__key_parse(text, &presented)) {
        return NULL;
    }
    const tm_known_key *found = find_id(keys, presented.id);
    if (found == NULL || !tm__key_matches(&keys->server, &presented, &found->hash)) {
        return NULL;
    }
    if (memory != NULL && keys->number != 0) {
        tm__key_remember(memory, &presented, keys->number, (uint32_t)(found - keys->keys));
    }
    return found;
}

static bool is_good(const tm_known_key *key, int64_t now_us) {
    return key != NULL && key->role != TM_GUARD_NOBODY &&
           (key->expires_us == 0 || now_us < key->expires_us);
}

const tm_known_key *tm__access_key(const tm_keyring *keys, const char *id, int64_t now_us) {
    const tm_known_key *const key = find_id(keys, id);
    return is_good(key, now_us) ? key : NULL;
}

const tm_known_key *tm__access_find_key(const tm_keyring *keys, tm_str text, int64_t now_us) {
    const tm_known_key *const key = find_key(keys, text, NULL);
    return is_good(key, now_us) ? key : NULL;
}

const tm_known_key *tm__access_find_person(const tm_keyring *keys, tm_str name, tm_str password,
                                           int64_t now_us) {
    const tm_known_key *found = NULL;
    tm_key presented = {0};
    bool is_tried = false;
    for (uint32_t i = 0; i < keys->n && found == NULL; i++) {
        const tm_known_key *const key = &keys->keys[i];
        if (key->name != NULL && tm__str_is(name, key->name) && is_good(key, now_us)) {
            is_tried = true;
            found = tm__password_key(key->id, password, &presented, NULL) == TM_OK &&
                            tm__key_matches(&keys->server, &presented, &key->hash)
                        ? key
                        : NULL;
        }
    }
    if (!is_tried) {
        const tm_status st = tm__password_key("_0000000", password, &presented, NULL);
        (void)st; /* time is all that is wanted of it */
    }
    tm__key_done(&presented);
    return found;
}

static void take_rate(const tm_known_key *key, uint64_t now_ns, tm_access *out) {
    for (uint32_t i = 0; i < key->n_rates; i++) {
        const uint64_t wait_ns = tm__rate_take(&key->rates[i], &key->meter->used[i], now_ns);
        if (wait_ns > 0) {
            out->status = 429;
            out->reason = "this key has used up its rate";
            out->hint = "Retry-After says when there is more; 'tidemill key ls' shows rates.";
            const uint64_t s = (wait_ns + 999999999) / 1000000000;
            out->retry_after_s = s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
            return;
        }
    }
}

static void check_caller(const tm_keyring *keys, const tm_access_request *r, tm_access *out) {
    if (r->permission == TM_PERMISSION_PUBLIC) {
        allow(out, TM_GUARD_NOBODY, "http:", "public");
        return;
    }
    if (!host_is_allowed(keys, r)) {
        deny(out, 403, "the Host header does not name this server",
             "Call it as localhost or 127.0.0.1, or start the server with --allow-host NAME.");
        return;
    }
    if (!origin_is_ours(r) && tm__access_find_origin(&r->place, r->origin).ptr == NULL) {
        deny(out, 403, "the request comes from a page of another site",
             "Start the server with --allow-origin to let a site in.");
        return;
    }
    if (r->permission == TM_PERMISSION_LOGIN) {
        allow(out, TM_GUARD_NOBODY, "http:", "login");
        return;
    }
    tm_str text = r->api_key;
    if (r->authorization.ptr != NULL) {
        tm_str rest = r->authorization;
        const tm_str scheme = tm__str_cut(&rest, ' ');
        text = tm__str_is_nocase(scheme, "bearer") ? tm__str_trim(rest) : (tm_str){"", 0};
    }
    if (text.ptr == NULL && !keys->ever) {
        check_without_keys(r, out);
        return;
    }
    /* A cookie is sent by the browser whoever asked for it; the token only by the page. */
    const bool is_session = text.ptr == NULL && r->session_key != NULL;
    if (is_session && r->changes_state && !r->has_csrf) {
        deny(out, 403, "the request lacks the token of the page that signed in",
             "Send X-Csrf-Token with what GET /v1/session says, or use a key.");
        return;
    }
    if (text.ptr == NULL && !is_session) {
        deny(out, 401, "a key is needed",
             "Send it as 'Authorization: Bearer KEY'; 'tidemill key create' makes one.");
        return;
    }
    const tm_known_key *found =
        is_session ? find_id(keys, r->session_key) : find_key(keys, text, r->memory);
    if (found == NULL) {
        deny(out, 401, "the key is not valid",
             "It may be mistyped or revoked; 'tidemill key ls' lists the keys that are.");
    } else if (found->expires_us != 0 && r->now_us >= found->expires_us) {
        deny(out, 401, "the key has expired", "'tidemill key create' makes a new one.");
    } else if (!tm__guard_role_can(found->role, r->permission)) {
        deny(out, 403, "the role of this key does not have the permission for this",
             "Use a key of a role that has it, by the table of docs/http.md; 'tidemill key create "
             "--role ROLE' makes one.");
    } else if (found->models != NULL && !r->is_general &&
               (r->model.ptr == NULL || !tm__key_models_have(found->models, r->model))) {
        deny(out, 403, "this key is for other models",
             "'tidemill key create --model NAME' makes one for a model, without --model for all.");
    } else {
        allow(out, found->role, "key:", found->id);
        take_rate(found, r->now_ns, out);
    }
    if (found != NULL) { /* also of who is refused: the audit tells by whom it was tried */
        name_actor(out, "key:", found->id);
    }
}

void tm__access_check(const tm_keyring *keys, const tm_access_request *r, tm_access *out) {
    check_caller(keys, r, out);
    out->origin = tm__access_find_origin(&r->place, r->origin);
}
