/* SPDX-License-Identifier: Apache-2.0 */
/* A source's `consent: {...}`: which column says whose rows may be learned from, and for what. */
#include "base/mem.h"
#include "cli/project_priv.h"

static const char *const names[] = {"column", "for", "by", "source"};
#define N_NAMES (sizeof(names) / sizeof(names[0]))

/* A list of words is the same as words with commas between. */
static tm_status read_list(tm_yaml *r, const yaml_node_t *list, tm_buf *out, tm_err *err) {
    for (const yaml_node_item_t *i = list->data.sequence.items.start;
         i < list->data.sequence.items.top; i++) {
        char *text = NULL;
        TM_TRY(tm__yaml_text(r, yaml_document_get_node(&r->document, *i), &text, err));
        (void)tm__buf_text(out, out->len > 0 ? ", " : "");
        (void)tm__buf_text(out, text);
        tm__mem_free(text);
    }
    return TM_OK;
}

static tm_status read_value(tm_yaml *r, const yaml_node_t *value, const char *name, json_t *consent,
                            tm_err *err) {
    tm_buf text;
    char *word = NULL;
    tm__buf_init(&text, 1u << 16);
    tm_status st = TM_OK;
    if (value->type == YAML_SEQUENCE_NODE) {
        st = read_list(r, value, &text, err);
    } else {
        st = tm__yaml_text(r, value, &word, err);
        (void)tm__buf_text(&text, st == TM_OK ? word : "");
        tm__mem_free(word);
    }
    if (st == TM_OK && text.failed) {
        st = TM_FAIL(err, TM_E_NOMEM, "no memory for the project");
    } else if (st == TM_OK && text.len == 0) {
        st = tm__yaml_bad_value(r, value, name, "a value", err);
    }
    if (st == TM_OK) {
        json_object_set_new(consent, name, json_stringn((const char *)text.data, text.len));
    }
    tm__buf_done(&text);
    return st == TM_OK ? tm__json_check(err) : st;
}

tm_status tm__project_read_consent(tm_yaml *r, const yaml_node_t *map, json_t *spec, tm_err *err) {
    json_t *const consent = json_object();
    json_object_set_new(spec, "consent", consent);
    tm_yaml_pairs p = tm__yaml_pairs(r, map, "consent", names, N_NAMES);
    tm_status st = TM_OK;
    while (tm__yaml_next(&p, &st, err)) {
        st = read_value(r, p.value, names[p.name], consent, err);
    }
    return st;
}
