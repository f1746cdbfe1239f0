/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      put    any thread, under the lock     ──> the last file
 *      take   the writer, without the lock   <── the first file, up to what was put when it looked
 *      done   the writer                         the first file is removed when all of it is done
 *
 * 1. `at` is what the log says, `known_at` how far streams of the file are known: after a failed
 *    transaction frames are read again from `at`, and streams are not learned twice.
 * 2. Only the writer changes `first`, only who puts changes `last`; both under the lock.
 * 3. A file that could not be written to ends there and then: what followed would not be read.
 */
#include "monitor/monitor_spill.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/system.h"
#include "monitor/spill_frame.h"
#include "source/intake_retain.h"

#define FILE_BYTES ((uint64_t)32 << 20) /* a file is closed past them */
#define PIECE_BYTES ((size_t)1 << 20)   /* of one transaction: answers and labels wait for it */
#define FRAME_BYTES_MAX (TM_MONITOR_BYTES + ((size_t)1 << 20))

/* Streams of one file, by their numbers in it. */
typedef struct numbered {
    tm_stream **list; /* [n], owned; the streams are the monitor's */
    uint32_t n, n_max;
} numbered;

struct tm_spill {
    char *dir;
    tm_mutex *lock;       /* over all up to room */
    uint64_t first, last; /* numbers of files; first > last: there is none */
    tm_file *file;        /* the last one, being filled; NULL: none is */
    uint64_t size_bytes;  /* of it */
    tm_vault_parts parts; /* that it is sealed with */
    numbered written;     /* streams that it has */
    tm_buf room;
    /* of the writer */
    uint64_t at;       /* read up to here in the first one */
    uint64_t known_at; /* streams of the first one are known up to here */
    numbered read;
};

static tm_status no_memory(tm_err *err) {
    return TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

static bool numbered_add(numbered *list, tm_stream *stream) {
    if (list->n == list->n_max) {
        const uint32_t n_max = list->n_max == 0 ? 16 : 2 * list->n_max;
        tm_stream **grown = tm__mem_realloc(list->list, n_max, sizeof(tm_stream *));
        if (grown == NULL) {
            return false;
        }
        list->list = grown;
        list->n_max = n_max;
    }
    list->list[list->n++] = stream;
    return true;
}

static char *path_of(const tm_spill *spill, uint64_t number) {
    char name[32];
    (void)snprintf(name, sizeof(name), "%010" PRIu64 ".tms", number);
    return tm__fs_join(spill->dir, name);
}

static void remove_file(const tm_spill *spill, uint64_t number) {
    char *const path = path_of(spill, number);
    if (path != NULL) {
        const tm_status st = tm__fs_remove(path, NULL);
        (void)st; /* it is read: the next start removes it */
    }
    tm__mem_free(path);
}

/* ---- The place ---- */

tm_status tm__spill_place_read(tm_db *db, tm_spill_place *out, tm_err *err) {
    int64_t file = 0, at = 0;
    TM_TRY(tm__log_number(db, "spill_file", &file, err));
    TM_TRY(tm__log_number(db, "spill_at", &at, err));
    *out = (tm_spill_place){(uint64_t)file, (uint64_t)at};
    return TM_OK;
}

tm_status tm__spill_place_save_locked(tm_db *db, const tm_spill_place *place, tm_err *err) {
    TM_TRY(tm__log_set_number_locked(db, "spill_file", (int64_t)place->file, err));
    return tm__log_set_number_locked(db, "spill_at", (int64_t)place->at, err);
}

/* ---- Streams as JSON ---- */

static bool stream_write(const tm_stream *stream, tm_buf *out) {
    json_t *columns = json_loads(stream->columns, 0, NULL);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:I, s:f, s:o}", "route", stream->route, "arm", stream->arm,
                  "model", stream->model, "version", (json_int_t)stream->version, "share",
                  stream->share, "columns", columns);
    const bool ok = object != NULL && tm__json_write(out, object, 0);
    json_decref(object);
    return ok;
}

/* A stream of a frame: views of *out_object and *out_columns. */
static tm_status stream_read(const tm_spill_frame *frame, json_t **out_object, tm_buf *out_columns,
                             tm_stream *out, tm_err *err) {
    TM_TRY(tm__json_parse(frame->bytes.ptr, frame->bytes.len, TM_MAX_JSON_DEPTH, out_object, err));
    const json_t *const columns = json_object_get(*out_object, "columns");
    if (!tm__json_write(out_columns, columns, 0)) {
        return no_memory(err);
    }
    *out = (tm_stream){
        .route = (char *)(uintptr_t)tm__json_text(*out_object, "route", ""),
        .arm = (char *)(uintptr_t)tm__json_text(*out_object, "arm", ""),
        .model = (char *)(uintptr_t)tm__json_text(*out_object, "model", ""),
        .version = (uint32_t)tm__json_i64(*out_object, "version", 0),
        .share = tm__json_f64(*out_object, "share", 1),
        .columns = (char *)out_columns->data,
        .n_columns = (uint32_t)json_array_size(columns),
    };
    return TM_OK;
}

