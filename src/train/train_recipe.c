/* SPDX-License-Identifier: Apache-2.0 */
/* From the record of a run back to its options, and the name that its checkpoints have. */
#include <string.h>

#include "base/mem.h"
#include "model/checkpoint.h"
#include "train/train_priv.h"

/* Texts of an array; they live as long as the record. */
static tm_status read_texts(const json_t *recipe, const char *name, const char ***out,
                            uint32_t *out_n, tm_err *err) {
    const json_t *list = json_object_get(recipe, name);
    const size_t n = json_array_size(list);
    const char **texts = tm__mem_alloc(n, sizeof(*texts));
    if (texts == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the recipe");
    }
    uint32_t n_texts = 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text != NULL) {
            texts[n_texts++] = text;
        }
    }
    *out = texts;
    *out_n = n_texts;
    return TM_OK;
}

/* What is made of columns, and for what. */
static tm_status read_features(const json_t *recipe, tm_recipe *read, tm_err *err) {
    tm_train_options *o = &read->options;
    o->columns = json_object_get(recipe, "columns");
    o->privacy = json_object_get(recipe, "privacy");
    o->purpose = tm__json_text(recipe, "purpose", NULL);
    o->has_no_crosses = strcmp(tm__json_text(recipe, "crosses", "auto"), "none") == 0;
    TM_TRY(read_texts(recipe, "features", &read->features, &o->n_features, err));
    return read_texts(recipe, "as", &read->as, &o->n_as, err);
}

tm_status tm__recipe_init(tm_recipe *out, const json_t *recipe, tm_err *err) {
    tm_recipe read = {.options = {
                          .target = tm__json_text(recipe, "target", NULL),
                          .task = tm__task_from_text(tm__json_text(recipe, "task", "auto")),
                          .positive = tm__json_text(recipe, "positive", NULL),
                          .metric = tm__json_text(recipe, "metric", NULL),
                          .learners = tm__json_text(recipe, "learners", NULL),
                          .time = tm__json_text(recipe, "time", NULL),
                          .entity = tm__json_text(recipe, "entity", NULL),
                          .weight = tm__json_text(recipe, "weight", NULL),
                          .group = tm__json_text(recipe, "group", NULL),
                          .threshold = tm__json_text(recipe, "threshold", NULL),
                          .calibrate = tm__json_text(recipe, "calibrate", NULL),
                          .finds_times = strcmp(tm__json_text(recipe, "times", "off"), "auto") == 0,
                          .selects = strcmp(tm__json_text(recipe, "select", "off"), "auto") == 0,
                          .init_score = tm__json_text(recipe, "init_score", NULL),
                          .seed = (uint64_t)tm__json_i64(recipe, "seed", 0),
                          .work = (uint64_t)tm__json_i64(recipe, "work", 0),
                          .budget_ms = (uint64_t)tm__json_i64(recipe, "budget_ms", 0),
                          .gap_ms = (uint64_t)tm__json_i64(recipe, "gap_ms", 0),
                          .latency_us_max = (uint64_t)tm__json_i64(recipe, "latency_us_max", 0),
                          .bundle_bytes_max = (uint64_t)tm__json_i64(recipe, "bundle_bytes_max", 0),
                          .source = json_object_get(recipe, "source"),
                          .events_from = json_object_get(recipe, "events"),
                      }};
    tm_train_options *o = &read.options;
    if (o->time != NULL) { /* of answers it is declared without one, too */
        o->label_delay_us = tm__json_i64(json_object_get(recipe, "labels"), "delay_us", 0);
    }
    tm_status st = tm__split_parse(tm__json_text(recipe, "split", "auto"), &o->split, err);
    const char *means = tm__json_text(recipe, "level_means", "held-out");
    if (st == TM_OK && !tm__level_means_from_text(means, &o->level_means)) {
        st = TM_FAIL(err, TM_E_USAGE, "means of levels '%.40s' are not known", means);
    }
    if (st == TM_OK) {
        st = read_texts(recipe, "params", &read.params, &o->n_params, err);
    }
    if (st == TM_OK) {
        st = read_texts(recipe, "drop", &read.drop, &o->n_drop, err);
    }
    if (st == TM_OK) {
        st = read_texts(recipe, "monotone", &read.monotone, &o->n_monotone, err);
    }
    if (st == TM_OK) {
        st = read_texts(recipe, "interact", &read.interact, &o->n_interact, err);
    }
    if (st == TM_OK) {
        st = read_features(recipe, &read, err);
    }
    if (st == TM_OK) {
        st = read_texts(recipe, "known", &read.known, &o->n_known, err);
    }
    if (st == TM_OK) {
        st = read_texts(recipe, "class_weights", &read.class_weights, &o->n_class_weights, err);
    }
    if (st != TM_OK) {
        tm__recipe_done(&read);
        return st;
    }
    o->class_weights = read.class_weights;
    o->features = read.features;
    o->as = read.as;
    o->known = read.known;
    o->params = read.params;
    o->drop = read.drop;
    o->monotone = read.monotone;
    o->interact = read.interact;
    *out = read;
    return TM_OK;
}

static tm_status not_in_record(const char *what, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_NOT_FOUND, "the record of the run does not hold %s", what);
    tm_err_hint(err, "An earlier release wrote it; versions trained from now on can be repeated.");
    return st;
}

static tm_status read_stops(tm_recipe *recipe, const json_t *info, tm_err *err) {
    const json_t *list = json_object_get(info, "stops");
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n > TM_MAX_STOPS) {
        return not_in_record("where the clock ended it", err);
    }
    recipe->stops = tm__mem_alloc(n, sizeof(*recipe->stops));
    if (recipe->stops == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the recipe");
    }
    for (size_t i = 0; i < n; i++) {
        recipe->stops[i] = (uint64_t)json_integer_value(json_array_get(list, i));
    }
    recipe->options.stops = recipe->stops;
    recipe->options.n_stops = (uint32_t)n;
    return TM_OK;
}

