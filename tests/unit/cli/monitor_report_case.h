/* SPDX-License-Identifier: Apache-2.0 */
/* A report as `monitor report --json` gives it, with names that would like to be markup. Include
 * once a program. */
#ifndef TM_UNIT_MONITOR_REPORT_CASE_H
#define TM_UNIT_MONITOR_REPORT_CASE_H

#include "cli/monitor_report.h"
#include "report_case.h"

#define WINDOW_JSON(from, value, low, high)                                                        \
    "{\"from\":\"" from "\",\"until\":\"2026-01-09T00:00:00Z\",\"answers\":100,\"labelled\":60,"   \
    "\"coverage\":0.6,\"scores\":[{\"score\":\"logloss\",\"smaller_is_better\":true,"              \
    "\"value\":" value ",\"low\":" low ",\"high\":" high ",\"worst\":0.9,\"best\":0.2}]}"
#define EXPECTED_JSON                                                                              \
    "{\"score\":\"logloss\",\"smaller_is_better\":true,\"value\":0.45,\"low\":0.42,\"high\":0.47," \
    "\"of_labelled\":0.45,\"realised\":0.61}"

/* The last two of three windows are worse than the test. */
static inline json_t *monitor_report_case(void) {
    json_t *report = report_case_json(
        "{\"model\":" EVIL_JSON ",\"version\":null,\"held_against\":2,\"task\":\"binary\","
        "\"target\":" EVIL_JSON ",\"metric\":\"logloss\",\"clock\":\"answered\","
        "\"from\":null,\"until\":null,\"now\":\"2026-01-09T00:00:00Z\",\"window_seconds\":86400,"
        "\"test\":{\"logloss\":0.41,\"auc\":0.8,\"n_rows\":500},"
        "\"live\":{\"scores\":[{\"score\":\"logloss\",\"smaller_is_better\":true,\"value\":0.61,"
        "\"low\":0.58,\"high\":0.64,\"worst\":0.9,\"best\":0.3}],"
        "\"windows\":[" WINDOW_JSON("2026-01-01T00:00:00Z", "0.41", "0.39", "0.43") "," WINDOW_JSON(
            "2026-01-02T00:00:00Z", "0.6", "0.5",
            "0.7") "," WINDOW_JSON("2026-01-03T00:00:00Z", "0.6", "0.5",
                                   "0.7") "],\"arrivals\":[],"
                                          "\"slices\":{\"looked_at\":40,\"found\":1,\"rows_least\":"
                                          "30,\"of\":\"squared error\","
                                          "\"loss\":0.1,\"list\":[{\"columns\":[" EVIL_JSON
                                          "],\"groups\":[\"below 3\"],"
                                          "\"kind\":\"worse\",\"rows\":40,\"share_of_rows\":0.2,"
                                          "\"loss\":0.3,\"elsewhere\":0.1,"
                                          "\"answer\":0.4,\"truth\":0.5,\"constant\":0.25,\"p\":0."
                                          "001}]}},"
                                          "\"estimated\":{\"method\":\"cbpe\",\"calibrated\":true,"
                                          "\"assumes\":[\"a is so\"],"
                                          "\"scores\":[" EXPECTED_JSON
                                          "],\"windows\":[{\"from\":\"2026-01-01T00:00:00Z\","
                                          "\"until\":\"2026-01-02T00:00:00Z\",\"answers\":100,"
                                          "\"scores\":[" EXPECTED_JSON "]}]},"
                                          "\"coverage\":{\"answers\":300,\"labelled\":180,\"other_"
                                          "class\":2,"
                                          "\"share\":0.6,\"left_out\":0,"
                                          "\"dropped\":1234,\"declared_delay_seconds\":86400,"
                                          "\"due\":20,\"overdue\":100,"
                                          "\"unmatched\":1,\"unmatched_ids\":2,\"arrival\":{\"p50_"
                                          "seconds\":60,\"curve\":["
                                          "{\"seconds\":60,\"share\":0.3},{\"seconds\":600,"
                                          "\"share\":0.6}]},"
                                          "\"log\":{\"labels\":{\"conflict\":3}}},\"drift\":[{"
                                          "\"column\":" EVIL_JSON
                                          ",\"moved\":true,\"importance\":0.4,\"psi\":0.3,"
                                          "\"evidence\":9,\"evidence_needed\":2,"
                                          "\"since\":\"2026-01-02T00:00:00Z\",\"what\":\"less than "
                                          "3: 1 % -> 9 %\",\"next\":\"Look.\","
                                          "\"cost\":{\"expected\":0.5}},{\"column\":null,\"moved\":"
                                          "false,\"psi\":null}],"
                                          "\"alerts\":[{\"id\":7,\"kind\":\"drift\",\"state\":"
                                          "\"open\",\"severity\":\"critical\","
                                          "\"summary\":" EVIL_JSON "}]}");
    json_object_set_new(report, "findings", tm__monitor_findings(report));
    return report;
}

static inline bool monitor_report_has(const json_t *findings, const char *level, const char *text) {
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *one = json_array_get(findings, i);
        if (strcmp(tm__json_text(one, "level", ""), level) == 0 &&
            strstr(tm__json_text(one, "text", ""), text) != NULL) {
            return true;
        }
    }
    return false;
}

#endif
