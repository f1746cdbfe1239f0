/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules of users (include/tidemill/module.h): read once from a file that nobody else can write,
 * named by the hash of the very bytes that run, and listed for the life of the process. All are
 * loaded before the first thread; after that the list is only read. Which part of a module is used
 * where is the business of upper floors.
 *
 * A module is code: its first instruction runs when it is opened, before anything can be asked of
 * it. So what is opened is decided by who may write the file, never by what is in it.
 */
#ifndef TM_BASE_USER_MODULE_H
#define TM_BASE_USER_MODULE_H

#include "base/hash.h"
#include "tidemill/err.h"
#include "tidemill/module.h"

#define TM_MAX_MODULES 16u      /* of a process */
#define TM_MODULE_NAME_SIZE 32u /* with a NUL; of versions, too */
#define TM_MAX_MODULE_BYTES (UINT64_C(256) << 20)

typedef struct tm_user_module {
    const tm_module_table *table; /* checked */
    tm_hash hash;                 /* of its file */
} tm_user_module;

/** The file's bytes and hash, if this user or root owns it and its folder and nobody else can write
 * either: TM_E_NOT_ALLOWED names what is wrong. out_data ends with tm__mem_free(). */
TM_NODISCARD tm_status tm__user_module_read(const char *path, uint8_t **out_data, size_t *out_len,
                                            tm_hash *out_hash, tm_err *err);
/**
 * Open a module and put it on the list. One that is there already, by its hash, is no error.
 *
 * want_hash  NULL, or what its bytes must have: TM_E_INTEGRITY.
 * out        on success, unless NULL: the entry.
 *
 * Errors: as tm__user_module_read(); TM_E_UNSUPPORTED for another ABI number or a file that is no
 * module; TM_E_INVALID for a table that cannot be; TM_E_CONFLICT for a name that is taken;
 * TM_E_LIMIT. Threads: one caller, before others start.
 */
TM_NODISCARD tm_status tm__user_module_load(const char *path, const tm_hash *want_hash,
                                            const tm_user_module **out, tm_err *err);
/** Put a table on the list as if it were loaded: for tests and what is linked in. Same errors. */
TM_NODISCARD tm_status tm__user_module_add(const tm_module_table *table, const tm_hash *hash,
                                           const tm_user_module **out, tm_err *err);
/** Entry by place, or NULL past the last. */
const tm_user_module *tm__user_module_at(uint32_t index);
/** NULL when none of this name is loaded. */
const tm_user_module *tm__user_module_find(const char *name);
/** Whether a table keeps what its header says of names, sizes and pointers. TM_E_INVALID with what
 * does not. */
TM_NODISCARD tm_status tm__user_module_check(const tm_module_table *table, tm_err *err);
/** What the program gives to modules. */
const tm_module_host *tm__user_module_host(void);

#endif
