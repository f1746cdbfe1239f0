/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/put_rows.h"

#include "base/clock.h"
#include "base/json.h"

void tm__cli_put_value(tm_buf *out, const tm_column *column, uint64_t row) {
    char text[64];
    const tm_cell cell = tm__column_cell(column, row);
    switch (cell.type) {
    case TM_TYPE_NONE:
        (void)tm__buf_text(out, "null");
        break;
    case TM_TYPE_BOOL:
        (void)tm__buf_text(out, cell.i64 != 0 ? "true" : "false");
        break;
    case TM_TYPE_INT:
        (void)tm__buf_printf(out, "%lld", (long long)cell.i64);
        break;
    case TM_TYPE_FLOAT:
        (void)tm__buf_append(out, text, tm__f64_to_text(cell.f64, text));
        break;
    case TM_TYPE_TEXT:
        (void)tm__json_write_text(out, cell.text);
        break;
    case TM_TYPE_DATE:
        (void)tm__json_write_text(out, (tm_str){text, tm__date_to_text(cell.i64, text)});
        break;
    case TM_TYPE_TIME:
        (void)tm__json_write_text(out, (tm_str){text, tm__time_to_text(cell.i64, text)});
        break;
    }
}

void tm__cli_put_rows(tm_buf *out, const tm_table *table, uint64_t row, uint64_t row_end,
                      uint32_t without) {
    (void)tm__buf_text(out, "{\"rows\": [");
    for (uint64_t i = row; i < row_end; i++) {
        bool first = true;
        (void)tm__buf_text(out, i > row ? ", {" : "{");
        for (uint32_t c = 0; c < tm__table_cols(table); c++) {
            const tm_column *column = tm__table_column(table, c);
            if (c == without) {
                continue;
            }
            (void)tm__buf_text(out, first ? "" : ", ");
            (void)tm__json_write_text(out, tm__str(column->name));
            (void)tm__buf_text(out, ": ");
            tm__cli_put_value(out, column, i);
            first = false;
        }
        (void)tm__buf_byte(out, '}');
    }
    (void)tm__buf_text(out, "]}");
}
