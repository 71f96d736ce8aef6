// SPDX-License-Identifier: GPL-2.0-only
/*
 * What modinfo shows of mempool2.ko
 *
 * A copy in a driver (scripts/embed) leaves this file out: there the driver says what it is.
 */
#include <linux/module.h>

MODULE_DESCRIPTION("Pools of preallocated elements, for allocations that cannot fail");
MODULE_AUTHOR("mempool2 developers");
MODULE_VERSION(MEMPOOL2_VERSION);
MODULE_LICENSE("GPL");
