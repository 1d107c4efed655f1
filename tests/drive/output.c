/* What the supervisor prints, and what it knows of the machine: doubles, by the linker's --wrap. */
#include "world.h"

#include "../../daemon/base/stream.h"
#include "../../daemon/supervisor/limits.h"

#include <string.h>

int __wrap_stream_finish(int fd, const char *text, size_t bytes, unsigned seconds);
int __wrap_limits_memory(const struct limits_need *needs, unsigned count, bool freed);

int __wrap_stream_finish(int fd, const char *text, size_t bytes, unsigned seconds)
{
	(void)fd;
	(void)bytes;
	(void)seconds;
	demand(!strstr(text, "BALANCE"), "%s", text);
	return 0;
}

int __wrap_limits_memory(const struct limits_need *needs, unsigned count, bool freed)
{
	(void)needs;
	(void)count;
	(void)freed;
	return 0;
}
