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
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/ctype.h>
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
#include <linux/llist.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
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
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/u64_stats_sync.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

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

#define not_a_request(waiter)						\
	mistake(!(waiter)->function, "the waiter has no function: mempool2_waiter_init() sets one")

#define not_for_bulk(pool, count)					\
	(not_initialised(pool) ||					\
	 mistake((count) > READ_ONCE((pool)->min_nr),			\
		 "%u elements at once from a pool that guarantees %d",	\
		 (count), READ_ONCE((pool)->min_nr)))

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
			/* Which of its places is the one at which a CPU begins to look. */
			u8			place;
			struct mempool2_elements elements;
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
			/* Where the pool was seen last: for comparison, never to be followed. */
			struct mempool2		*pool;
			struct mempool2_maker	*maker;
			struct mempool2_inside	*inside;
		};
		/* All CPUs read the above, so none should write beside it. */
		char	pad[SMP_CACHE_BYTES];
	};
	void	*slots[];
};

/* One cache line, where these have 64 bytes. */
static_assert(offsetof(struct mempool2_reserve, slots) <=
	      (SMP_CACHE_BYTES > 64 ? SMP_CACHE_BYTES : 64));

/*
 * In a slot that will never be used again, or that a resize is about to fill. No
 * element has this address; and NULL and it are told from elements by one
 * comparison.
 */
#define CLOSED		((void *)1UL)

/* kvmalloc() refuses, with a warning of its own, what is larger than INT_MAX. */
#define MAX_MIN_NR	((int)((INT_MAX - sizeof(struct mempool2_reserve)) / sizeof(void *)))

/* So many slots are near a CPU's place. A reserve that has no more of them is small. */
#define NEAR		64

/*
 * The slots at which a CPU begins to look: one for each number of slots that a small
 * reserve can have, and one for all large reserves up to each power of two, which
 * have room for as many slots as that. They serve all pools. In a small reserve the
 * place stays; in a large one it goes on to where there was something, so that a CPU
 * that drains or fills it need not pass the same slots again and again.
 */
#define NR_PLACES	(NEAR + ilog2(roundup_pow_of_two(MAX_MIN_NR)) - ilog2(NEAR))

static DEFINE_PER_CPU(unsigned long [NR_PLACES], reserve_places);

/* By an address, as UBSAN would check an index each time. */
#define PLACE(reserve)		(*(&reserve_places[0] + (reserve)->place))

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
	if (pool->kind == MEMPOOL2_PAGES)
		return mempool2_kasan_rest_pages(element,
						 (unsigned long)pool->pool_data);
	/* Memory of no size is no object of any slab. */
	if (pool->kind == MEMPOOL2_SLAB || (pool->kind == MEMPOOL2_KMALLOC && pool->pool_data))
		return mempool2_kasan_rest_object(element);
	return true;
}

