/* Every fuzz target on its kept corpus, each in a process of its own: one line a target, then the
 * count that tests/run wants. `fuzz-replay TARGET FILE...` runs single inputs. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CORPUS	      "tests/fuzz/corpus"
#define PATH_BYTES    1024
#define INPUT_SECONDS 60

typedef int entry(const uint8_t *data, size_t bytes);

/* Each target was compiled with its entry named so; FUZZ_TARGETS is TARGET(channel) TARGET(config)
 * ... and comes from the Makefile. The last name is nobody's. */
#define TARGET(name) fuzz_##name,
entry FUZZ_TARGETS fuzz_end;
#undef TARGET

static const struct target {
	const char *name;
	entry *run;
} targets[] = {
#define TARGET(name) { #name, fuzz_##name },
	FUZZ_TARGETS
#undef TARGET
};

/* Shared with the process that replays: what it is at. */
struct progress {
	char path[PATH_BYTES];
	unsigned inputs;
};

static void input_run(const struct target *target, const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long bytes;

	if (!f || fseek(f, 0, SEEK_END) || (bytes = ftell(f)) < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(EXIT_FAILURE);
	}
	rewind(f);
	data = malloc((size_t)bytes); /* exactly, so that the sanitizer sees its end */
	if ((bytes && !data) || fread(data, 1, (size_t)bytes, f) != (size_t)bytes)
		exit(EXIT_FAILURE);
	fclose(f);
	target->run(data, (size_t)bytes);
	free(data);
}

static void corpus_run(const struct target *target, struct progress *progress)
{
	char directory[64];
	struct dirent **names = NULL;
	int n;

	snprintf(directory, sizeof(directory), CORPUS "/%s", target->name);
	n = scandir(directory, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (*names[i]->d_name != '.') {
			snprintf(progress->path, sizeof(progress->path), "%s/%s", directory,
				 names[i]->d_name);
			alarm(INPUT_SECONDS);
			input_run(target, progress->path);
			progress->inputs++;
		}
		free(names[i]);
	}
	free(names);
	exit(EXIT_SUCCESS); /* leaks are looked for */
}

static bool target_passes(const struct target *target, struct progress *progress)
{
	pid_t pid;
	int status;

	memset(progress, 0, sizeof(*progress));
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		corpus_run(target, progress);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status || !progress->inputs) {
		printf("FAILED fuzz: %s: %s\n", target->name,
		       *progress->path ? progress->path : "no corpus");
		return false;
	}
	printf("ok     fuzz: %s, %u inputs\n", target->name, progress->inputs);
	return true;
}

static int single(const char *name, char **paths)
{
	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
		if (strcmp(targets[i].name, name) == 0) {
			for (; *paths; paths++)
				input_run(&targets[i], *paths);
			return EXIT_SUCCESS;
		}
	fprintf(stderr, "no fuzz target %s\n", name);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	unsigned passed = 0, count = sizeof(targets) / sizeof(*targets);
	struct progress *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (argc > 1)
		return single(argv[1], argv + 2);
	if (progress == MAP_FAILED)
		return EXIT_FAILURE;
	for (unsigned i = 0; i < count; i++)
		passed += target_passes(&targets[i], progress);
	printf("%u passed, %u failed, 0 skipped\n", passed, count - passed);
	return passed == count ? EXIT_SUCCESS : EXIT_FAILURE;
}
