/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit chain of a home: the history of registry.h with everything else that matters in it. Who
 * did what to which object, when, and what came of it; each entry holds the hash of the one before,
 * and the last one is signed with the home's key (guard/audit.h). Appending is one durable
 * transaction. What a command did in another database is appended after it is done and before it is
 * acknowledged: an acknowledged operation is in the chain.
 *
 * Not for requests: thousands a second are counted by the server and appended together.
 *
 * Threads as registry.h.
 */
#ifndef TM_REGISTRY_CHAIN_H
#define TM_REGISTRY_CHAIN_H

#include "base/ctx.h"
#include "guard/audit.h"
#include "registry/registry.h"

#define TM_AUDIT_ANCHOR "audit.anchor" /* name in the home */
#define TM_AUDIT_LIST_MAX 1000u
#define TM_AUDIT_KEYS_MAX 16u

/* What is noted; texts are borrowed and hold no value of anybody's data. */
typedef struct tm_audit_note {
    const char *event;      /* "source.added": who, of what kind, and the past */
    const char *object;     /* "source:flights"; NULL: none */
    const char *model;      /* NULL: none */
    const char *outcome;    /* NULL: done; "refused", "failed" */
    const tm_hash *subject; /* tm__audit_subject_make(); NULL: nobody */
    const json_t *details;  /* may be NULL */
} tm_audit_note;
TM_NODISCARD tm_status tm__audit_append(tm_registry *registry, const tm_audit_note *note,
                                        const tm_actor *actor, tm_err *err);

/** Several, in one transaction. */
TM_NODISCARD tm_status tm__audit_append_all(tm_registry *registry, const tm_audit_note *notes,
                                            uint32_t n, const tm_actor *actor, tm_err *err);

/** What stands for a subject in the chain; *out_has false when no subject can be in it yet. */
TM_NODISCARD tm_status tm__audit_subject_find(tm_registry *registry, tm_str id, bool *out_has,
                                              tm_hash *out, tm_err *err);
/** Same for a note: makes the server key when there is none. */
TM_NODISCARD tm_status tm__audit_subject_make(tm_registry *registry, tm_str id, tm_hash *out,
                                              tm_err *err);

/* Which entries are wanted; zero: all. */
typedef struct tm_audit_filter {
    const char *event;      /* "key.created", or "key" for all that begin with "key."; NULL: any */
    const char *actor;      /* NULL: any */
    const char *object;     /* "source:flights", or "source" for all of that kind; NULL: any */
    const char *model;      /* NULL: any */
    const tm_hash *subject; /* NULL: any */
    int64_t after;          /* entries behind this number */
    int64_t since_us, until_us; /* from, before; 0: no bound */
    uint32_t newest;            /* so many of what is left, at most TM_AUDIT_LIST_MAX; 0: the oldest
                                   TM_AUDIT_LIST_MAX */
} tm_audit_filter;
/** [{"seq","at","event","object","model","version","from","actor","outcome","reason","details",
 * "subject"}] oldest first. *out_next is the last one's seq when more follow, else 0. New
 * reference.
 */
TM_NODISCARD tm_status tm__audit_list(tm_registry *registry, const tm_audit_filter *filter,
                                      json_t **out, int64_t *out_next, tm_err *err);

/* What a chain is held against. */
typedef struct tm_audit_check {
    const char *meta_db;       /* path of the database, or of a copy */
    const tm_public_key *keys; /* [n_keys]: who may have signed; none: its key is only told */
    uint32_t n_keys;
    const char *anchor; /* path of an anchor file; NULL: none is looked at */
} tm_audit_check;
typedef struct tm_audit_report {
    uint64_t n;          /* entries */
    bool is_signed;      /* false only for a chain without entries */
    bool is_key_known;   /* it was one of the keys that were given */
    int64_t signed_us;   /* when */
    tm_public_key key;   /* by whom */
    uint64_t n_anchors;  /* lines of the anchor file that agree with the chain */
    uint64_t n_damaged;  /* lines that are none: cut by a crash, or made so */
    uint64_t n_anchored; /* entries up to the newest of them */
} tm_audit_report;
/**
 * Check every entry of a chain, its signature, and what the anchor says of it. Reads only, needs
 * nothing but the files named, and not the home's secrets.
 *
 * Errors:  TM_E_INTEGRITY names the first entry that was changed, removed, inserted or moved, a cut
 *          end, a signature that is wrong or by another key, an anchor that knows better;
 *          TM_E_NOT_FOUND, TM_E_UNSUPPORTED for a file of another format. *out untouched.
 * Threads: one caller; uses ctx->pool.
 * Cost:    reads the table once; 1 us an entry and thread.
 */
TM_NODISCARD tm_status tm__audit_verify(const tm_ctx *ctx, const tm_audit_check *check,
                                        tm_audit_report *out, tm_err *err);

#endif
