/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XGBoost's models in JSON (save_model("m.json"), versions 1.0 to 3); UBJSON becomes the same text
 * first (import_ubjson.c).
 *
 *     learner
 *       learner_model_param   base_score, num_class, num_feature, num_target: numbers as texts
 *       objective.name
 *       feature_names, feature_types   may be empty
 *       attributes            best_iteration of early stopping
 *       gradient_booster      name: gbtree, dart (gbtree inside, and weight_drop) or gblinear
 *         model               trees, tree_info (the output of each), cats (texts of categories)
 *
 * How XGBoost decides, all in single precision: x < split_condition goes left. In a node with
 * categories, those of its list go right, any other left. A leaf's value is its split_condition.
 * base_score is an answer, not a raw score: what the objective makes of raw scores is undone.
 *
 * The text was checked as a whole (tm__scan_check), so steps through it cannot leave it; what it
 * says is checked here.
 */
#include <math.h>
#include <string.h>

#include "base/fmath.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/imported/import_priv.h"

#define CODES_MAX 1048576 /* categories of a column */

typedef struct reader {
    const char *start; /* of the text, to tell a line */
    tm_import_draft *draft;
    tm_err *err;
    int64_t n_class, n_feature;
    double base[TM_MAX_CLASSES];
    uint32_t n_base;
    char *weight_drop;  /* DART: an array; NULL */
    int64_t best_round; /* of early stopping; -1: none */
    uint32_t tree;
} reader;

static tm_status fail(const reader *r, tm_status status, const char *what) {
    const tm_status st = TM_FAIL(r->err, status, "XGBoost model: %s", what);
    if (status == TM_E_DATA) {
        tm_err_hint(r->err, "Save the model again (booster.save_model) and copy the whole file.");
    }
    return st;
}

static tm_status fail_tree(const reader *r, const char *what) {
    const tm_status st = TM_FAIL(r->err, TM_E_DATA, "XGBoost model: tree %u: %s", r->tree, what);
    tm_err_hint(r->err, "Save the model again (booster.save_model) and copy the whole file.");
    return st;
}

/* ---- steps ---- */

typedef struct member {
    const char *name;
    char *value; /* NULL: it is not there */
} member;

/* Values of those members of an object that are asked for; false for what is no object. */
static bool object_read(char *p, member *members, uint32_t n) {
    char *after = NULL;
    p = p == NULL ? NULL : tm__scan_space(p);
    if (p == NULL || *p != '{') {
        return false;
    }
    for (char *at = tm__scan_enter(p, &after); at != NULL;) {
        tm_str name;
        char *value = tm__scan_name(at, &name);
        for (uint32_t i = 0; i < n; i++) {
            if (tm__str_is(name, members[i].name)) {
                members[i].value = value;
            }
        }
        at = tm__scan_more(tm__scan_skip(value), &after);
    }
    return true;
}

/* First element of an array, or NULL when it is empty; *ok is false for what is no array. */
static char *array_enter(char *p, bool *ok) {
    char *after = NULL;
    p = p == NULL ? NULL : tm__scan_space(p);
    *ok = p != NULL && *p == '[';
    return *ok ? tm__scan_enter(p, &after) : NULL;
}

static char *array_more(char *behind) {
    char *after = NULL;
    return tm__scan_more(behind, &after);
}

static bool array_count(char *p, uint32_t *out) {
    bool ok = false;
    uint32_t n = 0;
    for (char *at = array_enter(p, &ok); at != NULL; at = array_more(tm__scan_skip(at))) {
        n++;
    }
    *out = n;
    return ok;
}

static bool is_number(char **p) {
    *p = tm__scan_space(*p);
    return **p == '-' || tm__is_digit(**p);
}

/* A number, also as true or false; moves behind it. */
static bool number_read(char **p, double *out) {
    tm_scan_number number;
    if (!is_number(p)) {
        *out = **p == 't';
        const bool ok = **p == 't' || **p == 'f';
        *p = tm__scan_skip(*p);
        return ok;
    }
    *p = tm__scan_number(*p, &number);
    *out = number.is_int ? (double)number.int64 : number.number;
    return number.is_finite;
}

