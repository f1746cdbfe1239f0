/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One job at a time. The caller fills the job, opens the gate and raises the generation; workers
 * see the generation (spinning for a while, then asleep on it), join through the gate, take items
 * from one counter and leave. The caller works too and then closes the gate: a worker that wakes
 * up late finds it closed and goes back to sleep, so that the caller never waits for a thread that
 * has nothing to do.
 *
 *   gate: bit 63 = open, bits 0..31 = workers inside
 *
 * 1. The fields of the job change only while the gate is closed and nobody is inside.
 * 2. A worker inside has seen all fields of the job (the open is a release, joining an acquire).
 * 3. The caller returns only after the gate is closed and empty (leaving is a release), so the
 *    results of all items are visible to it.
 *
 * Whoever waits spins for as long as a join usually follows the last one, then sleeps. A spinning
 * thread that finds itself put aside (the clock jumped between two looks) shares its CPU with
 * another process: spinning would only take that CPU from whoever has work, so for a while nobody
 * in the pool spins.
 *
 * A nested call is known by a thread-local mark and runs on the calling worker under its own
 * number; callers from several threads take turns.
 */
#include "base/pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"

#define GATE_OPEN (UINT64_C(1) << 63)
#define GATE_INSIDE UINT64_C(0xFFFFFFFF)
#define SPIN_NS 55000u  /* of joins less than 50 us apart none costs a sleep and a waking, 30 us */
#define JUMP_NS 100000u /* between two looks at the clock lies 1 us, or another process */
#define CALM_NS 100000000u /* without spinning after a jump: many turns of the scheduler */
#define THREADS_MAX 1024u
#define LOW_NICE 10 /* a tenth of a core where a thread of 0 wants it all */

struct tm_pool {
    /* The job (invariant 1). */
    tm_pool_fn fn;
    void *arg;
    uint64_t n_items;

    _Alignas(64) _Atomic uint64_t next; /* item to take */
    _Alignas(64) _Atomic uint64_t gate;
    _Alignas(64) _Atomic uint32_t generation; /* futex of the workers */
    _Atomic uint32_t n_asleep;
    _Alignas(64) _Atomic uint32_t left; /* futex of the caller: raised when a worker leaves */
    _Atomic bool caller_sleeps;
    _Atomic bool is_ending;
    _Atomic uint64_t calm_end_ns; /* nobody spins before */

    pthread_mutex_t turn; /* of callers */
    uint32_t n_threads;
    uint32_t n_started;
    bool may_spin;
    struct pool_worker *workers; /* [n_threads - 1] */
};

typedef struct pool_worker {
    struct tm_pool *pool;
    uint32_t number;
    pthread_t thread;
} pool_worker;

/* The pool whose item this thread is running, and as which worker. */
static _Thread_local const struct tm_pool *inside_pool;
static _Thread_local uint32_t inside_number;

static void futex_wait(_Atomic uint32_t *word, uint32_t seen) {
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake_all(_Atomic uint32_t *word) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Wait a while for the word to change; false when it did not. */
static bool spin_changed(tm_pool *pool, _Atomic uint32_t *word, uint32_t seen) {
    if (!pool->may_spin) {
        return false;
    }
    const uint64_t start = tm__mono_ns();
    if (start < atomic_load_explicit(&pool->calm_end_ns, memory_order_relaxed)) {
        return false;
    }
    uint64_t now = start, before;
    do {
        for (unsigned i = 0; i < 32; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != seen) {
                return true;
            }
            relax();
        }
        before = now;
        now = tm__mono_ns();
        if (now - before > JUMP_NS) {
            atomic_store_explicit(&pool->calm_end_ns, now + CALM_NS, memory_order_relaxed);
            return false;
        }
    } while (now - start < SPIN_NS);
    return false;
}

static void run_items(tm_pool *pool, uint32_t number) {
    const struct tm_pool *outer_pool = inside_pool;
    const uint32_t outer_number = inside_number;
    inside_pool = pool;
    inside_number = number;
    uint64_t item;
    while ((item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed)) <
           pool->n_items) {
        pool->fn(pool->arg, item, number);
    }
    inside_pool = outer_pool;
    inside_number = outer_number;
}

/* Go through the gate; false when it is closed. */
static bool join_job(tm_pool *pool) {
    uint64_t gate = atomic_load_explicit(&pool->gate, memory_order_acquire);
    while ((gate & GATE_OPEN) != 0) {
        if (atomic_compare_exchange_weak_explicit(&pool->gate, &gate, gate + 1,
                                                  memory_order_acquire, memory_order_acquire)) {
            return true;
        }
    }
    return false;
}

