/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/online.h"
#include "temp_home.h"
#include "test.h"

typedef struct opened {
    tm_online *online;
    tm_online_reader *reader;
} opened;

static void open_both(const tm_home *home, opened *o) {
    bool is_anew = false;
    assert_int_equal(tm__online_open_write(home, false, &o->online, &is_anew, NULL), TM_OK);
    assert_int_equal(tm__online_reader_create(o->online, &o->reader, NULL), TM_OK);
}

static void close_both(opened *o) {
    tm__online_reader_free(o->reader);
    tm__online_unref(o->online);
}

static tm_online_view put_view(tm_online *online, uint8_t mark) {
    tm_online_view view = {.mark = {{mark}},
                           .source = "flights",
                           .next = 7,
                           .newest_us = -5,
                           .n_keys = 2,
                           .key_types = {TM_HASH_BYTES, 2}};
    assert_int_equal(tm__online_put_view(online, &view, NULL), TM_OK);
    return view;
}

static tm_status get(opened *o, uint32_t view, tm_str key, tm_str *out) {
    tm__online_reader_end(o->reader);
    assert_int_equal(tm__online_reader_begin(o->reader, NULL), TM_OK);
    return tm__online_get(o->reader, view, key, out, NULL);
}

static void keys_of_any_bytes_and_length_are_told_apart(void **state) {
    opened o;
    char long_a[1000], long_b[1000];
    memset(long_a, 'a', sizeof(long_a));
    memset(long_b, 'a', sizeof(long_b));
    long_b[999] = 'b';
    const tm_str keys[] = {{"", 0},        {"\0", 1},     {"\0\0", 2},   {"a", 1},
                           {long_a, 400},  {long_a, 401}, {long_a, 999}, {long_a, 1000},
                           {long_b, 1000}, {"a\0b", 3}};
    enum { N = sizeof(keys) / sizeof(keys[0]) };
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    const tm_online_view a = put_view(o.online, 1), b = put_view(o.online, 2);
    assert_int_equal(a.id, 1);
    assert_int_equal(b.id, 2);
    for (uint32_t i = 0; i < N; i++) {
        char value[8];
        (void)snprintf(value, sizeof(value), "v%u", i);
        assert_int_equal(tm__online_put(o.online, a.id, keys[i], tm__str(value), NULL), TM_OK);
    }
    tm_str found = {0};
    assert_int_equal(tm__online_get_mine(o.online, a.id, keys[3], &found, NULL), TM_OK);
    assert_true(tm__str_is(found, "v3"));
    assert_int_equal(tm__online_get_mine(o.online, b.id, keys[3], &found, NULL), TM_E_NOT_FOUND);
    assert_int_equal(get(&o, a.id, keys[0], &found), TM_E_NOT_FOUND); /* not committed */
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    for (uint32_t i = 0; i < N; i++) {
        char value[8];
        (void)snprintf(value, sizeof(value), "v%u", i);
        assert_int_equal(get(&o, a.id, keys[i], &found), TM_OK);
        assert_true(tm__str_is(found, value));
        assert_int_equal(get(&o, b.id, keys[i], &found), TM_E_NOT_FOUND);
    }
    uint64_t n = 0;
    assert_int_equal(tm__online_check(o.reader, &n, NULL), TM_OK);
    assert_int_equal(n, N + 2 + 1);
    close_both(&o);
}

static void a_reader_sees_one_moment(void **state) {
    opened o;
    tm_str found = {0};
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    const tm_online_view view = put_view(o.online, 1);
    assert_int_equal(tm__online_put(o.online, view.id, tm__str("k"), tm__str("old"), NULL), TM_OK);
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    assert_int_equal(get(&o, view.id, tm__str("k"), &found), TM_OK);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    assert_int_equal(tm__online_put(o.online, view.id, tm__str("k"), tm__str("new"), NULL), TM_OK);
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    assert_int_equal(tm__online_reader_begin(o.reader, NULL), TM_OK); /* open already */
    assert_int_equal(tm__online_get(o.reader, view.id, tm__str("k"), &found, NULL), TM_OK);
    assert_true(tm__str_is(found, "old"));
    assert_int_equal(get(&o, view.id, tm__str("k"), &found), TM_OK);
    assert_true(tm__str_is(found, "new"));
    close_both(&o);
}

