/* What the tests in C++ have in common. */
#ifndef CHECK_HPP
#define CHECK_HPP

#include <uruk.hpp>

/* Ends the test with the place, unless the condition holds. */
#define CHECK(condition)                                                                   \
  do {                                                                                     \
    if (!(condition)) {                                                                    \
      std::fprintf(stderr, "%s:%d: %s does not hold; last failure: %s\n", __FILE__, __LINE__, #condition, \
                   uruk::Error::last().text().c_str());                                    \
      std::exit(1);                                                                        \
    }                                                                                      \
  } while (0)

/* Ends the test unless a result is a failure like this, with a text that has this part. */
template <class T>
void fails(const uruk::Result<T> &result, uruk_status status, const char *part) {
  CHECK(!result);
  CHECK(result.error().status() == status);
  CHECK(result.error().text().find(part) != std::string::npos);
}

#endif
