/* SPDX-License-Identifier: Apache-2.0 */
/* `audit tail` and `verify`: who did what, and whether that is all and as it was written. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/subject_id.h"
#include "registry/chain.h"
#include "registry/restored.h"
#include "registry/trust.h"

/* ---- tail ---- */

static tm_status read_filter(tm_cli *cli, tm_audit_filter *out, tm_err *err) {
    *out = (tm_audit_filter){
        .event = tm__cli_text(cli, "event"),
        .actor = tm__cli_text(cli, "actor"),
        .object = tm__cli_text(cli, "object"),
        .model = tm__cli_text(cli, "model"),
        .newest = (uint32_t)tm__cli_i64(cli, "newest"),
    };
    TM_TRY(tm__cli_when(cli, "since", &out->since_us, err));
    return tm__cli_when(cli, "until", &out->until_us, err);
}

static void print_entries(tm_cli *cli, const json_t *list) {
    const char *titles[] = {"seq", "at", "event", "object", "actor", "outcome", "reason"};
    tm_cli_table table;
    size_t i = 0;
    const json_t *item = NULL;
    tm__cli_table_init(&table, 7, titles);
    json_array_foreach(list, i, item) {
        const char *const model = tm__json_text(item, "model", "");
        const char *const object = tm__json_text(item, "object", "");
        const int64_t version = tm__json_i64(item, "version", 0);
        tm__cli_cell(&table, "%lld", (long long)tm__json_i64(item, "seq", 0));
        tm__cli_cell(&table, "%.19s", tm__json_text(item, "at", ""));
        tm__cli_cell(&table, "%s", tm__json_text(item, "event", ""));
        if (object[0] != '\0' || model[0] == '\0') {
            tm__cli_cell(&table, "%s", object);
        } else if (version > 0) {
            tm__cli_cell(&table, "model:%s@%lld", model, (long long)version);
        } else {
            tm__cli_cell(&table, "model:%s", model);
        }
        tm__cli_cell(&table, "%s", tm__json_text(item, "actor", ""));
        tm__cli_cell(&table, "%s", tm__json_text(item, "outcome", ""));
        tm__cli_cell(&table, "%s", tm__json_text(item, "reason", ""));
    }
    tm__cli_table_print(cli, &table);
}

tm_status cmd_audit_tail(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    tm_audit_filter filter;
    tm_hash subject;
    json_t *list = NULL;
    int64_t next = 0;
    const bool has_subject = tm__cli_has(cli, "subject");
    bool can_be = true;
    char *id = NULL;
    TM_TRY(read_filter(cli, &filter, err));
    tm_status st =
        has_subject ? tm__cli_subject_read(tm__cli_text(cli, "subject"), &id, err) : TM_OK;
    st = st == TM_OK ? tm__place_open(cli, false, &place, err) : st;
    if (st == TM_OK && has_subject) {
        st = tm__audit_subject_find(place.registry, tm__str(id), &can_be, &subject, err);
        filter.subject = &subject;
    }
    if (st == TM_OK && can_be) {
        st = tm__audit_list(place.registry, &filter, &list, &next, err);
    } else if (st == TM_OK) {
        list = json_array();
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:O}", "entries", list);
        tm__cli_print_object(cli, "tidemill.audit.tail/1", result);
        json_decref(result);
    } else if (st == TM_OK && json_array_size(list) == 0) {
        tm__cli_print(cli, "no such entry\n");
    } else if (st == TM_OK) {
        print_entries(cli, list);
    }
    json_decref(list);
    tm__cli_subject_done(id);
    tm__place_close(&place);
    return st;
}

/* ---- verify ---- */

typedef struct verify_args {
    tm_public_key keys[TM_AUDIT_KEYS_MAX];
    char *home_anchor; /* owned */
    tm_home *home;     /* NULL for a copy */
    json_t *restored;  /* what waits for the next entry; owned; NULL: nothing */
    tm_audit_check check;
} verify_args;

static void args_done(verify_args *args) {
    tm__mem_free(args->home_anchor);
    json_decref(args->restored);
    tm__home_close(args->home);
}

static tm_status read_keys(const tm_cli *cli, verify_args *args, tm_err *err) {
    uint32_t n = 0;
    const char *const *texts = tm__cli_list(cli, "key", &n);
    if (n > TM_AUDIT_KEYS_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "more than %u keys", TM_AUDIT_KEYS_MAX);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!tm__public_key_from_text(texts[i], &args->keys[i])) {
            const tm_status st = TM_FAIL(err, TM_E_USAGE, "that is no public key");
            tm_err_hint(err, "It is what 'tidemill trust key' prints in the home: ed25519: and 64 "
                             "hexadecimal digits.");
            return st;
        }
    }
    args->check.keys = args->keys;
    args->check.n_keys = n;
    return TM_OK;
}

