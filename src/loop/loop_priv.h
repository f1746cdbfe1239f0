/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the loop share. */
#ifndef TM_LOOP_LOOP_PRIV_H
#define TM_LOOP_LOOP_PRIV_H

#include "loop/loop.h"
#include "monitor/monitor.h"
#include "source/consent.h"
#include "source/feed.h"
#include "source/source.h"
#include "train/train.h"

/* A retraining or a verdict stands on at least this many rows that are new. */
#define TM_LOOP_ROWS_MIN 20u

#define TM_LOOP_HELD_SHARE 5u /* one in five of the new rows is held out for a gate, */
#define TM_LOOP_HELD_MIN 200u /* and no less than this, or half of them */
uint64_t tm__loop_held_count(uint64_t n_new);

/* What a version knows: recorded when it was trained by the loop. */
typedef struct tm_learned {
    tm_label_cut labels;            /* joined_us 0: none */
    int64_t n_labels;               /* how many that were; -1: not recorded */
    char source_hash[TM_HASH_TEXT]; /* of the source's rows; empty: not known */
} tm_learned;
TM_NODISCARD tm_status tm__loop_learned(tm_registry *registry, const tm_version *version,
                                        tm_learned *out, tm_err *err);

/** The version of the last retraining when its gate refused it, or its rollout went back by itself,
 * and nothing changed since that would give another verdict on the same rows: not the gate, the
 * recipe or the champion; else 0. */
TM_NODISCARD tm_status tm__loop_refused(tm_registry *registry, const char *model,
                                        uint32_t *out_version, tm_err *err);
/** Version that learned the same and was refused, with nothing changed since; 0 when there is none.
 */
TM_NODISCARD tm_status tm__loop_refused_before(tm_registry *registry, const char *model,
                                               const tm_learned *learned, uint32_t *out_version,
                                               tm_err *err);

/** Rows with the columns of `like`, by name and fitted to its types; a column that is absent is
 * missing, weights are 1. Rows that do not fit are left out. NULL rows give NULL. */
TM_NODISCARD tm_status tm__rows_fit(tm_table *rows, const tm_table *like, const char *weight,
                                    tm_table **out, tm_err *err);

/* Indices of rows, owned. */
typedef struct tm_row_list {
    uint32_t *rows;
    uint64_t n;
} tm_row_list;
void tm__row_list_done(tm_row_list *list);

/** Rows of a table that `known` (same columns) does not hold, in order: each row of known stands
 * for one equal row. Equal by the columns that the bundle reads, its target, and its recipe's
 * entity and time. */
TM_NODISCARD tm_status tm__rows_unknown(const tm_bundle *bundle, const tm_table *known,
                                        const tm_table *table, tm_row_list *out, tm_err *err);

/* What a retraining works on. */
typedef struct tm_harvest {
    tm_table *train; /* the source's rows and labelled answers, less those held out */
    tm_table *held;  /* the newest of the new rows: for the gate */
    uint64_t n_new;
    uint64_t n_source_rows; /* in the source when it was read */
    uint64_t n_labels;      /* labelled answers, learned before and new */
    uint64_t n_unmatured;   /* and those left out, for they are known too early or not yet */
    uint64_t n_quarantined; /* rows of the source that are left out for who they are from */
    tm_label_cut labels;
    char source_hash[TM_HASH_TEXT]; /* of its rows without those */
    json_t *snapshots;              /* of sources that the query reads, {NAME: hash}; or NULL */
    char rows_text[64];             /* "1,204 newest labelled rows" */
} tm_harvest;
typedef struct tm_harvest_input {
    const tm_home *home;
    tm_registry *registry;
    tm_monitor *monitor;
    const tm_version *champion;
    const tm_bundle *bundle; /* of the champion */
    const json_t *recipe;
    tm_learning *learning; /* rows of who did not agree to it take no part */
    json_t *left_out;      /* origins whose labels and rows take no part; found ones are appended */
    const tm_actor *actor; /* of what is found */
    int64_t now_us;        /* the cut: what had matured then */
} tm_harvest_input;
/** What of a model's labels has matured at now_us by the delay that its recipe declares; of those
 * that joined up to joined_us. */
