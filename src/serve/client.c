/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/client.h"

#include <llhttp.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/net.h"

#define TIMEOUT_DEFAULT_MS 5000u
#define READ_BYTES 65536u

struct tm_client {
    char address[256];
    char key[128];
    uint32_t timeout_ms;
    int fd;
    llhttp_t parser;
    llhttp_settings_t settings;
    tm_buf *reply; /* of the call under way */
    bool is_done;
};

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    tm_client *client = parser->data;
    return tm__buf_append(client->reply, at, len) ? 0 : -1;
}

static int on_complete(llhttp_t *parser) {
    tm_client *client = parser->data;
    client->is_done = true;
    return HPE_PAUSED;
}

tm_status tm__client_open(const tm_client_options *options, tm_client **out, tm_err *err) {
    tm_str address = tm__str(options->address);
    if (tm__str_has_prefix(address, "http://")) {
        address = (tm_str){address.ptr + 7, address.len - 7};
    }
    while (address.len > 0 && address.ptr[address.len - 1] == '/') {
        address.len--;
    }
    tm_client *client = tm__mem_zalloc(1, sizeof(*client));
    if (client == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a connection");
    }
    client->fd = -1;
    client->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    if (!tm__str_copy(client->address, sizeof(client->address), address) ||
        !tm__str_copy(client->key, sizeof(client->key), tm__str(options->key))) {
        tm__mem_free(client);
        return TM_FAIL(err, TM_E_USAGE, "the server's address or the key is too long");
    }
    llhttp_settings_init(&client->settings);
    client->settings.on_body = on_body;
    client->settings.on_message_complete = on_complete;
    *out = client;
    return TM_OK;
}

static tm_status send_request(tm_client *client, const char *path, const tm_buf *body,
                              tm_err *err) {
    tm_buf request;
    tm__buf_init(&request, (size_t)TM_MAX_BODY_BYTES + TM_MAX_HEADER_BYTES);
    (void)tm__buf_printf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n",
                         body != NULL ? "POST" : "GET", path, client->address);
    if (client->key[0] != '\0') {
        (void)tm__buf_printf(&request, "Authorization: Bearer %s\r\n", client->key);
    }
    if (body != NULL) {
        (void)tm__buf_printf(
            &request, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n", body->len);
        (void)tm__buf_append(&request, body->data, body->len);
    } else {
        (void)tm__buf_text(&request, "\r\n");
    }
    tm_status st = tm__buf_status(&request);
    if (st != TM_OK) {
        st = TM_FAIL(err, st,
                     st == TM_E_NOMEM ? "out of memory for the request"
                                      : "the request is too large");
    }
    for (size_t at = 0; st == TM_OK && at < request.len;) {
        const int64_t n = tm__net_write(client->fd, request.data + at, request.len - at);
        if (n < 0) {
            st = TM_FAIL(err, TM_E_UNAVAILABLE, "the server at %s closed the connection",
                         client->address);
        } else {
            at += (size_t)n;
        }
    }
    tm__buf_done(&request);
    return st;
}

static tm_status read_reply(tm_client *client, tm_err *err) {
    char *bytes = tm__mem_alloc(READ_BYTES, 1);
    tm_status st = bytes == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for a reply") : TM_OK;
    llhttp_init(&client->parser, HTTP_RESPONSE, &client->settings);
    client->parser.data = client;
    client->is_done = false;
    while (st == TM_OK && !client->is_done) {
        const int64_t n = tm__net_read(client->fd, bytes, READ_BYTES);
        if (n <= 0) {
            st = TM_FAIL(err, TM_E_UNAVAILABLE, "the server at %s closed the connection",
                         client->address);
            break;
        }
        const llhttp_errno_t code = llhttp_execute(&client->parser, bytes, (size_t)n);
        st = tm__buf_status(client->reply);
        if (st != TM_OK) {
            st = TM_FAIL(err, st,
                         st == TM_E_NOMEM ? "out of memory for a reply"
                                          : "the server's reply is too large");
        } else if (code != HPE_OK && !(code == HPE_PAUSED && client->is_done)) {
            st = TM_FAIL(err, TM_E_UNAVAILABLE, "the server at %s gave no HTTP reply",
                         client->address);
        }
    }
    tm__mem_free(bytes);
    return st;
}

/* The words of a problem document, without a stack of ours around them. */
static tm_status problem(const tm_client *client, unsigned code, tm_err *err) {
    json_t *document = NULL;
    tm_status st = TM_E_UNAVAILABLE;
    if (code == 401 || code == 403) {
        st = TM_E_NOT_ALLOWED;
    } else if (code == 404) {
        st = TM_E_NOT_FOUND;
    } else if (code >= 400 && code < 500) {
        st = TM_E_DATA;
    }
    const tm_status parsed =
        tm__json_parse(client->reply->data, client->reply->len, TM_MAX_JSON_DEPTH, &document, NULL);
    if (parsed == TM_E_NOMEM) {
        return TM_FAIL(err, parsed, "out of memory for the server's answer %u", code);
    }
    document = parsed == TM_OK ? document : NULL;
    const char *detail = tm__json_text(document, "detail", tm__json_text(document, "title", ""));
    st = TM_FAIL(err, st, "the server answered %u: %s", code, detail);
    json_decref(document);
    return st;
}

tm_status tm__client_call(tm_client *client, const char *path, const tm_buf *body,
                          tm_buf *out_reply, tm_err *err) {
    tm_status st = TM_OK;
    tm__buf_reset(out_reply);
    client->reply = out_reply;
    if (client->fd < 0) {
        st = tm__net_connect(client->address, client->timeout_ms, &client->fd, err);
        if (st != TM_OK) {
            tm_err_hint(err, "Is the server running? Start it with 'tidemill serve'.");
            return st;
        }
    }
    st = send_request(client, path, body, err);
    if (st == TM_OK) {
        st = read_reply(client, err);
    }
    if (st == TM_OK && (client->parser.status_code < 200 || client->parser.status_code > 299)) {
        st = problem(client, client->parser.status_code, err);
    } else if (st != TM_OK) {
        tm__net_close(client->fd);
        client->fd = -1;
    }
    if (client->fd >= 0 && llhttp_should_keep_alive(&client->parser) == 0) {
        tm__net_close(client->fd);
        client->fd = -1;
    }
    client->reply = NULL;
    return st;
}

void tm__client_close(tm_client *client) {
    if (client == NULL) {
        return;
    }
    if (client->fd >= 0) {
        tm__net_close(client->fd);
    }
    tm__mem_free(client);
}
