/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/net.h"
#include "base/str.h"

tm_status cmd_help(tm_cli *cli, tm_err *err) {
    char name[96] = "";
    size_t len = 0;
    for (uint32_t i = 0; i < cli->n_args && len < sizeof(name); i++) {
        len += (size_t)snprintf(name + len, sizeof(name) - len, "%s%s", i > 0 ? " " : "",
                                cli->args[i]);
    }
    const bool is_params = strcmp(name, "params") == 0;
    if (is_params && cli->json) {
        json_t *params = tm__help_params_json();
        const tm_status checked = tm__json_check(err);
        if (checked == TM_OK) {
            tm__cli_print_json(cli, params);
        }
        json_decref(params);
        return checked;
    }
    const tm_command *command = tm__command_find(name);
    const uint32_t width = tm__tty_width(1);
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    tm_status st = TM_OK;
    if (is_params) {
        tm__help_params(width, &text);
    } else if (command != NULL) {
        tm__help_command(command, width, &text);
    } else {
        uint32_t n;
        const tm_command *all = tm__commands(&n);
        bool is_group = false;
        for (uint32_t i = 0; i < n; i++) {
            is_group = is_group || (strncmp(all[i].name, name, strlen(name)) == 0 &&
                                    all[i].name[strlen(name)] == ' ');
        }
        if (cli->n_args > 0 && !is_group) {
            st = tm__cli_unknown_command(name, err);
        } else {
            tm__help_list(cli->n_args > 0 ? name : NULL, width, &text);
        }
    }
    if (text.failed && st == TM_OK) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the help");
    }
    if (st == TM_OK && text.data != NULL) {
        fwrite(text.data, 1, text.len, stdout);
    }
    tm__buf_done(&text);
    return st;
}
