/* SPDX-License-Identifier: Apache-2.0 */
/* `bench version`: a load on one version, without a server. A gate that asks for a load runs it in
 * a child (gate_load.h). */
#include <string.h>

#include "base/fs.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "monitor/monitor_newest.h"
#include "serve/pressure.h"

#define ROWS_MAX 10000u
#define ROWS_BYTES_MAX ((size_t)32 << 20)

typedef struct benching {
    tm_cli *cli;
    tm_place place;
    tm_buf rows;
    uint32_t n_rows;
    bool is_recorded; /* else they are golden rows */
} benching;

/* A name of the home, or the path of a file. */
static tm_status open_version(benching *b, tm_err *err) {
    const char *const name = tm__cli_arg(b->cli, "VERSION");
    return tm__fs_info(name).kind == TM_PATH_FILE
               ? tm__bundle_open(name, &b->place.bundle, err)
               : tm__place_open_version(b->cli, name, &b->place, err);
}

static tm_status read_recorded(benching *b, tm_err *err) {
    const tm_monitor_options reading = {.can_write = false};
    const tm_newest_options options = {.model = b->place.version.model,
                                       .route = b->place.version.model,
                                       .n_max = ROWS_MAX,
                                       .bytes_max = ROWS_BYTES_MAX};
    tm_monitor *monitor = NULL;
    if (b->place.home == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__monitor_open(b->place.home, &reading, &monitor, err));
    const tm_status st = tm__monitor_newest(monitor, &options, &b->rows, &b->n_rows, err);
    tm__monitor_close(monitor);
    b->is_recorded = st == TM_OK && b->n_rows > 0;
    return st;
}

static tm_status read_rows(benching *b, tm_err *err) {
    TM_TRY(read_recorded(b, err));
    if (!b->is_recorded) {
        TM_TRY(tm__bundle_golden_lines(b->place.bundle, &b->rows, err));
        b->n_rows = tm__bundle_golden_rows(b->place.bundle);
    }
    return b->n_rows > 0 ? TM_OK
                         : TM_FAIL(err, TM_E_NOT_FOUND,
                                   "there is neither a logged request nor a golden row to ask");
}

static void say(const benching *b, const tm_pressure_report *r) {
    const double rate = r->seconds > 0 ? (double)r->n_answered / r->seconds : 0;
    const char *const kind = b->is_recorded ? "newest requests" : "golden rows";
    if (b->cli->json) {
        json_t *result =
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "rows_per_second",
                      tm__json_number(rate), "asked", tm__json_number(tm__cli_f64(b->cli, "rate")),
                      "seconds", tm__json_number(r->seconds), "p50_us", tm__json_number(r->p50_us),
                      "p99_us", tm__json_number(r->p99_us), "max_us", tm__json_number(r->max_us),
                      "answered", (json_int_t)r->n_answered, "refused", (json_int_t)r->n_refused,
                      "rows", json_sprintf("%u %s", b->n_rows, kind));
        tm__cli_print_object(b->cli, "tidemill.bench.version/1", result);
        json_decref(result);
        return;
    }
    tm__cli_print(b->cli, "%llu of %llu requests answered, %.6g a second; %llu refused (%u %s)\n",
                  (unsigned long long)r->n_answered, (unsigned long long)r->n_due, rate,
                  (unsigned long long)r->n_refused, b->n_rows, kind);
    tm__cli_print(b->cli, "half within %.4g us, 99 of 100 within %.4g us, all within %.4g us\n",
                  r->p50_us, r->p99_us, r->max_us);
}

static tm_status run(benching *b, tm_err *err) {
    tm_pressure_report report = {0};
    TM_TRY(open_version(b, err));
    TM_TRY(read_rows(b, err));
    const tm_pressure_options options = {.lines = {(const char *)b->rows.data, b->rows.len},
                                         .rate = tm__cli_f64(b->cli, "rate"),
                                         .seconds = tm__cli_f64(b->cli, "seconds")};
    if (options.rate * options.seconds > TM_GATE_LOAD_ROWS_MAX) {
        return TM_FAIL(err, TM_E_USAGE, "a load of more than %.0f rows", TM_GATE_LOAD_ROWS_MAX);
    }
    TM_TRY(tm__pressure_run(b->place.bundle, &options, &report, err));
    say(b, &report);
    return TM_OK;
}

tm_status cmd_bench_version(tm_cli *cli, tm_err *err) {
    benching b = {.cli = cli};
    tm__buf_init(&b.rows, ROWS_BYTES_MAX * 2);
    const tm_status st = run(&b, err);
    tm__buf_done(&b.rows);
    tm__place_close(&b.place);
    return st;
}
