/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dictionaries of texts.
 *
 *     entries  [n]         text view and hash of code 0, 1, ...
 *     slots    [n_slots]   open addressing, linear probing: code + 1 (0 is free), half of the hash
 *     block -> block -> .. bytes of the texts, each with a NUL behind it
 *
 * 1. A text's bytes never move, because views of them live as long as the dictionary.
 * 2. At most two thirds of the slots are taken.
 * 3. Of a large dictionary each look-up misses the cache three times, one after the other: slot,
 *    entry, bytes. Many texts at a time wait for them together.
 */
#include "table/table_priv.h"

#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/mem.h"

#define FIRST_SLOTS 64u
#define FIRST_BLOCK 1024u
#define BLOCK_MAX (1u << 20)
#define FETCH_MIN 2048u /* entries of a dictionary that the first caches do not hold */
#define HASH_KEY UINT64_C(0x7469646574657874)

typedef struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
} block;

typedef struct entry {
    tm_str text;
    uint64_t hash;
} entry;

typedef struct slot {
    uint32_t taken; /* code + 1; 0: free */
    uint32_t tag;   /* the upper half of the hash */
} slot;

struct tm_dict {
    atomic_uint refs;
    uint32_t n, capacity;
    uint32_t n_slots;
    entry *entries;
    slot *slots;
    block *blocks; /* the newest first */
};

tm_dict *tm__dict_create(void) {
    tm_dict *const dict = tm__mem_zalloc(1, sizeof(*dict));
    if (dict != NULL) {
        atomic_init(&dict->refs, 1);
    }
    return dict;
}

tm_dict *tm__dict_ref(const tm_dict *dict) {
    tm_dict *const shared = (tm_dict *)(uintptr_t)dict;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

static bool grow_slots(tm_dict *dict) {
    const uint32_t n_slots = dict->n_slots == 0 ? FIRST_SLOTS : dict->n_slots * 2;
    slot *const slots = tm__mem_zalloc(n_slots, sizeof(*slots));
    if (n_slots == 0 || slots == NULL) {
        tm__mem_free(slots);
        return false;
    }
    for (uint32_t code = 0; code < dict->n; code++) {
        const uint64_t hash = dict->entries[code].hash;
        uint32_t at = (uint32_t)hash & (n_slots - 1);
        while (slots[at].taken != 0) {
            at = (at + 1) & (n_slots - 1);
        }
        slots[at] = (slot){code + 1, (uint32_t)(hash >> 32)};
    }
    tm__mem_free(dict->slots);
    dict->slots = slots;
    dict->n_slots = n_slots;
    return true;
}

static bool grow_entries(tm_dict *dict) {
    const uint32_t capacity = dict->capacity == 0 ? FIRST_SLOTS / 2 : dict->capacity * 2;
    entry *const entries = tm__mem_realloc(dict->entries, capacity, sizeof(*entries));
    if (entries == NULL) {
        return false;
    }
    dict->entries = entries;
    dict->capacity = capacity;
    return true;
}

/* Room for len bytes and a NUL that never moves; NULL when out of memory. */
static char *take_bytes(tm_dict *dict, size_t len) {
    block *last = dict->blocks;
    if (last == NULL || last->size - last->used < len + 1) {
        size_t size = last == NULL ? FIRST_BLOCK : last->size * 2;
        size = size > BLOCK_MAX ? BLOCK_MAX : size;
        size = size < len + 1 ? len + 1 : size;
        last = tm__mem_alloc(1, sizeof(block) + size);
        if (last == NULL) {
            return NULL;
        }
        *last = (block){.next = dict->blocks, .size = size};
        dict->blocks = last;
    }
    char *const out = last->bytes + last->used;
    last->used += len + 1;
    return out;
}

/* Slot of a text, or the free slot where it belongs. */
static uint32_t find_slot(const tm_dict *dict, tm_str text, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (dict->n_slots - 1);
    for (; dict->slots[at].taken != 0; at = (at + 1) & (dict->n_slots - 1)) {
        if (dict->slots[at].tag != (uint32_t)(hash >> 32)) {
            continue;
        }
        const entry *const e = &dict->entries[dict->slots[at].taken - 1];
        if (e->text.len == text.len && memcmp(e->text.ptr, text.ptr, text.len) == 0) {
            break;
        }
    }
    return at;
}

static tm_str key_of(tm_str text) {
    return (tm_str){text.ptr == NULL ? "" : text.ptr, text.len};
}

static uint32_t add_hashed(tm_dict *dict, tm_str key, uint64_t hash) {
    if (dict->n_slots != 0) {
        const uint32_t at = find_slot(dict, key, hash);
        if (dict->slots[at].taken != 0) {
            return dict->slots[at].taken - 1;
        }
    }
    if (dict->n == TM_CODE_MISSING - 1) {
        return TM_CODE_MISSING;
    }
    /* Invariant 2, in 64 bits because 3 n passes 32. */
    if ((uint64_t)dict->n * 3 + 3 > (uint64_t)dict->n_slots * 2 && !grow_slots(dict)) {
        return TM_CODE_MISSING;
    }
    if (dict->n == dict->capacity && !grow_entries(dict)) {
        return TM_CODE_MISSING;
    }
    char *const bytes = take_bytes(dict, key.len);
    if (bytes == NULL) {
        return TM_CODE_MISSING;
    }
    memcpy(bytes, key.ptr, key.len);
    bytes[key.len] = '\0';
    const uint32_t code = dict->n++;
    dict->entries[code] = (entry){{bytes, key.len}, hash};
    dict->slots[find_slot(dict, dict->entries[code].text, hash)] =
        (slot){code + 1, (uint32_t)(hash >> 32)};
    return code;
}

uint32_t tm__dict_add(tm_dict *dict, tm_str text) {
    const tm_str key = key_of(text);
    return add_hashed(dict, key, tm__hash64(key.ptr, key.len, HASH_KEY));
}

/* The slot where the look-up of a hash begins; NULL when it is free. */
static const slot *first_slot(const tm_dict *dict, uint64_t hash) {
    const slot *const s = &dict->slots[(uint32_t)hash & (dict->n_slots - 1)];
    return s->taken == 0 ? NULL : s;
}

static void fetch(const tm_dict *dict, const uint64_t *hashes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        __builtin_prefetch(&dict->slots[(uint32_t)hashes[i] & (dict->n_slots - 1)]);
    }
    for (uint32_t i = 0; i < n; i++) {
        const slot *const s = first_slot(dict, hashes[i]);
        __builtin_prefetch(s == NULL ? NULL : &dict->entries[s->taken - 1]);
    }
    for (uint32_t i = 0; i < n; i++) {
        const slot *const s = first_slot(dict, hashes[i]);
        __builtin_prefetch(s == NULL ? NULL : dict->entries[s->taken - 1].text.ptr);
    }
}

