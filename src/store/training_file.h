/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobs/training.ID.json: what a training says of itself as it runs, some times a second, and which
 * is gone when it ends (docs/formats/home.md). One reading for all who look at them. Not for
 * writing one: loop/training_told.h.
 */
#ifndef TM_STORE_TRAINING_FILE_H
#define TM_STORE_TRAINING_FILE_H

#include "base/json.h"
#include "store/home.h"

#define TM_TRAINING_PREFIX "training."
#define TM_TRAINING_SUFFIX ".json"
#define TM_TRAINING_SCHEMA "tidemill.training/1"
#define TM_TRAININGS_MAX 16u /* that are read of a home */

/**
 * Trainings of a home that run now, the newest first: what their files say, each with "id" and
 * "age_seconds" since it was said. One that said nothing for ten minutes was killed, and is left
 * out; what is no such file is passed over. New reference.
 *
 * Errors: TM_E_NOMEM.
 * Cost:   lists one folder, reads at most TM_TRAININGS_MAX files of at most 256 KiB.
 */
TM_NODISCARD tm_status tm__trainings_read(const tm_home *home, int64_t now_us, json_t **out,
                                          tm_err *err);
/** Remove files of trainings that were killed: those untouched for ten minutes. */
void tm__trainings_sweep(const tm_home *home, int64_t now_us);

#endif
