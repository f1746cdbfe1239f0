/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the history. A move is a record "promoted" or "rolled_back"; what was live at a
 * moment is the last move before it by the clock, its evidence the last verdict before that move by
 * number. Partial indexes make each a few look-ups (decision 0072).
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "registry/moments.h"
#include "registry/registry_priv.h"

static json_t *known_or_null(const json_t *object, const char *name) {
    json_t *value = json_object_get(object, name);
    const bool is_known =
        value != NULL && (!json_is_string(value) || json_string_length(value) > 0);
    return is_known ? json_incref(value) : json_null();
}

/* ---- What was live ---- */

/* The last verdict on a version before a record. */
static tm_status gate_before(tm_registry *registry, const tm_version *version, int64_t seq,
                             json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    json_t *gate = json_null(), *details = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT event, reason, at_us, details FROM history WHERE model = ?"
                         " AND version = ? AND event IN ('gate.opened', 'gate.refused')"
                         " AND seq < ? ORDER BY seq DESC LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    tm__stmt_bind_i64(stmt, 3, seq);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = tm__registry_json(tm__stmt_text(stmt, 3), &details, err);
    }
    if (st == TM_OK && has_row) {
        gate = json_pack(
            "{s:b, s:o, s:o}", "open", strcmp(tm__stmt_text(stmt, 0), "gate.opened") == 0, "reason",
            tm__json_string(tm__stmt_text(stmt, 1)), "at", tm__json_time(tm__stmt_i64(stmt, 2)));
        json_object_update_missing(gate, details);
    }
    json_decref(details);
    tm__stmt_done(stmt);
    if (st == TM_OK) {
        *out = gate;
        return tm__json_check(err);
    }
    json_decref(gate);
    return st;
}

/* The verdict that a version came with: of a first one, which was judged before it was one. */
static tm_status gate_at_first(tm_registry *registry, const tm_version *version, json_t **out,
                               tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    json_t *details = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT at_us, details FROM history WHERE model = ? AND version = ?"
                         " AND event = 'registered' LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = tm__registry_json(tm__stmt_text(stmt, 1), &details, err);
    }
    json_t *const gate = json_object_get(details, "gate");
    if (st == TM_OK && json_is_object(gate)) {
        json_decref(*out);
        *out = json_copy(gate);
        json_object_set_new(*out, "at", tm__json_time(tm__stmt_i64(stmt, 0)));
        st = tm__json_check(err);
    }
    json_decref(details);
    tm__stmt_done(stmt);
    return st;
}

static tm_status evidence_of(tm_registry *registry, const tm_version *version, tm_stmt *move,
                             json_t **out, tm_err *err) {
    const char *metric = tm__json_text(version->info, "metric", "");
    json_t *gate = NULL, *details = NULL;
    double score = NAN;
    TM_TRY(gate_before(registry, version, tm__stmt_i64(move, 1), &gate, err));
    tm_status st = json_is_null(gate) ? gate_at_first(registry, version, &gate, err) : TM_OK;
    st = st == TM_OK ? tm__registry_json(tm__stmt_text(move, 8), &details, err) : st;
    if (st != TM_OK) {
        json_decref(gate);
        return st;
    }
    (void)tm__registry_score(version->info, metric, &score);
    *out = json_pack("{s:o, s:b, s:s, s:o}", "gate", gate, "forced",
                     tm__json_bool(details, "forced", false), "metric", metric, "score",
                     tm__json_number(score));
    json_decref(details);
    return tm__json_check(err);
}

static tm_status live_item(tm_registry *registry, tm_stmt *move, json_t *list, tm_err *err) {
    tm_version version = {0};
    json_t *evidence = NULL;
    char hash[TM_HASH_TEXT];
    TM_TRY(tm__registry_load(registry, tm__stmt_i64(move, 9), (uint32_t)tm__stmt_i64(move, 4),
                             &version, err));
    tm__hash_to_text(&version.bundle_hash, hash);
    const tm_status st = evidence_of(registry, &version, move, &evidence, err);
    if (st == TM_OK) {
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:o, s:s, s:o, s:s, s:o, s:s, s:o}", "model", version.model,
                            "champion", (json_int_t)version.number, "since",
                            tm__json_time(tm__stmt_i64(move, 2)), "event", tm__stmt_text(move, 3),
                            "from", tm__registry_number(move, 5), "actor", tm__stmt_text(move, 6),
                            "reason", tm__json_string(tm__stmt_text(move, 7)), "bundle_hash", hash,
                            "evidence", evidence));
    }
    tm__version_done(&version);
    return st;
}

