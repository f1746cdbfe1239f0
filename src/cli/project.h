/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tidemill.yaml: what a project declares. Every key is checked, with its line and column; unknown
 * and repeated keys are errors; ${VAR} takes a value from the environment. docs/project-file.md has
 * all keys.
 */
#ifndef TM_CLI_PROJECT_H
#define TM_CLI_PROJECT_H

#include "base/json.h"
#include "registry/registry.h"
#include "source/intake.h"

typedef struct tm_project_model {
    char *name;
    json_t *recipe; /* as train/ records it */
    bool has_gate;
    tm_gate gate;
    uint32_t line, col; /* of its `from` in the file */
} tm_project_model;

typedef struct tm_project_source {
    char *name;
    const char *feed;
    json_t *spec; /* as source/declare.h has it */
    char **keys;  /* [n_keys] */
    uint32_t n_keys;
    uint32_t line, col; /* of its name in the file */
} tm_project_source;
/** A view of it, as long as it is not changed. */
tm_intake_add tm__project_source_add(const tm_project_source *source);

typedef struct tm_project_sink {
    char *name;
    json_t *spec; /* as loop/sink.h has it */
} tm_project_sink;

typedef struct tm_project {
    tm_project_model *models; /* [n_models], owned */
    uint32_t n_models;
    tm_project_source *sources; /* [n_sources], owned */
    uint32_t n_sources;
    tm_project_sink *sinks; /* [n_sinks], owned */
    uint32_t n_sinks;
    char *encrypt_from; /* where the key is that seals the home, as store/vault.h has it; NULL: the
                           file does not say; owned */
    uint32_t encrypt_line, encrypt_col; /* of it in the file */
} tm_project;

/** Read and check a file; err has path, line (data_row) and column of the first fault. */
TM_NODISCARD tm_status tm__project_read(const char *path, tm_project *out, tm_err *err);
/** Same of a text; dir is the folder that relative paths start in. */
TM_NODISCARD tm_status tm__project_parse(tm_str text, const char *path, const char *dir,
                                         tm_project *out, tm_err *err);
void tm__project_done(tm_project *project);

/** What a gate asks for that models of the task do not have ("rmse", "fairness"), which would
 * refuse each version; NULL: nothing. Valid as long as the gate. */
const char *tm__project_gate_misfit(const tm_gate *gate, tm_task task);

/** The commented file that `tidemill init` writes. */
const char *tm__project_template(void);

#endif
