/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test cases of mempool2 share: a back end that does as it is told and
 * counts what it is asked, threads that call a pool, ways into other contexts,
 * and an end of each case that checks what holds for every case.
 *
 * All differences between the KUnits of the supported kernels stand here.
 */
#ifndef _MEMPOOL2_KUNIT_FIXTURE_H
#define _MEMPOOL2_KUNIT_FIXTURE_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "../mempool2.h"

/* KUnit can tell slow cases apart since 6.7. */
#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name)	KUNIT_CASE(test_name)
#endif

/* Since 6.16 KUnit may be told not to run them yet. */
#ifdef HAVE_KUNIT_SUITES_WITHOUT_RUN
#define suites_run(suites, nr)		__kunit_test_suites_init(suites, nr, true)
#else
#define suites_run(suites, nr)		__kunit_test_suites_init(suites, nr)
#endif

/* Where the kernel has no KUnit, the module runs its suites itself; see stock.c. */
#if IS_ENABLED(CONFIG_KUNIT)
static inline int stock_start(void)
{
	return 0;
}

static inline void stock_stop(void)
{
}
#else
int stock_start(void);
void stock_stop(void);
#endif

/*
 * How long something may take that should happen at once. Shorter than the 5 s
 * after which a pool's waiter looks into the reserve by itself, so that this cannot
 * hide a wake-up that got lost. Once somebody was left behind, the verdict is
 * clear, and the other cases should come to their end.
 */
#define TIMEOUT		(fixture_left_behind ? HZ / 2 : 4 * HZ)
extern bool fixture_left_behind;

/*
 * How long it may take that memory which comes back is noticed, if it was away for about a
 * tenth of a second: ten times as long as it should, and less than without a retry.
 */
#define SOON		(2 * HZ)

void let_pass(unsigned long time);

/* No case needs more. */
#define MAX_MASKS	16
#define MAX_CALLERS	32
#define MAX_HELD	64
#define MAX_BULK	8

struct item;

/**
 * struct source - a back end for pools: give its address as pool_data
 *
 * @budget: calls of the alloc function that succeed before all others fail
 * @to_fail: calls that fail before any succeeds
 * @only_for: if set, the calls of the alloc function by all other tasks fail: for cases in
 *	which the head of the queue is not to find memory by itself
 * @sleeps: the callbacks sleep, the alloc function if its mask allows that
 * @pool: if set, the callbacks look whether they run with this pool's lock held;
 *	for cases in which others do not hold it all the time
 * @hook: if set, the alloc function calls it first
 * @free_hook: the same for the free function
 * @hook_arg: for both
 * @stock: elements for contexts in which kmalloc() and kfree() are not allowed
 * @stock_lock: protects it
 * @nr_allocs: calls of the alloc function
 * @nr_frees: calls of the free function
 * @nr_live: elements that were allocated and not freed
 * @nr_strangers: freed elements that did not come from here, or came twice
 * @nr_locked: callbacks that ran with the lock of @pool held
 * @nr_irqs_off: callbacks that ran with interrupts disabled
 * @nr_atomic: callbacks that ran with preemption disabled or in an interrupt
 * @nr_irregular: elements that were handed out while somebody had them
 * @masks: what the first calls of the alloc function were given
 */
struct source {
	atomic_t	budget;
	atomic_t	to_fail;
	struct task_struct *only_for;
	bool		sleeps;
	struct mempool2	*pool;
	void		(*hook)(struct source *src, gfp_t gfp_mask);
	void		(*free_hook)(struct source *src);
	void		*hook_arg;
	struct item	*stock;
	raw_spinlock_t	stock_lock;

	atomic_t	nr_allocs;
	atomic_t	nr_frees;
	atomic_t	nr_live;
	atomic_t	nr_strangers;
	atomic_t	nr_locked;
	atomic_t	nr_irqs_off;
	atomic_t	nr_atomic;
	atomic_t	nr_irregular;
	gfp_t		masks[MAX_MASKS];
};

void *source_alloc(gfp_t gfp_mask, void *pool_data);
void source_free(void *element, void *pool_data);

/* From now on: no call succeeds; only the next @nr; all; all but the next @nr. */
void source_fail(struct source *src);
void source_allow(struct source *src, int nr);
void source_recover(struct source *src);
void source_fail_next(struct source *src, int nr);

/*
 * An array for more elements than this machine's memory could even point at.
 * Returns 0 if that is more than a pool can have.
 */
int too_many_for_memory(void);

/* Forget the calls that were counted and their masks. */
void source_forget(struct source *src);

