/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of serve/ share: an exchange (one request and its reply), the table of endpoints,
 * who may call them, what is being served, and the counters. Only for this folder.
 */
#ifndef TM_SERVE_SERVE_PRIV_H
#define TM_SERVE_SERVE_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/limits.h"
#include "guard/guard.h"
#include "model/bundle.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "serve/http.h"
#include "serve/serve.h"
#include "source/intake.h"

#define TM_REQUEST_ID_TEXT 65 /* with NUL */
#define TM_ERRORS_MAX 16u     /* named in one problem document */

typedef struct tm_exchange tm_exchange;
typedef struct tm_plan tm_plan;

/* W3C trace context: the trace that a request belongs to, and this server's part of it. */
typedef struct tm_trace {
    char trace_id[33]; /* empty: the request brought none */
    char span_id[17];
    char flags[3];
} tm_trace;
/** Take a traceparent field; what is not well-formed is none, as the standard wants. */
void tm__trace_init(tm_trace *trace, tm_str traceparent);

/* What bodies are, as bits. */
typedef enum tm_media {
    TM_MEDIA_NONE = 0,
    TM_MEDIA_JSON = 1,    /* application/json */
    TM_MEDIA_LINES = 2,   /* application/x-ndjson, application/jsonl */
    TM_MEDIA_CSV = 4,     /* text/csv */
    TM_MEDIA_BYTES = 8,   /* application/octet-stream, and bodies that do not say what they are */
    TM_MEDIA_PARQUET = 16 /* application/vnd.apache.parquet, application/x-parquet */
} tm_media;

/* How a protocol's errors look. */
typedef enum tm_error_shape {
    TM_ERRORS_PROBLEM, /* RFC 9457 */
    TM_ERRORS_V2,      /* {"error"} */
    TM_ERRORS_MLFLOW   /* {"error_code", "message"} */
} tm_error_shape;

#define TM_QUERY_MAX 7u /* parameters in a query */
/* One row of the table made from api/http. */
typedef struct tm_endpoint {
    const char *name;
    tm_http_method method;
    const char *path; /* "/v1/models/{model}:promote" */
    tm_permission permission;
    void (*handle)(tm_exchange *x);
    bool is_scoped; /* it holds what the body names to the models of the key itself */
    bool on_desk;   /* may wait for a disk: runs on the desk's thread, not on a worker */
    bool on_study;  /* may read much besides: runs on the study's thread */
    bool on_batch;  /* its body is work, and it waits for others: runs on a batch thread */
    unsigned media; /* kinds of bodies that it takes; 0: none */
    tm_error_shape errors;
    bool is_general;                 /* says nothing of models */
    const char *query[TM_QUERY_MAX]; /* names of parameters */
} tm_endpoint;

uint32_t tm__endpoint_count(void);
const tm_endpoint *tm__endpoint_get(uint32_t index);
uint32_t tm__endpoint_index(const tm_endpoint *endpoint);
/** The OpenAPI document. */
tm_str tm__endpoint_openapi(void);

typedef struct tm_match {
    const tm_endpoint *endpoint; /* NULL: no such path, or not with this method */
    bool path_exists;            /* 405 rather than 404 */
    char allow[16];              /* methods of the path */
    char params[2][TM_MAX_NAME + 1];
} tm_match;
/** Find the endpoint of a request; HEAD is answered by GET. */
void tm__endpoint_match(tm_http_method method, tm_str path, tm_match *out);

/* Keys as the server knows them; part of a tm_current, immutable. */
typedef struct tm_key_meter { /* what a key used up; shared by the generations that know the key */
    _Atomic uint32_t refs;
    _Atomic uint64_t used[TM_KEY_RATES_MAX];
} tm_key_meter;
typedef struct tm_known_key {
    char id[9];
    tm_guard_role role;
    tm_hash hash;
    char *models;       /* names with commas; NULL: all */
    char *name;         /* of a key with a password: who signs in with it; else NULL */
    int64_t expires_us; /* 0: never */
    uint32_t n_rates;
    tm_rate rates[TM_KEY_RATES_MAX];
    tm_key_meter *meter; /* NULL when there is no rate */
} tm_known_key;
typedef struct tm_keyring {
    uint64_t number;      /* grows from one to the next; 0: none */
    bool ever;            /* a key was made once: from then on every request but health needs one */
    tm_server_key server; /* what their hashes are made with */
    uint32_t n;
    tm_known_key *keys; /* in order of ids */
} tm_keyring;

