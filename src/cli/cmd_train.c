/* SPDX-License-Identifier: Apache-2.0 */
/*
 * train: rows -> snapshots -> run -> bundle -> version -> verdict -> report.
 *
 * What the registry will name is on disk before it names it: the snapshot and the bundle are
 * published first, then one transaction makes the version. A failure before that leaves at most
 * files that nothing refers to.
 */
#include <string.h>

#include "base/clock.h"
#include "base/comm.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/board.h"
#include "cli/cli.h"
#include "cli/gate_load.h"
#include "cli/history.h"
#include "cli/model_args.h"
#include "cli/page_priv.h"
#include "cli/publish_parity.h"
#include "cli/report_make.h"
#include "cli/report_page.h"
#include "cli/train_args.h"
#include "cli/train_ranks.h"
#include "cli/train_repeat.h"
#include "cli/train_words.h"
#include "loop/loop.h"
#include "loop/training_told.h"
#include "model/checkpoint.h"
#include "registry/collect.h"
#include "source/intake.h"
#include "source/purpose.h"
#include "source/source.h"
#include "source/sql_privacy.h"
#include "source/sql_sources.h"
#include "train/train.h"

typedef struct training {
    tm_cli *cli;
    tm_ctx ctx;
    tm_place place;
    tm_table *table, *test;
    json_t *source;
    json_t *ranks;        /* what this one sent to others; NULL: there are none */
    json_t *privacy;      /* of the source; NULL: none */
    int64_t as_of_us;     /* of a source; INT64_MAX: now */
    tm_learning learning; /* rows that are read are for it */
    tm_sql_sources sql;   /* the query, with what it reads of sources */
    tm_train_options options;
    tm_train_result result;
    tm_version version;
    tm_bundle *bundle;
    tm_checkpoint *checkpoint;
    tm_version base; /* to go on from */
    tm_bundle *base_bundle;
    json_t *base_recipe;
    json_t *events_from; /* {NAME: where from} */
    tm_train_events events;
    tm_recipe recipe; /* read from base_recipe */
    json_t *optional; /* columns that the model's clients may not know yet */
    uint64_t memory_limit;
    double seconds_load; /* of it: */
    double seconds_read, seconds_hash, seconds_snapshot;
    double seconds_publish;
    tm_hash rows, test_rows; /* what their snapshots are called */
    uint64_t started_ns;
    tm_board board;
    tm_gate_load load;
    char name[TM_MAX_NAME + 1];
} training;

static double seconds_since(uint64_t started_ns) {
    return (double)(tm__mono_ns() - started_ns) * 1e-9;
}

static bool is_first(const training *t) {
    return tm__comm_rank(t->ctx.comm) == 0;
}

static void training_done(training *t) {
    tm__gate_load_close(&t->load);
    tm__bundle_unref(t->bundle);
    tm__version_done(&t->version);
    tm__train_result_done(&t->result);
    tm__table_unref(t->table);
    tm__table_unref(t->test);
    json_decref(t->source);
    json_decref(t->ranks);
    json_decref(t->privacy);
    json_decref(t->learning.left_out);
    tm__sql_sources_done(&t->sql);
    tm__checkpoint_close(t->checkpoint);
    tm__recipe_done(&t->recipe);
    json_decref(t->base_recipe);
    json_decref(t->optional);
    tm__train_events_done(&t->events);
    json_decref(t->events_from);
    tm__bundle_unref(t->base_bundle);
    tm__version_done(&t->base);
    tm__place_close(&t->place);
    tm__cli_ctx_done(&t->ctx);
}

/* Where the rows came from, as it was typed: the folder it was typed in is the registry's to know,
 * so that the same rows and recipe give the same bundle in every folder. */
