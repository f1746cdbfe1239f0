/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds by name, and one reading of a source.
 *
 *   status:  adding ──> ready <──> retrying     the next try is planned
 *                         ├──────> stopped      until `data pull` or `data resume` is asked for
 *                         └──────> paused       until `data resume`
 */
#include "source/feed.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/feed_priv.h"
#include "source/feed_query.h"
#include "source/feed_reader.h"
#include "source/feed_s3.h"
#include "source/feed_share.h"
#include "source/intake_priv.h"
#include "source/source.h"

#define RETRY_US_MIN INT64_C(1000000)
#define RETRY_US_MAX (INT64_C(3600) * 1000000)

/* ---- A query, read once ---- */

static tm_status check_once(const char *name, const json_t *spec, tm_err *err) {
    if (tm__json_text(spec, name, NULL) == NULL) {
        return TM_FAIL(err, TM_E_USAGE, "a source of '%s' needs to know what to read", name);
    }
    if (json_object_get(spec, "every_s") != NULL) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "a source of '%s' is read once", name);
        tm_err_hint(err, "Leave out --every.");
        return st;
    }
    return TM_OK;
}

static tm_status read_once(tm_ctx *ctx, const tm_feed_input *in, const tm_source_spec *what,
                           const tm_feed_sink *sink, tm_err *err) {
    tm_table *table = NULL;
    tm_bad_values bad = {0};
    tm_source_spec with = *what;
    if (json_is_true(json_object_get(in->state, "done"))) {
        return TM_OK;
    }
    with.bad = &bad;
    tm_status st =
        tm__source_read_in(ctx, &with, tm__json_text(in->spec, "dir", NULL), &table, err);
    if (st == TM_OK) {
        json_t *state = json_pack("{s:b}", "done", 1);
        const tm_feed_block block = {.rows = table,
                                     .bad = &bad,
                                     .origin = what->path != NULL ? what->path : "query",
                                     .state = state};
        st = state == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory")
                           : sink->take(sink->arg, &block, err);
        json_decref(state);
    }
    tm__bad_values_done(&bad);
    tm__table_unref(table);
    return st;
}

static tm_status sql_check(const json_t *spec, bool has_key, tm_err *err) {
    (void)has_key;
    return check_once("sql", spec, err);
}

static tm_status sql_read(tm_ctx *ctx, const tm_feed_input *in, const tm_feed_sink *sink,
                          tm_err *err) {
    const tm_source_spec what = {.sql = tm__json_text(in->spec, "sql", ""),
                                 .temp_dir = in->temp_dir};
    return read_once(ctx, in, &what, sink, err);
}

static const tm_feed feeds[] = {
    {"files", tm__feed_files_check, tm__feed_files_read, false},
    {"watch", tm__feed_watch_check, tm__feed_files_read, false},
    {"sql", sql_check, sql_read, false},
    {"postgres", tm__feed_postgres_check, tm__feed_postgres_read, false},
    {"sqlite", tm__feed_sqlite_check, tm__feed_sqlite_read, false},
    {"odbc", tm__feed_odbc_check, tm__feed_odbc_read, false},
    {"s3", tm__feed_s3_check, tm__feed_s3_read, false},
    {"kafka", tm__feed_kafka_check, tm__feed_kafka_read, true},
    {"reader", tm__feed_reader_check, tm__feed_reader_read, false},
};

char *tm__feed_path(const json_t *spec, const char *path) {
    const char *const dir = tm__json_text(spec, "dir", NULL);
    return path[0] == '/' || dir == NULL ? tm__mem_strdup(path) : tm__fs_join(dir, path);
}

const tm_feed *tm__feed_find(const char *name) {
    for (size_t i = 0; i < sizeof(feeds) / sizeof(feeds[0]); i++) {
        if (strcmp(feeds[i].name, name) == 0) {
            return &feeds[i];
        }
    }
    return NULL;
}

/* ---- What became of a try ---- */

/* Who is in the way now may be gone at the next try: another program held the tables. */
static bool can_retry(tm_status status) {
    return status == TM_E_UNAVAILABLE || status == TM_E_NOMEM || status == TM_E_CANCELLED ||
           status == TM_E_CONFLICT;
}

