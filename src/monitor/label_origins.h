/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends labels, and whether they are what came true: origin_judge.h on the log. What is found
 * is evidence; the loop acts on it (loop/label_guard.h).
 */
#ifndef TM_MONITOR_LABEL_ORIGINS_H
#define TM_MONITOR_LABEL_ORIGINS_H

#include "monitor/monitor.h"
#include "monitor/origin_judge.h"

#define TM_ORIGIN_ROWS_MAX ((uint64_t)200000) /* labels that are judged: the newest */

typedef struct tm_origins_ask {
    const char *model;
    int64_t from_us, until_us; /* answers given: from, up to */
    int64_t owed_until_us;     /* answers given later owe no label yet; 0: all do */
} tm_origins_ask;

/**
 * {"model", "labels", "origins": [{"origin", "labels", "others", "wrong": {"share", "low", "high"},
 * "copied": {"share", "low", "high"}, "verdict": "too few", "fine", "wrong" or "copies"}],
 * "coverage": [{"decision", "answers", "labelled", "share", "beside": {"answers", "share",
 * "other_answers", "others"}}] by what was decided (classes only; beside: of versions that decided
 * otherwise, too, with the share that labels of their other decisions lead to expect; null: none),
 * "explored": null where no decisions were drawn (explored.h), else {"share", "answers",
 * "labelled", "wrong": share of these for which the model would have decided wrongly, "costs": what
 * the draws add to the share of wrong decisions, "others", "others_wrong": of labels that were not
 * drawn}}, origins by their number of labels. The bundle is the champion's: answers of other
 * versions with as many outputs count, too.
 *
 * Owns: *out is a new reference.  Errors: TM_E_NOMEM, TM_E_INTEGRITY.  Threads: any.
 * Cost: reads the answers of the time once; 48 bytes a label.
 */
TM_NODISCARD tm_status tm__label_origins(tm_monitor *monitor, const tm_bundle *bundle,
                                         const tm_origins_ask *ask, json_t **out, tm_err *err);

/** A known target with what a model answered: all but who said it and when. y: the class or value.
 * False for what cannot be compared (no class of the model, not finite). Threads: any. */
bool tm__origin_label(const tm_bundle *bundle, const double *outputs, uint32_t n_outputs, double y,
                      tm_origin_label *out);

typedef struct tm_origin_labels {
    const tm_bundle *bundle;
    const char *const *names; /* [n_names] of origins */
    uint32_t n_names;         /* <= TM_ORIGINS_MAX */
    const tm_origin_label *labels;
    uint64_t n;
} tm_origin_labels;

/**
 * Judge them: "origins" of tm__label_origins().
 *
 * Owns: *out is a new reference.  Errors: TM_E_NOMEM.  Threads: any.
 */
TM_NODISCARD tm_status tm__origins_tell(const tm_origin_labels *all, json_t **out, tm_err *err);

#endif