static tm_status describe_source(training *t, tm_err *err) {
    const char *path = tm__cli_arg(t->cli, "DATA");
    const char *sql = tm__cli_text(t->cli, "sql");
    const char *name = tm__cli_text(t->cli, "source");
    t->source = name != NULL  ? json_pack("{s:s}", "source", name)
                : sql != NULL ? json_pack("{s:s}", "sql", sql)
                              : json_pack("{s:s, s:b}", "path", path, "no_header",
                                          tm__cli_flag(t->cli, "no-header"));
    const bool has_sources = json_object_size(t->sql.snapshots) > 0;
    if (has_sources) {
        json_object_set(t->source, "snapshots", t->sql.snapshots);
    }
    if (t->as_of_us != INT64_MAX && (name != NULL || has_sources)) {
        json_object_set_new(t->source, "as_of", tm__json_time(t->as_of_us));
    }
    return t->source == NULL ? TM_FAIL(err, TM_E_NOMEM, "no memory for the recipe") : TM_OK;
}

/* Options of a training that goes on: the model's recipe, and what is free. */
static tm_status continue_options(training *t, tm_err *err) {
    tm_cli *cli = t->cli;
    uint32_t n_params = 0;
    const char *const *params = tm__cli_list(cli, "param", &n_params);
    const char *split = tm__cli_text(cli, "split");
    TM_TRY(tm__registry_find(t->place.registry, tm__cli_text(cli, "continue"), &t->base, err));
    TM_TRY(tm__registry_bundle(t->place.registry, &t->base, &t->base_bundle, err));
    TM_TRY(tm__train_base_recipe(t->base_bundle, NULL, params, n_params, &t->base_recipe, err));
    TM_TRY(tm__recipe_init(&t->recipe, t->base_recipe, err));
    t->options = t->recipe.options;
    t->options.base = t->base_bundle;
    t->options.work = (uint64_t)tm__cli_i64(cli, "work");
    if (tm__cli_has(cli, "name")) {
        TM_TRY(tm__train_args_name(t->cli, t->name, err));
    } else {
        (void)tm__str_copy(t->name, sizeof(t->name), tm__str(t->base.model));
    }
    t->options.model = t->name;
    return split != NULL ? tm__split_parse(split, &t->options.split, err) : TM_OK;
}

/* Of each source that rows of any kind come from, before one is read. */
static tm_status check_purpose(const training *t, tm_err *err) {
    const char *const purpose = t->options.purpose;
    json_t *events = NULL;
    TM_TRY(tm__cli_events(t->cli, &events, err));
    json_t *from = json_pack(
        "{s:{s:s*}, s:{s:s*}, s:{s:s*}}", "source", "source", tm__cli_text(t->cli, "source"), "sql",
        "sql", tm__cli_text(t->cli, "sql"), "test", "sql", tm__cli_text(t->cli, "test-sql"));
    tm_status st = tm__json_check(err);
    st = st == TM_OK ? tm__purpose_check_all(t->place.home, from, purpose, err) : st;
    st = st == TM_OK ? tm__purpose_check_all(t->place.home, events, purpose, err) : st;
    st = st == TM_OK && json_object_size(events) == 0
             ? tm__purpose_check_all(t->place.home, t->options.events_from, purpose, err)
             : st;
    json_decref(events);
    json_decref(from);
    return st;
}

/* What rows come from: a file, a query or something else. */
typedef struct given {
    const char *path, *sql; /* NULL: none; both: neither is read */
    const tm_schema *schema;
} given;

/* Ranks come together here, whatever each of them reads and however that began. */
static tm_status read_given(training *t, const given *from, tm_status st, tm_table **out,
                            tm_err *err) {
    const tm_source_spec files = {
        .path = from->path, .no_header = tm__cli_flag(t->cli, "no-header"), .schema = from->schema};
    const bool is_file = from->path != NULL && from->sql == NULL;
    bool is_shared = false;
    TM_TRY(tm__source_ranks_meet(&t->ctx, is_file ? &files : NULL, st, &is_shared, err));
    if (is_shared) {
        return tm__source_read_ranks(&t->ctx, &files, out, err);
    }
    return tm__cli_read(t->cli, &t->ctx, from->path, from->sql, from->schema, out, err);
}

