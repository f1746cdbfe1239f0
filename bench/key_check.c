/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request pays to be let in: the whole decision with a key (parsing, the search among 1,000
 * keys, two hashes, the comparison in constant time, role and scope, a rate), and the same for a
 * wrong key, beside one BLAKE2b of as many bytes. A wrong key must not cost more than a right one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/serve_priv.h"

enum { N_KEYS = 1000, RUNS = 15, CALLS = 20000 };

typedef struct bench {
    tm_key keys[N_KEYS];
    tm_known_key known[N_KEYS];
    tm_key_meter meter;
    tm_keyring ring;
    tm_key wrong[N_KEYS]; /* ids that are there, other secrets */
} bench;

static int by_id(const void *a, const void *b) {
    return strcmp(((const tm_known_key *)a)->id, ((const tm_known_key *)b)->id);
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void make_keys(bench *b) {
    static char models[] = "late,churn";
    tm__server_key_create(&b->ring.server);
    for (uint32_t i = 0; i < N_KEYS; i++) {
        tm_known_key *known = &b->known[i];
        tm__key_create(&b->keys[i]);
        *known = (tm_known_key){.role = TM_GUARD_CLIENT,
                                .models = models,
                                .expires_us = INT64_MAX,
                                .n_rates = 1,
                                .rates = {{1000000000, 1000000000}},
                                .meter = &b->meter};
        memcpy(known->id, b->keys[i].id, sizeof known->id);
        tm__key_seal(&b->ring.server, &b->keys[i].hash, &known->hash);
        b->wrong[i] = b->keys[i];
        b->wrong[i].text[40] = b->wrong[i].text[40] == 'A' ? 'B' : 'A';
    }
    qsort(b->known, N_KEYS, sizeof b->known[0], by_id);
    b->ring.ever = true;
    b->ring.n = N_KEYS;
    b->ring.keys = b->known;
}

static void check(const bench *b, const tm_key *keys, unsigned want) {
    for (uint32_t i = 0; i < CALLS; i++) {
        const tm_access_request request = {
            .permission = TM_PERMISSION_PREDICT,
            .api_key = tm__str(keys[i * 7 % N_KEYS].text),
            .host = TM_STR("localhost:8080"),
            .place.address = "127.0.0.1:8080",
            .model = TM_STR("churn"),
            .now_us = 1,
            .now_ns = (uint64_t)i * 1000,
        };
        tm_access out;
        tm__access_check(&b->ring, &request, &out);
        if (out.status != want) {
            fprintf(stderr, "a check says %u\n", out.status);
            exit(1);
        }
    }
}

static void hash(const bench *b) {
    uint8_t sum = 0;
    for (uint32_t i = 0; i < CALLS; i++) {
        tm_hash out;
        tm__hash_bytes(b->keys[i * 7 % N_KEYS].text, TM_KEY_TEXT - 1, &out);
        sum = (uint8_t)(sum + out.bytes[0]);
    }
    static volatile uint8_t sink;
    sink = sum;
    (void)sink;
}

static void report(const char *name, const char *unit, double *values) {
    qsort(values, RUNS, sizeof *values, compare);
    printf("%-44s %-6s %10.3f  [%.3f - %.3f]\n", name, unit, values[RUNS / 2], values[0],
           values[RUNS - 1]);
}

static double us_since(uint64_t start_ns) {
    return (double)(tm__mono_ns() - start_ns) / 1000 / CALLS;
}

int main(void) {
    static bench b;
    double right[RUNS], wrong[RUNS], one[RUNS], ratios[RUNS];
    make_keys(&b);
    check(&b, b.keys, 200);
    for (unsigned r = 0; r < RUNS; r++) {
        uint64_t start_ns = tm__mono_ns();
        hash(&b);
        one[r] = us_since(start_ns);
        start_ns = tm__mono_ns();
        check(&b, b.keys, 200);
        right[r] = us_since(start_ns);
        start_ns = tm__mono_ns();
        check(&b, b.wrong, 401);
        wrong[r] = us_since(start_ns);
        ratios[r] = right[r] / one[r];
    }
    report("one BLAKE2b of a key's text", "us", one);
    report("a request let in, one of 1,000 keys", "us", right);
    report("a request with a wrong secret", "us", wrong);
    report("let in, over one BLAKE2b", "times", ratios);
    return 0;
}