/* Where the server is, as its clients see it. Texts live as long as the server. */
typedef struct tm_access_place {
    const char *address; /* listened on: "127.0.0.1:8080" */
    const char *hosts;   /* names with commas that Host may give; NULL: none */
    const char *origins; /* of pages that browsers may call it from; NULL: none */
} tm_access_place;

typedef struct tm_access_request {
    tm_permission permission;
    tm_str authorization, api_key; /* headers; ptr NULL: absent */
    tm_key_memory *memory;         /* the connection's; NULL: none */
    tm_str host, origin;
    bool peer_is_loopback;
    bool is_tls;
    tm_access_place place;
    tm_str model;            /* that it is about; ptr NULL: not one */
    bool is_general;         /* says nothing of models: keys of one model may ask too */
    const char *session_key; /* id of the key that a browser signed in with; NULL: none */
    bool changes_state;      /* by its method */
    bool has_csrf;           /* the page of that session sent it */
    int64_t now_us;          /* for the ends of keys */
    uint64_t now_ns;         /* for their rates */
} tm_access_request;
typedef struct tm_access {
    unsigned status; /* 200, 401, 403 or 429 */
    uint32_t retry_after_s;
    const char *reason, *hint;
    tm_guard_role role;
    tm_str origin;  /* one of place.origins, whose page may read the reply; ptr NULL: none */
    char actor[20]; /* "key:1A2B3C4D" or "http:local" */
} tm_access;
/** Decide; deny by default. Nothing but the key's rate changes by it. */
void tm__access_check(const tm_keyring *keys, const tm_access_request *request, tm_access *out);
/** A key that is good now, by its id or by what was presented; NULL: there is none. Borrowed. */
const tm_known_key *tm__access_key(const tm_keyring *keys, const char *id, int64_t now_us);
const tm_known_key *tm__access_find_key(const tm_keyring *keys, tm_str text, int64_t now_us);
/** The key that a name and a password stand for; NULL: there is none. Takes as long for a name that
 * nobody has, and one hash's time (tm__password_key()) for each key of the name: not for a worker.
 * Borrowed. */
const tm_known_key *tm__access_find_person(const tm_keyring *keys, tm_str name, tm_str password,
                                           int64_t now_us);
/** Models of the key that an exchange was let in with, names with commas; NULL: all. "" when the
 * key is no longer there. */
const char *tm__access_models(const tm_keyring *keys, const tm_access *access);
/** True when a Host header names this machine's loopback or the address listened on. */
bool tm__access_host_is_ours(tm_str host, const char *address);
/** The one of place.origins that an Origin header names; ptr NULL when it is none of them. */
tm_str tm__access_find_origin(const tm_access_place *place, tm_str origin);

/* Why a version answered. */
typedef enum tm_arm_kind {
    TM_ARM_CHAMPION,   /* its route serves it */
    TM_ARM_CHALLENGER, /* its route is split, and the request came to it */
    TM_ARM_FALLBACK,   /* for one that cannot be served, or failed inside: the champion, or for it
                          the one before */
    TM_ARM_NAMED,      /* the request named it */
    TM_ARM_EXPLORED,   /* the champion, but what its rows are decided as is drawn (explored.h) */
    TM_ARM_SHADOW,     /* nobody was given its answer */
    TM_ARMS_N
} tm_arm_kind;
const char *tm__arm_text(tm_arm_kind arm);

/* One route being served: immutable but for the scratches, one for each thread that predicts
 * (tm_desk.index). Shared by count. */
