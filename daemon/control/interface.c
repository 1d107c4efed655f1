/* The description as text, with the counters of counters.def. */
#include "interface.h"

#include <stdio.h>

/* With a comma in front of each. */
static const char counter_fields[] =
#define COUNTER(name, unit, family, reason, help) ",\n  " #name ": int"
#include "../base/counters.def"
#undef COUNTER
	;

/* Twice the counters: behind a worker's other fields, and alone. */
static const char description_format[] =
	"# What afcapd does with every packet\n"
	"interface " INTERFACE "\n\n"
	"type Fanout (mode: string, flags: []string, id: ?int)\n\n"
	"type WorkerStatus (worker: int, pid: ?int, state: string, restarts: int, "
	"packets_per_second: float,\n"
	"  bytes_per_second: float, loss_ratio: float, file: ?string, since: ?string)\n\n"
	"type Rates (packets_per_second: float, bytes_per_second: float, loss_ratio: float)\n\n"
	"type CaptureStatus (name: string, interface: string, device: ?string, state: string,\n"
	"  reason: ?string, fanout: Fanout,\n"
	"  since: ?string, degraded: bool, workers: []WorkerStatus, total: Rates)\n\n"
	"type WorkerStats (worker: int, pid: ?int, state: string%s\n)\n\n"
	"type Counters (%s\n)\n\n"
	"type CaptureStats (name: string, interface: string, device: ?string, state: string,\n"
	"  reason: ?string, fanout: Fanout,\n"
	"  workers: []WorkerStats, total: Counters)\n\n"
	"# State, rates and files of all captures\n"
	"method Status() -> (captures: []CaptureStatus)\n\n"
	"# All counters, of one capture or of all; with more: again every `interval` seconds (1 "
	"unless given)\n"
	"method Stats(capture: ?string, interval: ?float) -> (captures: []CaptureStats)\n\n"
	"# Goes on in the next files; answers when the ones before are finished\n"
	"method Rotate(capture: ?string) -> ()\n\n"
	"error NoSuchCapture (capture: string)\n"
	"# Only root, the daemon's user, control_group and control_admins may ask; only root, the "
	"daemon's user\n# and control_admins may change anything\n"
	"error PermissionDenied (reason: string)\n"
	"# As many clients as can be are connected, the disk is too slow, or has no room for a "
	"next "
	"file\n"
	"error Busy (reason: string)\n";

char *interface_describe(void)
{
	char *text;

	return asprintf(&text, description_format, counter_fields,
			counter_fields + 1 /* no comma */) < 0
		       ? NULL
		       : text;
}
