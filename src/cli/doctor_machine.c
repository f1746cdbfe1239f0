/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine: processor, memory, limits, clocks, and the libraries that the program uses. A
 * library that is opened when first needed is opened here, so that its lack shows before it
 * matters.
 */
#include <gnu/libc-version.h>
#include <llhttp.h>
#include <lmdb.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/pool.h"
#include "base/sandbox.h"
#include "base/simd.h"
#include "base/system.h"
#include "base/tls.h"
#include "cli/doctor.h"
#include "store/duck.h"

#define MEMORY_MIN (UINT64_C(512) << 20) /* a million rows of 30 columns with their histograms */
#define ADDRESS_MIN (UINT64_C(8) << 30)  /* arenas and mapped files take addresses ahead */
#define OPEN_FILES_MIN 64u               /* a home, a bundle, some sockets */
#define PROCESSES_MIN 64u                /* threads count too */
#define SQLITE_MIN 3037000               /* strict tables */
#define YEAR_2024_US (INT64_C(1704067200) * 1000000)
#define YEAR_2100_US (INT64_C(4102444800) * 1000000)

void tm__check_add(tm_checks *checks, const char *name, tm_check_state state, const char *advice,
                   const char *fmt, ...) {
    if (checks->n == TM_CHECKS_MAX) {
        return;
    }
    tm_check *check = &checks->list[checks->n++];
    va_list args;
    *check = (tm_check){.name = name, .state = state, .advice = advice};
    va_start(args, fmt);
    (void)vsnprintf(check->found, sizeof(check->found), fmt, args);
    va_end(args);
}

/* ---- Machine ---- */

static void check_processor(tm_checks *checks) {
    const tm_simd used = tm__simd(), has = tm__simd_machine();
    const uint32_t n = tm__cpu_count(), n_allowed = tm__cpu_affinity();
    tm__check_add(checks, "byte_order",
                  __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? TM_CHECK_OK : TM_CHECK_BAD,
                  "Model files are little-endian: use another machine.", "%s",
                  __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? "little-endian" : "big-endian");
    tm__check_add(checks, "simd", used < has ? TM_CHECK_WARN : TM_CHECK_OK,
                  "Unset TIDEMILL_SIMD to use all that the processor has.", "%s%s%s",
                  tm__simd_text(used), used < has ? " of " : "",
                  used < has ? tm__simd_text(has) : "");
    tm__check_add(checks, "cpus", TM_CHECK_OK, NULL, "%u of %u%s", n, n_allowed,
                  n < n_allowed ? ", by the quota of a cgroup" : "");
}

static void check_memory(tm_checks *checks) {
    char text[32];
    bool is_cgroup = false;
    const uint64_t memory = tm__memory_bytes(&is_cgroup);
    tm__check_add(checks, "memory", memory >= MEMORY_MIN ? TM_CHECK_OK : TM_CHECK_WARN,
                  "Give the process at least 512 MiB.", "%s%s",
                  tm__bytes_text(memory, text, sizeof(text)),
                  is_cgroup ? ", by the limit of a cgroup" : "");
    tm__check_add(checks, "huge_pages", TM_CHECK_OK, NULL, "%s", tm__huge_pages());
}

static const char *limit_text(uint64_t limit, char *out, size_t size) {
    if (limit == UINT64_MAX) {
        return "unlimited";
    }
    (void)snprintf(out, size, "%llu", (unsigned long long)limit);
    return out;
}

static void check_limits(tm_checks *checks) {
    char text[32];
    tm_limits limits;
    tm__system_limits(&limits);
    /* The server raises its own limit to the most that it may have. */
    const uint64_t files = limits.open_files.most;
    tm__check_add(checks, "open_files",
                  files < OPEN_FILES_MIN             ? TM_CHECK_BAD
                  : files < TM_MAX_CONNECTIONS + 64u ? TM_CHECK_WARN
                                                     : TM_CHECK_OK,
                  "Raise the hard limit of open files (ulimit -Hn, LimitNOFILE=) for 10,000 "
                  "connections at once.",
                  "%s at the most", limit_text(files, text, sizeof(text)));
    tm__check_add(checks, "processes",
                  limits.processes.now < PROCESSES_MIN ? TM_CHECK_WARN : TM_CHECK_OK,
                  "Raise the limit of processes and threads (ulimit -u, TasksMax=).", "%s",
                  limit_text(limits.processes.now, text, sizeof(text)));
    tm__check_add(checks, "address_space",
                  limits.address_bytes.now < ADDRESS_MIN ? TM_CHECK_WARN : TM_CHECK_OK,
                  "Lift the limit of addresses (ulimit -v unlimited); limit memory by a cgroup.",
                  "%s",
                  limits.address_bytes.now == UINT64_MAX
                      ? "unlimited"
                      : tm__bytes_text(limits.address_bytes.now, text, sizeof(text)));
}

