/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_foresee.h"

#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "loop/loop_admit.h"
#include "source/intake.h"

static const char *asked(const tm_retraining *r, const char *name, const char *said) {
    const json_t *const told = json_object_get(r->turn.story, name);
    const char *const before = tm__json_text(told, "asked", NULL);
    const json_t *const declared = json_object_get(r->recipe, "retrain");
    return said != NULL ? said : before != NULL ? before : tm__json_text(declared, name, "");
}

/* Features are made of all rows, or of so few that they do not count. */
static bool learns_from_all(const tm_retraining *r) {
    const char *const window = asked(r, "window", r->options->window);
    const bool is_all = window[0] == '\0' || strcmp(window, "all") == 0;
    return is_all && strcmp(asked(r, "how", r->options->how), "update") != 0;
}

static uint64_t row_bytes(const tm_schema *schema) {
    uint64_t bytes = 0;
    for (uint32_t col = 0; col < schema->n_cols; col++) {
        bytes += schema->cols[col].type == TM_TYPE_TEXT ? sizeof(uint32_t) : sizeof(double);
    }
    return bytes;
}

tm_status tm__foresee_bytes(const tm_retraining *r, uint64_t *out, tm_err *err) {
    const char *const name = tm__json_text(json_object_get(r->recipe, "source"), "source", NULL);
    json_t *list = NULL;
    const json_t *source = NULL;
    size_t i = 0;
    *out = 0;
    if (name == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__intake_list(r->home, &list, err));
    json_array_foreach(list, i, source) {
        if (strcmp(tm__json_text(source, "source", ""), name) != 0) {
            continue;
        }
        const bool has_consent =
            json_object_get(json_object_get(source, "spec"), "consent") != NULL;
        const uint64_t n_rows = (uint64_t)tm__json_i64(source, "rows", 0);
        const uint64_t n_features = tm__program_features(tm__bundle_program(r->champion_bundle));
        /* Some are held out, some have not matured: half of them are learned from at the least. */
        const uint64_t per_row =
            learns_from_all(r) && !has_consent ? n_features * sizeof(double) / 2 : 0;
        *out = n_rows * (row_bytes(tm__bundle_schema(r->champion_bundle)) + per_row);
    }
    json_decref(list);
    return TM_OK;
}

bool tm__foresee_waits(const tm_turn *turn) {
    return turn->number > 0 && turn->state == TM_TURN_TRAINING &&
           json_object_get(turn->story, "snapshot") == NULL;
}

/* What is asked for is kept; rows are chosen when they are read. */
static tm_status open_without_rows(tm_retraining *r, tm_err *err) {
    json_t *const story =
        json_pack("{s:s, s:s?, s:b, s:I, s:I, s:i}", "actor", r->actor.name, "because",
                  r->options->because, "promotes", r->promotes, "work", (json_int_t)r->work,
                  "budget_ms", (json_int_t)r->budget_ms, "tries", 1);
    if (r->options->window != NULL) {
        json_object_set_new(story, "window", json_pack("{s:s}", "asked", r->options->window));
    }
    if (r->options->how != NULL) {
        json_object_set_new(story, "how", json_pack("{s:s}", "asked", r->options->how));
    }
    r->turn.story = story;
    r->turn.champion = r->champion.number;
    (void)tm__str_copy(r->turn.model, sizeof(r->turn.model), tm__str(r->options->model));
    TM_TRY(tm__json_check(err));
    return tm__turn_begin(r->registry, &r->turn, err);
}

tm_status tm__foresee_admit(tm_retraining *r, tm_err *err) {
    uint64_t needs = 0;
    tm_admission admission = {.free_bytes =
                                  tm__admit_free(r->options->memory_max, tm__mem_bytes())};
    TM_TRY(tm__foresee_bytes(r, &needs, err));
    if (tm__admission_fits(needs, admission.free_bytes)) {
        return TM_OK;
    }
    if (r->turn.number == 0) {
        TM_TRY(open_without_rows(r, err));
    }
    admission.needs_bytes = tm__mem_bytes() + needs;
    r->admission = admission;
    const tm_status st = tm__admission_refuse(&r->admission, needs, err);
    tm_err_hint(err, "It waits, before it reads a row, until a fourth more than it needs is free.");
    return st;
}
