// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking elements from the reserve of a pool and putting them there, see core/reserve.h
 */
#include <linux/init.h>
#include <linux/lockdep.h>
#include <linux/numa.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "reserve.h"

/* So many elements at once are sooner had from the store, or put there. */
#define MANY		8

/*
 * The slot at which a CPU begins to look, for each number of slots that a reserve can
 * have. They serve all pools and do not change.
 */
DEFINE_PER_CPU(unsigned long [MAX_SLOTS], mp2_reserve_hints);

/* How many of them are in slots. */
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

	/* vfree() sleeps, and a caller that may not has to free it if there are no elements. */
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

/*
 * Take up to @nr elements from slots, one at least: from the CPU's on, upwards and round to the first
 * one.
 */
unsigned int mp2_slots_take(struct mempool2_reserve *reserve, void **elems, unsigned int nr)
{
	void **end = &reserve->slots[READ_ONCE(reserve->nr_slots)];
	void **here = min(reserve_hint_slot(reserve), end), **slot;
	unsigned int taken = 0;

	/* Mostly there is nothing: with a multiple of 4 slots this is a third shorter. */
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
	/* What went to slots is there before. Pairs with reserve_has_more(): moved-to-slots. */
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
 * So that the next ones are taken from slots, or put there, half of the slots are filled or
 * emptied. Not while a sweep goes through both.
 */
static void store_to_slots(struct mempool2_reserve *reserve)
{
	unsigned int nr = min(reserve->nr_stored, reserve->nr_slots / 2U), put;
	unsigned int left = reserve->nr_stored - nr;
	void **elems = &reserve->store[left];

	if (!nr || reserve->is_moving)
		return;
	put = mp2_slots_put(reserve, elems, nr);
	memmove(elems, elems + put, (nr - put) * sizeof(*elems));
	store_set_nr(reserve, left + nr - put);
}

static void slots_to_store(struct mempool2_reserve *reserve)
{
	unsigned int nr_stored = reserve->nr_stored;
	unsigned int nr = min(reserve->max_stored - nr_stored, reserve->nr_slots / 2U);

	if (nr && !reserve->is_moving)
		store_set_nr(reserve, nr_stored +
			     mp2_slots_take(reserve, &reserve->store[nr_stored], nr));
}

/* Knowing that it is full */

/*
 * Before anybody learns the address of the element that we took. A full barrier, which pairs with
 * the smp_rmb() of mempool2_free() (full-or-taken-late) and with full_scan_commit(): both bits
 * change at once, as a scan could clear NOT_FULL in between (full-or-taken).
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
 * Returns the state of the pool from then on. A full barrier before we look. Pairs with slot_take()
 * (full-or-taken) and reserve_replace() (full-or-replaced).
 */
static int full_scan_begin(struct mempool2 *pool)
{
	int state = atomic_read(&pool->state), begun;

	do {
		begun = (state | MEMPOOL2_FULL_SCAN) + MEMPOOL2_SCAN_COUNT;
	} while (!atomic_try_cmpxchg(&pool->state, &state, begun));
	return begun;
}

/* False if a taker has spoilt the scan. Pairs with mp2_reserve_set_not_full(): full-or-taken. */
static bool full_scan_commit(struct mempool2 *pool, int begun)
{
	int state = atomic_read(&pool->state);

	while (!((state ^ begun) & ~(MEMPOOL2_WAITERS | MEMPOOL2_OFFERED))) {
		if (atomic_try_cmpxchg(&pool->state, &state,
				       state & ~(MEMPOOL2_FULL_SCAN | MEMPOOL2_NOT_FULL)))
			return true;
	}
	return false;
}

/*
 * With the lock held, after the store had no room: put up to @nr elements into slots, or commit
 * FULL and return 0. -EAGAIN if a resize replaced the reserve.
 */
static int slots_put_or_commit_full(struct mempool2 *pool, struct mempool2_reserve *reserve,
				    void **elems, unsigned int nr)
{
	int put, begun;

	lockdep_assert_held(&reserve->lock);
	do {
		begun = full_scan_begin(pool);
		put = rcu_access_pointer(pool->reserve) == reserve ?
		      mp2_slots_put(reserve, elems, nr) : -EAGAIN;
	} while (!put && !full_scan_commit(pool, begun));
	if (put)
		atomic_andnot(MEMPOOL2_FULL_SCAN, &pool->state);
	return put;
}

/* Taking and putting */

/*
 * Up to @nr elements from wherever they rest, under the lock: none is on its way then
 * (moved-or-taken), and no scan goes on (scan-spoilt).
 */
static noinline unsigned int reserve_take_locked(struct mempool2_reserve *reserve, void **elems,
						 unsigned int nr)
{
	struct mempool2_reserve *old;
	unsigned long flags;
	unsigned int taken;

	raw_spin_lock_irqsave(&reserve->lock, flags);
	/*
	 * A full barrier between what we saw of pool->state and knowing the address, as in
	 * slot_take(). Pairs with the smp_rmb() of mempool2_free(): address-stored.
	 */
	smp_mb__after_spinlock();
	old = reserve->old;
	taken = mp2_store_take(reserve, elems, nr);
	if (taken < nr)
		taken += mp2_slots_take(reserve, elems + taken, nr - taken);
	if (unlikely(old) && taken < nr) {
		raw_spin_lock_nested(&old->lock, SINGLE_DEPTH_NESTING);
		taken += mp2_store_take(old, elems + taken, nr - taken);
		if (taken < nr)
			taken += mp2_slots_take(old, elems + taken, nr - taken);
		raw_spin_unlock(&old->lock);
	}
	store_to_slots(reserve);
	raw_spin_unlock_irqrestore(&reserve->lock, flags);
	return taken;
}

/*
 * Take up to @nr elements, which stay parked. None only if there was none in any place at the
 * moment when we looked at that; a CPU that put one there later sees MEMPOOL2_WAITERS, if it was
 * set before. To be called with rcu_read_lock_sched(), which pairs with the synchronize_rcu() of
 * a resize and of a sweep: moving-seen, reserve-freed, swept-or-taken.
 */
unsigned int mp2_reserve_take(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_reserve *reserve = rcu_dereference_sched(pool->reserve);
	int state = atomic_read(&pool->state), scan = state & MEMPOOL2_FULL_SCAN;
	bool more = reserve_has_more(reserve) || scan;
	unsigned int taken = 0;

	/* Many are in the store rather than in slots. */
	if (likely(!scan) && (nr < MANY || !more))
		taken = mp2_slots_take(reserve, elems, nr);
	if (taken < nr && more)
		taken += reserve_take_locked(reserve, elems + taken, nr - taken);
	if (taken && (!seen_not_full(state) || atomic_read(&pool->state) != state))
		mp2_reserve_set_not_full(pool, NULL);
	return taken;
}

/* Under the lock: into the store, or else as slots_put_or_commit_full(). */
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
	 * As the cmpxchg() of a slot. Pairs with mp2_waiter_queue() (queue-or-stored,
	 * queue-or-moved) and offer_end() (offered-or-looked).
	 */
	smp_mb();
	return put;
}

