// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: finding misuse
 *
 * Each case provokes one kind of misuse and expects one report, which names the pool. Correct
 * use causes no report, with all checks on.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../core/ext.h"
#include "../core/reserve.h"
#include "../mempool2_debug.h"
#include "fixture.h"

/* fixture_pool() creates the pool, so reports name it. */
#define MADE_BY_FIXTURE		"fixture_pool"

static void checked_pool(struct fixture *fx, int min_nr, unsigned int checks)
{
	fixture_pool(fx, min_nr);
	KUNIT_ASSERT_EQ(fx->test, mempool2_set_checks(&fx->pool, checks), 0);
}

/* Double frees */

static void element_freed_twice_is_reported_and_kept_once(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checked_pool(fx, 2, MEMPOOL2_CHECK_DOUBLE);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 2);
	element = fixture_put(fx);
	expect_no_warning(fx);
	mempool2_free(element, &fx->pool);
	expect_report(fx, "double free", MADE_BY_FIXTURE);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void element_parked_before_the_check_is_known(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 2);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 2);
	element = fixture_put(fx);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_DOUBLE), 0);
	mempool2_free(element, &fx->pool);
	expect_report(fx, "double free", MADE_BY_FIXTURE);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

static void elements_in_the_store_before_the_check_are_known(struct kunit *test)
{
	struct mempool2_reserve *reserve;
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 200);
	reserve = rcu_access_pointer(fx->pool.reserve);
	KUNIT_ASSERT_GT(test, reserve->nr_stored, 1u);
	/* Make room for an element that would be kept twice. */
	fixture_hold(fx, mempool2_alloc_preallocated(&fx->pool));
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_DOUBLE), 0);
	element = reserve->store[0];
	mempool2_free(element, &fx->pool);
	expect_report(fx, "double free", MADE_BY_FIXTURE);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 199);
}

static void element_freed_twice_in_bulk_is_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[3];

	checked_pool(fx, 3, MEMPOOL2_CHECK_DOUBLE);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 3);
	elems[0] = fx->held[0];
	elems[1] = fx->held[0];
	elems[2] = fx->held[1];
	fx->held[0] = fx->held[2];
	fx->nr_held = 1;
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 3), 3);
	expect_report(fx, "double free", MADE_BY_FIXTURE);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
}

static void elements_of_a_bulk_call_are_known_to_be_out(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *elems[3];

	checked_pool(fx, 3, MEMPOOL2_CHECK_DOUBLE);
	source_fail(&fx->src);
	KUNIT_ASSERT_EQ(test, mempool2_alloc_bulk(&fx->pool, elems, 3), 0);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 3), 3u);
	expect_no_warning(fx);
	mempool2_free(elems[0], &fx->pool);
	expect_report(fx, "double free", MADE_BY_FIXTURE);
}

static void report_names_the_pool(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	fixture_pool(fx, 2);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(&fx->pool,
						"a-name-that-has-more-than-31-characters"), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_DOUBLE), 0);
	fixture_drain(fx);
	element = fixture_put(fx);
	mempool2_free(element, &fx->pool);
	expect_report(fx, "double free", "a-name-that-has-more-than-31-ch");
}

struct odd_name {
	const char	*what;
	const char	*name;
	const char	*shown;
};

static const struct odd_name odd_names[] = {
	{ "blanks", "a\tpool of mine ", "a_pool_of_mine_" },
	{ "newline", "two\nlines", "two_lines" },
	{ "nothing else", "\n", "_" },
	{ "escape", "red\033[31m", "red_[31m" },
	{ "delete", "del\177", "del_" },
	{ "no ASCII", "csi\23331m\377", "csi_31m_" },
	{ "too long", "\n23456789\n123456789\n123456789\n123456789",
	  "_23456789_123456789_123456789_1" },
	{ "usual", "nvme0n1/md-raid:cmd#2", "nvme0n1/md-raid:cmd#2" },
};

static void odd_name_name(const struct odd_name *name, char *text)
{
	strscpy(text, name->what, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(odd_name, odd_names, odd_name_name);

static void double_free(struct fixture *fx)
{
	void *element;

	fixture_drain(fx);
	element = fixture_put(fx);
	mempool2_free(element, &fx->pool);
}

static void name_is_shown_as_one_printable_word(struct kunit *test)
{
	const struct odd_name *name = test->param_value;
	struct fixture *fx = test->priv;

	checked_pool(fx, 2, MEMPOOL2_CHECK_DOUBLE);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(&fx->pool, name->name), 0);
	double_free(fx);
	expect_report(fx, "double free", name->shown);
}

/* The name that a compiler gives to a copy of a function for some of its callers. */
noinline int copied_function(struct fixture *fx) asm("copied_function.isra.0.constprop.0");

noinline int copied_function(struct fixture *fx)
{
	int err = mempool2_init(&fx->pool, 2, source_alloc, source_free, &fx->src);

	/* Prevents a tail call, which would hide this function as the creation site of the pool. */
	barrier();
	return err;
}

static void pool_has_the_name_that_its_function_has_in_the_source(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_ASSERT_EQ(test, copied_function(fx), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_DOUBLE), 0);
	double_free(fx);
	expect_report(fx, "double free", "copied_function");
}

