/* SPDX-License-Identifier: Apache-2.0 */
/* The checks of `tidemill doctor`: each adds lines and changes nothing but a probe file that it
 * removes again. No line holds a value of anybody's data. */
#ifndef TM_CLI_DOCTOR_H
#define TM_CLI_DOCTOR_H

#include "cli/cli.h"
#include "registry/registry.h"

#define TM_CHECKS_MAX 48u

typedef enum tm_check_state { TM_CHECK_OK, TM_CHECK_WARN, TM_CHECK_BAD } tm_check_state;

typedef struct tm_check {
    const char *name; /* a stable key */
    tm_check_state state;
    char found[256];
    const char *advice; /* when it is not ok */
} tm_check;

typedef struct tm_checks {
    tm_check list[TM_CHECKS_MAX];
    uint32_t n;
} tm_checks;

/** Add a line; advice (static) is shown when it is not ok. */
void tm__check_add(tm_checks *checks, const char *name, tm_check_state state, const char *advice,
                   const char *fmt, ...) TM_PRINTF(5, 6);
/** Take note of a check's status: out of memory says nothing of the machine, so the command then
 * fails as with a lost value (tm__json_check()). Gives the status back. */
TM_NODISCARD tm_status tm__check_note(tm_status status);

/** Processor, memory, limits, clocks. */
void tm__check_machine(tm_checks *checks);
/** The folder and the disk of a home, or of where one would be made. */
void tm__check_place(tm_checks *checks, const char *home_name);
/** What the home holds, when there is one: databases, files, history. */
void tm__check_home(tm_checks *checks, const char *home_name);
/** Models that lack labels, in the words of `status`; told for eight, then counted. */
void tm__check_labels(tm_checks *checks, tm_home *home, tm_registry *registry);
/** Whether the bucket of a home answers; nothing for a home without one. home: its folder. */
void tm__check_bucket(tm_checks *checks, const char *home);
/** Versions of the libraries in use, and whether they are those of the build. */
void tm__check_libraries(tm_checks *checks);
/** Hold the versions that tm__check_libraries() found against a file of advisories: a warning for
 * each that concerns one, and a line that counts them. TM_E_DATA: no such list. */
TM_NODISCARD tm_status tm__check_advisories(tm_checks *checks, const char *path, tm_err *err);
/** Compare two versions number by number: below 0, 0 or above 0, as strcmp(). */
int tm__version_compare(const char *a, const char *b);
/** The version of a library in what tm__check_libraries() found; empty when it is not there. */
void tm__library_version(const tm_checks *checks, const char *name, char out[64]);

#endif
