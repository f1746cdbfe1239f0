/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocation with a maximum. Arenas have four lives: ctx->run, ctx->trial, ctx->request and
 * ctx->scratch. Objects in an arena hold no file, lock or reference. Owner thread only.
 */
#ifndef TM_BASE_ARENA_H
#define TM_BASE_ARENA_H

#include <stddef.h>

#include "tidemill/err.h"

typedef struct tm_arena tm_arena;
typedef struct tm_arena_mark {
    size_t block;
    size_t used;
} tm_arena_mark;

/** An arena that refuses to grow past size_max bytes; NULL when out of memory. */
tm_arena *tm__arena_create(size_t size_max);
/** n * size bytes aligned to 16 (64 when the block is over a cache line); NULL when out of memory.
 */
void *tm__arena_alloc(tm_arena *arena, size_t n, size_t size);
/** Same, cleared. */
void *tm__arena_zalloc(tm_arena *arena, size_t n, size_t size);
/** NUL-terminated copy of len bytes; NULL when out of memory. */
char *tm__arena_strndup(tm_arena *arena, const char *text, size_t len);
/** NUL-terminated formatted text; NULL when out of memory. */
char *tm__arena_printf(tm_arena *arena, const char *fmt, ...) TM_PRINTF(2, 3);
/** A point to roll back to; rolling back frees everything allocated after it. */
tm_arena_mark tm__arena_mark(const tm_arena *arena);
void tm__arena_rollback(tm_arena *arena, tm_arena_mark mark);
/** Empty, keeping the first block. */
void tm__arena_reset(tm_arena *arena);
void tm__arena_free(tm_arena *arena);

#define tm_arena_alloc(arena, type, n) ((type *)tm__arena_alloc((arena), (n), sizeof(type)))
#define tm_arena_zalloc(arena, type, n) ((type *)tm__arena_zalloc((arena), (n), sizeof(type)))

#endif
