/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Torture of mempool2: every call at once, for hours, and every result checked
 *
 * main.c	parameters, threads, statistics and the verdict
 * pool.c	pools, a back end that fails on demand, elements that know their owner
 * worker.c	threads: each repeats random calls
 * request.c	requests of threads: callbacks, cancels and their order
 * irq.c	calls in softirqs and hardirqs
 * control.c	the thread that changes pools, and counts their elements while all others pause
 * nuisance.c	threads that send signals, fill the memory, preempt others and take CPUs away
 * watchdog.c	the thread that looks for waiters that wait for too long
 */
#ifndef _MEMPOOL2_TORTURE_H
#define _MEMPOOL2_TORTURE_H

#include <linux/atomic.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sched.h>

#include "../mempool2.h"

/* What no call for several elements exceeds; pools that are smaller have smaller calls. */
#define BULK		4
#define NR_POOLS	4
#define NR_PLACES	8

/* What the test finds wrong. The first few of each kind have a message. */
enum finding {
	FOUND_TWICE,		/* an element has two owners */
	FOUND_DAMAGED,		/* another owner wrote to an element */
	FOUND_LOST,		/* fewer elements than guaranteed, or another number than exist */
	FOUND_STRANDED,		/* a waiter sleeps although there is an element for it */
	FOUND_LATE,		/* a wait without end */
	FOUND_ORDER,		/* a younger request was served first */
	FOUND_CALLBACK,		/* a callback came twice, or not, or after a cancel */
	FOUND_RESULT,		/* a call returned what it must not return */
	FOUND_CONTEXT,		/* a call came back with other interrupts or preemption */
	FOUND_AFTER_END,	/* a function of a pool was called after the end of the pool */
	NR_FINDINGS,
};

__printf(2, 3) void found(enum finding what, const char *fmt, ...);

/* Calls of each kind, and what came of some. */
enum counter {
	NR_ALLOC, NR_ATOMIC, NR_TIMEOUT, NR_KILLABLE, NR_BULK, NR_ASYNC, NR_BULK_ASYNC,
	NR_PREALLOCATED, NR_NORESERVE, NR_FREE, NR_FREE_BULK, NR_FOREIGN, NR_CANCEL,
	NR_SOFTIRQ, NR_HARDIRQ, NR_RESIZE, NR_REFILL, NR_LIMIT, NR_FEATURE, NR_SHORT_LIVED,
	NR_NULL, NR_TIMED_OUT, NR_KILLED, NR_CANCELED, NR_CALLBACK, NR_ORDERED, NR_WAITED,
	NR_HOGGED, NR_OFFLINE, NR_PREEMPTED, NR_AUDIT,
	NR_COUNTERS,
};

DECLARE_PER_CPU(unsigned long [NR_COUNTERS], torture_counters);

static inline void count(enum counter what)
{
	this_cpu_inc(torture_counters[what]);
}

/**
 * struct element - what is at the beginning of an element of any pool
 *
 * @owner: what has the element now: the index of a caller, or 0
 * @tag: what the owner has written, derived from @owner and the address
 * @next: in the arena, while no pool has the element
 * @in_arena: the element is in the arena
 */
struct element {
	atomic_t	owner;
	unsigned long	tag;
	struct element	*next;
	bool		in_arena;
};

/**
 * struct torture_pool - a pool under torture
 *
 * @pool: the pool
 * @name: for messages
 * @is_exact: the elements come from the arena, so their number is known
 * @has_pages: the elements are pages
 * @min_nr: the size that the last resize asked for
 * @guaranteed: the fewest elements that the pool may have since the last audit
 * @limit: the limit, or 0
 * @nr_taken: elements that were allocated: progress, for the watchdog
 * @nr_owned: elements that have an owner
 * @nr_bulk: callers and requests for several elements
 * @seen: nr_taken at the last look of the watchdog
 * @nr_stranded: looks in a row that found waiters, elements and no progress
 * @nr_asleep: looks in a row that found an element with a waiter, and no progress
 */
struct torture_pool {
	struct mempool2		pool;
	const char		*name;
	bool			is_exact;
	bool			has_pages;
	int			min_nr;
	int			guaranteed;
	int			limit;
	atomic_long_t		nr_taken;
	atomic_t		nr_owned;
	atomic_t		nr_bulk;
	long			seen;
	int			nr_stranded;
	int			nr_asleep;
};

/* pool.c */
extern struct torture_pool torture_pools[NR_POOLS];
extern struct torture_pool *const exact_pool;
extern atomic_t arena_taken;
extern int fail_permille;

int pools_create(void);
void pools_destroy(void);
void *arena_alloc(gfp_t gfp_mask, void *pool_data);
void arena_free(void *element, void *pool_data);
void element_own(struct torture_pool *tp, void *element, int owner);
void element_disown(struct torture_pool *tp, void *element, int owner);
void element_pass(struct torture_pool *tp, void *element, int from, int to);

/**
 * struct worker - a thread
 *
 * @task: the thread
 * @index: from 1; also the owner of the elements of the worker
 * @since: when the worker began to wait, in heartbeats plus one; 0 while it does not wait
 * @began: the same in jiffies
 * @ran: for how long the worker had run when the heartbeat began, in ns
 * @random: state of its random numbers
 * @may_be_killed: a signal may be sent to it
 */
struct worker {
	struct task_struct	*task;
	int			index;
	unsigned long		since;
	unsigned long		began;
	u64			ran;
	struct rnd_state	random;
	bool			may_be_killed;
};

/* worker.c */
int worker_fn(void *data);
void places_empty(void);
u32 random_below(struct rnd_state *random, u32 ceiling);
unsigned int random_bulk(struct worker *me);
void hold(struct worker *me);
void release(struct worker *me, struct torture_pool *tp, void *element);
void use(struct worker *me, struct torture_pool *tp, void *element);
void wait_begin(struct worker *me);
void wait_end(struct worker *me);

/* request.c */
void do_async(struct worker *me, struct torture_pool *tp);
void do_ordered(struct worker *me, struct torture_pool *tp);
void do_short_lived(struct worker *me, struct torture_pool *tp);
bool short_lived_create(void);
void short_lived_destroy(void);

/* irq.c */
void irqs_start(void);
void irqs_stop(void);
void irqs_pause(bool pause);

/* control.c: while it pauses, a worker has no element and makes no call */
bool worker_pauses(void);
void worker_pause(void);
int control_fn(void *data);

/* nuisance.c */
int killer_fn(void *data);
int hog_fn(void *data);
int preempter_fn(void *data);
int hotplug_fn(void *data);

/* watchdog.c */
unsigned long heartbeats(void);
int watchdog_fn(void *data);

/* main.c */
extern struct worker *torture_workers;
extern int nr_workers;
extern int max_nr, hold_us, wait_limit;
extern unsigned int features;
extern bool switch_code;

#define FEATURE_DEBUG		0x001
#define FEATURE_LIMIT		0x002
#define FEATURE_RESIZE		0x004
#define FEATURE_FAIL		0x008
#define FEATURE_KILL		0x010
#define FEATURE_ASYNC		0x020
#define FEATURE_BULK		0x040
#define FEATURE_IRQ		0x080
#define FEATURE_SHORT_LIVED	0x100
#define FEATURE_HOG		0x200
#define FEATURE_PREEMPT		0x400
#define FEATURE_HOTPLUG		0x800

#endif /* _MEMPOOL2_TORTURE_H */
