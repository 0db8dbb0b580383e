// One descriptor, compiled. Immutable after load; any thread may ask.
//
//   {"id", "provider", "kind", "rev", "status", "title", "description"?,
//    "schema":    the members, as the studio's form shows them (schema.h, words.h),
//    "endpoints": {"text_to_image": {"path", "schema"?, "constants"?}, …}   (form.h),
//    "price":     a rule (price.h)}
//
// `status`: stable, preview or retired. `rev` grows with every change that a client could notice.
#pragma once

#include <map>

#include "catalogue/catalogue.h"
#include "catalogue/form.h"
#include "catalogue/price.h"
#include "catalogue/schema.h"

namespace fluxgate::catalogue {

class DescribedModel final : public Model {
 public:
  // `source` has its $use and extends resolved. `original`: endpoint → members; it also says which endpoints
  // there are. Problems are appended; the model is of use only when there are none.
  static std::shared_ptr<DescribedModel> compile(const boost::json::object& source,
                                                 const boost::json::object& original, Problems& problems);
  // While the catalogue is being loaded only.
  void override_price(Credits base) { price_.set_base(base); }
  void name_alternatives(std::string endpoint, std::vector<std::string> ids) {
    alternatives_[std::move(endpoint)] = std::move(ids);
  }

  const std::string& id() const override { return id_; }
  const std::string& provider() const override { return provider_; }
  const std::string& kind() const override { return kind_; }
  const Text& title() const override { return title_; }
  const Text& description() const override { return description_; }
  int rev() const override { return rev_; }
  std::string_view status() const override { return status_; }
  std::vector<std::string> endpoints() const override;
  const boost::json::object& schema() const override { return schema_->shown(); }
  boost::json::object descriptor() const override;
  boost::json::object schema_for(std::string_view endpoint) const override;
  std::string price_words() const override { return price_.words(); }
  Result<Normalised> validate(std::string_view endpoint, const boost::json::object& input) const override;
  Quote quote(const boost::json::object& params) const override;
  Quote quote_for(const boost::json::object& params, int images_delivered) const override;
  std::string upstream_path(std::string_view endpoint) const override;
  boost::json::object upstream_body(std::string_view endpoint, const boost::json::object& params,
                                    const std::vector<std::string>& inputs) const override;

 private:
  friend class ModelReader;

  std::string id_, provider_, kind_, status_;
  int rev_ = 1;
  Text title_, description_;
  std::shared_ptr<const Schema> schema_;
  boost::json::object price_source_;
  Price price_;
  std::map<std::string, Form, std::less<>> forms_;
  std::map<std::string, std::vector<std::string>, std::less<>>
      alternatives_;  // for endpoints it does not serve
};

}  // namespace fluxgate::catalogue
