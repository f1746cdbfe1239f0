/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a body, one after the other: what intake_push.c gives to intake_encode.c. */
#ifndef TM_SOURCE_INTAKE_READER_H
#define TM_SOURCE_INTAKE_READER_H

#include "source/intake_priv.h"

/* A value under a name that no column has. */
typedef struct tm_stranger {
    tm_str name; /* in line, or in the body's first line */
    tm_cell cell;
} tm_stranger;

typedef struct tm_body_reader {
    const tm_push *push;
    tm_intake_columns *columns;
    char *p;   /* at the next row; NULL: no more */
    char *end; /* of the body */
    tm_buf line;
    tm_buf kept;  /* what quarantine keeps of a row whose columns have policies */
    char *rooms;  /* [n columns][TM_PRIVACY_ROOM] texts that policies made */
    uint64_t row; /* of the current one, from 1 */
    char *raw;    /* its bytes in the body */
    size_t raw_len;
    tm_cell *cells; /* [n columns] */
    uint64_t *seen; /* [n columns] row in which a value stood last */
    uint32_t expected;
    uint32_t n_values; /* values with a column in this row */
    tm_stranger *strangers;
    uint32_t n_strangers, strangers_max;
    bool is_bad;     /* the row cannot be read */
    bool has_failed; /* memory ran out */
    tm_row_reason reason;
    char column[65], detail[160];
    tm_watch *watch;          /* NULL: before the first row every change is taken */
    tm_look *look;            /* NULL: none is made in this pass */
    const tm_finding *forced; /* sends every row to quarantine; NULL: none */
    tm_finding stop;
    bool must_stop;
    uint64_t line_number; /* of the byte at `counted`, when the push has a first line */
    const char *counted;
    uint32_t next_late; /* of the push's late lines */
    /* CSV: */
    const tm_push_csv *csv;
    tm_buf header;
    uint32_t *fields; /* [n_fields] column; of a table too */
    tm_str *names;    /* [n_fields] */
    tm_dict *codes;   /* the same names, to find one that comes twice */
    uint32_t n_fields;
    uint64_t next_in_table;
    uint32_t next_bad; /* of the push's bad values */
} tm_body_reader;

/** A body against columns; ends with tm__body_done(), also after a failure. */
TM_NODISCARD tm_status tm__body_open(tm_body_reader *r, const tm_push *push,
                                     tm_intake_columns *columns, tm_err *err);
void tm__body_done(tm_body_reader *r);
/** The next row in cells, those of columns that it lacks missing; false at the end. */
bool tm__body_next(tm_body_reader *r);
/** Send the row to quarantine; the first reason is the one that is told. */
void tm__body_refuse(tm_body_reader *r, tm_row_reason reason, tm_str column, const char *fmt, ...)
    TM_PRINTF(4, 5);
/** Send the row to quarantine because of a finding. */
void tm__body_found(tm_body_reader *r, const tm_finding *finding);
/** A change that a row shows: to be counted, to quarantine or to the end of it. */
void tm__body_change(tm_body_reader *r, tm_change_kind kind, tm_change_policy policy, tm_str column,
                     const char *detail);
/** Whether the type of one of the columns was declared, and no policy says that it may be wider. */
bool tm__body_is_bound(const tm_body_reader *r, const tm_schema_column *column);
tm_change_policy tm__body_wider(const tm_body_reader *r, const tm_schema_column *column);
/** What may be kept of a row that came with columns of policies, in place of its bytes: its values
 * as a line of JSON; nothing of one that could not be taken apart. False when memory is out. */
bool tm__body_withhold(tm_body_reader *r);
/** The bytes of a table's row, which has none: its values as a line of JSON. */
bool tm__body_write(tm_body_reader *r);
TM_NODISCARD tm_status tm__many_columns(tm_err *err);

#endif
