// SPDX-License-Identifier: GPL-2.0-only
/*
 * mempool2 - pools of preallocated elements whose allocation cannot fail
 *
 * The one difficulty of such a pool is the moment when nothing is left: somebody
 * goes to sleep just as somebody else brings an element back. There is no lock
 * that both take: the reserve has none. So each of the two looks at the other's
 * side after it has changed its own, with a full barrier in between:
 *
 *	who queues	sets MEMPOOL2_WAITERS, then looks into the reserve
 *	who puts	fills a slot of the reserve, then looks at MEMPOOL2_WAITERS
 *
 * and whoever finds both an element and a waiter gives the one to the other: to
 * the oldest waiter, under the lock of the wait queue, and only that one is woken.
 * As the element changes its owner under the lock there is nothing to race for,
 * nothing to lose and nobody to overtake.
 *
 * The file reads in the order of an element's way: reserve, waiters, alloc, free,
 * then the life of the pool and the stock functions. Documentation/design.rst
 * has the reasons, Documentation/ordering.rst the argument for each barrier.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/fault-inject.h>
#include <linux/hash.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/kmemleak.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "mempool2.h"
#include "mempool2_inside.h"

/* A waiter asks the alloc function again after this time without an element. */
#define RETRY_JIFFIES	(5 * HZ)

/* Elements handled in one go, with a lock held or preemption disabled. */
#define BATCH		64

