/* SPDX-License-Identifier: Apache-2.0 */
#include "online_case.h"

#include <stdio.h>
#include <string.h>

#include "made_data.h"
#include "registry/registry.h"
#include "source/intake.h"
#include "test.h"
#include "tiny_bundle.h"

#define HOUR INT64_C(3600000000)

static const char *const names[] = {"id", "c", "tail", "day", "arrives", "late"};
static const tm_type types[] = {TM_TYPE_INT,  TM_TYPE_TEXT, TM_TYPE_INT,
                                TM_TYPE_TIME, TM_TYPE_TIME, TM_TYPE_FLOAT};
enum { N_COLS = 6 };

static void make_row(uint32_t i, uint32_t n_airports, char name[16], tm_cell *cells) {
    const double a = made_random(1, i), b = made_random(2, i), c = made_random(3, i);
    const int64_t leaves =
        ONLINE_CASE_FIRST_US + (int64_t)i * ONLINE_CASE_STEP_US + (int64_t)(b * 12 * (double)HOUR);
    (void)snprintf(name, 16, "A%u", (unsigned)(a * a * n_airports)); /* some have many */
    memset(cells, 0, N_COLS * sizeof(*cells));
    cells[0] = (tm_cell){.type = TM_TYPE_INT, .i64 = i};
    cells[1] = (tm_cell){.type = a < 0.999 ? TM_TYPE_TEXT : TM_TYPE_NONE, .text = tm__str(name)};
    cells[2] = (tm_cell){.type = TM_TYPE_INT, .i64 = (int64_t)(c * 40) - 5};
    cells[3] = (tm_cell){.type = b < 0.99 ? TM_TYPE_TIME : TM_TYPE_NONE, .i64 = leaves};
    cells[4] = (tm_cell){.type = c < 0.97 ? TM_TYPE_TIME : TM_TYPE_NONE,
                         .i64 = leaves + (int64_t)(made_random(4, i) * 5 * (double)HOUR)};
    cells[5] = (tm_cell){.type = made_random(5, i) < 0.9 ? TM_TYPE_FLOAT : TM_TYPE_NONE,
                         .f64 = made_random(6, i) * 100 - 20};
}

tm_table *online_case_rows(uint32_t first, uint32_t n, uint32_t n_airports) {
    tm_table_builder *b = tm__builder_create();
    tm_table *table = NULL;
    tm_cell cells[N_COLS];
    char name[16];
    for (int i = 0; i < N_COLS; i++) {
        assert_int_equal(tm__builder_add_column(b, names[i], types[i], NULL), TM_OK);
    }
    for (uint32_t i = first; i < first + n; i++) {
        make_row(i, n_airports, name, cells);
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    assert_int_equal(tm__builder_finish(b, &table, NULL), TM_OK);
    return table;
}

tm_window_set *online_case_set(void) {
    static const char *const texts[] = {
        "x = mean(late) by c over 10h",
        "sum2 = sum(late) by c over 2h",
        "n = count() by c",
        "std = std(late) by c over 1d",
        "worst = max(late) by c over 12h",
        "flights = count() by tail over 1d",
        "last2 = lag(late, 2) by tail",
        "since = age() by tail",
        "airports = distinct(c) by tail over last 20 delay 30m",
        "share = share(c = 'A0') by tail over 3d delay 30m",
        "trend = trend(late) by c, tail over 7d",
        "all = mean(late) by c, tail",
    };
    static const char *const known[] = {"late=arrives"};
    static const char *const hidden[] = {"late", "arrives"};
    const tm_window_spec spec = {.texts = texts,
                                 .n_texts = 12,
                                 .time = "day",
                                 .known = known,
                                 .n_known = 1,
                                 .hidden = hidden,
                                 .n_hidden = 2};
    tm_window_set *set = NULL;
    tm_err err = {0};
    tm_table *const rows = online_case_rows(0, 1000, 50);
    if (tm__window_set_create(&spec, &set, &err) != TM_OK ||
        tm__window_set_fit(set, &(tm_window_tables){.events = rows}, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__table_unref(rows);
    return set;
}

void online_case_source(const tm_home *home) {
    tm_table *const like = online_case_rows(0, 1, 50);
    const tm_intake_add add = {.name = "flights", .feed = "push", .like = like};
    assert_int_equal(tm__intake_add(home, &add, NULL), TM_OK);
    tm__table_unref(like);
}

void online_case_push(const tm_home *home, uint32_t first, uint32_t n, uint32_t n_airports) {
    tm_table *const rows = online_case_rows(first, n, n_airports);
    tm_intake *const intake = tm__intake_create(home);
    const tm_push push = {.source = "flights", .form = TM_PUSH_TABLE, .table = rows};
    tm_push_result r = {0};
    tm_err err = {0};
    if (tm__intake_push_wait(intake, &push, &r, &err) != TM_OK || r.accepted != n) {
        fail_msg("%u of %u: %s", (unsigned)r.accepted, n, err.message);
    }
    tm__intake_close(intake);
    tm__table_unref(rows);
}

uint32_t online_case_version(const tm_home *home, double auc, const char *online) {
    static const tm_actor actor = {.name = "test"};
    tm_window_set *const set = online_case_set();
    json_t *const windows = tm__window_set_to_json(set);
    char recipe[400];
    (void)snprintf(recipe, sizeof(recipe), "{\"source\":{\"source\":\"flights\"}%s%s}",
                   online == NULL ? "" : ",\"online\":", online == NULL ? "" : online);
    const tm_tiny_bundle options = {
        .auc = auc, .recipe = recipe, .windows = windows, .time = "day", .entity = "tail"};
    tm_bundle *const bundle = tm__tiny_bundle_create(home, &options);
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *const stored = json_loads(recipe, 0, NULL);
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    assert_int_equal(tm__registry_add(registry, "tiny", bundle, stored, &actor, &version, NULL),
                     TM_OK);
    const uint32_t number = version.number;
    json_decref(stored);
    tm__version_done(&version);
    tm__registry_close(registry);
    tm__bundle_unref(bundle);
    json_decref(windows);
    tm__window_set_free(set);
    return number;
}