static void what_is_rolled_back_never_was(void **state) {
    opened o;
    tm_str found = {0};
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    const tm_online_view view = put_view(o.online, 1);
    assert_int_equal(tm__online_put(o.online, view.id, tm__str("k"), tm__str("v"), NULL), TM_OK);
    tm__online_rollback(o.online);
    tm__online_rollback(o.online);
    assert_int_equal(get(&o, view.id, tm__str("k"), &found), TM_E_NOT_FOUND);
    tm_online_view none;
    assert_int_equal(tm__online_find_view(o.reader, &view.mark, &none, NULL), TM_E_NOT_FOUND);
    close_both(&o);
}

static bool count_view(void *arg, const tm_online_view *view) {
    *(uint32_t *)arg += view->id;
    return true;
}

static void a_view_goes_with_its_values_and_no_others(void **state) {
    opened o;
    tm_str found = {0};
    bool more = true;
    uint32_t n_calls = 0, ids = 0;
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    const tm_online_view a = put_view(o.online, 1), b = put_view(o.online, 2);
    for (uint32_t i = 0; i < 50001; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "%u", i);
        assert_int_equal(tm__online_put(o.online, a.id, tm__str(key), tm__str("v"), NULL), TM_OK);
    }
    assert_int_equal(tm__online_put(o.online, b.id, tm__str("k"), tm__str("b"), NULL), TM_OK);
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    for (; more; n_calls++) {
        assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
        assert_int_equal(tm__online_drop_some(o.online, &a, &more, NULL), TM_OK);
        assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    }
    assert_int_equal(n_calls, 3);
    assert_int_equal(get(&o, a.id, tm__str("7"), &found), TM_E_NOT_FOUND);
    assert_int_equal(get(&o, b.id, tm__str("k"), &found), TM_OK);
    assert_int_equal(tm__online_views(o.reader, count_view, &ids, NULL), TM_OK);
    assert_int_equal(ids, b.id);
    uint64_t n = 0;
    assert_int_equal(tm__online_check(o.reader, &n, NULL), TM_OK);
    assert_int_equal(n, 3);
    close_both(&o);
}

static void records_come_back_as_they_were(void **state) {
    opened o;
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    tm_online_view view = put_view(o.online, 9), back;
    (void)snprintf(view.problem, sizeof(view.problem), "column 'x' is text");
    view.checked_us = 12345;
    view.n_missed = 3;
    assert_int_equal(tm__online_put_view(o.online, &view, NULL), TM_OK);
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    assert_int_equal(tm__online_reader_begin(o.reader, NULL), TM_OK);
    assert_int_equal(tm__online_find_view(o.reader, &view.mark, &back, NULL), TM_OK);
    assert_int_equal(back.id, view.id);
    assert_int_equal(back.checked_us, 12345);
    assert_int_equal(back.n_missed, 3);
    assert_int_equal(back.next, 7);
    assert_int_equal(back.newest_us, -5);
    assert_string_equal(back.problem, view.problem);
    assert_string_equal(back.source, "flights");
    assert_memory_equal(back.key_types, view.key_types, TM_ONLINE_KEY_COLS);
    close_both(&o);
}

/* Every byte of a value that changed on the disk is found. */
static void a_changed_byte_is_found(void **state) {
    opened o;
    tm_str found = {0};
    uint64_t n = 0;
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    const tm_online_view view = put_view(o.online, 1);
    assert_int_equal(
        tm__online_put(o.online, view.id, tm__str("k"), tm__str("needle in a page"), NULL), TM_OK);
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    assert_int_equal(tm__online_publish(o.online, NULL), TM_OK);
    char *const path = tm__fs_join(tm__home_path(*state), "online/1/data.mdb");
    const int fd = open(path, O_RDWR);
    char page[4096];
    for (off_t at = 0; pread(fd, page, sizeof(page), at) == (ssize_t)sizeof(page);
         at += (off_t)sizeof(page)) {
        const char *const needle = memmem(page, sizeof(page), "needle", 6);
        if (needle != NULL) {
            assert_int_equal(pwrite(fd, "noodle", 6, at + (needle - page)), 6);
        }
    }
    (void)close(fd);
    tm__mem_free(path);
    tm_err err = {0};
    assert_int_equal(get(&o, view.id, tm__str("k"), &found), TM_E_INTEGRITY);
    assert_int_equal(tm__online_check(o.reader, &n, &err), TM_E_INTEGRITY);
    assert_string_equal(err.message, "the online store is damaged");
    close_both(&o);
}

