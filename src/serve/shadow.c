/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy is one block, [body NUL query fields...], and an exchange whose views lie in it:
 *
 *      client's thread:  reserve bytes ── copy ── (the handler) ── its answers ── queue
 *      shadow's thread:  queue ── endpoint's handler again ── compare, count ── let go
 *
 * The copy holds a reference to what is served, so its version lives until it was asked.
 */
#include "serve/shadow.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/pool.h"
#include "serve/arms.h"
#include "serve/mixed.h"

#define ID_BYTES 26u
#define DIFFERENCE_MAX 0.05         /* of two numbers, of the larger one */
#define SALT UINT64_C(0x7368616477) /* who is seen is not who comes to an arm */

/* An answer, as two versions of a model have it in common: the name of a class, or a number. */
typedef union said {
    uint64_t name_hash;
    double number;
} said;

struct tm_mirror {
    tm_mirror *next;
    tm_shadows *shadows;
    tm_served *served; /* of x.current */
    tm_exchange x;     /* as the handler sees it */
    tm_http http;      /* views into texts */
    char *texts;       /* owned, with the body in front */
    char *ids;         /* [n_ids][ID_BYTES] of the client's answers, owned */
    said *said;        /* [n_ids] what they were, owned */
    uint64_t n_ids;
    uint64_t bytes; /* counted in the queue's */
    bool is_lost;   /* there was no room for a copy: it is only counted */
};

struct tm_shadows {
    tm_desk *desk; /* of the thread */
    const tm_log *log;
    const tm_serve_limits *limits;
    _Atomic uint64_t bytes; /* of all copies */
    tm_mutex *lock;         /* around what follows */
    tm_cond *cond;
    tm_mirror *first, **end;
    bool is_ending;
    tm_thread *thread;
    tm_buf out; /* room that replies ask for */
};

/* ---- copies ---- */

static void let_go(tm_mirror *m) {
    atomic_fetch_sub(&m->shadows->bytes, m->bytes);
    tm__mem_free(m->texts);
    tm__mem_free(m->ids);
    tm__mem_free(m->said);
    tm__current_unref(m->x.current);
    tm__mem_free(m);
}

void tm__mirror_free(tm_mirror *mirror) {
    if (mirror != NULL) {
        let_go(mirror);
    }
}

static bool reserve(tm_shadows *shadows, tm_mirror *m, uint64_t bytes) {
    if (atomic_fetch_add(&shadows->bytes, bytes) > TM_SHADOW_BYTES_MAX - bytes) {
        atomic_fetch_sub(&shadows->bytes, bytes);
        return false;
    }
    m->bytes += bytes;
    return true;
}

static uint64_t texts_size(const tm_http *http) {
    uint64_t bytes = http->body.len + 1 + http->query.len;
    for (uint32_t i = 0; i < TM_HTTP_N_FIELDS; i++) {
        bytes += http->fields[i].len;
    }
    return bytes;
}

static tm_str put(char **at, tm_str text) {
    const tm_str copy = {text.ptr == NULL ? NULL : *at, text.len};
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
        *at += text.len;
    }
    return copy;
}

/* The body as it came, behind it the texts of the head. */
static bool copy_request(tm_mirror *m, const tm_exchange *x) {
    const tm_http *from = x->http;
    const uint64_t size = texts_size(from);
    if (size > TM_SHADOW_BYTES_MAX / 2 || !reserve(m->shadows, m, size) ||
        (m->texts = tm__mem_alloc(size, 1)) == NULL) {
        return false;
    }
    char *at = m->texts;
    const tm_str body = put(&at, (tm_str){(const char *)from->body.data, from->body.len});
    *at++ = '\0';
    m->http = (tm_http){.limits = from->limits, .method = from->method};
    m->http.body = (tm_buf){.data = (uint8_t *)m->texts,
                            .len = body.len,
                            .capacity = body.len + 1,
                            .size_max = body.len + 1};
    m->http.query = put(&at, from->query);
    for (uint32_t i = 0; i < TM_HTTP_N_FIELDS; i++) {
        m->http.fields[i] = put(&at, from->fields[i]);
    }
    return true;
}

