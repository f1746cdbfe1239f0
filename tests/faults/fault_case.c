/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_case.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "cli/cli.h"
#include "fault_home.h"
#include "monitor/monitor.h"
#include "registry/registry.h"
#include "registry/turn.h"
#include "serve/handle.h"
#include "serve/serve.h"
#include "source/intake.h"

#define DEADLINE_MS 20000
#define V2_BODY                                                                                    \
    "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"x\",\"shape\":[1],"     \
    "\"datatype\":\"FP64\",\"data\":[0.2]},{\"name\":\"c\",\"shape\":[1],\"datatype\":\"BYTES\","  \
    "\"data\":[\"b\"]}]}"
#define ROW "{\"x\":0.7,\"c\":\"a\"}"
#define TRAIN "train", "data.csv", "--target", "y", "--name", "made", "--entity", "id"
#define HERE "/proc/self/cwd" /* a path that is kept as it is, in the folder of each try */
/* Public keys of RFC 8032, 7.1. */
#define SIGNER "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define TRUSTED "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define SMALL "--learner", "gbdt", "--param", "gbdt.n_trees=5", "--threads", "1"

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

const fault_case fault_cases[] = {
    {"init", "empty", {"init", "new"}, .want = 0},
    {"module check", "full", {"module", "check", "data.csv"}, .want = 1},
    {"module add", "full", {"module", "add", "data.csv"}, .want = 2},
    {"module ls", "full", {"module", "ls", "--json"}, .want = 0},
    {"module rm", "full", {"module", "rm", "knn"}, .want = 3},
    {"doctor", "full", {"doctor", "--json"}, .want = 0},
    {"train first", "empty", {TRAIN, SMALL}, .says = "is registered", .want = 0},
    {"train next", "full", {TRAIN, SMALL, "--json"}, .says = "is registered", .want = 0},
    {"train weights",
     "full",
     {TRAIN, SMALL, "--class-weight", "balanced", "--init-score", "x", "--memory-limit", "1G",
      "--level-means", "ordered"},
     .says = "is registered",
     .want = 0},
    {"train answers",
     "full",
     {"train", "--sql", "SELECT d.* FROM 'data.csv' d CROSS JOIN range(20)", "--target", "y",
      "--name", "sure", SMALL, "--calibrate", "platt", "--threshold", "cost:1:5"},
     .says = "is registered",
     .want = 0},
    {"train windows",
     "full",
     {"train", "--sql",
      "SELECT *, TIMESTAMP '2024-01-01' + to_seconds(CAST(x * 1e7 AS BIGINT) % 86400) AS at FROM "
      "'data.csv'",
      "--target", "y", "--name", "timed", "--time", "at", "--feature", "n = count(y) by c over 2h",
      "--feature", "l = last(x) of data at t by c over 1d", "--events",
      "data=SELECT x, c, TIMESTAMP '2024-01-01' AS t FROM 'data.csv'", "--known", "y=+1h", SMALL},
     .says = "is registered",
     .want = 0},
    {"train leak",
     "full",
     {"train", "--sql", "SELECT *, TIMESTAMP '2024-01-01' AS at FROM 'data.csv'", "--target", "y",
      "--time", "at", "--feature", "n = count(y) by c over 2h", "--split", "random:0.3", SMALL},
     .want = 1},
    {"train search",
     "full",
     {TRAIN, "--work", "1", "--threads", "2"},
     .says = "is registered",
     .want = 0},
    {"train sql",
     "full",
     {"train", "--sql", "SELECT * FROM 'data.csv'", "--target", "y", "--name", "other", SMALL},
     .says = "is registered",
     .want = 0},
    {"predict", "full", {"predict", "made", "new.csv", "-o", "out.csv"}, .want = 0},
    {"predict jsonl",
     "full",
     {"predict", "made", "new.csv", "--explain", "-o", "out.jsonl", "--threads", "1"},
     .want = 0},
    {"predict gz", "full", {"predict", "made@2", "new.csv.gz", "--threads", "1"}, .want = 0},
    {"evaluate", "full", {"evaluate", "made", "new.csv", "--json"}, .want = 0},
    {"explain", "full", {"explain", "made", ROW, "--json"}, .want = 0},
    {"model import",
     "full",
     {"model", "import", "model.txt", "--name", "other", "--data", "few.csv", "--expect",
      "answers.csv", "--threads", "1", "--json"},
     .says = "is registered",
     .want = 0},
    {"model import xgboost",
     "full",
     {"model", "import", "model.json", "--name", "other", "--threads", "1"},
     .says = "is registered",
     .want = 0},
    {"model ls", "full", {"model", "ls", "--json"}, .want = 0},
    {"model show", "full", {"model", "show", "made", "--json"}, .want = 0},
    {"model show version", "full", {"model", "show", "made@2", "--json"}, .want = 0},
    {"model report",
     "full",
     {"model", "report", "made@2", "--group", "c", "--threads", "1", "--json"},
     .want = 0},
    {"model report page",
     "full",
     {"model", "report", "made", "--threads", "1", "--html", "made.html", "--card", "made.md"},
     .changes_early = true, /* the page is there before the words, and an error names it */
     .want = 0},
    {"model history", "full", {"model", "history", "made", "--json"}, .want = 0},
    {"model receivers", "full", {"model", "receivers", "--json"}, .want = 0},
    {"model promote",
     "full",
     {"model", "promote", "made@2", "--reason", "trial"},
     .says = "is the champion",
     .want = 0},
    {"model rollback",
     "moved",
     {"model", "rollback", "made", "--json"},
     .says = "is the champion",
     .want = 0},
    {"model ls at", "full", {"model", "ls", "--at", "0s", "--json"}, .want = 0},
    {"model tag",
     "full",
     {"model", "tag", "made@2", "stage=trial", "--note", "by hand"},
     .says = "is tagged",
     .want = 0},
    {"model diff",
     "full",
     {"model", "diff", "made@1", "made@2", "--threads", "1", "--json"},
     .want = 0},
    {"model gc", "full", {"model", "gc", "--keep", "1", "--json"}, .want = 0},
    {"model export",
     "full",
     {"model", "export", "made@1", "out.tmb"},
     .changes_early = true, /* the file is there before the history says so */
     .says = "is written",
     .want = 0},
    {"model import bundle",
     "full",
     {"model", "import", "made.tmb", "--name", "other", "--threads", "1", "--json"},
     .says = "is registered",
     .want = 0},
    {"subject export",
     "full",
     {"subject", "export", "E1", "-o", "subject.json"},
     .says = "is written",
     .want = 0},
    {"subject erase",
     "full",
     {"subject", "erase", "nobody-1", "--certificate", "erased.json"},
     .changes_early = true, /* step by step, and gone on with */
     .want = 0},
    {"audit tail", "full", {"audit", "tail", "--subject", "E1", "--json"}, .want = 0},
    {"audit verify", "full", {"audit", "verify", "--json"}, .want = 0},
    {"trust add", "full", {"trust", "add", SIGNER}, .says = "is trusted", .want = 0},
    {"trust ls", "full", {"trust", "ls", "--json"}, .want = 0},
    {"trust rm", "full", {"trust", "rm", TRUSTED}, .says = "no longer trusted", .want = 0},
    {"trust key", "full", {"trust", "key"}, .want = 0},
    {"route ls", "full", {"route", "ls", "--json"}, .want = 0},
    {"route split",
     "full",
     {"route", "split", "made", "1=90", "2=10", "--reason", "trial"},
     .says = "answered by",
     .want = 0},
    {"route shadow",
     "full",
     {"route", "shadow", "made", "2", "--share", "10", "--json"},
     .says = "shadow",
     .want = 0},
    {"route rollout",
     "full",
     {"route", "rollout", "made@2", "--steps", "10,100", "--hold", "1h", "--json"},
     .says = "rollout",
     .want = 0},
    {"model verify", "full", {"model", "verify", "--json"}, .want = 0},
    {"serve", "keyed", {"serve", "--listen", "ADDRESS"}, .is_serving = true, .want = 0},
    {"run",
     "keyed",
     {"run", "--listen", "ADDRESS"},
     .is_serving = true,
     .changes_early = true,
     .want = 0},
    {"status", "full", {"status", "--json"}, .want = 0},
    {"monitor replay", "full", {"monitor", "replay", "made", "--json"}, .want = 0},
    {"data export",
     "full",
     {"data", "export", "made", "--out", "given", "--segment-rows", "2", "--json"},
     .changes_early = true, /* a file is there as soon as all is in it */
     .want = 0},
    {"monitor drift", "full", {"monitor", "drift", "made", "--json"}, .want = 0},
    {"monitor alerts", "full", {"monitor", "alerts", "--json"}, .want = 0},
    {"monitor deliver", "full", {"monitor", "deliver", "--json"}, .want = 0},
    {"retrain",
     "full",
     {"retrain", "made", "--threads", "1", "--checkpoint", "1h", "--json"},
     .changes_early = true, /* its story is told in the history step by step */
     .want = 1},
    {"retrain resume",
     "turned",
     {"retrain", "made", "--resume", "--threads", "1", "--json"},
     .changes_early = true,
     .says = "The turn is kept", /* and there is none to go on with then */
     .want = 1},
    {"retrain turns", "turned", {"retrain", "made", "--turns", "--json"}, .want = 0},
    {"replay",
     "full",
     {"replay", "made", "new.csv", "--labels", "y", "--server", "ADDRESS"},
     .is_served = true,
     .changes_early = true,
     .want = 0},
    {"tune", "full", {"tune", "made", "--rows", "300", "--threads", "1", "--json"}, .want = 0},
    {"replay history",
     "full",
     {"replay", "data.csv", "--target", "y", "--threads", "1", "--json"},
     .want = 0},
    {"bench serve",
     "full",
     {"bench", "serve", "made", "new.csv", "--server", "ADDRESS", "--seconds", "0.1"},
     .is_served = true,
     .changes_early = true,
     .answers_vary = true,
     .want = 0},
    {"bench version",
     "full",
     {"bench", "version", "made", "--rate", "200", "--seconds", "0.05", "--json"},
     .answers_vary = true,
     .want = 0},
    {"key create",
     "full",
     {"key", "create", "--role", "client", "--name", "shop"},
     .says = "is made",
     .want = 0},
    {"key create json",
     "full",
     {"key", "create", "--role", "client", "--json"},
     .says = "is made",
     .want = 0},
    {"key ls", "keyed", {"key", "ls", "--json"}, .want = 0},
    {"key rotate", "keyed", {"key", "rotate", "KEYID"}, .says = "is made", .want = 0},
    {"key revoke", "keyed", {"key", "revoke", "KEYID"}, .says = "is revoked", .want = 0},
    {"data add",
     "full",
     {"data", "add", "orders", "--push", "--key", "id"},
     .says = "is added",
     .want = 0},
    {"data add files",
     "full",
     {"data", "add", "rows", "--files", "data.csv", "--json"},
     .changes_early = true, /* a source that cannot be removed again says so itself */
     .says = "is added",
     .want = 0},
    {"data add expect",
     "full",
     {"data", "add", "rows", "--files", "data.csv", "--expect", "x: length(x) < 99", "--expect",
      "n: count(*) > 0", "--policy", "n=accept"},
     .changes_early = true,
     .says = "is added",
     .want = 0},
    {"data ls", "keyed", {"data", "ls", "--json"}, .want = 0},
    {"data show", "keyed", {"data", "show", "pushed"}, .want = 0},
    {"data snapshot", "keyed", {"data", "snapshot", "pushed", "--threads", "1"}, .want = 0},
    {"data compact",
     "keyed",
     {"data", "compact", "--threads", "1", "--json"},
     .says = "are in segments",
     .want = 0},
    {"data pull",
     "keyed",
     {"data", "pull", "fed", "--threads", "1"},
     .changes_early = true,
     .want = 0}, /* a block a commit */
    {"data pull sqlite",
     "keyed",
     {"data", "pull", "asked"},
     .changes_early = true, /* a reading that fails is noted */
     .says = "2 rows, 0 duplicates, 1 quarantined",
     .want = 0},
    {"data set",
     "keyed",
     {"data", "set", "pushed", "--policy", "new_column=stop", "--retention", "90d"},
     .says = "is set",
     .want = 0},
    {"data pause", "keyed", {"data", "pause", "pushed"}, .says = "is paused", .want = 0},
    {"data set expect",
     "keyed",
     {"data", "set", "pushed", "--expect", "short: length(id) < 9", "--policy", "short=stop"},
     .says = "is set",
     .want = 0},
    {"data rm", "keyed", {"data", "rm", "pushed", "--yes"}, .says = "is removed", .want = 0},
    {"data resume", "keyed", {"data", "resume", "halted"}, .says = "goes on", .want = 0},
    {"data quarantine",
     "keyed",
     {"data", "quarantine", "pushed", "--list", "9", "--show-values"},
     .want = 0},
    {"data quarantine -o", "keyed", {"data", "quarantine", "pushed", "-o", "bad.jsonl"}, .want = 0},
    {"data push",
     "keyed",
     {"data", "push", "pushed", "new.csv", "--idempotency-key", "once", "--threads", "1"},
     .says = "rows accepted",
     .changes_early = true, /* rows taken are told, and an error after them */
     .want = 0},
    {"data push parquet",
     "keyed",
     {"data", "push", "pushed", "packed", "--idempotency-key", "once", "--threads", "1"},
     .says = "rows accepted",
     .changes_early = true,
     .want = 0},
    {"data replay", "keyed", {"data", "replay", "pushed", "--drop"}, .says = "1", .want = 0},
    {"sink add",
     "keyed",
     {"sink", "add", "other", "--model", "made", "--read", "fed", "--to-csv", "other"},
     .says = "is added",
     .want = 0},
    {"sink ls", "keyed", {"sink", "ls", "--json"}, .want = 0},
    {"sink show", "keyed", {"sink", "show", "scored"}, .want = 0},
    {"sink run",
     "keyed",
     {"sink", "run", "scored", "--threads", "1"},
     .changes_early = true, /* a batch is planned, written, done */
     .answers_vary = true,  /* each run has ids and times of its own in files and log */
     .want = 0},
    {"sink rm", "keyed", {"sink", "rm", "scored"}, .says = "removed", .want = 0},
    {"online ls", "keyed", {"online", "ls", "--json"}, .want = 0},
    {"online show", "keyed", {"online", "show", "made", "id=r1"}, .want = 2},
    {"online check", "keyed", {"online", "check"}, .want = 3},
    {"online update", "keyed", {"online", "update"}, .changes_early = true, .want = 0},
    {"online rebuild", "keyed", {"online", "rebuild", "--json"}, .changes_early = true, .want = 0},
    {"data profile", "full", {"data", "profile", "data.csv", "--json"}, .want = 0},
    {"data check", "full", {"data", "check", "made", "new.csv", "--json"}, .want = 0},
    {"data check rows",
     "full",
     {"data", "check", "data.csv", "--target", "y", "--against", "new.csv", "--json"},
     .want = 0},
    {"data value",
     "full",
     {"data", "value", "data.csv", "--target", "y", "--threads", "1", "--json"},
     .want = 0},
    {"plan",
     "full",
     {"plan", "data.csv", "--target", "y", "--threads", "1", "--json"},
     .answers_vary = true, /* seconds of the machine */
     .want = 0},
    {"data value page",
     "full",
     {"data", "value", "data.csv", "--target", "y", "--threads", "1", "--html", "worth.html"},
     .changes_early = true, /* the page is there before the words, and an error names it */
     .want = 0},
    {"data value labels", "full", {"data", "value", "--model", "made", "--json"}, .want = 0},
    {"monitor labels",
     "full",
     {"monitor", "labels", "made", "--sql",
      "SELECT id AS entity, 'yes' AS y FROM 'new.csv' WHERE id IS NOT NULL", "--entity", "entity"},
     .says = "joined their answer",
     .changes_early = true, /* stored labels are told, and an error after them */
     .want = 0},
    {"monitor origins", "full", {"monitor", "origins", "made", "--json"}, .want = 0},
    {"monitor join", "full", {"monitor", "join", "--json"}, .changes_early = true, .want = 0},
    {"monitor report",
     "full",
     {"monitor", "report", "made", "--threads", "1", "--json"},
     .answers_vary = true, /* it tells the time */
     .want = 0},
    {"monitor report page",
     "full",
     {"monitor", "report", "made", "--threads", "1", "-o", "live.html"},
     .changes_early = true, /* the page is there before the words, and an error names it */
     .want = 0},
    {"experiment plan",
     "full",
     {"experiment", "plan", "--baseline", "0.2", "--effect", "0.01", "--json"},
     .want = 0},
    {"experiment status",
     "full",
     {"experiment", "status", "--sql",
      "SELECT CASE WHEN x < 0.5 THEN 'a' ELSE 'b' END AS arm, x, id FROM 'data.csv'", "--arm",
      "arm", "--metric", "x", "--unit", "id", "--threads", "1", "--json"},
     .want = 0},
    {"experiment start",
     "full",
     {"experiment", "start", "made", "1=50", "2=50", "--guardrail", "errors"},
     .says = "is started",
     .want = 0},
    {"experiment model", "full", {"experiment", "status", "made", "--json"}, .want = 3},
    {"experiment stop", "full", {"experiment", "stop", "made"}, .want = 5},
    {"backup", "full", {"backup", "copy.tar.zst"}, .says = "is written", .want = 0},
    {"restore", "full", {"restore", "home.tar.zst", "--home", "again"}, .want = 0},
    {"restore check", "full", {"restore", "home.tar.zst", "--check", "--json"}, .want = 0},
    {"check", "full", {"check", "--json"}, .want = 1},
    {"apply", "full", {"apply"}, .changes_early = true, .want = 0}, /* setting by setting */
    {"apply sources",
     "keyed",
     {"apply", "--file", "sources.yaml"},
     .changes_early = true,
     .want = 0},
    {"check sources", "keyed", {"check", "--file", "sources.yaml"}, .want = 1},
    {"completion", "empty", {"completion", "bash"}, .want = 0},
    {"help", "empty", {"help", "train"}, .want = 0},
    {"help all", "empty", {"help"}, .want = 0},
    {"version", "empty", {"version", "--json"}, .want = 0},
    {"recover status", "hot", {"status", "--json"}, .want = 0},
    {"recover serve",
     "hot",
     {"serve", "--listen", "ADDRESS"},
     .is_serving = true,
     .changes_early = true,
     .want = 0},
    {"recover promote",
     "hot",
     {"model", "promote", "made@2"},
     .says = "is the champion",
     .want = 0},
    {"http livez", "keyed", .method = "GET", .target = "/livez", .want = 200},
    {"http ping", "keyed", .method = "GET", .target = "/ping", .want = 200},
    {"http readyz", "keyed", .method = "GET", .target = "/readyz", .want = 200},
    {"http version", "keyed", .method = "GET", .target = "/version", .want = 200},
    {"http openapi", "keyed", .method = "GET", .target = "/openapi.json", .want = 200},
    {"http metrics", "keyed", .method = "GET", .target = "/metrics", .want = 200},
    {"http status", "keyed", .method = "GET", .target = "/v1/status", .want = 200},
    {"http page", "keyed", .method = "GET", .target = "/", .want = 200},
    {"http session", "keyed", .method = "GET", .target = "/v1/session", .want = 200},
    {"http session_begin", "keyed", .method = "POST", .target = "/v1/session",
     .body = "{\"key\": \"none\"}", .want = 401},
    {"http session_end", "keyed", .method = "POST", .target = "/v1/session/end", .want = 200},
    {"http explain", "keyed", .method = "GET", .target = "/v1/models/made/predictions/none",
     .want = 404},
    {"http asset", "keyed", .method = "GET", .target = "/assets/none", .want = 404},
    {"http events", "keyed", .method = "GET", .target = "/v1/events", .want = 200},
    {"http hours", "keyed", .method = "GET", .target = "/v1/routes/made/hours", .want = 200},
    {"http sources", "keyed", .method = "GET", .target = "/v1/sources", .want = 200},
    {"http models", "keyed", .method = "GET", .target = "/v1/models", .want = 200},
    {"http model", "keyed", .method = "GET", .target = "/v1/models/made", .want = 200},
    {"http history", "keyed", .method = "GET", .target = "/v1/models/made/history", .want = 200},
    {"http models at", "keyed", .method = "GET", .target = "/v1/models?at=0s", .want = 200},
    {"http turns", "keyed", .method = "GET", .target = "/v1/models/made/turns", .want = 200},
    {"http receivers", "keyed", .method = "GET", .target = "/v1/models/made/receivers",
     .want = 200},
    {"http garbage", "keyed", .method = "GET", .target = "/v1/garbage?keep=1", .want = 200},
    {"http version_record", "keyed", .method = "GET", .target = "/v1/models/made/versions/2",
     .want = 200},
    {"http diff", "keyed", .method = "GET", .target = "/v1/models/made:diff?a=1&b=2", .want = 200},
    {"http tag", "keyed", .method = "POST", .target = "/v1/models/made/versions/2:tag",
     .body = "{\"tags\":{\"stage\":\"trial\"},\"note\":\"by hand\"}", .want = 200},
    {"http trust", "keyed", .method = "GET", .target = "/v1/trust", .want = 200},
    {"http trust_change", "keyed", .method = "POST", .target = "/v1/trust",
     .body = "{\"action\":\"add\",\"key\":\"" SIGNER "\"}", .want = 200},
    {"http audit", "keyed", .method = "GET", .target = "/v1/audit?after=1", .want = 200},
    {"http keys", "keyed", .method = "GET", .target = "/v1/keys", .want = 200},
    {"http predict", "keyed", .method = "POST", .target = "/v1/routes/made/predict?explain=true",
     .body = "{\"rows\":[" ROW "," ROW "]}", .want = 200},
    {"http invocations", "keyed", .method = "POST", .target = "/invocations",
     .body = "{\"dataframe_split\":{\"columns\":[\"x\",\"c\"],\"data\":[[0.2,\"b\"]]}}",
     .want = 200},
    {"http v2_server", "keyed", .method = "GET", .target = "/v2", .want = 200},
    {"http v2_live", "keyed", .method = "GET", .target = "/v2/health/live", .want = 200},
    {"http v2_ready", "keyed", .method = "GET", .target = "/v2/health/ready", .want = 200},
    {"http v2_model", "keyed", .method = "GET", .target = "/v2/models/made", .want = 200},
    {"http v2_model_version", "keyed", .method = "GET", .target = "/v2/models/made/versions/1",
     .want = 200},
    {"http v2_model_ready", "keyed", .method = "GET", .target = "/v2/models/made/ready",
     .want = 200},
    {"http v2_model_version_ready", "keyed", .method = "GET",
     .target = "/v2/models/made/versions/1/ready", .want = 200},
    {"http v2_infer", "keyed", .method = "POST", .target = "/v2/models/made/infer", .body = V2_BODY,
     .want = 200},
    {"http v2_infer_version", "keyed", .method = "POST",
     .target = "/v2/models/made/versions/1/infer", .body = V2_BODY, .want = 200},
    {"http drift", "keyed", .method = "GET", .target = "/v1/drift", .want = 200},
    {"http alerts", "keyed", .method = "GET", .target = "/v1/alerts", .want = 200},
    {"http alert_move", "keyed", .method = "POST", .target = "/v1/alerts",
     .body = "{\"id\":1,\"action\":\"ack\"}", .want = 404},
    {"http labels", "keyed", .method = "POST", .target = "/v1/labels",
     .body = "{\"labels\":[{\"model\":\"made\",\"entity\":\"r1\",\"time\":\"2024-01-01\","
             "\"label\":\"yes\"}]}",
     .want = 200},
    {"http rows", "keyed", .method = "POST", .target = "/v1/sources/pushed/rows",
     .body = "{\"rows\":[{\"id\":\"r1\",\"x\":0.5},{\"id\":\"r9\",\"new\":1},7]}", .want = 200},
    {"http promote", "keyed", .method = "POST", .target = "/v1/models/made:promote",
     .body = "{\"version\":2,\"reason\":\"trial\"}", .want = 200},
    {"http split", "keyed", .method = "POST", .target = "/v1/routes/made:split",
     .body = "{\"weights\":{\"1\":90,\"2\":10},\"reason\":\"trial\"}", .want = 200},
    {"http shadow", "keyed", .method = "POST", .target = "/v1/routes/made:shadow",
     .body = "{\"version\":2,\"share\":10}", .want = 200},
    {"http rollout", "keyed", .method = "POST", .target = "/v1/routes/made:rollout",
     .body = "{\"version\":2,\"terms\":{\"shadow\":50,\"steps\":[10,100]}}", .want = 200},
    {"http route", "keyed", .method = "GET", .target = "/v1/routes/made", .want = 200},
    {"http rollback", "moved", .method = "POST", .target = "/v1/models/made:rollback",
     .body = "{\"reason\":\"trial\"}", .want = 200},
};
const uint32_t fault_n_cases = sizeof(fault_cases) / sizeof(fault_cases[0]);

