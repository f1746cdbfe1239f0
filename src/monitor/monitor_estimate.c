/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What errors of a number are expected to be, before labels come: those of the rows that the
 * bundle's intervals were measured on, which no model learned from, scaled to the answers at hand.
 *
 *     error of a row ~ spread(answer) x score,   scores: the ranks that conformal keeps
 *
 * So a rise shows where answers move to values at which the model errs more. It is coarser than
 * NannyML's DLE, which learns the loss from all columns, and needs nothing that is not in the file.
 */
#include <math.h>

#include "base/fmath.h"
#include "metric/metric_sure.h"
#include "monitor/monitor_live_priv.h"

#define Z95 1.959963984540054

/* Mean of |score|^power over the measured rows; between two ranks that are kept, straight. */
static double moment(const tm_conformal_scores *scores, uint32_t power) {
    double sum = 0, before = 0;
    uint64_t rank = 0;
    for (uint32_t i = 0; i < scores->n; i++) {
        const double size = fabs(scores->scores[i]), square = size * size;
        const double value = power == 1 ? size : power == 2 ? square : square * square;
        const double n = (double)(scores->ranks[i] - rank);
        sum += i == 0 ? n * value : (n - 1) * 0.5 * (before + value) + value;
        before = value;
        rank = scores->ranks[i];
    }
    return rank > 0 ? sum / (double)rank : tm__nan();
}

void tm__live_expect_errors(const tm_metric_ops *metric, const tm_conformal *model,
                            const tm_score_input *in, tm_score_range *out) {
    const bool is_square = metric == tm__metric_find("rmse");
    if (model->kind != TM_CONFORMAL_NUMBER || (!is_square && metric != tm__metric_find("mae"))) {
        return;
    }
    const double first = moment(&model->above, is_square ? 2 : 1);
    const double second = moment(&model->above, is_square ? 4 : 2);
    double mean = 0, variance = 0;
    for (uint64_t i = 0; i < in->n_rows; i++) {
        const double spread = tm__conformal_spread(model, in->pred[i]);
        const double scale = is_square ? spread * spread : spread;
        mean += scale * first;
        variance += scale * scale * fmax(second - first * first, 0);
    }
    const double n = (double)in->n_rows;
    mean /= n;
    const double half = Z95 * tm__sqrt(variance) / n;
    const double low = fmax(mean - half, 0), high = mean + half;
    *out = (tm_score_range){is_square ? tm__sqrt(mean) : mean, is_square ? tm__sqrt(low) : low,
                            is_square ? tm__sqrt(high) : high};
}

static void assume_classes(const tm_bundle *bundle, json_t *list) {
    json_array_append_new(list, json_string("answers are right as probabilities: of rows that are "
                                            "told p, a share p comes true, now as in training"));
    json_array_append_new(
        list, json_string(tm__bundle_calibration(bundle)->kind == TM_CALIBRATION_NONE
                              ? "they are taken as the model gives them: no calibration was "
                                "better on the rows held out, or none was tried"
                              : "they are calibrated on rows that no model learned from"));
}

json_t *tm__live_estimate_about(const tm_bundle *bundle) {
    json_t *list = json_array();
    const tm_task task = tm__bundle_task(bundle);
    const bool is_class = task == TM_TASK_BINARY || task == TM_TASK_MULTICLASS;
    const bool is_number =
        task == TM_TASK_REGRESSION && tm__bundle_conformal(bundle)->kind == TM_CONFORMAL_NUMBER;
    if (is_class) {
        assume_classes(bundle, list);
    } else if (is_number) {
        json_array_append_new(
            list, json_string("errors at an answer are as large as on the rows that the intervals "
                              "were measured on, which no model learned from"));
    }
    if (is_class || is_number) {
        json_array_append_new(list, json_string("a changed relation between rows and truth does "
                                                "not show here, only moved rows do"));
    }
    return json_pack("{s:o, s:o, s:o}", "method",
                     is_class    ? json_string("cbpe")
                     : is_number ? json_string("residuals")
                                 : json_null(),
                     "calibrated",
                     is_class
                         ? json_boolean(tm__bundle_calibration(bundle)->kind != TM_CALIBRATION_NONE)
                         : json_null(),
                     "assumes", list);
}
