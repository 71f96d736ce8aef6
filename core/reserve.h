/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The reserve of a pool
 *
 * A reserve keeps parked elements in two places:
 *
 *	slots	One element each. A CPU takes from a slot, or fills it, without a lock, by one
 *		cmpxchg(), which is a full barrier. Slots are few, so a look at all of them is
 *		cheap.
 *	store	The rest of a large reserve: an array used as a stack, under reserve->lock. A
 *		call that has to use the store also moves half as many elements as there are
 *		slots between the store and the slots, so that the next calls need only slots.
 *
 * So the cost of a call does not grow with the reserve. A CPU that finds no element in the slots
 * looks again under the lock, where no element moves, if the store may have one or if it wants just
 * one (mp2_reserve_take_certain()). A CPU that finds no room in the slots tries the store under the
 * lock. Each look has preemption disabled, so that a resize can free the old reserve after a grace
 * period of RCU.
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
 * enum mempool2_alike - can several elements of a pool have one address?
 *
 * @ALIKE_NEVER: no: an allocator returns each element
 * @ALIKE_PERHAPS: not known yet
 * @ALIKE_SOME: yes: two elements of the initial reserve had one address
 * @ALIKE_NOT_ALL: the initial reserve had two different addresses, or more
 */
enum mempool2_alike {
	ALIKE_NEVER,
	ALIKE_PERHAPS,
	ALIKE_SOME,
	ALIKE_NOT_ALL,
};

/**
 * struct mempool2_elements - properties of a pool's elements, readable without the pool
 *
 * @area: number of bytes that may be poisoned in each element, 0 for none; the order for pages
 * @are_pages: the elements are &struct page
 * @alike: an &enum mempool2_alike
 */
struct mempool2_elements {
	u16	area : 13;
	u16	are_pages : 1;
	u16	alike : 2;
};

/**
 * struct mempool2_reserve - the parked elements of a pool
 *
 * @nr_slots: number of slots in use, from slot 0 on
 * @hint: index of the per-CPU hint for reserves with this number of slots
 * @elements: properties of the elements
 * @is_owned: a resize or a sweep of the checks owns the reserve: no other resize or sweep
 *	replaces the reserve or moves its elements. Protected by mp2_registry_lock.
 * @is_moving: the owner may be moving elements: a CPU that finds none in the slots looks again
 *	with @lock held. The owner sets it a grace period before it moves the first element.
 * @old: the reserve that this one replaces, until a resize has emptied it. Protected by @lock;
 *	written by the owner.
 * @min_nr: copy of &mempool2.min_nr, for debugging, which cannot rely on the pool's address
 * @registered: node in the registry, the list of all reserves
 * @pool: last known address of the pool; compared, never dereferenced
 * @site: the code that created the pool
 * @ext: features of the pool; %NULL as long as it never had any
 * @lock: protects the store and the members from here to @store but @nr_unfilled
 * @nr_stored: number of elements in the store
 * @max_stored: number of elements for which the store has room
 * @nr_unfilled: room for elements that were never allocated; less than 0 while a resize takes
 *	room away. Written by the owner.
 * @store: the store, an array behind the slots
 * @slots: each is %NULL, an element, or %SLOT_CLOSED
 */
