// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: many callers at once, for a short time
 *
 * The random numbers come from a seed, which the case prints and mempool2_kunit.seed= sets.
 */
#include <linux/cpumask.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/timer.h>

#include "../core/reserve.h"
#include "fixture.h"

/* Long enough for some thousands of operations, on slow machines too. */
#define DURATION	(HZ / 5)

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Start of the random numbers of the stress cases; 0: another one in each run");

/* Spread the callers over all online CPUs. */
static int cpu_of(int index)
{
	int cpu = cpumask_first(cpu_online_mask), i;

	for (i = 0; i < index % (int)num_online_cpus(); i++)
		cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu;
}

static void callers_start(struct fixture *fx, int nr, void (*fn)(struct caller *caller))
{
	int i;

	for (i = 0; i < nr; i++)
		caller_run(caller_add(fx, fn), cpu_of(i));
}

/*
 * An invariant: while callers wait the reserve is empty, except for the moment between the put
 * of a freeing CPU and its look for waiters. Waiters that are asking are given nothing.
 */
static bool rule_is_kept(struct mempool2 *pool)
{
	struct patience patience = patience_of(TIMEOUT);
	unsigned long flags;
	bool kept;

	for (;;) {
		spin_lock_irqsave(&pool->wait.lock, flags);
		kept = pool->nr_waiters == pool->nr_asking || !mempool2_nr_reserved(pool);
		spin_unlock_irqrestore(&pool->wait.lock, flags);
		if (kept || !patience_lasts(&patience))
			return kept;
		schedule_timeout_uninterruptible(1);
	}
}

/*
 * A snapshot of the queue. A caller counts its steps in ret and waits at most once in a step, so
 * a caller and its step identify one wait.
 */
struct queue_position {
	int	index;
	long	step;
};

struct queue {
	struct queue_position	positions[MAX_CALLERS];
	int			nr;
};

static void queue_look(struct fixture *fx, struct queue *queue)
{
	struct mempool2 *pool = &fx->pool;
	struct wait_queue_entry *entry;
	unsigned long flags;
	int i;

	queue->nr = 0;
	spin_lock_irqsave(&pool->wait.lock, flags);
	list_for_each_entry(entry, &pool->wait.head, entry) {
		for (i = 0; i < fx->nr_callers; i++)
			if (fx->callers[i].task == entry->private)
				break;
		if (i == fx->nr_callers || queue->nr == MAX_CALLERS)
			break;
		queue->positions[queue->nr].index = i;
		queue->positions[queue->nr].step = READ_ONCE(fx->callers[i].ret);
		queue->nr++;
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
}

static bool same_position(const struct queue_position *a, const struct queue_position *b)
{
	return a->index == b->index && a->step == b->step;
}

/*
 * Callers leave at the head and arrive at the tail: the callers that were in the old snapshot
 * and still wait stand before all others, in the old order, and without gaps.
 */
static bool queue_went_on(const struct queue *old, const struct queue *new)
{
	int left, i, j;

	for (left = 0; left < old->nr; left++)
		if (new->nr && same_position(&old->positions[left], &new->positions[0]))
			break;
	/* The rest of the old queue is the beginning of the new one ... */
	for (i = left; i < old->nr; i++)
		if (i - left >= new->nr ||
		    !same_position(&old->positions[i], &new->positions[i - left]))
			return false;
	/* ... and no caller that has left is in the new one. */
	for (i = 0; i < left; i++)
		for (j = 0; j < new->nr; j++)
			if (same_position(&old->positions[i], &new->positions[j]))
				return false;
	return true;
}

static bool all_have_begun(struct fixture *fx)
{
	int i;

	for (i = 0; i < fx->nr_callers; i++)
		if (!READ_ONCE(fx->callers[i].ret))
			return false;
	return true;
}

/*
 * Let the callers run, and check that all of them finish. On a busy machine this takes longer:
 * until each of them has made a step, and @nr_queues snapshots had several callers in the queue.
 * Returns the number of such snapshots.
 */
static int callers_finish_with(struct fixture *fx, int nr_queues)
{
	struct patience patience = patience_of(DURATION), extra = patience_of(TIMEOUT);
	int nr_broken = 0, nr_disordered = 0, nr_seen = 0, i, old = 0;
	struct kunit *test = fx->test;
	struct queue *queues;

	queues = kunit_kcalloc(test, 2, sizeof(*queues), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, queues);
	while (patience_lasts(&patience) ||
	       ((nr_seen < nr_queues || !all_have_begun(fx)) && patience_lasts(&extra))) {
		if (!rule_is_kept(&fx->pool))
			nr_broken++;
		queue_look(fx, &queues[!old]);
		if (!queue_went_on(&queues[old], &queues[!old]))
			nr_disordered++;
		old = !old;
		nr_seen += queues[old].nr > 1;
		cond_resched();
	}
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	for (i = 0; i < fx->nr_callers; i++)
		KUNIT_EXPECT_TRUE_MSG(test, caller_has_returned(&fx->callers[i]),
				      "caller %d never came to its end", i);
	KUNIT_EXPECT_EQ(test, nr_broken, 0);
	KUNIT_EXPECT_EQ(test, nr_disordered, 0);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	return nr_seen;
}

static void callers_finish(struct fixture *fx)
{
	callers_finish_with(fx, 0);
}

static bool stopped(struct caller *caller)
{
	cond_resched();
	return READ_ONCE(caller->fx->stop);
}

static const int sizes[] = { 1, 2, 3, 16 };

static void size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements", *min_nr);
}

