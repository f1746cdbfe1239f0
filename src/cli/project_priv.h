/* SPDX-License-Identifier: Apache-2.0 */
/* What the sections of the project file share: nodes of YAML, and errors with their place. */
#ifndef TM_CLI_PROJECT_PRIV_H
#define TM_CLI_PROJECT_PRIV_H

#include <yaml.h>

#include "cli/project.h"

#define TM_PROJECT_BYTES_MAX (1u << 20)

typedef struct tm_yaml {
    const char *path;
    yaml_document_t document;
    const char *dir; /* folder of the file: relative paths start there */
} tm_yaml;

tm_str tm__yaml_scalar(const yaml_node_t *node);
/** Say where the error is that was made. */
void tm__yaml_at(const tm_yaml *r, const yaml_node_t *node, tm_err *err);
/** A key, or a value that is one text, with a NUL behind it. */
const char *tm__yaml_word(const yaml_node_t *node);
/** Pairs of a map; 0 of what is none. */
uint32_t tm__yaml_count(const yaml_node_t *node);

/* The pairs of a map, one after the other. */
typedef struct tm_yaml_pairs {
    tm_yaml *r;
    const yaml_node_t *map;
    const char *what;         /* what an error calls the map */
    const char *const *names; /* [n_names] that its keys may be; NULL: any */
    uint32_t n_names;
    const yaml_node_pair_t *next; /* NULL: nothing was looked at */
    uint32_t name;                /* which of the names the key is */
    const yaml_node_t *key, *value;
} tm_yaml_pairs;

tm_yaml_pairs tm__yaml_pairs(tm_yaml *r, const yaml_node_t *map, const char *what,
                             const char *const *names, size_t n_names);
/** Go to the next pair. False at the end, and once *st is not TM_OK: of an earlier pair, or of this
 * map: it must be one, with keys that are words, each once, and none but the names. */
bool tm__yaml_next(tm_yaml_pairs *pairs, tm_status *st, tm_err *err);
/** A value as text, with ${VAR} taken from the environment. The caller frees. */
TM_NODISCARD tm_status tm__yaml_text(const tm_yaml *r, const yaml_node_t *node, char **out,
                                     tm_err *err);
TM_NODISCARD tm_status tm__yaml_bad_value(const tm_yaml *r, const yaml_node_t *node,
                                          const char *key, const char *wanted, tm_err *err);
/** A duration of at least so many microseconds; like: "7d", for who wrote none. */
TM_NODISCARD tm_status tm__yaml_time(const tm_yaml *r, const yaml_node_t *node, const char *key,
                                     int64_t least_us, const char *like, int64_t *out, tm_err *err);
/** Same of a metric that is none, with the one that is nearest. */
TM_NODISCARD tm_status tm__yaml_bad_metric(const tm_yaml *r, const yaml_node_t *node,
                                           const char *name, tm_err *err);

/** sources: {NAME: {...}} */
TM_NODISCARD tm_status tm__project_read_sources(tm_yaml *r, const yaml_node_t *map,
                                                tm_project *project, tm_err *err);
void tm__project_source_done(tm_project_source *source);

/** consent: {column, for, by, source} of a source, into its spec as source/consent.h has it. */
TM_NODISCARD tm_status tm__project_read_consent(tm_yaml *r, const yaml_node_t *map, json_t *spec,
                                                tm_err *err);

/** sinks: {NAME: {...}} */
TM_NODISCARD tm_status tm__project_read_sinks(tm_yaml *r, const yaml_node_t *map,
                                              tm_project *project, tm_err *err);

/** encrypt: {key: SOURCE} */
TM_NODISCARD tm_status tm__project_read_encrypt(tm_yaml *r, const yaml_node_t *map,
                                                tm_project *project, tm_err *err);

/** online: {...} of a model, into its recipe as registry/online_plan.h has it. */
TM_NODISCARD tm_status tm__project_read_online(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                               tm_err *err);
/** retrain: {...} of a model, into its recipe as loop/loop_trigger.h has it. */
TM_NODISCARD tm_status tm__project_read_retrain(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                                tm_err *err);
/** labels: {...} of a model, into its recipe: {"delay_us", "within_us"}, and of those that come as
 * rows of a source {"source", "id" or "entity", "time", "label", "known_at"}. */
TM_NODISCARD tm_status tm__project_read_labels(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                               tm_err *err);
/** columns: {NAME: {was, scale, offset, missing}} of a model, into its recipe as table/renames.h
 * has them. */
TM_NODISCARD tm_status tm__project_read_columns(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                                tm_err *err);
/** TM_E_DATA for rules of a column that is the target, or has another part than to be read. */
TM_NODISCARD tm_status tm__project_check_columns(const char *model, const json_t *recipe,
                                                 tm_err *err);
/** log: {...} of a model, into its recipe as monitor/log_terms.h has it. */
TM_NODISCARD tm_status tm__project_read_log(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                            tm_err *err);
/** monitor: {...} of a model, into its recipe: {"false_alarm_us", "receivers": [{"name", "webhook"
 * or "alertmanager", "secret_file", "ca_file", "dir"}]}. */
TM_NODISCARD tm_status tm__project_read_monitor(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                                tm_err *err);

/** gate: {...} of a model. */
TM_NODISCARD tm_status tm__project_read_gate(tm_yaml *r, const yaml_node_t *map, tm_gate *out,
                                             tm_err *err);
/** rollout: {...} of a model, into its recipe as registry/rollout.h reads it: whole, with what the
 * file does not say as it is by default. */
TM_NODISCARD tm_status tm__project_read_rollout(tm_yaml *r, const yaml_node_t *map, json_t *recipe,
                                                tm_err *err);
/** webhooks: [...] of a model, into its recipe: receivers as above, of webhooks alone. */
TM_NODISCARD tm_status tm__project_read_webhooks(tm_yaml *r, const yaml_node_t *node,
                                                 json_t *recipe, tm_err *err);

#endif
