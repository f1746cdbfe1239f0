/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a spill file (docs/formats/home.md): a head, then frames, each a stream that later
 * frames name by its number, or records of one. A frame is written by one call, so a kill leaves at
 * most the last one torn; what follows a frame that is not whole is not read. In a sealed home what
 * frames hold is sealed (format 2), and the head has the key of the file.
 */
#ifndef TM_MONITOR_SPILL_FRAME_H
#define TM_MONITOR_SPILL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "store/vault_parts.h"

#define TM_SPILL_HEAD 16u /* bytes of a file's head; of a sealed one its key follows */
#define TM_SPILL_FRAME_HEAD 24u

typedef enum tm_spill_kind { TM_SPILL_STREAM = 1, TM_SPILL_RECORDS = 2 } tm_spill_kind;

typedef struct tm_spill_frame {
    tm_spill_kind kind;
    uint32_t stream; /* number of the stream in this file */
    uint32_t n;      /* records */
    tm_str bytes;    /* the stream as JSON, or records one after the other */
} tm_spill_frame;

/** Append the head of a new file at a path. The caller ends *out_parts, which its frames need. */
TM_NODISCARD tm_status tm__spill_head_write(const char *path, tm_vault_parts *out_parts,
                                            tm_buf *out, tm_err *err);
/** Append the frame that begins at an offset of the file. */
bool tm__spill_frame_write(const tm_spill_frame *frame, const tm_vault_parts *parts, uint64_t at,
                           tm_buf *out);

/* A file that is read. */
typedef struct tm_spill_bytes {
    const uint8_t *data; /* [len], the caller's */
    size_t len;
    size_t first; /* where frames begin; len for what is no spill file */
    tm_vault_parts parts;
    tm_buf opened;    /* what the frame read last holds, where it is sealed */
    tm_status status; /* TM_E_NOMEM: reading ended for want of memory */
} tm_spill_bytes;
/** Begin to read the bytes of the file at a path. The caller ends it, also after a failure.
 * TM_E_NOT_ALLOWED and what tm__vault_ring() says, where its key is not at hand. */
TM_NODISCARD tm_status tm__spill_bytes_init(tm_spill_bytes *file, const char *path,
                                            const uint8_t *data, size_t len, tm_err *err);
/** Read the frame at *at and step behind it; bytes are views until the next one. False at the end,
 * or when what is there is not whole: a length, a checksum, records that do not fill it, another
 * count of them. */
bool tm__spill_frame_read(tm_spill_bytes *file, size_t *at, tm_spill_frame *out);
void tm__spill_bytes_done(tm_spill_bytes *file);
/** The key of the home that a file is sealed by: its head and its id as text; false for a plain
 * one.
 */
bool tm__spill_sealed_by(const uint8_t *data, size_t len, char out[TM_ENVELOPE_ID_TEXT]);

#endif
