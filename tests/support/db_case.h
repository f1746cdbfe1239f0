/* SPDX-License-Identifier: Apache-2.0 */
/* A small database for tests: a file of SQLite in a folder of its own, or, where TIDEMILL_TEST_DSN
 * names the file of a DSN, a schema of PostgreSQL. */
#ifndef TM_SUPPORT_DB_CASE_H
#define TM_SUPPORT_DB_CASE_H

#include "store/db.h"

/* One table t(id, name, x, b), and in the second version a column extra and an index. */
#define DB_CASE_FIRST                                                                              \
    { 1, "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, x REAL, b BLOB) STRICT;", NULL }
extern const tm_migration db_case_first[], db_case_second[];
extern const tm_db_options db_case_make; /* the first version, in a file that is made */

/** Set-up and tear-down of cmocka. */
int db_case_set_up(void **state);
int db_case_tear_down(void **state);
bool db_case_is_postgres(void);
/* Of programs that only PostgreSQL can run: without it they do nothing, and each test fails. */
int db_case_pg_set_up(void **state);
int db_case_pg_tear_down(void **state);
void db_case_needs_postgres(void);
const char *db_case_folder(void);
const char *db_case_path(void); /* for tm__db_open() */

tm_db *db_case_open(const tm_db_options *options);
int64_t db_case_number(tm_db *db, const char *sql);
tm_status db_case_insert(tm_db *db, const char *name, tm_err *err);
/** Rows n1, n2, ... n in a database of the first version. */
void db_case_fill(int n);

#endif