static void element_use(struct mempool2 *pool, void *element)
{
	if (pool->kind == MEMPOOL2_PAGES)
		mempool2_kasan_use_pages(element,
					 (unsigned long)pool->pool_data);
	else if (pool->kind == MEMPOOL2_SLAB)
		mempool2_kasan_use_object(element,
					  kmem_cache_size(pool->pool_data));
	else if (pool->kind == MEMPOOL2_KMALLOC && pool->pool_data)
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

/* Which of a CPU's places is the one in a reserve of @nr_slots, and how many it is for. */
static unsigned int place_index(unsigned int nr_slots)
{
	return nr_slots <= NEAR ? nr_slots - 1 :
				  NEAR + ilog2(nr_slots - 1) - ilog2(NEAR);
}

static unsigned int place_range(unsigned int index)
{
	return index < NEAR ? index + 1 : min(NEAR << (index - NEAR + 1), MAX_MIN_NR);
}

static struct mempool2_reserve *reserve_create(int min_nr, gfp_t gfp, int node)
{
	unsigned int nr_slots = reserve_size(min_nr), place = place_index(nr_slots);
	unsigned int range = place_range(place);
	struct mempool2_reserve *reserve;
	size_t size = struct_size(reserve, slots, range);

	/* vfree() sleeps, and whoever may not has to free it if there are no elements. */
	if (gfpflags_allow_blocking(gfp))
		reserve = kvzalloc_node(size, gfp, node);
	else
		reserve = kzalloc_node(size, gfp, node);
	if (!reserve)
		return NULL;
	reserve->nr_slots = nr_slots;
	reserve->place = place;
	/* Where there is none a CPU may look, and find nothing to take and nowhere to put. */
	memset_p(&reserve->slots[nr_slots], CLOSED, range - nr_slots);
	return reserve;
}

static bool is_element(const void *element)
{
	return (unsigned long)element > (unsigned long)CLOSED;
}

/*
 * Is this what no pool can keep: %NULL, 1, or what IS_ERR() takes for an error? These are
 * next to each other, so it is one comparison.
 */
static __always_inline bool is_no_element(const void *element)
{
	return unlikely((unsigned long)element + MAX_ERRNO <= MAX_ERRNO + 1UL);
}

/*
 * May one of them be none? For a whole array this is cheaper: %NULL and 1 leave nothing but
 * the lowest bit in what all have, and an error sets all the upper bits of what any has.
 */
static bool elements_are_suspect(void **elems, unsigned int nr)
{
	unsigned long all = ULONG_MAX, any = 0;
	unsigned int i;

	/* In two loops, as each step is one instruction then. */
#pragma GCC unroll 16
	for (i = 0; i < nr; i++)
		all &= (unsigned long)elems[i];
#pragma GCC unroll 16
	for (i = 0; i < nr; i++)
		any |= (unsigned long)elems[i];
	return all <= 1 || IS_ERR_VALUE(any);
}

/* Neither the reserve nor a waiter gets that; it stays whose it was. */
#define refused(element, caller)						\
	(is_no_element(element) &&						\
	 mistake_by(caller, true, "%p is no element: %ld", element, (long)(element)))

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
 * For a slot that is probably empty; slot_put() is cheaper if not.
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

/* The slot at the CPU's place: of a reserve that is shrinking it may be a closed one. */
static __always_inline void **reserve_here(struct mempool2_reserve *reserve)
{
	void **slot = &reserve->slots[this_cpu_read(PLACE(reserve))];

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
	unsigned long place = slot - reserve->slots;

	if (READ_ONCE(reserve->nr_slots) > NEAR)
		this_cpu_write(PLACE(reserve), place);
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
	void **first = slot, **run_end = slot + slot_run(slot, end, nr);
	unsigned long distance = (unsigned long)elems - (unsigned long)slot, i;

	/*
	 * Who wants many finds them side by side; unrolled, a bulk of 64 is worth it. With one
	 * variable for both arrays each step is an instruction less.
	 */
#pragma GCC unroll 8
	for (; slot < run_end; slot++) {
		if (unlikely(!slot_take(slot, (void **)((unsigned long)slot + distance))))
			break;
	}
	for (i = slot - first; i < nr && slot < end; slot++) {
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
		if (unlikely(!slot_put_here(&slot[i], elems[i])))
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
	void **end = &reserve->slots[nr_slots], **here = min(reserve_here(reserve), end);

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
	void **end = &reserve->slots[nr_slots], **above = min(reserve_here(reserve) + 1, end);

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
		slot = &reserve->slots[READ_ONCE(per_cpu(PLACE(reserve), cpu))];
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

/* A closed slot, when no element is on its way. */
static noinline void *slot_settled(void *const *slot)
{
	unsigned long flags;
	void *element;

	raw_spin_lock_irqsave(&reserve_move_lock, flags);
	element = READ_ONCE(*slot);
	raw_spin_unlock_irqrestore(&reserve_move_lock, flags);
	return element;
}

/* An element that somebody has in hand only to look at it rests. */
static unsigned int reserve_count(const struct mempool2_reserve *reserve)
{
	unsigned int nr_slots = READ_ONCE(reserve->nr_slots), i, nr = 0;
	void *element;

	for (i = 0; i < nr_slots; i++) {
		element = READ_ONCE(reserve->slots[i]);
		if (unlikely(element == CLOSED))
			element = slot_settled(&reserve->slots[i]);
		nr += is_element(element);
	}
	return nr;
}

/* An empty slot among the first @nr_slots, from the CPU's place downwards; or %NULL. */
static void **reserve_find_empty(struct mempool2_reserve *reserve, unsigned int nr_slots)
{
	unsigned long slot = this_cpu_read(PLACE(reserve));
	unsigned int i;

	if (slot >= nr_slots)
		slot = nr_slots - 1;
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

static void waiters_serve(struct mempool2 *pool, struct llist_head *served);
static void waiters_serve_and_call(struct mempool2 *pool);

/*
 * The element that was put may not be the only one by now, but there is one. True if
 * somebody waits.
 */
static bool say_not_dry(struct mempool2 *pool)
{
	return atomic_fetch_andnot(NOT_DRY, &pool->state) & MEMPOOL2_WAITERS;
}

/* After putting an element, which is a full barrier: is anybody in need of it? */
static __always_inline bool is_needed(const struct mempool2 *pool)
{
	return unlikely(atomic_read(&pool->state) & (NOT_DRY | MEMPOOL2_WAITERS));
}

/* The last thing that a call does with the pool: functions may end it. */
static noinline void serve_after_put(struct mempool2 *pool)
{
	if (say_not_dry(pool))
		waiters_serve_and_call(pool);
}

static __always_inline void after_put(struct mempool2 *pool)
{
	if (is_needed(pool))
		serve_after_put(pool);
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

/*
 * Put up to @nr elements. None only if the reserve was full at some moment. If there are
 * some the caller has to look afterwards whether one is needed.
 */
static unsigned int reserve_put_unseen(struct mempool2 *pool, void **elems, unsigned int nr)
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
	if (unlikely(pool_is_watched(pool)))
		inside_refilled(pool, put);
	return put;
}

/* The same; then waiters get theirs, as by waiters_serve(). */
static unsigned int reserve_put(struct mempool2 *pool, void **elems, unsigned int nr,
				struct llist_head *served)
{
	unsigned int put = reserve_put_unseen(pool, elems, nr);

	if (put && is_needed(pool) && say_not_dry(pool))
		waiters_serve(pool, served);
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
	void *element;

	if (likely(!pool_is_watched(pool)))
		return mempool2_call_alloc(pool, pool->kind, gfp);
	if (inside_is_failing(pool))
		return NULL;
	element = mempool2_call_alloc(pool, pool->kind, gfp);
	if (element)
		inside_new(pool, element);
	return element;
}

/*
 * Limits
 *
 * Where the elements that are out are limited their number is in @nr_out of the
 * pool's struct mempool2_inside. Who allocates enters first; who may not, waits like
 * everybody else, and so does who finds no element then, after leaving again. Who
 * hands an element to a waiter enters for it. Who frees leaves, and then looks for
 * waiters: of a waiter that queues and does not see that somebody has left, and
 * somebody who leaves and does not see that it waits, there is only one at a time.
 */

static void functions_call_later(struct llist_head *served);

static int limit_of(const struct mempool2 *pool)
{
	/* Never less than those who may wait for several at once could ask for. */
	return max(READ_ONCE(pool_inside(pool)->limit), reserve_size(READ_ONCE(pool->min_nr)));
}

/*
 * A full barrier if it succeeds; and if not, the number is read after what the caller
 * did before with one. Pairs with limit_leave().
 */
static bool limit_take(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_out = &pool_inside(pool)->nr_out;
	int out = atomic_read(nr_out);

	do {
		if (out + (int)nr > limit_of(pool))
			return false;
	} while (!atomic_try_cmpxchg(nr_out, &out, out + nr));
	return true;
}

static bool pool_is_limited(const struct mempool2 *pool)
{
	return unlikely(pool_is_watched(pool)) && pool_has(pool, FEATURE_LIMIT);
}

/*
 * Enter with @nr elements, unless somebody waits: how many that are for
 * limit_leave(), 0 if there is no limit; or a negative number, and one has to wait.
 */
static int limit_enter(struct mempool2 *pool, unsigned int nr)
{
	if (!pool_is_limited(pool))
		return 0;
	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS || !limit_take(pool, nr))
		return -EAGAIN;
	return nr;
}

/* The same for a waiter, under the lock. */
static bool limit_enter_waiter(struct mempool2 *pool)
{
	return !pool_is_limited(pool) || limit_take(pool, 1);
}

/* Elements that are freed need not have been counted: they may be older than the limit. */
static void limit_give(struct mempool2 *pool, unsigned int nr)
{
	atomic_t *nr_out = &pool_inside(pool)->nr_out;
	int out = atomic_read(nr_out);

	/* A full barrier before we look for waiters. Pairs with waiter_queue(). */
	while (!atomic_try_cmpxchg(nr_out, &out, max(out - (int)nr, 0)))
		;
}

/* For a call that wants elements: its caller may have locks that functions want. */
static void limit_leave(struct mempool2 *pool, int nr)
{
	struct llist_head served = {};

	if (nr <= 0)
		return;
	limit_give(pool, nr);
	if (!(atomic_read(&pool->state) & MEMPOOL2_WAITERS))
		return;
	rcu_read_lock();
	waiters_serve(pool, &served);
	functions_call_later(&served);
	rcu_read_unlock();
}

/*
 * Elements come back. To be called before they are offered to waiters or put: that looks
 * for waiters, so it is not done here, and no function is called while there still is
 * something to be done with the pool.
 */
static void limit_freed(struct mempool2 *pool, unsigned int nr)
{
	if (pool_is_limited(pool))
		limit_give(pool, nr);
}

/*
 * Waiters
 *
 * A waiter is an exclusive entry of pool->wait with a place for its elements.
 * Only the one at the head is given any; one that needs several stays there and
 * collects them. So it cannot starve, and no two of them can each hold what the
 * other one needs. What happens to one that has all its elements is its entry's
 * function: a task is woken, or a function is called, see "Functions" below.
 */

/* PREEMPT_RT: the lock of the queue sleeps. */
static bool queue_can_be_locked(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible();
}

/*
 * May memory be asked for in passing, to keep a stack? The locks of the kernel's
 * allocators sleep on PREEMPT_RT, and lockdep holds those who take them in a hardirq
 * to that on other kernels too (PROVE_RAW_LOCK_NESTING).
 */
static bool memory_can_be_asked_for(void)
{
	return IS_ENABLED(CONFIG_PREEMPT_RT) ? preemptible() : !in_hardirq();
}

/* What is given to the oldest waiter under the lock, and what comes after that. */
struct handover {
	void			*element;	/* NULL as soon as somebody has it */
	struct llist_head	*served;	/* whose functions are to be called */
};

/*
 * The wake flags that come with a struct handover. A wake-up of the queue by anybody else
 * has other flags, whatever its key is.
 */
#define WAKE_HANDOVER	BIT(30)

/* Under the lock: the next element goes to its place. */
static void waiter_accept(struct mempool2_waiter *waiter, void *element)
{
	lockdep_assert_held(&waiter->pool->wait.lock);
	waiter->elems[waiter->count - waiter->nr_missing] = element;
	/* Pairs with waiter_is_served(): who sees 0 there sees the elements. */
	smp_store_release(&waiter->nr_missing, waiter->nr_missing - 1);
}

/* Under the lock: leave the queue. */
static void waiter_leave(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;

	lockdep_assert_held(&pool->wait.lock);
	if (!--pool->nr_waiters)
		atomic_andnot(MEMPOOL2_WAITERS, &pool->state);
	/*
	 * A waiter that sleeps may be gone as soon as its entry is off the list,
	 * so this comes last. Pairs with finish_wait() in waiter_sleep().
	 */
	list_del_init_careful(&waiter->entry.entry);
}

/* Under the lock: the same for one that sleeps. With the last one it is woken. */
static void sleeper_accept(struct mempool2_waiter *waiter, void *element)
{
	waiter_accept(waiter, element);
	if (waiter->nr_missing)
		return;
	wake_up_process(waiter->entry.private);
	waiter_leave(waiter);
}

/*
 * The wake function of a waiter that sleeps: with WAKE_HANDOVER @key is a struct
 * handover, and the waiter takes the element from there. A wake_up() of the queue by
 * others makes the oldest of them look for memory again.
 */
static int sleeper_wake(struct wait_queue_entry *entry, unsigned int mode,
			int flags, void *key)
{
	struct mempool2_waiter *waiter = container_of(entry, struct mempool2_waiter, entry);
	struct handover *hand = key;

	if (flags & WAKE_HANDOVER) {
		sleeper_accept(waiter, hand->element);
		hand->element = NULL;
	} else {
		wake_up_process(entry->private);
	}
	return 1;
}

static bool entry_is_ours(const struct wait_queue_entry *entry);

/*
 * Under the lock: give an element to the oldest waiter, for which one has entered. Others
 * may have entries in the queue, as in any wait queue: those before it are woken as well,
 * and take nothing from it even if they are exclusive.
 */
static void waiters_accept(struct mempool2 *pool, struct handover *hand)
{
	struct wait_queue_entry *entry, *next;
	const void *element = hand->element;

	lockdep_assert_held(&pool->wait.lock);
	list_for_each_entry_safe(entry, next, &pool->wait.head, entry) {
		if (entry_is_ours(entry)) {
			entry->func(entry, TASK_NORMAL, WAKE_HANDOVER, hand);
			break;
		}
		/* Before 6.7 a wake-up of many leaves a bookmark without a function. */
		if (entry->func)
			entry->func(entry, TASK_NORMAL, 0, NULL);
	}
	inside_handed_over(pool, element);
}

/*
 * Under the lock: give waiters what the reserve has, but no more than a batch.
 * False if there are either no waiters or no elements any more.
 */
static bool waiters_serve_batch(struct mempool2 *pool, struct handover *hand)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		if (!pool->nr_waiters || !limit_enter_waiter(pool))
			return false;
		if (!reserve_take(pool, &hand->element, 1)) {
			if (pool_is_limited(pool))
				limit_give(pool, 1);
			return false;
		}
		waiters_accept(pool, hand);
	}
	return true;
}

static void functions_call(struct llist_head *served);
static void waiters_serve_later(struct mempool2 *pool);

/*
 * To be called after an element was put, if there are waiters then. With rcu_read_lock(),
 * which is kept until the functions of @served have been called or are left to others.
 */
static void waiters_serve(struct mempool2 *pool, struct llist_head *served)
{
	struct handover hand = { .served = served };
	unsigned long flags;
	bool more;

	if (!queue_can_be_locked()) {
		waiters_serve_later(pool);
		return;
	}
	do {
		spin_lock_irqsave(&pool->wait.lock, flags);
		more = waiters_serve_batch(pool, &hand);
		spin_unlock_irqrestore(&pool->wait.lock, flags);
	} while (more);
}

static void waiters_serve_and_call(struct mempool2 *pool)
{
	struct llist_head served = {};

	/* Pairs with mempool2_cancel_sync(). */
	rcu_read_lock();
	waiters_serve(pool, &served);
	/* The functions may end the pool, so they come last. */
	functions_call(&served);
	rcu_read_unlock();
}

/* Give elements to those who wait, oldest first. Returns how many. As waiters_serve(). */
static noinline unsigned int waiters_give(struct mempool2 *pool, void **elems,
					  unsigned int nr, struct llist_head *served)
{
	struct handover hand = { .served = served };
	unsigned long flags;
	unsigned int i;

	/*
	 * Where the lock may not be taken they come by way of the reserve. If that is full
	 * and these go where they came from, there may be waiters for the limit all the same.
	 */
	if (!queue_can_be_locked()) {
		waiters_serve_later(pool);
		return 0;
	}

	spin_lock_irqsave(&pool->wait.lock, flags);
	for (i = 0; i < nr; i++) {
		if (!pool->nr_waiters || !limit_enter_waiter(pool))
			break;
		hand.element = elems[i];
		waiters_accept(pool, &hand);
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return i;
}

static bool waiter_is_served(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in waiter_accept(). */
	return !smp_load_acquire(&waiter->nr_missing);
}

/*
 * Under the lock: queue, and have those who wait served, among them the waiter
 * itself, if they can be.
 */
static void waiter_queue(struct mempool2_waiter *waiter, struct handover *hand)
{
	struct mempool2 *pool = waiter->pool;

	__add_wait_queue_entry_tail_exclusive(&pool->wait, &waiter->entry);
	pool->nr_waiters++;
	/*
	 * A full barrier before we look, which pairs with the one in slot_put():
	 * who put an element and does not see that we wait is seen by us. And who
	 * learns an address from us sees that the reserve is not full.
	 */
	atomic_fetch_or(MEMPOOL2_WAITERS, &pool->state);
	while (waiters_serve_batch(pool, hand))
		;
}

/*
 * Waiters that sleep
 */

static void sleeper_queue(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct llist_head served = {};
	struct handover hand = { .served = &served };
	unsigned long flags;

	init_waitqueue_func_entry(&waiter->entry, sleeper_wake);
	waiter->entry.private = current;

	rcu_read_lock();
	spin_lock_irqsave(&pool->wait.lock, flags);
	waiter_queue(waiter, &hand);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	functions_call(&served);
	rcu_read_unlock();
}

/*
 * May a queued waiter look for memory itself? Where there is a limit only the oldest
 * one that sleeps, and it enters. The others must not have anything that it may want.
 */
static bool sleeper_may_retry(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	struct wait_queue_entry *entry;
	unsigned long flags;
	bool first = false;

	if (!pool_is_limited(pool))
		return true;
	spin_lock_irqsave(&pool->wait.lock, flags);
	list_for_each_entry(entry, &pool->wait.head, entry) {
		if (entry->func == sleeper_wake) {
			first = entry == &waiter->entry;
			break;
		}
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return first && limit_take(pool, 1);
}

/*
 * A queued waiter looks for memory itself, without losing its place. It may be
 * given an element at the same time; what it then has too much goes back. First it has
 * the queue served: an element that rests beside waiters was overlooked by somebody.
 */
static void sleeper_retry(struct mempool2_waiter *waiter, gfp_t gfp)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	void *element;

	if (!waiter_is_served(waiter))
		serve_after_put(pool);
	while (!waiter_is_served(waiter) && sleeper_may_retry(waiter)) {
		element = pool_call_alloc(pool, gfp);
		if (!element || refused(element, waiter->caller)) {
			if (pool_is_limited(pool))
				limit_leave(pool, 1);
			return;
		}

		spin_lock_irqsave(&pool->wait.lock, flags);
		if (waiter->nr_missing) {
			sleeper_accept(waiter, element);
			element = NULL;
		}
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		mempool2_free(element, pool);
	}
}

/* Give up, unless the waiter is served at the same moment: then it is too late. */
static bool sleeper_gives_up(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	bool waits;

	spin_lock_irqsave(&pool->wait.lock, flags);
	waits = waiter->nr_missing;
	if (waits)
		waiter_leave(waiter);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return waits;
}

/*
 * Sleep in the given task state until the waiter has all its elements. Then 0; or
 * an error, and no element, if the time was over or the task killed before. A
 * @timeout of MAX_SCHEDULE_TIMEOUT is never over.
 */
static int waiter_sleep(struct mempool2_waiter *waiter, gfp_t gfp,
			unsigned int task_state, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	int err = 0;
	long left;

	sleeper_queue(waiter);
	for (;;) {
		/* The barrier in here pairs with the one in wake_up_process(). */
		set_current_state(task_state);
		if (waiter_is_served(waiter))
			break;
		/* Jiffies pass any end, those of 32 bits within days: for ever has none. */
		left = timeout < MAX_SCHEDULE_TIMEOUT ? end - jiffies : RETRY_JIFFIES;
		if (left <= 0)
			err = -ETIMEDOUT;
		if (signal_pending_state(task_state, current))
			err = -EINTR;
		if (err) {
			__set_current_state(TASK_RUNNING);
			if (!sleeper_gives_up(waiter))
				err = 0;
			break;
		}
		io_schedule_timeout(min_t(long, left, RETRY_JIFFIES));
		sleeper_retry(waiter, gfp);
	}
	/* Returns only when waiter_leave() is done with the entry. */
	finish_wait(&waiter->pool->wait, &waiter->entry);
	return err;
}

/*
 * Functions
 *
 * A waiter may have a function, which is called when it has all its elements: not
 * under the lock, of course. Until then it can be cancelled. Of the two one comes
 * first, by compare and exchange of the waiter's state.
 *
 * What is left to be done for such waiters are the CPU's errands. Whoever serves
 * some does them at once, unless the CPU is at it already: a function that frees
 * an element serves the next waiter, but does not call the next function, or there
 * would be no end to the stack. Nor is there an end to functions that free and request
 * again, so what is more than a batch is left to a thread. Whoever may have locks that a
 * function wants too lets an interrupt do them.
 *
 * PREEMPT_RT: they are always done by a thread. There too the queue is joined and left
 * for those who may not lock it.
 */
enum waiter_state {
	WAITER_IDLE,		/* the pool knows nothing of it; 0, as is zeroed memory */
	WAITER_ARRIVING,	/* an errand: it has to join the queue */
	WAITER_QUEUED,
	WAITER_SERVED,		/* an errand: its function has to be called */
	WAITER_CANCELLED,	/* an errand, perhaps: it has to leave the queue */
};

/**
 * struct errands - what a CPU has to do for waiters with functions
 *
 * @list: of waiters, the youngest first
 * @todo: those that were taken off @list and not done yet, the oldest first
 * @running: somebody does them
 * @called: the waiter whose function is being called
 *
 * @todo belongs to the context that has set @running.
 */
struct errands {
	struct llist_head	list;
	struct llist_node	*todo;
	int			running;
	struct mempool2_waiter	*called;
};

/**
 * struct late_errands - those that are left to others
 *
 * @errands: the errands
 * @irq_work: does them in an interrupt
 * @work: does them in a thread, when they are too many for that
 */
struct late_errands {
	struct errands		errands;
	struct irq_work		irq_work;
	struct work_struct	work;
};

/*
 * Those of a call that does them at once, and those that are left to others. They must not be
 * mixed: what a request leaves to others, as its caller may have locks that functions want,
 * is not for the next free, whose caller may have them as well.
 *
 * All zeroes until errands_init(): before 7.x the addresses in a module's per-CPU data are
 * not relocated, so no static initializer may have one.
 */
static DEFINE_PER_CPU(struct errands, cpu_errands);
static DEFINE_PER_CPU(struct late_errands, cpu_late);

/* The task that is calling functions. */
static DEFINE_PER_CPU(struct task_struct *, function_task);

/* Does what may not be done at once, also when there is no memory for another thread. */
static struct workqueue_struct *errands_wq __read_mostly;

/*
 * The wake function of a waiter with a function. One that was cancelled a moment ago
 * collects as well, and whoever cancelled it will pass on what that is. A bare
 * wake_up() is for somebody who can look for memory.
 */
static int function_wake(struct wait_queue_entry *entry, unsigned int mode,
			 int flags, void *key)
{
	struct mempool2_waiter *waiter = container_of(entry, struct mempool2_waiter, entry);
	struct handover *hand = key;

	if (!(flags & WAKE_HANDOVER))
		return 0;
	waiter_accept(waiter, hand->element);
	hand->element = NULL;
	if (waiter->nr_missing)
		return 1;
	/* Once it is off the queue it belongs to whoever comes first now. */
	waiter_leave(waiter);
	if (cmpxchg(&waiter->state, WAITER_QUEUED, WAITER_SERVED) == WAITER_QUEUED)
		llist_add(&waiter->errand, hand->served);
	return 1;
}

static bool entry_is_ours(const struct wait_queue_entry *entry)
{
	return entry->func == sleeper_wake || entry->func == function_wake;
}

/*
 * Join the queue, unless the waiter is cancelled before: then false. @hand is for
 * what comes then.
 */
static bool function_queue(struct mempool2_waiter *waiter, struct handover *hand)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;
	bool queued;

	spin_lock_irqsave(&pool->wait.lock, flags);
	queued = cmpxchg(&waiter->state, WAITER_ARRIVING, WAITER_QUEUED) == WAITER_ARRIVING;
	if (queued)
		waiter_queue(waiter, hand);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return queued;
}

static void pool_free(struct mempool2 *pool, void **elems, unsigned int count, bool later);
static void pool_note_arrival(struct mempool2 *pool, void **elems, unsigned int nr);

/* From now on the waiter may be used again, or freed. */
static void waiter_set_idle(struct mempool2_waiter *waiter)
{
	/* Pairs with waiter_is_idle(). */
	smp_store_release(&waiter->state, WAITER_IDLE);
}

/* Nobody will call its function: leave the queue, and let go what it has collected. */
static void function_drop(struct mempool2_waiter *waiter)
{
	struct mempool2 *pool = waiter->pool;
	unsigned long flags;

	spin_lock_irqsave(&pool->wait.lock, flags);
	if (!list_empty(&waiter->entry.entry))
		waiter_leave(waiter);
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	inside_wait_end(waiter);
	limit_freed(pool, waiter->count - waiter->nr_missing);
	pool_free(pool, waiter->elems, waiter->count - waiter->nr_missing, false);
	waiter_set_idle(waiter);
}

/* It has all its elements: tell those who look at waits. */
static void function_served(struct mempool2_waiter *waiter)
{
	inside_wait_end(waiter);
	pool_note_arrival(waiter->pool, waiter->elems, waiter->count);
}

static void function_call(struct errands *errands, struct mempool2_waiter *waiter)
{
	mempool2_function_t *function = waiter->function;
	void **elems = waiter->elems, *element;

	function_served(waiter);
	/* Where a single one goes the next one may come before the function has looked. */
	if (elems == &waiter->element) {
		element = waiter->element;
		elems = &element;
	}
	/* Before the waiter is idle: function_may_run() looks in the reverse order. */
	WRITE_ONCE(errands->called, waiter);
	waiter_set_idle(waiter);
	function(waiter, elems);
	/* Pairs with function_may_run(): the function has returned. */
	smp_store_release(&errands->called, NULL);
}

static void errand_do(struct errands *errands, struct mempool2_waiter *waiter)
{
	struct llist_head served = {};
	struct handover hand = { .served = &served };

	if (READ_ONCE(waiter->state) == WAITER_SERVED)
		function_call(errands, waiter);
	else if (READ_ONCE(waiter->state) == WAITER_ARRIVING && function_queue(waiter, &hand))
		functions_call(&served);
	else
		function_drop(waiter);
}

/* The oldest errand, %NULL if there is none. */
static struct mempool2_waiter *errands_next(struct errands *errands)
{
	struct llist_node *node = errands->todo;

	if (!node)
		node = llist_reverse_order(llist_del_all(&errands->list));
	if (!node)
		return NULL;
	errands->todo = node->next;
	return llist_entry(node, struct mempool2_waiter, errand);
}

static void errand_later(struct mempool2_waiter *waiter);

/*
 * Do errands, unless somebody is at it already, who then does the new ones too: but no more
 * than a batch, as functions that free and request again would keep the caller for ever.
 * What is more is left to others, for later. If it is later already the answer is true, and
 * some are left.
 */
static bool errands_run(struct errands *errands, bool is_late)
{
	struct mempool2_waiter *waiter;
	struct task_struct *before;
	int nr = 0;

	do {
		/* A full barrier after an errand was added. Pairs with the one below. */
		if (xchg(&errands->running, 1))
			return false;
		before = this_cpu_read(function_task);
		if (in_task())
			this_cpu_write(function_task, current);
		for (; nr < BATCH && (waiter = errands_next(errands)); nr++)
			errand_do(errands, waiter);
		while (nr == BATCH && !is_late && (waiter = errands_next(errands)))
			errand_later(waiter);
		if (in_task())
			this_cpu_write(function_task, before);
		/*
		 * A full barrier before we look at the list again: the context that adds an
		 * errand and still sees @running is seen by us.
		 */
		xchg(&errands->running, 0);
		if (nr == BATCH && is_late)
			return true;
	} while (!llist_empty(&errands->list));
	return false;
}

/* The thread goes on with the rest. */
static void late_run(struct late_errands *late)
{
	if (errands_run(&late->errands, true))
		queue_work(errands_wq, &late->work);
}

static void late_irq_work(struct irq_work *irq_work)
{
	late_run(container_of(irq_work, struct late_errands, irq_work));
}

static void late_work(struct work_struct *work)
{
	/* Functions are called as elsewhere; on PREEMPT_RT they may take locks that sleep. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_disable();
	else
		preempt_disable();
	late_run(container_of(work, struct late_errands, work));
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		migrate_enable();
	else
		preempt_enable();
}

/*
 * An errand for this CPU, which an interrupt will do; on PREEMPT_RT, a thread. That is a
 * thread of a workqueue, not the CPU's own for such work, which does nothing any more while
 * its CPU goes down.
 */
static void errand_later(struct mempool2_waiter *waiter)
{
	struct late_errands *late;

	preempt_disable();
	late = this_cpu_ptr(&cpu_late);
	llist_add(&waiter->errand, &late->errands.list);
	/*
	 * The context that does them sees it, as llist_add() is a full barrier: see
	 * errands_run(). To ask for another interrupt for it would have no end, where a
	 * function that is called late leaves one. And before there is a workqueue it stays in
	 * the list, see errands_init().
	 */
	if (!READ_ONCE(late->errands.running) && likely(errands_wq)) {
		if (IS_ENABLED(CONFIG_PREEMPT_RT))
			queue_work(errands_wq, &late->work);
		else
			irq_work_queue(&late->irq_work);
	}
	preempt_enable();
}

/* All from the oldest one on, each with its own stretch of disabled preemption. */
static void errands_later(struct llist_node *oldest)
{
	struct mempool2_waiter *waiter, *next;

	llist_for_each_entry_safe(waiter, next, oldest, errand)
		errand_later(waiter);
}

static void functions_call_later(struct llist_head *served)
{
	errands_later(llist_reverse_order(served->first));
}

/*
 * To be called by a call that has served waiters, with the rcu_read_lock() from then on.
 * The functions may be called here, so nothing of the pool may be touched after it.
 */
static void functions_call(struct llist_head *served)
{
	struct llist_node *oldest, *next;
	int nr = 0;

	if (likely(llist_empty(served)))
		return;
	oldest = llist_reverse_order(served->first);
	preempt_disable();
	/* In a function that is called late its CPU goes on with these when it has returned. */
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) && !this_cpu_read(cpu_late.errands.running)) {
		for (; oldest && nr < BATCH; oldest = next, nr++) {
			next = oldest->next;
			llist_add(oldest, &this_cpu_ptr(&cpu_errands)->list);
		}
		errands_run(this_cpu_ptr(&cpu_errands), false);
	}
	preempt_enable();
	errands_later(oldest);
}

