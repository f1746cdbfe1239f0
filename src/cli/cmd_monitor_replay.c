/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor replay`: logged rows through the versions that answered them, bit by bit. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/walk_args.h"

#define IDS_MAX 100u

/* A version, and where a stream of its answers has the columns that it reads. */
typedef struct replay_version {
    struct replay_version *next;
    uint32_t number;
    tm_bundle *bundle; /* NULL: it is no longer there */
    tm_bundle_scratch *scratch;
    int64_t stream;   /* that places is of; 0: none */
    uint32_t *places; /* [n inputs] among the row's cells; UINT32_MAX: it has none */
    tm_cell *cells;   /* [n inputs] */
    double *outputs;  /* [n outputs] */
    uint64_t n_same, n_other, n_unread;
} replay_version;

typedef struct replaying {
    const tm_ctx *ctx;
    const tm_place *place;
    const char *model;
    replay_version *versions; /* the one used last comes first */
    json_t *ids;              /* of answers with other bits, at most IDS_MAX */
    uint64_t n;
} replaying;

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "no memory to answer again");
}

static void version_free(replay_version *v) {
    tm__bundle_scratch_free(v->scratch);
    tm__bundle_unref(v->bundle);
    tm__mem_free(v->places);
    tm__mem_free(v->cells);
    tm__mem_free(v->outputs);
    tm__mem_free(v);
}

static tm_status open_bundle(const replaying *r, replay_version *v, tm_err *err) {
    char name[TM_MAX_NAME + 16];
    tm_version version = {0};
    tm_err own = {0};
    (void)snprintf(name, sizeof(name), "%s@%u", r->model, v->number);
    tm_status st = tm__registry_find(r->place->registry, name, &version, &own);
    if (st == TM_OK) {
        st = tm__registry_bundle(r->place->registry, &version, &v->bundle, &own);
        tm__version_done(&version);
    }
    if (st == TM_E_NOT_FOUND) {
        return TM_OK;
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

static tm_status version_open(const replaying *r, uint32_t number, replay_version **out,
                              tm_err *err) {
    replay_version *const v = tm__mem_zalloc(1, sizeof(*v));
    if (v == NULL) {
        return no_memory(err);
    }
    v->number = number;
    tm_status st = open_bundle(r, v, err);
    if (st == TM_OK && v->bundle != NULL) {
        const size_t n_inputs = (size_t)tm__bundle_schema(v->bundle)->n_cols + 1;
        v->scratch = tm__bundle_scratch_create(v->bundle);
        v->places = tm__mem_alloc(n_inputs, sizeof(*v->places));
        v->cells = tm__mem_zalloc(n_inputs, sizeof(*v->cells));
        v->outputs = tm__mem_alloc(tm__bundle_outputs(v->bundle), sizeof(*v->outputs));
        const bool ok =
            v->scratch != NULL && v->places != NULL && v->cells != NULL && v->outputs != NULL;
        st = ok ? TM_OK : no_memory(err);
    }
    if (st != TM_OK) {
        version_free(v);
        return st;
    }
    *out = v;
    return TM_OK;
}

/* The version of a number, moved to the front. */
static tm_status version_get(replaying *r, uint32_t number, replay_version **out, tm_err *err) {
    replay_version **at = &r->versions;
    while (*at != NULL && (*at)->number != number) {
        at = &(*at)->next;
    }
    replay_version *v = *at;
    if (v != NULL) {
        *at = v->next;
    } else {
        TM_TRY(version_open(r, number, &v, err));
    }
    v->next = r->versions;
    r->versions = v;
    *out = v;
    return TM_OK;
}

static void place_columns(replay_version *v, const tm_walk_row *row) {
    const tm_schema *const schema = tm__bundle_schema(v->bundle);
    if (row->stream == v->stream) {
        return;
    }
    v->stream = row->stream;
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        v->places[i] = UINT32_MAX;
        for (uint32_t k = 0; k < row->n_cells && v->places[i] == UINT32_MAX; k++) {
            v->places[i] = strcmp(row->names[k], schema->cols[i].name) == 0 ? k : UINT32_MAX;
        }
    }
}

static bool is_same(replay_version *v, const tm_walk_row *row) {
    const uint32_t n_outputs = tm__bundle_outputs(v->bundle);
    place_columns(v, row);
    for (uint32_t i = 0; i < tm__bundle_schema(v->bundle)->n_cols; i++) {
        v->cells[i] =
            v->places[i] == UINT32_MAX ? (tm_cell){.type = TM_TYPE_NONE} : row->cells[v->places[i]];
    }
    tm__bundle_predict_row(v->bundle, v->scratch, v->cells, v->outputs);
    return row->n_outputs == n_outputs &&
           memcmp(row->outputs, v->outputs, n_outputs * sizeof(double)) == 0;
}

static tm_status answer_again(void *arg, const tm_walk_row *row, tm_err *err) {
    replaying *const r = arg;
    replay_version *v = NULL;
    if (tm__ctx_cancelled(r->ctx)) {
        return TM_FAIL(err, TM_E_CANCELLED, "the replay was cancelled");
    }
    TM_TRY(version_get(r, row->version, &v, err));
    r->n++;
    tm__ctx_progress(r->ctx, "replay", r->n, 0, NULL);
    if (v->bundle == NULL) {
        v->n_unread++;
    } else if (is_same(v, row)) {
        v->n_same++;
    } else {
        v->n_other++;
        if (json_array_size(r->ids) < IDS_MAX) {
            json_array_append_new(r->ids, json_string(row->id));
        }
    }
    return TM_OK;
}

typedef struct replay_sums {
    uint64_t n_same, n_other, n_unread;
} replay_sums;

static replay_sums sum_up(const replaying *r, json_t *versions) {
    replay_sums all = {0};
    for (const replay_version *v = r->versions; v != NULL; v = v->next) {
        json_array_append_new(
            versions, json_pack("{s:I, s:I, s:I, s:I}", "version", (json_int_t)v->number, "same",
                                (json_int_t)v->n_same, "different", (json_int_t)v->n_other,
                                "version_gone", (json_int_t)v->n_unread));
        all.n_same += v->n_same;
        all.n_other += v->n_other;
        all.n_unread += v->n_unread;
    }
    return all;
}

static tm_status say(tm_cli *cli, const replaying *r, tm_err *err) {
    json_t *const versions = json_array();
    const replay_sums all = sum_up(r, versions);
    if (cli->json) {
        json_t *result = json_pack(
            "{s:s, s:I, s:I, s:I, s:I, s:O, s:O}", "model", r->model, "answers", (json_int_t)r->n,
            "same", (json_int_t)all.n_same, "different", (json_int_t)all.n_other, "version_gone",
            (json_int_t)all.n_unread, "versions", versions, "different_ids", r->ids);
        tm__cli_print_object(cli, "tidemill.monitor_replay/1", result);
        json_decref(result);
    } else {
        tm__cli_print(cli,
                      "%llu answers of %s: %llu have the same bits, %llu have others, of %llu "
                      "the version is gone\n",
                      (unsigned long long)r->n, r->model, (unsigned long long)all.n_same,
                      (unsigned long long)all.n_other, (unsigned long long)all.n_unread);
        for (size_t i = 0; i < json_array_size(r->ids); i++) {
            tm__cli_print(cli, "  %s\n", json_string_value(json_array_get(r->ids, i)));
        }
    }
    json_decref(versions);
    return all.n_other == 0 ? TM_OK
                            : TM_FAIL(err, TM_E_REFUSED,
                                      "%llu answers have other bits than when they were given",
                                      (unsigned long long)all.n_other);
}

tm_status cmd_monitor_replay(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_walk_args args = {0};
    replaying r = {.ctx = &ctx, .place = &args.place, .ids = json_array()};
    tm_status st = tm__cli_ctx_init(cli, 1, &ctx, err);
    if (st == TM_OK) {
        st = tm__walk_args_open(cli, &args, err);
    }
    if (st == TM_OK) {
        r.model = args.options.model;
        st = tm__monitor_walk(args.monitor, &args.options, answer_again, &r, err);
    }
    if (st == TM_OK) {
        st = say(cli, &r, err);
    }
    for (replay_version *v = r.versions, *next = NULL; v != NULL; v = next) {
        next = v->next;
        version_free(v);
    }
    json_decref(r.ids);
    tm__walk_args_close(&args);
    tm__cli_ctx_done(&ctx);
    return st;
}
