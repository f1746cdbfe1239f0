/* SPDX-License-Identifier: Apache-2.0 */
/* Project files of a few lines, for tests of what stands in them. */
#ifndef TM_SUPPORT_PROJECT_CASE_H
#define TM_SUPPORT_PROJECT_CASE_H

#include "cli/project.h"

/** A project whose model 'late' has this member, on line 5. The caller ends out. */
tm_status project_case_parse(const char *member, const char *value, tm_project *out, tm_err *err);

/* A project file that is refused, and what is said of it. */
typedef struct project_case_fault {
    const char *text, *message, *hint; /* parts of the last two; "": any */
    uint64_t line;
    uint32_t col;
} project_case_fault;
/** Fails the test unless each of n is refused as it says. */
void project_case_refuse(const project_case_fault *faults, size_t n);
/** Fails the test unless each of n values of the member is refused on its line. */
void project_case_refuse_values(const char *member, const char *const *values, size_t n);

#endif
