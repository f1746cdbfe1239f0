/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "bundle_data.h"

#define PATH "build/test_bundle.tmb"

static void a_bundle_opens_from_a_file_and_says_what_it_is(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(200, TM_TASK_BINARY, "linear");
    tm_buf buf;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    bundle_data_write(data, &buf, &hash);
    assert_int_equal(tm__fs_mkdir("build", NULL), TM_OK);
    assert_int_equal(tm__fs_publish(PATH, buf.data, buf.len, NULL), TM_OK);
    if (tm__bundle_open(PATH, &bundle, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_true(tm__hash_eq(tm__bundle_hash(bundle), &hash));
    assert_int_equal(tm__bundle_task(bundle), TM_TASK_BINARY);
    assert_int_equal(tm__bundle_classes(bundle), 2);
    assert_int_equal(tm__bundle_outputs(bundle), 1);
    assert_string_equal(tm__bundle_class(bundle, 1), "yes");
    assert_null(tm__bundle_class(bundle, 2));
    assert_string_equal(tm__bundle_target(bundle), "late");
    assert_true(tm__bundle_threshold(bundle) == 0.25);
    assert_int_equal(tm__bundle_reference(bundle)->n_columns, data->reference->n_columns);
    assert_true(json_equal(tm__bundle_info(bundle), data->info));
    assert_true(json_equal(tm__bundle_notes(bundle), data->notes));
    assert_string_equal(tm__bundle_model(bundle)->ops->name, "linear");
    assert_int_equal(tm__bundle_schema(bundle)->n_cols, tm__program_inputs(data->program));
    assert_ptr_equal(tm__program_schema(tm__bundle_program(bundle)), tm__bundle_schema(bundle));
    tm_bundle *more = tm__bundle_ref(bundle);
    tm__bundle_unref(bundle);
    assert_string_equal(tm__bundle_target(more), "late");
    tm__bundle_unref(more);
    tm__bundle_unref(NULL);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
    tm__buf_done(&buf);
    bundle_data_free(data);
}

static void a_reference_of_other_columns_is_refused_and_none_is_none(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(200, TM_TASK_BINARY, "linear");
    tm_buf buf;
    tm_hash hash;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    tm_reference *const made = data->reference;
    made->columns[made->n_columns].n_classes = 2; /* of two classes the probability has bins */
    made->columns[made->n_columns].kind = TM_REF_CLASSES;
    made->columns[made->n_columns].n_cells = 2;
    bundle_data_write(data, &buf, &hash);
    assert_int_equal(tm__bundle_load(buf.data, buf.len, &bundle, &err), TM_E_INTEGRITY);
    assert_string_equal(err.message, "bundle is damaged in section 'reference': it is not of these "
                                     "columns and answers");
    tm__buf_done(&buf);
    data->reference = NULL;
    bundle_data_write(data, &buf, &hash);
    assert_int_equal(tm__bundle_load(buf.data, buf.len, &bundle, &err), TM_OK);
    assert_null(tm__bundle_reference(bundle));
    tm__bundle_unref(bundle);
    tm__buf_done(&buf);
    data->reference = made;
    bundle_data_free(data);
}

static void a_missing_and_a_damaged_file_are_refused_with_their_path(void **state) {
    (void)state;
    tm_bundle *bundle = NULL;
    tm_err err = {0};
    assert_int_equal(tm__bundle_open("build/nowhere.tmb", &bundle, &err), TM_E_NOT_FOUND);
    assert_int_equal(tm__fs_mkdir("build", NULL), TM_OK);
    assert_int_equal(tm__fs_publish(PATH, "PK", 2, NULL), TM_OK);
    assert_int_equal(tm__bundle_open(PATH, &bundle, &err), TM_E_INTEGRITY);
    assert_string_equal(err.data_path, PATH);
    assert_null(bundle);
    assert_int_equal(tm__fs_remove(PATH, NULL), TM_OK);
}

static void running_out_of_memory_while_loading_leaves_nothing_behind(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(40, TM_TASK_MULTICLASS, "baseline");
    tm_buf buf;
    tm_hash hash;
    tm_status st = TM_E_NOMEM;
    bundle_data_write(data, &buf, &hash);
    for (uint64_t nth = 1; st != TM_OK && nth < 100000; nth++) {
        const uint64_t alive = tm__mem_alive();
        tm_bundle *bundle = NULL;
        tm_err err = {0};
        tm__mem_fail_at(nth, false);
        st = tm__bundle_load(buf.data, buf.len, &bundle, &err);
        tm__mem_fail_at(0, false);
        tm__json_reset();
        if (st != TM_OK && st != TM_E_NOMEM) {
            fail_msg("allocation %u: %s", (unsigned)nth, err.message);
        }
        assert_true(st == TM_OK || bundle == NULL);
        tm__bundle_unref(bundle);
        assert_int_equal(tm__mem_alive(), alive);
    }
    tm__buf_done(&buf);
    bundle_data_free(data);
}

static void count_refs(void *arg, uint64_t item, uint32_t worker) {
    (void)item;
    (void)worker;
    tm__bundle_unref(tm__bundle_ref(arg));
}

static void references_are_counted_by_many_threads(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(40, TM_TASK_BINARY, "baseline");
    tm_bundle *bundle = bundle_data_open(data);
    tm_pool *pool = tm__pool_create(3);
    tm__pool_run(pool, 100000, count_refs, bundle);
    assert_string_equal(tm__bundle_target(bundle), "late");
    tm__bundle_unref(bundle);
    tm__pool_free(pool);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_opens_from_a_file_and_says_what_it_is),
        cmocka_unit_test(a_reference_of_other_columns_is_refused_and_none_is_none),
        cmocka_unit_test(a_missing_and_a_damaged_file_are_refused_with_their_path),
        cmocka_unit_test(running_out_of_memory_while_loading_leaves_nothing_behind),
        cmocka_unit_test(references_are_counted_by_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
