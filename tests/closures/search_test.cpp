// A search of the history looks through it in parts, on both engines.
#include <sstream>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "base/ids.h"
#include "old_tasks.h"

namespace fluxgate::closures {
namespace {

using Search = OldTasks;

TEST_P(Search, ASearchFindsWordsAnywhereAtAnyDepth) {
  const Person ann = house.sign_up("ann@example.org"), bob = house.sign_up("bob@example.org");
  const std::string first = submitted(ann);
  const Millis began = now();
  // History of thousands, as one statement.
  house.write([&](db::Tx& tx) {
    for (int i = 0; i < 2'500; ++i)
      tx.exec("INSERT INTO fg_task (id, user_id, provider, endpoint, model, status, prompt, params, quote, quote_rev, created_at, updated_at, legacy_id) "
              "VALUES ($1, $2, 'flux', 'text_to_image', 'm', 'failed', $3, '{}', 0, 1, $4, $4, $1)",
              {new_id(began + 1 + i), ann.id, fmt::format("{} {}", i == 700 ? "A 50%_off Lighthouse, 灯塔" : "a crane", i), began + 1 + i});
    tx.exec("INSERT INTO fg_user_counter (user_id, provider, status, n) VALUES ($1, 'flux', 'failed', 2500)", {ann.id});
  });
  const auto search = [&](const std::string& query, const Person& person) {
    std::pair<std::vector<std::string>, int> found;  // ids, pages
    std::string cursor;
    do {
      const auto answer = house.read([&](db::Tx& tx) {
        tasks::HistoryQuery asked{.user_id = person.id, .provider = "flux", .cursor = cursor, .words = {}};
        std::istringstream words(query);
        for (std::string word; words >> word;) asked.words.push_back(word);
        return tasks::store::history(tx, asked);
      });
      for (const auto& task : answer.tasks) found.first.push_back(task.id);
      ++found.second;
      cursor = answer.next_cursor;
    } while (!cursor.empty());
    return found;
  };
  for (const char* words : {"lighthouse", "LIGHT house", "灯塔", "50%_off", "a 灯 light %_"}) {
    const auto [ids, pages] = search(words, ann);
    EXPECT_EQ(ids.size(), 1u) << words;
    EXPECT_EQ(pages, 3) << "1 000 are looked through at a time";
  }
  EXPECT_TRUE(search("5_%_off", ann).first.empty()) << "signs of patterns are signs";
  EXPECT_EQ(search("boat", ann).first, std::vector{first});
  EXPECT_TRUE(search("lighthouse", bob).first.empty());
  const auto within = [&](Millis from, Millis to) {
    return house.read([&](db::Tx& tx) {
      return tasks::store::history(tx, {.user_id = ann.id, .provider = "flux", .limit = 100, .from = from, .to = to}).tasks.size();
    });
  };
  EXPECT_EQ(within(began + 11, began + 21), 10u) << "from is in, to is not";
  EXPECT_EQ(within(began + 2'500, 0), 1u);
  EXPECT_EQ(within(began + 2'501, 0), 0u);
}

FLUX_ON_BOTH_ENGINES(Search);

}  // namespace
}  // namespace fluxgate::closures