KUNIT_ARRAY_PARAM(size, sizes, size_name);

/* Promise 10 and promise 12: no element is lost, and no caller waits forever */

static void alloc_and_free_loop(struct caller *caller)
{
	struct source *src = &caller->fx->src;
	void *element;

	while (!stopped(caller)) {
		element = mempool2_alloc(caller->pool, GFP_NOIO);
		if (!element) {
			atomic_inc(&src->nr_irregular);
			return;
		}
		source_claim(src, element);
		/* A few holds last longer than the others. */
		if (caller->ret++ % 64 == caller->index)
			schedule_timeout_uninterruptible(1);
		source_disclaim(src, element);
		mempool2_free(element, caller->pool);
	}
}

static void no_wake_up_and_no_element_is_lost(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, *min_nr);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	callers_start(fx, 12, alloc_and_free_loop);
	callers_finish(fx);

	/* Only elements of the reserve went round, so there was never a surplus. */
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), *min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	for (i = 0; i < fx->nr_callers; i++)
		KUNIT_EXPECT_GT(test, fx->callers[i].ret, 0L);
}

static void waiters_are_served_in_their_order_under_load(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	callers_start(fx, 12, alloc_and_free_loop);
	/* callers_finish_with() checks the order itself, in every case. */
	KUNIT_EXPECT_GE(test, callers_finish_with(fx, 10), 10);
}

/* Promise 12: the same while the back end fails now and then */

static void fail_at_times_loop(struct caller *caller)
{
	struct source *src = &caller->fx->src;

	while (!stopped(caller)) {
		if (caller->ret++ % 2)
			source_recover(src);
		else
			source_fail(src);
		schedule_timeout_uninterruptible(1);
	}
	source_recover(src);
}

static void memory_that_comes_and_goes_loses_nothing(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;

	fixture_pool(fx, *min_nr);
	fx->src.pool = NULL;
	callers_start(fx, 8, alloc_and_free_loop);
	callers_start(fx, 1, fail_at_times_loop);
	callers_finish(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), *min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), *min_nr);
}

/*
 * Promise 11: the pointer alone is passed on, by a plain store and a plain load
 *
 * Each pair of callers has a slot. If a free could miss that its element is missing from the
 * reserve it would call free_fn. In this case no element is surplus, so no free may call it.
 */

static void *slots[MAX_CALLERS];

static void produce_loop(struct caller *caller)
{
	void **slot = &slots[caller->index / 2];
	void *element;

	while (!stopped(caller)) {
		element = mempool2_alloc(caller->pool, GFP_NOIO);
		while (READ_ONCE(*slot))
			cond_resched();
		WRITE_ONCE(*slot, element);
		caller->ret++;
	}
}

static void consume_loop(struct caller *caller)
{
	struct caller *producer = &caller->fx->callers[caller->index - 1];
	void **slot = &slots[caller->index / 2];
	void *element;

	/* The consumer ends after its producer, hence the order of the two tests. */
	while (!caller_has_returned(producer) || READ_ONCE(*slot)) {
		cond_resched();
		element = READ_ONCE(*slot);
		if (!element)
			continue;
		WRITE_ONCE(*slot, NULL);
		mempool2_free(element, caller->pool);
		caller->ret++;
	}
}

static void pointer_passed_without_barriers_refills_the_pool(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	long produced = 0, consumed = 0;
	int i;

	checks_may_report();
	fixture_pool(fx, *min_nr);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	memset(slots, 0, sizeof(slots));
	for (i = 0; i < 6; i++)
		caller_run(caller_add(fx, i % 2 ? consume_loop : produce_loop),
			   cpu_of(i));
	callers_finish(fx);

	for (i = 0; i < 6; i++) {
		if (i % 2)
			consumed += fx->callers[i].ret;
		else
			produced += fx->callers[i].ret;
	}
	KUNIT_EXPECT_GT(test, produced, 0L);
	KUNIT_EXPECT_EQ(test, produced, consumed);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), *min_nr);
}

/* Promise 14: resizes beside other calls, and beside other resizes */

static void resize_loop(struct caller *caller)
{
	while (!stopped(caller)) {
		if (mempool2_resize(caller->pool, 1 + caller->ret % 70))
			atomic_inc(&caller->fx->src.nr_irregular);
		caller->ret += 7 + caller->index;
	}
}

static void resize_beside_alloc_and_free_loses_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fx->src.pool = NULL;
	callers_start(fx, 6, alloc_and_free_loop);
	callers_start(fx, 2, resize_loop);
	callers_start(fx, 1, fail_at_times_loop);
	callers_finish(fx);

	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), mempool2_nr_reserved(&fx->pool));
	/* A resize that found no memory may have left the pool short of elements. */
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 100), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 100);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 3);
}

static void several_resizes_at_once_leave_a_whole_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fx->src.pool = NULL;
	callers_start(fx, 4, resize_loop);
	callers_finish(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), fx->pool.min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), mempool2_nr_reserved(&fx->pool));
}

/* Promise 15: bulk callers beside single ones */

