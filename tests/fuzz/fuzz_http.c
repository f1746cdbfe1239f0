/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a connection. How they are cut into pieces must not matter: the same requests come
 * out, and the same refusal at the same byte. The first two bytes seed the cuts; a bit of the first
 * one discards bodies. Limits are small, so that short inputs reach them.
 */
#include <stdlib.h>
#include <string.h>

#include "serve/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUESTS_MAX 64u

/* What a connection said, as bytes to compare. */
static void note(tm_buf *out, const void *data, size_t len) {
    tm__buf_u64(out, len);
    tm__buf_append(out, data, len);
}

static void note_text(tm_buf *out, tm_str text) {
    tm__buf_u8(out, text.ptr != NULL);
    note(out, text.ptr != NULL ? text.ptr : "", text.len);
}

static void note_request(tm_buf *out, const tm_http *http) {
    char path[256];
    const tm_str decoded = {path,
                            tm__http_decode(http->path, path, sizeof(path)) ? strlen(path) : 0};
    note_text(out, http->path);
    note_text(out, decoded);
    note_text(out, http->query);
    note_text(out, tm__http_query(http->query, "explain"));
    for (uint32_t i = 0; i < TM_HTTP_N_FIELDS; i++) {
        note_text(out, http->fields[i]);
    }
    tm__buf_u32(out, (uint32_t)http->method);
    tm__buf_u8(out, http->keep_alive);
    tm__buf_u8(out, http->expects_continue);
    tm__buf_u8(out, http->is_http10);
    tm__buf_u8(out, http->has_body);
    tm__buf_u64(out, http->length);
    tm__buf_u64(out, http->received);
    note(out, http->body.data, http->body.len);
}

/* Sizes of pieces: mostly a few bytes, at times many. seed 0: one piece. */
static size_t next_piece(uint32_t *seed, size_t left) {
    if (*seed == 0) {
        return left;
    }
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    const size_t piece = (*seed & 3) == 0 ? *seed >> 8 & 127 : *seed >> 8 & 7;
    return piece + 1 < left ? piece + 1 : left;
}

static void read_all(const tm_serve_limits *limits, const char *data, size_t len, uint32_t seed,
                     bool discard, tm_buf *out) {
    tm_http http;
    size_t used = 0;
    tm__http_init(&http, limits);
    for (uint32_t n = 0; n < REQUESTS_MAX;) {
        if (http.state == TM_HTTP_READY) {
            http.discard = discard;
            (void)tm__http_feed(&http, data + used, 0);
        }
        if (http.state == TM_HTTP_DONE) {
            note_request(out, &http);
            tm__buf_u64(out, used);
            tm__http_next(&http);
            n++;
            continue;
        }
        const size_t left = len - used;
        if (http.state == TM_HTTP_BROKEN || left == 0) {
            break;
        }
        used += tm__http_feed(&http, data + used, next_piece(&seed, left));
    }
    tm__buf_u32(out, (uint32_t)http.state);
    tm__buf_u32(out, http.status);
    note_text(out, http.state == TM_HTTP_BROKEN ? tm__str(http.reason) : TM_STR(""));
    tm__http_done(&http);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    const tm_serve_limits from = {.header_bytes_max = 384,
                                  .target_bytes_max = 64,
                                  .headers_max = 6,
                                  .body_bytes_max = 96,
                                  .chunks_max = 6};
    /* Kept from one input to the next: allocation is most of what a short input costs. */
    static tm_buf whole, pieces;
    tm_serve_limits limits;
    if (len < 2) {
        return 0;
    }
    if (whole.data == NULL) {
        tm__buf_init(&whole, 1u << 20);
        tm__buf_init(&pieces, 1u << 20);
    }
    tm__buf_reset(&whole);
    tm__buf_reset(&pieces);
    tm__serve_limits_init(&limits, &from);
    const char *bytes = (const char *)data + 2;
    const uint32_t seed = (uint32_t)data[0] << 8 | data[1] | 1u << 16;
    const bool discard = (data[0] & 128) != 0;
    read_all(&limits, bytes, len - 2, 0, discard, &whole);
    read_all(&limits, bytes, len - 2, seed, discard, &pieces);
    if (whole.len != pieces.len || memcmp(whole.data, pieces.data, whole.len) != 0) {
        abort();
    }
    return 0;
}
