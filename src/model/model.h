/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Learners behind one ops table. A fitted model is immutable, gives raw scores (margins: log-odds
 * for BINARY, one logit a class for MULTICLASS, the value or its log for REGRESSION, what a query's
 * rows are sorted by for RANKING) and never sees names, text or files: it works on the numbers of a
 * tm_view.
 */
#ifndef TM_MODEL_MODEL_H
#define TM_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/ctx.h"
#include "base/json.h"
#include "feature/feature.h"

#define TM_MODEL_ABI 1u

/* No row may get a raw score beyond it: load() refuses a model whose parts could add up to more. So
 * sums of scores, and what the link makes of them, are finite. */
#define TM_MODEL_SCORE_MAX 1e300

typedef enum tm_param_kind {
    TM_PARAM_INT,
    TM_PARAM_FLOAT,
    TM_PARAM_CHOICE /* the value is the place of a name in `choices` */
} tm_param_kind;
typedef struct tm_param_def {
    const char *name; /* "n_trees" */
    tm_param_kind kind;
    double otherwise;    /* default */
    double min, max;     /* inclusive */
    const char *doc;     /* one sentence, with source where there is one */
    const char *choices; /* CHOICE: names with | between */
} tm_param_def;

/* Parameters of one learner by position of its definition list; open: zero-initialised is not
 * default, use tm__params_init. */
#define TM_MAX_PARAMS 24u
typedef struct tm_params {
    double values[TM_MAX_PARAMS];
} tm_params;

/* What a person demands of answers along one column of a view. */
#define TM_MAX_COLUMN_GROUPS 63u
typedef struct tm_column_rule {
    int8_t monotone; /* 1: the raw score never falls as the column grows; -1: never rises; 0 */
    uint32_t input;  /* columns of one input may always act together */
    uint64_t groups; /* bit set of the groups of columns that it may act together with; 0: none */
} tm_column_rule;

typedef struct tm_model tm_model;
typedef struct tm_model_ops tm_model_ops;

/* What the base of an update stands on, for a learner that weighs it (weighs_before). Zeroed:
 * nothing is known of it. */
typedef struct tm_fit_before {
    const tm_view *x;      /* rows that the base learned from, or some of them, evenly spread; NULL:
                              none are at hand, and those given stand for them */
    const double *weights; /* [x->n_rows] or NULL */
    double n_rows;         /* in all; 0: as many as x has */
    double counts;         /* what one of them counts beside a row given; NaN: the learner chooses
                              by x_valid, and takes 0.5 without */
} tm_fit_before;

typedef struct tm_fit_input {
    tm_task task;
    uint32_t n_classes; /* MULTICLASS */
    const tm_view *x;
    const double *y;        /* [x->n_rows] class index or value */
    const double *weights;  /* [x->n_rows] or NULL */
    const tm_view *x_valid; /* for early stopping; NULL: none */
    const double *y_valid;
    const double *weights_valid;
    /* RANKING: [rows] number of each row's query, rising; a learner may do without */
    const uint32_t *queries, *queries_valid;
    /* [rows x outputs], row-major, or NULL: raw scores that training starts from in place of a
     * constant. They are no part of the model: who gives them adds those of a row to the raw scores
     * that the model predicts for it. TM_E_UNSUPPORTED for a learner that cannot. */
    const double *init_scores, *init_scores_valid;
    uint64_t seed;
    const struct tm_metric_ops *metric; /* that early stopping looks at; NULL: the learner's own */
    const tm_column_rule *rules; /* [x->n_cols]; NULL: none. TM_E_UNSUPPORTED for a learner that
                                    cannot keep them */
    bool has_groups;             /* columns may act together only within groups */
    const tm_model
        *base;            /* of the same learner, task and columns: it is kept, and what is learned
                             is added to it; NULL: none. TM_E_UNSUPPORTED for a learner that cannot */
    bool is_update;       /* nothing is added to base: its own numbers move with the rows given */
    tm_fit_before before; /* of an update */
} tm_fit_input;

