/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Models, versions, aliases, gates, routes, keys, jobs and the history of every move, in meta.db. A
 * version never changes; aliases move; history is append-only and hash-chained. Promote and
 * rollback are one transaction each. A registry handle has one owner thread.
 */
#ifndef TM_REGISTRY_REGISTRY_H
#define TM_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/limits.h"
#include "guard/guard.h"
#include "model/bundle.h"
#include "store/home.h"

typedef struct tm_registry tm_registry;
struct tm_db_moment;

TM_NODISCARD tm_status tm__registry_open(const tm_home *home, tm_registry **out, tm_err *err);
/** Same to read only: makes nothing and migrates nothing. TM_E_NOT_FOUND when there is no meta.db.
 */
TM_NODISCARD tm_status tm__registry_open_read(const tm_home *home, tm_registry **out, tm_err *err);
void tm__registry_close(tm_registry *registry);
/** This handle works for the leader of an epoch: from now on what it would write is refused
 * (TM_E_CONFLICT) once another epoch was begun. 0: for none. A program that a leader's supervisor
 * started has its epoch from the start. */
void tm__registry_work_for(tm_registry *registry, int64_t epoch);
/** Grows when anything in meta.db changes, also by another process. */
TM_NODISCARD tm_status tm__registry_generation(tm_registry *registry, int64_t *out, tm_err *err);
/** Same, and when the last move of a route takes effect: see tm__db_moment(). */
TM_NODISCARD tm_status tm__registry_moment(tm_registry *registry, struct tm_db_moment *out,
                                           tm_err *err);

typedef struct tm_version {
    char model[129];
    uint32_t number; /* from 1 */
    tm_hash bundle_hash;
    int64_t created_us;
    char snapshot[TM_HASH_TEXT]; /* empty when it has none */
    char aliases[256];           /* space-separated: "champion" */
    char state[16]; /* "ready", "refused" (by a gate; may be forced), "collected" (without file) */
    json_t *info;   /* info of the bundle; owned */
} tm_version;
void tm__version_done(tm_version *version);

/* Who did it and why; recorded in history. */
typedef struct tm_actor {
    const char *name;       /* "cli:root", "key:1A2B3C4D", "loop" */
    const char *reason;     /* may be NULL */
    const json_t *evidence; /* what a registering rests on ("signer", "parity"); may be NULL */
} tm_actor;

/**
 * Register a bundle whose file is already in the home. Makes the model when it is new; its first
 * version becomes champion and gets a route of the model's name. recipe (may be NULL) is stored for
 * retraining when the model has none; that of a later version counts once it is promoted. The same
 * bundle may be registered again: a new version of the same file.
 */
TM_NODISCARD tm_status tm__registry_add(tm_registry *registry, const char *model,
                                        const tm_bundle *bundle, const json_t *recipe,
                                        const tm_actor *actor, tm_version *out, tm_err *err);

/** Rows are read to learn from since then: a version that is added is refused (TM_E_CONFLICT) when
 * a subject was erased meanwhile, for its rows may be theirs. 0: of none that this can be said of.
 * Owner thread. */
void tm__registry_learns_since(tm_registry *registry, int64_t since_us);

/** "late", "late@3", "late@champion"; a bare name is the champion. TM_E_NOT_FOUND lists the nearest
 * name in the hint. */
TM_NODISCARD tm_status tm__registry_find(tm_registry *registry, const char *name, tm_version *out,
                                         tm_err *err);
/** Open the bundle of a version and check its hash. TM_E_NOT_FOUND when it was collected. A version
 * with the name of its model calls from tm__registry_threshold() on. */
TM_NODISCARD tm_status tm__registry_bundle(tm_registry *registry, const tm_version *version,
                                           tm_bundle **out, tm_err *err);
/** The same checks of the file, without making anything of it. */
TM_NODISCARD tm_status tm__registry_bundle_check(tm_registry *registry, const tm_version *version,
                                                 tm_err *err);
