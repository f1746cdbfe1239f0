/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look at the rows of one batch.
 *
 *   row ──┬─ with quarantine or stop for values: each one is held against the history
 *         └─ every so many: a sample of 128 rows (1,024 of 20,000 and more) ──> judge, history
 *
 * 1. The history is copied when the look begins, so that no lock is held while rows are read.
 * 2. A kind fires only when the history is large enough to tell: 200 rows for a column that is
 *    absent or more often missing, 500 texts for a category, 500 numbers for a range, 200 for a
 *    unit, which are steady besides: the newer ones are like the older.
 * 3. A unit is another one when the three quartiles are those of the history times one known
 *    factor, and are not those of the history. A factor below five must be more than the square of
 *    what the medians of the last values differ by among themselves, as seasons and growth make
 * them; quartiles of 0 tell no factor; and Fahrenheit is told from a mere factor by its 32 alone,
 * which must be more than what is let pass. Rows that come one after the other are often alike, so
 * few of them tell only a large factor. Values that rise or fall from row to row, as numbers of
 * orders do, are no longer those of before without any other unit.
 * 4. Which of so many rows is looked at changes from one to the next, or rows that repeat in their
 * period would all look alike.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/sort.h"
#include "source/change_priv.h"

#define COLUMNS_MAX 512u
#define SAMPLE_SMALL 128u
#define SAMPLE_LARGE 1024u
#define LARGE_ROWS 20000u
#define TEXT_KEY UINT64_C(0x6368616e6765)
#define ROW_KEY UINT64_C(0x6368616e726f77)
#define ROWS_MIN 200u
#define TEXTS_MIN 500u
#define RANGE_MIN 500u
#define BATCH_MIN 30u
#define NEAR_MIN 60u      /* of a batch, for units that are less than five times another one */
#define DEGREES_NEAR 0.15 /* of the width between the outer quartiles */

typedef enum what { ABSENT, MISSING, NUMBER, TEXT, OTHER } what;

typedef struct value {
    what what;
    union {
        double number;
        uint64_t hash;
    };
} value;

typedef struct column {
    const char *name;
    bool is_watched; /* its values, not only its presence */
    bool may_be_absent;
    tm_history history; /* a copy; texts of a column that is learnt are added */
    uint64_t n_rows, n_given, n_missing, n_numbers, n_texts; /* of the sample */
    double quartiles[3];
    uint64_t n_known; /* texts of the sample that the history has */
    bool is_ordered;  /* numbers rise or fall from row to row */
} column;

struct tm_look {
    tm_watch *watch;
    tm_change_policy policies[TM_CHANGE_KINDS];
    uint32_t n_cols, n_before;
    column *columns; /* [n_cols] */
    bool is_strict;  /* each row's values are looked at */
    uint64_t n_rows;
    uint64_t stride, stratum, next; /* one row of so many; of which many; and which row */
    value *sample;                  /* [sample_max x n_cols] */
    uint32_t n_sample, sample_max;
    tm_finding *findings;
    uint32_t n_findings, findings_max;
    bool is_judged;
    tm_check *check; /* NULL: no rules */
    bool has_row_rules, has_failed;
};

/* ---- Making ---- */

static void copy_history(tm_look *look) {
    tm_watch *watch = look->watch;
    tm__mutex_lock(watch->mutex);
    memcpy(look->policies, watch->policies, sizeof(look->policies));
    for (uint32_t i = 0; i < look->n_cols; i++) {
        column *c = &look->columns[i];
        const tm_history *h = tm__watch_find_locked(watch, c->name);
        if (h != NULL) {
            c->history = *h;
        }
        c->may_be_absent = strcmp(c->name, watch->target) == 0 ||
                           tm__watch_accepts_locked(watch, TM_CHANGE_MISSING_COLUMN, c->name) ||
                           tm__watch_accepts_locked(watch, TM_CHANGE_RENAMED_COLUMN, c->name);
    }
    tm__mutex_unlock(watch->mutex);
    look->is_strict = look->policies[TM_CHANGE_NEW_CATEGORY] >= TM_POLICY_QUARANTINE ||
                      look->policies[TM_CHANGE_OUT_OF_RANGE] >= TM_POLICY_QUARANTINE;
}

