/* SPDX-License-Identifier: Apache-2.0 */
/* Every function of expressions, those that learn and those that do not, in one program over odd
 * values: columns, rows, threads and files give the same bits. */
#include "feature/feature_expr_fn.h"
#include "feature/feature_fitted.h"
#include "feature_case.h"

/* Words of many languages; a table of new rows has others besides. */
static const char *const languages[] = {
    "the tide mill grinds",
    "la marea muele agua",
    "die M\xc3\xbchle mahlt",
    "\xd0\xbc\xd0\xb5\xd0\xbb\xd1\x8c\xd0\xbd\xd0\xb8\xd1\x86\xd0\xb0",
    "\xe6\xb0\xb4\xe8\xbb\x8a\xe3\x81\x8c",
    "\xeb\xac\xbc\xeb\xa0\x88\xeb\xb0\xa9\xec\x95\x84",
    "\xd8\xa7\xd9\x84\xd8\xb7\xd8\xa7\xd8\xad\xd9\x88\xd9\x86\xd8\xa9",
    "m\xc5\x82yn 12",
    "\xf0\x9f\x98\x80\xf0\x9f\x8e\x89",
    "e\xcc\x81\xcc\x82 combining",
    "",
    " ",
    "other",
    "a,b;\"c\""};
#define N_LANGUAGES (sizeof(languages) / sizeof(languages[0]))

static double odd_number(tm_rng *rng) {
    static const double ends[] = {INFINITY, -INFINITY, 1.7e308, -1.7e308, 5e-324, -0.0, 0, 1e18};
    const uint64_t at = tm__rng_below(rng, 40);
    return at < 8 ? ends[at] : tm__rng_f64(rng) * 20 - 10;
}

static int64_t odd_int(tm_rng *rng) {
    static const int64_t ends[] = {INT64_MAX, INT64_MIN + 1, 0, -1};
    const uint64_t at = tm__rng_below(rng, 20);
    return at < 4 ? ends[at] : (int64_t)tm__rng_below(rng, 100);
}

static tm_cell odd_cell(tm_rng *rng, tm_type type, uint32_t n_levels, char *text, size_t size) {
    tm_cell cell = {.type = tm__rng_below(rng, 12) == 0 ? TM_TYPE_NONE : type};
    if (cell.type == TM_TYPE_FLOAT)
        cell.f64 = odd_number(rng);
    if (cell.type == TM_TYPE_INT || cell.type == TM_TYPE_TIME)
        cell.i64 = odd_int(rng);
    if (cell.type == TM_TYPE_TIME && tm__rng_below(rng, 2) == 0)
        cell.i64 = (int64_t)tm__rng_below(rng, UINT64_C(2000000000000000));
    if (cell.type == TM_TYPE_BOOL)
        cell.i64 = (int64_t)tm__rng_below(rng, 2);
    if (cell.type == TM_TYPE_TEXT) {
        const uint64_t at = tm__rng_below(rng, n_levels);
        if (at < N_LANGUAGES)
            snprintf(text, size, "%s", languages[at]);
        else
            snprintf(text, size, "level %u", (unsigned)at);
        cell.text = tm__str(text);
    }
    return cell;
}

enum { ODD_A, ODD_B, ODD_S, ODD_U, ODD_T, ODD_V, ODD_COLS };

static tm_table *odd_table(uint64_t seed, uint64_t n_rows, uint32_t n_levels) {
    static const struct {
        const char *name;
        tm_type type;
    } cols[ODD_COLS] = {{"a", TM_TYPE_FLOAT}, {"b", TM_TYPE_INT},  {"s", TM_TYPE_TEXT},
                        {"u", TM_TYPE_TEXT},  {"t", TM_TYPE_TIME}, {"v", TM_TYPE_TIME}};
    tm_table_builder *builder = tm__builder_create();
    tm_rng rng = tm__rng_split(seed, "odd", 0);
    for (int c = 0; c < ODD_COLS; c++)
        assert_int_equal(tm__builder_add_column(builder, cols[c].name, cols[c].type, NULL), TM_OK);
    for (uint64_t i = 0; i < n_rows; i++) {
        char texts[ODD_COLS][64];
        tm_cell cells[ODD_COLS];
        for (int c = 0; c < ODD_COLS; c++)
            cells[c] = odd_cell(&rng, cols[c].type, n_levels, texts[c], sizeof(texts[c]));
        assert_int_equal(tm__builder_add_row(builder, cells, NULL), TM_OK);
    }
    tm_table *table = NULL;
    assert_int_equal(tm__builder_finish(builder, &table, NULL), TM_OK);
    return table;
}

static const char *column_of(char letter, uint32_t i) {
    return letter == 'N'   ? (i == 0 ? "a" : "b")
           : letter == 'S' ? (i == 0 ? "s" : "u")
                           : (i == 0 ? "t" : "v");
}

