/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_scan.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/vault.h"

#define DEPTH_MAX 4u /* segments/<source>/<file> */

typedef struct scan {
    const char *id, *dir, *below; /* below: of dir in the home; "": itself */
    bool (*is_asked)(const char *entry);
    uint32_t depth;
    json_t *out;
    tm_status st;
    tm_err *err;
} scan;

static tm_status scan_folder(scan *s);

static tm_status scan_file(const scan *s, const char *path, const char *name, tm_err *err) {
    tm_map map = {0};
    if (tm__fs_info(path).size_bytes == 0) {
        return TM_OK;
    }
    TM_TRY(tm__vault_map_open(path, &map, err));
    if (memmem(map.data, map.len, s->id, strlen(s->id)) != NULL) {
        json_array_append_new(s->out, json_string(name));
    }
    tm__map_close(&map);
    return TM_OK;
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

tm_status tm__subject_scan(const tm_home *home, const char *id, bool (*is_asked)(const char *entry),
                           json_t *out, tm_err *err) {
    scan s = {.id = id,
              .dir = tm__home_path(home),
              .below = "",
              .is_asked = is_asked,
              .out = out,
              .err = err};
    return scan_folder(&s);
}
