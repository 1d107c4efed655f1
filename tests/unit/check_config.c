/* daemon/base/config_{reader,rules,schema,value}.c: what is taken, what is refused and in which
 * words, and that what is printed parses back. */
#include "suites.h"

#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/config_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEN "1234567890"

static struct config config, again;
static struct config_error error;
static char path[64];
static int fd; /* nothing is left of it, however a test ends */

static void setup(void)
{
	fd = memfd_create("afcap-config", 0);
	ck_assert_int_ge(fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	config_init(&config);
	error.text[0] = '\0';
}

static void teardown(void)
{
	close(fd);
}

static int read_text(const char *text)
{
	FILE *f = fopen(path, "w");
	int rc;

	fputs(text, f);
	fclose(f);
	rc = config_read(&config, path, &error);
	return rc ? rc : config_finish(&config, &error);
}

static char *print(const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	config_print(c, out);
	fclose(out);
	return text;
}

START_TEST(a_section_without_keys_has_the_defaults)
{
	ck_assert_int_eq(read_text("[capture eth0]\n"), 0);
	ck_assert_uint_eq(config.captures, 1);
	ck_assert_str_eq(config.capture[0].name, "eth0");
	ck_assert_str_eq(config.capture[0].group.interface, "eth0");
	ck_assert_int_eq(config.capture[0].group.ring_bytes, 64 << 20);
	ck_assert_int_eq(config.capture[0].group.block_bytes, CONFIG_AUTO);
	ck_assert_int_eq(config.capture[0].group.block_timeout_ns, CONFIG_AUTO);
	ck_assert_int_eq(config.capture[0].archive.file_mode, 0640);
	ck_assert_int_eq(config.capture[0].group.workers, CONFIG_AUTO);
	ck_assert_str_eq(config.daemon.metrics, "127.0.0.1:9748");
}
END_TEST

START_TEST(units_words_flags_and_comments)
{
	ck_assert_int_eq(
		read_text("; a comment\n[daemon]\nlog_level = debug ; why not\nmetrics=off\n\n"
			  "[capture a-b_c.1]   # another\n  interface: eth9\nworkers = "
			  "3\nring_size = 2G\n"
			  "block_size = 512K\nblock_timeout = 1s\nwrite_delay = 0\nfanout = qm\n"
			  "fanout_flags = defrag, rollover\nfanout_id = 0\nfile_mode = "
			  "600\npromiscuous = off\n"
			  "vlan = strip\noutput = none\ndirect = no\ncpus = 0-3,8\n"),
		0);
	ck_assert_int_eq(config.daemon.log_level, 7);
	ck_assert_str_eq(config.capture[0].group.interface, "eth9");
	ck_assert_int_eq(config.capture[0].group.ring_bytes, INT64_C(2) << 30);
	ck_assert_int_eq(config.capture[0].group.block_timeout_ns, 1000000000);
	ck_assert_uint_eq(config.capture[0].group.fanout_flags, 0x9000);
	ck_assert_int_eq(config.capture[0].group.fanout_id, 0);
	ck_assert_int_eq(config.capture[0].archive.file_mode, 0600);
	ck_assert_int_eq(config.capture[0].group.promiscuous, 0);
	ck_assert_int_eq(config.capture[0].group.vlan_keep, 0);
	ck_assert_int_eq(config.capture[0].group.output, OUTPUT_NONE);
}
END_TEST

START_TEST(a_long_value_goes_on_in_indented_lines)
{
	ck_assert_int_eq(read_text("[capture x]\nfilter = udp port 1\n    or udp port 2\n\tor "
				   "tcp\nworkers = 1\n"),
			 0);
	ck_assert_str_eq(config.capture[0].filter, "udp port 1 or udp port 2 or tcp");
}
END_TEST

/* What is refused: the text, and what the message must say. %s is the file's name. */
static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "no [capture NAME] section" },
	{ "[capture x]\nworker = 1\n", ":2: unknown key worker in section [capture]" },
	{ "[daemon]\nfilter = udp\n", ":2: unknown key filter in section [daemon]" },
	{ "[capture x]\nlayouts = auto\n", ":2: unknown key layouts" },
	{ "[capture x]\nlayout = fast\n", "layout = fast: must be one of auto inplace compact" },
	{ "[capture x]\ndisk_reserve = 100%\n", "must be 0% to 99%, or a size (K M G T), 0 to" },
	{ "[capture x]\ndisk_reserve = 5 %\n", "must be 0% to 99%" },
	{ "[capture x]\nsync = 1\n",
	  "must be a duration (us ms s m h d), 500ms to 1d, or none, or file" },
	{ "[capture x]\nfile_duration = 7h\n",
	  ":2: file_duration = 7h: must be whole days, or divide a day" },
	{ "[capture x]\nfile_duration = 36h\n", ":2: file_duration = 36h: must be whole days" },
	{ "[capture x]\nfile_duration = 500ms\n", "and be at least 1s" },
	{ "[capture x]\nworkers = 2\nfile_size = 8M\ndisk_budget = 31M\n",
	  ":4: disk_budget = 31M: must be at least 32M (2 x 2 workers x "
	  "file_size)" },
	{ "[capture x]\nworkers = 1\nsnaplen = 9\nworkers = 2\n",
	  ":4: key workers is already set (line 2)" },
	{ "[capture x]\n[capture x]\n", ":2: capture x is already defined (line 1)" },
	{ "[capture]\n", ":1: unknown section [capture]" },
	{ "[captures x]\n", ":1: unknown section [captures x]" },
	{ "[capture x\n", ":1: not a section" },
	{ "[capture x] y\n", ":1: not a section" },
	{ "[capture a/b]\n", "capture name \"a/b\"" },
	{ "[daemon]\nmetrics = 127.0.0.1:99999\n[capture x]\n",
	  ":2: metrics = 127.0.0.1:99999: must be ADDRESS:PORT" },
	{ "[daemon]\nmetrics = localhost\n[capture x]\n", "must be ADDRESS:PORT" },
	{ "[capture abcdefghijabcdefghijabcdefghijabc]\n", "must be 1 to 32" },
	{ "[capture .x]\n",
	  ":1: capture name \".x\": must be 1 to 32 of [A-Za-z0-9_.-], not beginning" },
	{ "[capture x]\nfanout_id = 7\n[capture y]\n[capture z]\nfanout_id = 7\n",
	  ":5: fanout_id = 7: must differ from that of capture x" },
	{ "[daemon]\nmetrics = unix:/" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
	  "1234567\n[capture x]\n",
	  ":2: metrics = unix:/1234567890" },
	{ "workers = 1\n", ":1: workers: before the first section" },
	{ "[capture x]\nworkers\n", ":2: must be KEY = VALUE" },
	{ "[capture x]\nworkers = 0\n", ":2: workers = 0: must be a number, 1 to 64, or auto" },
	{ "[capture x]\nworkers = 65\n", "must be a number, 1 to 64, or auto" },
	{ "[capture x]\nworkers = 2x\n", "must be a number" },
	{ "[capture x]\nworkers = -1\n", "must be a number" },
	{ "[capture x]\nfanout_id = 65536\n", "must be a number, 0 to 65535, or auto" },
	{ "[capture x]\nring_size = 64X\n", "must be a size (K M G T), 4K to 1T" },
	{ "[capture x]\nring_size = 99999999999999999999\n", "must be a size" },
	{ "[capture x]\nblock_timeout = 64\n",
	  "must be a duration (us ms s m h d), 1ms to 65535ms" },
	{ "[capture x]\nblock_timeout = 1500us\n",
	  "block_timeout = 1500us: must be whole milliseconds" },
	{ "[capture x]\nfanout = round\n",
	  "fanout = round: must be one of hash lb cpu rollover rnd qm" },
	{ "[capture x]\nfanout_flags = defrag fast\n",
	  "must be none or any of defrag rollover ignore_outgoing" },
	{ "[capture x]\nfanout_flags = auto defrag\n",
	  ":2: fanout_flags = auto defrag: auto cannot be combined with others" },
	{ "[capture x]\nfanout = rollover\nfanout_flags = rollover\n",
	  ":3: fanout_flags = rollover: not together" },
	{ "[capture x]\nfile_mode = 999\n", "must be an octal file mode, 0 to 777" },
	{ "[capture x]\npromiscuous = maybe\n", "must be one of yes no" },
	{ "[capture x]\nblock_size = 5000\n",
	  ":2: block_size = 5000: must be a multiple of the page size" },
	{ "[capture x]\nring_size = 64K\nblock_size = 128K\n",
	  ":2: ring_size = 64K: must be at least one block (block_size = 128K)" },
	{ "[capture x]\nfile_size = 1M\n", ":2: file_size = 1M: must be at least 2M (4 blocks)" },
	{ "[capture x]\nring_size = auto\nfile_size = 3M\n",
	  ":3: file_size = 3M: must be at least 4M (4 blocks)" },
	{ "[capture x]\ndrain_timeout = 300ms\n",
	  ":2: drain_timeout = 300ms: must be longer than block_timeout (334ms)" },
	{ "[capture x]\nblock_timeout = x\n", "1ms to 65535ms, or auto" },
	{ "[capture x]\nblock_size = x\n", "4K to 1G, or auto" },
	{ "[capture x]\ncpus = 1-\n", ":2: cpus = 1-: must be none, auto, or a list" },
	{ "[capture x]\ndirectory =\n", "directory = : must have 1 to 1023 characters" },
	{ "[capture x]\ninterface = " TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345678\n",
	  ": must have 0 to 127 characters" },
};

