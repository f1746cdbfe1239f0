/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/guard.h"

#include <string.h>

#define BIT(permission) (1u << (permission))

static const char *const permission_names[] = {
    [TM_PERMISSION_NONE] = "none",       [TM_PERMISSION_PUBLIC] = "public",
    [TM_PERMISSION_PREDICT] = "predict", [TM_PERMISSION_LABEL] = "label",
    [TM_PERMISSION_READ] = "read",       [TM_PERMISSION_PROMOTE] = "promote",
    [TM_PERMISSION_TRAIN] = "train",     [TM_PERMISSION_ADMIN] = "admin",
    [TM_PERMISSION_INGEST] = "ingest",   [TM_PERMISSION_AUDIT] = "audit",
    [TM_PERMISSION_LOGIN] = "login",
};
#define N_PERMISSIONS (sizeof(permission_names) / sizeof(permission_names[0]))

static const struct {
    const char *name;
    unsigned can; /* a bit a permission; everybody may do what is public */
} roles[] = {
    [TM_GUARD_NOBODY] = {"nobody", 0},
#include "api_roles.h"
};
#define N_ROLES (sizeof(roles) / sizeof(roles[0]))

const char *tm__permission_text(tm_permission permission) {
    return (unsigned)permission < N_PERMISSIONS ? permission_names[permission] : "none";
}

const char *tm__guard_role_text(tm_guard_role role) {
    return (unsigned)role < N_ROLES ? roles[role].name : "nobody";
}

tm_guard_role tm__guard_role_from_text(const char *text) {
    for (unsigned i = 0; i < N_ROLES; i++) {
        if (strcmp(text, roles[i].name) == 0) {
            return (tm_guard_role)i;
        }
    }
    return TM_GUARD_NOBODY;
}

bool tm__guard_role_can(tm_guard_role role, tm_permission permission) {
    if (permission == TM_PERMISSION_PUBLIC) {
        return true;
    }
    if ((unsigned)role >= N_ROLES || (unsigned)permission >= N_PERMISSIONS) {
        return false;
    }
    return (roles[role].can & BIT((unsigned)permission)) != 0;
}
