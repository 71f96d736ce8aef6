// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of mempool2: the stock functions for slab objects, kmalloc() and kvmalloc() memory, and
 * pages
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fixture.h"

#define MIN_NR	4

struct backend {
	const char		*name;
	int			(*init)(struct mempool2 *pool,
					const struct backend *backend);
	struct mempool2		*(*create)(const struct backend *backend);
	mempool2_alloc_t	*alloc;
	mempool2_free_t		*free;
	/* In bytes; for pages, the order. */
	size_t			size;
	bool			is_page;
	/* The free function may sleep; fault injection can make allocations fail. */
	bool			may_sleep;
	bool			can_fail;
};

/* Neither a power of two nor a multiple of one, so that writes beyond the end of an object show. */
#define SLAB_SIZE	200

static struct kmem_cache *test_cache;

static int init_slab(struct mempool2 *pool, const struct backend *backend)
{
	return mempool2_init_slab_pool(pool, MIN_NR, test_cache);
}

static struct mempool2 *create_slab(const struct backend *backend)
{
	return mempool2_create_slab_pool(MIN_NR, test_cache);
}

static int init_kmalloc(struct mempool2 *pool, const struct backend *backend)
{
	return mempool2_init_kmalloc_pool(pool, MIN_NR, backend->size);
}

static struct mempool2 *create_kmalloc(const struct backend *backend)
{
	return mempool2_create_kmalloc_pool(MIN_NR, backend->size);
}

static int init_kvmalloc(struct mempool2 *pool, const struct backend *backend)
{
	return mempool2_init_kvmalloc_pool(pool, MIN_NR, backend->size);
}

static struct mempool2 *create_kvmalloc(const struct backend *backend)
{
	return mempool2_create_kvmalloc_pool(MIN_NR, backend->size);
}

static int init_pages(struct mempool2 *pool, const struct backend *backend)
{
	return mempool2_init_page_pool(pool, MIN_NR, backend->size);
}

static struct mempool2 *create_pages(const struct backend *backend)
{
	return mempool2_create_page_pool(MIN_NR, backend->size);
}

static const struct backend backends[] = {
	{ "slab", init_slab, create_slab,
	  mempool2_alloc_slab, mempool2_free_slab, SLAB_SIZE,
	  .can_fail = true },
	{ "kmalloc of 8 bytes", init_kmalloc, create_kmalloc,
	  mempool2_kmalloc, mempool2_kfree, 8,
	  .can_fail = true },
	{ "kmalloc of 1000 bytes", init_kmalloc, create_kmalloc,
	  mempool2_kmalloc, mempool2_kfree, 1000,
	  .can_fail = true },
	{ "kmalloc of 20000 bytes", init_kmalloc, create_kmalloc,
	  mempool2_kmalloc, mempool2_kfree, 20000 },
	{ "kvmalloc of 100 bytes", init_kvmalloc, create_kvmalloc,
	  mempool2_kvmalloc, mempool2_kvfree, 100,
	  .can_fail = true },
	{ "kvmalloc of 300000 bytes", init_kvmalloc, create_kvmalloc,
	  mempool2_kvmalloc, mempool2_kvfree, 300000,
	  .may_sleep = true },
	{ "pages of order 0", init_pages, create_pages,
	  mempool2_alloc_pages, mempool2_free_pages, 0,
	  .is_page = true },
	{ "pages of order 1", init_pages, create_pages,
	  mempool2_alloc_pages, mempool2_free_pages, 1,
	  .is_page = true },
	{ "pages of order 2", init_pages, create_pages,
	  mempool2_alloc_pages, mempool2_free_pages, 2,
	  .is_page = true },
	{ "pages of order 3", init_pages, create_pages,
	  mempool2_alloc_pages, mempool2_free_pages, 3,
	  .is_page = true },
};

