/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the command become one turn of the loop, and a turn's story becomes words. */
#include <math.h>
#include <string.h>

#include "base/comm.h"
#include "cli/cli.h"
#include "cli/gate_load.h"
#include "cli/model_args.h"
#include "cli/publish_parity.h"
#include "cli/train_words.h"
#include "loop/loop.h"
#include "loop/loop_withdrawn.h"
#include "registry/turn.h"

#define TURNS_MAX 100u
#define SAY_LITTLE 0.5 /* of the models beside rules, in a replay */

static const char *word(const json_t *object, const char *name, const char *none) {
    const char *const text = tm__json_text(object, name, NULL);
    return text != NULL ? text : none;
}

/* "sliding, the newest 5,000: REASON" */
static void print_window(tm_cli *cli, const json_t *window, const char *before) {
    char rows[32];
    const char *const kind = word(window, "kind", "");
    const int64_t n = tm__json_i64(window, "rows", 0);
    if (kind[0] == '\0') {
        return;
    }
    tm__cli_print(cli, "%s%s", before, kind);
    if (n > 0) {
        tm__cli_print(cli, "%s%s",
                      strcmp(kind, "weighted") == 0 ? ", half for each " : ", the newest ",
                      tm__count_text(n, rows));
    }
    tm__cli_print(cli, ": %s\n", word(window, "reason", ""));
}

/* ", 5 models together; replayed over 12400 rows: accuracy 0.73". */
static void print_policy(tm_cli *cli, const json_t *policy) {
    const json_t *const parts = json_object_get(json_object_get(policy, "mixture"), "parts");
    const char *const rule = word(policy, "rule", NULL);
    if (policy == NULL) {
        return;
    }
    tm__cli_print(cli, ", %zu model%s together; replayed over %lld rows: %s %.4g",
                  json_array_size(parts), json_array_size(parts) == 1 ? "" : "s",
                  (long long)tm__json_i64(policy, "rows", 0), word(policy, "metric", ""),
                  fabs(tm__json_f64(policy, "score", 0)));
    if (rule != NULL) {
        tm__cli_print(cli, "; the rule '%s' was right more often", rule);
    } else if (tm__json_f64(policy, "say", 1) < SAY_LITTLE) {
        tm__cli_print(cli, "; rules that learn nothing had more to say");
    }
}

/* "update", "update, where a row of before counts 0.25", or "recipe: REASON", and what to do about
 * it, when it was not to be. */
static void print_how(tm_cli *cli, const json_t *how, const char *before) {
    const char *const reason = word(how, "reason", ""), *const hint = word(how, "hint", "");
    const json_t *const weight = json_object_get(how, "weight_before");
    const json_t *const policy = json_object_get(how, "policy");
    if (how == NULL) {
        return;
    }
    tm__cli_print(cli, "%s%s", before, word(how, "kind", word(how, "asked", "")));
    if (weight != NULL) {
        tm__cli_print(cli, ", where a row of before counts %.4g", json_number_value(weight));
    }
    print_policy(cli, policy);
    tm__cli_print(cli, "%s%s%s%s\n",
                  reason[0] == '\0' ? ""
                  : policy != NULL  ? "; "
                                    : ": ",
                  reason, hint[0] != '\0' ? ". " : "", hint);
}

/* Why it seemed worth it, and what was tried. */
static void print_reasons(tm_cli *cli, const json_t *turn) {
    const json_t *const evidence = json_object_get(turn, "evidence");
    const json_t *const live = json_object_get(evidence, "live");
    const json_t *one = NULL;
    size_t i = 0;
    if (json_is_object(live)) {
        tm__cli_print(cli, "  live     %.4g over %lld labels\n", tm__json_f64(live, "value", 0),
                      (long long)tm__json_i64(live, "labels", 0));
    }
    json_array_foreach(json_object_get(evidence, "alerts"), i, one) {
        tm__cli_print(cli, "  alert    %s: %s\n", word(one, "kind", ""), word(one, "summary", ""));
    }
    json_array_foreach(json_object_get(turn, "candidates"), i, one) {
        tm__cli_print(cli, "  %s %s, %.4g%s\n", i == 0 ? "tried   " : "        ",
                      word(one, "learner", ""), tm__json_f64(one, "score", 0),
                      tm__json_bool(one, "chosen", false) ? ": chosen" : "");
    }
}

