/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over XML.
 *
 *   p ─> text, comments, instructions, sections ─> "<name ...>" START ─> ... ─> "</name>" END
 *                                                  "<name .../>" START, END
 *
 * 1. Every step moves p on, so the walk ends.
 * 2. An element ends with the name that it began with; `open` holds those that did not end.
 * 3. A text takes at most the bytes that it was written with, so a document cannot grow.
 */
#include "store/xml.h"

#define NAME_BYTES_MAX 128u

void tm__xml_init(tm_xml *xml, tm_str document) {
    document = document.ptr == NULL ? TM_STR("") : document;
    *xml = (tm_xml){.start = document.ptr, .p = document.ptr, .end = document.ptr + document.len};
    tm__buf_init(&xml->text, document.len + 1);
    if (tm__str_has_prefix(document, "\xEF\xBB\xBF")) {
        xml->p += 3;
    }
    if (!tm__str_is_utf8(document) || memchr(document.ptr, '\0', document.len) != NULL) {
        xml->fault = "it is not UTF-8";
    }
}

static tm_xml_kind bad(tm_xml *xml, const char *fault) {
    xml->fault = fault;
    return TM_XML_BAD;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool starts(const tm_xml *xml, const char *word) {
    return tm__str_has_prefix((tm_str){xml->p, (size_t)(xml->end - xml->p)}, word);
}

/* Step behind the next `word`; false when there is none. */
static bool skip_past(tm_xml *xml, const char *word) {
    const size_t len = strlen(word);
    const char *const at = memmem(xml->p, (size_t)(xml->end - xml->p), word, len);
    xml->p = at == NULL ? xml->end : at + len;
    return at != NULL;
}

static bool put_code(tm_buf *out, uint64_t code) {
    uint8_t b[4];
    size_t n = 0;
    const bool is_char = code == '\t' || code == '\n' || code == '\r' ||
                         (code >= 0x20 && code < 0xD800) || (code > 0xDFFF && code < 0x110000);
    if (!is_char) {
        return false;
    }
    if (code < 0x80) {
        b[n++] = (uint8_t)code;
    } else if (code < 0x800) {
        b[n++] = (uint8_t)(0xC0 | (code >> 6));
        b[n++] = (uint8_t)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        b[n++] = (uint8_t)(0xE0 | (code >> 12));
        b[n++] = (uint8_t)(0x80 | ((code >> 6) & 0x3F));
        b[n++] = (uint8_t)(0x80 | (code & 0x3F));
    } else {
        b[n++] = (uint8_t)(0xF0 | (code >> 18));
        b[n++] = (uint8_t)(0x80 | ((code >> 12) & 0x3F));
        b[n++] = (uint8_t)(0x80 | ((code >> 6) & 0x3F));
        b[n++] = (uint8_t)(0x80 | (code & 0x3F));
    }
    return tm__buf_append(out, b, n);
}

/* What stands between '&#' and ';', in decimal or behind an 'x'. */
static bool read_code(tm_str digits, uint64_t *out) {
    const bool is_hex = tm__str_has_prefix(digits, "x");
    uint64_t code = 0;
    digits = is_hex ? (tm_str){digits.ptr + 1, digits.len - 1} : digits;
    if (digits.len == 0 || digits.len > 8) {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        const char c = digits.ptr[i];
        uint64_t digit = 99;
        if (tm__is_digit(c)) {
            digit = (uint64_t)(c - '0');
        } else if (is_hex && ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')) {
            digit = (uint64_t)((c | 0x20) - 'a') + 10;
        }
        if (digit == 99) {
            return false;
        }
        code = code * (is_hex ? 16 : 10) + digit;
    }
    *out = code;
    return true;
}

/* The entity at p, which is '&'. */
static bool read_entity(tm_xml *xml) {
    static const struct {
        const char *name;
        char value;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    const size_t left = (size_t)(xml->end - xml->p);
    const char *const end = memchr(xml->p, ';', left < 12 ? left : 12);
    if (end == NULL) {
        return false;
    }
    const tm_str name = {xml->p + 1, (size_t)(end - xml->p) - 1};
    xml->p = end + 1;
    if (tm__str_has_prefix(name, "#")) {
        uint64_t code = 0;
        return read_code((tm_str){name.ptr + 1, name.len - 1}, &code) && put_code(&xml->text, code);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (tm__str_is(name, known[i].name)) {
            return tm__buf_byte(&xml->text, (uint8_t)known[i].value);
        }
    }
    return false;
}

/* Texts up to the next '<'. */
static bool read_text(tm_xml *xml) {
    while (xml->p < xml->end && *xml->p != '<') {
        const char *at = xml->p;
        while (at < xml->end && *at != '<' && *at != '&') {
            at++;
        }
        (void)tm__buf_append(&xml->text, xml->p, (size_t)(at - xml->p));
        xml->p = at;
        if (at < xml->end && *at == '&' && !read_entity(xml)) {
            return false;
        }
    }
    return !xml->text.failed;
}

static bool is_name_char(char c) {
    return tm__is_alnum(c) || c == '_' || c == '-' || c == '.' || c == ':' ||
           (unsigned char)c >= 0x80;
}

static tm_str read_name(tm_xml *xml) {
    const char *const start = xml->p;
    while (xml->p < xml->end && is_name_char(*xml->p)) {
        xml->p++;
    }
    return (tm_str){start, (size_t)(xml->p - start)};
}

static void skip_space(tm_xml *xml) {
    while (xml->p < xml->end && is_space(*xml->p)) {
        xml->p++;
    }
}

/* Attributes up to the end of the tag; *out_closed says that it ends in "/>". */
static bool skip_attributes(tm_xml *xml, bool *out_closed) {
    for (;;) {
        const char *const before = xml->p;
        skip_space(xml);
        if (starts(xml, "/>")) {
            xml->p += 2;
            *out_closed = true;
            return true;
        }
        if (starts(xml, ">")) {
            xml->p++;
            *out_closed = false;
            return true;
        }
        if (xml->p == before || read_name(xml).len == 0) {
            return false;
        }
        skip_space(xml);
        if (!starts(xml, "=")) {
            return false;
        }
        xml->p++;
        skip_space(xml);
        const char quote = xml->p < xml->end ? *xml->p : '\0';
        if (quote != '"' && quote != '\'') {
            return false;
        }
        xml->p++;
        while (xml->p < xml->end && *xml->p != quote && *xml->p != '<') {
            xml->p++;
        }
        if (xml->p == xml->end || *xml->p != quote) {
            return false;
        }
        xml->p++;
    }
}

/* Names are compared and given without a prefix of a namespace. */
static tm_str local_name(tm_str name) {
    const char *const colon = memchr(name.ptr, ':', name.len);
    return colon == NULL ? name : (tm_str){colon + 1, name.len - (size_t)(colon + 1 - name.ptr)};
}

static tm_xml_kind open_element(tm_xml *xml) {
    xml->p++;
    const tm_str name = read_name(xml);
    if (name.len == 0 || name.len > NAME_BYTES_MAX) {
        return bad(xml, "an element has no name, or a long one");
    }
    if (xml->depth == 0 && xml->has_root) {
        return bad(xml, "there is more than one document");
    }
    if (xml->depth == TM_XML_DEPTH_MAX) {
        return bad(xml, "its elements are nested too deep");
    }
    if (!skip_attributes(xml, &xml->is_closing)) {
        return bad(xml, "a tag is not closed");
    }
    xml->has_root = true;
    xml->open[xml->depth++] = name;
    xml->name = local_name(name);
    tm__buf_reset(&xml->text);
    return TM_XML_START;
}

static tm_xml_kind close_element(tm_xml *xml) {
    if (!xml->is_closing) {
        xml->p += 2;
        const tm_str name = read_name(xml);
        skip_space(xml);
        if (xml->depth == 0 || !tm__str_eq(name, xml->open[xml->depth - 1]) || !starts(xml, ">")) {
            return bad(xml, "an element ends that was not open");
        }
        xml->p++;
    }
    xml->is_closing = false;
    xml->name = local_name(xml->open[--xml->depth]);
    return TM_XML_END;
}

static tm_xml_kind finish(tm_xml *xml) {
    if (xml->depth > 0 || !xml->has_root) {
        return bad(xml, "it is cut short");
    }
    return TM_XML_DONE;
}

tm_xml_kind tm__xml_next(tm_xml *xml) {
    if (xml->fault != NULL) {
        return TM_XML_BAD;
    }
    if (xml->is_closing) {
        return close_element(xml);
    }
    /* A text that was given belongs to what has ended. */
    tm__buf_reset(&xml->text);
    for (;;) {
        const char *const before = xml->p;
        if (!read_text(xml)) {
            return bad(xml, "it has an entity that is not one of XML's own");
        }
        for (const char *c = before; xml->depth == 0 && c < xml->p; c++) {
            if (!is_space(*c)) {
                return bad(xml, "there is text outside of it");
            }
        }
        if (xml->p == xml->end) {
            return finish(xml);
        }
        if (starts(xml, "<!--")) {
            if (!skip_past(xml, "-->")) {
                return bad(xml, "a comment is not closed");
            }
        } else if (starts(xml, "<?")) {
            if (!skip_past(xml, "?>")) {
                return bad(xml, "an instruction is not closed");
            }
        } else if (starts(xml, "<![CDATA[") && xml->depth > 0) {
            const char *const text = xml->p + 9;
            if (!skip_past(xml, "]]>")) {
                return bad(xml, "a section of text is not closed");
            }
            (void)tm__buf_append(&xml->text, text, (size_t)(xml->p - text) - 3);
        } else if (starts(xml, "<!")) {
            return bad(xml, "it has a document type");
        } else {
            return starts(xml, "</") ? close_element(xml) : open_element(xml);
        }
    }
}

tm_str tm__xml_open(const tm_xml *xml, uint32_t depth) {
    return depth < xml->depth ? local_name(xml->open[depth]) : (tm_str){"", 0};
}

void tm__xml_done(tm_xml *xml) {
    tm__buf_done(&xml->text);
}
