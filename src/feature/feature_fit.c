/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fitting: look at every column, decide what to make of each, then learn what the steps need.
 *
 *   0. made       columns by expression, which are then looked at like those that were given
 *   1. profiles   one item of work a column, on all threads
 *   2. decisions  in the order of the columns: steps, level tables, notes on what is left out
 *   3. levels     target means and counts, and the same held out for the fitted rows
 *   4. texts      vocabularies, scores, and the same held out
 *   5. matrix     the program applied to the fitted rows, then the held-out columns put over it
 *
 * A held-out column is what a step would give had the row not been there: statistics of the target
 * come from the other folds of the rows (TM_FOLDS, by a counter-based hash of the row's number), a
 * count is one less.
 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "feature/feature_priv.h"

#define DAY_US INT64_C(86400000000)
#define UNIQUE_SHARE 0.95   /* of values that are different: an identifier */
#define REPEATED_SHARE 0.10 /* of rows in levels seen often enough to say something */
#define PREFIX_SHARE 0.80   /* of rows in prefixes seen often enough */
#define FEW_ROWS 10000u

/* Days of history a part of a time needs before it has come round often enough, when the rows to
 * predict come after the rows to learn from. Else the part is a name of the days it was seen on:
 * on five months of flights the month costs 0.02 of AUC, the day of the month 0.03. */
static const int64_t days_needed[TM_PART_DAYS + 1] = {
    [TM_PART_MINUTE_OF_DAY] = 2,  [TM_PART_HOUR] = 2,    [TM_PART_DAY_OF_WEEK] = 28,
    [TM_PART_DAY_OF_MONTH] = 365, [TM_PART_MONTH] = 640, [TM_PART_DAYS] = INT64_MAX,
};

static const tm_schema_column *input_of(const tm_fit *fit, uint32_t input) {
    return &fit->program->schema.cols[input];
}

static const char *name_of(const tm_fit *fit, uint32_t source) {
    return tm__source_name(fit->program, source);
}

static bool is_input(const tm_fit *fit, uint32_t source) {
    return source < fit->program->schema.n_cols;
}

static tm_role role_of(const tm_fit *fit, uint32_t source) {
    return is_input(fit, source) ? input_of(fit, source)->role : TM_ROLE_FEATURE;
}

bool tm__fit_may_miss(const tm_fit *fit, uint32_t source) {
    return !is_input(fit, source) || fit->profiles[source].n_missing > 0;
}

static tm_meaning meaning_of(const tm_fit *fit, uint32_t source) {
    return (tm_meaning)(fit->meanings[source] & ~TM_FOUND);
}

static tm_status note(tm_fit *fit, uint32_t input, const char *reason, tm_err *err) {
    return tm__program_add_note(fit->program, input, tm__text_printf("%s", reason), err);
}

static tm_status add_step(tm_fit *fit, tm_step *step, uint32_t input, char *name, char *reason,
                          tm_err *err) {
    const char *asked = tm__meaning_text(meaning_of(fit, input));
    step->source = input;
    step->name = name;
    step->reason = reason;
    if (reason != NULL && *asked != '\0') {
        const bool is_found = (fit->meanings[input] & TM_FOUND) != 0;
        step->reason = tm__text_printf("%s, %s: %s", asked,
                                       is_found ? "as its values are" : "as asked", reason);
        tm__mem_free(reason);
    }
    if (step->reason == NULL) {
        tm__step_done(step);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for a feature");
    }
    return tm__program_add_step(fit->program, step, err);
}

static tm_status add_number(tm_fit *fit, uint32_t input, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    tm_step step = {.kind = TM_STEP_NUMBER, .feature.has_missing = tm__fit_may_miss(fit, input)};
    const tm_type type = tm__source_type(fit->program, input);
    const char *reason = type == TM_TYPE_BOOL      ? "true is 1, false is 0"
                         : profile->n_infinite > 0 ? "as it is; an infinite value is missing"
                                                   : "as it is";
    return add_step(fit, &step, input, tm__text_printf("%s", name_of(fit, input)),
                    tm__text_printf("%s", reason), err);
}

/* Names that people give to numbers of rows. */
static bool is_id_name(tm_str name) {
    static const char *const words[] = {
        "id", "rowname", "rownames", "index", "idx",     "row",  "rowid", "order",     "key",
        "nr", "no",      "number",   "seq",   "instant", "uuid", "pk",    "unnamed: 0"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (tm__str_is_nocase(name, words[i])) {
            return true;
        }
    }
    return tm__str_has_suffix(name, "_id") || tm__str_has_suffix(name, "Id") ||
           tm__str_has_suffix(name, "ID") || tm__str_has_suffix(name, ".id") ||
           tm__str_has_suffix(name, "_no") || tm__str_has_suffix(name, "_nr") || name.len == 0;
}

static tm_status fit_number(tm_fit *fit, uint32_t input, bool is_forced, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    if (profile->is_constant && profile->n_missing == 0) {
        return note(fit, input, "has the same value in every training row", err);
    }
    if (role_of(fit, input) == TM_ROLE_TIME && fit->options->is_time_ordered) {
        return note(fit, input, "orders the rows: the rows to predict have values never seen", err);
    }
    if (!is_forced && profile->is_card) {
        return note(fit, input, "looks like an identifier (payment card numbers)", err);
    }
    if (!is_forced && profile->is_id && is_id_name(tm__str(name_of(fit, input)))) {
        return note(fit, input,
                    "looks like an identifier: its name says so, no value comes twice "
                    "and it only grows or only falls",
                    err);
    }
    return add_number(fit, input, err);
}

static const char *part_name(uint8_t part) {
    static const char *const names[] = {
        "", "minute_of_day", "hour", "day_of_week", "day_of_month", "month", "days"};
    return names[part];
}

static tm_status fit_date(tm_fit *fit, uint32_t input, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    const int64_t span_days = /* moments may lie further apart than an int64_t can say */
        (int64_t)(((uint64_t)profile->max_us - (uint64_t)profile->min_us) / (uint64_t)DAY_US);
    bool is_made = false, is_short = false;
    for (uint8_t part = 1; part <= TM_PART_DAYS; part++) {
        if (!profile->parts[part]) {
            continue;
        }
        if ((part == TM_PART_MINUTE_OF_DAY && !profile->has_minutes) ||
            (part == TM_PART_HOUR && profile->has_minutes)) {
            continue; /* one of them says all */
        }
        if (fit->options->is_time_ordered && span_days < days_needed[part]) {
            char *reason =
                part == TM_PART_DAYS
                    ? tm__text_printf("days: cannot come again, and the rows to predict are later")
                    : tm__text_printf("%s: has not come round often enough in %lld days",
                                      part_name(part), (long long)span_days);
            TM_TRY(tm__program_add_note(fit->program, input, reason, err));
            is_short = true;
            continue;
        }
        tm_step step = {.kind = TM_STEP_DATE, .part = part};
        step.feature.has_missing = tm__fit_may_miss(fit, input);
        TM_TRY(add_step(fit, &step, input,
                        tm__text_printf("%s.%s", name_of(fit, input), part_name(part)),
                        tm__text_printf("a part of the time that varies"), err));
        is_made = true;
    }
    if (!is_made && !is_short) {
        return note(fit, input, "has the same value in every training row", err);
    }
    return TM_OK;
}

/* A table of the most frequent keys; *out is its number in the program. */
static tm_status add_table(tm_fit *fit, uint32_t input, tm_derive derive, uint32_t n_max,
                           uint32_t *out, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    const bool is_whole = derive == TM_DERIVE_WHOLE;
    const tm_level_count *counts = is_whole ? profile->counts : profile->prefix_counts;
    uint32_t n = is_whole ? profile->n_counts : profile->n_prefix_counts;
    size_t n_bytes = 0;
    n = n < n_max ? n : n_max;
    for (uint32_t i = 0; i < n; i++) { /* very long texts end the list early */
        n_bytes += counts[i].text.len;
        if (n_bytes > ((size_t)1 << 26)) {
            n = i;
        }
    }
    tm_levels table = {.input = input, .derive = derive};
    TM_TRY(tm__levels_make(counts, n, &table, err));
    *out = fit->program->n_tables;
    return tm__program_add_table(fit->program, &table, err);
}

static tm_status add_category(tm_fit *fit, uint32_t input, uint32_t table, const char *suffix,
                              tm_err *err) {
    const uint32_t n = fit->program->tables[table].n;
    const uint32_t n_kept = n < fit->max_levels ? n : fit->max_levels;
    tm_step step = {.kind = TM_STEP_CATEGORY, .from = table, .item = n_kept};
    step.feature.is_categorical = true;
    step.feature.n_levels = n_kept + 2;
    char *reason = tm__text_printf("%u levels seen at least %u times; code %u is any other, %u is "
                                   "missing",
                                   n_kept, fit->min_count, n_kept, n_kept + 1);
    return add_step(fit, &step, input, tm__text_printf("%s%s", name_of(fit, input), suffix), reason,
                    err);
}

static tm_status add_level_steps(tm_fit *fit, uint32_t input, uint32_t table, tm_err *err) {
    const char *name = name_of(fit, input);
    for (uint32_t i = 0; i < fit->n_stats; i++) {
        tm_step step = {.kind = TM_STEP_LEVEL, .part = TM_LEVEL_MEAN, .from = table};
        step.item = fit->classes[i];
        const bool is_many = fit->options->task == TM_TASK_MULTICLASS;
        TM_TRY(add_step(fit, &step, input,
                        is_many ? tm__text_printf("%s.mean.%u", name, fit->classes[i])
                                : tm__text_printf("%s.mean", name),
                        tm__text_printf("mean of the target of the level, drawn to the mean of all "
                                        "when the level is rare"),
                        err));
    }
    tm_step step = {.kind = TM_STEP_LEVEL, .part = TM_LEVEL_COUNT, .from = table};
    step.feature.has_missing = tm__fit_may_miss(fit, input);
    return add_step(fit, &step, input, tm__text_printf("%s.count", name),
                    tm__text_printf("log of how often the level was seen"), err);
}

/* Levels, and what else is made of a column that has many. */
static tm_status fit_levels(tm_fit *fit, uint32_t input, bool wants_numbers, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    const uint32_t n_max = wants_numbers ? (UINT32_C(1) << 18) / fit->n_stats : fit->max_levels;
    uint32_t table;
    TM_TRY(add_table(fit, input, TM_DERIVE_WHOLE, n_max, &table, err));
    TM_TRY(add_category(fit, input, table, "", err));
    if (wants_numbers) {
        TM_TRY(add_level_steps(fit, input, table, err));
    }
    const uint64_t n = profile->n_rows - profile->n_missing;
    if (profile->prefixes != NULL && profile->n_prefix_counts >= 2 &&
        profile->n_prefix_counts <= fit->max_levels &&
        (double)profile->n_in_counts < PREFIX_SHARE * (double)n &&
        (double)profile->n_in_prefixes >= PREFIX_SHARE * (double)n) {
        TM_TRY(add_table(fit, input, TM_DERIVE_PREFIX, fit->max_levels, &table, err));
        TM_TRY(add_category(fit, input, table, ".prefix", err));
    }
    return TM_OK;
}

static tm_status fit_text(tm_fit *fit, uint32_t input, bool is_forced, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    const double n = (double)(profile->n_rows - profile->n_missing);
    const double n_distinct = (double)profile->n_distinct;
    if (profile->is_constant && profile->n_missing == 0) {
        return note(fit, input, "has the same value in every training row", err);
    }
    if (!is_forced && profile->pattern != NULL &&
        !(profile->n_distinct <= fit->max_levels && n_distinct < 0.5 * n)) {
        return tm__program_add_note(
            fit->program, input, tm__text_printf("looks like an identifier (%s)", profile->pattern),
            err);
    }
    const bool is_phrases =
        (n_distinct >= 0.5 * n && profile->n_words_mean >= 1.5 && profile->n_distinct > 20) ||
        (profile->n_distinct > fit->max_levels && profile->n_words_mean >= 4);
    const bool is_repeated = (double)profile->n_in_counts >= REPEATED_SHARE * n;
    const bool is_unique = n_distinct > UNIQUE_SHARE * n && profile->n_distinct > 20;
    if (is_phrases) {
        if (is_repeated && n_distinct < 0.5 * n) {
            TM_TRY(fit_levels(fit, input, profile->n_distinct > fit->max_levels, err));
        }
        return tm__fit_text(fit, input, "many different values of several words", err);
    }
    if (is_forced) {
        return tm__fit_text(fit, input, "looks like an identifier, but there is nothing else", err);
    }
    if (is_unique) {
        return note(fit, input, "looks like an identifier: nearly no value comes twice", err);
    }
    const bool has_prefixes = profile->prefixes != NULL && profile->n_prefix_counts >= 2 &&
                              (double)profile->n_in_prefixes >= PREFIX_SHARE * n;
    if (!is_repeated && !has_prefixes) {
        return note(fit, input, "nearly no value comes often enough to learn from", err);
    }
    return fit_levels(fit, input, profile->n_distinct > fit->max_levels, err);
}

static tm_status fit_category(tm_fit *fit, uint32_t input, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    if (profile->is_constant && profile->n_missing == 0) {
        return note(fit, input, "has the same value in every training row", err);
    }
    if (profile->n_counts == 0) {
        return note(fit, input, "no value comes often enough to be a level", err);
    }
    return fit_levels(fit, input, profile->n_distinct > fit->max_levels, err);
}

/* Whether another source reads the input as what it means. */
static bool is_read_as(const tm_fit *fit, uint32_t input) {
    const tm_type type = tm__source_type(fit->program, input);
    const tm_meaning meaning = meaning_of(fit, input);
    return is_input(fit, input) &&
           ((meaning == TM_MEANS_NUMBER && tm__expr_type_of(type) != TM_EXPR_NUMBER) ||
            (meaning == TM_MEANS_CATEGORY && type != TM_TYPE_TEXT) ||
            (meaning == TM_MEANS_TIME && type == TM_TYPE_TEXT));
}

static tm_status fit_input(tm_fit *fit, uint32_t input, bool wants_all, tm_err *err) {
    const tm_profile *profile = &fit->profiles[input];
    const tm_meaning meaning = meaning_of(fit, input);
    const bool is_forced = wants_all || meaning != TM_MEANS_WHAT_IT_LOOKS_LIKE;
    const tm_role role = role_of(fit, input);
    if (role == TM_ROLE_SCORE || role == TM_ROLE_READ) {
        return TM_OK; /* see add_score; what only expressions read */
    }
    if (profile->n_missing == profile->n_rows) {
        return note(fit, input, "has no value in the training rows", err);
    }
    if (is_read_as(fit, input)) {
        return TM_OK;
    }
    switch (tm__source_type(fit->program, input)) {
    case TM_TYPE_TEXT:
        if (meaning == TM_MEANS_CATEGORY) {
            return fit_category(fit, input, err);
        }
        if (meaning == TM_MEANS_TEXT) {
            return tm__fit_text(fit, input, "text, as asked", err);
        }
        return fit_text(fit, input, is_forced, err);
    case TM_TYPE_DATE:
    case TM_TYPE_TIME:
        return fit_date(fit, input, err);
    default:
        return fit_number(fit, input, is_forced, err);
    }
}

/* The last feature is no feature: the score that a row brings along. */
static tm_status add_score(tm_fit *fit, tm_err *err) {
    tm_schema *inputs = &fit->program->schema;
    for (uint32_t input = 0; input < inputs->n_cols; input++) {
        if (inputs->cols[input].role == TM_ROLE_SCORE) {
            inputs->cols[input].is_nullable = false;
            tm_step step = {.kind = TM_STEP_NUMBER};
            return add_step(fit, &step, input, tm__text_printf("%s", inputs->cols[input].name),
                            tm__text_printf("what the model's score is added to"), err);
        }
    }
    return TM_OK;
}

/* What looked like an identifier is better than nothing. */
static tm_status fit_leftovers(tm_fit *fit, tm_err *err) {
    tm_program *program = fit->program;
    for (uint32_t i = 0; i < program->n_notes; i++) {
        tm__mem_free(program->notes[i].reason);
    }
    program->n_notes = 0;
    for (uint32_t input = 0; input < tm__program_sources(program); input++) {
        TM_TRY(fit_input(fit, input, true, err));
    }
    if (program->n_steps == 0 && program->n_texts == 0) {
        const tm_status status = TM_FAIL(err, TM_E_DATA, "no column has anything to learn from");
        tm_err_hint(err, "Give at least one column that varies between rows.");
        return status;
    }
    return TM_OK;
}

static void profile_input(void *arg, uint64_t item, uint32_t worker) {
    (void)worker;
    tm_fit *fit = arg;
    if (!tm__ctx_cancelled(fit->ctx)) {
        tm__profile_column(fit->columns[item], fit->rows, fit->n_rows, fit->min_count,
                           &fit->profiles[item]);
    }
}

/* Inputs are the columns of role FEATURE and TIME; the table's must be those of the schema. */
static tm_status find_inputs(tm_fit *fit, const tm_schema *schema, tm_err *err) {
    tm_schema *inputs = &fit->program->schema;
    if (tm__table_cols(fit->table) != schema->n_cols) {
        return TM_FAIL(err, TM_E_INVALID, "the table does not have the columns of the schema");
    }
    tm_schema all = {0};
    TM_TRY(tm__schema_copy(schema, &all, err));
    uint32_t n = 0; /* what is not an input moves to the end, and goes */
    for (uint32_t i = 0; i < all.n_cols; i++) {
        const tm_role role = all.cols[i].role;
        if (role != TM_ROLE_FEATURE && role != TM_ROLE_TIME && role != TM_ROLE_SCORE &&
            role != TM_ROLE_READ) {
            continue;
        }
        fit->columns[n] = tm__table_column(fit->table, i);
        const tm_schema_column swap = all.cols[n];
        all.cols[n] = all.cols[i];
        all.cols[i] = swap;
        n++;
    }
    for (uint32_t i = n; i < all.n_cols; i++) {
        tm__mem_free(all.cols[i].name);
        tm__mem_free(all.cols[i].reason);
    }
    all.n_cols = n;
    *inputs = all;
    for (uint32_t i = 0; i < n; i++) {
        if (fit->columns[i]->type != inputs->cols[i].type) {
            return TM_FAIL(err, TM_E_INVALID, "column '%s' does not have the type of the schema",
                           inputs->cols[i].name);
        }
    }
    if (n == 0) {
        const tm_status status = TM_FAIL(err, TM_E_DATA, "there is no column to learn from");
        tm_err_hint(err, "Give at least one column besides the target.");
        return status;
    }
    return TM_OK;
}

/* The classes that get statistics: the most frequent, at most 16. */
static tm_status find_classes(tm_fit *fit, tm_err *err) {
    fit->n_stats = 1;
    fit->classes[0] = fit->options->task == TM_TASK_BINARY ? 1 : 0;
    if (fit->options->task != TM_TASK_MULTICLASS) {
        return TM_OK;
    }
    const uint32_t k = fit->options->n_classes;
    if (k < 2 || k > TM_MAX_CLASSES) {
        return TM_FAIL(err, TM_E_INVALID, "%u classes are not possible", k);
    }
    uint64_t counts[TM_MAX_CLASSES] = {0};
    for (uint64_t i = 0; i < fit->n_rows; i++) {
        const double y = fit->y[fit->rows[i]];
        if (!(y >= 0 && y < (double)k)) {
            return TM_FAIL(err, TM_E_INVALID, "a target is not a class");
        }
        counts[(uint32_t)y]++;
    }
    bool is_taken[TM_MAX_CLASSES] = {false};
    for (uint32_t n = 0; n < TM_MAX_STATS && n < k; n++) {
        uint32_t best = UINT32_MAX; /* ties go to the lower index */
        for (uint32_t c = 0; c < k; c++) {
            if (!is_taken[c] && (best == UINT32_MAX || counts[c] > counts[best])) {
                best = c;
            }
        }
        is_taken[best] = true;
    }
    fit->n_stats = 0;
    for (uint32_t c = 0; c < k; c++) {
        if (is_taken[c]) {
            fit->classes[fit->n_stats++] = c;
        }
    }
    return TM_OK;
}

/* After the steps are known: what nobody uses may be missing from now on. */
static tm_status loosen_inputs(tm_program *program, tm_err *err) {
    uint8_t *is_used = tm__program_used(program);
    if (is_used == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for features");
    }
    for (uint32_t input = 0; input < program->schema.n_cols; input++) {
        if (!is_used[input]) {
            program->schema.cols[input].is_nullable = true;
        }
    }
    tm__mem_free(is_used);
    return TM_OK;
}

static tm_status fit_matrix(tm_fit *fit, tm_matrix **out, tm_err *err) {
    tm_matrix *matrix = NULL;
    TM_TRY(tm__program_apply(fit->ctx, fit->program, fit->table, fit->rows, fit->n_rows, &matrix,
                             err));
    for (uint32_t s = 0; s < fit->program->n_steps; s++) {
        if (fit->held[s] == NULL) {
            continue;
        }
        tm__mem_free(matrix->cols[s]);
        matrix->cols[s] = fit->held[s];
        fit->held[s] = NULL;
    }
    *out = matrix;
    return TM_OK;
}

static tm_status fit_steps(tm_fit *fit, tm_err *err) {
    struct tm_pool *pool = fit->ctx == NULL ? NULL : fit->ctx->pool;
    tm_program *program = fit->program;
    const uint32_t n = tm__program_sources(program);
    tm__pool_run(pool, n, profile_input, fit);
    if (tm__ctx_cancelled(fit->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "cancelled");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (fit->profiles[i].status != TM_OK) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for column '%s'",
                           tm__source_name(program, i));
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(fit_input(fit, i, false, err));
    }
    if (program->n_steps == 0 && program->n_texts == 0) {
        TM_TRY(fit_leftovers(fit, err));
    }
    TM_TRY(tm__fit_text_steps(fit, err));
    TM_TRY(add_score(fit, err));
    fit->held = tm__mem_zalloc(program->n_steps, sizeof(double *));
    if (fit->held == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for features");
    }
    fit->n_held = program->n_steps;
    TM_TRY(tm__fit_levels(fit, err));
    TM_TRY(tm__fit_text_held(fit, err));
    TM_TRY(loosen_inputs(program, err));
    return tm__ctx_cancelled(fit->ctx) ? TM_FAIL(err, TM_E_CANCELLED, "cancelled") : TM_OK;
}

