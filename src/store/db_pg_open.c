/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a database in PostgreSQL, and its migrations: one transaction under an advisory lock of
 * the schema, so that whoever comes first makes the tables and the others find them.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/db_pg_priv.h"

#define PLACE_BYTES_MAX (64u << 10)

/* ---- The place ---- */

static tm_status bad_place(const char *path, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "'%s' does not say where the tables are", path);
    tm_err_hint(err, "It reads {\"postgres\": {\"dsn_file\": \"/absolute/meta.dsn\", \"schema\": "
                     "\"tidemill\"}}.");
    tm_err_at(err, path, 0, 0);
    return TM_E_DATA;
}

static char *schema_of(const char *name, const char *part) {
    char *out = NULL;
    tm_buf text;
    if (part == NULL) {
        return tm__mem_strdup(name);
    }
    tm__buf_init(&text, PLACE_BYTES_MAX);
    (void)tm__buf_printf(&text, "%s_%s", name, part);
    out = text.failed ? NULL : tm__mem_strdup((const char *)text.data);
    tm__buf_done(&text);
    return out;
}

/* What a later release may say there means something that this one would not do. */
static tm_status check_words(const json_t *postgres, const char *path, tm_err *err) {
    const char *word = NULL;
    const json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)postgres, word, value) {
        if (strcmp(word, "dsn_file") != 0 && strcmp(word, "schema") != 0 &&
            strcmp(word, "intake") != 0) {
            (void)TM_FAIL(err, TM_E_UNSUPPORTED,
                          "'%s' says '%.64s', which this release does not know", path, word);
            tm_err_hint(err, "Mend the word, or use the release that wrote it.");
            tm_err_at(err, path, 0, 0);
            return TM_E_UNSUPPORTED;
        }
    }
    return TM_OK;
}

static tm_status place_fields(const json_t *place, const char *part, tm_pg_db *db, tm_err *err) {
    const json_t *postgres = json_object_get(place, "postgres");
    const char *dsn_file = json_string_value(json_object_get(postgres, "dsn_file"));
    const char *schema = json_string_value(json_object_get(postgres, "schema"));
    if (dsn_file == NULL || dsn_file[0] != '/' || schema == NULL || schema[0] == '\0') {
        return bad_place(db->base.path, err);
    }
    TM_TRY(check_words(postgres, db->base.path, err));
    db->dsn_file = tm__mem_strdup(dsn_file);
    db->schema = schema_of(schema, part);
    return db->dsn_file != NULL && db->schema != NULL ? TM_OK
                                                      : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static tm_status place_read(tm_pg_db *db, const char *part, tm_err *err) {
    tm_buf text;
    json_t *place = NULL;
    tm__buf_init(&text, PLACE_BYTES_MAX);
    tm_status st = tm__fs_read_all(db->base.path, &text, err);
    if (st == TM_OK) {
        st = tm__json_parse(text.data, text.len, TM_MAX_JSON_DEPTH, &place, NULL);
        st = st == TM_OK || st == TM_E_NOMEM ? st : bad_place(db->base.path, err);
    }
    st = st == TM_OK ? place_fields(place, part, db, err) : st;
    json_decref(place);
    tm__buf_done(&text);
    return st;
}

/* ---- What is there ---- */

/* One number about the schema. */
static tm_status ask(const tm_pg_db *db, const char *sql, int64_t *out, tm_err *err) {
    tm_pq_rows *rows = NULL;
    const tm_str schema = tm__str(db->schema);
    TM_TRY(tm__pq_query(db->pq, sql, &schema, 1, &rows, err));
    *out = tm__pq_rows_count(rows) == 0 ? 0 : tm__pq_rows_i64(rows, 0, 0);
    tm__pq_rows_free(rows);
    return TM_OK;
}

static const char n_tables[] =
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
static const char n_labels[] =
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = 'tidemill' AND c.relkind = 'r'";

static const char n_moves[] =
    "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n"
    " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'tidemill' AND a.attname ="
    " 'moves_us' AND NOT a.attisdropped";

static tm_status read_label(tm_pg_db *db, tm_pg_label *out, bool *out_has, tm_err *err) {
    int64_t n = 0;
    tm_pq_rows *rows = NULL;
    *out_has = false;
    TM_TRY(ask(db, n_labels, &n, err));
    if (n == 0) {
        return TM_OK;
    }
    TM_TRY(tm__pq_query(db->pq, "SELECT application_id, format, generation FROM tidemill", NULL, 0,
                        &rows, err));
    *out_has = tm__pq_rows_count(rows) == 1;
    if (*out_has) {
        *out = (tm_pg_label){tm__pq_rows_i64(rows, 0, 0), tm__pq_rows_i64(rows, 0, 1),
                             tm__pq_rows_i64(rows, 0, 2)};
    }
    tm__pq_rows_free(rows);
    return TM_OK;
}

static tm_status foreign(const tm_pg_db *db, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "the schema '%s' has tables of another program", db->schema);
    tm_err_hint(err, "Name another schema in '%s'.", db->base.path);
    tm_err_at(err, db->base.path, 0, 0);
    return TM_E_DATA;
}

