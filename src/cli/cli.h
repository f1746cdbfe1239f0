/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of the command line. Commands and their options are rows of tables made from api/cli/;
 * the same rows drive the parser, help, completions and docs/cli.md. A command's body is one
 * function `cmd_<name>` in src/cli/cmd_<name>.c, which gets its parsed words and options, prints
 * results on stdout, notes and progress on stderr, and returns a status; the frame prints the error
 * and turns the status into an exit code. Names of options and arguments given to the accessors
 * must be in the command's table: anything else is a bug and aborts. One owner thread.
 */
#ifndef TM_CLI_CLI_H
#define TM_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/json.h"
#include "base/log.h"
#include "tidemill/err.h"

typedef struct tm_cli tm_cli;

typedef enum tm_option_type {
    TM_OPTION_FLAG,
    TM_OPTION_TEXT,
    TM_OPTION_INT,
    TM_OPTION_FLOAT,
    TM_OPTION_DURATION,
    TM_OPTION_PATH,
    TM_OPTION_CHOICE
} tm_option_type;

typedef struct tm_option {
    const char *name;      /* without dashes                                  */
    char letter;           /* 0: none                                         */
    const char *value;     /* word for its value in help; NULL for a flag     */
    tm_option_type type;   /* a value is checked before the command runs      */
    bool is_required;      /* asked for before the command runs               */
    bool is_repeated;      /* may stand more than once                        */
    bool is_list;          /* each value is cut at commas                     */
    const char *otherwise; /* value when it is not given; NULL: none          */
    const char *choices;   /* separated by blanks; NULL: anything             */
    double min, max;       /* of INT and FLOAT                                */
    const char *doc;
} tm_option;

typedef struct tm_argument {
    const char *name;
    bool is_required, is_repeated;
    const char *doc;
} tm_argument;

typedef struct tm_example {
    const char *command, *doc;
} tm_example;

typedef tm_status (*tm_command_fn)(tm_cli *cli, tm_err *err);

typedef struct tm_command {
    const char *name; /* "train", "model ls" */
    const char *summary;
    const char *group; /* title in the list of commands */
    const tm_example *examples;
    uint32_t n_examples;
    const tm_argument *args;
    uint32_t n_args;
    const tm_option *options;
    uint32_t n_options;
    const char *const *notes;
    uint32_t n_notes;
    tm_command_fn run;
} tm_command;

/* What a progress bar remembers. */
typedef struct tm_cli_bar {
    bool is_shown;    /* a bar stands on the terminal's last line */
    uint32_t n_above; /* and so many lines of the same drawing above it */
    const char *stage;
    uint64_t start_ns, drawn_ns;
} tm_cli_bar;

struct tm_cli {
    const tm_command *command;
    bool json;                 /* one object on stdout and nothing else there */
    bool quiet;                /* no notes, no progress                       */
    uint32_t verbose;          /* times -v was given                          */
    const char *home;          /* --home, or NULL: as tm__home_open() decides */
    tm_log log;                /* on stderr; level by -q and -v               */
    const tm_option **options; /* [n_values] given, those of one option side by side */
    const char **texts;        /* [n_values] their values; NULL for a flag */
    uint32_t n_values;
    struct tm_arena *arena; /* of texts that were cut out of longer ones */
    const char **args;      /* words that are not options, NULL at the end */
    uint32_t n_args;
    volatile _Atomic bool cancel; /* set by the first SIGINT or SIGTERM          */
    volatile _Atomic int signal;  /* its number                                  */
    tm_cli_bar bar;
    char did[160];   /* what is done for good; an error after it says so; empty: nothing */
    bool is_cut;     /* output was lost for want of memory */
    bool is_silent;  /* another process of the same training says what happened */
    bool has_result; /* an object was printed: an error after it goes to stderr */
};

/* ---- What the user gave. ---- */

/** True when the option stands on the command line. */
bool tm__cli_has(const tm_cli *cli, const char *option);
bool tm__cli_flag(const tm_cli *cli, const char *option);
/** Last value given, else the table's default, else NULL. Borrowed. */
const char *tm__cli_text(const tm_cli *cli, const char *option);
/** Checked numbers; 0 when neither given nor defaulted. */
int64_t tm__cli_i64(const tm_cli *cli, const char *option);
double tm__cli_f64(const tm_cli *cli, const char *option);
/** A size as 800M or 2G, over 0; *out is untouched when it was not given. */
TM_NODISCARD tm_status tm__cli_size(const tm_cli *cli, const char *option, uint64_t *out,
                                    tm_err *err);
int64_t tm__cli_duration_us(const tm_cli *cli, const char *option);
/** A date, a time, a time of day (the last one that has come), or how long ago ("7d"), in
 * microseconds; *out stays when it is not given. */
TM_NODISCARD tm_status tm__cli_when(const tm_cli *cli, const char *option, int64_t *out,
                                    tm_err *err);
/** All values of a repeated option in order; NULL and 0 when there are none. Borrowed. */
const char *const *tm__cli_list(const tm_cli *cli, const char *option, uint32_t *out_n);
/** An argument by the name in its table; NULL when it was left out. Of a repeated one the first:
 * the rest follow in cli->args. */
