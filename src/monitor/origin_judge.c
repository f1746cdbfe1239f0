/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An origin at a time: others of its days ── scores, sorted ──> edges of cells ── a pass over all
 * labels ──> counts of each cell ── flips.h ──> share and evidence.
 *
 * Cells are of the others' scores, not of the origin's: a bad sender does not choose what it is
 * compared with. Others of a day around count, for a sender that sends all in a minute has nobody
 * beside it in that minute.
 */
#include "monitor/origin_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "base/sort.h"

#define CELLS 10u
#define AROUND_US INT64_C(86400000000) /* others of the same days count */
/* Of two classes: the others' labels must follow the answers at all (chi-squared, nine degrees, one
 * in a thousand). Where they do not, half of the labels flipped looks like none. */
#define APART_LEAST 27.88
#define COPY_ROWS 50.0   /* that the claimed probability counts like */
#define COPY_CHANCE 1e-3 /* of a number to be the answer to six digits */

const char *const tm__origin_verdict_names[TM_ORIGIN_VERDICTS] = {"too few", "fine", "wrong",
                                                                  "copies"};

/* An origin among the others of its time. */
typedef struct matching {
    const tm_origin_input *in;
    uint32_t origin;
    int64_t from_us, until_us; /* of others that it is compared with */
    double *room;              /* [n of the input] */
    uint64_t n_others;
    double edges[CELLS]; /* upper ends of the cells' scores; the last is infinite */
    double reach[CELLS]; /* numbers: nine in ten of the others' labels are no farther away */
    tm_flip_cell cells[CELLS];
} matching;

static bool is_other(const matching *m, const tm_origin_label *label) {
    return label->origin != m->origin && label->at_us >= m->from_us && label->at_us <= m->until_us;
}

static double gap_of(const tm_origin_label *label) {
    return fabs(label->claim - label->score);
}

static uint32_t cell_of(const matching *m, const tm_origin_label *label) {
    uint32_t k = 0;
    while (k + 1 < CELLS && label->score >= m->edges[k]) {
        k++;
    }
    return k;
}

static void find_time(matching *m) {
    m->from_us = INT64_MAX;
    m->until_us = INT64_MIN;
    for (uint64_t i = 0; i < m->in->n; i++) {
        const tm_origin_label *const label = &m->in->labels[i];
        if (label->origin == m->origin) {
            m->from_us = label->at_us < m->from_us ? label->at_us : m->from_us;
            m->until_us = label->at_us > m->until_us ? label->at_us : m->until_us;
        }
    }
    m->from_us = m->from_us > INT64_MIN + AROUND_US ? m->from_us - AROUND_US : INT64_MIN;
    m->until_us = m->until_us < INT64_MAX - AROUND_US ? m->until_us + AROUND_US : INT64_MAX;
}

static void find_edges(matching *m) {
    for (uint64_t i = 0; i < m->in->n; i++) {
        if (is_other(m, &m->in->labels[i])) {
            m->room[m->n_others++] = m->in->labels[i].score;
        }
    }
    qsort(m->room, m->n_others, sizeof(double), tm__compare_f64);
    for (uint32_t k = 0; k + 1 < CELLS; k++) {
        m->edges[k] = m->n_others > 0 ? m->room[(k + 1) * m->n_others / CELLS] : INFINITY;
    }
    m->edges[CELLS - 1] = INFINITY;
}

static void find_reach(matching *m) {
    for (uint32_t k = 0; k < CELLS; k++) {
        uint64_t n = 0;
        for (uint64_t i = 0; i < m->in->n; i++) {
            const tm_origin_label *const label = &m->in->labels[i];
            if (is_other(m, label) && cell_of(m, label) == k) {
                m->room[n++] = gap_of(label);
            }
        }
        qsort(m->room, n, sizeof(double), tm__compare_f64);
        m->reach[k] = n > 0 ? m->room[n - 1 - n / 10] : 0;
    }
}

/* Labels of other rows hit by chance: each of the others' answers with the other label before it.
 */
static void count_chance(matching *m) {
    uint64_t n[CELLS] = {0}, n_hits[CELLS] = {0};
    const tm_origin_label *before = NULL;
    for (uint64_t i = 0; i < m->in->n; i++) {
        const tm_origin_label *const label = &m->in->labels[i];
        if (!is_other(m, label)) {
            continue;
        }
        if (before != NULL) {
            const uint32_t k = cell_of(m, label);
            n[k]++;
            n_hits[k] += fabs(before->claim - label->score) <= m->reach[k];
        }
        before = label;
    }
    for (uint32_t k = 0; k < CELLS; k++) {
        m->cells[k].other_hits = ((double)n_hits[k] + 0.5) / ((double)n[k] + 1);
    }
}

static void count_hits(matching *m) {
    const bool is_number = m->in->task == TM_ORIGIN_NUMBERS;
    for (uint64_t i = 0; i < m->in->n; i++) {
        const tm_origin_label *const label = &m->in->labels[i];
        const bool is_own = label->origin == m->origin;
        if (!is_own && !is_other(m, label)) {
            continue;
        }
        const uint32_t k = cell_of(m, label);
        const bool hits = is_number ? gap_of(label) <= m->reach[k] : label->hits;
        if (is_own) {
            m->cells[k].n++;
            m->cells[k].n_hits += hits;
        } else {
            m->cells[k].ref_n += 1;
            m->cells[k].ref_hits += hits;
        }
    }
}

