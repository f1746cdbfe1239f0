/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Design. Of the cuts t[0] < t[1] < ... of a column, which are the thresholds that the forest has
 * for it, the code of x counts those below x. Then
 *
 *     x <= t[j]   exactly when   code(x) <= j
 *
 * because t[j] is not below x exactly when at most t[0] .. t[j-1] are. Infinities and -0.0, which
 * equals 0.0, need no care. A missing value is below no cut: code 0, which goes left everywhere; in
 * slots for nodes that send it right it is the greatest code, which is over every j. So a walk
 * never asks for missing values.
 *
 * A category's code is its class: one for each code that some set of the column holds, one for all
 * others, one for missing values and what is no code. Sets are written again over classes, with the
 * missing bit of their node inside.
 *
 * Narrow nodes (4 bytes) need at most 255 cuts a column, 256 slots, 256 classes and 65536 nodes a
 * tree; any other forest gets wide ones (8 bytes).
 *
 * Invariants:
 *   1. A leaf asks slot 0 for a code above the greatest: every row goes left, which is itself. Slot
 *      0 has cuts (none, if need be).
 *   2. slots [0, n_numbers) have cuts, in order of n_steps, so that searches of equal length follow
 *      each other.
 *   3. The slot for missing values that go right follows the one for left, if the column has both.
 *   4. Nodes of the forest hold left children from the first node, those here from the tree's root.
 *
 * Thresholds are found equal by a hash table of their bits (adding 0.0 makes -0.0 and 0.0 one): to
 * sort those of all nodes took 30 times longer than to sort the different ones.
 */
#include "model/tree/tree_codes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/fmath.h"
#include "base/mem.h"
#include "model/tree/tree_masks.h"

enum { CODES = 256, CLASSES = 257, MISSING = 256, NONE = 0, LEFT = 1, RIGHT = 2 };

/* A threshold of a column, once. */
typedef struct cut {
    double threshold;
    uint32_t column;
    uint32_t rank; /* among those of its column */
} cut;

typedef struct build {
    const tm_forest *forest;
    tm_forest_codes *codes;
    cut *cuts;
    uint32_t n_cuts, cuts_capacity;
    uint32_t *table; /* [table_mask + 1] cut and 1; 0: free */
    uint32_t table_mask;
    uint32_t *cut_of;       /* [n_nodes] of inner numeric nodes */
    uint8_t *uses;          /* [n_cols] bits of LEFT, RIGHT */
    uint32_t *cuts_begin;   /* [n_cols + 1] in order */
    uint32_t *order;        /* [n_cuts] */
    uint32_t *slot_of;      /* [3 n_cols] slot of LEFT, of RIGHT, of categories; UINT32_MAX: none */
    uint64_t (*members)[4]; /* [n_cols] codes in some set of the column; NULL: no sets */
    uint32_t tree_nodes_max, cuts_max, classes_max;
} build;

static uint64_t cut_hash(double threshold, uint32_t column) {
    uint64_t h =
        (tm__f64_bits(threshold) ^ ((uint64_t)column << 32)) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 29;
    h *= UINT64_C(0xBF58476D1CE4E5B9);
    return h ^ (h >> 32);
}

static bool table_grow(build *b) {
    const uint32_t size = b->table == NULL ? 4096 : 2 * (b->table_mask + 1);
    uint32_t *table = tm__mem_zalloc(size, sizeof(uint32_t));
    cut *cuts = tm__mem_realloc(b->cuts, size / 2, sizeof(cut));
    b->cuts = cuts != NULL ? cuts : b->cuts;
    if (table == NULL || cuts == NULL) {
        tm__mem_free(table);
        return false;
    }
    for (uint32_t i = 0; i < b->n_cuts; i++) {
        uint64_t at = cut_hash(cuts[i].threshold, cuts[i].column);
        while (table[at & (size - 1)] != 0) {
            at++;
        }
        table[at & (size - 1)] = i + 1;
    }
    tm__mem_free(b->table);
    b->table = table;
    b->table_mask = size - 1;
    b->cuts_capacity = size / 2;
    return true;
}

