/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "made_module.h"

#define FOLDER "build/test_user_module"
#define FILE_PATH FOLDER "/made.so"

static void write_file(const char *text, mode_t mode) {
    FILE *file = NULL;
    (void)mkdir(FOLDER, 0700);
    assert_int_equal(chmod(FOLDER, 0700), 0);
    (void)unlink(FILE_PATH);
    file = fopen(FILE_PATH, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
    assert_int_equal(chmod(FILE_PATH, mode), 0);
}

static void fails(const char *path, const tm_hash *want, tm_status status, const char *says) {
    tm_err err = {0};
    const tm_status st = tm__user_module_load(path, want, NULL, &err);
    if (st != status || strstr(err.message, says) == NULL) {
        fail_msg("%s: %d: %s", says, st, err.message);
    }
    assert_true(err.hint[0] != '\0' || status == TM_E_DATA);
}

static void what_others_can_write_is_refused(void **state) {
    (void)state;
    write_file("anything", 0620);
    fails(FILE_PATH, NULL, TM_E_NOT_ALLOWED, "the file of module");
    write_file("anything", 0602);
    fails(FILE_PATH, NULL, TM_E_NOT_ALLOWED, "can be written by others");
    write_file("anything", 0600);
    assert_int_equal(chmod(FOLDER, 0770), 0);
    fails(FILE_PATH, NULL, TM_E_NOT_ALLOWED, "the folder of module");
    assert_int_equal(symlink("made.so", FOLDER "/link.so"), 0);
    fails(FOLDER "/link.so", NULL, TM_E_NOT_ALLOWED, "the folder of module");
    (void)unlink(FOLDER "/link.so");
}

static void what_is_no_module_is_refused(void **state) {
    tm_hash other = {{1}};
    (void)state;
    fails(FOLDER "/nowhere.so", NULL, TM_E_NOT_FOUND, "cannot open module");
    write_file("not a library", 0600);
    fails(FILE_PATH, NULL, TM_E_UNSUPPORTED, "cannot be loaded");
    fails(FILE_PATH, &other, TM_E_INTEGRITY, "its hash is wrong");
    fails(FOLDER, NULL, TM_E_DATA, "is no file");
    assert_null(tm__user_module_at(0));
}

static void a_read_gives_bytes_and_their_hash(void **state) {
    uint8_t *data = NULL;
    size_t len = 0;
    tm_hash hash, want;
    (void)state;
    write_file("bytes", 0644);
    assert_int_equal(tm__user_module_read(FILE_PATH, &data, &len, &hash, NULL), TM_OK);
    assert_int_equal(len, 5);
    assert_memory_equal(data, "bytes", 5);
    tm__hash_bytes("bytes", 5, &want);
    assert_true(tm__hash_eq(&hash, &want));
    tm__mem_free(data);
}

static void the_list_has_each_name_once_and_an_end(void **state) {
    static made_module m[TM_MAX_MODULES + 1];
    static char names[TM_MAX_MODULES + 1][16];
    tm_hash hash = {{9}};
    tm_err err = {0};
    (void)state;
    made_module_init(&m[0], "mean");
    const tm_user_module *added = made_module_add(&m[0], 1);
    assert_ptr_equal(tm__user_module_find("mean"), added);
    assert_ptr_equal(tm__user_module_at(0), added);
    assert_null(tm__user_module_find("means"));
    assert_int_equal(tm__user_module_add(&m[0].table, &hash, NULL, &err), TM_E_CONFLICT);
    assert_non_null(strstr(err.message, "'mean'"));
    for (uint32_t i = 1; i <= TM_MAX_MODULES; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "m%u", i);
        made_module_init(&m[i], names[i]);
        assert_int_equal(tm__user_module_add(&m[i].table, &hash, NULL, &err),
                         i < TM_MAX_MODULES ? TM_OK : TM_E_LIMIT);
    }
    assert_null(tm__user_module_at(TM_MAX_MODULES));
}

static void the_host_gives_what_it_says(void **state) {
    const tm_module_host *host = tm__user_module_host();
    (void)state;
    void *block = host->alloc(10);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % 64, 0);
    host->free(block);
    host->free(NULL);
    assert_true(host->exp(0) == 1 && host->log(1) == 0 && host->cos(0) == 1 && host->sin(0) == 0);
    assert_true(host->pow(2, 3) == 8 && host->random(1, 2) == host->random(1, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_can_write_is_refused),
        cmocka_unit_test(what_is_no_module_is_refused),
        cmocka_unit_test(a_read_gives_bytes_and_their_hash),
        cmocka_unit_test(the_list_has_each_name_once_and_an_end),
        cmocka_unit_test(the_host_gives_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