void tm__dict_add_many(tm_dict *dict, const tm_str *texts, uint32_t n, uint32_t *codes) {
    uint64_t hashes[TM_DICT_MANY];
    TM_ASSERT(n <= TM_DICT_MANY);
    for (uint32_t i = 0; i < n; i++) {
        const tm_str key = key_of(texts[i]);
        hashes[i] = tm__hash64(key.ptr, key.len, HASH_KEY);
    }
    if (dict->n >= FETCH_MIN) {
        fetch(dict, hashes, n);
    }
    for (uint32_t i = 0; i < n; i++) {
        codes[i] = add_hashed(dict, key_of(texts[i]), hashes[i]);
    }
}

uint32_t tm__dict_find(const tm_dict *dict, tm_str text) {
    if (dict->n_slots == 0) {
        return TM_CODE_MISSING;
    }
    const tm_str key = key_of(text);
    const uint32_t at = find_slot(dict, key, tm__hash64(key.ptr, key.len, HASH_KEY));
    return dict->slots[at].taken == 0 ? TM_CODE_MISSING : dict->slots[at].taken - 1;
}

tm_str tm__dict_get(const tm_dict *dict, uint32_t code) {
    TM_ASSERT(code < dict->n);
    return dict->entries[code].text;
}

uint64_t tm__dict_hash(const tm_dict *dict, uint32_t code) {
    TM_ASSERT(code < dict->n);
    return dict->entries[code].hash;
}

uint32_t tm__dict_count(const tm_dict *dict) {
    return dict->n;
}

void tm__dict_free(tm_dict *dict) {
    if (dict == NULL || atomic_fetch_sub_explicit(&dict->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (block *b = dict->blocks, *next; b != NULL; b = next) {
        next = b->next;
        tm__mem_free(b);
    }
    tm__mem_free(dict->entries);
    tm__mem_free(dict->slots);
    tm__mem_free(dict);
}
