/* SPDX-License-Identifier: Apache-2.0 */
/* `subject export` and `erase`: what the home knows of one person in one file, and no more of it
 * with a certificate. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/subject_id.h"
#include "loop/subject.h"
#include "loop/subject_ids.h"
#include "loop/subject_tombs.h"
#include "registry/trust.h"

#define FILE_BYTES_MAX ((size_t)4 << 30)

typedef struct export {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    char *id;         /* owned */
    char *id_before;  /* that the id is the pseudonym of; owned; NULL: it is none */
    const char *path; /* of the result */
    json_t *found;    /* owned */
}
export;

/* Rows of sources. */
static int64_t count_rows(const json_t *sources) {
    int64_t n = 0;
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(sources, i, one) {
        n += tm__json_i64(one, "n", 0);
    }
    return n;
}

static tm_status write_file(const export *e, tm_err *err) {
    char at[48];
    tm_buf text;
    at[tm__time_to_text(tm__now_us(), at)] = '\0';
    json_t *whole =
        json_pack("{s:s, s:s, s:s}", "schema", "tidemill.subject/1", "subject", e->id, "at", at);
    json_object_update(whole, e->found);
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st = TM_OK;
    if (!tm__json_write(&text, whole, TM_JSON_PRETTY) || !tm__buf_byte(&text, '\n')) {
        st = tm__buf_status(&text) == TM_E_LIMIT
                 ? TM_FAIL(err, TM_E_LIMIT, "what is known of the subject is over 4 GiB")
                 : TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    st = st == TM_OK ? tm__fs_publish_secret(e->path, text.data, text.len, err) : st;
    if (text.len > 0) {
        memset(text.data, 0, text.len);
    }
    tm__buf_done(&text);
    json_decref(whole);
    return st;
}

static void say_consent(tm_cli *cli, const json_t *sources) {
    size_t i = 0, k = 0;
    const json_t *source = NULL, *one = NULL;
    json_array_foreach(sources, i, source) {
        json_array_foreach(json_object_get(source, "consent"), k, one) {
            const json_t *const given = json_object_get(one, "given");
            tm__cli_print(cli, "consent of '%s' for %s: %s\n", tm__json_text(source, "source", ""),
                          tm__json_text(one, "for", "all purposes"),
                          json_is_true(given)    ? "given"
                          : json_is_false(given) ? "not given, or taken back"
                                                 : "nothing was said: not given");
        }
    }
}

static void say(const export *e, int64_t n_rows, int64_t n_answers) {
    const json_t *const versions = json_object_get(e->found, "versions");
    const json_t *const rest = json_object_get(e->found, "not_looked_into");
    size_t i = 0;
    const json_t *one = NULL;
    if (e->cli->json) {
        json_t *result = json_pack("{s:s, s:I, s:I, s:I, s:O}", "file", e->path, "rows",
                                   (json_int_t)n_rows, "answers", (json_int_t)n_answers, "versions",
                                   (json_int_t)json_array_size(versions), "not_looked_into", rest);
        tm__cli_print_object(e->cli, "tidemill.subject.export/1", result);
        json_decref(result);
    }
    tm__cli_print(e->cli, "%lld rows, %lld answers, in the training rows of %zu versions: %s\n",
                  (long long)n_rows, (long long)n_answers, json_array_size(versions), e->path);
    say_consent(e->cli, json_object_get(e->found, "sources"));
    json_array_foreach(rest, i, one) {
        tm__cli_warn(e->cli, "%s was not looked into: %s", tm__json_text(one, "what", ""),
                     tm__json_text(one, "why", ""));
    }
}

static tm_status is_known(tm_ctx *ctx, const tm_place *place, const char *id, bool *out,
                          tm_err *err) {
    const tm_subject_ask ask = {.id = id, .counts_only = true};
    json_t *found = NULL;
    TM_TRY(tm__subject_find(ctx, place->home, place->registry, &ask, &found, err));
    *out = json_array_size(json_object_get(found, "sources")) > 0 ||
           json_array_size(json_object_get(found, "versions")) > 0 ||
           tm__json_i64(found, "n_answers", 0) > 0;
    json_decref(found);
    return TM_OK;
}

/* Where subjects are kept by pseudonyms the id becomes one, unless the home knows the id itself.
 * *out_before: the id as it was given, the caller's to end; NULL: it is the id still. */
static tm_status find_name(tm_cli *cli, tm_ctx *ctx, const tm_place *place, char **id,
                           char **out_before, tm_err *err) {
    char alias[TM_PRIVACY_ROOM];
    bool has = false, is_plain = false, is_alias = false;
    TM_TRY(tm__subject_pseudonym(place->home, place->registry, *id, alias, &has, err));
    if (!has || strcmp(alias, *id) == 0) {
        return TM_OK;
    }
    TM_TRY(is_known(ctx, place, *id, &is_plain, err));
    if (is_plain) {
        TM_TRY(is_known(ctx, place, alias, &is_alias, err));
    }
    if (is_alias) {
        const tm_status st = TM_FAIL(
            err, TM_E_CONFLICT, "the home holds the subject twice: by the id and as '%s'", alias);
        tm_err_hint(err, "Give '%s' first; when it is erased, give the id.", alias);
        return st;
    }
    if (!is_plain) {
        char *name = tm__mem_strdup(alias);
        if (name == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        *out_before = *id;
        *id = name;
        tm__cli_print(cli, "rows hold the pseudonym '%s' in place of the id\n", name);
    }
    return TM_OK;
}

static tm_status run(export *e, tm_err *err) {
    tm_subject_ask ask = {0};
    TM_TRY(tm__cli_ctx_init(e->cli, 0, &e->ctx, err));
    TM_TRY(tm__place_open(e->cli, false, &e->place, err));
    TM_TRY(find_name(e->cli, &e->ctx, &e->place, &e->id, &e->id_before, err));
    ask.id = e->id;
    TM_TRY(tm__subject_find(&e->ctx, e->place.home, e->place.registry, &ask, &e->found, err));
    const int64_t n_rows = count_rows(json_object_get(e->found, "sources"));
    const int64_t n_answers = tm__json_i64(e->found, "n_answers", 0);
    TM_TRY(write_file(e, err));
    const tm_cli_deed deed = {.event = "subject.exported",
                              .kind = "subject",
                              .subject_id = e->id,
                              .details = json_pack("{s:I, s:I}", "rows", (json_int_t)n_rows,
                                                   "answers", (json_int_t)n_answers)};
    tm__cli_did(e->cli, "'%.100s' is written", e->path);
    TM_TRY(tm__cli_audit(e->place.home, &deed, err));
    say(e, n_rows, n_answers);
    return TM_OK;
}

tm_status cmd_subject_export(tm_cli *cli, tm_err *err) {
    export e = {.cli = cli, .path = tm__cli_text(cli, "out")};
    tm_status st = tm__cli_subject_read(tm__cli_arg(cli, "ID"), &e.id, err);
    st = st == TM_OK ? run(&e, err) : st;
    json_decref(e.found);
    tm__cli_subject_done(e.id_before);
    tm__cli_subject_done(e.id);
    tm__place_close(&e.place);
    tm__cli_ctx_done(&e.ctx);
    return st;
}

/* ---- erase ---- */

/* {"certificate": body, "key", "signature"}: Ed25519 of the body's text with its keys in order and
 * without blanks; *out_hash is the BLAKE2b-256 of that text. */
static tm_status sign_body(tm_registry *registry, json_t *body, json_t **out, tm_hash *out_hash,
                           tm_err *err) {
    char key_text[TM_PUBLIC_KEY_TEXT], signature_text[2 * TM_SIGNATURE_BYTES + 1];
    tm_signing_key key;
    tm_signature signature;
    tm_hash half;
    tm_buf text;
    TM_TRY(tm__trust_own(registry, &key, err));
    tm__buf_init(&text, FILE_BYTES_MAX);
    const bool is_written = tm__json_write(&text, body, TM_JSON_SORTED);
    if (is_written) {
        tm__sign(&key, text.data, text.len, &signature);
        tm__hash_bytes(text.data, text.len, out_hash);
    }
    tm__public_key_to_text(&key.public_key, key_text);
    tm__signing_key_done(&key);
    tm__buf_done(&text);
    if (!is_written) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    memcpy(half.bytes, signature.bytes, TM_HASH_BYTES);
    tm__hash_to_text(&half, signature_text);
    memcpy(half.bytes, signature.bytes + TM_HASH_BYTES, TM_HASH_BYTES);
    tm__hash_to_text(&half, signature_text + TM_HASH_TEXT - 1);
    *out = json_pack("{s:O, s:s, s:s}", "certificate", body, "key", key_text, "signature",
                     signature_text);
    return tm__json_check(err);
}

static tm_status write_certificate(tm_registry *registry, json_t *body, const char *path,
                                   tm_hash *out_hash, tm_err *err) {
    json_t *whole = NULL;
    tm_buf text;
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st = sign_body(registry, body, &whole, out_hash, err);
    if (st == TM_OK &&
        (!tm__json_write(&text, whole, TM_JSON_PRETTY) || !tm__buf_byte(&text, '\n'))) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    st = st == TM_OK ? tm__fs_publish(path, text.data, text.len, err) : st;
    tm__buf_done(&text);
    json_decref(whole);
    return st;
}

static void say_erased(tm_cli *cli, const json_t *body, const char *path) {
    const json_t *const found = json_object_get(body, "found");
    size_t i = 0;
    const json_t *one = NULL;
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:O}", "certificate", path, "erasure", body);
        tm__cli_print_object(cli, "tidemill.subject.erase/1", result);
        json_decref(result);
    }
    tm__cli_print(cli, "%lld rows of sources are erased; %zu versions learned from the subject\n",
                  (long long)count_rows(json_object_get(found, "sources")),
                  json_array_size(json_object_get(found, "versions")));
    json_array_foreach(json_object_get(body, "models"), i, one) {
        tm__cli_print(cli, "'%s' answers with version %lld\n", tm__json_text(one, "model", ""),
                      (long long)tm__json_i64(one, "version", 0));
    }
    tm__cli_print(cli, "certificate: %s\n", path);
    json_array_foreach(json_object_get(body, "not_looked_into"), i, one) {
        tm__cli_warn(cli, "%s was not looked into: %s", tm__json_text(one, "what", ""),
                     tm__json_text(one, "why", ""));
    }
    if (json_array_size(json_object_get(body, "refused")) > 0) {
        return; /* the error says it */
    }
    const json_t *const retiring = json_object_get(body, "retiring");
    if (json_array_size(retiring) > 0) {
        tm__cli_warn(
            cli,
            "%zu versions that learned from the subject answer until %s at the latest: the "
            "erasure is not complete before",
            json_array_size(retiring), tm__json_text(body, "retire_by", ""));
    } else if (strcmp(tm__json_text(body, "policy", ""), "list") == 0) {
        tm__cli_warn(cli, "models that learned from the subject stay: the erasure is not complete");
    } else if (!tm__json_bool(body, "complete", false)) {
        tm__cli_warn(cli,
                     "what was not looked into may hold the subject: the erasure is not complete");
    }
}

