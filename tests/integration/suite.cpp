#include "suite.h"

#include <atomic>

#include <fmt/format.h>
#include <zlib.h>

#include "base/crypto.h"

namespace fluxgate::integration {
namespace {

namespace json = boost::json;

class Suite final : public testing::Environment {
 public:
  void SetUp() override {
    crypto::initialise();
    server_ = std::make_unique<ServerProcess>(
        folder_.path(), std::vector<std::string>{"--sandbox", "--sandbox-tiny", "--sandbox-latency", "0"},
        ServerProcess::Environment{{"DEFAULT_USER_ROLE", "user"}, {"CREDIT_DEFAULT_CREDIT", "100"}});
    server_->start();
    contract_ =
        std::make_unique<Contract>(Client(server_->base_url(), nullptr).get("/api/openapi.json").json());
    client_ = std::make_unique<Client>(server_->base_url(), contract_.get());
    onboarding_ = client_->get("/api/config").json().at("onboarding") == json::value(true);
    admin_ = sign_up("admin@example.org");
  }
  void TearDown() override {
    EXPECT_TRUE(onboarding_) << "an empty server must say that nobody has signed up";
    const auto verified = run_program({"db", "verify", "--data-dir", folder_.path().string()});
    EXPECT_EQ(verified.exit_code, 0) << verified.output;
    EXPECT_EQ(server_->stop(), 0) << server_->log();
    const auto& whole = *testing::UnitTest::GetInstance();
    if (whole.test_to_run_count() != whole.total_test_count() || whole.Failed()) return;
    for (const std::string& what : contract_->unseen()) ADD_FAILURE() << "never exercised: " << what;
  }

  Person sign_up(const std::string& email) {
    const Answer answer = client_->post("/api/v1/auths/signup", "",
                                        {{"name", "Somebody"}, {"email", email}, {"password", kPassword}});
    if (answer.status != 200) throw std::runtime_error("sign-up: " + answer.body);
    const json::value body = answer.json();
    return {std::string(body.at("id").as_string()), email, std::string(body.at("token").as_string())};
  }

  TempFolder folder_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<Contract> contract_;
  std::unique_ptr<Client> client_;
  Person admin_;
  bool onboarding_ = false;
};

Suite* const suite = [] {
  auto* made = new Suite;  // owned by GoogleTest
  testing::AddGlobalTestEnvironment(made);
  return made;
}();

void append_u32(std::string& out, std::uint32_t n) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(n >> shift);
}

// PNG 1.2 §3.2: length, type, data, CRC of type and data.
void append_chunk(std::string& out, std::string_view type, const std::string& data) {
  append_u32(out, static_cast<std::uint32_t>(data.size()));
  std::string body(type);
  body += data;
  out += body;
  append_u32(out, static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(body.data()),
                                                     static_cast<uInt>(body.size()))));
}

std::string png_with(int width, int height, const std::string& extra_chunk) {
  std::string rows;
  for (int y = 0; y < height; ++y) {
    rows += '\0';  // filter: none
    for (int x = 0; x < width; ++x) {
      rows += static_cast<char>(x * 255 / width);
      rows += static_cast<char>(y * 255 / height);
      rows += static_cast<char>((x * y) % 256);
    }
  }
  uLongf size = compressBound(rows.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
           rows.size());
  packed.resize(size);

  std::string header;
  append_u32(header, static_cast<std::uint32_t>(width));
  append_u32(header, static_cast<std::uint32_t>(height));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // eight bits, RGB
  std::string out("\x89PNG\r\n\x1a\n", 8);
  append_chunk(out, "IHDR", header);
  if (!extra_chunk.empty()) append_chunk(out, "teSt", extra_chunk);  // ancillary, private, safe to copy
  append_chunk(out, "IDAT", packed);
  append_chunk(out, "IEND", "");
  return out;
}

}  // namespace

const Client& api() { return *suite->client_; }
Contract& contract() { return *suite->contract_; }
const std::filesystem::path& data_folder() { return suite->folder_.path(); }
const Person& admin() { return suite->admin_; }

Person somebody(const std::string& role) {
  static int count = 0;
  const Person person = suite->sign_up(fmt::format("user{}@example.org", ++count));
  if (role == "user") return person;
  const Answer changed = api().post(
      fmt::format("/api/v1/users/{}/update", person.id), admin().token,
      {{"role", role}, {"name", "Somebody"}, {"email", person.email}, {"profile_image_url", "/user.png"}});
  EXPECT_EQ(changed.status, 200) << changed.body;
  // A change of role ends tokens.
  const Answer again =
      api().post("/api/v1/auths/signin", "", {{"email", person.email}, {"password", kPassword}});
  EXPECT_EQ(again.status, 200) << again.body;
  return {person.id, person.email, std::string(again.json().at("token").as_string())};
}

void set_credit(const Person& person, double credit) {
  EXPECT_EQ(api()
                .put(fmt::format("/api/v1/users/{}/credit", person.id), admin().token, {{"credit", credit}})
                .status,
            204);
}

double balance(const Person& person) {
  return api().get("/api/v1/flux/credits", person.token).json().at("credits_balance").to_number<double>();
}

json::object text_body(std::string prompt) { return {{"model", kModel}, {"prompt", std::move(prompt)}}; }

std::string submit(const Person& person, json::object body, const std::string& endpoint) {
  const Answer answer = api().post("/api/v1/flux/" + endpoint, person.token, std::move(body));
  EXPECT_EQ(answer.status, 200) << answer.body;
  if (answer.status != 200) return "";
  return std::string(answer.json().at("id").as_string());
}

json::object ended(const Client& client, const Person& person, const std::string& id) {
  json::object task;
  const bool over = eventually([&] {
    const Answer answer = client.get("/api/v1/flux/task/" + id, person.token);
    if (answer.status != 200) return false;
    task = answer.json().as_object();
    return task.at("status") == "SUCCESS" || task.at("status") == "FAILED" ||
           task.at("status") == "CANCELLED";
  });
  EXPECT_TRUE(over) << "the task did not end: " << json::serialize(task);
  return task;
}

json::object ended(const Person& person, const std::string& id) { return ended(api(), person, id); }

std::string png(int width, int height) { return png_with(width, height, ""); }

std::string png_of_bytes(std::size_t bytes) {
  constexpr std::size_t kFrame = 12;  // of a chunk
  const std::size_t plain = png_with(64, 64, "").size();
  return png_with(64, 64, std::string(bytes - plain - kFrame, 'x'));
}

std::string uploaded(const Person& person) {
  const Answer answer = api().send({.method = "POST",
                                    .path = "/api/v1/flux/upload-image",
                                    .token = person.token,
                                    .parts = {{"file", "a.png", png(300, 300), "image/png"}}});
  EXPECT_EQ(answer.status, 200) << answer.body;
  return answer.status == 200 ? std::string(answer.json().at("url").as_string()) : "";
}

std::string first_loc(const Answer& answer) {
  const json::value body = answer.json();
  const auto* object = body.if_object();
  const auto* detail = object != nullptr ? object->if_contains("detail") : nullptr;
  if (detail == nullptr || !detail->is_array()) return "";
  std::string text;
  for (const auto& part : detail->as_array().at(0).at("loc").as_array()) {
    if (!text.empty()) text += '/';
    text += part.is_string() ? std::string(part.as_string()) : json::serialize(part);
  }
  return text;
}

}  // namespace fluxgate::integration
