/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/monitor_arms.h"

#include "base/mem.h"
#include "monitor/monitor_priv.h"

#define STREAM_OF "(SELECT id FROM streams WHERE model = ?1 AND version = ?2)"

typedef struct reading {
    const tm_arms_query *query;
    uint32_t arm;
    double *outputs; /* [n_outputs_max], owned */
    uint32_t n_outputs_max;
} reading;

static tm_status take_outputs(reading *r, const tm_record *record, tm_err *err) {
    if (record->n_outputs > r->n_outputs_max) {
        double *outputs = tm__mem_realloc(r->outputs, record->n_outputs, sizeof(*outputs));
        if (outputs == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for the answers of an experiment");
        }
        r->outputs = outputs;
        r->n_outputs_max = record->n_outputs;
    }
    for (uint32_t i = 0; i < record->n_outputs; i++) {
        r->outputs[i] = tm__record_output(record, i);
    }
    return TM_OK;
}

/* The labels stand at that of the record, or has_label is false. */
static tm_status take_record(reading *r, const tm_record *record, tm_stmt *labels, bool has_label,
                             tm_err *err) {
    if (record->at_us < r->query->from_us || record->at_us >= r->query->until_us) {
        return TM_OK;
    }
    TM_TRY(take_outputs(r, record, err));
    const int64_t known_us = has_label ? tm__stmt_i64(labels, 2) : record->at_us;
    const tm_arm_answer answer = {.arm = r->arm,
                                  .id = record->id,
                                  .entity = record->entity,
                                  .at_us = record->at_us,
                                  .outputs = r->outputs,
                                  .n_outputs = record->n_outputs,
                                  .label = has_label ? tm__stmt_text(labels, 1) : NULL,
                                  .known_us = known_us > record->at_us ? known_us : record->at_us};
    return r->query->fn(r->query->arg, &answer, err);
}

static tm_status take_block(reading *r, tm_block *block, int64_t first_seq, tm_stmt *labels,
                            bool *has_label, tm_err *err) {
    TM_TRY(tm__block_seek(block, first_seq, err));
    const int64_t end = block->first_seq + block->n;
    for (int64_t seq = first_seq; seq < end; seq++) {
        TM_TRY(tm__block_seek(block, seq, err));
        while (*has_label && tm__stmt_i64(labels, 0) < seq) {
            TM_TRY(tm__stmt_step(labels, has_label, err));
        }
        TM_TRY(take_record(r, &block->record, labels, *has_label && tm__stmt_i64(labels, 0) == seq,
                           err));
    }
    return TM_OK;
}

static tm_status walk(reading *r, tm_block *block, tm_stmt *blocks, tm_stmt *labels, tm_err *err) {
    bool has_block = true, has_label = false;
    TM_TRY(tm__stmt_step(labels, &has_label, err));
    for (;;) {
        TM_TRY(tm__stmt_step(blocks, &has_block, err));
        if (!has_block) {
            return TM_OK;
        }
        TM_TRY(take_block(r, block, tm__stmt_i64(blocks, 0), labels, &has_label, err));
    }
}

static void bind(const reading *r, tm_stmt *stmt) {
    tm__stmt_bind_text(stmt, 1, r->query->model);
    tm__stmt_bind_i64(stmt, 2, r->query->versions[r->arm]);
    tm__stmt_bind_i64(stmt, 3, r->query->from_us);
}

static tm_status read_arm(reading *r, tm_block *block, tm_err *err) {
    tm_stmt *blocks = NULL, *labels = NULL;
    tm_status st = tm__stmt_init(block->db,
                                 "SELECT first_seq FROM blocks WHERE stream IN " STREAM_OF
                                 " AND last_us >= ?3 ORDER BY first_seq",
                                 &blocks, err);
    if (st == TM_OK) {
        st = tm__stmt_init(block->db,
                           "SELECT answer_seq, value, observed_us FROM labels WHERE state = 1"
                           " AND stream IN " STREAM_OF " AND at_us >= ?3 ORDER BY answer_seq",
                           &labels, err);
    }
    if (st == TM_OK) {
        bind(r, blocks);
        bind(r, labels);
        st = walk(r, block, blocks, labels, err);
    }
    tm__stmt_done(blocks);
    tm__stmt_done(labels);
    return st;
}

static tm_status read_arms(tm_db *db, void *arg, tm_err *err) {
    reading *r = arg;
    tm_block block;
    tm_status st = TM_OK;
    tm__block_init(&block, db);
    for (r->arm = 0; st == TM_OK && r->arm < 2; r->arm++) {
        st = read_arm(r, &block, err);
    }
    tm__block_done(&block);
    return st;
}

tm_status tm__monitor_arms(tm_monitor *monitor, const tm_arms_query *query, tm_err *err) {
    reading r = {.query = query};
    const tm_status st = tm__log_read(monitor, read_arms, &r, err);
    tm__mem_free(r.outputs);
    return st;
}
