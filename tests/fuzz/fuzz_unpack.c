/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packed bodies: the first byte says how the rest is packed. What comes out is within the limits,
 * or a refusal with a status of its own; a second time gives the same.
 */
#include <stdlib.h>
#include <string.h>

#include "serve/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define BODY_BYTES_MAX 200000u

static const char *const codings[] = {"gzip", "deflate", "zstd", "x-gzip", "identity", "br"};

typedef struct outcome {
    bool ok;
    unsigned status;
    tm_hash hash;
    size_t len;
} outcome;

static void need(int is_so) {
    if (!is_so) {
        abort();
    }
}

static outcome unpack(const char *coding, const uint8_t *data, size_t len) {
    const tm_serve_limits limits = {.body_bytes_max = BODY_BYTES_MAX};
    tm_http http = {.limits = &limits, .has_body = true};
    tm_exchange x = {.limits = &limits, .http = &http};
    outcome out = {false, 0, {{0}}, 0};
    http.fields[TM_HTTP_CONTENT_ENCODING] = tm__str(coding);
    tm__buf_init(&http.body, BODY_BYTES_MAX);
    tm__buf_init(&x.reply, 100000);
    if (tm__buf_append(&http.body, data, len)) {
        out.ok = tm__unpack_body(&x);
        out.status = x.status;
        out.len = http.body.len;
        tm__hash_bytes(http.body.data, http.body.len, &out.hash);
        if (out.ok) {
            need(x.status == 0 && http.body.len <= BODY_BYTES_MAX);
            need(http.body.len <= 65536 || http.body.len <= len * 100);
        } else {
            need(x.status == 400 || x.status == 413 || x.status == 415);
        }
    }
    tm__buf_done(&http.body);
    tm__buf_done(&x.reply);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0 || len > BODY_BYTES_MAX) {
        return 0;
    }
    const char *coding = codings[data[0] % (sizeof codings / sizeof codings[0])];
    const outcome once = unpack(coding, data + 1, len - 1);
    const outcome again = unpack(coding, data + 1, len - 1);
    need(once.ok == again.ok && once.status == again.status && once.len == again.len);
    need(tm__hash_eq(&once.hash, &again.hash));
    return 0;
}
