#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest in which memory for workqueues can fail: the first allocation of a load of mempool2 fails, then the second
# is the first to fail, and so on, until none does. A load that fails leaves no workqueue behind: those with
# WQ_MEM_RECLAIM have a thread kworker/R-NAME.
#: kernel=uml-7.3-modules
#: vm=--cpus 1 --memory 256 --append slab_nomerge

failslab=/sys/kernel/debug/failslab
cache=/sys/kernel/slab/pool_workqueue
[ -w $failslab/cache-filter ] || { echo "this kernel has no failslab" >&2; exit 1; }
echo 1 >$cache/failslab && echo Y >$failslab/cache-filter && echo N >$failslab/ignore-gfp-wait || exit 1
echo 100 >$failslab/probability && echo 0 >$failslab/verbose || exit 1

threads() { grep -h R-mempool2 /proc/[0-9]*/comm 2>/dev/null; }

rmmod mempool2_example && rmmod mempool2 || exit 1
threads && exit 1
nth=0
while :; do
	# So many bytes are allocated before all allocations fail. insmod tries twice, with two system calls.
	echo $((nth * $(cat $cache/object_size))) >$failslab/space
	echo -1 >$failslab/times
	insmod /modules/mempool2.ko && break
	echo 0 >$failslab/times
	threads && exit 1
	nth=$((nth + 1))
done
echo 0 >$failslab/times
echo "$nth loads failed"
[ $nth -ge 2 ] && [ "$(threads | wc -l)" = 2 ] && rmmod mempool2
