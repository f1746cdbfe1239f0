/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "bundle_data.h"
#include "tidemill/bundle.h"

#define PATH "build/test_public_bundle.tmb"

static bundle_data *data;
static tm_bundle *bundle;

static int set_up(void **state) {
    (void)state;
    tm_buf buf;
    tm_hash hash;
    data = bundle_data_create(300, TM_TASK_BINARY, "linear");
    double scores[50];
    for (unsigned i = 0; i < 50; i++) {
        scores[i] = i / 50.0;
    }
    data->conformal = (tm_conformal){.kind = TM_CONFORMAL_CLASSES, .n_rows = 50};
    if (tm__conformal_keep(scores, 50, &data->conformal.above, NULL) != TM_OK) {
        return -1;
    }
    bundle_data_write(data, &buf, &hash);
    const bool is_ready = tm__fs_mkdir("build", NULL) == TM_OK &&
                          tm__fs_publish(PATH, buf.data, buf.len, NULL) == TM_OK &&
                          tm_bundle_open(PATH, &bundle, NULL) == TM_OK;
    tm__buf_done(&buf);
    return is_ready ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    tm_bundle_close(bundle);
    bundle_data_free(data);
    return tm__fs_remove(PATH, NULL) == TM_OK ? 0 : -1;
}

static uint32_t column(const char *name) {
    for (uint32_t c = 0; c < tm_bundle_columns(bundle); c++) {
        const char *got = NULL, *type = NULL;
        assert_int_equal(tm_bundle_column(bundle, c, &got, &type, NULL), TM_OK);
        if (strcmp(got, name) == 0) {
            return c;
        }
    }
    fail_msg("no column %s", name);
    return 0;
}

static void a_bundle_describes_itself(void **state) {
    (void)state;
    char hash[65];
    const char *name = NULL, *type = NULL;
    tm_bundle_hash(bundle, hash);
    assert_int_equal(strlen(hash), 64);
    assert_int_equal(tm_bundle_outputs(bundle), 1);
    assert_string_equal(tm_bundle_class(bundle, 0), "no");
    assert_null(tm_bundle_class(bundle, 2));
    assert_int_equal(tm_bundle_column(bundle, column("age"), &name, &type, NULL), TM_OK);
    assert_string_equal(type, "float");
    assert_int_equal(tm_bundle_column(bundle, 99, &name, &type, NULL), TM_E_INVALID);
}

/* Set one cell of the table through the public calls, as a text or as a number. */
static void set_cell(tm_row *row, uint32_t col, const tm_cell *cell) {
    char text[64];
    tm_err err = {0};
    tm_status st = TM_OK;
    switch (cell->type) {
    case TM_TYPE_TEXT:
        st = tm_row_set_text(row, col, cell->text.ptr, cell->text.len, &err);
        break;
    case TM_TYPE_FLOAT: {
        const size_t len = tm__f64_to_text(cell->f64, text);
        st = tm_row_set_text(row, col, text, len, &err);
        break;
    }
    case TM_TYPE_NONE:
        st = tm_row_set_number(row, col, NAN, &err);
        break;
    default:
        st = tm_row_set_number(row, col, (double)cell->i64, &err);
        break;
    }
    if (st != TM_OK) {
        fail_msg("%s", err.message);
    }
}

static void answers_have_the_bits_of_a_batch(void **state) {
    (void)state;
    double all[300], answer;
    tm_ctx ctx = {0};
    tm_row *row = NULL;
    assert_int_equal(tm__bundle_predict(&ctx, bundle, data->table, NULL, 0, all, NULL), TM_OK);
    assert_int_equal(tm_row_create(bundle, &row, NULL), TM_OK);
    for (uint64_t i = 0; i < 300; i++) {
        tm_cell cells[8];
        bundle_data_cells(data, i, cells);
        for (uint32_t c = 0; c < tm_bundle_columns(bundle); c++) {
            set_cell(row, c, &cells[c]);
        }
        const uint64_t calls = tm__mem_calls();
        tm_bundle_predict_row(bundle, row, &answer);
        assert_int_equal(tm__mem_calls(), calls);
        assert_memory_equal(&answer, &all[i], sizeof(double));
    }
    tm_row_free(row);
}