static void leave_job(tm_pool *pool) {
    atomic_fetch_sub_explicit(&pool->gate, 1, memory_order_release);
    atomic_fetch_add_explicit(&pool->left, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->caller_sleeps, memory_order_seq_cst)) {
        futex_wake_all(&pool->left);
    }
}

static void *worker_main(void *arg) {
    pool_worker *self = arg;
    tm_pool *pool = self->pool;
    uint32_t seen = 0;
    for (;;) {
        if (!spin_changed(pool, &pool->generation, seen)) {
            atomic_fetch_add_explicit(&pool->n_asleep, 1, memory_order_seq_cst);
            while (atomic_load_explicit(&pool->generation, memory_order_seq_cst) == seen) {
                futex_wait(&pool->generation, seen);
            }
            atomic_fetch_sub_explicit(&pool->n_asleep, 1, memory_order_relaxed);
        }
        seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (atomic_load_explicit(&pool->is_ending, memory_order_acquire)) {
            return NULL;
        }
        if (join_job(pool)) {
            /* The job joined may be a later one than the generation that was seen; while inside,
             * the generation is its own. */
            seen = atomic_load_explicit(&pool->generation, memory_order_acquire);
            run_items(pool, self->number);
            leave_job(pool);
        }
    }
}

static void raise_generation(tm_pool *pool) {
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&pool->n_asleep, memory_order_seq_cst) > 0) {
        futex_wake_all(&pool->generation);
    }
}

/* Wait until the last worker left. */
static void wait_workers(tm_pool *pool) {
    for (;;) {
        const uint32_t seen = atomic_load_explicit(&pool->left, memory_order_seq_cst);
        if ((atomic_load_explicit(&pool->gate, memory_order_acquire) & GATE_INSIDE) == 0) {
            return;
        }
        if (spin_changed(pool, &pool->left, seen)) {
            continue;
        }
        atomic_store_explicit(&pool->caller_sleeps, true, memory_order_seq_cst);
        if (atomic_load_explicit(&pool->left, memory_order_seq_cst) == seen) {
            futex_wait(&pool->left, seen);
        }
        atomic_store_explicit(&pool->caller_sleeps, false, memory_order_relaxed);
    }
}

static void run_inline(uint64_t n_items, tm_pool_fn fn, void *arg, uint32_t number) {
    for (uint64_t item = 0; item < n_items; item++) {
        fn(arg, item, number);
    }
}

void tm__pool_run(tm_pool *pool, uint64_t n_items, tm_pool_fn fn, void *arg) {
    if (pool == NULL || pool->n_threads == 1 || n_items <= 1 || inside_pool == pool) {
        run_inline(n_items, fn, arg, pool != NULL && inside_pool == pool ? inside_number : 0);
        return;
    }
    pthread_mutex_lock(&pool->turn);
    TM_ASSERT(atomic_load_explicit(&pool->gate, memory_order_acquire) == 0);
    pool->fn = fn;
    pool->arg = arg;
    pool->n_items = n_items;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->gate, GATE_OPEN, memory_order_release);
    raise_generation(pool);
    run_items(pool, 0);
    atomic_fetch_and_explicit(&pool->gate, ~GATE_OPEN, memory_order_acq_rel);
    wait_workers(pool);
    pthread_mutex_unlock(&pool->turn);
}

uint32_t tm__pool_threads(const tm_pool *pool) {
    return pool == NULL ? 1 : pool->n_threads;
}

/* Signals are for the thread that asked for them, never for a worker. */
static bool start_thread(pthread_t *thread, void *(*fn)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return false;
    }
    const int result = pthread_create(thread, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0;
}

tm_pool *tm__pool_create(uint32_t n_threads) {
    const uint32_t n_cpus = tm__cpu_count();
    n_threads = n_threads == 0 ? n_cpus : n_threads;
    n_threads = n_threads > THREADS_MAX ? THREADS_MAX : n_threads;
    tm_pool *pool = tm__mem_zalloc(1, sizeof(*pool));
    if (pool == NULL) {
        return NULL;
    }
    pool->n_threads = n_threads;
    pool->may_spin = n_cpus >= n_threads && n_cpus > 1;
    pthread_mutex_init(&pool->turn, NULL);
    pool->workers = tm__mem_zalloc(n_threads, sizeof(*pool->workers));
    if (pool->workers == NULL) {
        tm__pool_free(pool);
        return NULL;
    }
    for (uint32_t i = 1; i < n_threads; i++) {
        pool_worker *worker = &pool->workers[i - 1];
        *worker = (pool_worker){.pool = pool, .number = i};
        if (!start_thread(&worker->thread, worker_main, worker)) {
            tm__pool_free(pool);
            return NULL;
        }
        pool->n_started++;
    }
    return pool;
}

