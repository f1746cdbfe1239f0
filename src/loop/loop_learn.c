/* SPDX-License-Identifier: Apache-2.0 */
/* A turn trains, and registers what it made. What was done of either before a kill is found. */
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_admit.h"
#include "loop/loop_choice_priv.h"
#include "loop/loop_how.h"
#include "loop/loop_how_choice.h"
#include "loop/loop_mixture.h"
#include "loop/training_told.h"
#include "model/checkpoint.h"
#include "source/intake.h"
#include "source/sql_privacy.h"

#define CHECKPOINT_NS UINT64_C(60000000000) /* unless asked for otherwise */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- Training ---- */

/* Policies of the rows as their sources have them now; those of the record where that cannot be
 * told any more. */
static tm_status read_policies(const tm_retraining *r, tm_recipe *out, tm_err *err) {
    tm_train_options *const o = &out->options;
    const char *const source = tm__json_text(o->source, "source", NULL);
    const json_t *const snapshots = r->harvest.snapshots;
    if (source == NULL && (snapshots == NULL || r->harvest.train == NULL)) {
        return TM_OK;
    }
    TM_TRY(source != NULL
               ? tm__intake_privacy(r->home, source, &out->privacy, err)
               : tm__sql_privacy(r->home, snapshots, r->harvest.train, &out->privacy, err));
    o->privacy = out->privacy;
    return TM_OK;
}

/* What the recipe asks for; the question stays the champion's, whatever the new rows would suggest.
 */
