/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. What is kept has one owner, this process; its bytes are read and written under the lock.
 * 2. A name is a JSON list of words, so the process that runs a command again needs the name alone.
 */
#include "base/kept_secret.h"

#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/command.h"
#include "base/json.h"
#include "base/proc_priv.h"
#include "base/sandbox.h"
#include "base/sodium_priv.h"
#include "base/str.h"

#define VARIABLE "TIDEMILL_KEPT"
#define AGAIN_NS UINT64_C(1000000000) /* a command is not run again before */

typedef struct kept {
    char name[TM_KEPT_TEXT];
    char text[TM_KEPT_TEXT];
} kept;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static kept *all; /* [TM_KEPT_MAX] of libsodium's memory; NULL: nothing was kept yet */
static tm_supervisor *renewer;
static uint64_t renewed_ns; /* when a command was last run again */

static kept *find_locked(const char *name) {
    for (unsigned i = 0; all != NULL && i < TM_KEPT_MAX; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

static tm_status keep_locked(const char *name, const char *text, tm_err *err) {
    if (all == NULL) {
        tm__sodium_init();
        all = sodium_allocarray(TM_KEPT_MAX, sizeof(*all));
        if (all == NULL) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory for secrets");
        }
        sodium_memzero(all, TM_KEPT_MAX * sizeof(*all));
    }
    kept *const place = find_locked(name) != NULL ? find_locked(name) : find_locked("");
    if (place == NULL) {
        return TM_FAIL(err, TM_E_LIMIT, "more than %u commands give keys", TM_KEPT_MAX);
    }
    (void)tm__str_copy(place->name, sizeof(place->name), tm__str(name));
    sodium_memzero(place->text, sizeof(place->text));
    memcpy(place->text, text, strnlen(text, TM_KEPT_TEXT - 1));
    return TM_OK;
}

static tm_status starts_nothing(const tm_kept_argv argv, tm_err *err) {
    (void)TM_FAIL(err, TM_E_NOT_ALLOWED,
                  "this process starts no program, and was not given what '%.100s' says", argv[0]);
    tm_err_hint(err, "Start the server again: it runs the command before it listens.");
    return TM_E_NOT_ALLOWED;
}

static tm_status run_locked(const char *name, const tm_kept_argv argv, char *out, tm_err *err) {
    const tm_command command = {.argv = argv, .seconds_max = TM_KEPT_SECONDS};
    tm__process_hide();
    if (renewer != NULL) {
        return tm__supervisor_renew(renewer, name, out, err);
    }
    return tm__sandbox_is_entered() ? starts_nothing(argv, err)
                                    : tm__command_run(&command, out, TM_KEPT_TEXT, err);
}

static tm_status secret_locked(const char *name, const tm_kept_argv argv, bool renews, char *out,
                               tm_err *err) {
    const kept *const known = find_locked(name);
    const uint64_t now_ns = tm__mono_ns();
    const bool is_soon = renewed_ns != 0 && now_ns - renewed_ns < AGAIN_NS;
    if (known != NULL && (!renews || is_soon)) {
        memcpy(out, known->text, TM_KEPT_TEXT);
        return TM_OK;
    }
    if (strlen(name) >= TM_KEPT_TEXT) {
        return TM_FAIL(err, TM_E_LIMIT, "a command is longer than %u bytes", TM_KEPT_TEXT - 1);
    }
    renewed_ns = known != NULL ? now_ns : renewed_ns;
    sodium_memzero(out, TM_KEPT_TEXT);
    TM_TRY(run_locked(name, argv, out, err));
    const tm_status st = keep_locked(name, out, err);
    if (st != TM_OK) {
        sodium_memzero(out, TM_KEPT_TEXT);
    }
    return st;
}

tm_status tm__kept_secret(const char *name, const tm_kept_argv argv, bool renews, char *out,
                          tm_err *err) {
    (void)pthread_mutex_lock(&lock);
    const tm_status st = secret_locked(name, argv, renews, out, err);
    (void)pthread_mutex_unlock(&lock);
    return st;
}

void tm__kept_renew_by(tm_supervisor *supervisor) {
    (void)pthread_mutex_lock(&lock);
    renewer = supervisor;
    (void)pthread_mutex_unlock(&lock);
}

void tm__kept_reset(void) {
    (void)pthread_mutex_lock(&lock);
    sodium_free(all);
    all = NULL;
    renewer = NULL;
    renewed_ns = 0;
    (void)pthread_mutex_unlock(&lock);
}

/* ---- From process to process ---- */

bool tm__kept_hand_on(void) {
    char number[16];
    if (all == NULL) {
        return true;
    }
    const size_t size = TM_KEPT_MAX * sizeof(*all);
    const int fd = memfd_create("kept", MFD_ALLOW_SEALING);
    (void)snprintf(number, sizeof(number), "%d", fd);
    return fd >= 0 && write(fd, all, size) == (ssize_t)size &&
           fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0 &&
           setenv(VARIABLE, number, 1) == 0;
}

/* Only what a supervisor made: an unnamed file of the right size that nobody can change. */
static bool is_handed_on(int fd) {
    struct stat about;
    const int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_WRITE) != 0 && fstat(fd, &about) == 0 &&
           about.st_size == (off_t)(TM_KEPT_MAX * sizeof(kept));
}

