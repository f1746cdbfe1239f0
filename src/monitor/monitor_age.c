/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where labels come from and how long they take: one pass over a model's answers, with their labels
 * beside them in the order of the log.
 *
 *     delay   0 µs .. 63 µs   64 .. 127   128 .. 255    ...      2^61 .. 2^62
 *     bin     one each        64 bins     64 bins                64 bins: each 1/64 wide
 *
 * Most answers of the last days have no label yet, and those that have one have a quick one, so the
 * delays of labels alone are too short. What is drawn is the share of answers that have a label so
 * long after their moment, where an answer counts for as long as it has been watched (Kaplan, Meier
 * 1958, doi:10.1080/01621459.1958.10501452).
 */
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "table/table.h"

#define BINS 3712u
#define ORIGINS_MAX 64u
#define CURVE_POINTS 64u

typedef struct delays {
    uint64_t n[BINS];
    uint64_t n_all;
    int64_t most_us;
} delays;

typedef struct origin {
    char name[64];
    int64_t first_us, last_us; /* when labels were known */
    delays delays;
} origin;

typedef struct ages {
    const tm_age_options *options;
    uint64_t n_answers, n_due, n_overdue, n_late, n_ambiguous, n_early;
    uint64_t n_waiting, n_waiting_by_id;
    uint64_t n_matured, n_covered; /* answers that owe a label, and those that have it */
    int64_t first_us, last_us;     /* when labels were known */
    int64_t first_answer_us, last_answer_us;
    delays labelled, watched; /* watched: answers without a label, for how long */
    origin *origins[ORIGINS_MAX];
    uint32_t n_origins;
} ages;

/* --- delays --- */

static uint32_t bin_of(int64_t us) {
    if (us < 64) {
        return us < 0 ? 0 : (uint32_t)us;
    }
    const uint32_t shift = 57u - (uint32_t)__builtin_clzll((uint64_t)us);
    return shift * 64u + (uint32_t)((uint64_t)us >> shift);
}

/* The middle of a bin. */
static double bin_us(uint32_t bin) {
    if (bin < 128) {
        return bin;
    }
    const uint32_t shift = bin / 64u - 1u;
    return ((double)(bin - shift * 64u) + 0.5) * (double)(UINT64_C(1) << shift);
}

static void add_delay(delays *d, int64_t us) {
    d->n[bin_of(us)]++;
    d->n_all++;
    d->most_us = us > d->most_us ? us : d->most_us;
}

/* Seconds that a share of the delays is not longer than; null when there are none. */
static json_t *quantile(const delays *d, double share) {
    const double wanted = share * (double)d->n_all;
    uint64_t n = 0;
    for (uint32_t bin = 0; bin < BINS && d->n_all > 0; bin++) {
        n += d->n[bin];
        if (d->n[bin] > 0 && (double)n >= wanted) {
            const double us = bin_us(bin);
            return tm__json_number((us < (double)d->most_us ? us : (double)d->most_us) / 1e6);
        }
    }
    return json_null();
}

static json_t *quantiles_to_json(const delays *d) {
    return json_pack("{s:o, s:o, s:o, s:o}", "p50_seconds", quantile(d, 0.5), "p90_seconds",
                     quantile(d, 0.9), "p99_seconds", quantile(d, 0.99), "most_seconds",
                     d->n_all > 0 ? tm__json_number((double)d->most_us / 1e6) : json_null());
}

/* Share of answers that have a label after so long, at each bin that has one: out[n]. */
typedef struct arrival {
    double seconds, share;
} arrival;

static uint32_t arrivals(const ages *a, arrival *out) {
    uint64_t n_watched = a->labelled.n_all + a->watched.n_all;
    double without = 1;
    uint32_t n = 0;
    for (uint32_t bin = 0; bin < BINS; bin++) {
        if (a->labelled.n[bin] > 0) {
            without *= 1 - (double)a->labelled.n[bin] / (double)n_watched;
            out[n++] = (arrival){bin_us(bin) / 1e6, 1 - without};
        }
        n_watched -= a->labelled.n[bin] + a->watched.n[bin];
    }
    return n;
}

static json_t *time_of_share(const arrival *list, uint32_t n, double share) {
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].share >= share - 1e-12) {
            return tm__json_number(list[i].seconds);
        }
    }
    return json_null(); /* never reached as far as was watched */
}

/* The curve at points that rise by equal shares. */
static json_t *curve_to_json(const arrival *list, uint32_t n) {
    json_t *points = json_array();
    double next = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].share >= next || i + 1 == n) {
            json_array_append_new(points, json_pack("{s:o, s:o}", "seconds",
                                                    tm__json_number(list[i].seconds), "share",
                                                    tm__json_number(list[i].share)));
            next = list[i].share + list[n - 1].share / CURVE_POINTS;
        }
    }
    return points;
}

