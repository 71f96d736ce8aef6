// SPDX-License-Identifier: GPL-2.0-only
/*
 * The reserve: take parked elements from slots and store, and put them there
 *
 * core/reserve.h describes how a reserve keeps elements.
 */
#include <linux/init.h>
#include <linux/lockdep.h>
#include <linux/numa.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "reserve.h"

/* For this many elements, or more, one use of the store is cheaper than slots. */
#define MANY		8

/*
 * For each number of slots the index at which a CPU begins its look. All pools share the hints,
 * which are constant after boot.
 */
DEFINE_PER_CPU(unsigned long [MAX_SLOTS], mp2_reserve_hints);

/* Number of slots in a reserve for @min_nr elements; the store has the rest. */
static unsigned int reserve_slots(int min_nr)
{
	unsigned int in_line = SMP_CACHE_BYTES / sizeof(void *);

	return min_t(unsigned int, reserve_size(min_nr),
		     clamp(in_line * num_online_cpus(), MIN_SLOTS, MAX_SLOTS));
}

struct mempool2_reserve *mp2_reserve_create(int min_nr, gfp_t gfp, int node)
{
	unsigned int size = reserve_size(min_nr), nr_slots = reserve_slots(min_nr);
	struct mempool2_reserve *reserve;
	size_t bytes = struct_size(reserve, slots, size);

	/* No vmalloc() for a caller that may not sleep: its error path would call vfree(). */
	if (gfpflags_allow_blocking(gfp))
		reserve = kvzalloc_node(bytes, gfp, node);
	else
		reserve = kzalloc_node(bytes, gfp, node);
	if (!reserve)
		return NULL;
	reserve->nr_slots = nr_slots;
	reserve->hint = nr_slots - 1;
	raw_spin_lock_init(&reserve->lock);
	reserve->max_stored = size - nr_slots;
	reserve->store = &reserve->slots[nr_slots];
	return reserve;
}

/* Slots: without the lock */

/* Take up to @nr elements, 1 or more, from slots: upwards from the CPU's hint, then from slot 0. */
unsigned int mp2_slots_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr)
{
	void **end = &reserve->slots[READ_ONCE(reserve->nr_slots)];
	void **here = min(reserve_hint_slot(reserve), end), **slot;
	unsigned int taken = 0;

	/* Most looks find all slots empty; unrolled, one takes a third fewer instructions. */
#pragma GCC unroll 4
	for (slot = here; slot < end; slot++) {
		if (slot_take(slot, &elems[taken]) && ++taken == nr)
			return taken;
	}
	for (slot = reserve->slots; slot < here; slot++) {
		if (slot_take(slot, &elems[taken]) && ++taken == nr)
			return taken;
	}
	return taken;
}

unsigned int mp2_slots_put(struct mempool2_reserve *reserve, void **elems, unsigned int nr)
{
	void **end = &reserve->slots[READ_ONCE(reserve->nr_slots)];
	void **here = min(reserve_hint_slot(reserve), end), **slot;
	unsigned int put = 0;

	for (slot = here; slot < end; slot++) {
		if (slot_put(slot, elems[put]) && ++put == nr)
			return put;
	}
	for (slot = reserve->slots; slot < here; slot++) {
		if (slot_put(slot, elems[put]) && ++put == nr)
			return put;
	}
	return put;
}

/* The store: with the lock */

static void store_set_nr(struct mempool2_reserve *reserve, unsigned int nr)
{
	/*
	 * Race C: elements that left the store are in their slots before this. Pairs with
	 * reserve_has_more() (moved-to-slots, queue-or-moved, moving-over).
	 */
	smp_store_release(&reserve->nr_stored, nr);
}

unsigned int mp2_store_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr)
{
	unsigned int nr_stored = reserve->nr_stored;

	lockdep_assert_held(&reserve->lock);
	nr = min(nr, nr_stored);
	memcpy(elems, &reserve->store[nr_stored - nr], nr * sizeof(*elems));
	store_set_nr(reserve, nr_stored - nr);
	return nr;
}

unsigned int mp2_store_put(struct mempool2_reserve *reserve, void **elems, unsigned int nr)
{
	unsigned int nr_stored = reserve->nr_stored;

	lockdep_assert_held(&reserve->lock);
	nr = min(nr, reserve->max_stored - min(nr_stored, reserve->max_stored));
	memcpy(&reserve->store[nr_stored], elems, nr * sizeof(*elems));
	store_set_nr(reserve, nr_stored + nr);
	return nr;
}

/*
 * Fill half of the slots, or empty half of them, so that the next calls need no lock. Not while
 * a resize moves elements or a sweep examines them: an element could move behind its back.
 */
