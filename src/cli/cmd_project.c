/* SPDX-License-Identifier: Apache-2.0 */
/* `init` writes a project file, `check` reads it, `apply` brings the home to it. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/project.h"
#include "cli/project_encrypt.h"
#include "cli/project_masks.h"
#include "cli/project_triggers.h"
#include "cli/source_add.h"
#include "loop/sink.h"
#include "registry/chain.h"
#include "source/declare.h"
#include "source/feed.h"

tm_status cmd_init(tm_cli *cli, tm_err *err) {
    const char *dir = tm__cli_arg(cli, "DIR") != NULL ? tm__cli_arg(cli, "DIR") : ".";
    char *path = tm__fs_join(dir, "tidemill.yaml");
    tm_status st =
        path == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a path") : tm__fs_mkdir(dir, err);
    if (st == TM_OK && tm__fs_info(path).kind != TM_PATH_NONE) {
        st = TM_FAIL(err, TM_E_CONFLICT, "'%s' is there already", path);
        tm_err_hint(err, "Edit it, or name another folder.");
    }
    if (st == TM_OK) {
        const char *text = tm__project_template();
        st = tm__fs_publish(path, text, strlen(text), err);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:s}", "schema", "tidemill.init/1", "path", path);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "wrote %s\n", path);
        tm__cli_note(cli, "next: edit it, then tidemill check");
    }
    tm__mem_free(path);
    return st;
}

static tm_status read_file(const char *path, tm_project *out, tm_err *err) {
    const tm_status st = tm__project_read(path, out, err);
    if (st == TM_E_NOT_FOUND && tm__fs_info(path).kind == TM_PATH_NONE) {
        tm_err_hint(err, "Write one with 'tidemill init', or name another with --file.");
    }
    return st;
}

/* "late: gate: better than champion by 0.002" lines of what differs between file and home. */
typedef struct difference {
    bool is_new, recipe, gate;
} difference;

/* Members of the file's recipe that the home's lacks or has otherwise. */
static bool recipe_differs(const json_t *wanted, const json_t *have) {
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)wanted, name, value) {
        if (json_equal(value, json_object_get(have, name)) == 0) {
            return true;
        }
    }
    return false;
}

/* What a model predicts is what its answers, labels and scores are of. */
static tm_status check_target(const char *path, const tm_project_model *model, const json_t *have,
                              tm_err *err) {
    const char *const target = tm__json_text(have, "target", "");
    const char *const wanted = tm__json_text(model->recipe, "target", "");
    if (target[0] == '\0' || strcmp(target, wanted) == 0) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_CONFLICT, "model '%.60s' predicts '%.80s', not '%.80s'", model->name,
                  target, wanted);
    tm_err_hint(err, "Another target is another model: declare one with a name of its own beside "
                     "it, from the same rows.");
    tm_err_at(err, path, model->line, model->col);
    return TM_E_CONFLICT;
}

/* A gate of scores that the model's versions cannot have is never open. */
static tm_status check_gate(const char *path, tm_registry *registry, const tm_project_model *model,
                            tm_err *err) {
    tm_version version = {0};
    tm_err own = {0};
    const tm_status st =
        model->has_gate ? tm__registry_find(registry, model->name, &version, &own) : TM_E_NOT_FOUND;
    if (st != TM_OK) { /* without a champion there is nothing to hold it against */
        *err = st == TM_E_NOT_FOUND ? *err : own;
        return st == TM_E_NOT_FOUND ? TM_OK : st;
    }
    const char *const task = tm__json_text(version.info, "task", "");
    const char *const misfit = tm__project_gate_misfit(&model->gate, tm__task_from_text(task));
    if (misfit != NULL) {
        (void)TM_FAIL(err, TM_E_DATA, "the gate of '%.60s' asks for '%s', and no %s model has that",
                      model->name, misfit, task);
        tm_err_hint(err,
                    "It would refuse each version; 'tidemill model show %.60s@champion' has "
                    "the scores that there are.",
                    model->name);
        tm_err_at(err, path, model->line, model->col);
    }
    tm__version_done(&version);
    return misfit != NULL ? TM_E_DATA : TM_OK;
}

