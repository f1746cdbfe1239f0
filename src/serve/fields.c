/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   counts [thread][kind][column]  plain stores of one thread, read by the one that keeps them
 *   names  [TM_FIELD_NAMES]        taken by whoever sees a name first: hash, then text, then ready
 *
 * A name whose place another thread is just filling is counted by its hash alone, so a count is
 * never lost; a second name of the same 64 bits would be counted as the first.
 */
#include "serve/fields.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "model/reference.h"

#define COUNTED 4u /* kinds with a count for each column: refused, absent, converted, renamed */

typedef struct known_name {
    _Atomic uint64_t hash; /* 0: free */
    _Atomic bool is_ready; /* text is there */
    char text[TM_FIELD_NAME_MAX + 1];
    _Atomic uint64_t n;
    uint64_t n_kept; /* the keeper's */
} known_name;

struct tm_fields {
    const char *const *names;
    uint32_t n_columns, n_threads;
    uint32_t n_counts;        /* of a thread */
    _Atomic uint64_t *counts; /* [n_threads][n_counts]: of the rows, then by kind and column */
    uint64_t *kept;           /* [n_counts] the keeper's */
    known_name unknown[TM_FIELD_NAMES];
    _Atomic uint64_t n_others; /* names beyond these */
    uint64_t n_others_kept;
};

tm_fields *tm__fields_create(const char *const *names, uint32_t n_columns, uint32_t n_threads) {
    tm_fields *const self = tm__mem_zalloc(1, sizeof(*self));
    if (self == NULL) {
        return NULL;
    }
    self->names = names;
    self->n_columns = n_columns;
    self->n_threads = n_threads;
    self->n_counts = 1 + COUNTED * n_columns;
    self->counts = tm__mem_zalloc((size_t)n_threads * self->n_counts, sizeof(*self->counts));
    self->kept = tm__mem_zalloc(self->n_counts, sizeof(*self->kept));
    if (self->counts == NULL || self->kept == NULL) {
        tm__fields_free(self);
        return NULL;
    }
    return self;
}

void tm__fields_free(tm_fields *fields) {
    if (fields != NULL) {
        tm__mem_free((void *)fields->counts);
        tm__mem_free(fields->kept);
        tm__mem_free(fields);
    }
}

static uint32_t place_of(const tm_fields *self, tm_field_kind kind, uint32_t column) {
    const uint32_t row = kind == TM_FIELD_REFUSED     ? 0
                         : kind == TM_FIELD_ABSENT    ? 1
                         : kind == TM_FIELD_CONVERTED ? 2
                                                      : 3;
    return kind == TM_FIELD_ROWS ? 0 : 1 + row * self->n_columns + column;
}

