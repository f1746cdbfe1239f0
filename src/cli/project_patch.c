/* SPDX-License-Identifier: Apache-2.0 */
/*
 *      text ──> nodes with places ──> one range replaced ──> text      once a change
 *      text before, text after ──> lines that are equal at both ends cut off ──> one hunk
 *
 * Each change reads the text anew, so that places are right however many there are; a project file
 * is small.
 */
#include "cli/project_patch.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/project_priv.h"

#define FILE_BYTES_MAX (1u << 20)
#define CONTEXT 3u

/* ---- one change ---- */

/* Bytes of the text give way to what is put there. */
typedef struct edit {
    size_t begin, end;
    char put[320];
} edit;

typedef struct patching {
    const char *path, *model;
    tm_str text;
    yaml_document_t document;
} patching;

/* Of a mark, which counts characters. */
static size_t byte_of(const patching *p, size_t n_chars) {
    size_t at = p->text.len >= 3 && memcmp(p->text.ptr, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (n_chars > 0 && at < p->text.len) {
        at++;
        while (at < p->text.len && ((unsigned char)p->text.ptr[at] & 0xC0) == 0x80) {
            at++;
        }
        n_chars--;
    }
    return at;
}

static yaml_node_t *node_of(const patching *p, int id) {
    return yaml_document_get_node((yaml_document_t *)(uintptr_t)&p->document, id);
}

static const yaml_node_pair_t *find_pair(const patching *p, const yaml_node_t *map,
                                         const char *key) {
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         map->type == YAML_MAPPING_NODE && pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *const name = node_of(p, pair->key);
        if (name->type == YAML_SCALAR_NODE && tm__str_is(tm__yaml_scalar(name), key)) {
            return pair;
        }
    }
    return NULL;
}

static bool is_flow(const yaml_node_t *node) {
    return (node->type == YAML_MAPPING_NODE &&
            node->data.mapping.style == YAML_FLOW_MAPPING_STYLE) ||
           (node->type == YAML_SEQUENCE_NODE &&
            node->data.sequence.style == YAML_FLOW_SEQUENCE_STYLE);
}

/* A block ends for libyaml where the next thing begins: where the last line of it ends. */
static size_t end_of(const patching *p, const yaml_node_t *node) {
    size_t end = byte_of(p, node->end_mark.index);
    if (node->type == YAML_MAPPING_NODE && !is_flow(node) &&
        node->data.mapping.pairs.top > node->data.mapping.pairs.start) {
        return end_of(p, node_of(p, (node->data.mapping.pairs.top - 1)->value));
    }
    if (node->type == YAML_SEQUENCE_NODE && !is_flow(node) &&
        node->data.sequence.items.top > node->data.sequence.items.start) {
        return end_of(p, node_of(p, *(node->data.sequence.items.top - 1)));
    }
    while (end > 0 && strchr(" \t\r\n", p->text.ptr[end - 1]) != NULL) {
        end--;
    }
    return end;
}

static size_t line_end(const patching *p, size_t at) {
    while (at < p->text.len && p->text.ptr[at] != '\n') {
        at++;
    }
    return at;
}

static tm_status cannot(const patching *p, const yaml_node_t *node, tm_err *err) {
    const tm_status st =
        TM_FAIL(err, TM_E_UNSUPPORTED,
                "model '%.60s' is written so that no patch can be made of it", p->model);
    tm_err_hint(err, "Change it by hand: 'tidemill tune' prints what it proposes.");
    tm_err_at(err, p->path, node->start_mark.line + 1, (uint32_t)node->start_mark.column + 1);
    return st;
}

/* What an alias means stands before it, and is somebody else's. */
static bool is_own(const patching *p, const yaml_node_pair_t *pair) {
    return node_of(p, pair->value)->start_mark.index >= node_of(p, pair->key)->start_mark.index;
}

static tm_status insert(const patching *p, const yaml_node_t *map, const char *text, edit *out,
                        tm_err *err) {
    const yaml_node_pair_t *const first = map->data.mapping.pairs.start;
    const yaml_node_pair_t *const end = map->data.mapping.pairs.top;
    if (end == first) {
        out->begin = out->end = byte_of(p, map->start_mark.index) + 1; /* past the brace */
        (void)snprintf(out->put, sizeof(out->put), "%s", text);
        return is_flow(map) ? TM_OK : cannot(p, map, err);
    }
    const yaml_node_t *const last = node_of(p, (end - 1)->value);
    if (!is_own(p, end - 1)) {
        return cannot(p, map, err);
    }
    out->begin = out->end = is_flow(map) ? end_of(p, last) : line_end(p, end_of(p, last));
    if (is_flow(map)) {
        (void)snprintf(out->put, sizeof(out->put), ", %s", text);
    } else {
        (void)snprintf(out->put, sizeof(out->put), "\n%*s%s",
                       (int)node_of(p, first->key)->start_mark.column, "", text);
    }
    return TM_OK;
}

