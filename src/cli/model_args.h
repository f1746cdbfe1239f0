/* SPDX-License-Identifier: Apache-2.0 */
/* What commands on models share: home and registry in one, who is acting, a version by its name,
 * rows from DATA or --sql. */
#ifndef TM_CLI_MODEL_ARGS_H
#define TM_CLI_MODEL_ARGS_H

#include "cli/cli.h"
#include "registry/registry.h"
#include "source/sql_sources.h"
#include "store/home.h"
#include "table/table.h"

/* A home with its registry, and a version with its bundle; zeroed fields are not open. */
typedef struct tm_place {
    tm_home *home;
    tm_registry *registry;
    tm_version version;
    tm_bundle *bundle;
    int64_t known_us; /* the tables are away: the registry says what they said then; else 0 */
} tm_place;

/** Open the home of --home (made when create) and its registry. */
TM_NODISCARD tm_status tm__place_open(tm_cli *cli, bool create, tm_place *out, tm_err *err);
/** Same to look at only: while PostgreSQL is away, what the home knew of its tables. */
TM_NODISCARD tm_status tm__place_open_known(tm_cli *cli, tm_place *out, tm_err *err);
/** Same as tm__place_open(), and the version that a name such as late@3 means, with its checked
 * bundle. */
TM_NODISCARD tm_status tm__place_open_version(tm_cli *cli, const char *name, tm_place *out,
                                              tm_err *err);
/** End what is open; a no-op on a zeroed place. */
void tm__place_close(tm_place *place);

/** "cli:USER" in out, or "loop" in a child of a daemon, and the reason of --reason when the command
 * has that option (or NULL). */
tm_actor tm__cli_actor(const char *reason, char *out, size_t size);

/** Exactly one of a path and a query, else TM_E_USAGE. */
TM_NODISCARD tm_status tm__cli_check_source(const char *path, const char *sql, tm_err *err);
/** What a query reads of sources of the home, if there is one, as they are; sql NULL: nothing. End
 * it with tm__sql_sources_done(), also after a failure. Errors: as tm__sql_sources_open(). */
TM_NODISCARD tm_status tm__cli_query(tm_cli *cli, tm_ctx *ctx, const char *sql, tm_sql_sources *out,
                                     tm_err *err);
/** Rows of DATA or of a query, which may name sources of the home; schema NULL infers the types. */
TM_NODISCARD tm_status tm__cli_read(tm_cli *cli, tm_ctx *ctx, const char *path, const char *sql,
                                    const tm_schema *schema, tm_table **out, tm_err *err);
/** Rows of one of a path, --sql and --source. */
TM_NODISCARD tm_status tm__cli_read_any(tm_cli *cli, tm_ctx *ctx, const char *path, tm_table **out,
                                        tm_err *err);
/** The rows that the record of the place's version names by their hash. TM_E_NOT_FOUND when they
 * are gone, TM_E_DATA for a text that is no hash. */
TM_NODISCARD tm_status tm__cli_read_snapshot(tm_ctx *ctx, const tm_place *place, const char *hash,
                                             tm_table **out, tm_err *err);

#endif
