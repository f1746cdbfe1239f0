/* SPDX-License-Identifier: Apache-2.0 */
#define TM_COMMAND_TABLES
#include "cli/cli.h"

#include <string.h>

const tm_command *tm__commands(uint32_t *out_n) {
    *out_n = (uint32_t)(sizeof(commands) / sizeof(commands[0]));
    return commands;
}

const tm_option *tm__common_options(uint32_t *out_n) {
    *out_n = (uint32_t)(sizeof(common_options) / sizeof(common_options[0]));
    return common_options;
}

const tm_command *tm__command_find(const char *name) {
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}
