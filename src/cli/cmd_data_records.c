/* SPDX-License-Identifier: Apache-2.0 */
/* `data records`: records of processing, as text, JSON or a Markdown file. */
#include "base/fs.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/records_text.h"
#include "loop/processing.h"

#define BYTES_MAX ((size_t)256 << 20)

static tm_status show(tm_cli *cli, json_t *records, tm_err *err) {
    const char *const path = tm__cli_text(cli, "out");
    tm_buf text;
    tm__buf_init(&text, BYTES_MAX);
    tm__records_text(records, &text);
    tm_status st =
        tm__buf_byte(&text, '\0') ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "no memory for the records");
    if (st == TM_OK && path != NULL) {
        st = tm__fs_publish(path, text.data, text.len - 1, err);
    }
    if (st == TM_OK && path != NULL) {
        tm__cli_did(cli, "the records are in '%.100s'", path);
        tm__cli_note(cli, "the records are in '%s'", path);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "%s", (const char *)text.data);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.data.records/1", records);
    }
    tm__buf_done(&text);
    return st;
}

static tm_status run(tm_cli *cli, tm_ctx *ctx, const tm_place *place, tm_err *err) {
    json_t *records = NULL;
    TM_TRY(tm__processing(ctx, place->home, place->registry, &records, err));
    const tm_cli_deed deed = {
        .event = "records.made",
        .kind = "records",
        .details = json_pack("{s:I}", "data",
                             (json_int_t)json_array_size(json_object_get(records, "data")))};
    tm_status st = tm__cli_audit(place->home, &deed, err);
    st = st == TM_OK ? show(cli, records, err) : st;
    json_decref(records);
    return st;
}

tm_status cmd_data_records(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    st = st == TM_OK ? tm__place_open(cli, false, &place, err) : st;
    st = st == TM_OK ? run(cli, &ctx, &place, err) : st;
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}
