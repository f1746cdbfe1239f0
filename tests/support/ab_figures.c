/* SPDX-License-Identifier: Apache-2.0 */
#include "ab_figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metric/ab_compare.h"
#include "metric/uniform.h"
#include "test.h"

/* A line; make_confseq.py beside the file says what it means. */
typedef struct figure {
    char name[16];
    double arguments[4], value;
} figure;

static int read_figure(const char *line, figure *out) {
    const char *comma = strchr(line, ',');
    char *end = NULL;
    if (comma == NULL || (size_t)(comma - line) >= sizeof(out->name)) {
        return 0;
    }
    memcpy(out->name, line, (size_t)(comma - line));
    out->name[comma - line] = '\0';
    for (int i = 0; i < 5; i++) {
        double *const to = i < 4 ? &out->arguments[i] : &out->value;
        *to = strtod(comma + 1, &end);
        if (end == comma + 1) {
            return 0;
        }
        comma = end;
    }
    return 1;
}

/* The arms and outcomes of make_confseq.py. */
static double interval(const double a[4], int is_high) {
    const double share = a[3];
    const double unit = 0.25 * (1 / share + 1 / (1 - share)); /* a unit's part in v_opt */
    const tm_ab_options options = {
        .kind = TM_AB_BINARY, .share = share, .alpha = a[1], .units = a[2] / unit};
    tm_ab_compare c;
    double low = 0, high = 0;
    if (tm__ab_compare_init(&options, &c, NULL) != TM_OK) {
        return NAN;
    }
    for (int64_t i = 0; i < (int64_t)a[0]; i++) {
        const uint32_t arm = (double)((i * i * 31 + i * 17) % 101) < share * 101;
        tm__ab_compare_add(&c, arm, (i * 7919 + 13) % 1009 < 300 + 60 * (int64_t)arm ? 1 : 0);
    }
    tm__ab_compare_interval(&c, &low, &high);
    return is_high ? high : low;
}

static double make(const figure *f) {
    const double *a = f->arguments;
    if (strcmp(f->name, "normal") == 0) {
        return tm__normal_mixture(a[0], a[1], tm__mixture_rho(a[2], a[1]));
    }
    if (strcmp(f->name, "gamma") == 0) {
        const tm_gamma_mixture m = tm__gamma_mixture(a[2], a[1], a[3]);
        return tm__gamma_mixture_bound(&m, a[0], a[1]);
    }
    if (strcmp(f->name, "gamma_log") == 0) {
        const tm_gamma_mixture m = tm__gamma_mixture(a[2], 0.05, a[3]);
        return tm__gamma_mixture_log(&m, a[0], a[1]);
    }
    return strcmp(f->name, "low") == 0 || strcmp(f->name, "high") == 0
               ? interval(a, f->name[0] == 'h')
               : (double)NAN;
}

double ab_figures_worst(const char *name, uint32_t *out_n) {
    char line[256];
    double worst = 0;
    FILE *file = fopen("tests/golden/metric/confseq.csv", "r");
    assert_non_null(file);
    *out_n = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        figure f;
        assert_true(read_figure(line, &f));
        if (strcmp(f.name, name) == 0) {
            const double made = make(&f), larger = fmax(fabs(made), fabs(f.value));
            const double off = made == f.value ? 0 : fabs(made - f.value) / larger;
            worst = off <= worst ? worst : off; /* NaN counts */
            ++*out_n;
        }
    }
    fclose(file);
    return worst;
}
