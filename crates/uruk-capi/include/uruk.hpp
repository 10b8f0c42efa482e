/* Uruk for C++17: `uruk.h` with owners that let go by themselves, results that cannot be overlooked, and types.
 *
 * Nothing here throws, and nothing needs exceptions or type information: it may be compiled with `-fno-exceptions -fno-rtti`. What can
 * fail returns a `Result`, which holds a value or an `Error`. Whatever owns can be moved, not copied; an owner that was moved from is
 * empty, and the library says of it that it is NULL. What the library calls is a class that derives from one of here, and is deleted when
 * it is not needed any more, or, where there is one function only, anything that can be called. The handles of `uruk.h` are there by
 * `handle()`.
 */

#ifndef URUK_HPP
#define URUK_HPP

#include "uruk/base.hpp"
#include "uruk/cache.hpp"
#include "uruk/dispatcher.hpp"
#include "uruk/dylib.hpp"
#include "uruk/executor.hpp"
#include "uruk/generator.hpp"
#include "uruk/graph.hpp"
#include "uruk/image.hpp"
#include "uruk/jit.hpp"
#include "uruk/listener.hpp"
#include "uruk/mapped.hpp"
#include "uruk/memory.hpp"
#include "uruk/plugin.hpp"
#include "uruk/redirect.hpp"
#include "uruk/result.hpp"
#include "uruk/unit.hpp"
#include "uruk/world.hpp"

#endif  // URUK_HPP
