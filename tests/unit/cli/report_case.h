/* SPDX-License-Identifier: Apache-2.0 */
/* A report as `model report --json` gives it, with names that would like to be markup. Include once
 * a program. */
#ifndef TM_UNIT_REPORT_CASE_H
#define TM_UNIT_REPORT_CASE_H

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "test.h"

#define EVIL "</style><script>alert('1')</script>\"&|*`_"

static inline json_t *report_case_json(const char *text) {
    json_t *value = NULL;
    tm__json_reset();
    assert_int_equal(tm__json_parse(text, strlen(text), 64, &value, NULL), TM_OK);
    return value;
}

#define EVIL_JSON "\"</style><script>alert('1')</script>\\\"&|*`_\""
#define SURE_JSON "{\"value\":0.5,\"low\":0.4,\"high\":0.6}"

/* What reports of all tasks have. */
static inline json_t *report_case_common(void) {
    return report_case_json(
        "{\"model\":\"m\",\"version\":2,\"aliases\":\"\",\"state\":\"ready\","
        "\"created\":\"2026-01-01T00:00:00Z\",\"bundle_hash\":\"abcdef\",\"bytes\":2048,"
        "\"metric\":\"logloss\",\"smaller_is_better\":true,\"learner\":\"gbdt\",\"columns\":2,"
        "\"target\":" EVIL_JSON ",\"positive\":" EVIL_JSON ",\"classes\":[\"no\"," EVIL_JSON "],"
        "\"threshold\":{\"value\":0.4,\"reason\":\"as asked\"},\"seed\":7,"
        "\"rows\":{\"from\":\"test\",\"rows\":200,\"learned_from\":800,\"weighted\":false},"
        "\"split\":{\"split\":\"random:0.2\",\"reason\":\"rows are drawn\",\"time_ordered\":false},"
        "\"recipe\":{\"split\":\"auto\",\"source\":{\"path\":" EVIL_JSON "}},"
        "\"against\":{\"model\":\"m\",\"version\":1,\"may_have_seen\":true},"
        "\"scores\":{\"unit\":\"rows\",\"units\":200,\"repeats\":200,\"rows\":200,\"list\":["
        "{\"score\":\"auc\",\"value\":0.81,\"low\":0.75,\"high\":0.86,\"smaller_is_better\":false,"
        "\"baseline\":0.5,\"other\":0.8,\"gain\":{\"value\":0.01,\"low\":-0.01,\"high\":0.03}},"
        "{\"score\":\"logloss\",\"value\":0.41,\"low\":0.38,\"high\":0.44,"
        "\"smaller_is_better\":true,\"baseline\":0.69,\"other\":0.45,"
        "\"gain\":{\"value\":0.04,\"low\":0.02,\"high\":0.06}},"
        "{\"score\":\"recall\",\"value\":0.6,\"smaller_is_better\":false},"
        "{\"score\":\"precision\",\"value\":0.7,\"smaller_is_better\":false}]},"
        "\"leaderboard\":[{\"learner\":\"gbdt\",\"score\":0.42,\"params\":{\"max_leaves\":31,"
        "\"learning_rate\":0.1},\"rounds\":40,\"rows\":800,\"chosen\":true},"
        "{\"learner\":" EVIL_JSON ",\"score\":0.5,\"params\":{},\"rounds\":0,\"rows\":800,"
        "\"chosen\":false}],"
        "\"left_out\":[{\"column\":" EVIL_JSON ",\"reason\":" EVIL_JSON "}],"
        "\"program\":[{\"input\":" EVIL_JSON ",\"step\":\"number\",\"reason\":\"\"}],"
        "\"inputs\":[{\"column\":" EVIL_JSON ",\"type\":\"float\"},"
        "{\"column\":\"b\",\"type\":\"text\"}],"
        "\"leaks\":[{\"column\":" EVIL_JSON ",\"score\":0.99}],"
        "\"worth\":{\"metric\":\"logloss\",\"score\":0.41,\"rows\":200,\"repeats\":5,\"columns\":["
        "{\"column\":" EVIL_JSON ",\"loses\":0.2,\"spread\":0.01,\"share\":0.7},"
        "{\"column\":\"b\",\"loses\":-0.001,\"spread\":0.01,\"share\":0.3}]},"
        "\"weak\":{\"looked_at\":40,\"found\":2,\"rows_least\":30,\"of\":\"squared error\","
        "\"loss\":0.1,\"list\":[{\"columns\":[" EVIL_JSON
        ",\"b\"],\"groups\":[\"below 3\"," EVIL_JSON
        "],\"kind\":\"worse\",\"rows\":40,\"share_of_rows\":0.2,\"loss\":0.3,"
        "\"elsewhere\":0.1,\"answer\":0.4,\"truth\":0.5,\"constant\":0.25,\"p\":0.001},"
        "{\"columns\":[\"b\"],\"groups\":[\"x\"],\"kind\":\"tilted\",\"rows\":50,"
        "\"share_of_rows\":0.25,\"loss\":0.1,\"elsewhere\":0.1,\"answer\":0.2,\"truth\":0.5,"
        "\"constant\":null,\"p\":1e-9}]},"
        "\"fairness\":{\"column\":" EVIL_JSON ",\"is_input\":false,\"small_below\":100,"
        "\"positive\":\"yes\",\"threshold\":0.4,\"four_fifths\":{\"most\":" EVIL_JSON
        ",\"least\":\"b\",\"ratio\":" SURE_JSON
        ",\"holds\":false},\"groups\":[{\"group\":" EVIL_JSON
        ",\"rows\":20,\"small\":true,\"answer\":0.3,\"off\":" SURE_JSON ",\"accuracy\":" SURE_JSON
        ",\"selected\":" SURE_JSON ",\"share_of_positives\":" SURE_JSON
        ",\"true_positive_rate\":null,\"false_positive_rate\":" SURE_JSON
        ",\"precision\":" SURE_JSON ",\"ratio\":null}]},"
        "\"dependence\":[{\"column\":" EVIL_JSON ",\"kind\":\"number\",\"values\":[1,2,3,null],"
        "\"labels\":[\"1\",\"2\",\"3\",\"(missing)\"],\"shares\":[0.2,0.3,0.4,0.1],\"outputs\":["
        "{\"class\":\"yes\",\"mean\":[0.1,0.2,0.3,0.2],\"low\":[0,0.1,0.2,0.1],"
        "\"high\":[0.2,0.3,0.4,0.3]}]},{\"column\":\"b\",\"kind\":\"category\","
        "\"values\":[null,null],\"labels\":[" EVIL_JSON ",\"y\"],\"shares\":[0.5,0.5],\"outputs\":["
        "{\"class\":\"yes\",\"mean\":[0.1,0.2],\"low\":[0,0.1],\"high\":[0.2,0.3]}]}],"
        "\"latency\":{\"rows\":200,\"p50_us\":2.5,\"p99_us\":3.5}}");
}

