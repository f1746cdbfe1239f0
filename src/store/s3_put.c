/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   one part    PUT key
 *   more        POST key?uploads= ── id ──> PUT key?partNumber=1&uploadId=id, ... ──> POST
 * key?uploadId=id └─ a failure ──> DELETE key?uploadId=id
 *
 * Part sizes and their number are those of S3's documentation ("Amazon S3 multipart upload
 * limits").
 */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/s3_priv.h"

#define PART_BYTES ((uint64_t)8 << 20)
#define PARTS_MAX 10000u
#define ANSWER_BYTES_MAX ((uint64_t)64 << 10)
#define UPLOAD_ID_MAX 1024u

typedef struct upload {
    tm_s3 *s3;
    const tm_s3_place *place;
    tm_file *file;
    uint64_t left_bytes, part_bytes;
    unsigned char *part; /* [part_bytes] */
    tm_buf id;           /* encoded */
    tm_buf parts;        /* XML of CompleteMultipartUpload */
    tm_s3_answer answer;
} upload;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while putting an object");
}

static tm_status ask(upload *u, const char *method, const char *query, tm_str body, tm_err *err) {
    const tm_s3_request request = {.bucket = u->place->bucket,
                                   .key = u->place->key,
                                   .query = query,
                                   .method = method,
                                   .body = body};
    return tm__s3_ask(u->s3, &request, &u->answer, err);
}

static tm_status read_part(upload *u, tm_str *out, tm_err *err) {
    const size_t want = (size_t)(u->left_bytes < u->part_bytes ? u->left_bytes : u->part_bytes);
    size_t n = 0;
    TM_TRY(tm__file_read(u->file, u->part, want, &n, err));
    if (n != want) {
        return TM_FAIL(err, TM_E_IO, "a file became shorter while it was sent to bucket '%s'",
                       u->place->bucket);
    }
    u->left_bytes -= n;
    *out = (tm_str){(const char *)u->part, n};
    return TM_OK;
}

/* ---- Parts ---- */

static tm_status strange(const upload *u, tm_err *err) {
    const tm_status st = TM_FAIL(
        err, TM_E_DATA, "bucket '%s' answers an upload with something else", u->place->bucket);
    tm_err_hint(err, "Look whether endpoint_url leads to a server that speaks S3.");
    return st;
}

static const char *text_of(const upload *u) {
    return u->answer.body.len == 0 ? "" : (const char *)u->answer.body.data;
}

/* The text of an element that stands once. */
static bool text_between(const char *body, const char *open, const char *close, tm_buf *out) {
    const char *at = strstr(body, open);
    at = at == NULL ? NULL : at + strlen(open);
    const char *const end = at == NULL ? NULL : strstr(at, close);
    if (end == NULL || end == at || (size_t)(end - at) > UPLOAD_ID_MAX) {
        return false;
    }
    return tm__s3_encode(out, (tm_str){at, (size_t)(end - at)}, false);
}

static tm_status begin(upload *u, tm_err *err) {
    TM_TRY(ask(u, "POST", "uploads=", (tm_str){NULL, 0}, err));
    if (!text_between(text_of(u), "<UploadId>", "</UploadId>", &u->id)) {
        return u->id.failed ? no_memory(err) : strange(u, err);
    }
    return TM_OK;
}

static tm_status put_part(upload *u, uint32_t number, tm_err *err) {
    tm_str body = {NULL, 0};
    tm_buf query;
    TM_TRY(read_part(u, &body, err));
    tm__buf_init(&query, 4 * UPLOAD_ID_MAX);
    const bool is_written =
        tm__buf_printf(&query, "partNumber=%u&uploadId=%s", number, (const char *)u->id.data);
    tm_status st = is_written ? ask(u, "PUT", (const char *)query.data, body, err) : no_memory(err);
    tm__buf_done(&query);
    if (st == TM_OK && (u->answer.etag[0] == '\0' || strpbrk(u->answer.etag, "<&>") != NULL)) {
        st = strange(u, err);
    }
    if (st == TM_OK) {
        tm__buf_printf(&u->parts, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", number,
                       u->answer.etag);
    }
    return st;
}

/* Has the answer said so? S3 may begin one with 200 and fail then. */
static tm_status complete(upload *u, const char *query, tm_err *err) {
    if (!tm__buf_text(&u->parts, "</CompleteMultipartUpload>")) {
        return no_memory(err);
    }
    TM_TRY(ask(u, "POST", query, (tm_str){(const char *)u->parts.data, u->parts.len}, err));
    return strstr(text_of(u), "<CompleteMultipartUploadResult") != NULL ? TM_OK : strange(u, err);
}

static tm_status put_parts(upload *u, tm_err *err) {
    TM_TRY(begin(u, err));
    tm_buf query;
    tm__buf_init(&query, 4 * UPLOAD_ID_MAX);
    (void)tm__buf_text(&u->parts, "<CompleteMultipartUpload>");
    tm_status st =
        tm__buf_printf(&query, "uploadId=%s", (const char *)u->id.data) ? TM_OK : no_memory(err);
    for (uint32_t number = 1; st == TM_OK && u->left_bytes > 0; number++) {
        st = put_part(u, number, err);
    }
    st = st == TM_OK ? complete(u, (const char *)query.data, err) : st;
    if (st != TM_OK && !query.failed) {
        const tm_status left = ask(u, "DELETE", (const char *)query.data, (tm_str){NULL, 0}, NULL);
        (void)left; /* a bucket's lifecycle rule ends what nobody could */
    }
    tm__buf_done(&query);
    return st;
}

/* ---- Both ---- */

static tm_status put_whole(upload *u, tm_err *err) {
    tm_str body = {NULL, 0};
    TM_TRY(read_part(u, &body, err));
    return ask(u, "PUT", NULL, body, err);
}

tm_status tm__s3_put(tm_s3 *s3, const tm_s3_place *place, const char *path, tm_err *err) {
    upload u = {.s3 = s3,
                .place = place,
                .left_bytes = tm__fs_info(path).size_bytes,
                .part_bytes = s3->options.part_bytes == 0 ? PART_BYTES : s3->options.part_bytes};
    if (u.left_bytes / u.part_bytes >= PARTS_MAX) {
        return TM_FAIL(err, TM_E_LIMIT, "a file of %llu bytes is too large for bucket '%s'",
                       (unsigned long long)u.left_bytes, place->bucket);
    }
    TM_TRY(tm__file_open(path, TM_OPEN_READ, &u.file, err));
    const uint64_t size = u.left_bytes < u.part_bytes ? u.left_bytes : u.part_bytes;
    u.part = tm__mem_alloc((size_t)size + 1, 1);
    tm__buf_init(&u.id, 4 * UPLOAD_ID_MAX);
    tm__buf_init(&u.parts, (size_t)PARTS_MAX * 256);
    tm__s3_answer_init(&u.answer, ANSWER_BYTES_MAX);
    const bool is_one = u.left_bytes <= u.part_bytes;
    const tm_status st = u.part == NULL ? no_memory(err)
                         : is_one       ? put_whole(&u, err)
                                        : put_parts(&u, err);
    tm__s3_answer_done(&u.answer);
    tm__buf_done(&u.parts);
    tm__buf_done(&u.id);
    tm__mem_free(u.part);
    tm__file_close(u.file);
    return st;
}
