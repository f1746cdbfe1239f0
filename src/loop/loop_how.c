/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_how.h"

#include <string.h>

#include "loop/loop_choice.h"

static const char *const kinds[] = {"recipe", "trees", "update", "policy", "auto"};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

tm_status tm__how_ask(const char *text, tm_turn_how *out, tm_err *err) {
    for (size_t i = 0; i < N_KINDS; i++) {
        if (strcmp(text, kinds[i]) == 0) {
            *out = (tm_turn_how)i;
            return TM_OK;
        }
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "'%.40s' is no way to learn again", text);
    tm_err_hint(err, "Write recipe (learn anew), trees (more of them), update (leaves or weights "
                     "move), policy (models of several windows together) or auto (recipe, "
                     "update or policy, by a test).");
    return st;
}

void tm__how_write_asked(const tm_retraining *r, json_t *story) {
    const json_t *const declared = json_object_get(r->recipe, "retrain");
    const char *const how =
        r->options->how != NULL ? r->options->how : tm__json_text(declared, "how", NULL);
    if (how != NULL) {
        json_object_set_new(story, "how", json_pack("{s:s}", "asked", how));
    }
}

/* What a learner is, for people. */
static const char *name_of(const tm_model_ops *ops) {
    static const char *const names[][2] = {{"blend", "a blend of several models"},
                                           {"offset", "trees on top of a score that rows bring"},
                                           {"linear", "lines"},
                                           {"gbdt", "boosted trees"},
                                           {"forest", "a forest"},
                                           {"mlp", "a network"},
                                           {"imported", "an imported model"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(ops->name, names[i][0]) == 0) {
            return names[i][1];
        }
    }
    return ops->name;
}

bool tm__how_why_not(const tm_bundle *champion, tm_turn_how how, tm_err *why) {
    const tm_model_ops *const ops = tm__bundle_model(champion)->ops;
    if (how == TM_HOW_TREES && !ops->continues) {
        (void)TM_FAIL(why, TM_E_UNSUPPORTED,
                      "only boosted trees get more of them, and the champion is %s", name_of(ops));
        tm_err_hint(why, ops->updates
                             ? "--how update moves the champion's own numbers with the new rows."
                             : "A recipe with 'learner: gbdt' makes champions that can be gone on "
                               "from.");
        return true;
    }
    if (how == TM_HOW_UPDATE && !ops->updates) {
        (void)TM_FAIL(why, TM_E_UNSUPPORTED,
                      "only boosted trees and lines can be updated, and the champion is %s",
                      name_of(ops));
        tm_err_hint(why, "A recipe with 'learner: gbdt' or 'learner: linear' makes champions "
                         "that can be.");
        return true;
    }
    return false;
}

/* why: of one that was not to be; NULL else. */
static tm_status set_kind(tm_retraining *r, tm_turn_how how, const tm_err *why, tm_err *err) {
    json_t *const told = json_object_get(r->turn.story, "how");
    r->how = how;
    json_object_set_new(told, "kind", json_string(kinds[how]));
    if (why != NULL) {
        json_object_set_new(told, "reason", json_string(why->message));
    }
    if (why != NULL && why->hint[0] != '\0') {
        json_object_set_new(told, "hint", json_string(why->hint));
    }
    TM_TRY(tm__json_check(err));
    return tm__turn_save(r->registry, &r->turn, err);
}

tm_status tm__how_choose(tm_retraining *r, tm_err *err) {
    const json_t *const told = json_object_get(r->turn.story, "how");
    const char *const kind = tm__json_text(told, "kind", NULL);
    tm_turn_how how = TM_HOW_RECIPE;
    if (told == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__how_ask(kind != NULL ? kind : tm__json_text(told, "asked", ""), &how, err));
    if (kind != NULL) {
        r->how = how;
        return TM_OK;
    }
    tm_err why = {0};
    if (tm__how_why_not(r->champion_bundle, how, &why)) {
        return set_kind(r, TM_HOW_RECIPE, &why, err);
    }
    r->how = how;
    return how == TM_HOW_AUTO     ? TM_OK
           : how == TM_HOW_POLICY ? tm__how_settle(r, how, err)
                                  : set_kind(r, how, NULL, err);
}

bool tm__how_is_window_said(const tm_retraining *r) {
    const json_t *const window = json_object_get(r->turn.story, "window");
    tm_window_ask ask = {0};
    return window != NULL &&
           tm__window_ask(tm__json_text(window, "asked", "all"), &ask, NULL) == TM_OK &&
           (ask.rows > 0 || ask.kinds == 1u << TM_ROWS_ALL);
}

tm_status tm__how_settle(tm_retraining *r, tm_turn_how how, tm_err *err) {
    json_t *const window = json_object_get(r->turn.story, "window");
    const bool has_own = how == TM_HOW_UPDATE || how == TM_HOW_POLICY;
    if (has_own && window != NULL && !tm__how_is_window_said(r)) {
        json_object_set(json_object_get(r->turn.story, "how"), "window", window);
        json_object_del(r->turn.story, "window");
        r->window = (tm_row_window){0};
    }
    return set_kind(r, how, NULL, err);
}

tm_status tm__how_fall_back(tm_retraining *r, const tm_err *why, tm_err *err) {
    const json_t *const window = json_object_get(r->turn.story, "window");
    json_t *const anew = json_object_get(json_object_get(r->turn.story, "how"), "window");
    json_object_del(json_object_get(r->turn.story, "how"), "policy");
    if (window != NULL && json_object_get(window, "asked") == NULL) {
        json_object_del(r->turn.story, "window");
        r->window = (tm_row_window){0};
    }
    if (anew != NULL) {
        json_object_set(r->turn.story, "window", anew);
    }
    return set_kind(r, TM_HOW_RECIPE, why, err);
}

tm_status tm__how_window(tm_retraining *r, tm_err *err) {
    const uint64_t n_held = tm__table_rows(r->harvest.held), n_new = r->harvest.n_new;
    if (r->how != TM_HOW_UPDATE || n_new <= n_held ||
        tm__bundle_task(r->champion_bundle) == TM_TASK_RANKING) {
        return TM_OK;
    }
    r->window = (tm_row_window){.kind = TM_ROWS_SLIDING, .rows = n_new - n_held};
    json_t *const told = tm__row_window_json(&r->window);
    json_object_set_new(told, "reason", json_string("the rows that the champion has not learned"));
    json_object_set_new(r->turn.story, "window", told);
    TM_TRY(tm__json_check(err));
    return tm__turn_save(r->registry, &r->turn, err);
}

void tm__how_tell_made(tm_retraining *r, const json_t *report) {
    const json_t *const made = json_object_get(report, "continues");
    json_object_set(json_object_get(r->turn.story, "how"), "weight_before",
                    json_object_get(made, "weight_before"));
}