/* A caller's mistake: said once, with who made it and what was wrong. */
#define mistake_by(caller, condition, fmt, ...)				\
	WARN_ONCE(condition, "mempool2: %pS: " fmt "\n",		\
		  (void *)(caller), ##__VA_ARGS__)

#define mistake(condition, fmt, ...)					\
	mistake_by(_RET_IP_, condition, fmt, ##__VA_ARGS__)

#define not_initialised(pool)						\
	mistake(!mempool2_initialized(pool), "pool is not initialised")

/*
 * The reserve
 *
 * One slot for each element: the element's address, or NULL. Taking and putting
 * are one compare-and-exchange each, and a full barrier. No two CPUs write to the
 * same place unless they use the same slot, and every slot is within every CPU's
 * reach. Preemption is disabled meanwhile, so that a reserve that was replaced
 * can be freed by RCU.
 *
 * Looking for a slot is not atomic: elements may move behind one's back. Who
 * finds nothing has to make sure, see "What is known of the reserve" below.
 */
struct mempool2_reserve {
	union {
		struct {
			unsigned int		nr_slots;
			/* A resize is under way, and may have claimed a slot. */
			bool			moving;
			/* Slots for which there may never have been an element. */
			unsigned int		nr_never_filled;
			/* The pool's. This and what follows @old is for mempool2_inside.c. */
			int			min_nr;
			/* The reserve that this one replaces, until it is empty. */
			struct mempool2_reserve	*old;
			union {
				struct list_head	registered;
				struct rcu_head		rcu;
			};
			/* Where the pool is, as far as is known. */
			struct mempool2		*pool;
			struct mempool2_maker	*maker;
			struct mempool2_inside	*inside;
		};
		/* All CPUs read the above, so none should write beside it. */
		char	pad[SMP_CACHE_BYTES];
	};
	void	*slots[];
};

/*
 * In a slot that will never be used again, or that a resize is about to fill. No
 * element has this address; and NULL and it are told from elements by one
 * comparison.
 */
#define CLOSED		((void *)1UL)

/* kvmalloc() refuses, with a warning of its own, what is larger than INT_MAX. */
#define MAX_MIN_NR	((int)((INT_MAX - sizeof(struct mempool2_reserve)) / sizeof(void *)))

/* So many slots are near a CPU's place. */
#define NEAR		64

/*
 * Where a CPU begins to look, as a fraction of the reserve: 2^32 is the whole.
 * It serves all pools. In a small one it does not matter; in a large one it goes
 * on to where there was something, so that a CPU that drains or fills the reserve
 * need not pass the same slots again and again.
 */
static DEFINE_PER_CPU(u64, reserve_place);

/* Resizes of all pools; never held while a callback runs. */
static DEFINE_MUTEX(reserve_resize_mutex);

/*
 * Held while an element is on its way from one slot to another, so that who makes
 * sure that there are no elements, or no empty slots, does not miss one; and while
 * MEMPOOL2_GATE is set.
 */
static DEFINE_RAW_SPINLOCK(reserve_move_lock);

/* Checks that others may spoil before something else is done. */
#define CHECKS		4

/* Let KASAN catch who uses an element that rests. False if it is no element. */
static bool element_rest(struct mempool2 *pool, void *element)
{
	if (pool->source == MEMPOOL2_PAGES)
		return mempool2_kasan_rest_pages(element,
						 (unsigned long)pool->pool_data);
	if (pool->source == MEMPOOL2_SLAB || pool->source == MEMPOOL2_KMALLOC)
		return mempool2_kasan_rest_object(element);
	return true;
}

static void element_use(struct mempool2 *pool, void *element)
{
	if (pool->source == MEMPOOL2_PAGES)
		mempool2_kasan_use_pages(element,
					 (unsigned long)pool->pool_data);
	else if (pool->source == MEMPOOL2_SLAB)
		mempool2_kasan_use_object(element,
					  kmem_cache_size(pool->pool_data));
	else if (pool->source == MEMPOOL2_KMALLOC)
		mempool2_kasan_use_object(element, (size_t)pool->pool_data);
}

static void elements_use(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		element_use(pool, elems[i]);
}

/* How many slots a reserve has so that @min_nr elements are guaranteed. */
static int reserve_size(int min_nr)
{
	return max(min_nr, 1);
}

static struct mempool2_reserve *reserve_create(int min_nr, gfp_t gfp, int node)
{
	unsigned int nr_slots = reserve_size(min_nr);
	struct mempool2_reserve *reserve;

	reserve = kvzalloc_node(struct_size(reserve, slots, nr_slots), gfp, node);
	if (reserve)
		reserve->nr_slots = nr_slots;
	return reserve;
}

static bool is_element(const void *element)
{
	return (unsigned long)element > (unsigned long)CLOSED;
}

/*
 * A full barrier, if true: between what we saw of pool->state before and after.
 * Pairs with the smp_rmb() of who frees the element, and with state_check().
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
 * A full barrier, if true: before we look whether anybody waits for it. Pairs with
 * waiter_queue() and with state_check(); and for the element, with slot_take().
 */
static __always_inline bool slot_put(void **slot, void *element)
{
	void *empty = NULL;

	return !READ_ONCE(*slot) && try_cmpxchg(slot, &empty, element);
}

/* The slot at a CPU's place. */
static __always_inline unsigned int place_slot(u64 place, unsigned int nr_slots)
{
	return place * nr_slots >> 32;
}

static __always_inline void **reserve_here(struct mempool2_reserve *reserve)
{
	void **slot = &reserve->slots[place_slot(this_cpu_read(reserve_place),
						 READ_ONCE(reserve->nr_slots))];

	/* Else gcc computes the address twice, for reading and for writing. */
	OPTIMIZER_HIDE_VAR(slot);
	return slot;
}

/*
 * Begin at @slot next time. Not so in a small reserve, where near is everywhere:
 * all CPUs that use one would end up at the same place in all others.
 */
static void reserve_place_set(const struct mempool2_reserve *reserve, void **slot)
{
	unsigned int nr_slots = READ_ONCE(reserve->nr_slots);
	u64 place = (u64)(slot - reserve->slots) << 32;

	if (nr_slots <= NEAR)
		return;
	this_cpu_write(reserve_place, (u32)div_u64(place + nr_slots - 1, nr_slots));
}

/* How many slots from @from on to try first: none if a resize made @to smaller. */
static unsigned long slot_run(void **from, void **to, unsigned int nr)
{
	return to > from ? min_t(unsigned long, nr, to - from) : 0;
}

/*
 * Take up to @nr elements from @slot on, upwards and not from @end on. The last
 * one is where elements will be put then, from there downwards, and taken again:
 * each CPU has its own stack, as it were.
 */
static unsigned int reserve_take_up(struct mempool2_reserve *reserve, void **slot,
				    void **end, void **elems, unsigned int nr)
{
	unsigned long run = slot_run(slot, end, nr), i;

	/* Who wants many finds them side by side; unrolled, a bulk of 64 is worth it. */
#pragma GCC unroll 8
	for (i = 0; i < run; i++) {
		if (unlikely(!slot_take(&slot[i], &elems[i])))
			break;
	}
	for (slot += i; i < nr && slot < end; slot++) {
		if (slot_take(slot, &elems[i]))
			i++;
	}
	if (i)
		reserve_place_set(reserve, slot - 1);
	return i;
}

/* Put up to @nr elements, which rest already, below @slot, but not below @end. */
static unsigned int reserve_put_down(struct mempool2_reserve *reserve, void **slot,
				     void **end, void **elems, unsigned int nr)
{
	unsigned long run = slot_run(end, slot, nr), i;

	slot -= run;
#pragma GCC unroll 8
	for (i = 0; i < run; i++) {
		if (unlikely(!slot_put(&slot[i], elems[i])))
			break;
	}
	for (slot += i < run ? run : 0; i < nr && slot > end;) {
		if (slot_put(--slot, elems[i]))
			i++;
	}
	if (i)
		reserve_place_set(reserve, slot);
	return i;
}

/* Near a CPU's place; in a small reserve that is everywhere. */
static unsigned int reserve_take_near(struct mempool2_reserve *reserve, void **elems,
				      unsigned int nr)
{
	unsigned int nr_slots = READ_ONCE(reserve->nr_slots), i;
	void **here = reserve_here(reserve), **end = &reserve->slots[nr_slots];

	/* Who wants most of them takes them in one go. */
	if (nr > nr_slots / 2)
		here = reserve->slots;
	i = reserve_take_up(reserve, here, min(here + NEAR, end), elems, nr);
	if (i < nr && nr_slots <= NEAR)
		i += reserve_take_up(reserve, reserve->slots, here, elems + i, nr - i);
	return i;
}

static unsigned int reserve_put_near(struct mempool2_reserve *reserve, void **elems,
				     unsigned int nr)
{
	unsigned int nr_slots = READ_ONCE(reserve->nr_slots), i;
	void **above = reserve_here(reserve) + 1, **end = &reserve->slots[nr_slots];

	if (nr > nr_slots / 2)
		above = end;
	i = reserve_put_down(reserve, above, max_t(void **, above - NEAR, reserve->slots),
			     elems, nr);
	if (i < nr && nr_slots <= NEAR)
		i += reserve_put_down(reserve, end, above, elems + i, nr - i);
	return i;
}

/*
 * Take up to @nr elements from wherever they are: where other CPUs begin to look,
 * they probably put some, and in a large reserve that is found sooner than by
 * looking everywhere.
 */
static unsigned int reserve_take_anywhere(struct mempool2_reserve *reserve, void **elems,
					  unsigned int nr)
{
	unsigned int nr_slots = READ_ONCE(reserve->nr_slots), i = 0;
	void **slot, **end = &reserve->slots[nr_slots];
	int cpu;

	for_each_online_cpu(cpu) {
		if (i == nr || nr_slots <= NEAR)
			break;
		slot = &reserve->slots[place_slot(per_cpu(reserve_place, cpu), nr_slots)];
		i += reserve_take_up(reserve, slot, min(slot + NEAR, end), elems + i, nr - i);
	}
	return i + reserve_take_up(reserve, reserve->slots, end, elems + i, nr - i);
}

/* What a reserve that is replaced still has is quickly found: it is not sparse. */
static unsigned int reserve_take_far(struct mempool2_reserve *reserve, void **elems,
				     unsigned int nr)
{
	struct mempool2_reserve *old = READ_ONCE(reserve->old);
	unsigned int i = old ? reserve_take_anywhere(old, elems, nr) : 0;

	return i == nr ? i : i + reserve_take_anywhere(reserve, elems + i, nr - i);
}

static unsigned int reserve_put_far(struct mempool2_reserve *reserve, void **elems,
				    unsigned int nr)
{
	return reserve_put_down(reserve, &reserve->slots[READ_ONCE(reserve->nr_slots)],
				reserve->slots, elems, nr);
}

static unsigned int reserve_count(const struct mempool2_reserve *reserve)
{
	unsigned int nr_slots = READ_ONCE(reserve->nr_slots), i, nr = 0;

	for (i = 0; i < nr_slots; i++)
		nr += is_element(READ_ONCE(reserve->slots[i]));
	return nr;
}

/* An empty slot among the first @nr_slots, from the CPU's place downwards; or %NULL. */
static void **reserve_find_empty(struct mempool2_reserve *reserve, unsigned int nr_slots)
{
	unsigned int slot = place_slot(this_cpu_read(reserve_place), nr_slots), i;

	for (i = 0; i < nr_slots; i++) {
		if (!READ_ONCE(reserve->slots[slot])) {
			reserve_place_set(reserve, &reserve->slots[slot]);
			return &reserve->slots[slot];
		}
		slot = (slot ?: nr_slots) - 1;
	}
	return NULL;
}

/*
 * What is known of the reserve
 *
 * That it is full, which is when MEMPOOL2_ROOM is not set, spares mempool2_free()
 * a look at it. That it is dry spares one those who find no memory. Both are made
 * sure of before they are said:
 *
 *	MEMPOOL2_FULL_CHECK is set, all slots are looked at, and if pool->state is
 *	still the same then, MEMPOOL2_ROOM is cleared;
 *
 *	who takes an element makes sure that MEMPOOL2_ROOM was set before and after
 *	that and that there was no check; else stops the check and sets the bit.
 *
 * So "full" is never seen by those who free the elements that the reserve misses.
 * In the same way there are MEMPOOL2_DRY_CHECK and MEMPOOL2_DRY, and who puts an
 * element clears them after it. The count in pool->state tells one check from the
 * next. A check that is spoilt again and again goes on behind MEMPOOL2_GATE, where
 * those who want to take wait until it is over.
 */
#define NOT_DRY		(MEMPOOL2_DRY | MEMPOOL2_DRY_CHECK)

/*
 * Begin to check, or join those who do, unless it is known: then the bits @known
 * of the state are @are. Else a full barrier before we look, which pairs with
 * slot_take() and slot_put().
 */
static int state_check(struct mempool2 *pool, int check, int known, int are)
{
	int state = atomic_read(&pool->state);

	do {
		if ((state & known) == are)
			return state;
		if (state & check) {
			smp_mb();
			return state;
		}
	} while (!atomic_try_cmpxchg(&pool->state, &state,
				     (state | check) + MEMPOOL2_STATE_COUNT));
	return (state | check) + MEMPOOL2_STATE_COUNT;
}

/* Is the reserve the one that we looked at, and the state the same? Then say it. */
static bool state_known(struct mempool2 *pool, const struct mempool2_reserve *reserve,
			int state, int clear, int set)
{
	/* Pairs with the full barrier of a resize, before it closes a slot. */
	smp_rmb();
	return rcu_access_pointer(pool->reserve) == reserve &&
	       atomic_cmpxchg(&pool->state, state, (state & ~clear) | set) == state;
}

/* There is room. A full barrier, which pairs with mempool2_free()'s smp_rmb(). */
static noinline void *say_room(struct mempool2 *pool, void *element)
{
	/* The check first: it does not notice that a bit is set which was set. */
	atomic_fetch_andnot(MEMPOOL2_FULL_CHECK, &pool->state);
	atomic_fetch_or(MEMPOOL2_ROOM, &pool->state);
	return element;
}

/*
 * After taking, which is a full barrier: what was read before? If it said that
 * there is room and nobody was checking, that is seen by all who learn an element's
 * address from us. If it is still the same, nobody was checking in between, who did
 * not see our empty slot.
 */
static __always_inline bool room_is_said(int state)
{
	return (state & (MEMPOOL2_ROOM | MEMPOOL2_FULL_CHECK)) == MEMPOOL2_ROOM;
}

/* Look everywhere, and be sure not to miss what a resize has in hand. */
static unsigned int reserve_take_all(struct mempool2_reserve *reserve, void **elems,
				     unsigned int nr)
{
	unsigned int taken = reserve_take_far(reserve, elems, nr);
	unsigned long flags;

	/* Pairs with the compare-and-exchanges of reserve_move(). */
	smp_rmb();
	if (likely(taken) || !READ_ONCE(reserve->moving))
		return taken;
	raw_spin_lock_irqsave(&reserve_move_lock, flags);
	taken = reserve_take_far(reserve, elems, nr);
	raw_spin_unlock_irqrestore(&reserve_move_lock, flags);
	return taken;
}

static noinline void wait_for_gate(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&reserve_move_lock, flags);
	raw_spin_unlock_irqrestore(&reserve_move_lock, flags);
}

/*
 * Take up to @nr elements. None only if the reserve was dry at some moment, or if
 * others spoilt all our checks; whoever did that by putting an element then sees
 * MEMPOOL2_WAITERS, if it was set before.
 */
static unsigned int reserve_take(struct mempool2 *pool, void **elems, unsigned int nr)
{
	struct mempool2_reserve *reserve;
	unsigned int taken, tries = 0;
	int state, check;

	rcu_read_lock_sched();
	if (unlikely(atomic_read(&pool->state) & MEMPOOL2_GATE))
		wait_for_gate();
	state = atomic_read(&pool->state);
	do {
		reserve = rcu_dereference_sched(pool->reserve);
		taken = reserve_take_near(reserve, elems, nr);
		if (likely(taken == nr))
			break;
		check = state_check(pool, MEMPOOL2_DRY_CHECK, MEMPOOL2_DRY, MEMPOOL2_DRY);
		if (check & MEMPOOL2_DRY)
			break;
		taken += reserve_take_all(reserve, elems + taken, nr - taken);
	} while (!taken && !state_known(pool, reserve, check, NOT_DRY, MEMPOOL2_DRY) &&
		 ++tries < CHECKS);
	if (!room_is_said(state) || atomic_read(&pool->state) != state)
		say_room(pool, NULL);
	elements_use(pool, elems, taken);
	if (unlikely(pool_is_watched(pool)))
		inside_use(pool, elems, taken);
	rcu_read_unlock_sched();
	return taken;
}

static void waiters_serve(struct mempool2 *pool);

static noinline void say_not_dry(struct mempool2 *pool)
{
	if (atomic_fetch_andnot(NOT_DRY, &pool->state) & MEMPOOL2_WAITERS)
		waiters_serve(pool);
}

/* After putting an element, which is a full barrier: is anybody in need of it? */
static __always_inline void after_put(struct mempool2 *pool)
{
	if (unlikely(atomic_read(&pool->state) & (NOT_DRY | MEMPOOL2_WAITERS)))
		say_not_dry(pool);
}

/* Put wherever there is room, and be sure not to miss a slot that a resize has claimed. */
static unsigned int reserve_put_all(struct mempool2_reserve *reserve, void **elems,
				    unsigned int nr)
{
	unsigned int put = reserve_put_far(reserve, elems, nr);
	unsigned long flags;

	/* As in reserve_take_all(). */
	smp_rmb();
	if (likely(put) || !READ_ONCE(reserve->moving))
		return put;
	raw_spin_lock_irqsave(&reserve_move_lock, flags);
	put = reserve_put_far(reserve, elems, nr);
	raw_spin_unlock_irqrestore(&reserve_move_lock, flags);
	return put;
}

/*
 * Put up to @nr elements, or be sure that the reserve is full; else false. @gated:
 * the lock is held.
 */
static bool reserve_put_or_know(struct mempool2 *pool, void **elems, unsigned int nr,
				unsigned int *put, bool gated)
{
	int check = state_check(pool, MEMPOOL2_FULL_CHECK, MEMPOOL2_ROOM, 0);
	struct mempool2_reserve *reserve;

	*put = 0;
	if (!(check & MEMPOOL2_ROOM))
		return true;
	reserve = rcu_dereference_sched(pool->reserve);
	*put = gated ? reserve_put_far(reserve, elems, nr) :
		       reserve_put_all(reserve, elems, nr);
	return *put || state_known(pool, reserve, check,
				   MEMPOOL2_ROOM | MEMPOOL2_FULL_CHECK | NOT_DRY, 0);
}

/* The same while nobody begins to take, so that nothing can go wrong for long. */
static noinline void reserve_put_gated(struct mempool2 *pool, void **elems,
				       unsigned int nr, unsigned int *put)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&reserve_move_lock, flags);
	atomic_or(MEMPOOL2_GATE, &pool->state);
	while (!reserve_put_or_know(pool, elems, nr, put, true))
		;
	atomic_andnot(MEMPOOL2_GATE, &pool->state);
	raw_spin_unlock_irqrestore(&reserve_move_lock, flags);
}

