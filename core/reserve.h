/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reserve of a pool
 *
 * Elements rest in slots, one in each, and in a reserve that is too large for
 * that, in its store:
 *
 *	slots	taken from and filled without a lock, by one cmpxchg() each, which is
 *		a full barrier; few, so that looking at all of them is cheap
 *	store	an array used as a stack, under the lock of the reserve; whenever
 *		it is used half as many elements as there are slots move on between
 *		it and the slots, so that the next calls do not need it
 *
 * So no call costs more because the reserve is larger. A CPU that finds nothing in
 * the slots, or no room there, and does not know that this is all, looks again under
 * the lock, where nothing moves. Preemption is disabled meanwhile, so that RCU can
 * free a reserve that was replaced.
 */
#ifndef _MEMPOOL2_RESERVE_H
#define _MEMPOOL2_RESERVE_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

#include "../mempool2.h"

/**
 * enum mempool2_alike - have several elements of a pool the same address?
 *
 * @ALIKE_NEVER: no, as an allocator gives out each of them
 * @ALIKE_PERHAPS: nothing is known yet
 * @ALIKE_SOME: yes, when the pool was made
 * @ALIKE_NOT_ALL: no, when the pool was made, and there were two of them or more
 */
enum mempool2_alike {
	ALIKE_NEVER,
	ALIKE_PERHAPS,
	ALIKE_SOME,
	ALIKE_NOT_ALL,
};

/**
 * struct mempool2_elements - what is known of a pool's elements without the pool
 *
 * @area: so many bytes of each may be poisoned, 0 if none may; of pages the order
 * @are_pages: they are &struct page
 * @alike: what is known of their addresses, an &enum mempool2_alike
 */
struct mempool2_elements {
	u16	area : 13;
	u16	are_pages : 1;
	u16	alike : 2;
};

/**
 * struct mempool2_reserve - where the elements of a pool rest
 *
 * @nr_slots: slots in use; the first ones
 * @hint: which of a CPU's hints is for reserves of this size
 * @elements: what is known of the elements
 * @is_owned: by a resize or a sweep: nobody else replaces the reserve or moves its elements.
 *	Protected by mp2_registry_lock.
 * @is_moving: elements are being moved: CPUs that find nothing look again with @lock held. Set for at
 *	least a grace period before any is moved. Written by the owner.
 * @old: the reserve that this one replaces, until nothing is left in it. Protected by @lock.
 * @min_nr: copy of the member of the pool, for debugging
 * @registered: in the list of all reserves
 * @pool: where the pool was seen last: to be compared with, never to be followed
 * @site: the place in the code that made the pool
 * @ext: what the pool needs for features
 * @lock: protects what follows, and every element that is in no slot
 * @nr_stored: elements in the store
 * @max_stored: room in the store
 * @nr_unfilled: elements for which there never was memory, or less than 0 while a resize takes
 *	room away. Written by the owner.
 * @store: the store, behind the slots
 * @slots: %NULL, an element, or %SLOT_CLOSED
 */
struct mempool2_reserve {
	/* All CPUs read this, so none should write beside it. */
	u16				nr_slots;
	u8				hint;
	bool				is_owned;
	bool				is_moving;
	struct mempool2_elements	elements;
	int				min_nr;
	struct mempool2_reserve		*old;
	struct list_head		registered;
	struct mempool2			*pool;
	struct mempool2_site		*site;
	struct mempool2_ext		*ext;

	raw_spinlock_t			lock ____cacheline_aligned_in_smp;
	unsigned int			nr_stored;
	unsigned int			max_stored;
	int				nr_unfilled;
	void				**store;

	void				*slots[] ____cacheline_aligned_in_smp;
};

/*
 * In a slot beyond the end of a reserve, or one whose element a sweep has in hand. No element has
 * this address, and one comparison tells elements from it and %NULL.
 */
#define SLOT_CLOSED	((void *)1UL)

static inline bool is_element(const void *element)
{
	return (unsigned long)element > (unsigned long)SLOT_CLOSED;
}

/*
 * A full barrier, if true, between what we saw of pool->state before and after. Pairs with
 * full_scan_begin() (full-or-taken, full-or-moved), with the
 * smp_rmb() of the CPU that frees the element (address-passed, address-served), and for the
 * element with slot_put() (slot-filled, taken-once).
 */
static __always_inline bool slot_take(void **slot, void **element)
{
	void *found = READ_ONCE(*slot);

	if (!is_element(found) || !try_cmpxchg(slot, &found, NULL))
		return false;
	*element = found;
	return true;
}

/*
 * A full barrier, if true, before we look whether anybody waits for the element. Pairs with
 * mp2_waiter_queue() (queue-or-reserve, queue-or-new-reserve); for the element with slot_take()
 * (slot-filled); and with the xchg() of reserve_shrink_batch() (put-or-closed). While an element is offered, before we look at that: pairs with offer_end()
 * (offered-or-looked). For a slot that is
 * probably empty; slot_put() is cheaper if not.
 */
static __always_inline bool slot_put_here(void **slot, void *element)
{
	void *empty = NULL;

	return try_cmpxchg(slot, &empty, element);
}

