/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle_maker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmath.h"

/* Where fields go, and which of them lies. */
typedef struct maker {
    const tm_lie *lie;
    tm_buf *out;
    tm_made *made;
} maker;

static bool lies(maker *m, const char *name, bool is_number) {
    uint32_t nth = 0;
    for (uint32_t i = m->made->n_fields; i-- > 0;) {
        if (strcmp(m->made->fields[i].name, name) == 0) {
            nth = m->made->fields[i].nth + 1;
            break;
        }
    }
    if (m->made->n_fields < TM_MADE_FIELDS_MAX) {
        m->made->fields[m->made->n_fields++] = (tm_made_field){name, nth, is_number};
    }
    return m->lie->field != NULL && strcmp(m->lie->field, name) == 0 && m->lie->nth == nth;
}

static void u8(maker *m, const char *name, uint8_t value) {
    tm__buf_u8(m->out, lies(m, name, false) ? (uint8_t)m->lie->value : value);
}

static void u32(maker *m, const char *name, uint32_t value) {
    tm__buf_u32(m->out, lies(m, name, false) ? (uint32_t)m->lie->value : value);
}

static void u64(maker *m, const char *name, uint64_t value) {
    tm__buf_u64(m->out, lies(m, name, false) ? m->lie->value : value);
}

static void f64(maker *m, const char *name, double value) {
    tm__buf_f64(m->out, lies(m, name, true) ? m->lie->number : value);
}

static void f64s(maker *m, const char *name, double value, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        f64(m, name, value);
    }
}

static void f32(maker *m, const char *name, float value) {
    const float said = lies(m, name, true) ? (float)m->lie->number : value;
    uint32_t bits;
    memcpy(&bits, &said, sizeof(bits));
    tm__buf_u32(m->out, bits);
}

static void text(maker *m, const char *name, const char *value) {
    const bool is_lie = lies(m, name, false);
    const char *bytes = is_lie && m->lie->text != NULL ? m->lie->text : value;
    const uint64_t len = is_lie && m->lie->value != 0 ? m->lie->value : strlen(bytes);
    tm__buf_u32(m->out, (uint32_t)len);
    tm__buf_append(m->out, bytes, strlen(bytes));
    if (is_lie && m->lie->text != NULL && m->lie->value > strlen(bytes)) { /* a NUL in it */
        tm__buf_append(m->out, "\0more", (size_t)m->lie->value - strlen(bytes));
    }
}

/* ---- the program ---- */

static const struct {
    const char *name;
    tm_type type;
} inputs[] = {{"x", TM_TYPE_FLOAT}, {"c", TM_TYPE_TEXT}, {"d", TM_TYPE_DATE}, {"w", TM_TYPE_TEXT},
              {"b", TM_TYPE_BOOL},  {"t", TM_TYPE_TIME}, {"n", TM_TYPE_INT}};
#define N_INPUTS 7u

static const struct {
    uint8_t kind, part;
    uint32_t input, from, item;
} steps[] = {{1, 0, 0, 0, 0}, {3, 0, 1, 0, 2}, {2, 3, 2, 0, 0}, {2, 1, 5, 0, 0}, {2, 6, 5, 0, 0},
             {3, 0, 1, 1, 1}, {4, 1, 1, 0, 0}, {4, 2, 1, 0, 0}, {5, 1, 3, 0, 0}, {5, 5, 3, 0, 0},
             {5, 6, 3, 0, 1}, {1, 0, 4, 0, 0}, {1, 0, 6, 0, 0}};
#define N_STEPS 13u
#define N_TERMS 3u

static void make_inputs(maker *m) {
    u32(m, "inputs.n", N_INPUTS);
    for (uint32_t i = 0; i < N_INPUTS; i++) {
        text(m, "input.name", inputs[i].name);
        u8(m, "input.type", (uint8_t)inputs[i].type);
        u8(m, "input.role", 0);
        u8(m, "input.nullable", 1);
        f64(m, "input.min", 0);
        f64(m, "input.max", 1);
        u32(m, "input.levels", 2);
        u8(m, "input.has_reason", i == 1);
        text(m, "input.reason", i == 1 ? "few values" : "");
    }
}

