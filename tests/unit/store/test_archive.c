/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/archive.h"
#include "support.h"

static char archive_path[128], source_path[128];
static tm_ctx ctx;

static int set_up(void **state) {
    (void)state;
    test_folder_make(&test_dir);
    test_folder_join(&test_dir, "a.tar.zst", archive_path, sizeof(archive_path));
    test_folder_join(&test_dir, "source", source_path, sizeof(source_path));
    return 0;
}

static void file_write(const char *path, const void *data, size_t len) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Bytes that are a function of their place and do not pack to nothing. */
static uint8_t byte_at(size_t i) {
    return (uint8_t)((i * 2654435761u) >> 13);
}

static void source_write(size_t len) {
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = byte_at(i);
    }
    file_write(source_path, bytes, len);
    free(bytes);
}

static tm_archive_writer *create(void) {
    tm_archive_writer *writer = NULL;
    tm_err err = {0};
    if (tm__archive_create(archive_path, NULL, &writer, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return writer;
}

static void publish(tm_archive_writer *writer) {
    uint64_t size_bytes = 0;
    tm_hash hash;
    tm_err err = {0};
    if (tm__archive_publish(writer, &size_bytes, &hash, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(size_bytes, tm__fs_info(archive_path).size_bytes);
    tm__archive_writer_close(writer);
}

/* An archive of one file of len bytes and one short text. */
static void archive_make(size_t len, tm_member *out_member) {
    tm_archive_writer *writer = create();
    source_write(len);
    assert_int_equal(
        tm__archive_add_file(writer, &ctx, "bundles/a.tmb", source_path, out_member, NULL), TM_OK);
    assert_int_equal(tm__archive_add(writer, "manifest.json", "{}", 2, NULL), TM_OK);
    publish(writer);
}

/* Read all; counts members and checks the bytes of the first. */
static tm_status archive_read(uint32_t *out_n, tm_err *err) {
    static uint8_t chunk[5000];
    tm_archive *archive = NULL;
    tm_archive_info info;
    const tm_member *member = NULL;
    bool has_member = true;
    uint64_t n_wrong = 0; /* bytes count once the member's end was reached */
    *out_n = 0;
    TM_TRY(tm__archive_open(archive_path, NULL, &archive, &info, err));
    tm_status st = TM_OK;
    while (st == TM_OK) {
        st = tm__archive_next(archive, &member, &has_member, err);
        if (st != TM_OK || !has_member) {
            break;
        }
        size_t at = 0;
        for (size_t n = sizeof(chunk); st == TM_OK && n == sizeof(chunk);) {
            st = tm__archive_read(archive, chunk, sizeof(chunk), &n, err);
            for (size_t i = 0; st == TM_OK && *out_n == 0 && i < n; i++) {
                n_wrong += chunk[i] != byte_at(at + i);
            }
            at += n;
        }
        assert_true(st != TM_OK || (at == member->size_bytes && n_wrong == 0));
        ++*out_n;
    }
    tm__archive_close(archive);
    return st;
}

static void files_come_back_with_their_bytes_and_hashes(void **state) {
    (void)state;
    static const size_t sizes[] = {0,     1,    511,    512,    513,    5000,    65535,  65536,
                                   65537, 5120, 262143, 262144, 262145, 1000000, 1048576};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t n = 0;
        tm_err err = {0};
        tm_member member;
        archive_make(sizes[i], &member);
        assert_int_equal(member.size_bytes, sizes[i]);
        if (archive_read(&n, &err) != TM_OK) {
            fail_msg("%zu bytes: %s", sizes[i], err.message);
        }
        assert_int_equal(n, 2);
        assert_int_equal(remove(archive_path), 0);
    }
}

static void a_member_may_be_passed_over_and_is_checked_all_the_same(void **state) {
    (void)state;
    tm_archive *archive = NULL;
    tm_archive_info info;
    const tm_member *member = NULL;
    tm_member wanted;
    bool has_member = false;
    archive_make(700000, &wanted);
    assert_int_equal(tm__archive_open(archive_path, NULL, &archive, &info, NULL), TM_OK);
    assert_int_equal(info.n_members, 2);
    assert_int_equal(info.content_bytes, 700002);
    assert_int_equal(tm__archive_next(archive, &member, &has_member, NULL), TM_OK);
    assert_string_equal(member->name, "bundles/a.tmb");
    assert_int_equal(tm__archive_next(archive, &member, &has_member, NULL), TM_OK);
    assert_string_equal(member->name, "manifest.json");
    assert_int_equal(tm__archive_next(archive, &member, &has_member, NULL), TM_OK);
    assert_false(has_member);
    tm__archive_close(archive);
}

static void every_changed_bit_of_the_file_is_noticed(void **state) {
    (void)state;
    tm_member member;
    tm_buf bytes;
    archive_make(1500, &member);
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__fs_read_all(archive_path, &bytes, NULL), TM_OK);
    for (size_t at = 0; at < bytes.len; at++) {
        uint32_t n = 0;
        tm_err err = {0};
        const uint8_t mask = (uint8_t)(1u << (at % 8));
        bytes.data[at] ^= mask;
        file_write(archive_path, bytes.data, bytes.len);
        const tm_status st = archive_read(&n, &err);
        bytes.data[at] ^= mask;
        /* A changed number of the format says that another program wrote it; both are refused. */
        if (st != TM_E_INTEGRITY && st != TM_E_UNSUPPORTED) {
            fail_msg("byte %zu of %zu: status %d, %s", at, bytes.len, (int)st, err.message);
        }
    }
    tm__buf_done(&bytes);
}

static void every_cut_of_the_file_is_noticed(void **state) {
    (void)state;
    tm_member member;
    tm_buf bytes;
    archive_make(1500, &member);
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__fs_read_all(archive_path, &bytes, NULL), TM_OK);
    for (size_t len = 0; len < bytes.len; len++) {
        uint32_t n = 0;
        file_write(archive_path, bytes.data, len);
        const tm_status st = archive_read(&n, NULL);
        assert_true(st == (len < 4 ? TM_E_DATA : TM_E_INTEGRITY));
    }
    tm__buf_done(&bytes);
}

static void damage_has_the_name_of_the_file_inside(void **state) {
    (void)state;
    tm_member member;
    tm_buf bytes;
    uint32_t n = 0;
    tm_err err = {0};
    archive_make(200000, &member);
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__fs_read_all(archive_path, &bytes, NULL), TM_OK);
    bytes.data[bytes.len / 2] ^= 1;
    file_write(archive_path, bytes.data, bytes.len);
    assert_int_equal(archive_read(&n, &err), TM_E_INTEGRITY);
    assert_string_equal(err.message, "the backup is damaged in 'bundles/a.tmb'");
    assert_string_equal(err.data_path, archive_path);
    tm__buf_done(&bytes);
}