/* The certificate says the same; a script sees it by the exit code. */
static tm_status check_refused(const json_t *body, tm_err *err) {
    const json_t *const first = json_array_get(json_object_get(body, "refused"), 0);
    if (first == NULL) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(
        err, TM_E_REFUSED, "the gate refused '%s@%lld', which was fitted without the subject: %s",
        tm__json_text(first, "model", ""), (long long)tm__json_i64(first, "version", 0),
        tm__json_text(first, "reason", ""));
    tm_err_hint(err,
                "The champion, which learned from the subject, answers still. Train and promote "
                "another version, or erase again with --if-refused promote.");
    return st;
}

/* A backup of before the pseudonyms has the id as it was. */
static tm_status add_tombstones(const tm_place *place, const tm_subject_erasure *erasure,
                                tm_err *err) {
    TM_TRY(tm__tombstone_add(place->home, place->registry, erasure->id, err));
    return erasure->id_before == NULL
               ? TM_OK
               : tm__tombstone_add(place->home, place->registry, erasure->id_before, err);
}

/* A time to come, or how long from now; 0: not given. */
static tm_status read_retirement(const tm_cli *cli, int64_t *out_us, tm_err *err) {
    const char *const text = tm__cli_text(cli, "retire-by");
    const int64_t now_us = tm__now_us();
    int64_t us = 0;
    *out_us = 0;
    if (text == NULL) {
        return TM_OK;
    }
    if (tm__cli_has(cli, "models")) {
        return TM_FAIL(err, TM_E_USAGE, "--retire-by and --models say different things");
    }
    const bool is_span =
        tm__str_to_duration_us(tm__str(text), &us) && us >= 0 && us < INT64_MAX - now_us;
    if (is_span || (tm__time_parse(tm__str(text), &us) && us > now_us)) {
        *out_us = is_span ? now_us + us : us;
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_USAGE, "--retire-by '%s' is no time to come", text);
    tm_err_hint(err, "Write a date such as 2031-01-31, or a duration such as 30d.");
    return TM_E_USAGE;
}

