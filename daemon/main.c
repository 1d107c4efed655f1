/* Reads the command line and the configuration, and chooses the role of the process. */
#include "archive/archive.h"
#include "base/child.h"
#include "base/config_reader.h"
#include "base/config_rules.h"
#include "base/failure.h"
#include "base/log.h"
#include "base/privileges.h"
#include "control/control.h"
#include "control/http.h"
#include "supervisor/notify.h"
#include "supervisor/preflight.h"
#include "supervisor/sandbox.h"
#include "supervisor/status.h"
#include "supervisor/supervisor.h"
#include "worker/worker.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define CONFIG_DEFAULT "/etc/afcap/afcapd.conf"
#define EXIT_USAGE     2
#define OVERRIDES_MAX  1024
#define LAST_ROUNDS    16 /* iterations of the event loop at the end: to read, to serve, to write */

struct arguments {
	const char *file, *interface, *directory, *workers, *filter, *log_level;
	const char *overrides[OVERRIDES_MAX];
	unsigned override_count;
	bool check;
};

static const char usage_text[] =
	"usage: afcapd [-c FILE] [-o [SECTION.]KEY=VALUE]... [-l LEVEL]\n"
	"       afcapd -i IFACE [-w DIR] [-j WORKERS] [-f FILTER] [-o [SECTION.]KEY=VALUE]... [-l "
	"LEVEL]\n"
	"\n"
	"Records network interfaces into pcapng files and accounts for every packet.\n"
	"\n"
	"  -c, --config FILE       configuration (default " CONFIG_DEFAULT ")\n"
	"  -i, --interface IFACE   record one interface, without a file\n"
	"  -w, --write DIR         into this directory (default /var/lib/afcap)\n"
	"  -j, --workers N         number of workers (default: one per CPU, at most 8)\n"
	"  -f, --filter FILTER     only packets that match, see pcap-filter(7)\n"
	"  -o, --option ASSIGNMENT set a key of afcapd.conf(5); SECTION is daemon or a capture's "
	"name\n"
	"  -n, --check             check the configuration, print the effective one, exit\n"
	"  -l, --log-level LEVEL   error, warning, notice, info or debug\n"
	"  -V, --version           print the version, exit\n"
	"  -h, --help              print this, exit\n"
	"\n"
	"SIGTERM and SIGINT: write what the rings hold, print the account, exit 0.\n"
	"SIGUSR1: begin the next files. SIGUSR2: hand the rings over to the next process.\n"
	"Exit codes: 0 ok, 1 failed while running, 2 usage, 75 handed over, 77 permission "
	"missing, 78 configuration.\n";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "interface", required_argument, NULL, 'i' },
	{ "write", required_argument, NULL, 'w' },
	{ "workers", required_argument, NULL, 'j' },
	{ "filter", required_argument, NULL, 'f' },
	{ "option", required_argument, NULL, 'o' },
	{ "check", no_argument, NULL, 'n' },
	{ "log-level", required_argument, NULL, 'l' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static int usage_error(const char *text)
{
	fprintf(stderr, "afcapd: %s\n\n%s", text, usage_text);
	return EXIT_USAGE;
}

/* Returns -1 to continue, or the exit code. */
static int arguments_parse(struct arguments *a, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "c:i:w:j:f:o:nl:Vh", long_options, NULL)) != -1) {
		if (option == 'c')
			a->file = optarg;
		else if (option == 'i')
			a->interface = optarg;
		else if (option == 'w')
			a->directory = optarg;
		else if (option == 'j')
			a->workers = optarg;
		else if (option == 'f')
			a->filter = optarg;
		else if (option == 'l')
			a->log_level = optarg;
		else if (option == 'n')
			a->check = true;
		else if (option == 'o' && a->override_count < OVERRIDES_MAX)
			a->overrides[a->override_count++] = optarg;
		else if (option == 'o')
			return usage_error("too many -o");
		else if (option == 'V' || option == 'h')
			return option == 'V' ? (puts("afcapd " AFCAP_VERSION), 0)
					     : (fputs(usage_text, stdout), 0);
		else
			return EXIT_USAGE; /* getopt_long() has printed the reason */
	}
	if (optind < argc)
		return usage_error("unexpected argument: an interface is given by -i");
	if (a->interface && a->file)
		return usage_error("-c and -i exclude each other");
	if (!a->interface && (a->directory || a->workers || a->filter))
		return usage_error("-w, -j and -f need -i");
	return -1;
}

