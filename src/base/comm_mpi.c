/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks of Open MPI. Its library is opened only by a process that mpirun started, so the program
 * needs none of it to build or to run. The few declarations below are of its C interface, which has
 * been the same since 2017 (libmpi.so.40: Open MPI 3, 4 and 5); handles are pointers there, and the
 * world and the type of bytes are objects of the library.
 *
 * A wait looks at the cancel flag: when a rank is lost, mpirun sends the others SIGTERM, and they
 * can say what they waited for. A rank that hangs, and a network that is cut, are known by the time
 * in which nothing came. Waits sleep between looks, so that they cost no core to who computes, but
 * for the first fifth of a millisecond: ranks come together at each split of a tree, and waking
 * takes longer than they are apart there. They do not yield, and the library must not: on a core
 * that others want, who yields gets it back after milliseconds, and who sleeps as soon as it wakes.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/comm.h"
#include "base/mem.h"
#include "base/module.h"

enum { THREAD_FUNNELED = 1, ERROR_NONE = 0, TAG = 7, SPINS = 200 };
enum { SLEEP_US_MIN = 5, SLEEP_US_MAX = 500, SLEEP_PART = 8, SLACK_NS = 1000 };

static const uint64_t SLEEPS_AFTER_NS = 200000; /* longer than ranks of a split are apart */

typedef struct mpi_api {
    int (*init_thread)(int *argc, char ***argv, int required, int *provided);
    int (*comm_rank)(void *comm, int *rank);
    int (*comm_size)(void *comm, int *size);
    int (*isend)(const void *data, int count, void *type, int to, int tag, void *comm,
                 void **request);
    int (*irecv)(void *data, int count, void *type, int from, int tag, void *comm, void **request);
    int (*testall)(int count, void *requests[], int *done, void *statuses);
    int (*finalize)(void);
    tm_module_fn world; /* addresses of objects */
    tm_module_fn byte;
} mpi_api;

static const char *const names[] = {"MPI_Init_thread", "MPI_Comm_rank",       "MPI_Comm_size",
                                    "MPI_Isend",       "MPI_Irecv",           "MPI_Testall",
                                    "MPI_Finalize",    "ompi_mpi_comm_world", "ompi_mpi_byte"};
static_assert(sizeof(mpi_api) == sizeof(names), "one name for each member");

static const tm_library library = {.need = "ranks of mpirun need Open MPI",
                                   .file = "libmpi.so.40",
                                   .variable = "TIDEMILL_LIBMPI",
                                   .missing_hint = "Install the package openmpi-bin.",
                                   .old_hint = "Install Open MPI 4 or 5; others will not do.",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

typedef struct mpi {
    mpi_api api;
    void *world, *byte;
    int rank;
    tm_comm_wait wait;
} mpi;

static void *address_of(tm_module_fn symbol) {
    void *address = NULL;
    memcpy(&address, &symbol, sizeof(address));
    return address;
}

/* Why a wait of so long ends without its message; TM_OK: it goes on. */
static tm_status wait_check(const mpi *m, uint64_t waited_ns, const tm_exchange *e, tm_err *err) {
    const uint32_t other = e->from != TM_RANK_NONE ? e->from : e->to;
    tm_status st = TM_OK;
    if (m->wait.cancel != NULL && *m->wait.cancel) {
        st = TM_FAIL(err, TM_E_CANCELLED, "rank %d was stopped while it waited for rank %u",
                     m->rank, other);
        tm_err_hint(err, "If nobody stopped it, a rank was lost: mpirun says which. With "
                         "--checkpoint the same command goes on.");
    } else if (m->wait.timeout_ns > 0 && waited_ns > m->wait.timeout_ns) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "rank %d heard nothing of rank %u for %llu s", m->rank,
                     other, (unsigned long long)(m->wait.timeout_ns / 1000000000));
        tm_err_hint(err, "It hangs, cannot be reached, or needs a longer --rank-timeout. With "
                         "--checkpoint the same command goes on.");
    }
    return st;
}

