#include "files/stores/xml.h"

#include <sstream>

#include <pugixml.hpp>

#include "files/stores/encode.h"

namespace fluxgate::files::xml {
namespace {

class Document {
 public:
  explicit Document(std::string_view text) { document_.load_buffer(text.data(), text.size()); }
  pugi::xml_node root() const { return document_.document_element(); }

 private:
  pugi::xml_document document_;
};

std::string text_of(pugi::xml_node node, const char* name) { return node.child(name).text().get(); }
bool is_truncated(pugi::xml_node node) { return text_of(node, "IsTruncated") == "true"; }

std::string without_quotes(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return text;
}

// "url": COS writes a space as %20, S3 as "+" (and a plus sign as %2B, as both do).
std::string decoded_key(std::string key, bool encoded) {
  if (!encoded) return key;
  std::ranges::replace(key, '+', ' ');
  auto plain = percent_decode(key);
  return plain ? std::move(*plain) : key;
}

}  // namespace

Error read_error(std::string_view document) {
  const Document parsed(document);
  if (std::string_view(parsed.root().name()) != "Error") return {};
  return {text_of(parsed.root(), "Code"), text_of(parsed.root(), "Message"),
          text_of(parsed.root(), "RequestId"), text_of(parsed.root(), "Region")};
}

std::string root_name(std::string_view document) { return Document(document).root().name(); }

std::string read_upload_id(std::string_view document) {
  return text_of(Document(document).root(), "UploadId");
}

PartList read_parts(std::string_view document) {
  const Document parsed(document);
  PartList list;
  for (const auto& node : parsed.root().children("Part"))
    list.parts.push_back({node.child("PartNumber").text().as_int(), without_quotes(text_of(node, "ETag")),
                          node.child("Size").text().as_ullong()});
  if (is_truncated(parsed.root())) list.next = parsed.root().child("NextPartNumberMarker").text().as_int();
  return list;
}

UploadList read_uploads(std::string_view document) {
  const Document parsed(document);
  UploadList list;
  const bool encoded = text_of(parsed.root(), "EncodingType") == "url";
  for (const auto& node : parsed.root().children("Upload"))
    list.uploads.push_back({decoded_key(text_of(node, "Key"), encoded), text_of(node, "UploadId"),
                            parse_iso_date(text_of(node, "Initiated")).value_or(0)});
  if (is_truncated(parsed.root())) {
    list.next_key = decoded_key(text_of(parsed.root(), "NextKeyMarker"), encoded);
    list.next_id = text_of(parsed.root(), "NextUploadIdMarker");
  }
  return list;
}

Listing read_objects(std::string_view document) {
  const Document parsed(document);
  Listing listing;
  const bool encoded = lower_case(text_of(parsed.root(), "EncodingType")) == "url";
  for (const auto& node : parsed.root().children("Contents"))
    listing.objects.push_back({decoded_key(text_of(node, "Key"), encoded),
                               node.child("Size").text().as_ullong(),
                               parse_iso_date(text_of(node, "LastModified")).value_or(0)});
  // The last key is a good marker everywhere; NextMarker is not always given.
  if (is_truncated(parsed.root()) && !listing.objects.empty()) listing.next = listing.objects.back().key;
  return listing;
}

std::string region_of_bucket(std::string_view document, std::string_view bucket) {
  const Document parsed(document);
  for (const auto& node : parsed.root().child("Buckets").children("Bucket"))
    if (text_of(node, "Name") == bucket) return text_of(node, "Location");
  return {};
}

std::string write_parts(const std::vector<Part>& parts) {
  pugi::xml_document document;
  auto root = document.append_child("CompleteMultipartUpload");
  for (const Part& part : parts) {
    auto node = root.append_child("Part");
    node.append_child("PartNumber").text().set(part.number);
    node.append_child("ETag").text().set(fmt::format("\"{}\"", part.etag).c_str());
  }
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return std::move(text).str();
}

}  // namespace fluxgate::files::xml
