// What stands on standard error after an event.
#include <string>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "base/log.h"

namespace fluxgate {
namespace {

class Log : public testing::Test {
 protected:
  ~Log() override { log::configure(log::Level::info, log::Format::text); }

  static std::string written(log::Level level, std::string_view message) {
    testing::internal::CaptureStderr();
    log::write(level, message);
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(Log, WritesOneLineForEachEvent) {
  log::configure(log::Level::info, log::Format::text);
  std::string line = written(log::Level::warn, "tasks: upstream said\r\n2026-01-01T00:00:00 error forged");
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  EXPECT_EQ(line.find('\r'), std::string::npos) << line;
  EXPECT_NE(line.find("said\\u000d\\u000a2026"), std::string::npos) << line;
}

TEST_F(Log, LeavesWordsOfEveryLanguageAlone) {
  log::configure(log::Level::info, log::Format::text);
  std::string line = written(log::Level::info, R"(未找到 "C:\pictures" – 404)");
  EXPECT_NE(line.find(R"(未找到 "C:\pictures" – 404)"), std::string::npos) << line;
}

TEST_F(Log, WritesJsonThatReadsBackAsWritten) {
  log::configure(log::Level::info, log::Format::json);
  const std::string message = "a \"quoted\" \\ path\n\tand 中文\x01\x7f";
  auto event = boost::json::parse(written(log::Level::error, message)).as_object();
  EXPECT_EQ(event.at("message").as_string(), message);
  EXPECT_EQ(event.at("level").as_string(), "error");
  EXPECT_TRUE(std::string_view(event.at("time").as_string()).ends_with("Z"));
}

TEST_F(Log, IsSilentBelowItsLevel) {
  log::configure(log::Level::warn, log::Format::text);
  EXPECT_FALSE(log::enabled(log::Level::info));
  EXPECT_EQ(written(log::Level::info, "unheard"), "");
  log::configure(log::Level::off, log::Format::text);
  EXPECT_EQ(written(log::Level::error, "unheard"), "");
}

}  // namespace
}  // namespace fluxgate
