/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of a file, unpacked as they are read. The packing is known by the first bytes, not by the
 * name. zlib is a module: most runs never see a .gz file, and the program starts without it.
 * Members and frames that follow each other in one file are one stream, as gunzip and unzstd have
 * it.
 */
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/module.h"
#include "source/csv_priv.h"

#define PACKED_BYTES 262144u
#define GZIP_WINDOW (15 + 16) /* gzip frames only */

typedef enum packing { PLAIN, GZIP, ZSTANDARD } packing;

typedef struct zlib_api {
    __typeof__(&inflateInit2_) init;
    __typeof__(&inflate) run;
    __typeof__(&inflateReset) reset;
    __typeof__(&inflateEnd) end;
} zlib_api;

struct tm_input {
    char path[512];
    tm_file *file;
    const volatile _Atomic bool *cancel; /* NULL: it is a file */
    packing packing;
    uint64_t pos;
    uint8_t *head; /* bytes that were looked at; head_pos .. head_len are read first */
    size_t head_pos, head_len;
    uint8_t *packed; /* [packed_size]; bytes packed_pos .. packed_len are unread */
    size_t packed_pos, packed_len, packed_size;
    bool at_end;  /* of the file */
    bool is_open; /* amid a member or frame */
    tm_module *zlib_module;
    zlib_api zlib;
    bool has_zlib_state;
    z_stream gzip;
    ZSTD_DCtx *zstd;
};

static tm_status refill(tm_input *input, tm_err *err) {
    if (input->packed_pos < input->packed_len || input->at_end) {
        return TM_OK;
    }
    input->packed_pos = 0;
    input->packed_len = 0;
    while (input->packed_len < input->packed_size && !input->at_end) {
        size_t n = 0;
        uint8_t *const to = input->packed + input->packed_len;
        const size_t room = input->packed_size - input->packed_len;
        TM_TRY(input->cancel != NULL
                   ? tm__file_read_some(input->file, input->cancel, to, room, &n, err)
                   : tm__file_read(input->file, to, room, &n, err));
        input->at_end = n == 0;
        input->packed_len += n;
    }
    input->pos += input->packed_len;
    return TM_OK;
}

static tm_status open_gzip(tm_input *input, tm_err *err) {
    static const char *const names[] = {"inflateInit2_", "inflate", "inflateReset", "inflateEnd"};
    tm_module_fn fns[4] = {NULL};
    const tm_status opened = tm__module_open("libz.so.1", &input->zlib_module, NULL);
    if (opened == TM_E_NOMEM) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while loading zlib");
    }
    if (opened != TM_OK) {
        (void)TM_FAIL(err, TM_E_UNAVAILABLE, "cannot load zlib to unpack '%s'", input->path);
        tm_err_hint(err, "Install zlib, or unpack the file with gunzip.");
        return TM_E_UNAVAILABLE;
    }
    for (size_t i = 0; i < 4; i++) {
        fns[i] = tm__module_find(input->zlib_module, names[i]);
        if (fns[i] == NULL) {
            return TM_FAIL(err, TM_E_UNAVAILABLE, "zlib has no function '%s'", names[i]);
        }
    }
    memcpy(&input->zlib, fns, sizeof(input->zlib));
    if (input->zlib.init(&input->gzip, GZIP_WINDOW, ZLIB_VERSION, (int)sizeof(z_stream)) != Z_OK) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to unpack '%s'", input->path);
    }
    input->has_zlib_state = true;
    return TM_OK;
}

static tm_status open_packing(tm_input *input, tm_err *err) {
    TM_TRY(refill(input, err));
    if (input->packed_len >= 2 && memcmp(input->packed, "\x1f\x8b", 2) == 0) {
        input->packing = GZIP;
        return open_gzip(input, err);
    }
    if (input->packed_len >= 4 && memcmp(input->packed, "\x28\xb5\x2f\xfd", 4) == 0) {
        input->packing = ZSTANDARD;
        input->zstd = ZSTD_createDCtx();
        return input->zstd != NULL
                   ? TM_OK
                   : TM_FAIL(err, TM_E_NOMEM, "no memory to unpack '%s'", input->path);
    }
    return TM_OK;
}

tm_status tm__input_open(const char *path, size_t block_bytes, tm_input **out, tm_err *err) {
    return tm__input_open_stream(path, block_bytes, NULL, out, err);
}

tm_status tm__input_open_stream(const char *path, size_t block_bytes,
                                const volatile _Atomic bool *cancel, tm_input **out, tm_err *err) {
    const size_t size = block_bytes < PACKED_BYTES ? block_bytes : PACKED_BYTES;
    tm_input *const input = tm__mem_zalloc(1, sizeof(*input));
    uint8_t *const packed = tm__mem_alloc(size, 1);
    tm_status st = TM_OK;
    if (input == NULL || packed == NULL) {
        tm__mem_free(input);
        tm__mem_free(packed);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", path);
    }
    TM_ASSERT(size >= 16); /* the first bytes tell the packing */
    input->cancel = cancel;
    input->packed = packed;
    input->packed_size = size;
    (void)tm__str_copy(input->path, sizeof(input->path), tm__str(path));
    st = tm__file_open(path, TM_OPEN_READ, &input->file, err);
    if (st == TM_OK) {
        st = open_packing(input, err);
    }
    if (st != TM_OK) {
        tm__input_close(input);
        return st;
    }
    *out = input;
    return TM_OK;
}

