/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a home knows of one subject: a person, say. A subject is a value of the entity column: of a
 * source the columns whose role is entity, else its key; of a version the column that it was
 * trained with as entity, else the key of the source that it learns from; of an answer its entity.
 * Values are compared as text, so the number 7 and the text "7" are one subject.
 */
#ifndef TM_LOOP_SUBJECT_H
#define TM_LOOP_SUBJECT_H

#include "base/ctx.h"
#include "base/json.h"
#include "registry/registry.h"
#include "store/home.h"

typedef struct tm_subject_ask {
    const char *id;
    bool counts_only; /* no row and no answer, but how many */
} tm_subject_ask;
/**
 * Look for a subject: {"sources": [{"source", "columns": by which it was found, "n", "rows":
 * [{}]}], "versions": [{"model", "version", "column", "snapshot", "n": training rows, "rows":
 * [{}]}], "answers": [{"id", "model", "version", "route", "arm", "at", "row", "outputs", "label",
 * "label_known"}], "n_answers", "not_looked_into": [{"what", "why"}]: what has no column that names
 * a subject, or is gone}. A version that learned from an earlier snapshot of the same rows is one
 * more entry. New reference.
 *
 * Errors:  those of reading the files; TM_E_NOMEM.
 * Threads: one caller; uses ctx->pool.
 * Cost:    reads every source, every snapshot once and the log.
 */
TM_NODISCARD tm_status tm__subject_find(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                        const tm_subject_ask *ask, json_t **out, tm_err *err);

#endif
