#include "http/server.h"
#include "http/url.h"

namespace fluxgate::http {

// One segment of the trie. A route is kept where its pattern ends, with the names of its parameters in
// order: two patterns may name the same position differently.
struct Router::Node {
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> names;
    Handler handler;
  };
  std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
  std::unique_ptr<Node> digits;   // {name:int}
  std::unique_ptr<Node> segment;  // {name}
  std::unique_ptr<Node> rest;     // {name:rest}
  std::vector<Route> routes;
};

namespace {

constexpr std::size_t kMaxSegments = 64;

struct Segment {
  std::string_view text;
  bool last;
};

// Cuts the first segment off `path`, which starts with "/".
Segment take_segment(std::string_view& path) {
  path.remove_prefix(1);
  const std::size_t slash = path.find('/');
  const Segment segment{path.substr(0, slash), slash == std::string_view::npos};
  path.remove_prefix(segment.text.size());
  return segment;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

template <class Node>
Node& child(std::unique_ptr<Node>& place) {
  if (!place) place = std::make_unique<Node>();
  return *place;
}

// A walk down the trie with backtracking: the first route that has the method wins; the methods of the
// others are remembered for Allow. Depth is bounded by kMaxSegments and each level tries three children,
// of which only patterns that really exist continue.
template <class Node>
class Search {
 public:
  Search(std::string_view method, Router::Match& match) : method_(method), match_(match) {}

  bool walk(const Node& node, std::string_view path) {
    if (path.empty()) return settle(node);
    std::string_view tail = path;
    const Segment raw = take_segment(tail);
    std::string decoded;
    std::string_view text = raw.text;
    if (text.find('%') != std::string_view::npos) {
      auto plain = decode_path(text);
      if (!plain) return false;
      decoded = std::move(*plain);
      text = decoded;
    }
    if (const auto found = node.literals.find(text); found != node.literals.end())
      if (walk(*found->second, tail)) return true;
    if (node.digits && is_digits(text) && descend(*node.digits, text, tail)) return true;
    if (node.segment && !text.empty() && descend(*node.segment, text, tail)) return true;
    if (!node.rest) return false;
    const auto all = decode_path(path.substr(1));
    return all && descend(*node.rest, *all, {});
  }

 private:
  bool descend(const Node& node, std::string_view value, std::string_view tail) {
    if (depth_ == values_.size()) return false;
    values_[depth_++] = std::string(value);
    if (walk(node, tail)) return true;
    --depth_;
    return false;
  }

  bool settle(const Node& node) {
    for (const auto& route : node.routes) {
      if (route.method == method_) {
        match_.handler = &route.handler;
        for (std::size_t i = 0; i < route.names.size(); ++i)
          match_.params.emplace_back(route.names[i], std::move(values_[i]));
        return true;
      }
      allowed(route.method);
      if (route.method == "GET") allowed("HEAD");
    }
    if (!node.routes.empty()) allowed("OPTIONS");
    return false;
  }

  void allowed(std::string_view method) {
    if (std::ranges::find(match_.allowed, method) == match_.allowed.end())
      match_.allowed.emplace_back(method);
  }

  std::string_view method_;
  Router::Match& match_;
  std::array<std::string, 8> values_;
  std::size_t depth_ = 0;
};

template <class Node>
void collect(const Node& node, std::vector<std::pair<std::string, std::string>>& out) {
  for (const auto& route : node.routes) out.emplace_back(route.method, route.pattern);
  for (const auto& [text, next] : node.literals) collect(*next, out);
  for (const auto* next : {&node.digits, &node.segment, &node.rest})
    if (*next) collect(**next, out);
}

}  // namespace

Router::Router() : root_(std::make_unique<Node>()) {
  fallback([](Request&) -> awaitable<Result<Response>> {
    co_return fail(Errc::not_found, "not_found", {"There is nothing at this path.", "该路径不存在。"});
  });
}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  FLUX_ASSERT(pattern.starts_with('/'));
  Node* node = root_.get();
  Node::Route route{std::string(method), std::string(pattern), {}, std::move(handler)};
  std::size_t depth = 0;
  for (std::string_view path = pattern; !path.empty();) {
    FLUX_ASSERT(++depth <= kMaxSegments);
    const Segment segment = take_segment(path);
    std::string_view text = segment.text;
    if (!text.starts_with('{')) {
      node = &child(node->literals[std::string(text)]);
      continue;
    }
    FLUX_ASSERT(text.ends_with('}') && route.names.size() < 8);
    text = text.substr(1, text.size() - 2);
    const std::size_t colon = text.find(':');
    const std::string_view kind = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    FLUX_ASSERT(kind.empty() || kind == "int" || (kind == "rest" && segment.last));
    route.names.emplace_back(text.substr(0, colon));
    node = &child(kind == "int" ? node->digits : kind == "rest" ? node->rest : node->segment);
  }
  for (const auto& existing : node->routes) FLUX_ASSERT(existing.method != method);
  node->routes.push_back(std::move(route));
}

void Router::fallback(Handler handler) { fallback_ = std::move(handler); }

std::vector<std::pair<std::string, std::string>> Router::routes() const {
  std::vector<std::pair<std::string, std::string>> out;
  collect(*root_, out);
  return out;
}

Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  if (path.starts_with('/')) {
    Search<Node> search(method, match);
    if (search.walk(*root_, path)) {
      match.allowed.clear();
      return match;
    }
  }
  if (match.allowed.empty()) match.handler = &fallback_;
  return match;
}

}  // namespace fluxgate::http
