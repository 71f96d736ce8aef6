// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: changing how many elements a pool guarantees
 */
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "fixture.h"

/* Promise 14: resizing */

static void resize_to_the_same_size_changes_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *reserve;

	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	reserve = rcu_access_pointer(fx->pool.reserve);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 4);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_TRUE(test, rcu_access_pointer(fx->pool.reserve) == reserve);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void growing_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 10);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 10);
}

static void growing_with_an_element_out_guarantees_the_new_size(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_GE(test, mempool2_nr_reserved(&fx->pool) + fx->nr_held, 10);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 10);
}

/* Promise 4: the mask of a resize is GFP_KERNEL, unchanged */
static void growing_hands_on_gfp_kernel_unchanged(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, i), bits(GFP_KERNEL));
}

static void growing_keeps_the_elements_that_are_there(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *old[4];
	int i, j, nr_found = 0;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	memcpy(old, fx->held, sizeof(old));
	fixture_put_all(fx);
	source_recover(&fx->src);

	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 8), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 8);
	for (i = 0; i < fx->nr_held; i++)
		for (j = 0; j < 4; j++)
			nr_found += fx->held[i] == old[j];
	KUNIT_EXPECT_EQ(test, nr_found, 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void growing_returns_0_when_only_partly_filled(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 4);
	source_allow(&fx->src, 2);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 10);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
	KUNIT_EXPECT_FALSE(test, mempool2_is_saturated(&fx->pool));

	/* Later frees fill the reserve. */
	for (i = 0; i < 4; i++)
		mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 10);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
}

/* A free to a pool that is marked full does not look at the reserve. */
static void growing_makes_room_in_a_pool_that_is_known_to_be_full(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_FALSE(test, atomic_read(&fx->pool.state) & MEMPOOL2_NOT_FULL);

	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 6), 0);
	source_recover(&fx->src);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
}

static void growing_wakes_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	fx->src.only_for = current;
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 5), 0);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	/* The guarantee of the new size holds in addition to the elements of the waiters. */
	KUNIT_EXPECT_GE(test, mempool2_nr_reserved(&fx->pool) + 3 + fx->nr_held, 5);
}

static void growing_serves_waiters_in_their_order(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *callers[3];
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	for (i = 0; i < 3; i++)
		callers[i] = caller_that_waits(fx);
	/* Memory for two elements: the last caller goes on waiting. */
	fx->src.only_for = current;
	source_allow(&fx->src, 2);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, caller_returns(callers[i]));
	KUNIT_EXPECT_FALSE(test, caller_has_returned(callers[2]));
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(callers[2]));
	/* The pool has three elements for a size of four. */
	fx->incomplete = true;
}

static void growing_serves_a_bulk_waiter(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *bulk;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	bulk = caller_that_waits_for(fx, 4);
	fx->src.only_for = current;
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 12), 0);
	KUNIT_EXPECT_TRUE(test, caller_returns(bulk));
	KUNIT_EXPECT_EQ(test, bulk->ret, 0);
}

static void shrinking_frees_the_surplus_now(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 10);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 3);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 3);
}

static void shrinking_lets_elements_that_are_out_go_to_free_fn(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 1), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 3);
}

static void shrinking_lets_waiters_sleep_on(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	fixture_pool(fx, 4);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 1);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

static void shrinking_to_0_keeps_one_element(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 0), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 2);
}

static void resize_survives_a_backend_that_sleeps(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1);
	fx->src.sleeps = true;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 1), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	fx->src.sleeps = false;
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irqs_off), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_atomic), 0);
}

static void resize_without_memory_for_the_bookkeeping_changes_nothing(struct kunit *test)
{
	int min_nr = too_many_for_memory();
	struct fixture *fx = test->priv;
	void *reserve;

	if (!min_nr)
		kunit_skip(test, "this machine has too much memory");
	fixture_pool(fx, 4);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	reserve = rcu_access_pointer(fx->pool.reserve);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, min_nr), -ENOMEM);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 4);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 3);
	KUNIT_EXPECT_TRUE(test, rcu_access_pointer(fx->pool.reserve) == reserve);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 3);
}

