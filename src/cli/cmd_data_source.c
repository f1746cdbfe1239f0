/* SPDX-License-Identifier: Apache-2.0 */
/* Sources: `data add`, `set`, `pause`, `resume`, `pull`, `snapshot` and `compact`. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/audit_note.h"
#include "cli/cli.h"
#include "cli/model_args.h"
#include "cli/source_add.h"
#include "cli/train_words.h"
#include "source/declare.h"
#include "source/expect.h"
#include "source/feed.h"
#include "source/intake.h"
#include "source/intake_blank.h"
#include "source/intake_erase.h"
#include "source/intake_retain.h"
#include "source/source.h"

static const char *count_text(const json_t *source, const char *name, char out[32]) {
    return tm__count_text(tm__json_i64(source, name, 0), out);
}

/* ---- Policies ---- */

static tm_status read_rules(tm_cli *cli, json_t *spec, tm_err *err) {
    uint32_t n = 0;
    const char *const *given = tm__cli_list(cli, "expect", &n);
    json_t *rules = json_object();
    tm_status st = TM_OK;
    for (uint32_t i = 0; i < n && st == TM_OK; i++) {
        st = tm__expect_parse(given[i], rules, err);
    }
    if (st == TM_OK && n > 0) {
        json_object_set(spec, "expect", rules);
    }
    json_decref(rules);
    return st;
}

static tm_status read_policy(tm_cli *cli, json_t *spec, tm_err *err) {
    uint32_t n = 0;
    const char *const *given = tm__cli_list(cli, "policy", &n);
    json_t *policy = json_object();
    tm_status st = TM_OK;
    for (uint32_t i = 0; i < n && st == TM_OK; i++) {
        const char *equals = strchr(given[i], '=');
        char kind[64] = "";
        if (equals == NULL ||
            !tm__str_copy(kind, sizeof(kind), (tm_str){given[i], (size_t)(equals - given[i])})) {
            st = TM_FAIL(err, TM_E_USAGE, "'%s' is no policy", given[i]);
            tm_err_hint(err, "Write KIND=POLICY, as new_column=stop.");
        } else {
            json_object_set_new(policy, kind, json_string(equals + 1));
        }
    }
    if (st == TM_OK && n > 0) {
        json_object_set(spec, "policy", policy);
    }
    st = st == TM_OK ? read_rules(cli, spec, err) : st;
    st = st == TM_OK ? tm__json_check(err) : st; /* what is missing would be checked as absent */
    if (tm__cli_has(cli, "target")) {
        json_object_set_new(spec, "target", json_string(tm__cli_text(cli, "target")));
    }
    json_decref(policy);
    return st;
}

/* ---- add ---- */

/* Options that say where rows come from: the name of each is the feed's. */
static const char *const feed_options[] = {"files", "watch", "sql",   "postgres", "sqlite",
                                           "odbc",  "s3",    "kafka", "reader"};
#define N_FEED_OPTIONS (sizeof(feed_options) / sizeof(feed_options[0]))

/* Words of databases, which the feeds check. */
static tm_status read_query_options(tm_cli *cli, json_t *spec, tm_err *err) {
    static const char *const words[] = {"query", "cursor"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (tm__cli_has(cli, words[i])) {
            json_object_set_new(spec, words[i], json_string(tm__cli_text(cli, words[i])));
        }
    }
    if (tm__cli_has(cli, "settle")) {
        const int64_t s = tm__cli_duration_us(cli, "settle") / 1000000;
        if (s < 1) {
            return TM_FAIL(err, TM_E_USAGE, "--settle is at least 1s");
        }
        json_object_set_new(spec, "settle_s", json_integer((json_int_t)s));
    }
    const bool is_database = json_object_get(spec, "postgres") != NULL ||
                             json_object_get(spec, "sqlite") != NULL ||
                             json_object_get(spec, "odbc") != NULL;
    if (!is_database &&
        (tm__cli_has(cli, "query") || tm__cli_has(cli, "cursor") || tm__cli_has(cli, "settle"))) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE,
                                     "--query, --cursor and --settle are for "
                                     "databases");
        tm_err_hint(
            err,
            "Give --postgres or --odbc DSN_FILE, or --sqlite FILE; files are queried by --sql.");
        return st;
    }
    return TM_OK;
}

