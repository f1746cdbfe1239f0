/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LightGBM's text models (versions v2, v3 and v4).
 *
 *     tree                        first line
 *     version=v4 ...              head: key=value lines and the word average_output
 *     Tree=0 ...                  a block of key=value lines a tree, blank lines between
 *     end of trees
 *     feature_importances: ...    not needed
 *     parameters: ... end of parameters
 *     pandas_categorical:[[..]]   of the Python package: texts of categories
 *
 * How LightGBM decides. A number goes left when x <= threshold, both in double precision.
 * decision_type: bit 0 a set of categories, bit 1 missing values go left, bits 2 and 3 what is
 * missing: 0 nothing (NaN counts as 0), 1 zeros and NaN, 2 NaN. So with 0 a NaN goes where 0 goes;
 * with 1 numbers of at most 1e-35f either way count as missing. A category is the number without
 * its fraction; one in the set goes left, and NaN goes right whatever the bits say.
 *
 * A file that was cut is known by what it must end with: tree_sizes in the head counts the trees,
 * and "end of trees" and "end of parameters" follow them.
 */
#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "model/imported/import_priv.h"

typedef struct lines {
    tm_str rest;
    uint64_t number; /* of the last line that was taken, from 1 */
} lines;

#define NO_INFO INT64_C(-1)
#define NO_LIST UINT32_MAX
#define EXTRA_LISTS_MAX 62u /* bits of a word tell where they may be */

typedef struct reader {
    lines in;
    tm_import_draft *draft;
    tm_err *err;
    uint32_t k; /* trees a round */
    uint32_t tree;
    uint64_t n_sizes; /* trees that the head promises */
    int64_t *infos;   /* [columns] greatest code of a column that has some; NO_INFO: says "none" */
    bool average;
    bool has_sets;
} reader;

/* Fields of a tree's block. */
typedef struct block {
    tm_str num_leaves, num_cat, split_feature, split_gain, threshold, decision_type, left_child,
        right_child, leaf_value, leaf_count, cat_boundaries, cat_threshold, is_linear;
    uint64_t line; /* of its head */
} block;

static bool line_next(lines *in, tm_str *out) {
    if (in->rest.len == 0) {
        return false;
    }
    tm_str line = tm__str_cut(&in->rest, '\n');
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    in->number++;
    *out = line;
    return true;
}

static tm_status fail(const reader *r, tm_status status, const char *what) {
    const tm_status st = TM_FAIL(r->err, status, "LightGBM model: %s", what);
    tm_err_at(r->err, NULL, r->in.number, 0);
    if (status == TM_E_DATA) {
        tm_err_hint(r->err, "Save the model again (booster.save_model) and copy the whole file.");
    }
    return st;
}

static tm_status fail_tree(const reader *r, const block *b, const char *what) {
    const tm_status st = TM_FAIL(r->err, TM_E_DATA, "LightGBM model: tree %u: %s", r->tree, what);
    tm_err_at(r->err, NULL, b->line, 0);
    tm_err_hint(r->err, "Save the model again (booster.save_model) and copy the whole file.");
    return st;
}

static bool key_value(tm_str line, tm_str *out_key, tm_str *out_value) {
    *out_value = line;
    *out_key = tm__str_cut(out_value, '=');
    return out_key->len < line.len;
}

/* Words of a list. */
static bool word_next(tm_str *rest, tm_str *out) {
    while (rest->len > 0 && rest->ptr[0] == ' ') {
        rest->ptr++;
        rest->len--;
    }
    *out = tm__str_cut(rest, ' ');
    return out->len > 0;
}

static uint32_t word_count(tm_str list) {
    tm_str word;
    uint32_t n = 0;
    while (word_next(&list, &word)) {
        n++;
    }
    return n;
}

static bool next_int(tm_str *rest, int64_t min, int64_t max, int64_t *out) {
    tm_str word;
    return word_next(rest, &word) && tm__str_to_i64(word, out) && *out >= min && *out <= max;
}

static bool next_number(tm_str *rest, double *out) {
    tm_str word;
    return word_next(rest, &word) && tm__str_to_f64(word, out);
}

static bool is_done(tm_str rest) {
    tm_str word;
    return !word_next(&rest, &word);
}

/* ---- the head ---- */