static void must(bool ok, const char *what) {
    if (!ok) {
        perror(what);
        abort();
    }
}

static void sleep_ms(long ms) {
    const struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Sockets of the test's own ---- */

/* Below those that the kernel gives to connections of other programs, which would take it before
 * the server that is to have it listens. */
static uint16_t free_port(void) {
    static uint32_t next;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    next = next == 0 ? (uint32_t)getpid() * 16 : next;
    for (uint32_t tries = 0; tries < 10000; tries++) {
        const uint16_t port = (uint16_t)(16384 + next++ % 16384);
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        at.sin_port = htons(port);
        const bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
        close(fd);
        if (is_free) {
            return port;
        }
    }
    must(false, "port");
    return 0;
}

static int connect_to(uint16_t port) {
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const struct timeval limit = {.tv_sec = 5};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        close(fd);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static bool wait_for(uint16_t port, int limit_ms) {
    for (const int64_t end = now_ms() + limit_ms; now_ms() < end;) {
        const int fd = connect_to(port);
        if (fd >= 0) {
            close(fd);
            return true;
        }
        sleep_ms(3);
    }
    return false;
}

/* The reply's status, its bytes in out; 0 when the connection was closed or nothing came. */
static int request(const fault_case *c, uint16_t port, const char *key, char *out, size_t size) {
    const int fd = connect_to(port);
    size_t len = (size_t)snprintf(out, size,
                                  "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                  "Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
                                  "Content-Length: %zu\r\n\r\n%s",
                                  c->method, c->target, key, c->body != NULL ? strlen(c->body) : 0,
                                  c->body != NULL ? c->body : "");
    if (fd < 0) {
        return 0;
    }
    (void)send(fd, out, len, MSG_NOSIGNAL);
    len = 0;
    for (ssize_t n = 1; n > 0 && len + 1 < size; len += n > 0 ? (size_t)n : 0) {
        n = recv(fd, out + len, size - len - 1, 0);
    }
    out[len] = '\0';
    close(fd);
    return strncmp(out, "HTTP/1.1 ", 9) == 0 ? atoi(out + 9) : 0;
}

/* ---- In the child ---- */

static void write_text(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
    close(fd);
}

static void to_file(const char *path, int fd) {
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    must(file >= 0 && dup2(file, fd) == fd, path);
    close(file);
}

static int command(const char *const *words) {
    const char *argv[FAULT_WORDS_MAX + 2] = {"tidemill"};
    int n = 1;
    for (; words[n - 1] != NULL; n++) {
        argv[n] = words[n - 1];
    }
    return tm__cli_main(n, argv);
}

/* Wait until the server of the command answers connections, or has no hope to; then end it. */
static void *end_server(void *arg) {
    fault_exempt(true);
    if (wait_for(*(uint16_t *)arg, 250)) {
        sleep_ms(30); /* so that each of its threads has had a turn */
    }
    kill(getpid(), SIGINT);
    return NULL;
}

static void run_command(const fault_case *c, const fault_plan *plan, fault_result *out) {
    const char *words[FAULT_WORDS_MAX + 1] = {NULL};
    char address[32], key[64] = "";
    uint16_t port = 0;
    pid_t server = 0;
    pthread_t ender;
    char *text = fault_read("keyid");
    (void)snprintf(key, sizeof(key), "%.40s", text);
    free(text);
    if (c->is_served || c->is_serving) {
        port = free_port();
        (void)snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    }
    for (uint32_t i = 0; i < FAULT_WORDS_MAX && c->words[i] != NULL; i++) {
        words[i] = strcmp(c->words[i], "ADDRESS") == 0 ? address
                   : strcmp(c->words[i], "KEYID") == 0 ? key
                                                       : c->words[i];
    }
    if (c->is_served && (server = fork()) == 0) {
        const char *const serve[] = {"serve", "--listen", address, NULL};
        to_file(".server", 2);
        _exit(command(serve));
    }
    must(server == 0 || wait_for(port, 5000), "server");
    if (c->is_serving) {
        must(pthread_create(&ender, NULL, end_server, &port) == 0, "thread");
    }
    const uint64_t n_alive = tm__mem_alive();
    fault_arm(plan);
    out->code = command(words);
    fault_disarm(&out->count);
    out->alive = (int64_t)(tm__mem_alive() - n_alive);
    if (c->is_serving) {
        pthread_join(ender, NULL);
    }
    if (server > 0) {
        kill(server, SIGINT);
        (void)waitpid(server, NULL, 0);
    }
}

static void serve_thread(void *arg) {
    tm_err err = {0};
    int number = 0;
    must(tm__server_run(arg, &number, &err) == TM_OK, err.message);
}

/* Answers are written after the reply, and again when that failed: wait until none is left. Returns
 * how many were dropped, which the server counts. */
static long wait_for_log(uint16_t port, const char *key) {
    static const fault_case status = {"status", .method = "GET", .target = "/v1/status"};
    char *text = calloc(FAULT_TEXT_MAX, 1);
    long n_dropped = 0;
    must(text != NULL, "status");
    for (int i = 0; i < 500; i++) {
        const int code = request(&status, port, key, text, FAULT_TEXT_MAX);
        const char *log = strstr(text, "\"log\":{"); /* of all models, behind those of each */
        const char *dropped = log == NULL ? NULL : strstr(log, "\"dropped\":");
        if (code == 200 && dropped != NULL && strstr(text, "\"queued\":0") != NULL) {
            n_dropped = strtol(dropped + 10, NULL, 10);
            break;
        }
        sleep_ms(5);
    }
    free(text);
    return n_dropped;
}

static void run_request(const fault_case *c, const fault_plan *plan, fault_result *out) {
    static const tm_log quiet = {.level = TM_ERROR, .fd = -1};
    static const tm_serve_limits limits = {.stop_delay_ms = 1};
    const tm_serve_options options = {.listen = "127.0.0.1:0", .log = &quiet, .limits = &limits};
    static const fault_case first = {"first", .method = "GET", .target = "/livez"};
    tm_err err = {0};
    tm_home *home = NULL;
    tm_server *server = NULL;
    char *key = fault_read("key");
    char *reply = calloc(FAULT_TEXT_MAX, 1);
    must(reply != NULL, "reply");
    key[strcspn(key, "\n")] = '\0';
    fault_exempt(true);
    const uint64_t n_alive = tm__mem_alive();
    must(tm__home_open(".tidemill", false, &home, &err) == TM_OK, err.message);
    must(tm__server_open(home, &options, &server, &err) == TM_OK, err.message);
    const uint16_t port = (uint16_t)atoi(strchr(tm__server_address(server), ':') + 1);
    tm_thread *thread = tm__thread_create(serve_thread, server, "server");
    must(thread != NULL && request(&first, port, key, reply, FAULT_TEXT_MAX) == 200, "server");
    fault_arm(plan);
    out->code = request(c, port, key, reply, FAULT_TEXT_MAX);
    if (c->body != NULL) {
        sleep_ms(15); /* answers are written after the reply */
    }
    fault_disarm(&out->count);
    char *const body = strstr(reply, "\r\n\r\n");
    write_text(".out", body != NULL ? body + 4 : reply);
    out->n_dropped = wait_for_log(port, key);
    for (out->is_paused = true; !out->may_go_on;) {
        sleep_ms(1);
    }
    out->code_after = request(c, port, key, reply, FAULT_TEXT_MAX);
    tm__server_stop(server);
    tm__thread_join(thread);
    tm__server_close(server);
    tm__home_close(home);
    out->alive = (int64_t)(tm__mem_alive() - n_alive);
    free(reply);
    free(key);
}

static void run_child(const fault_case *c, const char *folder, const fault_plan *plan,
                      fault_result *out) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    must(chdir(folder) == 0, folder);
    to_file(".out", 1);
    to_file(".err", 2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    fault_prepare();
    tm__json_init();
    if (c->words[0] != NULL) {
        run_command(c, plan, out);
    } else {
        run_request(c, plan, out);
    }
    if (__lsan_do_recoverable_leak_check != NULL) {
        out->has_leak = __lsan_do_recoverable_leak_check() != 0;
    }
    out->is_done = true;
}

int fault_run(const fault_case *c, const char *folder, const fault_plan *plan, fault_result *shared,
              void (*look)(void *arg), void *arg) {
    memset(shared, 0, sizeof(*shared));
    const pid_t child = fork();
    must(child >= 0, "fork");
    if (child == 0) {
        setpgid(0, 0);
        run_child(c, folder, plan, shared);
        _exit(0);
    }
    setpgid(child, child);
    int status = -1;
    const int64_t end = now_ms() + DEADLINE_MS;
    long wait_us = 200;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (shared->is_paused && !shared->may_go_on) {
            if (look != NULL) {
                look(arg);
            }
            shared->may_go_on = true;
        }
        if (now_ms() > end) {
            kill(-child, SIGKILL);
            (void)waitpid(child, &status, 0);
            return -1;
        }
        const struct timespec wait = {0, wait_us * 1000};
        (void)nanosleep(&wait, NULL);
        wait_us = wait_us < 2000 ? wait_us * 2 : wait_us;
    }
    kill(-child, SIGKILL); /* what it may have left behind */
    if (look != NULL && !shared->is_paused) {
        look(arg);
    }
    return status;
}

/* ---- Templates ---- */

static void run_plain(const char *folder, const char *const *words, const char *out_path) {
    fflush(stdout);
    const pid_t child = fork();
    int status = -1;
    must(child >= 0, "fork");
    if (child == 0) {
        must(chdir(folder) == 0, folder);
        to_file(out_path != NULL ? out_path : ".out", 1);
        _exit(command(words));
    }
    must(waitpid(child, &status, 0) == child, "wait");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "a template cannot be made: %s %s\n", words[0], words[1]);
        abort();
    }
}

