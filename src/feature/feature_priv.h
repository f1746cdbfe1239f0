/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this folder share: the parts of a program, and the calls between fitting,
 * columns, rows and bytes.
 *
 * Invariants of a program, however it was made (fitted or loaded):
 *   1. step i makes feature i; it reads a source (an input, or a column that an expression makes:
 *      feature_made.c) of a type that its kind takes; its feature's input is the first input that
 *      the source reads, or is;
 *   2. LEVEL and CATEGORY steps name a level table of their source, TEXT steps a text of theirs;
 *   3. a level is a number below n + 2: the table's own levels, then n = unseen or rare, then
 *      n + 1 = missing;
 *   4. the terms of a text are first_term .. first_term + n_terms - 1, and texts are in the order
 *      of their terms, so that the terms of a row ascend when texts are walked in order.
 */
#ifndef TM_FEATURE_PRIV_H
#define TM_FEATURE_PRIV_H

#include "feature/feature.h"
#include "feature/feature_expr.h"

typedef enum tm_step_kind {                       /* numbers are stored in files: never reuse one */
                            TM_STEP_NUMBER = 1,   /* BOOL INT FLOAT: the value, tm_number_part */
                            TM_STEP_DATE = 2,     /* a part of a DATE or TIME */
                            TM_STEP_CATEGORY = 3, /* code of a level */
                            TM_STEP_LEVEL = 4,    /* a number that belongs to a level */
                            TM_STEP_TEXT = 5      /* a number made from a text */
} tm_step_kind;

typedef enum tm_date_part { /* numbers are stored in files */
                            TM_PART_MINUTE_OF_DAY = 1,
                            TM_PART_HOUR = 2,
                            TM_PART_DAY_OF_WEEK = 3,
                            TM_PART_DAY_OF_MONTH = 4,
                            TM_PART_MONTH = 5,
                            TM_PART_DAYS = 6 /* since 1970, with a fraction */
} tm_date_part;

/* The last two are for models that were fitted elsewhere. */
typedef enum tm_number_part {                      /* numbers are stored in files */
                              TM_NUMBER_PLAIN = 0, /* infinities count as missing */
                              TM_NUMBER_WHOLE = 1, /* infinities are kept */
                              TM_NUMBER_ZERO = 2   /* and what is next to zero is missing */
} tm_number_part;

typedef enum tm_level_part {                     /* numbers are stored in files */
                             TM_LEVEL_MEAN = 1,  /* mean of the target of the level's rows */
                             TM_LEVEL_COUNT = 2, /* log of the number of the level's rows */
                             TM_LEVEL_CODE = 3   /* what another library's model calls it */
} tm_level_part;

typedef enum tm_text_part { /* numbers are stored in files */
                            TM_TEXT_CHARS = 1,
                            TM_TEXT_WORDS = 2,
                            TM_TEXT_DIGITS = 3, /* share of the characters */
                            TM_TEXT_UPPER = 4,  /* share of the letters */
                            TM_TEXT_SCORE = 5,  /* what its words say about a class */
                            TM_TEXT_TERM = 6    /* whether a term is in it */
} tm_text_part;

typedef enum tm_derive { /* how a text becomes a key of a level table; numbers are stored in files
                          */
                         TM_DERIVE_WHOLE = 1,
                         TM_DERIVE_PREFIX = 2 /* the bytes before the first digit: "PC 17599" */
} tm_derive;

/* A table half full of hashes that nobody chose needs some tens of probes for its worst entry.
 * Hashes that were chosen could make a file of some megabytes take hours to load. */
#define TM_PROBES_MAX 512u

/* Levels of a text column, the most frequent first, found by an open hash table. */
typedef struct tm_levels {
    uint32_t input; /* a source */
    tm_derive derive;
    uint32_t n;
    uint32_t *starts; /* [n + 1] into bytes */
    char *bytes;
    uint32_t n_slots; /* a power of two above n */
    uint32_t *slots;  /* [n_slots] level + 1; 0 is free */
} tm_levels;

/* Vocabulary of a text column and what its terms weigh. */
typedef struct tm_text {
    uint32_t input; /* a source */
    uint32_t first_term;
    uint32_t n_terms;
    uint32_t n_scores; /* classes that have a score: 1 for BINARY and REGRESSION */
    uint64_t *hashes;  /* [n_terms] names of the terms, ascending */
    float *idf;        /* [n_terms] */
    float *scores;     /* [n_terms][n_scores] */
    uint32_t n_slots;
    uint32_t *slots; /* [n_slots] term + 1; 0 is free */
} tm_text;

