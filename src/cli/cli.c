/* SPDX-License-Identifier: Apache-2.0 */
/* From argv to an exit code. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/net.h"
#include "base/simd.h"
#include "cli/module_check.h"
#include "cli/modules.h"
#include "source/parquet_rows.h"

static void text_print(tm_cli *cli, FILE *stream, tm_buf *text) {
    cli->is_cut = text->failed;
    if (text->data != NULL && !text->failed) {
        fwrite(text->data, 1, text->len, stream);
    }
    tm__buf_done(text);
}

/* Help that was asked for goes to stdout and is a success; help in place of a command is not. */
static int help_print(tm_cli *cli, bool is_asked) {
    tm_buf text;
    tm__buf_init(&text, 1u << 20);
    const uint32_t width = tm__tty_width(1);
    if (cli->command != NULL) {
        tm__help_command(cli->command, width, &text);
    } else if (cli->n_args > 0) {
        tm__help_list(cli->args[0], width, &text);
    } else if (is_asked) {
        tm__help_list(NULL, width, &text);
    } else {
        tm__help_short(&text);
    }
    text_print(cli, is_asked ? stdout : stderr, &text);
    return is_asked ? 0 : (int)tm_status_exit(TM_E_USAGE);
}

/* An error on the command line is printed as asked for even when --json stands behind it. */
static bool wants_json(int argc, const char *const *argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            return true;
        }
    }
    return false;
}

/* A result that could not be made or written as a whole is no success. */
static tm_status output_flush(const tm_cli *cli, tm_err *err) {
    if (cli->is_cut || !tm__json_is_whole()) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory: the result is not shown as a whole");
    }
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        return TM_FAIL(err, TM_E_IO, "cannot write to stdout: %s", strerror(errno));
    }
    return TM_OK;
}

int tm__cli_main(int argc, const char *const *argv) {
    tm_cli cli = {0};
    tm_err err = {0};
    int code = 0;
    tm__json_reset();
    if (argc == 5 && strcmp(argv[1], TM_PARQUET_CHILD) == 0) {
        return tm__parquet_child(argv + 2); /* of our own server */
    }
    if (argc >= 4 && strcmp(argv[1], TM_MODULE_CHILD) == 0) {
        return tm__module_child(argv + 2); /* of `module check` */
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        static const char *const version[] = {"tidemill", "version", NULL};
        argv = version;
    }
    tm_status st = tm__simd_check(&err);
    if (st == TM_OK) {
        st = tm__cli_parse(&cli, argc, argv, &err);
    }
    if (st != TM_OK) {
        cli.json = cli.json || wants_json(argc, argv);
    } else if (tm__cli_flag(&cli, "help")) {
        code = help_print(&cli, true);
    } else if (cli.command == NULL) {
        code = help_print(&cli, false);
    } else {
        st = tm__cli_modules_load(&cli, &err);
        st = st == TM_OK ? cli.command->run(&cli, &err) : st;
    }
    if (st == TM_OK || st == TM_E_REFUSED) { /* a refusal has its result, too */
        const tm_status shown = output_flush(&cli, &err);
        st = shown != TM_OK ? shown : st;
    }
    if (st != TM_OK) {
        err.status = st;
        if (cli.did[0] != '\0') {
            const size_t len = strlen(err.message);
            (void)snprintf(err.message + len, sizeof(err.message) - len, "; %s", cli.did);
        }
        code = cli.is_silent ? (int)tm_status_exit(st) : tm__cli_fail(&cli, &err);
        fflush(stdout);
    }
    tm__cli_done(&cli);
    return code;
}
