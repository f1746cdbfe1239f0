/* SPDX-License-Identifier: Apache-2.0 */
#include "duck_case.h"

#include <stddef.h>

#include "support.h"

tm_duck *duck_case;

int duck_case_open(void **state) {
    (void)state;
    return tm__duck_open(&(tm_duck_options){.n_threads = 1}, &duck_case, NULL) == TM_OK ? 0 : 1;
}

int duck_case_close(void **state) {
    (void)state;
    tm__duck_close(duck_case);
    return 0;
}

int duck_case_enter(void **state) {
    return test_folder_enter(state) == 0 ? duck_case_open(state) : 1;
}

int duck_case_leave(void **state) {
    tm__duck_close(duck_case);
    return test_folder_leave(state);
}
