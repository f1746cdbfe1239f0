/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "made_module.h"
#include "source/feed_reader.h"

static made_module made;
static tm_module_source good;

static int add_module(void **state) {
    (void)state;
    made_module_init(&made, "numbers");
    good = made.source;
    (void)made_module_add(&made, 1);
    return 0;
}

/* ---- what is declared ---- */

static void checks(json_t *spec, tm_status status, const char *says) {
    tm_err err = {0};
    assert_non_null(spec);
    const tm_status st = tm__feed_reader_check(spec, false, &err);
    if (st != status || strstr(err.message, says) == NULL) {
        fail_msg("%s: %d: %s", says, st, err.message);
    }
    json_decref(spec);
}

static void a_spec_names_a_module_and_its_options(void **state) {
    (void)state;
    checks(json_pack("{s:s, s:{s:s}}", "reader", "numbers", "options", "path", "x"), TM_OK, "");
    checks(json_pack("{s:s}", "reader", "nothing"), TM_E_UNSUPPORTED, "'nothing' is not loaded");
    checks(json_pack("{s:s}", "reader", "numbers"), TM_E_USAGE, "needs the option 'path'");
    checks(
        json_pack("{s:s, s:{s:s, s:s}}", "reader", "numbers", "options", "path", "x", "pat", "y"),
        TM_E_USAGE, "has no option 'pat'");
    checks(json_pack("{s:s, s:{s:i}}", "reader", "numbers", "options", "path", 1), TM_E_USAGE,
           "is no text");
    made.table.source = NULL;
    checks(json_pack("{s:s}", "reader", "numbers"), TM_E_UNSUPPORTED, "has no source");
    made.table.source = &made.source;
}

/* ---- reading ---- */

typedef struct taken {
    int64_t ints[32];
    uint32_t n, n_blocks, n_most;
    json_t *state;
    tm_table *last;
} taken;

static tm_status take(void *arg, const tm_feed_block *block, tm_err *err) {
    taken *t = arg;
    const tm_column *column = tm__table_column(block->rows, 0);
    if (t->n_blocks == t->n_most) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "enough");
    }
    assert_int_equal(block->first_row + 0,
                     (uint64_t)tm__json_i64(block->state, "rows", 0) - tm__table_rows(block->rows));
    for (uint64_t i = 0; column->ints != NULL && i < tm__table_rows(block->rows); i++) {
        t->ints[t->n++] = column->ints[i];
    }
    t->n_blocks++;
    json_decref(t->state);
    t->state = json_deep_copy(block->state);
    tm__table_unref(t->last);
    t->last = tm__table_ref(block->rows);
    return TM_OK;
}

static tm_status read_on(const json_t *state, taken *t, tm_err *err) {
    json_t *spec = json_pack("{s:s, s:{s:s}}", "reader", "numbers", "options", "path", "x");
    json_t *none = json_null();
    tm_ctx ctx = {0};
    const tm_feed_input in = {.name = "s", .spec = spec, .state = state == NULL ? none : state};
    const tm_feed_sink sink = {.take = take, .arg = t};
    const tm_status st = tm__feed_reader_read(&ctx, &in, &sink, err);
    json_decref(spec);
    return st;
}

static void taken_done(taken *t) {
    json_decref(t->state);
    tm__table_unref(t->last);
}

static void rows_come_once_and_go_on_behind_a_state(void **state) {
    (void)state;
    for (uint32_t most = 0; most <= 3; most++) {
        taken t = {.n_most = most};
        const uint64_t alive = tm__mem_alive();
        const tm_status st = read_on(NULL, &t, NULL);
        assert_int_equal(st, most == 3 ? TM_OK : TM_E_UNAVAILABLE);
        t.n_most = 3;
        json_t *at = json_incref(t.state);
        assert_int_equal(read_on(at, &t, NULL), TM_OK);
        json_decref(at);
        assert_int_equal(t.n, 10);
        for (uint32_t i = 0; i < 10; i++) {
            assert_int_equal(t.ints[i], i);
        }
        assert_int_equal(tm__json_i64(t.state, "rows", 0), 10);
        taken_done(&t);
        assert_int_equal(tm__mem_alive(), alive);
    }
}