static void choose_next(tm_look *look) {
    const uint64_t hash = tm__hash64(&look->stratum, sizeof(look->stratum), ROW_KEY);
    look->next = look->stratum * look->stride + hash % look->stride;
}

tm_status tm__look_create(tm_watch *watch, const tm_look_input *in, tm_look **out, tm_err *err) {
    const bool is_wide = in->schema->n_cols > COLUMNS_MAX;
    const uint32_t n_cols = is_wide ? 0 : in->schema->n_cols;
    tm_check *check = NULL;
    *out = NULL;
    TM_TRY(tm__watch_take_check(watch, in->schema, &check, err));
    if (is_wide && check == NULL) {
        return TM_OK;
    }
    tm_look *look = tm__mem_zalloc(1, sizeof(*look));
    if (look == NULL) {
        tm__check_close(check);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for changes");
    }
    look->watch = tm__watch_ref(watch);
    look->check = check;
    for (uint32_t i = 0; check != NULL && i < tm__check_count(check); i++) {
        look->has_row_rules = look->has_row_rules || tm__check_kind(check, i) == TM_RULE_ROW;
    }
    look->n_cols = n_cols;
    look->n_before = is_wide ? 0 : in->n_before;
    look->sample_max = in->n_rows >= LARGE_ROWS ? SAMPLE_LARGE : SAMPLE_SMALL;
    look->stride = (in->n_rows + look->sample_max - 1) / look->sample_max;
    look->stride = look->stride == 0 ? 1 : look->stride;
    choose_next(look);
    look->columns = tm__mem_zalloc((size_t)n_cols + 1, sizeof(*look->columns));
    look->sample = tm__mem_alloc((size_t)n_cols * look->sample_max + 1, sizeof(*look->sample));
    if (look->columns == NULL || look->sample == NULL) {
        tm__look_free(look);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for changes");
    }
    for (uint32_t i = 0; i < n_cols; i++) {
        look->columns[i].name = in->schema->cols[i].name;
        look->columns[i].is_watched = true;
    }
    for (uint32_t i = 0; i < in->n_keys && !is_wide; i++) {
        look->columns[in->keys[i]].is_watched = false;
    }
    copy_history(look);
    *out = look;
    return TM_OK;
}

void tm__look_free(tm_look *look) {
    if (look != NULL) {
        tm__watch_give_check(look->watch, look->check);
        tm__watch_unref(look->watch);
        tm__mem_free(look->columns);
        tm__mem_free(look->sample);
        tm__mem_free(look->findings);
        tm__mem_free(look);
    }
}

bool tm__look_is_strict(const tm_look *look) {
    return look->is_strict;
}

uint64_t tm__look_next(tm_look *look) {
    look->n_rows = look->next;
    return look->next;
}

/* ---- Findings ---- */

void tm__look_note(tm_look *look, const tm_finding *finding) {
    for (uint32_t i = 0; i < look->n_findings; i++) {
        tm_finding *f = &look->findings[i];
        if (f->kind == finding->kind && strcmp(f->column, finding->column) == 0) {
            f->n += finding->n;
            return;
        }
    }
    if (look->n_findings == look->findings_max) {
        const uint32_t most = look->findings_max == 0 ? 8 : look->findings_max * 2;
        tm_finding *grown = tm__mem_realloc(look->findings, most, sizeof(*grown));
        if (grown == NULL) {
            look->has_failed = true;
            return;
        }
        look->findings = grown;
        look->findings_max = most;
    }
    look->findings[look->n_findings++] = *finding;
}

