/* SPDX-License-Identifier: Apache-2.0 */
/* `job ls` and `job cancel`: what a daemon's children learn. */
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/train_words.h"
#include "loop/loop_job.h"

/* The newest ones of a model (NULL: of all). New reference. */
static json_t *newest_of(const json_t *jobs, const char *model, size_t n) {
    json_t *const list = json_array();
    json_t *job = NULL;
    size_t i = 0;
    json_array_foreach((json_t *)(uintptr_t)jobs, i, job) {
        if (json_array_size(list) < n &&
            (model == NULL || strcmp(tm__json_text(job, "model", ""), model) == 0)) {
            json_array_append(list, job);
        }
    }
    return list;
}

static void print_jobs(tm_cli *cli, const json_t *jobs) {
    const char *titles[] = {"job", "kind", "model", "state", "began", "took", "why"};
    tm_cli_table table;
    const json_t *job = NULL;
    size_t i = 0;
    tm__cli_table_init(&table, 7, titles);
    json_array_foreach((json_t *)(uintptr_t)jobs, i, job) {
        int64_t began_us = 0, ended_us = tm__now_us();
        char took[32];
        for (size_t c = 0; c < 4; c++) {
            tm__cli_cell(&table, "%s", tm__json_text(job, c == 0 ? "id" : titles[c], ""));
        }
        (void)tm__time_parse(tm__str(tm__json_text(job, "started", "")), &began_us);
        (void)tm__time_parse(tm__str(tm__json_text(job, "ended", "")), &ended_us);
        tm__cli_cell(&table, "%.19s", tm__json_text(job, "started", ""));
        tm__cli_cell(&table, "%s", tm__span_text((double)(ended_us - began_us) / 1e6, took));
        tm__cli_cell(&table, "%.300s", tm__job_why(json_object_get(job, "result")));
    }
    tm__cli_table_print(cli, &table);
}

tm_status cmd_job_ls(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *jobs = NULL;
    TM_TRY(tm__place_open(cli, false, &place, err));
    tm_status st = tm__registry_jobs(place.registry, &jobs, err);
    json_t *const found =
        newest_of(jobs, tm__cli_arg(cli, "MODEL"), (size_t)tm__cli_i64(cli, "newest"));
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:O}", "jobs", found);
        tm__cli_print_object(cli, "tidemill.job.ls/1", result);
        json_decref(result);
    } else if (st == TM_OK) {
        print_jobs(cli, found);
    }
    json_decref(found);
    json_decref(jobs);
    tm__place_close(&place);
    return st;
}

tm_status cmd_job_cancel(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    const char *const id = tm__cli_arg(cli, "JOB");
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    TM_TRY(tm__place_open(cli, false, &place, err));
    const tm_status st = tm__registry_job_cancel(place.registry, id, &actor, err);
    if (st == TM_OK) {
        tm__cli_did(cli, "job %s is cancelled", id);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s}", "job", id);
        tm__cli_print_object(cli, "tidemill.job.cancel/1", result);
        json_decref(result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "job %s is cancelled\n", id);
    }
    tm__place_close(&place);
    return st;
}
