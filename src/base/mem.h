/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only caller of malloc. Sizes are products checked for overflow; blocks of 4 KiB and more are
 * 64-byte aligned. Tests make the n-th allocation fail. All functions: any thread.
 */
#ifndef TM_BASE_MEM_H
#define TM_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Product of two sizes; false on overflow, *out untouched. */
bool tm__size_mul(size_t a, size_t b, size_t *out);

/** n * size bytes, not cleared, 64-byte aligned; NULL when out of memory or on overflow. n = 0
 * gives a block. */
void *tm__mem_alloc(size_t n, size_t size);
/** Same, cleared. */
void *tm__mem_zalloc(size_t n, size_t size);
/** Grow or shrink a block of tm__mem_alloc or NULL; on failure NULL and the old block stays.
 * Alignment is kept. */
void *tm__mem_realloc(void *block, size_t n, size_t size);
/** For many small things (JSON values): bytes aligned to 16 only, which is faster; not for
 * tm__mem_realloc(). NULL when out of memory. */
void *tm__mem_small(size_t bytes);
/** Grow or shrink a block of tm__mem_small() or NULL; on failure NULL and the old block stays. */
void *tm__mem_small_realloc(void *block, size_t bytes);
/** End a block; NULL is a no-op. */
void tm__mem_free(void *block);
/** NUL-terminated copies; NULL when out of memory. */
char *tm__mem_strdup(const char *text);
char *tm__mem_strndup(const char *text, size_t len);

/** Bytes of large blocks (4 KiB and more) alive now, and the most since the start or the last
 * reset. */
uint64_t tm__mem_bytes(void);
uint64_t tm__mem_bytes_peak(void);
void tm__mem_bytes_reset(void);
/** Bytes of large blocks that this thread asked for, less those that it ended: what a call on it
 * left alive is a difference. */
int64_t tm__mem_thread_bytes(void);
/** Refuse large blocks that would bring tm__mem_bytes() over a limit, from now on; 0: none. Threads
 * that ask at the same moment may pass it by a block each. */
void tm__mem_limit(uint64_t bytes);
/** Blocks that were refused since the limit was set. */
uint64_t tm__mem_limit_refused(void);

/** For a process that lives for months: from now on its threads share so many heaps of malloc(),
 * which else gives each thread one of its own, and what each has free in it is of no use to the
 * others. Before the first thread. */
void tm__mem_share(uint32_t n_heaps);
/** Give pages of which nothing is in use back to the system. Cost: 0.1 ms for heaps of 20 MB, in
 * which who asks the heap at hand for memory waits. */
void tm__mem_trim(void);

/** Give SQLite this allocator; before its first use. */
void tm__mem_sqlite_init(void);

/** Tests: let allocation number `nth` (1-based, from now) fail, once or for ever; 0 switches off.
 */
void tm__mem_fail_at(uint64_t nth, bool forever);
/** Number of allocations asked for since the start of the process, and blocks alive now. */
uint64_t tm__mem_calls(void);
uint64_t tm__mem_alive(void);
/** Bytes that the process has of malloc() in all, whoever asked; 0 where the libc does not tell. */
uint64_t tm__mem_heap_bytes(void);

#endif
