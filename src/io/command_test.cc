#include "io/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <string>

namespace trireme::io {
namespace {

using ::testing::HasSubstr;

/// Takes output in pieces of `step` bytes (0: all), and leaves the rest for later.
class Gatherer final : public Command::Listener {
 public:
  absl::StatusOr<std::size_t> OnOutput(std::string_view bytes) override {
    if (!fail.ok()) return fail;
    const std::size_t used = step == 0 ? bytes.size() : bytes.size() / step * step;
    output.append(bytes.substr(0, used));
    return used;
  }
  absl::Status OnOutputEnd(std::string_view rest) override {
    output.append(rest);
    ++ends;
    return absl::OkStatus();
  }
  void OnError(std::string_view bytes) override { errors.append(bytes); }

  std::size_t step = 0;
  absl::Status fail;
  std::string output, errors;
  int ends = 0;
};

class CommandTest : public testing::Test {
 protected:
  CommandTest() { std::signal(SIGPIPE, SIG_IGN); }

  std::unique_ptr<Command> Start(const std::string& script) {
    options.command = script;
    options.environment = {"PATH=/usr/bin:/bin", "WORD=from the environment"};
    auto command = Command::Start(options, &listener);
    EXPECT_TRUE(command.ok()) << command.status();
    return *std::move(command);
  }
  absl::Status RunCommand(const std::string& script, std::string_view input = {}) {
    auto command = Start(script);
    if (absl::Status wrote = command->Write(input); !wrote.ok()) return wrote;
    return command->Finish();
  }

  Command::Options options;
  Gatherer listener;
};

TEST_F(CommandTest, OutputAndErrorsAreApart) {
  ASSERT_TRUE(RunCommand("cat; echo \"$WORD\" >&2", "in and out").ok());
  EXPECT_EQ(listener.output, "in and out");
  EXPECT_EQ(listener.errors, "from the environment\n");
  EXPECT_EQ(listener.ends, 1);
}

TEST_F(CommandTest, MoreThanThePipesHoldPassesThroughWithoutDeadlock) {
  const std::string much(5 * kCommandPipeBytes + 1, 'm');
  ASSERT_TRUE(RunCommand("cat", much).ok());
  EXPECT_EQ(listener.output, much);
}

TEST_F(CommandTest, UnusedOutputComesAgainAtTheFrontOfMore) {
  listener.step = 7;
  std::string numbers;
  for (int i = 0; i < 300'000; ++i) numbers += std::to_string(i);
  ASSERT_TRUE(RunCommand("cat", numbers).ok());
  EXPECT_EQ(listener.output, numbers);
}

TEST_F(CommandTest, OneUnusedPieceMayOutgrowTheBuffer) {
  listener.step = 3 * kCommandPipeBytes;
  const std::string much(3 * kCommandPipeBytes + 5, 'm');
  ASSERT_TRUE(RunCommand("cat", much).ok());
  EXPECT_EQ(listener.output.size(), much.size());
}

TEST_F(CommandTest, ACommandThatDoesNotReadIsNoError) {
  auto command = Start("exec <&-; echo done");
  const std::string much(4 * kCommandPipeBytes, 'm');
  while (!command->input_closed()) ASSERT_TRUE(command->Write(much).ok());
  EXPECT_TRUE(command->Write("nowhere").ok());
  EXPECT_TRUE(command->Finish().ok());
  EXPECT_EQ(listener.output, "done\n");
}

TEST_F(CommandTest, AFailureNamesTheCommandAndItsStatus) {
  const absl::Status status = RunCommand("echo why >&2; exit 3");
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("exit 3` exited with status 3"));
  EXPECT_EQ(listener.errors, "why\n");
}

TEST_F(CommandTest, OneThatIsNotFoundFails) {
  EXPECT_THAT(std::string(RunCommand("/nowhere/at/all").message()), HasSubstr("status 127"));
}

TEST_F(CommandTest, TheListenersErrorEndsIt) {
  listener.fail = absl::DataLossError("not what I wanted");
  EXPECT_EQ(RunCommand("echo x; sleep 1000"), listener.fail);
}

TEST_F(CommandTest, ACancelledOneIsKilled) {
  std::atomic<bool> cancelled{false};
  options.cancelled = &cancelled;
  auto command = Start("sleep 1000");
  ASSERT_TRUE(command->Write("x").ok());
  cancelled = true;
  EXPECT_TRUE(absl::IsCancelled(command->Finish()));
}

TEST_F(CommandTest, OneThatTakesTooMuchMemoryIsKilledAndToldSo) {
  options.memory_bytes = 64u << 20;
  // A shell variable of 256 MiB, held for as long as the input is open.
  const absl::Status status =
      RunCommand("x=$(head -c 268435456 /dev/zero | tr '\\0' x); sleep 1000");
  EXPECT_TRUE(absl::IsAborted(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("a slot may use 64 MiB"));
}

}  // namespace
}  // namespace trireme::io
