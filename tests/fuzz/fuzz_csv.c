/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a CSV file, to columns. Read whole, in small blocks, as a stream of chunks and by
 * more threads it is the same table; fields stay inside their block. The first byte says whether
 * there is a header and which of these is tried, the second how small blocks are.
 *
 * The dialect, the header and styles of numbers are found in the first block, which may be wrong in
 * a block of a few bytes; so what was read with another of these is not compared.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pool.h"
#include "source/csv_priv.h"
#include "stream_tables.h"

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

static bool same_cell(const tm_cell *a, const tm_cell *b) {
    return a->type == b->type && a->i64 == b->i64 &&
           memcmp(&a->f64, &b->f64, sizeof(a->f64)) == 0 && tm__str_eq(a->text, b->text);
}

static bool same_columns(const tm_table *a, const tm_table *b) {
    bool same = tm__table_cols(a) == tm__table_cols(b);
    for (uint32_t c = 0; same && c < tm__table_cols(a); c++) {
        same = strcmp(tm__table_column(a, c)->name, tm__table_column(b, c)->name) == 0;
    }
    return same;
}

/* All rows of `part` are those of `whole` from `row` on. */
static void compare(const tm_table *whole, uint64_t row, const tm_table *part) {
    must(row + tm__table_rows(part) <= tm__table_rows(whole));
    for (uint32_t c = 0; c < tm__table_cols(whole); c++) {
        const tm_column *a = tm__table_column(whole, c), *b = tm__table_column(part, c);
        must(a->type == b->type);
        for (uint64_t i = 0; i < tm__table_rows(part); i++) {
            const tm_cell x = tm__column_cell(a, row + i), y = tm__column_cell(b, i);
            must(same_cell(&x, &y));
        }
    }
}

/* What the first block says of the others. */
typedef struct found {
    tm_csv_dialect dialect;
    uint64_t styles; /* a hash of those of all columns */
} found;

static void find_styles(tm_csv_scanner *scanner, uint64_t n_records, found *out) {
    must(tm__csv_find_styles(scanner, n_records, NULL) == TM_OK);
    for (uint32_t col = 0; col < tm__csv_cols(scanner); col++) {
        out->styles = out->styles * 31 + (uint64_t)tm__csv_style(scanner, col);
    }
}

/* Every field of every block can be read. */
static found walk(const char *path, size_t block_bytes) {
    tm_csv_scanner *scanner = NULL;
    found first = {0};
    bool is_first = true;
    uint64_t n_records = 0, n_bytes = 0;
    static char room[TM_MAX_TEXT_BYTES]; /* a packed file of some bytes may hold a long text */
    if (tm__csv_open(path, block_bytes, &scanner, NULL) != TM_OK) {
        return first;
    }
    first.dialect = tm__csv_dialect(scanner);
    while (tm__csv_next(scanner, &n_records, NULL) == TM_OK && n_records > 0) {
        if (is_first) {
            find_styles(scanner, n_records, &first);
        }
        is_first = false;
        const tm_csv_field *fields = tm__csv_fields(scanner);
        for (uint64_t i = 0; i < n_records * tm__csv_cols(scanner); i++) {
            must((fields[i].len & ~TM_CSV_MADE) <= TM_MAX_TEXT_BYTES);
            const tm_str text = tm__csv_text(scanner, fields[i], room);
            for (size_t at = 0; at < text.len; at++) {
                n_bytes += (uint8_t)text.ptr[at];
            }
            if (i < 64) { /* it counts lines from the start of the block: for errors, not for all */
                n_bytes += tm__csv_line(scanner, fields[i]);
            }
        }
    }
    must(n_bytes != UINT64_MAX); /* keeps the reads */
    tm__csv_close(scanner);
    return first;
}

static tm_status read_table(tm_pool *pool, const char *path, const tm_source_spec *spec,
                            tm_table **out) {
    tm_ctx ctx = {.pool = pool};
    tm_err err = {0};
    const tm_status st = tm__csv_read(&ctx, spec, &path, 1, out, &err);
    must(st == TM_OK || err.message[0] != '\0');
    return st;
}

typedef struct stream {
    const tm_table *whole;
    uint64_t row;
    bool differs; /* in columns: another header was found */
} stream;

static tm_status take_chunk(void *arg, tm_table *chunk, tm_err *err) {
    stream *s = arg;
    (void)err;
    s->differs = s->differs || !same_columns(s->whole, chunk);
    if (!s->differs) {
        compare(s->whole, s->row, chunk);
        s->row += tm__table_rows(chunk);
    }
    return TM_OK;
}

static tm_status stream_csv(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                            tm_status (*fn)(void *arg, tm_table *chunk, tm_err *err), void *arg) {
    stream_tables s;
    stream_tables_init(&s, fn, arg);
    const tm_status st = tm__csv_pipe(ctx, spec, paths, 1, &s.sink, NULL);
    stream_tables_done(&s);
    return st;
}

static void check_stream(const char *path, const tm_table *whole, const tm_source_spec *spec) {
    tm_ctx ctx = {0};
    stream s = {.whole = whole};
    must(stream_csv(&ctx, spec, &path, take_chunk, &s) == TM_OK);
    must(!s.differs && s.row == tm__table_rows(whole));
}

/* By small blocks, when they find the same dialect and header. */
static void check_blocks(const char *path, const tm_table *whole, const tm_source_spec *spec,
                         const tm_source_spec *small) {
    tm_table *table = NULL;
    const found of_whole = walk(path, spec->block_bytes), of_small = walk(path, small->block_bytes);
    const tm_csv_dialect a = of_whole.dialect, b = of_small.dialect;
    if (a.delimiter != b.delimiter || a.quote != b.quote || a.skips_blanks != b.skips_blanks ||
        of_whole.styles != of_small.styles) {
        return;
    }
    if (read_table(NULL, path, small, &table) != TM_OK) {
        must(!small->no_header); /* a name that is a value elsewhere may be wrong */
        return;
    }
    if (same_columns(whole, table)) {
        must(tm__table_rows(whole) == tm__table_rows(table));
        compare(whole, 0, table);
    }
    check_stream(path, table, small);
    tm__table_unref(table);
}

static void check_threads(const char *path, const tm_table *whole, const tm_source_spec *spec) {
    static tm_pool *pool;
    tm_table *table = NULL;
    if (pool == NULL) {
        pool = tm__pool_create(3);
        must(pool != NULL);
    }
    must(read_table(pool, path, spec, &table) == TM_OK && same_columns(whole, table));
    must(tm__table_rows(whole) == tm__table_rows(table));
    compare(whole, 0, table);
    tm__table_unref(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    tm_table *whole = NULL;
    if (len < 2) {
        return 0;
    }
    const char *path = file_of(data + 2, len - 2);
    const tm_source_spec spec = {.no_header = (data[0] & 1) != 0, .block_bytes = 4096};
    tm_source_spec small = spec;
    small.block_bytes = 16 + data[1] % 64;
    if (read_table(NULL, path, &spec, &whole) == TM_OK) {
        if ((data[0] & 2) != 0) {
            check_blocks(path, whole, &spec, &small);
        } else if (data[0] >> 2 == 1 && data[1] % 16 == 0) { /* waking threads is slow */
            check_threads(path, whole, &spec);
        } else {
            check_stream(path, whole, &spec);
        }
    } else {
        (void)walk(path, small.block_bytes);
    }
    tm__table_unref(whole);
    return 0;
}