void tm__pool_free(tm_pool *pool) {
    if (pool == NULL) {
        return;
    }
    atomic_store_explicit(&pool->is_ending, true, memory_order_release);
    raise_generation(pool);
    for (uint32_t i = 0; i < pool->n_started; i++) {
        pthread_join(pool->workers[i].thread, NULL);
    }
    pthread_mutex_destroy(&pool->turn);
    tm__mem_free(pool->workers);
    tm__mem_free(pool);
}

struct tm_thread {
    void (*fn)(void *arg);
    void *arg;
    char name[16];
    pthread_t thread;
};

static void *thread_main(void *arg) {
    tm_thread *self = arg;
    self->fn(self->arg);
    return NULL;
}

tm_thread *tm__thread_create(void (*fn)(void *arg), void *arg, const char *name) {
    tm_thread *thread = tm__mem_zalloc(1, sizeof(*thread));
    if (thread == NULL) {
        return NULL;
    }
    thread->fn = fn;
    thread->arg = arg;
    for (size_t i = 0; i + 1 < sizeof(thread->name) && name[i] != '\0'; i++) {
        thread->name[i] = name[i];
    }
    if (!start_thread(&thread->thread, thread_main, thread)) {
        tm__mem_free(thread);
        return NULL;
    }
    pthread_setname_np(thread->thread, thread->name);
    return thread;
}

void tm__thread_lower(void) {
    /* Of a thread, on Linux. A system that refuses it keeps the thread as it is. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOW_NICE);
}

void tm__thread_join(tm_thread *thread) {
    if (thread != NULL) {
        pthread_join(thread->thread, NULL);
        tm__mem_free(thread);
    }
}

struct tm_mutex {
    pthread_mutex_t mutex;
};

struct tm_cond {
    pthread_cond_t cond;
};

tm_mutex *tm__mutex_create(void) {
    tm_mutex *mutex = tm__mem_alloc(1, sizeof(*mutex));
    if (mutex != NULL && pthread_mutex_init(&mutex->mutex, NULL) != 0) {
        tm__mem_free(mutex);
        return NULL;
    }
    return mutex;
}

void tm__mutex_lock(tm_mutex *mutex) {
    TM_ASSERT(pthread_mutex_lock(&mutex->mutex) == 0);
}

void tm__mutex_unlock(tm_mutex *mutex) {
    TM_ASSERT(pthread_mutex_unlock(&mutex->mutex) == 0);
}

void tm__mutex_free(tm_mutex *mutex) {
    if (mutex != NULL) {
        pthread_mutex_destroy(&mutex->mutex);
        tm__mem_free(mutex);
    }
}

tm_cond *tm__cond_create(void) {
    tm_cond *cond = tm__mem_alloc(1, sizeof(*cond));
    if (cond == NULL) {
        return NULL;
    }
    /* Limits are durations, so the wall clock must not move them. */
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    const int result = pthread_cond_init(&cond->cond, &attr);
    pthread_condattr_destroy(&attr);
    if (result != 0) {
        tm__mem_free(cond);
        return NULL;
    }
    return cond;
}

void tm__cond_wait(tm_cond *cond, tm_mutex *mutex, uint32_t timeout_ms) {
    if (timeout_ms == UINT32_MAX) {
        pthread_cond_wait(&cond->cond, &mutex->mutex);
        return;
    }
    const uint64_t end = tm__mono_ns() + (uint64_t)timeout_ms * 1000000;
    const struct timespec limit = {.tv_sec = (time_t)(end / UINT64_C(1000000000)),
                                   .tv_nsec = (long)(end % UINT64_C(1000000000))};
    pthread_cond_timedwait(&cond->cond, &mutex->mutex, &limit);
}

void tm__cond_signal_all(tm_cond *cond) {
    pthread_cond_broadcast(&cond->cond);
}

void tm__cond_free(tm_cond *cond) {
    if (cond != NULL) {
        pthread_cond_destroy(&cond->cond);
        tm__mem_free(cond);
    }
}
