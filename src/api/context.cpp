#include "api/context.h"

namespace fluxgate::api {

std::unexpected<Error> refuse_field(std::string where, std::string name, std::string type, Text message,
                                    boost::json::value input, boost::json::object context) {
  FieldError field;
  field.loc = {std::move(where), std::move(name)};
  field.type = std::move(type);
  field.message = std::move(message);
  field.input = std::move(input);
  field.context = std::move(context);
  return fail(Error::invalid(std::move(field)));
}

}  // namespace fluxgate::api
