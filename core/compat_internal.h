/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the supported kernels that only mempool2 itself has to know
 *
 * The rules are those of core/compat.h, which has the differences that drivers meet. Kbuild probes
 * for the names that no preprocessor test can find, and defines MEMPOOL2_HAVE_* for this file.
 */
#ifndef _MEMPOOL2_COMPAT_INTERNAL_H
#define _MEMPOOL2_COMPAT_INTERNAL_H

#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/slab.h>

#include "compat.h"

/* Without a hook for memory allocation profiling, see mempool2_hooks(). */
#ifdef alloc_hooks
#define mempool2_raw_kvmalloc(size, gfp) \
	kvmalloc_node_noprof(size, gfp, NUMA_NO_NODE)
#else
#define mempool2_raw_kvmalloc		kvmalloc
#endif

/* Since 6.17 a workqueue with a worker for each CPU needs a flag. */
#ifdef MEMPOOL2_HAVE_WQ_PERCPU
#define MEMPOOL2_WQ_PERCPU		WQ_PERCPU
#else
#define MEMPOOL2_WQ_PERCPU		0
#endif

/* Names the member that counts the elements of a flexible array: 6.6, and later releases of 6.1. */
#ifndef __counted_by
#define __counted_by(member)
#endif

/* The largest page order: until 6.4 MAX_ORDER was one above it, and 6.8 renamed it. */
#define MEMPOOL2_MAX_ORDER		ilog2(MAX_ORDER_NR_PAGES)

/*
 * Since 6.8 KASAN can poison an element while a pool keeps it. KASAN does not export these calls
 * to modules, so only a built-in mempool2 has them.
 */
#if defined(MEMPOOL2_HAVE_KASAN_MEMPOOL) && !defined(MODULE)
#include <linux/kasan.h>
#define mempool2_kasan_poison_object	kasan_mempool_poison_object
#define mempool2_kasan_unpoison_object	kasan_mempool_unpoison_object
#define mempool2_kasan_poison_pages	kasan_mempool_poison_pages
#define mempool2_kasan_unpoison_pages	kasan_mempool_unpoison_pages
/* KASAN writes notes of its own into a parked object. */
#define MEMPOOL2_KASAN_WRITES		IS_ENABLED(CONFIG_KASAN)
#else
/* The arguments are not evaluated: a call for the size would cost time. */
#define mempool2_kasan_poison_object(object)	((void)sizeof(object), true)
#define mempool2_kasan_unpoison_object(object, size)			\
	((void)sizeof(object), (void)sizeof(size))
#define mempool2_kasan_poison_pages(page, order)			\
	((void)sizeof(page), (void)sizeof(order), true)
#define mempool2_kasan_unpoison_pages(page, order)			\
	((void)sizeof(page), (void)sizeof(order))
#define MEMPOOL2_KASAN_WRITES				false
#endif

/*
 * Code between the two runs in a hard interrupt only on kernels without PREEMPT_RT. So lockdep must
 * not object there to a lock that sleeps on PREEMPT_RT, as it does by default since a
 * release after 6.12 (PROVE_RAW_LOCK_NESTING). The first point releases of 6.1 cannot be told.
 */
#if defined(DEFINE_WAIT_OVERRIDE_MAP) && defined(CONFIG_LOCKDEP) && !defined(CONFIG_PREEMPT_RT)
#define MEMPOOL2_NOT_RT_MAP	mp2_not_rt_map
extern struct lockdep_map MEMPOOL2_NOT_RT_MAP;
#define mempool2_not_rt_begin()		lock_map_acquire_try(&MEMPOOL2_NOT_RT_MAP)
#define mempool2_not_rt_end()		lock_map_release(&MEMPOOL2_NOT_RT_MAP)
#else
#define mempool2_not_rt_begin()		do { } while (0)
#define mempool2_not_rt_end()		do { } while (0)
#endif

/* Stacks of callers, if the kernel is built with the stack depot, as all stock kernels are. */
#if defined(CONFIG_STACKTRACE) && defined(CONFIG_STACKDEPOT)
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>
#define mempool2_stack_save		stack_trace_save
#define mempool2_depot_init		stack_depot_init
/* @may_alloc: the depot may allocate memory. Since 6.8 the depot has a flag for that. */
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

#endif /* _MEMPOOL2_COMPAT_INTERNAL_H */
