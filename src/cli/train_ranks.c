/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/train_ranks.h"

#include <stdio.h>
#include <string.h>

#include "base/comm.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/str.h"
#include "tidemill/bundle.h"

enum { READ_BYTES = 1 << 18, VERSION_BYTES = 32 };

/* Whether all ranks have the bytes that rank 0 has; `what` completes "rank 2 ...". */
static tm_status compare(tm_comm *comm, const void *bytes, size_t len, const char *what,
                         tm_err *err) {
    uint8_t first[64];
    TM_TRY(tm__comm_status(comm, err));
    memcpy(first, bytes, len);
    tm__comm_spread(comm, first, len);
    tm_status st = TM_OK;
    if (memcmp(first, bytes, len) != 0) {
        st = TM_FAIL(err, TM_E_CONFLICT, "%s", what);
        tm_err_hint(err, "All ranks need the same program, command and rows.");
    }
    return tm__comm_check(comm, st, err);
}

/* Of the file that runs: the same release built otherwise may round otherwise. */
static tm_status program_hash(tm_hash *out, tm_err *err) {
    tm_file *file = NULL;
    tm_hasher hasher;
    uint8_t *const bytes = tm__mem_alloc(READ_BYTES, 1);
    tm_status st = bytes == NULL ? TM_FAIL(err, TM_E_NOMEM, "out of memory for ranks")
                                 : tm__file_open(tm__program_path(), TM_OPEN_READ, &file, err);
    tm__hasher_init(&hasher);
    for (size_t n = 1; st == TM_OK && n > 0;) {
        st = tm__file_read(file, bytes, READ_BYTES, &n, err);
        if (st == TM_OK) {
            tm__hasher_update(&hasher, bytes, n);
        }
    }
    tm__hasher_final(&hasher, out);
    tm__mem_free(bytes);
    if (file != NULL) {
        tm__file_close(file);
    }
    return st;
}

static tm_status compare_programs(tm_comm *comm, tm_err *err) {
    char version[VERSION_BYTES] = {0};
    tm_hash program = {0};
    (void)tm__str_copy(version, sizeof(version), tm__str(tm_version_text()));
    TM_TRY(compare(comm, version, sizeof(version), "another release than rank 0", err));
    TM_TRY(tm__comm_check(comm, program_hash(&program, err), err));
    return compare(comm, program.bytes, TM_HASH_BYTES, "another build of the program than rank 0",
                   err);
}

tm_status tm__train_ranks_open(tm_cli *cli, tm_ctx *ctx, tm_err *err) {
    const tm_comm_wait wait = {.cancel = &cli->cancel,
                               .timeout_ns =
                                   (uint64_t)tm__cli_duration_us(cli, "rank-timeout") * 1000};
    TM_TRY(tm__comm_open(&wait, &ctx->comm, err));
    if (tm__comm_rank(ctx->comm) > 0) {
        cli->quiet = true;
        ctx->progress = NULL;
    }
    return ctx->comm != NULL ? compare_programs(ctx->comm, err) : TM_OK;
}

tm_status tm__train_ranks_check(const tm_ctx *ctx, const tm_train_options *options, tm_err *err) {
    tm_hash run;
    TM_TRY(compare(ctx->comm, options->snapshot, TM_HASH_BYTES, "other rows than rank 0", err));
    TM_TRY(compare(ctx->comm, options->test_snapshot, TM_HASH_BYTES, "other test rows than rank 0",
                   err));
    TM_TRY(tm__comm_check(ctx->comm, tm__train_run_hash(options, &run, err), err));
    return compare(ctx->comm, run.bytes, TM_HASH_BYTES, "other options than rank 0", err);
}

tm_status tm__train_ranks_same(const tm_ctx *ctx, const tm_hash *bundle, tm_err *err) {
    const tm_status st =
        compare(ctx->comm, bundle->bytes, TM_HASH_BYTES, "another model than rank 0", err);
    return st != TM_E_CONFLICT ? st
                               : TM_FAIL(err, TM_E_INTEGRITY, "ranks learned different models");
}

json_t *tm__train_ranks_report(const tm_ctx *ctx) {
    if (ctx->comm == NULL) {
        return NULL;
    }
    const tm_comm_traffic traffic = tm__comm_traffic(ctx->comm);
    const double n_trees = traffic.n_trees > 0 ? (double)traffic.n_trees : 1;
    return json_pack("{s:I, s:I, s:I, s:o, s:I, s:I, s:o, s:o}", "n",
                     (json_int_t)tm__comm_ranks(ctx->comm), "messages",
                     (json_int_t)traffic.n_messages, "bytes_sent", (json_int_t)traffic.bytes,
                     "seconds_waited", tm__json_number((double)traffic.waited_ns * 1e-9),
                     "fits_dealt", (json_int_t)traffic.n_fits, "trees", (json_int_t)traffic.n_trees,
                     "messages_per_tree", tm__json_number((double)traffic.tree_messages / n_trees),
                     "bytes_per_tree", tm__json_number((double)traffic.tree_bytes / n_trees));
}

/* Only the machine of a rank can make it fail where the others do not. */
static bool is_own_failure(tm_status st) {
    return st == TM_E_NOMEM || st == TM_E_IO || st == TM_E_LIMIT || st == TM_E_UNAVAILABLE;
}

void tm__train_ranks_close(tm_cli *cli, tm_ctx *ctx, tm_status st, tm_err *err) {
    const uint32_t rank = tm__comm_rank(ctx->comm);
    const bool is_lost = tm__comm_is_lost(ctx->comm);
    if (ctx->comm == NULL) {
        return;
    }
    /* Rank 0 says what all of them met, and mpirun who was lost; until then the others wait. */
    const bool is_silent = rank > 0 && st != TM_OK && !is_own_failure(st);
    const bool is_named = strncmp(err->message, "rank ", 5) == 0;
    if (rank > 0 && st != TM_OK && !is_named) {
        char what[sizeof(err->message)];
        (void)tm__str_copy(what, sizeof(what), tm__str(err->message));
        (void)snprintf(err->message, sizeof(err->message), "rank %u: %.230s", rank, what);
    }
    cli->is_silent = is_silent || (rank > 0 && st == TM_OK);
    tm__comm_close(ctx->comm, st == TM_OK || (is_silent && !is_lost));
    ctx->comm = NULL;
}
