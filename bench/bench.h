/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the benchmark share. A scenario is one file: a function that does the same
 * work on any kind of pool, and reports figures.
 */
#ifndef _MEMPOOL2_BENCH_H
#define _MEMPOOL2_BENCH_H

#include <linux/completion.h>
#include <linux/sched.h>
#include <linux/types.h>

#include "../core/compat_internal.h"

struct kmem_cache;
struct mempool2_waiter;
struct mp2b_hist;

/* Kinds of pool, and what a pool is compared with; see mp2b_kinds[]. */
enum mp2b_kind_id {
	MP2B_MEMPOOL,		/* the kernel's mempool */
	MP2B_MEMPOOL2,
	MP2B_OBJPOOL,		/* the kernel's objpool: elements without an allocator */
	MP2B_FREELIST,		/* a free list with a lock, and as little as possible */
	MP2B_BARE,		/* no pool: the allocator itself */
	MP2B_INDIRECT,		/* no pool: the allocator through function pointers */
	MP2B_EMPTY,		/* nothing at all */
	MP2B_NR_KINDS,
};

/*
 * A kind of pool. The alloc and free functions have the same types for mempool and mempool2. A
 * member is NULL if this kind has no such call.
 */
struct mp2b_kind {
	const char	*name;
	size_t		struct_size;
	void		*(*create)(int min_nr,
				   void *(*alloc_fn)(gfp_t gfp_mask, void *data),
				   void (*free_fn)(void *element, void *data),
				   void *data);
	void		*(*create_slab)(int min_nr, struct kmem_cache *cache);
	void		(*destroy)(void *pool);
	void		*(*alloc)(void *pool, gfp_t gfp_mask);
	void		(*free)(void *pool, void *element);
	int		(*alloc_bulk)(void *pool, void **elems, unsigned int count);
	void		*(*alloc_async)(void *pool, gfp_t gfp_mask,
					struct mempool2_waiter *waiter);
	int		(*resize)(void *pool, int new_min_nr);
};

extern const struct mp2b_kind mp2b_kinds[MP2B_NR_KINDS];

/* The work of one pair of calls; see pairs.c. */
enum mp2b_work {
	MP2B_NO_WORK,		/* no work= was given */
	MP2B_NOTHING,
	MP2B_HEALTHY_SLAB,
	MP2B_TEN_SITES,
	MP2B_HEALTHY_CUSTOM,
	MP2B_RESERVE,
	MP2B_PREALLOCATED,
	MP2B_CHECKED,
	MP2B_BULK,
	MP2B_NR_WORKS,
};

/* The parameters of a scenario; its defaults say how it uses them. */
struct mp2b_params {
	const struct mp2b_kind *kind;
	enum mp2b_work	work;
	int	seconds;	/* duration of the run */
	int	threads;	/* callers in task context */
	int	elements;	/* the pool's min_nr */
	int	to;		/* another min_nr, to resize to */
	int	hold_us;	/* how long a caller sleeps with an element */
	int	busy_us;	/* how long it works with the element first */
	int	irq_us;		/* if not 0, the delay after which a timer frees the element */
	int	depth;		/* elements in flight for a caller that does not sleep */
	int	cpu;		/* the CPU of all threads, or one of the next two */
	int	count;		/* elements in a bulk call */
	int	batches;	/* number of times that are measured */
	int	rounds;		/* pairs of calls in each batch */
};

#define MP2B_CPU_ANY	(-1)	/* threads are not bound */
#define MP2B_CPU_EACH	(-2)	/* each thread is bound to a CPU of its own; for scenarios only */

struct mp2b_scenario {
	const char		*name;
	struct mp2b_params	defaults;
	/* Does this kernel have such a call, for this kind of pool? */
	bool			(*supports)(const struct mp2b_params *params);
	int			(*run)(const struct mp2b_params *params);
};

extern const struct mp2b_scenario mp2b_exhaust;
extern const struct mp2b_scenario mp2b_waiters;
extern const struct mp2b_scenario mp2b_bulk;
extern const struct mp2b_scenario mp2b_async;
extern const struct mp2b_scenario mp2b_pairs;
extern const struct mp2b_scenario mp2b_scaling;
extern const struct mp2b_scenario mp2b_resize;
extern const struct mp2b_scenario mp2b_resize_irq;
extern const struct mp2b_scenario mp2b_latency;
extern const struct mp2b_scenario mp2b_memory;
extern const struct mp2b_scenario mp2b_flat;
extern const struct mp2b_scenario mp2b_comeback;
extern const struct mp2b_scenario mp2b_stretch;

bool mp2b_supports_waiting(const struct mp2b_params *params);

/* Append one line of "key=value" words to the file "result". */
__printf(1, 2) void mp2b_report(const char *fmt, ...);

extern const char *const mp2b_work_names[MP2B_NR_WORKS];

/*
 * Exhausted back ends: they serve while the pool is created or resized and fail ever after, so
 * that all elements come from the reserve. They recognize an allocation by __GFP_NOMEMALLOC in
 * its mask.
 */
