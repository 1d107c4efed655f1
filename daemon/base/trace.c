/* Runs in a signal handler: nothing here allocates memory or takes a lock. */
#include "trace.h"

#include "channel.h"
#include "confine.h"

#include <ctype.h>
#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#define OBJECTS	    24
#define STACK_BYTES 65536
#define SKIP_MAX    4 /* frames of the handler itself, at most */
#define OWN_NAME    "afcapd"

static const struct {
	int number;
	const char *name;
} fatal[] = { { SIGSEGV, "SIGSEGV" }, { SIGBUS, "SIGBUS" },   { SIGILL, "SIGILL" },
	      { SIGFPE, "SIGFPE" },   { SIGABRT, "SIGABRT" }, { SIGSYS, "SIGSYS" } };
#define FATAL (sizeof(fatal) / sizeof(*fatal))

/* The objects mapped, and where; none are mapped later. */
static struct object {
	uintptr_t base, end;
	char name[TRACE_OBJECT];
} objects[OBJECTS];
static unsigned object_count;
static volatile sig_atomic_t reported;

static int object_note(struct dl_phdr_info *info, size_t size, void *context)
{
	const char *slash = strrchr(info->dlpi_name, '/');
	struct object *o = &objects[object_count];

	(void)size;
	(void)context;
	if (object_count == OBJECTS)
		return 1;
	o->base = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t end = o->base + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD && end > o->end)
			o->end = end;
	}
	snprintf(o->name, sizeof(o->name), "%s",
		 object_count == 0 ? OWN_NAME
		 : slash	   ? slash + 1
				   : info->dlpi_name);
	object_count++;
	return 0;
}

static void frame_fill(struct message_frame *frame, uintptr_t address)
{
	frame->offset = address;
	for (unsigned i = 0; i < object_count; i++)
		if (address >= objects[i].base && address < objects[i].end) {
			memcpy(frame->object, objects[i].name, sizeof(frame->object));
			frame->offset = address - objects[i].base;
		}
}

static uintptr_t instruction(const void *context)
{
	const ucontext_t *c = context;

#if defined(__x86_64__)
	return (uintptr_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)c->uc_mcontext.pc;
#else
	(void)c;
	return 0;
#endif
}

/* The stack from the faulting function on; the frames above it are this handler's. */
static void frames_fill(struct message_crashed *m, uintptr_t at)
{
	void *addresses[TRACE_FRAMES + SKIP_MAX];
	int n = backtrace(addresses, TRACE_FRAMES + SKIP_MAX), first = 0;

	for (int i = 0; i < n && i < SKIP_MAX; i++)
		if ((uintptr_t)addresses[i] == at)
			first = i + 1;
	for (int i = first; i < n && m->frames < TRACE_FRAMES; i++)
		frame_fill(&m->frame[m->frames++], (uintptr_t)addresses[i]);
}

/* Disposition and mask are the default again: the signal that is raised here ends the process. */
static void fatal_cb(int number, siginfo_t *info, void *context)
{
	struct message message = { .type = MESSAGE_CRASHED };
	struct message_crashed *m = &message.crashed;
	uintptr_t at = instruction(context);

	if (!reported++) {
		m->signal = number;
		m->code = info->si_code;
		m->call = number == SIGSYS ? info->si_syscall : 0;
		m->address = number == SIGSYS || number == SIGABRT ? 0 : (uintptr_t)info->si_addr;
		m->thread = gettid() != getpid();
		if (at)
			frame_fill(&m->frame[m->frames++], at);
		channel_send(CHANNEL_FD, &message, -1); /* in case the stack is corrupt */
		frames_fill(m, at);
		channel_send(CHANNEL_FD, &message, -1);
	}
	raise(number);
	_exit(EXIT_FAILURE);
}

void trace_thread(void)
{
	stack_t stack = { .ss_sp = NULL, .ss_size = STACK_BYTES };

	if (confine_possible()) /* else a sanitizer has one */
		stack.ss_sp = malloc(STACK_BYTES);
	if (stack.ss_sp)
		sigaltstack(&stack, NULL); /* lives as long as the thread */
}

void trace_begin(void)
{
	struct sigaction action = { .sa_sigaction = fatal_cb,
				    .sa_flags =
					    SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER };
	void *address;

	dl_iterate_phdr(object_note, NULL);
	backtrace(&address, 1); /* loads the libraries it needs now */
	trace_thread();
	for (size_t i = 0; i < FATAL; i++)
		if (confine_possible() || fatal[i].number == SIGSYS) /* else a sanitizer does */
			sigaction(fatal[i].number, &action, NULL);
}

static void frames_print(const struct message_crashed *crashed, FILE *out)
{
	for (uint32_t i = 0; i < crashed->frames && i < TRACE_FRAMES; i++) {
		const struct message_frame *frame = &crashed->frame[i];

		fputs(i ? " < " : ", at ", out);
		for (size_t k = 0; k < sizeof(frame->object) && frame->object[k]; k++)
			fputc(isalnum((unsigned char)frame->object[k]) ||
					      strchr("_.+-", frame->object[k])
				      ? frame->object[k]
				      : '?',
			      out);
		fprintf(out, "+0x%llx", (unsigned long long)frame->offset);
	}
}

void trace_text(const struct message_crashed *crashed, char *text, size_t size)
{
	const char *name = "an unknown signal";
	char call[64];
	FILE *out;

	*text = '\0';
	out = fmemopen(text, size, "w");
	if (!out)
		return;
	for (size_t i = 0; i < FATAL; i++)
		if (fatal[i].number == crashed->signal)
			name = fatal[i].name;
	confine_call_name(crashed->call, call, sizeof(call));
	if (crashed->signal == SIGSYS)
		fprintf(out, "%s: it called %s, which is not allowed", name, call);
	else if (crashed->signal == SIGABRT)
		fprintf(out, "%s", name);
	else
		fprintf(out, "%s (address 0x%llx)", name, (unsigned long long)crashed->address);
	fprintf(out, ", in its %s thread", crashed->thread ? "ring" : "main");
	frames_print(crashed, out);
	fclose(out);
	text[size - 1] = '\0';
}
