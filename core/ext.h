/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Optional state of a pool (its "ext"): what the limit and debugging need
 */
#ifndef _MEMPOOL2_EXT_H
#define _MEMPOOL2_EXT_H

#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/ratelimit.h>
#include <linux/spinlock.h>

#include "../mempool2.h"
#include "../mempool2_debug.h"
#include "reserve.h"

/**
 * enum mempool2_feature - what can be switched on for a single pool
 *
 * @FEATURE_LIMIT: the number of elements in flight is counted and limited
 * @FEATURE_FAILING: some calls of the alloc function fail on purpose
 * @FEATURE_STATS: events are counted
 * @FEATURE_RECORDS: each element has a record of its last owner, which all checks need
 * @FEATURE_POISON: parked elements are poisoned, which %FEATURE_CHECK_POISON needs
 * @FEATURE_CHECK_POISON: writes to parked elements are reported
 * @FEATURE_CHECK_DOUBLE: frees of parked elements are reported
 * @FEATURE_CHECK_NESTED: tasks that wait while they hold an element are reported
 * @FEATURE_CHECK_EXIT: a pool that ends too early, or is used later, is reported
 * @FEATURE_STALL: waiters that wait too long are reported
 *
 * An element is parked while it is in the reserve.
 *
 * While any feature is on for any pool, a tracepoint of the reserve is enabled, or new pools get
 * checks, all pools are instrumented: the calls on every pool go out of line and read the features
 * of their pool. Otherwise features cost nothing.
 */
enum mempool2_feature {
	FEATURE_LIMIT		= BIT(0),
	FEATURE_FAILING		= BIT(1),
	FEATURE_STATS		= BIT(2),
	FEATURE_RECORDS		= BIT(3),
	FEATURE_POISON		= BIT(4),
	FEATURE_CHECK_POISON	= BIT(5),
	FEATURE_CHECK_DOUBLE	= BIT(6),
	FEATURE_CHECK_NESTED	= BIT(7),
	FEATURE_CHECK_EXIT	= BIT(8),
	FEATURE_STALL		= BIT(9),
};

/* What checks need to be prepared with, and the checks themselves. */
#define FEATURES_PREPARE	(FEATURE_RECORDS | FEATURE_POISON)
#define FEATURES_CHECK		(FEATURE_CHECK_POISON | FEATURE_CHECK_DOUBLE | \
				 FEATURE_CHECK_NESTED | FEATURE_CHECK_EXIT)

#define STACK_DEPTH	4

/**
 * struct mempool2_stack - the stack of a caller, cached to avoid unwinding it again
 *
 * @frame: address of the frame at which the stack begins, %NULL if it cannot be cached
 * @nr: number of return addresses in @entries
 * @handle: handle in the stack depot
 * @entries: return addresses, and the distance of each from @frame, in words
 */
struct mempool2_stack {
	const unsigned long	*frame;
	unsigned int		nr;
	u32			handle;
	struct {
		unsigned long	address;
		unsigned long	at;
	} entries[STACK_DEPTH];
};

struct mempool2_figures;
struct mempool2_record;

/**
 * struct mempool2_ext - optional state of a pool
 *
 * @reserve: reserve of the pool, %NULL until the pool is created and once it begins to end.
 *	Protected by mp2_registry_lock.
 * @elements: copy of the member of the reserve
 * @is_instrumented: a feature is on
 * @features: features that are on, of &enum mempool2_feature. Read with ext_features();
 *	written with mp2_registry_lock held.
 * @stalled: in mp2_stalled_exts while %FEATURE_STALL is on
 * @fail_interval: one in this many calls of the alloc function fails
 * @nr_calls: calls of the alloc function, for @fail_interval
 * @limit: most elements in flight while %FEATURE_LIMIT is on
 * @nr_inflight: elements in flight, counted while %FEATURE_LIMIT is on
 * @name: name that the pool's owner has set, or empty
 * @figures: per-CPU statistics, %NULL if they were never on
 * @stall_timeout: seconds after which a waiter counts as stalled
 * @ratelimit: for reports
 * @lock: protects @stack and the records
 * @stack: stack of the last caller that took an element from the reserve
 * @table: memory of @records
 * @records: hash table by address of the element, %NULL if there are no records or addresses
 *	do not identify elements
 * @records_mask: number of hash buckets, less one
 * @old_mask: number of hash buckets of @old_table, less one
 * @old_table: smaller hash table that @records replaces, %NULL once all records are moved
 * @unused: records without an element
 * @chunks: memory of all records
 * @nr_records: number of records in @chunks
 * @nr_used: number of records with an element
 * @nr_missed: how often @unused had no record for an element
 * @distinct: elements with different addresses were seen
 * @repeats: elements with equal addresses were seen
 * @id: number and name of the directory in debugfs, 0 if there is none
 * @dir: the directory
 * @dead: in the list of exts that dead_exts_work frees
 *
 * Allocated when the pool first needs it and kept until mempool2_exit(), so a caller that may
 * use the pool may use its ext.
 */
