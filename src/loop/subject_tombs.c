/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   file ──> set of hashes
 *   each id that a column or an answer of the home holds ──> its hash ──> in the set: erase it
 *
 * Ids are looked for where an erasure would look for them, and erased after the walk.
 */
#include "loop/subject_tombs.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/subject_ids.h"
#include "registry/chain.h"

#define FILE_BYTES_MAX ((size_t)1 << 30)
#define MAGIC "tidemill.erased/1"
#define KNOWN "tidemill.erased" /* its hash tells one key from another */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Writing ---- */

static tm_status add_line(tm_registry *registry, tm_str id, bool is_first, tm_buf *out,
                          tm_err *err) {
    char hash[TM_HASH_TEXT], at[48];
    tm_hash subject;
    if (is_first) {
        TM_TRY(tm__audit_subject_make(registry, tm__str(KNOWN), &subject, err));
        tm__hash_to_text(&subject, hash);
        tm__buf_text(out, MAGIC " ");
        tm__buf_text(out, hash);
        tm__buf_byte(out, '\n');
    }
    TM_TRY(tm__audit_subject_make(registry, id, &subject, err));
    tm__hash_to_text(&subject, hash);
    (void)tm__time_to_text(tm__now_us(), at);
    tm__buf_text(out, hash);
    tm__buf_byte(out, ' ');
    tm__buf_text(out, at);
    return tm__buf_byte(out, '\n') ? TM_OK : no_memory(err);
}

tm_status tm__tombstones_add(const tm_home *home, tm_registry *registry, const tm_dict *ids,
                             tm_err *err) {
    tm_buf text;
    char *const path = tm__fs_join(tm__home_path(home), TM_TOMBSTONES);
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st = path == NULL ? no_memory(err) : TM_OK;
    if (st == TM_OK && tm__fs_info(path).kind == TM_PATH_FILE) {
        st = tm__fs_read_all(path, &text, err);
    }
    for (uint32_t i = 0; st == TM_OK && i < tm__dict_count(ids); i++) {
        st = add_line(registry, tm__dict_get(ids, i), text.len == 0, &text, err);
    }
    st = st == TM_OK ? tm__fs_publish(path, text.data, text.len, err) : st;
    tm__buf_done(&text);
    tm__mem_free(path);
    return st;
}

/* ---- Reading ---- */

static tm_status wrong_file(tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "this is no file of erased subjects");
    tm_err_hint(err, "Give '" TM_TOMBSTONES "' of the home that the backup was made of.");
    return st;
}

static tm_status check_key(tm_registry *registry, tm_str hash, tm_err *err) {
    char text[TM_HASH_TEXT] = "";
    tm_hash subject;
    bool has = false;
    TM_TRY(tm__audit_subject_find(registry, tm__str(KNOWN), &has, &subject, err));
    if (has) {
        tm__hash_to_text(&subject, text);
    }
    if (tm__str_is(hash, text)) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(
        err, TM_E_CONFLICT, "the erased subjects are keyed by another secret than the backup's");
    tm_err_hint(err, "The backup is of another home, or older than its 'keys.secret': restore it "
                     "without --erased, and erase by the ids.");
    return st;
}

static tm_status read_set(tm_registry *registry, const char *path, json_t *set, tm_err *err) {
    tm_buf text;
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st = tm__fs_read_all(path, &text, err);
    tm_str rest = {(const char *)text.data, text.len};
    if (st == TM_OK) {
        tm_str line = tm__str_cut(&rest, '\n');
        const tm_str magic = tm__str_cut(&line, ' ');
        st = tm__str_is(magic, MAGIC) ? check_key(registry, line, err) : wrong_file(err);
    }
    while (st == TM_OK && rest.len > 0) {
        tm_str line = tm__str_cut(&rest, '\n');
        const tm_str hash = tm__str_cut(&line, ' ');
        st = hash.len == TM_HASH_TEXT - 1 ? TM_OK : wrong_file(err);
        json_object_setn_new(set, hash.ptr, hash.len, json_true());
    }
    tm__buf_done(&text);
    return st == TM_OK ? tm__json_check(err) : st;
}

/* ---- Acting ---- */

typedef struct looking {
    tm_server_key key;
    const json_t *set;
    tm_dict *ids; /* of the set that are there */
} looking;

static tm_status look_at_id(void *arg, const char *id, tm_err *err) {
    const looking *const l = arg;
    char text[TM_HASH_TEXT];
    tm_hash subject;
    tm__audit_subject(&l->key, tm__str(id), &subject);
    tm__hash_to_text(&subject, text);
    return json_object_get(l->set, text) == NULL ||
                   tm__dict_add(l->ids, tm__str(id)) != TM_CODE_MISSING
               ? TM_OK
               : no_memory(err);
}

static tm_status erase_again(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                             const tm_subject_erasure *erasure, tm_err *err) {
    json_t *body = NULL;
    TM_TRY(tm__subject_erase(ctx, home, registry, erasure, &body, err));
    json_decref(body);
    TM_TRY(tm__subject_erased(registry, erasure, NULL, err));
    return tm__tombstones_add(home, registry, erasure->ids, err);
}

tm_status tm__tombstones_apply(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                               const char *path, const tm_actor *actor, uint64_t *out_n,
                               tm_err *err) {
    looking l = {.ids = tm__dict_create()};
    bool has = false;
    json_t *set = json_object();
    l.set = set;
    tm_status st = l.ids == NULL ? no_memory(err) : read_set(registry, path, set, err);
    st = st == TM_OK ? tm__registry_server_key(registry, &l.key, &has, err) : st;
    st = st == TM_OK ? tm__subject_ids(ctx, home, registry, look_at_id, &l, err) : st;
    st = st == TM_OK ? tm__json_check(err) : st;
    const uint32_t n = st == TM_OK ? tm__dict_count(l.ids) : 0;
    const tm_subject_erasure erasure = {
        .ids = l.ids, .models = TM_SUBJECT_REFIT, .if_refused = TM_SUBJECT_PROMOTE, .actor = actor};
    st = st == TM_OK && n > 0 ? erase_again(ctx, home, registry, &erasure, err) : st;
    if (st == TM_OK) {
        *out_n = n;
    }
    tm__server_key_done(&l.key);
    tm__dict_free(l.ids);
    json_decref(set);
    return st;
}
