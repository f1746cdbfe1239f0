/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of tidemill.yaml as a patch, made by the places of its nodes: comments, order and what
 * is not changed stay to the byte. Writes nothing.
 */
#ifndef TM_CLI_PROJECT_PATCH_H
#define TM_CLI_PROJECT_PATCH_H

#include "base/buf.h"
#include "base/json.h"

/* A key of a model, or of a map that is a key of it. */
typedef struct tm_project_change {
    const char *map; /* "retrain", made when it is missing; NULL: the model's own */
    const char *key;
    const char *value; /* as YAML on one line; NULL: the key goes */
} tm_project_change;

/**
 * Append a unified diff of the file that makes the changes, which `git apply` and `patch -p1` take
 * in the folder that path is relative to.
 *
 * Errors:  TM_E_NOT_FOUND (the file has no such model), TM_E_UNSUPPORTED (it is an alias, or
 *          a key of it has no value), those of
 *          tm__project_parse() for what would come of it, TM_E_NOMEM.
 * Threads: any.
 */
TM_NODISCARD tm_status tm__project_patch(const char *path, const char *model,
                                         const tm_project_change *changes, uint32_t n_changes,
                                         tm_buf *out, tm_err *err);

#endif