/* An eighth of what was waited, so that a wait becomes little longer and a long one costs no core.
 */
static void sleep_some(uint64_t waited_ns) {
    const uint64_t us = waited_ns / 1000 / SLEEP_PART;
    if (waited_ns > SLEEPS_AFTER_NS) {
        tm__sleep_us(us < SLEEP_US_MIN   ? SLEEP_US_MIN
                     : us < SLEEP_US_MAX ? (uint32_t)us
                                         : SLEEP_US_MAX);
    }
}

static tm_status wait_all(const mpi *m, int n, void *requests[], const tm_exchange *e,
                          tm_err *err) {
    int is_done = 0;
    uint64_t started_ns = 0;
    for (uint64_t spins = 0; !is_done; spins++) {
        if (m->api.testall(n, requests, &is_done, NULL) != ERROR_NONE) {
            return TM_FAIL(err, TM_E_UNAVAILABLE, "rank %d cannot reach another rank", m->rank);
        }
        if (!is_done && spins >= SPINS) {
            const uint64_t now_ns = tm__mono_ns();
            started_ns = started_ns > 0 ? started_ns : now_ns;
            TM_TRY(wait_check(m, now_ns - started_ns, e, err));
            sleep_some(now_ns - started_ns);
        }
    }
    return TM_OK;
}

static tm_status mpi_exchange(void *self, const tm_exchange *e, tm_err *err) {
    mpi *m = self;
    void *requests[2];
    int n = 0, failed = ERROR_NONE;
    if (e->from != TM_RANK_NONE) {
        failed |= m->api.irecv(e->in, (int)e->in_bytes, m->byte, (int)e->from, TAG, m->world,
                               &requests[n++]);
    }
    if (e->to != TM_RANK_NONE) {
        failed |= m->api.isend(e->out, (int)e->out_bytes, m->byte, (int)e->to, TAG, m->world,
                               &requests[n++]);
    }
    if (failed != ERROR_NONE) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "rank %d cannot reach another rank", m->rank);
    }
    return wait_all(m, n, requests, e, err);
}

/* A rank that ends without the library's goodbye makes mpirun end the others. */
static void mpi_close(void *self, bool is_ok) {
    mpi *m = self;
    if (is_ok) {
        (void)m->api.finalize();
    }
    tm__mem_free(m);
}

static const tm_comm_ops mpi_ops = {.name = "mpi", .exchange = mpi_exchange, .close = mpi_close};

bool tm__comm_is_rank(void) {
    const char *size = getenv("OMPI_COMM_WORLD_SIZE");
    return size != NULL && strcmp(size, "1") != 0;
}

static tm_status world_open(mpi *m, tm_comm **out, tm_err *err) {
    int provided = 0, size = 0;
    TM_TRY(tm__library_load(&library, NULL, &m->api, err));
    (void)setenv("OMPI_MCA_mpi_yield_when_idle", "0", 1); /* waits sleep by themselves */
    m->world = address_of(m->api.world);
    m->byte = address_of(m->api.byte);
    if (m->api.init_thread(NULL, NULL, THREAD_FUNNELED, &provided) != ERROR_NONE ||
        m->api.comm_rank(m->world, &m->rank) != ERROR_NONE ||
        m->api.comm_size(m->world, &size) != ERROR_NONE || provided < THREAD_FUNNELED) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "the library of MPI cannot start");
    }
    (void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0); /* sleeps as short as they are meant */
    *out = tm__comm_create(&mpi_ops, m, (uint32_t)m->rank, (uint32_t)size);
    return *out != NULL ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for ranks");
}

tm_status tm__comm_open(const tm_comm_wait *wait, tm_comm **out, tm_err *err) {
    *out = NULL;
    if (!tm__comm_is_rank()) {
        return TM_OK;
    }
    mpi *m = tm__mem_zalloc(1, sizeof(*m));
    if (m == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for ranks");
    }
    m->wait = *wait;
    const tm_status st = world_open(m, out, err);
    if (st != TM_OK) {
        tm__mem_free(m);
    }
    return st;
}
