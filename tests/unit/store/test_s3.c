/* SPDX-License-Identifier: Apache-2.0 */
#include "store/s3.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "canned_server.h"
#include "store/s3_priv.h"
#include "support.h"
#include "test.h"

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define LIST(inside)                                                                               \
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" inside                  \
    "</ListBucketResult>"
#define OBJECT(key, etag, size)                                                                    \
    "<Contents><Key>" key "</Key><ETag>" etag "</ETag><Size>" size                                 \
    "</Size><Owner><ID>x</ID></Owner></Contents>"

static tm_s3 *client(const canned_server *server, uint64_t part_bytes) {
    char path[256];
    tm_s3 *s3 = NULL;
    test_folder_join(&test_dir, "credentials", path, sizeof(path));
    canned_server_credentials(server, path);
    const tm_s3_options options = {
        .credentials = path, .n_tries = 2, .wait_ms = 1, .part_bytes = part_bytes};
    assert_int_equal(tm__s3_open(NULL, &options, &s3, NULL), TM_OK);
    return s3;
}

typedef struct seen {
    char text[512];
    size_t n_max;
} seen;

static bool see(void *arg, const tm_s3_object *object) {
    seen *const s = arg;
    const size_t len = strlen(s->text);
    (void)snprintf(s->text + len, sizeof(s->text) - len, "%s %s %llu;", object->key, object->etag,
                   (unsigned long long)object->size_bytes);
    return --s->n_max > 0;
}

static void pages_follow_each_other(void **state) {
    (void)state;
    const char *const answers[] = {
        HEAD("200 OK") "\r\n" LIST("<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
                                   "<NextContinuationToken>a/b+c=</NextContinuationToken>" OBJECT(
                                       "p/a%20b", "&quot;1&quot;", "10")),
        HEAD("200 OK") "\r\n" LIST(
            "<IsTruncated>false</IsTruncated>" OBJECT("p/c+&amp;%", "\"2\"", "0")),
    };
    canned_server *server = canned_server_open(answers, 2);
    tm_s3 *s3 = client(server, 0);
    seen s = {.n_max = 100};
    const tm_s3_list list = {.bucket = "abc", .prefix = "p/", .after = "p/0", .fn = see, .arg = &s};
    assert_int_equal(tm__s3_list(s3, &list, NULL), TM_OK);
    assert_string_equal(s.text, "p/a b \"1\" 10;p/c+&% \"2\" 0;");
    assert_non_null(
        strstr(canned_server_request(server, 0),
               "GET /abc?encoding-type=url&list-type=2&prefix=p%2F&start-after=p%2F0 "));
    assert_non_null(strstr(canned_server_request(server, 1),
                           "GET /abc?continuation-token=a%2Fb%2Bc%3D&encoding-type=url&list-type=2&"
                           "prefix=p%2F "));
    tm__s3_close(s3);
    canned_server_close(server);
}

static void a_list_ends_when_its_caller_has_enough(void **state) {
    (void)state;
    const char *const answers[] = {HEAD("200 OK") "\r\n" LIST(
        "<IsTruncated>true</IsTruncated><NextContinuationToken>t</"
        "NextContinuationToken>" OBJECT("p1", "\"1\"", "1") OBJECT("p2", "\"2\"", "2"))};
    canned_server *server = canned_server_open(answers, 1);
    tm_s3 *s3 = client(server, 0);
    seen s = {.n_max = 1};
    const tm_s3_list list = {.bucket = "abc", .prefix = "p", .fn = see, .arg = &s};
    assert_int_equal(tm__s3_list(s3, &list, NULL), TM_OK);
    assert_string_equal(s.text, "p1 \"1\" 1;");
    tm__s3_close(s3);
    canned_server_close(server);
}

