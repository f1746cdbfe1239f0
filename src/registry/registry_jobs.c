/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: what a daemon's children work on, a row each.
 *
 *   running ──> done | refused | failed | waits         the child ended
 *           ──> lost                                    a newer daemon began, or this one ends
 *           ──> cancelling ──> cancelled                somebody cancelled it; the child ended
 *
 * To cancel is one transaction: the job is marked, its turn ends and the history says who. From
 * then on nobody goes on with the turn, and its child, while it still runs, can save nothing of it:
 * it gets no verdict, so it promotes nothing. A child that has begun no turn yet is refused one.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "registry/registry_priv.h"
#include "registry/turn.h"
#include "store/db_list.h"

/* A day's budget and the pauses after fruitless runs count no job that goes here. */
static tm_status jobs_drop(tm_registry *registry, const char *kind, const char *model,
                           tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "DELETE FROM jobs WHERE kind = ?1 AND model = ?2 AND ended_us < ?3 AND"
                         " started_us < (SELECT started_us FROM jobs WHERE kind = ?1 AND model = ?2"
                         " ORDER BY started_us DESC LIMIT 1 OFFSET ?4)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, kind);
    tm__stmt_bind_text(stmt, 2, model);
    tm__stmt_bind_i64(stmt, 3, tm__now_us() - TM_JOBS_KEPT_US);
    tm__stmt_bind_i64(stmt, 4, TM_JOBS_KEPT - 1);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__registry_job_add(tm_registry *registry, const char *kind, const char *model,
                               char *out_id, tm_err *err) {
    char id[27];
    tm__id_create(id);
    tm_stmt *stmt = NULL;
    TM_TRY(jobs_drop(registry, kind, model == NULL ? "" : model, err));
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO jobs(id, kind, model, state, epoch, started_us)"
                         " VALUES(?, ?, ?, 'running', (SELECT number FROM epoch), ?)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, id);
    tm__stmt_bind_text(stmt, 2, kind);
    tm__stmt_bind_text(stmt, 3, model == NULL ? "" : model);
    tm__stmt_bind_i64(stmt, 4, tm__now_us());
    const tm_status st = tm__stmt_run_done(stmt, err);
    if (st == TM_OK) {
        memcpy(out_id, id, sizeof(id));
    }
    return st;
}

tm_status tm__registry_job_end(tm_registry *registry, const char *id, const char *state,
                               const json_t *result, tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__registry_json_text(result, &text, err));
    tm_stmt *stmt = NULL;
    tm_status st = tm__stmt_init(registry->db,
                                 "UPDATE jobs SET state = ?, ended_us = ?, result = ? WHERE id = ?"
                                 " AND state IN ('running', 'cancelling')"
                                 " AND epoch = (SELECT number FROM epoch)",
                                 &stmt, err);
    if (st == TM_OK) {
        tm__stmt_bind_text(stmt, 1, state);
        tm__stmt_bind_i64(stmt, 2, tm__now_us());
        tm__stmt_bind_text(stmt, 3, text);
        tm__stmt_bind_text(stmt, 4, id);
        st = tm__stmt_run_done(stmt, err);
    }
    if (st == TM_OK && tm__db_changes(registry->db) == 0) {
        st = TM_FAIL(err, TM_E_CONFLICT, "job '%.26s' is not running in this epoch", id);
        tm_err_hint(err, "Another server took over the home; start the job again there.");
    }
    tm__mem_free(text);
    return st;
}

