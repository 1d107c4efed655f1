/* The interface that the protocol itself requires. */
#include "varlink_service.h"

#include <string.h>

#define SERVICE "org.varlink.service"

static const char description[] =
	"# The Varlink Service Interface, which every service has\n"
	"interface " SERVICE "\n\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: "
	"string, interfaces: []string)\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n";

static bool run_info(void *owner, struct varlink_call *c, json_t *none)
{
	const struct varlink_about *about = owner;
	json_t *names = json_array();

	(void)none;
	for (const struct varlink_interface *i = about->interfaces; i->name; i++)
		json_array_append_new(names, json_string(i->name));
	varlink_reply(c, json_pack("{s:s,s:s,s:s,s:s,s:o}", "vendor", about->vendor, "product",
				   about->product, "version", about->version, "url", about->url,
				   "interfaces", names));
	return true;
}

static bool run_description(void *owner, struct varlink_call *c, json_t *parameters)
{
	const struct varlink_about *about = owner;
	const char *name = json_string_value(json_object_get(parameters, "interface")),
		   *text = NULL;

	for (const struct varlink_interface *i = about->interfaces; i->name; i++)
		if (strcmp(name, i->name) == 0)
			text = i->description;
	if (text)
		varlink_reply(c, json_pack("{s:s}", "description", text));
	else
		varlink_error(c, SERVICE ".InterfaceNotFound",
			      json_pack("{s:s}", "interface", name));
	return true;
}

static const struct varlink_parameter no_parameters[] = { VARLINK_PARAMETERS_END };
static const struct varlink_parameter one_interface[] = {
	{ "interface", VARLINK_STRING, false, 0, 0 }, VARLINK_PARAMETERS_END
};

static const struct varlink_method methods[] = {
	{ "GetInfo", VARLINK_READ, false, no_parameters, run_info, NULL },
	{ "GetInterfaceDescription", VARLINK_READ, false, one_interface, run_description, NULL },
	{ NULL, VARLINK_READ, false, NULL, NULL, NULL },
};

struct varlink_interface varlink_service_interface(struct varlink_about *about)
{
	return (struct varlink_interface){
		.name = SERVICE, .description = description, .methods = methods, .owner = about
	};
}
