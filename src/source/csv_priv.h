/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CSV reader, from bytes to columns:
 *
 *     csv_input.c  bytes of a file, unpacked
 *     csv_scan.c   blocks of whole records, cut into fields; the dialect
 *     csv_kind.c   whether a file is text
 *     csv_comma.c  numbers with a decimal comma
 *     csv_format.c numbers as people read them
 *     csv_cell.c   what one field can be, and its value
 *     csv.c        files to columns: header, types, passes
 *     csv_pipe.c   files to parts that threads work on and that leave in order (parts.c)
 */
#ifndef TM_SOURCE_CSV_PRIV_H
#define TM_SOURCE_CSV_PRIV_H

#include "base/limits.h"
#include "source/intake.h"
#include "source/source.h"

/* --- input --- */

typedef struct tm_input tm_input;

/** Open a file, to be read by at most block_bytes (16 or more) at a time; gzip and Zstandard are
 * recognised by their first bytes. */
TM_NODISCARD tm_status tm__input_open(const char *path, size_t block_bytes, tm_input **out,
                                      tm_err *err);
/** Same, of a stream that may bring nothing for long: reading ends with TM_E_CANCELLED when the
 * flag is set, which may be NULL. */
TM_NODISCARD tm_status tm__input_open_stream(const char *path, size_t block_bytes,
                                             const volatile _Atomic bool *cancel, tm_input **out,
                                             tm_err *err);
/** Fill `out` as far as the file goes; *out_len < len is the end. TM_E_DATA for packed bytes that
 * are cut short or damaged. */
TM_NODISCARD tm_status tm__input_read(tm_input *input, void *out, size_t len, size_t *out_len,
                                      tm_err *err);
/** The first bytes, unpacked, which reading gives again; once, before anything is read. *out_len <
 * len is the end. */
TM_NODISCARD tm_status tm__input_peek(tm_input *input, size_t len, const char **out,
                                      size_t *out_len, tm_err *err);
/** Bytes of the file itself read so far. */
uint64_t tm__input_pos(const tm_input *input);
void tm__input_close(tm_input *input);

/* --- records --- */

typedef struct tm_csv_dialect {
    char delimiter;
    char quote;        /* 0: none */
    bool skips_blanks; /* blanks behind a delimiter do not count */
} tm_csv_dialect;

#define TM_CSV_MADE (1u << 31)
typedef struct tm_csv_field {
    uint32_t start; /* in the block's data */
    uint32_t len;   /* TM_CSV_MADE is set when its text is not that of its bytes: quotes in it are
                       doubled, or it is a number of its column's style */
} tm_csv_field;

typedef struct tm_csv_scanner tm_csv_scanner;

/** Open a file, find its dialect. TM_E_DATA when it is empty or not text. block_bytes is how much
 * is cut at a time, 0 for 4 MiB; the dialect and the header are found in the first block. */
TM_NODISCARD tm_status tm__csv_open(const char *path, size_t block_bytes, tm_csv_scanner **out,
                                    tm_err *err);
/** Same, of what was opened: a stream that cannot be opened twice. The input is taken. */
TM_NODISCARD tm_status tm__csv_open_input(tm_input *input, const char *path, size_t block_bytes,
                                          tm_csv_scanner **out, tm_err *err);
tm_csv_dialect tm__csv_dialect(const tm_csv_scanner *scanner);
/** Columns, known after the first block. */
uint32_t tm__csv_cols(const tm_csv_scanner *scanner);
/** Cut the next block into records; *out_n_records is 0 at the end. All records, the header among
 * them, have as many fields as the first; other ones are TM_E_DATA with their place. */
TM_NODISCARD tm_status tm__csv_next(tm_csv_scanner *scanner, uint64_t *out_n_records, tm_err *err);
/** Fields of the block, [record x column]; valid until the next block. */
const tm_csv_field *tm__csv_fields(const tm_csv_scanner *scanner);
/** Line of the file, from 1, in which a field of the block starts. */
uint64_t tm__csv_line(const tm_csv_scanner *scanner, tm_csv_field field);
uint64_t tm__csv_pos(const tm_csv_scanner *scanner);
void tm__csv_close(tm_csv_scanner *scanner);

