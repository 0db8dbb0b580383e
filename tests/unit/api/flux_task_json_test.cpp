#include "api/flux_task_json.h"

#include <gtest/gtest.h>

#include "api/flux_words.h"

namespace fluxgate::api {
namespace {

namespace json = boost::json;
using tasks::TaskState;
using tasks::TaskView;

TEST(FluxWords, EveryStateHasTheWordOfTheOriginal) {
  const std::map<TaskState, std::string> words = {
      {TaskState::queued, "PENDING"},      {TaskState::submitting, "PENDING"},
      {TaskState::unknown, "PENDING"},     {TaskState::running, "IN_QUEUE"},
      {TaskState::storing, "IN_PROGRESS"}, {TaskState::succeeded, "SUCCESS"},
      {TaskState::failed, "FAILED"},       {TaskState::cancelled, "CANCELLED"}};
  for (TaskState state : tasks::kAllTaskStates)
    EXPECT_EQ(flux_word(state, false), words.at(state)) << tasks::name(state);
  EXPECT_EQ(flux_word(TaskState::running, true), "IN_PROGRESS");
}

TEST(FluxWords, AFilterFindsEveryStateThatMayShowItsWord) {
  EXPECT_EQ(states_of_flux_word("PENDING"),
            (std::vector{TaskState::queued, TaskState::submitting, TaskState::unknown}));
  EXPECT_EQ(states_of_flux_word("IN_QUEUE"), std::vector{TaskState::running});
  EXPECT_EQ(states_of_flux_word("IN_PROGRESS"), (std::vector{TaskState::running, TaskState::storing}));
  EXPECT_EQ(states_of_flux_word("SUCCESS"), std::vector{TaskState::succeeded});
  for (const char* word : {"success", "", "SUCCEEDED", "queued"})
    EXPECT_FALSE(states_of_flux_word(word)) << word;
}

class FluxTaskJson : public testing::Test {
 protected:
  FluxTaskJson() {
    files::Options options;
    options.directory = testing::TempDir() + "flux-task-json";
    options.link_secret = std::string(32, 'k');
    files_ = files::make_files(options, system_clock());
    view_.task.id = "t1";
    view_.task.model = "fal-ai/flux-1/dev";
    view_.task.endpoint = "text_to_image";
    view_.task.prompt = "a cat";
    view_.task.quote = Credits::whole(20);
    view_.task.created_at = view_.task.updated_at = 1'790'000'000'123;
  }
  json::object show(Language language = Language::en, std::string prefix = "") const {
    return flux_task_json(view_, {*files_, std::move(prefix), 1'790'000'000'123, language});
  }

