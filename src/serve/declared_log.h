/* SPDX-License-Identifier: Apache-2.0 */
/* How answers are logged, as the recipes of what is served declare it. */
#ifndef TM_SERVE_DECLARED_LOG_H
#define TM_SERVE_DECLARED_LOG_H

#include "serve/serve_priv.h"

/** Hand what the recipes say to the monitor; of a model that says nothing, the terms given. */
TM_NODISCARD tm_status tm__declared_log_read(const tm_current *current, tm_registry *registry,
                                             tm_monitor *monitor, const tm_log_terms *otherwise,
                                             tm_err *err);

/** The policy of models that declare none: text (NULL: the default) as tm__log_terms_parse() reads
 * it. TM_E_USAGE. Any thread. */
TM_NODISCARD tm_status tm__declared_log_policy(const char *text, tm_log_terms *out, tm_err *err);

#endif