/* The file of credentials is found again from any folder. */
static tm_status read_bucket_options(tm_cli *cli, json_t *spec, tm_err *err) {
    const char *const file = tm__cli_text(cli, "credentials");
    char *path = NULL;
    if (json_object_get(spec, "s3") == NULL) {
        return file == NULL && !tm__cli_has(cli, "cache")
                   ? TM_OK
                   : TM_FAIL(err, TM_E_USAGE, "--credentials and --cache are for --s3");
    }
    if (tm__cli_has(cli, "cache")) {
        uint64_t bytes = 0;
        TM_TRY(tm__cli_size(cli, "cache", &bytes, err));
        json_object_set_new(spec, "cache_bytes", json_integer((json_int_t)bytes));
    }
    if (file != NULL) {
        TM_TRY(tm__fs_real_path(file, &path, err));
        json_object_set_new(spec, "credentials", json_string(path));
        tm__mem_free(path);
    }
    return TM_OK;
}

/* Event times of streams; whether any is given. */
static bool read_event_time(tm_cli *cli, json_t *spec) {
    static const char *const times[][2] = {{"lateness", "lateness_s"}, {"idle", "idle_s"}};
    bool is_given = tm__cli_has(cli, "event-time");
    if (is_given) {
        json_object_set_new(spec, "event_time", json_string(tm__cli_text(cli, "event-time")));
    }
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        if (tm__cli_has(cli, times[i][0])) {
            const int64_t s = tm__cli_duration_us(cli, times[i][0]) / 1000000;
            json_object_set_new(spec, times[i][1], json_integer((json_int_t)s));
            is_given = true;
        }
    }
    return is_given;
}

/* Words of streams, which the feed checks. */
static tm_status read_stream_options(tm_cli *cli, json_t *spec, tm_err *err) {
    static const char *const words[] = {"topic", "group", "from", "late"};
    const bool is_stream = json_object_get(spec, "kafka") != NULL;
    bool has_words = read_event_time(cli, spec) || tm__cli_has(cli, "fields");
    uint32_t n = 0;
    const char *const *names = tm__cli_list(cli, "fields", &n);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (tm__cli_has(cli, words[i])) {
            has_words = true;
            json_object_set_new(spec, words[i], json_string(tm__cli_text(cli, words[i])));
        }
    }
    if (has_words && !is_stream) {
        return TM_FAIL(err, TM_E_USAGE,
                       "--topic, --group, --from, --fields and event times are for "
                       "--kafka");
    }
    if (n > 0) {
        json_t *fields = json_array();
        for (uint32_t i = 0; i < n; i++) {
            json_array_append_new(fields, json_string(names[i]));
        }
        json_object_set_new(spec, "fields", fields);
    }
    return TM_OK;
}

/* Words of a module's source, which it checks. */
static tm_status read_reader_options(tm_cli *cli, json_t *spec, tm_err *err) {
    uint32_t n = 0;
    const char *const *given = tm__cli_list(cli, "option", &n);
    if (json_object_get(spec, "reader") == NULL) {
        return n == 0 ? TM_OK : TM_FAIL(err, TM_E_USAGE, "--option is for --reader");
    }
    json_t *options = json_object();
    for (uint32_t i = 0; i < n; i++) {
        tm_str value = tm__str(given[i]);
        const tm_str name = tm__str_cut(&value, '=');
        if (name.len == 0 || name.len == strlen(given[i])) {
            json_decref(options);
            (void)TM_FAIL(err, TM_E_USAGE, "'%s' is no option", given[i]);
            tm_err_hint(err, "Write NAME=VALUE, as path=access.log.");
            return TM_E_USAGE;
        }
        json_object_setn_new(options, name.ptr, name.len, json_stringn(value.ptr, value.len));
    }
    json_object_set_new(spec, "options", options);
    return TM_OK;
}

