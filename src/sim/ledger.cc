#include "sim/ledger.h"

#include "fmt/format.h"

namespace trireme::sim {

using raft::Entry;
using raft::Index;
using raft::NodeId;
using raft::Term;

namespace {

/// FNV-1a.
std::uint64_t Hash(const Entry& entry) {
  std::uint64_t hash = 0xcbf29ce484222325 ^ static_cast<std::uint64_t>(entry.kind);
  for (const char c : entry.data.view()) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace

Term Ledger::Log::TermAt(Index index) const {
  if (index == base.index) return base.term;
  if (index < base.index || index > last()) return Term{};
  return terms[index - base.index - 1];
}

void Ledger::Restore(NodeId node, const raft::Restored& restored) {
  Log& log = logs_[node];
  log = {restored.snapshot.last, {}};
  for (std::size_t i = 0; i < restored.older_terms.size(); ++i) {
    const raft::TermRun& run = restored.older_terms[i];
    const Index end = i + 1 < restored.older_terms.size() ? restored.older_terms[i + 1].first
                                                          : restored.entries[0].index;
    for (Index index = run.first; index < end; ++index) {
      if (index > log.base.index) log.terms.push_back(run.term);
    }
  }
  for (const Entry& entry : restored.entries) {
    if (entry.index > log.base.index) log.terms.push_back(entry.term);
  }
}

std::string Ledger::Write(NodeId node, const raft::Persist& batch, bool witness) {
  Log& log = logs_[node];
  if (batch.snapshot) {
    const raft::LogPosition last = batch.snapshot->last;
    if (log.TermAt(last.index) != last.term) log = {last, {}};
  }
  if (batch.entries.empty()) return {};
  const Index first = batch.entries[0].index;
  if (first <= log.base.index || first > log.last() + 1) {
    return fmt::format("node {} writes entry {} although its log is ({}, {}]", node.value,
                       first.value, log.base.index.value, log.last().value);
  }
  log.terms.resize(first - log.base.index - 1);
  for (const Entry& entry : batch.entries) {
    std::string wrong = Enter(node, entry, log.TermAt(entry.index - 1), witness);
    if (!wrong.empty()) return wrong;
    log.terms.push_back(entry.term);
  }
  return {};
}

std::string Ledger::Enter(NodeId node, const Entry& entry, Term before, bool stripped) {
  if (seen_.size() <= entry.index.value) seen_.resize(entry.index.value + 1);
  const std::uint64_t hash = stripped ? 0 : Hash(entry);
  for (Seen& other : seen_[entry.index.value]) {
    if (other.term != entry.term) continue;
    if (other.stripped && !stripped) {
      other.hash = hash;
      other.stripped = false;
    }
    if (other.before == before && (stripped || other.hash == hash)) return {};
    return fmt::format("entry {} of term {} differs: on node {} {}, on node {} before",
                       entry.index.value, entry.term.value, node.value,
                       other.before == before ? "its data is not what it is"
                                              : "the entry before it is of another term than",
                       other.by.value);
  }
  seen_[entry.index.value].push_back({entry.term, before, hash, stripped, node});
  return {};
}

std::string Ledger::Commit(NodeId node, const Entry& entry, Term node_term) {
  const std::uint64_t hash = Hash(entry);
  if (entry.index <= committed_last()) {
    const CommittedEntry& known = Committed(entry.index);
    if (known.term == entry.term && known.hash == hash) return {};
    return fmt::format(
        "node {} applies at {} an entry of term {}, node {} had applied one of term {}{}",
        node.value, entry.index.value, entry.term.value, known.said_by.value, known.term.value,
        known.term == entry.term ? " with other data" : "");
  }
  if (entry.index != committed_last() + 1) {
    return fmt::format("node {} applies {} although nobody has applied {}", node.value,
                       entry.index.value, committed_last().value + 1);
  }
  committed_.push_back({entry.term, hash, node_term, node});
  return {};
}

}  // namespace trireme::sim
