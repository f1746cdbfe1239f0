/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rows of a source may be used for ("purpose" of its declaration: words with commas between).
 * Whoever learns from them says what for, in one of these words; sources that declare none ask
 * nobody.
 */
#ifndef TM_SOURCE_PURPOSE_H
#define TM_SOURCE_PURPOSE_H

#include "base/json.h"
#include "store/home.h"

/**
 * Check that rows may be learned from for a purpose (NULL: none is said).
 *
 * home  NULL or without sources: nothing is declared.
 * from  where rows come from, as a recipe has it: {"source"}, {"sql"} or {"path"}; of a query every
 *       source that it may name. NULL: nowhere.
 *
 * Errors:  TM_E_NOT_ALLOWED with the source and its purposes, those of reading the home.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__purpose_check(const tm_home *home, const json_t *from,
                                         const char *purpose, tm_err *err);
/** Same of {NAME: from}, as the events of a recipe; NULL: none. */
TM_NODISCARD tm_status tm__purpose_check_all(const tm_home *home, const json_t *events,
                                             const char *purpose, tm_err *err);

#endif
