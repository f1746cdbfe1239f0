/* SPDX-License-Identifier: Apache-2.0 */
/* `init` writes a project file, `check` reads it, `apply` brings the home to it. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/project.h"
#include "loop/sink.h"

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

/* "late: gate: better than champion by 0.002" lines of what differs between file and home. */
typedef struct difference {
    bool is_new, recipe, gate;
} difference;

static bool gate_eq(const tm_gate *a, const tm_gate *b) {
    return a->better_than_champion == b->better_than_champion && a->by == b->by &&
           strcmp(a->metric, b->metric) == 0 && strcmp(a->min_metric, b->min_metric) == 0 &&
           a->min_value == b->min_value;
}

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

static tm_status compare(tm_registry *registry, const tm_project_model *model, difference *out,
                         tm_err *err) {
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
    out->recipe = recipe_differs(model->recipe, recipe);
    json_decref(recipe);
    if (model->has_gate) {
        TM_TRY(tm__registry_gate(registry, model->name, &gate, err));
        out->gate = !gate_eq(&gate, &model->gate);
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

static const char *change_text(const difference *change) {
    if (change->is_new) {
        return "new";
    }
    if (change->recipe && change->gate) {
        return "recipe and gate differ";
    }
    return change->recipe ? "recipe differs" : change->gate ? "gate differs" : "as the file says";
}

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

static tm_status apply_all(tm_cli *cli, const tm_project *project, tm_err *err) {
    char user[80];
    tm_place place = {0};
    const bool dry = tm__cli_flag(cli, "dry-run");
    const tm_actor actor = tm__cli_actor("tidemill.yaml", user, sizeof(user));
    TM_TRY(tm__place_open(cli, true, &place, err));
    json_t *changes = json_array();
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < project->n_models; i++) {
        const tm_project_model *model = &project->models[i];
        difference change;
        st = compare(place.registry, model, &change, err);
        if (st == TM_OK && !dry) {
            st = apply_model(place.registry, model, &change, &actor, err);
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
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:b, s:O}", "schema", "tidemill.apply/1", "dry_run", dry,
                                   "changes", changes);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    json_decref(changes);
    tm__place_close(&place);
    return st;
}

tm_status cmd_apply(tm_cli *cli, tm_err *err) {
    tm_project project = {0};
    TM_TRY(tm__project_read(tm__cli_text(cli, "file"), &project, err));
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
    tm_status st = TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < project->n_models; i++) {
        difference change;
        st = compare(place.registry, &project->models[i], &change, err);
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
    TM_TRY(tm__project_read(path, &project, err));
    tm_status st = count_differences(cli, &project, &n_different, err);
    if (st == TM_OK && cli->json) {
        json_t *result =
            json_pack("{s:s, s:b, s:I, s:I, s:I}", "schema", "tidemill.check/1", "ok",
                      n_different == 0, "models", (json_int_t)project.n_models, "sinks",
                      (json_int_t)project.n_sinks, "different", (json_int_t)n_different);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        tm__cli_print(cli,
                      project.n_sinks == 0 ? "%s: %u models, no faults\n"
                                           : "%s: %u models, %u sinks, no faults\n",
                      path, project.n_models, project.n_sinks);
    }
    if (st == TM_OK && n_different > 0) {
        st = TM_FAIL(err, TM_E_REFUSED, "the home differs in %u %s", n_different,
                     project.n_sinks == 0 ? "models" : "models and sinks");
        tm_err_hint(err, "Bring it to the file with 'tidemill apply'.");
    }
    tm__project_done(&project);
    return st;
}
