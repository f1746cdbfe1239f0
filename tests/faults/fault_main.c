/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation fails once and for ever, in each command and each route.
 *
 *     faults [--full | --sample N] [--jobs N] [--seed N] [--case NAME] [--nth N once|forever]
 *
 * For each case a run without a fault counts the allocations. Then allocation n fails, in a fresh
 * copy of the folder and a child of its own: for every n (--full), or for the first N and one in
 * each of N strata of the rest. What must hold:
 *
 *   1. the child ends by itself, in time, without a signal and without a sanitizer's report;
 *   2. it either fails with the exit code or HTTP status of lost memory and says so, or it succeeds
 *      and then printed and did all that the run without a fault printed and did;
 *   3. no block of the seam stays behind that did not before (and no other one, under
 *      LeakSanitizer);
 *   4. after a failure the databases and files hold what they held before, and files under a hash
 *      are whole;
 *   5. the same command then succeeds.
 */
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "fault_case.h"
#include "fault_home.h"

#define EXIT_NOMEM 6
#define KNOWN_MAX 512u

typedef struct options {
    bool is_full;
    uint32_t sample, jobs;
    uint64_t seed;
    const char *only;
    uint64_t nth;
    bool nth_forever;
} options;

/* Sums of all workers. */
typedef struct tally {
    _Atomic uint64_t n_calls, n_tries, n_fired, n_errors, n_closed, n_whole, n_findings;
} tally;

/* What a case gives when nothing fails. */
typedef struct baseline {
    fault_state before, after;
    fault_result result;
    char *out;
} baseline;

typedef struct worker {
    const options *options;
    uint32_t number;
    char root[512], folder[600];
    tally *tallies;         /* [fault_n_cases] */
    _Atomic uint32_t *next; /* case that nobody has begun */
    fault_result *result;
    fault_state *state; /* shared with the child that looks */
    uint64_t known[KNOWN_MAX];
    uint32_t n_known;
} worker;

static void must(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

static void *shared(size_t bytes) {
    void *block = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(block != MAP_FAILED, "mmap");
    return block;
}

/* A disk has nothing to do with this, and syncing it takes most of the time. */
__attribute__((visibility("default"))) int fsync(int fd);
__attribute__((visibility("default"))) int fdatasync(int fd);
int fsync(int fd) {
    (void)fd;
    return 0;
}
int fdatasync(int fd) {
    (void)fd;
    return 0;
}

static void fresh_folder(worker *w, const fault_case *c) {
    char from[600];
    fault_remove(w->folder);
    (void)snprintf(from, sizeof(from), "%s/%s", w->root, c->template);
    fault_copy(from, w->folder);
}

/* In a child, so that SQLite stays cold in this process. The state is in w->state. */
static void look(void *arg) {
    worker *w = arg;
    fflush(stdout);
    const pid_t child = fork();
    int status = -1;
    if (child == 0) {
        fault_look(w->folder, w->state);
        _exit(0);
    }
    must(child > 0 && waitpid(child, &status, 0) == child, "look");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)snprintf(w->state->wrong, sizeof(w->state->wrong), "the home cannot be looked at");
    }
}

static char *read_in(const worker *w, const char *name) {
    char path[700];
    (void)snprintf(path, sizeof(path), "%s/%s", w->folder, name);
    return fault_read(path);
}

/* ---- What is printed of a finding ---- */

static int find_base(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    *(uintptr_t *)arg = info->dlpi_addr;
    return 1; /* the first is the program */
}

static void print_frames(const fault_count *count) {
    char program[512], line[4096];
    uintptr_t base = 0;
    const ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    must(n > 0, "exe");
    program[n] = '\0';
    (void)dl_iterate_phdr(find_base, &base);
    int len = snprintf(line, sizeof(line), "addr2line -sfpe '%s'", program);
    for (uint32_t i = 2; i < count->n_frames && i < 16; i++) {
        len += snprintf(line + len, sizeof(line) - (size_t)len, " %#lx",
                        (unsigned long)((uintptr_t)count->frames[i] - base - 1));
    }
    (void)snprintf(
        line + len, sizeof(line) - (size_t)len,
        " | sed -E 's/ \\(.*//; s/^(.*) at (.*)/\\1 \\2/; /^[?]|^command|^tm__mem_|^alloc_/d'"
        " | head -n 6 | tr '\\n' '<' | sed 's/^/      at /; s/</ < /g; s/ < $/\\n/'");
    fflush(stdout);
    (void)!system(line);
}

