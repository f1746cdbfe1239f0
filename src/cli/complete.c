/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion scripts, made from the tables. bash and zsh share the body, which finds the command
 * and what may follow; only how words are read and answers are given differs.
 */
#include "cli/cli.h"

#include <string.h>

#include "base/buf.h"
#include "base/str.h"

static const char BASH_HEAD[] =
    "# bash completion of tidemill\n"
    "_tidemill() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local first= second= command= list= want= word\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n";
static const char BASH_TAIL[] =
    "    if [ \"$want\" = files ] || { [ -z \"$want\" ] && [[ $cur != -* ]]; }; then\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "    else\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _tidemill tidemill\n";
static const char ZSH_HEAD[] = "#compdef tidemill\n"
                               "_tidemill() {\n"
                               "    local cur=${words[CURRENT]} prev=${words[CURRENT-1]}\n"
                               "    local first= second= command= list= want= word\n"
                               "    for word in \"${(@)words[2,CURRENT-1]}\"; do\n";
static const char ZSH_TAIL[] =
    "    if [ \"$want\" = files ] || { [ -z \"$want\" ] && [[ $cur != -* ]]; }; then\n"
    "        _files\n"
    "    else\n"
    "        compadd -- ${=list}\n"
    "    fi\n"
    "}\n"
    "compdef _tidemill tidemill\n";
static const char WORDS[] = "        case $word in\n"
                            "        -*) ;;\n"
                            "        *) if [ -z \"$first\" ]; then first=$word; elif [ -z "
                            "\"$second\" ]; then second=$word; fi ;;\n"
                            "        esac\n"
                            "    done\n"
                            "    command=$first\n";

static tm_str first_word(const char *name) {
    tm_str rest = tm__str(name);
    return tm__str_cut(&rest, ' ');
}

/* True for the first command of those that share a first word, so that each word comes once. */
static bool is_new_word(const tm_command *all, uint32_t at) {
    for (uint32_t i = 0; i < at; i++) {
        if (tm__str_eq(first_word(all[i].name), first_word(all[at].name))) {
            return false;
        }
    }
    return true;
}

static bool is_pair(const tm_command *command) {
    return strchr(command->name, ' ') != NULL;
}

static void first_words_write(tm_buf *out, const tm_command *all, uint32_t n, bool only_pairs,
                              const char *separator) {
    const char *before = only_pairs ? separator : "";
    for (uint32_t i = 0; i < n; i++) {
        if (is_new_word(all, i) && (!only_pairs || is_pair(&all[i]))) {
            const tm_str word = first_word(all[i].name);
            tm__buf_printf(out, "%s%.*s", before, (int)word.len, word.ptr);
            before = separator;
        }
    }
}

/* Second words of the commands that start with `first`. */
static void second_words_write(tm_buf *out, const tm_command *all, uint32_t n, tm_str first) {
    const char *before = "";
    for (uint32_t i = 0; i < n; i++) {
        if (is_pair(&all[i]) && tm__str_eq(first_word(all[i].name), first)) {
            tm__buf_printf(out, "%s%s", before, all[i].name + first.len + 1);
            before = " ";
        }
    }
}

static void options_list(tm_buf *out, const tm_option *options, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        tm__buf_printf(out, " --%s", options[i].name);
    }
}

/* What may follow an option that takes a value. */
static void values_write(tm_buf *out, const char *command, const tm_option *option) {
    if (option->type == TM_OPTION_FLAG) {
        return;
    }
    tm__buf_printf(out, "    '%s --%s'", command, option->name);
    if (option->letter != 0) {
        tm__buf_printf(out, "|'%s -%c'", command, option->letter);
    }
    if (option->type == TM_OPTION_CHOICE) {
        tm__buf_printf(out, ") list='%s'; want=words ;;\n", option->choices);
    } else if (option->type == TM_OPTION_PATH) {
        tm__buf_text(out, ") want=files ;;\n");
    } else {
        tm__buf_text(out, ") list=; want=words ;;\n");
    }
}

