/* SPDX-License-Identifier: Apache-2.0 */
/* The newest experiment on versions of a model, judged now. On the desk's thread. */
#include "monitor/experiment_log.h"
#include "registry/experiment.h"
#include "serve/handle.h"

static tm_status judge(tm_exchange *x, const char *model, json_t **out, tm_err *err) {
    json_t *record = NULL;
    tm_bundle *bundles[2] = {NULL, NULL};
    TM_TRY(tm__registry_experiment(x->desk->registry, model, &record, err));
    tm_status st = tm__registry_experiment_bundles(x->desk->registry, model, record, bundles, err);
    if (st == TM_OK) {
        const tm_experiment_ask ask = {
            x->desk->home, x->desk->monitor, model, record, {bundles[0], bundles[1]}};
        st = tm__experiment_told(&ask, TM_EXPERIMENT_POINTS, out, err);
    }
    tm__bundle_unref(bundles[0]);
    tm__bundle_unref(bundles[1]);
    json_decref(record);
    return st;
}

void tm__handle_experiment(tm_exchange *x) {
    tm_err err = {0};
    json_t *told = NULL;
    if (judge(x, x->match.params[0], &told, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, told);
    }
}
