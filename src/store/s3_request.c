/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, with its tries.
 *
 *   address ─> signed by libcurl ─> answer ── 200, 206 ──────────> body
 *      ^                              ├────── may pass by itself ─> wait (doubled, jittered), again
 *      └──────────────────────────────┴────── else ──────────────> what it means, with a hint
 *
 * 1. libcurl signs path and query as they are, so they are encoded and sorted here.
 * 2. Every header that is given to it is signed too.
 * 3. A body that is longer than asked for ends the try: no server fills memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/s3_priv.h"
#include "store/xml.h"

#define ERROR_BYTES_MAX ((size_t)64 << 10)
#define URL_BYTES_MAX ((size_t)16 << 10)
#define WAIT_MS_MAX 30000u
#define SLOW_BYTES 1024L /* a second: of less a part of 8 MiB would take hours */
#define SKEW_S_MAX 300   /* more is refused by servers at 900 */
/* SHA-256 of nothing: no request has a body. */
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* ---- Addresses ---- */

bool tm__s3_encode(tm_buf *out, tm_str text, bool keeps_slash) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = (uint8_t)text.ptr[i];
        const bool is_plain = tm__is_alnum((char)c) || c == '-' || c == '_' || c == '.' ||
                              c == '~' || (c == '/' && keeps_slash);
        if (is_plain) {
            (void)tm__buf_byte(out, c);
        } else {
            (void)tm__buf_byte(out, '%');
            (void)tm__buf_byte(out, (uint8_t)hex[c >> 4]);
            (void)tm__buf_byte(out, (uint8_t)hex[c & 15]);
        }
    }
    return !out->failed;
}

bool tm__s3_is_bucket(tm_str name) {
    if (name.len < 3 || name.len > 63) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool is_word = (c >= 'a' && c <= 'z') || tm__is_digit(c);
        const bool is_edge = i == 0 || i + 1 == name.len;
        const bool is_pair = c == '.' && i > 0 && name.ptr[i - 1] == '.';
        if (!is_word && (is_edge || is_pair || (c != '-' && c != '.'))) {
            return false;
        }
    }
    return true;
}

bool tm__s3_url(const tm_s3_credentials *credentials, const tm_s3_request *request, tm_buf *out) {
    /* A certificate for *.host does not hold for a name with a dot in it. */
    const bool is_path = credentials->is_path_style || strchr(request->bucket, '.') != NULL;
    const char *const scheme_end = strstr(credentials->endpoint, "://") + 3;
    if (is_path) {
        (void)tm__buf_printf(out, "%s/%s", credentials->endpoint, request->bucket);
    } else {
        (void)tm__buf_append(out, credentials->endpoint,
                             (size_t)(scheme_end - credentials->endpoint));
        (void)tm__buf_printf(out, "%s.%s", request->bucket, scheme_end);
    }
    (void)tm__buf_byte(out, '/');
    if (request->key != NULL) {
        (void)tm__s3_encode(out, tm__str(request->key), true);
    } else if (is_path) {
        /* Some servers sign /bucket and some /bucket/; without a slash all agree. */
        out->len--;
        out->data[out->len] = '\0';
    }
    if (request->query != NULL) {
        (void)tm__buf_printf(out, "?%s", request->query);
    }
    return !out->failed;
}

/* ---- What answers mean ---- */

typedef struct meaning {
    const char *code; /* of S3; NULL: any */
    long status;      /* 0: any */
    tm_status st;
    bool is_passing;
    const char *message; /* may name the bucket */
    const char *hint;
} meaning;