/** TM_E_DATA, with what it is, when a file with these first bytes is not text; a NUL stands behind
 * them. */
TM_NODISCARD tm_status tm__csv_check_text(const char *path, const char *data, size_t len,
                                          tm_err *err);

/* Parts: the records of a file, cut by other threads than the one that reads. */

/** Forget that the first block was cut: its records come again. */
void tm__csv_rewind(tm_csv_scanner *scanner);
/** A part with the dialect of a scanner whose first block was cut, without records; it ends with
 * tm__csv_close(). NULL when out of memory. */
tm_csv_scanner *tm__csv_part_create(const tm_csv_scanner *scanner, size_t block_bytes);
/** A part that was handed a copy of a text, with n_names columns; to be cut. NULL when out of
 * memory.
 */
tm_csv_scanner *tm__csv_text_open(const char *data, size_t len, const tm_push_csv *csv);
/** Hand the next whole records to a part, at most block_bytes unless one is longer; *out_more is
 * false when there are none. */
TM_NODISCARD tm_status tm__csv_hand(tm_csv_scanner *scanner, tm_csv_scanner *part, bool *out_more,
                                    tm_err *err);
/** Cut what a part was handed; its fields are valid until it is handed more. */
TM_NODISCARD tm_status tm__csv_cut(tm_csv_scanner *part, uint64_t *out_n_records, tm_err *err);

/** Leave out records that cannot be cut, each to the end of its first line; those behind it come.
 * The first record is the header's and is never left out. */
void tm__csv_skip_bad(tm_csv_scanner *scanner);
/** A record is a line, whatever stands in it: for tm__csv_hand() alone. */
void tm__csv_set_lines(tm_csv_scanner *scanner);
/** What a part was handed, and the line of the file that it starts with. The byte behind it may be
 * written. */
char *tm__csv_part_text(tm_csv_scanner *part, size_t *out_len, uint64_t *out_line);
/** Nothing is left to be handed. */
bool tm__csv_is_done(const tm_csv_scanner *scanner);

/** Text of a field. One that is TM_CSV_MADE is made plain in `room`, which holds its length:
 * without the second of two quotes, or a number as programs write it. */
tm_str tm__csv_text(const tm_csv_scanner *scanner, tm_csv_field field, char *room);

/* Numbers with a decimal comma. */

#define TM_COMMA_SHORT 1u   /* a whole number of three digits or less */
#define TM_COMMA_LONG 2u    /* of more */
#define TM_COMMA_GROUPED 4u /* a whole number with marks between thousands: 1.234.567 */
#define TM_COMMA_DECIMAL 8u /* with a decimal comma: 62,8 or 1.715,24 */

/** Which of these a text is; 0 for none. */
uint32_t tm__csv_comma_kind(tm_str text);
/** A text that is GROUPED or DECIMAL with a decimal point and without marks, in `room`, which holds
 * its length. */
tm_str tm__csv_comma_write(tm_str text, char *room);

/* Numbers as people read them, csv_format.c. */

/** Such a text as a plain number, in `room`, which holds its length. */
tm_str tm__csv_format_write(tm_str text, char *room);
/** The style of a column of the first block, which has n_records; 0 for none. is_number: the column
 * is known to be one of numbers, so that a single comma is one between thousands. */
char tm__csv_find_format(const tm_csv_scanner *scanner, uint32_t col, uint64_t n_records,
                         bool is_number);

/* Styles of the numbers of a column. 'c': with a decimal comma, and then with another delimiter
 * than a comma. With it: ',' commas between thousands; '$', '%', 'E' (euro), 'P' (pound) and 'Y'
 * (yen): each number has this mark, and maybe commas. */

