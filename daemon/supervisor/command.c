/* Passed on. */
#include "command.h"
#include "supervisor.h"

unsigned command_rotate(struct supervisor *supervisor, const char *capture)
{
	return supervisor_rotate(supervisor, capture);
}
