#!/usr/bin/env bash
# fq (0.3.0 of Debian 12, 0.9.0 of Debian 13) refuses a pcapng file with a block of 12 bytes, the least that the format allows: type,
# length, nothing, length. Blocks of 16 bytes of the same type it passes over. Seen:
#   12: failed to decode
#   16: 2
# Needs root, debootstrap, tcpdump. ROOT=DIR: a Debian 12 that is there. Exits 0 where it is still so.
set -eu
cd "$(dirname "$0")/.."
. tests/debian.sh
TMP=$(mktemp -d)
work=
trap 'rm -rf "$TMP" "$work"' EXIT
ROOT=${ROOT:-$TMP/root}
debian_make bookworm "$ROOT" "$TMP/log" || exit 2
{ chroot "$ROOT" apt-get update -qq && chroot "$ROOT" apt-get install -y -qq --no-install-recommends fq; } >"$TMP/log" 2>&1
work=$(mktemp -d "$ROOT/tmp/XXXXXX")
python3 - "$work" <<'P'
import struct, sys
shb = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
idb = struct.pack("<IIHHII", 1, 20, 1, 0, 262144, 20)
epb = struct.pack("<IIIIIII", 6, 92, 0, 0, 0, 60, 60) + bytes(60) + struct.pack("<I", 92)
for n in 12, 16:
    local = struct.pack("<II", 0x80000001, n) + bytes(n - 12) + struct.pack("<I", n)
    open("%s/%d" % (sys.argv[1], n), "wb").write(shb + idb + epb + local + epb)
P
chroot "$ROOT" dpkg-query -W fq
said=
for n in 12 16; do
	[ "$(tcpdump -nr "$work/$n" 2>/dev/null | wc -l)" = 2 ] || { echo "tcpdump does not read $n"; exit 2; }
	line=$(chroot "$ROOT" fq '[.[]?, .[].blocks[]? | select(.type == "enhanced_packet")] | length' \
		"${work#"$ROOT"}/$n" 2>&1 | sed 's/.*\(failed to decode\).*/\1/')
	echo "$n: $line"
	said="$said$n: $line;"
done
[ "$said" = "12: failed to decode;16: 2;" ]
