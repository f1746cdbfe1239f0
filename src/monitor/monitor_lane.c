/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lanes: what became of each model's answers, to the last one.
 *
 *     taken ─┬─> sampled out                            in the log, with the next transaction
 *            ├─> dropped                                in the log, with the next transaction
 *            ├─> queued ──> written                     in the log, with the answers
 *            └─> spilled ──> written                    in the log, with the answers
 *
 * 1. Taken and spilled are counted in a mapped file, log.counts, before anything else is done with
 *    the answers; a kill does not take that back. What was taken and is in none of the others at
 * the next start was in memory then: it is counted as dropped, and as killed.
 * 2. The file may be missing, older than the log or of another home: then what the log says holds,
 *    and counting goes on from there. It never makes a count of the log smaller.
 *
 *     log.counts   head: "TMCN", format, zeros (64 bytes), then slots of 160 bytes:
 *                  accepted (u64), spilled (u64), model (144 bytes, NUL behind it)
 */
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "monitor/monitor_priv.h"
#include "monitor/monitor_spill.h"

#define MAGIC 0x4E434D54u /* "TMCN" */
#define FORMAT 1u
#define HEAD_BYTES 64u
#define SLOTS 1024u
#define NAME_BYTES 144u

typedef struct tm_lane_slot {
    _Atomic uint64_t accepted, spilled;
    char model[NAME_BYTES];
} tm_lane_slot;
_Static_assert(sizeof(tm_lane_slot) == 160, "slots are as the file has them");
_Static_assert(NAME_BYTES > TM_MAX_NAME, "a name fits");
#define FILE_BYTES (HEAD_BYTES + SLOTS * sizeof(tm_lane_slot))

/* ---- Slots ---- */

static tm_lane_slot *slots_of(const uint8_t *data) {
    return (tm_lane_slot *)(uintptr_t)(data + HEAD_BYTES);
}

static bool is_slot(const tm_lane_slot *slot) {
    return slot->model[0] != '\0' && memchr(slot->model, '\0', NAME_BYTES) != NULL;
}

/* The slot of a model, or where it may have one; NULL: there is no room. */
static tm_lane_slot *slot_of(const uint8_t *data, const char *model) {
    tm_lane_slot *const slots = slots_of(data);
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (!is_slot(&slots[i]) || strcmp(slots[i].model, model) == 0) {
            return &slots[i];
        }
    }
    return NULL;
}

static void attach_slot(const tm_monitor *monitor, tm_lane *lane) {
    if (monitor->counts.data == NULL || lane->model[0] == '\0') {
        return;
    }
    lane->slot = slot_of(monitor->counts.data, lane->model);
    if (lane->slot != NULL && !is_slot(lane->slot)) {
        memset(lane->slot->model, 0, NAME_BYTES);
        atomic_store(&lane->slot->accepted, lane->n_accepted);
        atomic_store(&lane->slot->spilled, lane->n_spilled);
        (void)tm__str_copy(lane->slot->model, NAME_BYTES, tm__str(lane->model));
    }
}

static bool has_head(const uint8_t *data, size_t len) {
    tm_reader reader;
    tm__reader_init(&reader, data, len);
    const uint32_t magic = tm__reader_u32(&reader), format = tm__reader_u32(&reader);
    return len == FILE_BYTES && magic == MAGIC && format == FORMAT;
}

