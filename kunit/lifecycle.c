// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: how pools are created and destroyed
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fixture.h"

/* Promise 1: init, exit, and the state of the pool in between */

static void init_works_on_a_zeroed_struct(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	fixture_pool(fx, 4);
	KUNIT_EXPECT_TRUE(test, mempool2_initialized(&fx->pool));
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 4);
	KUNIT_EXPECT_PTR_EQ(test, fx->pool.pool_data, (void *)&fx->src);
}

static void init_works_on_memory_with_rubbish_in_it(struct kunit *test)
{
	struct fixture *fx = test->priv;

	memset(&fx->pool, 0xa5, sizeof(fx->pool));
	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
}

static void failed_init_on_rubbish_leaves_an_exited_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	memset(&fx->pool, 0xa5, sizeof(fx->pool));
	fx->src.pool = NULL;
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_init(&fx->pool, 4, source_alloc,
					    source_free, &fx->src), -ENOMEM);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void init_fills_the_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 7);
	KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 7);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
}

static void pool_with_an_element_out_is_not_saturated(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_EXPECT_FALSE(test, mempool2_is_saturated(&fx->pool));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));
}

static void exit_is_legal_on_a_zeroed_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;

	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	expect_no_warning(fx);
}

static void exit_is_legal_after_a_failed_init(struct kunit *test)
{
	struct fixture *fx = test->priv;

	source_allow(&fx->src, 2);
	KUNIT_EXPECT_EQ(test, mempool2_init(&fx->pool, 4, source_alloc,
					    source_free, &fx->src), -ENOMEM);
	source_forget(&fx->src);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	expect_no_warning(fx);
}

static void exit_is_legal_twice(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 4);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 4);
	expect_no_warning(fx);
}

static void exited_pool_is_not_initialized(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
}

static void init_works_again_after_exit(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 4);
	mempool2_exit(&fx->pool);
	fixture_pool(fx, 6);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 6);
}

static void init_works_after_a_failed_init(struct kunit *test)
{
	struct fixture *fx = test->priv;

	source_allow(&fx->src, 2);
	KUNIT_EXPECT_EQ(test, mempool2_init(&fx->pool, 4, source_alloc,
					    source_free, &fx->src), -ENOMEM);
	source_recover(&fx->src);
	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
}

static void exit_frees_the_reserve_and_no_more(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checks_may_report();
	fixture_pool(fx, 4);
	element = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_ASSERT_NOT_NULL(test, element);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 1);
	source_free(element, &fx->src);
}

static void exit_frees_a_large_reserve(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 1000);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1000);
}

static void create_makes_what_destroy_ends(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool;

	pool = mempool2_create(4, source_alloc, source_free, &fx->src);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	KUNIT_EXPECT_TRUE(test, mempool2_initialized(pool));
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 4);
	mempool2_destroy(pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 4);
}

static void pools_can_be_made_on_a_given_node(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool;
	int node = first_online_node;

	pool = mempool2_create_node(4, source_alloc, source_free, &fx->src,
				    GFP_KERNEL, node);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	KUNIT_EXPECT_EQ(test, page_to_nid(virt_to_page(pool)), node);
	KUNIT_EXPECT_EQ(test, pool->node, node);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 4);
	mempool2_destroy(pool);

	KUNIT_EXPECT_EQ(test, mempool2_init_node(&fx->pool, 4, source_alloc,
						 source_free, &fx->src,
						 GFP_KERNEL, node), 0);
	KUNIT_EXPECT_EQ(test, page_to_nid(virt_to_page(rcu_access_pointer(fx->pool.reserve))),
			node);
}

/* Promise 2: NULL does nothing */

static void destroy_of_null_does_nothing(struct kunit *test)
{
	mempool2_destroy(NULL);
	expect_no_warning(test->priv);
}

static void free_of_null_does_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 2);
	mempool2_free(NULL, &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);

	/* Also with room in the reserve. */
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	mempool2_free(NULL, &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	expect_no_warning(fx);
}

static void free_of_null_to_a_zeroed_pool_does_nothing(struct kunit *test)
{
	struct fixture *fx = test->priv;

	mempool2_free(NULL, &fx->pool);
	expect_no_warning(fx);
}

/* Promise 3: no memory while a pool is created */

static const int failing_calls[] = { 0, 1, 3, 7 };