static void reports_of_a_pool_are_limited(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;
	int i;

	checked_pool(fx, 2, MEMPOOL2_CHECK_DOUBLE);
	fixture_drain(fx);
	element = fixture_put(fx);
	for (i = 0; i < 5; i++) {
		mempool2_free(element, &fx->pool);
		expect_report(fx, "double free", MADE_BY_FIXTURE);
	}
	for (i = 0; i < 20; i++)
		mempool2_free(element, &fx->pool);
	expect_no_warning(fx);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 1);
}

/* Poison */

enum stock { SLAB, KMALLOC, KVMALLOC, PAGES };

struct stock_pool {
	const char	*name;
	enum stock	stock;
};

static const struct stock_pool stock_pools[] = {
	{ "slab", SLAB },
	{ "kmalloc", KMALLOC },
	{ "kvmalloc", KVMALLOC },
	{ "pages", PAGES },
};

static void stock_pool_name(const struct stock_pool *stock, char *name)
{
	strscpy(name, stock->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(stock_pool, stock_pools, stock_pool_name);

#define STOCK_SIZE	120

/* KASAN keeps data in parked slab objects, and checks them itself. */
static void poison_is_ours(struct kunit *test, enum stock stock)
{
	if (IS_ENABLED(CONFIG_KASAN) && IS_BUILTIN(CONFIG_MEMPOOL2) &&
	    (stock == SLAB || stock == KMALLOC))
		kunit_skip(test, "a sanitizer watches these elements instead");
}

static int stock_init(struct mempool2 *pool, enum stock stock, struct kmem_cache *cache)
{
	switch (stock) {
	case SLAB:
		return mempool2_init_slab_pool(pool, 1, cache);
	case KMALLOC:
		return mempool2_init_kmalloc_pool(pool, 1, STOCK_SIZE);
	case KVMALLOC:
		return mempool2_init_kvmalloc_pool(pool, 1, STOCK_SIZE);
	case PAGES:
		return mempool2_init_page_pool(pool, 1, 0);
	}
	return -EINVAL;
}

/* KASAN would report this write too, and sooner. */
static noinline __no_sanitize_address void scribble(volatile u8 *byte)
{
	*byte = 0x5a;
}

static u8 *stock_byte(void *element, enum stock stock)
{
	return (u8 *)(stock == PAGES ? page_address(element) : element) + STOCK_SIZE - 1;
}

static void element_written_to_in_the_reserve_is_reported(struct kunit *test)
{
	const struct stock_pool *stock = test->param_value;
	struct fixture *fx = test->priv;
	struct kmem_cache *cache;
	void *element;

	poison_is_ours(test, stock->stock);
	cache = kmem_cache_create("mempool2_kunit_misuse", STOCK_SIZE, 0, 0, NULL);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_EXPECT_EQ(test, stock_init(&fx->spare, stock->stock, cache), 0);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_POISON), 0);

	element = mempool2_alloc_preallocated(&fx->spare);
	KUNIT_EXPECT_NOT_NULL(test, element);
	scribble(stock_byte(element, stock->stock));
	mempool2_free(element, &fx->spare);
	element = mempool2_alloc_preallocated(&fx->spare);
	expect_no_warning(fx);

	mempool2_free(element, &fx->spare);
	scribble(stock_byte(element, stock->stock));
	element = mempool2_alloc_preallocated(&fx->spare);
	expect_report(fx, "parked element written to", "stock_init");

	/* The end of the pool checks the poison as well. */
	mempool2_free(element, &fx->spare);
	scribble(stock_byte(element, stock->stock));
	mempool2_exit(&fx->spare);
	expect_report(fx, "parked element written to", "stock_init");
	kmem_cache_destroy(cache);
}

static void element_parked_before_the_check_is_poisoned(struct kunit *test)
{
	const struct stock_pool *stock = test->param_value;
	struct fixture *fx = test->priv;
	struct kmem_cache *cache;
	void *element;

	poison_is_ours(test, stock->stock);
	cache = kmem_cache_create("mempool2_kunit_misuse", STOCK_SIZE, 0, 0, NULL);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_EXPECT_EQ(test, stock_init(&fx->spare, stock->stock, cache), 0);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_POISON), 0);
	element = mempool2_alloc_preallocated(&fx->spare);
	KUNIT_EXPECT_NOT_NULL(test, element);
	mempool2_free(element, &fx->spare);
	expect_no_warning(fx);
	/* Once the check is off the poison is not checked any more. */
	scribble(stock_byte(element, stock->stock));
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(&fx->spare, 0), 0);
	mempool2_exit(&fx->spare);
	expect_no_warning(fx);
	kmem_cache_destroy(cache);
}

/* Waiting */

/* Take an element and wait for another one. */
static void caller_nested(struct caller *caller)
{
	caller->elems[0] = mempool2_alloc_preallocated(caller->pool);
	caller->elems[1] = mempool2_alloc(caller->pool, caller->gfp);
}

