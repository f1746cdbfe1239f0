/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop_admit.h"

#include "base/clock.h"
#include "base/system.h"

uint64_t tm__admit_free(uint64_t most, uint64_t held) {
    const uint64_t machine = tm__memory_free();
    if (most == 0) {
        return machine;
    }
    const uint64_t left = most > held ? most - held : 1;
    return machine == 0 || left < machine ? left : machine;
}

static void put_bytes(json_t *to, const char *name, uint64_t bytes) {
    json_object_set_new(to, name, json_integer((json_int_t)bytes));
}

static void put_now(json_t *to, const char *name) {
    char text[48];
    (void)tm__time_to_text(tm__now_us(), text);
    json_object_set_new(to, name, json_string(text));
}

static json_t *waiting(const tm_turn *turn) {
    json_t *const waits = json_object_get(turn->story, "waits");
    return waits != NULL && json_object_get(waits, "until") == NULL ? waits : NULL;
}

void tm__admit_wait(tm_turn *turn, const tm_admission *admission, const char *reason) {
    json_t *waits = waiting(turn);
    if (waits == NULL) {
        waits = json_object();
        put_now(waits, "since");
        json_object_set_new(turn->story, "waits", waits);
    }
    json_object_set_new(waits, "reason", json_string(reason));
    put_bytes(waits, "needs_bytes", admission->needs_bytes);
    put_bytes(waits, "free_bytes", admission->free_bytes);
}

void tm__admit_begin(tm_turn *turn, const tm_admission *admission) {
    json_t *const waits = waiting(turn), *const plan = json_object();
    if (waits != NULL) {
        put_now(waits, "until");
    }
    put_bytes(plan, "needs_bytes", admission->needs_bytes);
    put_bytes(plan, "free_bytes", admission->free_bytes);
    json_object_set_new(turn->story, "plan", plan);
}

bool tm__admit_waits(const tm_turn *turn, const char **out_reason) {
    const json_t *const waits = waiting(turn);
    if (waits != NULL && out_reason != NULL) {
        *out_reason = tm__json_text(waits, "reason", "");
    }
    return waits != NULL;
}

bool tm__admit_fits(const tm_turn *turn, uint64_t free_bytes) {
    const int64_t needs = tm__json_i64(waiting(turn), "needs_bytes", 0);
    return tm__admission_fits(needs > 0 ? (uint64_t)needs : 0, free_bytes);
}
