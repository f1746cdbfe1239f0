/* SPDX-License-Identifier: Apache-2.0 */
/* `subject erase`: no more of one person, or of several at once, with a certificate. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/subject_id.h"
#include "loop/subject.h"
#include "loop/subject_tombs.h"
#include "registry/trust.h"

#define FILE_BYTES_MAX ((size_t)4 << 30)

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

/* An id that was mistyped would go unnoticed among others. */
static void say_unknown(tm_cli *cli, const json_t *subjects) {
    size_t i = 0, n = 0;
    const json_t *one = NULL;
    json_array_foreach(subjects, i, one) {
        n += tm__json_i64(one, "rows", 0) + tm__json_i64(one, "training_rows", 0) +
                 tm__json_i64(one, "answers", 0) ==
             0;
    }
    if (subjects != NULL) {
        tm__cli_print(cli, "%zu subjects, nothing was found of %zu of them\n",
                      json_array_size(subjects), n);
    }
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
    say_unknown(cli, json_object_get(body, "subjects"));
    const int64_t n_rows = tm__cli_subject_rows(json_object_get(found, "sources"));
    const size_t n_versions = json_array_size(json_object_get(found, "versions"));
    tm__cli_print(cli, "%lld row%s of sources erased; %zu version%s learned from them\n",
                  (long long)n_rows, n_rows == 1 ? " is" : "s are", n_versions,
                  n_versions == 1 ? "" : "s");
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
static tm_status add_tombstones(const tm_place *place, const tm_cli_subjects *who, tm_err *err) {
    TM_TRY(tm__tombstones_add(place->home, place->registry, who->ids, err));
    return who->before == NULL ? TM_OK
                               : tm__tombstones_add(place->home, place->registry, who->before, err);
}

/* A time to come, or how long from now; 0: not given. */
static tm_status read_retirement(const tm_cli *cli, int64_t *out_us, tm_err *err) {
    const char *const text = tm__cli_text(cli, "retire-by");
    const int64_t now_us = tm__now_us();
    int64_t us = 0;
    char hint[64];
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
    tm_err_hint(err, "%s",
                tm__duration_hint(tm__str(text),
                                  "Write a date such as 2031-01-31, or a duration such as 30d.",
                                  hint));
    return TM_E_USAGE;
}

static tm_subject_models models_of(const tm_cli *cli) {
    return tm__cli_text(cli, "retire-by") != NULL             ? TM_SUBJECT_RETIRE
           : strcmp(tm__cli_text(cli, "models"), "list") == 0 ? TM_SUBJECT_LIST
                                                              : TM_SUBJECT_REFIT;
}

static tm_status erase(tm_cli *cli, tm_ctx *ctx, const tm_place *place, const tm_cli_subjects *who,
                       tm_err *err) {
    char user[80];
    json_t *body = NULL;
    tm_hash hash;
    const char *const path = tm__cli_text(cli, "certificate");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    int64_t retire_by_us = 0;
    TM_TRY(read_retirement(cli, &retire_by_us, err));
    const bool promotes = strcmp(tm__cli_text(cli, "if-refused"), "promote") == 0;
    const tm_subject_erasure erasure = {.ids = who->ids,
                                        .before = who->before,
                                        .models = models_of(cli),
                                        .retire_by_us = retire_by_us,
                                        .if_refused =
                                            promotes ? TM_SUBJECT_PROMOTE : TM_SUBJECT_KEEP,
                                        .actor = &actor};
    TM_TRY(tm__subject_erase(ctx, place->home, place->registry, &erasure, &body, err));
    tm_status st = write_certificate(place->registry, body, path, &hash, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "the subject is erased and '%.80s' is written", path);
        st = add_tombstones(place, who, err);
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
    tm_cli_subjects who = {0};
    tm_status st =
        tm__cli_subjects_read(tm__cli_arg(cli, "ID"), tm__cli_text(cli, "from"), &who, err);
    st = st == TM_OK ? tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err) : st;
    st = st == TM_OK ? tm__place_open(cli, false, &place, err) : st;
    st = st == TM_OK ? tm__cli_subjects_find(cli, &ctx, &place, &who, err) : st;
    st = st == TM_OK ? erase(cli, &ctx, &place, &who, err) : st;
    tm__cli_subjects_done(&who);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