static tm_flips judge_wrong(matching *m) {
    for (uint32_t k = 0; k < CELLS; k++) {
        m->cells[k] = (tm_flip_cell){.other_hits = NAN};
    }
    find_edges(m);
    if (m->in->task == TM_ORIGIN_NUMBERS) {
        find_reach(m);
        count_chance(m);
    }
    count_hits(m);
    return tm__flips_judge(m->cells, CELLS, m->in->n_classes);
}

/* How far the others' rates of the cells lie apart: chi-squared. */
static double find_apart(const matching *m) {
    double n = 0, n_hits = 0, sum = 0;
    for (uint32_t k = 0; k < CELLS; k++) {
        n += m->cells[k].ref_n;
        n_hits += m->cells[k].ref_hits;
    }
    const double rate = n_hits / n;
    for (uint32_t k = 0; k < CELLS && n_hits > 0 && n_hits < n; k++) {
        const double gap = m->cells[k].ref_hits - m->cells[k].ref_n * rate;
        sum += m->cells[k].ref_n > 0 ? gap * gap / (m->cells[k].ref_n * rate * (1 - rate)) : 0;
    }
    return sum;
}

/* Cells of equal claims: what an answer says of itself is the reference. */
static tm_flips judge_copied(const tm_origin_input *in, uint32_t origin, double *out_miss) {
    tm_flip_cell cells[CELLS] = {0};
    double claims[CELLS] = {0};
    uint64_t n = 0, n_misses = 0;
    for (uint64_t i = 0; i < in->n; i++) {
        const tm_origin_label *const label = &in->labels[i];
        if (label->origin != origin) {
            continue;
        }
        const double claim = in->task == TM_ORIGIN_NUMBERS ? COPY_CHANCE : label->claim;
        const double place = claim * CELLS;
        const uint32_t k = place >= CELLS - 1 ? CELLS - 1 : place > 0 ? (uint32_t)place : 0;
        cells[k].n++;
        cells[k].n_hits += label->is_copy;
        claims[k] += claim;
        n++;
        n_misses += !label->is_copy;
    }
    for (uint32_t k = 0; k < CELLS; k++) {
        if (cells[k].n > 0) {
            cells[k].ref_n = COPY_ROWS;
            cells[k].ref_hits = fmin(COPY_ROWS * claims[k] / (double)cells[k].n, COPY_ROWS);
            cells[k].other_hits = 1;
        }
    }
    *out_miss = n > 0 ? (double)n_misses / (double)n : 1;
    return tm__flips_judge(cells, CELLS, 2);
}

static tm_origin_verdict verdict_of(const tm_origin_input *in, const tm_origin_found *f,
                                    double miss) {
    const double bound = tm__log((in->n_origins > 1 ? in->n_origins : 1) / TM_ORIGIN_ALPHA);
    /* A model that is more right than it says is no copy of itself. */
    const bool is_too_right =
        in->task == TM_ORIGIN_NUMBERS || (isfinite(in->error_rate) && miss < in->error_rate / 4);
    if (f->n < TM_ORIGIN_LABELS) {
        return TM_ORIGIN_FEW;
    }
    if (f->copied.evidence >= bound && f->copied.low >= TM_ORIGIN_COPIES && is_too_right) {
        return TM_ORIGIN_COPIED;
    }
    if (f->n_others < TM_ORIGIN_OTHERS) {
        return TM_ORIGIN_FEW;
    }
    /* Where its world has another base rate, flips explain it, but that explains it as well. */
    const bool is_flipped =
        f->is_told && f->wrong.evidence >= bound &&
        f->wrong.evidence - fmax(f->wrong.shifted, 0) >= tm__log(TM_ORIGIN_BETTER);
    return is_flipped && f->wrong.share >= TM_ORIGIN_SHARE ? TM_ORIGIN_WRONG : TM_ORIGIN_FINE;
}

tm_status tm__origins_judge(const tm_origin_input *in, tm_origin_found *out, tm_err *err) {
    double *const room = tm__mem_alloc(in->n + 1, sizeof(*room));
    if (room == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the origins of labels");
    }
    for (uint32_t i = 0; i < in->n_origins; i++) {
        matching m = {.in = in, .origin = i, .room = room};
        double miss = 1;
        find_time(&m);
        out[i] = (tm_origin_found){.copied = judge_copied(in, i, &miss)};
        out[i].wrong = judge_wrong(&m);
        for (uint64_t k = 0; k < in->n; k++) {
            out[i].n += in->labels[k].origin == i;
        }
        out[i].n_others = m.n_others;
        out[i].is_told =
            in->task != TM_ORIGIN_TWO || m.n_others == 0 || find_apart(&m) >= APART_LEAST;
        out[i].verdict = verdict_of(in, &out[i], miss);
    }
    tm__mem_free(room);
    return TM_OK;
}
