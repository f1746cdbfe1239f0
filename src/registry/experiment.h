/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Experiments on a model's versions: what was asked, of which arms, by what rule, since when. An
 * experiment is two records of the history, that it started and that it stopped, so it cannot be
 * changed afterwards (a rule that is made when the figures are there is no rule), and `model
 * history` tells of it. One at a time a model.
 *
 * Not for the figures: those are judged from the log whenever somebody asks (metric/ab_judge.h).
 */
#ifndef TM_REGISTRY_EXPERIMENT_H
#define TM_REGISTRY_EXPERIMENT_H

#include "registry/registry.h"

/* What is fixed when an experiment starts. */
typedef struct tm_experiment_terms {
    uint32_t versions[2]; /* control, treatment */
    double share;         /* of the treatment */
    const char *metric;   /* a score that is a mean of rows, or "outcome" */
    double alpha;
    uint64_t horizon; /* units of the last look; 0: none */
    double baseline;  /* planned share of yes; 0: not said */
    int64_t delay_us; /* in which labels come; 0: not declared */
} tm_experiment_terms;

/**
 * Start one: the terms are recorded with who did it and why (the actor's reason is the hypothesis).
 * *out as tm__registry_experiment() gives it; new reference.
 *
 * Errors:  TM_E_NOT_FOUND (a model or version that is not there), TM_E_CONFLICT (one is running;
 *          both arms are the same version), TM_E_INTEGRITY (a version's file is gone or damaged); a
 *          version that was collected is not found.
 */
TM_NODISCARD tm_status tm__registry_experiment_start(tm_registry *registry, const char *model,
                                                     const tm_experiment_terms *terms,
                                                     const tm_actor *actor, json_t **out,
                                                     tm_err *err);
/** Stop the one that runs; TM_E_CONFLICT when none does. */
TM_NODISCARD tm_status tm__registry_experiment_stop(tm_registry *registry, const char *model,
                                                    const tm_actor *actor, json_t **out,
                                                    tm_err *err);
/**
 * The newest of a model: {"experiment": its number, from 1, "state": "running" or "stopped",
 * "versions": [control, treatment], "share", "metric", "alpha", "horizon", "baseline",
 * "delay_seconds", "started", "started_by", "hypothesis", "stopped", "stopped_by", "stop_reason"}.
 * What was not said is null. TM_E_NOT_FOUND when there never was one. New reference.
 */
TM_NODISCARD tm_status tm__registry_experiment(tm_registry *registry, const char *model,
                                               json_t **out, tm_err *err);
/** Add the arms of the one that runs to {NUMBER: true}: their files are needed. */
TM_NODISCARD tm_status tm__registry_experiment_arms(tm_registry *registry, const char *model,
                                                    json_t *out, tm_err *err);

#endif
