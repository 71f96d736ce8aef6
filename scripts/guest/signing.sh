#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest with several copies of mempool2.ko in /signing, each signed by another key: which of them does the kernel
# load? The caller sets $modules to the names of the copies. If $enroll is not empty, the guest enrolls the keys of the
# owner at the end. For each copy a line NAME|STATUS|MESSAGE|TAINT|LOG has the exit status and the message of insmod,
# the letters of the module's taint, and the messages of the kernel. The lines before show the keyrings, the lockdown,
# and the answers of mokutil.

export PATH=/tools:/bin
: "${modules:?}" "${enroll?}"
efivars=/sys/firmware/efi/efivars
# The GUID is the one of shim.
mok_list=$efivars/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23

try() {
	dmesg -c >/dev/null
	status=0
	message=$(/tools/insmod "/signing/$1.ko" 2>&1) || status=$?
	taint=$(cat /sys/module/mempool2/taint 2>/dev/null)
	log=$(dmesg | sed 's/^\[[^]]*\] //' | tr '\n|' ';/')
	if [ $status = 0 ]; then
		rmmod mempool2 || exit 1
	fi
	echo "$1|$status|$message|$taint|$log"
}

# The firmware has left a piece of a line there.
echo
mount -t securityfs none /sys/kernel/security
echo "lockdown|$(cat /sys/kernel/security/lockdown)"
for keyring in platform machine; do
	keyctl list %:.$keyring | sed "s/^/$keyring|/"
done
if [ -d $efivars ]; then
	mount -t efivarfs none $efivars || exit 1
	echo "state|$(mokutil --sb-state)"
	echo "test-key|$(mokutil --test-key /signing/owner.der)"
fi
for module in $modules; do
	try "$module"
done
if [ -n "$enroll" ]; then
	# One write, of the attributes and the list.
	dd if=/signing/mok-list of=$mok_list bs=64k 2>/dev/null || exit 1
fi