/* What a feed is told beside what it reads: where relative paths start, and how often to look. */
static tm_status read_feed_options(tm_cli *cli, const tm_intake_add *add, json_t *spec,
                                   tm_err *err) {
    char *dir = NULL;
    const bool is_watch = strcmp(add->feed, "watch") == 0;
    const bool is_stream = strcmp(add->feed, "kafka") == 0;
    const char *const changed = tm__cli_text(cli, "changed");
    if (strcmp(add->feed, "push") == 0) {
        if (!tm__cli_has(cli, "every") && changed == NULL) {
            return TM_OK;
        }
        return TM_FAIL(err, TM_E_USAGE, "--every and --changed are for what is read, not pushed");
    }
    if (tm__cli_has(cli, "every") || is_watch || is_stream) {
        const int64_t s = tm__cli_has(cli, "every") ? tm__cli_duration_us(cli, "every") / 1000000
                          : is_stream               ? TM_STREAM_EVERY_S
                                                    : TM_WATCH_EVERY_S;
        if (s < 1) {
            return TM_FAIL(err, TM_E_USAGE, "--every is at least 1s");
        }
        json_object_set_new(spec, "every_s", json_integer((json_int_t)s));
    }
    if (changed != NULL) {
        json_object_set_new(spec, "changed", json_string(changed));
    }
    TM_TRY(tm__fs_real_path(".", &dir, err));
    json_object_set_new(spec, "dir", json_string(dir));
    tm__mem_free(dir);
    return TM_OK;
}

static tm_status read_add(tm_cli *cli, tm_intake_add *add, json_t *spec, tm_err *err) {
    const bool is_push = tm__cli_flag(cli, "push");
    uint32_t n_given = is_push ? 1 : 0;
    *add = (tm_intake_add){.name = tm__cli_arg(cli, "NAME"), .feed = "push", .spec = spec};
    for (size_t i = 0; i < N_FEED_OPTIONS; i++) {
        const char *text = tm__cli_text(cli, feed_options[i]);
        if (text != NULL) {
            n_given++;
            add->feed = feed_options[i];
            json_object_set_new(spec, feed_options[i], json_string(text));
        }
    }
    if (n_given != 1) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE,
                    "a source is one of pushes, files, a query, a database, a bucket and a topic");
        tm_err_hint(err, "Give one of --push, --files GLOB, --watch DIR, --sql QUERY, --postgres "
                         "DSN_FILE, --s3 URL and --kafka FILE.");
        return st;
    }
    if (tm__cli_has(cli, "like") && !is_push) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--like is for pushes");
        tm_err_hint(err, "Files and queries bring their columns.");
        return st;
    }
    if (tm__cli_flag(cli, "no-header")) {
        json_object_set_new(spec, "no_header", json_true());
    }
    TM_TRY(read_query_options(cli, spec, err));
    TM_TRY(read_bucket_options(cli, spec, err));
    TM_TRY(read_stream_options(cli, spec, err));
    TM_TRY(read_reader_options(cli, spec, err));
    add->keys = tm__cli_list(cli, "key", &add->n_keys);
    TM_TRY(read_policy(cli, spec, err));
    TM_TRY(tm__policy_check(json_object_get(spec, "policy"), json_object_get(spec, "expect"), err));
    TM_TRY(tm__expect_check(json_object_get(spec, "expect"), NULL, err));
    TM_TRY(read_feed_options(cli, add, spec, err));
    TM_TRY(tm__json_check(err));
    return tm__source_check(add, err);
}

static tm_status read_like(tm_cli *cli, tm_ctx *ctx, tm_intake_add *add, tm_err *err) {
    const char *like = tm__cli_text(cli, "like");
    const tm_source_spec spec = {.path = like, .no_header = tm__cli_flag(cli, "no-header")};
    return like == NULL ? TM_OK : tm__source_read(ctx, &spec, &add->like, err);
}

