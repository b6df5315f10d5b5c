#include "spec.h"

#include "../base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t float_bytes[] = {[FM_F32] = 4, [FM_F16] = 2, [FM_BF16] = 2};

uint64_t fm_format_weight_bytes(const fm_format *f) {
    uint64_t elements = (uint64_t)f->rows * f->cols;
    return f->dtype == FM_AFFINE ? elements * f->bits / 8 : elements * float_bytes[f->dtype];
}

uint64_t fm_format_scale_bytes(const fm_format *f) {
    return f->dtype == FM_AFFINE ? (uint64_t)f->rows * (f->cols / f->group) * float_bytes[f->scale_dtype] : 0;
}

static const char *const role_names[FM_ROLES] = {
#define X(name, rows, cols) [FM_##name] = #name,
    FM_GLOBAL_ROLES(X) FM_SHARED_ROLES(X) FM_FULL_ROLES(X) FM_LINEAR_ROLES(X)
#undef X
};

static void expected_shape(const fm_config *c, fm_role role, uint32_t *rows, uint32_t *cols) {
    switch (role) {
#define X(name, r, k)                                                                                                  \
    case FM_##name:                                                                                                    \
        *rows = (r);                                                                                                   \
        *cols = (k);                                                                                                   \
        return;
        FM_GLOBAL_ROLES(X)
        FM_SHARED_ROLES(X)
        FM_FULL_ROLES(X)
        FM_LINEAR_ROLES(X)
#undef X
    case FM_ROLES: break;
    }
    *rows = *cols = 0;
}

/* Which roles a layer (or, with layer -1, the model) must have. */
static bool role_needed(const fm_config *c, fm_role role, int32_t layer) {
    bool global = role <= FM_HEAD, full = role >= FM_Q && role <= FM_K_NORM, linear = role >= FM_IN_QKV;
    if (layer < 0)
        return global && !(role == FM_HEAD && c->tied_head);
    return !global && (c->full_attention[layer] ? !linear : !full);
}

/* ---- checks -------------------------------------------------------------------------------------------------------
 */

/* Bounds that keep every product of sizes below far from overflow, and every buffer plannable. */
static fm_status check_config(const fm_config *c, fm_error *err) {
    const struct {
        const char *name;
        uint32_t value, least, most;
    } fields[] = {
        {"vocab", c->vocab, 1, 1u << 22},
        {"hidden", c->hidden, 1, 1u << 17},
        {"layers", c->layers, 1, 1024},
        {"heads", c->heads, 1, 4096},
        {"kv_heads", c->kv_heads, 1, 4096},
        {"head_dim", c->head_dim, 2, 4096},
        {"linear_key_heads", c->linear_key_heads, 1, 4096},
        {"linear_value_heads", c->linear_value_heads, 1, 4096},
        {"linear_key_dim", c->linear_key_dim, 1, 4096},
        {"linear_value_dim", c->linear_value_dim, 1, 4096},
        {"conv_kernel", c->conv_kernel, 1, 64},
        {"experts", c->experts, 1, 1u << 16},
        {"experts_per_token", c->experts_per_token, 1, c->experts},
        {"moe_inner", c->moe_inner, 1, 1u << 17},
        {"shared_inner", c->shared_inner, 1, 1u << 17},
        {"max_context", c->max_context, 1, 1u << 30},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].least || fields[i].value > fields[i].most)
            return fm_fail(err, FM_BAD_MODEL, "config: %s is %u, which is not between %u and %u", fields[i].name,
                           fields[i].value, fields[i].least, fields[i].most);
    if (!c->full_attention)
        return fm_fail(err, FM_BAD_MODEL, "config: the kind of each layer is missing");
    if (c->heads % c->kv_heads)
        return fm_fail(err, FM_BAD_MODEL, "config: %u query heads cannot share %u key/value heads evenly", c->heads,
                       c->kv_heads);
    if (c->linear_value_heads % c->linear_key_heads)
        return fm_fail(err, FM_BAD_MODEL, "config: %u linear value heads cannot share %u linear key heads evenly",
                       c->linear_value_heads, c->linear_key_heads);
    if (c->rope_dim > c->head_dim || c->rope_dim % 2)
        return fm_fail(err, FM_BAD_MODEL, "config: rope_dim %u is not an even number up to head_dim %u", c->rope_dim,
                       c->head_dim);
    if (!(c->rope_theta > 0) || !isfinite(c->rope_theta))
        return fm_fail(err, FM_BAD_MODEL, "config: rope_theta must be a positive number");
    if (!(c->norm_eps > 0) || !isfinite(c->norm_eps) || !isfinite(c->norm_shift))
        return fm_fail(err, FM_BAD_MODEL, "config: norm_eps must be a positive number");
    return FM_OK;
}