/* Put up to @nr elements. None only if the reserve was full at some moment. */
static unsigned int reserve_put(struct mempool2 *pool, void **elems, unsigned int nr)
{
	unsigned int resting, put, tries = 0;

	rcu_read_lock_sched();
	if (unlikely(pool_is_watched(pool)))
		inside_rest(pool, elems, nr);
	for (resting = 0; resting < nr; resting++) {
		if (!element_rest(pool, elems[resting]))
			break;
	}
	/* KASAN has told what it was; it is nobody's now. */
	if (!resting) {
		rcu_read_unlock_sched();
		return 1;
	}
	nr = resting;

	put = reserve_put_near(rcu_dereference_sched(pool->reserve), elems, nr);
	while (unlikely(!put) && !reserve_put_or_know(pool, elems, nr, &put, false)) {
		if (++tries < CHECKS)
			continue;
		reserve_put_gated(pool, elems, nr, &put);
		break;
	}
	rcu_read_unlock_sched();
	elements_use(pool, elems + put, nr - put);
	if (put)
		after_put(pool);
	if (unlikely(pool_is_watched(pool)))
		inside_refilled(pool, put);
	return put;
}

/*
 * Close the slot @from. If an element rests there it is moved to one of the first
 * @nr slots of @to, or if all these are full, returned. It can be taken from where
 * it was until it can be taken from where it is, but for a moment under the lock.
 * @full tells the next call that there is no use in looking; @was_empty that no
 * element rested there.
 */
