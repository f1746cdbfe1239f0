/* SPDX-License-Identifier: Apache-2.0 */
/* What the process takes of its machine, and what became of answers and labels, for Prometheus. */
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/system.h"
#include "registry/leader.h"
#include "serve/away.h"
#include "serve/serve_priv.h"
#include "tidemill/bundle.h"

static void write_value(tm_buf *out, const char *name, const char *type, const char *help,
                        double value) {
    char number[32];
    number[tm__f64_to_text(value, number)] = '\0';
    tm__buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, type, name,
                   number);
}

/* "VmRSS:  1234 kB" and the like; 0 when it is not there. */
static uint64_t proc_number(const char *text, const char *name) {
    const char *found = text == NULL ? NULL : strstr(text, name);
    uint64_t value = 0;
    for (const char *p = found == NULL ? "" : found + strlen(name); *p != '\0' && *p != '\n'; p++) {
        value = tm__is_digit(*p) ? value * 10 + (uint64_t)(*p - '0') : value;
    }
    return value;
}

static bool count_one(void *arg, const char *name) {
    (void)name;
    (*(uint64_t *)arg)++;
    return true;
}

uint64_t tm__prom_resident_bytes(void) {
    tm_buf text;
    tm__buf_init(&text, 65536);
    const tm_status st = tm__fs_read_all("/proc/self/status", &text, NULL);
    const uint64_t bytes = st == TM_OK ? proc_number((const char *)text.data, "VmRSS:") * 1024 : 0;
    tm__buf_done(&text);
    return bytes;
}

void tm__prom_process(int64_t started_us, tm_buf *out) {
    tm_buf text;
    tm_limits limits;
    uint64_t n_open = 0;
    tm__buf_init(&text, 65536);
    const tm_status st = tm__fs_read_all("/proc/self/status", &text, NULL);
    out->failed = out->failed || st == TM_E_NOMEM;
    tm__buf_printf(out,
                   "# HELP tidemill_build_info The running program.\n"
                   "# TYPE tidemill_build_info gauge\n"
                   "tidemill_build_info{version=\"%s\"} 1\n",
                   tm_version_text());
    write_value(out, "process_start_time_seconds", "gauge", "When the server started.",
                (double)started_us * 1e-6);
    write_value(out, "process_cpu_seconds_total", "counter", "Time of processors, of all threads.",
                (double)tm__cpu_ns() * 1e-9);
    if (st == TM_OK) {
        const char *const status = (const char *)text.data;
        write_value(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                    (double)proc_number(status, "VmRSS:") * 1024);
        write_value(out, "process_virtual_memory_bytes", "gauge", "Virtual memory.",
                    (double)proc_number(status, "VmSize:") * 1024);
        write_value(out, "process_threads", "gauge", "Threads.",
                    (double)proc_number(status, "Threads:"));
    }
    const tm_status listed = tm__fs_list("/proc/self/fd", count_one, &n_open, NULL);
    out->failed = out->failed || listed == TM_E_NOMEM;
    if (listed == TM_OK) {
        write_value(out, "process_open_fds", "gauge", "Open files and connections.",
                    (double)n_open);
    }
    tm__system_limits(&limits);
    if (limits.open_files.now != UINT64_MAX) {
        write_value(out, "process_max_fds", "gauge", "As many may be open.",
                    (double)limits.open_files.now);
    }
    tm__buf_done(&text);
}

void tm__prom_leader(const tm_leader *leader, tm_buf *out) {
    tm_leader_state state;
    tm__leader_state(leader, &state);
    if (state.is_shared) {
        write_value(out, "tidemill_leader", "gauge", "1: leads; 0: stands by for who does.",
                    state.leads ? 1 : 0);
        write_value(out, "tidemill_leader_epoch", "counter", "Times that somebody took over.",
                    (double)state.epoch);
    }
}

void tm__prom_tables(const tm_health *health, tm_buf *out) {
    if (atomic_load(&health->heard_us) != 0) {
        write_value(out, "tidemill_tables_away", "gauge",
                    "1: PostgreSQL is away, and what was last known answers.",
                    atomic_load(&health->is_away) ? 1 : 0);
        write_value(out, "tidemill_tables_heard_seconds", "gauge",
                    "Seconds since the tables were heard.",
                    (double)tm__away_age_s(health, tm__now_us()));
    }
}

/* ---- the log of answers ---- */

typedef struct family {
    const char *key, *name, *type, *help;
} family;

static const family families[] = {
    {"accepted", "tidemill_log_accepted_total", "counter",
     "Answers that were to be logged: those written, spilled, queued, sampled out and dropped."},
    {"written", "tidemill_log_written_total", "counter", "Answers that are in the log."},
    {"sampled_out", "tidemill_log_sampled_out_total", "counter",
     "Answers that the log leaves out, as the policy of their model says."},
    {"dropped", "tidemill_log_dropped_total", "counter",
     "Answers that were sent and not logged: there was no room, or a server was killed."},
    {"killed", "tidemill_log_killed_total", "counter",
     "Of those dropped: in the memory of a server that was killed."},
    {"removed", "tidemill_log_removed_total", "counter",
     "Of those written: no longer in the log, for their age or its size."},
    {"spilled", "tidemill_log_spilled", "gauge", "Answers that wait in files to be written."},
    {"queued", "tidemill_log_queued", "gauge", "Answers that wait in memory to be written."},
};

void tm__prom_log(const json_t *counters, tm_buf *out) {
    const char *key = NULL;
    json_t *value = NULL;
    if (counters == NULL) {
        return;
    }
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        write_value(out, families[i].name, families[i].type, families[i].help,
                    (double)tm__json_i64(counters, families[i].key, 0));
    }
    write_value(out, "tidemill_log_is_broken", "gauge",
                "1: nothing is logged any more until a restart.",
                json_is_true(json_object_get(counters, "broken")) ? 1 : 0);
    tm__buf_text(out, "# HELP tidemill_log_labels_total Labels, by what became of them.\n"
                      "# TYPE tidemill_log_labels_total counter\n");
    const json_t *const labels = json_object_get(counters, "labels");
    json_object_foreach((json_t *)(uintptr_t)labels, key, value) {
        if (strcmp(key, "waiting") == 0) { /* these grow and shrink */
            continue;
        }
        tm__buf_printf(out, "tidemill_log_labels_total{result=\"%s\"} %lld\n", key,
                       (long long)json_integer_value(value));
    }
    write_value(out, "tidemill_log_labels_waiting", "gauge",
                "Labels that wait for their answer; after --label-wait they count as expired.",
                (double)tm__json_i64(labels, "waiting", 0));
}