START_TEST(bad_input_is_told_with_its_place_and_rule)
{
	ck_assert_int_ne(read_text(bad[_i].text), 0);
	ck_assert_msg(strstr(error.text, bad[_i].says), "\"%s\" does not say \"%s\"", error.text,
		      bad[_i].says);
	ck_assert_msg(strncmp(error.text, path, strlen(path)) == 0, "%s", error.text);
}
END_TEST

/* As editors of other systems begin a file. */
START_TEST(a_byte_order_mark_hides_no_section)
{
	ck_assert_int_eq(read_text("\xef\xbb\xbf[capture x]\nworkers = 3\n[capture y]\n"), 0);
	ck_assert_uint_eq(config.captures, 2);
	ck_assert_str_eq(config.capture[0].name, "x");
	ck_assert_int_eq(config.capture[0].group.workers, 3);
	config_init(&config);
	ck_assert_int_ne(read_text("[capture x]\n\xef\xbb\xbf[capture y]\n"),
			 0); /* elsewhere it is none */
}
END_TEST

START_TEST(a_nul_byte_is_refused)
{
	static const char text[] = "[capture x]\nfilter = tcp\0 or not\n";
	FILE *f = fopen(path, "w");

	fwrite(text, 1, sizeof(text) - 1, f);
	fclose(f);
	ck_assert_int_ne(config_read(&config, path, &error), 0);
	ck_assert_msg(strstr(error.text, ":2: a NUL byte"), "%s", error.text);
}
END_TEST