static void *reserve_move(struct mempool2 *pool, void **from,
			  struct mempool2_reserve *to, unsigned int nr, bool *full,
			  bool *was_empty)
{
	void *element, *empty, **slot;
	bool closed = false;
	unsigned long flags;

	do {
		element = READ_ONCE(*from);
		slot = NULL;
		if (element && !*full) {
			slot = reserve_find_empty(to, nr);
			*full = !slot;
		}
		empty = NULL;
		raw_spin_lock_irqsave(&reserve_move_lock, flags);
		if (!slot || try_cmpxchg(slot, &empty, CLOSED)) {
			closed = try_cmpxchg(from, &element, CLOSED);
			/* Pairs with slot_take(). */
			if (slot)
				smp_store_release(slot, closed ? element : NULL);
		}
		raw_spin_unlock_irqrestore(&reserve_move_lock, flags);
		/* Taken in the meantime: who checks may have seen no empty slot. */
		if (slot && !closed)
			say_room(pool, NULL);
	} while (!closed);
	*was_empty = !element;
	return slot ? NULL : element;
}

/*
 * Take slots away from the end of @from until @nr are left, but no more than a
 * batch, and move what rests there to the first slots of @to; if they are all
 * full, to @surplus. Returns how many these are.
 */
static unsigned int reserve_shrink(struct mempool2 *pool, struct mempool2_reserve *from,
				   unsigned int nr, struct mempool2_reserve *to,
				   bool *full, void **surplus)
{
	unsigned int nr_slots = from->nr_slots, left = max_t(int, nr, nr_slots - BATCH);
	unsigned int nr_surplus = 0, slot;
	bool was_empty;

	lockdep_assert_held(&reserve_resize_mutex);
	for (slot = nr_slots; slot > left; slot--) {
		surplus[nr_surplus] = reserve_move(pool, &from->slots[slot - 1], to,
						   from == to ? left : to->nr_slots, full,
						   &was_empty);
		if (surplus[nr_surplus])
			nr_surplus++;
		else if (was_empty && from == to && from->nr_never_filled)
			from->nr_never_filled--;
	}
	WRITE_ONCE(from->nr_slots, left);
	return nr_surplus;
}

static __always_inline void *pool_call_alloc(struct mempool2 *pool, gfp_t gfp)
{
	if (unlikely(pool_is_watched(pool)) && inside_is_failing(pool))
		return NULL;
	return mempool2_call_alloc(pool, pool->source, gfp);
}

/*
 * Waiters
 *
 * A waiter is an exclusive entry of pool->wait with a place for its elements.
 * Only the one at the head is given any; one that needs several stays there and
 * collects them. So it cannot starve, and no two of them can each hold what the
 * other one needs.
 */
struct waiter {
	struct wait_queue_entry	entry;
	struct mempool2		*pool;
	void			**next;		/* where the next element goes */
	unsigned int		nr_missing;	/* how many still have to come */
	unsigned long		caller;		/* who allocates */
	u64			since;		/* when that was, for those who look */
	bool			is_reported;	/* as stuck */
};

/*
 * Under the lock: give a queued waiter one element. With the last one it is
 * woken and leaves the queue.
 */
static void waiter_accept(struct waiter *waiter, void *element)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	*waiter->next++ = element;
	/* Pairs with waiter_is_served(): who sees 0 there sees the elements. */
	smp_store_release(&waiter->nr_missing, waiter->nr_missing - 1);
	if (waiter->nr_missing)
		return;

	if (!--pool->nr_waiters)
		atomic_andnot(MEMPOOL2_WAITERS, &pool->state);
	wake_up_process(waiter->entry.private);
	/*
	 * The waiter may be gone as soon as its entry is off the list, so this
	 * comes last. Pairs with finish_wait() in waiter_sleep().
	 */
	list_del_init_careful(&waiter->entry.entry);
}

/*
 * The wake function of a waiter: @key points at the element that came back, and
 * the waiter takes it from there. A bare wake_up() on the queue has none, and
 * makes the oldest waiter look for memory again.
 */
static int waiter_wake(struct wait_queue_entry *entry, unsigned int mode,
		       int flags, void *key)
{
	struct waiter *waiter = container_of(entry, struct waiter, entry);
	void **element = key;

	if (element) {
		waiter_accept(waiter, *element);
		*element = NULL;
	} else {
		wake_up_process(entry->private);
	}
	return 1;
}

/* Under the lock: give an element to the oldest waiter. False if nobody waits. */
static bool waiters_accept(struct mempool2 *pool, void *element)
{
	void *given = element;

	lockdep_assert_held(&pool->wait.lock);
	if (!pool->nr_waiters)
		return false;
	__wake_up_locked_key(&pool->wait, TASK_NORMAL, &element);
	if (element)
		return false;
	inside_handed_over(pool, given);
	return true;
}

/*
 * Under the lock: give waiters what the reserve has, but no more than a batch.
 * False if there are either no waiters or no elements any more.
 */
static bool waiters_serve_batch(struct mempool2 *pool)
{
	void *element;
	int i;

	for (i = 0; i < BATCH; i++) {
		if (!pool->nr_waiters || !reserve_take(pool, &element, 1))
			return false;
		waiters_accept(pool, element);
	}
	return true;
}

/* To be called after an element was put, if there are waiters then. */
static void waiters_serve(struct mempool2 *pool)
{
	unsigned long flags;
	bool more;

#ifdef CONFIG_PREEMPT_RT
	if (!preemptible()) {
		irq_work_queue(&pool->serve_work);
		return;
	}
#endif
	do {
		spin_lock_irqsave(&pool->wait.lock, flags);
		more = waiters_serve_batch(pool);
		spin_unlock_irqrestore(&pool->wait.lock, flags);
	} while (more);
}

#ifdef CONFIG_PREEMPT_RT
static void waiters_serve_work(struct irq_work *work)
{
	waiters_serve(container_of(work, struct mempool2, serve_work));
}
#endif

/* Give elements to those who wait, oldest first. Returns how many. */
static unsigned int waiters_give(struct mempool2 *pool, void **elems,
				 unsigned int nr)
{
	unsigned long flags;
	unsigned int i = 0;

	/* Where the lock may not be taken they come by way of the reserve. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) && !preemptible())
		return 0;

	spin_lock_irqsave(&pool->wait.lock, flags);
	while (i < nr && waiters_accept(pool, elems[i]))
		i++;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return i;
}

static bool waiter_is_served(const struct waiter *waiter)
{
	/* Pairs with the release in waiter_accept(). */
	return !smp_load_acquire(&waiter->nr_missing);
}

/* Queue, and have those who wait served, among them ourselves, if we can be. */
static void waiter_queue(struct waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	init_waitqueue_func_entry(&waiter->entry, waiter_wake);
	waiter->entry.private = current;

	spin_lock_irqsave(&pool->wait.lock, flags);
	__add_wait_queue_entry_tail_exclusive(&pool->wait, &waiter->entry);
	pool->nr_waiters++;
	/*
	 * A full barrier before we look, which pairs with the one in slot_put():
	 * who put an element and does not see that we wait is seen by us. And who
	 * learns an address from us sees that the reserve is not full.
	 */
	atomic_fetch_or(MEMPOOL2_WAITERS, &pool->state);
	while (waiters_serve_batch(pool))
		;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
}

/*
 * A queued waiter looks for memory itself, without losing its place. It may be
 * given an element at the same time; what it then has too much goes back.
 */
static void waiter_retry(struct waiter *waiter, gfp_t gfp)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	void *element;

	while (!waiter_is_served(waiter)) {
		element = pool_call_alloc(pool, gfp);
		if (!element)
			return;

		spin_lock_irqsave(&pool->wait.lock, flags);
		if (waiter->nr_missing) {
			waiter_accept(waiter, element);
			element = NULL;
		}
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		mempool2_free(element, pool);
	}
}

/* Sleep until the waiter has all its elements. */
static void waiter_sleep(struct waiter *waiter, gfp_t gfp)
{
	waiter_queue(waiter);
	for (;;) {
		/* The barrier in here pairs with the one in wake_up_process(). */
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (waiter_is_served(waiter))
			break;
		io_schedule_timeout(RETRY_JIFFIES);
		waiter_retry(waiter, gfp);
	}
	/* Returns only when waiter_accept() is done with the entry. */
	finish_wait(&waiter->pool->wait, &waiter->entry);
}

