/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TM_CLI_MEANING_WORDS_H
#define TM_CLI_MEANING_WORDS_H

#include <stddef.h>

#include "base/json.h"

/** What columns were taken for, of the program of a model's record: "number zip, member; category
 * age"; at most 12 names of each. Empty without a program. Any thread. */
void tm__meaning_words_fill(const json_t *program, char *out, size_t size);

#endif
