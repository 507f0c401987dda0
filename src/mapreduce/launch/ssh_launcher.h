#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "io/process.h"
#include "mapreduce/launch/hosts.h"
#include "mapreduce/launch/launcher.h"

namespace trireme::mapreduce::launch {

/// How long ssh tries to connect, in seconds.
inline constexpr int kSshConnectSeconds = 10;
/// A connection on which the host is silent for about three times as long is given up, in seconds.
inline constexpr int kSshAliveSeconds = 5;
/// A worker that had begun and whose session ended is started again after this time, so often.
inline constexpr std::int64_t kSshRestartDelayMs = 5'000;
inline constexpr int kSshRestartsMax = 3;
/// How long sessions may take to end once they were told to; then they are killed.
inline constexpr std::int64_t kSshStopPatienceMs = 10'000;
/// What a worker prints as one line; the rest of a longer one is a line of its own.
inline constexpr std::size_t kSshLineBytesMax = 16u << 10;

struct SshOptions {
  std::vector<Host> hosts;
  std::vector<std::string> arguments;  ///< more of ssh's own
  std::string log_path;                ///< gets what the workers print, each line after its host
  WorkerCommand command;
  Notice notice;
};

/// A worker on each host, started by ssh. A worker lives for as long as its standard input is open,
/// which is for as long as its session is: nothing is left behind when this process is killed.
class SshLauncher final : public Launcher {
 public:
  explicit SshLauncher(SshOptions options) : options_(std::move(options)) {}
  ~SshLauncher() override { Stop(); }

  absl::Status Start() override;
  absl::Status Check() override;
  void Stop() override;

 private:
  struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct Session {
    Host host;
    io::Process process;
    io::Fd input, output;
    std::string line;       ///< begun
    std::string last_line;  ///< that said anything
    bool begun = false;     ///< the worker has said where it serves
    int restarts = 0;
    std::int64_t restart_ms = 0;  ///< when; 0: not
  };

  absl::Status Connect(Session& session);
  void Look(Session& session, std::int64_t now_ms);
  void ReadOutput(Session& session);
  void TakeLines(Session& session, bool all);
  void WriteLine(Session& session, std::string_view line);
  void OnEnd(Session& session, const io::ExitStatus& status, std::int64_t now_ms);
  bool AnyRunning();

  const SshOptions options_;
  std::string ssh_;  // the program's path
  std::unique_ptr<std::FILE, FileCloser> log_;
  std::vector<Session> sessions_;
  std::string first_failure_;
  bool stopping_ = false;
};

}  // namespace trireme::mapreduce::launch
