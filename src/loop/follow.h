/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels that come as rows of a source, for models whose recipe says {"labels": {"source": NAME}}:
 *
 *     rows of the source from `next` on ──> labels joined, `next` moved     (one commit of log.db)
 *
 * A kill leaves both or neither, so each row is taken once; a label that stands is joined once
 * anyhow. What stops one model stands in the log as its problem, is tried again, and stops no
 * other:
 *
 *     source gone, or without a column    stands still until it is there
 *     made anew, put back, or declared    begins at its first row: labels that stand are duplicates
 *       otherwise
 *     rows removed before they were read  counted as missed
 *     a row that is no label              counted as bad
 */
#ifndef TM_LOOP_FOLLOW_H
#define TM_LOOP_FOLLOW_H

#include "base/ctx.h"
#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"

/** Whether a model's labels come so. */
TM_NODISCARD tm_status tm__follow_is_needed(tm_registry *registry, bool *out, tm_err *err);
/**
 * Take the rows that are there; with `follows` go on until cancelled. *out: {"rows", "models":
 * [{"model", and what tm__monitor_followed() has}]}.
 *
 * Errors:  TM_E_CANCELLED, and those of the databases. Threads: one caller.
 */
TM_NODISCARD tm_status tm__follow_run(tm_ctx *ctx, const tm_home *home, bool follows, json_t **out,
                                      tm_err *err);

#endif
