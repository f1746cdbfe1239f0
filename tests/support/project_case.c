/* SPDX-License-Identifier: Apache-2.0 */
#include "project_case.h"

#include <stdio.h>
#include <string.h>

#include "test.h"

tm_status project_case_parse(const char *member, const char *value, tm_project *out, tm_err *err) {
    char text[1000];
    (void)snprintf(text, sizeof(text),
                   "models:\n  late:\n    from: flights\n    target: late\n    %s: %s\n", member,
                   value);
    *out = (tm_project){0};
    return tm__project_parse(tm__str(text), "tidemill.yaml", ".", out, err);
}

void project_case_refuse(const project_case_fault *faults, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const project_case_fault *const f = &faults[i];
        tm_project project = {0};
        tm_err err = {0};
        const tm_status st =
            tm__project_parse(tm__str(f->text), "tidemill.yaml", ".", &project, &err);
        if (st != TM_E_DATA || strstr(err.message, f->message) == NULL ||
            strstr(err.hint, f->hint) == NULL || err.data_row != f->line ||
            err.data_col != f->col) {
            fail_msg("case %zu: %s (%s) at %llu:%u", i, err.message, err.hint,
                     (unsigned long long)err.data_row, err.data_col);
        }
        tm__project_done(&project);
    }
}

void project_case_refuse_values(const char *member, const char *const *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        tm_project project;
        tm_err err = {0};
        if (project_case_parse(member, values[i], &project, &err) != TM_E_DATA ||
            err.data_row != 5) {
            fail_msg("%s: '%s', line %u", values[i], err.message, (unsigned)err.data_row);
        }
        tm__project_done(&project);
    }
}
