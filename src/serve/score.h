/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a request to answers, whatever protocol they came by: a handler says where the rows lie
 * (decode.h), what is asked for, and how answers look (a form). All rows are answered or none.
 */
#ifndef TM_SERVE_SCORE_H
#define TM_SERVE_SCORE_H

#include "monitor/sketch_cells.h"
#include "serve/decode.h"

typedef struct tm_scoring tm_scoring;

/* How answers look. Each appends to the reply of the exchange. */
typedef struct tm_score_form {
    const char *content_type;
    void (*begin)(tm_scoring *s);
    /* One answer; NULL when all are written at the end. False with err set. */
    bool (*row)(tm_scoring *s, const char *id, uint32_t chosen, tm_err *err);
    void (*end)(tm_scoring *s);
} tm_score_form;

struct tm_scoring {
    tm_exchange *x;
    tm_served *served;
    tm_rows_place place;
    const tm_score_form *form;
    void *arg; /* the form's */
    /* what is asked for */
    bool explain;
    bool no_probability, asks_probability;
    bool has_interval;
    double level; /* of it */
    bool has_threshold;
    double threshold;
    uint64_t version;    /* 0: what the route serves */
    tm_scan_ends ends;   /* of the body's members */
    bool may_begin_anew; /* reading the options leaves the body as it came */
    bool is_table; /* the form has columns for all rows: versions of other classes do not fit */
    /* made by tm__score_pick(), else by tm__score_run() */
    bool is_picked;
    bool is_named; /* the request names who is to answer: nobody else does */
    tm_arm_kind arm;
    struct tm_mixed *mixed; /* several versions answer, each its rows; NULL: one does */
    /* made by tm__score_run() */
    tm_decoder *decoder;
    tm_bundle_scratch *scratch;
    tm_cells *cells; /* this thread's counters; NULL: none */
    uint32_t n_outputs;
    double *outputs;          /* [n_outputs] of the row at hand */
    double *contributions;    /* [n inputs], when explained */
    bool *held;               /* [classes] of the set, with an interval */
    tm_conformal_at interval; /* made by tm__score_run() */
    tm_stream *stream;        /* of the answers, in the log */
    tm_filled filled;         /* of the row at hand */
    struct tm_split *split;   /* parts of a large batch; NULL: it is whole */
    tm_decoder **decoders;    /* mixed: [ways], of which each reads its rows */
    tm_scoring *each;         /* mixed: [ways], made by tm__score_prepare() */
    tm_buf ways;              /* mixed: a byte for each answer, who gave it */
    bool is_other;            /* mixed: the head of the reply names another version or arm */
};

/** Begin: what a route serves, or NULL with the exchange answered. The arena of the desk is empty
 * then, and the request's until its end. */
tm_served *tm__score_find(tm_exchange *x, const char *route);
/** The entry that answers a version (0: any) of the route, or NULL with the exchange answered. */
tm_served *tm__score_version(tm_exchange *x, tm_served *served, uint64_t version);
/** Settle which version answers: the one given, or (0) the option's; false with the exchange
 * answered. */
bool tm__score_pick(tm_scoring *s, uint64_t version);
/** Set an option by its name and text; false when there is none of this name, or not with this
 * value. */
bool tm__score_option(tm_scoring *s, tm_str name, tm_str text);
/** Same for each member of a JSON object; ignores_others passes over names that are no options.
 * Returns what follows the object, whose strings are rewritten: nobody may step over it again. NULL
 * when an option is bad or the value is no object. */
char *tm__score_options(tm_scoring *s, char *object, bool ignores_others);
/** Decode, score, log and answer. */
void tm__score_run(tm_scoring *s);

/** For split.c: the rest of the rows of s->decoder, into the buffers of s->x and its desk; false
 * when the exchange has its (bad) answer. */
bool tm__score_rows(tm_scoring *s);
/** For mixed.c: the row at which s->decoder stands; false when the exchange has its (bad) answer.
 */
bool tm__score_row(tm_scoring *s);
/** Find the interval that was asked for, if one was; false with the exchange answered. */
bool tm__score_interval(tm_scoring *s);
/** What the log calls the answers of a version of a route; NULL when memory is out. Any thread. */
tm_stream *tm__score_stream(tm_served *served, tm_arm_kind arm, tm_monitor *monitor);
/** Count what s->served answered; who, and what of rows, is filled in. */
void tm__score_count(const tm_scoring *s, const tm_decode_counts *counts, tm_prom_answers *answers);
/** Answer with the errors of rows. */
void tm__score_refuse_rows(tm_exchange *x);
/** Hand the answers of s->x's desk to the monitor; how many it could not take is added to
 * *out_dropped. A failure: they had to be on disk first, and none is. */
TM_NODISCARD tm_status tm__score_log(const tm_scoring *s, uint64_t elapsed_ns,
                                     uint64_t *out_dropped, tm_err *err);
/** What the rows of s->decoder need besides it, in an arena; false when memory is out. */
bool tm__score_prepare(tm_scoring *s, tm_arena *arena);

/* Where a form is among the answers; zero: before the first. */
typedef struct tm_score_place {
    const void *part; /* split.c's */
    size_t at;
    uint64_t row;             /* of the part */
    const struct tm_way *way; /* who gave the last answer; NULL: the one that answers all */
} tm_score_place;
/** For forms that write at the end: the next answer; outputs [n_outputs] is filled. False behind
 * the last. */
bool tm__score_answer(const tm_scoring *s, tm_score_place *place, char out_id[27], double *outputs);
/** Rows that were read, and what of them, by one thread or by several. */
tm_decode_counts tm__score_counts(const tm_scoring *s);
/** The class that outputs name; 0 without classes. */
uint32_t tm__score_chosen(const tm_scoring *s, const double *outputs);
/** The class that the answer with this id is given: the chosen one, or a drawn one. */
uint32_t tm__score_given(const tm_scoring *s, const char *id, const double *outputs);
bool tm__score_has_classes(const tm_scoring *s);
/** Append parts of an answer as JSON. */
void tm__score_write_class(const tm_scoring *s, uint32_t index, tm_buf *out);
void tm__score_write_number(double value, tm_buf *out);
void tm__score_write_probability(const tm_scoring *s, const double *outputs, tm_buf *out);
/** Members of the interval that was asked for: low and high, or set. */
void tm__score_write_interval(const tm_scoring *s, tm_buf *out);
/** The list of columns that moved the answer most; chosen is the class named. */
bool tm__score_write_reasons(const tm_scoring *s, uint32_t chosen, tm_buf *out, tm_err *err);

/** Read a body of one plainly written row at once; false when it has to be opened. */
bool tm__score_quick(tm_scoring *s);
/** The body as a JSON object: its first member, or NULL with *ok false and the exchange answered.
 */
char *tm__score_open_body(tm_scoring *s, bool *ok);
/** Behind the value of member number i of the body. */
char *tm__score_skip(const tm_scoring *s, uint32_t i, char *value);
/** Answer 400; returns false. */
bool tm__score_refuse(tm_exchange *x, const char *detail, const char *hint);

#endif
