/* SPDX-License-Identifier: Apache-2.0 */
/* The folder .tidemill: where everything lies, made on first need with mode 0700.
 * docs/formats/home.md has the layout. */
#ifndef TM_STORE_HOME_H
#define TM_STORE_HOME_H

#include <stdbool.h>

#include "base/hash.h"
#include "tidemill/err.h"

typedef struct tm_home tm_home;

#define TM_HOME_SERVER_KEY "keys.secret"     /* name in the home */
#define TM_HOME_STORE "store.json"           /* when the tables of meta.db are somewhere else */
#define TM_HOME_SIGNING_KEY "signing.secret" /* same of what signs the files that leave it */

/** Find or make a home. path NULL: $TIDEMILL_HOME, else .tidemill in this folder. create false and
 * absent: TM_E_NOT_FOUND with a hint. */
TM_NODISCARD tm_status tm__home_open(const char *path, bool create, tm_home **out, tm_err *err);
/** Where tm__home_open() looks: path, else $TIDEMILL_HOME, else ".tidemill". Borrowed. */
const char *tm__home_name(const char *path);
const char *tm__home_path(const tm_home *home); /* absolute */
/** Whether the tables of meta.db are in PostgreSQL: who reads them needs the network. */
bool tm__home_has_server(const tm_home *home);
/** Whether who works with its tables and model files needs it: they are in PostgreSQL or a bucket.
 */
bool tm__home_needs_network(const tm_home *home);
/** meta.db, or store.json when that was there as the home was opened: for tm__db_open(). */
const char *tm__home_meta_db(const tm_home *home);
const char *tm__home_log_db(const tm_home *home);
const char *tm__home_watch_db(const tm_home *home);
const char *tm__home_intake_db(const tm_home *home);
/** Whether sources and sinks are those of all homes on its tables: store.json names a folder for
 * their files, and tm__home_intake_db() is store.json. */
bool tm__home_shares_intake(const tm_home *home);
/** Folder of the files of sources: that one, else the home itself. */
const char *tm__home_intake_dir(const tm_home *home);
const char *tm__home_server_key(const tm_home *home); /* file, 0600: what stored keys need */
const char *tm__home_snapshots(const tm_home *home);  /* folder */
const char *tm__home_bundles(const tm_home *home);    /* folder */
const char *tm__home_jobs(const tm_home *home);       /* folder: logs and results of children */
const char *tm__home_temp(const tm_home *home);       /* folder, 0700, emptied at start of serve */
/** Remove what killed processes left there, when nobody else works in it. Any thread. */
void tm__home_temp_reset(const tm_home *home);
/** Path of a bundle by hash; the caller frees with tm__mem_free(). */
char *tm__home_bundle_path(const tm_home *home, const tm_hash *hash);
/** Write bytes under their hash unless they are there; into the bucket, too, when the home has one:
 * see store/bucket.h. */
TM_NODISCARD tm_status tm__home_bundle_save(const tm_home *home, const tm_hash *hash,
                                            const void *data, size_t len, tm_err *err);
void tm__home_close(tm_home *home);

#endif
