/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints, none of them on the path of an allocation that finds memory
 *
 * Each records the address of the pool, and its name as an array, which BPF tools can read.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mempool2

#if !defined(_MEMPOOL2_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _MEMPOOL2_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

struct mempool2;

#ifndef MEMPOOL2_TRACE_ONCE
#define MEMPOOL2_TRACE_ONCE
void mempool2_trace_name(const struct mempool2 *pool, char *name);
int mempool2_trace_begin(void);
void mempool2_trace_end(void);
#endif

#define MEMPOOL2_POOL_FIELDS						\
	__field(const void *, pool)					\
	__array(char, name, MEMPOOL2_NAME_LEN)

#define MEMPOOL2_POOL_ASSIGN						\
	do {								\
		__entry->pool = pool;					\
		mempool2_trace_name(pool, __entry->name);		\
	} while (0)

/* A caller took @nr elements from the reserve without waiting. */
TRACE_EVENT_FN(mempool2_reserve_alloc,
	TP_PROTO(const struct mempool2 *pool, unsigned int nr, unsigned long caller),
	TP_ARGS(pool, nr, caller),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(unsigned int, nr)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->nr = nr;
		__entry->caller = caller;
	),
	TP_printk("pool=%p name=%s nr=%u caller=%pS", __entry->pool,
		  __entry->name, __entry->nr, (void *)__entry->caller),
	mempool2_trace_begin, mempool2_trace_end
);

/* @nr elements went into the reserve, freed or new. */
TRACE_EVENT_FN(mempool2_refill,
	TP_PROTO(const struct mempool2 *pool, unsigned int nr),
	TP_ARGS(pool, nr),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(unsigned int, nr)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->nr = nr;
	),
	TP_printk("pool=%p name=%s nr=%u", __entry->pool, __entry->name, __entry->nr),
	mempool2_trace_begin, mempool2_trace_end
);

/* A caller is about to queue for @nr elements. */
TRACE_EVENT(mempool2_wait_begin,
	TP_PROTO(const struct mempool2 *pool, unsigned int nr, int waiting,
		 unsigned long caller),
	TP_ARGS(pool, nr, waiting, caller),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(unsigned int, nr)
		__field(int, waiting)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->nr = nr;
		__entry->waiting = waiting;
		__entry->caller = caller;
	),
	TP_printk("pool=%p name=%s nr=%u waiting=%d caller=%pS", __entry->pool,
		  __entry->name, __entry->nr, __entry->waiting,
		  (void *)__entry->caller)
);

/* The caller waits no longer; @missing elements did not arrive. */
TRACE_EVENT(mempool2_wait_end,
	TP_PROTO(const struct mempool2 *pool, unsigned int nr, unsigned int missing,
		 u64 wait_ns, unsigned long caller),
	TP_ARGS(pool, nr, missing, wait_ns, caller),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(unsigned int, nr)
		__field(unsigned int, missing)
		__field(u64, wait_ns)
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->nr = nr;
		__entry->missing = missing;
		__entry->wait_ns = wait_ns;
		__entry->caller = caller;
	),
	TP_printk("pool=%p name=%s nr=%u missing=%u wait_ns=%llu caller=%pS",
		  __entry->pool, __entry->name, __entry->nr, __entry->missing,
		  __entry->wait_ns, (void *)__entry->caller)
);

/* The oldest waiter got an element; @waiting waiters are queued. */
TRACE_EVENT(mempool2_handover,
	TP_PROTO(const struct mempool2 *pool, const void *element, int waiting),
	TP_ARGS(pool, element, waiting),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(const void *, element)
		__field(int, waiting)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->element = element;
		__entry->waiting = waiting;
	),
	TP_printk("pool=%p name=%s element=%p waiting=%d", __entry->pool,
		  __entry->name, __entry->element, __entry->waiting)
);

/* The pool guarantees @to elements instead of @from, unless @err is set. */
TRACE_EVENT(mempool2_resize,
	TP_PROTO(const struct mempool2 *pool, int from, int to, int err),
	TP_ARGS(pool, from, to, err),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(int, from)
		__field(int, to)
		__field(int, err)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->from = from;
		__entry->to = to;
		__entry->err = err;
	),
	TP_printk("pool=%p name=%s from=%d to=%d err=%d", __entry->pool,
		  __entry->name, __entry->from, __entry->to, __entry->err)
);

/* An allocation that may not sleep failed. */
TRACE_EVENT(mempool2_alloc_failed,
	TP_PROTO(const struct mempool2 *pool, unsigned long caller),
	TP_ARGS(pool, caller),
	TP_STRUCT__entry(
		MEMPOOL2_POOL_FIELDS
		__field(unsigned long, caller)
	),
	TP_fast_assign(
		MEMPOOL2_POOL_ASSIGN;
		__entry->caller = caller;
	),
	TP_printk("pool=%p name=%s caller=%pS", __entry->pool, __entry->name,
		  (void *)__entry->caller)
);

#endif /* _MEMPOOL2_TRACE_H */

/* This header is not in include/trace/events. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
