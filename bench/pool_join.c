/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool. First a fork/join of two items that wait for each other, so that both threads take
 * part, with pauses between the joins. Then a fixed piece of work (1000 joins over histograms, 10
 * to 500 us each) with the cores free, and the same while another process spins: on one core, or
 * where the system puts it. Ratios are of the medians; 2 is what one core alone would take.
 *
 * Other work on the machine spoils such times. A run that saw foreign processor time (from
 * /proc/stat, less one's own and that of the spinning child) is made again, within limits; the
 * last column says how many runs counted as quiet.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"

enum { RUNS = 11, TRIES_MAX = 22, JOINS = 1000, ITEMS = 64, BINS = 256, MEETINGS = 2000 };
#define ROWS 32768u /* 512 an item, about 500 us of work in all */
#define FOREIGN_MAX 0.05

typedef struct bench {
    tm_pool *pool;
    const uint8_t *rows; /* [ROWS] bins */
    int64_t *cells;      /* [ITEMS x BINS] */
    uint64_t n_rows;     /* of this join */
    uint64_t n_items;
    uint64_t pause_ns;
    _Atomic uint32_t n_here; /* of the two that meet */
} bench;

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_seconds(int who) {
    struct rusage used;
    getrusage(who, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/* Processor seconds of the whole machine but idle and waiting ones. */
static double busy_seconds(void) {
    unsigned long long user = 0, nice_ = 0, system_ = 0, idle = 0, wait_ = 0, irq = 0, soft = 0,
                       steal = 0;
    FILE *in = fopen("/proc/stat", "r");
    if (in == NULL || fscanf(in, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice_,
                             &system_, &idle, &wait_, &irq, &soft, &steal) != 8) {
        fprintf(stderr, "pool_join: cannot read /proc/stat\n");
        exit(1);
    }
    fclose(in);
    return (double)(user + nice_ + system_ + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK);
}

static double child_seconds(pid_t child) {
    char path[64];
    unsigned long long ns = 0;
    if (child <= 0) {
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)child);
    FILE *in = fopen(path, "r");
    if (in != NULL) {
        (void)!fscanf(in, "%llu", &ns);
        fclose(in);
    }
    return (double)ns * 1e-9;
}

static void wait_ns(uint64_t ns) {
    const uint64_t end = tm__mono_ns() + ns;
    while (tm__mono_ns() < end) {
    }
}

static void meet(void *arg, uint64_t item, uint32_t worker) {
    bench *b = arg;
    (void)item;
    (void)worker;
    atomic_fetch_add_explicit(&b->n_here, 1, memory_order_acq_rel);
    while (atomic_load_explicit(&b->n_here, memory_order_acquire) < 2) {
    }
}

/* Median microseconds of a join of two items that meet. */
static double join_us(bench *b) {
    static double us[MEETINGS];
    const uint64_t n = b->pause_ns >= 1000000 ? MEETINGS / 10 : MEETINGS;
    for (uint64_t i = 0; i < n; i++) {
        wait_ns(b->pause_ns);
        atomic_store(&b->n_here, 0);
        const uint64_t start = tm__mono_ns();
        tm__pool_run(b->pool, 2, meet, b);
        us[i] = (double)(tm__mono_ns() - start) * 1e-3;
    }
    qsort(us, n, sizeof(double), compare);
    return us[n / 2];
}

static void count_rows(void *arg, uint64_t item, uint32_t worker) {
    const bench *b = arg;
    const uint64_t begin = b->n_rows * item / b->n_items;
    const uint64_t end = b->n_rows * (item + 1) / b->n_items;
    int64_t *cells = b->cells + item * BINS;
    (void)worker;
    memset(cells, 0, BINS * sizeof(int64_t));
    for (unsigned column = 0; column < 16; column++) {
        for (uint64_t row = begin; row < end; row++) {
            cells[(uint8_t)(b->rows[row] + column)] += (int64_t)row;
        }
    }
}

/* Milliseconds of the fixed work: joins whose sizes go up and down between 1/32 and all rows. */
static double work_ms(bench *b) {
    const uint64_t start = tm__mono_ns();
    for (unsigned join = 0; join < JOINS; join++) {
        b->n_rows = ROWS >> (join % 6);
        tm__pool_run(b->pool, b->n_items, count_rows, b);
    }
    return (double)(tm__mono_ns() - start) * 1e-6;
}

/* A process that does nothing but run, on the processor given or on any (-1). */
static pid_t spin_start(int cpu) {
    const pid_t child = fork();
    if (child != 0) {
        return child;
    }
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)cpu, &set);
        if (sched_setaffinity(0, sizeof(set), &set) != 0) {
            _exit(1);
        }
    }
    for (volatile unsigned long n = 0;; n = n + 1) {
    }
}