static void write_rows(const char *path, uint32_t first, uint32_t n) {
    FILE *file = fopen(path, "w");
    must(file != NULL, path);
    fprintf(file, "id,x,c,y\n");
    uint64_t state = 4711 + first;
    for (uint32_t i = first; i < first + n; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        const unsigned x = (unsigned)(state >> 48) % 10000;
        const bool is_noise = (state >> 40 & 7) == 0;
        fprintf(file, "r%u,0.%04u,%c,%s\n", i, x, "ab"[i % 2],
                (x > 5000) != is_noise ? "yes" : "no");
    }
    must(fclose(file) == 0, path);
}

static const char *path_of(const char *root, const char *name) {
    static char path[1024];
    must(snprintf(path, sizeof(path), "%s/%s", root, name) < (int)sizeof(path), name);
    return path;
}

static void make_full(const char *folder) {
    static const char *const train1[] = {TRAIN, SMALL, NULL};
    static const char *const train2[] = {TRAIN, "--learner", "linear", "--threads", "1", NULL};
    static const char *const export[] = {"model", "export", "made@2", "made.tmb", NULL};
    static const char *const trust[] = {"trust", "add", TRUSTED, NULL};
    static const char *const backup[] = {"backup", "home.tar.zst", NULL};
    static const fault_case replay = {
        "replay",
        "",
        {"replay", "made", "live.csv", "--labels", "y", "--server", "ADDRESS"},
        .is_served = true};
    static const fault_plan none = {0};
    fault_result *result = calloc(1, sizeof(*result));
    must(result != NULL, "result");
    run_plain(folder, train1, NULL);
    run_plain(folder, train2, NULL);
    write_rows(path_of(folder, "live.csv"), 500, 60);
    const int status = fault_run(&replay, folder, &none, result, NULL, NULL);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || result->code != 0) {
        fprintf(stderr, "a template cannot be made: replay gives %d, status %d: %s\n", result->code,
                status, fault_read(path_of(folder, ".err")));
        abort();
    }
    run_plain(folder, export, NULL);
    run_plain(folder, trust, NULL);
    run_plain(folder, backup, NULL);
    free(result);
}

