/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   history  1 2 3 4 5 6 ...       of a model
 *                  ^ hooks.seq     what a receiver has: the next one behind it is owed
 *
 * Declaring sets the place, in the transaction of the recipe; taking or passing over moves it on.
 * An event and that it is owed are so one commit, without a queue that could disagree.
 */
#include "registry/hooks.h"

#include <string.h>

#include "registry/registry_priv.h"
#include "store/db_list.h"

#define FIRST_WAIT_US INT64_C(10000000)
#define MOST_WAIT_US INT64_C(21600000000)

/* ---- Who is told: as the recipe declares ---- */

static tm_status add_locked(tm_registry *registry, const char *model, const char *name, int64_t seq,
                            tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "INSERT INTO hooks(model, name, seq, n_tries, next_us)"
                         " VALUES(?, ?, ?, 0, 0) ON CONFLICT DO NOTHING",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, name);
    tm__stmt_bind_i64(stmt, 3, seq);
    return tm__stmt_run_done(stmt, err);
}

static bool has_name(const json_t *receivers, const char *name) {
    const json_t *item = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)receivers, i, item) {
        if (strcmp(tm__json_text(item, "name", ""), name) == 0) {
            return true;
        }
    }
    return false;
}

static tm_status remove_locked(tm_registry *registry, const char *model, const char *name,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(
        tm__stmt_init(registry->db, "DELETE FROM hooks WHERE model = ? AND name = ?", &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, name);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__hooks_declare_locked(tm_registry *registry, const char *model, const json_t *recipe,
                                   int64_t seq, tm_err *err) {
    json_t *const receivers = json_object_get(recipe, "webhooks");
    const json_t *item = NULL;
    size_t i = 0;
    json_t *names = NULL;
    tm_status st = tm__registry_names(
        registry, "SELECT name FROM hooks WHERE model = ? ORDER BY name", model, &names, err);
    json_array_foreach(names, i, item) {
        if (st == TM_OK && !has_name(receivers, json_string_value(item))) {
            st = remove_locked(registry, model, json_string_value(item), err);
        }
    }
    json_array_foreach(receivers, i, item) {
        if (st == TM_OK) {
            st = add_locked(registry, model, tm__json_text(item, "name", ""), seq, err);
        }
    }
    json_decref(names);
    return st;
}

/* ---- What is owed ---- */

tm_status tm__hooks_due(tm_registry *registry, int64_t now_us,
                        bool (*fn)(void *arg, const char *model, const char *name), void *arg,
                        tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT h.model, h.name FROM hooks h WHERE (h.next_us <= ?1 OR h.next_us > ?2) AND EXISTS("
        "SELECT 1 FROM history r WHERE r.model = h.model AND r.seq > h.seq)"
        " ORDER BY h.next_us, h.model, h.name",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, now_us);
    tm__stmt_bind_i64(stmt, 2, now_us + MOST_WAIT_US); /* the clock went back */
    tm_status st = TM_OK;
    for (bool goes_on = true; goes_on && tm__stmt_next(stmt, &st, err);) {
        goes_on = fn(arg, tm__stmt_text(stmt, 0), tm__stmt_text(stmt, 1));
    }
    tm__stmt_done(stmt);
    return st;
}

/* Recipes name files and addresses of the house, and other receivers: they do not leave it. */
static tm_status event_of(tm_stmt *stmt, const char *model, json_t **out, tm_err *err) {
    const bool is_recipe = strcmp(tm__stmt_text(stmt, 2), "recipe.set") == 0;
    json_t *details = NULL;
    TM_TRY(tm__registry_json(is_recipe ? NULL : tm__stmt_text(stmt, 7), &details, err));
    const char *const reason = tm__stmt_text(stmt, 6);
    *out = json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:s, s:o, s:o}", "schema",
                     "tidemill.event/1", "seq", (json_int_t)tm__stmt_i64(stmt, 0), "event",
                     tm__stmt_text(stmt, 2), "model", model, "version",
                     tm__registry_number(stmt, 3), "from", tm__registry_number(stmt, 4), "at",
                     tm__json_time(tm__stmt_i64(stmt, 1)), "actor", tm__stmt_text(stmt, 5),
                     "reason", tm__json_string(reason), "details", details);
    return tm__json_check(err);
}