typedef struct tm_step {
    tm_step_kind kind;
    uint8_t part;    /* tm_number_part, tm_date_part, tm_level_part or tm_text_part */
    uint32_t source; /* see feature_made.c */
    uint32_t from;   /* level table or text; else 0 */
    uint32_t item;   /* CATEGORY: levels kept; LEVEL MEAN and TEXT SCORE: class; TEXT TERM: term of
                        the text */
    double *values;  /* LEVEL: [n + 2] */
    char *reason;    /* for people; may be NULL */
    tm_feature feature;
    char *name; /* owns feature.name */
} tm_step;

/* A column that an expression makes of sources before it. */
typedef struct tm_made {
    char *name;
    char *words; /* as they were given, for people */
    tm_expr expr;
    uint32_t root; /* the first input that it reads, through others too */
} tm_made;

/* A source, or a part of one, that was left out. */
typedef struct tm_note {
    uint32_t input;
    char *reason;
} tm_note;

struct tm_program {
    tm_schema schema;
    tm_made *made;
    uint32_t n_made, made_max;
    tm_step *steps;
    uint32_t n_steps, steps_max;
    tm_levels *tables;
    uint32_t n_tables, tables_max;
    tm_text *texts;
    uint32_t n_texts, texts_max;
    tm_note *notes;
    uint32_t n_notes, notes_max;
    uint32_t n_terms; /* of all texts */
};

struct tm_matrix {
    double **cols; /* [n_cols][n_rows], owned */
    tm_feature *features;
    char **names; /* owned by the matrix, so that it may outlive its program */
    uint64_t *starts;
    uint32_t *terms;
    float *values;
    tm_sparse sparse;
    tm_view view;
};

/* feature_program.c: parts are added at the end; what they own moves in, also on failure. */
tm_program *tm__program_create(void);
/** Fills in the root. */
TM_NODISCARD tm_status tm__program_add_made(tm_program *program, tm_made *made, tm_err *err);
TM_NODISCARD tm_status tm__program_add_step(tm_program *program, tm_step *step, tm_err *err);
TM_NODISCARD tm_status tm__program_add_table(tm_program *program, tm_levels *table, tm_err *err);
TM_NODISCARD tm_status tm__program_add_text(tm_program *program, tm_text *text, tm_err *err);
TM_NODISCARD tm_status tm__program_add_note(tm_program *program, uint32_t input, char *reason,
                                            tm_err *err);
void tm__step_done(tm_step *step);
/** NUL-terminated text of its own; NULL when out of memory. */
char *tm__text_printf(const char *fmt, ...) TM_PRINTF(1, 2);
tm_matrix *tm__matrix_create(const tm_program *program, uint64_t n_rows);

/* feature_levels.c */
typedef struct tm_level_count {
    tm_str text;
    uint32_t code; /* of the dictionary */
    uint32_t count;
} tm_level_count;
tm_str tm__text_derive(tm_derive derive, tm_str text);
/** Level of a text: below n, or n when unseen. */
uint32_t tm__levels_find(const tm_levels *table, tm_str text);
/** A table of counts[0 .. n), as ordered. */
TM_NODISCARD tm_status tm__levels_make(const tm_level_count *counts, uint32_t n, tm_levels *out,
                                       tm_err *err);
/** Most frequent first, then by bytes. */
void tm__levels_sort(tm_level_count *counts, uint32_t n);
/** Level of each code of a dictionary: out [tm__dict_count]; cuts work by chunks of codes. */
void tm__levels_map(tm_ctx *ctx, const tm_levels *table, const tm_dict *dict, uint32_t *out);
/** u32 n, u32 starts [n + 1], their bytes. */
void tm__levels_save(const tm_levels *table, tm_buf *out);
/** Fills in all but input and derive; what was read of a failure ends with tm__levels_done(). */
TM_NODISCARD tm_status tm__levels_load(tm_reader *in, tm_levels *out, tm_err *err);
void tm__levels_done(tm_levels *table);

