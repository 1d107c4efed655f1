/* The suites of the unit tests, one a module. */
#ifndef SUITES_H
#define SUITES_H

#include <check.h>

Suite *suite_pcapng(void);
Suite *suite_inplace(void);
Suite *suite_cooked(void);
Suite *suite_writer(void);
Suite *suite_writer_errors(void);
Suite *suite_ringloop(void);
Suite *suite_ringthread(void);
Suite *suite_worker(void);
Suite *suite_ledger(void);
Suite *suite_channel(void);
Suite *suite_config(void);
Suite *suite_header(void);
Suite *suite_counters(void);
Suite *suite_filter(void);
Suite *suite_memory(void);
Suite *suite_name(void);
Suite *suite_subject(void);
Suite *suite_bytes(void);
Suite *suite_retention(void);
Suite *suite_shortage(void);
Suite *suite_age(void);
Suite *suite_walk(void);
Suite *suite_repair(void);
Suite *suite_file(void);
Suite *suite_openfiles(void);
Suite *suite_archive(void);
Suite *suite_checkpoint(void);
Suite *suite_fdstore(void);
Suite *suite_request(void);
Suite *suite_log(void);
Suite *suite_beneath(void);
Suite *suite_unixsocket(void);
Suite *suite_confine(void);
Suite *suite_status(void);
Suite *suite_states(void);
Suite *suite_clock(void);
Suite *suite_integrity(void);
Suite *suite_tally(void);
Suite *suite_foreign(void);
Suite *suite_archive_client(void);
Suite *suite_link(void);
Suite *suite_gap(void);
Suite *suite_plan(void);
Suite *suite_unread(void);
Suite *suite_process(void);
Suite *suite_orphan(void);
Suite *suite_method(void);
Suite *suite_varlink(void);
Suite *suite_interface(void);
Suite *suite_command(void);

#endif
