/* SPDX-License-Identifier: Apache-2.0 */
/* What `status` tells: all models of a home with what a person on call asks first, from the
 * registry, from what a server says of itself (serving.json), and from the log where that is older.
 */
#ifndef TM_CLI_STATUS_READ_H
#define TM_CLI_STATUS_READ_H

#include "cli/model_args.h"
#include "monitor/monitor.h"

/**
 * {"home", "server": {"state": "running", "silent" (it said nothing for some seconds), "stopped" or
 * "none", "at", "age_seconds", ...}, "summary": {"models", "bad", "warn", "ok", "idle",
 * "answers_per_second"}, "models": [M], "jobs", "trainings" (that run now: docs/formats/home.md)};
 * docs/monitoring.md has the members of M, which come with what needs attention first.
 *
 * Errors:  TM_E_NOMEM, those of the registry. A log, a source or alerts that cannot be read are
 *          told in "problems" ([TEXT]) and the rest all the same.
 * Threads: one caller.
 * Cost:    some queries a model. Without a server, what its last word does not cover is read from
 *          the log: bundles are opened for that.
 */
TM_NODISCARD tm_status tm__status_read(const tm_place *place, int64_t now_us, json_t **out,
                                       tm_err *err);

/* ---- columns that rows leave out: status_fields.c ---- */

/** Entries of tm__field_days_report(), with their price, of columns that came with the version and
 * that rows come without. *out is a new reference. */
TM_NODISCARD tm_status tm__status_fields(const tm_place *place, const tm_version *version,
                                         json_t **out, tm_err *err);

/* ---- labels that do not come: status_labels.c ---- */

typedef struct tm_status_labels_ask {
    const tm_place *place;
    tm_monitor *monitor; /* NULL: opened when it is needed, and the home has a log */
    const char *model;
    const json_t *recipe;
    int64_t now_us;
} tm_status_labels_ask;
/**
 * {"too_few", "awaited", "waited_seconds"}. too_few, of a gate that asks for a coverage: {"since":
 * the first of the newest retrainings in a row that it refused for that, null: of none yet,
 * "reason"} while too few answers have a label, else null. awaited: texts of what needs labels.
 * waited_seconds: in which they are declared to come, by labels.delay or else by gate.coverage;
 * null: by neither. *out is a new reference.
 *
 * Errors: TM_E_NOMEM, those of the registry and the log.  Threads: one caller.
 */
TM_NODISCARD tm_status tm__status_labels(const tm_status_labels_ask *ask, json_t **out,
                                         tm_err *err);

/* ---- health: status_health.c ---- */

/** Judge a model's entry: sets "health", "why" and "reasons" ([{"level", "word", "text"}], what
 * weighs most first) from its other members. */
void tm__status_judge(json_t *model);
/** Models by what needs attention: by health, then by the weight of the reason, then by name. New
 * reference. */
json_t *tm__status_sort(const json_t *models);

/* ---- words: status_words.c ---- */

typedef struct tm_status_screen {
    uint32_t width;  /* columns */
    uint32_t height; /* lines that there are; 0: as many as are needed */
} tm_status_screen;
/** Append the screen: a line of the server, a line for each model, and names of those that are well
 * in few lines where there is no room for all. out->failed when out of memory. */
void tm__status_words(const json_t *status, const tm_status_screen *screen, tm_buf *out);

#endif
