/* SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/module.h"
#include "store/kafka_priv.h"

/* The ABI of librdkafka has had its number since 2013. */
static const char *const names[] = {
#define X(name) "rd_kafka_" #name,
    TM_KAFKA_FUNCTIONS(X)
#undef X
};
static const tm_library library = {.need = "Kafka needs librdkafka",
                                   .file = "librdkafka.so.1",
                                   .variable = "TIDEMILL_LIBRDKAFKA",
                                   .missing_hint = "Install the package librdkafka1.",
                                   .old_hint = "Install librdkafka 2.0 or later.",
                                   .names = names,
                                   .n = sizeof(names) / sizeof(names[0])};

tm_status tm__kafka_api_load(tm_kafka_api *out, tm_err *err) {
    return tm__library_load(&library, NULL, out, err);
}
