/* SPDX-License-Identifier: Apache-2.0 */
/* `data replay`: rows in quarantine are read again, or forgotten. */
#include <string.h>

#include "cli/cli.h"
#include "source/intake.h"
#include "store/home.h"

/* "7", "7-" or "7-20". */
static tm_status read_numbers(tm_cli *cli, tm_intake_replay *out, tm_err *err) {
    const char *text = tm__cli_text(cli, "numbers");
    if (text == NULL) {
        return TM_OK;
    }
    tm_str rest = tm__str(text);
    const bool is_range = strchr(text, '-') != NULL;
    const tm_str first = tm__str_cut(&rest, '-');
    const bool is_good = tm__str_to_i64(first, &out->first) && out->first > 0 &&
                         (rest.len == 0 || tm__str_to_i64(rest, &out->last));
    out->last = is_range ? out->last : out->first;
    if (!is_good || (out->last != 0 && out->last < out->first)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' are no numbers of rows", text);
        tm_err_hint(err, "Write --numbers 7, 7-20 or 7-.");
        return st;
    }
    return TM_OK;
}

tm_status cmd_data_replay(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    tm_intake_replayed done = {0};
    const char *name = tm__cli_arg(cli, "NAME");
    tm_intake_replay what = {.reason = tm__cli_text(cli, "reason"),
                             .drop = tm__cli_flag(cli, "drop")};
    TM_TRY(read_numbers(cli, &what, err));
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_status st = tm__intake_replay(home, name, &what, &done, err);
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result = json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I}", "schema", "tidemill.data.replay/1", "source", name,
            "accepted", (json_int_t)done.accepted, "duplicates", (json_int_t)done.duplicates,
            "quarantined", (json_int_t)done.bad, "dropped", (json_int_t)done.dropped);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (what.drop) {
        tm__cli_print(cli, "%llu rows are dropped\n", (unsigned long long)done.dropped);
    } else {
        tm__cli_print(cli, "%llu rows accepted, %llu duplicates, %llu stay in quarantine\n",
                      (unsigned long long)done.accepted, (unsigned long long)done.duplicates,
                      (unsigned long long)done.bad);
    }
    return TM_OK;
}
