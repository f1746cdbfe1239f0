/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List and get.
 *
 *   list:  pages of at most 1000 keys, each with the token of the next
 *   get:   part after part with If-Match, each checked by range, size and ETag before it is written
 */
#include "store/s3.h"

#include <strings.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/s3_priv.h"
#include "store/xml.h"

#define PAGE_BYTES_MAX ((uint64_t)16 << 20) /* 1000 keys of 1024 bytes, each written as %XX */
#define PART_BYTES ((uint64_t)8 << 20)
#define TOKEN_BYTES_MAX ((size_t)8 << 10)
#define PAGES_MAX 1000000u

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading a bucket");
}

tm_status tm__s3_open(tm_ctx *ctx, const tm_s3_options *options, tm_s3 **out, tm_err *err) {
    tm_s3 *s3 = tm__mem_zalloc(1, sizeof(*s3));
    uint64_t seed = 0;
    if (s3 == NULL) {
        return no_memory(err);
    }
    tm__random_bytes(&seed, sizeof(seed));
    s3->ctx = ctx;
    s3->options = *options;
    s3->options.credentials = NULL; /* borrowed for this call */
    s3->jitter = tm__rng_split(seed, "s3", 0);
    s3->credentials_path = tm__mem_strdup(options->credentials);
    tm_status st = s3->credentials_path == NULL
                       ? no_memory(err)
                       : tm__s3_credentials_read(options->credentials, &s3->credentials, err);
    if (st == TM_OK) {
        st = tm__curl_api_load(NULL, &s3->api, err);
    }
    if (st == TM_OK && s3->api.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        st = no_memory(err);
    }
    if (st == TM_OK) {
        s3->curl = s3->api.easy_init();
        st = s3->curl == NULL ? no_memory(err) : TM_OK;
    }
    if (st != TM_OK) {
        tm__s3_close(s3);
        return st;
    }
    *out = s3;
    return TM_OK;
}

void tm__s3_close(tm_s3 *s3) {
    if (s3 == NULL) {
        return;
    }
    if (s3->curl != NULL) {
        s3->api.easy_cleanup(s3->curl);
    }
    explicit_bzero(&s3->credentials, sizeof(s3->credentials));
    tm__mem_free(s3->credentials_path);
    tm__mem_free(s3);
}

/* ---- Lists ---- */

void tm__s3_page_init(tm_s3_page *page, const tm_s3_list *list) {
    *page = (tm_s3_page){.list = list};
    tm__buf_init(&page->token, TOKEN_BYTES_MAX);
    tm__buf_init(&page->last_key, TM_S3_KEY_MAX);
}

void tm__s3_page_done(tm_s3_page *page) {
    tm__buf_done(&page->token);
    tm__buf_done(&page->last_key);
}

typedef struct page_reader {
    tm_s3_page *page;
    bool is_encoded; /* keys are written as in an address */
    tm_buf key, etag;
    uint64_t size_bytes;
    bool has_size;
    bool is_list;
    tm_buf token;
} page_reader;

static tm_status refuse_page(const tm_s3_page *page, const char *what, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_DATA, "the list of bucket '%s' cannot be read: %s",
                                 page->list->bucket, what);
    tm_err_hint(err, "Look whether endpoint_url leads to a server that speaks S3.");
    return st;
}

