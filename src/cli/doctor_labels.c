/* SPDX-License-Identifier: Apache-2.0 */
/* Labels that do not come, in the words of `status`: which model, since when, what waits. */
#include <string.h>

#include "base/clock.h"
#include "cli/doctor.h"
#include "cli/status_read.h"

#define SHOWN_MAX 8u

static const char *const advice =
    "See who sends them and until when with 'tidemill monitor report MODEL', and send what is "
    "missing to POST /v1/labels; 'labels' and 'gate.coverage' of tidemill.yaml say what is asked.";

/* A line for each of the first ones. */
static size_t tell_model(tm_checks *checks, const json_t *model, size_t n_told) {
    size_t i = 0;
    const json_t *reason = NULL;
    json_array_foreach(json_object_get(model, "reasons"), i, reason) {
        if (strcmp(tm__json_text(reason, "word", ""), "labels") != 0) {
            continue;
        }
        if (n_told < SHOWN_MAX) {
            tm__check_add(checks, "labels", TM_CHECK_WARN, advice, "'%.64s': %s",
                          tm__json_text(model, "model", ""), tm__json_text(reason, "text", ""));
        }
        n_told++;
    }
    return n_told;
}

void tm__check_labels(tm_checks *checks, tm_home *home, tm_registry *registry) {
    const tm_place place = {.home = home, .registry = registry};
    tm_err err = {0};
    json_t *status = NULL;
    const json_t *model = NULL;
    size_t i = 0, n_told = 0;
    if (tm__check_note(tm__status_read(&place, tm__now_us(), &status, &err)) != TM_OK) {
        tm__check_add(checks, "labels", TM_CHECK_WARN, "'tidemill status' says more.", "%s",
                      err.message);
        return;
    }
    const json_t *const models = json_object_get(status, "models");
    json_array_foreach(models, i, model) {
        n_told = tell_model(checks, model, n_told);
    }
    if (n_told == 0) {
        tm__check_add(checks, "labels", TM_CHECK_OK, NULL, "%zu model%s, none lacks labels",
                      json_array_size(models), json_array_size(models) == 1 ? "" : "s");
    } else if (n_told > SHOWN_MAX) {
        tm__check_add(checks, "labels", TM_CHECK_WARN, "'tidemill status' has them all.",
                      "and %zu more", n_told - SHOWN_MAX);
    }
    json_decref(status);
}
