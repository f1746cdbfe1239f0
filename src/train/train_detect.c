/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. What ruins models, each with its evidence:
 *
 *     target       missing, or with one value only
 *     columns      constant; identifiers; copies of the target; parts of it, which add up to it
 *                  (train_sum.c); numbers that a few other values made text (train_numbers.c);
 *                  there only when the target has one
 *                  value, so filled in after the fact; alone they give the target away (a fit of a
 *                  few trees: train_report.c)
 *     rows         that come again, that contradict each other, test rows that stand in training
 *
 * A finding says what was seen, with numbers, and what to do. None fires below a share that chance
 * or plain data would give: the limits stand beside their reason.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/comm.h"
#include "base/mem.h"
#include "base/sort.h"
#include "table/associate.h"
#include "table/sketch.h"
#include "train/train_priv.h"

#define HASH_CHUNK 4096u    /* rows, of a rank's part */
#define TARGET_MISSING 0.05 /* fewer are dropped without harm */
#define ROWS_LEAST 50u      /* below it every column may look like an identifier */
#define COPY_RANK 0.9999    /* rounding of a copy in another unit moves ranks by less */
#define PRESENT_SHARE 0.98  /* of rows with one target that have a value, and of others not */
#define CLASS_LEAST 20u     /* rows of a class before presence says something */
#define REPEATED_SHARE 0.01 /* of all rows */
#define OVERLAP_GIVEN 0.01  /* a test table is meant to be new */
#define OVERLAP_SPLIT 0.05  /* a split of rows with few values has some by chance */
#define ROWS_FEW 5u
#define HASHES_MAX 400000u /* of both sides of a split; more are sampled by their hash */

/* {"kind", "severity", "column"?, "text", "hint", "evidence"}; takes evidence. */
static void find(json_t *list, const char *kind, const char *column, json_t *evidence,
                 const char *hint, const char *format, ...) TM_PRINTF(6, 7);

static void find(json_t *list, const char *kind, const char *column, json_t *evidence,
                 const char *hint, const char *format, ...) {
    static const char *const errors[] = {"one_class", "copy",           "sum",
                                         "leak",      "after_the_fact", "overlap"};
    char text[512];
    bool is_error = false;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        is_error = is_error || strcmp(errors[i], kind) == 0;
    }
    json_t *found =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "kind", kind, "severity",
                  is_error ? "error" : "warning", "text", text, "hint", hint, "evidence", evidence);
    if (column != NULL) {
        json_object_set_new(found, "column", json_string(column));
    }
    json_array_append_new(list, found);
}

void tm__train_find(json_t *list, const char *kind, const char *column, json_t *evidence,
                    const char *hint, const char *text) {
    find(list, kind, column, evidence, hint, "%s", text);
}

/* Where the last finding of a list is: a row, and the one that it equals. Counted from 1. */
static void put_place(json_t *list, uint64_t row, uint64_t equal) {
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    if (row > 0) {
        json_object_set_new(
            last, "place",
            json_pack("{s:I, s:I}", "row", (json_int_t)row, "equals_row", (json_int_t)equal));
    }
}

/* --- columns --- */

typedef struct detection {
    const tm_table *table;
    uint32_t target;
    tm_facet classes; /* the target as levels */
    tm_facet ranks;   /* the target as ranks, when it has an order */
    bool has_ranks;
    json_t *list;
} detection;

static void find_constant(const detection *d, const tm_facet *f) {
    const uint64_t n_missing = f->column->n_missing;
    if (f->n_distinct == 0) {
        find(d->list, "constant", f->column->name,
             json_pack("{s:I}", "missing", (json_int_t)n_missing), "Leave it out with --drop.",
             "has no value in any row");
    } else if (f->n_distinct == 1 && n_missing == 0) {
        find(d->list, "constant", f->column->name,
             json_pack("{s:I}", "rows", (json_int_t)f->n_rows), "Leave it out with --drop.",
             "has the same value in every row");
    }
}

