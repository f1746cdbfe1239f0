/* SPDX-License-Identifier: Apache-2.0 */
/* What sources hold, for Prometheus. Their names have no character that a label would have to
 * escape, and texts of errors are this program's own words for a status. */
#include <string.h>

#include "serve/serve_priv.h"

#define N_SOURCES_MAX 1000u /* a text of some 700 bytes each */

typedef struct family {
    const char *name, *type, *help, *key;
} family;

static const family families[] = {
    {"tidemill_source_rows_total", "counter", "Rows that were accepted.", "accepted"},
    {"tidemill_source_duplicates_total", "counter", "Rows whose key had come before.",
     "duplicates"},
    {"tidemill_source_quarantined_total", "counter", "Rows that could not be taken.",
     "quarantined"},
    {"tidemill_source_pending_rows", "gauge", "Accepted rows that are in no segment yet.",
     "pending"},
    {"tidemill_source_lag_seconds", "gauge", "Time since the newest row was accepted.",
     "lag_seconds"},
    {"tidemill_source_failures", "gauge", "Tries to read that failed, one after the other.",
     "failures"},
};

static void write_value(tm_buf *out, const family *f, const json_t *source) {
    const json_t *const value = json_object_get(source, f->key);
    char number[32];
    if (json_is_number(value)) { /* null: no row yet */
        number[tm__f64_to_text(json_number_value(value), number)] = '\0';
        tm__buf_printf(out, "%s{source=\"%s\"} %s\n", f->name, tm__json_text(source, "source", ""),
                       number);
    }
}

void tm__prom_sources(const json_t *sources, tm_buf *out) {
    size_t i = 0;
    const json_t *source = NULL;
    for (size_t k = 0; json_array_size(sources) > 0 && k < sizeof(families) / sizeof(families[0]);
         k++) {
        const family *const f = &families[k];
        tm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
        json_array_foreach(sources, i, source) {
            if (i < N_SOURCES_MAX) {
                write_value(out, f, source);
            }
        }
    }
    if (json_array_size(sources) > 0) {
        tm__buf_text(out, "# HELP tidemill_source_status 1 for what a source is, with the last "
                          "error.\n# TYPE tidemill_source_status gauge\n");
    }
    json_array_foreach(sources, i, source) {
        if (i < N_SOURCES_MAX) {
            tm__buf_printf(out,
                           "tidemill_source_status{source=\"%s\",status=\"%s\",error=\"%s\"} 1\n",
                           tm__json_text(source, "source", ""), tm__json_text(source, "status", ""),
                           tm__json_text(json_object_get(source, "error"), "status", ""));
        }
    }
}
