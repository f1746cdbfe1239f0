/* SPDX-License-Identifier: Apache-2.0 */
/* Feed each file of the folders named to a fuzz target, once: the corpus as a test. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int feed(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return 0;
    }
    uint8_t *data = malloc(16u << 20);
    const size_t len = data != NULL ? fread(data, 1, 16u << 20, file) : 0;
    fclose(file);
    /* A block of the exact size, so that the sanitizers see a read past the end. */
    uint8_t *exact = realloc(data, len > 0 ? len : 1);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 1;
}

int main(int argc, char **argv) {
    int n_fed = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        const struct dirent *entry;
        while (dir != NULL && (entry = readdir(dir)) != NULL) {
            char path[1024];
            if (entry->d_name[0] == '.') {
                continue;
            }
            snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
            n_fed += feed(path);
        }
        if (dir != NULL) {
            closedir(dir);
        }
    }
    printf("%d inputs replayed\n", n_fed);
    return 0;
}
