/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a run as JSON: recipe, split, leaderboard and what else a bundle's info holds. */
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

json_t *tm__split_to_json(const tm_split *split) {
    char share[32];
    char when[48];
    share[tm__f64_to_text(split->share, share)] = '\0';
    switch (split->kind) {
    case TM_SPLIT_RANDOM:
        return json_sprintf("random:%s", share);
    case TM_SPLIT_LAST:
        return json_sprintf("last:%s", share);
    case TM_SPLIT_TIME:
        return json_sprintf("time:%s:%s", split->column, share);
    case TM_SPLIT_TIME_AT:
        (void)tm__time_to_text(split->at_us, when);
        return json_sprintf("time:%s:%s", split->column, when);
    case TM_SPLIT_GROUP:
        return json_sprintf("group:%s:%s", split->column, share);
    case TM_SPLIT_MOD:
        return json_sprintf("mod:%u:%u", split->mod, split->rest);
    case TM_SPLIT_NONE:
        return json_string("none");
    default:
        return json_string("auto");
    }
}

static json_t *text_list(const char *const *texts, uint32_t n) {
    json_t *list = json_array();
    for (uint32_t i = 0; list != NULL && i < n; i++) {
        json_array_append_new(list, json_string(texts[i]));
    }
    return list;
}

static void set_text(json_t *object, const char *name, const char *text) {
    if (text != NULL) {
        json_object_set_new(object, name, json_string(text));
    }
}

static void set_json(json_t *object, const char *name, const json_t *value) {
    if (value != NULL) {
        json_object_set(object, name, (json_t *)(uintptr_t)value);
    }
}

static void set_delays(json_t *recipe, const tm_train_options *options) {
    if (options->gap_ms > 0) {
        json_object_set_new(recipe, "gap_ms", json_integer((json_int_t)options->gap_ms));
    }
    if (options->label_delay_us > 0) {
        json_object_set_new(recipe, "labels",
                            json_pack("{s:I}", "delay_us", (json_int_t)options->label_delay_us));
    }
}

/* What was asked for, so that a later run can do the same on other rows. */
json_t *tm__train_recipe(const tm_train_options *options) {
    json_t *recipe = json_object();
    if (recipe == NULL) {
        return NULL;
    }
    set_json(recipe, "source", options->source);
    set_json(recipe, "columns", options->columns);
    set_json(recipe, "privacy", options->privacy);
    set_text(recipe, "target", options->target);
    set_text(recipe, "task", options->task == TM_TASK_NONE ? "auto" : tm__task_text(options->task));
    set_text(recipe, "positive", options->positive);
    set_text(recipe, "metric", options->metric);
    set_text(recipe, "learners", options->learners);
    json_object_set_new(recipe, "params", text_list(options->params, options->n_params));
    json_object_set_new(recipe, "drop", text_list(options->drop, options->n_drop));
    if (options->n_monotone > 0) {
        json_object_set_new(recipe, "monotone", text_list(options->monotone, options->n_monotone));
    }
    if (options->n_interact > 0) {
        json_object_set_new(recipe, "interact", text_list(options->interact, options->n_interact));
    }
    if (options->n_class_weights > 0) {
        json_object_set_new(recipe, "class_weights",
                            text_list(options->class_weights, options->n_class_weights));
    }
    if (options->n_features > 0) {
        json_object_set_new(recipe, "features", text_list(options->features, options->n_features));
    }
    if (options->n_as > 0) {
        json_object_set_new(recipe, "as", text_list(options->as, options->n_as));
    }
    set_text(recipe, "crosses", options->has_no_crosses ? "none" : NULL);
    set_json(recipe, "events", options->events_from);
    if (options->n_known > 0) {
        json_object_set_new(recipe, "known", text_list(options->known, options->n_known));
    }
    set_delays(recipe, options);
    set_text(recipe, "time", options->time);
    set_text(recipe, "entity", options->entity);
    set_text(recipe, "purpose", options->purpose);
    set_text(recipe, "weight", options->weight);
    set_text(recipe, "group", options->group);
    set_text(recipe, "init_score", options->init_score);
    set_text(recipe, "calibrate", options->calibrate);
    set_text(recipe, "threshold", options->threshold);
    if (options->selects) { /* earlier releases did not */
        set_text(recipe, "select", "auto");
    }
    if (options->finds_times) { /* nor did they this */
        set_text(recipe, "times", "auto");
    }
    if (options->level_means != TM_MEANS_HELD_OUT) {
        set_text(recipe, "level_means", tm__level_means_text(options->level_means));
    }
    json_object_set_new(recipe, "split", tm__split_to_json(&options->split));
    json_object_set_new(recipe, "seed", json_integer((json_int_t)options->seed));
    json_object_set_new(recipe, "work", json_integer((json_int_t)options->work));
    json_object_set_new(recipe, "budget_ms", json_integer((json_int_t)options->budget_ms));
    if (options->latency_us_max > 0) {
        json_object_set_new(recipe, "latency_us_max",
                            json_integer((json_int_t)options->latency_us_max));
    }
    if (options->bundle_bytes_max > 0) {
        json_object_set_new(recipe, "bundle_bytes_max",
                            json_integer((json_int_t)options->bundle_bytes_max));
    }
    return recipe;
}

json_t *tm__train_stops(const tm_stops *stops) {
    json_t *list = json_array();
    for (uint32_t i = 0; list != NULL && i < stops->n; i++) {
        json_array_append_new(list, json_integer((json_int_t)stops->at[i]));
    }
    return list;
}