/**
 * From which probability on a version with this info calls the positive class of two: by the rule
 * of its model's recipe where that is another one than it was trained with and can be told (a cost,
 * of calibrated answers; a value; capacity, recall and F1 by the cells of its validation rows,
 * which versions of before do not have), else as the version says. So a cost or a capacity that
 * changed acts before anything is learned again. Any thread.
 */
double tm__registry_threshold(const json_t *recipe, const json_t *info);
/** True when its file is the one that a bundle was opened from, and as it was then. */
bool tm__registry_bundle_holds(tm_registry *registry, const tm_version *version,
                               const tm_bundle *bundle);
/** Bytes of its file; 0 when it is gone. */
uint64_t tm__registry_bundle_bytes(tm_registry *registry, const tm_version *version);
/** [{"model","champion","versions","created","target","task","metric","score"}] New reference. */
TM_NODISCARD tm_status tm__registry_models(tm_registry *registry, json_t **out, tm_err *err);
/** [{"version","bundle_hash","created","aliases","state","learner","test"}] newest first. */
TM_NODISCARD tm_status tm__registry_versions(tm_registry *registry, const char *model, json_t **out,
                                             tm_err *err);
/** fn of each model in the order of names, until one fails: its status is returned. fn may change
 * the registry; models that it adds are not walked over. */
TM_NODISCARD tm_status tm__registry_each_model(tm_registry *registry,
                                               tm_status (*fn)(tm_registry *registry,
                                                               const char *model, void *arg,
                                                               tm_err *err),
                                               void *arg, tm_err *err);
/** Same of each version of a model, newest first, those that were collected too. version is
 * borrowed for the call. */
TM_NODISCARD tm_status tm__registry_each_version(
    tm_registry *registry, const char *model,
    tm_status (*fn)(void *arg, const tm_version *version, tm_err *err), void *arg, tm_err *err);
/* Which versions are wanted; zero: all. */
typedef struct tm_version_filter {
    const char *find; /* how the number begins, or a part of an alias or of a tag; NULL, "": any */
    uint32_t from;    /* the newest of these is 1; 0: same */
    uint32_t count;   /* 0: all from there on */
} tm_version_filter;
typedef struct tm_version_counts {
    uint64_t n_all, n_found; /* of the model; of these those that `find` lets through */
} tm_version_counts;
/** Same as tm__registry_versions(), of a part. */
TM_NODISCARD tm_status tm__registry_versions_find(tm_registry *registry, const char *model,
                                                  const tm_version_filter *filter,
                                                  tm_version_counts *out_counts, json_t **out,
                                                  tm_err *err);
/** [{"at","event","version","from","actor","reason","details"}] oldest first. */
TM_NODISCARD tm_status tm__registry_history(tm_registry *registry, const char *model, json_t **out,
                                            tm_err *err);
/* Which records of a model's history are wanted; zero: all. */
typedef struct tm_history_filter {
    const char *event; /* "promoted", or "gate" for all that begin with "gate."; NULL: any */
    uint32_t version;  /* 0: any */
    int64_t since_us, until_us; /* from, before; 0: no bound */
    uint32_t newest;            /* so many of what is left; 0: all */
} tm_history_filter;
/** Same of those that a filter leaves. Cost: reads the model's records. */
TM_NODISCARD tm_status tm__registry_history_find(tm_registry *registry, const char *model,
                                                 const tm_history_filter *filter, json_t **out,
                                                 tm_err *err);
/** Append an event of the loop ("retrain.started", "gate.refused", ...) to a model's history.
 * details may be NULL. */
TM_NODISCARD tm_status tm__registry_note(tm_registry *registry, const char *model,
                                         const char *event, uint32_t version, const tm_actor *actor,
                                         const json_t *details, tm_err *err);
/** Walk the chain of hashes and check the signature of its end; TM_E_INTEGRITY names the first
 * broken record. out_n counts records. What it is held against besides: chain.h. */
TM_NODISCARD tm_status tm__registry_history_check(tm_registry *registry, uint64_t *out_n,
                                                  tm_err *err);
