/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A turn is one row of `turns`, its story a JSON text in it. An index that is unique where outcome
 * is null keeps a model from having two open ones; each change of a row asks that it is open still,
 * so that a late writer changes nothing.
 */
#include "registry/turn.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_priv.h"

static const char *const states[] = {"training", "registering", "judging", "closing",
                                     "rollout",  "watching",    "ended"};
#define COLUMNS                                                                                    \
    "model, number, state, champion, version, began_us, changed_us, coalesce(outcome, ''), story"  \
    " FROM turns"

/* "training", ... */
static const char *state_text(tm_turn_state state) {
    return states[state];
}

void tm__turn_done(tm_turn *turn) {
    json_decref(turn->story);
    *turn = (tm_turn){0};
}

json_t *tm__turn_json(const tm_turn *t) {
    json_t *out =
        json_pack("{s:s, s:I, s:s, s:o, s:I, s:o, s:o, s:o}", "model", t->model, "turn",
                  (json_int_t)t->number, "state", state_text(t->state), "outcome",
                  t->outcome[0] == '\0' ? json_null() : json_string(t->outcome), "champion",
                  (json_int_t)t->champion, "version",
                  t->version == 0 ? json_null() : json_integer((json_int_t)t->version), "began",
                  tm__json_time(t->began_us), "changed", tm__json_time(t->changed_us));
    if (out != NULL && json_object_update_missing(out, t->story) != 0) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

static tm_status read_row(tm_stmt *stmt, tm_turn *out, tm_err *err) {
    tm_turn turn = {.number = (uint32_t)tm__stmt_i64(stmt, 1),
                    .champion = (uint32_t)tm__stmt_i64(stmt, 3),
                    .version = (uint32_t)tm__stmt_i64(stmt, 4),
                    .began_us = tm__stmt_i64(stmt, 5),
                    .changed_us = tm__stmt_i64(stmt, 6)};
    (void)tm__str_copy(turn.model, sizeof(turn.model), tm__str(tm__stmt_text(stmt, 0)));
    (void)tm__str_copy(turn.outcome, sizeof(turn.outcome), tm__str(tm__stmt_text(stmt, 7)));
    while (turn.state < TM_TURN_ENDED && strcmp(states[turn.state], tm__stmt_text(stmt, 2)) != 0) {
        turn.state++;
    }
    TM_TRY(tm__registry_json(tm__stmt_text(stmt, 8), &turn.story, err));
    if (!json_is_object(turn.story) || (turn.state == TM_TURN_ENDED) != (turn.outcome[0] != '\0')) {
        tm__turn_done(&turn);
        return TM_FAIL(err, TM_E_INTEGRITY, "a turn is not as it was stored");
    }
    *out = turn;
    return TM_OK;
}

tm_status tm__turn_find(tm_registry *registry, const char *model, tm_turn *out, bool *out_has,
                        tm_err *err) {
    tm_stmt *stmt = NULL;
    *out_has = false;
    TM_TRY(tm__stmt_init(registry->db, "SELECT " COLUMNS " WHERE model = ? AND outcome IS NULL",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm_status st = tm__stmt_step(stmt, out_has, err);
    st = st == TM_OK && *out_has ? read_row(stmt, out, err) : st;
    tm__stmt_done(stmt);
    return st;
}

/* The records of its version's rollout, from the turn on. */
static tm_status add_steps(tm_registry *registry, const tm_turn *turn, json_t *item, tm_err *err) {
    const tm_history_filter filter = {
        .event = "rollout", .version = turn->version, .since_us = turn->began_us};
    json_t *records = NULL, *record = NULL;
    size_t i = 0;
    if (turn->version == 0) {
        return TM_OK;
    }
    TM_TRY(tm__registry_history_find(registry, turn->model, &filter, &records, err));
    json_t *const steps = json_array();
    json_array_foreach(records, i, record) {
        json_array_append_new(steps,
                              json_pack("{s:O, s:O, s:O*}", "at", json_object_get(record, "at"),
                                        "event", json_object_get(record, "event"), "reason",
                                        json_object_get(record, "reason")));
    }
    json_decref(records);
    if (json_array_size(steps) > 0) {
        json_object_set(item, "steps", steps);
    }
    json_decref(steps);
    return tm__json_check(err);
}

static tm_status add_item(tm_registry *registry, tm_stmt *stmt, json_t *list, tm_err *err) {
    tm_turn turn = {0};
    TM_TRY(read_row(stmt, &turn, err));
    json_t *const item = tm__turn_json(&turn);
    tm_status st = item == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                : add_steps(registry, &turn, item, err);
    json_object_del(item, "recipe"); /* the version's own record has it */
    if (json_array_append_new(list, item) != 0 && st == TM_OK) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm__turn_done(&turn);
    return st;
}

tm_status tm__turn_list(tm_registry *registry, const char *model, uint32_t n, json_t **out,
                        tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT " COLUMNS " WHERE model = ? ORDER BY number DESC LIMIT ?", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_i64(stmt, 2, n == 0 ? INT64_MAX : (int64_t)n);
    json_t *list = json_array();
    tm_status st = list == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = add_item(registry, stmt, list, err);
    }
    tm__stmt_done(stmt);
    return tm__json_give(st, list, out, err);
}

static tm_status next_number(tm_registry *registry, const char *model, uint32_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT coalesce(max(number), 0) + 1 FROM turns WHERE model = ?", &stmt,
                         err));
    tm__stmt_bind_text(stmt, 1, model);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = (uint32_t)tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

/* Inserts the row, or changes the one that has not ended. */
static tm_status write_row(tm_registry *registry, const tm_turn *t, bool is_new, tm_err *err) {
    char *story = NULL;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__registry_json_text(t->story, &story, err));
    tm_status st =
        is_new ? tm__stmt_init(registry->db,
                               "INSERT INTO turns(state, version, changed_us, outcome, story,"
                               " model, number, champion, began_us) VALUES(?,?,?,?,?,?,?,?,?)",
                               &stmt, err)
               : tm__stmt_init(registry->db,
                               "UPDATE turns SET state = ?, version = ?, changed_us = ?,"
                               " outcome = ?, story = ? WHERE model = ? AND number = ?"
                               " AND outcome IS NULL",
                               &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, state_text(t->state));
        tm__stmt_bind_i64(stmt, 2, t->version);
        tm__stmt_bind_i64(stmt, 3, t->changed_us);
        tm__stmt_bind_text(stmt, 4, t->outcome[0] == '\0' ? NULL : t->outcome);
        tm__stmt_bind_text(stmt, 5, story);
        tm__stmt_bind_text(stmt, 6, t->model);
        tm__stmt_bind_i64(stmt, 7, t->number);
        if (is_new) {
            tm__stmt_bind_i64(stmt, 8, t->champion);
            tm__stmt_bind_i64(stmt, 9, t->began_us);
        }
        st = tm__stmt_run_done(stmt, err);
    }
    if (st == TM_OK && tm__db_changes(registry->db) == 0) {
        st =
            TM_FAIL(err, TM_E_CONFLICT, "turn %u of '%s' was ended meanwhile", t->number, t->model);
    }
    tm__mem_free(story);
    return st;
}

