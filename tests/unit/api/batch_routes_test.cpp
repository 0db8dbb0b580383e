// What a batch says of itself when retention has taken a part of it.
#include "whole_api.h"

namespace fluxgate::api {
namespace {

constexpr const char* kKey = "11112222-3333-4444-5555-666677778888:0123456789abcdef0123456789abcdef";

class BatchRoutes : public WholeApiTest {};

TEST_F(BatchRoutes, WhatRetentionTookHasEndedAndIsCountedApart) {
  const auto ada = sign_up("ada@example.org");
  ASSERT_EQ(send("POST", "/api/v1/flux/config", ada.token, {{"api_key", kKey}}).status, 200);
  const boost::json::value body{{"request", {{"model", "fal-ai/flux-1/schnell"}, {"prompt", "a {red|blue|green} cat"}}}};
  const auto made = send("POST", "/api/v1/batches", ada.token, body);
  ASSERT_EQ(made.status, 200) << text(made);
  const std::string path = "/api/v1/batches/" + std::string(json(made).at("id").as_string());
  EXPECT_EQ(json(send("GET", path, ada.token)).at("removed"), 0);

  database_->write_now([](db::Tx& tx) {
    tx.exec("UPDATE fg_task SET status = 'cancelled'");
    tx.exec("UPDATE fg_batch SET ended_at = 1");
    tx.exec("DELETE FROM fg_task WHERE id = (SELECT MIN(id) FROM fg_task)");
  });
  const auto batch = json(send("GET", path, ada.token));
  EXPECT_EQ(batch.at("total"), 3);
  EXPECT_EQ(batch.at("counts").at("cancelled"), 2);
  EXPECT_EQ(batch.at("removed"), 1);
  EXPECT_EQ(batch.at("progress").to_number<double>(), 1);
}

}  // namespace
}  // namespace fluxgate::api
