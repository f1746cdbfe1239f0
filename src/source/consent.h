/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose rows may be learned from: "consent" of a source's declaration.
 *
 *   {"column": which says it, "for": "marketing, fraud", "by": column that names the person,
 *    "source": where it is said}
 *
 * for     purposes that ask for consent, some of those of the source; absent: all of them.
 * by      absent: the column of role entity, else the key, where that is one column; without any
 *         each row speaks for itself.
 * source  absent: the source itself. Else a source with columns of the same names: its newest row
 *         of a person counts, and who has none has not agreed.
 *
 * A value agrees when it is true, 1 or yes, or a list of words with the purpose among them. The
 * newest row of a person that says anything decides for all of the person's rows, so another row
 * takes consent back. A run that says no purpose is asked for consent whatever "for" says.
 */
#ifndef TM_SOURCE_CONSENT_H
#define TM_SOURCE_CONSENT_H

#include "base/ctx.h"
#include "base/json.h"
#include "store/home.h"
#include "table/table.h"

/** Check a declaration in a spec; purposes: "purpose" of the same. TM_E_USAGE says what is wrong.
 */
TM_NODISCARD tm_status tm__consent_check(const json_t *spec, tm_err *err);

typedef struct tm_consent tm_consent;
/**
 * Who agreed, as it is said by now; *out NULL when the source asks nobody for this purpose.
 *
 * Errors:  TM_E_NOT_FOUND for a source that is not there, also the one where it is said;
 *          TM_E_CONFLICT when that has not the columns. Cost: reads that source.
 * Threads: one caller; uses ctx->pool.
 */
TM_NODISCARD tm_status tm__consent_open(tm_ctx *ctx, const tm_home *home, const char *source,
                                        const char *purpose, tm_consent **out, tm_err *err);
/** Take rows of who did not agree out of a table that the caller owns, which may be left without
 * one; no dictionary has their texts. consent NULL, table NULL: nothing. *n_left_out grows by them.
 * Errors: TM_E_NOMEM. */
TM_NODISCARD tm_status tm__consent_keep(const tm_consent *consent, tm_table **table,
                                        uint64_t *n_left_out, tm_err *err);
/** What a person said: 1 agreed, 0 did not, -1 nothing. id: as text. */
int tm__consent_of(const tm_consent *consent, const char *id);
void tm__consent_free(tm_consent *consent);
/** How many people agreed to a purpose as it was said at a time, and do not now; 0 where nobody is
 * asked, or each row speaks for itself. Errors and cost: twice tm__consent_open(). */
TM_NODISCARD tm_status tm__consent_taken_back(tm_ctx *ctx, const tm_home *home, const char *source,
                                              const char *purpose, int64_t since_us, uint64_t *out,
                                              tm_err *err);

/* A run that learns from rows; zeroed: without a purpose. */
typedef struct tm_learning {
    const char *purpose; /* NULL: none is said */
    json_t *left_out;    /* {source: rows without consent}; NULL: none; end it with json_decref() */
} tm_learning;
/** Rows of a source as tm__intake_table_at() has them, without those whose people did not agree to
 * the run. learning NULL: nobody learns from them, and all are there. TM_E_DATA when none is left,
 * TM_E_NOT_ALLOWED as tm__strict_check_rows(). */
TM_NODISCARD tm_status tm__learning_table(tm_ctx *ctx, const tm_home *home, const char *name,
                                          int64_t until_us, tm_learning *learning, tm_table **out,
                                          tm_err *err);
/** Same of a table that came from the source by another way; NULL stays NULL. */
TM_NODISCARD tm_status tm__learning_keep(tm_ctx *ctx, const tm_home *home, const char *name,
                                         tm_learning *learning, tm_table **table, tm_err *err);
/** "12 rows of 'people', 3 of 'visits'": in out. */
void tm__learning_words(const tm_learning *learning, char *out, size_t size);

#endif
