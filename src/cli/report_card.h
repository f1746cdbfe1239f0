/* SPDX-License-Identifier: Apache-2.0 */
/* A version's report as a model card in Markdown. */
#ifndef TM_CLI_REPORT_CARD_H
#define TM_CLI_REPORT_CARD_H

#include "base/buf.h"
#include "base/json.h"

/**
 * Append the card, whose headings are those of Mitchell et al. 2019 (doi:10.1145/3287560.3287596).
 * Each figure is one of the report's; what was not measured is said to be so. Names of the data
 * cannot become markup. out->failed when out of memory.
 */
void tm__report_card(const json_t *report, tm_buf *out);

#endif