tm_status tm__registry_runs(tm_registry *registry, const char *kind, const char *model,
                            int64_t from_us, tm_runs *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    *out = (tm_runs){0};
    /* What lies ahead of the clock was told by one that has gone back: it does not count. */
    TM_TRY(tm__stmt_init(
        registry->db,
        "WITH runs AS (SELECT *, state = 'done' AND EXISTS(SELECT 1 FROM history WHERE model = ?2"
        " AND event = 'rollout.rolled_back' AND version ="
        " CAST(json_extract(result, '$.version') AS INTEGER)) AS is_back"
        " FROM jobs WHERE kind = ?1 AND model = ?2 AND started_us <= ?4)"
        " SELECT coalesce(max(CASE WHEN ended_us <= ?4 THEN ended_us END), 0),"
        " coalesce(sum(CASE WHEN started_us >= ?3"
        " THEN max(min(coalesce(ended_us, ?4), ?4) - started_us, 0) END), 0),"
        " count(CASE WHEN (is_back OR state = 'failed' OR state = 'refused' AND"
        " json_extract(result, '$.version') IS NOT NULL) AND started_us > max("
        " coalesce((SELECT max(started_us) FROM runs WHERE state = 'done' AND NOT is_back),"
        " 0),"
        " coalesce((SELECT max(at_us) FROM history WHERE model = ?2 AND at_us <= ?4 AND event IN"
        " ('promoted', 'rolled_back', 'gate.set', 'recipe.set')), 0)) THEN 1 END) FROM runs",
        &stmt, err));
    tm__stmt_bind_text(stmt, 1, kind);
    tm__stmt_bind_text(stmt, 2, model);
    tm__stmt_bind_i64(stmt, 3, from_us);
    tm__stmt_bind_i64(stmt, 4, tm__now_us());
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        *out = (tm_runs){tm__stmt_i64(stmt, 0), tm__stmt_i64(stmt, 1),
                         (uint32_t)tm__stmt_i64(stmt, 2)};
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_last_run(tm_registry *registry, const char *model, int64_t *out_us,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT max(coalesce((SELECT max(started_us) FROM jobs WHERE kind ="
                         " 'retrain' AND model = ?1 AND started_us <= ?2), 0),"
                         " coalesce((SELECT max(v.created_us) FROM versions v JOIN models m"
                         " ON m.id = v.model_id WHERE m.name = ?1 AND v.created_us <= ?2), 0))",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_i64(stmt, 2, tm__now_us());
    bool has_row = false;
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        *out_us = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    return st;
}

static json_t *job_item(tm_stmt *stmt) {
    json_t *result = NULL;
    if (tm__registry_json(tm__stmt_text(stmt, 6), &result, NULL) != TM_OK) {
        return NULL;
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o}", "id", tm__stmt_text(stmt, 0), "kind",
                     tm__stmt_text(stmt, 1), "model", tm__stmt_text(stmt, 2), "state",
                     tm__stmt_text(stmt, 3), "started", tm__json_time(tm__stmt_i64(stmt, 4)),
                     "ended",
                     tm__stmt_is_null(stmt, 5) ? json_null() : tm__json_time(tm__stmt_i64(stmt, 5)),
                     "result", result);
}

tm_status tm__registry_jobs(tm_registry *registry, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT id, kind, model, state, started_us, ended_us, result FROM jobs"
                         " ORDER BY started_us DESC, id DESC LIMIT 1000",
                         &stmt, err));
    return tm__stmt_list(stmt, job_item, out, err);
}

/* ---- Cancelling ---- */

typedef struct cancelling {
    const char *id;
    const tm_actor *actor;
    char model[TM_MAX_NAME + 1], kind[16], state[16];
    int64_t started_us;
    bool is_newest; /* of its model's retrainings */
} cancelling;

static tm_status job_find(tm_registry *registry, cancelling *c, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT kind, model, state, started_us, NOT EXISTS(SELECT 1 FROM jobs n"
                         " WHERE n.kind = j.kind AND n.model = j.model AND n.id <> j.id"
                         " AND n.started_us >= j.started_us) FROM jobs j WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, c->id);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        (void)tm__str_copy(c->kind, sizeof(c->kind), tm__str(tm__stmt_text(stmt, 0)));
        (void)tm__str_copy(c->model, sizeof(c->model), tm__str(tm__stmt_text(stmt, 1)));
        (void)tm__str_copy(c->state, sizeof(c->state), tm__str(tm__stmt_text(stmt, 2)));
        c->started_us = tm__stmt_i64(stmt, 3);
        c->is_newest = tm__stmt_i64(stmt, 4) != 0;
    } else if (st == TM_OK) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no job '%.40s'", c->id);
        tm_err_hint(err, "'tidemill job ls' lists them.");
    }
    tm__stmt_done(stmt);
    return st;
}

/* The turn of the job got its verdict, or failed: the child is about to end. */
static tm_status is_over(tm_registry *registry, const cancelling *c, bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT 1 FROM turns WHERE model = ?1 AND changed_us >= ?2 AND number ="
                         " (SELECT max(number) FROM turns WHERE model = ?1) AND state NOT IN"
                         " ('training', 'registering', 'judging') AND coalesce(outcome, '')"
                         " <> 'stopped'",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, c->model);
    tm__stmt_bind_i64(stmt, 2, c->started_us);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    *out = has_row;
    tm__stmt_done(stmt);
    return st;
}

