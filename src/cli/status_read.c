/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     registry ───── names, owners, schedules, tests ──┐
 *     serving.json ─ rates, memory, live scores ───────┼──> models, judged and sorted
 *     log.db ─────── live scores, where that is older ─┤
 *     intake.db, watch.db ─ freshness, alerts ─────────┘
 *
 * A server writes serving.json once a second. While its word is fresh nothing else is read for live
 * scores, so that forty models cost some queries; without a server the file still counts where the
 * log has not changed since.
 */
#include "cli/status_read.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/loop_job.h"
#include "loop/loop_trigger.h"
#include "monitor/alert.h"
#include "monitor/drift_store.h"
#include "monitor/monitor_recent.h"
#include "registry/hooks.h"
#include "registry/retire.h"
#include "registry/route_json.h"
#include "registry/turn.h"
#include "source/intake.h"
#include "store/serving_file.h"
#include "store/training_file.h"

typedef struct gathering {
    const tm_place *place;
    int64_t now_us;
    json_t *serving; /* NULL: no server ever ran here, or its word cannot be read */
    bool is_fresh;   /* a server runs */
    bool is_current; /* the log is as it was when the file was written */
    json_t *sources, *alerts, *jobs, *problems, *retiring;
    tm_monitor *monitor; /* NULL: no log */
    tm_recent *recent;
} gathering;

/* What cannot be read is told, and the rest all the same; memory that is out and a home of a later
 * release are an end. */
static tm_status or_problem(gathering *g, tm_status st, const char *what, const tm_err *own,
                            tm_err *err) {
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, st, "out of memory");
    }
    if (st == TM_E_UNSUPPORTED) {
        if (err != NULL) {
            *err = *own;
        }
        return st;
    }
    if (st != TM_OK) {
        json_array_append_new(g->problems, json_sprintf("%s: %s", what, own->message));
    }
    return TM_OK;
}

/* ---- what a server said ---- */

static int64_t said_us(const gathering *g) {
    return tm__json_i64(json_object_get(g->serving, "server"), "at_us", 0);
}

static json_t *server_of(const gathering *g) {
    if (g->serving == NULL) {
        return json_pack("{s:s}", "state", "none");
    }
    json_t *const out = json_copy(json_object_get(g->serving, "server"));
    const double age = (double)(g->now_us - said_us(g)) / 1e6;
    if (tm__serving_runs(g->serving) && !g->is_fresh) {
        json_object_set_new(out, "state", json_string("silent"));
    }
    json_object_del(out, "at_us");
    json_object_set_new(out, "age_seconds", tm__json_number(age < 0 ? 0 : age));
    return out;
}

/* ---- what the log says ---- */

static tm_status open_log(gathering *g, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    const json_t *const said = json_object_get(g->serving, "log_mark");
    tm_log_mark mark = {0};
    tm_err own = {0};
    if (g->is_fresh || tm__fs_info(tm__home_log_db(g->place->home)).kind != TM_PATH_FILE) {
        return TM_OK;
    }
    tm_status st = tm__monitor_open(g->place->home, &reading, &g->monitor, &own);
    st = st == TM_OK ? tm__log_mark(g->monitor, &mark, &own) : st;
    g->is_current = st == TM_OK && json_is_object(said) &&
                    tm__json_i64(said, "next_seq", 0) == mark.next_seq &&
                    tm__json_i64(said, "stamp_us", -1) == mark.stamp_us;
    if (st == TM_OK && !g->is_current) {
        g->recent = tm__recent_create(g->monitor);
        st = g->recent == NULL ? TM_E_NOMEM : TM_OK;
    }
    return or_problem(g, st, "the log of answers", &own, err);
}

