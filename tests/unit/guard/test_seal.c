/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support.h"
#include "test.h"

#define PATH "file.sealed"
#define NAME "file.parquet"
#define CHUNK 65536u

static const char *const keys[] = {
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
    "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};

static tm_envelope_ring ring_of(uint32_t first, uint32_t n) {
    tm_envelope_ring ring = {.n = n};
    for (uint32_t i = 0; i < n; i++) {
        assert_true(tm__envelope_key_from_text(tm__str(keys[first + i]), &ring.keys[i]));
    }
    return ring;
}

static tm_status seal(const tm_envelope_key *key, const void *data, size_t len, tm_err *err) {
    tm_file *file = NULL;
    tm_seal_writer *writer = NULL;
    TM_TRY(tm__fs_remove(PATH, err));
    TM_TRY(tm__file_open(PATH, TM_OPEN_CREATE, &file, err));
    tm_status st = tm__seal_writer_create(key, NAME, file, &writer, err);
    for (size_t at = 0; st == TM_OK && at < len; at += 4001) {
        const size_t left = len - at;
        st = tm__seal_write(writer, (const uint8_t *)data + at, left < 4001 ? left : 4001, err);
    }
    st = st == TM_OK ? tm__seal_write_end(writer, err) : st;
    tm__seal_writer_free(writer);
    tm__file_close(file);
    return st;
}

/* All of it, by pieces of an odd size. */
static tm_status open_all(const tm_envelope_ring *ring, const tm_sealed *from, tm_buf *out,
                          tm_err *err) {
    tm_seal_reader *reader = NULL;
    uint8_t piece[7001];
    TM_TRY(tm__seal_reader_create(ring, from, &reader, err));
    tm_status st = TM_OK;
    for (size_t n = sizeof(piece); st == TM_OK && n == sizeof(piece);) {
        st = tm__seal_read(reader, piece, sizeof(piece), &n, err);
        st = st == TM_OK && !tm__buf_append(out, piece, n) ? TM_E_NOMEM : st;
    }
    tm__seal_reader_free(reader);
    return st;
}

static tm_status open_bytes(const tm_envelope_ring *ring, const tm_buf *bytes, const char *name,
                            tm_buf *out) {
    const tm_sealed from = {.data = bytes->data, .len = bytes->len, .name = name, .path = PATH};
    tm__buf_reset(out);
    return open_all(ring, &from, out, NULL);
}

static void what_is_sealed_comes_back_with_any_length(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 200001};
    const tm_envelope_ring ring = ring_of(0, 2);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        const size_t len = lengths[i];
        uint8_t *data = tm__mem_alloc(len + 1, 1);
        uint8_t id[TM_ENVELOPE_ID_BYTES];
        tm_buf sealed, back;
        tm__random_bytes(data, len + 1);
        tm__buf_init(&sealed, 1 << 20);
        tm__buf_init(&back, 1 << 20);
        /* The second of two keys opens as the first does. */
        assert_int_equal(seal(&ring.keys[i % 2], data, len, NULL), TM_OK);
        assert_int_equal(tm__fs_read_all(PATH, &sealed, NULL), TM_OK);
        assert_true(tm__seal_is_sealed(sealed.data, sealed.len));
        tm__seal_key_id(sealed.data, id);
        assert_memory_equal(id, ring.keys[i % 2].id, sizeof(id));
        assert_true(len < 16 || memmem(sealed.data, sealed.len, data, 16) == NULL);
        assert_int_equal(open_bytes(&ring, &sealed, NAME, &back), TM_OK);
        assert_int_equal(back.len, len);
        assert_true(len == 0 || memcmp(back.data, data, len) == 0);
        tm__buf_done(&sealed);
        tm__buf_done(&back);
        tm__mem_free(data);
    }
}