/** Check each version's file against its hash; those that were collected are left out. */
TM_NODISCARD tm_status tm__registry_verify(tm_registry *registry, const char *model, json_t **out,
                                           tm_err *err);

/** The files that versions and open turns refer to, each once:
 * {"bundles":[hash],"snapshots":[hash]} in order. New reference. */
TM_NODISCARD tm_status tm__registry_files(tm_registry *registry, json_t **out, tm_err *err);
/** Copy meta.db as it stands at this moment into a new file; see tm__db_copy(). */
TM_NODISCARD tm_status tm__registry_copy(tm_registry *registry, const tm_ctx *ctx, const char *to,
                                         tm_err *err);
/** Check every page, row and index of meta.db. */
TM_NODISCARD tm_status tm__registry_check(tm_registry *registry, tm_err *err);
/** Format of the open meta.db. */
TM_NODISCARD tm_status tm__registry_format(tm_registry *registry, uint32_t *out, tm_err *err);

/* The gate: what a version must meet. Stored with the model (from tidemill.yaml or the recipe). */
#define TM_GATE_FLOORS_MAX 8u
#define TM_GATE_COLUMNS_MAX 8u
#define TM_GATE_COLUMN (TM_MAX_COLUMN_NAME + 1)
typedef struct tm_gate_floor { /* a ceiling for a loss */
    char metric[32];
    double value;
} tm_gate_floor;
typedef struct tm_gate {
    bool better_than_champion; /* on the newest rows both can be scored on */
    double by;                 /* at least this much, in the metric's own direction */
    bool is_refit; /* not stored: the candidate is the champion fitted anew on fewer rows, which can
                      hardly be better; it may not be worse by more than `by` */
    char metric[32];                          /* empty: the model's */
    tm_gate_floor floors[TM_GATE_FLOORS_MAX]; /* on the version's own test score, or when is_sure on
                                                 rows here */
    uint32_t n_floors;
    bool is_sure; /* the worse end of a 95 % interval must meet what is asked, not the value */
    char slices[TM_GATE_COLUMNS_MAX][TM_GATE_COLUMN]; /* in no group of these columns may it be
                                                         surely worse than the champion */
    uint32_t n_slices;
    tm_gate_floor slice_floors[TM_GATE_FLOORS_MAX]; /* and each group must meet these */
    uint32_t n_slice_floors;
    double calibration_max;          /* expected calibration error at most; 0: not asked */
    char fair_group[TM_GATE_COLUMN]; /* empty: not asked */
    double fair_ratio;     /* shares called positive: the least group's over the most's, at least */
    double latency_us_max; /* of one row, 99 of 100; 0: not asked, as below */
    uint64_t memory_bytes_max; /* that it holds when it is loaded */
    double load_rate;          /* rows a second that it must keep up with; 0: not asked */
    double load_p99_us;        /* in which 99 of 100 of these must be answered; 0: any time */
    double load_seconds;       /* how long; 0: TM_GATE_LOAD_SECONDS */
    double coverage_min;       /* share of the model's answers that have a label; 0: not asked */
    double coverage_after_us;  /* of answers that are older, over TM_GATE_COVERAGE_US before */
} tm_gate;
#define TM_GATE_COVERAGE_US (30 * INT64_C(86400000000))
#define TM_GATE_LOAD_SECONDS 3.0
#define TM_GATE_LOAD_ROWS_MAX 5000000.0 /* rate times seconds */
bool tm__gate_is_same(const tm_gate *a, const tm_gate *b);
/** True when the gate asks for anything. */
bool tm__gate_asks(const tm_gate *gate);
/** True when it asks for what only rows with their truth can show, beside the comparison. */
bool tm__gate_needs_rows(const tm_gate *gate);
/** True when it asks for latency or memory. */
bool tm__gate_needs_here(const tm_gate *gate);
/** True when it asks for labels of the model's answers. */
bool tm__gate_needs_coverage(const tm_gate *gate);
#define TM_GATE_COVERAGE_TEXT 192u
/** Whether so many of its answers with a label are enough, and in words. */
bool tm__gate_covers(const tm_gate *gate, uint64_t n_answers, uint64_t n_labelled,
                     char out_text[TM_GATE_COVERAGE_TEXT]);