static void store_to_slots(struct mempool2_reserve *reserve)
{
	unsigned int nr = min(reserve->nr_stored, reserve->nr_slots / 2U), put;
	unsigned int left = reserve->nr_stored - nr;
	void **elems = &reserve->store[left];

	if (!nr || READ_ONCE(reserve->is_moving))
		return;
	put = mp2_slots_put(reserve, elems, nr);
	memmove(elems, elems + put, (nr - put) * sizeof(*elems));
	store_set_nr(reserve, left + nr - put);
}

static void slots_to_store(struct mempool2_reserve *reserve)
{
	unsigned int nr_stored = reserve->nr_stored;
	unsigned int nr = min(reserve->max_stored - nr_stored, reserve->nr_slots / 2U);

	if (nr && !READ_ONCE(reserve->is_moving))
		store_set_nr(reserve, nr_stored +
			     mp2_slots_take(reserve, &reserve->store[nr_stored], nr));
}

/* FULL */

/*
 * Set NOT_FULL and spoil a scan. A taker calls this before it passes on the address of the
 * element. A full barrier.
 *
 * Race B: both bits change in one cmpxchg(), or a scanner could clear NOT_FULL between the two.
 * Pairs with full_scan_commit() (full-or-taken, full-or-taken-late).
 * Race D: pairs with the smp_rmb() of mempool2_free() (address-passed, full-or-taken-late).
 */
void *mp2_reserve_set_not_full(struct mempool2 *pool, void *element)
{
	int state = atomic_read(&pool->state);

	while (!atomic_try_cmpxchg(&pool->state, &state,
				   (state & ~MEMPOOL2_FULL_SCAN) | MEMPOOL2_NOT_FULL))
		;
	return element;
}

/*
 * Begin a scan and return the state of the pool that scan_end() expects.
 *
 * Race B: a full barrier before the scanner looks at pool->reserve and at the slots. Pairs with
 * slot_take() (full-or-taken), slot_put() (put-or-waits) and reserve_replace() (full-or-replaced).
 */
static int scan_begin(struct mempool2 *pool)
{
	int state = atomic_read(&pool->state), begun;

	do {
		begun = (state | MEMPOOL2_FULL_SCAN) + MEMPOOL2_SCAN_COUNT;
	} while (!atomic_try_cmpxchg(&pool->state, &state, begun));
	return begun;
}

/*
 * End a scan and clear @flags of the state. False if a taker has spoilt the scan.
 *
 * Race B: pairs with mp2_reserve_set_not_full() (full-or-taken, full-or-taken-late,
 * taken-or-rescanned).
 */
static __always_inline bool scan_end(struct mempool2 *pool, int begun, int flags)
{
	int state = atomic_read(&pool->state);

	while (!((state ^ begun) & ~(MEMPOOL2_WAITERS | MEMPOOL2_OFFERED))) {
		if (atomic_try_cmpxchg(&pool->state, &state, state & ~flags))
			return true;
	}
	return false;
}

static bool full_scan_commit(struct mempool2 *pool, int begun)
{
	return scan_end(pool, begun, MEMPOOL2_FULL_SCAN | MEMPOOL2_NOT_FULL);
}

/*
 * Put up to @nr elements into slots and return how many; or commit FULL and return 0; or return
 * -EAGAIN if a resize has replaced the reserve. The caller has reserve->lock and found no room in
 * the store.
 */
static __always_inline int slots_put_or_commit_full(struct mempool2 *pool,
						    struct mempool2_reserve *reserve,
						    void **elems, unsigned int nr)
{
	int put, begun;

	lockdep_assert_held(&reserve->lock);
	do {
		begun = scan_begin(pool);
		put = rcu_access_pointer(pool->reserve) == reserve ?
		      mp2_slots_put(reserve, elems, nr) : -EAGAIN;
	} while (!put && !full_scan_commit(pool, begun));
	if (put)
		atomic_andnot(MEMPOOL2_FULL_SCAN, &pool->state);
	return put;
}

/* For a resize. A free has it inline. */
int mp2_slots_put_or_commit_full(struct mempool2 *pool, struct mempool2_reserve *reserve,
				 void **elems, unsigned int nr)
{
	return slots_put_or_commit_full(pool, reserve, elems, nr);
}

/* Take and put */

/* Take up to @nr elements from store and slots. */
static unsigned int reserve_take_here(struct mempool2_reserve *reserve, void **elems,
				      unsigned int nr)
{
	unsigned int taken = 0;

	if (reserve->nr_stored)
		taken = mp2_store_take(reserve, elems, nr);
	if (taken < nr)
		taken += mp2_slots_take(reserve, elems + taken, nr - taken);
	return taken;
}

