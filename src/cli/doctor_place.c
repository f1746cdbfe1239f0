/* SPDX-License-Identifier: Apache-2.0 */
/* Where the home is: its folder, and the disk below. A probe file tells what a sync costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sort.h"
#include "base/system.h"
#include "cli/doctor.h"
#include "store/home.h"

#define DISK_MIN (UINT64_C(200) << 20) /* databases and some bundles */
#define FILES_MIN 1000u
#define N_SYNCS 9u
#define SYNC_US_MIN 15.0    /* no disk that keeps its word is faster */
#define SYNC_US_MAX 50000.0 /* each label and move waits for one or two */

/* Write and sync a block some times; the median in microseconds. */
static tm_status probe_sync(const char *path, double *out_us, tm_err *err) {
    static const uint8_t block[4096] = {1};
    double us[N_SYNCS];
    tm_file *file = NULL;
    tm_status st = TM_OK;
    TM_TRY(tm__file_open(path, TM_OPEN_CREATE, &file, err));
    for (uint32_t i = 0; st == TM_OK && i < N_SYNCS; i++) {
        st = tm__file_write(file, block, sizeof(block), err);
        const uint64_t start_ns = tm__mono_ns();
        if (st == TM_OK) {
            st = tm__file_sync(file, err);
        }
        us[i] = (double)(tm__mono_ns() - start_ns) / 1000;
    }
    tm__file_close(file);
    const tm_status removed = tm__fs_remove(path, st == TM_OK ? err : NULL);
    st = st == TM_OK ? removed : st;
    if (st == TM_OK) {
        qsort(us, N_SYNCS, sizeof(*us), tm__compare_f64);
        *out_us = us[N_SYNCS / 2];
    }
    return st;
}

tm_status tm__check_note(tm_status status) {
    if (status == TM_E_NOMEM) {
        (void)tm__json_lost();
    }
    return status;
}

static void check_writing(tm_checks *checks, const char *dir, const char *label) {
    char name[64];
    tm_err err = {0};
    double us = 0;
    (void)snprintf(name, sizeof(name), ".doctor-%llu", (unsigned long long)tm__mono_ns());
    char *path = tm__fs_join(dir, name);
    const tm_status st =
        path == NULL ? TM_FAIL(&err, TM_E_NOMEM, "out of memory") : probe_sync(path, &us, &err);
    tm__mem_free(path);
    if (tm__check_note(st) != TM_OK) {
        tm__check_add(checks, "home", TM_CHECK_BAD,
                      "Allow this user to write the folder, or choose another with --home.", "%s",
                      err.message);
        return;
    }
    tm__check_add(checks, "home", TM_CHECK_OK, NULL, "%s", label);
    tm__check_add(
        checks, "sync", us < SYNC_US_MIN || us > SYNC_US_MAX ? TM_CHECK_WARN : TM_CHECK_OK,
        us < SYNC_US_MIN
            ? "The disk says that data is durable before it can be: what was acknowledged "
              "may be lost with the power."
            : "Labels and moves wait for this disk: use a faster one.",
        "%.0f us for a block", us);
}

static void check_disk(tm_checks *checks, const char *dir) {
    static const struct {
        tm_check_state state;
        const char *words, *advice;
    } kinds[] = {
        [TM_DISK_LOCAL] = {TM_CHECK_OK, "", NULL},
        [TM_DISK_NETWORK] = {TM_CHECK_BAD, ", a network share",
                             "Keep the home on a local disk: the databases' write-ahead log does "
                             "not work over a network."},
        [TM_DISK_MEMORY] = {TM_CHECK_WARN, ", in memory",
                            "What is kept here ends with the machine: use a disk."},
        [TM_DISK_LAYER] = {TM_CHECK_WARN, ", a layer of a container",
                           "What is kept here ends with the container: use a volume."},
        [TM_DISK_UNSURE] = {TM_CHECK_WARN, ", which may be a share",
                            "Make sure that it is a local disk that keeps its word on fsync."},
    };
    tm_disk disk;
    char free_text[32], total_text[32];
    if (!tm__disk_info(dir, &disk)) {
        tm__check_add(checks, "disk", TM_CHECK_BAD, "Choose another folder with --home.",
                      "not known");
        return;
    }
    tm__check_add(checks, "disk", disk.free_bytes >= DISK_MIN ? TM_CHECK_OK : TM_CHECK_BAD,
                  "Make room, or choose another folder with --home.", "%s free of %s",
                  tm__bytes_text(disk.free_bytes, free_text, sizeof(free_text)),
                  tm__bytes_text(disk.total_bytes, total_text, sizeof(total_text)));
    const bool has_files = disk.total_files == 0 || disk.free_files >= FILES_MIN;
    tm__check_add(checks, "inodes", has_files ? TM_CHECK_OK : TM_CHECK_BAD,
                  "Remove files from this disk, or choose another folder with --home.",
                  disk.total_files == 0 ? "without a limit" : "%llu free",
                  (unsigned long long)disk.free_files);
    tm__check_add(checks, "file_system", kinds[disk.kind].state, kinds[disk.kind].advice, "%s%s",
                  disk.name, kinds[disk.kind].words);
}

static void check_mode(tm_checks *checks, const char *dir) {
    tm_file_access access;
    if (!tm__access_info(dir, &access)) {
        return;
    }
    tm__check_add(
        checks, "mode", (access.mode & 077) != 0 || !access.is_own ? TM_CHECK_WARN : TM_CHECK_OK,
        "Rows and hashes of keys lie here: chmod 0700, and let the user of the server own "
        "it.",
        "%04o%s", access.mode, access.is_own ? "" : ", of another user");
}

void tm__check_place(tm_checks *checks, const char *home_name) {
    tm_err err = {0};
    tm_home *home = NULL;
    const tm_status st = tm__check_note(tm__home_open(home_name, false, &home, &err));
    if (st != TM_OK && st != TM_E_NOT_FOUND) {
        tm__check_add(checks, "home", TM_CHECK_BAD, "Choose another folder with --home.", "%s",
                      err.message);
        return;
    }
    const char *dir = st == TM_OK ? tm__home_path(home) : ".";
    check_writing(checks, dir, st == TM_OK ? dir : "none yet; the first train makes it here");
    if (st == TM_OK) {
        check_mode(checks, dir);
    }
    check_disk(checks, dir);
    tm__home_close(home);
}