static const meaning meanings[] = {
    {"SignatureDoesNotMatch", 0, TM_E_NOT_ALLOWED, false,
     "the signature for bucket '%s' is wrong: the server has another secret key",
     "Compare aws_secret_access_key with the one of the server."},
    {"InvalidAccessKeyId", 0, TM_E_NOT_ALLOWED, false,
     "the server of bucket '%s' does not know the access key",
     "Look at aws_access_key_id and endpoint_url in the file of credentials."},
    {"ExpiredToken", 0, TM_E_NOT_ALLOWED, false, "the session token for bucket '%s' has expired",
     "Write a fresh aws_session_token into the file of credentials."},
    {"InvalidToken", 0, TM_E_NOT_ALLOWED, false,
     "the server of bucket '%s' does not take the session token",
     "Look at aws_session_token in the file of credentials; keys that last need none."},
    {"NotImplemented", 0, TM_E_UNSUPPORTED, false,
     "the server of bucket '%s' does not know what it is asked for",
     "Look whether endpoint_url leads to a server that speaks S3."},
    {"RequestTimeTooSkewed", 0, TM_E_NOT_ALLOWED, false,
     "this machine's clock is too far from that of the server of bucket '%s'",
     "Set this machine's clock; run an NTP client."},
    {"AuthorizationHeaderMalformed", 0, TM_E_NOT_ALLOWED, false,
     "the request to bucket '%s' was signed for another region",
     "Write its region into the file of credentials: region = NAME."},
    {"NoSuchBucket", 0, TM_E_NOT_FOUND, false, "there is no bucket '%s'",
     "Look at its name and at endpoint_url in the file of credentials."},
    {"NoSuchKey", 0, TM_E_NOT_FOUND, false, "the object is gone from bucket '%s'",
     "It was listed, and has been removed since."},
    {"InvalidObjectState", 0, TM_E_NOT_ALLOWED, false,
     "an object of bucket '%s' lies in an archive", "Restore it to a class that can be read."},
    {"SlowDown", 0, TM_E_UNAVAILABLE, true, "the server of bucket '%s' asks to slow down",
     "Try again later."},
    {"RequestTimeout", 0, TM_E_UNAVAILABLE, true, "the server of bucket '%s' timed out",
     "Try again later."},
    {NULL, 412, TM_E_UNAVAILABLE, false, "an object of bucket '%s' changed while it was read",
     "It is read as it is now at the next try; upload under a new name instead."},
    {NULL, 404, TM_E_NOT_FOUND, false, "there is no such bucket or object in '%s'",
     "Look at the names, and at endpoint_url in the file of credentials."},
    {NULL, 403, TM_E_NOT_ALLOWED, false, "the key may not read bucket '%s'",
     "Allow it s3:ListBucket and s3:GetObject there."},
    {NULL, 401, TM_E_NOT_ALLOWED, false, "the server of bucket '%s' does not take the key",
     "Look at the file of credentials."},
    {NULL, 408, TM_E_UNAVAILABLE, true, "the server of bucket '%s' timed out", "Try again later."},
    {NULL, 429, TM_E_UNAVAILABLE, true, "the server of bucket '%s' asks to slow down",
     "Try again later."},
    {NULL, 500, TM_E_UNAVAILABLE, true, "the server of bucket '%s' failed", "Try again later."},
    {NULL, 502, TM_E_UNAVAILABLE, true, "the server of bucket '%s' cannot be reached (502)",
     "Try again later."},
    {NULL, 503, TM_E_UNAVAILABLE, true, "the server of bucket '%s' is not available (503)",
     "Try again later."},
    {NULL, 504, TM_E_UNAVAILABLE, true, "the server of bucket '%s' does not answer (504)",
     "Try again later."},
};

/* Text of an element below <Error>; empty when there is none. */
static void error_member(tm_str body, const char *name, char *out, size_t size) {
    tm_xml xml;
    out[0] = '\0';
    tm__xml_init(&xml, body);
    for (tm_xml_kind kind = tm__xml_next(&xml); kind == TM_XML_START || kind == TM_XML_END;
         kind = tm__xml_next(&xml)) {
        if (kind == TM_XML_END && xml.depth == 1 && tm__str_is(xml.name, name) &&
            tm__str_is(tm__xml_open(&xml, 0), "Error") && xml.text.len < size) {
            memcpy(out, xml.text.data == NULL ? (const uint8_t *)"" : xml.text.data, xml.text.len);
            out[xml.text.len] = '\0';
            break;
        }
    }
    tm__xml_done(&xml);
}

