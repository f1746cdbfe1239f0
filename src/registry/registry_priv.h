/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry share. A function that ends in _locked runs inside a transaction.
 */
#ifndef TM_REGISTRY_REGISTRY_PRIV_H
#define TM_REGISTRY_REGISTRY_PRIV_H

#include "guard/audit.h"
#include "registry/registry.h"
#include "store/db.h"

struct tm_registry {
    tm_db *db;
    const tm_home *home;  /* borrowed */
    int64_t moved_n;      /* number of what it last appended and did not anchor; 0: nothing */
    uint64_t anchored_ns; /* when that was */
    int64_t learns_us;    /* since when rows were read to learn from; 0: none were */
};

/** Open meta.db by its path; arg is for migrations and may be NULL when read_only. */
TM_NODISCARD tm_status tm__registry_db_open(const char *path, bool read_only, tm_registry *arg,
                                            tm_db **out, tm_err *err);

/* How a registry is opened. */
typedef struct tm_registry_way {
    const char *path;            /* NULL: the home's own tables */
    bool read_only, may_be_away; /* as in tm_db_options */
} tm_registry_way;
TM_NODISCARD tm_status tm__registry_open_as(const tm_home *home, const tm_registry_way *way,
                                            tm_registry **out, tm_err *err);

/** Same for who moves tables (tm_db_options.is_moving). */
TM_NODISCARD tm_status tm__registry_db_move_open(const char *path, tm_registry *arg, bool create,
                                                 tm_db **out, tm_err *err);

/** Run fn inside one transaction: all of it or nothing. */
TM_NODISCARD tm_status tm__registry_transact(tm_registry *registry,
                                             tm_status (*fn)(tm_registry *registry, void *arg,
                                                             tm_err *err),
                                             void *arg, tm_err *err);

/** Row id of a model; TM_E_NOT_FOUND with the nearest name. */
TM_NODISCARD tm_status tm__registry_model_id(tm_registry *registry, const char *model,
                                             int64_t *out_id, tm_err *err);
/** Number behind an alias, 0 when there is none. */
TM_NODISCARD tm_status tm__registry_alias(tm_registry *registry, int64_t model_id, const char *name,
                                          uint32_t *out_number, tm_err *err);
/** Fill a version; TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__registry_load(tm_registry *registry, int64_t model_id, uint32_t number,
                                         tm_version *out, tm_err *err);
/** Point `champion` at a version and `challenger` at the newest other one. */
TM_NODISCARD tm_status tm__registry_move_locked(tm_registry *registry, int64_t model_id,
                                                uint32_t number, tm_err *err);

/** Why a version may not answer in the place of the champion: a refusal that stands, or another
 * target or task; nothing is appended when it may. */
TM_NODISCARD tm_status tm__registry_refusal(tm_registry *registry, int64_t model_id,
                                            uint32_t champion, uint32_t number, tm_buf *out,
                                            tm_err *err);
/** The file of a version is there and whole: nothing else may answer requests, forced or not. */
TM_NODISCARD tm_status tm__registry_file_check(tm_registry *registry, const char *model,
                                               uint32_t number, tm_err *err);
/** End the split of a model's route, if there is one, with its record. *out_from: the heaviest arm
 * beside the champion; 0: there was no split. */
TM_NODISCARD tm_status tm__split_end_locked(tm_registry *registry, const char *model,
                                            const tm_actor *actor, uint32_t *out_from, tm_err *err);
/** Split requests as ordered, in the transaction at hand; a rollout stays. */
TM_NODISCARD tm_status tm__split_locked(tm_registry *registry, const char *model,
                                        const tm_split_order *order, const tm_actor *actor,
                                        tm_err *err);
/** Whether a version may answer in the place of the route's champion; TM_E_REFUSED unless forced,
 * TM_E_NOT_FOUND. */
TM_NODISCARD tm_status tm__split_may_answer(tm_registry *registry, const tm_route *route,
                                            uint32_t number, bool is_forced, tm_err *err);
/** Make a version the shadow of a route, or (0) end the one that is, with its record; a rollout
 * stays. */
TM_NODISCARD tm_status tm__shadow_order_locked(tm_registry *registry, const tm_route *route,
                                               const tm_arm *want, const tm_actor *actor,
                                               tm_err *err);
/** A shadow that became the champion is one no longer. */
TM_NODISCARD tm_status tm__shadow_end_locked(tm_registry *registry, int64_t model_id,
                                             uint32_t champion, tm_err *err);
/** End the rollout of a model, if there is one, with its record: requests were moved by hand. */
TM_NODISCARD tm_status tm__rollout_end_locked(tm_registry *registry, const char *model,
                                              const tm_actor *actor, tm_err *err);
/** Same of one that is in its shadow: that was moved. */
TM_NODISCARD tm_status tm__rollout_unshadow_locked(tm_registry *registry, const char *model,
                                                   const tm_actor *actor, tm_err *err);
/** tm__registry_promote() in the transaction at hand, of a file that was checked. */
TM_NODISCARD tm_status tm__promote_locked(tm_registry *registry, const char *model,
                                          const tm_promotion *promotion, const tm_actor *actor,
                                          tm_err *err);
/** tm__registry_judge() in the transaction at hand. */
typedef struct tm_judgement {
    const char *model;
    uint32_t version;
    const tm_gate_verdict *verdict;
    const tm_actor *actor;
} tm_judgement;
TM_NODISCARD tm_status tm__judge_locked(tm_registry *registry, const tm_judgement *judgement,
                                        tm_err *err);

/** In the migration to version 3: hashes of keys are replaced by their sealed form. The database's
 * migration_arg is the registry, which has no db yet. */