static void take_out(const patching *p, const yaml_node_t *map, const yaml_node_pair_t *pair,
                     edit *out) {
    const bool is_last = pair + 1 == map->data.mapping.pairs.top;
    const yaml_node_t *const key = node_of(p, pair->key), *const value = node_of(p, pair->value);
    out->put[0] = '\0';
    out->begin = byte_of(p, key->start_mark.index);
    out->end = end_of(p, value);
    if (!is_flow(map)) {
        out->begin -= key->start_mark.column; /* blanks before a key are bytes */
        out->end = line_end(p, out->end);
        out->end += out->end < p->text.len;
    } else if (!is_last) {
        out->end = byte_of(p, node_of(p, pair[1].key)->start_mark.index);
    } else if (pair > map->data.mapping.pairs.start) {
        out->begin = end_of(p, node_of(p, pair[-1].value));
    }
}

/* In a map that is there. */
static tm_status change_in(const patching *p, const yaml_node_t *map, const char *key,
                           const char *value, edit *out, tm_err *err) {
    const yaml_node_pair_t *const pair = find_pair(p, map, key);
    char text[256];
    if (map->type != YAML_MAPPING_NODE || (pair != NULL && !is_own(p, pair))) {
        return cannot(p, map, err);
    }
    if (pair == NULL && value == NULL) {
        return TM_OK;
    }
    (void)snprintf(text, sizeof(text), "%s: %s", key, value != NULL ? value : "");
    if (pair == NULL) {
        return insert(p, map, text, out, err);
    }
    if (value == NULL) {
        take_out(p, map, pair, out);
        return TM_OK;
    }
    out->begin = byte_of(p, node_of(p, pair->key)->start_mark.index);
    out->end = end_of(p, node_of(p, pair->value));
    (void)snprintf(out->put, sizeof(out->put), "%s", text);
    return TM_OK;
}

static tm_status change(const patching *p, const tm_project_change *c, edit *out, tm_err *err) {
    const yaml_node_t *const root =
        yaml_document_get_root_node((yaml_document_t *)(uintptr_t)&p->document);
    const yaml_node_pair_t *const models = find_pair(p, root, "models");
    const yaml_node_pair_t *const model =
        models != NULL ? find_pair(p, node_of(p, models->value), p->model) : NULL;
    if (model == NULL) {
        const tm_status st =
            TM_FAIL(err, TM_E_NOT_FOUND, "the file declares no model '%.80s'", p->model);
        tm_err_at(err, p->path, 0, 0);
        return st;
    }
    const yaml_node_t *const map = node_of(p, model->value);
    if (!is_own(p, model)) {
        return cannot(p, node_of(p, model->key), err);
    }
    const yaml_node_pair_t *const inner = c->map != NULL ? find_pair(p, map, c->map) : NULL;
    if (c->map == NULL) {
        return change_in(p, map, c->key, c->value, out, err);
    }
    if (inner == NULL && c->value == NULL) {
        return TM_OK;
    }
    if (inner == NULL) {
        char text[192];
        (void)snprintf(text, sizeof(text), "{%s: %s}", c->key, c->value);
        return change_in(p, map, c->map, text, out, err);
    }
    const yaml_node_t *const in = node_of(p, inner->value);
    if (!is_own(p, inner)) {
        return cannot(p, map, err);
    }
    const bool is_sole = in->type == YAML_MAPPING_NODE && c->value == NULL &&
                         find_pair(p, in, c->key) != NULL &&
                         in->data.mapping.pairs.top - in->data.mapping.pairs.start == 1;
    return is_sole ? change_in(p, map, c->map, NULL, out, err)
                   : change_in(p, in, c->key, c->value, out, err);
}

static tm_status load(patching *p, tm_err *err) {
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", p->path);
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)p->text.ptr, p->text.len);
    const bool is_loaded = yaml_parser_load(&parser, &p->document) != 0;
    const bool is_lost = parser.error == YAML_MEMORY_ERROR || parser.error == YAML_NO_ERROR;
    yaml_parser_delete(&parser);
    return is_loaded ? TM_OK
           : is_lost ? TM_FAIL(err, TM_E_NOMEM, "out of memory while reading '%s'", p->path)
                     : TM_FAIL(err, TM_E_DATA, "'%s' is no YAML", p->path);
}

static tm_status make_change(const char *path, const char *model, const tm_project_change *c,
                             tm_buf *io, tm_err *err) {
    patching p = {.path = path, .model = model, .text = {(const char *)io->data, io->len}};
    edit e = {0};
    tm_buf made;
    TM_TRY(load(&p, err));
    const tm_status st = change(&p, c, &e, err);
    yaml_document_delete(&p.document);
    if (st != TM_OK || (e.end == e.begin && e.put[0] == '\0')) {
        return st;
    }
    tm__buf_init(&made, FILE_BYTES_MAX + 4096);
    tm__buf_append(&made, io->data, e.begin);
    tm__buf_text(&made, e.put);
    tm__buf_append(&made, io->data + e.end, io->len - e.end);
    tm__buf_done(io);
    *io = made;
    return tm__buf_status(io) == TM_OK ? TM_OK : TM_FAIL(err, TM_E_NOMEM, "out of memory");
}

