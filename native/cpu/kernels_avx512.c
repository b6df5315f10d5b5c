/* AVX-512 kernels: not written yet. */
#include "kernels.h"

const fm_kernels *const fm_kernels_avx512 = NULL;
