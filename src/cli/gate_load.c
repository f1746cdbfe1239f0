/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gate_load.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"

#define LOOK_MS 20u
#define CHILD_BYTES_MAX (UINT64_C(8) << 30)
#define SECONDS_BESIDE 60.0 /* to open a large bundle on a machine that is busy */
#define REPORT_BYTES_MAX ((size_t)1 << 20)

typedef struct loading {
    const tm_gate_load *load;
    const tm_home *home;
    const char *version;
    const tm_gate *gate;
    char *report, *errors; /* files for what the child prints */
} loading;

static double seconds_of(const tm_gate *gate) {
    return gate->load_seconds > 0 ? gate->load_seconds : TM_GATE_LOAD_SECONDS;
}

static tm_status run_child(const loading *l, tm_child_state *out, tm_err *err) {
    char rate[40], seconds[40];
    const char *const home = tm__home_path(l->home);
    const char *argv[] = {tm__program_path(), "bench", "version", l->version, "--rate", rate,
                          "--seconds",        seconds, "--home",  home,       "--json", NULL};
    (void)snprintf(rate, sizeof(rate), "%.17g", l->gate->load_rate);
    (void)snprintf(seconds, sizeof(seconds), "%.17g", seconds_of(l->gate));
    const tm_child_spec spec = {.argv = argv,
                                .stdout_path = l->report,
                                .stderr_path = l->errors,
                                .has_network = tm__home_needs_network(l->home),
                                .memory_bytes_max = TM_CHILD_ADDRESSES(CHILD_BYTES_MAX),
                                .seconds_max = (uint32_t)(seconds_of(l->gate) + SECONDS_BESIDE)};
    uint64_t id = 0;
    TM_TRY(tm__child_start(l->load->supervisor, &spec, &id, err));
    *out = (tm_child_state){.is_running = true};
    tm_status st = TM_OK;
    while (st == TM_OK && out->is_running) {
        tm__sleep_ms(LOOK_MS);
        st = tm__child_state(l->load->supervisor, id, out, err);
    }
    return st;
}

static tm_status read_file(const char *path, tm_buf *out, tm_err *err) {
    tm__buf_init(out, REPORT_BYTES_MAX);
    return tm__fs_info(path).kind == TM_PATH_FILE ? tm__fs_read_all(path, out, err) : TM_OK;
}

/* What it printed before it ended: an error as JSON, or a line. */
static void last_words(const loading *l, char *out, size_t size) {
    tm_buf report, errors;
    json_t *said = NULL;
    tm_status st = read_file(l->report, &report, NULL);
    if (st == TM_OK && tm__json_parse(report.data, report.len, 8, &said, NULL) == TM_OK) {
        (void)snprintf(out, size, "%s",
                       tm__json_text(json_object_get(said, "error"), "message", ""));
    }
    st = read_file(l->errors, &errors, NULL);
    if (st == TM_OK && out[0] == '\0') {
        tm_str rest = {(const char *)errors.data, errors.len};
        const tm_str line = tm__str_cut(&rest, '\n');
        (void)snprintf(out, size, "%.*s", (int)(line.len < size ? line.len : size - 1),
                       line.len > 0 ? line.ptr : "");
    }
    json_decref(said);
    tm__buf_done(&report);
    tm__buf_done(&errors);
}

static tm_status gave_way(const loading *l, const tm_child_state *state, tm_err *err) {
    char words[160] = "";
    if (state->signal != 0) {
        return TM_FAIL(err, TM_E_REFUSED, "it ended by signal %d under the load", state->signal);
    }
    last_words(l, words, sizeof(words));
    return TM_FAIL(err, TM_E_REFUSED, "no load could be put on it: %s", words);
}

static tm_status read_report(const loading *l, json_t **out, tm_err *err) {
    tm_buf text;
    tm_status st = read_file(l->report, &text, err);
    st = st == TM_OK ? tm__json_parse(text.data, text.len, 8, out, err) : st;
    tm__buf_done(&text);
    if (st == TM_OK) {
        json_object_del(*out, "schema");
    }
    return st;
}

static char *temp_path(const tm_home *home, const char *suffix) {
    char name[64];
    uint64_t number = 0;
    tm__random_bytes(&number, sizeof(number));
    (void)snprintf(name, sizeof(name), "gate-%016llx%s", (unsigned long long)number, suffix);
    return tm__fs_join(tm__home_temp(home), name);
}

static tm_status put_load(void *arg, const tm_home *home, const char *version, const tm_gate *gate,
                          json_t **out, tm_err *err) {
    const tm_gate_load *const load = arg;
    loading l = {.load = load, .home = home, .version = version, .gate = gate};
    tm_child_state state = {0};
    if (load->supervisor == NULL) {
        return TM_FAIL(err, TM_E_CONFLICT, "the gate asks for a load since this began");
    }
    l.report = temp_path(home, ".json");
    l.errors = temp_path(home, ".err");
    tm_status st = l.report != NULL && l.errors != NULL
                       ? run_child(&l, &state, err)
                       : TM_FAIL(err, TM_E_NOMEM, "no memory to put a load on a version");
    if (st == TM_OK) {
        st = state.exit_code == 0 ? read_report(&l, out, err) : gave_way(&l, &state, err);
    }
    const tm_status removed[] = {l.report == NULL ? TM_OK : tm__fs_remove(l.report, NULL),
                                 l.errors == NULL ? TM_OK : tm__fs_remove(l.errors, NULL)};
    (void)removed; /* of a folder for temporary files */
    tm__mem_free(l.report);
    tm__mem_free(l.errors);
    return st;
}

static bool asks_for_load(const tm_cli *cli, const char *model) {
    tm_home *home = NULL;
    tm_registry *registry = NULL;
    tm_gate gate = {0};
    bool asks = false;
    if (tm__home_open(cli->home, false, &home, NULL) == TM_OK &&
        tm__registry_open_read(home, &registry, NULL) == TM_OK &&
        tm__registry_gate(registry, model, &gate, NULL) == TM_OK) {
        asks = tm__gate_needs_load(&gate);
    }
    tm__registry_close(registry);
    tm__home_close(home);
    return asks;
}

tm_status tm__gate_load_open(const tm_cli *cli, const char *model, tm_gate_load *out, tm_err *err) {
    *out = (tm_gate_load){.tester = {put_load, out}};
    return model == NULL || asks_for_load(cli, model) ? tm__supervisor_open(&out->supervisor, err)
                                                      : TM_OK;
}

const tm_load_tester *tm__gate_load_tester(const tm_gate_load *load) {
    return &load->tester;
}

void tm__gate_load_close(tm_gate_load *load) {
    tm__supervisor_close(load->supervisor);
    load->supervisor = NULL;
}
