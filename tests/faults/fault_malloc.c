/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's own malloc stands before libc's for every library that is loaded. Under
 * AddressSanitizer libc's names are its interceptors, and those are what is called.
 *
 * Excluded by the address of the caller: DuckDB handles its own lack of memory by exceptions, and
 * the runtime that throws them needs memory to do so; the loader ends the process when it has none
 * for what is local to a thread.
 */
#include "fault_malloc.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAULT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(FAULT_ASAN)
#define FAULT_ASAN 1
#endif
#ifdef FAULT_ASAN
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *block, size_t size);
void *REAL(memalign)(size_t align, size_t size);

/* What is hidden in the program is not what its libraries call. */
#define FOR_ALL __attribute__((visibility("default")))
FOR_ALL void *malloc(size_t size);
FOR_ALL void *calloc(size_t n, size_t size);
FOR_ALL void *realloc(void *block, size_t size);
FOR_ALL void *memalign(size_t align, size_t size);
FOR_ALL void *aligned_alloc(size_t align, size_t size);
FOR_ALL int posix_memalign(void **out, size_t align, size_t size);

#define RANGES_MAX 16u

static struct { uintptr_t start, end; } excluded[RANGES_MAX];
static uint32_t n_excluded;

static _Atomic bool is_armed;
static _Atomic uint64_t n_calls, n_failed;
static fault_plan plan;
static fault_count first;
static _Thread_local bool is_exempt;

static bool is_excluded(uintptr_t caller) {
    for (uint32_t i = 0; i < n_excluded; i++) {
        if (caller >= excluded[i].start && caller < excluded[i].end) {
            return true;
        }
    }
    return false;
}

static bool must_fail(void *caller) {
    if (!atomic_load_explicit(&is_armed, memory_order_acquire) || is_exempt ||
        is_excluded((uintptr_t)caller)) {
        return false;
    }
    const uint64_t call = atomic_fetch_add(&n_calls, 1) + 1;
    if (plan.nth == 0 || call < plan.nth || (call > plan.nth && !plan.forever)) {
        return false;
    }
    if (call == plan.nth) {
        is_exempt = true;
        first.n_frames = (uint32_t)backtrace(first.frames, FAULT_FRAMES);
        is_exempt = false;
    }
    atomic_fetch_add(&n_failed, 1);
    errno = ENOMEM;
    return true;
}

#ifdef FAULT_ASAN
/* AddressSanitizer asks for the stack of each new thread, for which libc allocates, and ends the
 * program when that fails. */
typedef int (*getattr_fn)(pthread_t thread, pthread_attr_t *out);
FOR_ALL int pthread_getattr_np(pthread_t thread, pthread_attr_t *out);

int pthread_getattr_np(pthread_t thread, pthread_attr_t *out) {
    const bool was_exempt = is_exempt;
    getattr_fn real = NULL;
    is_exempt = true;
    void *const symbol = dlsym(RTLD_NEXT, "pthread_getattr_np");
    memcpy(&real, &symbol, sizeof(real));
    const int result = real == NULL ? ENOSYS : real(thread, out);
    is_exempt = was_exempt;
    return result;
}
#endif

void *malloc(size_t size) {
    return must_fail(__builtin_return_address(0)) ? NULL : REAL(malloc)(size);
}

void *calloc(size_t n, size_t size) {
    return must_fail(__builtin_return_address(0)) ? NULL : REAL(calloc)(n, size);
}

void *realloc(void *block, size_t size) {
    /* With size 0 it frees, which does not fail. */
    return (block == NULL || size > 0) && must_fail(__builtin_return_address(0))
               ? NULL
               : REAL(realloc)(block, size);
}

void *memalign(size_t align, size_t size) {
    return must_fail(__builtin_return_address(0)) ? NULL : REAL(memalign)(align, size);
}

void *aligned_alloc(size_t align, size_t size) {
    return must_fail(__builtin_return_address(0)) ? NULL : REAL(memalign)(align, size);
}

int posix_memalign(void **out, size_t align, size_t size) {
    void *const block = must_fail(__builtin_return_address(0)) ? NULL : REAL(memalign)(align, size);
    if (block == NULL) {
        return ENOMEM;
    }
    *out = block;
    return 0;
}

void fault_arm(const fault_plan *wanted) {
    plan = *wanted;
    memset(&first, 0, sizeof(first));
    atomic_store(&n_calls, 0);
    atomic_store(&n_failed, 0);
    atomic_store_explicit(&is_armed, true, memory_order_release);
}

void fault_disarm(fault_count *out) {
    atomic_store(&is_armed, false);
    *out = first;
    out->n_calls = atomic_load(&n_calls);
    out->n_failed = atomic_load(&n_failed);
}

void fault_exempt(bool wanted) {
    is_exempt = wanted;
}

static int note_library(struct dl_phdr_info *info, size_t size, void *arg) {
    (void)size;
    (void)arg;
    if (strstr(info->dlpi_name, "libduckdb") == NULL &&
        strstr(info->dlpi_name, "libstdc++") == NULL &&
        strstr(info->dlpi_name, "/ld-linux") == NULL) {
        return 0;
    }
    for (uint16_t i = 0; i < info->dlpi_phnum && n_excluded < RANGES_MAX; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0) {
            excluded[n_excluded].start = info->dlpi_addr + part->p_vaddr;
            excluded[n_excluded].end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
            n_excluded++;
        }
    }
    return 0;
}

/* A call in libc that takes memory must be seen. */
static bool sees_libc(void) {
    static const fault_plan none = {0};
    fault_count count;
    fault_arm(&none);
    DIR *const dir = opendir("/");
    fault_disarm(&count);
    if (dir != NULL) {
        closedir(dir);
    }
    return count.n_calls > 0;
}

void fault_prepare(void) {
    void *frames[4];
    if (!sees_libc()) {
        abort();
    }
    (void)backtrace(frames, 4);
    n_excluded = 0;
    (void)dl_iterate_phdr(note_library, NULL);
}