static bool is_chosen(const tm_exchange *x, const tm_arm *shadow) {
    return shadow->weight >= TM_ARM_PARTS ||
           tm__hash64(x->request_id, strlen(x->request_id), SALT) % TM_ARM_PARTS < shadow->weight;
}

void tm__shadow_take(tm_exchange *x, const tm_served *route) {
    tm_shadows *const shadows = x->desk->shadows;
    const tm_arms *arms = tm__current_shadow(x->current, route);
    if (shadows == NULL || arms == NULL || x->mirror != NULL || x->mirrors != NULL ||
        x->match.endpoint->permission != TM_PERMISSION_PREDICT || x->http->body.len == 0 ||
        !is_chosen(x, &arms->route.shadow)) {
        return;
    }
    tm_mirror *m = tm__mem_zalloc(1, sizeof *m);
    if (m == NULL) {
        tm__prom_shadow(x->desk->prom, route->route, arms->route.shadow.version, true);
        return;
    }
    m->shadows = shadows;
    m->served = arms->shadow;
    m->x.current = tm__current_ref(x->current);
    m->is_lost = !reserve(shadows, m, sizeof *m) || !copy_request(m, x);
    m->x.match = x->match;
    m->x.media = x->media;
    (void)tm__str_copy(m->x.request_id, sizeof m->x.request_id, tm__str(x->request_id));
    x->mirror = m;
}

/* ---- the queue ---- */

static void count(tm_desk *desk, const tm_mirror *m, bool is_dropped) {
    tm__prom_shadow(desk->prom, m->served->route, m->served->version, is_dropped);
}

/* Of the outputs at hand. */
static said said_of(const tm_scoring *s) {
    if (!tm__score_has_classes(s)) {
        return (said){.number = s->outputs[0]};
    }
    const char *name = tm__bundle_class(s->served->bundle, tm__score_chosen(s, s->outputs));
    return (said){.name_hash = tm__hash64(name, strlen(name), SALT)};
}

static bool copy_answers(tm_mirror *m, tm_scoring *s) {
    tm_score_place place = {0};
    char id[27];
    m->n_ids = tm__score_counts(s).n_rows;
    if (!reserve(m->shadows, m, m->n_ids * (ID_BYTES + sizeof *m->said)) ||
        (m->ids = tm__mem_alloc(m->n_ids + 1, ID_BYTES)) == NULL ||
        (m->said = tm__mem_alloc(m->n_ids + 1, sizeof *m->said)) == NULL) {
        return false;
    }
    tm_served *const served = s->served;
    for (uint64_t i = 0; i < m->n_ids && tm__score_answer(s, &place, id, s->outputs); i++) {
        s->served = place.way == NULL ? served : place.way->served;
        memcpy(m->ids + i * ID_BYTES, id, ID_BYTES);
        m->said[i] = said_of(s);
    }
    s->served = served;
    return true;
}

static bool differs(const tm_scoring *s, said client, said shadow) {
    if (tm__score_has_classes(s)) {
        return client.name_hash != shadow.name_hash;
    }
    return fabs(client.number - shadow.number) >
           DIFFERENCE_MAX * fmax(fabs(client.number), fabs(shadow.number));
}

/* The shadow's answers, in the order of the rows, beside those that the client had. */
static void compare(tm_scoring *s) {
    const tm_mirror *m = s->x->mirrors;
    tm_score_place place = {0};
    char id[27];
    uint64_t n = 0, n_differed = 0;
    for (; n < m->n_ids && tm__score_answer(s, &place, id, s->outputs); n++) {
        n_differed += differs(s, m->said[n], said_of(s));
    }
    tm__prom_compared(s->x->desk->prom, s->served->route, s->served->version, n, n_differed);
}

void tm__shadow_offer(tm_scoring *s) {
    tm_exchange *const x = s->x;
    tm_mirror *const m = x->mirror;
    if (x->mirrors != NULL) {
        compare(s);
    }
    if (m == NULL) {
        return;
    }
    x->mirror = NULL;
    if (s->arm == TM_ARM_NAMED) { /* a version that the client chose is no live traffic */
        let_go(m);
    } else if (m->is_lost || !copy_answers(m, s)) {
        count(x->desk, m, true);
        let_go(m);
    } else {
        tm_shadows *const shadows = m->shadows;
        m->next = NULL;
        tm__mutex_lock(shadows->lock);
        *shadows->end = m;
        shadows->end = &m->next;
        tm__mutex_unlock(shadows->lock);
        tm__cond_signal_all(shadows->cond);
    }
}

