/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup file.
 *
 *   | frame: tar header, bytes, zeros | ... one a member | frame: 1,024 zeros | trailer, 64 bytes |
 *
 * 1. A frame is Zstandard with its own checksum, so that damage has the name of a member.
 * 2. The trailer is a skippable frame: tools for .tar.zst read such a file and pass over it. It
 *    stands at the end alone, so a file that was not written to its end has none.
 * 3. The hash in the trailer covers every byte before it, also those that decide nothing.
 * 4. The reader takes nothing for granted: names, sizes and types are checked, frames end where
 *    their member does, and no buffer grows with what the file says.
 */
#include "store/archive.h"

#include <stdio.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "guard/seal.h"

#define BLOCK 512u
#define CHUNK ((size_t)1 << 16)
#define LEVEL 3       /* 2 to 3 times as fast as 9, and most of what is saved is packed already */
#define WINDOW_LOG 23 /* 8 MiB; level 3 needs less */
#define SKIPPABLE 0x184D2A50u
#define MAGIC "TMBACKUP"
#define SEALED_NAME "tidemill.backup" /* whatever its file is called */

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* The closed form of names: no absolute path, no "..", nothing that a shell or a file system
 * reads in a way of its own. */
static bool is_name(const char *name) {
    const size_t len = strlen(name);
    bool is_good = len > 0 && len <= TM_ARCHIVE_NAME_MAX && name[len - 1] != '/';
    for (size_t i = 0; is_good && i < len; i++) {
        const char c = name[i];
        const bool is_word = tm__is_alnum(c) || c == '_' || c == '-';
        const bool is_first = i == 0 || name[i - 1] == '/';
        is_good = is_word || (!is_first && (c == '.' || c == '/'));
    }
    return is_good;
}

static size_t padding(uint64_t size_bytes) {
    return (size_t)((BLOCK - size_bytes % BLOCK) % BLOCK);
}

/* ---- Tar headers ---- */

#define AT_MODE 100
#define AT_UID 108
#define AT_GID 116
#define AT_SIZE 124
#define AT_TIME 136
#define AT_SUM 148
#define AT_TYPE 156
#define AT_MAGIC 257

/* A number as octal digits and a NUL; the size of a file from 8 GiB on in base 256. */
static void put_octal(uint8_t *field, size_t width, uint64_t value) {
    for (size_t i = width - 1; i-- > 0;) {
        field[i] = (uint8_t)('0' + (value & 7));
        value >>= 3;
    }
    TM_ASSERT(value == 0);
}

static void put_size(uint8_t *field, uint64_t value) {
    if (value < (UINT64_C(1) << 33)) {
        put_octal(field, 12, value);
        return;
    }
    memset(field, 0, 12);
    field[0] = 0x80;
    for (size_t i = 11; i > 3; i--) {
        field[i] = (uint8_t)(value & 0xff);
        value >>= 8;
    }
}

/* The sum of a header's bytes with its own field taken as blanks. */
static uint32_t header_sum(const uint8_t *header) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < BLOCK; i++) {
        sum += i >= AT_SUM && i < AT_SUM + 8 ? ' ' : header[i];
    }
    return sum;
}

static void header_write(const tm_member *member, uint8_t *out) {
    const int64_t now_us = tm__now_us();
    memset(out, 0, BLOCK);
    memcpy(out, member->name, strlen(member->name));
    put_octal(out + AT_MODE, 8, 0600);
    put_octal(out + AT_UID, 8, 0);
    put_octal(out + AT_GID, 8, 0);
    put_size(out + AT_SIZE, member->size_bytes);
    put_octal(out + AT_TIME, 12, now_us > 0 ? (uint64_t)(now_us / 1000000) : 0);
    out[AT_TYPE] = '0';
    memcpy(out + AT_MAGIC,
           "ustar\0"
           "00",
           8);
    put_octal(out + AT_SUM, 7, header_sum(out));
    out[AT_SUM + 7] = ' ';
}

static bool get_octal(const uint8_t *field, size_t width, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i + 1 < width; i++) {
        if (field[i] < '0' || field[i] > '7') {
            return false;
        }
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    *out = value;
    return true;
}

static bool get_size(const uint8_t *field, uint64_t *out) {
    if (field[0] != 0x80) {
        return get_octal(field, 12, out);
    }
    uint64_t value = 0;
    for (size_t i = 4; i < 12; i++) {
        value = value << 8 | field[i];
    }
    *out = value;
    return (value >> 62) == 0;
}