static bool int_read(char **p, int64_t min, int64_t max, int64_t *out) {
    double number = 0;
    if (!number_read(p, &number) || number != floor(number) || fabs(number) > 1e15) {
        return false;
    }
    *out = (int64_t)number;
    return *out >= min && *out <= max;
}

static bool text_read(char *p, tm_str *out) {
    p = p == NULL ? NULL : tm__scan_space(p);
    if (p == NULL || *p != '"') {
        return false;
    }
    (void)tm__scan_string(p, out);
    return true;
}

/* A whole number as a text. */
static bool text_int(char *p, int64_t *out) {
    tm_str text;
    return text_read(p, &text) && tm__str_to_i64(text, out);
}

/* ---- what there is to answer ---- */

typedef enum base_link { BASE_SAME, BASE_LOGIT, BASE_LOG } base_link;

typedef struct objective {
    const char *name;
    tm_task task;
    tm_link link;
    base_link base;
} objective;

static const objective objectives[] = {
    {"binary:logistic", TM_TASK_BINARY, TM_LINK_SIGMOID, BASE_LOGIT},
    {"binary:logitraw", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"reg:logistic", TM_TASK_REGRESSION, TM_LINK_SIGMOID, BASE_LOGIT},
    {"multi:softprob", TM_TASK_MULTICLASS, TM_LINK_SOFTMAX, BASE_SAME},
    {"multi:softmax", TM_TASK_MULTICLASS, TM_LINK_SOFTMAX, BASE_SAME},
    {"reg:squarederror", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"reg:linear", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"reg:squaredlogerror", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"reg:pseudohubererror", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"reg:absoluteerror", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"reg:quantileerror", TM_TASK_REGRESSION, TM_LINK_NONE, BASE_SAME},
    {"count:poisson", TM_TASK_REGRESSION, TM_LINK_EXP, BASE_LOG},
    {"reg:gamma", TM_TASK_REGRESSION, TM_LINK_EXP, BASE_LOG},
    {"reg:tweedie", TM_TASK_REGRESSION, TM_LINK_EXP, BASE_LOG},
    {"survival:cox", TM_TASK_REGRESSION, TM_LINK_EXP, BASE_LOG},
    {"survival:aft", TM_TASK_REGRESSION, TM_LINK_EXP, BASE_LOG},
    {"rank:pairwise", TM_TASK_RANKING, TM_LINK_NONE, BASE_SAME},
    {"rank:ndcg", TM_TASK_RANKING, TM_LINK_NONE, BASE_SAME},
    {"rank:map", TM_TASK_RANKING, TM_LINK_NONE, BASE_SAME},
};

/* base_score is "5E-1", or "[5E-1,2E-1]" since 3.1. */
static bool base_read(reader *r, tm_str text) {
    if (text.len > 1 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        text = (tm_str){text.ptr + 1, text.len - 2};
    }
    while (text.len > 0) {
        const tm_str word = tm__str_trim(tm__str_cut(&text, ','));
        if (r->n_base == TM_MAX_CLASSES || !tm__str_to_f64(word, &r->base[r->n_base++])) {
            return false;
        }
    }
    return r->n_base > 0;
}

static tm_status base_use(reader *r, base_link link) {
    tm_import_draft *d = r->draft;
    const uint32_t k = d->shape.n_outputs;
    d->base = tm__arena_zalloc(d->arena, k, sizeof(double));
    if (d->base == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for base scores");
    }
    if (r->n_base != 1 && r->n_base != k) {
        return fail(r, TM_E_DATA, "base_score has not one value, or one for each class");
    }
    for (uint32_t i = 0; i < k; i++) {
        const double x = (double)(float)r->base[r->n_base == 1 ? 0 : i];
        const bool fits = link == BASE_SAME  ? fabs(x) < 1e30
                          : link == BASE_LOG ? x > 0 && x < 1e30
                                             : x > 0 && x < 1;
        if (!fits) {
            return fail(r, TM_E_DATA, "base_score is no answer of the objective");
        }
        d->base[i] = link == BASE_SAME    ? x
                     : link == BASE_LOGIT ? (double)(float)-tm__log(1 / x - 1)
                                          : (double)(float)tm__log(x);
    }
    return TM_OK;
}

