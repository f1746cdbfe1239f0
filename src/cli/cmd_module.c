/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `module check`, `add`, `ls` and `rm`.
 *
 * The home's folder has two files a module: HASH.so, and HASH.json with what its table said when it
 * was added, so that neither listing nor removing runs any code. What counts is HASH.so: its bytes
 * must have that hash, or nothing runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/rng.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/module_check.h"
#include "cli/modules.h"
#include "store/home.h"

#define LOOK_MS 20u
#define REPORT_BYTES_MAX ((size_t)1 << 20)
#define RECORD_BYTES_MAX ((size_t)1 << 16)
#define PATH_MAX_BYTES 1200u
#define CHILD_BYTES_MAX (UINT64_C(4) << 30)

/* ---- check ---- */

/* How a child ended that could not say so itself. */
static void tell_end(const tm_child_state *state, int64_t seconds, bool is_late, char *out,
                     size_t size) {
    if (is_late) {
        (void)snprintf(out, size, "it did not end within %" PRId64 " seconds", seconds);
    } else if (state->signal != 0) {
        (void)snprintf(out, size, "the module crashed (signal %d)", state->signal);
    } else {
        (void)snprintf(out, size, "the module ended the program (exit %d)", state->exit_code);
    }
}

/* Report lines to one entry a check; the last one that was only begun is the child's end. */
static json_t *read_report(const char *text, const char *end, bool *out_is_whole) {
    json_t *checks = json_array();
    tm_str rest = tm__str(text);
    *out_is_whole = false;
    while (rest.len > 0) {
        const tm_str line = tm__str_cut(&rest, '\n');
        json_t *said = json_loadb(line.ptr, line.len, 0, NULL);
        const char *const state = tm__json_text(said, "state", "");
        const size_t n = json_array_size(checks);
        if (strcmp(state, "done") == 0) {
            *out_is_whole = true;
        } else if (strcmp(state, "begun") == 0) {
            json_array_append(checks, said);
        } else if (n > 0 && said != NULL) {
            json_array_set(checks, n - 1, said);
        }
        json_decref(said);
    }
    json_t *last = json_array_get(checks, json_array_size(checks) - 1);
    if (!*out_is_whole && strcmp(tm__json_text(last, "state", ""), "begun") != 0) {
        json_array_append_new(checks, json_pack("{s:s}", "check", "module: ends with its checks"));
        last = json_array_get(checks, json_array_size(checks) - 1);
    }
    if (!*out_is_whole) {
        json_object_set_new(last, "state", json_string("failed"));
        json_object_set_new(last, "why", json_string(end));
    }
    return checks;
}

/* words: file, report, options. */
static tm_status run_child(const char *const *words, int64_t seconds, tm_child_state *out,
                           bool *out_is_late, tm_err *err) {
    tm_supervisor *supervisor = NULL;
    uint64_t id = 0;
    const char *argv[TM_MODULE_OPTIONS_MAX + 8] = {tm__program_path(), TM_MODULE_CHILD};
    for (size_t i = 0; words[i] != NULL; i++) {
        argv[i + 2] = words[i];
    }
    const tm_child_spec spec = {.argv = argv,
                                .memory_bytes_max = TM_CHILD_ADDRESSES(CHILD_BYTES_MAX),
                                .seconds_max = (uint32_t)seconds};
    TM_TRY(tm__supervisor_open(&supervisor, err));
    const uint64_t began = tm__mono_ns();
    tm_status st = tm__child_start(supervisor, &spec, &id, err);
    *out = (tm_child_state){.is_running = true};
    while (st == TM_OK && out->is_running) {
        tm__sleep_ms(LOOK_MS);
        st = tm__child_state(supervisor, id, out, err);
    }
    *out_is_late = tm__mono_ns() - began >= (uint64_t)seconds * UINT64_C(1000000000);
    tm__supervisor_close(supervisor);
    return st;
}

static uint32_t print_checks(tm_cli *cli, const json_t *checks) {
    uint32_t n_failed = 0;
    size_t i = 0;
    json_t *c = NULL;
    json_array_foreach((json_t *)(uintptr_t)checks, i, c) {
        const char *const state = tm__json_text(c, "state", "");
        const char *const why = tm__json_text(c, "why", "");
        const bool is_failed = strcmp(state, "failed") == 0;
        n_failed += is_failed ? 1 : 0;
        tm__cli_print(cli, "%-8s %s%s%s\n", state, tm__json_text(c, "check", ""),
                      why[0] != '\0' ? ": " : "", why);
        if (is_failed) {
            tm__cli_print(cli, "         %s\n", tm__json_text(c, "advice", ""));
        }
    }
    return n_failed;
}

