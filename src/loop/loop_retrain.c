/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One turn, from the champion to the verdict and on; its states are those of registry/turn.h.
 *
 *   open -> guard labels -> harvest -> begin the turn
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
#include "base/fs.h"
#include "base/mem.h"
#include "loop/label_guard.h"
#include "loop/loop_turn.h"
#include "model/checkpoint.h"

#define CHECKPOINT_NS UINT64_C(60000000000) /* unless asked for otherwise */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status retrain_open(tm_retraining *r, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    TM_TRY(tm__registry_open(r->home, &r->registry, err));
    if (strchr(r->options->model, '@') != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "a retraining is of a model, not of a version");
    }
    TM_TRY(tm__registry_find(r->registry, r->options->model, &r->champion, err));
    TM_TRY(tm__registry_bundle(r->registry, &r->champion, &r->champion_bundle, err));
    TM_TRY(tm__registry_recipe(r->registry, r->options->model, &r->recipe, err));
    TM_TRY(tm__monitor_open(r->home, &reading, &r->monitor, err));
    return tm__turn_lock(r->home, &r->lock, err);
}

/* ---- Training ---- */

/* What the recipe asks for; the question stays the champion's, whatever the new rows would suggest.
 */
static tm_status read_recipe(const tm_retraining *r, tm_recipe *out, tm_err *err) {
    const tm_task task = tm__bundle_task(r->champion_bundle);
    TM_TRY(tm__recipe_init(out, r->recipe, err));
    tm_train_options *o = &out->options;
    o->model = r->options->model;
    o->target = tm__bundle_target(r->champion_bundle);
    o->task = task;
    o->positive = task == TM_TASK_BINARY ? tm__bundle_class(r->champion_bundle, 1) : NULL;
    o->label_cut_us = r->harvest.labels.known_us;
    if (r->work > 0 || r->budget_ms > 0) {
        o->work = r->work;
        o->budget_ms = r->budget_ms;
    }
    return TM_OK;
}

/* Of a run that was killed, the fits that were done are found. */
static tm_status open_checkpoint(tm_ctx *ctx, const tm_retraining *r, const tm_train_options *o,
                                 tm_err *err) {
    char *dir = tm__fs_join(tm__home_path(r->home), "checkpoints");
    const uint64_t every_ns = r->options->keeps_state ? r->options->checkpoint_ns : CHECKPOINT_NS;
    const tm_status st = dir == NULL
                             ? no_memory(err)
                             : tm__train_checkpoint_open(o, dir, every_ns, &ctx->checkpoint, err);
    tm__mem_free(dir);
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

static tm_status fit(tm_ctx *ctx, tm_retraining *r, tm_train_result *out, tm_err *err) {
    tm_recipe recipe;
    TM_TRY(read_recipe(r, &recipe, err));
    const json_t *const story = r->turn.story;
    (void)tm__str_copy(recipe.options.snapshot, sizeof(recipe.options.snapshot),
                       tm__str(tm__json_text(story, "snapshot", "")));
    (void)tm__str_copy(recipe.options.test_snapshot, sizeof(recipe.options.test_snapshot),
                       tm__str(tm__json_text(story, "held_snapshot", "")));
    tm__train_events_use(&r->events, &recipe.options);
    tm_status st = open_checkpoint(ctx, r, &recipe.options, err);
    if (st == TM_OK) {
        st = tm__train_run(ctx, r->harvest.train, r->harvest.held, &recipe.options, out, err);
    }
    tm__recipe_done(&recipe);
    return st;
}

static tm_status keep_bundle(tm_retraining *r, const tm_train_result *result, tm_err *err) {
    const tm_buf *const bytes = &result->bundle;
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&result->bundle_hash, hash);
    TM_TRY(tm__home_bundle_save(r->home, &result->bundle_hash, bytes->data, bytes->len, err));
    TM_TRY(tm__bundle_load(bytes->data, bytes->len, &r->candidate_bundle, err));
    json_object_set_new(r->turn.story, "bundle_hash", json_string(hash));
    json_object_set_new(r->turn.story, "unmatured_source_rows",
                        json_integer(tm__json_i64(result->report, "unmatured_rows", 0)));
    r->turn.state = TM_TURN_REGISTERING;
    TM_TRY(tm__json_check(err));
    return tm__turn_save(r->registry, &r->turn, err);
}

