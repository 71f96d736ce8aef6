# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts beside this file share. Sourced, never run; the sourcing script has already said
# "set -euo pipefail". Messages go to stderr: a script's stdout is its result (a path, a guest's output).

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/mempool2
LOGS=$CACHE/logs
mkdir -p "$LOGS" "$CACHE/locks"

# "make check W=1" is not meant for the makes that the scripts run.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS

say() { printf '%s\n' "$*" >&2; }

die() {
	local rc=1
	if [[ $1 =~ ^[0-9]+$ ]]; then rc=$1; shift; fi
	say "${0##*/}: $*"
	exit "$rc"
}

# usage: print the comment block at the top of the calling script, which is its manual.
usage() { sed -n '4,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }
case ${1:-} in -h | --help) usage; exit ;; esac

# setting CONFIG NAME: what the line "#: NAME=" of a configuration says.
setting() { sed -n "s/^#: $2=//p" "$1"; }

# lock NAME: hold NAME until the script ends. Locks nest in one order only (check, kunit, testkernel, farm,
# kernel), since each script calls only scripts to its right.
lock() {
	local fd file=$CACHE/locks/$1
	exec {fd}>"$file"
	flock -n "$fd" && return
	say "waiting for another run that holds $file"
	flock "$fd"
}

# spawn COMMAND...: run something in the background in a process group of its own, so that an interrupt of
# this script takes all of its children along. await WHAT LOG [REGEX SECONDS]: wait for it, with a line every ten
# seconds; and stop it if by then nothing in LOG matches REGEX.
SPAWNED=
spawn() {
	set -m
	(trap - EXIT INT TERM; set +m; "$@") &
	SPAWNED=$!
	set +m
}

spawn_stop() { [[ -z $SPAWNED ]] || kill -TERM -- "-$SPAWNED" 2>/dev/null || :; }
trap spawn_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

await() {
	local start=$SECONDS next=10 nap=0.05 rc=0 sign=${3:-}
	while kill -0 "$SPAWNED" 2>/dev/null; do
		if [[ -n $sign ]] && ((SECONDS - start >= $4)); then
			grep -qE "$sign" "$2" || spawn_stop
			sign=
		fi
		if ((SECONDS - start >= next)); then
			say "  $1: $((SECONDS - start)) s, log $2"
			((next += 10))
		fi
		sleep "$nap"
		((SECONDS - start < 2)) || nap=0.5
	done
	wait "$SPAWNED" || rc=$?
	SPAWNED=
	return "$rc"
}

# step WHAT NAME COMMAND...: run something long with its output in a log of that name.
step() {
	local what=$1 log=$LOGS/$2.log start=$SECONDS rc=0
	shift 2
	say "$what ... (log: $log)"
	spawn "$@" >"$log" 2>&1 </dev/null
	await "$what" "$log" || rc=$?
	if ((rc)); then
		tail -n 20 "$log" | sed 's/^/  | /' >&2
		die "$what failed (exit status $rc); the whole log is $log"
	fi
	say "  $what: done in $((SECONDS - start)) s"
}

# document NAME TABLE: a run's table, to where Documentation/dropin.rst has the one of NAME.
document() {
	local page=$TOP/Documentation/dropin.rst new
	grep -q "^.. $1 begins" "$page" || die "$page has no place for the table of $1"
	new=$(
		sed "/^.. $1 begins/q" "$page"
		printf '\n::\n\n'
		sed 's/^/  /; s/ *$//' "$2"
		echo
		sed -n "/^.. $1 ends/,\$p" "$page"
	)
	printf '%s\n' "$new" >"$page"
}

# mirror CODENAME-SUFFIX: the URI from which this machine's own apt gets Debian's main component; with
# "-security" the one of the security archive, which is another. Nothing about a host is written down here.
mirror() {
	local suffix=${1:-} uri
	if [[ -z $suffix && -n ${DEBIAN_MIRROR:-} ]]; then echo "$DEBIAN_MIRROR"; return; fi
	if [[ -n $suffix && -n ${DEBIAN_SECURITY_MIRROR:-} ]]; then echo "$DEBIAN_SECURITY_MIRROR"; return; fi
	uri=$(mirror_of_apt "$suffix")
	# A machine whose package lists were never fetched does not know yet whose archives it uses.
	if [[ -z $uri && $EUID == 0 ]]; then
		apt-get -q update >"$LOGS/apt-update.log" 2>&1 || :
		uri=$(mirror_of_apt "$suffix")
	fi
	[[ -n $uri ]] || return 1
	echo "$uri"
}