const tm_finding *tm__look_findings(const tm_look *look, uint32_t *out_n) {
    *out_n = look->n_findings;
    return look->findings;
}

static tm_finding finding_of(const tm_look *look, tm_change_kind kind, const char *name) {
    tm_finding f = {.kind = kind, .policy = look->policies[kind], .n = 1};
    (void)tm__str_copy(f.column, sizeof(f.column), tm__str(name));
    return f;
}

/* ---- Rules ---- */

static bool ask(tm_look *look, uint32_t rule, const tm_cell *cells, const tm_condition_rows *rows,
                tm_finding *out) {
    bool is_found = false;
    if (tm__check_ask(look->check, rule, cells, rows, out, &is_found, NULL) != TM_OK) {
        look->has_failed = true;
    }
    if (is_found) {
        tm__look_note(look, out);
    }
    return is_found;
}

bool tm__look_ask(tm_look *look, const tm_cell *cells, tm_finding *out) {
    for (uint32_t i = 0; look->has_row_rules && i < tm__check_count(look->check); i++) {
        if (tm__check_kind(look->check, i) == TM_RULE_ROW && ask(look, i, cells, NULL, out) &&
            out->policy == TM_POLICY_QUARANTINE) {
            return false;
        }
    }
    return true;
}

void tm__look_ask_all(tm_look *look, const tm_condition_rows *rows) {
    tm_finding found;
    for (uint32_t i = 0; look->check != NULL && i < tm__check_count(look->check); i++) {
        const tm_rule_kind kind = tm__check_kind(look->check, i);
        if (kind == TM_RULE_BROKEN || (kind == TM_RULE_BATCH && rows != NULL)) {
            (void)ask(look, i, NULL, rows, &found);
        }
    }
}

const tm_condition_column *tm__look_asked(const tm_look *look, uint32_t *out_n) {
    *out_n = 0;
    return look->check == NULL ? NULL : tm__check_columns(look->check, out_n);
}

bool tm__look_has_rules(const tm_look *look) {
    return look->check != NULL;
}

bool tm__look_has_failed(const tm_look *look) {
    return look->has_failed;
}

/* ---- Rows ---- */

static value value_of(const tm_cell *cell, bool is_given, bool is_watched) {
    value v = {.what = OTHER};
    if (cell->type == TM_TYPE_NONE) {
        v.what = is_given ? MISSING : ABSENT;
    } else if (!is_watched) {
        v.what = OTHER;
    } else if (cell->type == TM_TYPE_INT || cell->type == TM_TYPE_FLOAT) {
        v.what = NUMBER;
        v.number = cell->type == TM_TYPE_INT ? (double)cell->i64 : cell->f64;
        v.what = isfinite(v.number) ? NUMBER : OTHER;
    } else if (cell->type == TM_TYPE_TEXT) {
        v.what = TEXT;
        v.hash = tm__hash64(cell->text.ptr, cell->text.len, TEXT_KEY);
    }
    return v;
}

/* True and the finding when a value is none that the history would have. */
static bool is_strange(tm_look *look, uint32_t col, const value *v, tm_finding *out) {
    tm_history *h = &look->columns[col].history;
    if (v->what == NUMBER && h->n_numbers >= RANGE_MIN) {
        const double width = h->high - h->low;
        if (width > 0 && (v->number < h->low - 3 * width || v->number > h->high + 3 * width)) {
            *out = finding_of(look, TM_CHANGE_OUT_OF_RANGE, look->columns[col].name);
            (void)snprintf(out->detail, sizeof(out->detail),
                           "farther from all values so far than three times what these are apart");
            return true;
        }
    } else if (v->what == TEXT && !h->has_many && !tm__history_has(h, v->hash)) {
        if (h->n_texts >= TEXTS_MIN && h->n_texts >= UINT64_C(4) * h->n_hashes) {
            *out = finding_of(look, TM_CHANGE_NEW_CATEGORY, look->columns[col].name);
            (void)snprintf(out->detail, sizeof(out->detail), "a text beside the %u so far",
                           h->n_hashes);
            return true;
        }
        if (look->is_strict) {
            tm__history_text(h, v->hash); /* learnt from every row */
        }
    }
    return false;
}