static void a_later_format_and_a_foreign_file_are_refused_by_name(void **state) {
    (void)state;
    tm_member member;
    tm_buf bytes;
    uint32_t n = 0;
    tm_err err = {0};
    archive_make(10, &member);
    tm__buf_init(&bytes, 1u << 20);
    assert_int_equal(tm__fs_read_all(archive_path, &bytes, NULL), TM_OK);
    bytes.data[bytes.len - TM_ARCHIVE_TRAILER + 16] = 9;
    file_write(archive_path, bytes.data, bytes.len);
    assert_int_equal(archive_read(&n, &err), TM_E_UNSUPPORTED);
    assert_string_equal(err.message, "this is a backup of format 9 and this program knows up to 1");
    file_write(archive_path, "x,y\n1,2\n", 8);
    assert_int_equal(archive_read(&n, &err), TM_E_DATA);
    tm__buf_done(&bytes);
}

static void what_is_not_published_leaves_nothing(void **state) {
    (void)state;
    tm_archive_writer *writer = create();
    assert_int_equal(tm__archive_add(writer, "manifest.json", "{}", 2, NULL), TM_OK);
    tm__archive_writer_close(writer);
    assert_int_equal(remove(test_dir.path), 0); /* only an empty folder can be removed */
    assert_int_equal(tm__fs_mkdir(test_dir.path, NULL), TM_OK);
}

static void a_file_that_came_to_be_meanwhile_is_kept(void **state) {
    (void)state;
    uint64_t size_bytes = 0;
    tm_hash hash;
    tm_archive_writer *writer = create();
    file_write(archive_path, "mine", 4);
    assert_int_equal(tm__archive_publish(writer, &size_bytes, &hash, NULL), TM_E_CONFLICT);
    tm__archive_writer_close(writer);
    assert_int_equal(tm__fs_info(archive_path).size_bytes, 4);
}

/* The disk as tests of publishing see it: what was asked of it, and which change fails. */
static uint32_t n_changes, fail_at;
static tm_disk_op changes[64];