static void task_that_waits_while_it_holds_an_element_is_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	checked_pool(fx, 1, MEMPOOL2_CHECK_NESTED);
	source_fail(&fx->src);
	caller = caller_add(fx, caller_nested);
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	expect_report(fx, "a task waits while it holds an element", MADE_BY_FIXTURE);
	mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

static void task_that_waits_after_it_has_freed_is_not_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	checked_pool(fx, 1, MEMPOOL2_CHECK_ALL);
	fixture_drain(fx);
	/* The waiter holds no element, and the holder of the elements does not wait. */
	caller = caller_that_waits(fx);
	expect_no_warning(fx);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	expect_no_warning(fx);
}

static void keep_element(struct mempool2_waiter *waiter, void **elems)
{
}

/* Free an element, which runs the callback of a request, and wait for another element. */
static void caller_sends(struct caller *caller)
{
	fixture_put(caller->fx);
	caller->elems[0] = mempool2_alloc(caller->pool, caller->gfp);
}

static void element_handed_over_is_not_held_by_the_freeing_task(struct kunit *test)
{
	struct fixture *fx = test->priv;
	static struct mempool2_waiter waiter;
	struct caller *caller;
	void *element;

	checked_pool(fx, 2, MEMPOOL2_CHECK_ALL);
	fixture_drain(fx);
	mempool2_waiter_init(&waiter, keep_element);
	element = mempool2_alloc_async(&fx->pool, GFP_NOWAIT, &waiter);
	KUNIT_ASSERT_EQ(test, PTR_ERR(element), (long)-EINPROGRESS);
	caller = caller_add(fx, caller_sends);
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, caller_sleeps(caller));
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	expect_no_warning(fx);
	KUNIT_EXPECT_FALSE(test, mempool2_cancel_sync(&waiter));
	fixture_hold(fx, waiter.element);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	expect_no_warning(fx);
}

static void stalled_waiter_is_reported_once(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	checked_pool(fx, 1, MEMPOOL2_CHECK_NESTED);
	KUNIT_ASSERT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 1), 0);
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, report_comes_within(4 * HZ));
	/* Wait until the report is complete. */
	let_pass(2 * HZ);
	expect_report(fx, "waiter stalled", MADE_BY_FIXTURE);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

static struct mempool2_waiter crowd[30];

static void many_stalled_waiters_have_one_report(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	fixture_pool(fx, 1);
	fixture_drain(fx);
	for (i = 0; i < ARRAY_SIZE(crowd); i++) {
		mempool2_waiter_init(&crowd[i], keep_element);
		KUNIT_EXPECT_EQ(test, PTR_ERR(mempool2_alloc_async(&fx->pool, GFP_NOWAIT,
								   &crowd[i])),
				(long)-EINPROGRESS);
	}
	/* Make all requests stall before the check looks at them. */
	let_pass(HZ + HZ / 10);
	KUNIT_ASSERT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 1), 0);
	KUNIT_EXPECT_TRUE(test, report_comes_within(4 * HZ));
	/* Wait until the report is complete. */
	let_pass(2 * HZ);
	expect_report(fx, "waiter stalled", MADE_BY_FIXTURE);
	for (i = 0; i < ARRAY_SIZE(crowd); i++)
		KUNIT_EXPECT_TRUE(test, mempool2_cancel_sync(&crowd[i]));
}

static void stalled_waiter_of_copy_is_found(struct kunit *test)
{
	/* Not on the stack: the creation site of a pool on the stack is not recorded. */
	static struct mempool2 original;
	struct fixture *fx = test->priv;
	struct caller *caller;

	KUNIT_ASSERT_EQ(test, mempool2_init(&original, 1, source_alloc, source_free,
					    &fx->src), 0);
	fx->pool = original;
	init_waitqueue_head(&fx->pool.wait);
	KUNIT_EXPECT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 1), 0);
	memset(&original, 0x5a, sizeof(original));
	fixture_drain(fx);
	caller = caller_that_waits(fx);
	KUNIT_EXPECT_TRUE(test, report_comes_within(4 * HZ));
	expect_report(fx, "waiter stalled", __func__);
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
}

/* The end of a pool */

static void pool_destroyed_while_elements_are_out_is_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checked_pool(fx, 2, MEMPOOL2_CHECK_EXIT);
	element = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_ASSERT_NOT_NULL(test, element);
	mempool2_exit(&fx->pool);
	expect_report(fx, "destroyed while elements are out", MADE_BY_FIXTURE);
	source_free(element, &fx->src);
}

/* A resize to a smaller size frees elements when another resize makes the pool larger. */
static void grow_once(struct source *src)
{
	struct fixture *fx = src->hook_arg;

	src->free_hook = NULL;
	if (mempool2_resize(&fx->pool, 400))
		atomic_inc(&src->nr_irregular);
}

static void elements_out_of_a_pool_with_overlapping_resizes_are_counted(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checked_pool(fx, 300, MEMPOOL2_CHECK_EXIT);
	fx->src.hook_arg = fx;
	fx->src.free_hook = grow_once;
	KUNIT_ASSERT_EQ(test, mempool2_resize(&fx->pool, 10), 0);
	KUNIT_ASSERT_EQ(test, mempool2_nr_reserved(&fx->pool), 400);
	element = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_ASSERT_NOT_NULL(test, element);
	mempool2_exit(&fx->pool);
	expect_report(fx, "destroyed while elements are out", MADE_BY_FIXTURE);
	source_free(element, &fx->src);
}

