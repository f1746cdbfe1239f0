/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon that stands by does: it reads its part of the streams that homes divide. No epoch
 * is on its commits, but the lease of each partition is. */
#include "base/mem.h"
#include "loop/loop_priv.h"

struct tm_loop_share {
    tm_pulling streaming;
    tm_db *sources;
};

tm_status tm__loop_share_open(const tm_loop_place *place, tm_loop_share **out, tm_err *err) {
    tm_loop_share *const share = tm__mem_zalloc(1, sizeof(*share));
    if (share == NULL) {
        return TM_FAIL(err, TM_E_NOMEM, "out of memory");
    }
    const tm_children children = {.home = place->home,
                                  .supervisor = place->supervisor,
                                  .has_network = true,
                                  .option = "--follow"};
    share->streaming = (tm_pulling){
        .what = TM_DUE_SHARED, .log = place->log, .children = children, .db = &share->sources};
    *out = share;
    return TM_OK;
}

uint32_t tm__loop_share_step(tm_loop_share *share) {
    return tm__pulling_step(&share->streaming);
}

void tm__loop_share_close(tm_loop_share *share) {
    if (share != NULL) {
        tm__children_stop(&share->streaming.children);
        tm__db_close(share->sources);
        tm__mem_free(share);
    }
}
