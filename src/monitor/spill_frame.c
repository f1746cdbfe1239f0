/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/spill_frame.h"

#include <string.h>

#include "base/hash.h"
#include "monitor/monitor_priv.h"

#define MAGIC 0x50534D54u /* "TMSP" */
#define FORMAT 1u
#define FORMAT_SEALED 2u

tm_status tm__spill_head_write(const char *path, tm_vault_parts *out_parts, tm_buf *out,
                               tm_err *err) {
    tm_buf key;
    tm__buf_init(&key, TM_VAULT_PARTS_HEAD);
    tm_status st = tm__vault_parts_begin(path, out_parts, &key, err);
    const bool ok = st != TM_OK || (tm__buf_u32(out, MAGIC) &&
                                    tm__buf_u32(out, key.len > 0 ? FORMAT_SEALED : FORMAT) &&
                                    tm__buf_u64(out, 0) && tm__buf_append(out, key.data, key.len));
    tm__buf_done(&key);
    return ok ? st : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* 0 for what is no head of a spill file. */
static uint32_t read_head(const uint8_t *data, size_t len) {
    tm_reader reader;
    tm__reader_init(&reader, data, len < TM_SPILL_HEAD ? len : TM_SPILL_HEAD);
    const uint32_t magic = tm__reader_u32(&reader), format = tm__reader_u32(&reader);
    const uint64_t rest = tm__reader_u64(&reader);
    const bool is_whole = !reader.failed && magic == MAGIC && rest == 0;
    return !is_whole                                                               ? 0
           : format == FORMAT                                                      ? format
           : format == FORMAT_SEALED && len >= TM_SPILL_HEAD + TM_VAULT_PARTS_HEAD ? format
                                                                                   : 0;
}

tm_status tm__spill_bytes_init(tm_spill_bytes *file, const char *path, const uint8_t *data,
                               size_t len, tm_err *err) {
    const uint32_t format = read_head(data, len);
    *file = (tm_spill_bytes){.data = data, .len = len, .first = format == 0 ? len : TM_SPILL_HEAD};
    tm__buf_init(&file->opened, SIZE_MAX / 2);
    if (format != FORMAT_SEALED) {
        return TM_OK;
    }
    file->first += TM_VAULT_PARTS_HEAD;
    return tm__vault_parts_open(path, data + TM_SPILL_HEAD, &file->parts, err);
}

void tm__spill_bytes_done(tm_spill_bytes *file) {
    tm__vault_parts_done(&file->parts);
    tm__buf_done(&file->opened);
}

bool tm__spill_sealed_by(const uint8_t *data, size_t len, char out[TM_ENVELOPE_ID_TEXT]) {
    tm_cell_head head;
    if (read_head(data, len) != FORMAT_SEALED ||
        !tm__seal_is_cell(data + TM_SPILL_HEAD, TM_VAULT_PARTS_HEAD, &head)) {
        return false;
    }
    tm__envelope_id_to_text(head.key_id, out);
    return true;
}

/* Of all but itself and the length, which a wrong checksum gives away too. */
static uint32_t checksum(const tm_spill_frame *frame) {
    const uint32_t head[3] = {(uint32_t)frame->kind, frame->stream, frame->n};
    return tm__crc32c(tm__crc32c(0, head, sizeof(head)), frame->bytes.ptr, frame->bytes.len);
}

bool tm__spill_frame_write(const tm_spill_frame *frame, const tm_vault_parts *parts, uint64_t at,
                           tm_buf *out) {
    tm_spill_frame sealed = *frame;
    tm_buf bytes;
    tm__buf_init(&bytes, SIZE_MAX / 2);
    bool ok = parts->key.n == 0 || tm__vault_part_seal(parts, at, frame->bytes, &bytes);
    if (parts->key.n > 0) {
        sealed.bytes = (tm_str){(const char *)bytes.data, bytes.len};
    }
    ok = ok && sealed.bytes.len <= UINT32_MAX && tm__buf_u32(out, (uint32_t)sealed.bytes.len) &&
         tm__buf_u32(out, checksum(&sealed)) && tm__buf_u32(out, (uint32_t)frame->kind) &&
         tm__buf_u32(out, frame->stream) && tm__buf_u32(out, frame->n) && tm__buf_u32(out, 0) &&
         tm__buf_append(out, sealed.bytes.ptr, sealed.bytes.len);
    tm__buf_done(&bytes);
    return ok;
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

/* A frame as it stands; false when it is not whole. */
static bool read_frame(const tm_spill_bytes *file, size_t at, tm_spill_frame *out) {
    tm_reader reader;
    tm__reader_init(&reader, file->data + at, file->len - at);
    const uint32_t size = tm__reader_u32(&reader), crc = tm__reader_u32(&reader);
    const uint32_t kind = tm__reader_u32(&reader);
    tm_spill_frame frame = {.stream = tm__reader_u32(&reader), .n = tm__reader_u32(&reader)};
    const uint32_t zero = tm__reader_u32(&reader);
    frame.bytes = (tm_str){tm__reader_view(&reader, size, 1), size};
    if (reader.failed || zero != 0 || (kind != TM_SPILL_STREAM && kind != TM_SPILL_RECORDS)) {
        return false;
    }
    frame.kind = (tm_spill_kind)kind;
    *out = frame;
    return checksum(&frame) == crc;
}

bool tm__spill_frame_read(tm_spill_bytes *file, size_t *at, tm_spill_frame *out) {
    tm_spill_frame frame;
    if (*at > file->len || !read_frame(file, *at, &frame)) {
        return false;
    }
    const size_t size = frame.bytes.len;
    const tm_status st =
        tm__vault_part_open(&file->parts, *at, frame.bytes, &file->opened, &frame.bytes, NULL);
    file->status = st == TM_E_NOMEM ? st : TM_OK;
    if (st != TM_OK || (frame.kind == TM_SPILL_RECORDS && !has_records(&frame))) {
        return false;
    }
    *at += TM_SPILL_FRAME_HEAD + size;
    *out = frame;
    return true;
}