/* Whole numbers that rise or fall with the rows, or texts without blanks: not measurements. */
static bool looks_numbered(const tm_column *column, uint64_t n_rows) {
    uint64_t n_blanks = 0, n_up = 0, n_down = 0;
    for (uint64_t row = 0; row < n_rows; row++) {
        if (column->dict != NULL) {
            const tm_str text = tm__dict_get(column->dict, column->codes[row]);
            n_blanks += memchr(text.ptr, ' ', text.len) != NULL;
        } else if (row > 0) {
            n_up += column->ints[row] > column->ints[row - 1];
            n_down += column->ints[row] < column->ints[row - 1];
        }
    }
    return column->dict != NULL ? n_blanks * 2 < n_rows
                                : n_up + 1 == n_rows || n_down + 1 == n_rows;
}

static void find_identifier(const detection *d, const tm_facet *f) {
    const tm_column *const column = f->column;
    const bool can_be = column->type == TM_TYPE_TEXT || column->type == TM_TYPE_INT;
    if (can_be && column->n_missing == 0 && f->n_rows > ROWS_LEAST && f->n_distinct == f->n_rows &&
        looks_numbered(column, f->n_rows)) {
        find(d->list, "identifier", column->name,
             json_pack("{s:I, s:I}", "rows", (json_int_t)f->n_rows, "distinct",
                       (json_int_t)f->n_distinct),
             "Leave it out with --drop, or name it as the entity.",
             "differs in every row, as an identifier does: nothing can be learned from it");
    }
}

static void say_copy(const detection *d, const tm_facet *f, uint64_t n) {
    find(d->list, "copy", f->column->name, json_pack("{s:I}", "rows", (json_int_t)n),
         "Leave it out with --drop, unless it is known before the target is.",
         "is the target under another name: each follows from the other in all %llu rows",
         (unsigned long long)n);
}

/* One level of the column for each class and back. */
static bool find_copy_levels(const detection *d, uint32_t col, bool *out_found) {
    tm_facet f;
    const tm_facet *const y = &d->classes;
    if (!tm__facet_init(&f, d->table, col, true)) {
        return false;
    }
    if (f.n_levels < 2 || f.n_levels > 50 || f.n_levels != y->n_levels) {
        tm__facet_done(&f);
        return true;
    }
    uint32_t there[50], back[50];
    uint64_t counts[50] = {0}, n = 0, least = UINT64_MAX;
    bool is_copy = true;
    memset(there, 0xff, sizeof(there));
    memset(back, 0xff, sizeof(back));
    for (uint64_t row = 0; row < f.n_rows && is_copy; row++) {
        const uint32_t a = f.levels[row], b = y->levels[row];
        if (a == TM_CODE_MISSING || b == TM_CODE_MISSING) {
            is_copy = a == b || b == TM_CODE_MISSING; /* a hole is no copy */
            continue;
        }
        is_copy =
            (there[a] == UINT32_MAX || there[a] == b) && (back[b] == UINT32_MAX || back[b] == a);
        there[a] = b;
        back[b] = a;
        counts[b]++;
        n++;
    }
    for (uint32_t i = 0; i < y->n_levels; i++) {
        least = counts[i] < least ? counts[i] : least;
    }
    *out_found = is_copy && n >= ROWS_LEAST && least >= ROWS_FEW;
    if (*out_found) {
        say_copy(d, &f, n);
    }
    tm__facet_done(&f);
    return true;
}

static bool find_copy(const detection *d, uint32_t col, const tm_facet *f, bool *out_found) {
    tm_association found;
    if (d->has_ranks && f->is_ordered && d->ranks.n_distinct > 20) {
        if (!tm__associate(f, &d->ranks, &found)) {
            return false;
        }
        *out_found = found.measure == TM_MEASURE_RANK && fabs(found.value) >= COPY_RANK &&
                     found.n >= ROWS_LEAST && f->n_distinct > 20;
        if (*out_found) {
            say_copy(d, f, found.n);
        }
        return true;
    }
    return find_copy_levels(d, col, out_found);
}

