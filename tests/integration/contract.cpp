#include "contract.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "client.h"
#include "schema_check.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto slash = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  return parts;
}

// How many segments are taken literally; -1 when the path is another.
int likeness(std::string_view pattern, std::string_view path) {
  const auto wanted = segments(pattern), given = segments(path);
  if (wanted.size() != given.size()) return -1;
  int literal = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i].starts_with('{')) continue;
    if (wanted[i] != given[i]) return -1;
    ++literal;
  }
  return literal;
}

std::string media_type(std::string_view content_type) {
  return std::string(content_type.substr(0, content_type.find(';')));
}

}  // namespace

Contract::Contract(json::value document) : document_(std::move(document)) {
  for (const auto& [path, item] : document_.at("paths").as_object())
    for (std::string_view method : {"get", "post", "put", "patch", "delete", "options"})
      if (const auto* operation = item.as_object().if_contains(method)) {
        std::string upper(method);
        for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        operations_.push_back({upper, path, &operation->as_object()});
      }
}

const json::value& Contract::resolved(const json::value& value) const {
  const auto* object = value.if_object();
  const auto* reference = object != nullptr ? object->if_contains("$ref") : nullptr;
  if (reference == nullptr) return value;
  return resolved(document_.at_pointer(std::string_view(reference->as_string()).substr(1)));
}

const Contract::Operation* Contract::match(std::string_view method, std::string_view path) const {
  const Operation* best = nullptr;
  int closest = -1;
  for (const Operation& operation : operations_) {
    const int like = likeness(operation.path, path);
    if (operation.method != (method == "HEAD" ? "GET" : method) || like <= closest) continue;
    closest = like;
    best = &operation;
  }
  return best;
}

bool Contract::describes(const Operation& operation, int status) const {
  return operation.item->at("responses").as_object().contains(std::to_string(status));
}

std::string Contract::body_type(const Operation& operation) const {
  const auto* body = operation.item->if_contains("requestBody");
  if (body == nullptr) return "";
  return body->as_object().at("content").as_object().begin()->key();
}

// What was taken must have been described; what was refused is wrong on purpose.
std::vector<std::string> Contract::check_request(const Operation& operation, const Call& call) const {
  if (!call.json) return {};
  const auto* body = operation.item->if_contains("requestBody");
  if (body == nullptr) return {"a body was sent and none is described"};
  const auto& content = body->as_object().at("content").as_object();
  const auto* media = content.if_contains("application/json");
  if (media == nullptr) return {"JSON was taken and is not described"};
  return misfits(*call.json, media->as_object().at("schema"), document_);
}

std::vector<std::string> Contract::check_answer(const Operation& operation, const Answer& answer) const {
  const auto& responses = operation.item->at("responses").as_object();
  const auto* described = responses.if_contains(std::to_string(answer.status));
  if (described == nullptr) return {fmt::format("the status {} is not described", answer.status)};
  const auto* content = resolved(*described).as_object().if_contains("content");
  if (content == nullptr)
    return answer.body.empty() ? std::vector<std::string>{}
                               : std::vector<std::string>{"a body came and none is described"};
  const std::string type = media_type(answer.header("content-type"));
  const auto* media = content->as_object().if_contains(type);
  if (media == nullptr) media = content->as_object().if_contains("*/*");
  if (media == nullptr) return {fmt::format("the type {} is not described", type)};
  const auto* schema = media->as_object().if_contains("schema");
  if (schema == nullptr || answer.body.empty()) return {};
  return misfits(answer.json(), *schema, document_);
}

void Contract::hold(const Call& call, const Answer& answer) {
  const std::string path = call.path.substr(0, call.path.find('?'));
  const Operation* operation = match(call.method, path);
  if (operation == nullptr) {
    ADD_FAILURE() << call.method << " " << path << " is not described";
    return;
  }
  auto broken = check_answer(*operation, answer);
  if (answer.status < 300)
    for (auto& finding : check_request(*operation, call)) broken.push_back("request " + finding);
  for (const auto& finding : broken)
    ADD_FAILURE() << call.method << " " << call.path << " → " << answer.status << " " << finding << "\n"
                  << answer.body.substr(0, 2000);
  seen_.insert(fmt::format("{} {} {}", operation->method, operation->path, answer.status));
}

std::vector<std::string> Contract::unseen() const {
  std::vector<std::string> list;
  for (const Operation& operation : operations_)
    for (const auto& [status, response] : operation.item->at("responses").as_object()) {
      std::string what = fmt::format("{} {} {}", operation.method, operation.path, std::string_view(status));
      if (!seen_.contains(what)) list.push_back(std::move(what));
    }
  return list;
}

}  // namespace fluxgate::integration