static void make_table(maker *m, uint8_t derive, const char *const *levels, uint32_t n) {
    uint32_t at = 0;
    u32(m, "table.input", 1);
    u8(m, "table.derive", derive);
    u32(m, "table.levels", n);
    for (uint32_t i = 0; i <= n; i++) {
        u32(m, "table.start", at);
        at += i < n ? (uint32_t)strlen(levels[i]) : 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_text(m->out, levels[i]);
    }
}

static void make_text(maker *m) {
    u32(m, "text.input", 3);
    u32(m, "text.terms", N_TERMS);
    u32(m, "text.scores", 1);
    for (uint32_t i = 0; i < N_TERMS; i++) {
        u64(m, "text.hash", UINT64_C(0x1111111111111111) * (i + 1));
    }
    for (uint32_t i = 0; i < N_TERMS; i++) {
        f32(m, "text.idf", 1.5F);
    }
    for (uint32_t i = 0; i < N_TERMS; i++) {
        f32(m, "text.score", -0.25F);
    }
}

static void make_step(maker *m, uint32_t i) {
    char name[16];
    snprintf(name, sizeof(name), "f%u", i);
    u8(m, "step.kind", steps[i].kind);
    u8(m, "step.part", steps[i].part);
    u32(m, "step.input", steps[i].input);
    u32(m, "step.from", steps[i].from);
    u32(m, "step.item", steps[i].item);
    u8(m, "step.missing", 1);
    text(m, "step.name", name);
    u8(m, "step.has_reason", 0);
    text(m, "step.reason", "");
    if (steps[i].kind == 4) {
        f64s(m, "step.value", 0.5, 3);
        f64(m, "step.missing_value", tm__nan());
    }
}

static void make_program(maker *m) {
    static const char *const colours[] = {"red", "blue"}, *const heads[] = {"PC"};
    u32(m, "program.magic", UINT32_C(0x50464d54));
    u32(m, "program.version", 1);
    make_inputs(m);
    u32(m, "tables.n", 2);
    make_table(m, 1, colours, 2);
    make_table(m, 2, heads, 1);
    u32(m, "texts.n", 1);
    make_text(m);
    u32(m, "steps.n", N_STEPS);
    for (uint32_t i = 0; i < N_STEPS; i++) {
        make_step(m, i);
    }
    u32(m, "notes.n", 1);
    u32(m, "note.input", 0);
    text(m, "note.text", "left out");
    text(m, "program.rest", "");
    m->out->len -= 4; /* the length of the rest, which has none: only its bytes may be there */
    if (m->lie->field != NULL && strcmp(m->lie->field, "program.rest") == 0) {
        tm__buf_u32(m->out, 0);
    }
    tm__buf_u32(m->out, 0); /* the sum: put right when packed */
}

/* ---- learners ---- */

static uint32_t outputs_of(tm_task task) {
    return task == TM_TASK_MULTICLASS ? 3 : 1;
}

static void make_tree(maker *m) {
    static const struct {
        uint32_t left, meta, cover;
        double value;
    } nodes[] = {{1, 1u << 16, 10, 0.5},
                 {3, 1u | 1u << 17, 6, 0}, /* a set: number 0 */
                 {2, 5u << 16, 4, -0.5},
                 {3, 5u << 16, 3, 0.25},
                 {4, 5u << 16, 3, 0.75}};
    for (size_t i = 0; i < 5; i++) {
        u32(m, "node.left", nodes[i].left);
        u32(m, "node.meta", nodes[i].meta);
        u32(m, "node.cover", nodes[i].cover);
        if (i == 1) {
            u64(m, "node.set", 0);
        } else {
            f64(m, i == 0 ? "node.threshold" : "node.leaf", nodes[i].value);
        }
    }
}

