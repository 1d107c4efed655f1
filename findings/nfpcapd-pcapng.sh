#!/usr/bin/env bash
# nfpcapd 1.7.10 (nfdump of Debian testing) reads pcap files of microseconds alone: a pcapng file, and a pcap file of
# nanoseconds, are "not a pcap file". 1.7.1 (Debian 12) and 1.7.5 (Debian 13) take all three.
# Seen with 1.7.10-1:
#   pcap: 1 packets
#   nanoseconds: MAGIC mismatch - not a pcap file
#   pcapng: MAGIC mismatch - not a pcap file
# Needs root, debootstrap, tcpdump. ROOT=DIR: a Debian testing that is there. Exits 0 where it is still so.
set -eu
cd "$(dirname "$0")/.."
. tests/debian.sh
TMP=$(mktemp -d)
trap 'rm -rf "$TMP"' EXIT
ROOT=${ROOT:-$TMP/root}
debian_make testing "$ROOT" "$TMP/log" || exit 2
{ chroot "$ROOT" apt-get update -qq && chroot "$ROOT" apt-get install -y -qq --no-install-recommends nfdump; } >"$TMP/log" 2>&1
work=$(mktemp -d "$ROOT/tmp/XXXXXX")
trap 'rm -rf "$TMP" "$work"' EXIT
python3 - "$work" <<'P'
import struct, sys
ip = bytes.fromhex("4500001c00000000401166b6" "0a090009" "0a090001")
frame = bytes.fromhex("020000000001" "020000000002" "0800") + ip + struct.pack(">HHHH", 1000, 9, 8, 0) + bytes(18)
seconds, length = 1700000000, len(frame)
for name, magic in ("pcap", 0xA1B2C3D4), ("nanoseconds", 0xA1B23C4D):
    with open("%s/%s" % (sys.argv[1], name), "wb") as f:
        f.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 262144, 1))
        f.write(struct.pack("<IIII", seconds, 0, length, length) + frame)
with open(sys.argv[1] + "/pcapng", "wb") as f:
    f.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
    f.write(struct.pack("<IIHHII", 1, 20, 1, 0, 262144, 20))
    stamp = seconds * 1000000
    whole = 32 + length
    f.write(struct.pack("<IIIIIII", 6, whole, 0, stamp >> 32, stamp & 0xFFFFFFFF, length, length) + frame + struct.pack("<I", whole))
P
chroot "$ROOT" dpkg-query -W nfdump
said=
for name in pcap nanoseconds pcapng; do
	[ "$(tcpdump -nr "$work/$name" 2>/dev/null | wc -l)" = 1 ] || { echo "tcpdump does not read $name"; exit 2; }
	mkdir "$work/out"
	# shellcheck disable=SC2016
	line=$(chroot "$ROOT" sh -c 'cd "$0"; nfpcapd -r "$1" -w out 2>&1; nfdump -R out -I 2>/dev/null' "${work#"$ROOT"}" "$name" |
		sed -n 's/^Packets: *\([0-9]*\)$/\1 packets/p; s/.*\(MAGIC mismatch.*\)/\1/p')
	rm -r "$work/out"
	echo "$name: $line"
	said="$said$name: $line;"
done
[ "$said" = "pcap: 1 packets;nanoseconds: MAGIC mismatch - not a pcap file;pcapng: MAGIC mismatch - not a pcap file;" ]