static void take(int fd) {
    kept one;
    for (unsigned i = 0; i < TM_KEPT_MAX; i++) {
        const bool is_read =
            pread(fd, &one, sizeof(one), (off_t)(i * sizeof(one))) == (ssize_t)sizeof(one);
        one.name[TM_KEPT_TEXT - 1] = '\0';
        one.text[TM_KEPT_TEXT - 1] = '\0';
        if (is_read && one.name[0] != '\0') {
            const tm_status st = keep_locked(one.name, one.text, NULL);
            (void)st; /* who needs it is told */
        }
    }
    sodium_memzero(&one, sizeof(one));
}

void tm__kept_take(void) {
    const char *const text = getenv(VARIABLE);
    int64_t fd = -1;
    if (text == NULL) {
        return;
    }
    if (getenv(TM_PROC_VARIABLE) != NULL && tm__str_to_i64(tm__str(text), &fd) && fd > 2 &&
        fd < INT32_MAX && is_handed_on((int)fd)) {
        tm__process_hide();
        take((int)fd);
        close((int)fd);
    }
    (void)unsetenv(VARIABLE);
}

/* ---- In a supervisor ---- */

void tm__kept_lock(void) {
    if (all != NULL && sodium_mlock(all, TM_KEPT_MAX * sizeof(*all)) != 0) {
        return; /* of the limit of locked memory: it is in no core dump all the same */
    }
}

tm_status tm__kept_run_again(const char *name, char *out, tm_err *err) {
    tm_kept_argv argv = {NULL};
    json_t *words = NULL;
    if (name[0] == '\0' || find_locked(name) == NULL) {
        return TM_FAIL(err, TM_E_NOT_FOUND, "no such command was kept when the program began");
    }
    TM_TRY(tm__json_parse(name, strlen(name), 2, &words, err));
    const size_t n = json_array_size(words);
    for (size_t i = 0; i < n && i < sizeof(argv) / sizeof(argv[0]) - 1; i++) {
        argv[i] = json_string_value(json_array_get(words, i));
    }
    const tm_command command = {.argv = argv, .seconds_max = TM_KEPT_SECONDS};
    tm_status st = argv[0] == NULL ? TM_FAIL(err, TM_E_INVALID, "a command has no words")
                                   : tm__command_run(&command, out, TM_KEPT_TEXT, err);
    st = st == TM_OK ? keep_locked(name, out, err) : st;
    json_decref(words);
    return st;
}
