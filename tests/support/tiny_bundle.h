/* SPDX-License-Identifier: Apache-2.0 */
/* A small real bundle for tests of whatever stores, serves or watches one. */
#ifndef TM_SUPPORT_TINY_BUNDLE_H
#define TM_SUPPORT_TINY_BUNDLE_H

#include "model/bundle.h"
#include "registry/registry.h"
#include "store/home.h"

typedef struct tm_tiny_bundle {
    const char *model;     /* NULL: "tiny" */
    const char *target;    /* NULL: "y" */
    const char *task;      /* NULL: "binary"; or "regression" */
    double auc;            /* test score in its info; tells bundles apart */
    const char *recipe;    /* JSON; may be NULL */
    bool continues;        /* its record says that it went on from another one */
    const char *entity;    /* name of a column beside the inputs; may be NULL */
    const char *time;      /* same of its time */
    const json_t *windows; /* record of features over windows; NULL: none */
    const json_t *events;  /* {SOURCE: HASH} of the rows that these are made of; NULL: none */
} tm_tiny_bundle;

/**
 * Fit the baseline on twenty rows of x (float), c (text), day (date), y, save the bundle in the
 * home and open it. Fails the test on any error. The caller ends it with tm__bundle_unref().
 */
tm_bundle *tm__tiny_bundle_create(const tm_home *home, const tm_tiny_bundle *options);
/** The registry of a home that gets n versions of the model "late", by "test". The caller closes
 * it.
 */
tm_registry *tm__tiny_registry_open(const tm_home *home, int n);

#endif
