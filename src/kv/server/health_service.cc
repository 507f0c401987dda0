#include "kv/server/health_service.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "kv/server/stream_set.h"
#include "kv/server/wire.h"

namespace trireme::kv::inline engine {
namespace {

using Call = std::shared_ptr<rpc::ServerCall>;

enum class Health : std::int64_t { kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

/// How often a watch looks.
constexpr std::chrono::milliseconds kWatchPeriod{250};

std::string ResponseOf(Health health) {
  std::string response;
  wire::Append(response, 1, static_cast<std::int64_t>(health));
  return response;
}

/// Every request but an empty one, or one for the service "", names a service.
bool NamesService(const std::string& request) {
  return !request.empty() && request != std::string("\x0a\x00", 2);
}

Health Look(Member& member) {
  const bool well = member.failure().ok() && member.replica().leader() != raft::kNobody;
  return well ? Health::kServing : Health::kNotServing;
}

/// A call of Watch: told at once, and whenever it changes. On the call's io thread.
class HealthWatch final : public std::enable_shared_from_this<HealthWatch>,
                          private rpc::Loop::Timer {
 public:
  HealthWatch(Member& member, Call call)
      : member_(member), call_(std::move(call)), entry_(member.streams(*call_), call_) {}
  ~HealthWatch() { call_->loop().Disarm(*this); }
  HealthWatch(const HealthWatch&) = delete;
  HealthWatch& operator=(const HealthWatch&) = delete;

  void Begin(bool known) {
    known_ = known;
    call_->OnCancel([self = shared_from_this()] {});  // it lives as long as the call
    OnTimer();
  }

 private:
  void OnTimer() override {
    const Health now = known_ ? Look(member_) : Health::kServiceUnknown;
    if (std::exchange(told_, now) != now) call_->Write(ResponseOf(now));
    call_->loop().Arm(*this, rpc::Loop::Clock::now() + kWatchPeriod);
  }

  Member& member_;
  const Call call_;
  const StreamEntry entry_;
  bool known_ = true;
  std::optional<Health> told_;
};

}  // namespace

void HealthService::RegisterWith(rpc::Server& server) {
  rpc::Method check, watch;
  check.one = [this](const Call& call, const std::string& request) {
    if (NamesService(request)) return call->Finish(absl::NotFoundError("unknown service"));
    call->FinishWith(ResponseOf(Look(member_)));
  };
  watch.one = [this](Call call, const std::string& request) {
    std::make_shared<HealthWatch>(member_, std::move(call))->Begin(!NamesService(request));
  };
  server.RegisterMethod("/grpc.health.v1.Health/Check", std::move(check));
  server.RegisterMethod("/grpc.health.v1.Health/Watch", std::move(watch));
}

void AuthService::RegisterWith(rpc::Server& server) {
  for (const char* name :
       {"AuthEnable", "AuthDisable", "AuthStatus", "Authenticate", "UserAdd", "UserGet", "UserList",
        "UserDelete", "UserChangePassword", "UserGrantRole", "UserRevokeRole", "RoleAdd", "RoleGet",
        "RoleList", "RoleDelete", "RoleGrantPermission", "RoleRevokePermission"}) {
    rpc::Method how;
    how.one = [](const Call& call, const std::string&) {
      call->Finish(absl::UnimplementedError(
          "etcdserver: authentication is not implemented; see docs/etcd-compatibility.md"));
    };
    server.RegisterMethod(std::string("/etcdserverpb.Auth/") + name, std::move(how));
  }
}

}  // namespace trireme::kv::inline engine
