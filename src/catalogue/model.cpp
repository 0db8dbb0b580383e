#include "catalogue/model.h"

#include <array>

#include <fmt/format.h>

#include "catalogue/refusals.h"

namespace fluxgate::catalogue {
namespace {

namespace json = boost::json;

constexpr std::array kMembers = {"id",    "provider",    "kind",   "rev",       "status",
                                 "title", "description", "schema", "endpoints", "price"};
constexpr std::array kStatuses = {"stable", "preview", "retired"};

json::object pair_of(const Text& text) { return {{"en", text.en}, {"zh-CN", text.zh}}; }

}  // namespace

class ModelReader {
 public:
  ModelReader(const json::object& source, const json::object& original, Problems& problems)
      : source_(source), original_(original), problems_(problems) {}

  std::shared_ptr<DescribedModel> read() {
    auto model = std::make_shared<DescribedModel>();
    for (const auto& [name, value] : source_)
      if (std::find(kMembers.begin(), kMembers.end(), std::string_view(name)) == kMembers.end())
        wrong("/" + std::string(name), "no such member of a descriptor");
    model->id_ = word("id");
    model->provider_ = word("provider");
    model->kind_ = word("kind");
    model->status_ = word("status");
    if (std::find(kStatuses.begin(), kStatuses.end(), model->status_) == kStatuses.end())
      wrong("/status", "is stable, preview or retired");
    model->title_ = pair("title");
    if (source_.contains("description")) model->description_ = pair("description");
    const json::value& rev = member("rev");
    if (rev.is_int64() && rev.get_int64() > 0 && rev.get_int64() < kRevMax)
      model->rev_ = static_cast<int>(rev.get_int64());
    else
      wrong("/rev", "must be a whole number ≥ 1");
    const std::size_t before = problems_.size();
    model->schema_ = Schema::compile(member("schema"), "/schema", problems_);
    read_endpoints(*model, problems_.size() == before);
    model->price_ = Price::compile(member("price"), *model->schema_, "/price", problems_);
    if (const auto* rule = member("price").if_object()) model->price_source_ = *rule;
    return model;
  }

 private:
  static constexpr std::int64_t kRevMax = 1'000'000'000;

  // What is wrong with the schema itself is not told again for each endpoint.
  void read_endpoints(DescribedModel& model, bool schema_is_well) {
    const auto* list = member("endpoints").if_object();
    if (!list || list->empty())
      return wrong("/endpoints", "must name at least one endpoint with its upstream path");
    for (const auto& [name, value] : *list) {
      const std::string at = fmt::format("/endpoints/{}", std::string_view(name));
      const auto* original = original_.if_contains(name);
      if (!original) {
        wrong(at, "no such endpoint of this provider");
        continue;
      }
      Problems found;
      Form form = Form::compile(value, member("schema"), original->as_object(), at, found);
      for (auto& problem : found)
        if (schema_is_well || !problem.first.starts_with(at + "/schema"))
          problems_.push_back(std::move(problem));
      model.forms_.emplace(std::string(name), std::move(form));
    }
  }

  const json::value& member(std::string_view name) const {
    static const json::value absent;
    const auto* value = source_.if_contains(name);
    return value ? *value : absent;
  }
  std::string word(std::string_view name) {
    const json::value& value = member(name);
    constexpr std::size_t kLongest = 100;
    if (value.is_string() && !value.get_string().empty() && value.get_string().size() <= kLongest)
      return std::string(value.get_string());
    wrong(fmt::format("/{}", name), "must be text of at most 100 bytes");
    return "";
  }
  Text pair(std::string_view name) {
    auto text = text_in(member(name));
    if (!text) wrong(fmt::format("/{}", name), "must be text in en and zh-CN");
    return text.value_or(Text{});
  }
  void wrong(std::string where, std::string what) {
    problems_.emplace_back(std::move(where), std::move(what));
  }

  const json::object& source_;
  const json::object& original_;
  Problems& problems_;
};

std::shared_ptr<DescribedModel> DescribedModel::compile(const json::object& source,
                                                        const json::object& original, Problems& problems) {
  return ModelReader(source, original, problems).read();
}

std::vector<std::string> DescribedModel::endpoints() const {
  std::vector<std::string> names;
  names.reserve(forms_.size());
  for (const auto& [name, form] : forms_) names.push_back(name);
  return names;
}

json::object DescribedModel::descriptor() const {
  json::object price = price_source_;
  price["base"] = price_.base().to_string();
  json::object schemas;
  for (const auto& [name, form] : forms_)
    if (form.schema().shown() != schema()) schemas[name] = form.schema().shown();
  json::object served{{"id", id_},
                      {"provider", provider_},
                      {"kind", kind_},
                      {"rev", rev_},
                      {"status", status_},
                      {"title", pair_of(title_)},
                      {"endpoints", json::value_from(endpoints())},
                      {"schema", schema()},
                      {"price", std::move(price)}};
  if (!description_.en.empty()) served["description"] = pair_of(description_);
  if (!schemas.empty()) served["endpoint_schemas"] = std::move(schemas);
  return served;
}

json::object DescribedModel::schema_for(std::string_view endpoint) const {
  const auto found = forms_.find(endpoint);
  return found == forms_.end() ? schema() : found->second.schema().shown();
}

Result<Normalised> DescribedModel::validate(std::string_view endpoint, const json::object& input) const {
  const auto found = forms_.find(endpoint);
  if (found != forms_.end()) return found->second.validate(input);
  const auto others = alternatives_.find(endpoint);
  return fail(Error::invalid(
      refuse::wrong_endpoint(id_, endpoint, endpoints(),
                             others == alternatives_.end() ? std::vector<std::string>{} : others->second)));
}

Quote DescribedModel::quote(const json::object& params) const {
  return price_.quote(params, rev_, std::nullopt);
}

Quote DescribedModel::quote_for(const json::object& params, int images) const {
  return price_.quote(params, rev_, images);
}

std::string DescribedModel::upstream_path(std::string_view endpoint) const {
  const auto found = forms_.find(endpoint);
  return found == forms_.end() ? "" : found->second.path();
}

json::object DescribedModel::upstream_body(std::string_view endpoint, const json::object& params,
                                           const std::vector<std::string>& inputs) const {
  const auto found = forms_.find(endpoint);
  return found == forms_.end() ? json::object() : found->second.body(params, inputs);
}

}  // namespace fluxgate::catalogue
