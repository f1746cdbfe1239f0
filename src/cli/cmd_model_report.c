/* SPDX-License-Identifier: Apache-2.0 */
/* `model report`: a version on the rows that it was tested on, or on others, in words, as a page
 * and as a card. */
#include "cli/cli.h"
#include "cli/history.h"
#include "cli/model_args.h"
#include "cli/page_priv.h"
#include "cli/report_card.h"
#include "cli/report_make.h"
#include "cli/report_page.h"
#include "cli/report_words.h"

#define PAGE_MAX ((size_t)1 << 28)

static tm_status save(tm_cli *cli, const char *path, const json_t *report,
                      void (*form)(const json_t *report, tm_buf *out), tm_err *err) {
    tm_buf text;
    if (path == NULL) {
        return TM_OK;
    }
    tm__buf_init(&text, PAGE_MAX);
    form(report, &text);
    const tm_status st = tm__page_save(cli, path, &text, err);
    tm__buf_done(&text);
    return st;
}

static tm_status say(tm_cli *cli, json_t *report, tm_err *err) {
    TM_TRY(save(cli, tm__cli_text(cli, "html"), report, tm__report_page, err));
    TM_TRY(save(cli, tm__cli_text(cli, "card"), report, tm__report_card, err));
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.report/1", report);
    } else {
        tm__report_words_print(cli, report);
    }
    return TM_OK;
}

static tm_status read_rows(tm_cli *cli, tm_ctx *ctx, const tm_place *place, tm_table **out,
                           tm_err *err) {
    const char *path = tm__cli_arg(cli, "DATA");
    const bool is_given = path != NULL || tm__cli_has(cli, "sql");
    if (!is_given && tm__cli_has_history(cli)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a history is for rows that are given");
        tm_err_hint(err, "Without DATA the rows are those it was tested on, with their own.");
        return st;
    }
    return is_given ? tm__cli_read_wide(cli, ctx, place, path, out, err) : TM_OK;
}

tm_status cmd_model_report(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_table *rows = NULL;
    json_t *report = NULL;
    const tm_report_options options = {.group = tm__cli_text(cli, "group"),
                                       .against = tm__cli_text(cli, "against"),
                                       .seed = (uint64_t)tm__cli_i64(cli, "seed")};
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__place_open_version(cli, tm__cli_arg(cli, "MODEL"), &place, err);
    }
    if (st == TM_OK) {
        st = read_rows(cli, &ctx, &place, &rows, err);
    }
    if (st == TM_OK) {
        st = tm__report_make(&ctx, &place, rows, &options, &report, err);
    }
    if (st == TM_OK) {
        st = say(cli, report, err);
    }
    json_decref(report);
    tm__table_unref(rows);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
