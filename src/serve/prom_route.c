/* SPDX-License-Identifier: Apache-2.0 */
/* What a status tells of routes, by the counters of all threads. */
#include <string.h>

#include "base/fmath.h"
#include "serve/prom_priv.h"

static void add_to_route(const tm_prom_sums *all, const tm_prom_series *s, void *arg) {
    tm_prom_route *const out = arg;
    if (strcmp(s->route, out->route) != 0 || s->arm == TM_ARM_SHADOW) {
        return;
    }
    out->n_rows += tm__prom_sum(all, s, offsetof(tm_prom_series, n_rows));
    out->n_requests += tm__prom_sum(all, s, offsetof(tm_prom_series, n_requests));
    out->n_measured += tm__prom_sum(all, s, offsetof(tm_prom_series, n_measured));
    out->cpu_ns += tm__prom_sum(all, s, offsetof(tm_prom_series, cpu_ns));
    for (uint32_t b = 0; b <= TM_PROM_BOUNDS; b++) {
        out->buckets[b] +=
            tm__prom_sum(all, s, offsetof(tm_prom_series, buckets) + b * sizeof(tm_prom_counter));
    }
}

void tm__prom_route(tm_prom *const *proms, uint32_t n, const char *route, tm_prom_route *out) {
    const tm_prom_sums all = {.proms = proms, .n = n};
    *out = (tm_prom_route){.route = route};
    tm__prom_each_ever(&all, add_to_route, out);
}

typedef struct arms_of_route {
    const char *route;
    json_t *list;
} arms_of_route;

static void add_arm(const tm_prom_sums *all, const tm_prom_series *s, void *arg) {
    static const struct {
        const char *name;
        size_t offset;
        bool is_of_shadow;
    } members[] = {{"answered", offsetof(tm_prom_series, n_requests), false},
                   {"failed", offsetof(tm_prom_series, n_failed), false},
                   {"broken", offsetof(tm_prom_series, n_broken), false},
                   {"dropped", offsetof(tm_prom_series, n_shadow_dropped), true},
                   {"compared", offsetof(tm_prom_series, n_compared), true},
                   {"differed", offsetof(tm_prom_series, n_differed), true}};
    const arms_of_route *const out = arg;
    if (strcmp(s->route, out->route) != 0) {
        return;
    }
    json_t *arm =
        json_pack("{s:I, s:s}", "version", (json_int_t)s->version, "arm", tm__arm_text(s->arm));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (!members[i].is_of_shadow || s->arm == TM_ARM_SHADOW) {
            const uint64_t n = tm__prom_sum(all, s, members[i].offset);
            json_object_set_new(arm, members[i].name, json_integer((json_int_t)n));
        }
    }
    json_array_append_new(out->list, arm);
}

json_t *tm__prom_arms(tm_prom *const *proms, uint32_t n, const char *route) {
    const tm_prom_sums all = {.proms = proms, .n = n};
    arms_of_route out = {.route = route, .list = json_array()};
    tm__prom_each(&all, add_arm, &out);
    return out.list;
}

double tm__prom_quantile(const tm_prom_route *now, const tm_prom_route *before, double share) {
    uint64_t n = 0, below = 0;
    for (uint32_t b = 0; b <= TM_PROM_BOUNDS; b++) {
        n += now->buckets[b] - before->buckets[b];
    }
    const double wanted = share * (double)n;
    for (uint32_t b = 0; b < TM_PROM_BOUNDS && n > 0; b++) {
        const uint64_t more = now->buckets[b] - before->buckets[b];
        if (more > 0 && (double)(below + more) >= wanted) {
            const double low = b == 0 ? 0 : tm__prom_bounds_s[b - 1];
            return low + (tm__prom_bounds_s[b] - low) * (wanted - (double)below) / (double)more;
        }
        below += more;
    }
    return n > 0 ? tm__prom_bounds_s[TM_PROM_BOUNDS - 1] : tm__nan();
}