mirror_of_apt() {
	# The fields stay apt's own "$(NAME)" placeholders.
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(CODENAME) $(REPO_URI)' 2>/dev/null |
		awk -v suffix="$1" '$1 == "Debian" && $2 == "main" {
			code = $3; sub(/^[a-z]+/, "", code)
			if (code == suffix) { print $4; exit }
		}' || :
}

# sources: this checkout's sources below the current directory, for xargs -0.
sources() {
	find . -path ./build -prune -o \( -name '*.[ch]' ! -name '*.mod.c' -o -name '*.lds' -o -name Kbuild -o -name Kconfig \) \
		-type f -print0 | sort -z
}

# sync_sources DEST: copy this checkout's sources (not its build products) to DEST and print what changed.
# By content and without times: a file that comes from another checkout must look new to make.
sync_sources() {
	mkdir -p "$1"
	rsync -rlpc --delete --prune-empty-dirs --out-format='%o %n' \
		--exclude='*.mod.c' --exclude=/build --exclude='.*' \
		--include='*/' --include='*.[ch]' --include='*.lds' --include=Kbuild --include=Kconfig --include=/Makefile --exclude='*' \
		"$TOP/" "$1/" | grep -v '/$' || :
}

# complaints FILE [REGEX...]: print what a kernel complained of in a console log, nothing if it did not.
# A warning's block, from its "cut here" to its "end trace", is forgiven as a whole when a line of it matches
# one of the REGEXes; so is a line that matches, and a call trace that follows such a line closely, as in
# the reports of the OOM killer. A block that never ends is not forgiven.
complaints() {
	local file=$1 allow
	shift
	allow=$(IFS='|'; echo "$*")
	ALLOW=$allow awk '
		BEGIN {
			allow = ENVIRON["ALLOW"]
			bad = "Kernel panic|BUG:|kernel BUG at|WARNING:|Oops|general protection fault|" \
				"[Uu]nable to handle|INFO: possible|possible recursive locking|circular locking|" \
				"inconsistent lock state|bad unlock balance|held lock freed|Invalid wait context|" \
				"suspicious RCU|rcu.*(detected stall|self-detected)|KASAN|KCSAN:|UBSAN:|KFENCE:|" \
				"blocked for more than|soft lockup|hard LOCKUP|Call Trace|cut here|" \
				"kmemleak: [1-9][0-9]* new suspected|Segfault with no mm|list_(add|del) corruption"
			# What a kernel says of its own configuration at boot.
			fine = "KernelAddressSanitizer initialized|kfence: initialized|mitigation|vulnerab"
			recent = -100
		}
		function line() { return "  line " NR ": " $0 }
		{ sub(/\r$/, "") }
		allow != "" && $0 ~ allow { recent = NR; forgiven = 1 }
		# The line before this one was broken off, and comes again.
		/\*\* replaying previous printk message \*\*/ { if (block == NR - 1) nr_held = block = 0; next }
		/cut here/ { flush_block(); block = NR; forgiven = 0; recent = -100 }
		# The two lines after "cut here" say where and what, in an order that differs between kernels.
		block { if ($0 ~ bad || NR <= block + 2) held[++nr_held] = line()
			if (/end trace/) { if (forgiven) nr_held = 0; flush_block() }
			next }
		$0 !~ bad || $0 ~ fine { next }
		recent == NR { next }
		/Call Trace/ && NR - recent <= 12 { next }
		{ print line() }
		function flush_block(   i) {
			for (i = 1; i <= nr_held; i++)
				print held[i]
			nr_held = block = 0
		}
		END { flush_block() }
	' "$file"
}
