/* SPDX-License-Identifier: Apache-2.0 */
/* Moves of the champion, verdicts, gates and recipes: each is one transaction with its record. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_priv.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status alias_save_locked(tm_registry *registry, int64_t model_id, uint32_t number,
                                   tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO aliases(model_id, name, number) VALUES(?, 'champion', ?)"
                         " ON CONFLICT(model_id, name) DO UPDATE SET number = excluded.number",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, number);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__registry_move_locked(tm_registry *registry, int64_t model_id, uint32_t number,
                                   tm_err *err) {
    TM_TRY(alias_save_locked(registry, model_id, number, err));
    TM_TRY(tm__shadow_end_locked(registry, model_id, number, err));
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO aliases(model_id, name, number)"
                         " SELECT model_id, 'challenger', number FROM versions"
                         " WHERE model_id = ?1 AND number != ?2 ORDER BY number DESC LIMIT 1"
                         " ON CONFLICT(model_id, name) DO UPDATE SET number = excluded.number",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, number);
    return tm__stmt_run_done(stmt, err);
}

/* ---- The recipe follows the champion ---- */

static tm_status recipe_load(tm_registry *registry, int64_t model_id, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db, "SELECT recipe FROM models WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        st = tm__registry_json(has_row ? tm__stmt_text(stmt, 0) : NULL, out, err);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status recipe_save_locked(tm_registry *registry, int64_t model_id, const json_t *recipe,
                                    tm_err *err) {
    char *text = NULL;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__registry_json_text(recipe, &text, err));
    tm_status st =
        tm__stmt_init(registry->db, "UPDATE models SET recipe = ? WHERE id = ?", &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, text);
        tm__stmt_bind_i64(stmt, 2, model_id);
        st = tm__stmt_run_done(stmt, err);
    }
    tm__mem_free(text);
    return st;
}

/* True for a version that came from another home: its recipe reads what is there. */
static tm_status is_foreign(tm_registry *registry, const tm_version *version, bool *out,
                            tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT 1 FROM history WHERE model = ? AND version = ? AND event ="
                         " 'registered' AND json_extract(details, '$.signer') IS NOT NULL",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    tm__stmt_done(stmt);
    *out = has_row;
    return st;
}

/* One that went on from another model is a fit with that one's settings; how to learn anew stays as
 * it was said. */
static tm_status keep_how_to_learn(const json_t *before, json_t *after, tm_err *err) {
    static const char *const names[] = {"learners", "params", "work", "budget_ms"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *const value = json_object_get(before, names[i]);
        (void)json_object_del(after, names[i]);
        if (value != NULL && json_object_set(after, names[i], value) != 0) {
            return no_memory(err);
        }
    }
    return TM_OK;
}

/* The newest recipe that somebody declared since a version was made; NULL: none. A version of a
 * turn was made by the recipe that stood when the turn began. */