static void make_gbdt(maker *m, tm_task task) {
    const uint32_t k = outputs_of(task), n_trees = 2 * k;
    u32(m, "gbdt.magic", UINT32_C(0x42474D54));
    u32(m, "gbdt.version", 1);
    u32(m, "gbdt.task", (uint32_t)task);
    u32(m, "gbdt.outputs", k);
    u32(m, "gbdt.cols", N_STEPS);
    u32(m, "gbdt.rounds", 2);
    u64(m, "gbdt.work", 100);
    f64s(m, "gbdt.gain", 1, N_STEPS);
    u32(m, "gbdt.trees", n_trees);
    u32(m, "gbdt.nodes", 5 * n_trees);
    u32(m, "gbdt.sets", 1);
    f64s(m, "gbdt.base", 0.1, k);
    for (uint32_t t = 0; t < n_trees; t++) {
        u32(m, "tree.size", 5);
    }
    for (uint32_t t = 0; t < n_trees; t++) {
        make_tree(m);
    }
    for (uint32_t w = 0; w < 4; w++) {
        u64(m, "set.bits", w == 0 ? 2 : 0);
    }
}

static void make_linear(maker *m, tm_task task) {
    const uint32_t k = outputs_of(task);
    u32(m, "linear.magic", UINT32_C(0x4E494C54));
    u32(m, "linear.version", 1);
    u32(m, "linear.task", (uint32_t)task);
    u32(m, "linear.outputs", k);
    u32(m, "linear.cols", N_STEPS);
    u32(m, "linear.terms", N_TERMS);
    u32(m, "linear.rows", 5 + 4 + 3 * (N_STEPS - 2));
    u32(m, "linear.active", 2);
    u64(m, "linear.work", 5);
    f64(m, "linear.strength", 0.01);
    for (uint32_t j = 0; j < N_STEPS; j++) {
        u32(m, "part.is_category", steps[j].kind == 3);
        u32(m, "part.levels", steps[j].kind == 3 ? steps[j].item + 2 : 0);
        f64(m, "part.low", -3);
        f64(m, "part.high", 3);
        f64(m, "part.mean", 0.5);
    }
    f64s(m, "linear.bias", 0.1, k);
    f64s(m, "linear.term_mean", 0.01, k);
    f64s(m, "linear.share", 0.07, N_STEPS + 1);
    f64s(m, "linear.coef", 0.25, (5 + 4 + 3 * (N_STEPS - 2)) * k);
    f64s(m, "linear.term_coef", 0.5, 2 * k);
    u32(m, "linear.term", 0);
    u32(m, "linear.term", 2);
}

static void make_baseline(maker *m, tm_task task) {
    const uint32_t k = outputs_of(task);
    u32(m, "baseline.magic", UINT32_C(0x4C534254));
    u32(m, "baseline.version", 1);
    u32(m, "baseline.task", (uint32_t)task);
    u32(m, "baseline.outputs", k);
    u32(m, "baseline.cols", N_STEPS);
    u32(m, "baseline.zero", 0);
    u64(m, "baseline.work", 5);
    f64s(m, "baseline.score", 0.3, k);
}

static void make_model(maker *m, const char *learner, tm_task task);

/* A mean of members, or a stack of them. */
static void make_blend(maker *m, tm_task task, bool is_stack) {
    static const char *const members[] = {"gbdt", "linear", "baseline"};
    tm_buf *whole = m->out;
    u32(m, "blend.magic", UINT32_C(0x444e4c42));
    u32(m, "blend.version", is_stack ? 2 : 1);
    u32(m, "blend.members", 3);
    if (is_stack) {
        u32(m, "blend.outputs", outputs_of(task));
        f64s(m, "blend.bias", 0.2, outputs_of(task));
    }
    for (uint32_t i = 0; i < 3; i++) {
        tm_buf one;
        tm__buf_init(&one, 1u << 20);
        m->out = &one;
        make_model(m, members[i], task);
        m->out = whole;
        f64s(m, "member.weight", i == 0 ? 0.5 : 0.25, is_stack ? outputs_of(task) : 1);
        text(m, "member.learner", members[i]);
        u64(m, "member.len", one.len);
        tm__buf_align(m->out, 64);
        tm__buf_append(m->out, one.data, one.len);
        tm__buf_done(&one);
    }
}

