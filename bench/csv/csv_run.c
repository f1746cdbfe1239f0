/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: csv_run [--rows N] [--rounds N] [--threads N] [--data DIR]
 *
 * CSV to columns: this program's reader beside DuckDB's read_csv into a table in memory, the same
 * file, the same threads, in one run, each in turn. Both find dialect and types themselves; DuckDB
 * from a sample of 20,480 rows, this reader from all cells. Files are made (N rows, half a million)
 * and read once before the clock runs; with --data also every .csv and .csv.gz of a folder that is
 * larger than a MiB and that both can read. For each: the fastest of the rounds (7), and the ratio
 * of rates: above 1 this reader is faster.
 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "source/source.h"
#include "store/duck.h"

static struct {
    uint64_t n_rows;
    uint32_t n_rounds, n_threads;
    const char *data;
} options = {.n_rows = 500000, .n_rounds = 7};

static double log_sum;
static uint32_t n_files;

static double seconds_since(uint64_t start_ns) {
    return (double)(tm__mono_ns() - start_ns) * 1e-9;
}

/* ---- Made files ---- */

static void put_row(FILE *file, const char *kind, tm_rng *rng, uint64_t row) {
    static const char *const words[] = {"red", "green", "blue", "a longer word", "Utrecht"};
    const bool is_mixed = strcmp(kind, "mixed") == 0;
    const bool is_text = strcmp(kind, "texts") == 0;
    for (uint32_t i = 0; i < (is_text ? 10u : 30u); i++) {
        const uint64_t value = tm__rng_u64(rng);
        fputs(i == 0 ? "" : ",", file);
        if (i == 0) {
            fprintf(file, "%llu", (unsigned long long)row);
        } else if (is_mixed && value % 20 == 0) {
            continue; /* missing */
        } else if (is_text) {
            fprintf(file, "\"%s, %s %llu\"\"\"", words[value % 5], words[value / 5 % 5],
                    (unsigned long long)(value % 100000));
        } else if (!is_mixed || i % 5 == 1) {
            fprintf(file, "%.6f", (double)(value % 2000000000) * 1e-6 - 1000);
        } else if (i % 5 == 2) {
            fprintf(file, "%llu", (unsigned long long)(value % 100000));
        } else if (i % 5 == 3) {
            fputs(words[value % 5], file);
        } else if (i % 5 == 4) {
            fprintf(file, "2024-%02llu-%02llu", (unsigned long long)(value % 12 + 1),
                    (unsigned long long)(value / 12 % 28 + 1));
        } else {
            fputs(value % 2 == 0 ? "true" : "false", file);
        }
    }
    fputc('\n', file);
}

static void make_file(const char *path, const char *kind) {
    FILE *file = fopen(path, "w");
    tm_rng rng = tm__rng_split(1, kind, 0);
    if (file == NULL) {
        fprintf(stderr, "cannot write '%s'\n", path);
        exit(1);
    }
    for (uint32_t i = 0; i < (strcmp(kind, "texts") == 0 ? 10u : 30u); i++) {
        fprintf(file, "%scolumn_%u", i == 0 ? "" : ",", i);
    }
    fputc('\n', file);
    for (uint64_t row = 0; row < options.n_rows; row++) {
        put_row(file, kind, &rng, row);
    }
    fclose(file);
}

/* ---- Both readers ---- */

static double read_ours(tm_ctx *ctx, const char *path, uint64_t *out_rows, tm_err *err) {
    const tm_source_spec spec = {.path = path};
    tm_table *table = NULL;
    const uint64_t start_ns = tm__mono_ns();
    if (tm__source_read(ctx, &spec, &table, err) != TM_OK) {
        return NAN;
    }
    const double seconds = seconds_since(start_ns);
    *out_rows = tm__table_rows(table);
    tm__table_unref(table);
    return seconds;
}