static void pool_destroyed_while_callers_wait_is_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;

	checked_pool(fx, 1, MEMPOOL2_CHECK_EXIT);
	/* A real waiter would be lost afterwards. */
	fx->pool.nr_waiters = 1;
	mempool2_exit(&fx->pool);
	expect_report(fx, "destroyed while callers wait", MADE_BY_FIXTURE);
}

static void elements_out_of_a_pool_that_was_refilled_are_counted(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checked_pool(fx, 2, MEMPOOL2_CHECK_EXIT);
	source_fail(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 6), 0);
	source_recover(&fx->src);
	KUNIT_EXPECT_EQ(test, mempool2_refill(&fx->pool, GFP_KERNEL), 0);
	element = mempool2_alloc_preallocated(&fx->pool);
	KUNIT_ASSERT_NOT_NULL(test, element);
	mempool2_exit(&fx->pool);
	expect_report(fx, "destroyed while elements are out", MADE_BY_FIXTURE);
	source_free(element, &fx->src);
}

static void pool_destroyed_in_time_is_not_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;

	checked_pool(fx, 4, MEMPOOL2_CHECK_ALL);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 6), 0);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 3), 0);
	fixture_drain(fx);
	fixture_put_all(fx);
	/* The pool is filled only in part; the missing elements are not out. */
	source_allow(&fx->src, 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 5), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 4);
	mempool2_exit(&fx->pool);
	expect_no_warning(fx);
}

static void free_into_an_exited_pool_is_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checked_pool(fx, 1, MEMPOOL2_CHECK_EXIT);
	mempool2_exit(&fx->pool);
	element = fixture_foreign(fx);
	source_forget(&fx->src);
	mempool2_free(element, &fx->pool);
	expect_report(fx, "free into a destroyed pool", MADE_BY_FIXTURE);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	source_free(element, &fx->src);
}

static void free_into_a_destroyed_pool_is_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool;
	void *element;

	pool = mempool2_create(1, source_alloc, source_free, &fx->src);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	KUNIT_EXPECT_EQ(test, mempool2_set_name(pool, "short-lived"), 0);
	KUNIT_EXPECT_EQ(test, mempool2_set_checks(pool, MEMPOOL2_CHECK_EXIT), 0);
	element = mempool2_alloc(pool, GFP_KERNEL);
	mempool2_destroy(pool);
	source_forget(&fx->src);
	mempool2_free(element, pool);
	expect_report(fx, "free into a destroyed pool", "short-lived");
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 0);
	source_free(element, &fx->src);
}

static void memory_of_destroyed_pools_is_freed_at_last(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool;
	int i;

	/* More than the quarantine holds; kmemleak reports any leak. */
	for (i = 0; i < 40; i++) {
		pool = mempool2_create(1, source_alloc, source_free, &fx->src);
		KUNIT_ASSERT_NOT_NULL(test, pool);
		KUNIT_EXPECT_EQ(test, mempool2_set_checks(pool, MEMPOOL2_CHECK_EXIT), 0);
		mempool2_destroy(pool);
	}
	expect_no_warning(fx);
}

/* Correct use */

static void foreign_elements_are_never_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *foreign, *elems[2];
	int i;

	checked_pool(fx, 2, MEMPOOL2_CHECK_ALL);
	KUNIT_ASSERT_EQ(test, fixture_drain(fx), 2);
	source_recover(&fx->src);
	for (i = 0; i < 2; i++)
		mempool2_free(fixture_foreign(fx), &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	foreign = fixture_foreign(fx);
	mempool2_free(foreign, &fx->pool);
	/* The reserve is full, so the pool's own elements are surplus now. */
	fixture_put_all(fx);
	for (i = 0; i < 2; i++) {
		elems[i] = mempool2_alloc_preallocated(&fx->pool);
		KUNIT_EXPECT_NOT_NULL(test, elems[i]);
	}
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->pool, elems, 2), 2);
	expect_no_warning(fx);
}

static void element_that_comes_back_by_another_way_is_not_reported(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	checked_pool(fx, 1, MEMPOOL2_CHECK_ALL);
	element = fixture_foreign(fx);
	/*
	 * The element goes back to the allocator, which may give it out again, to be freed
	 * again.
	 */
	mempool2_free(element, &fx->pool);
	KUNIT_EXPECT_EQ(test, atomic_read(&fx->src.nr_frees), 1);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 8), 0);
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 1), 0);
	source_recover(&fx->src);
	fixture_hold(fx, mempool2_alloc(&fx->pool, GFP_KERNEL));
	fixture_put_all(fx);
	expect_no_warning(fx);
}

static void caller_uses_and_frees(struct caller *caller)
{
	struct source *src = &caller->fx->src;
	void *element;

	while (!READ_ONCE(caller->fx->stop)) {
		element = mempool2_alloc(caller->pool, GFP_KERNEL);
		source_claim(src, element);
		source_disclaim(src, element);
		mempool2_free(element, caller->pool);
		cond_resched();
	}
}

