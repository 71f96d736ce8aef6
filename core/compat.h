/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All differences between the supported kernels (6.1 to 7.3)
 *
 * Each test asks for what the headers of the kernel offer, never for a version number. The comment
 * gives the version that brought the difference, which tells a maintainer when the test can go.
 * Kbuild greps for the names that the preprocessor cannot test and defines MEMPOOL2_HAVE_*.
 */
#ifndef _MEMPOOL2_KERNEL_H
#define _MEMPOOL2_KERNEL_H

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/numa.h>
#include <linux/sched.h>
#include <linux/slab.h>

/*
 * Memory allocation profiling (6.10) charges an allocation to the source line of alloc_hooks().
 * Below that hook mempool2 has to call the _noprof functions: the others have hooks of their own,
 * which would charge a line of mempool2.
 */
#ifdef alloc_hooks
#define mempool2_hooks(call)		alloc_hooks(call)
#define mempool2_raw_slab_alloc		kmem_cache_alloc_noprof
#define mempool2_raw_kmalloc		kmalloc_noprof
#define mempool2_raw_kvmalloc(size, gfp) \
	kvmalloc_node_noprof(size, gfp, NUMA_NO_NODE)
#define mempool2_raw_alloc_pages	alloc_pages_noprof
#else
#define mempool2_hooks(call)		(call)
#define mempool2_raw_slab_alloc		kmem_cache_alloc
#define mempool2_raw_kmalloc		kmalloc
#define mempool2_raw_kvmalloc		kvmalloc
#define mempool2_raw_alloc_pages	alloc_pages
#endif

/* Since 6.17 a per-CPU workqueue needs a flag. */
#ifdef MEMPOOL2_HAVE_WQ_PERCPU
#define MEMPOOL2_WQ_PERCPU		WQ_PERCPU
#else
#define MEMPOOL2_WQ_PERCPU		0
#endif

/* 6.6, and later releases of 6.1. */
#ifndef __counted_by
#define __counted_by(member)
#endif

/* The largest page order. MAX_ORDER was one above it until 6.4; 6.8 renamed it. */
#ifdef MAX_PAGE_ORDER
#define MEMPOOL2_MAX_ORDER		MAX_PAGE_ORDER
#else
#define MEMPOOL2_MAX_ORDER		(MAX_ORDER - 1)
#endif

/*
 * KASAN can poison the elements in a pool since 6.8. It does not export these calls to modules, so
 * only a built-in mempool2 has them.
 */
#if defined(MEMPOOL2_HAVE_KASAN_MEMPOOL) && !defined(MODULE)
#include <linux/kasan.h>
#define mempool2_kasan_poison_object	kasan_mempool_poison_object
#define mempool2_kasan_unpoison_object	kasan_mempool_unpoison_object
#define mempool2_kasan_poison_pages	kasan_mempool_poison_pages
#define mempool2_kasan_unpoison_pages	kasan_mempool_unpoison_pages
/* KASAN writes to the objects that it has poisoned. */
#define MEMPOOL2_KASAN_WRITES		IS_ENABLED(CONFIG_KASAN)
#else
/* These do not evaluate their arguments: kmem_cache_size() is a function call. */
#define mempool2_kasan_poison_object(object)		((void)sizeof(object), true)
#define mempool2_kasan_unpoison_object(object, size)		((void)sizeof(object), (void)sizeof(size))
#define mempool2_kasan_poison_pages(page, order)		((void)sizeof(page), (void)sizeof(order), true)
#define mempool2_kasan_unpoison_pages(page, order)		((void)sizeof(page), (void)sizeof(order))
#define MEMPOOL2_KASAN_WRITES				false
#endif

/* Stacks of callers, on kernels with a stack depot, as all stock kernels have one. */
#if defined(CONFIG_STACKTRACE) && defined(CONFIG_STACKDEPOT)
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>
#define mempool2_stack_save		stack_trace_save
#define mempool2_depot_init		stack_depot_init
/* Since 6.8 the depot takes a flag that allows it to allocate memory. */
#ifdef STACK_DEPOT_FLAG_CAN_ALLOC
#define mempool2_depot_save(entries, nr, gfp, may_alloc)		\
	stack_depot_save_flags(entries, nr, gfp,			\
			       (may_alloc) ? STACK_DEPOT_FLAG_CAN_ALLOC : 0)
#else
#define mempool2_depot_save(entries, nr, gfp, may_alloc)		\
	((may_alloc) ? stack_depot_save(entries, nr, gfp) : 0)
#endif
#define mempool2_depot_fetch		stack_depot_fetch
#define mempool2_depot_print		stack_depot_print
#else
#define mempool2_stack_save(entries, size, skip)	((void)(entries), 0)
#define mempool2_depot_init()				(-EOPNOTSUPP)
#define mempool2_depot_save(entries, nr, gfp, may_alloc)	((void)(entries), 0)
#define mempool2_depot_fetch(stack, entries)		(*(entries) = NULL, 0)
#define mempool2_depot_print(stack)			((void)(stack))
#endif

#endif /* _MEMPOOL2_KERNEL_H */