typedef struct tm_served {
    _Atomic uint32_t refs;
    char route[TM_MAX_NAME + 1], model[TM_MAX_NAME + 1];
    uint32_t version;
    tm_hash hash;
    tm_bundle *bundle;       /* NULL: could not be loaded, and nothing older was there */
    bool is_stale;           /* an older version than the registry wants, which cannot be served */
    uint32_t wanted_version; /* is_stale: what it wants, and why not */
    char problem[256];
    uint64_t bytes;  /* held by bundle, plan and scratches */
    uint32_t n_warm; /* logged requests that it answered before it was visible */
    tm_plan *plan;
    struct tm_counted *counted;    /* rows by cells of the reference; NULL: it has none */
    struct tm_requests *requests;  /* NULL: it cannot answer */
    struct tm_fields *fields;      /* of its plan; NULL: it has none */
    struct tm_fill *fill;          /* features that a row may leave out; NULL: none */
    tm_bundle_scratch **scratches; /* [n_scratches] */
    uint32_t n_scratches;
    tm_class_kind class_kind;
    double explore;            /* share of requests whose decisions are drawn; 0: none */
    _Atomic uint64_t n_broken; /* requests on which it failed inside */
    /* Its answers in the log, by why it gave them; NULL until the first. */
    _Atomic(tm_stream *) streams[TM_ARMS_N];
} tm_served;

/* What is served from one generation of the registry; immutable, shared by count. */
typedef struct tm_current {
    _Atomic uint32_t refs;
    uint32_t n;
    tm_served **routes;    /* in name order */
    struct tm_arms **arms; /* [n] of routes that are split or have a shadow; NULL: neither */
    uint32_t *earlier;     /* [n] the champion before, to which a rollback would go; 0: none */
    /* Versions of the same routes that are ready too: what a rollback would bring back, the
     * challenger, what served before. A swap to them is one of pointers, and a request may name
     * them. */
    uint32_t n_kept;
    tm_served **kept;
    uint64_t bytes;           /* of all, each bundle once */
    struct tm_online *online; /* the store that rows are filled from; NULL: none */
    tm_keyring keyring;
    struct tm_current *next_retired; /* the server's: no longer published, perhaps still read */
    uint64_t retired_epoch;
    struct tm_current
        *_Atomic before;         /* answers until the moment of this one; NULL: it has passed */
    uint64_t from_ns, surely_ns; /* it lies between: monotonic */
} tm_current;
/* What bundles may be taken from, so that a promotion and a rollback are a swap of pointers. */
typedef struct tm_current_past {
    const tm_current *latest;   /* NULL: none */
    tm_served *prepared;        /* made ready for a move; NULL: none */
    tm_served *opened;          /* made ready to be kept (tm__current_keep()); NULL: none */
    const tm_home *home;        /* where the online store is */
    uint64_t store;             /* its generation that may be opened; 0: none */
    uint32_t n_desks;           /* threads that predict; 0 stands for 1 */
    uint64_t memory_max;        /* that bundles may hold together; 0: no limit */
    struct tm_monitor *monitor; /* whose newest requests a version must answer; NULL: none */
    const tm_log *log;
} tm_current_past;
/** Read routes and keys; bundles that the past has are shared with it. A bundle that cannot be
 * loaded, gives other answers than where it was made or does not fit is logged, and what was served
 * on that route stays. What is only kept is left out when it does not fit. */
TM_NODISCARD tm_status tm__current_load(tm_registry *registry, const tm_current_past *past,
                                        const tm_log *log, tm_current **out, tm_err *err);
/** The next version that is to be kept and is not resident, made ready, so that the next load with
 * it as `opened` keeps it; *out NULL: there is none. *io_next is 0 at first and counts what was
 * tried. TM_E_NOMEM; what cannot be kept otherwise is logged, and passed over. past->latest is not
 * NULL. Takes as long as reading the file. */
TM_NODISCARD tm_status tm__current_keep(tm_registry *registry, const tm_current_past *past,
                                        const tm_log *log, uint32_t *io_next, tm_served **out,
                                        tm_err *err);
/** Make a version ready that a move is going to ask for; *out NULL: it is ready already, or no
 * route wants it. Takes as long as reading the file. */
TM_NODISCARD tm_status tm__current_prepare(tm_registry *registry, const tm_current_past *past,
                                           const tm_version *version, tm_served **out, tm_err *err);