static fm_status check_format(const char *name, const fm_format *f, uint32_t rows, uint32_t cols, fm_error *err) {
    if (f->rows != rows || f->cols != cols)
        return fm_fail(err, FM_BAD_MODEL, "%s is [%u, %u], but the config asks for [%u, %u]", name, f->rows, f->cols,
                       rows, cols);
    if (f->dtype != FM_F32 && f->dtype != FM_F16 && f->dtype != FM_BF16 && f->dtype != FM_AFFINE)
        return fm_fail(err, FM_BAD_MODEL, "%s has an unknown dtype", name);
    if (f->dtype != FM_AFFINE)
        return FM_OK;
    if (f->bits < 2 || f->bits > 8 || f->bits == 7)
        return fm_fail(err, FM_UNSUPPORTED, "%s has %u bits a weight; 2, 3, 4, 5, 6 and 8 are supported", name,
                       f->bits);
    if (f->group != 32 && f->group != 64 && f->group != 128)
        return fm_fail(err, FM_UNSUPPORTED, "%s is quantised in groups of %u; 32, 64 and 128 are supported", name,
                       f->group);
    if (f->cols % f->group)
        return fm_fail(err, FM_BAD_MODEL, "%s has rows of %u weights, which groups of %u do not divide", name, f->cols,
                       f->group);
    if (f->scale_dtype != FM_F32 && f->scale_dtype != FM_F16 && f->scale_dtype != FM_BF16)
        return fm_fail(err, FM_BAD_MODEL, "%s has scales of an unknown dtype", name);
    return FM_OK;
}

/* part: "weight", "scales" or "biases". */
static fm_status check_extent(const char *name, const char *part, const fm_extent *e, uint64_t bytes, uint32_t files,
                              fm_error *err) {
    if (e->length != bytes)
        return fm_fail(err, FM_BAD_MODEL, "%s: the %s take %llu bytes where the shape and type need %llu", name, part,
                       (unsigned long long)e->length, (unsigned long long)bytes);
    if (bytes == 0)
        return FM_OK;
    if (e->file < 0 || (uint32_t)e->file >= files)
        return fm_fail(err, FM_BAD_MODEL, "%s: the %s are in file number %d of %u", name, part, e->file, files);
    if (e->offset > INT64_MAX - bytes)
        return fm_fail(err, FM_BAD_MODEL, "%s: the %s start at an impossible offset", name, part);
    return FM_OK;
}

static fm_status check_parts(const char *name, const fm_format *f, const fm_extent *weight, const fm_extent *scales,
                             const fm_extent *biases, uint32_t files, fm_error *err) {
    uint64_t scale_bytes = fm_format_scale_bytes(f);
    fm_status status = check_extent(name, "weight", weight, fm_format_weight_bytes(f), files, err);
    if (status == FM_OK)
        status = check_extent(name, "scales", scales, scale_bytes, files, err);
    if (status == FM_OK)
        status = check_extent(name, "biases", biases, scale_bytes, files, err);
    return status;
}

