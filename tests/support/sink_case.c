/* SPDX-License-Identifier: Apache-2.0 */
#include "sink_case.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "registry/registry.h"
#include "source/intake_priv.h"
#include "test.h"
#include "trained_home.h"

void tm__sink_case_promote(const tm_home *home, uint32_t version) {
    static const tm_actor actor = {.name = "test"};
    const tm_promotion promotion = {.version = version};
    tm_registry *registry = NULL;
    uint32_t from = 0;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_promote(registry, "made", &promotion, &actor, &from, NULL),
                     TM_OK);
    tm__registry_close(registry);
}

uint32_t tm__sink_case_train(const tm_home *home, bool is_promoted) {
    static uint32_t first = 0;
    tm_registry *registry = NULL;
    const tm_made_rows rows = {.first = first += 1000, .n = 500};
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, &rows, 1);
    const uint32_t version = tm__made_train(home, registry);
    tm__registry_close(registry);
    if (is_promoted) {
        tm__sink_case_promote(home, version);
    }
    return version;
}

void tm__sink_case_make(const tm_home *home) {
    static const char *const keys[] = {"id"};
    const tm_intake_add add = {.name = "rows", .feed = "push", .keys = keys, .n_keys = 1};
    (void)tm__sink_case_train(home, false);
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
}

void tm__sink_case_push(const tm_home *home, uint32_t first, uint32_t n) {
    tm_buf text;
    tm_err err = {0};
    tm_push_result r = {0};
    tm_intake *intake = tm__intake_create(home);
    tm__buf_init(&text, 1u << 24);
    for (uint32_t i = first; i < first + n; i++) {
        tm__buf_printf(&text, "{\"id\":%u,\"x\":%.4f,\"c\":\"%s\"}\n", i, (i * 37 % 1000) / 1000.0,
                       i % 3 == 0 ? "a" : "b");
    }
    assert_false(text.failed);
    const tm_push push = {
        .source = "rows", .form = TM_PUSH_LINES, .data = (char *)text.data, .len = text.len};
    if (tm__intake_push_wait(intake, &push, &r, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(r.accepted, n);
    tm__buf_done(&text);
    tm__intake_close(intake);
}

void tm__sink_case_drop_segments(const tm_home *home) {
    tm_db *db = NULL;
    assert_int_equal(tm__intake_db_open(home, true, &db, NULL), TM_OK);
    assert_int_equal(tm__db_exec(db, "DELETE FROM segments", NULL), TM_OK);
    tm__db_close(db);
}

json_t *tm__sink_case_spec(const tm_home *home, const char *kind, uint32_t batch_rows) {
    char *dir = tm__fs_join(tm__home_path(home), "out");
    json_t *spec = json_pack("{s:s, s:s, s:{s:s}, s:i}", "model", "made", "read", "rows", "write",
                             kind, dir, "batch_rows", (int)batch_rows);
    tm__mem_free(dir);
    assert_non_null(spec);
    return spec;
}

typedef struct tm_listing {
    const char *dir;
    tm_buf *bytes; /* NULL: remove the files */
    uint32_t n;
} tm_listing;

static bool add_file(void *arg, const char *name) {
    tm_listing *listing = arg;
    char *path = tm__fs_join(listing->dir, name);
    if (listing->bytes == NULL) {
        assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    } else if (strstr(name, ".tmp-") == NULL) {
        assert_true(tm__buf_text(listing->bytes, name));
        assert_true(tm__buf_text(listing->bytes, "\n"));
        assert_int_equal(tm__fs_read_all(path, listing->bytes, NULL), TM_OK);
    }
    listing->n++;
    tm__mem_free(path);
    return true;
}

static uint32_t list_files(const tm_home *home, tm_buf *bytes) {
    char *dir = tm__fs_join(tm__home_path(home), "out");
    tm_listing listing = {.dir = dir, .bytes = bytes};
    if (tm__fs_info(dir).kind == TM_PATH_DIR) {
        assert_int_equal(tm__fs_list(dir, add_file, &listing, NULL), TM_OK);
    }
    tm__mem_free(dir);
    return listing.n;
}

uint32_t tm__sink_case_files(const tm_home *home, tm_buf *out) {
    tm__buf_reset(out);
    assert_true(tm__buf_text(out, ""));
    return list_files(home, out);
}

void tm__sink_case_clear(const tm_home *home) {
    (void)list_files(home, NULL);
}