/* Number of a cut, new or known; UINT32_MAX when out of memory. */
static uint32_t cut_find(build *b, double threshold, uint32_t column) {
    threshold += 0.0;
    if (b->n_cuts == b->cuts_capacity && !table_grow(b)) {
        return UINT32_MAX;
    }
    for (uint64_t at = cut_hash(threshold, column);; at++) {
        uint32_t *place = &b->table[at & b->table_mask];
        if (*place == 0) {
            b->cuts[b->n_cuts] = (cut){.threshold = threshold, .column = column};
            *place = ++b->n_cuts;
            return *place - 1;
        }
        const cut *known = &b->cuts[*place - 1];
        if (known->column == column && !(known->threshold < threshold) &&
            !(known->threshold > threshold)) {
            return *place - 1;
        }
    }
}

/* Pass over all nodes: cuts, directions of missing values, members of sets. */
static bool nodes_read(build *b) {
    const tm_forest *forest = b->forest;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t size = tm__forest_end(forest, t) - forest->roots[t];
        b->tree_nodes_max = size > b->tree_nodes_max ? size : b->tree_nodes_max;
    }
    for (uint32_t i = 0; i < forest->n_nodes; i++) {
        const tm_tree_node *node = &forest->nodes[i];
        const uint32_t column = node->meta & TM_NODE_COLUMN;
        if ((node->meta & TM_NODE_LEAF) != 0) {
            continue;
        }
        if ((node->meta & TM_NODE_CATEGORICAL) != 0) {
            b->slot_of[3 * column + 2] = 0;
            for (uint32_t w = 0; w < 4; w++) {
                b->members[column][w] |= forest->sets[node->set].bits[w];
            }
            continue;
        }
        b->uses[column] |= (node->meta & TM_NODE_MISSING_LEFT) != 0 ? LEFT : RIGHT;
        b->cut_of[i] = cut_find(b, node->threshold, column);
        if (b->cut_of[i] == UINT32_MAX) {
            return false;
        }
    }
    return true;
}

static int compare_cuts(const void *a, const void *b) {
    const cut *x = *(const cut *const *)a, *y = *(const cut *const *)b;
    if (x->column != y->column) {
        return x->column < y->column ? -1 : 1;
    }
    return x->threshold < y->threshold ? -1 : x->threshold > y->threshold;
}

/* Sort the cuts by column and threshold, and give each its rank. */
static bool cuts_rank(build *b) {
    cut **order = tm__mem_alloc(b->n_cuts, sizeof(cut *));
    b->order = tm__mem_alloc(b->n_cuts, sizeof(uint32_t));
    if (order == NULL || b->order == NULL) {
        tm__mem_free(order);
        return false;
    }
    for (uint32_t i = 0; i < b->n_cuts; i++) {
        order[i] = &b->cuts[i];
        b->cuts_begin[b->cuts[i].column + 1]++;
    }
    if (b->n_cuts > 0) {
        qsort(order, b->n_cuts, sizeof(cut *), compare_cuts);
    }
    for (uint32_t c = 0; c < b->forest->n_cols; c++) {
        const uint32_t n = b->cuts_begin[c + 1];
        b->cuts_max = n > b->cuts_max ? n : b->cuts_max;
        b->cuts_begin[c + 1] += b->cuts_begin[c];
    }
    for (uint32_t i = 0; i < b->n_cuts; i++) {
        order[i]->rank = i - b->cuts_begin[order[i]->column];
        b->order[i] = (uint32_t)(order[i] - b->cuts);
    }
    tm__mem_free(order);
    return true;
}

static uint16_t steps_of(uint32_t n_cuts) {
    uint16_t n_steps = 0;
    while ((UINT32_C(1) << n_steps) - 1 < n_cuts) {
        n_steps++;
    }
    return n_steps;
}