/* Of the log, by the version's bundle; *out NULL: nothing is known. */
static tm_status look_live(gathering *g, const tm_version *version, json_t **out, tm_err *err) {
    tm_bundle *bundle = NULL;
    tm_err own = {0};
    tm_status st = tm__registry_bundle(g->place->registry, version, &bundle, &own);
    if (st == TM_OK) {
        const tm_recent_of of = {.bundle = bundle,
                                 .model = version->model,
                                 .version = version->number,
                                 .estimates = true};
        tm_recent_view view = {0};
        st = tm__recent_look(g->recent, &of, &view, &own);
        *out = st == TM_OK ? tm__recent_to_json(&view, version->number) : NULL;
        tm__recent_view_done(&view);
    }
    tm__bundle_unref(bundle);
    return or_problem(g, st, version->model, &own, err);
}

static tm_status find_live(gathering *g, const tm_version *version, json_t **out, tm_err *err) {
    const json_t *const said =
        json_object_get(tm__serving_route(g->serving, version->model), "live");
    *out = NULL;
    if (g->recent != NULL) {
        return look_live(g, version, out, err);
    }
    if ((g->is_fresh || g->is_current) &&
        tm__json_i64(said, "version", 0) == (int64_t)version->number) {
        *out = json_incref((json_t *)(uintptr_t)said);
    }
    return TM_OK;
}

/* ---- one model ---- */

static double seconds_since(const gathering *g, const char *time_text) {
    int64_t us = 0;
    if (time_text == NULL || !tm__time_parse(tm__str(time_text), &us)) {
        return tm__nan();
    }
    return fmax((double)(g->now_us - us) / 1e6, 0);
}

static void set_age(const gathering *g, json_t *m, const char *name, const char *time_text) {
    json_object_set_new(m, name, tm__json_number(seconds_since(g, time_text)));
}

static void set_copy(json_t *m, const char *name, const json_t *from, const char *member) {
    json_t *const value = json_object_get(from, member);
    json_object_set(m, name, value == NULL ? json_null() : value);
}

static void add_live(const gathering *g, json_t *m, const json_t *live) {
    static const char *const same[] = {"answers", "labelled", "dropped", "coverage", "scored",
                                       "value",   "low",      "high",    "estimate"};
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        set_copy(m, same[i], live, same[i]);
    }
    set_copy(m, "live", live, "scores");
    set_age(g, m, "answer_age_seconds", tm__json_text(live, "last_answer", NULL));
    set_age(g, m, "first_answer_age_seconds", tm__json_text(live, "first_answer", NULL));
    set_age(g, m, "label_age_seconds", tm__json_text(live, "last_label", NULL));
}

static void add_serving(const gathering *g, json_t *m, const char *model) {
    static const char *const same[] = {"answers_per_second", "p50_seconds", "p99_seconds",
                                       "cpu_seconds_per_1000", "bytes"};
    const json_t *const route = g->is_fresh ? tm__serving_route(g->serving, model) : NULL;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        set_copy(m, same[i], route, same[i]);
    }
    set_copy(m, "serving", route, "version");
    set_copy(m, "is_loaded", route, "is_loaded");
    set_copy(m, "problem", route, "problem");
}

/* Rows that the next training would learn from: those of its source, else those of the last one. */
static void add_data(const gathering *g, json_t *m, const json_t *recipe,
                     const tm_version *version) {
    const char *const name = tm__json_text(json_object_get(recipe, "source"), "source", NULL);
    char trained[48];
    size_t i = 0;
    const json_t *source = NULL;
    (void)tm__time_to_text(version->created_us, trained);
    json_object_set_new(m, "trained", json_string(trained));
    set_age(g, m, "trained_age_seconds", trained);
    json_object_set_new(m, "source", tm__json_string(name));
    json_object_set_new(m, "source_status", json_null());
    set_age(g, m, "data_age_seconds", name != NULL ? NULL : trained);
    json_array_foreach(g->sources, i, source) {
        if (name != NULL && strcmp(tm__json_text(source, "source", ""), name) == 0) {
            set_copy(m, "data_age_seconds", source, "lag_seconds");
            set_copy(m, "source_status", source, "status");
        }
    }
}