static bool header_read(const uint8_t *header, tm_member *out) {
    uint64_t sum = 0;
    *out = (tm_member){.size_bytes = 0};
    memcpy(out->name, header, TM_ARCHIVE_NAME_MAX);
    return get_octal(header + AT_SUM, 7, &sum) && sum == header_sum(header) &&
           header[AT_TYPE] == '0' && memcmp(header + AT_MAGIC, "ustar", 6) == 0 &&
           header[99] == 0 && is_name(out->name) && get_size(header + AT_SIZE, &out->size_bytes);
}

/* ---- Writing ---- */

struct tm_archive_writer {
    char *path, *temp;
    tm_file *file;        /* NULL once it is closed */
    tm_seal_writer *seal; /* NULL: the file is plain */
    ZSTD_CCtx *zstd;
    tm_hasher hasher; /* of the file so far */
    uint64_t size_bytes, content_bytes;
    uint32_t n_members;
    bool is_published;
    uint8_t in[CHUNK], out[CHUNK];
};

tm_status tm__archive_create(const char *path, const tm_envelope_key *key, tm_archive_writer **out,
                             tm_err *err) {
    tm_status st = TM_OK;
    uint64_t number = 0;
    tm__random_bytes(&number, sizeof(number));
    const size_t size = strlen(path) + 32;
    tm_archive_writer *writer = tm__mem_zalloc(1, sizeof(*writer));
    if (writer == NULL) {
        return no_memory(err);
    }
    char *temp = tm__mem_alloc(size, 1);
    writer->path = tm__mem_strdup(path);
    writer->zstd = ZSTD_createCCtx();
    if (temp == NULL || writer->path == NULL || writer->zstd == NULL) {
        st = no_memory(err);
        goto out;
    }
    tm__hasher_init(&writer->hasher);
    (void)ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, LEVEL);
    (void)ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1);
    (void)snprintf(temp, size, "%s.tmp-%016llx", path, (unsigned long long)number);
    st = tm__file_open(temp, TM_OPEN_CREATE, &writer->file, err);
    if (st == TM_OK) {
        writer->temp = temp;
        temp = NULL;
        st = key == NULL
                 ? TM_OK
                 : tm__seal_writer_create(key, SEALED_NAME, writer->file, &writer->seal, err);
    }
    if (st == TM_OK) {
        *out = writer;
        writer = NULL;
    }
out:
    tm__mem_free(temp);
    tm__archive_writer_close(writer);
    return st;
}

static tm_status write_bytes(tm_archive_writer *writer, const void *data, size_t len, tm_err *err) {
    return writer->seal == NULL ? tm__file_write(writer->file, data, len, err)
                                : tm__seal_write(writer->seal, data, len, err);
}

static tm_status write_raw(tm_archive_writer *writer, const void *data, size_t len, tm_err *err) {
    TM_TRY(write_bytes(writer, data, len, err));
    tm__hasher_update(&writer->hasher, data, len);
    writer->size_bytes += len;
    return TM_OK;
}

/* Compress bytes of the current frame; end closes it. */
static tm_status write_packed(tm_archive_writer *writer, const void *data, size_t len, bool end,
                              tm_err *err) {
    ZSTD_inBuffer in = {data, len, 0};
    for (;;) {
        ZSTD_outBuffer out = {writer->out, sizeof(writer->out), 0};
        const size_t left =
            ZSTD_compressStream2(writer->zstd, &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            return no_memory(err); /* the one way that compressing fails */
        }
        TM_TRY(write_raw(writer, writer->out, out.pos, err));
        if (end ? left == 0 : in.pos == in.size) {
            return TM_OK;
        }
    }
}

static tm_status member_begin(tm_archive_writer *writer, const tm_member *member, tm_err *err) {
    uint8_t header[BLOCK];
    const uint64_t frame = BLOCK + member->size_bytes + padding(member->size_bytes);
    header_write(member, header);
    if (ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(writer->zstd, frame))) {
        return no_memory(err);
    }
    return write_packed(writer, header, BLOCK, false, err);
}

static tm_status member_end(tm_archive_writer *writer, const tm_member *member, tm_err *err) {
    static const uint8_t zeros[BLOCK];
    TM_TRY(write_packed(writer, zeros, padding(member->size_bytes), true, err));
    writer->content_bytes += member->size_bytes;
    writer->n_members++;
    return TM_OK;
}

