/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as tidemill.yaml: a fault is named with a place that is in the file, nothing leaks, and
 * what is taken has all that train and the registry count on.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

static void check_model(const tm_project *project, uint32_t index) {
    const tm_project_model *model = &project->models[index];
    const json_t *source = json_object_get(model->recipe, "source");
    const json_t *value;
    const char *key;
    must(model->name[0] != '\0' && strlen(model->name) <= TM_MAX_NAME);
    for (uint32_t i = 0; i < index; i++) {
        must(strcmp(project->models[i].name, model->name) != 0);
    }
    must(json_is_string(json_object_get(model->recipe, "target")));
    must(json_is_string(json_object_get(source, "path")) ||
         json_is_string(json_object_get(source, "sql")) ||
         json_is_string(json_object_get(source, "source")));
    json_object_foreach(model->recipe, key, value) {
        must(value != NULL);
    }
    must(isfinite(model->gate.by) && isfinite(model->gate.floors[0].value));
}

static void check_source(const tm_project_source *source) {
    const json_t *column;
    const char *name;
    must(source->name[0] != '\0' && strlen(source->name) <= TM_MAX_NAME && source->line > 0);
    must(strcmp(source->feed, "push") == 0 ||
         json_is_string(json_object_get(source->spec, source->feed)));
    for (uint32_t i = 0; i < source->n_keys; i++) {
        must(source->keys[i] != NULL);
    }
    json_object_foreach(json_object_get(source->spec, "columns"), name, column) {
        must(name[0] != '\0' && json_is_object(column));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_project project = {0};
    tm_err err = {0};
    const tm_str text = {(const char *)data, len};
    if (tm__project_parse(text, "tidemill.yaml", "/folder", &project, &err) == TM_OK) {
        for (uint32_t i = 0; i < project.n_models; i++) {
            check_model(&project, i);
        }
        for (uint32_t i = 0; i < project.n_sources; i++) {
            check_source(&project.sources[i]);
        }
    } else {
        size_t n_lines = 1;
        for (size_t i = 0; i < len; i++) {
            n_lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80; /* also NEL, LS, PS */
        }
        must(err.message[0] != '\0' && err.data_row <= n_lines + 1);
        must(err.status != TM_E_DATA || err.data_row > 0);
    }
    tm__project_done(&project);
    return 0;
}