/* Give slots to the columns in use: numbers by length of their search, then categories. *out_cuts
 * is the number of cuts with what fills them up. */
static uint32_t slots_number(build *b, uint64_t *out_cuts, uint32_t *out_classes) {
    const uint32_t n_cols = b->forest->n_cols;
    uint32_t n_slots = 0;
    *out_cuts = 0;
    *out_classes = 0;
    for (uint32_t n_steps = 0; n_steps <= 16; n_steps++) {
        for (uint32_t c = 0; c < n_cols; c++) {
            const uint32_t n = b->cuts_begin[c + 1] - b->cuts_begin[c];
            if (b->uses[c] == 0 || steps_of(n) != n_steps) {
                continue;
            }
            *out_cuts += (UINT64_C(1) << n_steps) - 1;
            for (uint32_t side = 0; side < 2; side++) {
                if ((b->uses[c] & (side == 0 ? LEFT : RIGHT)) != 0) {
                    b->slot_of[3 * c + side] = n_slots++;
                }
            }
        }
    }
    n_slots += n_slots == 0; /* invariant 1 */
    b->codes->n_numbers = n_slots;
    for (uint32_t c = 0; c < n_cols; c++) {
        if (b->slot_of[3 * c + 2] != UINT32_MAX) {
            b->slot_of[3 * c + 2] = n_slots++;
            *out_classes += CLASSES;
            uint32_t n = 2;
            for (uint32_t w = 0; w < 4; w++) {
                n += (uint32_t)__builtin_popcountll(b->members[c][w]);
            }
            b->classes_max = n > b->classes_max ? n : b->classes_max;
        }
    }
    return n_slots;
}

/* The cuts of a column, and its one slot or two. */
static uint32_t slot_fill_cuts(const build *b, uint32_t column, uint32_t first) {
    tm_forest_codes *codes = b->codes;
    const uint32_t begin = b->cuts_begin[column], n = b->cuts_begin[column + 1] - begin;
    const uint16_t n_steps = steps_of(n);
    const uint32_t n_filled = (UINT32_C(1) << n_steps) - 1;
    const uint32_t left = b->slot_of[3 * column], right = b->slot_of[3 * column + 1];
    if (left != UINT32_MAX) {
        codes->slots[left] = (tm_code_slot){column, first, n_steps, 0, false};
    }
    if (right != UINT32_MAX) {
        codes->slots[right] =
            (tm_code_slot){column, first, n_steps, UINT16_MAX, left != UINT32_MAX};
    }
    for (uint32_t i = 0; i < n_filled; i++) {
        codes->cuts[first + i] = i < n ? b->cuts[b->order[begin + i]].threshold : (double)INFINITY;
    }
    return n_filled;
}

static void slot_fill_classes(const build *b, uint32_t column, uint32_t first) {
    uint16_t *classes = b->codes->classes + first;
    const uint64_t *members = b->members[column];
    uint16_t n = 0;
    b->codes->slots[b->slot_of[3 * column + 2]] = (tm_code_slot){.column = column, .first = first};
    for (uint32_t code = 0; code < CODES; code++) {
        classes[code] = n;
        n = (uint16_t)(n + ((members[code >> 6] >> (code & 63)) & 1));
    }
    for (uint32_t code = 0; code < CODES; code++) {
        classes[code] = ((members[code >> 6] >> (code & 63)) & 1) != 0 ? classes[code] : n;
    }
    classes[MISSING] = (uint16_t)(n + 1);
}

static void slots_fill(const build *b) {
    uint32_t first_cut = 0, first_class = 0;
    for (uint32_t c = 0; c < b->forest->n_cols; c++) {
        if (b->uses[c] != 0) {
            first_cut += slot_fill_cuts(b, c, first_cut);
        }
        if (b->slot_of[3 * c + 2] != UINT32_MAX) {
            slot_fill_classes(b, c, first_class);
            first_class += CLASSES;
        }
    }
}

