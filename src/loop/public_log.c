/* SPDX-License-Identifier: Apache-2.0 */
/* The public calls of include/tidemill/log.h: a job of no name that adds to log.db in pieces. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "guard/guard.h"
#include "monitor/monitor_table.h"
#include "registry/registry.h"
#include "tidemill/log.h"

#define FLUSH_BYTES ((size_t)1 << 20)

struct tm_answer_log {
    const tm_bundle *bundle;
    tm_job_log *job;
    tm_table_log rows; /* of no table */
    tm_id_source ids;
    tm_buf bytes; /* answers that are not on disk yet */
};

/* The version that a name means, which must have the bundle's bytes. */
static tm_status find_version(const tm_home *home, const char *name, const tm_bundle *bundle,
                              tm_version *out, tm_err *err) {
    tm_registry *registry = NULL;
    TM_TRY(tm__registry_open(home, &registry, err));
    tm_status st = tm__registry_find(registry, name, out, err);
    tm__registry_close(registry);
    TM_TRY(st);
    if (!tm__hash_eq(&out->bundle_hash, tm__bundle_hash(bundle))) {
        st = TM_FAIL(err, TM_E_CONFLICT, "'%s' is version %u, and the bundle is that of another",
                     name, out->number);
        tm_err_hint(err, "Open the bundle of that version, or name the version of the bundle.");
    }
    return st;
}

static tm_status begin(tm_answer_log *log, const tm_home *home, const tm_version *version,
                       tm_err *err) {
    uint64_t n_logged = 0;
    TM_TRY(tm__table_log_init(&log->rows, log->bundle, err));
    const tm_stream_spec spec = {.route = version->model,
                                 .arm = "embedded",
                                 .model = version->model,
                                 .version = version->number,
                                 .columns = log->rows.names,
                                 .n_columns = log->rows.n};
    TM_TRY(tm__job_log_open(home, NULL, &log->job, err));
    return tm__job_log_begin(log->job, "", &spec, &n_logged, err);
}

tm_status tm_answer_log_open(const char *home_path, const char *name, const tm_bundle *bundle,
                             tm_answer_log **out_log, tm_err *err) {
    tm_home *home = NULL;
    tm_version version = {0};
    tm_answer_log *log = tm__mem_zalloc(1, sizeof(*log));
    if (log == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a log");
    }
    log->bundle = bundle;
    tm__buf_init(&log->bytes, 2 * FLUSH_BYTES + TM_MAX_TEXT_BYTES);
    tm_status st = tm__home_open(home_path, false, &home, err);
    st = st == TM_OK ? find_version(home, name, bundle, &version, err) : st;
    st = st == TM_OK ? begin(log, home, &version, err) : st;
    tm__version_done(&version);
    tm__home_close(home);
    if (st != TM_OK) {
        tm_answer_log_close(log);
        return st;
    }
    *out_log = log;
    return TM_OK;
}

void tm_answer_log_close(tm_answer_log *log) {
    if (log != NULL) {
        tm__job_log_close(log->job);
        tm__table_log_done(&log->rows);
        tm__buf_done(&log->bytes);
        tm__mem_free(log);
    }
}

tm_status tm_answer_log_flush(tm_answer_log *log, tm_err *err) {
    const tm_answers answers = {.bytes = &log->bytes, .at_us = tm__now_us()};
    TM_TRY(log->bytes.len > 0 ? tm__job_log_add(log->job, &answers, err) : TM_OK);
    tm__buf_reset(&log->bytes);
    return TM_OK;
}

tm_status tm_answer_log_add(tm_answer_log *log, const tm_given_answer *answer, char *out_id,
                            tm_err *err) {
    tm_table_log *const rows = &log->rows;
    const uint32_t n_inputs = tm__bundle_schema(log->bundle)->n_cols;
    tm_table_answer logged = {.outputs = answer->out, .n_outputs = tm__bundle_outputs(log->bundle)};
    TM_TRY(log->bytes.len >= FLUSH_BYTES ? tm_answer_log_flush(log, err) : TM_OK);
    memcpy(rows->cells, tm__row_cells(answer->row), n_inputs * sizeof(*rows->cells));
    if (rows->time != TM_TABLE_LOG_NONE && rows->time >= n_inputs) {
        rows->cells[rows->time] = (tm_cell){
            .type = answer->time_us != 0 ? TM_TYPE_TIME : TM_TYPE_NONE, .i64 = answer->time_us};
    }
    if (rows->entity != TM_TABLE_LOG_NONE && rows->entity >= n_inputs) {
        rows->cells[rows->entity] =
            (tm_cell){.type = answer->entity != NULL ? TM_TYPE_TEXT : TM_TYPE_NONE,
                      .text = tm__str(answer->entity != NULL ? answer->entity : "")};
    }
    const size_t before = log->bytes.len;
    tm__id_next(&log->ids, logged.id);
    if (!tm__table_log_append(rows, &logged, &log->bytes)) {
        log->bytes.len = before;
        log->bytes.failed = false;
        return TM_FAIL(err, TM_E_NOMEM, "no memory to log an answer");
    }
    memcpy(out_id, logged.id, sizeof(logged.id));
    return TM_OK;
}
