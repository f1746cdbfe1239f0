/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a spill file (docs/formats/home.md): a head, then frames, each a stream that later
 * frames name by its number, or records of one. A frame is written by one call, so a kill leaves at
 * most the last one torn; what follows a frame that is not whole is not read.
 */
#ifndef TM_MONITOR_SPILL_FRAME_H
#define TM_MONITOR_SPILL_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define TM_SPILL_HEAD 16u /* bytes of a file's head */
#define TM_SPILL_FRAME_HEAD 24u

typedef enum tm_spill_kind { TM_SPILL_STREAM = 1, TM_SPILL_RECORDS = 2 } tm_spill_kind;

typedef struct tm_spill_frame {
    tm_spill_kind kind;
    uint32_t stream; /* number of the stream in this file */
    uint32_t n;      /* records */
    tm_str bytes;    /* the stream as JSON, or records one after the other */
} tm_spill_frame;

/** Append a file's head. */
bool tm__spill_head_write(tm_buf *out);
/** True when a file begins with the head of this format. */
bool tm__spill_head_check(const uint8_t *data, size_t len);
/** Append a frame. */
bool tm__spill_frame_write(const tm_spill_frame *frame, tm_buf *out);
/** Read the frame at *at and step behind it; bytes are views. False at the end, or when what is
 * there is not whole: a length, a checksum, records that do not fill it, another count of them. */
bool tm__spill_frame_read(const uint8_t *data, size_t len, size_t *at, tm_spill_frame *out);

#endif
