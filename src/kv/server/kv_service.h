#pragma once

#include <memory>
#include <string>

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// etcdserverpb.KV. Requests are taken from the bytes of their messages and answered in bytes.
class KvService final : public rpc::Service {
 public:
  explicit KvService(Member& member) : member_(member) {}
  void RegisterWith(rpc::Server& server) override;

 private:
  using Call = std::shared_ptr<rpc::ServerCall>;

  void Range(Call call, std::string message);
  void Put(Call call, std::string message);
  void DeleteRange(Call call, std::string message);
  void Txn(Call call, std::string message);
  void Compact(Call call, std::string message);
  void AnswerRange(rpc::ServerCall& call, const RangeRequest& request, const ReadView& view);
  void AnswerTxn(rpc::ServerCall& call, const TxnRequest& request, const ReadView& view);

  Member& member_;
};

}  // namespace trireme::kv::inline engine
