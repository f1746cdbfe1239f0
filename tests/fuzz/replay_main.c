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
    const long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : 0;
    rewind(file);
    if (size < 0 || size > 64l << 20) {
        fclose(file);
        return 0;
    }
    /* A block of the exact size, so that the sanitizers see a read past the end. */
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    const size_t len = data != NULL && size > 0 ? fread(data, 1, (size_t)size, file) : 0;
    fclose(file);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, len);
    free(data);
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
