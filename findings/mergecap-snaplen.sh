#!/usr/bin/env bash
# mergecap makes files that libpcap refuses: two pcapng files whose interfaces have different snapshot lengths are merged into
# one with both interfaces, which pcapng allows (draft-ietf-opsawg-pcapng, Interface Description Block: SnapLen is the
# interface's). tshark reads all packets of it; tcpdump, and whatever else is built on libpcap, none.
#
# Seen with wireshark-common 4.0.17 and libpcap 1.10.3, tcpdump 4.99.3 (Debian 12):
#
#   tcpdump: pcap_loop: an interface has a snapshot length 65535 different from the snapshot length of the first interface
#   0 packets                                           tshark: 10 packets
#
# So a recorder that gives each interface the length that it was set to, or that its ring allows, makes recordings that cannot
# be merged for tcpdump: 262144 in all of them can. Exits with 1 where this is not so any more.
set -eu
PACKAGES="tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 wireshark-common=4.0.17-0+deb12u3 tshark=4.0.17-0+deb12u3 libwireshark16=4.0.17-0+deb12u3
	libwiretap13=4.0.17-0+deb12u3 libwsutil14=4.0.17-0+deb12u3"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
chmod 755 .
# shellcheck disable=SC2086
apt-get -qq download $PACKAGES
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH PATH="$dir/root/usr/bin:$PATH"
LD_LIBRARY_PATH=$(dirname "$(find root -name 'libpcap.so.0.8' | head -n 1)")
LD_LIBRARY_PATH=$dir/$LD_LIBRARY_PATH

# recording NAME SNAPLEN: five packets of 60 bytes of one interface
recording() {
	python3 - "$1" "$2" <<'P'
import struct, sys
def block(kind, body):
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))
with open(sys.argv[1], "wb") as out:
    out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
    out.write(block(1, struct.pack("<HHI", 1, 0, int(sys.argv[2]))))
    for i in range(5):
        out.write(block(6, struct.pack("<IIIII", 0, 0x5f000, i, 60, 60) + bytes(60)))
P
}
counts() { # FILE: packets by tcpdump and by tshark
	echo "$(tcpdump -nr "$1" --count 2>tcpdump.err | sed 's/ .*//') $(tshark -nr "$1" 2>/dev/null | wc -l)"
}

recording one 262144
recording other 65535
recording same 262144
mergecap -w different.pcapng one other
mergecap -w equal.pcapng one same
tcpdump --version 2>&1 | head -n 2
mergecap -V 2>/dev/null | head -n 1
echo "equal lengths, packets by tcpdump and tshark: $(counts equal.pcapng)"
echo "different lengths:                            $(counts different.pcapng)"
tail -n 1 tcpdump.err
[ "$(counts equal.pcapng)" = "10 10" ] && [ "$(counts different.pcapng)" = "0 10" ] && grep -q 'different from the snapshot length' tcpdump.err
