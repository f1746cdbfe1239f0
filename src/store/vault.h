/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a home that may be sealed: snapshots, segments, model files. A home says by its file
 * encryption.json which keys seal and open them, and where each key comes from, never a key:
 *
 *   file:PATH         a file that its owner alone may read
 *   env:NAME          a variable of the environment
 *   credential:NAME   a file of this name in $CREDENTIALS_DIRECTORY, as systemd gives it
 *   command:["/P","W"] what a program prints (vault_command.h)
 *
 * What is published below such a home is sealed with its first key; what is read is opened with any
 * of them, and plain files stay readable. Which home a path belongs to is looked up at each call,
 * so that no caller can forget it and a new key is in use at once.
 *
 * A file is sealed under its own name (the last part of its path), so one put in another's place is
 * refused. Errors never say anything of a key but its id.
 */
#ifndef TM_STORE_VAULT_H
#define TM_STORE_VAULT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "guard/seal.h"
#include "store/home.h"
#include "tidemill/err.h"

#define TM_VAULT_FILE "encryption.json" /* name in the home */

/** tm__fs_publish(), sealed where the home of path says so. Any thread. */
TM_NODISCARD tm_status tm__vault_publish(const char *path, const void *data, size_t len,
                                         tm_err *err);
/** tm__fs_publish_file(), likewise. Any thread. */
TM_NODISCARD tm_status tm__vault_publish_file(const char *from, const char *path, tm_err *err);
/** Whether what is published to a path is sealed. Any thread. */
TM_NODISCARD tm_status tm__vault_has(const char *path, bool *out, tm_err *err);
/** Whether libraries may write what is in memory to files of a folder, which need not be there: not
 * in a sealed home, unless a file system of its own is mounted there. Any thread. */
bool tm__vault_may_spill(const char *dir);

/* What a library that opens files by name is to open. */
typedef struct tm_vault_view {
    char *path;      /* the file's own, or that of: */
    tm_file *memory; /* its opened bytes; NULL of a plain file */
} tm_vault_view;
/** Look at a file as it was before it was sealed: in memory, in this process alone, and not to be
 * changed. Takes as much memory as the file has bytes. Any thread. */
TM_NODISCARD tm_status tm__vault_view_open(const char *path, tm_vault_view *out, tm_err *err);
/** A zeroed one is a no-op. */
void tm__vault_view_close(tm_vault_view *view);
/** tm__map_open() of what was sealed; out_map->id is that of the file on the disk. Any thread. */
TM_NODISCARD tm_status tm__vault_map_open(const char *path, tm_map *out_map, tm_err *err);
/** tm__fs_read_all() of what was sealed. Any thread. */
TM_NODISCARD tm_status tm__vault_read_all(const char *path, tm_buf *buf, tm_err *err);

/** The keys of the home that a path lies in, open; n is 0 where files are plain. The caller ends it
 * with tm__envelope_ring_done(). Any thread. */
TM_NODISCARD tm_status tm__vault_ring(const char *path, tm_envelope_ring *out, tm_err *err);
/** The keys of sources in a row, the first of which seals. */
TM_NODISCARD tm_status tm__vault_ring_of(const char *const *sources, uint32_t n,
                                         tm_envelope_ring *out, tm_err *err);

/** What a home says: [{"id", "from"}], the first seals; an empty array when it seals nothing. New
 * reference. */
TM_NODISCARD tm_status tm__vault_keys(const tm_home *home, json_t **out, tm_err *err);
/** Have the commands of a home said their keys, for who is about to give up starting programs. */
TM_NODISCARD tm_status tm__vault_run_commands(const tm_home *home, tm_err *err);
/** Whether a text has the form of a source. */
bool tm__vault_is_source(const char *text);
/* A source and the key that is there. */
typedef struct tm_vault_source {
    char *from; /* as a home writes it down, owned */
    char id[TM_ENVELOPE_ID_TEXT];
} tm_vault_source;
/** Look at a source. The caller ends it. TM_E_USAGE as tm__vault_use(), TM_E_NOT_FOUND when there
 * is no key. */
TM_NODISCARD tm_status tm__vault_source_find(const tm_home *home, const char *source,
                                             tm_vault_source *out, tm_err *err);
void tm__vault_source_done(tm_vault_source *source);
/** Let the key of a source seal from now on; those before still open. The same key again moves to
 * the front, with this source. *out_id holds TM_ENVELOPE_ID_TEXT bytes. TM_E_USAGE for a source
 * that is none or a key inside of the home. */
TM_NODISCARD tm_status tm__vault_use(const tm_home *home, const char *source, char *out_id,
                                     tm_err *err);
/** Write down keys as tm__vault_keys() has them. */
TM_NODISCARD tm_status tm__vault_keys_save(const tm_home *home, const json_t *keys, tm_err *err);

/* How one file stands. */
typedef struct tm_vault_look {
    bool is_sealed;
    char key[TM_ENVELOPE_ID_TEXT]; /* empty when it is not */
} tm_vault_look;
/** Look at the head of a file; what is gone is plain. Any thread. */
TM_NODISCARD tm_status tm__vault_look(const char *path, tm_vault_look *out, tm_err *err);
/** Same of the first bytes of one, TM_SEAL_HEAD_BYTES where it has so many. */
tm_vault_look tm__vault_look_at(const void *head, size_t len);
/** Publish a file anew over itself, with the key that seals now. Whoever else may remove it is kept
 * out by the caller. Any thread. */
TM_NODISCARD tm_status tm__vault_renew(const char *path, tm_err *err);

#endif
