/* SPDX-License-Identifier: Apache-2.0 */
/* `plan` says what a training will take before it runs: time, memory, and how far it will get. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "train/train.h"

static tm_status fill_options(const tm_cli *cli, tm_train_options *o, tm_err *err) {
    const char *split = tm__cli_text(cli, "split");
    o->model = "plan";
    o->target = tm__cli_text(cli, "target");
    o->task = tm__task_from_text(tm__cli_text(cli, "task"));
    o->metric = tm__cli_text(cli, "metric");
    o->learners = tm__cli_text(cli, "learner");
    o->drop = tm__cli_list(cli, "drop", &o->n_drop);
    o->time = tm__cli_text(cli, "time");
    o->entity = tm__cli_text(cli, "entity");
    o->weight = tm__cli_text(cli, "weight");
    o->group = tm__cli_text(cli, "group");
    o->seed = (uint64_t)tm__cli_i64(cli, "seed");
    o->work = (uint64_t)tm__cli_i64(cli, "work");
    o->budget_ms = (uint64_t)tm__cli_duration_us(cli, "budget") / 1000;
    o->latency_us_max = (uint64_t)tm__cli_i64(cli, "max-latency-us");
    if (o->target == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "option '--target COL' is missing");
        tm_err_hint(err, "`tidemill plan --help` shows how to use it.");
        return st;
    }
    if (o->work > 0 && o->budget_ms > 0) {
        return TM_FAIL(err, TM_E_USAGE, "--work and --budget cannot stand together");
    }
    return split != NULL ? tm__split_parse(split, &o->split, err) : TM_OK;
}

static double mib(const json_t *memory, const char *part) {
    return (double)tm__json_i64(memory, part, 0) / (1 << 20);
}

static void print_plan(tm_cli *cli, const json_t *plan) {
    const json_t *seconds = json_object_get(plan, "seconds");
    const json_t *memory = json_object_get(plan, "memory");
    char rows[32];
    const char *ends = tm__json_text(seconds, "ends_by", "");
    tm__cli_print(cli, "%s rows to learn from, %lld features, decided by %s\n",
                  tm__count_text(tm__json_i64(plan, "train_rows", 0), rows),
                  (long long)tm__json_i64(plan, "features", 0), tm__json_text(plan, "metric", ""));
    tm__cli_print(cli, "time    about %.3g s on this machine as it is now (%s)\n",
                  tm__json_f64(seconds, "run", 0),
                  ends[0] == 'b'   ? "the budget ends it"
                  : ends[0] == 'w' ? "its work ends it"
                                   : "it is done by itself");
    tm__cli_print(cli,
                  "        loading %.3g s, a trial %.3g s, a refit %.3g s; about %.0f trial%s\n",
                  tm__json_f64(seconds, "load", 0), tm__json_f64(seconds, "trial", 0),
                  tm__json_f64(seconds, "refit", 0), tm__json_f64(plan, "trials", 0),
                  tm__json_f64(plan, "trials", 0) < 1.5 ? "" : "s");
    tm__cli_print(cli,
                  "memory  %.0f MiB at the least: the table %.0f, features %.0f, fitting %.0f, "
                  "answers %.0f\n",
                  mib(memory, "total"), mib(memory, "table"), mib(memory, "features"),
                  mib(memory, "fitting"), mib(memory, "answers"));
}

tm_status cmd_plan(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    json_t *plan = NULL;
    tm_train_options options = {0};
    tm_status st = fill_options(cli, &options, err);
    if (st == TM_OK) {
        st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    }
    const uint64_t started = tm__mono_ns();
    if (st == TM_OK) {
        st = tm__cli_read(cli, &ctx, tm__cli_arg(cli, "DATA"), tm__cli_text(cli, "sql"), NULL,
                          &table, err);
    }
    const double seconds_load = (double)(tm__mono_ns() - started) * 1e-9;
    if (st == TM_OK) {
        st = tm__train_plan(&ctx, table, &options, &plan, err);
    }
    if (st == TM_OK) {
        json_object_set_new(json_object_get(plan, "seconds"), "load",
                            tm__json_number(seconds_load));
        json_object_set_new(plan, "schema", json_string("tidemill.plan/1"));
        if (cli->json) {
            tm__cli_print_json(cli, plan);
        } else {
            print_plan(cli, plan);
        }
    }
    json_decref(plan);
    tm__table_unref(table);
    tm__cli_ctx_done(&ctx);
    return st;
}