static tm_status compare(const tm_cli *cli, tm_registry *registry, const tm_project_model *model,
                         difference *out, tm_err *err) {
    json_t *recipe = NULL;
    tm_gate gate;
    *out = (difference){0};
    tm_err own = {0}; /* what is not there is no error */
    const tm_status st = tm__registry_recipe(registry, model->name, &recipe, &own);
    if (st == TM_E_NOT_FOUND) {
        out->is_new = true;
        out->recipe = true;
        out->gate = model->has_gate;
        return TM_OK;
    }
    if (st != TM_OK) {
        *err = own;
        return st;
    }
    tm_status kept = check_target(tm__cli_text(cli, "file"), model, recipe, err);
    kept = kept == TM_OK ? check_gate(tm__cli_text(cli, "file"), registry, model, err) : kept;
    out->recipe = recipe_differs(model->recipe, recipe);
    json_decref(recipe);
    TM_TRY(kept);
    if (model->has_gate) {
        TM_TRY(tm__registry_gate(registry, model->name, &gate, err));
        out->gate = !tm__gate_is_same(&gate, &model->gate);
    }
    return TM_OK;
}

static tm_status apply_model(tm_registry *registry, const tm_project_model *model,
                             const difference *change, const tm_actor *actor, tm_err *err) {
    if (change->recipe) {
        json_t *merged = NULL;
        if (!change->is_new) {
            TM_TRY(tm__registry_recipe(registry, model->name, &merged, err));
        }
        if (!json_is_object(merged)) {
            json_decref(merged);
            merged = json_object();
        }
        json_object_update(merged, model->recipe);
        tm_status st = tm__json_check(err);
        if (st == TM_OK) {
            st = tm__registry_set_recipe(registry, model->name, merged, actor, err);
        }
        json_decref(merged);
        TM_TRY(st);
    }
    if (change->gate) {
        TM_TRY(tm__registry_set_gate(registry, model->name, &model->gate, actor, err));
    }
    return TM_OK;
}

/* A recipe is kept with the versions that were made by it, so there has to be one. */
static void hint_first(const tm_project_model *model, tm_err *err) {
    const json_t *source = json_object_get(model->recipe, "source");
    const char *name = tm__json_text(source, "source", NULL);
    const char *path = tm__json_text(source, "path", NULL);
    tm_err_hint(err,
                "Train its first version, then apply again: tidemill train %s%.60s --target %.40s "
                "--name %.40s",
                name != NULL   ? "--source "
                : path != NULL ? ""
                               : "--sql QUERY",
                name != NULL   ? name
                : path != NULL ? path
                               : "",
                tm__json_text(model->recipe, "target", "COL"), model->name);
}

static const char *change_text(const difference *change) {
    if (change->is_new) {
        return "new";
    }
    if (change->recipe && change->gate) {
        return "recipe and gate differ";
    }
    return change->recipe ? "recipe differs" : change->gate ? "gate differs" : "as the file says";
}

/* ---- Encryption ---- */

/* Before anything is stored. */
static tm_status apply_encrypt(tm_cli *cli, const tm_home *home, const tm_project *project,
                               json_t *changes, tm_err *err) {
    const bool dry = tm__cli_flag(cli, "dry-run");
    tm_encrypt_change change = TM_ENCRYPT_SAME;
    if (project->encrypt_from == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__project_encrypt_compare(home, project, tm__cli_text(cli, "file"), &change, err));
    if (change != TM_ENCRYPT_SAME && !dry) {
        TM_TRY(tm__project_encrypt_apply(home, project, err));
    }
    tm__cli_print(cli, "encrypt: %s%s\n", tm__project_encrypt_text(change),
                  change == TM_ENCRYPT_SAME ? ""
                  : dry                     ? " (not applied)"
                                            : ", applied");
    json_array_append_new(changes, json_pack("{s:s, s:s}", "encrypt", project->encrypt_from,
                                             "change", tm__project_encrypt_text(change)));
    return TM_OK;
}

static tm_status count_encrypt(tm_cli *cli, const tm_home *home, const tm_project *project,
                               uint32_t *n, tm_err *err) {
    tm_encrypt_change change = TM_ENCRYPT_SAME;
    TM_TRY(tm__project_encrypt_compare(home, project, tm__cli_text(cli, "file"), &change, err));
    if (change != TM_ENCRYPT_SAME) {
        (*n)++;
        tm__cli_print(cli, "encrypt: %s\n", tm__project_encrypt_text(change));
    }
    return TM_OK;
}

/* ---- Sources ---- */