/* An element has one owner: to be called by whoever gets or gives one away. */
void source_claim(struct source *src, void *element);
void source_disclaim(struct source *src, void *element);

/* The mask of the @nr-th call, and any mask, as numbers that KUnit can print. */
static inline unsigned int bits(gfp_t gfp_mask)
{
	return (__force unsigned int)gfp_mask;
}

static inline unsigned int mask_of_call(const struct source *src, int nr)
{
	return bits(src->masks[nr]);
}

/* What alloc adds to its caller's mask, and what its first try leaves out. */
#define ADDED_GFP	(__GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)
#define LATER_GFP	(__GFP_DIRECT_RECLAIM | __GFP_IO)

struct fixture;

/**
 * struct caller - a thread that does something with a pool
 *
 * @fx: whose it is
 * @fn: what it does
 * @task: the thread
 * @done: @fn has returned
 * @index: which of the callers it is
 * @pool: the pool that it uses
 * @gfp: for @fn
 * @count: for @fn
 * @elems: elements that it has; those still there in the end go back to @pool
 * @ret: what @fn makes known
 */
struct caller {
	struct fixture		*fx;
	void			(*fn)(struct caller *caller);
	struct task_struct	*task;
	struct completion	done;
	int			index;
	struct mempool2		*pool;
	gfp_t			gfp;
	unsigned int		count;
	void			*elems[MAX_BULK];
	long			ret;
};

/**
 * struct errand - a function on its way into another context
 *
 * @fn: the function
 * @arg: for @fn
 * @done: @fn has returned
 * @tasklet: carries it into a softirq
 * @irq_work: carries it into a hardirq
 * @was_softirq: it has run in a softirq
 * @was_hardirq: it has run in a hardirq
 * @irqs_restored: it has left the interrupts as it found them
 */
struct errand {
	void			(*fn)(void *arg);
	void			*arg;
	struct completion	done;
	struct tasklet_struct	tasklet;
	struct irq_work		irq_work;
	bool			was_softirq;
	bool			was_hardirq;
	bool			irqs_restored;
};

/**
 * struct fixture - what each case starts with, in test->priv
 *
 * @test: the case
 * @src: a back end that always succeeds
 * @pool: zeroed; initialized by fixture_pool()
 * @spare: zeroed, for cases with two pools
 * @watched: for patch_no_code()
 * @incomplete: the case ends with elements of @pool lost or never allocated
 * @stop: the end has come, for callers that run in a loop
 * @callers: the threads
 * @nr_callers: how many they are
 * @held: elements of @pool that the case itself has, oldest first
 * @nr_held: how many they are
 * @errand: for run_in()
 * @watcher: the task of the case, where a hook needs to tell it from others
 */
struct fixture {
	struct kunit	*test;
	struct source	src;
	struct mempool2	pool;
	struct mempool2	spare;
	struct mempool2	watched;
	bool		incomplete;
	bool		stop;
	struct caller	callers[MAX_CALLERS];
	int		nr_callers;
	void		*held[MAX_HELD];
	int		nr_held;
	struct errand	errand;
	struct task_struct *watcher;
};

/*
 * For every suite. The end returns what callers and the case still have, and
 * expects that the pool is full then, that all elements are freed with it, that
 * nobody had to be rescued from waiting, that no callback ran with the pool's
 * lock held, and that the kernel complained about nothing but what mempool2
 * warned about.
 */
int fixture_init(struct kunit *test);
void fixture_exit(struct kunit *test);

/* Make fx->pool with elements from fx->src, and forget the calls that it took. */
void fixture_pool(struct fixture *fx, int min_nr);

/* Keep an element for fixture_put(), which frees the one that was kept first. */
void fixture_hold(struct fixture *fx, void *element);
void *fixture_put(struct fixture *fx);
void fixture_put_all(struct fixture *fx);

/*
 * From now on nothing that is switched for pools lets the kernel patch code, until the
 * case ends. For cases that switch hundreds of times while other CPUs run that code:
 * QEMU before 8.1 now and then keeps the breakpoint that is there in between. Where the
 * kernel does not patch code for static keys, this does nothing.
 */
void patch_no_code(struct fixture *fx);

/* Let the back end fail and hold all of the reserve. Returns how many that are. */
int fixture_drain(struct fixture *fx);

/* An element of the kind that fx->pool holds, but not from there. */
void *fixture_foreign(struct fixture *fx);

/*
 * Threads, bound to a CPU if @cpu is not ANY_CPU. caller_add() gives one that
 * can be set up before caller_run().
 */