/*
 * A resize to a smaller size needs no memory either. By default failslab fails only allocations
 * that may not sleep, so for a moment this case forbids sleeping to all of them.
 */
#if defined(CONFIG_FAILSLAB) && !defined(MODULE)
static void caller_drains_and_refills(struct caller *caller)
{
	void *elems[4];
	int i;

	for (caller->ret = 0; caller->ret < 4; caller->ret++) {
		elems[caller->ret] = mempool2_alloc_preallocated(caller->pool);
		if (!elems[caller->ret])
			break;
	}
	for (i = 0; i < caller->ret; i++)
		mempool2_free(elems[i], caller->pool);
}

static void pool_shrinks_without_memory_for_the_bookkeeping(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *reserve;
	int cpu;

	fixture_pool(fx, 200);
	reserve = rcu_access_pointer(fx->pool.reserve);
	gfp_allowed_mask &= ~__GFP_DIRECT_RECLAIM;
	current->fail_nth = 1;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	current->fail_nth = 0;
	gfp_allowed_mask |= __GFP_DIRECT_RECLAIM;
	KUNIT_EXPECT_TRUE(test, rcu_access_pointer(fx->pool.reserve) == reserve);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 4);
	for_each_online_cpu(cpu) {
		caller = caller_add(fx, caller_drains_and_refills);
		caller_run(caller, cpu);
		KUNIT_EXPECT_TRUE(test, caller_returns(caller));
		KUNIT_EXPECT_EQ(test, caller->ret, 4L);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	}
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 4);
}
#else
static void pool_shrinks_without_memory_for_the_bookkeeping(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB, and mempool2 built in");
}
#endif

/*
 * A back end for large pools: its elements are numbers, not memory, so that the pool takes most
 * of the time. The sum tells whether the right elements came back.
 */
struct numbers {
	unsigned long	last;
	atomic_long_t	nr_live;
	atomic_long_t	sum;
};

static void *number_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct numbers *numbers = pool_data;

	WRITE_ONCE(numbers->last, numbers->last + 1);
	atomic_long_inc(&numbers->nr_live);
	atomic_long_add(numbers->last * sizeof(void *), &numbers->sum);
	return (void *)(numbers->last * sizeof(void *));
}

static void number_free(void *element, void *pool_data)
{
	struct numbers *numbers = pool_data;

	atomic_long_dec(&numbers->nr_live);
	atomic_long_sub((unsigned long)element, &numbers->sum);
}

/* Around the size of a batch, and far beyond. */
static const int big_sizes[] = { 31, 32, 33, 64, 1000, 100000 };

static void big_size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements", *min_nr);
}

KUNIT_ARRAY_PARAM(big_size, big_sizes, big_size_name);

static void pool_grows_and_shrinks_back(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	struct numbers numbers = {};

	KUNIT_ASSERT_EQ(test, mempool2_init(pool, 2, number_alloc, number_free,
					    &numbers), 0);
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, *min_nr), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), *min_nr);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), *min_nr);
	/* No element was freed and allocated again. */
	KUNIT_EXPECT_EQ(test, numbers.last, (unsigned long)*min_nr);

	/* Resize once more, which moves all elements. */
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, *min_nr + 1), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), *min_nr + 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, 2), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 2);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), 2);

	mempool2_exit(pool);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), 0);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.sum), 0L);
}

/*
 * A pool can be used while its reserve is moved: another CPU takes elements meanwhile, and gets
 * nothing but valid elements.
 */
#define MOVED_SIZE	4000

static void look_while_it_moves_loop(struct caller *caller)
{
	struct mempool2 *pool = caller->pool;
	struct numbers *numbers = pool->pool_data;
	void *element;

	while (!READ_ONCE(caller->fx->stop)) {
		WRITE_ONCE(caller->count, caller->count + 1);
		element = mempool2_alloc_preallocated(pool);
		if (element && (unsigned long)element <= READ_ONCE(numbers->last) * sizeof(void *))
			mempool2_free(element, pool);
		else
			caller->ret++;
		/* A resize waits for a grace period. */
		cond_resched();
	}
}