/* What comes before rows are read. */
static tm_status open_rows(training *t, tm_err *err) {
    const char *name = tm__cli_text(t->cli, "source");
    const char *path = tm__cli_arg(t->cli, "DATA");
    const char *sql = tm__cli_text(t->cli, "sql");
    TM_TRY(check_purpose(t, err));
    t->as_of_us = INT64_MAX;
    const bool has_late_labels = t->options.label_delay_us > 0 || t->options.n_known > 0;
    TM_TRY(tm__cli_when(t->cli, "as-of", &t->as_of_us, err));
    if (sql != NULL) {
        const tm_sql_ask ask = {.sql = sql, .as_of_us = t->as_of_us, .learning = &t->learning};
        TM_TRY(tm__sql_sources_open(&t->ctx, t->place.home, &ask, &t->sql, err));
    }
    if (t->as_of_us != INT64_MAX && name == NULL && !has_late_labels &&
        json_object_size(t->sql.snapshots) == 0) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "--as-of is for --source");
        tm_err_hint(err,
                    "Files and queries have no past, unless --label-delay or --known says when "
                    "their labels were known.");
        return st;
    }
    t->options.label_cut_us = t->as_of_us != INT64_MAX ? t->as_of_us : 0;
    if (name != NULL && (path != NULL || sql != NULL)) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "both a source and a file or query are named");
        tm_err_hint(err, "Give one of DATA, --sql and --source.");
        return st;
    }
    return name == NULL ? tm__cli_check_source(path, sql, err) : TM_OK;
}

/* The rows to learn from: of a source, a file or a query. */
static tm_status read_rows(training *t, tm_err *err) {
    const char *name = tm__cli_text(t->cli, "source");
    tm_status st = open_rows(t, err);
    const given from = {.path = name == NULL ? tm__cli_arg(t->cli, "DATA") : NULL,
                        .sql = t->sql.sql,
                        .schema =
                            t->base_bundle != NULL ? tm__bundle_schema(t->base_bundle) : NULL};
    if (name == NULL) {
        st = read_given(t, &from, st, &t->table, err);
        tm__sql_sources_place(&t->sql, err);
    } else {
        bool ignored = false;
        st = tm__source_ranks_meet(&t->ctx, NULL, st, &ignored, err);
        st = st == TM_OK ? tm__learning_table(&t->ctx, t->place.home, name, t->as_of_us,
                                              &t->learning, &t->table, err)
                         : st;
    }
    return tm__comm_check(t->ctx.comm, st, err);
}

/* Events of other sources: those given, else those of the model that is gone on from. */
static tm_status read_events(training *t, tm_err *err) {
    TM_TRY(tm__cli_events(t->cli, &t->events_from, err));
    if (json_object_size(t->events_from) > 0) {
        t->options.events_from = t->events_from;
    }
    if (t->options.events_from == NULL) {
        return TM_OK;
    }
    const tm_events_place place = {
        .home = t->place.home, .bundle = t->base_bundle, .learning = &t->learning};
    TM_TRY(tm__train_events_read(&t->ctx, &place, t->options.events_from, &t->events, err));
    if (is_first(t)) {
        TM_TRY(tm__train_events_save(&t->ctx, t->place.home, &t->events, err));
    }
    tm__train_events_use(&t->events, &t->options);
    return TM_OK;
}