/* Interface names may have characters that a capture's name may not. */
static int capture_for(struct config *config, const char *interface, struct config_error *error)
{
	char name[CAPTURE_NAME_BYTES];
	size_t n = 0;

	for (; interface[n] && n < sizeof(name) - 1; n++)
		name[n] = isalnum((unsigned char)interface[n]) || (n && strchr("_.-", interface[n]))
				  ? interface[n]
				  : '_';
	name[n] = '\0';
	return config_add(config, name, 0, "-i", error) ? 0 : -EINVAL;
}

/* `option` is the option as the user wrote it. */
static int option_set(struct config *config, const char *option, const char *key, const char *value,
		      struct config_error *error)
{
	char *assignment = NULL;
	int rc;

	if (!value)
		return 0;
	if (asprintf(&assignment, "%s=%s", key, value) < 0)
		return -ENOMEM;
	rc = config_option(config, option, assignment, error);
	free(assignment);
	return rc;
}

static int config_make(struct config *config, const struct arguments *a, struct config_error *error)
{
	int rc;

	config_init(config);
	if (a->interface) {
		rc = capture_for(config, a->interface, error);
		if (rc == 0)
			rc = option_set(config, "-i", "interface", a->interface, error);
	} else {
		rc = config_read(config, a->file ? a->file : CONFIG_DEFAULT, error);
	}
	if (rc == 0)
		rc = option_set(config, "-w", "directory", a->directory, error);
	if (rc == 0)
		rc = option_set(config, "-j", "workers", a->workers, error);
	if (rc == 0)
		rc = option_set(config, "-f", "filter", a->filter, error);
	if (rc == 0)
		rc = option_set(config, "-l", "daemon.log_level", a->log_level, error);
	for (unsigned i = 0; i < a->override_count && rc == 0; i++)
		rc = config_override(config, a->overrides[i], error);
	return rc ? rc : config_finish(config, error);
}

/* The listeners for clients, and the supervisor whose state they report. */
struct listeners {
	struct control *control;
	struct http *http;
	struct supervisor *supervisor;
};

static void ticked(void *context)
{
	const struct listeners *listeners = context;

	status_send(listeners->supervisor);
}

static void leaving(void *context)
{
	const struct listeners *listeners = context;

	if (listeners->control)
		control_leave(listeners->control);
	http_leave(listeners->http);
}