void tm__fields_count(tm_fields *fields, uint32_t thread, tm_field_kind kind, uint32_t column) {
    if (fields == NULL || thread >= fields->n_threads || column >= fields->n_columns) {
        return;
    }
    _Atomic uint64_t *const at =
        &fields->counts[(size_t)thread * fields->n_counts + place_of(fields, kind, column)];
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* Whole characters, and what a terminal or a page would take for more than a name is left out. */
static void keep_text(char out[TM_FIELD_NAME_MAX + 1], tm_str name) {
    size_t len = name.len < TM_FIELD_NAME_MAX ? name.len : TM_FIELD_NAME_MAX;
    while (len < name.len && len > 0 && ((unsigned char)name.ptr[len] & 0xC0) == 0x80) {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = (unsigned char)name.ptr[i];
        out[i] = c < 32 || c == 127 ? '?' : (char)c;
    }
    out[len] = '\0';
}

void tm__fields_unknown(tm_fields *fields, tm_str name) {
    if (fields == NULL || name.len == 0) {
        return;
    }
    const uint64_t hash = tm__ref_hash(name) | 1;
    for (uint32_t i = 0; i < TM_FIELD_NAMES; i++) {
        known_name *const k = &fields->unknown[i];
        uint64_t there = atomic_load_explicit(&k->hash, memory_order_relaxed);
        if (there == 0 && atomic_compare_exchange_strong(&k->hash, &there, hash)) {
            keep_text(k->text, name);
            atomic_store_explicit(&k->is_ready, true, memory_order_release);
            there = hash;
        }
        if (there == hash) {
            atomic_fetch_add_explicit(&k->n, 1, memory_order_relaxed);
            return;
        }
    }
    atomic_fetch_add_explicit(&fields->n_others, 1, memory_order_relaxed);
}

/* ---- keep ---- */

/* What came since it was kept last; kept is moved on when all of it is on disk. */
typedef struct keeping {
    tm_fields *fields;
    tm_drift_store *store;
    tm_field_add add;
} keeping;

static uint64_t sum_of(const tm_fields *self, uint32_t place) {
    uint64_t n = 0;
    for (uint32_t t = 0; t < self->n_threads; t++) {
        n += atomic_load_explicit(&self->counts[(size_t)t * self->n_counts + place],
                                  memory_order_relaxed);
    }
    return n;
}

static tm_status add_locked(keeping *k, tm_field_kind kind, const char *name, uint64_t n,
                            tm_err *err) {
    k->add.kind = kind;
    k->add.name = name;
    k->add.n = n;
    return n == 0 ? TM_OK : tm__field_days_add_locked(k->store, &k->add, err);
}

static tm_status add_columns_locked(keeping *k, const uint64_t *now, tm_err *err) {
    static const tm_field_kind kinds[COUNTED] = {TM_FIELD_REFUSED, TM_FIELD_ABSENT,
                                                 TM_FIELD_CONVERTED, TM_FIELD_RENAMED};
    tm_fields *const f = k->fields;
    TM_TRY(add_locked(k, TM_FIELD_ROWS, "", now[0] - f->kept[0], err));
    for (uint32_t row = 0; row < COUNTED; row++) {
        for (uint32_t i = 0; i < f->n_columns; i++) {
            const uint32_t place = 1 + row * f->n_columns + i;
            TM_TRY(add_locked(k, kinds[row], f->names[i], now[place] - f->kept[place], err));
        }
    }
    return TM_OK;
}

static tm_status add_names_locked(keeping *k, const uint64_t *names, uint64_t others, tm_err *err) {
    tm_fields *const f = k->fields;
    for (uint32_t i = 0; i < TM_FIELD_NAMES; i++) {
        TM_TRY(add_locked(k, TM_FIELD_UNKNOWN, f->unknown[i].text, names[i] - f->unknown[i].n_kept,
                          err));
    }
    TM_TRY(add_locked(k, TM_FIELD_UNKNOWN, "", others - f->n_others_kept, err));
    return tm__field_days_drop_locked(k->store, &k->add.key, err);
}

/* Of names those whose text is there. */
static bool read_now(const tm_fields *f, uint64_t *now, uint64_t *names, uint64_t *others) {
    *others = atomic_load_explicit(&f->n_others, memory_order_relaxed);
    bool is_new = *others != f->n_others_kept;
    for (uint32_t i = 0; i < f->n_counts; i++) {
        now[i] = sum_of(f, i);
        is_new = is_new || now[i] != f->kept[i];
    }
    for (uint32_t i = 0; i < TM_FIELD_NAMES; i++) {
        const bool is_ready = atomic_load_explicit(&f->unknown[i].is_ready, memory_order_acquire);
        names[i] = is_ready ? atomic_load_explicit(&f->unknown[i].n, memory_order_relaxed)
                            : f->unknown[i].n_kept;
        is_new = is_new || names[i] != f->unknown[i].n_kept;
    }
    return is_new;
}

static tm_status keep_in(keeping *k, const uint64_t *now, const uint64_t *names, uint64_t others,
                         tm_err *err) {
    tm_db *const db = tm__drift_store_db(k->store);
    TM_TRY(tm__db_begin(db, err));
    tm_status st = add_columns_locked(k, now, err);
    st = st == TM_OK ? add_names_locked(k, names, others, err) : st;
    return tm__db_end(db, st, err);
}

static tm_status keep(const tm_served *served, tm_teller *teller, int64_t now_us, tm_err *err) {
    tm_fields *const f = served->fields;
    uint64_t names[TM_FIELD_NAMES], others = 0;
    if (f == NULL) {
        return TM_OK;
    }
    keeping k = {.fields = f, .add = {.key = {served->model, served->version}, .at_us = now_us}};
    uint64_t *const now = tm__mem_alloc(f->n_counts, sizeof(*now));
    if (now == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to keep what fields came");
    }
    tm_status st = TM_OK;
    if (read_now(f, now, names, &others)) {
        st = tm__teller_store(teller, &k.store, err);
        st = st == TM_OK ? keep_in(&k, now, names, others, err) : st;
        for (uint32_t i = 0; st == TM_OK && i < TM_FIELD_NAMES; i++) {
            f->unknown[i].n_kept = names[i];
        }
        if (st == TM_OK) {
            memcpy(f->kept, now, f->n_counts * sizeof(*now));
            f->n_others_kept = others;
        }
    }
    tm__mem_free(now);
    return st;
}

tm_status tm__fields_keep(const tm_current *current, tm_teller *teller, int64_t now_us,
                          tm_err *err) {
    for (uint32_t i = 0; i < current->n; i++) {
        TM_TRY(keep(current->routes[i], teller, now_us, err));
    }
    for (uint32_t i = 0; i < current->n_kept; i++) {
        TM_TRY(keep(current->kept[i], teller, now_us, err));
    }
    return TM_OK;
}