tm_status cmd_module_check(tm_cli *cli, tm_err *err) {
    const char *const file = tm__cli_arg(cli, "FILE"), *const dir = getenv("TMPDIR");
    const int64_t seconds = tm__cli_i64(cli, "seconds");
    char report[PATH_MAX_BYTES], end[96];
    uint64_t number = 0;
    tm_child_state state = {0};
    tm_buf text;
    bool is_whole = false, is_late = false;
    uint32_t n_options = 0;
    const char *const *options = tm__cli_list(cli, "option", &n_options);
    if (tm__fs_info(file).kind == TM_PATH_NONE) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "there is no file '%s'", file);
    }
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(report, sizeof(report), "%.1000s/tidemill-module-%016" PRIx64,
                   dir == NULL || dir[0] == '\0' ? "/tmp" : dir, number);
    tm__buf_init(&text, REPORT_BYTES_MAX);
    const char *words[TM_MODULE_OPTIONS_MAX + 3] = {file, report};
    for (uint32_t i = 0; i < n_options && i < TM_MODULE_OPTIONS_MAX; i++) {
        words[i + 2] = options[i];
    }
    tm_status st = run_child(words, seconds, &state, &is_late, err);
    if (st == TM_OK && tm__fs_info(report).kind == TM_PATH_FILE) {
        st = tm__fs_read_all(report, &text, err);
    }
    const tm_status removed = tm__fs_remove(report, NULL);
    (void)removed; /* of a folder for temporary files */
    if (st == TM_OK) {
        tell_end(&state, seconds, is_late, end, sizeof(end));
        json_t *checks =
            read_report(text.data == NULL ? "" : (const char *)text.data, end, &is_whole);
        const uint32_t n_failed = print_checks(cli, checks);
        const size_t n = json_array_size(checks);
        json_t *result = json_pack("{s:s, s:s, s:b, s:O}", "schema", "tidemill.module.check/1",
                                   "file", file, "ok", n_failed == 0, "checks", checks);
        if (cli->json) {
            tm__cli_print_json(cli, result);
            cli->has_result = true;
        }
        json_decref(result);
        json_decref(checks);
        if (n_failed > 0) {
            st = TM_FAIL(err, TM_E_REFUSED, "%u of %zu checks of '%s' failed", n_failed, n, file);
            tm_err_hint(err, "docs/modules.md says what a module must keep.");
        } else {
            tm__cli_note(cli, "all %zu checks passed", n);
        }
    }
    tm__buf_done(&text);
    return st;
}

/* ---- add ---- */

static json_t *kinds_of(const tm_module_table *table) {
    json_t *kinds = json_array();
    if (table->learner != NULL) {
        json_array_append_new(kinds, json_string("learner"));
    }
    if (table->transform != NULL) {
        json_array_append_new(kinds, json_string("transform"));
    }
    if (table->source != NULL) {
        json_array_append_new(kinds, json_string("source"));
    }
    return kinds;
}

static char *file_of(const char *folder, const char *hash, const char *suffix) {
    char name[TM_HASH_TEXT + 8];
    (void)snprintf(name, sizeof(name), "%s%s", hash, suffix);
    return tm__fs_join(folder, name);
}

static json_t *record_of(const tm_user_module *module) {
    char hash[TM_HASH_TEXT];
    tm__hash_to_text(&module->hash, hash);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", module->table->name, "version",
                     module->table->version, "licence", module->table->licence, "about",
                     module->table->about, "hash", hash, "kinds", kinds_of(module->table), "added",
                     tm__json_time(tm__now_us()));
}

/* The record first: a file of code without one would run and not be listed. */
static tm_status store(const char *folder, const json_t *record, const uint8_t *data, size_t len,
                       tm_err *err) {
    const char *const hash = tm__json_text(record, "hash", "");
    char *code = file_of(folder, hash, ".so"), *about = file_of(folder, hash, ".json");
    tm_buf text;
    tm_status st = TM_OK;
    tm__buf_init(&text, RECORD_BYTES_MAX);
    if (code == NULL || about == NULL || !tm__json_write(&text, record, TM_JSON_SORTED)) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for a module");
    }
    st = st == TM_OK ? tm__fs_mkdir(folder, err) : st;
    st = st == TM_OK ? tm__fs_publish_secret(about, text.data, text.len, err) : st;
    st = st == TM_OK ? tm__fs_publish_secret(code, data, len, err) : st;
    tm__buf_done(&text);
    tm__mem_free(about);
    tm__mem_free(code);
    return st;
}