/* A query may have looked at what was not known; where that cannot be told, a person must. */
static tm_status check_query(training *t, tm_err *err) {
    tm_err own = {0};
    const tm_query_check check = {
        .sql = t->sql.sql, .table = t->table, .test = t->test, .options = &t->options};
    if (check.sql == NULL) {
        return TM_OK;
    }
    const tm_status st = tm__train_query_check(&t->ctx, &check, &own);
    if (st == TM_E_UNSUPPORTED) {
        tm__cli_warn(t->cli, "whether columns of the query look at the future was not checked: %s",
                     own.message);
        return TM_OK;
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

/* Rows of before and after a column was renamed, in the names that the recipe has now. */
static tm_status rename_tables(training *t, tm_err *err) {
    tm_renames *names = NULL;
    TM_TRY(tm__renames_create(t->options.columns, NULL, &names, err));
    tm_status st = tm__renames_replace(names, &t->table, err);
    st = st == TM_OK ? tm__renames_replace(names, &t->test, err) : st;
    tm__renames_free(names);
    return st;
}

/* A version beside others refuses none of the requests that the champion answers. Rank 0 has the
 * home and finds it; see share_optional(), which tells of columns of the rows alone. */
static tm_status find_optional(training *t, tm_err *err) {
    tm_version champion = {0};
    tm_bundle *bundle = NULL;
    tm_err own = {0};
    if (!is_first(t)) {
        return TM_OK;
    }
    tm_status st = tm__registry_find(t->place.registry, t->name, &champion, &own);
    if (st == TM_E_NOT_FOUND) {
        return TM_OK;
    }
    st = st == TM_OK ? tm__registry_bundle(t->place.registry, &champion, &bundle, &own) : st;
    const tm_train_reads reads = {.rows = t->table,
                                  .features = t->options.features,
                                  .n_features = t->ctx.comm == NULL ? t->options.n_features : 0};
    st = st == TM_OK ? tm__train_optional(bundle, &reads, &t->optional, &own) : st;
    tm__bundle_unref(bundle);
    tm__version_done(&champion);
    if (st == TM_E_NOMEM) {
        return TM_FAIL(err, st, "out of memory");
    }
    if (st != TM_OK) {
        tm__cli_warn(t->cli, "what the champion's clients send is not known: %s", own.message);
    }
    return TM_OK;
}

static tm_status list_optional(training *t, const uint8_t *is_optional, tm_err *err) {
    t->optional = json_array();
    for (uint32_t i = 0; i < tm__table_cols(t->table); i++) {
        if (is_optional[i] != 0) {
            json_array_append_new(t->optional, json_string(tm__table_column(t->table, i)->name));
        }
    }
    return tm__json_check(err);
}

/* To all ranks, which are known to have the same rows by now: all must learn the same. */
static tm_status share_optional(training *t, tm_err *err) {
    const uint32_t n = t->ctx.comm != NULL ? tm__table_cols(t->table) : 0;
    uint8_t *const is_optional = n > 0 ? tm__mem_zalloc(n, sizeof(*is_optional)) : NULL;
    tm_status st = n > 0 && is_optional == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    st = tm__comm_check(t->ctx.comm, st, err);
    if (st == TM_OK && n > 0) {
        size_t i = 0;
        const json_t *name = NULL;
        json_array_foreach(t->optional, i, name) { /* rank 0 has some */
            is_optional[tm__table_find(t->table, json_string_value(name))] = 1;
        }
        tm__comm_spread(t->ctx.comm, is_optional, n);
        st = is_first(t) ? TM_OK : list_optional(t, is_optional, err);
        st = tm__comm_check(t->ctx.comm, st, err);
    }
    tm__mem_free(is_optional);
    t->options.optional = t->optional;
    return st;
}

/* Rank 0 makes the home. The others only read what is in it, and need none for a file. */
static tm_status open_place(training *t, tm_err *err) {
    tm_status st = is_first(t) ? tm__place_open(t->cli, true, &t->place, err) : TM_OK;
    TM_TRY(tm__comm_check(t->ctx.comm, st, err));
    const bool reads_home = tm__cli_has(t->cli, "continue") || tm__cli_has(t->cli, "source") ||
                            tm__cli_has(t->cli, "sql") || tm__cli_has(t->cli, "events");
    if (!is_first(t) && reads_home) {
        st = tm__place_open(t->cli, false, &t->place, err);
    }
    return tm__comm_check(t->ctx.comm, st, err);
}

/* Keep the rows of a table under the name that they have. */
static tm_status keep_rows(training *t, const tm_table *table, const tm_hash *hash, tm_err *err) {
    const char *const dir = is_first(t) ? tm__home_snapshots(t->place.home) : NULL;
    return table == NULL ? TM_OK : tm__snapshot_save_ranks(&t->ctx, dir, table, hash, err);
}

/* What ranks do together once they know that they have the same rows. */
static tm_status keep_tables(training *t, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    TM_TRY(keep_rows(t, t->table, &t->rows, err));
    TM_TRY(keep_rows(t, t->test, &t->test_rows, err));
    t->seconds_snapshot = seconds_since(started);
    t->seconds_load += t->seconds_snapshot;
    return TM_OK;
}

static void name_rows(const tm_table *table, tm_hash *hash, char *out) {
    if (table != NULL) {
        tm__table_hash(table, hash);
        tm__hash_to_text(hash, out);
    }
}

/* Policies of the columns of sources travel with the model; rows of files are brought to them. */
static tm_status cover_tables(training *t, tm_err *err) {
    const char *const name = tm__cli_text(t->cli, "source");
    if (name != NULL || json_object_size(t->sql.snapshots) > 0) {
        TM_TRY(name != NULL
                   ? tm__intake_privacy(t->place.home, name, &t->privacy, err)
                   : tm__sql_privacy(t->place.home, t->sql.snapshots, t->table, &t->privacy, err));
        t->options.privacy = t->privacy;
    }
    if (t->options.privacy != NULL && t->place.home == NULL) {
        return TM_FAIL(err, TM_E_NOT_ALLOWED,
                       "columns have policies, and this rank has no home to read them from");
    }
    TM_TRY(tm__intake_privacy_apply(t->place.home, t->options.privacy, &t->table, err));
    return tm__intake_privacy_apply(t->place.home, t->options.privacy, &t->test, err);
}

/* Where other ranks, which may have other options, read test rows. */
static tm_status pass_by(training *t, tm_err *err) {
    bool ignored = false;
    const tm_status st = tm__source_ranks_meet(&t->ctx, NULL, TM_OK, &ignored, err);
    return tm__comm_check(t->ctx.comm, st, err);
}

/* Rows to test on; of sources those that may be learned from. */
static tm_status read_test(training *t, const char *test, const char *test_sql, tm_err *err) {
    const tm_sql_ask ask = {.sql = test_sql, .as_of_us = INT64_MAX, .learning = &t->learning};
    tm_sql_sources sources = {0};
    tm_schema schema = {0};
    tm_status st = tm__cli_check_source(test, test_sql, err);
    st = st == TM_OK ? tm__schema_from_table(t->table, &schema, err) : st;
    st = st == TM_OK && test_sql != NULL
             ? tm__sql_sources_open(&t->ctx, t->place.home, &ask, &sources, err)
             : st;
    const given from = {.path = test, .sql = sources.sql, .schema = &schema};
    st = read_given(t, &from, st, &t->test, err);
    tm__sql_sources_place(&sources, err);
    tm__sql_sources_done(&sources);
    tm__schema_done(&schema);
    return tm__comm_check(t->ctx.comm, st, err);
}

/* Before anything is kept: nothing of a mistaken word stays behind. */
static tm_status check_columns(const training *t, tm_err *err) {
    const tm_train_options *const o = &t->options;
    const char *const named[][2] = {{o->target, "target"}, {o->time, "time"},
                                    {o->entity, "entity"}, {o->weight, "weight"},
                                    {o->group, "group"},   {o->init_score, "score"}};
    uint32_t col = 0;
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        TM_TRY(tm__train_find_column(t->table, named[i][0], named[i][1], &col, err));
    }
    return TM_OK;
}

static tm_status read_tables(training *t, tm_err *err) {
    const uint64_t started = tm__mono_ns();
    const char *test = tm__cli_text(t->cli, "test");
    const char *test_sql = tm__cli_text(t->cli, "test-sql");
    tm__ctx_progress(&t->ctx, "read", 0, 0, NULL);
    t->learning.purpose = t->options.purpose;
    TM_TRY(read_rows(t, err));
    TM_TRY(test != NULL || test_sql != NULL ? read_test(t, test, test_sql, err) : pass_by(t, err));
    TM_TRY(rename_tables(t, err));
    TM_TRY(check_columns(t, err));
    TM_TRY(cover_tables(t, err));
    t->seconds_read = seconds_since(started);
    const uint64_t was_read = tm__mono_ns();
    name_rows(t->table, &t->rows, t->options.snapshot);
    name_rows(t->test, &t->test_rows, t->options.test_snapshot);
    t->seconds_hash = seconds_since(was_read);
    TM_TRY(read_events(t, err));
    TM_TRY(check_query(t, err));
    t->seconds_load = seconds_since(started);
    return TM_OK;
}

/* The rows and the options are known: whether an earlier run of the same was stopped is, too. */
static tm_status open_checkpoint(training *t, tm_err *err) {
    if (!tm__cli_has(t->cli, "checkpoint")) {
        return TM_OK;
    }
    char *dir = is_first(t) ? tm__fs_join(tm__home_path(t->place.home), "checkpoints") : NULL;
    if (dir == NULL && is_first(t)) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory for a checkpoint");
    }
    const uint64_t every_ns = (uint64_t)tm__cli_duration_us(t->cli, "checkpoint") * 1000;
    const tm_status st = tm__train_checkpoint_open(&t->options, dir, every_ns, &t->checkpoint, err);
    tm__mem_free(dir);
    t->ctx.checkpoint = t->checkpoint;
    return st;
}

