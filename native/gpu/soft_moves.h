/* Moves of the soft device when its memory is apart: a thread that takes its time, and leaves rubbish in the meantime.
 */
#ifndef FM_GPU_SOFT_MOVES_H
#define FM_GPU_SOFT_MOVES_H

#include "device.h"

typedef struct soft_moves soft_moves;

/* NULL when the system refuses memory or a thread. */
soft_moves *soft_moves_new(void);
void soft_moves_free(soft_moves *m);
fm_ticket soft_moves_begin(soft_moves *m, void *to, const void *from, size_t bytes);
bool soft_moves_ended(soft_moves *m, fm_ticket ticket);
void soft_moves_wait(soft_moves *m, fm_ticket ticket);

#endif