static const char *source_change_text(tm_source_change change) {
    return change == TM_SOURCE_NEW          ? "new source"
           : change == TM_SOURCE_UNFINISHED ? "source is not read to the end"
           : change == TM_SOURCE_CHANGED    ? "source differs"
                                            : "as the file says";
}

/* How each source of the file differs; what cannot be changed fails before anything is done. */
static tm_status plan_sources(tm_cli *cli, const tm_home *home, const tm_project *project,
                              json_t *plan, tm_err *err) {
    for (uint32_t i = 0; i < project->n_sources; i++) {
        const tm_intake_add add = tm__project_source_add(&project->sources[i]);
        tm_source_change change = TM_SOURCE_SAME;
        json_t *changes = NULL;
        const tm_status st = tm__source_compare(home, &add, &change, &changes, err);
        if (st == TM_E_CONFLICT) {
            tm_err_at(err, tm__cli_text(cli, "file"), project->sources[i].line,
                      project->sources[i].col);
        }
        TM_TRY(st);
        json_array_append_new(plan, json_pack("{s:s, s:s, s:i, s:o}", "source", add.name, "change",
                                              source_change_text(change), "kind", (int)change,
                                              "changes", changes));
    }
    return tm__json_check(err);
}

/* "late: source differs: every: 60 s instead of none, applied" */
static void say_source(tm_cli *cli, const json_t *one, const char *done) {
    const json_t *changes = json_object_get(one, "changes");
    size_t i = 0;
    const json_t *text = NULL;
    tm__cli_print(cli, "%s: %s", tm__json_text(one, "source", ""),
                  tm__json_text(one, "change", ""));
    json_array_foreach(changes, i, text) {
        tm__cli_print(cli, "%s%s", i == 0 ? ": " : "; ", json_string_value(text));
    }
    tm__cli_print(cli, "%s\n", done);
}

/* Sources that a file declared once, and this one does not: they stay, and that is said. */
static tm_status say_left(tm_cli *cli, const tm_home *home, const tm_project *project, json_t *left,
                          tm_err *err) {
    json_t *list = NULL;
    size_t i = 0;
    const json_t *source = NULL;
    TM_TRY(tm__intake_list(home, &list, err));
    json_array_foreach(list, i, source) {
        const char *name = tm__json_text(source, "source", "");
        bool is_there = !json_is_true(json_object_get(json_object_get(source, "spec"), "declared"));
        for (uint32_t k = 0; k < project->n_sources; k++) {
            is_there = is_there || strcmp(project->sources[k].name, name) == 0;
        }
        if (!is_there) {
            tm__cli_print(cli, "%s: not in the file any more; the source stays with its rows\n",
                          name);
            json_array_append_new(left, json_string(name));
        }
    }
    json_decref(list);
    return tm__json_check(err);
}

/* Triggers that nothing ever sets off. */
static tm_status say_unfed(tm_cli *cli, const tm_project *project, json_t **out, tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    *out = tm__project_unfed(project);
    json_array_foreach(*out, i, one) {
        tm__cli_warn(
            cli,
            "'%s' under 'retrain' of '%s' looks at a source, and the model reads a file or "
            "a query: nothing would set it off; declare what it reads under 'sources'",
            tm__json_text(one, "trigger", ""), tm__json_text(one, "model", ""));
    }
    return tm__json_check(err);
}

/* Versions that a mask of the file does not cover. */
static tm_status say_unmasked(tm_cli *cli, tm_registry *registry, const tm_project *project,
                              json_t **out, tm_err *err) {
    size_t i = 0;
    const json_t *one = NULL;
    TM_TRY(tm__project_unmasked(registry, project, out, err));
    json_array_foreach(*out, i, one) {
        const json_t *const versions = json_object_get(one, "versions");
        const size_t n = json_array_size(versions);
        const char *const model = tm__json_text(one, "model", "");
        tm__cli_warn(cli,
                     "%zu version%s of '%s' up to %lld learned from '%s' of '%s' before it had the "
                     "policy %s and tell%s as before (alarms of drift, explained answers); run "
                     "'tidemill retrain %s'",
                     n, n == 1 ? "" : "s", model,
                     (long long)json_integer_value(json_array_get(versions, n - 1)),
                     tm__json_text(one, "column", ""), tm__json_text(one, "source", ""),
                     tm__json_text(one, "policy", ""), n == 1 ? "s" : "", model);
    }
    return TM_OK;
}

