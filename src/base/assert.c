/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

void tm__assert_fail(const char *fact, const char *file, int line) {
    fprintf(stderr, "tidemill: %s:%d: assertion failed: %s\n", file, line, fact);
    abort();
}
