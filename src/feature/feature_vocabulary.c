/* SPDX-License-Identifier: Apache-2.0 */
#include "feature/feature_priv.h"

tm_status tm__fit_text(tm_fit *fit, uint32_t input, const char *reason, tm_err *err) {
    return tm__program_add_note(fit->program, input, tm__text_printf("%s", reason), err);
}

tm_status tm__fit_text_scores(tm_fit *fit, tm_err *err) {
    (void)fit;
    (void)err;
    return TM_OK;
}
