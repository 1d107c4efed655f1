/* An output whose events do what a slot's do. */
#include "outputs.h"
#include "archiveside.h"
#include "children.h"
#include "place.h"
#include "suites.h"

#include "../../daemon/supervisor/inherited_files.h"

#include <string.h>
#include <unistd.h>

struct outputs outputs;
struct slot_output output;
const struct ledger_file outputs_none = { .end = LEDGER_FILE_BEGIN };

static void event_opened(void *owner, struct output_file *file)
{
	if (file->state == FILE_SOUGHT)
		inherited_found(owner, file);
	else
		output_opened(owner, file);
}

static void event_finished(void *owner, const struct ledger_file *record, bool spoiled,
			   const struct message_result *result)
{
	output_finished(owner, record, spoiled, result);
}

static void event_astray(void *owner, struct output_file *file, const char *what)
{
	output_astray(owner, file, what);
}

static void event_spoiled(void *owner, struct output_file *file)
{
	output_spoiled(owner, file);
}

static void event_retained(void *owner, const struct message_result *result, bool last)
{
	(void)last;
	output_retained(owner, result);
}

static void event_failed(void *owner, struct output_file *file, const struct message_result *result)
{
	if (output_file_sought(file))
		inherited_failed(owner, file, result);
	else
		outputs.failure = (int)output_failed(owner, file, result);
}

static const struct files_events events = {
	.opened = event_opened,
	.finished = event_finished,
	.astray = event_astray,
	.spoiled = event_spoiled,
	.retained = event_retained,
	.failed = event_failed,
};

void outputs_setup(void)
{
	static const struct message_capture capture = { .name = "a", .directory = "/d" };
	const struct archive_target target = { .owner = &output };
	int fd = ledger_create();

	memset(&outputs, 0, sizeof(outputs));
	memset(&output, 0, sizeof(output));
	outputs.failure = -1;
	children_begin();
	outputs.base = event_base_new();
	ck_assert_int_eq(files_new(&outputs.files, outputs.base, &events), 0);
	archiveside_begin(outputs.base, files_client(outputs.files));
	archive_client_announce(files_client(outputs.files), &capture, NULL);
	archiveside_expect(MESSAGE_CAPTURE, NULL);
	ck_assert_int_ge(fd, 0);
	outputs.ledger = ledger_map(fd);
	ck_assert_ptr_nonnull(outputs.ledger);
	close(fd);
	output_init(&output, outputs.files, "a", &target);
	tally_init(&outputs.tally, &outputs.saved);
	output.tally = &outputs.tally;
	output.ledger = outputs.ledger;
	output.saved = &outputs.saved;
	place_log();
}

void outputs_teardown(void)
{
	struct archive_client *client = files_client(outputs.files);

	output_free(&output);
	archive_client_reaped(client, archive_client_pid(client), 0);
	files_free(outputs.files);
	event_base_free(outputs.base);
	ledger_unmap(outputs.ledger);
	children_begin();
}

struct ledger_file outputs_record(uint64_t serial, uint64_t packets, uint64_t before)
{
	struct ledger_file r = { .serial = serial,
				 .end = LEDGER_FILE_BEGIN + 100 * packets,
				 .begin = { before, 0, before },
				 .finish = { before + packets, 0, before + packets } };

	if (packets)
		r.since_ns = r.first_ns = r.until_ns = UINT64_C(1700000000000000000) + serial;
	return r;
}

static void commit(const struct ledger_file *current, const struct ledger_file *previous)
{
	struct ledger_totals totals = ledger_totals(outputs.ledger);

	totals.current = *current;
	totals.previous = *previous;
	totals.received = totals.written = current->finish.written;
	ledger_commit(outputs.ledger, &totals);
}

void outputs_commit(uint64_t serial, uint64_t packets)
{
	const struct ledger_file record = outputs_record(serial, packets, 0);

	commit(&record, &outputs_none);
}

void outputs_write(uint64_t serial, uint64_t packets)
{
	const struct ledger_file record = outputs_record(serial, packets, 0);

	commit(&record, &outputs_none);
	output_follow(&output, &record, &outputs_none);
}

void outputs_move(uint64_t serial, uint64_t packets)
{
	const struct ledger_file old = outputs_record(serial, packets, 0);
	const struct ledger_file current = outputs_record(serial + 1, 0, packets);

	commit(&current, &old);
	output_follow(&output, &current, &old);
}

void outputs_offered(uint64_t serial)
{
	struct message message;
	int fd = -1;

	ck_assert(output_message(&output, &message, &fd));
	ck_assert_str_eq(message_name(message.type), message_name(MESSAGE_FILE));
	ck_assert_uint_eq(message.file.serial, serial);
	ck_assert_uint_eq(message.file.align, 512);
	ck_assert_int_eq(fd,
			 serial == output.current->serial ? output.current->fd : output.spare->fd);
	ck_assert_int_ge(fd, 0);
}

void outputs_told(uint32_t type, bool suspended)
{
	struct message message;
	int fd = 0;

	ck_assert(output_message(&output, &message, &fd));
	ck_assert_str_eq(message_name(message.type), message_name(type));
	ck_assert_int_eq(fd, -1);
	if (type == MESSAGE_SUSPEND)
		ck_assert_uint_eq(message.suspend.suspended, suspended);
}

void outputs_told_nothing(void)
{
	struct message message;
	int fd = 0;

	ck_assert(!output_message(&output, &message, &fd));
	ck_assert_int_eq(fd, -1);
}

void outputs_begin(bool used)
{
	ck_assert_int_eq(output_begin(&output), 0);
	archiveside_expect(MESSAGE_OPEN, NULL);
	archiveside_expect(MESSAGE_OPEN, NULL);
	outputs_offered(0);
	outputs_offered(1);
	if (!used)
		return;
	outputs_write(0, 10);
	archiveside_expect(MESSAGE_NAME, NULL);
}
