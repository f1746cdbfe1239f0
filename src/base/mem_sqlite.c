/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's memory through the seam, so that tests can fail its allocations too. SQLite asks for the
 * size of its blocks, which libc knows, and needs 8 bytes of alignment, of which libc gives 16.
 */
#include <malloc.h>
#include <sqlite3.h>

#include "base/mem.h"

static void *sqlite_malloc(int bytes) {
    return tm__mem_small((size_t)bytes);
}

static void *sqlite_realloc(void *block, int bytes) {
    return tm__mem_small_realloc(block, (size_t)bytes);
}

static int sqlite_size(void *block) {
    return block == NULL ? 0 : (int)malloc_usable_size(block);
}

static int sqlite_round_up(int bytes) {
    return (bytes + 7) & ~7;
}

static int sqlite_init(void *arg) {
    (void)arg;
    return SQLITE_OK;
}

static void sqlite_shutdown(void *arg) {
    (void)arg;
}

void tm__mem_sqlite_init(void) {
    static const sqlite3_mem_methods methods = {
        .xMalloc = sqlite_malloc,
        .xFree = tm__mem_free,
        .xRealloc = sqlite_realloc,
        .xSize = sqlite_size,
        .xRoundup = sqlite_round_up,
        .xInit = sqlite_init,
        .xShutdown = sqlite_shutdown,
    };
    /* Refused when the program that loads this library has used SQLite before: then SQLite keeps
     * the allocator that it has. */
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
}