static void check_clock(tm_checks *checks) {
    static const char *const states[] = {"disciplined by a time service",
                                         "not disciplined by a time service", "not known"};
    const int64_t now_us = tm__now_us();
    tm_civil t;
    tm__civil_from_us(now_us, &t);
    tm__check_add(checks, "clock",
                  now_us > YEAR_2024_US && now_us < YEAR_2100_US ? TM_CHECK_OK : TM_CHECK_BAD,
                  "Set the clock: versions and predictions are recorded with their time.",
                  "%04lld-%02u-%02u %02u:%02u UTC", (long long)t.year, t.month, t.day, t.hour,
                  t.minute);
    const tm_clock_state state = tm__clock_state();
    tm__check_add(checks, "clock_sync", state == TM_CLOCK_FREE ? TM_CHECK_WARN : TM_CHECK_OK,
                  "Run a time service such as chrony, here or on the host of this machine.", "%s",
                  states[state]);
    const uint64_t before_ns = tm__mono_ns();
    tm__sleep_ms(2);
    const uint64_t moved_ns = tm__mono_ns() - before_ns;
    const bool moves = moved_ns >= 1000000 && moved_ns < UINT64_C(10000000000);
    tm__check_add(checks, "clock_moves", moves ? TM_CHECK_OK : TM_CHECK_BAD,
                  "Timeouts need a clock that moves: see the machine's clock source.", "%s",
                  moves ? "yes" : "the monotonic clock stands still or jumps");
    tm__check_add(checks, "time_zones", TM_CHECK_OK, NULL, "%s",
                  tm__fs_info("/usr/share/zoneinfo/UTC").kind == TM_PATH_FILE
                      ? "/usr/share/zoneinfo"
                      : "none; times are UTC and no command needs one");
}

static void check_sandbox(tm_checks *checks) {
    const bool is_there = tm__sandbox_is_there();
    tm__check_add(checks, "sandbox", is_there ? TM_CHECK_OK : TM_CHECK_WARN,
                  "Use a kernel with seccomp filters: without them children that parse and train "
                  "have limits, and nothing else holds them back.",
                  "%s",
                  is_there ? "children are held back by a filter of system calls"
                           : "this kernel, or this build, has no filters of system calls");
}

void tm__check_machine(tm_checks *checks) {
    check_processor(checks);
    check_memory(checks);
    check_limits(checks);
    check_clock(checks);
    check_sandbox(checks);
}

/* ---- Libraries ---- */

/* built: NULL when the library does not tell it to a compiler. */
static void check_library(tm_checks *checks, const char *name, const char *used,
                          const char *built) {
    const bool is_same = built == NULL || strcmp(used, built) == 0;
    tm__check_add(checks, name, is_same ? TM_CHECK_OK : TM_CHECK_WARN,
                  "Build the program anew against the library that is installed.", "%s%s%s", used,
                  is_same ? "" : ", built against ", is_same ? "" : built);
}

static void check_lmdb(tm_checks *checks) {
    char used[40], built[40];
    int major = 0, minor = 0, patch = 0;
    (void)mdb_version(&major, &minor, &patch);
    (void)snprintf(used, sizeof(used), "%d.%d.%d", major, minor, patch);
    (void)snprintf(built, sizeof(built), "%d.%d.%d", MDB_VERSION_MAJOR, MDB_VERSION_MINOR,
                   MDB_VERSION_PATCH);
    check_library(checks, "lmdb", used, built);
}

void tm__check_libraries(tm_checks *checks) {
    tm_err err = {0};
    const char *version = NULL;
    const char *path = NULL;
    char text[32];
    if (tm__check_note(tm__duck_version(&version, &path, &err)) == TM_OK) {
        tm__check_add(checks, "duckdb", TM_CHECK_OK, NULL, "%s, %s", version, path);
    } else {
        tm__check_add(checks, "duckdb", TM_CHECK_BAD,
                      "Install libduckdb 1.4.4 beside the program: `./run setup` does.", "%s",
                      err.message);
    }
    if (sqlite3_libversion_number() < SQLITE_MIN) {
        tm__check_add(checks, "sqlite", TM_CHECK_BAD, "Install SQLite 3.37 or later.", "%s",
                      sqlite3_libversion());
    } else {
        check_library(checks, "sqlite", sqlite3_libversion(), SQLITE_VERSION);
    }
    check_lmdb(checks);
    check_library(checks, "zstd", ZSTD_versionString(), ZSTD_VERSION_STRING);
    if (sodium_init() < 0) {
        tm__check_add(checks, "libsodium", TM_CHECK_BAD, "Install libsodium again.",
                      "it does not start");
    } else {
        check_library(checks, "libsodium", sodium_version_string(), SODIUM_VERSION_STRING);
    }
    if (tm__check_note(tm__tls_version(&version, &err)) == TM_OK) {
        check_library(checks, "openssl", version, NULL);
    } else {
        tm__check_add(checks, "openssl", TM_CHECK_WARN,
                      "Install OpenSSL 3 (libssl3), or leave TLS to a proxy.", "%s", err.message);
    }
    check_library(checks, "libyaml", yaml_get_version_string(), NULL);
    check_library(checks, "jansson", jansson_version_str(), JANSSON_VERSION);
    (void)snprintf(text, sizeof(text), "%d.%d.%d", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR,
                   LLHTTP_VERSION_PATCH);
    check_library(checks, "llhttp", text, NULL);
    (void)snprintf(text, sizeof(text), "%d.%d", __GLIBC__, __GLIBC_MINOR__);
    check_library(checks, "libc", gnu_get_libc_version(), text);
}