/* The same, and from the reserve that this one replaces. */
static unsigned int reserve_take_all(struct mempool2_reserve *reserve, void **elems,
				     unsigned int nr)
{
	struct mempool2_reserve *old = reserve->old;
	unsigned int taken;

	lockdep_assert_held(&reserve->lock);
	taken = reserve_take_here(reserve, elems, nr);
	if (unlikely(old) && taken < nr) {
		raw_spin_lock_nested(&old->lock, SINGLE_DEPTH_NESTING);
		taken += reserve_take_here(old, elems + taken, nr - taken);
		raw_spin_unlock(&old->lock);
	}
	if (reserve->nr_stored)
		store_to_slots(reserve);
	return taken;
}

/*
 * reserve_take_all(). Under the lock no element is being moved (moved-or-taken) and no scan of this
 * reserve is in progress (scan-spoilt).
 */
static noinline unsigned int reserve_take_locked(struct mempool2_reserve *reserve, void **elems,
						 unsigned int nr)
{
	unsigned long flags;
	unsigned int taken;

	raw_spin_lock_irqsave(&reserve->lock, flags);
	/*
	 * Race D: the caller read pool->state before it learns an address from the store, as
	 * before slot_take(). Pairs with the smp_rmb() of mempool2_free() (address-stored).
	 */
	smp_mb__after_spinlock();
	taken = reserve_take_all(reserve, elems, nr);
	raw_spin_unlock_irqrestore(&reserve->lock, flags);
	return taken;
}

/*
 * Take up to @nr elements, which stay parked. Returns 0 only if each slot and the store was empty
 * at the moment of the look at it. A CPU that puts an element there after that moment sees
 * MEMPOOL2_WAITERS, if that was set before this call.
 *
 * The caller has rcu_read_lock_sched().
 * Race C: this pairs with the synchronize_rcu() of a resize and of a sweep (moving-seen,
 * reserve-freed, swept-or-taken).
 */
unsigned int mp2_reserve_take(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_reserve *reserve = rcu_dereference_sched(pool->reserve);
	int state = atomic_read(&pool->state), scan = state & MEMPOOL2_FULL_SCAN;
	bool more = reserve_has_more(reserve) || scan;
	unsigned int taken = 0;

	/* Many elements at once: not from the slots, if the store has some. */
	if (likely(!scan) && (nr < MANY || !more))
		taken = mp2_slots_take(reserve, elems, nr);
	if (taken < nr && more)
		taken += reserve_take_locked(reserve, elems + taken, nr - taken);
	if (taken && (!seen_not_full(state) || atomic_read(&pool->state) != state))
		mp2_reserve_set_not_full(pool, NULL);
	return taken;
}

/*
 * Take one element, which stays parked, after mp2_reserve_take() has found none. Certain to take
 * one while the pool has as many elements as callers, each of which holds one at most.
 *
 * mp2_reserve_take() is not: it looks at one slot after the other. Another caller may put its
 * element into a slot behind this look, and take one from a slot before it. So look again, as a
 * scan that takers see (race B). A caller that puts its element behind the look sees FULL_SCAN when
 * it reads the state for its next element (put-or-waits), and takes that one only when the lock is
 * free, after the scan. A caller that read the state before the scan does not wait, but takes one
 * element only. If it reads the state again before the scan ends, it clears FULL_SCAN, others take
 * without waiting, and the look does not count (taken-or-rescanned). So fewer elements are taken
 * during a look that counts than the reserve had at its beginning, and these do not move, as
 * movers need the lock.
 *
 * Each repetition means that another CPU has taken an element meanwhile, or that the reserve was
 * replaced: a caller that still has the old reserve would not see what is put into the new one. The
 * caller has rcu_read_lock_sched().
 */
unsigned int mp2_reserve_take_certain(struct mempool2 *pool, void **element)
{
	struct mempool2_reserve *reserve;
	unsigned long flags;
	bool taken, empty;
	int begun;

	do {
		reserve = rcu_dereference_sched(pool->reserve);
		raw_spin_lock_irqsave(&reserve->lock, flags);
		begun = scan_begin(pool);
		taken = reserve_take_all(reserve, element, 1);
		empty = !taken && scan_end(pool, begun, MEMPOOL2_FULL_SCAN);
		/*
		 * This ends the scan too. Race D: NOT_FULL is set, by a full barrier, before any
		 * CPU learns the address, be it from a slot (address-served) or from the store
		 * (address-stored).
		 */
		if (taken)
			mp2_reserve_set_not_full(pool, NULL);
		raw_spin_unlock_irqrestore(&reserve->lock, flags);
	} while (!taken && !(empty && rcu_access_pointer(pool->reserve) == reserve));
	return taken;
}

