// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: each repeats random calls
 *
 * No worker waits while it has an element, as callers of a pool must not.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/preempt.h>
#include <linux/sched/signal.h>

#include "torture.h"

/* Elements of exact_pool change hands here, so other tasks and CPUs free them. */
static struct element *places[NR_PLACES];

/* The owner of an element that lies in a place; workers have smaller numbers. */
#define OWNER_PLACE	100000

u32 random_below(struct rnd_state *random, u32 ceiling)
{
	return ceiling ? prandom_u32_state(random) % ceiling : 0;
}

unsigned int random_bulk(struct worker *me)
{
	return 1 + random_below(&me->random, min(BULK, max_nr));
}

static struct torture_pool *random_pool(struct worker *me)
{
	/* The exact pool half of the time, as the audit sees most there. */
	u32 random = random_below(&me->random, 2 * (NR_POOLS - 1));

	return &torture_pools[random < NR_POOLS ? random : 0];
}

void hold(struct worker *me)
{
	switch (random_below(&me->random, 8)) {
	case 0:
		usleep_range(1, 1 + hold_us);
		break;
	case 1:
		schedule_timeout_uninterruptible(1);
		break;
	case 2:
		udelay(random_below(&me->random, 20));
		break;
	case 3:
		cond_resched();
		break;
	}
}

void release(struct worker *me, struct torture_pool *tp, void *element)
{
	u32 random = random_below(&me->random, 4 * NR_PLACES);

	if (tp->is_exact && random < NR_PLACES) {
		element_pass(tp, element, me->index, OWNER_PLACE);
		element = xchg(&places[random], element);
		if (!element)
			return;
		element_disown(tp, element, OWNER_PLACE);
	} else {
		element_disown(tp, element, me->index);
	}
	count(NR_FREE);
	mempool2_free(element, &tp->pool);
}

void places_empty(void)
{
	struct element *element;
	int i;

	for (i = 0; i < NR_PLACES; i++) {
		element = xchg(&places[i], NULL);
		if (element) {
			element_disown(exact_pool, element, OWNER_PLACE);
			mempool2_free(element, &exact_pool->pool);
		}
	}
}

void use(struct worker *me, struct torture_pool *tp, void *element)
{
	element_own(tp, element, me->index);
	hold(me);
	release(me, tp, element);
}

/* The watchdog measures what is between the two. */
void wait_begin(struct worker *me)
{
	me->began = jiffies;
	WRITE_ONCE(me->since, heartbeats() + 1);
}

void wait_end(struct worker *me)
{
	WRITE_ONCE(me->since, 0);
	if (jiffies - me->began > 1)
		count(NR_WAITED);
}

static void do_alloc(struct worker *me, struct torture_pool *tp)
{
	static const gfp_t masks[] = { GFP_NOIO, GFP_KERNEL, GFP_NOFS };
	void *element;

	count(NR_ALLOC);
	wait_begin(me);
	element = mempool2_alloc(&tp->pool, masks[random_below(&me->random, ARRAY_SIZE(masks))]);
	wait_end(me);
	if (IS_ERR_OR_NULL(element))
		found(FOUND_RESULT, "mempool2_alloc() returned %ld", (long)element);
	else
		use(me, tp, element);
}

static void do_atomic(struct worker *me, struct torture_pool *tp)
{
	gfp_t gfp_mask = random_below(&me->random, 2) ? GFP_ATOMIC : GFP_NOWAIT;
	/* The allocators of the other pools do not allow it on PREEMPT_RT. */
	bool disable = tp->is_exact || !IS_ENABLED(CONFIG_PREEMPT_RT);
	void *element;

	count(NR_ATOMIC);
	if (disable)
		preempt_disable();
	element = mempool2_alloc(&tp->pool, gfp_mask);
	if (disable)
		preempt_enable();
	if (IS_ERR(element))
		found(FOUND_RESULT, "mempool2_alloc() returned %ld", (long)element);
	else if (element)
		use(me, tp, element);
	else
		count(NR_NULL);
}

static void do_timeout(struct worker *me, struct torture_pool *tp)
{
	void *element;

	count(NR_TIMEOUT);
	wait_begin(me);
	element = mempool2_alloc_timeout(&tp->pool, GFP_NOIO, random_below(&me->random, HZ / 5));
	wait_end(me);
	if (!IS_ERR_OR_NULL(element))
		use(me, tp, element);
	else if (PTR_ERR(element) == -ETIMEDOUT)
		count(NR_TIMED_OUT);
	else
		found(FOUND_RESULT, "mempool2_alloc_timeout() returned %ld", (long)element);
}

