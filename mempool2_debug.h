/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mempool2 - names, statistics and checks for pools
 *
 * A driver calls these where it makes a pool, if at all; a pool works without them. All are new:
 * the kernel's mempool has no such calls. The files of a pool in debugfs do the same without a
 * change of the driver: Documentation/ABI/testing/debugfs-mempool2 describes them, and
 * Documentation/debugging.rst how to use them.
 *
 * They return 0 or a negative error number. While anything here is on for a pool, the calls on all
 * pools cost a little more. If mempool2 was built without CONFIG_MEMPOOL2_DEBUG they return
 * -EOPNOTSUPP, but mempool2_set_name() returns 0 and does nothing.
 */
#ifndef _MEMPOOL2_DEBUG_H
#define _MEMPOOL2_DEBUG_H

#include <linux/types.h>

#include "mempool2.h"

/* Bytes in a name, with the NUL at its end. */
#define MEMPOOL2_NAME_LEN	32

/**
 * mempool2_set_name() - name a pool
 * @pool: the pool
 * @name: the name; of a longer one, the first %MEMPOOL2_NAME_LEN - 1 characters
 *
 * Debugfs, events and reports show the name, with "_" for each blank and each other character that
 * is not printable ASCII. A pool without a name has the name of the function that made the pool. Do
 * not call this while other code uses the pool's name: best directly after the pool was made.
 *
 * Context: Task context. Sleeps.
 * Return:
 * * 0 on success
 * * %-ENOMEM - no memory for the name
 * * %-EINVAL - @pool is not initialized, or @name is %NULL or empty, with a warning
 */
int mempool2_set_name(struct mempool2 *pool, const char *name);

/**
 * struct mempool2_stats - what happened to a pool
 *
 * @reserve_allocs: elements that callers took from the reserve
 * @refills: elements that went to the reserve: freed, new, or put back by a call that wants several
 *	and found fewer
 * @waits: callers that waited
 * @wait_ns: the sum of their waits, in nanoseconds
 * @max_wait_ns: the longest wait, in nanoseconds
 * @handovers: elements that were given to a waiter
 * @failed: calls that could not sleep and got no element
 * @resizes: calls of mempool2_resize() that changed the pool
 */
struct mempool2_stats {
	u64	reserve_allocs;
	u64	refills;
	u64	waits;
	u64	wait_ns;
	u64	max_wait_ns;
	u64	handovers;
	u64	failed;
	u64	resizes;
};

/**
 * mempool2_enable_stats() - start or stop the statistics of a pool
 * @pool: the pool
 * @on: whether to count
 *
 * Counts only what happens outside the path of an allocation that finds memory. The numbers stay
 * when counting stops.
 *
 * Context: Task context. Sleeps.
 * Return:
 * * 0 on success
 * * %-ENOMEM - no memory for the numbers
 * * %-EINVAL - @pool is not initialized, with a warning
 */
int mempool2_enable_stats(struct mempool2 *pool, bool on);

/**
 * mempool2_get_stats() - read the statistics of a pool
 * @pool: the pool
 * @sum: where to write them
 *
 * Context: Any. Does not sleep.
 * Return:
 * * 0 on success
 * * %-ENODATA - statistics were never on
 * * %-EINVAL - @pool is not initialized, with a warning
 */
int mempool2_get_stats(struct mempool2 *pool, struct mempool2_stats *sum);

/*
 * Checks for mempool2_set_checks().
 *
 * POISON: a write to a parked element, if elements are slab objects of a cache without a
 *	constructor, memory of kmalloc() or kvmalloc(), or pages; but not where KASAN poisons them.
 * DOUBLE: a free of a parked element.
 * NESTED: a task that waits while it holds an element from the reserve.
 * EXIT: the end of a pool with elements in flight or with waiters.
 */
#define MEMPOOL2_CHECK_POISON	0x01
#define MEMPOOL2_CHECK_DOUBLE	0x02
#define MEMPOOL2_CHECK_NESTED	0x04
#define MEMPOOL2_CHECK_EXIT	0x08
#define MEMPOOL2_CHECK_ALL	0x0f

/**
 * mempool2_set_checks() - look for misuse of a pool
 * @pool: the pool
 * @checks: some of %MEMPOOL2_CHECK_POISON, %MEMPOOL2_CHECK_DOUBLE, %MEMPOOL2_CHECK_NESTED and
 *	%MEMPOOL2_CHECK_EXIT; the others are switched off
 *
 * Findings are reported in the kernel's log, see Documentation/debugging.rst. While any check is
 * on, mempool2 records which caller has taken an element from the reserve.
 *
 * Context: Task context. Sleeps.
 * Return:
 * * 0 on success
 * * %-ENOMEM - no memory for the records
 * * %-EINVAL - @pool is not initialized, or @checks has another bit, with a warning
 */
int mempool2_set_checks(struct mempool2 *pool, unsigned int checks);

/**
 * mempool2_set_stall_timeout() - report callers that wait too long
 * @pool: the pool
 * @seconds: the longest wait without a report, in seconds, at most a day; 0 for no reports, as
 *	initially
 *
 * A report names the waiters and, while any check is on, the holders of elements from the reserve.
 * If there are many waiters it names the oldest ones and the number of the others. Each waiter is
 * reported once.
 *
 * Context: Task context. Sleeps.
 * Return:
 * * 0 on success
 * * %-ENOMEM - no memory for the setting
 * * %-EINVAL - @pool is not initialized, or @seconds is too large, with a warning
 */
int mempool2_set_stall_timeout(struct mempool2 *pool, unsigned int seconds);

/**
 * mempool2_set_fail_interval() - let calls of a pool's alloc function fail
 * @pool: the pool
 * @one_in: 1 for each call, N for one call in N, 0 for none, as initially
 *
 * For tests: the pool uses its reserve, and callers wait, without a lack of memory. The alloc
 * function is not called when it is to fail. Calls of mempool2_alloc_noreserve(), mempool2_resize()
 * and the like are not affected.
 *
 * Context: Task context. Sleeps.
 * Return:
 * * 0 on success
 * * %-ENOMEM - no memory for the setting
 * * %-EINVAL - @pool is not initialized, with a warning
 */
int mempool2_set_fail_interval(struct mempool2 *pool, unsigned int one_in);

#endif /* _MEMPOOL2_DEBUG_H */
