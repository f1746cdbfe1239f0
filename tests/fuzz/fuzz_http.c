/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a connection. How they are cut into pieces must not matter: the same requests come
 * out, and the same refusal. The first byte is the size of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "serve/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUESTS_MAX 64u

/* Hash of all that the connection said. */
static void read_all(const tm_serve_limits *limits, const char *data, size_t len, size_t step,
                     tm_hash *out) {
    tm_http http;
    tm_hasher hasher;
    size_t used = 0;
    tm__hasher_init(&hasher);
    tm__http_init(&http, limits);
    for (uint32_t n = 0; n < REQUESTS_MAX;) {
        if (http.state == TM_HTTP_READY) {
            (void)tm__http_feed(&http, data + used, 0);
        }
        if (http.state == TM_HTTP_DONE) {
            char path[256];
            tm__hasher_update(&hasher, http.path.ptr, http.path.len);
            tm__hasher_update(&hasher, http.query.ptr, http.query.len);
            tm__hasher_update(&hasher, http.body.data, http.body.len);
            tm__hasher_update(&hasher, &used, sizeof(used));
            (void)tm__http_decode(http.path, path, sizeof(path));
            (void)tm__http_query(http.query, "explain");
            tm__http_next(&http);
            n++;
            continue;
        }
        const size_t left = len - used;
        if (http.state == TM_HTTP_BROKEN || left == 0) {
            break;
        }
        used += tm__http_feed(&http, data + used, left < step ? left : step);
    }
    tm__hasher_update(&hasher, &http.state, sizeof(http.state));
    tm__hasher_update(&hasher, &http.status, sizeof(http.status));
    tm__hasher_final(&hasher, out);
    tm__http_done(&http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const tm_serve_limits from = {.header_bytes_max = 2048, .body_bytes_max = 4096};
    tm_serve_limits limits;
    tm_hash whole, pieces;
    tm__serve_limits_init(&limits, &from);
    if (len < 1) {
        return 0;
    }
    const char *bytes = (const char *)data + 1;
    read_all(&limits, bytes, len - 1, len, &whole);
    read_all(&limits, bytes, len - 1, (size_t)data[0] % 17 + 1, &pieces);
    if (!tm__hash_eq(&whole, &pieces)) {
        abort();
    }
    return 0;
}
