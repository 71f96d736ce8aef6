/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The types of pools are mempool2's from here on, for a driver
 *
 * For genksyms there is only an incomplete struct mempool2. So the CRC of an exported symbol
 * differs from the stock build if its types contain a pool of the driver, and only then.
 */

/* The kernel's names still hold for these headers. */
#include <linux/mempool.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait.h>

#undef mempool
#undef mempool_s

#ifdef __GENKSYMS__
#ifndef _MEMPOOL2_COMPAT_H
#define _MEMPOOL2_COMPAT_H
struct mempool2;
#endif
#define mempool		mempool2
#define mempool_s	mempool2
#define mempool_t	struct mempool2
#else

#include "mempool2_dropin.h"

/* mempool2_dropin.h defines these too, but is read only once. */
#ifndef mempool_t
#ifdef MEMPOOL2_COMPAT_TAG_MEMPOOL2
#define mempool_s			mempool2
#else
#define mempool_s			mempool
#endif
#define mempool_t			mempool2_t
#define mempool_alloc_t			mempool2_alloc_t
#define mempool_free_t			mempool2_free_t
#endif
#endif
