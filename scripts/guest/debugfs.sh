#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2 and its example loaded and with /modules/mempool2_crowd.ko: every file in debugfs answers
# when it is read and refuses what it cannot take, while pools come and go; what is shown keeps its columns; and the
# modules can be unloaded at any moment.
#: vm=--cpus 2 --memory 256
#: put=kunit/mempool2_crowd.ko
#: provokes=BUG: mempool2: waiter stalled in pool waited

pools=/sys/kernel/debug/mempool2
param=/sys/module/mempool2/parameters/checks
crowd=/modules/mempool2_crowd.ko
started=$(cut -d. -f1 /proc/uptime)

fail() { echo "FAILED: $*" >&2; exit 1; }
headline() { echo "$(($(cut -d. -f1 /proc/uptime) - started)) s: $*"; }

# id NAME: the directory of the first pool that the table calls so.
id() { awk -v name="$1" '$2 == name { print $1; exit }' $pools/pools; }
# settings DIR: all that can be switched there.
settings() { (cd "$1" && cat fail statistics checks stall_timeout | tr '\n' ';'); }
# unload MODULE...: they may be in use for a moment yet.
unload() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		rmmod "$@" 2>/dev/null && return
		sleep 1
	done
	return 1
}

long=$(head -c 5000 /dev/zero | tr '\0' 1)
long64=$(echo "$long" | head -c 64)
# As printf takes it; nothing is a value of any file.
cat >/tmp/junk <<END
\n
,
,,
 ,
-1
+1
 1
1 
1,
1 2
1\t
1\n2
1\n\n
\n1
1\0002
\0001
1\000
0x10
1e3
1.0
01x
2147483648
4294967295
4294967296
99999999999999999999
-99999999999999999999
$long64
$long
none,poison
all,none
all all
none 
 none
none,
none\nall
none\000all
none\n\n
poison,
,poison
 poison
poison;exit
poison\texit
poison exit bogus
POISON
poiso
poisonous
\377\376\001\002\200
%s%n%p
../../../etc
END

# refuses FILE: none of that is taken.
refuses() {
	while IFS= read -r text; do
		case $text in
		# A parameter of a module is text, which ends there.
		*\\000*) [ "$1" != $param ] || continue ;;
		esac
		printf '%b' "$text" 2>/dev/null >"$1" && fail "$1 took \"$(echo "$text" | head -c 30)\""
	done </tmp/junk
}
# takes FILE TEXT SHOWN
takes() {
	printf '%b' "$2" >"$1" || fail "$1 refused \"$2\""
	[ "$(cat "$1")" = "$3" ] || fail "$1 is \"$(cat "$1")\" and not \"$3\" after \"$2\""
}

# The first switch of all, and the last one back, patch code that others run. The emulated CPUs of QEMU's TCG now and
# then go on with what was there before, for ever; so there is one pool for which something is on throughout.
example=$pools/$(id mempool2_example_init)
echo 1 >"$example/statistics" || fail "statistics of the example"

headline "odd names, waiters and holders"
insmod $crowd nr=20 churn=2 waiters=3 hold_ms=1500 odd_names=1 || exit 1
cat $pools/pools >/tmp/table
grep -n '[^ -~]' /tmp/table && fail "the table has what is not printable"
awk 'NF != 13 { print; bad = 1 } END { exit bad }' /tmp/table || fail "a line without 13 columns"
for name in two_lines _1_begins-with-a-row tab_here 'clear_[2J' bell_ _ quite-usual waited asked crowd_odd_pool \
	mempool2_example_init crowd_init; do
	awk -v name="$name" '$2 == name { found = 1 } END { exit !found }' /tmp/table ||
		fail "there is no pool $name in the table"
done
waited=$pools/$(id waited)
echo exit >"$waited/checks" || fail "checks of $waited"
echo 1 >"$waited/stall_timeout" || fail "stall_timeout of $waited"
# A holder is known only if it took its element after the checks were switched on, so wait until a task takes one.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
	dmesg >/tmp/dmesg
	! grep -q 'taken by task' /tmp/dmesg || break
	sleep 0.5
done
grep -E '^crowd_1_x/[0-9]+ missing=1 waited_ms=[0-9]+ caller=wait_fn[^ ]+ \[mempool2_crowd\]$' "$waited/waiters" ||
	fail "waiters: $(cat "$waited/waiters")"
grep -E '^crowd_1_x/[0-9]+ element=[^ ]+ held_ms=[0-9]+$' "$waited/holders" || fail "holders: $(cat "$waited/holders")"
grep -E '^crowd_asked/0 missing=1 ' "$pools/$(id asked)/waiters" ||
	fail "waiters: $(cat "$pools/$(id asked)/waiters")"
