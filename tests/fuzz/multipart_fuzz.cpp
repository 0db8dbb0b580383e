// libFuzzer entry: whatever the bytes and wherever they are cut, the multipart parser ends, keeps its
// memory bounded, and finds the same parts as when it gets everything at once.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "http/multipart_parser.h"

namespace {

using fluxgate::http::MultipartParser;

std::vector<std::string> parse(std::string_view input, std::size_t step) {
  MultipartParser parser("B");
  std::vector<std::string> parts;
  for (;;) {
    const auto event = parser.next();
    if (!event) {
      parts.push_back("refused");
      return parts;
    }
    switch (*event) {
      case MultipartParser::Event::need_more:
        if (input.empty()) {
          parts.push_back("cut");
          return parts;
        }
        parser.feed(input.substr(0, step));
        input.remove_prefix(std::min(step, input.size()));
        break;
      case MultipartParser::Event::header:
        parts.push_back(parser.header().name + '|' + parser.header().file_name + '|' +
                        parser.header().content_type + '|');
        break;
      case MultipartParser::Event::data:
        if (parser.data().empty() || parts.empty()) std::abort();
        parts.back() += parser.data();
        break;
      case MultipartParser::Event::part_end: parts.back() += "|end"; break;
      case MultipartParser::Event::end: return parts;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = bytes[0] % 17 + 1;
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  if (parse(input, step) != parse(input, input.size() + 1)) std::abort();
  return 0;
}
