/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of prediction requests against jansson: both take the same documents and read the same
 * values out of them, to the last bit of a number. Then every way that rows may lie in a document,
 * decoded against a small schema and written back as rows that must be JSON.
 *
 * Where they differ, and are meant to:
 *   - a NUL byte behind the document: jansson ignores it, the scanner refuses it;
 *   - a whole number past int64: jansson refuses it, here it is a float;
 *   - a number past a double: jansson refuses it, the scanner leaves that to the column;
 *   - a number of more than LONG_NUMBER bytes: taken for one past a double;
 *   - a name twice in an object: refused with JSON_REJECT_DUPLICATES, the scanner leaves it to the
 *     decoder, which refuses it where it reads names;
 *   - depth: 2048 there, TM_MAX_JSON_DEPTH here.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/decode.h"

#define LONG_NUMBER 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char names[][16] = {"distance", "origin", "speed", "date", "late", "is_new", "since"};

static const tm_type types[] = {TM_TYPE_INT,  TM_TYPE_TEXT, TM_TYPE_FLOAT,
                                TM_TYPE_TIME, TM_TYPE_BOOL, TM_TYPE_DATE};

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

static void check_row(const tm_plan *plan, const tm_decoder *decoder) {
    tm_buf out;
    tm__buf_init(&out, 1u << 24);
    must(tm__row_write_json(tm__plan_names(plan), tm__decoder_cells(decoder), tm__plan_cells(plan),
                            &out));
    json_t *row = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    must(row != NULL);
    json_decref(row);
    tm__buf_done(&out);
    char text[32];
    const tm_str entity = tm__decoder_entity(decoder, text);
    must(entity.len == 0 || memchr(entity.ptr, '\0', entity.len) == NULL);
    const int64_t us = tm__decoder_event_us(decoder);
    must(us == TM_INT_MISSING || (us > INT64_MIN / 2 && us < INT64_MAX / 2));
    const tm_cell *cells = tm__decoder_cells(decoder);
    for (uint32_t i = 0; i < 6; i++) { /* fitted to the columns' types */
        must(cells[i].type == TM_TYPE_NONE || cells[i].type == types[i]);
        must(cells[i].type != TM_TYPE_FLOAT || !isnan(cells[i].f64));
        must(cells[i].type != TM_TYPE_TEXT || tm__str_is_utf8(cells[i].text));
    }
    const tm_decode_counts counts = tm__decoder_counts(decoder);
    must(counts.n_rows == tm__decoder_row(decoder) + 1);
}

/* Rows and errors as text; rows only while there is no error, as requests have them. */
static void put_rows(const tm_plan *plan, tm_decoder *decoder, const tm_exchange *x, tm_buf *rows) {
    while (tm__decoder_next(decoder)) {
        if (x->n_errors == 0) {
            must(tm__row_write_json(tm__plan_names(plan), tm__decoder_cells(decoder),
                                    tm__plan_cells(plan), rows));
        }
    }
}

static void put_error(const tm_row_error *e, tm_buf *out) {
    must(tm__buf_printf(out, "%d %llu [%s] %s (%s)\n", e->has_row, (unsigned long long)e->row,
                        e->column, e->detail, e->hint));
}

/* Whole, and in parts of some rows that are read in the order of `backwards`. */
static void put_whole(const tm_plan *plan, const tm_rows_place *place, tm_arena *arena,
                      tm_buf *rows, tm_buf *errors) {
    tm_exchange x = {0};
    tm_decoder *decoder = tm__decoder_create(plan, place, &x, arena);
    must(decoder != NULL);
    put_rows(plan, decoder, &x, rows);
    for (uint32_t i = 0; i < x.n_errors; i++) {
        put_error(&x.errors[i], errors);
    }
    tm__mem_free(x.errors);
}

#define PARTS_MAX 64u

