/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/simd.h"
#include "cli/machine.h"
#include "store/duck.h"
#include "store/home.h"

#define MEMORY_MIN (UINT64_C(512) << 20) /* a million rows of 30 columns with their histograms */
#define DISK_MIN (UINT64_C(200) << 20)   /* databases and some bundles */
#define SQLITE_MIN 3037000               /* strict tables */
#define YEAR_2024_US (INT64_C(1704067200) * 1000000)
#define YEAR_2100_US (INT64_C(4102444800) * 1000000)
#define CHECKS_MAX 16u

typedef struct tm_check {
    const char *name;
    bool is_ok;
    char found[256];
    const char *advice; /* when it is not ok */
} tm_check;

typedef struct tm_checks {
    tm_check list[CHECKS_MAX];
    uint32_t n, n_failed;
} tm_checks;

static tm_check *add(tm_checks *checks, const char *name, bool is_ok, const char *advice) {
    tm_check *check = &checks->list[checks->n++];
    *check = (tm_check){.name = name, .is_ok = is_ok, .advice = advice};
    checks->n_failed += is_ok ? 0 : 1;
    return check;
}

static void check_machine(tm_checks *checks) {
    tm_check *check = add(checks, "processor", __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                          "Model files are little-endian: use another machine.");
    const tm_simd simd = tm__simd();
    const tm_simd has = tm__simd_machine();
    snprintf(check->found, sizeof(check->found), "%u usable, vector instructions: %s%s%s%s",
             tm__cpu_count(), tm__simd_text(simd), simd < has ? " of " : "",
             simd < has ? tm__simd_text(has) : "", simd < has ? ", by TIDEMILL_SIMD" : "");
    const uint64_t memory = tm__memory_bytes();
    check = add(checks, "memory", memory >= MEMORY_MIN, "Give the process at least 512 MiB.");
    snprintf(check->found, sizeof(check->found), "%.1f GiB", (double)memory / (double)(1u << 30));
    const int64_t now_us = tm__now_us();
    check = add(checks, "clock", now_us > YEAR_2024_US && now_us < YEAR_2100_US,
                "Set the clock: versions and predictions are recorded with their time.");
    tm_civil civil;
    tm__civil_from_us(now_us, &civil);
    snprintf(check->found, sizeof(check->found), "%04lld-%02u-%02u %02u:%02u UTC",
             (long long)civil.year, civil.month, civil.day, civil.hour, civil.minute);
}

/* True when a file can be made in the folder. */
static bool can_write(const char *dir) {
    char name[64];
    tm_file *file = NULL;
    snprintf(name, sizeof(name), ".doctor-%lld", (long long)tm__now_us());
    char *path = tm__fs_join(dir, name);
    const bool is_ok = path != NULL && tm__file_open(path, TM_OPEN_CREATE, &file, NULL) == TM_OK;
    tm__file_close(file);
    if (is_ok && tm__fs_remove(path, NULL) != TM_OK) {
        tm__mem_free(path);
        return false;
    }
    tm__mem_free(path);
    return is_ok;
}

static void check_home(tm_cli *cli, tm_checks *checks) {
    tm_err err = {0};
    tm_home *home = NULL;
    const tm_status st = tm__home_open(cli->home, false, &home, &err);
    const char *dir = st == TM_OK ? tm__home_path(home) : ".";
    tm_check *check;
    if (st != TM_OK && st != TM_E_NOT_FOUND) {
        check = add(checks, "home", false, "Choose another folder with --home.");
        snprintf(check->found, sizeof(check->found), "%s", err.message);
    } else {
        check = add(checks, "home", can_write(dir),
                    "Allow this user to write the folder, or choose another with --home.");
        snprintf(check->found, sizeof(check->found), "%s",
                 st == TM_OK ? dir : "none yet; the first train makes it here");
    }
    const uint64_t disk = tm__disk_bytes(dir);
    check = add(checks, "disk", disk >= DISK_MIN, "Make room, or choose another with --home.");
    snprintf(check->found, sizeof(check->found), "%.1f GiB free",
             (double)disk / (double)(1u << 30));
    tm__home_close(home);
}

static void check_libraries(tm_checks *checks) {
    tm_err err = {0};
    const char *version = NULL;
    const char *path = NULL;
    const tm_status st = tm__duck_version(&version, &path, &err);
    tm_check *check = add(checks, "duckdb", st == TM_OK,
                          "Install libduckdb 1.4.4 beside the program: `./run setup` does.");
    if (st == TM_OK) {
        snprintf(check->found, sizeof(check->found), "%s, %s", version, path);
    } else {
        snprintf(check->found, sizeof(check->found), "%s", err.message);
    }
    check = add(checks, "sqlite", sqlite3_libversion_number() >= SQLITE_MIN,
                "Install SQLite 3.37 or later.");
    snprintf(check->found, sizeof(check->found), "%s", sqlite3_libversion());
    check = add(checks, "libsodium", sodium_init() >= 0, "Install libsodium again.");
    snprintf(check->found, sizeof(check->found), "%s", sodium_version_string());
}

static json_t *checks_json(const tm_checks *checks) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < checks->n; i++) {
        const tm_check *check = &checks->list[i];
        json_array_append_new(list, json_pack("{s:s, s:b, s:s, s:s?}", "name", check->name, "ok",
                                              check->is_ok, "found", check->found, "advice",
                                              check->is_ok ? NULL : check->advice));
    }
    return json_pack("{s:s, s:b, s:o}", "schema", "tidemill.doctor/1", "ok", checks->n_failed == 0,
                     "checks", list);
}

tm_status cmd_doctor(tm_cli *cli, tm_err *err) {
    tm_checks checks = {.n = 0};
    check_machine(&checks);
    check_home(cli, &checks);
    check_libraries(&checks);
    if (cli->json) {
        json_t *value = checks_json(&checks);
        if (value == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        tm__cli_print_json(cli, value);
        json_decref(value);
    }
    for (uint32_t i = 0; i < checks.n; i++) {
        const tm_check *check = &checks.list[i];
        tm__cli_print(cli, "%-4s %-10s %s\n", check->is_ok ? "ok" : "BAD", check->name,
                      check->found);
        if (!check->is_ok) {
            tm__cli_print(cli, "     %-10s %s\n", "", check->advice);
        }
    }
    if (checks.n_failed > 0) {
        TM_FAIL(err, TM_E_REFUSED, "%u of %u checks failed", checks.n_failed, checks.n);
        return TM_E_REFUSED;
    }
    return TM_OK;
}