static tm_status label_check(const tm_pg_db *db, const tm_db_options *options,
                             const tm_pg_label *label, tm_err *err) {
    if (label->application_id != (int64_t)options->application_id) {
        return foreign(db, err);
    }
    return label->format > (int64_t)db->base.version &&
                   !tm__db_version_moves(options, label->format)
               ? tm__db_version_fail(&db->base, label->format, false, err)
               : TM_OK;
}

/* ---- Migrating ---- */

static tm_status make_schema_locked(tm_pg_db *db, const tm_db_options *options, tm_err *err) {
    tm_buf sql;
    int64_t n = 0;
    TM_TRY(ask(db, n_tables, &n, err));
    if (n > 0) {
        return foreign(db, err);
    }
    TM_TRY(ask(db, "SELECT count(*) FROM pg_namespace WHERE nspname = $1", &n, err));
    tm__buf_init(&sql, 2048);
    if (n == 0) {
        (void)tm__buf_text(&sql, "CREATE SCHEMA ");
        (void)tm__pq_quote(&sql, tm__str(db->schema), '"');
        (void)tm__buf_text(&sql, "; ");
    }
    (void)tm__buf_printf(&sql,
                         "CREATE TABLE tidemill(application_id bigint NOT NULL, format bigint NOT"
                         " NULL, generation bigint NOT NULL, moves_us bigint NOT NULL DEFAULT 0);"
                         " INSERT INTO tidemill VALUES(%u, 0, 0)",
                         options->application_id);
    const tm_status st = sql.failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                    : tm__pq_exec(db->pq, (const char *)sql.data, err);
    tm__buf_done(&sql);
    return st;
}

static tm_status migrate_locked(tm_pg_db *db, const tm_db_options *options, tm_err *err) {
    tm_pg_label label = {0};
    bool has_label = false;
    TM_TRY(read_label(db, &label, &has_label, err));
    if (!has_label) {
        TM_TRY(make_schema_locked(db, options, err));
        label = (tm_pg_label){.application_id = (int64_t)options->application_id};
    }
    TM_TRY(label_check(db, options, &label, err));
    TM_TRY(tm__pq_exec(
        db->pq, "ALTER TABLE tidemill ADD COLUMN IF NOT EXISTS moves_us bigint NOT NULL DEFAULT 0",
        err));
    if (label.format == (int64_t)db->base.version) {
        return TM_OK; /* another program was first */
    }
    TM_TRY(tm__pq_exec(db->pq, "SELECT 1 FROM tidemill FOR UPDATE", err)); /* no writer goes on */
    TM_TRY(tm__pq_exec(db->pq, tm__pg_functions(), err));
    for (const tm_migration *m = options->migrations; m->version != 0; m++) {
        if ((int64_t)m->version > label.format) {
            TM_TRY(tm__db_exec(&db->base, m->sql, err));
            TM_TRY(m->run_locked == NULL ? TM_OK : m->run_locked(&db->base, err));
        }
    }
    char sql[80];
    (void)snprintf(sql, sizeof(sql), "UPDATE tidemill SET format = %u", db->base.version);
    return tm__pq_exec(db->pq, sql, err);
}

