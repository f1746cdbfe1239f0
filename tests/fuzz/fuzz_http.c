/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a connection: whatever comes, and however it is cut, the same requests come out. The
 * first byte says how it is cut.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "serve/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

/* Everything that a caller sees, as one hash. */
static void run(const char *data, size_t len, size_t step, tm_hash *out) {
    const tm_serve_limits from = {
        .header_bytes_max = 2048, .body_bytes_max = 4096, .chunks_max = 64, .headers_max = 20};
    tm_serve_limits limits;
    tm__serve_limits_init(&limits, &from);
    tm_http http;
    tm_hasher hasher;
    tm__hasher_init(&hasher);
    tm__http_init(&http, &limits);
    size_t pos = 0;
    uint32_t n_requests = 0;
    while (http.state != TM_HTTP_BROKEN && n_requests < 64) {
        const size_t n = len - pos < step ? len - pos : step;
        const tm_http_state before = http.state;
        const size_t used = tm__http_feed(&http, data + pos, n);
        must(used <= n);
        pos += used;
        if (http.state == TM_HTTP_DONE) {
            must(http.body.len <= limits.body_bytes_max);
            must(http.path.len > 0 && http.path.ptr[0] == '/');
            tm__hasher_update(&hasher, http.path.ptr, http.path.len);
            tm__hasher_update(&hasher, http.query.ptr, http.query.len);
            tm__hasher_update(&hasher, http.body.data, http.body.len);
            tm__hasher_update(&hasher, &http.method, sizeof http.method);
            char decoded[64];
            (void)tm__http_decode(http.path, decoded, sizeof decoded);
            tm__http_next(&http);
            n_requests++;
        } else if (used == 0 && n == 0 && http.state == before) {
            break;
        }
    }
    const uint8_t end[] = {(uint8_t)http.state, (uint8_t)(http.status >> 8), (uint8_t)http.status,
                           (uint8_t)n_requests};
    tm__hasher_update(&hasher, end, sizeof end);
    tm__hasher_final(&hasher, out);
    tm__http_done(&http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len < 1) {
        return 0;
    }
    tm_hash whole;
    tm_hash cut;
    run((const char *)data + 1, len - 1, len, &whole);
    run((const char *)data + 1, len - 1, (size_t)data[0] % 37 + 1, &cut);
    must(tm__hash_eq(&whole, &cut));
    return 0;
}