START_TEST(a_line_that_is_too_long_is_refused)
{
	static char text[20000] = "[capture x]\nfilter = ";

	memset(text + strlen(text), 'a', 19000);
	ck_assert_int_ne(read_text(text), 0);
	ck_assert_msg(strstr(error.text, ":2: line longer than 16641 characters"), "%s",
		      error.text);
}
END_TEST

/* inih takes 199 characters at once: no place of a value may show that. */
START_TEST(a_long_line_is_one_line)
{
	for (unsigned words = 1; words < 160; words++) {
		static char text[90000], filter[20000];
		char where[256];
		unsigned value = 0;

		*filter = '\0';
		for (unsigned i = 0; i < words; i++)
			value += (unsigned)sprintf(filter + value, "%shost 10.%u.%u.1",
						   i ? i % 7 ? " or " : "  or " : "", i, words);
		sprintf(text,
			"; %s\n[capture x]  ; %s\nfilter =%*s%s  ; or host %s\n  or udp[0]:2=1;2\n"
			"directory = /%.*s;#x ; y\nbogus = 1\n",
			filter, words < 5 ? filter : "", (int)(words % 9), "", filter, filter,
			(int)words * 6,
			"a/long/path/of/a/thousand/letters/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/"
			"17/18/"
			"19/20/21/22/23/24/25/26/27/28/29/30/31/32/33/34/35/36/37/38/39/40/41/42/"
			"43/44/"
			"45/46/47/48/49/50/51/52/53/54/55/56/57/58/59/60/61/62/63/64/65/66/67/68/"
			"69/70/"
			"71/72/73/74/75/76/77/78/79/80/81/82/83/84/85/86/87/88/89/90/91/92/93/94/"
			"95/96");
		config_init(&config);
		ck_assert_int_ne(read_text(text), 0);
		ck_assert_msg(strstr(error.text, ":6: unknown key bogus"), "%s", error.text);
		strcat(filter, " or udp[0]:2=1;2");
		ck_assert_str_eq(config.capture[0].filter, filter);
		ck_assert_msg(strstr(config.capture[0].group.directory, ";#x") &&
				      !strchr(config.capture[0].group.directory, ' '),
			      "%s", config.capture[0].group.directory);
		config_where(&config, &config.capture[0], "filter", where, sizeof(where));
		ck_assert_msg(strstr(where, ":4"), "%s", where);
	}
}
END_TEST