static tm_status objective_read(reader *r, char *p) {
    member members[] = {{"name", NULL}};
    const objective *found = NULL;
    tm_str name;
    if (!object_read(p, members, 1) || !text_read(members[0].value, &name)) {
        return fail(r, TM_E_DATA, "it names no objective");
    }
    for (size_t i = 0; i < sizeof(objectives) / sizeof(objectives[0]); i++) {
        found = tm__str_is(name, objectives[i].name) ? &objectives[i] : found;
    }
    if (found == NULL) {
        return TM_FAIL(r->err, TM_E_UNSUPPORTED, "XGBoost model: objective '%.*s' is not known",
                       name.len < 60 ? (int)name.len : 60, name.ptr);
    }
    r->draft->objective = found->name;
    r->draft->shape.task = found->task;
    r->draft->shape.link = found->link;
    if ((found->task == TM_TASK_MULTICLASS) != (r->n_class > 1)) {
        return fail(r, TM_E_DATA, "num_class does not fit the objective");
    }
    if (strcmp(found->name, "binary:logitraw") == 0) {
        tm__draft_note(r->draft, "binary:logitraw answers log-odds, as a number");
    }
    r->draft->shape.n_outputs = r->n_class > 1 ? (uint32_t)r->n_class : 1;
    return base_use(r, found->base);
}

static tm_status params_read(reader *r, char *p) {
    member members[] = {
        {"base_score", NULL}, {"num_class", NULL}, {"num_feature", NULL}, {"num_target", NULL}};
    tm_str base;
    int64_t n_target = 1;
    if (!object_read(p, members, 4) || !text_read(members[0].value, &base) || !base_read(r, base)) {
        return fail(r, TM_E_DATA, "learner_model_param has no base_score");
    }
    if (!text_int(members[1].value, &r->n_class) || r->n_class < 0 ||
        r->n_class > (int64_t)TM_MAX_CLASSES) {
        return fail(r, TM_E_DATA, "num_class is not 0 to 1000");
    }
    if (!text_int(members[2].value, &r->n_feature) || r->n_feature < 1 ||
        r->n_feature > (int64_t)TM_MAX_COLS) {
        return fail(r, TM_E_DATA, "num_feature is not 1 to 16384");
    }
    if (members[3].value != NULL && (!text_int(members[3].value, &n_target) || n_target > 1)) {
        (void)fail(r, TM_E_UNSUPPORTED, "it has several targets (num_target)");
        tm_err_hint(r->err, "Train one model for each target.");
        return TM_E_UNSUPPORTED;
    }
    return TM_OK;
}

/* ---- columns ---- */

static tm_status names_read(reader *r, char *names, char *types) {
    tm_import_draft *d = r->draft;
    bool ok = false;
    uint32_t n_names = 0, n_types = 0;
    TM_TRY(tm__draft_columns(d, (uint32_t)r->n_feature, r->err));
    const bool has_names = array_count(names, &n_names) && n_names > 0;
    const bool has_types = array_count(types, &n_types) && n_types > 0;
    if ((has_names && n_names != d->n_columns) || (has_types && n_types != d->n_columns)) {
        return fail(r, TM_E_DATA, "feature_names or feature_types are not as many as features");
    }
    char *name = has_names ? array_enter(names, &ok) : NULL;
    char *type = has_types ? array_enter(types, &ok) : NULL;
    for (uint32_t c = 0; c < d->n_columns; c++) {
        tm_import_column *column = &d->columns[c];
        tm_str text = {NULL, 0};
        if (name != NULL && !text_read(name, &text)) {
            return fail(r, TM_E_DATA, "a name of feature_names is no text");
        }
        if (d->options->columns == NULL && text.ptr != NULL) {
            text.ptr = tm__arena_strndup(d->arena, text.ptr, text.len);
            column->name = text;
        } else if (d->options->columns == NULL) {
            column->name = tm__draft_text(d, "f%u", c);
        }
        if (column->name.ptr == NULL) {
            return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for columns");
        }
        column->is_category = type != NULL && text_read(type, &text) && tm__str_is(text, "c");
        name = name != NULL ? array_more(tm__scan_skip(name)) : NULL;
        type = type != NULL ? array_more(tm__scan_skip(type)) : NULL;
    }
    return TM_OK;
}