static fm_status add_tensor(fm_table *table, const fm_tensor *tensor, fm_error *err) {
    const fm_config *c = &table->config;
    const char *name = tensor->name ? tensor->name : "a tensor without a name";
    if ((int)tensor->role < 0 || tensor->role >= FM_ROLES)
        return fm_fail(err, FM_BAD_MODEL, "%s has an unknown role", name);
    if (tensor->layer < -1 || tensor->layer >= (int32_t)c->layers)
        return fm_fail(err, FM_BAD_MODEL, "%s belongs to layer %d of %u", name, tensor->layer, c->layers);
    if (!role_needed(c, tensor->role, tensor->layer))
        return fm_fail(err, FM_BAD_MODEL, "%s (%s) does not belong in layer %d of this model", name,
                       role_names[tensor->role], tensor->layer);
    fm_tensor *place = (fm_tensor *)fm_table_tensor(table, tensor->role, tensor->layer);
    if (place->weight.length)
        return fm_fail(err, FM_BAD_MODEL, "%s and %s are given for the same place", place->name, name);
    uint32_t rows, cols;
    expected_shape(c, tensor->role, &rows, &cols);
    fm_status status = check_format(name, &tensor->format, rows, cols, err);
    if (status == FM_OK && tensor->format.dtype == FM_AFFINE && (rows == 1 || tensor->role == FM_CONV) &&
        tensor->role != FM_SHARED_EXPERT_GATE)
        status = fm_fail(err, FM_UNSUPPORTED, "%s is quantised, which is not supported for vectors", name);
    if (status == FM_OK)
        status = check_parts(name, &tensor->format, &tensor->weight, &tensor->scales, &tensor->biases,
                             table->file_count, err);
    if (status != FM_OK)
        return status;
    *place = *tensor;
    place->name = strdup(name);
    return place->name ? FM_OK : fm_fail(err, FM_NO_MEMORY, "out of memory for the tensor table");
}

static fm_status add_experts(fm_table *table, uint32_t layer, const fm_expert_table *given, fm_error *err) {
    const fm_config *c = &table->config;
    const char *name = given->name ? given->name : "a layer's experts";
    for (int m = 0; m < FM_EXPERT_MATRICES; m++) {
        uint32_t rows = m == FM_DOWN ? c->hidden : c->moe_inner, cols = m == FM_DOWN ? c->moe_inner : c->hidden;
        fm_status status = check_format(name, &given->matrix[m], rows, cols, err);
        if (status != FM_OK)
            return status;
    }
    if (!given->extents)
        return fm_fail(err, FM_BAD_MODEL, "%s: the extents are missing", name);
    for (uint32_t e = 0; e < c->experts; e++)
        for (int m = 0; m < FM_EXPERT_MATRICES; m++) {
            const fm_extent *x = &given->extents[(size_t)e * FM_EXPERT_PARTS + 3 * (size_t)m];
            fm_status status = check_parts(name, &given->matrix[m], &x[0], &x[1], &x[2], table->file_count, err);
            if (status != FM_OK)
                return status;
        }
    size_t bytes = (size_t)c->experts * FM_EXPERT_PARTS * sizeof(fm_extent);
    fm_extent *extents = malloc(bytes);
    char *copy = strdup(name);
    fm_expert_table *place = &table->experts[layer];
    *place = *given;
    place->extents = extents;
    place->name = copy;
    if (!extents || !copy)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the expert table");
    memcpy(extents, given->extents, bytes);
    return FM_OK;
}

/* ---- the table ------------------------------------------------------------------------------------------------------
 */

const fm_tensor *fm_table_tensor(const fm_table *table, fm_role role, int32_t layer) {
    return layer < 0 ? &table->global[role] : &table->layers[(size_t)layer * FM_ROLES + role];
}

static fm_status check_complete(const fm_table *table, fm_error *err) {
    for (int32_t layer = -1; layer < (int32_t)table->config.layers; layer++)
        for (int role = 0; role < FM_ROLES; role++)
            if (role_needed(&table->config, (fm_role)role, layer) &&
                !fm_table_tensor(table, (fm_role)role, layer)->weight.length)
                return layer < 0 ? fm_fail(err, FM_BAD_MODEL, "the weight %s is missing", role_names[role])
                                 : fm_fail(err, FM_BAD_MODEL, "layer %d lacks its weight %s", layer, role_names[role]);
    return FM_OK;
}

