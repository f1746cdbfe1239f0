/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "feature_case.h"

static void saved(const tm_program *program, tm_buf *out) {
    tm__buf_init(out, 1u << 28);
    assert_int_equal(tm__program_save(program, out, NULL), TM_OK);
}

static void a_loaded_program_is_the_saved_one(void **state) {
    (void)state;
    const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (int t = 0; t < 3; t++) {
        fit_case c;
        case_init(&c, tasks[t], 500);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        tm_buf first, second;
        saved(c.program, &first);
        tm_program *program = NULL;
        tm_err err = {0};
        assert_int_equal(tm__program_load(first.data, first.len, &program, &err), TM_OK);
        saved(program, &second);
        assert_int_equal(first.len, second.len);
        assert_memory_equal(first.data, second.data, first.len);
        tm_matrix *a = NULL, *b = NULL;
        tm_ctx ctx = {0};
        assert_int_equal(tm__program_apply(&ctx, c.program, c.table, NULL, 0, &a, NULL), TM_OK);
        assert_int_equal(tm__program_apply(&ctx, program, c.table, NULL, 0, &b, NULL), TM_OK);
        assert_views_equal(tm__matrix_view(a), tm__matrix_view(b));
        assert_rows_equal_columns(program, c.table);
        tm__matrix_free(a);
        tm__matrix_free(b);
        tm__buf_done(&first);
        tm__buf_done(&second);
        tm__program_free(program);
        case_done(&c);
    }
}

static void a_changed_byte_is_found(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_BINARY, 60);
    c.options.max_terms = 40;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    tm_buf bytes;
    saved(c.program, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.data[i] ^= 0x40;
        tm_program *program = NULL;
        const tm_status status = tm__program_load(bytes.data, bytes.len, &program, NULL);
        assert_true(status == TM_E_INTEGRITY || status == TM_E_DATA);
        assert_null(program);
        bytes.data[i] ^= 0x40;
    }
    for (size_t len = 0; len < bytes.len; len++) {
        tm_program *program = NULL;
        assert_int_not_equal(tm__program_load(bytes.data, len, &program, NULL), TM_OK);
    }
    tm__buf_done(&bytes);
    case_done(&c);
}

/* With a right checksum a changed program may load, and then it must work on any row. */
static void a_changed_byte_with_a_right_checksum_does_no_harm(void **state) {
    (void)state;
    fit_case c;
    case_init(&c, TM_TASK_MULTICLASS, 120);
    c.options.max_terms = 40;
    assert_int_equal(case_fit(&c, NULL), TM_OK);
    tm_buf bytes;
    saved(c.program, &bytes);
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    uint32_t n_loaded = 0;
    for (size_t i = 0; i + 4 < bytes.len; i++) {
        for (size_t m = 0; m < sizeof(masks); m++) {
            bytes.data[i] ^= masks[m];
            const uint32_t crc = tm__crc32c(0, bytes.data, bytes.len - 4);
            for (int b = 0; b < 4; b++)
                bytes.data[bytes.len - 4 + (size_t)b] = (uint8_t)(crc >> (8 * b));
            tm_program *program = NULL;
            if (tm__program_load(bytes.data, bytes.len, &program, NULL) == TM_OK) {
                n_loaded++;
                tm_row_scratch *scratch = tm__row_scratch_create(program);
                tm_cell cells[CASE_COLS] = {0};
                for (uint32_t k = 0; k < tm__program_inputs(program); k++) {
                    cells[k].type = tm__program_schema(program)->cols[k].type;
                    cells[k].text = TM_STR("bird plane color1 city2");
                }
                assert_non_null(tm__program_apply_row(program, scratch, cells));
                json_decref(tm__program_to_json(program));
                tm__row_scratch_free(scratch);
                tm__program_free(program);
            }
            bytes.data[i] ^= masks[m];
        }
    }
    assert_true(n_loaded > 0);
    assert_true(c.program->n_terms > 0);
    tm__buf_done(&bytes);
    case_done(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_program_is_the_saved_one),
        cmocka_unit_test(a_changed_byte_is_found),
        cmocka_unit_test(a_changed_byte_with_a_right_checksum_does_no_harm),
    };
    return cmocka_run_group_tests_name("feature_file", tests, NULL, NULL);
}
