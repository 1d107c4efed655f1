/* Which method, with which parameters; and what the protocol itself asks for. */
#include "varlink_service.h"

#include <string.h>

#define SERVICE "org.varlink.service"

static bool type_fits(const struct varlink_parameter *known, const json_t *value)
{
	if (json_is_null(value))
		return known->optional;
	switch (known->type) {
	case VARLINK_STRING:
		return json_is_string(value);
	case VARLINK_NUMBER:
		return json_is_number(value);
	}
	return false;
}

/* The name of the first `given` parameter that is not among the `known` ones or has another type,
 * else of the first one that is missing; NULL: none. Borrowed from either. */
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
		if (!p->optional && !json_object_get(given, p->name))
			return p->name;
	return NULL;
}

static void service_info(const struct varlink_service *s, struct varlink_call *c, json_t *none)
{
	json_t *names = json_pack("[s]", SERVICE);

	(void)none;
	for (const struct varlink_interface *i = s->interfaces; i->name; i++)
		json_array_append_new(names, json_string(i->name));
	varlink_reply(c,
		      json_pack("{s:s,s:s,s:s,s:s,s:o}", "vendor", s->vendor, "product", s->product,
				"version", s->version, "url", s->url, "interfaces", names));
}

static void service_description(const struct varlink_service *s, struct varlink_call *c,
				json_t *parameters)
{
	static const char own[] =
		"# The Varlink Service Interface, which every service has\n"
		"interface " SERVICE "\n\n"
		"method GetInfo() -> (vendor: string, product: string, version: string, url: "
		"string, interfaces: []string)\n"
		"method GetInterfaceDescription(interface: string) -> (description: string)\n"
		"error InterfaceNotFound (interface: string)\n"
		"error MethodNotFound (method: string)\n"
		"error MethodNotImplemented (method: string)\n"
		"error InvalidParameter (parameter: string)\n";
	const char *name = json_string_value(json_object_get(parameters, "interface")),
		   *text = NULL;

	if (strcmp(name, SERVICE) == 0)
		text = own;
	for (const struct varlink_interface *i = s->interfaces; i->name; i++)
		if (strcmp(name, i->name) == 0)
			text = i->description;
	if (text)
		varlink_reply(c, json_pack("{s:s}", "description", text));
	else
		varlink_error(c, SERVICE ".InterfaceNotFound",
			      json_pack("{s:s}", "interface", name));
}

/* "interface.Method": which part of it is unknown? */
static void method_unknown(const struct varlink_service *s, struct varlink_call *c,
			   const char *method)
{
	const char *dot = strrchr(method, '.');
	size_t length = dot ? (size_t)(dot - method) : strlen(method);
	bool interface_known = length == strlen(SERVICE) && strncmp(method, SERVICE, length) == 0;

	for (const struct varlink_interface *i = s->interfaces; i->name; i++)
		interface_known |=
			strlen(i->name) == length && strncmp(i->name, method, length) == 0;
	if (interface_known)
		varlink_error(c, SERVICE ".MethodNotFound", json_pack("{s:s}", "method", method));
	else
		varlink_error(c, SERVICE ".InterfaceNotFound",
			      json_pack("{s:s%}", "interface", method, length));
}

static const struct varlink_parameter no_parameters[] = { VARLINK_PARAMETERS_END };
static const struct varlink_parameter one_interface[] = { { "interface", VARLINK_STRING, false },
							  VARLINK_PARAMETERS_END };

static const struct {
	const char *name;
	const struct varlink_parameter *parameters;
	void (*run)(const struct varlink_service *s, struct varlink_call *c, json_t *parameters);
} builtins[] = {
	{ SERVICE ".GetInfo", no_parameters, service_info },
	{ SERVICE ".GetInterfaceDescription", one_interface, service_description },
};

/* True: the call is answered. */
static bool parameters_refused(struct varlink_call *call, const struct varlink_parameter *known,
			       json_t *given)
{
	const char *wrong = parameter_wrong(known, given);

	if (wrong)
		varlink_invalid(call, wrong);
	return wrong;
}

void varlink_method_run(const struct varlink_service *service, void *owner,
			struct varlink_call *call, const char *method, json_t *parameters)
{
	for (const struct varlink_method *m = service->methods; m->name; m++)
		if (strcmp(m->name, method) == 0) {
			if (!parameters_refused(call, m->parameters, parameters))
				m->run(owner, call, parameters);
			return;
		}
	for (size_t i = 0; i < sizeof(builtins) / sizeof(*builtins); i++)
		if (strcmp(builtins[i].name, method) == 0) {
			if (!parameters_refused(call, builtins[i].parameters, parameters))
				builtins[i].run(service, call, parameters);
			return;
		}
	method_unknown(service, call, method);
}
