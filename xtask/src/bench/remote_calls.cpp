// What an empty call into another process and back costs LLVM: the program `remote_calls EXECUTOR COUNT` starts
// llvm-jitlink-executor, calls `abs` there that often by ORC's remote interface, and prints the microseconds of one call as JSON.

#include <llvm/ExecutionEngine/Orc/Core.h>
#include <llvm/ExecutionEngine/Orc/DylibManager.h>
#include <llvm/ExecutionEngine/Orc/Shared/SimpleRemoteEPCUtils.h>
#include <llvm/ExecutionEngine/Orc/SimpleRemoteEPC.h>
#include <llvm/Support/Error.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

using namespace llvm;
using namespace llvm::orc;

int main(int count, char **values) {
    if (count != 3) return 2;
    ExitOnError ok("remote_calls: ");
    int to[2], from[2];
    if (pipe(to) || pipe(from)) return 1;
    if (fork() == 0) {
        close(to[1]);
        close(from[0]);
        std::string descriptors = "filedescs=" + std::to_string(to[0]) + "," + std::to_string(from[1]);
        execl(values[1], values[1], descriptors.c_str(), nullptr);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    auto remote = ok(SimpleRemoteEPC::Create<FDSimpleRemoteEPCTransport>(
        std::make_unique<DynamicThreadPoolTaskDispatcher>(std::nullopt), SimpleRemoteEPC::Setup(), from[0], to[1]));
    ExecutionSession session(std::move(remote));
    auto &executor = session.getExecutorProcessControl();
    auto process = ok(executor.getDylibMgr().loadDylib(nullptr));
    SymbolLookupSet names(session.intern("abs"));
    auto found = ok(executor.getDylibMgr().lookupSymbols({{process, names}}));
    ExecutorAddr function = (*found[0][0]).getAddress();
    const int warm = 100, calls = std::atoi(values[2]);
    long sum = 0;
    for (int index = 0; index < warm; index++) sum += ok(executor.runAsIntFunction(function, -1));
    auto start = std::chrono::steady_clock::now();
    for (int index = 0; index < calls; index++) sum += ok(executor.runAsIntFunction(function, -1));
    std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
    if (sum != warm + calls) return 1;
    std::printf("{\"call_us\": %f}\n", taken.count() / calls);
    ok(session.endSession());
}
