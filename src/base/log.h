/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log line is an event name and fields, one JSON object a line on stderr (or logfmt-like text on
 * a terminal). error = a person must act, warn = worked around, info = a change of state, debug. No
 * user values, tokens or rows in any level. Only cli, serve and loop log above debug. Any thread.
 */
#ifndef TM_BASE_LOG_H
#define TM_BASE_LOG_H

#include <stdint.h>

typedef enum tm_log_level { TM_ERROR, TM_WARN, TM_INFO, TM_DEBUG } tm_log_level;

typedef struct tm_log_field {
    const char *name;
    enum { TM_FIELD_TEXT, TM_FIELD_I64, TM_FIELD_F64 } kind;
    const char *text;
    int64_t i64;
    double f64;
} tm_log_field;

#define TM_FT(n, v) ((tm_log_field){.name = (n), .kind = TM_FIELD_TEXT, .text = (v)})
#define TM_FI(n, v) ((tm_log_field){.name = (n), .kind = TM_FIELD_I64, .i64 = (int64_t)(v)})
#define TM_FF(n, v) ((tm_log_field){.name = (n), .kind = TM_FIELD_F64, .f64 = (v)})

typedef struct tm_log {
    tm_log_level level; /* lines above it are dropped */
    int fd;             /* 2 = stderr */
} tm_log;

void tm__log_write(const tm_log *log, tm_log_level level, const char *event,
                   const tm_log_field *fields, uint32_t n_fields);
/* tm_log_event(log, TM_INFO, "model.promoted", TM_FT("model", name), TM_FI("version", 3)) */
#define tm_log_event(log, level, event, ...)                                                       \
    tm__log_write((log), (level), (event), (tm_log_field[]){__VA_ARGS__},                          \
                  (uint32_t)(sizeof((tm_log_field[]){__VA_ARGS__}) / sizeof(tm_log_field)))

#endif
