// libFuzzer entry: whatever a store answers, its documents are read to an end, and a part list that was read
// can be written and read again.
#include <cstdint>
#include <cstdlib>

#include "files/stores/xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fluxgate::files;
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  xml::read_error(document);
  xml::read_upload_id(document);
  xml::read_objects(document);
  xml::read_uploads(document);
  xml::region_of_bucket(document, "studio-1250000000");
  const auto list = xml::read_parts(document);
  const std::string written = xml::write_parts(list.parts);
  if (xml::root_name(written) != "CompleteMultipartUpload") std::abort();
  if (xml::read_parts(written).parts.size() != list.parts.size()) std::abort();
  return 0;
}