static tm_status declared_since(tm_registry *registry, const tm_version *version, json_t **out,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT d.details FROM history d WHERE d.model = ?1 AND d.event = 'recipe.set' AND d.seq >"
        " (SELECT coalesce((SELECT max(s.seq) FROM history s WHERE s.model = ?1 AND s.event ="
        " 'retrain.started' AND s.seq < r.seq AND EXISTS (SELECT 1 FROM history t WHERE t.model ="
        " ?1 AND t.event = 'retrain.trained' AND t.version = ?2)), r.seq) FROM history r WHERE"
        " r.model = ?1 AND r.event = 'registered' AND r.version = ?2)"
        " ORDER BY d.seq DESC LIMIT 1",
        &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = tm__registry_json(tm__stmt_text(stmt, 0), out, err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* One that learned by the very recipe of the champion before it, fitted anew without a person say,
 * has nothing to say about the recipe. from 0: there was none. */
static tm_status is_made_alike(tm_registry *registry, int64_t model_id, uint32_t from,
                               const tm_version *version, bool *out, tm_err *err) {
    tm_version champion = {0};
    *out = false;
    if (from == 0) {
        return TM_OK;
    }
    TM_TRY(tm__registry_load(registry, model_id, from, &champion, err));
    *out = json_equal(json_object_get(champion.info, "recipe"),
                      json_object_get(version->info, "recipe")) != 0;
    tm__version_done(&champion);
    return TM_OK;
}

/* A refused or rolled-back version must not decide what the next retraining reads; what a person
 * declared since the version was made, its threshold say, is newer than the version. */
static tm_status adopt_recipe_locked(tm_registry *registry, int64_t model_id, uint32_t from,
                                     uint32_t to, tm_err *err) {
    static const char *const kept[] = {"retrain", "online",  "owner",    "dir",
                                       "labels",  "monitor", "webhooks", "log",
                                       "warm_up", "rollout", "columns",  "explore"};
    tm_version version = {0};
    json_t *before = NULL, *after = NULL, *declared = NULL;
    TM_TRY(tm__registry_load(registry, model_id, to, &version, err));
    bool foreign = false, is_declared = false, is_alike = false;
    tm_status st = is_foreign(registry, &version, &foreign, err);
    const json_t *recipe = json_object_get(version.info, "recipe");
    st = st == TM_OK ? is_made_alike(registry, model_id, from, &version, &is_alike, err) : st;
    if (st != TM_OK || foreign || is_alike || !json_is_object(recipe)) {
        goto out;
    }
    st = recipe_load(registry, model_id, &before, err);
    if (st != TM_OK) {
        goto out;
    }
    st = declared_since(registry, &version, &declared, err);
    if (st != TM_OK) {
        goto out;
    }
    is_declared = json_is_object(declared);
    after = json_copy((json_t *)(uintptr_t)(is_declared ? declared : recipe));
    if (after == NULL) {
        st = no_memory(err);
        goto out;
    }
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_t *value = json_object_get(before, kept[i]);
        const bool is_own =
            strcmp(kept[i], "labels") == 0 && json_object_get(after, kept[i]) != NULL;
        if (value != NULL && !is_own && json_object_set(after, kept[i], value) != 0) {
            st = no_memory(err);
            goto out;
        }
    }
    if (!is_declared && json_object_get(version.info, "continues") != NULL &&
        json_is_object(before)) {
        st = keep_how_to_learn(before, after, err);
    }
    st = st == TM_OK ? recipe_save_locked(registry, model_id, after, err) : st;
out:
    json_decref(before);
    json_decref(after);
    json_decref(declared);
    tm__version_done(&version);
    return st;
}

/* ---- Promote ---- */

typedef struct tm_moving {
    const char *model;
    const tm_promotion *promotion; /* NULL: a rollback */
    const tm_actor *actor;
    uint32_t from, to; /* filled */
} tm_moving;

/* Reason of a refusal that stands. */
static tm_status verdict_refusal(tm_registry *registry, int64_t model_id, uint32_t number,
                                 tm_buf *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT reason FROM verdicts WHERE model_id = ? AND number = ? AND is_open = 0", &stmt,
        err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, number);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row && !tm__buf_text(out, tm__stmt_text(stmt, 0))) {
        st = no_memory(err);
    }
    tm__stmt_done(stmt);
    return st;
}

/* A version that answers another question than the champion does would break its clients. */
static tm_status same_question(tm_registry *registry, int64_t model_id, uint32_t champion,
                               uint32_t number, tm_buf *out, tm_err *err) {
    tm_version now = {0}, next = {0};
    tm_status st = tm__registry_load(registry, model_id, champion, &now, err);
    if (st == TM_OK) {
        st = tm__registry_load(registry, model_id, number, &next, err);
    }
    if (st == TM_OK) {
        static const char *const names[] = {"target", "task"};
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            const char *a = tm__json_text(now.info, names[i], "");
            const char *b = tm__json_text(next.info, names[i], "");
            if (out->len == 0 && strcmp(a, b) != 0 &&
                !tm__buf_printf(out, "its %s is '%.64s' and the champion's is '%.64s'", names[i], b,
                                a)) {
                st = no_memory(err);
            }
        }
    }
    tm__version_done(&now);
    tm__version_done(&next);
    return st;
}

tm_status tm__registry_refusal(tm_registry *registry, int64_t model_id, uint32_t champion,
                               uint32_t number, tm_buf *out, tm_err *err) {
    TM_TRY(verdict_refusal(registry, model_id, number, out, err));
    return out->len > 0 ? TM_OK : same_question(registry, model_id, champion, number, out, err);
}

