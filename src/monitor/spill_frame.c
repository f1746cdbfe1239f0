/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/spill_frame.h"

#include <string.h>

#include "base/hash.h"
#include "monitor/monitor_priv.h"

#define MAGIC 0x50534D54u /* "TMSP" */
#define FORMAT 1u

bool tm__spill_head_write(tm_buf *out) {
    return tm__buf_u32(out, MAGIC) && tm__buf_u32(out, FORMAT) && tm__buf_u64(out, 0);
}

bool tm__spill_head_check(const uint8_t *data, size_t len) {
    tm_reader reader;
    tm__reader_init(&reader, data, len < TM_SPILL_HEAD ? len : TM_SPILL_HEAD);
    const uint32_t magic = tm__reader_u32(&reader), format = tm__reader_u32(&reader);
    const uint64_t rest = tm__reader_u64(&reader);
    return !reader.failed && magic == MAGIC && format == FORMAT && rest == 0;
}

/* Of all but itself and the length, which a wrong checksum gives away too. */
static uint32_t checksum(const tm_spill_frame *frame) {
    const uint32_t head[3] = {(uint32_t)frame->kind, frame->stream, frame->n};
    return tm__crc32c(tm__crc32c(0, head, sizeof(head)), frame->bytes.ptr, frame->bytes.len);
}

bool tm__spill_frame_write(const tm_spill_frame *frame, tm_buf *out) {
    return frame->bytes.len <= UINT32_MAX && tm__buf_u32(out, (uint32_t)frame->bytes.len) &&
           tm__buf_u32(out, checksum(frame)) && tm__buf_u32(out, (uint32_t)frame->kind) &&
           tm__buf_u32(out, frame->stream) && tm__buf_u32(out, frame->n) && tm__buf_u32(out, 0) &&
           tm__buf_append(out, frame->bytes.ptr, frame->bytes.len);
}

static bool has_records(const tm_spill_frame *frame) {
    tm_str rest = frame->bytes;
    tm_record record;
    uint32_t n = 0;
    while (rest.len > 0 && tm__record_read(&rest, &record)) {
        n++;
    }
    return rest.len == 0 && n == frame->n;
}

bool tm__spill_frame_read(const uint8_t *data, size_t len, size_t *at, tm_spill_frame *out) {
    tm_reader reader;
    if (*at > len) {
        return false;
    }
    tm__reader_init(&reader, data + *at, len - *at);
    const uint32_t size = tm__reader_u32(&reader), crc = tm__reader_u32(&reader);
    const uint32_t kind = tm__reader_u32(&reader);
    tm_spill_frame frame = {.stream = tm__reader_u32(&reader), .n = tm__reader_u32(&reader)};
    const uint32_t zero = tm__reader_u32(&reader);
    frame.bytes = (tm_str){tm__reader_view(&reader, size, 1), size};
    if (reader.failed || zero != 0 || (kind != TM_SPILL_STREAM && kind != TM_SPILL_RECORDS)) {
        return false;
    }
    frame.kind = (tm_spill_kind)kind;
    if (checksum(&frame) != crc || (kind == TM_SPILL_RECORDS && !has_records(&frame))) {
        return false;
    }
    *at += TM_SPILL_FRAME_HEAD + size;
    *out = frame;
    return true;
}
