/* libafcap's tests: pure ones, then live ones in network namespaces. CK_RUN_SUITE and CK_RUN_CASE
 * choose. They need the library and check, nothing else of the project, so that they can be run
 * under other kernels. */
#include "suites.h"

#include <stdlib.h>

int main(void)
{
	Suite *(*const suites[])(void) = { suite_block, suite_packet, suite_exported, suite_fuzz,
					   suite_seed,	suite_size,   suite_read,     suite_live,
					   suite_name,	suite_vlan,   suite_link,     suite_send,
					   suite_stop,	suite_limits, suite_group,    suite_fanout,
					   suite_tables };
	SRunner *runner = srunner_create(suite_geometry());
	int failed;

	setenv("CK_TIMEOUT_MULTIPLIER", "6", 0); /* slow and busy machines have theirs, too */
	for (size_t i = 0; i < sizeof(suites) / sizeof(*suites); i++)
		srunner_add_suite(runner, suites[i]());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