static tm_status note(const tm_home *home, const char *event, const char *kind, const char *name,
                      tm_err *err) {
    const tm_cli_deed deed = {
        .event = event, .kind = kind, .name = name, .details = json_pack("{s:s}", "by", "apply")};
    return tm__cli_audit(home, &deed, err);
}

static tm_status apply_source(tm_cli *cli, tm_ctx *ctx, const tm_home *home,
                              const tm_intake_add *add, tm_source_change change, tm_err *err) {
    tm_feed_pull pulled = {0};
    if (change == TM_SOURCE_NEW) {
        TM_TRY(tm__source_add_and_pull(ctx, home, add, err));
        tm__cli_did(cli, "source '%s' is added", add->name);
        return note(home, "source.added", "source", add->name, err);
    }
    TM_TRY(tm__source_declare(home, add, err));
    tm__cli_did(cli, "source '%s' is as the file says", add->name);
    TM_TRY(note(home, "source.set", "source", add->name, err));
    return change == TM_SOURCE_UNFINISHED && strcmp(add->feed, "push") != 0
               ? tm__feed_pull(ctx, home, add->name, false, &pulled, err)
               : TM_OK;
}

/* Keys of pseudonyms are made of the home's server key, which is there before the first row. */
static tm_status make_key(tm_registry *registry, const tm_project *project, tm_err *err) {
    bool needs_key = false;
    tm_hash made;
    for (uint32_t i = 0; i < project->n_sources; i++) {
        const char *name = NULL;
        json_t *column = NULL;
        json_object_foreach(json_object_get(project->sources[i].spec, "columns"), name, column) {
            needs_key = needs_key || strcmp(tm__json_text(column, "policy", ""), "pseudonym") == 0;
        }
    }
    return needs_key ? tm__audit_subject_make(registry, tm__str(""), &made, err) : TM_OK;
}

static tm_status apply_sources(tm_cli *cli, const tm_home *home, const tm_project *project,
                               json_t *plan, tm_err *err) {
    const bool dry = tm__cli_flag(cli, "dry-run");
    tm_ctx ctx = {0};
    tm_status st = tm__cli_ctx_init(cli, 0, &ctx, err);
    for (uint32_t i = 0; st == TM_OK && i < project->n_sources; i++) {
        const tm_intake_add add = tm__project_source_add(&project->sources[i]);
        json_t *one = json_array_get(plan, i);
        const tm_source_change change = (tm_source_change)tm__json_i64(one, "kind", 0);
        const bool is_same = change == TM_SOURCE_SAME;
        if (!is_same && !dry) {
            st = apply_source(cli, &ctx, home, &add, change, err);
        }
        if (st == TM_OK) {
            say_source(cli, one, is_same ? "" : dry ? " (not applied)" : ", applied");
            json_object_del(one, "kind");
        }
    }
    tm__cli_ctx_done(&ctx);
    return st;
}

/* Sources that models learn from must be there: in the home, or in the file that is applied. */
static tm_status check_models(tm_cli *cli, const tm_place *place, const tm_project *project,
                              tm_err *err) {
    for (uint32_t i = 0; i < project->n_models; i++) {
        const tm_project_model *model = &project->models[i];
        const char *name = tm__json_text(json_object_get(model->recipe, "source"), "source", NULL);
        bool is_there = name == NULL;
        difference change;
        TM_TRY(compare(cli, place->registry, model, &change, err));
        json_t *found = NULL;
        tm_err own = {0};
        for (uint32_t k = 0; !is_there && k < project->n_sources; k++) {
            is_there = strcmp(project->sources[k].name, name) == 0;
        }
        const tm_status st = is_there ? TM_OK : tm__intake_show(place->home, name, &found, &own);
        json_decref(found);
        if (st == TM_E_NOT_FOUND) {
            (void)TM_FAIL(err, TM_E_NOT_FOUND, "there is neither a file nor a source '%s'", name);
            tm_err_hint(err, "%s", own.hint);
            tm_err_at(err, tm__cli_text(cli, "file"), model->line, model->col);
            return TM_E_NOT_FOUND;
        }
        if (st != TM_OK) {
            *err = own;
            return st;
        }
    }
    return TM_OK;
}

/* ---- Sinks ---- */

static const char *sink_change_text(tm_sink_change change) {
    return change == TM_SINK_NEW       ? "new sink"
           : change == TM_SINK_CHANGED ? "sink differs"
                                       : "as the file says";
}