static void reserve_is_whole_while_it_is_moved(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	struct numbers numbers = {};
	struct caller *caller;
	unsigned int before;
	int i, nr_seen = 0;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");
	KUNIT_ASSERT_EQ(test, mempool2_init(pool, MOVED_SIZE, number_alloc,
					    number_free, &numbers), 0);
	caller = caller_add(fx, look_while_it_moves_loop);
	caller->pool = pool;
	caller->count = 0;
	caller_run(caller, ANY_CPU);
	for (i = 1; i <= 50 || (!nr_seen && i < 1000); i++) {
		before = READ_ONCE(caller->count);
		KUNIT_EXPECT_EQ(test, mempool2_resize(pool, MOVED_SIZE + i), 0);
		nr_seen += READ_ONCE(caller->count) != before;
	}
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_EQ(test, caller->ret, 0L);
	KUNIT_EXPECT_GT(test, nr_seen, 0);
	mempool2_exit(pool);
}

static void large_pool_keeps_all_its_elements_apart(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void **elems;
	int i, nr;

	fixture_pool(fx, 1);
	KUNIT_ASSERT_EQ(test, mempool2_resize(&fx->pool, 1000), 0);
	elems = kunit_kcalloc(test, 1000, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	source_fail(&fx->src);
	for (nr = 0; nr < 1000; nr++) {
		elems[nr] = mempool2_alloc_preallocated(&fx->pool);
		if (!elems[nr])
			break;
		source_claim(&fx->src, elems[nr]);
	}
	KUNIT_EXPECT_EQ(test, nr, 1000);
	for (i = 0; i < nr; i++) {
		source_disclaim(&fx->src, elems[i]);
		mempool2_free(elems[i], &fx->pool);
	}
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1000);
}

/* The alloc and the free function may resize their pool: no lock of the pool is held there. */
static void resize_once(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	src->hook = NULL;
	if (mempool2_resize(&fx->pool, 6))
		src->hook_arg = NULL;
}

static void alloc_fn_may_resize_its_own_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.hook = resize_once;
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	KUNIT_EXPECT_PTR_EQ(test, fx->src.hook_arg, (void *)fx);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 6);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
}

static void alloc_fn_may_resize_while_its_pool_is_resized(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.hook = resize_once;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 4), 0);
	KUNIT_EXPECT_PTR_EQ(test, fx->src.hook_arg, (void *)fx);
	/* The inner resize began last. */
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 6);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 6);
}

static void free_and_resize_once(struct source *src)
{
	src->free_hook = NULL;
	resize_once(src, 0);
}

static void free_fn_may_resize_its_own_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.free_hook = free_and_resize_once;
	/* One more element than the reserve has room for. */
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_PTR_EQ(test, fx->src.hook_arg, (void *)fx);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 6);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 6);
}

/* Other calls in the middle of a resize. */
static void take_and_free(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;
	void *element = mempool2_alloc_preallocated(&fx->pool);

	mempool2_free(element, &fx->pool);
	mempool2_free(fixture_foreign(fx), &fx->pool);
}

static void growing_counts_what_others_free_meanwhile(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fx->src.hook_arg = fx;
	fx->src.hook = take_and_free;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 20), 0);
	fx->src.hook = NULL;
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 20);
}

/*
 * A resize is overtaken: in the middle of it another resize begins and ends. The other one
 * decides the size, as it began last.
 */

struct overtaken {
	int	from;
	int	to;
	int	last;
};

/* Up and down, within a batch of elements and far beyond. */
static const struct overtaken overtakens[] = {
	{ 2, 10, 20 }, { 2, 10, 10 }, { 2, 10, 5 }, { 2, 10, 1 }, { 2, 10, 0 },
	{ 2, 200, 300 }, { 2, 200, 100 }, { 2, 200, 3 }, { 100, 300, 70 },
	{ 20, 10, 30 }, { 20, 10, 20 }, { 20, 10, 15 }, { 20, 10, 5 }, { 20, 10, 0 },
	{ 300, 10, 400 }, { 300, 10, 300 }, { 300, 10, 100 }, { 300, 100, 5 },
};

