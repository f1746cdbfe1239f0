/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bundle_data.h"
#include "cli/answers.h"
#include "support.h"

/* Two columns that the model does not know, beside those that it does. */
static tm_table *with_ids(const bundle_data *data) {
    tm_table_builder *b = tm__builder_create();
    const uint64_t n = tm__table_rows(data->table);
    assert_int_equal(tm__builder_add_column(b, "order id", TM_TYPE_INT, NULL), TM_OK);
    assert_int_equal(tm__builder_add_column(b, "na\"me", TM_TYPE_TEXT, NULL), TM_OK);
    for (uint32_t c = 0; c < tm__table_cols(data->table); c++) {
        const tm_column *column = tm__table_column(data->table, c);
        assert_int_equal(tm__builder_add_column(b, column->name, column->type, NULL), TM_OK);
    }
    for (uint64_t row = 0; row < n; row++) {
        tm_cell cells[16] = {{.type = TM_TYPE_INT, .i64 = (int64_t)row - 1},
                             {.type = TM_TYPE_TEXT, .text = TM_STR("a,\"b\"")}};
        cells[1].type = row == 0 ? TM_TYPE_NONE : TM_TYPE_TEXT;
        for (uint32_t c = 0; c < tm__table_cols(data->table); c++) {
            cells[c + 2] = tm__column_cell(tm__table_column(data->table, c), row);
        }
        assert_int_equal(tm__builder_add_row(b, cells, NULL), TM_OK);
    }
    tm_table *out = NULL;
    assert_int_equal(tm__builder_finish(b, &out, NULL), TM_OK);
    return out;
}

static void lines_hold_ids_and_what_the_bundle_answers(void **state) {
    (void)state;
    static const tm_task tasks[] = {TM_TASK_BINARY, TM_TASK_MULTICLASS, TM_TASK_REGRESSION};
    for (uint32_t way = 0; way < 6; way++) {
        bundle_data *data = bundle_data_create(40, tasks[way / 2], "gbdt");
        tm_bundle *bundle = bundle_data_open(data);
        tm_table *table = with_ids(data);
        const uint32_t k = tm__bundle_outputs(bundle);
        const tm_answer_form answers = {.bundle = bundle, .is_json = way % 2 == 1};
        const tm_source_part part = {.table = table, .n_rows = 40};
        tm_answer_pen *pen = tm__answer_pen_create(&answers);
        tm_buf out, want;
        double pred[40 * 3];
        tm_ctx ctx = {0};
        tm__buf_init(&out, 1u << 20);
        tm__buf_init(&want, 1u << 20);
        assert_int_equal(tm__bundle_predict(&ctx, bundle, table, NULL, 0, pred, NULL), TM_OK);
        assert_int_equal(tm__answers_write(pen, &part, &out, NULL), TM_OK);
        for (uint64_t row = 0; row < 40; row++) {
            char number[32];
            const char *name = row == 0 ? (answers.is_json ? "null" : "")
                                        : (answers.is_json ? "\"a,\\\"b\\\"\"" : "\"a,\"\"b\"\"\"");
            (void)tm__buf_printf(&want,
                                 answers.is_json
                                     ? "{\"order id\": %d, \"na\\\"me\": %s, \"prediction\": "
                                     : "%d,%s,",
                                 (int)row - 1, name);
            const double *p = pred + row * k;
            (void)tm__f64_to_text(p[0], number);
            const char *quote = answers.is_json ? "\"" : "";
            const char *class = tm__bundle_class(bundle, tm__bundle_decide(bundle, p));
            if (tasks[way / 2] == TM_TASK_REGRESSION) {
                (void)tm__buf_printf(&want, "%s", number);
            } else if (tasks[way / 2] == TM_TASK_BINARY) {
                (void)tm__buf_printf(&want, "%s%s%s%s%s", quote, class, quote,
                                     answers.is_json ? ", \"probability\": " : ",", number);
            } else {
                (void)tm__buf_printf(&want, "%s%s%s%s", quote, class, quote,
                                     answers.is_json ? ", \"probability\": " : "");
                for (uint32_t i = 0; i < k; i++) {
                    (void)tm__f64_to_text(p[i], number);
                    (void)tm__buf_printf(&want, answers.is_json ? "%s\"%s\": %s" : "%s%s%s",
                                         answers.is_json ? (i == 0 ? "{" : ", ") : ",",
                                         answers.is_json ? tm__bundle_class(bundle, i) : "",
                                         number);
                }
                (void)tm__buf_text(&want, answers.is_json ? "}" : "");
            }
            (void)tm__buf_text(&want, answers.is_json ? "}\n" : "\n");
        }
        assert_string_equal((const char *)out.data, (const char *)want.data);
        tm__buf_reset(&out);
        tm__answers_head(&answers, &part, &out);
        if (!answers.is_json && k == 1) {
            assert_string_equal((const char *)out.data,
                                way == 0 ? "order id,\"na\"\"me\",prediction,probability\n"
                                         : "order id,\"na\"\"me\",prediction\n");
        }
        tm__buf_done(&out);
        tm__buf_done(&want);
        tm__answer_pen_free(pen);
        tm__table_unref(table);
        tm__bundle_unref(bundle);
        bundle_data_free(data);
    }
}

typedef struct scene {
    const tm_answer_form *answers;
    const tm_source_part *part;
} scene;

static bool score(void *arg) {
    const scene *s = arg;
    tm_err err = {0};
    tm_buf out;
    tm__buf_init(&out, 1u << 20);
    tm_answer_pen *pen = tm__answer_pen_create(s->answers);
    const tm_status st = pen == NULL ? TM_E_NOMEM : tm__answers_write(pen, s->part, &out, &err);
    assert_true(st == TM_OK || st == TM_E_NOMEM);
    tm__answer_pen_free(pen);
    tm__buf_done(&out);
    return st == TM_OK;
}

static void running_out_of_memory_is_told_and_leaks_nothing(void **state) {
    (void)state;
    bundle_data *data = bundle_data_create(40, TM_TASK_BINARY, "gbdt");
    tm_bundle *bundle = bundle_data_open(data);
    tm_table *table = with_ids(data);
    const tm_answer_form answers = {.bundle = bundle, .explain = true, .has_ids = true};
    const tm_source_part part = {.table = table, .n_rows = 40};
    scene s = {&answers, &part};
    test_each_mem_fault(score, &s);
    tm__table_unref(table);
    tm__bundle_unref(bundle);
    bundle_data_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_hold_ids_and_what_the_bundle_answers),
        cmocka_unit_test(running_out_of_memory_is_told_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
