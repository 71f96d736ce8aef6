// SPDX-License-Identifier: GPL-2.0-only
/*
 * The leanest locked free list, as a kind of pool; see freelist.h
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include "freelist.h"

/* The elements are numbers: nothing dereferences or frees them. */
void *mp2b_freelist_create(int min_nr, void *(*alloc_fn)(gfp_t gfp_mask, void *data),
			   void (*free_fn)(void *element, void *data), void *data)
{
	struct mp2b_freelist *list;

	list = kvzalloc(struct_size(list, elements, min_nr), GFP_KERNEL);
	if (!list)
		return NULL;
	raw_spin_lock_init(&list->lock);
	list->size = min_nr;
	while (list->nr < min_nr) {
		list->elements[list->nr] = mp2b_number(list->nr);
		list->nr++;
	}
	return list;
}

void mp2b_freelist_destroy(void *list)
{
	kvfree(list);
}