/* "name:value" among the words of an objective. */
static bool objective_number(tm_str words, const char *name, double *out) {
    tm_str word;
    while (word_next(&words, &word)) {
        tm_str value = word;
        const tm_str key = tm__str_cut(&value, ':');
        if (tm__str_is(key, name)) {
            return tm__str_to_f64(value, out);
        }
    }
    return false;
}

typedef struct objective {
    const char *name;
    tm_task task;
    tm_link link;
} objective;

static const objective objectives[] = {
    {"binary", TM_TASK_BINARY, TM_LINK_SIGMOID},
    {"multiclass", TM_TASK_MULTICLASS, TM_LINK_SOFTMAX},
    {"multiclassova", TM_TASK_MULTICLASS, TM_LINK_SIGMOID},
    {"regression", TM_TASK_REGRESSION, TM_LINK_NONE},
    {"regression_l1", TM_TASK_REGRESSION, TM_LINK_NONE},
    {"huber", TM_TASK_REGRESSION, TM_LINK_NONE},
    {"fair", TM_TASK_REGRESSION, TM_LINK_NONE},
    {"quantile", TM_TASK_REGRESSION, TM_LINK_NONE},
    {"mape", TM_TASK_REGRESSION, TM_LINK_NONE},
    {"poisson", TM_TASK_REGRESSION, TM_LINK_EXP},
    {"gamma", TM_TASK_REGRESSION, TM_LINK_EXP},
    {"tweedie", TM_TASK_REGRESSION, TM_LINK_EXP},
    {"cross_entropy", TM_TASK_REGRESSION, TM_LINK_SIGMOID},
    {"xentropy", TM_TASK_REGRESSION, TM_LINK_SIGMOID},
    {"cross_entropy_lambda", TM_TASK_REGRESSION, TM_LINK_SOFTPLUS},
    {"xentlambda", TM_TASK_REGRESSION, TM_LINK_SOFTPLUS},
    {"lambdarank", TM_TASK_RANKING, TM_LINK_NONE},
    {"rank_xendcg", TM_TASK_RANKING, TM_LINK_NONE},
};

static tm_status read_objective(reader *r, tm_str text) {
    tm_import_draft *d = r->draft;
    tm_str rest = text, name;
    double number = 1;
    if (!word_next(&rest, &name)) {
        d->shape.task = r->k > 1 ? TM_TASK_MULTICLASS : TM_TASK_REGRESSION;
        tm__draft_note(d, "the file names no objective: answers are raw scores");
        return TM_OK;
    }
    const objective *found = NULL;
    for (size_t i = 0; i < sizeof(objectives) / sizeof(objectives[0]); i++) {
        found = tm__str_is(name, objectives[i].name) ? &objectives[i] : found;
    }
    if (found == NULL) {
        const tm_status st =
            TM_FAIL(r->err, TM_E_UNSUPPORTED, "LightGBM model: objective '%.*s' is not known",
                    name.len < 60 ? (int)name.len : 60, name.ptr);
        tm_err_at(r->err, NULL, r->in.number, 0);
        return st;
    }
    d->objective = found->name;
    d->shape.task = found->task;
    d->shape.link = found->link;
    if (tm__str_is(name, "regression") && word_next(&rest, &name) && tm__str_is(name, "sqrt")) {
        d->shape.link = TM_LINK_SQUARE;
    }
    if (objective_number(text, "sigmoid", &number)) {
        if (!(number > 0 && number <= 1e6)) {
            return fail(r, TM_E_DATA, "the objective's sigmoid is not over 0");
        }
        d->scale = found->link == TM_LINK_SIGMOID ? number : 1;
    }
    if ((found->task == TM_TASK_MULTICLASS) != (r->k > 1)) {
        return fail(r, TM_E_DATA, "the objective does not fit the number of classes");
    }
    return TM_OK;
}

/* "[0:5.5]", "none", or "3:1:12" for codes. */
/* The greatest of codes between colons. */
static uint32_t code_most(tm_str codes) {
    uint32_t most = 0;
    while (codes.len > 0) {
        int64_t code = 0;
        if (tm__str_to_i64(tm__str_cut(&codes, ':'), &code) && code > most && code < UINT32_MAX) {
            most = (uint32_t)code;
        }
    }
    return most;
}

