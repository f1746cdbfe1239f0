/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn, from the champion to the verdict and on; its states are those of registry/turn.h.
 *
 *   open -> foresee: does it fit? -> guard labels -> harvest -> begin the turn
 *     training:    train, save the bundle            registering: register the version
 *     judging:     duel on the held-out rows, judge  closing:     promote, or begin a rollout
 *
 * 1. Nothing is written before it is known that there is something new to learn from.
 * 2. A kill leaves a turn that is gone on with from its last state (`resumes`), on the same rows;
 *    what the state had done already is found and not done twice. A second verdict says the same.
 * 3. Promotion names the champion that the candidate was compared with; if another one has taken
 *    its place meanwhile, the promotion is a conflict.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loop/label_guard.h"
#include "loop/loop_admit.h"
#include "loop/loop_choice.h"
#include "loop/loop_foresee.h"
#include "loop/loop_how.h"
#include "loop/loop_turn.h"
#include "model/checkpoint.h"
#include "registry/collect.h"

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status retrain_open(tm_retraining *r, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    TM_TRY(tm__registry_open(r->home, &r->registry, err));
    if (strchr(r->options->model, '@') != NULL) {
        (void)TM_FAIL(err, TM_E_USAGE, "a retraining is of a model, not of a version");
        tm_err_hint(err, "Name the model alone: it is learned again beside its champion.");
        return TM_E_USAGE;
    }
    TM_TRY(tm__registry_find(r->registry, r->options->model, &r->champion, err));
    TM_TRY(tm__registry_bundle(r->registry, &r->champion, &r->champion_bundle, err));
    TM_TRY(tm__registry_recipe(r->registry, r->options->model, &r->recipe, err));
    TM_TRY(tm__monitor_open(r->home, &reading, &r->monitor, err));
    return tm__turn_lock(r->home, &r->lock, err);
}

/* ---- History ---- */

tm_status tm__turn_note(tm_retraining *r, const char *event, uint32_t version, json_t *details,
                        tm_err *err) {
    if (details == NULL) {
        return no_memory(err);
    }
    const tm_status st =
        tm__registry_note(r->registry, r->options->model, event, version, &r->actor, details, err);
    json_decref(details);
    return st;
}

static tm_status note_started(tm_retraining *r, tm_err *err) {
    return tm__turn_note(r, "retrain.started", 0,
                         json_pack("{s:I, s:I, s:I, s:s, s:s*}", "champion",
                                   (json_int_t)r->champion.number, "rows",
                                   (json_int_t)tm__table_rows(r->harvest.train), "new_rows",
                                   (json_int_t)r->harvest.n_new, "held_out", r->harvest.rows_text,
                                   "because", r->options->because),
                         err);
}

/* ---- Judging ---- */

static tm_status measure(tm_ctx *ctx, tm_retraining *r, tm_gate_verdict *out, tm_err *err) {
    tm_gate_scores scores = {0};
    tm_gate gate;
    char name[TM_MAX_NAME + 16];
    (void)snprintf(name, sizeof(name), "%s@%u", r->options->model, r->candidate.number);
    TM_TRY(tm__registry_gate(r->registry, r->options->model, &gate, err));
    if (gate.n_floors == 0) {
        gate.better_than_champion = true; /* nobody watches: at least it must not be worse */
    }
    const char *const metric =
        gate.metric[0] != '\0' ? gate.metric : tm__json_text(r->candidate.info, "metric", "");
    const tm_duel duel = {
        .candidate = r->candidate_bundle,
        .champion = r->champion_bundle,
        .rows = r->harvest.held,
        .history = {.events = r->harvest.train,
                    .sources = r->events.sources,
                    .n_sources = r->events.n},
        .metric = metric,
        .rows_text = r->harvest.rows_text,
        .model = r->options->model,
        .version = name,
        .load = r->options->load,
    };
    json_t *measured = NULL, *candidate = NULL, *champion = NULL;
    TM_TRY(tm__loop_duel(ctx, &duel, &scores, &candidate, &champion, err));
    double apart = 0;
    tm_status st = tm__loop_measure(ctx, r->home, &gate, &duel, &measured, err);
    st = st == TM_OK ? tm__loop_apart(ctx, &duel, &apart, err) : st;
    if (st == TM_OK) {
        scores.measured = measured;
        tm__gate_check(&gate, &r->candidate, &scores, out);
        json_object_set_new(r->turn.story, "gate",
                            json_pack("{s:b, s:s, s:s, s:O, s:O, s:f, s:O*}", "open", out->is_open,
                                      "reason", out->reason, "metric", metric, "candidate",
                                      candidate, "champion", champion, "answers_apart", apart,
                                      "checks", out->checks));
    }
    json_decref(measured);
    json_decref(candidate);
    json_decref(champion);
    return st;
}

