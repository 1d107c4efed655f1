/* afctl: the client of a running afcapd. */
#include "client.h"
#include "verbs.h"

#include <stdio.h>

static const struct verb *const verbs[] = { &verb_status, &verb_stats, &verb_rotate, &verb_version,
					    NULL };

int main(int argc, char **argv)
{
	struct command command;
	int rc = command_parse(&command, verbs, argc, argv);

	if (rc)
		return rc;
	if (command.help)
		command_help(stdout, verbs, command.verb);
	else
		rc = command.verb->run(&command.common, command.settings, command.arguments);
	if (rc == 0 && (fflush(stdout) || ferror(stdout))) {
		perror("afctl: standard output");
		rc = AFCTL_FAILED;
	}
	return rc;
}
