// The contract as a page for people: one self-contained HTML file, made from the document. No scripts, no
// files from elsewhere.
#pragma once

#include <string>

#include <boost/json.hpp>

namespace fluxgate::api {

std::string docs_page(const boost::json::object& document);

std::string html_escaped(std::string_view text);

}  // namespace fluxgate::api
