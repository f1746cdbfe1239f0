/* SPDX-License-Identifier: Apache-2.0 */
/* The folders that cases begin in. */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault_case.h"
#include "fault_home.h"
#include "fault_priv.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "registry/turn.h"
#include "source/intake.h"

static void run_plain(const char *folder, const char *const *words, const char *out_path) {
    fflush(stdout);
    const pid_t child = fork();
    int status = -1;
    fault_must(child >= 0, "fork");
    if (child == 0) {
        fault_must(chdir(folder) == 0, folder);
        fault_to_file(out_path != NULL ? out_path : ".out", 1);
        _exit(fault_command(words));
    }
    fault_must(waitpid(child, &status, 0) == child, "wait");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "a template cannot be made: %s %s\n", words[0], words[1]);
        abort();
    }
}

static void write_rows(const char *path, uint32_t first, uint32_t n) {
    FILE *file = fopen(path, "w");
    fault_must(file != NULL, path);
    fprintf(file, "id,x,c,y\n");
    uint64_t state = 4711 + first;
    for (uint32_t i = first; i < first + n; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const unsigned x = (unsigned)(state >> 48) % 10000;
        const bool is_noise = (state >> 40 & 7) == 0;
        fprintf(file, "r%u,0.%04u,%c,%s\n", i, x, "ab"[i % 2],
                (x > 5000) != is_noise ? "yes" : "no");
    }
    fault_must(fclose(file) == 0, path);
}

static void write_key(const char *path) {
    FILE *file = fopen(path, "w");
    fault_must(file != NULL && chmod(path, 0600) == 0, path);
    fprintf(file, "%064x\n", 1);
    fault_must(fclose(file) == 0, path);
}

static const char *path_of(const char *root, const char *name) {
    static char path[1024];
    fault_must(snprintf(path, sizeof(path), "%s/%s", root, name) < (int)sizeof(path), name);
    return path;
}

static void make_full(const char *folder) {
    static const char *const train1[] = {FAULT_TRAIN, FAULT_SMALL, NULL};
    static const char *const train2[] = {FAULT_TRAIN, "--learner", "linear",
                                         "--threads", "1",         NULL};
    static const char *const export[] = {"model", "export", "made@2", "made.tmb", NULL};
    static const char *const trust[] = {"trust", "add", FAULT_TRUSTED, NULL};
    static const char *const backup[] = {"backup", "home.tar.zst", NULL};
    static const fault_case replay = {
        "replay",
        "",
        {"replay", "made", "live.csv", "--labels", "y", "--server", "ADDRESS"},
        .is_served = true};
    static const fault_plan none = {0};
    fault_result *result = calloc(1, sizeof(*result));
    fault_must(result != NULL, "result");
    run_plain(folder, train1, NULL);
    run_plain(folder, train2, NULL);
    write_rows(path_of(folder, "live.csv"), 500, 60);
    const int status = fault_run(&replay, folder, &none, result, NULL, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || result->code != 0) {
        fprintf(stderr, "a template cannot be made: replay gives %d, status %d: %s\n", result->code,
                status, fault_read(path_of(folder, ".err")));
        abort();
    }
    run_plain(folder, export, NULL);
    run_plain(folder, trust, NULL);
    run_plain(folder, backup, NULL);
    free(result);
}

/* A source that has grown by as many rows as a choice of windows needs. A recipe names its file by
 * its whole path, so that a copy of the folder reads it, too. */
static void make_grown(const char *folder) {
    static const char *const train[] = {FAULT_TRAIN, FAULT_SMALL, NULL};
    static const char *const lines[] = {"train",     "data.csv", "--target", "y",
                                        "--name",    "lines",    "--entity", "id",
                                        "--learner", "linear",   "--param",  "linear.max_iter=20",
                                        "--threads", "1",        NULL};
    run_plain(folder, train, NULL);
    run_plain(folder, lines, NULL);
    write_rows(path_of(folder, "data.csv"), 0, 700);
}

/* A home with a turn that was killed while it trained, on rows that are those of version 1, and its
 * job. */
