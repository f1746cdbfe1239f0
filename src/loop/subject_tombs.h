/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was erased, for a backup that was made before: the file `subjects.erased` of a home, which
 * holds keyed hashes of ids and no id. Its key is made of `keys.secret`, which is in backups.
 *
 *     tidemill.erased/1 HASH     of a text that everybody knows: whether the key is the same
 *     HASH TIME                  one line an erasure
 */
#ifndef TM_LOOP_SUBJECT_TOMBS_H
#define TM_LOOP_SUBJECT_TOMBS_H

#include "loop/subject.h"

#define TM_TOMBSTONES "subjects.erased"

/** Add a line an id, durable before the call returns; a subject may have several. TM_E_NOMEM; those
 * of files. One writer. */
TM_NODISCARD tm_status tm__tombstones_add(const tm_home *home, tm_registry *registry,
                                          const tm_dict *ids, tm_err *err);
/**
 * Erase again whoever a file of tombstones tells and a home that nobody uses yet knows, with
 * TM_SUBJECT_REFIT and TM_SUBJECT_PROMOTE. *out_n: how many subjects that were.
 *
 * Errors:  TM_E_DATA for another file; TM_E_CONFLICT when it is keyed by another secret, and those
 * of tm__subject_erase(). Threads: one caller. Cost: a hash for each id of the home, then one
 * erasure of all.
 */
TM_NODISCARD tm_status tm__tombstones_apply(tm_ctx *ctx, const tm_home *home, tm_registry *registry,
                                            const char *path, const tm_actor *actor,
                                            uint64_t *out_n, tm_err *err);

#endif