static void overtaken_name(const struct overtaken *what, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "from %d to %d, overtaken by one to %d",
		 what->from, what->to, what->last);
}

KUNIT_ARRAY_PARAM(overtaken, overtakens, overtaken_name);

static struct {
	struct fixture	*fx;
	int		last;
	int		nr_left;	/* calls of the hook before the other resize */
} overtaking;

static void overtake(struct source *src)
{
	if (overtaking.nr_left-- == 0 && mempool2_resize(&overtaking.fx->pool, overtaking.last))
		atomic_inc(&src->nr_irregular);
}

static void overtake_from_alloc_fn(struct source *src, gfp_t gfp_mask)
{
	overtake(src);
}

static void later_resize_counts(struct kunit *test)
{
	const struct overtaken *what = test->param_value;
	struct fixture *fx = test->priv;
	int when, nr_steps = abs(what->to - what->from);

	fixture_pool(fx, what->from);
	overtaking.fx = fx;
	overtaking.last = what->last;
	/* In the first step of the resize, in the middle, and in the last step. */
	for (when = 0; when < 3; when++) {
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, what->from), 0);
		overtaking.nr_left = (nr_steps - 1) * when / 2;
		if (what->to > what->from)
			fx->src.hook = overtake_from_alloc_fn;
		else
			fx->src.free_hook = overtake;
		KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, what->to), 0);
		fx->src.hook = NULL;
		fx->src.free_hook = NULL;
		KUNIT_EXPECT_LT(test, overtaking.nr_left, 0);
		KUNIT_EXPECT_EQ(test, fx->pool.min_nr, what->last);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), max(what->last, 1));
		KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), max(what->last, 1));
	}
}

/*
 * Frees in the middle of a resize: one more in each step. In the end the pool has all the
 * elements that it needs, and no more.
 */

/* A free that calls the free function comes here again: 60 nested frees need much stack. */
static void free_one_held(struct source *src)
{
	struct fixture *fx = src->hook_arg;
	static bool is_freeing;

	if (!fx->nr_held || is_freeing)
		return;
	is_freeing = true;
	fixture_put(fx);
	is_freeing = false;
}

static void free_one_held_from_alloc_fn(struct source *src, gfp_t gfp_mask)
{
	free_one_held(src);
}

static const struct overtaken held_resizes[] = {
	{ 8, 16, 8 }, { 8, 16, 3 }, { 60, 100, 60 }, { 60, 300, 60 }, { 100, 300, 50 },
	{ 16, 8, 7 }, { 16, 1, 3 }, { 300, 200, 50 }, { 300, 10, 60 },
};

static void held_name(const struct overtaken *what, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "from %d to %d with %d out",
		 what->from, what->to, what->last);
}

KUNIT_ARRAY_PARAM(held, held_resizes, held_name);

static void frees_in_the_middle_of_a_resize_lose_and_overfill_nothing(struct kunit *test)
{
	const struct overtaken *what = test->param_value;
	struct fixture *fx = test->priv;
	int nr_freed;

	fixture_pool(fx, what->from);
	while (fx->nr_held < what->last)
		fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	fx->src.hook_arg = fx;
	fx->src.hook = free_one_held_from_alloc_fn;
	fx->src.free_hook = free_one_held;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, what->to), 0);
	fixture_put_all(fx);
	fx->src.hook = NULL;
	fx->src.free_hook = NULL;
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), what->to);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), what->to);
	/* The resize freed no element that it had to allocate anew. */
	nr_freed = what->from + atomic_read(&fx->src.nr_allocs) - what->to;
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), nr_freed);
}

/* A caller in the middle of a resize gets the elements that are left, and does not wait */