static void make_turned(const char *folder) {
    tm_err err = {0};
    tm_home *home = NULL;
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *recipe = NULL;
    fault_must(tm__home_open(path_of(folder, ".tidemill"), false, &home, &err) == TM_OK,
               err.message);
    fault_must(tm__registry_open(home, &registry, &err) == TM_OK, err.message);
    fault_must(tm__registry_find(registry, "made@1", &version, &err) == TM_OK, err.message);
    fault_must(tm__registry_recipe(registry, "made", &recipe, &err) == TM_OK, err.message);
    const char *const rows = version.snapshot;
    tm_turn turn = {.model = "made",
                    .champion = 1,
                    .story =
                        json_pack("{s:s, s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:s}", "snapshot", rows,
                                  "held_snapshot", rows, "recipe", recipe, "source_rows", 80,
                                  "labelled_until_us", 0, "labelled_known_us", 0,
                                  "labelled_moment_us", 0, "labelled_rows", 0, "source_hash", "")};
    char job[27];
    fault_must(tm__registry_job_add(registry, "retrain", "made", job, &err) == TM_OK, err.message);
    fault_must(tm__turn_begin(registry, &turn, &err) == TM_OK, err.message);
    fault_write_text(path_of(folder, "id"), job);
    tm__turn_done(&turn);
    tm__version_done(&version);
    tm__registry_close(registry);
    tm__home_close(home);
}

/* Files of a home whose last owner was killed: hot logs, a running job, an unfinished file. */
static void make_hot(const char *folder) {
    fflush(stdout);
    const pid_t child = fork();
    int status = -1;
    fault_must(child >= 0, "fork");
    if (child == 0) {
        tm_err err = {0};
        tm_home *home = NULL;
        tm_registry *registry = NULL;
        tm_monitor *monitor = NULL;
        tm_key key;
        char job[27];
        int64_t epoch = 0;
        static const tm_actor actor = {.name = "test"};
        static const tm_monitor_options options = {.can_write = true};
        static const tm_label label = {
            .model = "made", .entity = "r7", .event_us = 1, .value = "yes", .observed_us = 2};
        tm_label_result joined;
        fault_must(chdir(folder) == 0, folder);
        fault_must(tm__home_open(".tidemill", false, &home, &err) == TM_OK, err.message);
        fault_must(tm__registry_open(home, &registry, &err) == TM_OK, err.message);
        fault_must(tm__registry_epoch_begin(registry, &epoch, &err) == TM_OK, err.message);
        fault_must(tm__registry_job_add(registry, "retrain", "made", job, &err) == TM_OK,
                   err.message);
        tm__key_create(&key);
        fault_must(tm__registry_key_add(registry, &key,
                                        &(tm_key_terms){.role = TM_GUARD_ADMIN, .name = "hot"},
                                        &actor, &err) == TM_OK,
                   err.message);
        fault_must(tm__monitor_open(home, &options, &monitor, &err) == TM_OK, err.message);
        fault_must(tm__monitor_labels(monitor, &label, 1, &joined, &err) == TM_OK, err.message);
        fault_write_text(".tidemill/temp/unfinished", "half");
        _exit(0);
    }
    fault_must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
               "hot");
}

/* Rows r0 to r4 of the source "pushed", and one in quarantine; "halted" is stopped by a change. */
static void push_rows(const char *folder) {
    tm_home *home = NULL;
    tm_err err = {0};
    tm_push_result result = {0};
    char body[] = "id,x\nr0,1\nr1,2\nr2,\nr3,4\nr4,5\n,6\n";
    const tm_push push = {
        .source = "pushed", .form = TM_PUSH_CSV, .data = body, .len = sizeof(body) - 1};
    fault_must(tm__home_open(path_of(folder, ".tidemill"), false, &home, &err) == TM_OK,
               err.message);
    tm_intake *intake = tm__intake_create(home);
    fault_must(intake != NULL && tm__intake_push_wait(intake, &push, &result, &err) == TM_OK,
               err.message);
    char first[] = "{\"a\":1}", strange[] = "{\"a\":1,\"b\":2}";
    tm_push halting = {
        .source = "halted", .form = TM_PUSH_LINES, .data = first, .len = sizeof(first) - 1};
    fault_must(tm__intake_push_wait(intake, &halting, &result, &err) == TM_OK, err.message);
    halting.data = strange;
    halting.len = sizeof(strange) - 1;
    fault_must(tm__intake_push_wait(intake, &halting, &result, &err) == TM_E_CONFLICT,
               "not stopped");
    tm__intake_close(intake);
    tm__home_close(home);
}

