/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The leanest locked free list: a spin lock, a count and an array
 *
 * The obvious code for a few elements that several CPUs share. It has no allocator behind it,
 * and no caller can wait for an element. The lock, the count and the first elements share a
 * cache line.
 */
#ifndef _MEMPOOL2_BENCH_FREELIST_H
#define _MEMPOOL2_BENCH_FREELIST_H

#include <linux/cache.h>
#include <linux/spinlock.h>

#include "bench.h"

struct mp2b_freelist {
	raw_spinlock_t	lock;
	int		nr;
	int		size;
	void		*elements[] __counted_by(size);
} ____cacheline_aligned;

/*
 * A pool may be used in interrupts, so its lock disables them. In User-Mode Linux with several
 * CPUs this takes a system call, which would dominate the figure. There only threads of the
 * benchmark use the list, so a plain lock is right.
 */
#ifdef CONFIG_UML
#define mp2b_freelist_lock(list, flags)		\
	do { (flags) = 0; raw_spin_lock(&(list)->lock); } while (0)
#define mp2b_freelist_unlock(list, flags)	\
	do { (void)(flags); raw_spin_unlock(&(list)->lock); } while (0)
#else
#define mp2b_freelist_lock(list, flags)		raw_spin_lock_irqsave(&(list)->lock, flags)
#define mp2b_freelist_unlock(list, flags)	raw_spin_unlock_irqrestore(&(list)->lock, flags)
#endif

static __always_inline void *mp2b_freelist_alloc(struct mp2b_freelist *list)
{
	void *element = NULL;
	unsigned long flags;

	mp2b_freelist_lock(list, flags);
	if (list->nr)
		element = list->elements[--list->nr];
	mp2b_freelist_unlock(list, flags);
	return element;
}

/* The element came from the list, so the list has room for it. */
static __always_inline void mp2b_freelist_free(struct mp2b_freelist *list, void *element)
{
	unsigned long flags;

	mp2b_freelist_lock(list, flags);
	list->elements[list->nr++] = element;
	mp2b_freelist_unlock(list, flags);
}

void *mp2b_freelist_create(int min_nr, void *(*alloc_fn)(gfp_t gfp_mask, void *data),
			   void (*free_fn)(void *element, void *data), void *data);
void mp2b_freelist_destroy(void *list);

#endif /* _MEMPOOL2_BENCH_FREELIST_H */
