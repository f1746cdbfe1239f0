/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "cli/doctor.h"

static const char *const state_words[] = {"ok", "warn", "bad"};

static uint32_t count(const tm_checks *checks, tm_check_state state) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < checks->n; i++) {
        n += checks->list[i].state == state;
    }
    return n;
}

static json_t *checks_json(const tm_checks *checks) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < checks->n; i++) {
        const tm_check *check = &checks->list[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:s, s:s?}", "name", check->name,
                                              "state", state_words[check->state], "ok",
                                              check->state != TM_CHECK_BAD, "found", check->found,
                                              "advice",
                                              check->state == TM_CHECK_OK ? NULL : check->advice));
    }
    return json_pack("{s:s, s:b, s:i, s:i, s:o}", "schema", "tidemill.doctor/1", "ok",
                     count(checks, TM_CHECK_BAD) == 0, "warnings",
                     (int)count(checks, TM_CHECK_WARN), "bad", (int)count(checks, TM_CHECK_BAD),
                     "checks", list);
}

tm_status cmd_doctor(tm_cli *cli, tm_err *err) {
    tm_checks checks = {.n = 0};
    tm__check_machine(&checks);
    tm__check_place(&checks, cli->home);
    tm__check_home(&checks, cli->home);
    tm__check_libraries(&checks);
    if (tm__cli_text(cli, "advisories") != NULL) {
        TM_TRY(tm__check_advisories(&checks, tm__cli_text(cli, "advisories"), err));
    }
    TM_TRY(tm__json_check(err));
    if (cli->json) {
        json_t *value = checks_json(&checks);
        if (value == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        tm__cli_print_json(cli, value);
        json_decref(value);
    }
    for (uint32_t i = 0; i < checks.n; i++) {
        const tm_check *check = &checks.list[i];
        tm__cli_print(cli, "%-4s %-13s %s\n", state_words[check->state], check->name, check->found);
        if (check->state != TM_CHECK_OK) {
            tm__cli_print(cli, "     %-13s %s\n", "", check->advice);
        }
    }
    const uint32_t n_bad = count(&checks, TM_CHECK_BAD);
    return n_bad == 0 ? TM_OK
                      : TM_FAIL(err, TM_E_REFUSED, "%u of %u checks failed", n_bad, checks.n);
}
