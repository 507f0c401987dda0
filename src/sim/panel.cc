#include "sim/panel.h"

namespace trireme::sim {

Panel::Panel() {
  oracles_.push_back(MakeLogMatching(&ledger_));  // first: it keeps the ledger
  oracles_.push_back(MakeStateMachineSafety(&ledger_));
  oracles_.push_back(MakeOneLeaderPerTerm());
  oracles_.push_back(MakeLeaderCompleteness(&ledger_));
  oracles_.push_back(MakeAppliedNeverGoesBack());
  oracles_.push_back(MakeAcknowledgedIsNeverLost(&ledger_));
  oracles_.push_back(MakeExactlyOnce());
  oracles_.push_back(MakeReadsNeverStale(&ledger_));
  oracles_.push_back(MakeLinearizability());
}

}  // namespace trireme::sim
