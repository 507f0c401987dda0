// Golden transcripts: golden/*.txt are scenarios (lines that begin with "> ") with everything the
// planner says to them. TRIREME_GOLDEN=write rewrites the files; review the difference.
//
//   > submit j1 maps 2 reduces 1 [attempts N] [priority N] [backup 0] [skip 1] [timeout MS]
//   > register w1 slots 2 [life N]      registered workers beat every 300 ms of `time` until
//   > silent w1                         they are made silent (`heard w1` undoes it) or `gone w1`
//   > time 3000                         lets time pass until then
//   > progress j1/map/0 0.5 [fetched]   of the task's last attempt; `j1/map/0@1`: of its second
//   > done | commit | killed j1/map/0
//   > fail j1/map/0 [at FILE OFFSET]
//   > fetch-failed j1/reduce/0 map 1 [corrupt]
//   > cancel j1
//   > restart                           from the journal

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "mapreduce/plan/describe.h"
#include "mapreduce/plan/planner.h"
#include "test_golden.h"

namespace trireme::mapreduce::plan {
namespace {

class Script {
 public:
  std::string Run(const std::string& text) {
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
      if (line.rfind("#", 0) == 0) absl::StrAppend(&out_, line, "\n");
      if (line.rfind("> ", 0) != 0) continue;
      absl::StrAppend(&out_, line, "\n");
      words_ = absl::StrSplit(line.substr(2), ' ', absl::SkipWhitespace());
      Command();
      Flush();
    }
    return out_;
  }

 private:
  struct Running {
    AttemptProgress said;
    WorkerRef worker;
    bool over = false;
  };

  void Command() {
    const std::string& verb = words_[0];
    if (verb == "time") return PassTime();
    if (verb == "restart") return Restart();
    if (verb == "silent") return void(workers_.at(Word(1)).silent = true);
    if (verb == "heard") return void(workers_.at(Word(1)).silent = false);
    if (verb == "submit") return Submit();
    if (verb == "register") return Register();
    if (verb == "cancel") return Step(JobCancelled{JobId{Number(Word(1).substr(1))}});
    if (verb == "gone") {
      Worker& worker = workers_.at(Word(1));
      worker.silent = true;
      return Step(WorkerGone{worker.ref});
    }
    Running& attempt = Find(Word(1));
    if (verb == "progress") {
      ASSERT_TRUE(absl::SimpleAtod(Word(2), &attempt.said.progress));
      attempt.said.inputs_fetched = Has("fetched");
      return;
    }
    OfAttempt(verb, attempt);
  }

  void OfAttempt(const std::string& verb, Running& attempt) {
    const AttemptRef ref = attempt.said.attempt;
    if (verb == "done") {
      attempt.over = true;
      Step(AttemptSucceeded{ref, attempt.worker, 100});
    } else if (verb == "commit") {
      Step(CommitRequested{ref, attempt.worker});
    } else if (verb == "killed" || verb == "fail") {
      attempt.over = true;
      const FailureKind kind = verb == "fail" ? FailureKind::kUserCode : FailureKind::kKilled;
      AttemptFailed failed{ref, attempt.worker, kind, "exit status 139", "last words"};
      if (Has("at")) failed.record = RecordPosition{After("at"), Number(words_.back())};
      Step(failed);
    } else if (verb == "fetch-failed") {
      const auto map = static_cast<std::uint32_t>(Number(After("map")));
      const auto output = planner_.FindMapOutput(ref.task.job, map);
      Step(FetchFailed{ref, attempt.worker, map, output ? output->attempt : AttemptId{},
                       Has("corrupt")});
    } else {
      ADD_FAILURE() << "no such command: " << verb;
    }
  }

  void Submit() {
    JobSubmitted submitted{JobId{Number(Word(1).substr(1))}};
    JobSpec& spec = submitted.spec;
    spec.maps = static_cast<std::uint32_t>(Number(After("maps")));
    spec.reduces = static_cast<std::uint32_t>(Number(After("reduces")));
    if (Has("attempts")) spec.max_attempts = static_cast<std::uint32_t>(Number(After("attempts")));
    if (Has("priority")) spec.priority = static_cast<std::int32_t>(Number(After("priority")));
    if (Has("timeout")) spec.task_timeout_ms = static_cast<TimeMs>(Number(After("timeout")));
    spec.backup_tasks = !Has("backup");
    spec.skip_bad_records = Has("skip");
    Step(submitted);
  }