/* Rows whose label was not known: two reasons, in one line. */
static void say_unmatured(const training *t) {
    const json_t *labels = json_object_get(t->result.report, "labels");
    const int64_t n_cut = tm__json_i64(labels, "after_cut", 0);
    const int64_t n_test = tm__json_i64(labels, "after_first_test_row", 0);
    if (n_cut + n_test > 0) {
        char at_cut[64] = "", at_test[80] = "";
        if (n_cut > 0) {
            (void)snprintf(at_cut, sizeof(at_cut), "; of %lld it is not known yet",
                           (long long)n_cut);
        }
        if (n_test > 0) {
            (void)snprintf(at_test, sizeof(at_test), "; of %lld not before the first test row",
                           (long long)n_test);
        }
        tm__cli_note(t->cli, "%lld rows are left out, whose label was known too late%s%s",
                     (long long)(n_cut + n_test), at_cut, at_test);
    }
}

/* A subject was erased meanwhile: nobody may keep what was learned from, and what came of it. */
static void drop_files(const training *t) {
    char bundle[TM_HASH_TEXT];
    tm__hash_to_text(&t->result.bundle_hash, bundle);
    const char *const files[] = {t->options.snapshot, t->options.test_snapshot, bundle};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const tm_status st = tm__registry_file_drop(t->place.registry, files[i], NULL);
        (void)st; /* the error is that of registering; 'model gc' removes what stays */
    }
}

