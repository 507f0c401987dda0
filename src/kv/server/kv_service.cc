#include "kv/server/kv_service.h"

#include <utility>

#include "kv/model/checks.h"
#include "kv/server/request_wire.h"
#include "kv/server/response_wire.h"
#include "kv/server/rpc_errors.h"
#include "rpc/server_call.h"

namespace trireme::kv::inline engine {

void KvService::RegisterWith(rpc::Server& server) {
  const auto add = [&](const char* name, void (KvService::*handle)(Call, std::string)) {
    rpc::Method method;
    method.one = [this, handle](Call call, std::string message) {
      (this->*handle)(std::move(call), std::move(message));
    };
    method.receive_message_bytes_max = member_.limits().request_bytes_max + kRequestOverheadBytes;
    server.RegisterMethod(std::string("/etcdserverpb.KV/") + name, std::move(method));
  };
  add("Range", &KvService::Range);
  add("Put", &KvService::Put);
  add("DeleteRange", &KvService::DeleteRange);
  add("Txn", &KvService::Txn);
  add("Compact", &KvService::Compact);
}

void KvService::Range(Call call, std::string message) {
  RangeRequest request;
  bool serializable = false;
  if (!ParseRange(message, &request, &serializable))
    return call->Finish(Unparsable(call->method()));
  if (const Error error = Check(request); error != Error::kNone)
    return call->Finish(StatusOf(error));
  if (serializable) return AnswerRange(*call, request, *member_.published().view());
  member_.ReadLinearizable(
      std::move(call), std::move(message),
      [this](rpc::ServerCall& to, std::string_view kept, const ReadView& view) {
        RangeRequest again;
        bool unused = false;
        ParseRange(kept, &again, &unused);
        AnswerRange(to, again, view);
      });
}

void KvService::AnswerRange(rpc::ServerCall& call, const RangeRequest& request,
                            const ReadView& view) {
  std::string response;
  Error error = Error::kNone;
  const absl::Status status =
      AppendRangeResponse(response, member_.header(), view, request, &error);
  if (!status.ok()) return member_.Fail(status, call);
  if (error != Error::kNone) return call.Finish(StatusOf(error));
  call.FinishWith(std::move(response));
}

void KvService::Put(Call call, std::string message) {
  PutRequest request;
  if (!ParsePut(message, &request)) return call->Finish(Unparsable(call->method()));
  if (const Error error = Check(request); error != Error::kNone)
    return call->Finish(StatusOf(error));
  member_.Propose(std::move(call), {.body = request});
}

void KvService::DeleteRange(Call call, std::string message) {
  DeleteRangeRequest request;
  if (!ParseDeleteRange(message, &request)) return call->Finish(Unparsable(call->method()));
  if (const Error error = Check(request); error != Error::kNone)
    return call->Finish(StatusOf(error));
  member_.Propose(std::move(call), {.body = request});
}

void KvService::Txn(Call call, std::string message) {
  TxnRequest request;
  bool serializable = false;
  if (!ParseTxn(message, &request, &serializable)) return call->Finish(Unparsable(call->method()));
  if (const Error error = Check(request, member_.limits().txn_ops_max); error != Error::kNone)
    return call->Finish(StatusOf(error));
  if (!ReadOnly(request)) return member_.Propose(std::move(call), {.body = std::move(request)});
  if (serializable) return AnswerTxn(*call, request, *member_.published().view());
  member_.ReadLinearizable(
      std::move(call), std::move(message),
      [this](rpc::ServerCall& to, std::string_view kept, const ReadView& view) {
        TxnRequest again;
        bool unused = false;
        ParseTxn(kept, &again, &unused);
        AnswerTxn(to, again, view);
      });
}

void KvService::AnswerTxn(rpc::ServerCall& call, const TxnRequest& request, const ReadView& view) {
  TxnResult result;
  Error error = Error::kNone;
  const absl::Status status = view.Txn(request, &error, &result);
  if (!status.ok()) return member_.Fail(status, call);
  if (error != Error::kNone) return call.Finish(StatusOf(error));
  std::string response;
  AppendTxnResponse(response, member_.header(), view.meta().applied_term, result);
  call.FinishWith(std::move(response));
}

void KvService::Compact(Call call, std::string message) {
  CompactRequest request;
  bool physical = false;
  if (!ParseCompact(message, &request, &physical)) return call->Finish(Unparsable(call->method()));
  if (!physical) return member_.Propose(std::move(call), {.body = request});
  member_.Propose(std::move(call), {.body = request},
                  [this, revision = request.revision](Call to, std::string response) {
                    member_.WhenSwept(revision, [to = std::move(to), r = std::move(response)] {
                      to->FinishWith(r);
                    });
                  });
}

}  // namespace trireme::kv::inline engine