tm_status tm__program_fit(tm_ctx *ctx, const tm_table *table, const tm_schema *schema,
                          const double *y, const uint32_t *rows, uint64_t n_rows,
                          const tm_program_options *options, tm_program **out,
                          tm_matrix **out_matrix, tm_err *err) {
    tm_fit fit = {.ctx = ctx, .table = table, .y = y, .rows = rows, .n_rows = n_rows};
    fit.options = options;
    /* With the codes of other and missing a category has one code more than max_levels: by default
     * 255, which with the bin of NaN fits a byte. */
    fit.max_levels = (options->max_levels > 0 ? options->max_levels : 254) - 1;
    fit.max_terms = options->max_terms > 0 ? options->max_terms : UINT32_C(1) << 18;
    fit.min_count = n_rows < FEW_ROWS ? 3 : 5;
    if (n_rows == 0) {
        return TM_FAIL(err, TM_E_DATA, "there are no rows to learn from");
    }
    tm_matrix *matrix = NULL;
    tm_status status = TM_OK;
    const size_t n_sources = (size_t)schema->n_cols + options->n_exprs + options->n_as;
    fit.meanings = tm__mem_zalloc(n_sources, 1);
    fit.program = tm__program_create();
    fit.columns = tm__mem_zalloc(n_sources, sizeof(tm_column *));
    fit.profiles = tm__mem_zalloc(n_sources, sizeof(tm_profile));
    fit.text_sums = tm__mem_zalloc(n_sources, sizeof(double *));
    fit.text_words = tm__mem_zalloc(n_sources, sizeof(tm_words));
    if (fit.program == NULL || fit.meanings == NULL || fit.columns == NULL ||
        fit.profiles == NULL || fit.text_sums == NULL || fit.text_words == NULL) {
        status = TM_FAIL(err, TM_E_NOMEM, "out of memory for features");
        goto out;
    }
    status = find_inputs(&fit, schema, err);
    if (status == TM_OK) {
        status = tm__fit_exprs(&fit, schema, err);
    }
    if (status == TM_OK) {
        status = find_classes(&fit, err);
    }
    if (status == TM_OK) {
        status = fit_steps(&fit, err);
    }
    if (status == TM_OK && out_matrix != NULL) {
        status = fit_matrix(&fit, &matrix, err);
    }
    if (status == TM_OK) {
        *out = fit.program;
        fit.program = NULL;
        if (out_matrix != NULL) {
            *out_matrix = matrix;
        }
    }
out:
    for (uint32_t s = 0; fit.held != NULL && s < fit.n_held; s++) {
        tm__mem_free(fit.held[s]);
    }
    for (size_t i = 0; fit.profiles != NULL && i < n_sources; i++) {
        tm__profile_done(&fit.profiles[i]);
    }
    for (size_t t = 0; t < n_sources; t++) {
        if (fit.text_sums != NULL) {
            tm__mem_free(fit.text_sums[t]);
        }
        if (fit.text_words != NULL) {
            tm__words_done(&fit.text_words[t]);
        }
    }
    tm__mem_free((void *)fit.text_sums);
    tm__mem_free(fit.text_words);
    tm__mem_free(fit.held);
    tm__mem_free(fit.profiles);
    tm__mem_free((void *)fit.columns);
    tm__feeds_close(fit.feeds, fit.n_feeds);
    tm__mem_free(fit.meanings);
    tm__mem_free(fit.folds);
    tm__mem_free(fit.order);
    tm__program_free(fit.program);
    return status;
}
