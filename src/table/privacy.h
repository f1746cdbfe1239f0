/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a column that tells who somebody is, before anything of it is kept.
 *
 *   plain              what came: somebody looked and said so
 *   drop               the value is missing
 *   pseudonym          a text that stands for the value: the same for the same value and key, so
 *                      that joins work, and nothing without the key
 *   generalise:10      a number becomes the lower end of its band of this width
 *   generalise:month   a date or time becomes the first day of its month, or of its :year
 *   generalise:prefix:3  a text keeps so many characters
 *   generalise:ip      an address keeps its network: /24, or /48 of version 6
 *   mask:admin,operator  the value as it came, told in full to these roles alone (told.h); `mask`
 *                      names admin
 *
 * Each of them gives the same when it is applied to what it gave, so rows may come as they were or
 * as they are stored. A pseudonym carries a check of its own: no other text is taken for one.
 *
 * Immutable; any thread.
 */
#ifndef TM_TABLE_PRIVACY_H
#define TM_TABLE_PRIVACY_H

#include "base/hash.h"
#include "base/json.h"
#include "table/table.h"

#define TM_PRIVACY_ROOM 32 /* bytes that a made text needs at most */
#define TM_PRIVACY_TEXT 96 /* of a policy in words, with its NUL */

#define TM_PRIVACY_NO_KEY                                                                          \
    "Only the home whose rows were learned from has the key of its pseudonyms: ask there, or "     \
    "send "                                                                                        \
    "rows that have them."

typedef enum tm_privacy_kind {
    TM_PRIVACY_NONE = 0,
    TM_PRIVACY_DROP,
    TM_PRIVACY_PSEUDONYM,
    TM_PRIVACY_BAND,
    TM_PRIVACY_MONTH,
    TM_PRIVACY_YEAR,
    TM_PRIVACY_PREFIX,
    TM_PRIVACY_NETWORK,
    TM_PRIVACY_MASK
} tm_privacy_kind;

typedef struct tm_privacy {
    tm_privacy_kind kind;
    double width;    /* BAND: over 0 */
    uint32_t n_kept; /* PREFIX: characters, 1 or more */
} tm_privacy;

/** TM_E_USAGE "column 'age' has no policy 'dorp'" with a hint. type: of the column when it is
 * declared, else TM_TYPE_NONE; one that the policy cannot give is refused. */
TM_NODISCARD tm_status tm__privacy_parse(const char *column, const char *text, tm_type type,
                                         tm_privacy *out, tm_err *err);
bool tm__privacy_changes(const tm_privacy *privacy); /* something else is kept than what
                                                           came: not NONE and not MASK */
/**
 * Put what is kept of a value in its place. key: for PSEUDONYM. room: what a text that is made lies
 * in, as long as the cell is used. Without a key only a text of a pseudonym's form passes. False
 * for a value that the policy cannot be applied to, such as a word where numbers have bands: it
 * must not be kept. Missing values stay so.
 */
bool tm__privacy_cell(const tm_privacy *privacy, const tm_hash *key, tm_cell *cell,
                      char room[TM_PRIVACY_ROOM]);
/** The pseudonym of a text, with a NUL; of a pseudonym of this key, the same. */
void tm__privacy_pseudonym(const tm_hash *key, tm_str text, char out[TM_PRIVACY_ROOM]);
/** What tells a key from others, and says nothing of it. */
void tm__privacy_key_check(const tm_hash *key, char out[TM_HASH_TEXT]);

/**
 * Apply policies to columns of a table by name: {COLUMN: POLICY}. key NULL: values must be
 * pseudonyms already where they become some, or it is TM_E_NOT_ALLOWED. *out is the table itself,
 * referenced, when it has none of the columns.
 *
 * Errors: TM_E_DATA with row and column for a value that a policy cannot be applied to, TM_E_NOMEM.
 * Cost:   a copy of the columns; one application a value of text that is different.
 */
TM_NODISCARD tm_status tm__privacy_table(const json_t *policies, const tm_hash *key,
                                         tm_table *table, tm_table **out, tm_err *err);
/** Whether each value of a column [n_rows] is what the policy leaves of it; false as well for one
 * that has no value, but where the policy leaves none. Any thread. */
bool tm__privacy_leaves(const tm_privacy *privacy, const tm_hash *key, const tm_column *column,
                        uint64_t n_rows);
/** Whether one of {COLUMN: POLICY} makes pseudonyms. */
bool tm__privacy_needs_key(const json_t *policies);

#endif
