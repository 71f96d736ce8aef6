/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An unmodified driver on mempool2
 *
 * A driver that uses the kernel's mempool is built with this file and then uses mempool2 instead:
 * the types mempool_t and struct mempool, all calls with their variants for allocation profiling,
 * and the stock alloc and free functions. There are two ways to build it so.
 *
 * The include path, for one file or a whole directory, with all directories below it. The Kbuild of
 * the uppermost directory gets one line:
 *
 *	NOSTDINC_FLAGS := -I$(MEMPOOL2)/dropin/include $(NOSTDINC_FLAGS)
 *
 * The directory holds headers that stand before those of the kernel that declare or embed pools:
 * <linux/mempool.h>, <linux/bio.h>, <linux/blkdev.h> and so on. Each includes the header of the
 * kernel and then this file. Nothing is included earlier than without mempool2, so what a driver
 * defines before its first #include still holds: pr_fmt, DEBUG, DEFAULT_SYMBOL_NAMESPACE. And the
 * modversions CRCs of a driver's exported symbols remain those of the stock build, unless their
 * types contain a pool of the driver. (CONFIG_GENDWARFKSYMS computes CRCs from the debugging
 * information, so the CRCs of all types with a pool, a bio_set included, should change. This was
 * not tested.)
 *
 * Or this file before the first line of the source, where the include path cannot be changed:
 *
 *	subdir-ccflags-y += -include $(MEMPOOL2)/dropin/mempool2_dropin.h
 *
 * (ccflags-y does not reach the directories below, which then stay on the kernel's pool.) As
 * headers of the kernel are included before the driver's first line, three things differ:
 *
 * - DEBUG and DEFAULT_SYMBOL_NAMESPACE in a source file come too late; give them with -D in the
 *   Kbuild. A source file that defines pr_fmt needs -DMEMPOOL2_COMPAT_OWN_PR_FMT, or gcc reports a
 *   redefinition.
 * - The CRCs of exported symbols change, those without a pool in their types included. All
 *   modules that import such symbols have to be built again.
 * - -DMEMPOOL2_COMPAT_KEEP, see below, works in this way only.
 *
 * scripts/dropin-check says which of the built modules are on mempool2, which stayed on the
 * kernel's pool, and which modules import symbols with a changed CRC.
 *
 * Pools that belong to the kernel stay the kernel's: those in a bio_set, in a gendisk, of
 * fsnotify, of netfs, of the btree library. A driver that passes one of them to a call of its own
 * fails to compile, as does a driver that passes a pool of its own to a function of the kernel that
 * expects the kernel's.
 *
 * What cannot be replaced this way:
 *
 * - A pool that two modules share, when only one of them is built with this header: both must be.
 *   Examples are the md drivers (md-mod creates mddev->serial_info_pool, raid1 uses it), and ceph
 *   with libceph. Where the other module cannot be rebuilt, build with -include and name the header
 *   that declares the pool, -DMEMPOOL2_COMPAT_KEEP='"$(abspath $(src))/md.h"': the pools in it are
 *   then the kernel's, and code that mixes the two fails to compile.
 * - A driver that looks into a pool: at curr_nr (use mempool2_nr_reserved()), elements or lock. It
 *   fails to compile. The members min_nr, pool_data, alloc, free and wait exist, see
 *   &struct mempool2 for their use.
 * - A driver that is not under the GPL: the calls are EXPORT_SYMBOL_GPL.
 * - mm/mempool.c itself.
 *
 * A whole kernel on mempool2 has no other mempool: its include/linux/mempool.h is replaced by
 * one that defines MEMPOOL2_COMPAT_WHOLE_KERNEL and includes this file.
 */
#ifndef _MEMPOOL2_COMPAT_H
#define _MEMPOOL2_COMPAT_H

/*
 * Rename the kernel's own pool: the tag of mempool_t was mempool_s until it became mempool in
 * 7.x. Then include all headers of the kernel that embed or take such a pool.
 */
#ifdef MEMPOOL2_COMPAT_WHOLE_KERNEL
#define _LINUX_MEMPOOL_H
#elif defined(MEMPOOL2_COMPAT_IN_KERNEL)
/* One of the headers in include/linux has done so. */
#define MEMPOOL2_COMPAT_INCLUDE_PATH
#ifdef MEMPOOL2_COMPAT_KEEP
#error "MEMPOOL2_COMPAT_KEEP works with -include only, see mempool2_dropin.h"
#endif
#else
/* This is the -include: all pools in headers of the kernel are the kernel's. */
#define MEMPOOL2_COMPAT_IN_KERNEL
#include <linux/sched.h>
#include <linux/wait.h>

#define mempool		mempool_of_the_kernel
#define mempool_s	mempool_of_the_kernel
#include <linux/mempool.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/btree.h>
#include <linux/fsnotify_backend.h>
#if IS_ENABLED(CONFIG_NETFS_SUPPORT)
#include <linux/netfs.h>
#endif
#ifdef MEMPOOL2_COMPAT_KEEP
#include MEMPOOL2_COMPAT_KEEP
#endif
#undef mempool
#undef mempool_s
#endif

/* From here on the tag of mempool2's pool is the tag that drivers use. */
#ifndef _MEMPOOL2_H
#define mempool2			mempool
#define mempool_s			mempool
#else
#define mempool_s			mempool2
#define MEMPOOL2_COMPAT_TAG_MEMPOOL2
#endif
#include "../mempool2.h"

#define mempool_t			mempool2_t
#define mempool_alloc_t			mempool2_alloc_t
#define mempool_free_t			mempool2_free_t

/* Remove the kernel's macros. */
#undef mempool_init_node
#undef mempool_init
#undef mempool_create_node
#undef mempool_create
#undef mempool_resize
#undef mempool_alloc
#undef mempool_alloc_bulk
#undef mempool_alloc_noreserve
#undef mempool_init_slab_pool
#undef mempool_create_slab_pool
#undef mempool_init_kmalloc_pool
#undef mempool_create_kmalloc_pool
#undef mempool_init_kvmalloc_pool
#undef mempool_create_kvmalloc_pool
#undef mempool_init_page_pool
#undef mempool_create_page_pool

/* Creating and destroying */
#define mempool_initialized		mempool2_initialized
#define mempool_is_saturated		mempool2_is_saturated
#define mempool_init_node		mempool2_init_node
#define mempool_init_node_noprof	mempool2_init_node_noprof
#define mempool_init			mempool2_init
#define mempool_init_noprof(pool, min_nr, alloc_fn, free_fn, pool_data)		\
	mempool2_init_node_noprof(pool, min_nr, alloc_fn, free_fn, pool_data,	\
				  GFP_KERNEL, NUMA_NO_NODE)
#define mempool_create_node		mempool2_create_node
#define mempool_create_node_noprof	mempool2_create_node_noprof
#define mempool_create			mempool2_create
#define mempool_resize			mempool2_resize
#define mempool_resize_noprof		mempool2_resize_noprof
#define mempool_exit			mempool2_exit
#define mempool_destroy			mempool2_destroy

/* Allocating and freeing */
#define mempool_alloc			mempool2_alloc
#define mempool_alloc_noprof		mempool2_alloc_noprof
#define mempool_alloc_bulk		mempool2_alloc_bulk
#define mempool_alloc_bulk_noprof	mempool2_alloc_bulk_noprof
#define mempool_alloc_noreserve		mempool2_alloc_noreserve
#define mempool_alloc_preallocated	mempool2_alloc_preallocated
#define mempool_free			mempool2_free
#define mempool_free_bulk		mempool2_free_bulk

/* Stock functions, and pools made with them */
#define mempool_alloc_slab		mempool2_alloc_slab
#define mempool_free_slab		mempool2_free_slab
#define mempool_kmalloc			mempool2_kmalloc
#define mempool_kfree			mempool2_kfree
#define mempool_kvmalloc		mempool2_kvmalloc
#define mempool_kvfree			mempool2_kvfree
#define mempool_alloc_pages		mempool2_alloc_pages
#define mempool_free_pages		mempool2_free_pages
#define mempool_init_slab_pool		mempool2_init_slab_pool
#define mempool_create_slab_pool	mempool2_create_slab_pool
#define mempool_init_kmalloc_pool	mempool2_init_kmalloc_pool
#define mempool_create_kmalloc_pool	mempool2_create_kmalloc_pool
#define mempool_init_kvmalloc_pool	mempool2_init_kvmalloc_pool
#define mempool_create_kvmalloc_pool	mempool2_create_kvmalloc_pool
#define mempool_init_page_pool		mempool2_init_page_pool
#define mempool_create_page_pool	mempool2_create_page_pool

#ifndef MEMPOOL2_COMPAT_WHOLE_KERNEL
/* Evaluates to @pool; does not compile for a pool of the kernel. */
#define mempool2_compat_own(pool)						\
({										\
	static_assert(!__builtin_types_compatible_p(typeof(pool),		\
						    struct mempool_of_the_kernel *), \
		      "this pool is one of the kernel's mempool, not of mempool2");	\
	(pool);									\
})

/* Wrap the functions that all calls end in. */
#define mempool2_initialized(pool)		mempool2_initialized(mempool2_compat_own(pool))
#define mempool2_is_saturated(pool)		mempool2_is_saturated(mempool2_compat_own(pool))
#define mempool2_nr_reserved(pool)		mempool2_nr_reserved(mempool2_compat_own(pool))
#define mempool2_init_node_noprof(pool, ...)					\
	mempool2_init_node_noprof(mempool2_compat_own(pool), __VA_ARGS__)
#define mempool2_resize_noprof(pool, nr)					\
	mempool2_resize_noprof(mempool2_compat_own(pool), nr)
#define mempool2_exit(pool)			mempool2_exit(mempool2_compat_own(pool))
#define mempool2_destroy(pool)			mempool2_destroy(mempool2_compat_own(pool))
#define mempool2_alloc_noprof(pool, gfp)					\
	mempool2_alloc_noprof(mempool2_compat_own(pool), gfp)
#define mempool2_alloc_bulk_noprof(pool, ...)					\
	mempool2_alloc_bulk_noprof(mempool2_compat_own(pool), __VA_ARGS__)
#define mempool2_alloc_noreserve_noprof(pool, gfp)				\
	mempool2_alloc_noreserve_noprof(mempool2_compat_own(pool), gfp)
#define mempool2_alloc_preallocated(pool)					\
	mempool2_alloc_preallocated(mempool2_compat_own(pool))
#define mempool2_free(element, pool)		mempool2_free(element, mempool2_compat_own(pool))
#define mempool2_free_bulk(pool, ...)						\
	mempool2_free_bulk(mempool2_compat_own(pool), __VA_ARGS__)
#endif

#if defined(MEMPOOL2_COMPAT_OWN_PR_FMT) && !defined(MEMPOOL2_COMPAT_INCLUDE_PATH)
#undef pr_fmt
#endif

#endif /* _MEMPOOL2_COMPAT_H */
