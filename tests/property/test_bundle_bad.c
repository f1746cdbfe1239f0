/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles that lie. Each is whole but for one thing, with sums and hash put right, so that what is
 * behind the sums must see it. It is refused with the section named, or harmless: then it answers
 * with finite numbers, the same ones each time.
 */
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "bundle_maker.h"

#if defined(__has_feature)
#define HAS(feature) __has_feature(feature)
#else
#define HAS(feature) 0
#endif

/* A file of some kilobytes must not ask for much memory: then loading fails for lack of it, which
 * is no integrity error. Sanitizers keep more than any limit. */
static int limit_memory(void **state) {
    (void)state;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (!HAS(address_sanitizer) && !HAS(thread_sanitizer)) {
        unsigned long n_pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%lu", &n_pages), 1);
        assert_int_equal(fclose(file), 0);
        const rlim_t most = n_pages * (rlim_t)sysconf(_SC_PAGESIZE) + (64u << 20);
        assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){most, most}), 0);
    }
#endif
    return 0;
}

static tm_cell cell_of(tm_type type, uint32_t round) {
    tm_cell cell = {.type = round == 0 ? TM_TYPE_NONE : type,
                    .i64 = (int64_t)round * 1234567890123};
    cell.f64 = round == 1 ? 0.25 : -1e300;
    cell.text = round == 1 ? TM_STR("red") : TM_STR("PC 17 red blue");
    cell.i64 = type == TM_TYPE_BOOL ? 1 : cell.i64;
    return cell;
}

/* Finite, and the same twice. */
static void check_answers(const tm_bundle *bundle, const char *name) {
    const tm_schema *schema = tm__bundle_schema(bundle);
    tm_bundle_scratch *scratch = tm__bundle_scratch_create(bundle);
    tm_cell *cells = tm__mem_zalloc(schema->n_cols, sizeof(*cells));
    double out[2][3];
    assert_non_null(scratch);
    assert_in_range(tm__bundle_outputs(bundle), 1, 3);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < schema->n_cols; i++) {
            cells[i] = cell_of(schema->cols[i].type, round);
        }
        tm__bundle_predict_row(bundle, scratch, cells, out[0]);
        tm__bundle_predict_row(bundle, scratch, cells, out[1]);
        for (uint32_t k = 0; k < tm__bundle_outputs(bundle); k++) {
            if (!isfinite(out[0][k]) || memcmp(&out[0][k], &out[1][k], sizeof(double)) != 0) {
                fail_msg("%s: answer %u is %g, then %g", name, k, out[0][k], out[1][k]);
            }
        }
    }
    tm__mem_free(cells);
    tm__bundle_scratch_free(scratch);
}

/* Load and say how it ended; what is taken must answer. */
static tm_status try_bytes(const tm_buf *buf, const char *name, tm_err *err) {
    tm_bundle *bundle = NULL;
    const tm_status st = tm__bundle_load(buf->data, buf->len, &bundle, err);
    if (st == TM_OK) {
        check_answers(bundle, name);
        tm__bundle_unref(bundle);
    } else {
        assert_null(bundle);
        assert_true(err->hint[0] != '\0');
    }
    return st;
}

static void want(const tm_buf *buf, const char *name, tm_status status, const char *section,
                 const char *message) {
    tm_err err = {0};
    char quoted[32];
    const tm_status st = try_bytes(buf, name, &err);
    snprintf(quoted, sizeof(quoted), "'%s'", section);
    if (st != status ||
        (st != TM_OK && (strstr(err.message, message) == NULL ||
                         (section[0] != '\0' && strstr(err.message, quoted) == NULL)))) {
        fail_msg("%s: wanted status %d and '%s' in '%s', not %d: %s", name, status, message,
                 section, st, err.message);
    }
}

static void what_is_made_without_a_lie_is_taken(void **state) {
    (void)state;
    static const char *const learners[] = {"gbdt", "linear", "baseline", "blend", "stack"};
    for (uint32_t i = 0; i < 15; i++) {
        const tm_bundle_plan plan = {.learner = learners[i / 3], .task = (tm_task)(i % 3 + 1)};
        tm_buf buf;
        tm__buf_init(&buf, 1u << 20);
        bundle_maker_make(&plan, &buf, NULL);
        want(&buf, plan.learner, TM_OK, "", "");
        tm__buf_done(&buf);
    }
}

/* ---- one field lies ---- */

#define DAMAGED TM_E_INTEGRITY
#define NEWER TM_E_UNSUPPORTED
#define HUGE UINT32_MAX

typedef struct bad_field {
    const char *learner; /* NULL: gbdt, for lies of the program */
    tm_lie lie;
    tm_status status;
    const char *message;
} bad_field;

