/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_job.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define TM_RESULT_BYTES_MAX (4u << 20)

char *tm__job_path(const tm_home *home, const char *job, const char *suffix) {
    char name[40];
    snprintf(name, sizeof(name), "%s.%s", job, suffix);
    return tm__fs_join(tm__home_jobs(home), name);
}

void tm__job_files_remove(const tm_home *home, const char *job) {
    static const char *const suffixes[] = {"out", "err"};
    for (size_t i = 0; i < 2; i++) {
        char *const path = tm__job_path(home, job, suffixes[i]);
        const tm_status st = path == NULL ? TM_E_NOMEM : tm__fs_remove(path, NULL);
        (void)st; /* a later one does */
        tm__mem_free(path);
    }
}

static bool is_job_file(const char *name) {
    const size_t len = strlen(name);
    return len == TM_JOB_TEXT - 1 + 4 &&
           (strcmp(name + len - 4, ".out") == 0 || strcmp(name + len - 4, ".err") == 0);
}

static bool remove_old(void *arg, const char *name) {
    const tm_home *const home = arg;
    if (is_job_file(name)) {
        char *const path = tm__fs_join(tm__home_jobs(home), name);
        const tm_status st = path == NULL ? TM_E_NOMEM : tm__fs_remove(path, NULL);
        (void)st;
        tm__mem_free(path);
    }
    return true;
}

tm_status tm__job_files_reset(const tm_home *home, tm_err *err) {
    return tm__fs_list(tm__home_jobs(home), remove_old, (void *)(uintptr_t)home, err);
}

static bool read_file(const tm_home *home, const char *job, const char *suffix, tm_buf *out) {
    char *const path = tm__job_path(home, job, suffix);
    const bool is_read = path != NULL && tm__fs_read_all(path, out, NULL) == TM_OK;
    tm__mem_free(path);
    return is_read;
}

json_t *tm__job_result(const tm_home *home, const char *job) {
    json_t *result = NULL;
    tm_buf text;
    tm__buf_init(&text, TM_RESULT_BYTES_MAX);
    if (!read_file(home, job, "out", &text) ||
        tm__json_parse(text.data, text.len, 64, &result, NULL) != TM_OK) {
        tm__buf_reset(&text);
        const bool has_words = read_file(home, job, "err", &text) && text.len > 0;
        const size_t from =
            text.len > TM_JOB_WORDS_BYTES_MAX ? text.len - TM_JOB_WORDS_BYTES_MAX : 0;
        /* NULL when the cut is inside a letter, or memory is short. */
        result = has_words
                     ? json_pack("{s:o}", "stderr",
                                 json_stringn((const char *)text.data + from, text.len - from))
                     : NULL;
        result = result != NULL ? result : json_null();
    }
    tm__buf_done(&text);
    return result;
}

const char *tm__job_why(const json_t *result) {
    const json_t *const error = json_object_get(result, "error");
    return tm__json_text(error, "message", tm__json_text(result, "stderr", ""));
}
