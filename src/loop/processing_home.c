/* SPDX-License-Identifier: Apache-2.0 */
/* What records of processing say of a home as a whole: logs, who receives, how it is kept, and what
 * people asked for. */
#include <string.h>

#include "base/fs.h"
#include "loop/processing.h"
#include "monitor/log_terms.h"
#include "registry/chain.h"
#include "registry/hooks.h"
#include "store/vault.h"

/* ---- Counts of the audit chain ---- */

typedef struct tally {
    int64_t n;
    char last_at[48]; /* empty: never */
} tally;

static tm_status count_events(tm_registry *registry, const char *event, tally *out, tm_err *err) {
    tm_audit_filter filter = {.event = event};
    *out = (tally){0};
    for (bool is_more = true; is_more;) {
        json_t *list = NULL;
        int64_t next = 0;
        TM_TRY(tm__audit_list(registry, &filter, &list, &next, err));
        const size_t n = json_array_size(list);
        out->n += (int64_t)n;
        if (n > 0) {
            (void)tm__str_copy(out->last_at, sizeof(out->last_at),
                               tm__str(tm__json_text(json_array_get(list, n - 1), "at", "")));
        }
        json_decref(list);
        filter.after = next;
        is_more = next > 0;
    }
    return TM_OK;
}

static json_t *at_json(const tally *t) {
    return t->last_at[0] == '\0' ? json_null() : json_string(t->last_at);
}

/* ---- Logs ---- */

static tm_status take_log(tm_registry *registry, const char *model, void *arg, tm_err *err) {
    json_t *const out = arg;
    json_t *log = NULL;
    tm_log_terms terms = tm__log_terms_default;
    TM_TRY(tm__registry_recipe_member(registry, model, "log", &log, err));
    tm__log_terms_read(log, &terms);
    json_array_append_new(
        out, json_pack("{s:s, s:o}", "model", model, "keep_seconds",
                       terms.keep_us > 0 ? json_integer(terms.keep_us / 1000000) : json_null()));
    json_decref(log);
    return TM_OK;
}

/* ---- Recipients ---- */

static tm_status take_receivers(tm_registry *registry, json_t *out, tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__hooks_list(registry, NULL, &list, err));
    json_array_foreach(list, i, one) {
        json_array_append_new(out, json_pack("{s:s, s:s}", "model", tm__json_text(one, "model", ""),
                                             "receiver", tm__json_text(one, "receiver", "")));
    }
    json_decref(list);
    return TM_OK;
}

static tm_status take_exports(tm_registry *registry, json_t *out, tm_err *err) {
    static const char *const events[] = {"answers.exported", "subject.exported", "quarantine.read",
                                         "backup.made", "records.made"};
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        tally t;
        TM_TRY(count_events(registry, events[i], &t, err));
        if (t.n > 0) {
            json_array_append_new(out, json_pack("{s:s, s:I, s:o}", "event", events[i], "n",
                                                 (json_int_t)t.n, "last_at", at_json(&t)));
        }
    }
    return TM_OK;
}

/* ---- Security ---- */

static bool take_key(void *arg, const tm_stored_key *key) {
    json_t *const roles = arg;
    const char *const role = tm__guard_role_text(key->terms.role);
    json_object_set_new(roles, role, json_integer(tm__json_i64(roles, role, 0) + 1));
    return true;
}

static void take_policies(const json_t *sets, json_t *out) {
    size_t i = 0, k = 0;
    const json_t *set = NULL, *column = NULL;
    json_array_foreach(sets, i, set) {
        json_array_foreach(json_object_get(set, "columns"), k, column) {
            const char *const policy = tm__json_text(column, "policy", NULL);
            const size_t n = policy == NULL ? 0 : strcspn(policy, ":");
            char kind[32] = "";
            if (n > 0 && tm__str_copy(kind, sizeof(kind), (tm_str){policy, n}) &&
                !tm__json_has_text(out, kind)) {
                json_array_append_new(out, json_string(kind));
            }
        }
    }
}

static tm_status take_security(const tm_home *home, tm_registry *registry, json_t *records,
                               tm_err *err) {
    json_t *const security = json_pack("{s:[], s:{}, s:[]}", "sealed_by", "keys", "policies");
    json_t *keys = NULL;
    json_object_set_new(records, "security", security);
    TM_TRY(tm__json_check(err));
    TM_TRY(tm__vault_keys(home, &keys, err));
    json_object_set_new(security, "sealed_by", keys);
    take_policies(json_object_get(records, "data"), json_object_get(security, "policies"));
    return tm__registry_key_list(registry, take_key, json_object_get(security, "keys"), err);
}

/* ---- Rights ---- */

static tm_status take_rights(tm_registry *registry, json_t *records, tm_err *err) {
    tally exported, erased;
    TM_TRY(count_events(registry, "subject.exported", &exported, err));
    TM_TRY(count_events(registry, "subject.erased", &erased, err));
    json_object_set_new(records, "rights",
                        json_pack("{s:I, s:I, s:o}", "exported", (json_int_t)exported.n, "erased",
                                  (json_int_t)erased.n, "last_erased_at", at_json(&erased)));
    return TM_OK;
}

tm_status tm__processing_home(const tm_home *home, tm_registry *registry, json_t *records,
                              tm_err *err) {
    json_t *const answers = json_array();
    json_t *const recipients = json_pack("{s:[], s:[]}", "receivers", "exports");
    json_object_set_new(records, "answers", answers);
    json_object_set_new(records, "recipients", recipients);
    TM_TRY(tm__json_check(err));
    TM_TRY(tm__registry_each_model(registry, take_log, answers, err));
    TM_TRY(take_receivers(registry, json_object_get(recipients, "receivers"), err));
    TM_TRY(take_exports(registry, json_object_get(recipients, "exports"), err));
    TM_TRY(take_security(home, registry, records, err));
    return take_rights(registry, records, err);
}
