/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of the tests' own in place of those of api/cli/: the frame is tested without the
 * commands' bodies, and these tests do not change when a command does. Include once a program.
 */
#ifndef TM_UNIT_OWN_TABLES_H
#define TM_UNIT_OWN_TABLES_H

#include <math.h>
#include <string.h>

#include "cli/cli.h"

static tm_status (*own_run)(tm_cli *cli, tm_err *err); /* what each command does */

static tm_status own_command(tm_cli *cli, tm_err *err) {
    return own_run != NULL ? own_run(cli, err) : TM_OK;
}

static const tm_option own_common[] = {
    {"json", 0, NULL, TM_OPTION_FLAG, false, false, false, NULL, NULL, -INFINITY, INFINITY,
     "One object."},
    {"quiet", 'q', NULL, TM_OPTION_FLAG, false, false, false, NULL, NULL, -INFINITY, INFINITY,
     "No notes."},
    {"verbose", 'v', NULL, TM_OPTION_FLAG, false, true, false, NULL, NULL, -INFINITY, INFINITY,
     "Say more."},
    {"module", 0, "FILE", TM_OPTION_PATH, false, true, false, NULL, NULL, -INFINITY, INFINITY,
     "Module."},
    {"home", 0, "DIR", TM_OPTION_PATH, false, false, false, ".tidemill", NULL, -INFINITY, INFINITY,
     "Folder."},
    {"help", 'h', NULL, TM_OPTION_FLAG, false, false, false, NULL, NULL, -INFINITY, INFINITY,
     "This help."},
};
static const tm_option own_grind_options[] = {
    {"target", 't', "COL", TM_OPTION_TEXT, true, false, false, NULL, NULL, -INFINITY, INFINITY,
     "Column to predict."},
    {"task", 0, "TASK", TM_OPTION_CHOICE, false, false, false, "auto", "auto binary", -INFINITY,
     INFINITY, "Kind of target."},
    {"seed", 0, "N", TM_OPTION_INT, false, false, false, "7", NULL, 0, INFINITY, "Seed."},
    {"rate", 0, "X", TM_OPTION_FLOAT, false, false, false, NULL, NULL, 0, 10, "Rate."},
    {"budget", 0, "TIME", TM_OPTION_DURATION, false, false, false, NULL, NULL, -INFINITY, INFINITY,
     "Time."},
    {"param", 'p', "NAME=VALUE", TM_OPTION_TEXT, false, true, false, NULL, NULL, -INFINITY,
     INFINITY, "Parameter."},
    {"drop", 0, "COL,...", TM_OPTION_TEXT, false, true, true, NULL, NULL, -INFINITY, INFINITY,
     "Columns to leave out."},
    {"out", 'o', "OUT", TM_OPTION_PATH, false, false, false, NULL, NULL, -INFINITY, INFINITY,
     "File to write; it says 'why' and a\\b."},
};
static const tm_argument own_grind_args[] = {{"DATA", false, false, "File or glob."}};
static const tm_argument own_show_args[] = {{"MODEL", true, false, "Name."}};
static const tm_argument own_many_args[] = {{"WORD", true, true, "Words."}};
static const tm_example own_examples[] = {{"tidemill grind x.csv --target y", "learn"}};
static const char *const own_notes[] = {"It reads only the files named."};
static const tm_command own_commands[] = {
    {"grind", "Learn from a table.", "Learn", own_examples, 1, own_grind_args, 1, own_grind_options,
     8, own_notes, 1, own_command},
    {"stone ls", "List stones.", "Look", own_examples, 1, NULL, 0, NULL, 0, NULL, 0, own_command},
    {"stone show", "Show a stone.", "Look", own_examples, 1, own_show_args, 1, NULL, 0, NULL, 0,
     own_command},
    {"many", "Take words.", "Look", own_examples, 1, own_many_args, 1, NULL, 0, NULL, 0,
     own_command},
};

const tm_command *tm__commands(uint32_t *out_n) {
    *out_n = 4;
    return own_commands;
}

const tm_option *tm__common_options(uint32_t *out_n) {
    *out_n = 6;
    return own_common;
}

const tm_command *tm__command_find(const char *name) {
    for (int i = 0; i < 4; i++) {
        if (strcmp(own_commands[i].name, name) == 0) {
            return &own_commands[i];
        }
    }
    return NULL;
}

#endif