static void bulk_loop(struct caller *caller)
{
	struct source *src = &caller->fx->src;
	unsigned int i;

	while (!stopped(caller)) {
		if (mempool2_alloc_bulk(caller->pool, caller->elems, 6)) {
			atomic_inc(&src->nr_irregular);
			return;
		}
		for (i = 0; i < 6; i++)
			source_claim(src, caller->elems[i]);
		caller->ret++;
		for (i = 0; i < 6; i++)
			source_disclaim(src, caller->elems[i]);
		i = 0;
		if (caller->ret % 2)
			i = mempool2_free_bulk(caller->pool, caller->elems, 6);
		for (; i < 6; i++)
			mempool2_free(caller->elems[i], caller->pool);
		memset(caller->elems, 0, sizeof(caller->elems));
	}
}

static void bulk_callers_get_on_beside_single_ones(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 8);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	callers_start(fx, 3, bulk_loop);
	callers_start(fx, 8, alloc_and_free_loop);
	callers_finish(fx);
	for (i = 0; i < fx->nr_callers; i++)
		KUNIT_EXPECT_GT(test, fx->callers[i].ret, 0L);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 8);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/*
 * Everything at once, from threads, softirq and hardirq. A caller that cannot wait takes an
 * element from the reserve and leaves it where another caller finds it.
 */

static void *left_behind[16];

static void atomic_step(struct fixture *fx, u32 random)
{
	void **place = &left_behind[random % ARRAY_SIZE(left_behind)];
	void *element;

	if (random & BIT(8))
		element = mempool2_alloc(&fx->pool, GFP_ATOMIC);
	else
		element = mempool2_alloc_preallocated(&fx->pool);
	if (element)
		source_claim(&fx->src, element);
	element = xchg(place, element);
	if (element) {
		source_disclaim(&fx->src, element);
		mempool2_free(element, &fx->pool);
	}
}

struct interrupter {
	struct fixture		*fx;
	struct rnd_state	random;
	struct tasklet_struct	tasklet;
	struct irq_work		irq_work;
	long			nr_softirq;
	long			nr_hardirq;
};

static struct interrupter interrupter;

static void interrupter_tasklet(struct tasklet_struct *tasklet)
{
	struct interrupter *it = container_of(tasklet, struct interrupter, tasklet);

	it->nr_softirq++;
	atomic_step(it->fx, prandom_u32_state(&it->random));
}

static void interrupter_irq_work(struct irq_work *irq_work)
{
	struct interrupter *it = container_of(irq_work, struct interrupter, irq_work);

	it->nr_hardirq++;
	/* Random numbers of its own: the interrupted softirq may be drawing one. */
	atomic_step(it->fx, hash_32(it->nr_hardirq, 32));
}

static void interrupt_loop(struct caller *caller)
{
	while (!stopped(caller)) {
		tasklet_schedule(&interrupter.tasklet);
		irq_work_queue(&interrupter.irq_work);
		if (caller->ret++ % 8 == 0)
			schedule_timeout_uninterruptible(1);
	}
	tasklet_kill(&interrupter.tasklet);
	irq_work_sync(&interrupter.irq_work);
}

static void single_step(struct caller *caller, gfp_t gfp)
{
	struct source *src = &caller->fx->src;
	void *element = mempool2_alloc(caller->pool, gfp);

	if (!element)
		return;
	source_claim(src, element);
	cond_resched();
	source_disclaim(src, element);
	mempool2_free(element, caller->pool);
}

static void bulk_step(struct caller *caller, unsigned int count)
{
	struct source *src = &caller->fx->src;
	unsigned int i, taken;

	if (mempool2_alloc_bulk(caller->pool, caller->elems, count)) {
		atomic_inc(&src->nr_irregular);
		return;
	}
	for (i = 0; i < count; i++)
		source_claim(src, caller->elems[i]);
	for (i = 0; i < count; i++)
		source_disclaim(src, caller->elems[i]);
	taken = mempool2_free_bulk(caller->pool, caller->elems, count);
	for (i = taken; i < count; i++)
		mempool2_free(caller->elems[i], caller->pool);
	memset(caller->elems, 0, sizeof(caller->elems));
}

static void anything_loop(struct caller *caller)
{
	struct fixture *fx = caller->fx;
	struct rnd_state random;
	u32 what;

	prandom_seed_state(&random, seed + caller->index);
	while (!stopped(caller)) {
		what = prandom_u32_state(&random);
		caller->ret++;
		switch (what >> 28) {
		case 0:
			/* Never below the largest bulk that a caller may ask for. */
			if (mempool2_resize(caller->pool, MAX_BULK + what % 40))
				atomic_inc(&fx->src.nr_irregular);
			break;
		case 1:
			source_fail(&fx->src);
			break;
		case 2:
			source_recover(&fx->src);
			break;
		case 3 ... 5:
			bulk_step(caller, 1 + what % MAX_BULK);
			break;
		case 6 ... 8:
			atomic_step(fx, what);
			break;
		case 9:
			mempool2_free(fixture_foreign(fx), caller->pool);
			break;
		default:
			single_step(caller, what & BIT(0) ? GFP_KERNEL : GFP_NOWAIT);
		}
	}
}

static void sweep(struct fixture *fx)
{
	void *element;
	int i;

	for (i = 0; i < ARRAY_SIZE(left_behind); i++) {
		element = xchg(&left_behind[i], NULL);
		if (element) {
			source_disclaim(&fx->src, element);
			mempool2_free(element, &fx->pool);
		}
	}
}