/** True when it asks for a load. */
bool tm__gate_needs_load(const tm_gate *gate);

typedef struct tm_gate_scores {
    bool has_comparison;
    double candidate, champion; /* on the same rows */
    uint64_t n_rows;
    const char *rows; /* "1,204 newest labelled rows" */
    /* What was measured for what is asked besides; NULL: nothing. {"rows": on which, "scores":
     * [{"score", "value", "low", "high", "gain"?: {"value", "low", "high"}}], "slices": [{"column",
     * "group", "rows", "scores"}], "fairness": of train_look.h, "here": {"latency_us", "bytes"},
     * "coverage": {"answers", "labelled"},
     * "load": {"rows_per_second", "p50_us", "p99_us", "seconds", "answered", "refused", "rows"},
     * "alone": true when there is no champion, "errors": {WHAT: why it was not measured}} */
    const json_t *measured;
} tm_gate_scores;
typedef struct tm_gate_verdict {
    bool is_open;
    char reason[512]; /* in words, with the figures; all that refuses, as far as there is room */
    json_t *checks;   /* [{"check", "open", "said"}] of all that was asked; owned, may be NULL */
} tm_gate_verdict;
/** *out is to be ended with tm__gate_verdict_done(). */
void tm__gate_check(const tm_gate *gate, const tm_version *candidate, const tm_gate_scores *scores,
                    tm_gate_verdict *out);
void tm__gate_verdict_done(tm_gate_verdict *verdict);
TM_NODISCARD tm_status tm__registry_gate(tm_registry *registry, const char *model, tm_gate *out,
                                         tm_err *err);
TM_NODISCARD tm_status tm__registry_set_gate(tm_registry *registry, const char *model,
                                             const tm_gate *gate, const tm_actor *actor,
                                             tm_err *err);
/** The recipe of a model, or JSON null: that of its champion (info.recipe, taken over by every
 * promotion and rollback with what says how it is run kept: "retrain", "rollout", "owner", ...; and
 * "labels" when it has none), or what was set since. New reference. */
TM_NODISCARD tm_status tm__registry_recipe(tm_registry *registry, const char *model, json_t **out,
                                           tm_err *err);
/** A member of it, such as "monitor"; *out NULL when it has none. New reference. */
TM_NODISCARD tm_status tm__registry_recipe_member(tm_registry *registry, const char *model,
                                                  const char *name, json_t **out, tm_err *err);
TM_NODISCARD tm_status tm__registry_set_recipe(tm_registry *registry, const char *model,
                                               const json_t *recipe, const tm_actor *actor,
                                               tm_err *err);
/** Record a gate's verdict on a version (history "gate.opened" / "gate.refused", state). */
TM_NODISCARD tm_status tm__registry_judge(tm_registry *registry, const char *model,
                                          uint32_t version, const tm_gate_verdict *verdict,
                                          const tm_actor *actor, tm_err *err);

typedef struct tm_promotion {
    uint32_t version;
    bool force;        /* overrides a refusing gate; recorded */
    uint32_t champion; /* not 0: TM_E_CONFLICT unless this version is the champion now */
    bool is_checked;   /* the caller has just read its file and found it whole */
} tm_promotion;
/** Move `champion`. Refuses (TM_E_REFUSED) a version whose last verdict is a refusal unless forced;
 * TM_E_CONFLICT when it is champion already. */
TM_NODISCARD tm_status tm__registry_promote(tm_registry *registry, const char *model,
                                            const tm_promotion *promotion, const tm_actor *actor,
                                            uint32_t *out_from, tm_err *err);
/** Undo the last move of requests that was not undone. A split that is in force ends, and all are
 * the champion's again: *out_from is the heaviest other arm, *out_to the champion. Else `champion`
 * goes back to the version that it replaced; TM_E_CONFLICT when there is none. A second rollback
 * undoes the one before. */
