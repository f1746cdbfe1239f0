/* SPDX-License-Identifier: Apache-2.0 */
/* The child of `module check`: loads the module and runs every check, with a report line before and
 * after each. */
#include "cli/module_check.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/pool.h"
#include "cli/modules.h"
#include "model/conform.h"
#include "model/model.h"

#define SAMPLE_ROWS 240u
#define THREADS 3u
#define LINE_MAX_BYTES 4096u
#define WARM_UP 2u /* rounds after which memory counts */
#define ROUNDS 8u

typedef struct report {
    tm_file *file;
    bool failed;
    bool is_lost; /* a line of it could not be written */
} report;

/* A line that is whole on the disk when the next instruction of the module runs. */
static tm_status say(const report *to, const char *check, const char *state, const char *why,
                     const char *advice) {
    tm_buf line;
    json_t *said = json_pack("{s:s, s:s}", "check", check, "state", state);
    tm__buf_init(&line, LINE_MAX_BYTES);
    if (why != NULL && why[0] != '\0') {
        json_object_set_new(said, "why", json_string(why));
    }
    if (advice != NULL && advice[0] != '\0') {
        json_object_set_new(said, "advice", json_string(advice));
    }
    tm_status st = TM_E_NOMEM;
    if (tm__json_write(&line, said, TM_JSON_SORTED) && tm__buf_byte(&line, '\n')) {
        st = tm__file_write(to->file, line.data, line.len, NULL);
    }
    json_decref(said);
    tm__buf_done(&line);
    return st;
}

static tm_status run_trials(report *to, const tm_module_trial *trials, const tm_module_try *with) {
    for (uint32_t i = 0; trials[i].name != NULL; i++) {
        tm_err err = {0};
        TM_TRY(say(to, trials[i].name, "begun", NULL, trials[i].advice));
        const tm_status st = trials[i].run(with, &err);
        to->failed = to->failed || (st != TM_OK && st != TM_E_UNSUPPORTED);
        TM_TRY(say(to, trials[i].name,
                   st == TM_OK              ? "ok"
                   : st == TM_E_UNSUPPORTED ? "skipped"
                                            : "failed",
                   err.message,
                   st == TM_OK || st == TM_E_UNSUPPORTED ? NULL
                   : trials[i].advice[0] != '\0'         ? trials[i].advice
                                                         : err.hint));
    }
    return TM_OK;
}

/* ---- what is left behind ---- */

static bool count_one(void *arg, const char *name) {
    (void)name;
    ++*(uint32_t *)arg;
    return true;
}

static uint32_t count_entries(const char *path) {
    uint32_t n = 0;
    const tm_status st = tm__fs_list(path, count_one, &n, NULL);
    return st == TM_OK ? n : 0;
}

typedef struct held {
    uint64_t blocks, bytes;
    uint32_t files, threads;
} held;

static held look(void) {
    return (held){tm__mem_alive(), tm__mem_heap_bytes(), count_entries("/proc/self/fd"),
                  count_entries("/proc/self/task")};
}

static tm_status left(const held *first, const held *last, bool is_growing, tm_err *err) {
    if (last->threads > first->threads) {
        return TM_FAIL(err, TM_E_REFUSED, "threads are left: %u, then %u", first->threads,
                       last->threads);
    }
    if (last->files > first->files) {
        return TM_FAIL(err, TM_E_REFUSED, "open files are left: %u, then %u", first->files,
                       last->files);
    }
    if (last->blocks > first->blocks) {
        return TM_FAIL(err, TM_E_REFUSED, "%llu blocks of alloc are not freed after %u rounds",
                       (unsigned long long)(last->blocks - first->blocks), ROUNDS);
    }
    if (is_growing) {
        return TM_FAIL(err, TM_E_REFUSED, "%llu bytes of malloc are not freed after %u rounds",
                       (unsigned long long)(last->bytes - first->bytes), ROUNDS);
    }
    return TM_OK;
}

/* All that a part and its end do, again and again. The libc keeps some of its memory to itself, so
 * only what grows with every round is a leak. */
static void use_all(const tm_module_try *with) {
    const tm_module_table *table = with->module->table;
    const tm_module_trial *const trials[] = {
        table->learner == NULL ? NULL : tm__module_learner_trials(),
        table->transform == NULL ? NULL : tm__module_transform_trials(),
        table->source == NULL ? NULL : tm__module_source_trials()};
    for (uint32_t k = 0; k < 3; k++) {
        for (uint32_t i = 0; trials[k] != NULL && i < 2; i++) {
            const tm_status st = trials[k][i].run(with, NULL);
            (void)st; /* it was told where it belongs */
        }
    }
}