bool tm__csv_is_style(char style);
/** Whether a text is a number of the style that programs would write in another way. */
bool tm__csv_is_styled(char style, tm_str text);
/** As they would write it, in `room`, which holds its length. */
tm_str tm__csv_style_write(char style, tm_str text, char *room);
/** Find the styles of columns in the first block, which has n_records: their fields are TM_CSV_MADE
 * from there on, in parts too. TM_E_NOMEM. Cost: a look at each field of the block. */
TM_NODISCARD tm_status tm__csv_find_styles(tm_csv_scanner *scanner, uint64_t n_records,
                                           tm_err *err);
/** Numbers of the column may be of a style; false when out of memory. */
bool tm__csv_set_style(tm_csv_scanner *scanner, uint32_t col, char style);
/** The column has no style, whatever it looks like. */
void tm__csv_unset_style(tm_csv_scanner *scanner, uint32_t col);
/** Its style, or 0. */
char tm__csv_style(const tm_csv_scanner *scanner, uint32_t col);

/* --- cells --- */

/* What a text can be; a column's set is the union over its cells. */
#define TM_CAN_INT 1u
#define TM_CAN_FLOAT 2u       /* a number that is not an int */
#define TM_CAN_BIG 4u         /* more digits than an int has */
#define TM_CAN_BOOL 8u        /* true or false, in letters */
#define TM_CAN_DATE 16u       /* with or without a time of day */
#define TM_CAN_TIME 32u       /* the time of day is not midnight */
#define TM_CAN_NATIONAL 64u   /* day and month in one of two orders, with TM_CAN_DATE */
#define TM_CAN_DAY_FIRST 128u /* and this order must be it */
#define TM_CAN_MONTH_FIRST 256u
#define TM_CAN_MARK 512u     /* missing unless the column is text: None, -, ... */
#define TM_CAN_MISSING 1024u /* missing in every column */
#define TM_CAN_TEXT 2048u    /* nothing but text */
#define TM_CAN_HUGE 4096u    /* a number larger than a double */

typedef struct tm_csv_value {
    int64_t i64; /* BOOL INT DATE TIME; with TM_CAN_NATIONAL if the day comes first */
    int64_t month_first_us;
    double f64; /* numbers */
} tm_csv_value;

/** What a text can be, and its value as that. */
uint32_t tm__csv_examine(tm_str text, tm_csv_value *out);
/** Type of a column with cells of these kinds; TM_TYPE_TEXT when all are missing. TM_TYPE_NONE when
 * none holds all values: the order of day and month is open, or not one; some numbers are too
 * large. */
tm_type tm__csv_decide(uint32_t kinds);

/* --- columns --- */

/* One column on its way from fields to values: see csv_column.c. */
typedef struct tm_csv_column {
    char *name;
    const tm_schema_column *wanted;    /* its type is given; NULL: found out */
    uint32_t field;                    /* where it stands in records of the file being read */
    bool is_raw;                       /* never read: handed on as the text it is */
    bool is_active;                    /* has a part in this pass */
    bool is_learning;                  /* kinds are collected, values are not */
    bool needs_pass;                   /* values have to be read by a further pass */
    tm_type type;                      /* of values; NONE before they are read */
    uint32_t kinds;                    /* of all cells so far */
    bool is_month_first, is_day_first; /* of national dates, once settled */
    void *values;                      /* [capacity] */
    uint64_t capacity;
    tm_dict *dict;
    char *room; /* for a text without its doubled quotes */
    size_t room_size;
    tm_status status;     /* the first failure of this block */
    uint64_t bad_record;  /* and its record */
    const char *odd_path; /* of the first cell that no type of the others holds; NULL: none */
    uint64_t odd_line;
} tm_csv_column;

/* One block, for all columns. */
typedef struct tm_csv_block {
    const tm_csv_scanner *scanner;
    const char *path;           /* of the file, for as long as the columns live */
    const tm_csv_field *fields; /* [record x n_cols] */
    uint32_t n_cols;
    uint64_t record, record_end; /* of the block, without the header */
    uint64_t row;                /* row of values where the first one goes */
    bool is_learning_only;       /* no column starts to read */
} tm_csv_block;

