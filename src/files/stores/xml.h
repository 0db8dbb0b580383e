// The XML that stores answer with and are sent, read by pugixml (which knows no external entities). COS and
// S3 use the same documents. What cannot be read is an empty value: stores' answers are outside input.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "files/stores/store.h"

namespace fluxgate::files::xml {

struct Error {
  std::string code, message, request_id, region;
};
Error read_error(std::string_view document);
// "CompleteMultipartUploadResult"; "" when it is no XML.
std::string root_name(std::string_view document);

std::string read_upload_id(std::string_view document);

struct Part {
  int number = 0;
  std::string etag;  // without quotes
  std::uint64_t size = 0;
};
struct PartList {
  std::vector<Part> parts;
  int next = 0;  // pass as part-number-marker; 0 = that was all
};
PartList read_parts(std::string_view document);

struct OpenUpload {
  std::string key, upload_id;
  Millis begun_at = 0;
};
struct UploadList {
  std::vector<OpenUpload> uploads;
  std::string next_key, next_id;  // "" = that was all
};
UploadList read_uploads(std::string_view document);

// Keys as they are, decoded where the answer says that they are encoded.
Listing read_objects(std::string_view document);

// Where a bucket is, in the answer to a list of all buckets (COS); "" when it is not among them.
std::string region_of_bucket(std::string_view document, std::string_view bucket);

std::string write_parts(const std::vector<Part>& parts);

}  // namespace fluxgate::files::xml