static void run_sql(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    fault_must(sqlite3_open(path, &db) == SQLITE_OK, path);
    fault_must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
    fault_must(sqlite3_close(db) == SQLITE_OK, path);
}

/* Models of other libraries: a split by x at 2, and one by c. */
static const char lightgbm_text[] =
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n"
    "objective=regression\nfeature_names=x c\nfeature_infos=[0:9] 0:1\n\nTree=0\nnum_leaves=2\n"
    "num_cat=0\nsplit_feature=0\nthreshold=2\ndecision_type=10\nleft_child=-1\nright_child=-2\n"
    "leaf_value=10 20\n\nTree=1\nnum_leaves=2\nnum_cat=1\nsplit_feature=1\nthreshold=0\n"
    "decision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=1 2\ncat_boundaries=0 1\n"
    "cat_threshold=1\n\nend of trees\nparameters:\nend of parameters\n"
    "pandas_categorical:[[\"a\",\"b\"]]\n";
static const char xgboost_text[] =
    "{\"learner\":{\"feature_names\":[\"x\"],\"gradient_booster\":{\"name\":\"gbtree\",\"model\":{"
    "\"tree_info\":[0],\"trees\":[{\"default_left\":[1,0,0],\"left_children\":[1,-1,-1],"
    "\"right_children\":[2,-1,-1],\"split_conditions\":[2,10,20],\"split_indices\":[0,0,0]}]}},"
    "\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_class\":\"0\",\"num_feature\":\"1\"},"
    "\"objective\":{\"name\":\"reg:squarederror\"}},\"version\":[2,0,0]}";

/* Parquet under a name that does not say so. */
static void make_packed(const char *folder) {
    static const char *const words[] = {"predict", "made", "new.csv", "-o", "packed.parquet", NULL};
    char from[1100], to[1100];
    run_plain(folder, words, NULL);
    (void)snprintf(from, sizeof(from), "%s/packed.parquet", folder);
    (void)snprintf(to, sizeof(to), "%s/packed", folder);
    fault_must(rename(from, to) == 0, "packed");
}

static void make_empty(const char *folder) {
    char shell[2048];
    fault_must(mkdir(folder, 0700) == 0, folder);
    write_rows(path_of(folder, "data.csv"), 0, 80);
    write_key(path_of(folder, "data.key"));
    write_rows(path_of(folder, "new.csv"), 200, 30);
    fault_write_text(path_of(folder, "model.txt"), lightgbm_text);
    fault_write_text(path_of(folder, "model.json"), xgboost_text);
    fault_write_text(path_of(folder, "few.csv"), "x,c\n1,a\n3,b\n");
    fault_write_text(path_of(folder, "password.txt"), "a tide that mills\n");
    fault_must(chmod(path_of(folder, "password.txt"), 0600) == 0, "password.txt");
    fault_write_text(path_of(folder, "answers.csv"), "prediction\n11\n22\n");
    fault_write_text(
        path_of(folder, "tidemill.yaml"),
        "models:\n  made:\n    from: data.csv\n    target: y\n    entity: id\n"
        "    gate: {better_than: champion, min: {auc: 0.1}}\n    retrain: {every: 7d}\n");
    fault_write_text(
        path_of(folder, "sources.yaml"),
        "sources:\n  pushed: {push: true, key: id, columns: {x: {type: float, required: true}}}\n"
        "  more: {files: few.csv, every: 1h, columns: {x: float, y: {role: target}}}\n");
    fault_write_text(
        path_of(folder, "people.yaml"),
        "encrypt: {key: file:data.key}\n"
        "sources:\n  people: {files: data.csv, key: id, purpose: \"care, a\", consent: "
        "{column: c, for: a}, columns: {id: {policy: "
        "pseudonym}, x: {policy: \"generalise:0.1\", keep: 1s}}}\n");
    (void)snprintf(shell, sizeof(shell), "gzip -k '%s/new.csv'", folder);
    fault_must(system(shell) == 0, "gzip");
}

