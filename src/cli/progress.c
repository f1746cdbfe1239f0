/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context of a long call: threads, memory, cancellation, and progress on stderr. On a terminal
 * progress is one line that is drawn again at most ten times a second; elsewhere a line every ten
 * seconds, so that a log file shows life without filling up.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/net.h"
#include "base/pool.h"

#define DRAW_NS UINT64_C(100000000)
#define LINE_NS UINT64_C(10000000000)
#define BAR_CELLS 24u
#define RUN_BYTES_MAX ((size_t)64 << 30) /* addresses, not memory: the machine is the limit */
#define SCRATCH_BYTES_MAX ((size_t)16 << 30)

tm_status tm__cli_ctx_init(tm_cli *cli, uint32_t n_threads, tm_ctx *ctx, tm_err *err) {
    *ctx = (tm_ctx){.log = &cli->log,
                    .cancel = &cli->cancel,
                    .progress = tm__cli_progress,
                    .progress_arg = cli};
    ctx->pool = tm__pool_create(n_threads);
    ctx->run = tm__arena_create(RUN_BYTES_MAX);
    ctx->scratch = tm__arena_create(SCRATCH_BYTES_MAX);
    if (ctx->pool == NULL || ctx->run == NULL || ctx->scratch == NULL) {
        tm__cli_ctx_done(ctx);
        return TM_FAIL(err, TM_E_NOMEM, "out of memory while starting threads");
    }
    tm__signal_cancel(&cli->cancel, &cli->signal);
    return TM_OK;
}

void tm__cli_ctx_done(tm_ctx *ctx) {
    tm__pool_free(ctx->pool);
    tm__arena_free(ctx->run);
    tm__arena_free(ctx->scratch);
    ctx->pool = NULL;
    ctx->run = NULL;
    ctx->scratch = NULL;
}

static void duration_text(double seconds, char *out, size_t size) {
    if (seconds < 100) {
        snprintf(out, size, "%.0f s", seconds);
    } else if (seconds < 6000) {
        snprintf(out, size, "%.0f min", seconds / 60);
    } else {
        snprintf(out, size, "%.1f h", seconds / 3600);
    }
}

static void line_text(char *out, size_t size, uint64_t done, uint64_t total, double seconds) {
    char left[32];
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    out[0] = '\0';
    if (total == 0 && done == 0) {
        snprintf(out, size, "begun");
    } else if (total == 0) {
        snprintf(out, size, "%llu, %.3g/s", (unsigned long long)done, rate);
    } else if (rate > 0) {
        duration_text(done < total ? (double)(total - done) / rate : 0, left, sizeof(left));
        snprintf(out, size, "%llu of %llu, %.3g/s, %s left", (unsigned long long)done,
                 (unsigned long long)total, rate, left);
    } else {
        snprintf(out, size, "%llu of %llu", (unsigned long long)done, (unsigned long long)total);
    }
}

static void bar_draw(const char *stage, uint64_t done, uint64_t total, const char *text) {
    char bar[BAR_CELLS + 1];
    const uint64_t shown = done < total ? done : total;
    const size_t full = total > 0 ? (size_t)((double)shown / (double)total * BAR_CELLS) : 0;
    memset(bar, '-', BAR_CELLS);
    memset(bar, '#', full);
    bar[BAR_CELLS] = '\0';
    char line[512];
    const int len = total > 0 ? snprintf(line, sizeof(line), "%-10s [%s] %s", stage, bar, text)
                              : snprintf(line, sizeof(line), "%-10s %s", stage, text);
    const int width = (int)tm__tty_width(2) - 1;
    fprintf(stderr, "\r%.*s\033[K", len < width ? len : width, line);
    fflush(stderr);
}

void tm__cli_progress(void *arg, const char *stage, uint64_t done, uint64_t total,
                      const char *note) {
    tm_cli *cli = arg;
    tm_cli_bar *bar = &cli->bar;
    const uint64_t now_ns = tm__mono_ns();
    if (cli->quiet) {
        return;
    }
    const bool is_tty = tm__tty_is(2);
    if (bar->stage == NULL || strcmp(bar->stage, stage) != 0) {
        bar->stage = stage;
        bar->start_ns = now_ns;
        bar->drawn_ns = is_tty ? 0 : bar->drawn_ns != 0 ? bar->drawn_ns : now_ns;
    }
    if (now_ns - bar->drawn_ns < (is_tty ? DRAW_NS : LINE_NS)) {
        return;
    }
    char text[320];
    char counts[160];
    line_text(counts, sizeof(counts), done, total, (double)(now_ns - bar->start_ns) / 1e9);
    snprintf(text, sizeof(text), "%s%s%s", counts, note != NULL && note[0] != '\0' ? "  " : "",
             note != NULL ? note : "");
    bar->drawn_ns = now_ns;
    if (is_tty) {
        if (bar->n_above > 0) {
            tm__cli_bar_reset(cli);
        }
        bar_draw(stage, done, total, text);
        bar->is_shown = true;
    } else {
        fprintf(stderr, "%s: %s\n", stage, text);
    }
}