static tm_status train(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_train_result result = {0};
    tm_status st = fit(ctx, r, &result, err);
    st = st == TM_OK ? keep_bundle(r, &result, err) : st;
    tm__train_result_done(&result);
    if (st == TM_OK) {
        r->n_resumed = tm__checkpoint_found(ctx->checkpoint);
        st = tm__checkpoint_remove(ctx->checkpoint, err);
    }
    return st;
}

/* ---- Registering ---- */

static tm_status note(tm_retraining *r, const char *event, uint32_t version, json_t *details,
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
    return note(r, "retrain.started", 0,
                json_pack("{s:I, s:I, s:I, s:s, s:s*}", "champion", (json_int_t)r->champion.number,
                          "rows", (json_int_t)tm__table_rows(r->harvest.train), "new_rows",
                          (json_int_t)r->harvest.n_new, "held_out", r->harvest.rows_text, "because",
                          r->options->because),
                err);
}

/* What shows that it is served as it was trained. */
static tm_status prove(tm_ctx *ctx, tm_retraining *r, json_t **out, tm_err *err) {
    const tm_window_tables others = {.sources = r->events.sources, .n_sources = r->events.n};
    *out = NULL;
    return r->options->prove == NULL
               ? TM_OK
               : r->options->prove(ctx, r->candidate_bundle, r->harvest.train, &others, out, err);
}

static tm_status register_new(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_actor actor = r->actor;
    json_t *evidence = NULL;
    TM_TRY(prove(ctx, r, &evidence, err));
    actor.evidence = evidence;
    const tm_status st = tm__registry_add(r->registry, r->options->model, r->candidate_bundle, NULL,
                                          &actor, &r->candidate, err);
    json_decref(evidence);
    return st;
}

/* The version with these bytes that was registered since the turn began: before a kill. */
static tm_status find_registered(tm_retraining *r, tm_err *err) {
    const tm_history_filter filter = {.event = "registered", .since_us = r->turn.began_us};
    json_t *list = NULL, *item = NULL;
    size_t i = 0;
    TM_TRY(tm__registry_history_find(r->registry, r->options->model, &filter, &list, err));
    tm_status st = TM_OK;
    json_array_foreach(list, i, item) {
        char name[TM_MAX_NAME + 16];
        tm_version found = {0};
        (void)snprintf(name, sizeof(name), "%s@%lld", r->options->model,
                       (long long)tm__json_i64(item, "version", 0));
        st = st == TM_OK ? tm__registry_find(r->registry, name, &found, err) : st;
        if (st == TM_OK && r->candidate.number == 0 &&
            tm__hash_eq(&found.bundle_hash, tm__bundle_hash(r->candidate_bundle))) {
            r->candidate = found;
            found = (tm_version){0};
        }
        tm__version_done(&found);
    }
    json_decref(list);
    return st;
}

static tm_status note_trained(tm_retraining *r, tm_err *err) {
    const tm_history_filter filter = {.event = "retrain.trained", .version = r->candidate.number};
    const json_t *const story = r->turn.story;
    json_t *list = NULL;
    TM_TRY(tm__registry_history_find(r->registry, r->options->model, &filter, &list, err));
    const bool is_noted = json_array_size(list) > 0;
    json_decref(list);
    if (is_noted) {
        return TM_OK;
    }
    return note(r, "retrain.trained", r->candidate.number,
                json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:s, s:I}", "source_rows",
                          json_object_get(story, "source_rows"), "labelled_until_us",
                          json_object_get(story, "labelled_until_us"), "labelled_known_us",
                          json_object_get(story, "labelled_known_us"), "labelled_moment_us",
                          json_object_get(story, "labelled_moment_us"), "labelled_rows",
                          json_object_get(story, "labelled_rows"), "source_hash",
                          json_object_get(story, "source_hash"), "learner",
                          tm__json_text(r->candidate.info, "learner", ""), "turn",
                          (json_int_t)r->turn.number),
                err);
}

