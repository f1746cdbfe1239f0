/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"
#include "table/table.h"

/* INT64_MIN is what a missing integer looks like, so it becomes a float. */
char *tm__cell_read_json(char *p, tm_cell *out, bool *ok) {
    tm_scan_number number;
    *ok = true;
    switch (*p) {
    case '"':
        *out = (tm_cell){.type = TM_TYPE_TEXT};
        return tm__scan_string(p, &out->text);
    case 't':
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 1};
        return p + 4;
    case 'f':
        *out = (tm_cell){.type = TM_TYPE_BOOL, .i64 = 0};
        return p + 5;
    case 'n':
        *out = (tm_cell){.type = TM_TYPE_NONE};
        return p + 4;
    case '{':
    case '[':
        *out = (tm_cell){.type = TM_TYPE_NONE};
        *ok = false;
        return tm__scan_skip(p);
    default:
        p = tm__scan_number(p, &number);
        *ok = number.is_finite;
        if (number.is_int && number.int64 != TM_INT_MISSING) {
            *out = (tm_cell){.type = TM_TYPE_INT, .i64 = number.int64};
        } else {
            const double value = number.is_int ? (double)number.int64 : number.number;
            *out = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = value};
        }
        return p;
    }
}