static tm_status map_counts(tm_monitor *monitor, const tm_home *home, tm_err *err) {
    static const uint32_t head[2] = {MAGIC, FORMAT};
    char *const path = tm__fs_join(tm__home_path(home), "log.counts");
    if (path == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = tm__shared_open(path, FILE_BYTES, &monitor->counts, err);
    tm__mem_free(path);
    TM_TRY(st);
    if (!has_head(monitor->counts.data, monitor->counts.len)) {
        memset(monitor->counts.data, 0, FILE_BYTES);
        memcpy(monitor->counts.data, head, sizeof(head));
    }
    return TM_OK;
}

/* ---- Lanes ---- */

tm_lane *tm__lane_of_locked(tm_monitor *monitor, const char *model) {
    tm_lane *lane = monitor->lanes;
    while (strcmp(lane->model, model) != 0 && lane->next != NULL) {
        lane = lane->next;
    }
    if (strcmp(lane->model, model) == 0) {
        return lane;
    }
    tm_lane *const made = tm__mem_zalloc(1, sizeof(*made));
    if (made == NULL) {
        return lane; /* of no model in particular */
    }
    (void)tm__str_copy(made->model, sizeof(made->model), tm__str(model));
    made->terms = monitor->terms;
    atomic_init(&made->is_sync, made->terms.policy == TM_LOG_SYNC);
    attach_slot(monitor, made);
    made->next = monitor->lanes;
    monitor->lanes = made;
    return made;
}

void tm__lane_accept_locked(tm_lane *lane, uint64_t n) {
    lane->n_accepted += n;
    if (lane->slot != NULL) {
        atomic_store_explicit(&lane->slot->accepted, lane->n_accepted, memory_order_relaxed);
    }
}

void tm__lane_spill_locked(tm_lane *lane, uint64_t n) {
    lane->n_spilled += n;
    if (lane->slot != NULL) {
        atomic_store_explicit(&lane->slot->spilled, lane->n_spilled, memory_order_relaxed);
    }
}

tm_status tm__lanes_open(tm_monitor *monitor, const tm_home *home, bool can_write, tm_err *err) {
    monitor->lanes = tm__mem_zalloc(1, sizeof(*monitor->lanes));
    if (monitor->lanes == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    monitor->lanes->terms = monitor->terms;
    if (!can_write) {
        return TM_OK;
    }
    TM_TRY(map_counts(monitor, home, err));
    const tm_lane_slot *const slots = slots_of(monitor->counts.data);
    for (uint32_t i = 0; i < SLOTS && is_slot(&slots[i]); i++) {
        (void)tm__lane_of_locked(monitor, slots[i].model);
    }
    return TM_OK;
}

void tm__lanes_close(tm_monitor *monitor) {
    for (tm_lane *lane = monitor->lanes, *next = NULL; lane != NULL; lane = next) {
        next = lane->next;
        tm__mem_free(lane);
    }
    monitor->lanes = NULL;
    tm__shared_close(&monitor->counts);
}

/* By servers, and neither in memory nor in a file. */
static uint64_t settled(const tm_lane *lane) {
    const uint64_t *const n = lane->kept.n;
    return n[TM_LANE_WRITTEN] - n[TM_LANE_BATCH] + n[TM_LANE_SAMPLED] + n[TM_LANE_DROPPED];
}

void tm__lane_load_locked(tm_monitor *monitor, const char *model, const tm_lane_counts *counts) {
    tm_lane *const lane = tm__lane_of_locked(monitor, model);
    lane->kept = *counts;
    lane->n_sampled = counts->n[TM_LANE_SAMPLED];
    lane->n_dropped = counts->n[TM_LANE_DROPPED];
}

/* What the files hold of a model. */
typedef struct tm_lane_held {
    uint64_t n_taken, n_spilled;
} tm_lane_held;

static tm_lane_held slot_counts(const tm_lane_slot *slot) {
    return slot == NULL ? (tm_lane_held){0}
                        : (tm_lane_held){atomic_load(&slot->accepted), atomic_load(&slot->spilled)};
}

tm_status tm__lanes_settle(tm_monitor *monitor, tm_err *err) {
    for (tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        const uint64_t there = settled(lane) + lane->n_spilled; /* so far those in files alone */
        const uint64_t taken = slot_counts(lane->slot).n_taken;
        tm_lane_counts by = {0};
        if (taken > there) {
            by.n[TM_LANE_DROPPED] = by.n[TM_LANE_KILLED] = taken - there;
            TM_TRY(tm__db_begin(monitor->writer, err));
            TM_TRY(tm__db_end(monitor->writer,
                              tm__lane_count_locked(monitor->writer, lane->model, &by, err), err));
        }
        lane->kept.n[TM_LANE_DROPPED] += by.n[TM_LANE_DROPPED];
        lane->kept.n[TM_LANE_KILLED] += by.n[TM_LANE_KILLED];
        lane->n_dropped = lane->kept.n[TM_LANE_DROPPED];
        monitor->n_spilled += lane->n_spilled;
        lane->n_accepted = settled(lane);
        tm__lane_accept_locked(lane, lane->n_spilled);
        tm__lane_spill_locked(lane, lane->kept.n[TM_LANE_REPLAYED]);
    }
    return TM_OK;
}

/* ---- The table ---- */

tm_status tm__lanes_read(tm_db *db,
                         void (*fn)(void *arg, const char *model, const tm_lane_counts *counts),
                         void *arg, tm_err *err) {
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "SELECT model, written, sampled, dropped, batch, replayed, killed, removed"
                         " FROM lanes",
                         &stmt, err));
    tm_status st = TM_OK;
    while (tm__stmt_next(stmt, &st, err)) {
        tm_lane_counts counts;
        for (int i = 0; i < TM_LANE_COUNTS; i++) {
            counts.n[i] = (uint64_t)tm__stmt_i64(stmt, 1 + i);
        }
        fn(arg, tm__stmt_text(stmt, 0), &counts);
    }
    tm__stmt_done(stmt);
    return st;
}

