/* SPDX-License-Identifier: Apache-2.0 */
/* `encrypt: {key: SOURCE}`: that the home is sealed at rest, and where its key is. A home that has
 * rows in clear or is sealed by another key is not changed by the way: 'tidemill encrypt' does. */
#include "cli/project_encrypt.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/project_priv.h"
#include "cli/sealed_files.h"
#include "store/vault.h"
#include "store/vault_command.h"

/* A file is named from the folder of the project file, as all paths in it are. */
static tm_status source_from(const tm_yaml *r, char *text, char **out, tm_err *err) {
    static const char file[] = "file:";
    const size_t len = sizeof(file) - 1;
    if (strncmp(text, file, len) != 0 || text[len] == '/') {
        *out = text;
        return TM_OK;
    }
    char *const path = tm__fs_join(r->dir, text + len);
    const size_t size = path == NULL ? 0 : strlen(path) + len + 1;
    char *const from = path == NULL ? NULL : tm__mem_alloc(size, 1);
    if (from != NULL) {
        (void)snprintf(from, size, "%s%s", file, path);
    }
    tm__mem_free(path);
    tm__mem_free(text);
    *out = from;
    return from == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the project") : TM_OK;
}

static tm_status bad_key(const tm_yaml *r, const yaml_node_t *value, tm_err *err) {
    return tm__yaml_bad_value(
        r, value, "key", "file:PATH, env:NAME, credential:NAME or {command: [/PATH, WORD]}", err);
}

/* {command: [/usr/bin/kms, show, tidemill]}: a list of words, for no shell takes them apart. */
static tm_status source_of_command(tm_yaml *r, const yaml_node_t *map, char **out, tm_err *err) {
    const yaml_node_pair_t *const p = map->data.mapping.pairs.start;
    const yaml_node_t *list = NULL;
    json_t *const words = json_array();
    char *word = NULL;
    if (p != map->data.mapping.pairs.top &&
        tm__str_is(tm__yaml_scalar(yaml_document_get_node(&r->document, p->key)), "command")) {
        list = yaml_document_get_node(&r->document, p->value);
    }
    const bool is_list =
        list != NULL && list->type == YAML_SEQUENCE_NODE && p + 1 == map->data.mapping.pairs.top;
    tm_status st = TM_OK;
    for (const yaml_node_item_t *i = is_list ? list->data.sequence.items.start : NULL;
         st == TM_OK && is_list && i < list->data.sequence.items.top; i++) {
        st = tm__yaml_text(r, yaml_document_get_node(&r->document, *i), &word, err);
        if (st == TM_OK) {
            json_array_append_new(words, json_string(word));
        }
        tm__mem_free(word);
        word = NULL;
    }
    st = st == TM_OK ? tm__vault_command_source(words, out, err) : st;
    json_decref(words);
    return st == TM_OK && *out == NULL ? bad_key(r, map, err) : st;
}

static tm_status read_source(tm_yaml *r, const yaml_node_t *value, char **out, tm_err *err) {
    char *text = NULL;
    if (value->type == YAML_MAPPING_NODE) {
        return source_of_command(r, value, out, err);
    }
    TM_TRY(tm__yaml_text(r, value, &text, err));
    return source_from(r, text, out, err);
}

tm_status tm__project_read_encrypt(tm_yaml *r, const yaml_node_t *map, tm_project *project,
                                   tm_err *err) {
    static const char *const names[] = {"key"};
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "encrypt", names, 1);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        TM_TRY(read_source(r, p.value, &project->encrypt_from, err));
        project->encrypt_line = (uint32_t)p.value->start_mark.line + 1;
        project->encrypt_col = (uint32_t)p.value->start_mark.column + 1;
        st = tm__vault_is_source(project->encrypt_from) ? TM_OK : bad_key(r, p.value, err);
    }
    TM_TRY(st);
    return project->encrypt_from != NULL
               ? TM_OK
               : tm__yaml_bad_value(r, map, "encrypt", "a key, such as key: file:data.key", err);
}

/* ---- Against the home ---- */

static tm_status fail(const char *path, const tm_project *project, const char *why,
                      const char *hint, tm_err *err) {
    (void)TM_FAIL(err, TM_E_CONFLICT, "%s", why);
    tm_err_hint(err, "%s", hint);
    tm_err_at(err, path, project->encrypt_line, project->encrypt_col);
    return TM_E_CONFLICT;
}

/* Whether the home holds nothing yet that the key did not seal. */
static tm_status check_empty(const tm_home *home, const tm_project *project, const char *path,
                             const char *key, tm_err *err) {
    const tm_ctx ctx = {0};
    const tm_sealed_walk walk = {.key = key};
    tm_sealed_count n = {0};
    TM_TRY(tm__sealed_walk(&ctx, home, &walk, &n, err));
    return n.n_plain + n.n_earlier + n.n_cells == 0
               ? TM_OK
               : fail(path, project, "the home holds rows or models in clear",
                      "Seal what is there first: 'tidemill encrypt --key SOURCE', then apply.",
                      err);
}

static tm_status compare_key(const tm_home *home, const tm_project *project, const char *path,
                             const json_t *first, tm_encrypt_change *out, tm_err *err) {
    tm_vault_source source;
    TM_TRY(tm__vault_source_find(home, project->encrypt_from, &source, err));
    const bool is_same = strcmp(tm__json_text(first, "from", ""), source.from) == 0;
    const bool is_key = strcmp(tm__json_text(first, "id", ""), source.id) == 0;
    tm_status st = TM_OK;
    if (first == NULL) {
        *out = TM_ENCRYPT_NEW;
        st = check_empty(home, project, path, source.id, err);
    } else if (!is_key) {
        st = fail(path, project, "the home is sealed by another key than the file says",
                  "Put that key there, or change it: 'tidemill encrypt --key SOURCE'.", err);
    } else {
        *out = is_same ? TM_ENCRYPT_SAME : TM_ENCRYPT_MOVED;
    }
    tm__vault_source_done(&source);
    return st;
}

tm_status tm__project_encrypt_compare(const tm_home *home, const tm_project *project,
                                      const char *path, tm_encrypt_change *out, tm_err *err) {
    json_t *keys = NULL;
    *out = TM_ENCRYPT_SAME;
    if (project->encrypt_from == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__vault_keys(home, &keys, err));
    const tm_status st = compare_key(home, project, path, json_array_get(keys, 0), out, err);
    json_decref(keys);
    return st;
}

const char *tm__project_encrypt_text(tm_encrypt_change change) {
    return change == TM_ENCRYPT_NEW     ? "the home is not sealed"
           : change == TM_ENCRYPT_MOVED ? "the key is read from elsewhere"
                                        : "as the file says";
}

tm_status tm__project_encrypt_apply(const tm_home *home, const tm_project *project, tm_err *err) {
    char id[TM_ENVELOPE_ID_TEXT];
    TM_TRY(tm__vault_use(home, project->encrypt_from, id, err));
    const tm_cli_deed deed = {.event = "encryption.key",
                              .kind = "home",
                              .details = json_pack("{s:s, s:s, s:s}", "key", id, "from",
                                                   project->encrypt_from, "by", "apply")};
    return tm__cli_audit(home, &deed, err);
}
