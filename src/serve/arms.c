/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/arms.h"

#include "base/fmath.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "serve/mixed.h"

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

/* ---- units ---- */

bool tm__arms_read_units(tm_arms *arms, const tm_served *champion) {
    const char *const entity = champion->plan == NULL ? NULL : tm__plan_entity(champion->plan);
    if (entity == NULL) {
        return true;
    }
    const tm_schema *const inputs = tm__bundle_schema(champion->bundle);
    const uint32_t at = tm__schema_find(inputs, tm__str(entity));
    if (at != UINT32_MAX) { /* a text of the same value, whoever reads it */
        arms->unit_column = inputs->cols[at];
        arms->unit_column.is_nullable = true;
        arms->unit_schema = (tm_schema){.n_cols = 1, .cols = &arms->unit_column};
    }
    const tm_plan_parts parts = {.inputs = &arms->unit_schema, .entity = entity};
    return tm__plan_make(&parts, &arms->units, NULL) == TM_OK;
}

void tm__arms_free(tm_arms *arms) {
    if (arms != NULL) {
        tm__plan_free(arms->units);
        tm__mem_free(arms);
    }
}

void tm__arms_answer(tm_scoring *s, const tm_arms *arms, tm_str unit) {
    tm_served *const found = arms->served[tm__arm_of(&arms->route, unit)];
    if (found == NULL) {
        s->arm = TM_ARM_FALLBACK;
    } else if (found != s->served) {
        s->arm = TM_ARM_CHALLENGER;
        s->served = found;
    }
}

void tm__arms_pick(tm_scoring *s, const tm_arms *arms) {
    const tm_exchange *const x = s->x;
    const tm_served *const route = s->served;
    char text[32];
    tm_str unit = x->http->fields[TM_HTTP_UNIT];
    if (unit.len == 0 && s->decoder == NULL && arms->units != NULL) {
        tm__mixed_pick(s, arms);
        return;
    }
    if (unit.len == 0 && s->decoder != NULL) {
        unit = tm__decoder_entity(s->decoder, text);
    }
    tm__arms_answer(s, arms, unit.len > 0 ? unit : tm__str(x->request_id));
    s->decoder = s->served == route ? s->decoder : NULL; /* it read the row for the champion */
}