static double read_duck(tm_duck *duck, const char *path, uint64_t *out_rows, tm_err *err) {
    tm_buf sql;
    tm_table *counted = NULL;
    tm__buf_init(&sql, 8192);
    tm__buf_text(&sql, "CREATE OR REPLACE TABLE t AS FROM read_csv(");
    tm__duck_quote(&sql, path, '\'');
    tm__buf_text(&sql, ")");
    const uint64_t start_ns = tm__mono_ns();
    const tm_status st = tm__duck_exec(duck, (const char *)sql.data, err);
    const double seconds = seconds_since(start_ns);
    tm__buf_done(&sql);
    if (st != TM_OK || tm__duck_query(duck, "SELECT count(*) FROM t", 0, &counted, err) != TM_OK) {
        return NAN;
    }
    *out_rows = (uint64_t)tm__table_column(counted, 0)->ints[0];
    tm__table_unref(counted);
    return seconds;
}

static void measure(const char *name, const char *path) {
    tm_duck *duck = NULL;
    tm_err err = {0};
    tm_ctx ctx = {.pool = tm__pool_create(options.n_threads),
                  .run = tm__arena_create((size_t)1 << 34),
                  .scratch = tm__arena_create((size_t)1 << 34)};
    const tm_duck_options duck_options = {.n_threads = tm__pool_threads(ctx.pool)};
    const double mb = (double)tm__fs_info(path).size_bytes * 1e-6;
    double ours = INFINITY, theirs = INFINITY;
    uint64_t our_rows = 0, their_rows = 0;
    if (tm__duck_open(&duck_options, &duck, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    for (uint32_t i = 0; i <= options.n_rounds; i++) { /* the first only warms the caches */
        const double a = read_ours(&ctx, path, &our_rows, &err);
        const double b = read_duck(duck, path, &their_rows, &err);
        if (isnan(a) || isnan(b)) {
            printf("%-28s %8.1f MB  not read by %s: %.80s\n", name, mb,
                   isnan(a) ? "this reader" : "DuckDB", err.message);
            goto out;
        }
        ours = i > 0 ? fmin(ours, a) : ours;
        theirs = i > 0 ? fmin(theirs, b) : theirs;
    }
    printf("%-28s %8.1f MB  ours %8.1f MB/s  DuckDB %8.1f MB/s  ratio %5.2f%s\n", name, mb,
           mb / ours, mb / theirs, theirs / ours, our_rows == their_rows ? "" : "  (other rows)");
    fflush(stdout);
    log_sum += log(theirs / ours);
    n_files++;
out:
    tm__duck_close(duck);
    tm__arena_free(ctx.run);
    tm__arena_free(ctx.scratch);
    tm__pool_free(ctx.pool);
}

static bool measure_found(void *arg, const char *name) {
    char *path = tm__fs_join(arg, name);
    const tm_str text = tm__str(name);
    if ((tm__str_has_suffix(text, ".csv") || tm__str_has_suffix(text, ".csv.gz")) &&
        tm__fs_info(path).size_bytes > (1u << 20)) {
        measure(name, path);
    }
    tm__mem_free(path);
    return true;
}

static void read_options(int argc, char **argv) {
    static const struct option known[] = {{"rows", required_argument, NULL, 'n'},
                                          {"rounds", required_argument, NULL, 'r'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"data", required_argument, NULL, 'd'},
                                          {0}};
    for (int c = 0; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c == 'n') {
            options.n_rows = strtoull(optarg, NULL, 10);
        } else if (c == 'r') {
            options.n_rounds = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (c == 't') {
            options.n_threads = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (c == 'd') {
            options.data = optarg;
        } else {
            fprintf(stderr, "usage: csv_run [--rows N] [--rounds N] [--threads N] [--data DIR]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv) {
    static const char *const kinds[] = {"mixed", "numbers", "texts"};
    char dir[] = "/tmp/tidemill-csv-XXXXXX", path[64];
    tm_err err = {0};
    read_options(argc, argv);
    if (mkdtemp(dir) == NULL) {
        fprintf(stderr, "cannot make a folder\n");
        return 1;
    }
    (void)snprintf(path, sizeof(path), "%s/made.csv", dir);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        make_file(path, kinds[i]);
        measure(kinds[i], path);
    }
    (void)unlink(path);
    (void)rmdir(dir);
    if (options.data != NULL &&
        tm__fs_list(options.data, measure_found, (void *)(uintptr_t)options.data, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("%-28s geometric mean of ratios over %u files %5.2f\n", "all", n_files,
           n_files == 0 ? 0 : exp(log_sum / n_files));
    return 0;
}
