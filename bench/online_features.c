/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Online features: online_features [ENTITIES [EVENTS]], 50,000 cards and 20 payments of each
 * without.
 *
 * Twelve features by card over windows of an hour to thirty days. Payments go in as blocks of
 * 100,000 rows, as a first build has them, then as blocks of 1,000, each durable. Then cards are
 * asked for at random, as of now, on one thread: the value alone as LMDB gives it, with its check
 * sum, and all twelve features. Seven runs each; then all of it in a home that is sealed. What is
 * said of a core is by CPU seconds, so that others on the machine do not count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/upkeep.h"
#include "registry/online_ask.h"
#include "store/vault.h"

enum { RUNS = 7, LOOK_UPS = 100000, BLOCK = 100000, SMALL = 1000, SMALL_BLOCKS = 20 };
#define DAY_US INT64_C(86400000000)
#define START_US (INT64_C(1700000000) * 1000000)

static const char *const texts[] = {
    "n_1h = count() by card over 1h",
    "n_1d = count() by card over 1d",
    "n_7d = count() by card over 7d",
    "sum_1d = sum(amount) by card over 1d",
    "sum_7d = sum(amount) by card over 7d",
    "mean_7d = mean(amount) by card over 7d",
    "std_30d = std(amount) by card over 30d",
    "max_30d = max(amount) by card over 30d",
    "last = last(amount) by card",
    "before = lag(amount, 1) by card",
    "since = age() by card",
    "lands_7d = distinct(land) by card over 7d",
};
enum { N_FEATURES = sizeof(texts) / sizeof(texts[0]) };

typedef struct bench {
    tm_home *home;
    tm_online *online;
    tm_online_plan plan;
    tm_online_view view;
    uint64_t n_cards, n_events; /* of each */
    int64_t now_us;
} bench;

static void must(tm_status st, const tm_err *err) {
    if (st != TM_OK) {
        fprintf(stderr, "online_features: %s\n", err->message);
        exit(1);
    }
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *values, int n) {
    qsort(values, (size_t)n, sizeof(*values), compare);
    printf("%-56s %-10s %12.1f  [%.1f - %.1f]\n", name, unit, values[n / 2], values[0],
           values[n - 1]);
    fflush(stdout);
}

static double seconds_since(uint64_t start_ns) {
    return (double)(tm__mono_ns() - start_ns) * 1e-9;
}