static void put_parts(const tm_plan *plan, const tm_rows_place *place, tm_arena *arena,
                      tm_buf *rows, tm_buf *errors) {
    tm_exchange whole = {0};
    tm_exchange xs[PARTS_MAX] = {0};
    tm_decoder *parts[PARTS_MAX];
    tm_decoder *decoder = tm__decoder_create(plan, place, &whole, arena);
    must(decoder != NULL);
    uint32_t n = 0, n_errors = 0;
    for (bool more = whole.n_errors == 0; more; n++) {
        const tm_decode_part most = {.n_rows = n + 1 == PARTS_MAX ? UINT64_MAX : 1 + n % 3,
                                     .n_bytes = n + 1 == PARTS_MAX ? SIZE_MAX : 40};
        parts[n] = tm__decoder_cut(decoder, &most, &xs[n], arena, &more);
        must(parts[n] != NULL && n < PARTS_MAX);
    }
    tm_buf texts[PARTS_MAX];
    for (uint32_t i = n; i-- > 0;) { /* the last first: none needs what another one read */
        tm__buf_init(&texts[i], 1u << 24);
        put_rows(plan, parts[i], &xs[i], &texts[i]);
    }
    if (whole.n_errors > 0) { /* of names: the rows are read by one, as requests do */
        put_rows(plan, decoder, &whole, rows);
    }
    for (; n_errors < whole.n_errors; n_errors++) {
        put_error(&whole.errors[n_errors], errors);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (n_errors == 0) {
            must(tm__buf_append(rows, texts[i].data, texts[i].len));
        }
        for (uint32_t k = 0; k < xs[i].n_errors && n_errors < TM_ERRORS_MAX; k++, n_errors++) {
            put_error(&xs[i].errors[k], errors);
        }
        tm__buf_done(&texts[i]);
        tm__mem_free(xs[i].errors);
    }
    tm__mem_free(whole.errors);
}

static void compare_parts(const tm_plan *plan, const tm_rows_place places[2]) {
    static tm_arena *arena;
    tm_buf texts[4];
    if (arena == NULL) {
        arena = tm__arena_create(1u << 22);
    }
    for (uint32_t i = 0; i < 4; i++) {
        tm__buf_init(&texts[i], 1u << 24);
    }
    tm__arena_reset(arena);
    put_whole(plan, &places[0], arena, &texts[0], &texts[1]);
    put_parts(plan, &places[1], arena, &texts[2], &texts[3]);
    for (uint32_t i = 0; i < 2; i++) {
        must(texts[i].len == texts[i + 2].len);
        must(texts[i].len == 0 || memcmp(texts[i].data, texts[i + 2].data, texts[i].len) == 0);
    }
    for (uint32_t i = 0; i < 4; i++) {
        tm__buf_done(&texts[i]);
    }
}

static void decode(const tm_plan *plan, const tm_rows_place *place) {
    /* Kept from one input to the next: a new block costs more than a short input. */
    static tm_arena *arena;
    tm_exchange x = {0};
    if (arena == NULL) {
        arena = tm__arena_create(1u << 20);
    }
    tm__arena_reset(arena);
    tm_decoder *decoder = tm__decoder_create(plan, place, &x, arena);
    for (uint32_t i = 0; decoder != NULL && i < 100 && tm__decoder_next(decoder); i++) {
        if (x.n_errors == 0) {
            check_row(plan, decoder);
        }
    }
    for (uint32_t i = 0; i < x.n_errors; i++) {
        must(tm__str_is_utf8(tm__str(x.errors[i].detail)));
        must(tm__str_is_utf8(tm__str(x.errors[i].column)));
        must(tm__str_is_utf8(tm__str(x.errors[i].hint)));
    }
    tm__mem_free(x.errors);
}

static void copy_of(const uint8_t *data, size_t len, tm_buf *out) {
    tm__buf_init(out, len + 1);
    must(tm__buf_append(out, data, len) && tm__buf_reserve(out, 1) != NULL);
    out->data[len] = 0;
}

/* False when rows of the kind cannot lie in the text. */
static bool find_place(tm_buf *text, tm_rows_kind kind, tm_rows_place *out) {
    char *p = tm__scan_space((char *)text->data);
    char *after = NULL;
    *out = (tm_rows_place){.kind = kind, .path = "rows", .rows = p};
    bool fits = *p == (kind == TM_ROWS_COLUMNS ? '{' : '[');
    if (fits && kind == TM_ROWS_SPLIT) { /* the first row of the array stands for the names */
        out->names = tm__scan_enter(p, &after);
        char *rows = out->names;
        fits = rows != NULL && *rows == '[';
        rows = fits ? tm__scan_more(tm__scan_skip(rows), &after) : NULL;
        out->rows = rows;
        fits = fits && rows != NULL && *rows == '[';
    }
    return fits;
}

static void decode_as(const tm_plan *plan, const uint8_t *data, size_t len, tm_rows_kind kind) {
    tm_buf copies[3];
    tm_rows_place places[3];
    bool fits = true;
    for (uint32_t i = 0; i < 3; i++) { /* decoding rewrites a document */
        copy_of(data, len, &copies[i]);
        fits = find_place(&copies[i], kind, &places[i]) && fits;
    }
    if (fits) {
        decode(plan, &places[0]);
        compare_parts(plan, &places[1]);
    }
    for (uint32_t i = 0; i < 3; i++) {
        tm__buf_done(&copies[i]);
    }
}