/* Whose labels and rows were kept out: why is in the history. */
static void print_quarantined(tm_cli *cli, const json_t *turn, const char *before) {
    const json_t *const names = json_object_get(turn, "quarantined");
    const int64_t n_rows = tm__json_i64(turn, "quarantined_rows", 0);
    const json_t *name = NULL;
    size_t i = 0;
    char rows[32];
    if (json_array_size(names) == 0) {
        return;
    }
    tm__cli_print(cli, "%s", before);
    json_array_foreach((json_t *)(uintptr_t)names, i, name) {
        tm__cli_print(cli, "%s%.80s", i > 0 ? ", " : "", json_string_value(name));
    }
    tm__cli_print(cli, ": labels that do not fit");
    if (n_rows > 0) {
        tm__cli_print(cli, ", %s rows", tm__count_text(n_rows, rows));
    }
    tm__cli_print(cli, "; 'tidemill monitor origins %s' has why\n", word(turn, "model", ""));
}

/* Where it learns from its own decisions; 'monitor origins' has the figures. */
static void print_feedback(tm_cli *cli, const json_t *turn, const char *before) {
    const json_t *const feedback = json_object_get(turn, "feedback");
    const json_t *const hidden = json_object_get(feedback, "hidden");
    const bool has_copies = json_array_size(json_object_get(feedback, "copies")) > 0;
    if (feedback != NULL) {
        tm__cli_print(cli, "%s%s%s", before, has_copies ? "labels that repeat its answers" : "",
                      has_copies && json_is_object(hidden) ? "; " : "");
        if (json_is_object(hidden)) {
            tm__cli_print(cli, "answers '%s' hardly ever get a label",
                          word(hidden, "decision", ""));
        }
        tm__cli_print(cli, "; 'tidemill monitor origins %s' has why\n", word(turn, "model", ""));
    }
}

static void print_wait(tm_cli *cli, const json_t *waits) {
    if (waits != NULL) {
        tm__cli_print(cli, "  %s %s%s%s: %s\n",
                      json_object_get(waits, "until") != NULL ? "waited  " : "waits   ",
                      word(waits, "since", ""),
                      json_object_get(waits, "until") != NULL ? " to " : "",
                      word(waits, "until", ""), word(waits, "reason", ""));
    }
}

static void print_turn(tm_cli *cli, const json_t *turn) {
    const json_t *step = NULL;
    size_t i = 0;
    const json_t *const gate = json_object_get(turn, "gate");
    const json_t *const watch = json_object_get(turn, "watch");
    tm__cli_print(cli, "turn %lld: %s\n", (long long)tm__json_i64(turn, "turn", 0),
                  word(turn, "outcome", word(turn, "state", "")));
    tm__cli_print(cli, "  began    %s by %s: %s\n", word(turn, "began", ""),
                  word(turn, "actor", ""), word(turn, "because", "asked for"));
    if (json_object_get(turn, "rows") == NULL) {
        tm__cli_print(cli, "  rows     not read yet, beside version %lld\n",
                      (long long)tm__json_i64(turn, "champion", 0));
    } else {
        tm__cli_print(cli, "  rows     %lld, %lld of them new, beside version %lld\n",
                      (long long)tm__json_i64(turn, "rows", 0),
                      (long long)tm__json_i64(turn, "new_rows", 0),
                      (long long)tm__json_i64(turn, "champion", 0));
    }
    print_wait(cli, json_object_get(turn, "waits"));
    print_quarantined(cli, turn, "  kept out ");
    print_feedback(cli, turn, "  feedback ");
    print_how(cli, json_object_get(turn, "how"), "  how      ");
    print_window(cli, json_object_get(turn, "window"), "  window   ");
    print_reasons(cli, turn);
    if (tm__json_i64(turn, "version", 0) > 0) {
        tm__cli_print(cli, "  version  %lld\n", (long long)tm__json_i64(turn, "version", 0));
    }
    if (gate != NULL) {
        tm__cli_print(cli, "  gate     %s: %s\n",
                      tm__json_bool(gate, "open", false) ? "open" : "refused",
                      word(gate, "reason", ""));
    }
    json_array_foreach(json_object_get(turn, "steps"), i, step) {
        tm__cli_print(cli, "  %s %s %s%s%s\n", i == 0 ? "rollout " : "        ",
                      word(step, "at", ""), word(step, "event", ""),
                      word(step, "reason", "")[0] != '\0' ? ": " : "", word(step, "reason", ""));
    }
    if (json_object_get(watch, "seen") != NULL) {
        tm__cli_print(cli, "  watched  %lld labels: loss %.4g, version %lld's %.4g\n",
                      (long long)tm__json_i64(watch, "seen", 0), tm__json_f64(watch, "loss", 0),
                      (long long)tm__json_i64(turn, "champion", 0),
                      tm__json_f64(watch, "loss_before", 0));
    }
    if (json_object_get(turn, "reason") != NULL) {
        tm__cli_print(cli, "  outcome  %s\n", word(turn, "reason", ""));
    }
}

