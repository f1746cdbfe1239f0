/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of a query. */
#include "base/clock.h"
#include "base/limits.h"
#include "serve/handle.h"

#define MOMENT_MAX 65u /* with NUL: of a time or a duration */

bool tm__handle_text(tm_exchange *x, const char *name, char *out, size_t size) {
    const tm_str text = tm__http_query(x->http->query, name);
    out[0] = '\0';
    if (text.ptr == NULL || tm__http_decode(text, out, size)) {
        return true;
    }
    tm__problem_reply(x, 400, "bad-request", "a parameter of the query is not a short text", NULL);
    return false;
}

bool tm__handle_moment(tm_exchange *x, const char *name, int64_t *out_us) {
    char text[MOMENT_MAX];
    if (!tm__handle_text(x, name, text, sizeof(text))) {
        return false;
    }
    if (text[0] == '\0' || tm__moment_parse(tm__str(text), out_us)) {
        return true;
    }
    tm__problem_reply(x, 400, "bad-request",
                      "a parameter of the query is neither a time nor a "
                      "duration",
                      "Say 2024-05-01T12:00:00Z, 14:05, or how long ago: 12h, 7d.");
    return false;
}

bool tm__handle_number(tm_exchange *x, const char *name, uint32_t *out) {
    const tm_str text = tm__http_query(x->http->query, name);
    uint64_t number = 0;
    if (text.ptr == NULL) {
        return true;
    }
    if (tm__str_to_u64(text, &number) && number > 0 && number <= UINT32_MAX) {
        *out = (uint32_t)number;
        return true;
    }
    tm__problem_reply(x, 400, "bad-request", "a parameter of the query is not a number from 1",
                      NULL);
    return false;
}

bool tm__handle_has(const char *text, const char *part) {
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (part[i] != '\0' && tm__lower(text[i]) == tm__lower(part[i])) {
            i++;
        }
        if (part[i] == '\0') {
            return true;
        }
    }
    return part[0] == '\0';
}

bool tm__handle_page_of(tm_exchange *x, tm_list_page *out) {
    *out = (tm_list_page){.from = 1, .count = UINT32_MAX};
    return tm__handle_text(x, "find", out->find, sizeof(out->find)) &&
           tm__handle_number(x, "from", &out->from) && tm__handle_number(x, "count", &out->count);
}

size_t tm__handle_cut(const tm_list_page *page, json_t *io) {
    const size_t n = json_array_size(io);
    const size_t first = page->from - 1;
    const size_t end = first + (size_t)page->count;
    for (size_t i = n; i > 0; i--) {
        if (i - 1 < first || i - 1 >= end) {
            json_array_remove(io, i - 1);
        }
    }
    return n;
}
