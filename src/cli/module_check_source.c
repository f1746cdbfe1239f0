/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a module's source. Most need the options of one that is there (--option), and read it
 * again and again. */
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "cli/module_check.h"
#include "source/feed_reader.h"
#include "table/table.h"

#define BATCHES_MAX 50u /* that are looked at */
#define NTH_MAX 2000u

/* What came of a reading: a hash for each row, and the state behind each batch. */
typedef struct taken {
    tm_buf hashes;
    json_t *states;
    uint32_t n_batches;
    uint64_t ends[BATCHES_MAX]; /* rows behind each batch */
} taken;

static tm_status take(void *arg, const tm_feed_block *block, tm_err *err) {
    taken *t = arg;
    const uint64_t n_rows = tm__table_rows(block->rows);
    const uint32_t n_cols = tm__table_cols(block->rows);
    uint32_t *cols = tm__mem_alloc(n_cols, sizeof(*cols));
    uint64_t *hashes = tm__mem_alloc(n_rows, sizeof(*hashes));
    tm_status st = TM_OK;
    if (t->n_batches == BATCHES_MAX) {
        st = TM_E_LIMIT; /* enough was seen */
    } else if (cols == NULL || hashes == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the check");
    } else {
        for (uint32_t c = 0; c < n_cols; c++) {
            cols[c] = c;
        }
        tm__table_row_hashes(block->rows, cols, n_cols, hashes);
        const bool ok = tm__buf_append(&t->hashes, hashes, n_rows * sizeof(*hashes));
        json_array_append_new(t->states, json_deep_copy(block->state));
        t->ends[t->n_batches++] = t->hashes.len / sizeof(*hashes);
        st = ok ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory for the check");
    }
    tm__mem_free(hashes);
    tm__mem_free(cols);
    return st;
}

static void taken_init(taken *t) {
    *t = (taken){.states = json_array()};
    tm__buf_init(&t->hashes, (size_t)1 << 30);
}

static void taken_done(taken *t) {
    json_decref(t->states);
    tm__buf_done(&t->hashes);
}

static json_t *spec_of(const tm_module_try *with) {
    json_t *options = json_object();
    for (uint32_t i = 0; i < with->n_options; i++) {
        tm_str value = tm__str(with->options[i]);
        const tm_str name = tm__str_cut(&value, '=');
        json_object_setn_new(options, name.ptr, name.len, json_stringn(value.ptr, value.len));
    }
    return json_pack("{s:s, s:o}", "reader", with->module->table->name, "options", options);
}

/* Read from a state on (NULL: the beginning). */
static tm_status read_from(const tm_module_try *with, const json_t *state, tm_ctx *ctx, taken *out,
                           tm_err *err) {
    json_t *spec = spec_of(with), *none = json_null();
    const tm_feed_input in = {.name = "check", .spec = spec, .state = state == NULL ? none : state};
    const tm_feed_sink sink = {.take = take, .arg = out};
    const tm_status st = tm__feed_reader_read(ctx, &in, &sink, err);
    json_decref(none);
    json_decref(spec);
    return st == TM_E_LIMIT && out->n_batches == BATCHES_MAX ? TM_OK : st;
}

static tm_status without_options(const tm_module_try *with, tm_err *err) {
    const tm_module_source *source = with->module->table->source;
    for (uint32_t i = 0; with->n_options == 0 && i < source->n_options; i++) {
        if (source->options[i].is_required != 0 && source->options[i].otherwise == NULL) {
            return TM_FAIL(err, TM_E_UNSUPPORTED,
                           "give the options of a source that is there: "
                           "--option %s=...",
                           source->options[i].name);
        }
    }
    return TM_OK;
}

/* ---- the checks ---- */

static tm_status gives_rows(const tm_module_try *with, tm_err *err) {
    tm_ctx ctx = {0};
    taken t;
    TM_TRY(without_options(with, err));
    taken_init(&t);
    tm_status st = read_from(with, NULL, &ctx, &t, err);
    if (st == TM_OK && t.hashes.len == 0) {
        st = TM_FAIL(err, TM_E_REFUSED, "it gives no rows");
    }
    taken_done(&t);
    return st;
}

static tm_status goes_on_behind(const tm_module_try *with, const taken *all, uint32_t batch,
                                tm_err *err) {
    const size_t skip = (size_t)all->ends[batch] * sizeof(uint64_t);
    tm_ctx ctx = {0};
    taken rest;
    taken_init(&rest);
    tm_status st = read_from(with, json_array_get(all->states, batch), &ctx, &rest, err);
    const size_t left = all->hashes.len - skip;
    const size_t n = left < rest.hashes.len ? left : rest.hashes.len;
    const bool is_cut = all->n_batches == BATCHES_MAX || rest.n_batches == BATCHES_MAX;
    if (st == TM_OK && ((!is_cut && left != rest.hashes.len) ||
                        (n > 0 && memcmp(all->hashes.data + skip, rest.hashes.data, n) != 0))) {
        st = TM_FAIL(err, TM_E_REFUSED,
                     "from the position behind batch %u on come other rows than the first time",
                     batch + 1);
    }
    taken_done(&rest);
    return st;
}

