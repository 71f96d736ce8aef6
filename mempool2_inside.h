/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What mempool2.c wants of mempool2_inside.c, which it includes: a pool is only
 * known there as long as somebody wants to see inside.
 */
#ifndef _MEMPOOL2_INSIDE_H
#define _MEMPOOL2_INSIDE_H

#include <linux/jump_label.h>

#include "mempool2.h"

/**
 * enum mempool2_feature - what may be on for one pool and costs no other a thing
 *
 * @FEATURE_LIMIT: elements that are out are counted and their number is limited
 * @FEATURE_FAILING: calls of the alloc function count as failed
 *
 * As long as any is on, the pool is watched: MEMPOOL2_WATCH is set in its state,
 * its kind is MEMPOOL2_WATCHED, and so each call on it goes out of line.
 */
enum mempool2_feature {
	FEATURE_LIMIT	= BIT(0),
	FEATURE_FAILING	= BIT(1),
};

/**
 * struct mempool2_inside - what a pool needs for features
 *
 * @features: those that are on, of &enum mempool2_feature. Read it with
 *	READ_ONCE(); written with registry_lock held.
 * @fail_one_in: of so many calls of the alloc function one counts as failed
 * @nr_calls: counts them
 *
 * Allocated when one is switched on for the first time, and kept until
 * mempool2_exit(), so that whoever may use the pool may use this.
 */
struct mempool2_inside {
	unsigned int	features;
	unsigned int	fail_one_in;
	atomic_t	nr_calls;
};

/* There are watched pools. Else mempool2_free_slow() does not look for it. */
static DEFINE_STATIC_KEY_FALSE(pools_watched);

static bool pool_is_watched(const struct mempool2 *pool)
{
	return atomic_read(&pool->state) & MEMPOOL2_WATCH;
}

static struct mempool2_inside *pool_inside(const struct mempool2 *pool);
static bool pool_has(const struct mempool2 *pool, enum mempool2_feature feature);
static int pool_watch(struct mempool2 *pool, enum mempool2_feature feature, bool on);

static bool pool_is_failing(struct mempool2 *pool);

static void registry_add(struct mempool2 *pool, struct mempool2_reserve *reserve,
			 unsigned long creator);
static void registry_replace(struct mempool2 *pool, struct mempool2_reserve *old,
			     struct mempool2_reserve *reserve);
static void registry_remove(struct mempool2_reserve *reserve);

#endif /* _MEMPOOL2_INSIDE_H */