/* ---- Opening ---- */

/* What a file holds, when a server starts: walked once, every byte checked. */
typedef struct scanning {
    tm_spill *spill;
    const tm_spill_place *place;
    tm_spill_count_fn fn;
    void *arg;
    json_t *models; /* names by the numbers of the file at hand */
    uint64_t n_new; /* records of it that are not in the log */
    tm_status status;
    tm_err *err;
} scanning;

static tm_status scan_frame(scanning *s, const tm_spill_frame *frame, bool is_new, tm_err *err) {
    if (frame->kind == TM_SPILL_RECORDS) {
        const json_t *name = json_array_get(s->models, frame->stream);
        if (is_new && name != NULL) {
            s->fn(s->arg, json_string_value(name), frame->n, frame->bytes.len);
            s->n_new += frame->n;
        }
        return TM_OK;
    }
    json_t *object = NULL;
    TM_TRY(tm__json_parse(frame->bytes.ptr, frame->bytes.len, TM_MAX_JSON_DEPTH, &object, err));
    json_array_append_new(s->models, json_string(tm__json_text(object, "model", "")));
    json_decref(object);
    return tm__json_check(err);
}

static tm_status scan_bytes(scanning *s, tm_spill_bytes *file, size_t from, tm_err *err) {
    tm_spill_frame frame;
    for (size_t at = file->first, next = at; tm__spill_frame_read(file, &next, &frame); at = next) {
        TM_TRY(scan_frame(s, &frame, at >= from, err));
    }
    return file->status == TM_OK ? TM_OK : no_memory(err);
}

static tm_status scan_file(scanning *s, uint64_t number, tm_err *err) {
    tm_map map = {0};
    tm_spill_bytes file = {0};
    char *const path = path_of(s->spill, number);
    tm_status st = path == NULL ? no_memory(err) : tm__map_open(path, &map, err);
    st = st == TM_OK ? tm__spill_bytes_init(&file, path, map.data, map.len, err) : st;
    s->models = json_array();
    s->n_new = 0;
    st = st == TM_OK ? scan_bytes(s, &file, number == s->place->file ? s->place->at : 0, err) : st;
    json_decref(s->models);
    tm__spill_bytes_done(&file);
    tm__map_close(&map);
    tm__mem_free(path);
    return st;
}

static bool take_name(void *arg, const char *name) {
    scanning *const s = arg;
    uint64_t number = 0;
    tm_str text = tm__str(name);
    if (!tm__str_has_suffix(text, ".tms") ||
        !tm__str_to_u64((tm_str){text.ptr, text.len - 4}, &number)) {
        return true;
    }
    s->n_new = 0;
    s->status = number < s->place->file ? TM_OK : scan_file(s, number, s->err);
    if (s->status == TM_OK && s->n_new == 0) {
        remove_file(s->spill, number);
    } else if (s->status == TM_OK) {
        s->spill->first = s->spill->first > s->spill->last ? number : s->spill->first;
        s->spill->last = number;
    }
    return s->status == TM_OK;
}

static tm_status scan(tm_spill *spill, const tm_spill_place *place, tm_spill_count_fn fn, void *arg,
                      tm_err *err) {
    scanning s = {.spill = spill, .place = place, .fn = fn, .arg = arg, .err = err};
    spill->last = place->file; /* numbers are never used again */
    spill->first = spill->last + 1;
    if (tm__fs_info(spill->dir).kind == TM_PATH_DIR) {
        TM_TRY(tm__fs_list(spill->dir, take_name, &s, err));
    }
    const bool is_there = spill->first == place->file && place->at > TM_SPILL_HEAD;
    spill->at = is_there ? place->at : TM_SPILL_HEAD;
    spill->known_at = TM_SPILL_HEAD;
    return s.status;
}

tm_status tm__spill_open(const tm_home *home, const tm_spill_place *place, tm_spill_count_fn fn,
                         void *arg, tm_spill **out, tm_err *err) {
    tm_spill *const spill = tm__mem_zalloc(1, sizeof(*spill));
    if (spill == NULL) {
        return no_memory(err);
    }
    tm__buf_init(&spill->room, FRAME_BYTES_MAX);
    spill->dir = tm__fs_join(tm__home_path(home), "spill");
    spill->lock = tm__mutex_create();
    tm_status st = spill->dir == NULL || spill->lock == NULL ? no_memory(err)
                                                             : scan(spill, place, fn, arg, err);
    if (st != TM_OK) {
        tm__spill_close(spill);
        return st;
    }
    *out = spill;
    return TM_OK;
}

