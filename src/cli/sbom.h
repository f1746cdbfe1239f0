/* SPDX-License-Identifier: Apache-2.0 */
/* Bills of materials as CycloneDX 1.6 JSON: of the program, and of one version of a model. They
 * hold no time and no number of their own, so that the same program gives the same bytes. Not for
 * what a model file needs to be read: docs/formats. */
#ifndef TM_CLI_SBOM_H
#define TM_CLI_SBOM_H

#include <jansson.h>

#include "tidemill/err.h"

/** The program and the libraries that it finds on this machine, with their versions; those opened
 * when first needed are "optional", and without a version when they are not here or do not tell it.
 * @param out  the caller's, ended by json_decref(); TM_E_NOMEM leaves it untouched. One caller. */
TM_NODISCARD tm_status tm__sbom_program(json_t **out, tm_err *err);
/** A version of a model: its file with its hash, the rows that it learned from, the recipe,
 * the modules that it needs, and the program that made it.
 * @param full  its record, as `model show --json` gives it
 * Same as tm__sbom_program() except that nothing of this machine is in it. */
TM_NODISCARD tm_status tm__sbom_version(const json_t *full, json_t **out, tm_err *err);

#endif
