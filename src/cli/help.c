/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Help, made from the tables: what it does, examples, usage, arguments, options, notes. Examples
 * come first, because most people look for one to change.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/model.h"

#define WIDTH_MAX 100u
#define LIST_DOC_AT 19u /* at the least, in a list of commands */
#define DOC_AT_MAX 30u  /* column where explanations start at the most */

/* Append text cut into lines at blanks; lines but the first start at `indent`. */
static void wrap(tm_buf *out, const char *text, uint32_t indent, uint32_t width) {
    uint32_t at = indent;
    tm_str rest = tm__str(text);
    bool is_first = true;
    while (rest.len > 0) {
        const tm_str word = tm__str_cut(&rest, ' ');
        if (!is_first && at + 1 + word.len > width) {
            tm__buf_printf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!is_first) {
            tm__buf_byte(out, ' ');
            at++;
        }
        tm__buf_append(out, word.ptr, word.len);
        at += (uint32_t)word.len;
        is_first = false;
    }
    tm__buf_byte(out, '\n');
}

/* Two columns: `left` at 2, `doc` wrapped at `doc_at`. */
static void row(tm_buf *out, const char *left, const char *doc, uint32_t doc_at, uint32_t width) {
    const size_t len = strlen(left) + 2;
    tm__buf_printf(out, "  %s", left);
    if (len + 2 > doc_at) {
        tm__buf_printf(out, "\n%*s", (int)doc_at, "");
    } else {
        tm__buf_printf(out, "%*s", (int)(doc_at - len), "");
    }
    wrap(out, doc, doc_at, width);
}

static void option_left(const tm_option *option, char *out, size_t size) {
    const char short_text[] = {'-', option->letter, ',', ' ', '\0'};
    snprintf(out, size, "%s--%s%s%s", option->letter != 0 ? short_text : "    ", option->name,
             option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
}

static void options_write(tm_buf *out, const tm_option *options, uint32_t n, uint32_t width) {
    char left[96];
    uint32_t doc_at = 0;
    for (uint32_t i = 0; i < n; i++) {
        option_left(&options[i], left, sizeof(left));
        const uint32_t len = (uint32_t)strlen(left) + 4;
        doc_at = len > doc_at && len <= DOC_AT_MAX ? len : doc_at;
    }
    for (uint32_t i = 0; i < n; i++) {
        char doc[512];
        const tm_option *o = &options[i];
        option_left(o, left, sizeof(left));
        int len = snprintf(doc, sizeof(doc), "%s", o->doc);
        if (o->choices != NULL && len > 0 && (size_t)len < sizeof(doc)) {
            len += snprintf(doc + len, sizeof(doc) - (size_t)len, " One of: %s.", o->choices);
        }
        if (o->otherwise != NULL && len > 0 && (size_t)len < sizeof(doc)) {
            snprintf(doc + len, sizeof(doc) - (size_t)len, " [%s]", o->otherwise);
        }
        row(out, left, doc, doc_at, width);
    }
}

static void usage_write(tm_buf *out, const tm_command *command) {
    tm__buf_printf(out, "Usage: tidemill %s", command->name);
    for (uint32_t i = 0; i < command->n_args; i++) {
        const tm_argument *arg = &command->args[i];
        const char *dots = arg->is_repeated ? "..." : "";
        tm__buf_printf(out, arg->is_required ? " %s%s" : " [%s%s]", arg->name, dots);
    }
    for (uint32_t i = 0; i < command->n_options; i++) {
        if (command->options[i].is_required) {
            tm__buf_printf(out, " --%s %s", command->options[i].name, command->options[i].value);
        }
    }
    tm__buf_text(out, " [options]\n");
}

void tm__help_command(const tm_command *command, uint32_t width, tm_buf *out) {
    width = width > WIDTH_MAX ? WIDTH_MAX : width;
    wrap(out, command->summary, 0, width);
    tm__buf_text(out, "\nExamples:\n");
    for (uint32_t i = 0; i < command->n_examples; i++) {
        tm__buf_printf(out, "  # %s\n  %s\n", command->examples[i].doc,
                       command->examples[i].command);
    }
    tm__buf_byte(out, '\n');
    usage_write(out, command);
    if (command->n_args > 0) {
        uint32_t doc_at = 0;
        for (uint32_t i = 0; i < command->n_args; i++) {
            const uint32_t len = (uint32_t)strlen(command->args[i].name) + 4;
            doc_at = len > doc_at ? len : doc_at;
        }
        tm__buf_text(out, "\nArguments:\n");
        for (uint32_t i = 0; i < command->n_args; i++) {
            row(out, command->args[i].name, command->args[i].doc, doc_at, width);
        }
    }
    if (command->n_options > 0) {
        tm__buf_text(out, "\nOptions:\n");
        options_write(out, command->options, command->n_options, width);
    }
    uint32_t n_common;
    const tm_option *common = tm__common_options(&n_common);
    tm__buf_text(out, "\nOptions of every command:\n");
    options_write(out, common, n_common, width);
    for (uint32_t i = 0; i < command->n_notes; i++) {
        tm__buf_text(out, i == 0 ? "\n" : "");
        wrap(out, command->notes[i], 0, width);
    }
}

void tm__help_list(const char *first_word, uint32_t width, tm_buf *out) {
    uint32_t n;
    const tm_command *all = tm__commands(&n);
    const size_t len = first_word != NULL ? strlen(first_word) : 0;
    const char *group = "";
    uint32_t doc_at = LIST_DOC_AT;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t own = (uint32_t)strlen(all[i].name) + 4;
        doc_at = own > doc_at ? own : doc_at;
    }
    width = width > WIDTH_MAX ? WIDTH_MAX : width;
    if (first_word == NULL) {
        tm__buf_text(out,
                     "Tidemill learns from tables, serves predictions and keeps them right.\n\n"
                     "In two commands:\n"
                     "  tidemill train data.csv --target COLUMN\n"
                     "  tidemill serve\n");
    }
    for (uint32_t i = 0; i < n; i++) {
        if (first_word != NULL &&
            (strncmp(all[i].name, first_word, len) != 0 || all[i].name[len] != ' ')) {
            continue;
        }
        if (first_word == NULL && strcmp(group, all[i].group) != 0) {
            group = all[i].group;
            tm__buf_printf(out, "\n%s:\n", group);
        }
        row(out, all[i].name, all[i].summary, doc_at, width);
    }
    tm__buf_text(out, "\n`tidemill help COMMAND` shows examples and options.\n");
}