static tm_status read_infos(reader *r, tm_str infos) {
    tm_str word;
    r->infos = tm__arena_zalloc(r->draft->arena, r->draft->n_columns, sizeof(int64_t));
    if (r->infos == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for columns");
    }
    for (uint32_t c = 0; c < r->draft->n_columns; c++) {
        tm_import_column *column = &r->draft->columns[c];
        if (!word_next(&infos, &word)) {
            return fail(r, TM_E_DATA, "feature_infos are fewer than features");
        }
        if (word.ptr[0] == '[' && word.len > 2 && word.ptr[word.len - 1] == ']') {
            tm_str max = {word.ptr + 1, word.len - 2};
            const tm_str min = tm__str_cut(&max, ':');
            double low = 0, high = 0;
            /* Ranges are for people: an infinite one is left out. */
            if (tm__str_to_f64(min, &low) && tm__str_to_f64(max, &high)) {
                column->min = low;
                column->max = high;
            }
        } else {
            column->is_category = !tm__str_is(word, "none");
            r->infos[c] = column->is_category ? (int64_t)code_most(word) : NO_INFO;
        }
    }
    return is_done(infos) ? TM_OK : fail(r, TM_E_DATA, "feature_infos are more than features");
}

static tm_status read_names(reader *r, tm_str names) {
    tm_import_draft *d = r->draft;
    tm_str word;
    for (uint32_t c = 0; c < d->n_columns; c++) {
        if (!word_next(&names, &word)) {
            return fail(r, TM_E_DATA, "feature_names are fewer than features");
        }
        if (d->options->columns == NULL) {
            d->columns[c].name =
                tm__draft_text(d, "%.*s", (int)(word.len < 1000 ? word.len : 1000), word.ptr);
            if (d->columns[c].name.ptr == NULL) {
                return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for columns");
            }
        }
    }
    return is_done(names) ? TM_OK : fail(r, TM_E_DATA, "feature_names are more than features");
}

typedef struct head {
    tm_str version, num_class, per_round, max_feature, objective, names, infos, sizes;
} head;

static tm_status use_head(reader *r, const head *h) {
    tm_import_draft *d = r->draft;
    int64_t k = 0, n_class = 0, last = 0;
    tm_str version = h->version;
    if (!tm__str_is(version, "v2") && !tm__str_is(version, "v3") && !tm__str_is(version, "v4")) {
        (void)fail(r, TM_E_UNSUPPORTED, "its version is not v2, v3 or v4");
        tm_err_hint(r->err, "Save the model again with LightGBM 2.1 to 4.");
        return TM_E_UNSUPPORTED;
    }
    d->version = tm__draft_text(d, "%.*s", (int)version.len, version.ptr).ptr;
    if (!tm__str_to_i64(h->per_round, &k) || !tm__str_to_i64(h->num_class, &n_class) || k < 1 ||
        k > TM_MAX_CLASSES || n_class != k) {
        return fail(r, TM_E_DATA,
                    "num_class and num_tree_per_iteration are not 1 to 1000, and equal");
    }
    if (!tm__str_to_i64(h->max_feature, &last) || last < 0 || last >= (int64_t)TM_MAX_COLS) {
        return fail(r, TM_E_DATA, "max_feature_idx is not 0 to 16383");
    }
    r->k = (uint32_t)k;
    d->shape.n_outputs = r->k;
    TM_TRY(tm__draft_columns(d, (uint32_t)last + 1, r->err));
    TM_TRY(read_names(r, h->names));
    TM_TRY(read_infos(r, h->infos));
    TM_TRY(read_objective(r, h->objective));
    r->n_sizes = word_count(h->sizes);
    return TM_OK;
}

/* Up to the first tree, whose line *out is. */
static tm_status read_head(reader *r, tm_str *out) {
    head h;
    memset(&h, 0, sizeof(h));
    tm_str line, key, value;
    (void)line_next(&r->in, &line); /* "tree" */
    while (line_next(&r->in, &line)) {
        if (tm__str_has_prefix(line, "Tree=") || tm__str_is(line, "end of trees")) {
            *out = line;
            return use_head(r, &h);
        }
        r->average = r->average || tm__str_is(line, "average_output");
        if (!key_value(line, &key, &value)) {
            continue;
        }
        const struct {
            const char *name;
            tm_str *to;
        } fields[] = {{"version", &h.version},
                      {"num_class", &h.num_class},
                      {"num_tree_per_iteration", &h.per_round},
                      {"max_feature_idx", &h.max_feature},
                      {"objective", &h.objective},
                      {"feature_names", &h.names},
                      {"feature_infos", &h.infos},
                      {"tree_sizes", &h.sizes}};
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            if (tm__str_is(key, fields[i].name)) {
                *fields[i].to = value;
            }
        }
    }
    return fail(r, TM_E_DATA, "the file ends in its head");
}

