/* SPDX-License-Identifier: Apache-2.0 */
/* `monitor deliver`: what alerts have to tell, sent. */
#include "cli/cli.h"
#include "loop/alerts.h"
#include "store/home.h"

tm_status cmd_monitor_deliver(tm_cli *cli, tm_err *err) {
    tm_home *home = NULL;
    json_t *result = NULL;
    TM_TRY(tm__home_open(cli->home, false, &home, err));
    tm_status st = tm__alerts_deliver(home, &result, err);
    tm__home_close(home);
    TM_TRY(st);
    const int64_t n_failed = tm__json_i64(result, "failed", 0);
    if (n_failed > 0) {
        st = TM_FAIL(err, TM_E_UNAVAILABLE, "%lld of %lld alerts were not taken",
                     (long long)n_failed, (long long)(n_failed + tm__json_i64(result, "sent", 0)));
        tm_err_hint(err, "They are sent again later; look at the addresses in tidemill.yaml.");
    } else if (cli->json) {
        tm__cli_print_object(cli, "tidemill.monitor.deliver/1", result);
    } else {
        tm__cli_print(cli, "%lld sent\n", (long long)tm__json_i64(result, "sent", 0));
    }
    json_decref(result);
    return st;
}
