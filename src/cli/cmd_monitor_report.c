/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor report`: how a model fares by its log, in words, as an object and as a page. */
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/monitor_report.h"
#include "cli/page_priv.h"

#define PAGE_MAX ((size_t)1 << 28)
#define MONTH_US (INT64_C(30) * 24 * 3600 * 1000000)

static tm_status save(tm_cli *cli, const json_t *report, tm_err *err) {
    const char *path = tm__cli_text(cli, "out");
    tm_buf page;
    if (path == NULL) {
        return TM_OK;
    }
    tm__buf_init(&page, PAGE_MAX);
    tm__monitor_page(report, &page);
    const tm_status st = tm__page_save(cli, path, &page, err);
    tm__buf_done(&page);
    return st;
}

static tm_status say(tm_cli *cli, json_t *report, tm_err *err) {
    TM_TRY(save(cli, report, err));
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.monitor_report/1", report);
    } else {
        tm__monitor_words_print(cli, report);
    }
    return TM_OK;
}

static tm_status read_options(const tm_cli *cli, tm_monitor_report_options *out, tm_err *err) {
    const bool is_by_row = tm__cli_flag(cli, "by-row");
    *out = (tm_monitor_report_options){
        .is_version = strchr(tm__cli_arg(cli, "MODEL"), '@') != NULL,
        .live = {.from_us = is_by_row ? INT64_MIN : tm__now_us() - MONTH_US,
                 .until_us = INT64_MAX,
                 .window_us = tm__cli_duration_us(cli, "window"),
                 .is_by_row = is_by_row}};
    TM_TRY(tm__cli_when(cli, "since", &out->live.from_us, err));
    TM_TRY(tm__cli_when(cli, "until", &out->live.until_us, err));
    if (tm__cli_has(cli, "window") && out->live.window_us <= 0) {
        return TM_FAIL(err, TM_E_USAGE, "--window must be over 0");
    }
    return out->live.until_us > out->live.from_us
               ? TM_OK
               : TM_FAIL(err, TM_E_USAGE, "--until is not after --since");
}

tm_status cmd_monitor_report(tm_cli *cli, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    tm_monitor_report_options options;
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_monitor *monitor = NULL;
    json_t *report = NULL;
    TM_TRY(read_options(cli, &options, err));
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        st = tm__monitor_open(place.home, &reading, &monitor, err);
    }
    if (st == TM_OK) {
        st = tm__monitor_report_make(&ctx, &place, monitor, &options, &report, err);
    }
    if (st == TM_OK) {
        st = say(cli, report, err);
    }
    json_decref(report);
    tm__monitor_close(monitor);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