/* Texts of a column's categories: bytes and where each ends. */
static tm_status levels_text(reader *r, tm_import_column *column, char *offsets, char *values) {
    tm_import_draft *d = r->draft;
    uint32_t n_offsets = 0, n_bytes = 0;
    bool ok = false;
    int64_t number = 0;
    if (!array_count(offsets, &n_offsets) || !array_count(values, &n_bytes)) {
        return fail(r, TM_E_DATA, "the texts of categories are damaged");
    }
    char *bytes = tm__arena_alloc(d->arena, n_bytes, 1);
    column->n_levels = n_offsets > 0 ? n_offsets - 1 : 0;
    column->levels = tm__arena_zalloc(d->arena, column->n_levels, sizeof(tm_str));
    if (bytes == NULL || column->levels == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
    }
    char *at = array_enter(values, &ok);
    for (uint32_t i = 0; i < n_bytes; i++) {
        if (!int_read(&at, -128, 255, &number)) {
            return fail(r, TM_E_DATA, "the texts of categories are damaged");
        }
        bytes[i] = (char)(uint8_t)number;
        at = array_more(at);
    }
    int64_t last = 0;
    at = array_enter(offsets, &ok);
    for (uint32_t i = 0; i < n_offsets; i++) {
        if (!int_read(&at, last, n_bytes, &number)) {
            return fail(r, TM_E_DATA, "the texts of categories are damaged");
        }
        if (i > 0) {
            column->levels[i - 1] = (tm_str){bytes + last, (size_t)(number - last)};
        }
        last = number;
        at = array_more(at);
    }
    return TM_OK;
}

static tm_status levels_number(reader *r, tm_import_column *column, char *values) {
    tm_import_draft *d = r->draft;
    bool ok = false;
    uint32_t n = 0;
    if (!array_count(values, &n)) {
        return fail(r, TM_E_DATA, "the numbers of categories are damaged");
    }
    column->are_numbers = true;
    column->n_levels = n;
    column->levels = tm__arena_zalloc(d->arena, n, sizeof(tm_str));
    char *at = column->levels != NULL ? array_enter(values, &ok) : NULL;
    for (uint32_t i = 0; at != NULL && i < n; i++) {
        char text[32];
        double number = 0;
        if (!number_read(&at, &number)) {
            return fail(r, TM_E_DATA, "the numbers of categories are damaged");
        }
        text[tm__f64_to_text(number, text)] = '\0';
        column->levels[i] = number == floor(number) && fabs(number) <= 9007199254740992.0
                                ? tm__draft_text(d, "%lld", (long long)number)
                                : tm__draft_text(d, "%s", text);
        ok = ok && column->levels[i].ptr != NULL;
        at = array_more(at);
    }
    return column->levels != NULL && (n == 0 || ok)
               ? TM_OK
               : TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
}

/* cats.enc: an entry a column; one of a column of numbers is empty. */
static tm_status cats_read(reader *r, char *p) {
    member members[] = {{"enc", NULL}};
    uint32_t n = 0, c = 0;
    bool ok = false;
    if (!object_read(p, members, 1) || !array_count(members[0].value, &n) || n == 0) {
        return TM_OK;
    }
    if (n != r->draft->n_columns) {
        return fail(r, TM_E_DATA, "categories are not those of its columns");
    }
    for (char *at = array_enter(members[0].value, &ok); at != NULL;
         at = array_more(tm__scan_skip(at))) {
        member parts[] = {{"offsets", NULL}, {"values", NULL}};
        tm_import_column *column = &r->draft->columns[c++];
        uint32_t n_values = 0;
        if (!object_read(at, parts, 2) || !array_count(parts[1].value, &n_values)) {
            return fail(r, TM_E_DATA, "an entry of the categories is damaged");
        }
        if (n_values == 0) {
            continue;
        }
        TM_TRY(parts[0].value != NULL ? levels_text(r, column, parts[0].value, parts[1].value)
                                      : levels_number(r, column, parts[1].value));
    }
    return TM_OK;
}