static tm_status apply_sinks(tm_cli *cli, const tm_home *home, const tm_project *project,
                             json_t *changes, tm_err *err) {
    const bool dry = tm__cli_flag(cli, "dry-run");
    for (uint32_t i = 0; i < project->n_sinks; i++) {
        const tm_project_sink *sink = &project->sinks[i];
        tm_sink_change change = TM_SINK_SAME;
        TM_TRY(tm__sink_compare(home, sink->name, sink->spec, &change, err));
        if (change != TM_SINK_SAME && !dry) {
            TM_TRY(tm__sink_declare(home, sink->name, sink->spec, err));
            TM_TRY(note(home, "sink.set", "sink", sink->name, err));
        }
        tm__cli_print(cli, "%s: %s%s\n", sink->name, sink_change_text(change),
                      change == TM_SINK_SAME ? ""
                      : dry                  ? " (not applied)"
                                             : ", applied");
        json_array_append_new(changes, json_pack("{s:s, s:s}", "sink", sink->name, "change",
                                                 sink_change_text(change)));
    }
    return TM_OK;
}

static bool is_nothing(const json_t *changes) {
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(changes, i, one) {
        if (strcmp(tm__json_text(one, "change", ""), "as the file says") != 0) {
            return false;
        }
    }
    return true;
}

static tm_status apply_all(tm_cli *cli, const tm_project *project, tm_err *err) {
    char user[80];
    tm_place place = {0};
    const bool dry = tm__cli_flag(cli, "dry-run");
    const tm_actor actor = tm__cli_actor("tidemill.yaml", user, sizeof(user));
    TM_TRY(tm__place_open(cli, true, &place, err));
    json_t *changes = json_array(), *left = json_array(), *sealing = json_array(), *unmasked = NULL,
           *unfed = NULL;
    tm_status st = plan_sources(cli, place.home, project, changes, err);
    st = st == TM_OK ? apply_encrypt(cli, place.home, project, sealing, err) : st;
    st = st == TM_OK ? check_models(cli, &place, project, err) : st;
    st = st == TM_OK && !dry ? make_key(place.registry, project, err) : st;
    if (st == TM_OK && project->n_sources > 0) {
        st = apply_sources(cli, place.home, project, changes, err);
    }
    st = st == TM_OK ? say_left(cli, place.home, project, left, err) : st;
    for (uint32_t i = 0; st == TM_OK && i < project->n_models; i++) {
        const tm_project_model *model = &project->models[i];
        difference change;
        st = compare(cli, place.registry, model, &change, err);
        if (st == TM_OK && !dry) {
            st = apply_model(place.registry, model, &change, &actor, err);
            if (st == TM_E_NOT_FOUND && change.is_new) {
                hint_first(model, err);
            }
        }
        if (st == TM_OK) {
            tm__cli_print(cli, "%s: %s%s\n", model->name, change_text(&change),
                          !change.recipe && !change.gate ? ""
                          : dry                          ? " (not applied)"
                                                         : ", applied");
            json_array_append_new(changes, json_pack("{s:s, s:s}", "model", model->name, "change",
                                                     change_text(&change)));
        }
    }
    st = st == TM_OK ? apply_sinks(cli, place.home, project, changes, err) : st;
    st = st == TM_OK ? say_unmasked(cli, place.registry, project, &unmasked, err) : st;
    st = st == TM_OK ? say_unfed(cli, project, &unfed, err) : st;
    json_array_extend(changes, sealing);
    if (st == TM_OK && cli->json) {
        json_t *result =
            json_pack("{s:s, s:b, s:O, s:O, s:O, s:O}", "schema", "tidemill.apply/1", "dry_run",
                      dry, "changes", changes, "left", left, "unmasked", unmasked, "unfed", unfed);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK && is_nothing(changes)) {
        tm__cli_print(cli, "nothing changed\n");
    }
    json_decref(unfed);
    json_decref(unmasked);
    json_decref(left);
    json_decref(sealing);
    json_decref(changes);
    tm__place_close(&place);
    return st;
}

tm_status cmd_apply(tm_cli *cli, tm_err *err) {
    tm_project project = {0};
    TM_TRY(read_file(tm__cli_text(cli, "file"), &project, err));
    const tm_status st = apply_all(cli, &project, err);
    tm__project_done(&project);
    return st;
}

