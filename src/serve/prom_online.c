/* SPDX-License-Identifier: Apache-2.0 */
/* What the online store holds, for Prometheus: by source, whose views are together behind. */
#include <string.h>

#include "base/clock.h"
#include "serve/fill.h"

#define N_SOURCES_MAX 256u

typedef struct source_sum {
    char name[129];
    int64_t checked_us; /* of the view that is furthest behind; 0: one was never built */
    uint64_t n_entities, n_views, n_still;
} source_sum;

typedef struct sums {
    source_sum sources[N_SOURCES_MAX];
    uint32_t n;
} sums;

static bool add_view(void *arg, const tm_online_view *view) {
    sums *const all = arg;
    uint32_t i = 0;
    while (i < all->n && strcmp(all->sources[i].name, view->source) != 0) {
        i++;
    }
    if (view->next == TM_ONLINE_LEAVING || i == N_SOURCES_MAX) {
        return true;
    }
    source_sum *const s = &all->sources[i];
    if (i == all->n) {
        all->n++;
        *s = (source_sum){.checked_us = view->checked_us};
        (void)tm__str_copy(s->name, sizeof s->name, tm__str(view->source));
    }
    s->checked_us = view->checked_us < s->checked_us ? view->checked_us : s->checked_us;
    s->n_entities += view->n_entities;
    s->n_views++;
    s->n_still += view->problem[0] != '\0' ? 1 : 0;
    return true;
}

typedef struct family {
    const char *name, *help;
} family;

static void write_gauge(tm_buf *out, const sums *all, uint32_t which, int64_t now_us) {
    static const family families[] = {
        {"tidemill_online_lag_seconds", "Since the online store had all rows of a source."},
        {"tidemill_online_entities", "Entities in the online store, each view's."},
        {"tidemill_online_views", "Groups of features that are kept."},
        {"tidemill_online_stopped_views", "Those that stand still: 'tidemill online ls' says why."},
    };
    const family *const f = &families[which];
    tm__buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", f->name, f->help, f->name);
    for (uint32_t i = 0; i < all->n; i++) {
        const source_sum *const s = &all->sources[i];
        const double lag_s = s->checked_us == 0 || now_us < s->checked_us
                                 ? 0
                                 : (double)(now_us - s->checked_us) / 1e6;
        const double values[] = {lag_s, (double)s->n_entities, (double)s->n_views,
                                 (double)s->n_still};
        if (which > 0 || s->checked_us != 0) { /* what was never built has no lag */
            tm__buf_printf(out, "%s{source=\"%s\"} ", f->name, s->name);
            tm__score_write_number(values[which], out);
            tm__buf_byte(out, '\n');
        }
    }
}

void tm__prom_online(tm_fill_desk *desk, tm_online *online, tm_arena *arena, tm_buf *out) {
    tm_online_reader *reader = NULL;
    sums *const all = tm_arena_zalloc(arena, sums, 1);
    if (all == NULL || online == NULL || tm__fill_desk_open(desk, online, &reader, NULL) != TM_OK) {
        return;
    }
    const tm_status st = tm__online_views(reader, add_view, all, NULL);
    tm__online_reader_end(reader);
    for (uint32_t i = 0; st == TM_OK && all->n > 0 && i < 4; i++) {
        write_gauge(out, all, i, tm__now_us());
    }
}