/* ---- its thread ---- */

static tm_mirror *next(tm_shadows *shadows) {
    tm__mutex_lock(shadows->lock);
    while (shadows->first == NULL && !shadows->is_ending) {
        tm__cond_wait(shadows->cond, shadows->lock, UINT32_MAX);
    }
    tm_mirror *m = shadows->is_ending ? NULL : shadows->first;
    if (m != NULL) {
        shadows->first = m->next;
        shadows->end = shadows->first == NULL ? &shadows->first : shadows->end;
    }
    tm__mutex_unlock(shadows->lock);
    return m;
}

static void run(tm_shadows *shadows, tm_mirror *m, tm_buf *reply) {
    tm_exchange *const x = &m->x;
    tm__json_reset();
    x->log = shadows->log;
    x->limits = shadows->limits;
    x->http = &m->http;
    x->desk = shadows->desk;
    x->mirrors = m;
    x->arrived_ns = tm__mono_ns();
    x->deadline_ns = UINT64_MAX;
    x->content_type = "application/json";
    x->reply = *reply;
    x->out = &shadows->out;
    x->match.endpoint->handle(x);
    if (x->status != 200) {
        count(shadows->desk, m, false);
    }
    tm__mem_free(x->errors);
    *reply = x->reply;
    tm__buf_reset(reply);
    tm__buf_reset(&shadows->out);
}

static void main_of(void *arg) {
    tm_shadows *const shadows = arg;
    tm_buf reply;
    tm__thread_lower();
    tm__buf_init(&reply, TM_SHADOW_BYTES_MAX);
    for (tm_mirror *m; (m = next(shadows)) != NULL;) {
        run(shadows, m, &reply);
        let_go(m);
    }
    tm__buf_done(&reply);
}

tm_shadows *tm__shadows_create(tm_desk *desk, const tm_log *log, const tm_serve_limits *limits) {
    tm_shadows *shadows = tm__mem_zalloc(1, sizeof *shadows);
    if (shadows == NULL) {
        return NULL;
    }
    shadows->desk = desk;
    shadows->log = log;
    shadows->limits = limits;
    shadows->end = &shadows->first;
    tm__buf_init(&shadows->out, TM_SHADOW_BYTES_MAX);
    shadows->lock = tm__mutex_create();
    shadows->cond = tm__cond_create();
    shadows->thread = shadows->lock == NULL || shadows->cond == NULL
                          ? NULL
                          : tm__thread_create(main_of, shadows, "tm-shadow");
    if (shadows->thread == NULL) {
        tm__shadows_free(shadows);
        return NULL;
    }
    return shadows;
}

void tm__shadows_stop(tm_shadows *shadows) {
    if (shadows == NULL || shadows->thread == NULL) {
        return;
    }
    tm__mutex_lock(shadows->lock);
    shadows->is_ending = true;
    tm__mutex_unlock(shadows->lock);
    tm__cond_signal_all(shadows->cond);
    tm__thread_join(shadows->thread);
    shadows->thread = NULL;
    for (tm_mirror *m = shadows->first, *following = NULL; m != NULL; m = following) {
        following = m->next;
        count(shadows->desk, m, true);
        let_go(m);
    }
    shadows->first = NULL;
}

void tm__shadows_free(tm_shadows *shadows) {
    if (shadows == NULL) {
        return;
    }
    tm__shadows_stop(shadows);
    tm__buf_done(&shadows->out);
    tm__cond_free(shadows->cond);
    tm__mutex_free(shadows->lock);
    tm__mem_free(shadows);
}

/* ---- what the handler asks ---- */

tm_served *tm__mirror_served(const tm_mirror *mirror) {
    return mirror == NULL ? NULL : mirror->served;
}

bool tm__mirror_id(const tm_mirror *mirror, uint64_t row, char out[27]) {
    char id[27];
    if (row >= mirror->n_ids) {
        return false;
    }
    memcpy(id, mirror->ids + row * ID_BYTES, ID_BYTES);
    id[ID_BYTES] = '\0';
    tm__id_twin(id, out);
    return true;
}
