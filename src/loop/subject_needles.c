/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   first bytes of each text, as many as all have (6 to 16) ──> slot of 65,536 ──> list of texts
 *
 * At each place of the bytes one slot is looked at; it is empty nearly always. One text alone is
 * looked for with memmem(), which is faster.
 */
#include "loop/subject_needles.h"

#include <string.h>

#include "base/mem.h"

#define SLOTS 65536u
#define NONE UINT32_MAX
#define WINDOW_BYTES_MAX 16u

struct tm_needles {
    const tm_dict *texts;
    uint32_t n;             /* that are looked for */
    uint32_t only;          /* the last of them */
    size_t longest, window; /* bytes; window: of the shortest, at most WINDOW_BYTES_MAX */
    uint32_t *next;         /* [texts] of the same slot */
    uint32_t *first;        /* [SLOTS] */
};

static uint32_t slot_of(const uint8_t *at, size_t window) {
    uint64_t head = 0, tail = 0;
    const size_t part = window < 8 ? 4 : 8;
    memcpy(&head, at, part);
    memcpy(&tail, at + window - part, part);
    head ^= tail * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)((head * UINT64_C(0xff51afd7ed558ccd)) >> 48);
}

static void measure(tm_needles *needles, uint32_t n_texts) {
    needles->window = WINDOW_BYTES_MAX;
    for (uint32_t i = 0; i < n_texts; i++) {
        const size_t len = tm__dict_get(needles->texts, i).len;
        if (len >= TM_NEEDLE_BYTES_MIN) {
            needles->window = len < needles->window ? len : needles->window;
            needles->longest = len > needles->longest ? len : needles->longest;
        }
    }
}

tm_status tm__needles_create(const tm_dict *texts, tm_needles **out, tm_err *err) {
    const uint32_t n_texts = texts == NULL ? 0 : tm__dict_count(texts);
    tm_needles *needles = tm__mem_alloc(1, sizeof(*needles));
    if (needles == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    *needles = (tm_needles){.texts = texts,
                            .next = tm__mem_alloc((size_t)n_texts + 1, sizeof(uint32_t)),
                            .first = tm__mem_alloc(SLOTS, sizeof(uint32_t))};
    if (needles->next == NULL || needles->first == NULL) {
        tm__needles_free(needles);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    measure(needles, n_texts);
    memset(needles->first, 0xff, SLOTS * sizeof(uint32_t));
    for (uint32_t i = 0; i < n_texts; i++) {
        const tm_str text = tm__dict_get(texts, i);
        if (text.len < TM_NEEDLE_BYTES_MIN) {
            continue;
        }
        const uint32_t slot = slot_of((const uint8_t *)text.ptr, needles->window);
        needles->next[i] = needles->first[slot];
        needles->first[slot] = i;
        needles->only = i;
        needles->n++;
    }
    *out = needles;
    return TM_OK;
}

bool tm__needles_stand_in(const tm_needles *needles, const uint8_t *data, size_t len) {
    if (needles->n == 1) {
        const tm_str text = tm__dict_get(needles->texts, needles->only);
        return len > 0 && memmem(data, len, text.ptr, text.len) != NULL;
    }
    const size_t window = needles->window;
    for (size_t at = 0; needles->n > 0 && at + window <= len; at++) {
        for (uint32_t i = needles->first[slot_of(data + at, window)]; i != NONE;
             i = needles->next[i]) {
            const tm_str text = tm__dict_get(needles->texts, i);
            if (text.len <= len - at && memcmp(data + at, text.ptr, text.len) == 0) {
                return true;
            }
        }
    }
    return false;
}

size_t tm__needles_longest(const tm_needles *needles) {
    return needles->longest;
}

bool tm__needles_are_all(const tm_needles *needles) {
    return needles->texts == NULL || needles->n == tm__dict_count(needles->texts);
}

void tm__needles_free(tm_needles *needles) {
    if (needles != NULL) {
        tm__mem_free(needles->next);
        tm__mem_free(needles->first);
        tm__mem_free(needles);
    }
}