static bool is_none(const tm_lane_counts *by) {
    for (uint32_t i = 0; i < TM_LANE_COUNTS; i++) {
        if (by->n[i] != 0) {
            return false;
        }
    }
    return true;
}

tm_status tm__lane_count_locked(tm_db *db, const char *model, const tm_lane_counts *by,
                                tm_err *err) {
    if (is_none(by)) {
        return TM_OK;
    }
    tm_stmt *stmt = NULL;
    TM_TRY(tm__stmt_init(db,
                         "INSERT INTO lanes(model, written, sampled, dropped, batch, replayed,"
                         " killed, removed) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                         " ON CONFLICT(model) DO UPDATE SET written = written + ?2,"
                         " sampled = sampled + ?3, dropped = dropped + ?4, batch = batch + ?5,"
                         " replayed = replayed + ?6, killed = killed + ?7, removed = removed + ?8",
                         &stmt, err));
    tm__stmt_bind_text(stmt, 1, model);
    for (int i = 0; i < TM_LANE_COUNTS; i++) {
        tm__stmt_bind_i64(stmt, 2 + i, (int64_t)by->n[i]);
    }
    return tm__stmt_run_done(stmt, err);
}

/* ---- Notes ---- */

tm_lane_notes tm__lane_notes_take_locked(tm_monitor *monitor) {
    tm_lane_notes notes = {0};
    for (const tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        notes.n++;
    }
    notes.list = tm__mem_zalloc(notes.n, sizeof(*notes.list));
    if (notes.list == NULL) {
        return (tm_lane_notes){0};
    }
    uint32_t i = 0;
    for (tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next, i++) {
        tm_lane_note *const note = &notes.list[i];
        note->lane = lane;
        note->in_all = lane->kept;
        note->by.n[TM_LANE_SAMPLED] = lane->n_sampled - lane->kept.n[TM_LANE_SAMPLED];
        note->by.n[TM_LANE_DROPPED] = lane->n_dropped - lane->kept.n[TM_LANE_DROPPED];
    }
    return notes;
}

tm_lane_note *tm__lane_note_find(const tm_lane_notes *notes, const tm_lane *lane) {
    for (uint32_t i = 0; i < notes->n; i++) {
        if (notes->list[i].lane == lane) {
            return &notes->list[i];
        }
    }
    return NULL;
}