static void answers_that_are_no_lists_are_refused(void **state) {
    (void)state;
    const struct {
        const char *name, *body, *message;
    } cases[] = {
        {"not XML", "<html><p>hello</html>", "an element ends that was not open"},
        {"another document", "<a/>", "it is not a list"},
        {"cut", "<ListBucketResult><Contents>", "it is cut short"},
        {"a document type", "<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" LIST(""), "a document type"},
        {"no size", LIST("<Contents><Key>pk</Key><ETag>\"1\"</ETag></Contents>"), "lacks its size"},
        {"a size that is none", LIST(OBJECT("pk", "\"1\"", "-1")), "lacks its size"},
        {"no ETag", LIST("<Contents><Key>pk</Key><Size>1</Size></Contents>"), "lacks its size"},
        {"an ETag that is a header", LIST(OBJECT("pk", "\"1&#13;&#10;X: y\"", "1")),
         "lacks its size"},
        {"another prefix", LIST(OBJECT("qk", "\"1\"", "1")), "was not asked for"},
        {"a NUL", LIST("<EncodingType>url</EncodingType>" OBJECT("p%00k", "\"1\"", "1")),
         "a key is not one"},
        {"a percent sign alone",
         LIST("<EncodingType>url</EncodingType>" OBJECT("p%4", "\"1\"", "1")), "a key is not one"},
        {"no token", LIST("<IsTruncated>true</IsTruncated>"), "it has no end"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tm_err err = {0};
        tm_s3_page page;
        seen s = {.n_max = 10};
        const tm_s3_list list = {.bucket = "abc", .prefix = "p", .fn = see, .arg = &s};
        tm__s3_page_init(&page, &list);
        const tm_status st = tm__s3_page_read(&page, tm__str(cases[i].body), &err);
        if (st != TM_E_DATA || strstr(err.message, cases[i].message) == NULL) {
            print_error("%s: %s\n", cases[i].name, err.message);
        }
        assert_int_equal(st, TM_E_DATA);
        assert_non_null(strstr(err.message, cases[i].message));
        tm__s3_page_done(&page);
    }
}

static void the_same_token_again_is_an_endless_list(void **state) {
    (void)state;
    const char *const body =
        LIST("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>");
    seen s = {.n_max = 10};
    const tm_s3_list list = {.bucket = "abc", .prefix = "p", .fn = see, .arg = &s};
    tm_s3_page page;
    tm__s3_page_init(&page, &list);
    assert_int_equal(tm__s3_page_read(&page, tm__str(body), NULL), TM_OK);
    assert_int_equal(tm__s3_page_read(&page, tm__str(body), NULL), TM_E_DATA);
    tm__s3_page_done(&page);
}

/* ---- Objects ---- */

#define PART(range, etag, body)                                                                    \
    HEAD("206 Partial Content")                                                                    \
    "Content-Range: bytes " range "\r\nETag: " etag "\r\nContent-Length: 4\r\n\r\n" body

static const tm_s3_object ten = {.bucket = "abc", .key = "k", .etag = "\"e\"", .size_bytes = 10};

static tm_status get(tm_s3 *s3, char *out, size_t size, tm_err *err) {
    char path[256];
    tm_buf file;
    test_folder_join(&test_dir, "object", path, sizeof(path));
    const tm_status st = tm__s3_get(s3, &ten, path, err);
    out[0] = '\0';
    if (st == TM_OK) {
        tm__buf_init(&file, size - 1);
        assert_int_equal(tm__fs_read_all(path, &file, NULL), TM_OK);
        memcpy(out, file.data, file.len + 1);
        tm__buf_done(&file);
        assert_int_equal(tm__fs_remove(path, NULL), TM_OK);
    }
    assert_int_equal(tm__fs_info(path).kind, TM_PATH_NONE);
    return st;
}

static void an_object_comes_in_parts(void **state) {
    (void)state;
    const char *const answers[] = {
        PART("0-3/10", "\"e\"", "0123"),
        HEAD("206 Partial Content") "Content-Range: bytes 4-7/10\r\nContent-Length: 4\r\n\r\n45",
        PART("4-7/10", "\"e\"", "4567"),
        HEAD("206 Partial Content") "Content-Range: bytes 8-9/10\r\n\r\n89",
    };
    char got[32];
    canned_server *server = canned_server_open(answers, 4);
    tm_s3 *s3 = client(server, 4);
    assert_int_equal(get(s3, got, sizeof(got), NULL), TM_OK);
    assert_string_equal(got, "0123456789");
    assert_non_null(strstr(canned_server_request(server, 3), "Range: bytes=8-9\r\n"));
    assert_non_null(strstr(canned_server_request(server, 3), "If-Match: \"e\"\r\n"));
    tm__s3_close(s3);
    canned_server_close(server);
}

static void an_object_that_changes_is_not_taken(void **state) {
    (void)state;
    const struct {
        const char *name, *second;
        tm_status want;
        const char *message;
    } cases[] = {
        {"another ETag", PART("4-7/10", "\"f\"", "4567"), TM_E_UNAVAILABLE, "changed"},
        {"another size", PART("4-7/11", "\"e\"", "4567"), TM_E_UNAVAILABLE, "changed"},
        {"the condition fails", HEAD("412 No") "\r\n", TM_E_UNAVAILABLE, "changed"},
        {"it is gone", HEAD("404 No") "\r\n<Error><Code>NoSuchKey</Code></Error>", TM_E_NOT_FOUND,
         "gone"},
        {"another part", PART("0-3/10", "\"e\"", "0123"), TM_E_DATA, "other bytes"},
        {"too little", HEAD("206 P") "Content-Range: bytes 4-7/10\r\n\r\n45", TM_E_DATA,
         "other bytes"},
        {"no range", HEAD("200 OK") "\r\n0123", TM_E_DATA, "other bytes"},
        {"all of it", HEAD("200 OK") "\r\n0123456789", TM_E_DATA, "more than it was asked for"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const answers[] = {PART("0-3/10", "\"e\"", "0123"), cases[i].second};
        char got[32];
        tm_err err = {0};
        canned_server *server = canned_server_open(answers, 2);
        tm_s3 *s3 = client(server, 4);
        const tm_status st = get(s3, got, sizeof(got), &err);
        if (st != cases[i].want || strstr(err.message, cases[i].message) == NULL) {
            print_error("%s: %d %s\n", cases[i].name, (int)st, err.message);
        }
        assert_int_equal(st, cases[i].want);
        assert_non_null(strstr(err.message, cases[i].message));
        tm__s3_close(s3);
        canned_server_close(server);
    }
}

static void a_server_that_is_not_there_is_unavailable(void **state) {
    (void)state;
    const char *const answers[] = {""};
    tm_err err = {0};
    canned_server *server = canned_server_open(answers, 0);
    tm_s3 *s3 = client(server, 0);
    canned_server_close(server);
    const tm_s3_list list = {.bucket = "abc", .prefix = "", .fn = see, .arg = &(seen){.n_max = 1}};
    assert_int_equal(tm__s3_list(s3, &list, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "cannot read from 'http://127.0.0.1:"));
    assert_non_null(strstr(err.hint, "endpoint_url"));
    tm__s3_close(s3);
}

static void a_server_that_falls_silent_is_given_up(void **state) {
    (void)state;
    /* Amid an object; its beginning came. */
    const char *const answers[] = {
        HEAD("206 Partial Content") "ETag: \"1\"\r\nContent-Range: bytes 0-9/10\r\n"
                                    "Content-Length: 10\r\n\r\nabc" CANNED_SILENCE};
    tm_err err = {0};
    char path[256];
    canned_server *server = canned_server_open(answers, 1);
    tm_s3 *s3 = NULL;
    tm_s3_answer answer;
    test_folder_join(&test_dir, "credentials", path, sizeof(path));
    canned_server_credentials(server, path);
    const tm_s3_options options = {.credentials = path, .n_tries = 1, .stall_s = 1};
    assert_int_equal(tm__s3_open(NULL, &options, &s3, NULL), TM_OK);
    const tm_s3_request request = {.bucket = "abc", .key = "o", .len = 10};
    tm__s3_answer_init(&answer, 100);
    assert_int_equal(tm__s3_ask(s3, &request, &answer, &err), TM_E_UNAVAILABLE);
    assert_non_null(strstr(err.message, "gave less than 1024 bytes a second for 1 s"));
    assert_non_null(strstr(err.hint, "endpoint_url"));
    tm__s3_answer_done(&answer);
    tm__s3_close(s3);
    canned_server_close(server);
}

static void a_run_that_was_stopped_ends(void **state) {
    (void)state;
    const char *const answers[] = {HEAD("503 No") "\r\n", HEAD("503 No") "\r\n"};
    volatile _Atomic bool cancel = true;
    tm_ctx ctx = {.cancel = &cancel};
    tm_err err = {0};
    canned_server *server = canned_server_open(answers, 2);
    tm_s3 *s3 = client(server, 0);
    s3->ctx = &ctx;
    const tm_s3_list list = {.bucket = "abc", .prefix = "", .fn = see, .arg = &(seen){.n_max = 1}};
    assert_int_equal(tm__s3_list(s3, &list, &err), TM_E_CANCELLED);
    tm__s3_close(s3);
    canned_server_close(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_follow_each_other),
        cmocka_unit_test(a_list_ends_when_its_caller_has_enough),
        cmocka_unit_test(answers_that_are_no_lists_are_refused),
        cmocka_unit_test(the_same_token_again_is_an_endless_list),
        cmocka_unit_test(an_object_comes_in_parts),
        cmocka_unit_test(an_object_that_changes_is_not_taken),
        cmocka_unit_test(a_server_that_is_not_there_is_unavailable),
        cmocka_unit_test(a_server_that_falls_silent_is_given_up),
        cmocka_unit_test(a_run_that_was_stopped_ends),
    };
    return cmocka_run_group_tests(tests, test_dir_make, test_dir_remove);
}
