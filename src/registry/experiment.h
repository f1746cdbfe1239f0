/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments on a model's versions: what was asked, of which arms, by what rule, since when. An
 * experiment is two records of the history, that it started and that it stopped, so it cannot be
 * changed afterwards (a rule that is made when the figures are there is no rule), and `model
 * history` tells of it. One at a time a model.
 *
 * Not for the figures: those are judged from the log whenever somebody asks (metric/ab_judge.h).
 * One that is to act at its verdict is ended by who judged it, in one transaction with what it
 * does.
 */
#ifndef TM_REGISTRY_EXPERIMENT_H
#define TM_REGISTRY_EXPERIMENT_H

#include "registry/registry.h"

/* What is done at the verdict, by `tidemill run` or `experiment status --act`. */
typedef enum tm_experiment_then {
    TM_THEN_NOTHING, /* people look */
    TM_THEN_STOP,    /* whatever it is, the experiment ends and the control alone answers */
    TM_THEN_PROMOTE  /* a treatment that is better is promoted, anything else is a stop */
} tm_experiment_then;
extern const char *const tm__then_names[3]; /* "nothing", "stop", "promote" */

/* What is fixed when an experiment starts. */
typedef struct tm_experiment_terms {
    uint32_t versions[2]; /* control, treatment */
    double share;         /* of the treatment */
    const char *metric;   /* a score that is a mean of rows, or "outcome" */
    double alpha;
    uint64_t horizon; /* units of the last look; 0: none */
    double baseline;  /* planned share of yes; 0: not said */
    int64_t delay_us; /* in which labels come; 0: not declared */
    tm_experiment_then then;
    const json_t *guardrails; /* what must not get worse: a list with "metric" and "margin"; NULL */
    const json_t *counted;    /* requests so far, by which errors are judged; NULL: not known */
} tm_experiment_terms;

/**
 * Start one: the terms are recorded with who did it and why (the actor's reason is the hypothesis).
 * *out as tm__registry_experiment() gives it; new reference.
 *
 * Errors:  TM_E_NOT_FOUND (a model or version that is not there), TM_E_CONFLICT (one is running;
 *          both arms are the same version), TM_E_INTEGRITY (a version's file is gone or damaged); a
 *          version that was collected is not found. Of one that acts: TM_E_CONFLICT unless the
 *          control is the champion and requests are split between the arms as they say, by no
 *          rollout; TM_E_REFUSED (the treatment is to be promoted, and its gate refuses it).
 */
TM_NODISCARD tm_status tm__registry_experiment_start(tm_registry *registry, const char *model,
                                                     const tm_experiment_terms *terms,
                                                     const tm_actor *actor, json_t **out,
                                                     tm_err *err);
/** Stop the one that runs; TM_E_CONFLICT when none does. */
TM_NODISCARD tm_status tm__registry_experiment_stop(tm_registry *registry, const char *model,
                                                    const tm_actor *actor, json_t **out,
                                                    tm_err *err);
typedef struct tm_experiment_end {
    int64_t number;         /* of the one that was judged */
    bool promotes;          /* the treatment becomes the champion; else it answers no more */
    const json_t *evidence; /* what the verdict rests on; may be NULL */
} tm_experiment_end;
/**
 * End it at its verdict, of which the actor's reason tells: promote the treatment, or send all
 * requests to the champion again; then stop. One transaction: a kill leaves all of it or nothing.
 *
 * Errors: TM_E_CONFLICT when another or none runs, or (to promote) the control is not the champion
 *         any more; to promote, those of tm__registry_promote().
 */
TM_NODISCARD tm_status tm__registry_experiment_end(tm_registry *registry, const char *model,
                                                   const tm_experiment_end *end,
                                                   const tm_actor *actor, tm_err *err);
/**
 * The newest of a model: {"experiment": its number, from 1, "state": "running" or "stopped",
 * "versions": [control, treatment], "share", "metric", "alpha", "horizon", "baseline",
 * "delay_seconds", "then", "guardrails": as they were said, "counted": requests at its start,
 * "evidence": what the verdict rested on that ended it, "split": whether the route was split
 * between the arms, "started", "started_by", "hypothesis", "stopped", "stopped_by", "stop_reason"}.
 * What was not said is null. TM_E_NOT_FOUND when there never was one. New reference.
 */
TM_NODISCARD tm_status tm__registry_experiment(tm_registry *registry, const char *model,
                                               json_t **out, tm_err *err);
/**
 * The bundles of its arms, control first; record as tm__registry_experiment() gives it. The caller
 * ends both with tm__bundle_unref(). Errors: TM_E_NOT_FOUND (a version is gone), TM_E_INTEGRITY
 * (its file is gone or damaged).
 */
TM_NODISCARD tm_status tm__registry_experiment_bundles(tm_registry *registry, const char *model,
                                                       const json_t *record, tm_bundle *out[2],
                                                       tm_err *err);
/** Names of the models of which one runs that acts: ["churn"]. New reference. */
TM_NODISCARD tm_status tm__registry_experiments_acting(tm_registry *registry, json_t **out,
                                                       tm_err *err);
/** Add the arms of the one that runs to {NUMBER: true}: their files are needed. */
TM_NODISCARD tm_status tm__registry_experiment_arms(tm_registry *registry, const char *model,
                                                    json_t *out, tm_err *err);

#endif