/* ---- trees ---- */

/* Fields up to a blank line; the values are views. */
static void read_block(reader *r, block *b) {
    tm_str line, key, value;
    while (line_next(&r->in, &line) && line.len > 0) {
        if (!key_value(line, &key, &value)) {
            continue;
        }
        const struct {
            const char *name;
            tm_str *to;
        } fields[] = {{"num_leaves", &b->num_leaves},
                      {"num_cat", &b->num_cat},
                      {"split_feature", &b->split_feature},
                      {"split_gain", &b->split_gain},
                      {"threshold", &b->threshold},
                      {"decision_type", &b->decision_type},
                      {"left_child", &b->left_child},
                      {"right_child", &b->right_child},
                      {"leaf_value", &b->leaf_value},
                      {"leaf_count", &b->leaf_count},
                      {"cat_boundaries", &b->cat_boundaries},
                      {"cat_threshold", &b->cat_threshold},
                      {"is_linear", &b->is_linear}};
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            if (tm__str_is(key, fields[i].name)) {
                *fields[i].to = value;
            }
        }
    }
}

/* Sets of a tree: bounds [n_cat + 1] in words of the pool from *out_first on. */
static tm_status read_sets(reader *r, const block *b, uint32_t n_cat, uint32_t *out_first,
                           uint32_t **out_bounds) {
    tm_import_draft *d = r->draft;
    tm_str rest = b->cat_boundaries, words = b->cat_threshold;
    uint32_t *bounds = tm__arena_alloc(d->arena, (size_t)n_cat + 1, sizeof(uint32_t));
    if (bounds == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
    }
    const uint32_t n_words = word_count(words);
    int64_t value = 0, least = 0;
    for (uint32_t i = 0; i <= n_cat; i++) {
        if (!next_int(&rest, least, n_words, &value) || (i == 0 && value != 0)) {
            return fail_tree(r, b, "cat_boundaries do not rise from 0 to the number of words");
        }
        bounds[i] = (uint32_t)value;
        least = value;
    }
    if (!is_done(rest) || value != n_words) {
        return fail_tree(r, b, "cat_boundaries do not fit cat_threshold");
    }
    *out_first = d->n_words;
    uint32_t *pool = tm__draft_words(d, n_words, r->err);
    if (pool == NULL) {
        return r->err != NULL ? r->err->status : TM_E_NOMEM;
    }
    for (uint32_t i = 0; i < n_words; i++) {
        if (!next_int(&words, 0, UINT32_MAX, &value)) {
            return fail_tree(r, b, "a word of cat_threshold is not a number of 32 bits");
        }
        pool[i] = (uint32_t)value;
    }
    *out_bounds = bounds;
    return TM_OK;
}

/* Bits of decision_type. */
enum { DECISION_SET = 1, DECISION_LEFT = 2, MISSING_ZERO = 1, MISSING_NAN = 2 };

static void set_decision(tm_import_node *node, uint32_t decision, double threshold) {
    const uint32_t missing = decision >> 2;
    node->number = threshold;
    bool left = (decision & DECISION_LEFT) != 0;
    if (missing == MISSING_ZERO) {
        node->flags |= TM_IMPORT_ZERO_MISSING;
    } else if (missing != MISSING_NAN) {
        left = 0 <= threshold; /* NaN counts as 0 */
    }
    node->flags |= left ? TM_IMPORT_MISSING_LEFT : 0;
}

/* A child of the file: an inner node, or the complement of a leaf. */
static uint32_t child_of(int64_t value, uint32_t n_inner) {
    return value >= 0 ? (uint32_t)value : n_inner + (uint32_t)(-value - 1);
}