/* ---- trees ---- */

enum {
    LEFT,
    RIGHT,
    COLUMN,
    CONDITION,
    DEFAULT,
    TYPE,
    HESSIAN,
    GAIN,
    N_LISTS, /* lists of a value a node end here */
    CATEGORIES = N_LISTS,
    CAT_NODES,
    CAT_STARTS,
    CAT_SIZES,
    PARAM,
    N_MEMBERS
};

static tm_status node_read(reader *r, char **at, tm_import_node *node, uint32_t n) {
    int64_t left = 0, right = 0, column = 0, type = 0;
    double condition = 0, missing_left = 0;
    if (!int_read(&at[LEFT], -1, (int64_t)n - 1, &left) ||
        !int_read(&at[RIGHT], -1, (int64_t)n - 1, &right) ||
        !number_read(&at[CONDITION], &condition)) {
        return fail_tree(r, "a child or split_condition is wrong or not there");
    }
    node->cover = at[HESSIAN] != NULL && number_read(&at[HESSIAN], &node->cover) ? node->cover : 0;
    node->gain = at[GAIN] != NULL && number_read(&at[GAIN], &node->gain) ? node->gain : 0;
    const bool has_column = int_read(&at[COLUMN], 0, r->n_feature - 1, &column);
    const bool has_default = number_read(&at[DEFAULT], &missing_left);
    const bool has_type = at[TYPE] == NULL || int_read(&at[TYPE], 0, 1, &type);
    if (left < 0) {
        node->flags = TM_IMPORT_LEAF;
        node->number = (double)(float)condition;
        return TM_OK;
    }
    if (right < 0 || !has_column || !has_default || !has_type) {
        return fail_tree(r, "a column, default_left or split_type is wrong or not there");
    }
    node->left = (uint32_t)left;
    node->right = (uint32_t)right;
    node->column = (uint32_t)column;
    node->flags = missing_left != 0 ? TM_IMPORT_MISSING_LEFT : 0;
    if (type == 1) {
        node->flags |= TM_IMPORT_SET | TM_IMPORT_SET_RIGHT; /* its list follows */
        node->set.first = node->set.n = 0;
    } else if (!(fabs(condition) <= 3.4e38)) {
        return fail_tree(r, "a split_condition is no number of single precision");
    } else {
        node->number = tm__import_below((float)condition);
    }
    return TM_OK;
}

/* The list of a node with categories: elements start .. start + size - 1 of all. */
static tm_status set_read(reader *r, const int32_t *codes, int64_t size, tm_import_node *node) {
    int32_t most = 0;
    for (int64_t i = 0; i < size; i++) {
        most = codes[i] > most ? codes[i] : most;
    }
    const uint32_t n = (uint32_t)most / 32 + 1, first = r->draft->n_words;
    uint32_t *words = tm__draft_words(r->draft, n, r->err);
    if (words == NULL) {
        return r->err->status;
    }
    for (int64_t i = 0; i < size; i++) {
        words[codes[i] / 32] |= UINT32_C(1) << (codes[i] % 32);
    }
    node->set.first = first;
    node->set.n = n;
    return TM_OK;
}

