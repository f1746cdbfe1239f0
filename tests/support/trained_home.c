/* SPDX-License-Identifier: Apache-2.0 */
#include "trained_home.h"

#include <stdio.h>
#include <string.h>

#include "logged.h"
#include "test.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/source.h"
#include "train/train.h"

/* One row as JSON or CSV, and its truth. */
typedef struct tm_made_row {
    double x;
    const char *c, *y;
} tm_made_row;

static tm_made_row made_row(const tm_made_rows *rows, uint32_t i) {
    const uint64_t random = tm__rng_at(4711, rows->first + i);
    const double x = (double)(random >> 44) / (double)(1u << 20);
    /* One row in ten is noise, so that no score is perfect. */
    const bool is_noise = random % 10 == 0;
    const bool is_yes = ((x > 0.5) != rows->is_flipped) != is_noise;
    return (tm_made_row){x, random % 2 == 0 ? "a" : "b", is_yes ? "yes" : "no"};
}

static char *csv_path(const tm_home *home) {
    char *path = tm__fs_join(tm__home_path(home), "data.csv");
    assert_non_null(path);
    return path;
}

void tm__made_csv_write(const tm_home *home, const tm_made_rows *rows, uint32_t n_parts) {
    tm_buf text;
    char *path = csv_path(home);
    tm__buf_init(&text, 1u << 24);
    tm__buf_text(&text, "x,c,y\n");
    for (uint32_t part = 0; part < n_parts; part++) {
        for (uint32_t i = 0; i < rows[part].n; i++) {
            const tm_made_row row = made_row(&rows[part], i);
            tm__buf_printf(&text, "%.6f,%s,%s\n", row.x, row.c, row.y);
        }
    }
    assert_false(text.failed);
    assert_int_equal(tm__fs_publish(path, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
    tm__mem_free(path);
}

uint32_t tm__made_train(const tm_home *home, tm_registry *registry) {
    static const tm_actor actor = {.name = "test"};
    static const char *const params[] = {"gbdt.n_trees=20"};
    tm_ctx ctx = {0};
    tm_err err = {0};
    tm_hash snapshot;
    tm_table *table = NULL;
    tm_bundle *bundle = NULL;
    tm_version version = {0};
    tm_train_result result = {0};
    char *path = csv_path(home);
    json_t *source = json_pack("{s:s}", "path", path);
    tm_train_options options = {.model = "made",
                                .target = "y",
                                .learners = "gbdt",
                                .params = params,
                                .n_params = 1,
                                .seed = 1,
                                .source = source};
    const tm_source_spec spec = {.path = path};
    if (tm__source_read(&ctx, &spec, &table, &err) != TM_OK ||
        tm__snapshot_save(&ctx, tm__home_snapshots(home), table, &snapshot, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    tm__hash_to_text(&snapshot, options.snapshot);
    if (tm__train_run(&ctx, table, NULL, &options, &result, &err) != TM_OK ||
        tm__home_bundle_save(home, &result.bundle_hash, result.bundle.data, result.bundle.len,
                             &err) != TM_OK ||
        tm__bundle_load(result.bundle.data, result.bundle.len, &bundle, &err) != TM_OK ||
        tm__registry_add(registry, "made", bundle,
                         json_object_get(tm__bundle_info(bundle), "recipe"), &actor, &version,
                         &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    const uint32_t number = version.number;
    tm__version_done(&version);
    tm__bundle_unref(bundle);
    tm__train_result_done(&result);
    tm__table_unref(table);
    json_decref(source);
    tm__mem_free(path);
    return number;
}

void tm__made_traffic(tm_monitor *monitor, const tm_made_rows *rows) {
    const int64_t at_us = rows->at_us != 0 ? rows->at_us : 1000000;
    tm_label *labels = tm__mem_zalloc(rows->n, sizeof(*labels));
    char(*ids)[27] = tm__mem_zalloc(rows->n, sizeof(*ids));
    assert_non_null(labels);
    assert_non_null(ids);
    for (uint32_t i = 0; i < rows->n; i++) {
        const tm_made_row row = made_row(rows, i);
        const double output = !rows->is_sure ? 0.5 : row.x > 0.5 ? 0.9 : 0.1;
        char json[64];
        snprintf(json, sizeof(json), "{\"c\":\"%s\",\"x\":%.6f}", row.c, row.x);
        snprintf(ids[i], sizeof(ids[i]), "id%u", rows->first + i);
        const tm_logged answer = {.id = ids[i],
                                  .at_us = at_us + i,
                                  .event_us = TM_INT_MISSING,
                                  .model = "made",
                                  .version = 1,
                                  .row = json,
                                  .outputs = &output,
                                  .n_outputs = 1};
        assert_true(tm__logged_answer(monitor, &answer));
        labels[i] = (tm_label){.prediction_id = ids[i],
                               .value = row.y,
                               .observed_us = TM_INT_MISSING,
                               .origin = rows->origin};
    }
    assert_int_equal(tm__monitor_labels(monitor, labels, rows->n, NULL, NULL), TM_OK);
    tm__mem_free(labels);
    tm__mem_free(ids);
}