/* A home with a turn that was killed while it trained, on rows that are those of version 1. */
static void make_turned(const char *folder) {
    tm_err err = {0};
    tm_home *home = NULL;
    tm_registry *registry = NULL;
    tm_version version = {0};
    json_t *recipe = NULL;
    must(tm__home_open(path_of(folder, ".tidemill"), false, &home, &err) == TM_OK, err.message);
    must(tm__registry_open(home, &registry, &err) == TM_OK, err.message);
    must(tm__registry_find(registry, "made@1", &version, &err) == TM_OK, err.message);
    must(tm__registry_recipe(registry, "made", &recipe, &err) == TM_OK, err.message);
    const char *const rows = version.snapshot;
    tm_turn turn = {.model = "made",
                    .champion = 1,
                    .story =
                        json_pack("{s:s, s:s, s:o, s:i, s:i, s:i, s:i, s:i, s:s}", "snapshot", rows,
                                  "held_snapshot", rows, "recipe", recipe, "source_rows", 80,
                                  "labelled_until_us", 0, "labelled_known_us", 0,
                                  "labelled_moment_us", 0, "labelled_rows", 0, "source_hash", "")};
    must(tm__turn_begin(registry, &turn, &err) == TM_OK, err.message);
    tm__turn_done(&turn);
    tm__version_done(&version);
    tm__registry_close(registry);
    tm__home_close(home);
}

