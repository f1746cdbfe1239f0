/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/fs.h"
#include "store/kafka_priv.h"
#include "support.h"
#include "test.h"

static tm_kafka_api api;
static const tm_kafka_options alone = {.topic = "t", .group = "g"};
static const tm_kafka_options sharing = {.topic = "t", .group = "g", .member = "m"};

static tm_status take(const char *text, const tm_kafka_options *options, rd_kafka_conf_t *conf,
                      tm_err *err) {
    assert_int_equal(tm__fs_publish_secret("kafka.conf", text, strlen(text), NULL), TM_OK);
    return tm__kafka_settings(&api, "kafka.conf", options, conf, err);
}

static void check(const rd_kafka_conf_t *conf, const char *name, const char *value) {
    char text[128] = "";
    size_t size = sizeof(text);
    assert_int_equal(api.conf_get(conf, name, text, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(text, value);
}

static void settings_of_a_file_are_taken_and_ours_win(void **state) {
    (void)state;
    rd_kafka_conf_t *conf = api.conf_new();
    assert_int_equal(take("# brokers\n\n bootstrap.servers = a:1,b:2 \r\nsasl.password=x = y\n"
                          "fetch.wait.max.ms = 7",
                          &sharing, conf, NULL),
                     TM_OK);
    check(conf, "bootstrap.servers", "a:1,b:2");
    check(conf, "sasl.password", "x = y");
    check(conf, "fetch.wait.max.ms", "7");
    check(conf, "group.id", "g");
    check(conf, "group.instance.id", "m");
    check(conf, "enable.auto.commit", "false");
    check(conf, "auto.offset.reset", "error");
    api.conf_destroy(conf);
}

static void refuse(const char *text, uint64_t line, const char *words) {
    tm_err err = {0};
    rd_kafka_conf_t *conf = api.conf_new();
    assert_int_equal(take(text, &alone, conf, &err), TM_E_USAGE);
    if (strstr(err.message, words) == NULL || err.data_row != line) {
        fail_msg("line %d: %s", (int)err.data_row, err.message);
    }
    assert_string_equal(err.data_path, "kafka.conf");
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.hint, "secret"));
    api.conf_destroy(conf);
}

static void what_a_file_may_not_say_is_told_with_its_line(void **state) {
    (void)state;
    char longest[9000];
    refuse("bootstrap.servers = a:1\nplugin.library.paths = secret.so\n", 2, "not for a file");
    refuse("sasl.kerberos.kinit.cmd = secret\n", 1, "not for a file");
    refuse("group.id = secret\n", 1, "not for a file");
    refuse("#\n\nsecret\n", 3, "is not NAME = VALUE");
    refuse("no.such.thing = secret\n", 1, "no such setting");
    refuse("socket.timeout.ms = secret\n", 1, "does not take the value");
    refuse("sasl.username = secret\n", 0, "no brokers are named");
    (void)memset(longest, 'x', sizeof(longest));
    (void)memcpy(longest, "sasl.password = ", 16);
    longest[sizeof(longest) - 1] = '\0';
    refuse(longest, 1, "is not NAME = VALUE");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_of_a_file_are_taken_and_ours_win),
        cmocka_unit_test(what_a_file_may_not_say_is_told_with_its_line),
    };
    if (tm__kafka_api_load(&api, NULL) != TM_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
