/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: a scan of the bytes finds nesting past the limit before jansson recurses; jansson then
 * refuses duplicate keys, NUL and bad UTF-8. Its own messages quote the input, so messages are made
 * here from its error codes.
 *
 * Writing: our own, because jansson formats doubles with a fixed number of digits.
 */
#include "base/json.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

/* jansson reports some failed allocations as syntax errors, so they are noted here. */
static _Thread_local bool alloc_failed;

static void *alloc_value(size_t bytes) {
    void *block = tm__mem_small(bytes);
    alloc_failed = alloc_failed || block == NULL;
    return block;
}

void tm__json_init(void) {
    /* jansson keeps its allocator in a global: set before its first value is made. */
    static _Atomic bool is_ready;
    if (!atomic_load_explicit(&is_ready, memory_order_acquire)) {
        json_set_alloc_funcs(alloc_value, tm__mem_free);
        atomic_store_explicit(&is_ready, true, memory_order_release);
    }
}

/* Position of the first bracket that nests deeper than depth_max; len when there is none. */
static size_t find_too_deep(const char *text, size_t len, uint32_t depth_max) {
    uint32_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > depth_max) {
                return i;
            }
        } else if (c == ']' || c == '}') {
            depth -= depth > 0 ? 1 : 0;
        }
    }
    return len;
}

static const char *message_of(const json_error_t *error) {
    switch (json_error_code(error)) {
    case json_error_premature_end_of_input:
        return "the text ends too early";
    case json_error_end_of_input_expected:
        return "something follows the end of the value";
    case json_error_invalid_utf8:
        return "the text is not valid UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string holds a NUL";
    case json_error_duplicate_key:
        return "a key appears twice in one object";
    case json_error_numeric_overflow:
        return "a number is too large";
    default:
        return "the text is not valid JSON";
    }
}

tm_status tm__json_parse(const void *data, size_t len, uint32_t depth_max, json_t **out,
                         tm_err *err) {
    tm__json_init();
    const uint32_t depth = depth_max < TM_MAX_JSON_DEPTH ? depth_max : TM_MAX_JSON_DEPTH;
    const size_t deep = find_too_deep(data, len, depth);
    if (deep < len) {
        return TM_FAIL(err, TM_E_LIMIT, "json nests deeper than %u at byte %zu", depth, deep);
    }
    if (len > 0 && memchr(data, 0, len) != NULL) { /* jansson steps over one behind a number */
        return TM_FAIL(err, TM_E_DATA, "the text holds a NUL");
    }
    json_error_t error;
    alloc_failed = false;
    json_t *value =
        json_loadb(len == 0 ? "" : data, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value != NULL) {
        *out = value;
        return TM_OK;
    }
    if (alloc_failed || json_error_code(&error) == json_error_out_of_memory) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading json");
    }
    return TM_FAIL(err, TM_E_DATA, "%s (line %d, column %d)", message_of(&error), error.line,
                   error.column);
}

/* The escape of a character that may not stand in a string as it is. */
static void write_escape(tm_buf *buf, uint8_t c) {
    static const char digits[] = "0123456789abcdef";
    static const char pairs[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; pairs[i] != '\0'; i += 2) {
        if (pairs[i] == (char)c) {
            const char escape[2] = {'\\', pairs[i + 1]};
            (void)tm__buf_append(buf, escape, sizeof(escape));
            return;
        }
    }
    const char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    (void)tm__buf_append(buf, escape, sizeof(escape));
}

bool tm__json_write_text(tm_buf *buf, tm_str text) {
    (void)tm__buf_byte(buf, '"');
    size_t start = 0; /* of what is not written yet and needs no escape */
    for (size_t i = 0; i < text.len;) {
        const uint8_t c = (uint8_t)text.ptr[i];
        const bool is_plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
        const size_t n = is_plain ? 1 : tm__str_utf8_char((tm_str){text.ptr + i, text.len - i});
        if (is_plain || n > 1) {
            i += n;
            continue;
        }
        (void)tm__buf_append(buf, text.ptr + start, i - start);
        if (n == 1) {
            write_escape(buf, c);
        } else {
            (void)tm__buf_text(buf, "\xEF\xBF\xBD"); /* U+FFFD in the place of a stray byte */
        }
        start = ++i;
    }
    if (text.len > start) {
        (void)tm__buf_append(buf, text.ptr + start, text.len - start);
    }
    return tm__buf_byte(buf, '"');
}

static bool write_f64(tm_buf *buf, double value) {
    if (!isfinite(value)) {
        return tm__buf_text(buf, "null");
    }
    char text[40];
    const size_t len = tm__f64_to_text(value, text);
    (void)tm__buf_append(buf, text, len);
    /* A real stays a real when it is read back. */
    return strpbrk(text, ".e") != NULL ? !buf->failed : tm__buf_text(buf, ".0");
}

