/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "source/feed_priv.h"
#include "support.h"
#include "test.h"

#define PATH "feed-text-a"

/* What came of a file: the rows' bytes, and each place behind a piece. */
typedef struct heard {
    tm_buf text;
    uint32_t n_pieces, n_last;
    tm_text_place places[64];
    uint64_t first_lines[64];
    char names[64];
    char delimiter;
    bool has_header, skipped_first;
    uint32_t stop_at; /* pieces; 0: never */
} heard;

static char no_order(void *arg, const char *column) {
    (void)arg;
    return column[0] == 'd' ? 'd' : 0;
}

static tm_status named(void *arg, const tm_push_csv *csv, bool has_header, tm_err *err) {
    heard *h = arg;
    (void)err;
    h->has_header = has_header;
    h->delimiter = csv->delimiter;
    h->names[0] = '\0';
    for (uint32_t i = 0; i < csv->n_names; i++) {
        assert_int_equal(csv->orders[i], csv->names[i][0] == 'd' ? 'd' : 0);
        (void)snprintf(h->names + strlen(h->names), sizeof(h->names) - strlen(h->names), "%s ",
                       csv->names[i]);
    }
    return TM_OK;
}

static tm_status take(void *arg, const tm_text_piece *piece, tm_err *err) {
    heard *h = arg;
    if (h->stop_at > 0 && h->n_pieces == h->stop_at) {
        return TM_FAIL(err, TM_E_IO, "killed");
    }
    assert_int_equal(h->n_last, 0);
    assert_int_equal(piece->data[piece->len], 0);
    h->skipped_first = h->skipped_first || (piece->csv != NULL && piece->csv->skips_first);
    h->places[h->n_pieces] = piece->behind;
    h->first_lines[h->n_pieces++] = piece->first_line;
    h->n_last += piece->is_last;
    assert_true(tm__buf_append(&h->text, piece->data, piece->len));
    return TM_OK;
}

static tm_status read_text(heard *h, bool is_lines, const tm_text_place *from, size_t piece_bytes,
                           bool *changed) {
    tm_ctx *ctx = test_ctx_make(1);
    const tm_text_file file = {.path = PATH,
                               .is_lines = is_lines,
                               .order = no_order,
                               .named = named,
                               .take = take,
                               .arg = h,
                               .piece_bytes = piece_bytes};
    const uint32_t stop_at = h->stop_at;
    *h = (heard){.stop_at = stop_at};
    tm__buf_init(&h->text, 1u << 20);
    const tm_status st = tm__feed_text(ctx, &file, from, changed, NULL);
    test_ctx_free(ctx);
    return st;
}

static void write_text(const char *text) {
    assert_int_equal(tm__fs_publish(PATH, text, strlen(text), NULL), TM_OK);
}

static void check_text(heard *h, const char *want) {
    assert_int_equal(h->text.len, strlen(want));
    assert_memory_equal(h->text.data, want, h->text.len);
    tm__buf_done(&h->text);
}

static void a_file_comes_whole_with_its_header_told(void **state) {
    (void)state;
    heard h = {0};
    bool changed = false;
    write_text("\xEF\xBB\xBF"
               "day;x\n01/02/2020;1,5\n\n02/02/2020;\"a\nb\"");
    assert_int_equal(read_text(&h, false, NULL, 0, &changed), TM_OK);
    assert_false(changed);
    assert_int_equal(h.n_pieces, 1);
    assert_int_equal(h.delimiter, ';');
    assert_true(h.has_header && h.skipped_first);
    assert_string_equal(h.names, "day x ");
    assert_int_equal(h.places[0].lines, 4);
    assert_false(h.places[0].ends);
    check_text(&h, "day;x\n01/02/2020;1,5\n\n02/02/2020;\"a\nb\"");
}

/* Quotes, line ends in them, odd quotes, ragged rows, blank lines. */
static void write_hard(uint64_t seed, bool is_lines) {
    static const char *const rows[] = {
        "1,a\n",   "2,\"b\nc\"\n",       "3\n",        "4,\"odd\n",         "\n",
        "5,x,y\n", "6,\"two\"\"q\"\r\n", "7,\"a\"b\n", "8,long long text\n"};
    static const char *const lines[] = {"{\"a\":1}\n", "\n", "{\"a\":\"\\\"\"}\n", "{bad\"\n"};
    tm_buf text;
    tm_rng rng = tm__rng_split(seed, "hard", 0);
    tm__buf_init(&text, 1u << 20);
    (void)tm__buf_text(&text, is_lines ? "{\"a\":0}\n" : "id,t\n0,z\n");
    for (uint32_t i = 0; i < 40; i++) {
        (void)tm__buf_text(&text,
                           is_lines ? lines[tm__rng_below(&rng, 4)] : rows[tm__rng_below(&rng, 9)]);
    }
    assert_int_equal(tm__fs_publish(PATH, text.data, text.len, NULL), TM_OK);
    tm__buf_done(&text);
}

