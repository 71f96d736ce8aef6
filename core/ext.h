/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may be on for a pool
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
 * enum mempool2_feature - what may be on for one pool and costs no other a thing
 *
 * @FEATURE_LIMIT: elements that are out are counted and their number is limited
 * @FEATURE_FAILING: calls of the alloc function count as failed
 * @FEATURE_STATS: events are counted
 * @FEATURE_RECORDS: elements have records, in preparation of checks, or after
 * @FEATURE_POISON: elements are poisoned before they rest, the same
 * @FEATURE_CHECK_POISON: somebody may have written to an element that rested
 * @FEATURE_CHECK_DOUBLE: somebody may free an element that rests
 * @FEATURE_CHECK_NESTED: a caller may wait while it holds an element
 * @FEATURE_CHECK_EXIT: the pool may end too early
 * @FEATURE_STALL: a caller may wait for too long
 *
 * As long as any is on for any pool, pools are watched: the calls on all pools go out
 * of line, where they look for what is on for theirs.
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

/* For each of the checks that have names: what they need to be on. */
#define FEATURES_PREPARE	(FEATURE_RECORDS | FEATURE_POISON)
#define FEATURES_CHECK		(FEATURE_CHECK_POISON | FEATURE_CHECK_DOUBLE | \
				 FEATURE_CHECK_NESTED | FEATURE_CHECK_EXIT)

#define STACK_DEPTH	4

/**
 * struct mempool2_stack - a stack that was seen
 *
 * @frame: where the one frame was that is the same each time
 * @nr: how many return addresses follow
 * @handle: what the depot of stacks calls it
 * @entries: return addresses, and where each of them was, in words from @frame on
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
 * struct mempool2_ext - what a pool needs for features
 *
 * @reserve: the pool's reserve, %NULL until the pool is made and from when it is about
 *	to end. Protected by mp2_registry_lock.
 * @elements: what is known of the pool's elements
 * @features: those that are on, of &enum mempool2_feature. Read it with
 *	ext_features(); written with mp2_registry_lock held.
 * @is_instrumented: some are
 * @stalled: in the list of those whose waiters stall_work looks at
 * @fail_interval: of so many calls of the alloc function one counts as failed
 * @nr_calls: counts them
 * @limit: how many elements may be out, 0 if that is not limited
 * @nr_inflight: how many are, as long as it is
 * @name: what the owner calls the pool, or empty
 * @figures: of the statistics, for each CPU; %NULL if these were never on
 * @stall_timeout: seconds after which a waiter is reported
 * @ratelimit: for reports
 * @lock: protects the records and @stack
 * @stack: the last one of who took an element
 * @table: the memory of @records
 * @records: by address of the element, %NULL if there are none that tell anything
 * @records_mask: how many lists these are, less one
 * @unused: records for elements to come
 * @chunks: the memory of all records
 * @nr_records: how many there are
 * @nr_used: how many of them are of elements
 * @nr_missed: elements for which there was no record
 * @distinct: two elements have been different
 * @since_made: there are records since the pool was made
 * @repeats: elements have been equal, so nothing can be told by their addresses
 * @id: names the directory in debugfs, 0 if there is none
 * @dir: the directory
 * @dead: in the list of those that dead_exts_work is to free
 *
 * Allocated when one is switched on for the first time, and kept until
 * mempool2_exit(), so that whoever may use the pool may use this.
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
	struct hlist_head	unused;
	struct list_head	chunks;
	unsigned int		nr_records;
	unsigned int		nr_used;
	unsigned int		nr_missed;
	bool			distinct;
	bool			since_made;
	bool			repeats;

	unsigned int		id;
	struct dentry		*dir;
	struct list_head	dead;
};

/*
 * Protects the registry and what the reserves have for it. Taken before the lock of
 * a pool's wait queue, and all the others but the mutexes.
 */
extern spinlock_t mp2_registry_lock;

/* Something is on for some pool, so the calls on all pools look for what is on for theirs. */
DECLARE_STATIC_KEY_FALSE(mp2_instrumented);

static __always_inline bool pool_is_instrumented(const struct mempool2 *pool)
{
	return static_branch_unlikely(&mp2_instrumented);
}

/* What is on: then whatever it goes by is there too. */
static __always_inline unsigned int ext_features(const struct mempool2_ext *ext)
{
	/* Pairs with features_set(). */
	return ext ? smp_load_acquire(&ext->features) : 0;
}

static inline struct mempool2_ext *pool_ext(const struct mempool2 *pool)
{
	struct mempool2_ext *ext;

	rcu_read_lock_sched();
	/* Pairs with ext_attach(). */
	ext = smp_load_acquire(&rcu_dereference_sched(pool->reserve)->ext);
	rcu_read_unlock_sched();
	return ext;
}

/* What the pool has for features if any of these is on, else %NULL. */
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
