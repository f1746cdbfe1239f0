/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of a replay's policy: replay_policy.c says what is learned and who answers,
 * replay_due.c learns and answers, replay_truth.c tells the policy how answers fared. */
#ifndef TM_LOOP_REPLAY_POLICY_PRIV_H
#define TM_LOOP_REPLAY_POLICY_PRIV_H

#include "loop/loop_amend.h"
#include "loop/loop_policy.h"
#include "loop/replay_arms.h"
#include "loop/replay_near.h"
#include "train/train_mixture.h"

#define TICK_ROWS 50u /* between looks of the policy */

#define N_ARMS TM_REPLAY_ARMS
#define N_OTHERS TM_REPLAY_OTHERS
#define N_MEMBERS (N_ARMS + N_OTHERS)
#define FIRST_RECALLED (N_ARMS + TM_REPLAY_RULES)
#define AMENDED (N_MEMBERS - 1u) /* of values only */
#define TM_REPLAY_LATE 3u        /* means of what answers were off of late: of few, some, many */

/* A model that several places may answer by; it may not be learned yet. */
typedef struct tm_replay_held {
    tm_replay_model model;
    uint64_t begin, end;       /* rows that it learns from */
    const char *const *params; /* and how; static storage */
    uint32_t n_refs;
} tm_replay_held;

typedef struct tm_replay_member {
    tm_replay_held *now, *before;    /* NULL: none */
    float *answers, *answers_before; /* [n_rows x n_outputs]; NaN: none */
    uint64_t begin, end;             /* rows of the last fit that was asked for */
    double work_of_row;              /* units, of the last one that was done; 0: none was */
    double train_seconds;
} tm_replay_member;

/* Models of the rows since a change, and whether they answer: replay_since.c. */
#define TM_REPLAY_TRIED 2u /* arms */
typedef struct tm_replay_since {
    bool is_on;
    double shares[N_MEMBERS]; /* then */
    uint64_t begin_row;       /* the first that is answered so */
    uint64_t n_changes, change_at, alarm_row, next_rows;
    uint64_t world_at, world_alarm; /* this world's first row, and labels known then */
    uint64_t lasted;                /* rows of the one before */
    /* Errors of a block of labels; of blocks their mean and the spread around it */
    double block, n_block, usual, spread, n_blocks;
    double *besides; /* [n_rows] what the policy's shares would have answered; NaN: they did */
    double gain;     /* labels that were right beside those, older ones counting less */
} tm_replay_since;

/* Fits that were asked for, and rows that are to be answered. They wait until labels of these rows
 * become known, for nothing asks for their answers before: so fits of many rows are side by side.
 * Zeroed: nothing waits. */
#define TM_REPLAY_TICKS_MAX 40u
typedef struct tm_replay_tick {
    uint64_t begin, end; /* TICK_ROWS at the most */
    uint32_t leader;
    bool is_since; /* answered by these shares, */
    double since[N_MEMBERS];
    tm_replay_held *now[N_MEMBERS], *before[N_MEMBERS]; /* in force then; NULL: none */
} tm_replay_tick;
typedef struct tm_replay_due {
    uint32_t n_fits, n_ticks;
    tm_policy_fit fits[TM_REPLAY_FITS_MAX];
    tm_replay_held *held[TM_REPLAY_FITS_MAX]; /* by these fits */
    tm_replay_recipe recipes[TM_REPLAY_FITS_MAX];
    tm_replay_model models[TM_REPLAY_FITS_MAX]; /* room */
    tm_replay_tick ticks[TM_REPLAY_TICKS_MAX];
} tm_replay_due;

