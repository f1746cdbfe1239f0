/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of expressions on times and texts. Not for other folders. */
#ifndef TM_FEATURE_FEATURE_EXPR_TEXT_H
#define TM_FEATURE_FEATURE_EXPR_TEXT_H

#include "feature/feature_expr.h"

/** first less second, in days */
tm_expr_value tm__expr_time_days_between(const tm_expr_value *a, uint32_t n,
                                         tm_expr_scratch *scratch);
/** so many days */
tm_expr_value tm__expr_time_later(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_earlier(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_hour(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_minute(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_minute_of_day(const tm_expr_value *a, uint32_t n,
                                          tm_expr_scratch *scratch);
/** 0 is Monday */
tm_expr_value tm__expr_time_day_of_week(const tm_expr_value *a, uint32_t n,
                                        tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_day_of_month(const tm_expr_value *a, uint32_t n,
                                         tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_month(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_time_year(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** since 1970, with a fraction */
tm_expr_value tm__expr_time_days(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** from 1 */
tm_expr_value tm__expr_time_day_of_year(const tm_expr_value *a, uint32_t n,
                                        tm_expr_scratch *scratch);

/** characters */
tm_expr_value tm__expr_text_length(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** runs of what is no white space */
tm_expr_value tm__expr_text_words(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** of A to Z alone */
tm_expr_value tm__expr_text_lower(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_upper(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_left(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_right(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** what stands before the first; all when it is not in it */
tm_expr_value tm__expr_text_before(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** what stands behind the first; missing when it is not in it */
tm_expr_value tm__expr_text_after(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_contains(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_starts(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_ends(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_concat(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** the shortest that reads as the same */
tm_expr_value tm__expr_text_of_number(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** ISO 8601, missing when it is none */
tm_expr_value tm__expr_text_to_time(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** missing when it is none */
tm_expr_value tm__expr_text_to_number(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
tm_expr_value tm__expr_text_trim(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** place among the others, from 0; missing when it is none of them */
tm_expr_value tm__expr_text_ordinal(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);
/** one of so many numbers from 0, by its bytes alone */
tm_expr_value tm__expr_text_hash(const tm_expr_value *a, uint32_t n, tm_expr_scratch *scratch);

#endif