static bool is_region(const char *text) {
    return text[0] != '\0' && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static tm_status refused_region(const tm_s3_refusal *r, const char *region, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_NOT_ALLOWED, "bucket '%s' lies in another region%s%s",
                                 r->bucket, region[0] == '\0' ? "" : ": ", region);
    tm_err_hint(err, "Write it into the file of credentials: region = %s.",
                region[0] == '\0' ? "NAME" : region);
    return st;
}

tm_status tm__s3_refused(const tm_s3_refusal *r, bool *out_again, tm_err *err) {
    char code[64], region[64];
    error_member(r->body, "Code", code, sizeof(code));
    error_member(r->body, "Region", region, sizeof(region));
    (void)tm__str_copy(region, sizeof(region),
                       tm__str(is_region(r->region) ? r->region
                               : is_region(region)  ? region
                                                    : ""));
    *out_again = false;
    if ((r->status >= 300 && r->status < 400) || strcmp(code, "PermanentRedirect") == 0 ||
        (strcmp(code, "AuthorizationHeaderMalformed") == 0 && region[0] != '\0')) {
        return refused_region(r, region, err);
    }
    const meaning *found = NULL;
    for (size_t i = 0; found == NULL && i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        const meaning *m = &meanings[i];
        const bool fits = m->code != NULL ? strcmp(code, m->code) == 0 : m->status == r->status;
        found = fits ? m : NULL;
    }
    if (found == NULL) {
        const tm_status st =
            TM_FAIL(err, r->status >= 500 ? TM_E_UNAVAILABLE : TM_E_DATA,
                    "the server of bucket '%s' answered %ld", r->bucket, r->status);
        tm_err_hint(err, "Look whether endpoint_url leads to a server that speaks S3.");
        *out_again = r->status >= 500;
        return st;
    }
    if (found->status == 403 && r->is_change) {
        (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "the key may not change bucket '%s'", r->bucket);
        tm_err_hint(err, "Allow it s3:PutObject and s3:DeleteObject there.");
        return TM_E_NOT_ALLOWED;
    }
    /* The messages are the table's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)TM_FAIL(err, found->st, found->message, r->bucket);
#pragma GCC diagnostic pop
    tm_err_hint(err, "%s", found->hint);
    if (found->st == TM_E_NOT_ALLOWED && llabs(r->skew_s) > SKEW_S_MAX) {
        tm_err_hint(err, "This machine's clock is %lld s %s that of the server: set it.",
                    (long long)llabs(r->skew_s), r->skew_s > 0 ? "behind" : "before");
    }
    if (r->key != NULL) {
        tm_err_at(err, r->key, 0, 0);
    }
    *out_again = found->is_passing;
    return found->st;
}

/* ---- One try ---- */

typedef struct try_state {
    tm_s3 *s3;
    tm_s3_answer *answer;
    tm_buf refusal; /* body of what is not 200 or 206 */
    char region[64];
    bool has_expired;  /* the keys, says the server */
    int64_t date_us;   /* of the server; 0: none */
    uint32_t retry_ms; /* that the server asks to wait; 0: none */
    bool is_too_long;
} try_state;

static bool header_is(tm_str line, const char *name, tm_str *out_value) {
    tm_str value = line;
    const tm_str found = tm__str_cut(&value, ':');
    if (!tm__str_is_nocase(found, name)) {
        return false;
    }
    *out_value = tm__str_trim(value);
    return true;
}

/* "bytes 0-99/1234" */
static void take_range(tm_str value, tm_s3_answer *answer) {
    if (!tm__str_has_prefix(value, "bytes ")) {
        return;
    }
    value = (tm_str){value.ptr + 6, value.len - 6};
    const tm_str start = tm__str_cut(&value, '-');
    const tm_str end = tm__str_cut(&value, '/');
    uint64_t last = 0;
    if (tm__str_to_u64(start, &answer->range_start) && tm__str_to_u64(end, &last) &&
        last < UINT64_MAX && tm__str_to_u64(value, &answer->range_total)) {
        answer->range_end = last + 1;
    }
}

/* "Fri, 27 Nov 2026 07:10:00 GMT" */
static int64_t http_date(tm_str value) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t day = 0, year = 0;
    int64_t time_us = 0;
    char iso[32];
    if (value.len != 29) {
        return 0;
    }
    uint32_t month = 0;
    while (month < 12 && memcmp(months + (size_t)month * 3, value.ptr + 8, 3) != 0) {
        month++;
    }
    if (month == 12 || !tm__str_to_u64((tm_str){value.ptr + 5, 2}, &day) ||
        !tm__str_to_u64((tm_str){value.ptr + 12, 4}, &year) || year > 9999 || day > 31) {
        return 0;
    }
    (void)snprintf(iso, sizeof(iso), "%04u-%02u-%02uT%.8sZ", (unsigned)year, month + 1,
                   (unsigned)day, value.ptr + 17);
    return tm__time_parse(tm__str(iso), &time_us) ? time_us : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg) {
    try_state *const t = arg;
    const tm_str line = {data, size * n};
    tm_str value = {0};
    uint64_t seconds = 0;
    if (tm__str_has_prefix(line, "HTTP/")) {
        tm_str rest = line;
        (void)tm__str_cut(&rest, ' ');
        uint64_t status = 0;
        const bool is_status = tm__str_to_u64(tm__str_trim(tm__str_cut(&rest, ' ')), &status);
        t->answer->status = is_status && status < 1000 ? (long)status : 0;
    } else if (header_is(line, "etag", &value)) {
        (void)tm__str_copy(t->answer->etag, sizeof(t->answer->etag), value);
    } else if (header_is(line, "content-range", &value)) {
        take_range(value, t->answer);
    } else if (header_is(line, "x-amz-bucket-region", &value)) {
        (void)tm__str_copy(t->region, sizeof(t->region), value);
    } else if (header_is(line, "x-amz-delete-marker", &value)) {
        t->answer->is_marker = tm__str_is(value, "true");
    } else if (header_is(line, "date", &value)) {
        t->date_us = http_date(value);
    } else if (header_is(line, "retry-after", &value) && tm__str_to_u64(value, &seconds)) {
        t->retry_ms = seconds < WAIT_MS_MAX / 1000 ? (uint32_t)seconds * 1000 : WAIT_MS_MAX;
    }
    return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg) {
    try_state *const t = arg;
    const bool is_good = t->answer->status == 200 || t->answer->status == 206;
    if (!is_good) {
        const size_t room = ERROR_BYTES_MAX - t->refusal.len;
        (void)tm__buf_append(&t->refusal, data, size * n < room ? size * n : room);
        return size * n;
    }
    t->is_too_long = !tm__buf_append(&t->answer->body, data, size * n);
    return t->is_too_long ? 0 : size * n;
}