static tm_member member_of(const char *name, uint64_t size_bytes) {
    tm_member member = {.size_bytes = size_bytes};
    TM_ASSERT(is_name(name));
    memcpy(member.name, name, strlen(name) + 1);
    return member;
}

static tm_status copy_file(tm_archive_writer *writer, const tm_ctx *ctx, tm_file *file,
                           tm_member *member, tm_err *err) {
    tm_hasher hasher;
    uint64_t left = member->size_bytes;
    tm__hasher_init(&hasher);
    for (size_t n = CHUNK; n == CHUNK;) {
        TM_TRY(tm__file_read(file, writer->in, CHUNK, &n, err));
        if (n > left || (n < CHUNK && n != left)) {
            return TM_FAIL(err, TM_E_CONFLICT, "'%s' changed while it was copied", member->name);
        }
        if (tm__ctx_cancelled(ctx)) {
            return TM_FAIL(err, TM_E_CANCELLED, "the backup was stopped");
        }
        left -= n;
        tm__hasher_update(&hasher, writer->in, n);
        TM_TRY(write_packed(writer, writer->in, n, false, err));
    }
    tm__hasher_final(&hasher, &member->hash);
    return TM_OK;
}

tm_status tm__archive_add_file(tm_archive_writer *writer, const tm_ctx *ctx, const char *name,
                               const char *path, tm_member *out_member, tm_err *err) {
    tm_file *file = NULL;
    tm_member member = member_of(name, tm__fs_info(path).size_bytes);
    TM_TRY(tm__file_open(path, TM_OPEN_READ, &file, err));
    tm_status st = member_begin(writer, &member, err);
    if (st == TM_OK) {
        st = copy_file(writer, ctx, file, &member, err);
    }
    tm__file_close(file);
    if (st == TM_OK) {
        st = member_end(writer, &member, err);
    }
    if (st == TM_OK) {
        *out_member = member;
    }
    return st;
}

tm_status tm__archive_add(tm_archive_writer *writer, const char *name, const void *data, size_t len,
                          tm_err *err) {
    const tm_member member = member_of(name, len);
    TM_TRY(member_begin(writer, &member, err));
    TM_TRY(write_packed(writer, data, len, false, err));
    return member_end(writer, &member, err);
}

/* The end of the tar and the trailer. */
static tm_status write_end(tm_archive_writer *writer, tm_hash *out_hash, tm_err *err) {
    static const uint8_t zeros[2 * BLOCK];
    tm_buf trailer;
    tm__buf_init(&trailer, TM_ARCHIVE_TRAILER);
    tm_status st = write_packed(writer, zeros, sizeof(zeros), true, err);
    tm__buf_u32(&trailer, SKIPPABLE);
    tm__buf_u32(&trailer, TM_ARCHIVE_TRAILER - 8);
    tm__buf_append(&trailer, MAGIC, 8);
    tm__buf_u32(&trailer, TM_ARCHIVE_FORMAT);
    tm__buf_u32(&trailer, writer->n_members);
    tm__buf_u64(&trailer, writer->content_bytes);
    if (st == TM_OK && trailer.failed) {
        st = no_memory(err);
    }
    if (st == TM_OK) {
        st = write_raw(writer, trailer.data, trailer.len, err);
    }
    if (st == TM_OK) {
        tm__hasher_final(&writer->hasher, out_hash);
        st = write_bytes(writer, out_hash->bytes, TM_HASH_BYTES, err);
        writer->size_bytes += TM_HASH_BYTES;
    }
    if (st == TM_OK && writer->seal != NULL) {
        st = tm__seal_write_end(writer->seal, err);
    }
    tm__buf_done(&trailer);
    return st;
}

tm_status tm__archive_publish(tm_archive_writer *writer, uint64_t *out_size_bytes,
                              tm_hash *out_hash, tm_err *err) {
    tm_hash hash;
    TM_TRY(write_end(writer, &hash, err));
    TM_TRY(tm__file_sync(writer->file, err));
    tm__file_close(writer->file);
    writer->file = NULL;
    if (tm__fs_info(writer->path).kind != TM_PATH_NONE) {
        const tm_status st = TM_FAIL(err, TM_E_CONFLICT, "'%s' came to be meanwhile", writer->path);
        tm_err_hint(err, "Choose another name.");
        return st;
    }
    TM_TRY(tm__fs_move(writer->temp, writer->path, err));
    writer->is_published = true;
    *out_size_bytes = writer->size_bytes;
    *out_hash = hash;
    return TM_OK;
}

