/* SPDX-License-Identifier: Apache-2.0 */
/* `experiment plan`: how many units and days an effect takes. */
#include <math.h>

#include "base/fmath.h"
#include "cli/cli.h"
#include "cli/train_words.h"
#include "metric/ab_plan.h"

static tm_status read_options(tm_cli *cli, tm_ab_plan_options *out, tm_err *err) {
    *out = (tm_ab_plan_options){.kind = tm__cli_has(cli, "sd") ? TM_AB_MEAN : TM_AB_BINARY,
                                .baseline = tm__cli_f64(cli, "baseline"),
                                .effect = tm__cli_f64(cli, "effect"),
                                .sd = tm__cli_f64(cli, "sd"),
                                .share = tm__cli_f64(cli, "share"),
                                .power = tm__cli_f64(cli, "power")};
    const double alpha = tm__cli_f64(cli, "alpha");
    out->alpha = alpha - tm__ab_guard_share(alpha, tm__cli_flag(cli, "guardrails"));
    if (tm__cli_has(cli, "effect") == tm__cli_has(cli, "lift")) {
        return tm__cli_usage(
            "one of --effect and --lift is needed",
            "--effect 0.01 is a difference, --lift 0.05 a twentieth of the baseline.", err);
    }
    if (!tm__cli_has(cli, "baseline") && (out->kind == TM_AB_BINARY || tm__cli_has(cli, "lift"))) {
        return tm__cli_usage("--baseline is missing",
                             "Say the mean of the metric now: --baseline 0.18 for a share of yes.",
                             err);
    }
    if (tm__cli_has(cli, "lift")) {
        out->effect = out->baseline * tm__cli_f64(cli, "lift");
    }
    return TM_OK;
}

/* Null when no traffic is named. */
static json_t *days_of(const tm_cli *cli, double units) {
    const double traffic = tm__cli_f64(cli, "traffic");
    const double wait = (double)tm__cli_duration_us(cli, "delay") / 86400e6;
    return traffic > 0 ? tm__json_number(ceil(units / traffic + wait)) : json_null();
}

static json_t *way(const tm_cli *cli, double units, double power) {
    return json_pack("{s:I, s:o, s:o}", "units", (json_int_t)units, "days", days_of(cli, units),
                     "power", tm__json_number(power));
}

static void print_way(tm_cli_table *table, const char *name, const json_t *one) {
    char units[32];
    const json_t *days = json_object_get(one, "days");
    tm__cli_cell(table, "  %s", name);
    tm__cli_cell(table, "%s", tm__count_text(tm__json_i64(one, "units", 0), units));
    tm__cli_cell(table, json_is_null(days) ? "-" : "%.0f", json_number_value(days));
    tm__cli_cell(table, "%.1f %%", 100 * tm__json_f64(one, "power", 0));
}

static void print_words(tm_cli *cli, const tm_ab_plan_options *o, const json_t *result) {
    char units[32];
    const char *titles[] = {"  how it is looked at", "units", "days", "power"};
    const json_t *plan = json_object_get(result, "plan");
    tm_cli_table table;
    tm__cli_print(cli,
                  "%s units of both arms find a difference of %+.4g %.4g times of 100, and find "
                  "one where there is none at most %.4g times of 100.\n\n",
                  tm__count_text(tm__json_i64(plan, "units", 0), units), o->effect, 100 * o->power,
                  100 * o->alpha);
    tm__cli_table_init(&table, 4, titles);
    print_way(&table, "as often as you like, with a last look", plan);
    print_way(&table, "the same, with the units of one look",
              json_object_get(result, "plan_with_one_look_units"));
    print_way(&table, "once, at the end", json_object_get(result, "one_look"));
    print_way(&table, "as often as you like, without an end (at most)",
              json_object_get(result, "any_time"));
    tm__cli_table_print(cli, &table);
    tm__cli_note(cli, "next: tidemill experiment status --horizon %lld ...",
                 (long long)tm__json_i64(plan, "units", 0));
}

static json_t *plan_to_json(const tm_cli *cli, const tm_ab_plan_options *o, const tm_ab_plan *p) {
    const double traffic = tm__cli_f64(cli, "traffic");
    json_t *out = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", tm__ab_kind_text(o->kind), "baseline",
        tm__cli_has(cli, "baseline") ? tm__json_number(o->baseline) : json_null(), "effect",
        tm__json_number(o->effect), "deviation",
        o->kind == TM_AB_MEAN ? tm__json_number(o->sd) : json_null(), "share",
        tm__json_number(o->share), "alpha", tm__json_number(tm__cli_f64(cli, "alpha")), "power",
        tm__json_number(o->power), "traffic_a_day",
        traffic > 0 ? tm__json_number(traffic) : json_null());
    json_object_set_new(out, "plan", way(cli, p->units, o->power));
    json_object_set_new(out, "plan_with_one_look_units", way(cli, p->units_once, p->power_at_once));
    json_object_set_new(out, "one_look", way(cli, p->units_once, o->power));
    json_object_set_new(out, "any_time", way(cli, p->units_any_time, o->power));
    json_object_set_new(out, "rule",
                        json_pack("{s:I, s:o, s:o}", "horizon", (json_int_t)p->units, "alpha_early",
                                  tm__json_number(p->alpha_early), "alpha_last",
                                  tm__json_number(p->alpha_last)));
    json_object_set_new(out, "alpha_guardrails",
                        tm__cli_flag(cli, "guardrails")
                            ? tm__json_number(tm__cli_f64(cli, "alpha") - o->alpha)
                            : json_null());
    return out;
}

tm_status cmd_experiment_plan(tm_cli *cli, tm_err *err) {
    tm_ab_plan_options options;
    tm_ab_plan plan;
    TM_TRY(read_options(cli, &options, err));
    TM_TRY(tm__ab_plan(&options, &plan, err));
    json_t *result = plan_to_json(cli, &options, &plan);
    const tm_status st = tm__json_check(err);
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.experiment_plan/1", result);
    } else if (st == TM_OK) {
        print_words(cli, &options, result);
    }
    json_decref(result);
    return st;
}
