/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes in the rows of a source, and what is to be done about it.
 *
 *   batch ── a look at its rows ──┬─ against the history ──> findings ──> accept, adapt,
 *                                 └─ into the history             quarantine or stop
 *
 * The history is small, of a sample of rows, and of statistics alone: texts are in it as hashes. It
 * may lose what came last before a crash; what is done with rows never depends on that being there.
 */
#ifndef TM_SOURCE_CHANGE_H
#define TM_SOURCE_CHANGE_H

#include "base/json.h"
#include "table/schema.h"

typedef enum tm_change_kind { /* names are stored */
                              TM_CHANGE_NEW_COLUMN,
                              TM_CHANGE_MISSING_COLUMN,
                              TM_CHANGE_WIDER_TYPE,
                              TM_CHANGE_RENAMED_COLUMN,
                              TM_CHANGE_NEW_CATEGORY,
                              TM_CHANGE_UNIT_CHANGE,
                              TM_CHANGE_NULL_SPIKE,
                              TM_CHANGE_OUT_OF_RANGE,
                              TM_CHANGE_KINDS,                         /* that have a policy each */
                              TM_CHANGE_EXPECTATION = TM_CHANGE_KINDS, /* each rule has its own */
                              TM_FINDING_KINDS
} tm_change_kind;
extern const char *const tm__change_names[TM_FINDING_KINDS];

typedef enum tm_change_policy {
    TM_POLICY_ACCEPT,     /* rows come in; the history stays, so it is found again */
    TM_POLICY_ADAPT,      /* rows come in; it is the new normal */
    TM_POLICY_QUARANTINE, /* the rows that show it, or the batch, go to quarantine */
    TM_POLICY_STOP,       /* nothing of the batch is taken, and the source stops */
    TM_POLICIES
} tm_change_policy;
extern const char *const tm__policy_names[TM_POLICIES];

/** Check {kind: policy}, where a rule of expect ({name: rule}) is a kind too; NULL is none.
 * TM_E_USAGE names what is wrong and what there is. */
TM_NODISCARD tm_status tm__policy_check(const json_t *policy, const json_t *expect, tm_err *err);
/** All kinds, and the rules of expect, with the policy that holds for each; new reference. */
json_t *tm__policy_json(const json_t *policy, const json_t *expect);

typedef struct tm_finding {
    tm_change_kind kind;
    tm_change_policy policy;
    bool is_batch;    /* it is of the batch as a whole, not of single rows */
    char column[65];  /* cut; of an expectation the rule's name */
    char place[65];   /* cut; of an expectation the only column that it reads, or empty */
    char detail[160]; /* names no value */
    uint64_t n;       /* rows, or 1 for a batch */
} tm_finding;

/* ---- What is known of a source ---- */

typedef struct tm_watch tm_watch;
/** From what is declared ({"policy", "target", ...}) and the history that was saved (JSON null:
 * none). */
TM_NODISCARD tm_status tm__watch_create(const json_t *spec, const json_t *history, tm_watch **out,
                                        tm_err *err);
/** Take another history. Any thread. */
TM_NODISCARD tm_status tm__watch_load(tm_watch *watch, const json_t *history, tm_err *err);
tm_watch *tm__watch_ref(tm_watch *watch);
void tm__watch_unref(tm_watch *watch);
/** Take another declaration. Any thread. */
TM_NODISCARD tm_status tm__watch_set(tm_watch *watch, const json_t *spec, tm_err *err);
/** Whether a policy was given for a kind, not the one that holds without. */
bool tm__watch_says(tm_watch *watch, tm_change_kind kind);
/** For a change of one column: adapt when it was taken as the new normal. */
tm_change_policy tm__watch_policy(tm_watch *watch, tm_change_kind kind, tm_str column);
/** The history to be saved, when it has changed enough since the last time, or `always`; else NULL.
 * New reference. */
json_t *tm__watch_save(tm_watch *watch, bool always);
/** Same history after what stopped the source was taken as the new normal. New reference. */
json_t *tm__history_resume(const json_t *history, const char *kind, const char *column);

/* ---- A look at the rows of one batch ---- */

typedef struct tm_look tm_look;
struct tm_condition_rows;
struct tm_condition_column;
typedef struct tm_look_input {
    const tm_schema *schema; /* outlives the look */
    uint32_t n_before;       /* columns that the source had before this batch */
    const uint32_t *keys;    /* [n_keys] columns that are looked at for presence alone */
    uint32_t n_keys;
    uint64_t n_rows; /* about */
} tm_look_input;
/** *out NULL with more columns than are looked at, and no rules. */
TM_NODISCARD tm_status tm__look_create(tm_watch *watch, const tm_look_input *input, tm_look **out,
                                       tm_err *err);
/** cells fit the schema; was_given[i] == row: the row named column i. False: the row shows a change
 * that sends it to quarantine, which *out says. */
bool tm__look_row(tm_look *look, const tm_cell *cells, const uint64_t *was_given, uint64_t row,
                  tm_finding *out);
/** Hold a row against the rules. False: it goes to quarantine, which *out says. */
bool tm__look_ask(tm_look *look, const tm_cell *cells, tm_finding *out);
/** Same for the good rows together, at their end; NULL: only whether the rules can be asked. */
void tm__look_ask_all(tm_look *look, const struct tm_condition_rows *rows);
/** Columns that rules read; 0: there are none to be asked. */
const struct tm_condition_column *tm__look_asked(const tm_look *look, uint32_t *out_n);
bool tm__look_has_rules(const tm_look *look);
/** Memory ran out while rules were asked: what was judged is worth nothing. */
bool tm__look_has_failed(const tm_look *look);
/** Whether each row has to be shown to it; else those that tm__look_next names are enough. */
bool tm__look_is_strict(const tm_look *look);
/** The next row of the batch, from 0 on, that is to be shown; those before it are passed over. */
uint64_t tm__look_next(tm_look *look);
/** Note a finding that others made: of a name, rows added up. Without memory the look has failed.
 */
void tm__look_note(tm_look *look, const tm_finding *finding);
/** Judge the batch as a whole. NULL: nothing stands against it; else the worst finding. */
const tm_finding *tm__look_judge(tm_look *look);
const tm_finding *tm__look_findings(const tm_look *look, uint32_t *out_n);
/** Take the batch into the history; it was accepted. False when out of memory: nothing of it is.
 * Any thread. */
bool tm__look_keep(tm_look *look);
void tm__look_free(tm_look *look);

#endif
