/* Finds a method's row, checks the call by it, and runs it. */
#include "varlink_method.h"

#include <string.h>

#define SERVICE "org.varlink.service"

static bool type_fits(const struct varlink_parameter *known, const json_t *value)
{
	if (json_is_null(value))
		return known->nullable;
	switch (known->type) {
	case VARLINK_STRING:
		return json_is_string(value);
	case VARLINK_FLOAT:
		return json_is_number(value); /* an integer is a float, too */
	}
	return false;
}

static bool range_fits(const struct varlink_parameter *known, const json_t *value)
{
	if (known->type != VARLINK_FLOAT || !json_is_number(value) ||
	    (known->minimum == 0 && known->maximum == 0))
		return true;
	return json_number_value(value) >= known->minimum &&
	       json_number_value(value) <= known->maximum;
}

/* The parameter's name; NULL: none is wrong. */
static const char *parameter_wrong(const struct varlink_parameter *known, json_t *given)
{
	const struct varlink_parameter *p;
	const char *name;
	json_t *value;

	json_object_foreach(given, name, value)
	{
		for (p = known; p->name && strcmp(p->name, name); p++)
			;
		if (!p->name || !type_fits(p, value))
			return name;
	}
	for (p = known; p->name; p++)
		if (!p->nullable && !json_object_get(given, p->name))
			return p->name;
	for (p = known; p->name; p++)
		if (!range_fits(p, json_object_get(given, p->name)))
			return p->name;
	return NULL;
}

enum varlink_verdict varlink_method_check(const struct varlink_method *method,
					  enum varlink_access access, json_t *parameters,
					  const char **wrong)
{
	*wrong = parameter_wrong(method->parameters, parameters);
	if (*wrong)
		return VARLINK_INVALID;
	return access < method->access ? VARLINK_DENIED : VARLINK_ALLOWED;
}

static void method_begin(const struct varlink_interface *i, const struct varlink_method *m,
			 struct varlink_call *call, json_t *parameters)
{
	const struct varlink_wait *wait = m->wait;
	const char *busy = wait ? wait->busy(i->owner, parameters) : NULL;

	varlink_call_take(call, i->owner, m->more);
	if (m->run(i->owner, call, parameters))
		return;
	if (busy)
		varlink_refuse(call, &(struct varlink_refusal){ wait->late.error, busy });
	else
		varlink_later(call, wait->seconds, &wait->late, wait->ready, parameters);
}

static void method_serve(const struct varlink_interface *i, const struct varlink_method *m,
			 struct varlink_call *call, json_t *parameters)
{
	const char *wrong;

	switch (varlink_method_check(m, varlink_access(call), parameters, &wrong)) {
	case VARLINK_ALLOWED:
		method_begin(i, m, call, parameters);
		break;
	case VARLINK_INVALID:
		varlink_invalid(call, wrong);
		break;
	case VARLINK_DENIED:
		varlink_refuse(call, &i->denied);
		break;
	}
}

void varlink_method_run(const struct varlink_interface *interfaces, struct varlink_call *call,
			const char *name, json_t *parameters)
{
	const char *dot = strrchr(name, '.');
	size_t length = dot ? (size_t)(dot - name) : strlen(name);
	const struct varlink_interface *i = interfaces;
	const struct varlink_method *m;

	while (i->name && (strlen(i->name) != length || strncmp(i->name, name, length) != 0))
		i++;
	if (!i->name) {
		varlink_error(call, SERVICE ".InterfaceNotFound",
			      json_pack("{s:s%}", "interface", name, length));
		return;
	}
	for (m = i->methods; m->name && (!dot || strcmp(m->name, dot + 1) != 0); m++)
		;
	if (m->name)
		method_serve(i, m, call, parameters);
	else
		varlink_error(call, SERVICE ".MethodNotFound", json_pack("{s:s}", "method", name));
}
