/* The model as data: the caller's description, checked and copied.
 *
 * Owns: what shape each weight must have, that every extent lies inside its file and has the bytes that its format
 * says, that nothing is missing or given twice. After fm_table_new the rest of the core trusts it. */
#ifndef FM_MODEL_SPEC_H
#define FM_MODEL_SPEC_H

#include "flashmoe.h"

typedef struct fm_table {
    fm_config config; /* full_attention points into the table's own memory */
    char **files;
    uint32_t file_count;
    fm_tensor *global;        /* [FM_ROLES], those of layer -1; absent ones have weight.length 0 */
    fm_tensor *layers;        /* [layers][FM_ROLES] */
    fm_expert_table *experts; /* [layers], extents and names copied */
} fm_table;

/* Copies and checks everything that does not need the files themselves. */
fm_status fm_table_new(const fm_spec *spec, fm_table **table, fm_error *err);
void fm_table_free(fm_table *table);

/* Checks that every extent lies inside its file; sizes [file_count] in bytes. */
fm_status fm_table_check_files(const fm_table *table, const uint64_t *sizes, fm_error *err);

const fm_tensor *fm_table_tensor(const fm_table *table, fm_role role, int32_t layer);

/* Bytes of the weights, and of the scales (the biases have as many), of a format. */
uint64_t fm_format_weight_bytes(const fm_format *format);
uint64_t fm_format_scale_bytes(const fm_format *format);

#endif