static int watch(const tm_disk_event *event) {
    if (n_changes < sizeof(changes) / sizeof(changes[0])) {
        changes[n_changes] = event->op;
    }
    n_changes++;
    return n_changes == fail_at ? EIO : 0;
}

static tm_status archive_try(void) {
    tm_archive_writer *writer = NULL;
    tm_member member;
    uint64_t size_bytes = 0;
    tm_hash hash;
    tm_status st = tm__archive_create(archive_path, NULL, &writer, NULL);
    if (st == TM_OK) {
        st = tm__archive_add_file(writer, &ctx, "meta.db", source_path, &member, NULL);
    }
    if (st == TM_OK) {
        st = tm__archive_add(writer, "manifest.json", "{}", 2, NULL);
    }
    if (st == TM_OK) {
        st = tm__archive_publish(writer, &size_bytes, &hash, NULL);
    }
    tm__archive_writer_close(writer);
    return st;
}

static void a_failing_disk_leaves_no_backup(void **state) {
    (void)state;
    source_write(100000);
    for (uint32_t n = 1; n < 100; n++) {
        uint32_t n_members = 0;
        n_changes = 0;
        fail_at = n;
        tm__disk_watch(watch);
        const tm_status st = archive_try();
        tm__disk_watch(NULL);
        if (st == TM_OK) {
            assert_true(n > 5); /* create, writes, sync, rename, sync of the folder */
            assert_int_equal(archive_read(&n_members, NULL), TM_OK);
            assert_int_equal(n_members, 2);
            return;
        }
        assert_int_equal(tm__fs_info(archive_path).kind, TM_PATH_NONE);
    }
    fail_msg("the backup never succeeded");
}

static void a_backup_has_its_name_after_it_is_durable(void **state) {
    (void)state;
    source_write(1000);
    n_changes = 0;
    fail_at = 0;
    tm__disk_watch(watch);
    assert_int_equal(archive_try(), TM_OK);
    tm__disk_watch(NULL);
    assert_true(n_changes > 5 && n_changes < sizeof(changes) / sizeof(changes[0]));
    assert_int_equal(changes[0], TM_DISK_CREATE);
    for (uint32_t i = 1; i < n_changes - 3; i++) {
        assert_int_equal(changes[i], TM_DISK_WRITE);
    }
    assert_int_equal(changes[n_changes - 3], TM_DISK_SYNC);
    assert_int_equal(changes[n_changes - 2], TM_DISK_RENAME);
    assert_int_equal(changes[n_changes - 1], TM_DISK_SYNC_FOLDER);
}

static bool add_without_memory(void *arg) {
    (void)arg;
    const bool ok = archive_try() == TM_OK;
    return tm__fs_remove(archive_path, NULL) == TM_OK && ok;
}

static bool read_without_memory(void *arg) {
    uint32_t n = 0;
    (void)arg;
    return archive_read(&n, NULL) == TM_OK;
}

static void memory_that_runs_out_is_no_leak(void **state) {
    (void)state;
    source_write(1000);
    test_each_mem_fault(add_without_memory, NULL);
    assert_int_equal(archive_try(), TM_OK);
    test_each_mem_fault(read_without_memory, NULL);
}

static void a_request_to_stop_is_heard(void **state) {
    (void)state;
    volatile _Atomic bool cancel = true;
    const tm_ctx stopped = {.cancel = &cancel};
    tm_member member;
    tm_archive_writer *writer = create();
    source_write(100);
    assert_int_equal(tm__archive_add_file(writer, &stopped, "meta.db", source_path, &member, NULL),
                     TM_E_CANCELLED);
    tm__archive_writer_close(writer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_come_back_with_their_bytes_and_hashes, set_up,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(a_member_may_be_passed_over_and_is_checked_all_the_same,
                                        set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(every_changed_bit_of_the_file_is_noticed, set_up,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(every_cut_of_the_file_is_noticed, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(damage_has_the_name_of_the_file_inside, set_up,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(a_later_format_and_a_foreign_file_are_refused_by_name,
                                        set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(what_is_not_published_leaves_nothing, set_up,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(a_file_that_came_to_be_meanwhile_is_kept, set_up,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(a_failing_disk_leaves_no_backup, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(a_backup_has_its_name_after_it_is_durable, set_up,
                                        test_dir_remove),
        cmocka_unit_test_setup_teardown(memory_that_runs_out_is_no_leak, set_up, test_dir_remove),
        cmocka_unit_test_setup_teardown(a_request_to_stop_is_heard, set_up, test_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