static void a_changed_cut_or_swapped_file_is_found(void **state) {
    (void)state;
    const tm_envelope_ring ring = ring_of(0, 1);
    static uint8_t data[3 * CHUNK + 100];
    tm_buf sealed, back;
    tm__random_bytes(data, sizeof(data));
    tm__buf_init(&sealed, 1 << 20);
    tm__buf_init(&back, 1 << 20);
    assert_int_equal(seal(&ring.keys[0], data, sizeof(data), NULL), TM_OK);
    assert_int_equal(tm__fs_read_all(PATH, &sealed, NULL), TM_OK);
    assert_int_equal(open_bytes(&ring, &sealed, "other.parquet", &back), TM_E_INTEGRITY);
    /* Each bit of the head; then one of each hundredth byte. */
    for (size_t at = 0; at < sealed.len; at += at < TM_SEAL_HEAD_BYTES ? 1 : 97) {
        sealed.data[at] ^= 0x10;
        const tm_status st = open_bytes(&ring, &sealed, NAME, &back);
        assert_true(st == TM_E_INTEGRITY || (at >= 8 && at < 12 && st == TM_E_UNSUPPORTED) ||
                    (at >= 16 && at < 24 && st == TM_E_NOT_ALLOWED));
        sealed.data[at] ^= 0x10;
    }
    const size_t whole = sealed.len, packed = CHUNK + 17;
    for (size_t len = 0; len < whole; len += len < 400 ? 1 : 331) {
        sealed.len = len;
        assert_int_equal(open_bytes(&ring, &sealed, NAME, &back), TM_E_INTEGRITY);
    }
    sealed.len = TM_SEAL_HEAD_BYTES + 2 * packed; /* cut between two chunks */
    assert_int_equal(open_bytes(&ring, &sealed, NAME, &back), TM_E_INTEGRITY);
    sealed.len = whole;
    assert_true(tm__buf_byte(&sealed, 0)); /* and something behind it */
    assert_int_equal(open_bytes(&ring, &sealed, NAME, &back), TM_E_INTEGRITY);
    sealed.len = whole;
    static uint8_t chunk[CHUNK + 17];
    uint8_t *const first = sealed.data + TM_SEAL_HEAD_BYTES; /* two chunks in turn */
    memcpy(chunk, first, packed);
    memcpy(first, first + packed, packed);
    memcpy(first + packed, chunk, packed);
    assert_int_equal(open_bytes(&ring, &sealed, NAME, &back), TM_E_INTEGRITY);
    tm__buf_done(&sealed);
    tm__buf_done(&back);
}

static void another_key_is_named_by_its_id(void **state) {
    (void)state;
    const tm_envelope_ring ring = ring_of(0, 1), other = ring_of(1, 1);
    char id[TM_ENVELOPE_ID_TEXT];
    tm_buf sealed, back;
    tm_err err = {0};
    tm__buf_init(&sealed, 1 << 20);
    tm__buf_init(&back, 1 << 20);
    assert_int_equal(seal(&ring.keys[0], "text", 4, NULL), TM_OK);
    assert_int_equal(tm__fs_read_all(PATH, &sealed, NULL), TM_OK);
    const tm_sealed from = {.data = sealed.data, .len = sealed.len, .name = NAME, .path = PATH};
    assert_int_equal(open_all(&other, &from, &back, &err), TM_E_NOT_ALLOWED);
    tm__envelope_id_to_text(ring.keys[0].id, id);
    assert_non_null(strstr(err.message, id));
    assert_null(strstr(err.message, keys[0]));
    assert_string_equal(err.data_path, PATH);
    tm__buf_done(&sealed);
    tm__buf_done(&back);
}

static tm_status unseal(const tm_envelope_ring *ring, const char *column, const char *row,
                        const uint8_t *sealed, uint8_t *back) {
    const tm_cell_place place = {column, tm__str(row)};
    return tm__unseal_cell(ring, &place, sealed, 5 + TM_SEAL_CELL_BYTES, back, NULL);
}

