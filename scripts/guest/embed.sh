#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with mempool2 and mempool2_example loaded: two drivers with copies of mempool2 load beside them and at the
# same time, allocate, wait and free while there is no memory, and unload in any order.

drivers="mydrv otherdrv"

fail() { echo "$*" >&2; exit 1; }
figure() { cat "/sys/module/$1/parameters/$2"; }
example() { awk '$1 == "task_allocated" { print $2 }' /sys/kernel/debug/mempool2_example/stats; }

# At once: objects of one name in sysfs would clash.
both() {
	for driver in $drivers; do
		"$@" "$driver" &
	done
	wait
}
load() { insmod "/modules/$1.ko"; }
unload() { rmmod "$1"; }
for _ in 1 2 3 4 5; do
	both load
	both unload
done
both load
for driver in $drivers; do
	[ -d "/sys/module/$driver" ] || fail "$driver is not loaded"
	! grep "[[]$driver]" /proc/kallsyms | grep -E ' (__)?(mempool2|mp2)_' | grep -E ' [A-Z] ' ||
		fail "$driver has symbols without a prefix"
	echo 1 >"/sys/module/$driver/parameters/no_memory"
done

# goes_on DRIVER...: while there is no memory, callers wait and get elements, and callbacks run.
goes_on() {
	for driver in "$@"; do
		for name in nr_completed nr_waits nr_callbacks; do
			eval "$driver$name=$(figure "$driver" $name)"
		done
	done
	sleep 2
	for driver in "$@"; do
		for name in nr_completed nr_waits nr_callbacks; do
			eval "was=\$$driver$name"
			now=$(figure "$driver" $name)
			echo "$driver $name $((now - was))"
			# Only a lost wake-up or a call that fails keeps a figure below this.
			[ $((now - was)) -ge 5 ] || fail "$driver: $name rose by $((now - was)) in 2 s"
		done
	done
}

was=$(example)
goes_on mydrv otherdrv
[ "$(example)" -gt "$was" ] || fail "the user of the module does not go on"
rmmod mydrv || fail "mydrv cannot be unloaded"
goes_on otherdrv
if ! rmmod mempool2_example || ! rmmod mempool2; then
	fail "mempool2 cannot be unloaded"
fi
load mydrv || fail "mydrv cannot be loaded without mempool2"
goes_on otherdrv
both unload
for driver in $drivers; do
	[ ! -d "/sys/module/$driver" ] || fail "$driver is still there"
done
