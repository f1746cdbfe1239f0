/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/subject_sinks.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "source/sinks.h"
#include "table/whose.h"

/* Call fn for each sink of a home. */
static tm_status each_sink(const tm_home *home,
                           tm_status (*fn)(void *arg, const tm_sink_row *sink, tm_err *err),
                           void *arg, tm_err *err) {
    tm_sink_store *store = NULL;
    json_t *names = NULL, *name = NULL;
    size_t i = 0;
    if (tm__fs_info(tm__home_intake_db(home)).kind == TM_PATH_NONE) {
        return TM_OK;
    }
    TM_TRY(tm__sink_store_open(home, false, &store, err));
    tm_status st = tm__sink_store_names(store, &names, err);
    json_array_foreach(names, i, name) {
        tm_sink_row row = {0};
        if (st == TM_OK) {
            st = tm__sink_store_find(store, json_string_value(name), &row, err);
        }
        st = st == TM_OK ? fn(arg, &row, err) : st;
        tm__sink_row_done(&row);
    }
    json_decref(names);
    tm__sink_store_close(store);
    return st;
}

/* ---- Of a source ---- */

typedef struct counting {
    const tm_subject_rows *theirs;
    const uint8_t *is_theirs; /* [n_rows] */
    uint64_t first;           /* place of the first row */
    json_t *out;
} counting;

static tm_status count_behind(void *arg, const tm_sink_row *sink, tm_err *err) {
    const counting *const c = arg;
    const int64_t next = tm__json_i64(sink->state, "next", 0);
    json_int_t n = 0;
    if (strcmp(tm__json_text(sink->spec, "read", ""), c->theirs->source) != 0) {
        return TM_OK;
    }
    for (uint64_t row = 0; row < tm__table_rows(c->theirs->table); row++) {
        n += c->is_theirs[row] && (int64_t)(c->first + row) < next;
    }
    if (n > 0) {
        json_array_append_new(c->out, json_pack("{s:s, s:s, s:O, s:I}", "sink", sink->name,
                                                "source", c->theirs->source, "to",
                                                json_object_get(sink->spec, "write"), "n", n));
    }
    return tm__json_check(err);
}

static tm_status first_place(const tm_home *home, const char *source, uint64_t *out, tm_err *err) {
    tm_source_rows *rows = NULL;
    tm_source_extent extent = {0};
    TM_TRY(tm__source_rows_open(home, source, &rows, err));
    const tm_status st = tm__source_rows_extent(rows, &extent, err);
    *out = extent.first;
    tm__source_rows_close(rows);
    return st;
}

tm_status tm__subject_delivered(const tm_home *home, const tm_subject_rows *theirs, json_t *out,
                                tm_err *err) {
    counting c = {.theirs = theirs, .out = out};
    uint64_t n = 0;
    uint8_t *is_theirs = tm__mem_alloc(tm__table_rows(theirs->table) + 1, 1);
    if (is_theirs == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    tm_status st =
        tm__whose_rows(theirs->table, theirs->columns, theirs->ids, is_theirs, &n, NULL, err);
    st = st == TM_OK ? first_place(home, theirs->source, &c.first, err) : st;
    c.is_theirs = is_theirs;
    st = st == TM_OK ? each_sink(home, count_behind, &c, err) : st;
    tm__mem_free(is_theirs);
    return st;
}

/* ---- What cannot be told ---- */

typedef struct saying {
    const json_t *delivered;
    json_t *out;
} saying;

static tm_status say_sink(void *arg, const tm_sink_row *sink, tm_err *err) {
    const saying *const s = arg;
    size_t i = 0;
    const json_t *one = NULL;
    json_array_foreach(s->delivered, i, one) {
        if (strcmp(tm__json_text(one, "sink", ""), sink->name) == 0) {
            return TM_OK;
        }
    }
    if (sink->n_rows > 0) {
        json_t *what = json_sprintf("sink:%s", sink->name);
        json_array_append_new(s->out, json_pack("{s:o, s:s, s:O, s:I}", "what", what, "why",
                                                "it wrote rows outside of the home, and whose they "
                                                "were cannot be told any more",
                                                "to", json_object_get(sink->spec, "write"), "rows",
                                                (json_int_t)sink->n_rows));
    }
    return tm__json_check(err);
}

tm_status tm__subject_say_sinks(const tm_home *home, const json_t *found, json_t *out,
                                tm_err *err) {
    saying s = {.delivered = json_object_get(found, "delivered"), .out = out};
    return each_sink(home, say_sink, &s, err);
}