START_TEST(a_long_line_that_is_none_is_told_with_its_place)
{
	char text[1000];

	sprintf(text, "[capture x]\nfilter = %0400d\n%0300d\n", 1, 2);
	ck_assert_int_ne(read_text(text), 0);
	ck_assert_msg(strstr(error.text, ":3: must be KEY = VALUE"), "%s", error.text);
	config_init(&config);
	sprintf(text, "[capture x]\nfilter = %0400d\nnothing ; a = b\n", 1);
	ck_assert_int_ne(read_text(text), 0);
	ck_assert_msg(strstr(error.text, ":3: must be KEY = VALUE"), "%s", error.text);
	config_init(&config);
	sprintf(text, "[capture x]\nfilter = %300s x\n", "");
	ck_assert_int_ne(read_text(text), 0);
	ck_assert_msg(strstr(error.text, ":2: must be KEY = VALUE"), "%s", error.text);
}
END_TEST

START_TEST(values_of_the_longest_are_taken_and_printed)
{
	static char text[30000];
	char *printed;

	sprintf(text,
		"[daemon]\nuser = %0256d\n[capture x]\nfilter = %016384d\n"
		"directory = %01023d\ncpus = 1%s\ninterface = %0127d\n",
		1, 2, 3,
		",1023,1022,1021,1020,1019,1018,1017,1016,1015,1014,1013,1012,1011,1010,1009,1008,"
		"1007,1006,1005,1004,1003,1002,1001,1000,999,998,997,996,995,994,993,992,991,990,"
		"989,988,987,986,985,984,983,982,981,980,979,978,977,976,975,974,973,972,971,970",
		4);
	ck_assert_msg(read_text(text) == 0, "%s", error.text);
	printed = print(&config);
	config_init(&config);
	ck_assert_msg(read_text(printed) == 0, "%s", error.text);
	ck_assert_uint_eq(strlen(config.capture[0].filter), 16384);
	ck_assert_uint_eq(strlen(config.capture[0].group.directory), 1023);
	ck_assert_uint_eq(strlen(config.capture[0].group.interface), 127);
	ck_assert_uint_eq(strlen(config.daemon.user), 256);
	free(printed);
}
END_TEST

START_TEST(so_many_captures_and_not_one_more)
{
	static char text[4000];

	for (unsigned i = 0; i < 64; i++)
		sprintf(text + strlen(text), "[capture c%u]\n", i);
	ck_assert_msg(read_text(text) == 0, "%s", error.text);
	ck_assert_uint_eq(config.captures, 64);
	config_init(&config);
	strcat(text, "[capture more]\n");
	ck_assert_int_ne(read_text(text), 0);
	ck_assert_msg(strstr(error.text, ":65: capture more: at most 64 captures"), "%s",
		      error.text);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_told)
{
	ck_assert_int_eq(config_read(&config, "/nonexistent/afcapd.conf", &error), -ENOENT);
	ck_assert_str_eq(error.text, "/nonexistent/afcapd.conf: No such file or directory");
}
END_TEST