static void failing_call_name(const int *call, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "call %d of 8", *call + 1);
}

KUNIT_ARRAY_PARAM(failing_call, failing_calls, failing_call_name);

static void init_frees_everything_when_alloc_fn_fails(struct kunit *test)
{
	const int *call = test->param_value;
	struct fixture *fx = test->priv;

	source_allow(&fx->src, *call);
	KUNIT_EXPECT_EQ(test, mempool2_init(&fx->pool, 8, source_alloc,
					    source_free, &fx->src), -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), *call + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), *call);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
}

static void init_that_fails_under_a_spin_lock_does_not_sleep(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	struct fixture *fx = test->priv;
	int ret;

	source_allow(&fx->src, 3);
	spin_lock(&lock);
	ret = mempool2_init_node(&fx->pool, 8, source_alloc, source_free, &fx->src,
				 GFP_NOWAIT, NUMA_NO_NODE);
	spin_unlock(&lock);
	KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 3);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
}

static void create_returns_null_when_alloc_fn_fails(struct kunit *test)
{
	const int *call = test->param_value;
	struct fixture *fx = test->priv;

	source_allow(&fx->src, *call);
	KUNIT_EXPECT_NULL(test, mempool2_create(8, source_alloc, source_free,
						&fx->src));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), *call);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
	expect_no_warning(fx);
}

static void init_without_memory_for_the_bookkeeping_is_enomem(struct kunit *test)
{
	int min_nr = too_many_for_memory();
	struct fixture *fx = test->priv;

	if (!min_nr)
		kunit_skip(test, "this machine has too much memory");
	KUNIT_EXPECT_EQ(test, mempool2_init_node(&fx->pool, min_nr, source_alloc,
						 source_free, &fx->src,
						 GFP_KERNEL | __GFP_NOWARN,
						 NUMA_NO_NODE), -ENOMEM);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
	KUNIT_EXPECT_FALSE(test, mempool2_initialized(&fx->pool));
	KUNIT_EXPECT_NULL(test, mempool2_create_node(min_nr, source_alloc,
						     source_free, &fx->src,
						     GFP_KERNEL | __GFP_NOWARN,
						     NUMA_NO_NODE));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_allocs), 0);
}

#ifdef CONFIG_FAILSLAB
/*
 * Fail each allocation in turn, from the first to the last one. By default fault injection fails
 * only allocations that may not sleep, hence the mask.
 */
static void create_survives_the_failure_of_any_allocation(struct kunit *test)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_NOWARN;
	struct fixture *fx = test->priv;
	struct mempool2 *pool;
	int nth, nr_null, round;
	bool all;

	/*
	 * The pool, its bookkeeping, four elements, and any page that the slab allocator needs
	 * for them. Debug features of the kernel allocate more, which may fail without harm. If
	 * they do so in one call only, one of the six failures is missed: then try again.
	 */
	for (round = nr_null = 0; round < 5 && nr_null < 6; round++) {
		all = false;
		nr_null = 0;
		for (nth = 1; !all && nth < 100; nth++) {
			current->fail_nth = nth;
			pool = mempool2_create_node(4, source_alloc, source_free,
						    &fx->src, gfp, NUMA_NO_NODE);
			/*
			 * fail_nth has not been counted down to zero: the call made no more
			 * allocations.
			 */
			all = current->fail_nth;
			current->fail_nth = 0;
			if (!pool)
				nr_null++;
			mempool2_destroy(pool);
			KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 0);
		}
		KUNIT_EXPECT_TRUE(test, all);
	}
	KUNIT_EXPECT_GE(test, nr_null, 6);
	expect_no_warning(fx);
}
#else
static void create_survives_the_failure_of_any_allocation(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB");
}
#endif

/* Promise 4: the caller's mask while a pool is created */

struct given_mask {
	const char	*name;
	gfp_t		gfp;
};

static const struct given_mask given_masks[] = {
	{ "GFP_KERNEL", GFP_KERNEL },
	{ "GFP_NOIO", GFP_NOIO },
	{ "GFP_NOFS", GFP_NOFS },
	{ "GFP_NOWAIT", GFP_NOWAIT },
	{ "GFP_ATOMIC", GFP_ATOMIC },
	{ "GFP_KERNEL with __GFP_HIGH", GFP_KERNEL | __GFP_HIGH },
};