/* Every other row of the sample, from now on of twice as many. */
static void thin(tm_look *look) {
    for (uint32_t i = 1; i < look->n_sample / 2; i++) {
        memcpy(look->sample + (size_t)i * look->n_cols, look->sample + (size_t)i * 2 * look->n_cols,
               look->n_cols * sizeof(*look->sample));
    }
    look->n_sample /= 2;
    look->stride *= 2;
    look->stratum /= 2;
}

bool tm__look_row(tm_look *look, const tm_cell *cells, const uint64_t *was_given, uint64_t row,
                  tm_finding *out) {
    const bool is_sampled = look->n_rows++ == look->next;
    bool is_good = true;
    if (!is_sampled && !look->is_strict) {
        return true;
    }
    if (is_sampled) {
        if (look->n_sample == look->sample_max) {
            thin(look);
        }
        look->stratum++;
        choose_next(look);
    }
    value *to = look->sample + (size_t)look->n_sample * look->n_cols;
    for (uint32_t i = 0; i < look->n_cols && is_good; i++) {
        tm_finding f;
        const value v = value_of(&cells[i], was_given[i] == row, look->columns[i].is_watched);
        if (is_sampled) {
            to[i] = v;
        }
        if (i < look->n_before && (v.what == NUMBER || v.what == TEXT) &&
            is_strange(look, i, &v, &f)) {
            is_good = f.policy != TM_POLICY_QUARANTINE;
            *out = f;
            tm__look_note(look, &f);
        }
    }
    look->n_sample += is_sampled && is_good ? 1 : 0;
    return is_good;
}

/* ---- The batch ---- */

/* Nine of ten steps go one way. */
static bool is_ordered(const double *numbers, uint64_t n) {
    uint64_t n_up = 0, n_down = 0;
    for (uint64_t i = 1; i < n; i++) {
        n_up += numbers[i] > numbers[i - 1] ? 1 : 0;
        n_down += numbers[i] < numbers[i - 1] ? 1 : 0;
    }
    return 10 * (n_up > n_down ? n_up : n_down) >= 9 * (n - 1);
}

static void count_column(tm_look *look, uint32_t col) {
    double numbers[SAMPLE_LARGE];
    column *c = &look->columns[col];
    c->n_rows = look->n_sample;
    for (uint32_t i = 0; i < look->n_sample; i++) {
        const value *v = &look->sample[(size_t)i * look->n_cols + col];
        c->n_given += v->what != ABSENT ? 1 : 0;
        c->n_missing += v->what == MISSING ? 1 : 0;
        if (v->what == NUMBER) {
            numbers[c->n_numbers++] = v->number;
        } else if (v->what == TEXT) {
            c->n_texts++;
            c->n_known += tm__history_has(&c->history, v->hash) ? 1 : 0;
        }
    }
    if (c->n_numbers > 0) {
        c->is_ordered = is_ordered(numbers, c->n_numbers);
        qsort(numbers, c->n_numbers, sizeof(*numbers), tm__compare_f64);
        for (uint64_t i = 0; i < 3; i++) {
            c->quartiles[i] = numbers[(c->n_numbers - 1) * (i + 1) / 4];
        }
    }
}

static bool is_near(double a, double b, double share) {
    return fabs(a - b) <= share * fabs(b);
}

static bool are_near(const double a[3], const double b[3], double factor, double share) {
    return is_near(a[0], b[0] * factor, share) && is_near(a[1], b[1] * factor, share) &&
           is_near(a[2], b[2] * factor, share);
}

