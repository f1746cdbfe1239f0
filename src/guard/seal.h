/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files that only the holder of a key can read, or make: chunks of libsodium's secretstream
 * (XChaCha20-Poly1305) behind a head. docs/formats/sealed.md has the bytes.
 *
 * 1. Each file has a data key of its own, from the operating system. An envelope key wraps it in
 *    the head, bound to the head and to the name that the file was sealed under.
 * 2. The last chunk says that it is the last. So bytes that were changed, moved, cut or appended,
 *    and a file under another's name, are TM_E_INTEGRITY before a byte of that chunk is given out.
 *
 * Not for: where keys come from, which is store/vault's. A writer or a reader has one owner thread.
 */
#ifndef TM_GUARD_SEAL_H
#define TM_GUARD_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fs.h"
#include "base/str.h"
#include "tidemill/err.h"

#define TM_SEAL_HEAD_BYTES 128u
#define TM_ENVELOPE_ID_BYTES 8u
#define TM_ENVELOPE_ID_TEXT 17 /* 16 hexadecimal digits and a NUL */
#define TM_ENVELOPE_KEYS_MAX 8u

typedef struct tm_envelope_key {
    uint8_t bytes[32];                /* the secret */
    uint8_t id[TM_ENVELOPE_ID_BYTES]; /* tells it from others without saying anything of it */
} tm_envelope_key;

/* Keys at hand: the first seals, each of them opens. */
typedef struct tm_envelope_ring {
    uint32_t n;
    tm_envelope_key keys[TM_ENVELOPE_KEYS_MAX];
} tm_envelope_ring;

/** The key that 64 hexadecimal digits mean; false for anything else. */
bool tm__envelope_key_from_text(tm_str text, tm_envelope_key *out);
/** The key that 32 bytes are. */
void tm__envelope_key_of(const uint8_t bytes[32], tm_envelope_key *out);
/** out holds TM_ENVELOPE_ID_TEXT bytes. */
void tm__envelope_id_to_text(const uint8_t id[TM_ENVELOPE_ID_BYTES], char *out);
/** Overwrite all keys. */
void tm__envelope_ring_done(tm_envelope_ring *ring);

typedef struct tm_seal_writer tm_seal_writer;

/** Write the head of a file that is sealed under a name. `to` is the caller's and outlives it. */
TM_NODISCARD tm_status tm__seal_writer_create(const tm_envelope_key *key, const char *name,
                                              tm_file *to, tm_seal_writer **out, tm_err *err);
TM_NODISCARD tm_status tm__seal_write(tm_seal_writer *writer, const void *data, size_t len,
                                      tm_err *err);
/** Write the last chunk, without which the file is not whole. */
TM_NODISCARD tm_status tm__seal_write_end(tm_seal_writer *writer, tm_err *err);
void tm__seal_writer_free(tm_seal_writer *writer);

/** Whether bytes begin like a sealed file. */
bool tm__seal_is_sealed(const void *data, size_t len);
/** The id of the key that a sealed file needs. */
void tm__seal_key_id(const void *head /* [TM_SEAL_HEAD_BYTES] */,
                     uint8_t out[TM_ENVELOPE_ID_BYTES]);

/* A cell of a database is sealed by the envelope key itself, with a nonce of its own, and bound to
 * its place: "TMSCELL", its form, id of the key, nonce (24), bytes and 16. */
#define TM_SEAL_CELL_BYTES 56u /* that a sealed cell is longer */
#define TM_CELL_PLACE_MAX 192u /* bytes of a place, with one between */

/* Where a cell belongs: in another place it does not open. */
typedef struct tm_cell_place {
    const char *column; /* "table.column" */
    tm_str row;         /* what its row has alone, and keeps */
} tm_cell_place;

typedef struct tm_cell_head {
    uint8_t key_id[TM_ENVELOPE_ID_BYTES];
    bool is_of_row; /* false: of before cells were bound to their row */
} tm_cell_head;

/** out holds len + TM_SEAL_CELL_BYTES. */
void tm__seal_cell(const tm_envelope_key *key, const tm_cell_place *place, const void *data,
                   size_t len, uint8_t *out);
/** Whether a cell is sealed; then what its head says (out_head may be NULL). */
bool tm__seal_is_cell(const void *data, size_t len, tm_cell_head *out_head);
/** Open a cell that is sealed, of this form or an earlier one; out holds len - TM_SEAL_CELL_BYTES.
 * TM_E_NOT_ALLOWED when its key is not in the ring, TM_E_INTEGRITY, also of another place. */
TM_NODISCARD tm_status tm__unseal_cell(const tm_envelope_ring *ring, const tm_cell_place *place,
                                       const void *data, size_t len, uint8_t *out, tm_err *err);

typedef struct tm_seal_reader tm_seal_reader;

/* What is opened: the bytes of a sealed file, which outlive the reader. */
typedef struct tm_sealed {
    const void *data;
    size_t len;
    const char *name; /* that it was sealed under */
    const char *path; /* for errors */
} tm_sealed;

/**
 * Open a sealed file.
 *
 * Errors:  TM_E_NOT_ALLOWED when its key is not in the ring, TM_E_INTEGRITY, TM_E_UNSUPPORTED for a
 *          later format, TM_E_NOMEM.
 * Threads: one caller.
 */
TM_NODISCARD tm_status tm__seal_reader_create(const tm_envelope_ring *ring, const tm_sealed *from,
                                              tm_seal_reader **out, tm_err *err);
/** The next bytes; fewer than len at the end of the file, which then is whole. */
TM_NODISCARD tm_status tm__seal_read(tm_seal_reader *reader, void *out, size_t len, size_t *out_len,
                                     tm_err *err);
void tm__seal_reader_free(tm_seal_reader *reader);

#endif