static void given_mask_name(const struct given_mask *mask, char *name)
{
	strscpy(name, mask->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(given_mask, given_masks, given_mask_name);

static void init_hands_on_its_mask_unchanged(struct kunit *test)
{
	const struct given_mask *mask = test->param_value;
	struct fixture *fx = test->priv;
	int i;

	KUNIT_ASSERT_EQ(test, mempool2_init_node(&fx->pool, 3, source_alloc,
						 source_free, &fx->src,
						 mask->gfp, NUMA_NO_NODE), 0);
	KUNIT_ASSERT_EQ(test, atomic_read(&fx->src.nr_allocs), 3);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, i), bits(mask->gfp));
}

static void init_without_a_mask_uses_gfp_kernel(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, 1, source_alloc,
					    source_free, &fx->src), 0);
	KUNIT_EXPECT_EQ(test, mask_of_call(&fx->src, 0), bits(GFP_KERNEL));
}

static void init_runs_alloc_fn_without_locks(struct kunit *test)
{
	struct fixture *fx = test->priv;

	/* Do not reset the counts: the calls by init count. */
	fx->src.sleeps = true;
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->pool, 2, source_alloc,
					    source_free, &fx->src), 0);
	mempool2_exit(&fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_irqs_off), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_atomic), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_locked), 0);
}

/* Promise 13: a pool with min_nr 0 */

static void pool_with_min_nr_0_is_legal(struct kunit *test)
{
	struct fixture *fx = test->priv;

	fixture_pool(fx, 0);
	KUNIT_EXPECT_EQ(test, fx->pool.min_nr, 0);
	KUNIT_EXPECT_TRUE(test, mempool2_initialized(&fx->pool));
	KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));
	/* One element, so that the pool makes progress, and no more. */
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 1);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	KUNIT_EXPECT_TRUE(test, mempool2_is_saturated(&fx->pool));
}

/* A pool may be copied before its first use */

/* Promise 19: a pool that is not yet used may be copied */

/* As md/raid1 does when its disks change: a new pool on the stack. */
static void copy_pool(struct fixture *fx, int min_nr)
{
	struct mempool2 new = {}, old = fx->pool;

	KUNIT_ASSERT_EQ(fx->test, mempool2_init(&new, min_nr, source_alloc,
						source_free, &fx->src), 0);
	fx->pool = new;
	init_waitqueue_head(&fx->pool.wait);
	mempool2_exit(&old);
}

static void pool_may_be_copied_over_an_old_one(struct kunit *test)
{
	struct fixture *fx = test->priv;

	/* The checks of fx->src look at fx->pool, which is not the pool that runs here. */
	fx->src.pool = NULL;
	fixture_pool(fx, 4);
	fixture_put_all(fx);

	copy_pool(fx, 6);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 4);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_live), 6);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 6);
	fixture_put_all(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 6);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 2), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

static void copied_pool_serves_its_waiters(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;
	void *element;

	fx->src.pool = NULL;
	fixture_pool(fx, 4);
	copy_pool(fx, 1);

	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 1);
	caller = caller_that_waits(fx);
	element = fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	KUNIT_EXPECT_PTR_EQ(test, caller->elems[0], element);
}

static void idle_pool_may_be_exited_through_a_copy(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 copy;

	fixture_pool(fx, 4);
	KUNIT_EXPECT_EQ(test, fixture_drain(fx), 4);
	fixture_put_all(fx);

	copy = fx->pool;
	mempool2_exit(&copy);
	memset(&fx->pool, 0, sizeof(fx->pool));
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 4);
}

/* Pools work before the first initcall */

#ifdef MODULE
/* Promise 20: pools work before the first initcall */

static void pool_works_before_the_first_initcall(struct kunit *test)
{
	kunit_skip(test, "the tests are a module: they come after all initcalls");
}

static void callbacks_from_before_the_first_initcall_run(struct kunit *test)
{
	kunit_skip(test, "the tests are a module: they come after all initcalls");
}

static void early_pool_still_works(struct kunit *test)
{
	kunit_skip(test, "the tests are a module: they come after all initcalls");
}
#else
#define EARLY_SIZE	64
/* More callbacks than run at once, and again more than the first call of cancel_sync() runs. */
#define EARLY_REQUESTS	200