/* A column that has values where the target is one class, and hardly any elsewhere. */
static void find_presence(const detection *d, const tm_facet *f) {
    const tm_facet *const y = &d->classes;
    uint64_t present[50] = {0}, rows[50] = {0}, n_present = 0, n_rows = 0;
    if (y->n_levels < 2 || y->n_levels > 50 || f->column->n_missing == 0) {
        return;
    }
    for (uint64_t row = 0; row < f->n_rows; row++) {
        const uint32_t level = y->levels[row];
        if (level != TM_CODE_MISSING) {
            const bool is_there = !tm__column_is_missing(f->column, row);
            rows[level]++;
            n_rows++;
            present[level] += is_there;
            n_present += is_there;
        }
    }
    for (uint32_t i = 0; i < y->n_levels; i++) {
        const uint64_t others = n_rows - rows[i], n_others = n_present - present[i];
        if (rows[i] >= CLASS_LEAST && others >= CLASS_LEAST &&
            (double)present[i] >= PRESENT_SHARE * (double)rows[i] &&
            (double)n_others <= (1 - PRESENT_SHARE) * (double)others) {
            find(d->list, "after_the_fact", f->column->name,
                 json_pack("{s:I, s:I, s:I, s:I}", "with", (json_int_t)present[i], "of",
                           (json_int_t)rows[i], "others_with", (json_int_t)n_others, "others",
                           (json_int_t)others),
                 "Leave it out with --drop: it seems to be filled in after the target is known.",
                 "has a value in %llu of %llu rows of one target, and in %llu of %llu others",
                 (unsigned long long)present[i], (unsigned long long)rows[i],
                 (unsigned long long)n_others, (unsigned long long)others);
            return;
        }
    }
}

static bool look_at_column(const detection *d, uint32_t col, bool *is_copy) {
    tm_facet f;
    if (!tm__facet_init(&f, d->table, col, false)) {
        return false;
    }
    find_constant(d, &f);
    find_identifier(d, &f);
    find_presence(d, &f);
    const bool ok = find_copy(d, col, &f, is_copy);
    tm__facet_done(&f);
    return ok;
}

/* --- the target --- */

static void find_target(const detection *d) {
    const tm_column *const y = d->classes.column;
    const uint64_t n = d->classes.n_rows;
    const double share = n > 0 ? (double)y->n_missing / (double)n : 0;
    if (share > TARGET_MISSING) {
        find(d->list, "target_missing", y->name,
             json_pack("{s:I, s:I}", "missing", (json_int_t)y->n_missing, "rows", (json_int_t)n),
             "Rows without a target are not learned from: see whether those that have one are like "
             "the rest.",
             "the target is missing in %.1f %% of the rows", 100 * share);
    }
    if (d->classes.n_distinct < 2) {
        find(d->list, "one_class", y->name,
             json_pack("{s:I}", "values", (json_int_t)d->classes.n_distinct),
             "A model needs rows with other targets to tell them apart.",
             d->classes.n_distinct == 0 ? "the target has no value in any row"
                                        : "the target is the same in every row that has one");
    }
}

/* --- rows --- */

/* Each rank makes those of a part of the rows, where there are enough. */
static tm_status hash_rows(struct tm_comm *comm, const tm_table *table, uint32_t without,
                           uint64_t **out, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(table);
    const tm_row_deal deal = {tm__table_rows(table), HASH_CHUNK};
    const bool is_shared = deal.n_rows * n_cols >= TM_SHARED_CELLS;
    uint32_t *const cols = tm__mem_alloc((size_t)n_cols + 1, sizeof(*cols));
    uint64_t *const hashes = tm__mem_alloc(tm__table_rows(table) + 1, sizeof(*hashes));
    uint32_t n = 0;
    if (cols == NULL || hashes == NULL) {
        tm__mem_free(cols);
        tm__mem_free(hashes);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for equal rows");
    }
    for (uint32_t col = 0; col < n_cols; col++) {
        if (col != without) {
            cols[n++] = col;
        }
    }
    if (is_shared) {
        const tm_row_part own = tm__comm_part(deal, tm__comm_rank(comm), tm__comm_ranks(comm));
        tm__table_row_hashes_of(table, cols, n, (tm_row_span){own.begin, own.end}, hashes);
        tm__comm_gather(comm, deal, sizeof(*hashes), hashes);
    } else {
        tm__table_row_hashes(table, cols, n, hashes);
    }
    tm__mem_free(cols);
    const tm_status st = tm__comm_status(comm, err);
    if (st != TM_OK) {
        tm__mem_free(hashes);
        return st;
    }
    *out = hashes;
    return TM_OK;
}

static tm_status same_rows(const uint64_t *hashes, const uint64_t *targets, uint64_t n,
                           tm_sketch_same *out, tm_err *err) {
    tm_sketch_rows *const rows = tm__sketch_rows_create();
    bool ok = rows != NULL;
    for (uint64_t row = 0; ok && row < n; row++) {
        ok = tm__sketch_rows_add(rows, hashes[row], targets != NULL ? targets[row] : 0);
    }
    ok = ok && tm__sketch_rows_same(rows, out);
    tm__sketch_rows_free(rows);
    return ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to look for equal rows");
}