tm_status cmd_data_add(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_place place = {0};
    tm_intake_add add = {0};
    json_t *source = NULL, *spec = json_object();
    tm_status st = read_add(cli, &add, spec, err);
    if (st == TM_OK) {
        st = tm__cli_ctx_init(cli, 0, &ctx, err);
    }
    if (st == TM_OK) {
        st = tm__place_open(cli, true, &place, err);
    }
    if (st == TM_OK) {
        st = read_like(cli, &ctx, &add, err);
    }
    if (st == TM_OK) {
        st = tm__source_add_and_pull(&ctx, place.home, &add, err);
    }
    if (st == TM_OK) {
        tm__cli_did(cli, "source '%s' is added", add.name);
        st = tm__intake_show(place.home, add.name, &source, err);
    }
    if (st == TM_OK) {
        const tm_cli_deed deed = {.event = "source.added",
                                  .kind = "source",
                                  .name = add.name,
                                  .details =
                                      json_pack("{s:s, s:I}", "feed", add.feed, "rows",
                                                (json_int_t)tm__json_i64(source, "rows", 0))};
        st = tm__cli_audit(place.home, &deed, err);
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.data.add/1", source);
    } else if (st == TM_OK) {
        char rows[32];
        tm__cli_print(cli, "source '%s' is added: %s rows, %u columns\n", add.name,
                      count_text(source, "rows", rows),
                      (unsigned)json_array_size(json_object_get(source, "columns")));
        if (tm__json_i64(source, "quarantined", 0) > 0) {
            const bool is_one = tm__json_i64(source, "quarantined", 0) == 1;
            tm__cli_print(cli, "%s row%s in quarantine: tidemill data quarantine %s\n",
                          count_text(source, "quarantined", rows), is_one ? " is" : "s are",
                          add.name);
        }
        if (strcmp(add.feed, "push") == 0) {
            tm__cli_print(cli, "push rows to POST /v1/sources/%s/rows of 'tidemill serve'\n",
                          add.name);
        }
    }
    json_decref(source);
    json_decref(spec);
    tm__table_unref(add.like);
    tm__place_close(&place);
    tm__cli_ctx_done(&ctx);
    return st;
}

/* ---- set, pause and resume ---- */

/* How much a source may hold, and for how long. */
static tm_status read_limits(tm_cli *cli, json_t *members, tm_err *err) {
    static const struct {
        const char *option, *member;
    } sizes[] = {{"quarantine-bytes", "quarantine_bytes"}, {"max-bytes", "max_bytes"}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint64_t bytes = 0;
        const char *text = tm__cli_text(cli, sizes[i].option);
        if (text != NULL && strcmp(text, "none") == 0) {
            json_object_set_new(members, sizes[i].member, json_null());
        } else if (text != NULL) {
            TM_TRY(tm__cli_size(cli, sizes[i].option, &bytes, err));
            json_object_set_new(members, sizes[i].member, json_integer((json_int_t)bytes));
        }
    }
    const char *retention = tm__cli_text(cli, "retention");
    char hint[64];
    int64_t us = 0;
    if (retention != NULL && strcmp(retention, "forever") == 0) {
        json_object_set_new(members, "retention_s", json_null());
    } else if (retention != NULL && tm__str_to_duration_us(tm__str(retention), &us) &&
               us >= 1000000) {
        json_object_set_new(members, "retention_s", json_integer((json_int_t)(us / 1000000)));
    } else if (retention != NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "option '--retention' takes a time, not '%.40s'", retention);
        tm_err_hint(err, "%s",
                    tm__duration_hint(tm__str(retention),
                                      "Write a time as 24h or 365d, or 'forever'.", hint));
        return st;
    }
    if (tm__cli_has(cli, "quarantine-rows")) {
        json_object_set_new(members, "quarantine_rows",
                            json_integer(tm__cli_i64(cli, "quarantine-rows")));
    }
    return TM_OK;
}