/* "gbdt.n_trees=200"; a choice with all its names. */
static void param_write(const tm_model_ops *ops, const tm_param_def *def, uint32_t width,
                        tm_buf *out) {
    char left[96], doc[768];
    if (def->kind == TM_PARAM_CHOICE) {
        const tm_str first = tm__str_cut(&(tm_str){def->choices, strlen(def->choices)}, '|');
        snprintf(left, sizeof(left), "%s.%s=%.*s", ops->name, def->name, (int)first.len, first.ptr);
        int len = snprintf(doc, sizeof(doc), "%s One of", def->doc);
        for (const char *p = def->choices; *p != '\0' && (size_t)len + 3 < sizeof(doc); p++) {
            if (p == def->choices || *p == '|') {
                doc[len++] = ' ';
            }
            doc[len] = '\0';
            len += *p != '|' ? snprintf(doc + len, 2, "%c", *p) : 0;
        }
        snprintf(doc + len, sizeof(doc) - (size_t)len, ".");
    } else {
        snprintf(left, sizeof(left), "%s.%s=%.10g", ops->name, def->name, def->otherwise);
        snprintf(doc, sizeof(doc), "%s [%.10g to %.10g]", def->doc, def->min, def->max);
    }
    row(out, left, doc, DOC_AT_MAX, width);
}

void tm__help_params(uint32_t width, tm_buf *out) {
    width = width > WIDTH_MAX ? WIDTH_MAX : width;
    tm__buf_text(out,
                 "Parameters of learners for `tidemill train --param`, with their defaults:\n");
    for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
        for (uint32_t i = 0; (*list)->params[i].name != NULL; i++) {
            tm__buf_text(out, i == 0 ? "\n" : "");
            param_write(*list, &(*list)->params[i], width, out);
        }
    }
}

static json_t *param_to_json(const tm_param_def *def) {
    if (def->kind == TM_PARAM_CHOICE) {
        tm_str rest = tm__str(def->choices);
        json_t *choices = json_array();
        while (rest.len > 0) {
            const tm_str name = tm__str_cut(&rest, '|');
            json_array_append_new(choices, json_stringn(name.ptr, name.len));
        }
        return json_pack("{s:s, s:O, s:o, s:s}", "name", def->name, "default",
                         json_array_get(choices, 0), "choices", choices, "doc", def->doc);
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:b, s:s}", "name", def->name, "default",
                     tm__json_number(def->otherwise), "min", tm__json_number(def->min), "max",
                     tm__json_number(def->max), "whole", def->kind == TM_PARAM_INT, "doc",
                     def->doc);
}

json_t *tm__help_params_json(void) {
    json_t *learners = json_object();
    for (const tm_model_ops *const *list = tm__model_list(); *list != NULL; list++) {
        json_t *params = json_array();
        for (uint32_t i = 0; (*list)->params[i].name != NULL; i++) {
            json_array_append_new(params, param_to_json(&(*list)->params[i]));
        }
        json_object_set_new(learners, (*list)->name, params);
    }
    return json_pack("{s:s, s:o}", "schema", "tidemill.params/1", "learners", learners);
}

void tm__help_short(tm_buf *out) {
    tm__buf_text(out, "Usage: tidemill COMMAND [options]\n\n"
                      "  tidemill train data.csv --target COLUMN   learn to predict a column\n"
                      "  tidemill serve                            answer predictions over HTTP\n"
                      "  tidemill help                             all commands\n");
}
