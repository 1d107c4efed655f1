/* Requests are read and answered by the test. */
#include "archiveside.h"
#include "children.h"
#include "suites.h"

#include "../../daemon/base/channel.h"
#include "../../daemon/supervisor/archive_client.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct archiveside archiveside;

void archiveside_begin(struct event_base *base, const struct archive_client *client)
{
	archiveside = (struct archiveside){ .base = base, .client = client };
}

static int channel(void)
{
	const struct child_double *process = children_find(archive_client_pid(archiveside.client));

	return process ? process->channel : -1;
}

uint32_t archiveside_hear(void)
{
	int fd, rc = channel_recv(channel(), CHANNEL_SUPERVISOR, &archiveside.asked, &fd);

	archiveside.passed = rc == 1 && fd >= 0;
	if (rc != 1)
		return 0;
	if (fd >= 0)
		close(fd);
	return archiveside.asked.type;
}

void archiveside_answer(const struct message_result *result)
{
	static struct message answer; /* large */
	const struct message *asked = &archiveside.asked;
	bool opens = asked->type == MESSAGE_OPEN || asked->type == MESSAGE_REOPEN;
	int fd = -1;

	memset(&answer, 0, sizeof(answer));
	answer.type = message_answer(asked->type);
	if (result)
		answer.result = *result;
	if (asked->type == MESSAGE_CAPTURE ? archiveside.directory : opens && !answer.result.error)
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	answer.result.align = opens && fd >= 0 ? 512 : 0;
	if (asked->type == MESSAGE_CAPTURE) {
		answer.result.capture = asked->capture.capture;
	} else {
		answer.result.capture = asked->archive.capture;
		answer.result.worker = asked->archive.worker;
		answer.result.serial = asked->archive.file.serial;
	}
	ck_assert_int_eq(channel_send(channel(), &answer, fd), 0);
	if (fd >= 0)
		close(fd);
	event_base_loop(archiveside.base, EVLOOP_NONBLOCK);
}

void archiveside_expect(uint32_t type, const struct message_result *result)
{
	ck_assert_str_eq(message_name(archiveside_hear()), message_name(type));
	archiveside_answer(result);
}

void archiveside_quiet(void)
{
	ck_assert_str_eq(message_name(archiveside_hear()), message_name(0));
}