/* Median of RUNS runs of which as many as possible were quiet. */
static double measure(bench *b, double (*run)(bench *b), const char *name, const char *unit,
                      pid_t child) {
    double values[TRIES_MAX], loud[TRIES_MAX];
    int n = 0, n_loud = 0;
    run(b);
    while (n < RUNS && n + n_loud < TRIES_MAX) {
        const double busy = busy_seconds(), own = cpu_seconds(RUSAGE_SELF) + child_seconds(child);
        const uint64_t start = tm__mono_ns();
        const double value = run(b);
        const double wall = (double)(tm__mono_ns() - start) * 1e-9;
        const double foreign =
            busy_seconds() - busy - (cpu_seconds(RUSAGE_SELF) + child_seconds(child) - own);
        if (foreign <= FOREIGN_MAX * wall + 0.015) {
            values[n++] = value;
        } else {
            loud[n_loud++] = value;
        }
    }
    const int n_quiet = n;
    for (int i = 0; n < RUNS; i++) {
        values[n++] = loud[i];
    }
    qsort(values, RUNS, sizeof(double), compare);
    printf("%-40s %-6s %10.2f  [%.2f - %.2f]  %d of %d quiet\n", name, unit, values[RUNS / 2],
           values[0], values[RUNS - 1], n_quiet, RUNS);
    fflush(stdout);
    return values[RUNS / 2];
}

static void time_joins(bench *b) {
    static const uint64_t pauses_us[] = {0, 5, 20, 45, 100, 1000};
    b->pool = tm__pool_create(2);
    for (unsigned i = 0; i < sizeof(pauses_us) / sizeof(*pauses_us); i++) {
        char name[64];
        snprintf(name, sizeof(name), "fork/join after %llu us", (unsigned long long)pauses_us[i]);
        b->pause_ns = pauses_us[i] * 1000;
        measure(b, join_us, name, "us", 0);
    }
    tm__pool_free(b->pool);
}

static void time_work(bench *b, uint32_t n_threads, uint64_t n_items) {
    static const struct {
        const char *name;
        int cpu; /* -2: nobody else */
    } others[] = {{"cores free", -2}, {"a core held", 1}, {"a core held, anywhere", -1}};
    double base = 0;
    b->n_items = n_items;
    b->pool = tm__pool_create(n_threads);
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
        const pid_t child = others[i].cpu == -2 ? 0 : spin_start(others[i].cpu);
        char name[80];
        snprintf(name, sizeof(name), "%u threads, %u items, %s", n_threads, (unsigned)n_items,
                 others[i].name);
        const double ms = measure(b, work_ms, name, "ms", child);
        if (i == 0) {
            base = ms;
        } else {
            printf("%40s %-6s %10.2f\n", "", "times", ms / base);
        }
        if (child > 0) {
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
        }
    }
    tm__pool_free(b->pool);
}

int main(void) {
    uint8_t *rows = tm__mem_alloc(ROWS, 1);
    bench b = {.rows = rows, .cells = tm__mem_alloc((size_t)ITEMS * BINS, sizeof(int64_t))};
    if (rows == NULL || b.cells == NULL) {
        return 1;
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        rows[row] = (uint8_t)tm__rng_at(1, row);
    }
    time_joins(&b);
    time_work(&b, 1, ITEMS);
    time_work(&b, 2, ITEMS);
    time_work(&b, 2, 2);
    time_work(&b, 3, ITEMS);
    time_work(&b, 8, ITEMS);
    tm__mem_free(rows);
    tm__mem_free(b.cells);
    return 0;
}