void tm__train_say_repeated(double share, uint64_t n_rows, bool is_exact, json_t *list) {
    const uint64_t n = (uint64_t)(share * (double)n_rows + 0.5);
    if (share >= REPEATED_SHARE && n >= ROWS_FEW) {
        find(list, "repeated", NULL,
             json_pack("{s:I, s:I, s:b}", "repeated", (json_int_t)n, "rows", (json_int_t)n_rows,
                       "exact", is_exact),
             "Keep one of each, or a split puts the same row on both sides.",
             "%s%llu of %llu rows (%.1f %%) repeat an earlier one in every column",
             is_exact ? "" : "about ", (unsigned long long)n, (unsigned long long)n_rows,
             100 * share);
    }
}

void tm__train_say_conflicting(double share, uint64_t n_rows, bool is_exact, json_t *list) {
    const uint64_t n = (uint64_t)(share * (double)n_rows + 0.5);
    if (share >= REPEATED_SHARE && n >= ROWS_FEW) {
        find(list, "conflicting", NULL,
             json_pack("{s:I, s:I, s:b}", "conflicting", (json_int_t)n, "rows", (json_int_t)n_rows,
                       "exact", is_exact),
             "No model can be right about both: a column that tells them apart is missing.",
             "%s%llu of %llu rows (%.1f %%) have an equal row with another target",
             is_exact ? "" : "about ", (unsigned long long)n, (unsigned long long)n_rows,
             100 * share);
    }
}

/* A row by what it holds. */
typedef struct hashed_row {
    uint64_t hash, row;
} hashed_row;

static int compare_hashed(const void *a, const void *b) {
    const hashed_row *x = a, *y = b;
    if (x->hash != y->hash) {
        return x->hash < y->hash ? -1 : 1;
    }
    return x->row < y->row ? -1 : x->row > y->row;
}

/* By hash, then by row; ends with tm__mem_free(). */
static hashed_row *sort_hashes(const uint64_t *hashes, uint64_t n) {
    hashed_row *const rows = tm__mem_alloc(n + 1, sizeof(*rows));
    for (uint64_t row = 0; rows != NULL && row < n; row++) {
        rows[row] = (hashed_row){hashes[row], row};
    }
    if (rows != NULL) {
        qsort(rows, n, sizeof(*rows), compare_hashed);
    }
    return rows;
}

/* Two rows, counted from 1; 0: there are none. */
typedef struct row_pair {
    uint64_t row, equal;
} row_pair;

/* The first row that equals an earlier one; with targets: and has another target. */
static tm_status first_pair(const uint64_t *hashes, const uint64_t *targets, uint64_t n,
                            row_pair *out, tm_err *err) {
    hashed_row *const rows = sort_hashes(hashes, n);
    if (rows == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for equal rows");
    }
    *out = (row_pair){0};
    for (uint64_t i = 1, first = 0; i < n; i++) {
        if (rows[i].hash != rows[first].hash) {
            first = i;
        } else if ((targets == NULL || targets[rows[i].row] != targets[rows[first].row]) &&
                   (out->row == 0 || rows[i].row + 1 < out->row)) {
            *out = (row_pair){rows[i].row + 1, rows[first].row + 1};
        }
    }
    tm__mem_free(rows);
    return TM_OK;
}

/* Place of what was found last, when anything was. */
static tm_status place_rows(const uint64_t *hashes, const uint64_t *targets, uint64_t n,
                            size_t n_before, json_t *list, tm_err *err) {
    row_pair pair = {0};
    if (json_array_size(list) == n_before) {
        return TM_OK;
    }
    TM_TRY(first_pair(hashes, targets, n, &pair, err));
    put_place(list, pair.row, pair.equal);
    return TM_OK;
}