/* Bundle on disk, proof that it is served as it was trained, then one transaction that makes it a
 * version. */
static tm_status publish(training *t, tm_err *err) {
    char user[80];
    tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    json_t *evidence = NULL;
    const tm_window_tables others = {.sources = t->events.sources, .n_sources = t->events.n};
    TM_TRY(tm__bundle_load(t->result.bundle.data, t->result.bundle.len, &t->bundle, err));
    TM_TRY(tm__home_bundle_save(t->place.home, &t->result.bundle_hash, t->result.bundle.data,
                                t->result.bundle.len, err));
    char *here = NULL;
    TM_TRY(tm__fs_real_path(".", &here, err));
    tm_status st = tm__publish_prove(&t->ctx, t->bundle, t->table, &others, &evidence, err);
    if (st != TM_OK) {
        tm__mem_free(here);
        return st;
    }
    actor.evidence = evidence;
    /* A retraining learns anew: as the model that was gone on from did. */
    const json_t *told =
        t->base_bundle != NULL ? tm__bundle_info(t->base_bundle) : t->result.report;
    json_t *recipe = json_copy(json_object_get(told, "recipe"));
    json_object_set_new(recipe, "dir", json_string(here));
    st = tm__registry_add(t->place.registry, t->name, t->bundle, recipe, &actor, &t->version, err);
    if (st == TM_E_CONFLICT) {
        drop_files(t);
    }
    json_decref(recipe);
    json_decref(evidence);
    tm__mem_free(here);
    if (st == TM_OK) {
        tm__cli_did(t->cli, "version %u of '%s' is registered", t->version.number, t->name);
    }
    return st;
}

/* A later version is judged at once when its model has a gate, so that promoting it needs no second
 * thought. */
static tm_status judge(training *t, tm_gate_verdict *verdict, bool *judged, tm_err *err) {
    char user[80];
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    *judged = false;
    if (t->version.number == 1) {
        return TM_OK;
    }
    const tm_judging judging = {.home = t->place.home,
                                .registry = t->place.registry,
                                .version = &t->version,
                                .actor = &actor,
                                .load = tm__gate_load_tester(&t->load)};
    return tm__loop_judge(&t->ctx, &judging, verdict, judged, err);
}

