/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/profile_page.h"

#include <string.h>

#include "test.h"

static void texts_of_the_data_are_escaped(void **state) {
    (void)state;
    static const char evil[] = "</style><script>alert('1')</script>\"&\x01";
    json_t *const profile = json_pack(
        "{s:s, s:i, s:[{s:s, s:s, s:i, s:i, s:b, s:s, s:s, s:s, s:b, s:[{s:s, s:i, s:f}]}]}",
        "data", evil, "rows", 2, "columns", "name", evil, "type", "text", "missing", 0, "distinct",
        1, "distinct_exact", 1, "min", "", "max", "", "note", evil, "identifier", 0, "top", "value",
        evil, "count", 2, "share", 1.0);
    tm_buf page;
    assert_non_null(profile);
    tm__buf_init(&page, 1 << 20);
    tm__profile_page(profile, &page);
    const char *const text = (const char *)page.data;
    assert_false(page.failed);
    assert_null(strstr(text, "<script"));
    assert_non_null(strstr(text, "&lt;script&gt;alert(&#39;1&#39;)"));
    assert_non_null(strstr(text, "default-src 'none'"));
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "https://"));
    assert_null(strchr(text, '\x01'));
    json_decref(profile);
    tm__buf_done(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_the_data_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
