/* SPDX-License-Identifier: Apache-2.0 */
#include "store/post.h"

#include "store/s3_priv.h"

#define ANSWER_BYTES_MAX ((size_t)1 << 20)

typedef struct sending {
    tm_curl_api api;
    CURL *curl;
    struct curl_slist *headers;
    size_t n_answer; /* bytes that came */
} sending;

/* Nothing of an answer is kept, and an endless one is ended. */
static size_t on_body(char *data, size_t size, size_t n, void *arg) {
    sending *const s = arg;
    (void)data;
    s->n_answer += size * n;
    return s->n_answer <= ANSWER_BYTES_MAX ? size * n : 0;
}

static bool set_text(const sending *s, CURLoption option, const char *value) {
    return s->api.easy_setopt(s->curl, option, value) == CURLE_OK;
}

static bool set_long(const sending *s, CURLoption option, long value) {
    return s->api.easy_setopt(s->curl, option, value) == CURLE_OK;
}

static bool add_headers(sending *s, const tm_post *post) {
    for (uint32_t i = 0; i < TM_POST_HEADERS && post->headers[i] != NULL; i++) {
        struct curl_slist *const grown = s->api.slist_append(s->headers, post->headers[i]);
        if (grown == NULL) {
            return false;
        }
        s->headers = grown;
    }
    return s->headers == NULL ||
           s->api.easy_setopt(s->curl, CURLOPT_HTTPHEADER, s->headers) == CURLE_OK;
}

static bool prepare(sending *s, const tm_post *post) {
    return set_text(s, CURLOPT_URL, post->url) &&
           set_text(s, CURLOPT_PROTOCOLS_STR, "http,https") && set_long(s, CURLOPT_NOSIGNAL, 1) &&
           set_long(s, CURLOPT_FOLLOWLOCATION, 0) &&
           set_long(s, CURLOPT_TIMEOUT_MS, (long)post->timeout_ms) &&
           set_text(s, CURLOPT_USERAGENT, "tidemill") &&
           s->api.easy_setopt(s->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len) ==
               CURLE_OK &&
           set_text(s, CURLOPT_POSTFIELDS, post->body.ptr) &&
           s->api.easy_setopt(s->curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           s->api.easy_setopt(s->curl, CURLOPT_WRITEDATA, s) == CURLE_OK &&
           (post->ca_file == NULL || set_text(s, CURLOPT_CAINFO, post->ca_file)) &&
           add_headers(s, post);
}

static tm_status perform(sending *s, tm_err *err) {
    long status = 0;
    const CURLcode code = s->api.easy_perform(s->curl);
    if (code != CURLE_OK) {
        return TM_FAIL(err, TM_E_UNAVAILABLE, "nothing was taken: %s", s->api.easy_strerror(code));
    }
    (void)s->api.easy_getinfo(s->curl, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300
               ? TM_OK
               : TM_FAIL(err, TM_E_UNAVAILABLE, "the receiver answered %ld", status);
}

tm_status tm__post_send(const tm_post *post, tm_err *err) {
    sending s = {0};
    TM_TRY(tm__curl_api_load(NULL, &s.api, err));
    s.curl = s.api.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? s.api.easy_init() : NULL;
    tm_status st = TM_OK;
    if (s.curl == NULL || !prepare(&s, post)) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for a request, or libcurl is too old");
    }
    st = st == TM_OK ? perform(&s, err) : st;
    if (s.curl != NULL) {
        s.api.easy_cleanup(s.curl);
    }
    s.api.slist_free_all(s.headers);
    return st;
}
