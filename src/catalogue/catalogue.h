// The model catalogue: descriptors as data, and everything that follows from them (DESIGN §1.2,
// spec/studio.md §3). Validation, normalisation, upstream bodies, quotes, OpenAPI schemas and the
// studio's form come from the same file. A new model is a new file.
//
// A Catalogue is an immutable snapshot; share it by shared_ptr and swap the pointer to reload.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "base/money.h"
#include "base/result.h"

namespace fluxgate::catalogue {

// One line of the explanation of an amount: "Base price", then each factor that is not 1, "× 4 (Images)",
// with the amount so far. The last line's is the total.
struct QuoteLine {
  Text label;
  Credits amount;
};

struct Quote {
  Credits total;
  int rev = 0;  // the descriptor's rev the price came from
  std::vector<QuoteLine> lines;
};

// A request as the catalogue understood it.
struct Normalised {
  boost::json::object params;        // every effective value, defaults filled in; inputs as given
  std::vector<std::string> inputs;   // image inputs in order of appearance (URLs, links, data URIs)
  std::vector<std::string> dropped;  // members of the original's API that were dropped (DESIGN §7)
  int images = 1;                    // results asked for
};

class Model {
 public:
  virtual ~Model() = default;
  virtual const std::string& id() const = 0;        // "fal-ai/flux-1/dev"
  virtual const std::string& provider() const = 0;  // "flux"
  virtual const std::string& kind()
      const = 0;  // the original's `type`: text_to_image, image_to_image, redux, multi_image
  virtual const Text& title() const = 0;
  virtual const Text& description() const = 0;
  virtual int rev() const = 0;
  virtual std::string_view status() const { return "stable"; }  // stable, preview, retired
  virtual std::vector<std::string> endpoints() const { return {}; }
  virtual const boost::json::object& schema() const = 0;  // the parameters, JSON Schema subset
  // As served to the studio: schema, price rule, titles, rev, the names of the endpoints; "endpoint_schemas"
  // has those that differ from "schema". Nothing about the upstream.
  virtual boost::json::object descriptor() const = 0;
  // The parameters as one endpoint takes them.
  virtual boost::json::object schema_for(std::string_view endpoint) const;

  // Checks `input` (the request's members without `model`) for one endpoint ("text_to_image",
  // "image_to_image", "multi_image_edit"). All refusals at once (at most 50), loc = ["body", …]; unknown
  // members are refused naming the nearest. null counts as absent. Numbers in text and whole numbers written
  // 2.0 are taken, as the original took them. A model that does not serve the endpoint is refused, naming
  // those that do.
  virtual Result<Normalised> validate(std::string_view endpoint, const boost::json::object& input) const = 0;
  // The price of those parameters. Pure; integer thousandths; rounded up once.
  virtual Quote quote(const boost::json::object& params) const = 0;
  // What was delivered may cost less than what was asked: the same rule with the count replaced. Nothing
  // delivered costs nothing.
  virtual Quote quote_for(const boost::json::object& params, int images_delivered) const = 0;
  virtual std::string price_words() const { return ""; }  // "10 × num_images", for documents
  // The upstream's endpoint path and body. `inputs` are the resolved forms of Normalised::inputs.
  virtual std::string upstream_path(std::string_view endpoint) const = 0;  // "" when it is not served
  virtual boost::json::object upstream_body(std::string_view endpoint, const boost::json::object& params,
                                            const std::vector<std::string>& inputs) const = 0;
};

inline boost::json::object Model::schema_for(std::string_view) const { return schema(); }

class Catalogue {
 public:
  virtual ~Catalogue() = default;
  // nullptr when unknown.
  virtual const Model* find(std::string_view id) const = 0;
  // invalid (422) naming the nearest id.
  virtual Result<const Model*> require(std::string_view provider, std::string_view id) const = 0;
  virtual std::vector<const Model*> models(std::string_view provider = {}) const = 0;
  virtual const std::string& etag() const = 0;
};

// What is wrong with one descriptor file.
struct Problem {
  std::string file;
  std::string where;  // JSON pointer
  std::string what;
};
struct Loaded {
  std::shared_ptr<const Catalogue> catalogue;  // null when there are problems
  std::vector<Problem> problems;
};

// The built-in descriptors (compiled in) plus those of `override_dir` ("" or missing folder = none); a
// file there replaces the model of the same id, or extends it (layer.h). `price_overrides`: model id → the
// rule's base, as the admin's model_credits; ids that no model has are ignored. Anything doubtful is a
// Problem; nothing is guessed.
Loaded load(const std::string& override_dir, const std::map<std::string, Credits>& price_overrides = {});

}  // namespace fluxgate::catalogue
