/* SPDX-License-Identifier: Apache-2.0 */
/* Turns of the model 'made' over a file that has grown. */
#ifndef TM_SUPPORT_TURN_CASE_H
#define TM_SUPPORT_TURN_CASE_H

#include "loop/loop.h"
#include "trained_home.h"

/** Version 1 of 'made' has learned 600 rows (sure ones where the news are), and then data.csv has
 * the news as well. */
tm_registry *turn_case_open(const tm_home *home, const tm_made_rows *news);
/** A turn of 'made' that comes to an end; its story. */
json_t *turn_case_retrain(const tm_home *home, const tm_retrain_options *asked);
/** As a kill leaves the last turn when it has chosen and not trained. */
void turn_case_put_back(tm_registry *registry);

#endif