START_TEST(what_is_printed_parses_back_to_itself)
{
	char *first, *second;
	char filter[1000] = "[daemon]\ncontrol_group =\n[capture lo]\nwrite_delay = 90s\nring_size "
			    "= 1T\nblock_size = 16M\n"
			    "file_size = 1025K\noutput = none\nfilter = host 10.0.0.0";

	for (int i = 1; i < 30; i++)
		sprintf(filter + strlen(filter), "%sor host 10.0.0.%d", i % 5 ? " " : "\n  ", i);
	strcat(filter, " or ip [0] & 0xf != 5\n[capture b]\nfanout_flags = ignore_outgoing "
		       "defrag\nworkers = 7\n");
	ck_assert_int_eq(read_text(filter), 0);
	first = print(&config);
	config_init(&config);
	ck_assert_int_eq(read_text(first), 0);
	second = print(&config);
	ck_assert_str_eq(first, second);
	ck_assert_uint_eq(config.captures, 2);
	ck_assert_msg(strstr(config.capture[0].filter, "10.0.0.4 or host 10.0.0.5"), "%s",
		      config.capture[0].filter);
	free(first);
	free(second);
}
END_TEST

START_TEST(the_documented_file_is_the_defaults)
{
	struct config_error why;
	char *documented, *defaults;

	config_init(&again);
	ck_assert_msg(config_read(&again, "conf/afcapd.conf", &why) == 0, "%s", why.text);
	ck_assert_int_eq(config_finish(&again, &why), 0);
	documented = print(&again);
	ck_assert_int_eq(read_text("[capture eth0]\n"), 0);
	defaults = print(&config);
	ck_assert_str_eq(documented, defaults);
	free(documented);
	free(defaults);
}
END_TEST

START_TEST(the_command_line_takes_precedence)
{
	ck_assert_int_eq(read_text("[capture x]\nworkers = 2\n"), 0);
	ck_assert_int_eq(config_override(&config, "workers=5", &error), 0);
	ck_assert_int_eq(config_override(&config, "x.snaplen=96", &error), 0);
	ck_assert_int_eq(config_override(&config, "daemon.metrics=off", &error), 0);
	ck_assert_int_eq(config.capture[0].group.workers, 5);
	ck_assert_int_eq(config.capture[0].group.snaplen, 96);
	ck_assert_str_eq(config.daemon.metrics, "off");
	ck_assert_int_ne(config_override(&config, "y.workers=1", &error), 0);
	ck_assert_str_eq(error.text,
			 "-o y.workers=1: no section \"y\": must be daemon or a capture's name");
	ck_assert_int_ne(config_override(&config, "workers", &error), 0);
	ck_assert_int_ne(config_override(&config, "workers=x", &error), 0);
	ck_assert_str_eq(error.text,
			 "-o workers=x: workers = x: must be a number, 1 to 64, or auto");
	ck_assert_int_eq(config_override(&config, "filter=  udp port 1 \t", &error), 0);
	ck_assert_str_eq(config.capture[0].filter, "udp port 1");
	ck_assert_int_ne(config_override(&config, "directory=/tmp/a ;b", &error), 0);
	ck_assert_int_eq(config_override(&config, "block_size=4096", &error), 0);
	ck_assert_int_eq(config_override(&config, "ring_size=4095", &error), -EINVAL);
	ck_assert_int_eq(config_override(&config, "file_size=64K", &error), 0);
	ck_assert_int_eq(config_override(&config, "block_size=64K", &error), 0);
	ck_assert_int_ne(config_finish(&config, &error), 0);
	ck_assert_msg(strncmp(error.text, "-o x.file_size: ", 16) == 0, "%s", error.text);
}
END_TEST

START_TEST(the_loopback_is_taken_once_unless_told_otherwise)
{
	ck_assert_int_eq(
		read_text("[capture lo]\n[capture two]\ninterface = lo\nfanout_flags = none\n"), 0);
	ck_assert_uint_eq(config.capture[0].group.fanout_flags, 0x4000);
	ck_assert_uint_eq(config.capture[1].group.fanout_flags, 0);
}
END_TEST