static tm_status read_inner(reader *r, const block *b, tm_import_node *nodes, uint32_t n_inner,
                            uint32_t n_cat) {
    tm_import_draft *d = r->draft;
    tm_str columns = b->split_feature, gains = b->split_gain, thresholds = b->threshold,
           decisions = b->decision_type, lefts = b->left_child, rights = b->right_child;
    uint32_t first = 0, *bounds = NULL;
    if (n_cat > 0) {
        TM_TRY(read_sets(r, b, n_cat, &first, &bounds));
    }
    for (uint32_t i = 0; i < n_inner; i++) {
        tm_import_node *node = &nodes[i];
        const int64_t n_leaves = (int64_t)n_inner + 1;
        int64_t column = 0, decision = 0, left = 0, right = 0;
        double threshold = 0, gain = 0;
        if (!next_int(&columns, 0, d->n_columns - 1, &column)) {
            return fail_tree(r, b, "split_feature names a column that is not there");
        }
        if (!next_number(&thresholds, &threshold) || !next_int(&decisions, 0, 11, &decision)) {
            return fail_tree(r, b, "a threshold or decision_type is wrong or not there");
        }
        if (!next_int(&lefts, -n_leaves, (int64_t)n_inner - 1, &left) ||
            !next_int(&rights, -n_leaves, (int64_t)n_inner - 1, &right)) {
            return fail_tree(r, b, "a child is not there");
        }
        node->column = (uint32_t)column;
        node->left = child_of(left, n_inner);
        node->right = child_of(right, n_inner);
        node->gain = next_number(&gains, &gain) ? gain : 0;
        if ((decision & DECISION_SET) == 0) {
            set_decision(node, (uint32_t)decision, threshold);
            continue;
        }
        if (!(threshold >= 0 && threshold < n_cat)) {
            return fail_tree(r, b, "a split names a set of categories that is not there");
        }
        const uint32_t set = (uint32_t)threshold;
        node->flags |= TM_IMPORT_SET;
        node->set.first = first + bounds[set];
        node->set.n = bounds[set + 1] - bounds[set];
        r->has_sets = true;
    }
    return is_done(columns) && is_done(thresholds) && is_done(decisions) && is_done(lefts) &&
                   is_done(rights)
               ? TM_OK
               : fail_tree(r, b, "there is more of a list than num_leaves says");
}

static tm_status read_tree(reader *r, const block *b) {
    int64_t n_leaves = 0, n_cat = 0, is_linear = 0;
    if (!tm__str_to_i64(b->num_leaves, &n_leaves) || n_leaves < 1 ||
        n_leaves > (int64_t)b->leaf_value.len || /* as many values have to follow */
        n_leaves > (int64_t)TM_TREE_MAX_NODES / 2) {
        return fail_tree(r, b, "num_leaves is wrong or has not as many values");
    }
    if ((b->num_cat.len > 0 && !tm__str_to_i64(b->num_cat, &n_cat)) || n_cat < 0 ||
        n_cat >= n_leaves) {
        return fail_tree(r, b, "num_cat is wrong");
    }
    if (b->is_linear.len > 0 && (!tm__str_to_i64(b->is_linear, &is_linear) || is_linear != 0)) {
        const tm_status st = TM_FAIL(r->err, TM_E_UNSUPPORTED,
                                     "LightGBM model: tree %u has linear models in its leaves "
                                     "(linear_tree)",
                                     r->tree);
        tm_err_at(r->err, NULL, b->line, 0);
        tm_err_hint(r->err, "Train it with linear_tree=false.");
        return st;
    }
    const uint32_t n_inner = (uint32_t)n_leaves - 1;
    tm_import_tree *tree = tm__draft_tree(r->draft, r->err);
    tm_import_node *nodes =
        tree == NULL ? NULL : tm__draft_nodes(r->draft, 2 * n_inner + 1, r->err);
    if (nodes == NULL) {
        return r->err != NULL ? r->err->status : TM_E_NOMEM;
    }
    tree->n = 2 * n_inner + 1;
    tree->output = r->tree % r->k;
    TM_TRY(read_inner(r, b, nodes, n_inner, (uint32_t)n_cat));
    tm_str values = b->leaf_value, counts = b->leaf_count;
    for (uint32_t i = 0; i <= n_inner; i++) {
        int64_t count = 0;
        tm_import_node *leaf = &nodes[n_inner + i];
        leaf->flags = TM_IMPORT_LEAF;
        if (!next_number(&values, &leaf->number)) {
            return fail_tree(r, b, "a leaf_value is wrong or not there");
        }
        leaf->cover = next_int(&counts, 1, INT32_MAX, &count) ? (double)count : 0;
    }
    return is_done(values) ? TM_OK : fail_tree(r, b, "there are more leaf_values than leaves");
}