/* feature_made.c: sources, and the columns that expressions make. */
typedef struct tm_rows {
    const uint32_t *at; /* [n] of the table; NULL: all */
    uint64_t n, n_table;
} tm_rows;
typedef struct tm_feed {
    const tm_column *column; /* NULL: all missing */
    tm_column made;          /* when it had to be made; owns its arrays */
    tm_dict *made_dict;
} tm_feed;
typedef struct tm_made_row tm_made_row; /* the made columns of one row */
uint32_t tm__program_sources(const tm_program *program);
const char *tm__source_name(const tm_program *program, uint32_t source);
tm_type tm__source_type(const tm_program *program, uint32_t source);
/** The input that it is, or the first that it reads. */
uint32_t tm__source_root(const tm_program *program, uint32_t source);
void tm__made_done(tm_made *made);
/** [sources] 1 where a step or a text uses the source, through others too; NULL when out of memory;
 * ends with tm__mem_free(). */
uint8_t *tm__program_used(const tm_program *program);
/** Marks what marked made columns read: is_used [sources]. */
void tm__program_mark(const tm_program *program, uint8_t *is_used);
/** One column by an expression of sources, into *out, which ends with tm__feeds_close(). Values of
 * other rows are not written. TM_E_CANCELLED: do not look at it. */
TM_NODISCARD tm_status tm__feed_make(tm_ctx *ctx, const tm_program *program, const tm_rows *rows,
                                     const tm_made *made, const tm_feed *feeds, tm_feed *out,
                                     tm_err *err);
/** The made columns that are used, into feeds [sources] that have the inputs' columns. */
TM_NODISCARD tm_status tm__feeds_make(tm_ctx *ctx, const tm_program *program, const tm_rows *rows,
                                      const uint8_t *is_used, tm_feed *feeds, tm_err *err);
tm_made_row *tm__made_row_create(const tm_program *program);
/** Makes all that is used of a row's cells [n inputs]; no allocation. */
void tm__made_row_fill(const tm_program *program, tm_made_row *row, const tm_cell *cells);
const tm_cell *tm__source_cell(const tm_program *program, const tm_made_row *row,
                               const tm_cell *cells, uint32_t source);
void tm__made_row_free(tm_made_row *row);

/*
 * feature_step.c: kinds of steps behind one table. A kind is one file with one tm_step_ops, and one
 * line in the table; what it learned is `part`, `from`, `item` and `values` of its step, which
 * feature_file.c writes and checks for all kinds alike. The value of a row comes from `cell` or
 * from `column`, which must give the same bits.
 */
typedef struct tm_piece {
    const tm_column *column;   /* never NULL for ops->column */
    const uint32_t *level_map; /* of the column's codes, for kinds with levels */
    const uint32_t *rows;      /* NULL: as they are */
    uint64_t row, row_end;     /* positions in rows, and of the output */
} tm_piece;

struct tm_fit;
typedef struct tm_step_ops {
    const char *name; /* "number"; people and modules name a kind by it */
    uint8_t kind;     /* in files: never reuse one */
    uint32_t types;   /* columns that it reads: bits 1 << tm_type */
    bool has_levels;  /* `from` is a level table of its source */
    bool reads_text; /* `from` is a text of its source: feature_text.c reads it for all its steps */
    /** Whether part and item are right, of a file or of a maker; source and from are by then. */
    bool (*is_valid)(const tm_program *program, const tm_step *step);
    const char *(*describe)(const tm_step *step);
    /** Codes of a category; NULL or 0: a number. */
    uint32_t (*n_codes)(const tm_step *step);
    /** Numbers that it learned, `values` of the step; NULL: none. */
    uint32_t (*n_values)(const tm_program *program, const tm_step *step);
    bool (*are_values_valid)(const tm_step *step, uint32_t n);
    /** Values of a piece of rows: out[piece->row .. row_end). NULL with reads_text. */
    void (*column)(const tm_program *program, const tm_step *step, const tm_piece *piece,
                   double *out);
    /** The value of one cell; level: of the step's table. NULL with reads_text. */
    double (*cell)(const tm_program *program, const tm_step *step, const tm_cell *cell,
                   uint32_t level);
    /** Learns `values` from the fitted rows; NULL: nothing to learn, or learned elsewhere
     * (feature_target.c, feature_scores.c). */
    tm_status (*fit)(struct tm_fit *fit, tm_step *step, tm_err *err);
} tm_step_ops;