/*
 * An element that was left behind serves no waiter. So this loop frees such elements from time
 * to time, until all callers have finished.
 */
static void sweep_loop(struct caller *caller)
{
	struct fixture *fx = caller->fx;
	struct patience patience;
	int i;

	while (!stopped(caller)) {
		schedule_timeout_uninterruptible(1);
		sweep(fx);
		caller->ret++;
	}
	patience = patience_of(TIMEOUT / 2);
	for (i = 0; i < caller->index; i++)
		while (!caller_returns_within(&fx->callers[i], 1) && patience_lasts(&patience))
			sweep(fx);
	sweep(fx);
}

static void everything_at_once_keeps_the_books(struct kunit *test)
{
	struct fixture *fx = test->priv;

	if (!seed)
		seed = get_random_u32() | 1;
	kunit_info(test, "mempool2_kunit.seed=%u", seed);

	checks_may_report();
	fixture_pool(fx, 12);
	fx->src.pool = NULL;
	memset(left_behind, 0, sizeof(left_behind));
	interrupter = (struct interrupter) { .fx = fx };
	prandom_seed_state(&interrupter.random, seed);
	tasklet_setup(&interrupter.tasklet, interrupter_tasklet);
	interrupter.irq_work = HARDIRQ_WORK_INIT(interrupter_irq_work);

	callers_start(fx, 8, anything_loop);
	callers_start(fx, 1, interrupt_loop);
	/* The last caller, as it waits for all others. */
	callers_start(fx, 1, sweep_loop);
	callers_finish(fx);

	KUNIT_EXPECT_GT(test, interrupter.nr_softirq, 0L);
	KUNIT_EXPECT_GT(test, interrupter.nr_hardirq, 0L);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), mempool2_nr_reserved(&fx->pool));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irregular), 0);

	/* The pool can be filled as if it were new. */
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 60), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 60);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 60);
}

/*
 * Promise 10: as many elements as callers, each of which holds at most one: no allocation fails
 *
 * No caller can wait, and the back end fails. The surplus elements are in slots between the
 * callers. Each caller swaps its element for the one that it finds in a slot: so elements are
 * freed by other callers, and on other CPUs, than they were taken.
 */

struct crew {
	int	nr_elements;
	int	nr_threads;
	int	nr_interrupters;	/* each has a softirq and a hardirq */
};

/* The last reserves are larger than what a CPU looks through at first. */
static const struct crew crews[] = {
	{ 1, 1, 0 }, { 2, 1, 0 }, { 2, 2, 0 }, { 2, 0, 1 }, { 3, 1, 1 }, { 3, 3, 0 },
	{ 4, 2, 1 }, { 5, 1, 1 }, { 8, 4, 2 }, { 16, 6, 2 }, { 64, 6, 2 }, { 65, 6, 2 },
	{ 100, 6, 2 },
};

#define NR_PLACES	100
#define NR_INTERRUPTERS	2

struct crew_interrupter {
	struct fixture		*fx;
	struct tasklet_struct	tasklet;
	struct irq_work		irq_work;
	u32			nr_softirq;
	u32			nr_hardirq;
};

static struct {
	void			*places[NR_PLACES];
	int			nr_places;
	atomic_t		nr_refused;
	struct crew_interrupter	interrupters[NR_INTERRUPTERS];
} crew;

static void crew_name(const struct crew *crew, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements, %d threads, %d interrupts",
		 crew->nr_elements, crew->nr_threads, 2 * crew->nr_interrupters);
}

KUNIT_ARRAY_PARAM(crew, crews, crew_name);

static void crew_step(struct fixture *fx, u32 random)
{
	void *element;

	if (random & BIT(8))
		element = mempool2_alloc(&fx->pool, GFP_NOWAIT);
	else
		element = mempool2_alloc_preallocated(&fx->pool);
	if (!element) {
		atomic_inc(&crew.nr_refused);
		return;
	}
	source_claim(&fx->src, element);
	if (crew.nr_places)
		element = xchg(&crew.places[random % crew.nr_places], element);
	if (element) {
		source_disclaim(&fx->src, element);
		mempool2_free(element, &fx->pool);
	}
}

static void crew_loop(struct caller *caller)
{
	while (!stopped(caller)) {
		/*
		 * Each thread moves from CPU to CPU, at its own pace, and at times between any two
		 * steps: what it takes then is not what it has just put.
		 */
		if (caller->ret++ % 64 == 0 || caller->ret & BIT(7))
			set_cpus_allowed_ptr(current, cpumask_of(cpu_of(hash_32(caller->ret, 8))));
		crew_step(caller->fx, hash_32(caller->ret * MAX_CALLERS + caller->index, 32));
	}
}

static void crew_tasklet(struct tasklet_struct *tasklet)
{
	struct crew_interrupter *it = container_of(tasklet, struct crew_interrupter, tasklet);

	crew_step(it->fx, hash_32(it->nr_softirq++, 32));
}

static void crew_irq_work(struct irq_work *irq_work)
{
	struct crew_interrupter *it = container_of(irq_work, struct crew_interrupter, irq_work);

	crew_step(it->fx, hash_32(it->nr_hardirq++, 32));
}