tm_label_cut tm__loop_label_cut(const json_t *recipe, int64_t joined_us, int64_t now_us);
/** TM_E_REFUSED when nothing is new. */
TM_NODISCARD tm_status tm__loop_harvest(tm_ctx *ctx, const tm_harvest_input *in, tm_harvest *out,
                                        tm_err *err);
void tm__harvest_done(tm_harvest *harvest);

/* Children that each work on one thing with a name. */
#define TM_CHILDREN_MAX 8u
typedef struct tm_named_child {
    char name[TM_MAX_NAME + 1];
    uint64_t id;
    int64_t begun_us;
} tm_named_child;
typedef struct tm_children {
    const tm_home *home;
    tm_supervisor *supervisor;
    const char *option; /* that each is given; may be NULL */
    bool has_network;   /* they reach something outside of the machine */
    int64_t epoch;      /* see tm_loop_place */
    tm_named_child items[TM_CHILDREN_MAX];
    uint32_t n;
} tm_children;
bool tm__children_has(const tm_children *children, const char *name);
/** Start `tidemill COMMAND VERB NAME --home ... --json`; only below TM_CHILDREN_MAX. */
TM_NODISCARD tm_status tm__children_start(tm_children *children, const char *command,
                                          const char *verb, const char *name, tm_err *err);
/** Take one that ended off the list; false when all run. */
bool tm__children_next_ended(tm_children *children, tm_named_child *out, tm_child_state *out_state);
void tm__children_stop(tm_children *children);

/* Sources that are read: what the daemon's thread knows of it. */
#define TM_PULL_CHILDREN_MAX 4u /* at once; the rest wait for the next look */
#define TM_STREAM_CHILDREN_MAX TM_CHILDREN_MAX
typedef struct tm_pulling {
    tm_due what;              /* streams are followed, with "--follow" */
    const struct tm_log *log; /* may be NULL */
    tm_children children;
    uint64_t not_before_ns; /* another process reads */
    tm_db **db; /* the owner's, kept from look to look where sources are on a server; or NULL */
} tm_pulling;
/** One look: reaps children, starts one for each source that is due. Milliseconds until the next
 * look. */
uint32_t tm__pulling_step(tm_pulling *pulling);

/* A child of which the daemon has one at most. */
typedef struct tm_lone_child {
    const tm_home *home;
    tm_supervisor *supervisor;
    const struct tm_log *log; /* may be NULL */
    int64_t epoch;            /* see tm_loop_place */
    bool is_running;
    uint64_t id;
} tm_lone_child;
typedef struct tm_lone_limits {
    uint32_t seconds_max;      /* 0: none */
    uint64_t memory_bytes_max; /* of addresses; 0: none, for who maps a large file */
    uint64_t data_bytes_max;   /* of memory of its own; 0: none */
} tm_lone_limits;
/** Addresses, or memory of its own, that a child which reads and learns may have. */
uint64_t tm__children_memory_max(void);
/** Start a program; what it says to stderr is kept as `errors` among the jobs of the home. */
TM_NODISCARD tm_status tm__lone_start(tm_lone_child *child, const char *const *argv,
                                      const char *errors, const tm_lone_limits *limits,
                                      tm_err *err);
/** True once when it has ended; *out_exit is -1 when how is not known. */
bool tm__lone_has_ended(tm_lone_child *child, int *out_exit);
/** What cannot be stopped now dies with its supervisor: a kill loses nothing. */
void tm__lone_stop(tm_lone_child *child);

/* Rows of sources that become segments: what the daemon's thread knows of it. */
typedef struct tm_compacting {
    tm_lone_child child;
    char source[TM_MAX_NAME + 1];
    uint64_t not_before_ns; /* after a failure */
    uint64_t collect_ns;    /* when files that nobody names are next looked for; 0: at once */
} tm_compacting;
/** One look: reaps the child, or starts one for a source that is due, or, now and then, for what
 * crashes left. Milliseconds until the next look. */
uint32_t tm__compacting_step(tm_compacting *compacting);
void tm__compacting_stop(tm_compacting *compacting);

/* What one child goes on with: `tidemill COMMAND VERB --follow`. */
typedef struct tm_duty {
    const char *command, *verb;
    const char *errors; /* file of the home's jobs for what it says */
    const char *event;  /* of the log, when it ended */
    tm_status (*is_needed)(tm_registry *registry, bool *out, tm_err *err);
} tm_duty;
/** The online store is kept; the labels of sources are joined. */
extern const tm_duty tm__duty_online, tm__duty_labels;