/* Answers the requests that this instance has received; waits for no client. */
static void last_answers(struct event_base *base, const struct listeners *listeners)
{
	if (listeners->control)
		control_finish(listeners->control);
	for (int i = 0; i < LAST_ROUNDS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Runs the supervisor until it stops. Frees the listeners, which refer to it. */
static int supervise(const struct config *config, const struct privileges *privileges,
		     struct event_base *base, struct control *control, struct http *http)
{
	struct supervisor *supervisor = NULL;
	struct listeners listeners = { control, http, NULL };
	int rc = supervisor_sandbox(privileges);

	if (rc == 0)
		rc = supervisor_new(&supervisor, base, config);
	if (rc == 0 && control && control_serve(control, supervisor))
		supervisor_failed(supervisor, EXIT_FAILURE, "control: no memory to listen");
	if (rc == 0) {
		if (http)
			http_serve(http, supervisor);
		listeners.supervisor = supervisor;
		supervisor_hook(supervisor,
				&(struct supervisor_hooks){ leaving, ticked, &listeners });
		supervisor_run(supervisor);
		if (strcmp(supervisor_phase(supervisor), "ended: ") == 0)
			status_send(supervisor);
		rc = supervisor_account(supervisor);
		if (rc == EX_TEMPFAIL)
			last_answers(base, &listeners);
	}
	http_free(http);
	control_free(control);
	supervisor_free(supervisor);
	return rc;
}

static struct event_base *loop_new(void)
{
	struct event_base *base;

	errno = 0;
	base = event_base_new();
	if (!base)
		log_error("making the event loop: %s",
			  errno ? failure_text(errno)
				: "libevent has no mechanism to wait (EVENT_NOEPOLL and its like "
				  "must not be in the environment)");
	return base;
}

static int serve(const struct config *config, const struct privileges *privileges)
{
	struct event_base *base = loop_new();
	struct control *control = NULL;
	struct http *http = NULL;
	int rc = base ? preflight_privileges() : EXIT_FAILURE;

	if (rc == 0)
		rc = control_new(&control, base, config, notify_listener("control"));
	if (rc == 0)
		rc = http_new(&http, base, config, notify_listener("metrics"));
	if (rc == 0) {
		rc = supervise(config, privileges, base, control, http);
	} else {
		http_free(http);
		control_free(control);
	}
	if (base)
		event_base_free(base);
	return rc;
}

/* The daemon cannot start, and the service manager drops its stored descriptors when this process
 * ends: the packets in the previous instance's rings are written out first. Without a configuration
 * each ring counts as that of a removed section. Returns the exit code. */
static int write_out(int exit_code)
{
	static struct privileges privileges;
	static struct config none;
	struct notify *notify = NULL;
	struct event_base *base;
	uid_t uid;
	gid_t gid;
	int rc;

	if (!notify_handed_by(&uid, &gid))
		return exit_code;
	log_notice("writing out the rings of the previous instance first; nothing more is recorded "
		   "until afcapd can start");
	if (notify_new(&notify) == 0)
		notify_status(notify, "writing out the rings of the previous instance");
	notify_free(notify);
	config_init(&none);
	privileges_of(&privileges, uid, gid);
	base = loop_new();
	if (!base)
		return exit_code;
	rc = supervise(&none, &privileges, base, NULL, NULL);
	event_base_free(base);
	return rc == EX_TEMPFAIL ? rc : exit_code;
}

/* Returns -1 to continue, or the exit code, the reason logged. */
static int configure(struct config *config, struct privileges *privileges,
		     const struct arguments *arguments)
{
	struct config_error error;
	char why[CONFIG_ERROR_BYTES];
	int rc;

	if (config_make(config, arguments, &error)) {
		log_error("%s", error.text);
		return EX_CONFIG;
	}
	log_open(config->daemon.log_level, "");
	if (privileges_find(privileges, config, &error)) {
		log_error("%s", error.text);
		return EX_CONFIG;
	}
	/* Resumed rings do not wait for names: their filters are compiled while they record */
	rc = preflight_config(config, !notify_handed(), why, sizeof(why));
	if (rc)
		log_error("%s", why);
	return rc ? rc : -1;
}

/* Descriptors 0 to 2 are open: what is opened later must not take their place. */
static void streams_check(void)
{
	int fd = open("/dev/null", O_RDWR);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct config config;
	static struct privileges privileges;
	struct arguments arguments = { 0 };
	int rc;

	streams_check();
	if (argc == 3 &&
	    (strcmp(argv[0], CHILD_WORKER) == 0 || strcmp(argv[0], CHILD_ARCHIVE) == 0)) {
		bool is_worker = strcmp(argv[0], CHILD_WORKER) == 0;

		log_open(atoi(argv[2]), argv[1]);
		child_name(argv);
		return is_worker ? worker_main() : archive_main();
	}
	log_open(LOG_INFO, "");
	rc = arguments_parse(&arguments, argc, argv);
	if (rc < 0)
		rc = configure(&config, &privileges, &arguments);
	if (rc < 0 && arguments.check) {
		rc = preflight_foresee(&config);
		if (rc == 0)
			config_print(&config, stdout);
		return fflush(stdout) || ferror(stdout) ? EXIT_FAILURE : rc;
	}
	if (rc < 0)
		rc = serve(&config, &privileges);
	if (rc > 0 && !arguments.check)
		rc = write_out(rc);
	return rc;
}