/* ---- what a module must not give ---- */

static tm_module_batch batch;
static tm_module_batch_column cols[2];
static const double floats[2] = {1.5, NAN};
static tm_module_text texts[2];
static int32_t status;

static int32_t give_batch(const tm_module_call *call, void *source, tm_module_batch *out) {
    (void)source;
    if (status != TM_MODULE_OK) {
        return call->refuse(call->self, status, "so it is");
    }
    *out = batch;
    return TM_MODULE_OK;
}

static void good_batch(void) {
    status = TM_MODULE_OK;
    texts[0] = (tm_module_text){"one", 3};
    texts[1] = (tm_module_text){NULL, 0};
    cols[0] = (tm_module_batch_column){"f", TM_MODULE_COL_FLOAT, NULL, floats, NULL};
    cols[1] = (tm_module_batch_column){"t", TM_MODULE_COL_TEXT, NULL, NULL, texts};
    batch = (tm_module_batch){sizeof(batch), 2, 2, cols, "1", NULL};
}

static void gives(tm_status want, const char *says) {
    taken t = {.n_most = 1};
    tm_err err = {0};
    made.source.next = give_batch;
    const tm_status st = read_on(NULL, &t, &err);
    made.source = good;
    if (st != want || strstr(err.message, says) == NULL) {
        fail_msg("%s: %d: %s", says, st, err.message);
    }
    taken_done(&t);
}

static void each_fault_of_a_batch_is_told_with_the_name_of_the_module(void **state) {
    (void)state;
    good_batch();
    gives(TM_E_INTERNAL, "position is that of the batch before"); /* it never moves */
    batch.n_rows = TM_MODULE_BATCH_ROWS_MAX + 1;
    gives(TM_E_INTERNAL, "'numbers' gave a batch of more than");
    good_batch();
    batch.n_cols = 0;
    gives(TM_E_INTERNAL, "without columns");
    good_batch();
    batch.position = "\xff";
    gives(TM_E_INTERNAL, "position of up to");
    good_batch();
    cols[0].name = NULL;
    gives(TM_E_INTERNAL, "without a name");
    good_batch();
    cols[0].type = 9;
    gives(TM_E_INTERNAL, "without a type");
    good_batch();
    cols[0].floats = NULL;
    gives(TM_E_INTERNAL, "without a type or without values");
    good_batch();
    cols[0].name = "t";
    gives(TM_E_DATA, "t");
    good_batch();
    texts[0] = (tm_module_text){"\xff\xff", 2};
    gives(TM_E_INTERNAL, "not UTF-8");
    good_batch();
    static const int64_t two[2] = {2, 0};
    cols[0] = (tm_module_batch_column){"b", TM_MODULE_COL_BOOL, two, NULL, NULL};
    gives(TM_E_INTERNAL, "truth value");
    good_batch();
    status = TM_MODULE_E_UNAVAILABLE;
    gives(TM_E_UNAVAILABLE, "module 'numbers' cannot read: so it is");
    status = TM_MODULE_E_DATA;
    gives(TM_E_DATA, "so it is");
}

static void values_of_each_type_arrive(void **state) {
    taken t = {.n_most = 1};
    (void)state;
    good_batch();
    made.source.next = give_batch;
    assert_int_equal(read_on(NULL, &t, NULL), TM_E_INTERNAL); /* the second batch does not move */
    made.source = good;
    const tm_column *f = tm__table_column(t.last, 0), *s = tm__table_column(t.last, 1);
    assert_true(f->floats[0] == 1.5 && isnan(f->floats[1]));
    assert_int_equal(f->n_missing, 1);
    assert_memory_equal(tm__dict_get(s->dict, s->codes[0]).ptr, "one", 3);
    assert_int_equal(s->codes[1], TM_CODE_MISSING);
    taken_done(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_spec_names_a_module_and_its_options),
        cmocka_unit_test(rows_come_once_and_go_on_behind_a_state),
        cmocka_unit_test(each_fault_of_a_batch_is_told_with_the_name_of_the_module),
        cmocka_unit_test(values_of_each_type_arrive),
    };
    return cmocka_run_group_tests(tests, add_module, NULL);
}