static uint64_t place_of(const char *what, const fault_count *count) {
    uint64_t hash = 17;
    for (const char *p = what; *p != '\0'; p++) {
        hash = hash * 1000003 + (unsigned char)*p;
    }
    for (uint32_t i = 2; i < count->n_frames && i < 9; i++) {
        hash = hash * 1000003 + (uintptr_t)count->frames[i];
    }
    return hash;
}

static void finding(worker *w, uint32_t index, const fault_plan *plan, const char *what,
                    const char *text) {
    const fault_case *c = &fault_cases[index];
    atomic_fetch_add(&w->tallies[index].n_findings, 1);
    const uint64_t place = place_of(what, &w->result->count);
    for (uint32_t i = 0; i < w->n_known; i++) {
        if (w->known[i] == place) {
            return;
        }
    }
    if (w->n_known < KNOWN_MAX) {
        w->known[w->n_known++] = place;
    }
    printf("  %s, allocation %llu fails %s: %s (code %d, blocks %lld)\n", c->name,
           (unsigned long long)plan->nth, plan->forever ? "for ever" : "once", what,
           w->result->code, (long long)w->result->alive);
    char line[200] = "";
    (void)snprintf(line, sizeof(line), "%s", text);
    for (char *p = line; *p != '\0'; p++) {
        *p = *p == '\n' ? ' ' : *p;
    }
    if (line[0] != '\0') {
        printf("      | %s\n", line);
    }
    print_frames(&w->result->count);
    fflush(stdout);
}

/* ---- One try ---- */

static bool says_memory(const char *text) {
    return strcasestr(text, "memory") != NULL;
}

static bool is_error(const fault_case *c, int code) {
    return c->words[0] != NULL ? code == EXIT_NOMEM : code == 503 || code == 0;
}

/* What a try that was to end well or badly must be; NULL: it is. */
static const char *judge(worker *w, const fault_case *c, const baseline *base, const char *out,
                         const char *err, bool *is_whole) {
    const fault_result *r = w->result;
    *is_whole = false;
    if (r->alive > base->result.alive) {
        return "blocks stay behind";
    }
    if (r->has_leak) {
        return "LeakSanitizer found a leak";
    }
    if (r->code == c->want) {
        *is_whole = true;
        return strcmp(out, base->out) != 0 ? "it succeeds and its output differs" : NULL;
    }
    if (!is_error(c, r->code)) {
        return "it fails with the code of something else";
    }
    if (c->words[0] == NULL && out[0] == '\0') {
        return NULL; /* a closed connection, or the bare 503 of a server without any memory */
    }
    if (!says_memory(out) && !says_memory(err)) {
        return "it fails and does not speak of memory";
    }
    return NULL;
}

static const char *judge_state(const fault_case *c, const baseline *base, const fault_state *now,
                               const char *said, bool is_whole, long n_dropped) {
    const bool is_as_before = now->exact == base->before.exact;
    if (now->wrong[0] != '\0') {
        return now->wrong;
    }
    if (is_whole && n_dropped > 0) {
        return NULL; /* the log lacks answers, which the server says */
    }
    if (is_whole) {
        return !c->answers_vary && now->shape != base->after.shape
                   ? "it succeeds and did not do all"
                   : NULL;
    }
    if (!is_as_before && c->says != NULL && strstr(said, c->says) != NULL) {
        return NULL;
    }
    if (!is_as_before && !c->changes_early) {
        return now->shape == base->after.shape ? "it fails and is done all the same"
                                               : "it fails and something changed";
    }
    return NULL;
}

static char *leveled(const worker *w, const char *name) {
    char *text = read_in(w, name);
    fault_level(text);
    return text;
}

