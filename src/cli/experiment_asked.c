/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/experiment_asked.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "monitor/experiment_guard.h"
#include "monitor/experiment_log.h"

/* METRIC or METRIC=MARGIN. */
static tm_status read_text(const char *text, char name[TM_MAX_NAME + 1], double *out_margin,
                           tm_err *err) {
    tm_str rest = tm__str(text);
    const tm_str first = tm__str_cut(&rest, '=');
    const bool has_margin = strchr(text, '=') != NULL;
    *out_margin = 0;
    if (!tm__str_copy(name, TM_MAX_NAME + 1, first) || first.len == 0 ||
        (has_margin &&
         (!tm__str_to_f64(rest, out_margin) || !isfinite(*out_margin) || *out_margin < 0))) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.64s' is no guardrail", text);
        tm_err_hint(err, "Say what must not get worse, and by how much it may: --guardrail "
                         "accuracy=0.01. The margin is a number from 0.");
        return st;
    }
    return TM_OK;
}

static bool is_counted(const char *name) {
    return strcmp(name, TM_GUARD_LATENCY) == 0 || strcmp(name, TM_GUARD_ERRORS) == 0;
}

static tm_status refuse_metric(const char *name, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "'%.64s' is no guardrail of this model's answers", name);
    tm_err_hint(err, "Any model: latency, errors. Two classes: brier, accuracy, logloss, outcome. "
                     "Classes: accuracy, logloss. Numbers: mae, outcome.");
    return st;
}

static tm_status add_guard(const tm_cli *cli, const tm_bundle *bundle, const char *metric,
                           const char *text, json_t *list, tm_err *err) {
    char name[TM_MAX_NAME + 1];
    const char *known = name;
    double margin = 0;
    TM_TRY(read_text(text, name, &margin, err));
    if (!is_counted(name) && tm__experiment_metric(bundle, name, &known, NULL) != TM_OK) {
        return refuse_metric(name, err);
    }
    if (strcmp(known, metric) == 0 || tm__guards_have(list, known)) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.64s' is named twice", known);
        tm_err_hint(err, "A guardrail is another metric than the one that is compared, once.");
        return st;
    }
    json_t *one = json_pack("{s:s, s:o}", "metric", known, "margin", tm__json_number(margin));
    if (strcmp(known, TM_GUARD_LATENCY) == 0) {
        json_object_set_new(one, "slow_us", json_integer(tm__cli_duration_us(cli, "slow")));
    }
    json_array_append_new(list, one);
    return tm__json_check(err);
}

tm_status tm__guards_read(const tm_cli *cli, const tm_bundle *bundle, const char *metric,
                          json_t **out, tm_err *err) {
    uint32_t n = 0;
    const char *const *texts = tm__cli_list(cli, "guardrail", &n);
    json_t *list = json_array();
    tm_status st = tm__json_check(err);
    if (st == TM_OK && n > TM_AB_GUARDRAILS_MAX) {
        st = TM_FAIL(err, TM_E_USAGE, "more than %u guardrails are named", TM_AB_GUARDRAILS_MAX);
    }
    for (uint32_t i = 0; st == TM_OK && i < n; i++) {
        st = add_guard(cli, bundle, metric, texts[i], list, err);
    }
    const int64_t slow_us = tm__cli_duration_us(cli, "slow");
    if (st == TM_OK && (tm__guards_have(list, TM_GUARD_LATENCY) != tm__cli_has(cli, "slow") ||
                        slow_us < 0 || slow_us > UINT32_MAX)) {
        st = TM_FAIL(err, TM_E_USAGE, "latency and --slow go together");
        tm_err_hint(err, "Say from when on an answer is slow, up to an hour: --guardrail "
                         "latency=0.01 --slow 20ms.");
    }
    if (st == TM_OK && n > 0) {
        *out = list;
        return TM_OK;
    }
    json_decref(list);
    *out = NULL;
    return st;
}
