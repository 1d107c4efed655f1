/* The options that Go's gopacket/afpacket has, each under its name there, with its own test's
 * cases. Other rows of its surface are test cases of
 *   check_read.c    SocketRaw SocketDgram ReadPacketData ReadPacketDataTo ZeroCopyReadPacketData
 *                   CaptureInfo
 *   check_vlan.c    AncillaryVLAN OptAddVLANHeader
 *   check_link.c    ErrTimeout OptPollTimeout ErrPoll
 *   check_fanout.c  SetFanout FanoutHash ... FanoutEBPF SetEBPF
 *   check_live.c    SetBPF, adopting a ring
 *   check_limits.c  InitSocketStats SocketStats SocketStatsV3 Stats
 *   check_send.c    WritePacketData
 *   check_stop.c    NewTPacket Close */
#include "lab.h"
#include "suites.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/seccomp.h>

/* ---- pure: OptFrameSize, OptBlockSize, OptNumBlocks, OptBlockTimeout, OptPollTimeout ---- */

static void setup(void)
{
	afcap_options_init(&options, sizeof(options));
}

START_TEST(defaults_are_those_of_the_seed)
{
	ck_assert_uint_eq(options.ring.frame_bytes, 4096);
	ck_assert_uint_eq(options.ring.block_bytes, 4096 * 128);
	ck_assert_uint_eq(options.ring.blocks, 128);
	ck_assert_uint_eq(options.ring.block_timeout_ms, 64);
	ck_assert_int_eq(options.ring.version, AFCAP_TPACKET_HIGHEST);
	ck_assert_int_eq(options.socket_type, AFCAP_RAW);
	ck_assert_ptr_null(options.interface);
	ck_assert_int_eq(afcap_options_check(&options, &error), 0);
}
END_TEST

/* Each row sets one field (of 4 bytes) and breaks one rule, which the text names with the value. */
static const struct {
	size_t field;
	int version, value;
	const char *says;
} bad[] = {
#define RING(field) offsetof(struct afcap_options, ring.field)
	{ RING(block_bytes), 0, 2, "block_bytes 2: must be a multiple of the page size" },
	{ RING(frame_bytes), 0, 333, "frame_bytes 333: must be a multiple of 16" },
	{ RING(frame_bytes), 2, 333, "frame_bytes 333: must be a multiple of 16" },
	{ RING(frame_bytes), 0, 64, "frame_bytes 64: at least 68" },
	{ RING(frame_bytes), 1, 48, "frame_bytes 48: at least 52" },
	{ RING(frame_bytes), 2, 48, "frame_bytes 48: at least 52" },
	{ RING(frame_bytes), 2, 0, "frame_bytes 0: at least 52" },
	{ RING(frame_bytes), 2, 1 << 20, "frame_bytes 1048576: at most block_bytes, 524288" },
	{ RING(version), 0, -3, "version -3: must be 1, 2, 3" },
	{ RING(version), 0, 5, "version 5: must be 1, 2, 3" },
	{ RING(blocks), 0, 0, "blocks 0: must be 1 to 65536" },
	{ RING(blocks), 0, 65537, "blocks 65537: must be 1 to 65536" },
	{ RING(blocks), 2, 524289, "blocks 524289: must be 1 to 524288" },
	{ RING(block_timeout_ms), 0, 0, "block_timeout_ms 0: must be 1 to 65535" },
	{ RING(priv_bytes), 0, 65536, "priv_bytes 65536: at most 65528" },
	{ RING(priv_bytes), 2, 8, "priv_bytes 8: only V3" },
	{ RING(reserve_bytes), 0, 5000, "reserve_bytes 5000: at most 4096" },
	{ RING(reserve_bytes), 2, 4080, "frame_bytes 4096: at least 4132" },
#undef RING
	{ offsetof(struct afcap_options, socket_type), 0, 0, "socket_type 0: must be" },
	{ offsetof(struct afcap_options, vnet_header_bytes), 0, 11, "vnet_header_bytes 11: must" },
	{ offsetof(struct afcap_options, timestamp), 0, 7, "timestamp 7: unknown" },
	{ offsetof(struct afcap_options, ifindex), 0, -1, "ifindex -1: must be positive" },
	{ offsetof(struct afcap_options, filter_fd), 0, -2, "filter_fd -2: must be a descriptor" },
};

