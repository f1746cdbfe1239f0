/* SPDX-License-Identifier: Apache-2.0 */
/* `data replay`: rows in quarantine are read again, or forgotten. */
#include <string.h>

#include "cli/audit_note.h"
#include "cli/choice.h"
#include "cli/cli.h"
#include "source/intake.h"
#include "store/home.h"

/* Numbers are "7", "7-" or "7-20". */
tm_status tm__cli_choice(tm_cli *cli, tm_intake_choice *out, tm_err *err) {
    const char *text = tm__cli_text(cli, "numbers");
    *out = (tm_intake_choice){.reason = tm__cli_text(cli, "reason")};
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

/* Rows of the file that are still bad, each with its place. */
static void print_left(tm_cli *cli, const tm_intake_replay *what, const json_t *left) {
    size_t i = 0;
    const json_t *row = NULL;
    json_array_foreach(left, i, row) {
        const char *column = tm__json_text(row, "column", "");
        tm__cli_print(cli, "%s:%lld: number %lld%s%s: %s: %s\n", what->file,
                      (long long)tm__json_i64(row, "line", 0),
                      (long long)tm__json_i64(row, "number", 0),
                      column[0] == '\0' ? "" : ", column ", column,
                      tm__json_text(row, "reason", ""), tm__json_text(row, "detail", ""));
    }
}

static void print_done(tm_cli *cli, const char *name, const tm_intake_replay *what,
                       const tm_intake_replayed *done) {
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "schema", "tidemill.data.replay/1",
                      "source", name, "accepted", (json_int_t)done->accepted, "duplicates",
                      (json_int_t)done->duplicates, "quarantined", (json_int_t)done->bad, "dropped",
                      (json_int_t)done->dropped, "gone", (json_int_t)done->gone);
        if (what->file != NULL) {
            json_object_set(result, "still_bad", done->left);
        }
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (what->drop) {
        tm__cli_print(cli, "%llu rows are dropped\n", (unsigned long long)done->dropped);
    } else {
        tm__cli_print(cli, "%llu rows accepted, %llu duplicates, %llu stay in quarantine\n",
                      (unsigned long long)done->accepted, (unsigned long long)done->duplicates,
                      (unsigned long long)done->bad);
        print_left(cli, what, done->left);
        if (done->gone > 0) {
            tm__cli_print(cli, "%llu lines are of rows that are not in quarantine (any more)\n",
                          (unsigned long long)done->gone);
        }
    }
}

static tm_status note(tm_cli *cli, const tm_home *home, const char *name,
                      const tm_intake_replay *what, const tm_intake_replayed *done, tm_err *err) {
    const tm_cli_deed deed = {.event = what->drop ? "source.dropped" : "source.replayed",
                              .kind = "source",
                              .name = name,
                              .details = json_pack("{s:I, s:I, s:I}", "accepted",
                                                   (json_int_t)done->accepted, "quarantined",
                                                   (json_int_t)done->bad, "dropped",
                                                   (json_int_t)done->dropped)};
    tm__cli_did(cli, "%llu rows of '%s' are %s",
                (unsigned long long)(what->drop ? done->dropped : done->accepted), name,
                what->drop ? "dropped" : "accepted");
    return tm__cli_audit(home, &deed, err);
}

tm_status cmd_data_replay(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    tm_intake_replayed done = {0};
    const char *name = tm__cli_arg(cli, "NAME");
    tm_intake_replay what = {.drop = tm__cli_flag(cli, "drop"), .file = tm__cli_text(cli, "file")};
    if (what.file != NULL &&
        (what.drop || tm__cli_has(cli, "numbers") || tm__cli_has(cli, "reason"))) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--file says itself which rows it is about");
        tm_err_hint(err, "Give --file alone.");
        return st;
    }
    TM_TRY(tm__cli_choice(cli, &what.choice, err));
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = tm__intake_replay(home, name, &what, &done, err);
    st = st == TM_OK ? note(cli, home, name, &what, &done, err) : st;
    tm__home_close(home);
    if (st == TM_OK) {
        print_done(cli, name, &what, &done);
    }
    json_decref(done.left);
    return st;
}

void tm__bad_row_print(tm_cli *cli, const json_t *row) {
    const char *column = tm__json_text(row, "column", "");
    const char *bytes = tm__json_text(row, "bytes", NULL);
    const char *origin = tm__json_text(row, "origin", "");
    tm__cli_print(cli, "%lld: %.19s, %s%srow %lld%s%s\n    %s: %s\n",
                  (long long)tm__json_i64(row, "number", 0), tm__json_text(row, "at", ""), origin,
                  origin[0] == '\0' ? "" : ", ", (long long)tm__json_i64(row, "row", 0),
                  column[0] == '\0' ? "" : ", column ", column, tm__json_text(row, "reason", ""),
                  tm__json_text(row, "detail", ""));
    if (bytes != NULL) {
        tm__cli_print(cli, "    %.200s\n", bytes);
    }
}
