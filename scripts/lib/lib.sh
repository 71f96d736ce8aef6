# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Functions of all entries of scripts/. Sourced, never run, after "set -euo pipefail". Messages go to stderr: the stdout
# of a script is its result (a path, a guest's output).

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
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

# spawn COMMAND...: run a command in the background, with a process group of its own.
# await WHAT LOG [GUEST...]: wait for the command, with a line every ten seconds. With further arguments, which are
# those of guest_begin, the command is a guest with a limit. SPAWN_SIGNAL is the signal that ends the command early.
SPAWNED=
SPAWN_SIGNAL=TERM
spawn() {
	set -m
	(trap - EXIT INT TERM; set +m; "$@") &
	SPAWNED=$!
	set +m
}

# spawn_look: SPAWN_PIDS are its processes, those with a process group of their own included, and SPAWN_CPU is their CPU
# time, in hundredths of a second, with that of their children that have ended.
spawn_look() {
	read -r SPAWN_CPU SPAWN_PIDS < <(cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$SPAWNED" -v hz="$(getconf CLK_TCK)" '
		{ pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; cpu[pid] = $12 + $13 + $14 + $15 }
		END {
			for (pid in parent) {
				for (up = pid; up != root && up in parent; )
					up = parent[up]
				if (up == root) {
					sum += cpu[pid]
					pids = pids " " pid
				}
			}
			printf "%d%s\n", 100 * sum / hz, pids
		}') || :
}

spawn_stop() {
	[[ -n $SPAWNED ]] || return 0
	spawn_look
	# Words are split on purpose, here and below.
	# shellcheck disable=SC2086
	kill "-$SPAWN_SIGNAL" -- "-$SPAWNED" $SPAWN_PIDS 2>/dev/null || :
	# A process that is stopped ends when it goes on.
	# shellcheck disable=SC2086
	kill -CONT -- "-$SPAWNED" $SPAWN_PIDS 2>/dev/null || :
}

# jobs_stop: end all that runs in the background, with all its children. An interrupt of the script comes to it.
jobs_stop() {
	local SPAWNED
	for SPAWNED in $(jobs -rp); do
		spawn_stop
	done
}
trap jobs_stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

await() {
	local start=$SECONDS next=10 nap=0.05 rc=0
	(($# == 2)) || guest_begin "${@:2}"
	while kill -0 "$SPAWNED" 2>/dev/null; do
		if (($# > 2)) && guest_is_over; then
			# Bash would print that the job was terminated.
			guest_stop 2>/dev/null
			break
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

# LIMIT is the seconds that a guest may take on an idle machine. On a busy machine it takes longer, which is no failure
# of the guest. So these are the limits:
#
#   - the CPU time of its processes: LIMIT seconds for each of its CPUs;
#   - the time in which the guest sleeps, LIMIT seconds: no file of the guest grows, the guest uses less than a twentieth
#     of a CPU, and no thread of the guest runs or waits for a CPU or a disk;
#   - the clock, ten times LIMIT, for a guest that is neither busy nor asleep.
#
# guest_begin LOG LIMIT CPUS SIGN PATIENCE [FILE...]: start the clocks of a guest that writes LOG and FILEs. If SIGN is
# not empty, LIMIT is at most PATIENCE until a line of LOG matches the regex SIGN.
# guest_is_over: has the guest passed a limit? GUEST_OVER is the message then, and empty otherwise.
GUEST_OVER=
guest_begin() {
	G_log=$1 G_limit=$2 G_cpus=$3 G_sign=$4 G_patience=$5
	G_files=("$1" "${@:6}")
	((G_cpus <= $(nproc))) || G_cpus=$(nproc)
	G_began=$SECONDS G_looked=$SECONDS G_cpu=0 G_asleep=0 G_size=
	GUEST_OVER=
}

guest_is_over() {
	local passed=$((SECONDS - G_looked)) limit=$G_limit used size
	((passed)) || return 1
	G_looked=$SECONDS
	[[ -z $G_sign ]] || ! grep -qE "$G_sign" "$G_log" 2>/dev/null || G_sign=
	[[ -z $G_sign ]] || ((limit <= G_patience)) || limit=$G_patience

	spawn_look
	# The CPU time of a process is lost when it ends and no process waits for it.
	used=$((SPAWN_CPU > G_cpu ? SPAWN_CPU - G_cpu : 0))
	((G_cpu += used)) || :
	size=$(stat -c %s "${G_files[@]}" 2>/dev/null) || :
	if [[ $size != "$G_size" ]]; then
		G_size=$size G_asleep=0
	elif ((used < 5 * passed)) && ! guest_wants; then
		((G_asleep += passed))
	else
		G_asleep=$((G_asleep > passed ? G_asleep - passed : 0))
	fi
	if ((G_cpu >= 100 * limit * G_cpus)); then
		GUEST_OVER="it has used $((G_cpu / 100)) s of CPU time"
	elif ((G_asleep >= limit)); then
		GUEST_OVER="it sleeps, and has said nothing for $G_asleep s"
	elif ((SECONDS - G_began >= 10 * limit)); then
		GUEST_OVER="it has taken $((SECONDS - G_began)) s"
	fi
	[[ -n $GUEST_OVER ]]
}

# guest_wants: is there a thread that runs, waits for a CPU or waits for a disk?
guest_wants() {
	local pid files=()
	for pid in $SPAWN_PIDS; do
		files+=("/proc/$pid"/task/*/stat)
	done
	((${#files[@]})) && cat "${files[@]}" 2>/dev/null | grep -E '\) [RD] ' >/dev/null
}

# guest_stop: end all of its processes, and kill after ten seconds the processes that are left.
guest_stop() {
	local pid
	spawn_stop
	for _ in {1..100}; do
		# shellcheck disable=SC2086
		kill -0 $SPAWN_PIDS || return 0
		sleep 0.1
	done
	for pid in $SPAWN_PIDS; do
		kill -KILL "$pid" || :
	done
}

# step WHAT NAME COMMAND...: run a long command with its output in the log NAME.
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

# document NAME TABLE [PAGE]: put the table of a run into Documentation/dropin.rst, or another page, in the place of the
# table of NAME.
document() {
	local page=${3:-$TOP/Documentation/dropin.rst} new
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

# mirror CODENAME-SUFFIX: the URI from which this machine's apt gets Debian's main component; with the suffix
# "-security" the URI of the security archive. No script names a host.
mirror() {
	local suffix=${1:-} uri
	if [[ -z $suffix && -n ${DEBIAN_MIRROR:-} ]]; then echo "$DEBIAN_MIRROR"; return; fi
	if [[ -n $suffix && -n ${DEBIAN_SECURITY_MIRROR:-} ]]; then echo "$DEBIAN_SECURITY_MIRROR"; return; fi
	uri=$(mirror_of_apt "$suffix")
	# Without package lists apt does not know its archives yet.
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
	find . -path ./build -prune -o \( -name '*.[ch]' ! -name '*.mod.c' -o -name '*.lds' -o -name Kbuild -o -name Kconfig \
		-o -path ./VERSION \) -type f -print0 | sort -z
}

# sync_sources DEST: copy this checkout's sources (not its build products) to DEST and print what changed.
# By content and without times: a file that comes from another checkout must look new to make.
sync_sources() {
	mkdir -p "$1"
	rsync -rlpc --delete --prune-empty-dirs --out-format='%o %n' \
		--exclude='*.mod.c' --exclude=/build --exclude='.*' \
		--include='*/' --include='*.[ch]' --include='*.lds' --include=Kbuild --include=Kconfig \
		--include=/Makefile --include=/VERSION --exclude='*' \
		"$TOP/" "$1/" | grep -v '/$' || :
}

# in_guest SERIES EXAMPLE SCRIPT [ARG...]: run a script of scripts/guest in a guest that has loaded mempool2 and an
# example, both from build/SERIES. In the script, "#: vm=" has options of scripts/vm, "#: put=" modules that the script
# loads itself, and "#: provokes=" a regex for complaints of the kernel that the script provokes. A script with a line
# "#: kernel=" is for that configuration of kunit/configs instead, for User-Mode Linux with mempool2 as a module.
in_guest() {
	local modules=$TOP/build/$1 kernel=$1 example=$2 script=$TOP/scripts/guest/$3 args=() config file provokes
	shift 3
	config=$(setting "$script" kernel)
	if [[ -n $config ]]; then
		kernel=$("$TOP/scripts/testkernel" "$config") || return 2
		modules=$kernel/mm/mempool2
		kernel+=/linux
	fi
	read -ra args <<<"$(setting "$script" vm)"
	((${#args[@]})) || args=(--cpus 2 --memory 256)
	for file in $(setting "$script" put); do
		args+=(--file "$modules/$file:/modules/${file##*/}")
	done
	provokes=$(setting "$script" provokes)
	[[ -z $provokes ]] || args+=(--allow "$provokes")
	"$TOP/scripts/vm" --kernel "$kernel" "${args[@]}" "$@" --module "$modules/mempool2.ko" \
		--module "$modules/examples/$example.ko" --script "$script"
}

# without_races_of_others LOG: the log with empty lines for each report of KCSAN, from one line of "=" to the next, that
# does not name mempool2. A report about osq_lock(), the queue of CPUs that spin for a mutex, is not about mempool2 either.
without_races_of_others() {
	awk '
		{ line[NR] = $0 }
		/====================/ {
			if (!start) { start = NR; next }
			for (i = start; i <= NR && race && !worse && (!ours || spinners); i++)
				line[i] = ""
			start = race = ours = spinners = worse = 0
		}
		!start { next }
		/BUG: KCSAN/ { race = 1 }
		/BUG: KCSAN: data-race in osq_[a-z]+ \/ osq_[a-z]+/ { spinners = 1 }
		/mempool2/ { ours = 1 }
		/BUG:|WARNING:/ && !/KCSAN/ { worse = 1 }
		END { for (i = 1; i <= NR; i++) print line[i] }
	' "$1"
}

# complaints FILE [REGEX...]: print the complaints of a kernel in a console log, if there are any.
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
			# Messages about the configuration of the kernel at boot.
			fine = "KernelAddressSanitizer initialized|kfence: initialized|mitigation|vulnerab"
			recent = -100
		}
		function line() { return "  line " NR ": " $0 }
		{ sub(/\r$/, "") }
		# The reason may name a sanitizer.
		/ok [0-9]+ [^ ]+ # SKIP / { sub(/ # SKIP .*/, "") }
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
