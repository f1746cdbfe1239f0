/* SPDX-License-Identifier: Apache-2.0 */
#include "source/feed_watermark.h"

#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "table/table.h"

#define IDLE_S 60
#define AHEAD_US (INT64_C(86400) * 1000000)
#define SLACK 64u /* zeros behind a text that is scanned */

/* ---- Declared ---- */

static uint32_t field_of(const json_t *fields, const char *column) {
    for (size_t i = 0; i < json_array_size(fields); i++) {
        if (strcmp(json_string_value(json_array_get(fields, i)), column) == 0) {
            return (uint32_t)i;
        }
    }
    return UINT32_MAX;
}

tm_status tm__watermark_check(const json_t *spec, tm_err *err) {
    static const char *const others[] = {"lateness_s", "idle_s", "late"};
    const char *const column = tm__json_text(spec, "event_time", NULL);
    const char *const late = tm__json_text(spec, "late", "accept");
    const json_t *const fields = json_object_get(spec, "fields");
    for (size_t i = 0; column == NULL && i < sizeof(others) / sizeof(others[0]); i++) {
        if (json_object_get(spec, others[i]) != NULL) {
            const tm_status st =
                TM_FAIL(err, TM_E_USAGE, "what is late needs a column of event times");
            tm_err_hint(err, "Name it with --event-time COL.");
            return st;
        }
    }
    if (column != NULL && fields != NULL && field_of(fields, column) == UINT32_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "the event time '%.64s' is none of the fields", column);
    }
    return strcmp(late, "accept") == 0 || strcmp(late, "quarantine") == 0
               ? TM_OK
               : TM_FAIL(err, TM_E_USAGE, "late rows are for 'accept' or 'quarantine'");
}

void tm__watermark_init(tm_watermark *w, const json_t *spec, int64_t reached_us) {
    const char *const column = tm__json_text(spec, "event_time", NULL);
    const json_t *const fields = json_object_get(spec, "fields");
    *w = (tm_watermark){.column = column,
                        .keeps_out =
                            strcmp(tm__json_text(spec, "late", "accept"), "quarantine") == 0,
                        .lateness_us = tm__json_i64(spec, "lateness_s", 0) * 1000000,
                        .idle_us = tm__json_i64(spec, "idle_s", IDLE_S) * 1000000,
                        .field = column == NULL ? UINT32_MAX : field_of(fields, column),
                        .us = reached_us,
                        .holder = UINT32_MAX};
    tm__buf_init(&w->line, (size_t)TM_MAX_BODY_BYTES + SLACK);
}

void tm__watermark_done(tm_watermark *w) {
    tm__mem_free(w->parts);
    tm__buf_done(&w->line);
}

/* ---- Times ---- */

/* Member of an object that stands in the line. */
static tm_str find_member(tm_watermark *w, char *at) {
    char *after = NULL;
    tm_str found = {NULL, 0};
    at = tm__scan_space(at);
    if (*at != '{') {
        return found;
    }
    for (char *m = tm__scan_enter(at, &after); m != NULL;) {
        tm_str name;
        char *const value = tm__scan_name(m, &name);
        const bool is_it = tm__str_is(name, w->column) && *value == '"';
        m = tm__scan_more(is_it ? tm__scan_string(value, &found) : tm__scan_skip(value), &after);
    }
    return found;
}

/* A field of a line of CSV, without its quotes. */
static tm_str find_field(const tm_watermark *w, tm_str line) {
    bool is_quoted = false;
    uint32_t field = 0;
    size_t start = 0, end = 0;
    for (size_t i = 0; i <= line.len; i++) {
        const bool is_end = i == line.len || (!is_quoted && line.ptr[i] == ',');
        is_quoted = i < line.len && line.ptr[i] == '"' ? !is_quoted : is_quoted;
        if (is_end && field++ == w->field) {
            end = i;
            break;
        }
        start = is_end ? i + 1 : start;
    }
    tm_str found =
        end > start ? tm__str_trim((tm_str){line.ptr + start, end - start}) : (tm_str){NULL, 0};
    if (found.len >= 2 && found.ptr[0] == '"' && found.ptr[found.len - 1] == '"') {
        found = (tm_str){found.ptr + 1, found.len - 2};
    }
    return found;
}

bool tm__watermark_time(tm_watermark *w, tm_str message, int64_t *out_us) {
    tm_scan_error ignored;
    tm_str text = {NULL, 0};
    *out_us = TM_INT_MISSING;
    if (message.len == 0 || message.len > TM_MAX_BODY_BYTES) {
        return true;
    }
    if (w->field != UINT32_MAX) {
        text = find_field(w, message);
    } else {
        tm__buf_reset(&w->line);
        uint8_t *const slack = tm__buf_append(&w->line, message.ptr, message.len)
                                   ? tm__buf_reserve(&w->line, SLACK)
                                   : NULL;
        if (slack == NULL) {
            return false;
        }
        memset(slack, 0, SLACK);
        char *const line = (char *)w->line.data;
        text = tm__scan_check(line, message.len, &ignored) ? find_member(w, line) : text;
    }
    if (text.ptr != NULL && !tm__time_parse(text, out_us)) {
        *out_us = TM_INT_MISSING;
    }
    return true;
}

/* ---- The watermark ---- */

tm_watermark_part *tm__watermark_part(tm_watermark *w, uint32_t part) {
    if (part >= w->capacity) {
        const uint32_t capacity = part < 16 ? 16 : part * 2;
        tm_watermark_part *const parts = tm__mem_realloc(w->parts, capacity, sizeof(*parts));
        if (parts == NULL) {
            return NULL;
        }
        w->parts = parts;
        w->capacity = capacity;
    }
    for (; w->n <= part; w->n++) {
        w->parts[w->n] = (tm_watermark_part){.newest_us = TM_INT_MISSING};
    }
    return &w->parts[part];
}

void tm__watermark_settle(tm_watermark *w, int64_t now_us) {
    int64_t least_us = INT64_MAX;
    uint32_t holder = UINT32_MAX;
    for (uint32_t i = 0; i < w->n; i++) {
        const tm_watermark_part *const p = &w->parts[i];
        const bool is_empty = p->newest_us == TM_INT_MISSING;
        const bool is_idle = p->at_end && (is_empty || now_us - p->heard_us >= w->idle_us);
        if (!p->is_ours || is_idle) {
            continue;
        }
        if (is_empty) {
            w->holder = i;
            return;
        }
        if (p->newest_us < least_us) {
            least_us = p->newest_us;
            holder = i;
        }
    }
    w->holder = holder;
    if (holder != UINT32_MAX) {
        int64_t us = 0;
        const bool is_far = __builtin_sub_overflow(least_us, w->lateness_us, &us);
        w->us = !is_far && us > w->us ? us : w->us; /* TM_INT_MISSING is the least */
    }
}

bool tm__watermark_see(tm_watermark *w, uint32_t part, int64_t time_us, int64_t now_us) {
    tm_watermark_part *const p = &w->parts[part];
    const bool was_idle = p->at_end;
    p->heard_us = now_us;
    p->at_end = false;
    if (time_us == TM_INT_MISSING || time_us > now_us + AHEAD_US) {
        return false;
    }
    const bool is_late = w->us != TM_INT_MISSING && time_us < w->us;
    if (p->newest_us == TM_INT_MISSING || time_us > p->newest_us) {
        p->newest_us = time_us;
        if (was_idle || w->holder == part || w->holder == UINT32_MAX) {
            tm__watermark_settle(w, now_us);
        }
    }
    return is_late;
}
