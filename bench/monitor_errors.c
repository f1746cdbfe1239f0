/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When streams of errors changed: monitor_errors SECONDS < STREAMS, for bench/delays/bench.py. A
 * line is a stream: errors of 0 to 1, so many seconds apart. For each it prints a line of JSON:
 * the rows at which ADWIN as published found a change ("published"), and those at which a look
 * under a budget of one false alarm a month did ("budget"), of which the errors of labels have a
 * tenth (monitor/label_errors.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "monitor/alert_teller.h"
#include "monitor/label_errors.h"

typedef struct found {
    uint64_t rows[4096];
    uint32_t n;
} found;

typedef struct detectors {
    tm_adwin published;
    tm_errors budget;
    found of_published, of_budget;
} detectors;

static void note(found *f, uint64_t row) {
    if (f->n < sizeof(f->rows) / sizeof(f->rows[0])) {
        f->rows[f->n++] = row;
    }
}

static void take(detectors *d, uint64_t row, double error, double seconds) {
    const tm_label_error label = {(int64_t)((double)row * seconds * 1e6), error};
    const uint64_t n = d->budget.n_changes;
    if (tm__adwin_add(&d->published, error)) {
        note(&d->of_published, row);
    }
    tm__errors_add(&d->budget, &label);
    if (d->budget.n_changes > n) {
        note(&d->of_budget, row);
    }
}

static void print(const char *name, const found *f, const char *behind) {
    printf("\"%s\": [", name);
    for (uint32_t i = 0; i < f->n; i++) {
        printf("%s%llu", i == 0 ? "" : ", ", (unsigned long long)f->rows[i]);
    }
    printf("]%s", behind);
}

int main(int argc, char **argv) {
    const double seconds = argc > 1 ? strtod(argv[1], NULL) : 0;
    char *line = NULL;
    size_t room = 0;
    if (!(seconds > 0)) {
        fprintf(stderr, "usage: monitor_errors SECONDS < STREAMS\n");
        return 2;
    }
    while (getline(&line, &room, stdin) > 0) {
        detectors *const d = tm__mem_zalloc(1, sizeof(*d));
        if (d == NULL) {
            return 1;
        }
        d->budget.budget_us = TM_BUDGET_US;
        uint64_t row = 0;
        for (char *at = line, *end = NULL;; at = end, row++) {
            const double error = strtod(at, &end);
            if (end == at) {
                break;
            }
            take(d, row, error, seconds);
        }
        printf("{");
        print("published", &d->of_published, ", ");
        print("budget", &d->of_budget, "}\n");
        tm__mem_free(d);
    }
    free(line);
    return 0;
}