static void busy_pool_with_all_checks_has_no_report(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i;

	checked_pool(fx, 2, MEMPOOL2_CHECK_ALL);
	KUNIT_ASSERT_EQ(test, mempool2_set_stall_timeout(&fx->pool, 3600), 0);
	fx->src.pool = NULL;
	source_fail(&fx->src);
	for (i = 0; i < 6; i++)
		caller_run(caller_add(fx, caller_uses_and_frees), ANY_CPU);
	let_pass(HZ / 2);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	expect_no_warning(fx);
}

/*
 * Equal elements: permits that all have the same address. Any permit is as good as another; only
 * their number counts.
 */
struct permits {
	unsigned long	address;
	atomic_t	nr_left;
	atomic_t	nr_inflight;
};

static void *permit_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct permits *permits = pool_data;

	if (!atomic_add_unless(&permits->nr_left, -1, 0))
		return NULL;
	atomic_inc(&permits->nr_inflight);
	return (void *)permits->address;
}

static void permit_free(void *element, void *pool_data)
{
	struct permits *permits = pool_data;

	atomic_inc(&permits->nr_left);
	atomic_dec(&permits->nr_inflight);
}

/* How many permits are in the reserve, and how many are out when the checks are switched on? */
struct permit_case {
	const char	*name;
	int		min_nr;
	int		nr_out_before;
	int		nr_left;
	bool		is_memory;
};

static const struct permit_case permit_cases[] = {
	{ "one in reserve", 1, 0, 100 },
	{ "one in reserve, others out", 1, 3, 100 },
	{ "one in reserve, it and no other", 1, 1, 0 },
	{ "four in reserve", 4, 0, 100 },
	{ "four in reserve, others out", 4, 3, 100 },
	{ "four in reserve, two of them out", 4, 2, 0 },
	{ "memory, one in reserve, others out", 1, 3, 100, true },
	{ "memory, two in reserve, one of them out", 2, 1, 0, true },
	{ "memory, four in reserve, others out", 4, 3, 100, true },
};

static void permit_case_name(const struct permit_case *permit_case, char *name)
{
	strscpy(name, permit_case->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(permit_case, permit_cases, permit_case_name);

static void equal_elements_are_left_alone(struct kunit *test)
{
	const struct permit_case *permit_case = test->param_value;
	struct fixture *fx = test->priv;
	struct permits permits = {
		.address = permit_case->is_memory ? (unsigned long)fx : 0x1000,
	};
	int round, i, nr;
	void *elems[8];

	atomic_set(&permits.nr_left, permit_case->min_nr + permit_case->nr_left);
	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, permit_case->min_nr, permit_alloc,
					    permit_free, &permits), 0);
	for (nr = 0; nr < permit_case->nr_out_before; nr++)
		elems[nr] = mempool2_alloc(&fx->spare, GFP_NOWAIT);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < nr; i++)
			mempool2_free(elems[i], &fx->spare);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), permit_case->min_nr);
		KUNIT_EXPECT_EQ(test, atomic_read(&permits.nr_inflight), permit_case->min_nr);
		for (nr = 0; nr < ARRAY_SIZE(elems); nr++) {
			elems[nr] = mempool2_alloc(&fx->spare, GFP_NOWAIT);
			if (!elems[nr])
				break;
		}
		KUNIT_EXPECT_GT(test, nr, 0);
	}
	for (i = 0; i < nr; i++)
		mempool2_free(elems[i], &fx->spare);
	mempool2_exit(&fx->spare);
	KUNIT_EXPECT_EQ(test, atomic_read(&permits.nr_inflight), 0);
	expect_no_warning(fx);
}

/* A reserve of one element does not tell whether elements are equal. */
static void equal_element_from_elsewhere_is_left_alone(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct permits permits = { .address = (unsigned long)fx };
	int min_nr;

	for (min_nr = 0; min_nr <= 1; min_nr++) {
		atomic_set(&permits.nr_left, 1);
		KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, min_nr, permit_alloc, permit_free,
						    &permits), 0);
		KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&permits.nr_left), 0);
		mempool2_free((void *)permits.address, &fx->spare);
		KUNIT_EXPECT_EQ(test, atomic_read(&permits.nr_left), 1);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 1);
		mempool2_exit(&fx->spare);
	}
	expect_no_warning(fx);
}

static void pool_of_no_size_is_left_alone(struct fixture *fx)
{
	struct kunit *test = fx->test;
	void *elems[3];
	int i;

	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
	for (i = 0; i < 3; i++)
		elems[i] = mempool2_alloc(&fx->spare, GFP_KERNEL);
	for (i = 0; i < 3; i++)
		mempool2_free(elems[i], &fx->spare);
	KUNIT_ASSERT_EQ(test, mempool2_set_fail_interval(&fx->spare, 1), 0);
	for (i = 0; i < 2; i++)
		elems[i] = mempool2_alloc(&fx->spare, GFP_NOWAIT);
	KUNIT_EXPECT_NULL(test, mempool2_alloc(&fx->spare, GFP_NOWAIT));
	for (i = 0; i < 2; i++)
		mempool2_free(elems[i], &fx->spare);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 2);
	mempool2_exit(&fx->spare);
	expect_no_warning(fx);
}

