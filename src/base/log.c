/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/net.h"
#include "base/str.h"

#define LINE_BYTES_MAX 65536u

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static void append_value(tm_buf *line, const tm_log_field *field) {
    char number[32];
    switch (field->kind) {
    case TM_FIELD_TEXT:
        (void)tm__json_write_text(line, tm__str(field->text));
        break;
    case TM_FIELD_I64:
        (void)tm__buf_printf(line, "%lld", (long long)field->i64);
        break;
    case TM_FIELD_F64:
        if (isfinite(field->f64)) {
            (void)tm__f64_to_text(field->f64, number);
            (void)tm__buf_text(line, number);
        } else {
            (void)tm__buf_text(line, "null");
        }
        break;
    }
}

static void append_json(tm_buf *line, const char *time, tm_log_level level, const char *event,
                        const tm_log_field *fields, uint32_t n_fields) {
    (void)tm__buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", time,
                         level_names[level]);
    (void)tm__json_write_text(line, tm__str(event));
    for (uint32_t i = 0; i < n_fields; i++) {
        (void)tm__buf_byte(line, ',');
        (void)tm__json_write_text(line, tm__str(fields[i].name));
        (void)tm__buf_byte(line, ':');
        append_value(line, &fields[i]);
    }
    (void)tm__buf_text(line, "}\n");
}

static void append_text(tm_buf *line, const char *time, tm_log_level level, const char *event,
                        const tm_log_field *fields, uint32_t n_fields) {
    (void)tm__buf_printf(line, "%s %-5s %s", time, level_names[level], event);
    for (uint32_t i = 0; i < n_fields; i++) {
        (void)tm__buf_printf(line, " %s=", fields[i].name);
        append_value(line, &fields[i]);
    }
    (void)tm__buf_byte(line, '\n');
}

/* One write a line, so that lines of several threads and processes do not mix. */
static void write_line(int fd, const uint8_t *bytes, size_t len) {
    while (len > 0) {
        const ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return; /* There is nowhere to report that a log cannot be written. */
        }
        bytes += n;
        len -= (size_t)n;
    }
}

void tm__log_write(const tm_log *log, tm_log_level level, const char *event,
                   const tm_log_field *fields, uint32_t n_fields) {
    if (log == NULL || level > log->level) {
        return;
    }
    char time[40];
    (void)tm__time_to_text(tm__now_us(), time);
    tm_buf line;
    tm__buf_init(&line, LINE_BYTES_MAX);
    if (tm__tty_is(log->fd)) {
        append_text(&line, time, level, event, fields, n_fields);
    } else {
        append_json(&line, time, level, event, fields, n_fields);
    }
    if (line.failed) { /* a line too long, or no memory: that one was lost, without any */
        char lost[128];
        const int len =
            snprintf(lost, sizeof(lost),
                     "{\"time\":\"%s\",\"level\":\"error\",\"event\":\"log.lost\"}\n", time);
        write_line(log->fd, (const uint8_t *)lost, len > 0 ? (size_t)len : 0);
    } else {
        write_line(log->fd, line.data, line.len);
    }
    tm__buf_done(&line);
}
