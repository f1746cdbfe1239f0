/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/log_terms.h"

const char *const tm__log_policy_names[TM_LOG_POLICIES] = {"drop", "spill", "sample", "sync"};
const tm_log_terms tm__log_terms_default = {.policy = TM_LOG_DROP, .share = 1};

static bool find_policy(tm_str name, tm_log_policy *out) {
    for (uint32_t i = 0; i < TM_LOG_POLICIES; i++) {
        if (tm__str_is(name, tm__log_policy_names[i])) {
            *out = (tm_log_policy)i;
            return true;
        }
    }
    return false;
}

bool tm__log_terms_parse(tm_str text, tm_log_terms *terms) {
    tm_str rest = text;
    tm_log_policy policy = TM_LOG_DROP;
    double share = 1;
    const tm_str name = tm__str_cut(&rest, ':');
    const bool has_share = name.len < text.len;
    if (!find_policy(name, &policy) || has_share != (policy == TM_LOG_SAMPLE)) {
        return false;
    }
    if (has_share && (!tm__str_to_f64(rest, &share) || !(share >= 0 && share <= 1))) {
        return false;
    }
    terms->policy = policy;
    terms->share = share;
    return true;
}

void tm__log_terms_read(const json_t *log, tm_log_terms *terms) {
    tm_log_policy policy = terms->policy;
    if (find_policy(tm__str(tm__json_text(log, "policy", "")), &policy)) {
        terms->policy = policy;
        terms->share = policy == TM_LOG_SAMPLE ? tm__json_f64(log, "share", 1) : 1;
    }
    terms->queue_max = (uint32_t)tm__json_i64(log, "queue", terms->queue_max);
    terms->spill_bytes = (uint64_t)tm__json_i64(log, "spill_bytes", (int64_t)terms->spill_bytes);
    terms->keep_us = tm__json_i64(log, "keep_us", terms->keep_us);
    terms->keep_bytes = (uint64_t)tm__json_i64(log, "keep_bytes", (int64_t)terms->keep_bytes);
}