/* Any text as lines of JSON and as CSV. */
static void decode_text(const tm_plan *plan, const uint8_t *data, size_t len, tm_rows_kind kind) {
    tm_buf copies[3];
    tm_rows_place places[3];
    if (len == 0 || memchr(data, '\0', len) != NULL ||
        !tm__str_is_utf8((tm_str){(const char *)data, len})) {
        return; /* the handler refuses it */
    }
    for (uint32_t i = 0; i < 3; i++) {
        copy_of(data, len, &copies[i]);
        places[i] = (tm_rows_place){.kind = kind, .path = "rows", .rows = (char *)copies[i].data};
    }
    decode(plan, &places[0]);
    compare_parts(plan, &places[1]);
    for (uint32_t i = 0; i < 3; i++) {
        tm__buf_done(&copies[i]);
    }
}

/* The rows as a request has them: what the quick way takes, the general one takes with the same
 * values, and what it leaves it does not touch. */
static void compare_quick(const tm_plan *plan, const uint8_t *data, size_t len) {
    static tm_arena *arena;
    tm_buf quick, whole, rows[2];
    tm_exchange xs[2] = {0};
    if (arena == NULL) {
        arena = tm__arena_create(1u << 22);
    }
    tm__arena_reset(arena);
    tm__buf_init(&quick, len + 16);
    must(tm__buf_text(&quick, "{\"rows\":") && tm__buf_append(&quick, data, len) &&
         tm__buf_byte(&quick, '}'));
    copy_of(quick.data, quick.len, &whole);
    tm__buf_init(&rows[0], 1u << 24);
    tm__buf_init(&rows[1], 1u << 24);
    const tm_rows_place none = {.kind = TM_ROWS_RECORDS, .path = "rows"};
    const tm_rows_place place = {
        .kind = TM_ROWS_RECORDS, .path = "rows", .rows = tm__scan_space((char *)whole.data + 8)};
    tm_decoder *a = tm__decoder_create(plan, &none, &xs[0], arena);
    must(a != NULL);
    if (tm__decoder_read_quick(a, (char *)quick.data, quick.len)) {
        tm_scan_error e;
        must(tm__scan_check((const char *)whole.data, whole.len, &e));
        tm_decoder *b = tm__decoder_create(plan, &place, &xs[1], arena);
        put_rows(plan, a, &xs[0], &rows[0]);
        put_rows(plan, b, &xs[1], &rows[1]);
        must(xs[0].n_errors == 0 && xs[1].n_errors == 0);
        must(rows[0].len == rows[1].len && memcmp(rows[0].data, rows[1].data, rows[0].len) == 0);
        const tm_decode_counts x = tm__decoder_counts(a), y = tm__decoder_counts(b);
        must(x.n_rows == 1 && y.n_rows == 1 && x.n_nulls == y.n_nulls);
        must(x.n_coerced == y.n_coerced);
    }
    must(len == 0 || memcmp(quick.data + 8, data, len) == 0);
    tm__mem_free(xs[0].errors);
    tm__mem_free(xs[1].errors);
    tm__buf_done(&rows[0]);
    tm__buf_done(&rows[1]);
    tm__buf_done(&whole);
    tm__buf_done(&quick);
}

/* An array of JSON, or any bytes, as a tensor of one column and as one of all columns. */
static void decode_tensor(const tm_plan *plan, const uint8_t *data, size_t len, bool is_json) {
    for (uint32_t way = 0; way < 2; way++) {
        tm_buf copies[3];
        tm_tensor tensors[3];
        tm_rows_place places[3];
        for (uint32_t i = 0; i < 3; i++) {
            copy_of(data, len, &copies[i]);
            tensors[i] = (tm_tensor){.name = tm__str(names[way == 0 ? 0 : 1]),
                                     .type = (tm_datatype)(len % 13),
                                     .n_rows = len % 7,
                                     .n_cols = way == 0 ? 1 : 6,
                                     .is_flat = way == 0,
                                     .json = is_json ? (char *)copies[i].data : NULL,
                                     .bytes = copies[i].data,
                                     .n_bytes = len};
            places[i] = (tm_rows_place){
                .kind = TM_ROWS_TENSORS, .path = "rows", .tensors = &tensors[i], .n_tensors = 1};
        }
        decode(plan, &places[0]);
        compare_parts(plan, &places[1]);
        for (uint32_t i = 0; i < 3; i++) {
            tm__buf_done(&copies[i]);
        }
    }
}