/* Write a node's set over classes. */
static void set_fill(const build *b, const tm_tree_node *node, uint32_t slot, uint32_t *out) {
    const uint16_t *classes = b->codes->classes + b->codes->slots[slot].first;
    const uint64_t *bits = b->forest->sets[node->set].bits;
    memset(out, 0, TM_CODES_SET_WORDS * sizeof(uint32_t));
    for (uint32_t w = 0; w < 4; w++) {
        for (uint64_t left = bits[w]; left != 0; left &= left - 1) {
            const uint32_t class = classes[w * 64 + (uint32_t)__builtin_ctzll(left)];
            out[class >> 5] |= UINT32_C(1) << (class & 31);
        }
    }
    if ((node->meta & TM_NODE_MISSING_LEFT) != 0) {
        out[classes[MISSING] >> 5] |= UINT32_C(1) << (classes[MISSING] & 31);
    }
}

static void nodes_fill(const build *b) {
    const tm_forest *forest = b->forest;
    tm_forest_codes *codes = b->codes;
    uint32_t word = 0;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        const uint32_t root = forest->roots[t];
        for (uint32_t i = root; i < tm__forest_end(forest, t); i++) {
            const tm_tree_node *node = &forest->nodes[i];
            const uint32_t column = node->meta & TM_NODE_COLUMN;
            uint32_t code = UINT16_MAX, slot = 0;
            if ((node->meta & TM_NODE_CATEGORICAL) != 0) {
                code = 0;
                slot = b->slot_of[3 * column + 2];
                codes->set_of[i] = word;
                set_fill(b, node, slot, codes->sets + word);
                word += TM_CODES_SET_WORDS;
            } else if ((node->meta & TM_NODE_LEAF) == 0) {
                code = b->cuts[b->cut_of[i]].rank;
                slot = b->slot_of[3 * column + ((node->meta & TM_NODE_MISSING_LEFT) == 0)];
            }
            const uint32_t left = node->left - root;
            if (codes->is_wide) {
                codes->wide[i] = code | (uint64_t)slot << 16 | (uint64_t)left << 32;
            } else {
                codes->narrow[i] = (code & 0xFF) | slot << 8 | left << 16;
            }
        }
    }
}

/* The nearest leaf of each tree bounds from below what a group of trees has to walk. */
static void sure_fill(const build *b) {
    const tm_forest *forest = b->forest;
    for (uint32_t t = 0; t < forest->n_trees; t++) {
        uint32_t level_end = forest->roots[t] + 1, next = level_end, i = forest->roots[t];
        uint16_t depth = 0;
        for (; (forest->nodes[i].meta & TM_NODE_LEAF) == 0; i++) { /* invariant 1 of tree.c */
            next += 2;
            if (i + 1 == level_end) {
                level_end = next;
                depth++;
            }
        }
        uint16_t *sure = &b->codes->sure[t / TM_CODES_GROUP];
        *sure = depth > *sure ? depth : *sure;
    }
}

static bool codes_alloc(const build *b, uint64_t n_cuts, uint32_t n_classes) {
    tm_forest_codes *codes = b->codes;
    const tm_forest *forest = b->forest;
    const uint32_t n_nodes = forest->n_nodes;
    uint32_t n_sets = 0;
    for (uint32_t i = 0; forest->n_sets > 0 && i < n_nodes; i++) {
        n_sets += (forest->nodes[i].meta & TM_NODE_CATEGORICAL) != 0;
    }
    codes->slots = tm__mem_zalloc(codes->n_slots, sizeof(tm_code_slot));
    codes->cuts = tm__mem_alloc(n_cuts, sizeof(double));
    codes->classes = tm__mem_alloc(n_classes, sizeof(uint16_t));
    codes->sure = tm__mem_zalloc(forest->n_trees / TM_CODES_GROUP + (size_t)1, sizeof(uint16_t));
    bool ok = codes->slots != NULL && codes->cuts != NULL && codes->classes != NULL &&
              codes->sure != NULL;
    if (codes->is_wide) {
        codes->wide = tm__mem_alloc(n_nodes, sizeof(uint64_t));
        ok = ok && codes->wide != NULL;
    } else {
        codes->narrow = tm__mem_alloc(n_nodes, sizeof(uint32_t));
        ok = ok && codes->narrow != NULL;
    }
    if (n_sets > 0) {
        codes->set_of = tm__mem_zalloc(n_nodes, sizeof(uint32_t));
        codes->sets = tm__mem_alloc(n_sets, TM_CODES_SET_WORDS * sizeof(uint32_t));
        ok = ok && codes->set_of != NULL && codes->sets != NULL;
    }
    return ok;
}