/*
 * Allocating
 */

#if IS_BUILTIN(CONFIG_MEMPOOL2) && defined(CONFIG_FAULT_INJECTION)
/* should_fail_ex() is not exported, so only a built-in mempool2 has this. */
static DECLARE_FAULT_ATTR(alloc_fault);

bool mempool2_should_fail(void)
{
	return should_fail_ex(&alloc_fault, 1, FAULT_NOWARN);
}
EXPORT_SYMBOL_GPL(mempool2_should_fail);

static int __init alloc_fault_debugfs(void)
{
	struct dentry *dir;

	dir = fault_create_debugfs_attr("fail_mempool2_alloc", NULL, &alloc_fault);
	return PTR_ERR_OR_ZERO(dir);
}
late_initcall(alloc_fault_debugfs);
#endif

static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count);

static void pool_call_free(struct mempool2 *pool, void *element)
{
	if (unlikely(pool_is_watched(pool)))
		inside_left(pool, element);
	mempool2_call_free(pool, pool->source, element);
}

/* Back to where they are missed, or else to where they came from. */
static void pool_free(struct mempool2 *pool, void **elems, unsigned int count)
{
	unsigned int nr = pool_return(pool, elems, count);

	while (nr < count)
		pool_call_free(pool, elems[nr++]);
}

/* Who has an element now is of more interest than who filled the pool. */
static void pool_note_owner(void **elems, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
}

/* @nr elements from the reserve, or none. Nobody takes any before those who wait. */
static bool pool_take(struct mempool2 *pool, void **elems, unsigned int nr,
		      unsigned long caller)
{
	unsigned int taken;

	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS)
		return false;
	taken = reserve_take(pool, elems, nr);
	if (unlikely(taken < nr)) {
		pool_free(pool, elems, taken);
		return false;
	}
	pool_note_owner(elems, nr);
	if (unlikely(pool_is_watched(pool)))
		inside_served(pool, elems, nr, caller);
	return true;
}

/*
 * The element at the CPU's place, or %NULL: what nearly always does, so all of it
 * is inline in those who want it. If @said is false afterwards they have to call
 * say_room().
 */
static __always_inline void *pool_take_here(struct mempool2 *pool, bool *said)
{
	void *element = NULL;
	int state;

	rcu_read_lock_sched();
	state = atomic_read(&pool->state);
	if (likely((state & (MEMPOOL2_ROOM | MEMPOOL2_FULL_CHECK | MEMPOOL2_DRY |
			     MEMPOOL2_WAITERS | MEMPOOL2_GATE | MEMPOOL2_WATCH)) == MEMPOOL2_ROOM))
		slot_take(reserve_here(rcu_dereference_sched(pool->reserve)), &element);
	*said = atomic_read(&pool->state) == state;
	rcu_read_unlock_sched();
	if (likely(element)) {
		element_use(pool, element);
		pool_note_owner(&element, 1);
	}
	return element;
}

/* Wait for @nr elements, in turn. */
static void pool_wait(struct mempool2 *pool, void **elems, unsigned int nr,
		      gfp_t gfp, unsigned long caller)
{
	struct waiter waiter = {
		.pool = pool,
		.next = elems,
		.nr_missing = nr,
		.caller = caller,
	};

	inside_wait_begin(&waiter);
	waiter_sleep(&waiter, gfp);
	inside_wait_end(&waiter, nr);
	pool_note_owner(elems, nr);
	if (unlikely(pool_is_watched(pool)))
		inside_taken(pool, elems, nr);
}

void mempool2_refuse_zero(void)
{
	mistake(true, "__GFP_ZERO, but an element of the reserve is not zeroed");
}
EXPORT_SYMBOL_GPL(mempool2_refuse_zero);

void mempool2_refuse(const struct mempool2 *pool)
{
	not_initialised(pool);
}
EXPORT_SYMBOL_GPL(mempool2_refuse);

/* Not inlined: what it needs should not burden those who seldom come here. */
static noinline void *pool_alloc(struct mempool2 *pool, gfp_t gfp_mask,
				 unsigned long caller)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	void *element;

	/* Nobody has, if the pool is of no kind that mempool2_alloc() knows. */
	if (pool_is_watched(pool)) {
		element = pool_call_alloc(pool, mempool2_gfp_first(gfp_mask));
		if (element)
			return element;
	}
	if (pool_take(pool, &element, 1, caller))
		return element;
	if (gfp == mempool2_gfp_first(gfp_mask))
		goto failed;

	element = pool_call_alloc(pool, gfp);
	if (element)
		return element;
	if (gfp & __GFP_DIRECT_RECLAIM) {
		pool_wait(pool, &element, 1, gfp, caller);
		return element;
	}
	if (pool_take(pool, &element, 1, caller))
		return element;
failed:
	inside_failed(pool, caller);
	return NULL;
}

/* mempool2_alloc(), once the first try has failed. */
void *mempool2_alloc_slow(struct mempool2 *pool, gfp_t gfp_mask)
{
	bool said;
	void *element = pool_take_here(pool, &said);

	if (unlikely(!element))
		return pool_alloc(pool, gfp_mask, _RET_IP_);
	return likely(said) ? element : say_room(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_slow);

/* As many elements as there is memory for. Returns how many that are. */
static __always_inline unsigned int pool_call_alloc_bulk(struct mempool2 *pool,
							 void **elems,
							 unsigned int count,
							 gfp_t gfp)
{
	unsigned int nr;

	for (nr = 0; nr < count; nr++) {
		elems[nr] = pool_call_alloc(pool, gfp);
		if (!elems[nr])
			break;
	}
	return nr;
}

int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems,
			       unsigned int count)
{
	gfp_t gfp = mempool2_gfp(current_gfp_context(GFP_KERNEL));
	unsigned int nr;

	if (not_initialised(pool))
		return -EINVAL;
	if (mistake(count > READ_ONCE(pool->min_nr),
		    "%u elements at once from a pool that guarantees %d",
		    count, READ_ONCE(pool->min_nr)))
		return -EINVAL;
	might_alloc(gfp);

	/*
	 * What is taken from the reserve outside the queue has to complete the
	 * array: who held a part of it while another one queues could keep that
	 * one waiting for ever.
	 */
	nr = pool_call_alloc_bulk(pool, elems, count, mempool2_gfp_first(gfp));
	if (nr == count || pool_take(pool, elems + nr, count - nr, _RET_IP_))
		return 0;

	nr += pool_call_alloc_bulk(pool, elems + nr, count - nr, gfp);
	if (nr < count)
		pool_wait(pool, elems + nr, count - nr, gfp, _RET_IP_);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_noprof);

void *mempool2_alloc_noreserve_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return NULL;
	return pool->alloc(gfp_mask, pool->pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_noreserve_noprof);

static noinline void *pool_alloc_preallocated(struct mempool2 *pool, unsigned long caller)
{
	void *element;

	if (pool_take(pool, &element, 1, caller))
		return element;
	inside_failed(pool, caller);
	return NULL;
}

/**
 * mempool2_alloc_preallocated() - take an element from the reserve
 * @pool: the pool
 *
 * Never calls the pool's alloc function.
 *
 * Context: Any. Does not sleep.
 * Return: the element, to be freed with mempool2_free(). %NULL when the reserve
 * is empty, or when @pool is not initialised, with a warning.
 *
 * Matches mempool_alloc_preallocated() (6.7).
 */