struct mempool2_ext {
	struct mempool2_reserve	*reserve;
	struct mempool2_elements elements;
	bool			is_instrumented;
	unsigned int		features;
	struct list_head	stalled;
	unsigned int		fail_interval;
	atomic_t		nr_calls;
	int			limit;
	atomic_t		nr_inflight;
	char			name[MEMPOOL2_NAME_LEN];
	struct mempool2_figures __percpu *figures;
	unsigned int		stall_timeout;
	struct ratelimit_state	ratelimit;

	raw_spinlock_t		lock;
	struct mempool2_stack	stack;
	struct hlist_head	*table;
	struct hlist_head	*records;
	unsigned int		records_mask;
	unsigned int		old_mask;
	struct hlist_head	*old_table;
	struct hlist_head	unused;
	struct list_head	chunks;
	unsigned int		nr_records;
	unsigned int		nr_used;
	unsigned int		nr_missed;
	bool			distinct;
	bool			repeats;

	unsigned int		id;
	struct dentry		*dir;
	struct list_head	dead;
};

/*
 * Protects the registry and the members of the reserves that belong to it. Taken after the
 * mutexes and before all other locks, including those of wait queues.
 */
extern spinlock_t mp2_registry_lock;

/* On while pools are instrumented: then the calls on all pools read the features of their pool. */
DECLARE_STATIC_KEY_FALSE(mp2_instrumented);

static __always_inline bool pool_is_instrumented(const struct mempool2 *pool)
{
	return static_branch_unlikely(&mp2_instrumented);
}

/* Features that are on. The values that a feature uses are valid if the feature is seen. */
static __always_inline unsigned int ext_features(const struct mempool2_ext *ext)
{
	/* Pairs with mp2_features_set() (feature-or-figure). */
	return ext ? smp_load_acquire(&ext->features) : 0;
}

static inline struct mempool2_ext *pool_ext(const struct mempool2 *pool)
{
	struct mempool2_ext *ext;

	rcu_read_lock_sched();
	/* Pairs with mp2_ext_attach(). */
	ext = smp_load_acquire(&rcu_dereference_sched(pool->reserve)->ext);
	rcu_read_unlock_sched();
	return ext;
}

/* The ext of @pool if any of @features is on, else %NULL. */
static inline struct mempool2_ext *ext_with(const struct mempool2 *pool, unsigned int features)
{
	struct mempool2_ext *ext = pool_ext(pool);

	return ext_features(ext) & features ? ext : NULL;
}

static inline bool pool_has(const struct mempool2 *pool, unsigned int features)
{
	return pool_is_instrumented(pool) && ext_with(pool, features);
}

/* core/ext.c */

extern struct mutex mp2_features_mutex;
void mp2_features_lock(void);
void mp2_features_unlock(void);
extern struct list_head mp2_registry, *mp2_registry_no_dir, mp2_stalled_exts;
extern unsigned int mp2_nr_stalls, mp2_nr_traced, mp2_checks_for_new;

void mp2_instrumented_begin(void);
void mp2_instrumented_update(void);
void mp2_registry_add(struct mempool2 *pool, struct mempool2_reserve *reserve);
void mp2_registry_replace(struct mempool2 *pool, struct mempool2_reserve *old,
			  struct mempool2_reserve *reserve);
void mp2_registry_remove(struct mempool2_reserve *reserve);
struct mempool2_ext *mp2_ext_create(gfp_t gfp);
void mp2_ext_drop(struct mempool2_ext *ext);
void mp2_ext_attach(struct mempool2_ext *ext, struct mempool2_reserve *reserve);
void mp2_ext_ended(struct mempool2_reserve *reserve);
int mp2_ext_switch(struct mempool2_ext *ext, unsigned int features);
int mp2_ext_set_limit(struct mempool2 *pool, int limit);
void mp2_ext_unload(void);
void mp2_features_set(struct mempool2_ext *ext, unsigned int features);
struct mempool2_ext *mp2_pool_make_ext(struct mempool2 *pool);
int mp2_pool_set(struct mempool2 *pool, int (*set)(struct mempool2_ext *ext, unsigned int value),
		 unsigned int value);

#endif /* _MEMPOOL2_EXT_H */