/* Bound to its CPU, on which the hardirq counts as one caller, not two. */
static void crew_interrupt_loop(struct caller *caller)
{
	struct crew_interrupter *it = &crew.interrupters[caller->count];

	while (!stopped(caller)) {
		tasklet_schedule(&it->tasklet);
		irq_work_queue(&it->irq_work);
		/* Where softirqs are threads, let them run. */
		if (caller->ret++ % 32 == 0)
			schedule_timeout_uninterruptible(1);
	}
	tasklet_kill(&it->tasklet);
	irq_work_sync(&it->irq_work);
}

/* Never below the number of elements; a larger size gets no element more. */
static void crew_resize_loop(struct caller *caller)
{
	while (!stopped(caller)) {
		if (mempool2_resize(caller->pool, caller->count +
				    (caller->ret % 2 ? 0 : 1 + caller->ret % 71)))
			atomic_inc(&caller->fx->src.nr_irregular);
		caller->ret++;
	}
	if (mempool2_resize(caller->pool, caller->count))
		atomic_inc(&caller->fx->src.nr_irregular);
}

static void crew_runs(struct fixture *fx, const struct crew *what, bool resized)
{
	struct patience patience, extra = patience_of(TIMEOUT);
	struct kunit *test = fx->test;
	struct crew_interrupter *it;
	struct caller *caller;
	int i;

	memset(&crew, 0, sizeof(crew));
	crew.nr_places = what->nr_elements - what->nr_threads - 2 * what->nr_interrupters;
	fixture_pool(fx, what->nr_elements);
	fx->src.pool = NULL;
	source_fail(&fx->src);

	for (i = 0; i < what->nr_interrupters; i++) {
		it = &crew.interrupters[i];
		it->fx = fx;
		tasklet_setup(&it->tasklet, crew_tasklet);
		it->irq_work = HARDIRQ_WORK_INIT(crew_irq_work);
		caller = caller_add(fx, crew_interrupt_loop);
		caller->count = i;
		caller_run(caller, cpu_of(i));
	}
	for (i = 0; i < what->nr_threads; i++)
		caller_run(caller_add(fx, crew_loop), ANY_CPU);
	if (resized) {
		caller = caller_add(fx, crew_resize_loop);
		caller->count = what->nr_elements;
		caller_run(caller, ANY_CPU);
	}
	patience = patience_of(resized ? HZ / 10 : HZ / 20);
	while (patience_lasts(&patience) || (!all_have_begun(fx) && patience_lasts(&extra)))
		schedule_timeout_uninterruptible(1);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));

	for (i = 0; i < crew.nr_places; i++) {
		if (crew.places[i]) {
			source_disclaim(&fx->src, crew.places[i]);
			mempool2_free(crew.places[i], &fx->pool);
		}
	}
	for (i = 0; i < what->nr_interrupters; i++) {
		KUNIT_EXPECT_GT(test, crew.interrupters[i].nr_softirq, 0u);
		KUNIT_EXPECT_GT(test, crew.interrupters[i].nr_hardirq, 0u);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&crew.nr_refused), 0);
	/* No element was freed or allocated, and all of them are in the reserve. */
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), what->nr_elements);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irregular), 0);
}

static void as_many_callers_as_elements_are_never_told_that_there_is_none(struct kunit *test)
{
	crew_runs(test->priv, test->param_value, false);
}

static void nor_are_they_while_the_pool_is_resized(struct kunit *test)
{
	crew_runs(test->priv, test->param_value, true);
}

static void waiters_are_served_while_the_pool_is_resized(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, *min_nr);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	callers_start(fx, 6, alloc_and_free_loop);
	caller = caller_add(fx, crew_resize_loop);
	caller->count = *min_nr;
	caller_run(caller, ANY_CPU);
	callers_finish(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), *min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/* Promise 14: elements that a resize moves count as present */

static void take_and_put_loop(struct caller *caller)
{
	void *element;

	while (!stopped(caller)) {
		element = mempool2_alloc_preallocated(caller->pool);
		mempool2_free(element, caller->pool);
		caller->ret++;
	}
}

static void growing_beside_others_leaves_nothing_out(struct kunit *test)
{
	struct patience patience = patience_of(DURATION);
	struct fixture *fx = test->priv;
	int nr_short = 0, i;

	fixture_pool(fx, 2);
	fx->src.pool = NULL;
	callers_start(fx, 3, take_and_put_loop);
	for (i = 0; patience_lasts(&patience) || !all_have_begun(fx); i++) {
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3 + i * 7 % 150), 0);
		nr_short += atomic_read(&fx->src.nr_live) < fx->pool.min_nr;
		cond_resched();
	}
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ_MSG(test, nr_short, 0, "of %d times", i);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), fx->pool.min_nr);
}

/*
 * A CPU that frees a surplus element scans the whole reserve to make sure that it is full. In a
 * large reserve the scan takes a while, and other callers take and put meanwhile, which spoils
 * it. The free comes to an end all the same, and no element is lost.
 */

static void free_surplus_loop(struct caller *caller)
{
	void *element;

	while (!stopped(caller)) {
		element = mempool2_alloc_noreserve(caller->pool, GFP_KERNEL);
		mempool2_free(element, caller->pool);
		caller->ret++;
	}
}

static void free_finds_a_pool_full_though_others_take_and_put(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 3000);
	fx->src.pool = NULL;
	for (i = 0; i < 4; i++)
		caller_run(caller_add(fx, i % 2 ? free_surplus_loop : take_and_put_loop),
			   cpu_of(i));
	callers_finish(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3000);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 3000);
}