void *mempool2_alloc_preallocated(struct mempool2 *pool)
{
	void *element;
	bool said;

	if (not_initialised(pool))
		return NULL;
	element = pool_take_here(pool, &said);
	if (unlikely(!element))
		return pool_alloc_preallocated(pool, _RET_IP_);
	return likely(said) ? element : say_room(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_preallocated);

/*
 * Freeing
 */

/*
 * Give elements, from the front of the array, to those who wait and then to the
 * reserve while it has room. Returns how many that were.
 */
static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	unsigned int nr = 0, batch, given;
	int state;

	while (nr < count) {
		batch = min_t(unsigned int, count - nr, BATCH);
		state = atomic_read(&pool->state);
		if (state & MEMPOOL2_WAITERS) {
			given = waiters_give(pool, elems + nr, batch);
			if (given) {
				nr += given;
				continue;
			}
		} else if (!(state & MEMPOOL2_ROOM)) {
			break;
		}
		given = reserve_put(pool, elems + nr, batch);
		if (!given)
			break;
		nr += given;
	}
	return nr;
}

static noinline void pool_free_one(struct mempool2 *pool, void *element)
{
	if (unlikely(pool_is_watched(pool)) && !inside_freed(pool, element))
		return;
	pool_free(pool, &element, 1);
}

/* mempool2_free(), when the reserve may have room. */
void mempool2_free_slow(struct mempool2 *pool, void *element)
{
	bool put;

	/* KASAN has told what it was; it is nobody's now. */
	if (unlikely(!element_rest(pool, element)))
		return;

	/* At the CPU's place, as in pool_take_here(). */
	rcu_read_lock_sched();
	put = !(static_branch_unlikely(&pools_watched) && pool_is_watched(pool)) &&
	      slot_put(reserve_here(rcu_dereference_sched(pool->reserve)), element);
	rcu_read_unlock_sched();
	if (likely(put)) {
		after_put(pool);
		return;
	}
	element_use(pool, element);
	pool_free_one(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_free_slow);

/* mempool2_free(), when somebody waits in spite of a full reserve; or for no pool. */
void mempool2_free_checked(struct mempool2 *pool, void *element)
{
	if (mempool2_initialized(pool))
		pool_free_one(pool, element);
	else if (!inside_freed_to_none(pool, element))
		not_initialised(pool);
}
EXPORT_SYMBOL_GPL(mempool2_free_checked);

/* One by one: an element that rests already must not be put. It is as good as taken. */
static noinline unsigned int pool_return_watched(struct mempool2 *pool, void **elems,
						 unsigned int count)
{
	unsigned int nr;

	for (nr = 0; nr < count; nr++) {
		if (inside_freed(pool, elems[nr]) && !pool_return(pool, &elems[nr], 1)) {
			inside_left(pool, elems[nr]);
			break;
		}
	}
	return nr;
}

/**
 * mempool2_free_bulk() - give elements back to a pool that misses some
 * @pool: the pool
 * @elems: the elements, none of them %NULL; the array is not changed
 * @count: how many
 *
 * Gives elements, from the front of the array, to callers that wait and to the
 * reserve while it is not full. Never calls the pool's free function.
 *
 * Context: Any. Does not sleep.
 * Return: how many elements the pool took. The others, from there to the end of
 * the array, stay the caller's. 0 if @pool is not initialised, with a warning.
 *
 * Matches mempool_free_bulk() (7.x).
 */
unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	if (not_initialised(pool))
		return 0;
	/* As in mempool2_free(). */
	smp_rmb();
	if (unlikely(pool_is_watched(pool)))
		return pool_return_watched(pool, elems, count);
	return pool_return(pool, elems, count);
}
EXPORT_SYMBOL_GPL(mempool2_free_bulk);

/*
 * The life of a pool
 */

static void *slab_ctor(const struct kmem_cache *cache);

/* Is this what a pool can be made with? Says what is wrong, and whose it is. */
static bool pool_can_be(int min_nr, mempool2_alloc_t *alloc_fn,
			mempool2_free_t *free_fn, void *pool_data,
			unsigned long caller)
{
	unsigned long data = (unsigned long)pool_data;

	if (mistake_by(caller, !alloc_fn, "alloc_fn is NULL") ||
	    mistake_by(caller, !free_fn, "free_fn is NULL") ||
	    mistake_by(caller, min_nr < 0, "min_nr %d is negative", min_nr) ||
	    mistake_by(caller, min_nr > MAX_MIN_NR,
		       "min_nr %d is larger than %d", min_nr, MAX_MIN_NR))
		return false;

	if (alloc_fn == mempool2_alloc_slab) {
		if (mistake_by(caller, !pool_data, "slab cache is NULL"))
			return false;
		mistake_by(caller, slab_ctor(pool_data),
			   "slab cache has the constructor %pS, but an element of the reserve is as its last user left it",
			   slab_ctor(pool_data));
		return true;
	}
	if (alloc_fn == mempool2_kmalloc)
		return !mistake_by(caller, data > KMALLOC_MAX_SIZE,
				   "size %lu is larger than kmalloc's %lu",
				   data, (unsigned long)KMALLOC_MAX_SIZE);
	if (alloc_fn == mempool2_kvmalloc)
		return !mistake_by(caller, data > INT_MAX,
				   "size %lu is larger than kvmalloc's %d",
				   data, INT_MAX);
	if (alloc_fn == mempool2_alloc_pages)
		return !mistake_by(caller, data > MEMPOOL2_MAX_ORDER,
				   "page order %ld is not in 0 to %d",
				   (long)data, MEMPOOL2_MAX_ORDER);
	return true;
}

static enum mempool2_kind pool_kind(mempool2_alloc_t *alloc_fn,
				    mempool2_free_t *free_fn)
{
	if (alloc_fn == mempool2_alloc_slab && free_fn == mempool2_free_slab)
		return MEMPOOL2_SLAB;
	if (alloc_fn == mempool2_kmalloc && free_fn == mempool2_kfree)
		return MEMPOOL2_KMALLOC;
	if (alloc_fn == mempool2_alloc_pages && free_fn == mempool2_free_pages)
		return MEMPOOL2_PAGES;
	return MEMPOOL2_CUSTOM;
}

static int pool_init(struct mempool2 *pool, int min_nr,
		     mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn,
		     void *pool_data, gfp_t gfp_mask, int node_id,
		     unsigned long caller)
{
	struct mempool2_reserve *reserve;
	void *element;
	int i;

	memset(pool, 0, sizeof(*pool));
	if (!pool_can_be(min_nr, alloc_fn, free_fn, pool_data, caller))
		return -EINVAL;

	reserve = reserve_create(min_nr, gfp_mask, node_id);
	if (!reserve)
		return -ENOMEM;

	init_waitqueue_head(&pool->wait);
	RCU_INIT_POINTER(pool->reserve, reserve);
	pool->source = pool_kind(alloc_fn, free_fn);
	pool->kind = pool->source;
	atomic_set(&pool->state, MEMPOOL2_FULL(pool->kind) | MEMPOOL2_ROOM);
	pool->pool_data = pool_data;
	pool->alloc = alloc_fn;
	pool->free = free_fn;
	pool->node = node_id;
	pool->min_nr = min_nr;
#ifdef CONFIG_PREEMPT_RT
	init_irq_work(&pool->serve_work, waiters_serve_work);
#endif
	registry_add(pool, reserve, caller, gfp_mask);
	inside_created(pool, gfp_mask);

	for (i = 0; i < reserve_size(min_nr); i++) {
		element = alloc_fn(gfp_mask, pool_data);
		if (!element) {
			mempool2_exit(pool);
			return -ENOMEM;
		}
		pool_return(pool, &element, 1);
	}
	return 0;
}