TM_NODISCARD tm_status tm__registry_seal_keys_locked(tm_db *db, tm_err *err);
/** The server key for one more key: made, with its file, when there is none; also when it is lost
 * and no live key needs it any more. */
TM_NODISCARD tm_status tm__registry_server_key_locked(tm_registry *registry, tm_server_key *out,
                                                      tm_err *err);

/* One record of the history. */
typedef struct tm_event {
    const char *model; /* "" when it concerns none */
    const char *event;
    uint32_t version, from; /* 0: none */
    const tm_actor *actor;
    const char *reason;     /* NULL: the actor's */
    const json_t *details;  /* may be NULL */
    const char *object;     /* what it concerns beside a model: "source:flights"; NULL: nothing */
    const char *outcome;    /* NULL: done; else "refused", "failed" */
    const tm_hash *subject; /* tm__audit_subject() of whom it concerns; NULL: nobody */
} tm_event;
TM_NODISCARD tm_status tm__history_append_locked(tm_registry *registry, const tm_event *event,
                                                 tm_err *err);
/** The end of the chain. *out_is_signed: false for a chain that has no entry, or has lost its
 * signature; key and signature are zero then. TM_E_INTEGRITY. */
TM_NODISCARD tm_status tm__chain_load(tm_db *db, tm_audit_head *out, bool *out_is_signed,
                                      tm_err *err);
/** In the migration that brings signatures: sign the chain as it is found. */
TM_NODISCARD tm_status tm__registry_sign_chain_locked(tm_db *db, tm_err *err);
/** tm__trust_own() in the transaction at hand. */
TM_NODISCARD tm_status tm__trust_own_locked(const tm_registry *registry, tm_signing_key *out,
                                            tm_err *err);
/** Append the head to the anchor file when this handle moved it, and (unless it must) not more than
 * once a second. A line that cannot be written is made up for by the next one: whoever checks the
 * chain is told how far it is anchored. */
void tm__anchor(tm_registry *registry, bool must);
/** Number of the last record; 0 when there is none. */
TM_NODISCARD tm_status tm__history_last(tm_registry *registry, int64_t *out, tm_err *err);

/** The receivers that a recipe declares ("webhooks": [{"name"}]) are owed what follows record seq;
 * those that were there stay where they are, others go. */
TM_NODISCARD tm_status tm__hooks_declare_locked(tm_registry *registry, const char *model,
                                                const json_t *recipe, int64_t seq, tm_err *err);

/** Canonical text of a value in a fresh block; TM_E_NOMEM. NULL or JSON null gives NULL. */
TM_NODISCARD tm_status tm__registry_json_text(const json_t *value, char **out, tm_err *err);
/** Parse text that this module wrote; NULL gives JSON null. */
TM_NODISCARD tm_status tm__registry_json(const char *text, json_t **out, tm_err *err);
/** The first column of a query's rows as a list of texts. model stands for its ?, NULL: it has
 * none. New reference. */
TM_NODISCARD tm_status tm__registry_names(tm_registry *registry, const char *sql, const char *model,
                                          json_t **out, tm_err *err);
/** Of a column of a row: a whole number, or null. NULL when out of memory. */
json_t *tm__registry_number(tm_stmt *stmt, int col);
/* Four digits, or as many as it takes to tell the two figures apart. */
typedef struct tm_figures {
    char a[40], b[40];
} tm_figures;
/** A threshold as a person would write it. */
void tm__gate_number(double value, char out[40]);
/** Add a check to a verdict: what was found, in words. */
void tm__gate_say(tm_gate_verdict *verdict, const char *check, bool is_open, const char *fmt, ...)
    TM_PRINTF(4, 5);
/** The checks that need what was measured; metric decides the comparison. */
void tm__gate_check_measured(const tm_gate *gate, const char *metric, const json_t *measured,
                             tm_gate_verdict *out);
/** A gate as JSON and back; NULL when out of memory. */
json_t *tm__gate_to_json(const tm_gate *gate);
void tm__gate_from_json(const json_t *json, tm_gate *out);
/** TM_E_USAGE for a gate that cannot be asked. */
TM_NODISCARD tm_status tm__gate_valid(const tm_gate *gate, tm_err *err);

/** Score of a bundle by its info: on its test rows, else in validation; false when it has none. */
bool tm__registry_score(const json_t *info, const char *metric, double *out);

/** The file of a hash, whole; *out (may be NULL) gets what is made of it. */
TM_NODISCARD tm_status tm__registry_file_open(tm_registry *registry, const tm_hash *hash,
                                              tm_bundle **out, tm_err *err);

/* What a row of a version is read of: tm__version_head() and its info, column 5. */
#define TM_VERSION_COLUMNS                                                                         \
    "m.name, v.number, v.bundle_hash, v.created_us, v.snapshot, v.info, coalesce(d.is_open, 1),"   \
    " coalesce((SELECT group_concat(name, ' ') FROM (SELECT name FROM aliases a"                   \
    " WHERE a.model_id = v.model_id AND a.number = v.number ORDER BY name) n), ''),"               \
    " c.at_us"                                                                                     \
    " FROM versions v JOIN models m ON m.id = v.model_id"                                          \
    " LEFT JOIN verdicts d ON d.model_id = v.model_id AND d.number = v.number"                     \
    " LEFT JOIN collected c ON c.model_id = v.model_id AND c.number = v.number"
/** All of a version but its info, of such a row. */
void tm__version_head(tm_stmt *stmt, tm_version *out);
/** All rows of a bound statement as a list, to which item adds each; ends the statement. */
TM_NODISCARD tm_status tm__registry_rows(tm_stmt *stmt,
                                         tm_status (*item)(tm_stmt *stmt, json_t *list,
                                                           tm_err *err),
                                         json_t **out, tm_err *err);

#endif