typedef struct tm_replay_running {
    tm_ctx *ctx;
    const tm_replay_stream *stream;
    const tm_replay_options *options;
    uint64_t seed;
    tm_policy policy;
    tm_replay_member arms[N_MEMBERS]; /* learned ones, rules, models of before a change */
    uint64_t warm_begin, warm_end;    /* rows of the first part by which arms are compared */
    tm_blend_shares *shares;          /* by which each TICK_ROWS rows were answered */
    tm_replay_run *run;
    double *together; /* [n_rows] what the mean by shares said; NaN: nothing */
    uint64_t n_known; /* labels told to the policy, or of rows that nobody answered */
    double n_values;
    double noise, usual; /* mean squared error of the answers, of late and for long */
    json_t *turns;
    uint64_t n_why[3];
    uint64_t n_recalled; /* changes whose models were put by */
    double *room;        /* [TM_REPLAY_TICKS_MAX x TICK_ROWS x n_outputs] */
    tm_replay_due due;
    tm_replay_since since; /* of classes */
    tm_replay_near near;   /* of values */
    tm_amend amend;
    uint64_t lag;                    /* rows of a period; 0: none */
    double late_off[TM_REPLAY_LATE]; /* mean of what the newest answers known were off */
    uint64_t n_amended;              /* labels that the amending knows, row by row */
    double *base;                    /* [n_rows] of values, the mean of learned arms; NaN: none */
    double *amend_terms;             /* [n_rows x TM_AMEND_TERMS] */
} tm_replay_running;

/** An arm answers by a new model from now on, and by its last one beside it. Errors: TM_E_NOMEM. */
TM_NODISCARD tm_status tm__replay_ask(tm_replay_running *r, const tm_policy_fit *fit, tm_err *err);
/** A fit that is due is asked for, and told. Errors: TM_E_NOMEM. */
TM_NODISCARD tm_status tm__replay_begin_fit(tm_replay_running *r, const tm_policy_fit *fit,
                                            uint64_t row, tm_err *err);
/** How a row was answered, now that its label is known: error of 0 to 1, of the mean. */
void tm__replay_since_note(tm_replay_running *r, uint64_t row, double error);
/** With so many labels known, before rows from `row` on are answered. Errors: those of fitting. */
TM_NODISCARD tm_status tm__replay_since_try(tm_replay_running *r, uint64_t n_known, uint64_t row,
                                            tm_err *err);
/** Shares of now: those of the policy, or since a change that is sure. */
void tm__replay_shares_now(const tm_replay_running *r, double *out);
/** Rows begin to end, TICK_ROWS at the most, are to be answered by the models and shares of now;
 * leader as tm__policy_leader() has it. */
void tm__replay_put_tick(tm_replay_running *r, uint64_t begin, uint64_t end, uint32_t leader);
/** Whether no more can wait. */
bool tm__replay_is_full(const tm_replay_running *r);
/** Learn and answer what waits. Errors: those of fitting; what waits is lost. */
TM_NODISCARD tm_status tm__replay_catch_up(tm_replay_running *r, tm_err *err);
/** NULL is a no-op. */
void tm__replay_give_back(tm_replay_held *one);
/** Nothing waits any more. */
void tm__replay_due_reset(tm_replay_due *due);
/** The shares by which a row was answered. */
tm_blend_shares *tm__replay_shares_at(const tm_replay_running *r, uint64_t row);
/** The mean by shares of those that answered a row: out [n_outputs]. */
void tm__replay_answer_of_all(const tm_replay_running *r, uint64_t row, const double *shares,
                              double *out);
/** What of late says of the answers of rows, after those of the arms: of each row by the labels
 * that are known at it, not at the first one. */
void tm__replay_amend(tm_replay_running *r, const tm_blend_shares *shares, uint64_t begin,
                      uint64_t end);
/** Tell the policy of labels, the first `known` of which are known now. */
void tm__replay_tell_labels(tm_replay_running *r, uint64_t known);
/** Models that would have a say now, were there no others, as tm__mixture_json() writes them:
 * replay_mixture.c. New reference. */
json_t *tm__replay_parts(const tm_replay_running *r);
/** What models have to say beside rules, 0 to 1; 1 where nothing but their amended mean has. */
double tm__replay_say(const tm_replay_running *r);

#endif
