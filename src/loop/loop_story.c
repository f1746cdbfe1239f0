/* SPDX-License-Identifier: Apache-2.0 */
/* What a turn tells besides what it works with: why it seemed worth it, and what was tried. */
#include <math.h>

#include "loop/loop_evidence.h"
#include "loop/loop_turn.h"
#include "monitor/alert.h"

#define CANDIDATES_MAX 10u

static tm_status add_alerts(const tm_retraining *r, json_t *evidence, tm_err *err) {
    const tm_alert_filter filter = {.model = r->options->model};
    json_t *alerts = NULL, *alert = NULL;
    size_t i = 0;
    TM_TRY(tm__alert_list(r->home, &filter, &alerts, err));
    json_t *const list = json_array();
    json_object_set_new(evidence, "alerts", list);
    json_array_foreach(alerts, i, alert) {
        json_array_append_new(list,
                              json_pack("{s:O, s:O, s:O}", "kind", json_object_get(alert, "kind"),
                                        "summary", json_object_get(alert, "summary"), "opened",
                                        json_object_get(alert, "opened")));
    }
    json_decref(alerts);
    return tm__json_check(err);
}

/* The champion's live score on its newest labels; null: there are none. */
static tm_status add_live(const tm_retraining *r, json_t *evidence, tm_err *err) {
    const tm_trigger_terms terms = {.has_bound = true};
    tm_trigger_facts facts = {0};
    tm_evidence *const look = tm__evidence_create(r->home, r->registry);
    const tm_status st =
        look == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                     : tm__evidence_look(look, r->options->model, r->recipe, &terms, &facts, err);
    tm__evidence_free(look);
    TM_TRY(st);
    json_t *const live = facts.n_scored == 0
                             ? json_null()
                             : json_pack("{s:I, s:o, s:o}", "labels", (json_int_t)facts.n_scored,
                                         "value", tm__json_number(facts.live), "better_end",
                                         tm__json_number(facts.live_better));
    json_object_set_new(evidence, "live", live);
    json_object_set_new(evidence, "fruitless_before", json_integer(facts.n_fruitless));
    return tm__json_check(err);
}

tm_status tm__turn_evidence(const tm_retraining *r, json_t **out, tm_err *err) {
    json_t *const evidence = json_object();
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? add_alerts(r, evidence, err) : st;
    st = st == TM_OK ? add_live(r, evidence, err) : st;
    return tm__json_give(st, evidence, out, err);
}

json_t *tm__turn_candidates(const json_t *report) {
    json_t *const list = json_array();
    const json_t *one = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(report, "leaderboard"), i, one) {
        if (i < CANDIDATES_MAX || tm__json_bool(one, "chosen", false)) {
            json_array_append_new(list, json_pack("{s:s, s:o, s:b}", "learner",
                                                  tm__json_text(one, "learner", ""), "score",
                                                  tm__json_number(tm__json_f64(one, "score", NAN)),
                                                  "chosen", tm__json_bool(one, "chosen", false)));
        }
    }
    return list;
}
