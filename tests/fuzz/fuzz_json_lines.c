/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as lines of JSON that are scored. In parts of a few bytes, by more threads, they give
 * the same rows, or the same error at the same place, as in one part; and the rows of the server's
 * decoder where both take them.
 *
 * The names of the first part stand for a header, so that all columns here may be missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "serve/decode.h"
#include "source/json_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool fact) {
    if (!fact) {
        abort();
    }
}

/* A file without a disk, the same for all inputs. */
static const char *file_of(const uint8_t *data, size_t len) {
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, len, 0) == (ssize_t)len);
    return path;
}

static char names[][16] = {"distance", "origin", "speed", "date", "is_new", "since"};
static tm_schema_column columns[] = {
    {.name = names[0], .type = TM_TYPE_INT, .is_nullable = true},
    {.name = names[1], .type = TM_TYPE_TEXT, .is_nullable = true},
    {.name = names[2], .type = TM_TYPE_FLOAT, .is_nullable = true},
    {.name = names[3], .type = TM_TYPE_TIME, .is_nullable = true},
    {.name = names[4], .type = TM_TYPE_BOOL, .is_nullable = true},
    {.name = names[5], .type = TM_TYPE_DATE, .is_nullable = true},
};
static const tm_schema schema = {.n_cols = 6, .cols = columns};

static tm_status put_rows(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                          tm_err *err) {
    const bool *const has_members = arg;
    (void)worker;
    (void)err;
    must(tm__table_cols(part->table) == 6);
    for (uint64_t row = 0; row < part->n_rows; row++) {
        for (uint32_t c = 0; c < 6; c++) {
            const tm_cell cell = tm__column_cell(tm__table_column(part->table, c), row);
            must(cell.type == TM_TYPE_NONE || cell.type == columns[c].type);
            must(tm__cell_write_json(&cell, out) && tm__buf_byte(out, ','));
        }
        for (uint64_t m = part->member_at[row]; *has_members && m < part->member_at[row + 1]; m++) {
            const tm_source_member *const member = &part->members[m];
            must(tm__json_write_text(out, member->name) &&
                 tm__buf_append(out, member->value.ptr, member->value.len));
        }
        must(tm__buf_byte(out, '\n'));
    }
    return TM_OK;
}

typedef struct output {
    bool has_members;
    tm_buf text;
} output;

static tm_status work(void *arg, const tm_source_part *part, uint32_t worker, tm_buf *out,
                      tm_err *err) {
    return put_rows(&((output *)arg)->has_members, part, worker, out, err);
}

static tm_status append(void *arg, const tm_buf *out, uint64_t n_rows, tm_err *err) {
    (void)n_rows;
    (void)err;
    must(tm__buf_append(&((output *)arg)->text, out->data, out->len));
    return TM_OK;
}

static tm_status read_lines(const char *path, size_t block_bytes, tm_pool *pool, output *out,
                            tm_err *err) {
    const tm_source_spec spec = {.path = path, .schema = &schema, .block_bytes = block_bytes};
    const tm_source_sink sink = {
        .stage = "fuzz", .takes_members = true, .work = work, .write = append, .arg = out};
    tm_ctx ctx = {.pool = pool};
    tm__buf_init(&out->text, 1u << 26);
    return tm__json_pipe(&ctx, &spec, &path, 1, &sink, err);
}

/* Rows of the same lines as a request's; columns that it does not know are ignored. */
static void compare_with_server(const uint8_t *data, size_t len, const output *want) {
    static tm_plan *plan;
    const tm_plan_parts parts = {.inputs = &schema};
    tm_exchange x = {0};
    tm_buf text, got;
    if (memchr(data, '\0', len) != NULL || !tm__str_is_utf8((tm_str){(const char *)data, len})) {
        return;
    }
    must(plan != NULL || tm__plan_make(&parts, &plan, NULL) == TM_OK);
    tm__buf_init(&text, len + 1);
    tm__buf_init(&got, 1u << 26);
    must(tm__buf_append(&text, data, len) && tm__buf_reserve(&text, 1) != NULL);
    text.data[len] = 0;
    const bool has_mark = len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0;
    const tm_rows_place place = {.kind = TM_ROWS_LINES,
                                 .path = "rows",
                                 .rows = (char *)text.data + (has_mark ? 3 : 0),
                                 .ignores_unknown = true};
    tm_arena *const arena = tm__arena_create(1u << 20);
    tm_decoder *const decoder = tm__decoder_create(plan, &place, &x, arena);
    must(decoder != NULL);
    while (tm__decoder_next(decoder)) {
        for (uint32_t c = 0; c < 6; c++) {
            must(tm__cell_write_json(&tm__decoder_cells(decoder)[c], &got) &&
                 tm__buf_byte(&got, ','));
        }
        must(tm__buf_byte(&got, '\n'));
    }
    if (x.n_errors == 0) {
        must(got.len == want->text.len && memcmp(got.data, want->text.data, got.len) == 0);
    }
    tm__arena_free(arena);
    tm__mem_free(x.errors);
    tm__buf_done(&text);
    tm__buf_done(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static tm_pool *pool;
    if (len < 2 || (len >= 3 && data[1] == 0x1f && data[2] == 0x8b)) {
        return 0;
    }
    pool = pool == NULL ? tm__pool_create(2) : pool;
    const size_t block = 16 + data[0] % 64;
    const char *const path = file_of(data + 1, len - 1);
    tm_err errs[3] = {0};
    output outs[3] = {{.has_members = true}, {.has_members = true}, {.has_members = false}};
    const tm_status whole = read_lines(path, 0, NULL, &outs[0], &errs[0]);
    const tm_status parts =
        read_lines(path, block, (data[0] & 64) != 0 ? pool : NULL, &outs[1], &errs[1]);
    must(whole == parts);
    if (whole == TM_OK) {
        must(outs[0].text.len == outs[1].text.len);
        must(memcmp(outs[0].text.data, outs[1].text.data, outs[0].text.len) == 0);
        must(read_lines(path, 0, NULL, &outs[2], &errs[2]) == TM_OK);
        compare_with_server(data + 1, len - 1, &outs[2]);
        tm__buf_done(&outs[2].text);
    } else if (whole == TM_E_DATA) {
        /* The first part is looked at whole for its names, so its syntax comes before a value. */
        must(errs[0].data_row == 0 || errs[1].data_row == 0 ||
             errs[0].data_row >= errs[1].data_row);
        must(tm__str_is_utf8(tm__str(errs[0].message)));
    }
    tm__buf_done(&outs[0].text);
    tm__buf_done(&outs[1].text);
    return 0;
}