static tm_status promote_check(tm_registry *registry, int64_t model_id, tm_moving *move,
                               tm_buf *out_refusal, tm_err *err) {
    tm_version version = {0};
    TM_TRY(tm__registry_load(registry, model_id, move->to, &version, err));
    tm__version_done(&version);
    TM_TRY(tm__registry_alias(registry, model_id, "champion", &move->from, err));
    if (move->from == move->to) {
        return TM_FAIL(err, TM_E_CONFLICT, "version %u of '%s' is its champion already", move->to,
                       move->model);
    }
    const uint32_t expected = move->promotion->champion;
    if (expected != 0 && expected != move->from) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "the champion of '%s' is version %u now, not %u",
                    move->model, move->from, expected);
        tm_err_hint(err, "Compare the version with the new champion and promote it then.");
        return st;
    }
    TM_TRY(tm__registry_refusal(registry, model_id, move->from, move->to, out_refusal, err));
    if (out_refusal->len > 0 && !move->promotion->force) {
        const tm_status st = TM_FAIL(err, TM_E_REFUSED, "the gate refuses version %u of '%s': %s",
                                     move->to, move->model, (const char *)out_refusal->data);
        tm_err_hint(err, "Promote it with --force to override the gate; history records that.");
        return st;
    }
    return TM_OK;
}

static tm_status promote_locked(tm_registry *registry, void *arg, tm_err *err) {
    tm_moving *move = arg;
    int64_t model_id = 0;
    TM_TRY(tm__registry_model_id(registry, move->model, &model_id, err));
    TM_TRY(tm__db_changes_answers(registry->db, err));
    tm_buf why;
    tm__buf_init(&why, 4096);
    json_t *details = NULL;
    uint32_t arm = 0;
    tm_status st = promote_check(registry, model_id, move, &why, err);
    if (st == TM_OK) {
        st = tm__split_end_locked(registry, move->model, move->actor, &arm, err);
    }
    if (st == TM_OK) {
        st = tm__registry_move_locked(registry, model_id, move->to, err);
    }
    if (st == TM_OK) {
        st = adopt_recipe_locked(registry, model_id, move->from, move->to, err);
    }
    if (st == TM_OK && why.len > 0) {
        details = json_pack("{s:b, s:s}", "forced", 1, "overridden", (const char *)why.data);
        if (details == NULL) {
            st = no_memory(err);
        }
    }
    if (st == TM_OK) {
        const tm_event event = {.model = move->model,
                                .event = "promoted",
                                .version = move->to,
                                .from = move->from,
                                .actor = move->actor,
                                .details = details};
        st = tm__history_append_locked(registry, &event, err);
    }
    json_decref(details);
    tm__buf_done(&why);
    return st;
}

tm_status tm__registry_file_check(tm_registry *registry, const char *model, uint32_t number,
                                  tm_err *err) {
    int64_t model_id = 0;
    tm_version version = {0};
    TM_TRY(tm__registry_model_id(registry, model, &model_id, err));
    TM_TRY(tm__registry_load(registry, model_id, number, &version, err));
    const tm_status st = tm__registry_bundle_check(registry, &version, err);
    tm__version_done(&version);
    return st;
}

tm_status tm__promote_locked(tm_registry *registry, const char *model,
                             const tm_promotion *promotion, const tm_actor *actor, tm_err *err) {
    tm_moving move = {
        .model = model, .promotion = promotion, .actor = actor, .to = promotion->version};
    return promote_locked(registry, &move, err);
}

tm_status tm__registry_promote(tm_registry *registry, const char *model,
                               const tm_promotion *promotion, const tm_actor *actor,
                               uint32_t *out_from, tm_err *err) {
    if (!promotion->is_checked) {
        TM_TRY(tm__registry_file_check(registry, model, promotion->version, err));
    }
    tm_moving move = {
        .model = model, .promotion = promotion, .actor = actor, .to = promotion->version};
    TM_TRY(tm__registry_transact(registry, promote_locked, &move, err));
    *out_from = move.from;
    return TM_OK;
}

/* ---- Roll back ---- */

/* The version that the last promotion still standing replaced; 0 when there is none. Each rollback
 * cancels the next older promotion. */
static tm_status earlier_champion(tm_registry *registry, const char *model, uint32_t *out_number,
                                  tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT event, from_version FROM history WHERE model = ?"
                         " AND event IN ('promoted', 'rolled_back') ORDER BY seq DESC",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm_status st = TM_OK;
    uint64_t n_undone = 0;
    uint32_t number = 0;
    while (tm__stmt_next(stmt, &st, err)) {
        if (strcmp(tm__stmt_text(stmt, 0), "rolled_back") == 0) {
            n_undone++;
        } else if (n_undone > 0) {
            n_undone--;
        } else {
            number = (uint32_t)tm__stmt_i64(stmt, 1); /* null, the first version's, gives 0 */
            break;
        }
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out_number = number;
    }
    return st;
}

