/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/block_pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "guard/guard.h"
#include "monitor/monitor_priv.h"
#include "test.h"

enum { CELLS = 12 };

static double some_float(tm_rng *rng, uint32_t column) {
    static const double odd[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 5e-324, 1e300, 0.1 + 0.2};
    char text[32];
    if (tm__rng_below(rng, 20) == 0) {
        return odd[tm__rng_below(rng, 8)];
    }
    const double value = (tm__rng_f64(rng) - 0.5) * 1000;
    if (column % 3 == 0) {
        return value;
    }
    (void)snprintf(text, sizeof(text), "%.*f", (int)tm__rng_below(rng, 1 + column), value);
    return strtod(text, NULL);
}

static tm_cell some_cell(tm_rng *rng, uint32_t column) {
    static const int64_t wholes[] = {0, 1, -1, 127, -128, INT64_MAX, INT64_MIN, 1700000000000000};
    static const char *const texts[] = {"", "red", "a much longer text than that", "\xc3\xbc"};
    const tm_type types[] = {TM_TYPE_NONE,  TM_TYPE_BOOL, TM_TYPE_INT,  TM_TYPE_FLOAT,
                             TM_TYPE_FLOAT, TM_TYPE_TEXT, TM_TYPE_DATE, TM_TYPE_TIME};
    tm_cell cell = {.type = types[tm__rng_below(rng, 8)]};
    if (cell.type == TM_TYPE_FLOAT) {
        cell.f64 = some_float(rng, column);
    } else if (cell.type == TM_TYPE_TEXT) {
        cell.text = tm__str(texts[tm__rng_below(rng, 4)]);
    } else if (cell.type == TM_TYPE_BOOL) {
        cell.i64 = (int64_t)tm__rng_below(rng, 2);
    } else {
        cell.i64 = tm__rng_below(rng, 2) == 0 ? wholes[tm__rng_below(rng, 8)]
                                              : (int64_t)tm__rng_below(rng, 1u << 20);
    }
    return cell;
}

static void add_record(tm_rng *rng, tm_buf *out) {
    tm_cell cells[CELLS];
    double outputs[3] = {0.25, tm__rng_f64(rng), NAN};
    for (uint32_t i = 0; i < CELLS; i++) {
        cells[i] = some_cell(rng, i);
    }
    tm_answer answer = {.event_us = tm__rng_below(rng, 2) == 0 ? TM_INT_MISSING
                                                               : (int64_t)tm__rng_below(rng, 1000),
                        .cells = cells,
                        .n_cells = (uint32_t)tm__rng_below(rng, CELLS + 1),
                        .outputs = outputs,
                        .n_outputs = (uint32_t)tm__rng_below(rng, 4)};
    if (tm__rng_below(rng, 3) == 0) {
        answer.entity = tm__rng_below(rng, 2) == 0 ? tm__str("") : tm__str("customer 7");
    }
    if (tm__rng_below(rng, 5) == 0) {
        (void)snprintf(answer.id, sizeof(answer.id), "%s", "plain-id");
    } else {
        tm__id_create(answer.id);
    }
    const size_t before = out->len;
    assert_true(tm__answer_append(&answer, out));
    (void)tm__record_stamp(out->data + before, (int64_t)tm__rng_below(rng, UINT64_C(1) << 52),
                           (uint32_t)tm__rng_below(rng, UINT64_C(1) << 32));
}

static void the_same_bytes_come_back(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(1, "block_pack", 0);
    for (int i = 0; i < 300; i++) {
        tm_buf records, packed, again;
        tm__buf_init(&records, 1u << 24);
        tm__buf_init(&packed, 1u << 24);
        tm__buf_init(&again, 1u << 24);
        for (uint64_t n = tm__rng_below(&rng, 200); n > 0; n--) {
            add_record(&rng, &records);
        }
        const tm_str all = {(const char *)records.data, records.len};
        assert_true(tm__block_pack(all, &packed));
        const tm_str bytes = {(const char *)packed.data, packed.len};
        assert_true(tm__block_is_packed(bytes));
        assert_true(records.len == 0 || !tm__block_is_packed(all));
        assert_true(tm__block_unpack(bytes, &again));
        assert_int_equal(again.len, records.len);
        assert_true(records.len == 0 || memcmp(again.data, records.data, records.len) == 0);
        tm__buf_done(&records);
        tm__buf_done(&packed);
        tm__buf_done(&again);
    }
}