void fault_templates(const char *root) {
    static const char *const create[] = {"key", "create", "--role", "admin", "--json", NULL};
    static const char *const promote[] = {"model", "promote", "made@2", NULL};
    static const char *const pushed[] = {"data", "add", "pushed", "--push", "--key", "id", NULL};
    static const char *const halted[] = {
        "data", "add", "halted", "--push", "--policy", "new_column=stop", NULL};
    static const char *const fed[] = {"data", "add", "fed", "--files", "fed", NULL};
    static const char *const asked[] = {
        "data",    "add", "asked",    "--sqlite", FAULT_HERE "/asked.db",
        "--query", "t",   "--cursor", "at",       NULL};
    static const char *const scored[] = {"sink",    "add",      "scored",
                                         "--model", "made",     "--read",
                                         "fed",     "--to-csv", FAULT_HERE "/answers",
                                         NULL};
    static const char *const people[] = {"apply", "--file", "people.yaml", NULL};
    char from[1024], to[1024];
    (void)snprintf(from, sizeof(from), "%s/empty", root);
    make_empty(from);
    (void)snprintf(to, sizeof(to), "%s/grown", root);
    fault_copy(from, to);
    make_grown(to);
    (void)snprintf(to, sizeof(to), "%s/full", root);
    fault_copy(from, to);
    make_full(to);
    (void)snprintf(from, sizeof(from), "%s/full", root);
    (void)snprintf(to, sizeof(to), "%s/hot", root);
    fault_copy(from, to);
    make_hot(to);
    (void)snprintf(to, sizeof(to), "%s/turned", root);
    fault_copy(from, to);
    make_turned(to);
    (void)snprintf(to, sizeof(to), "%s/keyed", root);
    fault_copy(from, to);
    run_plain(to, create, "created");
    run_plain(to, pushed, "pushed");
    make_packed(to);
    run_plain(to, halted, NULL);
    push_rows(to);
    /* A folder: glob() of glibc 2.36 frees twice when memory runs out in it. */
    fault_must(mkdir(path_of(to, "fed"), 0700) == 0, "fed");
    write_rows(path_of(to, "fed/1.csv"), 300, 20);
    run_plain(to, fed, NULL);
    run_plain(to, scored, NULL);
    /* Rows with the last value of the cursor have a column more; a bad one is among the new ones.
     */
    run_sql(path_of(to, "asked.db"), "CREATE TABLE t(at INTEGER, x INTEGER);"
                                     "INSERT INTO t VALUES (1, 1), (2, 2), (2, 3)");
    run_plain(to, asked, NULL);
    run_sql(path_of(to, "asked.db"),
            "ALTER TABLE t ADD COLUMN more DEFAULT 'text';"
            "INSERT INTO t VALUES (2, 4, NULL), (3, 'bad', 'b'), (3, 5, 'b')");
    write_rows(path_of(to, "fed/2.csv"), 400, 20);
    char *text = fault_read(path_of(to, "created"));
    json_error_t e;
    json_t *made = json_loads(text, 0, &e);
    fault_must(made != NULL, "key");
    fault_write_text(path_of(to, "key"), json_string_value(json_object_get(made, "key")));
    fault_write_text(path_of(to, "id"), json_string_value(json_object_get(made, "id")));
    json_decref(made);
    free(text);
    (void)snprintf(from, sizeof(from), "%s/keyed", root);
    (void)snprintf(to, sizeof(to), "%s/moved", root);
    fault_copy(from, to);
    run_plain(to, promote, NULL);
    (void)snprintf(from, sizeof(from), "%s/empty", root);
    (void)snprintf(to, sizeof(to), "%s/people", root);
    fault_copy(from, to);
    run_plain(to, people, NULL);
}
