/* SPDX-License-Identifier: Apache-2.0 */
#include "store/training_file.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define BYTES_MAX ((size_t)256 << 10)
#define SILENT_US INT64_C(600000000)
#define ID_MAX 40u

typedef struct names {
    char at[TM_TRAININGS_MAX][ID_MAX];
    uint32_t n;
} names;

/* The ID of such a file, or nothing. */
static tm_str id_of(const char *name) {
    const size_t head = strlen(TM_TRAINING_PREFIX), tail = strlen(TM_TRAINING_SUFFIX);
    const size_t len = strlen(name);
    const bool is_one = len > head + tail && len - head - tail < ID_MAX &&
                        strncmp(name, TM_TRAINING_PREFIX, head) == 0 &&
                        strcmp(name + len - tail, TM_TRAINING_SUFFIX) == 0;
    return is_one ? (tm_str){name + head, len - head - tail} : (tm_str){0};
}

static bool add_name(void *arg, const char *name) {
    names *const list = arg;
    const tm_str id = id_of(name);
    if (id.ptr != NULL) {
        (void)tm__str_copy(list->at[list->n++], ID_MAX, id);
    }
    return list->n < TM_TRAININGS_MAX;
}

static char *path_of(const tm_home *home, const char *id) {
    char name[sizeof(TM_TRAINING_PREFIX) + ID_MAX + sizeof(TM_TRAINING_SUFFIX)];
    (void)snprintf(name, sizeof name, "%s%s%s", TM_TRAINING_PREFIX, id, TM_TRAINING_SUFFIX);
    return tm__fs_join(tm__home_jobs(home), name);
}

/* NULL: it is no such file, or it just ended. */
static json_t *read_one(const tm_home *home, const char *id) {
    char *const path = path_of(home, id);
    json_t *found = NULL;
    tm_buf text;
    tm__buf_init(&text, BYTES_MAX);
    const tm_status st = path == NULL ? TM_E_NOMEM : tm__fs_read_all(path, &text, NULL);
    if (st == TM_OK && (tm__json_parse(text.data, text.len, 16, &found, NULL) != TM_OK ||
                        strcmp(tm__json_text(found, "schema", ""), TM_TRAINING_SCHEMA) != 0)) {
        json_decref(found);
        found = NULL;
    }
    tm__buf_done(&text);
    tm__mem_free(path);
    return found;
}

/* Before those that began earlier. */
static void put_in(json_t *list, json_t *one) {
    size_t at = 0;
    while (at < json_array_size(list) && tm__json_i64(json_array_get(list, at), "began_us", 0) >=
                                             tm__json_i64(one, "began_us", 0)) {
        at++;
    }
    json_array_insert_new(list, at, one);
}

tm_status tm__trainings_read(const tm_home *home, int64_t now_us, json_t **out, tm_err *err) {
    names list = {0};
    const tm_status listed = tm__fs_list(tm__home_jobs(home), add_name, &list, NULL);
    (void)listed; /* a home without the folder trains nothing */
    json_t *const all = json_array();
    for (uint32_t i = 0; i < list.n; i++) {
        json_t *const one = read_one(home, list.at[i]);
        const int64_t age_us = one != NULL ? now_us - tm__json_i64(one, "at_us", 0) : 0;
        if (one == NULL || age_us > SILENT_US) {
            json_decref(one);
            continue;
        }
        json_object_set_new(one, "id", json_string(list.at[i]));
        json_object_set_new(one, "age_seconds",
                            tm__json_number(age_us < 0 ? 0 : (double)age_us * 1e-6));
        put_in(all, one);
    }
    return tm__json_give(TM_OK, all, out, err);
}

void tm__trainings_sweep(const tm_home *home, int64_t now_us) {
    names list = {0};
    const tm_status listed = tm__fs_list(tm__home_jobs(home), add_name, &list, NULL);
    (void)listed;
    for (uint32_t i = 0; i < list.n; i++) {
        char *const path = path_of(home, list.at[i]);
        json_t *const one = read_one(home, list.at[i]);
        if (path != NULL && now_us - tm__json_i64(one, "at_us", now_us) > SILENT_US) {
            const tm_status st = tm__fs_remove(path, NULL);
            (void)st; /* the next one does */
        }
        json_decref(one);
        tm__mem_free(path);
    }
}
