/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message between ranks costs, started by mpirun (bench/mpi.py --wire): sums over ranks of
 * one number (latency), of the histogram of 28 columns and of a thousand times as much (bandwidth).
 * The least of many, because ranks wait for whoever else uses their core.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/mem.h"

enum { HISTOGRAM = 28 * 256 + 1, MUCH = 1 << 21 };

static double least_us(tm_comm *comm, int64_t *cells, size_t n, uint32_t repeats) {
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < repeats; i++) {
        (void)tm__comm_total(comm, 1); /* all begin together */
        const uint64_t started = tm__mono_ns();
        tm__comm_sum(comm, cells, n);
        const uint64_t took = tm__mono_ns() - started;
        least = took < least ? took : least;
    }
    return (double)least * 1e-3;
}

int main(void) {
    const tm_comm_wait wait = {.timeout_ns = UINT64_C(60000000000)};
    tm_comm *comm = NULL;
    tm_err err = {0};
    if (tm__comm_open(&wait, &comm, &err) != TM_OK || comm == NULL) {
        (void)fprintf(stderr, "%s\n", comm == NULL ? "start me by mpirun" : err.message);
        return 1;
    }
    int64_t *cells = tm__mem_zalloc(MUCH, sizeof(int64_t));
    const double one = least_us(comm, cells, 1, 2000);
    const double histogram = least_us(comm, cells, HISTOGRAM, 2000);
    const double much = least_us(comm, cells, MUCH, 20);
    if (tm__comm_rank(comm) == 0) {
        const uint32_t p = tm__comm_ranks(comm);
        const double bytes = 2.0 * (p - 1) / p * MUCH * sizeof(int64_t);
        printf(
            "{\"ranks\": %u, \"sum_us\": %.2f, \"histogram_us\": %.2f, \"bytes_per_us\": %.1f}\n",
            p, one, histogram, bytes / much);
    }
    tm__mem_free(cells);
    const bool is_ok = tm__comm_status(comm, &err) == TM_OK;
    tm__comm_close(comm, is_ok);
    return is_ok ? 0 : 1;
}
