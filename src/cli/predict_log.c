/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/predict_log.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "monitor/monitor_table.h"

#define PIECE_BYTES ((size_t)4 << 20) /* read of the file at a time */

struct tm_predict_log {
    tm_job_log *job;
    char *beside;  /* name of the file; NULL: there is none */
    tm_file *file; /* while it is written */
    bool is_read;  /* it was, and is read back */
    tm_buf bytes;  /* of a piece; answers are stamped in it */
    uint64_t n;    /* in the log */
};

static tm_status begin(tm_predict_log *log, const tm_place *place, tm_err *err) {
    tm_table_log rows = {0};
    uint64_t n_logged = 0;
    TM_TRY(tm__table_log_init(&rows, place->bundle, err));
    const tm_stream_spec spec = {.route = place->version.model,
                                 .arm = "batch",
                                 .model = place->version.model,
                                 .version = place->version.number,
                                 .columns = rows.names,
                                 .n_columns = rows.n};
    tm_status st = tm__job_log_open(place->home, NULL, &log->job, err);
    st = st == TM_OK ? tm__job_log_begin(log->job, "", &spec, &n_logged, err) : st;
    tm__table_log_done(&rows);
    return st;
}

tm_status tm__predict_log_open(const tm_place *place, const char *beside, tm_predict_log **out,
                               tm_err *err) {
    if (place->home == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a model that is a file has no log");
        tm_err_hint(err, "Import it ('tidemill model import'), and name the model of the home.");
        return st;
    }
    tm_predict_log *const log = tm__mem_zalloc(1, sizeof(*log));
    if (log == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for the log");
    }
    tm__buf_init(&log->bytes, SIZE_MAX / 2);
    tm_status st = begin(log, place, err);
    if (st == TM_OK && beside != NULL) {
        log->beside = tm__mem_strdup(beside);
        st = log->beside == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the log")
                                 : tm__file_open(beside, TM_OPEN_CREATE, &log->file, err);
    }
    if (st != TM_OK) {
        tm__predict_log_close(log);
        return st;
    }
    *out = log;
    return TM_OK;
}

void tm__predict_log_close(tm_predict_log *log) {
    if (log == NULL) {
        return;
    }
    tm__job_log_close(log->job);
    const bool is_made = log->file != NULL || log->is_read;
    tm__file_close(log->file);
    if (is_made) {
        const tm_status removed = tm__fs_remove(log->beside, NULL);
        (void)removed; /* a file that stays is of no use to anybody, and no harm */
    }
    tm__mem_free(log->beside);
    tm__buf_done(&log->bytes);
    tm__mem_free(log);
}

/* Log the answers that are whole in log->bytes; what is left stays in it. */
static tm_status log_whole(tm_predict_log *log, tm_err *err) {
    tm_buf *const bytes = &log->bytes;
    size_t end = 0;
    uint64_t n = 0;
    for (; bytes->len - end >= TM_ANSWER_BYTES_MIN; n++) {
        const size_t size = tm__answer_size(bytes->data + end);
        if (size > bytes->len - end) {
            break;
        }
        end += size;
    }
    const size_t rest = bytes->len - end;
    bytes->len = end;
    const tm_answers answers = {.bytes = bytes, .at_us = tm__now_us()};
    TM_TRY(n > 0 ? tm__job_log_add(log->job, &answers, err) : TM_OK);
    memmove(bytes->data, bytes->data + end, rest);
    bytes->len = rest;
    log->n += n;
    return TM_OK;
}

static tm_status add(tm_predict_log *log, tm_str records, tm_err *err) {
    if (!tm__buf_append(&log->bytes, records.ptr, records.len)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for answers on their way to the log");
    }
    return log_whole(log, err);
}

tm_status tm__predict_log_put(tm_predict_log *log, tm_str records, tm_err *err) {
    if (records.len == 0) {
        return TM_OK;
    }
    return log->file != NULL ? tm__file_write(log->file, records.ptr, records.len, err)
                             : add(log, records, err);
}

static tm_status read_back(tm_predict_log *log, tm_err *err) {
    tm_file *file = NULL;
    char *const piece = tm__mem_alloc(PIECE_BYTES, 1);
    tm_status st = piece == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory to read answers back")
                                 : tm__file_open(log->beside, TM_OPEN_READ, &file, err);
    for (size_t len = 1; st == TM_OK && len > 0;) {
        st = tm__file_read(file, piece, PIECE_BYTES, &len, err);
        st = st == TM_OK && len > 0 ? add(log, (tm_str){piece, len}, err) : st;
    }
    if (st == TM_OK && log->bytes.len > 0) {
        st = TM_FAIL(err, TM_E_IO, "'%s' ends within an answer", log->beside);
    }
    tm__file_close(file);
    tm__mem_free(piece);
    return st;
}

tm_status tm__predict_log_finish(tm_predict_log *log, uint64_t *out_n, tm_err *err) {
    if (log->file != NULL) {
        tm__file_close(log->file);
        log->file = NULL;
        log->is_read = true;
        TM_TRY(read_back(log, err));
    }
    *out_n = log->n;
    return TM_OK;
}
