/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster of one broker within this process, as librdkafka has it for tests, and a producer. */
#ifndef TM_SUPPORT_MOCK_KAFKA_H
#define TM_SUPPORT_MOCK_KAFKA_H

#include <stdint.h>

typedef struct mock_kafka mock_kafka;

mock_kafka *mock_kafka_open(const char *topic, int partitions);
/** HOST:PORT. */
const char *mock_kafka_address(const mock_kafka *mock);
/** Write a file of settings that reaches it, which only its owner reads. */
void mock_kafka_settings(const mock_kafka *mock, const char *file);
/** Send messages "{"id": N}" of numbers [first, end) to a partition, and wait until they are there.
 */
void mock_kafka_send(mock_kafka *mock, int32_t partition, int first, int end);
void mock_kafka_close(mock_kafka *mock);

#endif
