/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/train_args.h"

#include <string.h>

tm_status tm__train_args_name(tm_cli *cli, char out[TM_MAX_NAME + 1], tm_err *err) {
    const char *given = tm__cli_text(cli, "name");
    const char *path = tm__cli_arg(cli, "DATA");
    const char *base = given;
    size_t n = 0;
    if (base == NULL && tm__cli_has(cli, "source")) {
        base = tm__cli_text(cli, "source");
    }
    if (base == NULL && path != NULL) {
        const char *slash = strrchr(path, '/');
        base = slash != NULL ? slash + 1 : path;
    }
    base = base != NULL ? base : tm__cli_text(cli, "target");
    for (const char *p = base; *p != '\0' && n < TM_MAX_NAME; p++) {
        const bool is_plain = tm__is_alnum(*p) || *p == '_' || *p == '-';
        if (given == NULL && *p == '.') {
            break;
        }
        if (given != NULL && !is_plain) {
            const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%s' is no name for a model", given);
            tm_err_hint(err, "Use letters from a to z, digits, '_' and '-'.");
            return st;
        }
        if (is_plain) {
            out[n++] = *p;
        } else if (n > 0 && out[n - 1] != '-') {
            out[n++] = '-';
        }
    }
    while (n > 0 && out[n - 1] == '-') {
        n--;
    }
    out[n] = '\0';
    if (n == 0) {
        (void)tm__str_copy(out, TM_MAX_NAME + 1, TM_STR("model"));
    }
    return TM_OK;
}

/* What the model to go on from decides cannot be said again. */
static tm_status check_continue(const tm_cli *cli, tm_err *err) {
    static const char *const decided[] = {
        "target",     "task",      "positive", "metric",      "learner",        "drop",
        "time",       "entity",    "purpose",  "weight",      "group",          "budget",
        "repeat",     "monotone",  "interact", "seed",        "level-means",    "class-weight",
        "init-score", "feature",   "known",    "label-delay", "max-latency-us", "max-bundle-bytes",
        "calibrate",  "threshold", "select",   "as",          "crosses",        "gap"};
    for (size_t i = 0; i < sizeof(decided) / sizeof(decided[0]); i++) {
        if (tm__cli_has(cli, decided[i])) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "'--%s' and --continue cannot stand together", decided[i]);
            tm_err_hint(err,
                        "The record of the model says it; rows, --param, --split, --test, --work "
                        "and --name are free.");
            return st;
        }
    }
    return TM_OK;
}

/* What stands in the way of each other, or of a training that goes on where it was stopped. */
static tm_status check(tm_cli *cli, const tm_train_options *o, tm_err *err) {
    if (tm__cli_has(cli, "checkpoint") && !tm__cli_has(cli, "as-of") &&
        (o->label_delay_us > 0 || o->n_known > 0)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "--checkpoint of labels that come late needs --as-of");
        tm_err_hint(err, "Else more of them are known when the run goes on.");
        return st;
    }
    if (o->work > 0 && o->budget_ms > 0) {
        return TM_FAIL(err, TM_E_USAGE, "--work and --budget cannot stand together");
    }
    return TM_OK;
}

tm_status tm__train_args(tm_cli *cli, tm_train_options *o, char name[TM_MAX_NAME + 1],
                         tm_err *err) {
    const char *const split = tm__cli_text(cli, "split");
    if (tm__cli_has(cli, "continue")) {
        return check_continue(cli, err);
    }
    if (!tm__cli_has(cli, "target")) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "option '--target COL' is missing");
        tm_err_hint(err, "`tidemill train --help` shows how to use it.");
        return st;
    }
    TM_TRY(tm__train_args_name(cli, name, err));
    o->model = name;
    o->target = tm__cli_text(cli, "target");
    o->task = tm__task_from_text(tm__cli_text(cli, "task"));
    o->positive = tm__cli_text(cli, "positive");
    o->metric = tm__cli_text(cli, "metric");
    o->learners = tm__cli_text(cli, "learner");
    o->params = tm__cli_list(cli, "param", &o->n_params);
    o->drop = tm__cli_list(cli, "drop", &o->n_drop);
    o->monotone = tm__cli_list(cli, "monotone", &o->n_monotone);
    o->interact = tm__cli_list(cli, "interact", &o->n_interact);
    o->class_weights = tm__cli_list(cli, "class-weight", &o->n_class_weights);
    o->features = tm__cli_list(cli, "feature", &o->n_features);
    o->known = tm__cli_list(cli, "known", &o->n_known);
    o->as = tm__cli_list(cli, "as", &o->n_as);
    o->has_no_crosses = strcmp(tm__cli_text(cli, "crosses"), "none") == 0;
    o->time = tm__cli_text(cli, "time");
    o->label_delay_us = tm__cli_duration_us(cli, "label-delay");
    o->gap_ms = (uint64_t)tm__cli_duration_us(cli, "gap") / 1000;
    o->entity = tm__cli_text(cli, "entity");
    o->purpose = tm__cli_text(cli, "purpose");
    o->weight = tm__cli_text(cli, "weight");
    o->group = tm__cli_text(cli, "group");
    o->init_score = tm__cli_text(cli, "init-score");
    o->threshold = tm__cli_text(cli, "threshold");
    o->calibrate = tm__cli_has(cli, "calibrate") ? tm__cli_text(cli, "calibrate") : NULL;
    o->selects = strcmp(tm__cli_text(cli, "select"), "auto") == 0;
    o->finds_times = true;
    (void)tm__level_means_from_text(tm__cli_text(cli, "level-means"), &o->level_means);
    o->seed = (uint64_t)tm__cli_i64(cli, "seed");
    o->work = (uint64_t)tm__cli_i64(cli, "work");
    o->budget_ms = (uint64_t)tm__cli_duration_us(cli, "budget") / 1000;
    o->latency_us_max = (uint64_t)tm__cli_i64(cli, "max-latency-us");
    TM_TRY(tm__cli_size(cli, "max-bundle-bytes", &o->bundle_bytes_max, err));
    TM_TRY(check(cli, o, err));
    return split != NULL ? tm__split_parse(split, &o->split, err) : TM_OK;
}