/* Whether a candidate stands before another: more rows first, because a score on a larger sample is
 * not comparable with one on a smaller; what was given up last. */
static bool is_before(const tm_search *search, const tm_candidate *a, const tm_candidate *b) {
    if (a->n_rows != b->n_rows) {
        return a->n_rows > b->n_rows;
    }
    if (a->is_given_up != b->is_given_up) {
        return b->is_given_up;
    }
    return tm__metric_gain(search->metric, a->score, b->score) > 0;
}

static json_t *board_entry(const tm_search *search, const tm_candidate *c) {
    const bool is_only = search->n_blend < 2 && c == &search->candidates[search->best];
    json_t *entry =
        json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:b}", "learner", c->ops->name, "score",
                  tm__json_number(c->score), "params", tm__params_to_json(c->ops, &c->params),
                  "rounds", (json_int_t)c->n_rounds, "rows", (json_int_t)c->n_rows, "folds",
                  (json_int_t)c->n_folds, "chosen", is_only);
    if (c->share > 0.0 && search->n_blend > 1) {
        json_object_set_new(entry, "share", tm__json_number(c->share));
    }
    if (c->is_given_up) {
        json_object_set_new(entry, "given_up", json_true());
    }
    if (c->is_cut) {
        json_object_set_new(entry, "cut", json_true());
    }
    return entry;
}

static json_t *together(const tm_search *search, const char *name, double score, bool is_chosen) {
    const tm_candidate *best = &search->candidates[search->best];
    return json_pack("{s:s, s:o, s:o, s:I, s:I, s:b}", "learner", name, "score",
                     tm__json_number(score), "params", json_object(), "rounds", (json_int_t)0,
                     "rows", (json_int_t)best->n_rows, "chosen", is_chosen);
}

/* Best first. Seconds are not part of it: they differ from run to run, and the record is hashed. */
json_t *tm__train_leaderboard(const tm_search *search) {
    json_t *board = json_array();
    bool is_taken[TM_MAX_CANDIDATES] = {false};
    if (board != NULL && search->n_blend > 1) {
        const tm_stacking *s = &search->stacking;
        if (s->is_used) {
            json_array_append_new(board, together(search, "stack", search->blend_score, true));
        }
        const double score = s->is_used ? s->blend_score : search->blend_score;
        json_array_append_new(board, together(search, "blend", score, !s->is_used));
    }
    for (uint32_t place = 0; board != NULL && place < search->n_candidates; place++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < search->n_candidates; i++) {
            const tm_candidate *c = &search->candidates[i];
            if (!is_taken[i] && !isnan(c->score) &&
                (best == UINT32_MAX || is_before(search, c, &search->candidates[best]))) {
                best = i;
            }
        }
        if (best == UINT32_MAX) {
            break;
        }
        is_taken[best] = true;
        json_array_append_new(board, board_entry(search, &search->candidates[best]));
    }
    return board;
}

json_t *tm__train_stacking(const tm_search *search) {
    const tm_stacking *s = &search->stacking;
    return json_pack("{s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "used", s->is_used, "reason", s->reason,
                     "gain", tm__json_number(s->gain), "gain_in_folds",
                     tm__json_number(s->gain_in_folds), "score", tm__json_number(s->score),
                     "blend_score", tm__json_number(s->blend_score), "strength",
                     tm__json_number(s->strength));
}

json_t *tm__train_split_info(const tm_train_data *data, uint64_t n_valid) {
    return json_pack("{s:o, s:s, s:b, s:I, s:I, s:I, s:I}", "split",
                     tm__split_to_json(&data->split), "reason", data->split_reason, "time_ordered",
                     data->is_time_ordered, "train_rows", (json_int_t)data->n_train,
                     "validation_rows", (json_int_t)n_valid, "test_rows", (json_int_t)data->n_test,
                     "without_target", (json_int_t)data->n_target_missing);
}

json_t *tm__train_labels_info(const tm_train_data *data) {
    return json_pack("{s:I, s:I, s:I}", "cut_us", (json_int_t)data->label_cut_us, "after_cut",
                     (json_int_t)data->n_unmatured, "after_first_test_row",
                     (json_int_t)data->n_embargoed);
}

/* Columns that were not used, with the reason: for "what was left out and why". */
json_t *tm__train_left_out(const tm_train_data *data, const json_t *program) {
    json_t *out = json_array();
    for (uint32_t c = 0; c < data->schema.n_cols; c++) {
        const tm_schema_column *column = &data->schema.cols[c];
        if (column->role != TM_ROLE_FEATURE && column->role != TM_ROLE_TARGET &&
            column->role != TM_ROLE_TIME && column->role != TM_ROLE_SCORE) { /* also what is READ */
            json_array_append_new(out, json_pack("{s:s, s:s}", "column", column->name, "reason",
                                                 column->reason != NULL ? column->reason : ""));
        }
    }
    size_t i = 0;
    json_t *step = NULL;
    json_array_foreach((json_t *)(uintptr_t)program, i, step) {
        if (json_object_get(step, "feature") == NULL ||
            json_is_null(json_object_get(step, "feature"))) {
            json_array_append_new(out, json_pack("{s:s, s:s}", "column",
                                                 tm__json_text(step, "input", ""), "reason",
                                                 tm__json_text(step, "reason", "")));
        }
    }
    return out;
}
