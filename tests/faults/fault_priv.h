/* SPDX-License-Identifier: Apache-2.0 */
/* What running a case and making its folder share. */
#ifndef TM_FAULT_PRIV_H
#define TM_FAULT_PRIV_H

#include <stdbool.h>

/* A path that is kept as it is, in the folder of each try. */
#define FAULT_HERE "/proc/self/cwd"
#define FAULT_TRAIN "train", "data.csv", "--target", "y", "--name", "made", "--entity", "id"
#define FAULT_SMALL "--learner", "gbdt", "--param", "gbdt.n_trees=5", "--threads", "1"
/* A public key of RFC 8032, 7.1, that templates trust. */
#define FAULT_TRUSTED "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

/** End the program, with errno, when what the test itself needs does not work. */
void fault_must(bool ok, const char *what);
void fault_write_text(const char *path, const char *text);
/** Let the descriptor write to a new file. */
void fault_to_file(const char *path, int fd);
/** Run the program's main in this process: words end with NULL. Its exit code. */
int fault_command(const char *const *words);

#endif
