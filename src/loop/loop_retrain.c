/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One retraining, from the champion to the verdict.
 *
 *   open -> guard labels -> harvest -> note started -> train -> save -> register -> note trained
 *        -> duel on the held-out rows -> judge -> promote or leave
 *
 * 1. Nothing is written before it is known that there is something new to learn from.
 * 2. A crash leaves at most a version without a verdict: a challenger, never a champion.
 * 3. Promotion names the champion that the candidate was compared with; if another one has taken
 *    its place meanwhile, the promotion is a conflict.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/label_guard.h"
#include "loop/loop_priv.h"
#include "model/checkpoint.h"

typedef struct tm_retraining {
    const tm_home *home;
    const tm_retrain_options *options;
    tm_actor actor;
    tm_registry *registry;
    tm_monitor *monitor;
    tm_version champion, candidate;
    tm_bundle *champion_bundle, *candidate_bundle;
    json_t *recipe, *left_out;
    tm_harvest harvest;
    tm_train_events events; /* of other sources */
    tm_train_result result;
    json_t *candidate_report, *champion_report;
    tm_gate_verdict verdict;
    const char *metric;
    tm_gate gate;
    bool is_promoted;
    uint32_t n_resumed; /* fits that a checkpoint gave */
} tm_retraining;

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
    return tm__monitor_open(r->home, &reading, &r->monitor, err);
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
    if (r->options->work > 0 || r->options->budget_ms > 0) {
        o->work = r->options->work;
        o->budget_ms = r->options->budget_ms;
    }
    return TM_OK;
}

/* Both tables are kept: only with them can the run be repeated. */
static tm_status save_rows(tm_ctx *ctx, const tm_retraining *r, tm_train_options *o, tm_err *err) {
    const char *dir = tm__home_snapshots(r->home);
    tm_hash train, held;
    TM_TRY(tm__snapshot_save(ctx, dir, r->harvest.train, &train, err));
    TM_TRY(tm__snapshot_save(ctx, dir, r->harvest.held, &held, err));
    tm__hash_to_text(&train, o->snapshot);
    tm__hash_to_text(&held, o->test_snapshot);
    return TM_OK;
}

/* The rows are known: an earlier retraining on the same ones may have been stopped. */
static tm_status open_checkpoint(tm_ctx *ctx, const tm_retraining *r, const tm_train_options *o,
                                 tm_err *err) {
    if (!r->options->keeps_state) {
        return TM_OK;
    }
    char *dir = tm__fs_join(tm__home_path(r->home), "checkpoints");
    const tm_status st = dir == NULL ? no_memory(err)
                                     : tm__train_checkpoint_open(o, dir, r->options->checkpoint_ns,
                                                                 &ctx->checkpoint, err);
    tm__mem_free(dir);
    return st;
}

