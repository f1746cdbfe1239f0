/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit chain as bytes: what an entry's hash is made of, what a signature of its head says, and
 * the lines of an anchor file, which keeps heads outside of the database. Storage is registry's
 * (registry/chain.h); docs/formats/home.md has the bytes. Any thread.
 */
#ifndef TM_GUARD_AUDIT_H
#define TM_GUARD_AUDIT_H

#include "base/buf.h"
#include "base/hash.h"
#include "guard/guard.h"
#include "guard/sign.h"

#define TM_AUDIT_ENTRY_BYTES_MAX (16u << 20)
#define TM_AUDIT_LINE_BYTES_MAX 1024u

/* One entry as it is hashed. A text whose ptr is NULL is absent, which is not the empty text. */
typedef struct tm_audit_entry {
    int64_t seq, at_us, version, from; /* version and from: -1 is none */
    tm_str model, event, actor, reason, details;
    tm_str object, outcome, subject; /* all absent: the form of before there were any */
} tm_audit_entry;

/** Hash of an entry behind the one whose hash is prev. scratch is overwritten; give the same one
 * again and again. TM_E_NOMEM. */
TM_NODISCARD tm_status tm__audit_hash(const tm_audit_entry *entry, const tm_hash *prev,
                                      tm_buf *scratch, tm_hash *out, tm_err *err);

/* The end of a chain as its owner saw it at a moment: a signed checkpoint of all before it. */
typedef struct tm_audit_head {
    int64_t n, at_us; /* entries, and when it was signed */
    tm_hash hash;     /* of the last one */
    tm_public_key key;
    tm_signature signature; /* of key over n, at_us and hash */
} tm_audit_head;

/** Fill key and signature. */
void tm__audit_sign(const tm_signing_key *key, tm_audit_head *head);
/** True when head->key signed just this n, at_us and hash. */
bool tm__audit_is_signed(const tm_audit_head *head);

/** Append one line of an anchor file; false when out of memory. It begins with a line feed too, so
 * that a line that was cut by a crash spoils no other. */
bool tm__audit_anchor_write(const tm_audit_head *head, tm_buf *out);
/** Read one; false for what is none. The signature is not looked at. */
bool tm__audit_anchor_read(tm_str line, tm_audit_head *out);

/** What stands for a subject in the chain: its keyed hash, which says nothing to whom the server
 * key is not known. */
void tm__audit_subject(const tm_server_key *server, tm_str id, tm_hash *out);

#endif