/*
 * Duels: two callers do one thing each at the same time, again and again. Between the rounds,
 * when no third caller could repair a mistake of theirs, one of them checks the result.
 */

static struct {
	void		(*fns[2])(struct caller *caller);
	bool		(*check)(struct caller *callers);
	atomic_t	nr_arrivals;
	bool		over;
	int		nr_wrong;
} duel;

/* Meet the other caller. Returns false if it does not come. */
static bool duel_meet(int *nr_meetings, struct patience *patience)
{
	int nr = 2 * ++*nr_meetings;

	/* A full barrier: what this caller did is visible to the other one. */
	atomic_inc_return(&duel.nr_arrivals);
	while (atomic_read(&duel.nr_arrivals) < nr) {
		if (!patience_lasts(patience))
			return false;
		cond_resched();
		cpu_relax();
	}
	/* What the other caller did before it came is visible. */
	smp_rmb();
	return true;
}

static void duel_loop(struct caller *caller)
{
	struct patience patience = patience_of(DURATION + TIMEOUT);
	int nr_meetings = 0, i;

	for (;;) {
		if (caller->index == 0)
			duel.over = READ_ONCE(caller->fx->stop);
		if (!duel_meet(&nr_meetings, &patience) || duel.over)
			return;
		/* Vary which of the two begins. */
		for (i = hash_32(2 * caller->ret + caller->index, 8); i; i--)
			cpu_relax();
		duel.fns[caller->index](caller);
		if (!duel_meet(&nr_meetings, &patience))
			return;
		if (caller->index == 0 && !duel.check(caller->fx->callers))
			duel.nr_wrong++;
		WRITE_ONCE(caller->ret, caller->ret + 1);
	}
}

/* Before the first round the first caller holds @nr elements of a pool with @min_nr. */
static void duel_fight(struct fixture *fx, int min_nr, int nr,
		       void (*fn)(struct caller *caller),
		       void (*other)(struct caller *caller),
		       bool (*check)(struct caller *callers))
{
	struct kunit *test = fx->test;
	struct caller *callers[2];
	int i, j;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	memset(&duel, 0, sizeof(duel));
	duel.fns[0] = fn;
	duel.fns[1] = other;
	duel.check = check;

	fixture_pool(fx, min_nr);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	for (i = 0; i < 2; i++) {
		callers[i] = caller_add(fx, duel_loop);
		for (j = 0; j < nr && i == 0; j++)
			callers[i]->elems[j] = mempool2_alloc_preallocated(&fx->pool);
		caller_run(callers[i], cpu_of(i));
	}
	let_pass(DURATION);
	/* On a busy host the CPUs of a guest may not have met by now. */
	comes_true(READ_ONCE(callers[0]->ret), TIMEOUT);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, min_nr), 0);
	KUNIT_EXPECT_GT(test, callers[0]->ret, 0L);
	KUNIT_EXPECT_EQ_MSG(test, duel.nr_wrong, 0, "in %ld rounds", callers[0]->ret);
}

static void duel_put(struct caller *caller)
{
	void *element = caller->elems[0];

	caller->elems[0] = NULL;
	mempool2_free(element, caller->pool);
}

static void duel_wait(struct caller *caller)
{
	caller->elems[0] = mempool2_alloc(caller->pool, GFP_NOIO);
}

static void duel_try(struct caller *caller)
{
	caller->elems[0] = mempool2_alloc(caller->pool, GFP_NOWAIT);
}

static bool duel_one_has_it(struct caller *callers)
{
	return !callers[0].elems[0] != !callers[1].elems[0] &&
	       !mempool2_nr_reserved(callers[0].pool);
}

/* The holder of the only element frees it while the other caller wants it; they take turns. */
static void duel_put_or_wait_in_turn(struct caller *caller)
{
	if (caller->index == caller->ret % 2)
		duel_put(caller);
	else
		duel_wait(caller);
}

static void free_serves_a_caller_on_the_way_to_sleep(struct kunit *test)
{
	duel_fight(test->priv, 1, 1, duel_put_or_wait_in_turn, duel_put_or_wait_in_turn,
		   duel_one_has_it);
}

/* As above, with calls for several elements. */
static void duel_put_or_wait_as_bulk_in_turn(struct caller *caller)
{
	if (caller->index != caller->ret % 2)
		mempool2_alloc_bulk(caller->pool, caller->elems, 1);
	else if (mempool2_free_bulk(caller->pool, caller->elems, 1))
		caller->elems[0] = NULL;
}

static void free_bulk_of_one_serves_a_caller_on_the_way_to_sleep(struct kunit *test)
{
	duel_fight(test->priv, 1, 1, duel_put_or_wait_as_bulk_in_turn,
		   duel_put_or_wait_as_bulk_in_turn, duel_one_has_it);
}

/* As above, with all elements at once. */
static void duel_put_or_wait_bulk_in_turn(struct caller *caller)
{
	unsigned int nr;

	if (caller->index != caller->ret % 2) {
		mempool2_alloc_bulk(caller->pool, caller->elems, 4);
		return;
	}
	nr = caller->ret / 2 % 2 ? mempool2_free_bulk(caller->pool, caller->elems, 4) : 0;
	for (; nr < 4; nr++)
		mempool2_free(caller->elems[nr], caller->pool);
	memset(caller->elems, 0, sizeof(caller->elems));
}

