// A replicated counter, whole. Three of it:
//   raft_counter 1 /tmp/c1 1=127.0.0.1:7101 2=127.0.0.1:7102 3=127.0.0.1:7103     and so on for 2,
//   3
// On standard input: `open` gives a session; `add SESSION N 5` adds 5, once, however often it is
// said with the same N; `get` reads. Each answers with one line.
#include <trireme/raft.h>
#include <trireme/raft/sessions.h>

#include <iostream>
#include <sstream>

using namespace trireme;  // NOLINT

class Counter final : public raft::StateMachine {
  void Apply(std::span<const raft::Entry> commands, std::span<std::string> results) override {
    for (std::size_t i = 0; i < commands.size(); ++i) {
      results[i] = std::to_string(sum_ += std::stoll("0" + std::string(commands[i].data.view())));
    }
  }
  raft::SnapshotWork Capture() override {
    return [sum = sum_](raft::SnapshotSink& to) { return to.Append(std::to_string(sum)); };
  }
  absl::Status Restore(raft::SnapshotSource& from) override {
    const auto bytes = from.Read();
    if (bytes.ok()) sum_ = std::stoll(std::string(bytes->view()));
    return bytes.status();
  }
  absl::StatusOr<std::string> Query(std::string_view) override { return std::to_string(sum_); }
  long long sum_ = 0;
};

int main(int argc, char** argv) {
  if (argc < 4) return std::cerr << "usage: raft_counter ID DIRECTORY ID=HOST:PORT...\n", 2;
  raft::NodeOptions options{.node = {std::stoull(argv[1])}, .directory = argv[2]};
  for (const std::string member : std::span(argv + 3, argv + argc)) {
    options.members.push_back({{std::stoull(member)}, member.substr(member.find('=') + 1)});
    if (options.members.back().id == options.node) options.listen = options.members.back().address;
  }
  Counter counter;
  raft::Sessions machine(&counter);
  const auto node = raft::Node::Start(options, &machine);
  if (!node.ok()) return std::cerr << node.status() << "\n", 1;
  const auto ask = [&](const std::string& line) -> absl::StatusOr<std::string> {
    constexpr std::chrono::seconds kPatience(5);
    std::string verb, number;
    std::uint64_t session = 0, sequence = 0;
    std::istringstream(line) >> verb >> session >> sequence >> number;
    if (verb == "get") return (*node)->replica().QueryAndWait("", kPatience);
    const auto command = verb == "open" ? raft::Sessions::Open()
                                        : raft::Sessions::Command(session, sequence, number);
    const auto done = (*node)->replica().ProposeAndWait(command, kPatience);
    if (done.state != raft::ProposalState::kCommitted) return done.status;
    if (verb != "open") return raft::Sessions::CommandResult(done.result);
    return std::to_string(*raft::Sessions::OpenResult(done.result));
  };
  for (std::string line; std::getline(std::cin, line);) {
    const auto answer = ask(line);
    std::cout << (answer.ok() ? "is " + *answer : "no " + answer.status().ToString()) << std::endl;
  }
}