  std::unique_ptr<files::Files> files_;
  TaskView view_;
};

TEST_F(FluxTaskJson, ShowsTheMembersOfTheOriginalFirst) {
  const json::object body = show();
  std::string names;
  for (const auto& [name, value] : body) names += std::string(name) + " ";
  EXPECT_TRUE(names.starts_with(
      "id status model task_type prompt image_url cloud_image_url queue_position generation_time "
      "error_message created_at updated_at completed_at "))
      << names;
  EXPECT_EQ(body.at("created_at"), "2026-09-21T14:13:20.123000");
  EXPECT_TRUE(body.at("image_url").is_null());
  EXPECT_EQ(body.at("cost"), (json::value{{"quote", 20.0}, {"charged", 0.0}, {"currency", "credits"}}));
}

TEST_F(FluxTaskJson, ShowsEveryImageAndTheFirstTwiceAsTheOriginalDid) {
  view_.task.state = TaskState::succeeded;
  view_.files = {{.position = 0,
                  .file_id = "f0",
                  .name = "a.png",
                  .mime = "image/png",
                  .seed = "7",
                  .sha256 = "aa",
                  .size = 3,
                  .width = 4,
                  .height = 5},
                 {.position = 1, .file_id = "f1", .name = "b.png", .mime = "image/png", .flagged = true}};
  const json::object body = show(Language::en, "https://flux.example");
  ASSERT_EQ(body.at("images").as_array().size(), 2u);
  const json::object& first = body.at("images").at(0).as_object();
  EXPECT_TRUE(first.at("url").as_string().starts_with("https://flux.example/files/f0/a.png?e="));
  EXPECT_EQ(first.at("thumbnail_url").as_string(), std::string(first.at("url").as_string()) + "&w=640");
  EXPECT_EQ(first.at("seed"), 7);
  EXPECT_EQ(body.at("image_url"), first.at("url"));
  EXPECT_EQ(body.at("cloud_image_url"), first.at("url"));
  EXPECT_TRUE(body.at("images").at(1).at("width").is_null());
  EXPECT_EQ(body.at("images").at(1).at("flagged"), true);
  EXPECT_EQ(body.at("progress"), 1.0);
}

TEST_F(FluxTaskJson, SaysOfADeletedImageThatItIsGoneAndGivesNoLinkToIt) {
  view_.task.state = TaskState::succeeded;
  view_.files = {{.position = 0, .file_id = "f0", .name = "a.png", .mime = "image/png", .deleted = true, .width = 4},
                 {.position = 1, .file_id = "f1", .name = "b.png", .mime = "image/png"}};
  json::object body = show();
  const json::object& gone = body.at("images").at(0).as_object();
  EXPECT_EQ(gone.at("deleted"), true);
  EXPECT_TRUE(gone.at("url").is_null());
  EXPECT_TRUE(gone.at("thumbnail_url").is_null());
  EXPECT_EQ(gone.at("file_id"), "f0") << "what it was is still told";
  EXPECT_EQ(gone.at("width"), 4);
  const json::object& left = body.at("images").at(1).as_object();
  EXPECT_EQ(left.at("deleted"), false);
  EXPECT_EQ(body.at("image_url"), left.at("url")) << "the first that is still there";
  view_.files[1].deleted = true;
  body = show();
  EXPECT_TRUE(body.at("image_url").is_null());
  EXPECT_TRUE(body.at("cloud_image_url").is_null());
}

TEST_F(FluxTaskJson, OffersACancelOnlyWhileOneMakesSense) {
  EXPECT_EQ(show().at("actions"), (json::array{"cancel"}));
  view_.task.cancel_requested_at = 5;
  EXPECT_EQ(show().at("actions"), json::array{});
  view_.task.cancel_requested_at.reset();
  for (TaskState state : {TaskState::succeeded, TaskState::failed, TaskState::cancelled}) {
    view_.task.state = state;
    EXPECT_EQ(show().at("actions"), json::array{}) << tasks::name(state);
  }
}

TEST_F(FluxTaskJson, SaysInTheCallersLanguageWhyATaskFailed) {
  view_.task.state = TaskState::failed;
  view_.task.error_code = "content_policy";
  view_.task.error_param = "prompt";
  view_.task.error_message = {"Refused.", "被拒绝。"};
  EXPECT_EQ(show().at("error_message"), "Refused.");
  EXPECT_EQ(show(Language::zh).at("error"),
            (json::value{{"code", "content_policy"}, {"param", "prompt"}, {"message", "被拒绝。"}}));
}

TEST_F(FluxTaskJson, HidesAStalePlaceInTheQueueOnceItHasEnded) {
  view_.progress.queue_position = 3;
  EXPECT_EQ(show().at("queue_position"), 3);
  view_.task.state = TaskState::cancelled;
  EXPECT_TRUE(show().at("queue_position").is_null());
}

TEST(SeedJson, IsANumberWhereEveryReaderKeepsItExact) {
  EXPECT_EQ(seed_json("9007199254740992"), json::value(9007199254740992));
  EXPECT_EQ(seed_json("9007199254740993"), json::value("9007199254740993"));
  EXPECT_EQ(seed_json("18446744073709551615"), json::value("18446744073709551615"));
  EXPECT_EQ(seed_json("abc"), json::value("abc"));
  EXPECT_TRUE(seed_json("").is_null());
}

}  // namespace
}  // namespace fluxgate::api
