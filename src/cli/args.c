/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of the command line.
 *
 * Words are read once, left to right. The first word that is no option names the command; when it
 * is the first word of two-word commands, the next such word completes it. Before the command only
 * the common options are known; after it the command's own as well. An option that takes a value
 * takes the rest after '=', else the next word; "--" ends the options. Abbreviations are not
 * accepted: a script that uses one would change its meaning when a longer option is added.
 *
 * Every value is checked here against its row of the table, so that bodies read numbers without a
 * thought for errors (invariant 1: what tm__cli_i64() and its like read again, parsed before).
 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define ARENA_MAX (16u << 20) /* a command line is smaller by far */
#define NAMES_MAX 256u        /* of options or commands that a near miss is looked for in */

/* Where the parser stands. */
typedef struct tm_words {
    int argc;
    const char *const *argv;
    int at;
    bool is_ended;     /* "--" was seen */
    const char *first; /* of a two-word command, while the second is awaited; else NULL */
} tm_words;

static const tm_option *option_in(const tm_option *options, uint32_t n, tm_str name, char letter) {
    for (uint32_t i = 0; i < n; i++) {
        if (letter != 0 ? options[i].letter == letter : tm__str_is(name, options[i].name)) {
            return &options[i];
        }
    }
    return NULL;
}

static const tm_option *option_find(const tm_command *command, tm_str name, char letter) {
    uint32_t n;
    const tm_option *common = tm__common_options(&n);
    const tm_option *found = option_in(common, n, name, letter);
    if (found == NULL && command != NULL) {
        found = option_in(command->options, command->n_options, name, letter);
    }
    return found;
}

static tm_status fail_unknown_option(const tm_command *command, tm_str name, tm_err *err) {
    const char *names[NAMES_MAX];
    uint32_t n_names = 0;
    uint32_t n;
    const tm_option *common = tm__common_options(&n);
    for (uint32_t i = 0; i < n; i++) {
        names[n_names++] = common[i].name;
    }
    for (uint32_t i = 0; command != NULL && i < command->n_options && n_names < NAMES_MAX; i++) {
        names[n_names++] = command->options[i].name;
    }
    const tm_status st =
        TM_FAIL(err, TM_E_USAGE, "unknown option '--%.*s'", (int)name.len, name.ptr);
    const char *nearest = tm__str_nearest(name, names, n_names);
    if (nearest != NULL) {
        tm_err_hint(err, "Did you mean --%s?", nearest);
    } else if (command == NULL) {
        tm_err_hint(err, "Options of a command stand after it; `tidemill help` lists commands.");
    } else {
        tm_err_hint(err, "`tidemill %s --help` lists the options.", command->name);
    }
    return st;
}

/* Words of other programs for what a command here does; NULL: none. */
static const char *known_elsewhere(const char *word) {
    static const char *const words[][2] = {{"jobs", "job ls"},   {"ps", "job ls"},
                                           {"fit", "train"},     {"score", "predict"},
                                           {"infer", "predict"}, {"deploy", "serve"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i][0], word) == 0) {
            return words[i][1];
        }
    }
    return NULL;
}

tm_status tm__cli_usage(const char *what, const char *hint, tm_err *err) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "%s", what);
    tm_err_hint(err, "%s", hint);
    return st;
}

tm_status tm__cli_unknown_command(const char *word, tm_err *err) {
    const char *names[NAMES_MAX];
    uint32_t n;
    const tm_command *all = tm__commands(&n);
    for (uint32_t i = 0; i < n && i < NAMES_MAX; i++) {
        names[i] = all[i].name;
    }
    const char *nearest = known_elsewhere(word);
    if (nearest == NULL) {
        nearest = tm__str_nearest(tm__str(word), names, n < NAMES_MAX ? n : NAMES_MAX);
    }
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "unknown command '%s'", word);
    if (nearest != NULL) {
        tm_err_hint(err, "Did you mean `tidemill %s`?", nearest);
    } else {
        tm_err_hint(err, "`tidemill help` lists the commands.");
    }
    return st;
}

