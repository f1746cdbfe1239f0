/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of two tables to codes: a table of 64-bit values to numbers, asked once for the values of a
 * column and, from the second column on, once for pairs of the code so far and the value's. */
#include "base/mem.h"
#include "feature/window_priv.h"

#define SLOTS_MIN 1024u

typedef struct codes {
    uint64_t *values;  /* [n_slots] */
    uint32_t *numbers; /* [n_slots]; TM_CODE_MISSING: free */
    uint64_t n_slots;  /* a power of two, at least twice n */
    uint32_t n;
} codes;

static void codes_done(codes *c) {
    tm__mem_free(c->values);
    tm__mem_free(c->numbers);
    *c = (codes){0};
}

static bool codes_init(codes *c, uint64_t n_slots) {
    *c = (codes){.n_slots = n_slots};
    c->values = tm__mem_alloc(n_slots, sizeof(uint64_t));
    c->numbers = tm__mem_alloc(n_slots, sizeof(uint32_t));
    if (c->values == NULL || c->numbers == NULL) {
        codes_done(c);
        return false;
    }
    for (uint64_t i = 0; i < n_slots; i++) {
        c->numbers[i] = TM_CODE_MISSING;
    }
    return true;
}

static uint64_t slot_of(const codes *c, uint64_t value) {
    uint64_t slot = tm__hash64(&value, sizeof(value), 0) & (c->n_slots - 1);
    while (c->numbers[slot] != TM_CODE_MISSING && c->values[slot] != value) {
        slot = (slot + 1) & (c->n_slots - 1);
    }
    return slot;
}

static bool grow(codes *c) {
    codes larger;
    if (!codes_init(&larger, c->n_slots * 2)) {
        return false;
    }
    for (uint64_t i = 0; i < c->n_slots; i++) {
        if (c->numbers[i] != TM_CODE_MISSING) {
            const uint64_t slot = slot_of(&larger, c->values[i]);
            larger.values[slot] = c->values[i];
            larger.numbers[slot] = c->numbers[i];
        }
    }
    larger.n = c->n;
    codes_done(c);
    *c = larger;
    return true;
}

static tm_status code_of(codes *c, uint64_t value, uint32_t *out) {
    uint64_t slot = slot_of(c, value);
    if (c->numbers[slot] == TM_CODE_MISSING) {
        if (c->n == TM_CODE_MISSING - 1) {
            return TM_E_LIMIT;
        }
        if (2 * ((uint64_t)c->n + 1) > c->n_slots) {
            if (!grow(c)) {
                return TM_E_NOMEM;
            }
            slot = slot_of(c, value);
        }
        c->values[slot] = value;
        c->numbers[slot] = c->n++;
    }
    *out = c->numbers[slot];
    return TM_OK;
}

/* One column of one table: out is the code so far, and becomes that with this column. */
typedef struct part {
    const tm_column *column;
    const uint32_t *same; /* codes of a TEXT of b as those of a; NULL: as they are */
    uint64_t n_rows;
    bool is_first;
    uint32_t *out;
} part;

static tm_status code_part(const part *p, codes *values, codes *pairs) {
    for (uint64_t row = 0; row < p->n_rows; row++) {
        uint64_t cell = tm__window_cell(p->column, row);
        uint32_t code = TM_CODE_MISSING;
        if (tm__window_is_null(p->column->type, cell) ||
            (!p->is_first && p->out[row] == TM_CODE_MISSING)) {
            p->out[row] = TM_CODE_MISSING;
            continue;
        }
        cell = p->same != NULL ? p->same[cell] : cell;
        TM_TRY(code_of(values, cell, &code));
        if (!p->is_first) {
            TM_TRY(code_of(pairs, (uint64_t)p->out[row] << 32 | code, &code));
        }
        p->out[row] = code;
    }
    return TM_OK;
}

/* Codes of b's texts: a's code of the same text, or one behind all of a's. */
static tm_status same_texts(const tm_column *a, const tm_column *b, uint32_t **out) {
    if (b->type != TM_TYPE_TEXT || a->dict == b->dict) {
        return TM_OK;
    }
    const uint32_t n_a = tm__dict_count(a->dict), n_b = tm__dict_count(b->dict);
    if (n_b >= TM_CODE_MISSING - n_a) {
        return TM_E_LIMIT;
    }
    uint32_t *const same = tm__mem_alloc(n_b, sizeof(uint32_t));
    if (same == NULL) {
        return TM_E_NOMEM;
    }
    for (uint32_t code = 0; code < n_b; code++) {
        const uint32_t found = tm__dict_find(a->dict, tm__dict_get(b->dict, code));
        same[code] = found == TM_CODE_MISSING ? n_a + code : found;
    }
    *out = same;
    return TM_OK;
}

static tm_status code_column(const tm_window_keys *keys, uint32_t i, uint32_t *out_a,
                             uint32_t *out_b, uint32_t *out_n) {
    codes values, pairs;
    uint32_t *same = NULL;
    bool ok = codes_init(&values, SLOTS_MIN);
    ok = codes_init(&pairs, SLOTS_MIN) && ok;
    tm_status st = ok ? same_texts(&keys->a[i], &keys->b[i], &same) : TM_E_NOMEM;
    if (st == TM_OK) {
        const part a = {&keys->a[i], NULL, keys->a_rows, i == 0, out_a};
        st = code_part(&a, &values, &pairs);
    }
    if (st == TM_OK) {
        const part b = {&keys->b[i], same, keys->b_rows, i == 0, out_b};
        st = code_part(&b, &values, &pairs);
    }
    *out_n = i == 0 ? values.n : pairs.n;
    tm__mem_free(same);
    codes_done(&values);
    codes_done(&pairs);
    return st;
}

tm_status tm__window_code(const tm_window_keys *keys, uint32_t *out_a, uint32_t *out_b,
                          uint32_t *out_n, tm_err *err) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < keys->n_cols; i++) {
        if (keys->a[i].type != keys->b[i].type) {
            return TM_FAIL(err, TM_E_INVALID, "key '%s' is %s in one table and %s in the other",
                           keys->a[i].name, tm__type_text(keys->a[i].type),
                           tm__type_text(keys->b[i].type));
        }
    }
    if (keys->n_cols == 0) {
        return TM_FAIL(err, TM_E_INVALID, "a key needs a column");
    }
    for (uint32_t i = 0; i < keys->n_cols; i++) {
        const tm_status st = code_column(keys, i, out_a, out_b, &n);
        if (st != TM_OK) {
            return st == TM_E_LIMIT
                       ? TM_FAIL(err, st, "over %u different keys", TM_CODE_MISSING - 1)
                       : TM_FAIL(err, st, "out of memory");
        }
    }
    *out_n = n;
    return TM_OK;
}
