#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2 and its example loaded and one CPU that executes an instruction each ns of its clock: the time
# and the memory that debugfs takes for 10,000 pools and for a pool of 1,000,000 elements. For each pool a read of the
# table takes as long, and each directory has as much memory, as with 1,000 pools; and a read of a file of a large pool
# takes as long as with a small pool. The times are instructions, which do not depend on the host.
#: vm=--icount --memory 1024
#: put=kunit/mempool2_crowd.ko

pools=/sys/kernel/debug/mempool2
crowd=/modules/mempool2_crowd.ko
bad=0

fail() { echo "FAILED: $*" >&2; bad=1; }

now_ms() { awk '{ print $1 * 1000 }' /proc/uptime; }
free_kib() { awk '/^MemFree:/ { print $2 }' /proc/meminfo; }

# cost COMMAND...: into $ms and $kib. Memory that the command has taken and given back does not count.
cost() {
	kib=$(free_kib)
	ms=$(now_ms)
	"$@" >/dev/null || fail "$*"
	ms=$(($(now_ms) - ms))
	kib=$((kib - $(free_kib)))
}

# shellcheck disable=SC2317
read_often() {
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
		cat "$1" "$1" "$1" "$1" "$1" "$1" "$1" "$1"
	done
}

# shellcheck disable=SC2317
write() { echo "$1" >"$2"; }

# switch VALUE FILE: of a pool of $min_nr.
switch() {
	cost write "$@"
	echo "a pool of $min_nr: $ms ms and $kib KiB for $1 in ${2##*/}"
}

# no_more WHAT THIS BASE PERCENT SLACK
no_more() {
	[ "$2" -le $(($3 * $4 / 100 + $5)) ] || fail "$1: $2, and $3 with few"
}

end_crowd() {
	rmmod mempool2_crowd || exit 1
	while [ "$(echo $pools/[0-9]*)" != "$pools/[0-9]*" ]; do sleep 0.1; done
	sleep 1
}

rmmod mempool2_example || exit 1
echo 3 >/proc/sys/vm/drop_caches
for nr in 1000 10000; do
	cost insmod $crowd nr=$nr
	echo "$nr pools: $ms ms and $kib KiB to make them"
	cost cat $pools/pools
	first=$((ms * 1000 / nr)) memory=$((kib * 1024 / nr))
	echo "$nr pools: $ms ms and $kib KiB for the first table: $first us and $memory bytes for each"
	cost cat $pools/pools
	again=$((ms * 1000 / nr))
	echo "$nr pools: $ms ms and $kib KiB for the next table: $again us for each"
	[ "$kib" -lt 512 ] || fail "$nr pools: the next table keeps $kib KiB"
	if [ $nr = 1000 ]; then
		first_few=$first memory_few=$memory again_few=$again
	else
		no_more "us for each pool in the first table" "$first" "$first_few" 150 5
		no_more "us for each pool in the next table" "$again" "$again_few" 150 5
		no_more "bytes for each directory" "$memory" "$memory_few" 120 0
	fi
	end_crowd
done

for min_nr in 1 1000000; do
	cost insmod $crowd nr=1 min_nr=$min_nr
	echo "a pool of $min_nr: $ms ms and $kib KiB to make it"
	pool=$pools/$(awk '$2 == "crowd_init" { print $1 }' $pools/pools)
	for file in $pools/pools "$pool"/*; do
		cat "$file" >/dev/null
		cost read_often "$file"
		name=${file##*/}
		if [ $min_nr = 1 ]; then
			echo "$ms" >"/tmp/$name"
		else
			few=$(cat "/tmp/$name")
			echo "$name of a pool of $min_nr: $ms ms for 200 reads, $few ms of a pool of 1, and $kib KiB"
			no_more "ms for 200 reads of $name" "$ms" "$few" 130 20
			[ "$kib" -lt 512 ] || fail "$name: $kib KiB are gone"
		fi
	done
	switch all "$pool/checks"
	switch none "$pool/checks"
	switch 1 "$pool/statistics"
	switch 0 "$pool/statistics"
	end_crowd
done
rmmod mempool2 || exit 1
exit $bad
