/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power failures at each change of a recorded disk while rows are pushed.
 *
 * usage: intake_points TRACE FOLDER SEED EVERY
 *
 * The trace has a server that takes keyed rows in groups of GROUP, ids in order from 0, with
 * segments made meanwhile; the mark "rows N" says that N of them are acknowledged. After each
 * EVERY-th change, and in four ways (all that is not certain is lost; it survives; it is torn at
 * 512 bytes; at 4 KiB), the home on the disk is opened by the library:
 *
 *   1. Every acknowledged row is there, every row once, and groups are whole.
 *   2. intake.db passes its check, and each file that it names is there.
 *   3. The source goes on: of all rows sent again, and one group more, that group alone is
 * accepted.
 */
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "source/intake.h"
#include "virtual_disk.h"

#define GROUP 20u
#define SOURCE "orders"

static uint64_t n_failed, n_points, n_without_source, n_removed;

static void found(size_t at, const char *how, const char *what, const char *detail) {
    if (++n_failed <= 20) {
        printf("  change %zu, %s: %s: %s\n", at, how, what, detail);
    }
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info;
    (void)kind;
    return at->level == 0 ? 0 : remove(path);
}

/* Number of rows when they are ids from 0 on, each once; else UINT64_MAX. */
static uint64_t rows_there(const tm_home *home, tm_err *err) {
    tm_ctx ctx = {0};
    tm_table *table = NULL;
    const tm_status st = tm__intake_table(&ctx, home, SOURCE, &table, err);
    if (st != TM_OK) {
        return st == TM_E_DATA ? 0 : UINT64_MAX;
    }
    const tm_column *id = tm__table_column(table, 0);
    const uint64_t n = tm__table_rows(table);
    bool is_good = id->type == TM_TYPE_INT && n % GROUP == 0;
    for (uint64_t i = 0; i < n && is_good; i++) {
        is_good = id->ints[i] == (int64_t)i;
    }
    tm__table_unref(table);
    return is_good ? n : UINT64_MAX;
}

static bool send_again(const tm_home *home, uint64_t n, tm_err *err) {
    const uint64_t end = n + GROUP;
    char *body = calloc(end + 1, 40);
    size_t len = 0;
    tm_push_result r = {0};
    tm_intake *intake = tm__intake_create(home);
    for (uint64_t i = 0; body != NULL && i < end; i++) {
        len += (size_t)snprintf(body + len, 40, "{\"id\":%" PRIu64 "}\n", i);
    }
    const tm_push push = {.source = SOURCE, .form = TM_PUSH_LINES, .data = body, .len = len};
    const bool is_good = body != NULL && intake != NULL &&
                         tm__intake_push_wait(intake, &push, &r, err) == TM_OK &&
                         r.accepted == GROUP && r.duplicates == n && r.quarantined == 0;
    tm__intake_close(intake);
    free(body);
    return is_good;
}

static void check(const char *folder, uint64_t n_acknowledged, size_t at, const char *how) {
    char path[PATH_MAX];
    tm_home *home = NULL;
    tm_err err = {0};
    json_t *shown = NULL;
    uint32_t format = 0;
    n_points++;
    snprintf(path, sizeof(path), "%s/.tidemill", folder);
    tm_status st = tm__home_open(path, false, &home, &err);
    if (st == TM_OK) {
        st = tm__intake_show(home, SOURCE, &shown, &err);
    }
    if (st == TM_E_NOT_FOUND && n_acknowledged == 0) {
        n_without_source++;
        tm__home_close(home);
        return;
    }
    json_decref(shown);
    if (st == TM_OK) {
        st = tm__intake_check(home, false, &format, &err);
    }
    if (st != TM_OK) {
        found(at, how, "the source does not open", err.message);
        tm__home_close(home);
        return;
    }
    /* What nobody names is nobody's: without it all is as before. */
    static const tm_intake_collect all = {.age_us = -TM_INTAKE_COLLECT_US, .removes = true};
    tm_intake_rest rest = {0};
    st = tm__intake_collect(home, &all, &rest, &err);
    if (st == TM_OK) {
        st = tm__intake_check(home, false, &format, &err);
    }
    n_removed += rest.n;
    if (st != TM_OK) {
        found(at, how, "a file that a source needs was removed", err.message);
        tm__home_close(home);
        return;
    }
    const uint64_t n = rows_there(home, &err);
    if (n == UINT64_MAX) {
        found(at, how, "rows are lost, repeated or half there", err.message);
    } else if (n < n_acknowledged) {
        found(at, how, "an acknowledged row is lost", "");
    } else if (!send_again(home, n, &err) || rows_there(home, &err) != n + GROUP) {
        found(at, how, "the source does not go on", err.message);
    }
    tm__home_close(home);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: intake_points TRACE FOLDER SEED EVERY\n");
        return 2;
    }
    const uint64_t seed = strtoull(argv[3], NULL, 10);
    const size_t every = strtoull(argv[4], NULL, 10);
    virtual_disk *disk = virtual_disk_open(argv[1], NULL);
    const size_t length = virtual_disk_length(disk);
    const char *mark = NULL;
    uint64_t n_acknowledged = 0;
    for (size_t at = 1; at <= length; at++) {
        (void)virtual_disk_step(disk, &mark);
        if (mark != NULL && sscanf(mark, "rows %" SCNu64, &n_acknowledged) != 1) {
            fprintf(stderr, "unknown mark '%s'\n", mark);
            return 3;
        }
        const virtual_failure failures[] = {
            {.loss = VIRTUAL_KEEP},
            {.loss = VIRTUAL_LOSE},
            {.loss = VIRTUAL_TEAR, .block_bytes = 512, .seed = seed + at},
            {.loss = VIRTUAL_TEAR, .block_bytes = 4096, .seed = seed + at},
        };
        static const char *const how[] = {"the rest kept", "the rest lost", "torn at 512 bytes",
                                          "torn at 4 KiB"};
        for (unsigned i = 0; at % every == 0 && i < 4; i++) {
            nftw(argv[2], remove_one, 16, FTW_DEPTH | FTW_PHYS);
            virtual_disk_fail(disk, &failures[i], argv[2]);
            check(argv[2], n_acknowledged, at, how[i]);
        }
    }
    printf("%" PRIu64 " crash points over %zu changes, seed %" PRIu64 ": %" PRIu64
           " failed (%" PRIu64 " before there was a source, %" PRIu64 " files of nobody)\n",
           n_points, length, seed, n_failed, n_without_source, n_removed);
    virtual_disk_close(disk);
    return 0;
}
