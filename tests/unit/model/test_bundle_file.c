/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "bundle_data.h"
#include "model/bundle_priv.h"

static bundle_data *data;

static int set_up(void **state) {
    (void)state;
    data = bundle_data_create(60, TM_TASK_BINARY, "baseline");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    bundle_data_free(data);
    return 0;
}

static void sections_come_back_as_they_were_written(void **state) {
    (void)state;
    tm_buf buf;
    tm_hash hash;
    tm_bundle_file file;
    bundle_data_write(data, &buf, &hash);
    assert_int_equal(tm__bundle_file_check(buf.data, buf.len, &file, NULL), TM_OK);
    assert_true(tm__hash_eq(&file.hash, &hash));
    assert_memory_equal(file.sections[TM_SECTION_REFERENCE].data, "TREF\1\0\0\0", 8);
    assert_memory_equal(file.sections[TM_SECTION_MODEL].data, "baseline\0\0\0\0", 12);
    for (unsigned type = 1; type <= TM_SECTION_NOTES; type++) {
        assert_int_equal((file.sections[type].data - buf.data) % 64, 0);
    }
    /* info has its keys in byte order. */
    const char *info = (const char *)file.sections[TM_SECTION_INFO].data;
    static const char begin[] = "{\"classes\":[\"no\",\"yes\"],\"learner\":";
    assert_memory_equal(info, begin, sizeof(begin) - 1);
    tm__buf_done(&buf);
}

static void the_hash_does_not_know_the_notes_but_all_else(void **state) {
    (void)state;
    tm_buf buf;
    tm_hash first, other;
    bundle_data_write(data, &buf, &first);
    tm__buf_done(&buf);
    json_object_set_new(data->notes, "host", json_string("elsewhere"));
    bundle_data_write(data, &buf, &other);
    tm__buf_done(&buf);
    assert_true(tm__hash_eq(&first, &other));
    json_object_set_new(data->info, "seed", json_integer(5));
    bundle_data_write(data, &buf, &other);
    tm__buf_done(&buf);
    json_object_del(data->info, "seed");
    assert_false(tm__hash_eq(&first, &other));
}

static void a_change_of_any_byte_is_seen(void **state) {
    (void)state;
    tm_buf buf;
    tm_hash hash;
    bundle_data_write(data, &buf, &hash);
    for (size_t i = 0; i < buf.len; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            tm_bundle_file file;
            tm_err err = {0};
            buf.data[i] ^= (uint8_t)(1u << bit);
            const tm_status st = tm__bundle_file_check(buf.data, buf.len, &file, &err);
            buf.data[i] ^= (uint8_t)(1u << bit);
            if (st != TM_E_INTEGRITY || (strstr(err.message, "section '") == NULL && i >= 8)) {
                fail_msg("byte %zu of %zu: status %d, '%s'", i, buf.len, st, err.message);
            }
        }
    }
    tm__buf_done(&buf);
}

static void a_file_of_any_other_length_is_refused(void **state) {
    (void)state;
    tm_buf buf;
    tm_hash hash;
    tm_bundle_file file;
    bundle_data_write(data, &buf, &hash);
    const size_t len = buf.len;
    for (size_t n = 0; n < len; n++) {
        /* A copy of that size, so that a read past the end is seen by a sanitizer. */
        uint8_t *part = tm__mem_alloc(n, 1);
        memcpy(part, buf.data, n);
        assert_int_equal(tm__bundle_file_check(part, n, &file, NULL), TM_E_INTEGRITY);
        tm__mem_free(part);
    }
    assert_true(tm__buf_append(&buf, buf.data, 64));
    assert_int_equal(tm__bundle_file_check(buf.data, len + 1, &file, NULL), TM_E_INTEGRITY);
    assert_int_equal(tm__bundle_file_check(buf.data, buf.len, &file, NULL), TM_E_INTEGRITY);
    tm__buf_done(&buf);
}

/* Repair the header's sum after a change. */
static void sum_header(uint8_t *header) {
    const uint32_t crc = tm__crc32c(tm__crc32c(0, header, 28), header + 32, 32);
    memcpy(header + 28, &crc, 4);
}

static void a_newer_version_and_an_unknown_section_are_unsupported(void **state) {
    (void)state;
    tm_buf buf;
    tm_hash hash;
    tm_bundle_file file;
    bundle_data_write(data, &buf, &hash);
    buf.data[8] = 2;
    sum_header(buf.data);
    assert_int_equal(tm__bundle_file_check(buf.data, buf.len, &file, NULL), TM_E_UNSUPPORTED);
    buf.data[8] = 1;
    buf.data[64 + 4 * 32] = 60; /* notes become type 60 */
    const uint32_t crc = tm__crc32c(0, buf.data + 64, 6 * 32);
    memcpy(buf.data + 24, &crc, 4);
    sum_header(buf.data);
    assert_int_equal(tm__bundle_file_check(buf.data, buf.len, &file, NULL), TM_E_UNSUPPORTED);
    tm__buf_done(&buf);
}

static void info_that_does_not_fit_the_model_is_not_written(void **state) {
    (void)state;
    static const struct {
        const char *key, *value;
    } cases[] = {{"task", "regression"}, {"learner", "gbdt"}, {"target", NULL}, {"classes", NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const tm_bundle_parts parts = {
            .program = data->program, .model = data->model, .info = json_deep_copy(data->info)};
        tm_buf buf;
        tm_hash hash = {{0}};
        tm_err err = {0};
        json_object_set_new((json_t *)(uintptr_t)parts.info, cases[i].key,
                            cases[i].value == NULL ? json_null() : json_string(cases[i].value));
        tm__buf_init(&buf, 1 << 20);
        assert_int_equal(tm__bundle_write(&parts, &buf, &hash, &err), TM_E_INTEGRITY);
        assert_int_equal(buf.len, 0);
        assert_non_null(strstr(err.message, cases[i].key));
        tm__buf_done(&buf);
        json_decref((json_t *)(uintptr_t)parts.info);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_come_back_as_they_were_written),
        cmocka_unit_test(the_hash_does_not_know_the_notes_but_all_else),
        cmocka_unit_test(a_change_of_any_byte_is_seen),
        cmocka_unit_test(a_file_of_any_other_length_is_refused),
        cmocka_unit_test(a_newer_version_and_an_unknown_section_are_unsupported),
        cmocka_unit_test(info_that_does_not_fit_the_model_is_not_written),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
