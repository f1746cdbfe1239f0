/* SPDX-License-Identifier: Apache-2.0 */
/* `subject export`: what the home knows of one person in one file. */
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/subject_id.h"
#include "loop/loop_withdrawn.h"
#include "loop/subject.h"
#include "loop/subject_ids.h"
#include "loop/subject_tombs.h"
#include "registry/trust.h"

#define FILE_BYTES_MAX ((size_t)4 << 30)

typedef struct export {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    tm_cli_subjects who;
    const char *path; /* of the result */
    json_t *found;    /* owned */
    json_t *left;     /* owned; champions: see tm__withdrawn_left() */
}
export;

static tm_status write_file(const export *e, tm_err *err) {
    char at[48];
    tm_buf text;
    const tm_str id = tm__dict_get(e->who.ids, 0);
    (void)tm__time_to_text(tm__now_us(), at);
    json_t *whole = json_pack("{s:s, s:s%, s:s}", "schema", "tidemill.subject/1", "subject", id.ptr,
                              id.len, "at", at);
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

/* Whether somebody who took consent back is among its training rows. */
static bool has_learned(const json_t *versions, const json_t *champion) {
    bool is_it = false;
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(versions, i, one) {
        is_it = is_it || (strcmp(tm__json_text(one, "model", ""),
                                 tm__json_text(champion, "model", "?")) == 0 &&
                          tm__json_i64(one, "version", 0) == tm__json_i64(champion, "version", -1));
    }
    return is_it;
}

static bool has_said_no(const json_t *sources) {
    bool has = false;
    size_t i = 0, k = 0;
    const json_t *source = NULL, *one = NULL;
    json_array_foreach(sources, i, source) {
        json_array_foreach(json_object_get(source, "consent"), k, one) {
            has = has || json_is_false(json_object_get(one, "given"));
        }
    }
    return has;
}

/* Champions that learned from the subject, who said no since, and that nobody fits anew by himself.
 */
static tm_status find_left(export *e, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    json_t *one = NULL;
    e->left = json_array();
    if (!has_said_no(json_object_get(e->found, "sources"))) {
        return tm__json_check(err);
    }
    TM_TRY(tm__withdrawn_left(&e->ctx, e->place.home, e->place.registry, &list, err));
    json_array_foreach(list, i, one) {
        if (has_learned(json_object_get(e->found, "versions"), one)) {
            json_array_append(e->left, one);
        }
    }
    json_decref(list);
    return tm__json_check(err);
}

static void say_left(const export *e) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(e->left, i, one) {
        const char *const model = tm__json_text(one, "model", "");
        tm__cli_warn(e->cli,
                     "'%s@%lld' learned from the subject, who took consent back, and is not fitted "
                     "anew by itself: %s; run 'tidemill retrain %s'",
                     model, (long long)tm__json_i64(one, "version", 0),
                     tm__json_text(one, "why", ""), model);
    }
}

static void say(const export *e, int64_t n_rows, int64_t n_answers) {
    const json_t *const versions = json_object_get(e->found, "versions");
    const json_t *const rest = json_object_get(e->found, "not_looked_into");
    size_t i = 0;
    const json_t *one = NULL;
    if (e->cli->json) {
        json_t *result = json_pack("{s:s, s:I, s:I, s:I, s:O, s:O}", "file", e->path, "rows",
                                   (json_int_t)n_rows, "answers", (json_int_t)n_answers, "versions",
                                   (json_int_t)json_array_size(versions), "left_to_retrain",
                                   e->left, "not_looked_into", rest);
        tm__cli_print_object(e->cli, "tidemill.subject.export/1", result);
        json_decref(result);
    }
    const size_t n_versions = json_array_size(versions);
    tm__cli_print(e->cli, "%lld row%s, %lld answer%s, in the training rows of %zu version%s: %s\n",
                  (long long)n_rows, n_rows == 1 ? "" : "s", (long long)n_answers,
                  n_answers == 1 ? "" : "s", n_versions, n_versions == 1 ? "" : "s", e->path);
    say_consent(e->cli, json_object_get(e->found, "sources"));
    say_left(e);
    json_array_foreach(rest, i, one) {
        tm__cli_warn(e->cli, "%s was not looked into: %s", tm__json_text(one, "what", ""),
                     tm__json_text(one, "why", ""));
    }
}

static tm_status run(export *e, tm_err *err) {
    tm_subject_ask ask = {0};
    TM_TRY(tm__cli_ctx_init(e->cli, 0, &e->ctx, err));
    TM_TRY(tm__place_open(e->cli, false, &e->place, err));
    TM_TRY(tm__cli_subjects_find(e->cli, &e->ctx, &e->place, &e->who, err));
    ask.ids = e->who.ids;
    TM_TRY(tm__subject_find(&e->ctx, e->place.home, e->place.registry, &ask, &e->found, err));
    const int64_t n_rows = tm__cli_subject_rows(json_object_get(e->found, "sources"));
    const int64_t n_answers = tm__json_i64(e->found, "n_answers", 0);
    TM_TRY(find_left(e, err));
    TM_TRY(write_file(e, err));
    const tm_cli_deed deed = {.event = "subject.exported",
                              .kind = "subject",
                              .subject_id = tm__dict_get(e->who.ids, 0),
                              .details =
                                  json_pack("{s:I, s:I, s:O*}", "rows", (json_int_t)n_rows,
                                            "answers", (json_int_t)n_answers, "left_to_retrain",
                                            json_array_size(e->left) > 0 ? e->left : NULL)};
    tm__cli_did(e->cli, "'%.100s' is written", e->path);
    TM_TRY(tm__cli_audit(e->place.home, &deed, err));
    say(e, n_rows, n_answers);
    return TM_OK;
}

tm_status cmd_subject_export(tm_cli *cli, tm_err *err) {
    export e = {.cli = cli, .path = tm__cli_text(cli, "out")};
    tm_status st = tm__cli_subjects_read(tm__cli_arg(cli, "ID"), NULL, &e.who, err);
    st = st == TM_OK ? run(&e, err) : st;
    json_decref(e.left);
    json_decref(e.found);
    tm__cli_subjects_done(&e.who);
    tm__place_close(&e.place);
    tm__cli_ctx_done(&e.ctx);
    return st;
}
