/* SPDX-License-Identifier: Apache-2.0 */
#include "base/kept_secret.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc_priv.h"
#include "children.h"
#include "test.h"

static test_folder folder;

static int set_up(void **state) {
    (void)state;
    test_folder_make(&folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    tm__kept_reset();
    test_folder_remove(&folder);
    return 0;
}

static void write_text(const char *path, const char *text) {
    assert_int_equal(tm__fs_replace(path, text, strlen(text), NULL), TM_OK);
}

/* A command that prints a file and notes that it ran. */
typedef struct telling {
    char file[128], runs[128], script[300], name[400];
    tm_kept_argv argv;
} telling;

static void tell(telling *t, const char *text) {
    (void)test_folder_join(&folder, "secret", t->file, sizeof(t->file));
    (void)test_folder_join(&folder, "runs", t->runs, sizeof(t->runs));
    (void)snprintf(t->script, sizeof(t->script), "echo >>%s; cat %s", t->runs, t->file);
    (void)snprintf(t->name, sizeof(t->name), "[\"/bin/sh\",\"-c\",\"%s\"]", t->script);
    t->argv[0] = "/bin/sh";
    t->argv[1] = "-c";
    t->argv[2] = t->script;
    t->argv[3] = NULL;
    write_text(t->file, text);
}

static size_t n_runs(const telling *t) {
    return (size_t)tm__fs_info(t->runs).size_bytes;
}

static void a_command_is_run_once_until_it_is_renewed(void **state) {
    (void)state;
    telling t;
    char out[TM_KEPT_TEXT];
    tell(&t, "one");
    assert_int_equal(tm__kept_secret(t.name, t.argv, false, out, NULL), TM_OK);
    write_text(t.file, "two");
    assert_int_equal(tm__kept_secret(t.name, t.argv, false, out, NULL), TM_OK);
    assert_string_equal(out, "one");
    assert_int_equal(n_runs(&t), 1);
    assert_int_equal(tm__kept_secret(t.name, t.argv, true, out, NULL), TM_OK);
    assert_string_equal(out, "two");
    /* Not again at once: who waits for a key asks often. */
    assert_int_equal(tm__kept_secret(t.name, t.argv, true, out, NULL), TM_OK);
    assert_int_equal(n_runs(&t), 2);
}

static void children_get_it_and_a_supervisor_runs_it_again(void **state) {
    (void)state;
    telling t;
    tm_supervisor *supervisor = NULL;
    char out[TM_KEPT_TEXT], path[128];
    tm_err err = {0};
    tm_buf said;
    tell(&t, "one");
    assert_int_equal(tm__kept_secret(t.name, t.argv, false, out, NULL), TM_OK);
    assert_int_equal(tm__supervisor_open(&supervisor, NULL), TM_OK);
    tm__kept_renew_by(supervisor);
    const tm_child_spec spec = {.stdout_path =
                                    test_folder_join(&folder, "out", path, sizeof(path))};
    const uint64_t id = start_shell(
        supervisor, "tr -d '\\0' </proc/self/fd/$TIDEMILL_KEPT | tail -c 3; echo; env", spec);
    assert_int_equal(await_child(supervisor, id).exit_code, 0);
    tm__buf_init(&said, 1u << 20);
    assert_int_equal(tm__fs_read_all(path, &said, NULL), TM_OK);
    assert_memory_equal(said.data, "one\n", 4);
    assert_null(strstr((char *)said.data + 4, "one\n")); /* nor in its environment */
    tm__buf_done(&said);
    write_text(t.file, "two");
    assert_int_equal(tm__kept_secret(t.name, t.argv, true, out, NULL), TM_OK);
    assert_string_equal(out, "two");
    /* It runs what was kept before, and nothing else that it is asked for. */
    assert_int_equal(tm__supervisor_renew(supervisor, "[\"/bin/echo\",\"three\"]", out, &err),
                     TM_E_NOT_FOUND);
    tm__kept_renew_by(NULL);
    tm__supervisor_close(supervisor);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_command_is_run_once_until_it_is_renewed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(children_get_it_and_a_supervisor_runs_it_again, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