static tm_status judge(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_gate_verdict verdict = {0};
    tm_status st = measure(ctx, r, &verdict, err);
    st = st == TM_OK ? tm__json_check(err) : st;
    st = st == TM_OK ? tm__turn_judge(r->registry, &r->turn, &verdict, &r->actor, err) : st;
    tm__gate_verdict_done(&verdict);
    return st;
}

/* What is told of the turn: its own record, and what became of it by now. */
static tm_status story(const tm_retraining *r, json_t **out, tm_err *err) {
    const json_t *const gate = json_object_get(r->turn.story, "gate");
    json_t *const object = tm__turn_json(&r->turn);
    const bool is_champion =
        r->turn.state == TM_TURN_WATCHING || strcmp(r->turn.outcome, "promoted") == 0;
    if (object == NULL) {
        return no_memory(err);
    }
    json_object_del(object, "recipe"); /* the version's own record has it */
    json_object_set_new(object, "from", json_integer(r->turn.champion));
    json_object_set_new(object, "promoted", json_boolean(is_champion));
    json_object_set_new(object, "is_open", json_boolean(tm__json_bool(gate, "open", false)));
    json_object_set(object, "reason", json_object_get(gate, "reason"));
    json_object_set(object, "why", json_object_get(r->turn.story, "reason"));
    json_object_set(object, "metric", json_object_get(gate, "metric"));
    json_object_set(object, "candidate", json_object_get(gate, "candidate"));
    json_object_set(object, "champion", json_object_get(gate, "champion"));
    json_object_set(object, "answers_apart", json_object_get(gate, "answers_apart"));
    json_object_del(object, "gate");
    if (r->options->keeps_state) {
        json_object_set_new(object, "fits_resumed", json_integer(r->n_resumed));
    }
    *out = object;
    return tm__json_check(err);
}

/* ---- The whole ---- */

/* The same rows, recipe and gate would only give the same version and the same verdict again; a
 * schedule would pile them up. Another budget, window or way may give another version. */
static tm_status repeat_check(const tm_retraining *r, tm_err *err) {
    tm_learned learned = {.labels = r->harvest.labels, .n_labels = (int64_t)r->harvest.n_labels};
    uint32_t version = 0;
    const json_t *const waited = r->turn.story; /* of one that was begun without rows */
    if (r->work > 0 || r->budget_ms > 0 || r->options->window != NULL || r->options->how != NULL ||
        json_object_get(waited, "window") != NULL || json_object_get(waited, "how") != NULL) {
        return TM_OK;
    }
    (void)tm__str_copy(learned.source_hash, sizeof(learned.source_hash),
                       tm__str(r->harvest.source_hash));
    TM_TRY(tm__loop_refused_before(r->registry, r->options->model, &learned, &version, err));
    if (version == 0) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_REFUSED, "nothing is new since version %u of '%s', which came to nothing",
                version, r->options->model);
    tm_err_hint(err, "Send labels, add rows to the source or change its recipe, then try again.");
    return st;
}

/* The turn before, of which nobody works on: the lock is held. One that comes in steps is told of
 * by tm__turn_begin(), before anything is read. */
static tm_status settle_before(tm_retraining *r, tm_err *err) {
    tm_turn turn = {0};
    bool has = false;
    TM_TRY(tm__turn_find(r->registry, r->options->model, &turn, &has, err));
    tm_status st = TM_OK;
    if (has && turn.state < TM_TURN_ROLLOUT) {
        st =
            tm__turn_end(r->registry, &turn, "stopped", "another turn was begun in its place", err);
    } else if (has && turn.state == TM_TURN_ROLLOUT) {
        st = tm__turn_follow(r->registry, &turn, err);
        if (st == TM_OK && turn.state == TM_TURN_ROLLOUT) {
            st = TM_FAIL(err, TM_E_CONFLICT, "version %u of '%s' is coming in steps", turn.version,
                         turn.model);
            tm_err_hint(err, "End it with 'tidemill route rollout %.80s --stop', or wait.",
                        turn.model);
        }
    }
    tm__turn_done(&turn);
    return st;
}

/* What the query read of sources by now, in place of what the champion's did. */
static void name_snapshots(tm_retraining *r) {
    json_t *const source = json_object_get(r->recipe, "source");
    json_object_del(source, "snapshots");
    if (json_object_size(r->harvest.snapshots) > 0) {
        json_object_del(source, "as_of");
        json_object_set(source, "snapshots", r->harvest.snapshots);
    }
}