static tm_status read_recipe(const tm_retraining *r, tm_recipe *out, tm_err *err) {
    const tm_task task = tm__bundle_task(r->champion_bundle);
    const bool goes_on = r->how_recipe != NULL;
    TM_TRY(tm__recipe_init(out, goes_on ? r->how_recipe : r->recipe, err));
    tm_train_options *o = &out->options;
    o->base = goes_on ? r->champion_bundle : NULL;
    o->is_update = goes_on && r->how == TM_HOW_UPDATE;
    o->model = r->options->model;
    o->target = tm__bundle_target(r->champion_bundle);
    o->task = task;
    o->positive = task == TM_TASK_BINARY ? tm__bundle_class(r->champion_bundle, 1) : NULL;
    o->label_cut_us = r->harvest.labels.known_us;
    o->window = r->window;
    o->mixture = tm__mixture_of(r);
    if (r->work > 0 || r->budget_ms > 0) {
        o->work = r->work;
        o->budget_ms = r->budget_ms;
    }
    const tm_status st = read_policies(r, out, err);
    if (st != TM_OK) {
        tm__recipe_done(out);
    }
    return st;
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

/* Rows that a gate judges by take no part, and are the gap. */
static tm_choice_input choice_input(const tm_retraining *r, const tm_train_options *options) {
    const uint64_t n_held = tm__table_rows(r->harvest.held);
    return (tm_choice_input){
        .train = r->harvest.train,
        .n_new = r->harvest.n_new > n_held ? r->harvest.n_new - n_held : 0,
        .n_gap = n_held,
        .options = options,
        .events = &r->events,
        .champion = r->champion_bundle,
    };
}

static tm_status choose(tm_ctx *ctx, tm_retraining *r, const tm_train_options *options,
                        const char *asked, tm_err *err) {
    tm_choice_input in = choice_input(r, options);
    in.asked = asked;
    json_t *told = NULL;
    TM_TRY(tm__choose_window(ctx, &in, &r->window, &told, err));
    json_object_set_new(r->turn.story, "window", told);
    TM_TRY(tm__json_check(err));
    return tm__turn_save(r->registry, &r->turn, err);
}

/* What was chosen before a kill stays so. */
static tm_status choose_window(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    const json_t *const said = json_object_get(r->turn.story, "window");
    tm_recipe recipe;
    if (said == NULL) {
        return tm__how_window(r, err);
    }
    if (json_object_get(said, "kind") != NULL) {
        return tm__row_window_from_json(said, &r->window, err);
    }
    TM_TRY(read_recipe(r, &recipe, err));
    tm__train_events_use(&r->events, &recipe.options);
    const char *const asked = tm__json_text(said, "asked", "all");
    const tm_status st = choose(ctx, r, &recipe.options, asked, err);
    tm__recipe_done(&recipe);
    return st;
}

/* The recipe of one that goes on from the champion. */
static tm_status read_goes_on(tm_retraining *r, tm_turn_how how, tm_recipe *out, tm_err *err) {
    json_decref(r->how_recipe);
    r->how_recipe = NULL;
    r->how = how;
    TM_TRY(tm__train_base_recipe(r->champion_bundle, r->recipe, NULL, 0, &r->how_recipe, err));
    return read_recipe(r, out, err);
}

/* What ways are held against each other by: the champion's settings where one fit has them, else
 * the recipe's. */
static tm_status read_trial(tm_retraining *r, bool can_update, tm_recipe *out, tm_err *err) {
    static const char *const together[] = {"blend", "offset", "imported"};
    const char *const name = tm__bundle_model(r->champion_bundle)->ops->name;
    bool is_one = true;
    for (size_t i = 0; i < sizeof(together) / sizeof(together[0]); i++) {
        is_one = is_one && strcmp(name, together[i]) != 0;
    }
    return can_update || is_one ? read_goes_on(r, TM_HOW_UPDATE, out, err)
                                : read_recipe(r, out, err);
}

/* `auto`: learn anew, with the window that this would have, update, or by the policy. */
static tm_status choose_how(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_turn_how how = TM_HOW_RECIPE;
    tm_recipe recipe;
    tm_err why_not = {0};
    uint64_t ahead = 0;
    r->how = TM_HOW_RECIPE;
    TM_TRY(choose_window(ctx, r, err));
    TM_TRY(tm__mixture_ahead(r, &ahead, err));
    const bool can_update = !tm__how_why_not(r->champion_bundle, TM_HOW_UPDATE, &why_not);
    TM_TRY(read_trial(r, can_update, &recipe, err));
    tm__train_events_use(&r->events, &recipe.options);
    const bool has_own = r->work > 0 || r->budget_ms > 0;
    const tm_how_question question = {
        .choice = choice_input(r, &recipe.options),
        .window = r->window,
        .is_window_said = tm__how_is_window_said(r),
        .ahead = ahead,
        .why_no_update = can_update ? NULL : why_not.message,
        .work = has_own ? r->work : (uint64_t)tm__json_i64(r->recipe, "work", 0),
        .budget_ms = has_own ? r->budget_ms : (uint64_t)tm__json_i64(r->recipe, "budget_ms", 0)};
    const tm_status st =
        tm__how_test(ctx, &question, &how, json_object_get(r->turn.story, "how"), err);
    tm__recipe_done(&recipe);
    TM_TRY(st);
    return tm__how_settle(r, how, err);
}

/* What the policy has come to on the rows; what was found before a kill stays so. */
static tm_status choose_parts(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    tm_recipe recipe;
    if (r->how != TM_HOW_POLICY || tm__mixture_of(r) != NULL) {
        return TM_OK;
    }
    TM_TRY(read_recipe(r, &recipe, err));
    const tm_status st = tm__mixture_choose(ctx, r, &recipe.options, err);
    tm__recipe_done(&recipe);
    return st;
}

/* By the way and the window of the turn. */
static tm_status fit_so(tm_ctx *ctx, tm_retraining *r, tm_train_result *out, tm_err *err) {
    tm_recipe recipe;
    json_t *optional = NULL;
    TM_TRY(choose_window(ctx, r, err));
    if (r->how == TM_HOW_TREES || r->how == TM_HOW_UPDATE) {
        TM_TRY(read_goes_on(r, r->how, &recipe, err));
    } else {
        TM_TRY(choose_parts(ctx, r, err));
        json_decref(r->how_recipe);
        r->how_recipe = NULL;
        TM_TRY(read_recipe(r, &recipe, err));
    }
    const json_t *const story = r->turn.story;
    (void)tm__str_copy(recipe.options.snapshot, sizeof(recipe.options.snapshot),
                       tm__str(tm__json_text(story, "snapshot", "")));
    (void)tm__str_copy(recipe.options.test_snapshot, sizeof(recipe.options.test_snapshot),
                       tm__str(tm__json_text(story, "held_snapshot", "")));
    tm__train_events_use(&r->events, &recipe.options);
    r->admission =
        (tm_admission){.free_bytes = tm__admit_free(r->options->memory_max, tm__mem_bytes())};
    recipe.options.admission = &r->admission;
    const tm_train_reads reads = {.rows = r->harvest.train,
                                  .features = recipe.options.features,
                                  .n_features = recipe.options.n_features};
    tm_status st = tm__train_optional(r->champion_bundle, &reads, &optional, err);
    recipe.options.optional = optional;
    st = st == TM_OK ? open_checkpoint(ctx, r, &recipe.options, err) : st;
    if (st == TM_OK) {
        const char *const because = r->options->because != NULL ? r->options->because : "retrain";
        tm_training_told *const told =
            tm__training_told_begin(r->home, because, ctx, &recipe.options);
        st = tm__train_run(ctx, r->harvest.train, r->harvest.held, &recipe.options, out, err);
        tm__training_told_end(told, ctx, &recipe.options);
    }
    tm__recipe_done(&recipe);
    json_decref(optional);
    return st;
}

/* Rows of other classes or without a column of the champion's features are learned from anew. */
static tm_status fit(tm_ctx *ctx, tm_retraining *r, tm_train_result *out, tm_err *err) {
    tm_err own = {0};
    TM_TRY(tm__how_choose(r, err));
    if (r->how == TM_HOW_AUTO) {
        TM_TRY(choose_how(ctx, r, err));
    }
    tm_status st = fit_so(ctx, r, out, &own);
    if (st != TM_OK && r->how != TM_HOW_RECIPE && tm__choosing_is_of_rows(st)) {
        TM_TRY(tm__how_fall_back(r, &own, err));
        tm__checkpoint_close(ctx->checkpoint);
        ctx->checkpoint = NULL;
        return fit_so(ctx, r, out, err);
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

static tm_status keep_bundle(tm_retraining *r, const tm_train_result *result, tm_err *err) {
    const tm_buf *const bytes = &result->bundle;
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&result->bundle_hash, hash);
    TM_TRY(tm__home_bundle_save(r->home, &result->bundle_hash, bytes->data, bytes->len, err));
    TM_TRY(tm__bundle_load(bytes->data, bytes->len, &r->candidate_bundle, err));
    json_object_set_new(r->turn.story, "bundle_hash", json_string(hash));
    tm__admit_begin(&r->turn, &r->admission);
    tm__how_tell_made(r, result->report);
    json_object_set_new(r->turn.story, "candidates", tm__turn_candidates(result->report));
    json_object_set(r->turn.story, "seconds", json_object_get(result->report, "seconds"));
    json_object_set_new(r->turn.story, "unmatured_source_rows",
                        json_integer(tm__json_i64(result->report, "unmatured_rows", 0)));
    r->turn.state = TM_TURN_REGISTERING;
    TM_TRY(tm__json_check(err));
    return tm__turn_save(r->registry, &r->turn, err);
}

tm_status tm__turn_train(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
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
    tm__registry_learns_since(r->registry, r->turn.began_us);
    const tm_status st = tm__registry_add(r->registry, r->options->model, r->candidate_bundle, NULL,
                                          &actor, &r->candidate, err);
    tm__registry_learns_since(r->registry, 0);
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
    return tm__turn_note(r, "retrain.trained", r->candidate.number,
                         json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:s, s:I, s:O*}", "source_rows",
                                   json_object_get(story, "source_rows"), "labelled_until_us",
                                   json_object_get(story, "labelled_until_us"), "labelled_known_us",
                                   json_object_get(story, "labelled_known_us"),
                                   "labelled_moment_us",
                                   json_object_get(story, "labelled_moment_us"), "labelled_rows",
                                   json_object_get(story, "labelled_rows"), "source_hash",
                                   json_object_get(story, "source_hash"), "learner",
                                   tm__json_text(r->candidate.info, "learner", ""), "turn",
                                   (json_int_t)r->turn.number, "without_consent",
                                   json_object_get(story, "without_consent")),
                         err);
}

tm_status tm__turn_register(tm_ctx *ctx, tm_retraining *r, tm_err *err) {
    TM_TRY(find_registered(r, err));
    if (r->candidate.number == 0) {
        TM_TRY(register_new(ctx, r, err));
    }
    TM_TRY(note_trained(r, err));
    r->turn.version = r->candidate.number;
    r->turn.state = TM_TURN_JUDGING;
    return tm__turn_save(r->registry, &r->turn, err);
}
