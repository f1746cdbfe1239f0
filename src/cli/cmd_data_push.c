/* SPDX-License-Identifier: Apache-2.0 */
/* `data push`: rows of a file or of standard input into a source that takes pushes. */
#include <string.h>

#include "base/fs.h"
#include "base/net.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "source/push_file.h"
#include "store/home.h"

#define STDIN_FD 0

static void print_done(tm_cli *cli, const tm_push_file *file, const tm_push_file_result *done) {
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:s, s:I, s:I, s:I}", "schema", "tidemill.data.push/1", "source",
                      file->source, "accepted", (json_int_t)done->accepted, "duplicates",
                      (json_int_t)done->duplicates, "quarantined", (json_int_t)done->quarantined);
        if (done->dropped > 0) {
            json_object_set_new(result, "dropped", json_integer((json_int_t)done->dropped));
        }
        tm__cli_print_json(cli, result);
        json_decref(result);
        return;
    }
    char accepted[32], duplicates[32], quarantined[32];
    tm__cli_print(cli, "%s rows accepted, %s duplicates, %s quarantined\n",
                  tm__count_text((int64_t)done->accepted, accepted),
                  tm__count_text((int64_t)done->duplicates, duplicates),
                  tm__count_text((int64_t)done->quarantined, quarantined));
    if (done->n_repeats > 0) {
        tm__cli_note(cli, "%llu of %llu pieces were taken before, with the same key",
                     (unsigned long long)done->n_repeats, (unsigned long long)done->n_pieces);
    }
    if (done->quarantined > 0) {
        tm__cli_note(cli, "'tidemill data quarantine %s' says what is wrong with them",
                     file->source);
    }
    if (done->dropped > 0) {
        tm__cli_warn(cli, "%llu bad rows were dropped: the quarantine of '%s' is full",
                     (unsigned long long)done->dropped, file->source);
    }
}

/* What is durable although the rest failed, and how the rest comes. */
static void warn_partial(tm_cli *cli, const tm_push_file *file, const tm_push_file_result *done) {
    if (done->n_pieces == 0) {
        return;
    }
    tm__cli_warn(cli,
                 "%s 1 to %llu of '%s' are taken: %llu accepted, %llu duplicates, %llu "
                 "quarantined; %s",
                 done->is_table ? "rows" : "lines", (unsigned long long)done->n_lines, file->shown,
                 (unsigned long long)done->accepted, (unsigned long long)done->duplicates,
                 (unsigned long long)done->quarantined,
                 file->key != NULL ? "the same command again goes on behind them"
                                   : "push only what comes behind them");
}

/* What was taken is noted also when the rest failed. */
static tm_status note(tm_cli *cli, const tm_home *home, const tm_push_file *file,
                      const tm_push_file_result *done, tm_err *err) {
    const tm_cli_deed deed = {.event = "source.pushed",
                              .kind = "source",
                              .name = file->source,
                              .details = json_pack("{s:I}", "rows", (json_int_t)done->accepted)};
    tm__cli_did(cli, "%llu rows are taken", (unsigned long long)done->accepted);
    return tm__cli_audit(home, &deed, err);
}

tm_status cmd_data_push(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    tm_push_file_result done = {0};
    const char *const path = tm__cli_arg(cli, "FILE");
    const bool is_stdin = path == NULL || strcmp(path, "-") == 0;
    tm_push_file file = {.source = tm__cli_arg(cli, "NAME"),
                         .path = is_stdin ? "/dev/stdin" : path,
                         .shown = is_stdin ? "standard input" : path,
                         .key = tm__cli_text(cli, "idempotency-key")};
    file.is_stream = is_stdin || tm__fs_info(path).kind == TM_PATH_OTHER;
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK) {
        if (is_stdin && tm__tty_is(STDIN_FD)) {
            tm__cli_note(cli, "rows are read from the terminal; Ctrl-D ends them");
        }
        st = tm__push_file(&ctx, home, &file, &done, err);
        if (done.accepted > 0) {
            const tm_status noted = note(cli, home, &file, &done, st == TM_OK ? err : NULL);
            st = st == TM_OK ? noted : st;
        }
        if (st == TM_OK) {
            print_done(cli, &file, &done);
        } else {
            warn_partial(cli, &file, &done);
        }
    }
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}