static json_t *final_report(training *t, const tm_gate_verdict *verdict, bool judged) {
    json_t *report =
        json_pack("{s:s, s:s, s:I, s:s}", "schema", "tidemill.train/1", "model", t->name, "version",
                  (json_int_t)t->version.number, "aliases", t->version.aliases);
    json_object_update_missing(report, t->result.report);
    json_t *seconds = json_object_get(report, "seconds");
    json_object_set_new(seconds, "read", tm__json_number(t->seconds_read));
    json_object_set_new(seconds, "hash", tm__json_number(t->seconds_hash));
    json_object_set_new(seconds, "snapshot", tm__json_number(t->seconds_snapshot));
    json_object_set_new(seconds, "load", tm__json_number(t->seconds_load));
    json_object_set_new(seconds, "publish", tm__json_number(t->seconds_publish));
    json_object_set_new(seconds, "total",
                        tm__json_number(t->seconds_load + tm__json_f64(seconds, "total", 0)));
    if (t->checkpoint != NULL) {
        json_object_set_new(report, "fits_resumed",
                            json_integer(tm__checkpoint_found(t->checkpoint)));
    }
    if (t->ranks != NULL) {
        json_object_set(report, "ranks", t->ranks);
    }
    if (t->learning.left_out != NULL) {
        json_object_set(report, "without_consent", t->learning.left_out);
    }
    if (judged) {
        json_object_set_new(report, "gate",
                            json_pack("{s:b, s:s, s:O}", "open", verdict->is_open, "reason",
                                      verdict->reason, "checks", verdict->checks));
    }
    return report;
}

/* The page of --report, on the rows that the new version was tested on. */
static tm_status write_page(training *t, tm_err *err) {
    const char *path = tm__cli_text(t->cli, "report");
    const tm_report_options options = {.seed = t->options.seed};
    const tm_place place = {.home = t->place.home,
                            .registry = t->place.registry,
                            .version = t->version,
                            .bundle = t->bundle};
    json_t *report = NULL;
    tm_buf page;
    if (path == NULL) {
        return TM_OK;
    }
    TM_TRY(tm__report_make(&t->ctx, &place, NULL, &options, &report, err));
    tm__buf_init(&page, (size_t)1 << 28);
    tm__report_page(report, &page);
    const tm_status st = tm__page_save(t->cli, path, &page, err);
    tm__buf_done(&page);
    json_decref(report);
    return st;
}

/* What is learned is published without a limit. Memory that was refused by it is not missing. */
static tm_status lift_limit(const training *t, tm_status st, tm_err *err) {
    const bool is_reached = st == TM_E_NOMEM && tm__mem_limit_refused() > 0;
    tm__mem_limit(0);
    if (!is_reached) {
        return st;
    }
    char what[256];
    (void)tm__str_copy(what, sizeof(what), tm__str(err->message));
    const tm_status limit = TM_FAIL(err, TM_E_LIMIT, "the limit of %.0f MiB is reached: %.180s",
                                    (double)t->memory_limit / (1 << 20), what);
    tm_err_hint(err, "Raise --memory-limit, --drop columns, or give fewer rows.");
    return limit;
}