static tm_status goes_on(const tm_module_try *with, tm_err *err) {
    tm_ctx ctx = {0};
    taken all;
    TM_TRY(without_options(with, err));
    taken_init(&all);
    tm_status st = read_from(with, NULL, &ctx, &all, err);
    for (uint32_t i = 0; st == TM_OK && i < all.n_batches; i++) {
        st = goes_on_behind(with, &all, i, err);
    }
    taken_done(&all);
    return st;
}

/* An option's value that cannot be, for each option: a named error, or rows all the same. */
static tm_status bad_options(const tm_module_try *with, tm_err *err) {
    const tm_module_source *source = with->module->table->source;
    static const char *const values[] = {"", "/no/such/place/anywhere", "\xc3\xa4\n\x01", "-1e999"};
    for (uint32_t i = 0; i < source->n_options * 4u; i++) {
        tm_ctx ctx = {0};
        taken t;
        tm_err cause = {0};
        json_t *spec = spec_of(with), *none = json_null();
        json_object_set_new(json_object_get(spec, "options"), source->options[i / 4].name,
                            json_string(values[i % 4]));
        const tm_feed_input in = {.name = "check", .spec = spec, .state = none};
        const tm_feed_sink sink = {.take = take, .arg = &t};
        taken_init(&t);
        const tm_status st = tm__feed_reader_read(&ctx, &in, &sink, &cause);
        taken_done(&t);
        json_decref(none);
        json_decref(spec);
        if (st == TM_E_INTERNAL) {
            return TM_FAIL(err, TM_E_REFUSED, "option '%s': %.180s", source->options[i / 4].name,
                           cause.message);
        }
    }
    return TM_OK;
}

/* Positions that it never gave: an error or rows, never a fault. */
static tm_status bad_positions(const tm_module_try *with, tm_err *err) {
    static const char *const positions[] = {
        "x", "-1", "18446744073709551615", "99999999999999999999999999", "\xc3\xa4:1:2:3", " "};
    TM_TRY(without_options(with, err));
    for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
        json_t *state = json_pack("{s:s}", "position", positions[i]);
        tm_ctx ctx = {0};
        tm_err cause = {0};
        taken t;
        taken_init(&t);
        const tm_status st = read_from(with, state, &ctx, &t, &cause);
        taken_done(&t);
        json_decref(state);
        if (st == TM_E_INTERNAL) {
            return TM_FAIL(err, TM_E_REFUSED, "%.180s", cause.message);
        }
    }
    return TM_OK;
}

/* One reading whose nth allocation fails. What it is told was made before. */
static tm_status read_short(const tm_feed_input *in, uint64_t nth, tm_status *out, tm_err *err) {
    const uint64_t before = tm__mem_alive();
    tm_ctx ctx = {0};
    taken t;
    taken_init(&t);
    const tm_feed_sink sink = {.take = take, .arg = &t};
    tm__mem_fail_at(nth, false);
    tm_status st = tm__feed_reader_read(&ctx, in, &sink, NULL);
    tm__mem_fail_at(0, false);
    st = st == TM_E_LIMIT && t.n_batches == BATCHES_MAX ? TM_OK : st;
    taken_done(&t);
    tm__json_reset();
    if (st != TM_OK && st != TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_REFUSED, "out of memory is told as another error");
    }
    *out = st;
    return tm__mem_alive() == before
               ? TM_OK
               : TM_FAIL(err, TM_E_REFUSED, "a reading that ran out of memory left blocks behind");
}

static tm_status no_memory_read(const tm_module_try *with, tm_err *err) {
    tm_status st = TM_OK, was = TM_E_NOMEM;
    TM_TRY(without_options(with, err));
    json_t *spec = spec_of(with), *none = json_null();
    const tm_feed_input in = {.name = "check", .spec = spec, .state = none};
    for (uint64_t nth = 1; st == TM_OK && was != TM_OK && nth <= NTH_MAX; nth++) {
        st = read_short(&in, nth, &was, err);
    }
    json_decref(none);
    json_decref(spec);
    return st;
}

const tm_module_trial *tm__module_source_trials(void) {
    static const tm_module_trial trials[] = {
        {"source: gives rows in whole batches",
         "Look at next: names, types, UTF-8, a position that moves with each batch.", gives_rows},
        {"source: goes on exactly behind each position",
         "open must go on behind the last row of the batch that had this position.", goes_on},
        {"source: options that cannot be are errors with a reason",
         "open returns TM_MODULE_E_INVALID, _DATA or _UNAVAILABLE, and says why with refuse().",
         bad_options},
        {"source: positions that it never gave do no harm",
         "open must check the text of a position before it relies on it.", bad_positions},
        {"source: a lack of memory is an error and leaves nothing behind",
         "Return TM_MODULE_E_NOMEM when alloc gives NULL; close frees what there is.",
         no_memory_read},
        {NULL, NULL, NULL},
    };
    return trials;
}