static tm_status note(tm_cli *cli, const char *event, const char *name, const char *hash,
                      tm_err *err) {
    tm_home *home = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    const tm_cli_deed deed = {.event = event,
                              .kind = "module",
                              .name = name,
                              .details = json_pack("{s:s}", "hash", hash)};
    tm__cli_did(cli, "module '%s' is %s", name, event + strlen("module."));
    const tm_status st = tm__cli_audit(home, &deed, err);
    tm__home_close(home);
    return st;
}

static tm_status add(tm_cli *cli, const char *folder, const char *file, tm_err *err) {
    const tm_user_module *module = NULL;
    uint8_t *data = NULL;
    size_t len = 0;
    tm_hash hash;
    TM_TRY(tm__cli_modules_home(cli, err));
    TM_TRY(tm__cli_module_open(file, NULL, &module, err));
    TM_TRY(tm__user_module_read(file, &data, &len, &hash, err));
    tm_status st = TM_OK;
    json_t *record = record_of(module);
    if (!tm__hash_eq(&hash, &module->hash)) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "module '%s' changed while it was read", file);
    }
    st = st == TM_OK ? store(folder, record, data, len, err) : st;
    st = st == TM_OK ? note(cli, "module.added", module->table->name,
                            tm__json_text(record, "hash", ""), err)
                     : st;
    if (st == TM_OK) {
        tm__cli_print(cli, "added module '%s' %s (hash %.16s)\n", module->table->name,
                      module->table->version, tm__json_text(record, "hash", ""));
        tm__cli_note(cli, "every command on this home runs with it; a server loads it when it "
                          "starts");
        if (cli->json) {
            tm__cli_print_object(cli, "tidemill.module.add/1", record);
        }
    }
    json_decref(record);
    tm__mem_free(data);
    return st;
}

tm_status cmd_module_add(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    TM_TRY(tm__home_open(cli->home, true, &home, err));
    char *folder = tm__cli_modules_folder(cli);
    const tm_status st = folder == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for a module")
                                        : add(cli, folder, tm__cli_arg(cli, "FILE"), err);
    tm__mem_free(folder);
    tm__home_close(home);
    return st;
}

/* ---- ls and rm ---- */

typedef struct listing {
    const char *folder;
    json_t *modules; /* by hash */
} listing;

static const char *state_of(const char *path, const tm_hash *want, char *why, size_t size) {
    uint8_t *data = NULL;
    size_t len = 0;
    tm_hash hash;
    tm_err err = {0};
    const tm_status st = tm__user_module_read(path, &data, &len, &hash, &err);
    tm__mem_free(data);
    if (st != TM_OK) {
        (void)tm__str_copy(why, size, tm__str(err.message));
        return "refused";
    }
    return tm__hash_eq(&hash, want) ? "ready" : "changed";
}

static bool list_one(void *arg, const char *name) {
    listing *l = arg;
    char text[TM_HASH_TEXT], why[256] = "";
    tm_hash hash;
    tm_buf record;
    json_t *entry = NULL;
    if (!tm__cli_module_file(name, &hash)) {
        if (!tm__str_has_suffix(tm__str(name), ".json")) {
            json_array_append_new(l->modules, json_pack("{s:s, s:s, s:s}", "name", "", "file", name,
                                                        "state", "not added"));
        }
        return true;
    }
    tm__hash_to_text(&hash, text);
    char *path = tm__fs_join(l->folder, name), *about = file_of(l->folder, text, ".json");
    tm__buf_init(&record, RECORD_BYTES_MAX);
    if (about != NULL && tm__fs_read_all(about, &record, NULL) == TM_OK) {
        entry = json_loadb((const char *)record.data, record.len, 0, NULL);
    }
    tm__buf_done(&record);
    entry = json_is_object(entry) ? entry : json_object();
    json_object_set_new(entry, "hash", json_string(text));
    json_object_set_new(entry, "state",
                        json_string(path == NULL ? "" : state_of(path, &hash, why, sizeof(why))));
    if (why[0] != '\0') {
        json_object_set_new(entry, "why", json_string(why));
    }
    json_array_append_new(l->modules, entry);
    tm__mem_free(about);
    tm__mem_free(path);
    return true;
}

