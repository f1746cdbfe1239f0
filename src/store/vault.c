/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed files of a home.
 *
 * 1. Nothing of it is kept between calls: encryption.json and the key are read at each, some tens
 *    of microseconds beside the milliseconds that writing or reading a file takes. So a key that
 * was put in place is used by a server that runs already, and keys are in memory no longer than a
 *    call.
 * 2. A home is found from a path: encryption.json lies in the folder of the file, or one or two
 *    above it (segments/<source>/<file>).
 * 3. Plain bytes are never written to a disk on the way: what is opened is in memory, sealed
 * against changes, and what is sealed goes straight into the temporary beside its place.
 */
#include "store/vault.h"

#include <string.h>

#include "base/fs_memory.h"
#include "base/mem.h"

#define COPY_BYTES ((size_t)1 << 20)

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory for sealed files");
}

static const char *name_of(const char *path) {
    const char *const slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* ---- Writing ---- */

/* What is to be sealed: bytes, or else a file. */
typedef struct input {
    const void *data;
    size_t len;
    const char *from;
} input;

static tm_status seal_file(const char *from, tm_seal_writer *writer, tm_err *err) {
    tm_file *file = NULL;
    TM_TRY(tm__file_open(from, TM_OPEN_READ, &file, err));
    uint8_t *const chunk = tm__mem_alloc(COPY_BYTES, 1);
    tm_status st = chunk == NULL ? no_memory(err) : TM_OK;
    for (size_t n = COPY_BYTES; st == TM_OK && n == COPY_BYTES;) {
        st = tm__file_read(file, chunk, COPY_BYTES, &n, err);
        st = st == TM_OK ? tm__seal_write(writer, chunk, n, err) : st;
    }
    tm__mem_free(chunk);
    tm__file_close(file);
    return st;
}

static tm_status write_sealed(const tm_envelope_key *key, const input *in, const char *name,
                              tm_file *to, tm_err *err) {
    tm_seal_writer *writer = NULL;
    TM_TRY(tm__seal_writer_create(key, name, to, &writer, err));
    tm_status st = in->from != NULL ? seal_file(in->from, writer, err)
                                    : tm__seal_write(writer, in->data, in->len, err);
    st = st == TM_OK ? tm__seal_write_end(writer, err) : st;
    tm__seal_writer_free(writer);
    return st;
}

static tm_status publish_sealed(const tm_envelope_key *key, const input *in, const char *path,
                                tm_err *err) {
    tm_file *memory = NULL;
    TM_TRY(tm__memory_file_open(&memory, err));
    tm_status st = write_sealed(key, in, name_of(path), memory, err);
    st = st == TM_OK ? tm__fs_publish_file(tm__file_path(memory), path, err) : st;
    tm__file_close(memory);
    return st;
}

tm_status tm__vault_publish(const char *path, const void *data, size_t len, tm_err *err) {
    tm_envelope_ring ring;
    TM_TRY(tm__vault_ring(path, &ring, err));
    const input in = {.data = data, .len = len};
    const tm_status st = ring.n == 0 ? tm__fs_publish(path, data, len, err)
                                     : publish_sealed(&ring.keys[0], &in, path, err);
    tm__envelope_ring_done(&ring);
    return st;
}

tm_status tm__vault_publish_file(const char *from, const char *path, tm_err *err) {
    tm_envelope_ring ring;
    TM_TRY(tm__vault_ring(path, &ring, err));
    const input in = {.from = from};
    const tm_status st = ring.n == 0 ? tm__fs_publish_file(from, path, err)
                                     : publish_sealed(&ring.keys[0], &in, path, err);
    tm__envelope_ring_done(&ring);
    return st;
}

/* ---- Reading ---- */

static tm_status unseal(const tm_sealed *sealed, tm_file *to, tm_err *err) {
    tm_envelope_ring ring;
    tm_seal_reader *reader = NULL;
    TM_TRY(tm__vault_ring(sealed->path, &ring, err));
    tm_status st = tm__seal_reader_create(&ring, sealed, &reader, err);
    tm__envelope_ring_done(&ring);
    if (st != TM_OK) {
        return st;
    }
    uint8_t *const chunk = tm__mem_alloc(COPY_BYTES, 1);
    st = chunk == NULL ? no_memory(err) : TM_OK;
    for (size_t n = COPY_BYTES; st == TM_OK && n == COPY_BYTES;) {
        st = tm__seal_read(reader, chunk, COPY_BYTES, &n, err);
        st = st == TM_OK ? tm__file_write(to, chunk, n, err) : st;
    }
    tm__mem_free(chunk);
    tm__seal_reader_free(reader);
    return st;
}

/* A file in memory with what a mapped file holds; *out NULL when that is plain. */
static tm_status open_memory(const char *path, const tm_map *map, tm_file **out, tm_err *err) {
    const tm_sealed sealed = {
        .data = map->data, .len = map->len, .name = name_of(path), .path = path};
    tm_file *memory = NULL;
    *out = NULL;
    if (!tm__seal_is_sealed(map->data, map->len)) {
        return TM_OK;
    }
    tm_status st = tm__memory_file_open(&memory, err);
    st = st == TM_OK ? unseal(&sealed, memory, err) : st;
    st = st == TM_OK ? tm__memory_file_seal(memory, err) : st;
    if (st != TM_OK) {
        tm__file_close(memory);
        return st;
    }
    *out = memory;
    return TM_OK;
}

tm_status tm__vault_view_open(const char *path, tm_vault_view *out, tm_err *err) {
    tm_map map = {0};
    tm_vault_view view = {0};
    TM_TRY(tm__map_open(path, &map, err));
    tm_status st = open_memory(path, &map, &view.memory, err);
    tm__map_close(&map);
    if (st == TM_OK) {
        view.path = tm__mem_strdup(view.memory == NULL ? path : tm__file_path(view.memory));
        st = view.path == NULL ? no_memory(err) : TM_OK;
    }
    if (st != TM_OK) {
        tm__vault_view_close(&view);
        return st;
    }
    *out = view;
    return TM_OK;
}

void tm__vault_view_close(tm_vault_view *view) {
    tm__file_close(view->memory);
    tm__mem_free(view->path);
    *view = (tm_vault_view){0};
}

tm_status tm__vault_map_open(const char *path, tm_map *out_map, tm_err *err) {
    tm_map map = {0}, plain = {0};
    tm_file *memory = NULL;
    TM_TRY(tm__map_open(path, &map, err));
    tm_status st = open_memory(path, &map, &memory, err);
    if (st == TM_OK && memory == NULL) {
        *out_map = map;
        return TM_OK;
    }
    st = st == TM_OK ? tm__map_open(tm__file_path(memory), &plain, err) : st;
    if (st == TM_OK) {
        plain.id = map.id;
        *out_map = plain;
    }
    tm__map_close(&map);
    tm__file_close(memory); /* the mapping keeps its bytes */
    return st;
}

tm_status tm__vault_read_all(const char *path, tm_buf *buf, tm_err *err) {
    tm_vault_view view = {0};
    TM_TRY(tm__vault_view_open(path, &view, err));
    const tm_status st = tm__fs_read_all(view.path, buf, err);
    tm__vault_view_close(&view);
    return st;
}

/* ---- How files stand ---- */

tm_vault_look tm__vault_look_at(const void *head, size_t len) {
    tm_vault_look look = {0};
    uint8_t id[TM_ENVELOPE_ID_BYTES];
    if (len >= TM_SEAL_HEAD_BYTES && tm__seal_is_sealed(head, len)) {
        tm__seal_key_id(head, id);
        tm__envelope_id_to_text(id, look.key);
        look.is_sealed = true;
    }
    return look;
}

tm_status tm__vault_look(const char *path, tm_vault_look *out, tm_err *err) {
    uint8_t head[TM_SEAL_HEAD_BYTES];
    size_t n = 0;
    tm_file *file = NULL;
    *out = (tm_vault_look){0};
    if (tm__fs_info(path).kind != TM_PATH_FILE) {
        return TM_OK;
    }
    TM_TRY(tm__file_open(path, TM_OPEN_READ, &file, err));
    const tm_status st = tm__file_read(file, head, sizeof(head), &n, err);
    tm__file_close(file);
    if (st == TM_OK) {
        *out = tm__vault_look_at(head, n);
    }
    return st;
}

tm_status tm__vault_renew(const char *path, tm_err *err) {
    tm_vault_view view = {0};
    TM_TRY(tm__vault_view_open(path, &view, err));
    const tm_status st = tm__vault_publish_file(view.path, path, err);
    tm__vault_view_close(&view);
    return st;
}
