/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

#include "base/buf.h"

tm_status cmd_completion(tm_cli *cli, tm_err *err) {
    tm_buf text;
    tm_status st = TM_OK;
    tm__buf_init(&text, 4u << 20);
    if (!tm__completion_write(tm__cli_arg(cli, "SHELL"), &text)) {
        st = TM_FAIL(err, TM_E_USAGE, "no completion for shell '%s'", tm__cli_arg(cli, "SHELL"));
        tm_err_hint(err, "Choose bash, zsh or fish.");
    } else if (text.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    } else {
        fwrite(text.data, 1, text.len, stdout);
    }
    tm__buf_done(&text);
    return st;
}