static void memory_of_no_size_is_left_alone(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 2, 0), 0);
	pool_of_no_size_is_left_alone(fx);
	KUNIT_ASSERT_EQ(test, mempool2_init_kvmalloc_pool(&fx->spare, 2, 0), 0);
	pool_of_no_size_is_left_alone(fx);
}

/* The elements are references to two objects, in turns. */
struct turns {
	void	*objects[2];
	int	nr;
};

static void *turn_alloc(gfp_t gfp_mask, void *pool_data)
{
	struct turns *turns = pool_data;

	/* Only for the reserve. */
	return gfp_mask & __GFP_NOMEMALLOC ? NULL : turns->objects[turns->nr++ % 2];
}

static void turn_free(void *element, void *pool_data)
{
}

static void elements_that_are_equal_in_turns_are_left_alone(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct turns turns = { .objects = { fx, fx->callers } };
	void *elems[3];
	int i;

	KUNIT_ASSERT_EQ(test, mempool2_init(&fx->spare, 4, turn_alloc, turn_free, &turns), 0);
	for (i = 0; i < 3; i++)
		elems[i] = mempool2_alloc(&fx->spare, GFP_NOWAIT);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
	for (i = 0; i < 3; i++)
		mempool2_free(elems[i], &fx->spare);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 4);
	mempool2_exit(&fx->spare);
	expect_no_warning(fx);
}

/* Checks are switched on while a call is in the alloc function, for a pool that never had any. */
static void switch_checks_on(struct source *src, gfp_t gfp_mask)
{
	struct fixture *fx = src->hook_arg;

	src->hook = NULL;
	KUNIT_EXPECT_EQ(fx->test, mempool2_set_checks(&fx->pool, MEMPOOL2_CHECK_ALL), 0);
}

static void checks_know_the_element_of_a_call_that_began_before(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	/* The feature of another pool sends the call out of line, to the features of its own. */
	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 1, 8), 0);
	KUNIT_ASSERT_EQ(test, mempool2_enable_stats(&fx->spare, true), 0);
	fixture_pool(fx, 2);
	source_fail(&fx->src);
	fx->src.hook_arg = fx;
	fx->src.hook = switch_checks_on;
	element = mempool2_alloc(&fx->pool, GFP_NOWAIT);
	KUNIT_ASSERT_NOT_NULL(test, element);
	mempool2_free(element, &fx->pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->pool), 2);
	mempool2_exit(&fx->spare);
	expect_no_warning(fx);
}

/* The free function of a pool that shrinks waits for another switch, beside a switch of checks. */
static void caller_sets_checks(struct caller *caller)
{
	caller->ret = mempool2_set_checks(caller->pool, MEMPOOL2_CHECK_DOUBLE);
}

static void caller_shrinks(struct caller *caller)
{
	caller->ret = mempool2_resize(caller->pool, 10);
}

static void switch_while_checks_are_switched(struct source *src)
{
	struct fixture *fx = src->hook_arg;

	src->free_hook = NULL;
	caller_run(caller_add(fx, caller_sets_checks), ANY_CPU);
	let_pass(HZ / 10);
	KUNIT_EXPECT_EQ(fx->test, mempool2_enable_stats(&fx->spare, true), 0);
}

static void checks_can_be_switched_in_the_midst_of_a_resize(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 1, 64), 0);
	fixture_pool(fx, 300);
	fx->src.hook_arg = fx;
	fx->src.free_hook = switch_while_checks_are_switched;
	caller_run(caller_add(fx, caller_shrinks), ANY_CPU);
	KUNIT_EXPECT_TRUE(test, caller_returns(&fx->callers[0]));
	KUNIT_EXPECT_TRUE(test, caller_returns(&fx->callers[1]));
	KUNIT_EXPECT_EQ(test, fx->callers[0].ret, 0L);
	KUNIT_EXPECT_EQ(test, fx->callers[1].ret, 0L);
	mempool2_exit(&fx->spare);
}

/* As in a callback of CPU hotplug. A switch needs that lock too. Lockdep tells of a wrong order. */
static void pool_can_be_resized_while_cpus_cannot_go(struct kunit *test)
{
	struct fixture *fx = test->priv;

	checked_pool(fx, 2, MEMPOOL2_CHECK_ALL);
	cpus_read_lock();
	KUNIT_EXPECT_EQ(test, mempool2_resize(&fx->pool, 100), 0);
	cpus_read_unlock();
	KUNIT_EXPECT_EQ(test, mempool2_enable_stats(&fx->pool, true), 0);
	expect_no_warning(fx);
}

/* What a bulk free refuses is the caller's, and it may free that by itself. */
static void caller_is_refused_and_waits(struct caller *caller)
{
	struct fixture *fx = caller->fx;
	void *elems[3];
	int i;

	KUNIT_EXPECT_EQ(fx->test, mempool2_alloc_bulk(caller->pool, elems, 3), 0);
	for (i = 0; i < 3; i++)
		mempool2_free(fixture_foreign(fx), caller->pool);
	KUNIT_EXPECT_EQ(fx->test, mempool2_free_bulk(caller->pool, elems, 3), 0u);
	for (i = 0; i < 3; i++)
		source_free(elems[i], &fx->src);
	WRITE_ONCE(caller->ret, 1);
	reserved_become(caller->pool, 0);
	caller_alloc(caller);
}

