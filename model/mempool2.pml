/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol of the reserve and of the queue, for spin. scripts/model runs this model, and lists the
 * instances and the mutants.
 *
 * All CPUs see all stores in one order here (sequential consistency). Documentation/litmus shows, race
 * by race, what weaker processors do; this model shows what many races do together. Each access to
 * shared memory is a step of its own. The functions have the names of those in mempool2.c and core/.
 *
 * The model is simpler than the code without allowing less:
 *  - an element has no name, as the code never distinguishes elements: a slot has an element, is empty,
 *    or is closed
 *  - the look at a slot and its cmpxchg() are one step: if the cmpxchg() fails then the slot had no
 *    element, or no room, at some moment since the look
 *  - a resize moves one element at a time
 *
 * Left out: batches of elements, limits, callbacks, and memory that the alloc function finds. Also left
 * out, as they would hide a lost element: the waiters' own look every five seconds, and the look for
 * waiters at the end of a resize.
 *
 * Checked at all times: each element is in one place (CHECK_PLACES); no element goes to the free function
 * while the pool would have less than it guarantees then (discard()); no task uses a freed reserve. When
 * all tasks have ended or sleep, no waiter sleeps beside an element, each element is in the reserve or kept
 * by a task, and the state of the pool is right (init). While no more tasks take elements than there are,
 * each finds one. A task that cannot go on is an invalid end state. With -DLIVE takers go on for ever, and a waiter
 * that sleeps for ever all the same is a cycle.
 */

/* The reserve: slots at most, elements that it guarantees, elements in it at first. */
#ifndef CAP
#define CAP		2
#endif
#ifndef SIZE
#define SIZE		2
#endif
#ifndef FILLED
#define FILLED		SIZE
#endif
/* Number of those in the store. By default the slots are filled first. */
#ifndef STORED
#define STORED		(FILLED - MIN(FILLED, SLOTS_OF(SIZE)))
#endif
/* Tasks: take an element and free or keep it; free an element that they have; wait; give up waiting. */
#ifndef TAKERS
#define TAKERS		0
#endif
#ifndef ROUNDS
#define ROUNDS		1
#endif
#ifndef FREERS
#define FREERS		0
#endif
#ifndef SLEEPERS
#define SLEEPERS	0
#endif
#ifndef LEAVERS
#define LEAVERS		0
#endif
/* A resize to this number; 0 for none. IN_PLACE: the resize found no memory. SWEEP: a sweep of the checks. */
#ifndef RESIZE
#define RESIZE		0
#endif
#ifndef IN_PLACE
#define IN_PLACE	0
#endif
#ifndef SWEEP
#define SWEEP		0
#endif
/* A freed element may have been held for a short time: then it is offered. */
#ifndef OFFERS
#define OFFERS		0
#endif
/* Waiters may ask: the alloc function is called for them, and finds nothing. With 2 it waits for a taker. */
#ifndef ASKS
#define ASKS		0
#endif
#ifndef MUTANT
#define MUTANT		0
#endif

#define OWNER		(RESIZE || SWEEP)
#define WAITERS		(SLEEPERS + LEAVERS)
#define TASKS		(TAKERS + FREERS + WAITERS + OWNER)

/* pool->state */
#define NOT_FULL	1
#define FULL_SCAN	2
#define WAITING		4
#define OFFERED		8
byte state = NOT_FULL;

/* Slots */
#define EMPTY		0
#define ELEMENT		1
#define CLOSED		2

#define MOST		3

typedef reserve {
	bool lock;
	bool moving;
	bool has_old;		/* the other reserve is the old one */
	bool freed;
	byte nr_slots;
	byte max_stored;
	byte nr_stored;		/* as other CPUs see it */
	byte stored;		/* the true number; both are equal while the lock is free */
	byte slot[MOST]
}
reserve R[2];
bit cur;			/* pool->reserve */

bool queue_lock;
chan queue = [2] of { byte };
bool given[2], offered[2], owed[2], asking[2];
byte nr_asking;
bool took;

/* RCU: tasks that read, and tasks that the grace period waits for. A bit for each task. */
byte readers, grace;

/* Not in the code: elements that tasks hold and keep, all elements, and the number guaranteed from now on. */
byte hands, kept, total, size;
byte nr_done, nr_looking;
bool ready;

#define LOCK(l)		atomic { !l -> l = true }
#define UNLOCK(l)	l = false
#define MIN(a, b)	((a) < (b) -> (a) : (b))
#define SLOTS_OF(n)	(MIN(n, CAP))

