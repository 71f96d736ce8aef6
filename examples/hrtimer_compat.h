/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hrtimer_setup() for kernels before 6.13, which introduced it. 6.15 removed hrtimer_init(). The
 * Kbuild beside this file finds out which one the kernel has.
 */
#ifndef _MEMPOOL2_HRTIMER_COMPAT_H
#define _MEMPOOL2_HRTIMER_COMPAT_H

#include <linux/hrtimer.h>

#ifndef HAVE_HRTIMER_SETUP
static inline void
hrtimer_setup(struct hrtimer *timer,
	      enum hrtimer_restart (*function)(struct hrtimer *),
	      clockid_t clock_id, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock_id, mode);
	timer->function = function;
}
#endif

#endif /* _MEMPOOL2_HRTIMER_COMPAT_H */
