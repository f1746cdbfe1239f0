/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people expect of the rows of a source, as conditions in SQL:
 *
 *   {"expect": {"positive": "amount > 0"}, "policy": {"positive": "stop"}}
 *
 * One without an aggregate is asked of each row, one with an aggregate of a batch. What is broken
 * is a finding of source/change.h like any other: rows come in, go to quarantine or stop the
 * source.
 */
#ifndef TM_SOURCE_EXPECT_H
#define TM_SOURCE_EXPECT_H

#include "source/change.h"
#include "store/condition.h"

#define TM_EXPECT_MAX 64u

/* ---- As they are declared ---- */

/** "NAME: RULE" as a member of {name: rule}; nothing behind the colon takes it away (JSON null). A
 * rule without a name gets one that follows from its text. */
TM_NODISCARD tm_status tm__expect_parse(const char *text, json_t *into, tm_err *err);
/** Check {name: rule}, and against the columns when there are any; NULL is none. */
TM_NODISCARD tm_status tm__expect_check(const json_t *expect, const tm_schema *schema, tm_err *err);
/** A rule that reads a column; NULL: none does. */
const char *tm__expect_reader(const json_t *expect, const char *column);

/* ---- Rules of a source; immutable but for the count of references ---- */

typedef struct tm_expect tm_expect;
/** From a spec; *out NULL when it has none. */
TM_NODISCARD tm_status tm__expect_create(const json_t *spec, tm_expect **out, tm_err *err);
tm_expect *tm__expect_ref(tm_expect *expect);
void tm__expect_unref(tm_expect *expect);
/** Whether they are those of a spec; NULL: none. */
bool tm__expect_is(const tm_expect *expect, const json_t *spec);

/* ---- Made for columns; one owner at a time ---- */

typedef struct tm_check tm_check;
TM_NODISCARD tm_status tm__check_open(tm_expect *expect, const tm_schema *schema, tm_check **out,
                                      tm_err *err);
void tm__check_close(tm_check *check);
bool tm__check_fits(const tm_check *check, const tm_expect *expect, const tm_schema *schema);
void tm__check_reset(tm_check *check);
/** Columns that are read; valid as long as it is open. */
const tm_condition_column *tm__check_columns(const tm_check *check, uint32_t *out_n);
const char *tm__check_reader(const tm_check *check, const char *column);
uint32_t tm__check_count(const tm_check *check);

typedef enum tm_rule_kind { TM_RULE_ROW, TM_RULE_BATCH, TM_RULE_BROKEN } tm_rule_kind;
tm_rule_kind tm__check_kind(const tm_check *check, uint32_t rule_at);
/** The finding that a rule makes: *out_found false when it holds. cells for one of rows, rows for
 * one of batches, neither for a broken one. */
TM_NODISCARD tm_status tm__check_ask(tm_check *check, uint32_t rule, const tm_cell *cells,
                                     const tm_condition_rows *rows, tm_finding *out,
                                     bool *out_found, tm_err *err);

#endif