static int on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now) {
    const try_state *const t = arg;
    (void)total;
    (void)now;
    (void)up_total;
    (void)up_now;
    return t->s3->ctx != NULL && tm__ctx_cancelled(t->s3->ctx) ? 1 : 0;
}

static bool set_text(const tm_s3 *s3, CURLoption option, const char *value) {
    return s3->api.easy_setopt(s3->curl, option, value) == CURLE_OK;
}

static bool set_long(const tm_s3 *s3, CURLoption option, long value) {
    return s3->api.easy_setopt(s3->curl, option, value) == CURLE_OK;
}

static uint32_t stall_s(const tm_s3 *s3) {
    return s3->options.stall_s == 0 ? 30 : s3->options.stall_s;
}

/* What every request has; false when memory is out or the library lacks it. */
static bool prepare(try_state *t, const char *url, struct curl_slist *headers) {
    const tm_s3 *const s3 = t->s3;
    const tm_s3_credentials *const c = &s3->credentials;
    char provider[96];
    s3->api.easy_reset(s3->curl);
    (void)snprintf(provider, sizeof(provider), "aws:amz:%s:s3", c->region);
    const long stall = (long)stall_s(s3);
    return set_text(s3, CURLOPT_URL, url) && set_text(s3, CURLOPT_PROTOCOLS_STR, "http,https") &&
           set_long(s3, CURLOPT_FOLLOWLOCATION, 0) && set_long(s3, CURLOPT_PATH_AS_IS, 1) &&
           set_long(s3, CURLOPT_NOSIGNAL, 1) && set_long(s3, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES) &&
           set_long(s3, CURLOPT_LOW_SPEED_TIME, stall) &&
           set_long(s3, CURLOPT_CONNECTTIMEOUT, stall) &&
           set_long(s3, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2) &&
           set_text(s3, CURLOPT_AWS_SIGV4, provider) &&
           set_text(s3, CURLOPT_USERNAME, c->access_key) &&
           set_text(s3, CURLOPT_PASSWORD, c->secret_key) &&
           (c->ca_bundle[0] == '\0' || set_text(s3, CURLOPT_CAINFO, c->ca_bundle)) &&
           s3->api.easy_setopt(s3->curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           s3->api.easy_setopt(s3->curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           s3->api.easy_setopt(s3->curl, CURLOPT_HEADERDATA, t) == CURLE_OK &&
           s3->api.easy_setopt(s3->curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           s3->api.easy_setopt(s3->curl, CURLOPT_WRITEDATA, t) == CURLE_OK &&
           set_long(s3, CURLOPT_NOPROGRESS, 0) &&
           s3->api.easy_setopt(s3->curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           s3->api.easy_setopt(s3->curl, CURLOPT_XFERINFODATA, t) == CURLE_OK;
}

static bool prepare_body(const tm_s3 *s3, const tm_s3_request *request) {
    return set_text(s3, CURLOPT_POSTFIELDS, request->body.ptr == NULL ? "" : request->body.ptr) &&
           s3->api.easy_setopt(s3->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)request->body.len) == CURLE_OK &&
           set_text(s3, CURLOPT_CUSTOMREQUEST, request->method);
}

static bool add_header(const tm_s3 *s3, struct curl_slist **list, const char *text) {
    struct curl_slist *const grown = s3->api.slist_append(*list, text);
    *list = grown == NULL ? *list : grown;
    return grown != NULL;
}

/* The signature covers what is sent, so a server takes no other bytes. */
static bool add_body_headers(const tm_s3 *s3, tm_str body, struct curl_slist **out) {
    char sum[TM_HASH_TEXT], text[TM_HASH_TEXT + 32];
    tm_hash hash;
    tm__sha256(body.ptr, body.len, &hash);
    tm__hash_to_text(&hash, sum);
    (void)snprintf(text, sizeof(text), "x-amz-content-sha256: %s", sum);
    return add_header(s3, out, text) &&
           add_header(s3, out, "Content-Type: application/octet-stream");
}

static bool make_headers(const tm_s3 *s3, const tm_s3_request *request, struct curl_slist **out) {
    char text[TM_S3_SETTING_MAX + 64];
    bool is_ok = request->method == NULL
                     ? add_header(s3, out, "x-amz-content-sha256: " EMPTY_SHA256)
                     : add_body_headers(s3, request->body, out);
    if (s3->credentials.session_token[0] != '\0') {
        (void)snprintf(text, sizeof(text), "x-amz-security-token: %s",
                       s3->credentials.session_token);
        is_ok = is_ok && add_header(s3, out, text);
    }
    if (request->if_match != NULL) {
        (void)snprintf(text, sizeof(text), "If-Match: %s", request->if_match);
        is_ok = is_ok && add_header(s3, out, text);
    }
    if (request->len > 0) {
        (void)snprintf(text, sizeof(text), "Range: bytes=%llu-%llu",
                       (unsigned long long)request->start,
                       (unsigned long long)(request->start + request->len - 1));
        is_ok = is_ok && add_header(s3, out, text);
    }
    explicit_bzero(text, sizeof(text));
    return is_ok;
}

static bool is_passing(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_WEIRD_SERVER_REPLY:
        return true;
    default:
        return false;
    }
}

static tm_status curl_failed(const try_state *t, CURLcode code, bool *out_again, tm_err *err) {
    const tm_s3 *const s3 = t->s3;
    *out_again = is_passing(code);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "'%s' gave less than %ld bytes a second for %u s",
                      s3->credentials.endpoint, SLOW_BYTES, stall_s(s3));
        tm_err_hint(err,
                    "Look at the server of endpoint_url and at the way to it, then try again.");
        return TM_E_UNAVAILABLE;
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
        return TM_FAIL(err, TM_E_CANCELLED, "stopped");
    }
    if (code == CURLE_OUT_OF_MEMORY || (t->is_too_long && t->answer->body.no_memory)) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading from '%s'",
                       s3->credentials.endpoint);
    }
    if (t->is_too_long) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "'%s' sends more than it was asked for",
                                     s3->credentials.endpoint);
        tm_err_hint(err, "The server must take ranges (Range: bytes=...).");
        return st;
    }
    const tm_status st =
        TM_FAIL(err, *out_again ? TM_E_UNAVAILABLE : TM_E_NOT_ALLOWED, "cannot read from '%s': %s",
                s3->credentials.endpoint, s3->api.easy_strerror(code));
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        tm_err_hint(err, "Name the server's authority in the file of credentials: ca_bundle = "
                         "FILE.");
    } else {
        tm_err_hint(err, "Look at endpoint_url in the file of credentials, and at the network.");
    }
    return st;
}