static tm_status read_trees(reader *r, tm_str line) {
    for (;;) {
        while (line.len == 0) {
            if (!line_next(&r->in, &line)) {
                return fail(r, TM_E_DATA, "the file is cut: there is no 'end of trees'");
            }
        }
        if (tm__str_is(line, "end of trees")) {
            break;
        }
        block b = {.line = r->in.number};
        int64_t number = 0;
        const tm_str text = {line.ptr + 5, line.len > 5 ? line.len - 5 : 0};
        if (!tm__str_has_prefix(line, "Tree=") || !tm__str_to_i64(text, &number) ||
            number != r->tree) {
            return fail(r, TM_E_DATA, "the trees are not numbered one after the other");
        }
        read_block(r, &b);
        TM_TRY(read_tree(r, &b));
        r->tree++;
        line.len = 0;
    }
    if (r->tree % r->k != 0 || r->tree == 0 || (r->n_sizes > 0 && r->n_sizes != r->tree)) {
        return fail(r, TM_E_DATA, "it has not as many trees as its head says");
    }
    return TM_OK;
}

/* ---- what follows the trees ---- */

static tm_status level_text(reader *r, const json_t *value, tm_str *out) {
    tm_import_draft *d = r->draft;
    char number[32];
    if (json_is_string(value)) {
        const char *copy =
            tm__arena_strndup(d->arena, json_string_value(value), json_string_length(value));
        *out = (tm_str){copy, json_string_length(value)};
    } else if (json_is_integer(value)) {
        *out = tm__draft_text(d, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        const double x = json_real_value(value);
        number[tm__f64_to_text(x, number)] = '\0';
        *out = x == floor(x) && fabs(x) <= 9007199254740992.0
                   ? tm__draft_text(d, "%lld", (long long)x)
                   : tm__draft_text(d, "%s", number);
    } else if (json_is_boolean(value)) {
        *out = tm__draft_text(d, "%s", json_is_true(value) ? "true" : "false");
    } else {
        return fail(r, TM_E_UNSUPPORTED,
                    "pandas_categorical has a category that is no text or number");
    }
    return out->ptr != NULL ? TM_OK : TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
}

/* Which extra counts let a column of codes have its list: bit u for u more lists before it than
 * columns of codes. A list is longer than the greatest code. */
static uint64_t extras_allowed(const reader *r, const json_t *lists, uint32_t column,
                               uint32_t n_before, uint32_t n_extra) {
    uint64_t bits = 0;
    for (uint32_t u = 0; u <= n_extra; u++) {
        const size_t len = json_array_size(json_array_get(lists, n_before + u));
        bits |= (uint64_t)(n_extra == 0 || (int64_t)len > r->infos[column]) << u;
    }
    return bits;
}

/*
 * Lists of categories belong to the columns of codes, in their order. A column that training found
 * useless says "none", whether it has categories or not: some lists may be of those. Before each
 * column, bit u of `from` says that u such lists may lie before it, bit u of `to` that the rest
 * of the columns can have the rest of the lists. What only one u allows is known.
 * out [n_columns] the list of each column, or NO_LIST; false: some column of codes may have
 * several.
 */
static bool lists_place(const reader *r, const json_t *lists, uint32_t n_extra, uint64_t *from,
                        uint32_t *out) {
    const uint32_t n = r->draft->n_columns;
    uint32_t n_before = 0;
    from[0] = 1;
    for (uint32_t c = 0; c < n; c++) {
        from[c + 1] = from[c];
        if (r->draft->columns[c].is_category) {
            from[c + 1] &= extras_allowed(r, lists, c, n_before++, n_extra);
        } else if (r->infos[c] == NO_INFO) {
            from[c + 1] |= from[c] << 1;
        }
    }
    uint64_t to = UINT64_C(1) << n_extra;
    for (uint32_t c = n; c-- > 0;) {
        uint64_t as_list = 0, as_none = to; /* before the column: with a list, without */
        if (r->draft->columns[c].is_category) {
            as_list = to & extras_allowed(r, lists, c, --n_before, n_extra);
            as_none = 0;
        } else if (r->infos[c] == NO_INFO) {
            as_list = to >> 1;
        }
        to = as_list | as_none;
        as_list &= from[c];
        const bool is_known = as_list != 0 && (as_list & (as_list - 1)) == 0;
        out[c] = is_known && (as_none & from[c]) == 0
                     ? n_before + (uint32_t)__builtin_ctzll(as_list)
                     : NO_LIST;
        if (r->draft->columns[c].is_category && out[c] == NO_LIST) {
            return false;
        }
    }
    return true;
}

static tm_status levels_read(reader *r, tm_import_column *column, const json_t *list) {
    column->n_levels = (uint32_t)json_array_size(list);
    column->levels = tm__arena_zalloc(r->draft->arena, column->n_levels, sizeof(tm_str));
    if (column->levels == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
    }
    column->is_category = column->are_numbers = true;
    for (uint32_t i = 0; i < column->n_levels; i++) {
        column->are_numbers = column->are_numbers && json_is_number(json_array_get(list, i));
        TM_TRY(level_text(r, json_array_get(list, i), &column->levels[i]));
    }
    return TM_OK;
}

static tm_status use_categories(reader *r, const json_t *lists) {
    tm_import_draft *d = r->draft;
    const size_t n_lists = json_is_array(lists) ? json_array_size(lists) : 0;
    uint32_t n_columns = 0;
    for (uint32_t c = 0; c < d->n_columns; c++) {
        n_columns += d->columns[c].is_category;
    }
    if (n_lists == 0) {
        return TM_OK;
    }
    uint64_t *from = tm__arena_zalloc(d->arena, d->n_columns + (size_t)1, sizeof(uint64_t));
    uint32_t *place = tm__arena_zalloc(d->arena, d->n_columns, sizeof(uint32_t));
    if (from == NULL || place == NULL) {
        return TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories");
    }
    if (n_lists < n_columns || n_lists - n_columns > EXTRA_LISTS_MAX ||
        !lists_place(r, lists, (uint32_t)(n_lists - n_columns), from, place)) {
        if (!r->has_sets) {
            return TM_OK;
        }
        (void)fail(r, TM_E_UNSUPPORTED,
                   "pandas_categorical does not tell which columns its categories are of");
        tm_err_hint(r->err,
                    "Leave columns of one category and categorical_feature of numbers out.");
        return TM_E_UNSUPPORTED;
    }
    for (uint32_t c = 0; c < d->n_columns; c++) {
        if (place[c] != NO_LIST) {
            TM_TRY(levels_read(r, &d->columns[c], json_array_get(lists, place[c])));
        }
    }
    return TM_OK;
}

static tm_status read_end(reader *r) {
    static const char prefix[] = "pandas_categorical:";
    tm_str line;
    bool has_end = false;
    while (line_next(&r->in, &line)) {
        if (tm__str_is(line, "end of parameters")) {
            has_end = true;
        } else if (has_end && tm__str_has_prefix(line, prefix)) {
            json_t *lists = NULL;
            tm_err cause = {0};
            const tm_str text = {line.ptr + sizeof(prefix) - 1, line.len - (sizeof(prefix) - 1)};
            const tm_status parsed = tm__json_parse(text.ptr, text.len, 4, &lists, &cause);
            if (parsed != TM_OK) {
                return parsed == TM_E_NOMEM
                           ? TM_FAIL(r->err, TM_E_NOMEM, "out of memory for categories")
                           : fail(r, TM_E_DATA, "pandas_categorical is cut or damaged");
            }
            const tm_status st = use_categories(r, lists);
            json_decref(lists);
            TM_TRY(st);
        } else if (has_end && line.len > 0) {
            return fail(r, TM_E_DATA, "something unknown follows the parameters");
        }
    }
    return has_end ? TM_OK : fail(r, TM_E_DATA, "the file is cut: there is no 'end of parameters'");
}

tm_status tm__import_lightgbm(const char *data, size_t len, tm_import_draft *draft, tm_err *err) {
    tm_err own = {0}; /* so that its status is there for those who give none */
    reader r = {.in = {.rest = {data, len}}, .draft = draft, .err = err != NULL ? err : &own};
    tm_str line = {NULL, 0};
    TM_TRY(read_head(&r, &line));
    TM_TRY(read_trees(&r, line));
    TM_TRY(read_end(&r));
    uint32_t n_rounds = r.tree / r.k;
    if (draft->options->n_rounds > n_rounds) {
        return TM_FAIL(err, TM_E_USAGE, "--rounds %u is more than the %u rounds of the model",
                       draft->options->n_rounds, n_rounds);
    }
    n_rounds = draft->options->n_rounds > 0 ? draft->options->n_rounds : n_rounds;
    draft->n_trees = n_rounds * r.k;
    draft->n_rounds = n_rounds;
    draft->divide = r.average ? n_rounds : 1;
    return TM_OK;
}