/* Why a retraining that was begun does not go on; null: none waits. */
static tm_status add_waiting(const gathering *g, json_t *m, const char *model, tm_err *err) {
    tm_turn turn = {0};
    bool has = false;
    TM_TRY(tm__turn_find(g->place->registry, model, &turn, &has, err));
    const json_t *const waits = has ? json_object_get(turn.story, "waits") : NULL;
    const bool is_over = json_object_get(waits, "until") != NULL;
    json_object_set(m, "retrain_waits",
                    waits == NULL || is_over ? json_null() : json_object_get(waits, "reason"));
    tm__turn_done(&turn);
    return TM_OK;
}

static tm_status add_schedule(const gathering *g, json_t *m, const json_t *recipe,
                              const char *model, tm_err *err) {
    const json_t *const retrain = json_object_get(recipe, "retrain");
    const int64_t every_s = tm__json_i64(retrain, "every_s", 0);
    int64_t last_us = 0;
    char next[48];
    size_t i = 0;
    const json_t *job = NULL, *last = NULL;
    tm_runs runs = {0};
    TM_TRY(tm__registry_last_run(g->place->registry, model, &last_us, err));
    TM_TRY(
        tm__registry_runs(g->place->registry, "retrain", model, g->now_us - TM_DAY_US, &runs, err));
    json_array_foreach(g->jobs, i, job) { /* the newest first */
        if (last == NULL && strcmp(tm__json_text(job, "kind", ""), "retrain") == 0 &&
            strcmp(tm__json_text(job, "model", ""), model) == 0) {
            last = job;
        }
    }
    const bool has_next = every_s > 0 && every_s < INT64_MAX / 4000000;
    const int64_t every_us = has_next ? every_s * 1000000 : 0;
    const int64_t next_us =
        has_next ? last_us + every_us + tm__trigger_back_off_us(every_us, runs.n_fruitless) : 0;
    next[has_next ? tm__time_to_text(next_us, next) : 0] = '\0';
    json_object_set_new(m, "next_retrain", has_next ? json_string(next) : json_null());
    json_object_set_new(m, "next_retrain_seconds",
                        has_next ? tm__json_number((double)(next_us - g->now_us) / 1e6)
                                 : json_null());
    json_object_set_new(m, "retrain_every_seconds",
                        has_next ? json_integer((json_int_t)every_s) : json_null());
    const int64_t per_day_us = tm__json_i64(retrain, "per_day_s", 0) * 1000000;
    json_object_set_new(m, "retrain_day_spent",
                        json_boolean(per_day_us > 0 && runs.spent_us >= per_day_us));
    set_copy(m, "last_retrain", last, "state");
    const char *const why = tm__job_why(json_object_get(last, "result"));
    json_object_set_new(m, "last_retrain_why", why[0] != '\0' ? json_string(why) : json_null());
    TM_TRY(add_waiting(g, m, model, err));
    json_object_set_new(m, "retrains_fruitless", json_integer((json_int_t)runs.n_fruitless));
    return TM_OK;
}

static void add_alerts(const gathering *g, json_t *m, const char *model) {
    json_t *const list = json_array();
    size_t i = 0;
    const json_t *alert = NULL;
    json_array_foreach(g->alerts, i, alert) {
        const bool is_awake = strcmp(tm__json_text(alert, "state", ""), "open") == 0;
        if (is_awake && strcmp(tm__json_text(alert, "model", ""), model) == 0) {
            json_array_append_new(list, json_pack("{s:O?, s:O?, s:O?, s:O?}", "id",
                                                  json_object_get(alert, "id"), "kind",
                                                  json_object_get(alert, "kind"), "severity",
                                                  json_object_get(alert, "severity"), "summary",
                                                  json_object_get(alert, "summary")));
        }
    }
    json_object_set_new(m, "alerts", list);
}

/* Who is told of its moves, and how far behind. */
static tm_status add_receivers(const gathering *g, json_t *m, const char *model, tm_err *err) {
    json_t *list = NULL;
    TM_TRY(tm__hooks_list(g->place->registry, model, &list, err));
    json_object_set_new(m, "receivers", list);
    return TM_OK;
}