static void frees_serve_a_bulk_caller_on_the_way_to_sleep(struct kunit *test)
{
	duel_fight(test->priv, 4, 4, duel_put_or_wait_bulk_in_turn,
		   duel_put_or_wait_bulk_in_turn, duel_one_has_it);
}

/*
 * One caller frees a surplus element, and has to make sure that the reserve is full; the other
 * one takes an element and puts it back.
 */
static void duel_put_surplus(struct caller *caller)
{
	mempool2_free(caller->elems[1], caller->pool);
	caller->elems[1] = NULL;
}

static void duel_take_and_put(struct caller *caller)
{
	duel_try(caller);
	if (caller->elems[0])
		duel_put(caller);
	else
		caller->count++;
}

static bool duel_is_full_again(struct caller *callers)
{
	struct caller *caller = &callers[0];
	bool fine = mempool2_is_saturated(caller->pool);

	/* For the next round. */
	source_allow(&caller->fx->src, 1);
	caller->elems[1] = mempool2_alloc_noreserve(caller->pool, GFP_KERNEL);
	return fine;
}

static void element_taken_while_the_pool_is_found_full_comes_back(struct kunit *test)
{
	duel_fight(test->priv, 1, 0, duel_put_surplus, duel_take_and_put,
		   duel_is_full_again);
}

static void element_taken_while_a_larger_pool_is_found_full_comes_back(struct kunit *test)
{
	duel_fight(test->priv, 100, 0, duel_put_surplus, duel_take_and_put,
		   duel_is_full_again);
}

/* One caller finds the pool empty, or not; the other one puts the only element. */
static void duel_put_or_try_in_turn(struct caller *caller)
{
	if (caller->index == caller->ret % 2)
		duel_put(caller);
	else
		duel_try(caller);
}

/* If the caller got no element, it gets one now. */
static bool duel_can_be_had(struct caller *callers)
{
	struct caller *caller = &callers[(callers[0].ret + 1) % 2];

	if (!caller->elems[0])
		duel_try(caller);
	return caller->elems[0];
}

static void element_put_while_the_pool_is_found_dry_can_be_had(struct kunit *test)
{
	duel_fight(test->priv, 1, 1, duel_put_or_try_in_turn, duel_put_or_try_in_turn,
		   duel_can_be_had);
}

static bool duel_both_had_one(struct caller *callers)
{
	struct caller *caller = &callers[0];

	return mempool2_is_saturated(caller->pool) &&
	       !atomic_read(&caller->fx->src.nr_frees) &&
	       callers[0].count == 1 && callers[1].count == 1;
}

static void two_callers_that_cannot_wait_share_two_elements(struct kunit *test)
{
	duel_fight(test->priv, 2, 0, duel_take_and_put, duel_take_and_put,
		   duel_both_had_one);
}

/* Both callers hold an element, and put it at the same time. */
static void duel_try_then_put(struct caller *caller)
{
	if (caller->ret % 2)
		duel_put(caller);
	else
		duel_try(caller);
}

static bool duel_both_took_or_put(struct caller *callers)
{
	struct caller *caller = &callers[0];

	return mempool2_nr_reserved(caller->pool) == (caller->ret % 2 ? 2 : 0) &&
	       !atomic_read(&caller->fx->src.nr_frees);
}

static void two_puts_at_once_find_two_slots(struct kunit *test)
{
	duel_fight(test->priv, 2, 0, duel_try_then_put, duel_try_then_put,
		   duel_both_took_or_put);
}

/* Both callers hold an element, and the reserve has room for one. */
static bool duel_one_was_put(struct caller *callers)
{
	struct mempool2 *pool = callers[0].pool;
	struct source *src = &callers[0].fx->src;
	bool fine = mempool2_nr_reserved(pool) == 1 && atomic_read(&src->nr_live) == 1;

	/* For the next round. */
	callers[0].elems[0] = mempool2_alloc_preallocated(pool);
	source_allow(src, 1);
	callers[1].elems[0] = mempool2_alloc_noreserve(pool, GFP_KERNEL);
	return fine;
}

static void two_puts_at_once_find_one_slot(struct kunit *test)
{
	duel_fight(test->priv, 1, 1, duel_put, duel_put, duel_one_was_put);
}

/* A resize moves the only element, up and down, while the other caller wants it. */
#define DUEL_SIZE	9

static void duel_resize(struct caller *caller)
{
	if (mempool2_resize(caller->pool, caller->ret % 2 ? 1 : DUEL_SIZE))
		atomic_inc(&caller->fx->src.nr_irregular);
}

static bool duel_nothing_was_lost(struct caller *callers)
{
	return mempool2_nr_reserved(callers[0].pool) == 1 &&
	       !atomic_read(&callers[0].fx->src.nr_frees) && callers[1].count == 1;
}

static void resize_hides_no_element_from_a_caller_that_cannot_wait(struct kunit *test)
{
	duel_fight(test->priv, 1, 0, duel_resize, duel_take_and_put,
		   duel_nothing_was_lost);
}

static void duel_wait_and_put(struct caller *caller)
{
	duel_wait(caller);
	duel_put(caller);
}

static void resize_serves_a_caller_on_the_way_to_sleep(struct kunit *test)
{
	duel_fight(test->priv, 1, 0, duel_resize, duel_wait_and_put,
		   duel_nothing_was_lost);
}

