/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      listen address   key    TLS or proxy
 *      loopback, unix   may    may
 *      others           must   must
 *      with a proxy     must   the proxy's
 *
 * Invariants:
 *   1. What cannot be started safely is not started: there is no flag to do it all the same.
 *   2. `tls` is changed by one thread and read by the acceptor, both under `lock`.
 *   3. Files are looked at before they are read, so a change in between is read at the next look.
 */
#include "serve/door.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"

#define RANGES_MAX 16u
#define N_FILES 3u

struct tm_door {
    char address[128];
    char peer[128];
    int fd;
    bool is_unix, is_behind_proxy;
    uint32_t n_ranges;
    tm_net_range ranges[RANGES_MAX]; /* of the proxy */
    char *files[N_FILES];            /* certificate, key, clients' authority; NULL: none */
    tm_path_info seen[N_FILES];      /* as they were when last read */
    char *hosts, *origins;           /* that clients may name; NULL: none */
    tm_mutex *lock;                  /* around tls */
    tm_tls *tls;                     /* NULL: plain */
};

static tm_status read_ranges(tm_door *door, const char *text, tm_err *err) {
    tm_str rest = tm__str(text);
    while (rest.len > 0) {
        char one[64];
        const tm_str part = tm__str_trim(tm__str_cut(&rest, ','));
        if (door->n_ranges == RANGES_MAX || !tm__str_copy(one, sizeof one, part) ||
            !tm__net_range_parse(one, &door->ranges[door->n_ranges])) {
            (void)TM_FAIL(err, TM_E_USAGE, "--behind-proxy '%s' is not a list of addresses", text);
            tm_err_hint(err, "Write CIDR ranges with commas, such as 10.0.0.0/8,fd00::/8.");
            return TM_E_USAGE;
        }
        door->n_ranges++;
    }
    door->is_behind_proxy = door->n_ranges > 0;
    return door->is_behind_proxy ? TM_OK
                                 : TM_FAIL(err, TM_E_USAGE, "--behind-proxy names no address");
}

static bool is_name(tm_str text) {
    bool ok = text.len > 0 && text.len <= 253;
    for (size_t i = 0; ok && i < text.len; i++) {
        const char c = text.ptr[i];
        ok = tm__is_alnum(c) || c == '-' || c == '.' || c == '_';
    }
    return ok;
}

/* "https://app.example:8443": a name or IPv4 address, no path, no slash at the end, as browsers
 * send it. */
static bool is_origin(tm_str text) {
    tm_str rest = text;
    const size_t n = tm__str_has_prefix(text, "http://")    ? 7
                     : tm__str_has_prefix(text, "https://") ? 8
                                                            : 0;
    rest = (tm_str){text.ptr + n, text.len - n};
    const tm_str name = tm__str_cut(&rest, ':');
    uint64_t port = 0;
    const bool has_port = name.len < text.len - n;
    return n > 0 && is_name(name) && (!has_port || (tm__str_to_u64(rest, &port) && port < 65536));
}

static tm_status check_list(const char *list, bool (*is_good)(tm_str text), const char *option,
                            const char *hint, tm_err *err) {
    tm_str rest = tm__str(list == NULL ? "" : list);
    bool ok = list == NULL || rest.len > 0;
    while (ok && rest.len > 0) {
        ok = is_good(tm__str_trim(tm__str_cut(&rest, ',')));
    }
    if (ok) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_USAGE, "%s '%s' is no list of them", option, list);
    tm_err_hint(err, "%s", hint);
    return TM_E_USAGE;
}

static tm_status take_names(tm_door *door, const tm_serve_options *o, tm_err *err) {
    TM_TRY(check_list(o->allow_hosts, is_name, "--allow-host",
                      "Write names with commas, without a port: ml.example,ml.internal.", err));
    TM_TRY(check_list(o->allow_origins, is_origin, "--allow-origin",
                      "Write origins with commas as browsers send them: https://app.example, "
                      "http://localhost:3000.",
                      err));
    door->hosts = o->allow_hosts == NULL ? NULL : tm__mem_strdup(o->allow_hosts);
    door->origins = o->allow_origins == NULL ? NULL : tm__mem_strdup(o->allow_origins);
    const bool ok = (o->allow_hosts == NULL || door->hosts != NULL) &&
                    (o->allow_origins == NULL || door->origins != NULL);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status check_options(const tm_serve_options *o, bool has_key, tm_err *err) {
    static const char make_key[] = "Make a key with 'tidemill key create', or listen on 127.0.0.1.";
    TM_TRY(tm__net_check(o->listen, err));
    const bool is_open = !tm__net_is_loopback(o->listen);
    const bool has_tls = o->tls_cert != NULL;
    if ((o->tls_cert == NULL) != (o->tls_key == NULL) || (o->tls_client_ca != NULL && !has_tls)) {
        return TM_FAIL(err, TM_E_USAGE, "TLS needs both --tls-cert and --tls-key");
    }
    if (has_tls && o->behind_proxy != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "--behind-proxy takes plain HTTP, and --tls-cert does not");
    }
    if ((is_open || o->behind_proxy != NULL) && !has_key) {
        (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "'%s' is %s, and there is no key to ask for",
                      o->listen, is_open ? "not loopback" : "behind a proxy");
        tm_err_hint(err, make_key);
        return TM_E_NOT_ALLOWED;
    }
    if (is_open && !has_tls && o->behind_proxy == NULL) {
        (void)TM_FAIL(err, TM_E_NOT_ALLOWED,
                      "'%s' is not loopback, and keys and rows would cross the network unencrypted",
                      o->listen);
        tm_err_hint(err, "Give --tls-cert and --tls-key; or --behind-proxy CIDR when a proxy does "
                         "TLS; or listen on 127.0.0.1.");
        return TM_E_NOT_ALLOWED;
    }
    return TM_OK;
}

