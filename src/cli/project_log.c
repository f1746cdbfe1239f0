/* SPDX-License-Identifier: Apache-2.0 */
/* A model's `log: {...}`: what becomes of records that cannot be written at once, and how long they
 * are kept. */
#include "base/mem.h"
#include "cli/project_priv.h"
#include "monitor/log_terms.h"

#define QUEUE_MAX 10000000u

static const char *const names[] = {"policy", "queue", "spill_bytes", "keep", "keep_bytes"};
enum { POLICY, QUEUE, SPILL_BYTES, KEEP, KEEP_BYTES, N_NAMES };

static tm_status read_policy(tm_yaml *r, const yaml_node_t *value, tm_str text, json_t *log,
                             tm_err *err) {
    tm_log_terms terms = tm__log_terms_default;
    if (!tm__log_terms_parse(text, &terms)) {
        return tm__yaml_bad_value(r, value, "policy",
                                  "drop, spill, sync or a share such as sample:0.1", err);
    }
    json_object_set_new(log, "policy", json_string(tm__log_policy_names[terms.policy]));
    if (terms.policy == TM_LOG_SAMPLE) {
        json_object_set_new(log, "share", json_real(terms.share));
    }
    return TM_OK;
}

static tm_status read_number(tm_yaml *r, const yaml_node_t *value, uint32_t i, tm_str text,
                             json_t *log, tm_err *err) {
    static const char *const members[] = {"", "queue", "spill_bytes", "keep_us", "keep_bytes"};
    static const char *const wanted[] = {"", "a number of answers, 1 to 10000000",
                                         "a size such as 4G", "", "a size such as 20G"};
    uint64_t n = 0;
    int64_t us = 0;
    bool ok = false;
    if (i == QUEUE) {
        ok = tm__str_to_u64(text, &n) && n >= 1 && n <= QUEUE_MAX;
    } else if (i == KEEP) {
        TM_TRY(tm__yaml_time(r, value, names[i], 1, "90d", &us, err));
        n = (uint64_t)us;
        ok = true;
    } else {
        ok = tm__str_to_bytes(text, &n) && n > 0 && n <= INT64_MAX;
    }
    if (!ok) {
        return tm__yaml_bad_value(r, value, names[i], wanted[i], err);
    }
    json_object_set_new(log, members[i], json_integer((json_int_t)n));
    return TM_OK;
}

static tm_status read_key(const tm_yaml_pairs *p, json_t *log, tm_err *err) {
    char *text = NULL;
    TM_TRY(tm__yaml_text(p->r, p->value, &text, err));
    const tm_status st = p->name == POLICY
                             ? read_policy(p->r, p->value, tm__str(text), log, err)
                             : read_number(p->r, p->value, p->name, tm__str(text), log, err);
    tm__mem_free(text);
    return st;
}

tm_status tm__project_read_log(tm_yaml *r, const yaml_node_t *map, json_t *recipe, tm_err *err) {
    json_t *const log = json_object();
    json_object_set_new(recipe, "log", log);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "log", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_key(&p, log, err);
    }
    return st;
}