static void elements_that_a_bulk_free_refuses_are_forgotten(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct caller *caller;

	checked_pool(fx, 3, MEMPOOL2_CHECK_NESTED);
	source_fail(&fx->src);
	caller = caller_add(fx, caller_is_refused_and_waits);
	caller_run(caller, ANY_CPU);
	KUNIT_EXPECT_TRUE(test, comes_true(READ_ONCE(caller->ret), TIMEOUT));
	fixture_drain(fx);
	KUNIT_EXPECT_TRUE(test, waiters_become(&fx->pool, 1));
	fixture_put(fx);
	KUNIT_EXPECT_TRUE(test, caller_returns(caller));
	expect_no_warning(fx);
}

/* Poison must not get into elements that are not, or not certainly, the pool's. */
static void element_that_a_bulk_free_refuses_is_as_it_was(struct kunit *test)
{
	struct fixture *fx = test->priv;
	void *element;

	if (IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "a sanitizer poisons the elements itself");
	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 4, 64), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
	element = kmalloc(64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, element);
	memset(element, 0xaa, 64);
	KUNIT_EXPECT_EQ(test, mempool2_free_bulk(&fx->spare, &element, 1), 0u);
	KUNIT_EXPECT_NULL(test, memchr_inv(element, 0xaa, 64));
	kfree(element);
	mempool2_exit(&fx->spare);
	expect_no_warning(fx);
}

/* Two elements lie side by side: what is written behind the first one is in the second. */
static void smaller_element_from_elsewhere_is_not_overrun(struct kunit *test)
{
	enum { NR = 64, SMALL = 32 };
	struct fixture *fx = test->priv;
	void *elems[NR];
	int i;

	if (IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "a sanitizer poisons the elements itself");
	KUNIT_ASSERT_EQ(test, mempool2_init_kmalloc_pool(&fx->spare, 1, 4096), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
	kfree(mempool2_alloc_preallocated(&fx->spare));
	for (i = 0; i < NR; i++) {
		elems[i] = kmalloc(SMALL, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, elems[i]);
		memset(elems[i], 0xaa, SMALL);
	}
	/* It goes into the reserve. */
	mempool2_free(elems[0], &fx->spare);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(&fx->spare), 1);
	for (i = 1; i < NR; i++) {
		KUNIT_EXPECT_NULL(test, memchr_inv(elems[i], 0xaa, SMALL));
		kfree(elems[i]);
	}
	mempool2_exit(&fx->spare);
	expect_no_warning(fx);
}

static void objects_that_readers_under_rcu_may_see_are_left_alone(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct kmem_cache *cache;
	void *object;

	if (IS_ENABLED(CONFIG_KASAN))
		kunit_skip(test, "a sanitizer watches the parked objects");
	cache = kmem_cache_create("mempool2_kunit_rcu", 64, 0, SLAB_TYPESAFE_BY_RCU, NULL);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	KUNIT_ASSERT_EQ(test, mempool2_init_slab_pool(&fx->spare, 1, cache), 0);
	KUNIT_ASSERT_EQ(test, mempool2_set_checks(&fx->spare, MEMPOOL2_CHECK_ALL), 0);
	object = mempool2_alloc_preallocated(&fx->spare);
	KUNIT_ASSERT_NOT_NULL(test, object);
	memset(object, 0xaa, 64);
	mempool2_free(object, &fx->spare);
	KUNIT_EXPECT_NULL(test, memchr_inv(object, 0xaa, 64));
	mempool2_exit(&fx->spare);
	kmem_cache_destroy(cache);
	expect_no_warning(fx);
}

/* Owner records are freed while other CPUs look at them */
static void caller_switches_checks(struct caller *caller)
{
	for (caller->ret = 0; caller->ret < 20; caller->ret++) {
		if (mempool2_set_checks(caller->pool, MEMPOOL2_CHECK_NESTED) ||
		    mempool2_set_checks(caller->pool, 0))
			return;
	}
	WRITE_ONCE(caller->fx->stop, true);
}

/* Each time this caller waits, the check looks up whether the caller holds an element. */
static void caller_waits_again_and_again(struct caller *caller)
{
	void *element;

	while (!READ_ONCE(caller->fx->stop)) {
		element = mempool2_alloc_timeout(caller->pool, GFP_KERNEL, 1);
		if (!IS_ERR(element))
			mempool2_free(element, caller->pool);
	}
}

/*
 * This caller holds the lock of the records most of the time, so they are most likely freed while
 * it does, and then it looks at them.
 */
static void caller_looks_at_records(struct caller *caller)
{
	struct mempool2_ext *ext;
	unsigned long flags;
	unsigned int i;

	while (!READ_ONCE(caller->fx->stop)) {
		ext = pool_ext(caller->pool);
		if (ext) {
			raw_spin_lock_irqsave(&ext->lock, flags);
			udelay(100);
			for (i = 0; ext->records && i <= ext->records_mask; i++)
				caller->ret += !hlist_empty(&ext->records[i]);
			raw_spin_unlock_irqrestore(&ext->lock, flags);
		}
		cond_resched();
	}
}

