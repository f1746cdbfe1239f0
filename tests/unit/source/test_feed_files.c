/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "source/feed.h"
#include "source/intake.h"
#include "source/source.h"
#include "support.h"
#include "temp_home.h"
#include "test.h"

static tm_ctx ctx;
static test_folder folder;

static int open_all(void **state) {
    test_folder_make(&folder);
    return tm__temp_home_open(state);
}

static int close_all(void **state) {
    test_folder_remove(&folder);
    return tm__temp_home_close(state);
}

static const char *path_of(const char *name) {
    static char path[256];
    return test_folder_join(&folder, name, path, sizeof(path));
}

/* With the times of a writer that is through for long. */
static void put(const char *name, const char *text) {
    static time_t at = 1000000;
    at++;
    const struct timespec times[2] = {{.tv_sec = at}, {.tv_sec = at}};
    assert_int_equal(tm__fs_publish(path_of(name), text, strlen(text), NULL), TM_OK);
    assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

static void add(const tm_home *home, const char *feed, const char *what, const char *more) {
    json_t *spec = NULL;
    assert_int_equal(tm__json_parse(more, strlen(more), 8, &spec, NULL), TM_OK);
    json_object_set_new(spec, feed, json_string(what));
    json_object_set_new(spec, "dir", json_string(folder.path));
    const tm_intake_add source = {.name = "s", .feed = feed, .spec = spec};
    assert_int_equal(tm__feed_find(feed)->check(spec, false, NULL), TM_OK);
    assert_int_equal(tm__intake_add(home, &source, NULL), TM_OK);
    json_decref(spec);
}

static tm_feed_pull pull(const tm_home *home, tm_status want, const char *words) {
    tm_feed_pull r = {0};
    tm_err err = {0};
    const tm_status st = tm__feed_pull(&ctx, home, "s", false, &r, &err);
    if (st != want || (words != NULL && strstr(err.message, words) == NULL)) {
        fail_msg("%s: %s, %s", tm_status_text(st), err.message, err.data_path);
    }
    return r;
}

/* Types of the columns, by name: "a int, b text". */
static void check_types(const tm_home *home, const char *want) {
    json_t *json = NULL, *column = NULL;
    char text[256] = "";
    size_t i = 0;
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    json_array_foreach(json_object_get(json, "columns"), i, column) {
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s %s",
                       i == 0 ? "" : ", ", tm__json_text(column, "name", ""),
                       tm__json_text(column, "type", ""));
    }
    assert_string_equal(text, want);
    json_decref(json);
}

static void check_bad(const tm_home *home, size_t at, const char *origin, int64_t row) {
    json_t *list = NULL;
    assert_int_equal(tm__intake_quarantine(home, "s", &(tm_intake_choice){0}, 100, &list, NULL),
                     TM_OK);
    const json_t *bad = json_array_get(list, at);
    assert_string_equal(tm__json_text(bad, "origin", ""), origin);
    assert_int_equal(tm__json_i64(bad, "row", 0), row);
    json_decref(list);
}

static void all_files_decide_types_before_the_first_row(void **state) {
    const tm_home *home = *state;
    tm_table *table = NULL;
    put("a.csv", "id,x,when,none\n1,1,31/12/2020,\n2,NA,01/02/2021,\n");
    put("b.tsv", "x\tid\twhen\nword\t3\t02.02.2021\n");
    put("c.csv", "id;x;more\n4;9;1,5\n");
    add(home, "files", "*.?sv", "{}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 4);
    check_types(home, "id int, x text, when date, more float, none unknown");
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    const tm_column *when = tm__table_column(table, tm__table_find(table, "when"));
    assert_int_equal(when->ints[0], tm__us_from_civil(2020, 12, 31));
    assert_int_equal(when->ints[1], tm__us_from_civil(2021, 2, 1));
    assert_int_equal(when->ints[2], tm__us_from_civil(2021, 2, 2));
    tm__table_unref(table);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0);
    put("d.csv", "id,x,when\n5,7,03/04/2021\nmany,8,04/04/2021\n6,\"a\nb\",\nc\n7,z,05/05/2021\n");
    const tm_feed_pull r = pull(home, TM_OK, NULL);
    assert_int_equal(r.accepted, 3);
    assert_int_equal(r.quarantined, 2);
    check_bad(home, 0, "d.csv", 3);
    check_bad(home, 1, "d.csv", 6);
}