void tm__archive_writer_close(tm_archive_writer *writer) {
    if (writer == NULL) {
        return;
    }
    tm__file_close(writer->file);
    tm__seal_writer_free(writer->seal);
    if (writer->temp != NULL && !writer->is_published) {
        const tm_status removed = tm__fs_remove(writer->temp, NULL);
        (void)removed; /* nothing takes it for a backup */
    }
    (void)ZSTD_freeCCtx(writer->zstd);
    tm__mem_free(writer->temp);
    tm__mem_free(writer->path);
    tm__mem_free(writer);
}

/* ---- Reading ---- */

struct tm_archive {
    char *path;
    tm_file *file;
    tm_map map;           /* of a sealed file, and its */
    tm_seal_reader *seal; /* reader; NULL of a plain one */
    ZSTD_DCtx *zstd;
    tm_hasher hasher;     /* of the file so far */
    uint64_t packed_left; /* bytes of frames not yet read from the file */
    tm_archive_info info;
    uint8_t trailer[TM_ARCHIVE_TRAILER];
    tm_member member;
    uint64_t member_left; /* bytes of the member not yet given */
    uint64_t content_bytes;
    uint32_t n_members;
    bool in_member, frame_is_done;
    tm_hasher member_hasher;
    ZSTD_inBuffer in;
    uint8_t packed[CHUNK], rest[CHUNK];
};

tm_status tm__archive_fail(const char *path, const char *place, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_INTEGRITY, "the backup is damaged in %s", place);
    tm_err_hint(err, "Use another copy of it, or an older backup.");
    tm_err_at(err, path, 0, 0);
    return st;
}

static tm_status member_damaged(const tm_archive *archive, tm_err *err) {
    char place[TM_ARCHIVE_NAME_MAX + 8];
    if (!archive->in_member) {
        (void)snprintf(place, sizeof(place), "the header of file %u", archive->n_members + 1);
    } else {
        (void)snprintf(place, sizeof(place), "'%s'", archive->member.name);
    }
    return tm__archive_fail(archive->path, place, err);
}

static tm_status trailer_check(tm_archive *archive, tm_err *err) {
    tm_reader reader;
    tm__reader_init(&reader, archive->trailer, TM_ARCHIVE_TRAILER);
    const bool is_skippable =
        tm__reader_u32(&reader) == SKIPPABLE && tm__reader_u32(&reader) == TM_ARCHIVE_TRAILER - 8;
    const void *magic = tm__reader_view(&reader, 8, 1);
    if (!is_skippable || memcmp(magic, MAGIC, 8) != 0) {
        return tm__archive_fail(archive->path, "its end, which is missing or changed", err);
    }
    const uint32_t format = tm__reader_u32(&reader);
    if (format != TM_ARCHIVE_FORMAT) {
        const tm_status st = TM_FAIL(
            err, TM_E_UNSUPPORTED, "this is a backup of format %u and this program knows up to %u",
            format, TM_ARCHIVE_FORMAT);
        tm_err_hint(err, "Use the release of tidemill that wrote it, or a newer one.");
        tm_err_at(err, archive->path, 0, 0);
        return st;
    }
    archive->info.n_members = tm__reader_u32(&reader);
    archive->info.content_bytes = tm__reader_u64(&reader);
    memcpy(archive->info.hash.bytes, tm__reader_view(&reader, TM_HASH_BYTES, 1), TM_HASH_BYTES);
    return TM_OK;
}

static tm_status read_bytes(tm_archive *archive, void *out, size_t len, size_t *out_len,
                            tm_err *err) {
    return archive->seal == NULL ? tm__file_read(archive->file, out, len, out_len, err)
                                 : tm__seal_read(archive->seal, out, len, out_len, err);
}

static tm_status seal_open(tm_archive *archive, const tm_envelope_ring *ring, tm_err *err) {
    const tm_envelope_ring none = {0};
    const tm_sealed sealed = {.data = archive->map.data,
                              .len = archive->map.len,
                              .name = SEALED_NAME,
                              .path = archive->path};
    tm__seal_reader_free(archive->seal);
    archive->seal = NULL;
    return tm__seal_reader_create(ring == NULL ? &none : ring, &sealed, &archive->seal, err);
}

/* What a sealed file holds, checked to its last byte once before it is read again: its length, and
 * its last bytes in the trailer. */
