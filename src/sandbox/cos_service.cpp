#include "sandbox/cos_service.h"

#include <charconv>
#include <fstream>

#include <lzma.h>
#include <openssl/evp.h>

#include "base/crypto.h"
#include "sandbox/cos_documents.h"
#include "sandbox/cos_image.h"

namespace fluxgate::sandbox::cos {
namespace {

constexpr std::uint64_t kObjectBytesMax = 5ull << 30;
constexpr std::size_t kDocumentBytesMax = 2u << 20;
constexpr std::string_view kServiceHost = "service.cos.myqcloud.com";

HeaderList kept_headers(const http::Request& request) {
  HeaderList kept;
  for (const auto& [name, value] : request.header_list())
    if (name == "content-type" || name == "cache-control" || name == "content-disposition" ||
        name.starts_with("x-cos-meta-") || name == "x-cos-storage-class")
      kept.emplace_back(name, value);
  return kept;
}

}  // namespace

CosService::CosService(CosOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock), shelf_(options_.folder), denied_(options_.denied) {
  for (const std::string& fault : options_.faults) faults_.add(fault);
}

void CosService::deny(std::vector<std::string> actions) {
  const std::scoped_lock lock(mutex_);
  denied_ = std::move(actions);
}

std::vector<std::pair<std::string, std::string>> CosService::log() const {
  const std::scoped_lock lock(mutex_);
  return log_;
}

bool CosService::is_denied(std::string_view action) const {
  const std::scoped_lock lock(mutex_);
  return std::ranges::count(denied_, action) > 0;
}

// COS's own hosts name bucket and region; any other is a custom domain of this bucket.
std::string CosService::wrong_bucket(std::string_view host) const {
  const std::size_t mark = host.find(".cos.");
  if (mark == host.npos || !(host.ends_with(".myqcloud.com") || host.ends_with(".tencentcos.cn"))) return {};
  const std::string_view region = host.substr(mark + 5, host.find('.', mark + 5) - mark - 5);
  const bool here =
      host.substr(0, mark) == options_.bucket && (region == options_.region || region == "accelerate");
  return here ? "" : "NoSuchBucket";
}

// The S3 side has the bucket at the head of the path, which is taken off.
std::string CosService::take_bucket(Target& target) const {
  const std::string head = "/" + options_.bucket;
  if (!(target.path + "/").starts_with(head + "/")) return "NoSuchBucket";
  target.path.erase(0, head.size());
  if (target.path.empty()) target.path = "/";
  return "";
}

CosService::Asked CosService::read(const http::Request& request) const {
  Asked asked{.target = parse_target(request.target()), .host = std::string(request.header("host"))};
  std::string method(request.is_head() ? "HEAD" : request.method());
  const Keys keys{options_.secret_id, options_.secret_key, options_.token, options_.region};
  const bool s3 = speaks_s3(asked.target, request.header_list());
  const std::string_view raw = request.target().substr(0, request.target().find('?'));
  asked.verdict = s3 ? check_s3(keys, method, raw, asked.target, request.header_list(), clock_.now_ms())
                     : check(keys, method, asked.target, request.header_list(), clock_.now_ms());
  asked.wrong = s3 ? take_bucket(asked.target) : wrong_bucket(asked.host);
  std::ranges::transform(method, method.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  asked.operation = operation_of(method, asked.target);
  return asked;
}

void CosService::note(const Asked& asked) {
  const std::scoped_lock lock(mutex_);
  log_.emplace_back(fmt::format("{} {}", asked.name(), asked.operation ? asked.operation->key : ""), asked.host);
  if (asked.name() == "image") images_.push_back(processing_of(asked.target));
}

std::optional<http::Response> CosService::refusal(const Asked& asked) const {
  const std::string& path = asked.target.path;
  if (!asked.verdict.code.empty()) return refuse(asked.verdict.code, asked.verdict.message, path, asked.verdict.region);
  if (asked.host == kServiceHost) return std::nullopt;
  if (!asked.wrong.empty()) return refuse(asked.wrong, "The specified bucket does not exist.", path);
  if (!asked.operation) return refuse("MethodNotAllowed", "Not here.", path);
  if (is_denied(asked.operation->action)) return refuse("AccessDenied", "Access Denied.", path);
  return std::nullopt;
}

awaitable<Result<http::Response>> CosService::answer(http::Request& request) {
  const Asked asked = read(request);
  note(asked);
  const std::string fault = faults_.due(asked.name());
  Result<http::Response> response;
  if (fault == "hang") co_await hang();
  if (fault == "reset" || fault == "hang") {
    response->abort_connection = true;
    co_return response;
  }
  if (status_of(fault))
    response = refuse(fault, "As was asked for.", asked.target.path);
  else if (auto refused = refusal(asked))
    response = std::move(*refused);
  else if (asked.host == kServiceHost)
    response = list_buckets();
  else
    response = co_await perform(request, *asked.operation, asked.target, fault);
  if (!response) co_return response;
  if (fault.starts_with("200-")) {
    response = refuse(fault.substr(4), "As was asked for.", asked.target.path);
    response->status = 200;
  }
  if (fault == "lost") response->abort_connection = true;
  response->headers.emplace_back("x-cos-request-id", crypto::random_hex(12));
  co_return response;
}

awaitable<Result<http::Response>> CosService::perform(http::Request& request, const Operation& operation,
                                                      const Target& target, std::string fault) {
  const std::string_view name = operation.name;
  Result<http::Response> response = http::Response::no_content();
  if (name == "put") {
    response = co_await put(request, operation.key, fault == "damaged");
  } else if (name == "part") {
    response = co_await put_part(request, target, fault == "damaged");
  } else if (name == "complete") {
    if (!fault.starts_with("200-")) response = co_await complete(request, target);
  } else if (name == "image") {
    response = image(operation, target);
  } else if (name == "get" || name == "head") {
    response = get(request, operation, target, fault == "truncated");
  } else if (name == "delete") {
    shelf_.remove(operation.key);
  } else if (name == "initiate") {
    const std::string id = shelf_.begin({operation.key, kept_headers(request), clock_.now_ms(), {}});
    response = document(
        "InitiateMultipartUploadResult",
        element("Bucket", options_.bucket) + element("Key", operation.key) + element("UploadId", id));
  } else if (name == "abort") {
    if (!shelf_.abort(*target.find("uploadId")))
      response = refuse("NoSuchUpload", "It is not there.", target.path);
  } else if (name == "list") {
    response = list(target);
  } else if (name == "parts") {
    response = list_parts(target);
  } else if (name == "uploads") {
    response = list_uploads(target);
  }
  co_return response;
}

awaitable<Result<Blob>> CosService::receive(http::Request& request, bool damaged) {
  Blob blob{shelf_.new_path()};
  std::ofstream out(blob.path, std::ios::binary);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> md5(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(md5.get(), EVP_md5(), nullptr);
  while (true) {
    FLUX_CO_TRY(piece, co_await request.read_some(kObjectBytesMax));
    if (piece.empty()) break;
    std::string bytes(piece);
    if (damaged) bytes[0] = static_cast<char>(bytes[0] ^ 1);
    EVP_DigestUpdate(md5.get(), piece.data(), piece.size());
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    blob.size += bytes.size();
    blob.crc64 = lzma_crc64(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), blob.crc64);
  }
  std::array<unsigned char, 16> digest;
  EVP_DigestFinal_ex(md5.get(), digest.data(), nullptr);
  blob.md5 = crypto::hex(digest);
  const std::string_view promised = request.header("content-md5");
  const std::string came = crypto::base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
  if (!promised.empty() && promised != came) co_return fail(Errc::bad_request, "BadDigest", {});
  co_return blob;
}

awaitable<Result<http::Response>> CosService::put(http::Request& request, std::string key, bool damaged) {
  auto blob = co_await receive(request, damaged);
  if (!blob) co_return refuse(blob.error().code(), "The body is not what its digest says.", key);
  const std::string etag = blob->md5;
  const std::uint64_t crc64 = blob->crc64;
  shelf_.put(key, {std::move(*blob), etag, kept_headers(request), clock_.now_ms()});
  co_return http::Response{
      200, {{"ETag", "\"" + etag + "\""}, {"x-cos-hash-crc64ecma", std::to_string(crc64)}}, std::string()};
}

awaitable<Result<http::Response>> CosService::put_part(http::Request& request, const Target& target,
                                                       bool damaged) {
  int number = 0;
  const std::string text = target.find("partNumber").value_or("");
  std::from_chars(text.data(), text.data() + text.size(), number);
  if (number < 1 || number > 10'000)
    co_return refuse("InvalidArgument", "partNumber is 1 to 10000.", target.path);
  auto blob = co_await receive(request, damaged);
  if (!blob) co_return refuse(blob.error().code(), "The body is not what its digest says.", target.path);
  http::Response stored{
      200,
      {{"ETag", "\"" + blob->md5 + "\""}, {"x-cos-hash-crc64ecma", std::to_string(blob->crc64)}},
      std::string()};
  if (!shelf_.add_part(target.find("uploadId").value_or(""), number, std::move(*blob)))
    co_return refuse("NoSuchUpload", "The specified multipart upload does not exist.", target.path);
  co_return stored;
}

awaitable<Result<http::Response>> CosService::complete(http::Request& request, const Target& target) {
  FLUX_CO_TRY(text, co_await request.read_body(kDocumentBytesMax));
  const std::string code = shelf_.complete(*target.find("uploadId"), read_parts(text), clock_.now_ms());
  if (!code.empty()) co_return refuse(code, "The parts cannot be joined.", target.path);
  const auto object = shelf_.find(target.path.substr(1));
  co_return document("CompleteMultipartUploadResult",
                     element("Bucket", options_.bucket) + element("Key", target.path.substr(1)) +
                         element("ETag", "\"" + (object ? object->etag : "") + "\""));
}

awaitable<void> CosService::hang() const {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(5);
  while (!stopping_ && std::chrono::steady_clock::now() < end) {
    timer.expires_after(std::chrono::milliseconds(50));
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
  }
}

awaitable<Result<http::Response>> CosService::tell() {
  boost::json::object requests;
  boost::json::array images;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [request, host] : log_) {
      auto& count = requests[request.substr(0, request.find(' '))];
      count = count.is_int64() ? count.as_int64() + 1 : 1;
    }
    images = boost::json::array(images_.begin(), images_.end());
  }
  std::size_t parts = 0;
  for (const auto& [id, upload] : shelf_.uploads("")) parts += upload.parts.size();
  co_return http::Response::json({{"requests", std::move(requests)}, {"parts", parts}, {"images", std::move(images)}});
}

http::Response CosService::image(const Operation& operation, const Target& target) const {
  const auto object = shelf_.find(operation.key);
  if (!object) return refuse("NoSuchKey", "The specified key does not exist.", target.path);
  auto made = process_image(object->blob.path, processing_of(target));
  if (!made) return refuse(made.error().code(), "The picture cannot be processed so.", target.path);
  http::Response response = http::Response::text(std::move(made->bytes), target.find("response-content-type").value_or(made->content_type));
  if (const auto disposition = target.find("response-content-disposition")) response.headers.emplace_back("content-disposition", *disposition);
  return response;
}

http::Response CosService::get(const http::Request& request, const Operation& operation, const Target& target,
                               bool truncated) const {
  const auto object = shelf_.find(operation.key);
  if (!object) return refuse("NoSuchKey", "The specified key does not exist.", target.path);
  const std::string quoted = "\"" + object->etag + "\"";
  const std::string_view if_match = request.header("if-match");
  if (!if_match.empty() && if_match != quoted)
    return refuse("PreconditionFailed", "It has changed.", target.path);
  std::string type = "application/octet-stream";
  HeaderList headers;
  for (const auto& [name, value] : object->headers) {
    if (name == "content-type")
      type = value;
    else if (!target.find("response-" + name))
      headers.emplace_back(name, value);
  }
  for (const auto& [name, value] : target.query) {
    if (name == "response-content-type") type = value;
    if (name == "response-content-disposition" || name == "response-cache-control")
      headers.emplace_back(name.substr(std::string_view("response-").size()), value);
  }
  headers.emplace_back("x-cos-hash-crc64ecma", std::to_string(object->blob.crc64));
  headers.emplace_back("x-cos-object-type", "normal");
  http::Response response = http::Response::file({object->blob.path, type, object->etag});
  if (truncated) {
    headers.emplace_back("ETag", quoted);
    response =
        http::Response::stream(type, [blob = object->blob](http::BodyWriter& writer) -> awaitable<void> {
          std::ifstream in(blob.path, std::ios::binary);
          std::string half(static_cast<std::size_t>(blob.size / 2), '\0');
          in.read(half.data(), static_cast<std::streamsize>(half.size()));
          co_await writer.write(half);
          throw std::runtime_error("cut as was asked for");
        });
  }
  response.headers.insert(response.headers.end(), headers.begin(), headers.end());
  return response;
}

http::Response CosService::list(const Target& target) const {
  std::size_t limit = 1000;
  const std::string wanted = target.find("max-keys").value_or("1000");
  std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
  const auto found = shelf_.list(target.find("prefix").value_or(""), target.find("marker").value_or(""));
  std::string inside = element("Name", options_.bucket) + element("EncodingType", "url") +
                       element("IsTruncated", found.size() > limit ? "true" : "false");
  for (const auto& [key, object] : std::span(found).first(std::min(limit, found.size())))
    inside += "<Contents>" + element("Key", encoded(key)) + element("LastModified", iso(object.modified_at)) +
              element("ETag", "\"" + object.etag + "\"") + element("Size", std::to_string(object.blob.size)) +
              "</Contents>";
  return document("ListBucketResult", inside);
}

http::Response CosService::list_parts(const Target& target) const {
  const auto upload = shelf_.upload(*target.find("uploadId"));
  if (!upload) return refuse("NoSuchUpload", "The specified multipart upload does not exist.", target.path);
  std::string inside =
      element("Bucket", options_.bucket) + element("Key", upload->key) + element("IsTruncated", "false");
  for (const auto& [number, part] : upload->parts)
    inside += "<Part>" + element("PartNumber", std::to_string(number)) +
              element("ETag", "\"" + part.md5 + "\"") + element("Size", std::to_string(part.size)) +
              "</Part>";
  return document("ListPartsResult", inside);
}

http::Response CosService::list_uploads(const Target& target) const {
  std::string inside = element("Bucket", options_.bucket) + element("IsTruncated", "false");
  for (const auto& [id, upload] : shelf_.uploads(target.find("prefix").value_or("")))
    inside += "<Upload>" + element("Key", upload.key) + element("UploadId", id) +
              element("Initiated", iso(upload.begun_at)) + "</Upload>";
  return document("ListMultipartUploadsResult", inside);
}

http::Response CosService::list_buckets() const {
  return document("ListAllMyBucketsResult", "<Buckets><Bucket>" + element("Name", options_.bucket) +
                                                element("Location", options_.region) + "</Bucket></Buckets>");
}

}  // namespace fluxgate::sandbox::cos