static tm_status read_tls(tm_door *door, tm_tls **out, tm_err *err) {
    const tm_tls_options options = {
        .cert_file = door->files[0], .key_file = door->files[1], .client_ca_file = door->files[2]};
    for (uint32_t i = 0; i < N_FILES; i++) { /* before they are read: a change meanwhile is seen */
        door->seen[i] = door->files[i] == NULL ? (tm_path_info){0} : tm__fs_info(door->files[i]);
    }
    return tm__tls_open(&options, out, err);
}

static tm_status open_tls(tm_door *door, const tm_serve_options *o, tm_err *err) {
    const char *const names[N_FILES] = {o->tls_cert, o->tls_key, o->tls_client_ca};
    for (uint32_t i = 0; i < N_FILES; i++) {
        door->files[i] = names[i] == NULL ? NULL : tm__mem_strdup(names[i]);
        if (names[i] != NULL && door->files[i] == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    return door->files[0] == NULL ? TM_OK : read_tls(door, &door->tls, err);
}

tm_status tm__door_open(const tm_serve_options *options, bool has_key, tm_door **out, tm_err *err) {
    TM_TRY(check_options(options, has_key, err));
    tm_door *door = tm__mem_zalloc(1, sizeof *door);
    if (door == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    door->fd = -1;
    door->is_unix = tm__str_has_prefix(tm__str(options->listen), "unix:");
    door->lock = tm__mutex_create();
    tm_status st = door->lock != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    if (st == TM_OK && options->behind_proxy != NULL) {
        st = read_ranges(door, options->behind_proxy, err);
    }
    st = st != TM_OK ? st : take_names(door, options, err);
    st = st != TM_OK ? st : open_tls(door, options, err);
    if (st == TM_OK) {
        st = tm__net_listen(options->listen, &door->fd, door->address, sizeof door->address, err);
    }
    if (st != TM_OK) {
        tm__door_free(door);
        return st;
    }
    *out = door;
    return TM_OK;
}

const char *tm__door_address(const tm_door *door) {
    return door->address;
}

tm_access_place tm__door_place(const tm_door *door) {
    return (tm_access_place){
        .address = door->address, .hosts = door->hosts, .origins = door->origins};
}

bool tm__door_has_tls(const tm_door *door) {
    return door->files[0] != NULL;
}

int tm__door_fd(const tm_door *door) {
    return door->fd;
}

/* A proxy on a unix socket needs no range: the file's mode says who may. */
static bool is_from_proxy(const tm_door *door) {
    bool found = door->is_unix;
    for (uint32_t i = 0; i < door->n_ranges && !found; i++) {
        found = tm__net_range_has(&door->ranges[i], door->peer);
    }
    return found;
}

tm_door_result tm__door_accept(tm_door *door, tm_accepted *out) {
    const int fd = tm__net_accept(door->fd, door->peer, sizeof door->peer);
    if (fd < 0) {
        return TM_DOOR_NOBODY;
    }
    if (door->is_behind_proxy && !is_from_proxy(door)) {
        tm__net_close(fd);
        return TM_DOOR_SENT_AWAY;
    }
    tm__mutex_lock(door->lock);
    tm_tls *tls = tm__tls_ref(door->tls);
    tm__mutex_unlock(door->lock);
    *out = (tm_accepted){
        .fd = fd,
        .peer = door->peer,
        .tls = tls,
        /* What a proxy passes on came from anywhere. */
        .is_local = !door->is_behind_proxy && (door->is_unix || tm__net_is_loopback(door->peer)),
    };
    return TM_DOOR_LET_IN;
}

static bool is_changed(const tm_door *door) {
    for (uint32_t i = 0; i < N_FILES; i++) {
        if (door->files[i] != NULL) {
            const tm_path_info now = tm__fs_info(door->files[i]);
            if (now.modified_us != door->seen[i].modified_us ||
                now.size_bytes != door->seen[i].size_bytes || now.kind != door->seen[i].kind) {
                return true;
            }
        }
    }
    return false;
}

void tm__door_reload(tm_door *door, bool in_any_case, const tm_log *log) {
    tm_err err = {0};
    tm_tls *fresh = NULL;
    if (!tm__door_has_tls(door) || !(in_any_case || is_changed(door))) {
        return;
    }
    if (read_tls(door, &fresh, &err) !=
        TM_OK) { /* half written, perhaps: the next change is tried */
        tm_log_event(log, TM_ERROR, "tls.unchanged", TM_FT("error", err.message));
        return;
    }
    tm__mutex_lock(door->lock);
    tm_tls *old = door->tls;
    door->tls = fresh;
    tm__mutex_unlock(door->lock);
    tm__tls_unref(old); /* connections keep what they began with */
    tm_log_event(log, TM_INFO, "tls.reloaded", TM_FT("address", door->address));
}

void tm__door_shut(tm_door *door) {
    if (door->fd >= 0) {
        tm__net_close(door->fd);
        door->fd = -1;
        if (door->is_unix) {
            const tm_status st = tm__fs_remove(door->address + strlen("unix:"), NULL);
            (void)st; /* the next one to listen there takes it away */
        }
    }
}

void tm__door_free(tm_door *door) {
    if (door != NULL) {
        tm__door_shut(door);
        tm__tls_unref(door->tls);
        for (uint32_t i = 0; i < N_FILES; i++) {
            tm__mem_free(door->files[i]);
        }
        tm__mem_free(door->hosts);
        tm__mem_free(door->origins);
        tm__mutex_free(door->lock);
        tm__mem_free(door);
    }
}