/** True when nothing that is served changed: a history entry or a job is not worth an install. */
bool tm__current_is_same(const tm_current *a, const tm_current *b);
tm_served *tm__current_find(const tm_current *current, const char *route);
/** The entry that answers a version of a route (0: what is served); NULL when none is ready. */
tm_served *tm__current_version(const tm_current *current, tm_served *served, uint64_t version);
/** Who answers for a version of a served route that failed inside: the champion, for that the one
 * before; NULL when it is not ready. */
tm_served *tm__current_spare(const tm_current *current, tm_served *route, const tm_served *failed);
/** How the requests of a served route are split; NULL: they are not. */
const struct tm_arms *tm__current_arms(const tm_current *current, const tm_served *route);
/** Whose shadow is ready; NULL: it has none. */
const struct tm_arms *tm__current_shadow(const tm_current *current, const tm_served *route);
tm_current *tm__current_ref(tm_current *current);
void tm__current_unref(tm_current *current);

/* Counters of one thread. It alone changes them; any thread may read them, all threads' together.
 */
typedef struct tm_prom tm_prom;
tm_prom *tm__prom_create(void);
void tm__prom_free(tm_prom *prom);
void tm__prom_request(tm_prom *prom, const tm_endpoint *endpoint, unsigned status);
typedef struct tm_prom_answers {
    const char *route;
    uint32_t version;
    tm_arm_kind arm;
    uint64_t n_rows, n_nulls, n_coerced, n_dropped;
    uint64_t n_filled, n_absent, n_stale; /* of the rows: by the online store */
    uint64_t ns;
    uint64_t cpu_ns; /* processors' time of all rows */
    uint32_t weight; /* requests that this one stands for; 0: the time was not taken */
} tm_prom_answers;
void tm__prom_predict(tm_prom *prom, const tm_prom_answers *answers);
/** A request that came to this version was refused, or failed. */
void tm__prom_failed(tm_prom *prom, const char *route, uint32_t version, tm_arm_kind arm);
/** A request on which this version failed inside, whoever answered it then. */
void tm__prom_broken(tm_prom *prom, const char *route, uint32_t version, tm_arm_kind arm);
/** A request that a shadow should have seen: it was dropped, or failed. */
void tm__prom_shadow(tm_prom *prom, const char *route, uint32_t version, bool is_dropped);
/** Rows that a shadow answered, and how many of them otherwise than the client's version. */
void tm__prom_compared(tm_prom *prom, const char *route, uint32_t version, uint64_t n_rows,
                       uint64_t n_differed);
/* Where the time of a prediction goes. A clock read per row and stage would cost more than some
 * stages, so one request in TM_STAGES_EVERY of a thread is watched; those are counted exactly. */
#define TM_STAGES_EVERY 64u
typedef enum tm_stage_of {
    TM_STAGE_QUEUE,   /* from the whole request to its handler */
    TM_STAGE_DECODE,  /* body to cells */
    TM_STAGE_PREDICT, /* cells to outputs */
    TM_STAGE_WRITE,   /* outputs to the reply */
    TM_STAGE_LOG,     /* answers to the log's queue */
    TM_STAGES_N
} tm_stage_of;
typedef struct tm_stages {
    bool is_on; /* the request at hand is watched */
    uint64_t n_requests, last_ns;
    uint64_t ns[TM_STAGES_N];
    uint64_t cpu_ns; /* of this thread when the request came to its handler */
    uint32_t weight; /* see tm_prom_answers */
} tm_stages;
/** A request that arrived then comes to its handler now. */
void tm__stages_begin(tm_stages *stages, uint64_t arrived_ns);
/** Take the processors' time from here on: of each large request, whose rows make a look at the
 * clock cheap, and else of those that are watched. */
void tm__stages_measure(tm_stages *stages, bool is_large);
/** What has passed since the last call belongs to this stage. */
void tm__stages_lap(tm_stages *stages, tm_stage_of stage);
void tm__prom_stages(tm_prom *prom, const tm_stages *stages);
void tm__prom_connections(tm_prom *prom, uint32_t n_open);
void tm__prom_refused(tm_prom *prom, const char *reason); /* static text */
void tm__prom_swap(tm_prom *prom);
/* What a route's versions did since the server started, by all threads. */
#define TM_PROM_BUCKETS 15u /* of times, the last without an upper bound */
typedef struct tm_prom_route {
    const char *route; /* borrowed */
    uint64_t n_rows, n_requests;
    uint64_t n_measured, cpu_ns;       /* answers that measured ones stand for, and their time */
    uint64_t buckets[TM_PROM_BUCKETS]; /* requests by their time */
} tm_prom_route;
void tm__prom_route(tm_prom *const *proms, uint32_t n, const char *route, tm_prom_route *out);
/** Requests of a route by version and why it answered: [{"version", "arm", "answered", "failed"}];
 * of a shadow also "dropped", and rows "compared" and "differed".
 * NULL when out of memory. */
