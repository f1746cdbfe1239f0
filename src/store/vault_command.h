/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that a command says: command:["/usr/bin/kms","show","tidemill"]. It prints keys, one a line:
 * the one that seals, then earlier ones that still open. */
#ifndef TM_STORE_VAULT_COMMAND_H
#define TM_STORE_VAULT_COMMAND_H

#include "base/json.h"
#include "guard/seal.h"

/** Whether a text is such a source: a list of at most 16 texts, the first a path from the root. */
bool tm__vault_is_command(const char *source);
/** The source of a list of words as a home writes it down; *out is NULL, and TM_OK, for words that
 * are none. The caller frees it. */
TM_NODISCARD tm_status tm__vault_command_source(const json_t *words, char **out, tm_err *err);
/* Which of the keys that a command says. */
typedef struct tm_command_ask {
    const char *id; /* as text; NULL: the one that seals */
    bool renews;    /* run it again when it did not say this one */
} tm_command_ask;
/**
 * A key of a command, which is run once a process (base/kept_secret.h).
 *
 * Errors: those of tm__kept_secret(); TM_E_DATA: it says something else than keys; TM_E_NOT_FOUND:
 *         it does not say this one. Never what it said. Threads: any.
 */
TM_NODISCARD tm_status tm__vault_command_key(const char *source, const tm_command_ask *ask,
                                             tm_envelope_key *out, tm_err *err);

#endif