/* Also where a bad row sends a piece to the reader that quarantines. */
static void decimal_commas_are_read(void **state) {
    const tm_home *home = *state;
    tm_table *table = NULL;
    put("a.csv", "id;x;y\n1;1.715,24;1,5\n2;-0,5;3\n");
    add(home, "files", "*.csv", "{}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 2);
    check_types(home, "id int, x float, y float");
    put("b.csv", "id;x;y\n3;62,8;NA\n4;1,5;2;9\n5;\"7,25\";1.200\n");
    put("c.csv", "id,x,y\n6,62.8,0.5\n7,\"1,5\",2\n");
    const tm_feed_pull r = pull(home, TM_OK, NULL);
    assert_int_equal(r.accepted, 3);
    assert_int_equal(r.quarantined, 2);
    check_bad(home, 0, "b.csv", 3);
    check_bad(home, 1, "c.csv", 3);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    static const double want[] = {1715.24, -0.5, 62.8, 7.25, 62.8};
    const tm_column *const x = tm__table_column(table, tm__table_find(table, "x"));
    const tm_column *const y = tm__table_column(table, tm__table_find(table, "y"));
    for (uint64_t i = 0; i < 5; i++) {
        assert_true(x->floats[i] == want[i]);
    }
    assert_true(y->floats[3] == 1200);
    tm__table_unref(table);
}

static void numbers_as_people_read_them_are_read(void **state) {
    const tm_home *home = *state;
    tm_table *table = NULL;
    put("a.csv", "id,x,y\n1,\"$1,715.24\",12.5%\n2,-$0.50,3%\n");
    add(home, "files", "*.csv", "{}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 2);
    check_types(home, "id int, x float, y float");
    put("b.csv", "id,x,y\n3,$62.80,NA\n4,$1.50,2;9\n5,\"$7,250\",1.2%\n");
    const tm_feed_pull r = pull(home, TM_OK, NULL);
    assert_int_equal(r.accepted, 2);
    assert_int_equal(r.quarantined, 1);
    check_bad(home, 0, "b.csv", 3);
    put("c.csv", "id,x,y\n6,62.8,0.5\n7,\"1,500\",2\n");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 2);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    static const double want[] = {1715.24, -0.5, 62.8, 7250, 62.8, 1500};
    const tm_column *const x = tm__table_column(table, tm__table_find(table, "x"));
    const tm_column *const y = tm__table_column(table, tm__table_find(table, "y"));
    for (uint64_t i = 0; i < 6; i++) {
        assert_true(x->floats[i] == want[i]);
    }
    assert_true(y->floats[0] == 12.5 && tm__column_is_missing(y, 2) && y->floats[5] == 2);
    tm__table_unref(table);
}

static void a_key_must_be_a_column(void **state) {
    json_t *spec = json_pack("{s:s, s:s}", "files", "a.csv", "dir", folder.path);
    const char *const key = "nobody";
    const tm_intake_add source = {
        .name = "s", .feed = "files", .spec = spec, .keys = &key, .n_keys = 1};
    put("a.csv", "id\n1\n");
    assert_int_equal(tm__intake_add(*state, &source, NULL), TM_OK);
    (void)pull(*state, TM_E_DATA, "nobody");
    json_decref(spec);
}

static void files_of_every_kind_are_read(void **state) {
    const tm_home *home = *state;
    put("a.csv", "id,x\n1,1.5\n");
    put("b.jsonl", "{\"id\":2,\"x\":2.5}\n{\"id\":3}\n{\"id\":\n");
    put("c.json", "[{\"id\":4,\"x\":4.5},\n {\"id\":5,\"x\":null}]\n");
    tm_table *table = NULL;
    tm_hash hash;
    const tm_source_spec query = {.sql = "SELECT i AS id, i + 0.5 AS x FROM range(6, 106) r(i)"};
    assert_int_equal(tm__source_read(&ctx, &query, &table, NULL), TM_OK);
    assert_int_equal(tm__snapshot_save(&ctx, folder.path, table, &hash, NULL), TM_OK);
    tm__table_unref(table);
    add(home, "watch", ".", "{}");
    const tm_feed_pull r = pull(home, TM_OK, NULL);
    assert_int_equal(r.accepted, 105);
    assert_int_equal(r.quarantined, 1);
    check_bad(home, 0, "b.jsonl", 3);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0);
}