/* *out_hashes: of whole rows, the caller frees them; NULL: not wanted. */
static tm_status find_same(struct tm_comm *comm, const tm_table *table, uint32_t target,
                           json_t *list, uint64_t **out_hashes, tm_err *err) {
    const uint64_t n = tm__table_rows(table);
    size_t n_before = json_array_size(list);
    uint64_t *whole = NULL, *input = NULL, *targets = NULL;
    tm_sketch_same repeated = {0}, conflicting = {0};
    tm_status st = hash_rows(comm, table, UINT32_MAX, &whole, err);
    if (st == TM_OK) {
        st = hash_rows(comm, table, target, &input, err);
    }
    if (st == TM_OK) {
        targets = tm__mem_alloc(n + 1, sizeof(*targets));
        st = targets == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to look for equal rows") : TM_OK;
    }
    if (st == TM_OK) {
        tm__table_row_hashes(table, &target, 1, targets);
        st = same_rows(whole, NULL, n, &repeated, err);
    }
    if (st == TM_OK) {
        st = same_rows(input, targets, n, &conflicting, err);
    }
    if (st == TM_OK) {
        tm__train_say_repeated(repeated.share_repeated, n, repeated.is_exact, list);
        st = place_rows(whole, NULL, n, n_before, list, err);
    }
    if (st == TM_OK) {
        n_before = json_array_size(list);
        tm__train_say_conflicting(conflicting.share_conflicting, n, conflicting.is_exact, list);
        st = place_rows(input, targets, n, n_before, list, err);
    }
    if (st == TM_OK && out_hashes != NULL) {
        *out_hashes = whole;
        whole = NULL;
    }
    tm__mem_free(whole);
    tm__mem_free(input);
    tm__mem_free(targets);
    return st;
}

/* Test rows that are training rows, by hashes below a limit that leaves few enough of both. */
static tm_status count_overlap(const uint64_t *hashes, const tm_train_data *data,
                               uint64_t *out_found, uint64_t *out_seen, tm_err *err) {
    const double share = (double)HASHES_MAX / (double)(data->n_train + data->n_test + 1);
    const uint64_t limit = share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p63) * 2;
    uint64_t *const known = tm__mem_alloc(data->n_train + 1, sizeof(*known));
    uint64_t n = 0;
    if (known == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for test rows in training");
    }
    for (uint64_t i = 0; i < data->n_train; i++) {
        if (hashes[data->train[i]] <= limit) {
            known[n++] = hashes[data->train[i]];
        }
    }
    qsort(known, n, sizeof(*known), tm__compare_u64);
    *out_found = 0;
    *out_seen = 0;
    for (uint64_t i = 0; i < data->n_test; i++) {
        const uint64_t hash = hashes[data->test[i]];
        if (hash <= limit) {
            *out_seen += 1;
            *out_found +=
                bsearch(&hash, known, n, sizeof(*known), tm__compare_u64) != NULL ? 1u : 0u;
        }
    }
    tm__mem_free(known);
    return TM_OK;
}

static void say_overlap(uint64_t n_found, uint64_t n_seen, bool is_sampled, json_t *list) {
    find(list, "overlap", NULL,
         json_pack("{s:I, s:I, s:b}", "equal", (json_int_t)n_found, "test_rows", (json_int_t)n_seen,
                   "sampled", is_sampled),
         "The test score is too good by as much: test on rows that training has not seen.",
         "%.1f %% of the test rows equal a training row in every column",
         100 * (double)n_found / (double)n_seen);
}

/* Columns of a table that the other one has too, under one name and with one type. */
static uint32_t shared_columns(const tm_table *a, const tm_table *b, uint32_t *out_a,
                               uint32_t *out_b) {
    uint32_t n = 0;
    for (uint32_t col = 0; col < tm__table_cols(a); col++) {
        const tm_column *const column = tm__table_column(a, col);
        const uint32_t there = tm__table_find(b, column->name);
        if (there != UINT32_MAX && tm__table_column(b, there)->type == column->type) {
            out_a[n] = col;
            out_b[n++] = there;
        }
    }
    return n;
}

