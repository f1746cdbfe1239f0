/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose versions a home takes, and the key that signs its own when they leave it. The own key is
 * made on first need, in a file of the home (0600); its versions are always taken. Each change is
 * in the history. Threads as registry.h.
 */
#ifndef TM_REGISTRY_TRUST_H
#define TM_REGISTRY_TRUST_H

#include "guard/sign.h"
#include "registry/registry.h"

/** The home's own signing key; made, with its file, when there is none. TM_E_INTEGRITY when the
 * file holds none. End it with tm__signing_key_done(). */
TM_NODISCARD tm_status tm__trust_own(tm_registry *registry, tm_signing_key *out, tm_err *err);
/** Its public part, when a home's folder has one; makes nothing. */
TM_NODISCARD tm_status tm__trust_own_find(const char *home, tm_public_key *out, bool *out_has,
                                          tm_err *err);
/** Take versions of a signer from now on. name: one line, what people call it. TM_E_CONFLICT when
 * it is trusted already, TM_E_USAGE for a name that is none. */
TM_NODISCARD tm_status tm__trust_add(tm_registry *registry, const tm_public_key *key,
                                     const char *name, const tm_actor *actor, tm_err *err);
/** Take none any more; what was imported stays. TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__trust_remove(tm_registry *registry, const tm_public_key *key,
                                        const tm_actor *actor, tm_err *err);
/** [{"key","name","added"}] by name. New reference. */
TM_NODISCARD tm_status tm__trust_list(tm_registry *registry, json_t **out, tm_err *err);
/** TM_E_NOT_ALLOWED unless the signer (NULL: there is none) is trusted, or is this home itself. */
TM_NODISCARD tm_status tm__trust_check(tm_registry *registry, const tm_public_key *signer,
                                       tm_err *err);

#endif