typedef struct writer {
    tm_buf *buf;
    unsigned flags;
} writer;

static void write_value(const writer *out, const json_t *value, unsigned depth);

static void write_break(const writer *out, unsigned depth) {
    if ((out->flags & TM_JSON_PRETTY) != 0) {
        (void)tm__buf_byte(out->buf, '\n');
        for (unsigned i = 0; i < depth; i++) {
            (void)tm__buf_text(out->buf, "  ");
        }
    }
}

static void write_member(const writer *out, const char *key, const json_t *value, unsigned depth) {
    write_break(out, depth);
    (void)tm__json_write_text(out->buf, tm__str(key));
    (void)tm__buf_text(out->buf, (out->flags & TM_JSON_PRETTY) != 0 ? ": " : ":");
    write_value(out, value, depth);
}

static int compare_keys(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_sorted(const writer *out, const json_t *value, unsigned depth) {
    const size_t n = json_object_size(value);
    const char **keys = tm__mem_alloc(n, sizeof(*keys));
    if (keys == NULL) {
        out->buf->failed = true;
        return;
    }
    size_t n_keys = 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) {
        keys[n_keys++] = key;
    }
    qsort(keys, n_keys, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < n_keys; i++) {
        if (i > 0) {
            (void)tm__buf_byte(out->buf, ',');
        }
        write_member(out, keys[i], json_object_get(value, keys[i]), depth + 1);
    }
    tm__mem_free(keys);
}

static void write_object(const writer *out, const json_t *value, unsigned depth) {
    (void)tm__buf_byte(out->buf, '{');
    if ((out->flags & TM_JSON_SORTED) != 0) {
        write_sorted(out, value, depth);
    } else {
        bool is_first = true;
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, key, member) {
            if (!is_first) {
                (void)tm__buf_byte(out->buf, ',');
            }
            is_first = false;
            write_member(out, key, member, depth + 1);
        }
    }
    if (json_object_size(value) > 0) {
        write_break(out, depth);
    }
    (void)tm__buf_byte(out->buf, '}');
}

static void write_array(const writer *out, const json_t *value, unsigned depth) {
    const size_t n = json_array_size(value);
    (void)tm__buf_byte(out->buf, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0) {
            (void)tm__buf_byte(out->buf, ',');
        }
        write_break(out, depth + 1);
        write_value(out, json_array_get(value, i), depth + 1);
    }
    if (n > 0) {
        write_break(out, depth);
    }
    (void)tm__buf_byte(out->buf, ']');
}

static void write_value(const writer *out, const json_t *value, unsigned depth) {
    tm_buf *buf = out->buf;
    /* Values made in memory may hold themselves, which jansson allows by mistake only. */
    if (value == NULL || depth > 4 * TM_MAX_JSON_DEPTH) {
        buf->failed = true;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(out, value, depth);
        break;
    case JSON_ARRAY:
        write_array(out, value, depth);
        break;
    case JSON_STRING:
        (void)tm__json_write_text(buf,
                                  (tm_str){json_string_value(value), json_string_length(value)});
        break;
    case JSON_INTEGER:
        (void)tm__buf_printf(buf, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        (void)write_f64(buf, json_real_value(value));
        break;
    case JSON_TRUE:
        (void)tm__buf_text(buf, "true");
        break;
    case JSON_FALSE:
        (void)tm__buf_text(buf, "false");
        break;
    case JSON_NULL:
        (void)tm__buf_text(buf, "null");
        break;
    }
}

bool tm__json_write(tm_buf *buf, const json_t *value, unsigned flags) {
    const writer out = {.buf = buf, .flags = flags};
    write_value(&out, value, 0);
    return !buf->failed;
}

const char *tm__json_text(const json_t *object, const char *name, const char *otherwise) {
    const json_t *member = json_object_get(object, name);
    return json_is_string(member) ? json_string_value(member) : otherwise;
}

int64_t tm__json_i64(const json_t *object, const char *name, int64_t otherwise) {
    const json_t *member = json_object_get(object, name);
    return json_is_integer(member) ? (int64_t)json_integer_value(member) : otherwise;
}

double tm__json_f64(const json_t *object, const char *name, double otherwise) {
    const json_t *member = json_object_get(object, name);
    return json_is_number(member) ? json_number_value(member) : otherwise;
}

bool tm__json_bool(const json_t *object, const char *name, bool otherwise) {
    const json_t *member = json_object_get(object, name);
    return json_is_boolean(member) ? json_is_true(member) : otherwise;
}

json_t *tm__json_number(double value) {
    tm__json_init();
    return isfinite(value) ? json_real(value) : json_null();
}
