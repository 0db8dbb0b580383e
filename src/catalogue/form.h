// What one endpoint of one model takes and sends: the schema of its members, the original's members that are
// dropped, the upstream's path and body. Compiled at load, so that a request costs a pass over its members.
// Immutable; any thread may ask.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "catalogue/catalogue.h"
#include "catalogue/schema.h"

namespace fluxgate::catalogue {

// The members that an endpoint of the original knew, with their defaults (null: none). Its clients always
// send them; a model that lacks one, or cannot take the default, drops it and refuses any other value (DESIGN
// §7).
using OriginalMembers = boost::json::object;

class Form {
 public:
  // `source` is {"path", "schema"?, "constants"?}: the upstream's path, a merge patch over the model's
  // schema, and what is always sent besides. Problems are appended.
  static Form compile(const boost::json::value& source, const boost::json::value& model_schema,
                      const OriginalMembers& original, const std::string& pointer, Problems& problems);

  const std::string& path() const { return path_; }
  const Schema& schema() const { return *schema_; }

  Result<Normalised> validate(const boost::json::object& input) const;
  boost::json::object body(const boost::json::object& params, const std::vector<std::string>& inputs) const;

 private:
  struct Field {
    std::string name;
    const Schema* schema = nullptr;
    bool required = false;
    bool input = false;
    bool count = false;
  };
  using Given = std::vector<boost::json::value>;  // one for each field, null when absent

  void read_fields(const std::string& pointer, Problems& problems);
  void sort(const boost::json::object& input, Given& given, Normalised& normalised, Findings& unknown) const;
  void check(std::size_t field, Given& given, Normalised& normalised, Findings& findings) const;
  void fill(Given given, Normalised& normalised) const;
  bool is_originals_default(std::string_view name, const boost::json::value& value) const;

  std::string path_;
  boost::json::object constants_;
  OriginalMembers original_;
  std::shared_ptr<const Schema> schema_;
  std::vector<Field> fields_;
  std::vector<std::string> names_;  // of the fields, for `nearest`
};

}  // namespace fluxgate::catalogue
