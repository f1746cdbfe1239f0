/* SPDX-License-Identifier: Apache-2.0 */
#include "store/privacy_key.h"

#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/sandbox.h"

#define FILE_BYTES (TM_HASH_TEXT) /* hexadecimal digits and the end of a line */
#define PURPOSE "tidemill pseudonyms 1"

static tm_status parse(tm_buf *text, tm_hash *out) {
    tm_hash secret;
    const bool has_end = text->len == FILE_BYTES && text->data[FILE_BYTES - 1] == '\n';
    if (!has_end) {
        return TM_E_INTEGRITY;
    }
    text->data[FILE_BYTES - 1] = '\0';
    if (!tm__hash_from_text((const char *)text->data, &secret)) {
        return TM_E_INTEGRITY;
    }
    tm__hash_keyed(&secret, PURPOSE, sizeof(PURPOSE) - 1, out);
    tm__hash_reset(&secret);
    return TM_OK;
}

tm_status tm__privacy_key_read(const tm_home *home, tm_hash *out, tm_err *err) {
    const char *const path = tm__home_server_key(home);
    tm_buf text;
    if (tm__fs_info(path).kind == TM_PATH_NONE) {
        const tm_status st = TM_FAIL(
            err, TM_E_NOT_ALLOWED, "there is no '%s', of which keys of pseudonyms are made", path);
        tm_err_hint(err, "Restore the file from a backup of this home. Rows that have pseudonyms "
                         "cannot be read or scored without it.");
        return st;
    }
    tm__process_hide();
    tm__buf_init(&text, FILE_BYTES);
    tm_status st = tm__fs_read_all(path, &text, err);
    if (st == TM_OK && parse(&text, out) != TM_OK) {
        st = TM_FAIL(err, TM_E_INTEGRITY, "'%s' holds no server key", path);
        tm_err_hint(err, "Restore the file from a backup of this home.");
    }
    if (text.len > 0) {
        explicit_bzero(text.data, text.len);
    }
    tm__buf_done(&text);
    return st;
}