/* Does the task itself call this, and not a function of a request, or an interrupt? */
static bool by_task(void)
{
	return in_task() && this_cpu_read(function_task) != current;
}

/*
 * Is the waiter's function going to be called, or running? Or is the waiter cancelled and still in
 * a list? Not if it waits, which it does only if somebody has made a new request with it.
 */
static bool function_may_run(const struct mempool2_waiter *waiter)
{
	/* Pairs with waiter_set_idle(): the waiter that is idle is seen in @called below. */
	int cpu, state = smp_load_acquire(&waiter->state);

	if (state == WAITER_SERVED || state == WAITER_CANCELLED)
		return true;
	for_each_possible_cpu(cpu) {
		/* These pair with function_call(). */
		if (smp_load_acquire(&per_cpu_ptr(&cpu_errands, cpu)->called) == waiter ||
		    smp_load_acquire(&per_cpu_ptr(&cpu_late, cpu)->errands.called) == waiter)
			return true;
	}
	return false;
}

/*
 * Until the errands are done that were left to interrupts and threads, or a batch of them on each
 * CPU. Sleeps, and is not to be called by a function.
 */
static void errands_sync(void)
{
	static DEFINE_MUTEX(mutex);
	struct late_errands *late;
	int cpu;

	/* Where irq_work_sync() sleeps only one at a time may. */
	mutex_lock(&mutex);
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		/* Before there is a workqueue nobody else does them. */
		if (!errands_wq) {
			preempt_disable();
			errands_run(&late->errands, true);
			preempt_enable();
			continue;
		}
		irq_work_sync(&late->irq_work);
		/* Last: the interrupt may have left some of them to it. */
		flush_work(&late->work);
	}
	mutex_unlock(&mutex);
}

