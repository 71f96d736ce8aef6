// SPDX-License-Identifier: GPL-2.0-only
/*
 * The back end of a pool: stock alloc and free functions, and validation of a pool's arguments
 */
#include <linux/cache.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * Offsets of the constructor and the flags in struct kmem_cache, which is private to the slab
 * allocator since 6.8. mp2_slab_find_members() finds them in caches with a known constructor that
 * differ in one flag. 0 until then: no warning for pools that are created earlier in the boot, and
 * no poison for their objects.
 */
static unsigned int slab_ctor_offset __ro_after_init, slab_flags_offset __ro_after_init;

/* The larger one is behind these members, and within the structure, on every supported kernel. */
#define SLAB_MEMBERS_END	160

static const void *slab_member(const struct kmem_cache *cache, unsigned int offset)
{
	return (const char *)cache + offset;
}

static slab_flags_t slab_flags_at(const struct kmem_cache *cache, unsigned int offset)
{
	return *(const slab_flags_t *)slab_member(cache, offset);
}

void *mp2_slab_ctor(const struct kmem_cache *cache)
{
	if (!slab_ctor_offset)
		return NULL;
	return *(void *const *)slab_member(cache, slab_ctor_offset);
}

/*
 * Does nobody mind what is written to a parked object? A constructor has set it up for good, or
 * readers under rcu_read_lock() may still look at it.
 */
bool mp2_slab_may_poison(const struct kmem_cache *cache)
{
	return slab_ctor_offset && slab_flags_offset && !mp2_slab_ctor(cache) &&
	       !(slab_flags_at(cache, slab_flags_offset) & SLAB_TYPESAFE_BY_RCU);
}

static void slab_known_ctor(void *object)
{
}

static void __init slab_find_ctor(const struct kmem_cache *cache)
{
	unsigned int offset;

	for (offset = 0; offset < SLAB_MEMBERS_END; offset += sizeof(void *)) {
		if (*(void *const *)slab_member(cache, offset) == slab_known_ctor) {
			slab_ctor_offset = offset;
			return;
		}
	}
}

static void __init slab_find_flags(const struct kmem_cache *cache, const struct kmem_cache *aligned)
{
	unsigned int offset;
	slab_flags_t flags;

	for (offset = 0; offset < SLAB_MEMBERS_END; offset += sizeof(flags)) {
		flags = slab_flags_at(cache, offset);
		if (!(flags & SLAB_HWCACHE_ALIGN) &&
		    slab_flags_at(aligned, offset) == (flags | SLAB_HWCACHE_ALIGN)) {
			slab_flags_offset = offset;
			return;
		}
	}
}

int __init mp2_slab_find_members(void)
{
	struct kmem_cache *cache, *aligned;

	/* A driver may have a copy of mempool2, and two caches must not have one name. */
	cache = kmem_cache_create(KBUILD_MODNAME "_ctor", sizeof(long), 0, 0, slab_known_ctor);
	if (!cache)
		return -ENOMEM;
	slab_find_ctor(cache);
	aligned = kmem_cache_create(KBUILD_MODNAME "_aligned", sizeof(long), 0, SLAB_HWCACHE_ALIGN,
				    slab_known_ctor);
	if (aligned)
		slab_find_flags(cache, aligned);
	kmem_cache_destroy(aligned);
	kmem_cache_destroy(cache);
	return 0;
}

/* Validate the arguments for a new pool. Warns of an invalid one, with the caller's address. */
bool mp2_pool_args_valid(int min_nr, mempool2_alloc_t *alloc_fn,
			 mempool2_free_t *free_fn, void *pool_data,
			 unsigned long caller)
{
	unsigned long data = (unsigned long)pool_data;

	if (misuse_once_at(caller, !alloc_fn, "alloc_fn is NULL") ||
	    misuse_once_at(caller, !free_fn, "free_fn is NULL") ||
	    misuse_once_at(caller, min_nr < 0, "min_nr %d is negative", min_nr) ||
	    misuse_once_at(caller, min_nr > MAX_MIN_NR,
			   "min_nr %d is larger than %d", min_nr, MAX_MIN_NR))
		return false;

	if ((alloc_fn == mempool2_alloc_slab || free_fn == mempool2_free_slab) &&
	    misuse_once_at(caller, !pool_data, "slab cache is NULL"))
		return false;
	if (alloc_fn == mempool2_alloc_slab) {
		misuse_once_at(caller, mp2_slab_ctor(pool_data),
			       "slab cache has the constructor %pS, but an element of the reserve is as its last user left it",
			       mp2_slab_ctor(pool_data));
		return true;
	}
	if (alloc_fn == mempool2_kmalloc)
		return !misuse_once_at(caller, data > KMALLOC_MAX_SIZE,
				       "size %lu is larger than kmalloc's %lu",
				       data, (unsigned long)KMALLOC_MAX_SIZE);
	if (alloc_fn == mempool2_kvmalloc)
		return !misuse_once_at(caller, data > INT_MAX,
				       "size %lu is larger than kvmalloc's %d",
				       data, INT_MAX);
	if (alloc_fn == mempool2_alloc_pages)
		return !misuse_once_at(caller, data > MEMPOOL2_MAX_ORDER,
				       "page order %ld is not in 0 to %d",
				       (long)data, MEMPOOL2_MAX_ORDER);
	return true;
}

enum mempool2_kind mp2_pool_kind(mempool2_alloc_t *alloc_fn,
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

void *mempool2_alloc_slab(gfp_t gfp_mask, void *pool_data)
{
	return mempool2_raw_slab_alloc(pool_data, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_slab);

void mempool2_free_slab(void *element, void *pool_data)
{
	kmem_cache_free(pool_data, element);
}
EXPORT_SYMBOL_GPL(mempool2_free_slab);

void *mempool2_kmalloc(gfp_t gfp_mask, void *pool_data)
{
	size_t size = (size_t)pool_data;

	return mempool2_raw_kmalloc(size, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_kmalloc);

void mempool2_kfree(void *element, void *pool_data)
{
	kfree(element);
}
EXPORT_SYMBOL_GPL(mempool2_kfree);

void *mempool2_kvmalloc(gfp_t gfp_mask, void *pool_data)
{
	size_t size = (size_t)pool_data;

	return mempool2_raw_kvmalloc(size, gfp_mask);
}
EXPORT_SYMBOL_GPL(mempool2_kvmalloc);

void mempool2_kvfree(void *element, void *pool_data)
{
	kvfree(element);
}
EXPORT_SYMBOL_GPL(mempool2_kvfree);

void *mempool2_alloc_pages(gfp_t gfp_mask, void *pool_data)
{
	return mempool2_raw_alloc_pages(gfp_mask, (unsigned long)pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_alloc_pages);

void mempool2_free_pages(void *element, void *pool_data)
{
	__free_pages(element, (unsigned long)pool_data);
}
EXPORT_SYMBOL_GPL(mempool2_free_pages);