static void a_wrong_value_is_refused_and_the_row_is_as_before(void **state) {
    (void)state;
    double before, after;
    tm_row *row = NULL;
    tm_err err = {0};
    char *long_text = tm__mem_zalloc((1 << 20) + 1, 1);
    memset(long_text, 'x', (1 << 20) + 1);
    assert_int_equal(tm_row_create(bundle, &row, NULL), TM_OK);
    assert_int_equal(tm_row_set_text(row, column("age"), "41", 2, NULL), TM_OK);
    assert_int_equal(tm_row_set_text(row, column("city"), "Kiel", 4, NULL), TM_OK);
    tm_bundle_predict_row(bundle, row, &before);
    assert_int_equal(tm_row_set_text(row, column("age"), "secret", 6, &err), TM_E_DATA);
    assert_non_null(strstr(err.message, "'age'"));
    assert_null(strstr(err.message, "secret"));
    assert_int_equal(tm_row_set_text(row, column("city"), "\xff\xfe", 2, &err), TM_E_DATA);
    assert_int_equal(tm_row_set_text(row, column("city"), long_text, (1 << 20) + 1, &err),
                     TM_E_LIMIT);
    assert_int_equal(tm_row_set_text(row, 99, "1", 1, &err), TM_E_INVALID);
    assert_int_equal(tm_row_set_number(row, 99, 1.0, &err), TM_E_INVALID);
    assert_int_equal(tm_row_set_number(row, column("day"), 0.5, &err), TM_E_DATA);
    tm_bundle_predict_row(bundle, row, &after);
    assert_memory_equal(&before, &after, sizeof(double));
    tm_row_free(row);
    tm_row_free(NULL);
    tm__mem_free(long_text);
}

static void a_row_reset_or_emptied_is_a_fresh_row(void **state) {
    (void)state;
    double fresh, filled, again;
    tm_row *row = NULL;
    assert_int_equal(tm_row_create(bundle, &row, NULL), TM_OK);
    tm_bundle_predict_row(bundle, row, &fresh);
    assert_int_equal(tm_row_set_text(row, column("age"), "79", 2, NULL), TM_OK);
    assert_int_equal(tm_row_set_number(row, column("city"), 12.0, NULL), TM_OK);
    assert_int_equal(tm_row_set_text(row, column("note"), "a tide of grain", 15, NULL), TM_OK);
    tm_bundle_predict_row(bundle, row, &filled);
    assert_true(filled != fresh);
    tm_row_reset(row);
    tm_bundle_predict_row(bundle, row, &again);
    assert_memory_equal(&fresh, &again, sizeof(double));
    assert_int_equal(tm_row_set_text(row, column("age"), "79", 2, NULL), TM_OK);
    assert_int_equal(tm_row_set_text(row, column("age"), NULL, 0, NULL), TM_OK);
    assert_int_equal(tm_row_set_text(row, column("city"), "", 0, NULL), TM_OK);
    tm_bundle_predict_row(bundle, row, &again);
    assert_memory_equal(&fresh, &again, sizeof(double));
    tm_row_free(row);
}

static void a_set_of_classes_is_given_at_any_level_that_there_is(void **state) {
    (void)state;
    const double out = 0.3;
    unsigned char held[2] = {7, 7};
    double low = 7, high = 7;
    assert_int_equal(tm_bundle_set(bundle, 0.99, &out, held, NULL), TM_E_USAGE);
    assert_int_equal(tm_bundle_interval(bundle, 0.9, &out, &low, &high, NULL), TM_E_UNSUPPORTED);
    assert_true(held[0] == 7 && held[1] == 7 && low == 7 && high == 7);
    assert_int_equal(tm_bundle_set(bundle, 0.5, &out, held, NULL), TM_OK);
    assert_true(held[0] == 1 && held[1] == 0);
    assert_int_equal(tm_bundle_set(bundle, 0.9, &out, held, NULL), TM_OK);
    assert_true(held[0] == 1 && held[1] == 1);
}

static void running_out_of_memory_leaves_nothing_behind(void **state) {
    (void)state;
    tm_status st = TM_E_NOMEM;
    for (uint64_t nth = 1; st != TM_OK; nth++) {
        const uint64_t alive = tm__mem_alive();
        tm_row *row = NULL;
        tm__mem_fail_at(nth, false);
        st = tm_row_create(bundle, &row, NULL);
        if (st == TM_OK) {
            st = tm_row_set_text(row, column("note"), "a long enough text", 18, NULL);
        }
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        tm_row_free(row);
        assert_int_equal(tm__mem_alive(), alive);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_describes_itself),
        cmocka_unit_test(answers_have_the_bits_of_a_batch),
        cmocka_unit_test(a_wrong_value_is_refused_and_the_row_is_as_before),
        cmocka_unit_test(a_row_reset_or_emptied_is_a_fresh_row),
        cmocka_unit_test(a_set_of_classes_is_given_at_any_level_that_there_is),
        cmocka_unit_test(running_out_of_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