static bool are_degrees(const double now[3], const tm_history *h) {
    const double *const before = h->quartiles;
    const double width = before[2] - before[0];
    bool is_hotter = DEGREES_NEAR * 1.8 * width < 16, is_colder = DEGREES_NEAR * width / 1.8 < 9;
    for (int i = 0; i < 3; i++) {
        is_hotter =
            is_hotter && fabs(now[i] - (before[i] * 1.8 + 32)) <= DEGREES_NEAR * 1.8 * width;
        is_colder =
            is_colder && fabs(now[i] - (before[i] - 32) / 1.8) <= DEGREES_NEAR * width / 1.8;
    }
    return is_hotter || is_colder;
}

/* The words for what the values were multiplied by; NULL: nothing. */
static const char *other_unit(const double now[3], uint64_t n, const tm_history *h) {
    const double *const before = h->quartiles;
    static const struct {
        double factor;
        const char *name;
    } factors[] = {{10, "10"},          {100, "100"},    {1000, "1,000"},     {1e6, "1,000,000"},
                   {60, "60"},          {3600, "3,600"}, {24, "24"},          {86400, "86,400"},
                   {2.54, "2.54"},      {25.4, "25.4"},  {2.204623, "2.205"}, {3.28084, "3.281"},
                   {3.785412, "3.785"}, {4.184, "4.184"}};
    const int n_telling = (before[0] != 0) + (before[1] != 0) + (before[2] != 0);
    if (before[0] == before[2] || n_telling < 2 || are_near(now, before, 1, 0.3)) {
        return NULL;
    }
    /* A quartile of n values is about so sure: the width between the outer two, by the root of n.
     */
    const double sure = (now[2] - now[0]) / (fabs(now[1]) * sqrt((double)n));
    const double near = 0.05 + (sure < 0.06 ? sure / 2 : 0.03);
    for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]); i++) {
        if (factors[i].factor < 5 &&
            (n < NEAR_MIN || n_telling < 3 || h->wobble * h->wobble > factors[i].factor)) {
            continue;
        }
        const double share = factors[i].factor < 5 ? near : 0.25;
        if (are_near(now, before, factors[i].factor, share) ||
            are_near(now, before, 1 / factors[i].factor, share)) {
            return factors[i].name;
        }
    }
    return n >= NEAR_MIN && are_degrees(now, h) ? "1.8 and 32 more" : NULL;
}

static void judge_values(tm_look *look, const column *c) {
    const tm_history *h = &c->history;
    if (c->is_watched && h->is_steady && !c->is_ordered && h->n_numbers >= ROWS_MIN &&
        c->n_numbers >= BATCH_MIN) {
        const char *unit = other_unit(c->quartiles, c->n_numbers, h);
        if (unit != NULL) {
            tm_finding f = finding_of(look, TM_CHANGE_UNIT_CHANGE, c->name);
            (void)snprintf(f.detail, sizeof(f.detail),
                           "the quartiles differ from those so far by a factor of %s", unit);
            tm__look_note(look, &f);
        }
    }
    if (h->n_given >= ROWS_MIN && c->n_given >= BATCH_MIN) {
        const double before = (double)h->n_missing / (double)h->n_given;
        const double now = (double)c->n_missing / (double)c->n_given;
        const double spread =
            sqrt(before * (1 - before) * (1 / (double)c->n_given + 1 / (double)h->n_given));
        if (now > before + 0.2 && now > 2 * before && now > before + 6 * spread) {
            tm_finding f = finding_of(look, TM_CHANGE_NULL_SPIKE, c->name);
            (void)snprintf(f.detail, sizeof(f.detail), "%.0f %% are missing, %.0f %% so far",
                           now * 100, before * 100);
            tm__look_note(look, &f);
        }
    }
}

