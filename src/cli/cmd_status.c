/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/net.h"
#include "cli/cli.h"
#include "cli/status_read.h"

#define FREE_WIDTH 160u /* where no terminal cuts lines */
#define TEXT_BYTES_MAX ((size_t)16 << 20)

static tm_status print_words(tm_cli *cli, const json_t *status, tm_err *err) {
    const bool is_tty = tm__tty_is(1);
    const tm_status_screen screen = {.width = is_tty ? tm__tty_width(1) : FREE_WIDTH,
                                     .height = is_tty ? tm__tty_height(1) : 0};
    tm_buf text;
    tm__buf_init(&text, TEXT_BYTES_MAX);
    tm__status_words(status, &screen, &text);
    const tm_status st = text.failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    if (st == TM_OK) {
        tm__cli_print(cli, "%s", (const char *)text.data);
    }
    tm__buf_done(&text);
    return st;
}

tm_status cmd_status(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *status = NULL;
    TM_TRY(tm__place_open_known(cli, &place, err));
    tm_status st = tm__status_read(&place, tm__now_us(), &status, err);
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.status/1", status);
    } else if (st == TM_OK) {
        st = print_words(cli, status, err);
    }
    json_decref(status);
    tm__place_close(&place);
    return st;
}
