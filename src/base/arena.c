/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_REDZONE 32u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_REDZONE 32u
#endif
#endif
#ifdef ARENA_REDZONE
#include <sanitizer/asan_interface.h>
#define POISON(ptr, len) ASAN_POISON_MEMORY_REGION((ptr), (len))
#define UNPOISON(ptr, len) ASAN_UNPOISON_MEMORY_REGION((ptr), (len))
#else
#define ARENA_REDZONE 0u
#define POISON(ptr, len) ((void)(ptr), (void)(len))
#define UNPOISON(ptr, len) ((void)(ptr), (void)(len))
#endif

#define BLOCK_MIN 8192u
#define CACHE_LINE 64u
#define BLOCKS_MAX 64u /* blocks double, so 64 are never used up */

typedef struct arena_block {
    uint8_t *data;
    size_t size;
    size_t used;
} arena_block;

/*
 * blocks[0..n_blocks) are filled in turn: only the last one grows, each new one is at least as
 * large as all before it together, and size_total never passes size_max.
 */
struct tm_arena {
    arena_block blocks[BLOCKS_MAX];
    size_t n_blocks;
    size_t size_total;
    size_t size_max;
};

tm_arena *tm__arena_create(size_t size_max) {
    tm_arena *arena = tm__mem_zalloc(1, sizeof(*arena));
    if (arena != NULL) {
        arena->size_max = size_max;
    }
    return arena;
}

static bool add_block(tm_arena *arena, size_t bytes) {
    const size_t room = arena->size_max - arena->size_total;
    if (arena->n_blocks == BLOCKS_MAX || bytes > room) {
        return false;
    }
    size_t size = arena->size_total < BLOCK_MIN ? BLOCK_MIN : arena->size_total;
    size = size < bytes ? bytes : size;
    size = size > room ? room : size;
    uint8_t *data = tm__mem_alloc(size, 1);
    if (data == NULL) {
        return false;
    }
    POISON(data, size);
    arena->blocks[arena->n_blocks++] = (arena_block){.data = data, .size = size};
    arena->size_total += size;
    return true;
}

void *tm__arena_alloc(tm_arena *arena, size_t n, size_t size) {
    size_t bytes;
    if (!tm__size_mul(n, size, &bytes) || bytes > PTRDIFF_MAX) {
        return NULL;
    }
    const size_t align = bytes > CACHE_LINE ? CACHE_LINE : 16;
    const size_t taken = bytes + ARENA_REDZONE;
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        if (arena->n_blocks > 0) {
            arena_block *block = &arena->blocks[arena->n_blocks - 1];
            const size_t start = (block->used + align - 1) & ~(align - 1);
            if (start <= block->size && taken <= block->size - start) {
                block->used = start + taken;
                UNPOISON(block->data + start, bytes);
                return block->data + start;
            }
        }
        if (attempt == 0 && !add_block(arena, taken)) {
            return NULL;
        }
    }
    return NULL;
}

void *tm__arena_zalloc(tm_arena *arena, size_t n, size_t size) {
    void *ptr = tm__arena_alloc(arena, n, size);
    if (ptr != NULL) {
        memset(ptr, 0, n * size);
    }
    return ptr;
}

char *tm__arena_strndup(tm_arena *arena, const char *text, size_t len) {
    char *copy = len == SIZE_MAX ? NULL : tm__arena_alloc(arena, len + 1, 1);
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, text, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

char *tm__arena_printf(tm_arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, fmt, args);
    char *text = len < 0 ? NULL : tm__arena_alloc(arena, (size_t)len + 1, 1);
    if (text != NULL) {
        vsnprintf(text, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    va_end(args);
    return text;
}

tm_arena_mark tm__arena_mark(const tm_arena *arena) {
    if (arena->n_blocks == 0) {
        return (tm_arena_mark){0, 0};
    }
    return (tm_arena_mark){arena->n_blocks - 1, arena->blocks[arena->n_blocks - 1].used};
}

static void free_last_block(tm_arena *arena) {
    arena_block *block = &arena->blocks[--arena->n_blocks];
    UNPOISON(block->data, block->size);
    arena->size_total -= block->size;
    tm__mem_free(block->data);
    *block = (arena_block){0};
}

void tm__arena_rollback(tm_arena *arena, tm_arena_mark mark) {
    while (arena->n_blocks > mark.block + 1) {
        free_last_block(arena);
    }
    if (arena->n_blocks == 0) {
        return;
    }
    arena_block *block = &arena->blocks[mark.block];
    TM_ASSERT(mark.used <= block->used);
#ifdef TM_DEBUG_BUILD
    UNPOISON(block->data + mark.used, block->used - mark.used);
    memset(block->data + mark.used, 0xA5, block->used - mark.used);
#endif
    POISON(block->data + mark.used, block->used - mark.used);
    block->used = mark.used;
}

void tm__arena_reset(tm_arena *arena) {
    tm__arena_rollback(arena, (tm_arena_mark){0, 0});
}

void tm__arena_free(tm_arena *arena) {
    if (arena != NULL) {
        while (arena->n_blocks > 0) {
            free_last_block(arena);
        }
        tm__mem_free(arena);
    }
}