/*
 * PREEMPT_RT: a pool with waiters for whom somebody put an element who may not lock the
 * queue is left to a thread of the workqueue. It is in the list at most once.
 */
#ifdef CONFIG_PREEMPT_RT
static LLIST_HEAD(pools_to_serve);

static void pools_serve(struct work_struct *work)
{
	struct mempool2 *pool, *next;

	llist_for_each_entry_safe(pool, next, llist_del_all(&pools_to_serve), to_serve) {
		/* Pairs with waiters_serve_later(). */
		xchg(&pool->is_to_serve, false);
		waiters_serve_and_call(pool);
	}
}

static DECLARE_WORK(pools_work, pools_serve);

static void pools_kick(void)
{
	/* Before there is a workqueue they stay in the list, see errands_init(). */
	if (likely(errands_wq))
		queue_work(errands_wq, &pools_work);
}

static void waiters_serve_later(struct mempool2 *pool)
{
	/* Pairs with pools_serve(), which sees what was put if the pool is in the list. */
	if (xchg(&pool->is_to_serve, true))
		return;
	llist_add(&pool->to_serve, &pools_to_serve);
	pools_kick();
}

static void pools_sync(void)
{
	/* Before there is a workqueue nobody else serves them. */
	if (likely(errands_wq))
		flush_work(&pools_work);
	else
		pools_serve(NULL);
}
#else
static void pools_kick(void) {}
static void waiters_serve_later(struct mempool2 *pool) {}
static void pools_sync(void) {}
#endif

