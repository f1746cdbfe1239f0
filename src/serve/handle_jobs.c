/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs of a daemon: what there is, and the end of one. */
#include <string.h>

#include "serve/handle.h"

void tm__handle_jobs(tm_exchange *x) {
    tm_err err = {0};
    tm_list_page page;
    json_t *jobs = NULL, *job = NULL;
    size_t i = 0;
    if (!tm__handle_page_of(x, &page)) {
        return;
    }
    if (tm__registry_jobs(x->desk->registry, &jobs, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    json_t *const found = json_array();
    json_array_foreach(jobs, i, job) {
        const char *const model = tm__json_text(job, "model", "");
        if (tm__handle_may_see(x, model) &&
            (tm__handle_has(model, page.find) ||
             tm__handle_has(tm__json_text(job, "kind", ""), page.find) ||
             tm__handle_has(tm__json_text(job, "state", ""), page.find))) {
            json_array_append(found, job);
        }
    }
    json_decref(jobs);
    const size_t n = tm__handle_cut(&page, found);
    tm__reply_json(x, json_pack("{s:I, s:o}", "n_jobs", (json_int_t)n, "jobs", found));
}

/* A key of some models ends the jobs of these alone: others are not there. */
static tm_status cancel(tm_exchange *x, const char *id, const tm_actor *actor, tm_err *err) {
    json_t *jobs = NULL, *job = NULL;
    size_t i = 0;
    bool is_there = false;
    TM_TRY(tm__registry_jobs(x->desk->registry, &jobs, err));
    json_array_foreach(jobs, i, job) {
        is_there = is_there || (strcmp(tm__json_text(job, "id", ""), id) == 0 &&
                                tm__handle_may_see(x, tm__json_text(job, "model", "")));
    }
    json_decref(jobs);
    return is_there ? tm__registry_job_cancel(x->desk->registry, id, actor, err)
                    : TM_FAIL(err, TM_E_NOT_FOUND, "there is no job '%.40s'", id);
}

void tm__handle_job_cancel(tm_exchange *x) {
    static const char *const names[] = {"reason", NULL};
    json_t *const body = tm__handle_object(x, names, true);
    if (body == NULL) {
        return;
    }
    bool ok = false;
    tm_err err = {0};
    const tm_actor actor = {.name = x->access.actor, .reason = tm__handle_reason(body, &ok)};
    const char *const id = x->match.params[0];
    if (!ok) {
        tm__problem_reply(x, 400, "bad-request", "the reason must be a text of at most 500 bytes",
                          NULL);
    } else if (cancel(x, id, &actor, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, json_pack("{s:s}", "job", id));
    }
    json_decref(body);
}