json_t *tm__failure_json(const tm_err *failure) {
    const int64_t now_us = tm__now_us();
    json_t *error = json_pack("{s:s, s:s, s:o}", "status", tm_status_text(failure->status),
                              "message", failure->message, "at", tm__json_time(now_us));
    if (failure->hint[0] != '\0') {
        json_object_set_new(error, "hint", json_string(failure->hint));
    }
    if (failure->data_path[0] != '\0') {
        json_object_set_new(error, "file", json_string(failure->data_path));
    }
    if (failure->data_row > 0) {
        json_object_set_new(error, "row", json_integer((json_int_t)failure->data_row));
    }
    if (failure->data_col > 0) {
        json_object_set_new(error, "column", json_integer(failure->data_col));
    }
    return error == NULL ? json_null() : error;
}

static tm_status outcome_locked(tm_db *db, const tm_source_row *source, const tm_err *failure,
                                tm_err *err) {
    const int64_t now_us = tm__now_us();
    const int64_t every_us = tm__json_i64(source->spec, "every_s", 0) * 1000000;
    const bool is_good = failure == NULL;
    const bool is_paused = strcmp(source->status, "paused") == 0;
    const bool again = is_good || can_retry(failure->status);
    json_t *error = is_good ? json_null() : tm__failure_json(failure);
    tm_intake_outcome outcome = {
        .status = is_paused ? "paused" /* meanwhile */
                  : is_good ? "ready"
                  : again   ? "retrying"
                            : "stopped",
        .error = error,
        .tried_us = now_us,
        .pulled_us = is_good ? now_us : source->pulled_us,
        .next_us = !again || is_paused ? 0
                   : !is_good
                       ? now_us + tm__backoff_us(source->n_failures, RETRY_US_MIN, RETRY_US_MAX)
                   : every_us > 0 ? now_us + every_us
                                  : 0,
        .n_failures = is_good ? 0 : source->n_failures + 1,
    };
    const tm_status st = tm__intake_db_set_outcome_locked(db, source->id, &outcome, err);
    json_decref(error);
    return st;
}

tm_status tm__feed_record_unsaid(const tm_home *home, const char *name, int64_t begun_us,
                                 const tm_err *failure, tm_err *err) {
    tm_db *db = NULL;
    tm_source_row source = {0};
    TM_TRY(tm__intake_db_open_there(home, true, &db, err));
    tm_status st = tm__db_begin(db, err);
    if (st == TM_OK) {
        st = tm__intake_db_source(db, name, &source, err);
        /* A source that a change stopped says so already, with what resume needs to know. */
        const bool is_said = failure != NULL && failure->status == TM_E_CONFLICT &&
                             (json_object_get(source.error, "kind") != NULL ||
                              (tm__home_shares_intake(home) && /* another home said so */
                               strcmp(source.status, "stopped") == 0));
        const bool is_known = is_said || source.tried_us >= begun_us;
        st = st == TM_OK && !is_known ? outcome_locked(db, &source, failure, err) : st;
        st = tm__db_end(db, st, err);
    }
    tm__source_row_done(&source);
    tm__db_close(db);
    return st;
}

tm_status tm__feed_record(const tm_home *home, const char *name, const tm_err *failure,
                          tm_err *err) {
    return tm__feed_record_unsaid(home, name, INT64_MAX, failure, err);
}

/* ---- One reading ---- */

typedef struct reading {
    const tm_home *home;
    const char *name;
    tm_intake_pull *pull;
    tm_feed_pull *out;
} reading;

/* A stream has no end at which to say that all is well. */
static tm_status caught_up(void *arg, tm_err *err) {
    const reading *r = arg;
    TM_TRY(tm__intake_pull_goes_on(r->pull, err));
    return tm__feed_record(r->home, r->name, NULL, err);
}

static tm_status take(void *arg, const tm_feed_block *block, tm_err *err) {
    const reading *r = arg;
    tm_push_result result = {0};
    TM_TRY(tm__intake_pull_take(r->pull, block, &result, err));
    r->out->accepted += result.accepted;
    r->out->duplicates += result.duplicates;
    r->out->quarantined += result.quarantined;
    r->out->dropped += result.dropped;
    r->out->blocks++;
    return TM_OK;
}

static void left(void *arg, uint32_t n_files) {
    const reading *r = arg;
    r->out->n_left = n_files;
}