static void backend_name(const struct backend *backend, char *name)
{
	strscpy(name, backend->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(backend, backends, backend_name);

static void *memory_of(const struct backend *backend, void *element)
{
	return backend->is_page ? page_address(element) : element;
}

static size_t bytes_of(const struct backend *backend)
{
	return backend->is_page ? PAGE_SIZE << backend->size : backend->size;
}

/* Fill all of an element with a value of its own, so that a write to a neighbor would show. */
static void element_fill(const struct backend *backend, void *element, u8 value)
{
	memset(memory_of(backend, element), value, bytes_of(backend));
}

static bool element_holds(const struct backend *backend, void *element, u8 value)
{
	return !memchr_inv(memory_of(backend, element), value, bytes_of(backend));
}

/* The pool is fx->spare, which the fixture destroys; fx->pool is for elements of the fixture. */
static struct mempool2 *backend_pool(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct fixture *fx = test->priv;

	KUNIT_ASSERT_EQ(test, backend->init(&fx->spare, backend), 0);
	return &fx->spare;
}

static void init_sets_up_the_backend(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend_pool(test);

	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
	KUNIT_EXPECT_TRUE(test, pool->alloc == backend->alloc);
	KUNIT_EXPECT_TRUE(test, pool->free == backend->free);
	expect_no_warning(test->priv);
}

static void create_sets_up_the_backend(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend->create(backend);

	KUNIT_ASSERT_NOT_NULL(test, pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
	KUNIT_EXPECT_TRUE(test, pool->alloc == backend->alloc);
	KUNIT_EXPECT_TRUE(test, pool->free == backend->free);
	mempool2_destroy(pool);
	expect_no_warning(test->priv);
}

/* Promise 5: fresh elements and those of the reserve, with real memory */

static void elements_are_whole_and_apart(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend_pool(test);
	void *elems[2 * MIN_NR];
	int i;

	for (i = 0; i < MIN_NR; i++)
		elems[i] = mempool2_alloc(pool, GFP_KERNEL);
	for (; i < 2 * MIN_NR; i++)
		elems[i] = mempool2_alloc_preallocated(pool);

	for (i = 0; i < 2 * MIN_NR; i++) {
		KUNIT_EXPECT_NOT_NULL(test, elems[i]);
		if (elems[i])
			element_fill(backend, elems[i], i);
	}
	for (i = 0; i < 2 * MIN_NR; i++)
		if (elems[i])
			KUNIT_EXPECT_TRUE(test, element_holds(backend, elems[i], i));
	for (i = 0; i < 2 * MIN_NR; i++)
		mempool2_free(elems[i], pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
}

static void elements_survive_several_rounds_through_the_reserve(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend_pool(test);
	void *elems[MIN_NR];
	int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < MIN_NR; i++) {
			elems[i] = mempool2_alloc_preallocated(pool);
			KUNIT_ASSERT_NOT_NULL(test, elems[i]);
			element_fill(backend, elems[i], round * MIN_NR + i);
		}
		for (i = 0; i < MIN_NR; i++) {
			KUNIT_EXPECT_TRUE(test, element_holds(backend, elems[i],
							      round * MIN_NR + i));
			mempool2_free(elems[i], pool);
		}
	}
}

static void backend_works_without_sleeping(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend_pool(test);
	void *element;

	allocators_are_legal(test, IN_TASK_IRQS_OFF);
	local_irq_disable();
	if (backend->may_sleep)
		element = mempool2_alloc_preallocated(pool);
	else
		element = mempool2_alloc(pool, GFP_ATOMIC);
	if (element) {
		element_fill(backend, element, 0x11);
		mempool2_free(element, pool);
	}
	local_irq_enable();
	KUNIT_EXPECT_NOT_NULL(test, element);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
}

/* Contexts in which the kernel's allocators may not be called: only the reserve is used. */
static void reserve_of_the_backend_works_without_its_allocator(struct kunit *test)
{
	struct mempool2 *pool = backend_pool(test);
	void *elems[MIN_NR];
	int i;

	local_irq_disable();
	for (i = 0; i < MIN_NR; i++)
		elems[i] = mempool2_alloc_preallocated(pool);
	for (i = 0; i < MIN_NR; i++)
		if (elems[i])
			mempool2_free(elems[i], pool);
	local_irq_enable();
	for (i = 0; i < MIN_NR; i++)
		KUNIT_EXPECT_NOT_NULL(test, elems[i]);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
}

static void resize_works_with_the_backend(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend_pool(test);
	void *element;

	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, 2 * MIN_NR), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 2 * MIN_NR);
	element = mempool2_alloc_preallocated(pool);
	KUNIT_ASSERT_NOT_NULL(test, element);
	element_fill(backend, element, 0x22);
	mempool2_free(element, pool);
	KUNIT_EXPECT_EQ(test, mempool2_resize(pool, 1), 0);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 1);
}