static tm_status tell_turns(tm_cli *cli, tm_err *err) {
    tm_place place = {0};
    json_t *turns = NULL, *turn = NULL;
    size_t i = 0;
    const char *const model = tm__cli_arg(cli, "MODEL");
    tm_version champion = {0};
    tm_status st = tm__place_open(cli, false, &place, err);
    st = st == TM_OK ? tm__registry_find(place.registry, model, &champion, err) : st;
    st = st == TM_OK ? tm__turn_list(place.registry, model, TURNS_MAX, &turns, err) : st;
    if (st == TM_OK && cli->json) {
        json_t *const result = json_pack("{s:s, s:O}", "model", model, "turns", turns);
        tm__cli_print_object(cli, "tidemill.retrain.turns/1", result);
        json_decref(result);
    } else if (st == TM_OK) {
        json_array_foreach(turns, i, turn) {
            print_turn(cli, turn);
        }
        if (i == 0) {
            tm__cli_print(cli, "no retraining yet\n");
        }
    }
    json_decref(turns);
    tm__version_done(&champion);
    tm__place_close(&place);
    return st;
}

/* What a look at a turn that closes found. */
static bool print_look(tm_cli *cli, const json_t *story) {
    const char *const state = word(story, "state", "");
    if (!tm__cli_flag(cli, "resume") ||
        (strcmp(state, "rollout") != 0 && strcmp(state, "watching") != 0 &&
         json_object_get(story, "watch") == NULL && json_object_get(story, "rollout") == NULL)) {
        return false;
    }
    tm__cli_print(cli, "turn %lld of %s: %s%s%s\n", (long long)tm__json_i64(story, "turn", 0),
                  word(story, "model", ""), word(story, "outcome", state),
                  json_is_string(json_object_get(story, "why")) ? ": " : "",
                  word(story, "why", ""));
    return true;
}

static void print_story(tm_cli *cli, const json_t *story) {
    char rows[32];
    if (print_look(cli, story)) {
        return;
    }
    const json_t *candidate = json_object_get(story, "candidate");
    const json_t *champion = json_object_get(story, "champion");
    tm__cli_print(cli, "%s version %lld learned from %s rows, %lld of them new\n",
                  tm__json_text(story, "model", ""), (long long)tm__json_i64(story, "version", 0),
                  tm__count_text(tm__json_i64(story, "rows", 0), rows),
                  (long long)tm__json_i64(story, "new_rows", 0));
    print_how(cli, json_object_get(story, "how"), "how: ");
    print_window(cli, json_object_get(story, "window"), "rows to learn from: ");
    const int64_t n_early =
        tm__json_i64(story, "unmatured_rows", 0) + tm__json_i64(story, "unmatured_source_rows", 0);
    if (n_early > 0) {
        tm__cli_print(cli, "%s rows are left out, for their labels have not matured yet\n",
                      tm__count_text(n_early, rows));
    }
    print_quarantined(cli, story, "kept out: ");
    print_feedback(cli, story, "it learns from itself: ");
    if (json_is_object(candidate)) {
        tm__scores_print(cli, candidate, json_is_object(champion) ? champion : NULL, "candidate",
                         "champion");
    }
    tm__cli_print(cli, "gate: %s: %s\n",
                  tm__json_bool(story, "is_open", false) ? "open" : "refused",
                  tm__json_text(story, "reason", ""));
    tm__cli_print(cli, "%s\n",
                  tm__json_bool(story, "promoted", false) ? "promoted: it is the champion now"
                  : strcmp(word(story, "state", ""), "rollout") == 0
                      ? "it comes in steps: 'tidemill run' takes them"
                      : "not promoted: the champion stays");
}