static tm_status read_with(tm_ctx *ctx, const tm_home *home, tm_intake_pull *pull, bool follow,
                           tm_feed_pull *out, tm_err *err) {
    const tm_source_row *source = tm__intake_pull_source(pull);
    const tm_feed *feed = tm__feed_find(source->feed);
    if (feed == NULL) {
        return TM_FAIL(err, TM_E_USAGE, "this program knows no feed '%s'", source->feed);
    }
    if (follow && !feed->is_stream) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "a source of '%s' is no stream", source->feed);
        tm_err_hint(err, "Leave out --follow.");
        return st;
    }
    reading r = {home, source->name, pull, out};
    const tm_feed_input in = {.name = source->name,
                              .spec = source->spec,
                              .state = source->state,
                              .schema = tm__intake_pull_schema(pull),
                              .follows = follow,
                              .created_us = source->created_us,
                              .has_key = json_array_size(source->keys) > 0,
                              .find_mark = tm__intake_pull_mark,
                              .arg = pull,
                              .home = tm__home_path(home),
                              .common = tm__home_intake_dir(home),
                              .temp_dir = tm__home_temp(home),
                              .share = tm__intake_pull_share(pull)};
    const tm_feed_sink sink = {.take = take, .caught_up = caught_up, .left = left, .arg = &r};
    return feed->read(ctx, &in, &sink, err);
}

tm_status tm__feed_pull(tm_ctx *ctx, const tm_home *home, const char *name, bool follow,
                        tm_feed_pull *out, tm_err *err) {
    tm_intake_pull *pull = NULL;
    tm_err failure = {0};
    *out = (tm_feed_pull){0};
    TM_TRY(tm__intake_pull_open(ctx, home, name, &pull, err));
    tm_status st = tm__intake_pull_divide(pull, follow, &failure);
    st = st == TM_OK ? read_with(ctx, home, pull, follow, out, &failure) : st;
    const tm_status recorded = tm__feed_record(home, name, st == TM_OK ? NULL : &failure, err);
    tm__intake_pull_close(pull);
    if (st != TM_OK && err != NULL) {
        *err = failure;
    }
    return st != TM_OK ? st : recorded;
}

/* Whether the row at hand (name, feed, spec, keys) is one of them. */
static tm_status is_wanted(const tm_home *home, tm_stmt *stmt, tm_due what, bool *out,
                           tm_err *err) {
    json_t *spec = NULL, *keys = NULL;
    const char *const name = tm__stmt_text(stmt, 1);
    const tm_feed *const feed = tm__feed_find(name);
    *out = feed != NULL && feed->is_stream == (what != TM_DUE_ENDING);
    if (!*out || what != TM_DUE_SHARED) {
        return TM_OK;
    }
    const tm_str texts[2] = {tm__stmt_blob(stmt, 2), tm__stmt_blob(stmt, 3)};
    tm_status st = tm__json_parse(texts[0].ptr, texts[0].len, TM_MAX_JSON_DEPTH, &spec, err);
    st = st == TM_OK ? tm__json_parse(texts[1].ptr, texts[1].len, TM_MAX_JSON_DEPTH, &keys, err)
                     : st;
    *out = st == TM_OK && tm__share_is_for(home, name, spec, keys);
    json_decref(spec);
    json_decref(keys);
    return st;
}

tm_status tm__feed_due(const tm_home *home, tm_due what, tm_db **kept, json_t **out, tm_err *err) {
    tm_db *db = kept == NULL ? NULL : *kept;
    tm_stmt *stmt = NULL;
    json_t *names = json_array();
    tm_status st = TM_OK;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        *out = names;
        return TM_OK;
    }
    st = db != NULL ? TM_OK : tm__intake_db_open_there(home, false, &db, err);
    if (st == TM_OK) {
        st = tm__stmt_init(db,
                           "SELECT name, feed, spec, keys FROM sources WHERE next_us > 0"
                           " AND (next_us <= ?1 OR tried_us > ?2) ORDER BY next_us, id",
                           &stmt, err);
    }
    if (st == TM_OK) {
        tm__stmt_bind_i64(stmt, 1, tm__now_us());
        tm__stmt_bind_i64(stmt, 2, tm__now_us() + TM_CLOCK_AHEAD_US);
    }
    while (tm__stmt_next(stmt, &st, err)) {
        bool is_one = false;
        st = is_wanted(home, stmt, what, &is_one, err);
        if (is_one) {
            json_array_append_new(names, json_string(tm__stmt_text(stmt, 0)));
        }
    }
    tm__stmt_done(stmt);
    if (kept != NULL) {
        *kept = st == TM_OK && tm__home_shares_intake(home) ? db : NULL;
    }
    tm__db_close(kept != NULL && *kept != NULL ? NULL : db);
    return tm__json_give(st, names, out, err);
}