/* From what is there by now to a turn with rows. */
static tm_status gather(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const int64_t now_us = tm__now_us();
    TM_TRY(tm__foresee_admit(r, err));
    TM_TRY(tm__label_guard_act(&(tm_label_guard){.registry = r->registry,
                                                 .monitor = r->monitor,
                                                 .bundle = r->champion_bundle,
                                                 .model = r->options->model,
                                                 .recipe = r->recipe,
                                                 .now_us = now_us},
                               &r->actor, &r->left_out, &r->feedback, err));
    r->learning = (tm_learning){.purpose = tm__json_text(r->recipe, "purpose", NULL)};
    const tm_harvest_input in = {.home = r->home,
                                 .registry = r->registry,
                                 .monitor = r->monitor,
                                 .champion = &r->champion,
                                 .bundle = r->champion_bundle,
                                 .recipe = r->recipe,
                                 .learning = &r->learning,
                                 .left_out = r->left_out,
                                 .actor = &r->actor,
                                 .now_us = now_us};
    TM_TRY(tm__loop_harvest(ctx, &in, &r->harvest, err));
    TM_TRY(repeat_check(r, err));
    name_snapshots(r);
    TM_TRY(tm__turn_open(ctx, r, err));
    return note_started(r, err);
}

static tm_status begin(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_window_ask ask;
    if (r->options->window != NULL) {
        TM_TRY(tm__window_ask(r->options->window, &ask, err));
    }
    tm_turn_how how;
    if (r->options->how != NULL) {
        TM_TRY(tm__how_ask(r->options->how, &how, err));
    }
    r->promotes = r->options->promote;
    r->work = r->options->work;
    r->budget_ms = r->options->budget_ms;
    TM_TRY(settle_before(r, err));
    return gather(ctx, r, err);
}

/* Compared is with the champion that the turn began beside. */
static tm_status load_champion(tm_retraining *r, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    if (r->champion.number == r->turn.champion) {
        return TM_OK;
    }
    tm__version_done(&r->champion);
    tm__bundle_unref(r->champion_bundle);
    r->champion_bundle = NULL;
    (void)snprintf(name, sizeof(name), "%s@%u", r->turn.model, r->turn.champion);
    TM_TRY(tm__registry_find(r->registry, name, &r->champion, err));
    return tm__registry_bundle(r->registry, &r->champion, &r->champion_bundle, err);
}

/* What was made before the kill. */
static tm_status load_candidate(tm_retraining *r, tm_err *err) {
    tm_version made = {0};
    char name[TM_MAX_NAME + 16];
    if (r->turn.state == TM_TURN_TRAINING) {
        return TM_OK;
    }
    if (r->turn.version > 0) {
        (void)snprintf(name, sizeof(name), "%s@%u", r->turn.model, r->turn.version);
        TM_TRY(tm__registry_find(r->registry, name, &r->candidate, err));
        return tm__registry_bundle(r->registry, &r->candidate, &r->candidate_bundle, err);
    }
    if (!tm__hash_from_text(tm__json_text(r->turn.story, "bundle_hash", ""), &made.bundle_hash)) {
        return TM_FAIL(err, TM_E_INTEGRITY, "the turn does not name its bundle");
    }
    return tm__registry_bundle(r->registry, &made, &r->candidate_bundle, err);
}

static tm_status take_up(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    bool has = false;
    TM_TRY(tm__turn_find(r->registry, r->options->model, &r->turn, &has, err));
    if (!has) {
        const tm_status st =
            TM_FAIL(err, TM_E_NOT_FOUND, "'%s' has no turn to go on with", r->options->model);
        tm_err_hint(err, "Begin one with 'tidemill retrain %.80s'.", r->options->model);
        return st;
    }
    if (r->turn.state >= TM_TURN_ROLLOUT) {
        return TM_OK;
    }
    TM_TRY(tm__turn_take_up(ctx, r, err));
    if (tm__foresee_waits(&r->turn)) {
        return r->champion.number == r->turn.champion
                   ? gather(ctx, r, err)
                   : TM_FAIL(err, TM_E_REFUSED, "another version of '%s' is the champion by now",
                             r->turn.model);
    }
    TM_TRY(load_champion(r, err));
    return load_candidate(r, err);
}

static tm_status go_on(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    while (r->turn.state < TM_TURN_ROLLOUT) {
        switch (r->turn.state) {
        case TM_TURN_TRAINING:
            TM_TRY(tm__turn_train(ctx, r, err));
            break;
        case TM_TURN_REGISTERING:
            TM_TRY(tm__turn_register(ctx, r, err));
            break;
        case TM_TURN_JUDGING:
            TM_TRY(judge(ctx, r, err));
            break;
        default:
            TM_TRY(tm__turn_close(r, err));
            break;
        }
    }
    return TM_OK;
}