/* A value that is no array and no object; returns behind it. */
static char *compare_scalar(const json_t *theirs, char *p) {
    const char *const start = p;
    tm_scan_number number;
    tm_str text;
    switch (json_typeof(theirs)) {
    case JSON_STRING:
        must(*p == '"');
        p = tm__scan_string(p, &text);
        must(tm__str_eq(text, (tm_str){json_string_value(theirs), json_string_length(theirs)}));
        return p;
    case JSON_INTEGER:
        p = tm__scan_number(p, &number);
        must(number.is_whole && number.is_int && number.int64 == json_integer_value(theirs));
        return p;
    case JSON_REAL:
        p = tm__scan_number(p, &number);
        const double value = json_real_value(theirs);
        if (p - start > LONG_NUMBER) {
            must(!number.is_finite);
            return p;
        }
        must(!number.is_int && number.is_finite);
        must(memcmp(&number.number, &value, sizeof(value)) == 0);
        return p;
    default:
        must(*p == (json_is_true(theirs) ? 't' : json_is_false(theirs) ? 'f' : 'n'));
        return tm__scan_skip(p);
    }
}

/* Walk the whole value at p beside jansson's; returns behind it. */
static char *compare_value(const json_t *theirs, char *p) {
    char *after = NULL;
    size_t n = 0;
    p = tm__scan_space(p);
    if (*p != '{' && *p != '[') {
        return compare_scalar(theirs, p);
    }
    const bool is_object = *p == '{';
    must(is_object ? json_is_object(theirs) : json_is_array(theirs));
    for (char *at = tm__scan_enter(p, &after); at != NULL; at = tm__scan_more(at, &after)) {
        tm_str name = {0};
        at = is_object ? tm__scan_name(at, &name) : at;
        const json_t *member =
            is_object ? json_object_getn(theirs, name.ptr, name.len) : json_array_get(theirs, n);
        must(member != NULL);
        at = compare_value(member, at);
        n++;
    }
    must(n == (is_object ? json_object_size(theirs) : json_array_size(theirs)));
    return after;
}

static void compare(const tm_buf *text, const uint8_t *data, size_t len, const tm_scan_error *e) {
    json_error_t error;
    if (len > 0 && memchr(data, 0, len) != NULL) {
        must(e->reason != NULL);
        return;
    }
    json_t *theirs =
        json_loadb((const char *)data, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    const bool is_number = theirs == NULL && json_error_code(&error) == json_error_numeric_overflow;
    const bool is_twice = theirs == NULL && json_error_code(&error) == json_error_duplicate_key;
    if (!is_number && !is_twice && !e->is_limit) {
        must((theirs != NULL) == (e->reason == NULL));
    }
    if (theirs != NULL && e->reason == NULL) {
        static tm_buf copy; /* the walk unescapes in place */
        if (copy.data == NULL) {
            tm__buf_init(&copy, 1u << 24);
        }
        tm__buf_reset(&copy);
        must(tm__buf_append(&copy, text->data, len + 1));
        char *end = compare_value(theirs, (char *)copy.data);
        must(tm__scan_space(end) == (char *)copy.data + len);
    }
    json_decref(theirs);
}

/* One plan for all inputs: it is immutable. */
static const tm_plan *the_plan(void) {
    static tm_schema_column columns[] = {
        {.name = names[0], .type = TM_TYPE_INT},
        {.name = names[1], .type = TM_TYPE_TEXT, .is_nullable = true},
        {.name = names[2], .type = TM_TYPE_FLOAT, .is_nullable = true},
        {.name = names[3], .type = TM_TYPE_TIME, .is_nullable = true},
        {.name = names[5], .type = TM_TYPE_BOOL, .is_nullable = true},
        {.name = names[6], .type = TM_TYPE_DATE, .is_nullable = true},
    };
    static const tm_schema schema = {.n_cols = 6, .cols = columns};
    static const char *others[] = {names[4]};
    static const tm_plan_parts parts = {
        .inputs = &schema, .others = others, .n_others = 1, .time = names[3], .entity = "tail"};
    static tm_plan *plan;
    if (plan == NULL) {
        must(tm__plan_make(&parts, &plan, NULL) == TM_OK);
    }
    return plan;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_buf text;
    tm__buf_init(&text, len + 1);
    must(tm__buf_append(&text, data, len) && tm__buf_reserve(&text, 1) != NULL);
    text.data[len] = 0;
    tm_scan_error e = {0};
    (void)tm__scan_check((const char *)text.data, len, &e);
    compare(&text, data, len, &e);
    compare_quick(the_plan(), data, len);
    for (uint32_t kind = 0; e.reason == NULL && kind < 3; kind++) {
        decode_as(the_plan(), data, len, (tm_rows_kind)kind);
    }
    decode_text(the_plan(), data, len, TM_ROWS_LINES);
    decode_text(the_plan(), data, len, TM_ROWS_CSV);
    decode_tensor(the_plan(), data, len, false);
    if (e.reason == NULL && *tm__scan_space((char *)text.data) == '[') {
        decode_tensor(the_plan(), data, len, true);
    }
    tm__buf_done(&text);
    return 0;
}