TM_NODISCARD tm_status tm__registry_rollback(tm_registry *registry, const char *model,
                                             const tm_actor *actor, uint32_t *out_from,
                                             uint32_t *out_to, tm_err *err);
/** Same, when target->version is what it would go back to (else TM_E_CONFLICT); only is_checked
 * counts besides. */
TM_NODISCARD tm_status tm__registry_rollback_to(tm_registry *registry, const char *model,
                                                const tm_promotion *target, const tm_actor *actor,
                                                uint32_t *out_from, tm_err *err);
/** The version that a rollback would go back to (the champion, while a split is in force); 0 when
 * there is none. */
TM_NODISCARD tm_status tm__registry_earlier(tm_registry *registry, const char *model, uint32_t *out,
                                            tm_err *err);

/* Routes: a served name, and the versions between which its requests are split. */
#define TM_ARMS_MAX 8u
#define TM_ARM_PARTS                                                                               \
    10000u /* weights are parts of so many: a hundredth of a percent is the least */
typedef struct tm_arm {
    uint32_t version, weight; /* weights of a route sum to TM_ARM_PARTS */
    tm_hash bundle_hash;
} tm_arm;
typedef struct tm_route {
    char name[129];
    char model[129];
    uint32_t version; /* champion's number */
    tm_hash bundle_hash;
    uint32_t n_arms;          /* 0: all requests are the champion's */
    tm_arm arms[TM_ARMS_MAX]; /* in order of versions */
    uint64_t salt;            /* key of the hash by which units come to arms */
    tm_arm shadow; /* sees `weight` parts of the requests and answers none; version 0: none */
} tm_route;
/** Callback per route in name order. */
TM_NODISCARD tm_status tm__registry_routes(tm_registry *registry,
                                           bool (*fn)(void *arg, const tm_route *route), void *arg,
                                           tm_err *err);

/** A weight from percent; false when it is not over 0, over 100, or finer than a part. */
bool tm__split_weight(double percent, uint32_t *out);
typedef struct tm_split_order {
    uint32_t n;
    tm_arm arms[TM_ARMS_MAX]; /* versions and weights; hashes are not read */
    bool force;               /* also versions that their gate refused; recorded */
} tm_split_order;
/**
 * Split the requests of a model's route between versions, until the next split, promotion or
 * rollback. All weight on the champion ends a split. One transaction with its record ("split",
 * "split.ended").
 *
 * Errors: TM_E_USAGE when weights do not sum to TM_ARM_PARTS, one is 0 or a version stands twice;
 * TM_E_NOT_FOUND for a model or a version that is not there; TM_E_REFUSED for a version that its
 * gate refused or that answers another question than the champion; TM_E_INTEGRITY for one whose
 * file is not whole; TM_E_CONFLICT when it is as ordered already.
 */
TM_NODISCARD tm_status tm__registry_split(tm_registry *registry, const char *model,
                                          const tm_split_order *order, const tm_actor *actor,
                                          tm_err *err);
/**
 * Let a version see `weight` parts of a route's requests and answer none of them, until it is
 * promoted or another order comes; version 0 ends it. Its gate is not asked: it answers nobody.
 * One transaction with its record ("shadow", "shadow.ended").
 *
 * Errors: TM_E_NOT_FOUND; TM_E_INTEGRITY for a file that is not whole; TM_E_CONFLICT for the
 * champion, and when it is as ordered already.
 */
TM_NODISCARD tm_status tm__registry_shadow(tm_registry *registry, const char *model,
                                           const tm_arm *shadow, const tm_actor *actor,
                                           tm_err *err);
/** The route of a model, with its arms. TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__registry_route(tm_registry *registry, const char *model, tm_route *out,
                                          tm_err *err);

/* Keys. */
TM_NODISCARD tm_status tm__registry_key_add(tm_registry *registry, const tm_key *key,
                                            const tm_key_terms *terms, const tm_actor *actor,
                                            tm_err *err);
TM_NODISCARD tm_status tm__registry_key_revoke(tm_registry *registry, const char *id,
                                               const tm_actor *actor, tm_err *err);