static void do_killable(struct worker *me, struct torture_pool *tp)
{
	bool killed;
	void *element;

	count(NR_KILLABLE);
	WRITE_ONCE(me->may_be_killed, features & FEATURE_KILL);
	wait_begin(me);
	element = mempool2_alloc_killable(&tp->pool, GFP_NOIO);
	wait_end(me);
	WRITE_ONCE(me->may_be_killed, false);
	killed = signal_pending(current);
	if (!IS_ERR_OR_NULL(element))
		use(me, tp, element);
	else if (PTR_ERR(element) == -EINTR && killed)
		count(NR_KILLED);
	else
		found(FOUND_RESULT, "mempool2_alloc_killable() returned %ld", (long)element);
	flush_signals(current);
}

static void do_bulk(struct worker *me, struct torture_pool *tp)
{
	unsigned int nr = random_bulk(me), taken, i;
	void *elems[BULK];
	int err;

	count(NR_BULK);
	atomic_inc(&tp->nr_bulk);
	wait_begin(me);
	err = mempool2_alloc_bulk(&tp->pool, elems, nr);
	wait_end(me);
	atomic_dec(&tp->nr_bulk);
	if (err) {
		found(FOUND_RESULT, "mempool2_alloc_bulk() returned %d", err);
		return;
	}
	for (i = 0; i < nr; i++)
		element_own(tp, elems[i], me->index);
	hold(me);
	for (i = 0; i < nr; i++)
		element_disown(tp, elems[i], me->index);
	count(NR_FREE_BULK);
	taken = mempool2_free_bulk(&tp->pool, elems, nr);
	if (taken > nr)
		found(FOUND_RESULT, "mempool2_free_bulk() of %u took %u", nr, taken);
	for (i = taken; i < nr; i++)
		mempool2_free(elems[i], &tp->pool);
}

static void do_preallocated(struct worker *me, struct torture_pool *tp)
{
	void *element;

	count(NR_PREALLOCATED);
	element = mempool2_alloc_preallocated(&tp->pool);
	if (element)
		use(me, tp, element);
	else
		count(NR_NULL);
}

static void do_noreserve(struct worker *me, struct torture_pool *tp)
{
	void *element;

	count(NR_NORESERVE);
	element = mempool2_alloc_noreserve(&tp->pool, GFP_NOIO);
	if (element)
		use(me, tp, element);
	else
		count(NR_NULL);
}

/* An element that the pool has not handed out. */
static void do_foreign(struct worker *me, struct torture_pool *tp)
{
	void *element;

	if (!tp->is_exact)
		return;
	element = arena_alloc(GFP_NOWAIT, NULL);
	if (!element)
		return;
	count(NR_FOREIGN);
	mempool2_free(element, &tp->pool);
}

static void step(struct worker *me)
{
	static const struct {
		void		(*call)(struct worker *me, struct torture_pool *tp);
		u8		weight;
		unsigned int	feature;
	} calls[] = {
		{ do_alloc, 20 }, { do_atomic, 8 }, { do_timeout, 6 }, { do_killable, 6 },
		{ do_bulk, 6, FEATURE_BULK }, { do_async, 10, FEATURE_ASYNC },
		{ do_ordered, 2, FEATURE_ASYNC }, { do_preallocated, 4 }, { do_noreserve, 2 },
		{ do_foreign, 2 }, { do_short_lived, 1, FEATURE_SHORT_LIVED },
	};
	u32 random, sum = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		sum += calls[i].weight;
	random = random_below(&me->random, sum);
	for (i = 0; random >= calls[i].weight; i++)
		random -= calls[i].weight;
	if (calls[i].feature && !(features & calls[i].feature))
		i = 0;
	calls[i].call(me, random_pool(me));
	if (irqs_disabled() || (IS_ENABLED(CONFIG_PREEMPT_COUNT) && preempt_count()))
		found(FOUND_CONTEXT, "a call came back with interrupts or preemption disabled");
}

int worker_fn(void *data)
{
	struct worker *me = data;

	allow_signal(SIGKILL);
	while (!kthread_should_stop()) {
		if (worker_pauses())
			worker_pause();
		else
			step(me);
		cond_resched();
	}
	return 0;
}