static bool is_expired(const tm_buf *refusal) {
    char code[64];
    error_member((tm_str){(const char *)refusal->data, refusal->len}, "Code", code, sizeof(code));
    return strcmp(code, "ExpiredToken") == 0 || strcmp(code, "InvalidToken") == 0;
}

/* Keys that last an hour are written into their file again and again: false when there are no
 * others in it by now. */
static bool read_keys_again(tm_s3 *s3) {
    tm_s3_credentials now = {0};
    const bool is_other = tm__s3_credentials_read(s3->credentials_path, &now, NULL) == TM_OK &&
                          strcmp(now.endpoint, s3->credentials.endpoint) == 0 &&
                          (strcmp(now.session_token, s3->credentials.session_token) != 0 ||
                           strcmp(now.access_key, s3->credentials.access_key) != 0);
    if (is_other) {
        s3->credentials = now;
    }
    explicit_bzero(&now, sizeof(now));
    return is_other;
}

/* Ask once. */
static tm_status ask_once(try_state *t, const tm_s3_request *request, const char *url,
                          bool *out_again, tm_err *err) {
    tm_s3 *const s3 = t->s3;
    struct curl_slist *headers = NULL;
    tm__buf_reset(&t->answer->body);
    tm__buf_reset(&t->refusal);
    t->answer->status = 0;
    t->answer->etag[0] = '\0';
    t->answer->is_marker = false;
    t->answer->range_start = t->answer->range_end = t->answer->range_total = 0;
    t->retry_ms = 0;
    t->is_too_long = t->has_expired = false;
    *out_again = false;
    const bool is_ready = make_headers(s3, request, &headers) && prepare(t, url, headers) &&
                          (request->method == NULL || prepare_body(s3, request));
    tm_status st = TM_OK;
    if (!is_ready) {
        st = TM_FAIL(err, TM_E_NOMEM, "cannot prepare a request to '%s'", s3->credentials.endpoint);
    } else {
        const CURLcode code = s3->api.easy_perform(s3->curl);
        const long status = t->answer->status;
        if (code != CURLE_OK) {
            st = curl_failed(t, code, out_again, err);
        } else if (status != 200 && status != 204 && status != 206) {
            const tm_s3_refusal refusal = {
                .status = status,
                .body = {(const char *)t->refusal.data, t->refusal.len},
                .region = t->region,
                .bucket = request->bucket,
                .key = request->key,
                .is_change = request->method != NULL,
                .skew_s = t->date_us == 0 ? 0 : (t->date_us - tm__now_us()) / 1000000,
            };
            st = tm__s3_refused(&refusal, out_again, err);
            t->has_expired = is_expired(&t->refusal);
        }
    }
    /* The handle must not look at headers that are gone, nor keep the keys. */
    s3->api.easy_reset(s3->curl);
    s3->api.slist_free_all(headers);
    return st;
}

