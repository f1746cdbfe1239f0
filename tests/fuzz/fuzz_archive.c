/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any tar as a backup. Frames and trailer are made here, with the checksums that they need, so that
 * the bytes reach the reader's own checks: the input is cut into frames, each a u16 length and its
 * bytes; the trailer counts what the first byte says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "base/hash.h"
#include "store/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_MAX 65536u

static void put(int fd, tm_hasher *hasher, const void *data, size_t len) {
    tm__hasher_update(hasher, data, len);
    if (write(fd, data, len) != (ssize_t)len) {
        abort();
    }
}

static void put_frames(int fd, tm_hasher *hasher, const uint8_t *data, size_t len) {
    static uint8_t packed[2 * INPUT_MAX];
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, -5);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    while (len > 2) {
        size_t n = (size_t)data[0] | (size_t)data[1] << 8;
        n = n > len - 2 ? len - 2 : n;
        const size_t size = ZSTD_compress2(zstd, packed, sizeof(packed), data + 2, n);
        if (ZSTD_isError(size)) {
            abort();
        }
        put(fd, hasher, packed, size);
        data += 2 + n;
        len -= 2 + n;
    }
    ZSTD_freeCCtx(zstd);
}

static void put_trailer(int fd, tm_hasher *hasher, uint8_t n_members, uint64_t content_bytes) {
    uint8_t trailer[32] = {0x50, 0x2A, 0x4D, 0x18, 56,  0, 0, 0, 'T', 'M',      'B',
                           'A',  'C',  'K',  'U',  'P', 1, 0, 0, 0,   n_members};
    tm_hash hash;
    memcpy(trailer + 24, &content_bytes, 8);
    put(fd, hasher, trailer, sizeof(trailer));
    tm__hasher_final(hasher, &hash);
    if (write(fd, hash.bytes, sizeof(hash.bytes)) != (ssize_t)sizeof(hash.bytes)) {
        abort();
    }
}

static tm_status read_all(const char *path, tm_err *err) {
    static uint8_t chunk[10000];
    tm_archive *archive = NULL;
    tm_archive_info info;
    const tm_member *member = NULL;
    bool has_member = true;
    uint32_t n_members = 0;
    tm_status st = tm__archive_open(path, NULL, &archive, &info, err);
    while (st == TM_OK) {
        size_t n = 0;
        st = tm__archive_next(archive, &member, &has_member, err);
        if (st != TM_OK || !has_member) {
            break;
        }
        n_members++;
        if (member->name[0] == '/' || strstr(member->name, "..") != NULL) {
            abort();
        }
        st = tm__archive_read(archive, chunk, sizeof(chunk), &n, err);
    }
    if (st == TM_OK && n_members != info.n_members) {
        abort();
    }
    tm__archive_close(archive);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_err err = {0};
    tm_hasher hasher;
    char path[64];
    if (len < 9 || len > INPUT_MAX) {
        return 0;
    }
    uint64_t content_bytes = 0;
    memcpy(&content_bytes, data + 1, 8);
    const int fd = memfd_create("backup", MFD_CLOEXEC);
    if (fd < 0) {
        abort();
    }
    tm__hasher_init(&hasher);
    put_frames(fd, &hasher, data + 9, len - 9);
    put_trailer(fd, &hasher, data[0], content_bytes);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (read_all(path, &err) != TM_OK && err.message[0] == '\0') {
        abort();
    }
    close(fd);
    return 0;
}