static int __init errands_init(void)
{
	struct late_errands *late;
	int cpu;

	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		init_irq_work(&late->irq_work, late_irq_work);
		INIT_WORK(&late->work, late_work);
	}
	errands_wq = alloc_workqueue("mempool2", MEMPOOL2_WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!errands_wq)
		return -ENOMEM;
	/*
	 * Built in, pools may have been in use before. Pairs with llist_add(): what was left
	 * by somebody who does not see the workqueue is seen here.
	 */
	smp_mb();
	for_each_possible_cpu(cpu) {
		late = per_cpu_ptr(&cpu_late, cpu);
		if (!llist_empty(&late->errands.list))
			queue_work(errands_wq, &late->work);
	}
	pools_kick();
	return 0;
}

static void __exit errands_exit(void)
{
	errands_sync();
	pools_sync();
	destroy_workqueue(errands_wq);
}

static bool waiter_is_idle(const struct mempool2_waiter *waiter)
{
	/* Pairs with the release in waiter_set_idle(). */
	return smp_load_acquire(&waiter->state) == WAITER_IDLE;
}

/*
 * Request what is missing of @count elements, of which @nr_missing are. 0 if they
 * are there already, and the function is not called.
 */
static int waiter_request(struct mempool2 *pool, struct mempool2_waiter *waiter,
			  void **elems, unsigned int count, unsigned int nr_missing,
			  unsigned long caller)
{
	struct llist_head served = {};
	struct handover hand = { .served = &served };
	int err = -EINPROGRESS;

	init_waitqueue_func_entry(&waiter->entry, function_wake);
	INIT_LIST_HEAD(&waiter->entry.entry);
	waiter->pool = pool;
	waiter->elems = elems;
	waiter->count = count;
	waiter->nr_missing = nr_missing;
	waiter->caller = caller;
	inside_wait_begin(waiter, 0);
	WRITE_ONCE(waiter->state, WAITER_ARRIVING);
	if (!queue_can_be_locked()) {
		errand_later(waiter);
		return err;
	}

	rcu_read_lock();
	function_queue(waiter, &hand);
	/* Ours came last, if it did, and stands first. */
	if (!llist_empty(&served) && served.first == &waiter->errand) {
		served.first = waiter->errand.next;
		function_served(waiter);
		waiter_set_idle(waiter);
		err = 0;
	}
	/* The caller may have locks that the others' functions want. */
	functions_call_later(&served);
	rcu_read_unlock();
	return err;
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
				unsigned int count, struct llist_head *served);

static void pool_call_free(struct mempool2 *pool, void *element)
{
	if (unlikely(pool_is_watched(pool)))
		inside_left(pool, element);
	mempool2_call_free(pool, pool->kind, element);
}

/*
 * Back to where they are missed, or else to where they came from. @later: functions are left
 * to others, as they are if the pool is still needed here, for the free function.
 */
static void pool_free(struct mempool2 *pool, void **elems, unsigned int count, bool later)
{
	struct llist_head served = {};
	unsigned int nr;

	rcu_read_lock();
	nr = pool_return(pool, elems, count, &served);
	if (later || nr < count)
		functions_call_later(&served);
	else
		functions_call(&served);
	rcu_read_unlock();
	while (nr < count)
		pool_call_free(pool, elems[nr++]);
}

/*
 * Who has an element now is of more interest than who filled the pool. It is left out
 * where kmemleak could not keep another stack: it would ask for memory then.
 */
static void pool_note_owner(void **elems, unsigned int nr)
{
	unsigned int i;

	if (!IS_ENABLED(CONFIG_DEBUG_KMEMLEAK) || !memory_can_be_asked_for())
		return;
	for (i = 0; i < nr; i++)
		kmemleak_update_trace(elems[i]);
}

/* The same for elements that were waited for. */
static void pool_note_arrival(struct mempool2 *pool, void **elems, unsigned int nr)
{
	pool_note_owner(elems, nr);
	if (unlikely(pool_is_watched(pool)))
		inside_taken(pool, elems, nr);
}

