/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   GET ?prefix=key&versions= ──> DELETE key?versionId=ID for each, the newest first
 *        └─ not known or not allowed ──> DELETE key, which must leave no mark
 *
 * Version by version, since a plain delete would only put a mark before versions that stay, and
 * hide from lists that something is left to do.
 */
#include <string.h>

#include "base/mem.h"
#include "store/s3_priv.h"
#include "store/xml.h"

#define ANSWER_BYTES_MAX ((uint64_t)4 << 20) /* 1000 versions */
#define ID_MAX 1024u
#define PAGES_MAX 1000u

typedef struct dropping {
    tm_s3 *s3;
    const tm_s3_place *place;
    tm_s3_answer answer;
    tm_buf ids; /* each with its NUL */
    tm_buf key, id;
    bool is_list, is_truncated;
} dropping;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory while removing an object");
}

static tm_status ask(dropping *d, const char *method, const char *key, const char *query,
                     tm_err *err) {
    const tm_s3_request request = {
        .bucket = d->place->bucket, .key = key, .query = query, .method = method};
    return tm__s3_ask(d->s3, &request, &d->answer, err);
}

/* ---- Which versions there are ---- */

static void take_text(tm_buf *to, const tm_buf *text) {
    tm__buf_reset(to);
    (void)tm__buf_append(to, text->data == NULL ? (const uint8_t *)"" : text->data, text->len);
    (void)tm__buf_append(to, "", 1);
}

static bool is_version(tm_str name) {
    return tm__str_is(name, "Version") || tm__str_is(name, "DeleteMarker");
}

static void take_end(dropping *d, const tm_xml *xml) {
    const tm_str text = {(const char *)xml->text.data, xml->text.len};
    const bool is_inside = xml->depth == 2 && is_version(tm__xml_open(xml, 1));
    if (xml->depth == 0) {
        d->is_list = tm__str_is(xml->name, "ListVersionsResult");
    } else if (is_inside && tm__str_is(xml->name, "Key")) {
        take_text(&d->key, &xml->text);
    } else if (is_inside && tm__str_is(xml->name, "VersionId")) {
        take_text(&d->id, &xml->text);
    } else if (xml->depth == 1 && tm__str_is(xml->name, "IsTruncated")) {
        d->is_truncated = tm__str_is(text, "true");
    } else if (xml->depth == 1 && is_version(xml->name)) {
        if (d->key.len > 1 && d->id.len > 1 &&
            strcmp((const char *)d->key.data, d->place->key) == 0) {
            (void)tm__buf_append(&d->ids, d->id.data, d->id.len);
        }
        tm__buf_reset(&d->key);
        tm__buf_reset(&d->id);
    }
}

static tm_status read_versions(dropping *d, tm_err *err) {
    tm_xml xml;
    tm_xml_kind kind = TM_XML_START;
    tm__xml_init(&xml, (tm_str){(const char *)d->answer.body.data, d->answer.body.len});
    d->is_list = d->is_truncated = false;
    tm__buf_reset(&d->ids);
    while ((kind = tm__xml_next(&xml)) == TM_XML_START || kind == TM_XML_END) {
        if (kind == TM_XML_END) {
            take_end(d, &xml);
        }
    }
    const bool is_out =
        xml.text.no_memory || d->ids.no_memory || d->key.no_memory || d->id.no_memory;
    tm__xml_done(&xml);
    if (is_out) {
        return no_memory(err);
    }
    return kind == TM_XML_DONE && d->is_list && !d->ids.failed && !d->key.failed && !d->id.failed
               ? TM_OK
               : TM_FAIL(err, TM_E_UNSUPPORTED, "bucket '%s' does not list versions",
                         d->place->bucket);
}

static tm_status list_versions(dropping *d, tm_err *err) {
    tm_buf query;
    tm__buf_init(&query, (size_t)TM_S3_KEY_MAX * 4);
    (void)tm__buf_text(&query, "prefix=");
    (void)tm__s3_encode(&query, tm__str(d->place->key), false);
    (void)tm__buf_text(&query, "&versions=");
    tm_status st =
        query.failed ? no_memory(err) : ask(d, NULL, NULL, (const char *)query.data, err);
    tm__buf_done(&query);
    return st == TM_OK ? read_versions(d, err) : st;
}

/* ---- Removing ---- */

static tm_status drop_version(dropping *d, const char *id, tm_err *err) {
    tm_buf query;
    tm__buf_init(&query, (size_t)ID_MAX * 4);
    (void)tm__buf_text(&query, "versionId=");
    (void)tm__s3_encode(&query, tm__str(id), false);
    const tm_status st = query.failed
                             ? no_memory(err)
                             : ask(d, "DELETE", d->place->key, (const char *)query.data, err);
    tm__buf_done(&query);
    if (st == TM_E_NOT_ALLOWED) {
        tm_err_hint(err, "Allow the key s3:DeleteObject and s3:DeleteObjectVersion; what a lock of "
                         "the bucket keeps goes when the lock ends.");
    }
    return st;
}

static tm_status drop_versions(dropping *d, tm_err *err) {
    for (size_t at = 0; at < d->ids.len; at += strlen((const char *)d->ids.data + at) + 1) {
        TM_TRY(drop_version(d, (const char *)d->ids.data + at, err));
    }
    return TM_OK;
}

static tm_status drop_plainly(dropping *d, tm_err *err) {
    TM_TRY(ask(d, "DELETE", d->place->key, NULL, err));
    if (!d->answer.is_marker) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_NOT_ALLOWED,
                  "bucket '%s' keeps old versions, which the key may not remove", d->place->bucket);
    tm_err_hint(err, "Allow it s3:ListBucketVersions and s3:DeleteObjectVersion there, and run the "
                     "command again.");
    return TM_E_NOT_ALLOWED;
}

static tm_status drop(dropping *d, tm_err *err) {
    for (uint32_t n = 0; n < PAGES_MAX; n++) {
        tm_err why = {0};
        const tm_status st = list_versions(d, &why);
        if (st == TM_E_NOT_ALLOWED || st == TM_E_UNSUPPORTED || st == TM_E_DATA) {
            return drop_plainly(d, err);
        }
        if (st != TM_OK) {
            if (err != NULL) {
                *err = why;
            }
            return st;
        }
        const bool has_any = d->ids.len > 0;
        TM_TRY(drop_versions(d, err));
        if (!has_any || !d->is_truncated) {
            return TM_OK;
        }
    }
    return TM_FAIL(err, TM_E_DATA, "the versions of an object in bucket '%s' have no end",
                   d->place->bucket);
}

tm_status tm__s3_drop(tm_s3 *s3, const tm_s3_place *place, tm_err *err) {
    dropping d = {.s3 = s3, .place = place};
    tm__s3_answer_init(&d.answer, ANSWER_BYTES_MAX);
    tm__buf_init(&d.ids, ANSWER_BYTES_MAX);
    tm__buf_init(&d.key, TM_S3_KEY_MAX + 1);
    tm__buf_init(&d.id, ID_MAX + 1);
    const tm_status st = drop(&d, err);
    tm__buf_done(&d.id);
    tm__buf_done(&d.key);
    tm__buf_done(&d.ids);
    tm__s3_answer_done(&d.answer);
    return st;
}
