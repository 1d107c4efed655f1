/* Runs all suites; CK_RUN_SUITE and CK_RUN_CASE choose. */
#include "suites.h"

#include <fcntl.h>
#include <stdlib.h>

#define NUMBERS_LAST 15

/* The numbers that a worker's descriptors have, and those that a service manager passes, are free
 * for tests: what check opens gets others. */
static void numbers_reserve(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < NUMBERS_LAST);
}

int main(void)
{
	SRunner *runner = srunner_create(suite_pcapng());
	int failed;

	numbers_reserve();
	setenv("CK_TIMEOUT_MULTIPLIER", "6", 0); /* slow and busy machines have theirs, too */
	srunner_add_suite(runner, suite_inplace());
	srunner_add_suite(runner, suite_cooked());
	srunner_add_suite(runner, suite_writer());
	srunner_add_suite(runner, suite_writer_errors());
	srunner_add_suite(runner, suite_ringloop());
	srunner_add_suite(runner, suite_period());
	srunner_add_suite(runner, suite_batch());
	srunner_add_suite(runner, suite_burst());
	srunner_add_suite(runner, suite_ringthread());
	srunner_add_suite(runner, suite_worker());
	srunner_add_suite(runner, suite_report());
	srunner_add_suite(runner, suite_drain());
	srunner_add_suite(runner, suite_attach());
	srunner_add_suite(runner, suite_uplink());
	srunner_add_suite(runner, suite_ledger());
	srunner_add_suite(runner, suite_channel());
	srunner_add_suite(runner, suite_config());
	srunner_add_suite(runner, suite_config_cpus());
	srunner_add_suite(runner, suite_config_ring());
	srunner_add_suite(runner, suite_config_error());
	srunner_add_suite(runner, suite_header());
	srunner_add_suite(runner, suite_counters());
	srunner_add_suite(runner, suite_filter());
	srunner_add_suite(runner, suite_memory());
	srunner_add_suite(runner, suite_name());
	srunner_add_suite(runner, suite_subject());
	srunner_add_suite(runner, suite_deaths());
	srunner_add_suite(runner, suite_group());
	srunner_add_suite(runner, suite_output());
	srunner_add_suite(runner, suite_output_files());
	srunner_add_suite(runner, suite_worker_process());
	srunner_add_suite(runner, suite_archive_queue());
	srunner_add_suite(runner, suite_inherited_files());
	srunner_add_suite(runner, suite_files());
	srunner_add_suite(runner, suite_archive_process());
	srunner_add_suite(runner, suite_storage());
	srunner_add_suite(runner, suite_slot());
	srunner_add_suite(runner, suite_slot_death());
	srunner_add_suite(runner, suite_slot_handover());
	srunner_add_suite(runner, suite_bytes());
	srunner_add_suite(runner, suite_retention());
	srunner_add_suite(runner, suite_shortage());
	srunner_add_suite(runner, suite_age());
	srunner_add_suite(runner, suite_walk());
	srunner_add_suite(runner, suite_repair());
	srunner_add_suite(runner, suite_file());
	srunner_add_suite(runner, suite_naming());
	srunner_add_suite(runner, suite_openfiles());
	srunner_add_suite(runner, suite_archive());
	srunner_add_suite(runner, suite_checkpoint());
	srunner_add_suite(runner, suite_fdstore());
	srunner_add_suite(runner, suite_notify());
	srunner_add_suite(runner, suite_preflight());
	srunner_add_suite(runner, suite_limits());
	srunner_add_suite(runner, suite_sandbox());
	srunner_add_suite(runner, suite_inherited());
	srunner_add_suite(runner, suite_former());
	srunner_add_suite(runner, suite_compile());
	srunner_add_suite(runner, suite_supervisor());
	srunner_add_suite(runner, suite_handover());
	srunner_add_suite(runner, suite_request());
	srunner_add_suite(runner, suite_log());
	srunner_add_suite(runner, suite_beneath());
	srunner_add_suite(runner, suite_unixsocket());
	srunner_add_suite(runner, suite_confine());
	srunner_add_suite(runner, suite_states());
	srunner_add_suite(runner, suite_status());
	srunner_add_suite(runner, suite_clock());
	srunner_add_suite(runner, suite_integrity());
	srunner_add_suite(runner, suite_tally());
	srunner_add_suite(runner, suite_foreign());
	srunner_add_suite(runner, suite_archive_client());
	srunner_add_suite(runner, suite_link());
	srunner_add_suite(runner, suite_gap());
	srunner_add_suite(runner, suite_captures());
	srunner_add_suite(runner, suite_plan());
	srunner_add_suite(runner, suite_stall());
	srunner_add_suite(runner, suite_ring_auto());
	srunner_add_suite(runner, suite_unread());
	srunner_add_suite(runner, suite_process());
	srunner_add_suite(runner, suite_orphan());
	srunner_add_suite(runner, suite_method());
	srunner_add_suite(runner, suite_varlink());
	srunner_add_suite(runner, suite_interface());
	srunner_add_suite(runner, suite_command());
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