/* Promise 9: how callers get elements that do not come from the pool */
static void element_from_the_allocator_may_be_freed_to_the_pool(struct kunit *test)
{
	const struct backend *backend = test->param_value;
	struct mempool2 *pool = backend_pool(test);
	void *lost, *foreign;

	lost = mempool2_alloc_preallocated(pool);
	KUNIT_ASSERT_NOT_NULL(test, lost);
	foreign = backend->alloc(GFP_KERNEL, pool->pool_data);
	KUNIT_EXPECT_NOT_NULL(test, foreign);
	/* The reserve has room for the first element, but not for the second. */
	mempool2_free(foreign, pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
	mempool2_free(lost, pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
}

#ifdef CONFIG_FAILSLAB
/* By default fault injection fails only slab allocations that may not sleep. */
static void reserve_serves_when_the_slab_allocator_fails(struct kunit *test)
{
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	const struct backend *backend;
	void *element;
	int i, nr = 0;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		backend = &backends[i];
		if (!backend->can_fail)
			continue;
		KUNIT_ASSERT_EQ(test, backend->init(pool, backend), 0);
		current->fail_nth = 1;
		element = mempool2_alloc(pool, GFP_NOWAIT);
		current->fail_nth = 0;
		KUNIT_EXPECT_NOT_NULL(test, element);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR - 1);
		if (element)
			element_fill(backend, element, 0x33);
		mempool2_free(element, pool);
		KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), MIN_NR);
		mempool2_exit(pool);
		nr++;
	}
	KUNIT_EXPECT_EQ(test, nr, 4);
}
#else
static void reserve_serves_when_the_slab_allocator_fails(struct kunit *test)
{
	kunit_skip(test, "needs CONFIG_FAILSLAB");
}
#endif

/* Promise 18: page elements are pages of the right order, and not compound */

static const int orders[] = { 0, 1, 2, 3 };

static void order_name(const int *order, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "order %d", *order);
}

KUNIT_ARRAY_PARAM(order, orders, order_name);

static void page_elements_are_not_compound(struct kunit *test)
{
	const int *order = test->param_value;
	struct fixture *fx = test->priv;
	struct page *page;
	int i;

	KUNIT_ASSERT_EQ(test, mempool2_init_page_pool(&fx->spare, 1, *order), 0);
	for (i = 0; i < 2; i++) {
		if (i)
			page = mempool2_alloc(&fx->spare, GFP_KERNEL);
		else
			page = mempool2_alloc_preallocated(&fx->spare);
		KUNIT_ASSERT_NOT_NULL(test, page);
		KUNIT_EXPECT_FALSE(test, PageCompound(page));
		KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
		/* An element is the first of its pages, aligned to its order. */
		KUNIT_EXPECT_EQ(test, page_to_pfn(page) % BIT(*order), 0UL);
		mempool2_free(page, &fx->spare);
	}
}

/* One stock function, and one of the caller's own, which also counts its calls. */

static atomic_t nr_own_calls;

static void *own_alloc_slab(gfp_t gfp_mask, void *pool_data)
{
	atomic_inc(&nr_own_calls);
	return mempool2_alloc_slab(gfp_mask, pool_data);
}

static void own_free_slab(void *element, void *pool_data)
{
	atomic_inc(&nr_own_calls);
	mempool2_free_slab(element, pool_data);
}

static void *own_kmalloc(gfp_t gfp_mask, void *pool_data)
{
	atomic_inc(&nr_own_calls);
	return mempool2_kmalloc(gfp_mask, pool_data);
}

static void own_kfree(void *element, void *pool_data)
{
	atomic_inc(&nr_own_calls);
	mempool2_kfree(element, pool_data);
}

static void *own_alloc_pages(gfp_t gfp_mask, void *pool_data)
{
	atomic_inc(&nr_own_calls);
	return mempool2_alloc_pages(gfp_mask, pool_data);
}

static void own_free_pages(void *element, void *pool_data)
{
	atomic_inc(&nr_own_calls);
	mempool2_free_pages(element, pool_data);
}