static json_t *arrival_to_json(const ages *a) {
    arrival *const list = tm__mem_alloc(BINS, sizeof(*list));
    if (list == NULL) {
        return NULL;
    }
    const uint32_t n = arrivals(a, list);
    json_t *out = json_pack("{s:o, s:o, s:o, s:o}", "p50_seconds", time_of_share(list, n, 0.5),
                            "p90_seconds", time_of_share(list, n, 0.9), "p99_seconds",
                            time_of_share(list, n, 0.99), "curve", curve_to_json(list, n));
    tm__mem_free(list);
    return out;
}

/* --- the pass --- */

static tm_status find_origin(ages *a, const char *name, origin **out, tm_err *err) {
    for (uint32_t i = 0; i < a->n_origins; i++) {
        if (strcmp(a->origins[i]->name, name) == 0 || i + 1 == ORIGINS_MAX) {
            *out = a->origins[i];
            return TM_OK;
        }
    }
    origin *const made = tm__mem_zalloc(1, sizeof(*made));
    if (made == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for where labels come from");
    }
    const bool is_last = a->n_origins + 1 == ORIGINS_MAX;
    (void)tm__str_copy(made->name, sizeof(made->name), tm__str(is_last ? "others" : name));
    made->first_us = INT64_MAX;
    made->last_us = INT64_MIN;
    a->origins[a->n_origins++] = made;
    *out = made;
    return TM_OK;
}

static int64_t since(int64_t later_us, int64_t earlier_us) {
    int64_t us = 0;
    return __builtin_sub_overflow(later_us, earlier_us, &us) ? INT64_MAX / 4 : us;
}

static tm_status add_label(ages *a, int64_t moment_us, tm_stmt *labels, tm_err *err) {
    const int64_t known_us = tm__stmt_i64(labels, 1);
    const int64_t delay_us = since(known_us, moment_us);
    origin *from = NULL;
    TM_TRY(find_origin(a, tm__stmt_text(labels, 3), &from, err));
    add_delay(&a->labelled, delay_us);
    add_delay(&from->delays, delay_us);
    a->n_early += delay_us < 0;
    a->n_late += a->options->delay_us >= 0 && delay_us > a->options->delay_us;
    a->n_ambiguous += tm__stmt_i64(labels, 2) != 0;
    a->first_us = known_us < a->first_us ? known_us : a->first_us;
    a->last_us = known_us > a->last_us ? known_us : a->last_us;
    from->first_us = known_us < from->first_us ? known_us : from->first_us;
    from->last_us = known_us > from->last_us ? known_us : from->last_us;
    return TM_OK;
}

static void add_unlabelled(ages *a, int64_t moment_us) {
    const int64_t age_us = since(a->options->now_us, moment_us);
    add_delay(&a->watched, age_us);
    if (a->options->delay_us >= 0 && age_us < a->options->delay_us) {
        a->n_due++;
    } else if (a->options->delay_us >= 0) {
        a->n_overdue++;
    }
}

/* Answers of a block; labels stands at the first label of an answer that is not before them. */
static tm_status take_block(ages *a, tm_block *block, int64_t first_seq, tm_stmt *labels,
                            bool *has_label, tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        const int64_t moment_us = tm__record_moment(&block->record);
        a->n_answers++;
        a->first_answer_us = moment_us < a->first_answer_us ? moment_us : a->first_answer_us;
        a->last_answer_us = moment_us > a->last_answer_us ? moment_us : a->last_answer_us;
        const bool has = *has_label && tm__stmt_i64(labels, 0) == seq;
        const bool owes = block->record.at_us >= a->options->covered_from_us &&
                          since(a->options->now_us, moment_us) >= a->options->delay_us;
        a->n_matured += owes ? 1 : 0;
        a->n_covered += owes && has ? 1 : 0;
        if (has) {
            TM_TRY(add_label(a, moment_us, labels, err));
            TM_TRY(tm__stmt_step(labels, has_label, err));
        } else {
            add_unlabelled(a, moment_us);
        }
    }
    return TM_OK;
}

#define STREAMS "(SELECT id FROM streams WHERE model = ?1)"

static tm_status walk(ages *a, tm_db *db, tm_stmt *blocks, tm_stmt *labels, tm_err *err) {
    bool has_label = false;
    tm_block block;
    tm__block_init(&block, db);
    tm_status st = tm__stmt_step(labels, &has_label, err);
    while (tm__stmt_next(blocks, &st, err)) {
        st = take_block(a, &block, tm__stmt_i64(blocks, 0), labels, &has_label, err);
    }
    tm__block_done(&block);
    return st;
}

static tm_status count_waiting(ages *a, tm_db *db, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(db,
                         "SELECT sum(prediction_id IS NULL AND model = ?1),"
                         " sum(prediction_id IS NOT NULL) FROM labels WHERE state = 0",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, a->options->model);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        a->n_waiting = (uint64_t)tm__stmt_i64(stmt, 0);
        a->n_waiting_by_id = (uint64_t)tm__stmt_i64(stmt, 1);
    }
    tm__stmt_done(stmt);
    return st;
}