START_TEST(a_broken_rule_is_named)
{
	options.ring.version = (enum afcap_tpacket)bad[_i].version;
	memcpy((char *)&options + bad[_i].field, &bad[_i].value, sizeof(int));
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	ck_assert_msg(strstr(error.text, bad[_i].says), "%s", error.text);
}
END_TEST

START_TEST(frames_of_1024_are_512_a_block)
{
	options.ring.frame_bytes = 1024;
	ck_assert_int_eq(afcap_options_check(&options, &error), 0);
	ck_assert_uint_eq(afcap_geometry_frames(&options.ring), 512);
}
END_TEST

START_TEST(what_excludes_each_other_is_told)
{
	struct sock_fprog program = { 0 };

	options.filter = &program;
	options.filter_fd = 7;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	ck_assert_str_eq(error.text, "filter and filter_fd: only one of them");
	setup();
	options.promiscuous = true;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	ck_assert_str_eq(error.text, "promiscuous: needs one interface, not all");
	setup();
	options.vnet_header_bytes = 10;
	options.socket_type = AFCAP_DGRAM;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	setup();
	options.paused = true;
	options.filter_fd = 7;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	setup();
	options.filter = &program;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	ck_assert_str_eq(error.text, "filter: has no instructions");
	setup();
	options.ring.version = AFCAP_TPACKET_V1;
	options.vlan_restore = true;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	options.vlan_restore = false;
	options.rxhash = true;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	setup();
	options.protocol = 0;
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	setup();
	options.tx_ring = (struct afcap_geometry){ .block_bytes = 4096, .blocks = 1 };
	ck_assert_int_eq(afcap_options_check(&options, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "frame_bytes 0"));
}
END_TEST

START_TEST(enums_have_names)
{
	ck_assert_str_eq(afcap_tpacket_name(AFCAP_TPACKET_V1), "V1");
	ck_assert_str_eq(afcap_tpacket_name(AFCAP_TPACKET_V3), "V3");
	ck_assert_str_eq(afcap_tpacket_name(AFCAP_TPACKET_HIGHEST), "highest");
	ck_assert_ptr_null(afcap_tpacket_name((enum afcap_tpacket)5));
	ck_assert_ptr_null(afcap_tpacket_name((enum afcap_tpacket) - 3));
	ck_assert_str_eq(afcap_socket_type_name(AFCAP_RAW), "raw");
	ck_assert_str_eq(afcap_socket_type_name(AFCAP_DGRAM), "dgram");
	ck_assert_ptr_null(afcap_socket_type_name((enum afcap_socket_type)0));
	ck_assert_str_eq(afcap_packet_type_name(AFCAP_PACKET_OUTGOING), "outgoing");
	ck_assert_str_eq(afcap_checksum_name(AFCAP_CHECKSUM_NOT_READY), "not ready");
	ck_assert_str_eq(afcap_timestamp_name(AFCAP_TIMESTAMP_HARDWARE), "hardware");
	ck_assert_str_eq(afcap_strerror(AFCAP_TIMEOUT), "timed out");
	ck_assert_str_eq(afcap_strerror(-ENETDOWN), "the interface is down");
	ck_assert_str_eq(afcap_strerror(-EDOM), strerror(EDOM));
	ck_assert_str_eq(afcap_strerror(99), "unknown result");
}
END_TEST

/* ---- live: OptInterface, OptTPacketVersion, SetPromiscuous, OptProtocol, OptVNetHdrSize ---- */