static struct {
	bool		was_run;
	enum system_states state;
	struct mempool2	pool;
	int		init_err;
	bool		was_saturated;
	void		*fresh;
	int		nr_drained;
	void		*beyond;
	int		nr_after_free;
	int		grow_err;
	int		nr_after_grow;
	int		shrink_err;
	int		nr_after_shrink;
	int		bulk_err;
	unsigned int	bulk_taken;
	bool		was_created;
	struct mempool2	queue;
	int		queue_err;
	int		nr_requests;
	int		nr_called;
	int		nr_cancelled;
} early;

static struct mempool2_waiter early_waiters[EARLY_REQUESTS];

static void *early_alloc(gfp_t gfp_mask, void *pool_data)
{
	/* Only for the reserve. */
	return gfp_mask & __GFP_NOMEMALLOC ? NULL : pool_data;
}

static void early_free(void *element, void *pool_data)
{
}

static void early_callback(struct mempool2_waiter *waiter, void **elems)
{
	early.nr_called++;
	mempool2_free(elems[0], &early.queue);
}

static void __init early_requests(void)
{
	static void *elems[EARLY_REQUESTS] __initdata;
	int i;

	for (i = 0; i < EARLY_REQUESTS; i++)
		elems[i] = mempool2_alloc_preallocated(&early.queue);
	for (i = 0; i < EARLY_REQUESTS; i++) {
		mempool2_waiter_init(&early_waiters[i], early_callback);
		early.nr_requests += mempool2_alloc_async(&early.queue, GFP_NOWAIT,
							  &early_waiters[i]) ==
				     ERR_PTR(-EINPROGRESS);
	}
	mempool2_free_bulk(&early.queue, elems, EARLY_REQUESTS);
	/* Of those that did not run at once. On PREEMPT_RT it is not in the queue yet. */
	early.nr_cancelled = mempool2_cancel_sync(&early_waiters[EARLY_REQUESTS / 2]);
}

static void __init early_use(void)
{
	void *elems[4];
	int i;

	early.was_saturated = mempool2_is_saturated(&early.pool);
	early.fresh = mempool2_alloc(&early.pool, GFP_KERNEL);
	for (i = 0; i < 4; i++) {
		elems[i] = mempool2_alloc_preallocated(&early.pool);
		early.nr_drained += !!elems[i];
	}
	early.beyond = mempool2_alloc_preallocated(&early.pool);
	for (i = 0; i < 4; i++)
		mempool2_free(elems[i], &early.pool);
	early.nr_after_free = mempool2_nr_reserved(&early.pool);
	mempool2_free(early.fresh, &early.pool);

	early.grow_err = mempool2_resize(&early.pool, 40);
	early.nr_after_grow = mempool2_nr_reserved(&early.pool);
	early.shrink_err = mempool2_resize(&early.pool, 4);
	early.nr_after_shrink = mempool2_nr_reserved(&early.pool);

	early.bulk_err = mempool2_alloc_bulk(&early.pool, elems, 4);
	if (early.bulk_err)
		return;
	early.bulk_taken = mempool2_free_bulk(&early.pool, elems, 4);
	for (i = early.bulk_taken; i < 4; i++)
		mempool2_free(elems[i], &early.pool);
}

/* Console initcalls run long before the first other initcall, see start_kernel(). */
static int __init early_hook(void)
{
	struct mempool2 *created;

	early.was_run = true;
	early.state = system_state;
	early.init_err = mempool2_init_kmalloc_pool(&early.pool, 4, EARLY_SIZE);
	if (!early.init_err)
		early_use();

	early.queue_err = mempool2_init(&early.queue, EARLY_REQUESTS, early_alloc, early_free,
					&early);
	if (!early.queue_err)
		early_requests();

	created = mempool2_create_page_pool(1, 0);
	early.was_created = created;
	mempool2_destroy(created);
	return 0;
}
console_initcall(early_hook);

