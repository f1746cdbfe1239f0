/* SPDX-License-Identifier: Apache-2.0 */
/* What a command did, in the audit chain: after it is done, before it is told. One owner thread. */
#ifndef TM_CLI_AUDIT_NOTE_H
#define TM_CLI_AUDIT_NOTE_H

#include "cli/cli.h"
#include "registry/chain.h"

/* One thing that a command did. */
typedef struct tm_cli_deed {
    const char *event; /* "source.added" */
    const char *kind;  /* of its object: "source" */
    const char *name;  /* of its object: "flights"; NULL: the kind stands alone */
    const char *model; /* NULL: none */
    tm_str subject_id; /* whose data it was; empty: nobody's alone */
    json_t *details;   /* taken over; NULL: none */
} tm_cli_deed;

/** Append it to the chain of a home, by the user who runs the command. An error leaves done what
 * was done: call tm__cli_did() before. */
TM_NODISCARD tm_status tm__cli_audit(const tm_home *home, const tm_cli_deed *deed, tm_err *err);

#endif