/* A job that runs, or the newest one when it left a turn that would be gone on with. */
static tm_status check(tm_registry *registry, const cancelling *c, bool has_turn, tm_err *err) {
    const bool runs = strcmp(c->state, "running") == 0;
    bool over = false;
    if (strcmp(c->kind, "retrain") != 0) {
        return TM_FAIL(err, TM_E_CONFLICT, "job '%s' is no retraining, but a %s", c->id, c->kind);
    }
    if (!runs && (!has_turn || !c->is_newest)) {
        return TM_FAIL(err, TM_E_CONFLICT, "job '%s' does not run: %s", c->id, c->state);
    }
    TM_TRY(is_over(registry, c, &over, err));
    if (over) {
        const tm_status st =
            TM_FAIL(err, TM_E_CONFLICT, "the retraining of '%s' is over", c->model);
        tm_err_hint(err,
                    "'tidemill retrain %.64s --turns' tells what came of it, 'tidemill model "
                    "rollback' takes a promotion back.",
                    c->model);
        return st;
    }
    return TM_OK;
}

static tm_status job_mark(tm_registry *registry, const cancelling *c, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE jobs SET state = CASE state WHEN 'running' THEN 'cancelling' ELSE"
                         " 'cancelled' END WHERE id = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, c->id);
    return tm__stmt_run_done(stmt, err);
}

static tm_status turn_stop(tm_registry *registry, const cancelling *c, tm_turn *turn, tm_err *err) {
    char why[256];
    const char *const reason = c->actor->reason == NULL ? "" : c->actor->reason;
    (void)snprintf(why, sizeof(why), "cancelled by %.80s%s%.160s", c->actor->name,
                   reason[0] == '\0' ? "" : ": ", reason);
    return tm__turn_end(registry, turn, "stopped", why, err);
}

static tm_status cancel_turn_locked(tm_registry *registry, const cancelling *c, tm_turn *turn,
                                    bool has_turn, tm_err *err) {
    has_turn = has_turn && turn->state < TM_TURN_CLOSING;
    TM_TRY(check(registry, c, has_turn, err));
    json_t *const details = json_pack("{s:s}", "job", c->id);
    if (has_turn) {
        json_object_set_new(details, "turn", json_integer(turn->number));
    }
    const tm_event record = {
        .model = c->model, .event = "retrain.cancelled", .actor = c->actor, .details = details};
    tm_status st = tm__json_check(err);
    st = st == TM_OK && has_turn ? turn_stop(registry, c, turn, err) : st;
    st = st == TM_OK ? job_mark(registry, c, err) : st;
    st = st == TM_OK ? tm__history_append_locked(registry, &record, err) : st;
    json_decref(details);
    return st;
}

static tm_status cancel_locked(tm_registry *registry, void *arg, tm_err *err) {
    cancelling *const c = arg;
    tm_turn turn = {0};
    bool has_turn = false;
    TM_TRY(job_find(registry, c, err));
    TM_TRY(tm__turn_find(registry, c->model, &turn, &has_turn, err));
    const tm_status st = cancel_turn_locked(registry, c, &turn, has_turn, err);
    tm__turn_done(&turn);
    return st;
}

tm_status tm__registry_job_cancel(tm_registry *registry, const char *id, const tm_actor *actor,
                                  tm_err *err) {
    cancelling c = {.id = id, .actor = actor};
    return tm__registry_transact(registry, cancel_locked, &c, err);
}

tm_status tm__registry_cancels(tm_registry *registry, const char *model, const char *id, bool *out,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT 1 FROM jobs WHERE kind = 'retrain' AND model = ?1 AND"
                         " state = 'cancelling' AND (?2 IS NULL OR id = ?2)",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, id);
    const tm_status st = tm__stmt_step(stmt, out, err);
    tm__stmt_done(stmt);
    return st;
}

/* ---- Epochs ---- */

static tm_status epoch_locked(tm_registry *registry, void *arg, tm_err *err) {
    int64_t *out_epoch = arg;
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE epoch SET number = number + 1, begun_us = ? RETURNING number",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, tm__now_us());
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        TM_ASSERT(has_row);
        *out_epoch = tm__stmt_i64(stmt, 0);
    }
    tm__stmt_done(stmt);
    TM_TRY(st);
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE jobs SET state = CASE state WHEN 'running' THEN 'lost' ELSE"
                         " 'cancelled' END, ended_us = ? WHERE state IN ('running', 'cancelling')",
                         &stmt, err));
    tm__stmt_bind_i64(stmt, 1, tm__now_us());
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__registry_epoch_begin(tm_registry *registry, int64_t *out_epoch, tm_err *err) {
    int64_t epoch = 0;
    TM_TRY(tm__registry_transact(registry, epoch_locked, &epoch, err));
    *out_epoch = epoch;
    return TM_OK;
}