  void Register() {
    Worker& worker = workers_[Word(1)];
    const Incarnation life{Has("life") ? Number(After("life")) : 1};
    worker = {{WorkerId{Number(Word(1).substr(1))}, life},
              static_cast<std::uint32_t>(Number(After("slots")))};
    Step(WorkerRegistered{worker.ref, worker.slots, "host", Listing(worker.ref)});
  }

  void PassTime() {
    const auto until = static_cast<TimeMs>(Number(Word(1)));
    while (now_ < until) {
      now_ += 100;
      for (const auto& [name, worker] : workers_) {
        if (worker.silent || now_ % 300 != 0) continue;
        const Outcome outcome =
            planner_.Step(now_, WorkerHeartbeat{worker.ref, worker.slots, Listing(worker.ref)});
        if (outcome != Outcome::kOk) Say(absl::StrCat(name, " beats: ", Name(outcome)));
        Flush();
      }
      planner_.Tick(now_);
      Flush();
    }
  }

  void Restart() {
    planner_ = Planner::Restore(journal_, now_);
    for (auto& [name, worker] : workers_) worker.silent = true;
  }

  std::vector<AttemptProgress> Listing(WorkerRef worker) const {
    std::vector<AttemptProgress> listing;
    for (const Running& attempt : attempts_) {
      if (attempt.worker == worker && !attempt.over) listing.push_back(attempt.said);
    }
    return listing;
  }

  void Step(const Event& event) {
    const Outcome outcome = planner_.Step(now_, event);
    if (outcome != Outcome::kOk) Say(absl::StrCat("= ", Name(outcome)));
  }

  void Flush() {
    const Output output = planner_.TakeOutput();
    for (const JournalRecord& record : output.records) {
      journal_.push_back(record);
      Say(absl::StrCat("journal: ", Describe(record)));
    }
    for (const Action& action : output.actions) {
      Say(Describe(action));
      if (const auto* assign = std::get_if<AssignAttempt>(&action)) {
        attempts_.push_back({{assign->attempt}, assign->worker});
      }
    }
  }

  void Say(const std::string& line) { absl::StrAppend(&out_, "    ", now_, " ", line, "\n"); }

  // "j1/map/0": the task's last attempt; "j1/map/0@0": its first.
  Running& Find(const std::string& name) {
    const std::vector<std::string> parts = absl::StrSplit(name, '@');
    std::vector<Running*> found;
    for (Running& attempt : attempts_) {
      if (Describe(attempt.said.attempt.task) == parts[0]) found.push_back(&attempt);
    }
    if (found.empty()) {
      ADD_FAILURE() << "no attempt of " << name;
      std::abort();
    }
    return parts.size() == 1 ? *found.back() : *found.at(Number(parts[1]));
  }

  const std::string& Word(std::size_t i) const { return words_.at(i); }
  bool Has(const std::string& word) const {
    return std::find(words_.begin(), words_.end(), word) != words_.end();
  }
  std::string After(const std::string& word) const {
    const auto found = std::find(words_.begin(), words_.end(), word);
    EXPECT_NE(found, words_.end()) << word;
    return found == words_.end() ? "0" : *(found + 1);
  }
  static std::uint64_t Number(const std::string& word) {
    std::uint64_t number = 0;
    EXPECT_TRUE(absl::SimpleAtoi(word, &number)) << word;
    return number;
  }

  struct Worker {
    WorkerRef ref;
    std::uint32_t slots = 1;
    bool silent = false;
  };

  Planner planner_;
  TimeMs now_ = 0;
  std::vector<std::string> words_;
  std::map<std::string, Worker> workers_;
  std::vector<Running> attempts_;
  std::vector<JournalRecord> journal_;
  std::string out_;
};

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, SaysWhatItSaid) {
  test::ExpectGolden(TRIREME_PLAN_GOLDEN, GetParam(),
                     [](const std::string& text) { return Script().Run(text); });
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Golden,
                         testing::ValuesIn(test::GoldenNames(TRIREME_PLAN_GOLDEN)),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace trireme::mapreduce::plan