tm_status cmd_data_set(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *members = json_object(), *source = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    tm_status st = read_policy(cli, members, err);
    if (tm__cli_has(cli, "changed")) {
        json_object_set_new(members, "changed", json_string(tm__cli_text(cli, "changed")));
    }
    st = st == TM_OK ? read_limits(cli, members, err) : st;
    if (st == TM_OK && json_object_size(members) == 0) {
        st = TM_FAIL(err, TM_E_USAGE, "nothing is to be set");
        tm_err_hint(err, "'tidemill help data set' lists what can be.");
    }
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK) {
        st = tm__intake_set(home, name, members, err);
    }
    if (st == TM_OK) {
        const tm_cli_deed deed = {
            .event = "source.set", .kind = "source", .name = name, .details = json_incref(members)};
        tm__cli_did(cli, "source '%s' is set", name);
        st = tm__cli_audit(home, &deed, err);
        st = st == TM_OK ? tm__intake_show(home, name, &source, err) : st;
    }
    if (st == TM_OK && cli->json) {
        tm__cli_print_object(cli, "tidemill.data.set/1", source);
    } else if (st == TM_OK) {
        tm__cli_print(cli, "source '%s' is set\n", name);
    }
    json_decref(source);
    json_decref(members);
    tm__home_close(home);
    return st;
}

/* Pause or resume a source, and say how it is then. */
static tm_status change_status(tm_cli *cli, const char *schema, const char *done, const char *event,
                               tm_status (*how)(const tm_home *home, const char *name, tm_err *err),
                               tm_err *err) {
    tm_home *home = NULL;
    json_t *source = NULL;
    const char *name = tm__cli_arg(cli, "NAME");
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = how(home, name, err);
    if (st == TM_OK) {
        const tm_cli_deed deed = {.event = event, .kind = "source", .name = name};
        tm__cli_did(cli, "source '%s' %s", name, done);
        st = tm__cli_audit(home, &deed, err);
        st = st == TM_OK ? tm__intake_show(home, name, &source, err) : st;
    }
    tm__home_close(home);
    TM_TRY(st);
    if (cli->json) {
        json_t *result = json_pack("{s:s, s:s, s:s}", "schema", schema, "source", name, "status",
                                   tm__json_text(source, "status", ""));
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        tm__cli_print(cli, "source '%s' %s\n", name, done);
    }
    json_decref(source);
    return TM_OK;
}

tm_status cmd_data_resume(tm_cli *cli, tm_err *err) {
    return change_status(cli, "tidemill.data.resume/1", "goes on", "source.resumed",
                         tm__intake_resume, err);
}

tm_status cmd_data_pause(tm_cli *cli, tm_err *err) {
    return change_status(cli, "tidemill.data.pause/1", "is paused", "source.paused",
                         tm__intake_pause, err);
}

/* ---- pull ---- */

tm_status cmd_data_pull(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    tm_feed_pull pulled = {0};
    const char *name = tm__cli_arg(cli, "NAME");
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK) {
        st = tm__feed_pull(&ctx, home, name, tm__cli_flag(cli, "follow"), &pulled, err);
    }
    if (st == TM_OK && pulled.accepted > 0) {
        const tm_cli_deed deed = {.event = "source.pulled",
                                  .kind = "source",
                                  .name = name,
                                  .details =
                                      json_pack("{s:I}", "rows", (json_int_t)pulled.accepted)};
        tm__cli_did(cli, "%llu rows are taken", (unsigned long long)pulled.accepted);
        st = tm__cli_audit(home, &deed, err);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "schema", "tidemill.data.pull/1", "source", name,
            "accepted", (json_int_t)pulled.accepted, "duplicates", (json_int_t)pulled.duplicates,
            "quarantined", (json_int_t)pulled.quarantined, "dropped", (json_int_t)pulled.dropped,
            "files_left", (json_int_t)pulled.n_left);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else if (st == TM_OK) {
        char accepted[32], duplicates[32], quarantined[32];
        tm__cli_print(cli, "%s rows, %s duplicates, %s quarantined\n",
                      tm__count_text((int64_t)pulled.accepted, accepted),
                      tm__count_text((int64_t)pulled.duplicates, duplicates),
                      tm__count_text((int64_t)pulled.quarantined, quarantined));
        if (pulled.n_left > 0) {
            tm__cli_note(
                cli,
                "%u new file%s not read yet: a file is complete when it is not "
                "empty, nobody has it open, and it stood still for two seconds; pull again "
                "then",
                pulled.n_left, pulled.n_left == 1 ? " is" : "s are");
        }
        if (pulled.dropped > 0) {
            tm__cli_warn(cli, "%llu bad rows were dropped: the quarantine of '%s' is full",
                         (unsigned long long)pulled.dropped, name);
        }
    }
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}

