#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/demo runs this in its guests (busybox sh), after a line that sets $part. The output is lines of "key=value"
# words, from which the host makes its table, and lines "progress: ...", which the host prints at once.

set -eu

BENCH=/sys/kernel/debug/mempool2_bench
EXAMPLE=/sys/kernel/debug/mempool2_example/stats
POOLS=/sys/kernel/debug/mempool2

progress() { echo "progress: $*"; }
run() { echo "$*" >$BENCH/run; }
both() {
	for pool in mempool mempool2; do
		run "$1" pool=$pool "$2"
	done
}

two_cpus() {
	# The kernel keeps 2048 KiB for itself and for GFP_ATOMIC, and watermark_boost_factor=0 keeps the kernel from
	# raising that. memhog leaves more than these 2048 KiB free, so that the OOM killer stays idle, but less than
	# the 16 MiB that the callers in flight want.
	echo 2048 >/proc/sys/vm/min_free_kbytes
	echo 0 >/proc/sys/vm/watermark_boost_factor
	# DAMON's thread, which 7.x starts, allocates now and then, and the OOM killer would kill memhog for it.
	damon=/sys/module/damon_stat/parameters/enabled
	[ ! -e $damon ] || echo N >$damon
	progress "memory exhaustion, 3 s on each kind of pool"
	/bin/memhog 8192 $BENCH/run "exhaust pool=mempool seconds=3" "exhaust pool=mempool2 seconds=3" >&2

	progress "a caller for 8 elements beside 16 callers for 1, 3 s on each"
	both bulk "seconds=3 threads=16 elements=8"

	progress "8 threads request 2 elements and do not sleep in the pool, 3 s"
	both async "seconds=3 threads=8 elements=2"

	progress "the table of pools, with 64 threads on 2 elements"
	run waiters pool=mempool2 seconds=3 threads=64 elements=2 hold_us=100000 &
	sleep 1
	# Opening the table makes a directory for each pool.
	cat $POOLS/pools >/dev/null
	for switch in "$POOLS"/*/statistics; do
		echo 1 >"$switch"
	done
	sleep 1
	sed 's/^/pools: /' $POOLS/pools
	wait
}

# On a clock that counts instructions, so that other work on the host lengthens no wait.
order() {
	# For some seconds after the boot the kernel has work of its own, and its timers are coarse.
	sleep 6
	for round in 1 2; do
		progress "64 threads on 2 elements, 1 s on each, round $round of 2"
		both waiters "seconds=1 threads=64 elements=2 hold_us=20"
	done
}

# Set by the host.
# shellcheck disable=SC2154
$part
# The run for the table of pools is no measurement.
grep -v " hold_us=100000 " $BENCH/result
[ ! -e $EXAMPLE ] || echo "scenario=example $(sed 's/ /=/' $EXAMPLE | tr '\n' ' ')"

progress "unloading the modules"
rmmod mempool2_bench
[ ! -e $EXAMPLE ] || rmmod mempool2_example
rmmod mempool2
echo "scenario=guest part=$part release=$(uname -r)"