static bool build_init(build *b, const tm_forest *forest) {
    const uint32_t n_cols = forest->n_cols;
    b->forest = forest;
    b->codes = tm__mem_zalloc(1, sizeof(tm_forest_codes));
    b->cut_of = tm__mem_alloc(forest->n_nodes, sizeof(uint32_t));
    b->uses = tm__mem_zalloc(n_cols, sizeof(uint8_t));
    b->cuts_begin = tm__mem_zalloc(n_cols + (size_t)1, sizeof(uint32_t));
    b->slot_of = tm__mem_alloc(3 * (size_t)n_cols, sizeof(uint32_t));
    b->members = tm__mem_zalloc(forest->n_sets > 0 ? n_cols : 0, sizeof(*b->members));
    if (b->codes == NULL || b->cut_of == NULL || b->uses == NULL || b->cuts_begin == NULL ||
        b->slot_of == NULL || b->members == NULL) {
        return false;
    }
    memset(b->slot_of, 0xFF, 3 * (size_t)n_cols * sizeof(uint32_t));
    return true;
}

static void build_done(build *b) {
    tm__forest_codes_free(b->codes);
    tm__mem_free(b->cuts);
    tm__mem_free(b->table);
    tm__mem_free(b->cut_of);
    tm__mem_free(b->uses);
    tm__mem_free(b->cuts_begin);
    tm__mem_free(b->order);
    tm__mem_free(b->slot_of);
    tm__mem_free(b->members);
}

tm_status tm__forest_codes_create(tm_forest *forest, tm_err *err) {
    build b = {0};
    uint64_t n_cuts = 0;
    uint32_t n_classes = 0;
    tm_status st = TM_OK;
    tm__forest_codes_free(forest->codes);
    forest->codes = NULL;
    if (forest->n_cols == 0) {
        return TM_OK; /* no row to turn into codes */
    }
    bool ok = build_init(&b, forest) && nodes_read(&b) && cuts_rank(&b);
    if (ok && b.cuts_max <= UINT16_MAX) {
        b.codes->n_slots = slots_number(&b, &n_cuts, &n_classes);
        b.codes->is_wide = b.cuts_max > 255 || b.codes->n_slots > 256 || b.classes_max > 256 ||
                           b.tree_nodes_max > 65536;
        if (b.codes->n_slots <= TM_CODES_SLOTS_MAX) {
            ok = codes_alloc(&b, n_cuts, n_classes);
            if (ok) {
                slots_fill(&b);
                nodes_fill(&b);
                sure_fill(&b);
                ok = tm__forest_masks_create(forest, b.codes);
            }
            if (ok) {
                b.codes->for_rows = true;
                forest->codes = b.codes;
                b.codes = NULL;
            }
        }
    }
    if (!ok) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory for the codes of %u trees", forest->n_trees);
    }
    build_done(&b);
    return st;
}

void tm__forest_codes_free(tm_forest_codes *codes) {
    if (codes != NULL) {
        tm__mem_free(codes->narrow);
        tm__mem_free(codes->wide);
        tm__mem_free(codes->set_of);
        tm__mem_free(codes->sets);
        tm__mem_free(codes->sure);
        tm__mem_free(codes->slots);
        tm__mem_free(codes->cuts);
        tm__mem_free(codes->classes);
        tm__forest_masks_free(codes->masks);
        tm__mem_free(codes);
    }
}