/* Whether a column that came has values like those of one that is gone. */
static bool is_alike(const column *gone, const column *came) {
    const tm_history *h = &gone->history;
    if (came->n_numbers >= BATCH_MIN && h->n_numbers >= ROWS_MIN && came->n_texts == 0) {
        const double width = h->quartiles[2] - h->quartiles[0];
        return fabs(came->quartiles[1] - h->quartiles[1]) <= 0.5 * width &&
               came->quartiles[2] - came->quartiles[0] <= 2 * width &&
               came->quartiles[2] - came->quartiles[0] >= 0.5 * width;
    }
    if (came->n_texts >= BATCH_MIN && h->n_texts >= ROWS_MIN && !h->has_many) {
        return came->n_known * 10 >= came->n_texts * 8;
    }
    return false;
}

static bool judge_absent(tm_look *look, const column *c) {
    const tm_history *h = &c->history;
    if (c->n_given > 0 || c->may_be_absent || h->n_rows < ROWS_MIN) {
        return false;
    }
    const double given = (double)h->n_given / ((double)h->n_rows + 1);
    double chance = 1; /* that so many rows lack it though nothing has changed */
    for (uint32_t i = 0; i < look->n_sample && chance > 1e-9; i++) {
        chance *= 1 - given;
    }
    return chance < 0.006;
}

/* Texts of a column that came, against the history of one that is gone. */
static void count_known(const tm_look *look, uint32_t came, const column *gone) {
    column *c = &look->columns[came];
    c->n_known = 0;
    for (uint32_t i = 0; i < look->n_sample; i++) {
        const value *v = &look->sample[(size_t)i * look->n_cols + came];
        c->n_known += v->what == TEXT && tm__history_has(&gone->history, v->hash) ? 1 : 0;
    }
}

static void drop_finding(tm_look *look, tm_change_kind kind, const char *name) {
    for (uint32_t i = 0; i < look->n_findings; i++) {
        if (look->findings[i].kind == kind && strcmp(look->findings[i].column, name) == 0) {
            look->findings[i] = look->findings[--look->n_findings];
            return;
        }
    }
}

/* A rule about a column that is gone would hold for every row. */
static void stop_by_rule(const tm_look *look, tm_finding *f) {
    const char *rule = look->check == NULL ? NULL : tm__check_reader(look->check, f->column);
    const size_t len = strlen(f->detail);
    if (rule != NULL) {
        f->policy = TM_POLICY_STOP;
        (void)snprintf(f->detail + len, sizeof(f->detail) - len, "; rule '%.40s' reads it", rule);
    }
}

static void judge_gone(tm_look *look, const column *gone) {
    for (uint32_t i = look->n_before; i < look->n_cols; i++) {
        count_known(look, i, gone);
        if (is_alike(gone, &look->columns[i])) {
            tm_finding f = finding_of(look, TM_CHANGE_RENAMED_COLUMN, gone->name);
            (void)snprintf(f.detail, sizeof(f.detail), "it is gone, and '%.64s' has such values",
                           look->columns[i].name);
            stop_by_rule(look, &f);
            tm__look_note(look, &f);
            drop_finding(look, TM_CHANGE_NEW_COLUMN, look->columns[i].name);
            return;
        }
    }
    tm_finding f = finding_of(look, TM_CHANGE_MISSING_COLUMN, gone->name);
    (void)snprintf(f.detail, sizeof(f.detail), "no row has it, %.0f %% had it so far",
                   100 * (double)gone->history.n_given / (double)gone->history.n_rows);
    stop_by_rule(look, &f);
    tm__look_note(look, &f);
}

const tm_finding *tm__look_judge(tm_look *look) {
    for (uint32_t i = 0; i < look->n_cols && !look->is_judged; i++) {
        count_column(look, i);
    }
    for (uint32_t i = 0; i < look->n_before && !look->is_judged && look->n_sample > 0; i++) {
        const column *c = &look->columns[i];
        if (judge_absent(look, c)) {
            judge_gone(look, c);
        } else {
            judge_values(look, c);
        }
    }
    look->is_judged = true;
    const tm_finding *worst = NULL;
    for (uint32_t i = 0; i < look->n_findings; i++) {
        const tm_finding *f = &look->findings[i];
        const bool is_batch = f->is_batch || f->kind == TM_CHANGE_MISSING_COLUMN ||
                              f->kind == TM_CHANGE_RENAMED_COLUMN ||
                              f->kind == TM_CHANGE_UNIT_CHANGE || f->kind == TM_CHANGE_NULL_SPIKE;
        const bool counts =
            f->policy == TM_POLICY_STOP || (f->policy == TM_POLICY_QUARANTINE && is_batch);
        if (counts && (worst == NULL || f->policy > worst->policy)) {
            worst = f;
        }
    }
    return worst;
}

