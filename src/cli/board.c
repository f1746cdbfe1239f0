/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leaderboard of a search on stderr. On a terminal it is drawn in place:
 *
 *     search by logloss, less is better: 14 trials
 *     > 0.4093  boosted trees, 31 leaves, rate 0.05, 180 rounds      2.1 s
 *       0.4101  linear                                               0.3 s
 *     [##########--------------] 41 %, 25 s of 60 s; boosted trees, 120 trees
 *
 * Elsewhere each improvement is a line, once the search has run for a second, and ten seconds
 * without one are a line, so that a log shows life and short runs say nothing.
 */
#include "cli/board.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fmath.h"
#include "base/net.h"
#include "cli/train_words.h"

#define DRAW_NS UINT64_C(100000000)
#define LINE_NS UINT64_C(10000000000)
#define FIRST_NS UINT64_C(1000000000)
#define BAR_CELLS 24u
#define LINES_MAX 65536u

/* --- places --- */

/* More rows count first: scores of fewer are not to be held against them. */
static bool is_before(const tm_board *board, const tm_board_place *a, const tm_board_place *b) {
    if (a->is_behind != b->is_behind) {
        return b->is_behind;
    }
    if (a->rows != b->rows) {
        return a->rows > b->rows;
    }
    return board->is_loss ? a->score < b->score : a->score > b->score;
}

static void take_out(tm_board *board, uint32_t number) {
    for (uint32_t i = 0; i < board->n_places; i++) {
        if (board->places[i].number == number) {
            memmove(&board->places[i], &board->places[i + 1],
                    (board->n_places - i - 1) * sizeof(board->places[0]));
            board->n_places--;
            return;
        }
    }
}

/* Its place, or TM_BOARD_PLACES when it has none. */
static uint32_t put_in(tm_board *board, const tm_board_place *place) {
    uint32_t at = board->n_places;
    while (at > 0 && is_before(board, place, &board->places[at - 1])) {
        at--;
    }
    if (at == TM_BOARD_PLACES) {
        return at;
    }
    const uint32_t n_kept =
        board->n_places < TM_BOARD_PLACES ? board->n_places : TM_BOARD_PLACES - 1;
    memmove(&board->places[at + 1], &board->places[at], (n_kept - at) * sizeof(board->places[0]));
    board->places[at] = *place;
    board->n_places = n_kept + 1;
    return at;
}

/* --- lines --- */

/* A line of at most width - 1 columns; colour stands around it. Texts are ours: one byte a column.
 */
static void put_line(tm_buf *out, uint32_t width, const char *colour, const char *text) {
    const size_t n = strlen(text), most = width > 1 ? width - 1 : 1;
    if (out->len > 0) {
        (void)tm__buf_byte(out, '\n');
    }
    (void)tm__buf_text(out, colour);
    (void)tm__buf_append(out, text, n < most ? n : most);
    if (colour[0] != '\0') {
        (void)tm__buf_text(out, "\033[0m");
    }
}

static void put_place(const tm_board *board, uint32_t i, uint32_t width, bool has_colour,
                      tm_buf *out) {
    const tm_board_place *p = &board->places[i];
    char line[240], seconds[32];
    (void)tm__span_text(p->seconds, seconds);
    if (width > 58) { /* the time stands right where there is room for it */
        const int shown = width < 140 ? (int)width - 22 : 118;
        (void)snprintf(line, sizeof(line), "%s %-8.5g  %-*.*s %8s", i == 0 ? ">" : " ", p->score,
                       shown, shown, p->text, seconds);
    } else {
        (void)snprintf(line, sizeof(line), "%s %-8.5g  %s", i == 0 ? ">" : " ", p->score, p->text);
    }
    put_line(out, width, has_colour && i == 0 ? "\033[1m" : "", line);
}

static void put_bar(const tm_board *board, uint32_t width, double seconds, tm_buf *out) {
    char bar[BAR_CELLS + 1], line[240], spent[32], whole[32];
    const bool has_budget = isfinite(board->budget_used);
    const double spent_share = board->budget_seconds > 0 ? seconds / board->budget_seconds : 0;
    const double used = has_budget ? fmin(fmax(board->budget_used, spent_share), 1) : 0;
    const uint32_t n_cells = width > 58 ? BAR_CELLS : 10;
    const uint32_t n_full = (uint32_t)(used * n_cells);
    memset(bar, '-', n_cells);
    memset(bar, '#', n_full);
    bar[n_cells] = '\0';
    (void)tm__span_text(floor(seconds), spent);
    (void)tm__span_text(board->budget_seconds, whole);
    const char *of = board->budget_seconds > 0 ? " of " : "";
    const char *behind = board->budget_seconds > 0 ? whole : "";
    if (has_budget) {
        (void)snprintf(line, sizeof(line), "[%s] %.0f %%, %s%s%s%s%s", bar, 100 * used, spent, of,
                       behind, board->now[0] != '\0' ? "; " : "", board->now);
    } else {
        (void)snprintf(line, sizeof(line), "%s%s%s", spent, board->now[0] != '\0' ? "; " : "",
                       board->now);
    }
    put_line(out, width, "", line);
}

uint32_t tm__board_write(const tm_board *board, uint32_t width, bool has_colour, double seconds,
                         tm_buf *out) {
    char line[160];
    (void)snprintf(line, sizeof(line), "search by %s, %s is better: %u trial%s", board->metric,
                   board->is_loss ? "less" : "more", board->n_trials,
                   board->n_trials == 1 ? "" : "s");
    put_line(out, width, "", line);
    for (uint32_t i = 0; i < board->n_places; i++) {
        put_place(board, i, width, has_colour, out);
    }
    put_bar(board, width, seconds, out);
    return board->n_places + 2;
}

/* --- when --- */

static double seconds_of(const tm_board *board, uint64_t now_ns) {
    return (double)(now_ns - board->started_ns) * 1e-9;
}

static void draw(tm_board *board, uint64_t now_ns) {
    tm_buf lines;
    tm__buf_init(&lines, LINES_MAX);
    const uint32_t n = tm__board_write(board, tm__tty_width(2), tm__cli_has_colour(2),
                                       seconds_of(board, now_ns), &lines);
    if (!lines.failed) { /* else it is drawn the next time */
        tm__cli_bar_reset(board->cli);
        fwrite(lines.data, 1, lines.len, stderr);
        fflush(stderr);
        board->cli->bar.is_shown = true;
        board->cli->bar.n_above = n - 1;
    }
    board->drawn_ns = now_ns;
    tm__buf_done(&lines);
}

static void say(tm_board *board, uint64_t now_ns) {
    const tm_board_place *best = &board->places[0];
    char spent[32];
    fprintf(stderr, "search: %u trials, %s, best %s %.5g by %s\n", board->n_trials,
            tm__span_text(seconds_of(board, now_ns), spent), board->metric, best->score,
            best->text);
    board->drawn_ns = now_ns;
}

void tm__board_trial(void *arg, const tm_trial *trial) {
    tm_board *board = arg;
    const uint64_t now_ns = tm__mono_ns();
    tm_board_place place = {.score = trial->score,
                            .seconds = trial->seconds,
                            .number = trial->number,
                            .rows = trial->rows,
                            .is_behind = trial->is_given_up};
    const uint32_t best_before = board->n_places > 0 ? board->places[0].number : 0;
    const double score_before = board->n_places > 0 ? board->places[0].score : tm__nan();
    (void)tm__trial_text(trial->learner, trial->params, trial->rounds, place.text,
                         sizeof(place.text));
    (void)tm__str_copy(board->metric, sizeof(board->metric), tm__str(trial->metric));
    board->is_loss = trial->smaller_is_better;
    board->budget_used = trial->budget_used;
    board->started_ns = board->started_ns != 0 ? board->started_ns : now_ns;
    board->n_trials++;
    board->now[0] = '\0';
    if (!isfinite(trial->score)) {
        return;
    }
    take_out(board, trial->number);
    (void)put_in(board, &place);
    if (tm__tty_is(2)) {
        draw(board, now_ns);
    } else if (now_ns - board->started_ns >= FIRST_NS &&
               (board->places[0].number != best_before || board->places[0].score != score_before)) {
        say(board, now_ns);
    }
}

/* What is tried now, from the progress of its fit. */
static void note_now(tm_board *board, const char *stage, uint64_t done, const char *note) {
    if (strcmp(stage, "fit") == 0 && done > 0) {
        const size_t n = strcspn(board->now, ":");
        (void)snprintf(board->now + n, sizeof(board->now) - n, "%s %llu %s",
                       n > 0 ? ":" : "trying:", (unsigned long long)done, note != NULL ? note : "");
    } else if (note != NULL && note[0] != '\0') {
        char text[64];
        (void)snprintf(board->now, sizeof(board->now), "trying %s",
                       tm__trial_text(note, NULL, 0, text, sizeof(text)));
    } else {
        (void)snprintf(board->now, sizeof(board->now), "trying another");
    }
}

void tm__board_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                        const char *note) {
    tm_board *board = arg;
    const uint64_t now_ns = tm__mono_ns();
    const bool is_search = strcmp(stage, "search") == 0 || strcmp(stage, "full fit") == 0;
    if (is_search && !board->is_searching) {
        board->is_searching = true;
        board->started_ns = board->started_ns != 0 ? board->started_ns : now_ns;
    }
    /* Fits belong to the search until something else begins. */
    board->is_searching = board->is_searching && (is_search || strcmp(stage, "fit") == 0);
    if (!board->is_searching || board->n_trials == 0) {
        tm__cli_progress(board->cli, stage, done, total, note);
        return;
    }
    note_now(board, stage, done, note);
    if (tm__tty_is(2)) {
        if (now_ns - board->drawn_ns >= DRAW_NS) {
            draw(board, now_ns);
        }
    } else if (now_ns - (board->drawn_ns > 0 ? board->drawn_ns : board->started_ns) >= LINE_NS &&
               board->n_places > 0) {
        say(board, now_ns);
    }
}

void tm__board_init(tm_board *board, tm_cli *cli, tm_ctx *ctx, tm_train_options *options) {
    *board = (tm_board){
        .cli = cli, .budget_used = tm__nan(), .budget_seconds = (double)options->budget_ms * 1e-3};
    if (!cli->quiet) {
        ctx->progress = tm__board_progress;
        ctx->progress_arg = board;
        options->on_trial = tm__board_trial;
        options->on_trial_arg = board;
    }
}
