/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vocabularies. One thread reads the fitted texts of a column in the order of the rows and counts
 * for each term the texts it is in, in an open hash table:
 *
 *   entry: hash | n_docs | doc (number of the last text, so that a text counts once) | is_word
 *
 * Terms of too few texts say nothing that holds; of the others the most frequent are kept. At most
 * DOCS_MAX texts are read, every k-th, and a table that grows past ENTRIES_MAX forgets the terms
 * seen once: both depend on the data alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"
#include "base/mem.h"
#include "feature/feature_priv.h"

#define DOCS_MAX UINT64_C(200000)
#define ENTRIES_MAX UINT32_C(6000000)

typedef struct entry {
    uint64_t hash;
    uint32_t n_docs; /* 0: free */
    uint32_t doc;
    uint32_t is_word;
} entry;

typedef struct counter {
    entry *entries;
    uint32_t n_slots, n_used;
    uint32_t doc;
    bool failed;
} counter;

static entry *find_slot(entry *entries, uint32_t n_slots, uint64_t hash) {
    uint32_t at = (uint32_t)hash & (n_slots - 1);
    while (entries[at].n_docs != 0 && entries[at].hash != hash) {
        at = (at + 1) & (n_slots - 1);
    }
    return &entries[at];
}

/* Moves the entries with more than n_docs_min texts to a table of n_slots. */
static bool rebuild(counter *c, uint32_t n_slots, uint32_t n_docs_min) {
    entry *entries = tm__mem_zalloc(n_slots, sizeof(entry));
    if (entries == NULL) {
        return false;
    }
    uint32_t n_used = 0;
    for (uint32_t i = 0; i < c->n_slots; i++) {
        if (c->entries[i].n_docs <= n_docs_min) {
            continue;
        }
        *find_slot(entries, n_slots, c->entries[i].hash) = c->entries[i];
        n_used++;
    }
    tm__mem_free(c->entries);
    c->entries = entries;
    c->n_slots = n_slots;
    c->n_used = n_used;
    return true;
}

static void count_term(void *arg, uint64_t hash, bool is_word, tm_str part) {
    (void)part;
    counter *c = arg;
    if (c->failed) {
        return;
    }
    if (c->n_used >= c->n_slots / 2) {
        const bool is_full = c->n_used >= ENTRIES_MAX;
        c->failed = !rebuild(c, is_full ? c->n_slots : c->n_slots * 2, is_full ? 1 : 0);
        if (c->failed) {
            return;
        }
    }
    entry *e = find_slot(c->entries, c->n_slots, hash);
    if (e->n_docs == 0) {
        *e = (entry){.hash = hash, .n_docs = 1, .doc = c->doc, .is_word = is_word};
        c->n_used++;
    } else if (e->doc != c->doc) {
        e->n_docs++;
        e->doc = c->doc;
    }
}

static int compare_frequent(const void *a, const void *b) {
    const entry *x = a, *y = b;
    if (x->n_docs != y->n_docs) {
        return x->n_docs > y->n_docs ? -1 : 1;
    }
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static int compare_hashes(const void *a, const void *b) {
    const entry *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Text of a fitted row; false when missing. */
static bool text_of(const tm_column *column, uint32_t row, tm_str *out) {
    const uint32_t code = column->codes[row];
    if (code == TM_CODE_MISSING) {
        return false;
    }
    *out = tm__dict_get(column->dict, code);
    return true;
}

static tm_status keep_terms(const entry *entries, uint32_t n, uint32_t n_docs, tm_text *text,
                            tm_words *words) {
    text->n_terms = n;
    text->hashes = tm__mem_alloc(n, sizeof(uint64_t));
    text->idf = tm__mem_alloc(n, sizeof(float));
    words->is_word = tm__mem_alloc(n, 1);
    words->n_docs = tm__mem_alloc(n, sizeof(uint32_t));
    if (text->hashes == NULL || text->idf == NULL || words->is_word == NULL ||
        words->n_docs == NULL) {
        return TM_E_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++) {
        text->hashes[i] = entries[i].hash;
        text->idf[i] = (float)(tm__log((1 + (double)n_docs) / (1 + (double)entries[i].n_docs)) + 1);
        words->is_word[i] = (uint8_t)entries[i].is_word;
        words->n_docs[i] = entries[i].n_docs;
    }
    return tm__text_index(text, NULL) == TM_OK ? TM_OK : TM_E_NOMEM;
}

tm_status tm__vocabulary_fit(const tm_fit *fit, tm_text *text, tm_words *words,
                             uint32_t n_terms_max) {
    const tm_column *column = fit->columns[text->input];
    const uint64_t key = tm__text_key(text->input), step = fit->n_rows / DOCS_MAX + 1;
    counter c = {.n_slots = UINT32_C(1) << 16};
    c.entries = tm__mem_zalloc(c.n_slots, sizeof(entry));
    c.failed = c.entries == NULL;
    for (uint64_t i = 0; i < fit->n_rows && !c.failed && !tm__ctx_cancelled(fit->ctx); i += step) {
        tm_str value;
        if (!text_of(column, fit->rows[i], &value)) {
            continue;
        }
        c.doc++;
        tm__text_walk(value, key, count_term, &c);
    }
    tm_status status = c.failed ? TM_E_NOMEM : TM_OK;
    if (status == TM_OK) {
        const uint32_t n_docs_min = c.doc / 20000 > 2 ? c.doc / 20000 : 2;
        uint32_t n = 0;
        for (uint32_t i = 0; i < c.n_slots; i++) {
            if (c.entries[i].n_docs >= n_docs_min) {
                c.entries[n++] = c.entries[i];
            }
        }
        if (n > n_terms_max) {
            qsort(c.entries, n, sizeof(entry), compare_frequent);
            n = n_terms_max;
        }
        qsort(c.entries, n, sizeof(entry), compare_hashes);
        status = keep_terms(c.entries, n, c.doc, text, words);
    }
    tm__mem_free(c.entries);
    return status;
}

void tm__words_done(tm_words *words) {
    tm__mem_free(words->is_word);
    tm__mem_free(words->n_docs);
    memset(words, 0, sizeof(*words));
}

typedef struct namer {
    const tm_text *text;
    const uint32_t *terms;
    char **out;
    uint32_t n, n_named;
} namer;

static void name_term(void *arg, uint64_t hash, bool is_word, tm_str part) {
    namer *m = arg;
    for (uint32_t i = 0; is_word && i < m->n; i++) {
        if (m->text->hashes[m->terms[i]] != hash || m->out[i] != NULL) {
            continue;
        }
        const bool is_name = part.len < 100 && tm__str_is_utf8(part);
        m->out[i] = is_name ? tm__mem_strndup(part.ptr, part.len) : tm__mem_strdup("(long)");
        m->n_named++;
        for (char *p = m->out[i]; p != NULL && *p != 0; p++) {
            if (*p >= 'A' && *p <= 'Z') {
                *p = (char)(*p + 32);
            }
            if ((uint8_t)*p < ' ') {
                *p = ' ';
            }
        }
    }
}

void tm__vocabulary_name(const tm_fit *fit, const tm_text *text, const uint32_t *terms, uint32_t n,
                         char **out) {
    namer m = {.text = text, .terms = terms, .out = out, .n = n};
    memset((void *)out, 0, n * sizeof(char *));
    for (uint64_t i = 0; i < fit->n_rows && m.n_named < n; i++) {
        tm_str value;
        if (text_of(fit->columns[text->input], fit->rows[i], &value)) {
            tm__text_walk(value, tm__text_key(text->input), name_term, &m);
        }
    }
}
