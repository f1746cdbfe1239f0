/* SPDX-License-Identifier: Apache-2.0 */
/* A turn's rows and orders, into its story and back, and how it closes. */
#include "loop/loop_turn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop_admit.h"
#include "loop/loop_evidence.h"
#include "loop/loop_foresee.h"
#include "loop/loop_how.h"
#include "registry/rollout.h"
#include "source/source.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

tm_status tm__turn_lock(const tm_home *home, tm_file **out, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(home), "retrain.lock");
    tm_err own = {0};
    if (path == NULL) {
        return no_memory(err);
    }
    tm_status st = tm__lock_open(path, out, &own);
    tm__mem_free(path);
    if (st == TM_E_CONFLICT) {
        st = TM_FAIL(err, TM_E_CONFLICT, "another retraining runs in this home");
        tm_err_hint(err, "One runs at a time: a training uses all cores. Try again later.");
    } else if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

/* ---- rows and orders ---- */

/* Both tables are kept: only with them can the run be repeated, or gone on with. */
static tm_status save_rows(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const char *const dir = tm__home_snapshots(r->home);
    char train_text[TM_HASH_TEXT], held_text[TM_HASH_TEXT];
    tm_hash train, held;
    TM_TRY(tm__snapshot_save(ctx, dir, r->harvest.train, &train, err));
    TM_TRY(tm__snapshot_save(ctx, dir, r->harvest.held, &held, err));
    tm__hash_to_text(&train, train_text);
    tm__hash_to_text(&held, held_text);
    json_object_set_new(r->turn.story, "snapshot", json_string(train_text));
    json_object_set_new(r->turn.story, "held_snapshot", json_string(held_text));
    return TM_OK;
}

/* Events of other sources as they are by now. */
static tm_status save_events(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const json_t *const from = json_object_get(r->recipe, "events");
    const tm_events_place place = {
        .home = r->home, .dir = tm__json_text(r->recipe, "dir", NULL), .learning = &r->learning};
    if (!json_is_object(from)) {
        return TM_OK;
    }
    TM_TRY(tm__train_events_read(ctx, &place, from, &r->events, err));
    TM_TRY(tm__train_events_save(ctx, r->home, &r->events, err));
    json_object_set(r->turn.story, "event_snapshots", r->events.snapshots);
    return TM_OK;
}

static void set(json_t *story, const char *name, int64_t value) {
    json_object_set_new(story, name, json_integer((json_int_t)value));
}

/* What is asked for; absent when nobody says. It is chosen in training. */
static void write_asked(const tm_retraining *r, json_t *story) {
    const json_t *const declared = json_object_get(r->recipe, "retrain");
    const char *const window =
        r->options->window != NULL ? r->options->window : tm__json_text(declared, "window", NULL);
    if (window != NULL) {
        json_object_set_new(story, "window", json_pack("{s:s}", "asked", window));
    }
}

static json_t *write_story(const tm_retraining *r) {
    const tm_harvest *const h = &r->harvest;
    json_t *story = json_object();
    json_object_set_new(story, "actor", json_string(r->actor.name));
    json_object_set_new(story, "because",
                        r->options->because == NULL ? json_null()
                                                    : json_string(r->options->because));
    set(story, "rows", (int64_t)tm__table_rows(h->train));
    set(story, "new_rows", (int64_t)h->n_new);
    set(story, "gate_rows", (int64_t)tm__table_rows(h->held));
    json_object_set_new(story, "judged_on", json_string(h->rows_text));
    set(story, "source_rows", (int64_t)h->n_source_rows);
    json_object_set_new(story, "source_hash", json_string(h->source_hash));
    set(story, "labelled_rows", (int64_t)h->n_labels);
    set(story, "labelled_until_us", h->labels.joined_us);
    set(story, "labelled_known_us", h->labels.known_us);
    set(story, "labelled_moment_us", h->labels.moment_us);
    set(story, "unmatured_rows", (int64_t)h->n_unmatured);
    json_object_set(story, "recipe", r->recipe);
    json_object_set_new(story, "promotes", json_boolean(r->promotes));
    set(story, "work", (int64_t)r->work);
    set(story, "budget_ms", (int64_t)r->budget_ms);
    write_asked(r, story);
    tm__how_write_asked(r, story);
    set(story, "tries", 1);
    if (r->feedback != NULL) {
        json_object_set(story, "feedback", r->feedback);
    }
    if (json_array_size(r->left_out) > 0) {
        json_object_set(story, "quarantined", r->left_out);
        set(story, "quarantined_rows", (int64_t)h->n_quarantined);
    }
    return story;
}