/** Ops of a kind; NULL when there is none. */
const tm_step_ops *tm__step_ops(uint32_t kind);
/** Invariants 1 and 2, and what the kind says. */
bool tm__step_is_valid(const tm_program *program, const tm_step *step);
/** A piece of a feature's column; piece->column NULL: all missing. */
void tm__step_column(const tm_program *program, const tm_step *step, const tm_piece *piece,
                     double *out);
extern const tm_step_ops tm__step_number_ops, tm__step_date_ops, tm__step_category_ops,
    tm__step_level_ops, tm__step_text_ops;
double tm__date_part(tm_date_part part, int64_t us);

/* feature_text.c: what a text says, read once for all steps of its column. */
typedef struct tm_text_scratch {
    uint32_t *counts;  /* [largest vocabulary] of the terms in the text being read, else 0 */
    uint32_t *touched; /* [n_touched] the text's terms, ascending */
    uint64_t *bits;    /* one for each term of the vocabulary; 0 between calls */
    uint32_t n_touched;
    bool is_missing;
    uint64_t n_chars, n_words, n_digits, n_letters, n_upper;
} tm_text_scratch;
TM_NODISCARD tm_status tm__text_scratch_init(tm_text_scratch *scratch, uint32_t n_terms_max,
                                             tm_err *err);
void tm__text_scratch_done(tm_text_scratch *scratch);
/** Read a text (NULL: missing) against a vocabulary. */
void tm__text_read(tm_text_scratch *scratch, const tm_text *text, const tm_str *value);
/** What a step of kind TEXT makes of the text read. */
double tm__text_value(const tm_text_scratch *scratch, const tm_text *text, const tm_step *step);
/** Sum of the scores of the words read over their number; scores [n_terms][n_scores]. */
double tm__text_score(const tm_text_scratch *scratch, const tm_text *text, const float *scores,
                      uint32_t k);
/** Weights of the terms read, length 1 in all; returns their number. out_*: [n_touched]. */
uint32_t tm__text_weights(const tm_text_scratch *scratch, const tm_text *text, uint32_t *out_terms,
                          float *out_values);
/** Every term of a text, as often as it is there; part is where it stands in a word's case, else
 * empty. */
typedef void (*tm_term_fn)(void *arg, uint64_t hash, bool is_word, tm_str part);
void tm__text_walk(tm_str value, uint64_t key, tm_term_fn fn, void *arg);
uint64_t tm__text_key(uint32_t input);
/** Of all bytes of a text, the same everywhere. */
uint64_t tm__text_hash(tm_str text);
/** Fills slots from hashes; TM_E_DATA unless these ascend. */
TM_NODISCARD tm_status tm__text_index(tm_text *text, tm_err *err);
void tm__text_done(tm_text *text);

/* feature_apply.c */
void tm__feeds_close(tm_feed *feeds, uint32_t n_sources);
/** Longest vocabulary of a program's texts. */
uint32_t tm__program_terms_max(const tm_program *program);

/* feature_profile.c: what the fitted rows of one column look like. */
typedef struct tm_profile {
    tm_status status; /* TM_E_NOMEM when there was no memory to look */
    uint64_t n_rows, n_missing;
    uint64_t n_infinite; /* FLOAT; counted as missing too */
    bool is_constant;    /* one value, or none, in the rows that have one */
    bool is_id;          /* INT: strictly rising or falling with the rows */
    bool is_card;        /* INT: numbers of payment cards */
    int64_t min_us, max_us;
    bool parts[TM_PART_DAYS + 1]; /* DATE TIME: which parts vary */
    bool has_minutes;             /* DATE TIME: minutes of the hour vary */
    /* TEXT */
    uint32_t n_distinct;
    tm_level_count *counts; /* [n_counts] values seen min_count times, most frequent first */
    uint32_t n_counts;
    uint64_t n_in_counts; /* rows in them */
    double n_words_mean;  /* words with letters in a value */
    double digits_share;  /* values with digits */
    const char *pattern;  /* "e-mail addresses"; NULL: none */
    tm_dict *prefixes;    /* keys of TM_DERIVE_PREFIX; NULL: not looked for */
    tm_level_count *prefix_counts;
    uint32_t n_prefix_counts;
    uint64_t n_in_prefixes;
} tm_profile;
void tm__profile_column(const tm_column *column, const uint32_t *rows, uint64_t n_rows,
                        uint32_t min_count, tm_profile *out);