static void checks_can_be_switched_off_while_callers_begin_to_wait(struct kunit *test)
{
	struct fixture *fx = test->priv;
	int i, nr = 500;
	void **elems;

	elems = kvcalloc(nr, sizeof(*elems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, elems);
	fixture_pool(fx, nr);
	source_fail(&fx->src);
	for (i = 0; i < nr; i++)
		elems[i] = mempool2_alloc_preallocated(&fx->pool);
	for (i = 0; i < 3; i++)
		caller_run(caller_add(fx, caller_waits_again_and_again), ANY_CPU);
	caller_run(caller_add(fx, caller_switches_checks), ANY_CPU);
	caller_run(caller_add(fx, caller_looks_at_records), ANY_CPU);
	KUNIT_EXPECT_TRUE(test, caller_returns_within(&fx->callers[3], 60 * HZ));
	KUNIT_EXPECT_EQ(test, fx->callers[3].ret, 20L);
	WRITE_ONCE(fx->stop, true);
	KUNIT_EXPECT_TRUE(test, callers_return(fx));
	for (i = 0; i < nr; i++)
		mempool2_free(elems[i], &fx->pool);
	kvfree(elems);
}

static struct kunit_case misuse_cases[] = {
	KUNIT_CASE(element_freed_twice_is_reported_and_kept_once),
	KUNIT_CASE(element_parked_before_the_check_is_known),
	KUNIT_CASE(elements_in_the_store_before_the_check_are_known),
	KUNIT_CASE(element_freed_twice_in_bulk_is_reported),
	KUNIT_CASE(elements_of_a_bulk_call_are_known_to_be_out),
	KUNIT_CASE(report_names_the_pool),
	KUNIT_CASE_PARAM(name_is_shown_as_one_printable_word, odd_name_gen_params),
	KUNIT_CASE(pool_has_the_name_that_its_function_has_in_the_source),
	KUNIT_CASE(reports_of_a_pool_are_limited),
	KUNIT_CASE_PARAM(element_written_to_in_the_reserve_is_reported,
			 stock_pool_gen_params),
	KUNIT_CASE_PARAM(element_parked_before_the_check_is_poisoned,
			 stock_pool_gen_params),
	KUNIT_CASE(task_that_waits_while_it_holds_an_element_is_reported),
	KUNIT_CASE(task_that_waits_after_it_has_freed_is_not_reported),
	KUNIT_CASE(element_handed_over_is_not_held_by_the_freeing_task),
	KUNIT_CASE_SLOW(stalled_waiter_is_reported_once),
	KUNIT_CASE_SLOW(many_stalled_waiters_have_one_report),
	KUNIT_CASE_SLOW(stalled_waiter_of_copy_is_found),
	KUNIT_CASE(pool_destroyed_while_elements_are_out_is_reported),
	KUNIT_CASE(elements_out_of_a_pool_with_overlapping_resizes_are_counted),
	KUNIT_CASE(elements_out_of_a_pool_that_was_refilled_are_counted),
	KUNIT_CASE(pool_destroyed_while_callers_wait_is_reported),
	KUNIT_CASE(pool_destroyed_in_time_is_not_reported),
	KUNIT_CASE(free_into_an_exited_pool_is_reported),
	KUNIT_CASE(free_into_a_destroyed_pool_is_reported),
	KUNIT_CASE(memory_of_destroyed_pools_is_freed_at_last),
	KUNIT_CASE(foreign_elements_are_never_reported),
	KUNIT_CASE_PARAM(equal_elements_are_left_alone, permit_case_gen_params),
	KUNIT_CASE(equal_element_from_elsewhere_is_left_alone),
	KUNIT_CASE(memory_of_no_size_is_left_alone),
	KUNIT_CASE(elements_that_are_equal_in_turns_are_left_alone),
	KUNIT_CASE(checks_know_the_element_of_a_call_that_began_before),
	KUNIT_CASE(checks_can_be_switched_in_the_midst_of_a_resize),
	KUNIT_CASE(pool_can_be_resized_while_cpus_cannot_go),
	KUNIT_CASE(elements_that_a_bulk_free_refuses_are_forgotten),
	KUNIT_CASE(element_that_a_bulk_free_refuses_is_as_it_was),
	KUNIT_CASE(smaller_element_from_elsewhere_is_not_overrun),
	KUNIT_CASE(objects_that_readers_under_rcu_may_see_are_left_alone),
	KUNIT_CASE_SLOW(checks_can_be_switched_off_while_callers_begin_to_wait),
	KUNIT_CASE(element_that_comes_back_by_another_way_is_not_reported),
	KUNIT_CASE(busy_pool_with_all_checks_has_no_report),
	{}
};

static struct kunit_suite misuse_suite = {
	.name = "mempool2_misuse",
	.suite_init = suite_patches_no_code,
	.suite_exit = suite_patches_code,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = misuse_cases,
};

kunit_test_suite(misuse_suite);
