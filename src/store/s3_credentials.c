/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/s3_priv.h"
#include "store/secret.h"

typedef struct setting {
    const char *name;
    size_t offset, size;
} setting;

#define FIELD(member) offsetof(tm_s3_credentials, member), sizeof(((tm_s3_credentials *)0)->member)
static const setting settings[] = {
    {"aws_access_key_id", FIELD(access_key)},    {"aws_secret_access_key", FIELD(secret_key)},
    {"aws_session_token", FIELD(session_token)}, {"region", FIELD(region)},
    {"endpoint_url", FIELD(endpoint)},           {"ca_bundle", FIELD(ca_bundle)},
};
#undef FIELD

typedef struct parser {
    const char *path;
    uint64_t line;
    bool is_default; /* the section that counts */
    tm_str style;
    tm_s3_credentials out;
} parser;

static tm_status refuse(const parser *p, tm_err *err, const char *what, const char *hint) {
    const tm_status st = TM_FAIL(err, TM_E_USAGE, "file of credentials: %s", what);
    tm_err_hint(err, "%s", hint);
    tm_err_at(err, p->path, p->line, 0);
    return st;
}

static bool is_plain(tm_str text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

static tm_status take_setting(parser *p, tm_str line, tm_err *err) {
    tm_str value = line;
    const bool has_value = memchr(line.ptr, '=', line.len) != NULL;
    const tm_str name = tm__str_trim(tm__str_cut(&value, '='));
    value = tm__str_trim(value);
    if (!has_value || !is_plain(value)) {
        return refuse(p, err, "a line is not NAME = VALUE", "Write one setting a line.");
    }
    if (tm__str_is(name, "addressing_style")) {
        p->style = value;
        return TM_OK;
    }
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (tm__str_is(name, settings[i].name)) {
            char *const to = (char *)&p->out + settings[i].offset;
            return tm__str_copy(to, settings[i].size, value)
                       ? TM_OK
                       : refuse(p, err, "a value is too long", "Look whether the line is whole.");
        }
    }
    return refuse(p, err, "a setting is not known",
                  "Known are aws_access_key_id, aws_secret_access_key, aws_session_token, region, "
                  "endpoint_url, addressing_style and ca_bundle.");
}

static tm_status take_line(parser *p, tm_str line, tm_err *err) {
    line = tm__str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#' || line.ptr[0] == ';') {
        return TM_OK;
    }
    if (line.ptr[0] == '[') {
        p->is_default = tm__str_is(line, "[default]");
        return TM_OK;
    }
    return p->is_default ? take_setting(p, line, err) : TM_OK;
}

/* scheme://host[:port], nothing more: what follows comes from bucket and key. */
static bool is_endpoint(char *text) {
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '/') {
        text[--len] = '\0';
    }
    const tm_str all = {text, len};
    const size_t scheme = tm__str_has_prefix(all, "https://")  ? 8
                          : tm__str_has_prefix(all, "http://") ? 7
                                                               : 0;
    return scheme > 0 && len > scheme && strpbrk(text + scheme, "/?#@\\\"<>{} ") == NULL;
}

static tm_status settle(parser *p, tm_err *err) {
    tm_s3_credentials *const c = &p->out;
    const bool has_endpoint = c->endpoint[0] != '\0';
    p->line = 0;
    if (c->access_key[0] == '\0' || c->secret_key[0] == '\0') {
        return refuse(p, err, "it has no aws_access_key_id or no aws_secret_access_key",
                      "Write both below a line '[default]'.");
    }
    if (c->region[0] == '\0') {
        (void)tm__str_copy(c->region, sizeof(c->region), TM_STR("us-east-1"));
    }
    if (strspn(c->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(c->region)) {
        return refuse(p, err, "region is no name of a region", "Write region = eu-central-1.");
    }
    if (has_endpoint && !is_endpoint(c->endpoint)) {
        return refuse(p, err, "endpoint_url is not scheme://host:port",
                      "Write endpoint_url = https://minio.example.com:9000.");
    }
    if (!has_endpoint) {
        tm_buf url;
        tm__buf_init(&url, sizeof(c->endpoint) - 1);
        const bool is_made = tm__buf_printf(&url, "https://s3.%s.amazonaws.com", c->region);
        (void)tm__str_copy(c->endpoint, sizeof(c->endpoint), (tm_str){(char *)url.data, url.len});
        tm__buf_done(&url);
        if (!is_made) {
            return TM_FAIL(err, TM_E_NOMEM, "out of memory");
        }
    }
    c->is_path_style = has_endpoint;
    if (tm__str_is(p->style, "path") || tm__str_is(p->style, "virtual")) {
        c->is_path_style = tm__str_is(p->style, "path");
    } else if (p->style.len > 0 && !tm__str_is(p->style, "auto")) {
        return refuse(p, err, "addressing_style is not path, virtual or auto",
                      "Most servers that are not Amazon's want path.");
    }
    return TM_OK;
}

tm_status tm__s3_credentials_read(const char *path, tm_s3_credentials *out, tm_err *err) {
    tm_buf file = {0};
    parser p = {.path = path, .is_default = true};
    tm_status st = tm__secret_read(path, &file, err);
    if (st == TM_E_NOT_FOUND) {
        tm_err_hint(err, "Write it with aws_access_key_id and aws_secret_access_key, and chmod 600 "
                         "it.");
    }
    TM_TRY(st);
    tm_str rest = {(const char *)file.data, file.len};
    while (st == TM_OK && rest.len > 0) {
        p.line++;
        st = take_line(&p, tm__str_cut(&rest, '\n'), err);
    }
    if (st == TM_OK) {
        st = settle(&p, err);
    }
    if (st == TM_OK) {
        *out = p.out;
    }
    explicit_bzero(&p.out, sizeof(p.out));
    tm__secret_done(&file);
    return st;
}