/* A file that may not grow stands for a disk that is full. */
static int fill_the_disk(const tm_home *home) {
    opened o;
    struct rlimit limit = {0};
    tm_online_view back;
    uint64_t n = 0;
    tm_err err = {0};
    tm_status st = TM_OK;
    char value[3000];
    memset(value, 'x', sizeof(value));
    open_both(home, &o);
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &limit);
    const struct rlimit small = {200000, limit.rlim_max};
    st = tm__online_begin(o.online, NULL);
    tm_online_view view = {.mark = {{1}}, .source = "flights"};
    st = st == TM_OK ? tm__online_put_view(o.online, &view, NULL) : st;
    st = st == TM_OK ? tm__online_commit(o.online, NULL) : st;
    (void)setrlimit(RLIMIT_FSIZE, &small);
    for (uint32_t i = 0; st == TM_OK && i < 200; i++) {
        st = tm__online_begin(o.online, &err);
        view.next = i + 1;
        st = st == TM_OK ? tm__online_put_view(o.online, &view, &err) : st;
        st = st == TM_OK ? tm__online_put(o.online, view.id, (tm_str){(char *)&i, 4},
                                          (tm_str){value, sizeof(value)}, &err)
                         : st;
        st = st == TM_OK ? tm__online_commit(o.online, &err) : st;
        tm__online_rollback(o.online);
        n += st == TM_OK ? 1 : 0;
    }
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    if (st != TM_E_UNAVAILABLE || n < 10 || n > 100) {
        return 1;
    }
    if (tm__online_reader_begin(o.reader, NULL) != TM_OK ||
        tm__online_find_view(o.reader, &view.mark, &back, NULL) != TM_OK || back.next != n) {
        return 2; /* what was committed is there, and nothing else */
    }
    tm__online_reader_end(o.reader);
    st = tm__online_begin(o.online, NULL);
    st = st == TM_OK ? tm__online_put_view(o.online, &view, NULL) : st;
    st = st == TM_OK ? tm__online_commit(o.online, NULL) : st;
    return st == TM_OK && tm__online_reader_begin(o.reader, NULL) == TM_OK &&
                   tm__online_check(o.reader, &n, NULL) == TM_OK
               ? 0
               : 3;
}

static void a_full_disk_changes_nothing_and_goes_on_later(void **state) {
    const pid_t child = fork();
    if (child == 0) {
        _exit(fill_the_disk(*state));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A reader that died does not keep old pages for ever. */
static void readers_that_died_are_forgotten(void **state) {
    opened o;
    char value[3000];
    memset(value, 'x', sizeof(value));
    open_both(*state, &o);
    assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
    const tm_online_view view = put_view(o.online, 1);
    assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    assert_int_equal(tm__online_publish(o.online, NULL), TM_OK);
    const pid_t child = fork();
    if (child == 0) {
        tm_online *mine = NULL;
        tm_online_reader *reader = NULL;
        const bool ok = tm__online_open(*state, 0, &mine, NULL) == TM_OK &&
                        tm__online_reader_create(mine, &reader, NULL) == TM_OK &&
                        tm__online_reader_begin(reader, NULL) == TM_OK;
        (void)kill(getpid(), ok ? SIGKILL : SIGTERM);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(tm__online_begin(o.online, NULL), TM_OK);
        assert_int_equal(
            tm__online_put(o.online, view.id, tm__str("k"), (tm_str){value, sizeof(value)}, NULL),
            TM_OK);
        assert_int_equal(tm__online_commit(o.online, NULL), TM_OK);
    }
    assert_true(tm__online_bytes(o.online) < 300 * 4096);
    close_both(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_of_any_bytes_and_length_are_told_apart,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_reader_sees_one_moment, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_is_rolled_back_never_was, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_view_goes_with_its_values_and_no_others,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(records_come_back_as_they_were, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_changed_byte_is_found, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_full_disk_changes_nothing_and_goes_on_later,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(readers_that_died_are_forgotten, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
