#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2 and its example loaded and one CPU that executes an instruction each ns of its clock: reading
# debugfs and switching a feature on disables interrupts for no longer if there are many pools, if a pool has many
# elements, or if many elements are in flight.
#: vm=--icount --memory 512
#: put=kunit/mempool2_crowd.ko

pools=/sys/kernel/debug/mempool2
crowd=/modules/mempool2_crowd.ko
longest=/sys/module/mempool2_crowd/parameters/longest_off_ns
# With nothing to do it is about 10 us, most of it the timer's own. Now and then the kernel's allocator takes 60, so
# what takes longer than this is done three times.
most=30000
bad=0

# measure WHAT COMMAND...: COMMAND does the same each time. It may begin with what is not to be measured, and say "begin".
measure() {
	what=$1
	shift
	for try in 1 2 3; do
		begin
		"$@" >/tmp/out || { echo "FAILED: $what" >&2; exit 1; }
		ns=$(cat $longest)
		echo "$ns ns with interrupts off: $what"
		[ "$ns" -gt $most ] || return 0
	done
	echo "FAILED: $what, $ns ns, the ${try}rd time" >&2
	bad=1
}
begin() { echo 1 >$longest; }

# For measure: on OFF ON FILE switches something on that was off, or is switched off first.
# shellcheck disable=SC2317
on() {
	echo "$1" >"$3"
	sleep 0.1
	begin
	echo "$2" >"$3"
}

# What comes next is not to be measured with what the kernel does to free so many files, later and in its own way.
end_crowd() {
	rmmod mempool2_crowd || exit 1
	while [ "$(echo $pools/[0-9]*)" != "$pools/[0-9]*" ]; do sleep 0.1; done
	sleep 1
}
# shellcheck disable=SC2317
first_table() {
	end_crowd
	insmod "$crowd" nr=5000 || exit 1
	begin
	cat "$pools"/pools
}

rmmod mempool2_example || exit 1
insmod $crowd nr=5000 || exit 1
measure "nothing" sleep 0.1
measure "the table of 5,000 pools, with their directories" first_table
measure "the table once more" cat $pools/pools
end_crowd

insmod $crowd nr=1 min_nr=100000 || exit 1
pool=$pools/$(awk '$2 == "crowd_init" { print $1 }' $pools/pools)
measure "the table of a pool of 100,000" cat $pools/pools
for file in "$pool"/*; do
	measure "${file##*/} of a pool of 100,000" cat "$file"
done
measure "its checks on" on none all "$pool/checks"
measure "its statistics on" on 0 1 "$pool/statistics"
measure "its holders" cat "$pool/holders"
# When they are switched off, so much memory is freed that the kernel's allocator keeps interrupts off for longer.
rmmod mempool2_crowd || exit 1

insmod $crowd nr=1 min_nr=1 waiters=300 hold_ms=1 || exit 1
pool=$pools/$(awk '$2 == "waited" { print $1 }' $pools/pools)
sleep 0.1
measure "the table while 300 wait for a pool" cat $pools/pools
measure "its waiters" cat "$pool/waiters"
measure "its statistics on" on 0 1 "$pool/statistics"
measure "its checks on" on none exit "$pool/checks"
sleep 0.1
measure "its waiters with checks on" cat "$pool/waiters"
measure "its holders" cat "$pool/holders"
rmmod mempool2_crowd && rmmod mempool2 || exit 1
exit $bad
