/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that all homes on one PostgreSQL have in common ("intake" of store.json): their tables in
 * a schema of their own, and the folder of their files. docs/store.md says what holds.
 */
#ifndef TM_SOURCE_INTAKE_SHARED_H
#define TM_SOURCE_INTAKE_SHARED_H

#include "store/db.h"
#include "store/home.h"

#define TM_INTAKE_PART "intake"

/** What SQL of both engines cannot say; for a migration. In a file: nothing. */
TM_NODISCARD tm_status tm__intake_shared_make(tm_db *db, tm_err *err);
/**
 * Whether a home may work with the tables it has opened: its folder is theirs, and nothing of it is
 * sealed. What works for a leader is fenced by its epoch from then on. In a file: nothing.
 *
 * Errors: TM_E_UNSUPPORTED (a sealed home), TM_E_CONFLICT (a folder of other tables, or a home that
 *         has sources of its own),
 *         TM_E_UNAVAILABLE (no folder is there), TM_E_IO.
 */
TM_NODISCARD tm_status tm__intake_shared_join(const tm_home *home, tm_db *db, bool can_write,
                                              tm_err *err);
/** TM_E_UNSUPPORTED for a home that shares its sources, of what is made for those of one home.
 * doing: "erase a person". */
TM_NODISCARD tm_status tm__intake_shared_refuse(const tm_home *home, const char *doing,
                                                tm_err *err);

#endif
