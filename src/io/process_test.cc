#include "io/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace trireme::io {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// Everything until nobody holds the writing end any more.
std::string ReadToEnd(Fd fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd.get(), buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(n));
  return all;
}

SpawnOptions Shell(const std::string& script) {
  SpawnOptions options;
  options.program = "/bin/sh";
  options.argv = {"sh", "-c", script};
  return options;
}

ExitStatus RunShell(const std::string& script) {
  auto process = Process::Spawn(Shell(script));
  EXPECT_TRUE(process.ok()) << process.status();
  return process->Wait();
}

std::string OutputOf(SpawnOptions options) {
  auto pipe = *MakePipe();
  options.stdout_fd = pipe.write.get();
  auto process = Process::Spawn(options);
  EXPECT_TRUE(process.ok()) << process.status();
  pipe.write.Reset();
  std::string output = ReadToEnd(std::move(pipe.read));
  EXPECT_TRUE(process->Wait().ok());
  return output;
}

TEST(ProcessTest, SaysHowItEnded) {
  EXPECT_TRUE(RunShell("exit 0").ok());
  const ExitStatus three = RunShell("exit 3");
  EXPECT_FALSE(three.ok());
  EXPECT_EQ(three.Describe(), "exited with status 3");
  const ExitStatus killed = RunShell("kill -SEGV $$");
  EXPECT_EQ(killed.signal, SIGSEGV);
  EXPECT_EQ(killed.Describe(), "was killed by signal 11 (Segmentation fault)");
}

TEST(ProcessTest, AProgramThatIsNotThereIsNamed) {
  SpawnOptions options = Shell("");
  options.program = "/nowhere/at/all";
  const auto process = Process::Spawn(options);
  ASSERT_FALSE(process.ok());
  EXPECT_THAT(std::string(process.status().message()), HasSubstr("/nowhere/at/all"));
}

TEST(ProcessTest, GetsTheEnvironmentItIsGivenAndNoOther) {
  ::setenv("TRIREME_PROCESS_TEST", "leaked", 1);
  SpawnOptions options = Shell("echo $ONE-$TRIREME_PROCESS_TEST");
  options.environment = {"ONE=1"};
  EXPECT_EQ(OutputOf(options), "1-\n");
  options.environment = CurrentEnvironment();
  EXPECT_EQ(OutputOf(options), "-leaked\n");
}

TEST(ProcessTest, InheritedDescriptorsAreInOrderAlsoWhenTheyAreInEachOthersPlaces) {
  auto first = *MakePipe(), second = *MakePipe();
  SpawnOptions options = Shell("echo first >&3; echo second >&4");
  // Whatever numbers they have here, the child's are 3 and 4.
  options.inherited = {first.write.get(), second.write.get()};
  if (first.write.get() < second.write.get()) std::swap(options.inherited[0], options.inherited[1]);
  const bool swapped = options.inherited[0] != first.write.get();
  auto process = *Process::Spawn(options);
  first.write.Reset();
  second.write.Reset();
  EXPECT_EQ(ReadToEnd(std::move(first.read)), swapped ? "second\n" : "first\n");
  EXPECT_EQ(ReadToEnd(std::move(second.read)), swapped ? "first\n" : "second\n");
  EXPECT_TRUE(process.Wait().ok());
}

TEST(ProcessTest, InheritsNoPipeOrSocketOfOurs) {
  const auto pipe = *MakePipe();
  const auto sockets = *MakeSocketPair();
  SpawnOptions list = Shell("for fd in /proc/$$/fd/*; do readlink $fd; done; true");
  list.environment = {"PATH=/usr/bin:/bin"};
  const std::string open = OutputOf(list);
  EXPECT_THAT(open, HasSubstr("pipe:["));  // its standard output
  for (int fd : {pipe.read.get(), pipe.write.get(), sockets.first.get(), sockets.second.get()}) {
    struct stat status;
    ASSERT_EQ(::fstat(fd, &status), 0);
    EXPECT_THAT(open, Not(HasSubstr(":[" + std::to_string(status.st_ino) + "]")));
  }
}

TEST(ProcessTest, ABlockedSignalOfOursIsNotBlockedInTheChild) {
  sigset_t term, before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, &before);
  const ExitStatus exit = RunShell("kill -TERM $$; exit 1");
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, &before, &after);
  EXPECT_EQ(exit.signal, SIGTERM);
  EXPECT_EQ(sigismember(&after, SIGTERM), 1) << "Spawn left the mask as it was";
}

TEST(ProcessTest, TryWaitDoesNotWait) {
  auto pipe = *MakePipe();
  SpawnOptions options = Shell("read line; exit 5");
  options.stdin_fd = pipe.read.get();
  auto process = *Process::Spawn(options);
  EXPECT_FALSE(process.TryWait().has_value());
  EXPECT_TRUE(process.running());
  pipe.write.Reset();
  std::optional<ExitStatus> exit;
  while (!(exit = process.TryWait())) ::poll(nullptr, 0, 1);
  EXPECT_EQ(exit->code, 5);
  EXPECT_FALSE(process.running());
}

/// A shell and a child of its that would outlive it, both with the pipe's end.
Process SpawnFamily(const Pipe& pipe) {
  SpawnOptions options = Shell("sleep 1000 & echo started; wait");
  options.stdout_fd = pipe.write.get();
  auto process = Process::Spawn(options);
  EXPECT_TRUE(process.ok());
  char started[8];
  EXPECT_EQ(::read(pipe.read.get(), started, sizeof started), 8);
  return *std::move(process);
}

TEST(ProcessTest, WhoeverIsLeftInItsGroupDiesWithIt) {
  auto pipe = *MakePipe();
  Process process = SpawnFamily(pipe);
  pipe.write.Reset();
  ::kill(process.pid(), SIGKILL);  // the shell alone
  EXPECT_EQ(process.Wait().signal, SIGKILL);
  EXPECT_EQ(ReadToEnd(std::move(pipe.read)), "");  // or this would never end
}

TEST(ProcessTest, ADestroyedOneIsKilledWithItsGroup) {
  auto pipe = *MakePipe();
  {
    Process process = SpawnFamily(pipe);
    Process other = std::move(process);
    EXPECT_FALSE(process.running());  // NOLINT: moved from
    EXPECT_TRUE(other.running());
  }
  pipe.write.Reset();
  EXPECT_EQ(ReadToEnd(std::move(pipe.read)), "");
}

TEST(ProcessTest, MemoryOfATreeIsThatOfAllInIt) {
  EXPECT_EQ(PrivateMemoryOfTree(0x7fffffff), 0u);
  const std::size_t bytes = 32u << 20;
  const std::uint64_t before = PrivateMemoryOfTree(::getpid());
  std::string ballast(bytes, 'x');
  EXPECT_GE(PrivateMemoryOfTree(::getpid()), before + bytes / 2);
  // From its parent's side a child's memory counts too.
  EXPECT_GE(PrivateMemoryOfTree(::getppid()), bytes / 2);
  EXPECT_EQ(ballast.back(), 'x');
}

TEST(PipeTest, IsAsLargeAsAskedForOrAtLeastAPipe) {
  const auto pipe = *MakePipe(1u << 20);
  EXPECT_GE(::fcntl(pipe.write.get(), F_GETPIPE_SZ), 4096);
  ASSERT_TRUE(SetNonblocking(pipe.read.get()).ok());
  char byte;
  EXPECT_EQ(::read(pipe.read.get(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_FALSE(SetNonblocking(-1).ok());
}

}  // namespace
}  // namespace trireme::io