struct mp2b_exhausted {
	size_t		size;		/* of an element, in bytes */
	bool		serves;		/* all calls, from now on */
	/* Of mp2b_queue_alloc() */
	atomic_t	nr_came;	/* calls that it has refused for good */
	atomic_t	nr_freed;	/* elements freed, in scenarios that count them */
};

void *mp2b_exhausted_alloc(gfp_t gfp_mask, void *exhausted);
void *mp2b_queue_alloc(gfp_t gfp_mask, void *exhausted);
void mp2b_exhausted_free(void *element, void *exhausted);

/* A back end that costs next to nothing and never fails: its one element is @data. */
void *mp2b_static_alloc(gfp_t gfp_mask, void *data);
void mp2b_static_free(void *element, void *data);

/*
 * A back end like mp2b_exhausted_alloc(), but with numbers as elements, so that a large pool costs
 * next to nothing. A scenario need not remember its elements: it may free any number in place of
 * another.
 */
#define mp2b_number(n)	((void *)(PAGE_SIZE + (unsigned long)(n)))

void *mp2b_number_alloc(gfp_t gfp_mask, void *exhausted);
void mp2b_number_free(void *element, void *exhausted);

struct mp2b_hist *mp2b_hist_create(void);
void mp2b_hist_destroy(struct mp2b_hist *hist);
void mp2b_hist_clear(struct mp2b_hist *hist);
void mp2b_hist_add(struct mp2b_hist *hist, u64 ns);
u64 mp2b_hist_quantile(const struct mp2b_hist *hist, unsigned int milli);

/*
 * A crew: threads that start together and work until they are told to stop. The wait for them is
 * limited.
 */
struct mp2b_worker {
	struct mp2b_crew	*crew;
	struct task_struct	*task;
	int			index;
	/* The allocation in progress */
	unsigned int		nr_asked;	/* calls of the back end */
	unsigned int		number;		/* drawn at the last refusal */
	unsigned int		turn;		/* elements freed until then */
	/* All allocations */
	unsigned long		nr_done;	/* rounds of work done */
	unsigned long		nr_null;	/* allocations that returned NULL */
	unsigned long		nr_switches;	/* context switches during the work */
	u64			wait_ns;	/* time spent in allocations */
	u64			longest_ns;	/* the longest of these times */
	u64			wait_turns;	/* elements freed during the waits */
	unsigned int		longest_turns;
	/* For scenarios that measure it: when the work began and ended */
	u64			start_ns;
	u64			end_ns;
};

struct mp2b_crew {
	void			(*work)(struct mp2b_worker *worker);
	void			*private;
	struct completion	go;
	struct completion	finished;
	atomic_t		nr_working;
	bool			stop;
	u64			elapsed_ns;	/* from the start to the stop */
	int			nr_workers;
	struct mp2b_worker	workers[] __counted_by(nr_workers);
};

static inline bool mp2b_stopping(const struct mp2b_crew *crew)
{
	return READ_ONCE(crew->stop);
}

struct mp2b_crew *mp2b_crew_create(int nr_workers, int cpu,
				   void (*work)(struct mp2b_worker *worker),
				   void *private);
int mp2b_crew_run(struct mp2b_crew *crew, int seconds, void (*each_tick)(void *private),
		  bool *rescue);
void mp2b_crew_destroy(struct mp2b_crew *crew);
void mp2b_crew_abandon(struct mp2b_crew *crew);

/*
 * Sleepers: threads that wait for an element of an empty pool, keep the element (for its pool it
 * stays out, see mp2b_number()), and wait again.
 */
struct mp2b_sleepers {
	const struct mp2b_kind	*kind;
	void			*pool;
	bool			leave;
	atomic_t		nr_got;
	u64			got_ns;		/* when the last thread got its element */
	int			nr;
	struct task_struct	*tasks[3];
};

int mp2b_sleepers_begin(struct mp2b_sleepers *sleepers, int nr);
void mp2b_sleepers_await(const struct mp2b_sleepers *sleepers);
void mp2b_sleepers_end(struct mp2b_sleepers *sleepers);

/* For the end of a thread function: sleep until kthread_stop(). */
int mp2b_await_stop(void);

void mp2b_hold(const struct mp2b_params *params);
void *mp2b_timed_alloc(struct mp2b_worker *worker, const struct mp2b_kind *kind,
		       void *pool, gfp_t gfp_mask, u64 *wait_ns);

/*
 * The state of a scenario in which a crew works on a pool with an exhausted back end. The first
 * member of the scenario's own structure, which must not be on the stack: stuck threads go on
 * using it.
 */
struct mp2b_run {
	struct mp2b_params	params;
	struct mp2b_exhausted	exhausted;
	void			*pool;
};

int mp2b_run_crew(struct mp2b_run *run, int nr_workers,
		  void *(*alloc_fn)(gfp_t gfp_mask, void *exhausted),
		  void (*work)(struct mp2b_worker *worker),
		  void (*report)(struct mp2b_crew *crew));

#endif /* _MEMPOOL2_BENCH_H */