/* Who comes, and who sees its requests: of the registry, with what the server counted. */
static tm_status add_moves(const gathering *g, json_t *m, const char *model, tm_err *err) {
    tm_route route;
    json_t *said = NULL;
    TM_TRY(tm__registry_route(g->place->registry, model, &route, err));
    TM_TRY(tm__registry_route_json(g->place->registry, &route, &said, err));
    if (g->is_fresh) {
        const json_t *served = tm__serving_route(g->serving, model);
        tm__route_json_count(said, json_object_get(served, "arms"));
    }
    set_copy(m, "arms", said, "arms");
    set_copy(m, "shadow", said, "shadow");
    set_copy(m, "rollout", said, "rollout");
    json_decref(said);
    return TM_OK;
}

/* The champion answers until then, for it learned from somebody who was erased; null: it stays. */
static void add_retirement(const gathering *g, json_t *m, const char *model,
                           const tm_version *version) {
    size_t i = 0;
    const json_t *one = NULL, *found = NULL;
    json_array_foreach(g->retiring, i, one) {
        const bool is_it = json_is_true(json_object_get(one, "is_champion")) &&
                           strcmp(tm__json_text(one, "model", ""), model) == 0;
        found = is_it ? one : found;
    }
    set_copy(m, "retire_by", found, "retire_by");
    json_object_set_new(m, "is_removed", json_boolean(strcmp(version->state, "collected") == 0));
}

/* Rows that lack a column which came with the version, and labels that nothing is promoted for. */
static tm_status add_lacks(gathering *g, json_t *m, const json_t *recipe, const tm_version *version,
                           tm_err *err) {
    json_t *absent = NULL, *labels = NULL;
    tm_err own = {0};
    const tm_status st = tm__status_fields(g->place, version, &absent, &own);
    json_object_set_new(m, "columns_absent", st == TM_OK ? absent : json_null());
    TM_TRY(or_problem(g, st, "what requests lack", &own, err));
    const tm_status_labels_ask ask = {.place = g->place,
                                      .monitor = g->monitor,
                                      .model = version->model,
                                      .recipe = recipe,
                                      .now_us = g->now_us};
    const tm_status looked = tm__status_labels(&ask, &labels, &own);
    set_copy(m, "labels_too_few", labels, "too_few");
    set_copy(m, "labels_awaited", labels, "awaited");
    set_copy(m, "label_waited_seconds", labels, "waited_seconds");
    json_decref(labels);
    return or_problem(g, looked, "labels", &own, err);
}

static tm_status add_model(gathering *g, json_t *m, tm_err *err) {
    const char *const name = tm__json_text(m, "model", "");
    tm_version version = {0};
    json_t *recipe = NULL, *live = NULL;
    TM_TRY(tm__registry_find(g->place->registry, name, &version, err));
    tm_status st = tm__registry_recipe(g->place->registry, name, &recipe, err);
    if (st == TM_OK) {
        set_copy(m, "test", version.info, "test");
        set_copy(m, "owner", recipe, "owner");
        const json_t *const labels = json_object_get(recipe, "labels");
        const int64_t delay_us = tm__json_i64(labels, "delay_us", -1);
        json_object_set_new(m, "label_delay_seconds",
                            delay_us >= 0 ? tm__json_number((double)delay_us / 1e6) : json_null());
        st = find_live(g, &version, &live, err);
    }
    if (st == TM_OK) {
        add_live(g, m, live);
        add_serving(g, m, name);
        add_data(g, m, recipe, &version);
        add_alerts(g, m, name);
        add_retirement(g, m, name, &version);
        st = add_schedule(g, m, recipe, name, err);
        st = st == TM_OK ? add_receivers(g, m, name, err) : st;
        st = st == TM_OK ? add_moves(g, m, name, err) : st;
        st = st == TM_OK ? add_lacks(g, m, recipe, &version, err) : st;
    }
    if (st == TM_OK) {
        tm__status_judge(m);
    }
    json_decref(live);
    json_decref(recipe);
    tm__version_done(&version);
    return st;
}

