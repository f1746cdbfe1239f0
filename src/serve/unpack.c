/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unpacking stops at the limit of a body, and at a hundred times what came: JSON and CSV pack to a
 * tenth, so what grows more is made to. Memory beside the result is that of one window: zstd's may
 * be 8 MiB. zlib is a module, as for files: few servers ever see gzip.
 */
#include "serve/unpack.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"
#include "base/module.h"

#define RATIO_MAX 100u
#define SMALL_BYTES 65536u /* may grow to this whatever came */
#define STEP_BYTES 65536u
#define ZSTD_WINDOW_LOG 23
#define ANY_WINDOW (15 + 32) /* of gzip or zlib, whichever it is */

typedef enum outcome { DONE, DAMAGED, TOO_LARGE, NO_MEMORY, NO_LIBRARY } outcome;

static bool is_coding(const tm_exchange *x, const char *name) {
    return tm__str_is_nocase(x->http->fields[TM_HTTP_CONTENT_ENCODING], name);
}

bool tm__unpack_is_needed(const tm_exchange *x) {
    const tm_str coding = x->http->fields[TM_HTTP_CONTENT_ENCODING];
    return coding.len > 0 && !is_coding(x, "identity") && x->http->has_body;
}

/* Room for the next step; NULL when there is none, or none is allowed. */
static uint8_t *step(tm_buf *out, size_t most, size_t *out_len, outcome *why) {
    const size_t left = most - out->len + 1; /* one byte beyond says that there is more */
    *out_len = left < STEP_BYTES ? left : STEP_BYTES;
    uint8_t *const to = out->len > most ? NULL : tm__buf_reserve(out, *out_len);
    *why = out->len > most ? TOO_LARGE : NO_MEMORY;
    return to;
}

static outcome unpack_zstd(const tm_buf *from, tm_buf *out, size_t most) {
    ZSTD_DCtx *const d = ZSTD_createDCtx();
    ZSTD_inBuffer in = {from->data, from->len, 0};
    outcome result = d == NULL ? NO_MEMORY : DONE;
    size_t left = 1, n = 0;
    if (d != NULL) {
        (void)ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
    }
    while (result == DONE && (in.pos < in.size || left != 0)) {
        outcome why = DONE;
        uint8_t *const to = step(out, most, &n, &why);
        if (to == NULL) {
            result = why;
            break;
        }
        ZSTD_outBuffer o = {to, n, 0};
        const size_t before = in.pos;
        left = ZSTD_decompressStream(d, &o, &in);
        if (ZSTD_isError(left)) {
            result = ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? NO_MEMORY : DAMAGED;
        } else if (o.pos == 0 && in.pos == before) {
            result = DAMAGED; /* it is cut short */
        } else {
            out->len += o.pos;
        }
    }
    (void)ZSTD_freeDCtx(d);
    return result;
}

typedef struct zlib_api {
    __typeof__(&inflateInit2_) init;
    __typeof__(&inflate) run;
    __typeof__(&inflateEnd) end;
} zlib_api;

static outcome open_zlib(tm_module **out_module, zlib_api *out) {
    static const char *const names[] = {"inflateInit2_", "inflate", "inflateEnd"};
    tm_module_fn fns[3] = {NULL};
    const tm_status st = tm__module_open("libz.so.1", out_module, NULL);
    if (st != TM_OK) {
        return st == TM_E_NOMEM ? NO_MEMORY : NO_LIBRARY;
    }
    for (size_t i = 0; i < 3; i++) {
        fns[i] = tm__module_find(*out_module, names[i]);
        if (fns[i] == NULL) {
            return NO_LIBRARY;
        }
    }
    memcpy(out, fns, sizeof(*out));
    return DONE;
}

static outcome inflate_all(const zlib_api *api, z_stream *z, tm_buf *out, size_t most) {
    for (int code = Z_OK; code != Z_STREAM_END;) {
        outcome why = DONE;
        size_t n = 0;
        uint8_t *const to = step(out, most, &n, &why);
        if (to == NULL) {
            return why;
        }
        z->next_out = to;
        z->avail_out = (uInt)n;
        code = api->run(z, Z_NO_FLUSH);
        out->len += n - z->avail_out;
        if (code == Z_MEM_ERROR) {
            return NO_MEMORY;
        }
        if (code != Z_OK && code != Z_STREAM_END) {
            return DAMAGED; /* also where nothing moves: it is cut short */
        }
    }
    return z->avail_in == 0 ? DONE : DAMAGED;
}

static outcome unpack_zlib(const tm_buf *from, tm_buf *out, size_t most) {
    tm_module *module = NULL;
    zlib_api api = {0};
    z_stream z = {.next_in = from->data, .avail_in = (uInt)from->len};
    outcome result = open_zlib(&module, &api);
    if (result == DONE && api.init(&z, ANY_WINDOW, ZLIB_VERSION, (int)sizeof z) != Z_OK) {
        result = NO_MEMORY;
    } else if (result == DONE) {
        result = inflate_all(&api, &z, out, most);
        (void)api.end(&z);
    }
    tm__module_close(module);
    return result;
}

static bool refuse(tm_exchange *x, outcome why) {
    switch (why) {
    case DAMAGED:
        tm__problem_reply(x, 400, "bad-packing",
                          "the body is not what its Content-Encoding says, or is cut short", NULL);
        break;
    case TOO_LARGE:
        tm__problem_reply(
            x, 413, "too-large",
            "the body unpacks to more bytes than are taken, or to more than a hundred "
            "times what came",
            "Send fewer rows at once.");
        break;
    case NO_LIBRARY:
        tm__problem_reply(x, 415, "content-encoding", "this server cannot unpack gzip",
                          "Send zstd, or no Content-Encoding.");
        break;
    default:
        tm__problem_reply(x, 503, "out-of-memory", "out of memory", NULL);
        break;
    }
    return false;
}

bool tm__unpack_body(tm_exchange *x) {
    tm_buf *const body = &x->http->body;
    const bool is_zlib = is_coding(x, "gzip") || is_coding(x, "x-gzip") || is_coding(x, "deflate");
    if (!tm__unpack_is_needed(x)) {
        return true;
    }
    if (!is_zlib && !is_coding(x, "zstd")) {
        tm__problem_reply(x, 415, "content-encoding", "the body is packed in a way not known here",
                          "Send gzip, deflate, zstd, or no Content-Encoding.");
        return false;
    }
    const size_t grown = body->len < SMALL_BYTES / RATIO_MAX ? SMALL_BYTES : body->len * RATIO_MAX;
    const size_t most = grown < x->limits->body_bytes_max ? grown : x->limits->body_bytes_max;
    tm_buf out;
    tm__buf_init(&out, most + 2);
    outcome result = is_zlib ? unpack_zlib(body, &out, most) : unpack_zstd(body, &out, most);
    result = result == DONE && out.len > most ? TOO_LARGE : result;
    if (result == DONE && !tm__buf_append(&out, "", 0)) { /* a NUL behind the last byte */
        result = NO_MEMORY;
    }
    if (result != DONE) {
        tm__buf_done(&out);
        return refuse(x, result);
    }
    tm__buf_done(body);
    *body = out;
    body->size_max = (size_t)x->limits->body_bytes_max + 1;
    return true;
}