/* ---- the difference of two texts ---- */

static tm_str next_line(tm_str *rest) {
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != '\n') {
        n++;
    }
    n += n < rest->len;
    const tm_str line = {rest->ptr, n};
    *rest = (tm_str){rest->ptr + n, rest->len - n};
    return line;
}

static size_t count_lines(tm_str text) {
    size_t n = 0;
    while (text.len > 0) {
        (void)next_line(&text);
        n++;
    }
    return n;
}

/* The last line without its end is a line, and is told so. */
static void put_line(tm_buf *out, char sign, tm_str line) {
    tm__buf_byte(out, (uint8_t)sign);
    tm__buf_append(out, line.ptr, line.len);
    if (line.len == 0 || line.ptr[line.len - 1] != '\n') {
        tm__buf_text(out, "\n\\ No newline at end of file\n");
    }
}

static void put_lines(tm_buf *out, char sign, tm_str text) {
    while (text.len > 0) {
        put_line(out, sign, next_line(&text));
    }
}

/* Bytes of whole lines that both begin with. */
static size_t common_head(tm_str a, tm_str b) {
    size_t n = 0;
    while (a.len > 0 && b.len > 0) {
        const tm_str x = next_line(&a), y = next_line(&b);
        if (!tm__str_eq(x, y)) {
            break;
        }
        n += x.len;
    }
    return n;
}

/* Bytes of whole lines that both end with. */
static size_t common_tail(tm_str a, tm_str b) {
    size_t n = 0, lines = 0;
    while (n < a.len && n < b.len && a.ptr[a.len - 1 - n] == b.ptr[b.len - 1 - n]) {
        n++;
        const bool starts_both = (n == a.len || a.ptr[a.len - 1 - n] == '\n') &&
                                 (n == b.len || b.ptr[b.len - 1 - n] == '\n');
        lines = starts_both ? n : lines;
    }
    return lines;
}

static tm_str last_lines(tm_str text, size_t n) {
    size_t at = text.len;
    while (at > 0 && n > 0) {
        at--;
        n -= at == 0 || text.ptr[at - 1] == '\n';
    }
    return (tm_str){text.ptr + at, text.len - at};
}

static tm_str first_lines(tm_str text, size_t n) {
    tm_str rest = text;
    while (n > 0 && rest.len > 0) {
        (void)next_line(&rest);
        n--;
    }
    return (tm_str){text.ptr, text.len - rest.len};
}

static const char *name_in_patch(const char *path) {
    while (path[0] == '/' || (path[0] == '.' && path[1] == '/')) {
        path += path[0] == '/' ? 1 : 2;
    }
    return path;
}

static void put_difference(const char *path, tm_str before, tm_str after, tm_buf *out) {
    const size_t head = common_head(before, after);
    const tm_str a = {before.ptr + head, before.len - head};
    const tm_str b = {after.ptr + head, after.len - head};
    const size_t tail = common_tail(a, b);
    const tm_str gone = {a.ptr, a.len - tail}, come = {b.ptr, b.len - tail};
    const tm_str lead = last_lines((tm_str){before.ptr, head}, CONTEXT);
    const tm_str trail = first_lines((tm_str){a.ptr + gone.len, tail}, CONTEXT);
    const size_t around = count_lines(lead) + count_lines(trail);
    const size_t first = count_lines((tm_str){before.ptr, head}) - count_lines(lead) + 1;
    tm__buf_printf(out, "--- a/%s\n+++ b/%s\n", name_in_patch(path), name_in_patch(path));
    tm__buf_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", first, around + count_lines(gone), first,
                   around + count_lines(come));
    put_lines(out, ' ', lead);
    put_lines(out, '-', gone);
    put_lines(out, '+', come);
    put_lines(out, ' ', trail);
}

/* ---- all of it ---- */

tm_status tm__project_patch(const char *path, const char *model, const tm_project_change *changes,
                            uint32_t n_changes, tm_buf *out, tm_err *err) {
    tm_buf before, after;
    tm_project project = {0};
    tm__buf_init(&before, FILE_BYTES_MAX);
    tm__buf_init(&after, FILE_BYTES_MAX);
    tm_status st = tm__fs_read_all(path, &before, err);
    if (st == TM_OK && !tm__buf_append(&after, before.data, before.len)) {
        st = TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; st == TM_OK && i < n_changes; i++) {
        st = make_change(path, model, &changes[i], &after, err);
    }
    const tm_str text = {(const char *)after.data, after.len};
    st = st == TM_OK ? tm__project_parse(text, path, ".", &project, err) : st;
    if (st == TM_OK) {
        put_difference(path, (tm_str){(const char *)before.data, before.len}, text, out);
        st = out->failed ? TM_FAIL(err, TM_E_NOMEM, "out of memory") : TM_OK;
    }
    tm__project_done(&project);
    tm__buf_done(&before);
    tm__buf_done(&after);
    return st;
}
