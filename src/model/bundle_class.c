/* SPDX-License-Identifier: Apache-2.0 */
/* What the classes of a bundle mean, however they are written, and how they look in JSON. */
#include <stdio.h>
#include <string.h>

#include "model/bundle.h"
#include "table/schema.h"

/* Whether two classes say yes and no, however they are written. */
static bool is_yes_or_no(const tm_bundle *bundle) {
    bool first = false, second = false;
    return tm__bundle_classes(bundle) == 2 &&
           tm__text_to_bool(tm__str(tm__bundle_class(bundle, 0)), &first) &&
           tm__text_to_bool(tm__str(tm__bundle_class(bundle, 1)), &second) && first != second;
}

/* The same class though it is written another way: 1 and 1.0; where classes are words, true, yes
 * and 1. */
static bool is_class(tm_str label, tm_str name, bool are_words) {
    double a = 0, b = 0;
    bool x = false, y = false;
    if (tm__str_to_f64(label, &a) && tm__str_to_f64(name, &b)) {
        return a == b;
    }
    return are_words && tm__text_to_bool(label, &x) && tm__text_to_bool(name, &y) && x == y;
}

uint32_t tm__bundle_class_meant(const tm_bundle *bundle, tm_str label) {
    const uint32_t n_classes = tm__bundle_classes(bundle);
    for (uint32_t i = 0; i < n_classes; i++) {
        if (tm__str_is(label, tm__bundle_class(bundle, i))) {
            return i;
        }
    }
    const bool are_words = is_yes_or_no(bundle);
    for (uint32_t i = 0; i < n_classes; i++) {
        if (is_class(label, tm__str(tm__bundle_class(bundle, i)), are_words)) {
            return i;
        }
    }
    return n_classes;
}

static bool is_whole(const char *text) {
    int64_t number = 0;
    char again[32];
    if (!tm__str_to_i64(tm__str(text), &number)) {
        return false;
    }
    (void)snprintf(again, sizeof again, "%lld", (long long)number);
    return strcmp(again, text) == 0;
}

tm_class_kind tm__bundle_class_kind(const tm_bundle *bundle) {
    const uint32_t n = tm__bundle_classes(bundle);
    uint32_t n_bools = 0, n_whole = 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *text = tm__bundle_class(bundle, i);
        n_bools += strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
        n_whole += is_whole(text);
    }
    return n == 2 && n_bools == 2  ? TM_CLASS_BOOL
           : n > 0 && n_whole == n ? TM_CLASS_INT
                                   : TM_CLASS_TEXT;
}

json_t *tm__bundle_class_json(const tm_bundle *bundle, uint32_t index) {
    const char *const text = tm__bundle_class(bundle, index);
    const tm_class_kind kind = tm__bundle_class_kind(bundle);
    int64_t number = 0;
    return kind == TM_CLASS_BOOL ? json_boolean(strcmp(text, "true") == 0)
           : kind == TM_CLASS_INT && tm__str_to_i64(tm__str(text), &number)
               ? json_integer((json_int_t)number)
               : json_string(text);
}