tm_status tm__registry_earlier(tm_registry *registry, const char *model, uint32_t *out,
                               tm_err *err) {
    int64_t model_id = 0;
    tm_route route = {0};
    TM_TRY(tm__registry_model_id(registry, model, &model_id, err));
    TM_TRY(tm__registry_route(registry, model, &route, err));
    if (route.n_arms > 0) {
        *out = route.version;
        return TM_OK;
    }
    return earlier_champion(registry, model, out, err);
}

static tm_status rollback_locked(tm_registry *registry, void *arg, tm_err *err) {
    tm_moving *move = arg;
    int64_t model_id = 0;
    uint32_t to = 0, arm = 0;
    TM_TRY(tm__registry_model_id(registry, move->model, &model_id, err));
    TM_TRY(tm__db_changes_answers(registry->db, err));
    TM_TRY(tm__registry_alias(registry, model_id, "champion", &move->from, err));
    TM_TRY(tm__split_end_locked(registry, move->model, move->actor, &arm, err));
    if (arm != 0 && move->from == move->to) { /* the split was the last move: it is undone */
        move->from = arm;
        return TM_OK;
    }
    TM_TRY(earlier_champion(registry, move->model, &to, err));
    if (to != move->to) {
        return TM_FAIL(err, TM_E_CONFLICT, "the champion of '%s' has just been moved", move->model);
    }
    TM_TRY(tm__registry_move_locked(registry, model_id, to, err));
    TM_TRY(adopt_recipe_locked(registry, model_id, move->from, to, err));
    const tm_event event = {.model = move->model,
                            .event = "rolled_back",
                            .version = to,
                            .from = move->from,
                            .actor = move->actor};
    return tm__history_append_locked(registry, &event, err);
}

tm_status tm__registry_rollback_to(tm_registry *registry, const char *model,
                                   const tm_promotion *target, const tm_actor *actor,
                                   uint32_t *out_from, tm_err *err) {
    tm_moving move = {.model = model, .actor = actor, .to = target->version};
    if (target->version == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "'%s' has no earlier champion to go back to", model);
        tm_err_hint(err, "Look at its moves with 'tidemill model history %.100s'.", model);
        return st;
    }
    if (!target->is_checked) {
        TM_TRY(tm__registry_file_check(registry, model, target->version, err));
    }
    TM_TRY(tm__registry_transact(registry, rollback_locked, &move, err));
    *out_from = move.from;
    return TM_OK;
}

tm_status tm__registry_rollback(tm_registry *registry, const char *model, const tm_actor *actor,
                                uint32_t *out_from, uint32_t *out_to, tm_err *err) {
    tm_promotion target = {0};
    TM_TRY(tm__registry_earlier(registry, model, &target.version, err));
    TM_TRY(tm__registry_rollback_to(registry, model, &target, actor, out_from, err));
    *out_to = target.version;
    return TM_OK;
}

/* ---- Verdicts ---- */

tm_status tm__judge_locked(tm_registry *registry, const tm_judgement *in, tm_err *err) {
    int64_t model_id = 0;
    TM_TRY(tm__registry_model_id(registry, in->model, &model_id, err));
    tm_version version = {0};
    TM_TRY(tm__registry_load(registry, model_id, in->version, &version, err));
    tm__version_done(&version);
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO verdicts(model_id, number, is_open, reason, at_us)"
                         " VALUES(?, ?, ?, ?, ?) ON CONFLICT(model_id, number) DO UPDATE SET"
                         " is_open = excluded.is_open, reason = excluded.reason,"
                         " at_us = excluded.at_us",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    tm__stmt_bind_i64(stmt, 2, in->version);
    tm__stmt_bind_i64(stmt, 3, in->verdict->is_open);
    tm__stmt_bind_text(stmt, 4, in->verdict->reason);
    tm__stmt_bind_i64(stmt, 5, tm__now_us());
    tm_status st = tm__stmt_run_done(stmt, err);
    TM_TRY(st);
    json_t *details =
        in->verdict->checks == NULL ? NULL : json_pack("{s:O}", "checks", in->verdict->checks);
    const tm_event event = {.model = in->model,
                            .event = in->verdict->is_open ? "gate.opened" : "gate.refused",
                            .version = in->version,
                            .actor = in->actor,
                            .reason = in->verdict->reason,
                            .details = details};
    st = details == NULL && in->verdict->checks != NULL
             ? no_memory(err)
             : tm__history_append_locked(registry, &event, err);
    json_decref(details);
    return st;
}