#define SLOT_HAS(r, i)	(R[r].slot[i] == ELEMENT)
#define PARKED(r)	(SLOT_HAS(r, 0) + SLOT_HAS(r, 1) + SLOT_HAS(r, 2) + R[r].stored)
#define CHECK_PLACES	assert(PARKED(0) + PARKED(1) + hands == total)

/* The variables of a task: @e is 1 while it holds an element */
#define TASK_HAS							\
	bit e, r, x, more, again, is_short, ended, asked; byte i, n, s, st, sz, w

#define RCU_READ_LOCK	atomic { readers = readers | (1 << _pid); r = cur }
#define RCU_READ_UNLOCK							\
	d_step {							\
		readers = readers & ~(1 << _pid); grace = grace & ~(1 << _pid); r = 0	\
	}

/* Where a CPU begins to look: at the first slot or the last. */
inline hint(at) {
	n = R[at].nr_slots; i = 0;
	if :: s = 0 :: n > 1 -> s = n - 1 fi
}

#define AT		((s + i) % n)
#define LOOK_DONE	i = 0; s = 0; n = 0

inline slot_take(at) {
	if
	:: R[at].slot[AT] == ELEMENT -> R[at].slot[AT] = EMPTY; e = 1; hands++; CHECK_PLACES
	:: else
	fi
}

inline slot_put(at) {
	if
	:: R[at].slot[AT] == EMPTY -> R[at].slot[AT] = ELEMENT; e = 0; hands--; CHECK_PLACES
	:: else
	fi
}

inline slots_take(at) {
	atomic { assert(!R[at].freed); hint(at) }
	do
	:: atomic { i < n && !e -> slot_take(at); i++ }
	:: atomic { i == n || e -> LOOK_DONE; break }
	od
}

inline slots_put(at) {
	atomic { assert(!R[at].freed); hint(at) }
	do
	:: atomic { i < n && e -> slot_put(at); i++ }
	:: atomic { i == n || !e -> LOOK_DONE; break }
	od
}

inline store_take(at) {
	atomic {
		assert(!R[at].freed && R[at].lock && R[at].stored == R[at].nr_stored);
		if
		:: R[at].stored -> R[at].stored--; R[at].nr_stored--; e = 1; hands++; CHECK_PLACES
		:: else
		fi
	}
}

inline store_put(at) {
	atomic {
		assert(!R[at].freed && R[at].lock && R[at].stored == R[at].nr_stored);
		if
		:: R[at].stored < R[at].max_stored ->
			R[at].stored++; R[at].nr_stored++; e = 0; hands--; CHECK_PLACES
		:: else
		fi
	}
}

/* Half of the slots: one slot, as there are at most three. */
inline store_to_slots(at) {
	if
	:: R[at].stored && R[at].nr_slots > 1 && !R[at].moving ->
		if :: MUTANT == 6 -> R[at].nr_stored = R[at].stored - 1 :: else fi;
		atomic { x = 1; hint(at) }
		do
		:: atomic {
			i < n && x ->
			if
			:: R[at].slot[AT] == EMPTY ->
				R[at].slot[AT] = ELEMENT; R[at].stored--; x = 0; CHECK_PLACES
			:: else
			fi;
			i++ }
		:: atomic { i == n || !x -> LOOK_DONE; x = 0; break }
		od;
		R[at].nr_stored = R[at].stored
	:: else
	fi
}

inline slots_to_store(at) {
	if
	:: R[at].stored < R[at].max_stored && R[at].nr_slots > 1 && !R[at].moving ->
		slots_take(at);
		if :: e -> store_put(at) :: else fi
	:: else
	fi
}

inline set_not_full() {
	if
	:: MUTANT == 5 -> state = state | NOT_FULL
	:: else -> state = (state & ~FULL_SCAN) | NOT_FULL
	fi
}

/* Under the lock of the reserve. */
inline reserve_take_all() {
	store_take(r);
	if :: !e -> slots_take(r) :: else fi;
	if
	:: R[r].has_old && !e && MUTANT != 18 ->
		LOCK(R[1 - r].lock);
		store_take(1 - r);
		if :: !e -> slots_take(1 - r) :: else fi;
		UNLOCK(R[1 - r].lock)
	:: else
	fi;
	store_to_slots(r)
}

inline reserve_take_locked() {
	LOCK(R[r].lock);
	reserve_take_all();
	UNLOCK(R[r].lock)
}

/*
 * Read "moving" first: a resize clears it after it has put all that it moved into the store.
 */