fm_status fm_table_new(const fm_spec *spec, fm_table **out, fm_error *err) {
    fm_status status = check_config(&spec->config, err);
    if (status != FM_OK)
        return status;
    fm_table *table = calloc(1, sizeof *table);
    if (!table)
        return fm_fail(err, FM_NO_MEMORY, "out of memory for the tensor table");
    uint32_t layers = spec->config.layers;
    table->config = spec->config;
    table->config.full_attention = NULL;
    uint8_t *kinds = malloc(layers);
    table->config.full_attention = kinds;
    table->global = calloc(FM_ROLES, sizeof *table->global);
    table->layers = calloc((size_t)layers * FM_ROLES, sizeof *table->layers);
    table->experts = calloc(layers, sizeof *table->experts);
    table->files = calloc(spec->file_count + 1, sizeof *table->files);
    if (!kinds || !table->global || !table->layers || !table->experts || !table->files)
        status = fm_fail(err, FM_NO_MEMORY, "out of memory for the tensor table");
    if (status == FM_OK) {
        memcpy(kinds, spec->config.full_attention, layers);
        for (uint32_t f = 0; f < spec->file_count && status == FM_OK; f++, table->file_count++)
            if (!(table->files[f] = strdup(spec->files[f])))
                status = fm_fail(err, FM_NO_MEMORY, "out of memory for the tensor table");
    }
    for (uint32_t i = 0; i < spec->tensor_count && status == FM_OK; i++)
        status = add_tensor(table, &spec->tensors[i], err);
    if (status == FM_OK)
        status = check_complete(table, err);
    for (uint32_t l = 0; l < layers && status == FM_OK; l++)
        status = add_experts(table, l, &spec->experts[l], err);
    if (status != FM_OK) {
        fm_table_free(table);
        return status;
    }
    *out = table;
    return FM_OK;
}

void fm_table_free(fm_table *table) {
    if (!table)
        return;
    uint32_t layers = table->config.layers;
    for (int r = 0; table->global && r < FM_ROLES; r++)
        free((char *)table->global[r].name);
    for (size_t i = 0; table->layers && i < (size_t)layers * FM_ROLES; i++)
        free((char *)table->layers[i].name);
    for (uint32_t l = 0; table->experts && l < layers; l++) {
        free((char *)table->experts[l].name);
        free((fm_extent *)table->experts[l].extents);
    }
    for (uint32_t f = 0; table->files && f < table->file_count; f++)
        free(table->files[f]);
    free(table->global);
    free(table->layers);
    free(table->experts);
    free(table->files);
    free((uint8_t *)table->config.full_attention);
    free(table);
}

static fm_status check_inside(const fm_table *table, const uint64_t *sizes, const char *name, const fm_extent *e,
                              fm_error *err) {
    if (e->length && e->offset + e->length > sizes[e->file])
        return fm_fail(err, FM_BAD_MODEL, "%s: %s ends at byte %llu, but the file has %llu: it is truncated",
                       table->files[e->file], name, (unsigned long long)(e->offset + e->length),
                       (unsigned long long)sizes[e->file]);
    return FM_OK;
}

fm_status fm_table_check_files(const fm_table *table, const uint64_t *sizes, fm_error *err) {
    const fm_config *c = &table->config;
    fm_status status = FM_OK;
    for (int32_t layer = -1; layer < (int32_t)c->layers; layer++) {
        for (int role = 0; role < FM_ROLES; role++) {
            const fm_tensor *t = fm_table_tensor(table, (fm_role)role, layer);
            const fm_extent *parts[] = {&t->weight, &t->scales, &t->biases};
            for (int p = 0; p < 3 && status == FM_OK; p++)
                status = check_inside(table, sizes, t->name, parts[p], err);
        }
        for (size_t i = 0; layer >= 0 && i < (size_t)c->experts * FM_EXPERT_PARTS && status == FM_OK; i++)
            status = check_inside(table, sizes, table->experts[layer].name, &table->experts[layer].extents[i], err);
        if (status != FM_OK)
            return status;
    }
    return FM_OK;
}
