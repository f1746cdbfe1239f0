/* SPDX-License-Identifier: Apache-2.0 */
/* With a home: tests/e2e/test_masked.py. */
#include "cli/project_masks.h"

#include "test.h"

#define READS "\"program\":[{\"step\":\"number\",\"input\":\"age\"},{\"inputs\":[\"x\",\"mail\"]}],"

static void a_version_tells_what_it_learned_under_another_policy(void **state) {
    (void)state;
    static const struct {
        const char *info;
        bool want;
    } cases[] = {
        {"{}", false},
        {"{\"recipe\":{\"source\":{\"source\":\"people\"}}}", false},
        {"{" READS "\"recipe\":{\"source\":{\"path\":\"people\"}}}", false},
        {"{" READS "\"recipe\":{\"source\":{\"source\":\"others\"}}}", false},
        {"{" READS "\"recipe\":{\"source\":{\"source\":\"people\"}}}", true},
        {"{" READS
         "\"recipe\":{\"source\":{\"source\":\"people\"},\"privacy\":{\"columns\":{\"mail\":"
         "\"mask:operator\"}}}}",
         true},
        {"{" READS
         "\"recipe\":{\"source\":{\"source\":\"people\"},\"privacy\":{\"columns\":{\"mail\":"
         "\"mask\"}}}}",
         false},
        {"{" READS
         "\"recipe\":{\"source\":{\"sql\":\"SELECT mail FROM People p JOIN x USING (id)\"}}}",
         true},
        {"{" READS "\"recipe\":{\"source\":{\"sql\":\"SELECT people FROM x\"}}}", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *const info = json_loads(cases[i].info, 0, NULL);
        assert_non_null(info);
        if (tm__project_tells(info, "people", "mail", "mask") != cases[i].want) {
            fail_msg("%s", cases[i].info);
        }
        json_decref(info);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_tells_what_it_learned_under_another_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
