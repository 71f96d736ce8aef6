/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the supported kernels (6.1 to 7.3), and nothing else.
 *
 * Each difference is found by what the kernel's headers offer, never by its
 * version number, and says when it came, so that one knows when it can go.
 * Names that no preprocessor test can find are probed in Kbuild, which defines
 * MEMPOOL2_HAVE_* for this file.
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
 * Memory allocation profiling (6.10) charges an allocation to the line that
 * alloc_hooks() stands in. Below the hook the functions without one of their
 * own have to be called, or the charge goes to the wrong line.
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

/* That a workqueue has a worker for each CPU has to be said since 6.17. */
#ifdef MEMPOOL2_HAVE_WQ_PERCPU
#define MEMPOOL2_WQ_PERCPU		WQ_PERCPU
#else
#define MEMPOOL2_WQ_PERCPU		0
#endif

/* Which member counts a flexible array: 6.6, and 6.1 in later ones of its releases. */
#ifndef __counted_by
#define __counted_by(member)
#endif

/* The largest page order: MAX_ORDER was one above it until 6.4; renamed in 6.8. */
#ifdef MAX_PAGE_ORDER
#define MEMPOOL2_MAX_ORDER		MAX_PAGE_ORDER
#else
#define MEMPOOL2_MAX_ORDER		(MAX_ORDER - 1)
#endif

/*
 * KASAN learnt to watch elements that rest in a pool in 6.8. It exports no such
 * call to modules, so only a built-in mempool2 has it.
 */
#if defined(MEMPOOL2_HAVE_KASAN_MEMPOOL) && !defined(MODULE)
#include <linux/kasan.h>
#define mempool2_kasan_poison_object	kasan_mempool_poison_object
#define mempool2_kasan_unpoison_object	kasan_mempool_unpoison_object
#define mempool2_kasan_poison_pages	kasan_mempool_poison_pages
#define mempool2_kasan_unpoison_pages	kasan_mempool_unpoison_pages
/* It keeps notes of its own in objects that rest. */
#define MEMPOOL2_KASAN_WRITES		IS_ENABLED(CONFIG_KASAN)
#else
/* The arguments are not evaluated: finding the size would cost a call. */
#define mempool2_kasan_poison_object(object)		((void)sizeof(object), true)
#define mempool2_kasan_unpoison_object(object, size)		((void)sizeof(object), (void)sizeof(size))
#define mempool2_kasan_poison_pages(page, order)		((void)sizeof(page), (void)sizeof(order), true)
#define mempool2_kasan_unpoison_pages(page, order)		((void)sizeof(page), (void)sizeof(order))
#define MEMPOOL2_KASAN_WRITES				false
#endif

/* Stacks of callers, where the kernel is built to keep them, as all stock ones are. */
#if defined(CONFIG_STACKTRACE) && defined(CONFIG_STACKDEPOT)
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>
#define mempool2_stack_save		stack_trace_save
#define mempool2_depot_init		stack_depot_init
/* May the depot ask for memory if it has none left? That it can be told not to: 6.8. */
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
