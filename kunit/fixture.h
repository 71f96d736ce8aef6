/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test cases of mempool2 share: a back end that fails on demand and counts its calls,
 * threads that call a pool, ways into other contexts, and an end of each case that checks the
 * invariants of all cases.
 *
 * All differences between the KUnit versions of the supported kernels are here.
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

/* KUnit marks slow cases since 6.7. */
#ifndef KUNIT_CASE_SLOW
#define KUNIT_CASE_SLOW(test_name)	KUNIT_CASE(test_name)
#endif

/* Since 6.16 the caller tells KUnit whether to run the suites now. */
#ifdef HAVE_KUNIT_SUITES_WITHOUT_RUN
#define suites_run(suites, nr)		__kunit_test_suites_init(suites, nr, true)
#else
#define suites_run(suites, nr)		__kunit_test_suites_init(suites, nr)
#endif

/*
 * A case that waits for many grace periods of RCU has them expedited: thousands of features are
 * switched and pools resized in a second. The kernel's header for this is not for modules.
 */
#ifdef CONFIG_TINY_RCU
static inline void expedite_grace_periods(void) {}
static inline void unexpedite_grace_periods(void) {}
#else
void rcu_expedite_gp(void);
void rcu_unexpedite_gp(void);

static inline void expedite_grace_periods(void)
{
	rcu_expedite_gp();
}

static inline void unexpedite_grace_periods(void)
{
	rcu_unexpedite_gp();
}
#endif

/* In a kernel without KUnit the module runs its suites itself; see stock.c. */
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
 * How long a step may take that should happen at once. Shorter than the 5 s after which a waiter
 * looks into the reserve by itself, so that this look cannot hide a lost wake-up, unless the host
 * is busy: see struct patience. Once a step has timed out the case has failed, and the other cases
 * should end soon.
 */
#define TIMEOUT		(fixture_left_behind ? HZ / 2 : 4 * HZ)
extern bool fixture_left_behind;

/*
 * How soon a retry must notice that memory came back after it was away for about a tenth of a
 * second: ten times as long as a retry takes, and less than a waiter takes without one.
 */
#define SOON		(2 * HZ)

/*
 * Time in which something should happen or may go on, in jiffies. The host may stop the whole guest
 * for seconds: the jiffies pass, but nothing could happen. So no more than a twentieth of a second
 * counts from one look to the next. The price: on a busy host a case waits longer, and a mistake
 * that mends itself after 5 s may go unnoticed.
 */
struct patience {
	unsigned long	left;
	unsigned long	last_look;
};

struct patience patience_of(unsigned long time);
bool patience_lasts(struct patience *patience);

/* Is @condition true, or does it become true within @time? */
#define comes_true(condition, time)						\
({										\
	struct patience __patience = patience_of(time);				\
	bool __true;								\
										\
	while (!(__true = (condition)) && patience_lasts(&__patience))		\
		schedule_timeout_uninterruptible(1);				\
	__true;									\
})

void let_pass(unsigned long time);

/* No case needs more. */
#define MAX_MASKS	16
#define MAX_CALLERS	32
#define MAX_HELD	64
#define MAX_BULK	8

struct item;

/**
 * struct source - a back end for pools; its address is the pool_data
 *
 * @budget: calls of the alloc function that succeed before all others fail
 * @to_fail: calls that fail before any succeeds
 * @only_for: if set, the alloc function fails for all other tasks: for cases in which the head
 *	of the queue must not find memory by itself
 * @sleeps: the callbacks sleep, the alloc function only if its mask allows that
 * @pool: if set, the callbacks check that they run without this pool's lock; for cases in which
 *	no other task holds the lock all the time
 * @hook: if set, the alloc function calls it first
 * @free_hook: if set, the free function calls it first
 * @hook_arg: for both hooks
 * @stock: elements for contexts in which kmalloc() and kfree() are not allowed
 * @stock_lock: protects @stock
 * @nr_allocs: calls of the alloc function
 * @nr_frees: calls of the free function
 * @nr_live: elements that were allocated and not freed
 * @nr_strangers: freed elements that did not come from this back end, or were freed twice
 * @nr_locked: callbacks that ran with the lock of @pool held
 * @nr_irqs_off: callbacks that ran with interrupts disabled
 * @nr_atomic: callbacks that ran with preemption disabled or in an interrupt
 * @nr_irregular: elements that were handed out while they had an owner, and other errors
 * @masks: the masks of the first calls of the alloc function
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

/* From now on these calls succeed: none; the next @nr; all; all but the next @nr. */
void source_fail(struct source *src);
void source_allow(struct source *src, int nr);
void source_recover(struct source *src);
void source_fail_next(struct source *src, int nr);

/*
 * A min_nr for which the array of pointers alone would exceed the memory of this machine.
 * Returns 0 if a pool cannot have that many elements.
 */
int too_many_for_memory(void);

