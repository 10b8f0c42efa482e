/* Functions that can be led elsewhere. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_REDIRECT_HPP
#define URUK_REDIRECT_HPP

#include "dylib.hpp"

#include <utility>
#include <vector>

namespace uruk {

/// Functions that can be led elsewhere: all that are named, or, if that fails, none. To let it go leaves them as they are.
class Redirectable : public detail::Owner<uruk_redirectable, uruk_redirectable_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Leads functions to other addresses, which the caller keeps for as long as they are called.
  Result<void> redirect(const std::vector<SymbolAddress> &targets) const {
    std::vector<uruk_symbol> plain(targets.begin(), targets.end());
    return detail::checked(uruk_redirectable_redirect(handle(), plain.data(), plain.size()));
  }

  /// Leads functions to symbols that a dylib finds, each with the name of its target: they are linked first, and kept.
  Result<void> redirect(Dylib source, const std::vector<std::pair<Text, Text>> &targets) const {
    std::vector<uruk_redirection> plain;
    for (const auto &[name, target] : targets) plain.push_back({name, target});
    return detail::checked(uruk_redirectable_redirect_to(handle(), source.handle(), plain.data(), plain.size()));
  }
};

inline Result<Redirectable> Dylib::define_redirectable(const std::vector<SymbolAddress> &functions, const Tracker *tracker) const {
  std::vector<uruk_symbol> plain(functions.begin(), functions.end());
  uruk_redirectable *handle = nullptr;
  if (uruk_dylib_define_redirectable(handle_, of(tracker), plain.data(), plain.size(), &handle) != URUK_OK) return Error::last();
  return Redirectable(handle);
}

}  // namespace uruk

#endif  // URUK_REDIRECT_HPP