static tm_status sealed_ends(tm_archive *archive, const tm_envelope_ring *ring, uint8_t first[4],
                             tm_err *err) {
    uint64_t len = 0;
    TM_TRY(seal_open(archive, ring, err));
    for (size_t n = CHUNK; n == CHUNK; len += n) {
        TM_TRY(tm__seal_read(archive->seal, archive->rest, CHUNK, &n, err));
        const size_t kept = n < TM_ARCHIVE_TRAILER ? n : TM_ARCHIVE_TRAILER;
        memmove(archive->trailer, archive->trailer + kept, TM_ARCHIVE_TRAILER - kept);
        memcpy(archive->trailer + TM_ARCHIVE_TRAILER - kept, archive->rest + n - kept, kept);
        memcpy(first, len == 0 && n >= 4 ? archive->rest : first, 4);
    }
    archive->info.size_bytes = len;
    return seal_open(archive, ring, err);
}

static void plain_ends(tm_archive *archive, const tm_map *map, uint8_t first[4]) {
    if (map->len >= TM_ARCHIVE_TRAILER) {
        memcpy(archive->trailer, map->data + map->len - TM_ARCHIVE_TRAILER, TM_ARCHIVE_TRAILER);
    }
    if (map->len >= 4) {
        memcpy(first, map->data, 4);
    }
    archive->info.size_bytes = map->len;
}

/* First and last bytes: whether this is a backup, and whether it is one of ours. */
static tm_status ends_read(tm_archive *archive, const tm_envelope_ring *ring, tm_err *err) {
    static const uint8_t magic[4] = {0x28, 0xB5, 0x2F, 0xFD}; /* a Zstandard frame */
    uint8_t first[4] = {0};
    TM_TRY(tm__map_open(archive->path, &archive->map, err));
    const bool is_sealed = tm__seal_is_sealed(archive->map.data, archive->map.len);
    if (is_sealed) {
        TM_TRY(sealed_ends(archive, ring, first, err));
    } else {
        plain_ends(archive, &archive->map, first);
        tm__map_close(&archive->map);
    }
    if (archive->info.size_bytes > TM_ARCHIVE_TRAILER &&
        memcmp(archive->trailer + 8, MAGIC, 8) == 0) {
        return TM_OK;
    }
    if (memcmp(first, magic, sizeof(magic)) == 0) {
        return tm__archive_fail(archive->path, "its end, which is missing or changed", err);
    }
    const tm_status st = TM_FAIL(err, TM_E_DATA, "this is no backup of tidemill");
    tm_err_hint(err, "Name a file that 'tidemill backup' wrote.");
    tm_err_at(err, archive->path, 0, 0);
    return st;
}

tm_status tm__archive_open(const char *path, const tm_envelope_ring *ring, tm_archive **out,
                           tm_archive_info *out_info, tm_err *err) {
    tm_status st = TM_OK;
    tm_archive *archive = tm__mem_zalloc(1, sizeof(*archive));
    if (archive == NULL) {
        return no_memory(err);
    }
    archive->path = tm__mem_strdup(path);
    archive->zstd = ZSTD_createDCtx();
    if (archive->path == NULL || archive->zstd == NULL) {
        st = no_memory(err);
        goto out;
    }
    tm__hasher_init(&archive->hasher);
    (void)ZSTD_DCtx_setParameter(archive->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
    st = tm__file_open(path, TM_OPEN_READ, &archive->file, err);
    if (st == TM_OK) {
        st = ends_read(archive, ring, err);
    }
    if (st == TM_OK) {
        st = trailer_check(archive, err);
    }
    if (st == TM_OK) {
        archive->packed_left = archive->info.size_bytes - TM_ARCHIVE_TRAILER;
        archive->frame_is_done = true;
        *out_info = archive->info;
        *out = archive;
        archive = NULL;
    }
out:
    tm__archive_close(archive);
    return st;
}

/* More packed bytes when none are left; *out_is_end at the trailer. */
static tm_status packed_fill(tm_archive *archive, bool *out_is_end, tm_err *err) {
    *out_is_end = false;
    if (archive->in.pos < archive->in.size) {
        return TM_OK;
    }
    const size_t want = archive->packed_left < CHUNK ? (size_t)archive->packed_left : CHUNK;
    size_t n = 0;
    TM_TRY(read_bytes(archive, archive->packed, want, &n, err));
    if (n != want) {
        return tm__archive_fail(archive->path, "its end: it became shorter while it was read", err);
    }
    tm__hasher_update(&archive->hasher, archive->packed, n);
    archive->packed_left -= n;
    archive->in = (ZSTD_inBuffer){archive->packed, n, 0};
    *out_is_end = n == 0;
    return TM_OK;
}

/* Exactly len unpacked bytes of the current frame. */
static tm_status unpack(tm_archive *archive, void *out, size_t len, tm_err *err) {
    ZSTD_outBuffer to = {out, len, 0};
    while (to.pos < len) {
        bool is_end = false;
        if (archive->frame_is_done) {
            return member_damaged(archive, err); /* it is shorter than it says */
        }
        TM_TRY(packed_fill(archive, &is_end, err));
        const size_t left = ZSTD_decompressStream(archive->zstd, &to, &archive->in);
        if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory while unpacking the backup");
        }
        if (ZSTD_isError(left) || (is_end && left != 0 && to.pos < len)) {
            return member_damaged(archive, err);
        }
        archive->frame_is_done = left == 0;
    }
    return TM_OK;
}