/* Reset the counts of calls and the masks. */
void source_forget(struct source *src);

/* An element has one owner: call these when an owner gets an element or gives it away. */
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

/* The flags that alloc adds to the mask of its caller, and those that its first try leaves out. */
#define ADDED_GFP	(__GFP_NOMEMALLOC | __GFP_NORETRY | __GFP_NOWARN)
#define LATER_GFP	(__GFP_DIRECT_RECLAIM | __GFP_IO)

struct fixture;

/**
 * struct caller - a thread that calls a pool
 *
 * @fx: the fixture of the case
 * @fn: what the thread runs
 * @task: the thread
 * @done: @fn has returned
 * @index: of this caller in @callers of the fixture
 * @pool: the pool that @fn uses
 * @gfp: for @fn
 * @count: for @fn
 * @elems: elements that the caller holds; those left at the end of the case go back to @pool
 * @ret: result of @fn
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
 * struct deferred_call - a function that another context calls
 *
 * @fn: the function
 * @arg: for @fn
 * @done: @fn has returned
 * @tasklet: calls @fn in a softirq
 * @irq_work: calls @fn in a hardirq
 * @was_softirq: @fn ran in a softirq
 * @was_hardirq: @fn ran in a hardirq
 * @irqs_restored: @fn left the interrupts as it found them
 */