/* ---- snapshot and compact ---- */

tm_status cmd_data_snapshot(tm_cli *cli, tm_err *err) {
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    tm_table *table = NULL;
    tm_hash hash = {0};
    int64_t until_us = INT64_MAX;
    const char *name = tm__cli_arg(cli, "NAME");
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK) {
        st = tm__cli_when(cli, "as-of", &until_us, err);
    }
    if (st == TM_OK) {
        st = tm__intake_table_at(&ctx, home, name, until_us, &table, err);
    }
    if (st == TM_OK) {
        st = tm__snapshot_save(&ctx, tm__home_snapshots(home), table, &hash, err);
    }
    if (st == TM_OK) {
        char text[TM_HASH_TEXT];
        tm__hash_to_text(&hash, text);
        const uint64_t n = tm__table_rows(table);
        if (cli->json) {
            json_t *result =
                json_pack("{s:s, s:s, s:s, s:I, s:o}", "schema", "tidemill.data.snapshot/1",
                          "source", name, "snapshot", text, "rows", (json_int_t)n, "path",
                          json_sprintf("%s/%s.parquet", tm__home_snapshots(home), text));
            tm__cli_print_json(cli, result);
            json_decref(result);
        } else {
            tm__cli_print(cli, "%s/%s.parquet\n", tm__home_snapshots(home), text);
        }
    }
    tm__table_unref(table);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}

/* What the upkeep did to one source. */
typedef struct kept {
    uint64_t n_rows; /* that became segments */
    tm_removable gone;
    tm_blanked blanked;
} kept;

static tm_status note_compacted(const tm_home *home, const char *name, const kept *k, tm_err *err) {
    if (k->n_rows + k->gone.n_rows + k->blanked.n_rows + k->blanked.n_quarantined == 0) {
        return TM_OK;
    }
    json_t *details = json_pack("{s:I, s:I}", "rows", (json_int_t)k->n_rows, "removed",
                                (json_int_t)k->gone.n_rows);
    if (k->blanked.n_rows > 0) {
        json_object_set_new(details, "blanked", json_integer((json_int_t)k->blanked.n_rows));
    }
    if (k->blanked.n_quarantined > 0) {
        json_object_set_new(details, "quarantined_removed",
                            json_integer((json_int_t)k->blanked.n_quarantined));
    }
    const tm_cli_deed deed = {
        .event = "source.compacted", .kind = "source", .name = name, .details = details};
    return tm__cli_audit(home, &deed, err);
}

/* Rows and values that are older than they are kept; no page of the database has them then. */
static tm_status expire_one(tm_cli *cli, tm_ctx *ctx, const tm_home *home, const char *name,
                            kept *k, tm_err *err) {
    char rows[32];
    TM_TRY(tm__intake_expire(home, name, &k->gone, err));
    if (k->gone.n_rows > 0) {
        tm__cli_did(cli, "%s old rows of '%s' are removed",
                    tm__count_text((int64_t)k->gone.n_rows, rows), name);
        tm__cli_print(cli, "%s: %llu rows are older than its retention and removed\n", name,
                      (unsigned long long)k->gone.n_rows);
    }
    TM_TRY(tm__intake_blank(ctx, home, name, &k->blanked, err));
    if (k->blanked.n_rows > 0) {
        tm__cli_did(cli, "old values of '%s' are removed", name);
        tm__cli_print(cli, "%s: columns of %llu rows are older than they are kept and blank\n",
                      name, (unsigned long long)k->blanked.n_rows);
    }
    if (k->blanked.n_quarantined > 0) {
        tm__cli_print(cli, "%s: %llu rows in quarantine are older than is kept and removed\n", name,
                      (unsigned long long)k->blanked.n_quarantined);
    }
    return k->gone.n_rows + k->blanked.n_rows + k->blanked.n_quarantined > 0
               ? tm__intake_vacuum(home, err)
               : TM_OK;
}