static void take_half_of_the_rest(struct source *src)
{
	struct fixture *fx = src->hook_arg;
	int nr = mempool2_nr_reserved(&fx->pool) / 2;

	while (nr-- && fx->nr_held < MAX_HELD)
		fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_NOWAIT));
	source_fail(src);
}

static void elements_can_be_had_in_the_middle_of_shrinking(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 200);
	source_fail(&fx->src);
	fx->src.hook_arg = fx;
	fx->src.free_hook = take_half_of_the_rest;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 20), 0);
	fx->src.free_hook = NULL;
	KUNIT_EXPECT_GT(test, fx->nr_held, 0);
	KUNIT_EXPECT_GE(test, mempool2_nr_reserved(&fx->pool) + fx->nr_held, 20);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 20);
}

static void count_the_rest(struct source *src)
{
	struct fixture *fx = src->hook_arg;

	src->free_hook = NULL;
	fx->nr_held = mempool2_nr_reserved(&fx->pool);
}

static void elements_still_to_be_moved_are_counted(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int nr;

	fixture_pool(fx, 400);
	fx->src.hook_arg = fx;
	fx->src.free_hook = count_the_rest;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 20), 0);
	nr = fx->nr_held;
	fx->nr_held = 0;
	/* The hook runs for the first surplus element, which is in the first batch. */
	KUNIT_EXPECT_GE(test, nr, 300);
}

/* Empty the reserve, start a waiter, and then free an element. */
static void let_one_wait(struct source *src)
{
	struct fixture *fx = src->hook_arg;
	void *element;

	src->free_hook = NULL;
	while ((element = mempool2_alloc_preallocated(&fx->pool)))
		fixture_hold(fx, element);
	caller_that_waits(fx);
	if (caller_has_returned(&fx->callers[0]))
		atomic_inc(&src->nr_irregular);
	fixture_put(fx);
	if (!caller_returns(&fx->callers[0]))
		atomic_inc(&src->nr_irregular);
	source_fail(src);
}

static void waiter_that_comes_in_the_middle_of_shrinking_is_served(struct kunit *test)
{
	struct fixture *fx = test->priv;

	/* When the first surplus element is freed, most elements are still in the old reserve. */
	fixture_pool(fx, 60);
	source_fail(&fx->src);
	fx->src.hook_arg = fx;
	fx->src.free_hook = let_one_wait;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_EXPECT_EQ(test, fx->nr_callers, 1);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
}

static void let_one_wait_from_alloc_fn(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	/* Only once, and not for the waiter's own call of the alloc function. */
	if (fx->nr_callers || gfp_mask != GFP_KERNEL)
		return;
	source_fail(src);
	src->hook = NULL;
	let_one_wait(src);
}

static void waiter_that_comes_in_the_middle_of_growing_is_served(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 10);
	fx->src.hook_arg = fx;
	fx->src.hook = let_one_wait_from_alloc_fn;
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 30), 0);
	KUNIT_EXPECT_EQ(test, fx->nr_callers, 1);
	KUNIT_EXPECT_EQ(test, nr_waiters(&fx->pool), 0);
	/* The back end has no more memory, so the pool keeps the elements that it had. */
	fx->incomplete = true;
}

/* Promise 10: one CPU can take all elements of a pool of any size, and soon */

static const int any_sizes[] = { 1, 2, 64, 65, 128, 256, 1000, 100000 };

static void any_size_name(const int *min_nr, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d elements", *min_nr);
}

KUNIT_ARRAY_PARAM(any_size, any_sizes, any_size_name);

/* The elements are consecutive numbers, so the case need not store them. */
static void *number(int i)
{
	return (void *)((i + 1UL) * sizeof(void *));
}

static int numbers_take(struct mempool2 *pool, struct numbers *sum)
{
	void *element;
	int nr = 0;

	while ((element = mempool2_alloc_preallocated(pool))) {
		nr++;
		atomic_long_add((unsigned long)element, &sum->sum);
	}
	return nr;
}

