/* SPDX-License-Identifier: Apache-2.0 */
/* All limits in one place, each with its reason. */
#ifndef TM_BASE_LIMITS_H
#define TM_BASE_LIMITS_H

#include <stdint.h>

#define TM_MAX_COLS 16384u /* wider tables are sparse matrices, which have other tools       */
#define TM_MAX_ROWS                                                                                \
    UINT32_C(4000000000)        /* row indices of the learners are 32 bits                      */
#define TM_MAX_CLASSES 1000u    /* a softmax model holds one tree a class and round               */
#define TM_MAX_NAME 128u        /* model, route, source and alias names                           */
#define TM_MAX_COLUMN_NAME 256u /* a column's name in bytes */
#define TM_MAX_TEXT_BYTES                                                                          \
    (1u << 20)                /* one text cell                                                  */
#define TM_MAX_JSON_DEPTH 64u /* nested arrays and objects; deeper input is an attack           */
/* A training that was stopped is taken up soon, or never: holidays included. */
#define TM_CHECKPOINT_DAYS 30
#define TM_MAX_BUNDLE_BYTES (UINT64_C(4) << 30)
#define TM_MAX_STOPS                                                                               \
    4096u /* a fit of a search has one at most: 128 candidates in 5 folds, three rungs, members */
#define TM_MAX_HEADER_BYTES                                                                        \
    65536u /* request line and headers of one request                        */
#define TM_MAX_HEADERS 100u
#define TM_MAX_BODY_BYTES                                                                          \
    (64u << 20) /* one request                                                    */
#define TM_MAX_REQUEST_ROWS                                                                        \
    100000u /* rows in one prediction request                                 */
#define TM_MAX_CONNECTIONS                                                                         \
    10000u /* 64 KiB of buffers each at the most                             */
#define TM_HEADER_TIMEOUT_MS                                                                       \
    10000u                     /* from the first byte to the end of headers (slowloris)          */
#define TM_IO_TIMEOUT_MS 5000u /* between bytes of a body, and for a reader that does not read */
#define TM_WAIT_MS                                                                                 \
    200u /* a prediction that must wait longer for its turn is refused: late answers are waste */
#define TM_MAX_IN_FLIGHT                                                                           \
    1024u /* exchanges in one queue; each may hold a body of the largest size */
#define TM_IDLE_TIMEOUT_MS                                                                         \
    75000u /* keep-alive without a request                                   */

#define TM_MAX_SPOOL_BYTES                                                                         \
    (UINT64_C(16) << 30) /* of a stream that is written to a temporary file: a pipe without end    \
                            fills no disk */

#endif