static __always_inline bool slot_put(void **slot, void *element)
{
	return !READ_ONCE(*slot) && slot_put_here(slot, element);
}

/*
 * May an element that is in none of the slots be in the reserve all the same? To be asked before
 * the slots are looked at: then what left the store before is seen in its slot, and a CPU that
 * moves an element to the store after that looks for waiters. Pairs with store_set_nr()
 * (moved-to-slots, queue-or-stored, queue-or-moved) and mp2_reserve_set_moving() (moving-over,
 * swept-or-taken).
 */
static __always_inline bool reserve_has_more(struct mempool2_reserve *reserve)
{
	bool moving = smp_load_acquire(&reserve->is_moving);

	/* In this order: what a resize moved is in the store before that is over. */
	return smp_load_acquire(&reserve->nr_stored) | moving;
}

/*
 * FULL, which is when MEMPOOL2_NOT_FULL is not set, spares mempool2_free() a look at the
 * reserve. It is made sure of before it is said:
 *
 *	scanner: holding the lock, sets MEMPOOL2_FULL_SCAN and raises the count of scans, looks at
 *		 all slots, and if they have elements and MEMPOOL2_FULL_SCAN and the count are
 *		 unchanged, clears it and MEMPOOL2_NOT_FULL
 *	taker:	 takes an element; unless NOT_FULL was set before and is now, and there was no
 *		 FULL_SCAN either time, clears FULL_SCAN and sets NOT_FULL
 *
 * So a CPU that frees an element which the reserve is missing never sees FULL (full-or-taken,
 * full-or-taken-late, full-or-moved). The count tells the taker that the bits changed and changed
 * back (full-counted), and the scanner of a reserve that was replaced from the one of its successor
 * (full-or-rescanned). A taker that sees FULL_SCAN before it takes waits for the lock, so a CPU
 * spoils one attempt once at most; it can spoil the next one if it begins between the two
 * (scan-spoilt).
 */
static __always_inline bool seen_not_full(int state)
{
	return (state & (MEMPOOL2_NOT_FULL | MEMPOOL2_FULL_SCAN)) == MEMPOOL2_NOT_FULL;
}

/* May the reserve have room while nobody waits? By the sign it is one instruction. */
static __always_inline bool state_has_room(u8 state)
{
	return (s8)(state & (MEMPOOL2_NOT_FULL | MEMPOOL2_WAITERS)) > 0;
}

/* With one of these bits, or without NOT_FULL, it is not enough to take what is in a slot. */
#define FAST_TAKE_MASK	(MEMPOOL2_NOT_FULL | MEMPOOL2_FULL_SCAN | MEMPOOL2_WAITERS)

/* Shared by core/reserve.c and those that take the short way */

/* A cache line of slots for each CPU, but these at least and these at most. */
#define MIN_SLOTS	16
#define MAX_SLOTS	128

/* kvmalloc() refuses, with a warning of its own, what is larger than INT_MAX. */
#define MAX_MIN_NR	((int)((INT_MAX - sizeof(struct mempool2_reserve)) / sizeof(void *)))

DECLARE_PER_CPU(unsigned long [MAX_SLOTS], mp2_reserve_hints);

/* Where the CPU begins to look: a closed slot, if the reserve is smaller than it was made. */
static __always_inline void **reserve_hint_slot(struct mempool2_reserve *reserve)
{
	/* By an address, as UBSAN would check an index each time. */
	void **slot = &reserve->slots[this_cpu_read(*(&mp2_reserve_hints[0] + reserve->hint))];

	/* Else gcc computes the address twice, for reading and for writing. */
	OPTIMIZER_HIDE_VAR(slot);
	return slot;
}

static inline bool pool_has_waiters(const struct mempool2 *pool)
{
	return unlikely(atomic_read(&pool->state) & MEMPOOL2_WAITERS);
}

/* How many elements a reserve has room for so that @min_nr are guaranteed. */
static inline int reserve_size(int min_nr)
{
	return max(min_nr, 1);
}

/* How many it has room for. */
static inline unsigned int reserve_room(const struct mempool2_reserve *reserve)
{
	return reserve->nr_slots + reserve->max_stored;
}

/* core/reserve.c */

struct mempool2_reserve *mp2_reserve_create(int min_nr, gfp_t gfp, int node);
unsigned int mp2_reserve_take(struct mempool2 *pool, void **elems, unsigned int nr);
unsigned int mp2_reserve_put(struct mempool2 *pool, void **elems, unsigned int nr);
bool mp2_reserve_put_one(struct mempool2 *pool, void *element);
void *mp2_reserve_set_not_full(struct mempool2 *pool, void *element);
unsigned int mp2_reserve_count(struct mempool2_reserve *reserve);
int mp2_hints_init(void);

/* The same for core/resize.c, which moves elements; those of the store with the lock */
unsigned int mp2_slots_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
unsigned int mp2_slots_put(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
unsigned int mp2_store_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
unsigned int mp2_store_put(struct mempool2_reserve *reserve, void **elems, unsigned int nr);

#endif /* _MEMPOOL2_RESERVE_H */
