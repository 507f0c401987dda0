#pragma once

#include <string>

#include "etcd/rpc.pb.h"
#include "mapreduce/ledger/transaction.h"

/// What the ledger asks of a store, in etcd's words.
namespace trireme::sim {

etcdserverpb::TxnRequest TxnOf(const mapreduce::ledger::Write& write);
mapreduce::ledger::Answer AnswerOf(std::uint64_t id, const etcdserverpb::TxnResponse& response);
etcdserverpb::RangeRequest RangeOf(const mapreduce::ledger::Read& read);
mapreduce::ledger::Page PageOf(const etcdserverpb::RangeResponse& response);

/// A message that the simulated server has made: it can be read.
template <class Message>
Message Parse(const std::string& bytes) {
  Message message;
  (void)message.ParseFromString(bytes);
  return message;
}

}  // namespace trireme::sim
