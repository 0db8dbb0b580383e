// Descriptor files as read: one layer is what is compiled in, another what the operator keeps in
// DATA_DIR/catalogue/. A layer's files see those of the layer below.
//
// A file named shared.json says {"provider", "parts": {"name": schema part, …}, "original": {endpoint:
// {member: default}}}; every other file is one descriptor. A descriptor may say "extends": "<id>" and then is
// a merge patch over that one (merge.h): of its own layer, or of the one below; its own id always means the
// one below.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "catalogue/catalogue.h"

namespace fluxgate::catalogue {

class Layer {
 public:
  explicit Layer(const Layer* below = nullptr);

  void add(const std::string& file, std::string_view text, std::vector<Problem>& problems);

  struct Source {
    std::string file;
    boost::json::object text;
  };
  const std::map<std::string, Source, std::less<>>& sources() const { return sources_; }
  // With everything it extends and uses in place. Problems are appended.
  boost::json::object resolved(std::string_view id, std::vector<Problem>& problems) const;
  const boost::json::object& original(std::string_view provider) const;

 private:
  struct Shared {
    boost::json::object parts, original;
  };
  void add_shared(const std::string& file, const boost::json::object& text, std::vector<Problem>& problems);
  boost::json::object extended(const Source& source, std::string_view id, int depth,
                               std::vector<Problem>& problems) const;

  const Layer* below_;
  std::map<std::string, Source, std::less<>> sources_;
  std::map<std::string, Shared, std::less<>> shared_;
};

}  // namespace fluxgate::catalogue
