/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/settling.h"

#include "monitor/monitor_erase.h"
#include "store/settle.h"

static bool is_logged(const tm_settling_place *place) {
    bool has_spilled = true;
    return tm__monitor_sync(place->monitor, NULL) == TM_OK &&
           tm__log_has_spilled(place->home, &has_spilled, NULL) == TM_OK && !has_spilled;
}

void tm__settling_step(tm_settling *settling, const tm_settling_place *place) {
    tm_settle asked = {0};
    tm__settle_asked(place->home, &asked);
    if (asked.number == 0 || asked.number == settling->answered) {
        return;
    }
    if (settling->refreshed != asked.number) {
        settling->refreshed = place->refresh(place->arg) ? asked.number : 0;
    }
    if (settling->refreshed == asked.number && place->is_settled(place->arg) && is_logged(place) &&
        tm__settle_answer(place->home, asked.number, NULL) == TM_OK) {
        settling->answered = asked.number;
    }
}
