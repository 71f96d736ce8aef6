/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the supported kernels (6.1 to 7.3) that mempool2.h has to know
 *
 * core/compat_internal.h has the others. Each difference is found by what the headers of the kernel
 * offer, never by a version number. The comment names the version that brought the difference, so
 * that it can be removed when that version is the oldest one.
 */
#ifndef _MEMPOOL2_CORE_COMPAT_H
#define _MEMPOOL2_CORE_COMPAT_H

#include <linux/gfp.h>
#include <linux/numa.h>
#include <linux/slab.h>

/*
 * Memory allocation profiling (6.10) charges an allocation to the line in which alloc_hooks()
 * stands. Below alloc_hooks() only functions without a hook of their own may be called; another
 * hook would charge the allocation to the wrong line.
 */
#ifdef alloc_hooks
#define mempool2_hooks(call)		alloc_hooks(call)
#define mempool2_raw_slab_alloc		kmem_cache_alloc_noprof
#define mempool2_raw_kmalloc		kmalloc_noprof
#define mempool2_raw_alloc_pages	alloc_pages_noprof
#else
#define mempool2_hooks(call)		(call)
#define mempool2_raw_slab_alloc		kmem_cache_alloc
#define mempool2_raw_kmalloc		kmalloc
#define mempool2_raw_alloc_pages	alloc_pages
#endif

#endif /* _MEMPOOL2_CORE_COMPAT_H */