static void say_held(tm_cli *cli, const char *name, uint64_t n, const char *sink) {
    if (n > 0) {
        tm__cli_note(cli, "%llu old segments of '%s' are kept until sink '%s' has read them",
                     (unsigned long long)n, name, sink);
    }
}

static tm_status compact_one(tm_cli *cli, tm_ctx *ctx, const tm_home *home, const char *name,
                             json_t *done, tm_err *err) {
    const uint64_t n_min = (uint64_t)tm__cli_i64(cli, "min-rows");
    kept k = {0};
    TM_TRY(tm__intake_compact(ctx, home, name, n_min, &k.n_rows, err));
    if (k.n_rows > 0) {
        tm__cli_did(cli, "%llu rows of '%s' are in segments", (unsigned long long)k.n_rows, name);
    }
    tm__cli_print(cli, "%s: %llu rows\n", name, (unsigned long long)k.n_rows);
    TM_TRY(expire_one(cli, ctx, home, name, &k, err));
    TM_TRY(note_compacted(home, name, &k, err));
    say_held(cli, name, k.gone.n_held, k.gone.held_by);
    say_held(cli, name, k.blanked.n_held, k.blanked.held_by);
    json_array_append_new(
        done, json_pack("{s:s, s:I, s:I, s:I, s:I}", "source", name, "rows", (json_int_t)k.n_rows,
                        "removed", (json_int_t)k.gone.n_rows, "held_segments",
                        (json_int_t)k.gone.n_held, "blanked", (json_int_t)k.blanked.n_rows));
    return TM_OK;
}

static tm_status compact_all(tm_cli *cli, tm_ctx *ctx, const tm_home *home, json_t *done,
                             tm_err *err) {
    const char *name = tm__cli_arg(cli, "NAME");
    json_t *list = NULL;
    size_t i = 0;
    const json_t *source = NULL;
    TM_TRY(tm__intake_list(home, &list, err));
    if (name != NULL) {
        json_array_clear(list);
        json_array_append_new(list, json_pack("{s:s}", "source", name));
    }
    tm_status st = TM_OK;
    json_array_foreach(list, i, source) {
        st = st == TM_OK
                 ? compact_one(cli, ctx, home, tm__json_text(source, "source", ""), done, err)
                 : st;
    }
    json_decref(list);
    return st;
}

tm_status cmd_data_compact(tm_cli *cli, tm_err *err) {
    static const tm_intake_collect old = {.age_us = TM_INTAKE_COLLECT_US, .removes = true};
    tm_ctx ctx = {0};
    tm_home *home = NULL;
    tm_intake_rest rest = {0};
    json_t *done = json_array();
    tm_status st = tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &ctx, err);
    if (st == TM_OK) {
        st = tm__home_open(cli->home, false, &home, err);
    }
    if (st == TM_OK) {
        st = compact_all(cli, &ctx, home, done, err);
    }
    if (st == TM_OK) {
        st = tm__intake_collect(home, &old, &rest, err);
    }
    if (st == TM_OK && rest.n > 0) {
        tm__cli_note(cli, "%llu files that no source needs are removed",
                     (unsigned long long)rest.n);
    }
    if (st == TM_OK && cli->json) {
        json_t *result = json_pack("{s:s, s:O, s:{s:I, s:I}}", "schema", "tidemill.data.compact/1",
                                   "sources", done, "removed", "files", (json_int_t)rest.n, "bytes",
                                   (json_int_t)rest.bytes);
        tm__cli_print_json(cli, result);
        json_decref(result);
    }
    json_decref(done);
    tm__home_close(home);
    tm__cli_ctx_done(&ctx);
    return st;
}
