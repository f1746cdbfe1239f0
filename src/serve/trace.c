/* SPDX-License-Identifier: Apache-2.0 */
/* W3C trace context, level 1: "00-" 32 hex "-" 16 hex "-" 2 hex, lower case, ids not all zero. */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "serve/serve_priv.h"

#define TRACE_AT 3u
#define SPAN_AT 36u
#define FLAGS_AT 53u
#define LEN 55u

static bool is_hex(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(tm__is_digit(p[i]) || (p[i] >= 'a' && p[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_zero(const char *p, size_t n) {
    return strspn(p, "0") >= n;
}

void tm__trace_init(tm_trace *trace, tm_str t) {
    trace->trace_id[0] = '\0';
    /* A later version may add fields behind; its first four are these. */
    if (t.len < LEN || t.ptr[2] != '-' || t.ptr[SPAN_AT - 1] != '-' || t.ptr[FLAGS_AT - 1] != '-' ||
        !is_hex(t.ptr, 2) || strncmp(t.ptr, "ff", 2) == 0 ||
        (strncmp(t.ptr, "00", 2) == 0 ? t.len != LEN : t.len > LEN && t.ptr[LEN] != '-') ||
        !is_hex(t.ptr + TRACE_AT, 32) || is_zero(t.ptr + TRACE_AT, 32) ||
        !is_hex(t.ptr + SPAN_AT, 16) || is_zero(t.ptr + SPAN_AT, 16) ||
        !is_hex(t.ptr + FLAGS_AT, 2)) {
        return;
    }
    uint64_t span = 0;
    while (span == 0) {
        tm__random_bytes(&span, sizeof span);
    }
    memcpy(trace->trace_id, t.ptr + TRACE_AT, 32);
    trace->trace_id[32] = '\0';
    (void)snprintf(trace->span_id, sizeof trace->span_id, "%016llx", (unsigned long long)span);
    memcpy(trace->flags, t.ptr + FLAGS_AT, 2);
    trace->flags[2] = '\0';
}
