/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a home knows of a subject: a person, say. A subject is a value of the entity column: of a
 * source the columns whose role is entity, else its key; of a version the column that it was
 * trained with as entity, else the key of the source that it learns from; of an answer its entity.
 * Values are compared as text, so the number 7 and the text "7" are one subject.
 */
#ifndef TM_LOOP_SUBJECT_H
#define TM_LOOP_SUBJECT_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"
#include "table/table.h"

/* Of each of some subjects; NULL: not asked for. */
typedef struct tm_subject_counts {
    uint64_t *rows;          /* [n ids] of sources */
    uint64_t *training_rows; /* [n ids] of versions, in each of them */
    uint64_t *answers;       /* [n ids] */
} tm_subject_counts;
typedef struct tm_subject_ask {
    const tm_dict *ids; /* at least one */
    bool counts_only;   /* no row and no answer, but how many; of several ids no more is told */
    tm_buf *numbers;    /* numbers in the log (i64) of their answers are appended; NULL: not */
    tm_subject_counts counts; /* are added to */
} tm_subject_ask;
/**
 * Look for subjects, what is theirs together: {"sources": [{"source", "columns": by which it was
 * found, "n", "rows":
 * [{}], "consent"? of subject_consent.h}], "versions": [{"model", "version", "column", "snapshot",
 * "n": training rows, "rows":
 * [{}]}], "answers": [{"id", "model", "version", "route", "arm", "at", "row", "outputs", "label",
 * "label_known"}] (with counts_only [{"model", "n"}]), "n_answers", "delivered" (with counts_only,
 * see subject_sinks.h), "not_looked_into": [{"what", "why"}]: what has no column that names a
 * subject, or is gone}. A version that learned from an earlier snapshot of the same rows is one
 * more entry. New reference.
 *
 * Errors:  those of reading the files; TM_E_NOMEM.
 * Threads: one caller; uses ctx->pool.
 * Cost:    reads every source, every snapshot once and the log.
 */
TM_NODISCARD tm_status tm__subject_find(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                        const tm_subject_ask *ask, json_t **out, tm_err *err);

/* What becomes of versions that learned from a subject. */
typedef enum tm_subject_models {
    TM_SUBJECT_REFIT, /* a champion is fitted anew on the rows that are left, by its own record, and
                         promoted; all that learned from the subject lose their files */
    TM_SUBJECT_LIST,  /* they are listed and stay: the erasure is not complete */
    TM_SUBJECT_RETIRE /* they answer until a date (registry/retire.h): the erasure is complete
                         then */
} tm_subject_models;
/* What becomes of a champion whose model's gate refuses the version that was fitted anew. */
typedef enum tm_subject_if_refused {
    TM_SUBJECT_KEEP,   /* it goes on answering: the erasure is not complete */
    TM_SUBJECT_PROMOTE /* the one that was fitted anew answers, as a forced promotion */
} tm_subject_if_refused;
struct tm_load_tester;
typedef struct tm_subject_erasure {
    const tm_dict *ids;    /* of one subject or several, which are erased together; NULL, of a refit
                              alone: nobody's */
    const tm_dict *before; /* what ids are pseudonyms of, where that is known: files are searched
                              for them, too; NULL: nothing */
    tm_subject_models models;
    int64_t retire_by_us; /* with TM_SUBJECT_RETIRE */
    tm_subject_if_refused if_refused;
    const struct tm_load_tester *load; /* NULL: a gate that asks for a load refuses */
    const tm_actor *actor;
} tm_subject_erasure;
/**
 * Erase subjects: their rows in sources (segments are written anew, free pages given back) and in
 * quarantine, and what versions have of them. What is not reached is refused by name before
 * anything is changed: logged answers, a source that a sink reads by places, online features,
 * versions in a split, shadow, rollout, experiment or open turn, a champion that cannot be fitted
 * anew from its record, any other file of the home in which the id stands (ids of 6 bytes and
 * more).
 *
 * *out is what a certificate says: {"schema", "subject": its keyed hash, "at", "complete",
 * "policy", "found": {"sources": [{"source", "columns", "n"}], "versions": [{"model", "version",
 * "snapshot", "n"}]}, "models": [{"model", "version", "bundle_hash", "snapshot", "gate": {"open",
 * "reason"} when it was judged}]: what answers now, "refused": [{"model", "version", "reason"}]:
 * fitted anew, and the gate refused it, so the champion stays, "retire_by" and "retiring":
 * [{"model", "version", "bundle_hash", "retire_by"}] with that policy, "scanned",
 * "not_looked_into", "not_reached": [{"what", "why"}]}. New reference. It is complete when no model
 * that learned from the subject stays and there is nothing in the home that could not be asked
 * whose it is
 * ("not_looked_into" is empty).
 *
 * Of several subjects "subjects" stands in place of "subject": [{"subject", "rows",
 * "training_rows", "answers"}] in the order of ids; the rest is of them together.
 *
 * Each step can be done again: after a crash the same call goes on, and tells all that was found at
 * first, which the audit chain keeps ("subject.erasing", an entry each) until tm__subject_erased().
 *
 * Errors:  TM_E_CONFLICT for what is refused, and while a server runs; TM_E_INTEGRITY when the
 * subject is still there in the end. Threads: one caller; uses ctx->pool. Cost:    twice
 * tm__subject_find(), a training a champion, and reading every file of the home.
 */
TM_NODISCARD tm_status tm__subject_erase(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                         const tm_subject_erasure *erasure, json_t **out,
                                         tm_err *err);
/** Note in the audit chain, an entry each, that it is done; certificate: hash of the one that was
 * written, NULL: it was of a backup that was restored. */
TM_NODISCARD tm_status tm__subject_erased(tm_registry *registry, const tm_subject_erasure *erasure,
                                          const tm_hash *certificate, tm_err *err);

#endif
