# Sourced by the scripts here: what they need besides Debian 12, root and Go.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

fail() {
	say "$*"
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || fail "${0##*/}: systemd hosts need root (network namespaces, mounts, cgroups): run it as root."
}

# need_go finds Go also where its archive puts it, outside of PATH.
need_go() {
	local dir
	export HOME="${HOME:-/root}"
	if ! command -v go >/dev/null; then
		for dir in /usr/local/go/bin "$HOME"/go/bin /usr/lib/go-*/bin; do
			[ ! -x "$dir/go" ] || PATH="$dir:$PATH"
		done
		export PATH
	fi
	command -v go >/dev/null || fail "${0##*/}: Go is not installed (looked in PATH and /usr/local/go/bin): see https://go.dev/doc/install"
	# Go's modules come over HTTPS.
	[ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$(id -u)" != 0 ] || need_packages no-such-command:ca-certificates
	# No version control stamps: they fail in a clone that belongs to another user.
	export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
}

# need_packages COMMAND:PACKAGE… installs the packages whose commands are missing.
need_packages() {
	local pair missing=()
	for pair in "$@"; do
		command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || missing+=("${pair#*:}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || fail "${0##*/}: not installed: ${missing[*]} (and there is no apt-get here to install them)"
	[ "$(id -u)" = 0 ] || fail "${0##*/}: not installed: ${missing[*]}; as root: apt-get install ${missing[*]}"
	say "installing with apt-get: ${missing[*]}"
	local log
	log="$(mktemp)"
	if ! { apt_get install "${missing[@]}" || { apt_get update && apt_get install "${missing[@]}"; }; } >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		fail "${0##*/}: apt-get could not install ${missing[*]}: see above"
	fi
	rm -f "$log"
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" </dev/null
}

# need_hosts installs what it takes to run systemd hosts on this machine.
need_hosts() {
	PATH="$PATH:/usr/sbin:/sbin"
	export PATH
	need_packages systemd-nspawn:systemd-container mmdebstrap:mmdebstrap gpgv:gpgv nft:nftables ip:iproute2 nsenter:util-linux
}

# build NAME PACKAGE builds bin/NAME when a source file is newer. The binary is
# replaced in one step: a running one is not disturbed.
build() {
	local binary="$root/bin/$1"
	if [ -x "$binary" ] && [ -z "$(find "$root" -path "$root/.git" -prune -o \( -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name go.sum \) -newer "$binary" -print -quit)" ]; then
		return 0
	fi
	mkdir -p "$root/bin"
	say "building bin/$1"
	go build -C "$root" -o "$binary.$$" "$2" || { rm -f "$binary.$$"; return 1; }
	mv "$binary.$$" "$binary"
}
