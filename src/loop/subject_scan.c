/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_scan.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/vault.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define DEPTH_MAX 4u /* segments/<source>/<file> */

typedef struct scan {
    const tm_needles *ids;
    const char *dir, *below; /* below: of dir in the home; "": itself */
    bool (*is_asked)(const char *entry);
    uint32_t depth;
    json_t *out;
    tm_status st;
    tm_err *err;
} scan;

static tm_status scan_folder(scan *s);

/* A file that is published whole, and may be sealed. */
static tm_status scan_whole(const scan *s, const char *path, bool *out_has, tm_err *err) {
    tm_map map = {0};
    TM_TRY(tm__vault_map_open(path, &map, err));
    *out_has = tm__needles_stand_in(s->ids, map.data, map.len);
    tm__map_close(&map);
    return TM_OK;
}

/* A file that others may cut while it is read: a map of it would end the process. */
static tm_status scan_changing(const scan *s, const char *path, bool *out_has, tm_err *err) {
    const size_t id_len = tm__needles_longest(s->ids);
    tm_file *file = NULL;
    uint8_t *const piece = tm__mem_alloc(PIECE_BYTES + id_len, 1);
    size_t kept = 0, n = 1;
    if (piece == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_status st = tm__file_open(path, TM_OPEN_READ, &file, err);
    while (st == TM_OK && n > 0 && !*out_has) {
        st = tm__file_read(file, piece + kept, PIECE_BYTES, &n, err);
        if (st == TM_OK) {
            const size_t len = kept + n;
            *out_has = tm__needles_stand_in(s->ids, piece, len);
            kept = len < id_len - 1 ? len : id_len - 1;
            memmove(piece, piece + len - kept, kept);
        }
    }
    tm__file_close(file);
    tm__mem_free(piece);
    return st;
}

static tm_status scan_file(const scan *s, const char *path, const char *name, tm_err *err) {
    bool has = false;
    tm_err own = {0};
    if (tm__fs_info(path).size_bytes == 0) {
        return TM_OK;
    }
    const bool is_whole =
        strncmp(name, "segments/", 9) == 0 || strncmp(name, "snapshots/", 10) == 0 ||
        strncmp(name, "bundles/", 8) == 0 || strncmp(name, "checkpoints/", 12) == 0;
    const tm_status st =
        is_whole ? scan_whole(s, path, &has, &own) : scan_changing(s, path, &has, &own);
    if (has) {
        json_array_append_new(s->out, json_string(name));
    }
    if (st != TM_OK && tm__fs_info(path).kind == TM_PATH_NONE) { /* it went meanwhile */
        return TM_OK;
    }
    if (st != TM_OK && err != NULL) {
        *err = own;
    }
    return st;
}

static bool scan_entry(void *arg, const char *entry) {
    scan *const s = arg;
    if (s->depth == 0 && !s->is_asked(entry)) {
        return true;
    }
    char *path = tm__fs_join(s->dir, entry);
    char *name = s->depth == 0 ? tm__mem_strdup(entry) : tm__fs_join(s->below, entry);
    if (path == NULL || name == NULL) {
        s->st = TM_FAIL(s->err, TM_E_NOMEM, "out of memory");
    } else {
        const tm_path_info info = tm__fs_info(path);
        scan inner = *s;
        inner.dir = path;
        inner.below = name;
        inner.depth++;
        if (info.kind == TM_PATH_FILE) {
            s->st = scan_file(s, path, name, s->err);
        } else if (info.kind == TM_PATH_DIR && s->depth < DEPTH_MAX) {
            s->st = scan_folder(&inner);
        }
    }
    tm__mem_free(path);
    tm__mem_free(name);
    return s->st == TM_OK;
}

static tm_status scan_folder(scan *s) {
    TM_TRY(tm__fs_list(s->dir, scan_entry, s, s->err));
    return s->st;
}

tm_status tm__subject_scan(const tm_home *home, const tm_needles *ids,
                           bool (*is_asked)(const char *entry), json_t *out, tm_err *err) {
    scan s = {.ids = ids,
              .dir = tm__home_path(home),
              .below = "",
              .is_asked = is_asked,
              .out = out,
              .err = err};
    return tm__needles_longest(ids) == 0 ? TM_OK : scan_folder(&s);
}