START_TEST(an_interface_is_given_by_name_by_index_or_all)
{
	static const char *const all[] = { NULL, "", "any" };
	struct afcap_packet_meta meta;

	options.interface = NULL;
	options.ifindex = (int)if_nametoindex("va");
	lab_open();
	lab_send(10, TEST_TYPE);
	ck_assert_uint_eq(lab_read(10), 10);
	afcap_close(handle);
	options.ifindex = 9999;
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -ENODEV);
	ck_assert_str_eq(error.text, "no such interface: index 9999");
	options.interface = "va";
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "ifindex 9999: interface va has index"));
	options.ifindex = 0;
	for (unsigned i = 0; i < 3; i++) { /* outgoing on vb, incoming on va */
		options.interface = all[i];
		lab_open();
		lab_send(1, TEST_TYPE);
		afcap_packet_meta(lab_next(), &meta);
		ck_assert_int_eq(meta.ifindex, (int)if_nametoindex("vb"));
		ck_assert_int_eq(meta.type, AFCAP_PACKET_OUTGOING);
		afcap_packet_meta(lab_next(), &meta);
		ck_assert_int_eq(meta.ifindex, (int)if_nametoindex("va"));
		afcap_close(handle);
	}
}
END_TEST

START_TEST(every_version_is_opened_and_told)
{
	options.ring.version = (enum afcap_tpacket)_i;
	lab_slow_sender();
	lab_open();
	ck_assert_int_eq(afcap_ring(handle)->version, _i ? _i : AFCAP_TPACKET_V3);
	lab_send(100, TEST_TYPE);
	ck_assert_uint_eq(lab_read(100), 100);
	afcap_close(handle);
}
END_TEST

/* From here on this process's kernel says EINVAL to rings of TPACKET_V3 (their request is larger),
 * as one from before 3.2 does. */
static void kernel_without_v3(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_RX_RING, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sizeof(struct tpacket_req3), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(highest_is_probed_by_making_the_ring)
{
	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return; /* the probe's filter reads the low half of an argument */
	kernel_without_v3();
	lab_open();
	ck_assert_int_eq(afcap_ring(handle)->version, AFCAP_TPACKET_V2);
	lab_send(100, TEST_TYPE);
	ck_assert_uint_eq(lab_read(100), 100);
	afcap_close(handle);
	options.ring = (struct afcap_geometry){ 0 }; /* as the solver makes it, for any version */
	ck_assert_int_eq(afcap_geometry_solve(&options.ring, 1 << 20, 1500, &error), 0);
	lab_open();
	ck_assert_int_eq(afcap_ring(handle)->version, AFCAP_TPACKET_V2);
	lab_send(100, TEST_TYPE);
	ck_assert_uint_eq(lab_read(100), 100);
	afcap_close(handle);
	options.ring.frame_bytes = 0; /* V3 does not use it; told, not divided by */
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "frame_bytes 0"));
	options.ring.version = AFCAP_TPACKET_V3; /* asked for, not replaced */
	ck_assert_int_eq(afcap_open(&handle, &options, &error), -EINVAL);
}
END_TEST

/* IFF_ALLMULTI is told to nobody but by this namespace's own sysfs. */
#define ALLMULTI_SET                                                                               \
	"unshare -m sh -c 'mount -t sysfs sysfs /sys && "                                          \
	"test $(($(cat /sys/class/net/va/flags) & 0x200)) != 0'"