/* Files of a home whose last owner was killed: hot logs, a running job, an unfinished file. */
static void make_hot(const char *folder) {
    fflush(stdout);
    const pid_t child = fork();
    int status = -1;
    must(child >= 0, "fork");
    if (child == 0) {
        tm_err err = {0};
        tm_home *home = NULL;
        tm_registry *registry = NULL;
        tm_monitor *monitor = NULL;
        tm_key key;
        char job[27];
        int64_t epoch = 0;
        static const tm_actor actor = {.name = "test"};
        static const tm_monitor_options options = {.can_write = true};
        static const tm_label label = {
            .model = "made", .entity = "r7", .event_us = 1, .value = "yes", .observed_us = 2};
        tm_label_result joined;
        must(chdir(folder) == 0, folder);
        must(tm__home_open(".tidemill", false, &home, &err) == TM_OK, err.message);
        must(tm__registry_open(home, &registry, &err) == TM_OK, err.message);
        must(tm__registry_epoch_begin(registry, &epoch, &err) == TM_OK, err.message);
        must(tm__registry_job_add(registry, "retrain", "made", job, &err) == TM_OK, err.message);
        tm__key_create(&key);
        must(tm__registry_key_add(registry, &key,
                                  &(tm_key_terms){.role = TM_GUARD_ADMIN, .name = "hot"}, &actor,
                                  &err) == TM_OK,
             err.message);
        must(tm__monitor_open(home, &options, &monitor, &err) == TM_OK, err.message);
        must(tm__monitor_labels(monitor, &label, 1, &joined, &err) == TM_OK, err.message);
        write_text(".tidemill/temp/unfinished", "half");
        _exit(0);
    }
    must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
         "hot");
}