/* @nr elements from the reserve, or none. Nobody takes any before those who wait. */
static __always_inline bool pool_take(struct mempool2 *pool, void **elems, unsigned int nr,
				      unsigned long caller)
{
	unsigned int taken;

	if (atomic_read(&pool->state) & MEMPOOL2_WAITERS)
		return false;
	taken = reserve_take(pool, elems, nr);
	if (unlikely(taken < nr)) {
		pool_free(pool, elems, taken, true);
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
 * say_room(). Not if pools are watched.
 */
static __always_inline void *pool_take_here(struct mempool2 *pool, bool *said)
{
	void *element = NULL;
	int state;

	rcu_read_lock_sched();
	state = atomic_read(&pool->state);
	if (likely((state & (MEMPOOL2_ROOM | MEMPOOL2_FULL_CHECK | MEMPOOL2_DRY |
			     MEMPOOL2_WAITERS | MEMPOOL2_GATE)) == MEMPOOL2_ROOM) &&
	    !pool_is_watched(pool))
		slot_take(reserve_here(rcu_dereference_sched(pool->reserve)), &element);
	*said = atomic_read(&pool->state) == state;
	rcu_read_unlock_sched();
	if (likely(element)) {
		element_use(pool, element);
		pool_note_owner(&element, 1);
	}
	return element;
}

/* Wait for @nr elements, in turn, as waiter_sleep() does. */
static int pool_wait(struct mempool2 *pool, void **elems, unsigned int nr, gfp_t gfp,
		     unsigned int task_state, unsigned long timeout, unsigned long caller)
{
	struct mempool2_waiter waiter = {
		.pool = pool,
		.elems = elems,
		.count = nr,
		.nr_missing = nr,
		.caller = caller,
	};
	int err;

	inside_wait_begin(&waiter, timeout);
	err = waiter_sleep(&waiter, gfp, task_state, timeout);
	inside_wait_end(&waiter);
	if (!err)
		pool_note_arrival(pool, elems, nr);
	return err;
}

void mempool2_refuse_zero(void)
{
	mistake(true, "__GFP_ZERO, but an element of the reserve is not zeroed");
}
EXPORT_SYMBOL_GPL(mempool2_refuse_zero);

/*
 * What can be had without waiting, once the first try has failed. Who waits then
 * looks into the reserve once more, so there is no need to do it here.
 */
static void *pool_alloc_now(struct mempool2 *pool, gfp_t gfp_mask, unsigned long caller)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	void *element = NULL;

	if (pool_take(pool, &element, 1, caller))
		return element;
	if (gfp == mempool2_gfp_first(gfp_mask))
		return NULL;

	element = pool_call_alloc(pool, gfp);
	if (!element && !(gfp & __GFP_DIRECT_RECLAIM))
		pool_take(pool, &element, 1, caller);
	return element;
}

/* The same from the first try on, and within the limit. */
static void *pool_alloc_within(struct mempool2 *pool, gfp_t gfp_mask, unsigned long caller)
{
	int entered = limit_enter(pool, 1);
	void *element;

	if (entered < 0)
		return NULL;
	if (pool_is_watched(pool))
		element = inside_alloc(pool, pool_inside(pool), mempool2_gfp_first(gfp_mask),
				       caller);
	else
		element = pool_call_alloc(pool, mempool2_gfp_first(gfp_mask));
	if (!element)
		element = pool_alloc_now(pool, gfp_mask, caller);
	if (!element)
		limit_leave(pool, entered);
	return element;
}

/* Not inlined: what it needs should not burden those who seldom come here. */
static noinline void *pool_alloc_unlucky(struct mempool2 *pool, gfp_t gfp_mask, int entered,
					 unsigned long caller)
{
	void *element = NULL;

	if (entered >= 0)
		element = pool_alloc_now(pool, gfp_mask, caller);
	if (element)
		return element;
	limit_leave(pool, entered);
	if (gfp_mask & __GFP_DIRECT_RECLAIM)
		pool_wait(pool, &element, 1, mempool2_gfp(gfp_mask),
			  TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT, caller);
	else
		inside_failed(pool, caller);
	return element;
}

/* mempool2_alloc(), from the first try on, as pools are watched. */
static noinline void *pool_alloc(struct mempool2 *pool, gfp_t gfp_mask,
				 unsigned long caller)
{
	struct mempool2_inside *inside = pool_inside(pool);
	void *element = NULL;
	int entered = 0;

	if (unlikely(inside_features(inside) & FEATURE_LIMIT))
		entered = limit_enter(pool, 1);
	if (likely(entered >= 0))
		element = inside_alloc(pool, inside, mempool2_gfp_first(gfp_mask), caller);
	return element ?: pool_alloc_unlucky(pool, gfp_mask, entered, caller);
}

/*
 * mempool2_alloc(), once the first try has failed. That of a pool for which something
 * was switched on meanwhile is not counted against it any more.
 */
void *mempool2_alloc_slow(struct mempool2 *pool, gfp_t gfp_mask)
{
	bool said;
	void *element = pool_take_here(pool, &said);

	if (unlikely(!element))
		return pool_alloc_unlucky(pool, gfp_mask, 0, _RET_IP_);
	return likely(said) ? element : say_room(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_slow);

/* mempool2_alloc(), when pools are watched; or for no pool. */
void *mempool2_alloc_checked(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return NULL;
	return pool_alloc(pool, gfp_mask, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_checked);

/* As many elements as there is memory for. Returns how many that are. */
static __always_inline unsigned int pool_call_alloc_bulk(struct mempool2 *pool,
							 void **elems,
							 unsigned int count,
							 gfp_t gfp)
{
	unsigned int nr;

	for (nr = 0; nr < count; nr++) {
		elems[nr] = pool_call_alloc(pool, gfp);
		if (!elems[nr] || refused(elems[nr], pool->alloc))
			break;
	}
	return nr;
}

/* What can be had without waiting, of @count elements. Returns how many these are. */
static __always_inline unsigned int pool_alloc_bulk_now(struct mempool2 *pool, void **elems,
							unsigned int count, gfp_t gfp,
							unsigned long caller)
{
	int entered = limit_enter(pool, count);
	unsigned int nr;

	if (entered < 0)
		return 0;
	nr = pool_call_alloc_bulk(pool, elems, count, mempool2_gfp_first(gfp));
	/*
	 * What is taken from the reserve outside the queue has to complete the
	 * array: who held a part of it while another one queues could keep that
	 * one waiting for ever.
	 */
	if (nr == count || pool_take(pool, elems + nr, count - nr, caller))
		return count;
	if (gfp != mempool2_gfp_first(gfp))
		nr += pool_call_alloc_bulk(pool, elems + nr, count - nr, gfp);
	/* Where there is a limit this is true of all elements. */
	if (entered && nr < count) {
		limit_leave(pool, entered);
		pool_free(pool, elems, nr, true);
		nr = 0;
	}
	return nr;
}

int mempool2_alloc_bulk_noprof(struct mempool2 *pool, void **elems,
			       unsigned int count)
{
	gfp_t gfp = mempool2_gfp(current_gfp_context(GFP_KERNEL));
	unsigned int nr;

	if (not_for_bulk(pool, count))
		return -EINVAL;
	might_alloc(gfp);

	nr = pool_alloc_bulk_now(pool, elems, count, gfp, _RET_IP_);
	if (nr < count)
		pool_wait(pool, elems + nr, count - nr, gfp,
			  TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT, _RET_IP_);
	return 0;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_noprof);

void *mempool2_alloc_noreserve_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	void *element;
	int entered;

	if (not_initialised(pool))
		return NULL;
	entered = limit_enter(pool, 1);
	if (entered < 0)
		return NULL;
	/* Not pool_call_alloc(): who can do without the reserve is not there to be failed. */
	element = mempool2_call_alloc(pool, pool->kind, gfp_mask);
	if (!element)
		limit_leave(pool, entered);
	else if (unlikely(pool_is_watched(pool)))
		inside_new(pool, element);
	return element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_noreserve_noprof);

/*
 * Other ways to wait
 */

/* What can be had without waiting, from the first try on. Inline, to know the caller. */
static __always_inline void *pool_alloc_at_once(struct mempool2 *pool, gfp_t gfp_mask)
{
	mistake(gfp_mask & __GFP_ZERO,
		"__GFP_ZERO, but an element of the reserve is not zeroed");
	might_alloc(gfp_mask);
	return pool_alloc_within(pool, gfp_mask, _RET_IP_);
}

/* mempool2_alloc(), but one may give up. */
static __always_inline void *pool_alloc_or_give_up(struct mempool2 *pool, gfp_t gfp_mask,
						   unsigned int task_state,
						   unsigned long timeout)
{
	void *element = pool_alloc_at_once(pool, gfp_mask);
	int err;

	if (element)
		return element;
	if (!(gfp_mask & __GFP_DIRECT_RECLAIM)) {
		inside_failed(pool, _RET_IP_);
		return ERR_PTR(-ENOMEM);
	}
	err = pool_wait(pool, &element, 1, mempool2_gfp(gfp_mask), task_state,
			min_t(unsigned long, timeout, MAX_SCHEDULE_TIMEOUT), _RET_IP_);
	return err ? ERR_PTR(err) : element;
}

void *mempool2_alloc_timeout_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				    unsigned long timeout)
{
	if (not_initialised(pool))
		return ERR_PTR(-EINVAL);
	return pool_alloc_or_give_up(pool, gfp_mask, TASK_UNINTERRUPTIBLE, timeout);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_timeout_noprof);

void *mempool2_alloc_killable_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return ERR_PTR(-EINVAL);
	return pool_alloc_or_give_up(pool, gfp_mask, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_killable_noprof);

void *mempool2_alloc_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				  struct mempool2_waiter *waiter)
{
	void *element;
	int err;

	if (not_initialised(pool) || not_a_request(waiter))
		return ERR_PTR(-EINVAL);
	if (!waiter_is_idle(waiter))
		return ERR_PTR(-EBUSY);
	element = pool_alloc_at_once(pool, gfp_mask);
	if (element)
		return element;
	err = waiter_request(pool, waiter, &waiter->element, 1, 1, _RET_IP_);
	return err ? ERR_PTR(err) : waiter->element;
}
EXPORT_SYMBOL_GPL(mempool2_alloc_async_noprof);

int mempool2_alloc_bulk_async_noprof(struct mempool2 *pool, gfp_t gfp_mask,
				     void **elems, unsigned int count,
				     struct mempool2_waiter *waiter)
{
	gfp_t gfp = mempool2_gfp(gfp_mask);
	unsigned int nr;

	if (not_for_bulk(pool, count) || not_a_request(waiter))
		return -EINVAL;
	if (!waiter_is_idle(waiter))
		return -EBUSY;
	might_alloc(gfp);

