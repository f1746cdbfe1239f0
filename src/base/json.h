/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text from and to jansson's values. Input has limits: depth, no duplicate keys, no NUL, UTF-8
 * only. Output keeps doubles exactly (17 significant digits at most, shortest that reads back).
 * Include this and use jansson's values.
 */
#ifndef TM_BASE_JSON_H
#define TM_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "tidemill/err.h"

/** Give jansson our allocator. Called by all functions here; call it at the start of a program that
 * makes values before. */
void tm__json_init(void);
/**
 * Values that could not be made. Out of memory a json_*() call gives NULL, and a setter leaves the
 * key out; neither need be checked. The thread remembers it until the next reset: until then
 * tm__json_write() fails, and whoever uses values without writing them calls tm__json_check()
 * (TM_E_NOMEM) once when all are made. tm__json_reset() stands at the start of a piece of work: a
 * command, a request, a batch, a turn of a loop.
 */
void tm__json_reset(void);
bool tm__json_is_whole(void);
/** NULL for a value that could not be made for want of memory elsewhere; remembered all the same.
 */
json_t *tm__json_lost(void);
TM_NODISCARD tm_status tm__json_check(tm_err *err);
/** The end of what makes a value: *out takes `made` (NULL is none) when st is TM_OK and nothing was
 * lost; else `made` goes and *out stays. */
TM_NODISCARD tm_status tm__json_give(tm_status st, json_t *made, json_t **out, tm_err *err);

/** Parse one document (any JSON value); TM_E_DATA with line and column in the message, TM_E_LIMIT
 * past depth_max. */
TM_NODISCARD tm_status tm__json_parse(const void *data, size_t len, uint32_t depth_max,
                                      json_t **out, tm_err *err);

#define TM_JSON_PRETTY 1u /* two blanks an indent                */
#define TM_JSON_SORTED 2u /* keys in byte order: canonical bytes */
/** Append a value as text; false when it does not fit or a value was lost; doubles shortest-exact,
 * NaN and infinities as null. */
bool tm__json_write(tm_buf *buf, const json_t *value, unsigned flags);
/** Append a JSON string literal with its quotes; bytes that are not UTF-8 become U+FFFD. */
bool tm__json_write_text(tm_buf *buf, tm_str text);

/** Getters with defaults; a missing or mistyped member gives the default. */
const char *tm__json_text(const json_t *object, const char *name, const char *otherwise);
int64_t tm__json_i64(const json_t *object, const char *name, int64_t otherwise);
double tm__json_f64(const json_t *object, const char *name, double otherwise);
bool tm__json_bool(const json_t *object, const char *name, bool otherwise);
/** Values, new references: null for a number that is not finite, and for no text; a moment as
 * tm__time_to_text() writes it; a list of n numbers. */
json_t *tm__json_number(double value);
json_t *tm__json_string(const char *text);
json_t *tm__json_time(int64_t us);
json_t *tm__json_time_or_null(int64_t us); /* null for 0 */
json_t *tm__json_numbers(const double *values, uint32_t n);
/** Whether a list has this text; false for what is no list. */
bool tm__json_has_text(const json_t *list, const char *text);

#endif