static tm_status list(const tm_cli *cli, json_t **out, tm_err *err) {
    char *folder = tm__cli_modules_folder(cli);
    listing l = {folder, json_array()};
    tm_status st = TM_OK;
    if (folder == NULL) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for modules");
    } else if (tm__fs_info(folder).kind == TM_PATH_DIR) {
        st = tm__fs_list(folder, list_one, &l, err);
    }
    tm__mem_free(folder);
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(l.modules);
        return st;
    }
    *out = l.modules;
    return TM_OK;
}

static void print_modules(tm_cli *cli, const json_t *modules) {
    const char *titles[] = {"module", "version", "kinds", "licence", "state", "hash"};
    tm_cli_table table;
    size_t i = 0;
    json_t *m = NULL;
    tm__cli_table_init(&table, 6, titles);
    json_array_foreach((json_t *)(uintptr_t)modules, i, m) {
        const json_t *kinds = json_object_get(m, "kinds");
        char text[64] = "";
        for (size_t k = 0; k < json_array_size(kinds); k++) {
            const char *kind = json_string_value(json_array_get(kinds, k));
            const size_t len = strlen(text);
            (void)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? "," : "",
                           kind == NULL ? "" : kind);
        }
        tm__cli_cell(&table, "%s", tm__json_text(m, "name", ""));
        tm__cli_cell(&table, "%s", tm__json_text(m, "version", ""));
        tm__cli_cell(&table, "%s", text);
        tm__cli_cell(&table, "%s", tm__json_text(m, "licence", ""));
        tm__cli_cell(&table, "%s", tm__json_text(m, "state", ""));
        tm__cli_cell(&table, "%.16s", tm__json_text(m, "hash", tm__json_text(m, "file", "")));
    }
    tm__cli_table_print(cli, &table);
}

tm_status cmd_module_ls(tm_cli *cli, tm_err *err) {
    json_t *modules = NULL;
    TM_TRY(list(cli, &modules, err));
    if (cli->json) {
        json_t *result =
            json_pack("{s:s, s:O}", "schema", "tidemill.module.ls/1", "modules", modules);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (json_array_size(modules) == 0) {
        tm__cli_print(cli, "no modules\n");
        tm__cli_note(cli, "next: tidemill module add FILE.so");
    } else {
        print_modules(cli, modules);
    }
    json_decref(modules);
    return TM_OK;
}

/* Code first: what is half removed does not run. */
static tm_status remove_files(const tm_cli *cli, const char *hash, tm_err *err) {
    static const char *const suffixes[] = {".so", ".json"};
    char *folder = tm__cli_modules_folder(cli);
    tm_status st = TM_OK;
    for (size_t i = 0; st == TM_OK && i < 2; i++) {
        char *path = folder == NULL ? NULL : file_of(folder, hash, suffixes[i]);
        st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for a module")
                          : tm__fs_remove(path, err);
        tm__mem_free(path);
    }
    tm__mem_free(folder);
    return st;
}

tm_status cmd_module_rm(tm_cli *cli, tm_err *err) {
    const char *const name = tm__cli_arg(cli, "MODULE");
    json_t *modules = NULL, *m = NULL;
    const char *hash = NULL;
    size_t i = 0, n = 0;
    TM_TRY(list(cli, &modules, err));
    json_array_foreach(modules, i, m) {
        const char *const text = tm__json_text(m, "hash", NULL);
        if (text != NULL && (strcmp(tm__json_text(m, "name", ""), name) == 0 ||
                             (strlen(name) >= 8 && strncmp(text, name, strlen(name)) == 0))) {
            hash = text;
            n++;
        }
    }
    tm_status st = TM_OK;
    if (n == 0) {
        st = TM_FAIL(err, TM_E_NOT_FOUND, "there is no module '%s'", name);
        tm_err_hint(err, "'tidemill module ls' shows those of the home.");
    } else if (n > 1) {
        st = TM_FAIL(err, TM_E_CONFLICT, "%zu modules are named '%s'", n, name);
        tm_err_hint(err, "Name one by its hash: 'tidemill module ls --json' shows it.");
    } else {
        st = remove_files(cli, hash, err);
        st = st == TM_OK ? note(cli, "module.removed", name, hash, err) : st;
    }
    if (st == TM_OK) {
        tm__cli_print(cli, "removed module '%s' (hash %.16s)\n", name, hash);
        if (cli->json) {
            json_t *result =
                json_pack("{s:s, s:s}", "schema", "tidemill.module.rm/1", "hash", hash);
            tm__cli_print_json(cli, result);
            json_decref(result);
        }
    }
    json_decref(modules);
    return st;
}
