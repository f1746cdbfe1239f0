/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a backup: a tar of plain files, each compressed as a Zstandard frame of its own, and
 * a trailer with the hash of all bytes. docs/formats/backup.md has the bytes. Written beside its
 * path and published whole; read from front to back, with nothing in it believed before it is
 * checked. Not for: other people's tar files. A writer or reader has one owner thread.
 */
#ifndef TM_STORE_ARCHIVE_H
#define TM_STORE_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/hash.h"
#include "guard/seal.h"
#include "tidemill/err.h"

#define TM_ARCHIVE_FORMAT 1u
#define TM_ARCHIVE_NAME_MAX 99u
#define TM_ARCHIVE_TRAILER 64u /* bytes */

/* One file inside. */
typedef struct tm_member {
    char name[TM_ARCHIVE_NAME_MAX + 1]; /* letters, digits, '.', '_', '-', and '/' within */
    uint64_t size_bytes;
    tm_hash hash; /* BLAKE2b-256 of the bytes; of a reader known once all are read */
} tm_member;

typedef struct tm_archive_writer tm_archive_writer;

/** Begin a temporary file beside path; with a key (else NULL) the whole file is sealed with it. */
TM_NODISCARD tm_status tm__archive_create(const char *path, const tm_envelope_key *key,
                                          tm_archive_writer **out, tm_err *err);
/** Append a file, read once, under a name; TM_E_CONFLICT when its size changes meanwhile,
 * TM_E_CANCELLED by ctx. */
TM_NODISCARD tm_status tm__archive_add_file(tm_archive_writer *writer, const tm_ctx *ctx,
                                            const char *name, const char *path,
                                            tm_member *out_member, tm_err *err);
TM_NODISCARD tm_status tm__archive_add(tm_archive_writer *writer, const char *name,
                                       const void *data, size_t len, tm_err *err);
/** Append the trailer, sync, and rename to the path. *out_hash is the hash of the whole file. */
TM_NODISCARD tm_status tm__archive_publish(tm_archive_writer *writer, uint64_t *out_size_bytes,
                                           tm_hash *out_hash, tm_err *err);
/** End; what was not published is removed. NULL is a no-op. */
void tm__archive_writer_close(tm_archive_writer *writer);

typedef struct tm_archive tm_archive;

typedef struct tm_archive_info {
    uint32_t n_members;
    uint64_t content_bytes; /* of all members */
    uint64_t size_bytes;    /* of the file */
    tm_hash hash;           /* of the whole file, as its trailer says */
} tm_archive_info;

/** Open and read the trailer; of a sealed file, which needs its key in the ring (else it may be
 * NULL), all bytes are checked first. TM_E_DATA: no backup; TM_E_INTEGRITY: it has lost its end;
 * TM_E_UNSUPPORTED: of a later format. */
TM_NODISCARD tm_status tm__archive_open(const char *path, const tm_envelope_ring *ring,
                                        tm_archive **out, tm_archive_info *out_info, tm_err *err);
/** Step to the next member (what is left of this one is read and checked); *out_has_member false
 * after the last one: then all bytes of the file were checked against the trailer. */
TM_NODISCARD tm_status tm__archive_next(tm_archive *archive, const tm_member **out_member,
                                        bool *out_has_member, tm_err *err);
/** Bytes of the current member; fewer than len at its end, where they were checked and its hash is
 * filled in. Do not believe them before. */
TM_NODISCARD tm_status tm__archive_read(tm_archive *archive, void *out, size_t len, size_t *out_len,
                                        tm_err *err);
/** Say what is damaged: "its trailer", "'meta.db'". TM_E_INTEGRITY. */
tm_status tm__archive_fail(const char *path, const char *place, tm_err *err);
void tm__archive_close(tm_archive *archive);

#endif
