/* SPDX-License-Identifier: Apache-2.0 */
/* The table of endpoints, made from api/http, and the match of a path against it. */
#include <string.h>

#include "base/limits.h"
#include "serve/handle.h"

#include "api_routes.h"

#define N_ENDPOINTS ((uint32_t)(sizeof endpoints / sizeof endpoints[0]))

uint32_t tm__endpoint_count(void) {
    return N_ENDPOINTS;
}

const tm_endpoint *tm__endpoint_get(uint32_t index) {
    return &endpoints[index];
}

uint32_t tm__endpoint_index(const tm_endpoint *endpoint) {
    return (uint32_t)(endpoint - endpoints);
}

tm_str tm__endpoint_openapi(void) {
    return (tm_str){(const char *)openapi_json, sizeof openapi_json};
}

/* One segment against "{param}", "{param}:verb" or a word. */
static bool match_segment(tm_str pattern, tm_str segment, char *param, bool *is_param) {
    *is_param = pattern.len > 0 && pattern.ptr[0] == '{';
    if (!*is_param) {
        return pattern.len == segment.len && memcmp(pattern.ptr, segment.ptr, segment.len) == 0;
    }
    tm_str verb = pattern;
    (void)tm__str_cut(&verb, '}');
    const bool has_colon = memchr(segment.ptr, ':', segment.len) != NULL;
    if (has_colon != (verb.len > 0) || segment.len <= verb.len) {
        return false;
    }
    const tm_str name = {segment.ptr, segment.len - verb.len};
    if (verb.len > 0 && memcmp(segment.ptr + name.len, verb.ptr, verb.len) != 0) {
        return false;
    }
    return tm__http_decode(name, param, TM_MAX_NAME + 1) && strchr(param, '/') == NULL;
}

static bool match_path(const char *pattern, tm_str path, char params[2][TM_MAX_NAME + 1]) {
    tm_str p = tm__str(pattern);
    uint32_t n_params = 0;
    if (p.len == 1) { /* "/" */
        return path.len == 1 && path.ptr[0] == '/';
    }
    (void)tm__str_cut(&p, '/'); /* both begin with one */
    (void)tm__str_cut(&path, '/');
    for (;;) {
        const bool more_p = memchr(p.ptr, '/', p.len) != NULL;
        const bool more = path.len > 0 && memchr(path.ptr, '/', path.len) != NULL;
        if (more_p != more || path.len == 0) {
            return false;
        }
        bool is_param = false;
        const tm_str segment = tm__str_cut(&path, '/');
        char *param = params[n_params < 2 ? n_params : 1]; /* the generator allows two */
        if (!match_segment(tm__str_cut(&p, '/'), segment, param, &is_param)) {
            return false;
        }
        n_params += is_param ? 1 : 0;
        if (!more) {
            return true;
        }
    }
}

void tm__endpoint_match(tm_http_method method, tm_str path, tm_match *out) {
    memset(out, 0, sizeof *out);
    const tm_http_method wanted = method == TM_HEAD ? TM_GET : method;
    for (uint32_t i = 0; i < N_ENDPOINTS; i++) {
        char params[2][TM_MAX_NAME + 1] = {{0}};
        if (!match_path(endpoints[i].path, path, params)) {
            continue;
        }
        out->path_exists = true;
        const char *allow = endpoints[i].method == TM_GET ? "GET, HEAD" : "POST";
        (void)tm__str_copy(out->allow, sizeof out->allow, tm__str(allow));
        if (endpoints[i].method == wanted) {
            out->endpoint = &endpoints[i];
            memcpy(out->params, params, sizeof params);
            return;
        }
    }
}
