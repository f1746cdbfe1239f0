/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile_policies.h"

#include <string.h>

#include "base/limits.h"
#include "source/intake.h"

/* As a source has it; NULL: it has no such column. */
static const json_t *column_of(const json_t *source, const char *name) {
    size_t i = 0;
    const json_t *column = NULL;
    json_array_foreach(json_object_get(source, "columns"), i, column) {
        if (strcmp(tm__json_text(column, "name", ""), name) == 0) {
            return column;
        }
    }
    return NULL;
}

static void settle(const json_t *source, const json_t *column) {
    const char *const name = tm__json_text(column, "name", "");
    json_t *const personal = json_object_get(column, "personal");
    const char *const declared = tm__json_text(column_of(source, name), "policy", NULL);
    if (personal == NULL) {
        return;
    }
    if (declared != NULL) {
        json_object_set_new(personal, "declared", json_string(declared));
        json_object_set_new(personal, "policy", json_null());
    } else if (tm__json_has_text(json_object_get(source, "key"), name)) {
        json_object_set_new(personal, "policy", json_string("pseudonym"));
    }
}

tm_status tm__profile_policies_declared(const tm_home *home, const char *source, json_t *profile,
                                        tm_err *err) {
    json_t *shown = NULL;
    size_t i = 0;
    const json_t *column = NULL;
    TM_TRY(tm__intake_show(home, source, &shown, err));
    json_array_foreach(json_object_get(profile, "columns"), i, column) {
        settle(shown, column);
    }
    json_decref(shown);
    return tm__json_check(err);
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"

/* A name as YAML has it: one that may be something else stands in quotes, as JSON has them. */
static void print_name(tm_cli *cli, const char *name) {
    const bool is_plain =
        strspn(name, LETTERS) > 0 && strspn(name, LETTERS "0123456789") == strlen(name);
    tm_buf quoted;
    tm__buf_init(&quoted, 8 * TM_MAX_COLUMN_NAME);
    if (!is_plain && tm__json_write_text(&quoted, tm__str(name))) {
        tm__cli_print(cli, "      %.*s: ", (int)quoted.len, (const char *)quoted.data);
    } else {
        tm__cli_print(cli, "      %s: ", name);
    }
    tm__buf_done(&quoted);
}

void tm__profile_policies_print(tm_cli *cli, const json_t *profile) {
    bool is_first = true;
    size_t i = 0;
    const json_t *column = NULL;
    json_array_foreach(json_object_get(profile, "columns"), i, column) {
        const json_t *const personal = json_object_get(column, "personal");
        const char *const policy = tm__json_text(personal, "policy", NULL);
        if (policy == NULL) {
            continue;
        }
        if (is_first) {
            tm__cli_print(cli, "\nproposed for the source in tidemill.yaml, before its first row:\n"
                               "    columns:\n");
        }
        is_first = false;
        print_name(cli, tm__json_text(column, "name", ""));
        tm__cli_print(cli, strchr(policy, ':') == NULL ? "{policy: %s}" : "{policy: \"%s\"}",
                      policy);
        tm__cli_print(cli, "  # %s\n", tm__json_text(personal, "what", ""));
    }
}