struct deferred_call {
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
 * struct fixture - the state of a case, in test->priv
 *
 * @test: the case
 * @src: a back end that always succeeds
 * @pool: zeroed; initialized by fixture_pool()
 * @spare: zeroed, for cases with two pools
 * @incomplete: the case ends with elements of @pool lost or never allocated
 * @stop: tells callers that run in a loop to end
 * @callers: the threads
 * @nr_callers: how many they are
 * @held: elements of @pool that the case itself holds, oldest first
 * @nr_held: how many they are
 * @call: for run_in()
 * @watcher: the task of the case, for hooks that must tell it from others
 * @has_nested: fixture_nest(), or a hook like it, was called
 */
struct fixture {
	struct kunit	*test;
	struct source	src;
	struct mempool2	pool;
	struct mempool2	spare;
	bool		incomplete;
	bool		stop;
	struct caller	callers[MAX_CALLERS];
	int		nr_callers;
	void		*held[MAX_HELD];
	int		nr_held;
	struct deferred_call call;
	struct task_struct *watcher;
	bool		has_nested;
};

/*
 * For every suite. The end returns the elements that callers and the case still hold. It then
 * expects that the pool is full, that all elements are freed with the pool, that no waiter had
 * to be rescued, that no callback ran with the pool's lock held, and that the kernel reported
 * nothing except the warnings of mempool2.
 *
 * An assertion may end a case, and its stack with it, at any moment. So requests, their arrays and
 * other entries of a queue are in static memory, never on the stack of a case.
 */
int fixture_init(struct kunit *test);
void fixture_exit(struct kunit *test);

/* Create fx->pool with elements from fx->src, and reset the counts of fx->src. */
void fixture_pool(struct fixture *fx, int min_nr);

/* Hold an element for fixture_put(), which frees the oldest one. */
void fixture_hold(struct fixture *fx, void *element);
void *fixture_put(struct fixture *fx);
void fixture_put_all(struct fixture *fx);

/* For cases of what CONFIG_MEMPOOL2_DEBUG=n leaves out. */
#define needs_debugging(test)						\
	do {								\
		if (!IS_ENABLED(CONFIG_MEMPOOL2_DEBUG))			\
			kunit_skip(test, "needs CONFIG_MEMPOOL2_DEBUG"); \
	} while (0)

/*
 * For suites that switch features hundreds of times: until the suite ends, that does not patch
 * code, as one more pool has a feature. QEMU before 8.1 sometimes keeps the breakpoint that the
 * kernel sets while it patches code that another CPU runs. Where the kernel does not patch code
 * for static keys, this does nothing.
 */
int suite_patches_no_code(struct kunit_suite *suite);
void suite_patches_code(struct kunit_suite *suite);

/* Let the back end fail and hold all elements of the reserve. Returns their number. */
int fixture_drain(struct fixture *fx);

/*
 * For the alloc function: if it may reclaim memory for another task than fx->watcher, allocate an
 * element of fx->pool, once, and free it. Reclaim does so if it writes a page to swap through the
 * same pool.
 */
void fixture_nest(struct fixture *fx, gfp_t gfp_mask);

/* An element of the same kind as those of fx->pool, but not from this pool. */
void *fixture_foreign(struct fixture *fx);

/*
 * Threads, bound to a CPU if @cpu is not ANY_CPU. The case may change the caller between
 * caller_add() and caller_run().
 */
#define ANY_CPU		(-1)
struct caller *caller_add(struct fixture *fx, void (*fn)(struct caller *caller));
void caller_run(struct caller *caller, int cpu);

/* Has the caller returned? Does it return within @timeout, or within TIMEOUT? */
bool caller_has_returned(struct caller *caller);
bool caller_returns_within(struct caller *caller, unsigned long timeout);
bool caller_returns(struct caller *caller);

/* Do all callers return within TIMEOUT? */
bool callers_return(struct fixture *fx);

/* For @fn: allocate one element with caller->gfp, or caller->count elements at once. */
void caller_alloc(struct caller *caller);
void caller_alloc_bulk(struct caller *caller);

/* Start a caller that waits for fx->pool. Returns when it is queued, as the youngest waiter. */
struct caller *caller_that_waits(struct fixture *fx);
struct caller *caller_that_waits_for(struct fixture *fx, unsigned int count);

/*
 * For a caller on another CPU: hold the lock of the queue for @ms milliseconds, in which the
 * oldest waiter may begin to spin on it, and then hand @element to that waiter as mempool2 does.
 * With @state, the state of a request, hold the lock until the state changes, and hand the
 * element over only then: the fixture cannot run the callback of a request. Returns whether
 * there was a waiter.
 */
bool give_late(struct mempool2 *pool, void *element, unsigned int ms, const int *state);

/*
 * Put an element into the reserve of a pool without telling the waiters, as if a free had
 * stopped right before it looks for waiters. The pool must not be resized meanwhile.
 */
void park_unseen(struct mempool2 *pool, void *element);

/*
 * Is the caller in the queue of its pool, or does it come there in time? With @briefly, it may
 * have left the queue again, as on a busy host the time of a short wait may be over by now.
 */
bool caller_queues(struct caller *caller, bool briefly);

int nr_waiters(const struct mempool2 *pool);
bool waiters_become(const struct mempool2 *pool, int nr);

/* For waiters that are given a few elements at a time. */
bool reserved_become(const struct mempool2 *pool, int nr);

/* Is the caller asleep, or does it fall asleep in time? */
bool caller_sleeps(struct caller *caller);

/* Count from now on how often this task wakes callers, if this kernel has the tracepoint. */
bool wakes_watch(struct fixture *fx);
int wakes_of(struct caller *caller);

/* How often this CPU allocated pages, if this kernel has the tracepoint. */
bool pages_are_watched(void);
unsigned int pages_asked_here(void);

/*
 * Contexts. A raw hardirq is that of an interrupt handler that stays one on PREEMPT_RT. There
 * lockdep applies the rules of PREEMPT_RT in any kernel, so no case may call the kernel's
 * allocators.
 */
enum test_context {
	IN_TASK,
	IN_TASK_IRQS_OFF,
	IN_TASK_BH_OFF,
	IN_SOFTIRQ,
	IN_HARDIRQ,
	IN_RAW_HARDIRQ,
};

struct context {
	const char	*name;
	enum test_context where;
};

#define NR_CONTEXTS	5
extern const struct context contexts[NR_CONTEXTS];

static inline void context_name(const struct context *context, char *name)
{
	strscpy(name, context->name, KUNIT_PARAM_DESC_SIZE);
}

/* Skip the case where this kernel's own allocators may not be called. */
void allocators_are_legal(struct kunit *test, enum test_context where);

/*
 * An irq_work that runs in hardirq. PREEMPT_RT needs the hard variant. Elsewhere the hard
 * variant would make lockdep apply the rules of PREEMPT_RT to the allocators.
 */
#define HARDIRQ_WORK_INIT(fn)						\
	(IS_ENABLED(CONFIG_PREEMPT_RT) ? IRQ_WORK_INIT_HARD(fn) :	\
					 IRQ_WORK_INIT(fn))

/* Call a function in a context and wait for it. The function must not use @test. */
void run_in(struct fixture *fx, enum test_context where, void (*fn)(void *arg), void *arg);

/* Expect that mempool2 has not warned about misuse since the case began. */
void expect_no_warning(struct fixture *fx);

/* How many lines of mempool2 the kernel's log has had since the case began. */
int nr_said(void);

/*
 * Expect exactly one warning, with @text and the name of the caller in it. Warnings are given
 * once in a boot: @spent is static and records that the case has had its warning.
 */
#define expect_one_warning(fx, spent, text) \
	expect_one_warning_from(fx, spent, __func__, text)
void expect_one_warning_from(struct fixture *fx, bool *spent, const char *caller,
			     const char *text);

/*
 * Expect that mempool2 has reported one misuse of the pool @pool_name, and forget the report.
 * Without the console tracepoint nothing is expected.
 */
void expect_report(struct fixture *fx, const char *what, const char *pool_name);

/*
 * The case does on purpose what the checks report, and switches no check on: where a parameter
 * has switched them on for all pools, their reports are right.
 */
void checks_may_report(void);

/* Does a report come within @timeout? */
bool report_comes_within(unsigned long timeout);

#endif /* _MEMPOOL2_KUNIT_FIXTURE_H */
