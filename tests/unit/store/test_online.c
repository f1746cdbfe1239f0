/* SPDX-License-Identifier: Apache-2.0 */
#include "store/online.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/proc.h"
#include "temp_home.h"
#include "test.h"

static tm_online *open_write(const tm_home *home, bool anew, bool *out_anew) {
    tm_online *online = NULL;
    tm_err err = {0};
    if (tm__online_open_write(home, anew, &online, out_anew, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return online;
}

static void put_one(tm_online *online, const char *value) {
    tm_online_view view = {.source = "s"};
    assert_int_equal(tm__online_begin(online, NULL), TM_OK);
    assert_int_equal(tm__online_put_view(online, &view, NULL), TM_OK);
    assert_int_equal(tm__online_put(online, view.id, tm__str("k"), tm__str(value), NULL), TM_OK);
    assert_int_equal(tm__online_commit(online, NULL), TM_OK);
}

/* The value of "k" as a reader of its own sees it; "" when there is none. */
static void look(const tm_home *home, char out[32]) {
    tm_online *online = NULL;
    tm_online_reader *reader = NULL;
    tm_str value = {0};
    out[0] = '\0';
    if (tm__online_open(home, 0, &online, NULL) != TM_OK) {
        return;
    }
    assert_int_equal(tm__online_reader_create(online, &reader, NULL), TM_OK);
    assert_int_equal(tm__online_reader_begin(reader, NULL), TM_OK);
    if (tm__online_get(reader, 1, tm__str("k"), &value, NULL) == TM_OK) {
        assert_true(tm__str_copy(out, 32, value));
    }
    tm__online_reader_free(reader);
    tm__online_unref(online);
}

static char *data_path(const tm_home *home, uint64_t generation) {
    char name[64];
    (void)snprintf(name, sizeof(name), "online/%u/data.mdb", (unsigned)generation);
    return tm__fs_join(tm__home_path(home), name);
}

static void a_store_is_seen_when_it_is_published(void **state) {
    bool is_anew = false;
    char value[32];
    tm_online *online = NULL;
    assert_int_equal(tm__online_newest(*state), 0);
    assert_int_equal(tm__online_open(*state, 0, &online, NULL), TM_E_NOT_FOUND);
    online = open_write(*state, false, &is_anew);
    assert_true(is_anew);
    assert_int_equal(tm__online_generation(online), 1);
    put_one(online, "one");
    look(*state, value);
    assert_string_equal(value, "");
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    assert_true(tm__online_bytes(online) > 0);
    tm__online_unref(online);
    look(*state, value);
    assert_string_equal(value, "one");
    online = open_write(*state, false, &is_anew);
    assert_false(is_anew);
    tm__online_unref(online);
    look(*state, value);
    assert_string_equal(value, "one");
}

static void one_process_writes(void **state) {
    bool is_anew = false;
    tm_online *other = NULL;
    tm_online *const online = open_write(*state, false, &is_anew);
    tm_err err = {0};
    assert_int_equal(tm__online_open_write(*state, false, &other, &is_anew, &err), TM_E_CONFLICT);
    tm__online_unref(online);
}

static void who_reads_an_old_one_keeps_it(void **state) {
    bool is_anew = false;
    char value[32];
    tm_online_reader *reader = NULL;
    tm_online *online = open_write(*state, false, &is_anew), *old = NULL;
    tm_str found = {0};
    put_one(online, "one");
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    tm__online_unref(online);
    assert_int_equal(tm__online_open(*state, 0, &old, NULL), TM_OK);
    assert_int_equal(tm__online_reader_create(old, &reader, NULL), TM_OK);
    online = open_write(*state, true, &is_anew);
    assert_true(is_anew);
    assert_int_equal(tm__online_generation(online), 2);
    put_one(online, "two");
    assert_int_equal(tm__online_newest(*state), 1);
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    tm__online_unref(online);
    assert_int_equal(tm__online_newest(*state), 2);
    assert_int_equal(tm__online_reader_begin(reader, NULL), TM_OK);
    assert_int_equal(tm__online_get(reader, 1, tm__str("k"), &found, NULL), TM_OK);
    assert_true(tm__str_is(found, "one"));
    tm__online_reader_free(reader);
    tm__online_unref(old);
    look(*state, value);
    assert_string_equal(value, "two");
    char *const path = data_path(*state, 1);
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    tm__mem_free(path);
}

static void make_published(const tm_home *home) {
    bool is_anew = false;
    tm_online *const online = open_write(home, false, &is_anew);
    put_one(online, "one");
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    tm__online_unref(online);
}

static void damage_is_refused_and_left_for_an_empty_one(void **state) {
    static const struct {
        const char *name;
        off_t at; /* where 16 bytes are overwritten; -1: the file is cut */
    } cases[] = {{"no head", 16}, {"cut", -1}};
    for (size_t i = 0; i < 2; i++) {
        bool is_anew = false;
        char value[32];
        tm_online *online = NULL;
        tm_err err = {0};
        make_published(*state);
        const uint64_t before = tm__online_newest(*state);
        char *const path = data_path(*state, before);
        if (cases[i].at < 0) {
            assert_int_equal(truncate(path, 2 * 4096 + 100), 0);
        } else {
            const int fd = open(path, O_WRONLY);
            assert_int_equal(pwrite(fd, "xxxxxxxxxxxxxxxx", 16, cases[i].at), 16);
            assert_int_equal(pwrite(fd, "xxxxxxxxxxxxxxxx", 16, 4096 + cases[i].at), 16);
            (void)close(fd);
        }
        tm__mem_free(path);
        assert_int_equal(tm__online_open(*state, 0, &online, &err), TM_E_INTEGRITY);
        assert_non_null(strstr(err.hint, "online rebuild"));
        online = open_write(*state, false, &is_anew);
        assert_true(is_anew);
        assert_int_equal(tm__online_generation(online), before + 1);
        assert_int_equal(tm__online_publish(online, NULL), TM_OK);
        tm__online_unref(online);
        look(*state, value);
        assert_string_equal(value, "");
    }
}

static void what_a_kill_left_aside_is_begun_anew(void **state) {
    bool is_anew = false;
    char value[32];
    tm_online *online = open_write(*state, false, &is_anew);
    put_one(online, "lost");
    tm__online_unref(online); /* never published */
    online = open_write(*state, false, &is_anew);
    assert_true(is_anew);
    put_one(online, "kept");
    assert_int_equal(tm__online_publish(online, NULL), TM_OK);
    tm__online_unref(online);
    look(*state, value);
    assert_string_equal(value, "kept");
}

static void a_small_address_space_is_enough(void **state) {
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {(rlim_t)8 << 30, (rlim_t)8 << 30};
        tm_online *online = NULL;
        bool is_anew = false;
        if (setrlimit(RLIMIT_AS, &limit) != 0) {
            _exit(2);
        }
        _exit(tm__online_open_write(*state, false, &online, &is_anew, NULL) == TM_OK ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (TM_CHILD_ADDRESSES(1) != 0) { /* sanitizers take terabytes for themselves */
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_is_seen_when_it_is_published, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(one_process_writes, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(who_reads_an_old_one_keeps_it, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(damage_is_refused_and_left_for_an_empty_one,
                                        tm__temp_home_open, tm__temp_home_close),
        cmocka_unit_test_setup_teardown(what_a_kill_left_aside_is_begun_anew, tm__temp_home_open,
                                        tm__temp_home_close),
        cmocka_unit_test_setup_teardown(a_small_address_space_is_enough, tm__temp_home_open,
                                        tm__temp_home_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
