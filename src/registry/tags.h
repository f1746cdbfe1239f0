/* SPDX-License-Identifier: Apache-2.0 */
/* What people say of versions: tags, which may change, and notes, which only follow one another.
 * Both are in the history; a version with a tag is never collected. Threads as registry.h. */
#ifndef TM_REGISTRY_TAGS_H
#define TM_REGISTRY_TAGS_H

#include "registry/registry.h"

#define TM_TAGS_MAX 64u /* of one version */
#define TM_TAG_NAME_MAX 64u
#define TM_TAG_VALUE_MAX 256u
#define TM_NOTE_BYTES_MAX 4096u

/**
 * Change tags of a version and note something of it, in one transaction.
 *
 * changes  {NAME: VALUE, or null to take it off}; NULL or empty: none.
 * note     NULL: none.
 *
 * Owns:    keeps nothing of its arguments.
 * Errors:  TM_E_USAGE (a name, value or note that is none), TM_E_LIMIT (too many), TM_E_NOT_FOUND
 *          (to take off what is not there); nothing has changed then.
 * Threads: owner thread.
 */
TM_NODISCARD tm_status tm__registry_tag(tm_registry *registry, const tm_version *version,
                                        const json_t *changes, const char *note,
                                        const tm_actor *actor, tm_err *err);
/** {NAME: VALUE} of a version. New reference. */
TM_NODISCARD tm_status tm__registry_tags(tm_registry *registry, const tm_version *version,
                                         json_t **out, tm_err *err);
/** [{"at","actor","text"}] of a version, oldest first. New reference. */
TM_NODISCARD tm_status tm__registry_notes(tm_registry *registry, const tm_version *version,
                                          json_t **out, tm_err *err);

#endif
