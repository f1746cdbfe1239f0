/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load that a gate asks for: `tidemill bench version` in a child with limits of memory and
 * time, so that a version that crashes, hangs or eats memory is refused, and nothing else happens.
 */
#ifndef TM_CLI_GATE_LOAD_H
#define TM_CLI_GATE_LOAD_H

#include "base/proc.h"
#include "cli/cli.h"
#include "loop/loop.h"

typedef struct tm_gate_load {
    tm_supervisor *supervisor; /* NULL: no gate asks for a load */
    tm_load_tester tester;
} tm_gate_load;

/** Be ready when the gate of a model asks for a load, or (model NULL) whatever it asks. Before the
 * first thread. */
TM_NODISCARD tm_status tm__gate_load_open(const tm_cli *cli, const char *model, tm_gate_load *out,
                                          tm_err *err);
/** For tm__loop_judge() and its like, once it is open; the load stays where it is meanwhile. */
const tm_load_tester *tm__gate_load_tester(const tm_gate_load *load);
void tm__gate_load_close(tm_gate_load *load);

#endif
