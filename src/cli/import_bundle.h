/* SPDX-License-Identifier: Apache-2.0 */
/* `model import` of a file that `model export` wrote. */
#ifndef TM_CLI_IMPORT_BUNDLE_H
#define TM_CLI_IMPORT_BUNDLE_H

#include "cli/cli.h"

/** True for bytes that begin as a bundle does. */
bool tm__import_is_bundle(const tm_buf *file);
/**
 * Register a bundle of a trusted signer as a version, once it answers its golden rows here as it
 * did there, and ask the model's own gate.
 *
 * Errors:  TM_E_INTEGRITY (damaged, or it answers otherwise), TM_E_NOT_ALLOWED (not signed, or by
 *          nobody who is trusted): nothing is registered. TM_E_REFUSED: it is, and the gate
 * refuses. Threads: one caller.
 */
TM_NODISCARD tm_status tm__import_bundle(tm_cli *cli, const tm_buf *file, tm_err *err);

#endif