/*
 * Put up to @nr elements, which are parked. None only if the reserve was full at some moment. If it
 * was some, a full barrier, and the caller has to look whether anybody waits. To be called with
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

/* A single one, where the slot at the CPU's hint had no room. */
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

/* How many rest, also in a reserve that this one replaces. */
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

/* Where a CPU begins to look */

/*
 * In a reserve of @nr_slots: in a cache line of its own while there are enough of them, as far
 * from those of other CPUs as can be; and where lines are shared, as far from the others in its
 * line.
 */
static unsigned int __init hint_spread(unsigned int cpu, unsigned int nr_slots)
{
	unsigned int in_line = SMP_CACHE_BYTES / sizeof(void *);
	unsigned int nr_lines = DIV_ROUND_UP(nr_slots, in_line), first;
	u32 half = BIT(31), fraction = 0;
	u64 line;

	/* 0, 1/2, 1/4, 3/4, 1/8, ..., in units of 2^-32: each halves what is between two. */
	for (; cpu; cpu >>= 1, half >>= 1) {
		if (cpu & 1)
			fraction |= half;
	}
	line = (u64)fraction * nr_lines;
	first = (line >> 32) * in_line;
	return first + ((u64)(u32)line * min(in_line, nr_slots - first) >> 32);
}

/* Pools that are made before do without. */
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
