/* SPDX-License-Identifier: Apache-2.0 */
#include "store/serving_file.h"

#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define BYTES_MAX ((size_t)16 << 20)
#define FRESH_US INT64_C(5000000)

tm_status tm__serving_read(const tm_home *home, json_t **out, tm_err *err) {
    char *path = tm__fs_join(tm__home_path(home), TM_SERVING_FILE);
    json_t *found = NULL;
    tm_buf text;
    *out = NULL;
    tm__buf_init(&text, BYTES_MAX);
    tm_status st = path == NULL ? TM_E_NOMEM : tm__fs_read_all(path, &text, NULL);
    st = st == TM_OK ? tm__json_parse(text.data, text.len, 64, &found, NULL) : st;
    tm__buf_done(&text);
    tm__mem_free(path);
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, st, "out of memory");
    }
    if (st == TM_OK && strcmp(tm__json_text(found, "schema", ""), "tidemill.serving/1") == 0 &&
        json_is_object(json_object_get(found, "server"))) {
        *out = found;
    } else {
        json_decref(found);
    }
    return TM_OK;
}

bool tm__serving_runs(const json_t *serving) {
    const json_t *server = json_object_get(serving, "server");
    return strcmp(tm__json_text(server, "state", ""), "running") == 0;
}

bool tm__serving_is_fresh(const json_t *serving, int64_t now_us) {
    const int64_t age_us = now_us - tm__json_i64(json_object_get(serving, "server"), "at_us", 0);
    return tm__serving_runs(serving) && age_us <= FRESH_US && age_us >= -FRESH_US;
}

const json_t *tm__serving_route(const json_t *serving, const char *model) {
    size_t i = 0;
    const json_t *route = NULL;
    json_array_foreach(json_object_get(serving, "routes"), i, route) {
        if (strcmp(tm__json_text(route, "model", ""), model) == 0) {
            return route;
        }
    }
    return NULL;
}

void tm__serving_count(const json_t *arms, uint32_t version, const char *kind,
                       tm_arm_counts *io_counts) {
    size_t i = 0;
    const json_t *arm = NULL;
    json_array_foreach((json_t *)(uintptr_t)arms, i, arm) {
        if (tm__json_i64(arm, "version", 0) == (int64_t)version &&
            strcmp(tm__json_text(arm, "arm", ""), kind) == 0) {
            io_counts->answered += tm__json_i64(arm, "answered", 0);
            io_counts->failed += tm__json_i64(arm, "failed", 0);
        }
    }
}

json_t *tm__serving_shadow(const json_t *arms, uint32_t version) {
    static const char *const names[] = {"answered", "failed", "dropped", "compared", "differed"};
    json_t *out = json_object();
    size_t i = 0;
    const json_t *arm = NULL, *found = NULL;
    json_array_foreach((json_t *)(uintptr_t)arms, i, arm) {
        if (tm__json_i64(arm, "version", 0) == (int64_t)version &&
            strcmp(tm__json_text(arm, "arm", ""), "shadow") == 0) {
            found = arm;
        }
    }
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        json_object_set_new(out, names[k], json_integer(tm__json_i64(found, names[k], 0)));
    }
    return out;
}
