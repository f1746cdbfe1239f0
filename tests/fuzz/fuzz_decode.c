/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of prediction requests: the check against jansson's verdict, then every way that rows may
 * lie in a document, decoded against a small schema and written back as rows that must be JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "serve/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char names[][16] = {"distance", "origin", "speed", "date", "late"};

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

static void check_row(const tm_decoder *decoder) {
    tm_buf out;
    tm__buf_init(&out, 1u << 24);
    must(tm__decoder_write_row(decoder, &out));
    json_t *row = json_loadb((const char *)out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    must(row != NULL);
    json_decref(row);
    tm__buf_done(&out);
}

static void decode(const tm_plan *plan, tm_rows_place *place) {
    tm_exchange x = {0};
    tm_arena *arena = tm__arena_create(1u << 20);
    tm_decoder *decoder = tm__decoder_create(plan, place, &x, arena);
    for (uint32_t i = 0; decoder != NULL && i < 100 && tm__decoder_next(decoder); i++) {
        if (x.n_errors == 0) {
            check_row(decoder);
        }
    }
    for (uint32_t i = 0; i < x.n_errors; i++) {
        must(tm__str_is_utf8(tm__str(x.errors[i].detail)));
        must(tm__str_is_utf8(tm__str(x.errors[i].column)));
        must(tm__str_is_utf8(tm__str(x.errors[i].hint)));
    }
    tm__mem_free(x.errors);
    tm__arena_free(arena);
}

static void decode_as(const tm_plan *plan, const uint8_t *data, size_t len, tm_rows_kind kind) {
    tm_buf copy;
    tm__buf_init(&copy, len + 1);
    must(tm__buf_append(&copy, data, len));
    char *p = tm__scan_space((char *)copy.data);
    char *after = NULL;
    tm_rows_place place = {.kind = kind, .path = "rows", .rows = p};
    bool fits = *p == (kind == TM_ROWS_COLUMNS ? '{' : '[');
    if (fits && kind == TM_ROWS_SPLIT) { /* the first row of the array stands for the names */
        place.names = tm__scan_enter(p, &after);
        char *rows = place.names;
        fits = rows != NULL && *rows == '[';
        rows = fits ? tm__scan_more(tm__scan_skip(rows), &after) : NULL;
        place.rows = rows;
        fits = fits && rows != NULL && *rows == '[';
    }
    if (fits) {
        decode(plan, &place);
    }
    tm__buf_done(&copy);
}

/* jansson refuses numbers beyond its types, which are well formed all the same, and takes a NUL
 * byte between values, which is not. */
static void compare(const uint8_t *data, size_t len, const tm_scan_error *e) {
    if (len > 0 && memchr(data, 0, len) != NULL) {
        must(e->reason != NULL);
        return;
    }
    json_error_t error;
    json_t *theirs =
        json_loadb((const char *)data, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    const bool is_number = theirs == NULL && json_error_code(&error) == json_error_numeric_overflow;
    const bool is_twice = theirs == NULL && json_error_code(&error) == json_error_duplicate_key;
    if (!is_number && !is_twice && !e->is_limit) {
        must((theirs != NULL) == (e->reason == NULL));
    }
    json_decref(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_schema_column columns[] = {
        {.name = names[0], .type = TM_TYPE_INT},
        {.name = names[1], .type = TM_TYPE_TEXT},
        {.name = names[2], .type = TM_TYPE_FLOAT, .is_nullable = true},
        {.name = names[3], .type = TM_TYPE_TIME},
    };
    const tm_schema schema = {.n_cols = 4, .cols = columns};
    const char *others[] = {names[4]};
    const tm_plan_parts parts = {
        .inputs = &schema, .others = others, .n_others = 1, .time = names[3], .entity = "tail"};
    tm_plan *plan = NULL;
    tm_buf text;
    tm__buf_init(&text, len + 1);
    must(tm__buf_append(&text, data, len) && tm__buf_reserve(&text, 1) != NULL);
    text.data[len] = 0;
    tm_scan_error e = {0};
    (void)tm__scan_check((const char *)text.data, len, &e);
    compare(data, len, &e);
    if (e.reason == NULL && tm__plan_make(&parts, &plan, NULL) == TM_OK) {
        for (uint32_t kind = 0; kind < 3; kind++) {
            decode_as(plan, data, len, (tm_rows_kind)kind);
        }
    }
    tm__plan_free(plan);
    tm__buf_done(&text);
    return 0;
}
