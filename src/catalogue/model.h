// One descriptor, compiled. Immutable.
#pragma once

#include <map>

#include "catalogue/catalogue.h"
#include "catalogue/price.h"
#include "catalogue/schema.h"

namespace fluxgate::catalogue {

// What the original's endpoints knew: its members with their defaults, so that its clients go on working
// (DESIGN §7): endpoint → member → default (null: none).
using OriginalMembers = std::map<std::string, boost::json::object, std::less<>>;

class DescribedModel final : public Model {
 public:
  // `source` is a descriptor whose $use references are resolved. Problems are appended.
  static std::shared_ptr<DescribedModel> compile(const boost::json::object& source, const OriginalMembers& original,
                                                 Schema::Problems& problems);
  void override_price(Credits per_image) { price_.set_base(per_image); }

  const std::string& id() const override { return id_; }
  const std::string& provider() const override { return provider_; }
  const std::string& kind() const override { return kind_; }
  const Text& title() const override { return title_; }
  const Text& description() const override { return description_; }
  int rev() const override { return rev_; }
  const boost::json::object& schema() const override { return schema_->source(); }
  boost::json::object descriptor() const override;
  boost::json::object schema_for(std::string_view endpoint) const override;
  Result<Normalised> validate(std::string_view endpoint, const boost::json::object& input) const override;
  Quote quote(const boost::json::object& params) const override;
  Quote quote_for(const boost::json::object& params, int images_delivered) const override;
  std::string upstream_path(std::string_view endpoint) const override;
  boost::json::object upstream_body(std::string_view endpoint, const boost::json::object& params,
                                    const std::vector<std::string>& inputs) const override;

 private:
  struct Endpoint {
    std::string path;
    std::vector<std::string> omit;  // members that this endpoint does not have
    const boost::json::object* original = nullptr;
  };
  void compile_endpoints(const boost::json::object& source, const OriginalMembers& original, Schema::Problems& problems);
  // Takes out what the original's clients send and this model lacks; `dropped` names it.
  void drop_originals(const Endpoint& endpoint, boost::json::object& members, std::vector<std::string>& dropped) const;
  bool has_input(const boost::json::object& params) const;

  boost::json::object source_;
  std::string id_, provider_, kind_, status_;
  int rev_ = 1;
  Text title_, description_;
  std::shared_ptr<const Schema> schema_;
  Price price_;
  std::map<std::string, Endpoint, std::less<>> endpoints_;
  OriginalMembers original_;
};

}  // namespace fluxgate::catalogue