static void posix_write(tm_buf *out) {
    uint32_t n, n_common;
    const tm_command *all = tm__commands(&n);
    const tm_option *common = tm__common_options(&n_common);
    /* The first pattern matches nothing, so that the list may be empty. */
    tm__buf_text(out, "    case $first in\n    /");
    first_words_write(out, all, n, true, "|");
    tm__buf_text(out, ") command=\"$first $second\" ;;\n    esac\n    case $command in\n"
                      "    '') list='");
    first_words_write(out, all, n, false, " ");
    tm__buf_text(out, "'; want=words ;;\n");
    for (uint32_t i = 0; i < n; i++) {
        const tm_str first = first_word(all[i].name);
        if (is_pair(&all[i]) && is_new_word(all, i)) {
            tm__buf_printf(out, "    '%.*s ') list='", (int)first.len, first.ptr);
            second_words_write(out, all, n, first);
            tm__buf_text(out, "'; want=words ;;\n");
        }
        tm__buf_printf(out, "    '%s') list='", all[i].name);
        options_list(out, all[i].options, all[i].n_options);
        options_list(out, common, n_common);
        tm__buf_text(out, "' ;;\n");
    }
    tm__buf_text(out, "    esac\n    case \"$command $prev\" in\n");
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < all[i].n_options; j++) {
            values_write(out, all[i].name, &all[i].options[j]);
        }
    }
    tm__buf_text(out, "    *' --home') want=files ;;\n    esac\n");
}

/* Text inside single quotes of fish. */
static void fish_quoted(tm_buf *out, const char *text) {
    tm__buf_byte(out, '\'');
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\') {
            tm__buf_byte(out, '\\');
        }
        tm__buf_byte(out, (uint8_t)*at);
    }
    tm__buf_byte(out, '\'');
}

static void fish_option(tm_buf *out, const char *condition, const tm_option *option) {
    tm__buf_printf(out, "complete -c tidemill%s -l %s", condition, option->name);
    if (option->letter != 0) {
        tm__buf_printf(out, " -s %c", option->letter);
    }
    if (option->type == TM_OPTION_CHOICE) {
        tm__buf_printf(out, " -x -a '%s'", option->choices);
    } else if (option->type != TM_OPTION_FLAG) {
        tm__buf_text(out, option->type == TM_OPTION_PATH ? " -r" : " -x");
    }
    tm__buf_text(out, " -d ");
    fish_quoted(out, option->doc);
    tm__buf_byte(out, '\n');
}

static void fish_write(tm_buf *out) {
    uint32_t n, n_common;
    const tm_command *all = tm__commands(&n);
    const tm_option *common = tm__common_options(&n_common);
    tm__buf_text(out, "# fish completion of tidemill\n");
    for (uint32_t i = 0; i < n; i++) {
        const tm_str first = first_word(all[i].name);
        char condition[320] = "";
        tm_buf text;
        tm__buf_init(&text, sizeof(condition));
        if (is_pair(&all[i])) {
            const char *second = all[i].name + first.len + 1;
            if (is_new_word(all, i)) {
                tm__buf_printf(out, "complete -c tidemill -n __fish_use_subcommand -f -a %.*s\n",
                               (int)first.len, first.ptr);
            }
            tm__buf_printf(out,
                           "complete -c tidemill -n '__fish_seen_subcommand_from %.*s; and not "
                           "__fish_seen_subcommand_from ",
                           (int)first.len, first.ptr);
            second_words_write(out, all, n, first);
            tm__buf_printf(out, "' -f -a %s -d ", second);
            tm__buf_printf(&text,
                           " -n '__fish_seen_subcommand_from %.*s; and "
                           "__fish_seen_subcommand_from %s'",
                           (int)first.len, first.ptr, second);
        } else {
            tm__buf_printf(out, "complete -c tidemill -n __fish_use_subcommand -f -a %s -d ",
                           all[i].name);
            tm__buf_printf(&text, " -n '__fish_seen_subcommand_from %s'", all[i].name);
        }
        fish_quoted(out, all[i].summary);
        tm__buf_byte(out, '\n');
        tm__str_copy(condition, sizeof(condition), (tm_str){(const char *)text.data, text.len});
        tm__buf_done(&text);
        for (uint32_t j = 0; j < all[i].n_options; j++) {
            fish_option(out, condition, &all[i].options[j]);
        }
    }
    for (uint32_t j = 0; j < n_common; j++) {
        fish_option(out, "", &common[j]);
    }
}

bool tm__completion_write(const char *shell, tm_buf *out) {
    if (strcmp(shell, "bash") == 0) {
        tm__buf_text(out, BASH_HEAD);
        tm__buf_text(out, WORDS);
        posix_write(out);
        tm__buf_text(out, BASH_TAIL);
    } else if (strcmp(shell, "zsh") == 0) {
        tm__buf_text(out, ZSH_HEAD);
        tm__buf_text(out, WORDS);
        posix_write(out);
        tm__buf_text(out, ZSH_TAIL);
    } else if (strcmp(shell, "fish") == 0) {
        fish_write(out);
    } else {
        return false;
    }
    return true;
}
