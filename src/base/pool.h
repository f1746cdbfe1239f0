/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork/join pool. Work is cut into items by data size, never by thread count; workers take the
 * next item from one counter, spin briefly, then park. The caller works too. One caller at a time;
 * no nesting (a nested call runs its items on the calling thread).
 */
#ifndef TM_BASE_POOL_H
#define TM_BASE_POOL_H

#include <stdint.h>

typedef struct tm_pool tm_pool;

/** item: 0 .. n_items-1, each exactly once. worker: 0 .. n_threads-1, for scratch of one's own. */
typedef void (*tm_pool_fn)(void *arg, uint64_t item, uint32_t worker);

/** n_threads includes the caller; 0 means the number of usable CPUs. NULL when threads cannot be
 * made. */
tm_pool *tm__pool_create(uint32_t n_threads);
uint32_t tm__pool_threads(const tm_pool *pool); /* 1 for NULL */
/** Run fn for all items and wait. pool NULL runs them in order on the caller. */
void tm__pool_run(tm_pool *pool, uint64_t n_items, tm_pool_fn fn, void *arg);
void tm__pool_free(tm_pool *pool);

/** Number of CPUs this process may use (affinity and cgroup quota). */
uint32_t tm__cpu_count(void);

/* Threads, locks and conditions for the few places with a thread of their own (writer of a
 * database, server). */
typedef struct tm_thread tm_thread;
typedef struct tm_mutex tm_mutex;
typedef struct tm_cond tm_cond;
tm_thread *tm__thread_create(void (*fn)(void *arg), void *arg, const char *name);
/** The calling thread gives way to others of this machine from now on; there is no way back. */
void tm__thread_lower(void);
void tm__thread_join(tm_thread *thread); /* ends it too; NULL is a no-op */
tm_mutex *tm__mutex_create(void);
void tm__mutex_lock(tm_mutex *mutex);
void tm__mutex_unlock(tm_mutex *mutex);
void tm__mutex_free(tm_mutex *mutex);
tm_cond *tm__cond_create(void);
/** Wait until signalled or timeout_ms passed (UINT32_MAX: no limit). */
void tm__cond_wait(tm_cond *cond, tm_mutex *mutex, uint32_t timeout_ms);
void tm__cond_signal_all(tm_cond *cond);
void tm__cond_free(tm_cond *cond);

#endif