void tm__profile_done(tm_profile *profile);

/* feature_fit.c: what fitting passes around. */
#define TM_FOLDS 5u
#define TM_MAX_STATS 16u  /* classes that have statistics */
typedef struct tm_words { /* what only fitting knows of the terms of a text */
    uint8_t *is_word;     /* [n_terms] words and pairs of words: these have names */
    uint32_t *n_docs;     /* [n_terms] texts they are in */
} tm_words;

typedef struct tm_fit {
    tm_ctx *ctx;
    const tm_table *table;
    const tm_column **columns; /* [sources] */
    uint8_t *meanings;         /* [sources] tm_meaning; TM_FOUND besides: nobody asked */
    tm_feed *feeds;            /* [sources] of the made ones */
    uint32_t n_feeds;
    const double *y;
    const uint32_t *rows;
    uint64_t n_rows;
    const tm_program_options *options;
    uint32_t max_levels, max_terms, min_count;
    uint32_t classes[TM_MAX_STATS]; /* those that have statistics: the most frequent, in order of
                                       index */
    uint32_t n_stats;               /* 1 for BINARY, REGRESSION and RANKING */
    uint8_t *folds;                 /* [n_rows] */
    uint32_t *order;                /* [n_rows] of ordered means: positions in rows, in the order at
                                       random; NULL: held out by folds */
    tm_profile *profiles;           /* [sources] */
    tm_program *program;
    double **held; /* [n_steps] columns of the fitted rows that are not what the step gives; NULL:
                      as the step gives */
    uint32_t n_held;
    double **text_sums;   /* [n_texts] see feature_scores.c */
    tm_words *text_words; /* [n_texts] */
} tm_fit;
/** Whether new rows may lack a value of the source: a made column may always. */
bool tm__fit_may_miss(const tm_fit *fit, uint32_t source);
/** What a target adds to the statistic of a class, or of all. */
double tm__fit_part(const tm_fit *fit, uint32_t class, double y);
/** Fold of each fitted row, made when first asked for. */
TM_NODISCARD tm_status tm__fit_folds(tm_fit *fit, tm_err *err);

#define TM_FOUND 0x80u
static inline uint8_t tm__fit_meaning(const tm_as *as) {
    return (uint8_t)((unsigned)as->meaning | (as->is_found ? TM_FOUND : 0u));
}

/* feature_meaning.c: what a column is by what was asked, not by its looks. */
/** Words of the column by expression that reads an input of a type as what it means:
 * `"zip.category" = text("zip")`; NULL: it is that already. false when out of memory. */
bool tm__meaning_words(const char *column, tm_type type, tm_meaning meaning, char **out);

/* feature_exprs.c: columns by expression, of the fitted rows too, then those that read inputs as
 * what they mean; the schema's columns that are no
 * inputs have names, for errors. */
TM_NODISCARD tm_status tm__fit_exprs(tm_fit *fit, const tm_schema *schema, tm_err *err);

/* feature_target.c: values of the LEVEL steps, and held-out columns of them. */
TM_NODISCARD tm_status tm__fit_levels(tm_fit *fit, tm_err *err);

/* feature_vocabulary.c: terms that the texts of a column share. */
TM_NODISCARD tm_status tm__vocabulary_fit(const tm_fit *fit, tm_text *text, tm_words *words,
                                          uint32_t n_terms_max);
void tm__words_done(tm_words *words);
/** Names of some terms as the texts write them, lower-cased: out [n], each of its own; NULL where
 * memory ran out. */
void tm__vocabulary_name(const tm_fit *fit, const tm_text *text, const uint32_t *terms, uint32_t n,
                         char **out);

/* feature_scores.c: an input that is free text. First all are noted, then their terms and steps
 * are made, then what the steps need. */
TM_NODISCARD tm_status tm__fit_text(tm_fit *fit, uint32_t input, const char *reason, tm_err *err);
TM_NODISCARD tm_status tm__fit_text_steps(tm_fit *fit, tm_err *err);
TM_NODISCARD tm_status tm__fit_text_held(tm_fit *fit, tm_err *err);

#endif