static unsigned promiscuity(void)
{
	FILE *f = popen("ip -d link show va | sed -n 's/.*promiscuity \\([0-9]*\\).*/\\1/p'", "r");
	unsigned n = 99;

	ck_assert_int_eq(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

START_TEST(promiscuous_mode_lasts_as_long_as_the_handle)
{
	options.promiscuous = true;
	ck_assert_uint_eq(promiscuity(), 0);
	lab_open();
	ck_assert_uint_eq(promiscuity(), 1);
	afcap_close(handle);
	ck_assert_uint_eq(promiscuity(), 0);
	options.promiscuous = false;
	options.all_multicast = true;
	lab_open();
	ck_assert_uint_eq(promiscuity(), 0);
	lab_run(ALLMULTI_SET);
	afcap_close(handle);
	lab_run("! " ALLMULTI_SET);
}
END_TEST

START_TEST(only_the_protocol_asked_for_comes_in)
{
	options.protocol = TEST_TYPE;
	lab_slow_sender();
	lab_open();
	lab_send(10, 0x88b6);
	lab_send(20, TEST_TYPE);
	ck_assert_uint_eq(lab_read(20), 20);
	ck_assert_uint_eq(lab_stats().packets, 20);
	afcap_close(handle);
}
END_TEST

START_TEST(outgoing_packets_are_left_out_where_asked)
{
	const struct afcap_packet *packet;
	struct afcap_packet_meta meta;
	struct afcap_fanout fanout = lab_group(AFCAP_FANOUT_HASH, AFCAP_FANOUT_FLAG_UNIQUEID);

	options.interface = "vb"; /* whence the frames go out */
	lab_open();
	lab_send(1, TEST_TYPE);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_int_eq(meta.type, AFCAP_PACKET_OUTGOING);
	afcap_close(handle);
	options.ignore_outgoing = true;
	lab_open();
	lab_send(1, TEST_TYPE);
	ck_assert_int_eq(afcap_read(handle, &packet, SECOND / 10), AFCAP_TIMEOUT);
	afcap_close(handle);
	options.fanout = &fanout;
	if (afcap_open(&handle, &options, &error) == -EOPNOTSUPP) {
		ck_assert_ptr_nonnull(strstr(error.text, "Linux 6.2"));
		return;
	}
	lab_send(1, TEST_TYPE);
	ck_assert_int_eq(afcap_read(handle, &packet, SECOND / 10), AFCAP_TIMEOUT);
	afcap_close(handle);
}
END_TEST

/* On lo each packet is seen twice: going out, coming in. */
START_TEST(lo_gives_each_packet_once_without_the_outgoing_ones)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = 1 };
	uint8_t frame[FRAME_BYTES] = { [12] = TEST_TYPE >> 8, [13] = TEST_TYPE & 0xff };

	options.interface = "lo";
	for (unsigned ignore = 0; ignore < 2; ignore++) {
		options.ignore_outgoing = ignore;
		lab_open();
		for (unsigned i = 0; i < 50; i++)
			ck_assert_int_eq(sendto(sender, frame, sizeof(frame), 0,
						(struct sockaddr *)&to, sizeof(to)),
					 sizeof(frame));
		LAB_SOON(lab_stats().packets == (ignore ? 50 : 100));
		afcap_close(handle);
	}
}
END_TEST

