// A callable that is used while a call lasts, and not kept: no copy of it and no allocation, which
// std::function makes for what captures more than two pointers.
//
//     outcome attempt(short events, function_ref<bool()> attempt);
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace ferry {

template <typename Signature>
class function_ref;

template <typename Result, typename... Arguments>
class function_ref<Result(Arguments...)> {
  public:
    template <typename Callable>
    requires(!std::same_as<std::remove_cvref_t<Callable>, function_ref> &&
             std::is_invocable_r_v<Result, Callable&, Arguments...>) function_ref(Callable&& what)
    noexcept  // NOLINT: a lambda is one
        : what_{const_cast<void*>(static_cast<const void*>(std::addressof(what)))},
          call_{[](void* called, Arguments... arguments) -> Result {
              return (*static_cast<std::remove_reference_t<Callable>*>(called))(
                  std::forward<Arguments>(arguments)...);
          }} {}

    Result operator()(Arguments... arguments) const {
        return call_(what_, std::forward<Arguments>(arguments)...);
    }

  private:
    void* what_;
    Result (*call_)(void*, Arguments...);
};

}  // namespace ferry
