/* SPDX-License-Identifier: Apache-2.0 */
/* `data quarantine`: what is in quarantine, counted, and written out to be mended. */
#include <stdio.h>
#include <string.h>

#include "cli/audit_note.h"
#include "cli/choice.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "source/intake.h"
#include "store/home.h"

/* "row 3 (7), row 9 (12)": places and numbers. */
static void places_text(const json_t *examples, char *out, size_t size) {
    size_t i = 0, len = 0;
    const json_t *e = NULL;
    out[0] = '\0';
    json_array_foreach(examples, i, e) {
        char one[64];
        (void)snprintf(one, sizeof(one), "%s%lld (%lld)", i == 0 ? "" : ", ",
                       (long long)tm__json_i64(e, "row", 0),
                       (long long)tm__json_i64(e, "number", 0));
        (void)tm__str_copy(out + len, size - len, tm__str(one));
        len += strlen(out + len);
    }
}

static void print_groups(tm_cli *cli, const json_t *groups) {
    const char *titles[] = {"reason", "column", "origin", "count", "first", "last", "row (number)"};
    char a[32], b[32];
    tm_cli_table out;
    size_t i = 0;
    const json_t *g = NULL;
    const int64_t n_left = tm__json_i64(groups, "groups_left_off", 0);
    tm__cli_print(cli, "%s rows in quarantine, %s bytes",
                  tm__count_text(tm__json_i64(groups, "quarantined", 0), a),
                  tm__count_text(tm__json_i64(groups, "bytes", 0), b));
    tm__cli_print(cli, "; it has room for %s rows and %s bytes\n",
                  tm__count_text(tm__json_i64(groups, "rows_max", 0), a),
                  tm__count_text(tm__json_i64(groups, "bytes_max", 0), b));
    if (tm__json_i64(groups, "dropped", 0) > 0) {
        tm__cli_print(cli, "%s more were dropped: there was no room for them\n",
                      tm__count_text(tm__json_i64(groups, "dropped", 0), a));
    }
    if (json_array_size(json_object_get(groups, "groups")) == 0) {
        return;
    }
    tm__cli_print(cli, "\n");
    tm__cli_table_init(&out, 7, titles);
    json_array_foreach(json_object_get(groups, "groups"), i, g) {
        char places[200];
        places_text(json_object_get(g, "examples"), places, sizeof(places));
        tm__cli_cell(&out, "%s", tm__json_text(g, "reason", ""));
        tm__cli_cell(&out, "%s", tm__json_text(g, "column", ""));
        tm__cli_cell(&out, "%s", tm__json_text(g, "origin", ""));
        tm__cli_cell(&out, "%s", tm__count_text(tm__json_i64(g, "count", 0), a));
        tm__cli_cell(&out, "%.19s", tm__json_text(g, "first_at", ""));
        tm__cli_cell(&out, "%.19s", tm__json_text(g, "last_at", ""));
        tm__cli_cell(&out, "%s", places);
    }
    tm__cli_table_print(cli, &out);
    if (n_left > 0) {
        tm__cli_print(cli, "... and %s groups more: choose with --reason or --numbers\n",
                      tm__count_text(n_left, a));
    }
}

static tm_status count(tm_cli *cli, const tm_home *home, const char *name,
                       const tm_intake_choice *choice, tm_err *err) {
    json_t *groups = NULL;
    TM_TRY(tm__intake_quarantine_groups(home, name, choice, &groups, err));
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.data.quarantine/1", groups);
    } else {
        print_groups(cli, groups);
    }
    json_decref(groups);
    return TM_OK;
}

/* Row by row; their bytes only for who asks. */
static tm_status list(tm_cli *cli, const tm_home *home, const char *name,
                      const tm_intake_choice *choice, tm_err *err) {
    json_t *rows = NULL;
    size_t i = 0;
    json_t *row = NULL;
    const uint32_t n_max = (uint32_t)tm__cli_i64(cli, "list");
    TM_TRY(tm__intake_quarantine(home, name, choice, n_max, &rows, err));
    json_array_foreach(rows, i, row) {
        if (!tm__cli_flag(cli, "show-values")) {
            json_object_del(row, "bytes");
        }
        if (!cli->json) {
            tm__bad_row_print(cli, row);
        }
    }
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:O}", "schema", "tidemill.data.quarantine/1",
                                   "source", name, "rows", rows);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    json_decref(rows);
    return TM_OK;
}

static tm_status write_out(tm_cli *cli, const tm_home *home, const char *name,
                           const tm_intake_choice *choice, tm_err *err) {
    const char *path = tm__cli_text(cli, "out");
    uint64_t n = 0;
    TM_TRY(tm__intake_quarantine_write(home, name, choice, path, &n, err));
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:I, s:s}", "schema", "tidemill.data.quarantine/1",
                                   "source", name, "written", (json_int_t)n, "path", path);
        tm__cli_print_json(cli, result);
        json_decref(result);
        return TM_OK;
    }
    tm__cli_print(
        cli, "%llu rows are in %s; mend them and give it to 'tidemill data replay %s --file %s'\n",
        (unsigned long long)n, path, name, path);
    return TM_OK;
}

/* Whoever sees values of rows is in the chain, before they are shown. */
static tm_status note(tm_cli *cli, const tm_home *home, const char *name, tm_err *err) {
    const bool has_values = tm__cli_has(cli, "out") || tm__cli_flag(cli, "show-values");
    const tm_cli_deed deed = {.event = "quarantine.read", .kind = "source", .name = name};
    return has_values ? tm__cli_audit(home, &deed, err) : TM_OK;
}

tm_status cmd_data_quarantine(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    tm_intake_choice choice = {0};
    const char *name = tm__cli_arg(cli, "NAME");
    TM_TRY(tm__cli_choice(cli, &choice, err));
    if (tm__cli_flag(cli, "show-values") && !tm__cli_has(cli, "list")) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--show-values goes with --list");
        tm_err_hint(err, "Counts have no values; '--list 10 --show-values' shows ten rows.");
        return st;
    }
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = note(cli, home, name, err);
    if (st == TM_OK) {
        st = tm__cli_has(cli, "out")    ? write_out(cli, home, name, &choice, err)
             : tm__cli_has(cli, "list") ? list(cli, home, name, &choice, err)
                                        : count(cli, home, name, &choice, err);
    }
    tm__home_close(home);
    return st;
}
