/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "bundle_bytes.h"
#include "bundle_data.h"
#include "model/bundle_priv.h"
#include "support.h"

/* Bytes of a bundle whose golden section begins at *out_at. */
static void write_bundle(const char *learner, tm_task task, tm_buf *out, size_t *out_at,
                         size_t *out_len) {
    bundle_data *data = bundle_data_create(200, task, learner);
    tm_hash hash;
    tm_bundle_file file;
    bundle_data_write(data, out, &hash);
    bundle_data_free(data);
    assert_int_equal(tm__bundle_file_check(out->data, out->len, &file, NULL), TM_OK);
    *out_at = (size_t)(file.sections[TM_SECTION_GOLDEN].data - out->data);
    *out_len = file.sections[TM_SECTION_GOLDEN].len;
}

static tm_status check(const tm_buf *bytes, tm_err *err) {
    tm_bundle *bundle = NULL;
    tm_status st = tm__bundle_load(bytes->data, bytes->len, &bundle, err);
    if (st == TM_OK) {
        tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
        st = scratch == NULL ? TM_E_NOMEM : tm__bundle_golden_check(bundle, scratch, err);
        tm__bundle_scratch_free(scratch);
    }
    tm__bundle_unref(bundle);
    return st;
}

static void golden_rows_of_every_learner_and_task_are_answered_alike(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (uint32_t l = 0; tm__model_list()[l] != NULL; l++) {
        for (size_t t = 0; t < 3; t++) {
            tm_buf bytes;
            size_t at, len;
            tm_err err = {0};
            write_bundle(tm__model_list()[l]->name, tasks[t], &bytes, &at, &len);
            if (check(&bytes, &err) != TM_OK) {
                fail_msg("%s: %s", tm__model_list()[l]->name, err.message);
            }
            tm__buf_done(&bytes);
        }
    }
}

/* The last double of the section is an answer: one bit of it is another answer. */
static void another_bit_of_an_answer_is_refused_and_names_the_row(void **state) {
    (void)state;
    tm_buf bytes;
    size_t at, len;
    tm_err err = {0};
    write_bundle("gbdt", TM_TASK_BINARY, &bytes, &at, &len);
    bytes.data[at + len - 8] ^= 1;
    bundle_bytes_mend(bytes.data, bytes.len);
    assert_int_equal(check(&bytes, &err), TM_E_INTEGRITY);
    assert_non_null(strstr(err.message, "golden row 16"));
    assert_non_null(strstr(err.hint, "doctor"));
    tm__buf_done(&bytes);
}

/* Whatever byte of the section is another one, it loads and is checked, or is refused by name. */
static void a_section_that_was_not_written_so_is_refused(void **state) {
    (void)state;
    tm_buf bytes;
    size_t at, len;
    uint32_t n_refused = 0;
    write_bundle("linear", TM_TASK_MULTICLASS, &bytes, &at, &len);
    for (size_t i = 0; i < len; i++) {
        tm_err err = {0};
        bytes.data[at + i] ^= 0x81;
        bundle_bytes_mend(bytes.data, bytes.len);
        const tm_status st = check(&bytes, &err);
        bytes.data[at + i] ^= 0x81;
        assert_true(st == TM_OK || st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED);
        assert_true(st == TM_OK || strstr(err.message, "golden") != NULL);
        n_refused += st != TM_OK ? 1 : 0;
    }
    assert_true(n_refused > len / 4); /* the others are cells that decide nothing */
    tm__buf_done(&bytes);
}

/* As files of releases before golden rows are. */
static void a_file_without_the_section_has_no_rows_and_is_whole(void **state) {
    (void)state;
    tm_buf bytes, old;
    size_t at, len;
    tm_bundle_file file;
    tm_bundle *bundle = NULL;
    write_bundle("gbdt", TM_TASK_REGRESSION, &bytes, &at, &len);
    assert_int_equal(tm__bundle_file_check(bytes.data, bytes.len, &file, NULL), TM_OK);
    const tm_hash hash = file.hash;
    file.sections[TM_SECTION_GOLDEN] = (tm_bytes){NULL, 0};
    tm__buf_init(&old, 1 << 24);
    assert_true(bundle_bytes_pack(file.sections, &old));
    assert_int_equal(tm__bundle_load(old.data, old.len, &bundle, NULL), TM_OK);
    assert_int_equal(tm__bundle_golden_rows(bundle), 0);
    assert_true(tm__hash_eq(tm__bundle_hash(bundle), &hash));
    tm__bundle_unref(bundle);
    assert_int_equal(check(&old, NULL), TM_OK);
    tm__buf_done(&old);
    tm__buf_done(&bytes);
}

static bool load_and_check(void *arg) {
    const tm_status st = check(arg, NULL);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    return st == TM_OK;
}

static void without_memory_nothing_is_refused_as_damaged(void **state) {
    (void)state;
    tm_buf bytes;
    size_t at, len;
    write_bundle("baseline", TM_TASK_BINARY, &bytes, &at, &len);
    test_each_mem_fault(load_and_check, &bytes);
    tm__buf_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_rows_of_every_learner_and_task_are_answered_alike),
        cmocka_unit_test(another_bit_of_an_answer_is_refused_and_names_the_row),
        cmocka_unit_test(a_section_that_was_not_written_so_is_refused),
        cmocka_unit_test(a_file_without_the_section_has_no_rows_and_is_whole),
        cmocka_unit_test(without_memory_nothing_is_refused_as_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