static tm_status leaves_nothing(const tm_module_try *with, tm_err *err) {
    held first = {0}, last = {0};
    uint32_t n_grown = 0;
    for (uint32_t round = 0; round <= ROUNDS + WARM_UP; round++) {
        use_all(with);
        const held now = look();
        n_grown += round > WARM_UP && now.bytes > last.bytes ? 1 : 0;
        first = round == WARM_UP ? now : first;
        last = now;
    }
    return left(&first, &last, n_grown == ROUNDS, err);
}

static const tm_module_trial general[] = {
    {"module: leaves no memory, thread or file behind",
     "free must end all that fit and load made; no thread, no file of one's own.", leaves_nothing},
    {NULL, NULL, NULL},
};

/* ---- the child ---- */

static void say_conform(void *arg, const tm_conform_result *result) {
    report *to = arg;
    char name[128];
    const bool holds = result->verdict == TM_CONFORM_HOLDS;
    const bool is_broken = result->verdict == TM_CONFORM_BROKEN;
    (void)snprintf(name, sizeof(name), "conformance: %s", result->name);
    to->failed = to->failed || is_broken;
    tm_status st = say(to, name, "begun", NULL, NULL);
    st = st == TM_OK
             ? say(to, name,
                   holds       ? "ok"
                   : is_broken ? "failed"
                               : "skipped",
                   result->message,
                   is_broken ? "Every learner of Tidemill keeps this: src/model/conform.h." : NULL)
             : st;
    to->is_lost = to->is_lost || st != TM_OK;
}

static tm_status check_learner(report *to, const tm_module_try *with) {
    const uint32_t tasks = with->module->table->learner->tasks;
    tm_conform_report done = {0};
    const tm_conform_options options = {
        .tasks = ((tasks & TM_MODULE_BINARY) != 0 ? 1u << TM_TASK_BINARY : 0) |
                 ((tasks & TM_MODULE_MULTICLASS) != 0 ? 1u << TM_TASK_MULTICLASS : 0) |
                 ((tasks & TM_MODULE_REGRESSION) != 0 ? 1u << TM_TASK_REGRESSION : 0),
        .is_constant = true,
        .is_quick = true,
        .on_result = say_conform,
        .arg = to};
    if (with->rows == NULL) {
        return TM_E_NOMEM;
    }
    TM_TRY(run_trials(to, tm__module_learner_trials(), with));
    TM_TRY(tm__conform_run(tm__model_find(with->module->table->name), &options, &done, NULL));
    return to->is_lost ? TM_E_IO : TM_OK;
}

static tm_status check_all(report *to, const tm_user_module *module, const char *const *options) {
    const tm_module_table *table = module->table;
    tm_module_try with = {.module = module,
                          .rows =
                              table->learner == NULL ? NULL : tm__module_sample_create(SAMPLE_ROWS),
                          .pool = tm__pool_create(THREADS),
                          .options = options};
    while (options[with.n_options] != NULL) {
        with.n_options++;
    }
    tm_status st = table->learner == NULL ? TM_OK : check_learner(to, &with);
    if (st == TM_OK && table->transform != NULL) {
        st = run_trials(to, tm__module_transform_trials(), &with);
    }
    if (st == TM_OK && table->source != NULL) {
        st = run_trials(to, tm__module_source_trials(), &with);
    }
    st = st == TM_OK ? run_trials(to, general, &with) : st;
    tm__pool_free(with.pool);
    tm__module_sample_free(with.rows);
    return st;
}

static tm_status load_and_check(report *to, const char *path, const char *const *options) {
    static const char *const loads =
        "module: is loaded, with the right ABI number and a whole table";
    const tm_user_module *module = NULL;
    tm_err err = {0};
    TM_TRY(say(to, loads, "begun", NULL, "The code that runs when it is loaded is at fault."));
    const tm_status st = tm__cli_module_open(path, NULL, &module, &err);
    if (st != TM_OK) {
        to->failed = true;
        return say(to, loads, "failed", err.message, err.hint);
    }
    TM_TRY(say(to, loads, "ok", NULL, NULL));
    return check_all(to, module, options);
}

int tm__module_child(const char *const *argv) {
    report to = {0};
    if (tm__file_open(argv[1], TM_OPEN_APPEND, &to.file, NULL) != TM_OK) {
        return (int)tm_status_exit(TM_E_IO);
    }
    tm_status st = load_and_check(&to, argv[0], argv + 2);
    st = st == TM_OK ? say(&to, "", "done", NULL, NULL) : st;
    tm__file_close(to.file);
    return (int)tm_status_exit(st != TM_OK ? st : to.failed ? TM_E_REFUSED : TM_OK);
}
