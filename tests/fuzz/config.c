/* Fuzz target: configurations, and what -o says on top. What is accepted is printed so that it is
 * read back as the same; what is not is told in words.
 *
 * Input: the file up to a byte 1; then assignments, each up to the next byte 1. */
#include "fuzz.h"

#include "../../daemon/base/config_cpus.h"
#include "../../daemon/base/config_reader.h"
#include "../../daemon/base/config_rules.h"
#include "../../daemon/base/config_schema.h"
#include "../../daemon/supervisor/preflight.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEPARATOR 1

static struct config config, again;
static struct config_error error;

static const char *file_with(const void *text, size_t bytes)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, text, bytes, 0) != (ssize_t)bytes)
		abort();
	return path;
}

static void error_check(void)
{
	if (!*error.text || !memchr(error.text, '\0', sizeof(error.text)))
		abort();
}

static bool overrides_taken(const uint8_t *data, size_t bytes)
{
	while (bytes) {
		const uint8_t *end = memchr(data, SEPARATOR, bytes);
		size_t n = end ? (size_t)(end - data) : bytes;
		char *text = calloc(1, n + 1); /* so that a sanitizer sees its end */
		int rc;

		memcpy(text, data, n);
		rc = config_override(&config, text, &error);
		free(text);
		if (rc)
			return false;
		n += end != NULL;
		data += n;
		bytes -= n;
	}
	return true;
}

static void same(const struct config_section *section, const void *a, const void *b)
{
	for (unsigned i = 0; i < section->count; i++) {
		const struct config_key *key = &section->keys[i];
		const char *x = (const char *)a + key->offset, *y = (const char *)b + key->offset;
		size_t bytes = key->type == CONFIG_CHOICE || key->type == CONFIG_FLAGS ? 4 : 8;

		if (key->type == CONFIG_STRING ? strcmp(x, y) != 0 : memcmp(x, y, bytes) != 0)
			abort();
	}
}

/* As bytes, which is how a change is found. */
static void parts_same(const struct config_capture *a, const struct config_capture *b)
{
	if (memcmp(&a->archive, &b->archive, sizeof(a->archive)) != 0 ||
	    memcmp(&a->worker, &b->worker, sizeof(a->worker)) != 0 ||
	    memcmp(&a->group, &b->group, sizeof(a->group)) != 0)
		abort();
}

static void printed_is_the_same(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		abort();
	config_print(&config, out);
	fclose(out);
	config_init(&again);
	if (config_read(&again, file_with(text, bytes), &error) || config_finish(&again, &error) ||
	    again.captures != config.captures)
		abort();
	free(text);
	same(&config_daemon_section, &config.daemon, &again.daemon);
	for (unsigned i = 0; i < config.captures; i++) {
		if (strcmp(config.capture[i].name, again.capture[i].name) != 0)
			abort();
		same(&config_capture_section, &config.capture[i], &again.capture[i]);
		parts_same(&config.capture[i], &again.capture[i]);
	}
}

static void capture_use(const struct config_capture *c)
{
	unsigned workers = config_workers(c);
	struct capture_error why;
	char where[64];

	if (workers < 1 || workers > WORKERS_MAX || c->group.workers < CONFIG_AUTO)
		abort();
	for (unsigned i = 0; i < workers; i++) {
		int cpu = config_cpu(c, workers, i);

		if (cpu < -1 || cpu >= CPU_SETSIZE)
			abort();
	}
	config_where(&config, c, "filter", where, sizeof(where));
	if (!*c->filter && preflight_capture(&config, c, true, &why) &&
	    !*why.text) /* filters: filter.c */
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	const uint8_t *end = memchr(data, SEPARATOR, bytes);
	size_t n = end ? (size_t)(end - data) : bytes;

	error.text[0] = '\0';
	config_init(&config);
	if (config_read(&config, file_with(data, n), &error) ||
	    !overrides_taken(end ? end + 1 : data, end ? bytes - n - 1 : 0) ||
	    config_finish(&config, &error)) {
		error_check();
		return 0;
	}
	printed_is_the_same();
	for (unsigned i = 0; i < config.captures; i++)
		capture_use(&config.capture[i]);
	return 0;
}