/* A packet that needs its checksum, sent and received with what tells so in front */
START_TEST(the_vnet_header_comes_with_the_packet)
{
	uint8_t frame[12 + FRAME_BYTES + 4] = { 0 };
	struct virtio_net_hdr *head = (void *)frame;
	const struct virtio_net_hdr *got;
	const struct afcap_packet *packet;
	struct afcap_frame out = { .data = frame, .length = (uint32_t)_i + FRAME_BYTES };
	struct afcap *from;
	int rc;

	options.vnet_header_bytes = (uint32_t)_i;
	options.vlan_restore = true; /* its room is apart from the header's */
	rc = afcap_open(&handle, &options, &error);
	if (rc == -EOPNOTSUPP && _i == 12) {
		ck_assert_ptr_nonnull(strstr(error.text, "Linux 6.4"));
		return;
	}
	ck_assert_msg(rc == 0, "%s", error.text);
	options.interface = "vb";
	options.send_only = true;
	options.vlan_restore = false;
	ck_assert_msg(afcap_open(&from, &options, &error) == 0, "%s", error.text);
	head->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	head->csum_start = 34;
	head->csum_offset = 16;
	frame[_i + 12] = TEST_TYPE >> 8;
	frame[_i + 13] = TEST_TYPE & 0xff;
	frame[_i + 20] = 77;
	ck_assert_int_eq(afcap_write(from, &out), 0);
	packet = lab_next();
	got = packet->vnet_header;
	ck_assert_ptr_nonnull(got);
	ck_assert_int_eq(got->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_uint_eq(got->csum_start, 34);
	ck_assert_uint_eq(packet->length, FRAME_BYTES);
	ck_assert_uint_eq(packet->data[20], 77);
	memcpy(frame + _i + 12, "\x81\0\0\5\x88\xb5", 6); /* and with a tag that is put back */
	out.length += 4;
	head->csum_start += 4;
	ck_assert_int_eq(afcap_write(from, &out), 0);
	packet = lab_next();
	ck_assert_uint_eq(packet->length, FRAME_BYTES + 4);
	ck_assert_mem_eq(packet->data, frame + _i, FRAME_BYTES + 4);
	got = packet->vnet_header;
	ck_assert_int_eq(got->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	ck_assert_ptr_eq((const uint8_t *)got + 10, packet->data);
	afcap_close(from);
	afcap_close(handle);
}
END_TEST

START_TEST(hardware_timestamps_fall_back_and_say_so)
{
	struct afcap_packet_meta meta;

	options.timestamp = AFCAP_TIMESTAMP_HARDWARE;
	lab_open(); /* a veth cannot */
	ck_assert_int_eq(afcap_hardware_timestamps(handle), -EOPNOTSUPP);
	lab_send(1, TEST_TYPE);
	afcap_packet_meta(lab_next(), &meta);
	ck_assert_int_eq(meta.timestamp, AFCAP_TIMESTAMP_SOFTWARE);
	afcap_close(handle);
	options.timestamp = AFCAP_TIMESTAMP_SOFTWARE;
	lab_open();
	ck_assert_int_eq(afcap_hardware_timestamps(handle), -EINVAL);
	afcap_close(handle);
}
END_TEST

Suite *suite_seed(void)
{
	Suite *s = suite_create("seed");
	TCase *t = lab_case(s, "OptFrameSize OptBlockSize OptNumBlocks OptBlockTimeout", setup, 30);

	tcase_add_test(t, defaults_are_those_of_the_seed);
	tcase_add_loop_test(t, a_broken_rule_is_named, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, frames_of_1024_are_512_a_block);
	tcase_add_test(t, what_excludes_each_other_is_told);
	tcase_add_test(lab_case(s, "String", setup, 30), enums_have_names);
	t = lab_case(s, "OptInterface", lab_setup, 30);
	tcase_add_test(t, an_interface_is_given_by_name_by_index_or_all);
	t = lab_case(s, "OptTPacketVersion TPacketVersion1 TPacketVersion2 TPacketVersion3",
		     lab_setup, 30);
	tcase_add_loop_test(t, every_version_is_opened_and_told, AFCAP_TPACKET_HIGHEST,
			    AFCAP_TPACKET_V3 + 1);
	tcase_add_test(t, highest_is_probed_by_making_the_ring);
	t = lab_case(s, "SetPromiscuous OptProtocol OptVNetHdrSize", lab_setup, 30);
	tcase_add_test(t, promiscuous_mode_lasts_as_long_as_the_handle);
	tcase_add_test(t, only_the_protocol_asked_for_comes_in);
	tcase_add_test(t, outgoing_packets_are_left_out_where_asked);
	tcase_add_test(t, lo_gives_each_packet_once_without_the_outgoing_ones);
	tcase_add_loop_test(t, the_vnet_header_comes_with_the_packet, 10, 11);
	tcase_add_loop_test(t, the_vnet_header_comes_with_the_packet, 12, 13);
	tcase_add_test(t, hardware_timestamps_fall_back_and_say_so);
	return s;
}