void tm__spill_close(tm_spill *spill) {
    if (spill != NULL) {
        tm__file_close(spill->file);
        tm__vault_parts_done(&spill->parts);
        tm__mutex_free(spill->lock);
        tm__mem_free(spill->written.list);
        tm__mem_free(spill->read.list);
        tm__buf_done(&spill->room);
        tm__mem_free(spill->dir);
        tm__mem_free(spill);
    }
}

/* ---- Putting ---- */

static tm_status has_room(const tm_spill *spill, tm_err *err) {
    tm_disk disk = {0};
    uint64_t floor_bytes = 0;
    if (!tm__disk_info(spill->dir, &disk)) {
        return TM_OK; /* nothing is known: a write will tell */
    }
    TM_TRY(tm__intake_disk_floor(disk.total_bytes, &floor_bytes, err));
    return disk.free_bytes >= floor_bytes
               ? TM_OK
               : TM_FAIL(err, TM_E_UNAVAILABLE, "the disk of '%s' is nearly full", spill->dir);
}

static void end_file_locked(tm_spill *spill) {
    tm__file_close(spill->file);
    tm__vault_parts_done(&spill->parts);
    spill->file = NULL;
    spill->written.n = 0;
}

/* A file of its own number, whose head goes out with its first frames. */
static tm_status begin_file_locked(tm_spill *spill, tm_err *err) {
    TM_TRY(tm__fs_mkdir(spill->dir, err));
    TM_TRY(has_room(spill, err));
    char *const path = path_of(spill, spill->last + 1);
    tm_status st = path == NULL ? no_memory(err)
                                : tm__spill_head_write(path, &spill->parts, &spill->room, err);
    st = st == TM_OK ? tm__file_open(path, TM_OPEN_CREATE, &spill->file, err) : st;
    tm__mem_free(path);
    TM_TRY(st);
    spill->last++;
    spill->size_bytes = 0;
    return TM_OK;
}

/* Behind what the file has and what goes out with it. */
static bool add_frame_locked(tm_spill *spill, const tm_spill_frame *frame) {
    return tm__spill_frame_write(frame, &spill->parts, spill->size_bytes + spill->room.len,
                                 &spill->room);
}

static tm_status number_of_locked(tm_spill *spill, tm_stream *stream, uint32_t *out, tm_err *err) {
    numbered *const known = &spill->written;
    for (*out = 0; *out < known->n; (*out)++) {
        if (known->list[*out] == stream) {
            return TM_OK;
        }
    }
    tm_buf text;
    tm__buf_init(&text, TM_MONITOR_BYTES);
    bool ok = stream_write(stream, &text);
    const tm_spill_frame frame = {TM_SPILL_STREAM, *out, 0, {(const char *)text.data, text.len}};
    ok = ok && add_frame_locked(spill, &frame) && numbered_add(known, stream);
    tm__buf_done(&text);
    return ok ? TM_OK : no_memory(err);
}

static tm_status put_locked(tm_spill *spill, const tm_run *run, const uint8_t *records,
                            tm_err *err) {
    tm__buf_reset(&spill->room);
    TM_TRY(spill->file == NULL ? begin_file_locked(spill, err) : TM_OK);
    tm_spill_frame frame = {
        .kind = TM_SPILL_RECORDS, .n = run->n, .bytes = {(const char *)records, run->size}};
    TM_TRY(number_of_locked(spill, run->stream, &frame.stream, err));
    if (!add_frame_locked(spill, &frame)) {
        return no_memory(err);
    }
    TM_TRY(tm__file_write(spill->file, spill->room.data, spill->room.len, err));
    spill->size_bytes += spill->room.len;
    return TM_OK;
}

tm_status tm__spill_put(tm_spill *spill, const tm_run *run, const uint8_t *records, tm_err *err) {
    tm__mutex_lock(spill->lock);
    const tm_status st = put_locked(spill, run, records, err);
    if (st != TM_OK || spill->size_bytes >= FILE_BYTES) {
        end_file_locked(spill); /* what follows a torn frame would not be read */
    }
    tm__mutex_unlock(spill->lock);
    return st;
}

/* ---- Taking ---- */

typedef struct taking {
    tm_spill *spill;
    tm_spill_find_fn find;
    void *arg;
    tm_spill_piece *piece;
} taking;

static tm_status learn_stream(const taking *t, const tm_spill_frame *frame, tm_err *err) {
    json_t *object = NULL;
    tm_buf columns;
    tm_stream like, *stream = NULL;
    tm__buf_init(&columns, TM_MONITOR_BYTES);
    tm_status st = stream_read(frame, &object, &columns, &like, err);
    if (st == TM_OK) {
        stream = t->find(t->arg, &like);
        st = stream != NULL && numbered_add(&t->spill->read, stream) ? TM_OK : no_memory(err);
    }
    tm__buf_done(&columns);
    json_decref(object);
    return st;
}

