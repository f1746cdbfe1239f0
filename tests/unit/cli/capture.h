/* SPDX-License-Identifier: Apache-2.0 */
/* Catch what a function prints on stdout or stderr. Include once a program. */
#ifndef TM_UNIT_CAPTURE_H
#define TM_UNIT_CAPTURE_H

#include <stdio.h>
#include <unistd.h>

static char capture_text[65536];
static int capture_saved = -1;
static FILE *capture_file;

/* From now on everything written to the descriptor (1 or 2) is caught. */
static inline void capture_begin(int fd) {
    fflush(NULL);
    capture_saved = dup(fd);
    capture_file = tmpfile();
    dup2(fileno(capture_file), fd);
}

/* What was caught; valid until the next time. */
static inline const char *capture_end(int fd) {
    fflush(NULL);
    dup2(capture_saved, fd);
    close(capture_saved);
    rewind(capture_file);
    capture_text[fread(capture_text, 1, sizeof(capture_text) - 1, capture_file)] = '\0';
    fclose(capture_file);
    return capture_text;
}

#endif