tm_status tm__turn_save(tm_registry *registry, tm_turn *turn, tm_err *err) {
    turn->changed_us = tm__now_us();
    return write_row(registry, turn, false, err);
}

tm_status tm__turn_end(tm_registry *registry, tm_turn *turn, const char *outcome,
                       const char *reason, tm_err *err) {
    if (json_object_set_new(turn->story, "reason", json_string(reason)) != 0) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_turn_state before = turn->state;
    turn->state = TM_TURN_ENDED;
    (void)tm__str_copy(turn->outcome, sizeof(turn->outcome), tm__str(outcome));
    const tm_status st = tm__turn_save(registry, turn, err);
    if (st != TM_OK) {
        turn->state = before;
        turn->outcome[0] = '\0';
    }
    return st;
}

typedef struct judged {
    tm_turn *turn;
    tm_judgement judgement;
} judged;

static tm_status judge_locked(tm_registry *registry, void *arg, tm_err *err) {
    const judged *const in = arg;
    TM_TRY(tm__judge_locked(registry, &in->judgement, err));
    if (!in->judgement.verdict->is_open) {
        return tm__turn_end(registry, in->turn, "refused", in->judgement.verdict->reason, err);
    }
    in->turn->state = TM_TURN_CLOSING;
    return tm__turn_save(registry, in->turn, err);
}

tm_status tm__turn_judge(tm_registry *registry, tm_turn *turn, const tm_gate_verdict *verdict,
                         const tm_actor *actor, tm_err *err) {
    const tm_turn_state before = turn->state;
    judged in = {
        turn, {.model = turn->model, .version = turn->version, .verdict = verdict, .actor = actor}};
    const tm_status st = tm__registry_transact(registry, judge_locked, &in, err);
    if (st != TM_OK) {
        turn->state = before;
        turn->outcome[0] = '\0';
    }
    return st;
}

static tm_status give_way(tm_registry *registry, tm_turn *before, tm_err *err) {
    if (before->state == TM_TURN_WATCHING) {
        return tm__turn_end(registry, before, "promoted", "the next turn began", err);
    }
    const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "turn %u of '%s' goes on: %s", before->number,
                                 before->model, state_text(before->state));
    tm_err_hint(err, "'tidemill retrain %.80s --turns' tells how far it is.", before->model);
    return st;
}

/* A child of the schedule whose job was cancelled before it came to a turn. */
static tm_status check_wanted(tm_registry *registry, const tm_turn *turn, tm_err *err) {
    bool cancels = false;
    if (json_is_string(json_object_get(turn->story, "because"))) {
        TM_TRY(tm__registry_cancels(registry, turn->model, NULL, &cancels, err));
    }
    return cancels
               ? TM_FAIL(err, TM_E_CONFLICT, "the retraining of '%s' was cancelled", turn->model)
               : TM_OK;
}

static tm_status begin_locked(tm_registry *registry, void *arg, tm_err *err) {
    tm_turn *turn = arg;
    tm_turn before = {0};
    bool has = false;
    TM_TRY(check_wanted(registry, turn, err));
    TM_TRY(tm__turn_find(registry, turn->model, &before, &has, err));
    const tm_status st = has ? give_way(registry, &before, err) : TM_OK;
    tm__turn_done(&before);
    TM_TRY(st);
    TM_TRY(next_number(registry, turn->model, &turn->number, err));
    return write_row(registry, turn, true, err);
}

tm_status tm__turn_begin(tm_registry *registry, tm_turn *turn, tm_err *err) {
    turn->state = TM_TURN_TRAINING;
    turn->version = 0;
    turn->outcome[0] = '\0';
    turn->began_us = turn->changed_us = tm__now_us();
    return tm__registry_transact(registry, begin_locked, turn, err);
}
