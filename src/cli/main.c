/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The online store is a file that LMDB maps and believes: a damaged page ends the process that
 * reads it. So commands that open it run in a child, and what is told then is an error like any
 * other.
 */
#include <stdio.h>
#include <string.h>

#include "base/kept_secret.h"
#include "base/proc.h"
#include "cli/cli.h"

#define EXIT_INTEGRITY 8
#define EXIT_INTERNAL 70

/* The command ended by a fault: one that keeps the store makes it anew, others say what is wrong.
 */
static int after_fault(int argc, char **argv) {
    char rebuild[] = "rebuild";
    if (strcmp(argv[2], "update") != 0) {
        (void)fputs("error: the online store is damaged\n"
                    "hint: 'tidemill online rebuild' makes it anew from the sources.\n",
                    stderr);
        return EXIT_INTEGRITY;
    }
    argv[2] = rebuild;
    return tm__cli_main(argc, (const char *const *)argv);
}

int main(int argc, char **argv) {
    int code = 0;
    tm_err err = {0};
    tm__kept_take();
    if (tm__child_begin(&err) != TM_OK) {
        (void)fprintf(stderr, "error: %s\n", err.message);
        return EXIT_INTERNAL;
    }
    const bool is_guarded =
        argc > 2 && strcmp(argv[1], "online") == 0 && strcmp(argv[2], "rebuild") != 0;
    const tm_guard guard = is_guarded ? tm__process_guard(&code) : TM_GUARD_CHILD;
    if (guard == TM_GUARD_CHILD) {
        return tm__cli_main(argc, (const char *const *)argv);
    }
    return guard == TM_GUARD_FAULT ? after_fault(argc, argv) : code;
}
