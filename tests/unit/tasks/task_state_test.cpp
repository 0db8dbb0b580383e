#include "tasks/task_state.h"
#include "test_paths.h"

#include <fstream>
#include <regex>
#include <set>

#include <gtest/gtest.h>

namespace fluxgate::tasks {
namespace {

// The lines "a --> b" of the diagram in the documentation.
std::set<std::pair<std::string, std::string>> documented_moves() {
  std::ifstream page(FLUXGATE_SOURCE_DIR "/docs/architecture.md");
  std::string text((std::istreambuf_iterator<char>(page)), {});
  std::regex arrow(R"((\w+) --> (\w+))");
  std::set<std::pair<std::string, std::string>> moves;
  for (std::sregex_iterator it(text.begin(), text.end(), arrow), end; it != end; ++it)
    if (task_state((*it)[1].str()) && task_state((*it)[2].str())) moves.emplace((*it)[1], (*it)[2]);
  return moves;
}

TEST(TaskState, EveryPairIsInTheDocumentedTableOrRefused) {
  auto documented = documented_moves();
  for (TaskState from : kAllTaskStates)
    for (TaskState to : kAllTaskStates)
      EXPECT_EQ(can_move(from, to), documented.contains({std::string(name(from)), std::string(name(to))}))
          << name(from) << " -> " << name(to);
}

TEST(TaskState, NothingLeavesAnEnd) {
  for (TaskState from : kAllTaskStates)
    for (TaskState to : kAllTaskStates)
      if (is_final(from)) EXPECT_FALSE(can_move(from, to));
}

TEST(TaskState, EveryLiveStateReachesSuccessAndFailure) {
  for (TaskState target : {TaskState::succeeded, TaskState::failed}) {
    std::set<TaskState> reaching{target};
    for (std::size_t i = 0; i < kAllTaskStates.size(); ++i)
      for (const TaskMove& move : kTaskMoves)
        if (reaching.contains(move.to)) reaching.insert(move.from);
    for (TaskState state : kAllTaskStates)
      if (!is_final(state)) EXPECT_TRUE(reaching.contains(state)) << name(state);
  }
}

TEST(TaskState, NamesReadBack) {
  for (TaskState state : kAllTaskStates) EXPECT_EQ(task_state(name(state)), state);
  EXPECT_FALSE(task_state("SUCCESS"));
}

}  // namespace
}  // namespace fluxgate::tasks