/* ---- The history ---- */

static const tm_finding *finding_about(const tm_look *look, tm_change_kind kind, const char *name) {
    for (uint32_t i = 0; i < look->n_findings; i++) {
        if (look->findings[i].kind == kind && strcmp(look->findings[i].column, name) == 0) {
            return &look->findings[i];
        }
    }
    return NULL;
}

static void keep_column_locked(tm_look *look, uint32_t col, tm_history *h) {
    const column *c = &look->columns[col];
    const tm_finding *unit = finding_about(look, TM_CHANGE_UNIT_CHANGE, c->name);
    const tm_finding *nulls = finding_about(look, TM_CHANGE_NULL_SPIKE, c->name);
    const bool is_new_normal = (unit != NULL && unit->policy == TM_POLICY_ADAPT) ||
                               (nulls != NULL && nulls->policy == TM_POLICY_ADAPT);
    if (is_new_normal) {
        tm__history_reset(h);
    } else if (unit != NULL || nulls != NULL) {
        return; /* the history stays as it is */
    }
    h->n_rows += c->n_rows;
    h->n_given += c->n_given;
    h->n_missing += c->n_missing;
    for (uint32_t i = 0; i < look->n_sample; i++) {
        tm_finding f;
        const value *v = &look->sample[(size_t)i * look->n_cols + col];
        if ((v->what != NUMBER && v->what != TEXT) ||
            (!is_new_normal && col < look->n_before && is_strange(look, col, v, &f) &&
             f.policy != TM_POLICY_ADAPT)) {
            continue;
        }
        if (v->what == NUMBER) {
            tm__history_number(h, v->number);
        } else {
            tm__history_text(h, v->hash);
        }
    }
    for (uint32_t i = 0; look->is_strict && !h->has_many && i < c->history.n_hashes; i++) {
        if (!tm__history_has(h, c->history.hashes[i])) {
            tm__history_text(h, c->history.hashes[i]);
        }
    }
    tm__history_settle(h);
}

bool tm__look_keep(tm_look *look) {
    tm_watch *watch = look->watch;
    bool has_room = true;
    tm__mutex_lock(watch->mutex);
    for (uint32_t i = 0; i < look->n_cols && has_room; i++) {
        has_room = tm__watch_column_locked(watch, look->columns[i].name) != NULL;
    }
    for (uint32_t i = 0; i < look->n_cols && has_room; i++) {
        const char *name = look->columns[i].name;
        const tm_finding *renamed = finding_about(look, TM_CHANGE_RENAMED_COLUMN, name);
        const tm_finding *gone = finding_about(look, TM_CHANGE_MISSING_COLUMN, name);
        const bool is_let_go = (renamed != NULL && renamed->policy == TM_POLICY_ADAPT) ||
                               (gone != NULL && gone->policy == TM_POLICY_ADAPT);
        if (is_let_go) {
            json_array_append_new(
                watch->accepted,
                json_pack("[s, s]", tm__change_names[TM_CHANGE_MISSING_COLUMN], name));
        }
        tm_history *h = tm__watch_column_locked(watch, name);
        if (h != NULL && gone == NULL && renamed == NULL) {
            keep_column_locked(look, i, h);
        }
    }
    watch->n_kept += has_room ? 1 : 0;
    tm__mutex_unlock(watch->mutex);
    return has_room;
}
