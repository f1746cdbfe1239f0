/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_job.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "temp_home.h"
#include "test.h"

#define JOB "01ARZ3NDEKTSV4RRFFQ69G5FAV"

static void write_file(const tm_home *home, const char *suffix, const char *text) {
    char *const path = tm__job_path(home, JOB, suffix);
    assert_int_equal(tm__fs_publish(path, (const uint8_t *)text, strlen(text), NULL), TM_OK);
    tm__mem_free(path);
}

static bool count_one(void *arg, const char *name) {
    (void)name;
    ++*(size_t *)arg;
    return true;
}

static size_t n_files(const tm_home *home) {
    size_t n = 0;
    assert_int_equal(tm__fs_list(tm__home_jobs(home), count_one, &n, NULL), TM_OK);
    return n;
}

static void a_result_is_what_was_printed_or_said(void **state) {
    char *const said = tm__mem_zalloc(5001, 1);
    json_t *result = tm__job_result(*state, JOB);
    assert_true(json_is_null(result));
    json_decref(result);
    memset(said, 'a', 5000);
    write_file(*state, "err", said);
    result = tm__job_result(*state, JOB);
    assert_int_equal(strlen(tm__json_text(result, "stderr", "")), TM_JOB_WORDS_BYTES_MAX);
    json_decref(result);
    write_file(*state, "out", "{\"version\": 7}");
    result = tm__job_result(*state, JOB);
    assert_int_equal(tm__json_i64(result, "version", 0), 7);
    json_decref(result);
    tm__mem_free(said);
    assert_string_equal(tm__job_why(result = json_pack("{s:{s:s}}", "error", "message", "no file")),
                        "no file");
    json_decref(result);
    assert_string_equal(tm__job_why(result = json_pack("{s:s}", "stderr", "killed")), "killed");
    json_decref(result);
    assert_string_equal(tm__job_why(NULL), "");
}

static void files_of_jobs_go_and_others_stay(void **state) {
    char *const other = tm__fs_join(tm__home_jobs(*state), "sink.scored.err");
    write_file(*state, "out", "{}");
    write_file(*state, "err", "");
    assert_int_equal(tm__fs_publish(other, (const uint8_t *)"x", 1, NULL), TM_OK);
    tm__job_files_remove(*state, JOB);
    assert_int_equal(n_files(*state), 1);
    write_file(*state, "err", "of a daemon that was killed");
    assert_int_equal(tm__job_files_reset(*state, NULL), TM_OK);
    assert_int_equal(n_files(*state), 1);
    tm__mem_free(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tm__temp_home_open, tm__temp_home_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_result_is_what_was_printed_or_said),
        TEST(files_of_jobs_go_and_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
