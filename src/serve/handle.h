/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What endpoints do; api/http names these. A handler sets x->status and x->reply and never fails
 * to. Those of endpoints with "desk" run on the desk's thread, those with "study" on the study's,
 * the others on a worker or, when there is much to do, on a batch thread.
 */
#ifndef TM_SERVE_HANDLE_H
#define TM_SERVE_HANDLE_H

#include "serve/serve_priv.h"

void tm__handle_livez(tm_exchange *x);
void tm__handle_readyz(tm_exchange *x);
void tm__handle_version(tm_exchange *x);
void tm__handle_openapi(tm_exchange *x);
void tm__handle_metrics(tm_exchange *x);
void tm__handle_status(tm_exchange *x);

void tm__handle_page(tm_exchange *x);
void tm__handle_asset(tm_exchange *x);
void tm__handle_events(tm_exchange *x);
void tm__handle_explain(tm_exchange *x);
void tm__handle_session(tm_exchange *x);
void tm__handle_session_begin(tm_exchange *x);
void tm__handle_session_end(tm_exchange *x);
void tm__handle_hours(tm_exchange *x);
void tm__handle_sources(tm_exchange *x);
void tm__handle_quarantine(tm_exchange *x);
void tm__handle_source(tm_exchange *x);

void tm__handle_predict(tm_exchange *x);
void tm__handle_invocations(tm_exchange *x);

void tm__handle_v2_server(tm_exchange *x);
void tm__handle_v2_live(tm_exchange *x);
void tm__handle_v2_ready(tm_exchange *x);
void tm__handle_v2_model(tm_exchange *x);
void tm__handle_v2_model_ready(tm_exchange *x);
void tm__handle_v2_predict(tm_exchange *x);

void tm__handle_rows(tm_exchange *x);

void tm__handle_drift(tm_exchange *x);
void tm__handle_alerts(tm_exchange *x);
void tm__handle_alert_move(tm_exchange *x);

void tm__handle_labels(tm_exchange *x);
void tm__handle_models(tm_exchange *x);
void tm__handle_model(tm_exchange *x);
void tm__handle_history(tm_exchange *x);
void tm__handle_audit(tm_exchange *x);
void tm__handle_audit_verify(tm_exchange *x);
void tm__handle_column(tm_exchange *x);
void tm__handle_scores(tm_exchange *x);
void tm__handle_experiment(tm_exchange *x);
void tm__handle_jobs(tm_exchange *x);
void tm__handle_job_cancel(tm_exchange *x);
void tm__handle_receivers(tm_exchange *x);
void tm__handle_turns(tm_exchange *x);
void tm__handle_garbage(tm_exchange *x);
void tm__handle_keys(tm_exchange *x);
void tm__handle_promote(tm_exchange *x);
void tm__handle_rollback(tm_exchange *x);

void tm__handle_split(tm_exchange *x);
void tm__handle_shadow(tm_exchange *x);
void tm__handle_rollout(tm_exchange *x);
void tm__handle_route(tm_exchange *x);

void tm__handle_version_record(tm_exchange *x);
void tm__handle_tag(tm_exchange *x);
void tm__handle_diff(tm_exchange *x);
void tm__handle_trust(tm_exchange *x);
void tm__handle_trust_change(tm_exchange *x);

/** The body as a JSON object with no other members than these (NULL ends them); NULL with the
 * exchange answered. New reference. */
json_t *tm__handle_object(tm_exchange *x, const char *const *names, bool can_be_empty);
/** A member's reason, or NULL; *ok false when it is not a short text. */
const char *tm__handle_reason(const json_t *body, bool *ok);
/** A parameter of the query: a number from 1, a moment, or a text of less than size bytes. *out
 * stays when it is not given, but a text is "". False with the exchange answered. */
bool tm__handle_number(tm_exchange *x, const char *name, uint32_t *out);
bool tm__handle_moment(tm_exchange *x, const char *name, int64_t *out_us);
bool tm__handle_text(tm_exchange *x, const char *name, char *out, size_t size);

/* A part of a list, as `find`, `from` and `count` of the query say. */
typedef struct tm_list_page {
    char find[TM_MAX_NAME + 1]; /* "": all */
    uint32_t from, count;       /* the first one is 1; UINT32_MAX: all */
} tm_list_page;
/** False with the exchange answered. */
bool tm__handle_page_of(tm_exchange *x, tm_list_page *out);
/** Whether a text has a part, whatever the case of its letters of ASCII. */
bool tm__handle_has(const char *text, const char *part);
/** Leave the page of a list; how many there were. */
size_t tm__handle_cut(const tm_list_page *page, json_t *io);
/** Whether the key that an exchange was let in with may hear of a model. */
bool tm__handle_may_see(const tm_exchange *x, const char *model);
/** Answer with why a move is not made, and let go of what was made ready for it. */
void tm__handle_refuse(tm_exchange *x, const tm_err *err);

/** How good the answers of what is served were, as far as the truth is known; JSON null when
 * nothing is served. New reference. Desk's thread. */
json_t *tm__handle_live(tm_exchange *x, const tm_served *served);

#endif