static void try_fault(worker *w, uint32_t index, const baseline *base, const fault_plan *plan) {
    const fault_case *c = &fault_cases[index];
    tally *t = &w->tallies[index];
    bool is_whole = false;
    fresh_folder(w, c);
    const int status = fault_run(c, w->folder, plan, w->result, look, w);
    const char *what = NULL;
    char text[64];
    atomic_fetch_add(&t->n_tries, 1);
    atomic_fetch_add(&t->n_fired, w->result->count.n_failed > 0 ? 1 : 0);
    char *out = leveled(w, ".out");
    char *err = read_in(w, ".err");
    if (status == -1) {
        what = "it hangs";
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(text, sizeof(text), "it dies by signal %d", WTERMSIG(status));
        what = text;
    } else if (!w->result->is_done) {
        what = "it ends the process";
    } else {
        what = judge(w, c, base, out, err, &is_whole);
    }
    const bool is_error_on_stdout = err[0] == '\0'; /* with --json */
    what = what != NULL ? what
                        : judge_state(c, base, w->state, is_error_on_stdout ? out : err, is_whole,
                                      w->result->n_dropped);
    if (what != NULL) {
        finding(w, index, plan, what, strlen(err) > 0 ? err : out);
    } else {
        atomic_fetch_add(is_whole               ? &t->n_whole
                         : w->result->code == 0 ? &t->n_closed
                                                : &t->n_errors,
                         1);
    }
    const fault_count first = w->result->count;
    const int code = w->result->code;
    if (what == NULL && !is_whole && c->words[0] != NULL) {
        static const fault_plan none = {0};
        const int again = fault_run(c, w->folder, &none, w->result, NULL, NULL);
        /* What is done already may be refused the second time. */
        const bool is_refused = c->says != NULL && (w->result->code == 5 || w->result->code == 3);
        if (!WIFEXITED(again) || (w->result->code != c->want && !is_refused)) {
            char *said = read_in(w, ".err");
            finding(w, index, plan, "afterwards it fails without a fault", said);
            free(said);
        }
    } else if (what == NULL && c->words[0] == NULL) {
        /* What was done once may be refused the second time. */
        const int after = w->result->code_after;
        if (after != c->want && !(is_whole && after == 409)) {
            finding(w, index, plan, "afterwards the server does not answer as it should", out);
        }
    }
    w->result->count = first;
    w->result->code = code;
    free(out);
    free(err);
}

static bool make_baseline(worker *w, uint32_t index, baseline *out) {
    const fault_case *c = &fault_cases[index];
    static const fault_plan none = {0};
    fresh_folder(w, c);
    look(w);
    out->before = *w->state;
    fresh_folder(w, c);
    const int status = fault_run(c, w->folder, &none, w->result, look, w);
    out->result = *w->result;
    out->out = leveled(w, ".out");
    if (!WIFEXITED(status) || !w->result->is_done || w->result->code != c->want) {
        char *err = read_in(w, ".err");
        printf("  %s does not work without a fault (code %d): %s%s\n", c->name, w->result->code,
               err, out->out);
        free(err);
        atomic_fetch_add(&w->tallies[index].n_findings, 1);
        return false;
    }
    out->after = *w->state;
    return true;
}