static tm_status sets_read(reader *r, const member *lists, tm_import_node *nodes, uint32_t n) {
    uint32_t n_codes = 0, n_sets = 0, n_starts = 0, n_sizes = 0;
    bool ok = false;
    if (lists[CAT_NODES].value == NULL) {
        return TM_OK;
    }
    if (!array_count(lists[CATEGORIES].value, &n_codes) ||
        !array_count(lists[CAT_NODES].value, &n_sets) ||
        !array_count(lists[CAT_STARTS].value, &n_starts) ||
        !array_count(lists[CAT_SIZES].value, &n_sizes) || n_starts != n_sets || n_sizes != n_sets) {
        return fail_tree(r, "lists of categories are not as many as their nodes");
    }
    int32_t *codes = tm__mem_alloc(n_codes, sizeof(int32_t));
    if (codes == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
    }
    tm_status st = TM_OK;
    int64_t code = 0, node = 0, start = 0, size = 0;
    char *at = array_enter(lists[CATEGORIES].value, &ok);
    for (uint32_t i = 0; st == TM_OK && i < n_codes; i++) {
        if (!int_read(&at, 0, CODES_MAX - 1, &code)) {
            st = fail_tree(r, "a category is not 0 to 1048575");
            break;
        }
        codes[i] = (int32_t)code;
        at = array_more(at);
    }
    char *node_at = array_enter(lists[CAT_NODES].value, &ok);
    char *start_at = array_enter(lists[CAT_STARTS].value, &ok);
    char *size_at = array_enter(lists[CAT_SIZES].value, &ok);
    for (uint32_t i = 0; st == TM_OK && i < n_sets; i++) {
        if (!int_read(&node_at, 0, (int64_t)n - 1, &node) ||
            !int_read(&start_at, 0, n_codes, &start) ||
            !int_read(&size_at, 0, (int64_t)n_codes - start, &size) ||
            (nodes[node].flags & TM_IMPORT_SET) == 0 || nodes[node].set.n != 0) {
            st = fail_tree(r, "a list of categories is of no node, or longer than all");
        } else {
            st = set_read(r, codes + start, size, &nodes[node]);
        }
        node_at = array_more(node_at);
        start_at = array_more(start_at);
        size_at = array_more(size_at);
    }
    tm__mem_free(codes);
    return st;
}

static tm_status check_param(reader *r, char *p) {
    member members[] = {{"size_leaf_vector", NULL}};
    int64_t size = 1;
    if (p != NULL && object_read(p, members, 1) && members[0].value != NULL &&
        (!text_int(members[0].value, &size) || size > 1)) {
        return fail(r, TM_E_UNSUPPORTED, "its leaves are vectors (multi_strategy)");
    }
    return TM_OK;
}

static tm_status tree_read(reader *r, char *p, uint32_t output, double weight) {
    member lists[N_MEMBERS] = {
        {"left_children", NULL},    {"right_children", NULL},      {"split_indices", NULL},
        {"split_conditions", NULL}, {"default_left", NULL},        {"split_type", NULL},
        {"sum_hessian", NULL},      {"loss_changes", NULL},        {"categories", NULL},
        {"categories_nodes", NULL}, {"categories_segments", NULL}, {"categories_sizes", NULL},
        {"tree_param", NULL}};
    char *at[N_LISTS] = {NULL};
    uint32_t n = 0;
    bool ok = false;
    if (!object_read(p, lists, N_MEMBERS) || !array_count(lists[LEFT].value, &n) || n == 0) {
        return fail_tree(r, "it has no nodes");
    }
    TM_TRY(check_param(r, lists[PARAM].value));
    for (uint32_t i = 0; i < N_LISTS; i++) {
        uint32_t n_here = 0;
        const bool is_there = array_count(lists[i].value, &n_here) && n_here == n;
        if (!is_there && !(i >= TYPE && lists[i].value == NULL)) {
            return fail_tree(r, "its lists are not of one length");
        }
        at[i] = is_there ? array_enter(lists[i].value, &ok) : NULL;
    }
    tm_import_tree *tree = tm__draft_tree(r->draft, r->err);
    tm_import_node *nodes = tree != NULL ? tm__draft_nodes(r->draft, n, r->err) : NULL;
    if (nodes == NULL) {
        return r->err->status;
    }
    tree->n = n;
    tree->output = output;
    for (uint32_t i = 0; i < n; i++) {
        TM_TRY(node_read(r, at, &nodes[i], n));
        if ((nodes[i].flags & TM_IMPORT_LEAF) != 0) {
            nodes[i].number = (double)((float)nodes[i].number * (float)weight);
        }
        for (uint32_t k = 0; k < N_LISTS; k++) {
            at[k] = at[k] != NULL ? array_more(at[k]) : NULL;
        }
    }
    TM_TRY(sets_read(r, lists, nodes, n));
    for (uint32_t i = 0; i < n; i++) {
        if ((nodes[i].flags & TM_IMPORT_SET) != 0 && nodes[i].set.n == 0) {
            return fail_tree(r, "a node of categories has no list of them");
        }
    }
    return TM_OK;
}