/** A key with the terms of a live one, which ends at until_us (or when it would have, if that is
 * sooner). */
TM_NODISCARD tm_status tm__registry_key_rotate(tm_registry *registry, const char *id,
                                               const tm_key *key, int64_t until_us,
                                               const tm_actor *actor, tm_err *err);
/** Read the server key that stored keys were sealed with; false in *out_has when there is none
 * and no live key needs one. TM_E_INTEGRITY when its file is gone, or is that of another home. */
TM_NODISCARD tm_status tm__registry_server_key(tm_registry *registry, tm_server_key *out,
                                               bool *out_has, tm_err *err);
/** [{"id","role","name","models","rate","created","expires","revoked"}] */
TM_NODISCARD tm_status tm__registry_keys(tm_registry *registry, json_t **out, tm_err *err);
/* A key as it is stored; its texts live for the callback. */
typedef struct tm_stored_key {
    const char *id;
    tm_hash hash; /* sealed: see tm__key_matches() */
    tm_key_terms terms;
} tm_stored_key;
/** All keys that are not revoked, in order of their ids; also those that have expired. */
TM_NODISCARD tm_status tm__registry_key_list(tm_registry *registry,
                                             bool (*fn)(void *arg, const tm_stored_key *key),
                                             void *arg, tm_err *err);

/* Jobs: children's work, with the epoch that a late writer must still hold. Of a kind and a model
 * the newest stay, and those that ended lately; a new one removes the others. */
#define TM_JOBS_KEPT 100u
#define TM_JOBS_KEPT_US (2 * INT64_C(86400000000)) /* more than the day that budgets look at */
TM_NODISCARD tm_status tm__registry_job_add(tm_registry *registry, const char *kind,
                                            const char *model, char *out_id /* 27 bytes */,
                                            tm_err *err);
TM_NODISCARD tm_status tm__registry_job_end(tm_registry *registry, const char *id,
                                            const char *state, const json_t *result, tm_err *err);
TM_NODISCARD tm_status tm__registry_jobs(tm_registry *registry, json_t **out, tm_err *err);
/**
 * Cancel a retraining: one that runs is marked for the daemon, which ends its child; its turn ends
 * at once as "stopped". Also the newest one of a model that has ended and left a turn to be gone on
 * with ("waits").
 *
 * Errors: TM_E_NOT_FOUND; TM_E_CONFLICT for what is no retraining, has ended, is being cancelled,
 * or has its verdict.
 */
TM_NODISCARD tm_status tm__registry_job_cancel(tm_registry *registry, const char *id,
                                               const tm_actor *actor, tm_err *err);
/** Whether a retraining of the model that is being cancelled has a child yet; id: this job alone,
 * NULL: any. */
TM_NODISCARD tm_status tm__registry_cancels(tm_registry *registry, const char *model,
                                            const char *id, bool *out, tm_err *err);
/** When a retraining of a model last began or gave a version; 0 when never. Here and below, what
 * lies ahead of the clock does not count: the clock has gone back since. */
TM_NODISCARD tm_status tm__registry_last_run(tm_registry *registry, const char *model,
                                             int64_t *out_us, tm_err *err);
typedef struct tm_runs {
    int64_t ended_us;     /* when one last ended; 0: never */
    int64_t spent_us;     /* by those that began after from_us, up to now for one that runs */
    uint32_t n_fruitless; /* that failed, or gave a version that was refused or whose
                             rollout went back, since one was
                             promoted, or the gate or the recipe changed */
} tm_runs;
/** What a model's jobs of a kind took. */
TM_NODISCARD tm_status tm__registry_runs(tm_registry *registry, const char *kind, const char *model,
                                         int64_t from_us, tm_runs *out, tm_err *err);
/** At start of serve/run: a new epoch; jobs left running by an older one become "lost". */
TM_NODISCARD tm_status tm__registry_epoch_begin(tm_registry *registry, int64_t *out_epoch,
                                                tm_err *err);

#endif
