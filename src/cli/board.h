/* SPDX-License-Identifier: Apache-2.0 */
/* A search as it runs: the best trials, what is tried now, and how much of the budget is gone. */
#ifndef TM_CLI_BOARD_H
#define TM_CLI_BOARD_H

#include "cli/cli.h"
#include "train/train.h"

#define TM_BOARD_PLACES 5u

typedef struct tm_board_place {
    char text[120];
    double score, seconds;
    uint32_t number; /* of the candidate */
    uint64_t rows;
    bool is_behind; /* given up, or cut: it stands last */
} tm_board_place;

typedef struct tm_board {
    tm_cli *cli;
    tm_board_place places[TM_BOARD_PLACES]; /* [n_places] best first */
    uint32_t n_places, n_trials;
    char metric[40];
    bool is_loss;
    double budget_used;    /* 0 to 1; NaN: there is none */
    double budget_seconds; /* 0: none */
    uint64_t started_ns, drawn_ns;
    bool is_searching;
    char now[96]; /* what is tried */
} tm_board;

/** Show a training's search: progress and trials of ctx and options go through the board, which
 * outlives them. Nothing with -q. Trials cost it some microseconds, and it draws at most ten times
 * a second. */
void tm__board_init(tm_board *board, tm_cli *cli, tm_ctx *ctx, tm_train_options *options);
/** tm_trial_fn and tm_progress_fn; arg is the board. */
void tm__board_trial(void *arg, const tm_trial *trial);
void tm__board_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                        const char *note);
/** Append the lines of the board, without a newline behind the last, each at most width - 1 columns
 * wide; returns their number. */
uint32_t tm__board_write(const tm_board *board, uint32_t width, bool has_colour, double seconds,
                         tm_buf *out);

#endif
