/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/desk.h"

#include "base/clock.h"
#include "serve/fill.h"
#include "serve/remembered.h"

#define ARENA_BYTES_MAX ((size_t)64 << 20)
#define LOGGED_BYTES_MAX ((size_t)512 << 20)

bool tm__desk_init(tm_desk *out, uint32_t index) {
    *out = (tm_desk){.index = index,
                     .arena = tm__arena_create(ARENA_BYTES_MAX),
                     .filler = tm__fill_desk_create(),
                     .started_us = tm__now_us()};
    tm__buf_init(&out->answers, LOGGED_BYTES_MAX);
    return out->arena != NULL && out->filler != NULL;
}

void tm__desk_done(tm_desk *desk) {
    tm__registry_close(desk->registry);
    tm__remembered_free(desk->remembered);
    tm__fill_desk_free(desk->filler);
    tm__arena_free(desk->arena);
    tm__buf_done(&desk->answers);
    tm__buf_done(&desk->live_text);
}
