/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/arms.h"

#include <string.h>

#include "base/fmath.h"
#include "base/hash.h"
#include "base/rng.h"
#include "serve/decode_priv.h"

#define FIRST_ROW_BYTES 65536u /* a row that is longer is not looked into */

/* A number in (0, 1) that belongs to a unit and a version. */
static double draw(uint64_t unit, uint32_t version) {
    return ((double)(tm__rng_at(unit, version) >> 11) + 0.5) * 0x1p-53;
}

uint32_t tm__arm_of(const tm_route *route, tm_str unit) {
    const uint64_t hash = tm__hash64(unit.ptr, unit.len, route->salt);
    double least = 0;
    uint32_t best = 0;
    for (uint32_t i = 0; i < route->n_arms; i++) {
        const double at = -tm__log(draw(hash, route->arms[i].version)) / route->arms[i].weight;
        if (i == 0 || at < least) {
            least = at;
            best = i;
        }
    }
    return best;
}

bool tm__arms_are_same(const tm_arms *a, const tm_arms *b) {
    bool is_same = (a == NULL) == (b == NULL);
    if (a == NULL || b == NULL) {
        return is_same;
    }
    is_same = a->route.n_arms == b->route.n_arms && a->route.salt == b->route.salt &&
              a->shadow == b->shadow && a->route.shadow.weight == b->route.shadow.weight;
    for (uint32_t i = 0; is_same && i < a->route.n_arms; i++) {
        is_same = a->route.arms[i].version == b->route.arms[i].version &&
                  a->route.arms[i].weight == b->route.arms[i].weight &&
                  a->served[i] == b->served[i];
    }
    return is_same;
}

/* ---- the entity of the first row ---- */

/* The first row of objects, copied, for steps rewrite strings; NULL when rows are something else.
 * Lines were not checked yet. */
static char *copy_row(const tm_scoring *s) {
    char *from = s->place.rows;
    char *after = NULL;
    tm_scan_error error = {0};
    size_t len = 0;
    if (s->place.kind == TM_ROWS_RECORDS && from != NULL) {
        from = tm__scan_enter(from, &after);
        len = from == NULL ? 0 : (size_t)(tm__scan_skip(from) - from);
    } else if (s->place.kind == TM_ROWS_LINES && (from = tm__lines_next(from)) != NULL) {
        len = strcspn(from, "\r\n");
    }
    if (len == 0 || len > FIRST_ROW_BYTES) {
        return NULL;
    }
    char *row = tm__arena_strndup(s->x->desk->arena, from, len);
    return row != NULL && tm__scan_check(row, len, &error) && *tm__scan_space(row) == '{'
               ? tm__scan_space(row)
               : NULL;
}

/* A value as the decoder would make it a text, perhaps in the 32 bytes. */
static tm_str value_text(char *value, char text[32]) {
    char name[] = "entity";
    const tm_schema_column as_text = {.name = name, .type = TM_TYPE_TEXT};
    tm_cell cell = {.type = TM_TYPE_NONE};
    tm_scan_number number;
    bool coerced = false;
    if (*value == '"') {
        cell.type = TM_TYPE_TEXT;
        (void)tm__scan_string(value, &cell.text);
    } else if (*value == '-' || (*value >= '0' && *value <= '9')) {
        (void)tm__scan_number(value, &number);
        cell.type = number.is_int ? TM_TYPE_INT : TM_TYPE_FLOAT;
        cell.i64 = number.is_int ? number.int64 : 0;
        if (!number.is_int) {
            cell.f64 = number.number;
        }
    }
    return cell.type != TM_TYPE_NONE && tm__cell_fit(&as_text, &cell, text, &coerced, NULL) == TM_OK
               ? cell.text
               : (tm_str){NULL, 0};
}

static tm_str first_entity(const tm_scoring *s, char text[32]) {
    const char *const entity = tm__plan_entity(s->served->plan);
    char *row = entity == NULL ? NULL : copy_row(s);
    char *after = NULL;
    for (char *m = row == NULL ? NULL : tm__scan_enter(row, &after); m != NULL;) {
        tm_str name;
        char *value = tm__scan_name(m, &name);
        if (tm__str_is(name, entity)) {
            return value_text(value, text);
        }
        m = tm__scan_more(tm__scan_skip(value), &after);
    }
    return (tm_str){NULL, 0};
}

/* ---- the arm ---- */

void tm__arms_pick(tm_scoring *s, const tm_arms *arms) {
    const tm_exchange *const x = s->x;
    char text[32];
    tm_str unit = x->http->fields[TM_HTTP_UNIT];
    if (unit.len == 0) {
        unit = s->decoder != NULL ? tm__decoder_entity(s->decoder, text) : first_entity(s, text);
    }
    if (unit.len == 0) {
        unit = tm__str(x->request_id);
    }
    const uint32_t i = tm__arm_of(&arms->route, unit);
    tm_served *const found = arms->served[i];
    if (found == NULL) {
        s->arm = TM_ARM_FALLBACK;
    } else if (found != s->served) {
        s->arm = TM_ARM_CHALLENGER;
        s->served = found;
        s->decoder = NULL; /* it read the row for the champion */
    }
}
