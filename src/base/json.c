/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading: our own, over the scanner that requests go through; only the values are jansson's. Its
 * parser (2.14) keeps the text of a token in a buffer that grows byte by byte, and the lexer does
 * not look whether a byte got in: when memory runs out there, it loses digits of a number, aborts
 * in an assertion when it puts a byte back, or looks for the quote that ends a text past the
 * buffer's end.
 *
 * Values that could not be made: jansson's setters take NULL as a value and refuse it, and hardly a
 * caller looks, so that out of memory a key would just be missing from a record. Instead of a check
 * at each of some 200 places, the allocator notes a failure for its thread, and writing refuses.
 *
 * Writing: our own, because jansson formats doubles with a fixed number of digits.
 */
#include "base/json.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_scan.h"
#include "base/limits.h"
#include "base/mem.h"

/* Whether a value could not be made since the thread's last reset. It is the thread's, because
 * jansson gives its allocator no argument. */
static _Thread_local bool has_lost;

static void *alloc_value(size_t bytes) {
    void *block = tm__mem_small(bytes);
    has_lost = has_lost || block == NULL;
    return block;
}

void tm__json_reset(void) {
    tm__json_init();
    has_lost = false;
}

json_t *tm__json_lost(void) {
    has_lost = true;
    return NULL;
}

bool tm__json_is_whole(void) {
    return !has_lost;
}

tm_status tm__json_check(tm_err *err) {
    return has_lost ? TM_FAIL(err, TM_E_NOMEM, "out of memory while making a record") : TM_OK;
}

tm_status tm__json_give(tm_status st, json_t *made, json_t **out, tm_err *err) {
    st = st == TM_OK ? tm__json_check(err) : st;
    if (st != TM_OK) {
        json_decref(made);
        return st;
    }
    *out = made;
    return TM_OK;
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

/* A document that passed the check, on its way to values. */
typedef struct reader {
    char *p;            /* the next value; the steps rewrite texts in place */
    const char *reason; /* why the document is refused; NULL: it is not */
    const char *at;     /* where */
} reader;

static json_t *read_value(reader *r);

static json_t *refuse(reader *r, const char *reason, const char *at) {
    r->reason = reason;
    r->at = at;
    return NULL;
}

static json_t *read_number(reader *r) {
    tm_scan_number number;
    const char *start = r->p;
    r->p = tm__scan_number(r->p, &number);
    if (number.is_whole ? !number.is_int : !number.is_finite) {
        return refuse(r, "a number is too large or too long", start);
    }
    return number.is_int ? json_integer(number.int64) : json_real(number.number);
}

static json_t *read_scalar(reader *r) {
    tm_str text;
    switch (*r->p) {
    case '"':
        r->p = tm__scan_string(r->p, &text);
        return json_stringn_nocheck(text.ptr, text.len);
    case 't':
        r->p += 4;
        return json_true();
    case 'f':
        r->p += 5;
        return json_false();
    case 'n':
        r->p += 4;
        return json_null();
    default:
        return read_number(r);
    }
}

/* One member of an array (name NULL) or of an object; takes the value. */
static bool add_member(json_t *into, const tm_str *name, json_t *value) {
    return (name == NULL ? json_array_append_new(into, value)
                         : json_object_setn_new_nocheck(into, name->ptr, name->len, value)) == 0;
}

static bool read_members(reader *r, json_t *into, bool is_object) {
    char *after = NULL;
    char *member = tm__scan_enter(r->p, &after);
    for (; member != NULL; member = tm__scan_more(r->p, &after)) {
        tm_str name = {0};
        r->p = is_object ? tm__scan_name(member, &name) : member;
        if (is_object && json_object_getn(into, name.ptr, name.len) != NULL) {
            refuse(r, "a key appears twice in one object", member);
            return false;
        }
        json_t *value = read_value(r);
        if (value == NULL || !add_member(into, is_object ? &name : NULL, value)) {
            return false;
        }
    }
    r->p = after;
    return true;
}

static json_t *read_value(reader *r) {
    const bool is_object = *r->p == '{';
    if (!is_object && *r->p != '[') {
        return read_scalar(r);
    }
    json_t *out = is_object ? json_object() : json_array();
    if (out != NULL && !read_members(r, out, is_object)) {
        json_decref(out);
        out = NULL;
    }
    return out;
}

/* Fail at a byte of the document, counted in lines and bytes. */
static tm_status fail_at(tm_err *err, const char *reason, const char *data, size_t at) {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < at; i++) {
        column = data[i] == '\n' ? 1 : column + 1;
        line += data[i] == '\n' ? 1 : 0;
    }
    return TM_FAIL(err, TM_E_DATA, "%s (line %zu, column %zu)", reason, line, column);
}

static tm_status read_document(const char *data, size_t len, char *copy, json_t **out,
                               tm_err *err) {
    tm_scan_error wrong;
    if (!tm__scan_check(copy, len, &wrong)) {
        return TM_FAIL(err, TM_E_DATA, "%s (line %zu, column %zu)", wrong.reason, wrong.line,
                       wrong.column);
    }
    reader r = {.p = tm__scan_space(copy)};
    json_t *value = read_value(&r);
    if (value == NULL && r.reason != NULL) {
        return fail_at(err, r.reason, data, (size_t)(r.at - copy));
    }
    if (value == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading json");
    }
    *out = value;
    return TM_OK;
}

tm_status tm__json_parse(const void *data, size_t len, uint32_t depth_max, json_t **out,
                         tm_err *err) {
    tm__json_init();
    const uint32_t depth = depth_max < TM_MAX_JSON_DEPTH ? depth_max : TM_MAX_JSON_DEPTH;
    const size_t deep = find_too_deep(data, len, depth);
    if (deep < len) {
        return TM_FAIL(err, TM_E_LIMIT, "json nests deeper than %u at byte %zu", depth, deep);
    }
    if (len > 0 && memchr(data, 0, len) != NULL) { /* to the scanner a NUL is the end */
        return TM_FAIL(err, TM_E_DATA, "the text holds a NUL");
    }
    char *copy = tm__mem_strndup(data, len);
    if (copy == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading json");
    }
    const tm_status st = read_document(data, len, copy, out, err);
    tm__mem_free(copy);
    return st;
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
    buf->failed = buf->failed || has_lost;
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

json_t *tm__json_string(const char *text) {
    return text == NULL ? json_null() : json_string(text);
}

json_t *tm__json_time(int64_t us) {
    char text[40];
    return json_stringn(text, tm__time_to_text(us, text));
}

json_t *tm__json_time_or_null(int64_t us) {
    return us == 0 ? json_null() : tm__json_time(us);
}

json_t *tm__json_numbers(const double *values, uint32_t n) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(list, tm__json_number(values[i]));
    }
    return list;
}

bool tm__json_has_text(const json_t *list, const char *text) {
    size_t i = 0;
    const json_t *entry = NULL;
    json_array_foreach(list, i, entry) {
        if (json_is_string(entry) && strcmp(json_string_value(entry), text) == 0) {
            return true;
        }
    }
    return false;
}
