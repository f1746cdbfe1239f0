/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts that are not resolved, and who is behind in what moves have to tell, for Prometheus. A
 * model that is served has a line of open alerts of
 * each severity even when there are none, for what is absent cannot be compared. */
#include <string.h>

#include "monitor/alert.h"
#include "serve/serve_priv.h"

#define N_MODELS_MAX 1000u
#define N_RECEIVERS_MAX 1000u

static const char *const severities[] = {"warning", "critical"};

static uint64_t count_of(const json_t *alerts, const char *model, const char *severity,
                         tm_alert_state state) {
    uint64_t n = 0;
    size_t i = 0;
    const json_t *alert = NULL;
    json_array_foreach((json_t *)(uintptr_t)alerts, i, alert) {
        n += strcmp(tm__json_text(alert, "model", ""), model) == 0 &&
             strcmp(tm__json_text(alert, "severity", ""), severity) == 0 &&
             strcmp(tm__json_text(alert, "state", ""), tm__alert_state_text(state)) == 0;
    }
    return n;
}

static void write_model(const json_t *alerts, const char *model, tm_buf *out) {
    for (size_t i = 0; i < sizeof(severities) / sizeof(severities[0]); i++) {
        for (tm_alert_state state = TM_ALERT_OPEN; state < TM_ALERT_RESOLVED; state++) {
            const uint64_t n = count_of(alerts, model, severities[i], state);
            if (n > 0 || state == TM_ALERT_OPEN) {
                tm__buf_printf(
                    out, "tidemill_alerts{model=\"%s\",severity=\"%s\",state=\"%s\"} %llu\n", model,
                    severities[i], tm__alert_state_text(state), (unsigned long long)n);
            }
        }
    }
}

void tm__prom_alerts(const tm_current *current, const json_t *alerts, tm_buf *out) {
    tm__buf_text(out, "# HELP tidemill_alerts Alerts that are not resolved.\n"
                      "# TYPE tidemill_alerts gauge\n");
    for (uint32_t i = 0; i < current->n && i < N_MODELS_MAX; i++) {
        bool is_first = true; /* several routes may have one model */
        for (uint32_t k = 0; k < i; k++) {
            is_first =
                is_first && strcmp(current->routes[k]->model, current->routes[i]->model) != 0;
        }
        if (is_first) {
            write_model(alerts, current->routes[i]->model, out);
        }
    }
}

/* A name of the project file may hold what ends a label's value. */
static void write_label(tm_buf *out, const char *text) {
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            tm__buf_byte(out, '\\');
        }
        tm__buf_byte(out, (unsigned char)*text < 0x20 ? (uint8_t)' ' : (uint8_t)*text);
    }
}

void tm__prom_receivers(const json_t *receivers, tm_buf *out) {
    const json_t *item = NULL;
    size_t i = 0;
    tm__buf_text(out, "# HELP tidemill_receiver_behind Records of moves that a receiver is owed.\n"
                      "# TYPE tidemill_receiver_behind gauge\n");
    json_array_foreach((json_t *)(uintptr_t)receivers, i, item) {
        if (i == N_RECEIVERS_MAX) {
            break;
        }
        tm__buf_text(out, "tidemill_receiver_behind{model=\"");
        write_label(out, tm__json_text(item, "model", ""));
        tm__buf_text(out, "\",receiver=\"");
        write_label(out, tm__json_text(item, "receiver", ""));
        tm__buf_printf(out, "\"} %lld\n", (long long)tm__json_i64(item, "behind", 0));
    }
}

void tm__prom_rollouts(const json_t *routes, tm_buf *out) {
    static const struct {
        const char *name, *help;
    } families[] = {
        {"tidemill_rollout_step", "Step of the version that comes, from 1; 0: it is a shadow."},
        {"tidemill_rollout_percent", "Percent of the requests that it answers."},
        {"tidemill_rollout_paused", "1: nobody moves it."}};
    for (size_t k = 0; k < sizeof families / sizeof families[0]; k++) {
        size_t i = 0;
        const json_t *route = NULL;
        tm__buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", families[k].name, families[k].help,
                       families[k].name);
        json_array_foreach((json_t *)(uintptr_t)routes, i, route) {
            const json_t *rollout = json_object_get(route, "rollout");
            const bool is_paused = strcmp(tm__json_text(rollout, "state", ""), "paused") == 0;
            const double values[] = {(double)tm__json_i64(rollout, "step", 0),
                                     tm__json_f64(rollout, "percent", 0), is_paused};
            if (json_is_object(rollout)) {
                tm__buf_printf(out, "%s{route=\"%s\",version=\"%lld\"} %g\n", families[k].name,
                               tm__json_text(route, "route", ""),
                               (long long)tm__json_i64(rollout, "version", 0), values[k]);
            }
        }
    }
}
