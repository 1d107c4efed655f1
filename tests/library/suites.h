/* The suites of the library's tests. */
#ifndef SUITES_H
#define SUITES_H

#include <check.h>

Suite *suite_geometry(void);
Suite *suite_block(void);
Suite *suite_packet(void);
Suite *suite_exported(void);
Suite *suite_fuzz(void);
Suite *suite_seed(void);
Suite *suite_size(void);
Suite *suite_read(void);
Suite *suite_live(void);
Suite *suite_name(void);
Suite *suite_vlan(void);
Suite *suite_link(void);
Suite *suite_group(void);
Suite *suite_fanout(void);
Suite *suite_tables(void);
Suite *suite_send(void);
Suite *suite_stop(void);
Suite *suite_limits(void);

#endif
