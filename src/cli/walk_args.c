/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/walk_args.h"

#include <string.h>

tm_status tm__walk_args_open(tm_cli *cli, tm_walk_args *out, tm_err *err) {
    static const tm_monitor_options reading = {.can_write = false};
    const char *const name = tm__cli_arg(cli, "MODEL");
    tm_walk_options *const options = &out->options;
    *out = (tm_walk_args){.options = {.from_us = INT64_MIN, .until_us = INT64_MAX}};
    TM_TRY(tm__cli_when(cli, "since", &options->from_us, err));
    TM_TRY(tm__cli_when(cli, "until", &options->until_us, err));
    if (options->until_us <= options->from_us) {
        return TM_FAIL(err, TM_E_USAGE, "--until is not after --since");
    }
    TM_TRY(tm__place_open_version(cli, name, &out->place, err));
    options->model = out->place.version.model;
    options->version = strchr(name, '@') != NULL ? out->place.version.number : 0;
    return tm__monitor_open(out->place.home, &reading, &out->monitor, err);
}

void tm__walk_args_close(tm_walk_args *args) {
    tm__monitor_close(args->monitor);
    tm__place_close(&args->place);
}