/* The frame ends here: what follows its last byte is its checksum. */
static tm_status frame_end(tm_archive *archive, tm_err *err) {
    while (!archive->frame_is_done) {
        bool is_end = false;
        ZSTD_outBuffer none = {NULL, 0, 0};
        TM_TRY(packed_fill(archive, &is_end, err));
        const size_t before = archive->in.pos;
        const size_t left = ZSTD_decompressStream(archive->zstd, &none, &archive->in);
        if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory while unpacking the backup");
        }
        if (ZSTD_isError(left) || (left != 0 && archive->in.pos == before)) {
            return member_damaged(archive, err);
        }
        archive->frame_is_done = left == 0;
    }
    return TM_OK;
}

tm_status tm__archive_read(tm_archive *archive, void *out, size_t len, size_t *out_len,
                           tm_err *err) {
    uint8_t zeros[BLOCK];
    const size_t n = archive->member_left < len ? (size_t)archive->member_left : len;
    if (!archive->in_member) {
        *out_len = 0;
        return TM_OK;
    }
    TM_TRY(unpack(archive, out, n, err));
    tm__hasher_update(&archive->member_hasher, out, n);
    archive->member_left -= n;
    if (archive->member_left == 0 && n < len) {
        TM_TRY(unpack(archive, zeros, padding(archive->member.size_bytes), err));
        TM_TRY(frame_end(archive, err));
        tm__hasher_final(&archive->member_hasher, &archive->member.hash);
        archive->in_member = false;
        archive->n_members++;
        archive->content_bytes += archive->member.size_bytes;
    }
    *out_len = n;
    return TM_OK;
}

static tm_status whole_check(tm_archive *archive, tm_err *err) {
    uint8_t zeros[BLOCK];
    bool is_end = false;
    tm_hash hash;
    TM_TRY(unpack(archive, zeros, BLOCK, err));
    TM_TRY(frame_end(archive, err));
    TM_TRY(packed_fill(archive, &is_end, err));
    tm__hasher_update(&archive->hasher, archive->trailer, TM_ARCHIVE_TRAILER - TM_HASH_BYTES);
    tm__hasher_final(&archive->hasher, &hash);
    if (!is_end || archive->n_members != archive->info.n_members ||
        archive->content_bytes != archive->info.content_bytes ||
        !tm__hash_eq(&hash, &archive->info.hash)) {
        return tm__archive_fail(archive->path, "a byte outside its files", err);
    }
    return TM_OK;
}

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

tm_status tm__archive_next(tm_archive *archive, const tm_member **out_member, bool *out_has_member,
                           tm_err *err) {
    uint8_t header[BLOCK];
    while (archive->in_member) {
        size_t n = 0;
        TM_TRY(tm__archive_read(archive, archive->rest, sizeof(archive->rest), &n, err));
    }
    archive->frame_is_done = false;
    TM_TRY(unpack(archive, header, BLOCK, err));
    if (is_zero(header, BLOCK)) {
        TM_TRY(whole_check(archive, err));
        *out_has_member = false;
        return TM_OK;
    }
    if (!header_read(header, &archive->member)) {
        return member_damaged(archive, err);
    }
    archive->in_member = true;
    archive->member_left = archive->member.size_bytes;
    tm__hasher_init(&archive->member_hasher);
    *out_member = &archive->member;
    *out_has_member = true;
    return TM_OK;
}

void tm__archive_close(tm_archive *archive) {
    if (archive != NULL) {
        tm__file_close(archive->file);
        tm__seal_reader_free(archive->seal);
        tm__map_close(&archive->map);
        (void)ZSTD_freeDCtx(archive->zstd);
        tm__mem_free(archive->path);
        tm__mem_free(archive);
    }
}
