/* SPDX-License-Identifier: Apache-2.0 */
/* Events of other sources: read from what a recipe names, kept as snapshots, loaded from them. */
#include "base/mem.h"
#include "model/bundle_windows.h"
#include "source/consent.h"
#include "source/rows_from.h"
#include "train/train.h"

void tm__train_events_done(tm_train_events *events) {
    for (uint32_t i = 0; events->sources != NULL && i < events->n; i++) {
        tm__table_unref(events->tables[i]);
    }
    tm__mem_free(events->sources);
    tm__mem_free(events->tables);
    json_decref(events->named);
    json_decref(events->snapshots);
    *events = (tm_train_events){0};
}

/* Room for a table for each name of an object, which stays for their texts. */
static tm_status events_init(tm_train_events *events, const json_t *named, tm_err *err) {
    const size_t n = json_object_size(named);
    *events = (tm_train_events){.named = json_incref((json_t *)(uintptr_t)named)};
    events->sources = tm__mem_zalloc(n + 1, sizeof(*events->sources));
    events->tables = tm__mem_zalloc(n + 1, sizeof(tm_table *));
    return events->sources == NULL || events->tables == NULL
               ? TM_FAIL(err, TM_E_NOMEM, "no memory for events")
               : TM_OK;
}

static void add(tm_train_events *events, const char *name, tm_table *table) {
    events->tables[events->n] = table;
    events->sources[events->n++] = (tm_window_source){.name = name, .events = table};
}

/* Files and queries have no past. */
static tm_status read_past(tm_ctx *ctx, const tm_events_place *place, const char *name,
                           const json_t *from, const tm_schema *schema, tm_table **out,
                           tm_err *err) {
    const char *const source = tm__json_text(from, "source", NULL);
    tm_table *rows = NULL;
    if (source == NULL) {
        const tm_status st = TM_FAIL(err, TM_E_UNSUPPORTED,
                                     "events '%.64s' of the model are of a file or a query", name);
        tm_err_hint(err, "Make them a source of the home, and train with --events %.64s=SOURCE.",
                    name);
        return st;
    }
    TM_TRY(
        tm__learning_table(ctx, place->home, source, place->as_of_us, place->learning, &rows, err));
    const tm_status st = tm__source_fit(rows, schema, 0, out, err);
    tm__table_unref(rows);
    return st;
}

static tm_status read_one(tm_ctx *ctx, const tm_events_place *place, const char *name,
                          const json_t *from, tm_table **out, tm_err *err) {
    tm_schema schema = {0};
    if (place->bundle != NULL) {
        TM_TRY(tm__bundle_events_schema(place->bundle, name, &schema, err));
    }
    const tm_schema *const types = place->bundle != NULL ? &schema : NULL;
    const tm_rows_ask ask = {
        .from = from, .dir = place->dir, .schema = types, .learning = place->learning};
    const tm_status st = place->as_of_us != 0
                             ? read_past(ctx, place, name, from, types, out, err)
                             : tm__rows_from_read(ctx, place->home, &ask, out, err);
    tm__schema_done(&schema);
    return st;
}

tm_status tm__train_events_read(tm_ctx *ctx, const tm_events_place *place, const json_t *from,
                                tm_train_events *out, tm_err *err) {
    tm_train_events events;
    const char *name = NULL;
    json_t *value = NULL;
    tm_status st = events_init(&events, from, err);
    json_object_foreach(events.named, name, value) {
        tm_table *table = NULL;
        st = st == TM_OK ? read_one(ctx, place, name, value, &table, err) : st;
        if (st == TM_OK) {
            add(&events, name, table);
        }
    }
    if (st != TM_OK) {
        tm__train_events_done(&events);
        return st;
    }
    *out = events;
    return TM_OK;
}

tm_status tm__train_events_save(tm_ctx *ctx, const tm_home *home, tm_train_events *events,
                                tm_err *err) {
    events->snapshots = json_object();
    for (uint32_t i = 0; i < events->n; i++) {
        char text[TM_HASH_TEXT];
        tm_hash hash;
        TM_TRY(tm__snapshot_save(ctx, tm__home_snapshots(home), events->tables[i], &hash, err));
        tm__hash_to_text(&hash, text);
        json_object_set_new(events->snapshots, events->sources[i].name, json_string(text));
    }
    return tm__json_check(err);
}

tm_status tm__train_events_load(tm_ctx *ctx, const tm_home *home, const json_t *snapshots,
                                tm_train_events *out, tm_err *err) {
    tm_train_events events;
    const char *name = NULL;
    json_t *value = NULL;
    tm_status st = events_init(&events, snapshots, err);
    json_object_foreach(events.named, name, value) {
        tm_table *table = NULL;
        tm_hash hash;
        if (st == TM_OK &&
            (!json_is_string(value) || !tm__hash_from_text(json_string_value(value), &hash))) {
            st = TM_FAIL(err, TM_E_DATA, "the record names no snapshot of '%.64s'", name);
        }
        st =
            st == TM_OK ? tm__snapshot_load(ctx, tm__home_snapshots(home), &hash, &table, err) : st;
        if (st == TM_OK) {
            add(&events, name, table);
        }
    }
    if (st != TM_OK) {
        tm__train_events_done(&events);
        return st;
    }
    events.snapshots = json_incref(events.named);
    *out = events;
    return TM_OK;
}

void tm__train_events_use(const tm_train_events *events, tm_train_options *options) {
    options->events = events->sources;
    options->n_events = events->n;
    options->events_snapshots = events->n > 0 ? events->snapshots : NULL;
}