static tm_status judge_locked(tm_registry *registry, void *arg, tm_err *err) {
    return tm__judge_locked(registry, arg, err);
}

tm_status tm__registry_judge(tm_registry *registry, const char *model, uint32_t version,
                             const tm_gate_verdict *verdict, const tm_actor *actor, tm_err *err) {
    tm_judgement in = {.model = model, .version = version, .verdict = verdict, .actor = actor};
    return tm__registry_transact(registry, judge_locked, &in, err);
}

/* ---- Gate and recipe: JSON in a column of the model ---- */

typedef struct tm_setting {
    const char *model;
    const char *sql; /* UPDATE models SET x = ? WHERE id = ? */
    const char *event;
    const json_t *value; /* NULL or null: none */
    const tm_actor *actor;
} tm_setting;

static tm_status set_locked(tm_registry *registry, void *arg, tm_err *err) {
    const tm_setting *in = arg;
    int64_t model_id = 0;
    char *text = NULL;
    TM_TRY(tm__registry_model_id(registry, in->model, &model_id, err));
    TM_TRY(tm__registry_json_text(in->value, &text, err));
    tm_stmt *stmt = NULL;
    tm_status st = tm__stmt_init(registry->db, in->sql, &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, text);
        tm__stmt_bind_i64(stmt, 2, model_id);
        st = tm__stmt_run_done(stmt, err);
    }
    if (st == TM_OK) {
        const tm_event event = {
            .model = in->model, .event = in->event, .actor = in->actor, .details = in->value};
        st = tm__history_append_locked(registry, &event, err);
    }
    tm__mem_free(text);
    return st;
}

/* Column of a model as JSON, null when it was never set. sql is a literal. */
static tm_status setting_load(tm_registry *registry, const char *model, const char *sql,
                              json_t **out, tm_err *err) {
    int64_t model_id = 0;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__registry_model_id(registry, model, &model_id, err));
    TM_TRY(tm__stmt_init(registry->db, sql, &stmt, err));
    tm__stmt_bind_i64(stmt, 1, model_id);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        st = tm__registry_json(has_row ? tm__stmt_text(stmt, 0) : NULL, out, err);
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_recipe(tm_registry *registry, const char *model, json_t **out, tm_err *err) {
    return setting_load(registry, model, "SELECT recipe FROM models WHERE id = ?", out, err);
}

tm_status tm__registry_recipe_member(tm_registry *registry, const char *model, const char *name,
                                     json_t **out, tm_err *err) {
    json_t *recipe = NULL;
    TM_TRY(tm__registry_recipe(registry, model, &recipe, err));
    json_t *const member = json_object_get(recipe, name);
    *out = member == NULL ? NULL : json_incref(member);
    json_decref(recipe);
    return TM_OK;
}

static tm_status set_recipe_locked(tm_registry *registry, void *arg, tm_err *err) {
    const tm_setting *in = arg;
    int64_t before = 0;
    TM_TRY(tm__history_last(registry, &before, err));
    TM_TRY(set_locked(registry, arg, err));
    return tm__hooks_declare_locked(registry, in->model, in->value, before, err);
}

tm_status tm__registry_set_recipe(tm_registry *registry, const char *model, const json_t *recipe,
                                  const tm_actor *actor, tm_err *err) {
    tm_setting in = {.model = model,
                     .sql = "UPDATE models SET recipe = ? WHERE id = ?",
                     .event = "recipe.set",
                     .value = recipe,
                     .actor = actor};
    return tm__registry_transact(registry, set_recipe_locked, &in, err);
}

tm_status tm__registry_gate(tm_registry *registry, const char *model, tm_gate *out, tm_err *err) {
    json_t *json = NULL;
    TM_TRY(setting_load(registry, model, "SELECT gate FROM models WHERE id = ?", &json, err));
    tm__gate_from_json(json, out);
    json_decref(json);
    return TM_OK;
}

tm_status tm__registry_set_gate(tm_registry *registry, const char *model, const tm_gate *gate,
                                const tm_actor *actor, tm_err *err) {
    TM_TRY(tm__gate_valid(gate, err));
    json_t *json = tm__gate_to_json(gate);
    if (json == NULL) {
        return no_memory(err);
    }
    tm_setting in = {.model = model,
                     .sql = "UPDATE models SET gate = ? WHERE id = ?",
                     .event = "gate.set",
                     .value = json,
                     .actor = actor};
    const tm_status st = tm__registry_transact(registry, set_locked, &in, err);
    json_decref(json);
    return st;
}
