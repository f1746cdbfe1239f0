/* SPDX-License-Identifier: Apache-2.0 */
/* The newest experiment on versions of a model, judged now. On the study's thread. */
#include <stdio.h>

#include "monitor/experiment_log.h"
#include "registry/experiment.h"
#include "serve/handle.h"
#include "serve/remembered.h"

static tm_status judge(tm_exchange *x, const char *model, const json_t *record, json_t **out,
                       tm_err *err) {
    tm_bundle *bundles[2] = {NULL, NULL};
    TM_TRY(tm__registry_experiment_bundles(x->desk->registry, model, record, bundles, err));
    const tm_experiment_ask ask = {
        x->desk->home, x->desk->monitor, model, record, {bundles[0], bundles[1]}};
    const tm_status st = tm__experiment_told(&ask, TM_EXPERIMENT_POINTS, out, err);
    tm__bundle_unref(bundles[0]);
    tm__bundle_unref(bundles[1]);
    return st;
}

/* Of the model's newest, as it is remembered or judged now: it is another one when its record is.
 */
static tm_status recall(tm_exchange *x, const char *model, json_t **out, tm_err *err) {
    char key[TM_MAX_NAME + 64];
    json_t *record = NULL;
    TM_TRY(tm__registry_experiment(x->desk->registry, model, &record, err));
    (void)snprintf(key, sizeof(key), "experiment %s %lld %s", model,
                   (long long)tm__json_i64(record, "experiment", 0),
                   tm__json_text(record, "state", ""));
    const tm_remembered_now now = tm__remembered_now(x->desk->home);
    *out = tm__remembered_find(x->desk->remembered, key, &now);
    tm_status st = TM_OK;
    if (*out == NULL) {
        st = judge(x, model, record, out, err);
        if (st == TM_OK) {
            tm__remembered_keep(x->desk->remembered, key, &now, *out);
        }
    }
    json_decref(record);
    return st;
}

void tm__handle_experiment(tm_exchange *x) {
    tm_err err = {0};
    json_t *told = NULL;
    if (recall(x, x->match.params[0], &told, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, told);
    }
}