static tm_subject_models models_of(const tm_cli *cli) {
    return tm__cli_text(cli, "retire-by") != NULL             ? TM_SUBJECT_RETIRE
           : strcmp(tm__cli_text(cli, "models"), "list") == 0 ? TM_SUBJECT_LIST
                                                              : TM_SUBJECT_REFIT;
}

static tm_status erase(tm_cli *cli, tm_ctx *ctx, const tm_place *place, const char *id,
                       const char *id_before, tm_err *err) {
    char user[80];
    json_t *body = NULL;
    tm_hash hash;
    const char *const path = tm__cli_text(cli, "certificate");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    int64_t retire_by_us = 0;
    TM_TRY(read_retirement(cli, &retire_by_us, err));
    const bool promotes = strcmp(tm__cli_text(cli, "if-refused"), "promote") == 0;
    const tm_subject_erasure erasure = {.id = id,
                                        .id_before = id_before,
                                        .models = models_of(cli),
                                        .retire_by_us = retire_by_us,
                                        .if_refused =
                                            promotes ? TM_SUBJECT_PROMOTE : TM_SUBJECT_KEEP,
                                        .actor = &actor};
    TM_TRY(tm__subject_erase(ctx, place->home, place->registry, &erasure, &body, err));
    tm_status st = write_certificate(place->registry, body, path, &hash, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "the subject is erased and '%.80s' is written", path);
        st = add_tombstones(place, &erasure, err);
        st = st == TM_OK ? tm__subject_erased(place->registry, &erasure, &hash, err) : st;
    }
    if (st == TM_OK) {
        say_erased(cli, body, path);
        st = check_refused(body, err);
    }
    json_decref(body);
    return st;
}

tm_status cmd_subject_erase(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    char *id = NULL, *id_before = NULL;
    tm_status st = tm__cli_subject_read(tm__cli_arg(cli, "ID"), &id, err);
    st = st == TM_OK ? tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err) : st;
    st = st == TM_OK ? tm__place_open(cli, false, &place, err) : st;
    st = st == TM_OK ? find_name(cli, &ctx, &place, &id, &id_before, err) : st;
    st = st == TM_OK ? erase(cli, &ctx, &place, id, id_before, err) : st;
    tm__cli_subject_done(id_before);
    tm__cli_subject_done(id);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
