#include "client.h"

#include <memory>

#include <curl/curl.h>

#include "contract.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

struct Progress {
  Answer answer;
  const Call* call = nullptr;
  std::uint64_t left = 0;
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& progress = *static_cast<Progress*>(user);
  progress.answer.body.append(data, size);
  return progress.call->enough && progress.call->enough(progress.answer.body) ? 0 : size;
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& headers = static_cast<Progress*>(user)->answer.headers;
  const std::string_view line(data, size);
  if (line.starts_with("HTTP/")) headers.clear();  // after 100 Continue comes the real one
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name(line.substr(0, colon));
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view value = line.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with('\n') || value.ends_with('\r')) value.remove_suffix(1);
  headers.emplace_back(std::move(name), value);
  return size;
}

std::size_t zeros(char* data, std::size_t, std::size_t size, void* user) {
  auto& left = static_cast<Progress*>(user)->left;
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left, size));
  std::fill_n(data, count, ' ');
  left -= count;
  return count;
}

struct Freer {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(curl_mime* form) const { curl_mime_free(form); }
};

std::unique_ptr<curl_slist, Freer> header_list(const Call& call) {
  curl_slist* list = nullptr;
  const auto add = [&list](const std::string& line) { list = curl_slist_append(list, line.c_str()); };
  bool has_type = false;
  for (const auto& [name, value] : call.headers) {
    add(value.empty() ? name + ";" : name + ": " + value);
    has_type = has_type || name == "Content-Type";
  }
  if (!call.token.empty()) add("Authorization: Bearer " + call.token);
  if (call.json && !has_type) add("Content-Type: application/json");
  if (!call.json && !has_type && call.parts.empty()) add("Content-Type:");  // curl would claim a form
  return std::unique_ptr<curl_slist, Freer>(list);
}

std::unique_ptr<curl_mime, Freer> form_of(CURL* handle, const Call& call) {
  std::unique_ptr<curl_mime, Freer> form(curl_mime_init(handle));
  for (const Part& part : call.parts) {
    curl_mimepart* made = curl_mime_addpart(form.get());
    curl_mime_name(made, part.name.c_str());
    curl_mime_data(made, part.bytes.data(), part.bytes.size());
    if (part.file_name.empty()) continue;
    curl_mime_filename(made, part.file_name.c_str());
    curl_mime_type(made, part.content_type.c_str());
  }
  return form;
}

}  // namespace

std::string Answer::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

json::value Answer::json() const {
  boost::system::error_code broken;
  json::value value = boost::json::parse(body, broken);
  return broken ? json::value(nullptr) : value;
}

std::string Answer::code() const {
  const json::value value = json();
  const auto* object = value.if_object();
  const auto* code = object != nullptr ? object->if_contains("code") : nullptr;
  return code != nullptr && code->is_string() ? std::string(code->as_string()) : std::string();
}

Answer Client::send(const Call& call) const {
  std::unique_ptr<CURL, Freer> curl(curl_easy_init());
  CURL* handle = curl.get();
  Progress progress;
  progress.call = &call;
  const auto headers = header_list(call);
  const std::string url = base_url_ + call.path;
  const std::string body = call.json ? boost::json::serialize(*call.json) : call.body;
  std::unique_ptr<curl_mime, Freer> form;
  curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 90'000L);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &progress);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &progress);
  if (call.method == "HEAD") curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  if (call.announce) {
    progress.left = *call.announce;
    curl_easy_setopt(handle, CURLOPT_POST, 1L);
    curl_easy_setopt(handle, CURLOPT_READFUNCTION, zeros);
    curl_easy_setopt(handle, CURLOPT_READDATA, &progress);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(*call.announce));
  } else if (!call.parts.empty()) {
    form = form_of(handle, call);
    curl_easy_setopt(handle, CURLOPT_MIMEPOST, form.get());
  } else if (!body.empty() || call.method == "POST" || call.method == "PUT") {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(handle, CURLOPT_COPYPOSTFIELDS, body.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call.method == "HEAD" ? nullptr : call.method.c_str());

  const CURLcode done = curl_easy_perform(handle);
  long status = 0;
  curl_off_t uploaded = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(handle, CURLINFO_SIZE_UPLOAD_T, &uploaded);
  Answer answer = std::move(progress.answer);
  answer.status = static_cast<int>(status);
  answer.uploaded = static_cast<std::uint64_t>(uploaded);
  if (done != CURLE_OK && !(done == CURLE_WRITE_ERROR && call.enough))
    answer.failure = curl_easy_strerror(done);
  if (contract_ != nullptr && !call.off_contract && answer.status != 0) contract_->hold(call, answer);
  return answer;
}

Answer Client::get(std::string path, std::string token) const {
  return send({.path = std::move(path), .token = std::move(token)});
}

Answer Client::post(std::string path, std::string token, json::value body, HeaderList headers) const {
  return send({.method = "POST",
               .path = std::move(path),
               .token = std::move(token),
               .json = std::move(body),
               .headers = std::move(headers)});
}

Answer Client::put(std::string path, std::string token, json::value body) const {
  return send({.method = "PUT", .path = std::move(path), .token = std::move(token), .json = std::move(body)});
}

Answer Client::del(std::string path, std::string token) const {
  return send({.method = "DELETE", .path = std::move(path), .token = std::move(token)});
}

}  // namespace fluxgate::integration