/* What all ranks do: each reads the rows, and together they learn. */
static tm_status learn(training *t, tm_err *err) {
    tm_status st = open_place(t, err);
    if (t->place.registry != NULL) {
        tm__registry_learns_since(t->place.registry, tm__now_us());
    }
    if (st == TM_OK && tm__cli_has(t->cli, "continue")) {
        st = continue_options(t, err);
    }
    tm__mem_limit(t->memory_limit);
    st = st == TM_OK ? read_tables(t, err) : st;
    st = st == TM_OK ? describe_source(t, err) : st;
    st = st == TM_OK ? find_optional(t, err) : st;
    st = tm__comm_check(t->ctx.comm, st, err);
    if (st == TM_OK) {
        t->options.source = t->source;
        t->options.started_ns = t->started_ns;
        st = tm__train_ranks_check(&t->ctx, &t->options, err);
        st = st == TM_OK ? share_optional(t, err) : st;
    }
    st = st == TM_OK ? keep_tables(t, err) : st;
    if (st == TM_OK) {
        st = tm__comm_check(t->ctx.comm, open_checkpoint(t, err), err);
    }
    tm__board_init(&t->board, t->cli, &t->ctx, &t->options);
    if (st == TM_OK) {
        tm_training_told *const told =
            is_first(t) ? tm__training_told_begin(t->place.home, "train", &t->ctx, &t->options)
                        : NULL;
        st = tm__train_run(&t->ctx, t->table, t->test, &t->options, &t->result, err);
        tm__training_told_end(told, &t->ctx, &t->options);
    }
    st = lift_limit(t, st, err);
    if (st == TM_OK) {
        st = tm__train_ranks_same(&t->ctx, &t->result.bundle_hash, err);
    }
    return st;
}

/* Who did not agree is not in the model: told, and kept beside the version. */
static tm_status tell_consent(training *t, tm_err *err) {
    char user[80], words[512];
    const tm_actor actor = tm__cli_actor(NULL, user, sizeof(user));
    if (t->learning.left_out == NULL) {
        return TM_OK;
    }
    tm__learning_words(&t->learning, words, sizeof(words));
    tm__cli_note(t->cli, "left out without consent: %s", words);
    return tm__registry_note(t->place.registry, t->name, "consent.left_out", t->version.number,
                             &actor, t->learning.left_out, err);
}

/* What rank 0 does alone: a version, its verdict, and what is said of them. */
static tm_status finish(training *t, tm_err *err) {
    tm_gate_verdict verdict = {0};
    bool judged = false;
    const uint64_t started = tm__mono_ns();
    say_unmatured(t);
    tm_status st = publish(t, err);
    t->seconds_publish = seconds_since(started);
    st = st == TM_OK ? tell_consent(t, err) : st;
    if (st == TM_OK && t->checkpoint != NULL) {
        st = tm__checkpoint_remove(t->checkpoint, err);
    }
    st = st == TM_OK ? judge(t, &verdict, &judged, err) : st;
    st = st == TM_OK ? write_page(t, err) : st;
    if (st == TM_OK) {
        json_t *report = final_report(t, &verdict, judged);
        if (t->cli->json) {
            tm__cli_print_json(t->cli, report);
        } else {
            tm__train_words_print(t->cli, report);
        }
        json_decref(report);
    }
    tm__gate_verdict_done(&verdict);
    return st;
}

static tm_status start(training *t, tm_err *err) {
    tm_cli *cli = t->cli;
    TM_TRY(tm__cli_size(cli, "memory-limit", &t->memory_limit, err));
    TM_TRY(tm__train_args(cli, &t->options, t->name, err));
    TM_TRY(tm__gate_load_open(cli, t->name[0] == '\0' ? NULL : t->name, &t->load, err));
    TM_TRY(tm__cli_ctx_init(cli, (uint32_t)tm__cli_i64(cli, "threads"), &t->ctx, err));
    t->ctx.memory_limit = t->memory_limit;
    return tm__train_ranks_open(cli, &t->ctx, err);
}

tm_status cmd_train(tm_cli *cli, tm_err *err) {
    if (tm__cli_has(cli, "repeat") && !tm__comm_is_rank()) {
        return tm__train_repeat(cli, err);
    }
    if (tm__cli_has(cli, "repeat")) {
        return TM_FAIL(err, TM_E_UNSUPPORTED, "--repeat is not for ranks of mpirun");
    }
    training t = {.cli = cli, .started_ns = tm__mono_ns()}; /* a budget counts the reading, too */
    tm_status st = start(&t, err);
    st = st == TM_OK ? learn(&t, err) : st;
    t.ranks = tm__train_ranks_report(&t.ctx);
    const bool is_writer = is_first(&t);
    tm__train_ranks_close(cli, &t.ctx, st, err);
    if (st == TM_OK && is_writer) {
        st = finish(&t, err);
    }
    training_done(&t);
    return st;
}