/* clang-format off */
static const bad_field bad_fields[] = {
    /* the program */
    {NULL, {"program.magic", 0, 7, 0, NULL}, DAMAGED, "first bytes"},
    {NULL, {"program.version", 0, 99, 0, NULL}, NEWER, "version"},
    {NULL, {"program.rest", 0, 0, 0, NULL}, DAMAGED, "length"},
    {NULL, {"inputs.n", 0, 0, 0, NULL}, DAMAGED, "number of inputs"},
    {NULL, {"inputs.n", 0, 8, 0, NULL}, DAMAGED, ""},
    {NULL, {"inputs.n", 0, HUGE, 0, NULL}, DAMAGED, "number of inputs"},
    {NULL, {"inputs.n", 0, 16385, 0, NULL}, DAMAGED, "number of inputs"},
    {NULL, {"input.name", 1, 0, 0, "x"}, DAMAGED, "twice"},
    {NULL, {"input.name", 0, 0, 0, "\xff\xfe"}, DAMAGED, "text"},
    {NULL, {"input.name", 0, 0, 0, "\xc3"}, DAMAGED, "text"},
    {NULL, {"input.name", 0, 0, 0, "\xed\xa0\x80"}, DAMAGED, "text"},
    {NULL, {"input.name", 0, 6, 0, "x"}, DAMAGED, "text"},
    {NULL, {"input.name", 0, HUGE, 0, NULL}, DAMAGED, "text"},
    {NULL, {"input.name", 0, 257, 0, NULL}, DAMAGED, "text"},
    {NULL, {"input.type", 0, 0, 0, NULL}, DAMAGED, "type"},
    {NULL, {"input.type", 0, 7, 0, NULL}, DAMAGED, "type"},
    {NULL, {"input.type", 0, 4, 0, NULL}, DAMAGED, "step"},
    {NULL, {"input.type", 1, 3, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"input.type", 2, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"input.type", 3, 2, 0, NULL}, DAMAGED, "text"},
    {NULL, {"input.role", 0, 200, 0, NULL}, DAMAGED, "role"},
    {NULL, {"input.nullable", 0, 2, 0, NULL}, DAMAGED, "flag"},
    {NULL, {"input.has_reason", 0, 2, 0, NULL}, DAMAGED, "text"},
    {NULL, {"input.reason", 0, 5000, 0, NULL}, DAMAGED, "text"},
    {NULL, {"input.has_reason", 1, 0, 0, NULL}, DAMAGED, "text"}, /* a reason behind "none" */
    {NULL, {"tables.n", 0, 3, 0, NULL}, DAMAGED, ""},
    {NULL, {"tables.n", 0, HUGE, 0, NULL}, DAMAGED, ""},
    {NULL, {"tables.n", 0, 0, 0, NULL}, DAMAGED, ""},
    {NULL, {"table.input", 0, 7, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"table.input", 0, HUGE, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"table.input", 0, 0, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"table.input", 0, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"table.derive", 0, 0, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"table.derive", 0, 3, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"table.levels", 0, HUGE, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"table.levels", 0, 0x7fffffff, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"table.levels", 0, 1000000, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"table.levels", 0, 3, 0, NULL}, DAMAGED, "level table"},
    {NULL, {"table.levels", 0, 1, 0, NULL}, DAMAGED, ""},
    {NULL, {"table.start", 0, 1, 0, NULL}, DAMAGED, "order"},
    {NULL, {"table.start", 1, 8, 0, NULL}, DAMAGED, "order"},
    {NULL, {"table.start", 1, HUGE, 0, NULL}, DAMAGED, "order"},
    {NULL, {"table.start", 2, HUGE, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"table.start", 2, 2, 0, NULL}, DAMAGED, "order"},
    {NULL, {"texts.n", 0, HUGE, 0, NULL}, DAMAGED, ""},
    {NULL, {"texts.n", 0, 2, 0, NULL}, DAMAGED, ""},
    {NULL, {"text.input", 0, 7, 0, NULL}, DAMAGED, "text"},
    {NULL, {"text.input", 0, 0, 0, NULL}, DAMAGED, "text"},
    {NULL, {"text.input", 0, 1, 0, NULL}, DAMAGED, "step"},
    {NULL, {"text.terms", 0, HUGE, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"text.terms", 0, 1u << 26, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"text.terms", 0, 4, 0, NULL}, DAMAGED, ""},
    {NULL, {"text.scores", 0, HUGE, 0, NULL}, DAMAGED, "text"},
    {NULL, {"text.scores", 0, 1001, 0, NULL}, DAMAGED, "text"},
    {NULL, {"text.scores", 0, 1000, 0, NULL}, DAMAGED, "cut"},
    {NULL, {"text.hash", 0, UINT64_MAX, 0, NULL}, DAMAGED, "order"},
    {NULL, {"text.hash", 1, UINT64_C(0x1111111111111111), 0, NULL}, DAMAGED, "order"},
    {NULL, {"text.hash", 2, 0, 0, NULL}, DAMAGED, "order"},
    {NULL, {"text.idf", 0, 0, NAN, NULL}, DAMAGED, "weight"},
    {NULL, {"text.idf", 1, 0, INFINITY, NULL}, DAMAGED, "weight"},
    {NULL, {"text.idf", 2, 0, 0, NULL}, DAMAGED, "weight"},
    {NULL, {"text.idf", 2, 0, -1, NULL}, DAMAGED, "weight"},
    {NULL, {"text.idf", 2, 0, 3e38, NULL}, DAMAGED, "weight"},
    {NULL, {"text.score", 0, 0, NAN, NULL}, DAMAGED, "score"},
    {NULL, {"text.score", 2, 0, -INFINITY, NULL}, DAMAGED, "score"},
    {NULL, {"steps.n", 0, HUGE, 0, NULL}, DAMAGED, ""},
    {NULL, {"steps.n", 0, 14, 0, NULL}, DAMAGED, ""},
    {NULL, {"steps.n", 0, 12, 0, NULL}, DAMAGED, ""},
    {NULL, {"steps.n", 0, 0, 0, NULL}, DAMAGED, ""},
    {NULL, {"step.kind", 0, 0, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.kind", 0, 6, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.kind", 0, 255, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.kind", 0, 2, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.kind", 0, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.kind", 0, 5, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.kind", 1, 1, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 0, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 2, 0, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 2, 7, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 6, 0, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 6, 4, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 8, 0, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.part", 8, 7, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.input", 0, 7, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.input", 0, HUGE, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.input", 0, 1, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.input", 1, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.input", 8, 1, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.from", 1, 2, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.from", 1, HUGE, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.from", 6, 2, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.from", 8, 1, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.from", 8, HUGE, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.item", 1, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.item", 1, HUGE, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.item", 9, 1, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.item", 10, 3, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.item", 10, HUGE, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.missing", 0, 2, 0, NULL}, DAMAGED, "step"},
    {NULL, {"step.name", 0, HUGE, 0, NULL}, DAMAGED, "text"},
    {NULL, {"step.name", 0, 0, 0, "\xc0\x80"}, DAMAGED, "text"},
    {NULL, {"step.name", 0, 6, 0, "x"}, DAMAGED, "text"},
    {NULL, {"step.has_reason", 0, 9, 0, NULL}, DAMAGED, "text"},
    {NULL, {"step.value", 0, 0, NAN, NULL}, DAMAGED, "value"},
    {NULL, {"step.value", 2, 0, INFINITY, NULL}, DAMAGED, "value"},
    {NULL, {"step.missing_value", 0, 0, INFINITY, NULL}, DAMAGED, "value"},
    {NULL, {"notes.n", 0, HUGE, 0, NULL}, DAMAGED, ""},
    {NULL, {"notes.n", 0, 0, 0, NULL}, DAMAGED, "length"},
    {NULL, {"note.input", 0, 7, 0, NULL}, DAMAGED, "note"},
    {NULL, {"note.text", 0, 0, 0, "\x80"}, DAMAGED, "text"},
    {NULL, {"note.text", 0, 4097, 0, NULL}, DAMAGED, "text"},
    /* the name of the learner */
    {"gbdt", {"model.name", 0, 0, 0, "woods"}, NEWER, "'woods'"},
    {"gbdt", {"model.name", 0, 0, 0, ""}, NEWER, "learner"},
    {"gbdt", {"model.name", 0, 0, 0, "linear"}, DAMAGED, "not a linear model"},
    {"gbdt", {"model.name", 0, 40, 0, "gbdt"}, DAMAGED, "wrong name"},
    {"gbdt", {"model.name", 0, 63, 0, "gbdt"}, DAMAGED, "no name"},
    {"gbdt", {"model.name", 0, 0, 0, "\xff\xff"}, NEWER, "learner"},
    /* boosted trees */
    {"gbdt", {"model.rest", 0, 0, 0, NULL}, DAMAGED, "end"},
    {"gbdt", {"gbdt.magic", 0, 1, 0, NULL}, DAMAGED, "not boosted trees"},
    {"gbdt", {"gbdt.version", 0, 3, 0, NULL}, NEWER, "version 3"},
    {"gbdt", {"gbdt.task", 0, 0, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.task", 0, 2, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.task", 0, 9, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.outputs", 0, 0, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.outputs", 0, 2, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.outputs", 0, HUGE, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.cols", 0, 16385, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.cols", 0, HUGE, 0, NULL}, DAMAGED, "head"},
    {"gbdt", {"gbdt.cols", 0, 16384, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"gbdt.cols", 0, 12, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"gbdt.rounds", 0, 3, 0, NULL}, DAMAGED, "end"},
    {"gbdt", {"gbdt.rounds", 0, HUGE, 0, NULL}, DAMAGED, "end"},
    {"gbdt", {"gbdt.gain", 0, 0, NAN, NULL}, DAMAGED, "gains"},
    {"gbdt", {"gbdt.gain", 12, 0, -1, NULL}, DAMAGED, "gains"},
    {"gbdt", {"gbdt.gain", 12, 0, INFINITY, NULL}, DAMAGED, "gains"},
    {"gbdt", {"gbdt.trees", 0, 0, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"gbdt.trees", 0, 1, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"gbdt.trees", 0, HUGE, 0, NULL}, DAMAGED, "counts"},
    {"gbdt", {"gbdt.nodes", 0, 9, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"gbdt.nodes", 0, 11, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"gbdt.nodes", 0, HUGE, 0, NULL}, DAMAGED, "counts"},
    {"gbdt", {"gbdt.nodes", 0, 1u << 28, 0, NULL}, DAMAGED, "counts"},
    {"gbdt", {"gbdt.sets", 0, 0, 0, NULL}, DAMAGED, "set"},
    {"gbdt", {"gbdt.sets", 0, 2, 0, NULL}, DAMAGED, "counts"},
    {"gbdt", {"gbdt.sets", 0, HUGE, 0, NULL}, DAMAGED, "counts"},
    {"gbdt", {"gbdt.base", 0, 0, NAN, NULL}, DAMAGED, "base"},
    {"gbdt", {"gbdt.base", 0, 0, INFINITY, NULL}, DAMAGED, "base"},
    {"gbdt", {"gbdt.base", 0, 0, 1e301, NULL}, DAMAGED, "too much"},
    {"gbdt", {"tree.size", 0, 0, 0, NULL}, DAMAGED, "size"},
    {"gbdt", {"tree.size", 0, 4, 0, NULL}, DAMAGED, ""},
    {"gbdt", {"tree.size", 0, 10, 0, NULL}, DAMAGED, "size"},
    {"gbdt", {"tree.size", 0, HUGE, 0, NULL}, DAMAGED, "size"},
    {"gbdt", {"node.left", 0, 0, 0, NULL}, DAMAGED, "order"},        /* itself */
    {"gbdt", {"node.left", 0, 2, 0, NULL}, DAMAGED, "order"},
    {"gbdt", {"node.left", 0, 4, 0, NULL}, DAMAGED, "order"},        /* sibling out of the tree */
    {"gbdt", {"node.left", 0, 5, 0, NULL}, DAMAGED, "order"},        /* the next tree */
    {"gbdt", {"node.left", 0, HUGE, 0, NULL}, DAMAGED, "order"},
    {"gbdt", {"node.left", 1, 0, 0, NULL}, DAMAGED, "order"},        /* back to the root */
    {"gbdt", {"node.left", 1, 1, 0, NULL}, DAMAGED, "order"},        /* itself */
    {"gbdt", {"node.left", 1, 2, 0, NULL}, DAMAGED, "order"},        /* its sibling */
    {"gbdt", {"node.left", 2, 0, 0, NULL}, DAMAGED, "leaf"},         /* a leaf to the root */
    {"gbdt", {"node.left", 4, 5, 0, NULL}, DAMAGED, "leaf"},
    {"gbdt", {"node.left", 9, 0, 0, NULL}, DAMAGED, "leaf"},         /* of the second tree */
    {"gbdt", {"node.meta", 0, 13 | 1u << 16, 0, NULL}, DAMAGED, "column"},
    {"gbdt", {"node.meta", 0, 0xffff, 0, NULL}, DAMAGED, "column"},
    {"gbdt", {"node.meta", 0, 1u << 19, 0, NULL}, DAMAGED, "flag"},
    {"gbdt", {"node.meta", 0, 1u << 31, 0, NULL}, DAMAGED, "flag"},
    {"gbdt", {"node.meta", 0, 5u << 16, 0, NULL}, DAMAGED, ""},      /* a root that is a leaf */
    {"gbdt", {"node.meta", 0, 1u << 17, 0, NULL}, DAMAGED, "set"},   /* a threshold as a set */
    {"gbdt", {"node.meta", 2, 4u << 16, 0, NULL}, DAMAGED, "leaf"},
    {"gbdt", {"node.meta", 2, 5u << 16 | 1, 0, NULL}, DAMAGED, "leaf"},
    {"gbdt", {"node.meta", 2, 1u << 16, 0, NULL}, DAMAGED, "order"},
    {"gbdt", {"node.cover", 0, 0, 0, NULL}, DAMAGED, "rows"},
    {"gbdt", {"node.cover", 0, 9, 0, NULL}, DAMAGED, "covers"},
    {"gbdt", {"node.cover", 1, 11, 0, NULL}, DAMAGED, "covers"},
    {"gbdt", {"node.cover", 2, 0, 0, NULL}, DAMAGED, "covers"},
    {"gbdt", {"node.cover", 4, HUGE, 0, NULL}, DAMAGED, "covers"},
    {"gbdt", {"node.threshold", 0, 0, NAN, NULL}, DAMAGED, "threshold"},
    {"gbdt", {"node.set", 0, 1, 0, NULL}, DAMAGED, "set"},
    {"gbdt", {"node.set", 0, UINT64_MAX, 0, NULL}, DAMAGED, "set"},
    {"gbdt", {"node.set", 1, UINT64_C(1) << 32, 0, NULL}, DAMAGED, "set"},
    {"gbdt", {"node.leaf", 0, 0, NAN, NULL}, DAMAGED, "leaf"},
    {"gbdt", {"node.leaf", 1, 0, INFINITY, NULL}, DAMAGED, "leaf"},
    {"gbdt", {"node.leaf", 2, 0, -1e301, NULL}, DAMAGED, "too much"},
    /* linear */
    {"linear", {"model.rest", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.magic", 0, 1, 0, NULL}, DAMAGED, "not a linear model"},
    {"linear", {"linear.version", 0, 2, 0, NULL}, DAMAGED, "shape"}, /* one learned anew is no update */
    {"linear", {"linear.version", 0, 3, 0, NULL}, NEWER, "version 3"},
    {"linear", {"linear.task", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.task", 0, 2, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.outputs", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.outputs", 0, HUGE, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.cols", 0, 12, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.cols", 0, HUGE, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.terms", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.terms", 0, 1, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.terms", 0, 4, 0, NULL}, DAMAGED, "columns"},
    {"linear", {"linear.terms", 0, HUGE, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.terms", 0, 1u << 26, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.rows", 0, 41, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.rows", 0, HUGE, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.active", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.active", 0, 3, 0, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.strength", 0, 0, -1, NULL}, DAMAGED, "shape"},
    {"linear", {"linear.strength", 0, 0, NAN, NULL}, DAMAGED, "shape"},
    {"linear", {"part.is_category", 0, 1, 0, NULL}, DAMAGED, "values"},
    {"linear", {"part.is_category", 0, 2, 0, NULL}, DAMAGED, "values"},
    {"linear", {"part.is_category", 1, 0, 0, NULL}, DAMAGED, "values"},
    {"linear", {"part.levels", 0, 1, 0, NULL}, DAMAGED, "values"},
    {"linear", {"part.levels", 1, 5, 0, NULL}, DAMAGED, "values"}, /* beyond the levels there are */
    {"linear", {"part.levels", 1, HUGE, 0, NULL}, DAMAGED, "values"},
    {"linear", {"part.low", 0, 0, 4, NULL}, DAMAGED, "values"}, /* cuts out of order */
    {"linear", {"part.low", 0, 0, NAN, NULL}, DAMAGED, "values"},
    {"linear", {"part.high", 0, 0, INFINITY, NULL}, DAMAGED, "values"},
    {"linear", {"part.high", 0, 0, 1e305, NULL}, DAMAGED, "values"},
    {"linear", {"part.mean", 0, 0, NAN, NULL}, DAMAGED, "values"},
    {"linear", {"linear.bias", 0, 0, NAN, NULL}, DAMAGED, "values"},
    {"linear", {"linear.bias", 0, 0, 1e301, NULL}, DAMAGED, "values"},
    {"linear", {"linear.term_mean", 0, 0, INFINITY, NULL}, DAMAGED, "values"},
    {"linear", {"linear.share", 13, 0, NAN, NULL}, DAMAGED, "values"},
    {"linear", {"linear.coef", 0, 0, INFINITY, NULL}, DAMAGED, "values"},
    {"linear", {"linear.coef", 0, 0, 1e300, NULL}, DAMAGED, "values"},
    {"linear", {"linear.coef", 41, 0, NAN, NULL}, DAMAGED, "values"},
    {"linear", {"linear.term_coef", 1, 0, NAN, NULL}, DAMAGED, "values"},
    {"linear", {"linear.term", 1, 3, 0, NULL}, DAMAGED, "values"},
    {"linear", {"linear.term", 1, 0, 0, NULL}, DAMAGED, "values"},
    {"linear", {"linear.term", 0, HUGE, 0, NULL}, DAMAGED, "values"},
    /* the baseline */
    {"baseline", {"model.rest", 0, 0, 0, NULL}, DAMAGED, "length"},
    {"baseline", {"baseline.magic", 0, 1, 0, NULL}, DAMAGED, "not a baseline"},
    {"baseline", {"baseline.version", 0, 2, 0, NULL}, NEWER, "version 2"},
    {"baseline", {"baseline.task", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"baseline", {"baseline.task", 0, 5, 0, NULL}, DAMAGED, "shape"},
    {"baseline", {"baseline.task", 0, 3, 0, NULL}, DAMAGED, "task"}, /* info says another */
    {"baseline", {"baseline.outputs", 0, 0, 0, NULL}, DAMAGED, "shape"},
    {"baseline", {"baseline.outputs", 0, HUGE, 0, NULL}, DAMAGED, "shape"},
    {"baseline", {"baseline.cols", 0, 12, 0, NULL}, DAMAGED, "columns"},
    {"baseline", {"baseline.cols", 0, HUGE, 0, NULL}, DAMAGED, "columns"},
    {"baseline", {"baseline.zero", 0, 1, 0, NULL}, DAMAGED, "shape"},
    {"baseline", {"baseline.score", 0, 0, NAN, NULL}, DAMAGED, "values"},
    {"baseline", {"baseline.score", 0, 0, INFINITY, NULL}, DAMAGED, "values"},
    {"baseline", {"baseline.score", 0, 0, 1e301, NULL}, DAMAGED, "values"},
    /* a blend */
    {"blend", {"model.rest", 0, 0, 0, NULL}, DAMAGED, "last member"},
    {"blend", {"blend.magic", 0, 1, 0, NULL}, DAMAGED, "not a blend"},
    {"blend", {"blend.version", 0, 3, 0, NULL}, NEWER, "version 3"},
    {"blend", {"blend.members", 0, 0, 0, NULL}, DAMAGED, "members"},
    {"blend", {"blend.members", 0, 2, 0, NULL}, DAMAGED, "last member"},
    {"blend", {"blend.members", 0, 4, 0, NULL}, DAMAGED, "middle"},
    {"blend", {"blend.members", 0, HUGE, 0, NULL}, DAMAGED, "members"},
    {"blend", {"member.weight", 0, 0, 0, NULL}, DAMAGED, "weight"},
    {"blend", {"member.weight", 1, 0, -0.5, NULL}, DAMAGED, "weight"},
    {"blend", {"member.weight", 2, 0, NAN, NULL}, DAMAGED, "weight"},
    {"blend", {"member.weight", 0, 0, 1e300, NULL}, DAMAGED, "weight"},
    {"blend", {"member.learner", 0, 0, 0, "blend"}, DAMAGED, "learner"}, /* in itself */
    {"blend", {"member.learner", 0, 0, 0, "rules"}, DAMAGED, "learner"},
    {"blend", {"member.learner", 0, HUGE, 0, NULL}, DAMAGED, "middle"},
    {"blend", {"member.len", 0, 0, 0, NULL}, DAMAGED, "not boosted trees"},
    {"blend", {"member.len", 0, UINT64_MAX, 0, NULL}, DAMAGED, "middle"},
    {"blend", {"member.len", 2, 1000000, 0, NULL}, DAMAGED, "middle"},
    {"blend", {"gbdt.cols", 0, 12, 0, NULL}, DAMAGED, ""},
    {"blend", {"baseline.cols", 0, 12, 0, NULL}, DAMAGED, "question"},
    {"blend", {"baseline.task", 0, 3, 0, NULL}, DAMAGED, "question"},
    {"blend", {"node.left", 1, 0, 0, NULL}, DAMAGED, "order"},
    {"blend", {"linear.terms", 0, 4, 0, NULL}, DAMAGED, "columns"},
    {"blend", {"blend.version", 0, 2, 0, NULL}, DAMAGED, ""}, /* a mean is no stack */
    /* a stack */
    {"stack", {"model.rest", 0, 0, 0, NULL}, DAMAGED, "last member"},
    {"stack", {"blend.version", 0, 1, 0, NULL}, DAMAGED, ""}, /* nor a stack a mean */
    {"stack", {"blend.version", 0, 3, 0, NULL}, NEWER, "version 3"},
    {"stack", {"blend.members", 0, 0, 0, NULL}, DAMAGED, "members"},
    {"stack", {"blend.outputs", 0, 0, 0, NULL}, DAMAGED, "outputs"},
    {"stack", {"blend.outputs", 0, 2, 0, NULL}, DAMAGED, ""},
    {"stack", {"blend.outputs", 0, HUGE, 0, NULL}, DAMAGED, "outputs"},
    {"stack", {"blend.bias", 0, 0, NAN, NULL}, DAMAGED, "biases"},
    {"stack", {"blend.bias", 0, 0, 1e301, NULL}, DAMAGED, "biases"},
    {"stack", {"member.weight", 0, 0, -0.5, NULL}, DAMAGED, "negative"},
    {"stack", {"member.weight", 1, 0, 0, NULL}, DAMAGED, "no weight"},
    {"stack", {"member.weight", 2, 0, NAN, NULL}, DAMAGED, "weight"},
    {"stack", {"member.weight", 0, 0, 17, NULL}, DAMAGED, "too large"},
    {"stack", {"member.learner", 0, 0, 0, "blend"}, DAMAGED, "learner"},
    {"stack", {"member.len", 0, UINT64_MAX, 0, NULL}, DAMAGED, "middle"},
    {"stack", {"baseline.cols", 0, 12, 0, NULL}, DAMAGED, "question"},
};
/* clang-format on */
#define N_BAD_FIELDS (sizeof(bad_fields) / sizeof(bad_fields[0]))

static void a_field_that_lies_is_refused_with_its_section(void **state) {
    (void)state;
    for (size_t i = 0; i < N_BAD_FIELDS; i++) {
        const bad_field *bad = &bad_fields[i];
        const tm_bundle_plan plan = {.learner = bad->learner != NULL ? bad->learner : "gbdt",
                                     .task = TM_TASK_BINARY,
                                     .lie = bad->lie};
        static tm_made made;
        char name[128];
        tm_buf buf;
        tm__buf_init(&buf, 1u << 20);
        bundle_maker_make(&plan, &buf, &made);
        snprintf(name, sizeof(name), "case %zu, %s %u of %s", i, bad->lie.field, bad->lie.nth,
                 plan.learner);
        const bool is_info = strcmp(bad->message, "task") == 0;
        const bool is_late =
            strcmp(bad->lie.field, "steps.n") == 0 || strcmp(bad->lie.field, "gbdt.cols") == 0;
        want(&buf, name, bad->status,
             is_info                ? "info"
             : is_late              ? ""
             : bad->learner == NULL ? "program"
                                    : "model",
             bad->message);
        tm__buf_done(&buf);
    }
    assert_true(N_BAD_FIELDS >= 200);
}

/* Every field there is, with values that hurt: refused, or harmless. */
static void any_field_with_any_value_is_refused_or_harmless(void **state) {
    (void)state;
    static const char *const learners[] = {"gbdt", "linear", "baseline", "blend", "stack"};
    static const uint64_t values[] = {0,   1,     2,    3,          5,          255,
                                      256, 65535, 1024, UINT32_MAX, 0x7fffffff, UINT64_MAX};
    static const double numbers[] = {0, -1, 1e-310, 1e300, -1e308, 1.7e308, NAN, INFINITY};
    static tm_made made, again;
    uint32_t n_refused = 0, n_taken = 0;
    for (uint32_t i = 0; i < 15; i++) {
        tm_bundle_plan plan = {.learner = learners[i / 3], .task = (tm_task)(i % 3 + 1)};
        tm_buf buf;
        tm__buf_init(&buf, 1u << 20);
        bool is_program = false;
        bundle_maker_make(&plan, &buf, &made);
        for (uint32_t f = 0; f < made.n_fields; f++) {
            const tm_made_field *field = &made.fields[f];
            is_program = strcmp(field->name, "program.magic") == 0 ||
                         (is_program && strcmp(field->name, "program.rest") != 0);
            if (is_program && i > 0) {
                continue; /* the same for all learners */
            }
            /* Of many fields of a name, the first few and the last are as good as all. */
            const bool is_last =
                f + 1 == made.n_fields || strcmp(made.fields[f + 1].name, field->name) != 0;
            const uint32_t n = field->nth > 2 && !is_last ? 1 : field->is_number ? 8 : 12;
            for (uint32_t v = 0; v < n; v++) {
                tm_err err = {0};
                plan.lie = (tm_lie){field->name, field->nth, values[v], numbers[v % 8], NULL};
                tm__buf_reset(&buf);
                bundle_maker_make(&plan, &buf, &again);
                const tm_status st = try_bytes(&buf, field->name, &err);
                if (st != TM_OK && (strstr(err.message, "section '") == NULL ||
                                    (st != TM_E_INTEGRITY && st != TM_E_UNSUPPORTED))) {
                    fail_msg("%s %s %u: status %d, %s", plan.learner, field->name, field->nth, st,
                             err.message);
                }
                n_refused += st != TM_OK;
                n_taken += st == TM_OK;
            }
        }
        tm__buf_done(&buf);
    }
    print_message("%u refused, %u harmless\n", n_refused, n_taken);
    assert_true(n_refused > 3000 && n_taken > 2000);
}

/* ---- info and notes ---- */

static char deep_json[100000];

static void info_that_is_wrong_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *info, *message;
    } cases[] = {
        {"", ""},
        {"{", ""},
        {"[]", "object"},
        {"null", "object"},
        {"{}", "task"},
        {deep_json, ""},
        {"{\"task\":\"binary\",\"task\":\"binary\"}", ""},
        {"{\"task\":\"regression\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",\"b\"]"
         "}",
         "task"},
        {"{\"task\":1,\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",\"b\"]}", "task"},
        {"{\"task\":\"binary\",\"learner\":\"linear\",\"target\":\"y\",\"classes\":[\"a\",\"b\"]}",
         "learner"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":7,\"classes\":[\"a\",\"b\"]}",
         "target"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"classes\":[\"a\",\"b\"]}", "target"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\"}", "classes"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\"]}",
         "classes"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",\"b\","
         "\"c\"]}",
         "classes"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",2]}",
         "classes"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":{\"a\":1,\"b\":2}"
         "}",
         "classes"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",\"b\"],"
         "\"threshold\":{\"value\":1.5}}",
         "threshold"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",\"b\"],"
         "\"threshold\":{\"value\":-1e-9}}",
         "threshold"},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"y\",\"classes\":[\"a\",\"\xff\"]}",
         ""},
        {"{\"task\":\"binary\",\"learner\":\"gbdt\",\"target\":\"a\\u0000b\",\"classes\":[\"a\","
         "\"b\"]}",
         ""},
    };
    memset(deep_json, '[', sizeof(deep_json) - 1);
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const bool is_notes = i % 2 == 1; /* what is no object there is refused too */
        const char *text = cases[i / 2].info;
        if (is_notes && (text[0] == '\0' || i / 2 > 5 || strcmp(text, "{}") == 0)) {
            continue;
        }
        const tm_bundle_plan plan = {.learner = "gbdt",
                                     .task = TM_TASK_BINARY,
                                     .info = is_notes ? NULL : text,
                                     .notes = is_notes ? text : NULL};
        char name[64];
        tm_buf buf;
        tm__buf_init(&buf, 1u << 20);
        bundle_maker_make(&plan, &buf, NULL);
        snprintf(name, sizeof(name), "case %zu", i / 2);
        want(&buf, name, TM_E_INTEGRITY, is_notes ? "notes" : "info",
             is_notes ? "" : cases[i / 2].message);
        tm__buf_done(&buf);
    }
}

/* ---- the file around the sections ---- */

static void put(uint8_t *at, uint64_t value, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static const struct {
    size_t at;
    unsigned n;
    uint64_t value; /* added to what is there */
    tm_status status;
    const char *section;
} changes[] = {
    {0, 8, 1, TM_E_INTEGRITY, ""},
    {7, 1, 1, TM_E_INTEGRITY, ""},
    {8, 4, 1, TM_E_UNSUPPORTED, ""},
    {8, 4, UINT32_MAX, TM_E_UNSUPPORTED, ""}, /* version 0 */
    {8, 4, 1u << 31, TM_E_UNSUPPORTED, ""},
    {12, 4, 1, TM_E_INTEGRITY, "directory"},
    {12, 4, UINT32_MAX, TM_E_INTEGRITY, ""}, /* one less: a hole */
    {12, 4, 60, TM_E_INTEGRITY, "directory"},
    {12, 4, 61, TM_E_INTEGRITY, "directory"},
    {12, 4, 1u << 31, TM_E_INTEGRITY, "directory"},
    {16, 8, 1, TM_E_INTEGRITY, "header"},
    {16, 8, UINT64_MAX, TM_E_INTEGRITY, "header"},
    {16, 8, 64, TM_E_INTEGRITY, "header"},
    {16, 8, UINT64_C(1) << 63, TM_E_INTEGRITY, "header"},
    /* types: 0, twice, out of order, unknown, reserved */
    {64, 4, UINT32_MAX, TM_E_INTEGRITY, "directory"},
    {96, 4, UINT32_MAX, TM_E_INTEGRITY, "directory"},
    {96, 4, 1, TM_E_INTEGRITY, ""},
    {128, 4, 3, TM_E_INTEGRITY, "model"}, /* as a signature */
    {128, 4, 57, TM_E_UNSUPPORTED, ""},
    {128, 4, 5, TM_E_INTEGRITY, "model"}, /* as a calibration */
    {128, 4, 1u << 31, TM_E_UNSUPPORTED, ""},
    {128, 4, 1, TM_E_INTEGRITY, "model"}, /* the model as a reference: no model */
    {128, 4, 2, TM_E_INTEGRITY, "model"},
    {128, 4, 4, TM_E_INTEGRITY, "model"}, /* as golden rows */
    {64, 4, 3, TM_E_INTEGRITY, "directory"},
    /* places */
    {72, 8, 64, TM_E_INTEGRITY, "info"},
    {72, 8, 1, TM_E_INTEGRITY, "info"},
    {72, 8, UINT64_MAX - 63, TM_E_INTEGRITY, "info"}, /* over the directory */
    {72, 8, UINT64_C(1) << 63, TM_E_INTEGRITY, "info"},
    {104, 8, UINT64_MAX - 63, TM_E_INTEGRITY, "program"}, /* over the info */
    {104, 8, 64, TM_E_INTEGRITY, "program"},
    {136, 8, UINT64_MAX - 127, TM_E_INTEGRITY, "model"},
    {136, 8, UINT64_C(1) << 40, TM_E_INTEGRITY, "model"},
    /* lengths */
    {80, 8, 1, TM_E_INTEGRITY, ""},
    {80, 8, 64, TM_E_INTEGRITY, ""},
    {80, 8, UINT64_MAX, TM_E_INTEGRITY, ""},
    {80, 8, UINT64_C(1) << 63, TM_E_INTEGRITY, "info"},
    {112, 8, 64, TM_E_INTEGRITY, ""},
    {112, 8, UINT64_MAX, TM_E_INTEGRITY, ""},
    {112, 8, UINT64_C(1) << 62, TM_E_INTEGRITY, "program"},
    {144, 8, 64, TM_E_INTEGRITY, "model"},
    {144, 8, UINT64_MAX - 63, TM_E_INTEGRITY, ""},
    {144, 8, UINT64_MAX >> 1, TM_E_INTEGRITY, "model"},
    /* what must be 0 */
    {88, 8, 1, TM_E_INTEGRITY, "directory"},
    {120, 8, UINT64_C(1) << 63, TM_E_INTEGRITY, "directory"},
    {152, 8, 1, TM_E_INTEGRITY, "directory"},
    {160, 1, 1, TM_E_INTEGRITY, "directory"}, /* behind the directory */
    {191, 1, 1, TM_E_INTEGRITY, "directory"},
};

/* A change of the header or the directory, first with the sums as they were, then put right. */
static void the_header_and_the_directory_cannot_lie(void **state) {
    (void)state;
    const tm_bundle_plan plan = {.learner = "gbdt", .task = TM_TASK_BINARY};
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        char name[64];
        tm_buf buf;
        tm_err err = {0};
        tm__buf_init(&buf, 1u << 20);
        bundle_maker_make(&plan, &buf, NULL);
        uint64_t old = 0;
        for (unsigned b = 0; b < changes[i].n; b++) {
            old |= (uint64_t)buf.data[changes[i].at + b] << (8 * b);
        }
        put(buf.data + changes[i].at, old + changes[i].value, changes[i].n);
        snprintf(name, sizeof(name), "case %zu, byte %zu", i, changes[i].at);
        assert_int_equal(try_bytes(&buf, name, &err), TM_E_INTEGRITY);
        bundle_bytes_mend(buf.data, buf.len);
        want(&buf, name, changes[i].status, changes[i].section, "");
        tm__buf_done(&buf);
    }
}

/* Bits of sections flip, with sums put right or not: refused or harmless, and never taken where a
 * sum is wrong. */
static void flipped_bits_are_refused_or_harmless(void **state) {
    (void)state;
    static const char *const learners[] = {"gbdt", "linear", "baseline", "blend", "stack"};
    uint32_t n_refused = 0, n_taken = 0;
    for (uint32_t i = 0; i < 5; i++) {
        const tm_bundle_plan plan = {.learner = learners[i], .task = TM_TASK_MULTICLASS};
        tm_buf buf, copy;
        tm__buf_init(&buf, 1u << 20);
        tm__buf_init(&copy, 1u << 20);
        bundle_maker_make(&plan, &buf, NULL);
        for (size_t at = 192; at < buf.len; at += 3) {
            tm_err err = {0};
            tm__buf_reset(&copy);
            tm__buf_append(&copy, buf.data, buf.len);
            copy.data[at] ^= (uint8_t)(1u << (at % 8));
            assert_int_equal(try_bytes(&copy, "sums as they were", &err), TM_E_INTEGRITY);
            assert_non_null(strstr(err.message, "section '"));
            bundle_bytes_mend(copy.data, copy.len);
            const tm_status st = try_bytes(&copy, learners[i], &err);
            assert_true(st == TM_OK || st == TM_E_INTEGRITY || st == TM_E_UNSUPPORTED);
            n_refused += st != TM_OK;
            n_taken += st == TM_OK;
        }
        tm__buf_done(&buf);
        tm__buf_done(&copy);
    }
    print_message("%u refused, %u harmless\n", n_refused, n_taken);
    assert_true(n_refused > 500);
}

/* ---- time and memory ---- */

/* Hashes of terms that all begin at one slot would make loading quadratic. */
static void terms_that_share_their_low_bits_are_refused_soon(void **state) {
    (void)state;
    const uint32_t n = 60000;
    tm_buf buf, program;
    tm__buf_init(&buf, 1u << 24);
    tm__buf_init(&program, 1u << 24);
    tm__buf_u32(&program, UINT32_C(0x50464d54));
    tm__buf_u32(&program, 1);
    tm__buf_u32(&program, 1);
    tm__buf_str(&program, TM_STR("w"));
    tm__buf_append(&program, "\4\0\1", 3);
    tm__buf_f64(&program, 0);
    tm__buf_f64(&program, 0);
    tm__buf_u32(&program, 0);
    tm__buf_append(&program, "\0\0\0\0\0", 5);
    tm__buf_u32(&program, 0);
    tm__buf_u32(&program, 1);
    tm__buf_u32(&program, 0);
    tm__buf_u32(&program, n);
    tm__buf_u32(&program, 0);
    for (uint64_t i = 0; i < n; i++) {
        tm__buf_u64(&program, i << 32);
    }
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_append(&program, "\0\0\x80\x3f", 4);
    }
    for (unsigned i = 0; i < 3; i++) {
        tm__buf_u32(&program, 0);
    }
    bundle_bytes_mend_program(program.data, program.len);
    const char info[] = "{\"learner\":\"baseline\",\"target\":\"y\",\"task\":\"regression\"}";
    const tm_bytes sections[TM_SECTION_END] = {
        [TM_SECTION_INFO] = {(const uint8_t *)info, sizeof(info) - 1},
        [TM_SECTION_PROGRAM] = {program.data, program.len},
        [TM_SECTION_MODEL] = {(const uint8_t *)info, sizeof(info) - 1},
    };
    assert_true(bundle_bytes_pack(sections, &buf));
    want(&buf, "terms", TM_E_INTEGRITY, "program", "share too many bits");
    tm__buf_done(&program);
    tm__buf_done(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_without_a_lie_is_taken),
        cmocka_unit_test(a_field_that_lies_is_refused_with_its_section),
        cmocka_unit_test(any_field_with_any_value_is_refused_or_harmless),
        cmocka_unit_test(info_that_is_wrong_is_refused),
        cmocka_unit_test(the_header_and_the_directory_cannot_lie),
        cmocka_unit_test(flipped_bits_are_refused_or_harmless),
        cmocka_unit_test(terms_that_share_their_low_bits_are_refused_soon),
    };
    return cmocka_run_group_tests(tests, limit_memory, NULL);
}