static void make_model(maker *m, const char *learner, tm_task task) {
    if (strcmp(learner, "gbdt") == 0) {
        make_gbdt(m, task);
    } else if (strcmp(learner, "linear") == 0) {
        make_linear(m, task);
    } else if (strcmp(learner, "baseline") == 0) {
        make_baseline(m, task);
    } else {
        make_blend(m, task, strcmp(learner, "stack") == 0);
    }
}

/* A stack is a blend by name. */
static const char *name_of(const tm_bundle_plan *plan) {
    return strcmp(plan->learner, "stack") == 0 ? "blend" : plan->learner;
}

/* The 64 bytes of the name; the blend aligns its members from behind them. */
static void make_name(tm_buf *out, const tm_bundle_plan *plan) {
    const bool is_lie = plan->lie.field != NULL && strcmp(plan->lie.field, "model.name") == 0;
    char name[65] = {0};
    snprintf(name, sizeof(name), "%s", is_lie ? plan->lie.text : name_of(plan));
    if (is_lie && plan->lie.value > 0) {
        name[plan->lie.value % 64] = 'x';
    }
    tm__buf_append(out, name, 64);
}

static void info_of(const tm_bundle_plan *plan, char *out, size_t size) {
    const char *classes = plan->task == TM_TASK_BINARY       ? "\"no\",\"yes\""
                          : plan->task == TM_TASK_MULTICLASS ? "\"a\",\"b\",\"c\""
                                                             : "";
    snprintf(out, size,
             "{\"classes\":[%s],\"learner\":\"%s\",\"target\":\"y\",\"task\":\"%s\",\"threshold\":{"
             "\"value\":0.5}}",
             classes, name_of(plan), tm__task_text(plan->task));
}

void bundle_maker_make(const tm_bundle_plan *plan, tm_buf *out, tm_made *out_made) {
    static tm_made unused;
    tm_buf program, model, bytes;
    char info[512];
    tm_bytes sections[TM_SECTION_END] = {{NULL, 0}};
    maker m = {&plan->lie, &program, out_made != NULL ? out_made : &unused};
    m.made->n_fields = 0;
    tm__buf_init(&program, 1u << 20);
    tm__buf_init(&model, 1u << 20);
    tm__buf_init(&bytes, 1u << 20);
    make_program(&m);
    make_name(&model, plan);
    m.out = &bytes;
    make_model(&m, plan->learner, plan->task);
    tm__buf_append(&model, bytes.data, bytes.len);
    if (plan->lie.field != NULL && strcmp(plan->lie.field, "model.rest") == 0) {
        tm__buf_u32(&model, 0);
    }
    info_of(plan, info, sizeof(info));
    const char *said = plan->info != NULL ? plan->info : info;
    sections[TM_SECTION_INFO] = (tm_bytes){(const uint8_t *)said, strlen(said)};
    sections[TM_SECTION_PROGRAM] = (tm_bytes){program.data, program.len};
    sections[TM_SECTION_MODEL] = (tm_bytes){model.data, model.len};
    if (plan->notes != NULL) {
        sections[TM_SECTION_NOTES] = (tm_bytes){(const uint8_t *)plan->notes, strlen(plan->notes)};
    }
    if (!bundle_bytes_pack(sections, out)) {
        abort();
    }
    tm__buf_done(&program);
    tm__buf_done(&model);
    tm__buf_done(&bytes);
}