#define ANY_CPU		(-1)
struct caller *caller_add(struct fixture *fx, void (*fn)(struct caller *caller));
void caller_run(struct caller *caller, int cpu);

/* Has it returned, or does it within @timeout? Or within TIMEOUT? */
bool caller_has_returned(struct caller *caller);
bool caller_returns_within(struct caller *caller, unsigned long timeout);
bool caller_returns(struct caller *caller);

/* Have all of them, or do they within TIMEOUT? */
bool callers_return(struct fixture *fx);

/* For @fn: one element with caller->gfp; caller->count of them at once. */
void caller_alloc(struct caller *caller);
void caller_alloc_bulk(struct caller *caller);

/* One that waits as the youngest for fx->pool: returns when it is queued. */
struct caller *caller_that_waits(struct fixture *fx);
struct caller *caller_that_waits_for(struct fixture *fx, unsigned int count);

/*
 * For a caller on another CPU: with the queue locked, let so many ms pass, in which
 * the oldest waiter may come to want the lock, and then give it @element as mempool2
 * does. With @state, of a request, the time is over when that changes, and only then
 * is the element given so: nobody here could call the function of a request.
 */
void give_late(struct mempool2 *pool, void *element, unsigned int ms, const int *state);

/*
 * Put an element into the reserve of a pool that nobody resizes, behind the back of those
 * who wait: as if a free had been stopped right before it looks for them.
 */
void rest_unseen(struct mempool2 *pool, void *element);

int nr_waiters(const struct mempool2 *pool);
bool waiters_become(const struct mempool2 *pool, int nr);

/* A waiter is given a few elements at a time. */
bool reserved_become(const struct mempool2 *pool, int nr);

/* Is it asleep, or does it fall asleep in time? */
bool caller_sleeps(struct caller *caller);

/* Count how often this task wakes callers, from now on; if this kernel lets us. */
bool wakes_watch(struct fixture *fx);
int wakes_of(struct caller *caller);

/* How often this CPU asked for pages, if this kernel tells. */
bool pages_are_watched(void);
unsigned int pages_asked_here(void);

/*
 * Contexts. In a raw hardirq lockdep wants on any kernel what PREEMPT_RT needs, so no
 * case may call the kernel's allocators there.
 */
enum place {
	IN_TASK,
	IN_TASK_IRQS_OFF,
	IN_TASK_BH_OFF,
	IN_SOFTIRQ,
	IN_HARDIRQ,
	IN_RAW_HARDIRQ,
};

struct context {
	const char	*name;
	enum place	where;
};

#define NR_CONTEXTS	5
extern const struct context contexts[NR_CONTEXTS];

static inline void context_name(const struct context *context, char *name)
{
	strscpy(name, context->name, KUNIT_PARAM_DESC_SIZE);
}

/* Skip the case where this kernel's own allocators may not be called. */
void allocators_are_legal(struct kunit *test, enum place where);

/*
 * Work that runs in hardirq: on PREEMPT_RT only if it is said to be hard, and
 * elsewhere not, where lockdep would then want of allocators what only PREEMPT_RT
 * wants.
 */
#define HARDIRQ_WORK_INIT(fn)						\
	(IS_ENABLED(CONFIG_PREEMPT_RT) ? IRQ_WORK_INIT_HARD(fn) :	\
					 IRQ_WORK_INIT(fn))

/* Call a function there and wait for it. It must not use @test. */
void run_in(struct fixture *fx, enum place where, void (*fn)(void *arg), void *arg);

/* What mempool2 said about callers' mistakes since the case began. */
void expect_no_warning(struct fixture *fx);

/*
 * Expect just one, with @text and who made the misuse_once in it. Warnings come once
 * in a boot: @spent is static and tells that the case has had its own.
 */
#define expect_one_warning(fx, spent, text) \
	expect_one_warning_from(fx, spent, __func__, text)
void expect_one_warning_from(struct fixture *fx, bool *spent, const char *caller,
			     const char *text);

/*
 * Expect that mempool2 has reported one misuse of the pool of that name, and forget
 * it. Where reports cannot be seen, nothing is expected.
 */
void expect_report(struct fixture *fx, const char *what, const char *pool_name);

/*
 * The case does on purpose what checks are there to find, and switches none on: where
 * they are on for all pools, their reports are right.
 */
void checks_may_report(void);

/* Does a report come? */
bool report_comes_within(unsigned long timeout);

#endif /* _MEMPOOL2_KUNIT_FIXTURE_H */
