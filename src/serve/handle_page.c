/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dashboard's files, made from web/ at build. They are the same for everybody and hold nothing
 * of the home, so they need no key; what the page shows it asks the other endpoints for.
 */
#include <stdio.h>
#include <string.h>

#include "serve/handle.h"

typedef struct web_file {
    const char *name, *type, *etag;
    tm_str plain, packed; /* packed: by gzip */
} web_file;

#include "web_files.h"

#define N_FILES (sizeof web_files / sizeof web_files[0])

/* Nothing but what this server sends runs, and it talks to nobody else. */
static const char page_head[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "X-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n";

/* True when a list of words with commas and weights has one that is not refused by a weight of 0.
 */
static bool list_takes(tm_str list, const char *word) {
    while (list.len > 0) {
        tm_str rest = tm__str_trim(tm__str_cut(&list, ','));
        const tm_str name = tm__str_trim(tm__str_cut(&rest, ';'));
        const tm_str weight = tm__str_trim(rest);
        if (tm__str_is_nocase(name, word)) {
            return !tm__str_is(weight, "q=0") && !tm__str_has_prefix(weight, "q=0.0");
        }
    }
    return false;
}

static bool list_names(tm_str list, const char *etag) {
    while (list.len > 0) {
        tm_str one = tm__str_trim(tm__str_cut(&list, ','));
        if (tm__str_has_prefix(one, "W/")) { /* compared weakly: RFC 9110, 13.1.2 */
            one = (tm_str){one.ptr + 2, one.len - 2};
        }
        if (tm__str_is(one, etag) || tm__str_is(one, "*")) {
            return true;
        }
    }
    return false;
}

static void reply_file(tm_exchange *x, const web_file *file, const char *cache, const char *more) {
    const bool is_packed = list_takes(x->http->fields[TM_HTTP_ACCEPT_ENCODING], "gzip");
    const bool is_known = list_names(x->http->fields[TM_HTTP_IF_NONE_MATCH], file->etag);
    const tm_str body = is_packed ? file->packed : file->plain;
    x->status = is_known ? 304 : 200;
    x->content_type = file->type;
    x->cache = cache;
    x->head_static = more;
    (void)snprintf(x->head_own, sizeof x->head_own, "ETag: %s\r\nVary: Accept-Encoding\r\n%s",
                   file->etag, is_packed && !is_known ? "Content-Encoding: gzip\r\n" : "");
    if (!is_known) {
        tm__buf_append(&x->reply, body.ptr, body.len);
    }
}

void tm__handle_page(tm_exchange *x) {
    reply_file(x, &web_files[0], "no-cache", page_head);
}

void tm__handle_asset(tm_exchange *x) {
    for (size_t i = 1; i < N_FILES; i++) {
        if (strcmp(web_files[i].name, x->match.params[0]) == 0) {
            reply_file(x, &web_files[i], "public, max-age=31536000, immutable",
                       "Cross-Origin-Resource-Policy: same-origin\r\n");
            return;
        }
    }
    tm__problem_reply(x, 404, "no-such-path", "there is no such file",
                      "Load the page anew: it names the files of this release.");
}
