/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of a sketch: exact sums, ranks, distinct values, frequent texts. Not for other folders. */
#ifndef TM_TABLE_SKETCH_PRIV_H
#define TM_TABLE_SKETCH_PRIV_H

#include "table/sketch.h"

/* --- sketch_sum.c: exact sums of doubles --- */

#define TM_EXACT_LIMBS 68u
/* Bit p of the number that the limbs make is 2^(p - 1074); a limb has 32 of them and room above. */
typedef struct tm_exact {
    int64_t limbs[TM_EXACT_LIMBS];
    uint32_t n_pending; /* added since carries were passed on */
} tm_exact;
void tm__exact_add(tm_exact *sum, double value); /* finite */
/** The square of a value below 1e140 in size, exact. */
void tm__exact_add_square(tm_exact *sum, double value);
void tm__exact_merge(tm_exact *sum, const tm_exact *from);
/** The sum as (high + low) * 2^exponent, right to 100 bits. */
typedef struct tm_exact_value {
    double high, low;
    int exponent;
} tm_exact_value;
tm_exact_value tm__exact_value(const tm_exact *sum);
void tm__exact_write(const tm_exact *sum, tm_buf *out);
bool tm__exact_read(tm_exact *sum, tm_reader *in);

/* --- sketch_rank.c: KLL --- */

#define TM_RANK_LEVELS 48u
typedef struct tm_ranks {
    uint64_t n;
    uint64_t n_halved; /* levels halved so far: picks odd or even places */
    uint32_t n_levels;
    struct {
        double *values; /* sorted but on level 0; each stands for 2^level values */
        uint32_t n, capacity;
    } levels[TM_RANK_LEVELS];
} tm_ranks;
bool tm__ranks_add(tm_ranks *ranks, double value);
bool tm__ranks_merge(tm_ranks *ranks, const tm_ranks *from);
void tm__ranks_reset(tm_ranks *ranks);
typedef struct tm_rank_item {
    double value;
    uint64_t weight;
} tm_rank_item;
/** All values with their weights, rising; the caller ends the array. NULL when out of memory. */
tm_rank_item *tm__ranks_items(const tm_ranks *ranks, uint32_t *out_n);
void tm__ranks_write(const tm_ranks *ranks, tm_buf *out);
bool tm__ranks_read(tm_ranks *ranks, tm_reader *in, bool *out_memory);
void tm__ranks_done(tm_ranks *ranks);

/* --- sketch_distinct.c: HyperLogLog --- */

typedef struct tm_distinct {
    uint64_t *hashes; /* [capacity], 0: free; NULL once there are registers */
    uint32_t n, capacity;
    bool has_zero; /* the hash 0 was seen, while hashes are kept */
    uint8_t *registers;
} tm_distinct;
bool tm__distinct_add(tm_distinct *distinct, uint64_t hash);
bool tm__distinct_merge(tm_distinct *distinct, const tm_distinct *from);
void tm__distinct_reset(tm_distinct *distinct);
uint64_t tm__distinct_count(const tm_distinct *distinct, bool *out_exact);
void tm__distinct_write(const tm_distinct *distinct, tm_buf *out);
bool tm__distinct_read(tm_distinct *distinct, tm_reader *in, bool *out_memory);
void tm__distinct_done(tm_distinct *distinct);

/* --- sketch_top.c: Misra-Gries --- */

typedef struct tm_top_entry {
    uint64_t hash;
    uint64_t count; /* 0: a free place */
    uint32_t start; /* in texts */
    uint32_t len;   /* of the whole text; TM_SKETCH_TEXT of it at most are kept */
} tm_top_entry;
typedef struct tm_tops {
    tm_top_entry *entries; /* [capacity], a power of two */
    uint32_t n, capacity;
    uint64_t n_short; /* counts may be short by this */
    char *texts;
    uint32_t texts_len, texts_capacity;
} tm_tops;
bool tm__tops_add(tm_tops *tops, uint64_t hash, tm_str text, uint64_t count);
bool tm__tops_merge(tm_tops *tops, const tm_tops *from);
void tm__tops_reset(tm_tops *tops);
uint32_t tm__tops_list(const tm_tops *tops, tm_sketch_item *out, uint32_t n_max);
void tm__tops_write(const tm_tops *tops, tm_buf *out);
bool tm__tops_read(tm_tops *tops, tm_reader *in, bool *out_memory);
void tm__tops_done(tm_tops *tops);

/* --- sketch.c --- */

/* Values of one reading: numbers or times. */
typedef struct tm_sketch_values {
    uint64_t n;
    bool is_int;  /* so far; int_min and int_max are those of the ints */
    bool is_huge; /* one is beyond what squares hold */
    int64_t int_min, int_max;
    double min, max;
    tm_exact sum, squares;
    tm_ranks ranks;
    tm_distinct distinct;
} tm_sketch_values;

typedef struct tm_sketch_texts {
    uint64_t n, chars, chars_min, chars_max;
    uint64_t patterns[TM_PATTERNS], personals[TM_PERSONALS];
    tm_distinct distinct;
    tm_tops tops;
} tm_sketch_texts;

#define TM_READINGS 3u
struct tm_sketch {
    uint64_t n_rows, n_missing, n_marks;
    uint64_t n_ints, n_bools, n_trues, n_infinite_low, n_infinite_high;
    uint32_t evidence;
    tm_sketch_values *values[TM_READINGS]; /* by tm_sketch_reading; NULL: none seen */
    tm_sketch_texts texts;
};

tm_sketch_values *tm__sketch_values_create(void);

#endif