	nr = pool_alloc_bulk_now(pool, elems, count, gfp, _RET_IP_);
	if (nr == count)
		return 0;
	return waiter_request(pool, waiter, elems, count, count - nr, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_bulk_async_noprof);

/**
 * mempool2_cancel() - cancel a request for elements
 * @waiter: what it was made with
 *
 * Not to be called beside the call that makes the request. What a request for
 * several elements has collected goes back to the pool, to the next in turn, as by
 * mempool2_free(), which may call the functions of others.
 *
 * After true @waiter and the array for the elements are the caller's again, with
 * one exception: on PREEMPT_RT, if the request was made or cancelled with interrupts
 * or preemption disabled, not before mempool2_cancel_sync() has returned.
 *
 * Context: Any. Does not sleep.
 * Return: true if there was a request and its function will not be called. false
 * if it has been called, or is being called, or will be in a moment; or if no
 * request was made, or it could be met at once.
 */
bool mempool2_cancel(struct mempool2_waiter *waiter)
{
	int state = READ_ONCE(waiter->state);

	do {
		if (state != WAITER_QUEUED && state != WAITER_ARRIVING)
			return false;
	} while (!try_cmpxchg(&waiter->state, &state, WAITER_CANCELLED));

	/* One that is on its way is dropped by whoever was to queue it. */
	if (state == WAITER_QUEUED) {
		if (queue_can_be_locked())
			function_drop(waiter);
		else
			errand_later(waiter);
	}
	return true;
}
EXPORT_SYMBOL_GPL(mempool2_cancel);

/**
 * mempool2_cancel_sync() - cancel a request, and wait until its function is through
 * @waiter: what it was made with
 *
 * When it returns nobody uses @waiter, nor its array, nor is its function running;
 * unless somebody makes a new request with it, which the caller has to prevent. To
 * be called before the memory of these, the code of the function or the pool goes
 * away.
 *
 * It waits only if the function is about to be called or is running, for a grace period of
 * RCU and for the errands of all CPUs. To end many requests call mempool2_cancel() for each
 * and then this for each: most of those that were served by then are through when the first one
 * has waited, and there is nothing left to wait for.
 *
 * Context: Task context; sleeps.
 * Return: as mempool2_cancel(), but false says that the function has returned.
 */
bool mempool2_cancel_sync(struct mempool2_waiter *waiter)
{
	bool cancelled = mempool2_cancel(waiter);

	might_sleep();
	if (cancelled && !IS_ENABLED(CONFIG_PREEMPT_RT))
		return true;
	/* What is idle and not being called costs nothing, however many waiters there are. */
	while (function_may_run(waiter)) {
		/* Pairs with the rcu_read_lock() of who serves, up to the function's end ... */
		synchronize_rcu();
		/* ... or until it is left to these, which do a batch at a time. */
		errands_sync();
	}
	return cancelled;
}
EXPORT_SYMBOL_GPL(mempool2_cancel_sync);

static noinline void *pool_alloc_preallocated(struct mempool2 *pool, unsigned long caller)
{
	int entered = limit_enter(pool, 1);
	void *element;

	if (entered >= 0 && pool_take(pool, &element, 1, caller))
		return element;
	limit_leave(pool, entered);
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
 * Return: the element, to be freed with mempool2_free(). %NULL when the reserve is
 * empty; while other callers wait for elements, as what the reserve still gets is
 * theirs; when as many elements are out as mempool2_set_limit() allows; or when
 * @pool is not initialised, with a warning.
 *
 * Matches mempool_alloc_preallocated() (6.7).
 */
void *mempool2_alloc_preallocated(struct mempool2 *pool)
{
	void *element;
	bool said;

	/* Of a pool that is not initialised it finds nothing. */
	element = pool_take_here(pool, &said);
	if (unlikely(!element))
		return not_initialised(pool) ? NULL : pool_alloc_preallocated(pool, _RET_IP_);
	return likely(said) ? element : say_room(pool, element);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_preallocated);

/*
 * Freeing
 */

/*
 * Give elements, from the front of the array, to those who wait and then to the
 * reserve while it has room. Returns how many that were. Those whose functions are to be
 * called then are added to @served; as waiters_serve().
 */
static unsigned int pool_return(struct mempool2 *pool, void **elems,
				unsigned int count, struct llist_head *served)
{
	unsigned int nr = 0, batch, given;
	int state;

	while (nr < count) {
		batch = min_t(unsigned int, count - nr, BATCH);
		state = atomic_read(&pool->state);
		if (state & MEMPOOL2_WAITERS) {
			given = waiters_give(pool, elems + nr, batch, served);
			if (given) {
				nr += given;
				continue;
			}
		} else if (!(state & MEMPOOL2_ROOM)) {
			break;
		}
		given = reserve_put(pool, elems + nr, batch, served);
		if (!given)
			break;
		nr += given;
	}
	return nr;
}

static noinline void pool_free_one(struct mempool2 *pool, void *element, unsigned long caller)
{
	if (unlikely(pool_is_watched(pool)) && inside_free(pool, element, caller))
		return;
	pool_free(pool, &element, 1, false);
}

/* mempool2_free(), when the reserve may have room. */
void mempool2_free_slow(struct mempool2 *pool, void *element)
{
	bool put;

	if (refused(element, _RET_IP_))
		return;
	/* KASAN has told what it was; it is nobody's now. */
	if (unlikely(!element_rest(pool, element)))
		return;

	/* At the CPU's place, as in pool_take_here(). */
	rcu_read_lock_sched();
	put = !pool_is_watched(pool) &&
	      slot_put_here(reserve_here(rcu_dereference_sched(pool->reserve)), element);
	rcu_read_unlock_sched();
	if (likely(put)) {
		after_put(pool);
		return;
	}
	element_use(pool, element);
	pool_free_one(pool, element, _RET_IP_);
}
EXPORT_SYMBOL_GPL(mempool2_free_slow);

/*
 * mempool2_free() of a full pool, when pools are watched or somebody waits all the
 * same; or for no pool.
 */
void mempool2_free_checked(struct mempool2 *pool, void *element)
{
	if (!mempool2_initialized(pool)) {
		if (!inside_freed_to_none(pool, element))
			not_initialised(pool);
	} else if (!refused(element, _RET_IP_)) {
		pool_free_one(pool, element, _RET_IP_);
	}
}
EXPORT_SYMBOL_GPL(mempool2_free_checked);

/* One by one: an element that rests already must not be put. It is as good as taken. */
static noinline unsigned int pool_return_watched(struct mempool2 *pool, void **elems,
						 unsigned int count, unsigned long caller)
{
	struct llist_head served = {};
	unsigned int nr;

	rcu_read_lock();
	/* Those that we do not take are not for us to count. */
	limit_freed(pool, count);
	for (nr = 0; nr < count; nr++) {
		if (inside_freed(pool, elems[nr], caller) &&
		    !pool_return(pool, &elems[nr], 1, &served)) {
			inside_left(pool, elems[nr]);
			break;
		}
	}
	functions_call(&served);
	rcu_read_unlock();
	return nr;
}

/* A batch into the reserve, unless somebody waits, or knows that it is full. */
static unsigned int pool_return_unseen(struct mempool2 *pool, void **elems, unsigned int count)
{
	int state = atomic_read(&pool->state);

	if (!count || (state & (MEMPOOL2_ROOM | MEMPOOL2_WAITERS)) != MEMPOOL2_ROOM)
		return 0;
	return reserve_put_unseen(pool, elems, min_t(unsigned int, count, BATCH));
}

/**
 * mempool2_free_bulk() - give elements back to a pool that misses some
 * @pool: the pool
 * @elems: the elements, none of them %NULL, 1 or an ERR_PTR(); the array is not changed
 * @count: how many
 *
 * Gives elements, from the front of the array, to callers that wait and to the
 * reserve while it is not full. Never calls the pool's free function.
 *
 * Context: Any. Does not sleep.
 * Return: how many elements the pool took. The others, from there to the end of
 * the array, stay the caller's. With a warning: 0 if @pool is not initialised; and the
 * pool takes nothing from an address on that is no element.
 *
 * Matches mempool_free_bulk() (7.x).
 */
unsigned int mempool2_free_bulk(struct mempool2 *pool, void **elems,
				unsigned int count)
{
	struct llist_head served = {};
	unsigned int nr;

	if (not_initialised(pool))
		return 0;
	if (unlikely(elements_are_suspect(elems, count))) {
		for (nr = 0; nr < count && !refused(elems[nr], _RET_IP_); nr++)
			;
		count = nr;
	}
	/* As in mempool2_free(). */
	smp_rmb();
	if (unlikely(pool_has(pool, FEATURE_RECORDS | FEATURE_LIMIT)))
		return pool_return_watched(pool, elems, count, _RET_IP_);

	/* All that is to be done as long as nobody waits and the reserve misses so many. */
	nr = pool_return_unseen(pool, elems, count);
	if (likely(nr == count && !is_needed(pool)))
		return nr;
	rcu_read_lock();
	if (nr && say_not_dry(pool))
		waiters_serve(pool, &served);
	nr += pool_return(pool, elems + nr, count - nr, &served);
	functions_call(&served);
	rcu_read_unlock();
	return nr;
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

	if ((alloc_fn == mempool2_alloc_slab || free_fn == mempool2_free_slab) &&
	    mistake_by(caller, !pool_data, "slab cache is NULL"))
		return false;
	if (alloc_fn == mempool2_alloc_slab) {
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

/*
 * Fill and empty a reserve that nobody else uses, by slots: a CPU's place is not moved,
 * or all CPUs that make and end pools would begin to look in the same cache line. The
 * pool is not in the registry then, so nothing is switched on or off for it meanwhile.
 */
static void reserve_fill(struct mempool2 *pool, void **slot, void *element)
{
	if (unlikely(pool_is_watched(pool)))
		inside_rest(pool, &element, 1);
	/* KASAN has told what it was; it is nobody's now. */
	if (!element_rest(pool, element))
		return;
	WRITE_ONCE(*slot, element);
	if (unlikely(pool_is_watched(pool))) {
		inside_filled(pool, element);
		inside_refilled(pool, 1);
	}
}

static void reserve_empty(struct mempool2 *pool, struct mempool2_reserve *reserve)
{
	void **slot, *element;

	for (slot = reserve->slots; slot < &reserve->slots[reserve->nr_slots]; slot++) {
		element = *slot;
		if (!is_element(element))
			continue;
		WRITE_ONCE(*slot, NULL);
		element_use(pool, element);
		if (unlikely(pool_is_watched(pool)))
			inside_use(pool, &element, 1);
		pool_call_free(pool, element);
	}
}

/* End @pool, of which nobody has anything to expect. Sleeps if its free function or vfree() does. */
static void pool_end(struct mempool2 *pool)
{
	struct mempool2_reserve *reserve;

	reserve = rcu_dereference_protected(pool->reserve, true);
	reserve_empty(pool, reserve);
	inside_ended(reserve);
	kvfree(reserve);
	RCU_INIT_POINTER(pool->reserve, NULL);
	atomic_set(&pool->state, 0);
	WRITE_ONCE(pool->kind, MEMPOOL2_NONE);
}

static int pool_init(struct mempool2 *pool, int min_nr,
		     mempool2_alloc_t *alloc_fn, mempool2_free_t *free_fn,
		     void *pool_data, gfp_t gfp_mask, int node_id,
		     unsigned long caller)
{
	struct mempool2_reserve *reserve;
	void *element, *last = NULL;
	int i;

	memset(pool, 0, sizeof(*pool));
	if (!pool_can_be(min_nr, alloc_fn, free_fn, pool_data, caller))
		return -EINVAL;

	reserve = reserve_create(min_nr, gfp_mask, node_id);
	if (!reserve)
		return -ENOMEM;

	init_waitqueue_head(&pool->wait);
	RCU_INIT_POINTER(pool->reserve, reserve);
	pool->kind = pool_kind(alloc_fn, free_fn);
	atomic_set(&pool->state, pool->kind | MEMPOOL2_ROOM);
	pool->pool_data = pool_data;
	pool->alloc = alloc_fn;
	pool->free = free_fn;
	pool->node = node_id;
	pool->min_nr = min_nr;
	reserve->elements = elements_of(pool);
	maker_get(reserve, caller, gfp_mask);
	inside_created(reserve, gfp_mask);

	for (i = 0; i < reserve_size(min_nr); i++) {
		element = alloc_fn(gfp_mask, pool_data);
		if (!element || refused(element, alloc_fn)) {
			pool_end(pool);
			return element ? -EINVAL : -ENOMEM;
		}
		elements_compare(&reserve->elements, element, last);
		last = element;
		reserve_fill(pool, &reserve->slots[i], element);
	}
	registry_add(pool, reserve);
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
 * Context: As the pool's free function. Sleeps only if that does, for pools whose
 * bookkeeping is larger than a page, and on PREEMPT_RT, where it must not be called
 * from the function of a request either.
 *
 * Matches mempool_exit().
 */
void mempool2_exit(struct mempool2 *pool)
{
	if (!mempool2_initialized(pool))
		return;
	if (unlikely(pool_is_watched(pool)))
		inside_exit(pool);
	pools_sync();
	registry_remove(rcu_dereference_protected(pool->reserve, true));
	pool_end(pool);
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
	bool more, with_slots = false, is_waited_for;
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
	/*
	 * A full barrier, which pairs with waiter_queue() and state_check(), as the one in
	 * slot_put(). It stops the checks of those who may have missed an element.
	 */
	is_waited_for = atomic_fetch_andnot(NOT_DRY, &pool->state) & MEMPOOL2_WAITERS;
	if (!more)
		WRITE_ONCE(reserve->moving, false);
	mutex_unlock(&reserve_resize_mutex);
	/* This may call functions, with no lock held. */
	if (is_waited_for)
		waiters_serve_and_call(pool);

	/*
	 * Where each slot has its element, in the reserve or with somebody, these
	 * may go with their slots. Else the reserve may have room for them, as
	 * others may have taken some since it was seen full.
	 */
	elements_use(pool, surplus, nr_surplus);
	if (!with_slots || atomic_read(&pool->state) & MEMPOOL2_WAITERS)
		pool_free(pool, surplus, nr_surplus, false);
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

static int nr_missing_now(const struct mempool2 *pool)
{
	return reserve_size(READ_ONCE(pool->min_nr)) - mempool2_nr_reserved(pool);
}

/* pool_return() of a single element, by a call that goes on to use the pool. */
static bool pool_return_one(struct mempool2 *pool, void *element)
{
	struct llist_head served = {};
	bool taken;

	rcu_read_lock();
	taken = pool_return(pool, &element, 1, &served);
	functions_call(&served);
	rcu_read_unlock();
	return taken;
}

/* For the reserve and for waiters, so nothing that is no element. */
static void *pool_alloc_new(struct mempool2 *pool, gfp_t gfp)
{
	void *element = pool->alloc(gfp, pool->pool_data);

	if (!element || refused(element, pool->alloc))
		return NULL;
	if (unlikely(pool_is_watched(pool)))
		inside_new(pool, element);
	return element;
}

/*
 * Allocate what the reserve misses, up to @nr_most elements: waiters get theirs
 * first, so this has to have a bound. Returns how many they and the reserve got.
 */
static unsigned int pool_fill(struct mempool2 *pool, gfp_t gfp, unsigned int nr_most)
{
	unsigned int nr = 0, nr_given = 0;
	void *element;
	int missing;

	do {
		missing = nr_missing_now(pool);
		for (element = NULL; missing > 0 && nr < nr_most; missing--, nr++) {
			element = pool_alloc_new(pool, gfp);
			if (!element)
				break;
			if (pool_return_one(pool, element))
				nr_given++;
			else
				pool_call_free(pool, element);
			if (gfp & __GFP_DIRECT_RECLAIM)
				cond_resched();
		}
	} while (element && nr < nr_most);
	return nr_given;
}

/*
 * The pool is larger from the moment the reserve is; then come the elements. That
 * there is no memory for the reserve is the caller's to say, not the allocator's.
 */
static int resize_up(struct mempool2 *pool, int min_nr)
{
	struct mempool2_reserve *reserve;
	unsigned int nr_given;

	reserve = reserve_create(min_nr, GFP_KERNEL | __GFP_NOWARN, pool->node);
	if (!reserve)
		return -ENOMEM;
	resize_switch(pool, reserve, min_nr, false);
	nr_given = pool_fill(pool, GFP_KERNEL, min_nr);

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

int mempool2_refill_noprof(struct mempool2 *pool, gfp_t gfp_mask)
{
	if (not_initialised(pool))
		return -EINVAL;
	might_alloc(gfp_mask);
	pool_fill(pool, gfp_mask, max(nr_missing_now(pool), 0));
	return max(nr_missing_now(pool), 0);
}
EXPORT_SYMBOL_GPL(mempool2_refill_noprof);

/* Who waited for the limit has not looked for memory since: do it in their stead. */
static void waiters_serve_fresh(struct mempool2 *pool)
{
	long nr_most = (long)READ_ONCE(pool->nr_waiters) * reserve_size(READ_ONCE(pool->min_nr));
	void *element;

	waiters_serve_and_call(pool);
	for (; nr_most > 0 && READ_ONCE(pool->nr_waiters); nr_most--) {
		element = pool_alloc_new(pool, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		if (!element)
			break;
		if (!pool_return_one(pool, element)) {
			pool_call_free(pool, element);
			break;
		}
		cond_resched();
	}
}

/**
 * mempool2_set_limit() - limit how many elements may be out
 * @pool: the pool
 * @limit: how many, 1 or more, and never less than the pool's @min_nr; 0 for no
 *	limit, as at first
 *
 * An allocation that would exceed the limit fails or waits like one for which there
 * is no memory, in the same queue, in turn. So the pool's user needs no throttle of
 * its own. While there is a limit each call costs more, also where there is memory;
 * without one, nothing.
 *
 * What was allocated before is not counted: best called before the pool is used. Of
 * what mempool2_free() is given each element is thought to have been out; so is what
 * mempool2_free_bulk() is given, also what it does not take. A lower limit takes
 * nothing away: what is out too much has to come back first.
 *
 * Context: Task context; sleeps.
 * Return: 0, or
 *
 * * %-ENOMEM - no memory for the count
 * * %-EINVAL - @pool is not initialised, or @limit is negative, or less than @min_nr;
 *   one warning says which; the pool is as it was
 */
int mempool2_set_limit(struct mempool2 *pool, int limit)
{
	int err;

	if (not_initialised(pool) ||
	    mistake(limit < 0, "limit %d is negative", limit) ||
	    mistake(limit && limit < READ_ONCE(pool->min_nr),
		    "limit %d is less than min_nr %d", limit, READ_ONCE(pool->min_nr)))
		return -EINVAL;
	might_sleep();
	err = inside_set_limit(pool, limit);
	if (!err)
		waiters_serve_fresh(pool);
	return err;
}
EXPORT_SYMBOL_GPL(mempool2_set_limit);

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

/*
 * Where a CPU begins to look at first, in a reserve with room for so many slots: in a
 * cache line of its own while there are enough of them, as far from those of others as
 * can be; and where lines have to be shared, as far from the others in its line.
 */
static unsigned int __init place_first(unsigned int cpu, unsigned int range)
{
	unsigned int in_line = SMP_CACHE_BYTES / sizeof(void *);
	unsigned int nr_lines = DIV_ROUND_UP(range, in_line), first;
	u32 half = BIT(31), fraction = 0;
	u64 line;

	/* 0, 1/2, 1/4, 3/4, 1/8, ..., in units of 2^-32: each halves what is between two. */
	for (; cpu; cpu >>= 1, half >>= 1) {
		if (cpu & 1)
			fraction |= half;
	}
	line = (u64)fraction * nr_lines;
	first = (line >> 32) * in_line;
	return first + ((u64)(u32)line * min(in_line, range - first) >> 32);
}

/* Pools that are made before do without. */
static int __init place_init(void)
{
	unsigned int index;
	int cpu;

	for_each_possible_cpu(cpu) {
		for (index = 0; index < NR_PLACES; index++)
			per_cpu(reserve_places[index], cpu) = place_first(cpu, place_range(index));
	}
	return 0;
}

static int __init mempool2_load(void)
{
	return slab_find_ctor() ?: place_init() ?: errands_init() ?: inside_load();
}
core_initcall(mempool2_load);

/* Pools are their users', who hold the module; but without this it stays. */
static void __exit mempool2_unload(void)
{
	/* Their functions have returned; we may not have, in whom they were called. */
	errands_exit();
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
#include "mempool2_checks.c"
#include "mempool2_debugfs.c"

MODULE_DESCRIPTION("Pools of preallocated elements whose allocation cannot fail");
MODULE_LICENSE("GPL");