/* Rows r0 to r4 of the source "pushed", and one in quarantine; "halted" is stopped by a change. */
static void push_rows(const char *folder) {
    tm_home *home = NULL;
    tm_err err = {0};
    tm_push_result result = {0};
    char body[] = "id,x\nr0,1\nr1,2\nr2,\nr3,4\nr4,5\n,6\n";
    const tm_push push = {
        .source = "pushed", .form = TM_PUSH_CSV, .data = body, .len = sizeof(body) - 1};
    must(tm__home_open(path_of(folder, ".tidemill"), false, &home, &err) == TM_OK, err.message);
    tm_intake *intake = tm__intake_create(home);
    must(intake != NULL && tm__intake_push_wait(intake, &push, &result, &err) == TM_OK,
         err.message);
    char first[] = "{\"a\":1}", strange[] = "{\"a\":1,\"b\":2}";
    tm_push halting = {
        .source = "halted", .form = TM_PUSH_LINES, .data = first, .len = sizeof(first) - 1};
    must(tm__intake_push_wait(intake, &halting, &result, &err) == TM_OK, err.message);
    halting.data = strange;
    halting.len = sizeof(strange) - 1;
    must(tm__intake_push_wait(intake, &halting, &result, &err) == TM_E_CONFLICT, "not stopped");
    tm__intake_close(intake);
    tm__home_close(home);
}