echo 0 >"$waited/stall_timeout"
grep -q 'BUG: mempool2: waiter stalled in pool waited$' /tmp/dmesg || fail "no waiter was reported"
grep -qE 'task crowd_1_x/[0-9]+ has waited' /tmp/dmesg || fail "the report does not name the waiter"
grep -qE 'taken by task crowd_1_x/[0-9]+ ' /tmp/dmesg || fail "the report does not name the holder"
grep -E '(^|\] )1 x' /tmp/dmesg && fail "a task's name has made a line of its own"
rmmod mempool2_crowd || fail "unloading the crowd"

headline "every file, while pools come and go"
insmod $crowd nr=3 churn=2 waiters=2 || exit 1
(while :; do cat $pools/pools >/dev/null; sleep 0.1; done) &
reader=$!
kept=$pools/$(id crowd_init)
takes "$kept/fail" 7 7
takes "$kept/statistics" 1 1
takes "$kept/checks" 'exit,double_free' 'double_free exit'
takes "$kept/stall_timeout" 9 9
before=$(settings "$kept")
for file in "$kept"/* $pools/pools; do
	was=$(cat "$file") || fail "cannot read $file"
	refuses "$file"
	[ "$(settings "$kept")" = "$before" ] ||
		fail "what ${file##*/} refused has changed \"$before\" to \"$(settings "$kept")\""
	case ${file##*/} in
	# These figures change all the time.
	reserve* | refills | wait* | max_wait* | handovers | failed | holders | pools) ;;
	*) [ "$(cat "$file")" = "$was" ] || fail "what ${file##*/} refused has changed it" ;;
	esac
done
echo nested >$param || fail "the parameter refused \"nested\""
refuses $param
takes $param 'poison exit' 'poison exit'
takes $param 'none\n' none

headline "values that are right"
for text in 0 1 2147483647 '3\n' 007 0; do
	number=${text%\\n}
	takes "$kept/fail" "$text" "$(echo "$number" | sed 's/^0*\(.\)/\1/')"
done
takes "$kept/statistics" '0\n' 0
takes "$kept/stall_timeout" 86400 86400
takes "$kept/stall_timeout" 0 0
# These elements have no memory to be poisoned.
takes "$kept/checks" 'all\n' 'double_free nested exit'
takes "$kept/checks" 'nested, exit' 'nested exit'
takes "$kept/checks" 'double_free double_free' double_free
takes "$kept/checks" none none
takes "$example/checks" all 'poison double_free nested exit'
takes "$example/checks" none none
# Those of pools that end meanwhile: any answer will do.
for value in 1 86400; do
	for file in "$pools"/[0-9]*/*; do
		[ "${file%/*}" != "$example" ] || continue
		while read -r _; do :; done <"$file"
		# Some tasks wait on purpose, and a timeout of 1 s would report them.
		[ "$value ${file##*/}" = "1 stall_timeout" ] || echo "$value" >"$file"
		echo none >"$file"
		echo 0 >"$file"
	done >/dev/null 2>&1
done
kill $reader
wait $reader 2>/dev/null

headline "unloading with files open"
cd "$kept" || exit 1
exec 3<name 4<$pools/pools 5>fail 6<.
read -r _ <&4
# The files hold mempool2 only.
rmmod mempool2_crowd || fail "unloading the crowd while a file of its pools is open"
rmmod mempool2_example || fail "unloading the example"
while [ -e "$kept/name" ]; do sleep 0.1; done
cat <&3 2>/dev/null && fail "the file of a pool that is gone can be read"
(echo 1 >&5) 2>/dev/null && fail "the file of a pool that is gone can be written to"
cat <&4 >/dev/null || fail "reading the table while its pools are gone"
ls >/dev/null
rmmod mempool2 2>/dev/null && fail "unloading mempool2 while a file is open"
exec 3<&- 4<&- 5>&-
rmmod mempool2 || fail "unloading mempool2"
[ ! -e $pools ] || fail "the directory is still there"
exec 6<&-
cd / || exit 1

headline "unloading at once"
# To remove so many directories takes until after the module is gone.
for nr in 20 200 2000; do
	insmod /modules/mempool2.ko && insmod $crowd nr=$nr || exit 1
	cat $pools/pools >/dev/null
	rmmod mempool2_crowd mempool2 || fail "unloading $nr pools and mempool2"
done
for nr in 5 200; do
	insmod /modules/mempool2.ko && insmod $crowd nr=$nr churn=2 || exit 1
	(while cat $pools/pools $pools/*/name; do :; done) >/dev/null 2>&1 &
	reader=$!
	sleep 0.3
	rmmod mempool2_crowd || fail "unloading $nr pools that are being looked at"
	unload mempool2 || fail "unloading mempool2 that is being looked at"
	kill $reader 2>/dev/null
	wait $reader 2>/dev/null
done
headline "through"