/* Events of other sources as they are by now. */
static tm_status read_events(tm_ctx *ctx, tm_retraining *r, tm_train_options *o, tm_err *err) {
    const tm_events_place place = {.home = r->home, .dir = tm__json_text(r->recipe, "dir", NULL)};
    TM_TRY(tm__train_events_read(ctx, &place, o->events_from, &r->events, err));
    TM_TRY(tm__train_events_save(ctx, r->home, &r->events, err));
    tm__train_events_use(&r->events, o);
    return TM_OK;
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

static tm_status train(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_recipe recipe;
    name_snapshots(r);
    TM_TRY(read_recipe(r, &recipe, err));
    tm_status st = save_rows(ctx, r, &recipe.options, err);
    if (st == TM_OK && recipe.options.events_from != NULL) {
        st = read_events(ctx, r, &recipe.options, err);
    }
    if (st == TM_OK) {
        st = open_checkpoint(ctx, r, &recipe.options, err);
    }
    if (st == TM_OK) {
        st =
            tm__train_run(ctx, r->harvest.train, r->harvest.held, &recipe.options, &r->result, err);
    }
    tm__recipe_done(&recipe);
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

static tm_status add(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const tm_buf *bytes = &r->result.bundle;
    tm_actor actor = r->actor;
    json_t *evidence = NULL;
    TM_TRY(tm__home_bundle_save(r->home, &r->result.bundle_hash, bytes->data, bytes->len, err));
    TM_TRY(tm__bundle_load(bytes->data, bytes->len, &r->candidate_bundle, err));
    TM_TRY(prove(ctx, r, &evidence, err));
    actor.evidence = evidence;
    const tm_status st = tm__registry_add(r->registry, r->options->model, r->candidate_bundle, NULL,
                                          &actor, &r->candidate, err);
    json_decref(evidence);
    TM_TRY(st);
    return note(r, "retrain.trained", r->candidate.number,
                json_pack("{s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "source_rows",
                          (json_int_t)r->harvest.n_source_rows, "labelled_until_us",
                          (json_int_t)r->harvest.labels.joined_us, "labelled_known_us",
                          (json_int_t)r->harvest.labels.known_us, "labelled_moment_us",
                          (json_int_t)r->harvest.labels.moment_us, "labelled_rows",
                          (json_int_t)r->harvest.n_labels, "source_hash", r->harvest.source_hash,
                          "learner", tm__json_text(r->candidate.info, "learner", "")),
                err);
}

/* ---- Judging ---- */

static tm_status judge(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_gate_scores scores = {0};
    char name[TM_MAX_NAME + 16];
    (void)snprintf(name, sizeof(name), "%s@%u", r->options->model, r->candidate.number);
    TM_TRY(tm__registry_gate(r->registry, r->options->model, &r->gate, err));
    if (r->gate.n_floors == 0) {
        r->gate.better_than_champion = true; /* nobody watches: at least it must not be worse */
    }
    r->metric =
        r->gate.metric[0] != '\0' ? r->gate.metric : tm__json_text(r->candidate.info, "metric", "");
    const tm_duel duel = {
        .candidate = r->candidate_bundle,
        .champion = r->champion_bundle,
        .rows = r->harvest.held,
        .history = {.events = r->harvest.train,
                    .sources = r->events.sources,
                    .n_sources = r->events.n},
        .metric = r->metric,
        .rows_text = r->harvest.rows_text,
        .model = r->options->model,
        .version = name,
        .load = r->options->load,
    };
    json_t *measured = NULL;
    TM_TRY(tm__loop_duel(ctx, &duel, &scores, &r->candidate_report, &r->champion_report, err));
    TM_TRY(tm__loop_measure(ctx, r->home, &r->gate, &duel, &measured, err));
    scores.measured = measured;
    tm__gate_check(&r->gate, &r->candidate, &scores, &r->verdict);
    json_decref(measured);
    return tm__registry_judge(r->registry, r->options->model, r->candidate.number, &r->verdict,
                              &r->actor, err);
}

static tm_status promote(tm_retraining *r, tm_err *err) {
    uint32_t from = 0;
    if (!r->verdict.is_open || !r->options->promote) {
        return TM_OK;
    }
    const tm_promotion promotion = {.version = r->candidate.number, .champion = r->champion.number};
    const tm_actor actor = {.name = r->actor.name, .reason = r->verdict.reason};
    TM_TRY(tm__registry_promote(r->registry, r->options->model, &promotion, &actor, &from, err));
    r->is_promoted = true;
    return TM_OK;
}

static tm_status story(const tm_retraining *r, json_t **out, tm_err *err) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&r->result.bundle_hash, hash);
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:b, s:b, s:s, s:s, s:O, s:O, s:I, s:I, s:I, s:I, s:s, s:s}", "model",
        r->options->model, "version", (json_int_t)r->candidate.number, "from",
        (json_int_t)r->champion.number, "is_open", r->verdict.is_open, "promoted", r->is_promoted,
        "reason", r->verdict.reason, "metric", r->metric, "candidate", r->candidate_report,
        "champion", r->champion_report, "rows", (json_int_t)tm__table_rows(r->harvest.train),
        "new_rows", (json_int_t)r->harvest.n_new, "unmatured_rows",
        (json_int_t)r->harvest.n_unmatured, "gate_rows",
        (json_int_t)tm__table_rows(r->harvest.held), "judged_on", r->harvest.rows_text,
        "bundle_hash", hash);
    if (object == NULL) {
        return no_memory(err);
    }
    json_object_set_new(object, "unmatured_source_rows",
                        json_integer(tm__json_i64(r->result.report, "unmatured_rows", 0)));
    if (json_array_size(r->left_out) > 0) {
        json_object_set(object, "quarantined", r->left_out);
    }
    if (r->options->keeps_state) {
        json_object_set_new(object, "fits_resumed", json_integer(r->n_resumed));
    }
    *out = object;
    return TM_OK;
}

/* ---- The whole ---- */

/* The same rows, recipe and gate would only give the same version and the same verdict again; a
 * schedule would pile them up. Another budget may give another version. */
static tm_status repeat_check(const tm_retraining *r, tm_err *err) {
    tm_learned learned = {.labels = r->harvest.labels, .n_labels = (int64_t)r->harvest.n_labels};
    uint32_t version = 0;
    if (r->options->work > 0 || r->options->budget_ms > 0) {
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

static tm_status learn_and_judge(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    TM_TRY(train(ctx, r, err));
    TM_TRY(add(ctx, r, err));
    if (ctx->checkpoint != NULL) {
        r->n_resumed = tm__checkpoint_found(ctx->checkpoint);
        TM_TRY(tm__checkpoint_remove(ctx->checkpoint, err));
    }
    TM_TRY(judge(ctx, r, err));
    return promote(r, err);
}

static tm_status retrain(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_err own = {0};
    const int64_t now_us = tm__now_us();
    TM_TRY(retrain_open(r, err));
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
    TM_TRY(note_started(r, err));
    const tm_status st = learn_and_judge(ctx, r, &own);
    if (st != TM_OK) {
        /* The failure itself is what the caller must hear, whether it could be noted or not. */
        const tm_status noted = note(r, "retrain.failed", r->candidate.number,
                                     json_pack("{s:s}", "error", own.message), NULL);
        (void)noted;
        if (err != NULL) {
            *err = own;
        }
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
    json_decref(r.candidate_report);
    json_decref(r.champion_report);
    json_decref(r.recipe);
    json_decref(r.left_out);
    tm__gate_verdict_done(&r.verdict);
    tm__train_result_done(&r.result);
    tm__checkpoint_close(ctx->checkpoint);
    ctx->checkpoint = NULL;
    tm__harvest_done(&r.harvest);
    tm__train_events_done(&r.events);
    tm__bundle_unref(r.candidate_bundle);
    tm__bundle_unref(r.champion_bundle);
    tm__version_done(&r.candidate);
    tm__version_done(&r.champion);
    tm__monitor_close(r.monitor);
    tm__registry_close(r.registry);
    return st;
}
