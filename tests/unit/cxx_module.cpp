/* A library in C++ for test_cxx_late: what its function throws, it catches. */
#include <stdexcept>
#include <string>

extern "C" __attribute__((visibility("default"))) int
throw_and_catch(int number, void (*meanwhile)(void))
{
    const std::string mine = std::to_string(number);
    try {
        try {
            throw std::runtime_error(mine);
        } catch (const std::exception &) {
            meanwhile();
            throw;
        }
    } catch (const std::runtime_error &e) {
        return mine == e.what();
    }
}