static tm_status add(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    TM_TRY(find_registered(r, err));
    if (r->candidate.number == 0) {
        TM_TRY(register_new(ctx, r, err));
    }
    TM_TRY(note_trained(r, err));
    r->turn.version = r->candidate.number;
    r->turn.state = TM_TURN_JUDGING;
    return tm__turn_save(r->registry, &r->turn, err);
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
    const tm_status st = tm__loop_measure(ctx, r->home, &gate, &duel, &measured, err);
    if (st == TM_OK) {
        scores.measured = measured;
        tm__gate_check(&gate, &r->candidate, &scores, out);
        json_object_set_new(r->turn.story, "gate",
                            json_pack("{s:b, s:s, s:s, s:O, s:O}", "open", out->is_open, "reason",
                                      out->reason, "metric", metric, "candidate", candidate,
                                      "champion", champion));
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
    if (st == TM_OK) {
        st = tm__registry_judge(r->registry, r->options->model, r->candidate.number, &verdict,
                                &r->actor, err);
    }
    if (st == TM_OK && verdict.is_open) {
        r->turn.state = TM_TURN_CLOSING;
        st = tm__turn_save(r->registry, &r->turn, err);
    } else if (st == TM_OK) {
        st = tm__turn_end(r->registry, &r->turn, "refused", verdict.reason, err);
    }
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
    json_object_del(object, "gate");
    if (r->options->keeps_state) {
        json_object_set_new(object, "fits_resumed", json_integer(r->n_resumed));
    }
    *out = object;
    return tm__json_check(err);
}

/* ---- The whole ---- */

/* The same rows, recipe and gate would only give the same version and the same verdict again; a
 * schedule would pile them up. Another budget may give another version. */
static tm_status repeat_check(const tm_retraining *r, tm_err *err) {
    tm_learned learned = {.labels = r->harvest.labels, .n_labels = (int64_t)r->harvest.n_labels};
    uint32_t version = 0;
    if (r->work > 0 || r->budget_ms > 0) {
        return TM_OK;
    }
    (void)tm__str_copy(learned.source_hash, sizeof(learned.source_hash),
                       tm__str(r->harvest.source_hash));
    TM_TRY(tm__loop_refused_before(r->registry, r->options->model, &learned, &version, err));
    if (version == 0) {
        return TM_OK;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_REFUSED, "nothing is new since version %u of '%s', which was refused",
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

static tm_status begin(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const int64_t now_us = tm__now_us();
    r->promotes = r->options->promote;
    r->work = r->options->work;
    r->budget_ms = r->options->budget_ms;
    TM_TRY(settle_before(r, err));
    TM_TRY(tm__label_guard_act(&(tm_label_guard){.registry = r->registry,
                                                 .monitor = r->monitor,
                                                 .bundle = r->champion_bundle,
                                                 .model = r->options->model,
                                                 .recipe = r->recipe,
                                                 .now_us = now_us},
                               &r->actor, &r->left_out, err));
    const tm_harvest_input in = {.home = r->home,
                                 .registry = r->registry,
                                 .monitor = r->monitor,
                                 .champion = &r->champion,
                                 .bundle = r->champion_bundle,
                                 .recipe = r->recipe,
                                 .left_out = r->left_out,
                                 .now_us = now_us};
    TM_TRY(tm__loop_harvest(ctx, &in, &r->harvest, err));
    TM_TRY(repeat_check(r, err));
    name_snapshots(r);
    TM_TRY(tm__turn_open(ctx, r, err));
    return note_started(r, err);
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
    TM_TRY(load_champion(r, err));
    return load_candidate(r, err);
}

static tm_status go_on(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    while (r->turn.state < TM_TURN_ROLLOUT) {
        switch (r->turn.state) {
        case TM_TURN_TRAINING:
            TM_TRY(train(ctx, r, err));
            break;
        case TM_TURN_REGISTERING:
            TM_TRY(add(ctx, r, err));
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

/* The failure itself is what the caller must hear, whether it could be noted or not. A run that was
 * asked to stop is gone on with, and that was no try. */
static void fail(tm_retraining *r, tm_status st, const tm_err *own) {
    if (r->turn.state == TM_TURN_ENDED) {
        return;
    }
    if (st == TM_E_CANCELLED) {
        const tm_status given_back = tm__turn_not_tried(r->registry, &r->turn);
        (void)given_back; /* one of its tries is lost then */
        return;
    }
    const tm_status noted = note(r, "retrain.failed", r->candidate.number,
                                 json_pack("{s:s}", "error", own->message), NULL);
    const tm_status ended = tm__turn_end(r->registry, &r->turn, "failed", own->message, NULL);
    (void)noted;
    (void)ended;
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
    }
    json_decref(r.recipe);
    json_decref(r.left_out);
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