static void what_is_not_complete_waits(void **state) {
    const tm_home *home = *state;
    add(home, "watch", ".", "{\"every_s\": 5}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 0);
    put("x.csv.part", "id\n1\n");
    put("x.tmp", "id\n1\n");
    put(".x.csv", "id\n1\n");
    put("notes.txt", "id\n1\n");
    put("empty.csv", "");
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0);
    char to[256];
    (void)snprintf(to, sizeof(to), "%s", path_of("x.csv"));
    assert_int_equal(rename(path_of("x.csv.part"), to), 0);
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    /* Written just now: not before it stood still. */
    tm_file *file = NULL;
    assert_int_equal(tm__file_open(path_of("y.csv"), TM_OPEN_CREATE, &file, NULL), TM_OK);
    assert_int_equal(tm__file_write(file, "id\n2\n", 5, NULL), TM_OK);
    const int64_t written_us = tm__now_us();
    const tm_feed_pull early = pull(home, TM_OK, NULL);
    assert_int_equal(early.blocks, 0);
    assert_int_equal(early.n_left, 2); /* and the empty one */
    tm__clock_fix(written_us + 60000000);
    assert_true(tm__fs_look(path_of("y.csv")).is_open);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0); /* its writer is not through */
    tm__file_close(file);
    const tm_feed_pull later = pull(home, TM_OK, NULL);
    assert_int_equal(later.accepted, 1);
    assert_int_equal(later.n_left, 1);
    tm__clock_fix(INT64_MIN);
}

static void what_grew_is_read_on_and_what_changed_is_told(void **state) {
    const tm_home *home = *state;
    put("a.csv", "id,x\n1,1\n");
    put("b.csv", "id,x\n2,1\n");
    add(home, "watch", ".", "{}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 2);
    put("a.csv", "id,x\n1,1\n3,1\n");
    put("b.csv", "id,x\n2,1\n"); /* the same under a new time */
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0);
    put("a.csv", "id,x\n9,9\n3,1\n");
    put("c.csv", "id,x\n4,1\n");
    assert_int_equal(pull(home, TM_E_DATA, "written anew").accepted, 1); /* c holds up nobody */
    put("a.csv", "id,x\n1,1\n3,1\n5,1\n");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    assert_int_equal(tm__fs_remove(path_of("a.csv"), NULL), TM_OK);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0); /* its rows stay */
}

static void a_changed_file_is_read_again_where_that_is_wanted(void **state) {
    const tm_home *home = *state;
    put("a.csv", "id,x\n1,1\n");
    add(home, "watch", ".", "{\"changed\": \"again\"}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    put("a.csv", "id,x\n7,1\n8,1\n");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 2);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0);
}

static void a_faulty_file_holds_up_no_other(void **state) {
    const tm_home *home = *state;
    put("a.csv", "id\n1\n");
    put("b.csv", "\x89PNG\r\n\x1a\n");
    put("c.csv", "id\n2\n");
    put("d.parquet", "PAR1 and no more");
    add(home, "watch", ".", "{}");
    assert_int_equal(pull(home, TM_E_DATA, "PNG").accepted, 2);
    assert_int_equal(pull(home, TM_E_DATA, "PNG").accepted, 0);
    put("b.csv", "id\n3\n");
    assert_int_equal(pull(home, TM_E_DATA, "Parquet").accepted, 1);
    assert_int_equal(tm__fs_remove(path_of("d.parquet"), NULL), TM_OK);
    assert_int_equal(pull(home, TM_OK, NULL).blocks, 0);
    put("e.csv", "4\n5\n"); /* no header, where the others have one */
    (void)pull(home, TM_E_DATA, "names no column");
}

static void a_folder_that_is_gone_comes_back(void **state) {
    const tm_home *home = *state;
    add(home, "watch", "in", "{}");
    (void)pull(home, TM_E_UNAVAILABLE, "folder");
    json_t *json = NULL;
    assert_int_equal(tm__intake_show(home, "s", &json, NULL), TM_OK);
    assert_string_equal(tm__json_text(json, "status", ""), "retrying");
    json_decref(json);
    assert_int_equal(tm__fs_mkdir(path_of("in"), NULL), TM_OK);
    put("in/a.csv", "id\n1\n");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 0);
}

