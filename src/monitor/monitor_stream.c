/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: who answered and in which columns, once for all answers that share it. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"

static void stream_free(tm_stream *stream) {
    if (stream != NULL) {
        tm__mem_free(stream->route);
        tm__mem_free(stream->arm);
        tm__mem_free(stream->model);
        tm__mem_free(stream->columns);
        tm__mem_free(stream);
    }
}

void tm__streams_free(tm_stream *streams) {
    for (tm_stream *next = NULL; streams != NULL; streams = next) {
        next = streams->next;
        stream_free(streams);
    }
}

tm_stream *tm__stream_find(tm_stream **streams, const tm_stream *spec) {
    for (tm_stream *stream = *streams; stream != NULL; stream = stream->next) {
        if (stream->version == spec->version && strcmp(stream->model, spec->model) == 0 &&
            strcmp(stream->route, spec->route) == 0 && strcmp(stream->arm, spec->arm) == 0 &&
            stream->share == spec->share && strcmp(stream->columns, spec->columns) == 0) {
            return stream;
        }
    }
    tm_stream *stream = tm__mem_zalloc(1, sizeof(*stream));
    if (stream == NULL) {
        return NULL;
    }
    stream->route = tm__mem_strdup(spec->route);
    stream->arm = tm__mem_strdup(spec->arm);
    stream->model = tm__mem_strdup(spec->model);
    stream->columns = tm__mem_strdup(spec->columns);
    stream->version = spec->version;
    stream->n_columns = spec->n_columns;
    stream->share = spec->share;
    if (stream->route == NULL || stream->arm == NULL || stream->model == NULL ||
        stream->columns == NULL) {
        stream_free(stream);
        return NULL;
    }
    stream->next = *streams;
    *streams = stream;
    return stream;
}

tm_status tm__stream_of(tm_stream **streams, const tm_stream_spec *spec, tm_stream **out,
                        tm_err *err) {
    tm_buf columns;
    tm__buf_init(&columns, SIZE_MAX / 2);
    tm__buf_byte(&columns, '[');
    for (uint32_t i = 0; i < spec->n_columns; i++) {
        tm__buf_text(&columns, i == 0 ? "" : ",");
        tm__json_write_text(&columns, tm__str(spec->columns[i]));
    }
    tm__buf_byte(&columns, ']');
    tm_stream *stream = NULL;
    if (!columns.failed) {
        const tm_stream parts = {.route = (char *)(uintptr_t)spec->route,
                                 .arm = (char *)(uintptr_t)(spec->arm != NULL ? spec->arm : ""),
                                 .share = 1,
                                 .model = (char *)(uintptr_t)spec->model,
                                 .columns = (char *)columns.data,
                                 .version = spec->version,
                                 .n_columns = spec->n_columns};
        stream = tm__stream_find(streams, &parts);
    }
    tm__buf_done(&columns);
    if (stream == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    *out = stream;
    return TM_OK;
}

tm_status tm__monitor_stream(tm_monitor *monitor, const tm_stream_spec *spec, tm_stream **out,
                             tm_err *err) {
    tm__mutex_lock(monitor->mutex);
    const tm_status st = tm__stream_of(&monitor->streams, spec, out, err);
    if (st == TM_OK && (*out)->lane == NULL) {
        (*out)->lane = tm__lane_of_locked(monitor, spec->model);
    }
    tm__mutex_unlock(monitor->mutex);
    return st;
}

/* ---- Columns of a stream, for reading ---- */

void tm__columns_free(tm_columns *list) {
    for (tm_columns *next = NULL; list != NULL; list = next) {
        next = list->next;
        json_decref(list->list);
        json_decref(list->places);
        tm__mem_free(list->names);
        tm__mem_free(list->cells);
        tm__mem_free(list);
    }
}

uint32_t tm__columns_find(const tm_columns *columns, const char *name) {
    const json_t *place = json_object_get(columns->places, name);
    return place == NULL ? UINT32_MAX : (uint32_t)json_integer_value(place);
}

static tm_status columns_parse(tm_columns *columns, const char *text, tm_err *err) {
    TM_TRY(tm__json_parse(text, strlen(text), TM_MAX_JSON_DEPTH, &columns->list, err));
    columns->n = (uint32_t)json_array_size(columns->list);
    columns->places = json_object();
    columns->names = tm__mem_zalloc(columns->n, sizeof(*columns->names));
    columns->cells = tm__mem_zalloc(columns->n, sizeof(*columns->cells));
    if (columns->names == NULL || columns->cells == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < columns->n; i++) {
        columns->names[i] = json_string_value(json_array_get(columns->list, i));
        if (columns->names[i] == NULL) {
            return TM_FAIL(err, TM_E_INTEGRITY, "the log has a stream with damaged columns");
        }
        (void)json_object_set_new(columns->places, columns->names[i], json_integer(i));
    }
    return json_object_size(columns->places) == columns->n
               ? TM_OK
               : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status columns_read(tm_block *block, tm_columns *columns, tm_err *err) {
    tm_stmt *stmt = NULL;
    columns->stream = block->stream;
    TM_TRY(tm__stmt_init(block->db, "SELECT columns FROM streams WHERE id = ?", &stmt, err));
    tm__stmt_bind_i64(stmt, 1, block->stream);
    bool has_row = false;
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        st = has_row ? columns_parse(columns, tm__stmt_text(stmt, 0), err)
                     : TM_FAIL(err, TM_E_INTEGRITY, "the log lacks a stream of answers");
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__columns_of(tm_block *block, tm_columns **list, const tm_columns **out, tm_err *err) {
    for (const tm_columns *columns = *list; columns != NULL; columns = columns->next) {
        if (columns->stream == block->stream) {
            *out = columns;
            return TM_OK;
        }
    }
    tm_columns *columns = tm__mem_zalloc(1, sizeof(*columns));
    if (columns == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    columns->next = *list;
    *list = columns;
    *out = columns;
    return columns_read(block, columns, err);
}