/* Rows of the test table that are there among the sorted ones. */
static uint64_t count_known(const hashed_row *known, uint64_t n_known, const uint64_t *hashes,
                            uint64_t n, row_pair *out_first) {
    uint64_t n_found = 0;
    for (uint64_t row = 0; row < n; row++) {
        uint64_t from = 0, to = n_known;
        while (from < to) {
            const uint64_t middle = from + (to - from) / 2;
            if (known[middle].hash < hashes[row]) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        if (from < n_known && known[from].hash == hashes[row] && n_found++ == 0) {
            *out_first = (row_pair){row + 1, known[from].row + 1};
        }
    }
    return n_found;
}

/* Rows of another table, which is meant to be new, in the columns that both have. */
static tm_status find_against(const tm_table *table, const tm_table *test, json_t *list,
                              tm_err *err) {
    const uint64_t n = tm__table_rows(table), n_test = tm__table_rows(test);
    const uint32_t n_cols = tm__table_cols(table);
    uint32_t *const cols = tm__mem_alloc(2 * (size_t)n_cols + 1, sizeof(*cols));
    uint64_t *const hashes = tm__mem_alloc(n + 1, sizeof(*hashes));
    uint64_t *const tests = tm__mem_alloc(n_test + 1, sizeof(*tests));
    hashed_row *known = NULL;
    row_pair first = {0};
    uint64_t n_found = 0;
    tm_status st = TM_OK;
    if (cols == NULL || hashes == NULL || tests == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to look for test rows in training");
        goto out;
    }
    const uint32_t n_shared = shared_columns(table, test, cols, cols + n_cols);
    if (n_shared == 0) {
        st = TM_FAIL(err, TM_E_DATA, "the test rows have no column of the data");
        goto out;
    }
    tm__table_row_hashes(table, cols, n_shared, hashes);
    tm__table_row_hashes(test, cols + n_cols, n_shared, tests);
    known = sort_hashes(hashes, n);
    if (known == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to look for test rows in training");
        goto out;
    }
    n_found = count_known(known, n, tests, n_test, &first);
    if (n_found >= ROWS_FEW && (double)n_found >= OVERLAP_GIVEN * (double)n_test) {
        say_overlap(n_found, n_test, false, list);
        put_place(list, first.row, first.equal);
    }
out:
    tm__mem_free(cols);
    tm__mem_free(hashes);
    tm__mem_free(tests);
    tm__mem_free(known);
    return st;
}

static tm_status find_overlap(const tm_train_data *data, const uint64_t *hashes, json_t *list,
                              tm_err *err) {
    uint64_t n_found = 0, n_seen = 0;
    const bool is_given = data->n_own < data->n_rows;
    if (data->n_test == 0) {
        return TM_OK;
    }
    TM_TRY(count_overlap(hashes, data, &n_found, &n_seen, err));
    const double share = n_seen > 0 ? (double)n_found / (double)n_seen : 0;
    if (n_found >= ROWS_FEW && share >= (is_given ? OVERLAP_GIVEN : OVERLAP_SPLIT)) {
        say_overlap(n_found, n_seen, n_seen < data->n_test, list);
    }
    return TM_OK;
}

/* Rows to learn from that are all of one class, while the target has more: those of the others are
 * test rows. What is learned says that class of everything, and is sure of it. */
static void find_one_class(const tm_train_data *data, json_t *list) {
    for (uint64_t i = 0; i < data->n_train; i++) {
        if (data->n_classes < 2 || data->y[data->train[i]] != data->y[data->train[0]]) {
            return;
        }
    }
    find(list, "one_class", data->schema.cols[data->target].name,
         json_pack("{s:I}", "rows", (json_int_t)data->n_train),
         "Give more rows of the other classes, or hold out others with --split or --seed.",
         "all %llu rows to learn from have the same target: the others are test rows",
         (unsigned long long)data->n_train);
}

tm_status tm__train_find_rows(tm_ctx *ctx, const tm_train_data *data, json_t **out, tm_err *err) {
    json_t *list = json_array();
    uint64_t *hashes = NULL;
    tm_status st = find_same(ctx->comm, data->table, data->target, list, &hashes, err);
    if (st == TM_OK) {
        st = find_overlap(data, hashes, list, err);
    }
    tm__mem_free(hashes);
    if (st == TM_OK) {
        st = tm__train_find_sum(data->table, data->target, &data->schema, list, err);
    }
    if (st == TM_OK) {
        st = tm__train_find_numbers(data->table, data->target, &data->schema, list, err);
    }
    if (st != TM_OK) {
        json_decref(list);
        return st;
    }
    find_one_class(data, list);
    const double share = (double)data->n_target_missing / (double)(data->n_rows + 1);
    if (share > TARGET_MISSING) {
        find(list, "target_missing", data->schema.cols[data->target].name,
             json_pack("{s:I, s:I}", "missing", (json_int_t)data->n_target_missing, "rows",
                       (json_int_t)data->n_rows),
             "See whether rows that have a target are like the rest.",
             "the target is missing in %.1f %% of the rows", 100 * share);
    }
    *out = list;
    return TM_OK;
}

/* --- all of it --- */

/* Findings about a column say which it is, counted from 1. */
static void place_columns(const tm_table *table, json_t *list) {
    size_t i = 0;
    json_t *found = NULL;
    json_array_foreach(list, i, found) {
        const uint32_t col = tm__table_find(table, tm__json_text(found, "column", ""));
        if (col != UINT32_MAX) {
            json_object_set_new(found, "place", json_pack("{s:i}", "column", (int)col + 1));
        }
    }
}

static tm_status find_leaks(tm_ctx *ctx, tm_table *table, const tm_detect_options *options,
                            const bool *is_copy, json_t *list, tm_err *err) {
    const tm_train_options train = {
        .target = options->target, .seed = options->seed, .split = {.kind = TM_SPLIT_NONE}};
    tm_train_data data;
    tm_err own = {0};
    json_t *leaks = NULL;
    const tm_status ready = tm__train_data_init(&data, table, NULL, &train, &own);
    if (ready == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to look for leaks");
    }
    if (ready != TM_OK) {
        return TM_OK; /* too few rows or classes to fit: the other findings say so */
    }
    tm_status st = tm__train_leaks(ctx, &data, options->seed, &leaks, err);
    tm__train_data_done(&data);
    size_t i = 0;
    const json_t *leak = NULL;
    json_array_foreach(leaks, i, leak) {
        const char *name = tm__json_text(leak, "column", "");
        const double score = tm__json_f64(leak, "score", 0);
        const uint32_t col = tm__table_find(table, name);
        if (col != UINT32_MAX && !is_copy[col]) {
            find(list, "leak", name, json_pack("{s:o}", "score", tm__json_number(score)),
                 "Is it known when the prediction is made? If not, leave it out with --drop.",
                 "alone gives the target away (score %.3f on rows not learned from)", score);
        }
    }
    json_decref(leaks);
    return st;
}

static tm_status look_at_columns(tm_ctx *ctx, detection *d, tm_table *table,
                                 const tm_detect_options *options, tm_err *err) {
    const uint32_t n_cols = tm__table_cols(table);
    bool *const is_copy = tm__mem_zalloc((size_t)n_cols + 1, sizeof(bool));
    bool ok = is_copy != NULL;
    for (uint32_t col = 0; ok && col < n_cols; col++) {
        ok = col == d->target || look_at_column(d, col, &is_copy[col]);
    }
    tm_status st = ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to look at columns");
    if (st == TM_OK) {
        st = tm__train_find_sum(table, d->target, NULL, d->list, err);
    }
    if (st == TM_OK) {
        st = tm__train_find_numbers(table, d->target, NULL, d->list, err);
    }
    if (st == TM_OK && d->classes.n_distinct >= 2) {
        st = find_leaks(ctx, table, options, is_copy, d->list, err);
    }
    tm__mem_free(is_copy);
    return st;
}

tm_status tm__train_detect(tm_ctx *ctx, tm_table *table, const tm_detect_options *options,
                           json_t **out, tm_err *err) {
    detection d = {.table = table};
    TM_TRY(tm__train_find_column(table, options->target, "target", &d.target, err));
    const tm_type type = tm__table_column(table, d.target)->type;
    d.list = json_array();
    d.has_ranks = type != TM_TYPE_TEXT && type != TM_TYPE_BOOL;
    const bool ok = d.list != NULL && tm__facet_init(&d.classes, table, d.target, true) &&
                    (!d.has_ranks || tm__facet_init(&d.ranks, table, d.target, false));
    tm_status st = ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory to look at columns");
    if (st == TM_OK) {
        find_target(&d);
        st = look_at_columns(ctx, &d, table, options, err);
    }
    if (st == TM_OK && !options->skips_rows) {
        st = find_same(NULL, table, d.target, d.list, NULL, err);
    }
    if (st == TM_OK && options->against != NULL) {
        st = find_against(table, options->against, d.list, err);
    }
    tm__facet_done(&d.classes);
    tm__facet_done(&d.ranks);
    if (st == TM_OK) {
        place_columns(table, d.list);
        st = tm__json_check(err);
    }
    if (st != TM_OK) {
        json_decref(d.list);
        return st;
    }
    *out = d.list;
    return TM_OK;
}
