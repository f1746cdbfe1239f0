/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry knows, to read: models, what was live at a moment, histories, who is told of
 * moves, what nothing reaches. All of it reads a disk, so it runs on the desk's thread. */
#include <string.h>

#include "base/clock.h"
#include "registry/collect.h"
#include "registry/hooks.h"
#include "registry/moments.h"
#include "registry/turn.h"
#include "serve/handle.h"

#define KEEP_DEFAULT 10u /* as of `model gc` */
#define OLDER_DEFAULT_US (30 * INT64_C(86400000000))
#define TURNS 20u
#define TEXT_MAX 65u /* with NUL: of a time, the name of an event, a duration */

/* Answer with {"model": name, key: list}, or with the error; takes the list. */
static void reply_list(tm_exchange *x, tm_status st, const char *key, json_t *list,
                       const tm_err *err) {
    if (st != TM_OK) {
        tm__problem_from_err(x, err);
        return;
    }
    tm__reply_json(x, json_pack("{s:s, s:o}", "model", x->match.params[0], key, list));
}

void tm__handle_models(tm_exchange *x) {
    tm_err err = {0};
    json_t *list = NULL;
    char at[48];
    int64_t at_us = INT64_MIN;
    if (!tm__handle_moment(x, "at", &at_us)) {
        return;
    }
    const bool is_past = at_us != INT64_MIN;
    const tm_status st = is_past ? tm__registry_at(x->desk->registry, at_us, &list, &err)
                                 : tm__registry_models(x->desk->registry, &list, &err);
    if (st != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    at[is_past ? tm__time_to_text(at_us, at) : 0] = '\0';
    tm__reply_json(x, json_pack("{s:o, s:s*}", "models", list, "at", is_past ? at : NULL));
}

void tm__handle_model(tm_exchange *x) {
    tm_err err = {0};
    json_t *list = NULL;
    tm_list_page page;
    tm_version_counts counts = {0};
    const char *model = x->match.params[0];
    if (!tm__handle_page_of(x, &page) || !tm__handle_number(x, "newest", &page.count)) {
        return;
    }
    const tm_version_filter filter = {.find = page.find, .from = page.from, .count = page.count};
    tm_status st =
        strchr(model, '@') != NULL
            ? TM_FAIL(&err, TM_E_NOT_FOUND, "there is no model of this name")
            : tm__registry_versions_find(x->desk->registry, model, &filter, &counts, &list, &err);
    if (st != TM_OK) {
        tm__problem_from_err(x, &err);
        return;
    }
    tm_version champion = {0};
    json_t *number = json_null();
    st = tm__registry_find(x->desk->registry, model, &champion, NULL);
    if (st == TM_OK) {
        number = json_integer(champion.number);
        tm__version_done(&champion);
    } else if (st == TM_E_NOMEM) {
        number = tm__json_lost();
    }
    const tm_served *served = tm__current_find(x->current, model); /* routes have models' names */
    tm__reply_json(x, json_pack("{s:s, s:o, s:o, s:I, s:I, s:o}", "model", model, "champion",
                                number, "live", tm__handle_live(x, served), "n_versions",
                                (json_int_t)counts.n_all, "n_found", (json_int_t)counts.n_found,
                                "versions", list));
}

void tm__handle_history(tm_exchange *x) {
    char event[TEXT_MAX];
    tm_history_filter filter = {0};
    tm_err err = {0};
    json_t *list = NULL;
    if (!tm__handle_text(x, "event", event, TEXT_MAX) ||
        !tm__handle_number(x, "version", &filter.version) ||
        !tm__handle_number(x, "newest", &filter.newest) ||
        !tm__handle_moment(x, "since", &filter.since_us) ||
        !tm__handle_moment(x, "until", &filter.until_us)) {
        return;
    }
    filter.event = event[0] != '\0' ? event : NULL;
    const tm_status st =
        tm__registry_history_find(x->desk->registry, x->match.params[0], &filter, &list, &err);
    reply_list(x, st, "history", list, &err);
}

void tm__handle_receivers(tm_exchange *x) {
    tm_err err = {0};
    json_t *list = NULL, *recipe = NULL;
    const char *const model = x->match.params[0];
    tm_status st = tm__registry_recipe(x->desk->registry, model, &recipe, &err);
    json_decref(recipe);
    st = st == TM_OK ? tm__hooks_list(x->desk->registry, model, &list, &err) : st;
    reply_list(x, st, "receivers", list, &err);
}

void tm__handle_turns(tm_exchange *x) {
    tm_version champion = {0};
    tm_err err = {0};
    json_t *list = NULL;
    uint32_t newest = 0;
    const char *const model = x->match.params[0];
    if (!tm__handle_number(x, "newest", &newest)) {
        return;
    }
    tm_status st = tm__registry_find(x->desk->registry, model, &champion, &err);
    tm__version_done(&champion);
    st = st == TM_OK
             ? tm__turn_list(x->desk->registry, model, newest > 0 ? newest : TURNS, &list, &err)
             : st;
    reply_list(x, st, "turns", list, &err);
}

/* ---- What nothing reaches ---- */

void tm__handle_garbage(tm_exchange *x) {
    char older[TEXT_MAX], hint[64];
    const tm_actor actor = {.name = x->access.actor};
    tm_collection options = {
        .is_dry = true, .keep = KEEP_DEFAULT, .older_us = OLDER_DEFAULT_US, .actor = &actor};
    json_t *result = NULL;
    tm_err err = {0};
    if (!tm__handle_number(x, "keep", &options.keep) ||
        !tm__handle_text(x, "older_than", older, TEXT_MAX)) {
        return;
    }
    if (older[0] != '\0' && !tm__str_to_duration_us(tm__str(older), &options.older_us)) {
        tm__problem_reply(x, 400, "bad-request", "older_than is not a duration such as 30d",
                          tm__duration_hint(tm__str(older), NULL, hint));
    } else if (tm__registry_collect(x->desk->registry, &options, &result, &err) != TM_OK) {
        tm__problem_from_err(x, &err);
    } else {
        tm__reply_json(x, result);
    }
}
