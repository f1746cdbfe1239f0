/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why one logged answer was as it was: its row is asked again of the version that answered, by the
 * code of a request. What each column added is told, and values of masked columns alone, as the
 * role may see them (table/told.h). On the desk's thread.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "registry/chain.h"
#include "serve/handle.h"
#include "serve/rehearse.h"
#include "table/told.h"

#define ROW_BYTES_MAX ((size_t)4 << 20)

static tm_status find_bundle(tm_exchange *x, const json_t *logged, tm_bundle **out, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version version = {0};
    (void)snprintf(name, sizeof name, "%s@%lld", tm__json_text(logged, "model", ""),
                   (long long)tm__json_i64(logged, "version", 0));
    TM_TRY(tm__registry_find(x->desk->registry, name, &version, err));
    const tm_status st = tm__registry_bundle(x->desk->registry, &version, out, err);
    tm__version_done(&version);
    return st;
}

/* Who asks, and of which answer. */
typedef struct asking {
    const char *role;
    const json_t *logged;
    const tm_bundle *bundle;
} asking;

static json_t *list_reasons(const asking *ask, const double *parts) {
    const tm_schema *const schema = tm__bundle_schema(ask->bundle);
    const json_t *const policies = tm__bundle_policies(ask->bundle);
    const json_t *const row = json_object_get(ask->logged, "row");
    json_t *const out = json_array();
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        const char *const name = schema->cols[i].name;
        json_t *const one =
            json_pack("{s:s, s:o}", "column", name, "contribution", tm__json_number(parts[i]));
        if (tm__told_is_masked(policies, name)) {
            const json_t *const value = json_object_get(row, name);
            json_object_set_new(one, "value", tm__told_value(policies, name, ask->role, value));
            json_object_set_new(one, "is_masked",
                                json_boolean(!tm__told_in_full(policies, name, ask->role)));
        }
        json_array_append_new(out, one);
    }
    return out;
}

static json_t *describe(const asking *ask, const tm_rehearsed *r) {
    const json_t *const logged = ask->logged;
    const tm_bundle *const bundle = ask->bundle;
    const uint32_t decided = tm__bundle_decide(bundle, r->answer);
    const bool has_classes = tm__bundle_classes(bundle) > 0;
    const uint32_t output = tm__bundle_task(bundle) == TM_TASK_MULTICLASS ? decided : 0;
    json_t *const out = json_pack(
        "{s:s, s:s, s:I, s:O?, s:o, s:o, s:o, s:o}", "id", tm__json_text(logged, "id", ""), "model",
        tm__json_text(logged, "model", ""), "version",
        (json_int_t)tm__json_i64(logged, "version", 0), "at", json_object_get(logged, "at"),
        "prediction",
        has_classes ? tm__bundle_class_json(bundle, decided) : tm__json_number(r->answer[0]),
        "base", tm__json_number(r->base), "raw", tm__json_number(r->raw), "reasons",
        list_reasons(ask, r->parts));
    json_object_set_new(out, "probability",
                        has_classes ? tm__json_number(r->answer[output]) : json_null());
    return out;
}

static tm_status explain(const asking *ask, json_t **out, tm_err *err) {
    const tm_bundle *const bundle = ask->bundle;
    tm_rehearsal *rehearsal = NULL;
    tm_buf row;
    TM_TRY(tm__rehearsal_create(bundle, &rehearsal, err));
    tm_rehearsed r = {
        .answer = tm__mem_zalloc(tm__bundle_outputs(bundle), sizeof(double)),
        .parts = tm__mem_zalloc((size_t)tm__bundle_schema(bundle)->n_cols + 1, sizeof(double))};
    tm__buf_init(&row, ROW_BYTES_MAX);
    tm__buf_byte(&row, '[');
    const bool is_whole = tm__json_write(&row, json_object_get(ask->logged, "row"), 0);
    tm__buf_byte(&row, ']');
    tm_status st = !is_whole || row.failed || r.answer == NULL || r.parts == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to explain a row")
                       : tm__rehearsal_explain(rehearsal, (char *)row.data, row.len, &r, err);
    if (st == TM_OK) {
        *out = describe(ask, &r);
    }
    tm__buf_done(&row);
    tm__mem_free(r.answer);
    tm__mem_free(r.parts);
    tm__rehearsal_free(rehearsal);
    return st;
}

/* Who looked at whose answer. */
static tm_status note_read(const tm_exchange *x, const json_t *logged, tm_err *err) {
    tm_registry *const registry = x->desk->registry;
    const char *const entity = tm__json_text(logged, "entity", NULL);
    const tm_actor actor = {.name = x->access.actor};
    char object[64];
    tm_hash subject;
    tm_audit_note note = {
        .event = "answer.read", .object = object, .model = tm__json_text(logged, "model", "")};
    (void)snprintf(object, sizeof(object), "prediction:%.40s", tm__json_text(logged, "id", ""));
    if (entity != NULL) {
        TM_TRY(tm__audit_subject_make(registry, tm__str(entity), &subject, err));
        note.subject = &subject;
    }
    return tm__audit_append(registry, &note, &actor, err);
}

void tm__handle_explain(tm_exchange *x) {
    tm_err err = {0};
    json_t *logged = NULL, *out = NULL;
    tm_bundle *bundle = NULL;
    tm_status st = tm__monitor_find(x->desk->monitor, x->match.params[1], &logged, &err);
    if (st == TM_OK && strcmp(tm__json_text(logged, "model", ""), x->match.params[0]) != 0) {
        st = TM_FAIL(&err, TM_E_NOT_FOUND, "no answer of this model has this id");
    }
    st = st == TM_OK ? find_bundle(x, logged, &bundle, &err) : st;
    const asking ask = {tm__guard_role_text(x->access.role), logged, bundle};
    st = st == TM_OK ? explain(&ask, &out, &err) : st;
    st = st == TM_OK ? note_read(x, logged, &err) : st;
    if (st == TM_OK) {
        tm__reply_json(x, out);
    } else {
        json_decref(out);
        tm__problem_from_err(x, &err);
    }
    tm__bundle_unref(bundle);
    json_decref(logged);
}
