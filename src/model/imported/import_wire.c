/* SPDX-License-Identifier: Apache-2.0 */
#include "model/imported/import_wire.h"

tm_wire tm__wire(tm_str message) {
    const uint8_t *at = (const uint8_t *)message.ptr;
    return (tm_wire){.at = at, .end = message.len > 0 ? at + message.len : at};
}

bool tm__wire_varint(tm_wire *wire, uint64_t *out) {
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 70 && wire->at < wire->end; shift += 7) {
        const uint8_t byte = *wire->at++;
        if (shift == 63 && byte > 1) {
            break; /* more than 64 bits */
        }
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    wire->failed = true;
    return false;
}

static bool take_fixed(tm_wire *wire, uint32_t n, uint64_t *out) {
    uint64_t bits = 0;
    if ((size_t)(wire->end - wire->at) < n) {
        wire->failed = true;
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        bits |= (uint64_t)wire->at[i] << (8 * i);
    }
    wire->at += n;
    *out = bits;
    return true;
}

bool tm__wire_next(tm_wire *wire, tm_wire_field *out) {
    uint64_t tag = 0, len = 0;
    if (wire->failed || wire->at == wire->end || !tm__wire_varint(wire, &tag)) {
        return false;
    }
    *out = (tm_wire_field){.number = (uint32_t)(tag >> 3), .type = (tm_wire_type)(tag & 7)};
    if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) {
        wire->failed = true;
        return false;
    }
    switch (out->type) {
    case TM_WIRE_VARINT:
        return tm__wire_varint(wire, &out->value);
    case TM_WIRE_64:
        return take_fixed(wire, 8, &out->value);
    case TM_WIRE_32:
        return take_fixed(wire, 4, &out->value);
    case TM_WIRE_BYTES:
        if (!tm__wire_varint(wire, &len) || len > (uint64_t)(wire->end - wire->at)) {
            wire->failed = true;
            return false;
        }
        out->bytes = (tm_str){(const char *)wire->at, (size_t)len};
        wire->at += len;
        return true;
    default: /* groups are of no message that is read here */
        wire->failed = true;
        return false;
    }
}
