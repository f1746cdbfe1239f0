/* SPDX-License-Identifier: Apache-2.0 */
/* `route shadow`: a version that sees the requests of a model and answers none. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/model_args.h"

/* Version 0 for --off. */
static tm_status read_shadow(const tm_cli *cli, tm_registry *registry, tm_arm *out, tm_err *err) {
    const char *number = tm__cli_arg(cli, "VERSION");
    char name[TM_MAX_NAME * 2 + 2];
    tm_version version = {0};
    uint32_t weight = 0;
    if ((number == NULL) != tm__cli_flag(cli, "off")) {
        const tm_status st = TM_FAIL(err, TM_E_USAGE, "name a version, or --off");
        tm_err_hint(err, "'tidemill route shadow churn 2' begins, 'tidemill route shadow churn "
                         "--off' ends.");
        return st;
    }
    *out = (tm_arm){0};
    if (number == NULL) {
        return TM_OK;
    }
    if (!tm__split_weight(tm__cli_f64(cli, "share"), &weight)) {
        return TM_FAIL(err, TM_E_USAGE, "--share is not over 0, at most 100 and to a hundredth");
    }
    (void)snprintf(name, sizeof name, "%s@%s", tm__cli_arg(cli, "MODEL"), number);
    TM_TRY(tm__registry_find(registry, name, &version, err));
    *out = (tm_arm){.version = version.number, .weight = weight};
    tm__version_done(&version);
    return TM_OK;
}

/* It is done, and durable: nothing is asked for any more. */
static void print_shadow(tm_cli *cli, const char *model, const tm_arm *shadow) {
    char said[96];
    (void)snprintf(said, sizeof said, "version %u sees %g %% of the requests and answers none",
                   shadow->version, shadow->weight / 100.0);
    const char *text = shadow->version == 0 ? "no shadow" : said;
    tm__cli_did(cli, "%s: %s", model, text);
    if (cli->json) {
        json_t *what = shadow->version == 0
                           ? json_null()
                           : json_pack("{s:I, s:f}", "version", (json_int_t)shadow->version,
                                       "share", shadow->weight / 100.0);
        json_t *result = json_pack("{s:s, s:s, s:o}", "schema", "tidemill.route.shadow/1", "route",
                                   model, "shadow", what);
        tm__cli_print_json(cli, result);
        json_decref(result);
    } else {
        tm__cli_print(cli, "%s: %s\n", model, text);
    }
}

tm_status cmd_route_shadow(tm_cli *cli, tm_err *err) {
    char user[80];
    tm_place place = {0};
    tm_arm shadow;
    const char *model = tm__cli_arg(cli, "MODEL");
    const tm_actor actor = tm__cli_actor(tm__cli_text(cli, "reason"), user, sizeof(user));
    tm_status st = tm__place_open(cli, false, &place, err);
    st = st == TM_OK ? read_shadow(cli, place.registry, &shadow, err) : st;
    st = st == TM_OK ? tm__registry_shadow(place.registry, model, &shadow, &actor, err) : st;
    if (st == TM_OK) {
        print_shadow(cli, model, &shadow);
    }
    tm__place_close(&place);
    return st;
}