static double core_seconds_since(clock_t start) {
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* Payments first .. first + n - 1, in the order of time: ten days from the first to the last. */
static tm_table *payments(const bench *b, uint64_t first, uint64_t n) {
    static const char *const names[] = {"card", "at", "amount", "land"};
    static const tm_type types[] = {TM_TYPE_TEXT, TM_TYPE_TIME, TM_TYPE_FLOAT, TM_TYPE_TEXT};
    const int64_t step_us = 10 * DAY_US / (int64_t)(b->n_cards * b->n_events);
    tm_table_builder *builder = tm__builder_create();
    tm_table *table = NULL;
    tm_err err = {0};
    for (int i = 0; i < 4; i++) {
        must(tm__builder_add_column(builder, names[i], types[i], &err), &err);
    }
    for (uint64_t i = first; i < first + n; i++) {
        char card[24], land[8];
        (void)snprintf(card, sizeof(card), "4%015u", (unsigned)(tm__rng_at(1, i) % b->n_cards));
        (void)snprintf(land, sizeof(land), "%u", (unsigned)(tm__rng_at(2, i) % 40));
        const tm_cell cells[] = {
            {.type = TM_TYPE_TEXT, .text = tm__str(card)},
            {.type = TM_TYPE_TIME, .i64 = START_US + (int64_t)i * step_us},
            {.type = TM_TYPE_FLOAT, .f64 = (double)(tm__rng_at(3, i) % 100000) / 100},
            {.type = TM_TYPE_TEXT, .text = tm__str(land)}};
        must(tm__builder_add_row(builder, cells, &err), &err);
    }
    must(tm__builder_finish(builder, &table, &err), &err);
    return table;
}

static void seal(const tm_home *home) {
    static const char key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    char id[TM_ENVELOPE_ID_TEXT];
    tm_err err = {0};
    (void)setenv("TM_BENCH_KEY", key, 1);
    must(tm__vault_use(home, "env:TM_BENCH_KEY", id, &err), &err);
    printf("in a sealed home:\n");
}

static void open_all(bench *b, bool is_sealed) {
    char folder[] = "/tmp/tm_bench_online_XXXXXX";
    const tm_window_spec spec = {.texts = texts, .n_texts = N_FEATURES, .time = "at"};
    tm_window_set *set = NULL;
    tm_err err = {0};
    bool is_anew = false;
    tm_table *rows = payments(b, 0, 1000);
    must(tm__window_set_create(&spec, &set, &err), &err);
    must(tm__window_set_fit(set, &(tm_window_tables){.events = rows}, &err), &err);
    json_t *info = json_pack("{s:{s:{s:s}}, s:o}", "recipe", "source", "source", "payments",
                             "windows", tm__window_set_to_json(set));
    must(tm__online_plan_read(info, NULL, &b->plan, &err), &err);
    if (mkdtemp(folder) == NULL) {
        exit(1);
    }
    must(tm__home_open(folder, true, &b->home, &err), &err);
    if (is_sealed) {
        seal(b->home);
    }
    must(tm__online_open_write(b->home, true, &b->online, &is_anew, &err), &err);
    b->view =
        (tm_online_view){.mark = b->plan.marks[0], .source = "payments", .newest_us = INT64_MIN};
    must(tm__online_begin(b->online, &err), &err);
    must(tm__online_put_view(b->online, &b->view, &err), &err);
    must(tm__online_commit(b->online, &err), &err);
    json_decref(info);
    tm__window_set_free(set);
    tm__table_unref(rows);
}

static void close_all(bench *b) {
    char command[600];
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", tm__home_path(b->home));
    tm__online_unref(b->online);
    tm__online_plan_done(&b->plan);
    tm__home_close(b->home);
    if (system(command) != 0) {
        exit(1);
    }
}

/* Rows first .. first + n - 1 as one transaction; the seconds that it took without making them, of
 * the clock and of a core. */
static double apply(bench *b, uint64_t first, uint64_t n, double *core_s) {
    tm_table *rows = payments(b, first, n);
    tm_err err = {0};
    const uint64_t start_ns = tm__mono_ns();
    const clock_t start = clock();
    const tm_upkeep_block block = {.live = b->plan.live, .rows = rows, .now_us = INT64_MAX};
    must(tm__online_begin(b->online, &err), &err);
    b->view.checked_us = b->now_us;
    must(tm__upkeep_apply(b->online, &b->view, &block, &err), &err);
    must(tm__online_commit(b->online, &err), &err);
    const double seconds = seconds_since(start_ns);
    *core_s += core_seconds_since(start);
    tm__table_unref(rows);
    return seconds;
}

static void update(bench *b) {
    const uint64_t n = b->n_cards * b->n_events;
    double rates[RUNS * SMALL_BLOCKS], seconds = 0, core_s = 0;
    uint64_t at = 0;
    for (; at < n; at += BLOCK) {
        (void)apply(b, at, n - at < BLOCK ? n - at : BLOCK, &seconds);
    }
    double rate = (double)n / seconds;
    report("build: rows, blocks of 100,000, one core", "rows/s", &rate, 1);
    at = n;
    for (int i = 0; i < SMALL_BLOCKS; i++, at += SMALL) {
        rates[i] = SMALL / apply(b, at, SMALL, &core_s);
    }
    report("rows that come, blocks of 1,000, durable, by the clock", "rows/s", rates, SMALL_BLOCKS);
    rate = SMALL * SMALL_BLOCKS / core_s;
    report("  and of a core", "rows/s", &rate, 1);
    printf("%-56s %-10s %12.1f\n", "the file", "MiB",
           (double)tm__online_bytes(b->online) / 1048576);
}

typedef struct asking {
    bench *b;
    tm_online_asker *asker;
    tm_online_reader *reader;
    double sum;
} asking;

static void ask_features(asking *a, const tm_cell *card) {
    double out[N_FEATURES];
    tm_online_note note;
    tm_err err = {0};
    const tm_online_question question = {
        .keys = card, .moment_us = a->b->now_us, .now_us = a->b->now_us};
    must(tm__online_reader_begin(a->reader, &err), &err);
    must(tm__online_ask(a->asker, a->reader, &question, out, &note, &err), &err);
    tm__online_reader_end(a->reader);
    a->sum += out[2];
}

static void ask_value(asking *a, const tm_cell *card) {
    uint8_t bytes[64];
    tm_buf key = {.data = bytes, .capacity = sizeof(bytes) - 1, .size_max = sizeof(bytes) - 1};
    tm_str value = {0};
    tm_err err = {0};
    if (!tm__window_key_write(card, 1, &key)) {
        exit(1);
    }
    must(tm__online_reader_begin(a->reader, &err), &err);
    const tm_status st = tm__online_get(a->reader, a->b->view.id,
                                        (tm_str){(const char *)key.data, key.len}, &value, &err);
    tm__online_reader_end(a->reader);
    a->sum += st == TM_OK ? (double)value.len : 0;
}

static void look_up(bench *b, const char *name, void (*fn)(asking *a, const tm_cell *card)) {
    asking a = {.b = b, .asker = tm__online_asker_create(&b->plan)};
    tm_err err = {0};
    double rates[RUNS];
    must(tm__online_reader_create(b->online, &a.reader, &err), &err);
    for (int run = 0; run < RUNS; run++) {
        const clock_t start = clock();
        for (uint64_t i = 0; i < LOOK_UPS; i++) {
            char card[24];
            (void)snprintf(card, sizeof(card), "4%015u", (unsigned)(tm__rng_at(9, i) % b->n_cards));
            const tm_cell cell = {.type = TM_TYPE_TEXT, .text = tm__str(card)};
            fn(&a, &cell);
        }
        rates[run] = LOOK_UPS / core_seconds_since(start);
    }
    report(name, "a second", rates, RUNS);
    printf("%-56s %-10s %12.1f\n", "  the mean of what came", "", a.sum / (RUNS * LOOK_UPS));
    tm__online_reader_free(a.reader);
    tm__online_asker_free(a.asker);
}

int main(int argc, char **argv) {
    bench b = {.n_cards = 50000, .n_events = 20};
    if (argc > 1) {
        b.n_cards = strtoull(argv[1], NULL, 10);
    }
    if (argc > 2) {
        b.n_events = strtoull(argv[2], NULL, 10);
    }
    if (b.n_cards == 0 || b.n_events == 0) {
        return 2;
    }
    b.now_us = START_US + 11 * DAY_US; /* behind what comes in small blocks too */
    for (int is_sealed = 0; is_sealed < 2; is_sealed++) {
        open_all(&b, is_sealed != 0);
        update(&b);
        look_up(&b, "values by key, with their check (bytes)", ask_value);
        look_up(&b, "twelve features of a card, one core (payments in 7d)", ask_features);
        close_all(&b);
    }
    return 0;
}