static uint64_t random_next(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Workers take whole cases, which are run once without a fault each; one case, or all allocations
 * of each, they share. */
static bool shares_cases(const options *o) {
    return o->only != NULL || o->is_full;
}

static bool is_mine(const worker *w, uint64_t turn) {
    return !shares_cases(w->options) || turn % w->options->jobs == w->number;
}

static void run_case(worker *w, uint32_t index) {
    const options *o = w->options;
    baseline base = {0};
    uint64_t random = o->seed + index * 1000003u;
    uint64_t turn = 0;
    if (make_baseline(w, index, &base)) {
        const uint64_t n = base.result.count.n_calls;
        const uint64_t head = o->is_full || n <= o->sample ? n : o->sample;
        atomic_store(&w->tallies[index].n_calls, n);
        for (uint64_t i = 1; i <= head && o->nth == 0; i++) {
            for (int forever = 0; forever < 2; forever++) {
                const fault_plan plan = {.nth = i, .forever = forever == 1};
                if (is_mine(w, turn++)) {
                    try_fault(w, index, &base, &plan);
                }
            }
        }
        const uint64_t strata = n - head < o->sample ? n - head : o->sample;
        for (uint64_t i = 0; i < strata && o->nth == 0; i++) {
            const uint64_t from = head + (n - head) * i / strata;
            const uint64_t to = head + (n - head) * (i + 1) / strata;
            for (int forever = 0; forever < 2; forever++) {
                const fault_plan plan = {.nth = from + 1 + random_next(&random) % (to - from),
                                         .forever = forever == 1};
                if (is_mine(w, turn++)) {
                    try_fault(w, index, &base, &plan);
                }
            }
        }
        if (o->nth > 0) {
            const fault_plan plan = {.nth = o->nth, .forever = o->nth_forever};
            try_fault(w, index, &base, &plan);
            printf("code %d, failed %llu of %llu\n", w->result->code,
                   (unsigned long long)w->result->count.n_failed,
                   (unsigned long long)w->result->count.n_calls);
            print_frames(&w->result->count);
        }
    }
    free(base.out);
}

static void work(worker *w) {
    (void)snprintf(w->folder, sizeof(w->folder), "%s/try%u", w->root, w->number);
    const options *o = w->options;
    uint32_t own = 0, i = 0;
    while ((i = shares_cases(o) ? own++ : atomic_fetch_add(w->next, 1)) < fault_n_cases) {
        if (o->only == NULL || strcmp(o->only, fault_cases[i].name) == 0) {
            run_case(w, i);
        }
    }
    fflush(stdout);
}

/* Only then is a way to repeat it worth a line. */
static void print_repeat(void) {
    printf("each again by: build/tests/fault_each --case NAME --nth N once|forever\n");
}

/* A line for each case that was asked for, or that has findings: a sample's findings are not lost
 * among 180 lines without one. */
static uint64_t report(const tally *tallies, const options *o) {
    uint64_t n_tries = 0, n_findings = 0, n_cases = 0, n_calls = 0;
    printf("%-20s %8s %7s %7s %7s %7s %8s\n", "case", "allocs", "tries", "errors", "closed",
           "whole", "findings");
    for (uint32_t i = 0; i < fault_n_cases; i++) {
        const tally *t = &tallies[i];
        if (o->only != NULL && strcmp(o->only, fault_cases[i].name) != 0) {
            continue;
        }
        if (o->is_full || o->only != NULL || t->n_findings > 0) {
            printf("%-20s %8llu %7llu %7llu %7llu %7llu %8llu\n", fault_cases[i].name,
                   (unsigned long long)t->n_calls, (unsigned long long)t->n_tries,
                   (unsigned long long)t->n_errors, (unsigned long long)t->n_closed,
                   (unsigned long long)t->n_whole, (unsigned long long)t->n_findings);
        }
        n_cases++;
        n_calls += t->n_calls;
        n_tries += t->n_fired;
        n_findings += t->n_findings;
    }
    printf("%llu cases with %llu allocations, %llu failed, %llu findings, seed %llu\n",
           (unsigned long long)n_cases, (unsigned long long)n_calls, (unsigned long long)n_tries,
           (unsigned long long)n_findings, (unsigned long long)o->seed);
    return n_findings;
}

/* Loaded here, so that every child knows where its code lies. */
static void load_duckdb(void) {
    char path[600];
    const ssize_t n = readlink("/proc/self/exe", path, 500);
    must(n > 0, "exe");
    path[n] = '\0';
    (void)snprintf(strrchr(path, '/'), 80, "/../../third_party/duckdb/libduckdb.so");
    must(dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL, path);
}

static void parse(int argc, char **argv, options *o) {
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--full") == 0) {
            o->is_full = true;
        } else if (strcmp(argv[i], "--sample") == 0 && has_value) {
            o->sample = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--jobs") == 0 && has_value) {
            o->jobs = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0 && has_value) {
            o->seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--case") == 0 && has_value) {
            o->only = argv[++i];
        } else if (strcmp(argv[i], "--nth") == 0 && i + 2 < argc) {
            o->nth = strtoull(argv[++i], NULL, 10);
            o->nth_forever = strcmp(argv[++i], "forever") == 0;
            o->jobs = 1;
        } else {
            fprintf(stderr, "usage: faults [--full | --sample N] [--jobs N] [--seed N] "
                            "[--case NAME] [--nth N once|forever]\n");
            exit(2);
        }
    }
}

int main(int argc, char **argv) {
    options o = {.sample = 2, .jobs = 4, .seed = 1};
    if (argc > 1 && tm__command_find(argv[1]) != NULL) {
        return tm__cli_main(argc, (const char *const *)argv); /* a child of `run` */
    }
    parse(argc, argv, &o);
    char root[] = "/tmp/tm_faults_XXXXXX";
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    must(mkdtemp(root) != NULL, root);
    must(unsetenv("TIDEMILL_HOME") == 0 && setenv("NO_COLOR", "1", 1) == 0, "environment");
    tally *tallies = shared(fault_n_cases * sizeof(tally));
    _Atomic uint32_t *next = shared(sizeof(*next));
    load_duckdb();
    const bool is_all = fault_covers_all();
    fault_templates(root);
    for (uint32_t i = 0; i < o.jobs; i++) {
        worker w = {.options = &o, .number = i, .tallies = tallies, .next = next};
        (void)snprintf(w.root, sizeof(w.root), "%s", root);
        fflush(stdout);
        const pid_t child = fork();
        must(child >= 0, "fork");
        if (child == 0) {
            w.result = shared(sizeof(*w.result));
            w.state = shared(sizeof(*w.state));
            work(&w);
            _exit(0);
        }
    }
    bool is_ok = is_all;
    for (uint32_t i = 0; i < o.jobs; i++) {
        int status = -1;
        must(wait(&status) > 0, "wait");
        is_ok = is_ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    fault_remove(root);
    is_ok = report(tallies, &o) == 0 && is_ok;
    if (!is_ok) {
        print_repeat();
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%.0f s\n", (double)(end.tv_sec - start.tv_sec));
    return is_ok ? 0 : 1;
}