struct tm_model_ops {
    const char *name; /* "gbdt"; also the name in files and the API */
    uint32_t abi;
    const tm_param_def *params; /* ends with name NULL */
    bool keeps_rules;           /* tm_fit_input.rules are no error */
    bool takes_scores;          /* tm_fit_input.init_scores are no error */
    bool continues;             /* tm_fit_input.base is none */
    bool updates;               /* tm_fit_input.is_update is none */
    bool weighs_before;         /* an update looks at tm_fit_input.before */
    bool is_external;           /* of a user's module: fitted only where it is named */
    /* required */
    tm_status (*fit)(tm_ctx *ctx, const tm_fit_input *in, const tm_params *params,
                     tm_model **out_model, tm_err *err);
    /* out [n_rows x n_outputs] row-major raw scores. The same row gives the same bits alone and in
     * any batch. */
    tm_status (*predict)(tm_ctx *ctx, const tm_model *model, const tm_view *x, double *out,
                         tm_err *err);
    tm_status (*save)(const tm_model *model, tm_buf *out, tm_err *err);
    /* data is 64-byte aligned and outlives the model, which may borrow it. Every byte is checked:
     * TM_E_INTEGRITY for what save() cannot have written. */
    tm_status (*load)(const void *data, size_t len, tm_model **out_model, tm_err *err);
    void (*free)(tm_model *model);
    /* out [n_outputs]: raw scores of one row; no allocation. */
    void (*predict_row)(const tm_model *model, const tm_view *row, double *out);
    /* optional: NULL means TM_E_UNSUPPORTED, and tm__model_can_explain() tells beforehand */
    /* out [n_outputs x (n_cols + 2)]: dense columns, text terms, mean. What each dense column adds
     * to the raw score, then what all text terms add together (0 for a learner without terms), then
     * the mean raw score of training; a row of out sums to the raw score. */
    tm_status (*explain)(const tm_model *model, const tm_view *row, double *out, tm_err *err);
    /* gain or |weight| share of each dense column, and of the text terms as one last value: out
     * [n_cols + 1] */
    void (*importance)(const tm_model *model, double *out);
    /* splits of trees by each dense column are added to sums [n_cols] */
    void (*splits)(const tm_model *model, double *sums);
    /* Models that this one is made of, one call each. NULL: none. */
    void (*each_part)(const tm_model *model, void (*fn)(void *arg, const tm_model *part),
                      void *arg);
    json_t *(*describe)(
        const tm_model *model); /* what a person wants to know: {"n_trees": 120, ...} */
    /* Bytes that a fit takes at the least, by rows, columns and parameters: cells are not looked
     * at. NULL: not known. */
    uint64_t (*needs)(const tm_fit_input *in, const tm_params *params, uint32_t n_threads);
    /* Targets that a fit with these parameters would refuse, NaN passed over: TM_E_INVALID names
     * the row. NULL: any number will do. */
    tm_status (*check_targets)(const tm_params *params, tm_task task, const double *y,
                               uint64_t n_rows, tm_err *err);
    /* The model as it was after its first rounds, at least 1 and at most n_rounds. NULL: it has no
     * rounds that stand alone. */
    tm_status (*first_rounds)(const tm_model *model, uint32_t n_rounds, tm_model **out,
                              tm_err *err);
};

/* How a raw score becomes an answer. Numbers are stored in files of imported models. */
typedef enum tm_link {
    TM_LINK_NONE,
    TM_LINK_SIGMOID, /* BINARY; of several outputs: each for itself */
    TM_LINK_SOFTMAX, /* MULTICLASS */
    TM_LINK_EXP,     /* REGRESSION, of a model of the log */
    /* of imported models alone */
    TM_LINK_SQUARE,   /* sign(x) * x^2 */
    TM_LINK_SOFTPLUS, /* log(1 + exp(x)) */
    TM_LINK_SHARES    /* MULTICLASS: sigmoid of each, then divided by their sum */
} tm_link;

struct tm_model { /* every state struct starts with this */
    const tm_model_ops *ops;
    tm_task task;
    uint32_t n_outputs; /* MULTICLASS: n_classes, else 1 */
    bool is_log;        /* REGRESSION: raw scores are logs of answers */
    bool has_link;      /* link is how its raw scores become answers; else the task says */
    tm_link link;
    uint32_t n_cols;    /* dense columns of its view */
    uint32_t n_terms;   /* sparse terms it may read; 0: none */
    uint64_t work_used; /* units that fitting took */
    double seconds_fit; /* not saved: time of the last stage (boosting) and of binning */
    double seconds_bin;
    uint64_t bytes_planned; /* not saved: memory at the most while it was fitted, all that was held
                               then included; 0: not known */
    uint32_t n_rounds;      /* rounds kept (early stopping), 0 where it has no meaning */
    double before_counts;   /* of an update that weighs them: tm_fit_before.counts */
};

/** NULL-terminated list of all learners. Find by name knows blends, offsets and imported models
 * too, which are no learners. */
const tm_model_ops *const *tm__model_list(void);
const tm_model_ops *tm__model_find(const char *name);

struct tm_user_module;
/** Put the learner of a user's module, if it has one, on the list. TM_E_CONFLICT when its name is
 * taken. One caller, before other threads start. */
TM_NODISCARD tm_status tm__model_add(const struct tm_user_module *module, tm_err *err);

void tm__params_init(const tm_model_ops *ops, tm_params *out);
/** Set by name from text; TM_E_USAGE with nearest name or the range. */
TM_NODISCARD tm_status tm__params_set(const tm_model_ops *ops, tm_params *params, const char *name,
                                      const char *text, tm_err *err);
double tm__params_get(const tm_model_ops *ops, const tm_params *params, const char *name);
json_t *tm__params_to_json(const tm_model_ops *ops, const tm_params *params);

/* Checked calls; callers never use ops directly. Fitting wants finite y below n_classes (also in
 * y_valid: leave out rows of a class that training has not), weights finite and not all 0. */
TM_NODISCARD tm_status tm__model_fit(tm_ctx *ctx, const tm_model_ops *ops, const tm_fit_input *in,
                                     const tm_params *params, tm_model **out, tm_err *err);
TM_NODISCARD tm_status tm__model_predict(tm_ctx *ctx, const tm_model *model, const tm_view *x,
                                         double *out, tm_err *err);
void tm__model_predict_row(const tm_model *model, const tm_view *row, double *out);
bool tm__model_can_explain(const tm_model *model);
TM_NODISCARD tm_status tm__model_explain(const tm_model *model, const tm_view *row, double *out,
                                         tm_err *err);
/** Whether a model of trees for a task can have as many outputs. task: of a file, any number. */
bool tm__model_outputs_fit(uint32_t task, uint32_t n_outputs);
tm_link tm__model_link_of(const tm_model *model);
/** Raw scores to answers, in place. raw [n_rows x n_outputs]. Deterministic bits; answers are
 * finite: EXP ends at the exp of 700 either way. */
void tm__model_link(tm_link link, uint32_t n_outputs, uint64_t n_rows, double *raw);
void tm__model_free(tm_model *model);

#endif
