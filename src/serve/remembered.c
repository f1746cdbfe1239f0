/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/remembered.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"

typedef struct entry {
    char *key;
    json_t *value;
    uint64_t stamp, began_ns, made_ns;
} entry;

struct tm_remembered {
    entry entries[TM_REMEMBERED_MAX];
};

tm_remembered *tm__remembered_create(void) {
    return tm__mem_zalloc(1, sizeof(tm_remembered));
}

static void let_go(entry *e) {
    tm__mem_free(e->key);
    json_decref(e->value);
    *e = (entry){0};
}

void tm__remembered_free(tm_remembered *self) {
    for (size_t i = 0; self != NULL && i < TM_REMEMBERED_MAX; i++) {
        let_go(&self->entries[i]);
    }
    tm__mem_free(self);
}

/* A commit is seen in a database's log, beside it, or in the file once the log is written back. */
static uint64_t stamp_of(const char *path, uint64_t before) {
    char beside[4096];
    const int n = snprintf(beside, sizeof(beside), "%s-wal", path);
    const tm_path_info file = tm__fs_info(path);
    const tm_path_info log =
        n > 0 && (size_t)n < sizeof(beside) ? tm__fs_info(beside) : (tm_path_info){0};
    const uint64_t facts[] = {before, file.size_bytes, (uint64_t)file.modified_us, log.size_bytes,
                              (uint64_t)log.modified_us};
    return tm__hash64(facts, sizeof(facts), 0);
}

tm_remembered_now tm__remembered_now(const tm_home *home) {
    const uint64_t log = stamp_of(tm__home_log_db(home), 0);
    return (tm_remembered_now){stamp_of(tm__home_watch_db(home), log), tm__mono_ns()};
}

static entry *find(tm_remembered *self, const char *key) {
    for (size_t i = 0; i < TM_REMEMBERED_MAX; i++) {
        if (self->entries[i].key != NULL && strcmp(self->entries[i].key, key) == 0) {
            return &self->entries[i];
        }
    }
    return NULL;
}

json_t *tm__remembered_find(tm_remembered *self, const char *key, const tm_remembered_now *now) {
    const entry *const e = find(self, key);
    if (e == NULL) {
        return NULL;
    }
    const uint64_t age_ns = now->ns > e->made_ns ? now->ns - e->made_ns : 0;
    const bool is_dear = age_ns <= TM_REMEMBERED_TIMES * (e->made_ns - e->began_ns);
    return age_ns <= TM_REMEMBERED_NS && (e->stamp == now->stamp || is_dear) ? json_incref(e->value)
                                                                             : NULL;
}

/* That of the key, else one that is free, else the oldest. */
static entry *place_of(tm_remembered *self, const char *key) {
    entry *const same = find(self, key);
    entry *oldest = &self->entries[0];
    for (size_t i = 1; i < TM_REMEMBERED_MAX; i++) {
        entry *const e = &self->entries[i];
        oldest =
            oldest->key != NULL && (e->key == NULL || e->made_ns < oldest->made_ns) ? e : oldest;
    }
    return same != NULL ? same : oldest;
}

void tm__remembered_keep(tm_remembered *self, const char *key, const tm_remembered_now *now,
                         json_t *value) {
    const size_t size = strlen(key) + 1;
    char *const copy = tm__mem_alloc(size, 1);
    if (copy == NULL) {
        return;
    }
    memcpy(copy, key, size);
    entry *const e = place_of(self, key);
    let_go(e);
    *e = (entry){copy, json_incref(value), now->stamp, now->ns, tm__mono_ns()};
}