static tm_status damaged(const tm_input *input, const char *how, tm_err *err) {
    (void)TM_FAIL(err, TM_E_DATA, "the packed data are %s", how);
    tm_err_at(err, input->path, 0, 0);
    tm_err_hint(err, "Copy or download the file again.");
    return TM_E_DATA;
}

static tm_status unpack_gzip(tm_input *input, uint8_t *out, size_t len, size_t *out_len,
                             tm_err *err) {
    z_stream *const z = &input->gzip;
    z->next_in = input->packed + input->packed_pos;
    z->avail_in = (uInt)(input->packed_len - input->packed_pos);
    z->next_out = out;
    z->avail_out = (uInt)len;
    const int code = input->zlib.run(z, Z_NO_FLUSH);
    if (code == Z_MEM_ERROR) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while unpacking a file");
    }
    input->packed_pos = input->packed_len - z->avail_in;
    *out_len = len - z->avail_out;
    if (code == Z_STREAM_END) {
        input->is_open = false;
        return input->zlib.reset(z) == Z_OK ? TM_OK : damaged(input, "damaged", err);
    }
    input->is_open = true;
    return code == Z_OK || code == Z_BUF_ERROR ? TM_OK : damaged(input, "damaged", err);
}

static tm_status unpack_zstd(tm_input *input, uint8_t *out, size_t len, size_t *out_len,
                             tm_err *err) {
    ZSTD_inBuffer from = {input->packed, input->packed_len, input->packed_pos};
    ZSTD_outBuffer to = {out, len, 0};
    const size_t left = ZSTD_decompressStream(input->zstd, &to, &from);
    if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while unpacking a file");
    }
    if (ZSTD_isError(left)) {
        return damaged(input, "damaged", err);
    }
    input->packed_pos = from.pos;
    input->is_open = left != 0;
    *out_len = to.pos;
    return TM_OK;
}

static tm_status unpack(tm_input *input, uint8_t *out, size_t len, size_t *out_len, tm_err *err) {
    if (input->packing == GZIP) {
        return unpack_gzip(input, out, len, out_len, err);
    }
    if (input->packing == ZSTANDARD) {
        return unpack_zstd(input, out, len, out_len, err);
    }
    const size_t n = input->packed_len - input->packed_pos;
    *out_len = n < len ? n : len;
    memcpy(out, input->packed + input->packed_pos, *out_len);
    input->packed_pos += *out_len;
    return TM_OK;
}

tm_status tm__input_read(tm_input *input, void *out, size_t len, size_t *out_len, tm_err *err) {
    const size_t n_head = input->head_len - input->head_pos;
    size_t got = n_head < len ? n_head : len;
    if (got > 0) {
        memcpy(out, input->head + input->head_pos, got);
        input->head_pos += got;
    }
    /* zlib counts in 32 bits. */
    len = len > (1u << 30) ? 1u << 30 : len;
    while (got < len) {
        size_t n = 0;
        TM_TRY(refill(input, err));
        const bool is_drained = input->packed_pos == input->packed_len;
        if (is_drained && !input->is_open) {
            break;
        }
        /* An open frame may still hold bytes that did not fit before. */
        TM_TRY(unpack(input, (uint8_t *)out + got, len - got, &n, err));
        got += n;
        if (is_drained && n == 0 && input->is_open) {
            return damaged(input, "cut short", err);
        }
    }
    *out_len = got;
    return TM_OK;
}

tm_status tm__input_peek(tm_input *input, size_t len, const char **out, size_t *out_len,
                         tm_err *err) {
    TM_ASSERT(input->head == NULL);
    uint8_t *const head = tm__mem_alloc(len, 1);
    if (head == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "no memory to read '%s'", input->path);
    }
    const tm_status st = tm__input_read(input, head, len, out_len, err);
    if (st != TM_OK) {
        tm__mem_free(head);
        return st;
    }
    input->head = head;
    input->head_len = *out_len;
    *out = (const char *)head;
    return TM_OK;
}

uint64_t tm__input_pos(const tm_input *input) {
    return input->pos;
}

void tm__input_close(tm_input *input) {
    if (input == NULL) {
        return;
    }
    if (input->has_zlib_state) {
        (void)input->zlib.end(&input->gzip);
    }
    if (input->zlib_module != NULL) {
        tm__module_close(input->zlib_module);
    }
    (void)ZSTD_freeDCtx(input->zstd);
    if (input->file != NULL) {
        tm__file_close(input->file);
    }
    tm__mem_free(input->head);
    tm__mem_free(input->packed);
    tm__mem_free(input);
}