static void read_in_all(void *arg, const char *model, const tm_lane_counts *counts) {
    const tm_lane_notes *const notes = arg;
    for (uint32_t i = 0; i < notes->n; i++) {
        if (strcmp(notes->list[i].lane->model, model) == 0) {
            notes->list[i].in_all = *counts;
        }
    }
}

tm_status tm__lane_notes_save_locked(tm_db *db, tm_lane_notes *notes, tm_err *err) {
    for (uint32_t i = 0; i < notes->n; i++) {
        TM_TRY(tm__lane_count_locked(db, notes->list[i].lane->model, &notes->list[i].by, err));
    }
    return tm__lanes_read(db, read_in_all, notes, err);
}

void tm__lane_notes_apply_locked(tm_monitor *monitor, const tm_lane_notes *notes) {
    for (uint32_t i = 0; i < notes->n; i++) {
        const tm_lane_note *const note = &notes->list[i];
        tm_lane *const lane = note->lane;
        TM_ASSERT(lane->n_queued >= note->n_batch);
        lane->kept = note->in_all;
        lane->n_queued -= note->n_batch;
        lane->spilled_bytes -= note->n_bytes;
        tm__lane_accept_locked(lane, note->n_taken);
    }
    monitor->n_spilled = 0;
    for (const tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        monitor->n_spilled += lane->n_spilled - lane->kept.n[TM_LANE_REPLAYED];
    }
}

void tm__lane_notes_done(tm_lane_notes *notes) {
    tm__mem_free(notes->list);
    *notes = (tm_lane_notes){0};
}

/* ---- Counters ---- */

/* Who only reads: what the log says, and beside it what the server says it took. */
static void read_slots(tm_monitor *monitor, const tm_map *map) {
    const bool is_there = map->data != NULL && has_head(map->data, map->len);
    const tm_lane_slot *const slots = is_there ? slots_of(map->data) : NULL;
    for (uint32_t i = 0; is_there && i < SLOTS && is_slot(&slots[i]); i++) {
        (void)tm__lane_of_locked(monitor, slots[i].model);
    }
    for (tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        const tm_lane_slot *const slot = is_there ? slot_of(map->data, lane->model) : NULL;
        const tm_lane_held held = slot_counts(slot != NULL && is_slot(slot) ? slot : NULL);
        const uint64_t n_replayed = lane->kept.n[TM_LANE_REPLAYED];
        lane->n_spilled = held.n_spilled > n_replayed ? held.n_spilled : n_replayed;
        const uint64_t there = settled(lane) + lane->n_spilled - n_replayed;
        lane->n_accepted = held.n_taken > there ? held.n_taken : there;
        lane->n_queued = lane->n_accepted - there;
    }
}

tm_status tm__lanes_reload_locked(tm_monitor *monitor, tm_db *db, tm_err *err) {
    tm_buf path;
    tm_map map = {0};
    for (tm_lane *lane = monitor->lanes; lane != NULL; lane = lane->next) {
        const tm_lane_counts none = {0};
        tm__lane_load_locked(monitor, lane->model, &none);
    }
    TM_TRY(tm__log_counters_load(db, monitor, err));
    tm__buf_init(&path, SIZE_MAX / 2);
    /* Beside log.db: counts are read after it, so that none of them is behind it. */
    const size_t len = strlen(monitor->path) - strlen("db");
    if (!tm__buf_append(&path, monitor->path, len) || !tm__buf_text(&path, "counts")) {
        tm__buf_done(&path);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    if (tm__map_open((const char *)path.data, &map, NULL) != TM_OK) {
        map = (tm_map){0}; /* of a home without it, all that is known is in the log */
    }
    tm__buf_done(&path);
    read_slots(monitor, &map);
    tm__map_close(&map);
    return TM_OK;
}