struct mempool2_reserve {
	/* All CPUs read this cache line: keep members that change in other lines. */
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
 * The value of a slot that a resize has closed for good, or that a sweep has closed while it
 * examines the element. No element has this address; one comparison tells an element from
 * SLOT_CLOSED and NULL.
 */
#define SLOT_CLOSED	((void *)1UL)

static inline bool is_element(const void *element)
{
	return (unsigned long)element > (unsigned long)SLOT_CLOSED;
}

/*
 * Take the element of @slot. On success a full barrier.
 *
 * Race B: the taker reads pool->state before and after. Pairs with scan_begin()
 * (full-or-taken, full-or-moved) and scan_end() (taken-or-rescanned).
 * Race D: the taker reads pool->state before it learns the address. Pairs with the smp_rmb() of
 * the CPU that frees the element (address-passed, address-served).
 * The contents of the element: pairs with slot_put() (slot-filled, taken-once).
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
 * Fill @slot, if it is empty. On success a full barrier. For a slot that is probably empty;
 * slot_put() is cheaper for one that is not.
 *
 * Race A: the freeing CPU fills the slot before it reads MEMPOOL2_WAITERS. Pairs with
 * mp2_waiter_queue() (queue-or-reserve, queue-or-new-reserve). While an element is offered the
 * CPU reads MEMPOOL2_OFFERED too: pairs with offer_end() (offered-or-looked).
 * Race B: the caller fills the slot before it reads the state for its next element. Pairs with
 * scan_begin() of mp2_reserve_take_certain() (put-or-waits).
 * The contents of the element: pairs with slot_take() (slot-filled).
 * A slot that a resize closes: pairs with the xchg() of reserve_shrink_batch() (put-or-closed).
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
 * May the reserve have an element that is in none of the slots? Call this before the look at the
 * slots. The look then finds in its slot each element that had left the store, and a CPU that
 * moves an element to the store later looks for waiters.
 *
 * Race C: the acquires pair with the releases of store_set_nr() (moved-to-slots, queue-or-stored,
 * queue-or-moved) and of mp2_reserve_set_moving() (moving-over, swept-or-taken).
 */
static __always_inline bool reserve_has_more(struct mempool2_reserve *reserve)
{
	/* Pairs with mp2_reserve_set_moving(). */
	bool moving = smp_load_acquire(&reserve->is_moving);

	/*
	 * Read nr_stored after is_moving: a resize has raised nr_stored for what it moved before
	 * it clears is_moving.
	 */
	return smp_load_acquire(&reserve->nr_stored) | moving;
}

/*
 * Race B. The reserve is FULL while MEMPOOL2_NOT_FULL is clear: then mempool2_free() need not look
 * at the reserve. A CPU, the scanner, proves that the reserve is full before it commits FULL:
 *
 *	scanner	Under reserve->lock: sets MEMPOOL2_FULL_SCAN and increments the count of scans, then
 *		tries each slot. If all slots are filled, and FULL_SCAN and the count are as the
 *		scanner left them, clears FULL_SCAN and NOT_FULL in one cmpxchg().
 *	taker	Reads the state, takes an element, reads the state again. If the first read had
 *		NOT_FULL and no FULL_SCAN, and the second read is equal, the taker is done. Else it
 *		clears FULL_SCAN, which spoils the scan, and sets NOT_FULL, both in one cmpxchg(),
 *		before any CPU learns the address of the element.
 *
 * So a CPU that frees an element which the reserve lacks never sees FULL (full-or-taken,
 * full-or-taken-late, full-or-moved). The count shows a taker that the bits changed and changed
 * back (full-counted), and keeps the scanners of an old and a new reserve apart
 * (full-or-rescanned). A taker that sees FULL_SCAN before it takes waits for the lock of the
 * scanner, so a CPU spoils one attempt at most once, and the next attempt only if it begins between
 * the two (scan-spoilt). A caller that finds no element scans too, see mp2_reserve_take_certain().
 */
static __always_inline bool seen_not_full(int state)
{
	return (state & (MEMPOOL2_NOT_FULL | MEMPOOL2_FULL_SCAN)) == MEMPOOL2_NOT_FULL;
}

/*
 * NOT_FULL without WAITERS: a free may put its element into the reserve. WAITERS is the sign bit,
 * so that this is one comparison.
 */
static __always_inline bool state_has_room(u8 state)
{
	return (s8)(state & (MEMPOOL2_NOT_FULL | MEMPOOL2_WAITERS)) > 0;
}

/* An allocation may take from its hint slot alone if just NOT_FULL is set of these. */
#define FAST_TAKE_MASK	(MEMPOOL2_NOT_FULL | MEMPOOL2_FULL_SCAN | MEMPOOL2_WAITERS)

/* For core/reserve.c and for the calls that use only the slot at the CPU's hint */

/*
 * Bounds for the number of slots, which is a cache line of slots for each CPU, but never more than
 * the elements of the pool.
 */
#define MIN_SLOTS	16
#define MAX_SLOTS	128

/* kvmalloc() warns of a size above INT_MAX. */
#define MAX_MIN_NR	((int)((INT_MAX - sizeof(struct mempool2_reserve)) / sizeof(void *)))

DECLARE_PER_CPU(unsigned long [MAX_SLOTS], mp2_reserve_hints);

/*
 * The slot at the CPU's hint. The array has this slot even if a resize has made the reserve smaller
 * in place; the slot is closed then.
 */
static __always_inline void **reserve_hint_slot(struct mempool2_reserve *reserve)
{
	/* Pointer arithmetic: UBSAN would check an array index each time. */
	void **slot = &reserve->slots[this_cpu_read(*(&mp2_reserve_hints[0] + reserve->hint))];

	/* Without this gcc computes the address twice, once to read and once to write. */
	OPTIMIZER_HIDE_VAR(slot);
	return slot;
}

static inline bool pool_has_waiters(const struct mempool2 *pool)
{
	return unlikely(atomic_read(&pool->state) & MEMPOOL2_WAITERS);
}

/* Room for @min_nr elements, but for 1 if @min_nr is 0: waiters need an element that comes back. */
static inline int reserve_size(int min_nr)
{
	return max(min_nr, 1);
}

/* Number of elements for which @reserve has room. */
static inline unsigned int reserve_room(const struct mempool2_reserve *reserve)
{
	return reserve->nr_slots + reserve->max_stored;
}

/* core/reserve.c */

struct mempool2_reserve *mp2_reserve_create(int min_nr, gfp_t gfp, int node);
unsigned int mp2_reserve_take(struct mempool2 *pool, void **elems, unsigned int nr);
unsigned int mp2_reserve_take_certain(struct mempool2 *pool, void **element);
unsigned int mp2_reserve_put(struct mempool2 *pool, void **elems, unsigned int nr);
bool mp2_reserve_put_one(struct mempool2 *pool, void *element);
void *mp2_reserve_set_not_full(struct mempool2 *pool, void *element);
unsigned int mp2_reserve_count(struct mempool2_reserve *reserve);
int mp2_hints_init(void);

/* Building blocks of the above, for core/resize.c. Those of the store need reserve->lock. */
unsigned int mp2_slots_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
unsigned int mp2_slots_put(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
unsigned int mp2_store_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
unsigned int mp2_store_put(struct mempool2_reserve *reserve, void **elems, unsigned int nr);
int mp2_slots_put_or_commit_full(struct mempool2 *pool, struct mempool2_reserve *reserve,
				 void **elems, unsigned int nr);

#endif /* _MEMPOOL2_RESERVE_H */
