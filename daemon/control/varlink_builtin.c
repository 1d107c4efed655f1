/* What the protocol itself asks for. */
#include "varlink_builtin.h"

#include <string.h>

#define SERVICE "org.varlink.service"

static void service_info(const struct varlink_service *s, struct varlink_call *c)
{
	json_t *names = json_pack("[s]", SERVICE);

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

	if (!name) {
		varlink_error(c, SERVICE ".InvalidParameter",
			      json_pack("{s:s}", "parameter", "interface"));
		return;
	}
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

void varlink_builtin_run(const struct varlink_service *service, struct varlink_call *call,
			 const char *method, json_t *parameters)
{
	if (strcmp(method, SERVICE ".GetInfo") == 0)
		service_info(service, call);
	else if (strcmp(method, SERVICE ".GetInterfaceDescription") == 0)
		service_description(service, call, parameters);
	else
		method_unknown(service, call, method);
}