static tm_status check_number(const tm_option *option, const char *text, tm_err *err) {
    double value = 0;
    int64_t whole = 0;
    const bool is_int = option->type == TM_OPTION_INT;
    if (is_int ? !tm__str_to_i64(tm__str(text), &whole) : !tm__str_to_f64(tm__str(text), &value)) {
        return TM_FAIL(err, TM_E_USAGE, "option '--%s' takes a %s, not '%s'", option->name,
                       is_int ? "whole number" : "number", text);
    }
    if (is_int) {
        value = (double)whole;
    }
    if (value < option->min) {
        return TM_FAIL(err, TM_E_USAGE, "option '--%s' is at least %.17g, not '%s'", option->name,
                       option->min, text);
    }
    if (value > option->max) {
        return TM_FAIL(err, TM_E_USAGE, "option '--%s' is at most %.17g, not '%s'", option->name,
                       option->max, text);
    }
    return TM_OK;
}

/* Of the command line alone, where it is promised: a bare number is seconds. */
static bool read_duration(tm_str text, int64_t *out) {
    double seconds = 0;
    if (!tm__str_to_f64(text, &seconds)) {
        return tm__str_to_duration_us(text, out);
    }
    const bool fits = seconds >= 0 && seconds < 0x1p63 / 1e6;
    *out = fits ? (int64_t)floor(seconds * 1e6 + 0.5) : 0;
    return fits;
}

static tm_status check_value(const tm_option *option, const char *text, tm_err *err) {
    int64_t duration_us;
    switch (option->type) {
    case TM_OPTION_INT:
    case TM_OPTION_FLOAT:
        return check_number(option, text, err);
    case TM_OPTION_DURATION:
        if (!read_duration(tm__str(text), &duration_us)) {
            TM_FAIL(err, TM_E_USAGE, "option '--%s' takes a duration, not '%s'", option->name,
                    text);
            tm_err_hint(err, "Write a duration as 500ms, 90s, 15m, 24h or 7d.");
            return TM_E_USAGE;
        }
        return TM_OK;
    case TM_OPTION_CHOICE:
        if (!tm__str_lists(tm__str(option->choices), ' ', text)) {
            TM_FAIL(err, TM_E_USAGE, "option '--%s' does not know '%s'", option->name, text);
            tm_err_hint(err, "Choose one of: %s.", option->choices);
            return TM_E_USAGE;
        }
        return TM_OK;
    case TM_OPTION_TEXT:
    case TM_OPTION_PATH:
        if (text[0] == '\0') {
            return TM_FAIL(err, TM_E_USAGE, "option '--%s' has an empty value", option->name);
        }
        return TM_OK;
    case TM_OPTION_FLAG:
        break;
    }
    return TM_OK;
}