/* The other caller frees its element into the new reserve or into the replaced one. */
static void duel_take_or_put(struct caller *caller)
{
	if (caller->elems[0])
		duel_put(caller);
	else
		duel_take_and_put(caller);
}

static bool duel_nothing_was_lost_and_next_is_held(struct caller *callers)
{
	bool fine = duel_nothing_was_lost(callers);

	duel_try(&callers[1]);
	return fine && callers[1].elems[0];
}

static void free_during_a_resize_finds_a_slot(struct kunit *test)
{
	duel_fight(test->priv, 1, 0, duel_resize, duel_take_or_put,
		   duel_nothing_was_lost_and_next_is_held);
}

/*
 * A free finds the slots full and waits for the lock of the reserve, until a resize has replaced
 * the reserve. The case holds the lock, so that the resize gets ahead of the free; a timer
 * releases it.
 */

static arch_spinlock_t *reserve_lock;
static struct mempool2 *reserve_pool;
static struct patience reserve_patience;
static void reserve_unlock(struct timer_list *timer);
static DEFINE_TIMER(reserve_lock_timer, reserve_unlock);

/* Not before the pool has its new reserve. */
static void reserve_unlock(struct timer_list *timer)
{
	if (&rcu_access_pointer(reserve_pool->reserve)->lock.raw_lock == reserve_lock &&
	    patience_lasts(&reserve_patience))
		mod_timer(&reserve_lock_timer, jiffies + 1);
	else
		arch_spin_unlock(reserve_lock);
}

static void caller_frees_surplus(struct caller *caller)
{
	WRITE_ONCE(caller->count, 0);
	mempool2_free(caller->elems[0], caller->pool);
	caller->elems[0] = NULL;
}

static void surplus_freed_while_a_pool_grows_is_kept(struct kunit *test)
{
	int cpu = cpumask_first(cpu_online_mask);
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *foreign;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	fixture_pool(fx, 1);
	foreign = fixture_foreign(fx);
	caller = caller_add(fx, caller_frees_surplus);
	caller->elems[0] = fixture_foreign(fx);
	source_fail(&fx->src);
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	reserve_lock = &rcu_access_pointer(fx->pool.reserve)->lock.raw_lock;
	arch_spin_lock(reserve_lock);
	caller_run(caller, cpumask_next(cpu, cpu_online_mask));
	while (READ_ONCE(caller->count))
		schedule_timeout_uninterruptible(1);
	reserve_pool = &fx->pool;
	reserve_patience = patience_of(TIMEOUT);
	mod_timer(&reserve_lock_timer, jiffies + HZ / 20);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	/* The new reserve has not been marked full either. */
	mempool2_free(foreign, &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static struct kunit_case concurrency_cases[] = {
	KUNIT_CASE_PARAM(no_wake_up_and_no_element_is_lost, size_gen_params),
	KUNIT_CASE(waiters_are_served_in_their_order_under_load),
	KUNIT_CASE_PARAM(memory_that_comes_and_goes_loses_nothing, size_gen_params),
	KUNIT_CASE_PARAM(pointer_passed_without_barriers_refills_the_pool,
			 size_gen_params),
	KUNIT_CASE(resize_beside_alloc_and_free_loses_nothing),
	KUNIT_CASE(several_resizes_at_once_leave_a_whole_pool),
	KUNIT_CASE(bulk_callers_get_on_beside_single_ones),
	KUNIT_CASE(everything_at_once_keeps_the_books),
	KUNIT_CASE_PARAM(as_many_callers_as_elements_are_never_told_that_there_is_none,
			 crew_gen_params),
	KUNIT_CASE_PARAM(nor_are_they_while_the_pool_is_resized, crew_gen_params),
	KUNIT_CASE_PARAM(waiters_are_served_while_the_pool_is_resized, size_gen_params),
	KUNIT_CASE(growing_beside_others_leaves_nothing_out),
	KUNIT_CASE(free_finds_a_pool_full_though_others_take_and_put),
	KUNIT_CASE(free_serves_a_caller_on_the_way_to_sleep),
	KUNIT_CASE(free_bulk_of_one_serves_a_caller_on_the_way_to_sleep),
	KUNIT_CASE(frees_serve_a_bulk_caller_on_the_way_to_sleep),
	KUNIT_CASE(element_taken_while_the_pool_is_found_full_comes_back),
	KUNIT_CASE(element_taken_while_a_larger_pool_is_found_full_comes_back),
	KUNIT_CASE(element_put_while_the_pool_is_found_dry_can_be_had),
	KUNIT_CASE(two_callers_that_cannot_wait_share_two_elements),
	KUNIT_CASE(two_puts_at_once_find_two_slots),
	KUNIT_CASE(two_puts_at_once_find_one_slot),
	KUNIT_CASE(resize_hides_no_element_from_a_caller_that_cannot_wait),
	KUNIT_CASE(resize_serves_a_caller_on_the_way_to_sleep),
	KUNIT_CASE(free_during_a_resize_finds_a_slot),
	KUNIT_CASE(surplus_freed_while_a_pool_grows_is_kept),
	{}
};

static struct kunit_suite concurrency_suite = {
	.name = "mempool2_concurrency",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = concurrency_cases,
};

kunit_test_suite(concurrency_suite);