/* What passes by itself: the turn is gone on with, as often as it may be tried. */
static bool may_pass(tm_status st) {
    return st == TM_E_NOMEM || st == TM_E_IO || st == TM_E_UNAVAILABLE;
}

/* A subject was erased meanwhile: nobody may keep what was learned from, and what came of it. */
static void drop_files(tm_retraining *r) {
    static const char *const names[] = {"snapshot", "held_snapshot", "bundle_hash"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *const hash = tm__json_text(r->turn.story, names[i], "");
        const tm_status st = tm__registry_file_drop(r->registry, hash, NULL);
        (void)st; /* 'model gc' removes what stays */
    }
}

/* The plan asks for more than is free: it waits, and that was no try. */
static void wait_for_memory(tm_retraining *r, const tm_err *own) {
    tm__admit_wait(&r->turn, &r->admission, own->message);
    const tm_status given_back = tm__turn_not_tried(r->registry, &r->turn);
    (void)given_back; /* one of its tries is lost then, and it does not say why it waits */
}

/* The failure itself is what the caller must hear, whether it could be noted or not. A run that was
 * asked to stop is gone on with, and that was no try. */
static void fail(tm_retraining *r, tm_status st, const tm_err *own) {
    if (r->turn.state == TM_TURN_ENDED || may_pass(st)) {
        return;
    }
    if (r->admission.is_refused) {
        wait_for_memory(r, own);
        return;
    }
    if (st == TM_E_CANCELLED) {
        const tm_status given_back = tm__turn_not_tried(r->registry, &r->turn);
        (void)given_back; /* one of its tries is lost then */
        return;
    }
    if (st == TM_E_REFUSED && tm__foresee_waits(&r->turn)) { /* it is not asked for by now */
        const tm_status ended = tm__turn_end(r->registry, &r->turn, "stopped", own->message, NULL);
        (void)ended;
        return;
    }
    const tm_status noted = tm__turn_note(r, "retrain.failed", r->candidate.number,
                                          json_pack("{s:s}", "error", own->message), NULL);
    const tm_status ended = tm__turn_end(r->registry, &r->turn, "failed", own->message, NULL);
    (void)noted;
    (void)ended;
    if (st == TM_E_CONFLICT) {
        drop_files(r);
    }
}

static tm_status retrain(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_err own = {0};
    TM_TRY(retrain_open(r, err));
    tm_status st = r->options->resumes ? take_up(ctx, r, &own) : begin(ctx, r, &own);
    if (st == TM_OK && r->turn.state == TM_TURN_ROLLOUT) {
        st = tm__turn_follow(r->registry, &r->turn, &own);
    } else if (st == TM_OK && r->turn.state == TM_TURN_WATCHING) {
        st = tm__turn_watch(ctx, r, &own);
    } else if (st == TM_OK) {
        st = go_on(ctx, r, &own);
    }
    if (st == TM_OK) {
        return TM_OK;
    }
    if (r->turn.number > 0 && r->turn.state < TM_TURN_ROLLOUT) {
        fail(r, st, &own);
    }
    if (err != NULL) {
        *err = own;
    }
    return st;
}

tm_status tm__loop_retrain(tm_ctx *ctx, const tm_home *home, const tm_retrain_options *options,
                           json_t **out, tm_err *err) {
    tm_retraining r = {
        .home = home,
        .options = options,
        .actor = {.name = options->actor != NULL ? options->actor : "loop"},
    };
    tm_status st = retrain(ctx, &r, err);
    if (st == TM_OK) {
        st = story(&r, out, err);
        if (st != TM_OK) {
            tm_err_hint(err, "The turn is kept: 'tidemill retrain %.80s --turns' tells it.",
                        options->model);
        }
    }
    json_decref(r.recipe);
    json_decref(r.how_recipe);
    json_decref(r.left_out);
    json_decref(r.learning.left_out);
    json_decref(r.feedback);
    tm__checkpoint_close(ctx->checkpoint);
    ctx->checkpoint = NULL;
    tm__harvest_done(&r.harvest);
    tm__train_events_done(&r.events);
    tm__bundle_unref(r.candidate_bundle);
    tm__bundle_unref(r.champion_bundle);
    tm__version_done(&r.candidate);
    tm__version_done(&r.champion);
    tm__turn_done(&r.turn);
    tm__file_close(r.lock);
    tm__monitor_close(r.monitor);
    tm__registry_close(r.registry);
    return st;
}
