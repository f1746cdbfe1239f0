/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a value tells who somebody is, by its form and, where its kind has them, its check
 * digits; and whether a column does, by its name. Nothing is looked up and nothing is kept.
 *
 *   e-mail     name@host.domain
 *   phone      9 to 15 digits with a plus, or with signs between them
 *   card       13 to 19 digits of a payment card whose last is right (ISO/IEC 7812-1, Luhn)
 *   iban       an account whose remainder by 97 is 1 (ISO 13616)
 *   national   a number that a state gives: US, GB, ES, FR, IT
 *   ip         a network address, version 4 or 6
 *
 * A form is no proof: a share of a column is what tells. Any thread; cost: one walk of a text.
 */
#ifndef TM_TABLE_PERSONAL_H
#define TM_TABLE_PERSONAL_H

#include "base/str.h"

typedef enum tm_personal { /* numbers are stored in files */
                           TM_PERSONAL_EMAIL = 0,
                           TM_PERSONAL_PHONE = 1,
                           TM_PERSONAL_CARD = 2,
                           TM_PERSONAL_IBAN = 3,
                           TM_PERSONAL_NATIONAL = 4,
                           TM_PERSONAL_IP = 5,
                           TM_PERSONALS = 6
} tm_personal;

/** "email", "phone", ... as in JSON. */
const char *tm__personal_text(tm_personal kind);
/** "e-mail addresses", "phone numbers", ... as people read it. */
const char *tm__personal_words(tm_personal kind);

/** What a whole text is; TM_PERSONALS: none of them. */
tm_personal tm__personal_of(tm_str text);
/** What a whole text is, or else which kinds stand in it between blanks and marks: bits 1 << kind.
 * Most texts are passed over after a count of their characters. */
uint32_t tm__personal_in(tm_str text);
/** What the values of a column of this name are likely to be ("names", "birth dates",
 * "addresses", ...); NULL when the name says nothing. */
const char *tm__personal_column(const char *name);
/** What to keep of a column (table/privacy.h) whose values are this, in words as people read it;
 * NULL for other words. */
const char *tm__personal_policy(const char *words);

#endif