static void run_sql(const char *path, const char *sql) {
    sqlite3 *db = NULL;
    must(sqlite3_open(path, &db) == SQLITE_OK, path);
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, sql);
    must(sqlite3_close(db) == SQLITE_OK, path);
}

/* Models of other libraries: a split by x at 2, and one by c. */
static const char lightgbm_text[] =
    "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=1\n"
    "objective=regression\nfeature_names=x c\nfeature_infos=[0:9] 0:1\n\nTree=0\nnum_leaves=2\n"
    "num_cat=0\nsplit_feature=0\nthreshold=2\ndecision_type=10\nleft_child=-1\nright_child=-2\n"
    "leaf_value=10 20\n\nTree=1\nnum_leaves=2\nnum_cat=1\nsplit_feature=1\nthreshold=0\n"
    "decision_type=1\nleft_child=-1\nright_child=-2\nleaf_value=1 2\ncat_boundaries=0 1\n"
    "cat_threshold=1\n\nend of trees\nparameters:\nend of parameters\n"
    "pandas_categorical:[[\"a\",\"b\"]]\n";
static const char xgboost_text[] =
    "{\"learner\":{\"feature_names\":[\"x\"],\"gradient_booster\":{\"name\":\"gbtree\",\"model\":{"
    "\"tree_info\":[0],\"trees\":[{\"default_left\":[1,0,0],\"left_children\":[1,-1,-1],"
    "\"right_children\":[2,-1,-1],\"split_conditions\":[2,10,20],\"split_indices\":[0,0,0]}]}},"
    "\"learner_model_param\":{\"base_score\":\"5E-1\",\"num_class\":\"0\",\"num_feature\":\"1\"},"
    "\"objective\":{\"name\":\"reg:squarederror\"}},\"version\":[2,0,0]}";