/* "f3 = if(a, b, b)", "f7 = -a", "f40 = a in (b, b)" */
static void call_words(char *out, size_t size, uint32_t i, const char *name, const char *args,
                       bool is_open) {
    char list[64] = "";
    const bool is_word = name[0] >= 'a' && name[0] <= 'z' && strcmp(name, "in") != 0;
    const bool is_infix = !is_word || strcmp(name, "and") == 0 || strcmp(name, "or") == 0;
    const uint32_t n = (uint32_t)strlen(args);
    size_t len = 0;
    for (uint32_t k = 0; k < n + (is_open ? 1 : 0); k++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", k > 0 ? ", " : "",
                                column_of(args[k < n ? k : n - 1], k));
    if (strcmp(name, "in") == 0)
        snprintf(out, size, "f%u = %s in (%s)", i, column_of(args[0], 0), list);
    else if (is_infix && n == 2)
        snprintf(out, size, "f%u = %s %s %s", i, column_of(args[0], 0), name,
                 column_of(args[1], 1));
    else if (strcmp(name, "not") == 0 || is_infix)
        snprintf(out, size, "f%u = %s %s", i, name, column_of(args[0], 0));
    else
        snprintf(out, size, "f%u = %s(%s)", i, name, list);
}

#define WORDS_MAX 160u

/* Each function over plain columns, then some of functions within functions. */
static uint32_t all_words(char words[WORDS_MAX][80], const char **out) {
    static const char *const nested[] = {
        "n1 = scale(log(abs(a) + 1) * b)",
        "n2 = scale(impute(a, 'mean'))",
        "n3 = a - mean_by(a, pool_rare(concat(s, u), 0.001))",
        "n4 = text(bin(robust_scale(a), 4))",
        "n5 = frequency(impute(lower(s)))",
        "n6 = std_by(quantile(b), text(cut(a, 3)))",
        "n7 = scale(f1) + scale(n1)",
        "n8 = yeo_johnson(if(a > 0, a, missing))",
        "n9 = cycle_sin(hour(t), 24) + cycle_cos(day_of_week(t), 7)",
        "n10 = bin(a, 255) % 2 = 0",
        "n11 = scale(missing + a)",
    };
    uint32_t n = 0;
    for (uint32_t i = 1; tm__expr_fn_get(i) != NULL; i++) {
        const tm_expr_fn *fn = tm__expr_fn_get(i);
        call_words(words[n++], 80, i, fn->name, fn->args, fn->is_open);
    }
    for (uint32_t i = 0; tm__fitted_at(i) != NULL; i++)
        call_words(words[n++], 80, 200 + i, tm__fitted_at(i)->name, tm__fitted_at(i)->args, false);
    for (size_t i = 0; i < sizeof(nested) / sizeof(nested[0]); i++)
        snprintf(words[n++], 80, "%s", nested[i]);
    assert_true(n <= WORDS_MAX);
    for (uint32_t i = 0; i < n; i++)
        out[i] = words[i];
    return n;
}

/* The same as case_init() and case_fit(), over odd values. */
static void odd_init(fit_case *c, uint64_t seed, uint64_t n_rows, const char *const *words,
                     uint32_t n_words) {
    memset(c, 0, sizeof(*c));
    c->table = odd_table(seed, n_rows, 60);
    assert_int_equal(tm__schema_from_table(c->table, &c->schema, NULL), TM_OK);
    c->y = tm__mem_alloc(n_rows, sizeof(double));
    c->rows = tm__mem_alloc(n_rows, sizeof(uint32_t));
    c->options = (tm_program_options){.task = TM_TASK_BINARY,
                                      .n_classes = 2,
                                      .max_levels = 20,
                                      .exprs = words,
                                      .n_exprs = n_words};
    for (uint64_t i = 0; i < n_rows; i++) {
        c->y[i] = (double)(i * 7 % 3 == 0);
        if (i % 5 != 4)
            c->rows[c->n_rows++] = (uint32_t)i;
    }
}