/**
 * mempool2_nr_reserved() - how many elements are in the reserve?
 * @pool: a pool
 *
 * A snapshot: it may be out of date when the caller looks at it. It counts,
 * which takes time in proportion to @min_nr.
 *
 * Context: Any. Does not sleep.
 * Return: the number; 0 if @pool is not initialised.
 *
 * Matches the member curr_nr of the kernel's struct mempool.
 */
int mempool2_nr_reserved(const struct mempool2 *pool)
{
	const struct mempool2_reserve *reserve;
	int nr = 0;

	rcu_read_lock_sched();
	reserve = rcu_dereference_sched(pool->reserve);
	for (; reserve; reserve = READ_ONCE(reserve->old))
		nr += reserve_count(reserve);
	rcu_read_unlock_sched();
	return nr;
}
EXPORT_SYMBOL_GPL(mempool2_nr_reserved);

int mempool2_init_node_noprof(struct mempool2 *pool, int min_nr,
			      mempool2_alloc_t *alloc_fn,
			      mempool2_free_t *free_fn, void *pool_data,
			      gfp_t gfp_mask, int node_id)
{
	return pool_init(pool, min_nr, alloc_fn, free_fn, pool_data, gfp_mask,
			 node_id, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_init_node_noprof);

struct mempool2 *mempool2_create_node_noprof(int min_nr,
					     mempool2_alloc_t *alloc_fn,
					     mempool2_free_t *free_fn,
					     void *pool_data, gfp_t gfp_mask,
					     int node_id)
{
	struct mempool2 *pool;

	pool = kmalloc_node(sizeof(*pool), gfp_mask, node_id);
	if (!pool)
		return NULL;
	if (pool_init(pool, min_nr, alloc_fn, free_fn, pool_data, gfp_mask,
		      node_id, _RET_IP_)) {
		kfree(pool);
		return NULL;
	}
	return pool;
}
EXPORT_SYMBOL_GPL(mempool2_create_node_noprof);

/**
 * mempool2_exit() - end a pool that mempool2_init() made
 * @pool: the pool; or zeroed memory, or one on which mempool2_init() failed or
 *	this was called before, which does nothing
 *
 * Frees the elements in the reserve. Elements that are still out must not be
 * freed to @pool any more, and nobody may be using it.
 *
 * Context: As the pool's free function. Sleeps only if that does, and for pools
 * whose bookkeeping is larger than a page.
 *
 * Matches mempool_exit().
 */
void mempool2_exit(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;
	void *elems[BATCH];
	unsigned int nr;

	if (!mempool2_initialized(pool))
		return;
	if (unlikely(pool_is_watched(pool)))
		inside_exit(pool);
#ifdef CONFIG_PREEMPT_RT
	irq_work_sync(&pool->serve_work);
#endif
	while ((nr = reserve_take(pool, elems, BATCH))) {
		while (nr)
			pool_call_free(pool, elems[--nr]);
	}
	reserve = rcu_dereference_protected(pool->reserve, true);
	registry_remove(pool, reserve);
	kvfree(reserve);
	RCU_INIT_POINTER(pool->reserve, NULL);
	atomic_set(&pool->state, 0);
	WRITE_ONCE(pool->kind, MEMPOOL2_NONE);
}
EXPORT_SYMBOL_GPL(mempool2_exit);

/**
 * mempool2_destroy() - end and free a pool that mempool2_create() made
 * @pool: the pool, or %NULL, which does nothing
 *
 * Context: As mempool2_exit().
 *
 * Matches mempool_destroy().
 */
void mempool2_destroy(struct mempool2 *pool)
{
	if (!pool)
		return;
	mempool2_exit(pool);
	kfree(inside_destroyed(pool));
}
EXPORT_SYMBOL_GPL(mempool2_destroy);

static struct mempool2_reserve *resize_reserve(const struct mempool2 *pool)
{
	return rcu_dereference_protected(pool->reserve,
					 lockdep_is_held(&reserve_resize_mutex));
}

/*
 * Do one step of what resizes have left to do: move some elements out of the
 * reserve that was replaced, or out of what is more than min_nr of the present
 * one. False if nothing is left to do. @full tells the next step that the reserve
 * was seen full.
 */
static bool resize_step(struct mempool2 *pool, bool *full)
{
	struct mempool2_reserve *reserve, *old;
	unsigned int size, nr_surplus = 0;
	bool more, with_slots = false;
	void *surplus[BATCH];

	mutex_lock(&reserve_resize_mutex);
	reserve = resize_reserve(pool);
	size = reserve_size(pool->min_nr);
	old = reserve->old;
	if (old) {
		nr_surplus = reserve_shrink(pool, old, 0, reserve, full, surplus);
		if (!old->nr_slots) {
			WRITE_ONCE(reserve->old, NULL);
			kvfree_rcu(old, rcu);
		}
	} else if (reserve->nr_slots > size) {
		WRITE_ONCE(reserve->moving, true);
		nr_surplus = reserve_shrink(pool, reserve, size, reserve, full,
					    surplus);
		with_slots = !reserve->nr_never_filled;
	}
	more = reserve->old || reserve->nr_slots > size;
	/* Pairs with waiter_queue() and state_check(), as the one in slot_put(). */
	smp_mb();
	after_put(pool);
	/* after_put() stopped the checks of those who may have missed an element. */
	if (!more)
		WRITE_ONCE(reserve->moving, false);
	mutex_unlock(&reserve_resize_mutex);

	/*
	 * Where each slot has its element, in the reserve or with somebody, these
	 * may go with their slots. Else the reserve may have room for them, as
	 * others may have taken some since it was seen full.
	 */
	elements_use(pool, surplus, nr_surplus);
	if (!with_slots || atomic_read(&pool->state) & MEMPOOL2_WAITERS)
		pool_free(pool, surplus, nr_surplus);
	else
		while (nr_surplus)
			pool_call_free(pool, surplus[--nr_surplus]);
	return more;
}

static void resize_finish(struct mempool2 *pool)
{
	bool full = false;

	while (resize_step(pool, &full))
		cond_resched();
}

/*
 * Go on in @reserve, if @min_nr is still more than the pool has; or if @shrunk
 * still what it has. What is not needed is freed.
 */
static void resize_switch(struct mempool2 *pool, struct mempool2_reserve *reserve,
			  int min_nr, bool shrunk)
{
	struct mempool2_reserve *old;

	mutex_lock(&reserve_resize_mutex);
	/* One after the other: what replaces a reserve may be replaced when full. */
	while (resize_reserve(pool)->old) {
		mutex_unlock(&reserve_resize_mutex);
		resize_finish(pool);
		mutex_lock(&reserve_resize_mutex);
	}
	if (shrunk ? min_nr == pool->min_nr : min_nr > pool->min_nr) {
		old = resize_reserve(pool);
		reserve->nr_never_filled = old->nr_never_filled + reserve->nr_slots -
					   min(reserve->nr_slots, old->nr_slots);
		reserve->old = old;
		reserve->moving = true;
		WRITE_ONCE(pool->min_nr, min_nr);
		registry_replace(pool, old, reserve);
		/* A full barrier before we close a slot; see state_known(). */
		say_room(pool, NULL);
		reserve = NULL;
	}
	mutex_unlock(&reserve_resize_mutex);
	kvfree(reserve);
	resize_finish(pool);
}

/*
 * The pool is larger from the moment the reserve is; then come the elements. That
 * there is no memory for the reserve is the caller's to say, not the allocator's.
 */
static int resize_up(struct mempool2 *pool, int min_nr)
{
	struct mempool2_reserve *reserve;
	unsigned int nr = 0, nr_given = 0;
	void *element;
	int missing;

	reserve = reserve_create(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	if (!reserve)
		return -ENOMEM;
	resize_switch(pool, reserve, min_nr, false);

	/* Waiters get theirs first, so the number is bounded here too. */
	do {
		missing = reserve_size(READ_ONCE(pool->min_nr)) -
			  mempool2_nr_reserved(pool);
		for (element = NULL; missing > 0 && nr < min_nr; missing--, nr++) {
			element = mempool2_alloc_noreserve_noprof(pool, GFP_KERNEL);
			if (!element)
				break;
			if (pool_return(pool, &element, 1))
				nr_given++;
			else
				pool_call_free(pool, element);
			cond_resched();
		}
	} while (element && nr < min_nr);

	mutex_lock(&reserve_resize_mutex);
	reserve = resize_reserve(pool);
	reserve->nr_never_filled -= min(nr_given, reserve->nr_never_filled);
	mutex_unlock(&reserve_resize_mutex);
	return 0;
}

/* The elements go first; the smaller reserve is worth having, but no must. */
static void resize_down(struct mempool2 *pool, int min_nr)
{
	struct mempool2_reserve *reserve;

	mutex_lock(&reserve_resize_mutex);
	if (min_nr < pool->min_nr) {
		WRITE_ONCE(pool->min_nr, min_nr);
		WRITE_ONCE(resize_reserve(pool)->min_nr, min_nr);
	}
	mutex_unlock(&reserve_resize_mutex);
	resize_finish(pool);

	reserve = reserve_create(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	if (reserve)
		resize_switch(pool, reserve, min_nr, true);
}

int mempool2_resize_noprof(struct mempool2 *pool, int new_min_nr)
{
	int min_nr, err = 0;

	if (not_initialised(pool) ||
	    mistake(new_min_nr < 0, "resize to %d, which is negative", new_min_nr) ||
	    mistake(new_min_nr > MAX_MIN_NR, "resize to %d, which is more than %d",
		    new_min_nr, MAX_MIN_NR))
		return -EINVAL;
	might_sleep();

	min_nr = READ_ONCE(pool->min_nr);
	if (new_min_nr > min_nr)
		err = resize_up(pool, new_min_nr);
	else if (new_min_nr < min_nr)
		resize_down(pool, new_min_nr);
	inside_resized(pool, min_nr, new_min_nr, err);
	return err;
}
EXPORT_SYMBOL_GPL(mempool2_resize_noprof);

/*
 * Stock functions
 */

/*
 * Where struct kmem_cache, which is private to the slab allocator since 6.8,
 * keeps the constructor: found by making a cache whose constructor is known.
 * 0, and no pool is warned of, for pools made before that.
 */
static unsigned int slab_ctor_offset __ro_after_init;

static void *slab_ctor(const struct kmem_cache *cache)
{
	if (!slab_ctor_offset)
		return NULL;
	return *(void *const *)((const char *)cache + slab_ctor_offset);
}

static void slab_known_ctor(void *object)
{
}

static int __init slab_find_ctor(void)
{
	/* Well behind the constructor and before the end, on every kernel. */
	const unsigned int end = 160;
	struct kmem_cache *cache;
	unsigned int offset;

	cache = kmem_cache_create("mempool2_ctor", sizeof(long), 0, 0,
				  slab_known_ctor);
	if (!cache)
		return -ENOMEM;
	for (offset = 0; offset < end; offset += sizeof(void *)) {
		if (*(void **)((char *)cache + offset) == slab_known_ctor) {
			slab_ctor_offset = offset;
			break;
		}
	}
	kmem_cache_destroy(cache);
	return 0;
}

/* Neighbours begin far from each other. Pools that are made before do without. */
static int __init place_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(reserve_place, cpu) = (u32)cpu * GOLDEN_RATIO_32;
	return 0;
}

static int __init mempool2_load(void)
{
	return slab_find_ctor() ?: place_init() ?: inside_load();
}
core_initcall(mempool2_load);

/* Pools are their users', who hold the module; but without this it stays. */
static void __exit mempool2_unload(void)
{
	inside_unload();
}
module_exit(mempool2_unload);

/**
 * mempool2_alloc_slab() - alloc function for pools of slab objects
 * @gfp_mask: handed on
 * @pool_data: the &struct kmem_cache
 *
 * Context: As kmem_cache_alloc() with @gfp_mask.
 * Return: the object or %NULL.
 *
 * Matches mempool_alloc_slab().
 */
void *mempool2_alloc_slab(gfp_t gfp_mask, void *pool_data)
{
	return mempool2_raw_slab_alloc(pool_data, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_slab);

/**
 * mempool2_free_slab() - free function for pools of slab objects
 * @element: the object
 * @pool_data: the &struct kmem_cache
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_free_slab().
 */
void mempool2_free_slab(void *element, void *pool_data)
{
	kmem_cache_free(pool_data, element);
}
EXPORT_SYMBOL_GPL(mempool2_free_slab);

/**
 * mempool2_kmalloc() - alloc function for pools of kmalloc() memory
 * @gfp_mask: handed on
 * @pool_data: the size in bytes, as an integer
 *
 * Context: As kmalloc() with @gfp_mask.
 * Return: the memory or %NULL.
 *
 * Matches mempool_kmalloc().
 */
void *mempool2_kmalloc(gfp_t gfp_mask, void *pool_data)
{
	size_t size = (size_t)pool_data;

	return mempool2_raw_kmalloc(size, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_kmalloc);

/**
 * mempool2_kfree() - free function for pools of kmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_kfree().
 */
void mempool2_kfree(void *element, void *pool_data)
{
	kfree(element);
}
EXPORT_SYMBOL_GPL(mempool2_kfree);

/**
 * mempool2_kvmalloc() - alloc function for pools of kvmalloc() memory
 * @gfp_mask: handed on
 * @pool_data: the size in bytes, as an integer
 *
 * Context: As kvmalloc() with @gfp_mask.
 * Return: the memory or %NULL.
 *
 * Matches mempool_kvmalloc() (to 6.12).
 */
void *mempool2_kvmalloc(gfp_t gfp_mask, void *pool_data)
{
	size_t size = (size_t)pool_data;

	return mempool2_raw_kvmalloc(size, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_kvmalloc);

/**
 * mempool2_kvfree() - free function for pools of kvmalloc() memory
 * @element: the memory
 * @pool_data: not used
 *
 * Context: As kvfree(): may sleep in task context, and is legal in interrupts.
 *
 * Matches mempool_kvfree() (to 6.12).
 */
void mempool2_kvfree(void *element, void *pool_data)
{
	kvfree(element);
}
EXPORT_SYMBOL_GPL(mempool2_kvfree);

/**
 * mempool2_alloc_pages() - alloc function for pools of pages
 * @gfp_mask: handed on
 * @pool_data: the page order, as an integer
 *
 * Context: As alloc_pages() with @gfp_mask.
 * Return: the first &struct page, not compound, or %NULL.
 *
 * Matches mempool_alloc_pages().
 */
void *mempool2_alloc_pages(gfp_t gfp_mask, void *pool_data)
{
	return mempool2_raw_alloc_pages(gfp_mask, (unsigned long)pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_pages);

/**
 * mempool2_free_pages() - free function for pools of pages
 * @element: the first &struct page
 * @pool_data: the page order, as an integer
 *
 * Context: Any. Does not sleep.
 *
 * Matches mempool_free_pages().
 */
void mempool2_free_pages(void *element, void *pool_data)
{
	__free_pages(element, (unsigned long)pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_free_pages);

/*
 * Seeing inside
 */

#include "mempool2_inside.c"

MODULE_DESCRIPTION("Pools of preallocated elements whose allocation cannot fail");
MODULE_LICENSE("GPL");
