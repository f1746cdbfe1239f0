/* SPDX-License-Identifier: Apache-2.0 */
#include "turn_case.h"

#include "registry/registry_priv.h"
#include "test.h"

tm_registry *turn_case_open(const tm_home *home, const tm_made_rows *news) {
    const tm_made_rows both[] = {{.n = 600, .is_sure = news->is_sure}, *news};
    tm_registry *registry = NULL;
    assert_int_equal(tm__registry_open(home, &registry, NULL), TM_OK);
    tm__made_csv_write(home, both, 1);
    assert_int_equal(tm__made_train(home, registry), 1);
    tm__made_csv_write(home, both, 2);
    return registry;
}

json_t *turn_case_retrain(const tm_home *home, const tm_retrain_options *asked) {
    tm_retrain_options options = *asked;
    tm_ctx ctx = {0};
    json_t *story = NULL;
    tm_err err = {0};
    options.model = "made";
    if (tm__loop_retrain(&ctx, home, &options, &story, &err) != TM_OK) {
        fail_msg("%s", err.message);
    }
    return story;
}

void turn_case_put_back(tm_registry *registry) {
    tm_stmt *stmt = NULL;
    assert_int_equal(tm__stmt_init(registry->db,
                                   "UPDATE turns SET state = 'training', outcome = NULL,"
                                   " version = 0 WHERE rowid = (SELECT max(rowid) FROM turns)",
                                   &stmt, NULL),
                     TM_OK);
    assert_int_equal(tm__stmt_run(stmt, NULL), TM_OK);
    tm__stmt_done(stmt);
}
