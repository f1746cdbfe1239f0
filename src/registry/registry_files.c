/* SPDX-License-Identifier: Apache-2.0 */
/* meta.db as a whole: which files it refers to, its copy, its check. */
#include "base/mem.h"
#include "registry/registry_priv.h"

/* Texts of open turns, each a hash: rows with those of other sources, and a bundle that is no
 * version yet. */
#define OPEN_TURNS "FROM turns WHERE outcome IS NULL AND "
#define ROWS_OF_TURNS                                                                              \
    " UNION SELECT json_extract(story, '$.snapshot') " OPEN_TURNS                                  \
    "json_extract(story, '$.snapshot') != ''"                                                      \
    " UNION SELECT json_extract(story, '$.held_snapshot') " OPEN_TURNS                             \
    "json_extract(story, '$.held_snapshot') != ''"                                                 \
    " UNION SELECT e.value FROM turns, json_each(story, '$.event_snapshots') e WHERE outcome IS"   \
    " NULL"
#define BUNDLES_OF_TURNS                                                                           \
    " UNION SELECT json_extract(story, '$.bundle_hash') " OPEN_TURNS                               \
    "json_extract(story, '$.bundle_hash') != ''"

/* Versions whose files were not collected. */
#define LEFT_ALONE                                                                                 \
    "WHERE NOT EXISTS(SELECT 1 FROM collected c WHERE c.model_id = versions.model_id"              \
    " AND c.number = versions.number)"

/* Rows of other sources that features of these are made of. */
#define EVENTS_OF_VERSIONS                                                                         \
    " UNION SELECT e.value FROM versions, json_each(info, '$.event_snapshots') e " LEFT_ALONE

static tm_status hashes_append(tm_registry *registry, const char *sql, json_t *list, tm_err *err) {
    tm_stmt *stmt = NULL;
    tm_status st = TM_OK;
    TM_TRY(tm__stmt_init(registry->db, sql, &stmt, err));
    while (tm__stmt_next(stmt, &st, err)) {
        if (json_array_append_new(list, json_string(tm__stmt_text(stmt, 0))) != 0) {
            st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
            break;
        }
    }
    tm__stmt_done(stmt);
    return st;
}

tm_status tm__registry_files(tm_registry *registry, json_t **out, tm_err *err) {
    json_t *files = json_pack("{s:[], s:[]}", "bundles", "snapshots");
    json_t *bundles = json_object_get(files, "bundles");
    json_t *snapshots = json_object_get(files, "snapshots");
    if (files == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_status st = hashes_append(
        registry,
        "SELECT lower(hex(bundle_hash)) FROM versions " LEFT_ALONE BUNDLES_OF_TURNS " ORDER BY 1",
        bundles, err);
    if (st == TM_OK) {
        st = hashes_append(
            registry,
            "SELECT snapshot FROM versions " LEFT_ALONE " AND snapshot != '' UNION"
            " SELECT json_extract(info, '$.test_snapshot') FROM versions " LEFT_ALONE
            " AND json_extract(info, '$.test_snapshot') != ''" EVENTS_OF_VERSIONS ROWS_OF_TURNS
            " ORDER BY 1",
            snapshots, err);
    }
    return tm__json_give(st, files, out, err);
}

tm_status tm__registry_copy(tm_registry *registry, const tm_ctx *ctx, const char *to, tm_err *err) {
    return tm__db_copy(registry->db, ctx, to, err);
}

tm_status tm__registry_check(tm_registry *registry, tm_err *err) {
    return tm__db_check(registry->db, err);
}

tm_status tm__registry_format(tm_registry *registry, uint32_t *out, tm_err *err) {
    return tm__db_format(registry->db, out, err);
}
