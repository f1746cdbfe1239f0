/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/modules.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "feature/feature.h"
#include "model/model.h"
#include "store/home.h"

#define FOLDER "modules"
#define SUFFIX ".so"

char *tm__cli_modules_folder(const tm_cli *cli) {
    return tm__fs_join(tm__home_name(cli->home), FOLDER);
}

bool tm__cli_module_file(const char *name, tm_hash *out) {
    char text[TM_HASH_TEXT];
    const size_t len = strlen(name);
    if (len != TM_HASH_TEXT - 1 + strlen(SUFFIX) ||
        !tm__str_has_suffix((tm_str){name, len}, SUFFIX)) {
        return false;
    }
    (void)tm__str_copy(text, sizeof(text), (tm_str){name, TM_HASH_TEXT - 1});
    return tm__hash_from_text(text, out);
}

tm_status tm__cli_module_open(const char *path, const tm_hash *want, const tm_user_module **out,
                              tm_err *err) {
    TM_TRY(tm__user_module_load(path, want, out, err));
    TM_TRY(tm__program_add_module(*out, err));
    return tm__model_add(*out, err);
}

static tm_status load(const char *path, const tm_hash *want, tm_err *err) {
    const tm_user_module *module = NULL;
    return tm__cli_module_open(path, want, &module, err);
}

typedef struct walk {
    const char *folder;
    tm_status st;
    tm_err *err;
} walk;

static bool load_file(void *arg, const char *name) {
    walk *w = arg;
    tm_hash hash;
    if (!tm__cli_module_file(name, &hash)) {
        return true; /* nobody added it */
    }
    char *path = tm__fs_join(w->folder, name);
    w->st = path == NULL ? TM_FAIL(w->err, TM_E_NOMEM, "out of memory for a module")
                         : load(path, &hash, w->err);
    tm__mem_free(path);
    return w->st == TM_OK;
}

/* Commands that open no model and read no rows; one that mends must run with a module that does
 * not. */
static bool needs_none(const char *command) {
    static const char *const names[] = {"init", "doctor", "help", "version", "completion"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(command, names[i]) == 0) {
            return true;
        }
    }
    return strncmp(command, "module ", 7) == 0;
}

tm_status tm__cli_modules_home(const tm_cli *cli, tm_err *err) {
    char *folder = tm__cli_modules_folder(cli);
    if (folder == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory for modules");
    }
    walk w = {folder, TM_OK, err};
    if (tm__fs_info(folder).kind == TM_PATH_DIR) {
        const tm_status listed = tm__fs_list(folder, load_file, &w, err);
        w.st = w.st == TM_OK ? listed : w.st;
    }
    tm__mem_free(folder);
    return w.st;
}

tm_status tm__cli_modules_load(const tm_cli *cli, tm_err *err) {
    uint32_t n = 0;
    const char *const *files = tm__cli_list(cli, "module", &n);
    if (needs_none(cli->command->name)) {
        return TM_OK;
    }
    if (n > 0 && strcmp(cli->command->name, "run") == 0) {
        (void)TM_FAIL(err, TM_E_USAGE, "'run' has no --module: its children would not have it");
        tm_err_hint(err, "Add it to the home: 'tidemill module add FILE'.");
        return TM_E_USAGE;
    }
    TM_TRY(tm__cli_modules_home(cli, err));
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(load(files[i], NULL, err));
    }
    return TM_OK;
}
