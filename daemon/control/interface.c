/* The description as text, from the rows of interface.def. */
#include "interface.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

struct row {
	enum {
		ROW_HELP,
		ROW_TYPE,
		ROW_METHOD,
		ROW_ERROR,
		ROW_MEMBER,
		ROW_RETURNS,
		ROW_LINE,
		ROW_END
	} kind;
	const char *text, *type; /* a name or a line of comment; a member's type */
};

#define TYPE_STRING "string"
#define TYPE_FLOAT  "float"
#define NULLABLE    "?"
#define REQUIRED    ""

static const struct row rows[] = {
#define HELP(text)						 { ROW_HELP, text, NULL },
#define TYPE(name)						 { ROW_TYPE, #name, NULL },
#define METHOD(name, access, answers, run, wait)		 { ROW_METHOD, #name, NULL },
#define ERROR(name)						 { ROW_ERROR, #name, NULL },
#define PARAMETER(name, type, nullable)				 { ROW_MEMBER, #name, nullable TYPE_##type },
#define PARAMETER_WITHIN(name, type, nullable, minimum, maximum) PARAMETER(name, type, nullable)
#define RETURNS							 { ROW_RETURNS, NULL, NULL },
#define FIELD(name, type)					 { ROW_MEMBER, #name, type },
#define LINE							 { ROW_LINE, NULL, NULL },
#define END							 { ROW_END, NULL, NULL },
#include "interface.def"
};

/* The state of the text within a declaration. */
struct state {
	bool member; /* after a member: the next one needs a comma */
	bool line;   /* the next one begins a line */
	bool error;  /* in a list of errors, which have no empty lines between them */
};

static void member_write(FILE *out, struct state *state, const struct row *row)
{
	fprintf(out, "%s%s%s: %s", state->member ? "," : "",
		state->line	? "\n  "
		: state->member ? " "
				: "",
		row->text, row->type);
	state->member = true;
	state->line = false;
}

static void row_write(FILE *out, struct state *state, const struct row *row)
{
	switch (row->kind) {
	case ROW_HELP:
		fprintf(out, "# %s\n", row->text);
		break;
	case ROW_TYPE:
		*state = (struct state){ .error = false };
		fprintf(out, "type %s (", row->text);
		break;
	case ROW_METHOD:
		*state = (struct state){ .error = false };
		fprintf(out, "method %s(", row->text);
		break;
	case ROW_ERROR:
		*state = (struct state){ .error = true };
		fprintf(out, "error %s (", row->text);
		break;
	case ROW_MEMBER:
		member_write(out, state, row);
		break;
	case ROW_RETURNS:
		*state = (struct state){ .error = false };
		fputs(") -> (", out);
		break;
	case ROW_LINE:
		state->line = true;
		break;
	case ROW_END:
		fprintf(out, "%s)\n%s", state->line ? "\n" : "", state->error ? "" : "\n");
		break;
	}
}

char *interface_describe(void)
{
	struct state state = { .member = false };
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	bool failed;

	if (!out)
		return NULL;
	fputs("# What afcapd does with every packet\ninterface " INTERFACE "\n\n", out);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		row_write(out, &state, &rows[i]);
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return text;
}