inline has_more() {
	if
	:: MUTANT == 24 -> more = more | (R[r].nr_stored > 0); more = more | R[r].moving
	:: else -> more = more | R[r].moving; more = more | (R[r].nr_stored > 0)
	fi
}

/* Into @e, which is 0 before. */
inline reserve_take() {
	RCU_READ_LOCK;
	st = state;
	more = (st & FULL_SCAN) > 0;
	if :: MUTANT != 3 -> has_more() :: else fi;
	if :: !(st & FULL_SCAN) -> slots_take(r) :: else fi;
	if :: MUTANT == 3 -> has_more() :: else fi;
	if :: !e && more -> reserve_take_locked() :: else fi;
	if
	:: e && ((st & (NOT_FULL | FULL_SCAN)) != NOT_FULL && MUTANT != 11 || state != st && MUTANT != 10) ->
		set_not_full()
	:: else
	fi;
	st = 0; more = 0;
	RCU_READ_UNLOCK
}

/* After reserve_take() in vain. Into @e, which is 0 before. */
inline reserve_take_certain() {
	RCU_READ_LOCK;
	do
	:: true ->
		r = cur;
		LOCK(R[r].lock);
		if :: MUTANT != 32 -> state = state | FULL_SCAN :: else fi;
		reserve_take_all();
		atomic {
			if
			:: e -> again = 0
			:: !e && (state & FULL_SCAN) -> state = state & ~FULL_SCAN; again = 0
			:: else -> again = MUTANT != 32 && MUTANT != 33
			fi
		}
		if :: e -> set_not_full() :: else fi;
		UNLOCK(R[r].lock);
		if
		:: !e && cur != r -> again = 1
		:: else
		fi;
		if :: again -> again = 0 :: else -> break fi
	od;
	skip;
	RCU_READ_UNLOCK
}

inline full_scan() {
	do
	:: true ->
		if
		:: MUTANT == 16 -> slots_put(r); state = state | FULL_SCAN
		:: else -> state = state | FULL_SCAN
		fi;
		if
		:: cur != r && MUTANT != 8 -> again = 1; break
		:: else
		fi;
		if :: MUTANT != 16 -> slots_put(r) :: else fi;
		if :: !e -> break :: else fi;
		atomic {
			if
			:: state & FULL_SCAN -> state = state & ~(FULL_SCAN | NOT_FULL); break
			:: else -> if :: MUTANT == 4 -> break :: else fi
			fi
		}
	od;
	if :: !e || again -> state = state & ~FULL_SCAN :: else fi
}

/* Without room the element stays in @e. */
inline reserve_put() {
	do
	:: true ->
		RCU_READ_LOCK;
		slots_put(r);
		if
		:: e ->
			LOCK(R[r].lock);
			store_put(r);
			if
			:: e -> full_scan()
			:: else -> slots_to_store(r)
			fi;
			UNLOCK(R[r].lock)
		:: else
		fi;
		RCU_READ_UNLOCK;
		if :: again -> again = 0 :: else -> break fi
	od
}

/* Under the lock of the queue: end the offer to @w. If @ended is set the caller has to look at the reserve. */
inline offer_end() {
	if
	:: offered[w] -> offered[w] = false; ended = 1; state = state & ~OFFERED
	:: else
	fi
}

/* Under the lock of the queue. */
#define HAS_TAKERS	(len(queue) > nr_asking)

/*
 * Under the lock of the queue, if it has takers: @e to the oldest one. A task still holds the element. The waiter that
 * is asking is the older one of two, if there are two and the other one is the taker.
 */
inline waiters_accept() {
	atomic {
		queue?<w>;
		if :: asking[w] -> queue?w; queue!w; queue?<w> :: else fi;
		assert(!asking[w]);
		given[w] = true;
		e = 0
	}
	if :: MUTANT != 25 -> offer_end() :: else -> offered[w] = false fi;
	atomic { queue?w; w = 0 }
	if :: !HAS_TAKERS -> state = state & ~WAITING :: else fi
}

inline waiters_serve_batch() {
	do
	:: HAS_TAKERS ->
		reserve_take();
		if :: e -> waiters_accept() :: else -> break fi
	:: !HAS_TAKERS -> break
	od
}

inline pool_kick_waiters() {
	if
	:: state & WAITING ->
		LOCK(queue_lock);
		waiters_serve_batch();
		ended = 0;
		UNLOCK(queue_lock)
	:: else
	fi
}

