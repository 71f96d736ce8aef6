# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Packages from other suites of the Debian archive than the suite of this machine, with package lists and a cache in $APT:
# the machine's apt configuration stays as it is. Sourced after lib.sh by a script that sets $APT and defines the
# function suites, which prints the suites, one a line, each with the suffix of the code name in the archive's name. If
# it sets $ARCH, the packages are of that architecture.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
NO_MIRROR="this machine's apt names no Debian archive; give one with DEBIAN_MIRROR=URI"

apt_own() {
	local tool=$1
	shift
	"$tool" -q -o Dir::Etc::sourcelist="$APT/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		${ARCH:+-o APT::Architecture="$ARCH" -o APT::Architectures="$ARCH"} \
		-o Dir::State="$APT/state" -o Dir::State::status="$APT/state/status" -o Dir::Cache="$APT/cache" \
		-o APT::Update::Post-Invoke-Success= -o APT::Sandbox::User="$(id -un)" "$@"
}

apt_update() {
	local suite suffix uri line good=()
	mkdir -p "$APT/state/lists/partial" "$APT/cache/archives/partial"
	: >"$APT/state/status"
	: >"$APT/sources.list"
	while read -r suite suffix; do
		if ! uri=$(mirror "$suffix"); then
			[[ -z $suffix ]] || { echo "no archive known for $suite, going on without it"; continue; }
			echo "$NO_MIRROR"
			return 1
		fi
		echo "deb [signed-by=$KEYRING] $uri $suite main" >>"$APT/sources.list"
	done < <(suites)
	apt_own apt-get update -o APT::Update::Error-Mode=any && return
	# A mirror that is behind serves lists past their date, which are signed all the same.
	echo "note: trying again, and taking lists past their date"
	apt_update_late && return
	# While a mirror is brought up to date, the lists of a suite may not fit each other.
	echo "note: trying each suite by itself, and leaving out those without usable lists"
	cp "$APT/sources.list" "$APT/sources.all"
	while read -r line; do
		echo "$line" >"$APT/sources.list"
		if apt_update_late; then
			good+=("$line")
		else
			echo "note: leaving out $line"
		fi
	done <"$APT/sources.all"
	((${#good[@]})) || return 1
	printf '%s\n' "${good[@]}" >"$APT/sources.list"
	apt_update_late
}

apt_update_late() { apt_own apt-get update -o APT::Update::Error-Mode=any -o Acquire::Check-Valid-Until=false; }

# debs PACKAGE...: download packages into $APT/debs, of version $VERSION if VERSION is set and the archive still has that
# version.
debs() {
	local name want=()
	for name in "$@"; do
		if [[ -z $VERSION ]]; then
			want+=("$name")
		# For a version that is gone, apt-cache prints nothing, and succeeds.
		elif [[ -n $(apt_own apt-cache show "$name=$VERSION" 2>/dev/null) ]]; then
			want+=("$name=$VERSION")
		else
			echo "note: no $name of version $VERSION, taking the newest"
			want+=("$name")
		fi
	done
	rm -rf "$APT/debs"
	mkdir "$APT/debs"
	cd "$APT/debs" || return
	apt_own apt-get -o Dpkg::Use-Pty=0 download "${want[@]}"
}

