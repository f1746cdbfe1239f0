/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: source_keys [N [FOLDER]]       N keys (10 million), in runs below FOLDER (a temporary one)
 *
 * The keys of a source: how fast new ones are added while the set grows to N, with the runs saved
 * and merged as the intake does it but on one thread; then how fast new and known keys are told
 * apart with all N there, and what the set takes. Prints the time of adding without that of saving
 * and merging, and those apart.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "source/key_set.h"

#define RUNS 7u
#define ASKED 1000000u

static tm_row_key key_of(uint64_t number) {
    return tm__row_key(&number, sizeof(number));
}

static void must(tm_status st, const char *what) {
    if (st != TM_OK) {
        fprintf(stderr, "%s: %s\n", what, tm_status_text(st));
        exit(1);
    }
}

static double seconds_since(uint64_t start_ns) {
    return (double)(tm__mono_ns() - start_ns) * 1e-9;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double values[RUNS]) {
    qsort(values, RUNS, sizeof(double), compare);
    printf("%-64s %-8s %12.2f  [%.2f - %.2f]\n", name, unit, values[RUNS / 2], values[0],
           values[RUNS - 1]);
}

static void tend(tm_key_set *set) {
    tm_key_merge merge;
    tm_key_run *run = NULL;
    if (!tm__key_set_freeze(set)) {
        must(TM_E_NOMEM, "freeze");
    }
    must(tm__key_set_save(set, &run, NULL), "save");
    tm__key_set_forget(set);
    must(tm__key_set_give(set, run, NULL), "give");
    while (tm__key_set_merge_due(set, &merge)) {
        must(tm__key_merge_run(&merge, &run, NULL), "merge");
        must(tm__key_set_replace(set, &merge, run, NULL), "replace");
    }
}

/* Nanoseconds a key; from numbers on, each known or none. */
static double ask(const tm_key_set *set, uint64_t from, uint64_t step, bool is_known) {
    const uint64_t start_ns = tm__mono_ns();
    for (uint64_t i = 0; i < ASKED; i++) {
        if (tm__key_set_has(set, key_of(from + i * step)) != is_known) {
            fprintf(stderr, "key %llu is wrong\n", (unsigned long long)(from + i * step));
            exit(1);
        }
    }
    return seconds_since(start_ns) * 1e9 / ASKED;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

int main(int argc, char **argv) {
    const uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    char made[] = "/tmp/tidemill-keys-XXXXXX";
    const char *dir = argc > 2 ? argv[2] : mkdtemp(made);
    bool has_failed = false;
    double tending = 0, new_ns[RUNS], known_ns[RUNS];
    tm_key_set *set = dir == NULL ? NULL : tm__key_set_create(dir, 0);
    if (set == NULL || n < ASKED) {
        fprintf(stderr, "usage: source_keys [N [FOLDER]], N of a million or more\n");
        return 2;
    }
    const uint64_t start_ns = tm__mono_ns();
    for (uint64_t i = 0; i < n; i++) {
        if (!tm__key_set_add(set, key_of(i), &has_failed)) {
            fprintf(stderr, "key %llu was there\n", (unsigned long long)i);
            return 1;
        }
        if (tm__key_set_is_full(set)) {
            const uint64_t tend_ns = tm__mono_ns();
            tend(set);
            tending += seconds_since(tend_ns);
        }
    }
    const double all = seconds_since(start_ns);
    printf("%-64s %-8s %12.0f\n", "new keys added, mean over all sizes", "keys/s",
           (double)n / (all - tending));
    printf("%-64s %-8s %12.2f\n", "saving and merging, a key", "us", tending * 1e6 / (double)n);
    for (uint32_t i = 0; i < RUNS; i++) {
        new_ns[i] = ask(set, n + i * ASKED, 1, false);
        known_ns[i] = ask(set, i, n / ASKED > 1 ? n / ASKED - 1 : 1, true);
    }
    char name[96];
    snprintf(name, sizeof(name), "a new key among %.0f million", (double)n * 1e-6);
    report(name, "ns", new_ns);
    snprintf(name, sizeof(name), "a known key among %.0f million", (double)n * 1e-6);
    report(name, "ns", known_ns);
    printf("%-64s %-8s %12.1f\n", "memory of its own (recent keys)", "MiB",
           (double)tm__mem_bytes() / (1 << 20));
    printf("%-64s %-8s %12.1f\n", "filters, in the file cache", "MiB",
           (double)n / 42 * 64 / (1 << 20));
    tm__key_set_free(set);
    if (argc <= 2) {
        (void)nftw(made, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    return 0;
}
