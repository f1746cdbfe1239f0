/* SPDX-License-Identifier: Apache-2.0 */
/* `model tag`: what people say of a version. */
#include <string.h>

#include "cli/cli.h"
#include "cli/model_args.h"
#include "registry/tags.h"

/* NAME=VALUE words and --remove as one object. */
static tm_status read_changes(tm_cli *cli, json_t *changes, tm_err *err) {
    uint32_t n = 0;
    const char *const *removed = tm__cli_list(cli, "remove", &n);
    for (uint32_t i = 0; i < n; i++) {
        json_object_set_new(changes, removed[i], json_null());
    }
    for (uint32_t i = 1; i < cli->n_args; i++) {
        char name[TM_TAG_NAME_MAX + 1];
        const char *const equals = strchr(cli->args[i], '=');
        const size_t len = equals == NULL ? 0 : (size_t)(equals - cli->args[i]);
        if (!tm__str_copy(name, sizeof(name), (tm_str){cli->args[i], len}) || len == 0 ||
            json_object_get(changes, name) != NULL) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "'%.80s' gives no new tag its value", cli->args[i]);
            tm_err_hint(err, "Like stage=trial, of at most %u letters.", TM_TAG_NAME_MAX);
            return st;
        }
        json_object_set_new(changes, name, json_string(equals + 1));
    }
    return tm__json_check(err);
}

static tm_status say(tm_cli *cli, const tm_place *place, tm_err *err) {
    json_t *tags = NULL, *notes = NULL, *value = NULL;
    const char *name = NULL;
    size_t i = 0;
    TM_TRY(tm__registry_tags(place->registry, &place->version, &tags, err));
    const tm_status st = tm__registry_notes(place->registry, &place->version, &notes, err);
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:I, s:O, s:O}", "model", place->version.model, "version",
                                   (json_int_t)place->version.number, "tags", tags, "notes", notes);
        tm__cli_print_object(cli, "tidemill.model.tag/1", result);
        json_decref(result);
    } else if (st == TM_OK) {
        json_object_foreach(tags, name, value) {
            tm__cli_print(cli, "%s = %s\n", name, json_string_value(value));
        }
        json_array_foreach(notes, i, value) {
            tm__cli_print(cli, "%.19s %s: %s\n", tm__json_text(value, "at", ""),
                          tm__json_text(value, "actor", ""), tm__json_text(value, "text", ""));
        }
        if (json_object_size(tags) + json_array_size(notes) == 0) {
            tm__cli_print(cli, "no tags and no notes\n");
        }
    }
    json_decref(tags);
    json_decref(notes);
    return st;
}

tm_status cmd_model_tag(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    json_t *changes = json_object();
    const char *const note = tm__cli_text(cli, "note");
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    tm_status st = read_changes(cli, changes, err);
    st = st == TM_OK ? tm__place_open(cli, false, &place, err) : st;
    st = st == TM_OK
             ? tm__registry_find(place.registry, tm__cli_arg(cli, "MODEL"), &place.version, err)
             : st;
    if (st == TM_OK && (json_object_size(changes) > 0 || note != NULL)) {
        st = tm__registry_tag(place.registry, &place.version, changes, note, &actor, err);
        if (st == TM_OK) {
            tm__cli_did(cli, "version %u of '%s' is tagged", place.version.number,
                        place.version.model);
        }
    }
    st = st == TM_OK ? say(cli, &place, err) : st;
    json_decref(changes);
    tm__place_close(&place);
    return st;
}