inline waiters_offer() {
	if
	:: (state & (WAITING | OFFERED)) == WAITING ->
		LOCK(queue_lock);
		if
		:: len(queue) > 0 ->
			queue?<w>;
			if
			:: !owed[w] || MUTANT == 30 -> offered[w] = true; state = state | OFFERED; again = 1
			:: else
			fi;
			w = 0
		:: else
		fi;
		UNLOCK(queue_lock);
		if :: again -> again = 0 :: else -> pool_kick_waiters() fi
	:: else
	fi
}

inline discard() {
	atomic { e = 0; hands--; total--; CHECK_PLACES; assert(total >= MIN(sz, size)) }
}

/* @e, after pool->state was read: to a waiter, to the reserve, or to the free function. */
inline pool_return() {
	if
	:: (st & WAITING) && is_short -> reserve_put()
	:: else
	fi;
	if
	:: e && (st & WAITING) ->
		is_short = 0;
		LOCK(queue_lock);
		ended = 0;
		if :: HAS_TAKERS || MUTANT == 36 && len(queue) > 0 -> waiters_accept(); n = 1 :: else fi;
		UNLOCK(queue_lock);
		if :: ended && MUTANT != 26 -> pool_kick_waiters() :: else fi;
		ended = 0
	:: else -> if :: e -> is_short = 0 :: else fi
	fi;
	if
	:: e && (st & (WAITING | NOT_FULL)) && !(MUTANT == 12 && (st & WAITING)) ->
		reserve_put()
	:: else
	fi;
	/* After a waiter has got the element there is nothing to look for. */
	if
	:: e -> discard()
	:: !e && n -> n = 0
	:: !e && !n && is_short -> is_short = 0; waiters_offer()
	:: else -> if :: MUTANT != 1 -> pool_kick_waiters() :: else fi
	fi
}

/* mempool2_free() */
inline free_element() {
	if :: OFFERS -> is_short = 1 :: is_short = 0 fi;
	atomic { st = state; sz = size }
	if
	:: (st & OFFERED) && is_short ->
		RCU_READ_LOCK;
		atomic { hint(r); slot_put(r); LOOK_DONE }
		RCU_READ_UNLOCK;
		if
		:: e -> st = state
		:: else ->
			is_short = 0;
			again = 1;
			if :: (state & (WAITING | OFFERED)) == WAITING -> pool_kick_waiters() :: else fi
		fi
	:: (st & (NOT_FULL | WAITING)) == NOT_FULL ->
		RCU_READ_LOCK;
		atomic { hint(r); slot_put(r); LOOK_DONE }
		RCU_READ_UNLOCK;
		if :: e -> reserve_put() :: else fi;
		if :: e -> st = state :: else fi
	:: else
	fi;
	if
	:: e -> pool_return()
	:: !e && again -> again = 0
	:: else -> if :: MUTANT != 1 -> pool_kick_waiters() :: else fi
	fi;
	atomic { st = 0; sz = 0 }
}

/* mempool2_alloc_preallocated() */
inline take_element() {
	RCU_READ_LOCK;
	st = state;
	if
	:: st == NOT_FULL -> atomic { hint(r); slot_take(r); LOOK_DONE }
	:: else
	fi;
	if
	:: e && state != st && MUTANT != 10 -> RCU_READ_UNLOCK; set_not_full()
	:: else -> RCU_READ_UNLOCK
	fi;
	st = 0;
	if
	:: !e && (!(state & WAITING) || (state & OFFERED)) ->
		reserve_take();
		if :: !e && MUTANT != 31 -> reserve_take_certain() :: else fi
	:: else
	fi
}

#if TAKERS
active [TAKERS] proctype taker() {
	TASK_HAS;
	byte round;

	ready;
#ifdef LIVE
	do
	:: true ->
		take_element();
		if :: e -> free_element() :: else fi
	od
#else
	do
	:: round < ROUNDS ->
		round++;
#if ASKS == 2
		asking[0] && !queue_lock && PARKED(cur) || given[0];
#endif
		take_element();
		assert(!asking[0] || e || ASKS < 2);
		took = true;
		/*
		 * If no more tasks take elements than there are, the taker finds one, wherever it is moved, unless a
		 * resize without memory has it in hand.
		 */
		assert(e || TAKERS > MIN(FILLED, SIZE) || RESIZE && TAKERS > RESIZE || WAITERS || IN_PLACE);
		if
		:: e -> free_element()
		:: e && round == ROUNDS -> atomic { e = 0; kept++ }
		:: !e
		fi
	:: else -> break
	od;
	nr_done++
#endif
}
#endif