static void columns_rows_and_files_give_the_same_bits(void **state) {
    (void)state;
    static char words[WORDS_MAX][80];
    const char *list[WORDS_MAX];
    const uint32_t n = all_words(words, list);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        fit_case c;
        tm_program *again = NULL;
        tm_buf bytes, second;
        tm_err err = {0};
        tm_table *other = odd_table(seed + 100, 400, 90); /* with levels never seen */
        odd_init(&c, seed, seed == 1 ? 30 : 1500, list, n);
        const tm_status st = case_fit(&c, &err);
        if (st != TM_OK)
            print_error("%s\n", err.message);
        assert_int_equal(st, TM_OK);
        assert_true(seed == 1 || tm__program_features(c.program) > n / 2);
        assert_rows_equal_columns(c.program, c.table);
        assert_rows_equal_columns(c.program, other);
        tm__buf_init(&bytes, 1 << 26);
        tm__buf_init(&second, 1 << 26);
        assert_int_equal(tm__program_save(c.program, &bytes, NULL), TM_OK);
        assert_int_equal(bytes.data[4], 3); /* version */
        assert_int_equal(tm__program_load(bytes.data, bytes.len, &again, &err), TM_OK);
        assert_rows_equal_columns(again, other);
        assert_int_equal(tm__program_save(again, &second, NULL), TM_OK);
        assert_int_equal(second.len, bytes.len);
        assert_memory_equal(second.data, bytes.data, bytes.len);
        tm__program_free(again);
        tm__buf_done(&bytes);
        tm__buf_done(&second);
        tm__table_unref(other);
        case_done(&c);
    }
}

static void threads_change_nothing(void **state) {
    (void)state;
    static char words[WORDS_MAX][80];
    const char *list[WORDS_MAX];
    const uint32_t n = all_words(words, list);
    fit_case c;
    tm_buf bytes[2];
    odd_init(&c, 9, 70000, list, n);
    for (int k = 0; k < 2; k++) {
        c.ctx.pool = k == 0 ? NULL : tm__pool_create(4);
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        tm__buf_init(&bytes[k], 1 << 28);
        assert_int_equal(tm__program_save(c.program, &bytes[k], NULL), TM_OK);
        tm__program_free(c.program);
        tm__matrix_free(c.matrix);
        c.program = NULL;
        c.matrix = NULL;
    }
    assert_int_equal(bytes[0].len, bytes[1].len);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
    tm__buf_done(&bytes[0]);
    tm__buf_done(&bytes[1]);
    tm__pool_free(c.ctx.pool);
    c.ctx.pool = NULL;
    case_done(&c);
}

/* Rows that are not learned from decide nothing, nor does any target. */
static void only_fitted_rows_are_learned_from(void **state) {
    (void)state;
    static const char *const words[] = {
        "x1 = scale(a)",       "x2 = mean_by(b, s)",      "x3 = frequency(u)",     "x4 = bin(a, 5)",
        "x5 = yeo_johnson(b)", "x6 = pool_rare(s, 0.02)", "x7 = impute(a, 'mean')"};
    tm_buf bytes[2];
    for (int k = 0; k < 2; k++) {
        fit_case c;
        odd_init(&c, 5, 900, words, 7);
        tm_table *other = odd_table(6, 900, 60);
        double *floats = (double *)(uintptr_t)tm__table_column(c.table, ODD_A)->floats;
        int64_t *ints = (int64_t *)(uintptr_t)tm__table_column(c.table, ODD_B)->ints;
        for (uint64_t i = 0; i < 900; i++) {
            if (k == 1 && i % 5 == 4) {
                floats[i] = tm__table_column(other, ODD_A)->floats[i];
                ints[i] = 12345;
            }
            c.y[i] = k == 1 ? (double)(i % 2) : c.y[i];
        }
        for (int col = 0; col < ODD_COLS; col++)
            c.schema.cols[col].role = TM_ROLE_READ; /* what looks at the target is not made of it */
        assert_int_equal(case_fit(&c, NULL), TM_OK);
        tm__buf_init(&bytes[k], 1 << 26);
        for (uint32_t m = 0; m < 5; m++)
            assert_true(tm__expr_save(&c.program->made[m].expr, &bytes[k]));
        tm__table_unref(other);
        case_done(&c);
    }
    assert_int_equal(bytes[0].len, bytes[1].len);
    assert_memory_equal(bytes[0].data, bytes[1].data, bytes[0].len);
    tm__buf_done(&bytes[0]);
    tm__buf_done(&bytes[1]);
}

static void no_memory_is_an_error_and_no_leak(void **state) {
    (void)state;
    static const char *const words[] = {"x = scale(a - mean_by(b, pool_rare(s)))"};
    const uint64_t alive = tm__mem_alive();
    tm_status st = TM_E_NOMEM;
    uint64_t nth = 1;
    for (; st != TM_OK; nth += nth / 40 + 1) {
        fit_case c;
        odd_init(&c, 2, 60, words, 1);
        tm__mem_fail_at(nth, false);
        st = case_fit(&c, NULL);
        tm__mem_fail_at(0, false);
        assert_true(st == TM_OK || st == TM_E_NOMEM);
        case_done(&c);
        assert_int_equal(tm__mem_alive(), alive);
    }
    assert_true(nth > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_rows_and_files_give_the_same_bits),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(only_fitted_rows_are_learned_from),
        cmocka_unit_test(no_memory_is_an_error_and_no_leak),
    };
    return cmocka_run_group_tests_name("feature_fitted_calls", tests, NULL, NULL);
}
