/* SPDX-License-Identifier: Apache-2.0 */
/* Advisories that are known of the libraries in use: a file, {"date", "advisories": [{"id",
 * "library", "from", "below", "about"}]}, against what doctor found of each library. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/json.h"
#include "cli/doctor.h"

#define FILE_BYTES_MAX ((size_t)4 << 20)
#define DEPTH_MAX 8u

int tm__version_compare(const char *a, const char *b) {
    while (*a != '\0' || *b != '\0') {
        uint64_t numbers[2] = {0, 0};
        const char **const at[2] = {&a, &b};
        for (unsigned i = 0; i < 2; i++) {
            for (; tm__is_digit(**at[i]); (*at[i])++) {
                numbers[i] = numbers[i] * 10 + (uint64_t)(**at[i] - '0');
            }
            *at[i] += **at[i] != '\0' ? 1 : 0; /* what stands between two numbers */
        }
        if (numbers[0] != numbers[1]) {
            return numbers[0] < numbers[1] ? -1 : 1;
        }
    }
    return 0;
}

static bool concerns(const json_t *one, const tm_checks *checks, char version[64]) {
    const char *const below = tm__json_text(one, "below", "");
    tm__library_version(checks, tm__json_text(one, "library", ""), version);
    return version[0] != '\0' &&
           tm__version_compare(version, tm__json_text(one, "from", "0")) >= 0 &&
           (below[0] == '\0' || tm__version_compare(version, below) < 0);
}

static bool is_whole(const json_t *one) {
    return tm__json_text(one, "id", NULL) != NULL && tm__json_text(one, "library", NULL) != NULL;
}

static void compare(tm_checks *checks, const json_t *file) {
    const json_t *const list = json_object_get(file, "advisories");
    const tm_checks found = *checks;
    char version[64];
    size_t i = 0, n = 0;
    const json_t *one = NULL;
    json_array_foreach(list, i, one) {
        if (concerns(one, &found, version)) {
            n++;
            tm__check_add(checks, "advisory", TM_CHECK_WARN,
                          "Install the release that mends it; a distribution may have mended its "
                          "version without a new number.",
                          "%s %s: %s: %s", tm__json_text(one, "library", ""), version,
                          tm__json_text(one, "id", ""), tm__json_text(one, "about", ""));
        }
    }
    tm__check_add(checks, "advisories", TM_CHECK_OK, NULL, "%zu of %s, %zu of a version in use",
                  json_array_size(list), tm__json_text(file, "date", "an unknown date"), n);
}

tm_status tm__check_advisories(tm_checks *checks, const char *path, tm_err *err) {
    tm_buf text;
    json_t *file = NULL;
    size_t i = 0;
    const json_t *one = NULL;
    tm__buf_init(&text, FILE_BYTES_MAX);
    tm_status st = tm__fs_read_all(path, &text, err);
    st = st == TM_OK ? tm__json_parse(text.data, text.len, DEPTH_MAX, &file, err) : st;
    bool is_good = st == TM_OK && json_is_array(json_object_get(file, "advisories"));
    json_array_foreach(json_object_get(file, "advisories"), i, one) {
        is_good = is_good && is_whole(one);
    }
    if (is_good) {
        compare(checks, file);
    } else if (st == TM_OK) {
        st = TM_FAIL(err, TM_E_DATA, "'%s' is no list of advisories", path);
        tm_err_hint(err, "{\"date\": \"2026-01-31\", \"advisories\": [{\"id\": \"CVE-...\", "
                         "\"library\": \"sqlite\", \"below\": \"3.50.2\"}]}");
    }
    json_decref(file);
    tm__buf_done(&text);
    return st;
}