tm_status tm__registry_at(tm_registry *registry, int64_t at_us, json_t **out, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(
        registry->db,
        "SELECT m.name, h.seq, h.at_us, h.event, h.version, h.from_version, h.actor, h.reason,"
        " h.details, m.id FROM models m JOIN history h ON h.seq = (SELECT seq FROM history"
        " WHERE model = m.name AND event IN ('promoted', 'rolled_back') AND at_us <= ?"
        " ORDER BY at_us DESC, seq DESC LIMIT 1) ORDER BY m.name",
        &stmt, err));
    tm__stmt_bind_i64(stmt, 1, at_us);
    json_t *list = json_array();
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        st = live_item(registry, stmt, list, err);
    }
    tm__stmt_done(stmt);
    return tm__json_give(st, list, out, err);
}

/* ---- Lineage ---- */

static tm_status recipe_hash(const json_t *recipe, json_t **out, tm_err *err) {
    char *text = NULL, hex[TM_HASH_TEXT];
    tm_hash hash;
    TM_TRY(tm__registry_json_text(recipe, &text, err));
    if (text == NULL) {
        *out = json_null();
        return TM_OK;
    }
    tm__hash_bytes(text, strlen(text), &hash);
    tm__hash_to_text(&hash, hex);
    tm__mem_free(text);
    *out = json_string(hex);
    return TM_OK;
}

/* What the record of its registering says. */
static tm_status add_registered(tm_registry *registry, const tm_version *version, json_t *lineage,
                                tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    json_t *details = NULL;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT at_us, actor, reason, from_version, details FROM history"
                         " WHERE model = ? AND version = ? AND event = 'registered' LIMIT 1",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, version->model);
    tm__stmt_bind_i64(stmt, 2, version->number);
    tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK && has_row) {
        st = tm__registry_json(tm__stmt_text(stmt, 4), &details, err);
    }
    if (st == TM_OK && has_row) {
        json_object_set_new(lineage, "registered",
                            json_pack("{s:o, s:s, s:o}", "at", tm__json_time(tm__stmt_i64(stmt, 0)),
                                      "actor", tm__stmt_text(stmt, 1), "reason",
                                      tm__json_string(tm__stmt_text(stmt, 2))));
        json_object_set_new(lineage, "parent", tm__registry_number(stmt, 3));
        json_object_set_new(lineage, "code", known_or_null(details, "code"));
        json_object_set_new(lineage, "signer", known_or_null(details, "signer"));
        json_object_set_new(lineage, "parity", known_or_null(details, "parity"));
    }
    json_decref(details);
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_lineage(tm_registry *registry, const tm_version *version, json_t **out,
                               tm_err *err) {
    static const char *const names[] = {"snapshot", "test_snapshot", "seed", "continues"};
    const json_t *const recipe = json_object_get(version->info, "recipe");
    json_t *hash = NULL;
    TM_TRY(recipe_hash(recipe, &hash, err));
    json_t *lineage = json_object();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_object_set_new(lineage, names[i], known_or_null(version->info, names[i]));
    }
    json_object_set_new(lineage, "source", known_or_null(recipe, "source"));
    json_object_set_new(lineage, "recipe_hash", hash);
    tm_status st = add_registered(registry, version, lineage, err);
    return tm__json_give(st, lineage, out, err);
}

tm_status tm__registry_was_champion(tm_registry *registry, const char *model, uint32_t number,
                                    bool *out, tm_err *err) {
    tm_stmt *stmt = NULL;
    bool has_row = false;
    TM_TRY(tm__stmt_init(registry->db,
                         "SELECT EXISTS(SELECT 1 FROM history WHERE model = ?1 AND version = ?2"
                         " AND event IN ('promoted', 'rolled_back') AND seq < CASE WHEN m.version"
                         " = ?2 THEN m.seq ELSE m.seq + 1 END) FROM (SELECT seq, version FROM"
                         " history WHERE model = ?1 AND event IN ('promoted', 'rolled_back')"
                         " ORDER BY seq DESC LIMIT 1) m",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    tm__stmt_bind_i64(stmt, 2, number);
    const tm_status st = tm__stmt_step(stmt, &has_row, err);
    if (st == TM_OK) {
        *out = has_row && tm__stmt_i64(stmt, 0) != 0;
    }
    tm__stmt_done(stmt);
    return st;
}