/* What `-n` prints is used as a configuration: by another name of the loopback, too */
static void values_set(const char *section, const char *const *values)
{
	for (char text[64]; *values; values++) {
		snprintf(text, sizeof(text), "%s.%s", section, *values);
		ck_assert_int_eq(config_override(&config, text, &error), 0);
	}
}

/* Its parts are compared as bytes. */
START_TEST(a_value_that_another_replaces_leaves_nothing_behind)
{
	static const char *const first[] = {
		"interface=a-long-name", "directory=/var/lib/a/long", "filter=udp port 53 or tcp",
		"cpus=0,1,2,3,4,5,6",	 "file_group=afcap-admin",    NULL
	};
	static const char *const second[] = { "interface=a", "directory=/d",   "filter=tcp",
					      "cpus=none",   "file_group=adm", NULL };
	struct config_capture *x = &config.capture[0], *y = &config.capture[1];

	ck_assert_int_eq(read_text("[capture x]\n[capture y]\n"), 0);
	values_set("x", first);
	values_set("x", second);
	values_set("y", second);
	ck_assert_str_eq(x->filter, "tcp");
	ck_assert_mem_eq(x->filter, y->filter, sizeof(x->filter));
	ck_assert_mem_eq(x->cpus, y->cpus, sizeof(x->cpus));
	ck_assert_mem_eq(x->file_group, y->file_group, sizeof(x->file_group));
	ck_assert_mem_eq(&x->archive, &y->archive, sizeof(x->archive));
	ck_assert_mem_eq(&x->worker, &y->worker, sizeof(x->worker));
	ck_assert_mem_eq(&x->group, &y->group, sizeof(x->group));
}
END_TEST

START_TEST(what_the_interface_decides_is_left_to_it)
{
	char *printed;

	ck_assert_int_eq(read_text("[capture x]\n[capture y]\nfanout_flags =\n[capture "
				   "z]\nfanout_flags = none\n"),
			 0);
	printed = print(&config);
	config_init(&config);
	ck_assert_msg(read_text(printed) == 0, "%s", error.text);
	ck_assert(config.capture[0].group.fanout_flags_auto);
	ck_assert(config.capture[1].group.fanout_flags_auto);
	ck_assert(!config.capture[2].group.fanout_flags_auto);
	ck_assert_ptr_nonnull(strstr(printed, "\nfanout_flags = auto\n"));
	ck_assert_ptr_nonnull(strstr(printed, "\nfanout_flags = none\n"));
	free(printed);
}
END_TEST

Suite *suite_config(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_section_without_keys_has_the_defaults);
	tcase_add_test(t, units_words_flags_and_comments);
	tcase_add_test(t, a_long_value_goes_on_in_indented_lines);
	tcase_add_loop_test(t, bad_input_is_told_with_its_place_and_rule, 0,
			    sizeof(bad) / sizeof(*bad));
	tcase_add_test(t, a_byte_order_mark_hides_no_section);
	tcase_add_test(t, a_nul_byte_is_refused);
	tcase_add_test(t, a_line_that_is_too_long_is_refused);
	tcase_add_test(t, a_long_line_is_one_line);
	tcase_add_test(t, a_long_line_that_is_none_is_told_with_its_place);
	tcase_add_test(t, values_of_the_longest_are_taken_and_printed);
	tcase_add_test(t, so_many_captures_and_not_one_more);
	tcase_add_test(t, a_file_that_is_not_there_is_told);
	tcase_add_test(t, what_is_printed_parses_back_to_itself);
	tcase_add_test(t, a_value_that_another_replaces_leaves_nothing_behind);
	tcase_add_test(t, what_the_interface_decides_is_left_to_it);
	tcase_add_test(t, the_documented_file_is_the_defaults);
	tcase_add_test(t, the_command_line_takes_precedence);
	tcase_add_test(t, the_loopback_is_taken_once_unless_told_otherwise);
	suite_add_tcase(s, t);
	return s;
}