/* Parquet under a name that does not say so. */
static void make_packed(const char *folder) {
    static const char *const words[] = {"predict", "made", "new.csv", "-o", "packed.parquet", NULL};
    char from[1100], to[1100];
    run_plain(folder, words, NULL);
    (void)snprintf(from, sizeof(from), "%s/packed.parquet", folder);
    (void)snprintf(to, sizeof(to), "%s/packed", folder);
    must(rename(from, to) == 0, "packed");
}

void fault_templates(const char *root) {
    static const char *const create[] = {"key", "create", "--role", "admin", "--json", NULL};
    static const char *const promote[] = {"model", "promote", "made@2", NULL};
    static const char *const pushed[] = {"data", "add", "pushed", "--push", "--key", "id", NULL};
    static const char *const halted[] = {
        "data", "add", "halted", "--push", "--policy", "new_column=stop", NULL};
    static const char *const fed[] = {"data", "add", "fed", "--files", "fed", NULL};
    static const char *const asked[] = {"data",    "add", "asked",    "--sqlite", HERE "/asked.db",
                                        "--query", "t",   "--cursor", "at",       NULL};
    static const char *const scored[] = {"sink",   "add", "scored",   "--model",       "made",
                                         "--read", "fed", "--to-csv", HERE "/answers", NULL};
    char from[1024], to[1024], shell[2048];
    (void)snprintf(from, sizeof(from), "%s/empty", root);
    must(mkdir(from, 0700) == 0, from);
    write_rows(path_of(from, "data.csv"), 0, 80);
    write_rows(path_of(from, "new.csv"), 200, 30);
    write_text(path_of(from, "model.txt"), lightgbm_text);
    write_text(path_of(from, "model.json"), xgboost_text);
    write_text(path_of(from, "few.csv"), "x,c\n1,a\n3,b\n");
    write_text(path_of(from, "answers.csv"), "prediction\n11\n22\n");
    write_text(path_of(from, "tidemill.yaml"),
               "models:\n  made:\n    from: data.csv\n    target: y\n    entity: id\n"
               "    gate: {better_than: champion, min: {auc: 0.1}}\n    retrain: {every: 7d}\n");
    write_text(
        path_of(from, "sources.yaml"),
        "sources:\n  pushed: {push: true, key: id, columns: {x: {type: float, required: true}}}\n"
        "  more: {files: few.csv, every: 1h, columns: {x: float, y: {role: target}}}\n");
    (void)snprintf(shell, sizeof(shell), "gzip -k '%s/new.csv'", from);
    must(system(shell) == 0, "gzip");
    (void)snprintf(to, sizeof(to), "%s/full", root);
    fault_copy(from, to);
    make_full(to);
    (void)snprintf(from, sizeof(from), "%s/full", root);
    (void)snprintf(to, sizeof(to), "%s/hot", root);
    fault_copy(from, to);
    make_hot(to);
    (void)snprintf(to, sizeof(to), "%s/turned", root);
    fault_copy(from, to);
    make_turned(to);
    (void)snprintf(to, sizeof(to), "%s/keyed", root);
    fault_copy(from, to);
    run_plain(to, create, "created");
    run_plain(to, pushed, "pushed");
    make_packed(to);
    run_plain(to, halted, NULL);
    push_rows(to);
    /* A folder: glob() of glibc 2.36 frees twice when memory runs out in it. */
    must(mkdir(path_of(to, "fed"), 0700) == 0, "fed");
    write_rows(path_of(to, "fed/1.csv"), 300, 20);
    run_plain(to, fed, NULL);
    run_plain(to, scored, NULL);
    /* Rows with the last value of the cursor have a column more; a bad one is among the new ones.
     */
    run_sql(path_of(to, "asked.db"), "CREATE TABLE t(at INTEGER, x INTEGER);"
                                     "INSERT INTO t VALUES (1, 1), (2, 2), (2, 3)");
    run_plain(to, asked, NULL);
    run_sql(path_of(to, "asked.db"),
            "ALTER TABLE t ADD COLUMN more DEFAULT 'text';"
            "INSERT INTO t VALUES (2, 4, NULL), (3, 'bad', 'b'), (3, 5, 'b')");
    write_rows(path_of(to, "fed/2.csv"), 400, 20);
    char *text = fault_read(path_of(to, "created"));
    json_error_t e;
    json_t *made = json_loads(text, 0, &e);
    must(made != NULL, "key");
    write_text(path_of(to, "key"), json_string_value(json_object_get(made, "key")));
    write_text(path_of(to, "keyid"), json_string_value(json_object_get(made, "id")));
    json_decref(made);
    free(text);
    (void)snprintf(from, sizeof(from), "%s/keyed", root);
    (void)snprintf(to, sizeof(to), "%s/moved", root);
    fault_copy(from, to);
    run_plain(to, promote, NULL);
}

/* ---- Coverage ---- */

static bool runs_command(const fault_case *c, const char *name) {
    char words[128] = "";
    for (uint32_t i = 0; i < 2 && c->words[i] != NULL; i++) {
        (void)strcat(strcat(words, i > 0 ? " " : ""), c->words[i]);
    }
    const size_t n = strlen(name);
    return strncmp(words, name, n) == 0 && (words[n] == '\0' || words[n] == ' ');
}

bool fault_covers_all(void) {
    bool is_all = true;
    uint32_t n = 0;
    const tm_command *commands = tm__commands(&n);
    for (uint32_t i = 0; i < n; i++) {
        bool is_run = false;
        for (uint32_t k = 0; k < fault_n_cases; k++) {
            is_run = is_run || (fault_cases[k].words[0] != NULL &&
                                runs_command(&fault_cases[k], commands[i].name));
        }
        if (!is_run) {
            printf("no case runs the command '%s'\n", commands[i].name);
        }
        is_all = is_all && is_run;
    }
    for (uint32_t i = 0; i < tm__endpoint_count(); i++) {
        bool is_run = false;
        for (uint32_t k = 0; k < fault_n_cases; k++) {
            is_run = is_run || (strncmp(fault_cases[k].name, "http ", 5) == 0 &&
                                strcmp(fault_cases[k].name + 5, tm__endpoint_get(i)->name) == 0);
        }
        if (!is_run) {
            printf("no case calls the endpoint '%s'\n", tm__endpoint_get(i)->name);
        }
        is_all = is_all && is_run;
    }
    return is_all;
}
