#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2, its example and its benchmark loaded and the tools of scripts/look-tools: debugfs, drgn,
# trace-cmd and bpftrace work on this kernel. Their output goes to stdout.

export PATH=/bin:/usr/bin:/usr/sbin
pools=/sys/kernel/debug/mempool2
bench=/sys/kernel/debug/mempool2_bench
trace=/sys/kernel/debug/tracing

fail() { echo "FAILED: $*"; exit 1; }
# watch PROGRAM: run it for 5 s. A person would end it with Ctrl-C.
watch() {
	(cat "/look/$1"; echo 'interval:s:5 { exit(); }') >/tmp/program.bt
	bpftrace /tmp/program.bt >/tmp/bt 2>&1
}
headline() { printf '\n==== %s\n' "$*"; }
# row NAME: the table's row of that pool. dir NAME: its directory.
row() { awk -v name="$1" '$2 == name' $pools/pools; }
dir() { echo "$pools/$(row "$1" | awk '{ print $1 }')"; }

headline "the table while 64 threads share 2 elements"
echo "waiters pool=mempool2 seconds=40 threads=64 elements=2 hold_us=1000000" >$bench/run &
job=$!
sleep 2
cat $pools/pools
busy=$(awk 'NR > 1 && $5 > 50 { print $1 }' $pools/pools)
[ -n "$busy" ] || fail "no pool with 64 waiters in the table"
[ "$(wc -l <"$pools/$busy/waiters")" -gt 50 ] || fail "the waiters are not listed"
head -n 3 "$pools/$busy/waiters"
headline "pools and waiters by drgn"
/usr/bin/python3 /usr/bin/drgn -k --no-default-symbols /look/pools.py /modules/mempool2.ko >/tmp/drgn || fail "drgn"
head -n 8 /tmp/drgn
[ "$(grep -c 'waits for 1' /tmp/drgn)" -gt 50 ] ||
	fail "drgn does not list the waiters"
# The host takes a dump now: print the addresses of the module for it, and let the waiters wait meanwhile.
sed -n 's/^\(.*\[mempool2\]\)$/kallsyms: \1/p' /proc/kallsyms
echo "==== dump"
wait $job

headline "a directory, and values that are refused"
example=$(dir mempool2_example_init)
[ -d "$example" ] || fail "the example's pool has no directory"
for file in "$example"/*; do
	echo "${file##*/}: $(head -n 1 "$file")"
done
for bad in "fail -1" "fail x" "fail 4294967296" "statistics 2" "checks bogus" "checks" "stall_timeout 86401"; do
	# Words are split on purpose.
	# shellcheck disable=SC2086
	set -- $bad
	(echo "$2" >"$example/$1") 2>/dev/null && fail "$1 took \"$2\""
done
[ "$(cat "$example/fail" "$example/statistics" "$example/checks" | tr '\n' ' ')" = "0 0 none " ] ||
	fail "a value that was refused has changed something"
find $pools -type f -perm /077 | grep . && fail "other users than root may read"

headline "the switch drives the example's pool to its reserve"
echo 1 >"$example/statistics" || fail "statistics"
sleep 1
[ "$(cat "$example/reserve_allocations")" = 0 ] || fail "something took from the reserve before"
echo 1 >"$example/fail" || fail "fail"
sleep 2
taken=$(cat "$example/reserve_allocations")
[ "$taken" -gt 0 ] || fail "nothing took from the reserve"
cat $pools/pools
echo "reserve_allocations: $taken"

headline "holders, with checks on"
# Not "nested": the example passes its elements to another context, and waits for more.
echo poison,double_free,exit >"$example/checks" || fail "checks"
sleep 1
for _ in 1 2 3 4 5 6 7 8 9 10; do
	cat "$example/holders" >/tmp/holders
	grep -q held_ms /tmp/holders && break
done
cat /tmp/holders
grep -q mempool2_example /tmp/holders || fail "no holder with its stack was seen"
echo none >"$example/checks" || fail "checks"

headline "events by trace-cmd"
cd /tmp || exit 1
trace-cmd record -q -e mempool2 sleep 1 >/tmp/record 2>&1 || fail "trace-cmd: $(cat /tmp/record)"
trace-cmd report 2>/dev/null >/tmp/report
for event in reserve_alloc refill; do
	grep "mempool2_$event:" /tmp/report | head -n 2
	grep -q "mempool2_$event:.* name=mempool2_example_init" /tmp/report || fail "no event mempool2_$event"
done
ls $trace/events/mempool2

headline "waiters by bpftrace"
echo "waiters pool=mempool2 seconds=25 threads=8 elements=2 hold_us=20000" >$bench/run &
job=$!
watch longest-waits.bt
wait $job
cat /tmp/bt
grep -q '@longest_us\[.*\]: [0-9]' /tmp/bt || fail "bpftrace saw no wait"

headline "callers that take from the reserve, by bpftrace"
watch reserve-takers.bt
cat /tmp/bt
grep -q '@taken\[' /tmp/bt || fail "bpftrace saw no caller take"

headline "unloading"
cd / || exit 1
for module in mempool2_bench mempool2_example mempool2; do
	rmmod $module || fail "unloading $module"
done
[ ! -e $pools ] || fail "the directory is still there"
echo "everything was seen"