static int hex_digit(char c) {
    return tm__is_digit(c)                          ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* A key without its percent signs, in place; false when they are wrong. */
static bool decode_key(tm_buf *key) {
    size_t to = 0;
    for (size_t i = 0; i < key->len; i++) {
        char c = (char)key->data[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            const int high = i + 2 < key->len ? hex_digit((char)key->data[i + 1]) : -1;
            const int low = i + 2 < key->len ? hex_digit((char)key->data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        key->data[to++] = (uint8_t)c;
    }
    key->len = to;
    if (key->data != NULL) {
        key->data[to] = '\0';
    }
    return true;
}

static bool is_etag(const tm_buf *etag) {
    for (size_t i = 0; i < etag->len; i++) {
        if (etag->data[i] <= ' ' || etag->data[i] > '~') {
            return false;
        }
    }
    return etag->len > 0 && etag->len < TM_S3_ETAG_MAX;
}

static tm_status take_object(page_reader *r, tm_err *err) {
    tm_s3_page *const page = r->page;
    const tm_s3_list *const list = page->list;
    if (r->key.failed || r->etag.failed) {
        return r->key.no_memory || r->etag.no_memory
                   ? no_memory(err)
                   : refuse_page(page, "a key or an ETag is too long", err);
    }
    if ((r->is_encoded && !decode_key(&r->key)) || r->key.len == 0 || r->key.len > TM_S3_KEY_MAX ||
        strlen((const char *)r->key.data) != r->key.len) {
        return refuse_page(page, "a key is not one", err);
    }
    const tm_str key = {(const char *)r->key.data, r->key.len};
    if (!r->has_size || !is_etag(&r->etag) || !tm__str_is_utf8(key) ||
        !tm__str_has_prefix(key, list->prefix)) {
        return refuse_page(page, "an object lacks its size or ETag, or was not asked for", err);
    }
    const tm_s3_object object = {.bucket = list->bucket,
                                 .key = key.ptr,
                                 .etag = (const char *)r->etag.data,
                                 .size_bytes = r->size_bytes};
    page->n_objects++;
    page->is_stopped = !list->fn(list->arg, &object);
    tm__buf_reset(&r->key);
    tm__buf_reset(&r->etag);
    r->has_size = false;
    return TM_OK;
}

static void take_text(tm_buf *to, const tm_buf *text) {
    tm__buf_reset(to);
    (void)tm__buf_append(to, text->data == NULL ? (const uint8_t *)"" : text->data, text->len);
    (void)tm__buf_append(to, "", 0);
}

/* An element has ended. */
static tm_status take_end(page_reader *r, const tm_xml *xml, tm_err *err) {
    const tm_str text = {(const char *)xml->text.data, xml->text.len};
    const bool is_in_object = xml->depth == 2 && tm__str_is(tm__xml_open(xml, 1), "Contents");
    if (xml->depth == 0) {
        r->is_list = tm__str_is(xml->name, "ListBucketResult");
    } else if (xml->depth == 1 && tm__str_is(xml->name, "Contents")) {
        return r->page->is_stopped ? TM_OK : take_object(r, err);
    } else if (xml->depth == 1 && tm__str_is(xml->name, "IsTruncated")) {
        r->page->is_truncated = tm__str_is(text, "true");
    } else if (xml->depth == 1 && tm__str_is(xml->name, "NextContinuationToken")) {
        take_text(&r->token, &xml->text);
    } else if (is_in_object && tm__str_is(xml->name, "Key")) {
        take_text(&r->key, &xml->text);
    } else if (is_in_object && tm__str_is(xml->name, "ETag")) {
        take_text(&r->etag, &xml->text);
    } else if (is_in_object && tm__str_is(xml->name, "Size")) {
        r->has_size = tm__str_to_u64(text, &r->size_bytes);
    }
    return TM_OK;
}

/* Whether keys are encoded stands anywhere in the answer, so it is looked for first. */
static bool has_encoded_keys(tm_str body) {
    bool found = false;
    tm_xml xml;
    tm__xml_init(&xml, body);
    for (tm_xml_kind kind = tm__xml_next(&xml);
         !found && (kind == TM_XML_START || kind == TM_XML_END); kind = tm__xml_next(&xml)) {
        found = kind == TM_XML_END && xml.depth == 1 && tm__str_is(xml.name, "EncodingType") &&
                tm__str_is((tm_str){(const char *)xml.text.data, xml.text.len}, "url");
    }
    tm__xml_done(&xml);
    return found;
}

tm_status tm__s3_page_read(tm_s3_page *page, tm_str body, tm_err *err) {
    page_reader r = {.page = page, .is_encoded = has_encoded_keys(body)};
    tm_xml xml;
    tm_status st = TM_OK;
    tm_xml_kind kind = TM_XML_START;
    tm__xml_init(&xml, body);
    tm__buf_init(&r.key, (size_t)TM_S3_KEY_MAX * 3);
    tm__buf_init(&r.etag, TM_S3_ETAG_MAX);
    tm__buf_init(&r.token, TOKEN_BYTES_MAX);
    page->is_truncated = false;
    while (st == TM_OK && (kind = tm__xml_next(&xml)) != TM_XML_DONE) {
        if (kind == TM_XML_BAD) {
            st = xml.text.no_memory ? no_memory(err) : refuse_page(page, xml.fault, err);
        } else if (kind == TM_XML_END) {
            st = take_end(&r, &xml, err);
        }
    }
    if (st == TM_OK && !r.is_list) {
        st = refuse_page(page, "it is not a list", err);
    }
    if (st == TM_OK && page->is_truncated &&
        (r.token.failed || r.token.len == 0 ||
         tm__str_eq((tm_str){(const char *)r.token.data, r.token.len},
                    (tm_str){(const char *)page->token.data, page->token.len}))) {
        st = refuse_page(page, "it has no end", err);
    }
    if (st == TM_OK) {
        take_text(&page->token, &r.token);
        st = page->token.failed ? no_memory(err) : TM_OK;
    }
    tm__xml_done(&xml);
    tm__buf_done(&r.key);
    tm__buf_done(&r.etag);
    tm__buf_done(&r.token);
    return st;
}

/* The query of the next page, its names in byte order. */
static bool page_query(const tm_s3_page *page, tm_buf *out) {
    const tm_s3_list *const list = page->list;
    tm__buf_reset(out);
    if (page->token.len > 0) {
        (void)tm__buf_text(out, "continuation-token=");
        (void)tm__s3_encode(out, (tm_str){(const char *)page->token.data, page->token.len}, false);
        (void)tm__buf_byte(out, '&');
    }
    (void)tm__buf_text(out, "encoding-type=url&list-type=2&prefix=");
    (void)tm__s3_encode(out, tm__str(list->prefix), false);
    if (list->after != NULL && page->token.len == 0) {
        (void)tm__buf_text(out, "&start-after=");
        (void)tm__s3_encode(out, tm__str(list->after), false);
    }
    return !out->failed;
}

tm_status tm__s3_list(tm_s3 *s3, const tm_s3_list *list, tm_err *err) {
    tm_s3_page page;
    tm_s3_answer answer;
    tm_buf query;
    tm_status st = TM_OK;
    tm__s3_page_init(&page, list);
    tm__s3_answer_init(&answer, PAGE_BYTES_MAX);
    tm__buf_init(&query, TOKEN_BYTES_MAX * 4);
    for (uint32_t n = 0; st == TM_OK; n++) {
        const bool is_written = page_query(&page, &query);
        const tm_s3_request request = {.bucket = list->bucket, .query = (char *)query.data};
        st = !is_written      ? no_memory(err)
             : n == PAGES_MAX ? refuse_page(&page, "it has no end", err)
                              : tm__s3_ask(s3, &request, &answer, err);
        if (st == TM_OK) {
            st = tm__s3_page_read(&page, (tm_str){(const char *)answer.body.data, answer.body.len},
                                  err);
        }
        if (st == TM_OK && (page.is_stopped || !page.is_truncated)) {
            break;
        }
    }
    tm__s3_page_done(&page);
    tm__s3_answer_done(&answer);
    tm__buf_done(&query);
    return st;
}

/* ---- Objects ---- */

static tm_status changed(const tm_s3_object *object, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_UNAVAILABLE, "an object of bucket '%s' changed while it was read",
                object->bucket);
    tm_err_hint(err, "It is read as it is now at the next try; upload under a new name instead.");
    tm_err_at(err, object->key, 0, 0);
    return st;
}

/* One part, checked; a whole object in one answer of 200 is fine. */
static tm_status get_part(tm_s3 *s3, const tm_s3_object *object, uint64_t start,
                          tm_s3_answer *answer, tm_err *err) {
    const uint64_t left = object->size_bytes - start;
    const uint64_t part = s3->options.part_bytes == 0 ? PART_BYTES : s3->options.part_bytes;
    const tm_s3_request request = {.bucket = object->bucket,
                                   .key = object->key,
                                   .if_match = object->etag,
                                   .start = start,
                                   .len = left < part ? left : part};
    TM_TRY(tm__s3_ask(s3, &request, answer, err));
    const bool is_range = answer->status == 206;
    if (answer->etag[0] != '\0' && strcmp(answer->etag, object->etag) != 0) {
        return changed(object, err);
    }
    if (is_range && answer->range_total != object->size_bytes) {
        return changed(object, err);
    }
    const bool is_asked =
        is_range ? answer->range_start == start && answer->range_end == start + request.len
                 : start == 0 && request.len == object->size_bytes;
    if (!is_asked || answer->body.len != request.len) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "'%s' sends other bytes than it was asked for",
                                     s3->credentials.endpoint);
        tm_err_hint(err, "The server must take ranges (Range: bytes=...).");
        tm_err_at(err, object->key, 0, 0);
        return st;
    }
    return TM_OK;
}

