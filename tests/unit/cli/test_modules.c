/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/mem.h"
#include "cli/modules.h"

#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void a_file_of_the_folder_is_named_by_its_hash(void **state) {
    tm_hash hash;
    char text[TM_HASH_TEXT];
    (void)state;
    assert_true(tm__cli_module_file(DIGITS ".so", &hash));
    tm__hash_to_text(&hash, text);
    assert_string_equal(text, DIGITS);
    assert_false(tm__cli_module_file(DIGITS ".json", &hash));
    assert_false(tm__cli_module_file("knn.so", &hash));
    assert_false(tm__cli_module_file("x" DIGITS ".so", &hash));
    assert_false(
        tm__cli_module_file("z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
                            ".so",
                            &hash));
}

static void the_folder_is_in_the_home(void **state) {
    const tm_cli cli = {.home = "some"};
    char *folder = tm__cli_modules_folder(&cli);
    (void)state;
    assert_string_equal(folder, "some/modules");
    tm__mem_free(folder);
}

static void a_home_without_modules_is_no_error(void **state) {
    const tm_cli cli = {.home = "build/no-such-home"};
    (void)state;
    assert_int_equal(tm__cli_modules_home(&cli, NULL), TM_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_the_folder_is_named_by_its_hash),
        cmocka_unit_test(the_folder_is_in_the_home),
        cmocka_unit_test(a_home_without_modules_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
