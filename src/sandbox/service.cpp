#include "sandbox/service.h"

#include "base/crypto.h"
#include "sandbox/data_uri.h"
#include "sandbox/replies.h"
#include "sandbox/webhooks.h"

namespace fluxgate::sandbox {
namespace {

constexpr Millis kPauseStep = 200;  // how late a stop may be noticed
constexpr int kProbeDepth = 3;      // a picture made from a picture made from …
constexpr std::size_t kUploadIdLength = 32;

std::vector<Fault> global_faults(const std::vector<std::string>& texts) {
  std::vector<Fault> faults;
  for (const std::string& text : texts) {
    auto fault = parse_fault(text);
    if (!fault) throw std::invalid_argument("there is no sandbox fault \"" + text + "\"");
    faults.push_back(std::move(*fault));
  }
  return faults;
}

// Only our own files are looked into; a link to anywhere else counts as a readable picture of the usual
// size, because the sandbox never reaches out (DESIGN §11: no real upstream is contacted).
ImageProbe probe_link(Service& service, std::string_view link, int depth) {
  if (auto note = read_data_uri_note(link)) return *note;
  ImageProbe image;
  image.state = ImageProbe::State::not_downloaded;
  constexpr std::string_view kUploads = "/files/uploads/";
  constexpr std::string_view kPictures = "/files/sandbox/";
  if (auto at = link.find(kUploads); at != link.npos) {
    auto id = link.substr(at + kUploads.size(), kUploadIdLength);
    if (!service.uploads.file_of(id)) return image;
    auto size = service.uploads.measure(id);
    image.state = size ? ImageProbe::State::fine : ImageProbe::State::not_an_image;
    if (size) image.size = *size;
    return image;
  }
  if (auto at = link.find(kPictures); at != link.npos) {
    auto name = read_picture_name(link.substr(at + kPictures.size()));
    auto record = name && depth < kProbeDepth ? service.book.find(name->id) : std::nullopt;
    if (!record) return image;
    ProbeImage deeper = [&service, depth](std::string_view other) {
      return probe_link(service, other, depth + 1);
    };
    Outcome outcome = outcome_of(*record, deeper, service.answer_options());
    if (name->index >= outcome.pictures.size()) return image;
    image.state = ImageProbe::State::fine;
    image.size = outcome.pictures[name->index].size;
    return image;
  }
  if (link.starts_with("http://") || link.starts_with("https://")) image.state = ImageProbe::State::fine;
  return image;
}

bool is_host_text(std::string_view host) {
  return !host.empty() && host.size() < 256 &&
         host.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]") ==
             host.npos;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

Service::Service(Options options_in, const Clock& clock_in)
    : options(std::move(options_in)),
      clock(clock_in),
      book({options.folder, options.slots, options.time_to_live_ms, options.records_max}, clock),
      uploads(options.folder + "/uploads", options.time_to_live_ms),
      faults(global_faults(options.faults)),
      webhooks(std::make_unique<WebhookSender>(*this)) {}

Service::~Service() = default;

ProbeImage Service::probe() {
  return [this](std::string_view link) { return probe_link(*this, link, 0); };
}

std::string Service::base_for(const http::Request& request) const {
  if (!options.public_base_url.empty()) return options.public_base_url;
  auto host = request.header("host");
  std::string_view name = is_host_text(host) ? host : "127.0.0.1";
  return fmt::format("{}://{}", request.over_tls() ? "https" : "http", name);
}

Outcome Service::outcome(const Record& record) {
  auto lasting = faults.lasting(Stage::result, record.faults);
  return outcome_of(record, probe(), answer_options(), lasting ? lasting->action : "");
}

std::expected<Caller, http::Response> identify(const Service& service, const http::Request& request) {
  const Options& options = service.options;
  std::string_view header = request.header("authorization");
  auto space = header.find(' ');
  std::string scheme = lower(header.substr(0, space));
  std::string credential(space == header.npos ? std::string_view() : header.substr(space + 1));
  if (header.empty()) credential = request.query("fal_jwt_token").value_or("");
  Caller caller{crypto::sha256_hex(credential).substr(0, 16)};
  if (!options.check_keys) return caller;
  if (header.empty() && credential.empty())
    return std::unexpected(detail_reply(401, "Authorization header is required"));
  auto colon = credential.find(':');
  bool pair = colon != credential.npos && colon > 0 && colon + 1 < credential.size();
  bool formed = scheme == "key" ? pair : header.empty() || (scheme == "bearer" && !credential.empty());
  if (!formed)
    return std::unexpected(
        detail_reply(401, "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."));
  bool known = options.keys.empty() || std::ranges::count(options.keys, credential) > 0;
  if (!known || credential.starts_with("bad"))
    return std::unexpected(detail_reply(401, "No user found for Key ID and Secret"));
  caller.without_balance = credential.starts_with("broke");
  return caller;
}

awaitable<bool> pause(Service& service, Millis duration) {
  auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer(executor);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(duration);
  for (auto now = std::chrono::steady_clock::now(); now < end && !service.stopping;
       now = std::chrono::steady_clock::now()) {
    timer.expires_at(std::min(end, now + std::chrono::milliseconds(kPauseStep)));
    boost::system::error_code ignored;
    co_await timer.async_wait(boost::asio::redirect_error(use_awaitable, ignored));
  }
  co_return !service.stopping;
}

}  // namespace fluxgate::sandbox
