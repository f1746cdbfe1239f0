/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request whose rows are of several units, of which each comes to the arm of its own.
 *
 *      units of the rows ──> ways: who answers ──> a byte a row
 *      each way reads its own copy of the document: its rows, and steps over those of others
 *      answers in the order of the rows ──> reply; by way ──> log, counters
 *
 * 1. Who reads the units writes into a copy, so the document is as it came when versions read it.
 * 2. Way 0 is that of the first row; the head of the reply names it.
 * 3. A request of one unit, or whose units all come to one version, has none of this.
 */
#ifndef TM_SERVE_MIXED_H
#define TM_SERVE_MIXED_H

#include "serve/arms.h"
#include "serve/score.h"

#define TM_WAYS_MAX (TM_ARMS_MAX + 2u) /* arms, and the champion for those that are not ready */

/* One of those who answer. */
typedef struct tm_way {
    tm_served *served;
    tm_arm_kind arm;
    tm_stream *stream;
    tm_conformal_at interval;
    tm_decode_counts counts; /* of its rows, when all are scored */
    /* made by tm__mixed_open() */
    char *document; /* its copy, owned; NULL: the request's own */
    tm_rows_place place;
    tm_decoder *decoder; /* of all rows */
} tm_way;

typedef struct tm_mixed {
    uint32_t n;
    tm_way ways[TM_WAYS_MAX];
    uint64_t n_rows;
    uint8_t *of_row; /* [n_rows] index of the way */
} tm_mixed;

/**
 * Who answers each row of a request: s->served and s->arm are the route's, and become those of the
 * first row; s->mixed is made, in the arena of the desk, when other rows are answered by others.
 * Rows without a unit are of the request's id; so are all when the units cannot be read (whoever
 * reads the rows then says why) or are too many. A table whose versions name other classes is
 * answered by the champion, as TM_ARM_FALLBACK.
 *
 * Cost: a copy of the body and a walk through it.
 */
void tm__mixed_pick(tm_scoring *s, const tm_arms *arms);
/** A copy of the body, to be freed, with what lies in it at the same places: reading rows rewrites
 * their texts. NULL when out of memory. */
char *tm__mixed_copy(const tm_scoring *s, tm_rows_place *place);

/** What the rows need besides: documents and decoders; false with the exchange answered. */
bool tm__mixed_open(tm_scoring *s);
void tm__mixed_close(tm_scoring *s);

/** Decoders of a part: s->decoder was cut off where row `first` was next. s->mixed NULL: there is
 * nothing to do. False when out of memory. */
bool tm__mixed_cut(tm_scoring *s, uint64_t first, tm_exchange *x, tm_arena *arena);
/** s->each, with what each way needs besides its decoder; s->decoders NULL: there is nothing to do.
 * False when out of memory. */
bool tm__mixed_prepare(tm_scoring *s, tm_arena *arena);
/** The rest of the rows of s->decoders; false when the exchange has its (bad) answer. */
bool tm__mixed_rows(tm_scoring *s);
/** Add what was read to the ways. s->mixed NULL: there is nothing to do. */
void tm__mixed_note(const tm_scoring *s);
/** What was read of all rows. */
tm_decode_counts tm__mixed_counts(const tm_scoring *s);

/** Room that the outputs of a row need: n, or what a way needs when it is more. mixed may be NULL.
 */
uint32_t tm__mixed_outputs(const tm_mixed *mixed, uint32_t n);
/** Who gave an answer, by its byte in s->ways. */
const tm_way *tm__mixed_way(const tm_scoring *s, uint8_t way);
/** Who answers a row; NULL behind the last. */
const tm_way *tm__mixed_of_row(const tm_mixed *mixed, uint64_t row);
/** Same as tm__score_log(), each version's to its own. A failure of the second leaves what the
 * first has logged. */
TM_NODISCARD tm_status tm__mixed_log(const tm_scoring *s, const tm_answers *stamp,
                                     uint64_t *out_dropped, tm_err *err);
/** Count what each answered; the time of processors goes by rows. */
void tm__mixed_count(const tm_scoring *s, tm_prom_answers *all);

#endif