tm_status tm__hook_next(tm_registry *registry, const char *model, const char *name, int64_t now_us,
                        json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT r.seq, r.at_us, r.event, r.version, r.from_version, r.actor,"
                         " r.reason, r.details FROM hooks h JOIN history r ON r.model = h.model"
                         " AND r.seq > h.seq WHERE h.model = ?1 AND h.name = ?2"
                         " AND (h.next_us <= ?3 OR h.next_us > ?4) ORDER BY r.seq LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_text(stmt, 2, name);
    tm__stmt_bind_i64(stmt, 3, now_us);
    tm__stmt_bind_i64(stmt, 4, now_us + MOST_WAIT_US);
    json_t *event = json_null();
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = event_of(stmt, model, &event, err);
    }
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out = event;
    }
    return st;
}

typedef struct noting {
    const char *model, *name, *problem;
    int64_t seq, now_us;
} noting;

static tm_status tries_of(tm_registry *registry, const noting *in, int64_t *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db, "SELECT n_tries FROM hooks WHERE model = ? AND name = ?",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, in->model);
    tm__stmt_bind_text(stmt, 2, in->name);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row ? tm__stmt_i64(stmt, 0) : 0;
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status done_locked(tm_registry *registry, void *arg, tm_err *err) {
    const noting *in = arg;
    tm_stmt *stmt = NULL;
    int64_t n_tries = 0, wait_us = FIRST_WAIT_US;
    TM_TRY(tries_of(registry, in, &n_tries, err));
    const bool passes = in->problem == NULL || n_tries + 1 >= (int64_t)TM_HOOK_TRIES;
    for (int64_t i = 0; i < n_tries && wait_us < MOST_WAIT_US; i++) {
        wait_us *= 2;
    }
    wait_us = wait_us < MOST_WAIT_US ? wait_us : MOST_WAIT_US;
    TM_TRY(tm__stmt_init(registry->db,
                         "UPDATE hooks SET seq = CASE WHEN ?3 != 0 THEN max(seq, ?4) ELSE seq END,"
                         " n_tries = ?5, next_us = ?6, error = ?7 WHERE model = ?1 AND name = ?2",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, in->model);
    tm__stmt_bind_text(stmt, 2, in->name);
    tm__stmt_bind_i64(stmt, 3, passes ? 1 : 0);
    tm__stmt_bind_i64(stmt, 4, in->seq);
    tm__stmt_bind_i64(stmt, 5, passes ? 0 : n_tries + 1);
    tm__stmt_bind_i64(stmt, 6, passes ? 0 : in->now_us + wait_us);
    tm__stmt_bind_text(stmt, 7, in->problem);
    return tm__stmt_run_done(stmt, err);
}

tm_status tm__hook_done(tm_registry *registry, const char *model, const char *name, int64_t seq,
                        const char *problem, int64_t now_us, tm_err *err) {
    noting in = {.model = model, .name = name, .problem = problem, .seq = seq, .now_us = now_us};
    return tm__registry_transact(registry, done_locked, &in, err);
}

static json_t *receiver_of(tm_stmt *stmt) {
    const char *const error = tm__stmt_text(stmt, 4);
    const int64_t next_us = tm__stmt_i64(stmt, 5);
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "model", tm__stmt_text(stmt, 0), "receiver",
                     tm__stmt_text(stmt, 1), "behind", (json_int_t)tm__stmt_i64(stmt, 2), "tries",
                     (json_int_t)tm__stmt_i64(stmt, 3), "error", tm__json_string(error), "next",
                     tm__json_time_or_null(next_us));
}

tm_status tm__hooks_list(tm_registry *registry, const char *model, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT h.model, h.name, (SELECT count(*) FROM history r WHERE r.model ="
                         " h.model AND r.seq > h.seq), h.n_tries, h.error, h.next_us FROM hooks h"
                         " WHERE ?1 IS NULL OR h.model = ?1 ORDER BY h.model, h.name",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    return tm__stmt_list(stmt, receiver_of, out, err);
}