/* Without the rows of who took consent back. */
static tm_status fit_anew(tm_cli *cli, tm_ctx *ctx, const tm_home *home,
                          const tm_retrain_options *options, tm_err *err) {
    tm_registry *registry = NULL;
    json_t *result = NULL;
    const tm_actor actor = {.name = options->actor};
    const tm_withdrawn_order order = {
        .model = options->model, .actor = &actor, .load = options->load};
    TM_TRY(tm__registry_open(home, &registry, err));
    tm_status st = tm__withdrawn_refit(ctx, home, registry, &order, &result, err);
    tm__registry_close(registry);
    TM_TRY(st);
    const json_t *const refused = json_object_get(result, "refused");
    if (cli->json) {
        tm__cli_print_object(cli, "tidemill.retrain.withdrawn/1", result);
    }
    if (json_is_object(refused)) {
        st = TM_FAIL(err, TM_E_REFUSED, "the gate refused version %lld: %s",
                     (long long)tm__json_i64(refused, "version", 0),
                     tm__json_text(refused, "reason", ""));
    } else {
        tm__cli_print(cli, "fitted anew without %lld rows: '%s' answers with version %lld\n",
                      (long long)tm__json_i64(result, "rows", 0), options->model,
                      (long long)tm__json_i64(result, "version", 0));
    }
    json_decref(result);
    return st;
}

tm_status cmd_retrain(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    json_t *story = NULL;
    tm_gate_load load = {0};
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    tm_retrain_options options = {
        .model = tm__cli_arg(cli, "MODEL"),
        .resumes = tm__cli_flag(cli, "resume"),
        .promote = !tm__cli_flag(cli, "no-promote"),
        .work = (uint64_t)tm__cli_i64(cli, "work"),
        .budget_ms = (uint64_t)tm__cli_duration_us(cli, "budget") / 1000,
        .how = tm__cli_text(cli, "how"),
        .window = tm__cli_text(cli, "window"),
        .keeps_state = tm__cli_has(cli, "checkpoint"),
        .checkpoint_ns = (uint64_t)tm__cli_duration_us(cli, "checkpoint") * 1000,
        .actor = actor.name,
        .because = tm__cli_text(cli, "because"),
        .prove = tm__publish_prove,
        .load = tm__gate_load_tester(&load),
    };
    if (tm__cli_flag(cli, "turns")) {
        return tell_turns(cli, err);
    }
    if (tm__comm_is_rank()) { /* each would begin a turn of its own */
        const tm_status refused =
            TM_FAIL(err, TM_E_UNSUPPORTED, "retrain is not for ranks of mpirun");
        tm_err_hint(err, "It learns with the threads of one machine. 'tidemill train' learns over "
                         "ranks, and makes a version of the model, too.");
        return refused;
    }
    tm_status st = tm__cli_size(cli, "training-memory", &options.memory_max, err);
    st = st == TM_OK ? tm__gate_load_open(cli, options.model, &load, err) : st;
    st = st == TM_OK ? tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err) : st;
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK && tm__cli_flag(cli, "withdrawn")) {
        st = fit_anew(cli, &ctx, home, &options, err);
    } else if (st == TM_OK) {
        st = tm__loop_retrain(&ctx, home, &options, &story, err);
    }
    if (st == TM_OK && story != NULL) {
        if (cli->json) {
            json_object_set_new(story, "schema", json_string("tidemill.retrain/1"));
            tm__cli_print_json(cli, story);
        } else {
            print_story(cli, story);
        }
        if (!tm__json_bool(story, "is_open", false)) {
            st = TM_FAIL(err, TM_E_REFUSED, "the gate refused version %lld",
                         (long long)tm__json_i64(story, "version", 0));
            tm_err_hint(err,
                        "Promote it all the same with 'tidemill model promote %s@%lld --force'.",
                        options.model, (long long)tm__json_i64(story, "version", 0));
        }
    }
    json_decref(story);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    tm__gate_load_close(&load);
    return st;
}