/* The child of a duty: what the daemon's thread knows of it. */
typedef struct tm_tending {
    tm_lone_child child;
    const tm_duty *duty;
    uint64_t not_before_ns; /* after a failure */
    bool has_looked, is_needed;
    int64_t generation; /* of the registry, at the last look */
} tm_tending;
/** One look: reaps the child, or starts it when its duty is needed. Milliseconds until the next
 * look. */
uint32_t tm__tending_step(tm_tending *tending, tm_registry *registry);
void tm__tending_stop(tm_tending *tending);

/* The children that tell receivers of alerts and of moves, one each: what the daemon's thread knows
 * of them. */
typedef struct tm_telling {
    const struct tm_log *log;     /* may be NULL */
    tm_children children;         /* by the marks of receivers */
    uint64_t not_before_ns;       /* after a child that could not be started */
    struct tm_drift_store *store; /* of deliveries, for reading; NULL before there are any */
} tm_telling;
/** One look: reaps children, starts one for each receiver that something is due for, at most
 * TM_CHILDREN_MAX at once. Milliseconds until the next. */
uint32_t tm__telling_step(tm_telling *telling, tm_registry *registry);
void tm__telling_stop(tm_telling *telling);

/* The children that look at rollouts and at experiments that act, one each (a model has one of
 * both at most): what the daemon's thread knows of them. */
typedef struct tm_rolling {
    const struct tm_log *log; /* may be NULL */
    tm_children children;     /* by models */
    uint64_t started_ns, not_before_ns;
    char last[TM_MAX_NAME + 2]; /* whose turn came last; "": nobody's yet */
} tm_rolling;
/** One look: reaps children, starts one for each, TM_CHILDREN_MAX at most; the next look goes on
 * with those whose turn has not come. Milliseconds until the next. */
uint32_t tm__rolling_step(tm_rolling *rolling, tm_registry *registry);
/** Who is first now: the first behind `last` in a sorted list, which may have changed since; else
 * the first of all. */
size_t tm__rolling_turn(const json_t *turns, const char *last);

/** "1,204": digits in groups of three. out holds 32 bytes. */
void tm__loop_count_text(uint64_t n, char *out);

/** Score two bundles on the same rows: reports, and the scores of one metric in out_scores. */
typedef struct tm_duel {
    const tm_bundle *candidate, *champion; /* champion NULL: the candidate is alone */
    tm_table *rows;
    tm_window_tables history; /* events before the rows, for features over windows; of no events:
                                 the rows have them as columns */
    const char *metric;
    const char *rows_text;
    const char *model;   /* whose answers are covered by labels, or not */
    const char *version; /* the candidate, for who puts a load on it; see tm_load_tester */
    const tm_load_tester *load;
} tm_duel;
TM_NODISCARD tm_status tm__loop_duel(tm_ctx *ctx, const tm_duel *duel, tm_gate_scores *out_scores,
                                     json_t **out_candidate, json_t **out_champion, tm_err *err);

/** How far apart the distributions of both answers lie on the rows of a duel, 0 to 1, of the output
 * where it is most (Kolmogorov-Smirnov); 0 without a champion, without rows, or where they answer
 * in another form. */
TM_NODISCARD tm_status tm__loop_apart(tm_ctx *ctx, const tm_duel *duel, double *out, tm_err *err);

/** The rows of a duel with what a bundle reads. */
TM_NODISCARD tm_status tm__loop_widen(tm_ctx *ctx, const tm_duel *duel, const tm_bundle *bundle,
                                      tm_table **out, tm_err *err);
/** What a gate asks besides the comparison, measured: as tm_gate_scores.measured has it; NULL when
 * it asks for nothing of it. On the rows of the duel, or (NULL) on the candidate's own test rows
 * from the snapshots of the home, which the champion is not held to: it may have learned them. What
 * cannot be measured is told among "errors". New reference. TM_E_NOMEM, TM_E_CANCELLED. */
TM_NODISCARD tm_status tm__loop_measure(tm_ctx *ctx, const tm_home *home, const tm_gate *gate,
                                        const tm_duel *duel, json_t **out, tm_err *err);

#endif