static void pool_is_drained_and_refilled_to_the_last(struct kunit *test)
{
	const int *min_nr = test->param_value;
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	/* In a large pool one round takes long enough. */
	int round, i, nr_rounds = *min_nr > 1000 ? 1 : 3;
	struct numbers numbers = {}, taken;

	KUNIT_ASSERT_EQ(test, mempool2_init(pool, *min_nr, number_alloc, number_free,
					    &numbers), 0);
	for (round = 0; round < nr_rounds; round++) {
		KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(pool));
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), *min_nr);
		/*
		 * A full reserve takes no more elements: the surplus goes to free_fn, and the
		 * reserve is unchanged.
		 */
		mempool2_free(number_alloc(GFP_KERNEL, &numbers), pool);
		numbers.last--;
		KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), *min_nr);

		memset(&taken, 0, sizeof(taken));
		KUNIT_EXPECT_EQ(test, numbers_take(pool, &taken), *min_nr);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&taken.sum),
				atomic_long_read(&numbers.sum));
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 0);
		KUNIT_EXPECT_FALSE(test, mempool2_is_saturated(pool));
		for (i = 0; i < *min_nr; i++)
			mempool2_free(number(i), pool);
		KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.nr_live), *min_nr);
	}
	mempool2_exit(pool);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&numbers.sum), 0L);
}

static struct kunit_case resize_cases[] = {
	KUNIT_CASE(resize_to_the_same_size_changes_nothing),
	KUNIT_CASE(growing_fills_the_reserve),
	KUNIT_CASE(growing_with_an_element_out_guarantees_the_new_size),
	KUNIT_CASE(growing_hands_on_gfp_kernel_unchanged),
	KUNIT_CASE(growing_keeps_the_elements_that_are_there),
	KUNIT_CASE(growing_returns_0_when_only_partly_filled),
	KUNIT_CASE(growing_makes_room_in_a_pool_that_is_known_to_be_full),
	KUNIT_CASE(growing_wakes_waiters),
	KUNIT_CASE(growing_serves_waiters_in_their_order),
	KUNIT_CASE(growing_serves_a_bulk_waiter),
	KUNIT_CASE(shrinking_frees_the_surplus_now),
	KUNIT_CASE(shrinking_lets_elements_that_are_out_go_to_free_fn),
	KUNIT_CASE(shrinking_lets_waiters_sleep_on),
	KUNIT_CASE(shrinking_to_0_keeps_one_element),
	KUNIT_CASE(resize_survives_a_backend_that_sleeps),
	KUNIT_CASE(resize_without_memory_for_the_bookkeeping_changes_nothing),
	KUNIT_CASE(pool_shrinks_without_memory_for_the_bookkeeping),
	KUNIT_CASE_PARAM(pool_grows_and_shrinks_back, big_size_gen_params),
	KUNIT_CASE(reserve_is_whole_while_it_is_moved),
	KUNIT_CASE(large_pool_keeps_all_its_elements_apart),
	KUNIT_CASE(alloc_fn_may_resize_its_own_pool),
	KUNIT_CASE(alloc_fn_may_resize_while_its_pool_is_resized),
	KUNIT_CASE(free_fn_may_resize_its_own_pool),
	KUNIT_CASE(growing_counts_what_others_free_meanwhile),
	KUNIT_CASE_PARAM(later_resize_counts, overtaken_gen_params),
	KUNIT_CASE_PARAM(frees_in_the_middle_of_a_resize_lose_and_overfill_nothing,
			 held_gen_params),
	KUNIT_CASE(elements_can_be_had_in_the_middle_of_shrinking),
	KUNIT_CASE(elements_still_to_be_moved_are_counted),
	KUNIT_CASE(waiter_that_comes_in_the_middle_of_shrinking_is_served),
	KUNIT_CASE(waiter_that_comes_in_the_middle_of_growing_is_served),
	KUNIT_CASE_PARAM(pool_is_drained_and_refilled_to_the_last, any_size_gen_params),
	{}
};

static struct kunit_suite resize_suite = {
	.name = "mempool2_resize",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = resize_cases,
};

kunit_test_suite(resize_suite);