/*
 * Put up to @nr elements into the store; without room there, as slots_put_or_commit_full(). Race B:
 * under the lock no element moves to the store, or from there, behind the back of a scanner.
 */
static noinline int reserve_put_locked(struct mempool2 *pool, struct mempool2_reserve *reserve,
				       void **elems, unsigned int nr)
{
	unsigned long flags;
	int put;

	raw_spin_lock_irqsave(&reserve->lock, flags);
	put = mp2_store_put(reserve, elems, nr);
	if (!put)
		put = slots_put_or_commit_full(pool, reserve, elems, nr);
	else if (put < nr)
		put += mp2_slots_put(reserve, elems + put, nr - put);
	else if (nr < MANY)
		slots_to_store(reserve);
	raw_spin_unlock_irqrestore(&reserve->lock, flags);
	/*
	 * Race A: a full barrier before the caller reads MEMPOOL2_WAITERS, as the cmpxchg() of a
	 * slot. Pairs with mp2_waiter_queue() (queue-or-stored, queue-or-moved), and with
	 * offer_end() (offered-or-looked).
	 */
	smp_mb();
	return put;
}

/*
 * Put up to @nr parked elements. Returns 0 only after FULL was committed. Else a full barrier, and
 * the caller has to read MEMPOOL2_WAITERS after it (race A). The caller has
 * rcu_read_lock_sched().
 */
unsigned int mp2_reserve_put(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_reserve *reserve;
	int put;

	do {
		reserve = rcu_dereference_sched(pool->reserve);
		put = nr < MANY || !reserve->max_stored ? mp2_slots_put(reserve, elems, nr) : 0;
		if (put)
			break;
		put = reserve_put_locked(pool, reserve, elems, nr);
	} while (put == -EAGAIN);
	return put;
}

/* mp2_reserve_put() of one element, for which the slot at the CPU's hint had no room. */
bool mp2_reserve_put_one(struct mempool2 *pool, void *element)
{
	return mp2_reserve_put(pool, &element, 1);
}

static unsigned int slots_count(const struct mempool2_reserve *reserve)
{
	unsigned int i, nr = 0;

	for (i = 0; i < reserve->nr_slots; i++)
		nr += is_element(READ_ONCE(reserve->slots[i]));
	return nr;
}

/* Number of parked elements in @reserve and in the reserve that it replaces. */
unsigned int mp2_reserve_count(struct mempool2_reserve *reserve)
{
	unsigned long flags;
	unsigned int nr;

	raw_spin_lock_irqsave(&reserve->lock, flags);
	nr = reserve->nr_stored + slots_count(reserve);
	if (reserve->old)
		nr += READ_ONCE(reserve->old->nr_stored) + slots_count(reserve->old);
	raw_spin_unlock_irqrestore(&reserve->lock, flags);
	return nr;
}

/* Hints */

/*
 * The hint of @cpu for a reserve with @nr_slots slots. Each CPU gets a cache line of its own while
 * there are enough of them, as far from the lines of other CPUs as possible. CPUs that share a line
 * get slots as far apart in it as possible.
 */
static unsigned int __init hint_spread(unsigned int cpu, unsigned int nr_slots)
{
	unsigned int in_line = SMP_CACHE_BYTES / sizeof(void *);
	unsigned int nr_lines = DIV_ROUND_UP(nr_slots, in_line), first;
	u32 half = BIT(31), fraction = 0;
	u64 line;

	/* 0, 1/2, 1/4, 3/4, 1/8, ..., in units of 2^-32: each halves a gap between earlier ones. */
	for (; cpu; cpu >>= 1, half >>= 1) {
		if (cpu & 1)
			fraction |= half;
	}
	line = (u64)fraction * nr_lines;
	first = (line >> 32) * in_line;
	return first + ((u64)(u32)line * min(in_line, nr_slots - first) >> 32);
}

/* Pools that are used earlier in the boot work with all hints at slot 0. */
int __init mp2_hints_init(void)
{
	unsigned int nr_slots;
	int cpu;

	for_each_possible_cpu(cpu) {
		for (nr_slots = 1; nr_slots <= MAX_SLOTS; nr_slots++)
			per_cpu(mp2_reserve_hints[nr_slots - 1], cpu) = hint_spread(cpu, nr_slots);
	}
	return 0;
}
