/* SPDX-License-Identifier: Apache-2.0 */
#include "store/secret.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "base/system.h"

#define SECRET_BYTES_MAX 65536u /* a certificate in it is some thousands */

void tm__secret_done(tm_buf *secret) {
    if (secret->data != NULL) {
        explicit_bzero(secret->data, secret->capacity);
    }
    tm__buf_done(secret);
}

bool tm__secret_is_private(const tm_file_access *access, bool is_container) {
    const uint32_t open_to = access->mode & (access->is_own ? 077u : 037u);
    /* Nobody but the program is in there, and outside only the machine's root reaches the mount. */
    const bool is_of_container = is_container && access->is_read_only && access->is_in_memory;
    return open_to == 0 || (is_of_container && (open_to & ~044u) == 0);
}

static void hint_mode(const tm_file_access *access, const char *path, tm_err *err) {
    if (access->is_read_only) {
        tm_err_hint(err, "Its mount is read-only: declare it with this program's 'uid' and 'mode: "
                         "0400' (Docker), or with 'defaultMode: 0440' and 'fsGroup' (Kubernetes).");
    } else if (access->is_own) {
        tm_err_hint(err, "Run: chmod 600 '%s'", path);
    } else {
        tm_err_hint(err, "Give it to the user of this program and run: chmod 600 '%s'", path);
    }
}

tm_status tm__secret_check(const char *path, tm_err *err) {
    tm_file_access access = {0};
    if (!tm__access_info(path, &access) || tm__secret_is_private(&access, tm__is_container())) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_NOT_ALLOWED, "others can read the secret in '%s'", path);
    hint_mode(&access, path, err);
    tm_err_at(err, path, 0, 0);
    return TM_E_NOT_ALLOWED;
}

static tm_status check_is_there(const char *path, tm_err *err) {
    tm_file_access access = {0};
    if (tm__access_info(path, &access)) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_NOT_FOUND, "there is no file '%s'", path);
    tm_err_hint(err, "Write it with what reaches the database, and chmod 600 it.");
    tm_err_at(err, path, 0, 0);
    return TM_E_NOT_FOUND;
}

tm_status tm__secret_read(const char *path, tm_buf *out, tm_err *err) {
    TM_TRY(check_is_there(path, err));
    TM_TRY(tm__secret_check(path, err));
    tm__process_hide();
    tm__buf_init(out, SECRET_BYTES_MAX);
    tm_status st = tm__fs_read_all(path, out, err);
    if (st == TM_OK) {
        const tm_str text = tm__str_trim((tm_str){(const char *)out->data, out->len});
        if (text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL) {
            st = TM_FAIL(err, TM_E_DATA, "'%s' holds %s", path,
                         text.len == 0 ? "nothing" : "a byte that is no text");
            tm_err_at(err, path, 0, 0);
        } else {
            memmove(out->data, text.ptr, text.len);
            memset(out->data + text.len, 0, out->len - text.len);
            out->len = text.len;
        }
    }
    if (st != TM_OK) {
        tm__secret_done(out);
    }
    return st;
}