/* Trees of the first rounds. */
static tm_status trees_limit(reader *r, char *rounds, uint32_t n_trees, uint32_t *out) {
    tm_import_draft *d = r->draft;
    const uint32_t wanted = d->options->n_rounds;
    uint32_t n = 0;
    bool ok = false;
    int64_t end = 0;
    if (array_count(rounds, &n) && n > 0) {
        n--;
    } else {
        n = n_trees / d->shape.n_outputs; /* files before 2.0: of a forest a round is not known */
    }
    if (wanted > n) {
        return TM_FAIL(r->err, TM_E_USAGE, "--rounds %u is more than the %u rounds of the model",
                       wanted, n);
    }
    if (r->best_round >= 0 && r->best_round + 1 < n && wanted == 0) {
        tm__draft_note(d,
                       tm__draft_text(d,
                                      "early stopping found round %lld of %u the best: "
                                      "XGBClassifier and XGBRegressor answer with those alone "
                                      "(--rounds %lld), Booster.predict with all",
                                      (long long)r->best_round + 1, n, (long long)r->best_round + 1)
                           .ptr);
    }
    d->n_rounds = wanted > 0 ? wanted : n;
    *out = n_trees;
    if (wanted == 0) {
        return TM_OK;
    }
    char *at = rounds != NULL ? array_enter(rounds, &ok) : NULL;
    for (uint32_t i = 0; at != NULL && i <= wanted; i++) {
        if (!int_read(&at, 0, n_trees, &end)) {
            return fail(r, TM_E_DATA, "iteration_indptr does not count trees");
        }
        at = array_more(at);
    }
    *out = rounds != NULL ? (uint32_t)end : wanted * d->shape.n_outputs;
    return TM_OK;
}

static tm_status model_read(reader *r, char *p) {
    member members[] = {
        {"trees", NULL}, {"tree_info", NULL}, {"iteration_indptr", NULL}, {"cats", NULL}};
    uint32_t n = 0, n_info = 0, n_drop = 0, limit = 0;
    bool ok = false;
    if (!object_read(p, members, 4) || !array_count(members[0].value, &n) ||
        !array_count(members[1].value, &n_info) || n_info != n) {
        return fail(r, TM_E_DATA, "trees and tree_info are not there, or not as many");
    }
    if (r->weight_drop != NULL && (!array_count(r->weight_drop, &n_drop) || n_drop != n)) {
        return fail(r, TM_E_DATA, "weight_drop has not one weight a tree");
    }
    TM_TRY(cats_read(r, members[3].value));
    TM_TRY(trees_limit(r, members[2].value, n, &limit));
    char *tree = array_enter(members[0].value, &ok), *info = array_enter(members[1].value, &ok);
    char *drop = r->weight_drop != NULL ? array_enter(r->weight_drop, &ok) : NULL;
    for (r->tree = 0; r->tree < limit && tree != NULL; r->tree++) {
        int64_t output = 0;
        double weight = 1;
        if (!int_read(&info, 0, (int64_t)r->draft->shape.n_outputs - 1, &output) ||
            (drop != NULL && !number_read(&drop, &weight))) {
            return fail_tree(r, "its output or weight is wrong");
        }
        TM_TRY(tree_read(r, tree, (uint32_t)output, weight));
        tree = array_more(tm__scan_skip(tree));
        info = array_more(info);
        drop = drop != NULL ? array_more(drop) : NULL;
    }
    r->draft->may_be_loose = true; /* what pruning left behind */
    return TM_OK;
}

