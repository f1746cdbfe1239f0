/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is run under lost allocations: a command, or a request to a server in this process. Each
 * runs in a folder that is a copy of a template, in a child process of its own.
 */
#ifndef TM_FAULT_CASE_H
#define TM_FAULT_CASE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fault_malloc.h"

#define FAULT_WORDS_MAX 26u

typedef struct fault_case {
    const char *name;
    const char *template;               /* "empty", "full", "moved", "keyed", "hot", "turned" */
    const char *words[FAULT_WORDS_MAX]; /* a command; none: a request */
    bool is_served;  /* the command needs a server on the home; "ADDRESS" in words is its address */
    bool is_serving; /* the command serves until a signal; "ADDRESS" as above */
    bool changes_early; /* what it does at its start may stand although it fails later */
    bool answers_vary;  /* what it logs differs from run to run: by speed, or by ids and times */
    const char *says;   /* it may fail after its change is durable, and then says this */
    const char *method, *target, *body; /* a request; "PREDICTION" in body is an answer's id */
    int want;                           /* exit code or HTTP status without a fault */
} fault_case;

extern const fault_case fault_cases[];
extern const uint32_t fault_n_cases;

/* What a try gave; lies in memory that the parent shares. */
typedef struct fault_result {
    _Atomic bool is_paused, may_go_on; /* a request was answered, and the folder was looked at */
    bool is_done;                      /* the child came to its end */
    int code;                          /* exit code or HTTP status; 0: a request without a reply */
    long n_dropped;                    /* answers that the server counted as not logged */
    int code_after;                    /* of the same request again, without a fault */
    int64_t alive;                     /* blocks of the seam more than before */
    bool has_leak;                     /* said LeakSanitizer */
    fault_count count;
} fault_result;

/** Make the templates below a folder that exists. Ends the program when one cannot be made. */
void fault_templates(const char *root);
/** Run a case in the folder, in a child of this process, with a deadline. stdout and stderr of a
 * command, and the reply of a request, go to files of the folder. `look` (may be NULL) is called
 * when the command is over or the request answered, before the same request is made again. Returns
 * the status of waitpid(); -1 when the deadline passed and the child was killed. */
int fault_run(const fault_case *c, const char *folder, const fault_plan *plan, fault_result *shared,
              void (*look)(void *arg), void *arg);
/** Names of commands and endpoints that no case runs, one a line, are printed; true: none. */
bool fault_covers_all(void);

#endif