/* From any place, in pieces of any size, the rest comes; lines are numbered as in the file. */
static void reading_goes_on_behind_each_piece(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        heard all = {0}, rest = {0};
        bool changed = false;
        const bool is_lines = seed % 2 == 1;
        write_hard(seed, is_lines);
        assert_int_equal(read_text(&all, is_lines, NULL, 16 + seed, &changed), TM_OK);
        assert_true(all.n_pieces > 3);
        assert_int_equal(all.n_last, 1);
        for (uint32_t i = 0; i + 1 < all.n_pieces; i++) {
            const tm_text_place *from = &all.places[i];
            const size_t at = (size_t)from->bytes;
            uint64_t n_lines = 0;
            assert_int_equal(read_text(&rest, is_lines, from, 1000 + seed, &changed), TM_OK);
            assert_false(changed || rest.skipped_first);
            assert_int_equal(rest.text.len, all.text.len - at);
            assert_memory_equal(rest.text.data, all.text.data + at, rest.text.len);
            for (size_t k = 0; k < at; k++) {
                n_lines += all.text.data[k] == '\n';
            }
            assert_int_equal(from->lines, n_lines);
            assert_int_equal(rest.first_lines[0], n_lines + 1);
            assert_int_equal(all.first_lines[i + 1], n_lines + 1);
            tm__buf_done(&rest.text);
        }
        tm__buf_done(&all.text);
    }
}

typedef struct growth_case {
    const char *name, *before, *after, *rest; /* rest NULL: changed */
} growth_case;

static const growth_case growths[] = {
    {"nothing", "a,b\n1,2\n", "a,b\n1,2\n", ""},
    {"a line more", "a,b\n1,2\n", "a,b\n1,2\n3,4\n", "3,4\n"},
    {"a line end and more", "a,b\n1,2", "a,b\n1,2\n3,4", "\n3,4"},
    {"a line end of two and more", "a,b\n1,2", "a,b\n1,2\r\n3,4", "\r\n3,4"},
    {"the last line goes on", "a,b\n1,2", "a,b\n1,23\n", NULL},
    {"shorter", "a,b\n1,2\n3,4\n", "a,b\n1,2\n", NULL},
    {"another", "a,b\n1,2\n3,4\n", "a,b\n1,2\n3,5\n6,7\n", NULL},
};

static void only_growth_is_read_on(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(growths) / sizeof(growths[0]); i++) {
        const growth_case *c = &growths[i];
        heard h = {0};
        bool changed = false;
        write_text(c->before);
        assert_int_equal(read_text(&h, false, NULL, 0, &changed), TM_OK);
        tm__buf_done(&h.text);
        const tm_text_place from = h.places[h.n_pieces - 1];
        write_text(c->after);
        assert_int_equal(read_text(&h, false, &from, 0, &changed), TM_OK);
        if (changed != (c->rest == NULL) || (changed && h.n_pieces > 0)) {
            fail_msg("%s: changed %d, %u pieces", c->name, changed, h.n_pieces);
        }
        check_text(&h, c->rest == NULL ? "" : c->rest);
    }
}

static void a_failure_of_the_taker_ends_it(void **state) {
    (void)state;
    heard h = {.stop_at = 2};
    bool changed = false;
    write_hard(3, false);
    assert_int_equal(read_text(&h, false, NULL, 32, &changed), TM_E_IO);
    assert_int_equal(h.n_pieces, 2);
    tm__buf_done(&h.text);
    assert_int_equal(tm__fs_publish(PATH, "\x89PNG\r\n", 6, NULL), TM_OK);
    assert_int_equal(read_text(&h, true, NULL, 0, &changed), TM_E_DATA);
    tm__buf_done(&h.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_whole_with_its_header_told),
        cmocka_unit_test(reading_goes_on_behind_each_piece),
        cmocka_unit_test(only_growth_is_read_on),
        cmocka_unit_test(a_failure_of_the_taker_ends_it),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
