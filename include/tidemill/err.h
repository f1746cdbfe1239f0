/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: what failed, where in the user's data, and what to do about it.
 * An error is a fixed-size struct, so that reporting out-of-memory needs no memory.
 * Not for: control flow between a caller and a lookup that may find nothing (those return NULL).
 */
#ifndef TM_TIDEMILL_ERR_H
#define TM_TIDEMILL_ERR_H

#include <stdint.h>

#if defined(__GNUC__)
#define TM_NODISCARD __attribute__((warn_unused_result))
#define TM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TM_API __attribute__((visibility("default")))
#else
#define TM_NODISCARD
#define TM_PRINTF(fmt, args)
#define TM_API
#endif

typedef enum tm_status {
#define TM_STATUS(name, number, text, http, exit_code) name = number,
#include "tidemill/status.def"
#undef TM_STATUS
    TM_STATUS_END
} tm_status;

typedef struct tm_err {
    tm_status status;     /* what a program branches on                          */
    char message[256];    /* what failed: cannot read column 'age'               */
    char hint[192];       /* what to do about it; may be empty                   */
    const char *src_file; /* where in Tidemill; static storage                   */
    int src_line;         /* where in Tidemill                                   */
    char data_path[512];  /* where in the user's input; empty if nowhere         */
    uint64_t data_row;    /* 1-based record, 0 = not known                       */
    uint32_t data_col;    /* 1-based field, 0 = not known                        */
} tm_err;

/**
 * Text of a status, for people: "not found".
 *
 * Owns:    the result is static storage.
 * Errors:  none; an unknown status gives "unknown".
 * Threads: any.
 */
TM_API const char *tm_status_text(tm_status status);

/**
 * HTTP status code that answers a request which failed with a status.
 *
 * Owns:    nothing.
 * Errors:  none; an unknown status gives 500.
 * Threads: any.
 */
TM_API unsigned tm_status_http(tm_status status);

/**
 * Exit code of a command that failed with a status.
 *
 * Owns:    nothing.
 * Errors:  none; an unknown status gives 70.
 * Threads: any.
 */
TM_API unsigned tm_status_exit(tm_status status);

/**
 * Fill an error and return its status; called through TM_FAIL, which adds the place in the source.
 *
 * err   may be NULL: then only the status is returned.
 *
 * Owns:    copies everything it is given but src_file, which is static storage.
 * Errors:  returns `status`.
 * Threads: any.
 */
TM_API tm_status tm_err_set(tm_err *err, tm_status status, const char *src_file, int src_line,
                            const char *fmt, ...) TM_PRINTF(5, 6);

/**
 * Say what the user can do about an error that was just set; a full sentence.
 *
 * Owns:    copies the text.
 * Errors:  none; err may be NULL.
 * Threads: any.
 */
TM_API void tm_err_hint(tm_err *err, const char *fmt, ...) TM_PRINTF(2, 3);

/**
 * Say where in the user's input an error lies. A NULL path, row 0 or col 0 leaves that part as it
 * is.
 *
 * row   1-based record.
 * col   1-based field.
 *
 * Owns:    copies the path.
 * Errors:  none; err may be NULL.
 * Threads: any.
 */
TM_API void tm_err_at(tm_err *err, const char *path, uint64_t row, uint32_t col);

/* Set an error with its place in the source and give its status. */
#define TM_FAIL(err, status, ...) tm_err_set((err), (status), __FILE__, __LINE__, __VA_ARGS__)

/* Return a failure to the caller at once; only where nothing is held. */
#define TM_TRY(call)                                                                               \
    do {                                                                                           \
        const tm_status tm_try_status = (call);                                                    \
        if (tm_try_status != TM_OK) {                                                              \
            return tm_try_status;                                                                  \
        }                                                                                          \
    } while (0)

#endif