/* ---- all ---- */

/* While the tables are away. */
static void add_known(gathering *g) {
    char when[48];
    if (g->place->known_us != 0) {
        const size_t n = tm__time_to_text(g->place->known_us, when);
        json_array_append_new(g->problems,
                              json_sprintf("the tables, for PostgreSQL is away: models are as "
                                           "they were known at %.*s, without jobs and turns",
                                           (int)n, when));
    }
}

static tm_status read_rest(gathering *g, tm_err *err) {
    const tm_home *const home = g->place->home;
    tm_err own = {0};
    tm_status st = TM_OK;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_FILE) {
        st = tm__intake_list(home, &g->sources, &own);
    }
    TM_TRY(or_problem(g, st, "the sources", &own, err));
    st = tm__alert_list(home, &(tm_alert_filter){0}, &g->alerts, &own);
    TM_TRY(or_problem(g, st, "the alerts", &own, err));
    TM_TRY(tm__retiring_list(g->place->registry, &g->retiring, err));
    return tm__registry_jobs(g->place->registry, &g->jobs, err);
}

static json_t *summary_of(const json_t *models) {
    static const char *const levels[] = {"bad", "warn", "ok", "idle"};
    json_t *const out = json_pack("{s:I}", "models", (json_int_t)json_array_size(models));
    double rate = 0;
    for (size_t k = 0; k < sizeof(levels) / sizeof(levels[0]); k++) {
        json_int_t n = 0;
        size_t i = 0;
        const json_t *m = NULL;
        json_array_foreach((json_t *)(uintptr_t)models, i, m) {
            n += strcmp(tm__json_text(m, "health", ""), levels[k]) == 0;
            rate += k == 0 ? tm__json_f64(m, "answers_per_second", 0) : 0;
        }
        json_object_set_new(out, levels[k], json_integer(n));
    }
    json_object_set_new(out, "answers_per_second", tm__json_number(rate));
    return out;
}

static tm_status gather(gathering *g, json_t **out, tm_err *err) {
    json_t *models = NULL, *trainings = NULL;
    TM_TRY(tm__serving_read(g->place->home, &g->serving, err));
    g->is_fresh = tm__serving_is_fresh(g->serving, g->now_us);
    add_known(g);
    TM_TRY(open_log(g, err));
    TM_TRY(read_rest(g, err));
    TM_TRY(tm__registry_models(g->place->registry, &models, err));
    tm_status st = tm__trainings_read(g->place->home, g->now_us, &trainings, err);
    for (size_t i = 0; st == TM_OK && i < json_array_size(models); i++) {
        st = add_model(g, json_array_get(models, i), err);
    }
    if (st == TM_OK) {
        *out = json_pack("{s:s, s:o, s:o, s:o, s:O, s:O, s:O}", "home",
                         tm__home_path(g->place->home), "server", server_of(g), "summary",
                         summary_of(models), "models", tm__status_sort(models), "jobs", g->jobs,
                         "problems", g->problems, "trainings", trainings);
        st = tm__json_check(err);
    }
    json_decref(trainings);
    json_decref(models);
    return st;
}

tm_status tm__status_read(const tm_place *place, int64_t now_us, json_t **out, tm_err *err) {
    gathering g = {.place = place, .now_us = now_us, .problems = json_array()};
    json_t *made = NULL;
    const tm_status st = gather(&g, &made, err);
    if (st == TM_OK) {
        *out = made;
    } else {
        json_decref(made);
    }
    tm__recent_free(g.recent);
    tm__monitor_close(g.monitor);
    json_decref(g.serving);
    json_decref(g.sources);
    json_decref(g.alerts);
    json_decref(g.jobs);
    json_decref(g.retiring);
    json_decref(g.problems);
    return st;
}
