/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks are those of malloc. Large ones are counted by what malloc gave, before they go out and
 * before they end, so that tm__mem_bytes() is what is held; a limit refuses a block before it is
 * asked for. Counters are relaxed atomics: no order between them is promised.
 */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MEM_ALIGN 64u
#define LARGE ((size_t)4096) /* what is smaller is not worth counting */
/* Large arrays are walked in any order: with pages of 4 KiB each step would miss the TLB. */
#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_MIN (2 * HUGE_PAGE)

/* The allocation seam. These counters are the state of the process's heap, not of a caller. */
static _Atomic uint64_t n_calls;
static _Atomic uint64_t n_alive;
static _Atomic uint64_t n_bytes; /* of blocks of LARGE and more */
static _Atomic uint64_t n_bytes_peak;
static _Thread_local int64_t n_thread_bytes;
static _Atomic uint64_t bytes_max; /* of n_bytes; 0: any */
static _Atomic uint64_t n_refused; /* blocks, for bytes_max */
static _Atomic uint64_t fail_at;   /* value of n_calls that fails; 0: none */
static _Atomic bool fail_forever;

bool tm__size_mul(size_t a, size_t b, size_t *out) {
    size_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/* Count an allocation; false when a test wants it to fail. */
static bool count_call(void) {
    const uint64_t call = atomic_fetch_add_explicit(&n_calls, 1, memory_order_relaxed) + 1;
    const uint64_t nth = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (nth == 0 || call < nth) {
        return true;
    }
    return call > nth && !atomic_load_explicit(&fail_forever, memory_order_relaxed);
}

/* Whether a block keeps the limit. What it replaces is alive until it has moved. */
static bool keeps_limit(size_t bytes) {
    const uint64_t max = atomic_load_explicit(&bytes_max, memory_order_relaxed);
    if (max == 0 || bytes < LARGE) {
        return true;
    }
    const uint64_t now = atomic_load_explicit(&n_bytes, memory_order_relaxed);
    const bool keeps = now <= max && bytes <= max - now;
    if (!keeps) {
        atomic_fetch_add_explicit(&n_refused, 1, memory_order_relaxed);
    }
    return keeps;
}

static void count_bytes(void *block) {
    const size_t bytes = malloc_usable_size(block);
    if (bytes < LARGE) {
        return;
    }
    n_thread_bytes += (int64_t)bytes;
    const uint64_t now = atomic_fetch_add_explicit(&n_bytes, bytes, memory_order_relaxed) + bytes;
    uint64_t peak = atomic_load_explicit(&n_bytes_peak, memory_order_relaxed);
    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&n_bytes_peak, &peak, now, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

static void uncount_bytes(void *block) {
    const size_t bytes = malloc_usable_size(block);
    if (bytes >= LARGE) {
        n_thread_bytes -= (int64_t)bytes;
        atomic_fetch_sub_explicit(&n_bytes, bytes, memory_order_relaxed);
    }
}

static void *count_block(void *block) {
    if (block != NULL) {
        atomic_fetch_add_explicit(&n_alive, 1, memory_order_relaxed);
        count_bytes(block);
    }
    return block;
}

static void *alloc_aligned(size_t bytes) {
    void *block = NULL;
    const size_t align = bytes >= HUGE_MIN ? HUGE_PAGE : MEM_ALIGN;
    if (bytes > PTRDIFF_MAX || posix_memalign(&block, align, bytes == 0 ? 1 : bytes) != 0) {
        return NULL;
    }
    if (bytes >= HUGE_MIN) {
        (void)madvise(block, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    }
    return block;
}

void *tm__mem_alloc(size_t n, size_t size) {
    size_t bytes;
    if (!count_call() || !tm__size_mul(n, size, &bytes) || !keeps_limit(bytes)) {
        return NULL;
    }
    return count_block(alloc_aligned(bytes));
}

void *tm__mem_zalloc(size_t n, size_t size) {
    void *block = tm__mem_alloc(n, size);
    if (block != NULL) {
        memset(block, 0, n * size);
    }
    return block;
}

void *tm__mem_small(size_t bytes) {
    if (!count_call() || bytes > PTRDIFF_MAX || !keeps_limit(bytes)) {
        return NULL;
    }
    return count_block(malloc(bytes == 0 ? 1 : bytes));
}

void *tm__mem_small_realloc(void *block, size_t bytes) {
    if (block == NULL) {
        return tm__mem_small(bytes);
    }
    if (!count_call() || bytes > PTRDIFF_MAX || !keeps_limit(bytes)) {
        return NULL;
    }
    uncount_bytes(block);
    void *moved = realloc(block, bytes == 0 ? 1 : bytes);
    count_bytes(moved != NULL ? moved : block);
    return moved;
}

void *tm__mem_realloc(void *block, size_t n, size_t size) {
    if (block == NULL) {
        return tm__mem_alloc(n, size);
    }
    size_t bytes;
    if (!count_call() || !tm__size_mul(n, size, &bytes)) {
        return NULL;
    }
    /* realloc() does not keep the alignment, so a block that must move is copied by hand. */
    const size_t usable = malloc_usable_size(block);
    if (bytes <= usable && bytes >= usable / 2) {
        return block;
    }
    void *moved = keeps_limit(bytes) ? alloc_aligned(bytes) : NULL;
    if (moved != NULL) {
        memcpy(moved, block, usable < bytes ? usable : bytes);
        count_bytes(moved);
        uncount_bytes(block);
        free(block);
    }
    return moved;
}

void tm__mem_free(void *block) {
    if (block != NULL) {
        atomic_fetch_sub_explicit(&n_alive, 1, memory_order_relaxed);
        uncount_bytes(block);
        free(block);
    }
}

char *tm__mem_strndup(const char *text, size_t len) {
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = tm__mem_alloc(len + 1, 1);
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, text, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

char *tm__mem_strdup(const char *text) {
    return tm__mem_strndup(text, strlen(text));
}

void tm__mem_limit(uint64_t bytes) {
    atomic_store_explicit(&n_refused, 0, memory_order_relaxed);
    atomic_store_explicit(&bytes_max, bytes, memory_order_relaxed);
}

uint64_t tm__mem_limit_refused(void) {
    return atomic_load_explicit(&n_refused, memory_order_relaxed);
}

void tm__mem_fail_at(uint64_t nth, bool forever) {
    atomic_store_explicit(&fail_forever, forever, memory_order_relaxed);
    const uint64_t now = atomic_load_explicit(&n_calls, memory_order_relaxed);
    atomic_store_explicit(&fail_at, nth == 0 ? 0 : now + nth, memory_order_relaxed);
}

uint64_t tm__mem_calls(void) {
    return atomic_load_explicit(&n_calls, memory_order_relaxed);
}

uint64_t tm__mem_alive(void) {
    return atomic_load_explicit(&n_alive, memory_order_relaxed);
}

uint64_t tm__mem_bytes(void) {
    return atomic_load_explicit(&n_bytes, memory_order_relaxed);
}

int64_t tm__mem_thread_bytes(void) {
    return n_thread_bytes;
}

uint64_t tm__mem_bytes_peak(void) {
    return atomic_load_explicit(&n_bytes_peak, memory_order_relaxed);
}

void tm__mem_bytes_reset(void) {
    atomic_store_explicit(&n_bytes_peak, tm__mem_bytes(), memory_order_relaxed);
}

uint64_t tm__mem_heap_bytes(void) {
    const struct mallinfo2 info = mallinfo2();
    return (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
}

void tm__mem_share(uint32_t n_heaps) {
    (void)mallopt(M_ARENA_MAX, (int)n_heaps);
}

void tm__mem_trim(void) {
    (void)malloc_trim(0);
}
