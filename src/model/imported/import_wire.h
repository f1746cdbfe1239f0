/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps through the wire format of protocol buffers: fields of a message one after the other, as
 * views into its bytes. A field that does not lie within its message ends the walk and is
 * remembered. Nothing is allocated and nothing recurses.
 */
#ifndef TM_MODEL_IMPORT_WIRE_H
#define TM_MODEL_IMPORT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef struct tm_wire {
    const uint8_t *at, *end;
    bool failed; /* the message is damaged */
} tm_wire;

typedef enum tm_wire_type {
    TM_WIRE_VARINT = 0,
    TM_WIRE_64 = 1,
    TM_WIRE_BYTES = 2,
    TM_WIRE_32 = 5
} tm_wire_type;

typedef struct tm_wire_field {
    uint32_t number;
    tm_wire_type type;
    uint64_t value; /* VARINT, or the bits of 64 and 32 */
    tm_str bytes;   /* BYTES: a text, a message, or packed numbers */
} tm_wire_field;

tm_wire tm__wire(tm_str message);
/** The next field; false at the end or when the message is damaged. */
bool tm__wire_next(tm_wire *wire, tm_wire_field *out);
/** One number of packed ones: 7 bits a byte. */
bool tm__wire_varint(tm_wire *wire, uint64_t *out);

#endif