static tm_status take_records(const taking *t, const tm_spill_frame *frame, tm_err *err) {
    if (frame->stream >= t->spill->read.n) {
        return TM_OK; /* of none: nothing that counted it */
    }
    const tm_run run = {t->spill->read.list[frame->stream], frame->n, (uint32_t)frame->bytes.len};
    tm_buf *const runs = &t->piece->runs;
    return tm__buf_append(runs, &run, sizeof(run)) &&
                   tm__buf_append(runs, frame->bytes.ptr, frame->bytes.len)
               ? TM_OK
               : no_memory(err);
}

static tm_status take_frames(const taking *t, tm_spill_bytes *file, tm_err *err) {
    tm_spill *const spill = t->spill;
    size_t at = spill->known_at < spill->at ? spill->known_at : spill->at;
    tm_spill_frame frame;
    at = at < file->first ? file->first : at;
    t->piece->place.at = spill->at;
    while (t->piece->runs.len < PIECE_BYTES && tm__spill_frame_read(file, &at, &frame)) {
        if (frame.kind == TM_SPILL_STREAM && at > spill->known_at) {
            TM_TRY(learn_stream(t, &frame, err));
        } else if (frame.kind == TM_SPILL_RECORDS && at > spill->at) {
            TM_TRY(take_records(t, &frame, err));
        }
        spill->known_at = at > spill->known_at ? at : spill->known_at;
        t->piece->place.at = at > spill->at ? at : spill->at;
    }
    t->piece->is_end = t->piece->runs.len < PIECE_BYTES;
    return file->status == TM_OK ? TM_OK : no_memory(err);
}

static tm_status take_from_first(const taking *t, tm_err *err) {
    tm_spill *const spill = t->spill;
    tm_map map = {0};
    tm_spill_bytes file = {0};
    tm__mutex_lock(spill->lock);
    const bool is_filled = spill->file != NULL && spill->first == spill->last;
    const uint64_t size_bytes = spill->size_bytes;
    tm__mutex_unlock(spill->lock);
    char *const path = path_of(spill, spill->first);
    tm_status st = path == NULL ? no_memory(err) : tm__map_open(path, &map, err);
    if (st == TM_E_NOT_FOUND) {
        tm__mem_free(path);
        return TM_OK; /* taken away: what it held is gone, and counted at the next start */
    }
    const size_t end = is_filled && size_bytes < map.len ? size_bytes : map.len;
    st = st == TM_OK ? tm__spill_bytes_init(&file, path, map.data, end, err) : st;
    st = st == TM_OK ? take_frames(t, &file, err) : st;
    tm__spill_bytes_done(&file);
    tm__map_close(&map);
    tm__mem_free(path);
    return st;
}

/* The first file is read to its end: go on to the next one. False when there is more in it. */
static bool leave_first(tm_spill *spill) {
    tm__mutex_lock(spill->lock);
    const bool is_filled = spill->file != NULL && spill->first == spill->last;
    const bool has_more = is_filled && spill->size_bytes > spill->at;
    if (is_filled && !has_more) {
        end_file_locked(spill);
    }
    tm__mutex_unlock(spill->lock);
    if (has_more) {
        return false;
    }
    remove_file(spill, spill->first);
    tm__mutex_lock(spill->lock);
    spill->first++;
    tm__mutex_unlock(spill->lock);
    spill->at = spill->known_at = TM_SPILL_HEAD;
    spill->read.n = 0;
    return true;
}

static bool has_file(tm_spill *spill) {
    tm__mutex_lock(spill->lock);
    const bool has = spill->first <= spill->last;
    tm__mutex_unlock(spill->lock);
    return has;
}

tm_status tm__spill_take(tm_spill *spill, tm_spill_find_fn find, void *arg, tm_spill_piece *piece,
                         tm_err *err) {
    const taking t = {spill, find, arg, piece};
    tm__buf_reset(&piece->runs);
    while (has_file(spill)) {
        piece->place = (tm_spill_place){spill->first, spill->at};
        TM_TRY(take_from_first(&t, err));
        if (piece->runs.len > 0) {
            return TM_OK;
        }
        spill->at = piece->place.at;
        if (!leave_first(spill)) {
            return TM_OK; /* it is being filled: the next time */
        }
    }
    return TM_OK;
}

void tm__spill_done(tm_spill *spill, const tm_spill_piece *piece) {
    spill->at = piece->place.at;
    if (piece->is_end) {
        (void)leave_first(spill); /* unless more was put meanwhile */
    }
}
