/* SPDX-License-Identifier: Apache-2.0 */
/* What pthread_create() is in a test that tests/threaded does not name. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg) {
    (void)thread, (void)attributes, (void)fn, (void)arg;
    (void)fputs("this test starts a thread: name it in tests/threaded, so that the thread "
                "sanitizer sees it\n",
                stderr);
    abort();
}