static tm_status read_ages(tm_db *db, void *arg, tm_err *err) {
    ages *const a = arg;
    tm_stmt *blocks = NULL, *labels = NULL;
    tm_status st = tm__stmt_init(
        db, "SELECT first_seq FROM blocks WHERE stream IN " STREAMS " ORDER BY first_seq", &blocks,
        err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "SELECT answer_seq, observed_us, is_ambiguous, origin FROM labels"
                           " WHERE state = 1 AND stream IN " STREAMS " ORDER BY answer_seq",
                           &labels, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_text(blocks, 1, a->options->model);
        tm__stmt_bind_text(labels, 1, a->options->model);
        st = walk(a, db, blocks, labels, err);
    }
    if (blocks != NULL) {
        tm__stmt_done(blocks);
    }
    if (labels != NULL) {
        tm__stmt_done(labels);
    }
    return st == TM_OK ? count_waiting(a, db, err) : st;
}

/* --- what it says --- */

static json_t *age_to_json(const ages *a, int64_t us, bool is_there) {
    return is_there ? tm__json_number((double)since(a->options->now_us, us) / 1e6) : json_null();
}

static json_t *share_to_json(uint64_t n, uint64_t n_all) {
    return n_all > 0 ? tm__json_number((double)n / (double)n_all) : json_null();
}

static json_t *origins_to_json(const ages *a) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < a->n_origins; i++) {
        const origin *const from = a->origins[i];
        json_t *entry =
            json_pack("{s:o, s:I, s:o, s:o, s:o, s:o}", "origin",
                      from->name[0] != '\0' ? json_string(from->name) : json_null(), "labels",
                      (json_int_t)from->delays.n_all, "share",
                      share_to_json(from->delays.n_all, a->labelled.n_all), "oldest",
                      tm__json_time(from->first_us), "newest", tm__json_time(from->last_us),
                      "delay", quantiles_to_json(&from->delays));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *ages_to_json(const ages *a) {
    const uint64_t n = a->labelled.n_all;
    const bool is_declared = a->options->delay_us >= 0;
    json_t *out =
        json_pack("{s:s, s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "model", a->options->model, "answers",
                  (json_int_t)a->n_answers, "labelled", (json_int_t)n, "share",
                  share_to_json(n, a->n_answers), "ambiguous", (json_int_t)a->n_ambiguous,
                  "unmatched", (json_int_t)a->n_waiting, "unmatched_ids",
                  (json_int_t)a->n_waiting_by_id, "before_answer", (json_int_t)a->n_early);
    json_object_set_new(out, "declared_delay_seconds",
                        is_declared ? tm__json_number((double)a->options->delay_us / 1e6)
                                    : json_null());
    json_object_set_new(out, "due", is_declared ? json_integer((json_int_t)a->n_due) : json_null());
    json_object_set_new(out, "overdue",
                        is_declared ? json_integer((json_int_t)a->n_overdue) : json_null());
    json_object_set_new(out, "covered",
                        is_declared ? json_pack("{s:I, s:I}", "answers", (json_int_t)a->n_matured,
                                                "labelled", (json_int_t)a->n_covered)
                                    : json_null());
    json_object_set_new(out, "later_than_declared",
                        is_declared ? json_integer((json_int_t)a->n_late) : json_null());
    json_object_set_new(out, "oldest", n > 0 ? tm__json_time(a->first_us) : json_null());
    json_object_set_new(out, "newest", n > 0 ? tm__json_time(a->last_us) : json_null());
    json_object_set_new(out, "oldest_age_seconds", age_to_json(a, a->first_us, n > 0));
    json_object_set_new(out, "newest_age_seconds", age_to_json(a, a->last_us, n > 0));
    json_object_set_new(out, "first_answer",
                        a->n_answers > 0 ? tm__json_time(a->first_answer_us) : json_null());
    json_object_set_new(out, "last_answer",
                        a->n_answers > 0 ? tm__json_time(a->last_answer_us) : json_null());
    json_object_set_new(out, "delay", quantiles_to_json(&a->labelled));
    json_object_set_new(out, "arrival", arrival_to_json(a));
    json_object_set_new(out, "origins", origins_to_json(a));
    return out;
}

tm_status tm__monitor_ages(tm_monitor *monitor, const tm_age_options *options, json_t **out,
                           tm_err *err) {
    ages *const a = tm__mem_zalloc(1, sizeof(*a));
    if (a == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the ages of labels");
    }
    a->options = options;
    a->first_us = a->first_answer_us = INT64_MAX;
    a->last_us = a->last_answer_us = INT64_MIN;
    tm_status st = tm__log_read(monitor, read_ages, a, err);
    if (st == TM_OK) {
        json_t *made = ages_to_json(a);
        st = tm__json_check(err);
        if (st == TM_OK) {
            *out = made;
        } else {
            json_decref(made);
        }
    }
    for (uint32_t i = 0; i < a->n_origins; i++) {
        tm__mem_free(a->origins[i]);
    }
    tm__mem_free(a);
    return st;
}
