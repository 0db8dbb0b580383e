// The sentences of refused input: type and ctx as FastAPI clients know them, each naming the field, the
// rule and what was received.
#pragma once

#include "catalogue/schema.h"

namespace fluxgate::catalogue::refuse {

enum class Bound { included, excluded };

FieldError missing(Location at, const boost::json::value& object);
FieldError wrong_type(Location at, const boost::json::value& value, unsigned types);
FieldError not_one_of(Location at, const boost::json::value& value, const std::vector<boost::json::value>& allowed);
FieldError below(Location at, const boost::json::value& value, double limit, Bound bound);
// `hint`: "batch" adds where more can be had.
FieldError above(Location at, const boost::json::value& value, double limit, Bound bound, std::string_view hint);
FieldError no_multiple(Location at, const boost::json::value& value, double step);
FieldError too_short_text(Location at, const boost::json::value& value, std::size_t limit, std::size_t length);
FieldError too_long_text(Location at, const boost::json::value& value, std::size_t limit, std::size_t length);
FieldError no_match(Location at, const boost::json::value& value, std::string_view pattern);
FieldError too_few(Location at, const boost::json::value& value, std::size_t limit, std::size_t count);
FieldError too_many(Location at, const boost::json::value& value, std::size_t limit, std::size_t count);
FieldError twice(Location at, const boost::json::value& value);
FieldError unknown_member(Location at, const boost::json::value& value, const std::string& nearest);
FieldError unknown_model(const boost::json::value& value, const std::string& nearest);
FieldError wrong_endpoint(const boost::json::value& model, const std::vector<std::string>& endpoints);

}  // namespace fluxgate::catalogue::refuse
