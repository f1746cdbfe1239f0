/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers for the rows of a file, as CSV or JSON lines: the input's columns that the model does not
 * read (ids), the prediction, and its probabilities; when they are logged, their ids. Threads
 * format parts at once, each with a pen of its own.
 */
#ifndef TM_CLI_ANSWERS_H
#define TM_CLI_ANSWERS_H

#include "model/bundle.h"
#include "source/source.h"

typedef struct tm_answer_form {
    const tm_bundle *bundle;
    bool is_json; /* lines of JSON, else CSV */
    bool explain;
    bool has_interval; /* interval is of its bundle */
    tm_conformal_at interval;
    bool has_ids; /* each answer has an id, and a record for the log */
} tm_answer_form;

typedef struct tm_answer_pen tm_answer_pen;
/** NULL when out of memory. */
tm_answer_pen *tm__answer_pen_create(const tm_answer_form *answers);
void tm__answer_pen_free(tm_answer_pen *pen);

/** The name of a passed column of the part that an answer's column has too; NULL: none. is_strict:
 * in other letters, and what another form of answers would have, counts as well. */
const char *tm__answers_clash(const tm_answer_form *answers, const tm_source_part *part,
                              bool is_strict);
/** Append the line of names of a CSV file whose parts are like this one. */
void tm__answers_head(const tm_answer_form *answers, const tm_source_part *part, tm_buf *out);
/** Score a part's rows and append a line each. Owner thread of the pen. */
TM_NODISCARD tm_status tm__answers_write(tm_answer_pen *pen, const tm_source_part *part,
                                         tm_buf *out, tm_err *err);
/** Records of the part that was written last, as tm__answer_append() has them; the pen's until the
 * next one. */
tm_str tm__answer_pen_records(const tm_answer_pen *pen);

#endif
