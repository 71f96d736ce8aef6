// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: many callers at once, for a short time
 *
 * The random numbers come from a seed that is printed and can be given
 * (mempool2_kunit.seed=).
 */
#include <linux/cpumask.h>
#include <linux/hash.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched.h>

#include "fixture.h"

/* Long enough for some thousands of operations, on slow machines too. */
#define DURATION	(HZ / 5)

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "Start of the random numbers of the stress cases; 0: another one in each run");

/* One after the other on all CPUs. */
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
 * What holds at every moment, whatever the others do: nobody waits while
 * elements are there.
 */
static bool rule_is_kept(struct mempool2 *pool)
{
	unsigned long flags;
	bool kept;

	spin_lock_irqsave(&pool->wait.lock, flags);
	kept = !pool->nr_waiters || !pool->curr_nr;
	kept &= pool->nr_waiters >= 0 && pool->curr_nr >= 0;
	spin_unlock_irqrestore(&pool->wait.lock, flags);
	return kept;
}

/*
 * And the order of the queue. A caller counts its own steps in ret, of which
 * each waits once at most: so the two tell one wait from the next.
 */
struct place_in_queue {
	int	index;
	long	step;
};

struct queue {
	struct place_in_queue	places[MAX_CALLERS];
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
		queue->places[queue->nr].index = i;
		queue->places[queue->nr].step = READ_ONCE(fx->callers[i].ret);
		queue->nr++;
	}
	spin_unlock_irqrestore(&pool->wait.lock, flags);
}

static bool same_place(const struct place_in_queue *a, const struct place_in_queue *b)
{
	return a->index == b->index && a->step == b->step;
}

/*
 * Callers leave at the head and come at the tail: whoever was there before and
 * is there still stands before all others, in the old order, and without gaps.
 */
static bool queue_went_on(const struct queue *old, const struct queue *new)
{
	int left, i, j;

	for (left = 0; left < old->nr; left++)
		if (new->nr && same_place(&old->places[left], &new->places[0]))
			break;
	/* The rest of the old queue is the beginning of the new one ... */
	for (i = left; i < old->nr; i++)
		if (i - left >= new->nr ||
		    !same_place(&old->places[i], &new->places[i - left]))
			return false;
	/* ... and whoever has left is not in it. */
	for (i = 0; i < left; i++)
		for (j = 0; j < new->nr; j++)
			if (same_place(&old->places[i], &new->places[j]))
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
 * Let them run, and see that all of them come to their end. On a busy machine it
 * takes longer until each of them has made a step and the queue has been seen
 * @nr_queues times with several callers in it. Returns how often that was.
 */
static int callers_finish_with(struct fixture *fx, int nr_queues)
{
	int nr_broken = 0, nr_disordered = 0, nr_seen = 0, i, old = 0;
	unsigned long end = jiffies + DURATION, latest = end + TIMEOUT;
	struct kunit *test = fx->test;
	struct queue *queues;

	queues = kunit_kcalloc(test, 2, sizeof(*queues), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, queues);
	while (time_before(jiffies, end) ||
	       ((nr_seen < nr_queues || !all_have_begun(fx)) &&
		time_before(jiffies, latest))) {
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

/* promise 10 and promise 12: nothing is lost, nobody is left behind */

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
		/* Some holds last longer than the others. */
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

	/* Nothing but the reserve went round, so there never was a surplus. */
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, *min_nr);
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
	/* The order itself is looked at in there, in every case. */
	KUNIT_EXPECT_GE(test, callers_finish_with(fx, 10), 10);
}

/* promise 12: and not with every allocation healthy at times, either */

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
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, *min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), *min_nr);
}

/*
 * promise 11: the pointer alone is passed on, by a plain store and a plain load
 *
 * Each pair has a slot. If a free could miss that its element is missing from
 * the reserve, it would call free_fn, which nobody has a reason to do here.
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

	/* It ends after its producer, and asks in this order. */
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
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, *min_nr);
}

/* promise 14: resize beside all others, and beside itself */

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

	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), fx->pool.curr_nr);
	/* Where memory failed while it grew, the pool may still lack some. */
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 100), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 100);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 3);
}

static void several_resizes_at_once_leave_a_whole_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fx->src.pool = NULL;
	callers_start(fx, 4, resize_loop);
	callers_finish(fx);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, fx->pool.min_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), fx->pool.curr_nr);
}

/* promise 15: several bulk callers beside single ones */

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
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 8);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

/*
 * Everything at once, from threads, softirq and hardirq. What cannot wait takes
 * elements from the reserve and leaves them in a place where others find them.
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
	/* Its own numbers: a softirq may be in the middle of taking one. */
	atomic_step(it->fx, hash_32(it->nr_hardirq, 32));
}

static void interrupt_loop(struct caller *caller)
{
	while (!stopped(caller)) {
		tasklet_schedule(&interrupter.tasklet);
		if (!IS_ENABLED(CONFIG_PREEMPT_RT))
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
			/* Never less than the largest bulk that may be asked. */
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
 * Elements that were left behind are of no use to who waits for one. So they are
 * freed from time to time, until nobody needs them any more.
 */
static void sweep_loop(struct caller *caller)
{
	struct fixture *fx = caller->fx;
	unsigned long end;
	int i;

	while (!stopped(caller)) {
		schedule_timeout_uninterruptible(1);
		sweep(fx);
		caller->ret++;
	}
	end = jiffies + TIMEOUT / 2;
	for (i = 0; i < caller->index; i++)
		while (!caller_returns_within(&fx->callers[i], 1) &&
		       time_before(jiffies, end))
			sweep(fx);
	sweep(fx);
}

static void everything_at_once_keeps_the_books(struct kunit *test)
{
	struct fixture *fx = test->priv;

	if (!seed)
		seed = get_random_u32() | 1;
	kunit_info(test, "mempool2_kunit.seed=%u", seed);

	fixture_pool(fx, 12);
	fx->src.pool = NULL;
	memset(left_behind, 0, sizeof(left_behind));
	interrupter = (struct interrupter) { .fx = fx };
	prandom_seed_state(&interrupter.random, seed);
	tasklet_setup(&interrupter.tasklet, interrupter_tasklet);
	interrupter.irq_work = IRQ_WORK_INIT(interrupter_irq_work);

	callers_start(fx, 8, anything_loop);
	callers_start(fx, 1, interrupt_loop);
	/* The last one, as it waits for all others. */
	callers_start(fx, 1, sweep_loop);
	callers_finish(fx);

	KUNIT_EXPECT_GT(test, interrupter.nr_softirq, 0L);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		KUNIT_EXPECT_GT(test, interrupter.nr_hardirq, 0L);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), fx->pool.curr_nr);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irregular), 0);

	/* And the pool is as good as new. */
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 60), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.curr_nr, 60);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 60);
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
	{}
};

static struct kunit_suite concurrency_suite = {
	.name = "mempool2_concurrency",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = concurrency_cases,
};

kunit_test_suite(concurrency_suite);
