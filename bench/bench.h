/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the benchmark's parts share. A scenario is one file: a function that does
 * the same work on whatever kind of pool it is given, and reports figures.
 */
#ifndef _MEMPOOL2_BENCH_H
#define _MEMPOOL2_BENCH_H

#include <linux/completion.h>
#include <linux/sched.h>
#include <linux/types.h>

/*
 * A kind of pool. The callbacks' types are those of the kernel's mempool and of
 * mempool2 alike.
 */
struct mp2b_kind {
	const char	*name;
	void		*(*create)(int min_nr,
				   void *(*alloc_fn)(gfp_t gfp_mask, void *data),
				   void (*free_fn)(void *element, void *data),
				   void *data);
	void		(*destroy)(void *pool);
	void		*(*alloc)(void *pool, gfp_t gfp_mask);
	void		(*free)(void *pool, void *element);
	/* NULL where this kind of pool has no such call */
	int		(*alloc_bulk)(void *pool, void **elems, unsigned int count);
};

extern const struct mp2b_kind mp2b_kinds[];
extern const unsigned int mp2b_nr_kinds;

/* What a scenario is told; each says in its defaults what it makes of them. */
struct mp2b_params {
	const struct mp2b_kind *kind;
	int	seconds;	/* how long it runs */
	int	threads;	/* callers in task context */
	int	elements;	/* the pool's min_nr */
	int	hold_us;	/* how long a caller keeps an element */
	int	depth;		/* elements in flight for a caller that does not sleep */
	int	cpu;		/* that all threads are bound to, or -1 */
};

struct mp2b_scenario {
	const char		*name;
	struct mp2b_params	defaults;
	int			(*run)(const struct mp2b_params *params);
};

extern const struct mp2b_scenario mp2b_exhaust;
extern const struct mp2b_scenario mp2b_waiters;
extern const struct mp2b_scenario mp2b_bulk;

/* Append to what the file "result" shows: one line of "key=value" words a call. */
__printf(1, 2) void mp2b_report(const char *fmt, ...);

/*
 * A back end that has run dry: it serves while the pool is made and fails ever
 * after, so that all that is left is the reserve. The elements have @size bytes.
 * It may be asked by a crew only.
 */
struct mp2b_dry {
	size_t		size;
	bool		serves;
	atomic_t	nr_came;	/* calls that it has left to the reserve */
	atomic_t	nr_freed;	/* for those who count it: elements freed */
};

void *mp2b_dry_pool(const struct mp2b_kind *kind, int min_nr, struct mp2b_dry *dry);

/*
 * A crew: threads that start together, work until they are told to stop, and are
 * waited for, but not for ever.
 */
struct mp2b_worker {
	struct mp2b_crew	*crew;
	struct task_struct	*task;
	int			index;
	/* The allocation under way */
	unsigned int		nr_asked;	/* how often the back end was asked */
	unsigned int		number;		/* drawn when it was refused for good */
	unsigned int		turn;		/* elements freed by then */
	/* All of them */
	unsigned long		nr_done;	/* rounds of work done */
	unsigned long		nr_null;	/* allocations that returned NULL */
	unsigned long		nr_switches;	/* context switches meanwhile */
	u64			wait_ns;	/* time spent in allocations */
	u64			longest_ns;	/* the longest of them */
	u64			wait_turns;	/* the same in elements freed meanwhile */
	unsigned int		longest_turns;
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

void mp2b_hold(const struct mp2b_params *params);
void *mp2b_timed_alloc(struct mp2b_worker *worker, const struct mp2b_kind *kind,
		       void *pool, gfp_t gfp_mask, u64 *wait_ns);

#endif /* _MEMPOOL2_BENCH_H */