json_t *tm__prom_arms(tm_prom *const *proms, uint32_t n, const char *route);
/** Seconds in which this share of the requests between two looks was answered, straight within a
 * bucket; NaN when there were none. */
double tm__prom_quantile(const tm_prom_route *now, const tm_prom_route *before, double share);
/** The sums over threads as text. */
bool tm__prom_write(tm_prom *const *proms, uint32_t n, tm_buf *out);
/** What tm__intake_list() gives, at most a thousand of it. */
void tm__prom_sources(const json_t *sources, tm_buf *out);
/** Time of processors, memory, open files, by the names that Prometheus knows. */
void tm__prom_process(int64_t started_us, tm_buf *out);
struct tm_leader;
/** Whether this `tidemill run` leads; nothing with tables in a file. */
void tm__prom_leader(const struct tm_leader *leader, tm_buf *out);
/** Same, whether tables on a server are there. */
struct tm_health;
void tm__prom_tables(const struct tm_health *health, tm_buf *out);
/** Resident memory of this process; 0 when it is not known. */
uint64_t tm__prom_resident_bytes(void);
/** Of what is served; alerts: what tm__alert_list() gives. */
void tm__prom_alerts(const tm_current *current, const json_t *alerts, tm_buf *out);
/** Of rollouts: [{"route", "rollout": as tm__rollout_json(), or null}]. */
void tm__prom_rollouts(const json_t *routes, tm_buf *out);
/** Of who is told of moves: what tm__hooks_list() gives, at most a thousand of it. */
void tm__prom_receivers(const json_t *receivers, tm_buf *out);
/** What tm__monitor_counters() gives; NULL is left out. */
void tm__prom_log(const json_t *counters, tm_buf *out);
uint64_t tm__prom_total(tm_prom *const *proms, uint32_t n); /* requests answered */

/* An error of one row of a request. */
typedef struct tm_row_error {
    uint64_t row;
    bool has_row;
    char column[TM_MAX_COLUMN_NAME + 1]; /* empty: the row itself */
    char detail[256];
    char hint[128]; /* may be empty */
} tm_row_error;

/* What the watch finds out once a second, for who asks whether traffic may be sent here. */
typedef struct tm_health {
    _Atomic uint64_t disk_free_bytes; /* of the home */
    _Atomic bool has_disk;            /* it is known */
    /* Of tables in PostgreSQL (away.h): when they were heard last (0: they are in a file), up to
     * when what is known of them answers (monotonic; 0: for good), and whether they are away. */
    _Atomic int64_t heard_us;
    _Atomic uint64_t good_until_ns;
    _Atomic bool is_away;
    const struct tm_leader *leader; /* NULL: this one leads nothing and stands by for nothing */
} tm_health;

/* What handlers may use besides their request. Every thread that answers (workers, batch threads,
 * the desk) has one of its own, and an exchange points to that of the thread that has it. */
