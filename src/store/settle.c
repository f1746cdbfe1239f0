/* SPDX-License-Identifier: Apache-2.0 */
#include "store/settle.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#define ASKED "settle.asked"
#define DONE "settle.done"
#define ANEW " anew"
#define TEXT_MAX 64u

static tm_status put(const tm_home *home, const char *name, const char *text, tm_err *err) {
    char *const path = tm__fs_join(tm__home_path(home), name);
    const tm_status st = path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                      : tm__fs_replace(path, text, strlen(text), err);
    tm__mem_free(path);
    return st;
}

/* The number that a file begins with, 0 when there is none; text holds TEXT_MAX bytes. */
static uint64_t get(const tm_home *home, const char *name, char *text) {
    tm_buf bytes;
    uint64_t number = 0;
    char *const path = tm__fs_join(tm__home_path(home), name);
    text[0] = '\0';
    tm__buf_init(&bytes, TEXT_MAX);
    if (path != NULL && tm__fs_info(path).kind == TM_PATH_FILE &&
        tm__fs_read_all(path, &bytes, NULL) == TM_OK) {
        (void)tm__str_copy(text, TEXT_MAX, (tm_str){(const char *)bytes.data, bytes.len});
    }
    tm__buf_done(&bytes);
    tm__mem_free(path);
    const tm_str digits = {text, strcspn(text, " ")};
    return tm__str_to_u64(digits, &number) ? number : 0;
}

tm_status tm__settle_ask(const tm_home *home, tm_settle *io, tm_err *err) {
    char text[TEXT_MAX];
    io->number = 0;
    while (io->number == 0) {
        tm__random_bytes(&io->number, sizeof(io->number));
    }
    (void)snprintf(text, sizeof(text), "%llu%s", (unsigned long long)io->number,
                   io->begins_anew ? ANEW : "");
    return put(home, ASKED, text, err);
}

void tm__settle_asked(const tm_home *home, tm_settle *out) {
    char text[TEXT_MAX];
    out->number = get(home, ASKED, text);
    out->begins_anew = strstr(text, ANEW) != NULL;
}

tm_status tm__settle_answer(const tm_home *home, uint64_t number, tm_err *err) {
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return put(home, DONE, text, err);
}

bool tm__settle_is_answered(const tm_home *home, uint64_t number) {
    char text[TEXT_MAX];
    return get(home, DONE, text) == number;
}

void tm__settle_end(const tm_home *home) {
    static const char *const names[] = {ASKED, DONE};
    for (size_t i = 0; i < 2; i++) {
        char *const path = tm__fs_join(tm__home_path(home), names[i]);
        const tm_status st = path == NULL ? TM_E_NOMEM : tm__fs_remove(path, NULL);
        (void)st; /* one that stays asks again for what was done */
        tm__mem_free(path);
    }
}