/* Wait before a try; false when the run was asked to stop. */
static bool wait_for_try(tm_s3 *s3, uint32_t n_tried, uint32_t retry_ms) {
    const uint32_t first = s3->options.wait_ms == 0 ? 200 : s3->options.wait_ms;
    uint64_t wait = (uint64_t)first << (n_tried < 16 ? n_tried : 16);
    wait = wait < WAIT_MS_MAX ? wait : WAIT_MS_MAX;
    /* Half is certain, half by chance: those who were refused together do not come together. */
    wait = wait / 2 + tm__rng_below(&s3->jitter, wait / 2 + 1);
    wait = wait > retry_ms ? wait : retry_ms;
    while (wait > 0) {
        if (s3->ctx != NULL && tm__ctx_cancelled(s3->ctx)) {
            return false;
        }
        const uint32_t part = wait < 100 ? (uint32_t)wait : 100;
        tm__sleep_ms(part);
        wait -= part;
    }
    return true;
}

tm_status tm__s3_ask(tm_s3 *s3, const tm_s3_request *request, tm_s3_answer *answer, tm_err *err) {
    const uint32_t n_tries = s3->options.n_tries == 0 ? 5 : s3->options.n_tries;
    try_state t = {.s3 = s3, .answer = answer};
    tm_buf url;
    bool again = true;
    tm_status st = TM_OK;
    tm__buf_init(&url, URL_BYTES_MAX);
    tm__buf_init(&t.refusal, ERROR_BYTES_MAX);
    if (!tm__s3_url(&s3->credentials, request, &url)) {
        st = TM_FAIL(err, tm__buf_status(&url), "cannot write the address of an object in '%s'",
                     request->bucket);
        again = false;
    }
    for (uint32_t n = 0; again; n++) {
        tm_err failure = {0};
        st = ask_once(&t, request, (const char *)url.data, &again, &failure);
        again = (again || (t.has_expired && read_keys_again(s3))) && n + 1 < n_tries;
        if (again && !wait_for_try(s3, n, t.retry_ms)) {
            st = TM_FAIL(&failure, TM_E_CANCELLED, "stopped");
            again = false;
        }
        if (st != TM_OK && !again && err != NULL) {
            *err = failure;
        }
    }
    tm__buf_done(&url);
    tm__buf_done(&t.refusal);
    return st;
}

void tm__s3_answer_init(tm_s3_answer *answer, uint64_t body_bytes_max) {
    *answer = (tm_s3_answer){0};
    tm__buf_init(&answer->body, (size_t)body_bytes_max);
}

void tm__s3_answer_done(tm_s3_answer *answer) {
    tm__buf_done(&answer->body);
}