static void a_cell_is_bound_to_its_column_its_row_and_its_key(void **state) {
    (void)state;
    static const tm_cell_place place = {"blocks.data", {"17", 2}};
    const tm_envelope_ring ring = ring_of(0, 1), other = ring_of(1, 1);
    uint8_t sealed[5 + TM_SEAL_CELL_BYTES], again[5 + TM_SEAL_CELL_BYTES], back[5];
    tm_cell_head head;
    tm__seal_cell(&ring.keys[0], &place, "hello", 5, sealed);
    tm__seal_cell(&ring.keys[0], &place, "hello", 5, again);
    assert_memory_not_equal(sealed, again, sizeof(sealed)); /* a nonce of its own */
    assert_true(tm__seal_is_cell(sealed, sizeof(sealed), &head) && head.is_of_row);
    assert_memory_equal(head.key_id, ring.keys[0].id, sizeof(head.key_id));
    assert_false(tm__seal_is_cell(sealed, 20, NULL));
    assert_false(tm__seal_is_cell("hello", 5, NULL));
    assert_int_equal(unseal(&ring, "blocks.data", "17", sealed, back), TM_OK);
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(unseal(&ring, "blocks.data", "18", sealed, back), TM_E_INTEGRITY);
    assert_int_equal(unseal(&ring, "blocks.data", "", sealed, back), TM_E_INTEGRITY);
    assert_int_equal(unseal(&ring, "blocks.note", "17", sealed, back), TM_E_INTEGRITY);
    assert_int_equal(unseal(&ring, "batches.data", "17", sealed, back), TM_E_INTEGRITY);
    assert_int_equal(unseal(&other, "blocks.data", "17", sealed, back), TM_E_NOT_ALLOWED);
    for (size_t at = 16; at < sizeof(sealed); at++) {
        sealed[at] ^= 1;
        assert_int_equal(unseal(&ring, "blocks.data", "17", sealed, back), TM_E_INTEGRITY);
        sealed[at] ^= 1;
    }
    for (const char *form = "013"; *form != '\0';
         form++) { /* also an earlier one is not taken for this */
        sealed[7] = (uint8_t)*form;
        assert_int_equal(unseal(&ring, "blocks.data", "17", sealed, back), TM_E_INTEGRITY);
    }
}

static void a_cell_of_before_rows_were_bound_opens(void **state) {
    (void)state;
    static const char text[] =
        "544d5343454c4c31dc7cc8b651070cef000102030405060708090a0b0c0d0e0f1011121314151617"
        "f6a76313ffa558eb425d9ea8a81e8af8a8a23d847b";
    const tm_envelope_ring ring = ring_of(0, 1);
    uint8_t sealed[5 + TM_SEAL_CELL_BYTES], back[5];
    tm_cell_head head;
    size_t n = 0;
    assert_int_equal(sodium_hex2bin(sealed, sizeof(sealed), text, sizeof(text) - 1, NULL, &n, NULL),
                     0);
    assert_true(tm__seal_is_cell(sealed, n, &head) && !head.is_of_row);
    assert_int_equal(unseal(&ring, "blocks.data", "17", sealed, back), TM_OK);
    assert_memory_equal(back, "hello", 5);
    assert_int_equal(unseal(&ring, "batches.data", "17", sealed, back), TM_E_INTEGRITY);
}

static void what_is_no_key_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "", "00", "g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00"};
    tm_envelope_key key;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(tm__envelope_key_from_text(tm__str(bad[i]), &key));
    }
}

static bool seals_and_opens(void *arg) {
    const tm_envelope_ring *const ring = arg;
    tm_buf sealed, back;
    tm__buf_init(&sealed, 1 << 20);
    tm__buf_init(&back, 1 << 20);
    bool done = seal(&ring->keys[0], "text", 4, NULL) == TM_OK &&
                tm__fs_read_all(PATH, &sealed, NULL) == TM_OK &&
                open_bytes(ring, &sealed, NAME, &back) == TM_OK;
    tm__buf_done(&sealed);
    tm__buf_done(&back);
    return done;
}

static void without_memory_nothing_is_left(void **state) {
    (void)state;
    tm_envelope_ring ring = ring_of(0, 1);
    test_each_mem_fault(seals_and_opens, &ring);
    tm__envelope_ring_done(&ring);
    assert_int_equal(ring.n, 0);
    assert_int_equal(ring.keys[0].bytes[1], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sealed_comes_back_with_any_length),
        cmocka_unit_test(a_changed_cut_or_swapped_file_is_found),
        cmocka_unit_test(another_key_is_named_by_its_id),
        cmocka_unit_test(a_cell_is_bound_to_its_column_its_row_and_its_key),
        cmocka_unit_test(a_cell_of_before_rows_were_bound_opens),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(without_memory_nothing_is_left),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
