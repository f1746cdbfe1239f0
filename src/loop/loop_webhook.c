/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/webhook.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/post.h"

#define TIMEOUT_MS 10000u
#define SECRET_BYTES_MAX 4096u
#define BODY_BYTES_MAX (512u << 10)

char *tm__receiver_path(const json_t *receiver, const char *name) {
    const char *const path = tm__json_text(receiver, name, NULL);
    if (path == NULL) {
        return NULL;
    }
    return path[0] == '/' ? tm__mem_strdup(path)
                          : tm__fs_join(tm__json_text(receiver, "dir", "."), path);
}

static tm_status sign(const json_t *receiver, const char *time, tm_str body, char *out,
                      tm_err *err) {
    char *const path = tm__receiver_path(receiver, "secret_file");
    tm_buf secret, text;
    tm_hash hash;
    if (path == NULL) {
        return TM_FAIL(err, TM_E_DATA, "the receiver has no secret_file");
    }
    tm__buf_init(&secret, SECRET_BYTES_MAX);
    tm__buf_init(&text, BODY_BYTES_MAX + 64);
    tm_status st = tm__fs_read_all(path, &secret, err);
    const tm_str key = tm__str_trim((tm_str){(const char *)secret.data, secret.len});
    if (st == TM_OK && key.len == 0) {
        st = TM_FAIL(err, TM_E_DATA, "the file of the secret is empty");
    }
    tm__buf_text(&text, time);
    tm__buf_byte(&text, '.');
    tm__buf_append(&text, body.ptr, body.len);
    if (st == TM_OK && text.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory to sign a message");
    }
    if (st == TM_OK) {
        tm__hmac_sha256(key.ptr, key.len, text.data, text.len, &hash);
        tm__hash_to_text(&hash, out);
    }
    tm__buf_done(&secret);
    tm__buf_done(&text);
    tm__mem_free(path);
    return st;
}

tm_status tm__webhook_send(const json_t *receiver, tm_str body, tm_err *err) {
    char *const ca_file = tm__receiver_path(receiver, "ca_file");
    char stamp[80], signature[64 + TM_HASH_TEXT], time[32], hex[TM_HASH_TEXT];
    hex[0] = '\0';
    (void)snprintf(time, sizeof(time), "%lld", (long long)(tm__now_us() / 1000000));
    tm_status st = sign(receiver, time, body, hex, err);
    (void)snprintf(stamp, sizeof(stamp), "X-Tidemill-Timestamp: %s", time);
    (void)snprintf(signature, sizeof(signature), "X-Tidemill-Signature: v1=%s", hex);
    const tm_post post = {.url = tm__json_text(receiver, "webhook", ""),
                          .body = body,
                          .headers = {"Content-Type: application/json", stamp, signature},
                          .ca_file = ca_file,
                          .timeout_ms = TIMEOUT_MS};
    st = st == TM_OK ? tm__post_send(&post, err) : st;
    tm__mem_free(ca_file);
    return st;
}