#if FREERS
active [FREERS] proctype freer() {
	TASK_HAS;

	ready;
	e = 1;
	free_element();
	nr_done++
}
#endif

inline waiter_queue(me) {
	LOCK(queue_lock);
	if :: MUTANT == 19 -> reserve_take() :: else fi;
	if
	:: e -> given[me] = true; e = 0
	:: else ->
		queue!me;
		state = state | WAITING;
		if :: MUTANT != 2 && MUTANT != 19 -> waiters_serve_batch() :: else fi
	fi;
	UNLOCK(queue_lock)
}

/* The waiter that was offered an element runs, or gives up. */
inline look(me) {
	LOCK(queue_lock);
	owed[me] = true;
	w = me;
	if :: MUTANT == 28 -> waiters_serve_batch() :: else fi;
	w = me;
	if :: !given[me] -> offer_end() :: else fi;
	w = 0;
	UNLOCK(queue_lock);
	if :: ended && MUTANT != 27 && MUTANT != 28 -> pool_kick_waiters() :: else fi;
	ended = 0;
	nr_looking--
}

/* The alloc function is called for the waiter. It may wait for another task to free an element. */
inline ask(me) {
	look(me);
	LOCK(queue_lock);
	if
	:: !given[me] ->
		asking[me] = true;
		nr_asking++;
		if :: !HAS_TAKERS && MUTANT != 38 -> state = state & ~WAITING :: else fi
	:: else
	fi;
	UNLOCK(queue_lock);
	if
	:: asking[me] ->
		if :: ASKS == 2 -> took :: else fi;
		LOCK(queue_lock);
		if
		:: MUTANT == 37 ->
			waiters_serve_batch();
			ended = 0
		:: else
		fi;
		asking[me] = false;
		nr_asking--;
		state = state | WAITING;
		UNLOCK(queue_lock);
		if :: MUTANT != 35 && MUTANT != 37 -> pool_kick_waiters() :: else fi
	:: else
	fi
}

#if SLEEPERS
active [SLEEPERS] proctype sleeper() {
	TASK_HAS;
	byte me;

	atomic { ready; me = _pid - TAKERS - FREERS }
	waiter_queue(me);
end_asleep:
	do
	:: given[me] -> break
	:: atomic { !given[me] && offered[me] -> nr_looking++ } look(me)
	:: atomic { ASKS && !asked && !given[me] -> asked = 1; nr_looking = nr_looking + 2 } ask(me); nr_looking--
	od;
	e = 1;
	free_element();
	nr_done++
}
#endif

#if LEAVERS
/* The time of this waiter may be over at any moment. */
active [LEAVERS] proctype leaver() {
	TASK_HAS;
	byte me;

	atomic { ready; me = _pid - TAKERS - FREERS }
	waiter_queue(me);
	do
	:: !given[me] ->
		if :: MUTANT != 29 -> nr_looking++; look(me) :: else fi;
		LOCK(queue_lock);
		if
		:: !given[me] || MUTANT == 14 ->
			if :: given[me] :: else -> offered[me] = false; queue??eval(me) fi;
			if :: !HAS_TAKERS && MUTANT != 13 -> state = state & ~WAITING :: else fi
		:: else -> e = 1
		fi;
		UNLOCK(queue_lock);
		break
	:: given[me] -> e = 1; break
	:: atomic { !given[me] && offered[me] -> nr_looking++ } look(me)
	od;
	if :: e -> free_element() :: else fi;
	nr_done++
}
#endif

inline synchronize_rcu() {
	grace = readers;
	!grace
}

#if RESIZE
/* The surplus of a resize goes back as by a free. */
inline give_back() {
	if
	:: e ->
		atomic { st = state; sz = size }
		pool_return();
		atomic { st = 0; sz = 0 }
	:: else
	fi
}

inline reserve_move_batch(at) {
	LOCK(R[1 - at].lock);
	LOCK(R[at].lock);
	store_take(at);
	if :: !e -> slots_take(at) :: else fi;
	UNLOCK(R[at].lock);
	if
	:: e && MUTANT == 17 ->
		/* The mistake: with the element in hand, but not the lock. */
		UNLOCK(R[1 - at].lock);
		LOCK(R[1 - at].lock)
	:: else
	fi;
	if
	:: e ->
		store_put(1 - at);
		if
		:: e && MUTANT == 34 -> slots_put(1 - at)
		:: e && MUTANT != 34 -> r = 1 - at; full_scan(); r = 0
		:: else
		fi
	:: else -> R[1 - at].has_old = 0
	fi;
	UNLOCK(R[1 - at].lock)
}