/* Insert behind the option's other values, so that its list is one piece. */
static tm_status value_add(tm_cli *cli, const tm_option *option, const char *text, tm_err *err) {
    const size_t n = (size_t)cli->n_values + 1;
    const tm_option **options = tm__mem_realloc(cli->options, n, sizeof(*options));
    cli->options = options != NULL ? options : cli->options;
    const char **texts = tm__mem_realloc(cli->texts, n, sizeof(*texts));
    cli->texts = texts != NULL ? texts : cli->texts;
    if (options == NULL || texts == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    uint32_t at = cli->n_values;
    for (uint32_t i = 0; i < cli->n_values; i++) {
        at = options[i] == option ? i + 1 : at;
    }
    memmove(&options[at + 1], &options[at], (cli->n_values - at) * sizeof(*options));
    memmove(&texts[at + 1], &texts[at], (cli->n_values - at) * sizeof(*texts));
    options[at] = option;
    texts[at] = text;
    cli->n_values++;
    return TM_OK;
}

/* Add each part between commas; parts are trimmed, empty ones are wrong. */
static tm_status parts_add(tm_cli *cli, const tm_option *option, const char *text, tm_err *err) {
    tm_str rest = tm__str(text);
    bool is_last = false;
    while (!is_last) {
        is_last = memchr(rest.ptr, ',', rest.len) == NULL;
        const tm_str part = tm__str_trim(tm__str_cut(&rest, ','));
        if (part.len == 0) {
            return TM_FAIL(err, TM_E_USAGE, "option '--%s' has an empty part: '%s'", option->name,
                           text);
        }
        const char *copy = tm__arena_strndup(cli->arena, part.ptr, part.len);
        if (copy == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
        TM_TRY(value_add(cli, option, copy, err));
    }
    return TM_OK;
}

static bool has_value(const tm_cli *cli, const tm_option *option) {
    for (uint32_t i = 0; i < cli->n_values; i++) {
        if (cli->options[i] == option) {
            return true;
        }
    }
    return false;
}

/* Take one option whose value, if any, is `text` (from '=') or the next word. */
static tm_status option_take(tm_cli *cli, tm_words *words, const tm_option *option,
                             const char *text, tm_err *err) {
    if (option->type == TM_OPTION_FLAG && text != NULL) {
        return TM_FAIL(err, TM_E_USAGE, "option '--%s' takes no value", option->name);
    }
    if (option->type != TM_OPTION_FLAG && text == NULL) {
        const char *next = words->at < words->argc ? words->argv[words->at] : NULL;
        if (next == NULL || strncmp(next, "--", 2) == 0) {
            TM_FAIL(err, TM_E_USAGE, "option '--%s' needs a value", option->name);
            tm_err_hint(err, "Write --%s %s, or --%s=%s when it starts with dashes.", option->name,
                        option->value, option->name, option->value);
            return TM_E_USAGE;
        }
        text = next;
        words->at++;
    }
    if (!option->is_repeated && option->type != TM_OPTION_FLAG && has_value(cli, option)) {
        return TM_FAIL(err, TM_E_USAGE, "option '--%s' stands twice", option->name);
    }
    if (text != NULL) {
        TM_TRY(check_value(option, text, err));
    }
    return option->is_list ? parts_add(cli, option, text, err) : value_add(cli, option, text, err);
}

static tm_status long_take(tm_cli *cli, tm_words *words, const char *word, tm_err *err) {
    const char *equals = strchr(word, '=');
    const tm_str name = {word, equals != NULL ? (size_t)(equals - word) : strlen(word)};
    const tm_option *option = option_find(cli->command, name, 0);
    if (option == NULL) {
        return fail_unknown_option(cli->command, name, err);
    }
    return option_take(cli, words, option, equals != NULL ? equals + 1 : NULL, err);
}

/* "-qv", "-o file", "-ofile". */
static tm_status letters_take(tm_cli *cli, tm_words *words, const char *letters, tm_err *err) {
    for (const char *at = letters; *at != '\0'; at++) {
        const tm_option *option = option_find(cli->command, tm__str(NULL), *at);
        if (option == NULL) {
            TM_FAIL(err, TM_E_USAGE, "unknown option '-%c'", *at);
            tm_err_hint(err, "`tidemill %s%s--help` lists the options.",
                        cli->command != NULL ? cli->command->name : "",
                        cli->command != NULL ? " " : "");
            return TM_E_USAGE;
        }
        const bool takes = option->type != TM_OPTION_FLAG;
        TM_TRY(option_take(cli, words, option, takes && at[1] != '\0' ? at + 1 : NULL, err));
        if (takes) {
            break;
        }
    }
    return TM_OK;
}

static bool is_first_word(const char *word) {
    uint32_t n;
    const tm_command *all = tm__commands(&n);
    const size_t len = strlen(word);
    for (uint32_t i = 0; i < n; i++) {
        if (strncmp(all[i].name, word, len) == 0 && all[i].name[len] == ' ') {
            return true;
        }
    }
    return false;
}

/* A word that is no option: (part of) the command's name, or an argument. */
static tm_status word_take(tm_cli *cli, tm_words *words, const char *word, tm_err *err) {
    if (cli->command != NULL) {
        cli->args[cli->n_args++] = word;
        return TM_OK;
    }
    char name[96];
    const char *first = words->first != NULL ? words->first : "";
    const int len =
        snprintf(name, sizeof(name), "%s%s%s", first, first[0] != '\0' ? " " : "", word);
    if (len < 0 || (size_t)len >= sizeof(name)) {
        return TM_FAIL(err, TM_E_USAGE, "unknown command '%.40s...'", word);
    }
    cli->command = tm__command_find(name);
    if (cli->command != NULL) {
        words->first = NULL;
        return TM_OK;
    }
    if (words->first == NULL && is_first_word(word)) {
        words->first = word;
        return TM_OK;
    }
    return tm__cli_unknown_command(name, err);
}

static tm_status words_take(tm_cli *cli, tm_words *words, tm_err *err) {
    while (words->at < words->argc) {
        const char *word = words->argv[words->at++];
        if (words->is_ended || word[0] != '-' || word[1] == '\0') {
            TM_TRY(word_take(cli, words, word, err));
        } else if (strcmp(word, "--") == 0) {
            words->is_ended = true;
        } else if (word[1] == '-') {
            TM_TRY(long_take(cli, words, word + 2, err));
        } else {
            TM_TRY(letters_take(cli, words, word + 1, err));
        }
    }
    return TM_OK;
}

/* Required options and the number of arguments. */
static tm_status check_complete(const tm_cli *cli, tm_err *err) {
    const tm_command *command = cli->command;
    uint32_t n_required = 0;
    bool is_open_ended = false;
    for (uint32_t i = 0; i < command->n_args; i++) {
        n_required += command->args[i].is_required ? 1 : 0;
        is_open_ended = is_open_ended || command->args[i].is_repeated;
    }
    if (cli->n_args < n_required) {
        TM_FAIL(err, TM_E_USAGE, "%s is missing", command->args[cli->n_args].name);
    } else if (cli->n_args > command->n_args && !is_open_ended) {
        TM_FAIL(err, TM_E_USAGE, "one word too many: '%s'", cli->args[command->n_args]);
    } else {
        const tm_option *missing = NULL;
        for (uint32_t i = 0; missing == NULL && i < command->n_options; i++) {
            if (command->options[i].is_required && !has_value(cli, &command->options[i])) {
                missing = &command->options[i];
            }
        }
        if (missing == NULL) {
            return TM_OK;
        }
        TM_FAIL(err, TM_E_USAGE, "option '--%s %s' is missing", missing->name, missing->value);
    }
    tm_err_hint(err, "`tidemill %s --help` shows how to use it.", command->name);
    return TM_E_USAGE;
}

static void common_apply(tm_cli *cli) {
    for (uint32_t i = 0; i < cli->n_values; i++) {
        const char *name = cli->options[i]->name;
        if (strcmp(name, "json") == 0) {
            cli->json = true;
        } else if (strcmp(name, "quiet") == 0) {
            cli->quiet = true;
        } else if (strcmp(name, "verbose") == 0) {
            cli->verbose++;
        } else if (strcmp(name, "home") == 0) {
            cli->home = cli->texts[i];
        }
    }
    static const tm_log_level levels[] = {TM_WARN, TM_INFO, TM_DEBUG};
    cli->log.fd = 2;
    cli->log.level = cli->quiet ? TM_ERROR : levels[cli->verbose < 2 ? cli->verbose : 2];
}

tm_status tm__cli_parse(tm_cli *cli, int argc, const char *const *argv, tm_err *err) {
    TM_ASSERT(cli->args == NULL && cli->options == NULL);
    tm_words words = {.argc = argc, .argv = argv, .at = 1};
    cli->args = tm__mem_zalloc((size_t)argc + 1, sizeof(char *));
    cli->arena = tm__arena_create(ARENA_MAX);
    if (cli->args == NULL || cli->arena == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_status st = words_take(cli, &words, err);
    common_apply(cli); /* also after a failure: the error is printed as was asked for */
    TM_TRY(st);
    if (words.first != NULL) {
        cli->args[cli->n_args++] = words.first; /* help lists the commands that start with it */
    }
    if (cli->command == NULL || tm__cli_flag(cli, "help")) {
        return TM_OK;
    }
    return check_complete(cli, err);
}

void tm__cli_done(tm_cli *cli) {
    tm__mem_free((void *)cli->options);
    tm__mem_free((void *)cli->texts);
    tm__mem_free((void *)cli->args);
    tm__arena_free(cli->arena);
    cli->options = NULL;
    cli->texts = NULL;
    cli->args = NULL;
    cli->arena = NULL;
    cli->n_values = 0;
    cli->n_args = 0;
}

/* ---- Accessors. ---- */

/* The row of an option that the command or all commands have; a name without a row is a bug. */
static const tm_option *option_get(const tm_cli *cli, const char *name) {
    const tm_option *option = option_find(cli->command, tm__str(name), 0);
    TM_ASSERT(option != NULL);
    return option;
}

bool tm__cli_has(const tm_cli *cli, const char *option) {
    return has_value(cli, option_get(cli, option));
}

bool tm__cli_flag(const tm_cli *cli, const char *option) {
    return has_value(cli, option_get(cli, option));
}

const char *tm__cli_text(const tm_cli *cli, const char *option) {
    const tm_option *row = option_get(cli, option);
    const char *text = row->otherwise;
    for (uint32_t i = 0; i < cli->n_values; i++) {
        if (cli->options[i] == row) {
            text = cli->texts[i];
        }
    }
    return text;
}

int64_t tm__cli_i64(const tm_cli *cli, const char *option) {
    int64_t value = 0;
    const char *text = tm__cli_text(cli, option);
    TM_ASSERT(text == NULL || tm__str_to_i64(tm__str(text), &value)); /* invariant 1 */
    return value;
}

double tm__cli_f64(const tm_cli *cli, const char *option) {
    double value = 0;
    const char *text = tm__cli_text(cli, option);
    TM_ASSERT(text == NULL || tm__str_to_f64(tm__str(text), &value)); /* invariant 1 */
    return value;
}

tm_status tm__cli_size(const tm_cli *cli, const char *option, uint64_t *out, tm_err *err) {
    uint64_t bytes = 0;
    const char *text = tm__cli_text(cli, option);
    if (text == NULL) {
        return TM_OK;
    }
    if (!tm__str_to_bytes(tm__str(text), &bytes) || bytes == 0) {
        const tm_status st =
            TM_FAIL(err, TM_E_USAGE, "option '--%s' takes a size, not '%.40s'", option, text);
        tm_err_hint(err, "Write a size as 800M or 2G.");
        return st;
    }
    *out = bytes;
    return TM_OK;
}

int64_t tm__cli_duration_us(const tm_cli *cli, const char *option) {
    int64_t value = 0;
    const char *text = tm__cli_text(cli, option);
    TM_ASSERT(text == NULL || read_duration(tm__str(text), &value)); /* invariant 1 */
    return value;
}

tm_status tm__cli_when(const tm_cli *cli, const char *option, int64_t *out, tm_err *err) {
    const char *text = tm__cli_text(cli, option);
    if (text == NULL || tm__moment_parse(tm__str(text), out)) {
        return TM_OK;
    }
    (void)TM_FAIL(err, TM_E_USAGE, "--%s is neither a time nor a duration", option);
    tm_err_hint(err, "Say 2024-05-01, 2024-05-01T12:00:00Z, 14:05, or how long ago: 12h, 7d.");
    return TM_E_USAGE;
}

const char *const *tm__cli_list(const tm_cli *cli, const char *option, uint32_t *out_n) {
    const tm_option *row = option_get(cli, option);
    const char *const *list = NULL;
    *out_n = 0;
    for (uint32_t i = 0; i < cli->n_values; i++) {
        if (cli->options[i] == row) {
            list = *out_n == 0 ? &cli->texts[i] : list;
            (*out_n)++;
        }
    }
    return list;
}

const char *tm__cli_arg(const tm_cli *cli, const char *argument) {
    const tm_command *command = cli->command;
    uint32_t at = 0;
    while (at < command->n_args && strcmp(command->args[at].name, argument) != 0) {
        at++;
    }
    TM_ASSERT(at < command->n_args);
    return at < cli->n_args ? cli->args[at] : NULL;
}