static tm_status count_sinks(tm_cli *cli, const tm_home *home, const tm_project *project,
                             uint32_t *n, tm_err *err) {
    for (uint32_t i = 0; i < project->n_sinks; i++) {
        const tm_project_sink *sink = &project->sinks[i];
        tm_sink_change change = TM_SINK_SAME;
        TM_TRY(tm__sink_compare(home, sink->name, sink->spec, &change, err));
        if (change != TM_SINK_SAME) {
            (*n)++;
            tm__cli_print(cli, "%s: %s\n", sink->name, sink_change_text(change));
        }
    }
    return TM_OK;
}

static tm_status count_sources(tm_cli *cli, const tm_home *home, const tm_project *project,
                               uint32_t *n, tm_err *err) {
    json_t *plan = json_array(), *left = json_array();
    size_t i = 0;
    const json_t *one = NULL;
    tm_status st = plan_sources(cli, home, project, plan, err);
    json_array_foreach(plan, i, one) {
        if (st == TM_OK && tm__json_i64(one, "kind", 0) != TM_SOURCE_SAME) {
            (*n)++;
            say_source(cli, one, "");
        }
    }
    st = st == TM_OK ? say_left(cli, home, project, left, err) : st;
    json_decref(plan);
    json_decref(left);
    return st;
}

/* How much of the file the home has otherwise; a home that is not there yet differs in
 * nothing. */
static tm_status count_differences(tm_cli *cli, const tm_project *project, uint32_t *out_n,
                                   tm_err *err) {
    tm_place place = {0};
    *out_n = 0;
    const tm_status opened = tm__place_open(cli, false, &place, err);
    if (opened != TM_OK) {
        return opened == TM_E_NOT_FOUND ? TM_OK : opened;
    }
    tm_status st = count_encrypt(cli, place.home, project, out_n, err);
    st = st == TM_OK ? count_sources(cli, place.home, project, out_n, err) : st;
    st = st == TM_OK ? check_models(cli, &place, project, err) : st;
    for (uint32_t i = 0; st == TM_OK && i < project->n_models; i++) {
        difference change;
        st = compare(cli, place.registry, &project->models[i], &change, err);
        if (st == TM_OK && (change.recipe || change.gate)) {
            (*out_n)++;
            tm__cli_print(cli, "%s: %s\n", project->models[i].name, change_text(&change));
        }
    }
    st = st == TM_OK ? count_sinks(cli, place.home, project, out_n, err) : st;
    tm__place_close(&place);
    return st;
}

tm_status cmd_check(tm_cli *cli, tm_err *err) {
    tm_project project = {0};
    uint32_t n_different = 0;
    const char *path = tm__cli_text(cli, "file");
    TM_TRY(read_file(path, &project, err));
    json_t *unfed = NULL;
    tm_status st = count_differences(cli, &project, &n_different, err);
    st = st == TM_OK ? say_unfed(cli, &project, &unfed, err) : st;
    if (st == TM_OK && cli->json) {
        json_t *result =
            json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:O}", "schema", "tidemill.check/1", "ok",
                      n_different == 0, "sources", (json_int_t)project.n_sources, "models",
                      (json_int_t)project.n_models, "sinks", (json_int_t)project.n_sinks,
                      "different", (json_int_t)n_different, "unfed", unfed);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        char sources[32] = "", sinks[32] = "";
        if (project.n_sources > 0) {
            (void)snprintf(sources, sizeof(sources), "%u source%s, ", project.n_sources,
                           project.n_sources == 1 ? "" : "s");
        }
        if (project.n_sinks > 0) {
            (void)snprintf(sinks, sizeof(sinks), ", %u sink%s", project.n_sinks,
                           project.n_sinks == 1 ? "" : "s");
        }
        tm__cli_print(cli, "%s: %s%u model%s%s, no faults\n", path, sources, project.n_models,
                      project.n_models == 1 ? "" : "s", sinks);
    }
    if (st == TM_OK && n_different > 0) {
        st = TM_FAIL(err, TM_E_REFUSED, "the home differs from the file in %u of %u entries",
                     n_different,
                     project.n_sources + project.n_models + project.n_sinks +
                         (project.encrypt_from != NULL));
        tm_err_hint(err, "Bring it to the file with 'tidemill apply'.");
    }
    json_decref(unfed);
    tm__project_done(&project);
    return st;
}