/** Learn from a block or read its values. A failure is in column->status. Owner thread of the
 * column. */
void tm__csv_column_block(tm_csv_column *column, const tm_csv_block *block);
/** Text of a record's field; valid until the next one of this column. Empty when out of memory. */
tm_str tm__csv_column_text(tm_csv_column *column, const tm_csv_block *block, uint64_t record);
/** Fill the error for column->status. */
tm_status tm__csv_column_fail(tm_csv_column *column, const tm_csv_block *block, const char *path,
                              tm_err *err);
/** Settle the type after all cells were seen; TM_E_DATA when a date's order stays open. */
TM_NODISCARD tm_status tm__csv_column_settle(tm_csv_column *column, tm_err *err);
/** Make the values n_rows long, to be moved out; false when out of memory. */
bool tm__csv_column_fit(tm_csv_column *column, uint64_t n_rows);
/** Forget values, keep what was learnt. */
void tm__csv_column_reset(tm_csv_column *column);
void tm__csv_column_done(tm_csv_column *column);

/* --- files --- */

typedef struct tm_csv_reader {
    tm_ctx *ctx;
    const tm_source_spec *spec;
    const char *const *paths;
    uint32_t n_paths;
    uint64_t bytes, bytes_done; /* of all files, of those behind */
    tm_input *input;            /* NULL, or the first file, which is open: taken */
    tm_csv_column *cols;
    uint32_t n_cols;
    bool has_header;
    uint64_t n_rows; /* of this pass */
    /* the file being read */
    tm_csv_scanner *scanner;
    const char *path;
    tm_csv_block block;
} tm_csv_reader;

tm_csv_reader tm__csv_reader_make(tm_ctx *ctx, const tm_source_spec *spec, const char *const *paths,
                                  uint32_t n_paths);
/** Open a file and cut its first block; columns are made by the first file, matched by the rest. */
TM_NODISCARD tm_status tm__csv_reader_open(tm_csv_reader *reader, uint32_t number,
                                           uint64_t *out_n_records, tm_err *err);
void tm__csv_reader_close(tm_csv_reader *reader);
/** TM_E_DATA when a pass saw no row. */
TM_NODISCARD tm_status tm__csv_reader_check(const tm_csv_reader *reader, tm_err *err);
/** Settle the types of all columns after a pass. */
TM_NODISCARD tm_status tm__csv_reader_settle(tm_csv_reader *reader, bool *out_needs_pass,
                                             tm_err *err);
void tm__csv_reader_done(tm_csv_reader *reader);

/** The failure of a block's first record; of its first field when there are several. */
TM_NODISCARD tm_status tm__csv_columns_check(tm_csv_column *cols, const tm_csv_block *block,
                                             const char *path, tm_err *err);
/** The values of all columns that are not raw as a table; the columns are empty then. */
TM_NODISCARD tm_status tm__csv_table(tm_csv_column *cols, uint32_t n_cols, uint64_t n_rows,
                                     tm_table **out, tm_err *err);

/** Learn what the cells of a file's columns can be, on all threads. Records that cannot be cut do
 * not count. fn gets each column with its name, kinds and nothing else. */
TM_NODISCARD tm_status tm__csv_examine_file(
    tm_ctx *ctx, const tm_source_spec *spec, const char *path,
    tm_status (*fn)(void *arg, const tm_csv_column *column, tm_err *err), void *arg, tm_err *err);

/** All rows of CSV files, in the order given. */
TM_NODISCARD tm_status tm__csv_read(tm_ctx *ctx, const tm_source_spec *spec,
                                    const char *const *paths, uint32_t n_paths, tm_table **out,
                                    tm_err *err);
/** Same rows in parts. */
TM_NODISCARD tm_status tm__csv_pipe(tm_ctx *ctx, const tm_source_spec *spec,
                                    const char *const *paths, uint32_t n_paths,
                                    const tm_source_sink *sink, tm_err *err);

#endif
