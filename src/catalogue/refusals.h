// The sentences of refused input, in both languages. `type` and `ctx` are those that clients of FastAPI know
// (Pydantic 2's); each sentence names the field, the rule and what was received. What was received is cut,
// in the sentence and in `input`: a picture sent as text is not sent back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/result.h"
#include "catalogue/path.h"

namespace fluxgate::catalogue::refuse {

enum class Bound { included, excluded };
enum class Hint { none, batch };  // batch: says where more can be had

FieldError missing(const Path& at, const boost::json::value& object);
FieldError wrong_type(const Path& at, const boost::json::value& value, unsigned types);  // of Schema::Type
FieldError not_one_of(const Path& at, const boost::json::value& value,
                      const std::vector<boost::json::value>& allowed);
FieldError below(const Path& at, const boost::json::value& value, double limit, Bound bound);
FieldError above(const Path& at, const boost::json::value& value, double limit, Bound bound, Hint hint);
FieldError no_multiple(const Path& at, const boost::json::value& value, double step);
FieldError too_many_pixels(const Path& at, const boost::json::value& value, std::int64_t limit);
FieldError too_short_text(const Path& at, const boost::json::value& value, std::size_t limit,
                          std::size_t length);
FieldError too_long_text(const Path& at, const boost::json::value& value, std::size_t limit,
                         std::size_t length);
FieldError no_match(const Path& at, const boost::json::value& value, std::string_view pattern);
FieldError too_few(const Path& at, const boost::json::value& value, std::size_t limit, std::size_t count);
FieldError too_many(const Path& at, const boost::json::value& value, std::size_t limit, std::size_t count);
FieldError twice(const Path& at, const boost::json::value& value);
FieldError unknown_member(const Path& at, const boost::json::value& value, const std::string& nearest);
FieldError unknown_model(std::string_view id, const std::string& nearest);
// `others`: ids of models that this endpoint does serve.
FieldError wrong_endpoint(std::string_view model, std::string_view endpoint,
                          const std::vector<std::string>& endpoints, const std::vector<std::string>& others);

}  // namespace fluxgate::catalogue::refuse
