/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Categories of imported trees. A forest's sets are over codes 0 .. 255, a file's over as many as
 * there are. Codes that every set of a column treats alike are one class; so a column becomes a
 * feature that gives the class of a level. Where a column has more classes than codes, its sets are
 * dealt to several features in their order: each set asks one of them, so answers do not change.
 *
 * A code that is in no set is in the class of the levels that were never seen.
 */
#include <string.h>

#include "base/mem.h"
#include "model/imported/import_build.h"

static bool has_code(const uint32_t *words, uint32_t n_words, uint32_t code) {
    return code / 32 < n_words && ((words[code / 32] >> (code % 32)) & 1) != 0;
}

/* Split classes so that none is partly in the set; false, with nothing changed, when there would be
 * too many. class_of [n_codes + 1]. */
static bool refine(tm_set_group *group, const uint32_t *words, uint32_t n_words) {
    uint32_t touched[TM_SET_CLASSES] = {0};
    uint16_t split[TM_SET_CLASSES];
    uint32_t n_new = group->n_classes;
    for (uint32_t w = 0; w < n_words; w++) {
        for (uint32_t left = words[w]; left != 0; left &= left - 1) {
            touched[group->class_of[w * 32 + (uint32_t)__builtin_ctz(left)]]++;
        }
    }
    for (uint32_t c = 0; c < group->n_classes; c++) {
        split[c] = (uint16_t)c;
        if (touched[c] > 0 && touched[c] < group->sizes[c]) {
            split[c] = (uint16_t)n_new++;
        }
    }
    if (n_new > TM_SET_CLASSES) {
        return false;
    }
    for (uint32_t w = 0; w < n_words; w++) {
        for (uint32_t left = words[w]; left != 0; left &= left - 1) {
            uint16_t *class = &group->class_of[w * 32 + (uint32_t)__builtin_ctz(left)];
            *class = split[*class];
        }
    }
    for (uint32_t c = 0; c < group->n_classes; c++) {
        if (split[c] != c) {
            group->sizes[split[c]] = touched[c];
            group->sizes[c] -= touched[c];
        }
    }
    group->n_classes = n_new;
    return true;
}

static tm_set_group *group_add(tm_column_sets *sets) {
    tm_set_group *groups = tm__mem_realloc(sets->groups, sets->n_groups + 1, sizeof(tm_set_group));
    if (groups == NULL) {
        return NULL;
    }
    sets->groups = groups;
    tm_set_group *group = &groups[sets->n_groups];
    memset(group, 0, sizeof(*group));
    group->class_of = tm__mem_zalloc((size_t)sets->n_codes + 1, sizeof(uint16_t));
    if (group->class_of == NULL) {
        return NULL;
    }
    group->n_classes = 1;
    group->sizes[0] = sets->n_codes + 1;
    sets->n_groups++;
    return group;
}

tm_status tm__sets_add(tm_column_sets *sets, const uint32_t *words, uint32_t n_words,
                       uint32_t *out_group, tm_err *err) {
    if (sets->n_groups == 0 || !refine(&sets->groups[sets->n_groups - 1], words, n_words)) {
        if (sets->n_groups >= TM_SET_GROUPS_MAX ||
            (uint64_t)sets->n_groups * sets->n_codes > TM_SET_CELLS_MAX) {
            return TM_FAIL(err, TM_E_LIMIT, "a column has too many different sets of categories");
        }
        tm_set_group *group = group_add(sets);
        if (group == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for categories");
        }
        (void)refine(group, words, n_words); /* two classes at the most */
    }
    *out_group = sets->n_groups - 1;
    return TM_OK;
}

void tm__sets_write(const tm_column_sets *sets, uint32_t group, const uint32_t *words,
                    uint32_t n_words, bool goes_right, tm_tree_set *out) {
    const tm_set_group *of = &sets->groups[group];
    memset(out, 0, sizeof(*out));
    for (uint32_t w = 0; w < n_words; w++) {
        for (uint32_t left = words[w]; left != 0; left &= left - 1) {
            const uint32_t class = of->class_of[w * 32 + (uint32_t)__builtin_ctz(left)];
            out->bits[class >> 6] |= UINT64_C(1) << (class & 63);
        }
    }
    for (uint32_t class = 0; goes_right && class < of->n_classes; class ++) {
        out->bits[class >> 6] ^= UINT64_C(1) << (class & 63);
    }
}

static tm_str text_with_point(const tm_import_draft *draft, tm_str text) {
    return tm__draft_text((tm_import_draft *)(uintptr_t)draft, "%.*s.0", (int)text.len, text.ptr);
}

tm_status tm__sets_levels(const tm_import_draft *draft, const tm_import_column *column,
                          tm_column_sets *sets, tm_err *err) {
    const uint32_t n = sets->n_codes;
    const bool are_numbers = column->levels == NULL || column->are_numbers;
    sets->codes = tm__mem_alloc((size_t)n * 2, sizeof(uint32_t));
    sets->levels = tm__mem_alloc((size_t)n * 2, sizeof(tm_str));
    if (sets->codes == NULL || sets->levels == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for categories");
    }
    for (uint32_t code = 0; code < n; code++) {
        tm_str text = {NULL, 0};
        if (column->levels != NULL) {
            if (code >= column->n_levels) {
                break; /* a code without a text comes in no row */
            }
            text = column->levels[code];
        } else if (has_code(sets->used, (n + 31) / 32, code)) {
            text = tm__draft_text((tm_import_draft *)(uintptr_t)draft, "%u", code);
        } else {
            continue;
        }
        if (text.ptr == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for categories");
        }
        sets->codes[sets->n_levels] = code;
        sets->levels[sets->n_levels++] = text;
        /* Tables write numbers with gaps as 2.0. */
        if (are_numbers && memchr(text.ptr, '.', text.len) == NULL) {
            sets->codes[sets->n_levels] = code;
            sets->levels[sets->n_levels] = text_with_point(draft, text);
            if (sets->levels[sets->n_levels++].ptr == NULL) {
                return TM_FAIL(err, TM_E_NOMEM, "out of memory for categories");
            }
        }
    }
    return TM_OK;
}

tm_status tm__sets_values(const tm_column_sets *sets, uint32_t group, double **out, tm_err *err) {
    const uint16_t *class_of = sets->groups[group].class_of;
    double *values = tm__mem_alloc((size_t)sets->n_levels + 1, sizeof(double));
    if (values == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for categories");
    }
    for (uint32_t i = 0; i < sets->n_levels; i++) {
        values[i] = class_of[sets->codes[i]];
    }
    values[sets->n_levels] = class_of[sets->n_codes];
    *out = values;
    return TM_OK;
}

void tm__sets_done(tm_column_sets *sets) {
    for (uint32_t g = 0; g < sets->n_groups; g++) {
        tm__mem_free(sets->groups[g].class_of);
    }
    tm__mem_free(sets->groups);
    tm__mem_free(sets->used);
    tm__mem_free(sets->codes);
    tm__mem_free(sets->levels);
    memset(sets, 0, sizeof(*sets));
}