struct pairing {
	const char		*name;
	mempool2_alloc_t	*alloc;
	mempool2_free_t		*free;
	unsigned long		data;	/* the cache, or 0 for single pages */
};

static const struct pairing pairings[] = {
	{ "slab, own free", mempool2_alloc_slab, own_free_slab, 0 },
	{ "slab, own alloc", own_alloc_slab, mempool2_free_slab, 0 },
	{ "kmalloc, own free", mempool2_kmalloc, own_kfree, 64 },
	{ "kmalloc, own alloc", own_kmalloc, mempool2_kfree, 64 },
	{ "pages, own free", mempool2_alloc_pages, own_free_pages, 0 },
	{ "pages, own alloc", own_alloc_pages, mempool2_free_pages, 0 },
};

static void pairing_name(const struct pairing *pairing, char *name)
{
	strscpy(name, pairing->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pairing, pairings, pairing_name);

static void stock_function_works_beside_a_callers_own(struct kunit *test)
{
	const struct pairing *pairing = test->param_value;
	struct fixture *fx = test->priv;
	struct mempool2 *pool = &fx->spare;
	void *data = (void *)pairing->data, *element, *other;

	if (!strncmp(pairing->name, "slab", 4))
		data = test_cache;
	KUNIT_ASSERT_EQ(test, mempool2_init(pool, 1, pairing->alloc, pairing->free, data), 0);
	atomic_set(&nr_own_calls, 0);
	element = mempool2_alloc(pool, GFP_KERNEL);
	KUNIT_EXPECT_NOT_NULL(test, element);
	other = mempool2_alloc_preallocated(pool);
	KUNIT_EXPECT_NOT_NULL(test, other);
	/* One element fills the reserve, the other one goes back to its allocator. */
	mempool2_free(element, pool);
	mempool2_free(other, pool);
	KUNIT_EXPECT_EQ(test, mempool2_nr_reserved(pool), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&nr_own_calls), 1);
}

/* Promise 18: a slab cache without a constructor causes no warning */
static void slab_pool_of_a_plain_cache_gives_no_warning(struct kunit *test)
{
	struct fixture *fx = test->priv;

	KUNIT_EXPECT_EQ(test, mempool2_init_slab_pool(&fx->spare, 1, test_cache), 0);
	expect_no_warning(fx);
}

static int backends_begin(struct kunit_suite *suite)
{
	test_cache = kmem_cache_create("mempool2_kunit", SLAB_SIZE, 0, 0, NULL);
	return test_cache ? 0 : -ENOMEM;
}

static void backends_end(struct kunit_suite *suite)
{
	/* Reports leaked objects. */
	kmem_cache_destroy(test_cache);
	test_cache = NULL;
}

static struct kunit_case backends_cases[] = {
	KUNIT_CASE_PARAM(init_sets_up_the_backend, backend_gen_params),
	KUNIT_CASE_PARAM(create_sets_up_the_backend, backend_gen_params),
	KUNIT_CASE_PARAM(elements_are_whole_and_apart, backend_gen_params),
	KUNIT_CASE_PARAM(elements_survive_several_rounds_through_the_reserve,
			 backend_gen_params),
	KUNIT_CASE_PARAM(backend_works_without_sleeping, backend_gen_params),
	KUNIT_CASE_PARAM(reserve_of_the_backend_works_without_its_allocator,
			 backend_gen_params),
	KUNIT_CASE_PARAM(resize_works_with_the_backend, backend_gen_params),
	KUNIT_CASE_PARAM(element_from_the_allocator_may_be_freed_to_the_pool,
			 backend_gen_params),
	KUNIT_CASE(reserve_serves_when_the_slab_allocator_fails),
	KUNIT_CASE_PARAM(page_elements_are_not_compound, order_gen_params),
	KUNIT_CASE_PARAM(stock_function_works_beside_a_callers_own, pairing_gen_params),
	KUNIT_CASE(slab_pool_of_a_plain_cache_gives_no_warning),
	{}
};

static struct kunit_suite backends_suite = {
	.name = "mempool2_backends",
	.suite_init = backends_begin,
	.suite_exit = backends_end,
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = backends_cases,
};

kunit_test_suite(backends_suite);