/* task "binary", "multiclass", "regression" or "ranking". */
static inline json_t *report_case(const char *task) {
    json_t *report = report_case_common();
    json_object_set_new(report, "task", json_string(task));
    if (strcmp(task, "binary") == 0) {
        json_object_set_new(
            report, "curves",
            report_case_json(
                "{\"roc\":{\"area\":0.75,\"false_positive_rate\":[0,0,0.5,0.5,1],"
                "\"true_positive_rate\":[0,0.5,0.5,1,1]},\"precision_recall\":{\"area\":0.83,"
                "\"share_of_positives\":0.5,\"recall\":[0.5,0.5,1,1],"
                "\"precision\":[1,0.5,0.67,0.5]},\"calibration\":[{\"rows\":100,"
                "\"prediction\":0.2,\"share\":0.25,\"low\":0.18,\"high\":0.34}],\"answers\":{"
                "\"bounds\":[0,0.5,1],\"negative\":[90,10],\"positive\":[0,100]},\"confusion\":{"
                "\"threshold\":0.4,\"true_positives\":60,\"false_positives\":10,"
                "\"false_negatives\":40,\"true_negatives\":90},\"called\":[{\"share\":0.01,"
                "\"threshold\":0.9,\"precision\":1,\"recall\":0.02}]}"));
    } else if (strcmp(task, "multiclass") == 0) {
        json_object_set_new(
            report, "confusion",
            report_case_json("{\"classes\":[" EVIL_JSON ",\"(others)\"],\"counts\":[[9,1],[2,8]],"
                             "\"by_class\":[{\"class\":" EVIL_JSON ",\"rows\":10,"
                             "\"precision\":0.8,\"recall\":0.9,\"f1\":0.85,\"auc\":null}],"
                             "\"calibration\":[]}"));
    } else if (strcmp(task, "regression") == 0) {
        json_object_set_new(
            report, "intervals",
            report_case_json("{\"method\":\"plain\",\"test\":[{\"level\":0.9,\"covered\":0.915,"
                             "\"low\":0.88,\"high\":0.95,\"width\":12}]}"));
        json_object_set_new(
            report, "errors",
            report_case_json(
                "{\"residuals\":{\"bounds\":[-1,0,1],\"counts\":[5,7],\"below\":1,\"above\":1},"
                "\"bias\":" SURE_JSON ",\"absolute\":{\"p50\":1.5,\"p90\":4,\"p99\":9},"
                "\"by_answer\":[{\"rows\":7,\"prediction\":10,\"actual\":11,\"low\":-1,"
                "\"median\":0.5,\"high\":2},{\"rows\":7,\"prediction\":20,\"actual\":19,"
                "\"low\":-3,\"median\":-1,\"high\":1}]}"));
    } else {
        json_object_set_new(report, "weak", json_null());
        json_object_set_new(
            report, "ranks",
            report_case_json("{\"queries\":9,\"by_place\":[{\"place\":1,\"rows\":9,"
                             "\"relevance\":2.5},{\"place\":2,\"rows\":9,\"relevance\":1}],"
                             "\"ndcg\":{\"bounds\":[0,0.5,1],\"counts\":[2,7]}}"));
    }
    return report;
}

/* What a function of this form writes, with a NUL. */
static inline const char *report_case_text(void (*form)(tm_buf *out, const json_t *report),
                                           const json_t *report, tm_buf *out) {
    tm__buf_init(out, 1 << 22);
    form(out, report);
    (void)tm__buf_byte(out, 0);
    assert_false(out->failed);
    return (const char *)out->data;
}

/* No text of the data is markup, nothing is loaded, no number is none. */
static inline void report_case_check(const char *text) {
    static const char *const refused[] = {"<script", "alert('", "http://", "https://",
                                          ">nan",    " nan",    "(nan",    "=nan",
                                          ",nan",    ">inf",    " inf,",   "=inf"};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_null(strstr(text, refused[i]));
    }
}

#endif
