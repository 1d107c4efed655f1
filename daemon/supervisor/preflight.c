/* What can be said before anything runs. */
#include "supervisor.h"
#include "capture.h"
#include "limits.h"
#include "link.h"

#include "../base/failure.h"
#include "../base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

int supervisor_check(const struct config *config, bool filters, char *error, size_t size)
{
	struct capture_error why;
	int64_t ignored;

	for (unsigned i = 0; i < config->captures; i++)
		if (capture_check(config, &config->capture[i], filters, &why) ||
		    limits_file_size(config, &config->capture[i], &why) ||
		    capture_group(config, &config->capture[i], &ignored, &why)) {
			snprintf(error, size, "%s", why.text);
			return why.exit_code;
		}
	return 0;
}

void supervisor_foresee(const struct config *config)
{
	struct capture_error why;
	struct links *links = NULL;
	int rc = links_new(&links, NULL, NULL, NULL);

	if (rc)
		log_warning("which interfaces there are is not known (rtnetlink: %s)",
			    failure_text(-rc));
	for (unsigned i = 0; i < config->captures; i++) {
		if (links && capture_interface(config, &config->capture[i], links, &why))
			log_warning("%s", why.text);
		if (capture_directory(config, &config->capture[i], &why))
			log_warning("%s", why.text);
	}
	links_free(links);
}

int supervisor_privileged(void)
{
	int fd = afcap_socket(AFCAP_RAW);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	log_error("packet socket: %s%s", failure_text(-fd),
		  fd == -EPERM ? ": CAP_NET_RAW is missing (run as root, or by the systemd unit, "
				 "which gives it)"
			       : "");
	return fd == -EPERM ? EX_NOPERM : EXIT_FAILURE;
}
