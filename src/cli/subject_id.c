/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/subject_id.h"

#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

static tm_status id_check(tm_str id, tm_err *err) {
    if (id.len == 0 || id.len > TM_SUBJECT_ID_BYTES_MAX || !tm__str_is_utf8(id) ||
        memchr(id.ptr, '\0', id.len) != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "the id of a subject is a text of 1 to %u bytes",
                       TM_SUBJECT_ID_BYTES_MAX);
    }
    return TM_OK;
}

static tm_status copy(tm_str id, char **out, tm_err *err) {
    TM_TRY(id_check(id, err));
    char *text = tm__mem_alloc(id.len + 1, 1);
    if (text == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    memcpy(text, id.ptr, id.len);
    text[id.len] = '\0';
    *out = text;
    return TM_OK;
}

tm_status tm__cli_subject_read(const char *text, char **out, tm_err *err) {
    tm_buf input;
    if (strcmp(text, "-") != 0) {
        return copy(tm__str(text), out, err);
    }
    tm__buf_init(&input, TM_SUBJECT_ID_BYTES_MAX + 2);
    tm_status st = tm__fs_read_all("/dev/stdin", &input, err);
    if (st == TM_OK) {
        tm_str rest = {(const char *)input.data, input.len};
        st = copy(tm__str_trim(tm__str_cut(&rest, '\n')), out, err);
    }
    if (input.len > 0) {
        sodium_memzero(input.data, input.len);
    }
    tm__buf_done(&input);
    return st;
}

void tm__cli_subject_done(char *id) {
    if (id != NULL) {
        sodium_memzero(id, strlen(id));
        tm__mem_free(id);
    }
}