/* Make the reserve smaller in place: first the store, then the slots. */
inline reserve_shrink_batch() {
	LOCK(R[0].lock);
	R[0].max_stored = RESIZE - MIN(R[0].nr_slots, RESIZE);
	if :: R[0].stored > R[0].max_stored -> store_take(0) :: else fi;
	if
	:: !e && R[0].nr_slots > SLOTS_OF(RESIZE) ->
		atomic {
			if
			:: SLOT_HAS(0, R[0].nr_slots - 1) -> e = 1; hands++
			:: else
			fi;
			R[0].slot[R[0].nr_slots - 1] = CLOSED;
			CHECK_PLACES
		}
		R[0].nr_slots--
	:: else
	fi;
	UNLOCK(R[0].lock)
}

active proctype resizer() {
	TASK_HAS;

	ready;
#if IN_PLACE
	size = RESIZE;
	do
	:: R[0].nr_slots > SLOTS_OF(RESIZE) || R[0].stored > R[0].max_stored ||
	   R[0].max_stored > RESIZE - SLOTS_OF(RESIZE) ->
		reserve_shrink_batch();
		if :: MUTANT == 20 && e -> e = 0; hands--; total--; CHECK_PLACES :: else -> give_back() fi
	:: else -> break
	od;
#else
	d_step {
		R[1].nr_slots = SLOTS_OF(RESIZE);
		R[1].max_stored = RESIZE - SLOTS_OF(RESIZE);
		R[1].has_old = 1;
		R[1].moving = MUTANT != 21;
		/* The guarantee: a smaller one from now on, a larger one after NOT_FULL is set. */
		size = MIN(RESIZE, SIZE)
	}
	cur = 1;
	atomic {
		if :: MUTANT != 22 -> set_not_full() :: else fi;
		size = RESIZE
	}
	if :: MUTANT != 7 -> synchronize_rcu() :: else fi;
	do
	:: R[1].has_old ->
		reserve_move_batch(0);
		if
		:: !R[1].has_old -> R[1].moving = 0; R[0].freed = 1
		:: else
		fi;
		give_back()
	:: else -> break
	od;
#endif
	nr_done++
}
#endif

#if SWEEP
active proctype sweeper() {
	TASK_HAS;

	ready;
	R[0].moving = MUTANT != 9;
	if :: MUTANT != 23 -> synchronize_rcu() :: else fi;
	do
	:: i < R[0].nr_slots ->
		LOCK(R[0].lock);
		atomic {
			if
			:: SLOT_HAS(0, i) -> R[0].slot[i] = CLOSED; e = 1; hands++; CHECK_PLACES
			:: else
			fi
		}
		if
		:: e -> atomic { R[0].slot[i] = ELEMENT; e = 0; hands--; CHECK_PLACES }
		:: else
		fi;
		UNLOCK(R[0].lock);
		i++
	:: else -> break
	od;
	R[0].moving = 0;
	nr_done++
}
#endif

init {
	byte i;

	d_step {
		R[0].nr_slots = SLOTS_OF(SIZE);
		R[0].max_stored = SIZE - SLOTS_OF(SIZE);
		do
		:: i < MOST -> R[0].slot[i] = (i < FILLED - STORED -> ELEMENT : EMPTY); i++
		:: else -> break
		od;
		i = 0;
		R[0].stored = STORED;
		R[0].nr_stored = R[0].stored;
		hands = FREERS;
		total = FILLED + FREERS;
		/* With fewer elements the reserve is never full, and no task may discard one. */
		size = SIZE;
		ready = true
	}
#ifndef LIVE
	/* All tasks have ended, or sleep. */
	atomic {
		nr_done + len(queue) == TASKS && !queue_lock && !offered[0] && !offered[1] && !nr_looking ->
		assert(hands == kept && PARKED(cur) + kept == total);
		assert(!len(queue) || !PARKED(cur));
		assert(!(state & WAITING) == !len(queue));
		assert(!(state & FULL_SCAN) && !(state & OFFERED));
		assert(PARKED(cur) >= size || (state & NOT_FULL));
		assert(R[cur].stored == R[cur].nr_stored && !R[cur].moving && !R[cur].has_old);
		assert(!R[0].lock && !R[1].lock)
	}
#endif
}

#ifdef LIVE
/* No waiter sleeps for ever, whatever the other tasks do. */
ltl served { <> given[0] }
#endif
