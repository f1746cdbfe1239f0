/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, durations, times and keys from text: what is read back from its own text is the same. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "guard/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void same(int is_same) {
    if (!is_same) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const tm_str text = {(const char *)data, len};
    char out[64];
    double value, again;
    int64_t whole, us, us_again;
    tm_key key;
    if (tm__str_to_f64(text, &value)) {
        const size_t n = tm__f64_to_text(value, out);
        same(n < 32 && tm__str_to_f64((tm_str){out, n}, &again));
        same(memcmp(&value, &again, sizeof(value)) == 0);
    }
    if (tm__str_to_i64(text, &whole)) {
        same(tm__str_to_f64(text, &value));
    }
    if (tm__time_parse(text, &us)) {
        const size_t n = tm__time_to_text(us, out);
        same(n < 40 && tm__time_parse((tm_str){out, n}, &us_again) && us == us_again);
    }
    (void)tm__str_to_duration_us(text, &us);
    (void)tm__str_is_utf8(text);
    (void)tm__str_trim(text);
    (void)tm__key_parse(text, &key);
    return 0;
}