/* Of a turn that was begun before its rows were read, what was asked for then stays. */
static json_t *whole_story(const tm_retraining *r) {
    json_t *const story = write_story(r);
    if (r->turn.story != NULL && json_object_update(story, r->turn.story) != 0) {
        (void)tm__json_lost();
    }
    return story;
}

tm_status tm__turn_open(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    json_t *evidence = NULL;
    TM_TRY(tm__turn_evidence(r, &evidence, err));
    json_t *const story = whole_story(r);
    json_decref(r->turn.story);
    r->turn.story = story;
    json_object_set_new(r->turn.story, "evidence", evidence);
    r->turn.champion = r->champion.number;
    (void)tm__str_copy(r->turn.model, sizeof(r->turn.model), tm__str(r->options->model));
    TM_TRY(tm__json_check(err));
    TM_TRY(save_rows(ctx, r, err));
    TM_TRY(save_events(ctx, r, err));
    if (r->learning.left_out != NULL) {
        json_object_set(r->turn.story, "without_consent", r->learning.left_out);
    }
    TM_TRY(tm__json_check(err));
    return r->turn.number > 0 ? tm__turn_save(r->registry, &r->turn, err)
                              : tm__turn_begin(r->registry, &r->turn, err);
}

static tm_status load_rows(tm_ctx *ctx, const tm_retraining *r, const char *name, tm_table **out,
                           tm_err *err) {
    tm_hash hash;
    if (!tm__hash_from_text(tm__json_text(r->turn.story, name, ""), &hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the turn does not name its rows");
    }
    return tm__snapshot_load(ctx, tm__home_snapshots(r->home), &hash, out, err);
}

static void read_story(tm_retraining *r) {
    const json_t *const story = r->turn.story;
    tm_harvest *const h = &r->harvest;
    h->n_new = (uint64_t)tm__json_i64(story, "new_rows", 0);
    h->n_source_rows = (uint64_t)tm__json_i64(story, "source_rows", 0);
    h->n_labels = (uint64_t)tm__json_i64(story, "labelled_rows", 0);
    h->n_unmatured = (uint64_t)tm__json_i64(story, "unmatured_rows", 0);
    h->labels = (tm_label_cut){tm__json_i64(story, "labelled_until_us", 0),
                               tm__json_i64(story, "labelled_known_us", INT64_MAX),
                               tm__json_i64(story, "labelled_moment_us", INT64_MAX)};
    (void)tm__str_copy(h->source_hash, sizeof(h->source_hash),
                       tm__str(tm__json_text(story, "source_hash", "")));
    (void)tm__str_copy(h->rows_text, sizeof(h->rows_text),
                       tm__str(tm__json_text(story, "judged_on", "")));
    r->promotes = tm__json_bool(story, "promotes", true);
    r->work = (uint64_t)tm__json_i64(story, "work", 0);
    r->budget_ms = (uint64_t)tm__json_i64(story, "budget_ms", 0);
    json_decref(r->recipe);
    r->recipe = json_deep_copy(json_object_get(story, "recipe"));
    json_decref(r->left_out);
    r->left_out = json_incref(json_object_get(story, "quarantined"));
}

tm_status tm__turn_take_up(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const int64_t tries = tm__json_i64(r->turn.story, "tries", 1);
    const json_t *const events = json_object_get(r->turn.story, "event_snapshots");
    if (tries >= TM_TURN_TRIES) {
        char why[80];
        (void)snprintf(why, sizeof(why), "it was begun %lld times and never came to its end",
                       (long long)tries);
        TM_TRY(tm__turn_end(r->registry, &r->turn, "failed", why, err));
        return TM_FAIL(err, TM_E_REFUSED, "turn %u of '%s' has failed: %s", r->turn.number,
                       r->turn.model, why);
    }
    set(r->turn.story, "tries", tries + 1);
    TM_TRY(tm__turn_save(r->registry, &r->turn, err));
    if (tm__foresee_waits(&r->turn)) {
        r->promotes = tm__json_bool(r->turn.story, "promotes", true);
        r->work = (uint64_t)tm__json_i64(r->turn.story, "work", 0);
        r->budget_ms = (uint64_t)tm__json_i64(r->turn.story, "budget_ms", 0);
        return TM_OK;
    }
    read_story(r);
    TM_TRY(tm__json_check(err));
    TM_TRY(load_rows(ctx, r, "snapshot", &r->harvest.train, err));
    TM_TRY(load_rows(ctx, r, "held_snapshot", &r->harvest.held, err));
    return json_is_object(events) ? tm__train_events_load(ctx, r->home, events, &r->events, err)
                                  : TM_OK;
}

tm_status tm__turn_not_tried(tm_registry *registry, tm_turn *turn) {
    set(turn->story, "tries", tm__json_i64(turn->story, "tries", 1) - 1);
    return tm__turn_save(registry, turn, NULL);
}

/* ---- closing ---- */

/* It is the champion now: watched, when there are labels to watch by. */
static tm_status arrive(tm_registry *registry, tm_turn *turn, tm_err *err) {
    const json_t *const retrain =
        json_object_get(json_object_get(turn->story, "recipe"), "retrain");
    const int64_t labels = tm__json_i64(retrain, "watch", TM_WATCH_LABELS);
    if (labels == 0 || tm__json_i64(turn->story, "labelled_until_us", 0) == 0) {
        return tm__turn_end(registry, turn, "promoted", "it is the champion", err);
    }
    const int64_t first =
        labels < (int64_t)TM_WATCH_LABELS_LEAST ? labels : (int64_t)TM_WATCH_LABELS_LEAST;
    json_object_set_new(turn->story, "watch",
                        json_pack("{s:I, s:I, s:I}", "labels", (json_int_t)labels, "next",
                                  (json_int_t)first, "until_us",
                                  (json_int_t)(tm__now_us() + TM_WATCH_US)));
    TM_TRY(tm__json_check(err));
    turn->state = TM_TURN_WATCHING;
    return tm__turn_save(registry, turn, err);
}

static tm_status promote(tm_retraining *r, const tm_actor *actor, tm_err *err) {
    uint32_t from = 0;
    const tm_promotion promotion = {.version = r->turn.version, .champion = r->turn.champion};
    tm_version now = {0};
    TM_TRY(tm__registry_find(r->registry, r->turn.model, &now, err));
    const bool is_done = now.number == r->turn.version;
    tm__version_done(&now);
    if (!is_done) {
        TM_TRY(tm__registry_promote(r->registry, r->turn.model, &promotion, actor, &from, err));
    }
    return arrive(r->registry, &r->turn, err);
}

/* By how much its answers were apart on the rows that the gate let it pass on is no sign of a fault
 * on its route. */
static void bear(tm_rollout_terms *terms, const json_t *gate) {
    if (terms->guard.drift > 0) {
        terms->guard.drift = fmin(terms->guard.drift + tm__json_f64(gate, "answers_apart", 0), 1);
    }
}

static tm_status roll_out(tm_retraining *r, const tm_rollout_terms *terms, const tm_actor *actor,
                          tm_err *err) {
    const tm_rollout_order order = {
        .version = r->turn.version, .champion = r->turn.champion, .terms = terms};
    tm_rollout rollout = {0};
    bool has = false;
    TM_TRY(tm__registry_rollout(r->registry, r->turn.model, &rollout, &has, err));
    const bool is_done = has && rollout.version == r->turn.version;
    tm__rollout_done(&rollout);
    if (!is_done) {
        TM_TRY(tm__registry_rollout_start(r->registry, r->turn.model, &order, actor, err));
    }
    r->turn.state = TM_TURN_ROLLOUT;
    return tm__turn_save(r->registry, &r->turn, err);
}

/* The rollout has begun before: a kill came between it and the turn's next state. */
static tm_status has_rolled_out(const tm_retraining *r, bool *out, tm_err *err) {
    const tm_history_filter filter = {.event = "rollout", .version = r->turn.version, .newest = 1};
    json_t *list = NULL;
    TM_TRY(tm__registry_history_find(r->registry, r->turn.model, &filter, &list, err));
    *out = json_array_size(list) > 0;
    json_decref(list);
    return TM_OK;
}

tm_status tm__turn_close(tm_retraining *r, tm_err *err) {
    const json_t *const gate = json_object_get(r->turn.story, "gate");
    const tm_actor actor = {.name = r->actor.name, .reason = tm__json_text(gate, "reason", "")};
    tm_rollout_terms terms;
    json_t *recipe = NULL;
    bool is_declared = false, was_begun = false;
    if (!r->promotes) {
        return tm__turn_end(r->registry, &r->turn, "kept", "it was not asked to be promoted", err);
    }
    /* As it is declared by now, not when the turn began. */
    TM_TRY(tm__registry_recipe(r->registry, r->turn.model, &recipe, err));
    const tm_status st = tm__rollout_declared(recipe, &terms, &is_declared, err);
    json_decref(recipe);
    TM_TRY(st);
    TM_TRY(has_rolled_out(r, &was_begun, err));
    if (was_begun) {
        r->turn.state = TM_TURN_ROLLOUT;
        TM_TRY(tm__turn_save(r->registry, &r->turn, err));
        return tm__turn_follow(r->registry, &r->turn, err);
    }
    bear(&terms, gate);
    return is_declared ? roll_out(r, &terms, &actor, err) : promote(r, &actor, err);
}

/* What ended a rollout, in words; out holds 200 bytes. */
static tm_status why_ended(tm_registry *registry, const tm_turn *turn, char *out, size_t size,
                           tm_err *err) {
    const tm_history_filter filter = {.event = "rollout", .version = turn->version, .newest = 1};
    json_t *list = NULL;
    TM_TRY(tm__registry_history_find(registry, turn->model, &filter, &list, err));
    const json_t *const last = json_array_get(list, 0);
    (void)snprintf(out, size, "%s: %.140s", tm__json_text(last, "event", "rollout.ended"),
                   tm__json_text(last, "reason", ""));
    json_decref(list);
    return TM_OK;
}

tm_status tm__turn_follow(tm_registry *registry, tm_turn *turn, tm_err *err) {
    tm_rollout rollout = {0};
    tm_version champion = {0};
    char why[200];
    bool has = false;
    TM_TRY(tm__registry_rollout(registry, turn->model, &rollout, &has, err));
    const bool goes_on = has && rollout.version == turn->version;
    tm__rollout_done(&rollout);
    if (goes_on) {
        return TM_OK;
    }
    TM_TRY(why_ended(registry, turn, why, sizeof(why), err));
    TM_TRY(tm__registry_find(registry, turn->model, &champion, err));
    const bool is_champion = champion.number == turn->version;
    tm__version_done(&champion);
    json_object_set_new(turn->story, "rollout", json_string(why));
    return is_champion ? arrive(registry, turn, err)
                       : tm__turn_end(registry, turn, "rolled_back", why, err);
}

/* ---- the daemon ---- */

static bool is_locked(const tm_home *home) {
    tm_file *lock = NULL;
    const bool is_free = tm__turn_lock(home, &lock, NULL) == TM_OK;
    tm__file_close(lock);
    return !is_free;
}

static tm_status watch_need(struct tm_evidence *evidence, const tm_turn *turn, tm_turn_need *out,
                            tm_err *err) {
    const json_t *const watch = json_object_get(turn->story, "watch");
    uint64_t n = 0;
    TM_TRY(tm__evidence_labels(evidence, turn->model,
                               tm__json_i64(turn->story, "labelled_until_us", 0), &n, err));
    if (n >= (uint64_t)tm__json_i64(watch, "next", 0) ||
        tm__now_us() >= tm__json_i64(watch, "until_us", 0)) {
        *out = TM_TURN_LOOK;
    }
    return TM_OK;
}

tm_status tm__turn_need(const tm_home *home, tm_registry *registry, struct tm_evidence *evidence,
                        const char *model, uint64_t memory_max, tm_turn_need *out, tm_err *err) {
    tm_turn turn = {0};
    bool has = false;
    tm_status st = tm__turn_find(registry, model, &turn, &has, err);
    *out = TM_TURN_FREE;
    if (st == TM_OK && has && turn.state == TM_TURN_ROLLOUT) {
        st = tm__turn_follow(registry, &turn, err);
        *out = turn.state == TM_TURN_ROLLOUT ? TM_TURN_WAIT : TM_TURN_FREE;
    } else if (st == TM_OK && has && turn.state == TM_TURN_WATCHING) {
        st = watch_need(evidence, &turn, out, err);
    } else if (st == TM_OK && has) {
        const bool may_begin =
            !tm__admit_waits(&turn, NULL) || tm__admit_fits(&turn, tm__admit_free(memory_max, 0));
        *out = !may_begin || is_locked(home) ? TM_TURN_WAIT : TM_TURN_GO_ON;
    }
    tm__turn_done(&turn);
    return st;
}
