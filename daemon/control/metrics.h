/* The captures as Prometheus text (exposition format 0.0.4). Pure: from the view to a stream. */
#ifndef METRICS_H
#define METRICS_H

#include <stdio.h>

struct supervisor;

void metrics_print(const struct supervisor *supervisor, FILE *out);

#endif