static void no_match_is_told_at_first_and_is_nothing_new_later(void **state) {
    const tm_home *home = *state;
    add(home, "files", "x-*.csv", "{}");
    (void)pull(home, TM_E_NOT_FOUND, "x-*.csv");
    put("x-1.csv", "id\n1\n");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    assert_int_equal(tm__fs_remove(path_of("x-1.csv"), NULL), TM_OK);
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 0);
}

static void write_many(uint32_t n_files, uint32_t n_rows) {
    for (uint32_t i = 0; i < n_files; i++) {
        tm_buf text;
        char name[32];
        tm__buf_init(&text, 1u << 20);
        (void)tm__buf_text(&text, "id,t\n");
        for (uint32_t row = 0; row < n_rows; row++) {
            (void)tm__buf_printf(&text, row % 7 == 3 ? "%u,\"a\nb\"\n" : "%u,word\n",
                                 i * n_rows + row);
        }
        (void)snprintf(name, sizeof(name), "f%02u.csv", i);
        put(name, (const char *)text.data);
        tm__buf_done(&text);
    }
}

/* Each reading is stopped behind its first block, as a kill would. */
static void rows_are_there_once_wherever_it_stops(void **state) {
    const tm_home *home = *state;
    static volatile _Atomic bool cancel;
    tm_ctx broken = {.cancel = &cancel};
    tm_table *table = NULL;
    uint64_t n = 0;
    uint32_t n_stops = 0;
    put("z.csv", "id,t\n200,x\n");
    add(home, "watch", ".", "{\"piece_bytes\": 64}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1); /* types are known */
    write_many(4, 50);
    for (;; n_stops++) {
        tm_feed_pull r = {0};
        cancel = true; /* seen behind the first block */
        const tm_status st = tm__feed_pull(&broken, home, "s", false, &r, NULL);
        n += r.accepted;
        if (st == TM_OK) {
            break;
        }
        assert_int_equal(st, TM_E_CANCELLED);
        assert_true(n_stops < 200);
    }
    assert_true(n_stops > 30);
    assert_int_equal(n, 200);
    assert_int_equal(tm__intake_table(&ctx, home, "s", &table, NULL), TM_OK);
    assert_int_equal(tm__table_rows(table), 201);
    bool seen[201] = {false};
    for (uint32_t i = 0; i < 201; i++) {
        const int64_t id = tm__table_column(table, 0)->ints[i];
        assert_true(id >= 0 && id < 201 && !seen[id]);
        seen[id] = true;
    }
    tm__table_unref(table);
}

static void a_file_that_vanishes_while_it_is_read_is_told_once(void **state) {
    const tm_home *home = *state;
    static volatile _Atomic bool cancel = true;
    tm_ctx broken = {.cancel = &cancel};
    tm_feed_pull r = {0};
    put("z.csv", "id,t\n200,x\n");
    add(home, "watch", ".", "{\"piece_bytes\": 64}");
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 1);
    write_many(2, 50);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tm__feed_pull(&broken, home, "s", false, &r, NULL), TM_E_CANCELLED);
    }
    assert_int_equal(tm__fs_remove(path_of("f00.csv"), NULL), TM_OK);
    assert_int_equal(pull(home, TM_E_DATA, "vanished").accepted, 50);
    assert_int_equal(pull(home, TM_OK, NULL).accepted, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(all_files_decide_types_before_the_first_row),
        TEST(decimal_commas_are_read),
        TEST(numbers_as_people_read_them_are_read),
        TEST(a_key_must_be_a_column),
        TEST(files_of_every_kind_are_read),
        TEST(what_is_not_complete_waits),
        TEST(what_grew_is_read_on_and_what_changed_is_told),
        TEST(a_changed_file_is_read_again_where_that_is_wanted),
        TEST(a_faulty_file_holds_up_no_other),
        TEST(a_folder_that_is_gone_comes_back),
        TEST(no_match_is_told_at_first_and_is_nothing_new_later),
        TEST(rows_are_there_once_wherever_it_stops),
        TEST(a_file_that_vanishes_while_it_is_read_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