typedef struct tm_desk {
    uint32_t index;        /* of this thread's scratch in a tm_served */
    tm_registry *registry; /* the desk's and the study's; NULL elsewhere */
    const tm_home *home;
    struct tm_jobs *crew;             /* threads that help with a large batch; NULL: none do */
    struct tm_fill_desk *filler;      /* this thread's way into the online store */
    struct tm_shadows *shadows;       /* the server's; NULL: no version shadows another */
    struct tm_audited *audited;       /* the server's: any thread; NULL: nothing is counted */
    tm_monitor *monitor;              /* answers and reports: any thread; the rest: the desk */
    struct tm_remembered *remembered; /* the study's; NULL elsewhere */
    struct tm_recent *recent;         /* how versions fare: any thread */
    tm_intake *intake;                /* any thread */
    struct tm_parquet *parquet;       /* any thread */
    bool is_parked; /* the exchange just handled is answered later, by another thread */
    /* The desk's only: serve what the registry says now, before this request is answered. */
    void (*refresh)(void *arg);
    /* Make a version ready before the registry is told to move to it: what cannot be served is
     * refused before anything changed. */
    tm_status (*prepare)(void *arg, const char *model, uint32_t version, tm_err *err);
    void *refresh_arg;
    tm_buf live_text; /* the desk's: live scores for Prometheus, and when they were made */
    uint64_t live_ns;
    tm_prom *prom;         /* what this thread counts */
    tm_prom *const *proms; /* [n_proms] of all threads, to read */
    uint32_t n_proms;
    tm_stages stages;             /* of the request at hand */
    const tm_health *health;      /* the server's */
    struct tm_sessions *sessions; /* the server's: any thread */
    bool (*has_room)(void *arg);  /* the queues take more; arg as of refresh */
    tm_buf answers;               /* to be logged */
    tm_id_source ids;
    tm_arena *arena;           /* reset for each request */
    _Atomic bool *is_stopping; /* the server's */
    int64_t started_us;
} tm_desk;

struct tm_exchange {
    const tm_log *log;
    const tm_serve_limits *limits;
    tm_http *http;
    tm_match match;
    tm_access access;
    char request_id[TM_REQUEST_ID_TEXT];
    tm_current *current; /* what answers: borrowed on a worker, a reference elsewhere */
    bool holds_current;
    bool is_on_worker; /* others wait for this one */
    bool
        wants_batch; /* a worker found that it takes long: it is to be answered by a batch thread */
    tm_desk *desk;   /* of the thread that has the exchange */
    uint64_t arrived_ns;  /* the whole request was here */
    uint64_t deadline_ns; /* the client's; UINT64_MAX: it named none */
    uint64_t helped_ns;   /* that other threads worked on it */
    _Atomic bool is_gone; /* the client left while another thread has the exchange */
    tm_trace trace;

    tm_media media; /* of the body */

    unsigned status; /* 0: not answered yet */
    const char *content_type;
    size_t header_len; /* of a reply with bytes behind its JSON: Inference-Header-Content-Length */
    tm_buf reply;
    tm_buf *out; /* of the connection, for room ahead of time */
    bool has_model;
    char model[TM_MAX_NAME + 1];
    uint32_t version;
    tm_arm_kind arm;
    tm_served *broken;        /* of current: who failed inside at it; NULL: nobody */
    tm_served *served;        /* of current: whose route was asked; NULL: none, or not known yet */
    struct tm_mirror *mirror; /* the copy for its shadow, owned; NULL: none */
    const struct tm_mirror *mirrors; /* it is one, run for a shadow; NULL: a client's */
    uint32_t retry_after_s;          /* 0: none */
    const char *cache;               /* Cache-Control; NULL: no-store */
    const char *head_static;         /* whole lines for the head; NULL: none */
    char head_own[192];              /* same */
    const char *preflight; /* methods that a page of access.origin may use; NULL: no preflight */
    uint32_t n_errors;
    tm_row_error *errors; /* [TM_ERRORS_MAX], made when first needed */
};

/** Answer with a problem document; slug names the kind ("unknown-column"). hint may be NULL. */
void tm__problem_reply(tm_exchange *x, unsigned status, const char *slug, const char *detail,
                       const char *hint);
/** Same from an error of the library; a 5xx says nothing of its inside but the log does. */
void tm__problem_from_err(tm_exchange *x, const tm_err *err);
/** Remember an error of a row for the problem document; false when there is no more room. */
bool tm__problem_row(tm_exchange *x, const tm_row_error *error);
/** Answer 200 with a JSON value; takes the reference. */
void tm__reply_json(tm_exchange *x, json_t *value);
/** Status line, headers and body appended to out. */
typedef struct tm_reply_frame {
    bool close;
    bool is_head;
    int64_t now_us;
    const char *allow; /* for 405 */
} tm_reply_frame;
bool tm__reply_write(const tm_exchange *x, const tm_reply_frame *frame, tm_buf *out);
void tm__exchange_reset(tm_exchange *x);

#endif