const char *tm__cli_arg(const tm_cli *cli, const char *argument);

/* ---- What a long call needs. ---- */

/** Pool of n_threads (0: all cores), arenas, log, progress on stderr, and cancellation by SIGINT
 * and SIGTERM. Ends with tm__cli_ctx_done(), which is a no-op on a zeroed ctx. */
TM_NODISCARD tm_status tm__cli_ctx_init(tm_cli *cli, uint32_t n_threads, tm_ctx *ctx, tm_err *err);
void tm__cli_ctx_done(tm_ctx *ctx);
/** tm_progress_fn; arg is the tm_cli. A bar with rate and time left on a terminal, else a line
 * every ten seconds; nothing with -q. */
void tm__cli_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                      const char *note);
/** Wipe what progress has drawn on the terminal. */
void tm__cli_bar_reset(tm_cli *cli);

/* ---- What the user sees. ---- */

/** Print one value, indented, with a newline, on stdout; the caller keeps it. */
void tm__cli_print_json(tm_cli *cli, const json_t *value);
/** Same of an object, with its schema as the first member; the caller keeps it. */
void tm__cli_print_object(tm_cli *cli, const char *schema, json_t *object);
/** A result in words on stdout, for people: nothing with --json. Control characters but newline and
 * tab become '?', so that names in data cannot speak to the terminal. */
void tm__cli_print(tm_cli *cli, const char *fmt, ...) TM_PRINTF(2, 3);
/** Say what is durable from here on, such as "version 3 of 'late' is registered": an error that
 * comes after it names it. Needs no memory. */
void tm__cli_did(tm_cli *cli, const char *fmt, ...) TM_PRINTF(2, 3);
/** A remark on stderr; nothing with -q. */
void tm__cli_note(tm_cli *cli, const char *fmt, ...) TM_PRINTF(2, 3);
/** A warning on stderr, also with -q. */
void tm__cli_warn(tm_cli *cli, const char *fmt, ...) TM_PRINTF(2, 3);
/** True when the descriptor is a terminal that wants colour (NO_COLOR, TERM=dumb). */
bool tm__cli_has_colour(int fd);

/** Columns of a terminal that a text takes: code points, wide ones (CJK, emoji) twice. */
uint32_t tm__cli_width(const char *text);

/* Aligned columns; a column whose cells are all numbers stands right. */
typedef struct tm_cli_table {
    uint32_t n_cols;
    tm_buf text; /* cells, each with a NUL */
    uint32_t n_cells;
} tm_cli_table;
/** titles: n_cols texts. */
void tm__cli_table_init(tm_cli_table *table, uint32_t n_cols, const char *const *titles);
/** Append the next cell, row by row. */
void tm__cli_cell(tm_cli_table *table, const char *fmt, ...) TM_PRINTF(2, 3);
/** A number with `digits` significant digits, or "-" when it is not finite. */
void tm__cli_cell_number(tm_cli_table *table, double value, uint32_t digits);
/** Print on stdout (nothing with --json) and end the table. */
void tm__cli_table_print(tm_cli *cli, tm_cli_table *table);

/* ---- The frame itself. ---- */

/** All commands. */
const tm_command *tm__commands(uint32_t *out_n);
/** Options that every command has. */
const tm_option *tm__common_options(uint32_t *out_n);
const tm_command *tm__command_find(const char *name);
/** TM_E_USAGE with what is wrong and what to do. */
TM_NODISCARD tm_status tm__cli_usage(const char *what, const char *hint, tm_err *err);
/** Fail because there is no such command; the hint names the nearest one. */
TM_NODISCARD tm_status tm__cli_unknown_command(const char *name, tm_err *err);

/** Parse argv into a zeroed cli. For help without a command, cli->command stays NULL. TM_E_USAGE
 * with a hint. `cli` ends with tm__cli_done() also after a failure. */
TM_NODISCARD tm_status tm__cli_parse(tm_cli *cli, int argc, const char *const *argv, tm_err *err);
void tm__cli_done(tm_cli *cli);
/** Parse, run, report; returns the exit code. */
int tm__cli_main(int argc, const char *const *argv);
/** Print an error for people on stderr or, with --json and no result before it, as an object on
 * stdout; returns the exit code. */
int tm__cli_fail(tm_cli *cli, const tm_err *err);
/** The same two forms as text, for tests. */
void tm__cli_error_text(const tm_err *err, bool has_colour, tm_buf *out);
json_t *tm__cli_error_json(const tm_err *err);
/** Help of a command, of the commands that start with a word, or (NULL) of all. */
void tm__help_command(const tm_command *command, uint32_t width, tm_buf *out);
void tm__help_list(const char *first_word, uint32_t width, tm_buf *out);
/** Parameters of all learners. */
void tm__help_params(uint32_t width, tm_buf *out);
/** The same: {"schema", "learners": {NAME: [{"name", "default", "doc", ...}]}}. New reference. */
json_t *tm__help_params_json(void);
void tm__help_short(tm_buf *out);
/** A completion script; false for an unknown shell. */
bool tm__completion_write(const char *shell, tm_buf *out);

#include "api_commands.h" /* prototypes of the commands' bodies */

#endif