static void pool_works_before_the_first_initcall(struct kunit *test)
{
	KUNIT_ASSERT_TRUE(test, early.was_run);
	KUNIT_EXPECT_EQ(test, (int)early.state, (int)SYSTEM_BOOTING);
	KUNIT_ASSERT_EQ(test, early.init_err, 0);
	KUNIT_EXPECT_TRUE(test, early.was_saturated);
	KUNIT_EXPECT_NOT_NULL(test, early.fresh);
	KUNIT_EXPECT_EQ(test, early.nr_drained, 4);
	KUNIT_EXPECT_NULL(test, early.beyond);
	KUNIT_EXPECT_EQ(test, early.nr_after_free, 4);
	KUNIT_EXPECT_EQ(test, early.grow_err, 0);
	KUNIT_EXPECT_EQ(test, early.nr_after_grow, 40);
	KUNIT_EXPECT_EQ(test, early.shrink_err, 0);
	KUNIT_EXPECT_EQ(test, early.nr_after_shrink, 4);
	KUNIT_EXPECT_EQ(test, early.bulk_err, 0);
	/* There was memory, so the call left the reserve alone, and the reserve had no room. */
	KUNIT_EXPECT_EQ(test, early.bulk_taken, 0);
	KUNIT_EXPECT_TRUE(test, early.was_created);
}

static void callbacks_from_before_the_first_initcall_run(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, early.queue_err, 0);
	KUNIT_EXPECT_EQ(test, early.nr_requests, EARLY_REQUESTS);
	comes_true(READ_ONCE(early.nr_called) + early.nr_cancelled == EARLY_REQUESTS, TIMEOUT);
	KUNIT_EXPECT_EQ(test, early.nr_called + early.nr_cancelled, EARLY_REQUESTS);
}

static void early_pool_still_works(struct kunit *test)
{
	void *element;

	KUNIT_ASSERT_EQ(test, early.init_err, 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&early.pool), 4);
	element = mempool2_alloc_preallocated(&early.pool);
	KUNIT_ASSERT_NOT_NULL(test, element);
	memset(element, 0x5a, EARLY_SIZE);
	mempool2_free(element, &early.pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&early.pool), 4);
}
#endif /* !MODULE */

static struct kunit_case lifecycle_cases[] = {
	KUNIT_CASE(init_works_on_a_zeroed_struct),
	KUNIT_CASE(init_works_on_memory_with_rubbish_in_it),
	KUNIT_CASE(failed_init_on_rubbish_leaves_an_exited_pool),
	KUNIT_CASE(init_fills_the_reserve),
	KUNIT_CASE(pool_with_an_element_out_is_not_saturated),
	KUNIT_CASE(exit_is_legal_on_a_zeroed_pool),
	KUNIT_CASE(exit_is_legal_after_a_failed_init),
	KUNIT_CASE(exit_is_legal_twice),
	KUNIT_CASE(exited_pool_is_not_initialized),
	KUNIT_CASE(init_works_again_after_exit),
	KUNIT_CASE(init_works_after_a_failed_init),
	KUNIT_CASE(exit_frees_the_reserve_and_no_more),
	KUNIT_CASE(exit_frees_a_large_reserve),
	KUNIT_CASE(create_makes_what_destroy_ends),
	KUNIT_CASE(pools_can_be_made_on_a_given_node),
	KUNIT_CASE(destroy_of_null_does_nothing),
	KUNIT_CASE(free_of_null_does_nothing),
	KUNIT_CASE(free_of_null_to_a_zeroed_pool_does_nothing),
	KUNIT_CASE_PARAM(init_frees_everything_when_alloc_fn_fails,
			 failing_call_gen_params),
	KUNIT_CASE(init_that_fails_under_a_spin_lock_does_not_sleep),
	KUNIT_CASE_PARAM(create_returns_null_when_alloc_fn_fails,
			 failing_call_gen_params),
	KUNIT_CASE(init_without_memory_for_the_bookkeeping_is_enomem),
	KUNIT_CASE(create_survives_the_failure_of_any_allocation),
	KUNIT_CASE_PARAM(init_hands_on_its_mask_unchanged, given_mask_gen_params),
	KUNIT_CASE(init_without_a_mask_uses_gfp_kernel),
	KUNIT_CASE(init_runs_alloc_fn_without_locks),
	KUNIT_CASE(pool_with_min_nr_0_is_legal),
	KUNIT_CASE(pool_may_be_copied_over_an_old_one),
	KUNIT_CASE(copied_pool_serves_its_waiters),
	KUNIT_CASE(idle_pool_may_be_exited_through_a_copy),
	KUNIT_CASE(pool_works_before_the_first_initcall),
	KUNIT_CASE(callbacks_from_before_the_first_initcall_run),
	KUNIT_CASE(early_pool_still_works),
	{}
};

static struct kunit_suite lifecycle_suite = {
	.name = "mempool2_lifecycle",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = lifecycle_cases,
};

kunit_test_suite(lifecycle_suite);
