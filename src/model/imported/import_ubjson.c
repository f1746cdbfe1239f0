/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UBJSON, draft 12, as XGBoost writes it, to JSON text: one reader then knows both. Numbers keep
 * their value; what JSON has no number for becomes null.
 *
 * A value is a byte of type and what it says; lengths are values of a whole-number type. Containers
 * may begin with $ and the type of all elements, and # and their number. Every length is held
 * against the bytes that are left before anything is done with it.
 */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/limits.h"
#include "model/imported/import_priv.h"

typedef struct input {
    const uint8_t *data;
    size_t len, at;
    tm_buf *out;
    const char *fault; /* NULL: none yet */
} input;

static bool fault(input *in, const char *what) {
    in->fault = in->fault == NULL ? what : in->fault;
    return false;
}

static bool take(input *in, size_t n, const uint8_t **out) {
    if (n > in->len - in->at) {
        return fault(in, "the file is cut");
    }
    *out = in->data + in->at;
    in->at += n;
    return true;
}

static bool take_byte(input *in, uint8_t *out) {
    const uint8_t *p = NULL;
    if (!take(in, 1, &p)) {
        return false;
    }
    *out = *p;
    return true;
}

/* Bytes of a number of a type; 0: it is none. */
static size_t size_of(uint8_t type) {
    switch (type) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static uint64_t big_endian(const uint8_t *p, size_t n) {
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
    }
    return bits;
}

static int64_t whole_of(uint8_t type, const uint8_t *p) {
    const uint64_t bits = big_endian(p, size_of(type));
    return type == 'U'   ? (int64_t)bits
           : type == 'i' ? (int64_t)(int8_t)bits
           : type == 'I' ? (int64_t)(int16_t)bits
           : type == 'l' ? (int64_t)(int32_t)bits
                         : (int64_t)bits;
}

static void put_number(input *in, uint8_t type, const uint8_t *p) {
    char text[32];
    double number;
    if (type != 'd' && type != 'D') {
        tm__buf_printf(in->out, "%lld", (long long)whole_of(type, p));
        return;
    }
    const uint64_t bits = big_endian(p, size_of(type));
    if (type == 'd') {
        const uint32_t half = (uint32_t)bits;
        float single;
        memcpy(&single, &half, sizeof(single));
        number = (double)single;
    } else {
        memcpy(&number, &bits, sizeof(number));
    }
    if (isfinite(number)) {
        tm__buf_append(in->out, text, tm__f64_to_text(number, text));
    } else {
        tm__buf_text(in->out, "null");
    }
}

static bool take_length(input *in, uint64_t *out) {
    uint8_t type = 0;
    const uint8_t *p = NULL;
    if (!take_byte(in, &type)) {
        return false;
    }
    if (size_of(type) == 0 || type == 'd' || type == 'D') {
        return fault(in, "a length is no whole number");
    }
    if (!take(in, size_of(type), &p)) {
        return false;
    }
    const int64_t value = whole_of(type, p);
    if (value < 0 || (uint64_t)value > in->len - in->at) {
        return fault(in, "a length is more than the bytes that follow");
    }
    *out = (uint64_t)value;
    return true;
}

static bool put_text(input *in) {
    uint64_t len = 0;
    const uint8_t *p = NULL;
    if (!take_length(in, &len) || !take(in, (size_t)len, &p)) {
        return false;
    }
    tm__json_write_text(in->out, (tm_str){(const char *)p, (size_t)len});
    return true;
}

/* $ and # behind a container's first byte. */
static bool take_counts(input *in, uint8_t *out_type, bool *out_counted, uint64_t *out_n) {
    *out_type = 0;
    *out_counted = false;
    *out_n = 0;
    if (in->at < in->len && in->data[in->at] == '$') {
        in->at++;
        if (!take_byte(in, out_type)) {
            return false;
        }
        /* Elements without bytes of their own would make a short file endless. */
        if (size_of(*out_type) == 0) {
            return fault(in, "elements of a type that is no number");
        }
        if (in->at >= in->len || in->data[in->at] != '#') {
            return fault(in, "a type of elements without their number");
        }
    }
    if (in->at < in->len && in->data[in->at] == '#') {
        in->at++;
        *out_counted = true;
        return take_length(in, out_n);
    }
    return true;
}

static bool put_value(input *in, uint8_t type, uint32_t depth);

static bool put_container(input *in, bool is_object, uint32_t depth) {
    const uint8_t close = is_object ? '}' : ']';
    uint8_t type = 0;
    bool counted = false;
    uint64_t n = 0;
    if (depth >= TM_MAX_JSON_DEPTH) {
        return fault(in, "values are nested too deep");
    }
    if (!take_counts(in, &type, &counted, &n)) {
        return false;
    }
    tm__buf_byte(in->out, is_object ? '{' : '[');
    for (uint64_t i = 0; !counted || i < n; i++) {
        if (!counted && in->at < in->len && in->data[in->at] == close) {
            in->at++;
            break;
        }
        if (i > 0) {
            tm__buf_byte(in->out, ',');
        }
        if (is_object) {
            if (!put_text(in)) {
                return false;
            }
            tm__buf_byte(in->out, ':');
        }
        uint8_t here = type;
        if (here == 0 && !take_byte(in, &here)) {
            return false;
        }
        if (!put_value(in, here, depth + 1) || in->out->failed) {
            return false;
        }
    }
    tm__buf_byte(in->out, close);
    return true;
}

/* The value of a type that was read. */
static bool put_value(input *in, uint8_t type, uint32_t depth) {
    const uint8_t *p = NULL;
    switch (type) {
    case 'Z':
        return tm__buf_text(in->out, "null");
    case 'T':
        return tm__buf_text(in->out, "true");
    case 'F':
        return tm__buf_text(in->out, "false");
    case 'S':
        return put_text(in);
    case 'C':
        if (!take(in, 1, &p)) {
            return false;
        }
        return tm__json_write_text(in->out, (tm_str){(const char *)p, 1});
    case '[':
        return put_container(in, false, depth);
    case '{':
        return put_container(in, true, depth);
    default:
        if (size_of(type) == 0) {
            return fault(in, "a value of no known type");
        }
        if (!take(in, size_of(type), &p)) {
            return false;
        }
        put_number(in, type, p);
        return true;
    }
}

tm_status tm__import_ubjson(const void *data, size_t len, tm_buf *out, tm_err *err) {
    input in = {.data = data, .len = len, .out = out};
    uint8_t type = 0;
    bool ok = take_byte(&in, &type) && put_value(&in, type, 0);
    if (ok && in.at != in.len) {
        ok = fault(&in, "bytes follow the last value");
    }
    if (out->failed) {
        return TM_FAIL(err, tm__buf_status(out), "no room for the text of a UBJSON model");
    }
    if (!ok) {
        const tm_status st = TM_FAIL(err, TM_E_DATA, "UBJSON model: %s, at byte %zu",
                                     in.fault != NULL ? in.fault : "damaged", in.at);
        tm_err_hint(err, "Save the model again (booster.save_model) and copy the whole file.");
        return st;
    }
    return TM_OK;
}