static void decimals_of_a_table_take_less_than_half(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(2, "block_pack", 0);
    tm_buf records, packed;
    tm__buf_init(&records, 1u << 24);
    tm__buf_init(&packed, 1u << 24);
    for (int i = 0; i < 200; i++) {
        tm_cell cells[30];
        const double output = tm__rng_f64(&rng);
        for (int c = 0; c < 30; c++) {
            char text[32];
            (void)snprintf(text, sizeof(text), "%.5f", 4 * tm__rng_f64(&rng) - 2);
            cells[c] = (tm_cell){.type = TM_TYPE_FLOAT, .f64 = strtod(text, NULL)};
        }
        tm_answer answer = {.event_us = TM_INT_MISSING,
                            .cells = cells,
                            .n_cells = 30,
                            .outputs = &output,
                            .n_outputs = 1};
        tm__id_create(answer.id);
        assert_true(tm__answer_append(&answer, &records));
    }
    assert_true(tm__block_pack((tm_str){(const char *)records.data, records.len}, &packed));
    assert_true(packed.len * 2 < records.len);
    tm__buf_done(&records);
    tm__buf_done(&packed);
}

static void what_is_no_record_is_not_packed(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(3, "block_pack", 0);
    tm_buf records, packed;
    tm__buf_init(&records, 1u << 20);
    tm__buf_init(&packed, 1u << 20);
    add_record(&rng, &records);
    for (size_t len = 1; len < records.len; len++) {
        tm__buf_reset(&packed);
        assert_false(tm__block_pack((tm_str){(const char *)records.data, len}, &packed));
    }
    records.data[50] = 1; /* behind the id */
    tm__buf_reset(&packed);
    assert_false(tm__block_pack((tm_str){(const char *)records.data, records.len}, &packed));
    assert_false(packed.failed);
    tm__buf_done(&records);
    tm__buf_done(&packed);
}

/* Records that come out of damaged bytes are bounded and are records, or none come out. */
static void damaged_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    tm_rng rng = tm__rng_split(4, "block_pack", 0);
    tm_buf records, packed, out;
    tm__buf_init(&records, 1u << 20);
    tm__buf_init(&packed, 1u << 20);
    tm__buf_init(&out, 1u << 22);
    for (int i = 0; i < 4; i++) {
        add_record(&rng, &records);
    }
    assert_true(tm__block_pack((tm_str){(const char *)records.data, records.len}, &packed));
    for (size_t len = 0; len < packed.len; len++) {
        tm__buf_reset(&out);
        assert_false(tm__block_unpack((tm_str){(const char *)packed.data, len}, &out));
    }
    for (int i = 0; i < 20000; i++) {
        const size_t at = (size_t)tm__rng_below(&rng, packed.len);
        const uint8_t was = packed.data[at];
        packed.data[at] = (uint8_t)tm__rng_below(&rng, 256);
        tm__buf_reset(&out);
        if (tm__block_unpack((tm_str){(const char *)packed.data, packed.len}, &out)) {
            tm_str rest = {(const char *)out.data, out.len};
            tm_record record;
            while (rest.len > 0) {
                assert_true(tm__record_read(&rest, &record));
            }
        }
        out.failed = false;
        packed.data[at] = was;
    }
    tm__buf_done(&records);
    tm__buf_done(&packed);
    tm__buf_done(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_come_back),
        cmocka_unit_test(decimals_of_a_table_take_less_than_half),
        cmocka_unit_test(what_is_no_record_is_not_packed),
        cmocka_unit_test(damaged_bytes_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
