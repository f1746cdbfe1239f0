/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answer one row with a model file, by the public header and libtidemill alone.
 *
 *     predict late.tmb origin=JFK destination=LAX distance=2475
 *     cc predict.c -ltidemill
 *
 * Columns that are not named are missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tidemill/tidemill.h"

static int fail(const tm_err *err) {
    fprintf(stderr, "predict: %s\n", err->message);
    if (err->hint[0] != '\0') {
        fprintf(stderr, "%s\n", err->hint);
    }
    return (int)tm_status_exit(err->status);
}

/* Set the column of "name=value"; false and *err when there is none or the value does not fit. */
static int set_column(const tm_bundle *bundle, tm_row *row, const char *setting, tm_err *err) {
    const char *value = strchr(setting, '=');
    for (uint32_t col = 0; value != NULL && col < tm_bundle_columns(bundle); col++) {
        const char *name = NULL, *type = NULL;
        if (tm_bundle_column(bundle, col, &name, &type, err) == TM_OK &&
            strlen(name) == (size_t)(value - setting) &&
            strncmp(name, setting, strlen(name)) == 0) {
            return tm_row_set_text(row, col, value + 1, strlen(value + 1), err) == TM_OK;
        }
    }
    tm_err_set(err, TM_E_USAGE, __FILE__, __LINE__, "'%s' is not column=value of the model",
               setting);
    return 0;
}

int main(int argc, char **argv) {
    tm_bundle *bundle = NULL;
    tm_row *row = NULL;
    double *answers = NULL;
    tm_err err = {0};
    int code = 0, i;
    if (argc < 2) {
        fprintf(stderr, "usage: predict BUNDLE [COLUMN=VALUE]...\n");
        return 2;
    }
    if (tm_bundle_open(argv[1], &bundle, &err) != TM_OK ||
        tm_row_create(bundle, &row, &err) != TM_OK) {
        code = fail(&err);
        goto out;
    }
    for (i = 2; i < argc; i++) {
        if (!set_column(bundle, row, argv[i], &err)) {
            code = fail(&err);
            goto out;
        }
    }
    answers = malloc(tm_bundle_outputs(bundle) * sizeof(double));
    if (answers == NULL) {
        fprintf(stderr, "predict: out of memory\n");
        code = 6;
        goto out;
    }
    tm_bundle_predict_row(bundle, row, answers);
    for (uint32_t k = 0; k < tm_bundle_outputs(bundle); k++) {
        /* One answer for two classes is the probability of the positive one, which has index 1. */
        const uint32_t index = tm_bundle_outputs(bundle) == 1 ? 1 : k;
        const char *name = tm_bundle_class(bundle, index);
        printf("%s%s%.17g\n", name == NULL ? "" : name, name == NULL ? "" : " ", answers[k]);
    }
out:
    free(answers);
    tm_row_free(row);
    tm_bundle_close(bundle);
    return code;
}