/* Of a home: its own key unless others are named, its own anchor unless another is. */
static tm_status read_home(const tm_cli *cli, verify_args *args, tm_err *err) {
    bool has = false;
    TM_TRY(tm__home_open(cli->home, false, &args->home, err));
    args->check.meta_db = tm__home_meta_db(args->home);
    if (args->check.n_keys == 0) {
        TM_TRY(tm__trust_own_find(tm__home_path(args->home), &args->keys[0], &has, err));
        args->check.n_keys = has ? 1 : 0;
    }
    if (args->check.anchor == NULL) {
        args->home_anchor = tm__fs_join(tm__home_path(args->home), TM_AUDIT_ANCHOR);
        if (args->home_anchor == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        const bool is_there = tm__fs_info(args->home_anchor).kind == TM_PATH_FILE;
        args->check.anchor = is_there ? args->home_anchor : NULL;
    }
    return TM_OK;
}

static void print_report(tm_cli *cli, const tm_audit_check *check, const tm_audit_report *r) {
    char key[TM_PUBLIC_KEY_TEXT], at[48];
    tm__public_key_to_text(&r->key, key);
    (void)tm__time_to_text(r->signed_us, at);
    tm__cli_print(cli, "audit chain: %llu entries whole\n", (unsigned long long)r->n);
    if (r->is_signed) {
        tm__cli_print(cli, "signed at %.19s by %s%s\n", at, key,
                      r->is_key_known ? "" : ", which was held against no key");
    }
    if (check->anchor != NULL) {
        tm__cli_print(cli, "anchor: %llu checkpoints agree, up to entry %llu\n",
                      (unsigned long long)r->n_anchors, (unsigned long long)r->n_anchored);
    } else {
        tm__cli_print(cli, "anchor: none was looked at\n");
    }
    if (r->n_damaged > 0) {
        tm__cli_warn(cli, "%llu lines of the anchor are damaged and say nothing",
                     (unsigned long long)r->n_damaged);
    }
    if (r->is_signed && !r->is_key_known) {
        tm__cli_note(cli, "whoever can write this file could have signed it anew: name its key "
                          "with --key");
    }
}

static void print_restored(tm_cli *cli, const json_t *restored) {
    const json_t *const details = json_object_get(restored, "details");
    if (restored != NULL) {
        tm__cli_warn(cli,
                     "the home was restored at %.19s by %s from the backup %s; its chain says so "
                     "with its next entry",
                     tm__json_text(details, "at", ""), tm__json_text(restored, "actor", ""),
                     tm__json_text(details, "backup", ""));
    }
}

static json_t *report_json(const verify_args *args, const tm_audit_report *r) {
    const tm_audit_check *const check = &args->check;
    char key[TM_PUBLIC_KEY_TEXT], at[48];
    tm__public_key_to_text(&r->key, key);
    (void)tm__time_to_text(r->signed_us, at);
    json_t *result = json_pack("{s:b, s:I, s:s?, s:s?, s:b}", "ok", true, "entries",
                               (json_int_t)r->n, "key", r->is_signed ? key : NULL, "signed",
                               r->is_signed ? at : NULL, "key_known", r->is_key_known);
    json_object_set_new(result, "anchor",
                        check->anchor == NULL
                            ? json_null()
                            : json_pack("{s:I, s:I, s:I}", "checkpoints", (json_int_t)r->n_anchors,
                                        "up_to", (json_int_t)r->n_anchored, "damaged_lines",
                                        (json_int_t)r->n_damaged));
    json_object_set_new(result, "restored",
                        args->restored == NULL ? json_null() : json_incref(args->restored));
    return result;
}

tm_status cmd_audit_verify(tm_cli *cli, tm_err *err) {
    verify_args args = {.check = {.anchor = tm__cli_text(cli, "anchor")}};
    tm_audit_report report;
    tm_ctx ctx = {0};
    tm_status st = read_keys(cli, &args, err);
    if (st == TM_OK && tm__cli_arg(cli, "FILE") != NULL) {
        args.check.meta_db = tm__cli_arg(cli, "FILE");
    } else if (st == TM_OK) {
        st = read_home(cli, &args, err);
    }
    st = st == TM_OK ? tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err) : st;
    st = st == TM_OK ? tm__audit_verify(&ctx, &args.check, &report, err) : st;
    st = st == TM_OK && args.home != NULL ? tm__restored_waiting(args.home, &args.restored, err)
                                          : st;
    if (st == TM_OK && cli->json) {
        json_t *result = report_json(&args, &report);
        tm__cli_print_object(cli, "tidemill.audit.verify/1", result);
        json_decref(result);
    } else if (st == TM_OK) {
        print_report(cli, &args.check, &report);
        print_restored(cli, args.restored);
    }
    tm__cli_ctx_done(&ctx);
    args_done(&args);
    return st;
}