static tm_status linear_read(reader *r, char *p) {
    tm_import_draft *d = r->draft;
    member members[] = {{"weights", NULL}};
    const uint32_t k = d->shape.n_outputs, line = d->n_columns + 1;
    uint32_t n = 0;
    bool ok = false;
    if (!object_read(p, members, 1) || !array_count(members[0].value, &n) || n != line * k) {
        return fail(r, TM_E_DATA, "gblinear has not one weight for each column and output");
    }
    d->shape.kind = TM_IMPORTED_LINEAR;
    d->weights = tm__arena_zalloc(d->arena, n, sizeof(double));
    if (d->weights == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for weights");
    }
    char *at = array_enter(members[0].value, &ok);
    for (uint32_t i = 0; i < n; i++) {
        double *weight = &d->weights[(size_t)(i % k) * line + i / k];
        if (!number_read(&at, weight) || !(fabs(*weight) < 1e30)) {
            return fail(r, TM_E_DATA, "a weight of gblinear is no number of single precision");
        }
        *weight = (double)(float)*weight + (i / k == d->n_columns ? d->base[i % k] : 0);
        at = array_more(at);
    }
    return TM_OK;
}

static tm_status booster_read(reader *r, char *p) {
    member members[] = {{"name", NULL}, {"model", NULL}, {"gbtree", NULL}, {"weight_drop", NULL}};
    member inner[] = {{"model", NULL}};
    tm_str name;
    if (!object_read(p, members, 4) || !text_read(members[0].value, &name)) {
        return fail(r, TM_E_DATA, "it has no gradient_booster");
    }
    if (tm__str_is(name, "gbtree")) {
        return model_read(r, members[1].value);
    }
    if (tm__str_is(name, "gblinear")) {
        return linear_read(r, members[1].value);
    }
    if (tm__str_is(name, "dart") && object_read(members[2].value, inner, 1)) {
        r->weight_drop = members[3].value;
        return model_read(r, inner[0].value);
    }
    return fail(r, TM_E_UNSUPPORTED, "its booster is not gbtree, dart or gblinear");
}

static void version_read(reader *r, char *p) {
    bool ok = false;
    int64_t parts[3] = {0};
    char *at = array_enter(p, &ok);
    for (uint32_t i = 0; i < 3 && at != NULL; i++) {
        if (!int_read(&at, 0, 9999, &parts[i])) {
            return;
        }
        at = array_more(at);
    }
    r->draft->version =
        tm__draft_text(r->draft, "%d.%d.%d", (int)parts[0], (int)parts[1], (int)parts[2]).ptr;
}

static tm_status check_text(tm_buf *bytes, tm_err *err) {
    tm_scan_error error;
    if (tm__scan_check((const char *)bytes->data, bytes->len, &error)) {
        return TM_OK;
    }
    const tm_status st = TM_FAIL(err, error.is_limit ? TM_E_LIMIT : TM_E_DATA,
                                 "XGBoost model: %s in column %zu", error.reason, error.column);
    tm_err_at(err, NULL, error.line, 0);
    tm_err_hint(err, "Save the model again (booster.save_model) and copy the whole file.");
    return st;
}

tm_status tm__import_xgboost(tm_buf *bytes, tm_import_draft *draft, tm_err *err) {
    tm_err own = {0};
    reader r = {.draft = draft, .err = err != NULL ? err : &own, .best_round = -1};
    TM_TRY(check_text(bytes, err));
    char *text = (char *)bytes->data;
    r.start = text;
    member top[] = {{"learner", NULL}, {"version", NULL}};
    member parts[] = {{"learner_model_param", NULL}, {"objective", NULL},
                      {"feature_names", NULL},       {"feature_types", NULL},
                      {"attributes", NULL},          {"gradient_booster", NULL}};
    member attributes[] = {{"best_iteration", NULL}};
    if (!object_read(text, top, 2) || !object_read(top[0].value, parts, 6)) {
        return fail(&r, TM_E_DATA, "it has no learner");
    }
    version_read(&r, top[1].value);
    if (object_read(parts[4].value, attributes, 1) &&
        !text_int(attributes[0].value, &r.best_round)) {
        r.best_round = -1;
    }
    TM_TRY(params_read(&r, parts[0].value));
    TM_TRY(objective_read(&r, parts[1].value));
    TM_TRY(names_read(&r, parts[2].value, parts[3].value));
    return booster_read(&r, parts[5].value);
}
