# shellcheck shell=bash
# A minimal Debian below a folder, as debootstrap unpacks it: sourced by the tests that run something in another one.

# Whom this system's apt asks; none: debootstrap knows one
debian_mirror() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Created-By: Packages' | head -n 1
}

# debian_make SUITE ROOT LOG [PACKAGE,...]: unless it is there. Fails with the reason on standard output.
debian_make() {
	local suite=$1 root=$2 log=$3 packages=${4:-} proxy=
	[ ! -e "$root/etc/debian_version" ] || return 0
	if ! command -v debootstrap >/dev/null || ! command -v apt-get >/dev/null; then
		echo "needs Debian with debootstrap"
		return 1
	fi
	eval "$(apt-config shell proxy Acquire::http::Proxy)"
	[ -z "$proxy" ] || export http_proxy="$proxy"
	rm -rf "$root.new"
	mkdir -p "$root.new"/etc/{dpkg/dpkg.cfg,apt/apt.conf}.d
	# No sync after each file of each package; a mirror may be older than the archive allows
	echo force-unsafe-io >"$root.new/etc/dpkg/dpkg.cfg.d/afcap"
	printf '%s "false";\n' Acquire::Check-Valid-Until APT::Keep-Downloaded-Packages >"$root.new/etc/apt/apt.conf.d/afcap"
	# shellcheck disable=SC2046
	debootstrap --variant=minbase ${packages:+--include="$packages"} "$suite" "$root.new" $(debian_mirror) >"$log" 2>&1 || {
		echo "cannot be had: $(tail -n 1 "$log")"
		return 1
	}
	mv "$root.new" "$root"
}
