/* SPDX-License-Identifier: Apache-2.0 */
/* What tells one version from another, by their records and by their answers. */
#ifndef TM_MODEL_BUNDLE_DIFF_H
#define TM_MODEL_BUNDLE_DIFF_H

#include "base/json.h"
#include "model/bundle.h"

/**
 * What the records of two versions say differently: {"data": {"snapshot", "rows", "columns":
 * {"added", "removed", "changed": [{"column", "a", "b"}]}}, "features": {"added", "removed"},
 * "recipe": [{"key", "a", "b"}], "params": [...], "scores": [{"score", "a", "b"}]}. Pairs are [a,
 * b]; what is alike is left out of lists. New reference.
 *
 * Errors:  TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__diff_records(const tm_bundle *a, const tm_bundle *b, json_t **out,
                                        tm_err *err);
/** Members of two objects that differ, at any depth: [{"key": "a.b", "a", "b"}] by key; what one of
 * them has not is null. New reference. */
json_t *tm__diff_objects(const json_t *a, const json_t *b);

/** True when two versions answer the same question in the same form: their answers can be compared.
 */
bool tm__diff_is_alike(const tm_bundle *a, const tm_bundle *b);

/* Answers of two versions for the same rows. */
typedef struct tm_diff_answers {
    const tm_bundle *a, *b;
    const double *of_a, *of_b; /* [n_rows x outputs of a] */
    uint64_t n_rows;
} tm_diff_answers;
/** {"rows", "same": answers of the same bits, "decided_otherwise", "mean", "p50", "p90", "p99",
 * "max"}: of the largest difference of a row's outputs. New reference. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__diff_predictions(const tm_diff_answers *answers, json_t **out,
                                            tm_err *err);

#endif