static tm_status get_all(tm_s3 *s3, const tm_s3_object *object, tm_file *file, tm_err *err) {
    const uint64_t part = s3->options.part_bytes == 0 ? PART_BYTES : s3->options.part_bytes;
    tm_s3_answer answer;
    tm_status st = TM_OK;
    tm__s3_answer_init(&answer, part);
    for (uint64_t at = 0; st == TM_OK && at < object->size_bytes; at += answer.body.len) {
        if (s3->ctx != NULL) {
            tm__ctx_progress(s3->ctx, "fetching", at, object->size_bytes, "bytes");
        }
        st = get_part(s3, object, at, &answer, err);
        if (st == TM_OK) {
            st = tm__file_write(file, answer.body.data, answer.body.len, err);
        }
    }
    tm__s3_answer_done(&answer);
    return st;
}

tm_status tm__s3_get(tm_s3 *s3, const tm_s3_object *object, const char *path, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(path, TM_OPEN_CREATE, &file, err));
    tm_status st = get_all(s3, object, file, err);
    if (st == TM_OK) {
        st = tm__file_sync(file, err);
    }
    tm__file_close(file);
    if (st != TM_OK && tm__fs_remove(path, NULL) != TM_OK) {
        tm_err_hint(err, "What came of it is left in '%.100s'; remove it.", path);
    }
    return st;
}
