/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer is known by, its time and its entity, is mostly no input of the model, so that no
 * table has it: it is looked for where the line of the answer takes it from.
 */
#include "cli/answer_records.h"

#include <string.h>

#include "base/json_scan.h"

#define TEXT_MAX ((size_t)1 << 28)
#define RECORDS_MAX ((size_t)1 << 34) /* of a part, which memory ends before */

tm_status tm__answer_records_init(tm_answer_records *self, const tm_bundle *bundle, tm_err *err) {
    *self = (tm_answer_records){0};
    tm__buf_init(&self->bytes, RECORDS_MAX);
    tm__buf_init(&self->time, TEXT_MAX);
    tm__buf_init(&self->entity, TEXT_MAX);
    return tm__table_log_init(&self->log, bundle, err);
}

void tm__answer_records_done(tm_answer_records *self) {
    tm__buf_done(&self->bytes);
    tm__buf_done(&self->time);
    tm__buf_done(&self->entity);
    tm__table_log_done(&self->log);
}

void tm__answer_records_begin(tm_answer_records *self, const tm_source_part *part) {
    tm__buf_reset(&self->bytes);
    tm__table_log_use(&self->log, part->table);
}

/* A member's value as a text of its own: whoever writes the member on rewrites it in place. */
static tm_cell member_cell(const tm_source_member *member, tm_buf *text) {
    tm_str value = member->value;
    if (tm__str_is(value, "null") || !tm__buf_append(text, value.ptr, value.len)) {
        return (tm_cell){.type = TM_TYPE_NONE};
    }
    value.ptr = (const char *)text->data;
    if (value.ptr[0] == '"') {
        (void)tm__scan_string((char *)text->data, &value);
    }
    return (tm_cell){.type = TM_TYPE_TEXT, .text = value};
}

static tm_cell raw_cell(tm_str raw, tm_buf *text) {
    if (tm__csv_is_missing(raw) || !tm__buf_append(text, raw.ptr, raw.len)) {
        return (tm_cell){.type = TM_TYPE_NONE};
    }
    return (tm_cell){.type = TM_TYPE_TEXT, .text = {(const char *)text->data, text->len}};
}

/* False when out of memory. */
static bool find_cell(tm_table_log *log, uint32_t at, const tm_source_part *part, uint64_t row,
                      tm_buf *text) {
    if (at == TM_TABLE_LOG_NONE || log->from[at] != NULL) {
        return true;
    }
    const char *const name = log->names[at];
    tm_cell *const cell = &log->cells[at];
    *cell = (tm_cell){.type = TM_TYPE_NONE};
    tm__buf_reset(text);
    if (part->member_at != NULL) {
        for (uint64_t m = part->member_at[row]; m < part->member_at[row + 1]; m++) {
            if (tm__str_is(part->members[m].name, name)) {
                *cell = member_cell(&part->members[m], text);
                break;
            }
        }
        return !text->failed;
    }
    for (uint32_t c = 0; c < part->n_raw; c++) {
        if (strcmp(part->raw_names[c], name) == 0) {
            *cell = raw_cell(tm__source_part_raw(part, c, row), text);
        }
    }
    return !text->failed;
}

bool tm__answer_records_add(tm_answer_records *self, const tm_source_part *part,
                            tm_table_answer *answer) {
    tm__id_next(&self->ids, answer->id);
    return find_cell(&self->log, self->log.time, part, answer->row, &self->time) &&
           find_cell(&self->log, self->log.entity, part, answer->row, &self->entity) &&
           tm__table_log_append(&self->log, answer, &self->bytes);
}