tm_status tm__recipe_init_repeat(tm_recipe *out, const json_t *info, tm_err *err) {
    const json_t *recipe = json_object_get(info, "recipe");
    const json_t *split = json_object_get(info, "split");
    const char *snapshot = tm__json_text(info, "snapshot", "");
    const char *test = tm__json_text(info, "test_snapshot", "");
    const bool is_kept = strlen(test) == TM_HASH_TEXT - 1;
    const bool has_test_table = strcmp(tm__json_text(split, "split", ""), "none") == 0 &&
                                tm__json_i64(split, "test_rows", 0) > 0;
    tm_recipe read;
    if (!json_is_object(recipe) || strlen(snapshot) != TM_HASH_TEXT - 1) {
        return not_in_record("its rows", err);
    }
    if (has_test_table && !is_kept) {
        return not_in_record("its test rows", err);
    }
    tm_row_window window;
    TM_TRY(tm__row_window_from_json(json_object_get(info, "window"), &window, err));
    TM_TRY(tm__recipe_init(&read, recipe, err));
    tm_train_options *o = &read.options;
    o->window = window;
    o->mixture = json_object_get(info, "mixture");
    o->model = tm__json_text(info, "model", NULL);
    o->is_repeat = true;
    o->is_update =
        strcmp(tm__json_text(json_object_get(info, "continues"), "how", ""), "update") == 0;
    o->label_cut_us = tm__json_i64(json_object_get(info, "labels"), "cut_us", 0);
    o->events_snapshots = json_object_get(info, "event_snapshots");
    o->optional = json_object_get(info, "optional");
    memcpy(o->snapshot, snapshot, TM_HASH_TEXT);
    if (is_kept) {
        memcpy(o->test_snapshot, test, TM_HASH_TEXT);
    }
    const tm_status st = o->budget_ms > 0 ? read_stops(&read, info, err) : TM_OK;
    if (st != TM_OK) {
        tm__recipe_done(&read);
        return st;
    }
    *out = read;
    return TM_OK;
}

void tm__recipe_done(tm_recipe *recipe) {
    json_decref(recipe->privacy);
    tm__mem_free(recipe->params);
    tm__mem_free(recipe->drop);
    tm__mem_free(recipe->monotone);
    tm__mem_free(recipe->interact);
    tm__mem_free(recipe->class_weights);
    tm__mem_free(recipe->features);
    tm__mem_free(recipe->as);
    tm__mem_free(recipe->known);
    tm__mem_free(recipe->stops);
    *recipe = (tm_recipe){0};
}

static void hash_window(tm_hasher *hasher, const tm_row_window *window) {
    const uint64_t said[] = {(uint64_t)window->kind, window->rows};
    if (window->kind != TM_ROWS_UNSAID) {
        tm__hasher_update(hasher, said, sizeof(said));
    }
}

/* Which events the features of other sources look at, or which columns rows may leave out. */
static bool hash_json(tm_hasher *hasher, const json_t *json) {
    tm_buf text;
    tm__buf_init(&text, (size_t)1 << 24);
    const bool ok = json == NULL || tm__json_write(&text, json, TM_JSON_SORTED);
    tm__hasher_update(hasher, text.data, text.len);
    tm__buf_done(&text);
    return ok;
}

tm_status tm__train_run_hash(const tm_train_options *options, tm_hash *out, tm_err *err) {
    tm_hasher hasher;
    tm_buf text;
    tm__buf_init(&text, (size_t)1 << 24);
    json_t *recipe = tm__train_recipe(options);
    const bool ok = recipe != NULL && tm__json_write(&text, recipe, TM_JSON_SORTED);
    json_decref(recipe);
    if (!ok) {
        tm__buf_done(&text);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the name of a training");
    }
    tm__hasher_init(&hasher);
    tm__hasher_update(&hasher, text.data, text.len);
    if (!hash_json(&hasher, options->events_snapshots) || !hash_json(&hasher, options->optional) ||
        !hash_json(&hasher, options->mixture)) {
        tm__buf_done(&text);
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the name of a training");
    }
    tm__hasher_update(&hasher, options->snapshot, sizeof(options->snapshot));
    tm__hasher_update(&hasher, options->test_snapshot, sizeof(options->test_snapshot));
    if (options->label_delay_us > 0 || options->n_known > 0) { /* which labels had matured */
        tm__hasher_update(&hasher, &options->label_cut_us, sizeof(options->label_cut_us));
    }
    hash_window(&hasher, &options->window);
    if (options->base != NULL) {
        tm__hasher_update(&hasher, tm__bundle_hash(options->base)->bytes, TM_HASH_BYTES);
        tm__hasher_update(&hasher, &options->is_update, sizeof(options->is_update));
    }
    tm__hasher_final(&hasher, out);
    tm__buf_done(&text);
    return TM_OK;
}

tm_status tm__train_checkpoint_open(const tm_train_options *options, const char *dir,
                                    uint64_t every_ns, struct tm_checkpoint **out, tm_err *err) {
    char name[TM_HASH_TEXT];
    tm_hash hash;
    TM_TRY(tm__train_run_hash(options, &hash, err));
    tm__hash_to_text(&hash, name);
    TM_TRY(tm__checkpoint_open(dir, name, every_ns, out, err));
    if (dir == NULL) {
        return TM_OK;
    }
    tm_checkpoint_rest rest; /* others that nobody took up; what cannot be removed does no harm */
    const tm_status cleaned = tm__checkpoint_clean(dir, true, &rest, NULL);
    (void)cleaned;
    return TM_OK;
}
