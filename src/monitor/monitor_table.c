/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor_table.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

void tm__table_log_done(tm_table_log *self) {
    tm__mem_free(self->names);
    tm__mem_free(self->from);
    tm__mem_free(self->cells);
    tm__mem_free(self->privacy);
    tm__mem_free(self->rooms);
    *self = (tm_table_log){0};
}

static uint32_t add_name(tm_table_log *self, const char *name) {
    if (name == NULL) {
        return TM_TABLE_LOG_NONE;
    }
    for (uint32_t i = 0; i < self->n; i++) {
        if (strcmp(self->names[i], name) == 0) {
            return i;
        }
    }
    self->names[self->n] = name;
    return self->n++;
}

static tm_status take_policies(tm_table_log *self, const tm_bundle *bundle, tm_err *err) {
    const json_t *const policies = tm__bundle_policies(bundle);
    if (policies == NULL) {
        return TM_OK;
    }
    self->key = tm__bundle_key(bundle);
    self->privacy = tm__mem_zalloc((size_t)self->n + 1, sizeof(*self->privacy));
    self->rooms = tm__mem_alloc((size_t)self->n + 1, TM_PRIVACY_ROOM);
    tm_status st = self->privacy == NULL || self->rooms == NULL
                       ? TM_FAIL(err, TM_E_NOMEM, "no memory to log answers")
                       : TM_OK;
    for (uint32_t i = 0; st == TM_OK && i < self->n; i++) {
        const char *const text = tm__json_text(policies, self->names[i], NULL);
        st = text == NULL
                 ? TM_OK
                 : tm__privacy_parse(self->names[i], text, TM_TYPE_NONE, &self->privacy[i], err);
    }
    if (st != TM_OK) {
        tm__table_log_done(self);
    }
    return st;
}

static void apply_policies(tm_table_log *self) {
    for (uint32_t i = 0; self->privacy != NULL && i < self->n; i++) {
        if (!tm__privacy_cell(&self->privacy[i], self->key, &self->cells[i],
                              self->rooms + (size_t)i * TM_PRIVACY_ROOM)) {
            self->cells[i] = (tm_cell){.type = TM_TYPE_NONE};
        }
    }
}

tm_status tm__table_log_init(tm_table_log *self, const tm_bundle *bundle, tm_err *err) {
    const tm_schema *const schema = tm__bundle_schema(bundle);
    const json_t *const info = tm__bundle_info(bundle);
    const size_t n_max = (size_t)schema->n_cols + 2;
    *self = (tm_table_log){.names = tm__mem_zalloc(n_max, sizeof(*self->names)),
                           .from = tm__mem_zalloc(n_max, sizeof(*self->from)),
                           .cells = tm__mem_zalloc(n_max, sizeof(*self->cells))};
    if (self->names == NULL || self->from == NULL || self->cells == NULL) {
        tm__table_log_done(self);
        return TM_FAIL(err, TM_E_NOMEM, "no memory to log answers");
    }
    for (uint32_t i = 0; i < schema->n_cols; i++) {
        (void)add_name(self, schema->cols[i].name);
    }
    self->time = add_name(self, tm__json_text(info, "time", NULL));
    self->entity = add_name(self, tm__json_text(info, "entity", NULL));
    return take_policies(self, bundle, err);
}

void tm__table_log_use(tm_table_log *self, const tm_table *table) {
    for (uint32_t i = 0; i < self->n; i++) {
        const uint32_t at = tm__table_find(table, self->names[i]);
        self->from[i] = at == UINT32_MAX ? NULL : tm__table_column(table, at);
        self->cells[i] = (tm_cell){.type = TM_TYPE_NONE};
    }
}

static int64_t event_us(const tm_table_log *self) {
    int64_t us = TM_INT_MISSING;
    if (self->time == TM_TABLE_LOG_NONE) {
        return us;
    }
    const tm_cell *const cell = &self->cells[self->time];
    if (cell->type == TM_TYPE_DATE || cell->type == TM_TYPE_TIME || cell->type == TM_TYPE_INT) {
        return cell->i64;
    }
    return cell->type == TM_TYPE_TEXT && tm__time_parse(cell->text, &us) ? us : TM_INT_MISSING;
}

static tm_str entity_text(const tm_table_log *self, char text[32]) {
    const tm_str none = {NULL, 0};
    if (self->entity == TM_TABLE_LOG_NONE || self->cells[self->entity].type == TM_TYPE_NONE) {
        return none;
    }
    char name[] = "entity";
    const tm_schema_column as_text = {.name = name, .type = TM_TYPE_TEXT};
    tm_cell cell = self->cells[self->entity];
    bool is_coerced = false;
    return tm__cell_fit(&as_text, &cell, text, &is_coerced, NULL) == TM_OK ? cell.text : none;
}

bool tm__table_log_append(tm_table_log *self, const tm_table_answer *answer, tm_buf *out) {
    char text[32];
    for (uint32_t i = 0; i < self->n; i++) {
        if (self->from[i] != NULL) {
            self->cells[i] = tm__column_cell(self->from[i], answer->row);
        }
    }
    apply_policies(self);
    tm_answer logged = {.event_us = event_us(self),
                        .entity = entity_text(self, text),
                        .cells = self->cells,
                        .n_cells = self->n,
                        .outputs = answer->outputs,
                        .n_outputs = answer->n_outputs};
    memcpy(logged.id, answer->id, sizeof(logged.id));
    return tm__answer_append(&logged, out);
}