static tm_status migrate(tm_pg_db *db, const tm_db_options *options, tm_err *err) {
    int64_t got = 0;
    TM_TRY(tm__pq_exec(db->pq, "BEGIN", err));
    db->is_open = true;
    db->has_written = false;
    tm_status st =
        ask(db, "SELECT 1 FROM pg_advisory_xact_lock(1414352206, hashtext($1))", &got, err);
    st = st == TM_OK ? migrate_locked(db, options, err) : st;
    if (st != TM_OK) {
        tm__pg_rollback(&db->base);
        return st;
    }
    db->is_open = false;
    return tm__pq_exec(db->pq, "COMMIT", err);
}

static tm_status check_encoding(const tm_pg_db *db, tm_err *err) {
    int64_t is_utf8 = 0;
    TM_TRY(
        ask(db,
            "SELECT CASE WHEN current_setting('server_encoding') = 'UTF8' AND $1::text IS NOT NULL"
            " THEN 1 ELSE 0 END",
            &is_utf8, err));
    if (is_utf8 == 0) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "the database of '%s' does not keep UTF-8",
                      db->base.path);
        tm_err_hint(err, "Make one with CREATE DATABASE ... ENCODING 'UTF8'.");
        return TM_E_UNSUPPORTED;
    }
    return TM_OK;
}

tm_status tm__pg_bring_up(tm_pg_db *db, const tm_db_options *options, tm_err *err) {
    tm_pg_label label = {0};
    bool has_label = false;
    TM_TRY(check_encoding(db, err));
    TM_TRY(read_label(db, &label, &has_label, err));
    if (!has_label && !options->create) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "nothing is in '%s' yet", db->base.path);
    }
    TM_TRY(has_label ? label_check(db, options, &label, err) : TM_OK);
    bool is_current = has_label && label.format == (int64_t)db->base.version;
    if (options->is_moving) {
        db->base.version =
            has_label ? (uint32_t)label.format : db->base.version | TM_DB_FORMAT_HALF;
        is_current = has_label;
    }
    if (options->read_only && !is_current) {
        (void)TM_FAIL(err, TM_E_UNSUPPORTED, "'%s' has format %lld and needs %u", db->base.path,
                      (long long)label.format, db->base.version);
        tm_err_hint(err, "Open it once with a command that writes, such as 'tidemill serve'.");
        return TM_E_UNSUPPORTED;
    }
    if (is_current && !options->read_only) { /* a release before has made it */
        int64_t n = 0;
        TM_TRY(ask(db, n_moves, &n, err));
        is_current = n > 0 || options->is_moving;
    }
    return is_current ? TM_OK : migrate(db, options, err);
}

tm_status tm__pg_open(const char *path, const tm_db_options *options, tm_db **out, tm_err *err) {
    TM_ASSERT(options->migrations != NULL);
    TM_ASSERT(!(options->create && options->read_only));
    tm_pg_db *db = tm__mem_zalloc(1, sizeof(*db));
    if (db == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    db->base.ops = &tm__db_pg;
    db->base.version = tm__db_version_last(options->migrations);
    db->base.migration_arg = options->migration_arg;
    db->base.path = tm__mem_strdup(path);
    db->is_read_only = options->read_only;
    tm_status st = db->base.path == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                                         : place_read(db, options->part, err);
    tm_err why = {0};
    st = st == TM_OK ? tm__pg_connect(db, &why) : st;
    if (st == TM_E_UNAVAILABLE && options->may_be_away) {
        db->options = *options;
        db->is_unseen = true;
        st = TM_OK;
    } else if (st == TM_OK) {
        st = tm__pg_bring_up(db, options, err);
    } else if (err != NULL && why.status != TM_OK) {
        *err = why;
    }
    if (st == TM_OK) {
        *out = &db->base;
        db = NULL;
    }
    tm__db_close(db == NULL ? NULL : &db->base);
    return st;
}
